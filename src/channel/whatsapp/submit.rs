//! Submitting a template to Meta, and deleting one there.
//! <https://developers.facebook.com/docs/whatsapp/business-management-api/message-templates>
//!
//! Whatever is valid for Meta is valid here: what a description says beside its name,
//! language, category and body goes through as it is, and Meta judges it.

use super::super::{Invalid, Origins, Reason, SendError, join, lenient, meta, post_json};
use super::template::{is, unfit, word};
use crate::model::channel::Channel;
use crate::model::template::ProviderTemplate;
use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Map, Value};

const LONGEST_NAME: usize = 512;
const CATEGORIES: [&str; 3] = ["MARKETING", "UTILITY", "AUTHENTICATION"];
/// Bytes of components. Meta's own limits are far below.
const LARGEST: usize = 400_000;

/// Reads what a client describes, or says all that is wrong with it.
pub fn describe(description: &Map<String, Value>) -> Result<ProviderTemplate, Vec<Invalid>> {
    let mut wrong = Vec::new();
    let mut text = |field: &str, is_right: fn(&str) -> bool, rule: &str| {
        let pointer = format!("/{field}");
        let detail = match description.get(field) {
            Some(Value::String(text)) if is_right(text) => return text.clone(),
            None | Some(Value::Null) => "is required",
            Some(_) => rule,
        };
        wrong.push(Invalid::new(pointer, detail));
        String::new()
    };
    let name = text(
        "name",
        is_name,
        "must be 1 to 512 lower-case letters, digits and underscores",
    );
    let language = text(
        "language",
        is_language,
        "must be a language as Meta writes it, such as en or pt_BR",
    );
    let category = text(
        "category",
        is_category,
        "must be MARKETING, UTILITY or AUTHENTICATION",
    );
    let category = category.to_ascii_uppercase();
    let components = components(description, &category).unwrap_or_else(|invalid| {
        wrong.push(invalid);
        vec![]
    });
    if !wrong.is_empty() {
        return Err(wrong);
    }
    Ok(ProviderTemplate {
        provider_id: String::new(),
        name,
        language,
        category,
        status: String::new(),
        components,
    })
}

fn is_name(name: &str) -> bool {
    let is_right = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(is_right)
}

/// Two or three letters, and a region or a script where the language has several.
fn is_language(code: &str) -> bool {
    let (language, region) = code.split_once('_').unwrap_or((code, "XX"));
    (2..=3).contains(&language.len())
        && language.bytes().all(|byte| byte.is_ascii_lowercase())
        && (2..=4).contains(&region.len())
        && region.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn is_category(category: &str) -> bool {
    CATEGORIES
        .iter()
        .any(|known| known.eq_ignore_ascii_case(category))
}

/// The components of a description. One that takes a template of Meta's library has none,
/// and the text of an authentication template is Meta's own.
fn components(description: &Map<String, Value>, category: &str) -> Result<Vec<Value>, Invalid> {
    let at = "/components";
    let components = match description.get("components") {
        Some(Value::Array(components)) => components,
        None | Some(Value::Null) if description.contains_key("library_template_name") => {
            return Ok(vec![]);
        }
        None | Some(Value::Null) => return Err(Invalid::new(at, "is required")),
        Some(_) => return Err(Invalid::new(at, "must be an array")),
    };
    if components.is_empty() {
        return Err(Invalid::new(at, "must not be empty"));
    }
    for (index, component) in components.iter().enumerate() {
        let pointer = format!("{at}/{index}");
        if !component.is_object() {
            return Err(Invalid::new(pointer, "must be an object"));
        }
        if word(component, "type").is_none() {
            let detail = "must name the component, such as BODY";
            return Err(Invalid::new(format!("{pointer}/type"), detail));
        }
    }
    let body = components.iter().position(|part| is(part, "type", "BODY"));
    if category != "AUTHENTICATION" {
        let Some(body) = body else {
            return Err(Invalid::new(at, "must have a BODY"));
        };
        let text = components.get(body).and_then(|body| body.get("text"));
        let text = text.and_then(Value::as_str).unwrap_or("");
        if text.trim().is_empty() {
            let detail = "must be the text of the template";
            return Err(Invalid::new(format!("{at}/{body}/text"), detail));
        }
    }
    let json = serde_json::to_string(components);
    if json.is_ok_and(|json| json.len() > LARGEST) {
        return Err(Invalid::new(at, "are too large"));
    }
    Ok(components.clone())
}

pub fn create(
    origins: &Origins,
    channel: &Channel,
    description: &Map<String, Value>,
) -> Result<Request<Bytes>, SendError> {
    let credentials = &channel.credentials;
    let path = format!("{}/message_templates", credentials.get("wabaId"));
    let token = credentials.get("accessToken");
    post_json(&join(&origins.graph, &path), Some(token), description)
}

/// Meta may file a template under another category than it was asked for.
pub fn created(
    response: &Response<Bytes>,
    described: ProviderTemplate,
) -> Result<ProviderTemplate, SendError> {
    let body = lenient::json(response.body()).unwrap_or_default();
    let field = |name: &str| lenient::text(body.get(name));
    let Some(provider_id) = field("id").filter(|_| response.status().is_success()) else {
        return Err(refusal(response, &body));
    };
    Ok(ProviderTemplate {
        provider_id,
        status: field("status").unwrap_or_else(|| "PENDING".to_owned()),
        category: field("category").unwrap_or(described.category),
        ..described
    })
}

/// By name and id: by the name alone it would be every language.
pub fn delete(
    origins: &Origins,
    channel: &Channel,
    name: &str,
    provider_id: &str,
) -> Result<Request<Bytes>, SendError> {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("name", name);
    query.append_pair("hsm_id", provider_id);
    let credentials = &channel.credentials;
    let path = format!(
        "{}/message_templates?{}",
        credentials.get("wabaId"),
        query.finish()
    );
    let token = credentials.get("accessToken");
    let mut request = meta::get(&join(&origins.graph, &path), token).ok_or_else(unfit)?;
    *request.method_mut() = http::Method::DELETE;
    Ok(request)
}

pub fn deleted(response: &Response<Bytes>) -> Result<(), SendError> {
    let body = lenient::json(response.body()).unwrap_or_default();
    if response.status().is_success() && body.get("success") == Some(&Value::Bool(true)) {
        Ok(())
    } else {
        Err(refusal(response, &body))
    }
}

/// Meta's error. Of templates its message says little more than `Invalid parameter`; what
/// is wrong stands in the text that is meant for people.
fn refusal(response: &Response<Bytes>, body: &Value) -> SendError {
    let told = lenient::text(body.pointer("/error/error_user_msg"));
    let explained = |reason: Reason| match &told {
        Some(told) if !reason.message.contains(told.as_str()) => Reason {
            message: format!("{}: {told}", reason.message),
            ..reason
        },
        Some(_) | None => reason,
    };
    match meta::error(response) {
        SendError::Throttled {
            retry_after_ms,
            reason,
        } => SendError::Throttled {
            retry_after_ms,
            reason: explained(reason),
        },
        SendError::Temporary(reason) => SendError::Temporary(explained(reason)),
        SendError::Unauthorized(reason) => SendError::Unauthorized(explained(reason)),
        SendError::Rejected(reason) => SendError::Rejected(explained(reason)),
        SendError::Unclear(reason) => SendError::Unclear(explained(reason)),
    }
}
