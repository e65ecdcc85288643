//! What providers tell us, written in one batch however much it is. A repeat
//! writes nothing. `CROSS JOIN` keeps SQLite from walking a table to find the few
//! rows that a JSON parameter names: what is read follows the payload.

use super::erasure::ERASED;
use super::events;
use super::search::{self, Line};
use super::{Statement, Value, text, values};
use crate::model::id::{ChannelId, WorkspaceId};
use crate::model::message::DeliveryStatus;
use crate::model::time::Timestamp;
use serde::Serialize;
use serde_json::{Value as Json, json};

/// The channel that a webhook was verified and read with. It may be minutes old, so
/// every insert holds it against the row.
#[derive(Clone, Copy, Debug)]
pub struct Receiver {
    pub workspace_id: WorkspaceId,
    pub channel_id: ChannelId,
    /// `None` where the report was verified before.
    pub version: Option<i64>,
}

impl Receiver {
    /// Whether the channel, bound as `?2`, is still the one the webhook was read with.
    pub(super) fn is_current(self) -> String {
        self.version.map_or_else(
            || "1".to_owned(),
            |version| {
                format!(
                    "EXISTS (SELECT 1 FROM channel h WHERE h.id = +?2 AND h.version = {version} AND h.deleted_at IS NULL)"
                )
            },
        )
    }
}

/// One row if the channel is still the one a webhook was read with, and these addresses, a JSON
/// array, have conversations on it.
pub fn is_current(receiver: Receiver, known: &Json) -> Statement {
    Statement::new(
        format!(
            "SELECT ?1 AS workspace_id WHERE {} AND NOT EXISTS (SELECT 1 FROM json_each(?3) p
               LEFT JOIN conversation c ON c.channel_id = +?2 AND c.address = p.value WHERE c.id IS NULL)",
            receiver.is_current()
        ),
        values![receiver.workspace_id, receiver.channel_id, known.clone()],
    )
}

/// Someone who wrote, with the ids they get if they are new.
#[derive(Clone, Debug, Serialize)]
pub struct Person {
    pub address: String,
    pub name: Option<String>,
    /// `[kind, value]` each; that of the address first.
    pub identities: Vec<(&'static str, String)>,
    pub contact: String,
    pub conversation: String,
    pub event: String,
}

/// A person with what makes the contact found: by the identities, and by the name as well
/// where it is the contact's own.
#[derive(Serialize)]
struct Findable<'a> {
    #[serde(flatten)]
    person: &'a Person,
    folded: String,
    bare: Line,
    named: Line,
}

impl Person {
    fn findable(&self, workspace: WorkspaceId) -> Findable<'_> {
        let name = self.name.as_deref();
        let identities = || {
            let identities = self.identities.iter();
            identities.map(|(kind, value)| (*kind, value.as_str()))
        };
        Findable {
            person: self,
            folded: search::fold(name.unwrap_or("")),
            bare: Line::of(workspace, None, identities()),
            named: Line::of(workspace, name, identities()),
        }
    }

    /// What is told of them, and would be stored of somebody new.
    #[must_use]
    pub fn told(&self) -> String {
        text(&(&self.name, &self.identities))
    }

    /// About as many bytes as the person takes in a statement, or more.
    #[must_use]
    pub fn size(&self) -> usize {
        let known_as: usize = self.identities.iter().map(|(_, value)| value.len()).sum();
        let named = self.name.as_ref().map_or(0, String::len);
        // Each character begins a gram of either length; an address is in the index twice.
        search::LONGEST_TOKEN * (6 * known_as + 2 * named + 20) + 2 * (known_as + named) + 400
    }
}

/// A message as received.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Received {
    pub id: String,
    pub provider_message_id: String,
    pub address: String,
    pub content: String,
    /// What it says as an answer to choices that were numbered, as `choice::said`.
    pub said: Option<String>,
    /// Its file, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<ReceivedMedia>,
    pub reply_to: Option<String>,
    /// What is told beside it, as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    /// Our id of the message answered, where it came in the same payload.
    pub reply_id: Option<String>,
    /// Of the request that made it, where repeats of one are told apart from others.
    pub fingerprint: Option<String>,
    /// Unix milliseconds by the provider's clock, never later than ours.
    pub at: i64,
    pub event: String,
}

/// A file that came with a message.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceivedMedia {
    pub id: String,
    /// By which its provider gives it, as JSON.
    pub reference: String,
    pub mime_type: Option<String>,
    pub filename: Option<String>,
    pub size_bytes: Option<i64>,
}

/// Makes sure that everybody who wrote has an identity, a contact and a conversation.
pub fn people(receiver: Receiver, people: &[Person], now: Timestamp) -> Vec<Statement> {
    let (workspace, channel) = (receiver.workspace_id, receiver.channel_id);
    let is_current = receiver.is_current();
    let findable: Vec<Findable<'_>> = people
        .iter()
        .map(|person| person.findable(workspace))
        .collect();
    let json = text(&findable);
    let created: Json = people
        .iter()
        .map(|person| json!([workspace, person.conversation, person.event]))
        .collect();
    let mut statements = vec![
        Statement::new(
            format!("INSERT INTO identity (workspace_id, kind, value, contact_id)
             SELECT ?1, json_extract(n.value, '$[0]'), json_extract(n.value, '$[1]'),
               COALESCE(
                 (SELECT contact_id FROM conversation WHERE channel_id = +?2 AND address = p.value ->> '$.address'),
                 (SELECT i.contact_id FROM json_each(p.value, '$.identities') k
                  CROSS JOIN identity i ON i.workspace_id = +?1 AND i.kind = json_extract(k.value, '$[0]')
                    AND i.value = json_extract(k.value, '$[1]') LIMIT 1),
                 p.value ->> '$.contact')
             FROM json_each(?3) p CROSS JOIN json_each(p.value, '$.identities') n
             WHERE {is_current}
             ON CONFLICT DO NOTHING"),
            values![workspace, channel, json.clone()],
        ),
        Statement::new(
            format!(
                "INSERT INTO contact (workspace_id, id, name, folded, grams, created_at)
                 SELECT ?1, i.contact_id, p.value ->> '$.name', p.value ->> '$.folded', {grams}, ?2
                 FROM json_each(?3) p
                 CROSS JOIN identity i ON i.workspace_id = +?1 AND i.kind = p.value ->> '$.identities[0][0]'
                   AND i.value = p.value ->> '$.identities[0][1]'
                 WHERE true
                 ON CONFLICT (workspace_id, id) DO UPDATE SET name = excluded.name, folded = excluded.folded
                 WHERE contact.name IS NULL AND excluded.name IS NOT NULL",
                grams = search::LONG_GRAM
            ),
            values![workspace, now, json.clone()],
        ),
        Statement::new(
            format!("INSERT INTO conversation (workspace_id, id, channel_id, contact_id, address, status, mode,
               unread_count, last_seq, last_activity_at, created_at)
             SELECT ?1, p.value ->> '$.conversation', ?2, i.contact_id, p.value ->> '$.address', 'open', 'ai',
               0, 0, ?4, ?4
             FROM json_each(?3) p
             CROSS JOIN identity i ON i.workspace_id = +?1 AND i.kind = p.value ->> '$.identities[0][0]'
               AND i.value = p.value ->> '$.identities[0][1]'
             WHERE {is_current}
             ON CONFLICT DO NOTHING"),
            values![workspace, channel, json.clone(), now],
        ),
        Statement::new(
            search::insert_as(
                "l.line ->> '$.id'",
                "l.line ->> '$.grams'",
                "l.contact_id",
                "FROM (
                   SELECT o.id AS contact_id, p.value -> CASE
                     WHEN o.name = p.value ->> '$.name' THEN '$.named' ELSE '$.bare' END AS line
                   FROM json_each(?2) p
                   CROSS JOIN identity i ON i.workspace_id = +?1 AND i.kind = p.value ->> '$.identities[0][0]'
                     AND i.value = p.value ->> '$.identities[0][1]'
                   CROSS JOIN contact o ON o.workspace_id = i.workspace_id AND o.id = i.contact_id
                 ) l WHERE true",
            ),
            values![workspace, json],
        ),
    ];
    statements.extend(events::conversations_created(&created, now));
    statements
}

/// How many of a conversation's newest messages the choices are looked for in that a text
/// may answer.
const ANSWERED: i64 = 50;
/// Providers count in seconds, and their clocks are not ours: how much later than the answer
/// its choices may seem to have been sent.
const CLOCKS_DIFFER_MS: i64 = 2_000;

/// The content of a message `p` in conversation `c`: the reply that its text chooses among
/// the choices that were sent last before it, else as it came. Where none were, no message
/// is looked at.
fn content() -> String {
    format!(
        "CASE WHEN p.value ->> '$.said' IS NULL OR c.choices_seq IS NULL OR c.choices_seq <= c.last_seq - {ANSWERED}
         THEN p.value ->> '$.content' ELSE COALESCE(
           (SELECT o.value ->> '$.reply' FROM json_each((
              SELECT m.choices FROM message m
              WHERE m.conversation_id = c.id AND m.seq <= c.choices_seq AND m.seq > c.last_seq - {ANSWERED}
                AND m.choices IS NOT NULL
                AND m.direction = 'outbound' AND m.status IN ('sending', 'unknown', 'sent', 'delivered', 'read')
                AND COALESCE(m.sending_at, m.sent_at) <= p.value ->> '$.at' + {CLOCKS_DIFFER_MS}
              ORDER BY m.seq DESC LIMIT 1)) o
            WHERE o.value ->> '$.said' = p.value ->> '$.said'
              OR CAST(o.key + 1 AS TEXT) = p.value ->> '$.said'
            LIMIT 1),
           p.value ->> '$.content') END"
    )
}

/// Stores messages, moves their conversations, and tells subscribers.
///
/// Unread counts come from what was really inserted: messages whose `seq` the
/// conversation has not counted yet. A customer's message reopens a conversation.
pub fn messages(receiver: Receiver, received: &[Received], now: Timestamp) -> Vec<Statement> {
    messages_if(receiver, received, ("true".to_owned(), vec![]), now)
}

/// The same where a condition of the sender's own holds as well, over the parameters from
/// `?4` on that come with it.
pub fn messages_if(
    receiver: Receiver,
    received: &[Received],
    (condition, given): (String, Vec<Value>),
    now: Timestamp,
) -> Vec<Statement> {
    let (workspace, channel) = (receiver.workspace_id, receiver.channel_id);
    let is_current = receiver.is_current();
    let subjects = subjects(workspace, received);
    vec![
        Statement::new(
            format!("INSERT INTO message (workspace_id, id, conversation_id, channel_id, contact_id, direction, status,
               content, fingerprint, metadata, reply_to, provider_message_id, seq, created_at)
             SELECT ?1, p.value ->> '$.id', c.id, ?2, c.contact_id, 'inbound', 'received',
               {content}, p.value ->> '$.fingerprint', p.value ->> '$.metadata',
               COALESCE(
                 (SELECT r.id FROM message r WHERE r.channel_id = +?2
                    AND r.provider_message_id = p.value ->> '$.replyTo'),
                 p.value ->> '$.replyId'),
               p.value ->> '$.providerMessageId',
               c.last_seq + ROW_NUMBER() OVER (PARTITION BY c.id ORDER BY p.value ->> '$.at', p.key),
               p.value ->> '$.at'
             FROM json_each(?3) p
             CROSS JOIN conversation c ON c.channel_id = +?2 AND c.address = p.value ->> '$.address'
             WHERE {is_current} AND {condition}
             ON CONFLICT DO NOTHING",
                content = content()
            ),
            [values![workspace, channel, text(received)], given].concat(),
        ),
        Statement::new(
            "UPDATE conversation SET
               last_seq = n.seq,
               unread_count = unread_count + n.count,
               last_inbound_at = MAX(COALESCE(last_inbound_at, 0), n.at),
               last_activity_at = MAX(last_activity_at, ?3),
               status = CASE WHEN status = 'pending_agent' THEN status ELSE 'open' END
             FROM (
               SELECT m.workspace_id, m.conversation_id, MAX(m.seq) AS seq, COUNT(*) AS count,
                 MAX(m.created_at) AS at
               FROM json_each(?2) p
               CROSS JOIN message m ON m.workspace_id = +?1 AND m.id = p.value ->> '$[1]'
               CROSS JOIN conversation c ON c.workspace_id = m.workspace_id AND c.id = m.conversation_id
               WHERE m.seq > c.last_seq
               GROUP BY m.workspace_id, m.conversation_id
             ) n
             WHERE conversation.workspace_id = n.workspace_id AND conversation.id = n.conversation_id",
            values![workspace, subjects.as_str(), now],
        ),
        events::of_messages(
            "SELECT m.workspace_id, m.id AS message_id, 'message.received' AS type, p.value ->> '$[2]' AS event_id
             FROM json_each(?2) p CROSS JOIN message m ON m.workspace_id = +?1 AND m.id = p.value ->> '$[1]'",
            3,
            values![workspace, subjects.as_str(), now],
        ),
        events::fan_out(subjects, now),
    ]
}

/// The events that tell of messages: a JSON array of `[workspace, message, event]`.
pub(super) fn subjects(workspace: WorkspaceId, received: &[Received]) -> String {
    let workspace = workspace.to_string();
    let told: Vec<[&str; 3]> = received
        .iter()
        .map(|message| [&workspace, message.id.as_str(), message.event.as_str()])
        .collect();
    text(&told)
}

/// A report of how far a message has come.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub provider_message_id: String,
    /// Our own id, where the provider gives it back.
    pub message: Option<String>,
    pub status: DeliveryStatus,
    pub at: i64,
    pub code: Option<String>,
    pub detail: Option<String>,
    pub provider_code: Option<String>,
    /// What the provider charges, as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pricing: Option<String>,
    pub event: String,
}

/// Reads `?1` as reports on channel `?2`, each joined to its message.
const REPORTED: &str = "
    SELECT m.workspace_id, m.id AS message_id, p.value ->> '$.status' AS status, p.value ->> '$.at' AS at,
      p.value ->> '$.code' AS code, p.value ->> '$.detail' AS detail,
      p.value ->> '$.providerCode' AS provider_code, p.value ->> '$.pricing' AS pricing,
      p.value ->> '$.event' AS event_id
    FROM json_each(?1) p
    CROSS JOIN message m ON m.channel_id = +?2 AND m.provider_message_id = p.value ->> '$.providerMessageId'
    WHERE m.direction = 'outbound'";

/// Applies reports: parks those whose message is not known, then walks the
/// statuses in order of rank, so that any order of arrival ends alike.
///
/// A status that may not replace what stands only fills in its missing time.
/// `token` marks the rows whose status really changed; events follow those.
pub fn reports(
    receiver: Receiver,
    reports: &[Report],
    token: &str,
    now: Timestamp,
) -> Vec<Statement> {
    let (workspace, channel) = (receiver.workspace_id, receiver.channel_id);
    let is_current = receiver.is_current();
    let json = json!(reports);
    let mut statements = vec![
        // A send whose answer was lost is recognised by our own id.
        Statement::new(
            format!("UPDATE message SET provider_message_id = given.pmid
             FROM (SELECT m.workspace_id, m.id, p.value ->> '$.providerMessageId' AS pmid FROM json_each(?1) p
                   CROSS JOIN message m ON m.workspace_id = +?3 AND m.id = p.value ->> '$.message'
                   WHERE m.content <> '{ERASED}'
                   GROUP BY p.value ->> '$.providerMessageId' LIMIT 1000000) given
             WHERE message.workspace_id = given.workspace_id AND message.id = given.id AND message.channel_id = +?2
               AND message.direction = 'outbound' AND message.provider_message_id IS NULL
               AND NOT EXISTS (SELECT 1 FROM message x WHERE x.channel_id = +?2 AND x.provider_message_id = given.pmid)
               AND {is_current}"),
            values![json.clone(), channel, workspace],
        ),
        Statement::new(
            format!("INSERT INTO parked_report (workspace_id, channel_id, provider_message_id, status, at, error_code, error_message, error_provider_code,
               pricing, parked_at)
             SELECT ?4, ?2, p.value ->> '$.providerMessageId', p.value ->> '$.status', p.value ->> '$.at',
               p.value ->> '$.code', p.value ->> '$.detail', p.value ->> '$.providerCode', p.value ->> '$.pricing', ?3
             FROM json_each(?1) p
             WHERE NOT EXISTS (SELECT 1 FROM message m
               WHERE m.channel_id = +?2 AND m.provider_message_id = p.value ->> '$.providerMessageId')
               AND {is_current}
             ON CONFLICT DO NOTHING"),
            values![json.clone(), channel, now, workspace],
        ),
    ];
    for (status, column) in [
        (DeliveryStatus::Sent, "sent_at"),
        (DeliveryStatus::Delivered, "delivered_at"),
        (DeliveryStatus::Read, "read_at"),
        (DeliveryStatus::Failed, "failed_at"),
    ] {
        if reports.iter().any(|report| report.status == status) {
            statements.extend(apply(
                receiver,
                (status, column),
                REPORTED,
                &json,
                token,
                now,
            ));
        }
    }
    statements.push(events::fan_out_reported(REPORTED, &json, channel, now));
    statements
}

/// How many of a conversation's newest messages a watermark may reach: it comes each time
/// somebody looks.
pub const LOOKED_AT: i64 = 50;

/// A report on all that an address was sent up to a moment.
#[derive(Clone, Debug, Serialize)]
pub struct Mark {
    pub address: String,
    pub status: DeliveryStatus,
    pub at: i64,
    /// An event's id for each of the newest messages, the newest first.
    pub events: Vec<String>,
}

/// Reads `?1` as watermarks on channel `?2`, each joined to the messages it reaches: those
/// that were sent, and on their way by then. (When the provider took one, only its own
/// clock knows.)
fn reached() -> String {
    format!(
        "SELECT m.workspace_id, m.id AS message_id, p.value ->> '$.status' AS status, p.value ->> '$.at' AS at,
           NULL AS pricing, json_extract(p.value, '$.events[' || (c.last_seq - m.seq) || ']') AS event_id
         FROM json_each(?1) p
         CROSS JOIN conversation c ON c.channel_id = +?2 AND c.address = p.value ->> '$.address'
         CROSS JOIN message m ON m.conversation_id = c.id AND m.seq > c.last_seq - {LOOKED_AT}
         WHERE m.direction = 'outbound' AND m.status IN ('sent', 'delivered', 'read')
           AND m.sending_at <= p.value ->> '$.at'"
    )
}

/// Applies watermarks as `reports` does reports; none is parked.
pub fn watermarks(
    receiver: Receiver,
    marks: &[Mark],
    token: &str,
    now: Timestamp,
) -> Vec<Statement> {
    let (reached, json) = (reached(), json!(marks));
    let mut statements = vec![];
    for (status, column) in [
        (DeliveryStatus::Delivered, "delivered_at"),
        (DeliveryStatus::Read, "read_at"),
    ] {
        if marks.iter().any(|mark| mark.status == status) {
            let status = (status, column);
            statements.extend(apply(receiver, status, &reached, &json, token, now));
        }
    }
    let channel = receiver.channel_id;
    statements.push(events::fan_out_reported(&reached, &json, channel, now));
    statements
}

/// One status of `reports` or `watermarks`, which `reported` reads.
fn apply(
    receiver: Receiver,
    (status, column): (DeliveryStatus, &str),
    reported: &str,
    json: &Json,
    token: &str,
    now: Timestamp,
) -> [Statement; 2] {
    let channel = receiver.channel_id;
    let is_current = receiver.is_current();
    let name = status.name();
    let replaceable = DeliveryStatus::ALL
        .into_iter()
        .filter(|current| status.replaces(*current))
        .map(|current| format!("'{}'", current.name()))
        .collect::<Vec<_>>()
        .join(", ");
    let moves = format!("message.status IN ({replaceable})");
    let error = if status == DeliveryStatus::Failed {
        format!(
            "error_code = CASE WHEN {moves} THEN reported.code ELSE error_code END,
             error_message = CASE WHEN {moves} THEN reported.detail ELSE error_message END,
             error_provider_code = CASE WHEN {moves} THEN reported.provider_code ELSE error_provider_code END,"
        )
    } else {
        String::new()
    };
    [
        // The limit keeps SQLite from joining the reports the other way round, a walk
        // through all messages of the channel.
        Statement::new(
            format!(
                "UPDATE message SET
                   {column} = COALESCE(message.{column}, reported.at),
                   pricing = COALESCE(reported.pricing, message.pricing),
                   turn = CASE WHEN {moves} THEN NULL ELSE turn END,
                   due_at = CASE WHEN {moves} THEN NULL ELSE due_at END,
                   lease_until = CASE WHEN {moves} THEN NULL ELSE lease_until END,
                   claim = CASE WHEN {moves} THEN ?3 ELSE claim END,
                   {error}
                   status = CASE WHEN {moves} THEN '{name}' ELSE message.status END
                 FROM ({reported} AND p.value ->> '$.status' = '{name}' AND {is_current} LIMIT 1000000) reported
                 WHERE message.workspace_id = reported.workspace_id AND message.id = reported.message_id
                   AND ({moves} OR message.{column} IS NULL)"
            ),
            values![json.clone(), channel, format!("{token}:{name}")],
        ),
        events::of_messages(
            &format!(
                "SELECT r.workspace_id, r.message_id, 'message.{name}' AS type, r.event_id
                 FROM ({reported} AND p.value ->> '$.status' = '{name}') r
                 CROSS JOIN message x ON x.workspace_id = r.workspace_id AND x.id = r.message_id
                 WHERE x.claim = +?3 AND x.status = '{name}'"
            ),
            4,
            values![json.clone(), channel, format!("{token}:{name}"), now],
        ),
    ]
}

/// Takes reports off the park: they are applied in the same batch.
pub fn unpark(channel: ChannelId, reports: &[Report]) -> Statement {
    Statement::new(
        "DELETE FROM parked_report WHERE (channel_id, provider_message_id, status) IN (
           SELECT ?1, value ->> '$.providerMessageId', value ->> '$.status' FROM json_each(?2))",
        values![channel, json!(reports)],
    )
}
