//! The Bot API's updates.

use super::super::{Change, Changed, Consent, Inbound, InboundMessage, Sender, lenient};
use super::said;
use crate::model::contact::{Address, Identity, IdentityKind};
use crate::model::content::{Content, Reply};
use serde_json::{Map, Value, json};

/// What a message's chat goes by: its number, and the connection by which the bot is let
/// into a chat of somebody's account, for that is another chat than the bot's own.
fn chat(item: &Value) -> Option<String> {
    let chat = lenient::integer(item.pointer("/chat/id"))?;
    Some(match lenient::text(item.get("business_connection_id")) {
        Some(connection) => format!("{chat}@{connection}"),
        None => chat.to_string(),
    })
}

/// An address by its parts.
#[derive(Debug, PartialEq)]
pub struct Place<'a> {
    pub chat: &'a str,
    /// Of a chat of somebody's account.
    pub connection: Option<&'a str>,
    /// Of a channel's direct messages, where everybody has a topic.
    pub topic: Option<&'a str>,
}

pub fn place(address: &str) -> Place<'_> {
    let (rest, topic) = match address.split_once('#') {
        Some((rest, topic)) => (rest, Some(topic)),
        None => (address, None),
    };
    let (chat, connection) = match rest.split_once('@') {
        Some((chat, connection)) if !chat.is_empty() => (chat, Some(connection)),
        Some(_) | None => (rest, None),
    };
    Place {
        chat,
        connection,
        topic,
    }
}

/// The id of a Message object, unique per bot: Telegram counts per chat, so the
/// chat is part of it.
pub fn message_id(message: &Value) -> Option<String> {
    let id = lenient::integer(message.get("message_id"))?;
    Some(format!("{}:{id}", chat(message)?))
}

/// Reads one update. <https://core.telegram.org/bots/api#update>
pub fn read(body: &[u8]) -> Vec<Inbound> {
    let Some(Value::Object(update)) = lenient::json(body) else {
        return vec![Inbound::Ignored("not a JSON object".to_owned())];
    };
    let items = update
        .iter()
        .filter(|(kind, item)| kind.as_str() != "update_id" && !item.is_null());
    let read: Vec<Inbound> = items
        .flat_map(|(kind, item)| {
            let read = match kind.as_str() {
                "message" | "channel_post" | "business_message" => message(item),
                "guest_message" => asked(item),
                "edited_message" | "edited_channel_post" | "edited_business_message" => {
                    edit(item, &update)
                }
                "deleted_business_messages" => return deletions(item),
                "message_reaction" => reaction(item, &update),
                "my_chat_member" => consent(item),
                "callback_query" => callback(item),
                _ => {
                    let kind: String = kind.chars().take(40).collect();
                    Inbound::Ignored(format!("update {kind}"))
                }
            };
            vec![read]
        })
        .collect();
    if read.is_empty() {
        return vec![Inbound::Ignored("nothing in it".to_owned())];
    }
    read
}

/// Messages that were deleted in a chat of somebody's account; of others bots are not told.
fn deletions(item: &Value) -> Vec<Inbound> {
    let deleted = |id: &Value| {
        let (chat, id) = (chat(item)?, lenient::integer(Some(id))?);
        Some(Inbound::Change(Change {
            provider_message_id: format!("{chat}:{id}"),
            key: "deleted".to_owned(),
            at: None,
            what: Changed::Deleted,
        }))
    };
    let ids = lenient::items(item.get("message_ids"));
    let read: Vec<Inbound> = ids.filter_map(deleted).collect();
    if read.is_empty() {
        return vec![Inbound::Ignored("deletion of nothing".to_owned())];
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
    let is_own = lenient::items(item.get("new_reaction")).next().is_some();
    if emoji.is_none() && before.is_empty() && is_own {
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
    let answered = lenient::integer(item.pointer("/reply_to_message/message_id"));
    let told = if is_own(item) {
        Inbound::Echo
    } else {
        Inbound::Message
    };
    told(InboundMessage {
        provider_message_id,
        reply_to: answered.and_then(|id| Some(format!("{}:{id}", chat(item)?))),
        from,
        sent_at: lenient::moment(item.get("date")),
        metadata: beside(item, &content),
        content,
        file,
    })
}

/// What is told beside what somebody says: who of a group wrote, where it comes from, what it
/// is about, and what has no form here.
fn beside(item: &Value, content: &Content) -> Option<Value> {
    let author = author(item);
    let via = item.get("via_bot").and_then(person);
    let links = said::links(item);
    let (name, part) = if let Content::Unsupported(what) = content {
        (what.provider_type.as_str(), item.get(&what.provider_type))
    } else {
        ("", None)
    };
    lenient::metadata([
        ("author", author.as_ref()),
        ("forward_origin", item.get("forward_origin")),
        ("quote", item.pointer("/quote/text")),
        ("external_reply", item.get("external_reply")),
        ("reply_to_story", item.get("reply_to_story")),
        ("via_bot", via.as_ref()),
        ("media_group_id", item.get("media_group_id")),
        ("message_thread_id", item.get("message_thread_id")),
        ("links", links.as_ref()),
        (name, part),
    ])
}

/// Who of a group wrote: somebody, or a chat in whose name they wrote.
fn author(item: &Value) -> Option<Value> {
    let kind = lenient::text(item.pointer("/chat/type"))?;
    if !matches!(kind.as_str(), "group" | "supergroup") {
        return None;
    }
    let chat = item.get("sender_chat").or_else(|| item.get("from"))?;
    person(chat)
}

fn person(of: &Value) -> Option<Value> {
    let id = lenient::text(of.get("id"))?;
    let username = lenient::text(of.get("username"));
    Some(json!({ "id": id, "name": name_of(of), "username": username }))
}

fn name_of(of: &Value) -> Option<String> {
    let part = |field: &str| lenient::text(of.get(field));
    let name: Vec<String> = [part("first_name"), part("last_name")]
        .into_iter()
        .flatten()
        .collect();
    let name = (!name.is_empty()).then(|| name.join(" "));
    part("title").or(name).or_else(|| part("username"))
}

/// Whether the account itself wrote, in a chat that the bot is let into: such chats are
/// private, and have the other's own id. In a channel's direct messages, whether it was
/// somebody else than whose topic it is.
fn is_own(item: &Value) -> bool {
    let from = lenient::integer(item.pointer("/from/id"));
    if let Some(person) = lenient::integer(item.pointer("/direct_messages_topic/user/id")) {
        return item.get("sender_chat").is_some() || from.is_some_and(|from| from != person);
    }
    item.get("business_connection_id").is_some()
        && from.is_some_and(|from| Some(from) != lenient::integer(item.pointer("/chat/id")))
}

/// What somebody asked the bot in a chat that it is not in, where it cannot write: it is
/// answered in private.
fn asked(item: &Value) -> Inbound {
    let asker = json!({ "chat": item.get("from"), "from": item.get("from") });
    match (message(item), sender(&asker)) {
        (Inbound::Message(message), Some(from)) => Inbound::Message(InboundMessage {
            provider_message_id: format!(
                "guest:{}",
                lenient::text(item.get("guest_query_id")).unwrap_or(message.provider_message_id)
            ),
            from,
            reply_to: None,
            ..message
        }),
        (Inbound::Message(_), None) => Inbound::Ignored("guest message of nobody".to_owned()),
        (other, _) => other,
    }
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
    // In private the chat has the person's own id. Under a channel's post anybody presses.
    let asked = json!({ "chat": item.get("from"), "from": item.get("from") });
    let is_post =
        |on: &&Value| lenient::text(on.pointer("/chat/type")).as_deref() == Some("channel");
    let Some(from) = sender(on.filter(|on| !is_post(on)).unwrap_or(&asked)) else {
        return named("callback query without sender");
    };
    let rows = on.and_then(|on| on.pointer("/reply_markup/inline_keyboard"));
    let keys = lenient::items(rows).flat_map(|row| lenient::items(Some(row)));
    let key = keys
        .filter(|key| lenient::text(key.get("callback_data")).as_ref() == Some(&data))
        .find_map(|key| lenient::text(key.get("text")));
    let pressed = on.map(|on| json!({ "chat": on.get("chat"), "from": item.get("from") }));
    let author = pressed.as_ref().and_then(author);
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
        metadata: lenient::metadata([("author", author.as_ref())]),
    })
}

/// The id of the callback query that an update is, if it is one.
pub fn pressed(body: &[u8]) -> Option<String> {
    let update = lenient::json(body)?;
    lenient::text(update.pointer("/callback_query/id"))
}

/// The chat is who we talk to: a person in private, else the group or channel. A group that
/// became another is still that one, and a person the same in whichever chat. In the direct
/// messages of a channel everybody has a topic.
/// <https://core.telegram.org/bots/api#directmessagestopic>
fn sender(item: &Value) -> Option<Sender> {
    let chat_address = chat(item)?;
    let chat = item.get("chat")?;
    let topic = item.get("direct_messages_topic");
    let number = topic.and_then(|topic| lenient::integer(topic.get("topic_id")));
    let (address, who, also) = match (topic, number) {
        (Some(topic), Some(number)) => {
            let also = [lenient::integer(topic.pointer("/user/id")), None];
            (format!("{chat_address}#{number}"), topic.get("user"), also)
        }
        _ => {
            let before = lenient::integer(item.get("migrate_from_chat_id"));
            let also = [lenient::integer(chat.get("id")), before];
            (chat_address, Some(chat), also)
        }
    };
    let name = who.and_then(name_of);
    let name = name.or_else(|| item.get("from").and_then(name_of));
    let also = also.into_iter().flatten().map(|id| id.to_string());
    let also = also.filter(|value| *value != address);
    let identities = std::iter::once(address.clone()).chain(also);
    Some(Sender {
        identities: identities
            .map(|value| Identity {
                kind: IdentityKind::Telegram,
                value,
            })
            .collect(),
        address: Address(address),
        name,
    })
}
