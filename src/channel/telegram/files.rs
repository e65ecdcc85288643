//! Files that customers send: `getFile` gives a path, which the token opens.
//! <https://core.telegram.org/bots/api#getfile>

use super::super::file::{self, get};
use super::super::{Origins, SendError, join, lenient, post_json};
use super::error;
use crate::model::channel::Channel;
use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

pub struct Files;

impl file::Files for Files {
    fn locate(&self, origins: &Origins, channel: &Channel, id: &str) -> Option<Request<Bytes>> {
        let token = channel.credentials.get("botToken");
        let url = join(&origins.telegram, &format!("bot{token}/getFile"));
        post_json(&url, None, &json!({ "file_id": id })).ok()
    }

    fn located(&self, response: &Response<Bytes>) -> Result<String, SendError> {
        let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        let path = lenient::text(body.pointer("/result/file_path"));
        path.ok_or_else(|| error(response, &body))
    }

    /// The address is a path below the bot's own.
    fn download(
        &self,
        origins: &Origins,
        channel: &Channel,
        address: &str,
    ) -> Option<Request<Bytes>> {
        let is_path = !address.is_empty()
            && !address
                .split('/')
                .any(|part| part.is_empty() || part == "." || part == "..")
            && address
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"/_-.".contains(&byte));
        let token = channel.credentials.get("botToken");
        let url = join(&origins.telegram, &format!("file/bot{token}/{address}"));
        is_path.then(|| get(&url, None))?
    }
}
