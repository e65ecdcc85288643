//! Files at Telegram: told of, located, and downloaded with the token in the path.
//!
//! <https://core.telegram.org/bots/api#getfile>

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};

use super::params::Params;
use super::{PROVIDER, Refusal, authorise};
use crate::account::Telegram;
use crate::faults::Ending;
use crate::fetches::Asked;
use crate::files::{File, extension, is_image};
use crate::link::is_link;
use crate::media::{Given, MediaKind, Medium, download};
use crate::state::Shared;

const MB: u64 = 1024 * 1024;
/// The longest file a bot may upload.
pub(super) const LONGEST: u64 = 50 * MB;
const LONGEST_PHOTO: u64 = 10 * MB;
/// The longest file a bot may download.
const LONGEST_DOWNLOAD: u64 = 20 * MB;
/// How long the path of a file is good.
const PATH_S: i64 = 60 * 60;
/// What Telegram says a file is long that the sandbox did not fetch.
const TOLD_SIZE: u64 = 19_968;

/// Fields of a `Message`.
pub(crate) type Fields = Vec<(&'static str, Value)>;

/// Where a bot has a file from that it sends.
pub(super) enum Source {
    Upload(Arc<File>),
    Known(Arc<Medium>),
    /// An address, which the sandbox does not follow.
    Link(String),
}

impl Source {
    /// The file of a message of a kind: in the form, by its id or by its address.
    pub(super) fn of(
        shared: &Shared,
        bot: &Telegram,
        kind: &'static str,
        params: &Params,
    ) -> Result<Self, Refusal> {
        if let Some(upload) = params.upload(kind) {
            let file = upload.file.as_ref();
            let file = file.ok_or_else(|| Refusal::new(413, "Request Entity Too Large"))?;
            return fitting(kind, file).map(|()| Source::Upload(Arc::clone(file)));
        }
        let source = params.required(kind, &format!("there is no {kind} in the request"))?;
        if is_link(&source) {
            return Ok(Source::Link(source));
        }
        let medium = known(shared, bot, &source)
            .ok_or_else(|| Refusal::bad_request("wrong file identifier/HTTP URL specified"))?;
        if medium.kind == kind {
            Ok(Source::Known(medium))
        } else {
            Err(Refusal::bad_request("type of file mismatch"))
        }
    }

    /// What the phone shows of it.
    pub(super) fn shown(&self) -> String {
        match self {
            Source::Upload(file) => file.filename.clone().unwrap_or_default(),
            Source::Known(medium) => medium.id.clone(),
            Source::Link(url) => url.clone(),
        }
    }

    /// Keeps the file. Answers how the message tells of it.
    pub(super) fn keep(self, shared: &Shared, bot: &Telegram, kind: &'static str) -> Fields {
        let medium = match self {
            Source::Known(medium) => medium,
            Source::Upload(file) => {
                shared.files.add(Arc::clone(&file));
                let medium = Medium::uploaded(PROVIDER, &bot.username, kind, &file);
                shared.media.add(file_id(shared, kind), medium)
            }
            Source::Link(_) => {
                let medium = Medium::told(PROVIDER, &bot.username, kind);
                shared.media.add(file_id(shared, kind), medium)
            }
        };
        fields(kind, described(kind, &medium, FULL))
    }
}

fn known(shared: &Shared, bot: &Telegram, id: &str) -> Option<Arc<Medium>> {
    let medium = shared.media.get(id)?;
    (medium.provider == PROVIDER && medium.account == bot.username).then_some(medium)
}

fn fitting(kind: &str, file: &File) -> Result<(), Refusal> {
    if file.size == 0 {
        return Err(Refusal::bad_request("file must be non-empty"));
    }
    if kind != "photo" {
        return Ok(());
    }
    if file.size > LONGEST_PHOTO {
        let size = file.size;
        let why = format!(
            "file of size {size} bytes is too big for a photo; the maximum size is \
             {LONGEST_PHOTO} bytes"
        );
        return Err(Refusal::bad_request(&why));
    }
    if is_image(&file.head()) {
        Ok(())
    } else {
        Err(Refusal::bad_request("IMAGE_PROCESS_FAILED"))
    }
}

/// The width of photos: the thumbnail, the small one, and the photo itself.
const WIDTHS: [u64; 3] = [90, 320, FULL];
const FULL: u64 = 1280;

/// How a message tells of a file that a person sent.
pub(crate) fn received(shared: &Shared, bot: &Telegram, given: &Given) -> (&'static str, Fields) {
    let kind = match given.kind {
        MediaKind::Image => "photo",
        MediaKind::Video => "video",
        MediaKind::Audio => "audio",
        MediaKind::Voice => "voice",
        MediaKind::Document => "document",
        MediaKind::Sticker => "sticker",
        MediaKind::Animation => "animation",
    };
    let keep = |file: &Arc<File>, width| {
        let mut medium = Medium::sent(PROVIDER, &bot.username, kind, given);
        medium.file = Some(Arc::clone(file));
        let medium = shared.media.add(file_id(shared, kind), medium);
        described(kind, &medium, width)
    };
    if kind != "photo" {
        return (kind, fields(kind, keep(&given.file, FULL)));
    }
    let files = given.smaller.iter().chain([&given.file]);
    let widths = &WIDTHS[WIDTHS.len() - 1 - given.smaller.len()..];
    let sizes = files.zip(widths).map(|(file, width)| keep(file, *width));
    (kind, vec![(kind, sizes.collect())])
}

fn fields(kind: &'static str, file: Value) -> Fields {
    match kind {
        "photo" => vec![(kind, json!([file]))],
        // For who does not know of animations.
        "animation" => {
            let mut document = file.clone();
            if let Some(document) = document.as_object_mut() {
                document
                    .retain(|name, _| !matches!(name.as_str(), "width" | "height" | "duration"));
            }
            vec![(kind, file), ("document", document)]
        }
        _ => vec![(kind, file)],
    }
}

/// A file as Telegram describes it. The dimensions and durations are made up.
fn described(kind: &str, medium: &Medium, width: u64) -> Value {
    let size = medium.file.as_ref().map_or(TOLD_SIZE, |file| file.size);
    let mut about = json!({
        "file_id": medium.id,
        "file_unique_id": unique_id(medium),
        "file_size": size,
    });
    let mut set = |fields: &[(&str, Value)]| {
        for (name, value) in fields {
            about[*name] = value.clone();
        }
    };
    match kind {
        "photo" => set(&[("width", json!(width)), ("height", json!(width * 3 / 4))]),
        "video" | "animation" => set(&[
            ("width", json!(1280)),
            ("height", json!(720)),
            ("duration", json!(10)),
        ]),
        "sticker" => set(&[
            ("width", json!(512)),
            ("height", json!(512)),
            ("type", json!("regular")),
            ("is_animated", json!(false)),
            ("is_video", json!(false)),
            ("emoji", json!("👍")),
        ]),
        "audio" | "voice" => set(&[("duration", json!(10))]),
        _ => {}
    }
    if medium.file.is_some() && !matches!(kind, "photo" | "sticker") {
        set(&[("mime_type", json!(medium.mime_type))]);
        if let Some(name) = medium.filename.as_ref().filter(|_| kind != "voice") {
            set(&[("file_name", json!(name))]);
        }
    }
    about
}

fn file_id(shared: &Shared, kind: &str) -> String {
    let prefix = match kind {
        "photo" => "AgAC",
        "video" => "BAAC",
        "audio" => "CQAC",
        "voice" => "AwAC",
        "sticker" => "CAAC",
        "animation" => "CgAC",
        _ => "BQAC",
    };
    format!("{prefix}{}", &hex::encode(shared.ids.fresh())[..56])
}

/// The same for the same bytes, whoever sent them.
fn unique_id(medium: &Medium) -> String {
    let unique = match &medium.file {
        Some(file) => hex::encode(&file.sha256[..6]),
        None => medium.id[medium.id.len() - 12..].to_owned(),
    };
    let prefix = if medium.kind == "photo" {
        "AQAD"
    } else {
        "AgAD"
    };
    format!("{prefix}{unique}")
}

/// `getFile`: the path of a file, which is good for an hour.
pub(super) fn locate(shared: &Shared, bot: &Telegram, id: &str) -> Result<Value, Refusal> {
    let unavailable =
        || Refusal::bad_request("wrong file_id or the file is temporarily unavailable");
    let medium = known(shared, bot, id).ok_or_else(unavailable)?;
    let file = medium.file.as_ref().ok_or_else(unavailable)?;
    if file.size > LONGEST_DOWNLOAD {
        return Err(Refusal::bad_request("file is too big"));
    }
    let folder = match medium.kind.as_str() {
        "photo" => "photos",
        "video" => "videos",
        "audio" => "music",
        "voice" => "voice",
        "sticker" => "stickers",
        "animation" => "animations",
        _ => "documents",
    };
    let extension = match medium.kind.as_str() {
        "photo" => "jpg",
        "voice" => "oga",
        _ => extension(&medium.mime_type),
    };
    let path = format!("{folder}/file_{}.{extension}", medium.number);
    shared.media.link(&link(bot, &path), &medium, PATH_S);
    Ok(json!({
        "file_id": medium.id,
        "file_unique_id": unique_id(&medium),
        "file_size": file.size,
        "file_path": path,
    }))
}

fn link(bot: &Telegram, path: &str) -> String {
    format!("{}/{path}", bot.username)
}

pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new().route(
        "/telegram/file/{bot}/{*path}",
        get(
            async |State(shared): State<Arc<Shared>>,
                   Path((bot, path)): Path<(String, String)>,
                   request: Request| {
                let asked = Asked::new("telegramFile", &request);
                read(&shared, &bot, &path, asked).await
            },
        ),
    )
}

/// The bytes. Telegram never says what they are.
async fn read(shared: &Arc<Shared>, bot: &str, path: &str, asked: Asked) -> Response {
    let asked = asked.at(format!("/telegram/file/bot***/{path}"));
    let refusal = match authorise(shared, bot) {
        Ok(bot) => {
            let medium = shared.media.follow(&link(&bot, path));
            let served = medium.and_then(|medium| {
                let asked = asked.clone().for_media(&medium.id);
                download(shared, &asked, &medium, "application/octet-stream")
            });
            match served {
                Some(response) => return response,
                None => Refusal::new(404, "Not Found"),
            }
        }
        Err(refusal) => refusal,
    };
    let answer = refusal.answer();
    shared.fetches.record(&asked, None, answer.status);
    Ending::Answer(answer).respond().await
}
