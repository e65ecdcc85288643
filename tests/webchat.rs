//! The visitor's side of web chat: who may come in, what they write and read, and what
//! nobody else sees.

use crate::support::outgoing::{history, id, pointer};
use crate::support::world::{ADMIN_TOKEN, Reply};
use crate::support::{Fault, World};
use bytes::Bytes;
use http::Method;
use proptest::prelude::*;
use serde_json::{Value, json};

const SITE: &str = "https://shop.example";
const IDENTITY_SECRET: &str = "identity-secret-of-the-tests";

/// A web chat with its channel.
struct Chat {
    channel: String,
    key: String,
}

/// Somebody with an open chat.
#[derive(Clone)]
struct Visitor {
    id: String,
    token: String,
    conversation: String,
}

impl World {
    async fn open_chat(&self) -> Chat {
        self.open_chat_with(json!({})).await
    }

    /// A web chat of the shop's site, with these settings beside.
    async fn open_chat_with(&self, settings: Value) -> Chat {
        let mut settings = settings;
        settings["allowedOrigins"] = json!([SITE, "http://localhost:5173"]);
        let channel = self
            .post(
                "/v1/channels",
                json!({
                    "type": "webchat", "name": "Website", "settings": settings,
                    "credentials": { "identitySecret": IDENTITY_SECRET },
                }),
            )
            .await
            .expect(201);
        Chat {
            channel: id(&channel),
            key: channel["publicKey"].as_str().expect("a key").to_owned(),
        }
    }

    async fn session(&self, chat: &Chat, body: Value) -> Reply {
        let path = format!("/webchat/{}/sessions", chat.key);
        let headers = [("origin", SITE)];
        self.bare(Method::POST, &path, &headers, body.to_string())
            .await
    }

    async fn visitor_with(&self, chat: &Chat, body: Value) -> Visitor {
        let opened = self.session(chat, body).await.expect(201);
        let text = |name: &str| opened[name].as_str().expect("a text").to_owned();
        Visitor {
            id: text("visitorId"),
            token: text("token"),
            conversation: text("conversationId"),
        }
    }

    async fn visitor(&self, chat: &Chat) -> Visitor {
        self.visitor_with(chat, json!({})).await
    }

    /// A request of a visitor from a page of the shop.
    async fn visit(
        &self,
        chat: &Chat,
        who: &Visitor,
        method: Method,
        path: &str,
        body: Value,
    ) -> Reply {
        self.visit_with(chat, who, method, path, &[], body).await
    }

    async fn visit_with(
        &self,
        chat: &Chat,
        who: &Visitor,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Reply {
        let path = format!("/webchat/{}/{path}", chat.key);
        let bearer = format!("Bearer {}", who.token);
        let headers = [&[("origin", SITE), ("authorization", &bearer)], headers].concat();
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.bare(method, &path, &headers, body).await
    }

    async fn writes(&self, chat: &Chat, who: &Visitor, own_id: &str, text: &str) -> Reply {
        self.visit(chat, who, Method::POST, "messages", says(own_id, text))
            .await
    }

    async fn polls(&self, chat: &Chat, who: &Visitor, after: i64) -> Vec<Value> {
        let path = format!("messages?after={after}");
        let page = self
            .visit(chat, who, Method::GET, &path, Value::Null)
            .await
            .expect(200);
        page["data"].as_array().expect("a list").clone()
    }

    /// The workspace answers a visitor.
    async fn answers(&self, who: &Visitor, text: &str) -> Value {
        let body = json!({ "to": who.conversation, "content": { "type": "text", "text": text } });
        self.post("/v1/messages", body).await.expect(202)
    }

    async fn status_of(&self, message: &Value) -> Value {
        self.get(&format!("/v1/messages/{}", id(message))).await
    }

    /// The types of the events in order of their making.
    fn event_types(&self) -> Vec<String> {
        self.database()
            .query("SELECT type FROM event ORDER BY id")
            .iter()
            .map(|row| row["type"].as_str().expect("a type").to_owned())
            .collect()
    }

    async fn patch_chat(&self, chat: &Chat, patch: Value) {
        let path = format!("/v1/channels/{}", chat.channel);
        self.call(Method::PATCH, &path, patch).await.expect(200);
    }
}

fn says(own_id: &str, text: &str) -> Value {
    json!({ "content": { "type": "text", "text": text }, "clientMessageId": own_id })
}

fn texts(messages: &[Value]) -> Vec<&str> {
    let texts = messages.iter().map(|message| &message["content"]["text"]);
    texts.map(|text| text.as_str().expect("a text")).collect()
}

/// What a site's server makes for somebody who is logged in.
fn user_hash(secret: &str, user_id: &str) -> String {
    let mac = patchbay::channel::sign::hmac_sha256(secret.as_bytes(), user_id.as_bytes());
    hex::encode(mac.expect("a secret"))
}

fn known(user_id: &str) -> Value {
    json!({ "userId": user_id, "userHash": user_hash(IDENTITY_SECRET, user_id) })
}

#[track_caller]
fn refused(reply: Reply, status: u16, code: &str) -> Value {
    assert_eq!(
        reply.header("content-type"),
        Some("application/problem+json")
    );
    assert!(reply.header("x-request-id").is_some());
    let problem = reply.expect(status);
    assert_eq!(problem["code"], code, "{problem}");
    problem
}

#[tokio::test]
async fn a_session_makes_a_contact_a_conversation_and_one_event() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    world.subscribe("https://hooks.example.com/x", &["*"]).await;
    let body = json!({ "name": " Ada ", "email": "ada@example.org" });
    let reply = world.session(&chat, body).await;
    assert_eq!(reply.header("access-control-allow-origin"), Some(SITE));
    let opened = reply.expect(201);
    let fields: Vec<&String> = opened.as_object().expect("an object").keys().collect();
    assert_eq!(fields, ["conversationId", "token", "visitorId"]);
    let path = format!(
        "/v1/conversations/{}",
        opened["conversationId"].as_str().expect("an id")
    );
    let conversation = world.get(&path).await;
    assert_eq!(conversation["contact"]["name"], "Ada");
    assert_eq!(conversation["contact"]["address"], opened["visitorId"]);
    assert_eq!(conversation["channelType"], "webchat");
    assert_eq!(conversation["canSendFreeForm"], true);
    assert_eq!(world.event_types(), ["conversation.created"]);
    let rows = world.database().query("SELECT kind, value FROM identity");
    assert_eq!(
        rows,
        [json!({ "kind": "visitor", "value": opened["visitorId"] })]
    );
    let rows = world.database().query("SELECT metadata FROM contact");
    assert_eq!(rows[0]["metadata"], r#"{"email":"ada@example.org"}"#);
    world.drain().await;
    assert_eq!(world.requests_to("hooks.example.com").len(), 1);
}

#[tokio::test]
async fn anonymous_sessions_are_different_visitors_with_tokens_that_cannot_be_guessed() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    let one = world.visitor(&chat).await;
    let two = world.visitor(&chat).await;
    assert_ne!(one.id, two.id);
    assert_ne!(one.conversation, two.conversation);
    for visitor in [&one, &two] {
        let digits = visitor.token.strip_prefix("pbv_").expect("its prefix");
        assert_eq!(digits.len(), 64);
    }
    assert!(!world.database().dump().contains(&one.token));
    assert!(!world.ports().logs.borrow().join("\n").contains(&one.token));
}

#[tokio::test]
async fn only_pages_of_an_allowed_origin_come_in() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    let visitor = world.visitor(&chat).await;
    let bearer = format!("Bearer {}", visitor.token);
    let wrong = [
        None,
        Some("null"),
        Some(""),
        Some("https://shop.example.evil"),
        Some("https://evil-shop.example"),
        Some("https://shop.example@evil.example"),
        Some("https://sub.shop.example"),
        Some("http://shop.example"),
        Some("https://shop.example:8443"),
        Some("https://shop.example:443"),
        Some("https://SHOP.example"),
        Some("https://shop.example/"),
        Some("https://shop.example https://evil.example"),
        Some("http://localhost"),
        Some("http://localhost:5174"),
        Some("*"),
    ];
    for origin in wrong {
        for (method, route) in [
            (Method::OPTIONS, "sessions"),
            (Method::POST, "sessions"),
            (Method::OPTIONS, "messages"),
            (Method::GET, "messages"),
            (Method::POST, "messages"),
            (Method::POST, "read"),
            (Method::POST, "typing"),
        ] {
            let path = format!("/webchat/{}/{route}", chat.key);
            let mut headers = vec![("authorization", bearer.as_str())];
            headers.extend(origin.map(|origin| ("origin", origin)));
            let reply = world.bare(method, &path, &headers, "{}").await;
            assert_eq!(
                reply.header("access-control-allow-origin"),
                None,
                "{origin:?}"
            );
            assert_eq!(reply.header("vary"), Some("Origin"));
            refused(reply, 403, "origin_not_allowed");
        }
    }
    assert_eq!(world.database().count("SELECT COUNT(*) FROM visitor"), 1);
    let two = [("origin", SITE), ("origin", "https://evil.example")];
    let path = format!("/webchat/{}/sessions", chat.key);
    let reply = world.bare(Method::POST, &path, &two, "{}").await;
    refused(reply, 403, "origin_not_allowed");
    for origin in [SITE, "http://localhost:5173"] {
        let headers = [("origin", origin)];
        let reply = world.bare(Method::POST, &path, &headers, "{}").await;
        assert_eq!(reply.header("access-control-allow-origin"), Some(origin));
        reply.expect(201);
    }
}

#[tokio::test]
async fn a_preflight_says_what_an_allowed_page_may_do() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    for route in ["sessions", "messages", "read", "typing"] {
        let path = format!("/webchat/{}/{route}", chat.key);
        let headers = [
            ("origin", SITE),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization"),
        ];
        let reply = world.bare(Method::OPTIONS, &path, &headers, "").await;
        assert_eq!(reply.status, 204);
        assert_eq!(reply.header("access-control-allow-origin"), Some(SITE));
        assert_eq!(
            reply.header("access-control-allow-methods"),
            Some("GET, POST")
        );
        assert_eq!(
            reply.header("access-control-allow-headers"),
            Some("authorization, content-type, idempotency-key")
        );
        assert_eq!(reply.header("access-control-allow-credentials"), None);
        assert_eq!(reply.header("vary"), Some("Origin"));
    }
}

#[tokio::test]
async fn allowed_pages_may_read_every_error_there_is() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    let visitor = world.visitor(&chat).await;
    let base = format!("/webchat/{}", chat.key);
    let bearer = format!("Bearer {}", visitor.token);
    let large = "x".repeat(1024 * 1024 + 1);
    for (method, path, body, status) in [
        (Method::DELETE, "/messages", "", 405),
        (Method::GET, "/sessions", "", 405),
        (Method::POST, "/nothing", "{}", 404),
        (Method::POST, "/sessions", large.as_str(), 413),
        (Method::POST, "/sessions", "not JSON", 400),
        (Method::POST, "/messages", "not JSON", 400),
        (Method::POST, "/sessions", "[]", 422),
        (Method::GET, "/messages?wait=26", "", 422),
    ] {
        let headers = [("origin", SITE), ("authorization", bearer.as_str())];
        let reply = world
            .bare(method, &format!("{base}{path}"), &headers, body.to_owned())
            .await;
        assert_eq!(reply.status, status, "{path}");
        assert_eq!(
            reply.header("access-control-allow-origin"),
            Some(SITE),
            "{path}"
        );
        assert_eq!(reply.header("vary"), Some("Origin"), "{path}");
    }
    let headers = [("origin", SITE)];
    let reply = world
        .bare(Method::GET, &format!("{base}/messages"), &headers, "")
        .await;
    assert_eq!(reply.header("access-control-allow-origin"), Some(SITE));
    refused(reply, 401, "invalid_api_key");
}

#[tokio::test]
async fn a_web_chat_nobody_has_is_not_found_whatever_its_key_looks_like() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    let unknown = "0".repeat(24);
    let longer = format!("{}0", chat.key);
    for key in [
        "x",
        unknown.as_str(),
        longer.as_str(),
        "%00",
        "..",
        chat.channel.as_str(),
    ] {
        let path = format!("/webchat/{key}/sessions");
        for method in [Method::POST, Method::OPTIONS] {
            let headers = [("origin", SITE)];
            let reply = world.bare(method, &path, &headers, "{}").await;
            assert_eq!(reply.header("access-control-allow-origin"), None);
            refused(reply, 404, "not_found");
        }
    }
    let path = format!("/v1/channels/{}", chat.channel);
    world
        .call(Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
    refused(world.session(&chat, json!({})).await, 404, "not_found");
}

#[tokio::test]
async fn a_disabled_web_chat_takes_nothing_new_and_still_shows_what_was_said() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    let visitor = world.visitor(&chat).await;
    world
        .writes(&chat, &visitor, "1", "Hello")
        .await
        .expect(201);
    world
        .patch_chat(&chat, json!({ "status": "disabled" }))
        .await;
    refused(
        world.session(&chat, json!({})).await,
        409,
        "channel_unavailable",
    );
    let reply = world.writes(&chat, &visitor, "2", "Anybody?").await;
    refused(reply, 409, "channel_unavailable");
    assert_eq!(texts(&world.polls(&chat, &visitor, 0).await), ["Hello"]);
    // What was taken before is answered as it was.
    let reply = world.writes(&chat, &visitor, "1", "Hello").await;
    assert_eq!(reply.header("idempotency-replayed"), Some("true"));
    reply.expect(201);
    world
        .patch_chat(&chat, json!({ "status": "connected" }))
        .await;
    world.visitor(&chat).await;
    world
        .writes(&chat, &visitor, "2", "Anybody?")
        .await
        .expect(201);
}

#[tokio::test]
async fn a_person_the_site_proves_is_the_same_visitor_on_every_device() {
    let mut world = World::new().await;
    let chat = world.open_chat().await;
    let phone = world.visitor_with(&chat, known("user-1")).await;
    world.forget();
    let laptop = world.visitor_with(&chat, known("user-1")).await;
    assert_eq!(phone.id, laptop.id);
    assert_eq!(phone.conversation, laptop.conversation);
    assert_ne!(phone.token, laptop.token);
    let other = world.visitor_with(&chat, known("user-2")).await;
    assert_ne!(other.id, phone.id);
    world
        .writes(&chat, &phone, "1", "From the phone")
        .await
        .expect(201);
    world
        .writes(&chat, &laptop, "2", "From the laptop")
        .await
        .expect(201);
    for device in [&phone, &laptop] {
        let seen = world.polls(&chat, device, 0).await;
        assert_eq!(texts(&seen), ["From the phone", "From the laptop"]);
    }
    assert_eq!(world.polls(&chat, &other, 0).await.len(), 0);
    assert_eq!(world.database().count("SELECT COUNT(*) FROM contact"), 2);
    // Upper case is the same hash.
    let mut shouted = known("user-1");
    shouted["userHash"] = json!(user_hash(IDENTITY_SECRET, "user-1").to_uppercase());
    assert_eq!(world.visitor_with(&chat, shouted).await.id, phone.id);
}

#[tokio::test]
async fn nobody_is_believed_to_be_a_user_without_the_right_hash() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    world.visitor_with(&chat, known("user-1")).await;
    let right = user_hash(IDENTITY_SECRET, "user-1");
    for (hash, at) in [
        (Value::Null, "/userHash"),
        (json!(""), "/userHash"),
        (json!(user_hash(IDENTITY_SECRET, "user-2")), "/userHash"),
        (json!(user_hash("another secret", "user-1")), "/userHash"),
        (json!(&right[..63]), "/userHash"),
        (json!(format!("{right}0")), "/userHash"),
    ] {
        let body = json!({ "userId": "user-1", "userHash": hash });
        let problem = refused(world.session(&chat, body).await, 401, "invalid_api_key");
        assert_eq!(pointer(&problem), at);
    }
    let body = json!({ "userHash": right });
    let problem = refused(world.session(&chat, body).await, 422, "invalid_request");
    assert_eq!(pointer(&problem), "/userId");
    assert_eq!(world.database().count("SELECT COUNT(*) FROM visitor"), 1);
}

#[tokio::test]
async fn without_an_identity_secret_no_user_is_believed() {
    let world = World::new().await;
    let body = json!({
        "type": "webchat", "name": "Website", "credentials": {},
        "settings": { "allowedOrigins": [SITE] },
    });
    let channel = world.post("/v1/channels", body).await.expect(201);
    let chat = Chat {
        channel: id(&channel),
        key: channel["publicKey"].as_str().expect("a key").to_owned(),
    };
    // The HMAC under an empty key, which anybody can make.
    for hash in [
        "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad",
        "",
    ] {
        let body = json!({ "userId": "", "userHash": hash });
        assert_ne!(world.session(&chat, body).await.status, 201);
        let body = json!({ "userId": "user-1", "userHash": hash });
        refused(world.session(&chat, body).await, 401, "invalid_api_key");
    }
    let empty_key = "1d50a3a5bd4b4f5b2f55fcd8fb0cd5d8a9d0c6a6b1d6ecd9aa0dd4a0f6b7b9b7";
    let body = json!({ "userId": "user-1", "userHash": empty_key });
    refused(world.session(&chat, body).await, 401, "invalid_api_key");
    world.visitor(&chat).await;
    // Demanded later, nobody can prove anything: the chat stays shut.
    world
        .patch_chat(&chat, json!({ "settings": { "requireIdentity": true } }))
        .await;
    refused(
        world.session(&chat, json!({})).await,
        401,
        "invalid_api_key",
    );
    refused(
        world.session(&chat, known("user-1")).await,
        401,
        "invalid_api_key",
    );
}

#[tokio::test]
async fn a_web_chat_may_demand_that_everybody_is_known() {
    let world = World::new().await;
    let chat = world
        .open_chat_with(json!({ "requireIdentity": true }))
        .await;
    let problem = refused(
        world.session(&chat, json!({ "name": "Ada" })).await,
        401,
        "invalid_api_key",
    );
    assert_eq!(pointer(&problem), "/userId");
    let visitor = world.visitor_with(&chat, known("user-1")).await;
    world
        .writes(&chat, &visitor, "1", "It is me")
        .await
        .expect(201);
}

#[tokio::test]
async fn a_secret_or_an_origin_that_changed_elsewhere_is_known_here_at_once() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    let visitor = world.visitor_with(&chat, known("user-1")).await;
    let secret = json!({ "credentials": { "identitySecret": "a-new-secret" } });
    world.patch_chat(&chat, secret).await;
    let problem = refused(
        world.session(&chat, known("user-1")).await,
        401,
        "invalid_api_key",
    );
    assert_eq!(pointer(&problem), "/userHash");
    let secret = json!({ "credentials": { "identitySecret": "a-third-secret" } });
    world.patch_chat(&chat, secret).await;
    let hash = user_hash("a-third-secret", "user-1");
    let body = json!({ "userId": "user-1", "userHash": hash });
    assert_eq!(world.visitor_with(&chat, body).await.id, visitor.id);
    let origins = json!({ "settings": { "allowedOrigins": ["https://new.example"] } });
    world.patch_chat(&chat, origins).await;
    for (method, path) in [
        (Method::POST, "messages"),
        (Method::GET, "messages"),
        (Method::POST, "read"),
    ] {
        let mut body = says("1", "Hi");
        body["seq"] = json!(1);
        let reply = world.visit(&chat, &visitor, method, path, body).await;
        refused(reply, 403, "origin_not_allowed");
    }
    refused(
        world.session(&chat, json!({})).await,
        403,
        "origin_not_allowed",
    );
    assert_eq!(world.database().count("SELECT COUNT(*) FROM message"), 0);
}

#[tokio::test]
async fn what_is_said_at_the_door_never_replaces_what_is_known() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    let with = |name: &str, email: &str| {
        let mut body = known("user-1");
        body["name"] = json!(name);
        body["email"] = json!(email);
        body
    };
    world.visitor_with(&chat, known("user-1")).await;
    world
        .visitor_with(&chat, with("Ada", "ada@example.org"))
        .await;
    world
        .visitor_with(&chat, with("Eve", "eve@example.org"))
        .await;
    let rows = world.database().query("SELECT name, metadata FROM contact");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["name"], "Ada");
    let metadata: Value =
        serde_json::from_str(rows[0]["metadata"].as_str().expect("JSON")).expect("JSON");
    assert_eq!(
        metadata,
        json!({ "email": "ada@example.org", "userId": "user-1" })
    );
    let written = r#"{"email":"vip@example.org","tier":"gold"}"#;
    let change = format!("UPDATE contact SET metadata = '{written}'");
    world.database().query(&change);
    world
        .visitor_with(&chat, with("Eve", "eve@example.org"))
        .await;
    let rows = world.database().query("SELECT metadata FROM contact");
    let metadata: Value =
        serde_json::from_str(rows[0]["metadata"].as_str().expect("JSON")).expect("JSON");
    assert_eq!(
        metadata,
        json!({ "email": "vip@example.org", "tier": "gold", "userId": "user-1" })
    );
}

#[tokio::test]
async fn a_visitor_keeps_their_twenty_newest_tokens() {
    let mut world = World::new().await;
    let chat = world.open_chat().await;
    let mut tokens = Vec::new();
    for _ in 0..23 {
        world.advance(1_000);
        tokens.push(world.visitor_with(&chat, known("user-1")).await);
    }
    assert_eq!(
        world.database().count("SELECT COUNT(*) FROM visitor_token"),
        20
    );
    for is_remembered in [true, false] {
        if !is_remembered {
            world.forget();
        }
        for (at, visitor) in tokens.iter().enumerate() {
            // Posted first: what is remembered must not be enough.
            let expected = if at < 3 { 401 } else { 201 };
            let own_id = at.to_string();
            let reply = world.writes(&chat, visitor, &own_id, "Hi").await;
            assert_eq!(reply.status, expected, "{at}");
            let expected = if at < 3 { 401 } else { 200 };
            let reply = world
                .visit(&chat, visitor, Method::GET, "messages", Value::Null)
                .await;
            assert_eq!(reply.status, expected, "{at}");
        }
    }
    assert_eq!(world.database().count("SELECT COUNT(*) FROM message"), 20);
}

#[tokio::test]
async fn hostile_sessions_are_refused_by_field() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    let long = "a".repeat(10_000);
    for (body, at) in [
        (json!({ "name": "a\u{0}b" }), "/name"),
        (json!({ "name": "a\u{1b}[31mb" }), "/name"),
        (json!({ "name": long }), "/name"),
        (json!({ "name": " " }), "/name"),
        (json!({ "name": 7 }), "/name"),
        (json!({ "name": ["Ada"] }), "/name"),
        (json!({ "email": "nobody" }), "/email"),
        (json!({ "email": "@" }), "/email"),
        (json!({ "email": "a b@example.org" }), "/email"),
        (json!({ "email": format!("{long}@example.org") }), "/email"),
        (json!({ "email": "a@example.org\r\nBcc: all" }), "/email"),
        (json!({ "userId": "", "userHash": "x" }), "/userId"),
        (json!({ "userId": long, "userHash": "x" }), "/userId"),
        (json!({ "userId": "a\nb", "userHash": "x" }), "/userId"),
        (json!({ "userId": 7 }), "/userId"),
        (json!([]), ""),
        (json!("Ada"), ""),
        (Value::Null, ""),
    ] {
        let problem = refused(
            world.session(&chat, body.clone()).await,
            422,
            "invalid_request",
        );
        assert_eq!(pointer(&problem), at, "{body}");
    }
    assert_eq!(world.database().count("SELECT COUNT(*) FROM contact"), 0);
    // Everything a name may be is kept as it is.
    let name = "Zoë <img src=x onerror=alert(1)> '; DROP TABLE contact; -- 👩‍🚀";
    world.visitor_with(&chat, json!({ "name": name })).await;
    assert_eq!(
        world.database().query("SELECT name FROM contact")[0]["name"],
        name
    );
}

#[tokio::test]
async fn what_a_visitor_writes_is_received_as_on_any_channel() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    world
        .subscribe("https://hooks.example.com/x", &["message.*"])
        .await;
    let visitor = world.visitor_with(&chat, json!({ "name": "Ada" })).await;
    let reply = world.writes(&chat, &visitor, "m-1", "Hello").await;
    assert_eq!(reply.header("idempotency-replayed"), None);
    let posted = reply.expect(201);
    let message = posted.as_object().expect("an object");
    let fields: Vec<&String> = message.keys().collect();
    assert_eq!(
        fields,
        [
            "clientMessageId",
            "content",
            "createdAt",
            "direction",
            "id",
            "seq"
        ]
    );
    assert_eq!(posted["seq"], 1);
    assert_eq!(posted["direction"], "inbound");
    assert_eq!(posted["clientMessageId"], "m-1");
    assert_eq!(
        posted["content"],
        json!({ "type": "text", "text": "Hello" })
    );
    let conversation = world
        .get(&format!("/v1/conversations/{}", visitor.conversation))
        .await;
    assert_eq!(conversation["unreadCount"], 1);
    assert_eq!(conversation["status"], "open");
    assert_eq!(conversation["lastInboundAt"], posted["createdAt"]);
    let seen = world.status_of(&posted).await;
    assert_eq!(seen["status"], "received");
    assert_eq!(seen["conversationId"], visitor.conversation);
    let channel = world.get(&format!("/v1/channels/{}", chat.channel)).await;
    assert!(channel["lastInboundAt"].is_string());
    world.drain().await;
    let told = world.requests_to("hooks.example.com");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["type"], "message.received");
    assert_eq!(told[0]["data"]["message"]["id"], posted["id"]);
    assert_eq!(told[0]["data"]["contact"]["name"], "Ada");
}

#[tokio::test]
async fn a_message_reopens_a_closed_conversation() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    let visitor = world.visitor(&chat).await;
    let path = format!("/v1/conversations/{}", visitor.conversation);
    world
        .call(Method::PATCH, &path, json!({ "status": "closed" }))
        .await
        .expect(200);
    world
        .writes(&chat, &visitor, "1", "One more thing")
        .await
        .expect(201);
    assert_eq!(world.get(&path).await["status"], "open");
}

#[tokio::test]
async fn a_repeated_post_is_the_first_message_again_for_ever() {
    let mut world = World::new().await;
    let chat = world.open_chat().await;
    world
        .subscribe("https://hooks.example.com/x", &["message.*"])
        .await;
    let visitor = world.visitor(&chat).await;
    let first = world
        .writes(&chat, &visitor, "m-1", "Hello")
        .await
        .expect(201);
    for wait_ms in [0, 3_600_000, 40 * 24 * 3_600_000] {
        world.advance(wait_ms);
        world.forget();
        let again = world.writes(&chat, &visitor, "m-1", "Hello").await;
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        assert_eq!(again.expect(201), first);
    }
    let other = world.writes(&chat, &visitor, "m-1", "Good-bye").await;
    let problem = refused(other, 409, "conflict");
    assert_eq!(pointer(&problem), "/clientMessageId");
    assert_eq!(world.database().count("SELECT COUNT(*) FROM message"), 1);
    assert_eq!(
        world
            .database()
            .count("SELECT unread_count FROM conversation"),
        1
    );
    assert_eq!(world.event_types(), ["message.received"]);
    // Another visitor's ids are their own.
    let other = world.visitor(&chat).await;
    let reply = world.writes(&chat, &other, "m-1", "Good-bye").await;
    assert_eq!(reply.header("idempotency-replayed"), None);
    reply.expect(201);
}

#[tokio::test]
async fn an_idempotency_key_holds_a_day_and_for_one_visitor() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    let one = world.visitor(&chat).await;
    let two = world.visitor(&chat).await;
    let key = [("idempotency-key", "order-1")];
    let quoted = [("idempotency-key", "\"order-1\"")];
    let post = |who: Visitor, key: [(&'static str, &'static str); 1], body: Value| {
        let (world, chat) = (&world, &chat);
        async move {
            world
                .visit_with(chat, &who, Method::POST, "messages", &key, body)
                .await
        }
    };
    let first = post(one.clone(), key, says("m-1", "Hello")).await;
    assert_eq!(first.header("idempotency-replayed"), None);
    let first = first.expect(201);
    let again = post(one.clone(), quoted, says("m-1", "Hello")).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.expect(201), first);
    let reused = post(one.clone(), key, says("m-2", "Hello")).await;
    refused(reused, 409, "idempotency_key_reused");
    assert_eq!(world.database().count("SELECT COUNT(*) FROM message"), 1);
    post(two.clone(), key, says("m-2", "Hello"))
        .await
        .expect(201);
    // A replay under a new key is kept under it too.
    let other = [("idempotency-key", "order-2")];
    post(one.clone(), other, says("m-1", "Hello"))
        .await
        .expect(201);
    let reused = post(one.clone(), other, says("m-3", "Hello")).await;
    refused(reused, 409, "idempotency_key_reused");
    world.advance(24 * 3_600_000 + 1);
    let reply = post(one.clone(), key, says("m-2", "Hello")).await;
    assert_eq!(reply.header("idempotency-replayed"), None);
    reply.expect(201);
    for wrong in ["", "é"] {
        let reply = world
            .visit_with(
                &chat,
                &one,
                Method::POST,
                "messages",
                &[("idempotency-key", wrong)],
                says("m-9", "Hi"),
            )
            .await;
        refused(reply, 422, "invalid_request");
    }
    // A refused request may be corrected under its key.
    let third = [("idempotency-key", "order-3")];
    refused(
        post(one.clone(), third, says("m-4", "")).await,
        422,
        "invalid_request",
    );
    post(one.clone(), third, says("m-4", "Hello"))
        .await
        .expect(201);
}

#[tokio::test]
async fn posts_that_are_no_message_are_refused_by_field() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    let visitor = world.visitor(&chat).await;
    let own = |content: Value| json!({ "clientMessageId": "m", "content": content });
    let text = json!({ "type": "text", "text": "Hi" });
    let invalid = "invalid_request";
    for (body, code, at) in [
        (json!({}), invalid, "/clientMessageId"),
        (json!([]), invalid, ""),
        (json!({ "content": text }), invalid, "/clientMessageId"),
        (
            json!({ "content": text, "clientMessageId": null }),
            invalid,
            "/clientMessageId",
        ),
        (
            json!({ "content": text, "clientMessageId": 7 }),
            invalid,
            "/clientMessageId",
        ),
        (
            json!({ "content": text, "clientMessageId": "" }),
            invalid,
            "/clientMessageId",
        ),
        (
            json!({ "content": text, "clientMessageId": "a\u{0}" }),
            invalid,
            "/clientMessageId",
        ),
        (
            json!({ "content": text, "clientMessageId": "a".repeat(256) }),
            invalid,
            "/clientMessageId",
        ),
        (json!({ "clientMessageId": "m" }), invalid, "/content"),
        (own(json!("Hi")), invalid, "/content"),
        (own(json!({ "text": "Hi" })), invalid, "/content/type"),
        (own(json!({ "type": 7 })), invalid, "/content/type"),
        (own(json!({ "type": "poem" })), invalid, "/content/type"),
        (
            own(json!({ "type": "unsupported", "providerType": "x" })),
            invalid,
            "/content/type",
        ),
        (own(json!({ "type": "text" })), invalid, "/content/text"),
        (
            own(json!({ "type": "text", "text": 7 })),
            invalid,
            "/content/text",
        ),
        (
            own(json!({ "type": "text", "text": " \n" })),
            invalid,
            "/content/text",
        ),
        (
            own(json!({ "type": "text", "text": "a".repeat(70_000) })),
            invalid,
            "/content/text",
        ),
        (
            own(json!({ "type": "image", "url": "https://x.example/a.png" })),
            "unsupported_content",
            "/content/type",
        ),
        (
            own(json!({ "type": "location", "latitude": 1, "longitude": 2 })),
            "unsupported_content",
            "/content/type",
        ),
        (
            own(json!({ "type": "template", "key": "hello" })),
            "unsupported_content",
            "/content/type",
        ),
    ] {
        let reply = world
            .visit(&chat, &visitor, Method::POST, "messages", body.clone())
            .await;
        let problem = refused(reply, 422, code);
        assert_eq!(pointer(&problem), at, "{body}");
    }
    assert_eq!(world.database().count("SELECT COUNT(*) FROM message"), 0);
}

#[tokio::test]
async fn a_token_opens_one_conversation_of_one_web_chat() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    let body = json!({
        "type": "webchat", "name": "Other", "identifier": "other", "credentials": {},
        "settings": { "allowedOrigins": [SITE] },
    });
    let channel = world.post("/v1/channels", body).await.expect(201);
    let other = Chat {
        channel: id(&channel),
        key: channel["publicKey"].as_str().expect("a key").to_owned(),
    };
    let ada = world.visitor(&chat).await;
    let eve = world.visitor(&chat).await;
    world.writes(&chat, &ada, "1", "From Ada").await.expect(201);
    world.answers(&ada, "To Ada").await;
    assert_eq!(world.polls(&chat, &eve, 0).await.len(), 0);
    assert_eq!(world.polls(&chat, &ada, 0).await.len(), 2);
    let wrong = |token: &str| Visitor {
        token: token.to_owned(),
        ..eve.clone()
    };
    let unknown = format!("pbv_{}", "0".repeat(64));
    let shouted = ada.token.to_uppercase();
    for (chat, who) in [
        (&other, &ada),
        (&chat, &wrong("")),
        (&chat, &wrong("nonsense")),
        (&chat, &wrong(&unknown)),
        (&chat, &wrong(&ada.token[..67])),
        (&chat, &wrong(&shouted)),
        (&chat, &wrong(&ada.id)),
        (&chat, &wrong(&world.key)),
        (&chat, &wrong(ADMIN_TOKEN)),
    ] {
        for (method, path) in [
            (Method::GET, "messages"),
            (Method::POST, "messages"),
            (Method::POST, "read"),
            (Method::POST, "typing"),
        ] {
            let mut body = says("x", "Hi");
            body["seq"] = json!(1);
            let reply = world.visit(chat, who, method, path, body).await;
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
            refused(reply, 401, "invalid_api_key");
        }
    }
    assert_eq!(world.database().count("SELECT COUNT(*) FROM message"), 2);
    // Nor does a visitor's token open the workspace's side.
    let bearer = format!("Bearer {}", ada.token);
    let reply = world
        .bare(
            Method::GET,
            "/v1/messages",
            &[("authorization", &bearer)],
            "",
        )
        .await;
    refused(reply, 401, "invalid_api_key");
}

#[tokio::test]
async fn a_visitor_gets_both_sides_in_order_and_nothing_internal() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    let visitor = world.visitor(&chat).await;
    world.writes(&chat, &visitor, "1", "one").await.expect(201);
    let body = json!({
        "to": visitor.conversation, "content": { "type": "text", "text": "two" },
        "metadata": { "ticket": "internal-7" }, "actor": "human", "clientMessageId": "internal-8",
    });
    world.post("/v1/messages", body).await.expect(202);
    world
        .writes(&chat, &visitor, "3", "three")
        .await
        .expect(201);
    let seen = world.polls(&chat, &visitor, 0).await;
    assert_eq!(texts(&seen), ["one", "two", "three"]);
    let seqs: Vec<i64> = seen
        .iter()
        .filter_map(|message| message["seq"].as_i64())
        .collect();
    assert_eq!(seqs, [1, 2, 3]);
    let fields: Vec<&String> = seen[1].as_object().expect("an object").keys().collect();
    assert_eq!(fields, ["content", "createdAt", "direction", "id", "seq"]);
    assert_eq!(seen[1]["direction"], "outbound");
    assert!(!json!(seen).to_string().contains("internal"));
    assert_eq!(
        texts(&world.polls(&chat, &visitor, 1).await),
        ["two", "three"]
    );
    assert_eq!(world.polls(&chat, &visitor, 3).await.len(), 0);
    assert_eq!(
        world
            .polls(&chat, &visitor, 9_007_199_254_740_991)
            .await
            .len(),
        0
    );
}

#[tokio::test]
async fn a_visitor_never_sees_what_was_not_sent() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    let visitor = world.visitor(&chat).await;
    world.answers(&visitor, "Hello").await;
    for status in [
        "scheduled",
        "accepted",
        "sending",
        "unknown",
        "failed",
        "canceled",
        "expired",
    ] {
        let change = format!("UPDATE message SET status = '{status}'");
        world.database().query(&change);
        assert_eq!(world.polls(&chat, &visitor, 0).await.len(), 0, "{status}");
        let reply = world
            .visit(&chat, &visitor, Method::POST, "read", json!({ "seq": 1 }))
            .await;
        assert_eq!(reply.status, 204);
        let stands = world.database().query("SELECT status FROM message");
        assert_eq!(stands[0]["status"], status);
    }
}

#[tokio::test]
async fn a_long_history_comes_in_pages_of_a_hundred() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    let visitor = world.visitor(&chat).await;
    for number in 0..130 {
        world
            .writes(&chat, &visitor, &number.to_string(), "Hi")
            .await
            .expect(201);
    }
    let first = world.polls(&chat, &visitor, 0).await;
    assert_eq!(first.len(), 100);
    let last = first[99]["seq"].as_i64().expect("a seq");
    let second = world.polls(&chat, &visitor, last).await;
    assert_eq!(second.len(), 30);
    assert_eq!(second[0]["seq"], 101);
}

#[tokio::test]
async fn an_answer_is_sent_then_delivered_by_being_fetched_then_read() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    let visitor = world.visitor(&chat).await;
    world
        .subscribe("https://hooks.example.com/x", &["message.*"])
        .await;
    let sent = world.answers(&visitor, "Hello").await;
    assert_eq!(sent["status"], "sent");
    world.advance(1_000);
    let seen = world.polls(&chat, &visitor, 0).await;
    assert_eq!(texts(&seen), ["Hello"]);
    assert_eq!(world.status_of(&sent).await["status"], "delivered");
    // Fetched again, nothing is written.
    let before = world.database().dump();
    world.polls(&chat, &visitor, 0).await;
    assert_eq!(world.database().dump(), before);
    world.advance(1_000);
    for _ in 0..2 {
        let body = json!({ "seq": seen[0]["seq"] });
        let reply = world
            .visit(&chat, &visitor, Method::POST, "read", body)
            .await;
        assert_eq!(reply.status, 204);
    }
    let read = world.status_of(&sent).await;
    assert_eq!(history(&read), ["accepted", "sent", "delivered", "read"]);
    assert_eq!(
        world.event_types(),
        ["message.sent", "message.delivered", "message.read"]
    );
    world.drain().await;
    let told = world.requests_to("hooks.example.com");
    let types: Vec<&str> = told
        .iter()
        .filter_map(|event| event["type"].as_str())
        .collect();
    assert_eq!(types, ["message.sent", "message.delivered", "message.read"]);
    // What stands read is not delivered again.
    world.polls(&chat, &visitor, 0).await;
    assert_eq!(world.status_of(&sent).await["status"], "read");
}

#[tokio::test]
async fn asking_for_the_head_alone_delivers_nothing() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    let visitor = world.visitor(&chat).await;
    let sent = world.answers(&visitor, "Hello").await;
    let reply = world
        .visit(&chat, &visitor, Method::HEAD, "messages", Value::Null)
        .await;
    assert_eq!(reply.status, 200);
    assert_eq!(world.status_of(&sent).await["status"], "sent");
}

#[tokio::test]
async fn a_visitor_reads_up_to_a_seq_and_no_further() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    let visitor = world.visitor(&chat).await;
    let one = world.answers(&visitor, "one").await;
    world.writes(&chat, &visitor, "2", "two").await.expect(201);
    let three = world.answers(&visitor, "three").await;
    let read = |seq: i64| world.visit(&chat, &visitor, Method::POST, "read", json!({ "seq": seq }));
    read(2).await;
    assert_eq!(world.status_of(&one).await["status"], "read");
    assert_eq!(world.status_of(&three).await["status"], "sent");
    // More than there is reads what there is, and not what comes.
    assert_eq!(read(1_000).await.status, 204);
    assert_eq!(world.status_of(&three).await["status"], "read");
    let four = world.answers(&visitor, "four").await;
    assert_eq!(read(3).await.status, 204);
    assert_eq!(world.status_of(&four).await["status"], "sent");
    assert_eq!(read(0).await.status, 204);
    for wrong in [
        json!({}),
        json!({ "seq": -1 }),
        json!({ "seq": "1" }),
        json!({ "seq": 1.5 }),
        json!({ "seq": 1e300 }),
    ] {
        let reply = world
            .visit(&chat, &visitor, Method::POST, "read", wrong)
            .await;
        let problem = refused(reply, 422, "invalid_request");
        assert_eq!(pointer(&problem), "/seq");
    }
}

#[tokio::test]
async fn a_long_conversation_is_read_in_one_request() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    let visitor = world.visitor(&chat).await;
    for number in 0..620 {
        world
            .writes(&chat, &visitor, &number.to_string(), "Hi")
            .await
            .expect(201);
    }
    let last = world.answers(&visitor, "Hello").await;
    let reply = world
        .visit(&chat, &visitor, Method::POST, "read", json!({ "seq": 621 }))
        .await;
    assert_eq!(reply.status, 204);
    assert_eq!(world.status_of(&last).await["status"], "read");
}

#[tokio::test]
async fn typing_is_taken_and_leaves_no_trace() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    let visitor = world.visitor(&chat).await;
    let before = world.database().dump();
    for body in [Value::Null, json!({}), json!("x")] {
        let reply = world
            .visit(&chat, &visitor, Method::POST, "typing", body)
            .await;
        assert_eq!(reply.status, 204);
    }
    assert_eq!(world.database().dump(), before);
}

#[tokio::test]
async fn a_waiting_visitor_gets_what_comes_meanwhile() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    let visitor = world.visitor(&chat).await;
    let start = world.ports().now_ms.get();
    let waits = world.visit(
        &chat,
        &visitor,
        Method::GET,
        "messages?after=0&wait=25",
        Value::Null,
    );
    let answers = async {
        while world.ports().now_ms.get() < start + 3_000 {
            tokio::task::yield_now().await;
        }
        world.answers(&visitor, "Here I am").await
    };
    let (reply, sent) = tokio::join!(waits, answers);
    let page = reply.expect(200);
    assert_eq!(page["data"][0]["content"]["text"], "Here I am");
    assert!(world.ports().now_ms.get() - start <= 5_000);
    assert_eq!(world.status_of(&sent).await["status"], "delivered");
}

#[tokio::test]
async fn a_web_chat_that_changes_during_a_wait_still_knows_what_was_delivered() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    let visitor = world.visitor(&chat).await;
    let start = world.ports().now_ms.get();
    let path = "messages?after=0&wait=25";
    let waits = world.visit(&chat, &visitor, Method::GET, path, Value::Null);
    let answers = async {
        while world.ports().now_ms.get() < start + 2_000 {
            tokio::task::yield_now().await;
        }
        world.patch_chat(&chat, json!({ "name": "Renamed" })).await;
        world.answers(&visitor, "Here I am").await
    };
    let (reply, sent) = tokio::join!(waits, answers);
    assert_eq!(reply.expect(200)["data"][0]["id"], sent["id"]);
    assert_eq!(world.status_of(&sent).await["status"], "delivered");
}

#[tokio::test]
async fn a_wait_for_nothing_ends_in_time_and_costs_one_round_trip_a_second() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    let visitor = world.visitor(&chat).await;
    for wait in [0, 1, 25] {
        let start = world.ports().now_ms.get();
        let trips = world.database().round_trips.get();
        let path = format!("messages?after=0&wait={wait}");
        let reply = world
            .visit(&chat, &visitor, Method::GET, &path, Value::Null)
            .await;
        assert_eq!(reply.expect(200), json!({ "data": [] }));
        assert_eq!(world.ports().now_ms.get() - start, wait * 1_000);
        assert_eq!(
            i64::from(world.database().round_trips.get() - trips),
            wait + 1
        );
    }
    for query in [
        "wait=26",
        "wait=-1",
        "wait=",
        "wait=x",
        "wait=1.5",
        "wait=+1",
        "after=-1",
        "after=",
        "after=x",
        "after=9007199254740992",
        "after=99999999999999999999",
    ] {
        let path = format!("messages?{query}");
        let reply = world
            .visit(&chat, &visitor, Method::GET, &path, Value::Null)
            .await;
        let problem = refused(reply, 422, "invalid_request");
        let name = query.split('=').next().expect("a name");
        assert_eq!(pointer(&problem), format!("/{name}"), "{query}");
    }
}

#[tokio::test]
async fn too_many_requests_are_turned_away() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    let visitor = world.visitor(&chat).await;
    world.ports().admits_callers.set(false);
    let reply = world.writes(&chat, &visitor, "1", "Hi").await;
    assert_eq!(reply.header("retry-after"), Some("60"));
    assert_eq!(reply.header("access-control-allow-origin"), Some(SITE));
    refused(reply, 429, "rate_limited");
    refused(world.session(&chat, json!({})).await, 429, "rate_limited");
}

#[tokio::test]
async fn a_visitor_costs_one_round_trip_warm_and_two_cold() {
    let mut world = World::new().await;
    let chat = world.open_chat().await;
    let visitor = world.visitor(&chat).await;
    let key = [("idempotency-key", "k")];
    for (is_warm, most) in [(false, 2), (true, 1)] {
        world.polls(&chat, &visitor, 0).await;
        let requests = [
            (Method::POST, "messages", says(&format!("a{is_warm}"), "Hi")),
            (Method::POST, "messages", says(&format!("b{is_warm}"), "Hi")),
            (Method::GET, "messages", Value::Null),
            (Method::POST, "read", json!({ "seq": 1 })),
        ];
        for (at, (method, path, body)) in requests.into_iter().enumerate() {
            if !is_warm {
                world.forget();
            }
            let headers: &[(&str, &str)] = if at == 1 && !is_warm { &key } else { &[] };
            let before = world.database().round_trips.get();
            let reply = world
                .visit_with(&chat, &visitor, method, path, headers, body)
                .await;
            assert!(reply.status < 300, "{}", reply.body);
            let trips = world.database().round_trips.get() - before;
            assert!(trips <= most, "{trips} for {path}, warm: {is_warm}");
        }
        if !is_warm {
            world.forget();
        }
        let before = world.database().round_trips.get();
        world
            .session(&chat, json!({ "name": "Ada" }))
            .await
            .expect(201);
        assert!(world.database().round_trips.get() - before <= most);
    }
    let path = format!("/webchat/{}/messages", chat.key);
    let before = world.database().round_trips.get();
    world
        .bare(Method::OPTIONS, &path, &[("origin", SITE)], "")
        .await;
    assert_eq!(world.database().round_trips.get(), before);
}

#[tokio::test]
async fn batches_that_run_twice_or_lose_their_answer_do_everything_once() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    world.subscribe("https://hooks.example.com/x", &["*"]).await;
    world.database().runs_twice.set(true);
    for fault in [None, Some(Fault::Before), Some(Fault::After)] {
        let fails = || world.database().faults.borrow_mut().extend(fault);
        fails();
        let visitor = world.visitor(&chat).await;
        fails();
        let key = [("idempotency-key", "k")];
        let body = says("m-1", "Hello");
        let reply = world
            .visit_with(&chat, &visitor, Method::POST, "messages", &key, body)
            .await;
        assert_eq!(reply.header("idempotency-replayed"), None, "{fault:?}");
        let posted = reply.expect(201);
        assert_eq!(posted["seq"], 1);
        let sent = world.answers(&visitor, "Hi").await;
        fails();
        assert_eq!(world.polls(&chat, &visitor, 1).await.len(), 1);
        fails();
        let reply = world
            .visit(&chat, &visitor, Method::POST, "read", json!({ "seq": 2 }))
            .await;
        assert_eq!(reply.status, 204);
        assert_eq!(
            history(&world.status_of(&sent).await),
            ["accepted", "sent", "delivered", "read"]
        );
        let path = format!("/v1/conversations/{}", visitor.conversation);
        assert_eq!(world.get(&path).await["unreadCount"], 1);
    }
    assert_eq!(
        world.database().count("SELECT COUNT(*) FROM visitor_token"),
        3
    );
    assert_eq!(world.database().count("SELECT COUNT(*) FROM message"), 6);
    let told = world.event_types();
    for kind in [
        "conversation.created",
        "message.received",
        "message.sent",
        "message.delivered",
        "message.read",
    ] {
        assert_eq!(
            told.iter().filter(|told| *told == kind).count(),
            3,
            "{kind}"
        );
    }
}

#[tokio::test]
async fn a_database_that_is_silent_is_told_and_nothing_is_half_done() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    let visitor = world.visitor(&chat).await;
    let sent = world.answers(&visitor, "Hi").await;
    let silent = || {
        world
            .database()
            .faults
            .borrow_mut()
            .extend([Fault::Before; 2])
    };
    silent();
    refused(world.session(&chat, json!({})).await, 503, "unavailable");
    silent();
    refused(
        world.writes(&chat, &visitor, "1", "Hi").await,
        503,
        "unavailable",
    );
    silent();
    let reply = world
        .visit(&chat, &visitor, Method::GET, "messages", Value::Null)
        .await;
    refused(reply, 503, "unavailable");
    // The report fails: the visitor asks again, and gets the same.
    world.database().faults.borrow_mut().clear();
    assert_eq!(world.database().count("SELECT COUNT(*) FROM visitor"), 1);
    assert_eq!(world.polls(&chat, &visitor, 0).await.len(), 1);
    assert_eq!(world.status_of(&sent).await["status"], "delivered");
}

#[tokio::test]
async fn concurrent_repeats_make_one_message_and_one_visitor() {
    let world = World::new().await;
    world.database().yields.set(true);
    let chat = world.open_chat().await;
    let (one, two) = tokio::join!(
        world.visitor_with(&chat, known("user-1")),
        world.visitor_with(&chat, known("user-1"))
    );
    assert_eq!((&one.id, &one.conversation), (&two.id, &two.conversation));
    let (first, second) = tokio::join!(
        world.writes(&chat, &one, "m-1", "Hello"),
        world.writes(&chat, &two, "m-1", "Hello")
    );
    let replays = [&first, &second]
        .iter()
        .filter(|reply| reply.header("idempotency-replayed").is_some())
        .count();
    assert_eq!(replays, 1);
    assert_eq!(first.expect(201), second.expect(201));
    assert_eq!(world.database().count("SELECT COUNT(*) FROM contact"), 1);
    assert_eq!(world.database().count("SELECT COUNT(*) FROM message"), 1);
}

#[tokio::test]
async fn a_deleted_workspace_leaves_nothing_of_its_visitors() {
    let world = World::new().await;
    let chat = world.open_chat().await;
    let visitor = world.visitor(&chat).await;
    world.writes(&chat, &visitor, "1", "Hi").await.expect(201);
    let path = format!("/v1/workspaces/{}", world.workspace);
    world
        .admin(Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
    refused(
        world.writes(&chat, &visitor, "2", "Hi").await,
        404,
        "not_found",
    );
    let reply = world
        .visit(&chat, &visitor, Method::GET, "messages", Value::Null)
        .await;
    refused(reply, 404, "not_found");
    for _ in 0..10 {
        world.gateway.sweep().await;
    }
    for table in [
        "visitor",
        "visitor_token",
        "channel",
        "message",
        "conversation",
        "workspace",
    ] {
        let count = world
            .database()
            .count(&format!("SELECT COUNT(*) FROM {table}"));
        assert_eq!(count, 0, "{table}");
    }
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let field = prop_oneof![
        Just("content"),
        Just("clientMessageId"),
        Just("type"),
        Just("text"),
        Just("name"),
        Just("email"),
        Just("userId"),
        Just("userHash"),
        Just("seq"),
        Just("previewUrl"),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!("text")),
        Just(json!({ "type": "text", "text": "Hi" })),
        Just(json!("ada@example.org")),
    ];
    let json = leaf.prop_recursive(3, 24, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((field.clone(), inner), 0..6).prop_map(|fields| {
                fields
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect()
            }),
        ]
    });
    prop_oneof![
        4 => json.prop_map(|json| json.to_string().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..64),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_body_from_any_page_is_answered(
        body in bodies(),
        origin in prop_oneof![Just(SITE.to_owned()), "[ -~]{0,30}"],
        token in prop_oneof![Just(None), "[ -~]{0,70}".prop_map(Some)],
        query in "[ -~&&[^#?]]{0,20}",
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let world = World::new().await;
            world.sends_unknown_fields.set(true);
            let chat = world.open_chat().await;
            let visitor = world.visitor(&chat).await;
            let bearer = format!("Bearer {}", token.as_deref().unwrap_or(&visitor.token));
            let query: String = http::uri::PathAndQuery::try_from(format!("/?after={query}").replace(' ', "%20"))
                .map_or(String::new(), |path| path.query().unwrap_or("").to_owned());
            for (method, route) in [
                (Method::POST, "sessions".to_owned()),
                (Method::POST, "messages".to_owned()),
                (Method::POST, "read".to_owned()),
                (Method::POST, "typing".to_owned()),
                (Method::GET, format!("messages?{query}")),
            ] {
                let path = format!("/webchat/{}/{route}", chat.key);
                let headers = [("origin", origin.as_str()), ("authorization", bearer.as_str())];
                let reply = world.bare(method, &path, &headers, Bytes::from(body.clone())).await;
                assert!(reply.status < 500, "{} {}", reply.status, reply.body);
                if reply.status >= 400 {
                    assert!(reply.body["code"].is_string(), "{}", reply.body);
                }
            }
        });
    }
}
