//! What providers send: verified on its raw bytes, read, and stored once.

use crate::support::payloads::payloads;
use crate::support::world::{
    APP_SECRET, BOT_SECRET, CUSTOMER, PHONE_NUMBER_ID, START_MS, hub_signature, whatsapp_status,
    whatsapp_text, whatsapp_value,
};
use crate::support::{Answer, Fault, World};
use http::Method;
use patchbay::gateway::Hint;
use proptest::prelude::*;
use serde_json::{Value, json};

const START_S: i64 = START_MS / 1_000;

/// Everything stored, to see that nothing changed.
fn stored(world: &World) -> String {
    world.database().dump()
}

fn logged(world: &World, what: &str) -> bool {
    world
        .ports()
        .logs
        .borrow()
        .iter()
        .any(|line| line.contains(what))
}

async fn conversations(world: &World) -> Vec<Value> {
    let list = world.get("/v1/conversations?limit=100").await;
    list["data"].as_array().expect("a list").clone()
}

async fn messages(world: &World) -> Vec<Value> {
    let list = world.get("/v1/messages?limit=100").await;
    list["data"].as_array().expect("a list").clone()
}

/// One WhatsApp message of the customer with further fields.
fn item(id: &str, more: Value) -> Value {
    let mut item = json!({ "from": CUSTOMER, "id": id, "timestamp": START_S.to_string() });
    let more = more.as_object().expect("fields").clone();
    item.as_object_mut().expect("an object").extend(more);
    item
}

fn text_item(id: &str, text: &str) -> Value {
    item(id, json!({ "type": "text", "text": { "body": text } }))
}

fn ada() -> Value {
    json!([{ "profile": { "name": "Ada" }, "wa_id": CUSTOMER }])
}

// The handshake

#[tokio::test]
async fn the_handshake_is_answered_with_the_challenge_for_the_right_token_only() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let ask = async |query: &str| {
        let path = format!("/inbound/{channel}{query}");
        world.bare(Method::GET, &path, &[], "").await
    };
    let right =
        ask("?hub.mode=subscribe&hub.verify_token=verify-me&hub.challenge=1158201444").await;
    assert!(
        right
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/plain"))
    );
    assert_eq!(right.expect(200), 1_158_201_444);
    for wrong in [
        "?hub.mode=subscribe&hub.verify_token=verify-you&hub.challenge=1158201444",
        "?hub.mode=subscribe&hub.verify_token=&hub.challenge=1158201444",
        "?hub.mode=subscribe&hub.challenge=1158201444",
        "?hub.mode=unsubscribe&hub.verify_token=verify-me&hub.challenge=1158201444",
        "",
    ] {
        let refused = ask(wrong).await;
        assert!(!refused.body.to_string().contains("1158201444"), "{wrong}");
        refused.expect(403);
    }
}

#[tokio::test]
async fn the_handshake_gives_the_challenge_back_as_text_whatever_it_is() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let path = format!(
        "/inbound/{channel}?hub.mode=subscribe&hub.verify_token=verify-me&hub.challenge=%3Cb%3E"
    );
    let reply = world.bare(Method::GET, &path, &[], "").await;
    assert_eq!(
        reply.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(reply.expect(200), "<b>");
}

#[tokio::test]
async fn telegram_has_no_handshake_and_an_unknown_channel_no_answer() {
    let world = World::new().await;
    let channel = world.telegram().await;
    let path = format!("/inbound/{channel}?hub.mode=subscribe&hub.verify_token=x");
    world.bare(Method::GET, &path, &[], "").await.expect(405);
    for id in ["0197a000-0000-7000-8000-000000000000", "nonsense"] {
        let path = format!("/inbound/{id}");
        world.bare(Method::GET, &path, &[], "").await.expect(404);
        world.bare(Method::POST, &path, &[], "{}").await.expect(404);
    }
}

#[tokio::test]
async fn a_new_verify_token_answers_the_handshake_at_once_though_the_old_one_is_remembered() {
    let mut world = World::new().await;
    let channel = world.whatsapp().await;
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    // Another isolate, warm with the old credentials, while this one changes them.
    let warm = std::mem::take(&mut world.gateway.memory);
    let credentials = json!({
        "phoneNumberId": "106540352242922", "wabaId": "102290129340398",
        "accessToken": "graph-token", "appSecret": APP_SECRET, "verifyToken": "verify-anew",
    });
    let path = format!("/v1/channels/{channel}");
    world
        .call(Method::PATCH, &path, json!({ "credentials": credentials }))
        .await
        .expect(200);
    world.gateway.memory = warm;
    let path = format!(
        "/inbound/{channel}?hub.mode=subscribe&hub.verify_token=verify-anew&hub.challenge=7"
    );
    world.bare(Method::GET, &path, &[], "").await.expect(200);
}

// The signature

#[tokio::test]
async fn the_signature_is_checked_on_the_bytes_as_they_came() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let body = whatsapp_text(CUSTOMER, "wamid.1", "PLACE", START_S)
        .to_string()
        .replace("PLACE", "Ol\\u00e1 \\ud83d\\ude00 \\/ \\u0041")
        .replace("\":", "\" :  ");
    world
        .from_meta_raw(&channel, APP_SECRET, body.as_bytes())
        .await
        .expect(200);
    assert_eq!(messages(&world).await[0]["content"]["text"], "Olá 😀 / A");
}

#[tokio::test]
async fn a_webhook_that_does_not_prove_its_sender_is_401_and_stores_nothing() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let before = stored(&world);
    let body = whatsapp_text(CUSTOMER, "wamid.1", "Hi", START_S).to_string();
    let right = hub_signature(APP_SECRET, body.as_bytes());
    let of_another = hub_signature("another secret", body.as_bytes());
    let cut = &right[..right.len() - 2];
    let bare = right.trim_start_matches("sha256=");
    let as_sha1 = right.replace("sha256", "sha1");
    for headers in [
        vec![],
        vec![("x-hub-signature-256", "")],
        vec![("x-hub-signature-256", "sha256=")],
        vec![("x-hub-signature-256", of_another.as_str())],
        vec![("x-hub-signature-256", cut)],
        vec![("x-hub-signature-256", bare)],
        vec![("x-hub-signature-256", as_sha1.as_str())],
        vec![("x-hub-signature", right.as_str())],
        vec![("x-telegram-bot-api-secret-token", BOT_SECRET)],
    ] {
        let reply = world.inbound(&channel, &headers, body.clone()).await;
        assert_eq!(
            reply.header("content-type"),
            Some("application/problem+json")
        );
        reply.expect(401);
    }
    // The right signature, of other bytes.
    let tampered = body.replace("Hi", "Ho");
    let headers = [("x-hub-signature-256", right.as_str())];
    world
        .inbound(&channel, &headers, tampered)
        .await
        .expect(401);
    world
        .inbound(&channel, &headers, format!("{body} "))
        .await
        .expect(401);
    world
        .inbound(&channel, &headers, String::new())
        .await
        .expect(401);
    assert_eq!(stored(&world), before);
    world.inbound(&channel, &headers, body).await.expect(200);
}

#[tokio::test]
async fn the_signature_of_one_channel_opens_no_other() {
    let world = World::new().await;
    let own = world.whatsapp().await;
    let created = world
        .post(
            "/v1/channels",
            json!({
                "type": "whatsapp", "name": "Other", "identifier": "+15550100002",
                "credentials": {
                    "phoneNumberId": "999", "wabaId": "1", "accessToken": "t",
                    "appSecret": "another app's secret".replace(' ', "-"), "verifyToken": "v",
                },
            }),
        )
        .await
        .expect(201);
    let other = created["id"].as_str().expect("an id");
    let payload = whatsapp_text(CUSTOMER, "wamid.1", "Hi", START_S);
    world.from_meta(other, &payload).await.expect(401);
    world.from_meta(&own, &payload).await.expect(200);
}

#[tokio::test]
async fn an_empty_body_that_is_rightly_signed_is_acknowledged() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world
        .from_meta_raw(&channel, APP_SECRET, b"")
        .await
        .expect(200);
    assert!(messages(&world).await.is_empty());
}

#[tokio::test]
async fn telegrams_secret_must_be_there_and_right() {
    let world = World::new().await;
    let channel = world.telegram().await;
    let before = stored(&world);
    let body = telegram_text(1, 7, "Hi").to_string();
    let header = "x-telegram-bot-api-secret-token";
    for headers in [
        vec![],
        vec![(header, "")],
        vec![(header, "bot-secret-of-the-test")],
        vec![(header, "Bot-secret-of-the-tests")],
    ] {
        world
            .inbound(&channel, &headers, body.clone())
            .await
            .expect(401);
    }
    assert_eq!(stored(&world), before);
    world
        .inbound(&channel, &[(header, BOT_SECRET)], body)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_rotated_secret_is_accepted_at_once_though_the_old_one_is_remembered() {
    let mut world = World::new().await;
    let channel = world.whatsapp().await;
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    let warm = std::mem::take(&mut world.gateway.memory);
    let credentials = json!({
        "phoneNumberId": "106540352242922", "wabaId": "102290129340398",
        "accessToken": "graph-token", "appSecret": "rotated-secret", "verifyToken": "verify-me",
    });
    let path = format!("/v1/channels/{channel}");
    world
        .call(Method::PATCH, &path, json!({ "credentials": credentials }))
        .await
        .expect(200);
    world.gateway.memory = warm;
    let body = whatsapp_text(CUSTOMER, "wamid.2", "again", START_S).to_string();
    world
        .from_meta_raw(&channel, "rotated-secret", body.as_bytes())
        .await
        .expect(200);
    // And the old one is over as soon as the new one was seen.
    let body = whatsapp_text(CUSTOMER, "wamid.3", "forged", START_S).to_string();
    world
        .from_meta_raw(&channel, APP_SECRET, body.as_bytes())
        .await
        .expect(401);
    assert_eq!(messages(&world).await.len(), 2);
}

// WhatsApp

#[tokio::test]
async fn a_text_becomes_a_contact_an_identity_a_conversation_and_a_message() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world.advance(60_000);
    world
        .from_meta(&channel, &whatsapp_text(CUSTOMER, "wamid.1", "Hi", START_S))
        .await
        .expect(200);
    let listed = messages(&world).await;
    assert_eq!(listed.len(), 1);
    let message = &listed[0];
    assert_eq!(message["direction"], "inbound");
    assert_eq!(message["status"], "received");
    assert_eq!(message["content"], json!({ "type": "text", "text": "Hi" }));
    assert_eq!(message["providerMessageId"], "wamid.1");
    assert_eq!(message["channelId"], channel.as_str());
    assert_eq!(message["channelType"], "whatsapp");
    assert_eq!(message["createdAt"], "2026-11-20T08:00:00.000Z");
    assert_eq!(
        message["statusHistory"],
        json!([{ "status": "received", "at": "2026-11-20T08:00:00.000Z" }])
    );
    assert_eq!(message["error"], Value::Null);
    let conversation = &conversations(&world).await[0];
    assert_eq!(conversation["id"], message["conversationId"]);
    assert_eq!(conversation["contact"]["id"], message["contactId"]);
    assert_eq!(conversation["contact"]["name"], "Ada");
    assert_eq!(conversation["contact"]["address"], CUSTOMER);
    assert_eq!(conversation["status"], "open");
    assert_eq!(conversation["mode"], "ai");
    assert_eq!(conversation["unreadCount"], 1);
    assert_eq!(conversation["lastInboundAt"], "2026-11-20T08:00:00.000Z");
    assert_eq!(conversation["windowExpiresAt"], "2026-11-21T08:00:00.000Z");
    assert_eq!(conversation["canSendFreeForm"], true);
    let identities = world
        .database()
        .query("SELECT kind, value, contact_id FROM identity");
    assert_eq!(
        identities,
        [json!({ "kind": "whatsapp", "value": CUSTOMER, "contact_id": message["contactId"] })]
    );
    let shown = world.get(&format!("/v1/channels/{channel}")).await;
    assert_eq!(shown["lastInboundAt"], "2026-11-20T08:01:00.000Z");
}

#[tokio::test]
async fn an_answer_names_the_message_it_answers_by_our_id() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world
        .customer_writes(&channel, CUSTOMER, "wamid.in.1", "Hi")
        .await;
    let sent = world
        .post(
            "/v1/messages",
            json!({ "from": channel, "to": CUSTOMER, "content": { "type": "text", "text": "Yes?" } }),
        )
        .await
        .expect(202);
    world.drain().await;
    let reply = |id: &str, to: &str| {
        let mut reply = text_item(id, "that");
        reply["context"] = json!({ "from": "15550100001", "id": to });
        whatsapp_value(json!({ "contacts": ada(), "messages": [reply] }))
    };
    world.advance(1_000);
    world
        .from_meta(&channel, &reply("wamid.in.2", "wamid.1"))
        .await
        .expect(200);
    world.advance(1_000);
    world
        .from_meta(&channel, &reply("wamid.in.3", "wamid.never-seen"))
        .await
        .expect(200);
    let listed = messages(&world).await;
    let by = |id: &str| {
        listed
            .iter()
            .find(|message| message["providerMessageId"] == id)
            .expect("the message")
    };
    assert_eq!(by("wamid.in.2")["replyTo"], sent["id"]);
    assert_eq!(by("wamid.in.3")["replyTo"], Value::Null);
}

#[tokio::test]
async fn an_answer_to_a_message_of_the_same_payload_names_it_too() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let mut second = text_item("wamid.2", "I mean that");
    second["context"] = json!({ "from": CUSTOMER, "id": "wamid.1" });
    let payload = whatsapp_value(json!({
        "contacts": ada(), "messages": [text_item("wamid.1", "one"), second],
    }));
    world.from_meta(&channel, &payload).await.expect(200);
    let listed = messages(&world).await;
    let by = |id: &str| {
        listed
            .iter()
            .find(|message| message["providerMessageId"] == id)
            .expect("the message")
    };
    assert_eq!(by("wamid.2")["replyTo"], by("wamid.1")["id"]);
}

#[tokio::test]
async fn several_entries_changes_messages_and_people_are_all_read() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let person = |number: u32| format!("551198888000{number}");
    let value = |from: u32, ids: &[&str]| {
        let messages: Vec<Value> = ids
            .iter()
            .map(|id| {
                let mut item = text_item(id, id);
                item["from"] = json!(person(from));
                item
            })
            .collect();
        json!({
            "messaging_product": "whatsapp",
            "contacts": [{ "profile": { "name": format!("Person {from}") }, "wa_id": person(from) }],
            "messages": messages,
        })
    };
    let change = |value: Value| json!({ "field": "messages", "value": value });
    let mut together = value(3, &["wamid.5"]);
    let other = value(4, &["wamid.6"]);
    for field in ["contacts", "messages"] {
        let more = other[field].as_array().expect("a list").clone();
        together[field].as_array_mut().expect("a list").extend(more);
    }
    let payload = json!({
        "object": "whatsapp_business_account",
        "entry": [
            { "id": "1", "changes": [change(value(1, &["wamid.1", "wamid.2"])), change(value(2, &["wamid.3"]))] },
            { "id": "1", "changes": [change(value(1, &["wamid.4"])), change(together)] },
        ],
    });
    let before = world.database().round_trips.get();
    world.from_meta(&channel, &payload).await.expect(200);
    assert!(
        world.database().round_trips.get() - before <= 2,
        "a cold isolate reads the channel"
    );
    let listed = conversations(&world).await;
    let mut seen: Vec<(String, String, i64)> = listed
        .iter()
        .map(|conversation| {
            (
                conversation["contact"]["address"]
                    .as_str()
                    .expect("an address")
                    .to_owned(),
                conversation["contact"]["name"]
                    .as_str()
                    .expect("a name")
                    .to_owned(),
                conversation["unreadCount"].as_i64().expect("a count"),
            )
        })
        .collect();
    seen.sort();
    let expected: Vec<(String, String, i64)> = [(1, 3), (2, 1), (3, 1), (4, 1)]
        .map(|(number, count)| (person(number), format!("Person {number}"), count))
        .into();
    assert_eq!(seen, expected);
    assert_eq!(messages(&world).await.len(), 6);
}

#[tokio::test]
async fn what_is_for_another_number_of_the_same_app_is_acknowledged_and_left_alone() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let mut payload = whatsapp_text(CUSTOMER, "wamid.1", "Hi", START_S);
    let mut other = payload["entry"][0].clone();
    other["changes"][0]["value"]["metadata"]["phone_number_id"] = json!("999");
    other["changes"][0]["value"]["messages"][0]["id"] = json!("wamid.2");
    payload["entry"]
        .as_array_mut()
        .expect("a list")
        .insert(0, other);
    world.from_meta(&channel, &payload).await.expect(200);
    let listed = messages(&world).await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["providerMessageId"], "wamid.1");
    assert!(logged(&world, "inbound.other_account"));
}

#[tokio::test]
async fn a_person_who_writes_again_is_the_same_contact_in_the_same_conversation() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    for number in 1..=3 {
        world
            .customer_writes(&channel, CUSTOMER, &format!("wamid.{number}"), "Hi")
            .await;
        world.advance(1_000);
    }
    assert_eq!(world.database().count("SELECT COUNT(*) FROM contact"), 1);
    assert_eq!(
        world.database().count("SELECT COUNT(*) FROM conversation"),
        1
    );
    assert_eq!(
        world
            .database()
            .count("SELECT unread_count FROM conversation"),
        3
    );
    let seqs: Vec<i64> = world
        .database()
        .query("SELECT seq FROM message ORDER BY created_at")
        .iter()
        .filter_map(|row| row["seq"].as_i64())
        .collect();
    assert_eq!(seqs, [1, 2, 3]);
}

#[tokio::test]
async fn the_messages_of_a_payload_are_ordered_by_the_providers_time() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world.advance(60_000);
    let at = |id: &str, seconds: i64| {
        let mut item = text_item(id, id);
        item["timestamp"] = json!((START_S + seconds).to_string());
        item
    };
    let payload = whatsapp_value(json!({
        "contacts": ada(),
        "messages": [at("wamid.c", 30), at("wamid.a", 10), at("wamid.b", 20)],
    }));
    world.from_meta(&channel, &payload).await.expect(200);
    let ids: Vec<Value> = world
        .database()
        .query("SELECT provider_message_id FROM message ORDER BY seq")
        .iter()
        .map(|row| row["provider_message_id"].clone())
        .collect();
    assert_eq!(ids, ["wamid.a", "wamid.b", "wamid.c"]);
}

#[tokio::test]
async fn the_same_contact_writing_to_two_channels_is_one_person_in_two_conversations() {
    let world = World::new().await;
    let first = world.whatsapp().await;
    let created = world
        .post(
            "/v1/channels",
            json!({
                "type": "whatsapp", "name": "Second", "identifier": "+15550100002",
                "credentials": {
                    "phoneNumberId": PHONE_NUMBER_ID, "wabaId": "1", "accessToken": "t",
                    "appSecret": APP_SECRET, "verifyToken": "v",
                },
            }),
        )
        .await
        .expect(201);
    let second = created["id"].as_str().expect("an id");
    world
        .customer_writes(&first, CUSTOMER, "wamid.1", "Hi")
        .await;
    world
        .customer_writes(second, CUSTOMER, "wamid.1", "Hi")
        .await;
    assert_eq!(world.database().count("SELECT COUNT(*) FROM contact"), 1);
    assert_eq!(
        world.database().count("SELECT COUNT(*) FROM conversation"),
        2
    );
    assert_eq!(world.database().count("SELECT COUNT(*) FROM message"), 2);
}

#[tokio::test]
async fn a_webhook_repeated_five_times_changes_nothing() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world
        .subscribe("https://subscriber.example/hook", &["*"])
        .await;
    let payload = whatsapp_text(CUSTOMER, "wamid.1", "Hi", START_S);
    world.from_meta(&channel, &payload).await.expect(200);
    let before = stored(&world);
    let pushed = world.ports().pushed.borrow().len();
    for _ in 0..5 {
        world.from_meta(&channel, &payload).await.expect(200);
    }
    assert_eq!(stored(&world), before);
    assert_eq!(
        world.ports().pushed.borrow().len(),
        pushed,
        "nothing is told twice"
    );
}

#[tokio::test]
async fn the_same_webhook_arriving_at_once_several_times_is_stored_once() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world
        .subscribe("https://subscriber.example/hook", &["message.received"])
        .await;
    let payload = whatsapp_text(CUSTOMER, "wamid.1", "Hi", START_S);
    world.database().yields.set(true);
    let five = (0..5).map(|_| world.from_meta(&channel, &payload));
    for reply in futures_util::future::join_all(five).await {
        reply.expect(200);
    }
    assert_eq!(world.database().count("SELECT COUNT(*) FROM message"), 1);
    assert_eq!(
        world
            .database()
            .count("SELECT unread_count FROM conversation"),
        1
    );
    assert_eq!(world.database().count("SELECT COUNT(*) FROM event"), 1);
    assert_eq!(world.database().count("SELECT COUNT(*) FROM delivery"), 1);
}

#[tokio::test]
async fn a_batch_that_runs_twice_stores_what_one_that_runs_once_does() {
    let shape = async |twice: bool| {
        let world = World::new().await;
        let channel = world.whatsapp().await;
        world
            .subscribe("https://subscriber.example/hook", &["*"])
            .await;
        world.database().runs_twice.set(twice);
        let payload = whatsapp_value(json!({
            "contacts": ada(), "messages": [text_item("wamid.1", "one"), text_item("wamid.2", "two")],
        }));
        world.from_meta(&channel, &payload).await.expect(200);
        stored(&world)
    };
    assert_eq!(shape(true).await, shape(false).await);
}

#[tokio::test]
async fn unread_counts_stay_exact_when_part_of_a_payload_is_a_repeat() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let payload = |ids: &[&str]| {
        let items: Vec<Value> = ids.iter().map(|id| text_item(id, id)).collect();
        whatsapp_value(json!({ "contacts": ada(), "messages": items }))
    };
    world
        .from_meta(&channel, &payload(&["wamid.1", "wamid.2"]))
        .await
        .expect(200);
    world
        .from_meta(&channel, &payload(&["wamid.2", "wamid.3", "wamid.1"]))
        .await
        .expect(200);
    world
        .from_meta(&channel, &payload(&["wamid.4", "wamid.4"]))
        .await
        .expect(200);
    let conversation = &conversations(&world).await[0];
    assert_eq!(conversation["unreadCount"], 4);
    let path = format!(
        "/v1/conversations/{}/read",
        conversation["id"].as_str().expect("an id")
    );
    world.post(&path, Value::Null).await.expect(200);
    world
        .from_meta(&channel, &payload(&["wamid.1", "wamid.5"]))
        .await
        .expect(200);
    assert_eq!(conversations(&world).await[0]["unreadCount"], 1);
    assert_eq!(messages(&world).await.len(), 5);
}

#[tokio::test]
async fn kinds_without_a_form_become_unsupported_messages_that_name_them() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let kinds = [
        (
            json!({ "type": "image", "image": { "mime_type": "image/jpeg" } }),
            "image",
        ),
        (
            json!({ "type": "order", "order": { "catalog_id": "1" } }),
            "order",
        ),
        (json!({ "type": "hologram", "hologram": {} }), "hologram"),
        (
            json!({ "type": "unsupported", "unsupported": { "type": "poll" }, "errors": [{ "code": 131_051 }] }),
            "poll",
        ),
        (
            json!({ "type": "unsupported", "errors": [{ "code": 131_051 }] }),
            "unsupported",
        ),
        (json!({ "type": "interactive" }), "interactive"),
        (json!({ "type": "text" }), "text"),
        (json!({ "type": "text", "text": { "body": 5 } }), "text"),
        (json!({}), "unknown"),
    ];
    for (number, (fields, name)) in kinds.iter().enumerate() {
        let id = format!("wamid.{number}");
        let payload = whatsapp_value(json!({
            "contacts": ada(), "messages": [item(&id, fields.clone())],
        }));
        world.from_meta(&channel, &payload).await.expect(200);
        let listed = messages(&world).await;
        let message = listed
            .iter()
            .find(|message| message["providerMessageId"] == id.as_str());
        let content = json!({ "type": "unsupported", "providerType": name });
        assert_eq!(
            message.expect("the message")["content"],
            content,
            "{fields}"
        );
    }
}

#[tokio::test]
async fn what_is_no_message_is_ignored_by_name_and_hides_nothing_beside_it() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let ignored = [
        (
            json!({ "type": "reaction", "reaction": { "emoji": "👍" } }),
            "reaction of nothing",
        ),
        (
            json!({ "type": "system", "system": { "type": "user_identity_changed", "wa_id": "1" } }),
            "message system",
        ),
        (
            json!({ "type": "system", "system": { "type": "user_changed_number", "wa_id": "1" } }),
            "contact.number_changed",
        ),
        (json!({ "type": "edit", "edit": {} }), "edit of nothing"),
        (
            json!({ "type": "revoke", "revoke": {} }),
            "revoke of nothing",
        ),
    ];
    for (number, (fields, name)) in ignored.iter().enumerate() {
        let payload = whatsapp_value(json!({
            "contacts": ada(),
            "messages": [item(&format!("wamid.i{number}"), fields.clone()), text_item(&format!("wamid.{number}"), "Hi")],
        }));
        world.from_meta(&channel, &payload).await.expect(200);
        assert!(logged(&world, name), "{name}");
        assert_eq!(messages(&world).await.len(), number + 1);
    }
    let payload = json!({
        "object": "whatsapp_business_account",
        "entry": [{ "id": "1", "changes": [
            { "field": "account_update", "value": { "event": "VERIFIED_ACCOUNT" } },
            { "field": "message_template_status_update", "value": { "message_template_id": 9_007_199_254_740_993_u64, "reason": null } },
            { "field": "calls", "value": { "calls": [{ "id": "x" }] } },
            { "value": {} }, { "field": "messages" }, { "field": 7, "value": 7 }, null, 5, "x",
        ] }, null, { "changes": {} }, { "changes": null }],
    });
    world.from_meta(&channel, &payload).await.expect(200);
    assert!(logged(&world, "account_update"));
    assert!(logged(&world, "call of nobody"));
    assert_eq!(messages(&world).await.len(), ignored.len());
}

#[tokio::test]
async fn messages_statuses_calls_and_errors_in_one_change_are_each_read_on_their_own() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world
        .customer_writes(&channel, CUSTOMER, "wamid.in", "Hi")
        .await;
    let sent = world
        .post(
            "/v1/messages",
            json!({ "from": channel, "to": CUSTOMER, "content": { "type": "text", "text": "Yes?" } }),
        )
        .await
        .expect(202);
    world.drain().await;
    let payload = whatsapp_value(json!({
        "contacts": ada(), "messages": [null, 7, {}, text_item("wamid.2", "ok")],
        "statuses": [null, { "id": "wamid.1" }, { "status": "read" }, { "id": "wamid.1", "status": "fancy" },
            { "id": "wamid.1", "status": "read", "timestamp": START_S.to_string() }],
        "calls": [{ "id": "c" }], "errors": [{ "code": 131_000 }],
    }));
    world.from_meta(&channel, &payload).await.expect(200);
    let path = format!("/v1/messages/{}", sent["id"].as_str().expect("an id"));
    assert_eq!(world.get(&path).await["status"], "read");
    assert_eq!(messages(&world).await.len(), 3);
    assert!(logged(&world, "131000"));
}

#[tokio::test]
async fn what_is_signed_is_acknowledged_even_where_it_is_not_json() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let before = stored(&world);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let bodies: [&[u8]; 8] = [
        b"not json",
        b"\xff\xfe\x00",
        b"null",
        b"[]",
        b"{}",
        b"7",
        br#"{"object":"page","entry":"x"}"#,
        deep.as_bytes(),
    ];
    for body in bodies {
        world
            .from_meta_raw(&channel, APP_SECRET, body)
            .await
            .expect(200);
    }
    assert_eq!(stored(&world), before);
}

#[tokio::test]
async fn a_message_without_contacts_is_stored_under_its_number() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let payload = whatsapp_value(json!({ "messages": [text_item("wamid.1", "Hi")] }));
    world.from_meta(&channel, &payload).await.expect(200);
    let conversation = &conversations(&world).await[0];
    assert_eq!(conversation["contact"]["address"], CUSTOMER);
    assert_eq!(conversation["contact"]["name"], Value::Null);
    // The name is taken in when it is first known.
    world
        .customer_writes(&channel, CUSTOMER, "wamid.2", "Hi")
        .await;
    assert_eq!(conversations(&world).await[0]["contact"]["name"], "Ada");
    assert_eq!(conversations(&world).await.len(), 1);
}

const USER_ID: &str = "BR.13491208655302741918";

#[tokio::test]
async fn a_sender_known_by_a_business_scoped_id_only_can_be_answered() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let payload = whatsapp_value(json!({
        "contacts": [{ "profile": { "name": "Bia", "username": "bia" }, "user_id": USER_ID }],
        "messages": [{
            "from_user_id": USER_ID, "id": "wamid.1", "timestamp": START_S.to_string(),
            "type": "text", "text": { "body": "Oi" },
        }],
    }));
    world.from_meta(&channel, &payload).await.expect(200);
    let conversation = &conversations(&world).await[0];
    assert_eq!(conversation["contact"]["address"], USER_ID);
    assert_eq!(conversation["contact"]["name"], "Bia");
    world
        .post(
            "/v1/messages",
            json!({ "to": conversation["id"], "content": { "type": "text", "text": "Oi!" } }),
        )
        .await
        .expect(202);
    world.drain().await;
    let sent = world.requests_to("graph.test");
    assert_eq!(sent[0]["recipient"], USER_ID);
    assert_eq!(sent[0].get("to"), None);
}

#[tokio::test]
async fn an_empty_from_counts_as_none() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let payload = whatsapp_value(json!({
        "contacts": [{ "profile": { "name": "Bia" }, "user_id": USER_ID, "wa_id": "" }],
        "messages": [{
            "from": "", "from_user_id": USER_ID, "id": "wamid.1", "timestamp": START_S.to_string(),
            "type": "text", "text": { "body": "Oi" },
        }],
    }));
    world.from_meta(&channel, &payload).await.expect(200);
    assert_eq!(
        conversations(&world).await[0]["contact"]["address"],
        USER_ID
    );
    // A message from nobody at all is acknowledged and left alone.
    let payload = whatsapp_value(json!({ "messages": [{
        "from": "", "id": "wamid.2", "timestamp": START_S.to_string(), "type": "text", "text": { "body": "?" },
    }] }));
    world.from_meta(&channel, &payload).await.expect(200);
    assert!(logged(&world, "message without sender"));
    assert_eq!(messages(&world).await.len(), 1);
}

#[tokio::test]
async fn a_person_first_known_by_id_and_then_by_number_stays_one_contact() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let write = |id: &str, from: Value| {
        let mut message = text_item(id, "Oi");
        message["from"] = from;
        message["from_user_id"] = json!(USER_ID);
        whatsapp_value(json!({ "messages": [message] }))
    };
    world
        .from_meta(&channel, &write("wamid.1", json!("")))
        .await
        .expect(200);
    world
        .from_meta(&channel, &write("wamid.2", json!(CUSTOMER)))
        .await
        .expect(200);
    assert_eq!(world.database().count("SELECT COUNT(*) FROM contact"), 1);
    assert_eq!(
        world
            .database()
            .count("SELECT COUNT(DISTINCT contact_id) FROM message"),
        1
    );
    let identities = world.database().count("SELECT COUNT(*) FROM identity");
    assert_eq!(identities, 2);
}

#[tokio::test]
async fn timestamps_are_read_as_text_as_numbers_and_not_at_all() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world.advance(3_600_000);
    let now = "2026-11-20T09:00:00.000Z";
    let told = "2026-11-20T08:00:00.000Z";
    for (number, (at, expected)) in [
        (json!(START_S.to_string()), told),
        (json!(START_S), told),
        (json!(START_MS), told),
        (json!("soon"), now),
        (json!("0"), now),
        (json!(-5), now),
        (Value::Null, now),
        // A clock ahead of ours: never later than the receipt.
        (json!((START_S + 7_200).to_string()), now),
        (json!(i64::MAX), now),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("wamid.{number}");
        let mut message = text_item(&id, "Hi");
        message["timestamp"] = at.clone();
        let payload = whatsapp_value(json!({ "contacts": ada(), "messages": [message] }));
        world.from_meta(&channel, &payload).await.expect(200);
        let listed = messages(&world).await;
        let message = listed
            .iter()
            .find(|message| message["providerMessageId"] == id.as_str());
        assert_eq!(message.expect("the message")["createdAt"], expected, "{at}");
    }
    assert_eq!(conversations(&world).await[0]["lastInboundAt"], now);
}

#[tokio::test]
async fn the_window_counts_from_the_providers_time_not_from_the_receipt() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world.advance(23 * 3_600_000);
    world
        .from_meta(&channel, &whatsapp_text(CUSTOMER, "wamid.1", "Hi", START_S))
        .await
        .expect(200);
    let conversation = &conversations(&world).await[0];
    assert_eq!(conversation["windowExpiresAt"], "2026-11-21T08:00:00.000Z");
    // An older message that comes late does not move the window back.
    world
        .from_meta(
            &channel,
            &whatsapp_text(CUSTOMER, "wamid.0", "Hey", START_S - 500),
        )
        .await
        .expect(200);
    let conversation = &conversations(&world).await[0];
    assert_eq!(conversation["lastInboundAt"], "2026-11-20T08:00:00.000Z");
    world.advance(3_600_000);
    assert_eq!(conversations(&world).await[0]["canSendFreeForm"], false);
}

#[tokio::test]
async fn a_customers_message_reopens_a_closed_conversation_and_leaves_pending_agent_alone() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world
        .customer_writes(&channel, CUSTOMER, "wamid.0", "Hi")
        .await;
    let id = conversations(&world).await[0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let path = format!("/v1/conversations/{id}");
    for (number, (set, then)) in [
        ("closed", "open"),
        ("pending_customer", "open"),
        ("snoozed", "open"),
        ("pending_agent", "pending_agent"),
    ]
    .into_iter()
    .enumerate()
    {
        world
            .call(Method::PATCH, &path, json!({ "status": set }))
            .await
            .expect(200);
        world
            .customer_writes(&channel, CUSTOMER, &format!("wamid.r{number}"), "again")
            .await;
        assert_eq!(world.get(&path).await["status"], then, "{set}");
        // A repeat is no news.
        world
            .call(Method::PATCH, &path, json!({ "status": set }))
            .await
            .expect(200);
        world
            .customer_writes(&channel, CUSTOMER, &format!("wamid.r{number}"), "again")
            .await;
        assert_eq!(world.get(&path).await["status"], set);
    }
}

#[tokio::test]
async fn a_thousand_messages_in_one_payload_cost_one_round_trip() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world
        .subscribe("https://subscriber.example/hook", &["message.received"])
        .await;
    world
        .customer_writes(&channel, CUSTOMER, "wamid.warm", "Hi")
        .await;
    let items: Vec<Value> = (0..1_000)
        .map(|number| {
            let mut item = text_item(&format!("wamid.{number}"), &"x".repeat(200));
            item["from"] = json!(format!("55119{:08}", number % 300));
            item
        })
        .collect();
    let payload = whatsapp_value(json!({ "messages": items }));
    let before = world.database().round_trips.get();
    world.from_meta(&channel, &payload).await.expect(200);
    assert_eq!(world.database().round_trips.get() - before, 1);
    assert!(world.database().longest_parameter.get() <= 1_000_000);
    assert_eq!(
        world.database().count("SELECT COUNT(*) FROM message"),
        1_001
    );
    assert_eq!(
        world.database().count("SELECT COUNT(*) FROM conversation"),
        301
    );
    assert_eq!(
        world
            .database()
            .count("SELECT SUM(unread_count) FROM conversation"),
        1_001
    );
    assert_eq!(
        world.database().count("SELECT COUNT(*) FROM delivery"),
        1_001
    );
    // What is not hinted at now is found by the sweep.
    for _ in 0..4 {
        world.drain().await;
        world.advance(10_000);
        world.gateway.sweep().await;
    }
    world.drain().await;
    assert_eq!(world.posts_to("subscriber.example").len(), 1_001);
}

#[tokio::test]
async fn a_payload_of_three_megabytes_is_stored_whole() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let items: Vec<Value> = (0..740)
        .map(|number| text_item(&format!("wamid.{number}"), &"é".repeat(2_000)))
        .collect();
    let payload = whatsapp_value(json!({ "contacts": ada(), "messages": items }));
    let size = payload.to_string().len();
    assert!((2_900_000..4_194_304).contains(&size), "{size}");
    world.from_meta(&channel, &payload).await.expect(200);
    assert_eq!(world.database().count("SELECT COUNT(*) FROM message"), 740);
    assert_eq!(
        world
            .database()
            .count("SELECT unread_count FROM conversation"),
        740
    );
    assert!(world.database().longest_parameter.get() <= 1_000_000);
}

#[tokio::test]
async fn texts_full_of_quotes_still_bind_in_parts_of_a_megabyte() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let items: Vec<Value> = (0..400)
        .map(|number| text_item(&format!("wamid.{number}"), &"\"".repeat(4_096)))
        .collect();
    let payload = whatsapp_value(json!({ "contacts": ada(), "messages": items }));
    world.from_meta(&channel, &payload).await.expect(200);
    assert_eq!(world.database().count("SELECT COUNT(*) FROM message"), 400);
    let longest = world.database().longest_parameter.get();
    assert!(longest <= 1_000_000, "{longest}");
}

#[tokio::test]
async fn one_value_of_three_megabytes_does_not_fail_the_webhook_nor_what_is_beside_it() {
    let mut failing = Vec::new();
    for field in [
        "text", "id", "from", "name", "reply", "kind", "place", "button", "flow", "order", "file",
        "edit",
    ] {
        let world = World::new().await;
        let channel = world.whatsapp().await;
        let huge = "7".repeat(3_000_000);
        let mut big = text_item("wamid.big", "Hi");
        let mut contact = ada();
        match field {
            "text" => big["text"]["body"] = json!(huge),
            "id" => big["id"] = json!(huge),
            "from" => big["from"] = json!(huge),
            "reply" => big["context"] = json!({ "id": huge }),
            "kind" => big["type"] = json!(huge),
            "place" => {
                big["type"] = json!("location");
                big["location"] = json!({ "latitude": 1, "longitude": 2, "name": huge });
            }
            "button" => {
                big["type"] = json!("button");
                big["button"] = json!({ "payload": huge, "text": "Yes" });
            }
            "flow" => {
                let reply = json!({ "response_json": huge, "body": "Sent", "name": "flow" });
                big["type"] = json!("interactive");
                big["interactive"] = json!({ "type": "nfm_reply", "nfm_reply": reply });
            }
            "order" => {
                let items = json!([{ "product_retailer_id": huge, "quantity": 1 }]);
                big["type"] = json!("order");
                big["order"] = json!({ "product_items": items });
            }
            "file" => {
                big["type"] = json!("image");
                big["image"] = json!({ "id": huge });
            }
            "edit" => {
                let message =
                    json!({ "type": "button", "button": { "payload": huge, "text": "Yes" } });
                big["type"] = json!("edit");
                big["edit"] = json!({ "original_message_id": "wamid.small", "message": message });
            }
            _ => contact[0]["profile"]["name"] = json!(huge),
        }
        let payload = whatsapp_value(json!({
            "contacts": contact, "messages": [big, text_item("wamid.small", "Hi")],
        }));
        let reply = world.from_meta(&channel, &payload).await;
        let small = "SELECT COUNT(*) FROM message WHERE provider_message_id = 'wamid.small'";
        if reply.status != 200 || world.database().count(small) != 1 {
            failing.push((field, reply.status));
        }
    }
    assert_eq!(failing, []);
}

#[tokio::test]
async fn text_with_a_nul_or_an_odd_name_is_stored_as_it_came() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let mut message = text_item("wamid.1", "a\0b \u{202e} '\"\\ \u{1f469}\u{200d}\u{1f52c}");
    message["text"]["more"] = json!({ "unknown": [1, 2] });
    let payload = whatsapp_value(json!({
        "contacts": [{ "profile": { "name": "O'Brien \"); DROP TABLE message; --\u{1f642}" }, "wa_id": CUSTOMER }],
        "messages": [message.clone()],
    }));
    world.from_meta(&channel, &payload).await.expect(200);
    assert_eq!(
        messages(&world).await[0]["content"]["text"],
        message["text"]["body"]
    );
    let name = conversations(&world).await[0]["contact"]["name"].clone();
    assert_eq!(name, "O'Brien \"); DROP TABLE message; --\u{1f642}");
}

#[tokio::test]
async fn a_nul_inside_an_id_or_a_number_fails_nothing() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let mut message = text_item("wamid.\u{0}1", "one");
    message["from"] = json!("55\u{0}11");
    let payload = whatsapp_value(json!({
        "contacts": [{ "profile": { "name": "A\u{0}B" }, "wa_id": "55\u{0}11" }],
        "messages": [message, text_item("wamid.2", "two")],
    }));
    world.from_meta(&channel, &payload).await.expect(200);
    let small = "SELECT COUNT(*) FROM message WHERE provider_message_id = 'wamid.2'";
    assert_eq!(world.database().count(small), 1);
    messages(&world).await;
    conversations(&world).await;
}

#[tokio::test]
async fn a_database_that_fails_makes_the_provider_try_again_and_nothing_is_lost() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world
        .customer_writes(&channel, CUSTOMER, "wamid.0", "warm")
        .await;
    let payload = whatsapp_text(CUSTOMER, "wamid.1", "Hi", START_S);
    world
        .database()
        .faults
        .borrow_mut()
        .extend([Fault::Before, Fault::Before]);
    let refused = world.from_meta(&channel, &payload).await;
    assert!(refused.header("retry-after").is_some());
    refused.expect(503);
    assert_eq!(messages(&world).await.len(), 1);
    world.from_meta(&channel, &payload).await.expect(200);
    assert_eq!(messages(&world).await.len(), 2);
}

#[tokio::test]
async fn an_answer_of_the_database_that_is_lost_stores_a_webhook_once() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world
        .customer_writes(&channel, CUSTOMER, "wamid.0", "warm")
        .await;
    let payload = whatsapp_text(CUSTOMER, "wamid.1", "Hi", START_S);
    world
        .database()
        .faults
        .borrow_mut()
        .extend([Fault::After, Fault::After]);
    world.from_meta(&channel, &payload).await.expect(503);
    world.from_meta(&channel, &payload).await.expect(200);
    assert_eq!(messages(&world).await.len(), 2);
    assert_eq!(conversations(&world).await[0]["unreadCount"], 2);
}

#[tokio::test]
async fn a_queue_that_refuses_costs_time_and_no_event() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world
        .subscribe("https://subscriber.example/hook", &["message.received"])
        .await;
    world.ports().refuses_pushes.set(true);
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    world.ports().refuses_pushes.set(false);
    world.advance(10_000);
    world.gateway.sweep().await;
    world.drain().await;
    assert_eq!(world.posts_to("subscriber.example").len(), 1);
}

#[tokio::test]
async fn a_status_for_a_message_of_another_channel_touches_nothing() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world
        .customer_writes(&channel, CUSTOMER, "wamid.in", "Hi")
        .await;
    let sent = world
        .post(
            "/v1/messages",
            json!({ "from": channel, "to": CUSTOMER, "content": { "type": "text", "text": "Yes?" } }),
        )
        .await
        .expect(202);
    world.drain().await;
    let created = world
        .post(
            "/v1/channels",
            json!({
                "type": "whatsapp", "name": "Second", "identifier": "+15550100002",
                "credentials": {
                    "phoneNumberId": PHONE_NUMBER_ID, "wabaId": "1", "accessToken": "t",
                    "appSecret": APP_SECRET, "verifyToken": "v",
                },
            }),
        )
        .await
        .expect(201);
    let other = created["id"].as_str().expect("an id");
    let mut status = whatsapp_status("wamid.1", "failed", START_S);
    status["entry"][0]["changes"][0]["value"]["statuses"][0]["biz_opaque_callback_data"] =
        sent["id"].clone();
    world.from_meta(other, &status).await.expect(200);
    let path = format!("/v1/messages/{}", sent["id"].as_str().expect("an id"));
    assert_eq!(world.get(&path).await["status"], "sent");
}

// Telegram

fn telegram_text(update: u64, id: i64, text: &str) -> Value {
    json!({
        "update_id": update,
        "message": {
            "message_id": id, "date": START_S, "text": text,
            "chat": { "id": 5_550_001, "type": "private", "first_name": "Grace", "last_name": "Hopper" },
            "from": { "id": 5_550_001, "is_bot": false, "first_name": "Grace", "last_name": "Hopper", "username": "grace" },
        },
    })
}

#[tokio::test]
async fn a_private_telegram_text_is_stored_under_its_chat() {
    let world = World::new().await;
    let channel = world.telegram().await;
    world.advance(60_000);
    world
        .from_telegram(&channel, &telegram_text(1, 7, "Hi"))
        .await
        .expect(200);
    let message = &messages(&world).await[0];
    assert_eq!(message["content"], json!({ "type": "text", "text": "Hi" }));
    assert_eq!(message["channelType"], "telegram");
    assert_eq!(message["createdAt"], "2026-11-20T08:00:00.000Z");
    let conversation = &conversations(&world).await[0];
    assert_eq!(conversation["contact"]["address"], "5550001");
    assert_eq!(conversation["contact"]["name"], "Grace Hopper");
    assert_eq!(conversation["windowExpiresAt"], Value::Null);
    assert_eq!(conversation["canSendFreeForm"], true);
    let identity = world.database().query("SELECT kind, value FROM identity");
    assert_eq!(
        identity,
        [json!({ "kind": "telegram", "value": "5550001" })]
    );
}

#[tokio::test]
async fn a_telegram_answer_names_the_message_it_answers() {
    let world = World::new().await;
    let channel = world.telegram().await;
    world
        .from_telegram(&channel, &telegram_text(1, 7, "Hi"))
        .await
        .expect(200);
    let mut reply = telegram_text(2, 8, "that one");
    reply["message"]["reply_to_message"] = telegram_text(1, 7, "Hi")["message"].clone();
    world.from_telegram(&channel, &reply).await.expect(200);
    let listed = messages(&world).await;
    let of = |text: &str| {
        listed
            .iter()
            .find(|message| message["content"]["text"] == text)
            .expect("the message")
            .clone()
    };
    assert_eq!(of("that one")["replyTo"], of("Hi")["id"]);
}

#[tokio::test]
async fn groups_and_channels_are_conversations_of_their_own() {
    let world = World::new().await;
    let channel = world.telegram().await;
    let mut group = telegram_text(1, 7, "in the group");
    group["message"]["chat"] = json!({ "id": -4_001, "type": "group", "title": "Team" });
    world.from_telegram(&channel, &group).await.expect(200);
    let post = json!({
        "update_id": 2,
        "channel_post": {
            "message_id": 7, "date": START_S, "text": "news",
            "chat": { "id": -1_001_234_567_890_i64, "type": "channel", "title": "News" },
            "sender_chat": { "id": -1_001_234_567_890_i64, "type": "channel", "title": "News" },
        },
    });
    world.from_telegram(&channel, &post).await.expect(200);
    world
        .from_telegram(&channel, &telegram_text(3, 7, "in private"))
        .await
        .expect(200);
    let mut seen: Vec<(String, String)> = conversations(&world)
        .await
        .iter()
        .map(|conversation| {
            let field = |name: &str| {
                conversation["contact"][name]
                    .as_str()
                    .expect("text")
                    .to_owned()
            };
            (field("address"), field("name"))
        })
        .collect();
    seen.sort();
    let expected = [
        ("-1001234567890", "News"),
        ("-4001", "Team"),
        ("5550001", "Grace Hopper"),
    ]
    .map(|(address, name)| (address.to_owned(), name.to_owned()));
    assert_eq!(seen, expected);
    assert_eq!(messages(&world).await.len(), 3, "message 7 of each chat");
}

#[tokio::test]
async fn updates_that_are_no_new_message_are_ignored_by_name() {
    let world = World::new().await;
    let channel = world.telegram().await;
    let updates = [
        (
            json!({ "update_id": 1, "edited_message": { "date": START_S, "text": "edited" } }),
            "edit without id",
        ),
        (
            json!({ "update_id": 2, "message_reaction": { "date": START_S } }),
            "reaction to nothing",
        ),
        (
            json!({ "update_id": 3, "callback_query": { "id": "1", "from": { "id": 5 }, "game_short_name": "x" } }),
            "callback query without data",
        ),
        (
            json!({ "update_id": 4, "my_chat_member": { "new_chat_member": { "status": "kicked" } } }),
            "my_chat_member of no chat",
        ),
        (
            json!({ "update_id": 5, "quantum_message": { "text": "?" } }),
            "update quantum_message",
        ),
        (json!({ "update_id": 6 }), "nothing in it"),
        (
            json!({ "update_id": 7, "message": { "message_id": 8, "date": START_S, "chat": { "id": -4_001, "type": "group", "title": "T" }, "new_chat_members": [{ "id": 5 }] } }),
            "service message",
        ),
        (
            json!({ "update_id": 8, "message": { "message_id": 9, "date": START_S, "chat": { "id": -4_001, "type": "group" }, "migrate_to_chat_id": -1_004_001 } }),
            "service message",
        ),
        (
            json!({ "update_id": 9, "message": { "date": START_S, "text": "no id" } }),
            "message without id",
        ),
        (json!({ "update_id": 10, "message": null }), "nothing in it"),
        (json!([]), "not a JSON object"),
        (json!("text"), "not a JSON object"),
    ];
    let before = stored(&world);
    for (update, name) in updates {
        world.ports().logs.borrow_mut().clear();
        world.from_telegram(&channel, &update).await.expect(200);
        assert!(logged(&world, name), "{update}");
    }
    assert_eq!(stored(&world), before);
}

#[tokio::test]
async fn telegram_contents_are_read_by_their_kind() {
    let world = World::new().await;
    let channel = world.telegram().await;
    for (number, (field, value, kind)) in [
        (
            "photo",
            json!([{ "file_id": "a", "width": 1, "height": 1 }]),
            "image",
        ),
        ("voice", json!({ "file_id": "a" }), "audio"),
        ("sticker", json!({ "file_id": "a" }), "sticker"),
        (
            "location",
            json!({ "latitude": 1.0, "longitude": 2.0 }),
            "location",
        ),
        ("poll", json!({ "id": "1" }), "unsupported"),
        ("photo", json!([]), "unsupported"),
    ]
    .into_iter()
    .enumerate()
    {
        let number = i64::try_from(number).expect("small");
        let mut update = telegram_text(1, 100 + number, "");
        update["message"]
            .as_object_mut()
            .expect("an object")
            .remove("text");
        update["message"][field] = value;
        if field != "poll" {
            update["message"]["caption"] = json!("look");
        }
        world.from_telegram(&channel, &update).await.expect(200);
        let id = format!("5550001:{}", 100 + number);
        let listed = messages(&world).await;
        let message = listed
            .iter()
            .find(|message| message["providerMessageId"] == id.as_str());
        let content = &message.expect("the message")["content"];
        assert_eq!(content["type"], kind, "{content}");
        if kind == "image" {
            assert_eq!(content["caption"], "look");
            assert_eq!(content["url"], content["mediaUrl"]);
        }
    }
}

#[tokio::test]
async fn an_animation_is_a_video_though_it_fills_the_document_too() {
    let world = World::new().await;
    let channel = world.telegram().await;
    let mut update = telegram_text(1, 7, "");
    update["message"]
        .as_object_mut()
        .expect("an object")
        .remove("text");
    update["message"]["document"] = json!({ "file_id": "a" });
    update["message"]["animation"] = json!({ "file_id": "a", "mime_type": "video/mp4" });
    world.from_telegram(&channel, &update).await.expect(200);
    let content = &messages(&world).await[0]["content"];
    assert_eq!(
        (&content["type"], &content["mimeType"]),
        (&json!("video"), &json!("video/mp4"))
    );
}

#[tokio::test]
async fn a_pressed_key_is_an_answer_and_is_told_that_it_arrived() {
    let world = World::new().await;
    let channel = world.telegram().await;
    let pressed = json!({ "update_id": 1, "callback_query": {
        "id": "4382bfdwdsb323b2d9", "data": "yes",
        "from": { "id": 5_550_001, "is_bot": false, "first_name": "Ada" },
        "message": {
            "message_id": 7, "date": START_S, "chat": { "id": 5_550_001, "type": "private", "first_name": "Ada" },
            "text": "Is it right?", "reply_markup": { "inline_keyboard": [[{ "text": "Yes!", "callback_data": "yes" }]] },
        },
    } });
    let answer = world.from_telegram(&channel, &pressed).await.expect(200);
    assert_eq!(
        answer,
        json!({ "method": "answerCallbackQuery", "callback_query_id": "4382bfdwdsb323b2d9" })
    );
    world.from_telegram(&channel, &pressed).await.expect(200);
    let listed = messages(&world).await;
    assert_eq!(listed.len(), 1);
    assert_eq!(
        listed[0]["content"],
        json!({ "type": "reply", "id": "yes", "title": "Yes!" })
    );
}

#[tokio::test]
async fn a_repeated_update_changes_nothing_and_huge_ids_are_kept_whole() {
    let world = World::new().await;
    let channel = world.telegram().await;
    let huge = 4_503_599_627_370_495_i64;
    let mut update = telegram_text(9_007_199_254_740_991, huge, "Hi");
    update["message"]["chat"]["id"] = json!(-huge);
    update["message"]["chat"]["title"] = json!("Big");
    world.from_telegram(&channel, &update).await.expect(200);
    let before = stored(&world);
    for _ in 0..5 {
        world.from_telegram(&channel, &update).await.expect(200);
    }
    assert_eq!(stored(&world), before);
    assert_eq!(
        conversations(&world).await[0]["contact"]["address"],
        format!("-{huge}")
    );
    assert_eq!(
        messages(&world).await[0]["providerMessageId"],
        format!("-{huge}:{huge}")
    );
}

#[tokio::test]
async fn a_telegram_text_of_three_megabytes_does_not_fail_the_webhook() {
    let world = World::new().await;
    let channel = world.telegram().await;
    for field in ["text", "title"] {
        let mut update = telegram_text(1, 7, "Hi");
        match field {
            "text" => update["message"]["text"] = json!("\u{1f600}".repeat(750_000)),
            _ => update["message"]["chat"]["title"] = json!("x".repeat(3_000_000)),
        }
        world.from_telegram(&channel, &update).await.expect(200);
    }
    assert!(world.database().longest_parameter.get() <= 1_000_000);
    messages(&world).await;
    conversations(&world).await;
}

#[tokio::test]
async fn a_report_of_three_megabytes_does_not_fail_the_webhook_nor_what_is_beside_it() {
    let mut failing = Vec::new();
    for field in ["id", "details", "code", "data", "status"] {
        let world = World::new().await;
        let channel = world.whatsapp().await;
        world
            .customer_writes(&channel, CUSTOMER, "wamid.in", "Hi")
            .await;
        let body = json!({ "from": channel, "to": CUSTOMER, "content": { "type": "text", "text": "Yes" } });
        let sent = world.post("/v1/messages", body).await.expect(202);
        world.drain().await;
        let huge = "x".repeat(3_000_000);
        let mut big = json!({
            "id": "wamid.big", "status": "failed", "timestamp": START_S.to_string(),
            "errors": [{ "code": 1, "error_data": { "details": "no" } }],
        });
        match field {
            "id" => big["id"] = json!(huge),
            "details" => big["errors"][0]["error_data"]["details"] = json!(huge),
            "code" => big["errors"][0]["code"] = json!(huge),
            "data" => big["biz_opaque_callback_data"] = json!(huge),
            _ => big["status"] = json!(huge),
        }
        let small = json!({ "id": "wamid.1", "status": "read", "timestamp": START_S.to_string() });
        let payload = whatsapp_value(json!({ "statuses": [big, small] }));
        let reply = world.from_meta(&channel, &payload).await;
        let path = format!("/v1/messages/{}", sent["id"].as_str().expect("an id"));
        let is_read = world.get(&path).await["status"] == "read";
        let longest = world.database().longest_parameter.get();
        if reply.status != 200 || !is_read || longest > 1_000_000 {
            failing.push((field, reply.status, longest));
        }
    }
    assert_eq!(failing, []);
}

#[tokio::test]
async fn an_answer_of_three_megabytes_still_ends_the_attempt() {
    let huge = "7".repeat(3_000_000);
    let mut failing = Vec::new();
    for (name, status, answer) in [
        ("id", 200, json!({ "messages": [{ "id": huge }] })),
        ("code", 400, json!({ "error": { "code": huge } })),
        (
            "message",
            400,
            json!({ "error": { "code": 131_026, "message": huge } }),
        ),
        (
            "details",
            400,
            json!({ "error": { "code": 131_026, "error_data": { "details": huge } } }),
        ),
        ("text", 500, json!(huge)),
    ] {
        let world = World::new().await;
        let channel = world.whatsapp().await;
        world
            .customer_writes(&channel, CUSTOMER, "wamid.in", "Hi")
            .await;
        world
            .ports()
            .answers
            .borrow_mut()
            .push_back(Answer::Http(status, answer));
        let body = json!({ "from": channel, "to": CUSTOMER, "content": { "type": "text", "text": "Yes" } });
        let sent = world.post("/v1/messages", body).await.expect(202);
        let hints: Vec<Hint> = world
            .ports()
            .pushed
            .borrow_mut()
            .drain(..)
            .filter_map(|(_, push, _)| Hint::parse(&push.body))
            .collect();
        let delivered = world.gateway.deliver(hints).await;
        let path = format!("/v1/messages/{}", sent["id"].as_str().expect("an id"));
        let status = world.get(&path).await["status"]
            .as_str()
            .expect("a status")
            .to_owned();
        if delivered.is_err() || status == "sending" {
            failing.push((name, status));
        }
    }
    assert_eq!(failing, []);
}

// Everything that providers are known to send

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!("")),
        Just(json!("\u{0}")),
        Just(json!([])),
        Just(json!({})),
        Just(json!([{ "id": 1 }, null])),
    ]
}

/// Replaces the `at`-th value, counted through the whole tree.
fn replace(tree: &mut Value, at: &mut usize, with: &Value) -> bool {
    if *at == 0 {
        *tree = with.clone();
        return true;
    }
    *at -= 1;
    match tree {
        Value::Array(items) => items.iter_mut().any(|item| replace(item, at, with)),
        Value::Object(fields) => fields.values_mut().any(|item| replace(item, at, with)),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_fixture_with_anything_in_it_replaced_is_acknowledged_and_leaves_the_inbox_readable(
        changes in prop::collection::vec((any::<usize>(), 0..60_usize, leaf()), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let world = World::new().await;
            let whatsapp = world.whatsapp().await;
            let telegram = world.telegram().await;
            world.subscribe("https://subscriber.example/hook", &["*"]).await;
            for (which, at, with) in &changes {
                for (name, channel) in [("whatsapp", &whatsapp), ("telegram", &telegram)] {
                    let all = payloads(name);
                    let mut tree: Value = serde_json::from_slice(&all[which % all.len()].body).expect("JSON");
                    replace(&mut tree, &mut at.clone(), with);
                    let reply = if name == "whatsapp" {
                        world.from_meta(channel, &tree).await
                    } else {
                        world.from_telegram(channel, &tree).await
                    };
                    assert_eq!(reply.status, 200, "{tree}");
                }
            }
            world.drain().await;
            let read = messages(&world).await;
            conversations(&world).await;
            for message in read {
                world.get(&format!("/v1/messages/{}", message["id"].as_str().expect("an id"))).await;
            }
            let failed = world.ports().logs.borrow().iter().any(|line| line.starts_with("database.failed"));
            assert!(!failed);
            let undelivered = "SELECT COUNT(*) FROM delivery WHERE status <> 'delivered'";
            assert_eq!(world.database().count(undelivered), 0);
        });
    }
}

/// Does something as another isolate would: this one goes on remembering what it did.
async fn elsewhere(world: &mut World, method: Method, path: &str, body: Value, status: u16) {
    let warm = std::mem::take(&mut world.gateway.memory);
    let cached = world.ports().cache.borrow().clone();
    world.call(method, path, body).await.expect(status);
    *world.ports().cache.borrow_mut() = cached;
    world.gateway.memory = warm;
}

#[tokio::test]
async fn what_is_remembered_of_a_channel_is_held_against_the_row_before_anything_is_stored() {
    let mut world = World::new().await;
    let channel = world.telegram().await;
    let path = format!("/v1/channels/{channel}");
    let update = |id: i64| {
        json!({ "update_id": id, "message": {
            "message_id": id, "date": START_S, "chat": { "id": 77, "type": "private" }, "text": "Hi",
        } })
    };
    world.from_telegram(&channel, &update(1)).await.expect(200);

    // Renamed: nothing that matters here, and nothing is lost.
    let patch = json!({ "name": "Renamed" });
    elsewhere(&mut world, Method::PATCH, &path, patch, 200).await;
    world.from_telegram(&channel, &update(2)).await.expect(200);
    assert_eq!(messages(&world).await.len(), 2);

    // The secret leaked and was renewed: the old one is over at once.
    let patch = json!({ "credentials": { "secretToken": "renewed" } });
    elsewhere(&mut world, Method::PATCH, &path, patch, 200).await;
    world.from_telegram(&channel, &update(3)).await.expect(401);
    let renewed = [("x-telegram-bot-api-secret-token", "renewed")];
    let body = update(4).to_string();
    world.inbound(&channel, &renewed, body).await.expect(200);
    assert_eq!(messages(&world).await.len(), 3);

    // Deleted: there is nothing to post to.
    elsewhere(&mut world, Method::DELETE, &path, Value::Null, 204).await;
    let body = update(5).to_string();
    world.inbound(&channel, &renewed, body).await.expect(404);
    assert_eq!(messages(&world).await.len(), 3);
}

#[tokio::test]
async fn a_number_that_was_changed_elsewhere_loses_no_message() {
    let mut world = World::new().await;
    let channel = world.whatsapp().await;
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    let path = format!("/v1/channels/{channel}");
    let patch = json!({ "credentials": { "phoneNumberId": "999" } });
    elsewhere(&mut world, Method::PATCH, &path, patch, 200).await;
    let mut payload = whatsapp_text(CUSTOMER, "wamid.2", "Hi again", START_S);
    payload["entry"][0]["changes"][0]["value"]["metadata"]["phone_number_id"] = json!("999");
    world.from_meta(&channel, &payload).await.expect(200);
    assert_eq!(messages(&world).await.len(), 2);
}

#[tokio::test]
async fn a_body_that_did_not_arrive_whole_is_to_be_repeated() {
    let world = World::new().await;
    let channel = world.telegram().await;
    for (path, status) in [
        (format!("/inbound/{channel}"), 503),
        ("/v1/messages".to_owned(), 400),
    ] {
        let mut request = http::Request::post(format!("https://patchbay.test{path}"))
            .header("x-telegram-bot-api-secret-token", BOT_SECRET)
            .body(bytes::Bytes::new())
            .expect("a request");
        request.extensions_mut().insert(patchbay::api::BodyBroken);
        world.send_raw(request).await.expect(status);
    }
}

/// Whoever wrote a moment ago is remembered, and may be gone since.
#[tokio::test]
async fn what_somebody_writes_whose_remembered_conversation_is_gone_is_kept_once() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let other = "5511977777777";
    for from in [CUSTOMER, other] {
        let id = format!("wamid.first.{from}");
        world.customer_writes(&shop, from, &id, "Hello").await;
    }
    world.database().query(&format!(
        "UPDATE conversation SET address = '5511900000000' WHERE address = '{CUSTOMER}'"
    ));
    let at = world.ports().now_ms.get() / 1_000;
    let message = |from: &str| {
        json!({ "from": from, "id": format!("wamid.again.{from}"), "timestamp": at.to_string(),
            "type": "text", "text": { "body": "Again" } })
    };
    let payload = whatsapp_value(json!({ "messages": [message(CUSTOMER), message(other)] }));
    for _ in 0..2 {
        world.from_meta(&shop, &payload).await.expect(200);
    }
    let written = |from: &str| {
        world.database().count(&format!(
            "SELECT COUNT(*) FROM message m JOIN conversation c ON c.id = m.conversation_id
             WHERE c.address = '{from}' AND m.provider_message_id = 'wamid.again.{from}'"
        ))
    };
    assert_eq!((written(CUSTOMER), written(other)), (1, 1));
    let unread = "SELECT SUM(unread_count) FROM conversation";
    assert_eq!(world.database().count(unread), 4);
}

#[tokio::test]
async fn a_call_opens_the_window_and_is_one_message_however_often_it_is_told_of() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let answer = json!({
        "from": channel, "to": CUSTOMER, "content": { "type": "text", "text": "You called?" },
    });
    let refused = world.post("/v1/messages", answer.clone()).await.expect(422);
    assert_eq!(refused["code"], "window_closed");
    let call = |event: &str| {
        let call = json!({ "id": "wacid.1", "from": CUSTOMER, "to": "15550100001", "event": event,
            "direction": "USER_INITIATED", "timestamp": START_S.to_string() });
        let mut payload = whatsapp_value(json!({ "contacts": ada(), "calls": [call] }));
        payload["entry"][0]["changes"][0]["field"] = json!("calls");
        payload
    };
    for event in ["connect", "terminate"] {
        world.from_meta(&channel, &call(event)).await.expect(200);
    }
    let listed = messages(&world).await;
    let [message] = listed.as_slice() else {
        panic!("{listed:?}");
    };
    let content = json!({ "type": "unsupported", "providerType": "call" });
    assert_eq!(message["content"], content);
    world.post("/v1/messages", answer).await.expect(202);
}

#[tokio::test]
async fn everybody_who_writes_to_a_channel_directly_has_a_conversation_and_is_answered_in_it() {
    let world = World::new().await;
    let channel = world.telegram().await;
    for (number, topic, name) in [(1, 421, "Grace"), (2, 422, "Ada")] {
        let user = json!({ "id": 5_550_000 + topic, "is_bot": false, "first_name": name });
        let update = json!({ "update_id": number, "message": {
            "message_id": number, "date": START_S, "text": "Is it open?", "from": user,
            "chat": { "id": -100_777, "type": "supergroup", "title": "Shop", "is_direct_messages": true },
            "direct_messages_topic": { "topic_id": topic, "user": user },
        } });
        world.from_telegram(&channel, &update).await.expect(200);
    }
    let conversations = world.get("/v1/conversations").await;
    let who: Vec<_> = conversations["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|conversation| {
            let contact = &conversation["contact"];
            (contact["name"].clone(), contact["address"].clone())
        })
        .collect();
    let expected = [
        (json!("Ada"), json!("-100777#422")),
        (json!("Grace"), json!("-100777#421")),
    ];
    assert_eq!(who, expected);
    let body = json!({ "from": channel, "to": "-100777#421", "content": { "type": "text", "text": "Yes" } });
    world.post("/v1/messages", body).await.expect(202);
    world.drain().await;
    let sent = world.requests_to("telegram.test");
    let sent = sent.last().expect("a send");
    assert_eq!(
        (&sent["chat_id"], &sent["direct_messages_topic_id"]),
        (&json!(-100_777), &json!(421))
    );
}
