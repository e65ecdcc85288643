//! The statements of the batch that accepts a message, and of what tells why it did nothing.

use super::super::claim::OwnClaim;
use super::super::events::Kind;
use super::super::search::{self, LONG_GRAM, Line};
use super::super::{Statement, Value, events, keys, schedule, values};
use super::{Accept, RefersTo, Target, last_received};
use crate::model::event::EventType;
use crate::model::message::Actor;
use crate::model::time::DAY_MS;

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
