//! Telling Telegram where a bot's updates go: when the bot is connected, when its credentials change, and on demand.

use crate::support::{Answer, World};
use http::Method;
use serde_json::{Value, json};

fn bot() -> Value {
    json!({
        "type": "telegram", "name": "Bot",
        "credentials": { "botToken": "123456:token", "secretToken": "first-secret" },
    })
}

fn me() -> Answer {
    Answer::Http(
        200,
        json!({ "ok": true, "result": { "id": 123_456, "is_bot": true, "username": "Shop_Bot" } }),
    )
}

fn no_https() -> Answer {
    let description = "Bad Request: bad webhook: An HTTPS URL must be provided for webhook";
    Answer::Http(
        400,
        json!({ "ok": false, "error_code": 400, "description": description }),
    )
}

fn answers(world: &World, answers: impl IntoIterator<Item = Answer>) {
    let mut scripted = world.ports().to_questions.borrow_mut();
    scripted.extend(answers);
}

/// The webhooks that Telegram was told to use.
fn announced(world: &World) -> Vec<Value> {
    let questions = world.ports().questions.borrow();
    let webhooks = questions
        .iter()
        .filter(|question| question.uri().path() == "/bot123456:token/setWebhook");
    webhooks
        .map(|webhook| serde_json::from_slice(webhook.body()).expect("JSON"))
        .collect()
}

#[tokio::test]
async fn a_bot_that_is_connected_takes_its_name_from_telegram_and_says_where_it_listens() {
    let world = World::new().await;
    answers(&world, [me()]);
    let channel = world.post("/v1/channels", bot()).await.expect(201);
    assert_eq!(channel["identifier"], "Shop_Bot");
    assert_eq!(channel["lastError"], Value::Null);
    let webhooks = announced(&world);
    assert_eq!(webhooks.len(), 1);
    assert_eq!(webhooks[0]["url"], channel["inboundUrl"]);
    assert_eq!(webhooks[0]["secret_token"], "first-secret");
    let updates = webhooks[0]["allowed_updates"].as_array().expect("updates");
    for update in ["message", "callback_query", "my_chat_member"] {
        assert!(updates.contains(&json!(update)), "{update}");
    }
}

#[tokio::test]
async fn a_name_that_is_given_stands_and_a_silent_telegram_keeps_nobody_from_connecting() {
    let world = World::new().await;
    answers(&world, [Answer::NoAnswer, Answer::NoAnswer]);
    let mut given = bot();
    given["identifier"] = json!("@my_shop_bot");
    let channel = world.post("/v1/channels", given).await.expect(201);
    assert_eq!(channel["identifier"], "my_shop_bot");
    assert_eq!(channel["status"], "connected");
    assert_eq!(channel["lastError"]["code"], "webhook_not_set");
}

#[tokio::test]
async fn a_webhook_that_telegram_refuses_is_told_and_set_by_the_next_test() {
    let world = World::new().await;
    answers(&world, [me(), no_https()]);
    let channel = world.post("/v1/channels", bot()).await.expect(201);
    assert_eq!(channel["lastError"]["code"], "webhook_not_set");
    let path = format!("/v1/channels/{}/test", channel["id"].as_str().expect("id"));

    answers(&world, [me(), no_https()]);
    let tested = world.post(&path, json!({})).await.expect(200);
    assert_eq!(tested["ok"], false);
    let message = tested["problem"]["message"].as_str().expect("a message");
    assert!(message.contains("HTTPS URL must be provided"), "{message}");
    assert_eq!(tested["channel"]["status"], "connected");

    let tested = world.post(&path, json!({})).await.expect(200);
    assert_eq!(tested["ok"], true);
    assert_eq!(tested["channel"]["lastError"], Value::Null);
    assert_eq!(announced(&world).len(), 3);
}

#[tokio::test]
async fn a_renewed_secret_is_told_to_telegram() {
    let world = World::new().await;
    let channel = world.post("/v1/channels", bot()).await.expect(201);
    let path = format!("/v1/channels/{}", channel["id"].as_str().expect("an id"));
    let renamed = json!({ "name": "Shop bot" });
    world.call(Method::PATCH, &path, renamed).await.expect(200);
    assert_eq!(announced(&world).len(), 1);
    let renewed = json!({ "credentials": { "secretToken": "second-secret" } });
    world.call(Method::PATCH, &path, renewed).await.expect(200);
    let webhooks = announced(&world);
    assert_eq!(webhooks.len(), 2);
    assert_eq!(webhooks[1]["secret_token"], "second-secret");
    assert_eq!(webhooks[1]["url"], channel["inboundUrl"]);
}
