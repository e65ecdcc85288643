//! Files that are handed over before they are sent.
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/reference/media#upload-media>

use super::super::upload::{self, Upload, UploadFile, form};
use super::super::{Origins, Outbound, SendError, join, lenient, meta};
use crate::model::time::DAY_MS;
use bytes::Bytes;
use http::Response;
use serde_json::Value;

pub struct Uploads;

impl upload::Uploads for Uploads {
    fn upload(
        &self,
        origins: &Origins,
        send: &Outbound<'_>,
        file: &UploadFile<'_>,
        boundary: &str,
    ) -> Result<Upload, SendError> {
        let credentials = &send.channel.credentials;
        let path = format!("{}/media", credentials.get("phoneNumberId"));
        let bearer = format!("Bearer {}", credentials.get("accessToken"));
        let fields = [("messaging_product", "whatsapp"), ("type", file.mime_type)];
        form(
            &join(&origins.graph, &path),
            Some(&bearer),
            &fields,
            "file",
            file,
            boundary,
        )
    }

    fn uploaded(&self, response: &Response<Bytes>) -> Result<String, SendError> {
        if !response.status().is_success() {
            return Err(meta::error(response));
        }
        let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        lenient::text(body.get("id")).ok_or_else(|| meta::error(response))
    }

    /// A day less than Meta does.
    fn kept_ms(&self) -> i64 {
        29 * DAY_MS
    }
}
