//! `/v1/webhooks`: subscribers' endpoints.

use super::super::page::{Listed, Paging};
use super::{Answer, Call, body, choice, id, json_response, parse, wire};
use crate::api::no_content;
use crate::gateway::{Error, Gateway, Ports, STATUSES};
use crate::model::access::{Key, Scope};
use crate::model::id::{EndpointId, EventId};
use crate::model::time::Timestamp;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

#[derive(Clone, Copy, Debug)]
pub enum Action {
    Create,
    List,
    Show,
    Patch,
    Delete,
    RotateSecret,
    Test,
    ListDeliveries,
    Resend,
    ResendMany,
    Recover,
}

impl Action {
    pub fn scope(self) -> Scope {
        match self {
            Action::List | Action::Show | Action::ListDeliveries => Scope::WebhooksRead,
            Action::Create
            | Action::Patch
            | Action::Delete
            | Action::RotateSecret
            | Action::Test
            | Action::Resend
            | Action::ResendMany
            | Action::Recover => Scope::WebhooksWrite,
        }
    }
}

pub async fn handle<P: Ports>(
    gateway: &Gateway<P>,
    action: Action,
    call: &Call<'_>,
    key: &Key,
) -> Answer {
    let endpoint = || id(call, EndpointId::parse, "webhook");
    match action {
        Action::Create => {
            let new = wire::subscribe(parse(call)?)?;
            let endpoint = gateway.subscribe(key, new).await?;
            Ok(json_response(StatusCode::CREATED, &endpoint))
        }
        Action::List => {
            let paging = Paging::of(call)?;
            let after = paging.after(EndpointId::parse)?;
            let page = gateway
                .list_endpoints(key, None, after, paging.limit)
                .await?;
            Ok(json_response(StatusCode::OK, &Listed::from(page)))
        }
        Action::Show => {
            let endpoint = gateway.endpoint(key, endpoint()?).await?;
            Ok(json_response(StatusCode::OK, &endpoint))
        }
        Action::Patch => {
            let endpoint = endpoint()?;
            let patch = wire::endpoint_patch(parse(call)?)?;
            let endpoint = gateway.patch_endpoint(key, endpoint, patch).await?;
            Ok(json_response(StatusCode::OK, &endpoint))
        }
        Action::RotateSecret => {
            let endpoint = gateway.rotate_secret(key, endpoint()?).await?;
            Ok(json_response(StatusCode::OK, &endpoint))
        }
        Action::Test => {
            let answer = gateway.test_endpoint(key, endpoint()?).await?;
            Ok(json_response(StatusCode::OK, &answer))
        }
        Action::ListDeliveries => {
            let endpoint = endpoint()?;
            let paging = Paging::of(call)?;
            let before = paging.after(EventId::parse)?;
            let status = choice(call, "status", |name| {
                STATUSES.into_iter().find(|status| *status == name)
            })?;
            let page = gateway
                .list_deliveries(key, endpoint, status, before, paging.limit)
                .await?;
            Ok(json_response(StatusCode::OK, &Listed::from(page)))
        }
        Action::Resend => {
            let delivery = EventId::parse(call.parameter("delivery"));
            let delivery = delivery.ok_or(Error::not_found("delivery"))?;
            let sent = gateway.resend(key, endpoint()?, &[delivery]).await?;
            let sent = sent.first().ok_or(Error::not_found("delivery"))?;
            Ok(json_response(StatusCode::OK, sent))
        }
        Action::ResendMany => {
            let endpoint = endpoint()?;
            let Many { ids } = body(call)?;
            if ids.is_empty() || ids.len() > 100 {
                return Err(Error::invalid("/ids", "must be 1 to 100 deliveries").into());
            }
            let sent = gateway.resend(key, endpoint, &ids).await?;
            Ok(json_response(StatusCode::OK, &Listed::whole(sent)))
        }
        Action::Recover => {
            let endpoint = endpoint()?;
            let Since { since } = body(call)?;
            let (resent, has_more) = gateway.recover(key, endpoint, since).await?;
            let answer = json!({ "resent": resent, "hasMore": has_more });
            Ok(json_response(StatusCode::OK, &answer))
        }
        Action::Delete => {
            gateway.unsubscribe(key, endpoint()?, None).await?;
            Ok(no_content())
        }
    }
}

#[derive(Deserialize)]
struct Many {
    ids: Vec<EventId>,
}

#[derive(Deserialize)]
struct Since {
    since: Timestamp,
}
