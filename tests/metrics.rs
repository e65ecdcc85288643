//! What operators watch: totals of what happened, and what waits.

use crate::support::World;
use crate::support::world::CUSTOMER;
use crate::support::{Answer, Fault};
use http::Method;

use serde_json::json;

async fn metrics(world: &World) -> String {
    let reply = world.admin(Method::GET, "/metrics", json!(null)).await;
    let kind = reply.header("content-type").expect("a type").to_owned();
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    let text = reply.expect(200);
    text.as_str().expect("text").to_owned()
}

#[track_caller]
fn has(metrics: &str, line: &str) {
    assert!(metrics.lines().any(|it| it == line), "{line} in\n{metrics}");
}

fn refused() -> Answer {
    Answer::Http(
        400,
        json!({ "error": { "message": "no", "code": 131_026, "type": "OAuthException" } }),
    )
}

#[tokio::test]
async fn what_was_accepted_sent_and_failed_is_counted_by_our_codes() {
    let world = World::new().await;
    world.open_whatsapp().await;
    world.subscribe_to_all().await;
    has(&metrics(&world).await, "patchbay_messages_sent_total 0");
    world.say(CUSTOMER, "one").await;
    world.drain().await;
    world
        .ports()
        .from_provider
        .borrow_mut()
        .push_back(refused());
    let failed = world.say(CUSTOMER, "two").await;
    world.drain().await;
    let code = world.now(&failed).await["error"]["code"].clone();
    let code = code.as_str().expect("a code");

    let metrics = metrics(&world).await;
    has(&metrics, "patchbay_messages_accepted_total 2");
    has(&metrics, "patchbay_messages_sent_total 1");
    has(
        &metrics,
        &format!("patchbay_messages_failed_total{{code=\"{code}\"}} 1"),
    );
    has(&metrics, "patchbay_attempts_total{outcome=\"sent\"} 1");
    has(&metrics, "patchbay_attempts_total{outcome=\"rejected\"} 1");
    has(&metrics, "patchbay_queue_waiting{queue=\"outbound\"} 0");
    has(&metrics, "patchbay_queue_age_seconds{queue=\"outbound\"} 0");
    assert!(metrics.contains("patchbay_deliveries_total{outcome=\"delivered\"}"));
}

#[tokio::test]
async fn what_waits_shows_its_number_and_its_age() {
    let world = World::new().await;
    world.open_whatsapp().await;
    world.say(CUSTOMER, "one").await;
    world.say(CUSTOMER, "two").await;
    world.advance(42_000);
    let metrics = metrics(&world).await;
    has(&metrics, "patchbay_queue_waiting{queue=\"outbound\"} 2");
    has(
        &metrics,
        "patchbay_queue_age_seconds{queue=\"outbound\"} 42",
    );
}

#[tokio::test]
async fn what_the_sweep_found_is_counted() {
    let world = World::new().await;
    world.open_whatsapp().await;
    world.say(CUSTOMER, "one").await;
    // The queue loses it.
    world.take_pushes(patchbay::gateway::Queue::Outbound);
    world.advance(60_000);
    world.gateway.sweep().await;
    let metrics = metrics(&world).await;
    has(
        &metrics,
        "patchbay_sweep_found_total{what=\"lost_pushes_of_messages\"} 1",
    );
}

#[tokio::test]
async fn a_batch_that_runs_twice_counts_once() {
    let world = World::new().await;
    world.open_whatsapp().await;
    world.say(CUSTOMER, "one").await;
    world.database().faults.borrow_mut().push(Fault::After);
    world.database().runs_twice.set(true);
    world.drain().await;
    has(&metrics(&world).await, "patchbay_messages_sent_total 1");
}

#[tokio::test]
async fn only_the_administrator_sees_them() {
    let world = World::new().await;
    let reply = world.bare(Method::GET, "/metrics", &[], "").await;
    assert_eq!(reply.status, 401);
    let reply = world.call(Method::GET, "/metrics", json!(null)).await;
    assert_eq!(reply.status, 401);
}
