//! Contacts: making, reading and changing them.

use super::conversations::{bad_cursor, searched_page};
use super::view::KnownContact;
use super::{Error, Gateway, Idempotency, Page, Ports, next};
use crate::channel::ADAPTERS;
use crate::model::access::Key;
use crate::model::contact::{self, ContactRecord, Identity};
use crate::model::id::ContactId;
use crate::model::json;
use crate::model::time::{self, Timestamp};
use crate::store::Rows;
use crate::store::contacts::{self, Change, MOST_IDENTITIES};
use crate::store::search::Needle;
use serde::Deserialize;

/// A contact as a client makes it.
pub struct NewContact {
    pub name: Option<String>,
    /// As the client writes them.
    pub identities: Vec<Identity>,
    /// A JSON object.
    pub metadata: Option<String>,
}

#[derive(Default)]
pub struct ContactPatch {
    /// `Some(None)` takes it away.
    pub name: Option<Option<String>>,
    pub metadata: Option<Option<String>>,
    /// Those to add, as the client writes them.
    pub identities: Vec<Identity>,
}

/// A contact made now, or by the same request before.
pub struct Made {
    pub contact: KnownContact,
    pub is_replay: bool,
}

#[derive(Deserialize)]
struct Earlier {
    subject_id: ContactId,
    fingerprint: String,
    #[serde(deserialize_with = "time::column::deserialize")]
    created_at: Timestamp,
}

#[derive(Deserialize)]
struct Taken {
    at: usize,
}

#[derive(Deserialize)]
struct IdRow {
    id: String,
}

impl<P: Ports> Gateway<P> {
    /// Makes a contact, or finds that the same request made it before.
    ///
    /// `new` may already be a refusal: it stands only where there is nothing to replay.
    pub async fn create_contact(
        &self,
        key: &Key,
        idempotency: &Idempotency,
        new: Result<NewContact, Error>,
    ) -> Result<Made, Error> {
        let now = self.now();
        let workspace = key.workspace_id;
        let scope = idempotency.scope.as_deref();
        let earlier = contacts::earlier(workspace, scope, now);
        let new = match new.and_then(normalised) {
            Ok(new) => new,
            Err(refusal) => {
                let mut rows = self.read(key, vec![earlier]).await?;
                return Err(match next(&mut rows).first::<Earlier>()? {
                    // What is refused made nothing: it is another body.
                    Some(_) => Error::KeyReused,
                    None => refusal,
                });
            }
        };
        let id: ContactId = self.fresh(now);
        let mut batch = contacts::create(
            &contacts::NewContact {
                id,
                workspace_id: workspace,
                name: new.name.as_deref(),
                identities: &new.identities,
                metadata: new.metadata.as_deref(),
                fingerprint: &idempotency.fingerprint,
                scope,
            },
            now,
        );
        batch.push(contacts::get(workspace, id));
        batch.push(earlier);
        batch.push(contacts::taken(workspace, id, &new.identities));
        let written = batch.len() - 3;
        let mut rows = self.batch(batch).await?.into_iter().skip(written);
        let mine: Vec<ContactRecord> = next(&mut rows).records()?;
        let earlier: Option<Earlier> = next(&mut rows).first()?;
        let taken = next(&mut rows);
        if let Some(record) = mine.into_iter().next() {
            return Ok(Made {
                contact: KnownContact::from(record),
                is_replay: false,
            });
        }
        match earlier {
            // The same body makes the first answer again, whatever the contact became.
            Some(first) if first.fingerprint == idempotency.fingerprint => Ok(Made {
                contact: new.made(first.subject_id, first.created_at)?,
                is_replay: true,
            }),
            Some(_) => Err(Error::KeyReused),
            None => Err(anothers(taken)?.unwrap_or(Error::Unavailable)),
        }
    }

    /// A page of contacts, newest first. Cursors are ids.
    pub async fn list_contacts(
        &self,
        key: &Key,
        search: Option<&str>,
        cursor: Option<&str>,
        limit: i64,
    ) -> Result<Page<KnownContact>, Error> {
        if cursor.is_some_and(|cursor| ContactId::parse(cursor).is_none()) {
            return Err(bad_cursor());
        }
        let before = cursor.unwrap_or("g");
        let workspace = key.workspace_id;
        let needle = search.and_then(|search| Needle::of(workspace, search));
        let statement = match &needle {
            None => contacts::list(workspace, before, limit + 1),
            Some(needle) => contacts::search(workspace, needle, before, limit + 1),
        };
        let rows = next(&mut self.read(key, vec![statement]).await?);
        let (found, end): (Vec<ContactRecord>, Option<IdRow>) = searched_page(rows)?;
        Ok(Page::of(found, limit, |record| record.id.to_string())
            .or_scan_end(end.map(|row| row.id))
            .map(KnownContact::from))
    }

    /// A contact, with others that may be the same person: they have its numbers, or what
    /// those are dialled as elsewhere. Of one that was merged, the other.
    pub async fn contact(&self, key: &Key, id: ContactId) -> Result<KnownContact, Error> {
        let mut contact = self.known_contact(key, id).await?;
        let alike: Vec<Identity> = contact.identities.iter().flat_map(contact::alike).collect();
        let mut candidates = vec![];
        if !alike.is_empty() {
            let statement = contacts::candidates(key.workspace_id, contact.id, &alike);
            candidates = next(&mut self.read(key, vec![statement]).await?).records()?;
        }
        contact.match_candidates = Some(candidates);
        Ok(contact)
    }

    /// The same without the candidates.
    pub(super) async fn known_contact(
        &self,
        key: &Key,
        id: ContactId,
    ) -> Result<KnownContact, Error> {
        let statement = contacts::get(key.workspace_id, id);
        let mut rows = self.read(key, vec![statement]).await?;
        shown(next(&mut rows))
    }

    pub async fn patch_contact(
        &self,
        key: &Key,
        mut id: ContactId,
        mut patch: ContactPatch,
    ) -> Result<KnownContact, Error> {
        patch.identities = as_providers_spell(patch.identities)?;
        let workspace = key.workspace_id;
        let change = Change {
            name: patch.name.as_ref().map(Option::as_deref),
            metadata: patch.metadata.as_ref().map(Option::as_deref),
            identities: &patch.identities,
        };
        // Once more where it was merged: the other is meant.
        for _ in 0..2 {
            let mut batch = contacts::update(workspace, id, &change);
            let written = batch.len();
            batch.push(contacts::get(workspace, id));
            batch.push(contacts::taken(workspace, id, &patch.identities));
            let mut rows = self.batch(batch).await?.into_iter();
            let is_changed = !next(&mut rows).0.is_empty();
            let mut rows = rows.skip(written - 1);
            let contact = shown(next(&mut rows))?;
            if is_changed {
                return Ok(contact);
            }
            if contact.id == id {
                return Err(anothers(next(&mut rows))?.unwrap_or_else(|| {
                    let detail =
                        format!("would be more than {MOST_IDENTITIES} with those there are");
                    Error::invalid("/identities", detail)
                }));
            }
            id = contact.id;
        }
        Err(Error::Unavailable)
    }
}

impl NewContact {
    /// The contact that this makes, as it is first shown.
    fn made(self, id: ContactId, created_at: Timestamp) -> Result<KnownContact, Error> {
        let mut identities = self.identities;
        identities.sort_unstable_by(|one, other| {
            let key = |identity: &Identity| (identity.kind.name(), identity.value.clone());
            key(one).cmp(&key(other))
        });
        identities.dedup();
        let metadata = self.metadata.map(|json| json::parse(&json)).transpose();
        Ok(KnownContact::from(ContactRecord {
            id,
            name: self.name,
            identities,
            metadata: metadata.map_err(|_| Error::Internal)?,
            created_at,
        }))
    }
}

fn normalised(new: NewContact) -> Result<NewContact, Error> {
    Ok(NewContact {
        identities: as_providers_spell(new.identities)?,
        ..new
    })
}

/// Identities as the adapters of their kinds spell them.
fn as_providers_spell(identities: Vec<Identity>) -> Result<Vec<Identity>, Error> {
    let spelled = identities.into_iter().enumerate().map(|(at, identity)| {
        let wrong =
            |field: &str, detail: &str| Error::invalid(format!("/identities/{at}/{field}"), detail);
        let adapter = ADAPTERS
            .iter()
            .find(|adapter| adapter.identity_kind() == identity.kind)
            .ok_or_else(|| wrong("kind", "is of no channel that is built"))?;
        let address = adapter
            .recipient(&identity.value)
            .map_err(|invalid| wrong("value", &invalid.detail))?;
        Ok(Identity {
            kind: identity.kind,
            value: address.0,
        })
    });
    spelled.collect()
}

/// The refusal where an identity is another contact's.
fn anothers(taken: Rows) -> Result<Option<Error>, Error> {
    let taken: Option<Taken> = taken.first()?;
    Ok(taken.map(|Taken { at }| Error::Conflict {
        detail: "belongs to another contact",
        pointer: Some(format!("/identities/{at}")),
    }))
}

pub(super) fn shown(rows: Rows) -> Result<KnownContact, Error> {
    let record: Option<ContactRecord> = rows.records()?.into_iter().next();
    Ok(KnownContact::from(
        record.ok_or(Error::not_found("contact"))?,
    ))
}
