//! Sending what was accepted: in order, once, and to an end.

use crate::support::outgoing::{history, id, report, reports, text};
use crate::support::world::{BOT_SECRET, CUSTOMER, START_MS};
use crate::support::{Answer, Fault, World};
use http::Method;
use patchbay::gateway::Queue;
use serde_json::{Value, json};

const SECOND_MS: i64 = 1_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// What the Graph API answers with an error code.
fn refusal(status: u16, code: i64) -> Answer {
    Answer::Http(
        status,
        json!({ "error": { "code": code, "message": "no" } }),
    )
}

/// WhatsApp's throttle, with the wait it asks for.
fn throttle(after_s: u32) -> Answer {
    let body = json!({ "error": { "code": 130_429, "message": "slow down" } });
    Answer::Headed(429, vec![("retry-after", after_s.to_string())], body)
}

/// WhatsApp's word that it failed and may be asked again.
fn temporary() -> Answer {
    refusal(500, 131_000)
}

fn script(world: &World, answers: impl IntoIterator<Item = Answer>) {
    world.ports().from_provider.borrow_mut().extend(answers);
}

/// When a message is due, in milliseconds from now.
fn due_in_ms(world: &World, message: &Value) -> i64 {
    let sql = format!("SELECT due_at FROM message WHERE id = '{}'", id(message));
    world.database().count(&sql) - world.ports().now_ms.get()
}

async fn resend_on(world: &World, channel: &str) {
    let patch = json!({ "settings": { "onUnknownOutcome": "resend", "enforceWindow": false } });
    world.patch_channel(channel, patch).await;
}

// Order.

#[tokio::test]
async fn messages_behind_a_throttled_one_wait_and_then_go_in_order() {
    for obstacle in [throttle(20), temporary()] {
        let world = World::new().await;
        world.open_whatsapp().await;
        let mut said = Vec::new();
        for what in ["one", "two", "three", "four"] {
            said.push(world.say(CUSTOMER, what).await);
        }
        script(
            &world,
            [
                Answer::Http(200, json!({ "messages": [{ "id": "wamid.x" }] })),
                obstacle,
            ],
        );
        world.drain().await;
        assert_eq!(
            world.texts_sent(),
            ["one", "two"],
            "the second is refused for now"
        );
        assert_eq!(world.status(&said[1]).await, "accepted");
        assert_eq!(world.status(&said[2]).await, "accepted");
        // The hints of the later ones change nothing.
        world.gateway.sweep().await;
        world.drain().await;
        assert_eq!(world.texts_sent(), ["one", "two"]);
        let wait = due_in_ms(&world, &said[1]);
        assert!(wait > 0);
        world.advance(wait - 1);
        world.drain().await;
        assert_eq!(world.texts_sent().len(), 2);
        world.advance(SECOND_MS);
        world.drain().await;
        assert_eq!(world.texts_sent(), ["one", "two", "two", "three", "four"]);
        for message in &said {
            assert_eq!(world.status(message).await, "sent");
        }
        let second = world.now(&said[1]).await;
        assert_eq!(history(&second), ["accepted", "sending", "sent"]);
        assert_eq!(second["error"], Value::Null);
        assert_eq!(second["attempts"].as_array().map(Vec::len), Some(2));
    }
}

#[tokio::test]
async fn conversations_do_not_wait_for_each_other() {
    let world = World::new().await;
    world.unenforced_whatsapp().await;
    let stuck = world.say("5511000000001", "stuck").await;
    let behind = world.say("5511000000001", "behind").await;
    let free = world.say("5511000000002", "free").await;
    // Too much to one receiver is no matter of the others.
    script(&world, [refusal(400, 131_056)]);
    world.drain().await;
    assert_eq!(world.status(&stuck).await, "accepted");
    assert_eq!(world.status(&behind).await, "accepted");
    assert_eq!(world.status(&free).await, "sent");
}

#[tokio::test]
async fn a_batch_of_hints_works_off_every_conversation_it_names() {
    let world = World::new().await;
    world.unenforced_whatsapp().await;
    let mut said = Vec::new();
    for round in 0..3 {
        for person in 0..13 {
            let what = format!("{person}.{round}");
            said.push(world.say(&format!("55110000000{person:02}"), &what).await);
        }
    }
    let hints = world.take_pushes(Queue::Outbound);
    // Only the first message of each conversation is hinted at.
    assert!(world.deliver(&hints[..13]).await);
    for message in &said {
        assert_eq!(
            world.status(message).await,
            "sent",
            "{}",
            message["content"]["text"]
        );
    }
    let sent = world.texts_sent();
    for person in 0..13 {
        let prefix = format!("{person}.");
        let theirs: Vec<&String> = sent
            .iter()
            .filter(|text| text.starts_with(&prefix))
            .collect();
        assert_eq!(
            theirs,
            [
                &format!("{person}.0"),
                &format!("{person}.1"),
                &format!("{person}.2")
            ]
        );
    }
}

#[tokio::test]
async fn at_most_six_sends_are_under_way_at_a_time() {
    let world = World::new().await;
    world.unenforced_whatsapp().await;
    for person in 0..15 {
        world.say(&format!("55110000000{person:02}"), "Hello").await;
    }
    let hints = world.take_pushes(Queue::Outbound);
    world.ports().stalls.set(true);
    let watch = async {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        let sending = world
            .database()
            .count("SELECT COUNT(*) FROM message WHERE status = 'sending'");
        world.ports().stalls.set(false);
        sending
    };
    let (done, sending) = tokio::join!(world.deliver(&hints), watch);
    assert!(done);
    assert_eq!(sending, 6, "no more are claimed than are sent at once");
    assert_eq!(world.ports().most_in_flight.get(), 6);
    assert_eq!(world.texts_sent().len(), 15);
}

#[tokio::test]
async fn a_claim_that_runs_twice_takes_no_more_than_six() {
    let world = World::new().await;
    world.unenforced_whatsapp().await;
    for person in 0..15 {
        world.say(&format!("55110000000{person:02}"), "Hello").await;
    }
    let hints = world.take_pushes(Queue::Outbound);
    world.database().faults.borrow_mut().push(Fault::After);
    world.ports().stalls.set(true);
    let watch = async {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        let sending = world
            .database()
            .count("SELECT COUNT(*) FROM message WHERE status = 'sending'");
        world.ports().stalls.set(false);
        sending
    };
    let (done, sending) = tokio::join!(world.deliver(&hints), watch);
    assert!(done);
    assert_eq!(sending, 6, "a lease is as long as one call, not two");
    assert_eq!(world.texts_sent().len(), 15);
}

#[tokio::test]
async fn a_consumer_hands_back_what_it_has_no_time_for() {
    let world = World::new().await;
    world.unenforced_whatsapp().await;
    let mut said = Vec::new();
    for person in 0..8 {
        said.push(world.say(&format!("55110000000{person:02}"), "Hello").await);
    }
    said.push(world.say("5511000000000", "second").await);
    let hints = world.take_pushes(Queue::Outbound);
    world.ports().stalls.set(true);
    let slow = async {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        world.advance(21 * SECOND_MS);
        world.ports().stalls.set(false);
    };
    let (done, ()) = tokio::join!(world.deliver(&hints), slow);
    assert!(done);
    assert_eq!(
        world.texts_sent().len(),
        6,
        "one group, and then the time is over"
    );
    world.drain().await;
    for message in &said {
        assert_eq!(world.status(message).await, "sent");
    }
    assert_eq!(world.texts_sent().len(), 9);
}

// Once.

#[tokio::test]
async fn a_hint_repeated_sends_nothing_twice() {
    let world = World::new().await;
    world.open_whatsapp().await;
    world.say(CUSTOMER, "one").await;
    world.say(CUSTOMER, "two").await;
    let hints = world.take_pushes(Queue::Outbound);
    let twice: Vec<_> = hints.iter().chain(&hints).cloned().collect();
    assert!(world.deliver(&twice).await);
    assert!(world.deliver(&hints).await);
    assert_eq!(world.texts_sent(), ["one", "two"]);
}

#[tokio::test]
async fn two_consumers_with_the_same_hints_send_once_and_in_order() {
    for stalls in [false, true] {
        let world = World::new().await;
        world.unenforced_whatsapp().await;
        for person in 0..4 {
            for what in ["a", "b"] {
                world
                    .say(&format!("551100000000{person}"), &format!("{person}{what}"))
                    .await;
            }
        }
        let hints = world.take_pushes(Queue::Outbound);
        world.database().yields.set(true);
        world.ports().stalls.set(stalls);
        let release = async {
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            world.ports().stalls.set(false);
        };
        let (one, two, ()) = tokio::join!(world.deliver(&hints), world.deliver(&hints), release);
        assert!(one && two);
        world.drain().await;
        let mut sent = world.texts_sent();
        for person in 0..4 {
            let prefix = person.to_string();
            let theirs: Vec<&String> = sent
                .iter()
                .filter(|text| text.starts_with(&prefix))
                .collect();
            assert_eq!(theirs, [&format!("{person}a"), &format!("{person}b")]);
        }
        sent.sort();
        sent.dedup();
        assert_eq!(sent.len(), 8);
    }
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_is_read_back() {
    let world = World::new().await;
    world.open_whatsapp().await;
    let said = world.say(CUSTOMER, "Hello").await;
    world.database().faults.borrow_mut().push(Fault::After);
    world.drain().await;
    assert_eq!(world.status(&said).await, "sent");
    assert_eq!(world.texts_sent(), ["Hello"]);
    assert_eq!(
        world.now(&said).await["attempts"].as_array().map(Vec::len),
        Some(1)
    );
}

#[tokio::test]
async fn a_record_whose_answer_was_lost_stands() {
    let world = World::new().await;
    world.open_whatsapp().await;
    world.subscribe_to_all().await;
    let one = world.say(CUSTOMER, "one").await;
    let two = world.say(CUSTOMER, "two").await;
    let hints = world.take_pushes(Queue::Outbound);
    // Popped from the end: the claim goes well, then the record's answer is lost.
    *world.database().faults.borrow_mut() = vec![Fault::After, Fault::After];
    world.database().faults.borrow_mut().pop();
    assert!(world.deliver(&hints).await);
    world.drain().await;
    world.advance(10 * SECOND_MS);
    world.gateway.sweep().await;
    world.drain().await;
    for message in [&one, &two] {
        assert_eq!(world.status(message).await, "sent");
        let told = world.told_of(message);
        assert_eq!(
            told.iter().filter(|kind| *kind == "message.sent").count(),
            1
        );
    }
    assert_eq!(world.texts_sent(), ["one", "two"]);
}

// Ends.

#[tokio::test]
async fn a_rejected_message_fails_with_the_providers_code_and_the_next_one_goes() {
    let world = World::new().await;
    world.open_whatsapp().await;
    world.subscribe_to_all().await;
    let refused = world.say(CUSTOMER, "refused").await;
    let next = world.say(CUSTOMER, "next").await;
    script(&world, [refusal(400, 131_026)]);
    world.drain().await;
    let message = world.now(&refused).await;
    assert_eq!(message["status"], "failed");
    assert_eq!(message["error"]["code"], "provider_rejected");
    assert_eq!(message["error"]["providerCode"], "131026");
    assert_eq!(message["providerMessageId"], Value::Null);
    assert_eq!(history(&message), ["accepted", "sending", "failed"]);
    assert_eq!(message["attempts"][0]["outcome"], "rejected");
    assert_eq!(world.told_of(&refused), ["message.failed"]);
    assert_eq!(world.status(&next).await, "sent");
    assert_eq!(world.told_of(&next), ["message.sent"]);
}

#[tokio::test]
async fn a_window_that_the_provider_finds_closed_is_named() {
    let world = World::new().await;
    world.open_whatsapp().await;
    let said = world.say(CUSTOMER, "Hello").await;
    script(&world, [refusal(400, 131_047)]);
    world.drain().await;
    let message = world.now(&said).await;
    assert_eq!(message["status"], "failed");
    assert_eq!(message["error"]["code"], "window_closed");
    assert_eq!(message["error"]["providerCode"], "131047");
}

#[tokio::test]
async fn a_throttle_waits_as_long_as_it_is_told_to() {
    for code in [130_429, 131_056, 80_007] {
        let world = World::new().await;
        world.open_whatsapp().await;
        let said = world.say(CUSTOMER, "Hello").await;
        let body = json!({ "error": { "code": code, "message": "slow down" } });
        script(
            &world,
            [Answer::Headed(
                400,
                vec![("retry-after", "37".to_owned())],
                body,
            )],
        );
        world.drain().await;
        assert_eq!(world.status(&said).await, "accepted");
        assert_eq!(due_in_ms(&world, &said), 37 * SECOND_MS);
        world.advance(37 * SECOND_MS);
        world.drain().await;
        assert_eq!(world.status(&said).await, "sent", "{code}");
    }
    let world = World::new().await;
    world.telegram().await;
    let mut body = text("77", "Hello");
    body["from"] = json!("patchbay_bot");
    let said = world.post("/v1/messages", body).await.expect(202);
    let slow = json!({ "ok": false, "error_code": 429, "description": "Too Many Requests",
        "parameters": { "retry_after": 14 } });
    script(&world, [Answer::Http(429, slow)]);
    world.drain().await;
    assert_eq!(due_in_ms(&world, &said), 14 * SECOND_MS);
    world.advance(14 * SECOND_MS);
    world.drain().await;
    assert_eq!(world.status(&said).await, "sent");
    assert!(!BOT_SECRET.is_empty());
}

#[tokio::test]
async fn a_message_throttled_for_a_week_expires_and_never_fails() {
    let world = World::new().await;
    world.unenforced_whatsapp().await;
    world.subscribe_to_all().await;
    let said = world.say(CUSTOMER, "Hello").await;
    let start = world.ports().now_ms.get();
    world.advance(DAY_MS);
    let next = world.say(CUSTOMER, "next").await;
    script(&world, (0..40).map(|_| throttle(6 * 3_600)));
    while world.status(&said).await == "accepted" {
        assert!(world.ports().now_ms.get() - start < 8 * DAY_MS, "it ends");
        world.drain().await;
        world.advance(6 * HOUR_MS);
    }
    let message = world.now(&said).await;
    assert_eq!(message["status"], "expired");
    assert_eq!(message["error"]["providerCode"], "130429");
    assert_eq!(history(&message), ["accepted", "sending", "expired"]);
    let waited = world.ports().now_ms.get() - start;
    assert!(
        (6 * DAY_MS..=7 * DAY_MS).contains(&(waited - 6 * HOUR_MS)),
        "{waited}"
    );
    assert_eq!(world.told_of(&said), ["message.failed"]);
    assert_eq!(
        world.status(&next).await,
        "accepted",
        "it is throttled in its turn"
    );
    world.ports().from_provider.borrow_mut().clear();
    world.drain().await;
    assert_eq!(world.status(&next).await, "sent", "the next one goes");
}

#[tokio::test]
async fn a_message_that_fails_for_a_day_has_failed() {
    let world = World::new().await;
    world.open_whatsapp().await;
    world.subscribe_to_all().await;
    let said = world.say(CUSTOMER, "Hello").await;
    let start = world.ports().now_ms.get();
    script(&world, (0..100).map(|_| temporary()));
    world.drain().await;
    let mut last = start;
    while world.status(&said).await == "accepted" {
        let wait = due_in_ms(&world, &said);
        assert!(wait > 0 && wait <= HOUR_MS * 6 / 5, "{wait}");
        world.advance(wait.div_euclid(SECOND_MS) * SECOND_MS + SECOND_MS);
        last = world.ports().now_ms.get();
        world.drain().await;
    }
    assert!(
        (DAY_MS - 2 * HOUR_MS..=DAY_MS).contains(&(last - start)),
        "{}",
        last - start
    );
    let message = world.now(&said).await;
    assert_eq!(message["status"], "failed");
    assert_eq!(message["error"]["providerCode"], "131000");
    assert_eq!(world.told_of(&said), ["message.failed"]);
    let tries = world.texts_sent().len();
    assert!((20..60).contains(&tries), "{tries}");
}

#[tokio::test]
async fn an_unclear_outcome_is_held_and_said_to_be_unknown() {
    let answers = [
        Answer::NoAnswer,
        Answer::Http(500, Value::Null),
        Answer::Http(502, json!({})),
        Answer::Http(504, Value::Null),
        Answer::Http(200, json!({ "cut": "off" })),
    ];
    for answer in answers {
        let world = World::new().await;
        world.open_whatsapp().await;
        world.subscribe_to_all().await;
        let said = world.say(CUSTOMER, "Hello").await;
        let next = world.say(CUSTOMER, "next").await;
        script(&world, [answer.clone()]);
        world.drain().await;
        let message = world.now(&said).await;
        assert_eq!(message["status"], "unknown", "{answer:?}");
        assert!(message["error"]["code"].is_string());
        assert_eq!(history(&message), ["accepted", "sending", "unknown"]);
        assert_eq!(world.told_of(&said), ["message.unknown"]);
        assert_eq!(world.status(&next).await, "sent");
        for _ in 0..5 {
            world.advance(HOUR_MS);
            world.gateway.sweep().await;
            world.drain().await;
        }
        assert_eq!(
            world.texts_sent(),
            ["Hello", "next"],
            "it is never sent again"
        );
    }
}

#[tokio::test]
async fn an_origin_never_reached_is_tried_again() {
    for status in [521, 523, 525, 526, 530] {
        let world = World::new().await;
        world.open_whatsapp().await;
        let said = world.say(CUSTOMER, "Hello").await;
        script(&world, [Answer::Http(status, Value::Null)]);
        world.drain().await;
        assert_eq!(world.status(&said).await, "accepted", "{status}");
        world.advance(10 * SECOND_MS);
        world.drain().await;
        assert_eq!(world.status(&said).await, "sent");
    }
}

#[tokio::test]
async fn an_unclear_outcome_is_sent_again_in_its_place_where_the_channel_says_so() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    resend_on(&world, &shop).await;
    world.subscribe_to_all().await;
    let said = world.say(CUSTOMER, "Hello").await;
    let next = world.say(CUSTOMER, "next").await;
    script(&world, [Answer::NoAnswer]);
    world.drain().await;
    assert_eq!(world.status(&said).await, "accepted");
    assert_eq!(world.status(&next).await, "accepted", "it keeps its place");
    world.advance(10 * SECOND_MS);
    world.drain().await;
    assert_eq!(world.texts_sent(), ["Hello", "Hello", "next"]);
    assert_eq!(world.status(&said).await, "sent");
    assert_eq!(
        world.told_of(&said),
        ["message.sent"],
        "it was never unknown"
    );
}

#[tokio::test]
async fn a_message_past_its_own_end_expires_without_being_sent() {
    let world = World::new().await;
    world.open_whatsapp().await;
    world.subscribe_to_all().await;
    let at = |ms: i64| {
        let at = world.ports().now_ms.get() + ms;
        patchbay::model::time::Timestamp::from_ms(at).to_rfc3339()
    };
    let mut body = text(CUSTOMER, "late");
    body["expiresAt"] = json!(at(30_000));
    let late = world.post("/v1/messages", body.clone()).await.expect(202);
    assert_eq!(late["expiresAt"], body["expiresAt"]);
    let next = world.say(CUSTOMER, "next").await;
    let hints = world.take_pushes(Queue::Outbound);
    world.advance(30_000);
    assert!(world.deliver(&hints).await);
    world.drain().await;
    let message = world.now(&late).await;
    assert_eq!(message["status"], "expired");
    assert_eq!(message["error"]["code"], "expired");
    assert_eq!(world.told_of(&late), ["message.failed"]);
    assert_eq!(world.texts_sent(), ["next"]);
    assert_eq!(world.status(&next).await, "sent");

    // A throttle does not wait beyond it either.
    let mut body = text(CUSTOMER, "throttled");
    body["expiresAt"] = json!(at(30_000));
    let throttled = world.post("/v1/messages", body).await.expect(202);
    script(&world, [throttle(31)]);
    world.drain().await;
    assert_eq!(world.status(&throttled).await, "expired");
}

// Losses.

#[tokio::test]
async fn a_queue_that_takes_nothing_loses_nothing() {
    let world = World::new().await;
    world.open_whatsapp().await;
    world.ports().refuses_pushes.set(true);
    let one = world.say(CUSTOMER, "one").await;
    let two = world.say(CUSTOMER, "two").await;
    world.ports().refuses_pushes.set(false);
    world.advance(7_999);
    world.gateway.sweep().await;
    assert!(
        world.take_pushes(Queue::Outbound).is_empty(),
        "it may still be on its way"
    );
    world.advance(1);
    world.gateway.sweep().await;
    assert_eq!(
        world.ports().pushed.borrow().len(),
        1,
        "the first of the conversation"
    );
    world.gateway.sweep().await;
    world.advance(7_999);
    world.gateway.sweep().await;
    assert_eq!(
        world.ports().pushed.borrow().len(),
        1,
        "stamped: not pushed again so soon"
    );
    world.drain().await;
    assert_eq!(world.status(&one).await, "sent");
    assert_eq!(world.status(&two).await, "sent");
    assert_eq!(world.texts_sent(), ["one", "two"]);
}

#[tokio::test]
async fn a_retry_whose_push_was_lost_is_swept_up_when_it_is_due() {
    let world = World::new().await;
    world.open_whatsapp().await;
    let said = world.say(CUSTOMER, "Hello").await;
    script(&world, [throttle(60)]);
    let hints = world.take_pushes(Queue::Outbound);
    world.ports().refuses_pushes.set(true);
    assert!(world.deliver(&hints).await);
    world.ports().refuses_pushes.set(false);
    world.advance(59_000);
    world.gateway.sweep().await;
    assert!(
        world.ports().pushed.borrow().is_empty(),
        "not before it is due"
    );
    world.advance(1_000);
    world.gateway.sweep().await;
    world.drain().await;
    assert_eq!(world.status(&said).await, "sent");
}

/// Leaves a message `sending`: claimed, sent, and the record never made.
async fn abandon(world: &World) {
    let hints = world.take_pushes(Queue::Outbound);
    world.ports().stalls.set(true);
    let crash = async {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        *world.database().faults.borrow_mut() = vec![Fault::Before, Fault::Before];
        world.ports().stalls.set(false);
    };
    let (done, ()) = tokio::join!(world.deliver(&hints), crash);
    assert!(!done, "the record was never made");
}

#[tokio::test]
async fn a_sender_that_dies_leaves_a_lease_after_which_the_outcome_is_unknown() {
    let world = World::new().await;
    let shop = world.open_whatsapp().await;
    world.subscribe_to_all().await;
    let said = world.say(CUSTOMER, "Hello").await;
    let next = world.say(CUSTOMER, "next").await;
    abandon(&world).await;
    assert_eq!(world.texts_sent(), ["Hello"]);
    assert_eq!(world.status(&said).await, "sending");
    world.advance(29_000);
    world.gateway.sweep().await;
    world.drain().await;
    assert_eq!(world.status(&said).await, "sending", "its lease still runs");
    assert_eq!(world.status(&next).await, "accepted");
    world.advance(1_000);
    world.gateway.sweep().await;
    world.drain().await;
    let message = world.now(&said).await;
    assert_eq!(message["status"], "unknown");
    assert_eq!(message["error"]["code"], "outcome_unknown");
    assert_eq!(world.told_of(&said), ["message.unknown"]);
    assert_eq!(world.status(&next).await, "sent");
    assert_eq!(world.texts_sent(), ["Hello", "next"]);

    // The provider's report settles it after all.
    let mut sent = report("wamid.1", "delivered", world.ports().now_ms.get() / 1_000);
    sent["biz_opaque_callback_data"] = said["id"].clone();
    world.from_meta(&shop, &reports(&[sent])).await.expect(200);
    let message = world.now(&said).await;
    assert_eq!(message["status"], "delivered");
    assert_eq!(message["providerMessageId"], "wamid.1");
    assert_eq!(message["error"], Value::Null);
}

#[tokio::test]
async fn a_sender_that_dies_sends_again_where_the_channel_says_so() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    resend_on(&world, &shop).await;
    let said = world.say(CUSTOMER, "Hello").await;
    let next = world.say(CUSTOMER, "next").await;
    abandon(&world).await;
    world.advance(30_000);
    world.gateway.sweep().await;
    world.drain().await;
    assert_eq!(world.status(&said).await, "accepted");
    world.advance(10_000);
    world.gateway.sweep().await;
    world.drain().await;
    assert_eq!(world.texts_sent(), ["Hello", "Hello", "next"]);
    assert_eq!(world.status(&said).await, "sent");
    assert_eq!(world.status(&next).await, "sent");
}

/// Lets a provider take so long that the sweep gives the message up meanwhile.
async fn answers_late(world: &World, answer: Answer) {
    let hints = world.take_pushes(Queue::Outbound);
    script(world, [answer]);
    world.ports().stalls.set(true);
    let meanwhile = async {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        world.advance(31_000);
        world.gateway.sweep().await;
        world.ports().stalls.set(false);
    };
    let (done, ()) = tokio::join!(world.deliver(&hints), meanwhile);
    assert!(done);
}

#[tokio::test]
async fn a_late_answer_still_counts() {
    let world = World::new().await;
    world.open_whatsapp().await;
    world.subscribe_to_all().await;
    let said = world.say(CUSTOMER, "Hello").await;
    answers_late(
        &world,
        Answer::Http(200, json!({ "messages": [{ "id": "wamid.late" }] })),
    )
    .await;
    world.drain().await;
    let message = world.now(&said).await;
    assert_eq!(message["status"], "sent");
    assert_eq!(message["providerMessageId"], "wamid.late");
    assert_eq!(message["error"], Value::Null);
    assert_eq!(
        history(&message),
        ["accepted", "sending", "unknown", "sent"]
    );
    assert_eq!(message["attempts"][0]["outcome"], "sent");
    assert_eq!(world.told_of(&said), ["message.unknown", "message.sent"]);

    let said = world.say(CUSTOMER, "refused").await;
    answers_late(&world, refusal(400, 131_026)).await;
    assert_eq!(world.status(&said).await, "failed");
}

#[tokio::test]
async fn a_late_wish_to_be_tried_again_does_not_bring_a_message_back() {
    let world = World::new().await;
    world.open_whatsapp().await;
    let said = world.say(CUSTOMER, "Hello").await;
    let next = world.say(CUSTOMER, "next").await;
    answers_late(&world, throttle(1)).await;
    world.drain().await;
    world.advance(60_000);
    world.gateway.sweep().await;
    world.drain().await;
    assert_eq!(world.status(&said).await, "unknown");
    assert_eq!(world.status(&next).await, "sent");
    assert_eq!(world.texts_sent(), ["Hello", "next"]);
}

#[tokio::test]
async fn a_late_answer_of_an_earlier_attempt_does_not_disturb_the_one_under_way() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    resend_on(&world, &shop).await;
    let said = world.say(CUSTOMER, "Hello").await;
    let first = world.take_pushes(Queue::Outbound);
    script(&world, [throttle(600)]);
    world.ports().stalls.set(true);
    let pause = async || {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    };
    let meanwhile = async {
        pause().await;
        world.advance(31_000);
        world.gateway.sweep().await;
        world.advance(10_000);
        let second = world.take_pushes(Queue::Outbound);
        let release = async {
            pause().await;
            world.ports().released.set(1);
            pause().await;
            assert_eq!(world.status(&said).await, "sending");
            world.ports().stalls.set(false);
        };
        let (done, ()) = tokio::join!(world.deliver(&second), release);
        done
    };
    let (one, two) = tokio::join!(world.deliver(&first), meanwhile);
    assert!(one && two);
    assert_eq!(world.status(&said).await, "sent");
    world.advance(600_000);
    world.gateway.sweep().await;
    world.drain().await;
    assert_eq!(world.texts_sent().len(), 2);
    let attempts = world.now(&said).await["attempts"].clone();
    assert_eq!(attempts.as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn two_answers_with_the_same_message_id_do_not_spoil_each_other() {
    let world = World::new().await;
    world.unenforced_whatsapp().await;
    let one = world.say("5511000000001", "one").await;
    let two = world.say("5511000000002", "two").await;
    let answer = Answer::Http(200, json!({ "messages": [{ "id": "wamid.same" }] }));
    script(&world, [answer.clone(), answer]);
    let hints = world.take_pushes(Queue::Outbound);
    let _ = world.deliver(&hints).await;
    assert_eq!(world.status(&one).await, "sent");
    assert_eq!(world.status(&two).await, "sent");
}

// Channels.

#[tokio::test]
async fn a_refused_token_stops_the_channel_and_new_credentials_send_what_waited() {
    let world = World::new().await;
    let shop = world.open_whatsapp().await;
    let said = world.say(CUSTOMER, "Hello").await;
    let next = world.say(CUSTOMER, "next").await;
    script(&world, [refusal(401, 190)]);
    world.drain().await;
    let path = format!("/v1/channels/{shop}");
    let channel = world.get(&path).await;
    assert_eq!(channel["status"], "needs_reauth");
    assert_eq!(channel["lastError"]["code"], "190");
    assert_eq!(world.status(&said).await, "accepted");
    let refused = world.refused(text(CUSTOMER, "more")).await;
    assert_eq!(refused.as_told(), (409, "channel_unavailable", ""));
    for _ in 0..10 {
        world.advance(60_000);
        world.gateway.sweep().await;
        world.drain().await;
    }
    assert_eq!(
        world.texts_sent(),
        ["Hello"],
        "the provider is left alone meanwhile"
    );
    assert_eq!(world.status(&said).await, "accepted");
    assert_eq!(world.status(&next).await, "accepted");

    let credentials = json!({
        "phoneNumberId": crate::support::world::PHONE_NUMBER_ID, "wabaId": "102290129340398",
        "accessToken": "a-new-token", "appSecret": crate::support::world::APP_SECRET, "verifyToken": "v",
    });
    let channel = world
        .patch_channel(&shop, json!({ "credentials": credentials }))
        .await;
    assert_eq!(channel["status"], "connected");
    assert_eq!(channel["lastError"], Value::Null);
    // At once: no sweep, and no waiting for the next look.
    world.drain().await;
    assert_eq!(world.status(&said).await, "sent");
    assert_eq!(world.status(&next).await, "sent");
    let requests = world.ports().requests.borrow();
    let tokens: Vec<&str> = requests
        .iter()
        .filter_map(|request| request.headers().get("authorization")?.to_str().ok())
        .collect();
    assert_eq!(
        tokens,
        [
            "Bearer graph-token",
            "Bearer a-new-token",
            "Bearer a-new-token"
        ]
    );
}

#[tokio::test]
async fn waiting_for_credentials_does_not_slow_down_what_comes_after() {
    let world = World::new().await;
    let shop = world.open_whatsapp().await;
    let said = world.say(CUSTOMER, "Hello").await;
    script(&world, [refusal(401, 190)]);
    world.drain().await;
    for _ in 0..60 {
        world.advance(60_000);
        world.gateway.sweep().await;
        world.drain().await;
    }
    let patch = json!({ "status": "connected" });
    world.patch_channel(&shop, patch).await;
    script(&world, [temporary()]);
    world.advance(60_000);
    world.gateway.sweep().await;
    world.drain().await;
    assert_eq!(world.texts_sent().len(), 2);
    let wait = due_in_ms(&world, &said);
    assert!(wait <= 60_000, "{wait} ms, as after an hour of failures");
}

#[tokio::test]
async fn a_token_refused_after_it_was_replaced_leaves_the_channel_connected() {
    let world = World::new().await;
    let shop = world.open_whatsapp().await;
    world.say(CUSTOMER, "Hello").await;
    let hints = world.take_pushes(Queue::Outbound);
    script(&world, [refusal(401, 190)]);
    world.ports().stalls.set(true);
    let replace = async {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        world
            .patch_channel(&shop, json!({ "name": "Renamed" }))
            .await;
        world.ports().stalls.set(false);
    };
    let (done, ()) = tokio::join!(world.deliver(&hints), replace);
    assert!(done);
    assert_eq!(
        world.get(&format!("/v1/channels/{shop}")).await["status"],
        "connected"
    );
}

#[tokio::test]
async fn what_is_queued_on_a_channel_that_is_gone_fails() {
    for is_deleted in [false, true] {
        let world = World::new().await;
        let shop = world.open_whatsapp().await;
        world.subscribe_to_all().await;
        let one = world.say(CUSTOMER, "one").await;
        let two = world.say(CUSTOMER, "two").await;
        if is_deleted {
            let path = format!("/v1/channels/{shop}");
            world
                .call(Method::DELETE, &path, Value::Null)
                .await
                .expect(204);
        } else {
            world
                .patch_channel(&shop, json!({ "status": "disabled" }))
                .await;
        }
        world.drain().await;
        for said in [&one, &two] {
            let message = world.now(said).await;
            assert_eq!(message["status"], "failed", "{is_deleted}");
            assert_eq!(message["error"]["code"], "channel_unavailable");
            assert_eq!(world.told_of(said), ["message.failed"]);
        }
        assert!(world.texts_sent().is_empty());
    }
}

#[tokio::test]
async fn the_sweep_finds_the_first_of_a_conversation_however_many_wait_behind_it() {
    let world = World::new().await;
    world.open_whatsapp().await;
    let body = json!({ "from": "+15550100001", "to": CUSTOMER, "content": { "type": "text", "text": "First" } });
    let first = world.post("/v1/messages", body).await.expect(202);
    let first = first["id"].as_str().expect("an id").to_owned();
    world.take_pushes(Queue::Outbound);
    // It is tried again in a minute; what was accepted behind it, before and after, is due by then.
    world.database().query(&format!(
        "UPDATE message SET due_at = {START_MS} + 60000, pushed_at = {START_MS} WHERE id = '{first}'"
    ));
    world.database().query(&format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 6000)
         INSERT INTO message (workspace_id, id, conversation_id, channel_id, contact_id, direction, status, content,
           actor, seq, turn, due_at, pushed_at, created_at)
         SELECT workspace_id, 'later-' || n, conversation_id, channel_id, contact_id, direction, status, content, actor,
           seq + n, turn + n, {START_MS} + 20 * n, {START_MS}, created_at
         FROM message CROSS JOIN n WHERE id = '{first}'"
    ));
    world.advance(600_000);
    world.gateway.sweep().await;
    let pushed = world.take_pushes(Queue::Outbound);
    assert_eq!(pushed.len(), 1);
    assert!(pushed[0].body.contains(&first), "{}", pushed[0].body);
}
