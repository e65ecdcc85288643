//! A gateway with everything around it in a test's hands.

use super::contract::{self, Fields};
use super::sqlite::{Fault, Sqlite};
use bytes::Bytes;
use futures_util::stream::Iter;
use futures_util::{Stream, StreamExt};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use patchbay::api;
use patchbay::channel::Origins;
use patchbay::gateway::{
    Broken, Config, DeliveryHint, Gateway, Hint, Memory, NoAnswer, NotStored, Opened, Pieces,
    Ports, Push, Queue, QueueError, Vault,
};
use patchbay::model::time::Timestamp;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

pub const ADMIN_TOKEN: &str = "admin-token-of-the-tests";
pub const PHONE_NUMBER_ID: &str = "106540352242922";
pub const APP_SECRET: &str = "app-secret-of-the-tests";
pub const BOT_SECRET: &str = "bot-secret-of-the-tests";
pub const PAGE_ID: &str = "104200000000001";
pub const INSTAGRAM_ID: &str = "17841400000000001";
pub const SMS_NUMBER: &str = "+15550100009";
pub const TWILIO_TOKEN: &str = "twilio-token-of-the-tests";
pub const CUSTOMER: &str = "5511999999999";
/// 2026-11-20T08:00:00Z.
pub const START_MS: i64 = 1_795_161_600_000;

/// What an HTTP peer answers.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A status and a body.
    Http(u16, Value),
    /// The same with headers.
    Headed(u16, Vec<(&'static str, String)>, Value),
    NoAnswer,
}

/// A file to be opened: its status, headers and bytes, and whether all of these arrive.
type ToOpen = (u16, Vec<(&'static str, String)>, Bytes, bool);
/// A body that is there, in pieces.
type Whole = Iter<std::vec::IntoIter<Result<Bytes, Broken>>>;

/// The ports, in a test's hands.
pub struct TestPorts {
    pub database: Sqlite,
    pub now_ms: Cell<i64>,
    randomness: Cell<u64>,
    /// Answers to come, first in first out; when none is left, the default.
    pub answers: RefCell<VecDeque<Answer>>,
    /// Every request made, oldest first.
    pub requests: RefCell<Vec<Request<Bytes>>>,
    /// What goes wrong with the database once a request was made; the last comes first.
    pub after_fetch: RefCell<Vec<Fault>>,
    pub pushed: RefCell<VecDeque<(Queue, Push, i64)>>,
    /// How often something was pushed, however much at once.
    pub pushes: Cell<u32>,
    pub refuses_pushes: Cell<bool>,
    pub admits_callers: Cell<bool>,
    pub cache: RefCell<BTreeMap<String, String>>,
    /// Every GET of a provider, oldest first, and the answers to come.
    pub questions: RefCell<Vec<Request<Bytes>>>,
    pub to_questions: RefCell<VecDeque<Answer>>,
    pub logs: RefCell<Vec<String>>,
    /// Every file that was opened at a provider, oldest first, and the answers to come.
    pub opened: RefCell<Vec<Request<Bytes>>>,
    pub to_open: RefCell<VecDeque<ToOpen>>,
    /// The bucket, if there is one.
    pub bucket: RefCell<BTreeMap<String, (String, Bytes)>>,
    pub has_bucket: Cell<bool>,
    /// The body of a request that is not read before.
    pub body: RefCell<Option<Bytes>>,
    pub answered: RefCell<Option<Whole>>,
    /// Answers of the providers alone, before those of `answers`.
    pub from_provider: RefCell<VecDeque<Answer>>,
    /// While set, no HTTP peer answers.
    pub stalls: Cell<bool>,
    /// While it is set, this host does not answer.
    pub stalls_host: RefCell<Option<String>>,
    /// So many requests, oldest first, are answered all the same.
    pub released: Cell<usize>,
    /// A request whose body holds this is not answered while it is set.
    pub hangs_on: Cell<Option<&'static str>>,
    pub in_flight: Cell<usize>,
    /// The most requests that were under way at a time.
    pub most_in_flight: Cell<usize>,
    sent: Cell<u64>,
}

impl Ports for TestPorts {
    type Database = Sqlite;

    fn database(&self) -> &Sqlite {
        &self.database
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.now_ms.get())
    }

    /// A fixed sequence (splitmix64): tests repeat exactly.
    fn random(&self, bytes: &mut [u8]) {
        for byte in bytes {
            let next = self.randomness.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
            self.randomness.set(next);
            let mut mixed = next;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            *byte = (mixed >> 56) as u8;
        }
    }

    async fn admits(&self, _caller: &str) -> bool {
        self.admits_callers.get()
    }

    async fn fetch(
        &self,
        request: Request<Bytes>,
        _deadline_ms: u32,
    ) -> Result<Response<Bytes>, NoAnswer> {
        let host = request.uri().host().unwrap_or("").to_owned();
        let is_provider = PROVIDERS.contains(&host.as_str());
        let is_announced = request.uri().path().ends_with("/setWebhook");
        if is_provider && (request.method() == Method::GET || is_announced) {
            return self.ask(request);
        }
        if !is_provider {
            contract::hold_event(request.body());
        }
        let body = String::from_utf8_lossy(request.body()).into_owned();
        self.requests.borrow_mut().push(request);
        let faults = self.after_fetch.take();
        self.database.faults.borrow_mut().extend(faults);
        let scripted = if is_provider {
            self.from_provider.borrow_mut().pop_front()
        } else {
            None
        };
        let scripted = scripted.or_else(|| self.answers.borrow_mut().pop_front());
        self.in_flight.set(self.in_flight.get() + 1);
        self.most_in_flight
            .set(self.most_in_flight.get().max(self.in_flight.get()));
        let number = self.requests.borrow().len();
        let is_stalled = || {
            let all = self.stalls.get() && number > self.released.get();
            let hangs = self.hangs_on.get().is_some_and(|word| body.contains(word));
            all || hangs || self.stalls_host.borrow().as_ref() == Some(&host)
        };
        while is_stalled() {
            tokio::task::yield_now().await;
        }
        self.in_flight.set(self.in_flight.get() - 1);
        let answer = scripted.unwrap_or_else(|| {
            let number = self.sent.get() + 1;
            self.sent.set(number);
            accepted(&host, number)
        });
        response(answer)
    }

    type Stream = Whole;

    async fn open(
        &self,
        request: Request<Bytes>,
        _deadline_ms: u32,
    ) -> Result<Opened<Self::Stream>, NoAnswer> {
        let range = request.headers().get("range").cloned();
        self.opened.borrow_mut().push(request);
        let answer = self.to_open.borrow_mut().pop_front().ok_or(NoAnswer)?;
        let (status, headers, body, is_whole) = answer;
        let mut opened = Response::builder().status(status);
        for (name, value) in headers {
            opened = opened.header(name, value);
        }
        let head = opened.body(()).expect("a head");
        let _ = range;
        Ok(Opened {
            status: head.status(),
            headers: head.headers().clone(),
            stream: pieces(&body, is_whole),
        })
    }

    async fn upload(
        &self,
        request: Request<Bytes>,
        body: Pieces,
        length: Option<u64>,
        deadline_ms: u32,
    ) -> Result<Response<Bytes>, NoAnswer> {
        let whole = whole(body).await.map_err(|Broken| NoAnswer)?;
        if let Some(length) = length {
            assert_eq!(whole.len() as u64, length, "as long as it was said to be");
        }
        self.fetch(request.map(|_| Bytes::from(whole)), deadline_ms)
            .await
    }

    fn body(&self) -> Option<Self::Stream> {
        self.body
            .borrow_mut()
            .take()
            .map(|body| pieces(&body, true))
    }

    fn answer_with(&self, stream: Self::Stream) {
        *self.answered.borrow_mut() = Some(stream);
    }

    fn has_bucket(&self) -> bool {
        self.has_bucket.get()
    }

    async fn open_stored(
        &self,
        place: &str,
        range: Option<&HeaderValue>,
    ) -> Result<Option<Opened<Self::Stream>>, NoAnswer> {
        let bucket = self.bucket.borrow();
        let Some((kind, bytes)) = bucket.get(place) else {
            return Ok(None);
        };
        let mut headers = HeaderMap::new();
        headers.insert("content-type", kind.parse().expect("a type"));
        let wanted = range.map(|range| range.to_str().expect("text").to_owned());
        let (status, part) = match wanted.as_deref().and_then(|it| it.strip_prefix("bytes=")) {
            None => (StatusCode::OK, bytes.clone()),
            Some(wanted) => {
                let (from, to) = wanted.split_once('-').expect("a range");
                let from: usize = from.parse().expect("a start");
                let to: usize = to.parse().unwrap_or(bytes.len() - 1);
                let told = format!("bytes {from}-{to}/{}", bytes.len());
                headers.insert("content-range", told.parse().expect("a range"));
                (StatusCode::PARTIAL_CONTENT, bytes.slice(from..=to))
            }
        };
        headers.insert("content-length", part.len().into());
        Ok(Some(Opened {
            status,
            headers,
            stream: pieces(&part, true),
        }))
    }

    async fn store(
        &self,
        place: &str,
        mime_type: &str,
        body: Pieces,
        most: u64,
    ) -> Result<u64, NotStored> {
        let whole = whole(body).await.map_err(|Broken| NotStored::Broken)?;
        let size = whole.len() as u64;
        if size > most {
            return Err(NotStored::TooLarge);
        }
        let file = (mime_type.to_owned(), Bytes::from(whole));
        self.bucket.borrow_mut().insert(place.to_owned(), file);
        Ok(size)
    }

    async fn discard(&self, places: Vec<String>) -> Result<(), NotStored> {
        let mut bucket = self.bucket.borrow_mut();
        for place in places {
            bucket.remove(&place);
        }
        Ok(())
    }

    /// Lets others run; the clock moves on as if it had been that long.
    async fn sleep(&self, ms: u32) {
        self.now_ms.set(self.now_ms.get() + i64::from(ms));
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
    }

    async fn push(&self, queue: Queue, hints: Vec<Push>) -> Result<(), QueueError> {
        if self.refuses_pushes.get() {
            return Err(QueueError("the queue is full".to_owned()));
        }
        self.pushes.set(self.pushes.get() + 1);
        for hint in hints {
            let due = self.now_ms.get() + i64::from(hint.delay_s) * 1_000;
            self.pushed.borrow_mut().push_back((queue, hint, due));
        }
        Ok(())
    }

    async fn cached(&self, key: &str) -> Option<String> {
        self.cache.borrow().get(key).cloned()
    }

    async fn cache(&self, key: &str, value: String) {
        self.cache.borrow_mut().insert(key.to_owned(), value);
    }

    async fn uncache(&self, key: &str) {
        self.cache.borrow_mut().remove(key);
    }

    fn log(&self, event: &str, fields: Value) {
        self.logs.borrow_mut().push(format!("{event} {fields}"));
    }
}

/// A body in small pieces; one that is not whole breaks off in the middle.
fn pieces(body: &Bytes, is_whole: bool) -> Whole {
    let mut pieces: Vec<Result<Bytes, Broken>> = body
        .chunks(7)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    if !is_whole {
        pieces.truncate(pieces.len() / 2);
        pieces.push(Err(Broken));
    }
    futures_util::stream::iter(pieces)
}

async fn whole(
    mut body: impl Stream<Item = Result<Bytes, Broken>> + Unpin,
) -> Result<Vec<u8>, Broken> {
    let mut whole = Vec::new();
    while let Some(piece) = body.next().await {
        whole.extend_from_slice(&piece?);
    }
    Ok(whole)
}

impl TestPorts {
    /// Answers a question that sends nothing.
    fn ask(&self, request: Request<Bytes>) -> Result<Response<Bytes>, NoAnswer> {
        self.questions.borrow_mut().push(request);
        let scripted = self.to_questions.borrow_mut().pop_front();
        response(scripted.unwrap_or(Answer::Http(
            200,
            json!({ "ok": true, "result": {}, "data": [] }),
        )))
    }
}

/// The hosts that stand for providers.
const PROVIDERS: [&str; 4] = [
    "graph.test",
    "instagram.test",
    "telegram.test",
    "twilio.test",
];

/// How each provider says that it took a message, the `number`-th.
fn accepted(host: &str, number: u64) -> Answer {
    match host {
        "telegram.test" => Answer::Http(
            200,
            json!({ "ok": true, "result": { "message_id": number, "chat": { "id": 77 } } }),
        ),
        // WhatsApp's and Messenger's answers in one, those about templates too.
        "graph.test" | "instagram.test" => Answer::Http(
            200,
            json!({
                "messages": [{ "id": format!("wamid.{number}") }],
                "recipient_id": "77", "message_id": format!("m_{number}"),
                "id": format!("90000{number}"), "status": "PENDING", "success": true,
            }),
        ),
        "twilio.test" => Answer::Http(
            201,
            json!({ "sid": format!("SM{number:032}"), "status": "queued" }),
        ),
        _ => Answer::Http(200, json!({})),
    }
}

fn response(answer: Answer) -> Result<Response<Bytes>, NoAnswer> {
    let (status, headers, body) = match answer {
        Answer::NoAnswer => return Err(NoAnswer),
        Answer::Http(status, body) => (status, vec![], body),
        Answer::Headed(status, headers, body) => (status, headers, body),
    };
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Ok(response
        .body(Bytes::from(body.to_string()))
        .expect("a response"))
}

/// An answer of the API, read.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Value,
}

impl Reply {
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

pub struct World {
    pub gateway: Gateway<TestPorts>,
    pub workspace: String,
    pub key: String,
    /// On purpose: otherwise they are a defect of the test, or of `openapi.yaml`.
    pub sends_unknown_fields: Cell<bool>,
}

impl World {
    /// A gateway with one workspace and a key that may do everything.
    pub async fn new() -> Self {
        let config = Config {
            public_url: "https://patchbay.test".to_owned(),
            admin_token: ADMIN_TOKEN.to_owned(),
            vault: Vault::parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").expect("a key"),
            origins: Origins {
                graph: "https://graph.test/v23.0".to_owned(),
                instagram: "https://instagram.test/v23.0".to_owned(),
                telegram: "https://telegram.test".to_owned(),
                twilio: "https://twilio.test".to_owned(),
            },
            provider_timeout_ms: 10_000,
            retention_days: 30,
            allow_insecure_webhooks: false,
        };
        let ports = TestPorts {
            database: Sqlite::new(),
            now_ms: Cell::new(START_MS),
            randomness: Cell::new(1),
            answers: RefCell::default(),
            requests: RefCell::default(),
            after_fetch: RefCell::default(),
            pushed: RefCell::default(),
            pushes: Cell::new(0),
            refuses_pushes: Cell::new(false),
            admits_callers: Cell::new(true),
            cache: RefCell::default(),
            questions: RefCell::default(),
            to_questions: RefCell::default(),
            logs: RefCell::default(),
            opened: RefCell::default(),
            to_open: RefCell::default(),
            bucket: RefCell::default(),
            has_bucket: Cell::new(false),
            body: RefCell::default(),
            answered: RefCell::default(),
            from_provider: RefCell::default(),
            stalls: Cell::new(false),
            stalls_host: RefCell::default(),
            released: Cell::new(0),
            hangs_on: Cell::new(None),
            in_flight: Cell::new(0),
            most_in_flight: Cell::new(0),
            sent: Cell::new(0),
        };
        let gateway = Gateway::new(ports, Rc::new(config), Rc::new(Memory::default()));
        let mut world = Self {
            gateway,
            workspace: String::new(),
            key: String::new(),
            sends_unknown_fields: Cell::new(false),
        };
        (world.workspace, world.key) = world.new_workspace("Acme").await;
        world
    }

    /// Another workspace and its key.
    pub async fn new_workspace(&self, name: &str) -> (String, String) {
        let workspace = self
            .admin(Method::POST, "/v1/workspaces", json!({ "name": name }))
            .await
            .expect(201);
        let id = workspace["id"].as_str().expect("an id").to_owned();
        let path = format!("/v1/workspaces/{id}/api-keys");
        let key = self
            .admin(Method::POST, &path, json!({ "name": "first" }))
            .await
            .expect(201);
        (id, key["key"].as_str().expect("a key").to_owned())
    }

    pub fn ports(&self) -> &TestPorts {
        &self.gateway.ports
    }

    pub fn database(&self) -> &Sqlite {
        &self.gateway.ports.database
    }

    pub fn advance(&self, ms: i64) {
        let now = &self.gateway.ports.now_ms;
        now.set(now.get() + ms);
    }

    /// As a new isolate: nothing remembered. The cache is kept.
    pub fn forget(&mut self) {
        self.gateway.memory = Rc::new(Memory::default());
    }

    pub async fn send_raw(&self, request: Request<Bytes>) -> Reply {
        let mut request = request;
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let body = request.body().clone();
        if api::is_streamed(request.method(), request.uri().path()) {
            *self.gateway.ports.body.borrow_mut() = Some(std::mem::take(request.body_mut()));
        }
        let is_head = request.method() == Method::HEAD;
        let mut response = api::handle(&self.gateway, request).await;
        let streamed = self.gateway.ports.answered.borrow_mut().take();
        let streamed = streamed.filter(|_| !is_head);
        if let Some(streamed) = streamed
            && let Ok(bytes) = whole(streamed).await
        {
            *response.body_mut() = Bytes::from(bytes);
        }
        let fields = if self.sends_unknown_fields.get() {
            Fields::Any
        } else {
            Fields::Described
        };
        contract::hold((&method, uri.path()), (&body, fields), &response);
        let body = serde_json::from_slice(response.body())
            .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(response.body()).into_owned()));
        Reply {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body,
        }
    }

    pub async fn admin(&self, method: Method, path: &str, body: Value) -> Reply {
        let request = Request::builder()
            .method(method)
            .uri(format!("https://patchbay.test{path}"))
            .header("authorization", format!("Bearer {ADMIN_TOKEN}"))
            .body(Bytes::from(body.to_string()))
            .expect("a request");
        self.send_raw(request).await
    }

    /// A call with the world's own key.
    pub async fn call(&self, method: Method, path: &str, body: Value) -> Reply {
        self.call_with(method, path, &[], body).await
    }

    pub async fn call_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Reply {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("https://patchbay.test{path}"));
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            request = request.header("authorization", format!("Bearer {}", self.key));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.send_raw(request.body(Bytes::from(body)).expect("a request"))
            .await
    }

    pub async fn get(&self, path: &str) -> Value {
        self.call(Method::GET, path, Value::Null).await.expect(200)
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.call(Method::POST, path, body).await
    }

    /// Connects a WhatsApp channel and gives back its id.
    pub async fn whatsapp(&self) -> String {
        let channel = self
            .post(
                "/v1/channels",
                json!({
                    "type": "whatsapp", "name": "Shop", "identifier": "+15550100001",
                    "credentials": {
                        "phoneNumberId": PHONE_NUMBER_ID, "wabaId": "102290129340398",
                        "accessToken": "graph-token", "appSecret": APP_SECRET, "verifyToken": "verify-me",
                    },
                }),
            )
            .await
            .expect(201);
        channel["id"].as_str().expect("an id").to_owned()
    }

    /// Connects a Telegram channel and gives back its id.
    pub async fn telegram(&self) -> String {
        let channel = self
            .post(
                "/v1/channels",
                json!({
                    "type": "telegram", "name": "Bot", "identifier": "@patchbay_bot",
                    "credentials": { "botToken": "123456:token", "secretToken": BOT_SECRET },
                }),
            )
            .await
            .expect(201);
        channel["id"].as_str().expect("an id").to_owned()
    }

    /// Connects a Messenger page and gives back its id.
    pub async fn messenger(&self) -> String {
        self.connect(json!({
            "type": "messenger", "name": "Page",
            "credentials": {
                "pageId": PAGE_ID, "accessToken": "page-token", "appSecret": APP_SECRET,
                "verifyToken": "verify-me",
            },
        }))
        .await
    }

    /// Connects an Instagram account and gives back its id.
    pub async fn instagram(&self) -> String {
        self.connect(json!({
            "type": "instagram", "name": "Account", "identifier": "@the.shop",
            "credentials": {
                "accountId": INSTAGRAM_ID, "accessToken": "instagram-token", "appSecret": APP_SECRET,
                "verifyToken": "verify-me",
            },
        }))
        .await
    }

    /// Connects an SMS number and gives back its id.
    pub async fn sms(&self) -> String {
        self.connect(json!({
            "type": "sms", "name": "Number", "identifier": SMS_NUMBER,
            "credentials": {
                "provider": "twilio", "accountSid": "AC0123456789abcdef0123456789abcdef",
                "authToken": TWILIO_TOKEN,
            },
        }))
        .await
    }

    /// Connects a web chat of one site and gives back its id.
    pub async fn webchat(&self) -> String {
        self.connect(json!({
            "type": "webchat", "name": "Site", "credentials": {},
            "settings": { "allowedOrigins": ["https://shop.example"] },
        }))
        .await
    }

    /// Connects a channel and gives back its id.
    pub async fn connect(&self, body: Value) -> String {
        let channel = self.post("/v1/channels", body).await.expect(201);
        channel["id"].as_str().expect("an id").to_owned()
    }

    /// Posts a form to a channel's inbound URL as Twilio does, rightly signed. The query
    /// is empty, or starts with its `?`.
    pub async fn from_twilio(&self, channel: &str, query: &str, fields: &[(&str, &str)]) -> Reply {
        let path = format!("/inbound/{channel}{query}");
        let url = format!("https://patchbay.test{path}");
        let form = form(fields);
        let signature =
            patchbay::channel::sign::twilio_signature(TWILIO_TOKEN, &url, form.as_bytes());
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("x-twilio-signature", &signature.expect("a token")),
        ];
        self.bare(Method::POST, &path, &headers, form).await
    }

    /// Posts to a channel's inbound URL as Meta does, rightly signed.
    pub async fn from_meta(&self, channel: &str, payload: &Value) -> Reply {
        let body = payload.to_string();
        let mac = patchbay::channel::sign::hmac_sha256(APP_SECRET.as_bytes(), body.as_bytes());
        let signature = format!("sha256={}", hex::encode(mac.expect("a secret")));
        self.inbound(channel, &[("x-hub-signature-256", &signature)], body)
            .await
    }

    /// Posts to a channel's inbound URL as Telegram does.
    pub async fn from_telegram(&self, channel: &str, update: &Value) -> Reply {
        let headers = [("x-telegram-bot-api-secret-token", BOT_SECRET)];
        self.inbound(channel, &headers, update.to_string()).await
    }

    pub async fn inbound(&self, channel: &str, headers: &[(&str, &str)], body: String) -> Reply {
        let mut request = Request::post(format!("https://patchbay.test/inbound/{channel}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send_raw(request.body(Bytes::from(body)).expect("a request"))
            .await
    }

    /// A request with nothing added: no key, the body as it is.
    pub async fn bare(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Reply {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("https://patchbay.test{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send_raw(request.body(body.into()).expect("a request"))
            .await
    }

    /// A request with the world's own key and the body as it is.
    pub async fn with_body(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Reply {
        let key = format!("Bearer {}", self.key);
        self.bare(method, path, &[("authorization", &key)], body)
            .await
    }

    /// Posts these very bytes as Meta does, signed with a secret.
    pub async fn from_meta_raw(&self, channel: &str, secret: &str, body: &[u8]) -> Reply {
        let path = format!("/inbound/{channel}");
        let signature = hub_signature(secret, body);
        let headers = [("x-hub-signature-256", signature.as_str())];
        self.bare(Method::POST, &path, &headers, Bytes::copy_from_slice(body))
            .await
    }

    /// Subscribes to events and gives back the endpoint, its secret included.
    pub async fn subscribe(&self, url: &str, events: &[&str]) -> Value {
        let body = json!({ "url": url, "events": events });
        self.post("/v1/webhooks", body).await.expect(201)
    }

    /// The requests made to a host, oldest first, whole.
    pub fn posts_to(&self, host: &str) -> Vec<Request<Bytes>> {
        let requests = self.gateway.ports.requests.borrow();
        let to_host = requests
            .iter()
            .filter(|request| request.uri().host() == Some(host));
        to_host.cloned().collect()
    }

    /// A customer's text on WhatsApp, now.
    pub async fn customer_writes(&self, channel: &str, from: &str, id: &str, text: &str) {
        let at = self.gateway.ports.now_ms.get() / 1_000;
        self.from_meta(channel, &whatsapp_text(from, id, text, at))
            .await
            .expect(200);
    }

    /// Runs the consumers until nothing that is due is left in the queues.
    pub async fn drain(&self) {
        loop {
            let now = self.gateway.ports.now_ms.get();
            let next = {
                let mut pushed = self.gateway.ports.pushed.borrow_mut();
                let at = pushed.iter().position(|(_, _, due)| *due <= now);
                at.and_then(|at| pushed.remove(at))
            };
            let Some((queue, push, _)) = next else {
                return;
            };
            match queue {
                Queue::Outbound => {
                    let hint = Hint::parse(&push.body).expect("a hint");
                    self.gateway.deliver(vec![hint]).await.expect("delivered");
                }
                Queue::Events => {
                    let hint = DeliveryHint::parse(&push.body).expect("a hint");
                    self.gateway.publish(vec![hint]).await.expect("published");
                }
            }
        }
    }

    /// The requests made to the providers, oldest first: host and JSON body.
    pub fn requests_to(&self, host: &str) -> Vec<Value> {
        self.gateway
            .ports
            .requests
            .borrow()
            .iter()
            .filter(|request| request.uri().host() == Some(host))
            .map(|request| serde_json::from_slice(request.body()).expect("JSON"))
            .collect()
    }
}

/// `X-Hub-Signature-256` of a body.
pub fn hub_signature(secret: &str, body: &[u8]) -> String {
    let mac = patchbay::channel::sign::hmac_sha256(secret.as_bytes(), body);
    format!("sha256={}", hex::encode(mac.expect("a secret")))
}

/// A form with these fields.
pub fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

/// A webhook with one text on Messenger.
pub fn messenger_text(from: &str, mid: &str, text: &str, at_ms: i64) -> Value {
    messaging_text("page", PAGE_ID, from, mid, text, at_ms)
}

/// A webhook with one text on Instagram.
pub fn instagram_text(from: &str, mid: &str, text: &str, at_ms: i64) -> Value {
    messaging_text("instagram", INSTAGRAM_ID, from, mid, text, at_ms)
}

/// A webhook with one text for an account of one of these two.
pub fn messaging_text(
    object: &str,
    account: &str,
    from: &str,
    mid: &str,
    text: &str,
    at_ms: i64,
) -> Value {
    json!({
        "object": object,
        "entry": [{ "id": account, "time": at_ms, "messaging": [{
            "sender": { "id": from }, "recipient": { "id": account }, "timestamp": at_ms,
            "message": { "mid": mid, "text": text },
        }] }],
    })
}

/// A webhook with one WhatsApp text.
pub fn whatsapp_text(from: &str, id: &str, text: &str, at_s: i64) -> Value {
    whatsapp_value(json!({
        "contacts": [{ "profile": { "name": "Ada" }, "wa_id": from }],
        "messages": [{
            "from": from, "id": id, "timestamp": at_s.to_string(), "type": "text",
            "text": { "body": text },
        }],
    }))
}

/// A webhook with one WhatsApp status.
pub fn whatsapp_status(id: &str, status: &str, at_s: i64) -> Value {
    whatsapp_value(json!({
        "statuses": [{
            "id": id, "status": status, "timestamp": at_s.to_string(), "recipient_id": CUSTOMER,
        }],
    }))
}

/// A webhook with one change of the field `messages`.
pub fn whatsapp_value(mut value: Value) -> Value {
    value["messaging_product"] = json!("whatsapp");
    value["metadata"] =
        json!({ "display_phone_number": "15550100001", "phone_number_id": PHONE_NUMBER_ID });
    json!({
        "object": "whatsapp_business_account",
        "entry": [{ "id": "102290129340398", "changes": [{ "field": "messages", "value": value }] }],
    })
}
