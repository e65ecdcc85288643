//! `/v1/contacts`.

use super::super::page::{Listed, Paging};
use super::{Answer, Call, id, json_response, parse, wire};
use crate::api::sending::marked;
use crate::api::{auth, no_content};
use crate::gateway::{Gateway, Idempotency, Ports};
use crate::model::access::{Key, Scope};
use crate::model::id::ContactId;
use http::StatusCode;

#[derive(Clone, Copy, Debug)]
pub enum Action {
    Create,
    List,
    Show,
    Patch,
    Delete,
    Merge,
    Unmerge,
}

impl Action {
    pub fn scope(self) -> Scope {
        match self {
            Action::List | Action::Show => Scope::ContactsRead,
            Action::Create | Action::Patch | Action::Delete | Action::Merge | Action::Unmerge => {
                Scope::ContactsWrite
            }
        }
    }
}

pub async fn handle<P: Ports>(
    gateway: &Gateway<P>,
    action: Action,
    call: &Call<'_>,
    key: &Key,
) -> Answer {
    let contact = || id(call, ContactId::parse, "contact");
    let contact = match action {
        Action::Create => return create(gateway, call, key).await,
        Action::List => {
            let paging = Paging::of(call)?;
            let search = call.query("search");
            let cursor = paging.cursor.as_deref();
            let page = gateway
                .list_contacts(key, search.as_deref(), cursor, paging.limit)
                .await?;
            return Ok(json_response(StatusCode::OK, &Listed::from(page)));
        }
        Action::Show => gateway.contact(key, contact()?).await?,
        Action::Patch => {
            let patch = wire::patch_contact(parse(call)?)?;
            gateway.patch_contact(key, contact()?, patch).await?
        }
        Action::Delete => {
            gateway.erase_contact(key, contact()?).await?;
            return Ok(no_content());
        }
        Action::Merge => {
            let into = wire::merge_contact(parse(call)?)?;
            gateway.merge_contact(key, contact()?, into).await?
        }
        Action::Unmerge => gateway.unmerge_contact(key, contact()?).await?,
    };
    Ok(json_response(StatusCode::OK, &contact))
}

async fn create<P: Ports>(gateway: &Gateway<P>, call: &Call<'_>, key: &Key) -> Answer {
    let json = parse(call)?;
    let idempotency_key = auth::idempotency_key(call.request.headers())?;
    let idempotency = Idempotency {
        scope: idempotency_key.map(|key| format!("POST /v1/contacts {key}")),
        client_message_id: None,
        fingerprint: auth::fingerprint(&json),
    };
    let new = wire::new_contact(json);
    let made = gateway.create_contact(key, &idempotency, new).await?;
    let response = json_response(StatusCode::CREATED, &made.contact);
    Ok(marked(response, made.is_replay))
}
