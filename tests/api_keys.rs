//! A workspace's own keys: made, listed, and revoked at once.

use crate::support::World;
use crate::support::world::CUSTOMER;
use http::Method;
use serde_json::{Value, json};

async fn issue(world: &World, body: Value) -> (String, String) {
    let key = world.post("/v1/api-keys", body).await.expect(201);
    let text = |field: &str| key[field].as_str().expect("text").to_owned();
    (text("id"), text("key"))
}

async fn as_key(world: &World, key: &str, method: Method, path: &str, body: Value) -> u16 {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    world.call_with(method, path, &headers, body).await.status
}

#[tokio::test]
async fn a_key_is_shown_once_and_listed_without_its_secret() {
    let world = World::new().await;
    let body =
        json!({ "name": "ci", "scopes": ["messaging:messages:read"], "environment": "test" });
    let (id, key) = issue(&world, body).await;
    assert!(key.starts_with("pb_test_"));
    let listed = world.get("/v1/api-keys").await;
    let keys = listed["data"].as_array().expect("a list");
    assert_eq!(keys.len(), 2, "the first key and this one");
    assert_eq!(keys[1]["id"], id.as_str());
    assert_eq!(keys[1]["scopes"], json!(["messaging:messages:read"]));
    assert!(key.starts_with(keys[1]["prefix"].as_str().expect("a prefix")));
    assert!(!listed.to_string().contains(&key));
    assert!(!world.database().dump().contains(&key));
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once_wherever_it_is_remembered() {
    let mut world = World::new().await;
    let channel = world.whatsapp().await;
    world
        .customer_writes(&channel, CUSTOMER, "wamid.in", "Hi")
        .await;
    let (id, key) = issue(&world, json!({ "name": "leaked" })).await;
    let text = json!({
        "from": "+15550100001", "to": CUSTOMER, "content": { "type": "text", "text": "Hello" },
    });
    let sent = as_key(&world, &key, Method::POST, "/v1/messages", text.clone()).await;
    assert_eq!(sent, 202);

    // Revoked by another isolate: this one still remembers it.
    let warm = std::mem::take(&mut world.gateway.memory);
    let path = format!("/v1/api-keys/{id}");
    world
        .call(Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
    world.gateway.memory = warm;
    assert_eq!(
        as_key(&world, &key, Method::POST, "/v1/messages", text).await,
        401
    );
    assert_eq!(
        as_key(&world, &key, Method::GET, "/v1/messages", Value::Null).await,
        401
    );
    world.advance(1);
    world
        .call(Method::DELETE, &path, Value::Null)
        .await
        .expect(404);
    let listed = world.get("/v1/api-keys").await;
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_key_makes_none_that_may_do_more_than_itself() {
    let world = World::new().await;
    let scopes = json!(["messaging:keys:write", "messaging:messages:read"]);
    let (_, key) = issue(&world, json!({ "name": "keeper", "scopes": scopes })).await;
    let path = "/v1/api-keys";
    for (body, status) in [
        (
            json!({ "name": "same", "scopes": ["messaging:messages:read"] }),
            201,
        ),
        (
            json!({ "name": "more", "scopes": ["messaging:messages:send"] }),
            403,
        ),
        (json!({ "name": "all" }), 403),
    ] {
        assert_eq!(as_key(&world, &key, Method::POST, path, body).await, status);
    }
    assert_eq!(
        as_key(&world, &key, Method::GET, path, Value::Null).await,
        403
    );
}

#[tokio::test]
async fn another_workspaces_key_is_neither_seen_nor_revoked() {
    let world = World::new().await;
    let (id, key) = issue(&world, json!({ "name": "ours" })).await;
    let (_, theirs) = world.new_workspace("Mallory").await;
    let path = format!("/v1/api-keys/{id}");
    assert_eq!(
        as_key(&world, &theirs, Method::DELETE, &path, Value::Null).await,
        404
    );
    assert_eq!(
        as_key(&world, &key, Method::GET, "/v1/workspace", Value::Null).await,
        200
    );
}
