//! `/v1/api-keys`: a workspace's own keys.

use super::super::page::{Listed, Paging};
use super::{Answer, Call, body, id, json_response, wire};
use crate::api::no_content;
use crate::gateway::{Gateway, Ports};
use crate::model::access::{Key, Scope};
use crate::model::id::KeyId;
use http::StatusCode;

#[derive(Clone, Copy, Debug)]
pub enum Action {
    Create,
    List,
    Revoke,
}

impl Action {
    pub fn scope(self) -> Scope {
        match self {
            Action::List => Scope::KeysRead,
            Action::Create | Action::Revoke => Scope::KeysWrite,
        }
    }
}

pub async fn handle<P: Ports>(
    gateway: &Gateway<P>,
    action: Action,
    call: &Call<'_>,
    key: &Key,
) -> Answer {
    match action {
        Action::Create => {
            let new: wire::NewKey = body(call)?;
            let issued = gateway.issue_own_key(key, new.into()).await?;
            Ok(json_response(
                StatusCode::CREATED,
                &wire::IssuedKey::from(issued),
            ))
        }
        Action::List => {
            let paging = Paging::of(call)?;
            let after = paging.after(KeyId::parse)?;
            let page = gateway.list_keys(key, after, paging.limit).await?;
            Ok(json_response(StatusCode::OK, &Listed::from(page)))
        }
        Action::Revoke => {
            let revoked = id(call, KeyId::parse, "API key")?;
            gateway.revoke_key(key, revoked).await?;
            Ok(no_content())
        }
    }
}
