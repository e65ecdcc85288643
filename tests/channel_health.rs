//! Asking the provider whether a channel works: when it is connected, when its credentials change, and on demand.

use crate::support::world::{APP_SECRET, CUSTOMER, PHONE_NUMBER_ID};
use crate::support::{Answer, World};
use http::Method;
use serde_json::{Value, json};

fn shop(token: &str) -> Value {
    json!({
        "type": "whatsapp", "name": "Shop", "identifier": "+15550100001",
        "credentials": {
            "phoneNumberId": PHONE_NUMBER_ID, "wabaId": "102290129340398",
            "accessToken": token, "appSecret": APP_SECRET, "verifyToken": "verify-me",
        },
    })
}

fn expired() -> Answer {
    let message = "Error validating access token: Session has expired";
    Answer::Http(
        401,
        json!({ "error": { "message": message, "type": "OAuthException", "code": 190 } }),
    )
}

fn answers(world: &World, answer: Answer) {
    world.ports().to_questions.borrow_mut().push_back(answer);
}

async fn send(world: &World, channel: &str) -> String {
    let body = json!({
        "from": channel, "to": CUSTOMER, "content": { "type": "text", "text": "Hello" },
    });
    let sent = world.post("/v1/messages", body).await.expect(202);
    sent["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn connecting_asks_the_provider_with_the_channels_token() {
    let world = World::new().await;
    world
        .post("/v1/channels", shop("good-token"))
        .await
        .expect(201);
    let questions = world.ports().questions.borrow();
    assert_eq!(questions.len(), 1);
    let question = &questions[0];
    assert_eq!(question.method(), Method::GET);
    assert_eq!(question.uri().path(), format!("/v23.0/{PHONE_NUMBER_ID}"));
    assert_eq!(question.headers()["authorization"], "Bearer good-token");
    assert!(question.body().is_empty());
}

#[tokio::test]
async fn a_refused_token_is_not_connected_and_nothing_is_stored() {
    let world = World::new().await;
    answers(&world, expired());
    let refused = world.post("/v1/channels", shop("old-token")).await;
    let told = refused.expect(422);
    assert_eq!(told["errors"][0]["pointer"], "/credentials");
    assert!(
        told["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("expired"))
    );
    assert_eq!(world.database().count("SELECT COUNT(*) FROM channel"), 0);
    world
        .post("/v1/channels", shop("new-token"))
        .await
        .expect(201);
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_or_says_something_else_keeps_nobody_from_connecting() {
    for answer in [
        Answer::NoAnswer,
        Answer::Http(500, Value::Null),
        Answer::Http(200, json!("?")),
        Answer::Http(
            429,
            json!({ "error": { "code": 4, "message": "slow down" } }),
        ),
        Answer::Http(
            400,
            json!({ "error": { "code": 100, "message": "no such field" } }),
        ),
    ] {
        let world = World::new().await;
        answers(&world, answer);
        world.post("/v1/channels", shop("token")).await.expect(201);
    }
}

#[tokio::test]
async fn new_credentials_that_the_provider_refuses_leave_the_old_ones_standing() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    answers(&world, expired());
    let body = json!({ "credentials": { "accessToken": "worse" } });
    let path = format!("/v1/channels/{channel}");
    world.call(Method::PATCH, &path, body).await.expect(422);
    world
        .customer_writes(&channel, CUSTOMER, "wamid.in", "Hi")
        .await;
    send(&world, &channel).await;
    world.drain().await;
    let requests = world.posts_to("graph.test");
    assert_eq!(requests[0].headers()["authorization"], "Bearer graph-token");
}

#[tokio::test]
async fn a_test_says_that_all_is_well() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let path = format!("/v1/channels/{channel}/test");
    let test = world.post(&path, Value::Null).await.expect(200);
    assert_eq!(test["ok"], true);
    assert_eq!(test["problem"], Value::Null);
    assert_eq!(test["channel"]["id"], channel);
    assert_eq!(test["channel"]["status"], "connected");
}

#[tokio::test]
async fn a_test_that_finds_the_token_refused_moves_the_channel_to_needs_reauth_and_one_that_does_not_back()
 {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world
        .customer_writes(&channel, CUSTOMER, "wamid.in", "Hi")
        .await;
    let waiting = send(&world, &channel).await;
    let path = format!("/v1/channels/{channel}/test");
    answers(&world, expired());
    let test = world.post(&path, Value::Null).await.expect(200);
    assert_eq!(test["ok"], false);
    assert_eq!(test["problem"]["code"], "provider_unauthorized");
    assert_eq!(test["problem"]["providerCode"], "190");
    assert_eq!(test["channel"]["status"], "needs_reauth");
    assert_eq!(test["channel"]["lastError"]["code"], "190");
    world.drain().await;
    assert!(
        world.posts_to("graph.test").is_empty(),
        "nothing is sent with a refused token"
    );
    let refused = json!({
        "from": channel, "to": CUSTOMER, "content": { "type": "text", "text": "Hello" },
    });
    let told = world.post("/v1/messages", refused).await.expect(409);
    assert_eq!(told["code"], "channel_unavailable");

    let test = world.post(&path, Value::Null).await.expect(200);
    assert_eq!(test["ok"], true);
    assert_eq!(test["channel"]["status"], "connected");
    assert_eq!(test["channel"]["lastError"], Value::Null);
    world.drain().await;
    let message = world.get(&format!("/v1/messages/{waiting}")).await;
    assert_eq!(message["status"], "sent", "what waited went at once");
}

#[tokio::test]
async fn a_test_without_an_answer_says_so_and_changes_nothing() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    answers(&world, Answer::NoAnswer);
    let path = format!("/v1/channels/{channel}/test");
    let test = world.post(&path, Value::Null).await.expect(200);
    assert_eq!(test["ok"], false);
    assert_eq!(test["problem"]["code"], "unavailable");
    assert_eq!(test["channel"]["status"], "connected");
}

#[tokio::test]
async fn a_test_needs_a_channel_of_ones_own_and_the_right_to_change_it() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let path = format!("/v1/channels/{channel}/test");
    let (_, stranger) = world.new_workspace("Other").await;
    let stranger = format!("Bearer {stranger}");
    let headers = [("authorization", stranger.as_str())];
    world
        .call_with(Method::POST, &path, &headers, Value::Null)
        .await
        .expect(404);
    let body = json!({ "name": "reader", "scopes": ["messaging:channels:read"] });
    let key = world.post("/v1/api-keys", body).await.expect(201);
    let reader = format!("Bearer {}", key["key"].as_str().expect("a key"));
    let headers = [("authorization", reader.as_str())];
    let told = world
        .call_with(Method::POST, &path, &headers, Value::Null)
        .await
        .expect(403);
    assert_eq!(told["code"], "missing_scope");
    assert_eq!(
        world.ports().questions.borrow().len(),
        1,
        "only the connection asked"
    );
}
