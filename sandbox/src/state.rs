//! What the sandbox remembers: accounts, every call it got, and what each phone shows.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, SecondsFormat, Utc};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::account::{Account, AccountView, Sms, Telegram, is_same};
use crate::callback::Poster;
use crate::faults::Faults;
use crate::fetches::Fetches;
use crate::files::Files;
use crate::hostile::Hostile;
use crate::media::Media;
use crate::phones::Phones;
use crate::subscriber::Subscribers;
use crate::whatsapp::Templates;

/// Calls kept in the journal before the oldest are forgotten.
const CALLS_KEPT: usize = 100_000;
/// Ids of what arrived that are kept before the oldest are forgotten.
const RECEIVED_KEPT: usize = 100_000;
/// Headers worth keeping with a call. Authorization is not among them.
const HEADERS_KEPT: [&str; 5] = [
    "content-type",
    "content-length",
    "user-agent",
    "traceparent",
    "x-request-id",
];

/// Everything the routes share.
pub(crate) struct Shared {
    /// Where the sandbox itself answers.
    pub base_url: String,
    pub accounts: Accounts,
    pub phones: Mutex<Phones>,
    pub journal: Mutex<Journal>,
    pub templates: Templates,
    pub faults: Faults,
    pub subscribers: Subscribers,
    /// What people sent and may be answered: messages to WhatsApp numbers, presses of Telegram buttons.
    pub received: Mutex<Received>,
    pub files: Files,
    pub media: Media,
    pub fetches: Fetches,
    pub hostile: Hostile,
    pub poster: Poster,
    pub ids: Ids,
}

impl Shared {
    pub(crate) fn new(base_url: String) -> Result<Self, reqwest::Error> {
        let started = now();
        Ok(Self {
            base_url,
            accounts: Accounts::default(),
            phones: Mutex::new(Phones::new(first_message_id(started))),
            journal: Mutex::default(),
            templates: Templates::default(),
            faults: Faults::default(),
            subscribers: Subscribers::default(),
            received: Mutex::default(),
            files: Files::default(),
            media: Media::default(),
            fetches: Fetches::default(),
            hostile: Hostile::default(),
            poster: Poster::new()?,
            ids: Ids::new(started),
        })
    }
}

/// The registered accounts by key.
#[derive(Default)]
pub(crate) struct Accounts(Mutex<BTreeMap<String, Arc<Account>>>);

impl Accounts {
    /// Registers an account, or changes the one of the same key. Its chats stay.
    pub(crate) fn put(&self, mut account: Account) {
        let mut accounts = lock(&self.0);
        if let Some(earlier) = accounts.get(account.key()) {
            account.keep_webhook_of(earlier);
        }
        accounts.insert(account.key().to_owned(), Arc::new(account));
    }

    /// Puts an account back as it is, with or without a webhook.
    pub(crate) fn replace(&self, account: Account) {
        lock(&self.0).insert(account.key().to_owned(), Arc::new(account));
    }

    pub(crate) fn get(&self, key: &str) -> Option<Arc<Account>> {
        lock(&self.0).get(key).cloned()
    }

    /// The bot of a token.
    pub(crate) fn bot(&self, token: &str) -> Option<Telegram> {
        lock(&self.0).values().find_map(|account| match &**account {
            Account::Telegram(bot) if bot.bot_token == token => Some(bot.clone()),
            Account::Telegram(_)
            | Account::Whatsapp(_)
            | Account::Messenger(_)
            | Account::Instagram(_)
            | Account::Sms(_) => None,
        })
    }

    /// The numbers of a Twilio account.
    pub(crate) fn numbers(&self, account_sid: &str) -> Vec<Sms> {
        let accounts = lock(&self.0);
        let numbers = accounts.values().filter_map(|account| match &**account {
            Account::Sms(number) if number.account_sid == account_sid => Some(number.clone()),
            Account::Sms(_)
            | Account::Whatsapp(_)
            | Account::Messenger(_)
            | Account::Instagram(_)
            | Account::Telegram(_) => None,
        });
        numbers.collect()
    }

    /// The tokens that may see to a WhatsApp business account.
    pub(crate) fn tokens(&self, waba_id: &str) -> Vec<String> {
        let accounts = lock(&self.0);
        let tokens = accounts.values().filter_map(|account| match &**account {
            Account::Whatsapp(number) if number.waba_id == waba_id => {
                Some(number.access_token.clone())
            }
            Account::Whatsapp(_)
            | Account::Messenger(_)
            | Account::Instagram(_)
            | Account::Telegram(_)
            | Account::Sms(_) => None,
        });
        tokens.collect()
    }

    /// A number of a WhatsApp business account, one with a webhook if there is one.
    pub(crate) fn number_of(&self, waba_id: &str) -> Option<Arc<Account>> {
        let accounts = lock(&self.0);
        let mut numbers = accounts.values().filter(|account| match &***account {
            Account::Whatsapp(number) => number.waba_id == waba_id,
            Account::Messenger(_)
            | Account::Instagram(_)
            | Account::Telegram(_)
            | Account::Sms(_) => false,
        });
        let first = numbers.next()?;
        let heard = numbers.find(|number| number.callback_url().is_some());
        let is_heard = first.callback_url().is_some();
        Some(Arc::clone(heard.filter(|_| !is_heard).unwrap_or(first)))
    }

    /// By any name a person would use: id, token, username, phone number.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<Account>> {
        let accounts = lock(&self.0);
        let exact = accounts.get(name);
        exact
            .or_else(|| accounts.values().find(|account| account.answers_to(name)))
            .cloned()
    }

    pub(crate) fn list(&self) -> Vec<AccountView> {
        lock(&self.0)
            .values()
            .map(|account| account.view())
            .collect()
    }
}

/// One call the gateway made to a provider.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// Counts up from 1.
    pub seq: u64,
    pub at: String,
    pub provider: &'static str,
    /// The phone number id, the Page id, the Instagram account id, the bot's username or the phone number.
    pub account: Option<String>,
    pub method: String,
    /// Without the bot token and without a query.
    pub path: String,
    pub recipient: Option<String>,
    /// Whether the provider took a message on.
    pub accepted: bool,
    /// `accepted`, `done` (no message was sent), `refused`, or the fault that played.
    pub outcome: &'static str,
    /// The provider's error code.
    pub code: Option<i64>,
    pub message_id: Option<String>,
    /// The provider's word for what was sent or done, as far as it was understood.
    pub kind: Option<String>,
    /// What the phone shows of it.
    pub text: Option<String>,
    /// The body as it came; a form as an object of its fields.
    pub request: Value,
    /// Absent when the client got no answer.
    pub response_status: Option<u16>,
    pub headers: BTreeMap<String, String>,
}

impl Call {
    pub(crate) fn new(
        provider: &'static str,
        method: &str,
        path: String,
        headers: &HeaderMap,
    ) -> Self {
        let kept = HEADERS_KEPT.iter().filter_map(|name| {
            let value = headers.get(*name)?.to_str().ok()?;
            Some(((*name).to_owned(), value.to_owned()))
        });
        Self {
            seq: 0,
            at: timestamp(now()),
            provider,
            account: None,
            method: method.to_owned(),
            path,
            recipient: None,
            accepted: false,
            outcome: "refused",
            code: None,
            message_id: None,
            kind: None,
            text: None,
            request: Value::Null,
            response_status: None,
            headers: kept.collect(),
        }
    }
}

/// Which calls to look at.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallFilter {
    pub recipient: Option<String>,
    pub accepted: Option<bool>,
    pub account: Option<String>,
    pub kind: Option<String>,
    /// Only calls with a higher `seq`.
    pub after: Option<u64>,
    /// The newest so many.
    pub limit: Option<usize>,
}

/// The calls in the order they came.
#[derive(Default)]
pub(crate) struct Journal {
    calls: VecDeque<Arc<Call>>,
    last_seq: u64,
    accepted: u64,
}

impl Journal {
    pub(crate) fn record(&mut self, mut call: Call) {
        self.last_seq += 1;
        call.seq = self.last_seq;
        self.accepted += u64::from(call.accepted);
        if self.calls.len() == CALLS_KEPT {
            self.calls.pop_front();
        }
        self.calls.push_back(Arc::new(call));
    }

    pub(crate) fn list(&self, filter: &CallFilter) -> Vec<Arc<Call>> {
        let wanted = |call: &&Arc<Call>| {
            filter.recipient.as_ref().is_none_or(|wanted| {
                call.recipient
                    .as_deref()
                    .is_some_and(|to| is_same(to, wanted))
            }) && filter
                .accepted
                .is_none_or(|accepted| call.accepted == accepted)
                && is_wanted(&filter.account, &call.account)
                && is_wanted(&filter.kind, &call.kind)
                && filter.after.is_none_or(|after| call.seq > after)
        };
        let newest = self.calls.iter().rev().filter(wanted);
        let mut calls: Vec<_> = newest
            .take(filter.limit.unwrap_or(usize::MAX))
            .cloned()
            .collect();
        calls.reverse();
        calls
    }

    /// Messages accepted since the journal was last cleared, forgotten ones too.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted
    }

    pub(crate) fn clear(&mut self) {
        self.calls.clear();
        self.accepted = 0;
    }
}

fn is_wanted(wanted: &Option<String>, found: &Option<String>) -> bool {
    wanted.is_none() || wanted == found
}

/// The ids of what arrived last, by account.
#[derive(Default)]
pub(crate) struct Received {
    known: HashSet<(String, String)>,
    oldest_first: VecDeque<(String, String)>,
}

impl Received {
    pub(crate) fn note(&mut self, account: &str, id: &str) {
        let key = (account.to_owned(), id.to_owned());
        if !self.known.insert(key.clone()) {
            return;
        }
        self.oldest_first.push_back(key);
        if self.oldest_first.len() > RECEIVED_KEPT
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    pub(crate) fn knows(&self, account: &str, id: &str) -> bool {
        self.known.contains(&(account.to_owned(), id.to_owned()))
    }
}

/// Makes ids that look like the providers' and never repeat.
pub(crate) struct Ids {
    seed: u64,
    count: AtomicU64,
    first_update: i64,
    updates: Mutex<HashMap<String, i64>>,
}

impl Ids {
    fn new(started: DateTime<Utc>) -> Self {
        Self {
            seed: RandomState::new().hash_one(started.timestamp_micros()),
            count: AtomicU64::new(0),
            first_update: started.timestamp_millis(),
            updates: Mutex::default(),
        }
    }

    /// Fresh bytes, for ids without a meaning.
    pub(crate) fn fresh(&self) -> [u8; 32] {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let mut hash = Sha256::new();
        hash.update(self.seed.to_be_bytes());
        hash.update(count.to_be_bytes());
        hash.finalize().into()
    }

    /// Sixteen fresh digits, the first of them not 0.
    pub(crate) fn number(&self) -> String {
        let fresh = self.fresh();
        let bytes = std::array::from_fn(|index| fresh[index]);
        let number = 1_000_000_000_000_000 + u64::from_be_bytes(bytes) % 9_000_000_000_000_000;
        number.to_string()
    }

    /// The next `update_id` of a bot.
    pub(crate) fn next_update(&self, bot: &str) -> i64 {
        let mut updates = lock(&self.updates);
        let next = updates.entry(bot.to_owned()).or_insert(self.first_update);
        let update = *next;
        *next += 1;
        update
    }
}

/// Where each chat begins to count: the gateway remembers the ids of the sandbox's earlier lives, so a new
/// life begins above them. Sixteen ids a second fit below 2³⁰ for two years, then start over.
fn first_message_id(started: DateTime<Utc>) -> i64 {
    1 + started.timestamp_millis() / 64 % (1 << 30)
}

pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

pub(crate) fn timestamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Locks, also after a panic elsewhere: what is kept here is never left half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
