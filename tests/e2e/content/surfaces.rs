//! The same contents as the clients of the other surfaces write them.

use serde_json::{Value, json};

use super::samples::file;
use super::stage::Stage;
use crate::harness::{WORD, run};

#[test]
fn whautochats_media_and_templates_reach_every_provider() {
    run(async {
        let elements = json!({"elements": [
            {
                "title": "Shirt", "subtitle": "Cotton", "imageUrl": file("shirt.png"),
                "buttons": [{"title": "Look", "url": "https://shop.example/shirt"}, {"title": "Take it"}],
            },
            {"title": "Hat", "subtitle": "Straw"},
        ]});
        let media =
            |name: &str, mime_type: &str| json!({"mediaUrl": file(name), "mimeType": mime_type});
        let variables = json!({"1": "Ana", "2": "1234", "3": "Friday"});
        for (kind, sends) in [
            (
                "whatsapp",
                vec![
                    ("sendmedia", "image", media("shirt.png", "image/png")),
                    ("sendmedia", "video", media("shop.mp4", "video/mp4")),
                    (
                        "sendmedia",
                        "audio",
                        media("note.ogg", "audio/ogg; codecs=opus"),
                    ),
                    ("sendmedia", "sticker", media("wave.webp", "image/webp")),
                    ("sendmedia", "document", media("a.pdf", "application/pdf")),
                    (
                        "sendtemplate",
                        "template",
                        json!({"template": "order_shipped", "variables": variables}),
                    ),
                ],
            ),
            (
                "messenger",
                vec![
                    ("sendmedia", "image", media("shirt.png", "image/png")),
                    ("sendmedia", "video", media("shop.mp4", "video/mp4")),
                    ("sendmedia", "audio", media("greeting.m4a", "audio/mp4")),
                    ("sendmedia", "file", media("a.pdf", "application/pdf")),
                    ("sendtemplate", "generic", elements.clone()),
                ],
            ),
            ("instagram", vec![("sendtemplate", "generic", elements)]),
            (
                "telegram",
                vec![(
                    "sendtemplate",
                    "text",
                    json!({"textMessage": format!("Which? {WORD}"), "buttons": [
                        {"title": "Small", "payload": "s"}, {"title": "Large"},
                        {"title": "Look", "url": "https://shop.example"},
                    ]}),
                )],
            ),
        ] {
            let stage = Stage::open(kind).await;
            for (form, expected, mut body) in sends {
                body["contact"] = json!({"id": stage.contact});
                body["workspace"] = json!({"id": stage.tenant.id});
                let path = format!("/v1/messages/{kind}/{form}");
                let answer = stage.tenant.post(&path, &body).await.expect(200);
                assert!(answer["error"].is_null(), "{answer}");
                let got = stage.reaches(&answer["id"]).await;
                assert_eq!(got, expected, "{kind} {body}");
            }
        }
    });
}

#[test]
fn visitos_types_reach_every_provider_that_carries_them() {
    run(async {
        let link = |name: &str| json!({"link": file(name)});
        let template = json!({
            "name": "order_shipped", "language": {"code": "en_US"},
            "components": [{"type": "body", "parameters": [
                {"type": "text", "text": "Ana"}, {"type": "text", "text": "1234"},
                {"type": "text", "text": "Friday"},
            ]}],
        });
        let asked = |id: &str| {
            json!({
                "type": "button", "body": {"text": format!("Which? {WORD}")},
                "action": {"buttons": [{"type": "reply", "reply": {"id": id, "title": "Small"}}]},
            })
        };
        let stage = Stage::open("whatsapp").await;
        for (kind, expected, fields) in [
            ("text", "text", json!({"text": format!("Hello {WORD}")})),
            (
                "image",
                "image",
                json!({"url": file("shirt.png"), "caption": "A shirt"}),
            ),
            ("video", "video", link("shop.mp4")),
            ("audio", "audio", link("greeting.mp3")),
            (
                "document",
                "document",
                json!({"link": file("a.pdf"), "filename": "Invoice.pdf"}),
            ),
            (
                "location",
                "location",
                json!({"latitude": -23.5614, "longitude": -46.6559}),
            ),
            ("interactive", "button", asked("s")),
            (
                "interactive",
                "button",
                json!({"kind": "buttons", "body": "Which?", "buttons": [{"id": "s", "title": "Small"}]}),
            ),
            ("template", "template", template),
        ] {
            reach_by_visito(&stage, kind, expected, &fields).await;
        }
        for (channel, expected) in [
            ("messenger", "button"),
            ("instagram", "button"),
            ("telegram", "text"),
        ] {
            let stage = Stage::open(channel).await;
            reach_by_visito(&stage, "interactive", expected, &asked("s")).await;
        }
    });
}

async fn reach_by_visito(stage: &Stage, kind: &str, expected: &str, fields: &Value) {
    let body = json!({"type": kind, "to": stage.conversation, kind: fields});
    let answer = stage
        .tenant
        .post("/m2m/v1/messages", &body)
        .await
        .expect(200);
    assert_eq!(answer["type"], kind);
    let got = stage.reaches(&answer["id"]).await;
    assert_eq!(got, expected, "{} {body}", stage.kind);
}
