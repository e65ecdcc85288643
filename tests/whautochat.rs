//! WhautoChat's surface: its documented requests, answers and refusals.

use crate::support::World;
use crate::support::hostile::{any_json, config, run};
use crate::support::outgoing::pointer;
use crate::support::world::{
    CUSTOMER, PHONE_NUMBER_ID, Reply, START_MS, instagram_text, messenger_text,
};
use http::Method;
use proptest::prelude::*;
use serde_json::{Value, json};

const PSID: &str = "24501234567890";
const IGSID: &str = "17841400001234";
const NOBODY: &str = "01934c5e-8f00-7abc-8def-0123456789ff";
const ALL: [&str; 9] = [
    "whatsapp/sendtext",
    "whatsapp/sendmedia",
    "whatsapp/sendtemplate",
    "messenger/sendtext",
    "messenger/sendmedia",
    "messenger/sendtemplate",
    "instagram/sendtext",
    "instagram/sendtemplate",
    "telegram/sendtemplate",
];

async fn post(world: &World, route: &str, body: Value) -> Reply {
    world.post(&format!("/v1/messages/{route}"), body).await
}

async fn under(world: &World, key: &str, route: &str, body: Value) -> Reply {
    let path = format!("/v1/messages/{route}");
    let headers = [("idempotency-key", key)];
    world.call_with(Method::POST, &path, &headers, body).await
}

fn to_number(world: &World, text: &str) -> Value {
    json!({
        "recepient": { "phoneNumber": CUSTOMER }, "workspace": { "id": world.workspace },
        "textMessage": text,
    })
}

fn to_contact(world: &World, contact: &str, text: &str) -> Value {
    json!({
        "contact": { "id": contact }, "workspace": { "id": world.workspace }, "textMessage": text,
    })
}

/// The contact who wrote last.
async fn contact(world: &World) -> String {
    let listed = world.get("/v1/conversations?limit=1").await;
    let contact = &listed["data"][0]["contact"];
    contact["id"].as_str().expect("an id").to_owned()
}

/// A message as it is now.
async fn now(world: &World, answer: &Value) -> Value {
    world.now(&json!({ "id": answer["id"] })).await
}

#[track_caller]
fn is_problem(reply: &Reply) {
    let body = reply.body.as_object().expect("an object");
    assert!(reply.status >= 400, "{} {body:?}", reply.status);
    assert_eq!(body["id"], Value::Null);
    assert_eq!(body["status"], "error");
    assert!(
        body["error"]
            .as_str()
            .is_some_and(|text| text.ends_with('.')),
        "{body:?}"
    );
    assert!(body["code"].is_string());
    assert_eq!(body["requestId"].as_str(), reply.header("x-request-id"));
    for name in body.keys() {
        let known = ["id", "status", "error", "code", "errors", "requestId"];
        assert!(known.contains(&name.as_str()), "{name}");
    }
    assert_ne!(body.get("errors"), Some(&json!([])));
}

/// A refusal in this surface's shape, which leaves no trace.
async fn refused(world: &World, route: &str, body: Value) -> Reply {
    let before = world.database().dump();
    let reply = post(world, route, body.clone()).await;
    assert_eq!(world.database().dump(), before, "{route} {body}");
    is_problem(&reply);
    reply
}

/// Its status, code and pointer.
async fn told(world: &World, route: &str, body: Value) -> (u16, String, String) {
    let reply = refused(world, route, body).await;
    let code = reply.body["code"].as_str().expect("a code").to_owned();
    (reply.status, code, pointer(&reply.body).to_owned())
}

fn expected(status: u16, code: &str, pointer: &str) -> (u16, String, String) {
    (status, code.to_owned(), pointer.to_owned())
}

/// An approved template of a channel.
fn template(world: &World, channel: &str, id: &str, language: &str, text: &str) {
    world.database().query(&format!(
        "INSERT INTO template (workspace_id, id, channel_id, provider_id, key, name, language, category, status,
           components, variables, version, created_at)
         VALUES ('{}', '01934c5e-8f00-7abc-8def-{id}', '{channel}', '77', 'order', 'order_shipped', '{language}',
           'UTILITY', 'APPROVED', '[{{\"type\":\"BODY\",\"text\":\"{text} {{{{1}}}}\"}}]', '[\"number\"]', 1, {START_MS})",
        world.workspace
    ));
}

fn components() -> Value {
    json!([{ "type": "body", "parameters": [{ "type": "text", "text": "1234" }] }])
}

#[tokio::test]
async fn a_text_goes_to_a_number_or_to_a_contact_and_is_answered_as_documented() {
    let world = World::new().await;
    world.open_whatsapp().await;
    let contact = contact(&world).await;
    for (number, body) in [
        to_number(&world, "Hello"),
        to_contact(&world, &contact, "Hello"),
        json!({
            "recepient": { "phoneNumber": format!("+{CUSTOMER}") },
            "workspace": { "id": world.workspace, "name": "Acme" }, "textMessage": "Hello",
            "contact": null, "scheduleDateTime": null,
        }),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = post(&world, "whatsapp/sendtext", body.clone())
            .await
            .expect(200);
        let shape = json!({ "id": answer["id"], "status": "accepted", "error": null });
        assert_eq!(answer, shape, "{body}");
        world.drain().await;
        assert_eq!(world.texts_sent().len(), number + 1);
        let message = now(&world, &answer).await;
        assert_eq!(message["status"], "sent");
        assert_eq!(message["contactId"], contact.as_str());
        assert_eq!(
            message["content"],
            json!({ "type": "text", "text": "Hello" })
        );
    }
}

#[tokio::test]
async fn messenger_and_instagram_write_to_contacts() {
    let world = World::new().await;
    let page = world.messenger().await;
    let account = world.instagram().await;
    let at = world.ports().now_ms.get();
    let hello = messenger_text(PSID, "mid.page", "Hi", at);
    world.from_meta(&page, &hello).await.expect(200);
    let on_page = contact(&world).await;
    world.advance(1_000);
    let hello = instagram_text(IGSID, "mid.account", "Hi", at);
    world.from_meta(&account, &hello).await.expect(200);
    let on_account = contact(&world).await;
    for (route, contact, channel) in [
        ("messenger/sendtext", &on_page, &page),
        ("instagram/sendtext", &on_account, &account),
    ] {
        let body = to_contact(&world, contact, "Hello");
        let answer = post(&world, route, body).await.expect(200);
        assert_eq!(answer["error"], Value::Null);
        assert_eq!(
            now(&world, &answer).await["channelId"],
            channel.as_str(),
            "{route}"
        );
        let told = told(&world, route, to_number(&world, "Hello")).await;
        assert_eq!(
            told,
            expected(400, "invalid_request", "/recepient"),
            "{route}"
        );
    }
    // A contact of one has no address on the other.
    let told = told(
        &world,
        "messenger/sendtext",
        to_contact(&world, &on_account, "Hello"),
    )
    .await;
    assert_eq!(told, expected(400, "invalid_request", "/contact/id"));
}

#[tokio::test]
async fn a_replay_is_the_first_answer_whatever_is_wrong_by_then() {
    let mut world = World::new().await;
    let shop = world.open_whatsapp().await;
    let route = "whatsapp/sendtext";
    let first = under(&world, "order-1", route, to_number(&world, "Hello")).await;
    assert_eq!(first.header("idempotency-replayed"), None);
    let first = first.expect(200);
    world.drain().await;
    world
        .patch_channel(&shop, json!({ "status": "disabled" }))
        .await;
    for is_cold in [false, true] {
        if is_cold {
            world.forget();
        }
        let again = under(&world, "order-1", route, to_number(&world, "Hello")).await;
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        assert_eq!(again.expect(200), first);
    }
    let reused = under(&world, "order-1", route, to_number(&world, "another")).await;
    is_problem(&reused);
    assert_eq!(reused.expect(409)["code"], "idempotency_key_reused");
    assert_eq!(world.texts_sent().len(), 1);
}

#[tokio::test]
async fn exactly_one_of_contact_and_recepient_is_given() {
    let world = World::new().await;
    world.open_whatsapp().await;
    let contact = contact(&world).await;
    let mut both = to_number(&world, "Hello");
    both["contact"] = json!({ "id": contact });
    let reply = refused(&world, "whatsapp/sendtext", both).await;
    assert_eq!(
        reply.expect(400)["error"],
        "The body must have either contact or recepient, not both."
    );
    let none = json!({ "workspace": { "id": world.workspace }, "textMessage": "Hello" });
    let reply = refused(&world, "whatsapp/sendtext", none.clone()).await;
    let said = reply.expect(400);
    assert_eq!(said["error"], "The body must have contact or recepient.");
    assert_eq!(said["code"], "invalid_request");
    for route in [
        "messenger/sendtext",
        "instagram/sendtext",
        "telegram/sendtemplate",
    ] {
        let told = told(&world, route, none.clone()).await;
        assert_eq!(
            told,
            expected(400, "invalid_request", "/contact"),
            "{route}"
        );
    }
}

#[tokio::test]
async fn the_workspace_must_be_the_keys() {
    let mut world = World::new().await;
    world.open_whatsapp().await;
    let (other, _) = world.new_workspace("Other").await;
    let contact = contact(&world).await;
    let not_found = expected(404, "not_found", "/workspace/id");
    for route in ALL {
        for workspace in [other.as_str(), NOBODY, "Acme"] {
            for contact in [contact.as_str(), NOBODY] {
                for is_cold in [false, true] {
                    if is_cold {
                        world.forget();
                    }
                    let body = json!({
                        "contact": { "id": contact }, "workspace": { "id": workspace },
                        "textMessage": "Hello", "template": "order",
                        "mediaUrl": "https://shop.example/a.png", "mimeType": "image/png",
                        "elements": [{ "title": "Shirt" }], "buttons": [{ "title": "Yes" }],
                    });
                    let told = told(&world, route, body).await;
                    assert_eq!(told, not_found, "{route} {workspace} {contact}");
                }
            }
        }
    }
    let mut body = to_number(&world, "Hello");
    for (workspace, pointer) in [
        (Value::Null, "/workspace"),
        (json!({}), "/workspace/id"),
        (json!({ "id": 5 }), "/workspace/id"),
        (json!(world.workspace), "/workspace"),
    ] {
        body["workspace"] = workspace.clone();
        let told = told(&world, "whatsapp/sendtext", body.clone()).await;
        assert_eq!(
            told,
            expected(400, "invalid_request", pointer),
            "{workspace}"
        );
    }
    // A key that is revoked or may not send learns nothing of workspaces.
    let keys = json!({ "name": "reader", "scopes": ["messaging:messages:read"] });
    let reader = world.post("/v1/api-keys", keys).await.expect(201);
    let bearer = format!("Bearer {}", reader["key"].as_str().expect("a key"));
    body["workspace"] = json!({ "id": other });
    for (key, code) in [
        (bearer.as_str(), "missing_scope"),
        ("Bearer no", "invalid_api_key"),
    ] {
        let path = "/v1/messages/whatsapp/sendtext";
        let headers = [("authorization", key)];
        let reply = world
            .call_with(Method::POST, path, &headers, body.clone())
            .await;
        is_problem(&reply);
        assert_eq!(reply.body["code"], code);
    }
}

#[tokio::test]
async fn a_replay_is_answered_before_the_workspace_is_looked_at() {
    let world = World::new().await;
    world.open_whatsapp().await;
    let route = "whatsapp/sendtext";
    under(&world, "order-1", route, to_number(&world, "Hello"))
        .await
        .expect(200);
    let mut other = to_number(&world, "Hello");
    other["workspace"]["id"] = json!(NOBODY);
    let reply = under(&world, "order-1", route, other).await;
    is_problem(&reply);
    assert_eq!(reply.expect(409)["code"], "idempotency_key_reused");
}

#[tokio::test]
async fn the_sender_is_the_one_used_last_else_the_only_one_else_the_choices_are_named() {
    let world = World::new().await;
    let told_of = async || {
        let reply = refused(&world, "whatsapp/sendtext", to_number(&world, "Hello")).await;
        let told = reply.expect(400);
        assert_eq!(told["code"], "invalid_request");
        told["error"].as_str().expect("a sentence").to_owned()
    };
    assert!(told_of().await.contains("whatsapp channel"));
    let shop = world.unenforced_whatsapp().await;
    let answer = post(&world, "whatsapp/sendtext", to_number(&world, "one"))
        .await
        .expect(200);
    assert_eq!(now(&world, &answer).await["channelId"], shop.as_str());
    let contact = contact(&world).await;
    let second = world
        .connect(json!({
            "type": "whatsapp", "name": "Second", "identifier": "+15550100002",
            "credentials": {
                "phoneNumberId": format!("{PHONE_NUMBER_ID}0"), "wabaId": "1", "accessToken": "t",
                "appSecret": "s", "verifyToken": "v",
            },
            "settings": { "enforceWindow": false },
        }))
        .await;
    // With two there is a choice only for those who used neither.
    for body in [
        to_number(&world, "two"),
        to_contact(&world, &contact, "two"),
    ] {
        let answer = post(&world, "whatsapp/sendtext", body).await.expect(200);
        assert_eq!(now(&world, &answer).await["channelId"], shop.as_str());
    }
    let mut to_another = to_number(&world, "three");
    to_another["recepient"]["phoneNumber"] = json!("5511777777777");
    let reply = refused(&world, "whatsapp/sendtext", to_another.clone()).await;
    let told = reply.expect(400);
    let sentence = told["error"].as_str().expect("a sentence");
    for choice in ["Shop", "Second", &shop, &second] {
        assert!(sentence.contains(choice), "{choice} in {sentence}");
    }
    // Used last is what decides.
    world.advance(1_000);
    let native = json!({
        "from": second, "to": CUSTOMER, "content": { "type": "text", "text": "from the second" },
    });
    world.post("/v1/messages", native).await.expect(202);
    let answer = post(&world, "whatsapp/sendtext", to_number(&world, "four"))
        .await
        .expect(200);
    assert_eq!(now(&world, &answer).await["channelId"], second.as_str());
}

#[tokio::test]
async fn contacts_and_numbers_that_cannot_be_written_to_are_pointed_at() {
    let world = World::new().await;
    world.open_whatsapp().await;
    let (_, other_key) = world.new_workspace("Other").await;
    let route = "whatsapp/sendtext";
    for (id, status, code) in [
        (NOBODY, 404, "not_found"),
        ("Ada", 404, "not_found"),
        ("", 404, "not_found"),
    ] {
        let told = told(&world, route, to_contact(&world, id, "Hello")).await;
        assert_eq!(told, expected(status, code, "/contact/id"), "{id}");
    }
    // Another workspace's contact is nobody.
    let contact = contact(&world).await;
    let bearer = format!("Bearer {other_key}");
    let headers = [("authorization", bearer.as_str())];
    let own = world
        .call_with(Method::GET, "/v1/workspace", &headers, Value::Null)
        .await
        .expect(200);
    let mut body = to_contact(&world, &contact, "Hello");
    body["workspace"] = json!({ "id": own["id"] });
    let path = "/v1/messages/whatsapp/sendtext";
    let reply = world.call_with(Method::POST, path, &headers, body).await;
    is_problem(&reply);
    assert!([400, 404].contains(&reply.status), "{}", reply.body);
    for (field, value, pointer) in [
        ("contact", json!({}), "/contact/id"),
        ("contact", json!({ "id": 7 }), "/contact/id"),
        ("contact", json!("Ada"), "/contact"),
        ("recepient", json!({}), "/recepient/phoneNumber"),
        (
            "recepient",
            json!({ "phoneNumber": 5 }),
            "/recepient/phoneNumber",
        ),
        (
            "recepient",
            json!({ "phoneNumber": "nobody" }),
            "/recepient/phoneNumber",
        ),
        (
            "recepient",
            json!({ "phoneNumber": "" }),
            "/recepient/phoneNumber",
        ),
        ("recepient", json!(CUSTOMER), "/recepient"),
    ] {
        let body = json!({
            field: value, "workspace": { "id": world.workspace }, "textMessage": "Hello",
        });
        let told = told(&world, route, body).await;
        assert_eq!(
            told,
            expected(400, "invalid_request", pointer),
            "{field} {value}"
        );
    }
}

#[tokio::test]
async fn a_text_must_be_one() {
    let world = World::new().await;
    world.open_whatsapp().await;
    for text in [
        Value::Null,
        json!(5),
        json!({}),
        json!(""),
        json!(" "),
        json!("a".repeat(4_097)),
    ] {
        let mut body = to_number(&world, "");
        body["textMessage"] = text.clone();
        let told = told(&world, "whatsapp/sendtext", body).await;
        assert_eq!(
            told,
            expected(400, "invalid_request", "/textMessage"),
            "{text}"
        );
    }
    for body in [json!([]), json!("Hello"), json!(5)] {
        let told = told(&world, "whatsapp/sendtext", body.clone()).await;
        assert_eq!(
            (told.0, told.1.as_str()),
            (400, "invalid_request"),
            "{body}"
        );
    }
}

#[tokio::test]
async fn what_is_to_be_sent_later_is_scheduled_in_utc_unless_it_says_otherwise() {
    let world = World::new().await;
    world.open_whatsapp().await;
    for (given, at) in [
        ("2026-11-20T09:30:00Z", "2026-11-20T09:30:00.000Z"),
        ("2026-11-20T09:30:00", "2026-11-20T09:30:00.000Z"),
        ("2026-11-20T09:30:00-03:00", "2026-11-20T12:30:00.000Z"),
    ] {
        let mut body = to_number(&world, "Later");
        body["scheduleDateTime"] = json!(given);
        let route = "whatsapp/sendtext";
        let answer = under(&world, given, route, body.clone()).await.expect(200);
        let shape = json!({ "id": answer["id"], "status": "scheduled", "error": null });
        assert_eq!(answer, shape);
        assert_eq!(now(&world, &answer).await["scheduledAt"], at);
        let again = under(&world, given, route, body).await;
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        assert_eq!(again.expect(200), answer);
    }
    world.drain().await;
    assert_eq!(world.texts_sent(), [""; 0]);
    world.advance(2 * 3_600_000);
    world.drain().await;
    assert_eq!(world.texts_sent(), ["Later", "Later"]);
}

#[tokio::test]
async fn a_time_that_is_none_or_past_is_refused_under_its_own_name() {
    let world = World::new().await;
    world.open_whatsapp().await;
    let contact = contact(&world).await;
    for route in ALL {
        // The documented body, as it stands there.
        let body = json!({
            "contact": { "id": contact }, "workspace": { "id": world.workspace },
            "textMessage": "string", "template": "string", "scheduleDateTime": "string",
        });
        let told = refused(&world, route, body).await.expect(400);
        assert_eq!(pointer(&told), "/scheduleDateTime", "{route}");
        let sentence = told["error"].as_str().expect("a sentence");
        assert!(sentence.contains("scheduleDateTime"), "{sentence}");
    }
    for wrong in [json!("2026-11-20T07:00:00Z"), json!("2026-11-20"), json!(7)] {
        let mut body = to_number(&world, "Later");
        body["scheduleDateTime"] = wrong;
        let told = told(&world, "whatsapp/sendtext", body).await;
        assert_eq!(told, expected(400, "invalid_request", "/scheduleDateTime"));
    }
}

#[tokio::test]
async fn a_template_is_a_key_or_an_object_and_is_filled_within_it_or_beside_it() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    template(&world, &shop, "000000000001", "en_US", "Order");
    template(&world, &shop, "000000000002", "pt_BR", "Pedido");
    world
        .patch_channel(&shop, json!({ "settings": { "defaultLanguage": "pt_BR" } }))
        .await;
    let variables = json!({ "number": "1234" });
    for (wanted, beside, text) in [
        (
            json!("order"),
            json!({ "variables": variables }),
            "Pedido 1234",
        ),
        (
            json!("order"),
            json!({ "components": components() }),
            "Pedido 1234",
        ),
        (
            json!({ "name": "order_shipped", "language": "en_US" }),
            json!({ "components": components() }),
            "Order 1234",
        ),
        (
            json!({ "name": "order_shipped", "language": "en_US", "variables": variables }),
            json!({}),
            "Order 1234",
        ),
        (
            json!({ "key": "order", "components": components() }),
            json!({ "variables": null }),
            "Pedido 1234",
        ),
    ] {
        let mut body = json!({
            "recepient": { "phoneNumber": "5511777777777" }, "workspace": { "id": world.workspace },
            "template": wanted,
        });
        for (name, value) in beside.as_object().expect("an object") {
            body[name] = value.clone();
        }
        let answer = post(&world, "whatsapp/sendtemplate", body.clone())
            .await
            .expect(200);
        assert_eq!(
            answer,
            json!({ "id": answer["id"], "status": "accepted", "error": null })
        );
        assert_eq!(
            now(&world, &answer).await["content"]["text"],
            text,
            "{body}"
        );
    }
    world.drain().await;
    let sent = world.requests_to("graph.test");
    assert_eq!(sent.len(), 5);
    assert!(
        sent.iter()
            .all(|body| body["template"]["components"] == components())
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_template_is_pointed_at_where_it_stands() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    template(&world, &shop, "000000000001", "en_US", "Order");
    let base =
        json!({ "recepient": { "phoneNumber": CUSTOMER }, "workspace": { "id": world.workspace } });
    let filled = json!({ "number": "1234" });
    for (fields, status, code, at) in [
        (json!({}), 400, "invalid_request", "/template"),
        (
            json!({ "template": null }),
            400,
            "invalid_request",
            "/template",
        ),
        (
            json!({ "template": 5 }),
            400,
            "invalid_request",
            "/template",
        ),
        (
            json!({ "template": {} }),
            400,
            "invalid_request",
            "/template",
        ),
        (
            json!({ "template": { "name": 5 } }),
            400,
            "invalid_request",
            "/template/name",
        ),
        (
            json!({ "template": "nothing" }),
            422,
            "template_not_approved",
            "/template",
        ),
        (
            json!({ "template": { "name": "nothing" } }),
            422,
            "template_not_approved",
            "/template/name",
        ),
        (
            json!({ "template": "order" }),
            422,
            "template_parameter_mismatch",
            "/variables",
        ),
        (
            json!({ "template": "order", "variables": { "colour": "red" } }),
            422,
            "template_parameter_mismatch",
            "/variables/colour",
        ),
        (
            json!({ "template": { "key": "order", "variables": { "colour": "red" } } }),
            422,
            "template_parameter_mismatch",
            "/template/variables/colour",
        ),
        (
            json!({ "template": "order", "variables": [] }),
            400,
            "invalid_request",
            "/variables",
        ),
        (
            json!({ "template": "order", "components": {} }),
            400,
            "invalid_request",
            "/components",
        ),
        (
            json!({ "template": "order", "components": components(), "variables": filled }),
            400,
            "invalid_request",
            "/variables",
        ),
        (
            json!({ "template": { "key": "order", "variables": filled }, "variables": filled }),
            400,
            "invalid_request",
            "/variables",
        ),
        (
            json!({ "template": { "key": "order", "variables": filled }, "components": components() }),
            400,
            "invalid_request",
            "/components",
        ),
    ] {
        let mut body = base.clone();
        for (name, value) in fields.as_object().expect("an object") {
            body[name] = value.clone();
        }
        let told = told(&world, "whatsapp/sendtemplate", body).await;
        assert_eq!(told, expected(status, code, at), "{fields}");
    }
}

#[tokio::test]
async fn our_own_refusals_keep_their_code_and_status() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let route = "whatsapp/sendtext";
    let closed = told(&world, route, to_number(&world, "Hello")).await;
    assert_eq!(closed, expected(422, "window_closed", ""));
    world
        .patch_channel(&shop, json!({ "status": "disabled" }))
        .await;
    let disabled = told(&world, route, to_number(&world, "Hello")).await;
    assert_eq!(disabled, expected(409, "channel_unavailable", ""));
    let path = "/v1/messages/whatsapp/sendtext";
    let reply = world
        .with_body(Method::POST, path, vec![b' '; 1 << 21])
        .await;
    is_problem(&reply);
    assert_eq!(reply.expect(413)["code"], "too_large");
    for route in ALL {
        let reply = world
            .call(Method::GET, &format!("/v1/messages/{route}"), Value::Null)
            .await;
        is_problem(&reply);
        assert_eq!(reply.header("allow"), Some("POST"));
        assert_eq!(reply.expect(405)["code"], "method_not_allowed");
    }
    for path in [
        "/v1/messages/instagram/sendmedia",
        "/v1/messages/telegram/sendtext",
        "/v1/messages/whatsapp/sendcall",
        "/v1/messages/whatsapp/sendtext/now",
    ] {
        let reply = world.post(path, json!({})).await;
        is_problem(&reply);
        assert_eq!(reply.expect(404)["code"], "not_found", "{path}");
    }
    world.ports().admits_callers.set(false);
    let reply = post(&world, route, to_number(&world, "Hello")).await;
    is_problem(&reply);
    assert!(reply.header("retry-after").is_some());
    assert_eq!(reply.expect(429)["code"], "rate_limited");
}

#[tokio::test]
async fn a_send_takes_two_round_trips_and_one_hint() {
    let mut world = World::new().await;
    world.open_whatsapp().await;
    let contact = contact(&world).await;
    for body in [
        to_number(&world, "Hello"),
        to_contact(&world, &contact, "Hello"),
    ] {
        for is_cold in [true, false] {
            if is_cold {
                world.forget();
            }
            world.ports().pushed.borrow_mut().clear();
            let before = world.database().round_trips.get();
            post(&world, "whatsapp/sendtext", body.clone())
                .await
                .expect(200);
            assert!(world.database().round_trips.get() - before <= 2, "{body}");
            assert_eq!(world.ports().pushed.borrow().len(), 1);
        }
    }
}

// Whatever is posted

const NAMES: [&str; 20] = [
    "contact",
    "recepient",
    "workspace",
    "id",
    "phoneNumber",
    "textMessage",
    "template",
    "key",
    "name",
    "language",
    "components",
    "variables",
    "mediaUrl",
    "mimeType",
    "elements",
    "buttons",
    "title",
    "order",
    CUSTOMER,
    NOBODY,
];

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_is_posted_is_answered_in_this_surfaces_shape(value in any_json(&NAMES), field in 0..7_usize) {
        run(async {
            let world = World::new().await;
            world.sends_unknown_fields.set(true);
            let shop = world.unenforced_whatsapp().await;
            template(&world, &shop, "000000000001", "en_US", "Order");
            for route in ALL {
                let mut body = to_number(&world, "Hello");
                body["template"] = json!({ "key": "order", "components": components() });
                let fields = ["contact", "recepient", "workspace", "textMessage", "template", "variables"];
                match fields.get(field) {
                    Some(name) => body[name] = value.clone(),
                    None => body = value.clone(),
                }
                let reply = post(&world, route, body.clone()).await;
                assert!(reply.status < 500, "{route} {body}: {}", reply.body);
                if reply.status == 200 {
                    assert_eq!(reply.body["error"], Value::Null);
                } else {
                    is_problem(&reply);
                }
            }
        });
    }
}
