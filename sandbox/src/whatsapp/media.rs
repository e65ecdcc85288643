//! Media of WhatsApp: uploaded, told about, and downloaded from another host with the same token.
//!
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/reference/media>

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::{Value, json};

use super::{PROVIDER, refusal};
use crate::account::WhatsApp;
use crate::fetches::Asked;
use crate::files::{essence, is_animated_webp};
use crate::graph::{Refusal, bearer};
use crate::media::{Given, MediaKind, Medium, download};
use crate::multipart::{Form, Upload};
use crate::state::{Shared, now};

/// How long an address is good.
const URL_S: i64 = 5 * 60;
const PATH: &str = "/lookaside/whatsapp_business/attachments/";

const KB: u64 = 1024;
const MB: u64 = 1024 * KB;
/// The longest file of any type.
pub(crate) const LONGEST: u64 = 100 * MB;
const STATIC_STICKER: u64 = 100 * KB;

/// What may be uploaded, and the longest file of each type.
///
/// <https://developers.facebook.com/docs/whatsapp/cloud-api/reference/media#supported-media-types>
const TYPES: [(&str, u64); 18] = [
    ("audio/aac", 16 * MB),
    ("audio/mp4", 16 * MB),
    ("audio/mpeg", 16 * MB),
    ("audio/amr", 16 * MB),
    ("audio/ogg", 16 * MB),
    ("application/vnd.ms-powerpoint", LONGEST),
    ("application/msword", LONGEST),
    (
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        LONGEST,
    ),
    (
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        LONGEST,
    ),
    (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        LONGEST,
    ),
    ("application/pdf", LONGEST),
    ("text/plain", LONGEST),
    ("application/vnd.ms-excel", LONGEST),
    ("image/jpeg", 5 * MB),
    ("image/png", 5 * MB),
    ("image/webp", 500 * KB),
    ("video/mp4", 16 * MB),
    ("video/3gpp", 16 * MB),
];

/// Takes an upload. Answers the media.
///
/// 1. The form must say what it is for, and hold a file.
/// 2. The file must be of a type that is supported, and say so itself.
/// 3. It must not be empty, nor longer than its type may be.
pub(crate) fn upload(
    shared: &Shared,
    number: &WhatsApp,
    form: &Form,
) -> Result<Arc<Medium>, Refusal> {
    // 1.
    match form.text("messaging_product") {
        None => return Err(Refusal::required("messaging_product")),
        Some("whatsapp") => {}
        Some(_) => {
            let why = "must be one of {WHATSAPP}";
            return Err(refusal::invalid("messaging_product", why));
        }
    }
    let known = ["messaging_product", "type", "file"];
    let names = form.texts.iter().map(|(name, _)| name);
    let mut names = names.chain(form.uploads.iter().map(|upload| &upload.name));
    if let Some(odd) = names.find(|name| !known.contains(&name.as_str())) {
        return Err(refusal::unexpected(odd, ""));
    }
    let upload = form.upload("file");
    let upload = upload.ok_or_else(|| Refusal::required("file"))?;

    // 2.
    let stated = form.text("type").ok_or_else(|| Refusal::required("type"))?;
    let most = longest(stated)?;
    let own = upload.content_type.as_deref().unwrap_or_default();
    longest(own)?;
    if essence(own) != essence(stated) {
        let why = format!("must be the type of the file, which is '{own}'.");
        return Err(Refusal::new(100, format!("Param type {why}")));
    }

    // 3.
    let file = fitting(upload, most)?;
    let mut medium = Medium::uploaded(PROVIDER, &number.phone_number_id, "", file);
    medium.kind = essence(stated);
    medium.mime_type = stated.to_owned();
    Ok(shared.media.add(shared.ids.number(), medium))
}

fn longest(mime_type: &str) -> Result<u64, Refusal> {
    let essence = essence(mime_type);
    let known = TYPES.iter().find(|(known, _)| *known == essence);
    known.map(|(_, most)| *most).ok_or_else(|| {
        let names = TYPES.map(|(name, _)| name).join(", ");
        let message = format!(
            "Param file must be a file with one of the following types: {names}. Received file of \
             type '{mime_type}'."
        );
        Refusal::new(100, message)
    })
}

fn fitting(upload: &Upload, most: u64) -> Result<&Arc<crate::files::File>, Refusal> {
    let too_long = |most: u64| {
        let size = upload.size;
        let details = format!("File size is too big: {size} bytes. Max file size: {most} bytes.");
        refusal::of_code(131_053, details)
    };
    let file = upload.file.as_ref().ok_or_else(|| too_long(most))?;
    if file.size == 0 {
        return Err(refusal::of_code(131_053, "The file is empty."));
    }
    let is_still = most == 500 * KB && !is_animated_webp(&file.head());
    let most = if is_still { STATIC_STICKER } else { most };
    if file.size > most {
        return Err(too_long(most));
    }
    Ok(file)
}

/// What Meta tells of a media, with an address that is good for five minutes.
///
/// The size comes as a number and as a text: here in turns, the text first.
pub(crate) fn about(shared: &Shared, medium: &Arc<Medium>) -> Value {
    let (size, sha256) = match &medium.file {
        Some(file) => (file.size, hex::encode(file.sha256)),
        None => (0, String::new()),
    };
    let is_text = medium
        .asked
        .fetch_add(1, Ordering::Relaxed)
        .is_multiple_of(2);
    json!({
        "url": give_url(shared, medium, "getMedia"),
        "mime_type": medium.mime_type,
        "sha256": sha256,
        "file_size": if is_text { json!(size.to_string()) } else { json!(size) },
        "id": medium.id,
        "messaging_product": "whatsapp",
    })
}

fn give_url(shared: &Shared, medium: &Arc<Medium>, source: &str) -> String {
    let hash = hex::encode(&shared.ids.fresh()[..16]);
    shared.media.link(&hash, medium, URL_S);
    let until = now().timestamp() + URL_S;
    let (base, id) = (&shared.base_url, &medium.id);
    format!("{base}{PATH}?mid={id}&source={source}&ext={until}&hash={hash}")
}

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new().route(
        PATH,
        get(
            async |State(shared): State<Arc<Shared>>, request: Request| {
                lookaside(&shared, &Asked::new("lookaside", &request))
            },
        ),
    )
}

/// The bytes, for who has the token. Others get a page, as from any website.
fn lookaside(shared: &Arc<Shared>, asked: &Asked) -> Response {
    let token = asked.parameter("hash").unwrap_or_default();
    let medium = shared.media.follow(&token);
    let asked = asked
        .clone()
        .for_media(asked.parameter("mid").unwrap_or_default());
    let page = |status| {
        shared.fetches.record(&asked, None, status);
        (
            status,
            Html("<html><body>Sorry, this content isn't available right now.</body></html>"),
        )
            .into_response()
    };
    let Some(medium) = medium else {
        return page(StatusCode::NOT_FOUND);
    };
    let account = shared.accounts.get(&medium.account);
    let token = account.as_ref().and_then(|account| account.access_token());
    if token.is_none() || token != bearer(&asked.headers) {
        return page(StatusCode::UNAUTHORIZED);
    }
    let served = download(shared, &asked, &medium, &medium.mime_type);
    served.unwrap_or_else(|| page(StatusCode::NOT_FOUND))
}

/// What a webhook tells of a file that a person sent: the type of the message, and what it holds under it.
pub(crate) fn received(
    shared: &Shared,
    number: &WhatsApp,
    given: &Given,
    caption: Option<&str>,
) -> Option<(&'static str, Value)> {
    let kind = match given.kind {
        MediaKind::Image => "image",
        MediaKind::Video => "video",
        MediaKind::Audio | MediaKind::Voice => "audio",
        MediaKind::Document => "document",
        MediaKind::Sticker => "sticker",
        MediaKind::Animation => return None,
    };
    let medium = Medium::sent(PROVIDER, &number.phone_number_id, kind, given);
    let medium = shared.media.add(shared.ids.number(), medium);
    let mut content = json!({
        "mime_type": given.mime_type,
        "sha256": STANDARD.encode(given.file.sha256),
        "id": medium.id,
    });
    if given.with_url {
        content["url"] = json!(give_url(shared, &medium, "webhook"));
    }
    match given.kind {
        MediaKind::Audio | MediaKind::Voice => {
            content["voice"] = json!(given.kind == MediaKind::Voice);
            return Some((kind, content));
        }
        MediaKind::Sticker => {
            content["animated"] = json!(is_animated_webp(&given.file.head()));
            return Some((kind, content));
        }
        MediaKind::Document => {
            let filename = given.filename.as_deref().unwrap_or("Untitled");
            content["filename"] = json!(filename);
        }
        MediaKind::Image | MediaKind::Video | MediaKind::Animation => {}
    }
    if let Some(caption) = caption {
        content["caption"] = json!(caption);
    }
    Some((kind, content))
}

/// Refuses a message with a file by an id that the number did not upload. Answers the code the message will be
/// reported as failed with, if a file is not what the message says.
pub(super) fn check(
    shared: &Shared,
    number: &WhatsApp,
    message: &Value,
) -> Result<Option<i64>, Refusal> {
    let mut failed = None;
    for (kind, id) in by_id(message) {
        let medium = shared.media.uploaded(&number.phone_number_id, id);
        let medium = medium.ok_or_else(|| {
            let why = "is not a valid whatsapp business account media attachment ID";
            refusal::invalid(&format!("{kind}['id']"), why)
        })?;
        let is_fit = match kind {
            "image" => matches!(medium.kind.as_str(), "image/jpeg" | "image/png"),
            "sticker" => medium.kind == "image/webp",
            "audio" | "video" => medium.kind.starts_with(kind),
            _ => true,
        };
        if !is_fit {
            failed = Some(131_053);
        }
    }
    Ok(failed)
}

/// Wherever a body names a file by its id: in the message, in its header, in a template's parameters.
fn by_id(value: &Value) -> Vec<(&str, &str)> {
    const KINDS: [&str; 5] = ["image", "video", "audio", "document", "sticker"];
    match value {
        Value::Object(fields) => {
            let fields = fields.iter();
            let found = fields.flat_map(|(name, value)| {
                let id = value.get("id").and_then(Value::as_str);
                match id.filter(|_| KINDS.contains(&name.as_str())) {
                    Some(id) => vec![(name.as_str(), id)],
                    None => by_id(value),
                }
            });
            found.collect()
        }
        Value::Array(items) => items.iter().flat_map(by_id).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}
