//! What became of deliveries: shown, sent once more, recovered, fanned out, signed anew.

use crate::support::world::{CUSTOMER, START_MS};
use crate::support::{Answer, World};
use bytes::Bytes;
use http::{Method, Request};
use patchbay::model::time::Timestamp;
use patchbay::webhook;
use serde_json::{Value, json};

const HOST: &str = "subscriber.example";
const HOOK: &str = "https://subscriber.example/hook";
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

fn header<'a>(request: &'a Request<Bytes>, name: &str) -> &'a str {
    let value = request.headers().get(name);
    value.and_then(|value| value.to_str().ok()).unwrap_or("")
}

fn answers(world: &World, answers: impl IntoIterator<Item = Answer>) {
    world.ports().answers.borrow_mut().extend(answers);
}

fn refusals(count: usize) -> Vec<Answer> {
    vec![Answer::Http(500, json!({ "no": "thanks" })); count]
}

/// A world with a channel, and the path and secret of an endpoint for what is received.
async fn subscribed() -> (World, String, String, String) {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let made = world.subscribe(HOOK, &["message.received"]).await;
    let path = format!("/v1/webhooks/{}", made["id"].as_str().expect("an id"));
    let secret = made["secret"].as_str().expect("a secret").to_owned();
    (world, channel, path, secret)
}

/// The customer writes so many messages, a second apart, and all that is due is delivered.
async fn receives(world: &World, channel: &str, numbers: std::ops::Range<usize>) {
    for number in numbers {
        world.advance(1_000);
        let id = format!("wamid.{number}");
        world.customer_writes(channel, CUSTOMER, &id, "Hi").await;
        world.drain().await;
    }
}

async fn deliveries(world: &World, path: &str, query: &str) -> Vec<Value> {
    let page = world.get(&format!("{path}/deliveries{query}")).await;
    page["data"].as_array().expect("a page").clone()
}

#[tokio::test]
async fn deliveries_are_listed_newest_first_with_what_the_subscriber_said() {
    let (world, channel, path, _) = subscribed().await;
    receives(&world, &channel, 0..1).await;
    answers(&world, refusals(1));
    receives(&world, &channel, 1..2).await;
    let listed = deliveries(&world, &path, "").await;
    assert_eq!(listed.len(), 2);
    let [failed, delivered] = [&listed[0], &listed[1]];
    assert_eq!(failed["status"], "pending");
    assert_eq!(failed["type"], "message.received");
    assert_eq!(failed["attempts"], 1);
    assert_eq!(failed["responseStatus"], 500);
    assert_eq!(failed["response"], r#"{"no":"thanks"}"#);
    assert!(failed["nextAttemptAt"].is_string());
    assert_eq!(failed["endedAt"], Value::Null);
    assert_eq!(failed["id"], failed["eventId"]);
    assert_eq!(delivered["status"], "delivered");
    assert_eq!(delivered["nextAttemptAt"], Value::Null);
    assert_eq!(delivered["endedAt"], "2026-11-20T08:00:01.000Z");
    assert_eq!(
        header(&world.posts_to(HOST)[0], "webhook-id"),
        delivered["id"]
    );
    for (query, count) in [
        ("delivered", 1),
        ("pending", 1),
        ("failed", 0),
        ("waiting", 0),
    ] {
        let query = format!("?status={query}");
        assert_eq!(
            deliveries(&world, &path, &query).await.len(),
            count,
            "{query}"
        );
    }
    let wrong = world
        .call(
            Method::GET,
            &format!("{path}/deliveries?status=lost"),
            Value::Null,
        )
        .await
        .expect(422);
    assert_eq!(wrong["errors"][0]["pointer"], "/status");
}

#[tokio::test]
async fn deliveries_are_listed_in_pages_without_gaps_or_repeats() {
    let (world, channel, path, _) = subscribed().await;
    receives(&world, &channel, 0..7).await;
    let mut seen = Vec::new();
    let mut query = "?limit=3&status=delivered".to_owned();
    loop {
        let page = world.get(&format!("{path}/deliveries{query}")).await;
        seen.extend(
            page["data"]
                .as_array()
                .expect("a page")
                .iter()
                .map(|it| it["id"].clone()),
        );
        let Some(cursor) = page["nextCursor"].as_str() else {
            break;
        };
        query = format!("?limit=3&status=delivered&cursor={cursor}");
    }
    let mut posted: Vec<Value> = world
        .posts_to(HOST)
        .iter()
        .map(|post| json!(header(post, "webhook-id")))
        .collect();
    posted.reverse();
    assert_eq!(seen, posted);
}

#[tokio::test]
async fn an_ended_delivery_is_sent_again_under_its_id_with_a_fresh_signature() {
    let (world, channel, path, secret) = subscribed().await;
    receives(&world, &channel, 0..1).await;
    let first = &deliveries(&world, &path, "").await[0];
    let resend = format!(
        "{path}/deliveries/{}/resend",
        first["id"].as_str().expect("an id")
    );
    world.advance(HOUR_MS);
    world.database().runs_twice.set(true);
    let resent = world.post(&resend, Value::Null).await.expect(200);
    world.database().runs_twice.set(false);
    assert_eq!(resent["status"], "pending");
    // Asked for twice before it went, it goes once.
    world.post(&resend, Value::Null).await.expect(200);
    world.advance(8_000);
    world.gateway.sweep().await;
    world.drain().await;
    let posts = world.posts_to(HOST);
    assert_eq!(posts.len(), 2);
    assert_eq!(
        header(&posts[0], "webhook-id"),
        header(&posts[1], "webhook-id")
    );
    assert_eq!(posts[0].body(), posts[1].body());
    let at = world.ports().now_ms.get();
    assert_eq!(
        header(&posts[1], "webhook-timestamp"),
        (at / 1_000).to_string()
    );
    let id = header(&posts[1], "webhook-id");
    let signed = webhook::sign(&[&secret], id, Timestamp::from_ms(at), posts[1].body());
    assert_eq!(
        header(&posts[1], "webhook-signature"),
        signed.expect("signed").signature
    );
    assert_eq!(deliveries(&world, &path, "").await[0]["attempts"], 2);
    let nobodys = format!("{path}/deliveries/0197a000-0000-7000-8000-000000000000/resend");
    world.post(&nobodys, Value::Null).await.expect(404);
}

#[tokio::test]
async fn what_was_given_up_and_is_sent_again_has_a_schedule_of_its_own() {
    let (world, channel, path, _) = subscribed().await;
    answers(&world, refusals(9));
    receives(&world, &channel, 0..1).await;
    for _ in 0..7 {
        world.advance(13 * HOUR_MS);
        world.gateway.sweep().await;
        world.drain().await;
    }
    let failed = &deliveries(&world, &path, "?status=failed").await[0];
    assert_eq!(failed["attempts"], 8);
    let ids = json!({ "ids": [failed["id"], "0197a000-0000-7000-8000-000000000000"] });
    let many = format!("{path}/deliveries/resend");
    let resent = world.post(&many, ids).await.expect(200);
    assert_eq!(resent["data"].as_array().map(Vec::len), Some(1));
    world.drain().await;
    let again = &deliveries(&world, &path, "").await[0];
    assert_eq!(
        (&again["status"], &again["attempts"]),
        (&json!("pending"), &json!(9))
    );
    world.advance(7_000);
    world.drain().await;
    assert_eq!(
        deliveries(&world, &path, "").await[0]["status"],
        "delivered"
    );
    for ids in [
        json!([]),
        json!(["x"]),
        json!(vec![failed["id"].clone(); 101]),
    ] {
        world.post(&many, json!({ "ids": ids })).await.expect(422);
    }
}

#[tokio::test]
async fn all_that_failed_since_a_time_is_recovered_in_portions_and_the_sweep_does_the_rest() {
    let (world, channel, path, _) = subscribed().await;
    receives(&world, &channel, 0..3).await;
    world.advance(HOUR_MS);
    let since = Timestamp::from_ms(world.ports().now_ms.get()).to_rfc3339();
    for number in 3..253 {
        let id = format!("wamid.{number}");
        world.customer_writes(&channel, CUSTOMER, &id, "Hi").await;
    }
    world
        .database()
        .query("UPDATE delivery SET status = 'failed', due_at = NULL, ended_at = 1, attempt = 8");
    world.ports().pushed.borrow_mut().clear();
    let before = world.posts_to(HOST).len();
    let recover = format!("{path}/recover");
    let body = json!({ "since": since });
    let first = world.post(&recover, body).await.expect(200);
    assert_eq!(first, json!({ "resent": 100, "hasMore": true }));
    world.drain().await;
    assert_eq!(world.posts_to(HOST).len(), before + 100);
    for _ in 0..2 {
        world.gateway.sweep().await;
        world.drain().await;
    }
    assert_eq!(world.posts_to(HOST).len(), before + 250);
    assert_eq!(
        deliveries(&world, &path, "?status=failed").await.len(),
        3,
        "of before"
    );
    assert_eq!(
        world
            .database()
            .count("SELECT COUNT(*) FROM endpoint WHERE recover_after IS NOT NULL"),
        0
    );
    world
        .post(&recover, json!({ "since": "yesterday" }))
        .await
        .expect(422);
    world.post(&recover, json!({})).await.expect(422);
}

#[tokio::test]
async fn while_two_secrets_live_both_sign_in_every_style() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let styles = [
        ("standard", "webhook-signature"),
        ("visito", "x-visito-signature"),
        ("chatt2me", "x-hub-signature"),
        ("cloove", "cloove-signature"),
    ];
    let mut secrets = Vec::new();
    for (style, _) in styles {
        let body = json!({ "url": format!("https://{style}.example/"), "events": ["message.received"], "style": style });
        let made = world.post("/v1/webhooks", body).await.expect(201);
        let rotate = format!(
            "/v1/webhooks/{}/rotate-secret",
            made["id"].as_str().expect("an id")
        );
        world.database().runs_twice.set(true);
        let rotated = world.post(&rotate, Value::Null).await.expect(200);
        world.database().runs_twice.set(false);
        assert!(
            rotated["secret"]
                .as_str()
                .is_some_and(|it| it.starts_with("whsec_"))
        );
        let secret = |of: &Value| of["secret"].as_str().expect("a secret").to_owned();
        assert_ne!(secret(&made), secret(&rotated));
        assert!(!world.database().dump().contains(&secret(&rotated)));
        secrets.push([secret(&rotated), secret(&made)]);
    }
    for (wait, living) in [(0, 2), (24 * HOUR_MS, 1)] {
        world.advance(wait);
        world.ports().requests.borrow_mut().clear();
        let id = format!("wamid.{wait}");
        world.customer_writes(&channel, CUSTOMER, &id, "Hi").await;
        world.drain().await;
        let at = Timestamp::from_ms(world.ports().now_ms.get());
        for ((style, name), secrets) in styles.iter().zip(&secrets) {
            let post = &world.posts_to(&format!("{style}.example"))[0];
            let secrets: Vec<&str> = secrets.iter().take(living).map(String::as_str).collect();
            let signed = webhook::sign(&secrets, header(post, "webhook-id"), at, post.body());
            assert_eq!(
                header(post, "webhook-signature"),
                signed.expect("signed").signature
            );
            if *style != "standard" {
                let stamp = webhook::stamp(&secrets, at, post.body());
                assert_eq!(header(post, name), stamp.expect("stamped"), "{style}");
            }
        }
    }
}

#[tokio::test]
async fn a_new_encryption_key_in_front_signs_and_seals_and_the_old_one_still_opens() {
    let (mut world, channel, path, secret) = subscribed().await;
    let keys =
        "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let config = std::rc::Rc::get_mut(&mut world.gateway.config).expect("nobody else's");
    config.vault = patchbay::gateway::Vault::parse(keys).expect("two keys");
    let rotate = format!("{path}/rotate-secret");
    let rotated = world.post(&rotate, Value::Null).await.expect(200);
    receives(&world, &channel, 0..1).await;
    let post = &world.posts_to(HOST)[0];
    let secrets = [rotated["secret"].as_str().expect("a secret"), &secret];
    let at = Timestamp::from_ms(world.ports().now_ms.get());
    let signed = webhook::sign(&secrets, header(post, "webhook-id"), at, post.body());
    assert_eq!(
        header(post, "webhook-signature"),
        signed.expect("signed").signature
    );
}

#[tokio::test]
async fn what_is_past_retention_goes_also_where_it_was_sent_again() {
    let (world, channel, path, _) = subscribed().await;
    receives(&world, &channel, 0..1).await;
    world.advance(30 * 24 * HOUR_MS - MINUTE_MS);
    answers(&world, refusals(9));
    let id = deliveries(&world, &path, "").await[0]["id"].clone();
    let resend = format!("{path}/deliveries/resend");
    let again = json!({ "ids": [id] });
    world.post(&resend, again).await.expect(200);
    world.drain().await;
    for _ in 0..20 {
        world.advance(MINUTE_MS);
        world.gateway.sweep().await;
        world.drain().await;
    }
    for table in ["event", "delivery"] {
        let count = format!("SELECT COUNT(*) FROM {table}");
        assert_eq!(world.database().count(&count), 0, "{table}");
    }
}

#[tokio::test]
async fn a_test_tells_what_the_subscriber_answers_and_leaves_nothing_behind() {
    for style in ["standard", "visito", "chatt2me", "cloove"] {
        let world = World::new().await;
        let body = json!({ "url": HOOK, "events": ["message.*"], "style": style });
        let made = world.post("/v1/webhooks", body).await.expect(201);
        let test = format!("/v1/webhooks/{}/test", made["id"].as_str().expect("an id"));
        let good = world.post(&test, Value::Null).await.expect(200);
        assert_eq!(good["delivered"], true, "{style}: {good}");
        assert_eq!(good["responseStatus"], 200);
        assert!(good["durationMs"].is_i64());
        let post = &world.posts_to(HOST)[0];
        assert_eq!(header(post, "webhook-id"), good["eventId"]);
        let body: Value = serde_json::from_slice(post.body()).expect("JSON");
        assert!(body.to_string().contains("This is a test."), "{body}");
        answers(&world, [Answer::Http(418, json!("tea")), Answer::NoAnswer]);
        let bad = world.post(&test, Value::Null).await.expect(200);
        assert_eq!(
            (&bad["delivered"], &bad["responseStatus"]),
            (&json!(false), &json!(418))
        );
        assert_eq!(bad["response"], "\"tea\"");
        let silent = world.post(&test, Value::Null).await.expect(200);
        assert_eq!(silent["responseStatus"], Value::Null);
        for table in ["delivery", "event", "message"] {
            let count = format!("SELECT COUNT(*) FROM {table}");
            assert_eq!(world.database().count(&count), 0, "{table}");
        }
    }
}

#[tokio::test]
async fn a_thousand_endpoints_are_told_in_portions_and_each_once() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world
        .subscribe("https://e0.example/", &["message.received"])
        .await;
    let written = || world.database().count("SELECT total_changes()");
    let before = written();
    world
        .customer_writes(&channel, "5511777777777", "wamid.0", "Hi")
        .await;
    let of_one = written() - before;
    world.drain().await;
    world.database().query(&format!(
        "INSERT INTO endpoint (workspace_id, id, url, events, style, headers, status, secret, created_at)
         SELECT '{}', printf('00000000-0000-7000-8000-%012d', n), 'https://e.example/' || n, '[\"message.*\"]', 'standard', '{{}}',
           CASE WHEN n % 100 = 0 THEN 'paused' ELSE 'enabled' END, 'x', 1
         FROM (WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1000) SELECT n FROM n)",
        world.workspace
    ));
    let before = written();
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    assert!(written() - before <= of_one, "no more rows than for one");
    assert_eq!(
        world.ports().pushed.borrow().len(),
        1,
        "one hint for all of them"
    );
    world.database().runs_twice.set(true);
    world.drain().await;
    world.database().runs_twice.set(false);
    // What that lost is found again.
    world.advance(9_000);
    world.gateway.sweep().await;
    world.drain().await;
    // The others' secrets do not open, which is what is seen of them here.
    let counts = |status: &str| {
        let count = format!("SELECT COUNT(*) FROM delivery WHERE status = '{status}'");
        world.database().count(&count)
    };
    assert_eq!(counts("delivered"), 2);
    assert_eq!(counts("failed"), 990);
    assert_eq!(counts("waiting"), 10);
    assert_eq!(
        world.database().count("SELECT COUNT(*) FROM delivery"),
        1_002
    );
    assert_eq!(world.posts_to("e0.example").len(), 2);
}

#[tokio::test]
async fn a_fan_out_that_broke_off_is_gone_on_with_by_the_sweep() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    for number in 0..30 {
        world.advance(1);
        let url = format!("https://e.example/{number}");
        world.subscribe(&url, &["message.received"]).await;
    }
    world.advance(1);
    world.ports().refuses_pushes.set(true);
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    world.ports().refuses_pushes.set(false);
    // Who subscribes after it happened is not told.
    world.advance(1);
    world
        .subscribe("https://late.example/", &["message.received"])
        .await;
    world.advance(9_000);
    world.gateway.sweep().await;
    world.drain().await;
    assert_eq!(world.posts_to("e.example").len(), 30);
    assert!(world.posts_to("late.example").is_empty());
    assert_eq!(world.database().count("SELECT COUNT(*) FROM delivery"), 30);
}

#[tokio::test]
async fn what_erases_an_event_ends_its_fan_out() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    for number in 0..25 {
        let url = format!("https://e.example/{number}");
        world.subscribe(&url, &["message.received"]).await;
    }
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    let contact = world.get("/v1/contacts").await["data"][0]["id"].clone();
    let path = format!("/v1/contacts/{}", contact.as_str().expect("an id"));
    world
        .call(Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
    for _ in 0..3 {
        world.gateway.sweep().await;
    }
    world.drain().await;
    assert_eq!(world.database().count("SELECT COUNT(*) FROM delivery"), 0);
    assert!(world.posts_to("e.example").is_empty());
}

#[tokio::test]
async fn custom_headers_are_encrypted_at_rest_and_those_stored_before_still_go() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let body = json!({ "url": HOOK, "events": ["message.received"], "headers": { "X-Token": "very-secret" } });
    let made = world.post("/v1/webhooks", body).await.expect(201);
    assert_eq!(made["headerNames"], json!(["X-Token"]));
    assert!(!world.database().dump().contains("very-secret"));
    receives(&world, &channel, 0..1).await;
    assert_eq!(header(&world.posts_to(HOST)[0], "x-token"), "very-secret");
    world
        .database()
        .query(r#"UPDATE endpoint SET headers = '{"X-Token":"of old"}'"#);
    receives(&world, &channel, 1..2).await;
    assert_eq!(header(&world.posts_to(HOST)[1], "x-token"), "of old");
}

#[tokio::test]
async fn a_url_that_may_not_be_called_any_more_is_not() {
    let (world, channel, path, _) = subscribed().await;
    world
        .database()
        .query("UPDATE endpoint SET url = 'https://10.0.0.1/hook'");
    receives(&world, &channel, 0..1).await;
    assert!(world.posts_to("10.0.0.1").is_empty());
    let failed = &deliveries(&world, &path, "").await[0];
    assert_eq!(failed["status"], "failed");
    assert_eq!(failed["response"], "the endpoint's URL may not be called");
}

#[tokio::test]
async fn another_workspace_sees_and_moves_none_of_it() {
    let (world, channel, path, _) = subscribed().await;
    receives(&world, &channel, 0..1).await;
    let delivery = deliveries(&world, &path, "").await[0]["id"].clone();
    let (_, key) = world.new_workspace("Mallory").await;
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    let delivery = delivery.as_str().expect("an id");
    for (method, path, body) in [
        (Method::GET, format!("{path}/deliveries"), Value::Null),
        (Method::PATCH, path.clone(), json!({ "status": "paused" })),
        (Method::POST, format!("{path}/rotate-secret"), Value::Null),
        (Method::POST, format!("{path}/test"), Value::Null),
        (
            Method::POST,
            format!("{path}/deliveries/{delivery}/resend"),
            Value::Null,
        ),
        (
            Method::POST,
            format!("{path}/deliveries/resend"),
            json!({ "ids": [delivery] }),
        ),
        (
            Method::POST,
            format!("{path}/recover"),
            json!({ "since": "2026-01-01T00:00:00Z" }),
        ),
    ] {
        let before = world.database().dump();
        let reply = world.call_with(method, &path, &headers, body).await;
        assert_eq!(reply.status, 404, "{path}");
        assert_eq!(world.database().dump(), before, "{path}");
    }
    assert_eq!(world.posts_to(HOST).len(), 1);
    assert!(START_MS < world.ports().now_ms.get());
}
