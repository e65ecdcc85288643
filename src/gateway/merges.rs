//! Contacts that are one person, and people who are to be forgotten.

use super::contacts::shown;
use super::view::KnownContact;
use super::{DeliveryHint, Error, Gateway, Ports, next, search};
use crate::model::access::Key;
use crate::model::id::{ContactId, EventId, WorkspaceId};
use crate::store::{DatabaseError, Rows, contacts, erasure, merges};
use serde::Deserialize;

#[derive(Deserialize)]
struct State {
    /// 0 or 1.
    is_there: i64,
    merged_into: Option<ContactId>,
    target: Option<ContactId>,
}

#[derive(Deserialize)]
struct Row {
    id: ContactId,
}

impl<P: Ports> Gateway<P> {
    /// Merges a contact into another, which then has all that it had; gives back that one.
    /// A contact that is merged into it already stays so.
    pub async fn merge_contact(
        &self,
        key: &Key,
        id: ContactId,
        into: ContactId,
    ) -> Result<KnownContact, Error> {
        let now = self.now();
        let workspace = key.workspace_id;
        let event: EventId = self.fresh(now);
        let mut batch = merges::merge(workspace, id, into, event, now);
        let told_at = batch.len() - 1;
        batch.push(merges::state(workspace, id, into));
        batch.push(contacts::get(workspace, into));
        batch.push(crate::store::search::unindexed_of(workspace, &[into]));
        let mut rows = self.batch(batch).await?.into_iter().skip(told_at);
        let deliveries: Vec<DeliveryHint> = next(&mut rows).read()?;
        let state: State = next(&mut rows).first()?.ok_or(Error::Internal)?;
        let survivor = next(&mut rows);
        self.index(next(&mut rows)).await?;
        self.push_deliveries(deliveries).await;
        let into_same = || Error::invalid("/into", "is the same contact");
        match state {
            State {
                is_there: 0,
                merged_into: None,
                ..
            } => Err(Error::not_found("contact")),
            State { target: None, .. } => Err(Error::NotFound {
                what: "contact",
                pointer: Some("/into".to_owned()),
            }),
            _ if id == into => Err(into_same()),
            State {
                merged_into,
                target,
                ..
            } if merged_into == target => shown(survivor),
            State {
                merged_into: None, ..
            } => Err(into_same()),
            State { .. } => Err(Error::Conflict {
                detail: "The contact was merged into another one.",
                pointer: None,
            }),
        }
    }

    /// Takes the last merge of a contact back; gives back the contact.
    pub async fn unmerge_contact(&self, key: &Key, id: ContactId) -> Result<KnownContact, Error> {
        let workspace = key.workspace_id;
        let read = vec![merges::last(workspace, id)];
        let into: Option<Row> = next(&mut self.read(key, read).await?).first()?;
        let Some(into) = into else {
            self.known_contact(key, id).await?;
            return Err(Error::Conflict {
                detail: "The contact was not merged.",
                pointer: None,
            });
        };
        let mut batch = merges::unmerge(workspace, id, self.now());
        let written = batch.len();
        batch.push(contacts::get(workspace, id));
        batch.push(crate::store::search::unindexed_of(
            workspace,
            &[id, into.id],
        ));
        let mut rows = self.batch(batch).await?.into_iter().skip(written);
        let contact = shown(next(&mut rows))?;
        self.index(next(&mut rows)).await?;
        Ok(contact)
    }

    /// Erases a contact and all that is kept of the person; what was written goes within
    /// some runs of the sweep.
    pub async fn erase_contact(&self, key: &Key, id: ContactId) -> Result<(), Error> {
        let id = self.known_contact(key, id).await?.id;
        let rows = self.batch(erasure::erase(key.workspace_id, id, self.now()));
        match rows.await?.pop() {
            Some(erased) if !erased.0.is_empty() => Ok(()),
            // It was merged meanwhile.
            _ => Err(Error::Unavailable),
        }
    }

    /// Goes on with erasing the contacts that `erasure::unfinished` gave.
    pub(super) async fn erase_on(&self, rows: Rows) -> Result<(), DatabaseError> {
        #[derive(Deserialize)]
        struct Unfinished {
            workspace_id: WorkspaceId,
            contact_id: ContactId,
        }
        for of in rows.read::<Unfinished>()? {
            let mut batch = erasure::portion(of.workspace_id, of.contact_id, self.now());
            batch.push(erasure::finish(of.workspace_id, of.contact_id));
            self.batch(batch).await?;
        }
        Ok(())
    }

    /// Has contacts found by what they are known as now. If it fails, the sweep does it.
    async fn index(&self, unindexed: Rows) -> Result<(), Error> {
        let statements = search::index(unindexed)?;
        if !statements.is_empty() {
            self.batch(statements).await?;
        }
        Ok(())
    }
}
