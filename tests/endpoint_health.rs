//! Endpoints that fail, are gone, hang, or are paused: what becomes of them and of the others.

use crate::support::world::CUSTOMER;
use crate::support::{Answer, World};
use http::Method;
use patchbay::gateway::DeliveryHint;
use serde_json::{Value, json};

const HOOK: &str = "https://subscriber.example/hook";
const HOST: &str = "subscriber.example";
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

fn answers(world: &World, answers: impl IntoIterator<Item = Answer>) {
    world.ports().answers.borrow_mut().extend(answers);
}

/// A world with a channel and an endpoint for what is received; the endpoint's path.
async fn subscribed() -> (World, String, String) {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let path = subscribe(&world, HOOK).await;
    (world, channel, path)
}

async fn subscribe(world: &World, url: &str) -> String {
    let made = world.subscribe(url, &["message.received"]).await;
    format!("/v1/webhooks/{}", made["id"].as_str().expect("an id"))
}

async fn patch(world: &World, path: &str, body: Value) -> Value {
    world.call(Method::PATCH, path, body).await.expect(200)
}

async fn writes(world: &World, channel: &str, number: usize) {
    let id = format!("wamid.{number}");
    world.customer_writes(channel, CUSTOMER, &id, "Hi").await;
}

async fn statuses(world: &World, path: &str) -> Vec<String> {
    let page = world.get(&format!("{path}/deliveries?limit=100")).await;
    let rows = page["data"].as_array().expect("a page").iter();
    rows.map(|row| row["status"].as_str().expect("a status").to_owned())
        .collect()
}

/// The hints that are in the queue, all of them.
fn hints(world: &World) -> Vec<DeliveryHint> {
    let pushed = world
        .ports()
        .pushed
        .borrow_mut()
        .drain(..)
        .collect::<Vec<_>>();
    pushed
        .iter()
        .filter_map(|(_, push, _)| DeliveryHint::parse(&push.body))
        .collect()
}

#[tokio::test]
async fn a_410_disables_at_once_and_the_other_endpoints_are_told() {
    let (world, channel, path) = subscribed().await;
    for (url, style, channel_id) in [
        ("https://standard.example/", "standard", json!(null)),
        ("https://cloove.example/", "cloove", json!(null)),
        ("https://visito.example/", "visito", json!(null)),
        ("https://bound.example/", "standard", json!(channel)),
    ] {
        let events = if style == "visito" {
            "*"
        } else {
            "webhook.disabled"
        };
        let body =
            json!({ "url": url, "events": [events], "style": style, "channelId": channel_id });
        world.post("/v1/webhooks", body).await.expect(201);
    }
    let (_, key) = world.new_workspace("Mallory").await;
    let bearer = format!("Bearer {key}");
    let body = json!({ "url": "https://mallory.example/", "events": ["*"] });
    let headers = [("authorization", bearer.as_str())];
    world
        .call_with(Method::POST, "/v1/webhooks", &headers, body)
        .await
        .expect(201);
    patch(&world, &path, json!({ "events": ["*"] })).await;
    writes(&world, &channel, 0).await;
    // The first to be called is the oldest endpoint.
    answers(&world, [Answer::Http(410, json!("gone"))]);
    world.database().runs_twice.set(true);
    let hint = hints(&world)
        .into_iter()
        .find(|hint| path.ends_with(&hint.endpoint_id.to_string()));
    world
        .gateway
        .publish(vec![hint.expect("a hint")])
        .await
        .expect("published");
    world.database().runs_twice.set(false);
    world.advance(9_000);
    world.gateway.sweep().await;
    world.drain().await;

    let shown = world.get(&path).await;
    assert_eq!(shown["status"], "disabled");
    assert_eq!(shown["disabledReason"], "gone");
    assert_eq!(shown["disabledAt"], "2026-11-20T08:00:00.000Z");
    let told = world.requests_to("standard.example");
    assert_eq!(told.len(), 1, "once");
    assert_eq!(told[0]["type"], "webhook.disabled");
    let id = path.trim_start_matches("/v1/webhooks/");
    let webhook =
        json!({ "id": id, "url": HOOK, "reason": "gone", "since": "2026-11-20T08:00:00.000Z" });
    assert_eq!(
        told[0]["data"],
        json!({ "workspaceId": world.workspace, "webhook": webhook })
    );
    let told = world.requests_to("cloove.example");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["data"], json!({ "webhook": webhook }));
    assert!(
        world.requests_to("bound.example").is_empty(),
        "it is of no one channel"
    );
    let of_disabled = |host: &str| {
        let requests = world.requests_to(host);
        requests
            .iter()
            .filter(|body| body.to_string().contains("disabled"))
            .count()
    };
    for host in ["visito.example", "mallory.example", HOST] {
        assert_eq!(of_disabled(host), 0, "{host}");
    }
}

#[tokio::test]
async fn a_disabled_endpoint_is_called_no_more_and_what_waited_is_sent_once_it_is_enabled() {
    let (world, channel, path) = subscribed().await;
    answers(
        &world,
        [Answer::Http(500, json!({})), Answer::Http(410, json!({}))],
    );
    writes(&world, &channel, 0).await;
    world.drain().await;
    writes(&world, &channel, 1).await;
    world.drain().await;
    writes(&world, &channel, 2).await;
    world.drain().await;
    for _ in 0..3 {
        world.advance(10 * HOUR_MS);
        world.gateway.sweep().await;
        world.drain().await;
    }
    assert_eq!(world.posts_to(HOST).len(), 2);
    assert_eq!(statuses(&world, &path).await, ["waiting"; 3]);
    assert!(
        world.ports().pushed.borrow().is_empty(),
        "nothing is pushed for it"
    );

    world.database().runs_twice.set(true);
    let enabled = patch(&world, &path, json!({ "status": "enabled" })).await;
    world.database().runs_twice.set(false);
    for field in ["failingSince", "disabledAt", "disabledReason"] {
        assert_eq!(enabled[field], Value::Null, "{field}");
    }
    assert_eq!(enabled["status"], "enabled");
    world.advance(9_000);
    world.gateway.sweep().await;
    world.drain().await;
    assert_eq!(statuses(&world, &path).await, ["delivered"; 3]);
    assert_eq!(world.posts_to(HOST).len(), 5);
}

#[tokio::test]
async fn five_days_of_nothing_but_failures_disable_and_one_success_starts_anew() {
    for succeeds_on in [None, Some(3)] {
        let (world, channel, path) = subscribed().await;
        let other = "https://other.example/";
        let body = json!({ "url": other, "events": ["webhook.disabled"] });
        world.post("/v1/webhooks", body).await.expect(201);
        for day in 0..6 {
            let status = if succeeds_on == Some(day) { 200 } else { 503 };
            world.ports().answers.borrow_mut().clear();
            answers(&world, vec![Answer::Http(status, json!({})); 40]);
            assert_eq!(world.get(&path).await["status"], "enabled", "day {day}");
            writes(&world, &channel, day).await;
            world.drain().await;
            if day == 5 {
                break;
            }
            // The retries of the days before fail or succeed as that day does.
            world.advance(DAY_MS);
        }
        let shown = world.get(&path).await;
        world.ports().answers.borrow_mut().clear();
        world.drain().await;
        if succeeds_on.is_some() {
            assert_eq!(shown["status"], "enabled");
            assert_eq!(shown["failingSince"], "2026-11-24T08:00:00.000Z");
            assert!(world.requests_to("other.example").is_empty());
        } else {
            assert_eq!(shown["status"], "disabled");
            assert_eq!(shown["disabledReason"], "failing");
            let told = world.requests_to("other.example");
            assert_eq!(
                told[0]["data"]["webhook"]["since"],
                "2026-11-20T08:00:00.000Z"
            );
            assert_eq!(told.len(), 1);
        }
    }
}

#[tokio::test]
async fn what_happens_while_an_endpoint_is_paused_waits_and_is_sent_in_portions() {
    let (world, channel, path) = subscribed().await;
    writes(&world, &channel, 0).await;
    let paused = patch(&world, &path, json!({ "status": "paused" })).await;
    assert_eq!(paused["status"], "paused");
    world.drain().await;
    for number in 1..150 {
        writes(&world, &channel, number).await;
    }
    assert!(
        world.ports().pushed.borrow().is_empty(),
        "what waits is not hinted at"
    );
    assert!(world.posts_to(HOST).is_empty());
    patch(&world, &path, json!({ "status": "enabled" })).await;
    world.drain().await;
    assert_eq!(world.posts_to(HOST).len(), 100);
    world.gateway.sweep().await;
    world.drain().await;
    assert_eq!(world.posts_to(HOST).len(), 150);
    for wrong in ["disabled", "deleted", "active", ""] {
        let body = json!({ "status": wrong });
        let refused = world.call(Method::PATCH, &path, body).await.expect(422);
        assert_eq!(refused["errors"][0]["pointer"], "/status");
    }
}

#[tokio::test]
async fn an_endpoint_is_changed_as_it_is_asked_and_in_nothing_else() {
    let (world, channel, path) = subscribed().await;
    let body = json!({ "url": "https://new.example/", "headers": { "X-Shop": "1" }, "channelId": channel });
    let changed = patch(&world, &path, body).await;
    assert_eq!(changed["url"], "https://new.example/");
    assert_eq!(changed["headerNames"], json!(["X-Shop"]));
    assert_eq!(changed["channelId"], channel.as_str());
    assert_eq!(changed["events"], json!(["message.received"]));
    assert_eq!(changed.get("secret"), None);
    let changed = patch(
        &world,
        &path,
        json!({ "channelId": null, "style": "cloove", "events": ["*"] }),
    )
    .await;
    assert_eq!(changed["channelId"], Value::Null);
    assert_eq!(
        (&changed["style"], &changed["events"]),
        (&json!("cloove"), &json!(["*"]))
    );
    assert_eq!(changed, world.get(&path).await);
    assert_eq!(
        patch(&world, &path, json!({})).await["url"],
        "https://new.example/"
    );
    for (body, pointer, status) in [
        (json!({ "url": "https://localhost/" }), "/url", 422),
        (json!({ "events": [] }), "/events", 422),
        (json!({ "style": "xml" }), "/style", 422),
        (
            json!({ "style": "visito", "events": ["channel.updated"] }),
            "/events/0",
            422,
        ),
        (json!({ "headers": { "Host": "x" } }), "/headers/Host", 422),
        (
            json!({ "channelId": "0197a000-0000-7000-8000-000000000000" }),
            "/channelId",
            404,
        ),
    ] {
        let refused = world.call(Method::PATCH, &path, body).await.expect(status);
        assert_eq!(refused["errors"][0]["pointer"], pointer);
    }
    writes(&world, &channel, 0).await;
    world.drain().await;
    assert!(
        world
            .requests_to("new.example")
            .iter()
            .any(|body| body["type"] == "message.received")
    );
}

// One endpoint beside others

#[tokio::test]
async fn an_endpoint_that_hangs_takes_one_place_and_the_others_go_on() {
    let (world, channel, slow) = subscribed().await;
    answers(&world, [Answer::NoAnswer]);
    writes(&world, &channel, 0).await;
    world.drain().await;
    assert_eq!(
        world.get(&slow).await["failingSince"],
        "2026-11-20T08:00:00.000Z"
    );
    subscribe(&world, "https://quick.example/").await;
    for number in 1..21 {
        writes(&world, &channel, number).await;
    }
    let hints = hints(&world);
    assert_eq!(hints.len(), 41, "and the retry of the first");
    world.ports().stalls_host.replace(Some(HOST.to_owned()));
    let before = world.posts_to(HOST).len();
    let publish = world.gateway.publish(hints.clone());
    let watch = async {
        while world.posts_to("quick.example").len() < 20 {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.posts_to(HOST).len(), before + 1, "one at once");
        // Another worker takes none of it either.
        world
            .gateway
            .publish(hints.clone())
            .await
            .expect("published");
        assert_eq!(world.posts_to(HOST).len(), before + 1);
        world.ports().stalls_host.replace(None);
    };
    let (published, ()) = tokio::join!(publish, watch);
    published.expect("published");
    assert_eq!(world.posts_to("quick.example").len(), 20);
}

#[tokio::test]
async fn an_endpoint_that_has_not_failed_yet_leaves_a_place_to_others_when_it_hangs() {
    let (world, channel, _) = subscribed().await;
    for number in 0..20 {
        writes(&world, &channel, number).await;
    }
    let mut hints = hints(&world);
    subscribe(&world, "https://quick.example/").await;
    for number in 20..40 {
        writes(&world, &channel, number).await;
    }
    hints.extend(self::hints(&world));
    world.ports().stalls_host.replace(Some(HOST.to_owned()));
    let publish = world.gateway.publish(hints);
    let watch = async {
        while world.posts_to("quick.example").len() < 20 {
            tokio::task::yield_now().await;
        }
        assert!(world.posts_to(HOST).len() <= 5);
        world.ports().stalls_host.replace(None);
    };
    let (published, ()) = tokio::join!(publish, watch);
    published.expect("published");
    assert_eq!(world.ports().most_in_flight.get(), 6);
}

#[tokio::test]
async fn a_healthy_endpoint_costs_no_write_beyond_its_deliveries() {
    let (world, channel, path) = subscribed().await;
    let endpoint = || world.database().query("SELECT * FROM endpoint");
    let before = endpoint();
    writes(&world, &channel, 0).await;
    world.drain().await;
    assert_eq!(endpoint(), before);
    answers(&world, [Answer::Http(500, json!({}))]);
    writes(&world, &channel, 1).await;
    world.drain().await;
    assert_ne!(endpoint(), before);
    world.advance(MINUTE_MS);
    world.drain().await;
    assert_eq!(world.get(&path).await["failingSince"], Value::Null);
    let cleared = endpoint();
    writes(&world, &channel, 2).await;
    world.drain().await;
    assert_eq!(endpoint(), cleared);
}

#[tokio::test]
async fn what_piles_up_for_a_dead_endpoint_keeps_the_sweep_from_nothing() {
    let (world, channel, _) = subscribed().await;
    for number in 0..700 {
        writes(&world, &channel, number).await;
    }
    world
        .database()
        .query("UPDATE endpoint SET failing_since = 1");
    subscribe(&world, "https://quick.example/").await;
    writes(&world, &channel, 700).await;
    hints(&world);
    world.advance(10_000);
    world.gateway.sweep().await;
    assert_eq!(
        hints(&world).len(),
        2,
        "one of the dead one's, and the other's"
    );
}
