//! What one isolate remembers for minutes: keys, channels, which channel a conversation
//! is on, and which conversation an address or a contact has. Plain data. The guards in SQL make staleness harmless: it
//! can only cost a second round trip.

use super::webchat::WebChat;
use crate::model::access::Key;
use crate::model::channel::{Channel, ChannelKind};
use crate::model::contact::Address;
use crate::model::id::{ChannelId, ConversationId, WorkspaceId};
use crate::model::template::{TemplateRecord, TemplateRef};
use crate::model::time::{MINUTE_MS, Timestamp};
use crate::model::visitor::Visitor;
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;
use std::rc::Rc;

const KEPT_MS: i64 = 5 * MINUTE_MS;
const MOST: usize = 2_000;

/// A bounded map whose entries grow old.
struct Kept<K, V>(RefCell<HashMap<K, (Timestamp, V)>>);

impl<K: Eq + Hash, V: Clone> Kept<K, V> {
    fn new() -> Self {
        Self(RefCell::new(HashMap::new()))
    }

    fn get(&self, key: &K, now: Timestamp) -> Option<V> {
        let map = self.0.borrow();
        let (at, value) = map.get(key)?;
        (now.ms() - at.ms() < KEPT_MS).then(|| value.clone())
    }

    fn put(&self, key: K, value: V, now: Timestamp) {
        let mut map = self.0.borrow_mut();
        if map.len() >= MOST {
            map.retain(|_, (at, _)| now.ms() - at.ms() < KEPT_MS);
        }
        if map.len() >= MOST {
            map.clear();
        }
        map.insert(key, (now, value));
    }

    fn forget(&self, key: &K) {
        self.0.borrow_mut().remove(key);
    }

    fn forget_where(&self, is_wrong: impl Fn(&K, &V) -> bool) {
        self.0
            .borrow_mut()
            .retain(|key, (_, value)| !is_wrong(key, value));
    }
}

/// A contact's id as a recipient: in a workspace, with the type asked for, and the channel.
pub(super) type Meant = (WorkspaceId, String, Option<ChannelKind>, Option<ChannelId>);

pub struct Memory {
    /// By the hash of the secret.
    keys: Kept<String, Key>,
    channels: Kept<ChannelId, Rc<Channel>>,
    /// By workspace, the type asked for, and the form in which identifiers are compared.
    identifiers: Kept<(WorkspaceId, Option<ChannelKind>, String), ChannelId>,
    conversations: Kept<(WorkspaceId, ConversationId), ChannelId>,
    addresses: Kept<(ChannelId, Address), ConversationId>,
    contacts: Kept<Meant, ConversationId>,
    /// Who wrote to a channel, by address, as they were told of.
    people: Kept<(ChannelId, String), String>,
    /// By workspace, type and the provider's name of the account, which may be connected
    /// more than once.
    accounts: Kept<(WorkspaceId, ChannelKind, String), Rc<[ChannelId]>>,
    /// Whether all accounts of a workspace were read at once.
    has_all_accounts: Kept<WorkspaceId, bool>,
    /// What a reference meant on a channel. (The accept batch holds their versions.)
    templates: Kept<(ChannelId, TemplateRef), Vec<Rc<TemplateRecord>>>,
    /// By public key.
    web_chats: Kept<String, Rc<WebChat>>,
    /// By the hash of the token.
    visitors: Kept<String, Visitor>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            keys: Kept::new(),
            channels: Kept::new(),
            identifiers: Kept::new(),
            conversations: Kept::new(),
            addresses: Kept::new(),
            contacts: Kept::new(),
            people: Kept::new(),
            accounts: Kept::new(),
            has_all_accounts: Kept::new(),
            templates: Kept::new(),
            web_chats: Kept::new(),
            visitors: Kept::new(),
        }
    }
}

impl Memory {
    pub fn key(&self, hash: &str, now: Timestamp) -> Option<Key> {
        self.keys.get(&hash.to_owned(), now)
    }

    pub fn keep_key(&self, hash: &str, key: Key, now: Timestamp) {
        self.keys.put(hash.to_owned(), key, now);
    }

    pub fn forget_key(&self, hash: &str) {
        self.keys.forget(&hash.to_owned());
    }

    pub fn channel(&self, id: ChannelId, now: Timestamp) -> Option<Rc<Channel>> {
        self.channels.get(&id, now)
    }

    pub fn keep_channel(&self, channel: Rc<Channel>, now: Timestamp) {
        self.channels.put(channel.id, channel, now);
    }

    pub fn forget_channel(&self, id: ChannelId) {
        self.channels.forget(&id);
    }

    /// The channel of an identifier, among those of a type or among all.
    pub fn identifier(
        &self,
        workspace: WorkspaceId,
        kind: Option<ChannelKind>,
        match_key: &str,
        now: Timestamp,
    ) -> Option<ChannelId> {
        self.identifiers
            .get(&(workspace, kind, match_key.to_owned()), now)
    }

    pub fn keep_identifier(
        &self,
        workspace: WorkspaceId,
        kind: Option<ChannelKind>,
        match_key: String,
        channel: ChannelId,
        now: Timestamp,
    ) {
        self.identifiers
            .put((workspace, kind, match_key), channel, now);
    }

    /// Forgets what an identifier of a type meant, also among all types.
    pub fn forget_identifier(&self, workspace: WorkspaceId, kind: ChannelKind, match_key: &str) {
        for kind in [None, Some(kind)] {
            self.identifiers
                .forget(&(workspace, kind, match_key.to_owned()));
        }
    }

    pub fn conversation(
        &self,
        workspace: WorkspaceId,
        id: ConversationId,
        now: Timestamp,
    ) -> Option<ChannelId> {
        self.conversations.get(&(workspace, id), now)
    }

    pub fn keep_conversation(
        &self,
        workspace: WorkspaceId,
        id: ConversationId,
        channel: ChannelId,
        now: Timestamp,
    ) {
        self.conversations.put((workspace, id), channel, now);
    }

    pub fn address(
        &self,
        channel: ChannelId,
        address: &Address,
        now: Timestamp,
    ) -> Option<ConversationId> {
        self.addresses.get(&(channel, address.clone()), now)
    }

    pub fn keep_address(
        &self,
        channel: ChannelId,
        address: Address,
        id: ConversationId,
        now: Timestamp,
    ) {
        self.addresses.put((channel, address), id, now);
    }

    /// The conversation that a contact's id and what was said of the channel meant.
    pub(super) fn contact(&self, meant: &Meant, now: Timestamp) -> Option<ConversationId> {
        self.contacts.get(meant, now)
    }

    pub(super) fn keep_contact(&self, meant: Meant, id: ConversationId, now: Timestamp) {
        self.contacts.put(meant, id, now);
    }

    /// Whether a person was stored as they are told of now.
    pub fn knows_person(
        &self,
        channel: ChannelId,
        address: &str,
        told: &str,
        now: Timestamp,
    ) -> bool {
        let known = self.people.get(&(channel, address.to_owned()), now);
        known.is_some_and(|known| known == told)
    }

    pub fn keep_person(&self, channel: ChannelId, address: String, told: String, now: Timestamp) {
        self.people.put((channel, address), told, now);
    }

    pub fn account(
        &self,
        workspace: WorkspaceId,
        kind: ChannelKind,
        account: &str,
        now: Timestamp,
    ) -> Option<Rc<[ChannelId]>> {
        self.accounts
            .get(&(workspace, kind, account.to_owned()), now)
    }

    pub fn keep_account(
        &self,
        workspace: WorkspaceId,
        kind: ChannelKind,
        account: String,
        channels: Vec<ChannelId>,
        now: Timestamp,
    ) {
        let key = (workspace, kind, account);
        self.accounts.put(key, channels.into(), now);
    }

    /// Whether an account that is not remembered is nobody's.
    pub fn has_all(&self, workspace: WorkspaceId, now: Timestamp) -> bool {
        self.has_all_accounts.get(&workspace, now).unwrap_or(true)
    }

    pub fn keep_whether_all(&self, workspace: WorkspaceId, are_all: bool, now: Timestamp) {
        self.has_all_accounts.put(workspace, are_all, now);
    }

    /// Forgets the accounts of a workspace that are of other channels than these.
    pub fn forget_other_accounts(&self, workspace: WorkspaceId, channels: &[ChannelId]) {
        self.accounts.forget_where(|(of, _, _), ids| {
            *of == workspace && ids.iter().any(|id| !channels.contains(id))
        });
    }

    pub fn templates(
        &self,
        channel: ChannelId,
        wanted: &TemplateRef,
        now: Timestamp,
    ) -> Option<Vec<Rc<TemplateRecord>>> {
        self.templates.get(&(channel, wanted.clone()), now)
    }

    pub fn keep_templates(
        &self,
        channel: ChannelId,
        wanted: TemplateRef,
        found: Vec<Rc<TemplateRecord>>,
        now: Timestamp,
    ) {
        self.templates.put((channel, wanted), found, now);
    }

    pub fn forget_templates(&self, channel: ChannelId, wanted: &TemplateRef) {
        self.templates.forget(&(channel, wanted.clone()));
    }

    pub(super) fn web_chat(&self, public_key: &str, now: Timestamp) -> Option<Rc<WebChat>> {
        self.web_chats.get(&public_key.to_owned(), now)
    }

    pub(super) fn keep_web_chat(&self, public_key: &str, chat: Rc<WebChat>, now: Timestamp) {
        self.web_chats.put(public_key.to_owned(), chat, now);
    }

    pub(super) fn forget_web_chat(&self, public_key: &str) {
        self.web_chats.forget(&public_key.to_owned());
    }

    pub(super) fn visitor(&self, hash: &str, now: Timestamp) -> Option<Visitor> {
        self.visitors.get(&hash.to_owned(), now)
    }

    pub(super) fn keep_visitor(&self, hash: &str, visitor: Visitor, now: Timestamp) {
        self.visitors.put(hash.to_owned(), visitor, now);
    }

    pub(super) fn forget_visitor(&self, hash: &str) {
        self.visitors.forget(&hash.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_grows_old_and_stays_bounded() {
        let kept = Kept::new();
        let start = Timestamp::from_ms(1_000);
        kept.put(1, "one", start);
        assert_eq!(kept.get(&1, start.plus_ms(KEPT_MS - 1)), Some("one"));
        assert_eq!(kept.get(&1, start.plus_ms(KEPT_MS)), None);
        for key in 0..10_000 {
            kept.put(key, "any", start);
        }
        assert!(kept.0.borrow().len() <= MOST);
    }
}
