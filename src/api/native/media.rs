//! `/v1/media`: files that customers sent, and files to send.

use super::{Answer, Call, id, json_response};
use crate::api::file;
use crate::gateway::{Error, Gateway, Ports};
use crate::model::access::{Key, Scope};
use crate::model::id::MediaId;
use http::{StatusCode, header};

#[derive(Clone, Copy, Debug)]
pub enum Action {
    Show,
    Put,
}

impl Action {
    pub fn scope(self) -> Scope {
        match self {
            Action::Show => Scope::MessagesRead,
            Action::Put => Scope::MessagesSend,
        }
    }
}

pub async fn handle<P: Ports>(
    gateway: &Gateway<P>,
    action: Action,
    call: &Call<'_>,
    key: &Key,
) -> Answer {
    let headers = call.request.headers();
    match action {
        Action::Show => {
            let media = id(call, MediaId::parse, "media")?;
            let served = gateway.media(key, media, file::range(call.request)).await?;
            Ok(file::response(&served))
        }
        Action::Put => {
            let kind = headers.get(header::CONTENT_TYPE);
            let kind = kind.and_then(|kind| kind.to_str().ok()).map(str::trim);
            let kind = kind.filter(|kind| kind.contains('/')).ok_or_else(|| {
                Error::invalid(
                    "/headers/content-type",
                    "must say what the file is, such as image/png",
                )
            })?;
            let name = call
                .query("filename")
                .filter(|name| !name.trim().is_empty());
            let stored = gateway.take_media(key, kind, name).await?;
            Ok(json_response(StatusCode::CREATED, &stored))
        }
    }
}
