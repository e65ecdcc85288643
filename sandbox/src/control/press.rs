//! Customers who press what a message offers.

use serde::Deserialize;

use super::inbound::{Deed, Said, compose, phone_digits};
use super::{Error, Played, find, once, play, yes};
use crate::account::Account;
use crate::callback::Callback;
use crate::shown::ChoiceSort;
use crate::state::{Shared, lock};

/// Something pressed on a message the business sent, to be played as the provider would.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Press {
    /// The account's id, number, username or bot token.
    pub account: String,
    /// The person's number, user id or chat id.
    pub from: String,
    /// The title of the button, row, quick reply or key; or its id, payload or data.
    pub choice: String,
    /// The provider's id of the message it is on. Absent: the last message that offers it.
    #[serde(default)]
    pub message_id: Option<String>,
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

impl Press {
    pub fn new(
        account: impl Into<String>,
        from: impl Into<String>,
        choice: impl Into<String>,
    ) -> Self {
        Self {
            account: account.into(),
            from: from.into(),
            choice: choice.into(),
            message_id: None,
            timestamp: None,
            copies: once(),
            deliver: true,
            retry: false,
        }
    }
}

pub(crate) async fn press(shared: &Shared, press: Press) -> Result<Played, Error> {
    let account = find(shared, &press.account)?;
    let said = find_choice(shared, &account, &press)?;
    let deed = Deed {
        from: &press.from,
        name: None,
        said,
        reply_to: None,
        timestamp: press.timestamp,
    };
    let (message_id, payload) = compose(shared, &account, &deed)?;
    let callback = Callback::new(&account, &payload);
    let copies = if press.deliver { press.copies } else { 0 };
    let mut played = play(shared, callback, copies, press.retry).await;
    played.provider_message_id = Some(message_id);
    Ok(played)
}

/// The choice of that title, or else of that value, on the message or on the last that offers one.
fn find_choice(shared: &Shared, account: &Account, press: &Press) -> Result<Said, Error> {
    let person = match account {
        Account::Whatsapp(_) => phone_digits(&press.from)?,
        Account::Messenger(_) | Account::Instagram(_) | Account::Telegram(_) => press.from.clone(),
        Account::Sms(_) => return Err(Error::NotWithThisProvider),
    };
    let phones = lock(&shared.phones);
    let phone = phones.get(account.key(), &person);
    let messages = phone
        .into_iter()
        .flat_map(|phone| phone.messages.iter().rev());
    let messages = messages.filter(|message| {
        let wanted = press.message_id.as_ref();
        wanted.is_none_or(|wanted| message.id == *wanted)
    });
    let mut offered = messages.flat_map(|message| {
        let named = message.choices.iter();
        let named = named.filter(|choice| choice.title == press.choice);
        let valued = message.choices.iter();
        let valued = valued.filter(|choice| choice.value == press.choice);
        named.chain(valued).map(move |choice| (choice, message))
    });
    let (choice, message) = offered.next().ok_or(Error::NoSuchChoice)?;
    if choice.sort == ChoiceSort::Link {
        let why = "a link opens elsewhere; the business never hears of it";
        return Err(Error::Invalid(why.to_owned()));
    }
    Ok(Said::Pressed {
        choice: choice.clone(),
        on: Some(Box::new(message.clone())),
    })
}
