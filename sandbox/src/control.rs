//! Playing the provider's side: customers who write, statuses, handshakes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::account::{Account, digits};
use crate::callback::Callback;
use crate::messaging::{Inbox, Pressed};
use crate::phones::{PhoneMessage, Side};
use crate::shown::Shown;
use crate::state::{Shared, lock, now};
use crate::twilio::Keyword;
use crate::{messaging, telegram, twilio, whatsapp};

/// A customer's text, to be played as the provider would.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inbound {
    /// The account's id, number, username or bot token.
    pub account: String,
    /// The person's number, user id or chat id.
    pub from: String,
    #[serde(default)]
    pub name: Option<String>,
    /// The text, or the title of what was pressed.
    pub text: String,
    /// The payload of the quick reply the person pressed. Messenger and Instagram only.
    #[serde(default)]
    pub quick_reply: Option<String>,
    /// The payload of the button the person pressed. Messenger and Instagram only.
    #[serde(default)]
    pub postback: Option<String>,
    /// The provider's id of the message this one answers.
    #[serde(default)]
    pub reply_to: Option<String>,
    /// The provider's time, Unix seconds. Absent: now.
    #[serde(default)]
    pub timestamp: Option<i64>,
    /// How often the same bytes are posted.
    #[serde(default = "once")]
    pub copies: u32,
    /// `false` only builds the callback.
    #[serde(default = "yes")]
    pub deliver: bool,
    /// Tries again, as the provider does, until the gateway takes it.
    #[serde(default)]
    pub retry: bool,
    /// More of the same, to other accounts of the provider, posted in one body as the first account's. Meta only.
    #[serde(default)]
    pub also: Vec<Inbound>,
}

impl Inbound {
    pub fn new(
        account: impl Into<String>,
        from: impl Into<String>,
        text: impl Into<String>,
    ) -> Self {
        Self {
            account: account.into(),
            from: from.into(),
            name: None,
            text: text.into(),
            quick_reply: None,
            postback: None,
            reply_to: None,
            timestamp: None,
            copies: once(),
            deliver: true,
            retry: false,
            also: Vec::new(),
        }
    }
}

/// A status posted by hand.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusUpdate {
    pub account: String,
    pub message_id: String,
    pub status: String,
    /// Absent: whoever the message went to.
    #[serde(default)]
    pub recipient: Option<String>,
    /// The `errors` array of a `failed` status. An SMS reports the first `code` in it.
    #[serde(default)]
    pub errors: Option<Value>,
    #[serde(default)]
    pub timestamp: Option<i64>,
    #[serde(default)]
    pub biz_opaque_callback_data: Option<String>,
    #[serde(default = "yes")]
    pub deliver: bool,
    #[serde(default)]
    pub retry: bool,
}

impl StatusUpdate {
    pub fn new(
        account: impl Into<String>,
        message_id: impl Into<String>,
        status: impl Into<String>,
    ) -> Self {
        Self {
            account: account.into(),
            message_id: message_id.into(),
            status: status.into(),
            recipient: None,
            errors: None,
            timestamp: None,
            biz_opaque_callback_data: None,
            deliver: true,
            retry: false,
        }
    }
}

/// Any payload, signed and posted as the provider.
#[derive(Clone, Debug, Deserialize)]
pub struct Raw {
    pub account: String,
    /// The body. For SMS an object of the form's fields; an array is a field that comes several times.
    pub payload: Value,
    /// Where to. Absent: the account's webhook.
    #[serde(default)]
    pub url: Option<String>,
    /// What to sign with. Absent: the account's own secret.
    #[serde(default)]
    pub secret: Option<String>,
    #[serde(default = "yes")]
    pub deliver: bool,
    #[serde(default)]
    pub retry: bool,
}

impl Raw {
    pub fn new(account: impl Into<String>, payload: Value) -> Self {
        Self {
            account: account.into(),
            payload,
            url: None,
            secret: None,
            deliver: true,
            retry: false,
        }
    }
}

/// A callback that was played, with all it takes to play it again.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Played {
    pub provider_message_id: Option<String>,
    pub url: Option<String>,
    /// What the last copy was answered with. Absent: there was no answer.
    pub callback_status: Option<u16>,
    /// Why there was no answer.
    pub callback_error: Option<String>,
    pub headers: BTreeMap<String, String>,
    /// The body, byte for byte.
    pub body: String,
}

/// How the gateway took Meta's subscription handshake.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Handshake {
    /// A 200 with the challenge and nothing else.
    pub verified: bool,
    pub status: u16,
    pub challenge: String,
    pub body: String,
}

/// Why the sandbox could not do what it was asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Error {
    UnknownAccount(String),
    /// The account's provider has no such thing.
    NotWithThisProvider,
    NoCallbackUrl,
    UnknownRecipient,
    Invalid(String),
    Unreachable(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::UnknownAccount(name) => write!(f, "no account is registered as {name}"),
            Error::NotWithThisProvider => f.write_str("the account's provider has no such thing"),
            Error::NoCallbackUrl => f.write_str("the account has no callbackUrl"),
            Error::UnknownRecipient => {
                f.write_str("the message is not on any phone; say who the recipient is")
            }
            Error::Invalid(why) => f.write_str(why),
            Error::Unreachable(why) => write!(f, "the webhook did not answer: {why}"),
        }
    }
}

impl std::error::Error for Error {}

pub(crate) fn register(shared: &Shared, account: Account) -> Result<(), Error> {
    if let Some(problem) = account.problem() {
        return Err(Error::Invalid(problem.to_owned()));
    }
    if let Account::Whatsapp(number) = &account {
        shared.templates.begin(&number.waba_id);
    }
    shared.accounts.put(account);
    Ok(())
}

pub(crate) fn set_templates(
    shared: &Shared,
    waba_id: &str,
    templates: Vec<Value>,
) -> Result<(), Error> {
    let set = shared.templates.set(waba_id, templates);
    set.map_err(|why| Error::Invalid(why.to_owned()))
}

pub(crate) async fn inbound(shared: &Shared, inbound: Inbound) -> Result<Played, Error> {
    let account = find(shared, &inbound.account)?;
    let others = inbound.also.iter().map(|other| {
        let other_account = find(shared, &other.account)?;
        let has_entries = account.app_secret().is_some();
        if has_entries && other_account.provider() == account.provider() {
            Ok((other_account, other))
        } else {
            Err(Error::NotWithThisProvider)
        }
    });
    let others = others.collect::<Result<Vec<_>, _>>()?;
    let (message_id, mut payload) = compose(shared, &account, &inbound)?;
    for (account, other) in others {
        let (_, mut more) = compose(shared, &account, other)?;
        let entries = more["entry"].as_array_mut().map(std::mem::take);
        if let Some(all) = payload["entry"].as_array_mut() {
            all.extend(entries.unwrap_or_default());
        }
    }
    let callback = Callback::new(&account, &payload);
    let copies = if inbound.deliver { inbound.copies } else { 0 };
    let mut played = play(shared, callback, copies, inbound.retry).await;
    played.provider_message_id = Some(message_id);
    Ok(played)
}

/// Puts a text on the person's phone. Answers its id and the payload that tells of it.
fn compose(
    shared: &Shared,
    account: &Account,
    inbound: &Inbound,
) -> Result<(String, Value), Error> {
    let is_pressed = inbound.quick_reply.is_some() || inbound.postback.is_some();
    if is_pressed && Inbox::of(account).is_none() {
        return Err(Error::NotWithThisProvider);
    }
    let at = inbound.timestamp.unwrap_or_else(|| now().timestamp());
    match account {
        Account::Whatsapp(number) => {
            let person = phone_digits(&inbound.from)?;
            let message_id = whatsapp::message_id(shared, &person);
            let name = arrive(shared, account, &person, inbound, at, |_| {
                message_id.clone()
            });
            let message = whatsapp::Inbound {
                message_id: message_id.clone(),
                person,
                name,
                text: inbound.text.clone(),
                at,
                reply_to: inbound.reply_to.clone(),
            };
            Ok((message_id, whatsapp::inbound(number, &message)))
        }
        Account::Messenger(_) | Account::Instagram(_) => {
            let inbox = Inbox::of(account).ok_or(Error::NotWithThisProvider)?;
            let person = &inbound.from;
            if person.is_empty() || digits(person) != *person {
                let why = "from must be a user id, which is all digits";
                return Err(Error::Invalid(why.to_owned()));
            }
            let message_id = messaging::message_id(shared, inbox.platform);
            arrive(shared, account, person, inbound, at, |_| message_id.clone());
            let quick_reply = inbound.quick_reply.clone().map(Pressed::QuickReply);
            let message = messaging::Inbound {
                message_id: message_id.clone(),
                person: person.clone(),
                text: inbound.text.clone(),
                pressed: quick_reply.or(inbound.postback.clone().map(Pressed::Button)),
                at_ms: milliseconds(inbound.timestamp),
                reply_to: inbound.reply_to.clone(),
            };
            Ok((message_id, messaging::inbound(&inbox, &message)))
        }
        Account::Telegram(bot) => {
            let invalid = |_| Error::Invalid("from must be a chat id".to_owned());
            let chat = inbound.from.parse::<i64>().map_err(invalid)?;
            let mut message_id = 0;
            let name = arrive(shared, account, &chat.to_string(), inbound, at, |next| {
                message_id = next;
                next.to_string()
            });
            let update = telegram::Inbound {
                update_id: shared.ids.next_update(&bot.username),
                message_id,
                chat,
                name,
                said: telegram::Said::Text(inbound.text.clone()),
                at,
                reply_to: inbound.reply_to.as_ref().and_then(|id| id.parse().ok()),
            };
            Ok((message_id.to_string(), telegram::inbound(&update)))
        }
        Account::Sms(number) => {
            let from = format!("+{}", phone_digits(&inbound.from)?);
            let message_sid = twilio::inbound_sid(shared);
            arrive(shared, account, &from, inbound, at, |_| message_sid.clone());
            match Keyword::of(&inbound.text) {
                Some(Keyword::Stop) => opt_out(shared, account, &from, true),
                Some(Keyword::Start) => opt_out(shared, account, &from, false),
                Some(Keyword::Help) | None => {}
            }
            let message = twilio::Inbound {
                message_sid: message_sid.clone(),
                from,
                text: inbound.text.clone(),
            };
            Ok((message_sid, twilio::inbound(number, &message)))
        }
    }
}

fn phone_digits(number: &str) -> Result<String, Error> {
    let digits = digits(number);
    if digits.is_empty() {
        return Err(Error::Invalid("from must be a phone number".to_owned()));
    }
    Ok(digits)
}

fn opt_out(shared: &Shared, account: &Account, person: &str, opted_out: bool) {
    let mut phones = lock(&shared.phones);
    let phone = phones.open(account.provider(), account.key(), person);
    phone.opted_out = opted_out;
}

fn milliseconds(timestamp: Option<i64>) -> i64 {
    let seconds = timestamp.map(|seconds| seconds.saturating_mul(1000));
    seconds.unwrap_or_else(|| now().timestamp_millis())
}

pub(crate) async fn status(shared: &Shared, update: StatusUpdate) -> Result<Played, Error> {
    let account = find(shared, &update.account)?;
    let (person, callback) = {
        let phones = lock(&shared.phones);
        let key = account.key();
        let known = || match &*account {
            Account::Whatsapp(_) => whatsapp::person_of(&phones, key, &update.message_id),
            Account::Messenger(_)
            | Account::Instagram(_)
            | Account::Telegram(_)
            | Account::Sms(_) => phones.person_of(key, &update.message_id),
        };
        let person = update.recipient.clone().or_else(known);
        let person = person.ok_or(Error::UnknownRecipient)?;
        let message = phones
            .get(key, &person)
            .and_then(|phone| phone.message(&update.message_id));
        let status_callback = message.and_then(|message| message.status_callback.clone());
        let callback = status_callback_of(&account, &update, &person, status_callback)?;
        (person, callback)
    };
    let key = account.key();
    lock(&shared.phones).set_status(key, &person, &update.message_id, &update.status);
    let mut played = play(shared, callback, u32::from(update.deliver), update.retry).await;
    played.provider_message_id = Some(update.message_id);
    Ok(played)
}

/// The callback that tells of a status, if the provider tells of such a thing.
fn status_callback_of(
    account: &Account,
    update: &StatusUpdate,
    person: &str,
    status_callback: Option<String>,
) -> Result<Callback, Error> {
    match account {
        Account::Whatsapp(number) => {
            let report = whatsapp::Status {
                message_id: update.message_id.clone(),
                is_user_id: person.contains('.'),
                person: person.to_owned(),
                status: update.status.clone(),
                at: update.timestamp.unwrap_or_else(|| now().timestamp()),
                opaque: update.biz_opaque_callback_data.clone(),
                is_template: false,
                errors: update.errors.clone(),
            };
            Ok(Callback::new(account, &whatsapp::status(number, &report)))
        }
        Account::Messenger(_) | Account::Instagram(_) => {
            let inbox = Inbox::of(account).ok_or(Error::NotWithThisProvider)?;
            let at_ms = milliseconds(update.timestamp);
            let payload =
                messaging::status(&inbox, person, &update.message_id, &update.status, at_ms);
            let payload = payload.ok_or(Error::NotWithThisProvider)?;
            Ok(Callback::new(account, &payload))
        }
        Account::Telegram(_) => Err(Error::NotWithThisProvider),
        Account::Sms(number) => {
            let code = update
                .errors
                .as_ref()
                .and_then(|errors| errors.pointer("/0/code"));
            let report = twilio::Status {
                message_sid: update.message_id.clone(),
                to: person.to_owned(),
                status: update.status.clone(),
                error_code: code.and_then(Value::as_i64),
                at: now(),
            };
            let url = status_callback.as_deref().or(account.callback_url());
            let fields = twilio::status(number, &report);
            Ok(Callback::to(account, url, None, &fields))
        }
    }
}

pub(crate) async fn raw(shared: &Shared, raw: Raw) -> Result<Played, Error> {
    let account = find(shared, &raw.account)?;
    note(shared, &account, &raw.payload);
    let url = raw.url.as_deref().or(account.callback_url());
    let callback = Callback::to(&account, url, raw.secret.as_deref(), &raw.payload);
    Ok(play(shared, callback, u32::from(raw.deliver), raw.retry).await)
}

/// Remembers what of a payload may be answered by its id.
fn note(shared: &Shared, account: &Account, payload: &Value) {
    let mut received = lock(&shared.received);
    let mut note = |id: &Value| {
        if let Some(id) = id.as_str() {
            received.note(account.key(), id);
        }
    };
    match account {
        Account::Whatsapp(_) => {
            let items = |value: &Value| value.as_array().cloned().unwrap_or_default();
            for change in items(&payload["entry"])
                .iter()
                .flat_map(|entry| items(&entry["changes"]))
            {
                for message in items(&change["value"]["messages"]) {
                    note(&message["id"]);
                }
            }
        }
        Account::Telegram(_) => note(&payload["callback_query"]["id"]),
        Account::Messenger(_) | Account::Instagram(_) | Account::Sms(_) => {}
    }
}

/// Sends Meta's subscription handshake, with the account's verify token or another one.
pub(crate) async fn handshake(
    shared: &Shared,
    account: &str,
    verify_token: Option<&str>,
) -> Result<Handshake, Error> {
    let account = find(shared, account)?;
    if account.app_secret().is_none() {
        return Err(Error::NotWithThisProvider);
    }
    let url = account.callback_url().ok_or(Error::NoCallbackUrl)?;
    let token = verify_token.or(account.verify_token());
    let fresh = shared.ids.fresh();
    let challenge = u32::from_be_bytes(std::array::from_fn(|index| fresh[index])).to_string();
    let answer = shared
        .poster
        .handshake(url, token.unwrap_or_default(), &challenge);
    let (status, body) = answer.await.map_err(Error::Unreachable)?;
    Ok(Handshake {
        verified: status == 200 && body == challenge,
        status,
        challenge,
        body,
    })
}

/// Puts a person's text on their phone. Answers the name the person goes by.
fn arrive(
    shared: &Shared,
    account: &Account,
    person: &str,
    inbound: &Inbound,
    at: i64,
    message_id: impl FnOnce(i64) -> String,
) -> String {
    let mut phones = lock(&shared.phones);
    let phone = phones.open(account.provider(), account.key(), person);
    phone.last_inbound = phone.last_inbound.max(Some(at));
    if let Some(name) = &inbound.name {
        phone.name.clone_from(name);
    }
    let name = phone.name.clone();
    let id = message_id(phone.next_message_id());
    let shown = Shown::new("text", inbound.text.clone());
    let message =
        PhoneMessage::new(id, Side::Customer, shown).replying_to(inbound.reply_to.clone());
    lock(&shared.received).note(account.key(), &message.id);
    phones.push(account.key(), person, message);
    name
}

async fn play(shared: &Shared, callback: Callback, copies: u32, retry: bool) -> Played {
    let mut result = None;
    for _ in 0..copies {
        result = Some(if retry {
            shared.poster.post_until_taken(&callback).await
        } else {
            shared.poster.post(&callback).await
        });
    }
    let (callback_status, callback_error) = match result {
        None => (None, None),
        Some(Ok(status)) => (Some(status), None),
        Some(Err(why)) => (None, Some(why)),
    };
    Played {
        provider_message_id: None,
        url: callback.url,
        callback_status,
        callback_error,
        headers: callback.headers,
        body: String::from_utf8_lossy(&callback.body).into_owned(),
    }
}

fn find(shared: &Shared, name: &str) -> Result<Arc<Account>, Error> {
    let account = shared.accounts.find(name);
    account.ok_or_else(|| Error::UnknownAccount(name.to_owned()))
}

fn once() -> u32 {
    1
}

fn yes() -> bool {
    true
}
