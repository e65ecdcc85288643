//! Meta's Send API, on Messenger and on Instagram: the body of `POST /{account}/messages`.
//! <https://developers.facebook.com/docs/messenger-platform/reference/send-api>

use super::profile::Limit::{Absent, Apart, Characters, Items};
use super::profile::{Capability, Limit};
use super::upload::{Upload, UploadFile, form};
use super::{
    Outbound, Reason, SendError, Split, lean, lenient, meta, not_carried, nothing_to_mark,
};
use crate::model::content::{
    Button, Card, CardButton, CardButtonKind, Cards, Content, Interactive, InteractiveKind,
    LIKE_HEART, List, Media,
};
use crate::model::message::Actor;
use crate::model::time::DAY_MS;
use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

/// The longest text of a template of buttons.
const TEMPLATE_TEXT: usize = 640;
/// The most buttons of a template.
const TEMPLATE_BUTTONS: usize = 3;

const TITLE: Limit = Characters(20);
const PAYLOAD: Limit = Characters(1000);
const LINE: Limit = Characters(80);

/// Buttons some of which open a page: a template of buttons.
pub const URL_BUTTONS: Capability = Capability::new(
    "interactive.urlButtons",
    &[
        ("header", Absent),
        ("body", Characters(TEMPLATE_TEXT)),
        ("footer", Absent),
        ("buttons", Items(TEMPLATE_BUTTONS)),
        ("buttons.title", TITLE),
        ("buttons.id", PAYLOAD),
    ],
);

/// The body, and behind it a card for each row, which tells its section and description in
/// one line.
pub const LIST: Capability = Capability::new(
    "interactive.list",
    &[
        ("header", Absent),
        ("body", Apart),
        ("footer", Absent),
        ("list.button", TITLE),
        ("list.sections", Items(10)),
        ("list.sections.title", Characters(24)),
        ("list.rows", Items(10)),
        ("list.rows.id", PAYLOAD),
        ("list.rows.title", LINE),
        ("list.rows.description", Characters(53)),
    ],
);

pub const CTA_URL: Capability = Capability::new(
    "interactive.ctaUrl",
    &[
        ("header", Absent),
        ("body", Characters(TEMPLATE_TEXT)),
        ("footer", Absent),
        ("ctaUrl.text", TITLE),
    ],
);

/// A generic template; an element needs something beside its title.
pub const CARDS: Capability = Capability::new(
    "cards",
    &[
        ("cards", Items(10)),
        ("cards.title", LINE),
        ("cards.titleAlone", Absent),
        ("cards.subtitle", LINE),
        ("cards.buttons", Items(TEMPLATE_BUTTONS)),
        ("cards.buttons.title", TITLE),
        ("cards.buttons.id", PAYLOAD),
    ],
);

/// A file has no caption, and a generic template no text above it.
pub fn split(content: &Content) -> Option<Split> {
    if let Content::Interactive(interactive) = content
        && let (InteractiveKind::List, Some(list)) = (interactive.kind, &interactive.list)
    {
        return Some(Split::new(
            vec![
                Content::text_of(&interactive.body),
                Content::Cards(listed(list)),
            ],
            "/list",
            "follows as cards, one for each row",
        ));
    }
    Split::caption(content)
}

fn listed(list: &List) -> Cards {
    let cards = list.rows().map(|(section, row)| Card {
        title: row.title.clone(),
        subtitle: match (section, &row.description) {
            (Some(section), Some(description)) => Some(format!("{section} · {description}")),
            (section, description) => description.clone().or(section.map(str::to_owned)),
        },
        image_url: None,
        buttons: vec![CardButton {
            kind: CardButtonKind::Reply,
            id: Some(row.id.clone()),
            title: list.button.clone(),
            url: None,
        }],
    });
    Cards {
        cards: cards.collect(),
    }
}

/// The body of a send, or of a sign.
pub fn body(send: &Outbound<'_>) -> Result<Value, SendError> {
    let recipient = json!({ "id": send.to.0 });
    if let Some((action, payload)) = action(send)? {
        return Ok(lean(json!({
            "recipient": recipient, "sender_action": action, "payload": payload,
        })));
    }
    // What a person writes carries the tag that lets them answer for seven days.
    let (messaging_type, tag) = match send.actor {
        Actor::Bot => ("RESPONSE", None),
        Actor::Human => ("MESSAGE_TAG", Some("HUMAN_AGENT")),
    };
    Ok(lean(json!({
        "recipient": recipient,
        "messaging_type": messaging_type,
        "tag": tag,
        "message": message(send)?,
        "reply_to": send.reply_to.map(|mid| json!({ "mid": mid })),
    })))
}

/// What is no message but a sign, which goes alone, and what goes with it.
fn action(send: &Outbound<'_>) -> Result<Option<(&'static str, Value)>, SendError> {
    let content = send.content;
    if let Content::Typing(typing) = content {
        let name = if typing.off {
            "typing_off"
        } else {
            "typing_on"
        };
        return Ok(Some((name, Value::Null)));
    }
    if let Content::MarkSeen(_) = content {
        return Ok(Some(("mark_seen", Value::Null)));
    }
    let Content::Reaction(reaction) = content else {
        return Ok(None);
    };
    let id = send.reply_to.ok_or_else(nothing_to_mark)?;
    if reaction.emoji.is_empty() {
        return Ok(Some(("unreact", json!({ "message_id": id }))));
    }
    let name = reaction_name(&reaction.emoji).ok_or_else(|| not_carried(content))?;
    let payload = json!({ "message_id": id, "reaction": name });
    Ok(Some(("react", payload)))
}

/// What a reaction is called there.
fn reaction_name(emoji: &str) -> Option<&'static str> {
    Some(match emoji {
        "❤️" | "❤" => "love",
        "😆" => "smile",
        "😮" => "wow",
        "😢" => "sad",
        "😠" => "angry",
        "👍" => "like",
        "👎" => "dislike",
        _ => return None,
    })
}

fn message(send: &Outbound<'_>) -> Result<Value, SendError> {
    let content = send.content;
    Ok(match content {
        Content::Text(text) => json!({ "text": text.text }),
        Content::Image(media) => file("image", send, media),
        Content::Video(media) => file("video", send, media),
        Content::Audio(media) => file("audio", send, media),
        Content::Document(media) => file("file", send, media),
        Content::Sticker(media) if media.url == LIKE_HEART => {
            json!({ "attachment": { "type": LIKE_HEART } })
        }
        Content::Sticker(media) => file("image", send, media),
        Content::Interactive(interactive) => match interactive.kind {
            InteractiveKind::Buttons => buttons(interactive),
            InteractiveKind::CtaUrl => {
                let page = interactive.cta_url.as_ref();
                let page = page.map(|page| web_url(&page.text, &page.url));
                template_of_buttons(&interactive.body, page.into_iter().collect())
            }
            InteractiveKind::List | InteractiveKind::LocationRequest => {
                return Err(not_carried(content));
            }
        },
        Content::Cards(cards) => generic(cards),
        Content::Location(_)
        | Content::Contacts(_)
        | Content::Template(_)
        | Content::Reaction(_)
        | Content::MarkSeen(_)
        | Content::Typing(_)
        | Content::PaymentRequest(_)
        | Content::OrderStatus(_)
        | Content::Reply(_)
        | Content::Order(_)
        | Content::Unsupported(_) => return Err(not_carried(content)),
    })
}

fn file(kind: &str, send: &Outbound<'_>, media: &Media) -> Value {
    let payload = match send.uploaded {
        Some(id) => json!({ "attachment_id": id }),
        None => json!({ "url": media.url }),
    };
    json!({ "attachment": { "type": kind, "payload": payload } })
}

/// Files that are handed over before they are sent.
/// <https://developers.facebook.com/docs/messenger-platform/reference/attachment-upload-api>
pub fn upload(
    url: &str,
    send: &Outbound<'_>,
    file: &UploadFile<'_>,
    boundary: &str,
) -> Result<Upload, SendError> {
    let kind = match send.content {
        Content::Image(_) | Content::Sticker(_) => "image",
        Content::Video(_) => "video",
        Content::Audio(_) => "audio",
        Content::Document(_) => "file",
        Content::Text(_)
        | Content::Location(_)
        | Content::Contacts(_)
        | Content::Interactive(_)
        | Content::Cards(_)
        | Content::Template(_)
        | Content::Reaction(_)
        | Content::MarkSeen(_)
        | Content::Typing(_)
        | Content::PaymentRequest(_)
        | Content::OrderStatus(_)
        | Content::Reply(_)
        | Content::Order(_)
        | Content::Unsupported(_) => return Err(not_carried(send.content)),
    };
    let attachment = json!({ "type": kind, "payload": { "is_reusable": true } });
    let message = json!({ "attachment": attachment }).to_string();
    let bearer = format!("Bearer {}", send.channel.credentials.get("accessToken"));
    let fields = [("message", message.as_str())];
    form(url, Some(&bearer), &fields, "filedata", file, boundary)
}

/// Whether a refusal says that a file could not be fetched from its address.
pub fn is_about_link(reason: &Reason) -> bool {
    let said = reason.message.to_ascii_lowercase();
    said.contains("fetch the file from the url") || said.contains("upload attachment failure")
}

/// Reads the complete answer to `upload`.
pub fn uploaded(response: &Response<Bytes>) -> Result<String, SendError> {
    if !response.status().is_success() {
        return Err(meta::error(response));
    }
    let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    lenient::text(body.get("attachment_id")).ok_or_else(|| meta::error(response))
}

/// Meta does not say how long it keeps them.
pub const KEPT_MS: i64 = 29 * DAY_MS;

/// Up to three with a short text are a template, which stays; more, or below a longer text,
/// are quick replies, which go once one is tapped.
fn buttons(interactive: &Interactive) -> Value {
    let buttons = &interactive.buttons;
    let is_short = interactive.body.chars().count() <= TEMPLATE_TEXT;
    if is_short && buttons.len() <= TEMPLATE_BUTTONS && !interactive.quick_replies {
        let buttons = buttons.iter().map(button).collect();
        return template_of_buttons(&interactive.body, buttons);
    }
    let replies = buttons.iter().map(
        |button| json!({ "content_type": "text", "title": button.title, "payload": button.id }),
    );
    json!({ "text": interactive.body, "quick_replies": replies.collect::<Vec<_>>() })
}

fn button(button: &Button) -> Value {
    match &button.url {
        Some(url) => web_url(&button.title, url),
        None => postback(&button.title, button.id.as_deref()),
    }
}

fn web_url(title: &str, url: &str) -> Value {
    json!({ "type": "web_url", "title": title, "url": url })
}

fn postback(title: &str, payload: Option<&str>) -> Value {
    json!({ "type": "postback", "title": title, "payload": payload })
}

fn template(payload: Value) -> Value {
    json!({ "attachment": { "type": "template", "payload": payload } })
}

fn template_of_buttons(text: &str, buttons: Vec<Value>) -> Value {
    template(json!({ "template_type": "button", "text": text, "buttons": buttons }))
}

fn generic(cards: &Cards) -> Value {
    let elements = cards.cards.iter().map(|card| {
        let buttons = card.buttons.iter().map(|button| match &button.url {
            Some(url) => web_url(&button.title, url),
            None => postback(&button.title, button.id.as_deref()),
        });
        let buttons: Vec<Value> = buttons.collect();
        json!({
            "title": card.title, "subtitle": card.subtitle, "image_url": card.image_url,
            "buttons": (!buttons.is_empty()).then_some(buttons),
        })
    });
    template(json!({ "template_type": "generic", "elements": elements.collect::<Vec<_>>() }))
}
