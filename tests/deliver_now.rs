//! Messages that are sent before their client is answered: what the answer says, that it is the
//! same in every replay, and that no crash and no fault sends one twice.

use crate::support::outgoing::{history, id, report, reports};
use crate::support::world::{Reply, SMS_NUMBER, instagram_text};
use crate::support::{Answer, Fault, World};
use http::Method;
use patchbay::gateway::Queue;
use serde_json::{Value, json};

const PATH: &str = "/v1/communication/telegram/message";
const PERSON: &str = "5551234567";
const MINUTE_MS: i64 = 60_000;

fn text(words: &str) -> Value {
    json!({ "from": "@patchbay_bot", "to": PERSON, "content": { "text": words } })
}

async fn post(world: &World, path: &str, key: &str, body: Value) -> Reply {
    let headers = [("idempotency-key", key)];
    world.call_with(Method::POST, path, &headers, body).await
}

/// Sends a text to the person on Telegram, the text being its key too.
async fn say(world: &World, words: &str) -> Reply {
    post(world, PATH, words, text(words)).await
}

fn is_replay(reply: &Reply) -> bool {
    reply.header("idempotency-replayed") == Some("true")
}

/// The texts that Telegram was asked to send, in order.
fn asked(world: &World) -> Vec<String> {
    let asked = world.requests_to("telegram.test").into_iter();
    asked
        .filter_map(|body| body["text"].as_str().map(str::to_owned))
        .collect()
}

/// The message that says this, as the native surface shows it.
async fn shown(world: &World, words: &str) -> Value {
    let listed = world.get("/v1/messages?limit=100").await;
    let messages = listed["data"].as_array().expect("a list");
    let message = messages
        .iter()
        .find(|message| message["content"]["text"] == words)
        .unwrap_or_else(|| panic!("{words} in {listed}"));
    world.now(message).await
}

async fn status(world: &World, words: &str) -> String {
    let message = shown(world, words).await;
    message["status"].as_str().expect("a status").to_owned()
}

fn rejected() -> Answer {
    let body =
        json!({ "ok": false, "error_code": 400, "description": "Bad Request: chat not found" });
    Answer::Http(400, body)
}

fn throttled(seconds: i64) -> Answer {
    let body = json!({
        "ok": false, "error_code": 429, "description": "Too Many Requests",
        "parameters": { "retry_after": seconds },
    });
    Answer::Http(429, body)
}

fn temporary() -> Answer {
    let body = json!({ "ok": false, "error_code": 502, "description": "Bad Gateway" });
    Answer::Http(502, body)
}

fn unauthorized() -> Answer {
    let body = json!({ "ok": false, "error_code": 401, "description": "Unauthorized" });
    Answer::Http(401, body)
}

fn next_answer(world: &World, answer: Answer) {
    world.ports().from_provider.borrow_mut().push_back(answer);
}

/// Round trips that something takes.
async fn trips<T>(world: &World, work: impl Future<Output = T>) -> (u32, T) {
    let before = world.database().round_trips.get();
    let done = work.await;
    (world.database().round_trips.get() - before, done)
}

/// Waits until a request to a peer is under way.
async fn under_way(world: &World) {
    while world.ports().in_flight.get() == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_message_that_its_provider_takes_is_sent_before_the_answer() {
    let world = World::new().await;
    world.telegram().await;
    world.subscribe_to_all().await;
    let answer = say(&world, "Hello").await.expect(200);
    let message = shown(&world, "Hello").await;
    assert_eq!(
        answer,
        json!({ "messageId": message["id"], "status": "sent" })
    );
    assert_eq!(asked(&world), ["Hello"]);
    assert_eq!(message["status"], "sent");
    assert_eq!(message["providerMessageId"], "77:1");
    assert_eq!(history(&message), ["accepted", "sending", "sent"]);
    assert_eq!(world.take_pushes(Queue::Outbound), []);
    world.drain().await;
    assert_eq!(world.told_of(&message), ["message.sent"]);
    assert_eq!(asked(&world), ["Hello"]);
}

#[tokio::test]
async fn a_providers_final_refusal_is_an_answer_with_its_own_code_as_text() {
    let world = World::new().await;
    world.telegram().await;
    world.subscribe_to_all().await;
    next_answer(&world, rejected());
    let first = say(&world, "Hello").await;
    assert!(!is_replay(&first));
    let first = first.expect(200);
    assert_eq!(
        first,
        json!({
            "messageId": null, "status": "error",
            "errorMessage": "Bad Request: chat not found", "errorCode": "400",
        })
    );
    let message = shown(&world, "Hello").await;
    assert_eq!(message["status"], "failed");
    assert_eq!(world.take_pushes(Queue::Outbound), []);
    world.drain().await;
    assert_eq!(world.told_of(&message), ["message.failed"]);
    let again = say(&world, "Hello").await;
    assert!(is_replay(&again));
    assert_eq!(again.expect(200), first);
    assert_eq!(asked(&world).len(), 1);
}

#[tokio::test]
async fn a_refusal_without_a_code_of_the_providers_has_ours() {
    let world = World::new().await;
    world.sms().await;
    next_answer(&world, Answer::Http(400, json!("no")));
    let body = json!({ "from": SMS_NUMBER, "to": "+15550100077", "content": { "text": "Hi" } });
    let path = "/v1/communication/sms/message";
    let answer = post(&world, path, "a", body).await.expect(200);
    assert_eq!(answer["status"], "error");
    assert_eq!(answer["errorCode"], "provider_rejected");
    assert!(answer["errorMessage"].is_string());
}

#[tokio::test]
async fn what_is_not_settled_by_the_answer_is_enqueued_and_the_send_goes_on() {
    for (hindrance, stands) in [
        (throttled(14), "accepted"),
        (temporary(), "accepted"),
        (Answer::Http(523, json!("")), "accepted"),
        (Answer::NoAnswer, "unknown"),
        (Answer::Http(500, json!("<html>")), "unknown"),
    ] {
        let world = World::new().await;
        world.telegram().await;
        next_answer(&world, hindrance.clone());
        let first = say(&world, "Hello").await.expect(200);
        let message = shown(&world, "Hello").await;
        let expected = json!({ "messageId": message["id"], "status": "enqueued" });
        assert_eq!(first, expected, "{hindrance:?}");
        assert_eq!(message["status"], stands, "{hindrance:?}");
        world.drain().await;
        assert_eq!(asked(&world).len(), 1, "{hindrance:?}: not before its time");
        world.advance(MINUTE_MS);
        world.drain().await;
        let (ends, calls) = if stands == "unknown" {
            ("unknown", 1)
        } else {
            ("sent", 2)
        };
        assert_eq!(status(&world, "Hello").await, ends, "{hindrance:?}");
        assert_eq!(asked(&world).len(), calls, "{hindrance:?}");
        let again = say(&world, "Hello").await;
        assert!(is_replay(&again), "{hindrance:?}");
        assert_eq!(again.expect(200), first, "whatever became of it since");
        assert_eq!(asked(&world).len(), calls, "{hindrance:?}");
    }
}

#[tokio::test]
async fn an_unclear_outcome_is_sent_again_where_the_channel_says_so() {
    let world = World::new().await;
    let bot = world.telegram().await;
    world
        .patch_channel(
            &bot,
            json!({ "settings": { "onUnknownOutcome": "resend" } }),
        )
        .await;
    next_answer(&world, Answer::NoAnswer);
    let first = say(&world, "Hello").await.expect(200);
    assert_eq!(first["status"], "enqueued");
    world.advance(MINUTE_MS);
    world.drain().await;
    assert_eq!(asked(&world).len(), 2);
    assert_eq!(status(&world, "Hello").await, "sent");
    assert_eq!(say(&world, "Hello").await.expect(200), first);
}

#[tokio::test]
async fn a_refused_token_keeps_the_message_and_refuses_the_next() {
    let world = World::new().await;
    let bot = world.telegram().await;
    next_answer(&world, unauthorized());
    let first = say(&world, "one").await.expect(200);
    assert_eq!(first["status"], "enqueued");
    let channel = world.get(&format!("/v1/channels/{bot}")).await;
    assert_eq!(channel["status"], "needs_reauth");
    let refused = say(&world, "two").await.expect(409);
    assert_eq!(refused["errorCode"], "channel_unavailable");
    assert_eq!(refused["status"], "error");
    assert_eq!(refused["messageId"], Value::Null);
    assert_eq!(say(&world, "one").await.expect(200), first);
    assert_eq!(asked(&world), ["one"]);
    let credentials = json!({ "credentials": { "botToken": "123456:newer" } });
    world.patch_channel(&bot, credentials).await;
    world.drain().await;
    assert_eq!(asked(&world), ["one", "one"]);
    assert_eq!(status(&world, "one").await, "sent");
    assert_eq!(say(&world, "one").await.expect(200), first);
    let two = say(&world, "two").await;
    assert!(!is_replay(&two), "a refusal leaves its key free");
    assert_eq!(two.expect(200)["status"], "sent");
}

#[tokio::test]
async fn a_message_behind_an_unsent_one_is_enqueued_and_keeps_its_place() {
    let world = World::new().await;
    world.telegram().await;
    next_answer(&world, throttled(14));
    assert_eq!(say(&world, "one").await.expect(200)["status"], "enqueued");
    let two = say(&world, "two").await.expect(200);
    assert_eq!(two["status"], "enqueued");
    assert_eq!(asked(&world), ["one"]);
    // To somebody else nothing stands in the way.
    let other = json!({ "from": "patchbay_bot", "to": "777", "content": { "text": "other" } });
    let other = post(&world, PATH, "other", other).await.expect(200);
    assert_eq!(other["status"], "sent");
    world.advance(MINUTE_MS);
    world.drain().await;
    assert_eq!(asked(&world), ["one", "other", "one", "two"]);
    assert_eq!(status(&world, "two").await, "sent");
    let again = say(&world, "two").await;
    assert!(is_replay(&again));
    assert_eq!(again.expect(200), two, "its first answer");
    let three = say(&world, "three").await.expect(200);
    assert_eq!(three["status"], "sent");
}

#[tokio::test]
async fn a_message_behind_an_unsent_one_is_told_from_one_sent_at_once_within_a_millisecond() {
    let world = World::new().await;
    world.telegram().await;
    next_answer(&world, temporary());
    say(&world, "one").await.expect(200);
    world.advance(3_000);
    let two = say(&world, "two").await.expect(200);
    assert_eq!(two["status"], "enqueued");
    // The clock stands still: it is made, claimed and sent at the same moment.
    world.drain().await;
    assert_eq!(status(&world, "two").await, "sent");
    assert_eq!(say(&world, "two").await.expect(200), two);
}

#[tokio::test]
async fn one_that_comes_while_another_is_being_sent_goes_after_it() {
    let world = World::new().await;
    world.telegram().await;
    world.ports().stalls.set(true);
    let (one, two) = tokio::join!(say(&world, "one"), async {
        under_way(&world).await;
        let two = say(&world, "two").await;
        world.ports().stalls.set(false);
        two
    });
    assert_eq!(one.expect(200)["status"], "sent");
    assert_eq!(two.expect(200)["status"], "enqueued");
    world.drain().await;
    assert_eq!(asked(&world), ["one", "two"]);
    assert_eq!(status(&world, "two").await, "sent");
}

#[tokio::test]
async fn one_that_came_while_another_was_being_sent_goes_though_its_own_hint_came_too_early() {
    let world = World::new().await;
    world.telegram().await;
    world.ports().stalls.set(true);
    tokio::join!(say(&world, "one"), async {
        under_way(&world).await;
        say(&world, "two").await.expect(200);
        let early = world.take_pushes(Queue::Outbound);
        assert!(world.deliver(&early).await);
        assert_eq!(asked(&world), ["one"]);
        world.ports().stalls.set(false);
    });
    world.drain().await;
    assert_eq!(asked(&world), ["one", "two"]);
}

#[tokio::test]
async fn who_subscribes_while_a_message_is_being_sent_is_told_of_it() {
    let world = World::new().await;
    world.telegram().await;
    // Who has never been written to is told of as a new conversation.
    say(&world, "one").await.expect(200);
    world.ports().stalls.set(true);
    let (two, ()) = tokio::join!(say(&world, "two"), async {
        under_way(&world).await;
        world.subscribe_to_all().await;
        world.ports().stalls.set(false);
    });
    assert_eq!(two.expect(200)["status"], "sent");
    world.drain().await;
    let message = shown(&world, "two").await;
    assert_eq!(message["status"], "sent");
    assert_eq!(world.told_of(&message), ["message.sent"]);
    let database = world.database();
    assert_eq!(database.count("SELECT COUNT(*) FROM attempt"), 2);
    assert_eq!(
        database.count("SELECT SUM(value) FROM counter WHERE name = 'sends'"),
        2
    );
    assert_eq!(asked(&world), ["one", "two"]);
}

#[tokio::test]
async fn a_record_whose_answer_was_lost_counts_once_and_what_waits_goes_on() {
    let world = World::new().await;
    world.telegram().await;
    say(&world, "one").await.expect(200);
    world.ports().stalls.set(true);
    tokio::join!(say(&world, "two"), async {
        under_way(&world).await;
        say(&world, "three").await.expect(200);
        let early = world.take_pushes(Queue::Outbound);
        assert!(world.deliver(&early).await);
        world.database().runs_twice.set(true);
        world.ports().stalls.set(false);
    });
    world.database().runs_twice.set(false);
    world.drain().await;
    assert_eq!(asked(&world), ["one", "two", "three"]);
    assert_eq!(status(&world, "three").await, "sent");
    let sends = "SELECT SUM(value) FROM counter WHERE name = 'sends'";
    assert_eq!(world.database().count(sends), 3);
}

#[tokio::test]
async fn a_report_that_overtakes_the_answer_counts_though_nobody_is_told() {
    let world = World::new().await;
    let shop = world.open_whatsapp().await;
    let listed = world.get("/v1/conversations").await;
    let conversation = id(&listed["data"][0]);
    let path = format!("/v1/messaging/conversations/{conversation}/messages");
    world.ports().stalls.set(true);
    let at_s = world.ports().now_ms.get() / 1_000;
    let early = reports(&[report("wamid.1", "delivered", at_s)]);
    let (sent, ()) = tokio::join!(
        post(&world, &path, "a", json!({ "text": "Hello" })),
        async {
            under_way(&world).await;
            world.from_meta(&shop, &early).await.expect(200);
            world.ports().stalls.set(false);
        }
    );
    sent.expect(201);
    let message = shown(&world, "Hello").await;
    assert_eq!(message["status"], "delivered");
    assert_eq!(
        history(&message),
        ["accepted", "sending", "sent", "delivered"]
    );
}

#[tokio::test]
async fn a_replay_while_the_first_request_runs_is_told_to_come_again() {
    let mut world = World::new().await;
    world.telegram().await;
    for is_cold in [false, true] {
        if is_cold {
            world.forget();
        }
        let words = format!("cold: {is_cold}");
        world.ports().stalls.set(true);
        let (first, early) = tokio::join!(say(&world, &words), async {
            under_way(&world).await;
            let early = say(&world, &words).await;
            world.ports().stalls.set(false);
            early
        });
        assert_eq!(early.header("retry-after"), Some("1"));
        let early = early.expect(409);
        assert_eq!(early["errorCode"], "request_in_progress");
        assert_eq!(early["messageId"], Value::Null);
        let first = first.expect(200);
        assert_eq!(first["status"], "sent");
        let again = say(&world, &words).await;
        assert!(is_replay(&again));
        assert_eq!(again.expect(200), first);
    }
    assert_eq!(asked(&world).len(), 2);
}

#[tokio::test]
async fn a_message_that_is_tried_again_or_sent_in_its_turn_runs_in_no_request() {
    let world = World::new().await;
    world.telegram().await;
    next_answer(&world, throttled(1));
    let one = say(&world, "one").await.expect(200);
    let two = say(&world, "two").await.expect(200);
    world.advance(1_000);
    let hints = world.take_pushes(Queue::Outbound);
    for (words, first) in [("one", one), ("two", two)] {
        let calls = asked(&world).len();
        world.ports().released.set(calls);
        world.ports().stalls.set(true);
        // Their first answers were given long ago, though a call is under way.
        let (done, again) = tokio::join!(world.deliver(&hints), async {
            under_way(&world).await;
            assert_eq!(status(&world, words).await, "sending");
            let again = say(&world, words).await;
            if words == "one" {
                next_answer(&world, throttled(1));
            }
            world.ports().stalls.set(false);
            again
        });
        assert!(done);
        assert!(is_replay(&again));
        assert_eq!(again.expect(200), first, "{words}");
        world.advance(1_000);
    }
}

#[tokio::test]
async fn a_crash_while_the_provider_is_asked_leaves_a_lease_and_sends_nothing_twice() {
    let mut world = World::new().await;
    world.telegram().await;
    world.subscribe_to_all().await;
    world.ports().stalls.set(true);
    tokio::select! {
        biased;
        _ = say(&world, "one") => panic!("the provider does not answer"),
        () = under_way(&world) => {}
    }
    // The isolate died here: what it was doing is gone.
    world.forget();
    world.ports().stalls.set(false);
    world.ports().in_flight.set(0);
    assert_eq!(status(&world, "one").await, "sending");
    assert_eq!(
        say(&world, "one").await.expect(409)["errorCode"],
        "request_in_progress"
    );
    assert_eq!(say(&world, "two").await.expect(200)["status"], "enqueued");
    world.advance(13_000);
    // Longer than any request waits: nobody is sending it now, nobody knows whether it was sent.
    let again = say(&world, "one").await;
    assert!(is_replay(&again));
    assert_eq!(again.expect(200)["status"], "enqueued");
    world.advance(18_000);
    world.gateway.sweep().await;
    world.drain().await;
    assert_eq!(status(&world, "one").await, "unknown");
    assert_eq!(status(&world, "two").await, "sent");
    assert_eq!(asked(&world), ["one", "two"]);
    let message = shown(&world, "one").await;
    assert_eq!(world.told_of(&message), ["message.unknown"]);
    assert_eq!(say(&world, "one").await.expect(200)["status"], "enqueued");
    assert_eq!(asked(&world), ["one", "two"]);
}

#[tokio::test]
async fn a_database_that_fails_after_the_provider_was_asked_never_makes_two_of_one() {
    // Of two faults the last comes first; one alone is overcome within the request.
    for (faults, answered, ends) in [
        (vec![Fault::Before], "sent", "sent"),
        (vec![Fault::After], "sent", "sent"),
        (vec![Fault::After, Fault::Before], "enqueued", "sent"),
        (vec![Fault::Before, Fault::After], "enqueued", "sent"),
        (vec![Fault::After, Fault::After], "enqueued", "sent"),
        (vec![Fault::Before, Fault::Before], "enqueued", "unknown"),
    ] {
        for is_rejected in [false, true] {
            let world = World::new().await;
            world.telegram().await;
            world.subscribe_to_all().await;
            if is_rejected {
                next_answer(&world, rejected());
            }
            *world.ports().after_fetch.borrow_mut() = faults.clone();
            let first = say(&world, "Hello").await.expect(200);
            let (answered, ends) = match (is_rejected, answered, ends) {
                (true, "sent", _) => ("error", "failed"),
                (true, answered, "sent") => (answered, "failed"),
                (_, answered, ends) => (answered, ends),
            };
            assert_eq!(first["status"], answered, "{faults:?} {is_rejected}");
            world.advance(31_000);
            world.gateway.sweep().await;
            world.drain().await;
            assert_eq!(
                status(&world, "Hello").await,
                ends,
                "{faults:?} {is_rejected}"
            );
            assert_eq!(asked(&world).len(), 1, "{faults:?} {is_rejected}");
            let message = shown(&world, "Hello").await;
            let told = world.told_of(&message);
            assert_eq!(told, [format!("message.{ends}")], "{faults:?}");
            let again = say(&world, "Hello").await;
            assert!(is_replay(&again));
            again.expect(200);
            assert_eq!(asked(&world).len(), 1, "{faults:?} {is_rejected}");
            // And its conversation is not blocked.
            assert_eq!(say(&world, "next").await.expect(200)["status"], "sent");
        }
    }
}

#[tokio::test]
async fn a_database_that_fails_before_the_provider_is_asked_sends_at_most_once() {
    for (faults, calls) in [
        (vec![Fault::Before], 1),
        (vec![Fault::After], 1),
        (vec![Fault::Before, Fault::Before], 0),
        (vec![Fault::Before, Fault::After], 0),
        (vec![Fault::After, Fault::After], 0),
    ] {
        let world = World::new().await;
        world.telegram().await;
        say(&world, "warm").await.expect(200);
        *world.database().faults.borrow_mut() = faults.clone();
        let first = say(&world, "Hello").await;
        if calls == 1 {
            assert_eq!(first.expect(200)["status"], "sent", "{faults:?}");
        } else {
            assert_eq!(first.header("retry-after"), Some("2"));
            assert_eq!(first.expect(503)["errorCode"], "unavailable", "{faults:?}");
        }
        assert_eq!(asked(&world).len(), 1 + calls, "{faults:?}");
        world.advance(MINUTE_MS);
        world.gateway.sweep().await;
        world.drain().await;
        let again = say(&world, "Hello").await.expect(200);
        assert!(again["messageId"].is_string(), "{faults:?} {again}");
        world.drain().await;
        assert!(asked(&world).len() <= 2, "{faults:?}");
        let made = world
            .database()
            .count("SELECT COUNT(*) FROM message WHERE direction = 'outbound'");
        assert_eq!(made, 2, "{faults:?}");
    }
}

#[tokio::test]
async fn batches_that_run_twice_send_once_and_answer_alike() {
    let world = World::new().await;
    world.telegram().await;
    world.subscribe_to_all().await;
    world.database().runs_twice.set(true);
    let first = say(&world, "one").await.expect(200);
    assert_eq!(first["status"], "sent");
    next_answer(&world, rejected());
    let second = say(&world, "two").await.expect(200);
    assert_eq!(second["status"], "error");
    next_answer(&world, throttled(14));
    let third = say(&world, "three").await.expect(200);
    assert_eq!(third["status"], "enqueued");
    assert_eq!(asked(&world), ["one", "two", "three"]);
    world.advance(MINUTE_MS);
    world.drain().await;
    assert_eq!(asked(&world), ["one", "two", "three", "three"]);
    for (words, answer) in [("one", first), ("two", second), ("three", third)] {
        assert_eq!(say(&world, words).await.expect(200), answer);
    }
    // The hints of the first run are lost with its answer: the sweep pushes them again.
    world.database().runs_twice.set(false);
    world.advance(MINUTE_MS);
    world.gateway.sweep().await;
    world.drain().await;
    for (words, event) in [("one", "sent"), ("two", "failed"), ("three", "sent")] {
        let message = shown(&world, words).await;
        assert_eq!(world.told_of(&message), [format!("message.{event}")]);
    }
}

#[tokio::test]
async fn the_same_request_twice_at_the_same_time_is_sent_once() {
    let world = World::new().await;
    world.telegram().await;
    say(&world, "warm").await.expect(200);
    world.database().yields.set(true);
    let (one, other) = tokio::join!(say(&world, "Hello"), say(&world, "Hello"));
    let mut answers = [one, other];
    answers.sort_by_key(|reply| reply.status);
    let [first, second] = answers;
    assert_eq!(first.expect(200)["status"], "sent");
    assert!([200, 409].contains(&second.status), "{}", second.body);
    assert_eq!(asked(&world), ["warm", "Hello"]);
}

#[tokio::test]
async fn a_report_that_overtakes_the_providers_answer_changes_no_answer() {
    for (report, ends) in [("delivered", "delivered"), ("failed", "failed")] {
        let world = World::new().await;
        let number = world.sms().await;
        let body = json!({ "from": SMS_NUMBER, "to": "+15550100077", "content": { "text": "Hi" } });
        let path = "/v1/communication/sms/message";
        world.ports().stalls.set(true);
        let (first, ()) = tokio::join!(post(&world, path, "a", body.clone()), async {
            under_way(&world).await;
            let row = world.database().query("SELECT id FROM message");
            let query = format!("?message={}", id(&row[0]));
            let fields = [
                ("MessageSid", "SM00000000000000000000000000000001"),
                ("MessageStatus", report),
                ("ErrorCode", "30003"),
            ];
            world
                .from_twilio(&number, &query, &fields)
                .await
                .expect(200);
            world.ports().stalls.set(false);
        });
        let first = first.expect(200);
        assert_eq!(first["status"], "sent", "Twilio took it: {report}");
        assert_eq!(status(&world, "Hi").await, ends);
        let again = post(&world, path, "a", body).await;
        assert!(is_replay(&again));
        assert_eq!(again.expect(200), first);
    }
}

#[tokio::test]
async fn instagram_and_sms_are_sent_before_the_answer_and_whatsapp_and_messenger_after_it() {
    let world = World::new().await;
    world.instagram().await;
    world.sms().await;
    world.unenforced_whatsapp().await;
    let page = world.messenger().await;
    for channel in ["instagram", "messenger"] {
        let id = world.get(&format!("/v1/channels?type={channel}")).await;
        let id = id["data"][0]["id"].as_str().expect("an id").to_owned();
        let patch = json!({ "settings": { "enforceWindow": false } });
        world.patch_channel(&id, patch).await;
    }
    for (channel, from, to, status) in [
        ("instagram", "the.shop", "17840001", "sent"),
        ("sms", SMS_NUMBER, "+15550100077", "sent"),
        ("whatsapp", "15550100001", "5511999999999", "enqueued"),
        ("messenger", page.as_str(), "98765", "enqueued"),
    ] {
        let path = format!("/v1/communication/{channel}/message");
        let body = json!({ "from": from, "to": to, "content": { "text": channel } });
        let before = world.ports().requests.borrow().len();
        let first = post(&world, &path, "a", body.clone()).await.expect(200);
        assert_eq!(first["status"], status, "{channel}");
        let calls = world.ports().requests.borrow().len() - before;
        assert_eq!(calls, usize::from(status == "sent"), "{channel}");
        world.drain().await;
        assert_eq!(world.ports().requests.borrow().len(), before + 1);
        let again = post(&world, &path, "a", body).await;
        assert!(is_replay(&again), "{channel}");
        assert_eq!(again.expect(200), first, "{channel}");
    }
}

#[tokio::test]
async fn instagrams_refusal_keeps_its_code() {
    let world = World::new().await;
    let account = world.instagram().await;
    let now = world.ports().now_ms.get();
    let hello = instagram_text("17840001", "mid.1", "Hi", now);
    world.from_meta(&account, &hello).await.expect(200);
    let error = json!({ "error": { "code": 100, "message": "No matching user found", "error_subcode": 2_534_014 } });
    next_answer(&world, Answer::Http(400, error));
    let body = json!({ "from": account, "to": "17840001", "content": { "text": "Hi" } });
    let path = "/v1/communication/instagram/message";
    let first = post(&world, path, "a", body.clone()).await.expect(200);
    assert_eq!(first["status"], "error");
    assert_eq!(first["messageId"], Value::Null);
    assert_eq!(first["errorCode"], "100");
    assert_eq!(first["recipientId"], "17840001");
    assert_eq!(first["type"], "Text");
    assert_eq!(post(&world, path, "a", body).await.expect(200), first);
}

#[tokio::test]
async fn a_send_with_its_providers_word_takes_one_round_trip_more_and_no_queue() {
    let mut world = World::new().await;
    world.telegram().await;
    world.sms().await;
    for (path, from, to) in [
        (PATH, "patchbay_bot", PERSON),
        ("/v1/communication/sms/message", SMS_NUMBER, "+15550100077"),
    ] {
        for (key, most) in [("cold", 3), ("warm", 2), ("rejected", 2), ("new", 2)] {
            if key == "cold" {
                world.forget();
            }
            if key == "rejected" {
                next_answer(
                    &world,
                    Answer::Http(400, json!({ "ok": false, "code": 21_211 })),
                );
            }
            let to = if key == "new" { "15550100099" } else { to };
            let body = json!({ "from": from, "to": to, "content": { "text": "Hi" } });
            let (count, reply) = trips(&world, post(&world, path, key, body.clone())).await;
            reply.expect(200);
            assert!(count <= most, "{count} {key} for {path}");
            assert_eq!(world.take_pushes(Queue::Outbound), [], "{key} for {path}");
            let (count, reply) = trips(&world, post(&world, path, key, body)).await;
            assert!(is_replay(&reply));
            assert!(count <= 2, "{count} for a replay of {key} for {path}");
        }
    }
}
