//! What is still to be sent: claimed late and few, recorded once.

use super::counters::{self, Counts};
use super::events::{self, Kind};
use super::{Statement, text, values};
use crate::model::event::EventType;
use crate::model::id::{ChannelId, ConversationId, MessageId, WorkspaceId};
use crate::model::time::Timestamp;
use serde::Serialize;
use serde_json::{Value as Json, json};

/// Messages that may be ready, and conversations whose next one may be.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    pub messages: Vec<(WorkspaceId, MessageId)>,
    pub conversations: Vec<ConversationId>,
    /// Those among the messages that were given a moment of their sender's.
    pub paid: Vec<MessageId>,
}

impl Candidates {
    pub(super) fn messages(&self) -> Json {
        self.messages
            .iter()
            .map(|(workspace, id)| json!([workspace, id]))
            .collect()
    }

    pub(super) fn conversations(&self) -> Json {
        self.conversations.iter().map(|id| json!(id)).collect()
    }

    pub(super) fn paid(&self) -> Json {
        self.paid.iter().map(|id| json!(id)).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.conversations.is_empty()
    }
}

/// The rows `?1` (messages) and `?2` (conversations) may mean, next heads first.
pub(super) const CANDIDATES: &str = "
    SELECT m.* FROM (
      SELECT h.workspace_id, h.id FROM json_each(?2) s
      CROSS JOIN message h ON h.conversation_id = s.value
        AND h.turn = (SELECT MIN(turn) FROM message WHERE conversation_id = s.value AND turn IS NOT NULL)
      UNION ALL
      SELECT json_extract(s.value, '$[0]'), json_extract(s.value, '$[1]') FROM json_each(?1) s
    ) o CROSS JOIN message m ON m.workspace_id = o.workspace_id AND m.id = o.id";

/// What a send needs, as columns of a job.
const JOB: &str =
    "m.workspace_id, m.id, m.conversation_id, m.channel_id, m.adapted, m.content, m.actor, m.attempt, m.seq,
    COALESCE(m.resent_at, m.accepted_at, m.created_at) AS created_at, m.expires_at, c.address, r.provider_message_id AS reply_to,
    h.type, h.identifier, h.status AS channel_status, h.settings, h.credentials, h.version,
    h.deleted_at AS channel_deleted_at,
    (SELECT COUNT(*) FROM attempt a WHERE a.workspace_id = m.workspace_id AND a.message_id = m.id
       AND a.outcome IN ('temporary', 'throttled', 'unknown')) AS failures";

const JOB_JOINS: &str = "
    CROSS JOIN conversation c ON c.workspace_id = m.workspace_id AND c.id = m.conversation_id
    CROSS JOIN channel h ON h.id = m.channel_id
    LEFT JOIN message r ON r.workspace_id = m.workspace_id AND r.id = m.reply_to";

/// What was claimed under a token: also after a claim whose answer was lost.
pub fn claimed(candidates: &Candidates, token: &str) -> Statement {
    Statement::new(
        format!(
            "SELECT DISTINCT {JOB} FROM ({CANDIDATES}) m {JOB_JOINS}
             WHERE m.claim = +?3 AND m.status = 'sending'"
        ),
        values![candidates.messages(), candidates.conversations(), token],
    )
}

/// A message as its accept batch has left it, where that was run twice and so did not give it
/// back: its `record`, and what its send needs, if it was claimed under this token (`is_taken`).
/// No row where nothing was accepted.
pub fn own(workspace: WorkspaceId, message: MessageId, token: &str) -> Statement {
    Statement::new(
        format!(
            "SELECT {JOB}, v.record, m.claim IS ?3 AND m.status = 'sending' AS is_taken
             FROM message_record v CROSS JOIN message m ON m.workspace_id = v.workspace_id AND m.id = v.id {JOB_JOINS}
             WHERE v.workspace_id = +?1 AND v.id = +?2"
        ),
        values![workspace, message, token],
    )
}

/// Gives the sender of a message more time, if it is still the one that claimed it: then
/// there is a row.
pub fn extend_lease(
    workspace: WorkspaceId,
    message: MessageId,
    attempt: i64,
    until: Timestamp,
) -> Statement {
    Statement::new(
        "UPDATE message SET lease_until = ?4
         WHERE workspace_id = +?1 AND id = +?2 AND attempt = +?3 AND status = 'sending'
         RETURNING attempt",
        values![workspace, message, attempt, until],
    )
}

/// Has a message hand its file over when it is tried again, if it is still its sender's.
pub fn upload_next(workspace: WorkspaceId, message: MessageId, attempt: i64) -> Statement {
    Statement::new(
        "UPDATE message SET content = json_set(content, '$.media', 'upload')
         WHERE workspace_id = +?1 AND id = +?2 AND attempt = +?3 AND status = 'sending'",
        values![workspace, message, attempt],
    )
}

/// Messages whose sender died: still `sending` after their lease.
pub fn abandoned(now: Timestamp, limit: i64) -> Statement {
    Statement::new(
        format!(
            "SELECT {JOB} FROM (
               SELECT * FROM message WHERE lease_until <= ?1 AND status = 'sending'
               ORDER BY lease_until LIMIT +?2
             ) m {JOB_JOINS}"
        ),
        values![now, limit],
    )
}

/// How one attempt ended.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    pub workspace: WorkspaceId,
    pub message: MessageId,
    pub attempt: i64,
    /// `sent`, `failed`, `expired`, `unknown`, or `accepted` for another try.
    pub status: &'static str,
    /// What the attempt came to, for its own row.
    pub outcome: &'static str,
    pub provider_message_id: Option<String>,
    pub code: Option<String>,
    pub detail: Option<String>,
    pub provider_code: Option<String>,
    pub started_at: i64,
    /// When to try again; none at an end.
    pub due_at: Option<i64>,
    pub event_type: Option<&'static str>,
    pub event_id: String,
}

/// Reads `?1` as outcomes.
const OUTCOMES: &str = "
    SELECT value ->> '$.workspace' AS workspace_id, value ->> '$.message' AS message_id,
      value ->> '$.attempt' AS attempt, value ->> '$.status' AS status, value ->> '$.outcome' AS outcome,
      value ->> '$.providerMessageId' AS provider_message_id, value ->> '$.code' AS code,
      value ->> '$.detail' AS detail, value ->> '$.providerCode' AS provider_code,
      value ->> '$.startedAt' AS started_at, value ->> '$.dueAt' AS due_at,
      value ->> '$.eventType' AS type, value ->> '$.eventId' AS event_id
    FROM json_each(?1)";

/// Which statement of `record` and `record_untold` changes the messages.
pub const CHANGED: usize = 0;

/// Notes attempts, where what else must hold of the outcomes `o` does.
fn attempts(outcomes: &str, now: Timestamp, more: &str) -> Statement {
    Statement::new(
        format!(
            "INSERT INTO attempt (workspace_id, message_id, number, outcome, provider_code, detail, started_at, ended_at)
             SELECT workspace_id, message_id, attempt, outcome, provider_code, detail, started_at, ?2
             FROM ({OUTCOMES}) o
             WHERE outcome NOT IN ('channel_waits', 'channel_unavailable', 'expired') {more}
             ON CONFLICT (workspace_id, message_id, number) DO UPDATE SET
               outcome = excluded.outcome, provider_code = excluded.provider_code,
               detail = excluded.detail, ended_at = excluded.ended_at
             WHERE attempt.outcome = 'unknown' AND excluded.outcome <> 'unknown'"
        ),
        values![outcomes, now],
    )
}

/// Changes the messages whose attempt is still their last; `more` is what else must hold, and
/// what is given back.
fn changed(outcomes: &str, token: &str, now: Timestamp, more: &str) -> Statement {
    Statement::new(
        format!(
            "UPDATE message SET
               status = r.status, claim = ?3, lease_until = NULL, pushed_at = ?2,
               turn = CASE WHEN r.due_at IS NULL THEN NULL ELSE turn END,
               due_at = r.due_at,
               provider_message_id = COALESCE(message.provider_message_id, CASE WHEN NOT EXISTS (
                 SELECT 1 FROM message x WHERE x.channel_id = message.channel_id
                   AND x.provider_message_id = r.provider_message_id) THEN r.provider_message_id END),
               error_code = r.code, error_message = r.detail, error_provider_code = r.provider_code,
               sent_at = CASE WHEN r.status = 'sent' THEN COALESCE(sent_at, ?2) ELSE sent_at END,
               unknown_at = CASE WHEN r.status = 'unknown' THEN COALESCE(unknown_at, ?2) ELSE unknown_at END,
               failed_at = CASE WHEN r.status = 'failed' THEN COALESCE(failed_at, ?2) ELSE failed_at END,
               expired_at = CASE WHEN r.status = 'expired' THEN COALESCE(expired_at, ?2) ELSE expired_at END
             FROM ({OUTCOMES}) r
             WHERE message.workspace_id = r.workspace_id AND message.id = r.message_id
               AND message.attempt = r.attempt
               AND (message.status = 'sending'
                 OR (message.status = 'unknown' AND r.status IN ('sent', 'failed')))
             {more}"
        ),
        values![outcomes, now, token],
    )
}

/// Gives back a changed message as its `record`, and whether another message of its
/// conversation is due (`waits`).
const SHOWN: &str = "RETURNING (SELECT r.record FROM message_record r
       WHERE r.workspace_id = message.workspace_id AND r.id = message.id) AS record,
     EXISTS (SELECT 1 FROM message w WHERE w.conversation_id = message.conversation_id AND w.turn IS NOT NULL
       AND w.status = 'accepted' AND w.due_at <= ?2) AS waits";

/// Records a message that its provider took, as the most there are: no endpoint wants to be told
/// of it, and no report came before it. Where this does not hold, nothing is done.
pub fn record_untold(
    outcome: &Outcome,
    counts: &Counts,
    token: &str,
    now: Timestamp,
) -> [Statement; 3] {
    let json = text(std::slice::from_ref(outcome));
    let (workspace, channel) = ("message.workspace_id", "message.channel_id");
    let wanted = events::is_wanted(workspace, channel, Kind::Of(EventType::MessageSent));
    let more = format!(
        "AND NOT EXISTS (SELECT 1 FROM endpoint w WHERE {wanted})
         AND NOT EXISTS (SELECT 1 FROM parked_report p WHERE p.channel_id = message.channel_id
           AND p.provider_message_id = COALESCE(message.provider_message_id, r.provider_message_id))
         {SHOWN}"
    );
    let mut attempt = attempts(
        &json,
        now,
        "AND EXISTS (SELECT 1 FROM message x
           WHERE x.workspace_id = o.workspace_id AND x.id = o.message_id AND x.claim = +?3)",
    );
    attempt.values.push(token.into());
    [
        changed(&json, token, now, &more),
        attempt,
        counters::add_for((outcome.workspace, outcome.message), counts, token),
    ]
}

/// Records outcomes, each only where its attempt is still the message's last.
///
/// A late success or failure also settles `unknown`; a late wish to try again
/// does not, for what came after it in the conversation may have gone.
/// `token` marks the rows that really changed; events follow those. If they are shown, the
/// statement at `CHANGED` gives each back as `record_untold` does.
pub fn record(
    outcomes: &[Outcome],
    token: &str,
    now: Timestamp,
    are_shown: bool,
) -> Vec<Statement> {
    let json = text(outcomes);
    let subjects: Json = outcomes
        .iter()
        .filter(|outcome| outcome.event_type.is_some())
        .map(|outcome| json!([outcome.workspace, outcome.message, outcome.event_id]))
        .collect();
    let known: Json = outcomes
        .iter()
        .filter(|outcome| outcome.provider_message_id.is_some())
        .map(|outcome| json!([outcome.workspace, outcome.message]))
        .collect();
    vec![
        changed(&json, token, now, if are_shown { SHOWN } else { "" }),
        attempts(&json, now, ""),
        events::of_messages(
            &format!(
                "SELECT o.workspace_id, o.message_id, o.type, o.event_id FROM ({OUTCOMES}) o
                 CROSS JOIN message x ON x.workspace_id = o.workspace_id AND x.id = o.message_id
                 WHERE x.claim = +?3 AND x.status = o.status AND o.type IS NOT NULL"
            ),
            2,
            values![json, now, token],
        ),
        events::fan_out(subjects, now),
        // Reports that came before the provider's answer did.
        Statement::new(
            "UPDATE parked_report SET known_at = ?2
             FROM (SELECT m.channel_id, m.provider_message_id FROM json_each(?1) s
               CROSS JOIN message m ON m.workspace_id = json_extract(s.value, '$[0]')
                 AND m.id = json_extract(s.value, '$[1]') LIMIT 1000000) y
             WHERE parked_report.channel_id = y.channel_id AND parked_report.provider_message_id = y.provider_message_id
             RETURNING workspace_id, parked_report.channel_id, parked_report.provider_message_id, status, at, error_code,
               error_message, error_provider_code, pricing",
            values![known, now],
        ),
    ]
}

/// A message that ends with an earlier part of the same content.
#[derive(Clone, Debug, Serialize)]
pub struct Rest {
    pub workspace: WorkspaceId,
    pub message: MessageId,
    /// The part that failed before it.
    pub failed: MessageId,
    /// That one's code.
    pub code: Option<String>,
    pub event: String,
}

/// Fails the parts behind one that failed: a caption says nothing without its picture, and
/// a client that is told of the failure sends all of it again. The last statement gives back
/// deliveries.
pub fn fail_rest(rest: &[Rest], token: &str, now: Timestamp) -> Vec<Statement> {
    let subjects: Json = rest
        .iter()
        .map(|part| json!([part.workspace, part.message, part.event]))
        .collect();
    vec![
        Statement::new(
            "UPDATE message SET status = 'failed', claim = ?3, turn = NULL, due_at = NULL, failed_at = ?2,
               error_code = r.code, error_message = 'An earlier part of this content failed.'
             FROM (SELECT value ->> '$.workspace' AS workspace_id, value ->> '$.message' AS message_id,
                     value ->> '$.failed' AS failed, value ->> '$.code' AS code FROM json_each(?1) LIMIT 1000) r
             WHERE message.workspace_id = r.workspace_id AND message.id = r.message_id
               AND message.status = 'accepted'
               AND EXISTS (SELECT 1 FROM message f WHERE f.workspace_id = r.workspace_id AND f.id = r.failed
                 AND f.status IN ('failed', 'expired'))",
            values![json!(rest), now, token],
        ),
        events::of_messages(
            "SELECT x.workspace_id, x.id AS message_id, 'message.failed' AS type, p.value ->> '$.event' AS event_id
             FROM json_each(?1) p CROSS JOIN message x ON x.workspace_id = p.value ->> '$.workspace'
               AND x.id = p.value ->> '$.message'
             WHERE x.claim = +?3 AND x.status = 'failed'",
            2,
            values![json!(rest), now, token],
        ),
        events::fan_out(subjects, now),
    ]
}

/// How long a message waits before a channel without credentials is looked at again.
pub const CHANNEL_WAIT_MS: i64 = 60_000;

/// Makes due what waits for a channel's credentials; gives back which, at most a
/// hundred: each brings on what is behind it, and the rest come due by themselves.
pub fn wake(channel: ChannelId, now: Timestamp) -> Statement {
    Statement::new(
        format!(
            "UPDATE message SET due_at = ?2, pushed_at = ?2 WHERE (workspace_id, id) IN (
               SELECT o.workspace_id, o.id FROM (
                 SELECT * FROM message WHERE due_at > ?2 AND due_at <= ?2 + {CHANNEL_WAIT_MS}
                 ORDER BY due_at LIMIT 2000
               ) o
               WHERE o.channel_id = +?1 AND o.status = 'accepted'
                 AND o.error_code IN ('channel_unavailable', 'provider_unauthorized')
               LIMIT 100)
             RETURNING workspace_id AS workspace, id AS message"
        ),
        values![channel, now],
    )
}

/// Stamps messages that are due, first in their conversation and not pushed of
/// late; gives back which, as many of each channel as of the others. Looks at the oldest
/// 2,000 that are due, and at the first of 2,000 conversations, those from `from` on among
/// them: however many wait behind others.
pub fn push_again(now: Timestamp, stale_before: Timestamp, from: &str, limit: i64) -> Statement {
    Statement::new(
        "UPDATE message SET pushed_at = ?1 WHERE (workspace_id, id) IN (
           SELECT o.workspace_id, o.id FROM (
             SELECT * FROM (SELECT * FROM message WHERE due_at <= ?1 ORDER BY due_at LIMIT 2000)
             UNION
             SELECT * FROM (
               WITH RECURSIVE waiting (id) AS (
                 SELECT MIN(conversation_id) FROM message WHERE turn IS NOT NULL
                 UNION
                 SELECT MIN(conversation_id) FROM message WHERE turn IS NOT NULL AND conversation_id >= ?4
                 UNION
                 SELECT (SELECT MIN(n.conversation_id) FROM message n
                   WHERE n.turn IS NOT NULL AND n.conversation_id > w.id)
                 FROM waiting w WHERE w.id IS NOT NULL LIMIT 2000)
               SELECT m.* FROM waiting w CROSS JOIN message m ON m.conversation_id = w.id
                 AND m.turn = (SELECT MIN(f.turn) FROM message f WHERE f.conversation_id = w.id AND f.turn IS NOT NULL)
               WHERE m.due_at <= ?1)
           ) o
           WHERE o.status = 'accepted' AND o.pushed_at <= ?2
             AND NOT EXISTS (SELECT 1 FROM message e
               WHERE e.conversation_id = o.conversation_id AND e.turn < o.turn)
           ORDER BY ROW_NUMBER() OVER (PARTITION BY o.channel_id ORDER BY o.due_at), o.due_at LIMIT +?3)
         RETURNING workspace_id AS workspace, id AS message",
        values![now, stale_before, limit, from],
    )
}
