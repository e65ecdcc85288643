//! What Messenger and Instagram share beyond the Graph API: the body of a send, and
//! webhooks of `messaging` events.
//! <https://developers.facebook.com/docs/messenger-platform/webhooks>

use super::attachments::Said;
use super::{
    Change, Changed, Effect, Entry, Handover, Inbound, InboundMessage, Notice, Sender,
    StatusReport, Watermark, attachments, lenient, meta,
};
use super::{Invalid, SendError};
use crate::model::contact::{Address, Identity, IdentityKind};
use crate::model::content::Content;
use crate::model::message::DeliveryStatus;
use crate::model::time::Timestamp;
use bytes::Bytes;
use http::Response;
use serde_json::Value;

/// Reads the complete answer to a send.
pub fn accepted(response: &Response<Bytes>) -> Result<Option<String>, SendError> {
    if !response.status().is_success() {
        return Err(meta::error(response));
    }
    let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    match lenient::text(body.get("message_id")) {
        Some(id) => Ok(Some(id)),
        None => Err(meta::error(response)),
    }
}

/// Reads the complete answer to a sign, which has no id.
pub fn noted(response: &Response<Bytes>) -> Result<Option<String>, SendError> {
    let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    if response.status().is_success() && body.get("recipient_id").is_some() {
        Ok(None)
    } else {
        accepted(response)
    }
}

/// The id by which a page or an account knows a person: digits.
pub fn scoped_id(raw: &str) -> Option<Address> {
    let id = raw.trim();
    let is_id = (1..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit());
    is_id.then(|| Address(id.to_owned()))
}

/// Checks a credential that Meta shows as digits.
pub fn check_digits(name: &str, value: &str) -> Result<(), Invalid> {
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(())
    } else {
        Err(Invalid::new(
            format!("/{name}"),
            "must be the digits Meta shows",
        ))
    }
}

/// Reads a webhook: every event on its own, so that one that is not understood hides
/// none of the others. People are known by identities of `kind`.
pub fn read(body: &[u8], kind: IdentityKind) -> Vec<Entry> {
    let ignored = |what: &str| vec![Entry::from(Inbound::Ignored(what.to_owned()))];
    let Some(payload) = lenient::json(body) else {
        return ignored("not JSON");
    };
    // The test of Meta's dashboard sends a change with no envelope around it.
    if payload.get("entry").is_none() && payload.get("field").is_some() {
        let items = change(&payload, kind);
        return items.into_iter().map(Entry::from).collect();
    }
    let read: Vec<Entry> = lenient::items(payload.get("entry"))
        .flat_map(|entry| {
            // Meta's own tests name no account, or zero.
            let account = lenient::text(entry.get("id")).filter(|id| id != "0");
            of_entry(entry, kind).into_iter().map(move |item| Entry {
                account: account.clone(),
                item,
            })
        })
        .collect();
    if read.is_empty() {
        return ignored("nothing in it");
    }
    read
}

fn of_entry(entry: &Value, kind: IdentityKind) -> Vec<Inbound> {
    let at = entry.get("time");
    // What stands by is another app's to answer, and said all the same.
    let events = ["messaging", "standby"].into_iter();
    let events = events.flat_map(|name| lenient::items(entry.get(name)));
    let events = events.flat_map(|event| self::event(event, at, kind));
    let changes = lenient::items(entry.get("changes")).flat_map(|item| change(item, kind));
    events.chain(changes).collect()
}

/// The older form, with one event as its value. Other fields tell of the page itself.
fn change(change: &Value, kind: IdentityKind) -> Vec<Inbound> {
    let field = lenient::text(change.get("field")).unwrap_or_default();
    match change.get("value") {
        Some(value) if field.starts_with("messag") => event(value, None, kind),
        Some(_) | None => vec![named(&format!("field {field}"))],
    }
}

fn event(event: &Value, entry_at: Option<&Value>, kind: IdentityKind) -> Vec<Inbound> {
    let at = lenient::moment(event.get("timestamp")).or_else(|| lenient::moment(entry_at));
    let report = |mid: String, status| {
        Inbound::Status(StatusReport {
            provider_message_id: mid,
            message_id: None,
            status,
            at,
            error: None,
            pricing: None,
        })
    };
    // Of somebody who is known by no id, nothing is known to have come anywhere.
    let watermark = |of: &Value, status| {
        Some(Inbound::Watermark(Watermark {
            address: Address(lenient::text(event.pointer("/sender/id"))?),
            status,
            up_to: lenient::moment(of.get("watermark"))?,
        }))
    };
    let is_true = |at: &str| event.pointer(at).and_then(Value::as_bool) == Some(true);
    if is_true("/message/is_deleted") {
        let mid = lenient::text(event.pointer("/message/mid"));
        return vec![change_of(mid, "deleted".to_owned(), at, Changed::Deleted)];
    }
    if let Some(item) = event.get("message") {
        let told = if is_true("/message/is_echo") {
            Inbound::Echo
        } else {
            Inbound::Message
        };
        return match messages(event, item, at, kind) {
            Ok(messages) => messages.into_iter().map(told).collect(),
            Err(what) => vec![named(what)],
        };
    }
    if let Some(edit) = event.get("message_edit") {
        let number = ["num_edit", "num_edits"].into_iter();
        let number = number.filter_map(|name| lenient::integer(edit.get(name)));
        let number = number.chain(at.map(Timestamp::ms)).next().unwrap_or(0);
        // Instagram tells of new messages so too: as their edit number 0, without a text.
        let Some(text) = lenient::text(edit.get("text")) else {
            return vec![named("edit without a text")];
        };
        let what = Changed::Edited(Content::text_of(text));
        let mid = lenient::text(edit.get("mid"));
        return vec![change_of(mid, format!("edit:{number}"), at, what)];
    }
    if let Some(reaction) = event.get("reaction") {
        let is_back = lenient::text(reaction.get("action")).as_deref() == Some("unreact");
        let emoji = lenient::text(reaction.get("emoji"));
        let emoji = emoji.or_else(|| lenient::text(reaction.get("reaction")).map(drawn));
        let emoji = emoji.filter(|_| !is_back).unwrap_or_default();
        let who = lenient::text(event.pointer("/sender/id")).unwrap_or_default();
        let moment = at.map_or(0, Timestamp::ms);
        let key = format!("reaction:{who}:{moment}:{emoji}");
        let mid = lenient::text(reaction.get("mid"));
        return vec![change_of(mid, key, at, Changed::Reaction(emoji))];
    }
    if let Some(item) = event.get("postback") {
        let read = postback(event, item, at, kind);
        return vec![read.map_or_else(named, Inbound::Message)];
    }
    if let Some(delivery) = event.get("delivery") {
        let mids = lenient::items(delivery.get("mids"));
        let reports: Vec<Inbound> = mids
            .filter_map(|mid| lenient::text(Some(mid)))
            .map(|mid| report(mid, DeliveryStatus::Delivered))
            .collect();
        if reports.is_empty() {
            let watermark = watermark(delivery, DeliveryStatus::Delivered);
            return vec![watermark.unwrap_or_else(|| named("delivery of nothing"))];
        }
        return reports;
    }
    if let Some(read) = event.get("read") {
        let item = match lenient::text(read.get("mid")) {
            Some(mid) => Some(report(mid, DeliveryStatus::Read)),
            None => watermark(read, DeliveryStatus::Read),
        };
        return vec![item.unwrap_or_else(|| named("read of nothing"))];
    }
    if let Some(handover) = handover(event, at, kind) {
        return vec![handover];
    }
    for name in ["referral", "optin"] {
        if let Some(item) = event.get(name) {
            let read = came(event, name, item, at, kind);
            return vec![read.map_or_else(named, Inbound::Message)];
        }
    }
    if let Some(item) = ["policy_enforcement", "policy-enforcement"]
        .into_iter()
        .find_map(|name| event.get(name))
    {
        return vec![policy(item, at)];
    }
    let fields = event.as_object().into_iter().flatten();
    let mut names = fields.map(|(name, _)| name.as_str());
    let name = names.find(|name| !["sender", "recipient", "timestamp"].contains(name));
    vec![named(&format!(
        "event {}",
        name.unwrap_or("without a name")
    ))]
}

/// Instagram's name of a reaction, where it sends no emoji.
fn drawn(name: String) -> String {
    let emoji = match name.as_str() {
        "angry" => "😠",
        "dislike" => "👎",
        "laugh" | "smile" => "😆",
        "like" => "👍",
        "love" => "❤",
        "sad" => "😢",
        "wow" => "😮",
        _ => return name,
    };
    emoji.to_owned()
}

/// A change of a message, if it says of which.
fn change_of(mid: Option<String>, key: String, at: Option<Timestamp>, what: Changed) -> Inbound {
    let Some(provider_message_id) = mid else {
        return named("change of nothing");
    };
    Inbound::Change(Change {
        provider_message_id,
        key,
        at,
        what,
    })
}

/// Reads a message, which may hold several; else names what it is.
fn messages(
    event: &Value,
    message: &Value,
    at: Option<Timestamp>,
    kind: IdentityKind,
) -> Result<Vec<InboundMessage>, &'static str> {
    let is = |flag: &str| message.get(flag).and_then(Value::as_bool) == Some(true);
    let who = if is("is_echo") {
        "/recipient/id"
    } else {
        "/sender/id"
    };
    let from = person(event, who, kind).ok_or("message without sender")?;
    let mid = lenient::text(message.get("mid")).ok_or("message without id")?;
    let referral = message.get("referral").or_else(|| event.get("referral"));
    let beside = |place: usize, said: &Said| {
        // What is beside the message is told once.
        let story = message.pointer("/reply_to/story");
        let is_first = |_: &&Value| place == 0;
        lenient::metadata([
            ("referral", referral.filter(is_first)),
            ("story", story.filter(is_first)),
            ("attachment", said.shared.as_ref()),
        ])
    };
    let contents = attachments::contents(message).into_iter().enumerate();
    let all = contents.map(|(place, said)| InboundMessage {
        metadata: beside(place, &said),
        // What is beside the first is told apart from it by its place.
        provider_message_id: match place {
            0 => mid.clone(),
            place => format!("{mid}:{place}"),
        },
        from: from.clone(),
        sent_at: at,
        content: said.content,
        file: said.file,
        reply_to: lenient::text(message.pointer("/reply_to/mid")),
    });
    Ok(all.collect())
}

/// A pressed button: a message of its own, which may have no id.
fn postback(
    event: &Value,
    postback: &Value,
    at: Option<Timestamp>,
    kind: IdentityKind,
) -> Result<InboundMessage, &'static str> {
    let from = sender(event, kind).ok_or("postback without sender")?;
    let title = lenient::text(postback.get("title"));
    // The payload reaches only the app whose button it is.
    let id = lenient::text(postback.get("payload")).or_else(|| title.clone());
    let id = id.ok_or("postback of nothing")?;
    let mid = lenient::text(postback.get("mid"));
    let made = || {
        let moment = at.map_or(0, Timestamp::ms);
        format!("postback:{}:{moment}:{id}", from.address.0)
    };
    Ok(InboundMessage {
        provider_message_id: mid.unwrap_or_else(made),
        content: attachments::pressed(id.clone(), title.unwrap_or(id)),
        from,
        sent_at: at,
        file: None,
        reply_to: None,
        metadata: lenient::metadata([("referral", postback.get("referral"))]),
    })
}

/// Somebody who came by a link or agreed to something, and said nothing: a message without
/// an id.
fn came(
    event: &Value,
    name: &'static str,
    item: &Value,
    at: Option<Timestamp>,
    kind: IdentityKind,
) -> Result<InboundMessage, &'static str> {
    let from = sender(event, kind).ok_or("referral or optin without sender")?;
    let moment = at.map_or(0, Timestamp::ms);
    let by: String = lenient::text(item.get("ref")).unwrap_or_default();
    let by: String = by.chars().take(60).collect();
    Ok(InboundMessage {
        provider_message_id: format!("{name}:{}:{moment}:{by}", from.address.0),
        from,
        sent_at: at,
        content: Content::unsupported(name),
        file: None,
        reply_to: None,
        metadata: lenient::metadata([(name, Some(item)), ("lead", event.get("lead"))]),
    })
}

/// A thread that goes from one app to another.
/// <https://developers.facebook.com/docs/messenger-platform/handover-protocol>
fn handover(event: &Value, at: Option<Timestamp>, kind: IdentityKind) -> Option<Inbound> {
    let names = [
        ("pass_thread_control", "passed"),
        ("take_thread_control", "taken"),
        ("request_thread_control", "requested"),
    ];
    let (item, what) = names
        .into_iter()
        .find_map(|(name, what)| Some((event.get(name)?, what)))?;
    let Some(person) = sender(event, kind) else {
        return Some(named("handover of nobody"));
    };
    let word = |name: &str| {
        let word = lenient::text(item.get(name))?;
        Some(word.chars().take(1_000).collect())
    };
    Some(Inbound::Handover(Handover {
        person,
        kind: what,
        from_app: word("previous_owner_app_id"),
        to_app: word("new_owner_app_id").or_else(|| word("requested_owner_app_id")),
        metadata: word("metadata"),
        at,
    }))
}

/// <https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/messaging_policy_enforcement>
fn policy(item: &Value, at: Option<Timestamp>) -> Inbound {
    let action = lenient::text(item.get("action")).unwrap_or_default();
    Inbound::Notice(Notice {
        account: None,
        number: None,
        name: "policy_enforcement".to_owned(),
        effect: match action.as_str() {
            "block" => Effect::Blocks,
            "unblock" => Effect::Restores,
            _ => Effect::Warns,
        },
        code: format!("policy_{action}"),
        value: lenient::kept(Some(item)).unwrap_or_default(),
        at,
    })
}

/// Who wrote. Someone behind a plugin who has not written yet has a `user_ref` alone.
fn sender(event: &Value, kind: IdentityKind) -> Option<Sender> {
    person(event, "/sender/id", kind)
}

fn person(event: &Value, at: &str, kind: IdentityKind) -> Option<Sender> {
    let from = lenient::text(event.pointer(at))?;
    Some(Sender {
        address: Address(from.clone()),
        name: None,
        identities: vec![Identity { kind, value: from }],
    })
}

/// Left alone, under a name short enough for a log line.
fn named(what: &str) -> Inbound {
    Inbound::Ignored(what.chars().take(48).collect())
}
