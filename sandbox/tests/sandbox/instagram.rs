use crate::common::*;
use patchbay_sandbox::{Inbound, Sandbox, StatusUpdate};
use serde_json::{Value, json};

const IGSID: &str = "6254781194541103";

/// A sandbox with an account to which the person has written.
async fn open_window() -> Sandbox {
    let sandbox = sandbox().await;
    sandbox.register_account(professional(&sandbox)).unwrap();
    let hello = Inbound::new("@patchbay.sandbox", IGSID, "Hello");
    sandbox.inbound(hello).await.unwrap();
    sandbox.clear_events("hook");
    sandbox
}

fn message(message: Value) -> Value {
    json!({"recipient": {"id": IGSID}, "message": message})
}

async fn post(sandbox: &Sandbox, body: &Value) -> (u16, Value) {
    let url = format!("{}/{PROFESSIONAL}/messages", sandbox.instagram_base());
    graph(&url, TOKEN, body).await
}

fn event_of(hook: &Value) -> &Value {
    assert_eq!(hook["object"], "instagram");
    assert_eq!(hook["entry"][0]["id"], PROFESSIONAL);
    &hook["entry"][0]["messaging"][0]
}

#[tokio::test]
async fn both_logins_reach_the_same_account() {
    let sandbox = open_window().await;

    for base in [sandbox.instagram_base(), sandbox.graph_base()] {
        let url = format!("{base}/{PROFESSIONAL}/messages");
        let (status, body) = graph(&url, TOKEN, &message(json!({"text": "Hi"}))).await;
        assert_eq!((status, &body["recipient_id"]), (200, &json!(IGSID)));
        let (status, body) = graph(&url, "wrong", &message(json!({"text": "Hi"}))).await;
        assert_eq!((status, code_of(&body)), (400, (190, None)));

        let who = format!("{base}/{PROFESSIONAL}?fields=id,username");
        let (status, body) = graph_get(&who, TOKEN).await;
        let me = json!({"id": PROFESSIONAL, "username": "patchbay.sandbox"});
        assert_eq!((status, body), (200, me));
        assert_eq!(graph_get(&who, "wrong").await.0, 400);
    }

    let phone = sandbox.phone(PROFESSIONAL, IGSID).unwrap();
    assert_eq!((phone.provider, phone.messages.len()), ("instagram", 3));
}

#[tokio::test]
async fn a_text_is_counted_in_bytes() {
    let sandbox = open_window().await;

    let (fits, _) = post(&sandbox, &message(json!({"text": "é".repeat(500)}))).await;
    let (refused, body) = post(&sandbox, &message(json!({"text": "é".repeat(501)}))).await;

    assert_eq!((fits, refused), (200, 400));
    assert_eq!(code_of(&body), (100, None));
}

#[tokio::test]
async fn what_instagram_lacks_is_refused_and_what_it_has_alone_is_accepted() {
    let sandbox = open_window().await;
    let attached = |attachment: Value| message(json!({ "attachment": attachment }));
    let image = json!({"type": "image", "payload": {"url": "https://a.example/b.png"}});
    let media = json!({"template_type": "media", "elements": [{"media_type": "image", "attachment_id": "1"}]});
    let cases = [
        (attached(json!({"type": "like_heart"})), 200),
        (
            attached(json!({"type": "MEDIA_SHARE", "payload": {"id": "1"}})),
            200,
        ),
        (message(json!({"attachments": [image, image]})), 200),
        (
            message(
                json!({"attachments": [{"type": "video", "payload": {"url": "https://a.example/v"}}]}),
            ),
            400,
        ),
        (message(json!({"sticker_id": "1"})), 400),
        (attached(json!({"type": "template", "payload": media})), 400),
        (
            message(json!({"text": "?", "quick_replies": [{"content_type": "user_email"}]})),
            400,
        ),
    ];

    for (body, status) in cases {
        assert_eq!(post(&sandbox, &body).await.0, status, "{body}");
    }
}

#[tokio::test]
async fn after_a_day_only_a_human_may_answer() {
    let sandbox = sandbox().await;
    sandbox.register_account(professional(&sandbox)).unwrap();
    wrote_hours_ago(&sandbox, PROFESSIONAL, IGSID, 25).await;
    let plain = message(json!({"text": "Hi"}));
    let mut tagged = plain.clone();
    tagged["messaging_type"] = json!("MESSAGE_TAG");
    tagged["tag"] = json!("HUMAN_AGENT");

    let (status, body) = post(&sandbox, &plain).await;

    assert_eq!((status, code_of(&body)), (400, (10, Some(2_534_022))));
    assert_eq!(post(&sandbox, &tagged).await.0, 200);
}

#[tokio::test]
async fn reading_is_reported_by_message_and_delivery_not_at_all() {
    let sandbox = open_window().await;
    let mut chatty = professional(&sandbox);
    chatty.auto_read = true;
    sandbox.register_account(chatty).unwrap();

    let (_, sent) = post(&sandbox, &message(json!({"text": "Hi"}))).await;

    let hooks = hooks(&sandbox, 1).await;
    let read = json!({"mid": sent["message_id"]});
    assert_eq!(event_of(&hooks[0])["read"], read);
    let id = sent["message_id"].as_str().unwrap();
    let delivered = StatusUpdate::new(PROFESSIONAL, id, "delivered");
    assert!(sandbox.status(delivered).await.is_err());
}

#[tokio::test]
async fn a_persons_text_arrives_signed_and_escaped() {
    let sandbox = open_window().await;

    let played = sandbox
        .inbound(Inbound::new(PROFESSIONAL, IGSID, "Olá"))
        .await
        .unwrap();

    let hooks = hooks(&sandbox, 1).await;
    assert_eq!(event_of(&hooks[0])["message"]["text"], "Olá");
    assert!(played.body.is_ascii());
    assert!(played.headers["x-hub-signature-256"].starts_with("sha256="));
}
