//! The gateway's ports on Workers, for one invocation.

use super::cost::Cost;
use super::d1::D1;
use super::stream::{self, Stream};
use super::{bucket, fetch, log, timer};
use crate::gateway::{NoAnswer, NotStored, Opened, Pieces, Ports, Push, Queue, QueueError};
use crate::model::time::Timestamp;
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;
use worker::wasm_bindgen::JsValue;
use worker::web_sys::ReadableStream;
use worker::{Date, Env, KvError, KvStore, QueueContentType, RawMessageBuilder, SendMessage};

const CACHED_FOR_S: u64 = 300;
/// Cloudflare Queues hold a message back for no longer than a day.
const LONGEST_DELAY_S: u32 = 24 * 60 * 60;

pub struct Runtime {
    env: Env,
    database: D1,
    cost: Rc<Cost>,
    rate_limit_per_minute: u32,
    /// The request's body, where it was not read.
    body: RefCell<Option<ReadableStream>>,
    /// The answer's body, where it is still on its way.
    answer: RefCell<Option<Stream>>,
}

impl Runtime {
    pub fn new(env: Env, rate_limit_per_minute: u32) -> Self {
        let cost = Rc::new(Cost::default());
        Self {
            rate_limit_per_minute,
            database: D1::new(&env, Rc::clone(&cost)),
            env,
            cost,
            body: RefCell::default(),
            answer: RefCell::default(),
        }
    }

    /// Keeps a request's body for whoever takes it in.
    pub fn hold(&self, body: Option<ReadableStream>) {
        *self.body.borrow_mut() = body;
    }

    /// The answer's body, if one was opened for it.
    pub fn answered(&self) -> Option<ReadableStream> {
        self.answer.borrow_mut().take()?.into_unread()
    }

    /// What this invocation has cost so far.
    pub fn cost(&self) -> &Cost {
        &self.cost
    }

    async fn send(&self, queue: Queue, hints: Vec<Push>) -> worker::Result<()> {
        let queue = self.env.queue(match queue {
            Queue::Outbound => "OUTBOUND",
            Queue::Events => "EVENTS",
        })?;
        self.cost.queue_send();
        match <[Push; 1]>::try_from(hints) {
            Ok([hint]) => queue.send_raw(message(hint)).await,
            Err(hints) => queue.send_raw_batch(hints.into_iter().map(message)).await,
        }
    }

    fn kv(&self) -> Result<KvStore, KvError> {
        self.cost.kv_operation();
        KvStore::from_this(&self.env, "CACHE")
    }

    async fn kv_put(&self, key: &str, value: String) -> Result<(), KvError> {
        let put = self.kv()?.put(key, value)?;
        put.expiration_ttl(CACHED_FOR_S).execute().await
    }
}

impl Ports for Runtime {
    type Database = D1;

    fn database(&self) -> &D1 {
        &self.database
    }

    fn now(&self) -> Timestamp {
        now()
    }

    fn random(&self, bytes: &mut [u8]) {
        fill(bytes);
    }

    /// Off where the variable is 0. A limiter that does not answer lets everybody in.
    async fn admits(&self, caller: &str) -> bool {
        if self.rate_limit_per_minute == 0 {
            return true;
        }
        let Ok(limiter) = self.env.rate_limiter("RATE") else {
            return true;
        };
        let outcome = limiter.limit(caller.to_owned()).await;
        outcome.map_or(true, |outcome| outcome.success)
    }

    async fn fetch(
        &self,
        request: Request<Bytes>,
        deadline_ms: u32,
    ) -> Result<Response<Bytes>, NoAnswer> {
        fetch::fetch(request, deadline_ms).await
    }

    type Stream = Stream;

    async fn open(
        &self,
        request: Request<Bytes>,
        deadline_ms: u32,
    ) -> Result<Opened<Stream>, NoAnswer> {
        stream::open(request, deadline_ms).await
    }

    async fn upload(
        &self,
        request: Request<Bytes>,
        body: Pieces,
        length: Option<u64>,
        deadline_ms: u32,
    ) -> Result<Response<Bytes>, NoAnswer> {
        stream::upload(request, body, length, deadline_ms).await
    }

    fn body(&self) -> Option<Stream> {
        let body = self.body.borrow_mut().take();
        Some(Stream::Unread(body))
    }

    fn answer_with(&self, stream: Stream) {
        *self.answer.borrow_mut() = Some(stream);
    }

    fn has_bucket(&self) -> bool {
        bucket::of(&self.env).is_some()
    }

    async fn open_stored(
        &self,
        place: &str,
        range: Option<&HeaderValue>,
    ) -> Result<Option<Opened<Stream>>, NoAnswer> {
        match bucket::of(&self.env) {
            Some(bucket) => bucket::open(&bucket, place, range).await,
            None => Ok(None),
        }
    }

    async fn store(
        &self,
        place: &str,
        mime_type: &str,
        body: Pieces,
        most: u64,
    ) -> Result<u64, NotStored> {
        let bucket = bucket::of(&self.env).ok_or(NotStored::Unavailable)?;
        bucket::store(&bucket, place, mime_type, body, most).await
    }

    async fn discard(&self, places: Vec<String>) -> Result<(), NotStored> {
        let bucket = bucket::of(&self.env).ok_or(NotStored::Unavailable)?;
        bucket::discard(&bucket, places).await
    }

    async fn sleep(&self, ms: u32) {
        timer::sleep(ms).await;
    }

    async fn push(&self, queue: Queue, hints: Vec<Push>) -> Result<(), QueueError> {
        if hints.is_empty() {
            return Ok(());
        }
        self.send(queue, hints)
            .await
            .map_err(|error| QueueError(log::reason(error)))
    }

    async fn cached(&self, key: &str) -> Option<String> {
        let text = match self.kv() {
            Ok(kv) => kv.get(key).text().await,
            Err(error) => Err(error),
        };
        text.unwrap_or_else(|error| {
            cache_failed("get", error);
            None
        })
    }

    async fn cache(&self, key: &str, value: String) {
        if let Err(error) = self.kv_put(key, value).await {
            cache_failed("put", error);
        }
    }

    async fn uncache(&self, key: &str) {
        let deleted = match self.kv() {
            Ok(kv) => kv.delete(key).await,
            Err(error) => Err(error),
        };
        if let Err(error) = deleted {
            cache_failed("delete", error);
        }
    }

    fn log(&self, event: &str, fields: Value) {
        log::line(event, &fields);
    }
}

/// Stands still between two calls to the outside, by design of the runtime.
fn now() -> Timestamp {
    Timestamp::from_ms(i64::try_from(Date::now().as_millis()).unwrap_or(i64::MAX))
}

/// `crypto.getRandomValues` does not fail inside a handler. If it ever did, there is
/// nothing to fall back on: an instance that ends beats a secret that can be guessed.
fn fill(bytes: &mut [u8]) {
    if getrandom::fill(bytes).is_err() {
        std::process::abort();
    }
}

/// For an answer that is given without a gateway.
pub fn now_and_random() -> (Timestamp, [u8; 10]) {
    let mut random = [0; 10];
    fill(&mut random);
    (now(), random)
}

/// As text: an object would arrive empty.
fn message(hint: Push) -> SendMessage<JsValue> {
    RawMessageBuilder::new(JsValue::from_str(&hint.body))
        .delay_seconds(hint.delay_s.min(LONGEST_DELAY_S))
        .build_with_content_type(QueueContentType::Text)
}

/// The cache is a copy: whoever asked goes to the database instead.
fn cache_failed(operation: &str, error: KvError) {
    log::line(
        "cache.failed",
        &json!({ "operation": operation, "error": log::reason(error) }),
    );
}
