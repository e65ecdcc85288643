//! WhatsApp, through Meta's Cloud API.
//!
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages>

mod check;
mod content;
mod draft;
mod event;
mod field;
mod interactive;
mod media;
mod payment;
mod refusal;
mod samples;
mod template;
mod templates;

use std::sync::Arc;

use axum::Router;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use serde_json::{Value, json};

use crate::account::{Account, WhatsApp};
use crate::callback::Callback;
use crate::faults::{Ending, Fault, FaultMode};
use crate::graph::{Refusal, ok, refuse};
use crate::phones::{PhoneMessage, Phones, Side};
use crate::state::{Call, Shared, lock, now};
use check::{Outbound, Request};
pub(crate) use event::{Inbound, Said, Status, inbound, status, template_status};
pub(crate) use media::{LONGEST as LONGEST_FILE, about as media, received, upload};
pub(crate) use templates::Templates;

pub(crate) const PROVIDER: &str = "whatsapp";

pub(crate) fn router() -> Router<Arc<Shared>> {
    templates::router().merge(media::router())
}

/// Sends a message, or marks one as read.
///
/// 1. The body must be sound.
/// 2. A fault set for the recipient may refuse it.
/// 3. Free-form messages need an open window.
/// 4. The message is accepted: it shows on the phone and its statuses follow.
/// 5. The fault, if any, may still spoil the answer.
pub(crate) fn send(
    shared: &Arc<Shared>,
    number: &WhatsApp,
    headers: &HeaderMap,
    call: &mut Call,
) -> Result<Ending, Refusal> {
    // 1.
    let templates = shared.templates.of(&number.waba_id);
    let outbound = match check::request(headers, &call.request, &templates)? {
        Request::Send(outbound) => outbound,
        Request::MarkRead {
            message_id,
            is_typing,
        } => {
            let kind = if is_typing { "typing" } else { "read" };
            call.kind = Some(kind.to_owned());
            call.recipient = mark_read(shared, number, &message_id)?;
            call.outcome = "done";
            call.message_id = Some(message_id);
            return Ok(Ending::Answer(ok(shared, &json!({"success": true}))));
        }
    };
    let unfit = media::check(shared, number, &call.request)?;
    call.recipient = Some(outbound.person.clone());
    call.kind = Some(outbound.shown.kind.clone());
    call.text = Some(outbound.shown.text.clone());

    // 2.
    let fault = shared.faults.take(&outbound.person);
    if let Some(fault) = &fault {
        let refusal = fault.refuses(|fault| {
            let refusal = refusal::of(fault);
            refuse(shared, call, &refusal)
        });
        call.outcome = fault.mode.name();
        if let Some(ending) = refusal {
            return Ok(ending);
        }
    } else {
        call.outcome = "accepted";
    }

    // 3.
    let needs_window = !outbound.is_template && !outbound.is_group;
    if number.enforce_window && needs_window && !is_window_open(shared, number, &outbound) {
        call.outcome = "refused";
        return Err(refusal::window_closed());
    }

    // 4.
    let message_id = message_id(shared, &outbound.person);
    call.accepted = true;
    call.message_id = Some(message_id.clone());
    let failed = fault.as_ref().and_then(failure);
    let failed = failed.or(unfit);
    let failed = failed.or_else(|| lost_reaction(shared, number, &outbound));
    show(shared, number, &outbound, &message_id);
    let answer = ok(shared, &accepted(&outbound, &message_id));
    report(shared, number, &outbound, message_id, failed);

    // 5.
    Ok(match fault {
        Some(fault) => fault.ends(answer),
        None => Ending::Answer(answer),
    })
}

fn is_window_open(shared: &Shared, number: &WhatsApp, outbound: &Outbound) -> bool {
    lock(&shared.phones)
        .get(&number.phone_number_id, &outbound.person)
        .is_some_and(|chat| chat.is_window_open())
}

fn show(shared: &Shared, number: &WhatsApp, outbound: &Outbound, id: &str) {
    let (key, person) = (&number.phone_number_id, &outbound.person);
    let reply_to = outbound.reply_to.clone().or(outbound.reacts_to.clone());
    let message = PhoneMessage::new(id.to_owned(), Side::Business, outbound.shown.clone())
        .replying_to(reply_to);
    let mut phones = lock(&shared.phones);
    phones.open(PROVIDER, key, person);
    phones.push(key, person, message);
    if let Some(target) = &outbound.reacts_to {
        let emoji = Some(outbound.shown.text.as_str()).filter(|emoji| !emoji.is_empty());
        phones.react(key, person, target, emoji);
    }
}

/// The code a message will be reported as failed with, if a fault is set to that.
fn failure(fault: &Fault) -> Option<i64> {
    (fault.mode == FaultMode::FailLater).then(|| fault.code.unwrap_or(131_026))
}

/// A reaction to what is not in the chat is accepted, and then reported as failed.
///
/// <https://developers.facebook.com/docs/whatsapp/cloud-api/messages/reaction-messages>
fn lost_reaction(shared: &Shared, number: &WhatsApp, outbound: &Outbound) -> Option<i64> {
    let target = outbound.reacts_to.as_ref()?;
    let key = &number.phone_number_id;
    let phones = lock(&shared.phones);
    let chat = phones.get(key, &outbound.person);
    let is_there = chat.is_some_and(|chat| chat.message(target).is_some());
    let is_known = is_there || outbound.is_group || lock(&shared.received).knows(key, target);
    (!is_known).then_some(131_009)
}

/// Only what the number received can be marked. Answers who wrote it.
fn mark_read(
    shared: &Shared,
    number: &WhatsApp,
    message_id: &str,
) -> Result<Option<String>, Refusal> {
    if !lock(&shared.received).knows(&number.phone_number_id, message_id) {
        return Err(refusal::not_received());
    }
    let mut phones = lock(&shared.phones);
    let person = person_of(&phones, &number.phone_number_id, message_id);
    if let Some(person) = &person {
        phones.set_status(&number.phone_number_id, person, message_id, "read");
    }
    Ok(person)
}

/// `wamid.` and base64 of the person's number and a random part, like the real ones.
pub(crate) fn message_id(shared: &Shared, person: &str) -> String {
    let unique = hex::encode_upper(&shared.ids.fresh()[..9]);
    let length = u8::try_from(person.len()).unwrap_or(u8::MAX);
    let mut bytes = vec![0x1c, 0x18, length];
    bytes.extend_from_slice(person.as_bytes());
    bytes.extend_from_slice(&[0x15, 0x02, 0x00, 0x11, 0x18, 0x12]);
    bytes.extend_from_slice(unique.as_bytes());
    bytes.push(0);
    format!("wamid.{}", STANDARD.encode(bytes))
}

/// Who a message is with: its id says so, unless it was made elsewhere.
pub(crate) fn person_of(phones: &Phones, number: &str, message_id: &str) -> Option<String> {
    let named = || {
        let bytes = STANDARD.decode(message_id.strip_prefix("wamid.")?).ok()?;
        let person = bytes.get(3..3 + usize::from(*bytes.get(2)?))?;
        let person = String::from_utf8(person.to_vec()).ok()?;
        phones
            .get(number, &person)
            .map(|phone| phone.person.clone())
    };
    named().or_else(|| phones.person_of(number, message_id))
}

fn accepted(outbound: &Outbound, id: &str) -> Value {
    let contact = if outbound.is_user_id {
        json!({"input": outbound.input, "user_id": outbound.person})
    } else {
        json!({"input": outbound.input, "wa_id": outbound.person})
    };
    let mut message = json!({"id": id});
    if outbound.is_template {
        message["message_status"] = json!("accepted");
    }
    json!({"messaging_product": "whatsapp", "contacts": [contact], "messages": [message]})
}

/// Reports the statuses of a message one after the other, as the account is set to.
fn report(
    shared: &Arc<Shared>,
    number: &WhatsApp,
    outbound: &Outbound,
    message_id: String,
    failed: Option<i64>,
) {
    let steps: &[&str] = match failed {
        Some(_) => &["failed"],
        None if !number.auto_status => return,
        None if number.auto_read => &["sent", "delivered", "read"],
        None => &["sent", "delivered"],
    };
    let mut report = Status {
        message_id,
        person: outbound.person.clone(),
        is_user_id: outbound.is_user_id,
        status: String::new(),
        at: 0,
        opaque: outbound.opaque.clone(),
        is_template: outbound.is_template,
        errors: failed.map(refusal::report),
    };
    let key = number.phone_number_id.clone();
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        for step in steps {
            // The account is looked up each time: its webhook may have moved meanwhile.
            let Some(account) = shared.accounts.get(&key) else {
                return;
            };
            let Account::Whatsapp(number) = &*account else {
                return;
            };
            tokio::time::sleep(account.status_delay()).await;
            report.status = (*step).to_owned();
            report.at = now().timestamp();
            lock(&shared.phones).set_status(&key, &report.person, &report.message_id, step);
            let callback = Callback::new(&account, &status(number, &report));
            // A status nobody takes is given up after its retries, as Meta does in the end.
            let _ = shared.poster.post_until_taken(&callback).await;
        }
    });
}
