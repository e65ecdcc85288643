//! Steps that tests of sending share.

use super::world::{CUSTOMER, Reply, World, whatsapp_value};
use http::Method;
use patchbay::gateway::{DeliveryHint, Hint, Push, Queue};
use serde_json::{Value, json};

pub const SHOP: &str = "+15550100001";
pub const HOOK: &str = "https://hooks.example.com/patchbay";
const HOOK_HOST: &str = "hooks.example.com";

/// A text from the shop's WhatsApp number.
pub fn text(to: &str, text: &str) -> Value {
    json!({ "from": SHOP, "to": to, "content": { "type": "text", "text": text } })
}

/// An answer's id.
#[track_caller]
pub fn id(value: &Value) -> String {
    value["id"].as_str().expect("an id").to_owned()
}

/// Where an error points.
pub fn pointer(problem: &Value) -> &str {
    problem["errors"][0]["pointer"].as_str().unwrap_or("")
}

/// The statuses of a message's history, oldest first.
pub fn history(message: &Value) -> Vec<&str> {
    let entries = message["statusHistory"].as_array().expect("a history");
    entries
        .iter()
        .filter_map(|entry| entry["status"].as_str())
        .collect()
}

/// A WhatsApp status as it stands in a webhook.
pub fn report(wamid: &str, status: &str, at_s: i64) -> Value {
    let mut report = json!({
        "id": wamid, "status": status, "timestamp": at_s.to_string(), "recipient_id": CUSTOMER,
    });
    if status == "failed" {
        report["errors"] = json!([{ "code": 131_026, "title": "Message undeliverable" }]);
    }
    report
}

/// A webhook with WhatsApp statuses.
pub fn reports(statuses: &[Value]) -> Value {
    whatsapp_value(json!({ "statuses": statuses }))
}

impl World {
    /// A WhatsApp channel to which the customer has just written.
    pub async fn open_whatsapp(&self) -> String {
        let channel = self.whatsapp().await;
        self.customer_writes(&channel, CUSTOMER, "wamid.in", "Hi")
            .await;
        channel
    }

    /// A WhatsApp channel that may write to anybody.
    pub async fn unenforced_whatsapp(&self) -> String {
        let channel = self.whatsapp().await;
        self.patch_channel(&channel, json!({ "settings": { "enforceWindow": false } }))
            .await;
        channel
    }

    pub async fn patch_channel(&self, channel: &str, patch: Value) -> Value {
        let path = format!("/v1/channels/{channel}");
        self.call(Method::PATCH, &path, patch).await.expect(200)
    }

    /// Sends a text from the shop, which must be accepted.
    pub async fn say(&self, to: &str, what: &str) -> Value {
        self.post("/v1/messages", text(to, what)).await.expect(202)
    }

    /// Sends under an idempotency key.
    pub async fn post_under(&self, key: &str, body: Value) -> Reply {
        self.call_with(
            Method::POST,
            "/v1/messages",
            &[("idempotency-key", key)],
            body,
        )
        .await
    }

    /// A message as it is now.
    pub async fn now(&self, message: &Value) -> Value {
        self.get(&format!("/v1/messages/{}", id(message))).await
    }

    pub async fn status(&self, message: &Value) -> String {
        let message = self.now(message).await;
        message["status"].as_str().expect("a status").to_owned()
    }

    /// A subscriber to everything.
    pub async fn subscribe_to_all(&self) {
        self.subscribe(HOOK, &["*"]).await;
    }

    /// What subscribers were told about messages: id, event's type, event's id.
    pub fn told(&self) -> Vec<(String, String, String)> {
        let requests = self.ports().requests.borrow();
        let posts = requests
            .iter()
            .filter(|request| request.uri().host() == Some(HOOK_HOST));
        posts
            .filter_map(|post| {
                let body: Value = serde_json::from_slice(post.body()).expect("JSON");
                let message = body["data"]["message"]["id"].as_str()?.to_owned();
                let kind = body["type"].as_str().expect("a type").to_owned();
                let event = post.headers()["webhook-id"]
                    .to_str()
                    .expect("an id")
                    .to_owned();
                Some((message, kind, event))
            })
            .collect()
    }

    /// The types of the events about a message that subscribers were told of.
    pub fn told_of(&self, message: &Value) -> Vec<String> {
        let message = id(message);
        let told = self
            .told()
            .into_iter()
            .filter(|(about, _, _)| *about == message);
        told.map(|(_, kind, _)| kind).collect()
    }

    /// The texts that the providers were asked to send, in order.
    pub fn texts_sent(&self) -> Vec<String> {
        let sent = self.requests_to("graph.test").into_iter();
        sent.filter_map(|body| body["text"]["body"].as_str().map(str::to_owned))
            .collect()
    }

    /// What the providers were asked to do, oldest first: the path, and the body, whose form
    /// is shown as an object.
    pub fn provider_requests(&self) -> Vec<(String, Value)> {
        let requests = self.ports().requests.borrow();
        let asked = requests.iter().map(|request| {
            assert_eq!(request.method(), Method::POST);
            let form = || url::form_urlencoded::parse(request.body()).into_owned();
            let body = serde_json::from_slice(request.body()).unwrap_or_else(|_| {
                Value::Object(form().map(|(name, it)| (name, Value::from(it))).collect())
            });
            (request.uri().path().to_owned(), body)
        });
        asked.collect()
    }

    /// Takes every hint out of a queue, due or not.
    pub fn take_pushes(&self, wanted: Queue) -> Vec<Push> {
        let pushed = self.ports().pushed.take();
        let (mine, rest): (Vec<_>, Vec<_>) = pushed
            .into_iter()
            .partition(|(queue, _, _)| *queue == wanted);
        *self.ports().pushed.borrow_mut() = rest.into();
        mine.into_iter().map(|(_, push, _)| push).collect()
    }

    /// Gives outbound hints to one consumer at once; whether it got through.
    pub async fn deliver(&self, pushes: &[Push]) -> bool {
        let hints = pushes
            .iter()
            .map(|push| Hint::parse(&push.body).expect("a hint"));
        self.gateway.deliver(hints.collect()).await.is_ok()
    }

    /// Gives event hints to one consumer at once; whether it got through.
    pub async fn publish(&self, pushes: &[Push]) -> bool {
        let hints = pushes
            .iter()
            .map(|push| DeliveryHint::parse(&push.body).expect("a hint"));
        self.gateway.publish(hints.collect()).await.is_ok()
    }

    /// Posts what must be refused, and checks that nothing at all is written.
    #[track_caller]
    pub fn refused(&self, body: Value) -> impl Future<Output = Refused> {
        self.refused_with(&[], body)
    }

    #[track_caller]
    pub fn refused_with(
        &self,
        headers: &[(&str, &str)],
        body: Value,
    ) -> impl Future<Output = Refused> {
        let caller = std::panic::Location::caller();
        async move {
            let before = self.database().dump();
            let pushed = self.ports().pushed.borrow().len();
            let reply = self
                .call_with(Method::POST, "/v1/messages", headers, body)
                .await;
            assert!(
                reply.status >= 400,
                "{caller}: {} {}",
                reply.status,
                reply.body
            );
            assert_eq!(
                self.database().dump(),
                before,
                "{caller}: a refused request writes nothing"
            );
            assert_eq!(self.ports().pushed.borrow().len(), pushed, "{caller}");
            Refused(reply)
        }
    }
}

/// A refusal that left no trace.
pub struct Refused(pub Reply);

impl Refused {
    /// Its status, code and pointer.
    pub fn as_told(&self) -> (u16, &str, &str) {
        let code = self.0.body["code"].as_str().unwrap_or("");
        (self.0.status, code, pointer(&self.0.body))
    }
}
