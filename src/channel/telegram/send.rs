//! The Bot API's methods that send, for every kind of content.
//! <https://core.telegram.org/bots/api#available-methods>

use super::super::{Outbound, SendError, Split, lean, not_carried, nothing_to_mark};
use super::{vcard, wire};
use crate::model::content::{
    Button, Card, Cards, ContactCard, Contacts, Content, Interactive, InteractiveKind, List, Media,
};
use serde_json::{Map, Value, json};

/// A method and what it is given.
pub struct Method {
    pub name: &'static str,
    pub parameters: Value,
}

/// A contact, and a card, is a message of its own.
pub fn split(content: &Content) -> Option<Split> {
    let (pointer, parts): (_, Vec<Content>) = match content {
        Content::Contacts(cards) if cards.contacts.len() > 1 => {
            let parts = cards.contacts.iter().map(|card| {
                Content::Contacts(Contacts {
                    contacts: vec![card.clone()],
                })
            });
            ("/contacts", parts.collect())
        }
        Content::Cards(cards) if cards.cards.len() > 1 => {
            let parts = cards.cards.iter().map(|card| {
                Content::Cards(Cards {
                    cards: vec![card.clone()],
                })
            });
            ("/cards", parts.collect())
        }
        Content::Text(_)
        | Content::Image(_)
        | Content::Video(_)
        | Content::Audio(_)
        | Content::Document(_)
        | Content::Sticker(_)
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
        | Content::Unsupported(_) => return None,
    };
    Some(Split::new(parts, pointer, "are a message each"))
}

/// The method that sends a message, or makes a sign.
pub fn method(send: &Outbound<'_>) -> Result<Method, SendError> {
    let wire::Place {
        chat: address,
        connection,
        topic,
    } = wire::place(&send.to.0);
    // In chats of other accounts bots cannot react: it would be to a message of their own.
    let is_out_of_reach = connection.is_some() && matches!(send.content, Content::Reaction(_));
    let refers_to = send.reply_to.and_then(message_number);
    let refers_to = refers_to.filter(|_| !is_out_of_reach);
    let (name, own) = own(send.content, send.uploaded, refers_to)?;
    let chat: Option<i64> = address.parse().ok();
    let mut parameters = Map::new();
    if let Some(connection) = connection {
        let name = "business_connection_id".to_owned();
        parameters.insert(name, Value::from(connection));
    }
    parameters.insert(
        "chat_id".to_owned(),
        chat.map_or(Value::from(address), Value::from),
    );
    if let Some(topic) = topic.and_then(|topic| topic.parse::<i64>().ok()) {
        let name = "direct_messages_topic_id".to_owned();
        if !send.content.is_sign() {
            parameters.insert(name, Value::from(topic));
        }
    }
    if let Some(id) = refers_to.filter(|_| !send.content.is_sign()) {
        // The answer is worth more than the reference to what it answers.
        let reply = json!({ "message_id": id, "allow_sending_without_reply": true });
        parameters.insert("reply_parameters".to_owned(), reply);
    }
    if let Value::Object(own) = lean(own) {
        parameters.extend(own);
    }
    Ok(Method {
        name,
        parameters: Value::Object(parameters),
    })
}

/// Telegram counts messages in their chat, which stands before the number. What has no chat
/// before it is no message there.
fn message_number(id: &str) -> Option<i64> {
    let (chat, number) = id.rsplit_once(':')?;
    wire::place(chat).chat.parse::<i64>().ok()?;
    number.parse().ok()
}

fn own(
    content: &Content,
    uploaded: Option<&str>,
    refers_to: Option<i64>,
) -> Result<(&'static str, Value), SendError> {
    Ok(match content {
        Content::Text(text) => {
            let preview = text
                .preview_url
                .map(|is_wanted| json!({ "is_disabled": !is_wanted }));
            (
                "sendMessage",
                json!({ "text": text.text, "link_preview_options": preview }),
            )
        }
        Content::Image(media) => ("sendPhoto", file("photo", uploaded, media)),
        Content::Video(media) => ("sendVideo", file("video", uploaded, media)),
        Content::Audio(media) if media.voice => ("sendVoice", file("voice", uploaded, media)),
        Content::Audio(media) => ("sendAudio", file("audio", uploaded, media)),
        Content::Document(media) => ("sendDocument", file("document", uploaded, media)),
        Content::Sticker(media) => ("sendSticker", file("sticker", uploaded, media)),
        Content::Location(location) => {
            // A venue has both; what is one of them stands for the other.
            let (name, address) = (location.name.as_ref(), location.address.as_ref());
            let method = match name.or(address) {
                Some(_) => "sendVenue",
                None => "sendLocation",
            };
            let point = json!({
                "latitude": location.latitude, "longitude": location.longitude,
                "title": name.or(address), "address": address.or(name),
            });
            (method, point)
        }
        Content::Contacts(cards) => match cards.contacts.first() {
            Some(card) => ("sendContact", contact(card)),
            None => return Err(not_carried(content)),
        },
        Content::Interactive(asked) => ("sendMessage", interactive(asked)),
        Content::Cards(cards) => match cards.cards.first() {
            Some(first) => card(first),
            None => return Err(not_carried(content)),
        },
        Content::Reaction(reaction) => {
            let id = refers_to.ok_or_else(nothing_to_mark)?;
            // The list has the heart without the sign that makes it red.
            let emoji = if reaction.emoji == "❤️" {
                "❤"
            } else {
                reaction.emoji.as_str()
            };
            let signs = if emoji.is_empty() {
                json!([])
            } else {
                json!([{ "type": "emoji", "emoji": emoji }])
            };
            (
                "setMessageReaction",
                json!({ "message_id": id, "reaction": signs }),
            )
        }
        Content::Typing(_) => ("sendChatAction", json!({ "action": "typing" })),
        Content::Template(_)
        | Content::MarkSeen(_)
        | Content::PaymentRequest(_)
        | Content::OrderStatus(_)
        | Content::Reply(_)
        | Content::Order(_)
        | Content::Unsupported(_) => return Err(not_carried(content)),
    })
}

fn file(kind: &str, uploaded: Option<&str>, media: &Media) -> Value {
    json!({ kind: uploaded.unwrap_or(&media.url), "caption": media.caption })
}

fn contact(card: &ContactCard) -> Value {
    let name = &card.name;
    let first = name.first_name.as_ref().unwrap_or(&name.formatted_name);
    json!({
        "phone_number": card.phones.first().map(|phone| &phone.phone),
        "first_name": first,
        "last_name": name.last_name,
        "vcard": vcard::of(card),
    })
}

/// A key of an inline keyboard, which answers with its data or opens a page.
fn key(text: &str, id: Option<&str>, url: Option<&str>) -> Value {
    match url {
        Some(url) => json!({ "text": text, "url": url }),
        None => json!({ "text": text, "callback_data": id }),
    }
}

/// One key a row: titles are sentences.
fn keyboard(keys: impl Iterator<Item = Value>) -> Value {
    let rows: Vec<Value> = keys.map(|key| json!([key])).collect();
    json!({ "inline_keyboard": rows })
}

fn interactive(asked: &Interactive) -> Value {
    let key_of = |button: &Button| key(&button.title, button.id.as_deref(), button.url.as_deref());
    let (text, markup) = match asked.kind {
        InteractiveKind::Buttons => (None, keyboard(asked.buttons.iter().map(key_of))),
        InteractiveKind::List => {
            let list = asked.list.as_ref();
            let rows = list.into_iter().flat_map(List::rows);
            let keys = rows.map(|(_, row)| key(&row.title, Some(&row.id), None));
            let text = list.and_then(|list| listed(&asked.body, list));
            (text, keyboard(keys))
        }
        InteractiveKind::CtaUrl => {
            let page = asked.cta_url.iter();
            let keys = page.map(|page| key(&page.text, None, Some(&page.url)));
            (None, keyboard(keys))
        }
        InteractiveKind::LocationRequest => (
            None,
            json!({
                "keyboard": [[{ "text": "📍", "request_location": true }]],
                "one_time_keyboard": true,
                "resize_keyboard": true,
            }),
        ),
    };
    let text = text.unwrap_or_else(|| asked.body.clone());
    json!({ "text": text, "reply_markup": markup })
}

/// The text of a list whose rows tell more than their titles, which are on the keys.
fn listed(body: &str, list: &List) -> Option<String> {
    let tells = |section: Option<&str>, described: bool| section.is_some() || described;
    let is_told = list
        .rows()
        .any(|(section, row)| tells(section, row.description.is_some()));
    if !is_told {
        return None;
    }
    let mut text = body.to_owned();
    for section in &list.sections {
        text.push('\n');
        if let Some(title) = &section.title {
            text.push('\n');
            text.push_str(title);
        }
        for row in &section.rows {
            text.push_str("\n• ");
            text.push_str(&row.title);
            if let Some(description) = &row.description {
                text.push_str(" – ");
                text.push_str(description);
            }
        }
    }
    Some(text)
}

/// A picture with its text below it, or the text alone.
fn card(card: &Card) -> (&'static str, Value) {
    let text = match &card.subtitle {
        Some(subtitle) => format!("{}\n{subtitle}", card.title),
        None => card.title.clone(),
    };
    let keys = card
        .buttons
        .iter()
        .map(|button| key(&button.title, button.id.as_deref(), button.url.as_deref()));
    let markup = (!card.buttons.is_empty()).then(|| keyboard(keys));
    match &card.image_url {
        Some(image) => (
            "sendPhoto",
            json!({ "photo": image, "caption": text, "reply_markup": markup }),
        ),
        None => (
            "sendMessage",
            json!({ "text": text, "reply_markup": markup }),
        ),
    }
}
