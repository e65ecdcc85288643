//! The styles of events: what each of them says, and how it is signed.

use crate::support::outgoing::{id, report, reports};
use crate::support::world::{
    CUSTOMER, SMS_NUMBER, START_MS, instagram_text, messenger_text, whatsapp_value,
};
use crate::support::{Answer, World};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{Method, Request};
use serde_json::{Value, json};
use sha2::Sha256;

const STYLES: [&str; 3] = ["visito", "chatt2me", "cloove"];
const START_S: i64 = START_MS / 1_000;
const START: &str = "2026-11-20T08:00:00.000Z";

/// A world with an endpoint of each compatible style that hears of everything; each has a
/// host of its own, and this is its secret.
struct Styled {
    world: World,
    secrets: Vec<(&'static str, String)>,
}

fn host(style: &str) -> String {
    format!("{style}.example")
}

async fn styled() -> Styled {
    let world = World::new().await;
    let mut secrets = Vec::new();
    for style in STYLES {
        let endpoint = subscribe(&world, style, &["*"]).await;
        secrets.push((style, text(&endpoint["secret"])));
    }
    Styled { world, secrets }
}

async fn subscribe(world: &World, style: &str, events: &[&str]) -> Value {
    let url = format!("https://{}/hook", host(style));
    let body = json!({ "url": url, "events": events, "style": style });
    let made = world.post("/v1/webhooks", body).await.expect(201);
    assert_eq!(made["style"], style);
    made
}

#[track_caller]
fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn header(request: &Request<Bytes>, name: &str) -> Option<String> {
    let value = request.headers().get(name)?.to_str().expect("ASCII");
    Some(value.to_owned())
}

fn body(request: &Request<Bytes>) -> Value {
    serde_json::from_slice(request.body()).expect("JSON")
}

fn mac(key: &[u8], content: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key");
    content.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

impl Styled {
    fn secret(&self, style: &str) -> &str {
        let found = self.secrets.iter().find(|(known, _)| *known == style);
        &found.expect("a style").1
    }

    fn posts(&self, style: &str) -> Vec<Request<Bytes>> {
        self.world.posts_to(&host(style))
    }

    /// What a style was told last, and how often it was told anything, signatures checked.
    fn told(&self, style: &str) -> (usize, Value) {
        let posts = self.posts(style);
        for post in &posts {
            self.verify(style, post);
        }
        let last = posts.last().map_or(Value::Null, body);
        (posts.len(), last)
    }

    /// Recomputes both signatures from the bytes that were sent.
    fn verify(&self, style: &str, post: &Request<Bytes>) {
        let secret = self.secret(style);
        let own = match style {
            "visito" => "X-Visito-Signature",
            "chatt2me" => "X-hub-Signature",
            _ => "Cloove-Signature",
        };
        let at = header(post, "webhook-timestamp").expect("a time");
        let under = mac(
            secret.as_bytes(),
            &[at.as_bytes(), b".", post.body().as_ref()],
        );
        assert_eq!(
            header(post, own),
            Some(format!("t={at},v1={}", hex::encode(under))),
            "{style}"
        );
        let event = header(post, "webhook-id").expect("an id");
        let key = STANDARD
            .decode(secret.trim_start_matches("whsec_"))
            .expect("base64");
        let under = mac(
            &key,
            &[
                event.as_bytes(),
                b".",
                at.as_bytes(),
                b".",
                post.body().as_ref(),
            ],
        );
        assert_eq!(
            header(post, "webhook-signature"),
            Some(format!("v1,{}", STANDARD.encode(under)))
        );
        for other in ["X-Visito-Signature", "X-hub-Signature", "Cloove-Signature"] {
            assert_eq!(header(post, other).is_some(), other == own, "{other}");
        }
        assert_eq!(
            header(post, "content-type").as_deref(),
            Some("application/json")
        );
        if style == "cloove" {
            let told = body(post);
            assert_eq!(
                header(post, "Cloove-Webhook-Id"),
                Some(format!("evt_{event}"))
            );
            assert_eq!(told["id"], format!("evt_{event}"));
            assert_eq!(
                header(post, "Cloove-Webhook-Event"),
                Some(text(&told["type"]))
            );
        }
    }

    /// Leaves out what was told so far.
    async fn settle(&self) {
        self.world.drain().await;
        self.world.ports().requests.borrow_mut().clear();
    }
}

/// What is true of a conversation, as far as Cloove tells it.
async fn cloove_conversation(world: &World, id: &Value, phone: Value) -> Value {
    let shown = world.get(&format!("/v1/conversations/{}", text(id))).await;
    json!({
        "id": id, "businessId": world.workspace, "customerPhone": phone,
        "customerName": shown["contact"]["name"], "status": shown["status"], "mode": shown["mode"],
        "unreadCount": shown["unreadCount"], "lastInboundAt": shown["lastInboundAt"],
        "lastOutboundAt": shown["lastOutboundAt"],
    })
}

/// What the provider called a message that was sent.
async fn provider_id(world: &World, message: &Value) -> String {
    text(&world.now(message).await["providerMessageId"])
}

async fn last_message(world: &World) -> Value {
    world.get("/v1/messages?limit=1").await["data"][0].clone()
}

fn telegram(message: Value) -> Value {
    let mut update = json!({
        "update_id": 1,
        "message": {
            "message_id": 7, "date": START_S,
            "chat": { "id": 5_550_001, "type": "private", "first_name": "Grace" },
            "from": { "id": 5_550_001, "is_bot": false, "first_name": "Grace" },
        },
    });
    let fields = message.as_object().expect("fields").clone();
    update["message"]
        .as_object_mut()
        .expect("a message")
        .extend(fields);
    update
}

// What comes in

#[tokio::test]
async fn an_incoming_whatsapp_text_is_told_in_every_style_to_the_letter() {
    let styled = styled().await;
    let world = &styled.world;
    let channel = world.whatsapp().await;
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Olá!")
        .await;
    let message = last_message(world).await;
    let conversation = &message["conversationId"];
    world.drain().await;

    let posts = styled.posts("visito");
    let told: Vec<Value> = posts.iter().map(body).collect();
    let received = told
        .iter()
        .find(|body| body.get("event").is_none())
        .expect("the message");
    assert_eq!(
        received,
        &json!({
            "channel": { "id": channel, "type": "whatsapp" },
            "conversation": { "id": conversation, "fullName": "Ada", "phone": format!("+{CUSTOMER}") },
            "message": { "id": message["id"], "type": "text", "text": "Olá!" },
        })
    );
    assert_eq!(
        styled.told("chatt2me"),
        (
            1,
            json!({
                "eventType": "Message", "channelId": channel, "messageId": message["id"],
                "from": CUSTOMER, "timestamp": START_S, "channel": "whatsapp",
                "content": { "type": "text", "text": "Olá!" },
            })
        )
    );
    let posts = styled.posts("cloove");
    let told: Vec<Value> = posts.iter().map(body).collect();
    let mut received = told
        .into_iter()
        .find(|body| body["type"] == "message.received")
        .expect("the message");
    received.as_object_mut().expect("a body").remove("id");
    let phone = json!(format!("+{CUSTOMER}"));
    assert_eq!(
        received,
        json!({
            "type": "message.received", "created": START, "environment": "live",
            "data": {
                "message": {
                    "id": message["id"], "conversationId": conversation, "direction": "inbound",
                    "messageType": "text", "text": "Olá!", "deliveryStatus": "delivered",
                    "createdAt": START,
                },
                "conversation": cloove_conversation(world, conversation, phone).await,
            },
        })
    );
    styled.told("visito");
    styled.told("cloove");
}

#[tokio::test]
async fn an_incoming_telegram_text_is_told_with_the_persons_telegram_id() {
    let styled = styled().await;
    let world = &styled.world;
    let channel = world.telegram().await;
    world
        .from_telegram(&channel, &telegram(json!({ "text": "Hello" })))
        .await
        .expect(200);
    let message = last_message(world).await;
    world.drain().await;
    let told: Vec<Value> = styled.posts("visito").iter().map(body).collect();
    assert!(
        told.contains(&json!({
            "channel": { "id": channel, "type": "telegram" },
            "conversation": {
                "id": message["conversationId"], "fullName": "Grace", "telegramId": "5550001",
            },
            "message": { "id": message["id"], "type": "text", "text": "Hello" },
        })),
        "{told:?}"
    );
    let (_, told) = styled.told("chatt2me");
    assert_eq!(told["channel"], "telegram");
    assert_eq!(told["from"], "5550001");
    let posts = styled.posts("cloove");
    let told: Vec<Value> = posts.iter().map(body).collect();
    let told = told.iter().find(|body| body["type"] == "message.received");
    let data = &told.expect("the message")["data"];
    assert_eq!(
        data["conversation"],
        cloove_conversation(world, &message["conversationId"], Value::Null).await
    );
}

#[tokio::test]
async fn a_kind_without_a_form_of_its_own_stands_under_its_name() {
    let styled = styled().await;
    let world = &styled.world;
    let channel = world.telegram().await;
    let dice = telegram(json!({ "dice": { "emoji": "🎲", "value": 3 } }));
    world.from_telegram(&channel, &dice).await.expect(200);
    let message = last_message(world).await;
    world.drain().await;
    let unsupported = json!({ "providerType": "dice" });
    let told: Vec<Value> = styled.posts("visito").iter().map(body).collect();
    let told = told.iter().find(|body| body.get("event").is_none());
    assert_eq!(
        told.expect("the message")["message"],
        json!({ "id": message["id"], "type": "unsupported", "unsupported": unsupported })
    );
    let (_, told) = styled.told("chatt2me");
    assert_eq!(
        told["content"],
        json!({ "type": "unsupported", "unsupported": unsupported })
    );
    let posts = styled.posts("cloove");
    let told: Vec<Value> = posts.iter().map(body).collect();
    let told = told.iter().find(|body| body["type"] == "message.received");
    let told = &told.expect("the message")["data"]["message"];
    assert_eq!(told["messageType"], "unsupported");
    assert_eq!(told["text"], Value::Null);
}

#[tokio::test]
async fn somebody_on_whatsapp_without_a_number_has_no_phone() {
    const USER: &str = "US.13491208655302741918";
    let styled = styled().await;
    let world = &styled.world;
    let channel = world.whatsapp().await;
    let payload = whatsapp_value(json!({
        "contacts": [{ "profile": { "name": "Ada" }, "user_id": USER }],
        "messages": [{
            "from_user_id": USER, "id": "wamid.1", "timestamp": START_S.to_string(), "type": "text",
            "text": { "body": "Hi" },
        }],
    }));
    world.from_meta(&channel, &payload).await.expect(200);
    let message = last_message(world).await;
    world.drain().await;
    let told: Vec<Value> = styled.posts("visito").iter().map(body).collect();
    let told = told.iter().find(|body| body.get("event").is_none());
    assert_eq!(
        told.expect("the message")["conversation"],
        json!({ "id": message["conversationId"], "fullName": "Ada" })
    );
    let (_, told) = styled.told("chatt2me");
    assert_eq!(told["from"], USER);
    let (_, told) = styled.told("cloove");
    assert_eq!(told["data"]["conversation"]["customerPhone"], Value::Null);
}

#[tokio::test]
async fn each_channel_tells_by_what_it_knows_a_person() {
    let styled = styled().await;
    let world = &styled.world;
    let messenger = world.messenger().await;
    let instagram = world.instagram().await;
    let sms = world.sms().await;
    let text_of = [
        messenger_text("7001", "m_1", "Hi", START_MS),
        instagram_text("7002", "m_2", "Hi", START_MS),
    ];
    for (channel, payload) in [&messenger, &instagram].into_iter().zip(text_of) {
        world.from_meta(channel, &payload).await.expect(200);
    }
    let fields = [
        ("MessageSid", "SM0123456789abcdef0123456789abcdef"),
        ("From", "+15550100009"),
        ("To", SMS_NUMBER),
        ("Body", "Hi"),
        ("NumMedia", "0"),
    ];
    let reply = world.from_twilio(&sms, "", &fields).await;
    assert_eq!(reply.status, 200);
    world.drain().await;
    let visito: Vec<Value> = styled.posts("visito").iter().map(body).collect();
    let chatt2me: Vec<Value> = styled.posts("chatt2me").iter().map(body).collect();
    let cloove: Vec<Value> = styled.posts("cloove").iter().map(body).collect();
    for (channel, kind, known_by, address) in [
        (&messenger, "messenger", "psid", "7001"),
        (&instagram, "instagram", "instagramId", "7002"),
        (&sms, "sms", "phone", "+15550100009"),
    ] {
        let is_received = |told: &&Value| {
            told["channel"] == json!({ "id": channel, "type": kind }) && told.get("event").is_none()
        };
        let told = visito.iter().find(is_received).expect("the message");
        let mut conversation = told["conversation"].clone();
        let conversation_id = conversation["id"].take();
        assert_eq!(
            conversation,
            json!({ "id": null, "fullName": null, known_by: address })
        );
        let told = chatt2me.iter().find(|told| told["channel"] == kind);
        let told = told.expect("the message");
        assert_eq!(told["channelId"], channel.as_str());
        assert_eq!(told["from"], address);
        let told = cloove.iter().find(|told| {
            told["type"] == "message.received"
                && told["data"]["conversation"]["id"] == conversation_id
        });
        let phone = &told.expect("the message")["data"]["conversation"]["customerPhone"];
        let expected = if kind == "sms" {
            json!(address)
        } else {
            Value::Null
        };
        assert_eq!(phone, &expected, "{kind}");
    }
}

#[tokio::test]
async fn a_web_chat_has_chatt2mes_name_in_its_style_and_tells_the_visitor() {
    const VISITOR: &str = "0197a000-0000-7000-8000-00000000000a";
    const CONVERSATION: &str = "0197a000-0000-7000-8000-00000000000c";
    let styled = styled().await;
    let world = &styled.world;
    let site = world.webchat().await;
    for insert in [
        format!("INSERT INTO contact (workspace_id, id, created_at) SELECT workspace_id, '{VISITOR}', 1"),
        format!(
            "INSERT INTO conversation (workspace_id, id, channel_id, contact_id, address, status, mode,
               unread_count, last_seq, last_activity_at, created_at)
             SELECT workspace_id, '{CONVERSATION}', id, '{VISITOR}', '{VISITOR}', 'open', 'ai', 0, 0, 1, 1"
        ),
    ] {
        let of_channel = format!("FROM channel WHERE id = '{site}'");
        world.database().query(&format!("{insert} {of_channel}"));
    }
    let body = json!({ "to": CONVERSATION, "content": { "type": "text", "text": "Hi" } });
    let said = world.post("/v1/messages", body).await.expect(202);
    world.drain().await;
    assert_eq!(
        styled.told("chatt2me"),
        (
            1,
            json!({
                "eventType": "MessageStatus", "messageId": said["id"], "status": "sent",
                "timestamp": START_S, "channel": "web-chatt2me",
            })
        )
    );
    let (count, told) = styled.told("visito");
    assert_eq!(count, 1);
    assert_eq!(told["channel"]["type"], "webchat");
    assert_eq!(
        told["conversation"],
        json!({ "id": CONVERSATION, "fullName": null, "sessionId": VISITOR })
    );
}

// What becomes of what goes out

#[tokio::test]
async fn each_status_of_a_whatsapp_message_is_told_in_every_style() {
    let styled = styled().await;
    let world = &styled.world;
    let channel = world.open_whatsapp().await;
    styled.settle().await;
    let said = world.say(CUSTOMER, "Your order shipped").await;
    let told_of = async |status: &str, at_s: i64, delivery_status: &str| {
        world.drain().await;
        let message = json!({
            "id": said["id"], "type": "text", "text": "Your order shipped", "status": status,
        });
        let (count, told) = styled.told("visito");
        assert_eq!(count, 1, "{status}");
        assert_eq!(
            told,
            json!({
                "event": format!("message.{status}"),
                "channel": { "id": channel, "type": "whatsapp" },
                "conversation": {
                    "id": said["conversationId"], "fullName": "Ada", "phone": format!("+{CUSTOMER}"),
                },
                "message": message,
            })
        );
        assert_eq!(
            styled.told("chatt2me"),
            (
                1,
                json!({
                    "eventType": "MessageStatus", "messageId": said["id"], "status": status,
                    "timestamp": at_s, "channel": "whatsapp",
                })
            )
        );
        let (count, mut told) = styled.told("cloove");
        assert_eq!(count, 1, "{status}");
        told.as_object_mut().expect("a body").remove("id");
        let created = told["created"].clone();
        let phone = json!(format!("+{CUSTOMER}"));
        assert_eq!(
            told,
            json!({
                "type": format!("message.{status}"), "created": created, "environment": "live",
                "data": {
                    "message": {
                        "id": said["id"], "conversationId": said["conversationId"],
                        "direction": "outbound", "messageType": "text",
                        "text": "Your order shipped", "deliveryStatus": delivery_status,
                        "createdAt": START,
                    },
                    "conversation": cloove_conversation(world, &said["conversationId"], phone).await,
                },
            })
        );
        styled.settle().await;
    };
    told_of("sent", START_S, "sent").await;
    for (at_s, status) in [(START_S + 60, "delivered"), (START_S + 120, "read")] {
        world.advance(90_000);
        let wamid = provider_id(world, &said).await;
        let report = reports(&[report(&wamid, status, at_s)]);
        world.from_meta(&channel, &report).await.expect(200);
        told_of(status, at_s, status).await;
    }
}

#[tokio::test]
async fn each_event_tells_its_own_status_though_several_come_at_once() {
    let styled = styled().await;
    let world = &styled.world;
    let channel = world.open_whatsapp().await;
    let said = world.say(CUSTOMER, "Hello").await;
    styled.settle().await;
    let wamid = provider_id(world, &said).await;
    let both = reports(&[
        report(&wamid, "delivered", START_S),
        report(&wamid, "read", START_S),
    ]);
    world.from_meta(&channel, &both).await.expect(200);
    world.drain().await;
    let statuses = |style: &str, pointer: &str| {
        let told = styled.posts(style);
        let mut statuses: Vec<String> = told
            .iter()
            .map(|post| text(body(post).pointer(pointer).expect("a status")))
            .collect();
        statuses.sort();
        statuses
    };
    for (style, pointer) in [
        ("visito", "/message/status"),
        ("chatt2me", "/status"),
        ("cloove", "/data/message/deliveryStatus"),
    ] {
        assert_eq!(statuses(style, pointer), ["delivered", "read"], "{style}");
    }
    assert_eq!(world.status(&said).await, "read");
}

#[tokio::test]
async fn a_failed_whatsapp_message_is_told_with_its_reason_where_the_style_has_room() {
    let styled = styled().await;
    let world = &styled.world;
    let channel = world.open_whatsapp().await;
    let said = world.say(CUSTOMER, "Hello").await;
    styled.settle().await;
    let wamid = provider_id(world, &said).await;
    let failed = reports(&[report(&wamid, "failed", START_S + 5)]);
    world.advance(9_000);
    world.from_meta(&channel, &failed).await.expect(200);
    let shown = world.now(&said).await;
    assert_eq!(shown["error"]["providerCode"], "131026");
    world.drain().await;
    let (_, told) = styled.told("visito");
    assert_eq!(told["event"], "message.failed");
    assert_eq!(
        told["message"],
        json!({
            "id": said["id"], "type": "text", "text": "Hello", "status": "failed",
            "error": shown["error"],
        })
    );
    assert_eq!(
        styled.told("chatt2me").1,
        json!({
            "eventType": "MessageStatus", "messageId": said["id"], "status": "failed",
            "timestamp": START_S + 5, "channel": "whatsapp",
        })
    );
    let (_, told) = styled.told("cloove");
    assert_eq!(told["type"], "message.failed");
    assert_eq!(told["data"]["message"]["deliveryStatus"], "failed");
}

#[tokio::test]
async fn what_telegram_takes_and_what_it_refuses_is_told_in_every_style() {
    let styled = styled().await;
    let world = &styled.world;
    let channel = world.telegram().await;
    world
        .from_telegram(&channel, &telegram(json!({ "text": "Hello" })))
        .await
        .expect(200);
    styled.settle().await;
    let blocked = json!({
        "ok": false, "error_code": 403, "description": "Forbidden: bot was blocked by the user",
    });
    for (answer, status) in [(None, "sent"), (Some(Answer::Http(403, blocked)), "failed")] {
        world.ports().from_provider.borrow_mut().extend(answer);
        let body = json!({ "from": channel, "to": "5550001", "content": { "type": "text", "text": status } });
        let said = world.post("/v1/messages", body).await.expect(202);
        world.drain().await;
        let (count, told) = styled.told("visito");
        assert_eq!(count, 1);
        assert_eq!(told["event"], format!("message.{status}"));
        assert_eq!(told["conversation"]["telegramId"], "5550001");
        assert_eq!(told["message"]["status"], status);
        assert_eq!(told["message"]["text"], status);
        assert_eq!(
            told["message"].get("error").cloned().unwrap_or_default(),
            world.now(&said).await["error"]
        );
        assert_eq!(
            styled.told("chatt2me"),
            (
                1,
                json!({
                    "eventType": "MessageStatus", "messageId": said["id"], "status": status,
                    "timestamp": START_S, "channel": "telegram",
                })
            )
        );
        let (_, told) = styled.told("cloove");
        assert_eq!(told["type"], format!("message.{status}"));
        assert_eq!(told["data"]["message"]["deliveryStatus"], status);
        assert_eq!(told["data"]["conversation"]["customerPhone"], Value::Null);
        styled.settle().await;
    }
}

#[tokio::test]
async fn a_message_that_expired_is_told_as_failed_at_that_moment() {
    let styled = styled().await;
    let world = &styled.world;
    let channel = world.open_whatsapp().await;
    styled.settle().await;
    let throttle = json!({ "error": { "code": 130_429, "message": "Rate limit hit" } });
    world
        .ports()
        .from_provider
        .borrow_mut()
        .push_back(Answer::Http(429, throttle));
    let mut body = crate::support::outgoing::text(CUSTOMER, "Hello");
    body["expiresAt"] = json!("2026-11-20T08:00:01.000Z");
    let said = world.post("/v1/messages", body).await.expect(202);
    for _ in 0..4 {
        world.drain().await;
        world.advance(30_000);
        world.gateway.sweep().await;
    }
    world.drain().await;
    assert_eq!(world.status(&said).await, "expired");
    let history = world.now(&said).await["statusHistory"].clone();
    let expired_at = text(&history.as_array().expect("a history").last().expect("one")["at"]);
    let (_, told) = styled.told("chatt2me");
    assert_eq!(told["status"], "failed");
    let at_s = told["timestamp"].as_i64().expect("seconds");
    let expired_at = patchbay::model::time::Timestamp::parse_rfc3339(&expired_at);
    assert_eq!(at_s, expired_at.expect("a time").s());
    let (_, told) = styled.told("visito");
    assert_eq!(told["message"]["status"], "failed");
    assert_eq!(
        told["message"]["error"]["code"],
        world.now(&said).await["error"]["code"]
    );
    assert_eq!(told["channel"]["id"], channel);
    let (_, told) = styled.told("cloove");
    assert_eq!(told["data"]["message"]["deliveryStatus"], "failed");
}

// What a style has no form for

#[tokio::test]
async fn events_without_a_form_make_no_delivery_and_others_hear_of_them() {
    let styled = styled().await;
    let world = &styled.world;
    world.open_whatsapp().await;
    world
        .ports()
        .from_provider
        .borrow_mut()
        .push_back(Answer::NoAnswer);
    let said = world.say(CUSTOMER, "Hello").await;
    let path = format!("/v1/conversations/{}", text(&said["conversationId"]));
    world
        .call(Method::PATCH, &path, json!({ "status": "closed" }))
        .await
        .expect(200);
    world.drain().await;
    assert_eq!(world.status(&said).await, "unknown");
    let untold = "type IN ('message.unknown', 'conversation.created', 'conversation.updated')";
    let rows = world.database().query(&format!(
        "SELECT w.style, d.type FROM delivery d JOIN endpoint w ON w.id = d.endpoint_id
         WHERE d.{untold} ORDER BY w.style, d.type"
    ));
    let rows: Vec<(&str, &str)> = rows
        .iter()
        .filter_map(|row| Some((row["style"].as_str()?, row["type"].as_str()?)))
        .collect();
    let each = [
        "conversation.created",
        "conversation.updated",
        "message.unknown",
    ];
    let expected: Vec<(&str, &str)> = ["cloove", "visito"]
        .into_iter()
        .flat_map(|style| each.map(|kind| (style, kind)))
        .collect();
    assert_eq!(rows, expected);
    for post in styled.posts("chatt2me") {
        assert_eq!(body(&post)["eventType"], "Message");
    }

    let told: Vec<Value> = styled.posts("visito").iter().map(body).collect();
    let told = |event: &str| {
        let found = told.iter().find(|body| body["event"] == event);
        found.unwrap_or_else(|| panic!("no {event} in {told:?}"))
    };
    assert_eq!(told("message.unknown")["message"]["status"], "unknown");
    for event in ["conversation.created", "conversation.updated"] {
        assert_eq!(told(event).get("message"), None, "{event}");
        assert_eq!(told(event)["conversation"]["id"], said["conversationId"]);
    }
    let told: Vec<Value> = styled.posts("cloove").iter().map(body).collect();
    let updated = told
        .iter()
        .find(|body| body["type"] == "conversation.updated");
    let updated = &updated.expect("the change")["data"];
    assert_eq!(updated["conversation"]["status"], "closed");
    assert_eq!(updated.get("message"), None);
    let unknown = told.iter().find(|body| body["type"] == "message.unknown");
    let unknown = &unknown.expect("the message")["data"]["message"];
    assert_eq!(unknown["deliveryStatus"], "pending");
}

#[tokio::test]
async fn an_event_that_only_such_a_style_asked_for_is_not_even_written() {
    let world = World::new().await;
    subscribe(&world, "chatt2me", &["*"]).await;
    world.open_whatsapp().await;
    world.drain().await;
    let events = world.database().query("SELECT type FROM event");
    assert_eq!(events, [json!({ "type": "message.received" })]);
}

#[tokio::test]
async fn to_ask_for_such_an_event_by_name_is_refused() {
    let world = World::new().await;
    let body = json!({
        "url": "https://chatt2me.example/hook", "style": "chatt2me",
        "events": ["message.*", "conversation.*", "message.unknown", "conversation.created"],
    });
    let refused = world.post("/v1/webhooks", body).await.expect(422);
    let errors = refused["errors"].as_array().expect("errors");
    let pointers: Vec<&str> = errors
        .iter()
        .filter_map(|error| error["pointer"].as_str())
        .collect();
    assert_eq!(pointers, ["/events/1", "/events/2", "/events/3"]);
    assert!(refused.to_string().contains("chatt2me"));
}

// The endpoint

#[tokio::test]
async fn every_attempt_in_a_style_has_the_same_bytes_and_a_signature_of_its_own() {
    let styled = styled().await;
    let world = &styled.world;
    let channel = world.whatsapp().await;
    world
        .customer_writes(&channel, CUSTOMER, "wamid.0", "Before")
        .await;
    styled.settle().await;
    let refusals = std::iter::repeat_n(Answer::Http(503, json!("no")), 6);
    world.ports().answers.borrow_mut().extend(refusals);
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    world.drain().await;
    // What happens meanwhile is no part of the event.
    let conversation = text(&last_message(world).await["conversationId"]);
    world
        .call(
            Method::PATCH,
            &format!("/v1/conversations/{conversation}"),
            json!({ "mode": "human" }),
        )
        .await
        .expect(200);
    for _ in 0..2 {
        world.advance(6 * 60_000);
        world.drain().await;
    }
    for style in STYLES {
        let posts = styled.posts(style);
        let of_message: Vec<&Request<Bytes>> = posts
            .iter()
            .filter(|post| body(post).to_string().contains("\"Hi\""))
            .collect();
        assert_eq!(of_message.len(), 3, "{style}");
        let first = of_message[0];
        for attempt in &of_message {
            styled.verify(style, attempt);
            assert_eq!(attempt.body(), first.body(), "{style}");
            assert_eq!(header(attempt, "webhook-id"), header(first, "webhook-id"));
        }
        assert_ne!(
            header(of_message[1], "webhook-timestamp"),
            header(first, "webhook-timestamp")
        );
        assert_ne!(
            header(of_message[1], "webhook-signature"),
            header(first, "webhook-signature")
        );
    }
}

#[tokio::test]
async fn cloove_events_name_the_environment_of_the_key_that_made_the_endpoint() {
    let world = World::new().await;
    let made = world
        .post(
            "/v1/api-keys",
            json!({ "name": "test", "environment": "test" }),
        )
        .await
        .expect(201);
    let bearer = format!("Bearer {}", text(&made["key"]));
    let body = json!({ "url": "https://cloove.example/hook", "events": ["*"], "style": "cloove" });
    world
        .call_with(
            Method::POST,
            "/v1/webhooks",
            &[("authorization", &bearer)],
            body,
        )
        .await
        .expect(201);
    let path = format!("/v1/api-keys/{}", id(&made));
    world
        .call(Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
    world.open_whatsapp().await;
    world.drain().await;
    let posts = world.posts_to("cloove.example");
    assert!(!posts.is_empty());
    for post in posts {
        let told: Value = serde_json::from_slice(post.body()).expect("JSON");
        assert_eq!(told["environment"], "test");
    }
}

#[tokio::test]
async fn an_endpoint_that_wants_no_chatt2me_signature_gets_only_the_standard_one() {
    let world = World::new().await;
    subscribe(&world, "chatt2me", &["message.received"]).await;
    world
        .database()
        .query("UPDATE endpoint SET requires_signature = 0");
    world.open_whatsapp().await;
    world.drain().await;
    let posts = world.posts_to("chatt2me.example");
    assert_eq!(posts.len(), 1);
    assert_eq!(header(&posts[0], "x-hub-signature"), None);
    let signature = header(&posts[0], "webhook-signature").expect("a signature");
    assert!(signature.starts_with("v1,"));
}

#[tokio::test]
async fn every_style_is_shown_and_none_can_be_given_its_own_signature() {
    let world = World::new().await;
    for style in ["standard", "visito", "chatt2me", "cloove"] {
        let made = subscribe(&world, style, &["message.*"]).await;
        let shown = world.get(&format!("/v1/webhooks/{}", id(&made))).await;
        assert_eq!(shown["style"], style);
    }
    for name in [
        "X-Visito-Signature",
        "X-hub-Signature",
        "Cloove-Signature",
        "Cloove-Webhook-Id",
        "Cloove-Webhook-Event",
    ] {
        let body = json!({
            "url": "https://a.example/", "events": ["*"], "headers": { name: "x" },
        });
        let refused = world.post("/v1/webhooks", body).await.expect(422);
        assert_eq!(refused["errors"][0]["pointer"], format!("/headers/{name}"));
    }
}

#[tokio::test]
async fn endpoints_made_before_styles_were_told_go_on_as_they_were() {
    let world = World::new().await;
    let columns = world.database().query("SELECT name, dflt_value FROM pragma_table_info('endpoint') WHERE dflt_value IS NOT NULL ORDER BY name");
    assert_eq!(
        columns,
        [
            json!({ "name": "environment", "dflt_value": "'live'" }),
            json!({ "name": "failures", "dflt_value": "0" }),
            json!({ "name": "requires_signature", "dflt_value": "1" }),
        ]
    );
}
