//! `/v1/channels`.

use super::super::page::{Listed, Paging};
use super::{Answer, Call, choice, id, json_response, parse, wire};
use crate::api::no_content;
use crate::gateway::{Gateway, Ports};
use crate::model::access::{Key, Scope};
use crate::model::channel::ChannelKind;
use crate::model::id::ChannelId;
use http::StatusCode;

#[derive(Clone, Copy, Debug)]
pub enum Action {
    Create,
    List,
    Show,
    Patch,
    Delete,
    Test,
}

impl Action {
    pub fn scope(self) -> Scope {
        match self {
            Action::List | Action::Show => Scope::ChannelsRead,
            Action::Create | Action::Patch | Action::Delete | Action::Test => Scope::ChannelsWrite,
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
            let new = wire::connect(parse(call)?)?;
            let channel = gateway.connect_channel(key, new).await?;
            Ok(json_response(StatusCode::CREATED, &channel))
        }
        Action::List => {
            let paging = Paging::of(call)?;
            let kind = choice(call, "type", ChannelKind::parse)?;
            let after = paging.after(ChannelId::parse)?;
            let page = gateway
                .list_channels(key, kind, after, paging.limit)
                .await?;
            Ok(json_response(StatusCode::OK, &Listed::from(page)))
        }
        Action::Show => {
            let channel = gateway.channel(key, channel(call)?).await?;
            Ok(json_response(StatusCode::OK, &channel))
        }
        Action::Patch => {
            let id = channel(call)?;
            // What is not there is not found, whatever the body.
            let kind = gateway.channel(key, id).await?.kind;
            let patch = wire::patch_channel(parse(call)?)?;
            let channel = gateway.patch_channel(key, id, kind, patch).await?;
            Ok(json_response(StatusCode::OK, &channel))
        }
        Action::Test => {
            let test = gateway.test_channel(key, channel(call)?).await?;
            Ok(json_response(StatusCode::OK, &test))
        }
        Action::Delete => {
            gateway.delete_channel(key, channel(call)?).await?;
            Ok(no_content())
        }
    }
}

fn channel(call: &Call<'_>) -> Result<ChannelId, crate::gateway::Error> {
    id(call, ChannelId::parse, "channel")
}
