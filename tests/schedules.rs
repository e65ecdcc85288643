//! Messages for later: kept, moved, canceled, and given their place when they fall due.

use crate::support::outgoing::{history, id, pointer, text};
use crate::support::templates::{body as template_body, template};
use crate::support::world::{CUSTOMER, Reply, messenger_text};
use crate::support::{Answer, Fault, World};
use http::Method;
use patchbay::gateway::Queue;
use patchbay::model::time::Timestamp;
use serde_json::{Value, json};

const SECOND_MS: i64 = 1_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A moment so far from now, as it is written.
fn ahead(world: &World, ms: i64) -> String {
    Timestamp::from_ms(world.ports().now_ms.get() + ms).to_rfc3339()
}

fn body_in(world: &World, ms: i64, what: &str) -> Value {
    let mut body = text(CUSTOMER, what);
    body["scheduledAt"] = json!(ahead(world, ms));
    body
}

/// Schedules a text so far ahead.
async fn say_in(world: &World, ms: i64, what: &str) -> Value {
    let body = body_in(world, ms, what);
    world.post("/v1/messages", body).await.expect(202)
}

async fn cancel(world: &World, message: &Value) -> Reply {
    let path = format!("/v1/messages/{}", id(message));
    world.call(Method::DELETE, &path, Value::Null).await
}

async fn move_to(world: &World, message: &Value, at: Value) -> Reply {
    let path = format!("/v1/messages/{}", id(message));
    world
        .call(Method::PATCH, &path, json!({ "scheduledAt": at }))
        .await
}

/// Lets so much time pass, and all that is due be done.
async fn pass(world: &World, ms: i64) {
    world.advance(ms);
    world.gateway.sweep().await;
    world.drain().await;
}

fn error_of(message: &Value) -> (&str, &str) {
    let code = message["error"]["code"].as_str().unwrap_or("");
    (message["status"].as_str().unwrap_or(""), code)
}

#[tokio::test]
async fn a_scheduled_message_is_sent_when_it_falls_due_and_tells_the_whole_story() {
    let world = World::new().await;
    world.open_whatsapp().await;
    world.subscribe_to_all().await;
    let said = say_in(&world, HOUR_MS, "Later").await;
    assert_eq!(said["status"], "scheduled");
    assert_eq!(said["scheduledAt"], ahead(&world, HOUR_MS));
    assert_eq!(history(&said), ["scheduled"]);
    world.gateway.sweep().await;
    world.drain().await;
    pass(&world, HOUR_MS - SECOND_MS).await;
    assert_eq!(world.texts_sent(), [""; 0]);
    let waiting = world.now(&said).await;
    assert_eq!(waiting["status"], "scheduled");
    assert_eq!(waiting["nextAttemptAt"], waiting["scheduledAt"]);
    assert_eq!(waiting["attempts"], json!([]));
    world.advance(SECOND_MS);
    world.drain().await;
    assert_eq!(world.texts_sent(), ["Later"]);
    let sent = world.now(&said).await;
    assert_eq!(history(&sent), ["scheduled", "accepted", "sending", "sent"]);
    assert_eq!(sent["statusHistory"][0]["at"], said["createdAt"]);
    assert_eq!(sent["statusHistory"][1]["at"], said["scheduledAt"]);
    assert_eq!(sent["nextAttemptAt"], Value::Null);
    assert_eq!(sent["attempts"][0]["outcome"], "sent");
    assert!(
        sent["attempts"][0]["startedAt"].is_string() && sent["attempts"][0]["endedAt"].is_string()
    );
    assert_eq!(world.told_of(&said), ["message.sent"]);
    // Whatever is pushed again changes nothing.
    pass(&world, DAY_MS).await;
    assert_eq!(world.texts_sent(), ["Later"]);
}

#[tokio::test]
async fn what_is_far_ahead_gets_its_hint_from_the_sweep_in_time() {
    let world = World::new().await;
    world.unenforced_whatsapp().await;
    let said = say_in(&world, 40 * DAY_MS, "Far").await;
    assert_eq!(world.take_pushes(Queue::Outbound), []);
    pass(&world, 39 * DAY_MS).await;
    assert_eq!(world.take_pushes(Queue::Outbound), []);
    pass(&world, DAY_MS - 60 * SECOND_MS).await;
    // One hint, however often the sweep looks.
    world.gateway.sweep().await;
    let pushed = world.ports().pushed.borrow().len();
    assert_eq!(pushed, 1);
    world.advance(60 * SECOND_MS);
    world.drain().await;
    assert_eq!(world.texts_sent(), ["Far"]);
    assert_eq!(
        world.now(&said).await["statusHistory"][1]["at"],
        said["scheduledAt"]
    );
}

#[tokio::test]
async fn a_schedule_whose_hint_was_lost_is_found_by_the_sweep() {
    let world = World::new().await;
    world.open_whatsapp().await;
    say_in(&world, HOUR_MS, "Lost").await;
    world.take_pushes(Queue::Outbound);
    world.advance(HOUR_MS + 9 * SECOND_MS);
    world.gateway.sweep().await;
    world.drain().await;
    assert_eq!(world.texts_sent(), ["Lost"]);
}

#[tokio::test]
async fn it_takes_its_place_behind_what_was_accepted_before_it_fell_due() {
    let world = World::new().await;
    world.open_whatsapp().await;
    // In the order of their times; those of the same time in the order they came in.
    for (ms, what) in [(60, "third"), (30, "first"), (30, "second")] {
        say_in(&world, ms * SECOND_MS, what).await;
    }
    world.say(CUSTOMER, "now").await;
    let throttle = json!({ "error": { "code": 130_429, "message": "slow down" } });
    world
        .ports()
        .from_provider
        .borrow_mut()
        .push_back(Answer::Headed(
            429,
            vec![("retry-after", "90".to_owned())],
            throttle,
        ));
    world.drain().await;
    pass(&world, 61 * SECOND_MS).await;
    world.say(CUSTOMER, "last").await;
    pass(&world, 60 * SECOND_MS).await;
    let sent = world.texts_sent();
    assert_eq!(sent, ["now", "now", "first", "second", "third", "last"]);
    let listed = world.get("/v1/messages?limit=100").await;
    let conversation = listed["data"][0]["conversationId"].as_str().expect("an id");
    let listed = world
        .get(&format!("/v1/conversations/{conversation}/messages"))
        .await;
    let texts: Vec<&str> = listed["data"]
        .as_array()
        .expect("a page")
        .iter()
        .filter_map(|message| message["content"]["text"].as_str())
        .collect();
    assert_eq!(texts, ["last", "third", "second", "first", "now", "Hi"]);
}

#[tokio::test]
async fn several_parts_are_scheduled_moved_canceled_and_sent_as_one() {
    let world = World::new().await;
    world.open_whatsapp().await;
    let cards = |world: &World| {
        let mut body = body_in(world, HOUR_MS, "");
        body["content"] = json!({ "type": "cards", "cards": [
            { "title": "Shirt", "imageUrl": "https://shop.example/shirt.png",
              "buttons": [{ "kind": "reply", "id": "shirt", "title": "Shirt" }] },
            { "title": "Socks", "imageUrl": "https://shop.example/socks.png",
              "buttons": [{ "kind": "reply", "id": "socks", "title": "Socks" }] },
        ] });
        body["onUnsupported"] = json!("adapt");
        body
    };
    let body = cards(&world);
    let kept = world.post("/v1/messages", body).await.expect(202);
    let parts = kept["adapted"]["parts"].as_array().expect("parts").clone();
    assert!(parts.len() > 1);
    let count = |status: &str| {
        let sql = format!("SELECT COUNT(*) FROM message WHERE status = '{status}'");
        world.database().count(&sql)
    };
    assert_eq!(count("scheduled"), parts.len() as i64);
    // Any of the parts stands for all.
    let second = json!({ "id": parts[1] });
    let at = ahead(&world, 2 * HOUR_MS);
    move_to(&world, &second, json!(at)).await.expect(200);
    pass(&world, HOUR_MS).await;
    assert_eq!(count("scheduled"), parts.len() as i64);
    pass(&world, HOUR_MS).await;
    assert_eq!(count("sent"), parts.len() as i64);
    let asked = world.requests_to("graph.test").len();
    assert_eq!(asked, parts.len());

    let body = cards(&world);
    let dropped = world.post("/v1/messages", body).await.expect(202);
    let last = json!({ "id": dropped["adapted"]["parts"][1] });
    cancel(&world, &last).await.expect(200);
    assert_eq!(count("canceled"), parts.len() as i64);
    pass(&world, DAY_MS).await;
    assert_eq!(world.requests_to("graph.test").len(), asked);
}

#[tokio::test]
async fn a_time_must_lie_from_a_second_to_a_year_ahead_and_before_the_end() {
    let world = World::new().await;
    world.open_whatsapp().await;
    for (ms, wanted) in [
        (-HOUR_MS, 422),
        (0, 422),
        (999, 422),
        (SECOND_MS, 202),
        (365 * DAY_MS, 202),
        (365 * DAY_MS + 1, 422),
    ] {
        let body = body_in(&world, ms, "Later");
        let checked = world
            .post("/v1/messages/validate", body.clone())
            .await
            .expect(200);
        assert_eq!(checked["valid"], wanted == 202, "{ms}: {checked}");
        let reply = world.post("/v1/messages", body).await;
        assert_eq!(reply.status, wanted, "{ms}");
        if wanted == 422 {
            assert_eq!(pointer(&reply.body), "/scheduledAt");
        }
    }
    for wrong in [json!("tomorrow"), json!(7), json!("2026-12-01")] {
        let mut body = text(CUSTOMER, "Later");
        body["scheduledAt"] = wrong;
        let refused = world.refused(body).await;
        assert_eq!(refused.as_told(), (422, "invalid_request", "/scheduledAt"));
    }
    let mut body = body_in(&world, HOUR_MS, "Later");
    body["expiresAt"] = json!(ahead(&world, HOUR_MS));
    let refused = world.refused(body.clone()).await;
    assert_eq!(refused.as_told(), (422, "invalid_request", "/expiresAt"));
    body["expiresAt"] = json!(ahead(&world, HOUR_MS + 1));
    let said = world.post("/v1/messages", body).await.expect(202);
    let reply = move_to(&world, &said, json!(ahead(&world, 2 * HOUR_MS))).await;
    assert_eq!(pointer(&reply.expect(422)), "/scheduledAt");
    for wrong in [Value::Null, json!("later"), json!(ahead(&world, 0))] {
        let reply = move_to(&world, &said, wrong).await;
        assert_eq!(pointer(&reply.expect(422)), "/scheduledAt");
    }
}

#[tokio::test]
async fn signs_are_of_now_and_cannot_be_scheduled() {
    let world = World::new().await;
    world.open_whatsapp().await;
    for content in [json!({ "type": "typing" }), json!({ "type": "markSeen" })] {
        let mut body = body_in(&world, HOUR_MS, "");
        body["content"] = content;
        let refused = world.refused(body).await;
        assert_eq!(refused.as_told(), (422, "invalid_request", "/scheduledAt"));
    }
}

#[tokio::test]
async fn the_window_need_be_open_only_when_it_falls_due() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    world.subscribe_to_all().await;
    let closed = say_in(&world, HOUR_MS, "To a stranger").await;
    pass(&world, HOUR_MS).await;
    let failed = world.now(&closed).await;
    assert_eq!(error_of(&failed), ("failed", "window_closed"));
    assert_eq!(history(&failed), ["scheduled", "failed"]);
    assert_eq!(world.told_of(&closed), ["message.failed"]);
    let open = say_in(&world, HOUR_MS, "To a customer").await;
    world.advance(HOUR_MS / 2);
    world
        .customer_writes(&shop, CUSTOMER, "wamid.in", "Hi")
        .await;
    pass(&world, HOUR_MS / 2).await;
    assert_eq!(world.status(&open).await, "sent");
    // Open at acceptance, and closed when it is due.
    let late = say_in(&world, 30 * HOUR_MS, "Too late").await;
    pass(&world, 30 * HOUR_MS).await;
    assert_eq!(
        error_of(&world.now(&late).await),
        ("failed", "window_closed")
    );
    let unenforced = say_in(&world, HOUR_MS, "Unenforced").await;
    world
        .patch_channel(&shop, json!({ "settings": { "enforceWindow": false } }))
        .await;
    pass(&world, HOUR_MS).await;
    assert_eq!(world.status(&unenforced).await, "sent");
    assert_eq!(world.texts_sent(), ["To a customer", "Unenforced"]);
}

#[tokio::test]
async fn a_person_who_answers_has_the_longer_window() {
    let world = World::new().await;
    let page = world.messenger().await;
    let at = world.ports().now_ms.get();
    let said = messenger_text("6543217890123456", "m_in", "Hi", at);
    world.from_meta(&page, &said).await.expect(200);
    let mut kept = Vec::new();
    for actor in ["bot", "human"] {
        let body = json!({
            "from": page, "to": "6543217890123456", "actor": actor,
            "content": { "type": "text", "text": "Hello" }, "scheduledAt": ahead(&world, 3 * DAY_MS),
        });
        kept.push(world.post("/v1/messages", body).await.expect(202));
    }
    pass(&world, 3 * DAY_MS).await;
    assert_eq!(
        error_of(&world.now(&kept[0]).await),
        ("failed", "window_closed")
    );
    assert_eq!(world.status(&kept[1]).await, "sent");
}

#[tokio::test]
async fn what_changed_until_it_is_due_fails_it_with_its_own_code() {
    let opt_out = "UPDATE conversation SET opted_out_at = 1";
    let delete = "UPDATE channel SET deleted_at = 1, status = 'disabled'";
    let disable = "UPDATE channel SET status = 'disabled'";
    for (change, code) in [
        (opt_out, "opted_out"),
        (delete, "channel_unavailable"),
        (disable, "channel_unavailable"),
    ] {
        let world = World::new().await;
        world.open_whatsapp().await;
        world.subscribe_to_all().await;
        let said = say_in(&world, HOUR_MS, "Later").await;
        world.database().query(change);
        pass(&world, HOUR_MS).await;
        pass(&world, HOUR_MS).await;
        let failed = world.now(&said).await;
        assert_eq!(error_of(&failed), ("failed", code));
        assert_eq!(world.told_of(&said), ["message.failed"]);
        assert_eq!(world.texts_sent(), [""; 0]);
    }
}

#[tokio::test]
async fn a_template_must_still_be_approved_and_have_its_placeholders() {
    for (change, wanted) in [
        ("status = status", ("sent", "")),
        ("version = version + 1", ("sent", "")),
        ("status = 'PAUSED'", ("failed", "template_not_approved")),
        (
            "variables = '[\"1\",\"2\"]'",
            ("failed", "template_parameter_mismatch"),
        ),
    ] {
        let world = World::new().await;
        let shop = world.whatsapp().await;
        let order = template("order", "en_US", "APPROVED", template_body("Order {{1}}"));
        world.has_templates(&shop, &[order]).await;
        let mut body = body_in(&world, HOUR_MS, "");
        body["content"] = json!({ "type": "template", "key": "order", "variables": { "1": "42" } });
        let said = world.post("/v1/messages", body).await.expect(202);
        world
            .database()
            .query(&format!("UPDATE template SET {change}"));
        world.advance(HOUR_MS);
        world.drain().await;
        assert_eq!(error_of(&world.now(&said).await), wanted, "{change}");
    }
}

#[tokio::test]
async fn a_channel_that_waits_for_credentials_is_waited_for() {
    let world = World::new().await;
    let shop = world.open_whatsapp().await;
    let said = say_in(&world, HOUR_MS, "Later").await;
    world
        .database()
        .query("UPDATE channel SET status = 'needs_reauth'");
    pass(&world, HOUR_MS).await;
    assert_eq!(world.status(&said).await, "accepted");
    let token = json!({ "credentials": { "accessToken": "new" } });
    world.patch_channel(&shop, token).await;
    world.drain().await;
    assert_eq!(world.status(&said).await, "sent");
}

#[tokio::test]
async fn a_failure_is_tried_again_for_a_day_from_when_it_fell_due() {
    let world = World::new().await;
    world.unenforced_whatsapp().await;
    let said = say_in(&world, 40 * DAY_MS, "Later").await;
    let temporary = json!({ "error": { "code": 131_000, "message": "no" } });
    let temporary = Answer::Http(500, temporary);
    world
        .ports()
        .from_provider
        .borrow_mut()
        .push_back(temporary);
    pass(&world, 40 * DAY_MS).await;
    let waiting = world.now(&said).await;
    assert_eq!(waiting["status"], "accepted");
    assert!(waiting["nextAttemptAt"].is_string());
    pass(&world, HOUR_MS).await;
    assert_eq!(world.status(&said).await, "sent");
}

#[tokio::test]
async fn a_web_chat_shows_it_when_it_is_due() {
    let world = World::new().await;
    let body = json!({
        "type": "webchat", "name": "Site", "credentials": {},
        "settings": { "allowedOrigins": ["https://shop.example"] },
    });
    let chat = world.post("/v1/channels", body).await.expect(201);
    world.subscribe_to_all().await;
    let base = format!("/webchat/{}", chat["publicKey"].as_str().expect("a key"));
    let origin = ("origin", "https://shop.example");
    let opened = world
        .bare(Method::POST, &format!("{base}/sessions"), &[origin], "{}")
        .await
        .expect(201);
    let bearer = format!("Bearer {}", opened["token"].as_str().expect("a token"));
    let headers = [origin, ("authorization", bearer.as_str())];
    let body = |what: &str, at: Value| {
        json!({
            "to": opened["conversationId"], "content": { "type": "text", "text": what }, "scheduledAt": at,
        })
    };
    let later = body("Later", json!(ahead(&world, HOUR_MS)));
    let said = world.post_under("k", later.clone()).await.expect(202);
    assert_eq!(
        (&said["status"], history(&said)),
        (&json!("scheduled"), vec!["scheduled"])
    );
    world
        .post("/v1/messages", body("Now", Value::Null))
        .await
        .expect(202);
    let seen = async || {
        let path = format!("{base}/messages?after=0");
        let reply = world.bare(Method::GET, &path, &headers, "").await;
        reply.expect(200)["data"]
            .as_array()
            .expect("a page")
            .clone()
    };
    assert_eq!(seen().await.len(), 1);
    pass(&world, HOUR_MS).await;
    let both = seen().await;
    assert_eq!(both[1]["content"]["text"], "Later");
    assert!(both[1]["seq"].as_i64() > both[0]["seq"].as_i64());
    assert_eq!(both[1]["createdAt"], said["scheduledAt"]);
    world.drain().await;
    assert_eq!(world.told_of(&said), ["message.sent", "message.delivered"]);
    assert_eq!(
        history(&world.now(&said).await),
        ["scheduled", "accepted", "sent", "delivered"]
    );
    let again = world.post_under("k", later).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.expect(202), said);
}

#[tokio::test]
async fn what_was_canceled_is_never_sent_and_its_request_is_still_answered_the_same() {
    let world = World::new().await;
    world.open_whatsapp().await;
    let body = body_in(&world, HOUR_MS, "Later");
    let said = world.post_under("k", body.clone()).await.expect(202);
    let at = ahead(&world, 2 * HOUR_MS);
    let moved = move_to(&world, &said, json!(at)).await.expect(200);
    assert_eq!(moved["scheduledAt"], json!(at));
    let canceled = cancel(&world, &said).await.expect(200);
    assert_eq!(canceled["status"], "canceled");
    assert_eq!(history(&canceled), ["scheduled", "canceled"]);
    assert_eq!(cancel(&world, &said).await.expect(200), canceled);
    let moved = move_to(&world, &said, json!(at)).await.expect(409);
    assert_eq!(moved["code"], "conflict");
    pass(&world, 3 * HOUR_MS).await;
    assert_eq!(world.texts_sent(), [""; 0]);
    let again = world.post_under("k", body).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.expect(202), said);
}

#[tokio::test]
async fn what_is_not_scheduled_is_neither_moved_nor_canceled() {
    let world = World::new().await;
    world.open_whatsapp().await;
    let said = world.say(CUSTOMER, "Now").await;
    for _ in 0..2 {
        assert_eq!(cancel(&world, &said).await.expect(409)["code"], "conflict");
        let at = json!(ahead(&world, HOUR_MS));
        assert_eq!(
            move_to(&world, &said, at).await.expect(409)["code"],
            "conflict"
        );
        world.drain().await;
    }
    let nobody = json!({ "id": "01a1f7f8-3000-7694-a3e8-f8916a3f8bc0" });
    cancel(&world, &nobody).await.expect(404);
    let (_, other) = world.new_workspace("Other").await;
    let later = say_in(&world, HOUR_MS, "Later").await;
    let path = format!("/v1/messages/{}", id(&later));
    let key = format!("Bearer {other}");
    world
        .call_with(
            Method::DELETE,
            &path,
            &[("authorization", key.as_str())],
            Value::Null,
        )
        .await
        .expect(404);
    assert_eq!(world.status(&later).await, "scheduled");
}

#[tokio::test]
async fn it_may_be_moved_earlier_and_later() {
    let world = World::new().await;
    world.unenforced_whatsapp().await;
    let sooner = say_in(&world, 20 * DAY_MS, "Sooner").await;
    let later = say_in(&world, HOUR_MS, "Later").await;
    let at = json!(ahead(&world, 10 * SECOND_MS));
    move_to(&world, &sooner, at).await.expect(200);
    let at = json!(ahead(&world, 2 * HOUR_MS));
    move_to(&world, &later, at).await.expect(200);
    world.advance(10 * SECOND_MS);
    world.drain().await;
    assert_eq!(world.texts_sent(), ["Sooner"]);
    pass(&world, HOUR_MS).await;
    assert_eq!(world.texts_sent(), ["Sooner"]);
    world.advance(HOUR_MS);
    world.drain().await;
    assert_eq!(world.texts_sent(), ["Sooner", "Later"]);
}

#[tokio::test]
async fn scheduled_messages_are_listed_however_old_they_are() {
    let world = World::new().await;
    world.open_whatsapp().await;
    let said = say_in(&world, DAY_MS, "Later").await;
    let workspace = &world.workspace;
    world.database().query(&format!(
        "INSERT INTO message (workspace_id, id, conversation_id, channel_id, contact_id, direction, status, content,
           seq, created_at)
         SELECT workspace_id, printf('ffffffff-0000-7000-8000-%012d', n), conversation_id, channel_id, contact_id,
           direction, 'sent', content, 100 + n, created_at FROM message,
           (WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2500) SELECT n FROM n)
         WHERE workspace_id = '{workspace}' AND status = 'scheduled'"
    ));
    let before = world.database().steps.get();
    let listed = world.get("/v1/messages?status=scheduled").await;
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(listed["data"][0]["id"], said["id"]);
    assert_eq!(listed["nextCursor"], Value::Null);
    assert!(world.database().steps.get() - before < 2_000);
}

#[tokio::test]
async fn of_a_cancel_and_a_due_time_that_meet_exactly_one_wins() {
    for consumers in 1..4 {
        for first in [true, false] {
            let world = World::new().await;
            world.open_whatsapp().await;
            world.subscribe_to_all().await;
            let said = say_in(&world, HOUR_MS, "Later").await;
            let hints = world.take_pushes(Queue::Outbound);
            world.advance(HOUR_MS);
            world.database().yields.set(true);
            let consume = async {
                let all = (0..consumers).map(|_| world.deliver(&hints));
                futures_util::future::join_all(all).await
            };
            let canceled = if first {
                let (reply, _) = tokio::join!(cancel(&world, &said), consume);
                reply
            } else {
                tokio::join!(consume, cancel(&world, &said)).1
            };
            world.database().yields.set(false);
            world.drain().await;
            let sent = world.texts_sent().len();
            let stands = world.status(&said).await;
            match canceled.status {
                200 => assert_eq!((sent, stands.as_str()), (0, "canceled")),
                409 => assert_eq!((sent, stands.as_str()), (1, "sent")),
                other => panic!("{other}"),
            }
        }
    }
}

#[tokio::test]
async fn every_batch_may_run_twice_and_every_answer_be_lost() {
    let world = World::new().await;
    world.open_whatsapp().await;
    world.subscribe_to_all().await;
    world.database().runs_twice.set(true);
    let said = say_in(&world, HOUR_MS, "Later").await;
    let moved = json!(ahead(&world, 2 * HOUR_MS));
    move_to(&world, &said, moved).await.expect(200);
    let other = say_in(&world, HOUR_MS, "Never").await;
    cancel(&world, &other).await.expect(200);
    world.advance(2 * HOUR_MS);
    world.database().faults.borrow_mut().push(Fault::After);
    world.drain().await;
    assert_eq!(world.texts_sent(), ["Later"]);
    assert_eq!(
        history(&world.now(&said).await),
        ["scheduled", "accepted", "sending", "sent"]
    );
    let closed = say_in(&world, 30 * HOUR_MS, "Closed").await;
    world.advance(30 * HOUR_MS);
    // Hints that a lost answer had are the sweep's.
    world.database().runs_twice.set(false);
    world.gateway.sweep().await;
    world.database().runs_twice.set(true);
    world.drain().await;
    world.database().runs_twice.set(false);
    pass(&world, HOUR_MS).await;
    assert_eq!(world.told_of(&closed), ["message.failed"]);
}

#[tokio::test]
async fn a_first_message_for_later_makes_its_conversation_known_at_once() {
    let world = World::new().await;
    world.unenforced_whatsapp().await;
    world
        .subscribe("https://hooks.example.com/c", &["conversation.created"])
        .await;
    let told = || world.posts_to("hooks.example.com").len();
    say_in(&world, HOUR_MS, "Later").await;
    world.drain().await;
    assert_eq!(told(), 1);
    let listed = world.get("/v1/conversations").await;
    assert_eq!(listed["data"][0]["lastOutboundAt"], Value::Null);
    pass(&world, HOUR_MS).await;
    assert_eq!(told(), 1);
    let listed = world.get("/v1/conversations").await;
    assert!(listed["data"][0]["lastOutboundAt"].is_string());
}

#[tokio::test]
async fn a_person_who_is_erased_gets_nothing_that_was_scheduled() {
    let world = World::new().await;
    world.open_whatsapp().await;
    let said = say_in(&world, HOUR_MS, "Dear Ada").await;
    let contact = said["contactId"].as_str().expect("an id");
    let path = format!("/v1/contacts/{contact}");
    world
        .call(Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
    assert_eq!(world.status(&said).await, "canceled");
    pass(&world, 2 * HOUR_MS).await;
    assert_eq!(world.texts_sent(), [""; 0]);
    assert!(!world.database().dump().contains("Dear Ada"));
}

#[tokio::test]
async fn what_an_erasure_has_not_come_to_yet_keeps_its_place_for_it() {
    let world = World::new().await;
    world.open_whatsapp().await;
    let said = say_in(&world, HOUR_MS, "Later").await;
    let seqs = || world.database().query("SELECT id, seq FROM message");
    let before = seqs();
    world
        .database()
        .query("UPDATE conversation SET address = 'erased:' || id, opted_out_at = 1");
    pass(&world, HOUR_MS).await;
    assert_eq!(world.status(&said).await, "scheduled");
    assert_eq!(seqs(), before);
}

#[tokio::test]
async fn a_schedule_costs_what_any_send_does() {
    let world = World::new().await;
    world.open_whatsapp().await;
    world.say(CUSTOMER, "Hello").await;
    world.drain().await;
    let trips = || world.database().round_trips.get();
    let body = body_in(&world, HOUR_MS, "Later");
    let before = trips();
    let said = world.post_under("k", body).await.expect(202);
    assert_eq!(trips() - before, 1);
    assert_eq!(world.ports().pushed.borrow().len(), 1);
    let before = trips();
    say_in(&world, DAY_MS, "Much later").await;
    assert_eq!(trips() - before, 1);
    assert_eq!(world.ports().pushed.borrow().len(), 1, "it is not near");
    let before = trips();
    let at = json!(ahead(&world, HOUR_MS));
    move_to(&world, &said, at).await.expect(200);
    assert!(trips() - before <= 2);
    let hints = world.take_pushes(Queue::Outbound);
    world.advance(HOUR_MS);
    let before = trips();
    assert!(world.deliver(&hints).await);
    assert_eq!(trips() - before, 2, "to place and claim it, and to record");
    assert_eq!(world.texts_sent(), ["Hello", "Later"]);
}

#[tokio::test]
async fn what_is_scheduled_does_not_count_as_waiting() {
    let world = World::new().await;
    world.open_whatsapp().await;
    say_in(&world, HOUR_MS, "Later").await;
    let reply = world.admin(Method::GET, "/metrics", Value::Null).await;
    let metrics = reply.body.as_str().expect("text").to_owned();
    assert!(metrics.contains("patchbay_queue_waiting{queue=\"outbound\"} 0"));
    assert!(metrics.contains("patchbay_oldest_due_timestamp_seconds{queue=\"outbound\"} 0"));
}
