//! Components that a client gives to fill a template, in Meta's own shape: held against the template.
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/guides/send-message-templates>

use super::super::{Filled, Invalid, lenient};
use super::filled::{
    LONGEST_HEADER, check_button_text, check_length, check_text, longest_body, rendered,
};
use super::template::{Button, Form, Header, is_number, placeholders};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Components beside the usual three; they are Meta's to check.
const PASSED: [&str; 4] = [
    "carousel",
    "limited_time_offer",
    "order_status",
    "tap_target_configuration",
];

/// Checks components and gives them back as they are.
pub fn check(form: &Form<'_>, components: &[Value]) -> Result<Filled, Invalid> {
    let mut header = None;
    let mut body = None;
    let mut buttons = BTreeSet::new();
    let mut has_other = form.other.is_none();
    for (at, component) in components.iter().enumerate() {
        let pointer = format!("/components/{at}");
        let kind = word(component, "type").unwrap_or_default();
        let is_repeated = match kind.as_str() {
            "header" => header.replace((component, pointer.clone())).is_some(),
            "body" => body.replace((component, pointer.clone())).is_some(),
            "button" => {
                let index = check_button(form, component, &pointer)?;
                !buttons.insert(index)
            }
            other if PASSED.contains(&other) => {
                has_other = has_other || form.other == Some(other);
                false
            }
            _ => {
                return Err(Invalid::new(
                    format!("{pointer}/type"),
                    "must be header, body or button",
                ));
            }
        };
        if is_repeated {
            return Err(Invalid::new(pointer, "comes twice"));
        }
    }
    if let Some(part) = form.other.filter(|_| !has_other) {
        return Err(Invalid::new(
            "/components",
            format!("lacks the template's {part}"),
        ));
    }
    check_header(form, header)?;
    let pointer = body.as_ref().map(|(_, at)| format!("{at}/parameters"));
    let texts = check_texts(form.body, "body", body)?;
    let text = rendered(form.body, |token| texts.get(token).copied().unwrap_or(""));
    if !texts.is_empty() {
        let at = || pointer.unwrap_or_default();
        check_length(&text, longest_body(form), "body", at)?;
    }
    let lacks = |(index, button): &(usize, &Button<'_>)| {
        let is_open = button.variable(*index, form).is_some() || button.needs_component();
        is_open && !buttons.contains(index)
    };
    if let Some((index, _)) = form.buttons.iter().enumerate().find(lacks) {
        return Err(Invalid::new(
            "/components",
            format!("lacks button {index}, which has a parameter"),
        ));
    }
    Ok(Filled {
        components: components.to_vec(),
        text,
    })
}

/// A component and where it stands.
type Placed<'a> = Option<(&'a Value, String)>;

fn check_header(form: &Form<'_>, component: Placed<'_>) -> Result<(), Invalid> {
    let kind = match form.header {
        Header::Text(text) => {
            let pointer = component.as_ref().map(|(_, at)| format!("{at}/parameters"));
            let texts = check_texts(text, "header", component)?;
            if texts.is_empty() {
                return Ok(());
            }
            let filled = rendered(text, |token| texts.get(token).copied().unwrap_or(""));
            return check_length(&filled, LONGEST_HEADER, "header", || {
                pointer.unwrap_or_default()
            });
        }
        Header::None => return check_texts("", "header", component).map(|_| ()),
        Header::Other => return Ok(()),
        Header::Media(kind) => kind,
        Header::Location => "location",
        Header::Product => "product",
    };
    let Some((component, pointer)) = component else {
        return Err(Invalid::new(
            "/components",
            format!("lacks the header with its {kind}"),
        ));
    };
    let (parameters, pointer) = parameters(component, &pointer)?;
    let [parameter] = parameters else {
        return Err(wrong_count(pointer, "header", parameters.len(), 1));
    };
    let pointer = format!("{pointer}/0");
    if word(parameter, "type").as_deref() != Some(kind) {
        return Err(Invalid::new(
            format!("{pointer}/type"),
            format!("must be {kind}, as the template's header is"),
        ));
    }
    let pointer = format!("{pointer}/{kind}");
    let Some(media) = parameter.get(kind).filter(|media| media.is_object()) else {
        return Err(Invalid::new(pointer, "is required"));
    };
    let has = |name: &str| lenient::text(media.get(name)).is_some();
    let (is_whole, wanted) = match kind {
        "location" => (
            has("latitude") && has("longitude"),
            "must have a latitude and a longitude",
        ),
        "product" => (
            has("product_retailer_id"),
            "must have a product_retailer_id",
        ),
        _ => (has("link") || has("id"), "must have a link or an id"),
    };
    if is_whole {
        Ok(())
    } else {
        Err(Invalid::new(pointer, wanted))
    }
}

/// Checks the parameters of a text; gives back what stands for each placeholder.
fn check_texts<'a, 'b>(
    text: &'a str,
    part: &'static str,
    component: Option<(&'b Value, String)>,
) -> Result<BTreeMap<&'a str, &'b str>, Invalid> {
    let tokens = placeholders(text);
    let Some((component, pointer)) = component else {
        if tokens.is_empty() {
            return Ok(BTreeMap::new());
        }
        return Err(Invalid::new(
            "/components",
            format!("lacks the {part}, which has {}", many(tokens.len())),
        ));
    };
    let (parameters, pointer) = parameters(component, &pointer)?;
    if parameters.len() != tokens.len() {
        return Err(wrong_count(pointer, part, parameters.len(), tokens.len()));
    }
    let mut texts = BTreeMap::new();
    for (at, (parameter, in_order)) in parameters.iter().zip(&tokens).enumerate() {
        let pointer = format!("{pointer}/{at}");
        let token = if is_number(in_order) {
            in_order
        } else {
            named(parameter, &tokens, &pointer)?
        };
        if texts.insert(*token, value(parameter, &pointer)?).is_some() {
            return Err(Invalid::new(
                format!("{pointer}/parameter_name"),
                "comes twice",
            ));
        }
    }
    Ok(texts)
}

/// The placeholder that a parameter names.
fn named<'t, 'a>(
    parameter: &Value,
    tokens: &'t [&'a str],
    pointer: &str,
) -> Result<&'t &'a str, Invalid> {
    let pointer = format!("{pointer}/parameter_name");
    let Some(name) = parameter.get("parameter_name").and_then(Value::as_str) else {
        return Err(Invalid::new(
            pointer,
            "is required: the template's placeholders have names",
        ));
    };
    tokens
        .iter()
        .find(|token| **token == name)
        .ok_or_else(|| Invalid::new(pointer, format!("must be one of {}", tokens.join(", "))))
}

/// What a parameter puts into a text.
fn value<'a>(parameter: &'a Value, pointer: &str) -> Result<&'a str, Invalid> {
    let kind = word(parameter, "type").unwrap_or_default();
    let (text, pointer) = match kind.as_str() {
        "text" => (parameter.get("text"), format!("{pointer}/text")),
        "currency" | "date_time" => (
            parameter
                .get(&kind)
                .and_then(|value| value.get("fallback_value")),
            format!("{pointer}/{kind}/fallback_value"),
        ),
        _ => {
            return Err(Invalid::new(
                format!("{pointer}/type"),
                "must be text, currency or date_time",
            ));
        }
    };
    let text = text.ok_or_else(|| Invalid::new(pointer.clone(), "is required"))?;
    let text = text
        .as_str()
        .ok_or_else(|| Invalid::new(pointer.clone(), "must be text"))?;
    check_text(text, &pointer)?;
    Ok(text)
}

/// Checks a button's component; gives back which button it is.
fn check_button(form: &Form<'_>, component: &Value, pointer: &str) -> Result<usize, Invalid> {
    let index = lenient::integer(component.get("index"))
        .and_then(|index| usize::try_from(index).ok())
        .and_then(|index| Some((index, form.buttons.get(index)?)));
    let Some((index, button)) = index else {
        return Err(Invalid::new(
            format!("{pointer}/index"),
            match form.buttons.len() {
                0 => "is no button: the template has none".to_owned(),
                many => format!("must be the place of a button: 0 to {}", many - 1),
            },
        ));
    };
    let is_open = button.variable(index, form).is_some();
    if let Button::Url(_) = button
        && !is_open
    {
        return Err(Invalid::new(
            format!("{pointer}/index"),
            "is a button without a parameter",
        ));
    }
    let sub_type = match button {
        Button::Url(_) | Button::Code => "url",
        Button::Coupon => "copy_code",
        Button::QuickReply => "quick_reply",
        Button::Other(kind) => kind,
    };
    if word(component, "sub_type").as_deref() != Some(sub_type) {
        return Err(Invalid::new(
            format!("{pointer}/sub_type"),
            format!("must be {sub_type}, as button {index} is"),
        ));
    }
    let (parameters, pointer) = parameters(component, pointer)?;
    let field = match button {
        Button::Url(_) | Button::Code => "text",
        Button::Coupon => "coupon_code",
        Button::QuickReply => "payload",
        Button::Other(kind) => {
            check_action(kind, button.needs_component(), parameters, &pointer)?;
            return Ok(index);
        }
    };
    let [parameter] = parameters else {
        return Err(wrong_count(pointer, "button", parameters.len(), 1));
    };
    let pointer = format!("{pointer}/0");
    if word(parameter, "type").as_deref() != Some(field) {
        return Err(Invalid::new(
            format!("{pointer}/type"),
            format!("must be {field}"),
        ));
    }
    let pointer = format!("{pointer}/{field}");
    match parameter.get(field) {
        // What a press sends back is nothing that people read.
        Some(Value::String(text)) if field == "payload" && !text.is_empty() => {}
        Some(Value::String(text)) => {
            check_text(text, &pointer)?;
            check_button_text(button, text, &pointer)?;
        }
        None => return Err(Invalid::new(pointer, "is required")),
        Some(_) => return Err(Invalid::new(pointer, "must be text")),
    }
    Ok(index)
}

/// Buttons whose parameter is an action: of a flow, a catalog, a list of products, an order.
const ACTIONS: [&str; 4] = ["flow", "catalog", "mpm", "order_details"];

/// Checks the parameters of a button that has an action; those of others are Meta's to
/// check, and so is what is in an action.
fn check_action(
    kind: &str,
    is_needed: bool,
    parameters: &[Value],
    pointer: &str,
) -> Result<(), Invalid> {
    if !ACTIONS.contains(&kind) {
        return Ok(());
    }
    let parameter = match parameters {
        [] if !is_needed => return Ok(()),
        [parameter] => parameter,
        _ => {
            return Err(wrong_count(
                pointer.to_owned(),
                "button",
                parameters.len(),
                1,
            ));
        }
    };
    if word(parameter, "type").as_deref() != Some("action") {
        return Err(Invalid::new(format!("{pointer}/0/type"), "must be action"));
    }
    let action = parameter.get("action").filter(|action| action.is_object());
    let Some(action) = action else {
        return Err(Invalid::new(
            format!("{pointer}/0/action"),
            "must be an object",
        ));
    };
    if kind == "order_details" && !action.get(kind).is_some_and(Value::is_object) {
        return Err(Invalid::new(
            format!("{pointer}/0/action/{kind}"),
            "must be an object",
        ));
    }
    Ok(())
}

/// The parameters of a component and where they stand; none where it has none.
fn parameters<'a>(component: &'a Value, pointer: &str) -> Result<(&'a [Value], String), Invalid> {
    let pointer = format!("{pointer}/parameters");
    match component.get("parameters") {
        None | Some(Value::Null) => Ok((&[], pointer)),
        Some(Value::Array(parameters)) => Ok((parameters, pointer)),
        Some(_) => Err(Invalid::new(pointer, "must be an array")),
    }
}

fn wrong_count(pointer: String, part: &str, given: usize, wanted: usize) -> Invalid {
    let wanted = many(wanted);
    Invalid::new(
        pointer,
        format!("must be as many as the template's {part} has: {wanted}, not {given}"),
    )
}

fn many(count: usize) -> String {
    match count {
        1 => "1 parameter".to_owned(),
        count => format!("{count} parameters"),
    }
}

/// A word of Meta's, in small letters.
fn word(json: &Value, field: &str) -> Option<String> {
    Some(json.get(field)?.as_str()?.to_ascii_lowercase())
}
