//! Settling by hand what nobody knows the outcome of.

use crate::support::outgoing::{history, id, report, reports};
use crate::support::world::{CUSTOMER, Reply, whatsapp_value};
use crate::support::{Answer, World};
use serde_json::{Value, json};

const HOUR_MS: i64 = 3_600_000;

/// A message whose send got no answer.
async fn unknown(world: &World, what: &str) -> Value {
    let answers = &world.ports().from_provider;
    answers.borrow_mut().push_back(Answer::NoAnswer);
    let said = world.say(CUSTOMER, what).await;
    world.drain().await;
    assert_eq!(world.status(&said).await, "unknown");
    said
}

async fn settle(world: &World, message: &Value, outcome: &str) -> Reply {
    let path = format!("/v1/messages/{}/resolve", id(message));
    world.post(&path, json!({ "outcome": outcome })).await
}

/// A report that names our own id, as WhatsApp hands it back.
fn own_report(message: &Value, wamid: &str, status: &str, at_s: i64) -> Value {
    let mut report = report(wamid, status, at_s);
    report["biz_opaque_callback_data"] = json!(id(message));
    whatsapp_value(json!({ "statuses": [report] }))
}

#[tokio::test]
async fn what_is_known_to_be_sent_or_failed_is_settled_and_told_once() {
    for (outcome, event, code) in [
        ("sent", "message.sent", Value::Null),
        ("failed", "message.failed", json!("resolved_failed")),
    ] {
        let world = World::new().await;
        world.open_whatsapp().await;
        world.subscribe_to_all().await;
        let said = unknown(&world, "Hello").await;
        world.advance(HOUR_MS);
        let settled = settle(&world, &said, outcome).await.expect(200);
        assert_eq!(settled["status"], outcome);
        assert_eq!(settled["error"]["code"], code);
        assert_eq!(
            history(&settled),
            ["accepted", "sending", "unknown", outcome]
        );
        world.drain().await;
        assert_eq!(world.told_of(&said), ["message.unknown", event]);
        for again in ["sent", "failed", "resend"] {
            let refused = settle(&world, &said, again).await.expect(409);
            assert_eq!(refused["code"], "conflict");
        }
        world.drain().await;
        assert_eq!(world.texts_sent(), ["Hello"]);
        assert_eq!(world.status(&said).await, outcome);
    }
}

#[tokio::test]
async fn what_is_sent_again_goes_behind_what_was_accepted_since() {
    let world = World::new().await;
    world.open_whatsapp().await;
    world.subscribe_to_all().await;
    let said = unknown(&world, "one").await;
    world.say(CUSTOMER, "two").await;
    let again = settle(&world, &said, "resend").await.expect(200);
    assert_eq!(again["status"], "accepted");
    assert_eq!(again["error"], Value::Null);
    world.say(CUSTOMER, "three").await;
    world.drain().await;
    assert_eq!(world.texts_sent(), ["one", "two", "one", "three"]);
    let sent = world.now(&said).await;
    assert_eq!(history(&sent), ["accepted", "sending", "unknown", "sent"]);
    let outcomes: Vec<&Value> = sent["attempts"]
        .as_array()
        .expect("attempts")
        .iter()
        .map(|attempt| &attempt["outcome"])
        .collect();
    assert_eq!(outcomes, ["unknown", "sent"]);
    assert_eq!(world.told_of(&said), ["message.unknown", "message.sent"]);
}

#[tokio::test]
async fn a_late_report_still_settles_what_waits_to_be_sent_again() {
    let world = World::new().await;
    let shop = world.open_whatsapp().await;
    let said = unknown(&world, "Hello").await;
    settle(&world, &said, "resend").await.expect(200);
    let at = world.ports().now_ms.get() / 1_000;
    let late = own_report(&said, "wamid.late", "delivered", at);
    world.from_meta(&shop, &late).await.expect(200);
    assert_eq!(world.status(&said).await, "delivered");
    world.drain().await;
    assert_eq!(world.texts_sent(), ["Hello"]);
    let refused = settle(&world, &said, "failed").await.expect(409);
    assert_eq!(refused["code"], "conflict");
}

#[tokio::test]
async fn of_a_report_and_a_hand_that_meet_one_wins() {
    for first in [true, false] {
        let world = World::new().await;
        let shop = world.open_whatsapp().await;
        let said = unknown(&world, "Hello").await;
        let at = world.ports().now_ms.get() / 1_000;
        let late = own_report(&said, "wamid.late", "sent", at);
        world.database().yields.set(true);
        let settled = if first {
            tokio::join!(
                settle(&world, &said, "failed"),
                world.from_meta(&shop, &late)
            )
            .0
        } else {
            tokio::join!(
                world.from_meta(&shop, &late),
                settle(&world, &said, "failed")
            )
            .1
        };
        let stands = world.status(&said).await;
        match settled.status {
            200 => assert_eq!(stands, "failed"),
            409 => assert_eq!(stands, "sent"),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn what_arrived_after_all_replaces_a_failure_by_hand() {
    let world = World::new().await;
    let shop = world.open_whatsapp().await;
    let said = unknown(&world, "Hello").await;
    settle(&world, &said, "failed").await.expect(200);
    let at = world.ports().now_ms.get() / 1_000 + 5;
    let late = own_report(&said, "wamid.late", "delivered", at);
    world.from_meta(&shop, &late).await.expect(200);
    assert_eq!(world.status(&said).await, "delivered");
}

#[tokio::test]
async fn nothing_is_sent_again_that_might_not_be_sent_now() {
    for (change, status, code) in [
        (
            "UPDATE conversation SET last_inbound_at = 1",
            422,
            "window_closed",
        ),
        ("UPDATE conversation SET opted_out_at = 1", 422, "opted_out"),
        (
            "UPDATE channel SET status = 'disabled'",
            409,
            "channel_unavailable",
        ),
        ("UPDATE message SET expires_at = 1", 422, "invalid_request"),
    ] {
        let world = World::new().await;
        world.open_whatsapp().await;
        let said = unknown(&world, "Hello").await;
        world.database().query(change);
        let before = world.database().dump();
        let refused = settle(&world, &said, "resend").await.expect(status);
        assert_eq!(refused["code"], code, "{refused}");
        assert_eq!(world.database().dump(), before);
        settle(&world, &said, "sent").await.expect(200);
    }
}

#[tokio::test]
async fn what_is_sent_again_is_tried_for_a_day_from_then() {
    let world = World::new().await;
    world.unenforced_whatsapp().await;
    let said = unknown(&world, "Hello").await;
    world.advance(48 * HOUR_MS);
    let temporary = json!({ "error": { "code": 131_000, "message": "no" } });
    let answers = &world.ports().from_provider;
    answers.borrow_mut().push_back(Answer::Http(500, temporary));
    settle(&world, &said, "resend").await.expect(200);
    world.drain().await;
    assert_eq!(world.status(&said).await, "accepted");
    world.advance(HOUR_MS);
    world.drain().await;
    assert_eq!(world.status(&said).await, "sent");
}

#[tokio::test]
async fn only_what_is_unknown_is_settled_and_by_a_known_word() {
    let world = World::new().await;
    let shop = world.open_whatsapp().await;
    let said = world.say(CUSTOMER, "Hello").await;
    settle(&world, &said, "sent").await.expect(409);
    world.drain().await;
    settle(&world, &said, "resend").await.expect(409);
    let at = world.ports().now_ms.get() / 1_000;
    let report = reports(&[report("wamid.1", "read", at)]);
    world.from_meta(&shop, &report).await.expect(200);
    settle(&world, &said, "failed").await.expect(409);
    let refused = settle(&world, &said, "perhaps").await.expect(422);
    assert_eq!(refused["errors"][0]["pointer"], "/outcome");
    let nobody = json!({ "id": "01a1f7f8-3000-7694-a3e8-f8916a3f8bc0" });
    settle(&world, &nobody, "sent").await.expect(404);
    assert_eq!(world.status(&said).await, "read");
}

#[tokio::test]
async fn every_batch_may_run_twice() {
    for outcome in ["sent", "failed", "resend"] {
        let world = World::new().await;
        world.open_whatsapp().await;
        world.subscribe_to_all().await;
        let said = unknown(&world, "Hello").await;
        world.database().runs_twice.set(true);
        settle(&world, &said, outcome).await.expect(200);
        world.drain().await;
        world.database().runs_twice.set(false);
        world.advance(60_000);
        world.gateway.sweep().await;
        world.drain().await;
        let count = if outcome == "resend" { 2 } else { 1 };
        assert_eq!(world.texts_sent().len(), count, "{outcome}");
        assert_eq!(world.told_of(&said).len(), 2, "{outcome}");
    }
}
