//! Contacts, as made, read and changed by clients.

use super::inbound::Receiver;
use super::search::{self, LONG_GRAM, Line, Needle};
use super::{SCAN, Statement, keys, merges, values};
use crate::model::contact::Identity;
use crate::model::id::{ContactId, WorkspaceId};
use crate::model::time::{DAY_MS, Timestamp};
use serde_json::json;

/// Most identities of a contact.
pub const MOST_IDENTITIES: i64 = 20;

pub struct NewContact<'a> {
    pub id: ContactId,
    pub workspace_id: WorkspaceId,
    pub name: Option<&'a str>,
    pub identities: &'a [Identity],
    pub metadata: Option<&'a str>,
    pub fingerprint: &'a str,
    /// Method, path and idempotency key.
    pub scope: Option<&'a str>,
}

impl NewContact<'_> {
    fn line(&self) -> Line {
        line(self.workspace_id, self.name, self.identities)
    }
}

fn line(workspace: WorkspaceId, name: Option<&str>, identities: &[Identity]) -> Line {
    let identities = identities.iter();
    let identities = identities.map(|identity| (identity.kind.name(), identity.value.as_str()));
    Line::of(workspace, name, identities)
}

/// Makes a contact, unless one of the identities (bound as `?n`) is somebody's or the key
/// was used. All that follows hangs on its row.
pub fn create(new: &NewContact<'_>, now: Timestamp) -> Vec<Statement> {
    let identities = json!(new.identities);
    let living_days = keys::living_days("?7");
    let mut statements = vec![
        Statement::new(
            format!(
                "INSERT INTO contact (workspace_id, id, name, folded, grams, metadata, created_at)
                 SELECT ?1, ?2, ?3, ?4, {LONG_GRAM}, ?5, ?7
                 WHERE NOT EXISTS (
                   SELECT 1 FROM json_each(?6) n
                   CROSS JOIN identity i ON i.workspace_id = +?1 AND i.kind = n.value ->> '$.kind'
                     AND i.value = n.value ->> '$.value')
                 AND (?8 IS NULL OR NOT EXISTS (
                   SELECT 1 FROM idempotency d
                   WHERE {living_days} AND d.workspace_id = +?1 AND d.scope = +?8 AND d.created_at > ?7 - {DAY_MS}))
                 ON CONFLICT DO NOTHING"
            ),
            values![
                new.workspace_id,
                new.id,
                new.name,
                search::fold(new.name.unwrap_or("")),
                new.metadata,
                identities.clone(),
                now,
                new.scope,
            ],
        ),
        know(new.workspace_id, new.id, &identities),
        search::found_by(new.workspace_id, new.id, &new.line()),
    ];
    if let Some(scope) = new.scope {
        statements.push(Statement::new(
            format!(
                "INSERT INTO idempotency (day, workspace_id, scope, fingerprint, subject_id, created_at)
                 SELECT CAST(?5 / {DAY_MS} AS INTEGER), workspace_id, ?3, ?4, id, ?5 FROM contact
                 WHERE workspace_id = +?1 AND id = +?2
                 ON CONFLICT DO NOTHING"
            ),
            values![new.workspace_id, new.id, scope, new.fingerprint, now],
        ));
    }
    statements
}

/// Adds identities to a contact that is there, where they are nobody's.
fn know(workspace: WorkspaceId, contact: ContactId, identities: &serde_json::Value) -> Statement {
    Statement::new(
        "INSERT INTO identity (workspace_id, kind, value, contact_id)
         SELECT p.workspace_id, n.value ->> '$.kind', n.value ->> '$.value', p.id
         FROM contact p CROSS JOIN json_each(?3) n
         WHERE p.workspace_id = +?1 AND p.id = +?2
         ON CONFLICT DO NOTHING",
        values![workspace, contact, identities.clone()],
    )
}

/// What a client's key made, as `{subject_id, fingerprint, created_at}`.
pub fn earlier(workspace: WorkspaceId, scope: Option<&str>, now: Timestamp) -> Statement {
    let living_days = keys::living_days("?3");
    Statement::new(
        format!(
            "SELECT d.subject_id, d.fingerprint, d.created_at FROM idempotency d
             WHERE {living_days} AND d.workspace_id = +?1 AND d.scope = +?2 AND d.created_at > ?3 - {DAY_MS}"
        ),
        values![workspace, scope, now],
    )
}

/// Which of the identities, by their place, are another contact's.
pub fn taken(workspace: WorkspaceId, contact: ContactId, identities: &[Identity]) -> Statement {
    Statement::new(
        "SELECT n.key AS at FROM json_each(?3) n
         CROSS JOIN identity i ON i.workspace_id = +?1 AND i.kind = n.value ->> '$.kind'
           AND i.value = n.value ->> '$.value'
         WHERE i.contact_id <> ?2 ORDER BY n.key",
        values![workspace, contact, json!(identities)],
    )
}

/// A contact, as `ContactRecord`; of one that was merged, the other.
pub fn get(workspace: WorkspaceId, id: ContactId) -> Statement {
    let id_now = merges::surviving("+?1", "+?2");
    Statement::new(
        format!("SELECT record FROM contact_record WHERE workspace_id = +?1 AND id = {id_now}"),
        values![workspace, id],
    )
}

/// Other contacts that have one of these identities, with the one they have: each as the API
/// shows it.
pub fn candidates(workspace: WorkspaceId, id: ContactId, identities: &[Identity]) -> Statement {
    Statement::new(
        "SELECT json_object('contactId', p.id, 'name', p.name,
           'identity', json_object('kind', i.kind, 'value', i.value)) AS record
         FROM json_each(?3) n
         CROSS JOIN identity i ON i.workspace_id = +?1 AND i.kind = n.value ->> '$.kind'
           AND i.value = n.value ->> '$.value'
         CROSS JOIN contact p ON p.workspace_id = i.workspace_id AND p.id = i.contact_id
         WHERE p.id <> ?2 GROUP BY i.kind, i.value ORDER BY MIN(n.key)",
        values![workspace, id, json!(identities)],
    )
}

/// What a change may set; `None` leaves it as it is.
pub struct Change<'a> {
    /// `Some(None)` takes it away.
    pub name: Option<Option<&'a str>>,
    pub metadata: Option<Option<&'a str>>,
    /// Those to add.
    pub identities: &'a [Identity],
}

/// Whether the identities bound as `?3` may be those of the contact `?2` of the workspace
/// `?1`: none is another's, and they are not too many.
fn may_have() -> String {
    format!(
        "NOT EXISTS (
           SELECT 1 FROM json_each(?3) o
           CROSS JOIN identity i ON i.workspace_id = +?1 AND i.kind = o.value ->> '$.kind'
             AND i.value = o.value ->> '$.value'
           WHERE i.contact_id <> ?2)
         AND (json_array_length(?3) = 0 OR {MOST_IDENTITIES} >= (SELECT COUNT(*) FROM (
           SELECT i.kind, i.value FROM identity i WHERE i.workspace_id = +?1 AND i.contact_id = +?2
           UNION SELECT o.value ->> '$.kind', o.value ->> '$.value' FROM json_each(?3) o)))"
    )
}

/// Changes a contact: all or, where an identity is another's or there are too many, nothing.
/// The first statement gives back its id if it is changed.
pub fn update(workspace: WorkspaceId, id: ContactId, change: &Change<'_>) -> Vec<Statement> {
    let identities = json!(change.identities);
    let may_have = may_have();
    let name = change.name.flatten();
    let mut statements = vec![
        Statement::new(
            format!(
                "UPDATE contact SET
                   name = CASE WHEN ?4 THEN ?5 ELSE name END,
                   folded = CASE WHEN ?4 THEN ?6 ELSE folded END,
                   metadata = CASE WHEN ?7 THEN ?8 ELSE metadata END
                 WHERE workspace_id = +?1 AND id = +?2 AND {may_have}
                 RETURNING id"
            ),
            values![
                workspace,
                id,
                identities.clone(),
                change.name.is_some(),
                name,
                search::fold(name.unwrap_or("")),
                change.metadata.is_some(),
                change.metadata.flatten(),
            ],
        ),
        Statement::new(
            format!(
                "INSERT INTO identity (workspace_id, kind, value, contact_id)
                 SELECT p.workspace_id, n.value ->> '$.kind', n.value ->> '$.value', p.id
                 FROM contact p CROSS JOIN json_each(?3) n
                 WHERE p.workspace_id = +?1 AND p.id = +?2 AND {may_have}
                 ON CONFLICT DO NOTHING"
            ),
            values![workspace, id, identities],
        ),
    ];
    for identity in change.identities {
        let line = line(workspace, None, std::slice::from_ref(identity));
        let mut values = values![line.id, line.grams, workspace, id];
        values.extend(values![identity.kind.name(), identity.value.as_str()]);
        statements.push(Statement::new(
            search::insert(
                "i.contact_id",
                "FROM identity i WHERE i.workspace_id = +?3 AND i.contact_id = +?4 AND i.kind = +?5 AND i.value = +?6",
            ),
            values,
        ));
    }
    if let Some(name) = name {
        // The contact's own id stands for the identities it has.
        let own = id.to_string();
        let known_as = [("contact", own.as_str())];
        let line = Line::of(workspace, Some(name), known_as.into_iter());
        statements.push(Statement::new(
            search::insert(
                "p.id",
                "FROM contact p WHERE p.workspace_id = +?3 AND p.id = +?4 AND p.name = +?5",
            ),
            values![line.id, line.grams, workspace, id, name],
        ));
    }
    statements
}

/// People have other numbers now: each is theirs, beside what they are known as, unless it is
/// somebody's already. Given as the number and what its owner is known as, one or more.
pub fn numbers_changed(
    receiver: Receiver,
    kind: &str,
    changes: &[(String, Vec<String>)],
) -> [Statement; 2] {
    let workspace = receiver.workspace_id;
    let json: serde_json::Value = changes
        .iter()
        .map(|(number, known_as)| {
            let line = Line::of(workspace, None, [(kind, number.as_str())].into_iter());
            json!({ "number": number, "knownAs": known_as, "line": line })
        })
        .collect();
    [
        Statement::new(
            format!(
                "INSERT INTO identity (workspace_id, kind, value, contact_id)
                 SELECT i.workspace_id, i.kind, p.value ->> '$.number', i.contact_id
                 FROM json_each(?3) p CROSS JOIN json_each(p.value, '$.knownAs') n
                 CROSS JOIN identity i ON i.workspace_id = +?1 AND i.kind = +?4 AND i.value = n.value
                 WHERE {}
                 ON CONFLICT DO NOTHING",
                receiver.is_current()
            ),
            values![workspace, receiver.channel_id, json.clone(), kind],
        ),
        Statement::new(
            search::insert_as(
                "p.value ->> '$.line.id'",
                "p.value ->> '$.line.grams'",
                "i.contact_id",
                "FROM json_each(?2) p CROSS JOIN identity i ON i.workspace_id = +?1 AND i.kind = +?3
                   AND i.value = p.value ->> '$.number' WHERE true",
            ),
            values![workspace, json, kind],
        ),
    ]
}

/// A page of contacts before an id, newest first.
pub fn list(workspace: WorkspaceId, before: &str, limit: i64) -> Statement {
    Statement::new(
        "SELECT r.record FROM (
           SELECT workspace_id, id FROM contact WHERE workspace_id = +?1 AND id < ?2
           ORDER BY id DESC LIMIT +?3
         ) page CROSS JOIN contact_record r ON r.workspace_id = page.workspace_id AND r.id = page.id
         ORDER BY page.id DESC",
        values![workspace, before, limit],
    )
}

/// A page of contacts that are searched for, before an id, newest first: of those that up to
/// `SCAN` rows nominate, and, where more do, among the next `SCAN` contacts. Columns `id` and
/// `record`; without a record, and last, the last contact that was looked at, if there are as many.
pub fn search(workspace: WorkspaceId, needle: &Needle, before: &str, limit: i64) -> Statement {
    let (hits, nominees) = (search::hits(SCAN), search::NOMINEES);
    let (scan, end) = (search::if_crowd(&SCAN.to_string()), search::if_crowd("1"));
    let [is_found, is_met] = ["p", "l"].map(Needle::is_found);
    let mut values = values![workspace, before, limit];
    // Where the other lists bind their filters.
    values.extend([super::Value::Null, super::Value::Null, super::Value::Null]);
    values.extend(needle.values());
    Statement::new(
        format!(
            "WITH {hits}
             SELECT page.id AS id, r.record AS record, 0 AS is_end FROM (
               SELECT p.workspace_id, p.id FROM ({nominees}) n
               CROSS JOIN contact p ON p.workspace_id = +?1 AND p.id = n.contact_id AND p.id < ?2
               WHERE {is_found}
               UNION ALL
               SELECT l.workspace_id, l.id FROM (
                 SELECT workspace_id, id, name, folded FROM contact WHERE workspace_id = +?1 AND id < ?2
                 ORDER BY id DESC {scan}) l
               WHERE {is_met}
               ORDER BY id DESC LIMIT +?3
             ) page CROSS JOIN contact_record r ON r.workspace_id = page.workspace_id AND r.id = page.id
             UNION ALL
             SELECT id, NULL, 1 FROM (
               SELECT id FROM contact WHERE workspace_id = +?1 AND id < ?2
               ORDER BY id DESC {end} OFFSET {SCAN} - 1)
             ORDER BY is_end, id DESC"
        ),
        values,
    )
}
