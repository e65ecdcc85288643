//! Every route that sends a message keeps the same promise: one key, one message, one send.

use crate::support::World;
use crate::support::world::{CUSTOMER, Reply};
use http::Method;
use serde_json::{Value, json};

const SITE: &str = "https://shop.example";

/// A route with what it takes.
struct Route {
    path: String,
    /// The same route by other paths.
    aliases: Vec<String>,
    body: Value,
    /// Another body it takes as well.
    other: Value,
    /// A body it refuses.
    wrong: Value,
    headers: Vec<(&'static str, String)>,
    status: u16,
    /// Where its answer holds the message's id, and an error its code.
    id: &'static str,
    code: &'static str,
    /// Whether a provider is called.
    calls: bool,
}

/// A world in which every channel can send.
struct Stage {
    world: World,
    routes: Vec<Route>,
}

impl Stage {
    async fn new() -> Self {
        let world = World::new().await;
        let whatsapp = world.whatsapp().await;
        let telegram = world.telegram().await;
        let messenger = world.messenger().await;
        let instagram = world.instagram().await;
        let sms = world.sms().await;
        let webchat = world.webchat().await;
        let public_key = world.get(&format!("/v1/channels/{webchat}")).await["publicKey"]
            .as_str()
            .expect("a key")
            .to_owned();
        world
            .customer_writes(&whatsapp, CUSTOMER, "wamid.in", "Hi")
            .await;
        for (channel, object) in [(&messenger, "page"), (&instagram, "instagram")] {
            let at = world.ports().now_ms.get();
            let message = json!({
                "sender": { "id": "77001" }, "recipient": { "id": "1" }, "timestamp": at,
                "message": { "mid": format!("m_{object}"), "text": "Hi" },
            });
            let payload = json!({
                "object": object, "entry": [{ "id": "0", "time": at, "messaging": [message] }],
            });
            world.from_meta(channel, &payload).await.expect(200);
        }
        let hello = json!({ "update_id": 1, "message": {
            "message_id": 1, "date": world.ports().now_ms.get() / 1_000, "text": "Hi",
            "chat": { "id": 77001, "type": "private" },
            "from": { "id": 77001, "is_bot": false, "first_name": "Ada" },
        } });
        world.from_telegram(&telegram, &hello).await.expect(200);
        let conversations = world.get("/v1/conversations?limit=100").await;
        let of = |kind: &str, field: &str| -> String {
            let all = conversations["data"].as_array().expect("a list");
            let found = all
                .iter()
                .find(|conversation| conversation["channelType"] == kind)
                .expect("a conversation");
            let value = if field == "contact" {
                &found["contact"]["id"]
            } else {
                &found["id"]
            };
            value.as_str().expect("an id").to_owned()
        };
        let template = approve_template(&world, &whatsapp);
        let visitor = open_chat(&world, &public_key).await;
        let key = vec![("authorization", format!("Bearer {}", world.key))];
        let route = |path: String, body: Value, other: Value, id, code, status| Route {
            path,
            aliases: vec![],
            body,
            other,
            wrong: json!({}),
            headers: key.clone(),
            status,
            id,
            code,
            calls: true,
        };
        let mut routes = Vec::new();

        let text = |words: &str| json!({ "from": whatsapp, "to": CUSTOMER, "content": { "type": "text", "text": words } });
        routes.push(route(
            "/v1/messages".into(),
            text("one"),
            text("two"),
            "/id",
            "/code",
            202,
        ));

        let conversation = of("whatsapp", "id");
        let text =
            |words: &str| json!({ "type": "text", "to": conversation, "text": { "text": words } });
        routes.push(Route {
            aliases: vec!["/m2m/v1/messages".into()],
            ..route(
                "/messages".into(),
                text("one"),
                text("two"),
                "/id",
                "/error",
                200,
            )
        });
        let parameters = |word: &str| {
            let text = |text: &str| json!({ "type": "text", "text": text });
            json!([{ "type": "body", "parameters": [text(word), text("1234")] }])
        };
        let body = |word: &str| {
            json!({
                "to": CUSTOMER,
                "template": { "name": "order_shipped", "language": { "code": "en_US" }, "components": parameters(word) },
            })
        };
        routes.push(Route {
            aliases: vec![format!("/m2m/v1/whatsapp-templates/{whatsapp}/send")],
            ..route(
                format!("/whatsapp-templates/{whatsapp}/send"),
                body("Ana"),
                body("Bia"),
                "/id",
                "/error",
                200,
            )
        });

        for (name, from, to) in [
            ("whatsapp", &whatsapp, CUSTOMER),
            ("messenger", &messenger, "77001"),
            ("instagram", &instagram, "77001"),
            ("telegram", &telegram, "5550001"),
            ("sms", &sms, "+15550199001"),
            ("web-chatt2me", &webchat, visitor.id.as_str()),
        ] {
            let text =
                |words: &str| json!({ "from": from, "to": to, "content": { "text": words } });
            routes.push(Route {
                calls: name != "web-chatt2me",
                ..route(
                    format!("/v1/communication/{name}/message"),
                    text("one"),
                    text("two"),
                    "/messageId",
                    "/errorCode",
                    200,
                )
            });
        }

        let workspace = &world.workspace;
        for kind in ["whatsapp", "messenger", "instagram"] {
            let contact = of(kind, "contact");
            let text = |words: &str| {
                json!({
                    "contact": { "id": contact }, "workspace": { "id": workspace }, "textMessage": words,
                })
            };
            routes.push(route(
                format!("/v1/messages/{kind}/sendtext"),
                text("one"),
                text("two"),
                "/id",
                "/code",
                200,
            ));
        }
        for (kind, form, one, two) in [
            ("whatsapp", "sendmedia", media("a"), media("b")),
            ("messenger", "sendmedia", media("a"), media("b")),
            ("messenger", "sendtemplate", elements("a"), elements("b")),
            ("instagram", "sendtemplate", elements("a"), elements("b")),
            ("telegram", "sendtemplate", buttons("a"), buttons("b")),
        ] {
            let contact = of(kind, "contact");
            let to = |mut body: Value| {
                body["contact"] = json!({ "id": contact });
                body["workspace"] = json!({ "id": workspace });
                body
            };
            routes.push(route(
                format!("/v1/messages/{kind}/{form}"),
                to(one),
                to(two),
                "/id",
                "/code",
                200,
            ));
        }
        let body = |name: &str| {
            json!({
                "recepient": { "phoneNumber": CUSTOMER }, "workspace": { "id": workspace },
                "template": "order_shipped", "variables": { "1": name, "2": "1234" },
            })
        };
        routes.push(route(
            "/v1/messages/whatsapp/sendtemplate".into(),
            body("Ana"),
            body("Bia"),
            "/id",
            "/code",
            200,
        ));

        let text = |words: &str| json!({ "text": words });
        routes.push(route(
            format!("/v1/messaging/conversations/{conversation}/messages"),
            text("one"),
            text("two"),
            "/data/id",
            "/error",
            201,
        ));
        let body = |name: &str| {
            json!({
                "business_whatsapp_number_id": whatsapp, "phone": format!("+{CUSTOMER}"),
                "template_key": "order_shipped", "variables": { "1": name, "2": "1234" },
            })
        };
        routes.push(route(
            "/v1/messaging/messages/template".into(),
            body("Ana"),
            body("Bia"),
            "/data/id",
            "/error",
            201,
        ));

        let text = |words: &str, id: &str| json!({ "clientMessageId": id, "content": { "type": "text", "text": words } });
        routes.push(Route {
            headers: vec![
                ("authorization", format!("Bearer {}", visitor.token)),
                ("origin", SITE.to_owned()),
            ],
            calls: false,
            ..route(
                format!("/webchat/{}/messages", public_key),
                text("one", "1"),
                text("two", "2"),
                "/id",
                "/code",
                201,
            )
        });
        assert!(!template.is_empty());
        // What was said to get here is not what is counted.
        world.drain().await;
        world.ports().requests.borrow_mut().clear();
        Self { world, routes }
    }

    async fn call(&self, route: &Route, path: &str, key: &str, body: &Value) -> Reply {
        self.call_raw(route, path, key, body.to_string()).await
    }

    async fn call_raw(&self, route: &Route, path: &str, key: &str, body: String) -> Reply {
        let mut headers: Vec<(&str, &str)> = route
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        headers.push(("idempotency-key", key));
        self.world.bare(Method::POST, path, &headers, body).await
    }

    fn messages(&self) -> i64 {
        self.world.database().count("SELECT COUNT(*) FROM message")
    }

    fn provider_calls(&self) -> usize {
        self.world.ports().requests.borrow().len()
    }
}

fn media(name: &str) -> Value {
    json!({ "mediaUrl": format!("https://shop.example/{name}.png"), "mimeType": "image/png" })
}

fn elements(title: &str) -> Value {
    json!({ "elements": [{ "title": title, "buttons": [{ "title": "Buy" }] }] })
}

fn buttons(text: &str) -> Value {
    json!({ "textMessage": text, "buttons": [{ "title": "Yes", "payload": "yes" }] })
}

struct OpenedChat {
    id: String,
    token: String,
}

async fn open_chat(world: &World, public_key: &str) -> OpenedChat {
    let path = format!("/webchat/{public_key}/sessions");
    let headers = [("origin", SITE)];
    let opened = world
        .bare(Method::POST, &path, &headers, "{}")
        .await
        .expect(201);
    let field = |name: &str| opened[name].as_str().expect("text").to_owned();
    OpenedChat {
        id: field("visitorId"),
        token: field("token"),
    }
}

/// A template of a channel, as a sync would have left it.
fn approve_template(world: &World, channel: &str) -> String {
    let id = "0197a000-0000-7000-8000-00000000000a";
    let components = json!([{ "type": "BODY", "text": "Hi {{1}}, order {{2}} is on its way." }]);
    world.database().query(&format!(
        "INSERT INTO template (workspace_id, id, channel_id, provider_id, key, name, language, category,
           status, components, variables, version, created_at)
         VALUES ('{}', '{id}', '{channel}', '1', 'order_shipped', 'order_shipped', 'en_US', 'UTILITY',
           'APPROVED', '{components}', '[\"1\",\"2\"]', 1, 1)",
        world.workspace
    ));
    id.to_owned()
}

fn id(route: &Route, body: &Value) -> String {
    let id = body.pointer(route.id).and_then(Value::as_str);
    id.unwrap_or_else(|| panic!("{}: {body}", route.path))
        .to_owned()
}

/// The same JSON with its keys the other way round and spaces between.
fn respelled(body: &Value) -> String {
    let fields = body.as_object().expect("an object");
    let fields: Vec<String> = fields
        .iter()
        .rev()
        .map(|(name, value)| format!(" {} : {value} ", json!(name)))
        .collect();
    format!("{{\n{}\n}}", fields.join(","))
}

#[tokio::test]
async fn a_repeat_under_the_same_key_is_the_first_answer_again_and_nothing_is_sent_twice() {
    let stage = Stage::new().await;
    for route in &stage.routes {
        let (messages, calls) = (stage.messages(), stage.provider_calls());
        let first = stage.call(route, &route.path, "k-1", &route.body).await;
        assert_eq!(first.header("idempotency-replayed"), None, "{}", route.path);
        let first = first.expect(route.status);
        stage.world.drain().await;
        assert_eq!(stage.messages(), messages + 1, "{}", route.path);
        assert_eq!(
            stage.provider_calls() - calls,
            usize::from(route.calls),
            "{}",
            route.path
        );

        let paths = std::iter::once(&route.path).chain(&route.aliases);
        for (path, key) in paths.flat_map(|path| [(path, "k-1"), (path, "\"k-1\"")]) {
            let again = stage.call(route, path, key, &route.body).await;
            assert_eq!(
                again.header("idempotency-replayed"),
                Some("true"),
                "{path} {}",
                again.body
            );
            assert_eq!(again.expect(route.status), first, "{path}");
        }
        let again = stage
            .call_raw(route, &route.path, "k-1", respelled(&route.body))
            .await;
        assert_eq!(again.expect(route.status), first, "{}", route.path);
        stage.world.drain().await;
        assert_eq!(stage.messages(), messages + 1, "{}", route.path);
        assert_eq!(
            stage.provider_calls() - calls,
            usize::from(route.calls),
            "{}",
            route.path
        );
    }
}

#[tokio::test]
async fn another_body_under_the_same_key_is_refused_and_sends_nothing() {
    let stage = Stage::new().await;
    for route in &stage.routes {
        let first = stage.call(route, &route.path, "k-2", &route.body).await;
        first.expect(route.status);
        stage.world.drain().await;
        let (messages, calls) = (stage.messages(), stage.provider_calls());
        let other = stage.call(route, &route.path, "k-2", &route.other).await;
        let told = other.expect(409);
        assert_eq!(
            told.pointer(route.code),
            Some(&json!("idempotency_key_reused")),
            "{} {told}",
            route.path
        );
        stage.world.drain().await;
        assert_eq!(
            (stage.messages(), stage.provider_calls()),
            (messages, calls)
        );
    }
}

#[tokio::test]
async fn a_refused_request_may_be_corrected_and_sent_under_the_same_key() {
    let stage = Stage::new().await;
    for route in &stage.routes {
        let messages = stage.messages();
        let refused = stage.call(route, &route.path, "k-3", &route.wrong).await;
        assert!(
            (400..500).contains(&refused.status),
            "{} {}",
            route.path,
            refused.body
        );
        assert_eq!(stage.messages(), messages);
        let corrected = stage.call(route, &route.path, "k-3", &route.body).await;
        assert_eq!(corrected.header("idempotency-replayed"), None);
        corrected.expect(route.status);
        assert_eq!(stage.messages(), messages + 1);
    }
}

#[tokio::test]
async fn one_key_on_two_routes_is_two_messages() {
    let stage = Stage::new().await;
    let mut ids = Vec::new();
    for route in &stage.routes {
        let sent = stage.call(route, &route.path, "k-4", &route.body).await;
        ids.push(id(route, &sent.expect(route.status)));
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count);
}

#[tokio::test]
async fn a_key_that_cannot_be_one_is_refused_before_anything_is_sent() {
    let stage = Stage::new().await;
    for route in &stage.routes {
        let messages = stage.messages();
        let long = "k".repeat(256);
        for key in ["", "\"open", long.as_str()] {
            let refused = stage.call(route, &route.path, key, &route.body).await;
            assert!(
                [400, 422].contains(&refused.status),
                "{} {}",
                route.path,
                refused.body
            );
        }
        assert_eq!(stage.messages(), messages, "{}", route.path);
    }
}

#[tokio::test]
async fn a_batch_that_runs_twice_is_one_message_and_one_send() {
    let stage = Stage::new().await;
    stage.world.database().runs_twice.set(true);
    for route in &stage.routes {
        let (messages, calls) = (stage.messages(), stage.provider_calls());
        let sent = stage.call(route, &route.path, "k-5", &route.body).await;
        sent.expect(route.status);
        stage.world.drain().await;
        assert_eq!(stage.messages(), messages + 1, "{}", route.path);
        assert_eq!(
            stage.provider_calls() - calls,
            usize::from(route.calls),
            "{}",
            route.path
        );
    }
}

#[tokio::test]
async fn a_key_is_free_again_after_a_day() {
    let stage = Stage::new().await;
    // The customers' windows are a day too; templates and channels without one go on.
    for route in &stage.routes {
        let is_of = |word: &str| route.path.contains(word);
        let has_window = is_of("messenger") || is_of("instagram");
        if has_window || !is_of("template") && !is_of("telegram") {
            continue;
        }
        let first = stage.call(route, &route.path, "k-6", &route.body).await;
        let first = id(route, &first.expect(route.status));
        stage.world.advance(24 * 3_600_000);
        let later = stage.call(route, &route.path, "k-6", &route.body).await;
        assert_eq!(later.header("idempotency-replayed"), None, "{}", route.path);
        assert_ne!(id(route, &later.expect(route.status)), first);
    }
}
