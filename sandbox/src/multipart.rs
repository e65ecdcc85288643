//! Forms with files in them, read as they come.
//!
//! <https://www.rfc-editor.org/rfc/rfc7578>

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body::Body as _;
use serde_json::{Value, json};

use crate::files::{File, Intake};
use crate::header_value::parameter;
use crate::state::Shared;

/// The longest head of a part.
const HEAD: usize = 8 * 1024;
/// The longest text of a field.
const TEXT: usize = 1024 * 1024;

/// Why a form could not be read.
#[derive(Debug)]
pub(crate) struct Unreadable(pub String);

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// The fields of a form.
#[derive(Default)]
pub(crate) struct Form {
    pub texts: Vec<(String, String)>,
    pub uploads: Vec<Upload>,
}

/// A file of a form.
#[derive(Clone)]
pub(crate) struct Upload {
    /// The field's.
    pub name: String,
    pub filename: Option<String>,
    pub content_type: Option<String>,
    pub size: u64,
    /// Absent if there were more bytes than the form may have.
    pub file: Option<Arc<File>>,
}

impl Upload {
    /// The file as the journal keeps it.
    pub(crate) fn as_value(&self) -> Value {
        json!({
            "filename": self.filename,
            "type": self.content_type,
            "size": self.size,
            "file": self.file.as_ref().map(|file| &file.id),
            "sha256": self.file.as_ref().map(|file| hex::encode(file.sha256)),
        })
    }
}

impl Form {
    /// Reads a form whose files may have so many bytes each. Longer ones are read to their end, and not kept.
    pub(crate) async fn read(
        shared: &Shared,
        headers: &HeaderMap,
        body: Body,
        most: u64,
    ) -> Result<Self, Unreadable> {
        let mut parts = Parts::of(headers, body)?;
        let mut form = Self::default();
        while let Some(head) = parts.next().await? {
            let Some(filename) = head.filename else {
                form.texts.push((head.name, parts.text().await?));
                continue;
            };
            let mut intake = Intake::new(most);
            while let Some(chunk) = parts.chunk().await? {
                intake.write(&chunk).await?;
            }
            let filename = Some(filename).filter(|name| !name.is_empty());
            let content_type = head.content_type.clone();
            let otherwise = || "application/octet-stream".to_owned();
            let content_type = content_type.unwrap_or_else(otherwise);
            let taken = File::taken(&shared.ids, intake, content_type, filename.clone(), true);
            let (size, file) = taken.await?;
            form.uploads.push(Upload {
                name: head.name,
                filename,
                content_type: head.content_type,
                size,
                file,
            });
        }
        Ok(form)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let mut texts = self.texts.iter();
        let found = texts.find(|(known, _)| known == name);
        found.map(|(_, text)| text.as_str())
    }

    pub(crate) fn upload(&self, name: &str) -> Option<&Upload> {
        self.uploads.iter().find(|upload| upload.name == name)
    }

    /// The form as the journal keeps it.
    pub(crate) fn as_value(&self) -> Value {
        let texts = self.texts.iter();
        let texts = texts.map(|(name, text)| (name.clone(), json!(text)));
        let uploads = self.uploads.iter();
        let uploads = uploads.map(|upload| (upload.name.clone(), upload.as_value()));
        Value::Object(texts.chain(uploads).collect())
    }
}

pub(crate) fn is_multipart(headers: &HeaderMap) -> bool {
    boundary(headers).is_some()
}

fn boundary(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let is_form = value
        .get(..19)
        .is_some_and(|kind| kind.eq_ignore_ascii_case("multipart/form-data"));
    is_form.then(|| parameter(value, "boundary"))?
}

struct Head {
    name: String,
    filename: Option<String>,
    content_type: Option<String>,
}

impl Head {
    fn of(lines: &[u8]) -> Result<Self, Unreadable> {
        let lines = String::from_utf8_lossy(lines);
        let header = |wanted: &str| {
            let mut lines = lines.split("\r\n").filter_map(|line| line.split_once(':'));
            let found = lines.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value.trim().to_owned())
        };
        let disposition = header("content-disposition").unwrap_or_default();
        let name = parameter(&disposition, "name");
        Ok(Self {
            name: name.ok_or_else(|| unreadable("a part has no name"))?,
            filename: parameter(&disposition, "filename"),
            content_type: header("content-type"),
        })
    }
}

/// The parts of a form, one after the other. Of a part no more is held than has come and is not yet read.
struct Parts {
    body: Body,
    buffer: BytesMut,
    /// `\r\n--<boundary>`
    delimiter: Vec<u8>,
    is_in_part: bool,
}

impl Parts {
    fn of(headers: &HeaderMap, body: Body) -> Result<Self, Unreadable> {
        let boundary = boundary(headers).ok_or_else(|| unreadable("it is not a form"))?;
        Ok(Self {
            body,
            // The first delimiter needs no line before it.
            buffer: BytesMut::from(&b"\r\n"[..]),
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            is_in_part: true,
        })
    }

    /// The head of the next part, if there is one more. What is left of the part before is passed over.
    async fn next(&mut self) -> Result<Option<Head>, Unreadable> {
        while self.chunk().await?.is_some() {}
        self.buffer.advance(self.delimiter.len());
        while self.buffer.len() < 2 {
            self.more().await?;
        }
        if self.buffer.starts_with(b"--") {
            return Ok(None);
        }
        // From the line end of the delimiter to the empty line.
        let length = loop {
            if let Some(length) = find(&self.buffer, b"\r\n\r\n") {
                break length;
            }
            if self.buffer.len() > HEAD {
                return Err(unreadable("the head of a part is too long"));
            }
            self.more().await?;
        };
        let head = Head::of(&self.buffer[..length])?;
        self.buffer.advance(length + 4);
        self.is_in_part = true;
        Ok(Some(head))
    }

    /// What there is of the part's body, until its end.
    async fn chunk(&mut self) -> Result<Option<Bytes>, Unreadable> {
        while self.is_in_part {
            match find(&self.buffer, &self.delimiter) {
                Some(0) => self.is_in_part = false,
                Some(length) => return Ok(Some(self.buffer.split_to(length).freeze())),
                None if self.buffer.len() > self.delimiter.len() => {
                    // Its last bytes may begin a delimiter.
                    let length = self.buffer.len() - self.delimiter.len();
                    return Ok(Some(self.buffer.split_to(length).freeze()));
                }
                None => self.more().await?,
            }
        }
        Ok(None)
    }

    async fn text(&mut self) -> Result<String, Unreadable> {
        let mut text = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if text.len() + chunk.len() > TEXT {
                return Err(unreadable("a field is too long"));
            }
            text.extend_from_slice(&chunk);
        }
        String::from_utf8(text).map_err(|_| unreadable("a field is not UTF-8"))
    }

    async fn more(&mut self) -> Result<(), Unreadable> {
        loop {
            let frame = std::future::poll_fn(|cx| Pin::new(&mut self.body).poll_frame(cx)).await;
            let frame = frame.ok_or_else(|| unreadable("it ends too early"))?;
            let frame = frame.map_err(|error| Unreadable(error.to_string()))?;
            if let Ok(bytes) = frame.into_data() {
                self.buffer.extend_from_slice(&bytes);
                return Ok(());
            }
        }
    }
}

fn unreadable(why: &str) -> Unreadable {
    Unreadable(why.to_owned())
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == first) {
        from += at;
        if bytes[from..].starts_with(wanted) {
            return Some(from);
        }
        from += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll};

    use http::HeaderValue;
    use http_body::Frame;

    use super::*;

    /// A body that comes in pieces of so many bytes.
    struct Pieces(Bytes, usize);

    impl http_body::Body for Pieces {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
            let length = self.1.min(self.0.len());
            let piece = self.0.split_to(length);
            Poll::Ready((length > 0).then(|| Ok(Frame::data(piece))))
        }
    }

    fn parts(body: &'static [u8], length: usize) -> Parts {
        let kind = HeaderValue::from_static("multipart/form-data; boundary=\"xYz\"");
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind)]);
        Parts::of(
            &headers,
            Body::new(Pieces(Bytes::from_static(body), length)),
        )
        .unwrap()
    }

    #[tokio::test]
    async fn a_form_is_read_the_same_whatever_pieces_it_comes_in() {
        let body = b"preamble\r\n--xYz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\n--xY\r\n\
            --xYz\r\ncontent-disposition: form-data; name=b; filename=\"c \\\"d\\\";e.png\"\r\n\
            Content-Type: image/png\r\n\r\n\r\n--xYz--\r\nepilogue";

        for length in [1, 2, 3, 7, 1000] {
            let mut parts = parts(body, length);
            let first = parts.next().await.unwrap().unwrap();
            assert_eq!((first.name.as_str(), first.filename), ("a", None));
            assert_eq!(parts.text().await.unwrap(), "one\r\n--xY", "{length}");
            let second = parts.next().await.unwrap().unwrap();
            assert_eq!(second.filename.as_deref(), Some("c \"d\";e.png"));
            assert_eq!(second.content_type.as_deref(), Some("image/png"));
            assert_eq!(parts.text().await.unwrap(), "");
            assert!(parts.next().await.unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn a_form_that_breaks_off_is_unreadable() {
        for body in [
            &b""[..],
            b"--xYz\r\n",
            b"--xYz\r\ncontent-disposition: form-data; name=a\r\n\r\none",
            b"--xYz\r\ncontent-type: text/plain\r\n\r\none\r\n--xYz--",
        ] {
            let mut parts = parts(body, 1000);
            let read = async {
                while parts.next().await?.is_some() {}
                Ok::<_, Unreadable>(())
            };
            assert!(read.await.is_err(), "{body:?}");
        }
    }
}
