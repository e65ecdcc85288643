//! Taking messages to send them: in turn, late and few, and no faster than their providers
//! take them.

use super::outbox::{CANDIDATES, Candidates, claimed};
use super::{Rows, Statement, values};
use crate::model::channel::Rate;
use crate::model::id::{ChannelId, ConversationId, MessageId, WorkspaceId};
use crate::model::time::Timestamp;
use serde::Serialize;
use serde_json::{Value as Json, json};

/// What is to be taken, and by whom.
#[derive(Clone, Debug)]
pub struct Claim<'a> {
    pub candidates: &'a Candidates,
    pub token: &'a str,
    pub now: Timestamp,
    /// What may go by then is waited for; what may not is due when it may.
    pub patience: Timestamp,
    pub lease_ms: i64,
    /// How many at most.
    pub free: usize,
    /// By type of channel, as `Pacing` is written.
    pub rates: &'a Json,
}

/// A sender may be so far ahead of its rate.
const SENDER_SLACK_US: i64 = 200_000;

/// Candidates that are first in their conversation and due by `?5`, each with the moment
/// `at` from which it may be sent.
///
/// GCRA: a sender's next message may go at `paced_until` less the slack, and moves
/// `paced_until` on by its own `charge`. Several of a sender stand in a row. Whoever was
/// given a moment keeps it (`slot_at`, or `?7` in a consumer's memory) and is not charged
/// again. A recipient's rate is looked at first, for what waits for it needs no moment of the
/// sender's; a sign costs the recipient nothing. What will not be sent, being too late or
/// without a channel, waits for nothing.
fn paced() -> String {
    format!(
        "SELECT workspace_id, id, channel_id, due_at, charge, is_paid OR is_placed AS is_paid,
           MIN(COALESCE(expires_at, 1e15), CASE WHEN is_placed THEN MAX(ready_at, CAST((base - charge - slack + 999
             + SUM(charge) OVER (PARTITION BY channel_id ORDER BY due_at, id ROWS UNBOUNDED PRECEDING)) / 1000.0
             AS INTEGER)) ELSE ready_at END) AS at
         FROM (SELECT *, MAX(0, {SENDER_SLACK_US} - cost) AS slack,
             NOT is_free AND NOT is_paid AND ready_at <= ?4 AS is_placed,
             CASE WHEN is_free OR is_paid OR ready_at > ?4 THEN 0 ELSE cost END AS charge
           FROM (SELECT *, MAX(due_at, CASE WHEN is_free OR is_sign THEN 0
               ELSE CAST((chat_until + 999) / 1000.0 AS INTEGER) END) AS ready_at
             FROM (SELECT DISTINCT m.workspace_id, m.id, m.channel_id, m.due_at, m.expires_at,
                 COALESCE(m.expires_at <= ?4, 0) OR h.status <> 'connected' OR h.deleted_at IS NOT NULL AS is_free,
                 h.held_until <= ?4 AND (m.slot_at IS m.due_at
                   OR m.id IN (SELECT value FROM json_each(?7))) AS is_paid,
                 m.content ->> '$.type' IN ('reaction', 'markSeen', 'typing') AS is_sign,
                 CASE WHEN h.paced_by IS +?3 THEN h.paced_from ELSE MAX(?4 * 1000, h.paced_until) END AS base,
                 MAX(COALESCE(1000000 / (h.settings ->> '$.messagesPerSecond'), p.value ->> '$.senderUs'),
                   CASE WHEN m.content ->> '$.type' IN ('audio', 'video') THEN p.value ->> '$.mediaUs' ELSE 0 END) AS cost,
                 c.paced_until - (p.value ->> {chat} ->> '$.slackUs') AS chat_until
               FROM ({CANDIDATES}) m
               CROSS JOIN conversation c ON c.workspace_id = m.workspace_id AND c.id = m.conversation_id
               CROSS JOIN channel h ON h.id = m.channel_id
               CROSS JOIN json_each(?6) p ON p.key = h.type
               WHERE m.status = 'accepted' AND m.due_at <= ?5
                 AND NOT EXISTS (SELECT 1 FROM message e
                   WHERE e.conversation_id = m.conversation_id AND e.turn < m.turn))))",
        chat = chat(),
    )
}

/// Whether an address has the rate of groups; see `Pacing::to`.
fn is_group(address: &str) -> String {
    format!("substr({address}, 1, 1) IN ('-', '@')")
}

/// Which rate a recipient has.
fn chat() -> String {
    format!(
        "CASE WHEN {} THEN '$.group' ELSE '$.chat' END",
        is_group("c.address")
    )
}

/// What a claim's statements give back.
#[derive(Default)]
pub struct Claimed {
    /// Every candidate that is in turn, with the moment from which it may go; also those that
    /// an earlier run under the same token made due then.
    pub waiting: Rows,
    /// The jobs that were taken.
    pub jobs: Rows,
}

impl Claimed {
    /// How many statements a claim is.
    pub const STATEMENTS: usize = 5;

    /// Reads the rows of a claim that begins at a statement of a batch.
    #[must_use]
    pub fn at(rows: &mut [Rows], start: usize) -> Self {
        let mut take = |at: usize| rows.get_mut(at).map(std::mem::take).unwrap_or_default();
        Self {
            waiting: take(start + 1),
            jobs: take(start + Self::STATEMENTS - 1),
        }
    }
}

/// Takes messages that may go now; run again under the same token, none but those.
///
/// What may not go until after `patience` becomes due when it may, so that no other hint
/// brings it back before.
pub fn claim(claim: &Claim<'_>) -> Vec<Statement> {
    let candidates = claim.candidates;
    let paced = paced();
    let mut shared = values![
        candidates.messages(),
        candidates.conversations(),
        claim.token,
        claim.now,
        claim.patience,
        claim.rates.clone(),
        candidates.paid(),
    ];
    let pace_senders = Statement::new(
        format!(
            "UPDATE channel SET paced_from = MAX(?4 * 1000, paced_until),
               paced_until = MAX(?4 * 1000, paced_until) + y.charge, paced_by = ?3
             FROM (SELECT channel_id, SUM(charge) AS charge FROM ({paced})
               GROUP BY channel_id HAVING SUM(charge) > 0 LIMIT 1000000) y
             WHERE channel.id = y.channel_id AND channel.paced_by IS NOT ?3"
        ),
        shared.clone(),
    );
    let waiting = Statement::new(
        format!(
            "SELECT workspace_id AS workspace, id AS message, at, is_paid FROM ({paced})
             UNION ALL
             SELECT DISTINCT m.workspace_id, m.id, m.due_at, 1 FROM ({CANDIDATES}) m
             WHERE m.claim = +?3 AND m.status = 'accepted' AND m.due_at > ?5"
        ),
        shared.clone(),
    );
    shared.extend(values![claim.lease_ms, claim.free as i64]);
    // Only what was claimed by its own batch is `sending` since the very moment it was made: by
    // this it is known for ever (see `FIRST_ATTEMPT`).
    let take = Statement::new(
        format!(
            "UPDATE message SET claim = ?3, attempt = attempt + (y.at <= ?4),
               status = CASE WHEN y.at <= ?4 THEN 'sending' ELSE status END,
               lease_until = CASE WHEN y.at <= ?4 THEN ?4 + ?8 END,
               sending_at = CASE WHEN y.at <= ?4 THEN COALESCE(sending_at, MAX(?4, created_at + 1)) ELSE sending_at END,
               due_at = CASE WHEN y.at <= ?4 THEN due_at ELSE y.at END,
               slot_at = CASE WHEN y.at > ?4 AND y.is_paid THEN y.at ELSE slot_at END
             FROM (SELECT workspace_id, id, at, is_paid,
                 ROW_NUMBER() OVER (ORDER BY at > ?4, due_at, id) AS place,
                 EXISTS (SELECT 1 FROM ({CANDIDATES}) m WHERE m.claim = +?3 AND m.status = 'sending') AS is_repeat
               FROM ({paced}) LIMIT 1000000) y
             WHERE message.workspace_id = y.workspace_id AND message.id = y.id AND message.status = 'accepted'
               AND (y.at > ?5 OR y.at <= ?4 AND y.place <= ?9 AND NOT y.is_repeat)"
        ),
        shared,
    );
    let pace_recipients = Statement::new(
        format!(
            "UPDATE conversation SET paced_by = ?3, paced_until = MAX(?4 * 1000, paced_until) + y.every
             FROM (SELECT c.workspace_id, c.id, p.value ->> {chat} ->> '$.everyUs' AS every
               FROM ({CANDIDATES}) m
               CROSS JOIN conversation c ON c.workspace_id = m.workspace_id AND c.id = m.conversation_id
               CROSS JOIN channel h ON h.id = m.channel_id
               CROSS JOIN json_each(?5) p ON p.key = h.type
               WHERE m.claim = +?3 AND m.status = 'sending'
                 AND m.content ->> '$.type' NOT IN ('reaction', 'markSeen', 'typing')
               LIMIT 1000000) y
             WHERE conversation.workspace_id = y.workspace_id AND conversation.id = y.id
               AND y.every > 0 AND conversation.paced_by IS NOT ?3",
            chat = chat()
        ),
        values![
            candidates.messages(),
            candidates.conversations(),
            claim.token,
            claim.now,
            claim.rates.clone(),
        ],
    );
    vec![
        pace_senders,
        waiting,
        take,
        pace_recipients,
        claimed(candidates, claim.token),
    ]
}

/// A claim of a message in the batch that accepts it, by the rates that `paced` keeps. What may
/// not go at once is left as any other.
#[derive(Clone, Debug)]
pub struct OwnClaim {
    pub token: String,
    pub lease_ms: i64,
    /// Microseconds that the message takes of its sender's rate.
    pub cost_us: i64,
    /// The rates of recipients, and of groups; none for a sign, which costs them nothing.
    pub rates: Option<(Rate, Rate)>,
}

impl OwnClaim {
    /// How far ahead of its rate the sender may be.
    pub(super) fn sender_slack_us(&self) -> i64 {
        (SENDER_SLACK_US - self.cost_us).max(0)
    }

    /// What is read of the rate of an address; 0 where none is kept.
    pub(super) fn of_rate(&self, address: &str, read: impl Fn(Rate) -> i64) -> String {
        match self.rates.map(|(chat, group)| (read(chat), read(group))) {
            None => "0".to_owned(),
            Some((chat, group)) if chat == group => chat.to_string(),
            Some((chat, group)) => {
                format!(
                    "CASE WHEN {} THEN {group} ELSE {chat} END",
                    is_group(address)
                )
            }
        }
    }

    /// Whether its recipient is to be paced.
    pub(super) fn paces_recipient(&self) -> bool {
        let rates = self.rates.map(|(chat, group)| [chat, group]);
        rates.is_some_and(|rates| rates.iter().any(|rate| rate.every_us > 0))
    }

    /// Moves the sender on, if the message was claimed.
    pub(super) fn pace_sender(
        &self,
        workspace: WorkspaceId,
        message: MessageId,
        now: Timestamp,
    ) -> Option<Statement> {
        let statement = Statement::new(
            "UPDATE channel SET paced_from = MAX(?3 * 1000, paced_until),
               paced_until = MAX(?3 * 1000, paced_until) + ?4, paced_by = ?5
             FROM (SELECT channel_id FROM message
                   WHERE workspace_id = +?1 AND id = +?2 AND claim = +?5 AND status = 'sending' LIMIT 1) y
             WHERE channel.id = y.channel_id AND channel.paced_by IS NOT ?5",
            values![workspace, message, now, self.cost_us, self.token.as_str()],
        );
        (self.cost_us > 0).then_some(statement)
    }
}

/// A provider's throttle of a sender, or of one of its recipients.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Throttle {
    Sender {
        workspace: WorkspaceId,
        channel: ChannelId,
        until: i64,
    },
    Recipient {
        workspace: WorkspaceId,
        conversation: ConversationId,
        until: i64,
        /// As its rate has it: what follows the wait is no burst.
        slack_us: i64,
    },
}

/// Has others wait as long as the one that the provider throttled.
pub fn hold(throttles: &[Throttle]) -> Vec<Statement> {
    let throttles = json!(throttles);
    vec![
        Statement::new(
            format!(
                "UPDATE channel SET held_until = y.until,
                   paced_until = MAX(paced_until, y.until * 1000 + {SENDER_SLACK_US})
                 FROM (SELECT value ->> '$.workspace' AS workspace_id, value ->> '$.channel' AS id,
                     MAX(value ->> '$.until') AS until FROM json_each(?1)
                   WHERE value ->> '$.channel' IS NOT NULL GROUP BY 1, 2 LIMIT 1000000) y
                 WHERE channel.workspace_id = y.workspace_id AND channel.id = y.id AND channel.held_until < y.until"
            ),
            values![throttles.clone()],
        ),
        Statement::new(
            "UPDATE conversation SET paced_until = y.until
             FROM (SELECT value ->> '$.workspace' AS workspace_id, value ->> '$.conversation' AS id,
                 (value ->> '$.until') * 1000 + (value ->> '$.slack_us') AS until FROM json_each(?1)
               WHERE value ->> '$.conversation' IS NOT NULL LIMIT 1000000) y
             WHERE conversation.workspace_id = y.workspace_id AND conversation.id = y.id
               AND conversation.paced_until < y.until",
            values![throttles],
        ),
    ]
}
