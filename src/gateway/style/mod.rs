//! How an event is written for a subscriber: the body and the headers of each style. Pure:
//! an event's snapshot and its endpoint's style give the same bytes in every attempt.

mod chatt2me;
pub(super) mod cloove;
mod standard;
mod visito;

use super::view::Snapshot;
use crate::model::access::Environment;
use crate::model::channel::ChannelKind;
use crate::model::content::Content;
use crate::model::event::{EventType, Style};
use crate::model::id::{EventId, WorkspaceId};
use crate::model::json;
use crate::model::time::Timestamp;
use crate::webhook;
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};

/// An event as one endpoint is told of it.
pub(super) struct Event {
    pub id: EventId,
    pub workspace_id: WorkspaceId,
    pub kind: EventType,
    pub at: Timestamp,
    /// Of the endpoint.
    pub environment: Environment,
    pub snapshot: Snapshot,
}

/// A name and value that go with a delivery.
pub(super) type Header = (&'static str, String);

/// The body; `None` where the style has no form for the event.
pub(super) fn body(style: Style, event: Event) -> Option<Bytes> {
    match style {
        Style::Standard => json(&standard::body(event)),
        Style::Visito => json(&visito::body(event)?),
        Style::Chatt2me => json(&chatt2me::body(event)?),
        Style::Cloove => json(&cloove::body(event)),
    }
}

fn json(body: &impl Serialize) -> Option<Bytes> {
    serde_json::to_vec(body).ok().map(Bytes::from)
}

/// What an attempt is signed with.
pub(super) struct Signing<'a> {
    pub style: Style,
    /// Whether a style that signs on request signs.
    pub is_required: bool,
    /// Every living secret, the newest first.
    pub secrets: &'a [&'a str],
    /// When the attempt is made.
    pub at: Timestamp,
}

/// The headers of an attempt: those of Standard Webhooks, and those of the style.
pub(super) fn headers(
    signing: &Signing<'_>,
    id: EventId,
    kind: EventType,
    body: &[u8],
) -> Option<Vec<Header>> {
    let signed = webhook::sign(signing.secrets, &id.to_string(), signing.at, body)?;
    let stamp = webhook::stamp(signing.secrets, signing.at, body)?;
    let mut headers = vec![
        ("webhook-id", signed.id),
        ("webhook-timestamp", signed.timestamp),
        ("webhook-signature", signed.signature),
    ];
    match signing.style {
        Style::Standard => {}
        Style::Visito => headers.push(("x-visito-signature", stamp)),
        Style::Chatt2me if signing.is_required => headers.push(("x-hub-signature", stamp)),
        Style::Chatt2me => {}
        Style::Cloove => headers.extend([
            ("cloove-signature", stamp),
            ("cloove-webhook-id", cloove::event_id(id)),
            ("cloove-webhook-event", kind.name().to_owned()),
        ]),
    }
    Some(headers)
}

/// A content under the name of its kind, as the compatible products write it: a text is a
/// plain string, every other kind `"<kind>": {…}`.
fn by_kind(content: &Content) -> Option<Map<String, Value>> {
    let said = if let Content::Text(text) = content {
        Value::from(text.text.as_str())
    } else {
        let mut fields = serde_json::to_value(content).ok()?;
        fields.as_object_mut()?.remove("type");
        fields
    };
    Some(json::object([(content.kind().to_owned(), said)]))
}

/// The phone number behind an address, as it is dialled; `None` where the address is none.
pub fn phone(kind: ChannelKind, address: &str) -> Option<String> {
    match kind {
        ChannelKind::Whatsapp => {
            // It also knows people by ids that are no numbers.
            let is_phone = address.bytes().all(|byte| byte.is_ascii_digit());
            is_phone.then(|| format!("+{address}"))
        }
        // With `+`, but for short codes.
        ChannelKind::Sms => Some(address.to_owned()),
        ChannelKind::Instagram
        | ChannelKind::Messenger
        | ChannelKind::Telegram
        | ChannelKind::Webchat => None,
    }
}
