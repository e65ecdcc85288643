//! What an operation costs in round trips to the database and sends to queues.

use crate::support::World;
use crate::support::outgoing::{id, report, reports, text};
use crate::support::world::{CUSTOMER, whatsapp_text, whatsapp_value};
use http::Method;
use patchbay::gateway::{DeliveryHint, Queue};
use serde_json::{Value, json};

/// Round trips that something takes.
async fn trips<T>(world: &World, work: impl Future<Output = T>) -> (u32, T) {
    let before = world.database().round_trips.get();
    let done = work.await;
    (world.database().round_trips.get() - before, done)
}

#[tokio::test]
async fn an_accepted_send_takes_one_round_trip_warm_and_two_cold() {
    let mut world = World::new().await;
    let shop = world.open_whatsapp().await;
    let said = world.say(CUSTOMER, "Hello").await;
    let conversation = said["conversationId"].as_str().expect("an id").to_owned();
    let contact = said["contactId"].as_str().expect("an id").to_owned();
    world
        .patch_channel(&shop, json!({ "settings": { "enforceWindow": false } }))
        .await;
    let mut by_id = text(CUSTOMER, "Hello");
    by_id["from"] = json!(shop);
    let mut named = text(CUSTOMER, "Hello");
    named["clientMessageId"] = json!("mine-1");
    let in_conversation =
        json!({ "to": conversation, "content": { "type": "text", "text": "Hi" } });
    for (number, body) in [
        text(CUSTOMER, "Hello"),
        text("5511888888888", "to somebody new"),
        by_id,
        named,
        text(&conversation, "Hello"),
        text(&contact, "Hello"),
        json!({ "to": contact, "content": { "type": "text", "text": "Hi" } }),
        in_conversation,
    ]
    .into_iter()
    .enumerate()
    {
        world.forget();
        let cold = format!("cold-{number}");
        let (count, reply) = trips(&world, world.post_under(&cold, body.clone())).await;
        reply.expect(202);
        assert!(count <= 2, "{count} cold for {body}");
        let mut body = body;
        if body["clientMessageId"].is_string() {
            body["clientMessageId"] = json!("mine-2");
        }
        world.ports().pushed.borrow_mut().clear();
        let warm = format!("warm-{number}");
        let (count, reply) = trips(&world, world.post_under(&warm, body.clone())).await;
        reply.expect(202);
        assert_eq!(count, 1, "warm for {body}");
        assert_eq!(world.take_pushes(Queue::Outbound).len(), 1);
    }
}

/// Gives a channel one template, `hello`, with one variable.
async fn has_template(world: &World, channel: &str) {
    let listed = json!({ "data": [{
        "id": "1", "name": "hello", "language": "en", "status": "APPROVED", "category": "UTILITY",
        "components": [{ "type": "BODY", "text": "Hello {{1}}" }],
    }] });
    let answer = crate::support::Answer::Http(200, listed);
    world.ports().to_questions.borrow_mut().push_back(answer);
    let sync = format!("/v1/channels/{channel}/templates/sync");
    world.post(&sync, Value::Null).await.expect(200);
}

#[tokio::test]
async fn a_template_takes_one_round_trip_warm_and_two_cold() {
    let mut world = World::new().await;
    let shop = world.whatsapp().await;
    has_template(&world, &shop).await;
    let template = id(&world.get("/v1/templates").await["data"][0]);
    for named in [
        json!({ "key": "hello" }),
        json!({ "name": "hello", "language": "en" }),
        json!({ "id": template }),
    ] {
        let mut body = text(CUSTOMER, "");
        body["content"] = named;
        body["content"]["type"] = json!("template");
        body["content"]["variables"] = json!({ "1": "Ana" });
        world.forget();
        let (count, reply) = trips(&world, world.post("/v1/messages", body.clone())).await;
        reply.expect(202);
        assert!(count <= 2, "{count} cold for {body}");
        let (count, reply) = trips(&world, world.post("/v1/messages", body.clone())).await;
        reply.expect(202);
        assert_eq!(count, 1, "warm for {body}");
    }
}

#[tokio::test]
async fn a_replay_takes_two_round_trips_warm_and_one_cold() {
    let mut world = World::new().await;
    world.open_whatsapp().await;
    world
        .post_under("order-1", text(CUSTOMER, "Hello"))
        .await
        .expect(202);
    let (count, reply) = trips(&world, world.post_under("order-1", text(CUSTOMER, "Hello"))).await;
    reply.expect(202);
    assert_eq!(count, 2, "warm");
    world.forget();
    let (count, reply) = trips(&world, world.post_under("order-1", text(CUSTOMER, "Hello"))).await;
    reply.expect(202);
    assert_eq!(count, 1, "cold");
}

#[tokio::test]
async fn a_providers_webhook_takes_one_round_trip_warm_or_cached_and_two_cold() {
    let mut world = World::new().await;
    let shop = world.open_whatsapp().await;
    world.subscribe_to_all().await;
    let said = world.say(CUSTOMER, "Hello").await;
    world.drain().await;
    assert_eq!(world.status(&said).await, "sent");
    let at = world.ports().now_ms.get() / 1_000;
    let many: Vec<Value> = (0..50)
        .map(|number| {
            json!({
                "from": format!("55119{number:08}"), "id": format!("wamid.many.{number}"),
                "timestamp": at.to_string(), "type": "text", "text": { "body": "Hi" },
            })
        })
        .collect();
    let mut number = 0;
    let mut payloads = |kind: &str| {
        number += 1;
        match kind {
            "message" => whatsapp_text(CUSTOMER, &format!("wamid.{kind}.{number}"), "Hi", at),
            "reports" => reports(&[report("wamid.1", "read", at), report("wamid.1", "sent", at)]),
            _ => whatsapp_value(json!({ "messages": many })),
        }
    };
    for kind in ["message", "reports", "many"] {
        world.forget();
        world.ports().cache.borrow_mut().clear();
        let payload = payloads(kind);
        let (count, reply) = trips(&world, world.from_meta(&shop, &payload)).await;
        reply.expect(200);
        assert!(count <= 2, "{count} cold for {kind}");
        world.forget();
        let payload = payloads(kind);
        let (count, reply) = trips(&world, world.from_meta(&shop, &payload)).await;
        reply.expect(200);
        assert_eq!(count, 1, "cold with the channel in the cache, for {kind}");
        let payload = payloads(kind);
        let (count, reply) = trips(&world, world.from_meta(&shop, &payload)).await;
        reply.expect(200);
        assert_eq!(count, 1, "warm for {kind}");
    }
}

#[tokio::test]
async fn a_page_or_a_single_thing_takes_two_round_trips_at_most() {
    let mut world = World::new().await;
    let shop = world.open_whatsapp().await;
    world.subscribe_to_all().await;
    has_template(&world, &shop).await;
    let template = id(&world.get("/v1/templates").await["data"][0]);
    let said = world.say(CUSTOMER, "Hello").await;
    let conversation = said["conversationId"].as_str().expect("an id");
    for path in [
        "/v1/templates".to_owned(),
        format!("/v1/templates?channelId={shop}"),
        format!("/v1/templates/{template}"),
        "/v1/channels".to_owned(),
        format!("/v1/channels/{shop}"),
        "/v1/messages".to_owned(),
        format!("/v1/messages?status=accepted&channelId={shop}"),
        format!("/v1/messages?conversationId={conversation}"),
        format!("/v1/messages/{}", id(&said)),
        "/v1/conversations".to_owned(),
        "/v1/conversations?status=open&mode=ai&assigned=me".to_owned(),
        "/v1/conversations?search=ada&status=open".to_owned(),
        "/v1/contacts".to_owned(),
        "/v1/contacts?search=5511".to_owned(),
        "/v1/messaging/conversations?status=open&page=2".to_owned(),
        "/v1/messaging/conversations?search=ada".to_owned(),
        format!("/v1/messaging/conversations/{conversation}"),
        format!("/v1/conversations/{conversation}"),
        format!("/v1/conversations/{conversation}/messages?status=accepted"),
        "/v1/webhooks".to_owned(),
        "/v1/workspace".to_owned(),
    ] {
        world.forget();
        world.ports().cache.borrow_mut().clear();
        for most in [2, 1] {
            let (count, reply) = trips(&world, world.call(Method::GET, &path, Value::Null)).await;
            reply.expect(200);
            assert!(count <= most, "{count} for {path}");
        }
        assert!(world.take_pushes(Queue::Outbound).len() <= 1);
    }
}

#[tokio::test]
async fn a_consumer_takes_one_round_trip_to_claim_and_one_for_each_group() {
    for (count, groups) in [(1, 1), (6, 1), (7, 2), (12, 2), (13, 3)] {
        let world = World::new().await;
        world.unenforced_whatsapp().await;
        for number in 0..count {
            world.say(&format!("55119{number:08}"), "Hello").await;
        }
        let hints = world.take_pushes(Queue::Outbound);
        let (trips, done) = trips(&world, world.deliver(&hints)).await;
        assert!(done);
        assert_eq!(world.texts_sent().len(), count);
        assert_eq!(trips, 1 + groups, "{count} messages");
    }
}

#[tokio::test]
async fn deliveries_take_one_round_trip_to_claim_and_one_for_each_group() {
    for (count, groups) in [(1, 1), (6, 1), (7, 2), (13, 3)] {
        let mut world = World::new().await;
        let shop = world.open_whatsapp().await;
        world.subscribe_to_all().await;
        world.ports().pushed.borrow_mut().clear();
        for number in 0..count {
            let id = format!("wamid.in.{number}");
            world.customer_writes(&shop, CUSTOMER, &id, "Hello").await;
        }
        let pushed = world.take_pushes(Queue::Events);
        let hints = pushed
            .iter()
            .filter_map(|push| DeliveryHint::parse(&push.body));
        let hints: Vec<DeliveryHint> = hints.collect();
        assert_eq!(hints.len(), count);
        let (trips, done) = trips(&world, world.gateway.publish(hints)).await;
        done.expect("published");
        assert_eq!(trips, 1 + groups, "{count} deliveries");
        world.forget();
    }
}

#[tokio::test]
async fn a_conversations_queue_is_worked_off_by_one_hint() {
    let world = World::new().await;
    world.open_whatsapp().await;
    for number in 0..5 {
        world.say(CUSTOMER, &number.to_string()).await;
    }
    let hints = world.take_pushes(Queue::Outbound);
    let (count, done) = trips(&world, world.deliver(&hints[..1])).await;
    assert!(done);
    assert_eq!(world.texts_sent(), ["0", "1", "2", "3", "4"]);
    assert_eq!(count, 6, "the claim, and one for each of five");
    let (count, done) = trips(&world, world.deliver(&hints[1..])).await;
    assert!(done);
    assert_eq!(count, 1, "nothing is left to claim");
    assert_eq!(world.texts_sent().len(), 5);
}

#[tokio::test]
async fn a_sweep_with_nothing_to_do_takes_a_handful_of_round_trips() {
    let world = World::new().await;
    world.open_whatsapp().await;
    world.say(CUSTOMER, "Hello").await;
    world.drain().await;
    // The first run reads the templates of a channel that is new.
    let (count, ()) = trips(&world, world.gateway.sweep()).await;
    assert!(count <= 7, "{count}");
    let (count, ()) = trips(&world, world.gateway.sweep()).await;
    assert!(count <= 5, "{count}");
}

#[tokio::test]
async fn a_list_costs_no_more_for_what_has_ended_or_is_of_another_kind() {
    let world = World::new().await;
    world.sms().await;
    let lists = [
        "/v1/channels?type=sms",
        "/channels?type=sms",
        "/v1/channels?limit=1",
        "/v1/webhooks?limit=1",
        "/webhooks",
        "/v1/api-keys?limit=1",
    ];
    let steps = async |path: &str| {
        let before = world.database().steps.get();
        world.get(path).await;
        world.database().steps.get() - before
    };
    // The key's own first look-up is no part of it.
    steps(lists[0]).await;
    let mut before = Vec::new();
    for path in lists {
        before.push(steps(path).await);
    }
    let workspace = &world.workspace;
    for insert in [
        "channel (workspace_id, id, type, name, identifier, match_key, status, settings, version, created_at, deleted_at)
         SELECT '{w}', printf('{id}', n), 'sms', 'x', n, 'x' || n, 'disabled', '{}', 1, 1, 1",
        "channel (workspace_id, id, type, name, identifier, match_key, status, settings, version, created_at)
         SELECT '{w}', printf('{last}', n), 'telegram', 'x', n, 'y' || n, 'disabled', '{\"enforceWindow\":true}', 1, 1",
        "api_key (workspace_id, id, hash, name, prefix, scopes, environment, created_at, revoked_at)
         SELECT '{w}', printf('{id}', n), 'h' || n, 'x', 'p', '[]', 'live', 1, 1",
        "endpoint (workspace_id, id, url, events, style, headers, status, secret, created_at, deleted_at)
         SELECT '{w}', printf('{id}', n), '', '[]', 'visito', '{}', 'deleted', '', 1, 1",
        "endpoint (workspace_id, id, url, events, style, headers, status, secret, created_at)
         SELECT '{w}', printf('{last}', n), '', '[]', 'standard', '{}', 'disabled', '', 1",
    ] {
        let insert = insert
            .replace("{w}", workspace)
            .replace("{id}", "00000000-0000-7000-8000-%012d")
            .replace("{last}", "ffffffff-0000-7000-8000-%012d");
        world.database().query(&format!(
            "INSERT INTO {insert} FROM (WITH RECURSIVE n (n) AS (
               SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1000) SELECT n FROM n)"
        ));
    }
    for (path, before) in lists.iter().zip(&before) {
        let after = steps(path).await;
        assert!(after <= before + 80, "{path}: {before} then {after}");
    }
}

#[tokio::test]
async fn a_text_costs_no_more_for_the_choices_it_might_have_answered() {
    let world = World::new().await;
    let shop = world.open_whatsapp().await;
    world.subscribe_to_all().await;
    let written = || world.database().count("SELECT total_changes()");
    let mut number = 0;
    // Rows written, and steps taken, by a text of the customer's.
    let mut receive = async |text: &str| {
        number += 1;
        let before = (written(), world.database().steps.get());
        let (count, ()) = trips(
            &world,
            world.customer_writes(&shop, CUSTOMER, &format!("wamid.in.{number}"), text),
        )
        .await;
        assert_eq!(count, 1);
        (
            written() - before.0,
            world.database().steps.get() - before.1,
        )
    };
    receive("Hello").await;
    let plain = receive("1").await;
    for _ in 0..60 {
        receive("Hello").await;
    }
    let later = receive("1").await;
    assert_eq!(later.0, plain.0);
    assert!(later.1 <= plain.1 + 20, "{plain:?} then {later:?}");
    let cards = json!({ "type": "cards", "cards": [
        { "title": "Shirt", "buttons": [{ "kind": "reply", "id": "buy", "title": "Buy" }] },
    ] });
    let mut body = text(CUSTOMER, "");
    body["content"] = cards;
    body["onUnsupported"] = json!("adapt");
    world.say(CUSTOMER, "Look").await;
    let (count, reply) = trips(&world, world.post("/v1/messages", body)).await;
    reply.expect(202);
    assert_eq!(count, 1, "adapting asks nothing of the database");
    world.drain().await;
    let answer = receive("1").await;
    assert_eq!(answer.0, plain.0, "a reply is written as a text is");
    for _ in 0..60 {
        receive("Hello").await;
    }
    let after = receive("1").await;
    assert_eq!(after.0, plain.0);
    assert!(after.1 <= plain.1 + 40, "{plain:?} then {after:?}");
}

#[tokio::test]
async fn a_send_by_any_surface_takes_two_round_trips_at_most_and_one_hint() {
    let world = World::new().await;
    let shop = world.open_whatsapp().await;
    let workspace = world.workspace.clone();
    let conversations = world.get("/v1/conversations").await;
    let conversation = &conversations["data"][0];
    let (contact, conversation) = (id(&conversation["contact"]), id(conversation));
    for (path, body, status, warm) in [
        ("/v1/messages".to_owned(), text(CUSTOMER, "Hi"), 202, 1),
        (
            "/messages".to_owned(),
            json!({ "type": "text", "to": conversation, "text": { "text": "Hi" } }),
            200,
            1,
        ),
        (
            "/v1/communication/whatsapp/message".to_owned(),
            json!({ "from": shop, "to": CUSTOMER, "content": { "text": "Hi" } }),
            200,
            1,
        ),
        (
            "/v1/messages/whatsapp/sendtext".to_owned(),
            json!({ "contact": { "id": contact }, "workspace": { "id": workspace }, "textMessage": "Hi" }),
            200,
            1,
        ),
        (
            format!("/v1/messaging/conversations/{conversation}/messages"),
            json!({ "text": "Hi" }),
            201,
            1,
        ),
    ] {
        world.post(&path, body.clone()).await.expect(status);
        world.ports().pushed.borrow_mut().clear();
        let (count, reply) = trips(&world, world.post(&path, body)).await;
        reply.expect(status);
        assert_eq!(count, warm, "warm for {path}");
        assert_eq!(world.ports().pushed.borrow().len(), 1, "{path}");
    }
}

#[tokio::test]
async fn what_a_webhook_writes_and_reads_grows_with_its_messages_alone() {
    let world = World::new().await;
    let shop = world.open_whatsapp().await;
    world.subscribe_to_all().await;
    let at = world.ports().now_ms.get() / 1_000;
    let people = 10;
    let mut number = 0;
    // Rows written and steps taken by a webhook of so many messages, the same people writing by turns.
    let mut receive = async |count: usize| {
        let messages: Vec<Value> = (0..count)
            .map(|n| {
                number += 1;
                json!({
                    "from": format!("55119{:08}", n % people), "id": format!("wamid.grows.{number}"),
                    "timestamp": at.to_string(), "type": "text", "text": { "body": "Hi" },
                })
            })
            .collect();
        let database = world.database();
        let written = || database.count("SELECT total_changes()");
        let before = (written(), database.steps.get(), world.ports().pushes.get());
        let payload = whatsapp_value(json!({ "messages": messages }));
        let (count, reply) = trips(&world, world.from_meta(&shop, &payload)).await;
        reply.expect(200);
        assert_eq!(count, 1);
        assert_eq!(
            world.ports().pushes.get() - before.2,
            1,
            "one send to a queue"
        );
        (written() - before.0, database.steps.get() - before.1)
    };
    // Everybody is known from here on, and the channel's own activity noted.
    receive(people).await;
    let ten = receive(10).await;
    let hundred = receive(100).await;
    // A message, an event and a delivery each; and the ten conversations.
    assert_eq!(ten.0, 4 * 10);
    assert_eq!(hundred.0, 3 * 100 + 10);
    assert!(hundred.1 <= 11 * ten.1, "{ten:?} then {hundred:?}");
}
