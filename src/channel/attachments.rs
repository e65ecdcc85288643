//! What a customer's message says on Messenger and on Instagram.
//! <https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/messages>

use super::file::{self, is_below};
use super::{FileRef, Origins, Reason, SendError, lenient};
use crate::model::channel::Channel;
use crate::model::content::{Content, Location, Media, Reply};
use crate::model::json::object;
use bytes::Bytes;
use http::{Request, Response};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use url::form_urlencoded;

/// One of the contents of a message.
pub struct Said {
    pub content: Content,
    pub file: Option<FileRef>,
    /// What was shared with it or by it and has no form here: its `title` and `url`, and its ids.
    pub shared: Option<Value>,
}

impl From<Content> for Said {
    fn from(content: Content) -> Self {
        Self {
            content,
            file: None,
            shared: None,
        }
    }
}

/// Links beside a text that are looked for in it.
const MOST_LINKS: usize = 10;

/// Its contents, in order: a text, and each attachment. A message has one at least.
pub fn contents(message: &Value) -> Vec<Said> {
    let text = lenient::text(message.get("text"));
    let mut read: Vec<Said> = Vec::new();
    if let Some(payload) = lenient::text(message.pointer("/quick_reply/payload")) {
        let title = text.clone().unwrap_or_else(|| payload.clone());
        read.push(pressed(payload, title).into());
    } else {
        read.extend(text.clone().map(|text| Said::from(Content::text_of(text))));
    }
    let attachments: Vec<&Value> = lenient::items(message.get("attachments")).collect();
    let kind_of = |attachment: &Value| lenient::text(attachment.get("type")).unwrap_or_default();
    let is_sticker = |attachment: &&&Value| kind_of(attachment) == "sticker";
    // For a time a sticker comes as an image too.
    let stickers = attachments.iter().filter(is_sticker).count();
    for (at, attachment) in attachments.iter().enumerate() {
        let kind = kind_of(attachment);
        let has_sticker_id = attachment.pointer("/payload/sticker_id").is_some();
        let is_repeated = kind == "image" && has_sticker_id && stickers > 0;
        if is_repeated {
            continue;
        }
        match (text.as_deref(), read.first_mut(), kind.as_str()) {
            // What a link in the text unfolds to, or a link beside it.
            (Some(text), Some(said), "fallback") => {
                if at < MOST_LINKS && said.shared.is_none() {
                    said.shared = shared(attachment).filter(|shared| !is_in(text, shared));
                }
            }
            // The text is the template's.
            (Some(_), Some(said), "template") => {
                said.shared = said.shared.take().or_else(|| shared(attachment));
            }
            _ => read.push(attached(&kind, has_sticker_id, attachment)),
        }
    }
    if read.is_empty() {
        let kind = if message.get("sticker_id").is_some() {
            "sticker"
        } else if message.get("is_unsupported").and_then(Value::as_bool) == Some(true) {
            "unsupported"
        } else {
            "unknown"
        };
        read.push(Content::unsupported(kind).into());
    }
    read
}

/// What is known of something that was shared: of a post, a link, a story, a product.
fn shared(attachment: &Value) -> Option<Value> {
    let (outer, inner) = (attachment.as_object()?, attachment.get("payload"));
    let inner = inner.and_then(Value::as_object);
    let fields = outer
        .iter()
        .filter(|(name, _)| !["type", "payload"].contains(&name.as_str()));
    let fields = fields.chain(inner.into_iter().flatten());
    let fields = fields.filter(|(_, field)| !field.is_null());
    // Links of pages are spelt otherwise.
    let name_of = |name: &str| if name == "URL" { "url" } else { name }.to_owned();
    let told = object(fields.map(|(name, field)| (name_of(name), field.clone())));
    (!told.is_empty()).then_some(Value::Object(told))
}

/// Whether a text has the link that was shared, which may be one that goes by Facebook.
fn is_in(text: &str, shared: &Value) -> bool {
    let Some(url) = lenient::text(shared.get("url")) else {
        return true;
    };
    let behind = url.split_once("/l.php?").and_then(|(_, query)| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        let (_, behind) = pairs.find(|(name, _)| name == "u")?;
        Some(behind.into_owned())
    });
    let bare = |url: &str| {
        let url = url.split_once("://").map_or(url, |(_, rest)| rest);
        url.trim_start_matches("www.")
            .trim_end_matches('/')
            .to_ascii_lowercase()
    };
    let text = text.to_ascii_lowercase();
    let is_there = |url: &str| text.contains(&bare(url));
    is_there(&url) || behind.is_some_and(|url| is_there(&url))
}

/// What a template says: its text, or the titles of its elements, a line each.
fn words(attachment: &Value) -> Option<String> {
    let payload = attachment.get("payload")?;
    if let Some(text) = lenient::text(payload.get("text")) {
        return Some(text);
    }
    let places = ["/elements", "/generic/elements", "/product/elements"];
    let elements = places
        .iter()
        .flat_map(|place| lenient::items(payload.pointer(place)));
    let lines = elements.flat_map(|element| {
        let lines = ["title", "subtitle"];
        lines.map(|name| lenient::text(element.get(name)))
    });
    let lines: Vec<String> = lines.flatten().collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// A button's answer.
pub fn pressed(id: String, title: String) -> Content {
    Content::Reply(Reply {
        id,
        title,
        description: None,
    })
}

fn attached(kind: &str, is_sticker: bool, attachment: &Value) -> Said {
    let url = lenient::text(attachment.pointer("/payload/url"));
    let name = lenient::text(attachment.get("name"));
    let media = Media {
        filename: name.or_else(|| url.as_deref().filter(|_| kind == "file").and_then(name_in)),
        ..Media::default()
    };
    let of_no_form = |kind: &str| Said {
        content: Content::unsupported(kind),
        file: None,
        shared: shared(attachment),
    };
    let content = match kind {
        "sticker" => Content::Sticker(media),
        "image" if is_sticker => Content::Sticker(media),
        "image" => Content::Image(media),
        "video" => Content::Video(media),
        "audio" => Content::Audio(media),
        "file" => Content::Document(media),
        "location" => return location(attachment).into(),
        "template" => {
            let read = of_no_form(kind);
            let content = words(attachment).map_or(read.content, Content::text_of);
            return Said { content, ..read };
        }
        "" => return of_no_form("unknown"),
        other => return of_no_form(other),
    };
    match url {
        Some(url) => Said {
            content,
            file: Some(FileRef::Url(url)),
            shared: None,
        },
        None => of_no_form(kind),
    }
}

/// The name of a file, as its address ends.
fn name_in(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let (_, path) = rest.split(['?', '#']).next()?.split_once('/')?;
    let last = path.rsplit('/').next()?;
    let name = percent_decode_str(last).decode_utf8_lossy().into_owned();
    let (stem, kind) = name.rsplit_once('.')?;
    let is_kind =
        (1..=8).contains(&kind.len()) && kind.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_kind && !stem.is_empty()).then_some(name)
}

fn location(attachment: &Value) -> Content {
    let degree =
        |name: &str| lenient::number(attachment.pointer(&format!("/payload/coordinates/{name}")));
    match (degree("lat"), degree("long")) {
        (Some(latitude), Some(longitude)) => Content::Location(Location {
            latitude,
            longitude,
            name: lenient::text(attachment.get("title")),
            address: None,
        }),
        _ => Content::unsupported("location"),
    }
}

/// Files that customers send lie open at Meta, under addresses that grow old.
pub struct Files;

/// Where Meta keeps them.
const HOSTS: [&str; 4] = ["fbsbx.com", "fbcdn.net", "cdninstagram.com", "facebook.com"];

impl file::Files for Files {
    fn locate(&self, _: &Origins, _: &Channel, _: &str) -> Option<Request<Bytes>> {
        None
    }

    fn located(&self, _: &Response<Bytes>) -> Result<String, SendError> {
        Err(SendError::Rejected(Reason {
            code: "not_found",
            provider_code: None,
            message: "Meta names these files by their address.".to_owned(),
        }))
    }

    /// Without credentials, which nobody asks for.
    fn download(&self, origins: &Origins, _: &Channel, address: &str) -> Option<Request<Bytes>> {
        let is_own = is_below(address, &HOSTS)
            || file::is_at(address, &origins.graph)
            || file::is_at(address, &origins.instagram);
        is_own.then(|| file::get(address, None))?
    }
}
