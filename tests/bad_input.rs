//! Whatever a client sends, there is a right answer, and nothing is half-done.

use crate::support::World;
use crate::support::hostile::run;
use crate::support::world::{ADMIN_TOKEN, CUSTOMER, Reply, START_MS};
use bytes::Bytes;
use http::{Method, Request};
use patchbay::api;
use patchbay::model::access::{Environment, KeySecret};
use patchbay::model::time::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Who a route wants to see.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Who {
    Admin,
    Key,
}

struct Route {
    method: Method,
    template: &'static str,
    who: Who,
    /// The kind of thing `{id}` names.
    id: Option<&'static str>,
    /// A body that is right; none where a body means nothing.
    body: Option<Value>,
}

fn route(
    method: Method,
    template: &'static str,
    who: Who,
    id: Option<&'static str>,
    body: Option<Value>,
) -> Route {
    Route {
        method,
        template,
        who,
        id,
        body,
    }
}

fn whatsapp_body() -> Value {
    json!({
        "type": "whatsapp", "name": "New", "identifier": "+15550100777",
        "credentials": {
            "phoneNumberId": "1", "wabaId": "2", "accessToken": "a", "appSecret": "b", "verifyToken": "c",
        },
    })
}

/// Stands for the stage's channel in a body.
const CHANNEL: &str = "{channel}";
/// The same for a contact that others are merged into.
const SURVIVOR: &str = "the-contact";

fn new_template() -> Value {
    json!({
        "channelId": CHANNEL, "name": "order_shipped", "language": "en_US", "category": "UTILITY",
        "components": [
            { "type": "HEADER", "format": "TEXT", "text": "Shipped" },
            { "type": "BODY", "text": "Hi {{1}}", "example": { "body_text": [["Ana"]] } },
        ],
    })
}

/// Every route of the native surface.
fn routes() -> Vec<Route> {
    use Who::{Admin, Key};
    let text = json!({ "from": "+15550100001", "to": CUSTOMER, "content": { "type": "text", "text": "Hi" } });
    let webhook = json!({ "url": "https://subscriber.example/hook", "events": ["*"] });
    vec![
        route(
            Method::POST,
            "/v1/workspaces",
            Admin,
            None,
            Some(json!({ "name": "New" })),
        ),
        route(Method::GET, "/v1/workspaces", Admin, None, None),
        route(
            Method::DELETE,
            "/v1/workspaces/{id}",
            Admin,
            Some("workspace"),
            None,
        ),
        route(
            Method::POST,
            "/v1/workspaces/{id}/api-keys",
            Admin,
            Some("workspace"),
            Some(json!({ "name": "k" })),
        ),
        route(Method::GET, "/metrics", Admin, None, None),
        route(Method::GET, "/v1/workspace", Key, None, None),
        route(
            Method::POST,
            "/v1/api-keys",
            Key,
            None,
            Some(json!({ "name": "k" })),
        ),
        route(Method::GET, "/v1/api-keys", Key, None, None),
        route(Method::DELETE, "/v1/api-keys/{id}", Key, Some("key"), None),
        route(
            Method::POST,
            "/v1/channels",
            Key,
            None,
            Some(whatsapp_body()),
        ),
        route(Method::GET, "/v1/channels", Key, None, None),
        route(Method::GET, "/v1/channels/{id}", Key, Some("channel"), None),
        route(
            Method::PATCH,
            "/v1/channels/{id}",
            Key,
            Some("channel"),
            Some(json!({ "name": "Renamed" })),
        ),
        route(
            Method::DELETE,
            "/v1/channels/{id}",
            Key,
            Some("channel"),
            None,
        ),
        route(
            Method::POST,
            "/v1/channels/{id}/test",
            Key,
            Some("channel"),
            None,
        ),
        route(
            Method::POST,
            "/v1/channels/{id}/templates/sync",
            Key,
            Some("channel"),
            None,
        ),
        route(
            Method::POST,
            "/v1/templates",
            Key,
            None,
            Some(new_template()),
        ),
        route(Method::GET, "/v1/templates", Key, None, None),
        route(
            Method::GET,
            "/v1/templates/{id}",
            Key,
            Some("template"),
            None,
        ),
        route(
            Method::PATCH,
            "/v1/templates/{id}",
            Key,
            Some("template"),
            Some(json!({ "key": "welcome", "variables": ["customer"] })),
        ),
        route(
            Method::DELETE,
            "/v1/templates/{id}",
            Key,
            Some("template"),
            None,
        ),
        route(Method::POST, "/v1/messages", Key, None, Some(text.clone())),
        route(Method::POST, "/v1/messages/validate", Key, None, Some(text)),
        route(Method::GET, "/v1/messages", Key, None, None),
        route(Method::GET, "/v1/messages/{id}", Key, Some("message"), None),
        route(
            Method::PATCH,
            "/v1/messages/{id}",
            Key,
            Some("scheduled message"),
            Some(json!({ "scheduledAt": "2026-12-24T08:00:00Z" })),
        ),
        route(
            Method::DELETE,
            "/v1/messages/{id}",
            Key,
            Some("scheduled message"),
            None,
        ),
        route(
            Method::POST,
            "/v1/messages/{id}/resolve",
            Key,
            Some("unknown message"),
            Some(json!({ "outcome": "sent" })),
        ),
        route(
            Method::POST,
            "/v1/contacts",
            Key,
            None,
            Some(
                json!({ "name": "Ada", "identities": [{ "kind": "whatsapp", "value": "+5511977770000" }] }),
            ),
        ),
        route(Method::GET, "/v1/contacts", Key, None, None),
        route(Method::GET, "/v1/contacts/{id}", Key, Some("contact"), None),
        route(
            Method::PATCH,
            "/v1/contacts/{id}",
            Key,
            Some("contact"),
            Some(json!({ "name": "Ada" })),
        ),
        route(
            Method::POST,
            "/v1/contacts/{id}/merge",
            Key,
            Some("contact"),
            Some(json!({ "into": SURVIVOR })),
        ),
        route(
            Method::POST,
            "/v1/contacts/{id}/unmerge",
            Key,
            Some("merged contact"),
            None,
        ),
        route(
            Method::DELETE,
            "/v1/contacts/{id}",
            Key,
            Some("contact"),
            None,
        ),
        route(Method::GET, "/v1/conversations", Key, None, None),
        route(
            Method::GET,
            "/v1/conversations/{id}",
            Key,
            Some("conversation"),
            None,
        ),
        route(
            Method::PATCH,
            "/v1/conversations/{id}",
            Key,
            Some("conversation"),
            Some(json!({ "mode": "human" })),
        ),
        route(
            Method::GET,
            "/v1/conversations/{id}/messages",
            Key,
            Some("conversation"),
            None,
        ),
        route(
            Method::POST,
            "/v1/conversations/{id}/read",
            Key,
            Some("conversation"),
            None,
        ),
        route(Method::POST, "/v1/webhooks", Key, None, Some(webhook)),
        route(Method::GET, "/v1/webhooks", Key, None, None),
        route(Method::GET, "/v1/webhooks/{id}", Key, Some("webhook"), None),
        route(Method::GET, "/v1/media/{id}", Key, Some("media"), None),
        route(
            Method::DELETE,
            "/v1/webhooks/{id}",
            Key,
            Some("webhook"),
            None,
        ),
        route(
            Method::PATCH,
            "/v1/webhooks/{id}",
            Key,
            Some("webhook"),
            Some(json!({ "status": "paused" })),
        ),
        route(
            Method::POST,
            "/v1/webhooks/{id}/rotate-secret",
            Key,
            Some("webhook"),
            None,
        ),
        route(
            Method::POST,
            "/v1/webhooks/{id}/test",
            Key,
            Some("webhook"),
            None,
        ),
        route(
            Method::GET,
            "/v1/webhooks/{id}/deliveries",
            Key,
            Some("webhook"),
            None,
        ),
        route(
            Method::POST,
            "/v1/webhooks/{id}/deliveries/resend",
            Key,
            Some("webhook"),
            Some(json!({ "ids": ["0197a000-0000-7000-8000-000000000000"] })),
        ),
        route(
            Method::POST,
            "/v1/webhooks/{id}/deliveries/{delivery}/resend",
            Key,
            Some("webhook"),
            None,
        ),
        route(
            Method::POST,
            "/v1/webhooks/{id}/recover",
            Key,
            Some("webhook"),
            Some(json!({ "since": "2026-11-20T00:00:00Z" })),
        ),
    ]
}

/// A world with one of everything.
struct Stage {
    world: World,
    channel: String,
    contact: String,
    survivor: String,
    merged: String,
    conversation: String,
    message: String,
    scheduled: String,
    unknown: String,
    template: String,
    webhook: String,
    /// The webhook's, of one of what happened since it was made.
    delivery: String,
    spare_key: String,
    media: String,
}

impl Stage {
    async fn new() -> Self {
        let world = World::new().await;
        world.sends_unknown_fields.set(true);
        let channel = world.whatsapp().await;
        world
            .customer_writes(&channel, CUSTOMER, "wamid.in", "Hi")
            .await;
        let first = async |path: &str| {
            let list = world.get(path).await;
            list["data"][0]["id"].as_str().expect("an id").to_owned()
        };
        let conversation = first("/v1/conversations").await;
        let contact = first("/v1/contacts").await;
        let message = first("/v1/messages").await;
        let later = async || {
            let body = json!({
                "to": conversation, "content": { "type": "text", "text": "Later" },
                "scheduledAt": "2026-12-01T08:00:00Z",
            });
            let said = world.post("/v1/messages", body).await.expect(202);
            said["id"].as_str().expect("an id").to_owned()
        };
        let (scheduled, unknown) = (later().await, later().await);
        world.database().query(&format!(
            "UPDATE message SET status = 'unknown' WHERE id = '{unknown}'"
        ));
        let listed = json!({ "data": [{
            "id": "1", "name": "hello", "language": "en_US", "status": "APPROVED", "category": "UTILITY",
            "components": [{ "type": "BODY", "text": "Hello {{1}}" }],
        }] });
        let answer = crate::support::Answer::Http(200, listed);
        world.ports().to_questions.borrow_mut().push_back(answer);
        let sync = format!("/v1/channels/{channel}/templates/sync");
        world.post(&sync, Value::Null).await.expect(200);
        let template = first("/v1/templates").await;
        let webhook = world
            .subscribe("https://subscriber.example/hook", &["*"])
            .await;
        let webhook = webhook["id"].as_str().expect("an id").to_owned();
        let spare = json!({ "name": "spare", "scopes": [] });
        let spare = world.post("/v1/api-keys", spare).await.expect(201);
        let spare_key = spare["id"].as_str().expect("an id").to_owned();
        world.ports().has_bucket.set(true);
        let bearer = format!("Bearer {}", world.key);
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "image/png"),
        ];
        let media = world.bare(Method::POST, "/v1/media", &headers, "png").await;
        let media = media.expect(201)["id"].as_str().expect("an id").to_owned();
        let person = async |number: &str| {
            let of = json!({ "identities": [{ "kind": "telegram", "value": number }] });
            let made = world.post("/v1/contacts", of).await.expect(201);
            made["id"].as_str().expect("an id").to_owned()
        };
        let (survivor, merged) = (person("1").await, person("2").await);
        let merge = format!("/v1/contacts/{merged}/merge");
        let into = json!({ "into": survivor });
        world.post(&merge, into).await.expect(200);
        let delivery = first(&format!("/v1/webhooks/{webhook}/deliveries")).await;
        Self {
            delivery,
            spare_key,
            media,
            survivor,
            merged,
            world,
            channel,
            contact,
            conversation,
            message,
            scheduled,
            unknown,
            template,
            webhook,
        }
    }

    fn id(&self, what: &str) -> &str {
        match what {
            "workspace" => &self.world.workspace,
            "channel" => &self.channel,
            "contact" => &self.contact,
            "merged contact" => &self.merged,
            "conversation" => &self.conversation,
            "message" => &self.message,
            "scheduled message" => &self.scheduled,
            "unknown message" => &self.unknown,
            "template" => &self.template,
            "key" => &self.spare_key,
            "media" => &self.media,
            _ => &self.webhook,
        }
    }

    fn path(&self, route: &Route) -> String {
        let id = route.id.map_or("", |what| self.id(what));
        self.filled(route.template, id)
    }

    fn filled(&self, template: &str, id: &str) -> String {
        let path = template.replace("{id}", id);
        path.replace("{delivery}", &self.delivery)
    }

    fn token(&self, route: &Route) -> String {
        let token = match route.who {
            Who::Admin => ADMIN_TOKEN,
            Who::Key => &self.world.key,
        };
        format!("Bearer {token}")
    }

    async fn ask(&self, route: &Route, path: &str, body: impl Into<Bytes>) -> Reply {
        let token = self.token(route);
        let body: Bytes = body.into();
        let body = match std::str::from_utf8(&body) {
            Ok(text) => {
                let text = text.replace(CHANNEL, &self.channel);
                Bytes::from(text.replace(SURVIVOR, &self.survivor))
            }
            Err(_) => body,
        };
        self.world
            .bare(
                route.method.clone(),
                path,
                &[("authorization", &token)],
                body,
            )
            .await
    }

    fn stored(&self) -> String {
        self.world.database().dump()
    }
}

/// Holds an answer to RFC 9457 and to the project's own words; gives back its pointers.
#[track_caller]
fn problem(reply: &Reply, status: u16, code: &str) -> Vec<String> {
    assert_eq!(reply.status, status, "{}", reply.body);
    assert_eq!(
        reply.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(reply.body["status"], status);
    assert_eq!(reply.body["code"], code, "{}", reply.body);
    for field in ["type", "title", "detail", "requestId"] {
        let text = reply.body[field].as_str().unwrap_or("");
        assert!(!text.is_empty(), "{field} in {}", reply.body);
    }
    assert_eq!(
        reply.header("x-request-id"),
        reply.body["requestId"].as_str()
    );
    if status == 401 {
        assert!(reply.header("www-authenticate").is_some());
    }
    let errors = reply.body["errors"].as_array().cloned().unwrap_or_default();
    errors
        .iter()
        .map(|error| {
            assert!(
                error["detail"]
                    .as_str()
                    .is_some_and(|detail| !detail.is_empty())
            );
            error["pointer"].as_str().expect("a pointer").to_owned()
        })
        .collect()
}

fn has_body(route: &Route) -> bool {
    route.body.is_some()
}

#[test]
fn every_route_of_the_native_surface_is_tried_here() {
    let source = include_str!("../src/api/native/mod.rs");
    let table = source.split_once("static ROUTES").expect("a table").1;
    let table = table.split_once("];").expect("its end").0;
    let mut there: Vec<String> = table
        .split("Method::")
        .skip(1)
        .filter_map(|entry| {
            let (method, rest) = entry.split_once(',')?;
            let path = rest.split('"').nth(1)?;
            Some(format!("{method} {path}"))
        })
        .collect();
    let mut tried: Vec<String> = routes()
        .iter()
        .map(|route| format!("{} {}", route.method, route.template))
        .collect();
    // What needs no key and reads no body, and what takes a file as it comes.
    let others = ["GET /v1/capabilities", "POST /v1/media"];
    there.retain(|route| !others.contains(&route.as_str()));
    there.sort();
    tried.sort();
    assert!(!there.is_empty());
    assert_eq!(there, tried);
}

#[tokio::test]
async fn every_right_request_succeeds_and_carries_a_request_id() {
    for route in routes() {
        let stage = Stage::new().await;
        let body = route
            .body
            .clone()
            .map_or_else(String::new, |body| body.to_string());
        let reply = stage.ask(&route, &stage.path(&route), body).await;
        assert!(
            (200..300).contains(&reply.status),
            "{} {}: {}",
            route.method,
            route.template,
            reply.body
        );
        assert!(
            reply
                .header("x-request-id")
                .is_some_and(|id| !id.is_empty())
        );
    }
}

#[tokio::test]
async fn without_a_right_key_every_route_is_401() {
    let stage = Stage::new().await;
    let before = stage.stored();
    let key = stage.world.key.clone();
    let last = if key.ends_with('x') { "y" } else { "x" };
    let typo = format!("Bearer {}{last}", &key[..key.len() - 1]);
    let own = format!("Bearer {key}");
    let stranger = KeySecret::fresh(Environment::Live, &[9; 64]).expect("a key");
    let stranger = format!("Bearer {}", stranger.reveal());
    let other_environment = own.replace("pb_live_", "pb_test_");
    let admin = format!("Bearer {ADMIN_TOKEN}");
    let basic = format!("Basic {key}");
    for route in routes() {
        let path = stage.path(&route);
        let body = route.body.clone().unwrap_or_default().to_string();
        let mut attempts: Vec<Vec<(&str, &str)>> = vec![
            vec![],
            vec![("authorization", "")],
            vec![("authorization", "Bearer")],
            vec![("authorization", "Bearer ")],
            vec![("authorization", "Bearer pb_live_")],
            vec![("authorization", "Bearer ' OR 1=1 --")],
            vec![("authorization", &typo)],
            vec![("authorization", &other_environment)],
            vec![("authorization", &stranger)],
            vec![("authorization", &basic)],
            vec![("authorization", &key)],
            vec![("x-api-key", "")],
            vec![("x-api-key", "\u{e9}\u{e9}")],
            // A wrong `Authorization` is not made good by a right `x-api-key`.
            vec![("authorization", &typo), ("x-api-key", &key)],
        ];
        match route.who {
            Who::Admin => attempts.extend([
                vec![("authorization", own.as_str())],
                vec![("authorization", "Bearer admin-token-of-the-test")],
                vec![("x-api-key", "Admin-token-of-the-tests")],
            ]),
            Who::Key => attempts.push(vec![("authorization", &admin)]),
        }
        for headers in attempts {
            let reply = stage
                .world
                .bare(route.method.clone(), &path, &headers, body.clone())
                .await;
            problem(&reply, 401, "invalid_api_key");
        }
    }
    assert_eq!(stage.stored(), before);
}

#[tokio::test]
async fn either_header_carries_the_key_and_the_scheme_has_no_case() {
    let stage = Stage::new().await;
    let key = &stage.world.key;
    for headers in [
        vec![("authorization", format!("Bearer {key}"))],
        vec![("authorization", format!("bearer {key}"))],
        vec![("authorization", format!("BEARER  {key} "))],
        vec![("x-api-key", key.clone())],
    ] {
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        stage
            .world
            .bare(Method::GET, "/v1/workspace", &headers, "")
            .await
            .expect(200);
    }
}

#[tokio::test]
async fn a_body_that_is_not_json_is_400_on_every_route_that_reads_one() {
    let stage = Stage::new().await;
    let before = stage.stored();
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    let deep_object = format!("{}1{}", "{\"a\":".repeat(5_000), "}".repeat(5_000));
    let bodies: [&[u8]; 13] = [
        b"",
        b" ",
        b"{",
        b"{\"name\":\"x\"",
        b"{name: 1}",
        b"{\"name\":\"x\",}",
        b"{\"a\":1} trailing",
        b"name=x",
        b"<xml/>",
        b"{\"name\":\"\xff\xfe\"}",
        b"\xef\xbb\xbf{}",
        deep.as_bytes(),
        deep_object.as_bytes(),
    ];
    for route in routes().into_iter().filter(has_body) {
        for body in bodies {
            let reply = stage
                .ask(&route, &stage.path(&route), Bytes::copy_from_slice(body))
                .await;
            problem(&reply, 400, "invalid_request");
        }
    }
    assert_eq!(stage.stored(), before);
}

#[tokio::test]
async fn a_body_that_is_json_but_no_object_is_422_on_every_route_that_reads_one() {
    let stage = Stage::new().await;
    let before = stage.stored();
    let mut passed = Vec::new();
    for route in routes().into_iter().filter(has_body) {
        // An array of the fields' values in order is no object either.
        let values: Value = route
            .body
            .clone()
            .expect("a body")
            .as_object()
            .map(|fields| fields.values().cloned().collect())
            .expect("an object");
        let in_order = json!(["whatsapp", "New", null, whatsapp_body()["credentials"]]);
        for body in [
            json!(null),
            json!(7),
            json!(1.5),
            json!("text"),
            json!(true),
            json!([]),
            json!([{}]),
            values,
            in_order,
            json!([null, null, null]),
            json!(["https://subscriber.example/hook", ["*"], null, null, null]),
            json!(["name", null, null, null]),
        ] {
            let reply = stage
                .ask(&route, &stage.path(&route), body.to_string())
                .await;
            if reply.status == 422 {
                problem(&reply, 422, "invalid_request");
            } else {
                passed.push(format!(
                    "{} {} {body}: {}",
                    route.method, route.template, reply.status
                ));
            }
        }
    }
    assert_eq!(passed, Vec::<String>::new());
    assert_eq!(stage.stored(), before);
}

/// A route's right body with one field replaced, or removed, by a pointer.
fn with(body: &Value, pointer: &str, value: Option<Value>) -> Value {
    let mut body = body.clone();
    let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
    let parent = body.pointer_mut(parent).expect("a parent");
    match (value, parent) {
        (Some(value), Value::Array(items)) => {
            items[field.parse::<usize>().expect("an index")] = value
        }
        (Some(value), parent) => parent[field] = value,
        (None, parent) => {
            parent.as_object_mut().expect("an object").remove(field);
        }
    }
    body
}

#[tokio::test]
async fn a_field_that_is_missing_or_wrong_is_422_with_its_pointer() {
    let stage = Stage::new().await;
    let before = stage.stored();
    let all = routes();
    let find = |method: Method, template: &str| {
        all.iter()
            .find(|route| route.method == method && route.template == template)
            .expect("a route")
    };
    let long = "x".repeat(201);
    let control = "a\u{7}b";
    let mut cases: Vec<(&Route, Value, &str)> = Vec::new();

    let workspaces = find(Method::POST, "/v1/workspaces");
    for name in [
        None,
        Some(json!(null)),
        Some(json!(1)),
        Some(json!("")),
        Some(json!("  ")),
        Some(json!(long)),
        Some(json!(control)),
        Some(json!([])),
        Some(json!({})),
    ] {
        cases.push((
            workspaces,
            with(&json!({ "name": "x" }), "/name", name),
            "/name",
        ));
    }
    let keys = find(Method::POST, "/v1/workspaces/{id}/api-keys");
    let key = json!({ "name": "x", "scopes": ["messaging:messages:send"] });
    for (pointer, value) in [
        ("/name", None),
        ("/name", Some(json!(7))),
        ("/scopes", Some(json!("messaging:messages:send"))),
        ("/scopes", Some(json!({}))),
        ("/scopes/0", Some(json!("messaging:everything"))),
        ("/scopes/0", Some(json!(1))),
        (
            "/scopes/0",
            Some(json!({ "messaging:messages:send": null })),
        ),
        ("/environment", Some(json!("staging"))),
        ("/environment", Some(json!("Live"))),
        ("/environment", Some(json!({ "live": null }))),
        ("/expiresAt", Some(json!("2026-11-20T07:59:59Z"))),
        ("/expiresAt", Some(json!("2026-11-20T08:00:00Z"))),
        ("/expiresAt", Some(json!("tomorrow"))),
        ("/expiresAt", Some(json!(1_795_165_200))),
    ] {
        let own_keys = find(Method::POST, "/v1/api-keys");
        cases.push((own_keys, with(&key, pointer, value.clone()), pointer));
        cases.push((keys, with(&key, pointer, value), pointer));
    }
    let channels = find(Method::POST, "/v1/channels");
    for (pointer, value) in [
        ("/type", None),
        ("/type", Some(json!("fax"))),
        ("/type", Some(json!("WhatsApp"))),
        ("/type", Some(json!(1))),
        ("/type", Some(json!({ "whatsapp": null }))),
        ("/name", None),
        ("/name", Some(json!(""))),
        ("/identifier", Some(json!(7))),
        ("/identifier", Some(json!(""))),
        ("/identifier", Some(json!("not a number"))),
        ("/identifier", Some(json!("123"))),
        ("/credentials", None),
        ("/credentials", Some(json!("secret"))),
        ("/credentials", Some(json!([]))),
        ("/credentials/accessToken", None),
        ("/credentials/accessToken", Some(json!(""))),
        ("/credentials/accessToken", Some(json!("   "))),
        ("/credentials/accessToken", Some(json!(7))),
        ("/credentials/accessToken", Some(json!("two words"))),
        ("/credentials/accessToken", Some(json!("line\r\nx-evil: 1"))),
        ("/credentials/accessToken", Some(json!("caf\u{e9}"))),
        ("/credentials/appSecret", None),
        ("/credentials/verifyToken", Some(json!(""))),
        ("/credentials/phoneNumberId", Some(json!("12/../34"))),
        ("/credentials/wabaId", Some(json!("abc"))),
        ("/settings", Some(json!(7))),
        ("/settings", Some(json!([]))),
        ("/settings", Some(json!([true, "hold"]))),
    ] {
        cases.push((channels, with(&whatsapp_body(), pointer, value), pointer));
    }
    for (settings, pointer) in [
        (json!({ "enforceWindow": "no" }), "/settings/enforceWindow"),
        (
            json!({ "onUnknownOutcome": "panic" }),
            "/settings/onUnknownOutcome",
        ),
        (
            json!({ "messagesPerSecond": 0 }),
            "/settings/messagesPerSecond",
        ),
        (
            json!({ "messagesPerSecond": 0.5 }),
            "/settings/messagesPerSecond",
        ),
        (
            json!({ "messagesPerSecond": "5" }),
            "/settings/messagesPerSecond",
        ),
        (
            json!({ "messagesPerSecond": 1_001 }),
            "/settings/messagesPerSecond",
        ),
        (json!({ "login": "facebook" }), "/settings/login"),
    ] {
        cases.push((
            channels,
            with(&whatsapp_body(), "/settings", Some(settings.clone())),
            pointer,
        ));
        let patch = find(Method::PATCH, "/v1/channels/{id}");
        cases.push((patch, json!({ "settings": settings }), pointer));
    }
    let patch = find(Method::PATCH, "/v1/channels/{id}");
    for (body, pointer) in [
        (json!({ "name": "" }), "/name"),
        (json!({ "name": 1 }), "/name"),
        (json!({ "status": "needs_reauth" }), "/status"),
        (json!({ "status": "asleep" }), "/status"),
        (json!({ "status": 1 }), "/status"),
        (
            json!({ "credentials": { "phoneNumberId": "" } }),
            "/credentials/phoneNumberId",
        ),
        (json!({ "credentials": 1 }), "/credentials"),
    ] {
        cases.push((patch, body, pointer));
    }
    let conversations = find(Method::PATCH, "/v1/conversations/{id}");
    for (body, pointer) in [
        (json!({ "status": "done" }), "/status"),
        (json!({ "status": 1 }), "/status"),
        (json!({ "status": { "open": null } }), "/status"),
        (json!({ "mode": "robot" }), "/mode"),
        (json!({ "assignee": 7 }), "/assignee"),
        (json!({ "assignee": "" }), "/assignee"),
        (json!({ "assignee": control }), "/assignee"),
        (json!({ "assignee": long }), "/assignee"),
    ] {
        cases.push((conversations, body, pointer));
    }
    let messages = find(Method::POST, "/v1/messages");
    let message = messages.body.clone().expect("a body");
    for (pointer, value) in [
        ("/to", None),
        ("/to", Some(json!(null))),
        ("/to", Some(json!(5_511_999_999_999_i64))),
        ("/to", Some(json!(""))),
        ("/to", Some(json!(" "))),
        ("/to", Some(json!("7".repeat(300)))),
        ("/to", Some(json!("somebody"))),
        ("/to", Some(json!("12\u{0}34567"))),
        ("/to", Some(json!("+1 555"))),
        ("/from", None),
        ("/from", Some(json!(1))),
        ("/from", Some(json!(""))),
        ("/from", Some(json!("+19998887777"))),
        ("/content", None),
        ("/content", Some(json!(null))),
        ("/content", Some(json!("Hi"))),
        ("/content", Some(json!([]))),
        ("/content/type", None),
        ("/content/type", Some(json!(1))),
        ("/content/type", Some(json!("smell"))),
        ("/content/type", Some(json!("reply"))),
        ("/content/type", Some(json!("unsupported"))),
        ("/content/text", None),
        ("/content/text", Some(json!(1))),
        ("/content/text", Some(json!(""))),
        ("/content/text", Some(json!(" \n "))),
        ("/content/text", Some(json!("x".repeat(4_097)))),
        ("/content/previewUrl", Some(json!("yes"))),
        ("/replyTo", Some(json!("not-an-id"))),
        ("/replyTo", Some(json!(7))),
        (
            "/replyTo",
            Some(json!("0197a000-0000-7000-8000-000000000000")),
        ),
        ("/scheduledAt", Some(json!("2026-11-20T08:00:00Z"))),
        ("/scheduledAt", Some(json!("2027-12-20T08:00:00Z"))),
        ("/scheduledAt", Some(json!("soon"))),
        ("/expiresAt", Some(json!("2026-11-20T08:00:00Z"))),
        ("/expiresAt", Some(json!("later"))),
        ("/metadata", Some(json!("x"))),
        ("/metadata", Some(json!([1]))),
        ("/metadata", Some(json!({ "x": "y".repeat(17_000) }))),
        ("/actor", Some(json!("robot"))),
        ("/onUnsupported", Some(json!("explode"))),
        ("/onUnsupported", Some(json!(1))),
        ("/clientMessageId", Some(json!(7))),
        ("/clientMessageId", Some(json!(""))),
        ("/clientMessageId", Some(json!("x".repeat(256)))),
        ("/clientMessageId", Some(json!("a\nb"))),
    ] {
        cases.push((messages, with(&message, pointer, value), pointer));
    }
    let create = find(Method::POST, "/v1/templates");
    let made = new_template();
    let long_name = "x".repeat(513);
    for (pointer, value) in [
        ("/channelId", None),
        ("/channelId", Some(json!(null))),
        ("/channelId", Some(json!(1))),
        ("/channelId", Some(json!("+15550100001"))),
        ("/key", Some(json!(""))),
        ("/key", Some(json!(7))),
        ("/variables", Some(json!("name"))),
        ("/variables", Some(json!([]))),
        ("/variables", Some(json!(["a", "b"]))),
        ("/name", None),
        ("/name", Some(json!(null))),
        ("/name", Some(json!(""))),
        ("/name", Some(json!("Order"))),
        ("/name", Some(json!("order shipped"))),
        ("/name", Some(json!("order-shipped"))),
        ("/name", Some(json!("pedido_enviádo"))),
        ("/name", Some(json!(long_name))),
        ("/name", Some(json!(["order"]))),
        ("/language", None),
        ("/language", Some(json!(""))),
        ("/language", Some(json!("english"))),
        ("/language", Some(json!("en-US"))),
        ("/language", Some(json!("EN_us_"))),
        ("/language", Some(json!({ "code": "en_US" }))),
        ("/category", None),
        ("/category", Some(json!("SPAM"))),
        ("/category", Some(json!(1))),
        ("/components", None),
        ("/components", Some(json!(null))),
        ("/components", Some(json!([]))),
        ("/components", Some(json!({}))),
        (
            "/components",
            Some(json!([{ "type": "FOOTER", "text": "Bye" }])),
        ),
        ("/components/0", Some(json!("BODY"))),
        ("/components/0", Some(json!(null))),
        ("/components/0/type", None),
        ("/components/0/type", Some(json!({}))),
        ("/components/1/text", None),
        ("/components/1/text", Some(json!("  "))),
        ("/components/1/text", Some(json!(["Hi"]))),
    ] {
        cases.push((create, with(&made, pointer, value), pointer));
    }
    for names in [json!([1]), json!(["a b"])] {
        let body = with(&made, "/variables", Some(names));
        cases.push((create, body, "/variables/0"));
    }
    let template = find(Method::PATCH, "/v1/templates/{id}");
    for (body, pointer) in [
        (json!({ "key": 1 }), "/key"),
        (json!({ "key": " " }), "/key"),
        (json!({ "key": long }), "/key"),
        (json!({ "key": control }), "/key"),
        (json!({ "variables": "name" }), "/variables"),
        (json!({ "variables": [] }), "/variables"),
        (json!({ "variables": ["a", "b"] }), "/variables"),
        (json!({ "variables": [1] }), "/variables/0"),
        (json!({ "variables": [""] }), "/variables/0"),
        (json!({ "variables": ["a b"] }), "/variables/0"),
        (json!({ "variables": ["é"] }), "/variables/0"),
        (json!({ "variables": ["x".repeat(65)] }), "/variables/0"),
        (json!({ "variables": ["a", "a"] }), "/variables/1"),
    ] {
        cases.push((template, body, pointer));
    }
    let webhooks = find(Method::POST, "/v1/webhooks");
    let webhook = webhooks.body.clone().expect("a body");
    for (pointer, value) in [
        ("/url", None),
        ("/url", Some(json!(1))),
        ("/url", Some(json!(""))),
        ("/url", Some(json!("subscriber.example"))),
        ("/url", Some(json!("http://subscriber.example/"))),
        ("/url", Some(json!("https://localhost/"))),
        ("/url", Some(json!("https://10.0.0.1/"))),
        ("/url", Some(json!("https://u:p@subscriber.example/"))),
        (
            "/url",
            Some(json!(format!(
                "https://subscriber.example/{}",
                "x".repeat(2_100)
            ))),
        ),
        ("/events", None),
        ("/events", Some(json!("*"))),
        ("/events", Some(json!([]))),
        ("/events", Some(json!(vec!["*"; 51]))),
        ("/events/0", Some(json!("message.sneezed"))),
        ("/events/0", Some(json!("webhook.deleted"))),
        ("/events/0", Some(json!(1))),
        ("/channelId", Some(json!("not-an-id"))),
        ("/style", Some(json!("Visito"))),
        ("/style", Some(json!("baroque"))),
        ("/headers", Some(json!([]))),
        ("/headers", Some(json!("x: y"))),
    ] {
        cases.push((webhooks, with(&webhook, pointer, value), pointer));
    }
    for (headers, pointer) in [
        (json!({ "x-a": 1 }), "/headers/x-a"),
        (json!({ "bad name": "x" }), "/headers/bad name"),
        (json!({ "host": "x" }), "/headers/host"),
        (
            json!({ "Webhook-Signature": "x" }),
            "/headers/Webhook-Signature",
        ),
        (json!({ "x-a": "a\r\nb: c" }), "/headers/x-a"),
        (json!({ "a/b": "x" }), "/headers/a~1b"),
    ] {
        cases.push((webhooks, with(&webhook, "/headers", Some(headers)), pointer));
    }
    let resend = find(Method::POST, "/v1/webhooks/{id}/deliveries/resend");
    let recover = find(Method::POST, "/v1/webhooks/{id}/recover");
    let endpoint = find(Method::PATCH, "/v1/webhooks/{id}");
    for (route, body, pointer) in [
        (resend, json!({}), "/ids"),
        (resend, json!({ "ids": [] }), "/ids"),
        (resend, json!({ "ids": ["x"] }), "/ids/0"),
        (recover, json!({}), "/since"),
        (recover, json!({ "since": 1 }), "/since"),
        (endpoint, json!({ "status": "disabled" }), "/status"),
        (endpoint, json!({ "events": [] }), "/events"),
        (endpoint, json!({ "style": 1 }), "/style"),
        (endpoint, json!({ "url": "https://localhost/" }), "/url"),
        (
            endpoint,
            json!({ "headers": { "date": "x" } }),
            "/headers/date",
        ),
    ] {
        cases.push((route, body, pointer));
    }

    let mut wrong = Vec::new();
    for (route, body, pointer) in cases {
        let reply = stage.ask(route, &stage.path(route), body.to_string()).await;
        let pointers: Vec<&str> = reply.body["errors"]
            .as_array()
            .map(|errors| {
                errors
                    .iter()
                    .filter_map(|error| error["pointer"].as_str())
                    .collect()
            })
            .unwrap_or_default();
        if reply.status != 422 || !pointers.contains(&pointer) {
            let shown: String = body.to_string().chars().take(160).collect();
            wrong.push(format!(
                "{} {} {shown}: wanted 422 {pointer}, got {} {pointers:?}",
                route.method, route.template, reply.status
            ));
            continue;
        }
        problem(&reply, 422, "invalid_request");
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(stage.stored(), before);
}

#[tokio::test]
async fn several_wrong_fields_are_told_together_where_they_are_checked_together() {
    let stage = Stage::new().await;
    let body = with(
        &whatsapp_body(),
        "/credentials",
        Some(json!({ "accessToken": "x" })),
    );
    let reply = stage.world.post("/v1/channels", body).await;
    let pointers = problem(&reply, 422, "invalid_request");
    assert_eq!(
        pointers,
        [
            "/credentials/phoneNumberId",
            "/credentials/wabaId",
            "/credentials/appSecret",
            "/credentials/verifyToken"
        ]
    );
    let body = json!({ "channelId": stage.channel, "category": "SPAM" });
    let reply = stage.world.post("/v1/templates", body).await;
    let pointers = problem(&reply, 422, "invalid_request");
    assert_eq!(pointers, ["/name", "/language", "/category", "/components"]);
}

#[tokio::test]
async fn unknown_fields_are_ignored_everywhere() {
    for route in routes().into_iter().filter(has_body) {
        let stage = Stage::new().await;
        let mut body = route.body.clone().expect("a body");
        body["somethingOfTheFuture"] = json!({ "deep": [1, null] });
        let reply = stage
            .ask(&route, &stage.path(&route), body.to_string())
            .await;
        assert!(
            (200..300).contains(&reply.status),
            "{}: {}",
            route.template,
            reply.body
        );
    }
}

#[tokio::test]
async fn an_id_that_names_nothing_is_404_whatever_it_looks_like() {
    let stage = Stage::new().await;
    let before = stage.stored();
    let ids = [
        "0197a000-0000-7000-8000-000000000000",
        "00000000-0000-0000-0000-000000000000",
        "x",
        "1",
        "-1",
        "null",
        "%00",
        "%2e%2e",
        "'%20OR%201=1--",
        "0197a000000070008000000000000000",
        "%7B0197a000-0000-7000-8000-000000000000%7D",
    ];
    for route in routes().iter().filter(|route| route.id.is_some()) {
        for id in ids {
            let path = stage.filled(route.template, id);
            let body = route.body.clone().unwrap_or_default().to_string();
            let reply = stage.ask(route, &path, body).await;
            problem(&reply, 404, "not_found");
        }
        // An id of another kind of thing.
        for other in [
            "workspace",
            "channel",
            "conversation",
            "message",
            "template",
            "webhook",
        ] {
            if !route.id.is_some_and(|kind| kind.ends_with(other)) {
                let path = stage.filled(route.template, stage.id(other));
                let body = route.body.clone().unwrap_or_default().to_string();
                let reply = stage.ask(route, &path, body).await;
                problem(&reply, 404, "not_found");
            }
        }
    }
    assert_eq!(stage.stored(), before);
}

#[tokio::test]
async fn an_id_is_only_an_id_in_the_spelling_we_write() {
    let stage = Stage::new().await;
    for route in routes()
        .iter()
        .filter(|route| route.id.is_some() && route.method == Method::GET)
    {
        let path = stage.path(route);
        let upper = path.rsplit_once("/v1/").map(|_| {
            let id = stage.id(route.id.unwrap_or_default());
            path.replace(id, &id.to_uppercase())
        });
        let reply = stage.ask(route, &upper.expect("a path"), "").await;
        assert!([200, 404].contains(&reply.status), "{}", reply.body);
        if reply.status == 200 && reply.body.get("id").is_some() {
            assert_eq!(reply.body["id"], stage.id(route.id.unwrap_or_default()));
        }
    }
}

#[tokio::test]
async fn what_belongs_to_another_tenant_is_404_like_what_is_not_there() {
    let stage = Stage::new().await;
    let (_, foreign) = stage.world.new_workspace("Mallory").await;
    let foreign = format!("Bearer {foreign}");
    let before = stage.stored();
    for route in routes()
        .iter()
        .filter(|route| route.id.is_some() && route.who == Who::Key)
    {
        let body = route.body.clone().unwrap_or_default().to_string();
        let headers = [("authorization", foreign.as_str())];
        let path = stage.path(route);
        let theirs = stage
            .world
            .bare(route.method.clone(), &path, &headers, body.clone())
            .await;
        problem(&theirs, 404, "not_found");
        let nothing = stage.filled(route.template, "0197a000-0000-7000-8000-000000000000");
        let absent = stage
            .world
            .bare(route.method.clone(), &nothing, &headers, body)
            .await;
        assert_eq!(
            theirs.body["detail"], absent.body["detail"],
            "{}",
            route.template
        );
    }
    assert_eq!(stage.stored(), before);
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_and_one_at_the_limit_is_read() {
    let stage = Stage::new().await;
    let before = stage.stored();
    let mib = 1024 * 1024;
    let sized = |bytes: usize| {
        let empty = r#"{"padding":""}"#.len();
        format!(r#"{{"padding":"{}"}}"#, "x".repeat(bytes - empty))
    };
    for route in routes().into_iter().filter(has_body) {
        let path = stage.path(&route);
        let reply = stage.ask(&route, &path, sized(mib + 1)).await;
        problem(&reply, 413, "too_large");
        let reply = stage.ask(&route, &path, sized(mib)).await;
        assert_ne!(reply.status, 413);
    }
    let path = format!("/inbound/{}", stage.channel);
    let reply = stage
        .world
        .bare(Method::POST, &path, &[], sized(4 * mib + 1))
        .await;
    problem(&reply, 413, "too_large");
    let reply = stage
        .world
        .bare(Method::POST, &path, &[], sized(4 * mib))
        .await;
    assert_eq!(reply.status, 401);
    assert_eq!(without_versions(&stage.stored()), without_versions(&before));
}

/// A dump without the channels, whose version grows with every PATCH.
fn without_versions(dump: &str) -> String {
    dump.lines()
        .filter(|line| !line.starts_with("channel "))
        .collect()
}

#[tokio::test]
async fn a_limit_a_cursor_or_a_filter_that_cannot_be_is_422_with_its_name() {
    let stage = Stage::new().await;
    let lists = [
        "/v1/workspaces",
        "/v1/channels",
        "/v1/messages",
        "/v1/contacts",
        "/v1/conversations",
        "/v1/templates",
        "/v1/webhooks",
        "/v1/conversations/{id}/messages",
    ];
    let conversation = stage.conversation.clone();
    let ask = async |list: &str, query: &str| {
        let token = if list == "/v1/workspaces" {
            ADMIN_TOKEN
        } else {
            &stage.world.key
        };
        let token = format!("Bearer {token}");
        let path = format!("{}?{query}", list.replace("{id}", &conversation));
        stage
            .world
            .bare(Method::GET, &path, &[("authorization", &token)], "")
            .await
    };
    for list in lists {
        for limit in [
            "0",
            "101",
            "-1",
            "",
            "ten",
            "1.5",
            "1e1",
            "99999999999999999999",
            "%00",
        ] {
            let reply = ask(list, &format!("limit={limit}")).await;
            assert_eq!(
                problem(&reply, 422, "invalid_request"),
                ["/limit"],
                "{list} {limit}"
            );
        }
        for cursor in [
            "!",
            "nonsense",
            "AAAA",
            "bm9wZQ",
            "MTIzNA==",
            "LCws",
            "%FF",
            "LQ",
            "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OQ",
        ] {
            let reply = ask(list, &format!("cursor={cursor}")).await;
            assert_eq!(
                problem(&reply, 422, "invalid_request"),
                ["/cursor"],
                "{list} {cursor}"
            );
        }
        ask(list, "limit=1").await.expect(200);
        ask(list, "limit=100&unknown=1").await.expect(200);
    }
    for (list, query, pointer) in [
        ("/v1/channels", "type=fax", "/type"),
        ("/v1/channels", "type=", "/type"),
        ("/v1/messages", "status=sneezed", "/status"),
        ("/v1/messages", "status=", "/status"),
        ("/v1/messages", "channelId=x", "/channelId"),
        ("/v1/messages", "conversationId=x", "/conversationId"),
        ("/v1/messages", "since=yesterday", "/since"),
        ("/v1/messages", "since=2026-11-20", "/since"),
        ("/v1/conversations", "status=sneezed", "/status"),
        ("/v1/conversations", "status=Open", "/status"),
        ("/v1/conversations", "mode=robot", "/mode"),
        ("/v1/conversations", "channelId=x", "/channelId"),
        ("/v1/templates", "channelId=x", "/channelId"),
        (
            "/v1/conversations/{id}/messages",
            "status=sneezed",
            "/status",
        ),
        ("/v1/conversations/{id}/messages", "since=never", "/since"),
    ] {
        let reply = ask(list, query).await;
        assert_eq!(
            problem(&reply, 422, "invalid_request"),
            [pointer],
            "{list} {query}"
        );
    }
}

#[tokio::test]
async fn a_cursor_of_one_list_is_refused_by_the_others() {
    let stage = Stage::new().await;
    let world = &stage.world;
    world
        .customer_writes(&stage.channel, "5511888888888", "wamid.2", "Hi")
        .await;
    let cursor = |list: Value| list["nextCursor"].as_str().expect("a cursor").to_owned();
    let of_conversations = cursor(world.get("/v1/conversations?limit=1").await);
    let of_messages = cursor(world.get("/v1/messages?limit=1").await);
    let refused = async |path: &str, cursor: &str| {
        let path = format!("{path}?cursor={cursor}");
        let reply = world.call(Method::GET, &path, Value::Null).await;
        assert_eq!(problem(&reply, 422, "invalid_request"), ["/cursor"]);
    };
    refused("/v1/messages", &of_conversations).await;
    refused("/v1/channels", &of_conversations).await;
    refused("/v1/conversations", &of_messages).await;
    let path = format!("/v1/conversations/{}/messages", stage.conversation);
    refused(&path, &of_messages).await;
    refused(&path, &of_conversations).await;
}

#[tokio::test]
async fn unknown_paths_are_404_with_or_without_a_key() {
    let stage = Stage::new().await;
    for path in [
        "/",
        "//",
        "/v1",
        "/v1/",
        "/v1/nothing",
        "/v1/channels/",
        "/v1/messages/x/y",
        "/V1/channels",
        "/v1//channels",
        "/inbound",
        "/inbound/",
        "/inbound/x/y",
        "/healthz/",
        "/v1/channels%2fx",
        "/.env",
        "/%00",
        "/caf%C3%A9",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let reply = stage.world.bare(method.clone(), path, &[], "").await;
            problem(&reply, 404, "not_found");
            let reply = stage.world.with_body(method, path, "").await;
            problem(&reply, 404, "not_found");
        }
    }
}

#[tokio::test]
async fn a_method_that_a_path_does_not_know_is_405_with_those_it_does() {
    let stage = Stage::new().await;
    let all = routes();
    let mut paths: Vec<&str> = all.iter().map(|route| route.template).collect();
    paths.dedup();
    for template in paths {
        let known: Vec<&Method> = all
            .iter()
            .filter(|route| route.template == template)
            .map(|route| &route.method)
            .collect();
        let path = stage.filled(template, &stage.channel);
        for method in [
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
            Method::TRACE,
        ] {
            if known.contains(&&method) {
                continue;
            }
            let reply = stage.world.bare(method.clone(), &path, &[], "").await;
            problem(&reply, 405, "method_not_allowed");
            let allowed: Vec<String> = reply
                .header("allow")
                .expect("the methods")
                .split(", ")
                .filter(|method| *method != "HEAD")
                .map(str::to_owned)
                .collect();
            let mut known: Vec<String> = known.iter().map(ToString::to_string).collect();
            let mut allowed = allowed;
            known.sort();
            allowed.sort();
            assert_eq!(allowed, known, "{template}");
        }
    }
    for (path, allow) in [("/healthz", "GET, HEAD"), ("/inbound/x", "GET, POST, HEAD")] {
        let reply = stage.world.bare(Method::DELETE, path, &[], "").await;
        problem(&reply, 405, "method_not_allowed");
        assert_eq!(reply.header("allow"), Some(allow));
    }
}

#[tokio::test]
async fn head_answers_as_get_without_a_body() {
    let stage = Stage::new().await;
    for route in routes().iter().filter(|route| route.method == Method::GET) {
        let path = stage.path(route);
        let token = stage.token(route);
        let headers = [("authorization", token.as_str())];
        let reply = stage.world.bare(Method::HEAD, &path, &headers, "").await;
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(reply.body, "");
        let reply = stage.world.bare(Method::HEAD, &path, &[], "").await;
        assert_eq!((reply.status, reply.body), (401, json!("")));
    }
    let reply = stage
        .world
        .bare(Method::HEAD, "/v1/conversations/x/read", &[], "")
        .await;
    assert_eq!((reply.status, reply.body), (405, json!("")));
}

#[tokio::test]
async fn an_idempotency_key_that_cannot_be_is_422_and_nothing_is_sent() {
    let stage = Stage::new().await;
    let before = stage.stored();
    let body = json!({ "from": stage.channel, "to": CUSTOMER, "content": { "type": "text", "text": "Hi" } });
    let long = "k".repeat(256);
    for key in ["", "\"\"", "\"open", "caf\u{e9}", "\"a\\n\"", &long] {
        let headers = [("idempotency-key", key)];
        let reply = stage
            .world
            .call_with(Method::POST, "/v1/messages", &headers, body.clone())
            .await;
        assert_eq!(
            problem(&reply, 422, "invalid_request"),
            ["/headers/idempotency-key"],
            "{key}"
        );
    }
    assert_eq!(stage.stored(), before);
}

#[tokio::test]
async fn a_key_without_the_scope_is_403_before_the_body_is_looked_at() {
    let stage = Stage::new().await;
    let path = format!("/v1/workspaces/{}/api-keys", stage.world.workspace);
    let body = json!({ "name": "audit", "scopes": ["messaging:audit:read"] });
    let issued = stage
        .world
        .admin(Method::POST, &path, body)
        .await
        .expect(201);
    let key = format!("Bearer {}", issued["key"].as_str().expect("a key"));
    let before = stage.stored();
    for route in routes()
        .iter()
        .filter(|route| route.who == Who::Key && route.template != "/v1/workspace")
    {
        let path = stage.path(route);
        for body in [route.body.clone().unwrap_or_default(), json!([]), json!({})] {
            let headers = [("authorization", key.as_str())];
            let reply = stage
                .world
                .bare(route.method.clone(), &path, &headers, body.to_string())
                .await;
            problem(&reply, 403, "missing_scope");
        }
    }
    let headers = [("authorization", key.as_str())];
    stage
        .world
        .bare(Method::GET, "/v1/workspace", &headers, "")
        .await
        .expect(200);
    assert_eq!(stage.stored(), before);
}

#[tokio::test]
async fn an_expired_key_says_so() {
    let mut stage = Stage::new().await;
    let path = format!("/v1/workspaces/{}/api-keys", stage.world.workspace);
    let body = json!({ "name": "short", "expiresAt": "2026-11-20T08:00:10Z" });
    let issued = stage
        .world
        .admin(Method::POST, &path, body)
        .await
        .expect(201);
    let key = format!("Bearer {}", issued["key"].as_str().expect("a key"));
    let headers = [("authorization", key.as_str())];
    stage
        .world
        .bare(Method::GET, "/v1/workspace", &headers, "")
        .await
        .expect(200);
    stage.world.advance(10_000);
    for _ in 0..2 {
        for route in routes().iter().filter(|route| route.who == Who::Key) {
            let body = route.body.clone().unwrap_or_default().to_string();
            let path = stage.path(route);
            let reply = stage
                .world
                .bare(route.method.clone(), &path, &headers, body)
                .await;
            problem(&reply, 401, "expired_api_key");
        }
        stage.world.forget();
    }
}

#[tokio::test]
async fn healthz_says_ok_and_a_database_that_is_silent_or_behind_says_what_is_missing() {
    let stage = Stage::new().await;
    let healthy = stage
        .world
        .bare(Method::GET, "/healthz", &[], "")
        .await
        .expect(200);
    assert_eq!(healthy["status"], "ok");
    assert!(healthy["version"].is_string());
    stage.world.database().query("DELETE FROM schema_version");
    let behind = stage
        .world
        .bare(Method::GET, "/healthz", &[], "")
        .await
        .expect(503);
    assert!(
        behind["problems"][0]
            .as_str()
            .is_some_and(|problem| problem.contains("migrations"))
    );
    let twice = [crate::support::Fault::Before, crate::support::Fault::Before];
    stage.world.database().faults.borrow_mut().extend(twice);
    stage
        .world
        .bare(Method::GET, "/healthz", &[], "")
        .await
        .expect(503);
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_503_with_retry_after_on_every_route() {
    let stage = Stage::new().await;
    for route in routes() {
        let body = route.body.clone().unwrap_or_default().to_string();
        let faults = vec![crate::support::Fault::Before; 12];
        stage.world.database().faults.borrow_mut().extend(faults);
        let reply = stage.ask(&route, &stage.path(&route), body).await;
        problem(&reply, 503, "unavailable");
        assert!(reply.header("retry-after").is_some());
        stage.world.database().faults.borrow_mut().clear();
    }
}

// Whatever comes

/// Names that mean something somewhere, so that random bodies get far.
const WORDS: [&str; 40] = [
    "name",
    "type",
    "identifier",
    "credentials",
    "settings",
    "status",
    "mode",
    "assignee",
    "from",
    "to",
    "content",
    "text",
    "previewUrl",
    "replyTo",
    "metadata",
    "expiresAt",
    "scheduledAt",
    "actor",
    "onUnsupported",
    "clientMessageId",
    "url",
    "events",
    "channelId",
    "style",
    "headers",
    "scopes",
    "environment",
    "enforceWindow",
    "onUnknownOutcome",
    "phoneNumberId",
    "accessToken",
    "botToken",
    "secretToken",
    "appSecret",
    "verifyToken",
    "wabaId",
    "entry",
    "changes",
    "messages",
    "value",
];
const TEXTS: [&str; 16] = [
    "",
    "text",
    "whatsapp",
    "telegram",
    "*",
    "message.*",
    "open",
    "closed",
    "human",
    "5511999999999",
    "+15550100001",
    "https://subscriber.example/x",
    "2026-11-21T08:00:00Z",
    "hold",
    "123:abc",
    "\u{0}",
];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(WORDS.to_vec()).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(TEXTS.to_vec()).prop_map(Value::from),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 40, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((word(), inner), 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 40,
        max_shrink_iters: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn random_bodies_never_break_a_route(bodies in prop::collection::vec(any_json(), 4), bytes in any::<Vec<u8>>()) {
        run(async {
            let stage = Stage::new().await;
            // Before one of the bodies is new credentials for the channel.
            for body in &bodies {
                let reply = stage.world.from_meta(&stage.channel, body).await;
                assert_eq!(reply.status, 200, "{body}");
            }
            for route in routes() {
                if route.method == Method::DELETE {
                    continue;
                }
                for body in &bodies {
                    let reply = stage.ask(&route, &stage.path(&route), body.to_string()).await;
                    assert!(reply.status < 500, "{} {body}: {}", route.template, reply.body);
                }
                let reply = stage.ask(&route, &stage.path(&route), bytes.clone()).await;
                assert!(reply.status < 500, "{}", reply.body);
            }
        });
    }

    #[test]
    fn a_right_body_with_one_random_field_never_breaks_a_route(field in word(), value in any_json(), inside in word()) {
        run(async {
            let stage = Stage::new().await;
            for route in routes().into_iter().filter(has_body) {
                let mut body = route.body.clone().expect("a body");
                body[&field] = value.clone();
                let reply = stage.ask(&route, &stage.path(&route), body.to_string()).await;
                assert!(reply.status < 500, "{} {body}: {}", route.template, reply.body);
                for object in ["content", "credentials", "settings"] {
                    let mut body = route.body.clone().expect("a body");
                    if body.get(object).is_some_and(Value::is_object) {
                        body[object][&inside] = value.clone();
                        let reply = stage.ask(&route, &stage.path(&route), body.to_string()).await;
                        assert!(reply.status < 500, "{} {body}: {}", route.template, reply.body);
                    }
                }
            }
        });
    }

    #[test]
    fn random_paths_and_queries_never_break_anything(path in "[!-~]{0,60}", id in "[!-~]{0,50}", query in "[!-~]{0,60}", method in 0..8_usize) {
        let methods = [Method::GET, Method::POST, Method::PATCH, Method::DELETE, Method::HEAD, Method::PUT, Method::OPTIONS, Method::TRACE];
        run(async {
            let stage = Stage::new().await;
            let mut paths = vec![format!("/{path}"), format!("/inbound/{id}?{query}")];
            for route in routes() {
                paths.push(format!("{}?{query}", stage.filled(route.template, &id)));
                for name in ["limit", "cursor", "status", "channelId", "since", "assigned", "type"] {
                    paths.push(format!("{}?{name}={query}", stage.path(&route)));
                }
            }
            for path in paths {
                if format!("https://patchbay.test{path}").parse::<http::Uri>().is_err() {
                    continue;
                }
                let method = methods[method].clone();
                let reply = stage.world.with_body(method, &path, "{}").await;
                assert!(reply.status < 500, "{path}: {}", reply.body);
            }
        });
    }

    #[test]
    fn random_headers_never_break_anything(token in any::<Vec<u8>>(), key in any::<Vec<u8>>()) {
        run(async {
            let stage = Stage::new().await;
            let body = json!({ "from": stage.channel, "to": CUSTOMER, "content": { "type": "text", "text": "Hi" } });
            let own = format!("Bearer {}", stage.world.key).into_bytes();
            for (authorization, idempotency) in [(&token, &key), (&own, &key)] {
                let (Ok(authorization), Ok(idempotency)) =
                    (http::HeaderValue::from_bytes(authorization), http::HeaderValue::from_bytes(idempotency))
                else {
                    continue;
                };
                let request = http::Request::post("https://patchbay.test/v1/messages")
                    .header("authorization", authorization)
                    .header("idempotency-key", idempotency)
                    .body(Bytes::from(body.to_string()))
                    .expect("a request");
                let reply = stage.world.send_raw(request).await;
                assert!(reply.status < 500, "{}", reply.body);
            }
        });
    }
}

#[test]
fn a_deployment_that_is_not_configured_says_so_in_each_surfaces_shape() {
    for (path, code) in [
        ("/v1/channels", "code"),
        ("/channels", "error"),
        ("/m2m/v1/messages", "error"),
        ("/v1/communication/sms/message", "errorCode"),
        ("/v1/messages/whatsapp/sendtext", "code"),
        ("/v1/messaging/conversations", "error"),
    ] {
        let request = Request::get(format!("https://patchbay.test{path}"))
            .body(Bytes::new())
            .expect("a request");
        let now = Timestamp::from_ms(START_MS);
        let response = api::misconfigured(&["x".to_owned()], &request, now, [7; 10]);
        let body: Value = serde_json::from_slice(response.body()).expect("JSON");
        assert_eq!(response.status(), 503, "{path}");
        assert!(response.headers().contains_key("retry-after"), "{path}");
        assert_eq!(body[code], "unavailable", "{path} {body}");
        let is_native = path == "/v1/channels";
        assert_eq!(body.get("detail").is_some(), is_native, "{path} {body}");
        let request_id = response.headers().get("x-request-id");
        assert_eq!(
            body["requestId"].as_str().map(str::as_bytes),
            request_id.map(|id| id.as_bytes()),
            "{path}"
        );
    }
}
