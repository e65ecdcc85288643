//! The Cloud API's webhooks.

use super::super::{
    Change, Changed, Entry, Inbound, InboundMessage, NumberChange, Sender, StatusReport, lenient,
    meta,
};
use super::{notice, report, said};
use crate::model::contact::{Address, Identity, IdentityKind};
use crate::model::id::MessageId;
use crate::model::message::DeliveryStatus;
use serde_json::{Value, json};

/// Reads a webhook: every entry, change, message and status on its own, so that
/// one that is not understood hides none of the others. One Meta app has one
/// callback for many numbers: each says which it is for.
pub fn read(body: &[u8]) -> Vec<Entry> {
    let ignored = |what: String| Entry::from(Inbound::Ignored(what));
    let Some(payload) = lenient::json(body) else {
        return vec![ignored("not JSON".to_owned())];
    };
    let mut read = Vec::new();
    let entries = lenient::items(payload.get("entry"));
    let changes = entries.flat_map(|entry| {
        let changes = lenient::items(entry.get("changes"));
        changes.map(move |change| (entry, change))
    });
    for (entry, change) in changes {
        let field = lenient::text(change.get("field")).unwrap_or_default();
        let value = change.get("value");
        if let Some(item) = value.and_then(|value| {
            let notice = || notice::read(entry, &field, value);
            report::read(entry.get("id"), &field, value).or_else(notice)
        }) {
            read.push(Entry::from(item));
            continue;
        }
        if let Some(value) = value.filter(|_| field == "smb_message_echoes") {
            let number = lenient::text(value.pointer("/metadata/phone_number_id"));
            let echoes = lenient::items(value.get("message_echoes")).map(echo);
            if lenient::items(value.get("message_echoes")).next().is_none() {
                read.push(ignored("echo of nothing".to_owned()));
            }
            read.extend(echoes.map(|item| Entry {
                account: number.clone(),
                item,
            }));
            continue;
        }
        let Some(value) = value.filter(|_| field == "messages") else {
            read.push(ignored(format!("field {}", short(&field))));
            continue;
        };
        let number = lenient::text(value.pointer("/metadata/phone_number_id"));
        let messages = lenient::items(value.get("messages")).map(|item| message(value, item));
        let statuses = lenient::items(value.get("statuses")).map(status);
        let errors = lenient::items(value.get("errors")).take(1);
        let errors = errors.map(notice::of_error);
        let items = messages.chain(statuses).chain(errors);
        read.extend(items.map(|item| Entry {
            account: number.clone(),
            item,
        }));
    }
    if read.is_empty() {
        read.push(ignored("nothing in it".to_owned()));
    }
    read
}

/// Kinds that are not messages of their own.
const NOT_MESSAGES: [&str; 2] = ["system", "request_welcome"];

fn message(value: &Value, item: &Value) -> Inbound {
    let kind = lenient::text(item.get("type")).unwrap_or_else(|| "unknown".to_owned());
    if NOT_MESSAGES.contains(&kind.as_str()) {
        return number_change(item).map_or_else(
            || Inbound::Ignored(format!("message {kind}")),
            Inbound::NumberChange,
        );
    }
    let Some(provider_message_id) = lenient::text(item.get("id")) else {
        return Inbound::Ignored("message without id".to_owned());
    };
    if let Some(change) = change(&kind, &provider_message_id, item) {
        return change;
    }
    let Some(from) = sender(value, item) else {
        return Inbound::Ignored("message without sender".to_owned());
    };
    let (content, file) = said::content(&kind, item);
    Inbound::Message(InboundMessage {
        provider_message_id,
        from,
        sent_at: lenient::moment(item.get("timestamp")),
        content,
        file,
        reply_to: lenient::text(item.pointer("/context/id")),
        metadata: lenient::beside("referral", item.get("referral")),
    })
}

/// That somebody changed their number, among what WhatsApp says of people.
/// <https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/components#messages-object>
fn number_change(item: &Value) -> Option<NumberChange> {
    let system = item.get("system")?;
    let kind = lenient::text(system.get("type"))?;
    if !matches!(
        kind.as_str(),
        "user_changed_number" | "customer_changed_number"
    ) {
        return None;
    }
    let number = ["wa_id", "new_wa_id"];
    let mut number = number
        .iter()
        .filter_map(|field| lenient::text(system.get(*field)));
    let known_as = ["/from", "/from_user_id", "/system/customer"];
    let known_as = known_as.iter().map(|of| lenient::text(item.pointer(of)));
    Some(NumberChange {
        known_as: known_as.flatten().collect(),
        number: number.next()?,
    })
}

/// What the owner wrote on the phone.
fn echo(item: &Value) -> Inbound {
    let kind = lenient::text(item.get("type")).unwrap_or_else(|| "unknown".to_owned());
    let Some(id) = lenient::text(item.get("id")) else {
        return Inbound::Ignored("echo without id".to_owned());
    };
    if let Some(change) = change(&kind, &id, item) {
        return change;
    }
    let identities: Vec<Identity> = ["to", "to_user_id"]
        .into_iter()
        .filter_map(|field| lenient::text(item.get(field)))
        .map(|value| Identity {
            kind: IdentityKind::Whatsapp,
            value,
        })
        .collect();
    let Some(first) = identities.first() else {
        return Inbound::Ignored("echo to nobody".to_owned());
    };
    let (content, file) = said::content(&kind, item);
    Inbound::Echo(InboundMessage {
        provider_message_id: id,
        from: Sender {
            address: Address(first.value.clone()),
            name: None,
            identities,
        },
        sent_at: lenient::moment(item.get("timestamp")),
        content,
        file,
        reply_to: lenient::text(item.pointer("/context/id")),
        metadata: None,
    })
}

/// What comes as a message and changes another; the id is its own.
/// <https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages>
fn change(kind: &str, id: &str, item: &Value) -> Option<Inbound> {
    let (of, what) = match kind {
        "reaction" => {
            let emoji = lenient::text(item.pointer("/reaction/emoji"));
            let what = Changed::Reaction(emoji.unwrap_or_default());
            ("/reaction/message_id", what)
        }
        "edit" => {
            let message = item.pointer("/edit/message").unwrap_or(&Value::Null);
            let kind = lenient::text(message.get("type")).unwrap_or_else(|| "unknown".to_owned());
            let what = Changed::Edited(said::content(&kind, message).0);
            ("/edit/original_message_id", what)
        }
        "revoke" => ("/revoke/original_message_id", Changed::Deleted),
        _ => return None,
    };
    let Some(provider_message_id) = lenient::text(item.pointer(of)) else {
        return Some(Inbound::Ignored(format!("{kind} of nothing")));
    };
    Some(Inbound::Change(Change {
        provider_message_id,
        key: format!("{kind}:{id}"),
        at: lenient::moment(item.get("timestamp")),
        what,
    }))
}

/// The person who wrote. `from` and `wa_id` may be absent or empty for people
/// who hide their number; then the business-scoped id is the address. What is written
/// in a group is answered there: then the group is who we talk to.
fn sender(value: &Value, item: &Value) -> Option<Sender> {
    if let Some(group) = lenient::text(item.get("group_id")) {
        return Some(Sender {
            address: Address(group.clone()),
            name: None,
            identities: vec![Identity {
                kind: IdentityKind::Whatsapp,
                value: group,
            }],
        });
    }
    let phone = lenient::text(item.get("from"));
    let user_id = lenient::text(item.get("from_user_id"));
    let is_theirs = |contact: &&Value| {
        let wa_id = lenient::text(contact.get("wa_id"));
        let id = lenient::text(contact.get("user_id"));
        (wa_id.is_some() && wa_id == phone) || (id.is_some() && id == user_id)
    };
    let contacts: Vec<&Value> = lenient::items(value.get("contacts")).collect();
    let only = match contacts.as_slice() {
        [only] => Some(*only),
        _ => None,
    };
    let contact = contacts.iter().copied().find(is_theirs).or(only);
    let field = |name: &str| contact.and_then(|contact| lenient::text(contact.get(name)));
    let phone = phone.or_else(|| field("wa_id"));
    let user_id = user_id.or_else(|| field("user_id"));
    let identities: Vec<Identity> = [phone, user_id]
        .into_iter()
        .flatten()
        .map(|value| Identity {
            kind: IdentityKind::Whatsapp,
            value,
        })
        .collect();
    Some(Sender {
        address: Address(identities.first()?.value.clone()),
        name: contact.and_then(|contact| lenient::text(contact.pointer("/profile/name"))),
        identities,
    })
}

fn status(item: &Value) -> Inbound {
    let name = lenient::text(item.get("status")).unwrap_or_default();
    let status = match name.as_str() {
        "sent" => DeliveryStatus::Sent,
        "delivered" => DeliveryStatus::Delivered,
        "read" | "played" => DeliveryStatus::Read,
        "failed" => DeliveryStatus::Failed,
        _ => return Inbound::Ignored(format!("status {}", short(&name))),
    };
    let Some(provider_message_id) = lenient::text(item.get("id")) else {
        return Inbound::Ignored("status without id".to_owned());
    };
    Inbound::Status(StatusReport {
        provider_message_id,
        message_id: item
            .get("biz_opaque_callback_data")
            .and_then(Value::as_str)
            .and_then(MessageId::parse),
        status,
        at: lenient::moment(item.get("timestamp")),
        error: (status == DeliveryStatus::Failed)
            .then(|| meta::reason(item.pointer("/errors/0").unwrap_or(&Value::Null))),
        pricing: item.get("pricing").and_then(pricing),
    })
}

/// <https://developers.facebook.com/documentation/business-messaging/whatsapp/pricing>
fn pricing(item: &Value) -> Option<Value> {
    let word = |name: &str| lenient::text(item.get(name)).map(|word| short(&word));
    let billable = item.get("billable").and_then(Value::as_bool);
    let (model, kind, category) = (word("pricing_model"), word("type"), word("category"));
    let told = json!({ "billable": billable, "model": model, "type": kind, "category": category });
    lenient::kept(Some(&told))
}

/// A provider's word, short enough for a log line.
fn short(word: &str) -> String {
    word.chars().take(40).collect()
}
