//! A visitor of a site and the workspace, in the real runtime: what only it can show is the wait.

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::harness::{Reply, Tenant, WORD, run};

const SITE: &str = "https://shop.example";

/// A visitor with an open chat.
struct Visitor<'a> {
    tenant: &'a Tenant,
    base: String,
    token: String,
    conversation: String,
}

impl<'a> Visitor<'a> {
    async fn new(tenant: &'a Tenant) -> Self {
        let body = json!({
            "type": "webchat", "name": "Website", "credentials": {},
            "settings": { "allowedOrigins": [SITE] },
        });
        let channel = tenant.post("/v1/channels", &body).await.expect(201);
        let base = format!("/webchat/{}", text(&channel, "publicKey"));
        let request = from_site(tenant, Method::POST, &format!("{base}/sessions"));
        let opened = Reply::of(request.json(&json!({ "name": "Ana" })))
            .await
            .expect(201);
        Self {
            tenant,
            base,
            token: text(&opened, "token"),
            conversation: text(&opened, "conversationId"),
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let path = format!("{}/{path}", self.base);
        from_site(self.tenant, method, &path).bearer_auth(&self.token)
    }

    async fn writes(&self, own_id: &str, words: &str) -> Reply {
        let content = json!({ "type": "text", "text": words });
        let body = json!({ "content": content, "clientMessageId": own_id });
        Reply::of(self.request(Method::POST, "messages").json(&body)).await
    }

    async fn waits(&self, after: u32, wait_s: u32) -> (Value, Duration) {
        let start = Instant::now();
        let path = format!("messages?after={after}&wait={wait_s}");
        let reply = Reply::of(self.request(Method::GET, &path)).await;
        assert_eq!(reply.headers["access-control-allow-origin"], SITE);
        (reply.expect(200)["data"].clone(), start.elapsed())
    }

    /// The workspace writes to the visitor; answers the message's id.
    async fn hears(&self, words: &str) -> String {
        let content = json!({ "type": "text", "text": words });
        let body = json!({ "to": self.conversation, "content": content });
        let message = self.tenant.post("/v1/messages", &body).await.expect(202);
        assert_eq!(message["status"], "sent");
        text(&message, "id")
    }
}

/// A request as a browser makes it for a page of the site.
fn from_site(tenant: &Tenant, method: Method, path: &str) -> RequestBuilder {
    let api = tenant.without_token();
    api.request(method, path).header("origin", SITE)
}

#[track_caller]
fn text(value: &Value, field: &str) -> String {
    let text = value[field].as_str();
    text.unwrap_or_else(|| panic!("no {field} in {value}"))
        .to_owned()
}

#[test]
fn a_visitor_and_the_workspace_talk_and_both_sides_know_how_far_it_came() {
    run(async {
        let tenant = Tenant::new().await;
        let visitor = Visitor::new(&tenant).await;
        let subscriber = tenant.subscriber().await;
        let posted = visitor.writes("1", WORD).await.expect(201);
        let again = visitor.writes("1", WORD).await;
        assert_eq!(again.headers["idempotency-replayed"], "true");
        assert_eq!(again.expect(201), posted);
        subscriber.receives("message.received", 1).await;
        let id = visitor.hears("Hello").await;
        subscriber.receives("message.sent", 1).await;
        let (seen, _) = visitor.waits(0, 0).await;
        assert_eq!(seen[0]["id"], posted["id"]);
        assert_eq!(seen[1]["id"], id);
        subscriber.receives("message.delivered", 1).await;
        let read = visitor.request(Method::POST, "read");
        let read = Reply::of(read.json(&json!({ "seq": seen[1]["seq"] }))).await;
        assert_eq!(read.status, 204);
        tenant.becomes(&id, "read").await;
        subscriber.receives("message.read", 1).await;
    });
}

#[test]
fn a_visitor_who_waits_gets_an_answer_as_it_is_given_and_an_empty_one_in_time() {
    run(async {
        let tenant = Tenant::new().await;
        let visitor = Visitor::new(&tenant).await;
        let (seen, took) = visitor.waits(0, 2).await;
        assert_eq!(seen, json!([]));
        assert!(took >= Duration::from_millis(1_900), "{took:?}");
        assert!(took < Duration::from_secs(10), "{took:?}");
        let answers = async {
            sleep(Duration::from_millis(1_500)).await;
            visitor.hears("Here I am").await
        };
        let ((seen, took), id) = tokio::join!(visitor.waits(0, 20), answers);
        assert_eq!(seen[0]["id"], id);
        assert!(took >= Duration::from_millis(1_400), "{took:?}");
        assert!(took < Duration::from_secs(10), "{took:?}");
        tenant.becomes(&id, "delivered").await;
    });
}

#[test]
fn many_visitors_wait_at_once_and_nobody_is_held_up() {
    run(async {
        let tenant = Tenant::new().await;
        let visitor = Visitor::new(&tenant).await;
        let waits = futures_util::future::join_all((0..10).map(|_| visitor.waits(1, 5)));
        let writes = async {
            sleep(Duration::from_millis(500)).await;
            let start = Instant::now();
            visitor.writes("1", WORD).await.expect(201);
            start.elapsed()
        };
        let (waited, took) = tokio::join!(waits, writes);
        assert!(took < Duration::from_secs(3), "{took:?}");
        for (seen, _) in waited {
            assert_eq!(seen, json!([]));
        }
    });
}

#[test]
fn a_browser_is_told_what_pages_may_do() {
    run(async {
        let tenant = Tenant::new().await;
        let visitor = Visitor::new(&tenant).await;
        let path = format!("{}/messages", visitor.base);
        let preflight = Reply::of(from_site(&tenant, Method::OPTIONS, &path)).await;
        assert_eq!(preflight.status, 204);
        assert_eq!(preflight.headers["access-control-allow-origin"], SITE);
        assert_eq!(preflight.headers["vary"], "Origin");
        let elsewhere = tenant
            .without_token()
            .request(Method::OPTIONS, &path)
            .header("origin", "https://shop.example.evil");
        let refused = Reply::of(elsewhere).await;
        assert_eq!(refused.status, 403);
        assert!(refused.headers.get("access-control-allow-origin").is_none());
    });
}
