use std::time::Duration;

use crate::common::*;
use patchbay_sandbox::{CallFilter, Inbound};
use serde_json::{Value, json};

#[tokio::test]
async fn an_unknown_bot_token_is_unauthorized() {
    let sandbox = sandbox().await;

    let (status, body) = method(&sandbox, "getMe", &json!({})).await;

    assert_eq!(status, 401);
    assert_eq!(
        body,
        json!({"ok": false, "error_code": 401, "description": "Unauthorized"})
    );
}

#[tokio::test]
async fn an_unknown_method_is_not_found() {
    let sandbox = started_bot().await;

    let (status, body) = method(&sandbox, "sendHologram", &json!({})).await;

    assert_eq!((status, &body["description"]), (404, &json!("Not Found")));
}

#[tokio::test]
async fn a_person_who_never_wrote_is_a_chat_not_found() {
    let sandbox = started_bot().await;

    let (status, body) = method(
        &sandbox,
        "sendMessage",
        &json!({"chat_id": 99, "text": "Hi"}),
    )
    .await;

    assert_eq!(status, 400);
    assert_eq!(body["description"], "Bad Request: chat not found");
}

#[tokio::test]
async fn message_ids_count_up_in_each_chat() {
    let sandbox = started_bot().await;
    sandbox
        .inbound(Inbound::new("@test_bot", "300", "/start"))
        .await
        .unwrap();

    let mut ids = Vec::new();
    for chat in [CHAT, "300", CHAT] {
        let params = json!({"chat_id": chat, "text": " Hello! "});
        let (_, body) = method(&sandbox, "sendMessage", &params).await;
        assert_eq!(body["result"]["text"], "Hello!");
        assert_eq!(body["result"]["chat"]["id"].to_string(), chat);
        ids.push(body["result"]["message_id"].as_i64().unwrap());
    }

    assert_eq!(ids, [ids[0], ids[0], ids[0] + 1]);
}

#[tokio::test]
async fn a_new_sandbox_gives_higher_ids_than_an_earlier_one() {
    let mut ids = Vec::new();
    for _ in 0..2 {
        let sandbox = started_bot().await;
        let inbound = Inbound::new(BOT, CHAT, "Hi");
        let played = sandbox.inbound(inbound).await.unwrap();
        let update: Value = serde_json::from_str(&played.body).unwrap();
        let id = |pointer| update.pointer(pointer).and_then(Value::as_i64).unwrap();
        ids.push((id("/update_id"), id("/message/message_id")));
        // The next life begins later, as lives do.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    let (earlier, later) = (ids[0], ids[1]);
    assert!(earlier.0 < later.0 && later.0 < 1 << 52, "{ids:?}");
    assert!(earlier.1 < later.1 && later.1 < 1 << 31, "{ids:?}");
}

#[tokio::test]
async fn parameters_that_break_the_rules_are_bad_requests() {
    let sandbox = started_bot().await;
    let chat = CHAT;
    let cases = [
        ("sendMessage", json!({"text": "Hi"}), "chat_id is empty"),
        (
            "sendMessage",
            json!({"chat_id": chat, "text": "  "}),
            "message text is empty",
        ),
        (
            "sendMessage",
            json!({"chat_id": chat, "text": "x".repeat(4097)}),
            "message is too long",
        ),
        (
            "sendMessage",
            json!({"chat_id": chat, "text": "Hi", "reply_parameters": {"message_id": 900}}),
            "message to be replied not found",
        ),
        (
            "sendPhoto",
            json!({"chat_id": chat}),
            "there is no photo in the request",
        ),
        (
            "setWebhook",
            json!({"url": "http://example.com/hook"}),
            "bad webhook: An HTTPS URL must be provided for webhook",
        ),
        (
            "setWebhook",
            json!({"url": "https://example.com", "secret_token": "a b"}),
            "secret token contains unallowed characters",
        ),
    ];

    for (name, params, why) in cases {
        let (status, body) = method(&sandbox, name, &params).await;
        assert_eq!(status, 400, "{params}");
        assert_eq!(body["description"], format!("Bad Request: {why}"));
    }
}

#[tokio::test]
async fn a_form_is_read_like_json() {
    let sandbox = started_bot().await;
    let url = format!("{}/bot{BOT}/sendMessage", sandbox.telegram_base());
    let (_, earlier) = method(
        &sandbox,
        "sendMessage",
        &json!({"chat_id": CHAT, "text": "Hi"}),
    )
    .await;
    let id = &earlier["result"]["message_id"];
    let body = format!("chat_id={CHAT}&text=Hi&reply_parameters=%7B%22message_id%22%3A{id}%7D");

    let response = reqwest::Client::new()
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
        .send()
        .await
        .unwrap();

    let body: Value = response.json().await.unwrap();
    assert_eq!(&body["result"]["reply_to_message"]["message_id"], id);
}

#[tokio::test]
async fn a_webhook_set_by_the_gateway_gets_updates_with_its_secret() {
    let sandbox = started_bot().await;
    let params = json!({"url": sandbox.subscriber_url("other"), "secret_token": "new-secret_1"});
    let (status, _) = method(&sandbox, "setWebhook", &params).await;
    assert_eq!(status, 200);

    for text in ["one", "two"] {
        let inbound = Inbound::new(BOT, CHAT, text);
        sandbox.inbound(inbound).await.unwrap();
    }

    let events = sandbox.events("other", 0);
    let updates: Vec<Value> = events
        .iter()
        .map(|event| serde_json::from_str(&event.body).unwrap())
        .collect();
    assert_eq!(
        events[0].headers["x-telegram-bot-api-secret-token"],
        "new-secret_1"
    );
    assert_eq!(updates[0]["message"]["text"], "two");
    let id = |update: &Value| update["update_id"].as_i64().unwrap();
    assert_eq!(id(&updates[0]), id(&updates[1]) + 1);
}

#[tokio::test]
async fn the_journal_never_shows_the_bot_token() {
    let sandbox = started_bot().await;
    method(&sandbox, "getMe", &json!({})).await;

    let calls = sandbox.calls(&CallFilter::default());

    assert_eq!(calls[0].path, "/telegram/bot***/getMe");
    assert!(!format!("{calls:?}").contains("AAsecret"));
}

#[tokio::test]
async fn a_bot_that_is_asked_who_it_is_says_its_name() {
    let sandbox = started_bot().await;

    let (status, body) = method(&sandbox, "getMe", &json!({})).await;

    assert_eq!(status, 200);
    assert_eq!(body["result"]["username"], "test_bot");
    assert_eq!(body["result"]["is_bot"], true);
}
