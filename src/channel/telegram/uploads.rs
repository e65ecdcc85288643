//! Files that are handed over: with the message itself, as a form. Telegram then has an id
//! for the file, by which the bot may send it again.
//! <https://core.telegram.org/bots/api#sending-files>

use super::super::upload::{self, Upload, UploadFile, form};
use super::super::{Limit, Origins, Outbound, Reason, SendError, join, lenient};
use super::{error, send};
use crate::model::time::DAY_MS;
use bytes::Bytes;
use http::Response;
use serde_json::Value;

pub struct Uploads;

const MB: u64 = 1024 * 1024;

/// The parameters that name a file.
const FILES: [&str; 6] = ["photo", "video", "voice", "audio", "document", "sticker"];

impl upload::Uploads for Uploads {
    fn upload(
        &self,
        origins: &Origins,
        send: &Outbound<'_>,
        file: &UploadFile<'_>,
        boundary: &str,
    ) -> Result<Upload, SendError> {
        let method = send::method(send)?;
        let token = send.channel.credentials.get("botToken");
        let url = join(&origins.telegram, &format!("bot{token}/{}", method.name));
        let mut name = "document";
        let mut fields: Vec<(String, String)> = Vec::new();
        for (field, value) in method.parameters.as_object().into_iter().flatten() {
            if let Some(known) = FILES.into_iter().find(|known| known == field) {
                name = known;
                continue;
            }
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            fields.push((field.clone(), text));
        }
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(field, value)| (field.as_str(), value.as_str()))
            .collect();
        form(&url, None, &fields, name, file, boundary)
    }

    fn sends(&self) -> bool {
        true
    }

    fn uploaded(&self, response: &Response<Bytes>) -> Result<String, SendError> {
        let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        let result = body.get("result");
        let file = FILES.into_iter().find_map(|name| {
            let file = result?.get(name)?;
            // A picture comes in several sizes, the largest last.
            let file = file.as_array().map_or(Some(file), |sizes| sizes.last())?;
            lenient::text(file.get("file_id"))
        });
        file.ok_or_else(|| error(response, &body))
    }

    /// Its words are no contract; those it has not are a refusal like any other.
    fn is_about_link(&self, reason: &Reason) -> bool {
        let said = reason.message.to_ascii_lowercase();
        ["http url", "web page content", "webpage"]
            .iter()
            .any(|words| said.contains(words))
    }

    /// Photos of 10 MB, and whatever else of 50 MB; what it fetches itself is less.
    fn limit(&self, kind: &str) -> Option<Limit> {
        let (mime_types, most_bytes): (&[&str], u64) = match kind {
            "image" => (&["image/jpeg", "image/png", "image/webp"], 10 * MB),
            "document" => (&["*/*"], 50 * MB),
            "video" => (&["video/*"], 50 * MB),
            "audio" => (&["audio/*"], 50 * MB),
            _ => return None,
        };
        Some(Limit::File {
            mime_types,
            most_bytes,
        })
    }

    fn kept_ms(&self) -> i64 {
        30 * DAY_MS
    }
}
