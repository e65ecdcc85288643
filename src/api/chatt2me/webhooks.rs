//! `/v1/organization/webhook…`: the endpoints that are told in Chatt2.me's style, and their
//! logs. One of another style is not this surface's to show or change.

use super::super::reading::{body, choice, id, number, read};
use super::super::{Answer, Call, Refusal, auth, json_response, no_content};
use crate::gateway::{
    Counted, Delivery, Endpoint, EndpointPatch, Error, Gateway, NewSubscriber, Ports,
};
use crate::model::access::{Key, Scope};
use crate::model::event::{EventType, Style};
use crate::model::id::{EndpointId, EventId};
use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug)]
pub enum Action {
    Create,
    List,
    Show,
    Patch,
    Delete,
    ListLogs,
    Retry,
    RetryMany,
}

pub async fn handle<P: Ports>(gateway: &Gateway<P>, action: Action, call: &Call<'_>) -> Answer {
    let scope = match action {
        Action::List | Action::Show | Action::ListLogs => Scope::WebhooksRead,
        Action::Create | Action::Patch | Action::Delete | Action::Retry | Action::RetryMany => {
            Scope::WebhooksWrite
        }
    };
    let key = auth::key(gateway, call, Some(scope)).await?;
    match action {
        Action::Create => {
            let new = subscriber(body(call)?)?;
            let made = gateway.subscribe(&key, new).await.map_err(repointed)?;
            Ok(json_response(StatusCode::CREATED, &shown(&key, made)))
        }
        Action::List => {
            let page = Paging::of(call)?;
            let found = gateway
                .count_endpoints(&key, Style::Chatt2me, page.offset, page.limit)
                .await?;
            Ok(page.list(found, |endpoint| shown(&key, endpoint)))
        }
        Action::Show => {
            let endpoint = own(gateway, &key, call).await?;
            Ok(json_response(StatusCode::OK, &shown(&key, endpoint)))
        }
        Action::Patch => {
            let known = own(gateway, &key, call).await?;
            let patch = patch(body(call)?)?;
            let is_signed_anew =
                patch.requires_signature == Some(true) && !known.requires_signature;
            let patched = gateway.patch_endpoint(&key, known.id, patch).await;
            let mut patched = patched.map_err(repointed)?;
            if is_signed_anew {
                patched = gateway.rotate_secret(&key, known.id).await?;
            }
            Ok(json_response(StatusCode::OK, &shown(&key, patched)))
        }
        Action::Delete => {
            let id = id(call, EndpointId::parse, "webhook")?;
            gateway.unsubscribe(&key, id, Some(Style::Chatt2me)).await?;
            Ok(no_content())
        }
        Action::ListLogs => {
            let endpoint = own(gateway, &key, call).await?;
            let page = Paging::of(call)?;
            let is_delivered = choice(call, "status", |name| match name {
                "Success" => Some(true),
                "Error" | "Failed" => Some(false),
                _ => None,
            })?;
            let found = gateway
                .count_deliveries(&key, endpoint.id, is_delivered, page.offset, page.limit)
                .await?;
            Ok(page.list(found, |delivery| log(&endpoint, &delivery)))
        }
        Action::Retry => {
            let endpoint = own(gateway, &key, call).await?;
            let delivery = EventId::parse(call.parameter("log"));
            let delivery = delivery.ok_or(Error::not_found("webhook log"))?;
            if endpoint.status != "enabled" {
                let detail = "cannot be retried: the webhook is not active";
                return Err(Error::invalid("/webhookLogId", detail).into());
            }
            let sent = gateway.resend(&key, endpoint.id, &[delivery]).await?;
            sent.first().ok_or(Error::not_found("webhook log"))?;
            let answer = json!({ "success": true, "newLogId": delivery });
            Ok(json_response(StatusCode::OK, &answer))
        }
        Action::RetryMany => {
            let endpoint = own(gateway, &key, call).await?;
            let Many { webhook_log_ids } = body(call)?;
            if webhook_log_ids.is_empty() || webhook_log_ids.len() > 100 {
                return Err(Error::invalid("/webhookLogIds", "must be 1 to 100 logs").into());
            }
            let mut sent = vec![];
            if endpoint.status == "enabled" {
                sent = gateway.resend(&key, endpoint.id, &webhook_log_ids).await?;
            }
            let results = webhook_log_ids.iter().map(|id| {
                let is_sent = sent.iter().any(|delivery| delivery.id == *id);
                json!({ "webhookLogId": id, "success": is_sent, "newLogId": is_sent.then_some(id) })
            });
            let answer = json!({ "results": results.collect::<Vec<_>>() });
            Ok(json_response(StatusCode::OK, &answer))
        }
    }
}

/// The endpoint in the path, which must be of this style.
async fn own<P: Ports>(
    gateway: &Gateway<P>,
    key: &Key,
    call: &Call<'_>,
) -> Result<Endpoint, Error> {
    let id = id(call, EndpointId::parse, "webhook")?;
    let found = gateway.endpoint(key, id).await?;
    if found.style == Style::Chatt2me {
        Ok(found)
    } else {
        Err(Error::not_found("webhook"))
    }
}

fn repointed(error: Error) -> Refusal {
    Refusal::from(error).repointed(|pointer| match pointer {
        "/url" => "/endpoint".to_owned(),
        _ if pointer.starts_with("/headers/") => "/headers".to_owned(),
        _ => pointer.to_owned(),
    })
}

/// What is told, by this product's two names.
const KINDS: [(&str, &[EventType]); 2] = [
    ("Message", &[EventType::MessageReceived]),
    (
        "MessageStatus",
        &[
            EventType::MessageSent,
            EventType::MessageDelivered,
            EventType::MessageRead,
            EventType::MessageFailed,
        ],
    ),
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    label: Option<String>,
    endpoint: Option<String>,
    event_type: Option<String>,
    authentication_protocol: Option<String>,
    scope: Option<String>,
    headers: Option<Vec<Header>>,
    requires_signature: Option<bool>,
    active: Option<bool>,
}

#[derive(Deserialize)]
struct Header {
    key: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Many {
    webhook_log_ids: Vec<EventId>,
}

fn subscriber(json: Value) -> Result<NewSubscriber, Error> {
    for field in ["endpoint", "eventType", "authenticationProtocol"] {
        if json.get(field).is_none_or(Value::is_null) {
            return Err(Error::invalid(format!("/{field}"), "is required"));
        }
    }
    let patch = patch(json)?;
    let events = patch.events.unwrap_or_default();
    Ok(NewSubscriber {
        requires_signature: patch.requires_signature.unwrap_or(false),
        headers: patch.headers.unwrap_or_default(),
        label: patch.label,
        scope: patch.scope,
        is_validated: true,
        ..NewSubscriber::new(patch.url.unwrap_or_default(), events, Style::Chatt2me)
    })
}

fn patch(json: Value) -> Result<EndpointPatch, Error> {
    let wanted: Wanted = read(json, "")?;
    let kind = |name: &str| {
        let kind = KINDS.into_iter().find(|(known, _)| *known == name);
        let (_, events) =
            kind.ok_or_else(|| Error::invalid("/eventType", "must be Message or MessageStatus"))?;
        Ok::<_, Error>(events.iter().map(|event| event.name().to_owned()).collect())
    };
    let protocol = wanted.authentication_protocol.as_deref();
    if protocol.is_some_and(|protocol| protocol != "NoAuthentication") {
        let detail = "must be NoAuthentication; headers can carry what authenticates";
        return Err(Error::invalid("/authenticationProtocol", detail));
    }
    for (pointer, text) in [("/label", &wanted.label), ("/scope", &wanted.scope)] {
        if text.as_ref().is_some_and(|text| text.len() > 200) {
            return Err(Error::invalid(pointer, "must be at most 200 characters"));
        }
    }
    let headers = wanted.headers.map(|headers| {
        let mut named = BTreeMap::new();
        named.extend(headers.into_iter().map(|header| (header.key, header.value)));
        named
    });
    Ok(EndpointPatch {
        url: wanted.endpoint,
        events: wanted.event_type.as_deref().map(kind).transpose()?,
        headers,
        is_enabled: wanted.active,
        requires_signature: wanted.requires_signature,
        label: wanted.label,
        scope: wanted.scope,
        is_validated: true,
        ..EndpointPatch::default()
    })
}

/// `Message` where it hears of those, whatever else.
fn event_type(endpoint: &Endpoint) -> &'static str {
    let hears = |filter: &String| EventType::MessageReceived.is_meant_by(filter);
    let [(message, _), (status, _)] = KINDS;
    if endpoint.events.iter().any(hears) {
        message
    } else {
        status
    }
}

fn shown(key: &Key, endpoint: Endpoint) -> Value {
    let mut shown = json!({
        "id": endpoint.id,
        "applicationId": key.workspace_id,
        "active": endpoint.status == "enabled",
        "label": endpoint.label,
        "eventType": event_type(&endpoint),
        "endpoint": endpoint.url,
        "numberOfErrors": endpoint.failures,
        "authenticationProtocol": "NoAuthentication",
        "scope": endpoint.scope,
        "requiresSignature": endpoint.requires_signature,
        "isVerified": endpoint.verified_at.is_some(),
        "verifiedAt": endpoint.verified_at,
        "createdDate": endpoint.created_at,
        "lastModifiedDate": endpoint.updated_at,
    });
    // Shown once, and only to those who use it.
    if let Some(secret) = endpoint.secret.filter(|_| endpoint.requires_signature)
        && let Some(shown) = shown.as_object_mut()
    {
        shown.insert("secret".to_owned(), secret.into());
    }
    shown
}

fn log(endpoint: &Endpoint, delivery: &Delivery) -> Value {
    json!({
        "id": delivery.id,
        "webhookId": delivery.endpoint_id,
        "statusCode": delivery.response_status,
        "responseBody": delivery.response,
        "status": if delivery.status == "delivered" { "Success" } else { "Error" },
        "sendAt": delivery.attempted_at,
        "isDeleted": false,
        "createdDate": delivery.created_at,
        "messageId": delivery.message_id(),
        "webhook": { "id": endpoint.id, "endpoint": endpoint.url, "eventType": event_type(endpoint) },
    })
}

/// `?offset=` and `&limit=`.
struct Paging {
    offset: i64,
    limit: i64,
}

impl Paging {
    fn of(call: &Call<'_>) -> Result<Self, Error> {
        Ok(Self {
            offset: number(call, "offset", 0, 0..=1_000_000)?,
            limit: number(call, "limit", 20, 1..=50)?,
        })
    }

    fn list<T>(&self, found: Counted<T>, show: impl Fn(T) -> Value) -> Response<Bytes> {
        let data: Vec<Value> = found.items.into_iter().map(show).collect();
        let pages = found.total.saturating_add(self.limit - 1) / self.limit;
        let body = json!({ "data": data, "pagination": {
            "offset": self.offset, "limit": self.limit, "total": found.total, "totalPages": pages,
        } });
        json_response(StatusCode::OK, &body)
    }
}
