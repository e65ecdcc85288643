//! The file in a `multipart/form-data` body, read as it comes.
//! <https://www.rfc-editor.org/rfc/rfc7578>

use super::{Broken, Error, Pieces};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};

/// A file on its way.
pub struct FilePart {
    pub mime_type: String,
    pub filename: Option<String>,
    pub body: Pieces,
}

/// Longer than the fields before a file and its headers are.
const LONGEST_HEAD: usize = 64 * 1024;

/// The boundary of a multipart body; `None` where the type is another.
pub fn boundary(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameter(parameters, "boundary")?;
    (1..=70).contains(&boundary.len()).then_some(boundary)
}

/// A parameter of a header, quoted or not.
fn parameter(parameters: &str, name: &str) -> Option<String> {
    parameters.split(';').find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        let is_it = key.trim().eq_ignore_ascii_case(name);
        let value = value.trim().trim_matches('"').replace("\\\"", "\"");
        (is_it && !value.is_empty()).then_some(value)
    })
}

/// A body and what was read of it.
struct Source {
    body: Pieces,
    read: BytesMut,
    /// What ends the part.
    end: Vec<u8>,
    is_over: bool,
}

impl Source {
    /// Reads a piece more; `false` at the end.
    async fn more(&mut self) -> Result<bool, Broken> {
        match self.body.next().await {
            Some(Ok(piece)) => {
                self.read.extend_from_slice(&piece);
                Ok(true)
            }
            Some(Err(Broken)) => Err(Broken),
            None => Ok(false),
        }
    }

    /// Reads up to a mark and past it; gives back what was before.
    async fn until(&mut self, mark: &[u8]) -> Result<Bytes, Error> {
        loop {
            if let Some(at) = find(&self.read, mark) {
                let before = self.read.split_to(at).freeze();
                let _ = self.read.split_to(mark.len());
                return Ok(before);
            }
            let is_whole = self.read.len() <= LONGEST_HEAD && self.more().await.is_ok_and(|it| it);
            if !is_whole {
                return Err(Error::invalid("/file", "is required: no part is a file"));
            }
        }
    }
}

/// The first part that is a file.
pub async fn file(body: Pieces, boundary: &str) -> Result<FilePart, Error> {
    let mut source = Source {
        body,
        // The first boundary has no line break before it.
        read: BytesMut::from(&b"\r\n"[..]),
        end: format!("\r\n--{boundary}").into_bytes(),
        is_over: false,
    };
    loop {
        let end = source.end.clone();
        source.until(&end).await?;
        let head = source.until(b"\r\n\r\n").await?;
        let head = String::from_utf8_lossy(&head).into_owned();
        let header = |name: &str| {
            head.split("\r\n").find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.trim()
                    .eq_ignore_ascii_case(name)
                    .then(|| value.trim().to_owned())
            })
        };
        let disposition = header("content-disposition").unwrap_or_default();
        let filename = parameter(&disposition, "filename");
        let mime_type = header("content-type");
        let is_file = filename.is_some()
            || (mime_type.is_some() && parameter(&disposition, "name").as_deref() == Some("file"));
        if !is_file {
            continue;
        }
        return Ok(FilePart {
            mime_type: mime_type.unwrap_or_else(|| "application/octet-stream".to_owned()),
            filename,
            body: Box::pin(stream::unfold(source, piece)),
        });
    }
}

/// The next piece of a part. What may be the beginning of its end is kept back.
async fn piece(mut source: Source) -> Option<(Result<Bytes, Broken>, Source)> {
    if source.is_over {
        return None;
    }
    loop {
        if let Some(at) = find(&source.read, &source.end) {
            source.is_over = true;
            let last = source.read.split_to(at).freeze();
            return Some((Ok(last), source));
        }
        let sure = source.read.len().saturating_sub(source.end.len() - 1);
        if sure > 0 {
            let piece = source.read.split_to(sure).freeze();
            return Some((Ok(piece), source));
        }
        match source.more().await {
            Ok(true) => {}
            Ok(false) | Err(Broken) => {
                source.is_over = true;
                return Some((Err(Broken), source));
            }
        }
    }
}

fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|window| window == mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(text: &str, size: usize) -> Result<(String, Option<String>, Vec<u8>), Error> {
        let pieces: Vec<Result<Bytes, Broken>> = text
            .as_bytes()
            .chunks(size)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        let mut file = file(Box::pin(stream::iter(pieces)), "x").await?;
        let mut all = Vec::new();
        while let Some(piece) = file.body.next().await {
            all.extend_from_slice(&piece.map_err(|Broken| Error::Internal)?);
        }
        Ok((file.mime_type, file.filename, all))
    }

    #[tokio::test]
    async fn the_file_is_found_however_its_body_is_cut() {
        let body = "--x\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--x\r\n\
            content-disposition: form-data; name=\"file\"; filename=\"a b.png\"\r\nContent-Type: image/png\r\n\r\n\
            \r\n--y\r\n--\r\nbytes\r\n--x--\r\n";
        for size in 1..body.len() {
            let (kind, name, bytes) = read(body, size).await.expect("a file");
            assert_eq!(
                (kind.as_str(), name.as_deref()),
                ("image/png", Some("a b.png"))
            );
            assert_eq!(bytes, b"\r\n--y\r\n--\r\nbytes");
        }
    }

    #[tokio::test]
    async fn a_body_without_a_file_or_without_its_end_is_refused() {
        for body in [
            "",
            "--x--",
            "--x\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--x--",
            "--x\r\nContent-Type: image/png\r\n\r\nbytes",
        ] {
            assert!(read(body, 7).await.is_err(), "{body}");
        }
    }

    #[test]
    fn a_boundary_is_read_from_the_content_type() {
        assert_eq!(
            boundary("multipart/form-data; boundary=x"),
            Some("x".to_owned())
        );
        assert_eq!(
            boundary("Multipart/Form-Data;boundary=\"a b\""),
            Some("a b".to_owned())
        );
        assert_eq!(boundary("multipart/form-data"), None);
        assert_eq!(boundary("image/png; boundary=x"), None);
    }
}
