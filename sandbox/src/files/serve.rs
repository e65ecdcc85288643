//! Serving a file, or the part of it that is asked for.
//!
//! <https://www.rfc-editor.org/rfc/rfc9110#name-range-requests>

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body::{Frame, SizeHint};
use tokio::task::JoinHandle;

use super::File;
use super::content::BLOCK;
use crate::fetches::Asked;
use crate::state::Shared;

/// Answers a request for a file, and keeps who asked.
pub(crate) fn serve(
    shared: &Shared,
    asked: &Asked,
    file: &Arc<File>,
    content_type: &str,
) -> Response {
    let etag = format!("\"{}\"", hex::encode(&file.sha256[..16]));
    let is_known = asked
        .headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|known| known.as_bytes() == etag.as_bytes());
    let (status, from, to) = match range(&asked.headers, file.size) {
        _ if is_known => (StatusCode::NOT_MODIFIED, 0, 0),
        Range::Whole => (StatusCode::OK, 0, file.size),
        Range::Part(from, to) => (StatusCode::PARTIAL_CONTENT, from, to),
        Range::Unsatisfiable => (StatusCode::RANGE_NOT_SATISFIABLE, 0, 0),
    };
    let served = shared.fetches.record(asked, Some(&file.id), status);
    file.served.requests.fetch_add(1, Ordering::Relaxed);
    let mut response = Response::new(Body::new(Reading {
        file: Arc::clone(file),
        at: from,
        to,
        served,
        block: None,
    }));
    *response.status_mut() = status;
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    };
    set(header::ETAG, &etag);
    set(header::ACCEPT_RANGES, "bytes");
    match status {
        StatusCode::NOT_MODIFIED => return response,
        StatusCode::RANGE_NOT_SATISFIABLE => {
            set(header::CONTENT_RANGE, &format!("bytes */{}", file.size));
        }
        StatusCode::PARTIAL_CONTENT => {
            let range = format!("bytes {from}-{}/{}", to - 1, file.size);
            set(header::CONTENT_RANGE, &range);
        }
        _ => {}
    }
    set(header::CONTENT_TYPE, content_type);
    set(header::CONTENT_LENGTH, &(to - from).to_string());
    if let Some(name) = &file.filename {
        set(header::CONTENT_DISPOSITION, &disposition(name));
    }
    response
}

/// The name with what a header cannot hold as `_`.
fn disposition(name: &str) -> String {
    let is_plain = |c: &char| (c.is_ascii_graphic() || *c == ' ') && !matches!(c, '"' | '\\');
    let name: String = name
        .chars()
        .map(|c| if is_plain(&c) { c } else { '_' })
        .collect();
    format!("attachment; filename=\"{name}\"")
}

#[derive(Debug, Eq, PartialEq)]
enum Range {
    Whole,
    /// From the first byte to before the last.
    Part(u64, u64),
    Unsatisfiable,
}

/// The part asked for. Several parts, and what cannot be read, count as none.
fn range(headers: &HeaderMap, size: u64) -> Range {
    let asked = headers.get(header::RANGE);
    let asked = asked.and_then(|range| range.to_str().ok()?.strip_prefix("bytes="));
    let Some((from, to)) = asked.and_then(|range| range.split_once('-')) else {
        return Range::Whole;
    };
    let (from, to) = match (from.parse::<u64>(), to.parse::<u64>()) {
        (Ok(from), Ok(to)) if from <= to => (from, to.saturating_add(1).min(size)),
        (Ok(from), Err(_)) if to.is_empty() => (from, size),
        (Err(_), Ok(last)) if from.is_empty() => (size.saturating_sub(last), size),
        _ => return Range::Whole,
    };
    if from < to {
        Range::Part(from, to)
    } else {
        Range::Unsatisfiable
    }
}

/// A file on its way out, block by block.
struct Reading {
    file: Arc<File>,
    at: u64,
    to: u64,
    served: Arc<AtomicU64>,
    /// The next block, if it comes from disk.
    block: Option<JoinHandle<io::Result<Bytes>>>,
}

impl Reading {
    fn poll_block(&mut self, cx: &mut Context<'_>, length: usize) -> Poll<io::Result<Bytes>> {
        if !self.file.content.is_on_disk() {
            return Poll::Ready(self.file.content.read(self.at, length));
        }
        let block = self.block.get_or_insert_with(|| {
            let (file, at) = (Arc::clone(&self.file), self.at);
            tokio::task::spawn_blocking(move || file.content.read(at, length))
        });
        let read = ready!(Pin::new(block).poll(cx));
        self.block = None;
        Poll::Ready(read.map_err(io::Error::other)?)
    }
}

impl http_body::Body for Reading {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let left = self.to - self.at;
        if left == 0 {
            return Poll::Ready(None);
        }
        let length = left.min(BLOCK as u64) as usize;
        let block = match ready!(self.poll_block(cx, length)) {
            Ok(block) if block.is_empty() => return Poll::Ready(Some(Err(gone()))),
            Ok(block) => block,
            Err(error) => return Poll::Ready(Some(Err(error))),
        };
        let count = block.len() as u64;
        self.at += count;
        self.served.fetch_add(count, Ordering::Relaxed);
        self.file.served.bytes.fetch_add(count, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(block))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.to - self.at)
    }
}

/// The file on disk is shorter than it was.
fn gone() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_the_standard_says() {
        let cases = [
            ("bytes=0-9", Range::Part(0, 10)),
            ("bytes=90-", Range::Part(90, 100)),
            ("bytes=90-200", Range::Part(90, 100)),
            ("bytes=-10", Range::Part(90, 100)),
            ("bytes=-200", Range::Part(0, 100)),
            ("bytes=100-", Range::Unsatisfiable),
            ("bytes=-0", Range::Unsatisfiable),
            ("bytes=9-0", Range::Whole),
            ("bytes=0-1,5-6", Range::Whole),
            ("bytes=-", Range::Whole),
            ("lines=0-1", Range::Whole),
        ];

        for (value, expected) in cases {
            let headers = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static(value))]);
            assert_eq!(range(&headers, 100), expected, "{value}");
        }
    }
}
