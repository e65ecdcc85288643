//! One Meta app posts for all its accounts to one URL: each entry belongs to the channel
//! of its account.

use crate::support::World;
use crate::support::world::{
    APP_SECRET, CUSTOMER, INSTAGRAM_ID, PAGE_ID, PHONE_NUMBER_ID, START_MS, hub_signature,
    instagram_text, messaging_text, messenger_text, whatsapp_status, whatsapp_text,
};
use http::Method;
use patchbay::gateway::Memory;
use serde_json::{Value, json};
use std::rc::Rc;

const OTHER_NUMBER: &str = "106540352242999";
const PERSON: &str = "6543217890123456";
const START_S: i64 = START_MS / 1_000;

/// A second WhatsApp number, under an app secret.
fn second_number(secret: &str) -> Value {
    json!({
        "type": "whatsapp", "name": "Second", "identifier": "+15550100002",
        "credentials": {
            "phoneNumberId": OTHER_NUMBER, "wabaId": "102290129340398",
            "accessToken": "graph-token", "appSecret": secret, "verifyToken": "verify-me",
        },
    })
}

/// A text to a WhatsApp number.
fn text_to(number: &str, id: &str) -> Value {
    let mut payload = whatsapp_text(CUSTOMER, id, "Hi", START_S);
    payload["entry"][0]["changes"][0]["value"]["metadata"]["phone_number_id"] = json!(number);
    payload
}

/// Payloads of one product as one.
fn together(payloads: &[Value]) -> Value {
    let entries = payloads
        .iter()
        .flat_map(|payload| payload["entry"].as_array().expect("entries").clone());
    json!({ "object": payloads[0]["object"], "entry": entries.collect::<Vec<_>>() })
}

/// What a channel received: the providers' ids of its messages, sorted.
async fn received(world: &World, channel: &str) -> Vec<String> {
    let page = world
        .get(&format!("/v1/messages?channelId={channel}"))
        .await;
    let messages = page["data"].as_array().expect("messages");
    let mut ids: Vec<String> = messages
        .iter()
        .map(|message| {
            assert_eq!(message["channelId"], channel);
            message["providerMessageId"]
                .as_str()
                .expect("an id")
                .to_owned()
        })
        .collect();
    ids.sort();
    ids
}

async fn trips<T>(world: &World, work: impl Future<Output = T>) -> (u32, T) {
    let before = world.database().round_trips.get();
    let done = work.await;
    (world.database().round_trips.get() - before, done)
}

/// The log lines of an event, as JSON.
fn logged(world: &World, event: &str) -> Vec<Value> {
    let logs = world.ports().logs.borrow();
    logs.iter()
        .filter_map(|line| line.strip_prefix(event))
        .map(|fields| serde_json::from_str(fields).expect("JSON"))
        .collect()
}

/// As if another isolate did something: this one remembers what it did before.
async fn elsewhere<T>(world: &mut World, work: impl AsyncFnOnce(&World) -> T) -> T {
    let warm = std::mem::replace(&mut world.gateway.memory, Rc::new(Memory::default()));
    let done = work(world).await;
    world.gateway.memory = warm;
    // The shared cache is told of a change; only memory is not.
    done
}

#[tokio::test]
async fn entries_for_two_numbers_are_stored_each_on_its_own_in_one_batch() {
    let mut world = World::new().await;
    let first = world.whatsapp().await;
    let second = world.connect(second_number(APP_SECRET)).await;
    world
        .subscribe("https://hooks.example.com/all", &["*"])
        .await;
    let both = |number: u32| {
        together(&[
            text_to(OTHER_NUMBER, &format!("wamid.second.{number}")),
            text_to(PHONE_NUMBER_ID, &format!("wamid.first.{number}")),
        ])
    };
    world.forget();
    let (cold, reply) = trips(&world, world.from_meta(&first, &both(1))).await;
    reply.expect(200);
    assert!(cold <= 2, "{cold} cold");
    let (warm, reply) = trips(&world, world.from_meta(&first, &both(2))).await;
    reply.expect(200);
    assert_eq!(warm, 1);
    // The other channel's URL is as good.
    world.from_meta(&second, &both(3)).await.expect(200);
    for (channel, name) in [(&first, "first"), (&second, "second")] {
        let expected = [1, 2, 3].map(|number| format!("wamid.{name}.{number}"));
        assert_eq!(received(&world, channel).await, expected);
        let shown = world.get(&format!("/v1/channels/{channel}")).await;
        assert!(shown["lastInboundAt"].is_string(), "{shown}");
    }
    let conversations = world.get("/v1/conversations").await;
    assert_eq!(conversations["data"].as_array().map(Vec::len), Some(2));
    assert!(logged(&world, "inbound.other_account").is_empty());
    // Subscribers hear of each once.
    world.drain().await;
    let posts = world.posts_to("hooks.example.com");
    let told = posts
        .iter()
        .filter(|post| String::from_utf8_lossy(post.body()).contains("\"message.received\""));
    assert_eq!(told.count(), 6);
}

#[tokio::test]
async fn a_repeat_of_entries_for_several_channels_stores_nothing() {
    let world = World::new().await;
    let first = world.whatsapp().await;
    let second = world.connect(second_number(APP_SECRET)).await;
    let payload = together(&[
        text_to(PHONE_NUMBER_ID, "wamid.1"),
        text_to(OTHER_NUMBER, "wamid.2"),
    ]);
    world.from_meta(&first, &payload).await.expect(200);
    let stored = world.database().dump();
    assert!(stored.contains("wamid.1") && stored.contains("wamid.2"));
    for channel in [&first, &second, &first] {
        world.from_meta(channel, &payload).await.expect(200);
        assert_eq!(world.database().dump(), stored);
    }
}

#[tokio::test]
async fn a_page_and_an_account_are_reached_by_the_url_of_a_number() {
    let mut world = World::new().await;
    let number = world.whatsapp().await;
    let page = world.messenger().await;
    let account = world.instagram().await;
    world.forget();
    let (cold, reply) = trips(
        &world,
        world.from_meta(&number, &messenger_text(PERSON, "m_1", "Hi", START_MS)),
    )
    .await;
    reply.expect(200);
    assert!(cold <= 2, "{cold} cold");
    let (warm, reply) = trips(
        &world,
        world.from_meta(&number, &instagram_text(PERSON, "aWd1", "Oi", START_MS)),
    )
    .await;
    reply.expect(200);
    assert_eq!(warm, 1);
    // And the other way round.
    world
        .from_meta(&page, &text_to(PHONE_NUMBER_ID, "wamid.1"))
        .await
        .expect(200);
    assert_eq!(received(&world, &page).await, ["m_1"]);
    assert_eq!(received(&world, &account).await, ["aWd1"]);
    assert_eq!(received(&world, &number).await, ["wamid.1"]);
    // One person on two channels with one id is two addresses.
    let conversations = world.get("/v1/conversations").await;
    assert_eq!(conversations["data"].as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn a_report_reaches_its_message_by_the_url_of_another_channel() {
    let world = World::new().await;
    let number = world.whatsapp().await;
    let page = world.messenger().await;
    world
        .from_meta(&page, &messenger_text(PERSON, "m_in", "Hi", START_MS))
        .await
        .expect(200);
    let body =
        json!({ "from": page, "to": PERSON, "content": { "type": "text", "text": "Hello" } });
    let sent = world.post("/v1/messages", body).await.expect(202);
    world.drain().await;
    let path = format!("/v1/messages/{}", sent["id"].as_str().expect("an id"));
    let mid = world.get(&path).await["providerMessageId"].clone();
    let delivery = json!({ "object": "page", "entry": [{ "id": PAGE_ID, "time": START_MS, "messaging": [{
        "sender": { "id": PERSON }, "recipient": { "id": PAGE_ID }, "timestamp": START_MS,
        "delivery": { "mids": [mid], "watermark": START_MS },
    }] }] });
    world.from_meta(&number, &delivery).await.expect(200);
    assert_eq!(world.get(&path).await["status"], "delivered");
}

#[tokio::test]
async fn entries_for_accounts_nobody_connected_are_acknowledged_counted_and_logged() {
    let mut world = World::new().await;
    let number = world.whatsapp().await;
    let payload = together(&[
        text_to("900000000000001", "wamid.x"),
        text_to(PHONE_NUMBER_ID, "wamid.1"),
        text_to("900000000000001", "wamid.y"),
        text_to("900000000000002", "wamid.z"),
    ]);
    world.forget();
    world.ports().cache.borrow_mut().clear();
    let (cold, reply) = trips(&world, world.from_meta(&number, &payload)).await;
    reply.expect(200);
    assert_eq!(cold, 2, "what was read just now is not read again");
    assert_eq!(received(&world, &number).await, ["wamid.1"]);
    let expected = json!({ "channel": number, "accounts": 2, "entries": 3 });
    let told = logged(&world, "inbound.other_account");
    assert_eq!(told, std::slice::from_ref(&expected));
    let (warm, reply) = trips(&world, world.from_meta(&number, &payload)).await;
    reply.expect(200);
    assert_eq!(warm, 2, "somebody may have connected them meanwhile");
    let told = logged(&world, "inbound.other_account");
    assert_eq!(told, [expected.clone(), expected]);
    // A whole product that nobody connected.
    let before = world.database().dump();
    for payload in [
        messenger_text(PERSON, "m_1", "Hi", START_MS),
        instagram_text(PERSON, "aWd1", "Hi", START_MS),
    ] {
        world.from_meta(&number, &payload).await.expect(200);
    }
    assert_eq!(world.database().dump(), before);
    assert_eq!(logged(&world, "inbound.other_account").len(), 4);
}

#[tokio::test]
async fn an_entry_of_another_product_that_names_no_account_is_nobodys() {
    let world = World::new().await;
    let number = world.whatsapp().await;
    let page = world.messenger().await;
    let before = world.database().dump();
    // The dashboard's test names no account: on the page's own URL it is the page's.
    let test = messaging_text("page", "0", PERSON, "m_test", "test_message", START_MS);
    world.from_meta(&number, &test).await.expect(200);
    assert_eq!(world.database().dump(), before);
    assert_eq!(
        logged(&world, "inbound.other_account"),
        [json!({ "channel": number, "accounts": 1, "entries": 1 })]
    );
    world.from_meta(&page, &test).await.expect(200);
    assert_eq!(received(&world, &page).await, ["m_test"]);
    assert!(received(&world, &number).await.is_empty());
}

#[tokio::test]
async fn a_channel_of_another_workspace_is_never_written_to() {
    let mut world = World::new().await;
    let number = world.whatsapp().await;
    let mine = world.key.clone();
    let (_, theirs) = world.new_workspace("Other").await;
    world.key.clone_from(&theirs);
    // The same app secret, even: it is somebody else's all the same.
    let other_page = world.messenger().await;
    let other_number = world.connect(second_number(APP_SECRET)).await;
    world.key.clone_from(&mine);
    for _ in 0..2 {
        for payload in [
            messenger_text(PERSON, "m_1", "Hi", START_MS),
            text_to(OTHER_NUMBER, "wamid.2"),
        ] {
            let before = world.database().dump();
            world.from_meta(&number, &payload).await.expect(200);
            assert_eq!(world.database().dump(), before);
        }
        // Also when this isolate knows the other workspace's channels well.
        world
            .from_meta(
                &other_page,
                &messenger_text(PERSON, "m_own", "Hi", START_MS),
            )
            .await
            .expect(200);
        world
            .from_meta(&other_number, &text_to(OTHER_NUMBER, "wamid.own"))
            .await
            .expect(200);
    }
    assert_eq!(logged(&world, "inbound.other_account").len(), 4);
    world.key.clone_from(&theirs);
    assert_eq!(received(&world, &other_page).await, ["m_own"]);
    assert_eq!(received(&world, &other_number).await, ["wamid.own"]);
}

#[tokio::test]
async fn a_channel_with_another_app_secret_is_never_written_to() {
    let mut world = World::new().await;
    let number = world.whatsapp().await;
    let other = world.connect(second_number("secret-of-another-app")).await;
    let payload = together(&[
        text_to(OTHER_NUMBER, "wamid.forged"),
        text_to(PHONE_NUMBER_ID, "wamid.1"),
    ]);
    for _ in 0..2 {
        world.from_meta(&number, &payload).await.expect(200);
        world.forget();
    }
    assert_eq!(received(&world, &number).await, ["wamid.1"]);
    assert!(received(&world, &other).await.is_empty());
    assert_eq!(logged(&world, "inbound.other_account").len(), 2);
    // Its own app's word is taken, and gives it no way to the first.
    let body = payload.to_string();
    let signature = hub_signature("secret-of-another-app", body.as_bytes());
    let headers = [("x-hub-signature-256", signature.as_str())];
    world
        .inbound(&other, &headers, body.clone())
        .await
        .expect(200);
    assert_eq!(received(&world, &other).await, ["wamid.forged"]);
    assert_eq!(received(&world, &number).await, ["wamid.1"]);
    world.inbound(&number, &headers, body).await.expect(401);
}

#[tokio::test]
async fn a_secret_changed_elsewhere_shuts_the_way_to_that_channel_at_once() {
    let mut world = World::new().await;
    let number = world.whatsapp().await;
    let page = world.messenger().await;
    let text = |mid: &str| messenger_text(PERSON, mid, "Hi", START_MS);
    world.from_meta(&number, &text("m_1")).await.expect(200);
    elsewhere(&mut world, async |world| {
        let patch = json!({ "credentials": { "appSecret": "another-secret" } });
        let path = format!("/v1/channels/{page}");
        world.call(Method::PATCH, &path, patch).await.expect(200);
    })
    .await;
    world.from_meta(&number, &text("m_2")).await.expect(200);
    assert_eq!(received(&world, &page).await, ["m_1"]);
    assert_eq!(logged(&world, "inbound.other_account").len(), 1);
}

#[tokio::test]
async fn a_channel_connected_elsewhere_is_found_with_the_first_entry_for_it() {
    let mut world = World::new().await;
    let number = world.whatsapp().await;
    world
        .from_meta(&number, &text_to(PHONE_NUMBER_ID, "wamid.1"))
        .await
        .expect(200);
    let page = elsewhere(&mut world, async |world| world.messenger().await).await;
    let text = messenger_text(PERSON, "m_1", "Hi", START_MS);
    let (count, reply) = trips(&world, world.from_meta(&number, &text)).await;
    reply.expect(200);
    assert_eq!(count, 2);
    assert_eq!(received(&world, &page).await, ["m_1"]);
}

#[tokio::test]
async fn entries_for_a_deleted_channel_are_acknowledged_and_the_others_stored() {
    for is_elsewhere in [false, true] {
        let mut world = World::new().await;
        let number = world.whatsapp().await;
        let gone = world.connect(second_number(APP_SECRET)).await;
        let both = |n: u32| {
            together(&[
                text_to(OTHER_NUMBER, &format!("wamid.gone.{n}")),
                text_to(PHONE_NUMBER_ID, &format!("wamid.{n}")),
            ])
        };
        world.from_meta(&number, &both(1)).await.expect(200);
        assert_eq!(received(&world, &gone).await, ["wamid.gone.1"]);
        let delete = async |world: &World| {
            let path = format!("/v1/channels/{gone}");
            world
                .call(Method::DELETE, &path, Value::Null)
                .await
                .expect(204);
        };
        if is_elsewhere {
            elsewhere(&mut world, delete).await;
        } else {
            delete(&world).await;
        }
        world.from_meta(&number, &both(2)).await.expect(200);
        world.from_meta(&number, &both(2)).await.expect(200);
        assert_eq!(received(&world, &number).await, ["wamid.1", "wamid.2"]);
        assert_eq!(received(&world, &gone).await, ["wamid.gone.1"]);
        assert_eq!(
            logged(&world, "inbound.other_account").len(),
            2,
            "elsewhere: {is_elsewhere}"
        );
    }
}

#[tokio::test]
async fn a_status_of_a_number_nobody_connected_is_parked_for_nobody() {
    let world = World::new().await;
    let number = world.whatsapp().await;
    let mut status = whatsapp_status("wamid.unknown", "read", START_S);
    status["entry"][0]["changes"][0]["value"]["metadata"]["phone_number_id"] = json!(OTHER_NUMBER);
    let before = world.database().dump();
    world.from_meta(&number, &status).await.expect(200);
    assert_eq!(world.database().dump(), before);
}

#[tokio::test]
async fn an_account_is_the_channels_of_its_own_product_alone() {
    let world = World::new().await;
    let page = world.messenger().await;
    let account = world.instagram().await;
    // An Instagram event that names the page's id is not the page's.
    let text = messaging_text("instagram", PAGE_ID, PERSON, "aWd1", "Hi", START_MS);
    let before = world.database().dump();
    world.from_meta(&page, &text).await.expect(200);
    assert_eq!(world.database().dump(), before);
    let text = messaging_text("page", INSTAGRAM_ID, PERSON, "m_1", "Hi", START_MS);
    world.from_meta(&account, &text).await.expect(200);
    assert_eq!(world.database().dump(), before);
    assert_eq!(logged(&world, "inbound.other_account").len(), 2);
}

#[tokio::test]
async fn a_number_that_moved_to_another_channel_takes_its_entries_with_it() {
    let mut world = World::new().await;
    let first = world.whatsapp().await;
    let second = world.connect(second_number(APP_SECRET)).await;
    let entry = |id: &str| text_to(OTHER_NUMBER, id);
    world.from_meta(&first, &entry("wamid.1")).await.expect(200);
    let third = elsewhere(&mut world, async |world| {
        let path = format!("/v1/channels/{second}");
        let patch = json!({ "credentials": { "phoneNumberId": "106540352242777" } });
        world.call(Method::PATCH, &path, patch).await.expect(200);
        let mut moved = second_number(APP_SECRET);
        moved["identifier"] = json!("+15550100003");
        world.connect(moved).await
    })
    .await;
    // The second channel is known here as it is now; that it had the number is still
    // remembered.
    let send = json!({
        "from": second, "to": CUSTOMER, "content": { "type": "text", "text": "Hello" },
    });
    world.post("/v1/messages", send).await.expect(202);
    world.from_meta(&first, &entry("wamid.2")).await.expect(200);
    assert_eq!(received(&world, &third).await, ["wamid.2"]);
}

#[tokio::test]
async fn of_two_channels_with_one_account_the_one_whose_secret_verifies_gets_its_entries() {
    for is_first in [true, false] {
        let world = World::new().await;
        let first = world.whatsapp().await;
        let mut made = vec![];
        for (name, secret) in [
            ("+15550100002", APP_SECRET),
            ("+15550100003", "older-secret"),
        ] {
            let mut second = second_number(secret);
            second["identifier"] = json!(name);
            made.push((name, second));
        }
        if !is_first {
            made.reverse();
        }
        let mut right = String::new();
        for (name, body) in made {
            let id = world.connect(body).await;
            if name == "+15550100002" {
                right = id;
            }
        }
        let text = text_to(OTHER_NUMBER, "wamid.1");
        world.from_meta(&first, &text).await.expect(200);
        assert_eq!(received(&world, &right).await, ["wamid.1"]);
    }
}

#[tokio::test]
async fn an_account_among_hundreds_gets_its_entries() {
    let mut world = World::new().await;
    let number = world.whatsapp().await;
    let mut last = String::new();
    for at in 0..250 {
        let page = format!("1042{at:011}");
        let body = json!({
            "type": "messenger", "name": "Page",
            "credentials": {
                "pageId": page, "accessToken": "t", "appSecret": APP_SECRET, "verifyToken": "v",
            },
        });
        last = world.connect(body).await;
    }
    let text = |mid: &str| messaging_text("page", "104200000000249", PERSON, mid, "Hi", START_MS);
    world.from_meta(&number, &text("m_1")).await.expect(200);
    world.forget();
    world.from_meta(&number, &text("m_2")).await.expect(200);
    let (warm, reply) = trips(&world, world.from_meta(&number, &text("m_3"))).await;
    reply.expect(200);
    assert_eq!(warm, 1);
    assert_eq!(received(&world, &last).await, ["m_1", "m_2", "m_3"]);
    assert!(logged(&world, "inbound.other_account").is_empty());
}
