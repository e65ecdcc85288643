//! What the providers keep of files under ids of their own, and the addresses they give out for them.

mod routes;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::response::Response;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::fetches::Asked;
use crate::files::{self, File};
use crate::hostile::{self, How};
use crate::kept::Kept;
use crate::state::{Shared, lock, now};
pub use routes::ProviderMedia;
pub(crate) use routes::{list, router};

/// Media and addresses kept before the oldest are forgotten.
const MEDIA_KEPT: usize = 20_000;

/// What a person sends, in the words of no provider.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum MediaKind {
    Image,
    Video,
    Audio,
    /// Recorded in the chat.
    Voice,
    Document,
    Sticker,
    /// Telegram only.
    Animation,
}

impl MediaKind {
    /// What a file of the kind is, if nobody says.
    pub(crate) fn mime_type(self) -> &'static str {
        match self {
            MediaKind::Image => "image/jpeg",
            MediaKind::Video | MediaKind::Animation => "video/mp4",
            MediaKind::Audio => "audio/mpeg",
            MediaKind::Voice => "audio/ogg; codecs=opus",
            MediaKind::Document => "application/pdf",
            MediaKind::Sticker => "image/webp",
        }
    }
}

/// A file a person sends.
#[derive(Clone)]
pub(crate) struct Given {
    pub kind: MediaKind,
    pub file: Arc<File>,
    /// The same photo in fewer bytes, the smallest first. Telegram only.
    pub smaller: Vec<Arc<File>>,
    pub mime_type: String,
    pub filename: Option<String>,
    /// The webhook tells the address too.
    pub with_url: bool,
    /// How the provider serves it instead of as it should.
    pub hostile: Option<How>,
}

/// A file as a provider knows it.
pub(crate) struct Medium {
    pub id: String,
    pub provider: &'static str,
    /// The key of the account it came to or was uploaded by.
    pub account: String,
    /// The provider's word.
    pub kind: String,
    pub mime_type: String,
    pub filename: Option<String>,
    /// Absent: the provider was told an address, which the sandbox does not follow.
    pub file: Option<Arc<File>>,
    pub is_upload: bool,
    /// The message it came with, which is part of its address at Twilio.
    pub message: Option<String>,
    pub hostile: Option<How>,
    /// Counts up from 0.
    pub number: u64,
    /// How often somebody asked where it is.
    pub asked: AtomicU64,
}

impl Medium {
    /// A file that a person sent to an account.
    pub(crate) fn sent(provider: &'static str, account: &str, kind: &str, given: &Given) -> Self {
        Self {
            mime_type: given.mime_type.clone(),
            filename: given.filename.clone(),
            file: Some(Arc::clone(&given.file)),
            hostile: given.hostile,
            is_upload: false,
            ..Self::told(provider, account, kind)
        }
    }

    /// A file that an account uploaded.
    pub(crate) fn uploaded(
        provider: &'static str,
        account: &str,
        kind: &str,
        file: &Arc<File>,
    ) -> Self {
        Self {
            mime_type: file.content_type.clone(),
            filename: file.filename.clone(),
            file: Some(Arc::clone(file)),
            ..Self::told(provider, account, kind)
        }
    }

    /// A file of which an account told the address.
    pub(crate) fn told(provider: &'static str, account: &str, kind: &str) -> Self {
        Self {
            id: String::new(),
            provider,
            account: account.to_owned(),
            kind: kind.to_owned(),
            mime_type: "application/octet-stream".to_owned(),
            filename: None,
            file: None,
            is_upload: true,
            message: None,
            hostile: None,
            number: 0,
            asked: AtomicU64::new(0),
        }
    }
}

/// An address that was given out, until when it is good.
struct Link {
    medium: Arc<Medium>,
    until: DateTime<Utc>,
}

/// What a provider forgets before its time.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub enum Expiry {
    /// The addresses given out until now.
    #[default]
    Url,
    /// The media itself.
    Media,
}

pub(crate) struct Media {
    known: Mutex<Kept<Arc<Medium>>>,
    links: Mutex<Kept<Link>>,
    count: AtomicU64,
}

impl Default for Media {
    fn default() -> Self {
        Self {
            known: Mutex::new(Kept::new(MEDIA_KEPT)),
            links: Mutex::new(Kept::new(MEDIA_KEPT)),
            count: AtomicU64::new(0),
        }
    }
}

impl Media {
    pub(crate) fn add(&self, id: String, mut medium: Medium) -> Arc<Medium> {
        medium.number = self.count.fetch_add(1, Ordering::Relaxed);
        medium.id = id;
        let medium = Arc::new(medium);
        lock(&self.known).insert(&medium.id, Arc::clone(&medium));
        medium
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Medium>> {
        lock(&self.known).get(id).cloned()
    }

    /// What an account uploaded, by the id it got for it.
    pub(crate) fn uploaded(&self, account: &str, id: &str) -> Option<Arc<Medium>> {
        let medium = self.get(id)?;
        (medium.is_upload && medium.account == account).then_some(medium)
    }

    /// Oldest first.
    pub(crate) fn list(&self) -> Vec<Arc<Medium>> {
        lock(&self.known).iter().cloned().collect()
    }

    /// Gives out an address for a time; an earlier one of that name is good for longer.
    pub(crate) fn link(&self, token: &str, medium: &Arc<Medium>, seconds: i64) {
        let medium = Arc::clone(medium);
        let until = now() + TimeDelta::seconds(seconds);
        lock(&self.links).insert(token, Link { medium, until });
    }

    pub(crate) fn follow(&self, token: &str) -> Option<Arc<Medium>> {
        let links = lock(&self.links);
        let link = links.get(token).filter(|link| now() < link.until)?;
        Some(Arc::clone(&link.medium))
    }

    /// Answers whether there was such a thing.
    pub(crate) fn expire(&self, id: &str, what: Expiry) -> bool {
        let is_known = self.get(id).is_some();
        if what == Expiry::Media {
            lock(&self.known).retain(|medium| medium.id != id);
        }
        lock(&self.links).retain(|link| link.medium.id != id);
        is_known
    }
}

/// Serves the bytes of what a provider keeps, or does what it is told instead.
pub(crate) fn download(
    shared: &Arc<Shared>,
    asked: &Asked,
    medium: &Medium,
    content_type: &str,
) -> Option<Response> {
    if let Some(how) = medium.hostile {
        return Some(hostile::answer(shared, asked, how));
    }
    let file = medium.file.as_ref()?;
    Some(files::serve(shared, asked, file, content_type))
}
