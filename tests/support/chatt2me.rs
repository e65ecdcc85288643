//! What tests of Chatt2.me's surface share.

use super::outgoing::pointer;
use super::world::{CUSTOMER, Reply, START_MS, World, instagram_text, messenger_text};
use serde_json::{Value, json};

pub const PERSON: &str = "5551234567";
pub const MOBILE: &str = "+15550100077";
pub const PSID: &str = "24501234567890";
pub const IGSID: &str = "17841400001234";
pub const VISITOR: &str = "01934c5e-8f00-7abc-8def-0123456789ab";
pub const CHANNELS: [&str; 6] = [
    "whatsapp",
    "instagram",
    "messenger",
    "telegram",
    "sms",
    "web-chatt2me",
];

pub fn path(channel: &str) -> String {
    format!("/v1/communication/{channel}/message")
}

pub fn body(from: &str, to: &str, content: Value) -> Value {
    json!({ "from": from, "to": to, "content": content })
}

pub fn text(from: &str, to: &str) -> Value {
    body(from, to, json!({ "text": "Hello" }))
}

pub async fn post(world: &World, channel: &str, body: Value) -> Reply {
    world.post(&path(channel), body).await
}

/// Whom each channel writes to.
pub fn person(channel: &str) -> &'static str {
    match channel {
        "whatsapp" => CUSTOMER,
        "instagram" => IGSID,
        "messenger" => PSID,
        "telegram" => PERSON,
        "sms" => MOBILE,
        _ => VISITOR,
    }
}

/// What each of the two accounts of Meta hears from its person.
async fn open_meta(world: &World, page: &str, account: &str) {
    let now = world.ports().now_ms.get();
    let hello = messenger_text(PSID, "mid.page", "Hi", now);
    world.from_meta(page, &hello).await.expect(200);
    let hello = instagram_text(IGSID, "mid.account", "Hi", now);
    world.from_meta(account, &hello).await.expect(200);
}

/// A visitor who opened the web chat.
pub fn visit(world: &World, channel: &str, visitor: &str) {
    let workspace = &world.workspace;
    let contact = "01934c5e-8f00-7abc-8def-00000000c0de";
    for sql in [
        format!(
            "INSERT INTO contact (workspace_id, id, name, created_at)
             VALUES ('{workspace}', '{contact}', 'Ada', {START_MS})"
        ),
        format!(
            "INSERT INTO identity (workspace_id, kind, value, contact_id)
             VALUES ('{workspace}', 'visitor', '{visitor}', '{contact}')"
        ),
        format!(
            "INSERT INTO conversation (workspace_id, id, channel_id, contact_id, address, status, mode,
               unread_count, last_seq, last_activity_at, created_at)
             VALUES ('{workspace}', '01934c5e-8f00-7abc-8def-00000000c0ff', '{channel}', '{contact}', '{visitor}',
               'open', 'ai', 0, 0, {START_MS}, {START_MS})"
        ),
    ] {
        world.database().query(&sql);
    }
}

/// One channel of each type, each free to write to its person; by the words of the paths.
pub async fn all(world: &World) -> Vec<(&'static str, String)> {
    let whatsapp = world.open_whatsapp().await;
    let instagram = world.instagram().await;
    let messenger = world.messenger().await;
    open_meta(world, &messenger, &instagram).await;
    let telegram = world.telegram().await;
    let sms = world.sms().await;
    let webchat = world.webchat().await;
    visit(world, &webchat, VISITOR);
    let ids = [whatsapp, instagram, messenger, telegram, sms, webchat];
    CHANNELS.into_iter().zip(ids).collect()
}

/// An approved template of a channel.
pub fn template(world: &World, channel: &str, status: &str) -> String {
    let template = format!("01934c5e-8f00-7abc-8def-{:012}", status.len());
    let name = format!("order_{}", status.to_lowercase());
    world.database().query(&format!(
        "INSERT INTO template (workspace_id, id, channel_id, provider_id, key, name, language, category, status,
           components, variables, version, created_at)
         VALUES ('{}', '{template}', '{channel}', '77', '{name}', '{name}', 'en_US', 'UTILITY', '{status}',
           '[{{\"type\":\"BODY\",\"text\":\"Hi {{{{1}}}}, order {{{{2}}}}.\"}}]', '[\"name\",\"order\"]', 1, {START_MS})",
        world.workspace
    ));
    template
}

pub fn components() -> Value {
    json!([{ "type": "body", "parameters": [
        { "type": "text", "text": "Ada" }, { "type": "text", "text": "1234" },
    ] }])
}

/// A refusal in this surface's shape, which leaves no trace; its status, code and pointer.
pub async fn refusal(world: &World, channel: &str, body: Value) -> (u16, String, String) {
    let before = world.database().dump();
    let calls = world.ports().requests.borrow().len();
    let reply = post(world, channel, body.clone()).await;
    assert_eq!(world.database().dump(), before, "{body}");
    assert_eq!(world.ports().requests.borrow().len(), calls, "{body}");
    is_problem(&reply);
    let code = reply.body["errorCode"].as_str().expect("a code").to_owned();
    (reply.status, code, pointer(&reply.body).to_owned())
}

#[track_caller]
pub fn is_problem(reply: &Reply) {
    let body = reply.body.as_object().expect("an object");
    assert!(reply.status >= 400, "{} {body:?}", reply.status);
    assert_eq!(body["messageId"], Value::Null);
    assert_eq!(body["status"], "error");
    assert!(
        body["errorMessage"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    );
    assert!(body["errorCode"].is_string());
    assert_eq!(
        body["requestId"].as_str(),
        reply.header("x-request-id"),
        "{body:?}"
    );
    for name in body.keys() {
        let documented = [
            "messageId",
            "status",
            "errorMessage",
            "errorCode",
            "errors",
            "requestId",
        ];
        assert!(documented.contains(&name.as_str()), "{name}");
    }
    if let Some(errors) = body.get("errors") {
        let errors = errors.as_array().expect("a list");
        assert!(!errors.is_empty());
        for error in errors {
            assert!(error["pointer"].is_string() && error["detail"].is_string());
        }
    }
}
