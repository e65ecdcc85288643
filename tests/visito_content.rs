//! Visito's kinds of messages: what each becomes, and where it is refused.

use crate::support::World;
use crate::support::hostile::{any_json, config, run};
use crate::support::outgoing::id;
use crate::support::world::{CUSTOMER, PHONE_NUMBER_ID, messenger_text};
use http::Method;
use proptest::prelude::*;
use serde_json::{Value, json};

const URL: &str = "https://shop.example/a";
const PSID: &str = "24501234567890";

/// A conversation on WhatsApp that is open.
async fn open() -> (World, String) {
    let world = World::new().await;
    world.open_whatsapp().await;
    let listed = world.get("/v1/conversations").await;
    let conversation = id(&listed["data"][0]);
    (world, conversation)
}

/// The same on Messenger.
async fn open_messenger() -> (World, String) {
    let world = World::new().await;
    let page = world.messenger().await;
    let hello = messenger_text(PSID, "m_in", "Hi", world.ports().now_ms.get());
    world.from_meta(&page, &hello).await.expect(200);
    let listed = world.get("/v1/conversations").await;
    let conversation = id(&listed["data"][0]);
    (world, conversation)
}

fn message(kind: &str, conversation: &str, said: Value) -> Value {
    json!({ "type": kind, "to": conversation, kind: said })
}

/// Holds a message to the one request that it becomes on WhatsApp.
async fn becomes(kind: &str, said: Value, theirs: &str, own: Value) {
    let (world, conversation) = open().await;
    let body = message(kind, &conversation, said);
    let answer = world.post("/messages", body.clone()).await.expect(200);
    let expected = json!({
        "id": answer["id"], "conversation": conversation, "type": kind, "status": "accepted",
    });
    assert_eq!(answer, expected, "{body}");
    world.drain().await;
    let whole = json!({
        "messaging_product": "whatsapp", "recipient_type": "individual", "to": CUSTOMER,
        "biz_opaque_callback_data": answer["id"], "type": theirs, theirs: own,
    });
    let path = format!("/v23.0/{PHONE_NUMBER_ID}/messages");
    assert_eq!(world.provider_requests(), [(path, whole)], "{body}");
    assert_eq!(world.status(&answer).await, "sent");
}

/// Holds where a message is refused: nothing is written and nobody is called.
async fn refuses(world: &World, body: Value, code: &str, at: &str) {
    let before = world.database().dump();
    let calls = world.ports().requests.borrow().len();
    let reply = world.post("/messages", body.clone()).await;
    assert_eq!(world.database().dump(), before, "{body}");
    assert_eq!(world.ports().requests.borrow().len(), calls);
    let told = &reply.body;
    let expected = json!({
        "error": code, "message": told["message"],
        "errors": [{ "pointer": at, "detail": told["errors"][0]["detail"] }],
        "requestId": reply.header("x-request-id"),
    });
    assert_eq!(told, &expected, "{body}");
    assert_eq!(reply.status, 422, "{body}");
}

#[tokio::test]
async fn each_kind_of_the_documented_list_goes_out() {
    let text = json!({ "body": "Hi", "preview_url": false });
    becomes("text", json!({ "text": "Hi" }), "text", text).await;
    for kind in ["image", "video", "audio", "document"] {
        for field in ["url", "link"] {
            becomes(kind, json!({ field: URL }), kind, json!({ "link": URL })).await;
        }
    }
    for kind in ["image", "video"] {
        let said = json!({ "url": null, "link": URL, "caption": "Look", "type": "sticker" });
        let own = json!({ "link": URL, "caption": "Look" });
        becomes(kind, said, kind, own).await;
    }
    let said = json!({ "url": URL, "voice": true });
    becomes(
        "audio",
        said,
        "audio",
        json!({ "link": URL, "voice": true }),
    )
    .await;
    let said = json!({ "link": URL, "filename": "Bill.pdf", "caption": "Your bill" });
    becomes("document", said.clone(), "document", said).await;
    let place = json!({ "latitude": 1.5, "longitude": -2.5, "name": "Shop", "address": "Rua A" });
    becomes("location", place.clone(), "location", place).await;
}

#[tokio::test]
async fn an_interactive_message_is_in_the_cloud_apis_form_or_in_ours() {
    let cloud = json!({
        "type": "button", "header": { "type": "text", "text": "Order 42" },
        "body": { "text": "Is it right?" }, "footer": { "text": "Shop" },
        "action": { "buttons": [{ "type": "reply", "reply": { "id": "y", "title": "Yes" } }] },
    });
    let ours = json!({
        "kind": "buttons", "header": "Order 42", "body": "Is it right?", "footer": "Shop",
        "buttons": [{ "id": "y", "title": "Yes" }], "type": null,
    });
    for said in [cloud.clone(), ours] {
        becomes("interactive", said, "interactive", cloud.clone()).await;
    }
    for cloud in [
        json!({
            "type": "list", "body": { "text": "Which?" }, "action": { "button": "Choose", "sections": [
                { "title": "Shirts", "rows": [{ "id": "s", "title": "Small", "description": "44" }] },
            ] },
        }),
        json!({
            "type": "cta_url", "body": { "text": "Your cart" }, "action": {
                "name": "cta_url", "parameters": { "display_text": "Pay", "url": URL },
            },
        }),
        json!({
            "type": "location_request_message", "body": { "text": "Where?" },
            "action": { "name": "send_location" },
        }),
    ] {
        becomes("interactive", cloud.clone(), "interactive", cloud).await;
    }
}

#[tokio::test]
async fn what_is_wrong_about_a_kind_is_pointed_at_in_its_own_object() {
    let (world, conversation) = open().await;
    let long = "a".repeat(4_097);
    for (kind, said, at) in [
        ("text", json!("Hi"), ""),
        ("text", json!({}), "/text"),
        ("text", json!({ "text": 5 }), "/text"),
        ("text", json!({ "text": " " }), "/text"),
        ("text", json!({ "text": long }), "/text"),
        (
            "text",
            json!({ "text": "Hi", "previewUrl": "yes" }),
            "/previewUrl",
        ),
        ("image", json!(URL), ""),
        ("image", Value::Null, ""),
        ("image", json!([]), ""),
        ("image", json!({}), "/url"),
        ("image", json!({ "url": 5 }), "/url"),
        ("image", json!({ "link": 5 }), "/link"),
        ("image", json!({ "link": "a" }), "/link"),
        ("image", json!({ "url": "a", "link": URL }), "/url"),
        ("image", json!({ "url": "like_heart" }), "/url"),
        ("image", json!({ "url": URL, "caption": "" }), "/caption"),
        (
            "video",
            json!({ "link": URL, "caption": "a".repeat(1_025) }),
            "/caption",
        ),
        ("audio", json!({ "link": URL, "voice": 1 }), "/voice"),
        (
            "document",
            json!({ "link": URL, "filename": [] }),
            "/filename",
        ),
        ("location", json!({ "latitude": 1 }), "/longitude"),
        (
            "location",
            json!({ "latitude": 91, "longitude": 1 }),
            "/latitude",
        ),
        ("interactive", json!({}), "/kind"),
        (
            "interactive",
            json!({ "kind": "flow", "body": "?" }),
            "/kind",
        ),
        (
            "interactive",
            json!({ "kind": "buttons", "body": "?" }),
            "/buttons",
        ),
        ("interactive", json!({ "type": "flow" }), "/type"),
        ("interactive", json!({ "type": "button" }), "/body/text"),
        ("interactive", json!({ "action": {} }), "/type"),
        (
            "interactive",
            json!({ "type": "button", "body": { "text": "?" }, "action": { "buttons": [
                { "reply": { "id": "y", "title": "a".repeat(21) } },
            ] } }),
            "/action/buttons/0/reply/title",
        ),
        (
            "interactive",
            json!({ "type": "button", "body": { "text": "?" }, "footer": "Shop" }),
            "/footer/text",
        ),
        (
            "interactive",
            json!({ "kind": "buttons", "body": "?", "buttons": [
                { "id": "y", "title": "Yes" }, { "id": "y", "title": "No" },
            ] }),
            "/buttons/1/id",
        ),
    ] {
        let body = message(kind, &conversation, said);
        refuses(&world, body, "invalid_request", &format!("/{kind}{at}")).await;
    }
    // The object is missing, or is that of another kind.
    for kind in ["text", "image", "location", "interactive", "template"] {
        let body = json!({ "type": kind, "to": conversation, "video": { "url": URL } });
        refuses(&world, body, "invalid_request", &format!("/{kind}")).await;
    }
    // What is none of the eight kinds.
    for kind in [
        "sticker",
        "contacts",
        "reaction",
        "to",
        "type",
        "cards",
        "unsupported",
        "",
    ] {
        let mut body = json!({ "type": kind, "to": conversation });
        if !["to", "type"].contains(&kind) {
            body[kind] = json!({ "url": URL });
        }
        refuses(&world, body, "invalid_request", "/type").await;
    }
}

#[tokio::test]
async fn what_another_channel_does_not_carry_is_pointed_at_too() {
    let (world, conversation) = open_messenger().await;
    let cloud = |part: &str, value: Value| {
        let mut whole = json!({
            "type": "button", "body": { "text": "?" },
            "action": { "buttons": [{ "type": "reply", "reply": { "id": "y", "title": "Yes" } }] },
        });
        whole[part] = value;
        whole
    };
    let text = json!({ "type": "text", "text": "Hi" });
    let image = json!({ "type": "image", "image": { "link": URL } });
    for (kind, said, at) in [
        (
            "location",
            json!({ "latitude": 1, "longitude": 1 }),
            "/type",
        ),
        (
            "interactive",
            json!({ "type": "location_request_message", "body": { "text": "Where?" } }),
            "/interactive/type",
        ),
        (
            "interactive",
            json!({ "kind": "locationRequest", "body": "Where?" }),
            "/interactive/kind",
        ),
        (
            "interactive",
            cloud("header", text),
            "/interactive/header/text",
        ),
        ("interactive", cloud("header", image), "/interactive/header"),
        (
            "interactive",
            cloud("footer", json!({ "text": "Shop" })),
            "/interactive/footer/text",
        ),
        (
            "template",
            json!({ "name": "order", "language": { "code": "en_US" } }),
            "/type",
        ),
    ] {
        let body = message(kind, &conversation, said);
        refuses(&world, body, "unsupported_content", at).await;
    }
}

#[tokio::test]
async fn what_becomes_two_messages_is_answered_by_the_first_under_the_kind_that_was_asked_for() {
    let list = json!({
        "type": "list", "body": { "text": "Which?" },
        "action": { "button": "Choose", "sections": [{ "rows": [{ "id": "s", "title": "Small" }] }] },
    });
    let card = json!({ "title": "Small", "buttons": [
        { "type": "postback", "title": "Choose", "payload": "s" },
    ] });
    for (kind, said, first, second) in [
        (
            "image",
            json!({ "link": URL, "caption": "Look" }),
            json!({ "attachment": { "type": "image", "payload": { "url": URL } } }),
            json!({ "text": "Look" }),
        ),
        (
            "interactive",
            list,
            json!({ "text": "Which?" }),
            json!({ "attachment": { "type": "template", "payload": {
                "template_type": "generic", "elements": [card],
            } } }),
        ),
    ] {
        let (mut world, conversation) = open_messenger().await;
        let headers = [("idempotency-key", "order-1")];
        let body = message(kind, &conversation, said);
        let first_answer = world
            .call_with(Method::POST, "/messages", &headers, body.clone())
            .await;
        let answer = first_answer.expect(200);
        assert_eq!(answer["type"], kind);
        world.drain().await;
        let shown = world.now(&answer).await;
        let parts = &shown["adapted"]["parts"];
        assert_eq!(parts.as_array().map(Vec::len), Some(2));
        assert_eq!(parts[0], answer["id"]);
        let sent = |world: &World| -> Vec<Value> {
            let asked = world.provider_requests().into_iter();
            asked.map(|(_, body)| body["message"].clone()).collect()
        };
        assert_eq!(sent(&world), [first.clone(), second.clone()]);
        for path in ["/messages", "/m2m/v1/messages"] {
            world.forget();
            let again = world
                .call_with(Method::POST, path, &headers, body.clone())
                .await;
            assert_eq!(again.header("idempotency-replayed"), Some("true"));
            assert_eq!(again.expect(200), answer);
            world.drain().await;
        }
        assert_eq!(sent(&world).len(), 2);
    }
}

// Whatever is posted

const NAMES: [&str; 20] = [
    "type",
    "kind",
    "body",
    "text",
    "action",
    "buttons",
    "reply",
    "id",
    "title",
    "header",
    "footer",
    "url",
    "link",
    "caption",
    "latitude",
    "longitude",
    "button",
    "list",
    "sections",
    URL,
];
const KINDS: [&str; 7] = [
    "text",
    "image",
    "video",
    "audio",
    "document",
    "location",
    "interactive",
];

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_stands_in_a_kinds_object_is_answered(values in prop::collection::vec(any_json(&NAMES), 4)) {
        run(async {
            let (world, conversation) = open().await;
            for value in values {
                for kind in KINDS {
                    let body = message(kind, &conversation, value.clone());
                    let reply = world.post("/messages", body.clone()).await;
                    assert!([200, 422].contains(&reply.status), "{body}: {}", reply.body);
                    let at = reply.body["errors"][0]["pointer"].as_str().unwrap_or("");
                    let own = format!("/{kind}");
                    assert!(reply.status == 200 || at.starts_with(&own), "{body}: {at}");
                }
            }
        });
    }
}
