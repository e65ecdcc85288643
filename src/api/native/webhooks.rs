//! `/v1/webhooks`: subscribers' endpoints.

use super::super::page::{Listed, Paging};
use super::{Answer, Call, id, json_response, parse, wire};
use crate::api::no_content;
use crate::gateway::{Gateway, Ports};
use crate::model::access::{Key, Scope};
use crate::model::id::EndpointId;
use http::StatusCode;

#[derive(Clone, Copy, Debug)]
pub enum Action {
    Create,
    List,
    Show,
    Delete,
}

impl Action {
    pub fn scope(self) -> Scope {
        match self {
            Action::List | Action::Show => Scope::WebhooksRead,
            Action::Create | Action::Delete => Scope::WebhooksWrite,
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
        Action::Delete => {
            gateway.unsubscribe(key, endpoint()?, None).await?;
            Ok(no_content())
        }
    }
}
