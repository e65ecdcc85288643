//! Channels. Credentials arrive here already encrypted.

use super::{Statement, Value, merges, values};
use crate::model::channel::{ChannelKind, ChannelStatus, Settings};
use crate::model::contact::IdentityKind;
use crate::model::id::{ChannelId, WorkspaceId};
use crate::model::time::Timestamp;

/// Columns of `ChannelRecord`.
const RECORD: &str = "json_object('id', id, 'type', type, 'name', name, 'identifier', identifier,
    'status', status, 'settings', json(settings), 'public_key', public_key, 'last_inbound_at', last_inbound_at,
    'last_error_code', last_error_code, 'last_error_at', last_error_at, 'created_at', created_at) AS record";

/// Columns of a channel as it is used: with its sealed credentials.
const SEALED: &str = "id, workspace_id, type, identifier, status, settings, credentials, version";

pub struct NewChannel<'a> {
    pub id: ChannelId,
    pub workspace_id: WorkspaceId,
    pub kind: ChannelKind,
    pub name: &'a str,
    pub identifier: &'a str,
    pub match_key: &'a str,
    pub settings: &'a Settings,
    pub credentials: &'a str,
    pub account: Option<&'a str>,
    pub public_key: Option<&'a str>,
    /// What its provider calls the account whose templates it has, to be read soon.
    pub templates_account: Option<&'a str>,
}

/// Stores a channel unless a living one of its type has the identifier. A row comes
/// back only if it is stored.
pub fn create(channel: &NewChannel<'_>, now: Timestamp) -> Statement {
    Statement::new(
        format!(
            "INSERT INTO channel (id, workspace_id, type, name, identifier, match_key, status, settings, credentials, account, public_key,
               templates_due_at, templates_account, version, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'connected', ?7, ?8, ?10, ?11,
               CASE WHEN ?12 IS NOT NULL THEN 0 END, ?12, 1, ?9)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name
             ON CONFLICT DO NOTHING
             RETURNING {RECORD}"
        ),
        values![
            channel.id,
            channel.workspace_id,
            channel.kind.name(),
            channel.name,
            channel.identifier,
            channel.match_key,
            serde_json::json!(channel.settings),
            channel.credentials,
            now,
            channel.account,
            channel.public_key,
            channel.templates_account,
        ],
    )
}

pub fn get(workspace: WorkspaceId, id: ChannelId) -> Statement {
    Statement::new(
        format!(
            "SELECT {RECORD} FROM channel
             WHERE id = +?2 AND workspace_id = +?1 AND deleted_at IS NULL"
        ),
        values![workspace, id],
    )
}

/// A page of a workspace's channels, of one type if it is given, oldest first, after an id.
/// (The index is named, or SQLite would walk those that are deleted or of other types.)
pub fn list(
    workspace: WorkspaceId,
    kind: Option<ChannelKind>,
    after: &str,
    limit: i64,
) -> Statement {
    let (index, of_kind) = match kind {
        None => ("channel_living", ""),
        Some(_) => ("channel_type", "AND type = +?4"),
    };
    let mut values = values![workspace, after, limit];
    values.extend(kind.map(|kind| Value::from(kind.name())));
    Statement::new(
        format!(
            "SELECT {RECORD} FROM channel INDEXED BY {index}
             WHERE workspace_id = +?1 AND deleted_at IS NULL AND id > ?2 {of_kind}
             ORDER BY id LIMIT +?3"
        ),
        values,
    )
}

/// A channel for use by its id, whatever its workspace: provider webhooks name no other.
pub fn sealed(id: ChannelId) -> Statement {
    Statement::new(
        format!("SELECT {SEALED} FROM channel WHERE id = +?1 AND deleted_at IS NULL"),
        values![id],
    )
}

/// A channel that visitors of a site know by its public key.
pub fn sealed_by_public_key(public_key: &str) -> Statement {
    Statement::new(
        format!("SELECT {SEALED} FROM channel WHERE public_key = +?1 AND deleted_at IS NULL"),
        values![public_key],
    )
}

/// Most siblings that are read with a channel.
pub const MOST_SIBLINGS: usize = 200;

/// The living channels of a channel's workspace that a provider may post for to one and
/// the same URL, at most `MOST_SIBLINGS`; also `account`.
pub fn sealed_siblings(id: ChannelId) -> Statement {
    Statement::new(
        format!(
            "SELECT {SEALED}, account FROM (
               SELECT h.* FROM channel o
               CROSS JOIN channel h INDEXED BY channel_account ON h.workspace_id = o.workspace_id
                 AND h.account IS NOT NULL AND h.deleted_at IS NULL AND h.id <> o.id
               WHERE o.id = +?1 AND o.account IS NOT NULL LIMIT {MOST_SIBLINGS})"
        ),
        values![id],
    )
}

/// Those of them that have one of these accounts.
pub fn sealed_siblings_of(id: ChannelId, accounts: &[&str]) -> Statement {
    Statement::new(
        format!(
            "SELECT {SEALED}, account FROM (
               SELECT h.* FROM channel o CROSS JOIN json_each(?2) wanted
               CROSS JOIN channel h INDEXED BY channel_account ON h.workspace_id = o.workspace_id
                 AND h.account = wanted.value AND h.deleted_at IS NULL AND h.id <> o.id
               WHERE o.id = +?1 AND o.account IS NOT NULL LIMIT {MOST_SIBLINGS})"
        ),
        values![id, serde_json::json!(accounts)],
    )
}

/// How `from` names a channel.
#[derive(Clone, Debug)]
pub struct From<'a> {
    pub id: Option<ChannelId>,
    /// The identifier, where it is no id.
    pub match_key: &'a str,
    /// The account at the provider also names it.
    pub or_account: bool,
    /// Channels of another type are none.
    pub kind: Option<ChannelKind>,
}

/// The channels that `from` may mean in the workspace of a key (by its hash): one
/// by id, or those whose identifier matches, at most two.
pub fn sealed_from(key_hash: &str, from: &From<'_>) -> Statement {
    let by = match (from.id, from.or_account) {
        (Some(_), _) => "h.id = +?2",
        (None, false) => "h.match_key = +?2",
        (None, true) => "(h.match_key = +?2 OR (h.account = +?2 AND h.account IS NOT NULL))",
    };
    let wanted = from
        .id
        .map_or_else(|| from.match_key.to_owned(), |id| id.to_string());
    Statement::new(
        format!(
            "SELECT {SEALED} FROM channel h
             WHERE {by} AND h.deleted_at IS NULL AND (?3 IS NULL OR h.type = +?3)
               AND h.workspace_id = (SELECT workspace_id FROM api_key WHERE hash = +?1)
             LIMIT 2"
        ),
        values![key_hash, wanted, from.kind.map(ChannelKind::name)],
    )
}

/// The living channels of a type, of the workspace of a key (by its hash), at most
/// twenty; also `name`.
pub fn sealed_of_kind(key_hash: &str, kind: ChannelKind) -> Statement {
    Statement::new(
        format!(
            "SELECT {SEALED}, name FROM channel h INDEXED BY channel_type
             WHERE h.workspace_id = (SELECT workspace_id FROM api_key WHERE hash = +?1)
               AND h.type = +?2 AND h.deleted_at IS NULL
             ORDER BY h.id LIMIT 20"
        ),
        values![key_hash, kind.name()],
    )
}

/// Which ids of a recipient are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecipientIs {
    Conversation,
    Contact,
    Either,
}

/// The channel of a conversation, of the workspace of a key (by its hash): the
/// conversation of that id, else the newest of the contact of that id, on the
/// channel that `from` means if it is given. Also gives `conversation_id`. (The index
/// is named, or SQLite would walk the workspace by activity to save a sort of few.)
pub fn sealed_of_recipient(
    key_hash: &str,
    id: &str,
    is: RecipientIs,
    from: Option<&From<'_>>,
) -> Statement {
    let from_id = from.and_then(|from| from.id);
    let from_key = from
        .filter(|from| from.id.is_none() && !from.match_key.is_empty())
        .map(|from| from.match_key);
    let kind = from.and_then(|from| from.kind);
    let by_conversation = "
               SELECT h.*, c.id AS conversation_id FROM k
               CROSS JOIN conversation c ON c.workspace_id = k.workspace_id AND c.id = +?2
               CROSS JOIN channel h ON h.id = c.channel_id AND (?5 IS NULL OR h.type = +?5)";
    let contact = merges::surviving("k.workspace_id", "+?2");
    let by_contact = format!(
        "
               SELECT * FROM (
                 SELECT h.*, c.id AS conversation_id FROM k
                 CROSS JOIN conversation c INDEXED BY conversation_contact
                   ON c.workspace_id = k.workspace_id AND c.contact_id = {contact}
                 CROSS JOIN channel h ON h.id = c.channel_id AND h.deleted_at IS NULL
                   AND (?3 IS NULL OR h.id = +?3) AND (?4 IS NULL OR h.match_key = +?4)
                   AND (?5 IS NULL OR h.type = +?5)
                 ORDER BY c.last_activity_at DESC, c.id DESC LIMIT 1)"
    );
    let found = match is {
        RecipientIs::Conversation => by_conversation.to_owned(),
        RecipientIs::Contact => by_contact,
        RecipientIs::Either => format!("{by_conversation} UNION ALL {by_contact}"),
    };
    Statement::new(
        format!(
            "WITH k AS (SELECT workspace_id FROM api_key WHERE hash = +?1)
             SELECT {SEALED}, conversation_id FROM ({found}) LIMIT 1"
        ),
        values![key_hash, id, from_id, from_key, kind.map(ChannelKind::name)],
    )
}

/// The channel of a type on which an address wrote or was written to last, of the
/// workspace of a key (by its hash). Also gives `conversation_id`. (By the contact who has
/// the address: a workspace may have many channels of a type.)
pub fn sealed_of_address(
    key_hash: &str,
    kind: ChannelKind,
    identity: IdentityKind,
    address: &str,
) -> Statement {
    Statement::new(
        format!(
            "SELECT {SEALED}, conversation_id FROM (
               SELECT h.*, c.id AS conversation_id, c.last_activity_at AS at FROM api_key k
               CROSS JOIN identity i ON i.workspace_id = k.workspace_id AND i.kind = +?4 AND i.value = +?3
               CROSS JOIN conversation c INDEXED BY conversation_contact
                 ON c.workspace_id = i.workspace_id AND c.contact_id = i.contact_id AND c.address = +?3
               CROSS JOIN channel h ON h.id = c.channel_id AND h.type = +?2 AND h.deleted_at IS NULL
               WHERE k.hash = +?1
             ) ORDER BY at DESC, conversation_id DESC LIMIT 1"
        ),
        values![key_hash, kind.name(), address, identity.name()],
    )
}

/// The addresses of a contact, of the workspace of a key (by its hash), as
/// `kind`, `value`; one row of NULLs for a contact without any.
pub fn contact_addresses(key_hash: &str, contact: &str) -> Statement {
    let id_now = merges::surviving("k.workspace_id", "+?2");
    Statement::new(
        format!(
            "SELECT i.kind, i.value FROM api_key k
             CROSS JOIN contact p ON p.workspace_id = k.workspace_id AND p.id = {id_now}
             LEFT JOIN identity i ON i.workspace_id = p.workspace_id AND i.contact_id = p.id
             WHERE k.hash = +?1
             ORDER BY i.kind, i.value LIMIT 50"
        ),
        values![key_hash, contact],
    )
}

/// What a change may set; `None` leaves it as it is.
#[derive(Default)]
pub struct Change<'a> {
    pub name: Option<&'a str>,
    /// Only the settings that change, as JSON.
    pub settings: Option<&'a serde_json::Value>,
    pub credentials: Option<&'a str>,
    /// As the new credentials name them.
    pub account: Option<&'a str>,
    pub templates_account: Option<&'a str>,
    pub status: Option<ChannelStatus>,
}

/// Changes a channel, if there is something to change. New credentials clear the last error,
/// connect a channel that waits for them, and may be of an account with other templates.
pub fn update(workspace: WorkspaceId, id: ChannelId, change: &Change<'_>) -> Statement {
    let settings = "CASE WHEN ?4 IS NULL THEN settings ELSE json_patch(settings, ?4) END";
    Statement::new(
        format!(
            "UPDATE channel SET
               name = COALESCE(?3, name),
               settings = {settings},
               credentials = COALESCE(?5, credentials),
               account = COALESCE(?7, account),
               templates_account = COALESCE(?8, templates_account),
               status = CASE WHEN ?6 IS NOT NULL THEN ?6
                 WHEN ?5 IS NOT NULL AND status = 'needs_reauth' THEN 'connected' ELSE status END,
               last_error_code = CASE WHEN ?5 IS NULL THEN last_error_code END,
               last_error_at = CASE WHEN ?5 IS NULL THEN last_error_at END,
               templates_due_at = CASE WHEN ?5 IS NULL THEN templates_due_at ELSE MIN(templates_due_at, 0) END,
               version = version + 1
             WHERE id = +?2 AND workspace_id = +?1 AND deleted_at IS NULL
               AND (name <> COALESCE(?3, name) OR settings <> {settings} OR status <> COALESCE(?6, status)
                 OR (?5 IS NOT NULL AND credentials IS NOT ?5))"
        ),
        values![
            workspace,
            id,
            change.name,
            change.settings.cloned(),
            change.credentials,
            change.status.map(ChannelStatus::name),
            change.account,
            change.templates_account,
        ],
    )
}

/// Deletes a channel: its row stays for the history, its credentials do not. Run
/// again at the same moment, it gives the same answer.
pub fn delete(workspace: WorkspaceId, id: ChannelId, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE channel SET deleted_at = ?3, status = 'disabled', credentials = NULL, version = version + 1
         WHERE id = +?2 AND workspace_id = +?1 AND (deleted_at IS NULL OR deleted_at = +?3)
         RETURNING id",
        values![workspace, id, now],
    )
}

/// Records that the provider refuses the channel's token, unless the channel was
/// changed since it was used.
pub fn needs_reauth(
    id: ChannelId,
    version: i64,
    provider_code: Option<&str>,
    now: Timestamp,
) -> Statement {
    Statement::new(
        "UPDATE channel SET status = 'needs_reauth', last_error_code = ?3, last_error_at = ?4,
           blocked_at = NULL, version = version + 1
         WHERE id = +?1 AND version = +?2 AND status = 'connected'",
        values![id, version, provider_code, now],
    )
}

/// Records that the provider takes the channel's token again.
pub fn is_well(id: ChannelId, version: i64) -> Statement {
    Statement::new(
        "UPDATE channel SET status = 'connected', last_error_code = NULL, last_error_at = NULL,
           templates_due_at = MIN(templates_due_at, 0), version = version + 1
         WHERE id = +?1 AND version = +?2 AND status = 'needs_reauth'",
        values![id, version],
    )
}

/// Notes that the provider was not told where to post, or that it was; gives back the channel.
pub fn announced(id: ChannelId, was_told: bool, now: Timestamp) -> Statement {
    let of_this = "last_error_code = 'webhook_not_set'";
    Statement::new(
        format!(
            "UPDATE channel SET
               last_error_code = CASE WHEN ?2 = 0 THEN 'webhook_not_set' WHEN {of_this} THEN NULL ELSE last_error_code END,
               last_error_at = CASE WHEN ?2 = 0 THEN ?3 WHEN {of_this} THEN NULL ELSE last_error_at END
             WHERE id = +?1 AND deleted_at IS NULL RETURNING {RECORD}"
        ),
        values![id, i64::from(was_told), now],
    )
}

/// Lets everything planned with a version of a channel be planned again.
pub fn outdate(id: ChannelId, version: i64) -> Statement {
    Statement::new(
        "UPDATE channel SET version = version + 1 WHERE id = +?1 AND version = +?2",
        values![id, version],
    )
}

/// Notes that a channel is heard from, at most once a minute.
pub fn heard(id: ChannelId, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE channel SET last_inbound_at = ?2
         WHERE id = +?1 AND (last_inbound_at IS NULL OR last_inbound_at < ?2 - 60000)",
        values![id, now],
    )
}

/// Stamps the channels whose templates are due with the moment of the next try, `next_at`,
/// those that wait longest first; gives them back sealed, if they are connected. Run again
/// with the same `next_at`, it gives back the same.
pub fn claim_template_syncs(now: Timestamp, next_at: Timestamp, limit: i64) -> [Statement; 2] {
    [
        Statement::new(
            "UPDATE channel SET templates_due_at = ?2 WHERE id IN (
               SELECT id FROM channel INDEXED BY channel_templates_due
               WHERE templates_due_at <= ?1 AND deleted_at IS NULL
                 AND NOT EXISTS (SELECT 1 FROM channel x WHERE x.templates_due_at = +?2 AND x.deleted_at IS NULL)
               ORDER BY templates_due_at LIMIT +?3)",
            values![now, next_at, limit],
        ),
        Statement::new(
            format!(
                "SELECT {SEALED} FROM channel
                 WHERE templates_due_at = +?1 AND deleted_at IS NULL AND status = 'connected' LIMIT +?2"
            ),
            values![next_at, limit],
        ),
    ]
}

/// A channel whose templates were read, and when they are due again.
pub struct TemplatesRead<'a> {
    pub workspace_id: WorkspaceId,
    pub id: ChannelId,
    /// What it was stamped with before; a channel that became due meanwhile stays so.
    pub stamp: Timestamp,
    pub account: &'a str,
    pub due_at: Timestamp,
}

/// Notes that a channel's templates were read.
pub fn templates_read(read: &TemplatesRead<'_>) -> Statement {
    Statement::new(
        "UPDATE channel SET templates_due_at = ?4, templates_account = ?5
         WHERE id = +?2 AND workspace_id = +?1 AND templates_due_at = +?3 AND deleted_at IS NULL",
        values![
            read.workspace_id,
            read.id,
            read.stamp,
            read.due_at,
            read.account
        ],
    )
}

/// Has the templates of a channel, and of all others of its account, read at the next sweep.
pub fn expect_templates(workspace: WorkspaceId, id: ChannelId, account: &str) -> Statement {
    Statement::new(
        "UPDATE channel SET templates_due_at = 0
         WHERE id IN (
           SELECT ?2 UNION ALL
           SELECT id FROM channel INDEXED BY channel_templates_account
           WHERE workspace_id = +?1 AND templates_account = +?3 AND templates_account IS NOT NULL
             AND deleted_at IS NULL)
           AND workspace_id = +?1 AND templates_due_at > 0 AND deleted_at IS NULL",
        values![workspace, id, account],
    )
}
