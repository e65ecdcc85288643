//! Files of a test, as they are put, heard of and read.

use std::time::Duration;

use patchbay_sandbox::{Fetch, FetchFilter, Inbound, InboundMedia, NewFile, Sandbox, StoredFile};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::content::stage::Stage;
use crate::harness::{Api, eventually, unique};

/// As much of a file as is kept to be looked at.
const KEPT: usize = 64 * 1024;
/// Longer than the largest file takes.
const PATIENCE: Duration = Duration::from_secs(240);

/// A file that was read to its end.
pub struct Read {
    pub status: u16,
    pub headers: HeaderMap,
    pub size: u64,
    /// Hexadecimal.
    pub sha256: String,
    /// Its first bytes.
    pub bytes: Vec<u8>,
}

impl Read {
    pub async fn of(request: RequestBuilder) -> Self {
        let response = request.timeout(PATIENCE).send().await;
        let mut response = response.expect("an answer");
        let mut hash = Sha256::new();
        let (mut size, mut bytes) = (0, Vec::new());
        while let Some(piece) = response.chunk().await.expect("a whole body") {
            hash.update(&piece);
            size += piece.len() as u64;
            let room = KEPT - bytes.len();
            bytes.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            size,
            sha256: hex::encode(hash.finalize()),
            bytes,
        }
    }

    pub async fn get(api: &Api, url: &str) -> Self {
        Self::of(api.request(Method::GET, url)).await
    }

    pub async fn part(api: &Api, url: &str, range: &str) -> Self {
        Self::of(api.request(Method::GET, url).header("range", range)).await
    }

    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().expect("text"))
    }

    /// Checks that it is the file, all of it.
    #[track_caller]
    pub fn assert_is(&self, file: &StoredFile) {
        let shown = String::from_utf8_lossy(&self.bytes);
        let shown: String = shown.chars().take(300).collect();
        assert_eq!(self.status, 200, "{shown}");
        assert_eq!((self.size, &self.sha256), (file.size, &file.sha256));
    }
}

/// A file that no other test has.
pub async fn put(sandbox: &Sandbox, mime_type: &str, size: u64, name: &str) -> StoredFile {
    let file = NewFile::generated(mime_type, size).seed(unique().into());
    sandbox
        .put_file(file.named(name))
        .await
        .expect("room for a file")
}

/// The customer sends a file. Answers what the message says of it.
pub async fn hears(stage: &Stage, media: InboundMedia) -> Value {
    let inbound = Inbound::media(&stage.channel.account, &stage.person, media);
    let played = stage
        .tenant
        .sandbox
        .inbound(inbound)
        .await
        .expect("an account");
    assert_eq!(played.callback_status, Some(200), "{played:?}");
    let messages = stage.messages().await;
    let newest = messages.iter().rev().find(|message| {
        message["direction"] == "inbound" && message["content"]["mediaUrl"].is_string()
    });
    newest.expect("a message with a file")["content"].clone()
}

pub fn url(content: &Value) -> &str {
    content["mediaUrl"].as_str().expect("a media URL")
}

/// The ids under which providers know a file.
pub fn known_as(sandbox: &Sandbox, file: &StoredFile) -> Vec<String> {
    let media = sandbox.media().into_iter();
    let known = media.filter(|media| media.file.as_ref() == Some(&file.id));
    known.map(|media| media.id).collect()
}

/// Who asked for a file, or where it is.
pub fn fetches(sandbox: &Sandbox, file: &StoredFile, known_as: &[String]) -> Vec<Fetch> {
    let mut fetches = sandbox.fetches(&FetchFilter::default());
    fetches.retain(|fetch| {
        let is_medium = |id: &String| known_as.contains(id);
        fetch.file.as_ref() == Some(&file.id) || fetch.media.as_ref().is_some_and(is_medium)
    });
    fetches
}

/// Reads the beginning of a file until that takes no question to its provider.
pub async fn is_copied(stage: &Stage, url: &str, file: &StoredFile) {
    let sandbox = &stage.tenant.sandbox;
    let known = known_as(sandbox, file);
    eventually(PATIENCE, "the file is copied", async || {
        let before = fetches(sandbox, file, &known).len();
        let part = Read::part(&stage.tenant, url, "bytes=0-9").await;
        assert_eq!((part.status, part.size), (206, 10));
        let after = fetches(sandbox, file, &known);
        if after.len() == before {
            return Ok(());
        }
        Err(format!("{after:#?}"))
    })
    .await;
}
