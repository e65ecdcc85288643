//! Putting contacts into the search index that were written without it, or before it was what it
//! is now.

use crate::model::contact::ContactRecord;
use crate::model::id::WorkspaceId;
use crate::store::search::{self, Line};
use crate::store::{self, DatabaseError, Rows, Statement};
use serde::Deserialize;

/// What indexes the contacts that `search::unindexed` gave.
pub(super) fn index(rows: Rows) -> Result<Vec<Statement>, DatabaseError> {
    #[derive(Deserialize)]
    struct Row {
        workspace_id: WorkspaceId,
        record: String,
    }
    let mut statements = vec![];
    for row in rows.read::<Row>()? {
        let contact: ContactRecord = store::record(&row.record)?;
        let identities = contact.identities.iter();
        let known_as = identities.map(|known| (known.kind.name(), known.value.as_str()));
        let name = contact.name.as_deref();
        let line = Line::of(row.workspace_id, name, known_as);
        statements.push(search::found_by(row.workspace_id, contact.id, &line));
        statements.push(search::note_indexed(row.workspace_id, contact.id, name));
    }
    Ok(statements)
}
