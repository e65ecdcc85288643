//! Handing files over to a provider: the request, cut at where the file goes.

use super::{Limit, Origins, Outbound, Reason, SendError};
use bytes::Bytes;
use http::{Request, Response};

/// A file that is handed over.
pub struct UploadFile<'a> {
    pub mime_type: &'a str,
    pub filename: &'a str,
}

/// A request with a file in its body.
pub struct Upload {
    /// Without its body.
    pub request: Request<Bytes>,
    pub before: Bytes,
    pub after: Bytes,
}

/// What a provider knows of taking files. Stateless.
pub trait Uploads: Sync {
    /// The request that hands a file over; `boundary` must not occur in it.
    fn upload(
        &self,
        origins: &Origins,
        send: &Outbound<'_>,
        file: &UploadFile<'_>,
        boundary: &str,
    ) -> Result<Upload, SendError>;

    /// Whether that request is the send itself.
    fn sends(&self) -> bool {
        false
    }

    /// Reads the provider's complete answer: what it calls the file from now on.
    fn uploaded(&self, response: &Response<Bytes>) -> Result<String, SendError>;

    /// Whether a refusal says that the provider could not have the file by its link.
    fn is_about_link(&self, _reason: &Reason) -> bool {
        false
    }

    /// What it takes of a kind of content, where that is more than it fetches itself.
    fn limit(&self, _kind: &str) -> Option<Limit> {
        None
    }

    /// How long it keeps the file, in milliseconds.
    fn kept_ms(&self) -> i64;
}

/// A form with some fields and a file.
pub fn form(
    url: &str,
    authorization: Option<&str>,
    fields: &[(&str, &str)],
    name: &str,
    file: &UploadFile<'_>,
    boundary: &str,
) -> Result<Upload, SendError> {
    let kind = format!("multipart/form-data; boundary={boundary}");
    let request = super::post(url, &kind, authorization, Bytes::new())?;
    let mut before = String::new();
    for (field, value) in fields {
        before.push_str(&format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n"
        ));
    }
    let filename: String = file
        .filename
        .chars()
        .map(|c| {
            if c.is_control() || "\"\\".contains(c) {
                '_'
            } else {
                c
            }
        })
        .collect();
    before.push_str(&format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{filename}\"\r\n\
         Content-Type: {}\r\n\r\n",
        file.mime_type
    ));
    Ok(Upload {
        request,
        before: before.into(),
        after: format!("\r\n--{boundary}--\r\n").into(),
    })
}
