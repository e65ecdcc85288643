//! Cloove's messaging API, as its document has it.

use crate::support::World;
use crate::support::outgoing::{id, pointer};
use crate::support::world::{Answer, CUSTOMER, Reply, whatsapp_status};
use http::Method;
use serde_json::{Value, json};

const CONVERSATIONS: &str = "/v1/messaging/conversations";
const TEMPLATE: &str = "/v1/messaging/messages/template";

/// An inbox with one customer who has written.
async fn inbox() -> (World, String, String) {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let conversation = hears(&world, &channel, "2348012345678", "Is my order shipped?").await;
    (world, channel, conversation)
}

/// A customer writes; gives the conversation.
async fn hears(world: &World, channel: &str, from: &str, text: &str) -> String {
    let wamid = format!("wamid.in.{}.{from}", world.ports().now_ms.get());
    world.customer_writes(channel, from, &wamid, text).await;
    let list = world.get("/v1/conversations?limit=1").await;
    id(&list["data"][0])
}

async fn patch(world: &World, conversation: &str, body: Value) {
    let path = format!("/v1/conversations/{conversation}");
    world.call(Method::PATCH, &path, body).await.expect(200);
}

async fn say(world: &World, conversation: &str, text: &str) -> Reply {
    let path = format!("{CONVERSATIONS}/{conversation}/messages");
    world.post(&path, json!({ "text": text })).await
}

fn template(channel: &str) -> Value {
    json!({
        "business_whatsapp_number_id": channel, "phone": "+2348012345678",
        "template_key": "order_shipped", "customer_name": "Ada Lovelace",
        "variables": { "order_id": "1234", "eta": "Friday" },
    })
}

/// A template of a channel, as a sync would have stored it.
fn store_template(world: &World, channel: &str, key: &str, status: &str) {
    let workspace = &world.workspace;
    let body = "Order {{1}} arrives {{2}}.";
    world.database().query(&format!(
        "INSERT INTO template (workspace_id, id, channel_id, provider_id, key, name, language, category, status,
           components, variables, version, created_at)
         VALUES ('{workspace}', '01920000-0000-7000-8000-{:012x}', '{channel}', '{key}', '{key}', '{key}', 'en_US',
           'UTILITY', '{status}', '[{{\"type\":\"BODY\",\"text\":\"{body}\"}}]', '[\"order_id\",\"eta\"]', 1, 1)",
        key.len()
    ));
}

/// Holds a refusal to this surface's shape; gives its status, code and pointer.
#[track_caller]
fn refusal(reply: &Reply) -> (u16, String, String) {
    let body = &reply.body;
    assert!(reply.status >= 400, "{body}");
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(body["requestId"].as_str(), reply.header("x-request-id"));
    let message = body["message"].as_str().expect("a message");
    assert!(
        message.ends_with('.') || message.ends_with('…'),
        "{message}"
    );
    assert!(
        !message.contains("/content") && !message.contains("/from"),
        "{message}"
    );
    assert!(body.get("code").is_none() && body.get("title").is_none());
    let code = body["error"].as_str().expect("a code").to_owned();
    (reply.status, code, pointer(body).to_owned())
}

async fn refused(world: &World, method: Method, path: &str, body: Value) -> (u16, String, String) {
    let before = world.database().dump();
    let reply = world.call(method, path, body).await;
    assert_eq!(
        world.database().dump(),
        before,
        "a refused request writes nothing"
    );
    refusal(&reply)
}

fn told(status: u16, code: &str, pointer: &str) -> (u16, String, String) {
    (status, code.to_owned(), pointer.to_owned())
}

// The document's own examples

#[tokio::test]
async fn conversations_are_listed_as_documented() {
    let (world, channel, conversation) = inbox().await;
    world
        .database()
        .query("UPDATE contact SET name = 'Ada Lovelace'");
    world.advance(60_000);
    let sent = say(&world, &conversation, "It is.").await.expect(201);
    assert_eq!(sent["data"]["deliveryStatus"], "sent");
    let list = world.get(CONVERSATIONS).await;
    assert_eq!(
        list,
        json!({
            "message": "Conversations retrieved",
            "data": [{
                "id": conversation, "businessId": world.workspace,
                "customerPhone": "+2348012345678", "customerName": "Ada Lovelace",
                "status": "open", "mode": "ai", "unreadCount": 1,
                "lastInboundAt": "2026-11-20T08:00:00.000Z", "lastOutboundAt": "2026-11-20T08:01:00.000Z",
            }],
            "meta": { "total": 1, "page": 1, "perPage": 20, "totalPages": 1, "hasMore": false },
        })
    );
    drop(channel);
}

#[tokio::test]
async fn a_conversation_is_shown_as_documented() {
    let (world, _, conversation) = inbox().await;
    let shown = world.get(&format!("{CONVERSATIONS}/{conversation}")).await;
    let message = shown["data"]["messages"][0]["id"].clone();
    assert_eq!(
        shown,
        json!({
            "message": "Conversation retrieved",
            "data": {
                "id": conversation, "businessId": world.workspace,
                "customerPhone": "+2348012345678", "customerName": "Ada",
                "status": "open", "mode": "ai", "unreadCount": 1,
                "lastInboundAt": "2026-11-20T08:00:00.000Z", "lastOutboundAt": null,
                "messages": [{
                    "id": message, "direction": "inbound", "messageType": "text",
                    "text": "Is my order shipped?", "deliveryStatus": "delivered",
                    "createdAt": "2026-11-20T08:00:00.000Z",
                }],
            },
        })
    );
}

#[tokio::test]
async fn a_text_is_sent_as_documented() {
    let (world, _, conversation) = inbox().await;
    world.advance(1_000);
    let text = "Your order #1234 shipped today and arrives Friday.";
    let sent = say(&world, &conversation, text).await.expect(201);
    assert_eq!(
        sent,
        json!({
            "message": "Message sent",
            "data": {
                "id": sent["data"]["id"], "conversationId": conversation, "direction": "outbound",
                "messageType": "text", "text": text, "deliveryStatus": "sent",
                "createdAt": "2026-11-20T08:00:01.000Z",
            },
        })
    );
    assert_eq!(world.texts_sent(), [text]);
    assert_eq!(world.requests_to("graph.test")[0]["to"], "2348012345678");
}

#[tokio::test]
async fn a_template_is_sent_as_documented_and_names_whom_it_meets_first() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    store_template(&world, &channel, "order_shipped", "APPROVED");
    let sent = world.post(TEMPLATE, template(&channel)).await.expect(201);
    assert_eq!(
        sent,
        json!({
            "message": "Message sent",
            "data": {
                "id": sent["data"]["id"], "conversationId": sent["data"]["conversationId"],
                "direction": "outbound", "messageType": "template", "text": "Order 1234 arrives Friday.",
                "deliveryStatus": "sent", "createdAt": "2026-11-20T08:00:00.000Z",
            },
        })
    );
    let request = &world.requests_to("graph.test")[0];
    assert_eq!(
        (&request["to"], &request["type"]),
        (&json!("2348012345678"), &json!("template"))
    );
    let mut again = template(&channel);
    again["customer_name"] = json!("Somebody Else");
    let under = [("idempotency-key", "shipped-1")];
    let send = async |body: Value| world.call_with(Method::POST, TEMPLATE, &under, body).await;
    let second = send(again.clone()).await.expect(201);
    assert_eq!(
        second["data"]["conversationId"],
        sent["data"]["conversationId"]
    );
    let repeat = send(again).await;
    assert_eq!(repeat.header("idempotency-replayed"), Some("true"));
    assert_eq!(repeat.expect(201), second);
    assert_eq!(
        refusal(&send(template(&channel)).await),
        told(409, "idempotency_key_reused", "")
    );
    assert_eq!(world.requests_to("graph.test").len(), 2);
    let list = world.get(&format!("{CONVERSATIONS}?search=lovelace")).await;
    assert_eq!(list["data"][0]["customerName"], "Ada Lovelace");
    assert_eq!(list["meta"]["total"], 1);
    let mut missing = template(&channel);
    missing["variables"] = json!({ "order_id": "1234" });
    let refusal = refused(&world, Method::POST, TEMPLATE, missing).await;
    assert_eq!(
        refusal,
        told(422, "template_parameter_mismatch", "/variables/eta")
    );
}

// The list

#[tokio::test]
async fn pages_are_counted_from_one_and_the_newest_activity_comes_first() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let mut conversations = vec![];
    for number in 0..7 {
        conversations.push(hears(&world, &channel, &format!("23480000000{number}"), "Hi").await);
        world.advance(1_000);
    }
    conversations.reverse();
    for (query, page, per_page, pages, from, to) in [
        ("", 1, 20, 1, 0, 7),
        ("?limit=3", 1, 3, 3, 0, 3),
        ("?limit=3&page=2", 2, 3, 3, 3, 6),
        ("?limit=3&page=3", 3, 3, 3, 6, 7),
        ("?limit=3&page=4", 4, 3, 3, 7, 7),
        ("?limit=7&page=1", 1, 7, 1, 0, 7),
        ("?limit=1&page=7", 7, 1, 7, 6, 7),
        (
            "?page=9223372036854775807&limit=100",
            i64::MAX,
            100,
            1,
            7,
            7,
        ),
    ] {
        let list = world.get(&format!("{CONVERSATIONS}{query}")).await;
        let ids: Vec<String> = list["data"]
            .as_array()
            .expect("a page")
            .iter()
            .map(id)
            .collect();
        assert_eq!(ids, conversations[from..to], "{query}");
        let meta = json!({
            "total": 7, "page": page, "perPage": per_page, "totalPages": pages, "hasMore": page < pages,
        });
        assert_eq!(list["meta"], meta, "{query}");
    }
    let none = world.get(&format!("{CONVERSATIONS}?status=closed")).await;
    let meta = json!({ "total": 0, "page": 1, "perPage": 20, "totalPages": 0, "hasMore": false });
    assert_eq!((&none["data"], &none["meta"]), (&json!([]), &meta));
}

#[tokio::test]
async fn filters_hold_each_by_itself_and_together() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let own = world.get("/v1/api-keys").await["data"][0]["id"].clone();
    for (number, patched) in [
        json!({ "status": "pending_customer" }),
        json!({ "mode": "human", "assignee": own }),
        json!({ "assignee": "somebody" }),
        json!({ "status": "pending_customer", "mode": "human" }),
    ]
    .into_iter()
    .enumerate()
    {
        let conversation = hears(&world, &channel, &format!("23480000000{number}"), "Hi").await;
        patch(&world, &conversation, patched).await;
        world.advance(1_000);
    }
    for (query, numbers) in [
        ("", &[3, 2, 1, 0][..]),
        ("status=pending_customer", &[3, 0]),
        ("status=open", &[2, 1]),
        ("mode=human", &[3, 1]),
        ("mode=ai", &[2, 0]),
        ("assigned=me", &[1]),
        ("assigned=unassigned", &[3, 0]),
        ("status=pending_customer&mode=human", &[3]),
        ("status=open&mode=human&assigned=me", &[1]),
        ("status=closed&assigned=me", &[]),
        ("search=ada", &[3, 2, 1, 0]),
        ("search=%2B234%208000", &[3, 2, 1, 0]),
        ("search=800000003", &[3]),
        ("search=ada&mode=human", &[3, 1]),
        ("search=ada&mode=human&limit=1&page=2", &[1]),
        ("search=nobody", &[]),
        ("search=", &[3, 2, 1, 0]),
        ("search=a%27%20OR%201=1", &[]),
    ] {
        let list = world.get(&format!("{CONVERSATIONS}?{query}")).await;
        let phones: Vec<String> = list["data"]
            .as_array()
            .expect("a page")
            .iter()
            .map(|one| one["customerPhone"].as_str().expect("a phone").to_owned())
            .collect();
        let wanted: Vec<String> = numbers
            .iter()
            .map(|number| format!("+23480000000{number}"))
            .collect();
        assert_eq!(phones, wanted, "{query}");
        if !query.contains("page") {
            assert_eq!(list["meta"]["total"], numbers.len(), "{query}");
        }
    }
}

#[tokio::test]
async fn only_whatsapp_conversations_are_there() {
    let (world, _, conversation) = inbox().await;
    let bot = world.telegram().await;
    let update = json!({
        "update_id": 1,
        "message": {
            "message_id": 5, "date": 1_795_161_600, "text": "Hi", "chat": { "id": 77, "type": "private" },
            "from": { "id": 77, "is_bot": false, "first_name": "Ada" },
        },
    });
    world.advance(1_000);
    world.from_telegram(&bot, &update).await.expect(200);
    let all = world.get("/v1/conversations").await;
    let telegram = id(&all["data"][0]);
    assert_ne!(telegram, conversation);
    for query in ["", "?search=ada", "?search=77", "?mode=ai"] {
        let list = world.get(&format!("{CONVERSATIONS}{query}")).await;
        let ids: Vec<String> = list["data"]
            .as_array()
            .expect("a page")
            .iter()
            .map(id)
            .collect();
        assert!(!ids.contains(&telegram), "{query}");
        assert_eq!(list["meta"]["total"], ids.len(), "{query}");
    }
    let path = format!("{CONVERSATIONS}/{telegram}");
    let not_found = told(404, "not_found", "");
    assert_eq!(
        refused(&world, Method::GET, &path, Value::Null).await,
        not_found
    );
    let path = format!("{path}/messages");
    let text = json!({ "text": "Hi" });
    assert_eq!(refused(&world, Method::POST, &path, text).await, not_found);
    let by_bot = refused(&world, Method::POST, TEMPLATE, template(&bot)).await;
    assert_eq!(
        by_bot,
        told(404, "not_found", "/business_whatsapp_number_id")
    );
}

#[tokio::test]
async fn a_person_without_a_number_has_none() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    hears(&world, &channel, "US.13491208655302741918", "Hi").await;
    let list = world.get(CONVERSATIONS).await;
    assert_eq!(list["data"][0]["customerPhone"], Value::Null);
}

/// So many conversations of a workspace on a channel, every tenth of them closed.
fn fill(world: &World, channel: &str, from: i64, to: i64) {
    let workspace = &world.workspace;
    let series = format!(
        "WITH RECURSIVE n(i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i < {to})"
    );
    world.database().query(&format!(
        "INSERT INTO contact (workspace_id, id, folded, grams, created_at) {series}
         SELECT '{workspace}', printf('01920000-0000-7000-8000-%012d', i), '', 5, 1 FROM n"
    ));
    world.database().query(&format!(
        "INSERT INTO conversation (workspace_id, id, channel_id, contact_id, address, status, mode, unread_count,
           last_seq, last_activity_at, created_at) {series}
         SELECT '{workspace}', printf('01920000-0000-7000-9000-%012d', i), '{channel}',
           printf('01920000-0000-7000-8000-%012d', i), printf('23480%08d', i),
           CASE WHEN i % 10 = 0 THEN 'closed' ELSE 'open' END, 'ai', 0, 0, i, 1 FROM n"
    ));
}

#[tokio::test]
async fn a_total_is_exact_to_ten_thousand_and_stops_there() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let bot = world.telegram().await;
    let ask = async |query: &str| world.get(&format!("{CONVERSATIONS}?{query}")).await;
    let phone = |list: &Value| {
        list["data"][0]["customerPhone"]
            .as_str()
            .unwrap_or("")
            .to_owned()
    };
    fill(&world, &channel, 1, 9_999);
    fill(&world, &bot, 20_000, 20_999);
    let list = ask("limit=100").await;
    assert_eq!(list["meta"]["total"], 9_999);
    assert_eq!(phone(&list), "+2348000009999");
    let list = ask("limit=100&page=100").await;
    assert_eq!(list["data"].as_array().map(Vec::len), Some(99));
    assert_eq!(list["meta"]["hasMore"], false);
    assert_eq!(ask("status=closed").await["meta"]["total"], 999);
    fill(&world, &channel, 10_000, 10_000);
    assert_eq!(ask("").await["meta"]["total"], 10_000);
    fill(&world, &channel, 10_001, 11_500);
    let list = ask("limit=100").await;
    assert_eq!(
        list["meta"],
        json!({ "total": 10_000, "page": 1, "perPage": 100, "totalPages": 100, "hasMore": true })
    );
    assert_eq!(phone(&list), "+2348000011500");
    let list = ask("limit=100&page=100").await;
    assert_eq!(phone(&list), "+2348000001600");
    assert_eq!(list["meta"]["hasMore"], false);
    let list = ask("limit=100&page=101").await;
    assert_eq!(
        (&list["data"], &list["meta"]["total"]),
        (&json!([]), &json!(10_000))
    );
    let list = ask("status=closed").await;
    assert_eq!(list["meta"]["total"], 1_150);
    assert_eq!(phone(&list), "+2348000011500");
}

// The detail

#[tokio::test]
async fn the_fifty_newest_messages_are_shown_newest_first() {
    let (world, channel, conversation) = inbox().await;
    for number in 0..55 {
        world.advance(1_000);
        hears(
            &world,
            &channel,
            "2348012345678",
            &format!("number {number}"),
        )
        .await;
    }
    let shown = world.get(&format!("{CONVERSATIONS}/{conversation}")).await;
    let messages = shown["data"]["messages"].as_array().expect("messages");
    let texts: Vec<&str> = messages
        .iter()
        .filter_map(|one| one["text"].as_str())
        .collect();
    let wanted: Vec<String> = (5..55)
        .rev()
        .map(|number| format!("number {number}"))
        .collect();
    assert_eq!(texts, wanted);
}

#[tokio::test]
async fn how_far_a_message_has_come_is_told_in_five_words() {
    let (world, channel, conversation) = inbox().await;
    let sent = say(&world, &conversation, "Hello").await.expect(201);
    let message = id(&sent["data"]);
    let shown = async || {
        let shown = world.get(&format!("{CONVERSATIONS}/{conversation}")).await;
        shown["data"]["messages"][0]["deliveryStatus"].clone()
    };
    for (status, word) in [
        ("scheduled", "pending"),
        ("accepted", "pending"),
        ("sending", "pending"),
        ("unknown", "pending"),
        ("sent", "sent"),
        ("delivered", "delivered"),
        ("read", "read"),
        ("failed", "failed"),
        ("canceled", "failed"),
        ("expired", "failed"),
    ] {
        world.database().query(&format!(
            "UPDATE message SET status = '{status}' WHERE id = '{message}'"
        ));
        assert_eq!(shown().await, word, "{status}");
    }
    drop(channel);
}

// Sending

#[tokio::test]
async fn a_text_waits_for_the_provider_and_what_it_says_is_told() {
    let (world, _, conversation) = inbox().await;
    let rejected = json!({ "error": { "code": 131_026, "message": "Message undeliverable" } });
    world
        .ports()
        .answers
        .borrow_mut()
        .push_back(Answer::Http(400, rejected));
    let sent = say(&world, &conversation, "One").await.expect(201);
    assert_eq!(sent["data"]["deliveryStatus"], "failed");
    world
        .ports()
        .answers
        .borrow_mut()
        .push_back(Answer::NoAnswer);
    let sent = say(&world, &conversation, "Two").await.expect(201);
    assert_eq!(sent["data"]["deliveryStatus"], "pending");
    let throttled = json!({ "error": { "code": 131_056, "message": "Too fast" } });
    world
        .ports()
        .answers
        .borrow_mut()
        .push_back(Answer::Http(400, throttled));
    let sent = say(&world, &conversation, "Three").await.expect(201);
    assert_eq!(sent["data"]["deliveryStatus"], "pending");
}

#[tokio::test]
async fn a_text_has_one_to_4096_characters() {
    let (world, _, conversation) = inbox().await;
    let path = format!("{CONVERSATIONS}/{conversation}/messages");
    for (body, wanted) in [
        (json!({}), "/text"),
        (json!({ "text": "" }), "/text"),
        (json!({ "text": " \n" }), "/text"),
        (json!({ "text": 5 }), "/text"),
        (json!({ "text": null }), "/text"),
        (json!({ "text": "é".repeat(4_097) }), "/text"),
        (json!([]), ""),
    ] {
        let told = told(422, "invalid_request", wanted);
        assert_eq!(refused(&world, Method::POST, &path, body).await, told);
    }
    say(&world, &conversation, &"😀".repeat(4_096))
        .await
        .expect(201);
    say(&world, &conversation, "x").await.expect(201);
}

#[tokio::test]
async fn outside_the_window_only_a_template_may_be_sent() {
    let (world, _, conversation) = inbox().await;
    world.advance(24 * 3_600_000);
    let path = format!("{CONVERSATIONS}/{conversation}/messages");
    let refusal = refused(&world, Method::POST, &path, json!({ "text": "Hi" })).await;
    assert_eq!(refusal, told(422, "window_closed", ""));
    assert!(world.texts_sent().is_empty());
}

#[tokio::test]
async fn a_repeat_under_one_key_is_answered_as_the_first_time_and_sent_once() {
    let (world, channel, conversation) = inbox().await;
    let path = format!("{CONVERSATIONS}/{conversation}/messages");
    let under = [("idempotency-key", "order-1")];
    let send = async |text: &str| {
        world
            .call_with(Method::POST, &path, &under, json!({ "text": text }))
            .await
    };
    let first = send("Hello").await;
    assert_eq!(first.header("idempotency-replayed"), None);
    let first = first.expect(201);
    let at = world.ports().now_ms.get() / 1_000;
    world
        .from_meta(&channel, &whatsapp_status("wamid.1", "read", at))
        .await
        .expect(200);
    // Whatever became of it, and of the window.
    world.advance(23 * 3_600_000);
    patch(&world, &conversation, json!({ "status": "closed" })).await;
    let again = send("Hello").await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.expect(201), first);
    // However the path spells the id.
    let loud = format!("{CONVERSATIONS}/{}/messages", conversation.to_uppercase());
    let again = world
        .call_with(Method::POST, &loud, &under, json!({ "text": "Hello" }))
        .await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.expect(201), first);
    assert_eq!(world.texts_sent(), ["Hello"]);
    assert_eq!(
        refusal(&send("Other").await),
        told(409, "idempotency_key_reused", "")
    );
    // The key is of this conversation's path alone.
    let other = hears(&world, &channel, CUSTOMER, "Hi").await;
    let elsewhere = format!("{CONVERSATIONS}/{other}/messages");
    let reply = world
        .call_with(Method::POST, &elsewhere, &under, json!({ "text": "Hello" }))
        .await;
    assert_eq!(reply.header("idempotency-replayed"), None);
    reply.expect(201);
}

#[tokio::test]
async fn a_template_names_its_fields_in_what_it_refuses() {
    let (world, channel, _) = inbox().await;
    store_template(&world, &channel, "order_paused", "PAUSED");
    for (field, value, wanted) in [
        (
            "business_whatsapp_number_id",
            json!(null),
            told(422, "invalid_request", "/business_whatsapp_number_id"),
        ),
        (
            "business_whatsapp_number_id",
            json!("+15550100001"),
            told(422, "invalid_request", "/business_whatsapp_number_id"),
        ),
        (
            "business_whatsapp_number_id",
            json!("01920000-0000-7000-8000-000000000001"),
            told(404, "not_found", "/business_whatsapp_number_id"),
        ),
        (
            "phone",
            json!("2348012345678"),
            told(422, "invalid_request", "/phone"),
        ),
        (
            "phone",
            json!("+234 801 234"),
            told(422, "invalid_request", "/phone"),
        ),
        (
            "phone",
            json!("+0348012345678"),
            told(422, "invalid_request", "/phone"),
        ),
        (
            "phone",
            json!("+123456"),
            told(422, "invalid_request", "/phone"),
        ),
        (
            "phone",
            json!("+1234567890123456"),
            told(422, "invalid_request", "/phone"),
        ),
        ("phone", json!(5), told(422, "invalid_request", "/phone")),
        (
            "template_key",
            json!(""),
            told(422, "invalid_request", "/template_key"),
        ),
        (
            "template_key",
            json!("unheard_of"),
            told(422, "template_not_approved", "/template_key"),
        ),
        (
            "template_key",
            json!("order_paused"),
            told(422, "template_not_approved", "/template_key"),
        ),
        (
            "customer_name",
            json!(""),
            told(422, "invalid_request", "/customer_name"),
        ),
        (
            "variables",
            json!([]),
            told(422, "invalid_request", "/variables"),
        ),
        (
            "variables",
            json!("x"),
            told(422, "invalid_request", "/variables"),
        ),
    ] {
        let mut body = template(&channel);
        body[field] = value.clone();
        let refusal = refused(&world, Method::POST, TEMPLATE, body).await;
        assert_eq!(refusal, wanted, "{field} {value}");
    }
    for field in ["business_whatsapp_number_id", "phone", "template_key"] {
        let mut body = template(&channel);
        body.as_object_mut().expect("an object").remove(field);
        let told = told(422, "invalid_request", &format!("/{field}"));
        assert_eq!(refused(&world, Method::POST, TEMPLATE, body).await, told);
    }
}

// Refusals

#[tokio::test]
async fn every_route_refuses_in_its_own_shape() {
    let (mut world, channel, conversation) = inbox().await;
    let messages = format!("{CONVERSATIONS}/{conversation}/messages");
    let detail = format!("{CONVERSATIONS}/{conversation}");
    let text = json!({ "text": "Hi" });
    let routes = [
        (
            Method::GET,
            CONVERSATIONS,
            Value::Null,
            "messaging:conversations:read",
        ),
        (
            Method::GET,
            detail.as_str(),
            Value::Null,
            "messaging:messages:read",
        ),
        (
            Method::POST,
            messages.as_str(),
            text.clone(),
            "messaging:messages:send",
        ),
        (
            Method::POST,
            TEMPLATE,
            template(&channel),
            "messaging:messages:send",
        ),
    ];
    for (method, path, body, scope) in &routes {
        let reply = world
            .bare(method.clone(), path, &[], body.to_string())
            .await;
        assert_eq!(refusal(&reply), told(401, "invalid_api_key", ""));
        let all = patchbay::model::access::Scope::ALL;
        let others: Vec<&str> = all
            .iter()
            .map(|one| one.name())
            .filter(|name| name != scope)
            .collect();
        let key = world
            .post("/v1/api-keys", json!({ "name": "k", "scopes": others }))
            .await
            .expect(201);
        let key = format!("Bearer {}", key["key"].as_str().expect("a key"));
        let headers = [("authorization", key.as_str())];
        let reply = world
            .call_with(method.clone(), path, &headers, body.clone())
            .await;
        assert_eq!(refusal(&reply), told(403, "missing_scope", ""));
        let message = reply.body["message"].as_str().expect("a message");
        assert!(message.contains(scope), "{message}");
        let reply = world.call(Method::DELETE, path, Value::Null).await;
        assert_eq!(refusal(&reply), told(405, "method_not_allowed", ""));
        assert!(
            reply
                .header("allow")
                .is_some_and(|allow| allow.contains(method.as_str()))
        );
        world.ports().admits_callers.set(false);
        let reply = world.call(method.clone(), path, body.clone()).await;
        assert_eq!(refusal(&reply), told(429, "rate_limited", ""));
        assert!(reply.header("retry-after").is_some());
        world.ports().admits_callers.set(true);
        if *method == Method::POST {
            let reply = world.with_body(Method::POST, path, "{").await;
            assert_eq!(refusal(&reply), told(400, "invalid_request", ""));
            let headers = [("idempotency-key", "")];
            let reply = world
                .call_with(Method::POST, path, &headers, body.clone())
                .await;
            assert_eq!(
                refusal(&reply),
                told(422, "invalid_request", "/headers/idempotency-key")
            );
        }
    }
    for (query, pointer) in [
        ("page=0", "/page"),
        ("page=-1", "/page"),
        ("page=x", "/page"),
        ("page=1.5", "/page"),
        ("page=99999999999999999999", "/page"),
        ("limit=0", "/limit"),
        ("limit=101", "/limit"),
        ("limit=ten", "/limit"),
        ("status=sneezed", "/status"),
        ("mode=robot", "/mode"),
        ("assigned=eve", "/assigned"),
        ("assigned=", "/assigned"),
    ] {
        let path = format!("{CONVERSATIONS}?{query}");
        let refusal = refused(&world, Method::GET, &path, Value::Null).await;
        assert_eq!(refusal, told(422, "invalid_request", pointer), "{query}");
    }
    let nowhere = refused(&world, Method::GET, "/v1/messaging/nothing", Value::Null).await;
    assert_eq!(nowhere, told(404, "not_found", ""));
    for nothing in ["x", "01920000-0000-7000-8000-000000000001"] {
        let path = format!("{CONVERSATIONS}/{nothing}");
        let not_found = told(404, "not_found", "");
        assert_eq!(
            refused(&world, Method::GET, &path, Value::Null).await,
            not_found
        );
        let path = format!("{path}/messages");
        assert_eq!(
            refused(&world, Method::POST, &path, text.clone()).await,
            not_found
        );
    }
    let disabled = json!({ "status": "disabled" });
    world.patch_channel(&channel, disabled).await;
    let refusal_of_channel = refused(&world, Method::POST, &messages, text.clone()).await;
    assert_eq!(refusal_of_channel, told(409, "channel_unavailable", ""));
    // Another workspace finds nothing of it.
    (_, world.key) = world.new_workspace("Other").await;
    let not_found = told(404, "not_found", "");
    assert_eq!(
        refused(&world, Method::GET, &detail, Value::Null).await,
        not_found
    );
    assert_eq!(
        refused(&world, Method::POST, &messages, text).await,
        not_found
    );
    let by_theirs = refused(&world, Method::POST, TEMPLATE, template(&channel)).await;
    assert_eq!(
        by_theirs,
        told(404, "not_found", "/business_whatsapp_number_id")
    );
    assert_eq!(world.get(CONVERSATIONS).await["meta"]["total"], 0);
}
