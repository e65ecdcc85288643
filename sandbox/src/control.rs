//! Playing the provider's side: customers who write, statuses, handshakes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::account::{Account, digits};
use crate::callback::Callback;
use crate::phones::{PhoneMessage, Side};
use crate::state::{Shared, lock, now};
use crate::{graph, telegram};

/// A customer's text, to be played as the provider would.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inbound {
    /// Phone number id, display phone number, bot token or bot username.
    pub account: String,
    /// The person's number or chat id.
    pub from: String,
    #[serde(default)]
    pub name: Option<String>,
    pub text: String,
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
            reply_to: None,
            timestamp: None,
            copies: once(),
            deliver: true,
            retry: false,
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
    /// The `errors` array of a `failed` status.
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
    pub payload: Value,
    #[serde(default = "yes")]
    pub deliver: bool,
    #[serde(default)]
    pub retry: bool,
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
    shared.accounts.put(account);
    Ok(())
}

pub(crate) async fn inbound(shared: &Shared, inbound: Inbound) -> Result<Played, Error> {
    let account = find(shared, &inbound.account)?;
    let at = inbound.timestamp.unwrap_or_else(|| now().timestamp());
    let (message_id, payload) = match &*account {
        Account::Whatsapp(number) => {
            let person = digits(&inbound.from);
            if person.is_empty() {
                return Err(Error::Invalid("from must be a phone number".to_owned()));
            }
            let message_id = graph::message_id(shared, &person);
            let name = arrive(shared, &account, &person, &inbound, at, |_| {
                message_id.clone()
            });
            let message = graph::Inbound {
                message_id: message_id.clone(),
                person,
                name,
                text: inbound.text.clone(),
                at,
                reply_to: inbound.reply_to.clone(),
            };
            (message_id, graph::inbound(number, &message))
        }
        Account::Telegram(bot) => {
            let invalid = |_| Error::Invalid("from must be a chat id".to_owned());
            let chat = inbound.from.parse::<i64>().map_err(invalid)?;
            let mut message_id = 0;
            let name = arrive(shared, &account, &chat.to_string(), &inbound, at, |next| {
                message_id = next;
                next.to_string()
            });
            let update = telegram::Inbound {
                update_id: shared.ids.next_update(&bot.username),
                message_id,
                chat,
                name,
                text: inbound.text.clone(),
                at,
                reply_to: inbound.reply_to.as_ref().and_then(|id| id.parse().ok()),
            };
            (message_id.to_string(), telegram::inbound(&update))
        }
    };
    let callback = Callback::new(&account, &payload);
    let copies = if inbound.deliver { inbound.copies } else { 0 };
    let mut played = play(shared, callback, copies, inbound.retry).await;
    played.provider_message_id = Some(message_id);
    Ok(played)
}

pub(crate) async fn status(shared: &Shared, update: StatusUpdate) -> Result<Played, Error> {
    let account = find(shared, &update.account)?;
    let Account::Whatsapp(number) = &*account else {
        return Err(Error::NotWithThisProvider);
    };
    let person = {
        let mut phones = lock(&shared.phones);
        let key = &number.phone_number_id;
        let known = || graph::person_of(&phones, key, &update.message_id);
        let person = update.recipient.clone().or_else(known);
        let person = person.ok_or(Error::UnknownRecipient)?;
        phones.set_status(key, &person, &update.message_id, &update.status);
        person
    };
    let report = graph::Status {
        message_id: update.message_id.clone(),
        is_user_id: person.contains('.'),
        person,
        status: update.status,
        at: update.timestamp.unwrap_or_else(|| now().timestamp()),
        opaque: update.biz_opaque_callback_data,
        is_template: false,
        errors: update.errors,
    };
    let callback = Callback::new(&account, &graph::status(number, &report));
    let mut played = play(shared, callback, u32::from(update.deliver), update.retry).await;
    played.provider_message_id = Some(update.message_id);
    Ok(played)
}

pub(crate) async fn raw(shared: &Shared, raw: Raw) -> Result<Played, Error> {
    let account = find(shared, &raw.account)?;
    let callback = Callback::new(&account, &raw.payload);
    Ok(play(shared, callback, u32::from(raw.deliver), raw.retry).await)
}

/// Sends Meta's subscription handshake, with the account's verify token or another one.
pub(crate) async fn handshake(
    shared: &Shared,
    account: &str,
    verify_token: Option<&str>,
) -> Result<Handshake, Error> {
    let account = find(shared, account)?;
    let Account::Whatsapp(number) = &*account else {
        return Err(Error::NotWithThisProvider);
    };
    let url = number.callback_url.as_deref().ok_or(Error::NoCallbackUrl)?;
    let token = verify_token.or(number.verify_token.as_deref());
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
    let provider = match account {
        Account::Whatsapp(_) => graph::PROVIDER,
        Account::Telegram(_) => telegram::PROVIDER,
    };
    let mut phones = lock(&shared.phones);
    let phone = phones.open(provider, account.key(), person);
    phone.last_inbound = phone.last_inbound.max(Some(at));
    if let Some(name) = &inbound.name {
        phone.name.clone_from(name);
    }
    let name = phone.name.clone();
    let id = message_id(phone.next_message_id());
    let message = PhoneMessage::new(id, Side::Customer, "text", inbound.text.clone())
        .replying_to(inbound.reply_to.clone());
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
