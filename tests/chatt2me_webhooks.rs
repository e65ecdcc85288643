//! Chatt2.me's webhooks: the resource, its validation, and its logs.

use crate::support::world::{CUSTOMER, whatsapp_status};
use crate::support::{Answer, World};
use http::Method;
use patchbay::model::time::Timestamp;
use patchbay::webhook;
use serde_json::{Value, json};

const BASE: &str = "/v1/organization/webhook";
const HOST: &str = "subscriber.example";
const HOOK: &str = "https://subscriber.example/hook";

fn wanted(kind: &str) -> Value {
    json!({ "endpoint": HOOK, "eventType": kind, "authenticationProtocol": "NoAuthentication" })
}

fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

async fn made(world: &World, body: Value) -> Value {
    world.post(BASE, body).await.expect(201)
}

fn path(made: &Value) -> String {
    format!("{BASE}/{}", made["id"].as_str().expect("an id"))
}

async fn patch(world: &World, path: &str, body: Value) -> Value {
    world.call(Method::PATCH, path, body).await.expect(200)
}

/// What was posted as an event, and not to validate.
fn events(world: &World) -> Vec<Value> {
    let posts = world.posts_to(HOST);
    let events = posts
        .iter()
        .filter(|post| post.headers().contains_key("webhook-id"));
    events
        .map(|post| serde_json::from_slice(post.body()).expect("JSON"))
        .collect()
}

#[tokio::test]
async fn a_webhook_is_made_shown_listed_changed_and_deleted() {
    let world = World::new().await;
    let body = with(
        wanted("Message"),
        "headers",
        json!([{ "key": "X-Shop", "value": "42" }]),
    );
    let made = made(&world, with(body, "scope", json!("orders"))).await;
    let shown = json!({
        "id": made["id"], "applicationId": world.workspace, "active": true, "label": null,
        "eventType": "Message", "endpoint": HOOK, "numberOfErrors": 0,
        "authenticationProtocol": "NoAuthentication", "scope": "orders", "requiresSignature": false,
        "isVerified": false, "verifiedAt": null, "createdDate": "2026-11-20T08:00:00.000Z",
        "lastModifiedDate": "2026-11-20T08:00:00.000Z",
    });
    assert_eq!(made, shown);
    let path = path(&made);
    assert_eq!(world.get(&path).await, shown);
    let listed = world.get(BASE).await;
    assert_eq!(listed["data"], json!([shown]));
    assert_eq!(
        listed["pagination"],
        json!({ "offset": 0, "limit": 20, "total": 1, "totalPages": 1 })
    );
    world.advance(1_000);
    let changed = patch(
        &world,
        &path,
        json!({ "eventType": "MessageStatus", "label": "Mine" }),
    )
    .await;
    assert_eq!(
        (&changed["eventType"], &changed["label"]),
        (&json!("MessageStatus"), &json!("Mine"))
    );
    assert_eq!(changed["endpoint"], HOOK);
    assert_eq!(changed["lastModifiedDate"], "2026-11-20T08:00:01.000Z");
    let paused = patch(&world, &path, json!({ "active": false })).await;
    assert_eq!(paused["active"], false);
    assert_eq!(
        patch(&world, &path, json!({ "active": true })).await["active"],
        true
    );
    world
        .call(Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
    world
        .call(Method::GET, &path, Value::Null)
        .await
        .expect(404);
    assert_eq!(world.get(BASE).await["pagination"]["total"], 0);
}

#[tokio::test]
async fn lists_go_by_offset_and_limit() {
    let world = World::new().await;
    for _ in 0..7 {
        made(&world, wanted("Message")).await;
        world.advance(1);
    }
    let page = world.get(&format!("{BASE}?offset=5&limit=3")).await;
    assert_eq!(page["data"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        page["pagination"],
        json!({ "offset": 5, "limit": 3, "total": 7, "totalPages": 3 })
    );
    for query in ["limit=51", "limit=0", "limit=x", "offset=-1"] {
        let path = format!("{BASE}?{query}");
        world
            .call(Method::GET, &path, Value::Null)
            .await
            .expect(400);
    }
}

#[tokio::test]
async fn what_is_wrong_is_a_bad_request_in_this_products_shape() {
    let world = World::new().await;
    let mut cases = vec![
        (
            with(
                wanted("Message"),
                "endpoint",
                json!("http://subscriber.example/"),
            ),
            "/endpoint",
        ),
        (
            with(wanted("Message"), "endpoint", json!("https://10.0.0.1/")),
            "/endpoint",
        ),
        (wanted("Messages"), "/eventType"),
        (
            with(
                wanted("Message"),
                "headers",
                json!([{ "key": "Host", "value": "x" }]),
            ),
            "/headers",
        ),
        (
            with(
                wanted("Message"),
                "headers",
                json!([{ "key": "X", "value": "a\r\nb" }]),
            ),
            "/headers",
        ),
        (
            with(wanted("Message"), "headers", json!([{ "key": "X" }])),
            "/headers/0/value",
        ),
    ];
    for field in ["endpoint", "eventType", "authenticationProtocol"] {
        cases.push((with(wanted("Message"), field, Value::Null), field));
    }
    for other in [
        "Oauth20",
        "PasswordAuthentication",
        "AWSSignatureV4",
        "JWT",
        "JWTExchange",
        "None",
    ] {
        let body = with(wanted("Message"), "authenticationProtocol", json!(other));
        cases.push((body, "/authenticationProtocol"));
    }
    for (body, pointer) in cases {
        let refused = world.post(BASE, body.clone()).await.expect(400);
        assert_eq!(refused["status"], "error", "{body}");
        assert_eq!(refused["errorCode"], "invalid_request");
        let told = refused["errors"][0]["pointer"].as_str().expect("a pointer");
        assert_eq!(
            told.trim_start_matches('/'),
            pointer.trim_start_matches('/'),
            "{body}"
        );
    }
    assert_eq!(world.database().count("SELECT COUNT(*) FROM endpoint"), 0);
}

#[tokio::test]
async fn each_event_type_hears_its_own() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let of_messages = made(&world, wanted("Message")).await;
    let of_statuses = made(&world, wanted("MessageStatus")).await;
    world
        .customer_writes(&channel, CUSTOMER, "wamid.in", "Hi")
        .await;
    let body =
        json!({ "from": channel, "to": CUSTOMER, "content": { "type": "text", "text": "Yes" } });
    world.post("/v1/messages", body).await.expect(202);
    world.drain().await;
    let at = world.ports().now_ms.get() / 1_000;
    let sent = world.get("/v1/messages?status=sent").await;
    let sent = sent["data"][0]["providerMessageId"]
        .as_str()
        .expect("an id");
    let report = whatsapp_status(sent, "read", at);
    world.from_meta(&channel, &report).await.expect(200);
    world.drain().await;
    let heard: Vec<Value> = events(&world)
        .iter()
        .map(|body| json!([body["eventType"], body["status"]]))
        .collect();
    assert_eq!(
        json!(heard),
        json!([
            ["Message", null],
            ["MessageStatus", "sent"],
            ["MessageStatus", "read"]
        ])
    );
    for (of, count) in [(of_messages, 1), (of_statuses, 2)] {
        let logs = world.get(&format!("{}/webhook-log", path(&of))).await;
        assert_eq!(logs["pagination"]["total"], count);
        assert!(logs["data"][0]["messageId"].is_string());
    }
}

#[tokio::test]
async fn an_endpoint_that_gives_its_token_back_is_verified() {
    let token = |world: &World| {
        let posts = world.posts_to(HOST);
        let last = posts.last().expect("a post");
        let token = last.headers().get("x-validation-token").expect("a token");
        token.to_str().expect("text").to_owned()
    };
    // Ids and tokens of one world are those of the next: what it will send is known.
    let world = World::new().await;
    let made_of = made(&world, wanted("Message")).await;
    assert_eq!(made_of["isVerified"], false, "it answered something else");
    let known = token(&world);
    let world = World::new().await;
    world
        .ports()
        .answers
        .borrow_mut()
        .push_back(Answer::Http(200, json!(known)));
    let made_of = made(&world, wanted("Message")).await;
    assert_eq!(token(&world), known);
    assert_eq!(made_of["isVerified"], true);
    assert_eq!(made_of["verifiedAt"], "2026-11-20T08:00:00.000Z");
    let path = path(&made_of);
    let posts = world.posts_to(HOST).len();
    patch(&world, &path, json!({ "label": "x", "endpoint": HOOK })).await;
    assert_eq!(
        world.posts_to(HOST).len(),
        posts,
        "the same URL is not asked again"
    );
    let moved = json!({ "endpoint": "https://subscriber.example/other" });
    world
        .ports()
        .answers
        .borrow_mut()
        .push_back(Answer::NoAnswer);
    let moved = patch(&world, &path, moved).await;
    assert_eq!(world.posts_to(HOST).len(), posts + 1);
    assert_eq!(
        (&moved["isVerified"], &moved["verifiedAt"]),
        (&json!(false), &Value::Null)
    );
    for answer in [
        Answer::Http(201, json!(known)),
        Answer::Http(200, json!({ "token": known })),
    ] {
        let world = World::new().await;
        world.ports().answers.borrow_mut().push_back(answer);
        assert_eq!(made(&world, wanted("Message")).await["isVerified"], false);
    }
}

#[tokio::test]
async fn whoever_wants_a_signature_is_given_the_secret_once() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let unsigned = made(&world, wanted("Message")).await;
    assert_eq!(unsigned.get("secret"), None);
    let path = path(&unsigned);
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    world.drain().await;
    let signature = |world: &World| {
        let posts = world.posts_to(HOST);
        let last = posts.last().expect("a post").clone();
        let signature = last.headers().get("x-hub-signature").cloned();
        (
            last,
            signature.map(|it| it.to_str().expect("text").to_owned()),
        )
    };
    assert_eq!(signature(&world).1, None);
    let signed = patch(&world, &path, json!({ "requiresSignature": true })).await;
    assert_eq!(signed["requiresSignature"], true);
    let secret = signed["secret"].as_str().expect("a secret").to_owned();
    let again = patch(&world, &path, json!({ "requiresSignature": true })).await;
    assert_eq!(again.get("secret"), None);
    assert_eq!(world.get(&path).await.get("secret"), None);
    world
        .customer_writes(&channel, CUSTOMER, "wamid.2", "Hi")
        .await;
    world.drain().await;
    let (post, signature) = signature(&world);
    let at = Timestamp::from_ms(world.ports().now_ms.get());
    let stamp = webhook::stamp(&[&secret], at, post.body()).expect("a stamp");
    assert!(signature.is_some_and(|it| it.starts_with(&stamp)));
    let at_once = made(
        &world,
        with(wanted("Message"), "requiresSignature", json!(true)),
    )
    .await;
    assert!(at_once["secret"].is_string());
}

#[tokio::test]
async fn logs_tell_what_was_answered_and_are_retried_one_or_many() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let webhook = made(&world, wanted("Message")).await;
    let logs = format!("{}/webhook-log", path(&webhook));
    assert_eq!(world.get(&logs).await["data"], json!([]));
    for number in 0..3 {
        world.advance(1_000);
        let failing = Answer::Http(500, json!({ "no": number }));
        if number > 0 {
            world.ports().answers.borrow_mut().push_back(failing);
        }
        let id = format!("wamid.{number}");
        world.customer_writes(&channel, CUSTOMER, &id, "Hi").await;
        world.drain().await;
    }
    assert_eq!(world.get(&path(&webhook)).await["numberOfErrors"], 2);
    let listed = world.get(&format!("{logs}?limit=2")).await;
    assert_eq!(
        listed["pagination"],
        json!({ "offset": 0, "limit": 2, "total": 3, "totalPages": 2 })
    );
    let newest = &listed["data"][0];
    let message = events(&world).last().expect("an event")["messageId"].clone();
    assert_eq!(
        *newest,
        json!({
            "id": newest["id"], "webhookId": webhook["id"], "statusCode": 500,
            "responseBody": r#"{"no":2}"#, "status": "Error", "sendAt": "2026-11-20T08:00:03.000Z",
            "isDeleted": false, "createdDate": "2026-11-20T08:00:03.000Z", "messageId": message,
            "webhook": { "id": webhook["id"], "endpoint": HOOK, "eventType": "Message" },
        })
    );
    for (status, count) in [("Success", 1), ("Error", 2), ("Failed", 2)] {
        let page = world.get(&format!("{logs}?status={status}")).await;
        assert_eq!(page["pagination"]["total"], count, "{status}");
    }
    let lost = format!("{logs}?status=Lost");
    world
        .call(Method::GET, &lost, Value::Null)
        .await
        .expect(400);

    let id = newest["id"].as_str().expect("an id");
    let retry = world
        .post(&format!("{logs}/{id}/retry"), Value::Null)
        .await
        .expect(200);
    assert_eq!(retry, json!({ "success": true, "newLogId": id }));
    world.drain().await;
    assert_eq!(world.get(&logs).await["data"][0]["status"], "Success");
    assert_eq!(world.get(&path(&webhook)).await["numberOfErrors"], 0);
    let other = listed["data"][1]["id"].clone();
    let nobodys = "0197a000-0000-7000-8000-000000000000";
    let many = json!({ "webhookLogIds": [other, nobodys] });
    let results = world
        .post(&format!("{logs}/retry"), many.clone())
        .await
        .expect(200);
    assert_eq!(
        results,
        json!({ "results": [
            { "webhookLogId": other, "success": true, "newLogId": other },
            { "webhookLogId": nobodys, "success": false, "newLogId": null },
        ] })
    );
    world.drain().await;
    assert_eq!(
        world.get(&format!("{logs}?status=Error")).await["pagination"]["total"],
        0
    );
    for body in [
        json!({}),
        json!({ "webhookLogIds": [] }),
        json!({ "webhookLogIds": ["x"] }),
    ] {
        world.post(&format!("{logs}/retry"), body).await.expect(400);
    }
    world
        .post(&format!("{logs}/{nobodys}/retry"), Value::Null)
        .await
        .expect(404);
    patch(&world, &path(&webhook), json!({ "active": false })).await;
    world
        .post(&format!("{logs}/{id}/retry"), Value::Null)
        .await
        .expect(400);
    let results = world.post(&format!("{logs}/retry"), many).await.expect(200);
    assert_eq!(results["results"][0]["success"], false);
}

#[tokio::test]
async fn endpoints_of_other_styles_and_workspaces_are_not_here() {
    let world = World::new().await;
    let native = world.subscribe(HOOK, &["*"]).await;
    let own = made(&world, wanted("Message")).await;
    assert_eq!(world.get(BASE).await["pagination"]["total"], 1);
    let (_, key) = world.new_workspace("Mallory").await;
    let mallory = format!("Bearer {key}");
    let acme = format!("Bearer {}", world.key);
    for (webhook, bearer) in [(&native, &acme), (&own, &mallory)] {
        let path = path(webhook);
        let id = "0197a000-0000-7000-8000-000000000000";
        let headers = [("authorization", bearer.as_str())];
        for (method, path, body) in [
            (Method::GET, path.clone(), Value::Null),
            (Method::PATCH, path.clone(), json!({ "label": "mine" })),
            (Method::DELETE, path.clone(), Value::Null),
            (Method::GET, format!("{path}/webhook-log"), Value::Null),
            (
                Method::POST,
                format!("{path}/webhook-log/{id}/retry"),
                Value::Null,
            ),
            (
                Method::POST,
                format!("{path}/webhook-log/retry"),
                json!({ "webhookLogIds": [id] }),
            ),
        ] {
            let refused = world
                .call_with(method, &path, &headers, body)
                .await
                .expect(404);
            assert_eq!(refused["errorCode"], "not_found", "{path}");
        }
    }
}
