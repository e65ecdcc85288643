//! Statuses by hand.

use serde::Deserialize;
use serde_json::Value;

use super::inbound::milliseconds;
use super::{Error, Played, find, play, yes};
use crate::account::Account;
use crate::callback::Callback;
use crate::messaging::Inbox;
use crate::state::{Shared, lock, now};
use crate::{messaging, twilio, whatsapp};

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
