//! The accounts the sandbox answers for, one per channel under test.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An account at a provider, as the provider knows it.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Account {
    Whatsapp(WhatsApp),
    Messenger(Messenger),
    Instagram(Instagram),
    Telegram(Telegram),
    Sms(Sms),
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

/// A Facebook Page and the app that owns its webhook.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Messenger {
    pub page_id: String,
    pub access_token: String,
    pub app_secret: String,
    #[serde(default)]
    pub verify_token: Option<String>,
    #[serde(default = "default_page_name")]
    pub name: String,
    #[serde(default)]
    pub callback_url: Option<String>,
    /// Reports deliveries by itself.
    #[serde(default = "yes")]
    pub auto_status: bool,
    /// Reports reading too.
    #[serde(default)]
    pub auto_read: bool,
    /// Pause before each report, in milliseconds.
    #[serde(default = "default_status_delay_ms")]
    pub status_delay_ms: u64,
    /// Refuses messages to people who have not written within 24 hours, or never.
    #[serde(default = "yes")]
    pub enforce_window: bool,
    /// Posts what the Page sends to its own webhook too.
    #[serde(default)]
    pub echo: bool,
}

/// An Instagram professional account and the app that owns its webhook.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Instagram {
    pub account_id: String,
    pub access_token: String,
    pub app_secret: String,
    #[serde(default)]
    pub verify_token: Option<String>,
    #[serde(default = "default_username")]
    pub username: String,
    #[serde(default)]
    pub callback_url: Option<String>,
    /// Reports by itself what there is to report: reading, if `autoRead` is set.
    #[serde(default = "yes")]
    pub auto_status: bool,
    /// Reports reading. Instagram has no report of a delivery.
    #[serde(default)]
    pub auto_read: bool,
    /// Pause before each report, in milliseconds.
    #[serde(default = "default_status_delay_ms")]
    pub status_delay_ms: u64,
    /// Refuses messages to people who have not written within 24 hours, or never.
    #[serde(default = "yes")]
    pub enforce_window: bool,
    /// Posts what the account sends to its own webhook too.
    #[serde(default)]
    pub echo: bool,
}

/// A Twilio phone number and the Twilio account that owns it.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sms {
    pub account_sid: String,
    pub auth_token: String,
    /// With its `+`.
    #[serde(default = "default_phone_number")]
    pub phone_number: String,
    /// Where messages from people are posted. Statuses go to the `StatusCallback` of each message.
    #[serde(default)]
    pub callback_url: Option<String>,
    /// Reports `queued`, `sent` and `delivered` by itself.
    #[serde(default = "yes")]
    pub auto_status: bool,
    /// Pause before each status, in milliseconds.
    #[serde(default = "default_status_delay_ms")]
    pub status_delay_ms: u64,
    /// Names the keyword in `OptOutType`, which Twilio does only with Advanced Opt-Out.
    #[serde(default)]
    pub advanced_opt_out: bool,
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
    /// The phone number id, the Page id, the Instagram account id, the bot's username or the phone number.
    pub account: String,
    /// The display phone number, the Page's name, or the username with its `@`.
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

    pub fn messenger(
        page_id: impl Into<String>,
        access_token: impl Into<String>,
        app_secret: impl Into<String>,
    ) -> Messenger {
        Messenger {
            page_id: page_id.into(),
            access_token: access_token.into(),
            app_secret: app_secret.into(),
            verify_token: None,
            name: default_page_name(),
            callback_url: None,
            auto_status: true,
            auto_read: false,
            status_delay_ms: default_status_delay_ms(),
            enforce_window: true,
            echo: false,
        }
    }

    pub fn instagram(
        account_id: impl Into<String>,
        access_token: impl Into<String>,
        app_secret: impl Into<String>,
    ) -> Instagram {
        Instagram {
            account_id: account_id.into(),
            access_token: access_token.into(),
            app_secret: app_secret.into(),
            verify_token: None,
            username: default_username(),
            callback_url: None,
            auto_status: true,
            auto_read: false,
            status_delay_ms: default_status_delay_ms(),
            enforce_window: true,
            echo: false,
        }
    }

    pub fn sms(
        account_sid: impl Into<String>,
        auth_token: impl Into<String>,
        phone_number: impl Into<String>,
    ) -> Sms {
        Sms {
            account_sid: account_sid.into(),
            auth_token: auth_token.into(),
            phone_number: phone_number.into(),
            callback_url: None,
            auto_status: true,
            status_delay_ms: default_status_delay_ms(),
            advanced_opt_out: false,
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
            Account::Whatsapp(number) => number
                .phone_number_id
                .is_empty()
                .then_some("phoneNumberId must not be empty"),
            Account::Messenger(page) => page
                .page_id
                .is_empty()
                .then_some("pageId must not be empty"),
            Account::Instagram(account) => account
                .account_id
                .is_empty()
                .then_some("accountId must not be empty"),
            Account::Telegram(bot) => {
                (bot.id() == 0).then_some("botToken must look like 123456:secret")
            }
            Account::Sms(number) if !is_account_sid(&number.account_sid) => {
                Some("accountSid must be AC and 32 hexadecimal digits")
            }
            Account::Sms(number) => (!is_e164(&number.phone_number))
                .then_some("phoneNumber must look like +15550783881"),
        }
    }

    pub(crate) fn provider(&self) -> &'static str {
        match self {
            Account::Whatsapp(_) => "whatsapp",
            Account::Messenger(_) => "messenger",
            Account::Instagram(_) => "instagram",
            Account::Telegram(_) => "telegram",
            Account::Sms(_) => "sms",
        }
    }

    /// The name the account is kept and journaled under. Never a secret.
    pub(crate) fn key(&self) -> &str {
        match self {
            Account::Whatsapp(number) => &number.phone_number_id,
            Account::Messenger(page) => &page.page_id,
            Account::Instagram(account) => &account.account_id,
            Account::Telegram(bot) => &bot.username,
            Account::Sms(number) => &number.phone_number,
        }
    }

    /// Whether a person at the keyboard means this account by `name`.
    pub(crate) fn answers_to(&self, name: &str) -> bool {
        let handle = name.trim_start_matches('@');
        match self {
            Account::Whatsapp(number) => is_number(name, &number.display_phone_number),
            Account::Messenger(page) => page.name == name,
            Account::Instagram(account) => account.username == handle,
            Account::Telegram(bot) => bot.bot_token == name || bot.username == handle,
            Account::Sms(number) => {
                number.account_sid == name || is_number(name, &number.phone_number)
            }
        }
    }

    /// The access token, if the account is one of Meta's.
    pub(crate) fn access_token(&self) -> Option<&str> {
        match self {
            Account::Whatsapp(number) => Some(&number.access_token),
            Account::Messenger(page) => Some(&page.access_token),
            Account::Instagram(account) => Some(&account.access_token),
            Account::Telegram(_) | Account::Sms(_) => None,
        }
    }

    /// The secret of the app that owns the webhook, if the account is one of Meta's.
    pub(crate) fn app_secret(&self) -> Option<&str> {
        match self {
            Account::Whatsapp(number) => Some(&number.app_secret),
            Account::Messenger(page) => Some(&page.app_secret),
            Account::Instagram(account) => Some(&account.app_secret),
            Account::Telegram(_) | Account::Sms(_) => None,
        }
    }

    pub(crate) fn verify_token(&self) -> Option<&str> {
        match self {
            Account::Whatsapp(number) => number.verify_token.as_deref(),
            Account::Messenger(page) => page.verify_token.as_deref(),
            Account::Instagram(account) => account.verify_token.as_deref(),
            Account::Telegram(_) | Account::Sms(_) => None,
        }
    }

    pub(crate) fn callback_url(&self) -> Option<&str> {
        match self {
            Account::Whatsapp(number) => number.callback_url.as_deref(),
            Account::Messenger(page) => page.callback_url.as_deref(),
            Account::Instagram(account) => account.callback_url.as_deref(),
            Account::Telegram(bot) => bot.callback_url.as_deref(),
            Account::Sms(number) => number.callback_url.as_deref(),
        }
    }

    pub(crate) fn status_delay(&self) -> Duration {
        Duration::from_millis(match self {
            Account::Whatsapp(number) => number.status_delay_ms,
            Account::Messenger(page) => page.status_delay_ms,
            Account::Instagram(account) => account.status_delay_ms,
            Account::Telegram(_) => 0,
            Account::Sms(number) => number.status_delay_ms,
        })
    }

    /// Keeps the webhook of an earlier registration where this one names none.
    pub(crate) fn keep_webhook_of(&mut self, earlier: &Account) {
        if self.provider() != earlier.provider() {
            return;
        }
        if let (Account::Telegram(now), Account::Telegram(then)) = (&mut *self, earlier) {
            now.secret_token = now.secret_token.take().or(then.secret_token.clone());
        }
        let webhook = match self {
            Account::Whatsapp(number) => &mut number.callback_url,
            Account::Messenger(page) => &mut page.callback_url,
            Account::Instagram(account) => &mut account.callback_url,
            Account::Telegram(bot) => &mut bot.callback_url,
            Account::Sms(number) => &mut number.callback_url,
        };
        *webhook = webhook
            .take()
            .or_else(|| earlier.callback_url().map(str::to_owned));
    }

    pub(crate) fn view(&self) -> AccountView {
        let label = match self {
            Account::Whatsapp(number) => number.display_phone_number.clone(),
            Account::Messenger(page) => page.name.clone(),
            Account::Instagram(account) => format!("@{}", account.username),
            Account::Telegram(bot) => format!("@{}", bot.username),
            Account::Sms(number) => number.phone_number.clone(),
        };
        AccountView {
            provider: self.provider(),
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

impl From<Messenger> for Account {
    fn from(page: Messenger) -> Self {
        Account::Messenger(page)
    }
}

impl From<Instagram> for Account {
    fn from(account: Instagram) -> Self {
        Account::Instagram(account)
    }
}

impl From<Sms> for Account {
    fn from(number: Sms) -> Self {
        Account::Sms(number)
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

impl fmt::Debug for Messenger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messenger")
            .field("page_id", &self.page_id)
            .field("callback_url", &self.callback_url)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Instagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instagram")
            .field("account_id", &self.account_id)
            .field("callback_url", &self.callback_url)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Sms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sms")
            .field("account_sid", &self.account_sid)
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

/// Whether two ways to write a person mean the same one: a number may have its `+` or not.
pub(crate) fn is_same(person: &str, other: &str) -> bool {
    person.trim_start_matches('+') == other.trim_start_matches('+')
}

fn is_number(name: &str, number: &str) -> bool {
    let digits_meant = digits(name);
    !digits_meant.is_empty() && digits(number) == digits_meant
}

/// `+` and 7 to 15 digits that do not begin with 0.
///
/// <https://www.twilio.com/docs/glossary/what-e164>
pub(crate) fn is_e164(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// `AC` and 32 hexadecimal digits.
fn is_account_sid(sid: &str) -> bool {
    sid.strip_prefix("AC")
        .is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn default_waba_id() -> String {
    "419561257915477".to_owned()
}

fn default_display_phone_number() -> String {
    "15550783881".to_owned()
}

fn default_page_name() -> String {
    "Patchbay Sandbox".to_owned()
}

fn default_username() -> String {
    "patchbay.sandbox".to_owned()
}

fn default_phone_number() -> String {
    "+15550783882".to_owned()
}

fn default_status_delay_ms() -> u64 {
    300
}

fn yes() -> bool {
    true
}
