//! Events and their deliveries: written in the transaction of the change they
//! tell of, from what that change really did.

use super::inbound::Receiver;
use super::{Statement, Value, values};
use crate::model::event::{EventType, Style};
use crate::model::id::{ChannelId, ContactId, ConversationId, EventId, WorkspaceId};
use crate::model::time::Timestamp;

/// The snapshot an event keeps, of a `message_record m` and a `conversation_record c`.
const MESSAGE_DATA: &str = "json_object('channel', json(c.channel), 'conversation', json(c.record), 'message', json(m.record))";
const CONVERSATION_DATA: &str =
    "json_object('channel', json(c.channel), 'conversation', json(c.record), 'message', NULL)";

/// The snapshot an event about a channel `h` keeps.
const CHANNEL_DATA: &str = "json_object('channel', json_object(
    'id', h.id, 'type', h.type, 'name', h.name, 'identifier', h.identifier, 'status', h.status,
    'lastError', json(CASE WHEN h.last_error_code IS NOT NULL THEN json_object('code', h.last_error_code,
      'at', strftime('%Y-%m-%dT%H:%M:%fZ', h.last_error_at / 1000.0, 'unixepoch')) END)))";

/// Which events are asked about.
#[derive(Clone, Copy)]
pub(super) enum Kind<'a> {
    Of(EventType),
    /// Those of the type that a column has.
    In(&'a str),
}

/// Whether endpoint `w` wants an event on `channel`, and its style has a form for it. What one
/// that is paused or disabled wants waits for it.
pub(super) fn is_wanted(workspace: &str, channel: &str, kind: Kind<'_>) -> String {
    let (is_meant, untold) = match kind {
        Kind::Of(event) => {
            let name = event.name();
            let family = name.split('.').next().unwrap_or(name);
            let disabled = if event == EventType::WebhookDisabled {
                " AND w.status <> 'disabled'"
            } else {
                ""
            };
            let styles = Style::ALL.into_iter().filter(|style| !style.tells(event));
            let untold = styles.map(|style| format!(" AND w.style <> '{}'", style.name()));
            (
                format!("f.value = '*' OR f.value = '{name}' OR f.value = '{family}.*'"),
                format!("{disabled}{}", untold.collect::<String>()),
            )
        }
        Kind::In(column) => {
            let untold = Style::ALL.into_iter().map(|style| untold(style, column));
            (
                format!(
                    "f.value IN ('*', {column}, substr({column}, 1, instr({column}, '.')) || '*')"
                ),
                format!(
                    " AND NOT (w.status = 'disabled' AND {column} = 'webhook.disabled'){}",
                    untold.collect::<String>()
                ),
            )
        }
    };
    format!(
        "w.workspace_id = {workspace} AND w.deleted_at IS NULL
         AND (w.channel_id IS NULL OR w.channel_id = {channel})
         AND EXISTS (SELECT 1 FROM json_each(w.events) f WHERE {is_meant}){untold}"
    )
}

/// The most endpoints that are told of an event in the transaction that writes it.
const MOST_AT_ONCE: i64 = 20;

/// How a delivery to an endpoint of this `status` begins.
pub(super) const STATUS: &str = "CASE status WHEN 'enabled' THEN 'pending' ELSE 'waiting' END";

/// Leaves out the events that a style has no form for, by the column that has their type.
fn untold(style: Style, kind: &str) -> String {
    let names: Vec<String> = EventType::ALL
        .into_iter()
        .filter(|event| !style.tells(*event))
        .map(|event| format!("'{}'", event.name()))
        .collect();
    if names.is_empty() {
        return String::new();
    }
    let (style, names) = (style.name(), names.join(", "));
    format!(" AND NOT (w.style = '{style}' AND {kind} IN ({names}))")
}

/// Writes an event about each message that `source` yields, once per message and
/// type, where some endpoint wants it. `source` is a query of the columns
/// `workspace_id`, `message_id`, `type`, `event_id` over the parameters given.
pub fn of_messages(source: &str, at_parameter: usize, values: Vec<Value>) -> Statement {
    let wanted = is_wanted("m.workspace_id", "m.channel_id", Kind::In("s.type"));
    Statement::new(
        format!(
            "INSERT INTO event (workspace_id, subject, type, id, channel_id, data, created_at)
             SELECT m.workspace_id, m.id, s.type, s.event_id, m.channel_id, {MESSAGE_DATA}, ?{at_parameter}
             FROM ({source}) s
             CROSS JOIN message_record m ON m.workspace_id = s.workspace_id AND m.id = s.message_id
             CROSS JOIN conversation_record c ON c.workspace_id = m.workspace_id AND c.id = m.conversation_id
             WHERE s.event_id IS NOT NULL AND EXISTS (SELECT 1 FROM endpoint w WHERE {wanted})
             ON CONFLICT DO NOTHING"
        ),
        values,
    )
}

/// Writes an event about each change that `source` yields, under its own id: a message may
/// change more than once. Its columns are `workspace_id`, `message_id`, `type`, `event_id`
/// and `reaction`, which is JSON or nothing.
pub fn of_changes(source: &str, at_parameter: usize, values: Vec<Value>) -> Statement {
    let wanted = is_wanted("m.workspace_id", "m.channel_id", Kind::In("s.type"));
    Statement::new(
        format!(
            "INSERT INTO event (workspace_id, subject, about, type, id, channel_id, data, created_at)
             SELECT m.workspace_id, s.event_id, m.conversation_id, s.type, s.event_id, m.channel_id,
               json_set({MESSAGE_DATA}, '$.reaction', json(s.reaction)), ?{at_parameter}
             FROM ({source}) s
             CROSS JOIN message_record m ON m.workspace_id = s.workspace_id AND m.id = s.message_id
             CROSS JOIN conversation_record c ON c.workspace_id = m.workspace_id AND c.id = m.conversation_id
             WHERE EXISTS (SELECT 1 FROM endpoint w WHERE {wanted})
             ON CONFLICT DO NOTHING"
        ),
        values,
    )
}

/// Writes an event about each conversation that `source` yields: columns
/// `workspace_id`, `conversation_id`, `subject`, `type`, `event_id`, and `handover`, which is
/// JSON or nothing.
fn of_conversations(source: &str, at_parameter: usize, values: Vec<Value>) -> Statement {
    let wanted = is_wanted("c.workspace_id", "c.channel_id", Kind::In("s.type"));
    Statement::new(
        format!(
            "INSERT INTO event (workspace_id, subject, about, type, id, channel_id, data, created_at)
             SELECT c.workspace_id, s.subject, NULLIF(c.id, s.subject), s.type, s.event_id, c.channel_id,
               json_set({CONVERSATION_DATA}, '$.handover', json(s.handover)), ?{at_parameter}
             FROM ({source}) s
             CROSS JOIN conversation_record c ON c.workspace_id = s.workspace_id AND c.id = s.conversation_id
             WHERE EXISTS (SELECT 1 FROM endpoint w WHERE {wanted})
             ON CONFLICT DO NOTHING"
        ),
        values,
    )
}

/// Tells once of each new conversation: JSON array of `[workspace, conversation,
/// event id]`, of which those that do not exist are passed over. Gives the fan-out
/// too, as its second statement.
pub fn conversations_created(ids: &serde_json::Value, now: Timestamp) -> [Statement; 2] {
    [
        of_conversations(
            "SELECT json_extract(value, '$[0]') AS workspace_id,
               json_extract(value, '$[1]') AS conversation_id, json_extract(value, '$[1]') AS subject,
               'conversation.created' AS type, json_extract(value, '$[2]') AS event_id, NULL AS handover
             FROM json_each(?1)",
            2,
            values![ids.clone(), now],
        ),
        fan_out(ids.clone(), now),
    ]
}

/// Tells of a conversation that the statement before changed, if it did.
pub fn conversation_updated(
    workspace: WorkspaceId,
    conversation: ConversationId,
    event: EventId,
    now: Timestamp,
) -> [Statement; 2] {
    [
        of_conversations(
            "SELECT ?1 AS workspace_id, ?2 AS conversation_id, ?3 AS subject,
               'conversation.updated' AS type, ?3 AS event_id, NULL AS handover WHERE changes() > 0",
            4,
            values![workspace, conversation, event, now],
        ),
        fan_out(serde_json::json!([[workspace, event, event]]), now),
    ]
}

/// Tells once of each handover of a conversation on a channel: JSON array of `{address, key,
/// event, handover}`, where a repeat has the same key.
pub fn handovers(
    receiver: Receiver,
    handovers: &serde_json::Value,
    now: Timestamp,
) -> [Statement; 2] {
    let is_current = receiver.is_current();
    let source = format!(
        "SELECT c.workspace_id, c.id AS conversation_id, c.id || ':' || (p.value ->> '$.key') AS subject,
           'conversation.handover' AS type, p.value ->> '$.event' AS event_id,
           p.value ->> '$.handover' AS handover
         FROM json_each(?1) p
         CROSS JOIN conversation c ON c.channel_id = +?2 AND c.address = p.value ->> '$.address'
         WHERE {is_current}"
    );
    let values = || values![handovers.clone(), receiver.channel_id, now];
    [
        of_conversations(&source, 3, values()),
        fan_out_of(&source, 3, values()),
    ]
}

/// An event's id for one of the things that a statement may tell of, made of the event's id
/// `event` and that one's own `id`: run again, it is the same.
pub(super) fn id_for(event: &str, id: &str) -> String {
    format!("substr({event}, 1, 24) || substr({id}, 25)")
}

/// Writes an event about each channel that `source` yields: columns `channel_id`, `subject`,
/// `event_id`, and `notice`, which is JSON or nothing.
pub(super) fn of_channels(source: &str, at_parameter: usize, values: Vec<Value>) -> Statement {
    let wanted = is_wanted(
        "h.workspace_id",
        "h.id",
        Kind::Of(EventType::ChannelUpdated),
    );
    Statement::new(
        format!(
            "INSERT INTO event (workspace_id, subject, type, id, channel_id, data, created_at)
             SELECT h.workspace_id, s.subject, 'channel.updated', s.event_id, h.id,
               json_set({CHANNEL_DATA}, '$.notice', json(s.notice)), ?{at_parameter}
             FROM ({source}) s
             CROSS JOIN channel h ON h.id = s.channel_id
             WHERE EXISTS (SELECT 1 FROM endpoint w WHERE {wanted})
             ON CONFLICT DO NOTHING"
        ),
        values,
    )
}

/// Tells of a channel that the statement before changed, if it did.
pub fn channel_updated(
    workspace: WorkspaceId,
    channel: ChannelId,
    event: EventId,
    now: Timestamp,
) -> [Statement; 2] {
    [
        of_channels(
            "SELECT ?1 AS channel_id, ?2 AS subject, ?2 AS event_id, NULL AS notice WHERE changes() > 0",
            3,
            values![channel, event, now],
        ),
        fan_out(serde_json::json!([[workspace, event, event]]), now),
    ]
}

/// Writes an event about each template that the next statement changes: `source` is a query
/// of the columns of `template t` with `new_status` and `new_category`, and of `event_id`.
/// Gives the fan-out too. What it changes is told once, by the version that comes of it.
pub(super) fn of_templates(
    source: &str,
    at_parameter: usize,
    values: Vec<Value>,
) -> [Statement; 2] {
    let wanted = is_wanted(
        "s.workspace_id",
        "s.channel_id",
        Kind::Of(EventType::TemplateUpdated),
    );
    let (id, at) = (id_for("s.event_id", "s.id"), at_parameter);
    [
        Statement::new(
            format!(
                "INSERT INTO event (workspace_id, subject, type, id, channel_id, data, created_at)
                 SELECT s.workspace_id, s.id || ':' || (s.version + 1), 'template.updated', {id}, s.channel_id,
                   json_object(
                     'channel', json_object('id', h.id, 'type', h.type, 'name', h.name, 'identifier', h.identifier),
                     'template', json_object('id', s.id, 'name', s.name, 'language', s.language,
                       'status', s.new_status, 'category', s.new_category, 'key', s.key)),
                   ?{at}
                 FROM ({source}) s CROSS JOIN channel h ON h.id = s.channel_id
                 WHERE EXISTS (SELECT 1 FROM endpoint w WHERE {wanted})
                 ON CONFLICT DO NOTHING"
            ),
            values.clone(),
        ),
        fan_out_of(
            &format!(
                "SELECT s.workspace_id, s.id || ':' || (s.version + 1) AS subject, {id} AS event_id FROM ({source}) s"
            ),
            at,
            values,
        ),
    ]
}

/// Tells of the merge of a contact that has this event's id, if there is one.
pub fn contact_merged(
    workspace: WorkspaceId,
    contact: ContactId,
    event: EventId,
    now: Timestamp,
) -> Statement {
    let kind = EventType::ContactMerged.name();
    let wanted = is_wanted("+?1", "NULL", Kind::Of(EventType::ContactMerged));
    Statement::new(
        format!(
            "INSERT INTO event (workspace_id, subject, about, type, id, data, created_at)
             SELECT g.workspace_id, g.id, g.into_id, '{kind}', g.id,
               json_object('contact', json(r.record), 'merged_contact_id', g.contact_id), ?4
             FROM contact_merge g
             CROSS JOIN contact_record r ON r.workspace_id = g.workspace_id AND r.id = g.into_id
             WHERE g.workspace_id = +?1 AND g.contact_id = +?2 AND g.id = +?3
               AND EXISTS (SELECT 1 FROM endpoint w WHERE {wanted})
             ON CONFLICT DO NOTHING"
        ),
        values![workspace, contact, event, now],
    )
}

/// Fans events out: one delivery per event and endpoint that wants it. `ids` is a
/// JSON array of `[workspace, subject, event id]`; only events written under
/// that very id are fanned out, so a repeat adds none. Gives back
/// `endpoint_id`, `event_id` of each.
pub fn fan_out(ids: impl Into<Value>, now: Timestamp) -> Statement {
    fan_out_of(
        "SELECT json_extract(value, '$[0]') AS workspace_id, json_extract(value, '$[1]') AS subject,
           json_extract(value, '$[2]') AS event_id FROM json_each(?1)",
        2,
        vec![ids.into(), now.into()],
    )
}

/// The same for events about messages that were reported on; `reported` is a query
/// over reports `?1` of channel `?2`.
pub fn fan_out_reported(
    reported: &str,
    reports: &serde_json::Value,
    channel: ChannelId,
    now: Timestamp,
) -> Statement {
    fan_out_of(
        &format!("SELECT workspace_id, message_id AS subject, event_id FROM ({reported})"),
        3,
        values![reports.clone(), channel, now],
    )
}

/// The same for a query of the columns `workspace_id`, `subject` and `event_id`. Where more
/// than a few endpoints want an event, one row stands for them all, by the workspace's id, and
/// the consumer goes on from there.
pub fn fan_out_of(source: &str, at_parameter: usize, values: Vec<Value>) -> Statement {
    let wanted = is_wanted("e.workspace_id", "e.channel_id", Kind::In("e.type"));
    let at = at_parameter;
    Statement::new(
        format!(
            "INSERT INTO delivery (workspace_id, endpoint_id, event_id, subject, type, status, due_at, pushed_at, created_at)
             SELECT e.workspace_id, f.value ->> 0, e.id, e.subject, e.type, f.value ->> 1,
               CASE f.value ->> 1 WHEN 'pending' THEN ?{at} END, ?{at}, ?{at}
             FROM ({source}) s
             CROSS JOIN event e ON e.workspace_id = s.workspace_id AND e.subject = s.subject AND e.id = s.event_id
             CROSS JOIN json_each((
               SELECT CASE WHEN COUNT(*) > {MOST_AT_ONCE} THEN json_array(json_array(e.workspace_id, 'pending'))
                 ELSE json_group_array(json_array(id, {STATUS})) END
               FROM (SELECT w.id, w.status FROM endpoint w WHERE {wanted} LIMIT {MOST_AT_ONCE} + 1))) f
             WHERE true
             ON CONFLICT DO NOTHING
             RETURNING endpoint_id, event_id, due_at IS NULL AS is_waiting"
        ),
        values,
    )
}

/// Tells of the endpoints that the statement before disabled: JSON array of `{workspace, id}`.
pub fn webhooks_disabled(
    endpoints: &serde_json::Value,
    event: EventId,
    now: Timestamp,
) -> [Statement; 2] {
    let kind = EventType::WebhookDisabled.name();
    let wanted = is_wanted(
        "z.workspace_id",
        "z.channel_id",
        Kind::Of(EventType::WebhookDisabled),
    );
    let source = format!(
        "SELECT v.workspace_id, v.id || ':' || v.disabled_at AS subject, {} AS event_id, v.channel_id, v.id, v.url,
           v.disabled_reason, v.failing_since
         FROM json_each(?1) r CROSS JOIN endpoint v
           ON v.workspace_id = r.value ->> '$.workspace' AND v.id = r.value ->> '$.id'
         WHERE v.status = 'disabled' AND v.disabled_at = +?3",
        id_for("?2", "v.id")
    );
    let values = || values![endpoints.clone(), event, now];
    [
        Statement::new(
            format!(
                "INSERT INTO event (workspace_id, subject, type, id, channel_id, data, created_at)
                 SELECT z.workspace_id, z.subject, '{kind}', z.event_id, z.channel_id,
                   json_object('webhook', json_object('id', z.id, 'url', z.url, 'reason', z.disabled_reason,
                     'since', strftime('%Y-%m-%dT%H:%M:%fZ', z.failing_since / 1000.0, 'unixepoch'))), ?3
                 FROM ({source}) z
                 WHERE EXISTS (SELECT 1 FROM endpoint w WHERE {wanted})
                 ON CONFLICT DO NOTHING"
            ),
            values(),
        ),
        fan_out_of(&source, 3, values()),
    ]
}

/// Removes deliveries and their events past retention, a few at a time, and what ended of
/// endpoints that are deleted.
pub fn purge(workspace: WorkspaceId, before: &str, limit: i64) -> [Statement; 4] {
    [
        Statement::new(
            "DELETE FROM delivery WHERE endpoint_id = +?1 AND event_id < ?2",
            values![workspace, before],
        ),
        Statement::new(
            "DELETE FROM delivery WHERE (endpoint_id, event_id) IN (
               SELECT d.endpoint_id, d.event_id FROM endpoint w
               CROSS JOIN delivery d ON d.endpoint_id = w.id
                 AND d.event_id < CASE w.status WHEN 'deleted' THEN 'g' ELSE ?2 END
               WHERE w.workspace_id = +?1 AND (d.due_at IS NULL OR d.event_id < ?2) LIMIT +?3)",
            values![workspace, before, limit],
        ),
        Statement::new(
            "DELETE FROM endpoint WHERE workspace_id = +?1 AND status = 'deleted'
               AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.endpoint_id = endpoint.id)",
            values![workspace],
        ),
        Statement::new(
            "DELETE FROM event WHERE (workspace_id, subject, type) IN (
               SELECT workspace_id, subject, type FROM event
               WHERE workspace_id = +?1 AND subject < ?2 AND id < ?2 LIMIT +?3)",
            values![workspace, before, limit],
        ),
    ]
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn an_event_and_a_column_that_has_its_type_are_asked_about_alike() {
        let database = rusqlite::Connection::open_in_memory().expect("a database");
        database
            .execute_batch(
                "CREATE TABLE endpoint (workspace_id, channel_id, events, style, status, deleted_at)",
            )
            .expect("a table");
        let mut insert = database
            .prepare("INSERT INTO endpoint VALUES ('w', ?1, ?2, ?3, ?4, ?5)")
            .expect("a statement");
        let names = EventType::ALL.map(EventType::name);
        let families = ["*", "message.*", "conversation.*", "webhook.*"];
        for filter in names.into_iter().chain(families) {
            for style in Style::ALL.map(Style::name) {
                for status in ["enabled", "disabled"] {
                    for (channel, deleted_at) in [(None, None), (Some("h"), None), (None, Some(1))]
                    {
                        let events = format!("[\"{filter}\"]");
                        insert
                            .execute((channel, &events, style, status, deleted_at))
                            .expect("an endpoint");
                    }
                }
            }
        }
        let wanting = |kind: Kind<'_>, name: &str| -> (i64, i64) {
            let wanted = is_wanted("'w'", "'h'", kind);
            let sql = format!(
                "SELECT COUNT(*), COALESCE(SUM(w.rowid * w.rowid), 0)
                 FROM (SELECT '{name}' AS type) s CROSS JOIN endpoint w WHERE {wanted}"
            );
            let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            database.query_row(&sql, (), read).expect("a row")
        };
        for event in EventType::ALL {
            let (of, by_column) = (
                wanting(Kind::Of(event), event.name()),
                wanting(Kind::In("s.type"), event.name()),
            );
            assert_eq!(of, by_column, "{}", event.name());
            assert!(of.0 > 0, "{}", event.name());
        }
    }
}
