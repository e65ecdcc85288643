//! How a file is handed out: as what it is, and never as a page of ours.

use super::{Answer, Call};
use crate::gateway::{Gateway, Ports, Served};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};

/// The part of a file that is asked for; a HEAD asks for none.
pub fn range(request: &Request<Bytes>) -> Option<&HeaderValue> {
    let range = request.headers().get(header::RANGE)?;
    (request.method() == Method::GET).then_some(range)
}

/// `GET /media/{link}`: a file that a client put here, for whoever has its link.
pub async fn linked<P: Ports>(gateway: &Gateway<P>, call: &Call<'_>) -> Answer {
    let link = call.parameter("link");
    let served = gateway.linked_media(link, range(call.request)).await?;
    Ok(response(&served))
}

/// The answer's head; the runtime adds the bytes.
pub fn response(served: &Served) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = served.status;
    let headers = response.headers_mut();
    let mut put = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    let kind = plain_kind(&served.mime_type);
    put(header::CONTENT_TYPE, &kind);
    put(header::CONTENT_DISPOSITION, &disposition(served));
    put(header::ACCEPT_RANGES, "bytes");
    put(header::CACHE_CONTROL, "private, max-age=3600");
    put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; sandbox",
    );
    for (name, value) in [
        (header::CONTENT_LENGTH, &served.length),
        (header::CONTENT_RANGE, &served.range),
    ] {
        if let Some(value) = value {
            headers.insert(name, value.clone());
        }
    }
    if served.status == StatusCode::RANGE_NOT_SATISFIABLE {
        headers.remove(header::CONTENT_TYPE);
    }
    response
}

/// One type, whatever was told: of a list a browser would take the last.
fn plain_kind(told: &str) -> String {
    let is_token = |text: &str| {
        let is_of_one = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        !text.is_empty() && text.bytes().all(is_of_one)
    };
    let bare = told.split(';').next().unwrap_or("").trim();
    let is_kind = bare
        .split_once('/')
        .is_some_and(|(family, kind)| is_token(family) && is_token(kind));
    if is_kind && !told.contains(',') {
        told.to_owned()
    } else {
        "application/octet-stream".to_owned()
    }
}

/// Pictures, sound and video may be shown where they are; all else is saved. (An SVG is a
/// program, and so is a page.)
fn disposition(served: &Served) -> String {
    let kind = plain_kind(&served.mime_type);
    let kind = kind.split(';').next().unwrap_or("").trim();
    let kind = kind.to_ascii_lowercase();
    let is_shown = matches!(
        kind.as_str(),
        "image/jpeg" | "image/png" | "image/gif" | "image/webp" | "application/pdf"
    ) || kind.starts_with("audio/")
        || kind.starts_with("video/");
    let shown = if is_shown { "inline" } else { "attachment" };
    let Some(name) = &served.filename else {
        return shown.to_owned();
    };
    let plain: String = name
        .chars()
        .map(|c| match c {
            '"' | '\\' | '/' => '_',
            c if c.is_ascii_graphic() || c == ' ' => c,
            _ => '_',
        })
        .collect();
    let encoded: String = name
        .bytes()
        .map(|byte| match byte {
            byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect();
    format!("{shown}; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(mime_type: &str, filename: Option<&str>) -> String {
        disposition(&Served {
            status: StatusCode::OK,
            mime_type: mime_type.to_owned(),
            filename: filename.map(str::to_owned),
            length: None,
            range: None,
        })
    }

    #[test]
    fn only_what_cannot_run_is_shown_where_it_is() {
        for inline in [
            "image/png",
            "IMAGE/JPEG",
            "video/mp4",
            "audio/ogg; codecs=opus",
            "application/pdf",
        ] {
            assert_eq!(shown(inline, None), "inline");
        }
        for saved in [
            "image/svg+xml",
            "text/html",
            "application/xhtml+xml",
            "text/xml",
            "",
            "application/javascript",
        ] {
            assert_eq!(shown(saved, None), "attachment");
        }
    }

    #[test]
    fn a_name_cannot_leave_its_header() {
        assert_eq!(
            shown("application/zip", Some("Rechnung \"ä\"\r\n.zip")),
            "attachment; filename=\"Rechnung ____.zip\"; filename*=UTF-8''Rechnung%20%22%C3%A4%22%0D%0A.zip"
                .replace("____", "_____")
        );
    }
}
