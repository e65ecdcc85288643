//! Files of Pages and Instagram accounts: uploaded for later, and those that people send.
//!
//! <https://developers.facebook.com/docs/messenger-platform/reference/attachment-upload-api>

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::field::{flag, known_keys, one_of, text, url};
use super::refusal::{invalid, upload_failed};
use super::{Inbox, Platform};
use crate::fetches::Asked;
use crate::files::{essence, extension};
use crate::graph::{Refusal, is_json};
use crate::media::{Given, MediaKind, Medium, download};
use crate::multipart::{Form, Upload};
use crate::state::{Shared, now};

/// The longest file of any type.
pub(crate) const LONGEST: u64 = 25 * 1024 * 1024;
const LONGEST_IMAGE: u64 = 8 * 1024 * 1024;
/// How long the address of a file that a person sent is good.
const URL_S: i64 = 7 * 24 * 60 * 60;
/// Messenger's own sticker of a thumb.
const STICKER: u64 = 369_239_263_222_822;

const ATTACHMENT: &str = "message[attachment]";
const PAYLOAD: &str = "message[attachment][payload]";

/// Takes a file in a form. Answers the attachment.
pub(crate) fn attach_file(
    shared: &Shared,
    inbox: &Inbox<'_>,
    form: &Form,
) -> Result<Arc<Medium>, Refusal> {
    let known = ["message", "filedata", "platform"];
    let names = form.texts.iter().map(|(name, _)| name);
    let mut names = names.chain(form.uploads.iter().map(|upload| &upload.name));
    if let Some(odd) = names.find(|name| !known.contains(&name.as_str())) {
        return Err(invalid(odd, "is not a parameter of this call"));
    }
    check_platform(inbox, form.text("platform"))?;
    let message = form.text("message");
    let message = message.ok_or_else(|| Refusal::required("message"))?;
    let message: Value = serde_json::from_str(message).unwrap_or_default();
    let (kind, payload) = asset(inbox.platform, &message)?;
    known_keys(payload, PAYLOAD, &["is_reusable"])?;
    let upload = form.upload("filedata");
    let upload = upload.ok_or_else(|| Refusal::required("filedata"))?;
    let file = fitting(inbox.platform, kind, upload)?;
    let medium = Medium::uploaded(inbox.account.provider(), inbox.id, kind, file);
    Ok(shared.media.add(shared.ids.number(), medium))
}

/// Takes the address of a file, which the sandbox does not follow.
pub(crate) fn attach_link(
    shared: &Shared,
    inbox: &Inbox<'_>,
    headers: &HeaderMap,
    body: &Value,
) -> Result<Arc<Medium>, Refusal> {
    let message = body.get("message").filter(|_| is_json(headers));
    let message = message.ok_or_else(|| Refusal::required("message"))?;
    known_keys(body, "body", &["message", "platform"])?;
    check_platform(inbox, body.get("platform").and_then(Value::as_str))?;
    let (kind, payload) = asset(inbox.platform, message)?;
    known_keys(payload, PAYLOAD, &["url", "is_reusable"])?;
    url(payload, "url", &format!("{PAYLOAD}[url]"))?;
    let medium = Medium::told(inbox.account.provider(), inbox.id, kind);
    Ok(shared.media.add(shared.ids.number(), medium))
}

fn check_platform(inbox: &Inbox<'_>, stated: Option<&str>) -> Result<(), Refusal> {
    let own = inbox.account.provider();
    match stated {
        Some(stated) if !stated.eq_ignore_ascii_case(own) => {
            Err(invalid("platform", "is not that of the account"))
        }
        Some(_) | None => Ok(()),
    }
}

/// The type and the payload of what is to be kept.
fn asset(platform: Platform, message: &Value) -> Result<(&str, &Value), Refusal> {
    known_keys(message, "message", &["attachment"])?;
    let attachment = message.get("attachment");
    let attachment = attachment.ok_or_else(|| Refusal::required(ATTACHMENT))?;
    known_keys(attachment, ATTACHMENT, &["type", "payload"])?;
    let kind = text(attachment, "type", &format!("{ATTACHMENT}[type]"), 64)?;
    // On Instagram since March 2026, and images only.
    let kinds: &[&str] = match platform {
        Platform::Messenger => &["image", "video", "audio", "file"],
        Platform::Instagram => &["image"],
    };
    one_of(attachment, "type", kinds)?;
    let payload = attachment.get("payload");
    let payload = payload.ok_or_else(|| Refusal::required(PAYLOAD))?;
    flag(payload, "is_reusable", &format!("{PAYLOAD}[is_reusable]"))?;
    Ok((kind, payload))
}

/// A file of the type it is said to be of, and not too long.
fn fitting<'a>(
    platform: Platform,
    kind: &str,
    upload: &'a Upload,
) -> Result<&'a Arc<crate::files::File>, Refusal> {
    let mime_type = essence(upload.content_type.as_deref().unwrap_or_default());
    let is_fit = match (kind, platform) {
        ("image", Platform::Instagram) => {
            matches!(mime_type.as_str(), "image/png" | "image/jpeg" | "image/gif")
        }
        ("file", _) => true,
        (kind, _) => mime_type.split('/').next() == Some(kind),
    };
    let file = upload.file.as_ref();
    let file = file.filter(|file| is_fit && file.size > 0);
    let file = file.ok_or_else(upload_failed)?;
    if kind == "image" && file.size > LONGEST_IMAGE {
        return Err(Refusal::new(36_000, "The image size is too large."));
    }
    Ok(file)
}

/// Refuses a message with an attachment by an id that the account did not get for one.
pub(super) fn check(shared: &Shared, inbox: &Inbox<'_>, message: &Value) -> Result<(), Refusal> {
    match message {
        Value::Object(fields) => fields.iter().try_for_each(|(name, value)| match value {
            Value::String(id) if name == "attachment_id" => {
                let medium = shared.media.uploaded(inbox.id, id);
                let medium = medium.ok_or_else(|| {
                    let parameter = format!("{PAYLOAD}[attachment_id]");
                    invalid(&parameter, "is not the id of an uploaded attachment")
                });
                medium.map(|_| ())
            }
            value => check(shared, inbox, value),
        }),
        Value::Array(items) => items.iter().try_for_each(|item| check(shared, inbox, item)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// What a webhook tells of a file that a person sent, if the platform has such.
pub(crate) fn received(shared: &Shared, inbox: &Inbox<'_>, given: &Given) -> Option<Value> {
    let kind = match (given.kind, inbox.platform) {
        (MediaKind::Image, _) => "image",
        (MediaKind::Video, _) => "video",
        (MediaKind::Audio | MediaKind::Voice, _) => "audio",
        (MediaKind::Document, _) => "file",
        (MediaKind::Sticker, Platform::Messenger) => "sticker",
        (MediaKind::Sticker, Platform::Instagram) | (MediaKind::Animation, _) => return None,
    };
    let medium = Medium::sent(inbox.account.provider(), inbox.id, kind, given);
    let medium = shared.media.add(shared.ids.number(), medium);
    let hash = hex::encode(&shared.ids.fresh()[..16]);
    shared.media.link(&hash, &medium, URL_S);
    let (base, id) = (&shared.base_url, &medium.id);
    let extension = extension(&given.mime_type);
    let until = now().timestamp() + URL_S;
    let mut payload = json!({
        "url": format!("{base}/cdn/v/t1.15752-9/{id}_n.{extension}?_nc_ad=z-m&oh={hash}&oe={until:X}"),
    });
    if kind == "sticker" {
        payload["sticker_id"] = json!(STICKER);
    }
    Some(json!({"type": kind, "payload": payload}))
}

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new().route(
        "/cdn/v/{set}/{name}",
        get(
            async |State(shared): State<Arc<Shared>>, request: Request| {
                cdn(&shared, Asked::new("cdn", &request))
            },
        ),
    )
}

/// The bytes, for whoever has the address.
fn cdn(shared: &Arc<Shared>, asked: Asked) -> Response {
    let token = asked.parameter("oh").unwrap_or_default();
    let medium = shared.media.follow(&token);
    let served = medium.and_then(|medium| {
        let asked = asked.clone().for_media(&medium.id);
        download(shared, &asked, &medium, &medium.mime_type)
    });
    served.unwrap_or_else(|| {
        shared.fetches.record(&asked, None, StatusCode::FORBIDDEN);
        (StatusCode::FORBIDDEN, "URL signature expired").into_response()
    })
}
