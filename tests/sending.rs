//! Accepting a message and sending it.

mod support;

use http::Method;
use serde_json::{Value, json};
use support::world::{CUSTOMER, whatsapp_status};
use support::{Answer, World};

fn text(to: &str, text: &str) -> Value {
    json!({ "from": "+15550100001", "to": to, "content": { "type": "text", "text": text } })
}

#[tokio::test]
async fn a_text_is_accepted_sent_once_and_tracked_to_delivery() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world.customer_writes(&channel, CUSTOMER, "wamid.in", "Hi").await;

    let accepted = world.post("/v1/messages", text(CUSTOMER, "Hello")).await.expect(202);
    assert_eq!(accepted["status"], "accepted");
    world.drain().await;

    let sent = world.requests_to("graph.test");
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0]["to"], CUSTOMER);
    assert_eq!(sent[0]["text"]["body"], "Hello");
    assert_eq!(sent[0]["biz_opaque_callback_data"], accepted["id"]);

    let at = world.ports().now_ms.get() / 1_000;
    world.from_meta(&channel, &whatsapp_status("wamid.1", "delivered", at)).await.expect(200);
    let path = format!("/v1/messages/{}", accepted["id"].as_str().expect("an id"));
    let message = world.get(&path).await;
    assert_eq!(message["status"], "delivered");
    assert_eq!(message["providerMessageId"], "wamid.1");
    let history: Vec<&str> = message["statusHistory"]
        .as_array()
        .expect("a history")
        .iter()
        .filter_map(|entry| entry["status"].as_str())
        .collect();
    assert_eq!(history, ["accepted", "sending", "sent", "delivered"]);
    assert_eq!(message["attempts"][0]["outcome"], "sent");
}

#[tokio::test]
async fn free_text_outside_the_window_is_refused_before_the_provider_is_called() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let refused = world.post("/v1/messages", text(CUSTOMER, "Hello")).await.expect(422);
    assert_eq!(refused["code"], "window_closed");
    world.customer_writes(&channel, CUSTOMER, "wamid.in", "Hi").await;
    world.advance(24 * 3_600_000);
    let refused = world.post("/v1/messages", text(CUSTOMER, "Hello")).await.expect(422);
    assert_eq!(refused["code"], "window_closed");
    world.drain().await;
    assert!(world.requests_to("graph.test").is_empty());
    let stored = world.call(Method::GET, "/v1/messages", Value::Null).await.expect(200);
    assert_eq!(stored["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn an_answer_that_never_came_leaves_the_message_unknown_and_the_next_one_goes() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world.customer_writes(&channel, CUSTOMER, "wamid.in", "Hi").await;
    world.ports().answers.borrow_mut().push_back(Answer::NoAnswer);
    let first = world.post("/v1/messages", text(CUSTOMER, "one")).await.expect(202);
    let second = world.post("/v1/messages", text(CUSTOMER, "two")).await.expect(202);
    world.drain().await;
    let show = async |message: &Value| {
        let path = format!("/v1/messages/{}", message["id"].as_str().expect("an id"));
        world.get(&path).await
    };
    assert_eq!(show(&first).await["status"], "unknown");
    assert_eq!(show(&second).await["status"], "sent");
}
