//! One `Idempotency-Key` or `clientMessageId`: one message, one send.

use crate::support::outgoing::{SHOP, id, pointer, text};
use crate::support::world::{CUSTOMER, Reply};
use crate::support::{Answer, Fault, World};
use http::Method;
use patchbay::gateway::Queue;
use serde_json::{Value, json};

const DAY_MS: i64 = 24 * 3_600_000;

fn is_replay(reply: &Reply) -> bool {
    reply.header("idempotency-replayed") == Some("true")
}

fn messages(world: &World) -> i64 {
    world
        .database()
        .count("SELECT COUNT(*) FROM message WHERE direction = 'outbound'")
}

/// A text with a client's own id.
fn named(name: &str, what: &str) -> Value {
    let mut body = text(CUSTOMER, what);
    body["clientMessageId"] = json!(name);
    body
}

#[tokio::test]
async fn the_same_request_again_is_the_first_answer_again() {
    let mut world = World::new().await;
    world.open_whatsapp().await;
    let first = world.post_under("order-1", text(CUSTOMER, "Hello")).await;
    assert!(!is_replay(&first));
    let first = first.expect(202);
    for is_cold in [false, true] {
        for key in ["order-1", "\"order-1\"", " order-1 "] {
            if is_cold {
                world.forget();
            }
            let again = world.post_under(key, text(CUSTOMER, "Hello")).await;
            assert!(is_replay(&again), "{key}");
            assert_eq!(again.expect(202), first, "{key}");
        }
    }
    assert_eq!(messages(&world), 1);
    world.drain().await;
    assert_eq!(world.requests_to("graph.test").len(), 1);
}

#[tokio::test]
async fn the_same_body_spelled_otherwise_is_the_same_request() {
    let world = World::new().await;
    world.open_whatsapp().await;
    let post = async |body: &str| {
        let request = http::Request::post("https://patchbay.test/v1/messages")
            .header("x-api-key", &world.key)
            .header("idempotency-key", "order-1")
            .body(body.to_owned().into())
            .expect("a request");
        world.send_raw(request).await
    };
    let one = r#"{"from":"+15550100001","to":"5511999999999","metadata":{"a":1,"b":[1.0]},
        "content":{"type":"text","text":"Hello"}}"#;
    let other = r#"{ "content":{"text":"\u0048ello","type":"text"}, "metadata":{"b":[1e0],"a":1},
        "to":"5511999999999","from":"+15550100001" }"#;
    let first = post(one).await.expect(202);
    let again = post(other).await;
    assert!(is_replay(&again));
    assert_eq!(again.expect(202), first);
    assert_eq!(messages(&world), 1);
}

#[tokio::test]
async fn a_replay_shows_the_message_as_it_was_accepted_whatever_became_of_it() {
    let world = World::new().await;
    let shop = world.open_whatsapp().await;
    let mut body = text(CUSTOMER, "Hello");
    body["metadata"] = json!({ "order": 7 });
    let first = world.post_under("order-1", body.clone()).await.expect(202);
    world.drain().await;
    let at = world.ports().now_ms.get() / 1_000;
    let read = crate::support::outgoing::reports(&[
        crate::support::outgoing::report("wamid.1", "read", at),
        crate::support::outgoing::report("wamid.1", "delivered", at),
    ]);
    world.from_meta(&shop, &read).await.expect(200);
    assert_eq!(world.status(&first).await, "read");
    let again = world.post_under("order-1", body).await;
    assert!(is_replay(&again));
    assert_eq!(again.expect(202), first);

    let failed = json!({ "error": { "code": 131_026, "message": "no" } });
    world
        .ports()
        .from_provider
        .borrow_mut()
        .push_back(Answer::Http(400, failed));
    let second = world
        .post_under("order-2", text(CUSTOMER, "Two"))
        .await
        .expect(202);
    world.drain().await;
    assert_eq!(world.status(&second).await, "failed");
    assert_eq!(
        world
            .post_under("order-2", text(CUSTOMER, "Two"))
            .await
            .expect(202),
        second
    );
}

#[tokio::test]
async fn a_key_used_with_another_body_is_refused() {
    let mut world = World::new().await;
    world.open_whatsapp().await;
    world
        .post_under("order-1", text(CUSTOMER, "Hello"))
        .await
        .expect(202);
    let mut unknown_field = text(CUSTOMER, "Hello");
    unknown_field["mood"] = json!("good");
    let others = [
        text(CUSTOMER, "Hello!"),
        text("5511888888888", "Hello"),
        unknown_field,
        // Bodies that would be refused anyway are first of all another body.
        text(CUSTOMER, ""),
        json!({}),
        text("nobody", "Hello"),
    ];
    for is_cold in [false, true] {
        for body in &others {
            if is_cold {
                world.forget();
            }
            let refused = world
                .refused_with(&[("idempotency-key", "order-1")], body.clone())
                .await;
            assert_eq!(
                refused.as_told(),
                (409, "idempotency_key_reused", ""),
                "{body}"
            );
        }
    }
}

#[tokio::test]
async fn a_refused_request_leaves_its_key_free() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let under = [("idempotency-key", "order-1")];
    assert_eq!(
        world
            .refused_with(&under, text(CUSTOMER, ""))
            .await
            .as_told()
            .0,
        422
    );
    assert_eq!(
        world
            .refused_with(&under, text("12", "Hello"))
            .await
            .as_told()
            .0,
        422
    );
    let closed = world.refused_with(&under, text(CUSTOMER, "Hello")).await;
    assert_eq!(closed.as_told().1, "window_closed");
    world
        .customer_writes(&shop, CUSTOMER, "wamid.in", "Hi")
        .await;
    let accepted = world.post_under("order-1", text(CUSTOMER, "Hello")).await;
    assert!(!is_replay(&accepted));
    let accepted = accepted.expect(202);
    let again = world.post_under("order-1", text(CUSTOMER, "Hello")).await;
    assert!(is_replay(&again));
    assert_eq!(again.expect(202), accepted);
}

#[tokio::test]
async fn a_replay_is_answered_before_the_window_and_the_channel_are_looked_at() {
    let states: [&str; 4] = [
        "UPDATE conversation SET last_inbound_at = 1",
        "UPDATE channel SET status = 'disabled', version = version + 1",
        "UPDATE channel SET status = 'needs_reauth', version = version + 1",
        "UPDATE channel SET deleted_at = 1, status = 'disabled', credentials = NULL, version = version + 1",
    ];
    for state in states {
        let mut world = World::new().await;
        world.open_whatsapp().await;
        let conversation = world.say(CUSTOMER, "warms up").await["conversationId"].clone();
        let conversation = conversation.as_str().expect("an id");
        let in_conversation =
            json!({ "to": conversation, "content": { "type": "text", "text": "Hi" } });
        let mut bodies = Vec::new();
        for (key, mut body) in [
            ("by-address", text(CUSTOMER, "Hello")),
            ("by-conversation", in_conversation),
        ] {
            body["clientMessageId"] = json!(key);
            let first = world.post_under(key, body.clone()).await.expect(202);
            bodies.push((key, body, first));
        }
        world.database().query(state);
        for is_cold in [false, true] {
            for (key, body, first) in &bodies {
                if is_cold {
                    world.forget();
                }
                let by_key = world.post_under(key, body.clone()).await;
                assert!(
                    is_replay(&by_key),
                    "{state} {key} {is_cold} {}",
                    by_key.body
                );
                assert_eq!(&by_key.expect(202), first);
                if is_cold {
                    world.forget();
                }
                let by_client_id = world.post("/v1/messages", body.clone()).await;
                assert!(is_replay(&by_client_id), "{state} {key} {is_cold}");
                assert_eq!(&by_client_id.expect(202), first);
                let other = world
                    .post_under(key, text(CUSTOMER, "other"))
                    .await
                    .expect(409);
                assert_eq!(other["code"], "idempotency_key_reused");
            }
        }
        assert_eq!(messages(&world), 3);
    }
}

#[tokio::test]
async fn a_replay_still_needs_a_key_that_may_send() {
    let mut world = World::new().await;
    world.open_whatsapp().await;
    world
        .post_under("order-1", text(CUSTOMER, "Hello"))
        .await
        .expect(202);
    let path = format!("/v1/workspaces/{}/api-keys", world.workspace);
    let new = json!({ "name": "reader", "scopes": ["messaging:messages:read"] });
    let reader = world.admin(Method::POST, &path, new).await.expect(201);
    let reader = reader["key"].as_str().expect("a key").to_owned();
    let own = std::mem::replace(&mut world.key, reader);
    let refused = world
        .post_under("order-1", text(CUSTOMER, "Hello"))
        .await
        .expect(403);
    assert_eq!(refused["code"], "missing_scope");
    world.key = own;
    world.database().query("UPDATE api_key SET revoked_at = 1");
    let refused = world
        .post_under("order-1", text(CUSTOMER, "Hello"))
        .await
        .expect(401);
    assert_eq!(refused["code"], "invalid_api_key");
}

#[tokio::test]
async fn a_key_is_kept_for_a_day() {
    let world = World::new().await;
    world.unenforced_whatsapp().await;
    let first = world
        .post_under("order-1", text(CUSTOMER, "Hello"))
        .await
        .expect(202);
    world.advance(DAY_MS - 1);
    world.gateway.sweep().await;
    let again = world.post_under("order-1", text(CUSTOMER, "Hello")).await;
    assert!(is_replay(&again));
    assert_eq!(id(&again.expect(202)), id(&first));
    world.advance(1);
    let second = world.post_under("order-1", text(CUSTOMER, "Another")).await;
    assert!(!is_replay(&second));
    let second = second.expect(202);
    assert_ne!(id(&second), id(&first));
    // The key now names the second message.
    let again = world.post_under("order-1", text(CUSTOMER, "Another")).await;
    assert!(is_replay(&again));
    assert_eq!(again.expect(202), second);
    assert_eq!(messages(&world), 2);
    // By whole days: in the end within two.
    world.advance(2 * DAY_MS);
    world.gateway.sweep().await;
    assert_eq!(
        world.database().count("SELECT COUNT(*) FROM idempotency"),
        0,
        "cleared away"
    );
}

#[tokio::test]
async fn keys_and_client_ids_of_two_workspaces_do_not_meet() {
    let mut world = World::new().await;
    world.unenforced_whatsapp().await;
    let mut body = text(CUSTOMER, "Hello");
    body["clientMessageId"] = json!("mine-1");
    let theirs = world.post_under("order-1", body.clone()).await.expect(202);
    (_, world.key) = world.new_workspace("Other").await;
    world.unenforced_whatsapp().await;
    let mine = world.post_under("order-1", body).await;
    assert!(!is_replay(&mine));
    assert_ne!(id(&mine.expect(202)), id(&theirs));
    assert_eq!(messages(&world), 2);
}

#[tokio::test]
async fn two_keys_of_one_workspace_share_their_idempotency_keys() {
    let mut world = World::new().await;
    world.open_whatsapp().await;
    let first = world
        .post_under("order-1", text(CUSTOMER, "Hello"))
        .await
        .expect(202);
    let path = format!("/v1/workspaces/{}/api-keys", world.workspace);
    let second = world
        .admin(Method::POST, &path, json!({ "name": "second" }))
        .await
        .expect(201);
    world.key = second["key"].as_str().expect("a key").to_owned();
    let again = world.post_under("order-1", text(CUSTOMER, "Hello")).await;
    assert!(is_replay(&again));
    assert_eq!(again.expect(202), first);
}

#[tokio::test]
async fn a_client_message_id_is_unique_for_ever() {
    let world = World::new().await;
    world.unenforced_whatsapp().await;
    let first = world.post("/v1/messages", named("mine-1", "Hello")).await;
    assert!(!is_replay(&first));
    let first = first.expect(202);
    world.drain().await;
    for _ in 0..3 {
        let again = world.post("/v1/messages", named("mine-1", "Hello")).await;
        assert!(is_replay(&again));
        assert_eq!(again.expect(202), first);
        for other in [named("mine-1", "Other"), named("mine-1", "")] {
            let refused = world.refused(other).await;
            assert_eq!(refused.as_told(), (409, "conflict", "/clientMessageId"));
        }
        world.advance(20 * DAY_MS);
        world.gateway.sweep().await;
    }
    assert_eq!(messages(&world), 1);
    assert_eq!(world.requests_to("graph.test").len(), 1);
}

#[tokio::test]
async fn a_key_and_a_client_message_id_together_still_name_one_message() {
    let world = World::new().await;
    world.unenforced_whatsapp().await;
    let first = world
        .post_under("order-1", named("mine-1", "Hello"))
        .await
        .expect(202);
    for reply in [
        world.post_under("order-1", named("mine-1", "Hello")).await,
        // Another key, or none: the client's id is the same.
        world.post_under("order-2", named("mine-1", "Hello")).await,
        world.post("/v1/messages", named("mine-1", "Hello")).await,
    ] {
        assert!(is_replay(&reply));
        assert_eq!(reply.expect(202), first);
    }
    let reused = world
        .post_under("order-1", named("mine-1", "Other"))
        .await
        .expect(409);
    assert_eq!(
        reused["code"], "idempotency_key_reused",
        "the key is asked first"
    );
    let reused = world
        .post_under("order-1", named("mine-2", "Hello"))
        .await
        .expect(409);
    assert_eq!(reused["code"], "idempotency_key_reused");
    let conflict = world
        .post_under("order-3", named("mine-1", "Other"))
        .await
        .expect(409);
    assert_eq!(
        (conflict["code"].as_str(), pointer(&conflict)),
        (Some("conflict"), "/clientMessageId")
    );
    // A day later the key is free, the client's id is not.
    world.advance(DAY_MS);
    let again = world.post_under("order-1", named("mine-1", "Hello")).await;
    assert!(is_replay(&again));
    assert_eq!(again.expect(202), first);
    let conflict = world
        .post_under("order-4", named("mine-1", "Other"))
        .await
        .expect(409);
    assert_eq!(conflict["code"], "conflict");
    // A key that was answered by the client's id is used, too.
    let reused = world
        .post_under("order-1", named("mine-3", "Other"))
        .await
        .expect(409);
    assert_eq!(reused["code"], "idempotency_key_reused");
    assert_eq!(messages(&world), 1);
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_and_nothing_is_sent() {
    let world = World::new().await;
    world.open_whatsapp().await;
    let long = "k".repeat(256);
    for key in ["", "\"\"", "\"open", long.as_str(), "schlüssel"] {
        let refused = world
            .refused_with(&[("idempotency-key", key)], text(CUSTOMER, "Hello"))
            .await;
        let told = (422, "invalid_request", "/headers/idempotency-key");
        assert_eq!(refused.as_told(), told, "{key}");
    }
}

#[tokio::test]
async fn an_accepted_message_whose_answer_was_lost_is_accepted_once() {
    let mut world = World::new().await;
    world.unenforced_whatsapp().await;
    world.say(CUSTOMER, "warms up").await;
    world.drain().await;
    for (number, to) in [CUSTOMER, "5511888888888"].into_iter().enumerate() {
        for is_cold in [false, true] {
            if is_cold {
                world.forget();
                world.say(CUSTOMER, "warms up").await;
            }
            let before = messages(&world);
            let key = format!("{number}-{is_cold}");
            world.database().faults.borrow_mut().push(Fault::After);
            let accepted = world.post_under(&key, text(to, "Hello")).await;
            assert!(world.database().faults.borrow().is_empty());
            assert!(!is_replay(&accepted), "it is the first answer");
            let accepted = accepted.expect(202);
            assert_eq!(accepted["status"], "accepted");
            assert_eq!(messages(&world), before + 1);
            let again = world.post_under(&key, text(to, "Hello")).await;
            assert!(is_replay(&again));
            assert_eq!(again.expect(202), accepted);
        }
    }
    world.drain().await;
    assert_eq!(
        world.database().count("SELECT COUNT(*) FROM conversation"),
        2
    );
    let sent = world.texts_sent();
    assert_eq!(sent.iter().filter(|text| *text == "Hello").count(), 4);
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_503_and_the_retry_goes_through() {
    let mut world = World::new().await;
    world.unenforced_whatsapp().await;
    world.say(CUSTOMER, "warms up").await;
    for is_cold in [false, true] {
        if is_cold {
            world.forget();
        }
        let key = format!("order-{is_cold}");
        world
            .database()
            .faults
            .borrow_mut()
            .extend([Fault::Before, Fault::Before]);
        let under = [("idempotency-key", key.as_str())];
        let refused = world.refused_with(&under, text(CUSTOMER, "Hello")).await;
        assert_eq!(refused.as_told(), (503, "unavailable", ""));
        let wait = refused
            .0
            .header("retry-after")
            .and_then(|wait| wait.parse::<u32>().ok());
        assert!(wait.is_some_and(|wait| (1..=60).contains(&wait)));
        let accepted = world.post_under(&key, text(CUSTOMER, "Hello")).await;
        assert!(!is_replay(&accepted));
        accepted.expect(202);
    }
    world.drain().await;
    assert_eq!(world.texts_sent(), ["warms up", "Hello", "Hello"]);
}

#[tokio::test]
async fn a_message_accepted_without_anybody_hearing_of_it_is_sent_and_replayed() {
    let world = World::new().await;
    world.open_whatsapp().await;
    world.say(CUSTOMER, "warms up").await;
    world
        .database()
        .faults
        .borrow_mut()
        .extend([Fault::After, Fault::After]);
    world
        .post_under("order-1", text(CUSTOMER, "Hello"))
        .await
        .expect(503);
    let again = world.post_under("order-1", text(CUSTOMER, "Hello")).await;
    assert!(is_replay(&again));
    let again = again.expect(202);
    world.drain().await;
    world.advance(10_000);
    world.gateway.sweep().await;
    world.drain().await;
    assert_eq!(world.status(&again).await, "sent");
    assert_eq!(world.texts_sent(), ["warms up", "Hello"]);
}

#[tokio::test]
async fn the_same_request_twice_at_the_same_time_makes_one_message() {
    let world = World::new().await;
    world.unenforced_whatsapp().await;
    world.say(CUSTOMER, "warms up").await;
    world.take_pushes(Queue::Outbound);
    world.database().yields.set(true);
    for to in [CUSTOMER, "5511888888888"] {
        let body = json!({ "from": SHOP, "to": to, "clientMessageId": to,
            "content": { "type": "text", "text": "Hello" } });
        let (one, two) = tokio::join!(
            world.post_under(to, body.clone()),
            world.post_under(to, body.clone()),
        );
        assert_ne!(
            is_replay(&one),
            is_replay(&two),
            "one is first, the other is a replay"
        );
        assert_eq!(one.expect(202), two.expect(202));
    }
    assert_eq!(messages(&world), 3);
}
