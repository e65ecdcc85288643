//! Accepting a message: one batch in which the message row carries every guard
//! and everything after it hangs on that row. And reading messages back.

use super::claim::OwnClaim;
use super::events::Kind;
use super::search::{self, LONG_GRAM, Line};
use super::{SCAN, Statement, Value, events, keys, merges, schedule, values};
use crate::model::contact::{Address, IdentityKind};
use crate::model::event::EventType;
use crate::model::id::{
    ChannelId, ContactId, ConversationId, EventId, KeyId, MessageId, TemplateId, WorkspaceId,
    lower_bound,
};
use crate::model::message::{Actor, DeliveryStatus};
use crate::model::time::{DAY_MS, Timestamp};
use serde::Serialize;

/// Where a message goes.
#[derive(Clone, Debug)]
pub enum Target {
    /// One that is there.
    Conversation {
        id: ConversationId,
        found_by: FoundBy,
    },
    /// An address, which may be new: then these ids are given to its contact
    /// and conversation.
    Address {
        address: Address,
        kind: IdentityKind,
        new_conversation: ConversationId,
        new_contact: ContactId,
    },
}

/// What was asked for where a conversation was found. It must still be what is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundBy {
    Id,
    Address(Address),
    /// The newest of the contact that this id stands for.
    Contact {
        id: String,
        among: Among,
    },
}

/// Which of a contact's conversations are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    All,
    /// Those on channels of the same type.
    Type,
    /// Those on the same channel.
    Channel,
}

impl FoundBy {
    /// What must hold of the conversation `c` on the channel `h`, over a parameter, and its
    /// value.
    fn holds(&self, parameter: &str) -> (String, Option<Value>) {
        match self {
            FoundBy::Id => (String::new(), None),
            FoundBy::Address(address) => {
                let value = Value::from(address.0.as_str());
                (format!(" AND c.address = {parameter}"), Some(value))
            }
            FoundBy::Contact { id, among } => {
                let contact = merges::surviving("c.workspace_id", parameter);
                let among = match among {
                    Among::All => "",
                    Among::Type => " AND y.type = h.type",
                    Among::Channel => " AND y.id = h.id",
                };
                let holds = format!(
                    " AND c.contact_id = {contact} AND NOT EXISTS (
                       SELECT 1 FROM conversation x INDEXED BY conversation_contact
                       CROSS JOIN channel y ON y.id = x.channel_id AND y.deleted_at IS NULL{among}
                       WHERE x.workspace_id = c.workspace_id AND x.contact_id = c.contact_id
                         AND (x.last_activity_at, x.id) > (c.last_activity_at, c.id))"
                );
                (holds, Some(Value::from(id.as_str())))
            }
        }
    }
}

/// Which other message a message is about: it answers it, or does something to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefersTo {
    Nothing,
    /// One of the conversation.
    Message(MessageId),
    /// The customer's last, if it is among the newest of the conversation.
    LastReceived,
}

/// How many of a conversation's newest messages the customer's last is looked for in.
const NEWEST: i64 = 100;

/// The id of the customer's last message in a conversation `c`.
fn last_received() -> String {
    format!(
        "(SELECT l.id FROM message l WHERE l.conversation_id = c.id AND l.seq > c.last_seq - {NEWEST}
           AND l.direction = 'inbound' ORDER BY l.seq DESC LIMIT 1)"
    )
}

/// A further message that a content became, behind the first.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    pub id: MessageId,
    pub content: String,
    /// As `Accept::event`, of this part.
    pub event: EventId,
}

/// A message as planned, with what must hold for it to be accepted.
#[derive(Clone, Debug)]
pub struct Accept {
    pub id: MessageId,
    pub workspace_id: WorkspaceId,
    pub key_id: KeyId,
    pub channel_id: ChannelId,
    /// The channel's version that the plan was made with.
    pub channel_version: i64,
    pub target: Target,
    pub content: String,
    /// Messages that follow it at once, made with it or not at all.
    pub parts: Vec<Part>,
    /// What was changed about the content, as JSON.
    pub adapted: Option<String>,
    /// What was numbered in it, as JSON; only of a content that was changed.
    pub choices: Option<String>,
    /// The template it is and the version that was filled.
    pub template: Option<(TemplateId, i64)>,
    /// The name of the contact, if it is made for this message.
    pub contact_name: Option<String>,
    /// There is no provider: what is accepted is sent.
    pub is_local: bool,
    /// The id of the event that tells of it where it is sent at once, and where it is
    /// scheduled of the conversation it makes.
    pub event: EventId,
    pub actor: Actor,
    pub refers_to: RefersTo,
    /// The field of the request that names that message.
    pub refers_by: &'static str,
    pub metadata: Option<String>,
    pub client_message_id: Option<String>,
    pub fingerprint: String,
    pub scheduled_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    /// How long ago the customer's last message may lie; `None` any time.
    pub window_ms: Option<i64>,
    /// Method, path and idempotency key.
    pub scope: Option<String>,
    pub now: Timestamp,
}

impl Accept {
    fn named_message(&self) -> Option<MessageId> {
        match self.refers_to {
            RefersTo::Message(id) => Some(id),
            RefersTo::Nothing | RefersTo::LastReceived => None,
        }
    }

    /// Whether accepting it sends it.
    #[must_use]
    pub fn is_sent_at_once(&self) -> bool {
        self.is_local && self.scheduled_at.is_none()
    }

    /// The address that a conversation may have to be made for.
    pub fn new_address(&self) -> Option<Address> {
        self.address().map(|(address, ..)| address.clone())
    }

    fn address(&self) -> Option<(&Address, IdentityKind, ConversationId, ContactId)> {
        match &self.target {
            Target::Conversation { .. } => None,
            Target::Address {
                address,
                kind,
                new_conversation,
                new_contact,
            } => Some((address, *kind, *new_conversation, *new_contact)),
        }
    }
}

/// What the send of a message needs that its request does not say.
fn own_job() -> String {
    let (workspace, channel) = ("message.workspace_id", "message.channel_id");
    let wanted = events::is_wanted(workspace, channel, Kind::Of(EventType::MessageSent));
    format!(
        ", (SELECT c.address FROM conversation c
           WHERE c.workspace_id = message.workspace_id AND c.id = message.conversation_id) AS address,
         (SELECT r.provider_message_id FROM message r
           WHERE r.workspace_id = message.workspace_id AND r.id = message.reply_to) AS reply_to,
         EXISTS (SELECT 1 FROM endpoint w WHERE {wanted}) AS is_told"
    )
}

/// The message row, if every guard holds. Gives it back as `MessageRecord`, if it was not there;
/// with a claim also what its send needs: the `address` where its conversation was there,
/// `reply_to`, the provider's id of what it answers, and whether some endpoint wants to be told
/// that it was sent (`is_told`).
pub fn insert(accept: &Accept, claim: Option<&OwnClaim>) -> Statement {
    let (found_by, also_by, contact, source) = match &accept.target {
        Target::Conversation { id, found_by } => {
            let (holds, value) = found_by.holds("+?19");
            let source = format!(
                "JOIN conversation c ON c.workspace_id = h.workspace_id AND c.id = +?18 AND c.channel_id = h.id{holds}"
            );
            (Value::from(*id), value, "c.contact_id", source)
        }
        Target::Address { address, kind, .. } => (
            Value::from(address.0.as_str()),
            Some(Value::from(kind.name())),
            "COALESCE(c.contact_id, i.contact_id, ?17)",
            "LEFT JOIN conversation c ON c.channel_id = h.id AND c.address = +?18
             LEFT JOIN identity i ON c.id IS NULL AND i.workspace_id = h.workspace_id AND i.kind = +?19 AND i.value = +?18"
                .to_owned(),
        ),
    };
    let address = accept.address();
    let mut values = values![
        accept.id,
        accept.workspace_id,
        accept.key_id,
        accept.channel_id,
        accept.content.as_str(),
        match accept.actor {
            Actor::Bot => "bot",
            Actor::Human => "human",
        },
        accept.named_message(),
        accept.metadata.as_deref(),
        accept.client_message_id.as_deref(),
        accept.fingerprint.as_str(),
        accept.now,
        accept.expires_at,
        accept.channel_version,
        accept.window_ms,
        accept.scope.as_deref(),
        address.map(|(_, _, conversation, _)| conversation),
        address.map(|(_, _, _, contact)| contact),
        found_by,
    ];
    values.extend(also_by);
    // As many values as the statement has parameters.
    let mut bind = |value: Value| {
        values.push(value);
        format!("?{}", values.len())
    };
    let mut guards = String::new();
    let refers_to = if accept.refers_to == RefersTo::LastReceived {
        guards.push_str(&format!(" AND {} IS NOT NULL", last_received()));
        last_received()
    } else {
        "?7".to_owned()
    };
    if accept.is_local {
        guards.push_str(" AND c.id IS NOT NULL");
    }
    let mut columns = String::new();
    let mut also = String::new();
    let mut add = |column: &str, value: &str| {
        columns.push_str(&format!(", {column}"));
        also.push_str(&format!(", {value}"));
    };
    if let Some((template, version)) = accept.template {
        let (template, version) = (bind(template.into()), bind(version.into()));
        let of_template = format!(
            "FROM template t WHERE t.workspace_id = +?2 AND t.id = +{template}
               AND t.channel_id = h.id AND t.version = +{version} AND t.status = 'APPROVED'"
        );
        guards.push_str(&format!(" AND EXISTS (SELECT 1 {of_template})"));
        if accept.scheduled_at.is_some() {
            let places = format!("(SELECT json_array_length(t.variables) {of_template})");
            add("template_places", &places);
        }
    }
    for (column, json) in [("adapted", &accept.adapted), ("choices", &accept.choices)] {
        if let Some(json) = json {
            add(column, &bind(json.as_str().into()));
        }
    }
    let mut goes = String::new();
    let mut needed = String::new();
    let state = match accept.scheduled_at {
        Some(at) => {
            let at = bind(at.into());
            add("scheduled_at", &at);
            add("pushed_at", &schedule::hinted_at(&at, "?11"));
            "'scheduled'"
        }
        None if accept.is_local => {
            add("sent_at", "?11");
            "'sent'"
        }
        None => {
            add("turn", "COALESCE(c.last_seq, 0) + 1");
            add("due_at", "?11");
            add("pushed_at", "?11");
            match claim {
                None => "'accepted'",
                Some(own) => {
                    needed = own_job();
                    let address = if accept.address().is_some() {
                        "?18"
                    } else {
                        "c.address"
                    };
                    // Nothing before it waits, and neither sender nor recipient is too fast.
                    goes = format!(
                        "CROSS JOIN json_each(json_array(
                           NOT EXISTS (SELECT 1 FROM message e WHERE e.conversation_id = c.id AND e.turn IS NOT NULL)
                           AND h.paced_until <= ?11 * 1000 + {sender}
                           AND COALESCE(c.paced_until, 0) <= ?11 * 1000 + {recipient})) g",
                        sender = bind(own.sender_slack_us().into()),
                        recipient = own.of_rate(address, |rate| rate.slack_us),
                    );
                    let token = bind(own.token.as_str().into());
                    let until = bind(accept.now.plus_ms(own.lease_ms).into());
                    add("attempt", "g.value");
                    add("claim", &format!("CASE WHEN g.value THEN {token} END"));
                    add(
                        "lease_until",
                        &format!("CASE WHEN g.value THEN {until} END"),
                    );
                    add("sending_at", "CASE WHEN g.value THEN ?11 END");
                    "CASE WHEN g.value THEN 'sending' ELSE 'accepted' END"
                }
            }
        }
    };
    let sql = format!(
        "INSERT INTO message (workspace_id, id, conversation_id, channel_id, contact_id, direction, status,
           content, actor, reply_to, metadata, client_message_id, fingerprint, seq, expires_at, created_at{columns})
         SELECT h.workspace_id, ?1, COALESCE(c.id, ?16), h.id, {contact},
           'outbound', {state}, ?5, ?6, {refers_to}, ?8, ?9, ?10,
           COALESCE(c.last_seq, 0) + 1, ?12, ?11{also}
         FROM channel h
         JOIN api_key k ON k.id = +?3 AND k.workspace_id = h.workspace_id
         {source} {goes}
         WHERE h.id = +?4 AND h.workspace_id = +?2 AND h.version = +?13 AND h.status = 'connected'
           AND h.deleted_at IS NULL
           AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > ?11)
           AND (?14 IS NULL OR c.last_inbound_at > ?11 - ?14) AND c.opted_out_at IS NULL{guards}
           AND (?7 IS NULL OR EXISTS (
             SELECT 1 FROM message r WHERE r.workspace_id = +?2 AND r.id = +?7 AND r.conversation_id = c.id))
           AND (?15 IS NULL OR NOT EXISTS (
             SELECT 1 FROM idempotency d
             WHERE {LIVING} AND d.workspace_id = +?2 AND d.scope = +?15 AND d.created_at > ?11 - {DAY_MS}))
         ON CONFLICT DO NOTHING
         RETURNING (SELECT r.record FROM message_record r
           WHERE r.workspace_id = message.workspace_id AND r.id = message.id) AS record{needed}",
        LIVING = keys::living_days("?11")
    );
    Statement::new(sql, values)
}

/// The messages that follow the first at once, each with the next turn. The last has the
/// choices as well: it is the newest that a customer sees.
fn parts(accept: &Accept) -> Statement {
    let state = if accept.scheduled_at.is_some() {
        "'scheduled', NULL, NULL, NULL, NULL"
    } else if accept.is_local {
        "'sent', m.sent_at, NULL, NULL, NULL"
    } else {
        "'accepted', NULL, m.seq + p.key + 1, m.created_at, m.created_at"
    };
    Statement::new(
        format!("INSERT INTO message (workspace_id, id, conversation_id, channel_id, contact_id, direction, status,
           sent_at, turn, due_at, pushed_at, content, actor, metadata, seq, scheduled_at, expires_at, created_at,
           adapted, choices)
         SELECT m.workspace_id, p.value ->> '$.id', m.conversation_id, m.channel_id, m.contact_id, 'outbound',
           {state}, p.value ->> '$.content', m.actor, m.metadata, m.seq + p.key + 1, m.scheduled_at, m.expires_at,
           m.created_at, m.adapted, CASE WHEN p.key = +?4 THEN m.choices END
         FROM message m CROSS JOIN json_each(?3) p
         WHERE m.workspace_id = +?1 AND m.id = +?2
         ON CONFLICT DO NOTHING"),
        values![
            accept.workspace_id,
            accept.id,
            serde_json::json!(accept.parts),
            i64::try_from(accept.parts.len()).unwrap_or(0) - 1,
        ],
    )
}

/// Tells of a message that was sent by being accepted, and of its parts. The second
/// statement gives back deliveries.
pub fn tell_sent(accept: &Accept) -> Vec<Statement> {
    let workspace = accept.workspace_id;
    let parts = accept.parts.iter().map(|part| (part.id, part.event));
    let told: serde_json::Value = [(accept.id, accept.event)]
        .into_iter()
        .chain(parts)
        .map(|(id, event)| serde_json::json!([workspace, id, event]))
        .collect();
    vec![
        events::of_messages(
            "SELECT m.workspace_id, m.id AS message_id, 'message.sent' AS type,
               json_extract(p.value, '$[2]') AS event_id
             FROM json_each(?2) p
             CROSS JOIN message m ON m.workspace_id = +?1 AND m.id = json_extract(p.value, '$[1]')",
            3,
            values![workspace, told.clone(), accept.now],
        ),
        events::fan_out(told, accept.now),
    ]
}

/// Tells of the conversation that a scheduled message made, which is there from now on. The
/// second statement gives back deliveries.
pub fn tell_created(accept: &Accept) -> Vec<Statement> {
    let Some((_, _, conversation, _)) = accept.address() else {
        return vec![];
    };
    let made = serde_json::json!([[accept.workspace_id, conversation, accept.event]]);
    events::conversations_created(&made, accept.now).into()
}

/// What hangs on the message row: contact, identity, conversation, idempotency, and what its
/// claim takes of the rates.
pub fn follow(accept: &Accept, claim: Option<&OwnClaim>) -> Vec<Statement> {
    let paced = claim.filter(|own| own.paces_recipient());
    let mut statements = Vec::new();
    if !accept.parts.is_empty() {
        statements.push(parts(accept));
    }
    if let Some((address, kind, conversation, contact)) = accept.address() {
        let name = accept.contact_name.as_deref();
        let known_as = [(kind.name(), address.0.as_str())];
        let line = Line::of(accept.workspace_id, name, known_as.into_iter());
        statements.push(Statement::new(
            format!(
                "INSERT INTO contact (workspace_id, id, name, folded, grams, created_at)
                 SELECT workspace_id, contact_id, ?4, ?5, {LONG_GRAM}, created_at FROM message
                 WHERE workspace_id = +?1 AND id = +?2 AND contact_id = +?3
                 ON CONFLICT DO NOTHING"
            ),
            values![
                accept.workspace_id,
                accept.id,
                contact,
                name,
                search::fold(name.unwrap_or("")),
            ],
        ));
        statements.push(Statement::new(
            "INSERT INTO identity (workspace_id, kind, value, contact_id)
             SELECT workspace_id, ?4, ?5, contact_id FROM message
             WHERE workspace_id = +?1 AND id = +?2 AND conversation_id = +?3
             ON CONFLICT DO NOTHING",
            values![
                accept.workspace_id,
                accept.id,
                conversation,
                kind.name(),
                address.0.as_str(),
            ],
        ));
        let (columns, also) = match paced {
            None => ("", String::new()),
            Some(own) => {
                let every = own.of_rate("?4", |rate| rate.every_us);
                let until = format!(", CASE WHEN claim IS ?5 THEN ?6 * 1000 + {every} ELSE 0 END");
                (", paced_by, paced_until", format!(", claim{until}"))
            }
        };
        let mut made = Statement::new(
            format!(
                "INSERT INTO conversation (workspace_id, id, channel_id, contact_id, address, status, mode,
                   unread_count, last_seq, last_outbound_at, last_activity_at, created_at, choices_seq{columns})
                 SELECT workspace_id, conversation_id, channel_id, contact_id, ?4, 'open', 'ai', 0, seq,
                   CASE WHEN status <> 'scheduled' THEN created_at END, created_at, created_at,
                   CASE WHEN choices IS NOT NULL AND status <> 'scheduled' THEN seq END{also}
                 FROM message WHERE workspace_id = +?1 AND id = +?2 AND conversation_id = +?3
                 ON CONFLICT DO NOTHING"
            ),
            values![accept.workspace_id, accept.id, conversation, address.0.as_str()],
        );
        if let Some(own) = paced {
            made.values.extend(values![own.token.as_str(), accept.now]);
        }
        statements.push(made);
        statements.push(search::found_by(accept.workspace_id, contact, &line));
    }
    // The highest seq, not one more: the batch may run twice.
    let parts = i64::try_from(accept.parts.len()).unwrap_or(0);
    // What is scheduled is said when it falls due.
    let said = if accept.scheduled_at.is_some() {
        ""
    } else {
        ", last_outbound_at = MAX(COALESCE(last_outbound_at, 0), m.created_at),
           last_activity_at = MAX(last_activity_at, m.created_at),
           choices_seq = CASE WHEN m.choices IS NULL THEN conversation.choices_seq ELSE m.seq + ?3 END"
    };
    let pace = paced.map_or_else(String::new, |own| {
        let every = own.of_rate("conversation.address", |rate| rate.every_us);
        format!(
            ", paced_by = CASE WHEN m.claim IS ?4 THEN ?4 ELSE conversation.paced_by END,
             paced_until = CASE WHEN m.claim IS ?4 THEN MAX(m.created_at * 1000, paced_until) + {every}
               ELSE paced_until END"
        )
    });
    let mut moved = Statement::new(
        format!(
            "UPDATE conversation SET last_seq = MAX(last_seq, m.seq + ?3){said}{pace}
             FROM (SELECT workspace_id, conversation_id, seq, created_at, choices, claim FROM message
                   WHERE workspace_id = +?1 AND id = +?2) m
             WHERE conversation.workspace_id = m.workspace_id AND conversation.id = m.conversation_id
               AND conversation.last_seq < m.seq + ?3"
        ),
        values![accept.workspace_id, accept.id, parts],
    );
    if let Some(own) = paced {
        moved.values.push(own.token.as_str().into());
    }
    statements.push(moved);
    statements
        .extend(claim.and_then(|own| own.pace_sender(accept.workspace_id, accept.id, accept.now)));
    if let Some(scope) = &accept.scope {
        statements.push(Statement::new(
            format!(
                "INSERT INTO idempotency (day, workspace_id, scope, fingerprint, subject_id, created_at)
                 SELECT CAST(?4 / {DAY_MS} AS INTEGER), workspace_id, ?3, fingerprint, id, ?4 FROM message
                 WHERE workspace_id = +?1 AND id IN (?2, (SELECT id FROM message
                   WHERE workspace_id = +?1 AND client_message_id = +?5 AND fingerprint = +?6))
                 ON CONFLICT DO NOTHING"
            ),
            values![
                accept.workspace_id,
                accept.id,
                scope.as_str(),
                accept.now,
                accept.client_message_id.as_deref(),
                accept.fingerprint.as_str(),
            ],
        ));
    }
    statements
}

/// One message, as `MessageRecord`.
pub fn get(workspace: WorkspaceId, id: MessageId) -> Statement {
    Statement::new(
        "SELECT record FROM message_record WHERE workspace_id = +?1 AND id = +?2",
        values![workspace, id],
    )
}

/// The first call to the provider of a message `r`, if it was made by the request that made
/// the message: what that request was answered. It never changes; `NULL` while it is not over.
const FIRST_ATTEMPT: &str = "(
    SELECT json_object('outcome', a.outcome, 'provider_code', a.provider_code, 'detail', a.detail)
    FROM message m CROSS JOIN attempt a ON a.workspace_id = m.workspace_id AND a.message_id = m.id AND a.number = 1
    WHERE m.workspace_id = r.workspace_id AND m.id = r.id AND m.sending_at = m.created_at)";

/// One message, as `MessageRecord`, and its `first_attempt`.
pub fn get_sent(workspace: WorkspaceId, id: MessageId) -> Statement {
    Statement::new(
        format!(
            "SELECT r.record, {FIRST_ATTEMPT} AS first_attempt
             FROM message_record r WHERE r.workspace_id = +?1 AND r.id = +?2"
        ),
        values![workspace, id],
    )
}

/// Whose message is looked for.
pub enum Whose<'a> {
    Workspace(WorkspaceId),
    /// The workspace of an API key, by its hash.
    Key(&'a str),
}

/// The message that a key or a client's id made before, with the fingerprint of
/// the request that made it. Columns `by`, `id`, `fingerprint`, `record`, `first_attempt`.
pub fn earlier(
    whose: &Whose<'_>,
    scope: Option<&str>,
    client_message_id: Option<&str>,
    now: Timestamp,
) -> Statement {
    let (workspace, by) = match whose {
        Whose::Workspace(id) => ("+?1", Value::from(*id)),
        Whose::Key(hash) => (
            "(SELECT workspace_id FROM api_key WHERE hash = +?1)",
            Value::from(*hash),
        ),
    };
    Statement::new(
        format!(
            "SELECT 'key' AS by, d.subject_id AS id, d.fingerprint, r.record, {FIRST_ATTEMPT} AS first_attempt
             FROM idempotency d CROSS JOIN message_record r ON r.workspace_id = d.workspace_id AND r.id = d.subject_id
             WHERE {LIVING} AND d.workspace_id = {workspace} AND d.scope = +?2 AND d.created_at > ?4 - {DAY_MS}
             UNION ALL
             SELECT 'client' AS by, m.id, m.fingerprint, r.record, {FIRST_ATTEMPT} AS first_attempt
             FROM message m CROSS JOIN message_record r ON r.workspace_id = m.workspace_id AND r.id = m.id
             WHERE m.workspace_id = {workspace} AND m.client_message_id = +?3",
            LIVING = keys::living_days("?4")
        ),
        values![by, scope, client_message_id, now],
    )
}

/// Why a message was not accepted: the state of everything the guards look at.
pub fn explain(accept: &Accept) -> Statement {
    let (found, by, also_by) = match &accept.target {
        Target::Conversation { id, found_by } => {
            let (holds, value) = found_by.holds("+?9");
            let found = format!("c.workspace_id = +?1 AND c.id = +?4{holds}");
            (found, Value::from(*id), value)
        }
        Target::Address { address, .. } => (
            "c.channel_id = h.id AND c.address = +?4".to_owned(),
            Value::from(address.0.as_str()),
            None,
        ),
    };
    let is_known = if accept.refers_to == RefersTo::LastReceived {
        format!("{} IS NOT NULL", last_received())
    } else {
        "?5 IS NULL OR EXISTS (SELECT 1 FROM message r
                 WHERE r.workspace_id = +?1 AND r.id = +?5 AND r.conversation_id = c.id)"
            .to_owned()
    };
    let mut statement = Statement::new(
        format!(
            "SELECT
               EXISTS (SELECT 1 FROM api_key k WHERE k.id = +?3 AND k.workspace_id = +?1 AND k.revoked_at IS NULL
                 AND (k.expires_at IS NULL OR k.expires_at > ?6)) AS key_is_live,
               h.version AS channel_version, h.status AS channel_status, h.deleted_at AS channel_deleted_at,
               c.id AS conversation_id, c.last_inbound_at, c.opted_out_at,
               ({is_known}) AS reference_is_known,
               (?7 IS NULL OR EXISTS (SELECT 1 FROM template t WHERE t.workspace_id = +?1 AND t.id = +?7
                 AND t.channel_id = +?2 AND t.version = +?8 AND t.status = 'APPROVED')) AS template_is_current
             FROM (SELECT 1)
             LEFT JOIN channel h ON h.id = +?2 AND h.workspace_id = +?1
             LEFT JOIN conversation c ON {found}"
        ),
        values![
            accept.workspace_id,
            accept.channel_id,
            accept.key_id,
            by,
            accept.named_message(),
            accept.now,
            accept.template.map(|(id, _)| id),
            accept.template.map(|(_, version)| version),
        ],
    );
    statement.values.extend(also_by);
    statement
}

#[derive(Default)]
pub struct Filter {
    pub status: Option<DeliveryStatus>,
    pub channel_id: Option<ChannelId>,
    pub since: Option<Timestamp>,
}

impl Filter {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.status.is_none() && self.channel_id.is_none() && self.since.is_none()
    }
}

/// A page of a workspace's messages before an id, newest first, among the next
/// `SCAN` rows.
pub fn list(workspace: WorkspaceId, filter: &Filter, before: &str, limit: i64) -> Statement {
    Statement::new(
        format!(
            "SELECT r.record FROM (
               SELECT workspace_id, id, status, channel_id, created_at FROM {listed}
                 AND workspace_id = +?1 AND id < ?2 AND id >= ?3
               ORDER BY id DESC LIMIT +?4
             ) page CROSS JOIN message_record r ON r.workspace_id = page.workspace_id AND r.id = page.id
             WHERE (?5 IS NULL OR page.status = +?5) AND (?6 IS NULL OR page.channel_id = +?6)
               AND (?7 IS NULL OR page.created_at >= ?7)
             ORDER BY page.id DESC LIMIT +?8",
            listed = listed(filter)
        ),
        values![
            workspace,
            before,
            since(filter),
            SCAN,
            filter.status.map(DeliveryStatus::name),
            filter.channel_id,
            filter.since,
            limit,
        ],
    )
}

/// The last id that a filtered page looks at, if there are as many.
pub fn scan_end(workspace: WorkspaceId, filter: &Filter, before: &str) -> Statement {
    Statement::new(
        format!(
            "SELECT id FROM {listed} AND workspace_id = +?1 AND id < ?2 AND id >= ?3
             ORDER BY id DESC LIMIT 1 OFFSET +?4",
            listed = listed(filter)
        ),
        values![workspace, before, since(filter), SCAN - 1],
    )
}

/// The messages a list goes through. What is scheduled is few, and old.
fn listed(filter: &Filter) -> &'static str {
    if filter.status == Some(DeliveryStatus::Scheduled) {
        "message INDEXED BY message_scheduled_list WHERE status = 'scheduled'"
    } else {
        "message WHERE true"
    }
}

/// Ids from here on hold every message of `since` or later: none is older than the
/// moment it tells, which for a received one is the provider's.
fn since(filter: &Filter) -> String {
    filter.since.map(lower_bound).unwrap_or_default()
}

/// A page of one conversation's messages before a seq, newest first, among the
/// next `SCAN` rows.
pub fn list_conversation(
    workspace: WorkspaceId,
    conversation: ConversationId,
    filter: &Filter,
    before_seq: i64,
    limit: i64,
) -> Statement {
    Statement::new(
        "SELECT r.record FROM (
           SELECT workspace_id, id, seq, status, channel_id, created_at FROM message
           WHERE conversation_id = +?2 AND seq < ?3 AND workspace_id = +?1
           ORDER BY seq DESC LIMIT +?4
         ) page CROSS JOIN message_record r ON r.workspace_id = page.workspace_id AND r.id = page.id
         WHERE (?5 IS NULL OR page.status = +?5) AND (?6 IS NULL OR page.channel_id = +?6)
           AND (?7 IS NULL OR page.created_at >= ?7)
         ORDER BY page.seq DESC LIMIT +?8",
        values![
            workspace,
            conversation,
            before_seq,
            SCAN,
            filter.status.map(DeliveryStatus::name),
            filter.channel_id,
            filter.since,
            limit,
        ],
    )
}

/// The last seq that a filtered page of a conversation looks at, if there are as many.
pub fn conversation_scan_end(
    workspace: WorkspaceId,
    conversation: ConversationId,
    before_seq: i64,
) -> Statement {
    Statement::new(
        "SELECT seq FROM message WHERE conversation_id = +?2 AND seq < ?3 AND workspace_id = +?1
         ORDER BY seq DESC LIMIT 1 OFFSET +?4",
        values![workspace, conversation, before_seq, SCAN - 1],
    )
}

/// The calls made to send a message, as `AttemptRecord`, oldest first.
pub fn attempts(workspace: WorkspaceId, id: MessageId) -> Statement {
    Statement::new(
        "SELECT number, outcome, provider_code, detail, started_at, ended_at FROM attempt
         WHERE workspace_id = +?1 AND message_id = +?2 ORDER BY number LIMIT 200",
        values![workspace, id],
    )
}
