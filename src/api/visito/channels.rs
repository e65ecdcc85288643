//! `GET /channels`.

use super::{Answer, Call, Listed, MOST, auth, choice, json_response};
use crate::gateway::{Gateway, Ports, view};
use crate::model::access::Scope;
use crate::model::channel::ChannelKind;
use crate::model::id::ChannelId;
use http::StatusCode;
use serde::Serialize;

#[derive(Serialize)]
struct Channel {
    id: ChannelId,
    name: String,
    #[serde(rename = "type")]
    kind: ChannelKind,
}

impl From<view::Channel> for Channel {
    fn from(channel: view::Channel) -> Self {
        Self {
            id: channel.id,
            name: channel.name,
            kind: channel.kind,
        }
    }
}

/// Lists the channels, of one type if the query names one; the thousand oldest at most.
pub async fn list<P: Ports>(gateway: &Gateway<P>, call: &Call<'_>) -> Answer {
    let key = auth::key(gateway, call, Some(Scope::ChannelsRead)).await?;
    let kind = choice(call, "type", ChannelKind::parse)?;
    let page = gateway.list_channels(&key, kind, "", MOST).await?;
    let data: Vec<Channel> = page.items.into_iter().map(Channel::from).collect();
    Ok(json_response(StatusCode::OK, &Listed { data }))
}
