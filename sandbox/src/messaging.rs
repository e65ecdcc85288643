//! The Messenger Platform, as Pages and Instagram accounts use it.
//!
//! Both take the same calls and post the same events, but for a few rules, which `Platform` holds.
//!
//! <https://developers.facebook.com/docs/messenger-platform/reference/send-api>
//! <https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login/messaging-api>

mod attachment;
mod check;
mod event;
mod field;
mod message;
mod refusal;
mod template;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use serde_json::{Value, json};

use crate::account::Account;
use crate::callback::Callback;
use crate::faults::Ending;
use crate::graph::{Refusal, ok, refuse};
use crate::phones::{PhoneMessage, Side};
use crate::state::{Call, Shared, lock, now};
pub(crate) use attachment::{LONGEST as LONGEST_FILE, attach_file, attach_link, received, router};
use check::{Action, Outbound, Request};
pub(crate) use event::{Inbound, Pressed, delivery, inbound, read};

/// How long a person at the keyboard may still answer.
const HUMAN_AGENT_S: i64 = 7 * 24 * 60 * 60;

/// Whose rules apply.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Platform {
    Messenger,
    Instagram,
}

/// A Page or an Instagram account, as far as they are alike.
pub(crate) struct Inbox<'a> {
    pub platform: Platform,
    pub account: &'a Account,
    pub id: &'a str,
    auto_status: bool,
    auto_read: bool,
    enforce_window: bool,
    echo: bool,
}

impl<'a> Inbox<'a> {
    pub(crate) fn of(account: &'a Account) -> Option<Self> {
        match account {
            Account::Messenger(page) => Some(Self {
                platform: Platform::Messenger,
                account,
                id: &page.page_id,
                auto_status: page.auto_status,
                auto_read: page.auto_read,
                enforce_window: page.enforce_window,
                echo: page.echo,
            }),
            Account::Instagram(professional) => Some(Self {
                platform: Platform::Instagram,
                account,
                id: &professional.account_id,
                auto_status: professional.auto_status,
                auto_read: professional.auto_read,
                enforce_window: professional.enforce_window,
                echo: professional.echo,
            }),
            Account::Whatsapp(_) | Account::Telegram(_) | Account::Sms(_) => None,
        }
    }
}

/// Sends a message, or shows the person a sign of life.
///
/// 1. The body must be sound.
/// 2. A fault set for the person may refuse a message.
/// 3. The person must have written, and lately.
/// 4. The message is accepted: it shows on the phone and its reports follow.
/// 5. The fault, if any, may still spoil the answer.
pub(crate) fn send(
    shared: &Arc<Shared>,
    inbox: &Inbox<'_>,
    headers: &HeaderMap,
    call: &mut Call,
) -> Result<Ending, Refusal> {
    // 1.
    let outbound = match check::request(inbox.platform, headers, &call.request)? {
        Request::Send(outbound) => outbound,
        Request::Act { person, action } => {
            call.recipient = Some(person.clone());
            call.kind = call.request["sender_action"].as_str().map(str::to_owned);
            act(shared, inbox, &person, &action)?;
            call.outcome = "done";
            return Ok(Ending::Answer(ok(shared, &json!({"recipient_id": person}))));
        }
    };
    attachment::check(shared, inbox, &outbound.message)?;
    call.recipient = Some(outbound.person.clone());
    call.kind = Some(outbound.shown.kind.clone());
    call.text = Some(outbound.shown.text.clone());

    // 2.
    let fault = shared.faults.take(&outbound.person);
    call.outcome = fault.as_ref().map_or("accepted", |fault| fault.mode.name());
    if let Some(fault) = &fault {
        let ending = fault.refuses(|fault| refuse(shared, call, &refusal::of(fault)));
        if let Some(ending) = ending {
            return Ok(ending);
        }
    }

    // 3.
    may_write(shared, inbox, &outbound).inspect_err(|_| call.outcome = "refused")?;

    // 4.
    let message_id = message_id(shared, inbox.platform);
    call.accepted = true;
    call.message_id = Some(message_id.clone());
    show(shared, inbox, &outbound, &message_id);
    let answer = json!({"recipient_id": outbound.person, "message_id": message_id});
    let answer = ok(shared, &answer);
    report(shared, inbox, &outbound, message_id);

    // 5.
    Ok(match fault {
        Some(fault) => fault.ends(answer),
        None => Ending::Answer(answer),
    })
}

fn act(shared: &Shared, inbox: &Inbox<'_>, person: &str, action: &Action) -> Result<(), Refusal> {
    let mut phones = lock(&shared.phones);
    let phone = phones.get(inbox.id, person);
    if inbox.enforce_window && phone.is_none_or(|phone| phone.last_inbound.is_none()) {
        return Err(refusal::unknown_person());
    }
    match action {
        Action::Typing => {}
        Action::MarkSeen => phones.set_read(inbox.id, person, Side::Customer),
        Action::React {
            message_id,
            reaction,
        } => {
            if phone.is_none_or(|phone| phone.message(message_id).is_none()) {
                return Err(refusal::unknown_message("payload[message_id]"));
            }
            phones.react(inbox.id, person, message_id, reaction.as_deref());
        }
    }
    Ok(())
}

/// Whether the person has written, and lately enough for what is sent.
///
/// <https://developers.facebook.com/docs/messenger-platform/policy/policy-overview>
fn may_write(shared: &Shared, inbox: &Inbox<'_>, outbound: &Outbound) -> Result<(), Refusal> {
    let phones = lock(&shared.phones);
    let phone = phones.get(inbox.id, &outbound.person);
    if inbox.enforce_window {
        let known = phone.filter(|phone| phone.last_inbound.is_some());
        let phone = known.ok_or_else(refusal::unknown_person)?;
        let is_late = !phone.is_window_open();
        if is_late && !(outbound.by_human_agent && phone.wrote_within(HUMAN_AGENT_S)) {
            return Err(refusal::window_closed(inbox.platform));
        }
    }
    match &outbound.reply_to {
        Some(id) if phone.is_none_or(|phone| phone.message(id).is_none()) => {
            Err(refusal::unknown_message("reply_to[mid]"))
        }
        Some(_) | None => Ok(()),
    }
}

fn show(shared: &Shared, inbox: &Inbox<'_>, outbound: &Outbound, id: &str) {
    let mut message = PhoneMessage::new(id.to_owned(), Side::Business, outbound.shown.clone())
        .replying_to(outbound.reply_to.clone());
    // There is no report of it: what is accepted is sent.
    "sent".clone_into(&mut message.status);
    let mut phones = lock(&shared.phones);
    phones.open(inbox.account.provider(), inbox.id, &outbound.person);
    phones.push(inbox.id, &outbound.person, message);
}

/// An id like the real ones: Messenger's begin with `m_`, Instagram's are one long word.
pub(crate) fn message_id(shared: &Shared, platform: Platform) -> String {
    let mut bytes = shared.ids.fresh().to_vec();
    bytes.extend_from_slice(&shared.ids.fresh());
    let unique = URL_SAFE_NO_PAD.encode(bytes);
    match platform {
        Platform::Messenger => format!("m_{unique}"),
        Platform::Instagram => format!("aWdfZAG1faXRlbToxOklHTWVzc2FnZAUlE{unique}ZD"),
    }
}

/// Reports a message one step after the other, as the account is set to.
fn report(shared: &Arc<Shared>, inbox: &Inbox<'_>, outbound: &Outbound, message_id: String) {
    let person = outbound.person.clone();
    let delivers = inbox.auto_status && inbox.platform == Platform::Messenger;
    let reads = inbox.auto_status && inbox.auto_read;
    let echo = inbox
        .echo
        .then(|| event::echo(inbox, &person, &message_id, &outbound.message));
    let shared = Arc::clone(shared);
    let key = inbox.id.to_owned();
    tokio::spawn(async move {
        // A report nobody takes is given up after its retries, as Meta does in the end.
        if let Some(echo) = echo
            && let Some(account) = shared.accounts.get(&key)
        {
            let callback = Callback::new(&account, &echo);
            let _ = shared.poster.post_until_taken(&callback).await;
        }
        let steps = [(delivers, "delivered"), (reads, "read")];
        for (_, step) in steps.into_iter().filter(|(wanted, _)| *wanted) {
            // The account is looked up each time: its webhook may have moved meanwhile.
            let Some(account) = shared.accounts.get(&key) else {
                return;
            };
            tokio::time::sleep(account.status_delay()).await;
            let Some(inbox) = Inbox::of(&account) else {
                return;
            };
            lock(&shared.phones).set_status(&key, &person, &message_id, step);
            let at_ms = now().timestamp_millis();
            let payload = match step {
                "read" => read(&inbox, &person, &message_id, at_ms),
                _ => delivery(&inbox, &person, &message_id, at_ms),
            };
            let callback = Callback::new(&account, &payload);
            let _ = shared.poster.post_until_taken(&callback).await;
        }
    });
}

/// The payload of a status by hand, if the platform has such a report.
pub(crate) fn status(
    inbox: &Inbox<'_>,
    person: &str,
    message_id: &str,
    status: &str,
    at_ms: i64,
) -> Option<Value> {
    match (status, inbox.platform) {
        ("read", _) => Some(read(inbox, person, message_id, at_ms)),
        ("delivered", Platform::Messenger) => Some(delivery(inbox, person, message_id, at_ms)),
        _ => None,
    }
}
