//! `/webhooks`: the endpoints that are told in Visito's style. Those of other styles are
//! not this surface's to show or delete.

use super::{Answer, Call, Listed, MOST, Refusal, auth, body, id, json_response};
use crate::api::no_content;
use crate::channel::Invalid;
use crate::gateway::{Endpoint, Error, Gateway, NewSubscriber, Ports, check_events};
use crate::model::access::Scope;
use crate::model::event::{EventType, Style};
use crate::model::id::{ChannelId, EndpointId};
use http::StatusCode;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug)]
pub enum Action {
    Create,
    List,
    Delete,
}

pub async fn handle<P: Ports>(gateway: &Gateway<P>, action: Action, call: &Call<'_>) -> Answer {
    let scope = match action {
        Action::List => Scope::WebhooksRead,
        Action::Create | Action::Delete => Scope::WebhooksWrite,
    };
    let key = auth::key(gateway, call, Some(scope)).await?;
    match action {
        Action::Create => {
            let new = subscriber(body(call)?)?;
            let endpoint = gateway.subscribe(&key, new).await.map_err(|error| {
                Refusal::from(error).repointed(|pointer| match pointer {
                    "/url" => "/endpoint".to_owned(),
                    "/channelId" => "/channel".to_owned(),
                    _ => pointer.to_owned(),
                })
            })?;
            Ok(json_response(StatusCode::CREATED, &Webhook::from(endpoint)))
        }
        Action::List => {
            let style = Some(Style::Visito);
            let page = gateway.list_endpoints(&key, style, "", MOST).await?;
            let data: Vec<Webhook> = page.items.into_iter().map(Webhook::from).collect();
            Ok(json_response(StatusCode::OK, &Listed { data }))
        }
        Action::Delete => {
            let id = id(call, EndpointId::parse, "webhook")?;
            gateway.unsubscribe(&key, id, Some(Style::Visito)).await?;
            Ok(no_content())
        }
    }
}

/// What this surface calls incoming messages.
const MESSAGES: &str = "messages";

#[derive(Deserialize)]
struct Wanted {
    channel: String,
    events: Vec<String>,
    endpoint: String,
}

fn subscriber(wanted: Wanted) -> Result<NewSubscriber, Refusal> {
    if wanted.events.is_empty() || wanted.events.len() > 50 {
        return Err(Error::invalid("/events", "must name 1 to 50 events").into());
    }
    let mut events: Vec<String> = Vec::new();
    let mut wrong = Vec::new();
    for (at, event) in wanted.events.into_iter().enumerate() {
        let event = if event == MESSAGES {
            EventType::MessageReceived.name().to_owned()
        } else {
            event
        };
        if check_events(Style::Visito, std::slice::from_ref(&event)).is_err() {
            let detail = "must be messages, or an event such as message.delivered or message.*";
            wrong.push(Invalid::new(format!("/events/{at}"), detail));
        } else if !events.contains(&event) {
            events.push(event);
        }
    }
    if !wrong.is_empty() {
        return Err(Error::Invalid(wrong).into());
    }
    let channel = ChannelId::parse(&wanted.channel).ok_or(Error::NotFound {
        what: "channel",
        pointer: Some("/channel".to_owned()),
    })?;
    Ok(NewSubscriber {
        channel_id: Some(channel),
        ..NewSubscriber::new(wanted.endpoint, events, Style::Visito)
    })
}

#[derive(Serialize)]
struct Webhook {
    id: EndpointId,
    channel: Option<ChannelId>,
    events: Vec<String>,
    endpoint: String,
    /// Shown once, when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl From<Endpoint> for Webhook {
    fn from(endpoint: Endpoint) -> Self {
        let spelled = |event: String| {
            if event == EventType::MessageReceived.name() {
                MESSAGES.to_owned()
            } else {
                event
            }
        };
        Self {
            id: endpoint.id,
            channel: endpoint.channel_id,
            events: endpoint.events.into_iter().map(spelled).collect(),
            endpoint: endpoint.url,
            secret: endpoint.secret,
        }
    }
}
