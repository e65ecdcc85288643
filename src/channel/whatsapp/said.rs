//! What a customer's message says.
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/components#messages-object>

use super::super::{FileRef, lenient};
use crate::model::content::{
    ContactCard, ContactEmail, ContactName, ContactPhone, Contacts, Content, Location, Media,
    Order, OrderedItem, Reply,
};
use serde_json::Value;

/// The content of a message of a kind, and where its file is, if it has one.
pub fn content(kind: &str, item: &Value) -> (Content, Option<FileRef>) {
    let part = item.get(kind).unwrap_or(&Value::Null);
    let read = match kind {
        "text" => part
            .get("body")
            .and_then(Value::as_str)
            .map(Content::text_of),
        "image" | "video" | "audio" | "voice" | "document" | "sticker" => {
            return file(kind, part);
        }
        "location" => location(part),
        "contacts" => contacts(part),
        "order" => order(part),
        "interactive" => answer(part),
        "button" => {
            let title = lenient::text(part.get("text"));
            let id = lenient::text(part.get("payload")).or_else(|| title.clone());
            reply(id, title, None)
        }
        _ => None,
    };
    (read.unwrap_or_else(|| unsupported(kind, item)), None)
}

fn order(part: &Value) -> Option<Content> {
    let items = lenient::items(part.get("product_items"));
    let items: Vec<OrderedItem> = items
        .filter_map(|item| {
            Some(OrderedItem {
                product_id: lenient::text(item.get("product_retailer_id"))?,
                quantity: lenient::integer(item.get("quantity")),
                price: lenient::number(item.get("item_price")),
                currency: lenient::text(item.get("currency")),
            })
        })
        .collect();
    (!items.is_empty()).then(|| {
        Content::Order(Order {
            catalog_id: lenient::text(part.get("catalog_id")),
            text: lenient::text(part.get("text")),
            items,
        })
    })
}

fn unsupported(kind: &str, item: &Value) -> Content {
    let named = lenient::text(item.pointer("/unsupported/type"));
    Content::unsupported(named.unwrap_or_else(|| kind.to_owned()))
}

/// A file has an id by which it is asked for; newer webhooks bring an address too, which
/// is good for minutes only.
fn file(kind: &str, part: &Value) -> (Content, Option<FileRef>) {
    let id = lenient::text(part.get("id")).map(FileRef::Id);
    let at = id.or_else(|| lenient::text(part.get("url")).map(FileRef::Url));
    let Some(at) = at else {
        return (Content::unsupported(kind), None);
    };
    let is = |flag: &str| part.get(flag).and_then(Value::as_bool) == Some(true);
    let media = Media {
        caption: lenient::text(part.get("caption")),
        filename: lenient::text(part.get("filename")),
        mime_type: lenient::text(part.get("mime_type")),
        sha256: lenient::text(part.get("sha256")),
        voice: kind == "voice" || is("voice"),
        ..Media::default()
    };
    let content = match kind {
        "image" => Content::Image(media),
        "video" => Content::Video(media),
        "document" => Content::Document(media),
        "sticker" => Content::Sticker(media),
        _ => Content::Audio(media),
    };
    (content, Some(at))
}

fn location(part: &Value) -> Option<Content> {
    Some(Content::Location(Location {
        latitude: lenient::number(part.get("latitude"))?,
        longitude: lenient::number(part.get("longitude"))?,
        name: lenient::text(part.get("name")),
        address: lenient::text(part.get("address")).or_else(|| lenient::text(part.get("url"))),
    }))
}

fn contacts(part: &Value) -> Option<Content> {
    let contacts: Vec<ContactCard> = lenient::items(Some(part)).filter_map(contact).collect();
    (!contacts.is_empty()).then_some(Content::Contacts(Contacts { contacts }))
}

fn contact(card: &Value) -> Option<ContactCard> {
    let text = |pointer: &str| lenient::text(card.pointer(pointer));
    let phones = lenient::items(card.get("phones")).filter_map(|given| {
        let phone = lenient::text(given.get("phone")).or_else(|| lenient::text(given.get("wa_id")));
        Some(ContactPhone {
            phone: phone?,
            kind: lenient::text(given.get("type")),
        })
    });
    let emails = lenient::items(card.get("emails")).filter_map(|given| {
        Some(ContactEmail {
            email: lenient::text(given.get("email"))?,
            kind: lenient::text(given.get("type")),
        })
    });
    let phones: Vec<ContactPhone> = phones.collect();
    let first_phone = phones.first().map(|phone| phone.phone.clone());
    let name = text("/name/formatted_name").or_else(|| text("/name/first_name"));
    Some(ContactCard {
        name: ContactName {
            formatted_name: name.or(first_phone)?,
            first_name: text("/name/first_name"),
            last_name: text("/name/last_name"),
        },
        emails: emails.collect(),
        organization: text("/org/company"),
        phones,
    })
}

/// A pressed button, a chosen row, or the answers of a flow.
fn answer(part: &Value) -> Option<Content> {
    for name in ["button_reply", "list_reply"] {
        if let Some(chosen) = part.get(name) {
            return reply(
                lenient::text(chosen.get("id")),
                lenient::text(chosen.get("title")),
                lenient::text(chosen.get("description")),
            );
        }
    }
    if let Some(answer) = part.get("call_permission_reply") {
        let id = Some("call_permission_reply".to_owned());
        return reply(id, lenient::text(answer.get("response")), None);
    }
    let flow = part.get("nfm_reply")?;
    reply(
        lenient::text(flow.get("name")).or(Some("flow".to_owned())),
        lenient::text(flow.get("body")).or(Some("Sent".to_owned())),
        lenient::text(flow.get("response_json")),
    )
}

fn reply(
    id: Option<String>,
    title: Option<String>,
    description: Option<String>,
) -> Option<Content> {
    let title = title.or_else(|| id.clone())?;
    Some(Content::Reply(Reply {
        id: id.unwrap_or_else(|| title.clone()),
        title,
        description,
    }))
}
