//! Chatt2.me's contents: the fourteen fields, and the older ones of Messenger and Instagram.

use serde_json::{Value, json};

use super::samples::file;
use super::stage::Stage;
use crate::harness::{WORD, run};

/// Chatt2.me's contents on a type of channel, each with what its provider calls it.
fn chatt2me(stage: &Stage) -> Vec<(&'static str, Value)> {
    let words = |words: &str| json!(format!("{words} {WORD}"));
    let captioned = |field: &str, name: &str| json!({field: file(name), "text": words(name)});
    let reply =
        |id: &str| json!({"type": "reply", "reply": {"id": id, "title": format!("Size {id}")}});
    let buttons = json!({"interactive": {
        "type": "button", "body": {"text": words("Which?")},
        "action": {"buttons": [reply("s"), reply("l")]},
    }});
    let list = json!({"interactive": {
        "type": "list", "body": {"text": words("When?")},
        "action": {"button": "Choose", "sections": [
            {"title": "Today", "rows": [{"id": "10", "title": "Ten o'clock", "description": "With Bia"}]},
        ]},
    }});
    let page = json!({"interactive": {
        "type": "cta_url", "body": {"text": words("All of them")},
        "action": {"name": "cta_url", "parameters": {
            "display_text": "See the shop", "url": "https://shop.example/all",
        }},
    }});
    let place = json!({"location": {
        "latitude": -23.5614, "longitude": -46.6559, "name": "Lima & Lima", "address": "Avenida Paulista, 1578",
    }});
    let contact = json!({
        "name": {"formatted_name": "Bia Lima", "first_name": "Bia"},
        "phones": [{"phone": "+5511987650001", "type": "WORK"}], "org": {"company": "Lima & Lima"},
    });
    let react = |emoji: &str| json!({"reaction": {"messageId": stage.heard, "emoji": emoji}});
    let text = json!({"text": words("Hello")});
    let both = json!({"text": words("An answer"), "replyTo": stage.heard});
    match stage.kind {
        "whatsapp" => vec![
            ("text", text),
            ("text", both),
            ("image", captioned("imageUrl", "shirt.jpg")),
            ("video", captioned("videoUrl", "shop.mp4")),
            ("audio", json!({"audioUrl": file("greeting.mp3")})),
            (
                "document",
                json!({
                    "documentUrl": file("a.pdf"), "filename": "Invoice.pdf", "text": words("Paid"),
                }),
            ),
            ("sticker", json!({"stickerUrl": file("wave.webp")})),
            ("location", place),
            ("contacts", json!({"contact": contact})),
            ("contacts", json!({"contacts": [contact, contact]})),
            ("button", buttons),
            ("list", list),
            ("cta_url", page),
            (
                "location_request_message",
                json!({"interactive": {
                    "type": "location_request_message", "body": {"text": words("Where to?")},
                    "action": {"name": "send_location"},
                }}),
            ),
            ("reaction", react("👍")),
            ("reaction", react("")),
            (
                "order_details",
                json!({"paymentRequest": {
                    "bodyText": words("Your order"), "referenceId": "order-1", "paymentMethod": "pix",
                    "pix": {
                        "code": "00020101021226700014br.gov.bcb.pix", "merchantName": "Lima & Lima",
                        "key": "39580525000189", "keyType": "CNPJ",
                    },
                    "totalAmountCents": 5_000, "currency": "BRL",
                    "items": [{"retailerId": "1", "name": "Shirt", "amountCents": 5_000, "quantity": 1}],
                }}),
            ),
            (
                "order_status",
                json!({"orderStatus": {
                    "bodyText": words("On its way"), "referenceId": "order-1", "status": "shipped",
                }}),
            ),
        ],
        "messenger" | "instagram" => vec![
            ("text", text),
            ("image", json!({"imageUrl": file("shirt.jpg")})),
            ("video", json!({"videoUrl": file("shop.mp4")})),
            ("audio", json!({"audioUrl": file("greeting.m4a")})),
            ("button", buttons),
            ("generic", list),
            ("button", page),
            ("react", react("❤️")),
            ("unreact", react("")),
            ("mark_seen", json!({"markSeen": true})),
            ("mark_seen", json!({"markSeen": {"messageId": stage.heard}})),
        ],
        "telegram" => vec![
            ("text", text),
            ("text", both),
            ("photo", captioned("imageUrl", "shirt.jpg")),
            ("video", captioned("videoUrl", "shop.mp4")),
            ("audio", captioned("audioUrl", "greeting.mp3")),
            ("document", captioned("documentUrl", "a.pdf")),
            ("sticker", json!({"stickerUrl": file("wave.webp")})),
            ("venue", place),
            ("contact", json!({"contact": contact})),
            ("contact", json!({"contacts": [contact, contact]})),
            ("text", list),
            ("reaction", react("👍")),
            ("reaction", react("")),
        ],
        "sms" => vec![
            ("text", text),
            ("media", captioned("imageUrl", "shirt.jpg")),
        ],
        other => panic!("{other} has no provider"),
    }
}

/// The older fields of Messenger and Instagram, each with what its provider calls the last message it
/// becomes.
fn older(stage: &Stage) -> Vec<(&'static str, Value)> {
    let attached =
        |kind: &str, payload: Value| json!({"attachment": {"type": kind, "payload": payload}});
    let url = |name: &str| json!({"url": file(name)});
    let words = format!("Which? {WORD}");
    let postback = json!({"type": "postback", "title": "Take it", "payload": "shirt"});
    let page = json!({"type": "web_url", "title": "Look", "url": "https://shop.example/shirt"});
    let react = |name: &str| json!({"message_id": stage.heard, "reaction": name});
    let mut all = vec![
        ("image", attached("image", url("shirt.png"))),
        ("video", attached("video", url("shop.mp4"))),
        ("audio", attached("audio", url("greeting.m4a"))),
        ("file", attached("file", url("a.pdf"))),
        (
            "generic",
            attached(
                "template",
                json!({"template_type": "generic", "elements": [{
                    "title": "Shirt", "subtitle": "Cotton", "image_url": file("shirt.png"),
                    "buttons": [postback, page],
                }]}),
            ),
        ),
        (
            "button",
            attached(
                "template",
                json!({"template_type": "button", "text": words, "buttons": [postback, page]}),
            ),
        ),
        (
            "text",
            json!({"text": words, "quick_replies": [
                {"content_type": "text", "title": "Small", "payload": "s"},
                {"content_type": "text", "title": "Large", "payload": "l"},
            ]}),
        ),
        (
            "text",
            json!({"text": words, "attachments": [
                {"type": "image", "payload": url("front.png")},
                {"type": "image", "payload": url("back.png")},
            ]}),
        ),
        ("typing_on", json!({"sender_action": "typing_on"})),
        ("typing_off", json!({"sender_action": "typing_off"})),
        ("mark_seen", json!({"sender_action": "mark_seen"})),
        (
            "react",
            json!({"sender_action": "react", "payload": react("love")}),
        ),
        (
            "unreact",
            json!({"sender_action": "unreact", "payload": react("love")}),
        ),
    ];
    if stage.kind == "instagram" {
        all.push(("like_heart", json!({"attachment": {"type": "like_heart"}})));
    }
    all
}

#[test]
fn chatt2mes_fields_reach_every_provider() {
    run(async {
        for kind in ["whatsapp", "messenger", "instagram", "telegram", "sms"] {
            let stage = Stage::open(kind).await;
            let mut all = chatt2me(&stage);
            if ["messenger", "instagram"].contains(&kind) {
                all.extend(older(&stage));
            }
            if kind == "whatsapp" {
                all.push(("template", json!({"template": template(&stage).await})));
            }
            let path = format!("/v1/communication/{kind}/message");
            for (expected, content) in all {
                let body =
                    json!({"from": stage.channel.id, "to": stage.person, "content": content});
                let answer = stage.tenant.post(&path, &body).await.expect(200);
                let statuses = ["sent", "enqueued"].map(Value::from);
                assert!(statuses.contains(&answer["status"]), "{content} {answer}");
                let last = last_of(&stage, &answer["messageId"]).await;
                let got = stage.reaches(&last).await;
                assert_eq!(got, expected, "{kind} {content}");
            }
        }
    });
}

/// The last of the messages that a message is one of.
async fn last_of(stage: &Stage, id: &Value) -> Value {
    let message = stage.tenant.message(id.as_str().expect("an id")).await;
    let parts = message["adapted"]["parts"].as_array();
    parts.and_then(|parts| parts.last()).unwrap_or(id).clone()
}

/// A template as Chatt2.me's clients name it, by its id.
async fn template(stage: &Stage) -> Value {
    let path = format!("/v1/templates?channelId={}&limit=100", stage.channel.id);
    let templates = stage.tenant.list(&path).await;
    let found = templates
        .iter()
        .find(|template| template["key"] == "order_shipped");
    let parameters = ["Ana", "1234", "Friday"].map(|text| json!({"type": "text", "text": text}));
    json!({
        "id": found.expect("the template")["id"],
        "components": [{"type": "body", "parameters": parameters}],
    })
}

#[test]
fn chatt2mes_web_chat_shows_every_field() {
    run(async {
        let stage = Stage::open("webchat").await;
        let visitor = stage.visitor.as_ref().expect("a visitor");
        let contents = [
            (
                "image",
                json!({"imageUrl": file("shirt.jpg"), "text": "A shirt"}),
            ),
            (
                "document",
                json!({"documentUrl": file("a.pdf"), "filename": "Invoice.pdf"}),
            ),
            ("sticker", json!({"stickerUrl": file("wave.webp")})),
            (
                "location",
                json!({"location": {"latitude": 1.5, "longitude": -2.5}}),
            ),
            (
                "contacts",
                json!({"contact": {"name": "Bia", "phones": ["+5511987650001"]}}),
            ),
            (
                "interactive",
                json!({"interactive": {
                    "type": "button", "body": {"text": "Which?"},
                    "action": {"buttons": [{"type": "reply", "reply": {"id": "s", "title": "Small"}}]},
                }}),
            ),
            (
                "reaction",
                json!({"reaction": {"messageId": stage.heard, "emoji": "👍"}}),
            ),
        ];
        for (at, (expected, content)) in contents.into_iter().enumerate() {
            let body = json!({"from": stage.channel.id, "to": stage.person, "content": content});
            let path = "/v1/communication/web-chatt2me/message";
            let answer = stage.tenant.post(path, &body).await.expect(200);
            assert_eq!(answer["status"], "sent", "{content} {answer}");
            let seen = visitor.reads(1 + at as u64, 0).await;
            assert_eq!(seen[0]["id"], answer["messageId"]);
            assert_eq!(seen[0]["content"]["type"], expected);
        }
    });
}
