//! Subscribers: who may be told, what they are told, and for how long it is tried.

use crate::support::world::{CUSTOMER, START_MS, whatsapp_status, whatsapp_text};
use crate::support::{Answer, Fault, World};
use bytes::Bytes;
use http::{Method, Request};
use patchbay::gateway::{DeliveryHint, Queue};
use serde_json::{Value, json};

const HOST: &str = "subscriber.example";
const HOOK: &str = "https://subscriber.example/hook";
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

fn answers(world: &World, answers: impl IntoIterator<Item = Answer>) {
    world.ports().answers.borrow_mut().extend(answers);
}

fn header<'a>(request: &'a Request<Bytes>, name: &str) -> &'a str {
    request
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("")
}

fn delivery(world: &World) -> Value {
    let rows = world.database().query("SELECT * FROM delivery");
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows[0].clone()
}

/// A world with a channel and one endpoint for what is received; the endpoint's secret.
async fn subscribed() -> (World, String, String) {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let endpoint = world.subscribe(HOOK, &["message.received"]).await;
    let secret = endpoint["secret"].as_str().expect("a secret").to_owned();
    (world, channel, secret)
}

// The resource

#[tokio::test]
async fn an_endpoint_is_made_shown_listed_and_deleted_and_its_secret_is_shown_once() {
    let world = World::new().await;
    let body = json!({
        "url": HOOK, "events": ["message.*", "conversation.created"],
        "headers": { "X-Shop": "42", "authorization": "Bearer theirs" },
    });
    let made = world.post("/v1/webhooks", body).await.expect(201);
    let id = made["id"].as_str().expect("an id");
    assert_eq!(made["url"], HOOK);
    assert_eq!(made["events"], json!(["message.*", "conversation.created"]));
    assert_eq!(made["channelId"], Value::Null);
    assert_eq!(made["style"], "standard");
    assert_eq!(made["status"], "enabled");
    assert_eq!(made["createdAt"], "2026-11-20T08:00:00.000Z");
    let secret = made["secret"].as_str().expect("a secret");
    assert!(secret.starts_with("whsec_"));
    assert!(standardwebhooks::Webhook::new(secret).is_ok());

    let shown = world.get(&format!("/v1/webhooks/{id}")).await;
    assert_eq!(shown.get("secret"), None);
    assert_eq!(shown["url"], HOOK);
    assert!(!shown.to_string().contains("Bearer theirs"));
    let listed = world.get("/v1/webhooks").await;
    assert_eq!(listed["data"], json!([shown]));
    assert_eq!(listed["nextCursor"], Value::Null);

    let dump = world.database().dump();
    assert!(!dump.contains(secret), "the secret is encrypted at rest");
    assert!(!dump.contains(secret.trim_start_matches("whsec_")));

    let path = format!("/v1/webhooks/{id}");
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
    assert_eq!(world.get("/v1/webhooks").await["data"], json!([]));
}

#[tokio::test]
async fn every_endpoint_has_a_secret_of_its_own() {
    let world = World::new().await;
    let one = world.subscribe(HOOK, &["*"]).await;
    let two = world.subscribe(HOOK, &["*"]).await;
    assert_ne!(one["secret"], two["secret"]);
    assert_ne!(one["id"], two["id"]);
}

#[tokio::test]
async fn endpoints_are_listed_in_pages_without_gaps_or_repeats() {
    let world = World::new().await;
    let mut made = Vec::new();
    for number in 0..7 {
        world.advance(1);
        made.push(world.subscribe(&format!("{HOOK}/{number}"), &["*"]).await["id"].clone());
    }
    let mut seen = Vec::new();
    let mut path = "/v1/webhooks?limit=3".to_owned();
    loop {
        let page = world.get(&path).await;
        seen.extend(
            page["data"]
                .as_array()
                .expect("a page")
                .iter()
                .map(|one| one["id"].clone()),
        );
        let Some(cursor) = page["nextCursor"].as_str() else {
            break;
        };
        path = format!("/v1/webhooks?limit=3&cursor={cursor}");
    }
    assert_eq!(seen, made);
}

#[tokio::test]
async fn styles_and_events_there_are_not_are_refused_by_name() {
    let world = World::new().await;
    for style in ["", "Visito", "xml"] {
        let body = json!({ "url": HOOK, "events": ["*"], "style": style });
        let refused = world.post("/v1/webhooks", body).await.expect(422);
        assert_eq!(refused["errors"][0]["pointer"], "/style");
    }
    let body = json!({ "url": HOOK, "events": ["*"], "style": "standard" });
    world.post("/v1/webhooks", body).await.expect(201);
    let body = json!({ "url": HOOK, "events": ["webhook.disabled", "nope.*", "message"] });
    let refused = world.post("/v1/webhooks", body).await.expect(422);
    let pointers: Vec<&str> = refused["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .filter_map(|error| error["pointer"].as_str())
        .collect();
    assert_eq!(pointers, ["/events/1", "/events/2"]);
    assert_eq!(world.database().count("SELECT COUNT(*) FROM endpoint"), 1);
}

#[tokio::test]
async fn the_channel_of_an_endpoint_must_be_ones_own_and_living() {
    let world = World::new().await;
    let own = world.whatsapp().await;
    let (_, other_key) = world.new_workspace("Mallory").await;
    let bearer = format!("Bearer {other_key}");
    let body = json!({ "url": HOOK, "events": ["*"], "channelId": own });
    let headers = [("authorization", bearer.as_str())];
    let refused = world
        .call_with(Method::POST, "/v1/webhooks", &headers, body.clone())
        .await
        .expect(404);
    assert_eq!(refused["errors"][0]["pointer"], "/channelId");
    let made = world.post("/v1/webhooks", body.clone()).await.expect(201);
    assert_eq!(made["channelId"], own.as_str());
    let path = format!("/v1/channels/{own}");
    world
        .call(Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
    world.post("/v1/webhooks", body).await.expect(404);
    let nobody = json!({ "url": HOOK, "events": ["*"], "channelId": "0197a000-0000-7000-8000-000000000000" });
    world.post("/v1/webhooks", nobody).await.expect(404);
}

#[tokio::test]
async fn urls_that_reach_inside_are_refused() {
    let world = World::new().await;
    for url in [
        "http://subscriber.example/hook",
        "ftp://subscriber.example/",
        "https://localhost/hook",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest",
        "https://printer.local/",
        "https://patchbay.test/inbound",
        "https://subscriber.example:22/",
        "https://user:pass@subscriber.example/",
        "javascript:alert(1)",
        "https://",
    ] {
        let body = json!({ "url": url, "events": ["*"] });
        let refused = world.post("/v1/webhooks", body).await.expect(422);
        assert_eq!(refused["errors"][0]["pointer"], "/url", "{url}");
    }
    for url in [
        "https://subscriber.example",
        "https://subscriber.example:8443/x?y=1",
        "https://93.184.216.34/",
    ] {
        world.subscribe(url, &["*"]).await;
    }
}

// The delivery

#[tokio::test]
async fn a_delivery_is_verified_by_the_official_library_and_tells_everything() {
    let (world, channel, secret) = subscribed().await;
    // The library compares with the real time.
    let now = std::time::UNIX_EPOCH
        .elapsed()
        .expect("after 1970")
        .as_millis();
    world
        .ports()
        .now_ms
        .set(i64::try_from(now).expect("a time"));
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Olá")
        .await;
    world.drain().await;

    let posts = world.posts_to(HOST);
    assert_eq!(posts.len(), 1);
    let post = &posts[0];
    assert_eq!(post.method(), Method::POST);
    assert_eq!(post.uri().to_string(), HOOK);
    assert_eq!(header(post, "content-type"), "application/json");
    let verifier = standardwebhooks::Webhook::new(&secret).expect("a secret");
    verifier
        .verify(post.body(), post.headers())
        .expect("it verifies");
    let mut tampered = post.body().to_vec();
    tampered.push(b' ');
    assert!(verifier.verify(&tampered, post.headers()).is_err());

    let body: Value = serde_json::from_slice(post.body()).expect("JSON");
    assert_eq!(body["type"], "message.received");
    let at = body["timestamp"].as_str().expect("a timestamp");
    assert!(at.ends_with('Z') && at.len() == 24, "{at}");
    let data = body["data"].as_object().expect("data");
    let mut fields: Vec<&str> = data.keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "channel",
            "contact",
            "conversation",
            "message",
            "workspaceId"
        ]
    );
    assert_eq!(data["workspaceId"], world.workspace.as_str());
    assert_eq!(
        data["channel"],
        json!({ "id": channel, "type": "whatsapp", "name": "Shop", "identifier": "+15550100001" })
    );
    assert_eq!(data["contact"]["address"], CUSTOMER);
    assert_eq!(data["contact"]["name"], "Ada");
    assert_eq!(data["conversation"]["unreadCount"], 1);
    assert_eq!(data["conversation"]["canSendFreeForm"], true);
    assert_eq!(data["message"]["content"]["text"], "Olá");

    // What subscribers see is what the API shows.
    let id = data["message"]["id"].as_str().expect("an id");
    let mut shown = world.get(&format!("/v1/messages/{id}")).await;
    shown.as_object_mut().expect("a message").remove("attempts");
    assert_eq!(data["message"], shown);
    let id = data["conversation"]["id"].as_str().expect("an id");
    assert_eq!(
        data["conversation"],
        world.get(&format!("/v1/conversations/{id}")).await
    );
    let event = delivery(&world);
    assert_eq!(header(post, "webhook-id"), event["event_id"]);
    assert_eq!(event["status"], "delivered");
    assert_eq!(event["response_status"], 200);
}

#[tokio::test]
async fn custom_headers_go_with_every_delivery_and_replace_none_of_ours() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let body = json!({
        "url": HOOK, "events": ["message.received"],
        "headers": { "X-Shop": "42", "Authorization": "Bearer theirs", "User-Agent": "mine" },
    });
    world.post("/v1/webhooks", body).await.expect(201);
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    world.drain().await;
    let posts = world.posts_to(HOST);
    assert_eq!(header(&posts[0], "x-shop"), "42");
    assert_eq!(header(&posts[0], "authorization"), "Bearer theirs");
    for name in [
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "content-type",
        "user-agent",
    ] {
        assert_eq!(posts[0].headers().get_all(name).iter().count(), 1, "{name}");
    }
}

#[tokio::test]
async fn every_attempt_has_the_same_id_and_bytes_and_a_time_of_its_own() {
    let (world, channel, _) = subscribed().await;
    answers(
        &world,
        [
            Answer::Http(500, json!("no")),
            Answer::NoAnswer,
            Answer::Http(204, json!("")),
        ],
    );
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    world.drain().await;
    // What happens meanwhile is no part of the event: it is a snapshot.
    let list = world.get("/v1/conversations").await;
    let path = format!(
        "/v1/conversations/{}",
        list["data"][0]["id"].as_str().expect("an id")
    );
    world
        .call(Method::PATCH, &path, json!({ "status": "closed" }))
        .await
        .expect(200);
    world
        .call(
            Method::PATCH,
            &format!("/v1/channels/{channel}"),
            json!({ "name": "Renamed" }),
        )
        .await
        .expect(200);
    for _ in 0..2 {
        world.advance(7 * MINUTE_MS);
        world.drain().await;
    }
    let posts = world.posts_to(HOST);
    assert_eq!(posts.len(), 3);
    let times: Vec<&str> = posts
        .iter()
        .map(|post| header(post, "webhook-timestamp"))
        .collect();
    for (at, post) in posts.iter().enumerate() {
        assert_eq!(header(post, "webhook-id"), header(&posts[0], "webhook-id"));
        assert_eq!(post.body(), posts[0].body());
        let sent = START_MS / 1_000 + i64::try_from(at).expect("small") * 7 * 60;
        assert_eq!(times[at], sent.to_string());
    }
    assert_eq!(delivery(&world)["status"], "delivered");
    assert_eq!(delivery(&world)["attempt"], 3);
    world.advance(24 * HOUR_MS);
    world.gateway.sweep().await;
    world.drain().await;
    assert_eq!(world.posts_to(HOST).len(), 3, "what is delivered stays so");
}

#[tokio::test]
async fn a_failing_delivery_is_tried_eight_times_on_schedule_and_then_failed() {
    let (world, channel, _) = subscribed().await;
    answers(
        &world,
        (0..20).map(|_| Answer::Http(503, json!({ "no": "thanks" }))),
    );
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    world.drain().await;
    let bases = [
        5_000,
        5 * MINUTE_MS,
        30 * MINUTE_MS,
        2 * HOUR_MS,
        5 * HOUR_MS,
        10 * HOUR_MS,
        10 * HOUR_MS,
    ];
    for (at, base) in bases.into_iter().enumerate() {
        let row = delivery(&world);
        assert_eq!(row["status"], "pending");
        assert_eq!(row["attempt"], i64::try_from(at).expect("small") + 1);
        assert_eq!(row["response_status"], 503);
        let now = world.ports().now_ms.get();
        let wait = row["due_at"].as_i64().expect("a due time") - now;
        assert!(
            (base * 4 / 5..=base * 6 / 5).contains(&wait),
            "attempt {at}: {wait}"
        );
        // Not before its time.
        world.advance(wait - 1);
        world.drain().await;
        world.gateway.sweep().await;
        world.drain().await;
        assert_eq!(world.posts_to(HOST).len(), at + 1);
        // A hint waits whole seconds.
        world.advance(1_000);
        world.drain().await;
        assert_eq!(world.posts_to(HOST).len(), at + 2, "attempt {at}");
    }
    let row = delivery(&world);
    assert_eq!(row["status"], "failed");
    assert_eq!(row["due_at"], Value::Null);
    assert_eq!(row["attempt"], 8);
    world.advance(48 * HOUR_MS);
    world.gateway.sweep().await;
    world.drain().await;
    assert_eq!(world.posts_to(HOST).len(), 8);
}

#[tokio::test]
async fn retry_after_stretches_a_wait_up_to_double_and_never_shortens_it() {
    for (asked, least, most) in [
        ("8", 8_000, 8_000),
        ("3600", 10_000, 10_000),
        ("0", 4_000, 6_000),
        ("soon", 4_000, 6_000),
        ("-5", 4_000, 6_000),
    ] {
        let (world, channel, _) = subscribed().await;
        let headers = vec![("retry-after", asked.to_owned())];
        answers(&world, [Answer::Headed(429, headers, json!({}))]);
        world
            .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
            .await;
        world.drain().await;
        let wait = delivery(&world)["due_at"].as_i64().expect("a due time") - START_MS;
        assert!((least..=most).contains(&wait), "{asked}: {wait}");
    }
}

#[tokio::test]
async fn only_a_2xx_is_a_delivery() {
    for (status, delivered) in [
        (200, true),
        (201, true),
        (202, true),
        (204, true),
        (299, true),
        (301, false),
        (302, false),
        (304, false),
        (307, false),
        (400, false),
        (401, false),
        (404, false),
        (410, false),
        (500, false),
        (521, false),
    ] {
        let (world, channel, _) = subscribed().await;
        let headers = vec![("location", "https://elsewhere.example/".to_owned())];
        answers(&world, [Answer::Headed(status, headers, json!({}))]);
        world
            .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
            .await;
        world.drain().await;
        let row = delivery(&world);
        assert_eq!(row["status"] == "delivered", delivered, "{status}");
        assert_eq!(row["response_status"], status);
        assert!(world.posts_to("elsewhere.example").is_empty());
    }
}

#[tokio::test]
async fn what_is_still_due_to_a_deleted_endpoint_is_canceled() {
    let (world, channel, _) = subscribed().await;
    answers(&world, [Answer::Http(500, json!({}))]);
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    world.drain().await;
    let list = world.get("/v1/webhooks").await;
    let path = format!(
        "/v1/webhooks/{}",
        list["data"][0]["id"].as_str().expect("an id")
    );
    world
        .call(Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
    world.advance(10_000);
    world.drain().await;
    assert_eq!(world.posts_to(HOST).len(), 1);
    assert_eq!(delivery(&world)["status"], "canceled");
    assert_eq!(delivery(&world)["due_at"], Value::Null);
    // And nobody is told of what comes after.
    world
        .customer_writes(&channel, CUSTOMER, "wamid.2", "Hi")
        .await;
    world.drain().await;
    assert_eq!(world.posts_to(HOST).len(), 1);
    assert_eq!(world.database().count("SELECT COUNT(*) FROM delivery"), 1);
}

#[tokio::test]
async fn an_endpoint_hears_of_its_channel_and_of_its_events_only() {
    let world = World::new().await;
    let whatsapp = world.whatsapp().await;
    let telegram = world.telegram().await;
    let subscribe = async |url: &str, events: Value, channel: Value| {
        let body = json!({ "url": url, "events": events, "channelId": channel });
        world.post("/v1/webhooks", body).await.expect(201);
    };
    subscribe("https://all.example/", json!(["*"]), Value::Null).await;
    subscribe("https://whatsapp.example/", json!(["*"]), json!(whatsapp)).await;
    subscribe(
        "https://telegram.example/",
        json!(["message.*"]),
        json!(telegram),
    )
    .await;
    subscribe(
        "https://created.example/",
        json!(["conversation.created"]),
        Value::Null,
    )
    .await;
    subscribe(
        "https://read.example/",
        json!(["message.read"]),
        Value::Null,
    )
    .await;
    subscribe(
        "https://twice.example/",
        json!(["*", "message.received", "message.*"]),
        Value::Null,
    )
    .await;
    world
        .customer_writes(&whatsapp, CUSTOMER, "wamid.1", "Hi")
        .await;
    world.drain().await;
    let types = |host: &str| {
        let mut types: Vec<String> = world
            .requests_to(host)
            .iter()
            .map(|body| body["type"].as_str().expect("a type").to_owned())
            .collect();
        types.sort();
        types
    };
    let both = ["conversation.created", "message.received"];
    assert_eq!(types("all.example"), both);
    assert_eq!(types("whatsapp.example"), both);
    assert_eq!(types("telegram.example"), [""; 0]);
    assert_eq!(types("created.example"), ["conversation.created"]);
    assert_eq!(types("read.example"), [""; 0]);
    assert_eq!(types("twice.example"), both, "one event, one delivery");
}

#[tokio::test]
async fn two_endpoints_get_one_each_and_one_that_fails_holds_the_other_up_in_nothing() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world
        .subscribe("https://one.example/", &["message.received"])
        .await;
    world
        .subscribe("https://two.example/", &["message.received"])
        .await;
    answers(&world, [Answer::Http(500, json!({}))]);
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    world.drain().await;
    assert_eq!(world.posts_to("one.example").len(), 1);
    assert_eq!(world.posts_to("two.example").len(), 1);
    assert_eq!(
        world
            .database()
            .count("SELECT COUNT(*) FROM delivery WHERE status = 'delivered'"),
        1
    );
    let ids: Vec<String> = ["one.example", "two.example"]
        .iter()
        .map(|host| header(&world.posts_to(host)[0], "webhook-id").to_owned())
        .collect();
    assert_eq!(ids[0], ids[1], "the id is the event's");
    world.advance(10_000);
    world.drain().await;
    let posts = world.posts_to("one.example").len() + world.posts_to("two.example").len();
    assert_eq!(posts, 3);
}

#[tokio::test]
async fn another_workspace_hears_nothing() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let (_, key) = world.new_workspace("Mallory").await;
    let bearer = format!("Bearer {key}");
    let body = json!({ "url": "https://mallory.example/", "events": ["*"] });
    let headers = [("authorization", bearer.as_str())];
    world
        .call_with(Method::POST, "/v1/webhooks", &headers, body)
        .await
        .expect(201);
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    world.drain().await;
    assert!(world.posts_to("mallory.example").is_empty());
    assert_eq!(world.database().count("SELECT COUNT(*) FROM delivery"), 0);
}

#[tokio::test]
async fn hints_that_come_twice_make_one_post() {
    let (world, channel, _) = subscribed().await;
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    let hint = world
        .ports()
        .pushed
        .borrow()
        .iter()
        .find(|(queue, _, _)| *queue == Queue::Events)
        .and_then(|(_, push, _)| DeliveryHint::parse(&push.body))
        .expect("a hint");
    let thrice = vec![hint.clone(), hint.clone(), hint.clone()];
    world
        .gateway
        .publish(thrice.clone())
        .await
        .expect("published");
    world.gateway.publish(thrice).await.expect("published");
    world.drain().await;
    assert_eq!(world.posts_to(HOST).len(), 1);
    assert_eq!(delivery(&world)["attempt"], 1);
}

#[tokio::test]
async fn many_deliveries_hinted_at_together_are_each_made_once() {
    let (world, channel, _) = subscribed().await;
    for number in 0..20 {
        world
            .customer_writes(&channel, CUSTOMER, &format!("wamid.{number}"), "Hi")
            .await;
    }
    let hints: Vec<DeliveryHint> = world
        .ports()
        .pushed
        .borrow_mut()
        .drain(..)
        .filter_map(|(_, push, _)| DeliveryHint::parse(&push.body))
        .collect();
    assert_eq!(hints.len(), 20);
    world.gateway.publish(hints).await.expect("published");
    let mut ids: Vec<String> = world
        .posts_to(HOST)
        .iter()
        .map(|post| header(post, "webhook-id").to_owned())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), world.posts_to(HOST).len()), (20, 20));
    assert_eq!(
        world
            .database()
            .count("SELECT COUNT(*) FROM delivery WHERE status = 'delivered'"),
        20
    );
}

#[tokio::test]
async fn a_hint_of_nothing_is_left_alone() {
    let (world, _, _) = subscribed().await;
    let nothing = r#"{"endpoint_id":"0197a000-0000-7000-8000-000000000000","event_id":"0197a000-0000-7000-8000-000000000001"}"#;
    let hint = DeliveryHint::parse(nothing).expect("a hint");
    world.gateway.publish(vec![hint]).await.expect("published");
    world.gateway.publish(vec![]).await.expect("published");
    for garbage in ["", "{}", "null", "x", "{\"endpoint_id\":1}"] {
        assert!(DeliveryHint::parse(garbage).is_none(), "{garbage}");
    }
    assert!(world.posts_to(HOST).is_empty());
}

#[tokio::test]
async fn a_crash_between_the_post_and_its_record_delivers_again_under_the_same_id_after_the_lease()
{
    let (world, channel, _) = subscribed().await;
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    let hint = world
        .ports()
        .pushed
        .borrow_mut()
        .drain(..)
        .find_map(|(_, push, _)| DeliveryHint::parse(&push.body))
        .expect("a hint");
    // The claim goes through; the record, tried twice, does not.
    world
        .ports()
        .after_fetch
        .borrow_mut()
        .extend([Fault::Before, Fault::Before]);
    assert!(world.gateway.publish(vec![hint.clone()]).await.is_err());
    assert_eq!(world.posts_to(HOST).len(), 1);
    // While it is leased, nobody else takes it.
    world.gateway.publish(vec![hint]).await.expect("published");
    world.advance(20_000);
    world.gateway.sweep().await;
    world.drain().await;
    assert_eq!(world.posts_to(HOST).len(), 1);
    // After it, the sweep brings it back.
    world.advance(11_000);
    world.gateway.sweep().await;
    world.drain().await;
    let posts = world.posts_to(HOST);
    assert_eq!(posts.len(), 2);
    assert_eq!(
        header(&posts[0], "webhook-id"),
        header(&posts[1], "webhook-id")
    );
    assert_eq!(posts[0].body(), posts[1].body());
    assert_eq!(delivery(&world)["status"], "delivered");
}

#[tokio::test]
async fn a_record_that_runs_twice_counts_once() {
    let (world, channel, _) = subscribed().await;
    answers(&world, [Answer::Http(500, json!({}))]);
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    world.database().runs_twice.set(true);
    world.drain().await;
    assert_eq!(delivery(&world)["attempt"], 1);
    world.advance(10_000);
    world.drain().await;
    assert_eq!(delivery(&world)["attempt"], 2);
    assert_eq!(delivery(&world)["status"], "delivered");
    assert_eq!(world.posts_to(HOST).len(), 2);
}

#[tokio::test]
async fn a_claim_whose_answer_is_lost_is_still_delivered() {
    let (world, channel, _) = subscribed().await;
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    world.database().faults.borrow_mut().push(Fault::After);
    world.drain().await;
    assert_eq!(world.posts_to(HOST).len(), 1);
    assert_eq!(delivery(&world)["status"], "delivered");
}

#[tokio::test]
async fn deliveries_whose_push_was_lost_are_found_by_the_sweep_once() {
    let (world, channel, _) = subscribed().await;
    world.ports().refuses_pushes.set(true);
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    world.ports().refuses_pushes.set(false);
    world.gateway.sweep().await;
    assert!(
        world.ports().pushed.borrow().is_empty(),
        "too early to call it lost"
    );
    world.advance(8_000);
    world.gateway.sweep().await;
    assert_eq!(world.ports().pushed.borrow().len(), 1);
    world.gateway.sweep().await;
    assert_eq!(
        world.ports().pushed.borrow().len(),
        1,
        "stamped: not pushed twice"
    );
    world.drain().await;
    assert_eq!(world.posts_to(HOST).len(), 1);
}

#[tokio::test]
async fn one_event_is_told_once_however_often_its_report_comes() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world
        .subscribe(HOOK, &["message.delivered", "message.read", "message.sent"])
        .await;
    world
        .customer_writes(&channel, CUSTOMER, "wamid.in", "Hi")
        .await;
    let body =
        json!({ "from": channel, "to": CUSTOMER, "content": { "type": "text", "text": "Yes" } });
    world.post("/v1/messages", body).await.expect(202);
    world.drain().await;
    let at = START_MS / 1_000;
    for status in [
        "delivered",
        "read",
        "delivered",
        "read",
        "sent",
        "delivered",
    ] {
        world
            .from_meta(&channel, &whatsapp_status("wamid.1", status, at))
            .await
            .expect(200);
        world.drain().await;
    }
    let types: Vec<Value> = world
        .requests_to(HOST)
        .iter()
        .map(|body| body["type"].clone())
        .collect();
    assert_eq!(types, ["message.sent", "message.delivered", "message.read"]);
    let statuses: Vec<Value> = world
        .requests_to(HOST)
        .iter()
        .map(|body| body["data"]["message"]["status"].clone())
        .collect();
    assert_eq!(statuses, ["sent", "delivered", "read"]);
}

#[tokio::test]
async fn the_events_of_one_payload_each_tell_of_their_own_message() {
    let (world, channel, _) = subscribed().await;
    let mut payload = whatsapp_text(CUSTOMER, "wamid.1", "one", START_MS / 1_000);
    let mut second = payload["entry"][0].clone();
    second["changes"][0]["value"]["messages"][0]["id"] = json!("wamid.2");
    second["changes"][0]["value"]["messages"][0]["text"]["body"] = json!("two");
    payload["entry"]
        .as_array_mut()
        .expect("a list")
        .push(second);
    world.from_meta(&channel, &payload).await.expect(200);
    world.drain().await;
    let mut texts: Vec<String> = world
        .requests_to(HOST)
        .iter()
        .map(|body| body["data"]["message"]["content"]["text"].to_string())
        .collect();
    texts.sort();
    assert_eq!(texts, ["\"one\"", "\"two\""]);
}

#[tokio::test]
async fn ended_deliveries_and_their_events_are_purged_after_retention_and_not_before() {
    let (world, channel, _) = subscribed().await;
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    world.drain().await;
    let rows = |table: &str| {
        world
            .database()
            .count(&format!("SELECT COUNT(*) FROM {table}"))
    };
    world.advance(29 * 24 * HOUR_MS);
    for _ in 0..20 {
        world.gateway.sweep().await;
    }
    assert_eq!((rows("event"), rows("delivery")), (1, 1));
    world.advance(24 * HOUR_MS + 1);
    for _ in 0..20 {
        world.gateway.sweep().await;
    }
    assert_eq!((rows("event"), rows("delivery")), (0, 0));
    assert_eq!((rows("endpoint"), rows("message")), (1, 1));
    // A repeat of a webhook from before is still no news.
    world
        .from_meta(
            &channel,
            &whatsapp_text(CUSTOMER, "wamid.1", "Hi", START_MS / 1_000),
        )
        .await
        .expect(200);
    world.drain().await;
    assert_eq!(world.posts_to(HOST).len(), 1);
}

#[tokio::test]
async fn a_deleted_endpoint_goes_with_its_last_delivery() {
    let (world, channel, _) = subscribed().await;
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    world.drain().await;
    let list = world.get("/v1/webhooks").await;
    let path = format!(
        "/v1/webhooks/{}",
        list["data"][0]["id"].as_str().expect("an id")
    );
    world
        .call(Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
    assert!(
        !world.database().dump().contains(HOOK),
        "its URL is gone at once"
    );
    world.gateway.sweep().await;
    assert_eq!(world.database().count("SELECT COUNT(*) FROM delivery"), 0);
    assert_eq!(world.database().count("SELECT COUNT(*) FROM endpoint"), 0);
}

#[tokio::test]
async fn an_endpoint_whose_secret_does_not_open_is_told_nothing_and_breaks_nothing() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world
        .subscribe("https://broken.example/", &["message.received"])
        .await;
    world
        .database()
        .query("UPDATE endpoint SET secret = 'v1.00000000.AAAA'");
    world.subscribe(HOOK, &["message.received"]).await;
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    world.drain().await;
    assert!(world.posts_to("broken.example").is_empty());
    assert_eq!(world.posts_to(HOST).len(), 1);
    assert_eq!(
        world
            .database()
            .count("SELECT COUNT(*) FROM delivery WHERE status = 'failed'"),
        1
    );
}

#[tokio::test]
async fn secrets_of_two_endpoints_swapped_in_the_database_do_not_open() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world
        .subscribe("https://one.example/", &["message.received"])
        .await;
    world
        .subscribe("https://two.example/", &["message.received"])
        .await;
    world
        .database()
        .query("CREATE TEMP TABLE old AS SELECT id, secret FROM endpoint");
    world.database().query(
        "UPDATE endpoint SET secret = (SELECT o.secret FROM old o WHERE o.id <> endpoint.id)",
    );
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    world.drain().await;
    assert!(world.posts_to("one.example").is_empty() && world.posts_to("two.example").is_empty());
    assert!(
        world
            .database()
            .count("SELECT COUNT(*) FROM delivery WHERE status = 'failed'")
            >= 1
    );
}

#[tokio::test]
async fn a_deleted_endpoints_answer_that_was_lost_is_still_answered_as_done() {
    let world = World::new().await;
    let endpoint = world.subscribe(HOOK, &["*"]).await;
    let path = format!("/v1/webhooks/{}", endpoint["id"].as_str().expect("an id"));
    world.database().runs_twice.set(true);
    world
        .call(Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
}

#[tokio::test]
async fn what_a_subscriber_answers_is_kept_short() {
    let (world, channel, _) = subscribed().await;
    answers(&world, [Answer::Http(500, json!("é".repeat(10_000)))]);
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    world.drain().await;
    let kept = delivery(&world)["response_detail"].as_str().map(str::len);
    assert!(
        kept.is_some_and(|kept| (1..=1_100).contains(&kept)),
        "{kept:?}"
    );
}
