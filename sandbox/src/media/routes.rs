//! Looking at the providers' media, and making them expire.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Json, Path, State};
use axum::routing::{get, post};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Expiry, Medium};
use crate::control::Error;
use crate::state::Shared;

/// A file as a provider knows it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderMedia {
    /// The provider's id: a media id, an attachment id, a `file_id` or a media SID.
    pub id: String,
    pub provider: &'static str,
    pub account: String,
    /// The provider's word.
    pub kind: String,
    pub mime_type: String,
    pub filename: Option<String>,
    /// The gateway uploaded it, or told its address; else a person sent it.
    pub uploaded: bool,
    /// The id of the file. Absent: the provider was only told an address.
    pub file: Option<String>,
    pub size: Option<u64>,
    /// Hexadecimal.
    pub sha256: Option<String>,
}

impl ProviderMedia {
    fn of(medium: &Medium) -> Self {
        let file = medium.file.as_ref();
        Self {
            id: medium.id.clone(),
            provider: medium.provider,
            account: medium.account.clone(),
            kind: medium.kind.clone(),
            mime_type: medium.mime_type.clone(),
            filename: medium.filename.clone(),
            uploaded: medium.is_upload,
            file: file.map(|file| file.id.clone()),
            size: file.map(|file| file.size),
            sha256: file.map(|file| hex::encode(file.sha256)),
        }
    }
}

#[derive(Default, Deserialize)]
struct Expire {
    #[serde(default)]
    what: Expiry,
}

pub(crate) fn router() -> Router<Arc<Shared>> {
    type S = State<Arc<Shared>>;
    Router::new()
        .route(
            "/sandbox/media",
            get(async |State(shared): S| Json(json!({"data": list(&shared)}))),
        )
        .route(
            "/sandbox/media/{id}/expire",
            post(
                async |State(shared): S, Path(id): Path<String>, body: Option<Json<Expire>>| {
                    let what = body.map(|Json(expire)| expire.what);
                    if shared.media.expire(&id, what.unwrap_or_default()) {
                        Ok(StatusCode::NO_CONTENT)
                    } else {
                        Err(Error::UnknownMedia(id))
                    }
                },
            ),
        )
}

/// Oldest first.
pub(crate) fn list(shared: &Shared) -> Vec<ProviderMedia> {
    let media = shared.media.list();
    media
        .iter()
        .map(|medium| ProviderMedia::of(medium))
        .collect()
}
