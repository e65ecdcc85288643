//! Meta's Graph API as WhatsApp uses it.
//!
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages>

mod check;
mod event;
mod refusal;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use crate::account::{Account, WhatsApp};
use crate::callback::Callback;
use crate::faults::{Answer, Ending, Fault, FaultMode};
use crate::phones::{PhoneMessage, Phones, Side};
use crate::state::{Call, Shared, lock, now};
use check::{Outbound, Request};
pub(crate) use event::{Inbound, Status, inbound, status};
use refusal::Refusal;

pub(crate) const PROVIDER: &str = "whatsapp";

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/graph/{version}/{number}", get(read_number))
        .route("/graph/{version}/{number}/messages", post(messages))
}

async fn read_number(
    State(shared): State<Arc<Shared>>,
    Path((version, number)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let path = format!("/graph/{version}/{number}");
    let mut call = Call::new(PROVIDER, "GET", path, &headers);
    let answer = match authorise(&shared, &version, &number, &headers) {
        Ok(number) => {
            call.account = Some(number.phone_number_id.clone());
            call.outcome = "done";
            Answer::json(
                StatusCode::OK,
                &json!({
                    "id": number.phone_number_id,
                    "display_phone_number": number.display_phone_number,
                    "verified_name": "Patchbay Sandbox",
                }),
            )
        }
        Err(refusal) => refuse(&shared, &mut call, &refusal),
    };
    end(&shared, call, Ending::Answer(answer)).await
}

async fn messages(
    State(shared): State<Arc<Shared>>,
    Path((version, number)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = format!("/graph/{version}/{number}/messages");
    let mut call = Call::new(PROVIDER, "POST", path, &headers);
    call.request = serde_json::from_slice(&body).unwrap_or_default();
    let ending = match authorise(&shared, &version, &number, &headers) {
        Ok(number) => send(&shared, &number, &headers, &mut call),
        Err(refusal) => Err(refusal),
    };
    let ending =
        ending.unwrap_or_else(|refusal| Ending::Answer(refuse(&shared, &mut call, &refusal)));
    end(&shared, call, ending).await
}

/// Sends a message, or marks one as read.
///
/// 1. The body must be sound.
/// 2. A fault set for the recipient may refuse it.
/// 3. Free-form messages need an open window.
/// 4. The message is accepted: it shows on the phone and its statuses follow.
/// 5. The fault, if any, may still spoil the answer.
fn send(
    shared: &Arc<Shared>,
    number: &WhatsApp,
    headers: &HeaderMap,
    call: &mut Call,
) -> Result<Ending, Refusal> {
    call.account = Some(number.phone_number_id.clone());

    // 1.
    let outbound = match check::request(headers, &call.request)? {
        Request::Send(outbound) => outbound,
        Request::MarkRead { message_id } => {
            mark_read(shared, number, &message_id);
            call.outcome = "done";
            call.message_id = Some(message_id);
            return Ok(Ending::Answer(ok(shared, &json!({"success": true}))));
        }
    };
    call.recipient = Some(outbound.person.clone());
    call.text = outbound.text.clone();

    // 2.
    let fault = shared.faults.take(&outbound.person);
    if let Some(fault) = &fault {
        let refusal = fault.refuses(|fault| {
            let refusal = Refusal::of(fault);
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
    let needs_window = !outbound.is_template() && !outbound.is_group;
    if number.enforce_window && needs_window && !is_window_open(shared, number, &outbound) {
        call.outcome = "refused";
        return Err(Refusal::window_closed());
    }

    // 4.
    let message_id = message_id(shared, &outbound.person);
    call.accepted = true;
    call.message_id = Some(message_id.clone());
    show(shared, number, &outbound, &message_id);
    let answer = ok(shared, &accepted(&outbound, &message_id));
    report(shared, number, &outbound, message_id, fault.as_ref());

    // 5.
    Ok(match fault {
        Some(fault) => fault.ends(answer),
        None => Ending::Answer(answer),
    })
}

fn authorise(
    shared: &Shared,
    version: &str,
    number: &str,
    headers: &HeaderMap,
) -> Result<WhatsApp, Refusal> {
    let version = version.strip_prefix('v').unwrap_or_default();
    if !version.split('.').all(|part| part.parse::<u16>().is_ok()) {
        return Err(Refusal::unknown_version());
    }
    let account = shared.accounts.get(number);
    let Some(Account::Whatsapp(account)) = account.as_deref() else {
        return Err(Refusal::unknown_object(number));
    };
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    if token != Some(account.access_token.as_str()) {
        return Err(Refusal::bad_token());
    }
    Ok(account.clone())
}

fn is_window_open(shared: &Shared, number: &WhatsApp, outbound: &Outbound) -> bool {
    lock(&shared.phones)
        .get(&number.phone_number_id, &outbound.person)
        .is_some_and(|chat| chat.is_window_open())
}

fn show(shared: &Shared, number: &WhatsApp, outbound: &Outbound, id: &str) {
    let shown = outbound.text.clone().unwrap_or_default();
    let message = PhoneMessage::new(id.to_owned(), Side::Business, &outbound.kind, shown)
        .replying_to(outbound.reply_to.clone());
    let mut phones = lock(&shared.phones);
    phones.open(PROVIDER, &number.phone_number_id, &outbound.person);
    phones.push(&number.phone_number_id, &outbound.person, message);
}

fn mark_read(shared: &Shared, number: &WhatsApp, message_id: &str) {
    let mut phones = lock(&shared.phones);
    if let Some(person) = person_of(&phones, &number.phone_number_id, message_id) {
        phones.set_status(&number.phone_number_id, &person, message_id, "read");
    }
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
    if outbound.is_template() {
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
    fault: Option<&Fault>,
) {
    let failed = fault.filter(|fault| fault.mode == FaultMode::FailLater);
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
        is_template: outbound.is_template(),
        errors: failed.map(|fault| refusal::report(fault.code.unwrap_or(131_026))),
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
            tokio::time::sleep(Duration::from_millis(number.status_delay_ms)).await;
            report.status = (*step).to_owned();
            report.at = now().timestamp();
            lock(&shared.phones).set_status(&key, &report.person, &report.message_id, step);
            let callback = Callback::new(&account, &status(number, &report));
            // A status nobody takes is given up after its retries, as Meta does in the end.
            let _ = shared.poster.post_until_taken(&callback).await;
        }
    });
}

fn ok(shared: &Shared, body: &Value) -> Answer {
    Answer::json(StatusCode::OK, body).with("x-fb-trace-id", trace_id(shared))
}

fn refuse(shared: &Shared, call: &mut Call, refusal: &Refusal) -> Answer {
    call.code = Some(refusal.code);
    let trace_id = trace_id(shared);
    let answer = Answer::json(refusal.status, &refusal.body(&trace_id));
    let answer = answer.with("x-fb-trace-id", trace_id);
    match refusal.retry_after {
        Some(seconds) => answer.with("retry-after", seconds.to_string()),
        None => answer,
    }
}

fn trace_id(shared: &Shared) -> String {
    format!("A{}", STANDARD.encode(&shared.ids.fresh()[..15]))
}

async fn end(shared: &Shared, mut call: Call, ending: Ending) -> Response {
    call.response_status = ending.status();
    lock(&shared.journal).record(call);
    ending.respond().await
}
