//! The Bot API's updates.

use super::super::{Change, Changed, Consent, Inbound, InboundMessage, Sender, lenient};
use super::said;
use crate::model::contact::{Address, Identity, IdentityKind};
use crate::model::content::{Content, Reply};
use serde_json::{Map, Value, json};

/// The id of a Message object, unique per bot: Telegram counts per chat, so the
/// chat is part of it.
pub fn message_id(message: &Value) -> Option<String> {
    let chat = lenient::integer(message.pointer("/chat/id"))?;
    let id = lenient::integer(message.get("message_id"))?;
    Some(format!("{chat}:{id}"))
}

/// Reads one update. <https://core.telegram.org/bots/api#update>
pub fn read(body: &[u8]) -> Vec<Inbound> {
    let Some(Value::Object(update)) = lenient::json(body) else {
        return vec![Inbound::Ignored("not a JSON object".to_owned())];
    };
    let read: Vec<Inbound> = update
        .iter()
        .filter(|(kind, _)| kind.as_str() != "update_id")
        .map(|(kind, item)| match kind.as_str() {
            "message" | "channel_post" => message(item),
            "edited_message" | "edited_channel_post" => edit(item, &update),
            "message_reaction" => reaction(item, &update),
            "my_chat_member" => consent(item),
            "callback_query" => callback(item),
            _ => Inbound::Ignored(format!(
                "update {}",
                kind.chars().take(40).collect::<String>()
            )),
        })
        .collect();
    if read.is_empty() {
        return vec![Inbound::Ignored("nothing in it".to_owned())];
    }
    read
}

/// What tells one change from another: a repeated update has the same number.
fn key(what: &str, update: &Map<String, Value>, otherwise: Option<&Value>) -> String {
    let number = lenient::integer(update.get("update_id"));
    let number = number.or_else(|| lenient::integer(otherwise));
    format!("{what}:{}", number.unwrap_or(0))
}

/// Somebody who stops the bot, or starts it again. In a group it is the bot's place that is
/// told of.
fn consent(item: &Value) -> Inbound {
    let status = lenient::text(item.pointer("/new_chat_member/status")).unwrap_or_default();
    let is_given = match status.as_str() {
        "kicked" | "left" => false,
        "member" | "administrator" | "creator" => true,
        _ => return Inbound::Ignored("my_chat_member".to_owned()),
    };
    let Some(chat) = lenient::integer(item.pointer("/chat/id")) else {
        return Inbound::Ignored("my_chat_member of no chat".to_owned());
    };
    Inbound::Consent(Consent {
        address: Address(chat.to_string()),
        is_given,
        at: lenient::moment(item.get("date")),
    })
}

/// A message as it reads now; of a file, its caption.
fn edit(item: &Value, update: &Map<String, Value>) -> Inbound {
    let Some(provider_message_id) = message_id(item) else {
        return Inbound::Ignored("edit without id".to_owned());
    };
    let Some((content, _)) = said::content(item) else {
        return Inbound::Ignored("edit of a service message".to_owned());
    };
    let edited = item.get("edit_date").or_else(|| item.get("date"));
    Inbound::Change(Change {
        provider_message_id,
        key: key("edit", update, edited),
        at: lenient::moment(edited),
        what: Changed::Edited(content),
    })
}

/// The reactions that somebody has now; of several, the newest.
/// <https://core.telegram.org/bots/api#messagereactionupdated>
fn reaction(item: &Value, update: &Map<String, Value>) -> Inbound {
    let Some(provider_message_id) = message_id(item) else {
        return Inbound::Ignored("reaction to nothing".to_owned());
    };
    let emojis = |field: &str| -> Vec<String> {
        lenient::items(item.get(field))
            .filter_map(|it| match lenient::text(it.get("type")).as_deref() {
                Some("paid") => Some("\u{2b50}".to_owned()),
                Some(_) | None => lenient::text(it.get("emoji")),
            })
            .collect()
    };
    let (before, now) = (emojis("old_reaction"), emojis("new_reaction"));
    let fresh = now.iter().find(|emoji| !before.contains(emoji));
    let emoji = fresh.or(now.last()).cloned();
    if emoji.is_none() && lenient::items(item.get("new_reaction")).next().is_some() {
        return Inbound::Ignored("reaction with an emoji of its own".to_owned());
    }
    Inbound::Change(Change {
        provider_message_id,
        key: key("reaction", update, item.get("date")),
        at: lenient::moment(item.get("date")),
        what: Changed::Reaction(emoji.unwrap_or_default()),
    })
}

fn message(item: &Value) -> Inbound {
    let Some(provider_message_id) = message_id(item) else {
        return Inbound::Ignored("message without id".to_owned());
    };
    let Some((content, file)) = said::content(item) else {
        return Inbound::Ignored("service message".to_owned());
    };
    let Some(from) = sender(item) else {
        return Inbound::Ignored("message without chat".to_owned());
    };
    Inbound::Message(InboundMessage {
        provider_message_id,
        from,
        sent_at: lenient::moment(item.get("date")),
        content,
        file,
        reply_to: item.get("reply_to_message").and_then(message_id),
        metadata: None,
    })
}

/// A pressed key of an inline keyboard. What it was pressed on may be too old to be told.
fn callback(item: &Value) -> Inbound {
    let named = |what: &str| Inbound::Ignored(what.to_owned());
    let (Some(id), Some(data)) = (
        lenient::text(item.get("id")),
        lenient::text(item.get("data")),
    ) else {
        return named("callback query without data");
    };
    let on = item.get("message").filter(|on| on.get("chat").is_some());
    // In private the chat has the person's own id.
    let asked = json!({ "chat": item.get("from"), "from": item.get("from") });
    let Some(from) = sender(on.unwrap_or(&asked)) else {
        return named("callback query without sender");
    };
    let rows = on.and_then(|on| on.pointer("/reply_markup/inline_keyboard"));
    let keys = lenient::items(rows).flat_map(|row| lenient::items(Some(row)));
    let key = keys
        .filter(|key| lenient::text(key.get("callback_data")).as_ref() == Some(&data))
        .find_map(|key| lenient::text(key.get("text")));
    Inbound::Message(InboundMessage {
        provider_message_id: format!("callback:{id}"),
        from,
        sent_at: None,
        content: Content::Reply(Reply {
            title: key.unwrap_or_else(|| data.clone()),
            id: data,
            description: None,
        }),
        file: None,
        reply_to: on.and_then(message_id),
        metadata: None,
    })
}

/// The id of the callback query that an update is, if it is one.
pub fn pressed(body: &[u8]) -> Option<String> {
    let update = lenient::json(body)?;
    lenient::text(update.pointer("/callback_query/id"))
}

/// The chat is who we talk to: a person in private, else the group or channel.
fn sender(item: &Value) -> Option<Sender> {
    let chat = item.get("chat")?;
    let id = lenient::integer(chat.get("id"))?.to_string();
    let name = lenient::text(chat.get("title")).or_else(|| {
        let part = |field: &str| {
            lenient::text(chat.get(field))
                .or_else(|| lenient::text(item.pointer(&format!("/from/{field}"))))
        };
        let name: Vec<String> = [part("first_name"), part("last_name")]
            .into_iter()
            .flatten()
            .collect();
        if name.is_empty() {
            return part("username");
        }
        Some(name.join(" "))
    });
    Some(Sender {
        address: Address(id.clone()),
        name,
        identities: vec![Identity {
            kind: IdentityKind::Telegram,
            value: id,
        }],
    })
}
