//! A filled template as a content of any channel's: for people who are elsewhere.

use super::super::{Filled, lenient};
use super::filled::rendered;
use super::template::{Form, Header as Part, is, is_number, placeholders, word};
use crate::model::content::{
    Button, Content, Header, HeaderKind, Interactive, InteractiveKind, Media,
};
use crate::model::template::TemplateRecord;
use serde_json::Value;

/// What the template says, part by part. What only WhatsApp has, such as a flow or a
/// catalog, is left out.
pub fn of(template: &TemplateRecord, filled: &Filled) -> Content {
    let form = Form::of(&template.components);
    let part = |kind: &str| {
        let mut parts = template.components.iter();
        parts.find(|part| is(part, "type", kind))
    };
    let given = |kind: &str| filled.components.iter().find(|it| is(it, "type", kind));
    let header = match form.header {
        Part::Text(text) => Some(text_header(said(text, given("header")))),
        Part::Media(kind) => file_header(kind, given("header")),
        Part::None | Part::Location | Part::Product | Part::Other => None,
    };
    let footer = part("FOOTER").and_then(|footer| lenient::text(footer.get("text")));
    let (mut buttons, mut lines) = (Vec::new(), vec![filled.text.clone()]);
    let all = part("BUTTONS").map(|part| lenient::items(part.get("buttons")));
    for (index, button) in all.into_iter().flatten().enumerate() {
        match offered(button, &form, index, &filled.components) {
            Some(Offer::Button(button)) => buttons.push(button),
            Some(Offer::Line(line)) => lines.push(line),
            None => {}
        }
    }
    let body = lines.join("\n");
    if !buttons.is_empty() {
        return Content::Interactive(Box::new(Interactive {
            kind: InteractiveKind::Buttons,
            header,
            body,
            footer,
            buttons: distinct(buttons),
            quick_replies: false,
            list: None,
            cta_url: None,
        }));
    }
    let above = header.as_ref().and_then(|header| header.text.clone());
    let texts = above.into_iter().chain([body]).chain(footer);
    let text = texts.collect::<Vec<_>>().join("\n\n");
    match header {
        Some(header) => alone(header, text),
        None => Content::text_of(text),
    }
}

/// A text below its header's file, if it has one.
fn alone(header: Header, text: String) -> Content {
    let media = Media {
        url: header.url.unwrap_or_default(),
        filename: header.filename,
        caption: Some(text.clone()),
        ..Media::default()
    };
    match header.kind {
        HeaderKind::Text => Content::text_of(text),
        HeaderKind::Image => Content::Image(media),
        HeaderKind::Video => Content::Video(media),
        HeaderKind::Document => Content::Document(media),
    }
}

enum Offer {
    Button(Button),
    /// What stands below the body: nothing to press.
    Line(String),
}

/// What a button of the template is elsewhere.
fn offered(button: &Value, form: &Form<'_>, index: usize, given: &[Value]) -> Option<Offer> {
    let title = word(button, "text")?;
    let parameter = given
        .iter()
        .filter(|it| is(it, "type", "button"))
        .find(|it| lenient::text(it.get("index")) == Some(index.to_string()))
        .and_then(|it| it.pointer("/parameters/0"));
    let word_of = |field: &str| lenient::text(parameter.and_then(|it| it.get(field)));
    let line = |what: String| Some(Offer::Line(format!("{title}: {what}")));
    match form.buttons.get(index)? {
        super::template::Button::Url(url) => {
            let text = word_of("text").unwrap_or_default();
            Some(Offer::Button(Button {
                id: None,
                url: Some(rendered(url, |_| &text)),
                title,
            }))
        }
        super::template::Button::QuickReply => Some(Offer::Button(Button {
            id: word_of("payload").or_else(|| Some(title.clone())),
            title,
            url: None,
        })),
        super::template::Button::Coupon => line(word_of("coupon_code")?),
        super::template::Button::Other(_) => line(word(button, "phone_number")?),
        // The body has the code as well.
        super::template::Button::Code => None,
    }
}

/// Buttons of which no two answer alike: Meta lets payloads be the same.
fn distinct(buttons: Vec<Button>) -> Vec<Button> {
    let mut told: Vec<Button> = Vec::with_capacity(buttons.len());
    for mut button in buttons {
        let is_taken = |id: &Option<String>| id.is_some() && told.iter().any(|it| it.id == *id);
        if is_taken(&button.id) {
            button.id = Some(button.title.clone());
        }
        if !is_taken(&button.id) {
            told.push(button);
        }
    }
    told
}

fn text_header(text: String) -> Header {
    Header {
        kind: HeaderKind::Text,
        text: Some(text),
        url: None,
        filename: None,
    }
}

/// A file by its address; one that Meta keeps has none.
fn file_header(kind: &str, component: Option<&Value>) -> Option<Header> {
    let file = component?.pointer("/parameters/0")?.get(kind)?;
    Some(Header {
        kind: match kind {
            "image" => HeaderKind::Image,
            "video" => HeaderKind::Video,
            _ => HeaderKind::Document,
        },
        text: None,
        url: Some(lenient::text(file.get("link"))?),
        filename: lenient::text(file.get("filename")),
    })
}

/// A text with its component's parameters in their places.
fn said(text: &str, component: Option<&Value>) -> String {
    let parameters: Vec<&Value> = component
        .map(|it| lenient::items(it.get("parameters")).collect())
        .unwrap_or_default();
    let tokens = placeholders(text);
    rendered(text, |token| {
        let by_place = tokens.iter().position(|it| *it == token);
        let parameter = if is_number(token) {
            by_place.and_then(|at| parameters.get(at))
        } else {
            parameters.iter().find(|it| is(it, "parameter_name", token))
        };
        let text = parameter.and_then(|it| it.get("text"));
        text.and_then(Value::as_str).unwrap_or("")
    })
}
