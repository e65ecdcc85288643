//! What becomes of messages after they were sent, in whatever order it is told, and what the
//! business writes elsewhere.

use crate::support::outgoing::{id, text};
use crate::support::world::{CUSTOMER, START_MS, messenger_text, whatsapp_value};
use crate::support::{Answer, World};
use http::Method;
use serde_json::{Value, json};

const PERSON: &str = "6543217890123456";

/// A webhook of WhatsApp with things that come as messages.
fn said(messages: &[Value]) -> Value {
    whatsapp_value(json!({
        "contacts": [{ "profile": { "name": "Ada" }, "wa_id": CUSTOMER }],
        "messages": messages,
    }))
}

fn at(seconds: i64) -> String {
    (START_MS / 1_000 + seconds).to_string()
}

fn words(id: &str, text: &str) -> Value {
    json!({ "from": CUSTOMER, "id": id, "timestamp": at(-60), "type": "text", "text": { "body": text } })
}

fn edit(id: &str, of: &str, text: &str, seconds: i64) -> Value {
    json!({ "from": CUSTOMER, "id": id, "timestamp": at(seconds), "type": "edit", "edit": {
        "original_message_id": of, "message": { "type": "text", "text": { "body": text } } } })
}

fn revoke(id: &str, of: &str) -> Value {
    json!({ "from": CUSTOMER, "id": id, "timestamp": at(-1), "type": "revoke",
        "revoke": { "original_message_id": of } })
}

fn reaction(id: &str, of: &str, emoji: &str) -> Value {
    json!({ "from": CUSTOMER, "id": id, "timestamp": at(-5), "type": "reaction",
        "reaction": { "message_id": of, "emoji": emoji } })
}

/// The newest message as clients see it.
async fn newest(world: &World) -> Value {
    world.get("/v1/messages?limit=1").await["data"][0].clone()
}

/// The events that a subscriber was told of, by type, with their data.
fn told(world: &World, host: &str) -> Vec<(String, Value)> {
    world
        .posts_to(host)
        .iter()
        .map(|request| {
            let body: Value = serde_json::from_slice(request.body()).expect("JSON");
            let kind = body["type"].as_str().expect("a type").to_owned();
            (kind, body["data"].clone())
        })
        .collect()
}

async fn listening() -> (World, String) {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world
        .subscribe("https://subscriber.example/hook", &["message.*"])
        .await;
    (world, channel)
}

fn kinds(world: &World) -> Vec<String> {
    let told = told(world, "subscriber.example");
    told.into_iter().map(|(kind, _)| kind).collect()
}

#[tokio::test]
async fn an_edit_replaces_the_words_and_is_told_once_however_often_it_comes() {
    let (world, channel) = listening().await;
    world
        .from_meta(&channel, &said(&[words("wamid.1", "Helo")]))
        .await
        .expect(200);
    for _ in 0..3 {
        let edit = edit("wamid.2", "wamid.1", "Hello", -30);
        world.from_meta(&channel, &said(&[edit])).await.expect(200);
    }
    world.drain().await;
    let message = newest(&world).await;
    assert_eq!(
        message["content"],
        json!({ "type": "text", "text": "Hello" })
    );
    assert!(message["editedAt"].is_string(), "{message}");
    assert_eq!(kinds(&world), ["message.received", "message.edited"]);
    let (_, data) = told(&world, "subscriber.example").remove(1);
    assert_eq!(data["message"]["content"]["text"], "Hello");
    // It is no message of its own.
    assert_eq!(
        world.get("/v1/messages").await["data"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    let conversation = world.get("/v1/conversations").await["data"][0].clone();
    assert_eq!(conversation["unreadCount"], 1);
}

#[tokio::test]
async fn changes_in_any_order_end_alike() {
    let all = [
        said(&[words("wamid.1", "One")]),
        said(&[edit("wamid.2", "wamid.1", "Two", -30)]),
        said(&[edit("wamid.3", "wamid.1", "Three", -20)]),
        said(&[reaction("wamid.4", "wamid.1", "\u{1f44d}")]),
    ];
    for order in [
        [0, 1, 2, 3],
        [3, 2, 1, 0],
        [1, 0, 3, 2],
        [2, 0, 1, 3],
        [2, 1, 3, 0],
        [1, 3, 0, 2],
    ] {
        let (world, channel) = listening().await;
        for place in order {
            for _ in 0..2 {
                world.from_meta(&channel, &all[place]).await.expect(200);
            }
        }
        world.drain().await;
        assert_eq!(
            newest(&world).await["content"]["text"],
            "Three",
            "{order:?}"
        );
        let mut kinds = kinds(&world);
        kinds.sort();
        let expected = [
            "message.edited",
            "message.edited",
            "message.reaction",
            "message.received",
        ];
        assert_eq!(kinds, expected, "{order:?}");
    }
}

#[tokio::test]
async fn all_of_it_in_one_payload_is_applied_too() {
    let (world, channel) = listening().await;
    let payload = said(&[
        edit("wamid.2", "wamid.1", "Two", -30),
        words("wamid.1", "One"),
        reaction("wamid.3", "wamid.1", "\u{2764}"),
    ]);
    world.from_meta(&channel, &payload).await.expect(200);
    world.drain().await;
    assert_eq!(newest(&world).await["content"]["text"], "Two");
    let told = told(&world, "subscriber.example");
    let (_, data) = told
        .iter()
        .find(|(kind, _)| kind == "message.reaction")
        .expect("it is told");
    assert_eq!(data["reaction"]["emoji"], "\u{2764}");
    assert!(data["reaction"]["at"].is_string());
    let (_, data) = told
        .iter()
        .find(|(kind, _)| kind == "message.received")
        .expect("it is told");
    assert!(data.get("reaction").is_none());
}

#[tokio::test]
async fn a_deleted_message_says_nothing_more_and_its_file_is_gone() {
    let (world, channel) = listening().await;
    world.ports().has_bucket.set(true);
    let image = json!({ "from": CUSTOMER, "id": "wamid.1", "timestamp": at(-60), "type": "image",
        "image": { "id": "4490709327384033", "mime_type": "image/jpeg", "caption": "Secret" } });
    world.from_meta(&channel, &said(&[image])).await.expect(200);
    let located = Answer::Http(200, json!({ "url": "https://lookaside.fbsbx.com/a" }));
    world.ports().to_questions.borrow_mut().push_back(located);
    let file = (200, vec![], bytes::Bytes::from_static(b"the bytes"), true);
    world.ports().to_open.borrow_mut().push_back(file);
    world.drain().await;
    assert_eq!(world.ports().bucket.borrow().len(), 1);
    let url = newest(&world).await["content"]["mediaUrl"].clone();
    let path = url
        .as_str()
        .and_then(|url| url.strip_prefix("https://patchbay.test"));
    let path = path.expect("a file of ours").to_owned();
    assert_eq!(
        world.call(Method::GET, &path, Value::Null).await.status,
        200
    );

    world
        .from_meta(&channel, &said(&[revoke("wamid.2", "wamid.1")]))
        .await
        .expect(200);
    // An edit that was told later than the deletion changes nothing.
    world
        .from_meta(&channel, &said(&[edit("wamid.3", "wamid.1", "Secret", 0)]))
        .await
        .expect(200);
    let message = newest(&world).await;
    assert_eq!(
        message["content"],
        json!({ "type": "unsupported", "providerType": "deleted" })
    );
    assert!(message["deletedAt"].is_string());
    world
        .call(Method::GET, &path, Value::Null)
        .await
        .expect(404);
    world.gateway.sweep().await;
    assert!(world.ports().bucket.borrow().is_empty());
    assert!(
        !world.database().query("SELECT content FROM message")[0]
            .to_string()
            .contains("Secret")
    );
    world.drain().await;
    assert_eq!(
        kinds(&world)[..2],
        ["message.received", "message.deleted"].map(str::to_owned)
    );
}

#[tokio::test]
async fn everything_that_one_message_became_goes_with_it() {
    let world = World::new().await;
    let channel = world.messenger().await;
    let files = json!([
        { "type": "image", "payload": { "url": "https://scontent.xx.fbcdn.net/a.jpg" } },
        { "type": "image", "payload": { "url": "https://scontent.xx.fbcdn.net/b.jpg" } },
    ]);
    let mut payload = messenger_text(PERSON, "m_1", "", START_MS - 1_000);
    let event = &mut payload["entry"][0]["messaging"][0];
    event["message"] = json!({ "mid": "m_1", "attachments": files });
    world.from_meta(&channel, &payload).await.expect(200);
    // Another that only begins alike.
    let other = messenger_text(PERSON, "m_10", "Stays", START_MS - 900);
    world.from_meta(&channel, &other).await.expect(200);
    payload["entry"][0]["messaging"][0]["message"] = json!({ "mid": "m_1", "is_deleted": true });
    world.from_meta(&channel, &payload).await.expect(200);
    let all = world.get("/v1/messages").await["data"].clone();
    let all = all.as_array().expect("messages");
    assert_eq!(all.len(), 3);
    for message in all {
        let stays = message["content"]["text"] == "Stays";
        assert_eq!(message["deletedAt"].is_null(), stays, "{message}");
    }
}

#[tokio::test]
async fn what_is_told_of_a_send_before_its_answer_came_waits_for_it() {
    let world = World::new().await;
    let channel = world.open_whatsapp().await;
    world
        .subscribe("https://subscriber.example/hook", &["message.reaction"])
        .await;
    let payload = said(&[reaction("wamid.r", "wamid.late", "\u{1f389}")]);
    world.from_meta(&channel, &payload).await.expect(200);
    world.drain().await;
    assert!(kinds(&world).is_empty());
    let answer = json!({ "messages": [{ "id": "wamid.late" }] });
    let answer = Answer::Http(200, answer);
    world.ports().from_provider.borrow_mut().push_back(answer);
    let message = world
        .post("/v1/messages", text(CUSTOMER, "Hi"))
        .await
        .expect(202);
    world.drain().await;
    world.advance(61_000);
    world.gateway.sweep().await;
    world.drain().await;
    let told = told(&world, "subscriber.example");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].1["message"]["id"], id(&message));
    // What never becomes known is kept as long as events are.
    let payload = said(&[reaction("wamid.r2", "wamid.never", "\u{1f389}")]);
    world.from_meta(&channel, &payload).await.expect(200);
    world.advance(31 * 24 * 3_600_000);
    world.gateway.sweep().await;
    assert_eq!(world.database().count("SELECT COUNT(*) FROM change"), 0);
}

#[tokio::test]
async fn what_the_business_writes_elsewhere_appears_once_as_sent() {
    let (world, channel) = listening().await;
    let echo = whatsapp_echo(
        json!({ "from": "15550100001", "to": CUSTOMER, "id": "wamid.phone",
        "timestamp": at(-10), "type": "text", "text": { "body": "From the phone" } }),
    );
    for _ in 0..2 {
        world.from_meta(&channel, &echo).await.expect(200);
    }
    world.drain().await;
    let message = newest(&world).await;
    assert_eq!(message["direction"], "outbound");
    assert_eq!(message["status"], "sent");
    assert_eq!(message["content"]["text"], "From the phone");
    assert_eq!(kinds(&world), ["message.sent"]);
    let conversation = world.get("/v1/conversations").await["data"][0].clone();
    assert_eq!(conversation["unreadCount"], 0);
    assert!(conversation["lastInboundAt"].is_null());
    assert!(conversation["lastOutboundAt"].is_string());
    // It opens no window, takes its turn, and is reported on as any other.
    world
        .from_meta(&channel, &said(&[words("wamid.in", "Thanks")]))
        .await
        .expect(200);
    let report = crate::support::outgoing::report("wamid.phone", "read", START_MS / 1_000);
    let reports = crate::support::outgoing::reports(&[report]);
    world.from_meta(&channel, &reports).await.expect(200);
    let all = world.get("/v1/messages").await["data"].clone();
    assert_eq!(all[1]["status"], "read");
}

fn whatsapp_echo(echo: Value) -> Value {
    let mut payload = whatsapp_value(json!({ "message_echoes": [echo] }));
    payload["entry"][0]["changes"][0]["field"] = json!("smb_message_echoes");
    payload
}

/// A page that somebody wrote to, and whose next message will be `m_ours`.
async fn about_to_answer() -> (World, String) {
    let world = World::new().await;
    let channel = world.messenger().await;
    let hello = messenger_text(PERSON, "m_in", "Hi", START_MS - 1_000);
    world.from_meta(&channel, &hello).await.expect(200);
    let answer = json!({ "recipient_id": PERSON, "message_id": "m_ours" });
    let answer = Answer::Http(200, answer);
    world.ports().from_provider.borrow_mut().push_back(answer);
    (world, channel)
}

#[tokio::test]
async fn the_echo_of_our_own_message_is_none() {
    let (world, channel) = about_to_answer().await;
    let body =
        json!({ "from": channel, "to": PERSON, "content": { "type": "text", "text": "Yes" } });
    let message = world.post("/v1/messages", body).await.expect(202);
    let echo = |mid: &str, text: &str| {
        json!({ "object": "page", "entry": [{ "id": crate::support::world::PAGE_ID, "time": START_MS,
            "messaging": [{ "sender": { "id": crate::support::world::PAGE_ID }, "recipient": { "id": PERSON },
                "timestamp": START_MS, "message": { "is_echo": true, "mid": mid, "text": text } }] }] })
    };
    // Before the provider's answer is recorded, and after.
    world.ports().stalls.set(true);
    let sending = world.drain();
    let between = async {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        world
            .from_meta(&channel, &echo("m_ours", "Yes"))
            .await
            .expect(200);
        world.ports().stalls.set(false);
    };
    futures_util::future::join(sending, between).await;
    world
        .from_meta(&channel, &echo("m_ours", "Yes"))
        .await
        .expect(200);
    assert_eq!(world.status(&message).await, "sent");
    let outbound = "SELECT COUNT(*) FROM message WHERE direction = 'outbound'";
    assert_eq!(world.database().count(outbound), 1);
    world
        .from_meta(&channel, &echo("m_other", "By hand"))
        .await
        .expect(200);
    assert_eq!(world.database().count(outbound), 2);
}

#[tokio::test]
async fn a_text_that_becomes_a_picture_is_its_caption_and_never_a_picture_without_a_file() {
    let world = World::new().await;
    let channel = world.telegram().await;
    let update = |number: u64, kind: &str, id: u64, said: Value| {
        let mut message = json!({
            "message_id": id, "date": START_MS / 1_000, "edit_date": START_MS / 1_000 + 5,
            "chat": { "id": 5_550_001, "type": "private", "first_name": "Grace" },
        });
        for (name, part) in said.as_object().expect("fields") {
            message[name] = part.clone();
        }
        json!({ "update_id": number, kind: message })
    };
    let photo = json!([{ "file_id": "NEW", "width": 90, "height": 90 }]);
    for (number, id, becomes, content) in [
        (
            1,
            7,
            json!({ "photo": photo, "caption": "See" }),
            json!({ "type": "text", "text": "See" }),
        ),
        (
            3,
            8,
            json!({ "photo": photo }),
            json!({ "type": "unsupported", "providerType": "image" }),
        ),
    ] {
        let said = update(number, "message", id, json!({ "text": "Look" }));
        world.from_telegram(&channel, &said).await.expect(200);
        let edited = update(number + 1, "edited_message", id, becomes);
        world.from_telegram(&channel, &edited).await.expect(200);
        let listed = world.get("/v1/messages").await;
        let listed = listed["data"].as_array().expect("a list");
        let provider_id = format!("5550001:{id}");
        let message = listed
            .iter()
            .find(|message| message["providerMessageId"] == provider_id.as_str())
            .expect("the message");
        assert_eq!(message["content"], content);
        assert!(message["editedAt"].is_string());
    }
}

#[tokio::test]
async fn an_edit_that_tells_no_words_leaves_the_message_as_it_is() {
    let world = World::new().await;
    let channel = world.instagram().await;
    let hello = crate::support::world::instagram_text(PERSON, "aWdf1", "Hello", START_MS - 1_000);
    let mut edit = hello.clone();
    let event = &mut edit["entry"][0]["messaging"][0];
    event["message"] = Value::Null;
    event["message_edit"] = json!({ "mid": "aWdf1", "num_edit": 0 });
    event.as_object_mut().expect("an event").remove("message");
    for payload in [&edit, &hello, &edit] {
        world.from_meta(&channel, payload).await.expect(200);
    }
    let message = newest(&world).await;
    assert_eq!(message["content"]["text"], "Hello");
    assert!(message["editedAt"].is_null());
}

#[tokio::test]
async fn the_echo_of_our_own_buttons_is_none() {
    let (world, channel) = about_to_answer().await;
    let button = json!({ "id": "red", "title": "Red" });
    let content =
        json!({ "type": "interactive", "kind": "buttons", "body": "Which?", "buttons": [button] });
    let body = json!({ "from": channel, "to": PERSON, "content": content });
    world.post("/v1/messages", body).await.expect(202);
    world.drain().await;
    let page = crate::support::world::PAGE_ID;
    let template = json!({ "type": "template", "title": "Which?", "payload": {
        "template_type": "button", "buttons": [{ "type": "postback", "title": "Red", "payload": "red" }] } });
    let echo = json!({ "object": "page", "entry": [{ "id": page, "time": START_MS, "messaging": [{
        "sender": { "id": page }, "recipient": { "id": PERSON }, "timestamp": START_MS,
        "message": { "is_echo": true, "mid": "m_ours", "text": "Which?", "attachments": [template] } }] }] });
    world.from_meta(&channel, &echo).await.expect(200);
    let outbound = "SELECT COUNT(*) FROM message WHERE direction = 'outbound'";
    assert_eq!(world.database().count(outbound), 1);
}

#[tokio::test]
async fn a_deleted_message_takes_along_what_was_told_beside_it() {
    let world = World::new().await;
    let channel = world.telegram().await;
    let chat = json!({ "id": 5_550_001, "type": "private", "first_name": "Grace" });
    let poll = json!({ "update_id": 1, "business_message": {
        "message_id": 7, "date": START_MS / 1_000, "chat": chat, "from": chat,
        "business_connection_id": "bC", "poll": { "id": "1", "question": "Tea?", "options": [] },
    } });
    world.from_telegram(&channel, &poll).await.expect(200);
    let message = newest(&world).await;
    assert_eq!(message["metadata"]["poll"]["question"], "Tea?");
    let deleted = json!({ "update_id": 2, "deleted_business_messages": {
        "business_connection_id": "bC", "chat": chat, "message_ids": [7],
    } });
    world.from_telegram(&channel, &deleted).await.expect(200);
    let message = newest(&world).await;
    assert!(message["deletedAt"].is_string());
    assert_eq!(message["metadata"], Value::Null);
}
