//! The Cloud API's webhooks.

use super::super::{
    Change, Changed, Entry, Inbound, InboundMessage, NumberChange, Sender, StatusReport, lenient,
    meta,
};
use super::{notice, report, said};
use crate::model::contact::{Address, Identity, IdentityKind};
use crate::model::content::Content;
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
            let echoes = lenient::items(value.get("message_echoes")).map(|item| echo(value, item));
            if lenient::items(value.get("message_echoes")).next().is_none() {
                read.push(ignored("echo of nothing".to_owned()));
            }
            read.extend(echoes.map(|item| Entry {
                account: number.clone(),
                item,
            }));
            continue;
        }
        let Some(value) = value.filter(|_| SAID.contains(&field.as_str())) else {
            read.push(ignored(format!("field {}", short(&field))));
            continue;
        };
        let number = lenient::text(value.pointer("/metadata/phone_number_id"));
        // What stands by is another app's to answer, and said all the same.
        let said = value.get("standby").unwrap_or(value);
        let messages = lenient::items(said.get("messages")).flat_map(|item| message(said, item));
        let calls = lenient::items(said.get("calls")).map(|item| call(value, said, item));
        let statuses = lenient::items(said.get("statuses")).map(status);
        let renamed = lenient::items(said.get("user_id_update")).flat_map(renamed);
        let errors = lenient::items(said.get("errors")).take(1);
        let errors = errors.map(notice::of_error);
        let items = messages.chain(calls).chain(statuses);
        let mut items = items.chain(renamed).chain(errors).peekable();
        if items.peek().is_none() && field != "messages" {
            read.push(ignored(format!("field {field}")));
        }
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

/// The fields that tell what people say, and of what they were sent.
const SAID: [&str; 4] = ["messages", "standby", "calls", "user_id_update"];
/// Kinds that are not messages of their own.
const NOT_MESSAGES: [&str; 2] = ["system", "request_welcome"];

fn message(value: &Value, item: &Value) -> Vec<Inbound> {
    let kind = lenient::text(item.get("type")).unwrap_or_else(|| "unknown".to_owned());
    if NOT_MESSAGES.contains(&kind.as_str()) {
        let changes = number_changes(item);
        if changes.is_empty() {
            return vec![Inbound::Ignored(format!("message {kind}"))];
        }
        return changes;
    }
    vec![said_by_somebody(value, &kind, item)]
}

fn said_by_somebody(value: &Value, kind: &str, item: &Value) -> Inbound {
    let Some(provider_message_id) = lenient::text(item.get("id")) else {
        return Inbound::Ignored("message without id".to_owned());
    };
    if let Some(change) = change(kind, &provider_message_id, item) {
        return change;
    }
    let Some(from) = sender(value, item) else {
        return Inbound::Ignored("message without sender".to_owned());
    };
    let (content, file) = said::content(kind, item);
    let context = |name: &str| item.get("context").and_then(|context| context.get(name));
    let is_set = |flag: &&Value| flag.as_bool() == Some(true);
    let author = author(value, item);
    let why = item.pointer("/errors/0");
    let why = why.filter(|_| matches!(content, Content::Unsupported(_)));
    let metadata = lenient::metadata([
        ("referral", item.get("referral")),
        ("referred_product", context("referred_product")),
        ("forwarded", context("forwarded").filter(is_set)),
        (
            "frequently_forwarded",
            context("frequently_forwarded").filter(is_set),
        ),
        ("author", author.as_ref()),
        ("error", why),
    ]);
    Inbound::Message(InboundMessage {
        provider_message_id,
        from,
        sent_at: lenient::moment(item.get("timestamp")),
        content,
        file,
        reply_to: lenient::text(item.pointer("/context/id")),
        metadata,
    })
}

/// Who of a group wrote.
fn author(value: &Value, item: &Value) -> Option<Value> {
    item.get("group_id")?;
    let (phone, user_id) = (
        lenient::text(item.get("from")),
        lenient::text(item.get("from_user_id")),
    );
    let name = profile_of(value, phone.as_ref(), user_id.as_ref()).and_then(name_of);
    Some(json!({ "id": phone.or(user_id)?, "name": name }))
}

/// A call that somebody makes to the business, which opens the window as a message does. It is
/// told of at its start and at its end, under one id.
/// <https://developers.facebook.com/documentation/business-messaging/whatsapp/calling/user-initiated-calls>
fn call(value: &Value, said: &Value, item: &Value) -> Inbound {
    let named = |what: &str| Inbound::Ignored(what.to_owned());
    let number = |given: Option<&Value>| Some(lenient::digits(&lenient::text(given)?));
    let own = number(value.pointer("/metadata/display_phone_number"));
    let is_own = lenient::text(item.get("direction")).as_deref() == Some("BUSINESS_INITIATED")
        || (own.is_some() && number(item.get("from")) == own);
    if is_own {
        return named("call of the business");
    }
    let caller = ["from", "from_user_id"]
        .iter()
        .any(|of| lenient::text(item.get(*of)).is_some());
    let from = sender(said, item).filter(|_| caller);
    let (Some(id), Some(from)) = (lenient::text(item.get("id")), from) else {
        return named("call of nobody");
    };
    Inbound::Message(InboundMessage {
        provider_message_id: id,
        from,
        sent_at: lenient::moment(item.get("timestamp")),
        content: Content::unsupported("call"),
        file: None,
        reply_to: None,
        metadata: None,
    })
}

/// That somebody changed their number or has another id, among what WhatsApp says of people.
/// <https://developers.facebook.com/documentation/business-messaging/whatsapp/business-scoped-user-ids>
fn number_changes(item: &Value) -> Vec<Inbound> {
    let kind = lenient::text(item.pointer("/system/type")).unwrap_or_default();
    if !matches!(
        kind.as_str(),
        "user_changed_number" | "customer_changed_number" | "user_changed_user_id"
    ) {
        return vec![];
    }
    let known_as = [
        "/from",
        "/from_user_id",
        "/system/customer",
        "/system/previous_user_id",
    ];
    let now = ["/system/wa_id", "/system/new_wa_id", "/system/user_id"];
    changes_of(item, &known_as, &now)
}

/// The same, of a field of its own.
fn renamed(item: &Value) -> Vec<Inbound> {
    let known_as = ["/user_id/previous", "/wa_id"];
    let changes = changes_of(item, &known_as, &["/user_id/current"]);
    if changes.is_empty() {
        return vec![Inbound::Ignored("user_id_update of nobody".to_owned())];
    }
    changes
}

/// Everything that somebody is known by from now on, with all that they are known by already.
fn changes_of(item: &Value, known_as: &[&str], now: &[&str]) -> Vec<Inbound> {
    let told = |places: &[&str]| -> Vec<String> {
        let told = places
            .iter()
            .map(|place| lenient::text(item.pointer(place)));
        told.flatten().collect()
    };
    let known_as = told(known_as);
    let fresh = told(now).into_iter().filter(|id| !known_as.contains(id));
    let changes = fresh.map(|number| NumberChange {
        known_as: known_as.clone(),
        number,
    });
    changes.map(Inbound::NumberChange).collect()
}

/// What the owner wrote on the phone.
fn echo(value: &Value, item: &Value) -> Inbound {
    let kind = lenient::text(item.get("type")).unwrap_or_else(|| "unknown".to_owned());
    let Some(id) = lenient::text(item.get("id")) else {
        return Inbound::Ignored("echo without id".to_owned());
    };
    if let Some(change) = change(&kind, &id, item) {
        return change;
    }
    let to = lenient::text(item.get("to"));
    let user_id = lenient::text(item.get("to_user_id"));
    let name = profile_of(value, to.as_ref(), user_id.as_ref()).and_then(name_of);
    let identities: Vec<Identity> = [to, user_id].into_iter().flatten().map(identity).collect();
    let Some(first) = identities.first() else {
        return Inbound::Ignored("echo to nobody".to_owned());
    };
    let (content, file) = said::content(&kind, item);
    Inbound::Echo(InboundMessage {
        provider_message_id: id,
        from: Sender {
            address: Address(first.value.clone()),
            name,
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
            identities: vec![identity(group)],
        });
    }
    let phone = lenient::text(item.get("from"));
    let user_id = lenient::text(item.get("from_user_id"));
    let mut contacts = lenient::items(value.get("contacts"));
    let only = contacts.next().filter(|_| contacts.next().is_none());
    let contact = profile_of(value, phone.as_ref(), user_id.as_ref()).or(only);
    let field = |name: &str| contact.and_then(|contact| lenient::text(contact.get(name)));
    let phone = phone.or_else(|| field("wa_id"));
    let user_id = user_id.or_else(|| field("user_id"));
    let identities: Vec<Identity> = [phone, user_id, shared_number(item)]
        .into_iter()
        .flatten()
        .map(identity)
        .collect();
    Some(Sender {
        address: Address(identities.first()?.value.clone()),
        name: contact.and_then(name_of),
        identities,
    })
}

/// People of one change who are looked through; Meta names far fewer.
const MOST_CONTACTS: usize = 1_000;

fn identity(value: String) -> Identity {
    Identity {
        kind: IdentityKind::Whatsapp,
        value,
    }
}

/// What a webhook says of somebody.
fn profile_of<'a>(
    value: &'a Value,
    phone: Option<&String>,
    user_id: Option<&String>,
) -> Option<&'a Value> {
    let is = |contact: &Value, field: &str, id: Option<&String>| {
        id.is_some() && lenient::text(contact.get(field)).as_ref() == id
    };
    lenient::items(value.get("contacts"))
        .take(MOST_CONTACTS)
        .find(|contact| is(contact, "wa_id", phone) || is(contact, "user_id", user_id))
}

fn name_of(contact: &Value) -> Option<String> {
    let given = ["/profile/name", "/profile/username"];
    given
        .iter()
        .find_map(|place| lenient::text(contact.pointer(place)))
}

/// The number of somebody who hid it, given when it was asked for.
/// <https://developers.facebook.com/documentation/business-messaging/whatsapp/business-scoped-user-ids>
fn shared_number(item: &Value) -> Option<String> {
    let card = item.pointer("/contacts/0")?;
    let is_own = lenient::text(card.get("origin")).as_deref() == Some("contact_request");
    lenient::text(card.pointer("/phones/0/wa_id")).filter(|_| is_own)
}

fn status(item: &Value) -> Inbound {
    // What is paid and who calls have states of their own.
    if let Some(other) = lenient::text(item.get("type")).filter(|kind| kind != "message") {
        return Inbound::Ignored(format!("status of a {}", short(&other)));
    }
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
