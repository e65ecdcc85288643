//! Connecting senders: what is shown, what is kept secret, and what must be one's own.

use crate::support::world::{APP_SECRET, CUSTOMER, PHONE_NUMBER_ID, START_MS, whatsapp_text};
use crate::support::{Answer, World};
use http::Method;
use serde_json::{Value, json};

const SHOP: &str = "+15550100001";

fn whatsapp(identifier: &str) -> Value {
    json!({
        "type": "whatsapp", "name": "Shop", "identifier": identifier,
        "credentials": {
            "phoneNumberId": PHONE_NUMBER_ID, "wabaId": "102290129340398",
            "accessToken": "graph-token-of-the-shop", "appSecret": APP_SECRET, "verifyToken": "verify-me",
        },
    })
}

fn telegram(identifier: &str) -> Value {
    json!({
        "type": "telegram", "name": "Bot", "identifier": identifier,
        "credentials": { "botToken": "123456:AAF-token_of-the-bot", "secretToken": "secret-token-of-the-bot" },
    })
}

fn id(value: &Value) -> String {
    value["id"].as_str().expect("an id").to_owned()
}

#[track_caller]
fn pointers(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().expect("errors");
    errors
        .iter()
        .filter_map(|error| error["pointer"].as_str())
        .collect()
}

async fn connect(world: &World, body: Value) -> Value {
    world.post("/v1/channels", body).await.expect(201)
}

#[tokio::test]
async fn a_channel_of_each_type_is_connected_shown_and_listed() {
    let world = World::new().await;
    for (body, kind, identifier) in [
        (whatsapp(SHOP), "whatsapp", SHOP),
        (telegram("@Patchbay_Bot"), "telegram", "Patchbay_Bot"),
    ] {
        let made = connect(&world, body.clone()).await;
        let id = id(&made);
        assert_eq!(
            made,
            json!({
                "id": id, "type": kind, "name": body["name"], "identifier": identifier,
                "status": "connected", "inboundUrl": format!("https://patchbay.test/inbound/{id}"),
                "settings": { "enforceWindow": true, "onUnknownOutcome": "hold" },
                "lastInboundAt": null, "lastError": null, "createdAt": "2026-11-20T08:00:00.000Z",
            })
        );
        assert_eq!(world.get(&format!("/v1/channels/{id}")).await, made);
        let listed = world.get(&format!("/v1/channels?type={kind}")).await;
        assert_eq!(listed["data"], json!([made]));
        world.advance(1);
        assert!(
            world.requests_to("graph.test").is_empty(),
            "no provider is asked"
        );
        assert!(world.requests_to("telegram.test").is_empty());
        world.ports().now_ms.set(START_MS);
    }
    let all = world.get("/v1/channels").await;
    assert_eq!(all["data"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_channel_without_an_identifier_is_known_by_its_credentials() {
    let world = World::new().await;
    for (mut body, identifier) in [(whatsapp(""), PHONE_NUMBER_ID), (telegram(""), "123456")] {
        body.as_object_mut()
            .expect("an object")
            .remove("identifier");
        let made = connect(&world, body).await;
        assert_eq!(made["identifier"], identifier);
    }
}

#[tokio::test]
async fn channels_are_listed_in_pages_without_gaps_or_repeats() {
    let world = World::new().await;
    let mut made = Vec::new();
    for number in 0..5 {
        world.advance(1);
        made.push(connect(&world, whatsapp(&format!("+1555010000{number}"))).await["id"].clone());
        made.push(connect(&world, telegram(&format!("bot_number_{number}"))).await["id"].clone());
    }
    made.sort_by_key(ToString::to_string);
    for (query, step) in [
        ("limit=3", 1),
        ("limit=10", 1),
        ("limit=2&type=telegram", 2),
    ] {
        let mut seen = Vec::new();
        let mut path = format!("/v1/channels?{query}");
        loop {
            let page = world.get(&path).await;
            let data = page["data"].as_array().expect("a page");
            assert!(!data.is_empty(), "no page is empty");
            seen.extend(data.iter().map(|channel| channel["id"].clone()));
            let Some(cursor) = page["nextCursor"].as_str() else {
                break;
            };
            path = format!("/v1/channels?{query}&cursor={cursor}");
        }
        assert_eq!(seen.len(), 10 / step, "{query}");
        let kept: Vec<Value> = made
            .iter()
            .filter(|id| seen.contains(id))
            .cloned()
            .collect();
        assert_eq!(seen, kept);
    }
}

#[tokio::test]
async fn credentials_come_back_nowhere_and_are_not_stored_in_clear() {
    let world = World::new().await;
    let mut seen = String::new();
    let mut secrets = Vec::new();
    for body in [whatsapp(SHOP), telegram("patchbay_bot")] {
        let credentials = body["credentials"]
            .as_object()
            .expect("credentials")
            .clone();
        let named = [
            "accessToken",
            "appSecret",
            "verifyToken",
            "botToken",
            "secretToken",
        ];
        secrets.extend(
            named
                .iter()
                .filter_map(|name| Some(credentials.get(*name)?.as_str()?.to_owned())),
        );
        let made = connect(&world, body).await;
        let path = format!("/v1/channels/{}", id(&made));
        seen.push_str(&made.to_string());
        seen.push_str(&world.get(&path).await.to_string());
        let renamed = world
            .call(
                Method::PATCH,
                &path,
                json!({ "name": "N", "credentials": credentials }),
            )
            .await;
        seen.push_str(&renamed.expect(200).to_string());
    }
    seen.push_str(&world.get("/v1/channels").await.to_string());
    seen.push_str(&world.database().dump());
    // A cold isolate fills the cache.
    let world = {
        let mut world = world;
        world.forget();
        world
    };
    let listed = world.get("/v1/channels?type=whatsapp").await;
    let channel = id(&listed["data"][0]);
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    seen.push_str(&format!("{:?}", world.ports().cache.borrow()));
    seen.push_str(&format!("{:?}", world.ports().logs.borrow()));
    assert_eq!(secrets.len(), 5);
    for secret in secrets {
        assert!(!seen.contains(&secret), "{secret}");
    }
    assert!(!seen.contains("credentials\":{"));
}

#[tokio::test]
async fn credentials_moved_to_another_row_neither_verify_nor_send() {
    let world = World::new().await;
    let one = id(&connect(&world, whatsapp("+15550100001")).await);
    let two = id(&connect(&world, whatsapp("+15550100002")).await);
    let mut world = world;
    world.customer_writes(&one, CUSTOMER, "wamid.1", "Hi").await;
    world
        .database()
        .query("CREATE TEMP TABLE old AS SELECT id, credentials FROM channel");
    world.database().query(
        "UPDATE channel SET credentials = (SELECT o.credentials FROM old o WHERE o.id <> channel.id)",
    );
    world.forget();
    world.ports().cache.borrow_mut().clear();
    let payload = whatsapp_text(CUSTOMER, "wamid.2", "Hi", START_MS / 1_000);
    world.from_meta(&one, &payload).await.expect(401);
    world.from_meta(&two, &payload).await.expect(401);
    let body =
        json!({ "from": one, "to": CUSTOMER, "content": { "type": "text", "text": "Yes?" } });
    let reply = world.post("/v1/messages", body).await;
    world.drain().await;
    if reply.status == 202 {
        let shown = world
            .get(&format!("/v1/messages/{}", id(&reply.body)))
            .await;
        assert_ne!(shown["status"], "sent");
    }
    assert!(
        world.posts_to("graph.test").is_empty(),
        "nothing is sent without credentials"
    );
}

#[tokio::test]
async fn an_identifier_is_connected_once_however_it_is_spelled() {
    let world = World::new().await;
    connect(&world, whatsapp("+1 (555) 010-0001")).await;
    for spelling in [
        SHOP,
        "15550100001",
        " +1 555 010 0001 ",
        "1.555.010.0001",
        "+1-555-010-0001",
    ] {
        let refused = world
            .post("/v1/channels", whatsapp(spelling))
            .await
            .expect(409);
        assert_eq!(refused["code"], "conflict");
        assert_eq!(pointers(&refused), ["/identifier"], "{spelling}");
    }
    connect(&world, telegram("@Patchbay_Bot")).await;
    for spelling in [
        "patchbay_bot",
        "@patchbay_bot",
        "PATCHBAY_BOT",
        " @Patchbay_Bot ",
    ] {
        let refused = world
            .post("/v1/channels", telegram(spelling))
            .await
            .expect(409);
        assert_eq!(pointers(&refused), ["/identifier"], "{spelling}");
    }
    assert_eq!(world.database().count("SELECT COUNT(*) FROM channel"), 2);
    // Another workspace may have the same.
    let (_, key) = world.new_workspace("Other").await;
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    world
        .call_with(Method::POST, "/v1/channels", &headers, whatsapp(SHOP))
        .await
        .expect(201);
}

#[tokio::test]
async fn an_identifier_may_be_connected_again_once_it_was_deleted() {
    let mut world = World::new().await;
    let first = id(&connect(&world, whatsapp(SHOP)).await);
    world
        .customer_writes(&first, CUSTOMER, "wamid.1", "Hi")
        .await;
    let body = |text: &str| json!({ "from": SHOP, "to": CUSTOMER, "content": { "type": "text", "text": text } });
    world
        .post("/v1/messages", body("by the first"))
        .await
        .expect(202);
    world.drain().await;
    let path = format!("/v1/channels/{first}");
    world
        .call(Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
    world.advance(1);
    world
        .call(Method::DELETE, &path, Value::Null)
        .await
        .expect(404);
    world
        .call(Method::GET, &path, Value::Null)
        .await
        .expect(404);
    assert_eq!(world.get("/v1/channels").await["data"], json!([]));
    assert_eq!(
        world.database().query("SELECT credentials FROM channel"),
        [json!({ "credentials": null })],
        "its credentials are gone"
    );
    let second = id(&connect(&world, whatsapp("15550100001")).await);
    assert_ne!(first, second);
    // The identifier now means the new one, also where the old one was remembered.
    world
        .customer_writes(&second, CUSTOMER, "wamid.2", "Hi")
        .await;
    let sent = world
        .post("/v1/messages", body("by the second"))
        .await
        .expect(202);
    assert_eq!(sent["channelId"], second.as_str());
    // The old history can still be read; the old inbound URL is dead.
    let listed = world.get(&format!("/v1/messages?channelId={first}")).await;
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(2));
    world.forget();
    let payload = whatsapp_text(CUSTOMER, "wamid.3", "Hi", START_MS / 1_000);
    world.from_meta(&first, &payload).await.expect(404);
}

#[tokio::test]
async fn an_identifier_remembered_by_another_isolate_follows_the_new_channel() {
    let mut world = World::new().await;
    let first = id(&connect(&world, whatsapp(SHOP)).await);
    world
        .customer_writes(&first, CUSTOMER, "wamid.1", "Hi")
        .await;
    let body = json!({ "from": SHOP, "to": CUSTOMER, "content": { "type": "text", "text": "Hi" } });
    world.post("/v1/messages", body.clone()).await.expect(202);
    let warm = std::mem::take(&mut world.gateway.memory);
    let path = format!("/v1/channels/{first}");
    world
        .call(Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
    let second = id(&connect(&world, whatsapp(SHOP)).await);
    world
        .customer_writes(&second, CUSTOMER, "wamid.2", "Hi")
        .await;
    world.gateway.memory = warm;
    let sent = world.post("/v1/messages", body).await.expect(202);
    assert_eq!(sent["channelId"], second.as_str());
}

#[tokio::test]
async fn types_that_there_are_not_are_refused_by_name() {
    let world = World::new().await;
    for kind in ["fax", "", "WHATSAPP"] {
        let mut body = whatsapp(SHOP);
        body["type"] = json!(kind);
        let refused = world.post("/v1/channels", body).await.expect(422);
        assert_eq!(pointers(&refused), ["/type"], "{kind}");
    }
    assert_eq!(world.database().count("SELECT COUNT(*) FROM channel"), 0);
}

#[tokio::test]
async fn credentials_that_are_missing_or_blank_are_pointed_at() {
    let world = World::new().await;
    for body in [whatsapp(SHOP), telegram("patchbay_bot")] {
        let names: Vec<String> = body["credentials"]
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect();
        for name in &names {
            for blank in [None, Some(""), Some("  "), Some("\n")] {
                let mut body = body.clone();
                let credentials = body["credentials"].as_object_mut().expect("an object");
                match blank {
                    None => drop(credentials.remove(name)),
                    Some(blank) => drop(credentials.insert(name.clone(), json!(blank))),
                }
                let refused = world.post("/v1/channels", body).await.expect(422);
                assert_eq!(pointers(&refused), [format!("/credentials/{name}")]);
            }
        }
        let mut body = body.clone();
        body["credentials"] = json!({});
        let refused = world.post("/v1/channels", body).await.expect(422);
        let mut all: Vec<String> = pointers(&refused)
            .iter()
            .map(|pointer| (*pointer).to_owned())
            .collect();
        all.sort();
        let expected: Vec<String> = names
            .iter()
            .map(|name| format!("/credentials/{name}"))
            .collect();
        assert_eq!(all, expected);
    }
}

#[tokio::test]
async fn a_bot_token_must_look_like_one() {
    let world = World::new().await;
    for token in [
        "token",
        "123456",
        "123456:",
        ":AAF",
        "12a:AAF",
        "123456:AA/F",
        "123456:AA F",
        "123456:AA:F",
        "../1:A",
        "1:A?x=1",
        "1:A#",
    ] {
        let mut body = telegram("patchbay_bot");
        body["credentials"]["botToken"] = json!(token);
        let refused = world.post("/v1/channels", body).await.expect(422);
        assert_eq!(pointers(&refused), ["/credentials/botToken"], "{token}");
    }
    for token in ["with space", "ünïcode", "a/b", &"x".repeat(257)] {
        let mut body = telegram("patchbay_bot");
        body["credentials"]["secretToken"] = json!(token);
        let refused = world.post("/v1/channels", body).await.expect(422);
        assert_eq!(pointers(&refused), ["/credentials/secretToken"], "{token}");
    }
    assert_eq!(world.database().count("SELECT COUNT(*) FROM channel"), 0);
}

#[tokio::test]
async fn settings_given_replace_those_that_stand_and_the_others_stay() {
    let world = World::new().await;
    world.sends_unknown_fields.set(true);
    let mut body = whatsapp(SHOP);
    body["settings"] = json!({ "onUnknownOutcome": "resend", "colour": "red" });
    let made = connect(&world, body).await;
    assert_eq!(
        made["settings"],
        json!({ "enforceWindow": true, "onUnknownOutcome": "resend" })
    );
    let path = format!("/v1/channels/{}", id(&made));
    for (patch, settings) in [
        (
            json!({ "settings": { "enforceWindow": false } }),
            json!({ "enforceWindow": false, "onUnknownOutcome": "resend" }),
        ),
        (
            json!({ "name": "Renamed" }),
            json!({ "enforceWindow": false, "onUnknownOutcome": "resend" }),
        ),
        (
            json!({ "settings": {} }),
            json!({ "enforceWindow": false, "onUnknownOutcome": "resend" }),
        ),
        (
            json!({ "settings": null }),
            json!({ "enforceWindow": false, "onUnknownOutcome": "resend" }),
        ),
        (
            json!({ "settings": { "enforceWindow": null, "onUnknownOutcome": "hold" } }),
            json!({ "enforceWindow": false, "onUnknownOutcome": "hold" }),
        ),
    ] {
        let shown = world
            .call(Method::PATCH, &path, patch.clone())
            .await
            .expect(200);
        assert_eq!(shown["settings"], settings, "{patch}");
        assert_eq!(world.get(&path).await, shown);
    }
    assert_eq!(world.get(&path).await["name"], "Renamed");
}

#[tokio::test]
async fn a_setting_counts_for_the_next_send_though_the_channel_is_remembered() {
    let mut world = World::new().await;
    let channel = id(&connect(&world, whatsapp(SHOP)).await);
    let body = json!({ "from": SHOP, "to": CUSTOMER, "content": { "type": "text", "text": "Hi" } });
    world.post("/v1/messages", body.clone()).await.expect(422);
    let warm = std::mem::take(&mut world.gateway.memory);
    let path = format!("/v1/channels/{channel}");
    let patch = |enforce: bool| json!({ "settings": { "enforceWindow": enforce } });
    world
        .call(Method::PATCH, &path, patch(false))
        .await
        .expect(200);
    world.gateway.memory = warm;
    world.post("/v1/messages", body.clone()).await.expect(202);
    let warm = std::mem::take(&mut world.gateway.memory);
    world
        .call(Method::PATCH, &path, patch(true))
        .await
        .expect(200);
    world.gateway.memory = warm;
    world.post("/v1/messages", body).await.expect(422);
}

#[tokio::test]
async fn a_disabled_channel_sends_nothing_until_it_is_connected_again() {
    let world = World::new().await;
    let channel = id(&connect(&world, whatsapp(SHOP)).await);
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    let path = format!("/v1/channels/{channel}");
    let body = json!({ "from": SHOP, "to": CUSTOMER, "content": { "type": "text", "text": "Hi" } });
    world.post("/v1/messages", body.clone()).await.expect(202);
    let disabled = world
        .call(Method::PATCH, &path, json!({ "status": "disabled" }))
        .await
        .expect(200);
    assert_eq!(disabled["status"], "disabled");
    let refused = world.post("/v1/messages", body.clone()).await.expect(409);
    assert_eq!(refused["code"], "channel_unavailable");
    // What was queued fails by name.
    world.drain().await;
    let listed = world.get("/v1/messages?status=failed").await;
    assert_eq!(listed["data"][0]["error"]["code"], "channel_unavailable");
    assert!(world.posts_to("graph.test").is_empty());
    let connected = world
        .call(Method::PATCH, &path, json!({ "status": "connected" }))
        .await
        .expect(200);
    assert_eq!(connected["status"], "connected");
    world.post("/v1/messages", body).await.expect(202);
    world.drain().await;
    assert_eq!(world.posts_to("graph.test").len(), 1);
}

#[tokio::test]
async fn needs_reauth_is_the_providers_word_and_new_credentials_end_it() {
    let world = World::new().await;
    let channel = id(&connect(&world, whatsapp(SHOP)).await);
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    let path = format!("/v1/channels/{channel}");
    let refused = world
        .call(Method::PATCH, &path, json!({ "status": "needs_reauth" }))
        .await
        .expect(422);
    assert_eq!(pointers(&refused), ["/status"]);
    let expired = json!({ "error": { "code": 190, "message": "expired" } });
    world
        .ports()
        .answers
        .borrow_mut()
        .push_back(Answer::Http(401, expired));
    let body = json!({ "from": SHOP, "to": CUSTOMER, "content": { "type": "text", "text": "Hi" } });
    let waiting = id(&world.post("/v1/messages", body.clone()).await.expect(202));
    world.drain().await;
    let shown = world.get(&path).await;
    assert_eq!(shown["status"], "needs_reauth");
    assert_eq!(
        shown["lastError"],
        json!({ "code": "190", "at": "2026-11-20T08:00:00.000Z" })
    );
    let refused = world.post("/v1/messages", body).await.expect(409);
    assert_eq!(refused["code"], "channel_unavailable");
    let message = format!("/v1/messages/{waiting}");
    assert_eq!(world.get(&message).await["status"], "accepted");

    let mut credentials = whatsapp(SHOP)["credentials"].clone();
    credentials["accessToken"] = json!("graph-token-renewed");
    let shown = world
        .call(Method::PATCH, &path, json!({ "credentials": credentials }))
        .await
        .expect(200);
    assert_eq!(shown["status"], "connected");
    assert_eq!(shown["lastError"], Value::Null);
    // What waited goes with the new token.
    world.advance(120_000);
    world.gateway.sweep().await;
    world.drain().await;
    assert_eq!(world.get(&message).await["status"], "sent");
    let last = world.posts_to("graph.test").pop().expect("a request");
    let bearer = last
        .headers()
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    assert_eq!(bearer, Some("Bearer graph-token-renewed"));
}

#[tokio::test]
async fn new_credentials_replace_those_that_stand_one_by_one() {
    let world = World::new().await;
    let channel = id(&connect(&world, telegram("patchbay_bot")).await);
    let path = format!("/v1/channels/{channel}");
    for (credentials, pointer) in [
        (json!({ "secretToken": "" }), "/credentials/secretToken"),
        (json!({ "secretToken": 5 }), "/credentials/secretToken"),
        (
            json!({ "botToken": "nonsense", "secretToken": "s" }),
            "/credentials/botToken",
        ),
    ] {
        let refused = world
            .call(Method::PATCH, &path, json!({ "credentials": credentials }))
            .await
            .expect(422);
        assert_eq!(pointers(&refused)[0], pointer);
    }
    assert_eq!(world.database().count("SELECT version FROM channel"), 1);
    let given = json!({ "credentials": { "secretToken": "renewed", "note": "mine", "n": 5 } });
    world.call(Method::PATCH, &path, given).await.expect(200);
    let update = json!({ "update_id": 1 }).to_string();
    let header = "x-telegram-bot-api-secret-token";
    world
        .inbound(&channel, &[(header, "renewed")], update)
        .await
        .expect(200);
    let body = json!({
        "from": channel, "to": "77", "content": { "type": "text", "text": "Hello" },
    });
    world.post("/v1/messages", body).await.expect(202);
    world.drain().await;
    assert_eq!(world.requests_to("telegram.test").len(), 1);
}

#[tokio::test]
async fn a_channel_stays_the_bot_or_the_page_that_it_is() {
    let world = World::new().await;
    for (channel, other, renewed) in [
        (
            world.telegram().await,
            ("botToken", "654321:other"),
            json!({ "botToken": "123456:renewed" }),
        ),
        (
            world.messenger().await,
            ("pageId", "104200000000002"),
            json!({ "accessToken": "renewed" }),
        ),
    ] {
        let path = format!("/v1/channels/{channel}");
        let before = world.database().dump();
        let (name, value) = other;
        let patch = json!({ "credentials": { name: value } });
        let refused = world.call(Method::PATCH, &path, patch).await.expect(422);
        assert_eq!(pointers(&refused), [format!("/credentials/{name}")]);
        assert_eq!(world.database().dump(), before);
        let patch = json!({ "credentials": renewed });
        world.call(Method::PATCH, &path, patch).await.expect(200);
    }
}

#[tokio::test]
async fn another_tenant_finds_nothing_on_any_route() {
    let world = World::new().await;
    let channel = id(&connect(&world, whatsapp(SHOP)).await);
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    let list = world.get("/v1/conversations").await;
    let conversation = id(&list["data"][0]);
    let contact = id(&list["data"][0]["contact"]);
    let (_, key) = world.new_workspace("Mallory").await;
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    let before = world.database().dump();
    let path = format!("/v1/channels/{channel}");
    for (method, body) in [
        (Method::GET, Value::Null),
        (Method::PATCH, json!({ "name": "Mine" })),
        (Method::PATCH, json!({ "nonsense": 1 })),
        (Method::DELETE, Value::Null),
    ] {
        let refused = world
            .call_with(method, &path, &headers, body)
            .await
            .expect(404);
        assert!(!refused.to_string().contains("Shop"));
    }
    let listed = world
        .call_with(Method::GET, "/v1/channels", &headers, Value::Null)
        .await
        .expect(200);
    assert_eq!(listed["data"], json!([]));
    for query in [
        format!("messages?channelId={channel}"),
        format!("conversations?channelId={channel}"),
    ] {
        let path = format!("/v1/{query}");
        let listed = world
            .call_with(Method::GET, &path, &headers, Value::Null)
            .await
            .expect(200);
        assert_eq!(listed["data"], json!([]));
    }
    // Sending: by the channel's id, by its identifier, to its conversation, to its contact.
    let content = json!({ "type": "text", "text": "Hi" });
    for (body, status) in [
        (
            json!({ "from": channel, "to": CUSTOMER, "content": content }),
            404,
        ),
        (
            json!({ "from": SHOP, "to": CUSTOMER, "content": content }),
            422,
        ),
        (json!({ "to": conversation, "content": content }), 404),
        (json!({ "to": contact, "content": content }), 404),
        (
            json!({ "from": channel, "to": conversation, "content": content }),
            404,
        ),
    ] {
        world
            .call_with(Method::POST, "/v1/messages", &headers, body)
            .await
            .expect(status);
    }
    let path = format!("/v1/conversations?cursor={}", "OTk5OTk5OTk5OTk5OSw");
    let listed = world
        .call_with(Method::GET, &path, &headers, Value::Null)
        .await;
    assert!(listed.status == 422 || listed.body["data"] == json!([]));
    assert_eq!(world.database().dump(), before);
}

#[tokio::test]
async fn a_name_is_trimmed_and_kept_as_people_write_it() {
    let world = World::new().await;
    let mut body = whatsapp(SHOP);
    body["name"] = json!("  Ação 店 👩‍🔬 \"; DROP TABLE channel; --  ");
    let made = connect(&world, body).await;
    assert_eq!(made["name"], "Ação 店 👩‍🔬 \"; DROP TABLE channel; --");
}

#[tokio::test]
async fn a_change_that_runs_twice_or_whose_answer_is_lost_is_answered_as_done() {
    let world = World::new().await;
    world.database().runs_twice.set(true);
    let made = connect(&world, whatsapp(SHOP)).await;
    let path = format!("/v1/channels/{}", id(&made));
    let renamed = world
        .call(Method::PATCH, &path, json!({ "name": "Renamed" }))
        .await
        .expect(200);
    assert_eq!(renamed["name"], "Renamed");
    world
        .call(Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
    assert_eq!(world.database().count("SELECT COUNT(*) FROM channel"), 1);
}
