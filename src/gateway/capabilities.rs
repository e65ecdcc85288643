//! What each type of channel can carry, as it is published.

use crate::channel::ADAPTERS;
use crate::model::channel::ChannelKind;
use crate::model::conversation::ServiceWindow;
use crate::model::message::Actor;
use crate::model::time::HOUR_MS;
use serde::Serialize;
use serde_json::Value;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    #[serde(rename = "type")]
    kind: ChannelKind,
    window: Window,
    /// Whether a message can name the one it answers.
    replies: bool,
    /// By kind of content, each with the limits of its fields.
    content: Value,
}

/// How long after the customer's last message a channel may be written to freely.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Window {
    /// `null` where there is no end.
    hours: Option<i64>,
    /// The same where a person answers.
    human_hours: Option<i64>,
    /// What may be sent at any time.
    always: Vec<&'static str>,
}

/// Every type of channel there is.
#[must_use]
pub fn capabilities() -> Vec<Capabilities> {
    let all = ADAPTERS.iter().map(|adapter| {
        let (kind, profile) = (adapter.kind(), adapter.profile());
        let window = ServiceWindow::of(kind, true);
        let hours = |window: ServiceWindow| window.length_ms().map(|ms| ms / HOUR_MS);
        let always = ["template", "markSeen"];
        let always = always
            .into_iter()
            .filter(|name| hours(window).is_some() && profile.capability(name).is_some());
        Capabilities {
            kind,
            window: Window {
                hours: hours(window),
                human_hours: hours(window.for_actor(kind, Actor::Human)),
                always: always.collect(),
            },
            replies: profile.replies,
            content: profile.published(),
        }
    });
    all.collect()
}
