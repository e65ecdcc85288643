//! The inbox: what is listed, in what order, and what changing it tells.

use crate::support::World;
use crate::support::world::{CUSTOMER, START_MS, whatsapp_text};
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const SHOP: &str = "+15550100001";
const HOST: &str = "subscriber.example";
const HOOK: &str = "https://subscriber.example/hook";

fn id(value: &Value) -> String {
    value["id"].as_str().expect("an id").to_owned()
}

/// Follows the cursors of a list to its end: every page's ids.
async fn pages(world: &World, path: &str) -> Vec<Vec<String>> {
    let join = if path.contains('?') { '&' } else { '?' };
    let mut pages = Vec::new();
    let mut next = path.to_owned();
    loop {
        let page = world.get(&next).await;
        pages.push(
            page["data"]
                .as_array()
                .expect("a page")
                .iter()
                .map(id)
                .collect(),
        );
        let Some(cursor) = page["nextCursor"].as_str() else {
            return pages;
        };
        next = format!("{path}{join}cursor={cursor}");
        assert!(pages.len() < 1_000, "the cursors lead in a circle");
    }
}

/// Customers who wrote one after the other; their addresses.
async fn customers(world: &World, channel: &str, count: u32) -> Vec<String> {
    let mut addresses = Vec::new();
    for number in 0..count {
        let address = format!("55119888{number:05}");
        world
            .customer_writes(channel, &address, &format!("wamid.c{number}"), "Hi")
            .await;
        world.advance(1_000);
        addresses.push(address);
    }
    addresses
}

async fn send(world: &World, to: &str, text: &str) -> Value {
    let body = json!({ "from": SHOP, "to": to, "content": { "type": "text", "text": text } });
    world.post("/v1/messages", body).await.expect(202)
}

async fn first_conversation(world: &World) -> String {
    id(&world.get("/v1/conversations").await["data"][0])
}

async fn patch(world: &World, conversation: &str, body: Value) -> Value {
    let path = format!("/v1/conversations/{conversation}");
    world.call(Method::PATCH, &path, body).await.expect(200)
}

/// The types of the events told so far.
async fn told(world: &World) -> Vec<String> {
    world.drain().await;
    let bodies = world.requests_to(HOST);
    bodies
        .iter()
        .map(|body| body["type"].as_str().expect("a type").to_owned())
        .collect()
}

// Conversations

#[tokio::test]
async fn conversations_are_listed_by_their_last_activity() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let mut addresses = customers(&world, &channel, 5).await;
    let order = async || {
        let list = world.get("/v1/conversations").await;
        let data = list["data"].as_array().expect("a list").clone();
        let addresses = data.iter().map(|one| {
            one["contact"]["address"]
                .as_str()
                .expect("an address")
                .to_owned()
        });
        addresses.collect::<Vec<_>>()
    };
    addresses.reverse();
    assert_eq!(order().await, addresses);
    // Writing, by either side, brings to the front.
    world
        .customer_writes(&channel, &addresses[3], "wamid.again", "Hi")
        .await;
    assert_eq!(order().await[0], addresses[3]);
    world.advance(1_000);
    send(&world, &addresses[4], "Hello").await;
    assert_eq!(
        order().await[..2],
        [addresses[4].clone(), addresses[3].clone()]
    );
    // Working on it does not, nor does a message that came late.
    let last = id(&world.get("/v1/conversations").await["data"][4]);
    patch(&world, &last, json!({ "status": "snoozed" })).await;
    let before = order().await;
    let late = whatsapp_text(&addresses[0], "wamid.late", "late", START_MS / 1_000 - 500);
    assert_eq!(before, order().await);
    world.advance(1_000);
    world.from_meta(&channel, &late).await.expect(200);
    assert_eq!(order().await[0], addresses[0], "it is news all the same");
}

#[tokio::test]
async fn pages_of_conversations_have_neither_gaps_nor_repeats() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let addresses = customers(&world, &channel, 23).await;
    // Some at the very same moment.
    for number in 0..7 {
        world
            .customer_writes(
                &channel,
                &format!("55117777{number:05}"),
                &format!("wamid.s{number}"),
                "Hi",
            )
            .await;
    }
    for limit in [1, 3, 10, 30, 100] {
        let pages = pages(&world, &format!("/v1/conversations?limit={limit}")).await;
        for page in &pages[..pages.len() - 1] {
            assert_eq!(page.len(), limit);
        }
        let all: Vec<&String> = pages.iter().flatten().collect();
        let unique: BTreeSet<&String> = all.iter().copied().collect();
        assert_eq!((all.len(), unique.len()), (30, 30), "{limit}");
    }
    let default = world.get("/v1/conversations").await;
    assert_eq!(default["data"].as_array().map(Vec::len), Some(20));
    assert_eq!(addresses.len(), 23);
}

#[tokio::test]
async fn an_empty_list_is_a_page_without_a_cursor() {
    let world = World::new().await;
    for path in [
        "conversations",
        "conversations?status=open",
        "messages",
        "messages?status=sent",
        "channels",
        "webhooks",
    ] {
        let list = world.get(&format!("/v1/{path}")).await;
        assert_eq!(list, json!({ "data": [], "nextCursor": null }), "{path}");
    }
}

#[tokio::test]
async fn conversations_are_filtered_by_status_mode_channel_and_assignee() {
    let world = World::new().await;
    let whatsapp = world.whatsapp().await;
    let telegram = world.telegram().await;
    customers(&world, &whatsapp, 4).await;
    let update = json!({ "message": { "message_id": 1, "date": START_MS / 1_000, "text": "Hi", "chat": { "id": 5, "type": "private", "first_name": "G" } } });
    world.from_telegram(&telegram, &update).await.expect(200);
    let list = world.get("/v1/conversations").await;
    let ids: Vec<String> = list["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(id)
        .collect();
    let key_id = world.database().query("SELECT id FROM api_key")[0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    patch(
        &world,
        &ids[1],
        json!({ "status": "closed", "assignee": key_id }),
    )
    .await;
    patch(
        &world,
        &ids[2],
        json!({ "mode": "human", "assignee": "ada@shop.example" }),
    )
    .await;
    patch(
        &world,
        &ids[3],
        json!({ "status": "pending_agent", "mode": "human" }),
    )
    .await;
    for (query, expected) in [
        ("status=open".to_owned(), vec![0, 2, 4]),
        ("status=closed".to_owned(), vec![1]),
        ("status=snoozed".to_owned(), vec![]),
        ("mode=human".to_owned(), vec![2, 3]),
        ("mode=ai".to_owned(), vec![0, 1, 4]),
        (format!("channelId={telegram}"), vec![0]),
        (format!("channelId={whatsapp}"), vec![1, 2, 3, 4]),
        (
            "channelId=0197a000-0000-7000-8000-000000000000".to_owned(),
            vec![],
        ),
        ("assigned=me".to_owned(), vec![1]),
        (format!("assigned={key_id}"), vec![1]),
        ("assigned=unassigned".to_owned(), vec![0, 3, 4]),
        ("assigned=ada%40shop.example".to_owned(), vec![2]),
        ("assigned=ada".to_owned(), vec![]),
        ("assigned=Ada%40shop.example".to_owned(), vec![]),
        ("mode=human&status=open".to_owned(), vec![2]),
        (
            format!("mode=human&assigned=unassigned&channelId={whatsapp}"),
            vec![3],
        ),
        ("unknown=1".to_owned(), vec![0, 1, 2, 3, 4]),
    ] {
        let expected: Vec<String> = expected
            .into_iter()
            .map(|at: usize| ids[at].clone())
            .collect();
        for limit in [1, 2, 100] {
            let seen = pages(&world, &format!("/v1/conversations?{query}&limit={limit}")).await;
            assert_eq!(seen.concat(), expected, "{query} {limit}");
        }
    }
}

/// Adds conversations by SQL, each a second older than the one before.
fn add_conversations(world: &World, channel: &str, count: i64) {
    let workspace = &world.workspace;
    world.database().query(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
         INSERT INTO contact (workspace_id, id, created_at)
         SELECT '{workspace}', printf('01900000-0000-7000-8000-%012d', i), {START_MS} FROM n"
    ));
    world.database().query(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
         INSERT INTO conversation (workspace_id, id, channel_id, contact_id, address, status, mode,
           unread_count, last_seq, last_activity_at, created_at)
         SELECT '{workspace}', printf('01910000-0000-7000-8000-%012d', i), '{channel}',
           printf('01900000-0000-7000-8000-%012d', i), printf('%d', 10000000 + i),
           CASE WHEN i % 1000 = 999 THEN 'closed' ELSE 'open' END, 'ai', 0, 0, {START_MS} - i * 1000, {START_MS} FROM n"
    ));
}

#[tokio::test]
async fn a_filtered_page_over_many_rows_may_be_short_and_its_cursor_finds_the_rest() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    add_conversations(&world, &channel, 5_500);
    let first = world.get("/v1/conversations?status=closed&limit=10").await;
    let found = first["data"].as_array().expect("a page").len();
    assert_eq!(found, 2, "of the 2,000 rows that one page looks at");
    assert!(first["nextCursor"].is_string());
    let seen = pages(&world, "/v1/conversations?status=closed&limit=10").await;
    assert_eq!(seen.concat().len(), 5);
    let unique: BTreeSet<String> = seen.concat().into_iter().collect();
    assert_eq!(unique.len(), 5);
    // A page that is full ends where it is full, not where the scan does.
    let seen = pages(&world, "/v1/conversations?status=closed&limit=1").await;
    assert_eq!(seen.concat().len(), 5);
    let all = pages(&world, "/v1/conversations?limit=100").await;
    assert_eq!(all.concat().len(), 5_500);
    let nothing = pages(&world, "/v1/conversations?mode=human&limit=100").await;
    assert!(nothing.len() <= 3 && nothing.concat().is_empty());
}

#[tokio::test]
async fn a_scan_that_ends_exactly_at_the_last_row_ends_the_list() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    add_conversations(&world, &channel, 2_000);
    let seen = pages(&world, "/v1/conversations?status=closed").await;
    assert_eq!(seen.concat().len(), 2);
    assert!(seen.len() <= 2);
}

#[tokio::test]
async fn a_conversation_is_changed_field_by_field_and_null_unassigns() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    let conversation = first_conversation(&world).await;
    let path = format!("/v1/conversations/{conversation}");
    let shown = world.get(&path).await;
    assert_eq!(
        (shown["status"].as_str(), shown["mode"].as_str()),
        (Some("open"), Some("ai"))
    );
    for (body, field, value) in [
        (
            json!({ "status": "pending_customer" }),
            "status",
            json!("pending_customer"),
        ),
        (json!({ "mode": "human" }), "mode", json!("human")),
        (json!({ "assignee": "  ada  " }), "assignee", json!("ada")),
        (
            json!({ "status": "pending_agent" }),
            "assignee",
            json!("ada"),
        ),
        (json!({ "assignee": null }), "assignee", Value::Null),
        (json!({}), "mode", json!("human")),
        (
            json!({ "mode": null, "status": null }),
            "status",
            json!("pending_agent"),
        ),
    ] {
        let shown = patch(&world, &conversation, body.clone()).await;
        assert_eq!(shown[field], value, "{body}");
        assert_eq!(world.get(&path).await, shown);
    }
    for status in [
        "open",
        "pending_customer",
        "pending_agent",
        "snoozed",
        "closed",
    ] {
        assert_eq!(
            patch(&world, &conversation, json!({ "status": status })).await["status"],
            status
        );
    }
}

#[tokio::test]
async fn subscribers_are_told_once_of_every_real_change_and_of_nothing_else() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    world.subscribe(HOOK, &["conversation.updated"]).await;
    let conversation = first_conversation(&world).await;
    let mut expected = 0;
    for (body, changes) in [
        (json!({ "status": "open" }), false),
        (json!({ "status": "closed" }), true),
        (json!({ "status": "closed" }), false),
        (json!({}), false),
        (json!({ "assignee": null }), false),
        (json!({ "assignee": "ada" }), true),
        (json!({ "assignee": "ada", "status": "closed" }), false),
        (json!({ "assignee": "ada", "mode": "human" }), true),
        (json!({ "assignee": null }), true),
        (json!({ "assignee": null }), false),
        (
            json!({ "status": "open", "mode": "ai", "assignee": "grace" }),
            true,
        ),
    ] {
        patch(&world, &conversation, body.clone()).await;
        expected += usize::from(changes);
        assert_eq!(told(&world).await.len(), expected, "{body}");
    }
    let path = format!("/v1/conversations/{conversation}/read");
    for expected in [expected + 1, expected + 1] {
        world.post(&path, Value::Null).await.expect(200);
        assert_eq!(told(&world).await.len(), expected);
    }
    let last = world.requests_to(HOST).pop().expect("an event");
    assert_eq!(last["data"]["conversation"]["assignee"], "grace");
    assert_eq!(last["data"]["conversation"]["unreadCount"], 0);
    assert_eq!(last["data"]["message"], Value::Null);
    assert!(
        told(&world)
            .await
            .iter()
            .all(|kind| kind == "conversation.updated")
    );
}

#[tokio::test]
async fn a_change_whose_batch_runs_twice_is_told_once() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    world.subscribe(HOOK, &["conversation.updated"]).await;
    let conversation = first_conversation(&world).await;
    world.database().runs_twice.set(true);
    let shown = patch(&world, &conversation, json!({ "status": "closed" })).await;
    assert_eq!(shown["status"], "closed");
    world.database().runs_twice.set(false);
    // The hint may be lost with the first answer; the row is not.
    world.advance(10_000);
    world.gateway.sweep().await;
    assert_eq!(told(&world).await, ["conversation.updated"]);
}

#[tokio::test]
async fn marking_read_clears_the_unread_count_and_nothing_else() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    for number in 0..3 {
        world
            .customer_writes(&channel, CUSTOMER, &format!("wamid.{number}"), "Hi")
            .await;
    }
    let conversation = first_conversation(&world).await;
    let path = format!("/v1/conversations/{conversation}");
    let mut before = world.get(&path).await;
    assert_eq!(before["unreadCount"], 3);
    let read = world
        .post(&format!("{path}/read"), Value::Null)
        .await
        .expect(200);
    before["unreadCount"] = json!(0);
    assert_eq!(read, before);
    // A body means nothing, and neither does asking again.
    let again = world
        .post(&format!("{path}/read"), json!({ "seq": 1 }))
        .await
        .expect(200);
    assert_eq!(again, before);
    send(&world, CUSTOMER, "Hello").await;
    assert_eq!(
        world.get(&path).await["unreadCount"],
        0,
        "our own messages are not unread"
    );
    world
        .customer_writes(&channel, CUSTOMER, "wamid.more", "Hi")
        .await;
    assert_eq!(world.get(&path).await["unreadCount"], 1);
}

#[tokio::test]
async fn a_conversation_is_created_once_by_whoever_writes_first_and_told_so() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let path = format!("/v1/channels/{channel}");
    world
        .call(
            Method::PATCH,
            &path,
            json!({ "settings": { "enforceWindow": false } }),
        )
        .await
        .expect(200);
    world.subscribe(HOOK, &["conversation.created"]).await;
    // The customer first.
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    world
        .customer_writes(&channel, CUSTOMER, "wamid.2", "Hi")
        .await;
    send(&world, CUSTOMER, "Hello").await;
    assert_eq!(told(&world).await, ["conversation.created"]);
    // We first.
    let other = "5511888888888";
    send(&world, other, "Hello").await;
    send(&world, other, "Hello again").await;
    world
        .customer_writes(&channel, other, "wamid.3", "Hi")
        .await;
    assert_eq!(
        told(&world).await,
        ["conversation.created", "conversation.created"]
    );
    let bodies = world.requests_to(HOST);
    let addresses: Vec<&Value> = bodies
        .iter()
        .map(|body| &body["data"]["contact"]["address"])
        .collect();
    assert_eq!(addresses, [CUSTOMER, other]);
    let channels: Vec<&Value> = bodies
        .iter()
        .map(|body| &body["data"]["channel"]["id"])
        .collect();
    assert_eq!(channels, [&json!(channel), &json!(channel)]);
    assert_eq!(
        world.database().count("SELECT COUNT(*) FROM conversation"),
        2
    );
}

#[tokio::test]
async fn a_conversation_that_we_begin_is_open_and_counts_no_unread() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let path = format!("/v1/channels/{channel}");
    world
        .call(
            Method::PATCH,
            &path,
            json!({ "settings": { "enforceWindow": false } }),
        )
        .await
        .expect(200);
    send(&world, "+55 11 8888-8888", "Hello").await;
    let conversation = &world.get("/v1/conversations").await["data"][0];
    assert_eq!(conversation["contact"]["address"], "551188888888");
    assert_eq!(conversation["contact"]["name"], Value::Null);
    assert_eq!(conversation["unreadCount"], 0);
    assert_eq!(conversation["lastInboundAt"], Value::Null);
    assert_eq!(conversation["lastOutboundAt"], "2026-11-20T08:00:00.000Z");
    assert_eq!(conversation["windowExpiresAt"], Value::Null);
    assert_eq!(
        conversation["canSendFreeForm"], true,
        "the channel enforces no window"
    );
    // When the customer answers, it is the same conversation, and it has a name.
    world
        .customer_writes(&channel, "551188888888", "wamid.1", "Hi")
        .await;
    let list = world.get("/v1/conversations").await;
    assert_eq!(list["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(list["data"][0]["id"], conversation["id"]);
    assert_eq!(list["data"][0]["contact"]["name"], "Ada");
}

// Messages

#[tokio::test]
async fn the_messages_of_a_conversation_are_listed_newest_first_in_pages() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    for number in 0..7 {
        world
            .customer_writes(
                &channel,
                CUSTOMER,
                &format!("wamid.{number}"),
                &format!("in {number}"),
            )
            .await;
        world.advance(1_000);
        send(&world, CUSTOMER, &format!("out {number}")).await;
        world.advance(1_000);
    }
    world
        .customer_writes(&channel, "5511888888888", "wamid.other", "not this one")
        .await;
    let conversation = id(&world.get("/v1/conversations").await["data"][1]);
    let path = format!("/v1/conversations/{conversation}/messages");
    let whole = world.get(&format!("{path}?limit=100")).await;
    let texts: Vec<String> = whole["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|message| {
            message["content"]["text"]
                .as_str()
                .expect("a text")
                .to_owned()
        })
        .collect();
    let expected: Vec<String> = (0..7)
        .rev()
        .flat_map(|number| [format!("out {number}"), format!("in {number}")])
        .collect();
    assert_eq!(texts, expected);
    let ids: Vec<String> = whole["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(id)
        .collect();
    for limit in [1, 4, 14, 15] {
        assert_eq!(
            pages(&world, &format!("{path}?limit={limit}"))
                .await
                .concat(),
            ids,
            "{limit}"
        );
    }
    // The same by the general list's filter.
    let seen = pages(
        &world,
        &format!("/v1/messages?conversationId={conversation}&limit=5"),
    )
    .await;
    assert_eq!(seen.concat(), ids);
}

#[tokio::test]
async fn messages_are_filtered_by_status_channel_conversation_and_time() {
    let world = World::new().await;
    let whatsapp = world.whatsapp().await;
    let telegram = world.telegram().await;
    world
        .customer_writes(&whatsapp, CUSTOMER, "wamid.1", "Hi")
        .await;
    world.advance(60_000);
    let update = json!({ "message": { "message_id": 1, "date": START_MS / 1_000 + 60, "text": "Hi", "chat": { "id": 5, "type": "private" } } });
    world.from_telegram(&telegram, &update).await.expect(200);
    world.advance(60_000);
    let sent = send(&world, CUSTOMER, "sent").await;
    world.drain().await;
    world.advance(60_000);
    send(&world, CUSTOMER, "waits").await;
    let all = pages(&world, "/v1/messages").await.concat();
    assert_eq!(all.len(), 4);
    for (query, expected) in [
        ("status=received".to_owned(), vec![2, 3]),
        ("status=sent".to_owned(), vec![1]),
        ("status=accepted".to_owned(), vec![0]),
        ("status=read".to_owned(), vec![]),
        (format!("channelId={telegram}"), vec![2]),
        (format!("channelId={whatsapp}&status=received"), vec![3]),
        (
            format!(
                "conversationId={}",
                sent["conversationId"].as_str().expect("an id")
            ),
            vec![0, 1, 3],
        ),
        (
            format!(
                "conversationId={}&status=sent",
                sent["conversationId"].as_str().expect("an id")
            ),
            vec![1],
        ),
        (
            format!(
                "conversationId={}&channelId={telegram}",
                sent["conversationId"].as_str().expect("an id")
            ),
            vec![],
        ),
        ("since=2026-11-20T08:01:30Z".to_owned(), vec![0, 1]),
        ("since=2026-11-20T09:02:00%2B01:00".to_owned(), vec![0, 1]),
        ("since=2026-11-20T08:02:00.000Z".to_owned(), vec![0, 1]),
        ("since=2026-11-20T08:02:00.001Z".to_owned(), vec![0]),
        ("since=2030-01-01T00:00:00Z".to_owned(), vec![]),
        (
            format!(
                "since=2026-11-20T08:01:30Z&conversationId={}",
                sent["conversationId"].as_str().expect("an id")
            ),
            vec![0, 1],
        ),
        (
            "since=2026-11-20T08:00:30Z&status=received".to_owned(),
            vec![2],
        ),
    ] {
        let expected: Vec<String> = expected
            .into_iter()
            .map(|at: usize| all[at].clone())
            .collect();
        for limit in [1, 100] {
            let seen = pages(&world, &format!("/v1/messages?{query}&limit={limit}")).await;
            assert_eq!(seen.concat(), expected, "{query} {limit}");
        }
    }
}

#[tokio::test]
async fn since_means_the_same_moment_in_both_lists_of_messages() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    // Sent at eight, received at nine.
    world.advance(3_600_000);
    world
        .from_meta(
            &channel,
            &whatsapp_text(CUSTOMER, "wamid.1", "Hi", START_MS / 1_000),
        )
        .await
        .expect(200);
    let conversation = first_conversation(&world).await;
    for since in [
        "2026-11-20T08:30:00Z",
        "2026-11-20T08:00:00Z",
        "2026-11-20T09:30:00Z",
    ] {
        let general = pages(&world, &format!("/v1/messages?since={since}"))
            .await
            .concat();
        let path = format!("/v1/conversations/{conversation}/messages?since={since}");
        assert_eq!(general, pages(&world, &path).await.concat(), "{since}");
    }
}

#[tokio::test]
async fn a_filtered_page_of_messages_over_many_rows_finds_everything_in_the_end() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    let conversation = first_conversation(&world).await;
    let workspace = &world.workspace;
    world.database().query(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4500)
         INSERT INTO message (workspace_id, id, conversation_id, channel_id, contact_id, direction, status, content, seq, created_at)
         SELECT '{workspace}', printf('01920000-0000-7000-8000-%012d', i), '{conversation}', '{channel}',
           (SELECT contact_id FROM conversation), 'outbound', CASE WHEN i % 1500 = 7 THEN 'failed' ELSE 'sent' END,
           '{{\"type\":\"text\",\"text\":\"x\"}}', i + 1, {START_MS} FROM n"
    ));
    world
        .database()
        .query("UPDATE conversation SET last_seq = 4501");
    for path in [
        "/v1/messages?status=failed".to_owned(),
        format!("/v1/conversations/{conversation}/messages?status=failed"),
    ] {
        for limit in [1, 2, 100] {
            let seen = pages(&world, &format!("{path}&limit={limit}")).await;
            let unique: BTreeSet<String> = seen.concat().into_iter().collect();
            assert_eq!(
                (seen.concat().len(), unique.len()),
                (3, 3),
                "{path} {limit}"
            );
        }
    }
    let all = pages(&world, "/v1/messages?limit=100").await.concat();
    assert_eq!(all.len(), 4_501);
    let all = pages(
        &world,
        &format!("/v1/conversations/{conversation}/messages?limit=100"),
    )
    .await
    .concat();
    assert_eq!(all.len(), 4_501);
}

#[tokio::test]
async fn one_message_is_shown_with_its_attempts_and_its_reply() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    let list = world.get("/v1/messages").await;
    let question = id(&list["data"][0]);
    let body = json!({
        "from": SHOP, "to": CUSTOMER, "replyTo": question, "metadata": { "order": 7, "tags": ["a", null] },
        "content": { "type": "text", "text": "Yes" },
    });
    let sent = world.post("/v1/messages", body).await.expect(202);
    world.drain().await;
    let shown = world.get(&format!("/v1/messages/{}", id(&sent))).await;
    assert_eq!(shown["replyTo"], question.as_str());
    assert_eq!(
        shown["metadata"],
        json!({ "order": 7, "tags": ["a", null] })
    );
    assert_eq!(shown["attempts"].as_array().map(Vec::len), Some(1));
    assert_eq!(shown["attempts"][0]["number"], 1);
    let inbound = world.get(&format!("/v1/messages/{question}")).await;
    assert_eq!(inbound["attempts"], json!([]));
    assert_eq!(
        world.requests_to("graph.test")[0]["context"]["message_id"],
        "wamid.1"
    );
}
