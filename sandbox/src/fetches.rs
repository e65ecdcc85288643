//! Who asked for which file, and with what headers.
//!
//! The journal of calls leaves credentials out. Here they are kept as they came, because this is where one looks
//! whether they went where they may, and nowhere else.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Json, Query, Request, State};
use axum::routing::get;
use http::{HeaderMap, Method, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::state::{Shared, lock, now, timestamp};

/// Requests kept before the oldest are forgotten.
const FETCHES_KEPT: usize = 20_000;

/// One request for a file, or for the address of one.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fetch {
    /// Counts up from 1.
    pub seq: u64,
    pub at: String,
    /// `files`, `hostile`; `graph` and `lookaside` (WhatsApp); `cdn` (Messenger, Instagram); `telegram` (`getFile`)
    /// and `telegramFile`; `twilio` and `twilioCdn`.
    pub via: &'static str,
    /// The provider's id of the media.
    pub media: Option<String>,
    /// The id of the file that was served.
    pub file: Option<String>,
    pub method: String,
    /// Without the bot token.
    pub path: String,
    pub query: Option<String>,
    /// All of them, as they came.
    pub headers: BTreeMap<String, String>,
    pub status: u16,
    /// How many bytes of the body were served until now.
    pub bytes: u64,
}

/// Which requests to look at.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FetchFilter {
    pub via: Option<String>,
    pub media: Option<String>,
    pub file: Option<String>,
    /// Only requests with a higher `seq`.
    pub after: Option<u64>,
}

/// A request that is about to be answered.
#[derive(Clone)]
pub(crate) struct Asked {
    via: &'static str,
    media: Option<String>,
    method: String,
    pub path: String,
    query: Option<String>,
    pub headers: HeaderMap,
}

impl Asked {
    pub(crate) fn new(via: &'static str, request: &Request) -> Self {
        Self::of(via, request.method(), request.uri(), request.headers())
    }

    pub(crate) fn of(via: &'static str, method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        Self {
            via,
            media: None,
            method: method.to_string(),
            path: uri.path().to_owned(),
            query: uri.query().map(str::to_owned),
            headers: headers.clone(),
        }
    }

    /// Shown under another path, which holds no secret.
    pub(crate) fn at(mut self, path: String) -> Self {
        self.path = path;
        self
    }

    /// A parameter of the query.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let query = self.query.as_deref().unwrap_or_default();
        let mut parameters = form_urlencoded::parse(query.as_bytes());
        let found = parameters.find(|(known, _)| known == name);
        found.map(|(_, value)| value.into_owned())
    }

    pub(crate) fn for_media(mut self, id: impl Into<String>) -> Self {
        self.media = Some(id.into());
        self
    }
}

/// The requests in the order they came.
#[derive(Default)]
pub(crate) struct Fetches(Mutex<Record>);

#[derive(Default)]
struct Record {
    fetches: VecDeque<(Fetch, Arc<AtomicU64>)>,
    last_seq: u64,
}

impl Fetches {
    /// Answers the counter of the bytes that will be served.
    pub(crate) fn record(
        &self,
        asked: &Asked,
        file: Option<&str>,
        status: StatusCode,
    ) -> Arc<AtomicU64> {
        let headers = asked.headers.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.to_string(), value)
        });
        let mut record = lock(&self.0);
        record.last_seq += 1;
        let fetch = Fetch {
            seq: record.last_seq,
            at: timestamp(now()),
            via: asked.via,
            media: asked.media.clone(),
            file: file.map(str::to_owned),
            method: asked.method.clone(),
            path: asked.path.clone(),
            query: asked.query.clone(),
            headers: headers.collect(),
            status: status.as_u16(),
            bytes: 0,
        };
        let served = Arc::new(AtomicU64::new(0));
        if record.fetches.len() == FETCHES_KEPT {
            record.fetches.pop_front();
        }
        record.fetches.push_back((fetch, Arc::clone(&served)));
        served
    }

    pub(crate) fn list(&self, filter: &FetchFilter) -> Vec<Fetch> {
        let is_wanted = |wanted: &Option<String>, found: Option<&str>| {
            wanted.is_none() || wanted.as_deref() == found
        };
        let record = lock(&self.0);
        let fetches = record.fetches.iter().filter(|(fetch, _)| {
            is_wanted(&filter.via, Some(fetch.via))
                && is_wanted(&filter.media, fetch.media.as_deref())
                && is_wanted(&filter.file, fetch.file.as_deref())
                && filter.after.is_none_or(|after| fetch.seq > after)
        });
        let fetches = fetches.map(|(fetch, served)| Fetch {
            bytes: served.load(Ordering::Relaxed),
            ..fetch.clone()
        });
        fetches.collect()
    }

    pub(crate) fn clear(&self) {
        lock(&self.0).fetches.clear();
    }
}

/// Forgets who asked, and begins to count anew.
pub(crate) fn clear(shared: &Shared) {
    shared.fetches.clear();
    shared.files.reset_counts();
    shared.hostile.reset();
}

pub(crate) fn router() -> Router<Arc<Shared>> {
    type S = State<Arc<Shared>>;
    Router::new().route(
        "/sandbox/fetches",
        get(
            async |State(shared): S, Query(filter): Query<FetchFilter>| {
                Json::<Value>(json!({"data": shared.fetches.list(&filter)}))
            },
        )
        .delete(async |State(shared): S| {
            clear(&shared);
            StatusCode::NO_CONTENT
        }),
    )
}
