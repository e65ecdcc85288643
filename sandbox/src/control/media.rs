//! Files that people send.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};

use super::{Error, Inbound};
use crate::account::Account;
use crate::files::{File, NewFile};
use crate::hostile::How;
use crate::media::{Given, MediaKind};
use crate::state::Shared;

/// A file of a customer's message.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InboundMedia {
    #[serde(rename = "type")]
    pub kind: MediaKind,
    #[serde(flatten)]
    pub source: MediaSource,
    /// Absent: the file's own, or else the usual one of the kind.
    #[serde(default)]
    pub mime_type: Option<String>,
    /// Absent: the file's own.
    #[serde(default)]
    pub filename: Option<String>,
    /// Absent: the message's text.
    #[serde(default)]
    pub caption: Option<String>,
    /// The webhook tells the address beside the id, as WhatsApp's newer ones do. WhatsApp only.
    #[serde(default)]
    pub with_url: bool,
    /// What the provider does instead of serving the file as it should.
    #[serde(default)]
    pub hostile: Option<How>,
}

/// Where the bytes come from.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MediaSource {
    /// A file that was put before.
    FileId(String),
    /// Base64.
    Bytes(String),
    /// So many bytes that are made up.
    Size(u64),
}

impl InboundMedia {
    /// A file that was put before.
    pub fn file(kind: MediaKind, id: impl Into<String>) -> Self {
        Self::of(kind, MediaSource::FileId(id.into()))
    }

    pub fn bytes(kind: MediaKind, bytes: impl AsRef<[u8]>) -> Self {
        Self::of(kind, MediaSource::Bytes(STANDARD.encode(bytes)))
    }

    /// So many bytes that are made up, and begin as a file of the type does.
    pub fn generated(kind: MediaKind, size: u64) -> Self {
        Self::of(kind, MediaSource::Size(size))
    }

    fn of(kind: MediaKind, source: MediaSource) -> Self {
        Self {
            kind,
            source,
            mime_type: None,
            filename: None,
            caption: None,
            with_url: false,
            hostile: None,
        }
    }

    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.mime_type = Some(mime_type.into());
        self
    }

    pub fn named(mut self, filename: impl Into<String>) -> Self {
        self.filename = Some(filename.into());
        self
    }

    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = Some(caption.into());
        self
    }
}

/// One file, or several.
pub(super) fn one_or_more<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<InboundMedia>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMore {
        More(Vec<InboundMedia>),
        One(Box<InboundMedia>),
    }
    Ok(match OneOrMore::deserialize(deserializer)? {
        OneOrMore::More(media) => media,
        OneOrMore::One(media) => vec![*media],
    })
}

/// The files of a message, ready to be told of.
pub(super) async fn gather(
    shared: &Shared,
    account: &Account,
    inbound: &Inbound,
) -> Result<Vec<Given>, Error> {
    let is_single = match account {
        Account::Whatsapp(_) | Account::Telegram(_) => inbound.media.len() > 1,
        Account::Messenger(_) | Account::Instagram(_) | Account::Sms(_) => false,
    };
    if is_single {
        return Err(Error::NotWithThisProvider);
    }
    let mut all = Vec::new();
    for media in &inbound.media {
        let (file, is_new) = file(shared, media).await?;
        let mime_type = media.mime_type.clone();
        let has_sizes = matches!(account, Account::Telegram(_)) && media.kind == MediaKind::Image;
        let smaller = if has_sizes {
            smaller(shared, file.size).await?
        } else {
            Vec::new()
        };
        if is_new {
            shared.files.add(Arc::clone(&file));
        }
        all.push(Given {
            kind: media.kind,
            smaller,
            mime_type: mime_type.unwrap_or_else(|| file.content_type.clone()),
            filename: media.filename.clone().or_else(|| file.filename.clone()),
            file,
            with_url: media.with_url,
            hostile: media.hostile,
        });
    }
    Ok(all)
}

/// The file, and whether it was made just now.
async fn file(shared: &Shared, media: &InboundMedia) -> Result<(Arc<File>, bool), Error> {
    let mime_type = media.mime_type.as_deref();
    let mime_type = mime_type.unwrap_or(media.kind.mime_type());
    let mut new = match &media.source {
        MediaSource::FileId(id) => {
            let file = shared.files.get(id);
            let file = file.ok_or_else(|| Error::UnknownFile(id.clone()))?;
            return Ok((file, false));
        }
        MediaSource::Bytes(text) => {
            let bytes = STANDARD.decode(text);
            let bytes = bytes.map_err(|why| Error::Invalid(format!("bytes: {why}")))?;
            NewFile::bytes(mime_type, bytes)
        }
        MediaSource::Size(size) => NewFile::generated(mime_type, *size),
    };
    new.filename.clone_from(&media.filename);
    let file = File::make(&shared.ids, new).await.map_err(unkept)?;
    Ok((file, true))
}

/// Two smaller versions of a photo, if it can be made smaller.
async fn smaller(shared: &Shared, size: u64) -> Result<Vec<Arc<File>>, Error> {
    let mut files = Vec::new();
    if size >= 16 {
        for (seed, size) in [(1, (size / 16).min(4_000)), (2, (size / 4).min(30_000))] {
            let new = NewFile::generated("image/jpeg", size).seed(seed);
            files.push(File::make(&shared.ids, new).await.map_err(unkept)?);
        }
    }
    Ok(files)
}

fn unkept(why: std::io::Error) -> Error {
    Error::Invalid(format!("the file cannot be kept: {why}"))
}
