//! The accounts the sandbox answers for, one per channel under test.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An account at a provider, as the provider knows it.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Account {
    Whatsapp(WhatsApp),
    Telegram(Telegram),
}

/// A WhatsApp business number and the app that owns its webhook.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WhatsApp {
    pub phone_number_id: String,
    #[serde(default = "default_waba_id")]
    pub waba_id: String,
    pub access_token: String,
    pub app_secret: String,
    #[serde(default)]
    pub verify_token: Option<String>,
    #[serde(default = "default_display_phone_number")]
    pub display_phone_number: String,
    #[serde(default)]
    pub callback_url: Option<String>,
    /// Reports `sent` and `delivered` by itself.
    #[serde(default = "yes")]
    pub auto_status: bool,
    /// Reports `read` too.
    #[serde(default)]
    pub auto_read: bool,
    /// Pause before each status, in milliseconds.
    #[serde(default = "default_status_delay_ms")]
    pub status_delay_ms: u64,
    /// Refuses free-form messages to people who have not written within 24 hours.
    #[serde(default = "yes")]
    pub enforce_window: bool,
}

/// A Telegram bot.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Telegram {
    /// `<bot id>:<secret>`, as BotFather gives it.
    pub bot_token: String,
    pub username: String,
    #[serde(default)]
    pub secret_token: Option<String>,
    #[serde(default)]
    pub callback_url: Option<String>,
    /// Refuses messages to people who have never written to the bot.
    #[serde(default = "yes")]
    pub require_start: bool,
}

/// What may be shown of an account: everything but its secrets.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountView {
    #[serde(rename = "type")]
    pub provider: &'static str,
    /// The phone number id, or the bot's username.
    pub account: String,
    /// The display phone number, or the bot's username with its `@`.
    pub label: String,
    pub callback_url: Option<String>,
}

impl Account {
    pub fn whatsapp(
        phone_number_id: impl Into<String>,
        access_token: impl Into<String>,
        app_secret: impl Into<String>,
    ) -> WhatsApp {
        WhatsApp {
            phone_number_id: phone_number_id.into(),
            waba_id: default_waba_id(),
            access_token: access_token.into(),
            app_secret: app_secret.into(),
            verify_token: None,
            display_phone_number: default_display_phone_number(),
            callback_url: None,
            auto_status: true,
            auto_read: false,
            status_delay_ms: default_status_delay_ms(),
            enforce_window: true,
        }
    }

    pub fn telegram(bot_token: impl Into<String>, username: impl Into<String>) -> Telegram {
        Telegram {
            bot_token: bot_token.into(),
            username: username.into(),
            secret_token: None,
            callback_url: None,
            require_start: true,
        }
    }

    /// What is wrong with the registration, if anything is.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        match self {
            Account::Whatsapp(number) if number.phone_number_id.is_empty() => {
                Some("phoneNumberId must not be empty")
            }
            Account::Telegram(bot) if bot.id() == 0 => {
                Some("botToken must look like 123456:secret")
            }
            Account::Whatsapp(_) | Account::Telegram(_) => None,
        }
    }

    /// The name the account is kept and journaled under. Never a secret.
    pub(crate) fn key(&self) -> &str {
        match self {
            Account::Whatsapp(number) => &number.phone_number_id,
            Account::Telegram(bot) => &bot.username,
        }
    }

    /// Whether a person at the keyboard means this account by `name`.
    pub(crate) fn answers_to(&self, name: &str) -> bool {
        match self {
            Account::Whatsapp(number) => {
                let digits_meant = digits(name);
                number.phone_number_id == name
                    || !digits_meant.is_empty()
                        && digits(&number.display_phone_number) == digits_meant
            }
            Account::Telegram(bot) => {
                bot.bot_token == name || bot.username == name.trim_start_matches('@')
            }
        }
    }

    pub(crate) fn callback_url(&self) -> Option<&str> {
        match self {
            Account::Whatsapp(number) => number.callback_url.as_deref(),
            Account::Telegram(bot) => bot.callback_url.as_deref(),
        }
    }

    /// Keeps the webhook of an earlier registration where this one names none.
    pub(crate) fn keep_webhook_of(&mut self, earlier: &Account) {
        match (self, earlier) {
            (Account::Whatsapp(now), Account::Whatsapp(then)) => {
                now.callback_url = now.callback_url.take().or(then.callback_url.clone());
            }
            (Account::Telegram(now), Account::Telegram(then)) => {
                now.callback_url = now.callback_url.take().or(then.callback_url.clone());
                now.secret_token = now.secret_token.take().or(then.secret_token.clone());
            }
            (Account::Whatsapp(_), Account::Telegram(_))
            | (Account::Telegram(_), Account::Whatsapp(_)) => {}
        }
    }

    pub(crate) fn view(&self) -> AccountView {
        let (provider, label) = match self {
            Account::Whatsapp(number) => ("whatsapp", number.display_phone_number.clone()),
            Account::Telegram(bot) => ("telegram", format!("@{}", bot.username)),
        };
        AccountView {
            provider,
            account: self.key().to_owned(),
            label,
            callback_url: self.callback_url().map(str::to_owned),
        }
    }
}

impl From<WhatsApp> for Account {
    fn from(number: WhatsApp) -> Self {
        Account::Whatsapp(number)
    }
}

impl From<Telegram> for Account {
    fn from(bot: Telegram) -> Self {
        Account::Telegram(bot)
    }
}

impl Telegram {
    /// The bot's own user id, which is the first part of its token.
    pub(crate) fn id(&self) -> i64 {
        let id = self.bot_token.split_once(':').map(|(id, _)| id);
        id.and_then(|id| id.parse().ok()).unwrap_or_default()
    }
}

impl fmt::Debug for WhatsApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WhatsApp")
            .field("phone_number_id", &self.phone_number_id)
            .field("callback_url", &self.callback_url)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Telegram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telegram")
            .field("username", &self.username)
            .field("callback_url", &self.callback_url)
            .finish_non_exhaustive()
    }
}

/// The digits of a phone number, however it was written.
pub(crate) fn digits(number: &str) -> String {
    number.chars().filter(char::is_ascii_digit).collect()
}

fn default_waba_id() -> String {
    "419561257915477".to_owned()
}

fn default_display_phone_number() -> String {
    "15550783881".to_owned()
}

fn default_status_delay_ms() -> u64 {
    300
}

fn yes() -> bool {
    true
}
