use crate::common::*;
use hmac::{Hmac, KeyInit, Mac};
use patchbay_sandbox::{Behaviour, CallFilter, Inbound, StatusUpdate};
use serde_json::{Value, json};
use sha2::Sha256;

fn status_of(hook: &Value) -> &Value {
    &hook["entry"][0]["changes"][0]["value"]["statuses"][0]
}

#[tokio::test]
async fn a_wrong_token_is_refused_with_code_190() {
    let sandbox = open_window().await;

    let response = send_as(&sandbox, "wrong", &text(PERSON, "Hi"))
        .await
        .unwrap();

    assert_eq!(response.status(), 401);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["code"], 190);
    assert_eq!(body["error"]["type"], "OAuthException");
    assert_eq!(sandbox.accepted_count(), 0);
}

#[tokio::test]
async fn an_unknown_number_is_refused_with_subcode_33() {
    let sandbox = sandbox().await;

    let (status, body) = answer(&sandbox, &text(PERSON, "Hi")).await;

    assert_eq!(status, 400);
    assert_eq!(body["error"]["code"], 100);
    assert_eq!(body["error"]["error_subcode"], 33);
}

#[tokio::test]
async fn an_accepted_text_shows_on_the_phone_and_in_the_journal() {
    let sandbox = open_window().await;

    let (status, body) = answer(&sandbox, &text("+5511999999999", "Olá")).await;

    assert_eq!(status, 200);
    let id = body["messages"][0]["id"].as_str().unwrap();
    assert!(id.starts_with("wamid.HBgN"), "{id}");
    assert_eq!(
        body["contacts"][0],
        json!({"input": "+5511999999999", "wa_id": PERSON})
    );
    let phone = sandbox.phone(NUMBER, PERSON).unwrap();
    assert_eq!(phone.messages.back().unwrap().text, "Olá");
    let calls = sandbox.calls(&CallFilter {
        recipient: Some(PERSON.to_owned()),
        accepted: Some(true),
        ..CallFilter::default()
    });
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].message_id.as_deref(), Some(id));
    assert!(!format!("{:?}", calls[0]).contains(TOKEN));
}

#[tokio::test]
async fn a_text_outside_the_window_is_refused_with_131047() {
    let sandbox = sandbox().await;
    sandbox.register_account(number(&sandbox)).unwrap();
    let mut old = Inbound::new(NUMBER, PERSON, "Hello");
    old.timestamp = Some(1_700_000_000);
    sandbox.inbound(old).await.unwrap();

    let (status, body) = answer(&sandbox, &text(PERSON, "Hi")).await;

    assert_eq!(status, 400);
    assert_eq!(body["error"]["code"], 131_047);
}

#[tokio::test]
async fn a_template_needs_no_window() {
    let sandbox = sandbox().await;
    sandbox.register_account(number(&sandbox)).unwrap();
    let template = json!({
        "messaging_product": "whatsapp",
        "to": PERSON,
        "type": "template",
        "template": {"name": "hello_world", "language": {"code": "en_US"}},
    });

    let (status, body) = answer(&sandbox, &template).await;

    assert_eq!(status, 200);
    assert_eq!(body["messages"][0]["message_status"], "accepted");
}

#[tokio::test]
async fn a_body_that_breaks_the_rules_is_refused_with_the_rules_code() {
    let sandbox = open_window().await;
    let with = |name: &str, value: Value| {
        let mut body = text(PERSON, "Hi");
        body[name] = value;
        body
    };
    let mut without_recipient = text(PERSON, "Hi");
    without_recipient.as_object_mut().unwrap().remove("to");
    let cases = [
        (json!({"to": PERSON}), 100),
        (without_recipient, 100),
        (with("messaging_product", json!("sms")), 131_009),
        (with("to", json!("12345")), 131_009),
        (with("text", json!({})), 131_008),
        (with("text", json!({"body": ""})), 131_009),
        (with("text", json!({"body": "x".repeat(4097)})), 131_009),
        (
            with("biz_opaque_callback_data", json!("x".repeat(513))),
            131_009,
        ),
        (with("context", json!({"message_id": 7})), 131_009),
        (with("type", json!("image")), 131_008),
        (with("type", json!("hologram")), 131_051),
    ];

    for (body, code) in cases {
        let (status, answered) = answer(&sandbox, &body).await;
        assert_eq!(status, 400, "{body}");
        assert_eq!(answered["error"]["code"], code, "{body}");
    }
    assert_eq!(sandbox.accepted_count(), 0);
}

#[tokio::test]
async fn statuses_follow_in_order_and_carry_the_callback_data() {
    let sandbox = open_window().await;
    let mut auto_read = number(&sandbox);
    auto_read.auto_read = true;
    sandbox.register_account(auto_read).unwrap();
    let mut body = text(PERSON, "Hi");
    body["biz_opaque_callback_data"] = json!("delivery-1");

    let (_, sent) = answer(&sandbox, &body).await;

    let hooks = hooks(&sandbox, 3).await;
    let statuses: Vec<_> = hooks
        .iter()
        .map(|hook| &status_of(hook)["status"])
        .collect();
    assert_eq!(statuses, ["sent", "delivered", "read"]);
    for hook in &hooks {
        assert_eq!(status_of(hook)["id"], sent["messages"][0]["id"]);
        assert_eq!(status_of(hook)["recipient_id"], PERSON);
        assert_eq!(status_of(hook)["biz_opaque_callback_data"], "delivery-1");
        assert!(status_of(hook)["timestamp"].is_string());
    }
}

#[tokio::test]
async fn callbacks_are_signed_over_the_raw_bytes() {
    let sandbox = open_window().await;

    let played = sandbox
        .inbound(Inbound::new(NUMBER, PERSON, "Olá 👋"))
        .await
        .unwrap();

    assert_eq!(played.callback_status, Some(200));
    let received = sandbox.events("hook", 0)[0].clone();
    assert_eq!(received.body, played.body);
    assert!(received.body.is_ascii());
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(received.body.as_bytes());
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    assert_eq!(received.headers["x-hub-signature-256"], signature);
}

#[tokio::test]
async fn a_status_is_posted_again_until_it_is_taken() {
    let sandbox = open_window().await;
    sandbox.subscriber("hook", Behaviour::status(503).times(1));

    answer(&sandbox, &text(PERSON, "Hi")).await;

    let hooks = hooks(&sandbox, 3).await;
    let statuses: Vec<_> = hooks
        .iter()
        .map(|hook| &status_of(hook)["status"])
        .collect();
    assert_eq!(statuses, ["sent", "sent", "delivered"]);
}

#[tokio::test]
async fn an_inbound_may_be_built_without_being_posted() {
    let sandbox = open_window().await;
    let mut quiet = Inbound::new("+1 (555) 078-3881", PERSON, "Hello");
    quiet.deliver = false;

    let played = sandbox.inbound(quiet).await.unwrap();

    assert_eq!(played.callback_status, None);
    assert!(played.headers.contains_key("x-hub-signature-256"));
    assert!(sandbox.events("hook", 0).is_empty());
}

#[tokio::test]
async fn a_quick_reply_is_nothing_a_whatsapp_number_gets() {
    let sandbox = open_window().await;
    let mut pressed = Inbound::new(NUMBER, PERSON, "Red");
    pressed.quick_reply = Some("R".to_owned());

    assert!(sandbox.inbound(pressed).await.is_err());
    assert!(sandbox.events("hook", 0).is_empty());
}

#[tokio::test]
async fn copies_of_an_inbound_are_the_same_bytes() {
    let sandbox = open_window().await;
    let mut hello = Inbound::new(NUMBER, PERSON, "Hello again");
    hello.copies = 3;

    sandbox.inbound(hello).await.unwrap();

    let events = sandbox.events("hook", 0);
    assert_eq!(events.len(), 3);
    assert!(events.iter().all(|event| event.body == events[0].body));
}

#[tokio::test]
async fn a_status_by_hand_finds_its_recipient() {
    let sandbox = open_window().await;
    let mut silent = number(&sandbox);
    silent.auto_status = false;
    sandbox.register_account(silent).unwrap();
    let (_, sent) = answer(&sandbox, &text(PERSON, "Hi")).await;
    let id = sent["messages"][0]["id"].as_str().unwrap();

    sandbox
        .status(StatusUpdate::new(NUMBER, id, "read"))
        .await
        .unwrap();

    let hooks = hooks(&sandbox, 1).await;
    assert_eq!(status_of(&hooks[0])["recipient_id"], PERSON);
    let phone = sandbox.phone(NUMBER, PERSON).unwrap();
    assert_eq!(phone.messages.back().unwrap().status, "read");
}

#[tokio::test]
async fn marking_as_read_is_answered_with_success() {
    let sandbox = open_window().await;
    let hello = Inbound::new(NUMBER, PERSON, "Hello");
    let id = sandbox.inbound(hello).await.unwrap().provider_message_id;

    let body = json!({"messaging_product": "whatsapp", "status": "read", "message_id": id});
    let (status, answered) = answer(&sandbox, &body).await;

    assert_eq!((status, answered), (200, json!({"success": true})));
    assert_eq!(sandbox.accepted_count(), 0);
    let phone = sandbox.phone(NUMBER, PERSON).unwrap();
    assert_eq!(phone.messages.back().unwrap().status, "read");
}

#[tokio::test]
async fn a_handshake_with_a_webhook_that_does_not_echo_is_not_verified() {
    let sandbox = open_window().await;

    let shaken = sandbox.handshake(NUMBER, Some("verify")).await.unwrap();

    assert!(!shaken.verified);
    assert_eq!(shaken.status, 200);
}

#[tokio::test]
async fn a_number_that_is_asked_who_it_is_says_so() {
    let sandbox = open_window().await;
    let url = format!(
        "{}/{NUMBER}?fields=display_phone_number,verified_name",
        sandbox.graph_base()
    );

    let (status, body) = graph_get(&url, TOKEN).await;

    assert_eq!(status, 200);
    assert_eq!(
        body,
        json!({
            "id": NUMBER,
            "display_phone_number": "15550783881",
            "verified_name": "Patchbay Sandbox",
        })
    );
    let (status, body) = graph_get(&url, "wrong").await;
    assert_eq!((status, code_of(&body)), (401, (190, None)));
}
