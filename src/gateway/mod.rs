//! What Patchbay does, each use case a method of `Gateway`, over ports that the
//! runtime (or a test) provides. Nothing here knows HTTP routes or Workers.

mod bounds;
mod capabilities;
mod channels;
mod compose;
mod contacts;
mod conversations;
mod decision;
mod deliver;
mod delivery_log;
mod endpoint_check;
mod endpoints;
mod error;
mod guard;
mod intake;
mod keys;
mod late;
mod media;
mod memory;
mod merges;
mod metrics;
mod multipart;
mod notice;
mod outcome;
mod posting;
mod publish;
mod receive;
mod recipient;
mod schedule;
mod sealed;
mod search;
mod send;
mod settle;
mod sniff;
mod style;
mod submit;
mod sweep;
mod template_changes;
mod templates;
mod together;
mod upload;
mod validate;
mod vault;
pub mod view;
mod webchat;
mod window;
mod word;

pub use capabilities::capabilities;
pub use channels::{ChannelPatch, ConnectChannel, is_credential};
pub use contacts::{ContactPatch, Made, NewContact};
pub use conversations::{ConversationFilter, ConversationPatch, Counted, MessageFilter, Page};
pub use deliver::Hint;
pub use delivery_log::{Delivery, STATUSES};
pub use endpoint_check::check_events;
pub use endpoints::{Endpoint, EndpointPatch, NewSubscriber};
pub use error::Error;
pub use keys::{Freshness, IssuedKey, NewApiKey, Workspace};
pub use media::{LARGEST, Served, StoredMedia};
pub use memory::Memory;
pub use publish::DeliveryHint;
pub use receive::Reception;
pub use recipient::{Recipient, Sender};
pub use schedule::Outcome;
pub use send::{Accepted, Draft, Idempotency, Pace, Send};
pub use submit::NewTemplate;
pub use templates::{TemplatePatch, TemplateSync};
pub use validate::Validation;
pub use vault::Vault;
pub use webchat::{NewSession, Post, Posted, Session, Site, Visit};
pub use word::Word;

use crate::channel::Origins;
pub use crate::channel::Segments;
use crate::model::id::{ChannelId, Fresh};
use crate::model::time::Timestamp;
use crate::store::{Database, DatabaseError, Rows, Statement};
use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;

/// What Cloove's surface and its events say alike.
pub mod cloove {
    pub use super::style::cloove::delivery_status;
    pub use super::style::phone;
}

/// What the runtime configures.
pub struct Config {
    /// Where this deployment is reached, without a trailing slash.
    pub public_url: String,
    pub admin_token: String,
    pub vault: Vault,
    pub origins: Origins,
    /// How long a provider may take to answer.
    pub provider_timeout_ms: u32,
    pub retention_days: i64,
    /// Local development only: http and private hosts for subscribers.
    pub allow_insecure_webhooks: bool,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("public_url", &self.public_url)
            .finish_non_exhaustive()
    }
}

/// The two queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    Outbound,
    Events,
}

/// A queue message: text of ids, and how long it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    pub body: String,
    pub delay_s: u32,
}

/// The queue did not take it. Nothing is lost: the sweep pushes again.
#[derive(Clone, Debug)]
pub struct QueueError(pub String);

/// No complete answer came: refused, reset, cut off, too large or too late. The
/// runtime cannot tell which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAnswer;

/// A body that is not whole: it broke off, or went on for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

/// A body on its way, piece by piece.
pub type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, Broken>>>>;

/// An answer whose body is still on its way.
pub struct Opened<S> {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub stream: S,
}

/// Why a file is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotStored {
    TooLarge,
    /// Its source broke off.
    Broken,
    /// The bucket did not take it.
    Unavailable,
}

/// Everything the outside world does for us.
#[expect(
    async_fn_in_trait,
    reason = "the runtime has one thread; futures need not be Send"
)]
pub trait Ports {
    type Database: Database;

    fn database(&self) -> &Self::Database;

    fn now(&self) -> Timestamp;

    /// Fills with unpredictable bytes.
    fn random(&self, bytes: &mut [u8]);

    /// Whether a caller may make one more request now. Approximate.
    async fn admits(&self, caller: &str) -> bool;

    /// Makes one HTTP request, follows no redirect, and gives up at the deadline.
    async fn fetch(
        &self,
        request: Request<Bytes>,
        deadline_ms: u32,
    ) -> Result<Response<Bytes>, NoAnswer>;

    /// A body on its way. One that is handed on as it came is not looked at.
    type Stream: Stream<Item = Result<Bytes, Broken>> + Unpin + 'static;

    /// Makes one HTTP request, follows no redirect, and gives its answer as soon as the
    /// head of it is there, which must be by the deadline.
    async fn open(
        &self,
        request: Request<Bytes>,
        deadline_ms: u32,
    ) -> Result<Opened<Self::Stream>, NoAnswer>;

    /// Makes one HTTP request with a body that is still on its way.
    async fn upload(
        &self,
        request: Request<Bytes>,
        body: Pieces,
        length: Option<u64>,
        deadline_ms: u32,
    ) -> Result<Response<Bytes>, NoAnswer>;

    /// The body of the request that is being answered, where it was not read; once.
    fn body(&self) -> Option<Self::Stream>;

    /// Makes a stream the body of the answer.
    fn answer_with(&self, stream: Self::Stream);

    /// Whether there is a bucket for files.
    fn has_bucket(&self) -> bool;

    /// Opens a file of the bucket, or the part of it that a `Range` asks for.
    async fn open_stored(
        &self,
        place: &str,
        range: Option<&HeaderValue>,
    ) -> Result<Option<Opened<Self::Stream>>, NoAnswer>;

    /// Stores a file of at most so many bytes; gives back how many it has.
    async fn store(
        &self,
        place: &str,
        mime_type: &str,
        body: Pieces,
        most: u64,
    ) -> Result<u64, NotStored>;

    /// Takes files out of the bucket.
    async fn discard(&self, places: Vec<String>) -> Result<(), NotStored>;

    /// Waits.
    async fn sleep(&self, ms: u32);

    /// Pushes up to 100 hints.
    async fn push(&self, queue: Queue, hints: Vec<Push>) -> Result<(), QueueError>;

    /// A cached text; `None` when there is none or the cache does not answer.
    async fn cached(&self, key: &str) -> Option<String>;

    /// Caches a text for five minutes, if it can.
    async fn cache(&self, key: &str, value: String);

    async fn uncache(&self, key: &str);

    /// Writes one line of JSON. Ids, codes and counts only.
    fn log(&self, event: &str, fields: serde_json::Value);
}

/// The product: ports, configuration, and what this isolate remembers.
pub struct Gateway<P> {
    pub ports: P,
    pub config: Rc<Config>,
    pub memory: Rc<Memory>,
}

impl<P: Ports> Gateway<P> {
    pub fn new(ports: P, config: Rc<Config>, memory: Rc<Memory>) -> Self {
        Self {
            ports,
            config,
            memory,
        }
    }

    fn now(&self) -> Timestamp {
        self.ports.now()
    }

    fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.ports.random(&mut bytes);
        bytes
    }

    fn fresh<T: Fresh>(&self, now: Timestamp) -> T {
        T::fresh(now, self.random())
    }

    /// A token by which a batch recognises its own work when it runs twice.
    fn token(&self) -> String {
        hex::encode(self.random::<12>())
    }

    /// Runs a batch, and once more if that may help: every batch may run twice.
    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DatabaseError> {
        match self.ports.database().batch(&statements).await {
            Ok(rows) => Ok(rows),
            Err(error) => {
                self.log_database_error(&error);
                if error.is_lasting() {
                    return Err(error);
                }
                // Not all at once who were refused at once.
                let [jitter] = self.random();
                self.ports.sleep(20 + u32::from(jitter) / 2).await;
                self.ports
                    .database()
                    .batch(&statements)
                    .await
                    .inspect_err(|error| self.log_database_error(error))
            }
        }
    }

    /// Where the provider of a channel posts.
    fn inbound_url(&self, channel: ChannelId) -> String {
        view::inbound_url(&self.config.public_url, channel)
    }

    fn log_database_error(&self, error: &DatabaseError) {
        self.ports
            .log("database.failed", serde_json::json!({ "error": error.0 }));
    }

    /// Pushes hints, a hundred at a time. What the queue does not take is pushed
    /// again by the sweep: the rows are the truth.
    async fn push(&self, queue: Queue, hints: Vec<Push>) {
        for chunk in hints.chunks(100) {
            if let Err(error) = self.ports.push(queue, chunk.to_vec()).await {
                self.ports.log(
                    "queue.refused",
                    serde_json::json!({ "hints": chunk.len(), "error": error.0 }),
                );
            }
        }
    }
}

/// A few items, each once, in the order in which they come.
fn each_once<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for item in items {
        if !found.contains(&item) {
            found.push(item);
        }
    }
    found
}

/// The next rows of a batch's answer.
fn next(rows: &mut impl Iterator<Item = Rows>) -> Rows {
    rows.next().unwrap_or_default()
}
