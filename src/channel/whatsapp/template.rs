//! Message templates: reading the account's list, and what is open in one.
//! <https://developers.facebook.com/docs/graph-api/reference/whats-app-business-account/message_templates/>

use super::super::{Filled, Invalid, Origins, Reason, SendError, join, lenient, meta};
use super::{fill, plain, submit};
use crate::model::channel::Channel;
use crate::model::content::Content;
use crate::model::template::{DELETED, ProviderTemplate, TemplateDraft, TemplateRecord};
use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Map, Value};

pub struct Templates;

/// As many as Meta gives at a time without complaint.
const PAGE: usize = 100;
/// Longer than any name, language, category or status of Meta's.
const LONGEST_WORD: usize = 512;

impl super::super::Templates for Templates {
    fn list(
        &self,
        origins: &Origins,
        channel: &Channel,
        after: Option<&str>,
    ) -> Result<Request<Bytes>, SendError> {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("fields", "id,name,language,status,category,components");
        query.append_pair("limit", &PAGE.to_string());
        if let Some(after) = after {
            query.append_pair("after", after);
        }
        let account = channel.credentials.get("wabaId");
        let path = format!("{account}/message_templates?{}", query.finish());
        let token = channel.credentials.get("accessToken");
        meta::get(&join(&origins.graph, &path), token).ok_or_else(unfit)
    }

    /// The cursor counts only where there is a next page: the last one has cursors too.
    fn listed(
        &self,
        response: &Response<Bytes>,
    ) -> Result<(Vec<ProviderTemplate>, Option<String>), SendError> {
        let body = lenient::json(response.body()).unwrap_or_default();
        let Some(data) = body
            .get("data")
            .and_then(Value::as_array)
            .filter(|_| response.status().is_success())
        else {
            return Err(meta::error(response));
        };
        let after = body
            .pointer("/paging/next")
            .and_then(|_| lenient::text(body.pointer("/paging/cursors/after")));
        Ok((data.iter().filter_map(read).collect(), after))
    }

    fn fill(&self, template: &TemplateRecord, draft: &TemplateDraft) -> Result<Filled, Invalid> {
        fill::fill(template, draft)
    }

    fn plain(&self, template: &TemplateRecord, filled: &Filled) -> Content {
        plain::of(template, filled)
    }

    fn variables(&self, components: &[Value]) -> Vec<String> {
        Form::of(components).variables()
    }

    fn account<'a>(&self, channel: &'a Channel) -> &'a str {
        channel.credentials.get("wabaId")
    }

    fn describe(&self, description: &Map<String, Value>) -> Result<ProviderTemplate, Vec<Invalid>> {
        submit::describe(description)
    }

    fn create(
        &self,
        origins: &Origins,
        channel: &Channel,
        description: &Map<String, Value>,
    ) -> Result<Request<Bytes>, SendError> {
        submit::create(origins, channel, description)
    }

    fn created(
        &self,
        response: &Response<Bytes>,
        described: ProviderTemplate,
    ) -> Result<ProviderTemplate, SendError> {
        submit::created(response, described)
    }

    fn delete(
        &self,
        origins: &Origins,
        channel: &Channel,
        name: &str,
        provider_id: &str,
    ) -> Result<Request<Bytes>, SendError> {
        submit::delete(origins, channel, name, provider_id)
    }

    fn deleted(&self, response: &Response<Bytes>) -> Result<(), SendError> {
        submit::deleted(response)
    }
}

/// Origin or token are none.
pub fn unfit() -> SendError {
    SendError::Rejected(Reason {
        code: "channel_unavailable",
        provider_code: None,
        message: "The channel's credentials or the provider's origin cannot form a request."
            .to_owned(),
    })
}

/// A word of Meta's, if it is one.
pub fn word_of(value: Option<&Value>) -> Option<String> {
    lenient::text(value)
        .filter(|word| word.chars().count() <= LONGEST_WORD && !word.chars().any(char::is_control))
}

/// The same of a field of an object.
pub fn word(json: &Value, field: &str) -> Option<String> {
    word_of(json.get(field))
}

/// One of the list; `None` where it has no name, language or status to know it by, or is
/// about to be deleted: Meta lists it until its last messages are delivered.
fn read(item: &Value) -> Option<ProviderTemplate> {
    let status = word(item, "status")?;
    if ["PENDING_DELETION", DELETED].contains(&status.as_str()) {
        return None;
    }
    Some(ProviderTemplate {
        provider_id: word(item, "id").unwrap_or_default(),
        name: word(item, "name")?,
        language: word(item, "language")?,
        category: word(item, "category").unwrap_or_default(),
        status,
        components: lenient::items(item.get("components")).cloned().collect(),
    })
}

/// What a template leaves open, part by part.
pub struct Form<'a> {
    pub header: Header<'a>,
    pub body: &'a str,
    /// Whether it has a part beside its body, which then must be short.
    pub has_more: bool,
    pub buttons: Vec<Button<'a>>,
    /// A further part that only components can give, by the name it has there.
    pub other: Option<&'static str>,
}

pub enum Header<'a> {
    None,
    Text(&'a str),
    /// `image`, `video` or `document`.
    Media(&'static str),
    Location,
    /// One of a catalog.
    Product,
    /// A format that is none of these; nothing is known of its parameters.
    Other,
}

pub enum Button<'a> {
    /// What its address leaves open at its end, if it does.
    Url(&'a str),
    /// A one-time password: it takes the same code as the body.
    Code,
    /// A coupon's code.
    Coupon,
    QuickReply,
    /// The rest, by the name it has in components; nothing is known of its parameters.
    Other(String),
}

impl<'a> Form<'a> {
    pub fn of(components: &'a [Value]) -> Self {
        let part = |kind: &str| components.iter().find(|part| is(part, "type", kind));
        let header = part("HEADER").map_or(Header::None, header);
        let buttons: Vec<Button<'_>> = part("BUTTONS")
            .map(|part| lenient::items(part.get("buttons")).map(button).collect())
            .unwrap_or_default();
        // An authentication template may leave out the text that all of them have.
        let usual = if buttons.iter().any(|button| matches!(button, Button::Code)) {
            "{{1}}"
        } else {
            ""
        };
        Self {
            header,
            body: part("BODY")
                .and_then(|part| part.get("text")?.as_str())
                .unwrap_or(usual),
            has_more: components.iter().any(|part| !is(part, "type", "BODY")),
            buttons,
            other: if part("CAROUSEL").is_some() {
                Some("carousel")
            } else if part("LIMITED_TIME_OFFER").is_some_and(expires) {
                Some("limited_time_offer")
            } else {
                None
            },
        }
    }

    /// The names of all that is open: header, body, buttons. A placeholder with a name
    /// keeps it; of those with numbers the body's are `1`, `2`, …, the header's
    /// `header.1` and a button's `button.0.1`. A header's file is `header.image` (or
    /// `video`, `document`), its place `header.location`, a coupon `button.0.code`.
    /// The code of an authentication template is the body's `1` in its button too.
    pub fn variables(&self) -> Vec<String> {
        let mut names: Vec<String> = match &self.header {
            Header::Text(text) => {
                let tokens = placeholders(text).into_iter();
                tokens.map(header_name).collect()
            }
            Header::Media(kind) => vec![format!("header.{kind}")],
            Header::Location => vec!["header.location".to_owned()],
            Header::None | Header::Product | Header::Other => vec![],
        };
        names.extend(placeholders(self.body).into_iter().map(str::to_owned));
        for (index, button) in self.buttons.iter().enumerate() {
            names.extend(button.variable(index, self));
        }
        let mut seen = Vec::with_capacity(names.len());
        for name in names {
            if !seen.contains(&name) {
                seen.push(name);
            }
        }
        seen
    }
}

impl Button<'_> {
    /// Whether it says nothing without a parameter that only components can give.
    pub fn needs_component(&self) -> bool {
        matches!(self, Button::Other(kind) if ["mpm", "order_details"].contains(&kind.as_str()))
    }

    /// The name of what it leaves open, if it leaves something open.
    pub fn variable(&self, index: usize, form: &Form<'_>) -> Option<String> {
        match self {
            Button::Url(url) => {
                let first = placeholders(url).into_iter().next()?;
                Some(format!("button.{index}.{first}"))
            }
            Button::Code => {
                let code = placeholders(form.body).into_iter().next();
                Some(code.map_or_else(|| format!("button.{index}.1"), str::to_owned))
            }
            Button::Coupon => Some(format!("button.{index}.code")),
            Button::QuickReply | Button::Other(_) => None,
        }
    }
}

/// What a header's placeholder is called: a number would be mistaken for the body's.
pub fn header_name(token: &str) -> String {
    if is_number(token) {
        format!("header.{token}")
    } else {
        token.to_owned()
    }
}

pub fn is_number(token: &str) -> bool {
    token.bytes().all(|byte| byte.is_ascii_digit())
}

pub fn is(json: &Value, field: &str, word: &str) -> bool {
    let found = json.get(field).and_then(Value::as_str);
    found.is_some_and(|found| found.eq_ignore_ascii_case(word))
}

/// Whether an offer has an end, which every message tells anew.
fn expires(part: &Value) -> bool {
    part.pointer("/limited_time_offer/has_expiration") != Some(&Value::Bool(false))
}

fn header(part: &Value) -> Header<'_> {
    let format = part.get("format").and_then(Value::as_str).unwrap_or("TEXT");
    match format.to_ascii_uppercase().as_str() {
        "TEXT" => Header::Text(part.get("text").and_then(Value::as_str).unwrap_or("")),
        "IMAGE" => Header::Media("image"),
        "VIDEO" => Header::Media("video"),
        "DOCUMENT" => Header::Media("document"),
        "LOCATION" => Header::Location,
        "PRODUCT" => Header::Product,
        _ => Header::Other,
    }
}

fn button(json: &Value) -> Button<'_> {
    let kind = json.get("type").and_then(Value::as_str).unwrap_or("");
    let url = json.get("url").and_then(Value::as_str).unwrap_or("");
    match kind.to_ascii_uppercase().as_str() {
        // Authentication templates are listed with the address that carries the code.
        "OTP" => Button::Code,
        "URL" if url.contains("otp_type=") => Button::Code,
        "URL" => Button::Url(url),
        "COPY_CODE" => Button::Coupon,
        "QUICK_REPLY" => Button::QuickReply,
        _ => Button::Other(kind.to_ascii_lowercase()),
    }
}

/// A text cut at its placeholders: the text before each with its name, and the rest.
pub fn cut(text: &str) -> (Vec<(&str, &str)>, &str) {
    let mut parts = Vec::new();
    let (mut start, mut from) = (0, 0);
    while let Some(open) = find(text, "{{", from) {
        let Some(close) = find(text, "}}", open) else {
            break;
        };
        let name = text.get(open + 2..close).unwrap_or("").trim();
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || !name.bytes().all(is_name) {
            from = open + 1;
            continue;
        }
        parts.push((text.get(start..open).unwrap_or(""), name));
        start = close + 2;
        from = start;
    }
    (parts, text.get(start..).unwrap_or(""))
}

fn find(text: &str, what: &str, from: usize) -> Option<usize> {
    Some(text.get(from..)?.find(what)? + from)
}

/// The placeholders of a text, each once, in the order of their parameters: those with
/// numbers by number, those with names as they come.
pub fn placeholders(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for (_, name) in cut(text).0 {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    if found.iter().all(|name| is_number(name)) {
        found.sort_unstable_by_key(|name| name.parse::<u64>().unwrap_or(u64::MAX));
    }
    found
}
