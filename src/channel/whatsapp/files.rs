//! Files that customers send: asked for by id, then fetched with the same token.
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/reference/media>

use super::super::file::{self, get, is_at, is_below};
use super::super::{Origins, SendError, join, lenient, meta};
use crate::model::channel::Channel;
use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;

pub struct Files;

/// Where Meta keeps files.
pub const HOSTS: [&str; 4] = ["fbsbx.com", "fbcdn.net", "facebook.com", "whatsapp.net"];

impl file::Files for Files {
    fn locate(&self, origins: &Origins, channel: &Channel, id: &str) -> Option<Request<Bytes>> {
        let is_id = id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        let number = channel.credentials.get("phoneNumberId");
        let path = format!("{id}?phone_number_id={number}");
        let token = channel.credentials.get("accessToken");
        is_id.then(|| meta::get(&join(&origins.graph, &path), token))?
    }

    fn located(&self, response: &Response<Bytes>) -> Result<String, SendError> {
        if !response.status().is_success() {
            return Err(meta::error(response));
        }
        let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        lenient::text(body.get("url")).ok_or_else(|| meta::error(response))
    }

    fn download(
        &self,
        origins: &Origins,
        channel: &Channel,
        address: &str,
    ) -> Option<Request<Bytes>> {
        let is_own = is_below(address, &HOSTS) || is_at(address, &origins.graph);
        let bearer = format!("Bearer {}", channel.credentials.get("accessToken"));
        is_own.then(|| get(address, Some(&bearer)))?
    }
}
