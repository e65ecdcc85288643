//! `/v1/workspaces` and `/metrics`: the administrator's, with `ADMIN_TOKEN`.

use super::super::page::{Listed, Paging};
use super::{Answer, Call, auth, body, id, json_response, wire};
use crate::api::no_content;
use crate::gateway::{Error, Gateway, Ports};
use crate::model::id::WorkspaceId;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};

#[derive(Clone, Copy, Debug)]
pub enum Action {
    CreateWorkspace,
    ListWorkspaces,
    DeleteWorkspace,
    CreateKey,
    ShowMetrics,
}

pub async fn handle<P: Ports>(gateway: &Gateway<P>, action: Action, call: &Call<'_>) -> Answer {
    let token = auth::token(call.request.headers());
    if !token.is_some_and(|token| gateway.is_admin(token)) {
        return Err(Error::InvalidKey.into());
    }
    match action {
        Action::CreateWorkspace => {
            let new: wire::NewWorkspace = body(call)?;
            let workspace = gateway.create_workspace(new.name.as_str()).await?;
            Ok(json_response(StatusCode::CREATED, &workspace))
        }
        Action::ListWorkspaces => {
            let paging = Paging::of(call)?;
            let after = paging.after(WorkspaceId::parse)?;
            let page = gateway.list_workspaces(after, paging.limit).await?;
            Ok(json_response(StatusCode::OK, &Listed::from(page)))
        }
        Action::DeleteWorkspace => {
            let workspace = id(call, WorkspaceId::parse, "workspace")?;
            gateway.delete_workspace(workspace).await?;
            Ok(no_content())
        }
        Action::ShowMetrics => {
            let text = gateway.metrics().await?;
            let mut response = Response::new(Bytes::from(text));
            let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, kind);
            Ok(response)
        }
        Action::CreateKey => {
            let workspace = id(call, WorkspaceId::parse, "workspace")?;
            let new: wire::NewKey = body(call)?;
            let issued = wire::IssuedKey::from(gateway.issue_key(workspace, new.into()).await?);
            Ok(json_response(StatusCode::CREATED, &issued))
        }
    }
}
