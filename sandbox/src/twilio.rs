//! Twilio's API for SMS.
//!
//! <https://www.twilio.com/docs/messaging/api/message-resource>

mod check;
mod event;
mod media;
mod refusal;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use crate::account::{Account, Sms};
use crate::callback::Callback;
use crate::faults::{Answer, Ending, Fault, FaultMode};
use crate::phones::{PhoneMessage, Side};
use crate::state::{Call, Shared, lock, now};
use check::{Form, Outbound};
pub(crate) use event::{Inbound, Keyword, Status, inbound, status};
pub(crate) use media::received;
use refusal::Refusal;

pub(crate) const PROVIDER: &str = "sms";
const API_VERSION: &str = "2010-04-01";
/// What an undelivered message is reported with: an unknown destination handset.
const UNDELIVERED: i64 = 30_005;

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route(
            "/twilio/2010-04-01/Accounts/{account}",
            routing::get(read_account),
        )
        .route(
            "/twilio/2010-04-01/Accounts/{account}/Messages.json",
            routing::post(create_message),
        )
        .merge(media::router())
}

/// Tells about the account, which is how its token is tried out.
async fn read_account(
    State(shared): State<Arc<Shared>>,
    Path(resource): Path<String>,
    headers: HeaderMap,
) -> Response {
    let path = format!("/twilio/{API_VERSION}/Accounts/{resource}");
    let mut call = Call::new(PROVIDER, "GET", path, &headers);
    let account = resource
        .strip_suffix(".json")
        .ok_or_else(|| refusal::not_found(&resource))
        .and_then(|sid| authorise(&shared, sid, &headers).map(|_| sid));
    let answer = match account {
        Ok(sid) => {
            call.outcome = "done";
            let about = json!({
                "sid": sid,
                "owner_account_sid": sid,
                "friendly_name": "Patchbay Sandbox",
                "status": "active",
                "type": "Full",
                "uri": format!("/{API_VERSION}/Accounts/{sid}.json"),
            });
            Answer::json(StatusCode::OK, &about)
        }
        Err(refusal) => refuse(&mut call, &refusal),
    };
    end(&shared, call, Ending::Answer(answer)).await
}

async fn create_message(
    State(shared): State<Arc<Shared>>,
    Path(sid): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = format!("/twilio/{API_VERSION}/Accounts/{sid}/Messages.json");
    let mut call = Call::new(PROVIDER, "POST", path, &headers);
    let form = Form::read(&headers, &body);
    call.request = form.as_value();
    let ending = authorise(&shared, &sid, &headers)
        .and_then(|numbers| send(&shared, &numbers, &form, &mut call));
    let ending = ending.unwrap_or_else(|refusal| Ending::Answer(refuse(&mut call, &refusal)));
    end(&shared, call, ending).await
}

/// The numbers of the account, if the caller has its token.
fn authorise(shared: &Shared, sid: &str, headers: &HeaderMap) -> Result<Vec<Sms>, Refusal> {
    let (user, token) = credentials(headers).ok_or_else(refusal::unauthorized)?;
    let mut numbers = shared.accounts.numbers(sid);
    numbers.retain(|number| user == sid && number.auth_token == token);
    if numbers.is_empty() {
        return Err(refusal::unauthorized());
    }
    Ok(numbers)
}

fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let bytes = STANDARD.decode(value.strip_prefix("Basic ")?).ok()?;
    let pair = String::from_utf8(bytes).ok()?;
    let (user, password) = pair.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// Sends a message.
///
/// 1. The parameters must be sound.
/// 2. A fault set for the recipient may refuse it.
/// 3. The recipient must not have written STOP.
/// 4. The message is queued: it shows on the phone and its statuses follow.
/// 5. The fault, if any, may still spoil the answer.
fn send(
    shared: &Arc<Shared>,
    numbers: &[Sms],
    form: &Form,
    call: &mut Call,
) -> Result<Ending, Refusal> {
    // 1.
    let (number, outbound) = check::message(numbers, form)?;
    call.account = Some(number.phone_number.clone());
    call.recipient = Some(outbound.to.clone());
    let shown = outbound.shown();
    call.kind = Some(shown.kind.clone());
    call.text = Some(shown.text.clone());

    // 2.
    let fault = shared.faults.take(&outbound.to);
    call.outcome = fault.as_ref().map_or("accepted", |fault| fault.mode.name());
    if let Some(fault) = &fault {
        let ending = fault.refuses(|fault| refuse(call, &refusal::of(fault)));
        if let Some(ending) = ending {
            return Ok(ending);
        }
    }

    // 3.
    let mut phones = lock(&shared.phones);
    let phone = phones.open(PROVIDER, &number.phone_number, &outbound.to);
    if phone.opted_out {
        call.outcome = "refused";
        return Err(refusal::opted_out());
    }

    // 4.
    let sid = message_sid(shared, !outbound.media.is_empty());
    let mut message = PhoneMessage::new(sid.clone(), Side::Business, shown);
    "queued".clone_into(&mut message.status);
    message
        .status_callback
        .clone_from(&outbound.status_callback);
    phones.push(&number.phone_number, &outbound.to, message);
    drop(phones);
    call.accepted = true;
    call.message_id = Some(sid.clone());
    let answer = Answer::json(StatusCode::CREATED, &resource(&number, &outbound, &sid));
    report(shared, &number, outbound, sid, fault.as_ref());

    // 5.
    Ok(match fault {
        Some(fault) => fault.ends(answer),
        None => Ending::Answer(answer),
    })
}

/// `SM`, or `MM` with media, and 32 hexadecimal digits.
pub(crate) fn message_sid(shared: &Shared, has_media: bool) -> String {
    let kind = if has_media { "MM" } else { "SM" };
    format!("{kind}{}", hex::encode(&shared.ids.fresh()[..16]))
}

/// The message as Twilio answers it: numbers as strings, dates as in mail.
fn resource(number: &Sms, outbound: &Outbound, sid: &str) -> Value {
    let account = &number.account_sid;
    let uri = format!("/{API_VERSION}/Accounts/{account}/Messages/{sid}");
    let now = now().to_rfc2822();
    json!({
        "account_sid": account,
        "api_version": API_VERSION,
        "body": outbound.body.as_deref().unwrap_or_default(),
        "date_created": now,
        "date_sent": null,
        "date_updated": now,
        "direction": "outbound-api",
        "error_code": null,
        "error_message": null,
        "from": number.phone_number,
        "messaging_service_sid": null,
        "num_media": outbound.media.len().to_string(),
        "num_segments": event::segments(outbound.body.as_deref().unwrap_or_default()).to_string(),
        "price": null,
        "price_unit": "USD",
        "sid": sid,
        "status": "queued",
        "subresource_uris": {"media": format!("{uri}/Media.json")},
        "to": outbound.to,
        "uri": format!("{uri}.json"),
    })
}

/// Reports the statuses of a message one after the other to its `StatusCallback`.
fn report(
    shared: &Arc<Shared>,
    number: &Sms,
    outbound: Outbound,
    sid: String,
    fault: Option<&Fault>,
) {
    let failed = fault.filter(|fault| fault.mode == FaultMode::FailLater);
    let code = failed.map(|fault| fault.code.unwrap_or(UNDELIVERED));
    let steps: &[&str] = match failed {
        Some(_) => &["queued", "sent", "undelivered"],
        None if !number.auto_status => return,
        None => &["queued", "sent", "delivered"],
    };
    let key = number.phone_number.clone();
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        for step in steps {
            let Some(account) = shared.accounts.get(&key) else {
                return;
            };
            let Account::Sms(number) = &*account else {
                return;
            };
            tokio::time::sleep(account.status_delay()).await;
            lock(&shared.phones).set_status(&key, &outbound.to, &sid, step);
            let Some(url) = &outbound.status_callback else {
                continue;
            };
            let report = Status {
                message_sid: sid.clone(),
                to: outbound.to.clone(),
                status: (*step).to_owned(),
                error_code: code.filter(|_| *step == "undelivered"),
                at: now(),
            };
            let fields = status(number, &report);
            let callback = Callback::to(&account, Some(url), None, &fields);
            post(&shared, &callback, Overrides::of(url)).await;
        }
    });
}

/// What the fragment of a callback's address asks for.
///
/// <https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides>
struct Overrides {
    retries: u32,
    after_an_answer: bool,
}

impl Overrides {
    /// `#rc=<how often>&rp=<after what>`. Without one, Twilio tries again once, and only to connect.
    fn of(url: &str) -> Self {
        let fragment = url.split_once('#').map(|(_, fragment)| fragment);
        let mut overrides = Self {
            retries: 1,
            after_an_answer: false,
        };
        for (name, value) in form_urlencoded::parse(fragment.unwrap_or_default().as_bytes()) {
            match &*name {
                "rc" => overrides.retries = value.parse().unwrap_or(1).min(5),
                "rp" => {
                    let after = |policy: &str| matches!(policy, "all" | "4xx" | "5xx");
                    overrides.after_an_answer = value.split(',').any(after);
                }
                _ => {}
            }
        }
        overrides
    }
}

/// Posts a status. Once lost, it is lost, unless its address asks for more.
async fn post(shared: &Shared, callback: &Callback, overrides: Overrides) {
    for _ in 0..=overrides.retries {
        match shared.poster.post(callback).await {
            Ok(200..300) => return,
            Ok(_) if !overrides.after_an_answer => return,
            Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

fn refuse(call: &mut Call, refusal: &Refusal) -> Answer {
    call.code = Some(refusal.code);
    refusal.answer()
}

async fn end(shared: &Shared, mut call: Call, ending: Ending) -> Response {
    call.response_status = ending.status();
    lock(&shared.journal).record(call);
    ending.respond().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_how_often_a_status_is_tried_again() {
        let plain = Overrides::of("https://example.com/hook?a=1");
        let stubborn = Overrides::of("https://example.com/hook#rc=9&rp=all");

        assert_eq!((plain.retries, plain.after_an_answer), (1, false));
        assert_eq!((stubborn.retries, stubborn.after_an_answer), (5, true));
    }
}
