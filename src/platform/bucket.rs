//! The bucket for files, R2, where one is bound as MEDIA.

use super::log;
use super::stream::Stream;
use crate::gateway::{Broken, NoAnswer, NotStored, Opened, Pieces};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;
use worker::{Bucket, Env, HttpMetadata, MultipartUpload, Range, UploadedPart};

/// As many as R2 wants in every part but the last.
const PART_BYTES: usize = 5 * 1024 * 1024;

/// The bucket, if there is one.
pub fn of(env: &Env) -> Option<Bucket> {
    env.bucket("MEDIA").ok()
}

/// Opens a file, or a part of it.
pub async fn open(
    bucket: &Bucket,
    place: &str,
    range: Option<&HeaderValue>,
) -> Result<Option<Opened<Stream>>, NoAnswer> {
    let failed = |error: worker::Error| {
        failed("get", error);
        NoAnswer
    };
    let Some(head) = bucket.head(place).await.map_err(failed)? else {
        return Ok(None);
    };
    let size = head.size();
    let wanted = range.and_then(|range| wanted(range, size));
    let mut headers = HeaderMap::new();
    if let Some(kind) = head.http_metadata().content_type
        && let Ok(kind) = HeaderValue::try_from(kind)
    {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    let mut tell = |name, text: String| {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    };
    let (status, range) = match wanted {
        None => {
            tell(header::CONTENT_LENGTH, size.to_string());
            (StatusCode::OK, None)
        }
        Some(Err(())) => {
            tell(header::CONTENT_RANGE, format!("bytes */{size}"));
            return Ok(Some(Opened {
                status: StatusCode::RANGE_NOT_SATISFIABLE,
                headers,
                stream: Stream::Unread(None),
            }));
        }
        Some(Ok((first, last))) => {
            let length = last - first + 1;
            tell(
                header::CONTENT_RANGE,
                format!("bytes {first}-{last}/{size}"),
            );
            tell(header::CONTENT_LENGTH, length.to_string());
            let range = Range::OffsetWithLength {
                offset: first,
                length,
            };
            (StatusCode::PARTIAL_CONTENT, Some(range))
        }
    };
    let get = bucket.get(place);
    let get = match range {
        Some(range) => get.range(range),
        None => get,
    };
    let Some(object) = get.execute().await.map_err(failed)? else {
        return Ok(None);
    };
    let body = object.body().map(|body| body.response_body());
    let stream = match body {
        Some(Ok(worker::ResponseBody::Stream(stream))) => Some(stream),
        Some(_) | None => None,
    };
    Ok(Some(Opened {
        status,
        headers,
        stream: Stream::Unread(stream),
    }))
}

/// The first and the last byte that a `Range` asks for; `Err` where there are none of these,
/// `None` where it is not one range of bytes.
fn wanted(range: &HeaderValue, size: u64) -> Option<Result<(u64, u64), ()>> {
    let range = range.to_str().ok()?.trim().strip_prefix("bytes=")?;
    let (first, last) = range.split_once('-')?;
    let end = size.checked_sub(1);
    if first.is_empty() {
        let count: u64 = last.parse().ok()?;
        let end = end.filter(|_| count > 0);
        return Some(end.map(|end| (size.saturating_sub(count), end)).ok_or(()));
    }
    let first: u64 = first.parse().ok()?;
    let last: Option<u64> = if last.is_empty() {
        None
    } else {
        Some(last.parse().ok()?)
    };
    let Some(end) = end.filter(|end| first <= *end) else {
        return Some(Err(()));
    };
    let last = last.unwrap_or(end).min(end);
    (first <= last).then_some(Ok((first, last)))
}

/// Stores a file as it comes, holding a part of it at a time.
pub async fn store(
    bucket: &Bucket,
    place: &str,
    mime_type: &str,
    mut body: Pieces,
    most: u64,
) -> Result<u64, NotStored> {
    let unavailable = |error: worker::Error| {
        failed("put", error);
        NotStored::Unavailable
    };
    let kind = || HttpMetadata {
        content_type: Some(mime_type.to_owned()),
        ..HttpMetadata::default()
    };
    let mut held = BytesMut::new();
    let mut size: u64 = 0;
    let mut parts: Option<(MultipartUpload, Vec<UploadedPart>)> = None;
    let outcome = loop {
        match body.next().await {
            Some(Ok(piece)) => {
                size += piece.len() as u64;
                held.extend_from_slice(&piece);
                if size > most {
                    break Err(NotStored::TooLarge);
                }
            }
            Some(Err(Broken)) => break Err(NotStored::Broken),
            None => break Ok(()),
        }
        while held.len() >= PART_BYTES {
            let part = held.split_to(PART_BYTES).freeze();
            if parts.is_none() {
                let upload = bucket.create_multipart_upload(place).http_metadata(kind());
                let upload = upload.execute().await.map_err(unavailable)?;
                parts = Some((upload, vec![]));
            }
            if let Some((upload, uploaded)) = &mut parts {
                uploaded.push(
                    put_part(upload, uploaded.len(), part)
                        .await
                        .map_err(unavailable)?,
                );
            }
        }
    };
    match (outcome, parts) {
        (Ok(()), None) => {
            let put = bucket.put(place, held.to_vec()).http_metadata(kind());
            put.execute().await.map_err(unavailable)?;
            Ok(size)
        }
        (Ok(()), Some((upload, mut uploaded))) => {
            if !held.is_empty() {
                let last = held.freeze();
                let part = put_part(&upload, uploaded.len(), last).await;
                uploaded.push(part.map_err(unavailable)?);
            }
            upload.complete(uploaded).await.map_err(unavailable)?;
            Ok(size)
        }
        (Err(error), parts) => {
            if let Some((upload, _)) = parts {
                // Parts that stay behind are cleared by R2 itself after a week.
                let _ = upload.abort().await;
            }
            Err(error)
        }
    }
}

async fn put_part(
    upload: &MultipartUpload,
    at: usize,
    part: Bytes,
) -> worker::Result<UploadedPart> {
    let number = u16::try_from(at + 1).unwrap_or(u16::MAX);
    upload.upload_part(number, part.to_vec()).await
}

pub async fn discard(bucket: &Bucket, places: Vec<String>) -> Result<(), NotStored> {
    bucket.delete_multiple(places).await.map_err(|error| {
        failed("delete", error);
        NotStored::Unavailable
    })
}

fn failed(operation: &str, error: worker::Error) {
    log::line(
        "bucket.failed",
        &json!({ "operation": operation, "error": log::reason(error) }),
    );
}
