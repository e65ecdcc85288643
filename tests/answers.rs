//! Sending with `onUnsupported: adapt`, and the way back: a customer who answers with the
//! number or the title of a choice has pressed its button.

use crate::support::outgoing::{HOOK, id, pointer};
use crate::support::world::{CUSTOMER, instagram_text, messenger_text};
use crate::support::{Answer, World};
use http::Method;
use serde_json::{Value, json};

const PERSON: &str = "6543217890123456";
const PHONE: &str = "+15550177777";
const SITE: &str = "https://shop.example";
const PAGE: &str = "https://shop.example/shirts";
const PICTURE: &str = "https://shop.example/shirt.jpg";

/// A customer on a channel of a type, who has just written.
struct Chat {
    world: World,
    kind: &'static str,
    channel: String,
    who: &'static str,
}

impl Chat {
    async fn open(kind: &'static str) -> Self {
        let world = World::new().await;
        let (channel, who) = match kind {
            "whatsapp" => (world.whatsapp().await, CUSTOMER),
            "messenger" => (world.messenger().await, PERSON),
            "instagram" => (world.instagram().await, PERSON),
            "telegram" => (world.telegram().await, "77"),
            _ => (world.sms().await, PHONE),
        };
        let chat = Self {
            world,
            kind,
            channel,
            who,
        };
        chat.says("Hi").await;
        chat.world.drain().await;
        chat
    }

    /// The customer writes, under an id of its own; gives back the content as it is kept.
    async fn says(&self, text: &str) -> Value {
        let messages = self.world.database().count("SELECT count(*) FROM message");
        self.says_under(text, messages).await;
        self.newest().await
    }

    async fn says_under(&self, text: &str, number: i64) {
        let (world, who) = (&self.world, self.who);
        let at = world.ports().now_ms.get();
        let own = format!("in.{number}");
        let reply = match self.kind {
            "whatsapp" => {
                world.customer_writes(&self.channel, who, &own, text).await;
                return;
            }
            "messenger" => {
                let payload = messenger_text(who, &own, text, at);
                world.from_meta(&self.channel, &payload).await
            }
            "instagram" => {
                let payload = instagram_text(who, &own, text, at);
                world.from_meta(&self.channel, &payload).await
            }
            "telegram" => {
                let update = json!({ "update_id": number, "message": {
                    "message_id": 1_000 + number, "date": at / 1_000, "chat": { "id": 77, "type": "private" },
                    "from": { "id": 77, "is_bot": false, "first_name": "Ada" }, "text": text,
                } });
                world.from_telegram(&self.channel, &update).await
            }
            _ => {
                let sid = format!("SM{number:032}");
                let fields = [
                    ("MessageSid", sid.as_str()),
                    ("From", who),
                    ("To", "+15550100009"),
                    ("Body", text),
                    ("NumMedia", "0"),
                ];
                world.from_twilio(&self.channel, "", &fields).await
            }
        };
        reply.expect(200);
    }

    /// The content of the newest message.
    async fn newest(&self) -> Value {
        let conversations = self.world.get("/v1/conversations").await;
        let path = format!(
            "/v1/conversations/{}/messages?limit=1",
            id(&conversations["data"][0])
        );
        self.world.get(&path).await["data"][0]["content"].clone()
    }

    fn body(&self, content: Value) -> Value {
        json!({
            "from": self.channel, "to": self.who, "content": content, "onUnsupported": "adapt",
        })
    }

    /// Sends a content, adapted, and has the provider take it.
    async fn sends(&self, content: Value) -> Value {
        let accepted = self.accepts(content).await;
        self.world.drain().await;
        accepted
    }

    async fn accepts(&self, content: Value) -> Value {
        let body = self.body(content);
        let accepted = self.world.post("/v1/messages", body).await;
        accepted.expect(202)
    }
}

fn reply(id: &str, title: &str) -> Value {
    json!({ "type": "reply", "id": id, "title": title })
}

fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

fn yes_or_no() -> Value {
    json!({
        "type": "interactive", "kind": "buttons", "body": "Is it right?",
        "buttons": [{ "id": "yes", "title": "Yes" }, { "id": "no", "title": "Não" }],
    })
}

fn buttons(count: usize) -> Value {
    let buttons: Vec<Value> = (1..=count)
        .map(|at| json!({ "id": format!("b{at}"), "title": format!("Choice {at}") }))
        .collect();
    json!({ "type": "interactive", "kind": "buttons", "body": "Which one?", "buttons": buttons })
}

fn sizes(rows: usize) -> Value {
    let rows: Vec<Value> = (1..=rows)
        .map(|at| json!({ "id": format!("r{at}"), "title": format!("Size {at}"), "description": "in blue" }))
        .collect();
    json!({
        "type": "interactive", "kind": "list", "body": "Which size?",
        "list": { "button": "Sizes", "sections": [{ "rows": rows }] },
    })
}

fn shirts(count: usize) -> Value {
    let title = "A shirt of a long name ".repeat(20);
    let cards: Vec<Value> = (1..=count)
        .map(|at| {
            json!({
                "title": format!("{title}{at}"), "imageUrl": PICTURE, "buttons": [
                    { "kind": "reply", "id": format!("buy{at}"), "title": format!("Buy {at}") },
                    { "kind": "reply", "id": format!("keep{at}"), "title": "Keep" },
                    { "kind": "url", "title": "See", "url": PAGE },
                ],
            })
        })
        .collect();
    json!({ "type": "cards", "cards": cards })
}

#[tokio::test]
async fn buttons_are_numbered_and_answered_by_number_or_title() {
    let chat = Chat::open("sms").await;
    let accepted = chat.sends(yes_or_no()).await;
    assert_eq!(accepted["content"], text("Is it right?\n\n1. Yes\n2. Não"));
    assert_eq!(
        accepted["adapted"],
        json!({
            "changes": [{
                "pointer": "/content/buttons",
                "detail": "are numbered: the answer is a number or a title",
            }],
            "parts": [accepted["id"]],
        })
    );
    for answer in ["2", "2.", " 2 ", "não", " NÃO\n"] {
        assert_eq!(chat.says(answer).await, reply("no", "Não"), "{answer:?}");
    }
    assert_eq!(chat.says("YES").await, reply("yes", "Yes"));
    for other in ["3", "0", "02", "2!", "yes please", "1 2", "-1", "1.0"] {
        assert_eq!(chat.says(other).await, text(other.trim()), "{other:?}");
    }
}

#[tokio::test]
async fn every_channel_that_lacks_or_exceeds_them_takes_the_answer_as_its_own_reply() {
    let described = |id: &str, title: &str| {
        let mut described = reply(id, title);
        described["description"] = json!("in blue");
        described
    };
    for (kind, content, answer, expected) in [
        ("sms", sizes(12), "11", described("r11", "Size 11")),
        ("sms", sizes(12), "size 3", described("r3", "Size 3")),
        ("sms", shirts(3), "5", reply("buy3", "Buy 3")),
        ("sms", shirts(3), "buy 2", reply("buy2", "Buy 2")),
        ("whatsapp", shirts(2), "3", reply("buy2", "Buy 2")),
        ("whatsapp", shirts(2), "Buy 1", reply("buy1", "Buy 1")),
        ("whatsapp", sizes(11), "11.", described("r11", "Size 11")),
        ("telegram", buttons(101), "77", text("77")),
        ("telegram", buttons(100), "77", text("77")),
        ("telegram", sizes(11), "11", described("r11", "Size 11")),
        ("telegram", shirts(2), "3", reply("buy2", "Buy 2")),
        (
            "messenger",
            buttons(14),
            "choice 14",
            reply("b14", "Choice 14"),
        ),
        ("messenger", sizes(11), "4", described("r4", "Size 4")),
        ("messenger", shirts(2), "Buy 2", reply("buy2", "Buy 2")),
        ("instagram", buttons(14), "14", reply("b14", "Choice 14")),
        ("instagram", shirts(2), "2", reply("keep1", "Keep")),
    ] {
        let chat = Chat::open(kind).await;
        if kind == "telegram" && content["buttons"].as_array().map(Vec::len) == Some(101) {
            // More than are numbered at all.
            let body = chat.body(content);
            let problem = chat.world.post("/v1/messages", body).await.expect(422);
            assert_eq!(pointer(&problem), "/content");
            continue;
        }
        chat.sends(content.clone()).await;
        assert_eq!(chat.says(answer).await, expected, "{kind} {answer}");
        // A title that several have chooses none of them.
        if content["type"] == "cards" {
            assert_eq!(chat.says("Keep").await, text("Keep"), "{kind}");
        }
    }
}

#[tokio::test]
async fn a_reply_is_told_to_subscribers_as_one_and_a_repeat_changes_nothing() {
    let chat = Chat::open("sms").await;
    chat.world.subscribe(HOOK, &["message.received"]).await;
    chat.sends(yes_or_no()).await;
    chat.says_under("2", 900).await;
    chat.world.drain().await;
    let told = chat.world.requests_to("hooks.example.com");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["data"]["message"]["content"], reply("no", "Não"));
    // A later message with choices does not turn what was answered before.
    chat.sends(json!({
        "type": "interactive", "kind": "buttons", "body": "And now?",
        "buttons": [{ "id": "a", "title": "A" }, { "id": "b", "title": "B" }],
    }))
    .await;
    let before = chat.world.database().dump();
    chat.says_under("2", 900).await;
    let after = chat.world.database().dump();
    assert_eq!(before, after);
}

#[tokio::test]
async fn the_newest_choices_are_answered_and_only_what_was_sent_before() {
    let chat = Chat::open("sms").await;
    let second = json!({
        "type": "interactive", "kind": "buttons", "body": "Which day?",
        "buttons": [{ "id": "mon", "title": "Monday" }, { "id": "tue", "title": "Tuesday" }],
    });
    chat.sends(yes_or_no()).await;
    assert_eq!(chat.says("1").await, reply("yes", "Yes"));
    // Accepted, but not yet with the provider: nobody can have seen it.
    chat.world.advance(60_000);
    chat.accepts(second.clone()).await;
    assert_eq!(chat.says("1").await, reply("yes", "Yes"));
    chat.world.drain().await;
    assert_eq!(chat.says("1").await, reply("mon", "Monday"));
    assert_eq!(chat.says("yes").await, text("yes"));
    // Plain texts between do not take the choices away.
    chat.sends(text("Take your time")).await;
    assert_eq!(chat.says("tuesday").await, reply("tue", "Tuesday"));
    // One that failed asked nobody.
    chat.world.advance(60_000);
    let refusal = json!({ "code": 21610, "message": "unsubscribed", "status": 400 });
    let answers = &chat.world.ports().answers;
    answers.borrow_mut().push_back(Answer::Http(400, refusal));
    let failed = chat.sends(yes_or_no()).await;
    assert_eq!(chat.world.status(&failed).await, "failed");
    assert_eq!(chat.says("1").await, reply("mon", "Monday"));
}

#[tokio::test]
async fn an_answer_that_comes_late_is_to_what_was_asked_when_it_was_written() {
    let chat = Chat::open("whatsapp").await;
    chat.sends(shirts(1)).await;
    chat.world.advance(30_000);
    let written_at = chat.world.ports().now_ms.get() / 1_000;
    chat.world.advance(60_000);
    chat.sends(sizes(11)).await;
    chat.world.advance(30_000);
    let late = crate::support::world::whatsapp_text(CUSTOMER, "late", "1", written_at);
    chat.world.from_meta(&chat.channel, &late).await.expect(200);
    assert_eq!(chat.newest().await, reply("buy1", "Buy 1"));
    assert_eq!(chat.says("1").await["id"], "r1");
}

#[tokio::test]
async fn choices_end_after_fifty_messages() {
    let chat = Chat::open("sms").await;
    chat.sends(yes_or_no()).await;
    for number in 0..49 {
        chat.says(&format!("word {number}")).await;
    }
    assert_eq!(chat.says("1").await, reply("yes", "Yes"));
    assert_eq!(chat.says("1").await, text("1"));
}

#[tokio::test]
async fn several_answers_of_one_payload_are_each_to_the_same_choices() {
    let chat = Chat::open("whatsapp").await;
    chat.sends(shirts(2)).await;
    let at = chat.world.ports().now_ms.get() / 1_000;
    let message = |id: &str, text: &str| json!({ "from": CUSTOMER, "id": id, "timestamp": at.to_string(), "type": "text", "text": { "body": text } });
    let stranger = json!({
        "from": "5511900000000", "id": "d", "timestamp": at.to_string(), "type": "text", "text": { "body": "1" },
    });
    let value = json!({ "messages": [message("a", "1"), message("b", "buy 2"), message("c", "9"), stranger] });
    let payload = crate::support::world::whatsapp_value(value);
    chat.world
        .from_meta(&chat.channel, &payload)
        .await
        .expect(200);
    let kept = chat.world.database().query(
        "SELECT content FROM message WHERE provider_message_id IN ('a', 'b', 'c', 'd') ORDER BY provider_message_id",
    );
    let kept: Vec<Value> = kept
        .iter()
        .map(|row| serde_json::from_str(row["content"].as_str().expect("text")).expect("JSON"))
        .collect();
    // Somebody else was asked nothing.
    let expected = [
        reply("buy1", "Buy 1"),
        reply("buy2", "Buy 2"),
        text("9"),
        text("1"),
    ];
    assert_eq!(kept, expected);
}

#[tokio::test]
async fn only_a_text_answers() {
    let chat = Chat::open("whatsapp").await;
    chat.sends(shirts(1)).await;
    let at = chat.world.ports().now_ms.get() / 1_000;
    let image = json!({
        "from": CUSTOMER, "id": "pic", "timestamp": at.to_string(), "type": "image",
        "image": { "id": "1", "mime_type": "image/jpeg", "sha256": "x", "caption": "1" },
    });
    let payload = crate::support::world::whatsapp_value(json!({ "messages": [image] }));
    chat.world
        .from_meta(&chat.channel, &payload)
        .await
        .expect(200);
    assert_ne!(chat.newest().await["type"], "reply");
}

#[tokio::test]
async fn a_visitor_of_a_web_chat_answers_too() {
    let world = World::new().await;
    let channel = world
        .post("/v1/channels", json!({
            "type": "webchat", "name": "Site", "credentials": {}, "settings": { "allowedOrigins": [SITE] },
        }))
        .await
        .expect(201);
    let chat = format!("/webchat/{}", channel["publicKey"].as_str().expect("a key"));
    let headers = [("origin", SITE)];
    let opened = world
        .bare(Method::POST, &format!("{chat}/sessions"), &headers, "{}")
        .await
        .expect(201);
    let bearer = format!("Bearer {}", opened["token"].as_str().expect("a token"));
    let headers = [("origin", SITE), ("authorization", bearer.as_str())];
    world.subscribe(HOOK, &["message.sent"]).await;
    let mut content = buttons(21);
    content["body"] = json!("Wort ".repeat(1_500));
    let body =
        json!({ "to": opened["conversationId"], "content": content, "onUnsupported": "adapt" });
    let accepted = world.post("/v1/messages", body).await.expect(202);
    assert_eq!(accepted["status"], "sent");
    let parts = accepted["adapted"]["parts"]
        .as_array()
        .expect("parts")
        .clone();
    assert_eq!(parts.len(), 2);
    // There is no provider: each part is sent by being accepted, and told of.
    for part in &parts {
        let path = format!("/v1/messages/{}", part.as_str().expect("an id"));
        assert_eq!(world.get(&path).await["status"], "sent");
    }
    world.drain().await;
    let told = world.requests_to("hooks.example.com");
    let told: Vec<&Value> = told
        .iter()
        .map(|body| &body["data"]["message"]["id"])
        .collect();
    assert_eq!(told.len(), 2);
    assert!(parts.iter().all(|part| told.contains(&part)));
    assert!(
        world
            .ports()
            .requests
            .borrow()
            .iter()
            .all(|it| it.uri().host() == Some("hooks.example.com"))
    );
    let page = world
        .bare(
            Method::GET,
            &format!("{chat}/messages?after=0"),
            &headers,
            "",
        )
        .await
        .expect(200);
    assert_eq!(page["data"].as_array().map(Vec::len), Some(2));
    let post = async |own_id: &str, text: &str| {
        let body =
            json!({ "content": { "type": "text", "text": text }, "clientMessageId": own_id });
        let path = format!("{chat}/messages");
        world
            .bare(Method::POST, &path, &headers, body.to_string())
            .await
    };
    let answered = post("own-1", " 21. ").await.expect(201);
    assert_eq!(answered["content"], reply("b21", "Choice 21"));
    let again = post("own-1", " 21. ").await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.body["content"], reply("b21", "Choice 21"));
    assert_eq!(post("own-2", "22").await.expect(201)["content"], text("22"));
}

#[tokio::test]
async fn a_replay_answers_the_same_and_sends_nothing_more() {
    let chat = Chat::open("sms").await;
    let body = chat.body(shirts(3));
    let first = chat
        .world
        .post_under("order-1", body.clone())
        .await
        .expect(202);
    assert_eq!(first["adapted"]["parts"].as_array().map(Vec::len), Some(3));
    chat.world.drain().await;
    let before = chat.world.database().dump();
    let again = chat.world.post_under("order-1", body.clone()).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.body["adapted"], first["adapted"]);
    assert_eq!(again.body["content"], first["content"]);
    let mut rejecting = body;
    rejecting["onUnsupported"] = json!("reject");
    let other = chat
        .world
        .post_under("order-1", rejecting)
        .await
        .expect(409);
    assert_eq!(other["code"], "idempotency_key_reused");
    assert_eq!(chat.world.database().dump(), before);
}

#[tokio::test]
async fn an_adapted_message_survives_a_batch_that_runs_twice() {
    let chat = Chat::open("sms").await;
    chat.world.database().runs_twice.set(true);
    chat.sends(shirts(2)).await;
    assert_eq!(chat.says("3").await, reply("buy2", "Buy 2"));
    let messages = chat.world.database().count("SELECT count(*) FROM message");
    assert_eq!(messages, 4);
}

#[tokio::test]
async fn validate_shows_what_a_send_makes_of_it() {
    for (kind, content) in [
        ("sms", yes_or_no()),
        ("sms", shirts(2)),
        ("whatsapp", shirts(2)),
        (
            "telegram",
            json!({ "type": "text", "text": "Wort ".repeat(2_000) }),
        ),
        (
            "messenger",
            json!({ "type": "location", "latitude": 1.5, "longitude": -2.5 }),
        ),
        (
            "messenger",
            json!({ "type": "image", "url": PICTURE, "caption": "Wort ".repeat(500) }),
        ),
        (
            "instagram",
            json!({ "type": "text", "text": "ção ".repeat(400) }),
        ),
    ] {
        let chat = Chat::open(kind).await;
        let before = chat.world.database().dump();
        let body = chat.body(content.clone());
        let check = chat
            .world
            .post("/v1/messages/validate", body.clone())
            .await
            .expect(200);
        assert_eq!(chat.world.database().dump(), before);
        assert_eq!(
            (&check["valid"], &check["problems"]),
            (&json!(true), &json!([])),
            "{kind} {content}"
        );
        let accepted = chat
            .world
            .post("/v1/messages", body.clone())
            .await
            .expect(202);
        assert_eq!(check["adapted"]["changes"], accepted["adapted"]["changes"]);
        let shown = check["adapted"]["parts"].as_array().expect("parts");
        let made = accepted["adapted"]["parts"].as_array().expect("parts");
        assert_eq!(shown.len(), made.len(), "{kind} {content}");
        for (shown, made) in shown.iter().zip(made) {
            let path = format!("/v1/messages/{}", made.as_str().expect("an id"));
            assert_eq!(&chat.world.get(&path).await["content"], shown);
        }
        // Without it, the same is refused.
        let mut rejecting = body;
        rejecting["onUnsupported"] = json!("reject");
        let check = chat
            .world
            .post("/v1/messages/validate", rejecting.clone())
            .await
            .expect(200);
        assert_eq!(check["valid"], false);
        chat.world.post("/v1/messages", rejecting).await.expect(422);
    }
}

#[tokio::test]
async fn an_answer_to_a_message_that_no_channel_can_name_is_sent_without() {
    let chat = Chat::open("sms").await;
    let first = chat.sends(text("Hi")).await;
    let mut body = chat.body(text("And"));
    body["replyTo"] = first["id"].clone();
    let check = chat
        .world
        .post("/v1/messages/validate", body.clone())
        .await
        .expect(200);
    assert_eq!(check["adapted"]["changes"][0]["pointer"], "/replyTo");
    assert_eq!(check["adapted"]["parts"], json!([text("And")]));
    let sent = chat
        .world
        .post("/v1/messages", body.clone())
        .await
        .expect(202);
    assert_eq!(sent["replyTo"], Value::Null);
    assert_eq!(sent["adapted"]["changes"][0]["pointer"], "/replyTo");
    body["onUnsupported"] = json!("reject");
    let problem = chat.world.post("/v1/messages", body).await.expect(422);
    assert_eq!(problem["code"], "unsupported_content");
}

#[tokio::test]
async fn what_cannot_be_adapted_is_refused_where_it_is_wrong() {
    let chat = Chat::open("sms").await;
    let mut blank = yes_or_no();
    blank["buttons"][1]["title"] = json!(" ");
    for (content, code, at) in [
        (
            json!({ "type": "typing" }),
            "unsupported_content",
            "/content/type",
        ),
        (
            json!({ "type": "markSeen" }),
            "unsupported_content",
            "/content/type",
        ),
        (
            json!({ "type": "reaction", "messageId": "0197a000-0000-7000-8000-000000000001", "emoji": "👍" }),
            "unsupported_content",
            "/content/type",
        ),
        (blank, "invalid_request", "/content/buttons/1/title"),
        (text(" "), "invalid_request", "/content/text"),
        (text(&"Wort ".repeat(20_000)), "invalid_request", "/content"),
        (
            json!({ "type": "poll" }),
            "invalid_request",
            "/content/type",
        ),
    ] {
        let refused = chat.world.refused(chat.body(content.clone())).await;
        assert_eq!(refused.as_told(), (422, code, at), "{content}");
    }
}

#[tokio::test]
async fn what_fits_is_sent_as_it_is() {
    let chat = Chat::open("whatsapp").await;
    for content in [text("Hi"), yes_or_no(), sizes(10)] {
        let accepted = chat.accepts(content.clone()).await;
        assert_eq!(accepted["content"], content);
        assert_eq!(accepted["adapted"], Value::Null);
    }
    chat.world.drain().await;
    // Its own buttons answer for themselves.
    assert_eq!(chat.says("1").await, text("1"));
    let kept = chat
        .world
        .database()
        .count("SELECT count(choices) FROM message");
    assert_eq!(kept, 0);
}

#[tokio::test]
async fn a_window_is_as_closed_to_what_was_adapted() {
    let chat = Chat::open("messenger").await;
    chat.world.advance(25 * 3_600_000);
    let location = json!({ "type": "location", "latitude": 1.5, "longitude": -2.5 });
    let problem = chat
        .world
        .post("/v1/messages", chat.body(location))
        .await
        .expect(422);
    assert_eq!(problem["code"], "window_closed");
}

fn shipped() -> Value {
    crate::support::templates::template(
        "shipped",
        "en",
        "APPROVED",
        json!([
            { "type": "HEADER", "format": "TEXT", "text": "Order {{1}}" },
            { "type": "BODY", "text": "It is on its way, {{1}}." },
            { "type": "FOOTER", "text": "The shop" },
            { "type": "BUTTONS", "buttons": [
                { "type": "URL", "text": "Track", "url": "https://shop.example/t/{{1}}" },
                { "type": "QUICK_REPLY", "text": "Change address" },
                { "type": "PHONE_NUMBER", "text": "Call us", "phone_number": "+15550100001" },
            ] },
        ]),
    )
}

#[tokio::test]
async fn a_template_is_what_it_says_on_a_channel_without_templates() {
    let chat = Chat::open("sms").await;
    let world = &chat.world;
    let whatsapp = world.whatsapp().await;
    world.has_templates(&whatsapp, &[shipped()]).await;
    let template = id(&world.template("shipped", "en").await);
    let variables = json!({ "header.1": "42", "1": "Ana", "button.0.1": "xyz" });
    for named in [
        json!({ "key": "shipped" }),
        json!({ "id": template }),
        json!({ "name": "shipped", "language": "en" }),
    ] {
        let mut content = named;
        content["type"] = json!("template");
        content["variables"] = variables.clone();
        let accepted = chat.sends(content.clone()).await;
        assert_eq!(
            accepted["content"]["text"],
            "Order 42\n\nIt is on its way, Ana.\nCall us: +15550100001\n\nTrack: https://shop.example/t/xyz\n1. Change address\n\nThe shop"
        );
        let changes = accepted["adapted"]["changes"].as_array().expect("changes");
        assert_eq!(changes[0]["pointer"], "/content/type");
        assert!(changes.iter().skip(1).all(|it| it["pointer"] == "/content"));
        assert_eq!(
            chat.says("1").await,
            reply("Change address", "Change address")
        );
        let mut rejecting = chat.body(content);
        rejecting["onUnsupported"] = json!("reject");
        let problem = world.post("/v1/messages", rejecting).await.expect(422);
        assert_eq!(problem["code"], "unsupported_content");
    }
    for (content, code, at) in [
        (
            json!({ "type": "template", "key": "shipped", "variables": { "1": "Ana" } }),
            "template_parameter_mismatch",
            "/content/variables/header.1",
        ),
        (
            json!({ "type": "template", "key": "unheard" }),
            "template_not_approved",
            "/content/key",
        ),
        (
            json!({ "type": "template", "key": "shipped", "language": "de" }),
            "template_not_approved",
            "/content/language",
        ),
    ] {
        let refused = world.refused(chat.body(content.clone())).await;
        assert_eq!(refused.as_told(), (422, code, at), "{content}");
    }
    // Another workspace's is nobody's.
    let (_, key) = world.new_workspace("Other").await;
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    let sms = json!({
        "type": "sms", "name": "Number", "identifier": "+15550100077",
        "credentials": { "provider": "twilio", "accountSid": "AC0123456789abcdef0123456789abcdef", "authToken": "x" },
    });
    let other = world
        .call_with(Method::POST, "/v1/channels", &headers, sms)
        .await
        .expect(201);
    let body = json!({
        "from": other["id"], "to": PHONE, "onUnsupported": "adapt",
        "content": { "type": "template", "id": template, "variables": variables },
    });
    let problem = world
        .call_with(Method::POST, "/v1/messages", &headers, body)
        .await
        .expect(422);
    assert_eq!(problem["code"], "template_not_approved");
}

#[tokio::test]
async fn a_template_keeps_its_buttons_where_the_channel_has_some() {
    let chat = Chat::open("messenger").await;
    let whatsapp = chat.world.whatsapp().await;
    let picture = crate::support::templates::template(
        "new",
        "en",
        "APPROVED",
        json!([
            { "type": "HEADER", "format": "IMAGE" },
            { "type": "BODY", "text": "New shirts, {{name}}" },
            { "type": "BUTTONS", "buttons": [{ "type": "QUICK_REPLY", "text": "Show me" }] },
        ]),
    );
    chat.world
        .has_templates(&whatsapp, &[picture, shipped()])
        .await;
    let accepted = chat
        .sends(json!({ "type": "template", "key": "new", "components": [
            { "type": "header", "parameters": [{ "type": "image", "image": { "link": PICTURE } }] },
            { "type": "body", "parameters": [{ "type": "text", "parameter_name": "name", "text": "Ana" }] },
            { "type": "button", "sub_type": "quick_reply", "index": "0", "parameters": [{ "type": "payload", "payload": "show-1" }] },
        ] }))
        .await;
    assert_eq!(
        accepted["content"],
        json!({ "type": "image", "url": PICTURE })
    );
    let parts = accepted["adapted"]["parts"].as_array().expect("parts");
    let path = format!("/v1/messages/{}", parts[1].as_str().expect("an id"));
    assert_eq!(
        chat.world.get(&path).await["content"],
        json!({
            "type": "interactive", "kind": "buttons", "body": "New shirts, Ana",
            "buttons": [{ "id": "show-1", "title": "Show me" }],
        })
    );
    // Nothing may be sent at any time for having been a template.
    chat.world.advance(25 * 3_600_000);
    let content = json!({
        "type": "template", "key": "shipped",
        "variables": { "header.1": "42", "1": "Ana", "button.0.1": "xyz" },
    });
    let problem = chat
        .world
        .post("/v1/messages", chat.body(content))
        .await
        .expect(422);
    assert_eq!(problem["code"], "window_closed");
}
