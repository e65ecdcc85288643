//! Playing the provider's side: customers who write and press, statuses, handshakes.

mod inbound;
mod media;
mod press;
mod status;
mod template;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::account::Account;
use crate::callback::Callback;
use crate::state::{Shared, lock};
pub use inbound::Inbound;
pub(crate) use inbound::inbound;
pub use media::{InboundMedia, MediaSource};
pub use press::Press;
pub(crate) use press::press;
pub use status::StatusUpdate;
pub(crate) use status::status;
pub use template::TemplateStatus;
pub(crate) use template::template_status;

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
    /// No message on the person's phone offers it.
    NoSuchChoice,
    UnknownTemplate,
    UnknownFile(String),
    UnknownMedia(String),
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
            Error::NoSuchChoice => f.write_str("there is nothing of that name to press"),
            Error::UnknownTemplate => {
                f.write_str("the business account has no template of that name in that language")
            }
            Error::UnknownFile(id) => write!(f, "there is no file {id}"),
            Error::UnknownMedia(id) => write!(f, "no provider has media {id}"),
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
