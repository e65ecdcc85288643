//! What happened how often, and what waits: for operators, over all workspaces.

use super::{Statement, values};
use crate::model::id::{MessageId, WorkspaceId};
use crate::model::time::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;

/// How often each happened, by name and label.
pub type Counts = BTreeMap<(&'static str, String), i64>;

/// Counts one more.
pub fn count(counts: &mut Counts, name: &'static str, label: &str) {
    *counts.entry((name, label.to_owned())).or_default() += 1;
}

/// Most rows that are counted of what waits: a longer queue shows as this many.
pub const MOST_COUNTED: i64 = 10_000;

/// Adds to the totals. `token` is the batch's own.
pub fn add(counts: &Counts, token: &str) -> Statement {
    add_if("true", counts, token)
}

/// The same, if the batch changed a message under its token.
pub(super) fn add_for(of: (WorkspaceId, MessageId), counts: &Counts, token: &str) -> Statement {
    let is_changed = "EXISTS (SELECT 1 FROM message x WHERE x.workspace_id = +?3 AND x.id = +?4 AND x.claim = +?2)";
    let mut added = add_if(is_changed, counts, token);
    added.values.extend(values![of.0, of.1]);
    added
}

fn add_if(condition: &str, counts: &Counts, token: &str) -> Statement {
    let counts: serde_json::Value = counts
        .iter()
        .map(|((name, label), count)| json!([name, label, count]))
        .collect();
    Statement::new(
        format!(
            "INSERT INTO counter (name, label, value, token)
             SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), ?2
             FROM json_each(?1) WHERE {condition}
             ON CONFLICT (name, label) DO UPDATE SET value = counter.value + excluded.value, token = excluded.token
             WHERE counter.token <> excluded.token"
        ),
        values![counts, token],
    )
}

/// The totals: `name`, `label`, `value`. They are few: one for each few words of ours.
pub fn totals() -> Statement {
    Statement::new(
        "SELECT name, label, value FROM counter ORDER BY name, label LIMIT 1000",
        vec![],
    )
}

/// What is due and has not ended: `messages`, `deliveries`, and since when the oldest of each is.
pub fn waiting(now: Timestamp) -> Statement {
    let due = |table: &str| {
        format!(
            "(SELECT COUNT(*) FROM (SELECT 1 FROM {table} WHERE due_at <= ?1 LIMIT {MOST_COUNTED})) AS {table},
             (SELECT MIN(due_at) FROM {table} WHERE due_at IS NOT NULL) AS {table}_due_at"
        )
    };
    Statement::new(
        format!("SELECT {}, {}", due("message"), due("delivery")),
        values![now],
    )
}
