//! Chatt2.me's surface: its documented requests, answers and refusals.

use crate::support::chatt2me::{
    CHANNELS, IGSID, MOBILE, PERSON, PSID, VISITOR, all, body, components, is_problem, path,
    person, post, refusal, template, text, visit,
};
use crate::support::hostile::{any_json, config, run};
use crate::support::outgoing::{id, pointer};
use crate::support::world::{CUSTOMER, PAGE_ID, SMS_NUMBER};
use crate::support::{Answer, World};
use http::Method;
use proptest::prelude::*;
use serde_json::{Value, json};

#[tokio::test]
async fn every_channel_takes_the_documented_body_and_answers_as_documented() {
    let world = World::new().await;
    for (channel, from) in all(&world).await {
        let answer = post(&world, channel, text(&from, person(channel))).await;
        let answer = answer.expect(200);
        let status = match channel {
            "whatsapp" | "messenger" => "enqueued",
            _ => "sent",
        };
        let mut expected = json!({ "messageId": answer["messageId"], "status": status });
        if ["instagram", "messenger"].contains(&channel) {
            expected["recipientId"] = json!(person(channel));
            expected["type"] = json!("Text");
        }
        assert_eq!(answer, expected, "{channel}");
        let message = world
            .get(&format!(
                "/v1/messages/{}",
                answer["messageId"].as_str().expect("an id")
            ))
            .await;
        assert_eq!(message["channelId"], from, "{channel}");
        assert_eq!(
            message["content"],
            json!({ "type": "text", "text": "Hello" })
        );
    }
    world.drain().await;
    let sent = world
        .database()
        .count("SELECT COUNT(*) FROM message WHERE direction = 'outbound' AND status = 'sent'");
    assert_eq!(sent, 6);
}

#[tokio::test]
async fn a_sender_is_named_by_its_id_or_as_its_channel_allows() {
    let world = World::new().await;
    let channels = all(&world).await;
    for (channel, from) in &channels {
        let names: &[&str] = match *channel {
            "whatsapp" => &["+15550100001", "15550100001", "+1 555 010-0001"],
            "instagram" => &["the.shop", "@the.shop", "@The.Shop"],
            "messenger" => &[PAGE_ID],
            "telegram" => &["patchbay_bot", "@patchbay_bot", "@Patchbay_Bot"],
            "sms" => &[SMS_NUMBER, SMS_NUMBER.trim_start_matches('+')],
            _ => &[],
        };
        for name in names.iter().copied().chain([from.as_str()]) {
            // Remembered, the second time.
            for _ in 0..2 {
                let answer = post(&world, channel, text(name, person(channel)))
                    .await
                    .expect(200);
                let message = json!({ "id": answer["messageId"] });
                assert_eq!(world.now(&message).await["channelId"], *from, "{name}");
            }
        }
    }
}

#[tokio::test]
async fn a_messenger_page_is_also_named_by_its_account() {
    let world = World::new().await;
    let page = world
        .connect(json!({
            "type": "messenger", "name": "Page", "identifier": "778899",
            "credentials": {
                "pageId": PAGE_ID, "accessToken": "page-token", "appSecret": "s", "verifyToken": "v",
            },
            "settings": { "enforceWindow": false },
        }))
        .await;
    for name in ["778899", PAGE_ID, &page] {
        let answer = post(&world, "messenger", text(name, PSID))
            .await
            .expect(200);
        let message = json!({ "id": answer["messageId"] });
        assert_eq!(world.now(&message).await["channelId"], page, "{name}");
    }
    // On the others an account is no name.
    let account = world.instagram().await;
    let row = format!("SELECT account FROM channel WHERE id = '{account}'");
    let row = world.database().query(&row);
    let name = row[0]["account"].as_str().expect("an account").to_owned();
    let told = refusal(&world, "instagram", text(&name, IGSID)).await;
    assert_eq!(told, (404, "not_found".to_owned(), "/from".to_owned()));
}

#[tokio::test]
async fn a_sender_that_is_not_there_is_not_found() {
    let world = World::new().await;
    let channels = all(&world).await;
    let (_, other_key) = world.new_workspace("Other").await;
    let not_found = (404, "not_found".to_owned(), "/from".to_owned());
    let unknown = "01934c5e-8f00-7abc-8def-0123456789ff";
    for (channel, _) in &channels {
        for from in [unknown, "nobody", "+4930123456"] {
            let told = refusal(&world, channel, text(from, person(channel))).await;
            assert_eq!(told, not_found, "{channel} {from}");
        }
        // Another type's channel is none of this path's.
        for (other, from) in &channels {
            if other != channel {
                let told = refusal(&world, channel, text(from, person(channel))).await;
                assert_eq!(told, not_found, "{other} on {channel}");
            }
        }
    }
    for (channel, from) in &channels {
        let key = format!("Bearer {other_key}");
        let headers = [("authorization", key.as_str())];
        let reply = world
            .call_with(
                Method::POST,
                &path(channel),
                &headers,
                text(from, person(channel)),
            )
            .await;
        is_problem(&reply);
        assert_eq!(
            reply.expect(404)["errorCode"],
            "not_found",
            "another's {channel}"
        );
    }
    for (channel, from) in &channels {
        world
            .call(Method::DELETE, &format!("/v1/channels/{from}"), Value::Null)
            .await
            .expect(204);
        let told = refusal(&world, channel, text(from, person(channel))).await;
        let is_gone = told.0 == 404 || told.1 == "channel_unavailable";
        assert!(is_gone, "{channel} {told:?}");
    }
}

#[tokio::test]
async fn a_recipient_is_spelled_as_people_spell_it() {
    let world = World::new().await;
    all(&world).await;
    for (channel, from, spelled) in [
        (
            "whatsapp",
            "+15550100001",
            vec![CUSTOMER.to_owned(), format!("+{CUSTOMER}")],
        ),
        (
            "sms",
            SMS_NUMBER,
            vec![MOBILE.to_owned(), MOBILE[1..].to_owned()],
        ),
    ] {
        let mut conversations = Vec::new();
        for to in spelled {
            let answer = post(&world, channel, text(from, &to)).await.expect(200);
            let message = world.now(&json!({ "id": answer["messageId"] })).await;
            conversations.push(message["conversationId"].clone());
        }
        conversations.dedup();
        assert_eq!(conversations.len(), 1, "{channel}");
    }
    for (channel, from) in [
        ("whatsapp", "+15550100001"),
        ("instagram", "the.shop"),
        ("messenger", PAGE_ID),
        ("telegram", "patchbay_bot"),
        ("sms", SMS_NUMBER),
    ] {
        let told = refusal(&world, channel, text(from, "a person!")).await;
        assert_eq!(
            told,
            (400, "invalid_request".to_owned(), "/to".to_owned()),
            "{channel}"
        );
    }
    // Only addresses: our ids name nobody here.
    let listed = world.get("/v1/conversations").await;
    let conversation = id(&listed["data"][0]);
    let told = refusal(&world, "whatsapp", text("+15550100001", &conversation)).await;
    assert_eq!(told, (400, "invalid_request".to_owned(), "/to".to_owned()));
}

#[tokio::test]
async fn a_web_chats_visitor_must_have_opened_it() {
    let world = World::new().await;
    let chat = world.webchat().await;
    visit(&world, &chat, VISITOR);
    world.subscribe_to_all().await;
    let answer = post(&world, "web-chatt2me", text(&chat, VISITOR))
        .await
        .expect(200);
    assert_eq!(answer["status"], "sent");
    world.drain().await;
    let message = json!({ "id": answer["messageId"] });
    assert_eq!(world.told_of(&message), ["message.sent"]);
    let before = world.database().dump();
    for to in ["01934c5e-8f00-7abc-8def-0123456789ff", "visitor-77"] {
        let headers = [("idempotency-key", to)];
        for _ in 0..2 {
            let reply = world
                .call_with(
                    Method::POST,
                    &path("web-chatt2me"),
                    &headers,
                    text(&chat, to),
                )
                .await;
            assert_eq!(reply.header("idempotency-replayed"), None);
            let request = reply.header("x-request-id").map(str::to_owned);
            let answer = reply.expect(200);
            assert_eq!(answer["requestId"].as_str(), request.as_deref(), "{to}");
            assert_eq!(pointer(&answer), "/to");
            assert_eq!(answer["messageId"], Value::Null, "{to}");
            assert_eq!(answer["status"], "error", "{to}");
            assert_eq!(answer["errorCode"], "session_not_found", "{to}");
            assert!(answer["errorMessage"].is_string(), "{to}");
        }
    }
    assert_eq!(world.database().dump(), before);
    // Only its id names a web chat: neither its identifier nor its public key.
    let shown = world.get(&format!("/v1/channels/{chat}")).await;
    for name in ["identifier", "publicKey"] {
        let from = shown[name].as_str().expect("a name");
        let told = refusal(&world, "web-chatt2me", text(from, VISITOR)).await;
        assert_eq!(
            told,
            (404, "not_found".to_owned(), "/from".to_owned()),
            "{name}"
        );
    }
    // Nor does a visitor of another chat have a session here.
    let other = world
        .connect(json!({ "type": "webchat", "name": "Other", "credentials": {} }))
        .await;
    let answer = post(&world, "web-chatt2me", text(&other, VISITOR))
        .await
        .expect(200);
    assert_eq!(answer["errorCode"], "session_not_found");
}

#[tokio::test]
async fn a_replay_is_the_first_answer_on_every_channel() {
    let mut world = World::new().await;
    for (channel, from) in all(&world).await {
        let headers = [("idempotency-key", "order-1")];
        let body = text(&from, person(channel));
        let path = path(channel);
        let first = world
            .call_with(Method::POST, &path, &headers, body.clone())
            .await;
        assert_eq!(first.header("idempotency-replayed"), None);
        let first = first.expect(200);
        world.drain().await;
        for is_cold in [false, true] {
            if is_cold {
                world.forget();
            }
            let again = world
                .call_with(Method::POST, &path, &headers, body.clone())
                .await;
            assert_eq!(
                again.header("idempotency-replayed"),
                Some("true"),
                "{channel}"
            );
            assert_eq!(again.expect(200), first, "{channel}");
        }
        let other = text(&from, "another");
        let reused = world.call_with(Method::POST, &path, &headers, other).await;
        is_problem(&reused);
        assert_eq!(reused.expect(409)["errorCode"], "idempotency_key_reused");
    }
    let sent = world
        .database()
        .count("SELECT COUNT(*) FROM message WHERE direction = 'outbound'");
    assert_eq!(sent, 6, "the key is a path's own");
}

/// The fields that make a message, each with something that could be in it.
fn main_fields() -> Vec<(&'static str, Value)> {
    vec![
        ("imageUrl", json!("https://shop.example/a.png")),
        ("videoUrl", json!("https://shop.example/a.mp4")),
        ("audioUrl", json!("https://shop.example/a.ogg")),
        ("documentUrl", json!("https://shop.example/a.pdf")),
        ("stickerUrl", json!("https://shop.example/a.webp")),
        ("location", json!({ "latitude": 1.5, "longitude": 2.5 })),
        ("contact", json!({ "name": { "formattedName": "Ada" } })),
        ("contacts", json!([{ "name": { "formattedName": "Ada" } }])),
        (
            "interactive",
            json!({ "type": "button", "body": { "text": "?" } }),
        ),
        (
            "template",
            json!({ "id": "01934c5e-8f00-7abc-8def-0123456789ab" }),
        ),
        ("reaction", json!({ "messageId": "x", "emoji": "👍" })),
        ("markSeen", json!(true)),
        ("paymentRequest", json!({ "bodyText": "Pay" })),
        ("orderStatus", json!({ "bodyText": "Sent" })),
    ]
}

#[tokio::test]
async fn a_content_has_exactly_one_main_field() {
    let world = World::new().await;
    world.telegram().await;
    let told_of = async |content: Value| {
        let (status, code, pointer) =
            refusal(&world, "telegram", body("patchbay_bot", PERSON, content)).await;
        assert_eq!((status, code.as_str()), (400, "invalid_request"));
        pointer
    };
    for (content, pointer) in [
        (json!({}), "/content"),
        (json!({ "caption": "Hi" }), "/content"),
        (json!({ "text": null, "imageUrl": null }), "/content"),
        (json!("Hello"), "/content"),
        (json!([]), "/content"),
        (json!({ "text": 5 }), "/content/text"),
        (json!({ "text": "" }), "/content/text"),
        (json!({ "text": " \n" }), "/content/text"),
        (json!({ "text": "a".repeat(4_097) }), "/content/text"),
        (
            json!({ "text": "Hi", "replyTo": "nothing" }),
            "/content/replyTo",
        ),
        (
            json!({ "text": "Hi", "replyTo": "01934c5e-8f00-7abc-8def-0123456789ab" }),
            "/content/replyTo",
        ),
    ] {
        assert_eq!(told_of(content.clone()).await, pointer, "{content}");
    }
    let fields = main_fields();
    for (first, value) in &fields {
        for (second, other) in &fields {
            if first != second {
                let pointer = told_of(json!({ *first: value, *second: other })).await;
                let either = [format!("/content/{first}"), format!("/content/{second}")];
                assert!(either.contains(&pointer), "{first} {second}: {pointer}");
            }
        }
        if !["imageUrl", "videoUrl", "audioUrl", "documentUrl"].contains(first) {
            assert_eq!(
                told_of(json!({ *first: value, "text": "Hi" })).await,
                "/content/text",
                "{first}"
            );
        }
    }
    // A field that is null is not given.
    let content = json!({ "text": "Hi", "imageUrl": null, "template": null });
    post(&world, "telegram", body("patchbay_bot", PERSON, content))
        .await
        .expect(200);
}

#[tokio::test]
async fn fields_of_the_body_are_pointed_at() {
    let world = World::new().await;
    world.telegram().await;
    let whole = text("patchbay_bot", PERSON);
    let long = "7".repeat(256);
    for (field, value) in [
        ("from", Value::Null),
        ("from", json!(5)),
        ("from", json!(" ")),
        ("from", json!(long)),
        ("to", Value::Null),
        ("to", json!(5_551_234_567_i64)),
        ("to", json!("")),
        ("to", json!({})),
        ("content", Value::Null),
        ("replyTo", json!("no id")),
        ("replyTo", json!("01934c5e-8f00-7abc-8def-0123456789ab")),
    ] {
        let mut body = whole.clone();
        body[field] = value.clone();
        let told = refusal(&world, "telegram", body).await;
        assert_eq!(
            told,
            (400, "invalid_request".to_owned(), format!("/{field}")),
            "{value}"
        );
    }
    for field in ["from", "to", "content"] {
        let mut body = whole.clone();
        body.as_object_mut().expect("an object").remove(field);
        let reply = post(&world, "telegram", body).await;
        is_problem(&reply);
        let told = reply.expect(400);
        assert_eq!(pointer(&told), format!("/{field}"));
        assert_eq!(told["errorMessage"], format!("/{field} is required."));
    }
    for body in [json!([]), json!("Hello"), json!(5), Value::Bool(true)] {
        let told = refusal(&world, "telegram", body.clone()).await;
        assert_eq!(
            (told.0, told.1.as_str()),
            (400, "invalid_request"),
            "{body}"
        );
    }
}

#[tokio::test]
async fn an_answer_to_a_message_quotes_it_wherever_its_id_stands() {
    let world = World::new().await;
    world.telegram().await;
    let first = post(&world, "telegram", text("patchbay_bot", PERSON))
        .await
        .expect(200);
    let first = first["messageId"].as_str().expect("an id").to_owned();
    let mut outside = text("patchbay_bot", PERSON);
    outside["replyTo"] = json!(first);
    let mut inside = text("patchbay_bot", PERSON);
    inside["content"]["replyTo"] = json!(first);
    let mut both = inside.clone();
    both["replyTo"] = json!(first);
    for body in [outside, inside, both.clone()] {
        let answer = post(&world, "telegram", body).await.expect(200);
        let message = world.now(&json!({ "id": answer["messageId"] })).await;
        assert_eq!(message["replyTo"], first);
        let asked = world.requests_to("telegram.test");
        let asked = asked.last().expect("a request");
        assert_eq!(asked["reply_parameters"]["message_id"], 1, "{asked}");
    }
    both["replyTo"] = json!("01934c5e-8f00-7abc-8def-0123456789ab");
    let told = refusal(&world, "telegram", both).await;
    assert_eq!(
        told,
        (400, "invalid_request".to_owned(), "/replyTo".to_owned())
    );
}

#[tokio::test]
async fn a_template_is_named_in_each_way_and_goes_out_though_nobody_wrote() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let template = template(&world, &shop, "APPROVED");
    let variables = json!({ "name": "Ada", "order": "1234" });
    for wanted in [
        json!({ "id": template, "components": components() }),
        json!({ "id": template, "variables": variables }),
        json!({ "key": "order_approved", "variables": variables }),
        json!({ "name": "order_approved", "language": "en_US", "components": components() }),
    ] {
        let content = json!({ "template": wanted });
        let answer = post(&world, "whatsapp", body("15550100001", CUSTOMER, content)).await;
        let answer = answer.expect(200);
        assert_eq!(
            answer,
            json!({ "messageId": answer["messageId"], "status": "enqueued" })
        );
        world.drain().await;
        let sent = world.requests_to("graph.test");
        let sent = sent.last().expect("a request");
        assert_eq!(sent["type"], "template", "{wanted}");
        assert_eq!(sent["template"]["name"], "order_approved");
        assert_eq!(sent["template"]["components"], components());
        let message = world.now(&json!({ "id": answer["messageId"] })).await;
        assert_eq!(message["content"]["text"], "Hi Ada, order 1234.");
    }
}

#[tokio::test]
async fn templates_that_cannot_be_are_pointed_at() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let approved = template(&world, &shop, "APPROVED");
    let pending = template(&world, &shop, "PENDING");
    for (wanted, status, code, at) in [
        (
            json!({ "id": pending }),
            422,
            "template_not_approved",
            "/content/template/id",
        ),
        (
            json!({ "id": shop }),
            422,
            "template_not_approved",
            "/content/template/id",
        ),
        (
            json!({ "key": "nothing" }),
            422,
            "template_not_approved",
            "/content/template/key",
        ),
        (
            json!({ "name": "nothing" }),
            422,
            "template_not_approved",
            "/content/template/name",
        ),
        (
            json!({ "id": "no id" }),
            400,
            "invalid_request",
            "/content/template/id",
        ),
        (json!({}), 400, "invalid_request", "/content/template"),
        (
            json!("order_approved"),
            400,
            "invalid_request",
            "/content/template",
        ),
        (
            json!({ "id": approved, "key": "order_approved" }),
            400,
            "invalid_request",
            "/content/template",
        ),
        (
            json!({ "id": approved, "components": components(), "variables": {} }),
            400,
            "invalid_request",
            "/content/template/variables",
        ),
        (
            json!({ "id": approved, "components": {} }),
            400,
            "invalid_request",
            "/content/template/components",
        ),
        (
            json!({ "id": approved, "variables": { "name": "Ada" } }),
            422,
            "template_parameter_mismatch",
            "/content/template/variables/order",
        ),
    ] {
        let content = json!({ "template": wanted });
        let told = refusal(&world, "whatsapp", body("15550100001", CUSTOMER, content)).await;
        assert_eq!(told, (status, code.to_owned(), at.to_owned()), "{wanted}");
    }
}

#[tokio::test]
async fn our_own_refusals_keep_their_code_and_status() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let told = refusal(&world, "whatsapp", text(&shop, CUSTOMER)).await;
    assert_eq!(told, (422, "window_closed".to_owned(), String::new()));
    let bot = world.telegram().await;
    world
        .patch_channel(&bot, json!({ "status": "disabled" }))
        .await;
    let told = refusal(&world, "telegram", text(&bot, PERSON)).await;
    assert_eq!(told, (409, "channel_unavailable".to_owned(), String::new()));

    let body = text(&bot, PERSON);
    let no_key = [("authorization", "Bearer nothing")];
    let reply = world
        .call_with(Method::POST, &path("telegram"), &no_key, body.clone())
        .await;
    is_problem(&reply);
    assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
    assert_eq!(reply.expect(401)["errorCode"], "invalid_api_key");

    let keys = json!({ "name": "reader", "scopes": ["messaging:messages:read"] });
    let reader = world.post("/v1/api-keys", keys).await.expect(201);
    let reader = reader["key"].as_str().expect("a key").to_owned();
    let bearer = format!("Bearer {reader}");
    let headers = [("authorization", bearer.as_str())];
    let reply = world
        .call_with(Method::POST, &path("telegram"), &headers, body.clone())
        .await;
    is_problem(&reply);
    assert_eq!(reply.expect(403)["errorCode"], "missing_scope");

    let reply = world.with_body(Method::POST, &path("telegram"), "{").await;
    is_problem(&reply);
    assert_eq!(reply.expect(400)["errorCode"], "invalid_request");
    let reply = world
        .with_body(Method::POST, &path("telegram"), vec![b' '; 1 << 21])
        .await;
    is_problem(&reply);
    assert_eq!(reply.expect(413)["errorCode"], "too_large");
    let wrong_key = [("idempotency-key", "")];
    let reply = world
        .call_with(Method::POST, &path("telegram"), &wrong_key, body.clone())
        .await;
    is_problem(&reply);
    assert_eq!(reply.expect(400)["errorCode"], "invalid_request");
    world.ports().admits_callers.set(false);
    let reply = post(&world, "telegram", body).await;
    is_problem(&reply);
    assert!(reply.header("retry-after").is_some());
    assert_eq!(reply.expect(429)["errorCode"], "rate_limited");
}

#[tokio::test]
async fn a_path_that_is_not_there_is_not_found_in_this_surfaces_shape() {
    let world = World::new().await;
    for path in [
        "/v1/communication/signal/message",
        "/v1/communication/webchat/message",
        "/v1/communication/whatsapp",
        "/v1/communication/whatsapp/messages",
        "/v1/communication",
    ] {
        let reply = world.post(path, json!({})).await;
        is_problem(&reply);
        assert_eq!(reply.expect(404)["errorCode"], "not_found", "{path}");
    }
    for channel in CHANNELS {
        let reply = world.call(Method::GET, &path(channel), Value::Null).await;
        is_problem(&reply);
        assert_eq!(reply.header("allow"), Some("POST"));
        assert_eq!(
            reply.expect(405)["errorCode"],
            "method_not_allowed",
            "{channel}"
        );
    }
}

// The OpenAPI file that the product publishes for Messenger and Instagram

/// A schema of that file, as far as it says anything.
#[derive(Clone, Copy)]
enum Type {
    Text,
    NullableText,
    OneOf(&'static [&'static str]),
}

/// The answer's properties. None is required, and the types of the two channels differ in one word.
fn answer_of(channel: &str) -> [(&'static str, Type); 3] {
    const MESSENGER: &[&str] = &[
        "Text",
        "Image",
        "Video",
        "Audio",
        "File",
        "Location",
        "Template",
        "Contact",
        "QuickReply",
        "Button",
        "List",
        "Card",
        "Carousel",
        "Reaction",
        "Read",
    ];
    const INSTAGRAM: &[&str] = &[
        "Text",
        "Image",
        "Video",
        "Audio",
        "Sticker",
        "File",
        "Location",
        "Template",
        "Contact",
        "QuickReply",
        "Button",
        "List",
        "Card",
        "Carousel",
        "Reaction",
        "Read",
    ];
    let names = if channel == "instagram" {
        INSTAGRAM
    } else {
        MESSENGER
    };
    [
        ("messageId", Type::NullableText),
        ("recipientId", Type::Text),
        ("type", Type::OneOf(names)),
    ]
}

/// Whether a value is of a type.
fn is_of(value: &Value, kind: Type) -> bool {
    match kind {
        Type::Text => value.is_string(),
        Type::NullableText => value.is_string() || value.is_null(),
        Type::OneOf(names) => value.as_str().is_some_and(|name| names.contains(&name)),
    }
}

/// Something of each wrong type for a property of the request.
fn wrong(kind: &str) -> Vec<Value> {
    let all = [
        ("string", json!("text")),
        ("number", json!(5)),
        ("boolean", json!(true)),
        ("array", json!([])),
        ("object", json!({})),
    ];
    let others = all.into_iter().filter(|(name, _)| *name != kind);
    others.map(|(_, value)| value).collect()
}

/// The request's properties: name, type, whether it is required.
const REQUEST: [(&str, &str, bool); 3] = [
    ("from", "string", true),
    ("to", "string", true),
    ("content", "object", false),
];

#[tokio::test]
async fn messenger_and_instagram_answer_as_their_published_file_says() {
    let world = World::new().await;
    let channels = all(&world).await;
    for (channel, from) in channels
        .iter()
        .filter(|(channel, _)| ["messenger", "instagram"].contains(channel))
    {
        let whole = text(from, person(channel));
        // 200: what is sent, what is refused by the provider, and a replay of each.
        for is_refused in [false, true] {
            if is_refused && *channel == "instagram" {
                let error =
                    json!({ "error": { "code": 551, "message": "This person isn't available" } });
                world
                    .ports()
                    .from_provider
                    .borrow_mut()
                    .push_back(Answer::Http(400, error));
            }
            let key = is_refused.to_string();
            let headers = [("idempotency-key", key.as_str())];
            for _ in 0..2 {
                let reply = world
                    .call_with(Method::POST, &path(channel), &headers, whole.clone())
                    .await;
                assert_eq!(reply.header("content-type"), Some("application/json"));
                let answer = reply.expect(200);
                for (name, kind) in answer_of(channel) {
                    let value = answer
                        .get(name)
                        .unwrap_or_else(|| panic!("{name} in {answer}"));
                    assert!(is_of(value, kind), "{name} in {answer}");
                }
                assert_eq!(answer["recipientId"], person(channel));
                let is_error = is_refused && *channel == "instagram";
                assert_eq!(answer["messageId"].is_null(), is_error, "{answer}");
                if is_error {
                    assert_eq!(answer["errorCode"], "551");
                }
            }
        }
        // 400: what is required and missing, and what is of another type.
        for (name, kind, is_required) in REQUEST {
            let mut body = whole.clone();
            body.as_object_mut().expect("an object").remove(name);
            // The file lets the content go; a message that says nothing is an invalid payload all the same.
            assert!(is_required || name == "content");
            assert_eq!(refusal(&world, channel, body).await.0, 400, "no {name}");
            for value in wrong(kind) {
                let mut body = whole.clone();
                body[name] = value.clone();
                let told = refusal(&world, channel, body).await;
                assert_eq!(
                    (told.0, told.2),
                    (400, format!("/{name}")),
                    "{name} is {value}"
                );
            }
        }
        for value in wrong("string") {
            let told = refusal(
                &world,
                channel,
                body(from, person(channel), json!({ "text": value })),
            )
            .await;
            assert_eq!((told.0, told.2.as_str()), (400, "/content/text"), "{value}");
        }
        // 401 and 404.
        let no_key = [("authorization", "Bearer nothing")];
        let reply = world
            .call_with(Method::POST, &path(channel), &no_key, whole.clone())
            .await;
        assert_eq!(reply.status, 401);
        let told = refusal(
            &world,
            channel,
            text("01934c5e-8f00-7abc-8def-0123456789ff", PSID),
        )
        .await;
        assert_eq!(told.0, 404);
        // Both ways to show the key.
        let request = http::Request::post(format!("https://patchbay.test{}", path(channel)))
            .header("x-api-key", &world.key)
            .body(whole.to_string().into())
            .expect("a request");
        assert_eq!(world.send_raw(request).await.status, 200);
    }
}

// Whatever is posted

const NAMES: [&str; 22] = [
    "from",
    "to",
    "content",
    "text",
    "replyTo",
    "imageUrl",
    "template",
    "id",
    "key",
    "name",
    "language",
    "components",
    "variables",
    "contact",
    "contacts",
    "attachment",
    "payload",
    "patchbay_bot",
    PERSON,
    "markSeen",
    "order_approved",
    VISITOR,
];

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_is_posted_is_answered_in_this_surfaces_shape(value in any_json(&NAMES), field in 0..4_usize) {
        run(async {
            let world = World::new().await;
            world.sends_unknown_fields.set(true);
            let shop = world.unenforced_whatsapp().await;
            let template = template(&world, &shop, "APPROVED");
            world.telegram().await;
            world.webchat().await;
            let filled = json!({ "template": { "id": template, "components": components() } });
            for (channel, right) in [
                ("telegram", text("patchbay_bot", PERSON)),
                ("whatsapp", body(&shop, CUSTOMER, filled)),
                ("web-chatt2me", text(VISITOR, VISITOR)),
            ] {
                let mut nested = right.clone();
                nested["content"]["template"] = value.clone();
                let mut body = right;
                match ["from", "to", "content"].get(field) {
                    Some(name) => body[name] = value.clone(),
                    None => body = value.clone(),
                }
                for body in [body, nested] {
                    let reply = post(&world, channel, body.clone()).await;
                    assert!(reply.status < 500, "{channel} {body}: {}", reply.body);
                    if reply.status == 200 {
                        let status = reply.body["status"].as_str();
                        assert!(["sent", "enqueued", "error"].map(Some).contains(&status), "{}", reply.body);
                    } else {
                        is_problem(&reply);
                    }
                }
            }
        });
    }
}
