//! The phones of the people who chat with the accounts, as their owners see them.

use std::collections::{HashMap, VecDeque};

use serde::Serialize;
use serde_json::Value;

use crate::shown::{Choice, Shown};
use crate::state::{now, timestamp};

/// Messages kept per chat before the oldest are forgotten.
const MESSAGES_KEPT: usize = 200;
const WINDOW_S: i64 = 24 * 60 * 60;

/// One chat: a person and an account.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Phone {
    pub provider: &'static str,
    pub account: String,
    /// The person's number, user id or chat id.
    pub person: String,
    pub name: String,
    /// When the person last wrote, in the provider's time (Unix seconds).
    pub last_inbound: Option<i64>,
    /// Whether the person has written STOP to an SMS number.
    pub opted_out: bool,
    pub messages: VecDeque<PhoneMessage>,
    #[serde(skip)]
    changed: u64,
    #[serde(skip)]
    first_message_id: i64,
    #[serde(skip)]
    last_message_id: i64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PhoneMessage {
    pub id: String,
    pub from: Side,
    pub kind: String,
    pub text: String,
    pub at: String,
    /// `accepted`, `sent`, `delivered`, `read` or `failed`; an SMS has Twilio's words.
    pub status: String,
    pub reply_to: Option<String>,
    /// What the person can press.
    pub choices: Vec<Choice>,
    /// The emoji, or its name, that the business put on the message.
    pub reaction: Option<String>,
    /// The `StatusCallback` an SMS was sent with.
    #[serde(skip)]
    pub(crate) status_callback: Option<String>,
    /// Telegram's own object of the message.
    #[serde(skip)]
    pub(crate) object: Value,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Side {
    Business,
    Customer,
}

impl PhoneMessage {
    pub(crate) fn new(id: String, from: Side, shown: Shown) -> Self {
        let status = match from {
            Side::Business => "accepted",
            Side::Customer => "sent",
        };
        Self {
            id,
            from,
            kind: shown.kind,
            text: shown.text,
            at: timestamp(now()),
            status: status.to_owned(),
            reply_to: None,
            choices: shown.choices,
            reaction: None,
            status_callback: None,
            object: Value::Null,
        }
    }

    pub(crate) fn replying_to(mut self, id: Option<String>) -> Self {
        self.reply_to = id;
        self
    }
}

impl Phone {
    /// Whether the person wrote within the last 24 hours.
    pub(crate) fn is_window_open(&self) -> bool {
        self.wrote_within(WINDOW_S)
    }

    /// Whether the person wrote within the last so many seconds.
    pub(crate) fn wrote_within(&self, seconds: i64) -> bool {
        self.last_inbound
            .is_some_and(|at| now().timestamp() - at < seconds)
    }

    pub(crate) fn message(&self, id: &str) -> Option<&PhoneMessage> {
        self.messages.iter().rev().find(|message| message.id == id)
    }

    /// Whether a message of this Telegram chat has that id.
    pub(crate) fn has_message(&self, id: i64) -> bool {
        (self.first_message_id..=self.last_message_id).contains(&id)
    }

    /// The next message id of this chat, as Telegram counts.
    pub(crate) fn next_message_id(&mut self) -> i64 {
        self.last_message_id += 1;
        self.last_message_id
    }
}

/// All chats by account and person.
pub(crate) struct Phones {
    chats: HashMap<(String, String), Phone>,
    changes: u64,
    first_message_id: i64,
}

impl Phones {
    /// No chats yet; each will count its messages from `first_message_id`.
    pub(crate) fn new(first_message_id: i64) -> Self {
        Self {
            chats: HashMap::new(),
            changes: 0,
            first_message_id,
        }
    }

    pub(crate) fn get(&self, account: &str, person: &str) -> Option<&Phone> {
        self.chats.get(&(account.to_owned(), person.to_owned()))
    }

    /// The chat of a person with an account, begun if there was none.
    pub(crate) fn open(
        &mut self,
        provider: &'static str,
        account: &str,
        person: &str,
    ) -> &mut Phone {
        self.changes += 1;
        let key = (account.to_owned(), person.to_owned());
        let chat = self.chats.entry(key).or_insert_with(|| Phone {
            provider,
            account: account.to_owned(),
            person: person.to_owned(),
            name: person.to_owned(),
            last_inbound: None,
            opted_out: false,
            messages: VecDeque::new(),
            changed: 0,
            first_message_id: self.first_message_id,
            last_message_id: self.first_message_id - 1,
        });
        chat.changed = self.changes;
        chat
    }

    /// Takes note of a message in a chat that is open.
    pub(crate) fn push(&mut self, account: &str, person: &str, message: PhoneMessage) {
        let key = (account.to_owned(), person.to_owned());
        if let Some(chat) = self.chats.get_mut(&key) {
            if chat.messages.len() == MESSAGES_KEPT {
                chat.messages.pop_front();
            }
            chat.messages.push_back(message);
        }
    }

    pub(crate) fn set_status(&mut self, account: &str, person: &str, id: &str, status: &str) {
        if let Some(message) = self.message(account, person, id) {
            message.status = status.to_owned();
        }
    }

    /// Puts a reaction on a message, or takes it back.
    pub(crate) fn react(&mut self, account: &str, person: &str, id: &str, reaction: Option<&str>) {
        if let Some(message) = self.message(account, person, id) {
            message.reaction = reaction.map(str::to_owned);
        }
    }

    fn message(&mut self, account: &str, person: &str, id: &str) -> Option<&mut PhoneMessage> {
        let key = (account.to_owned(), person.to_owned());
        let mut messages = self.chats.get_mut(&key)?.messages.iter_mut().rev();
        messages.find(|message| message.id == id)
    }

    /// The person has seen all they were sent, or the business all it was.
    pub(crate) fn set_read(&mut self, account: &str, person: &str, written_by: Side) {
        let key = (account.to_owned(), person.to_owned());
        let messages = self.chats.get_mut(&key).map(|chat| &mut chat.messages);
        for message in messages.into_iter().flatten() {
            if message.from == written_by {
                "read".clone_into(&mut message.status);
            }
        }
    }

    /// Whose chat with the account holds a message.
    pub(crate) fn person_of(&self, account: &str, id: &str) -> Option<String> {
        let holds = |chat: &&Phone| {
            chat.account == account && chat.messages.iter().any(|message| message.id == id)
        };
        self.chats
            .values()
            .find(holds)
            .map(|chat| chat.person.clone())
    }

    /// The chats in which something happened last, newest first.
    pub(crate) fn list(&self, limit: usize) -> Vec<Phone> {
        let mut chats: Vec<_> = self.chats.values().collect();
        chats.sort_unstable_by_key(|chat| std::cmp::Reverse(chat.changed));
        chats.into_iter().take(limit).cloned().collect()
    }
}
