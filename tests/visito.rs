//! Visito's API, as its clients use it.

use crate::support::outgoing::{id, pointer};
use crate::support::world::{CUSTOMER, Reply, World};
use http::Method;
use proptest::prelude::*;
use serde_json::{Value, json};

const HOOK: &str = "https://api.yourserver.com/webhooks/whatsapp";
const NOBODY: &str = "0197a000-0000-7000-8000-000000000000";
const PREFIXES: [&str; 2] = ["", "/m2m/v1"];
const STRANGER: &str = "5511777777777";

#[track_caller]
fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// A world with a WhatsApp channel to which the customer has just written: the channel
/// and the conversation.
async fn open() -> (World, String, String) {
    let world = World::new().await;
    let channel = world.open_whatsapp().await;
    let conversations = world.get("/v1/conversations").await;
    let conversation = id(&conversations["data"][0]);
    (world, channel, conversation)
}

/// The documented example of a send.
fn hello(conversation: &str) -> Value {
    json!({
        "type": "text",
        "to": conversation,
        "text": { "text": "Hi Sofia, how can I help you today?" },
    })
}

/// An approved template with one placeholder in its body, and one that waits for approval.
fn fill_templates(world: &World, channel: &str) {
    for (id, name, language, status, text, variables) in [
        (
            "0197a000-0000-7000-8000-000000000001",
            "order_shipped",
            "en_US",
            "APPROVED",
            "Order {{1}} shipped",
            r#"["1"]"#,
        ),
        (
            "0197a000-0000-7000-8000-000000000002",
            "order_shipped",
            "pt_BR",
            "APPROVED",
            "Pedido {{1}} enviado",
            r#"["1"]"#,
        ),
        (
            "0197a000-0000-7000-8000-000000000003",
            "sale",
            "en_US",
            "PENDING",
            "Sale!",
            "[]",
        ),
        (
            "0197a000-0000-7000-8000-000000000004",
            "gone",
            "en_US",
            "DELETED",
            "Gone",
            "[]",
        ),
    ] {
        let components = json!([{ "type": "BODY", "text": text }]);
        world.database().query(&format!(
            "INSERT INTO template (workspace_id, id, channel_id, provider_id, key, name, language, category,
               status, components, variables, version, created_at)
             SELECT workspace_id, '{id}', id, '1', '{name}', '{name}', '{language}', 'UTILITY', '{status}',
               '{components}', '{variables}', 1, 1 FROM channel WHERE id = '{channel}'"
        ));
    }
}

/// What a client sends a template with.
fn shipped(to: &str) -> Value {
    json!({
        "to": to,
        "template": {
            "name": "order_shipped", "language": { "code": "en_US" },
            "components": [{ "type": "body", "parameters": [{ "type": "text", "text": "1234" }] }],
        },
    })
}

async fn as_key(world: &World, key: &str, method: Method, path: &str, body: Value) -> Reply {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    world.call_with(method, path, &headers, body).await
}

async fn under(world: &World, key: &str, path: &str, body: Value) -> Reply {
    world
        .call_with(Method::POST, path, &[("idempotency-key", key)], body)
        .await
}

/// Holds a refusal to this surface's shape: code, sentence, fields where there are some,
/// and the request's id.
#[track_caller]
fn is_told(reply: &Reply, status: u16, code: &str) {
    assert_eq!(reply.status, status, "{}", reply.body);
    let body = reply.body.as_object().expect("an object");
    assert_eq!(body["error"], code, "{body:?}");
    let message = body["message"].as_str().expect("a sentence");
    assert!(message.ends_with('.'), "{message}");
    assert_eq!(body["requestId"].as_str(), reply.header("x-request-id"));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let mut fields: Vec<&str> = body.keys().map(String::as_str).collect();
    fields.retain(|field| *field != "errors");
    fields.sort_unstable();
    assert_eq!(fields, ["error", "message", "requestId"]);
    if let Some(errors) = body.get("errors") {
        let errors = errors.as_array().expect("a list");
        assert!(!errors.is_empty());
        for error in errors {
            assert!(error["pointer"].is_string() && error["detail"].is_string());
        }
    }
}

// The documented walk

#[tokio::test]
async fn the_documents_walk_from_a_channel_to_an_answer_works_word_for_word() {
    for prefix in PREFIXES {
        let world = World::new().await;
        let made = world.whatsapp().await;

        // List channels.
        let path = format!("{prefix}/channels?type=whatsapp");
        let channels = world.get(&path).await;
        assert_eq!(
            channels,
            json!({ "data": [{ "id": made, "name": "Shop", "type": "whatsapp" }] })
        );

        // Set up a webhook.
        let body = json!({ "channel": made, "events": ["messages"], "endpoint": HOOK });
        let webhook = world
            .post(&format!("{prefix}/webhooks"), body)
            .await
            .expect(201);
        let (webhook_id, secret) = (&webhook["id"], &webhook["secret"]);
        assert_eq!(
            webhook,
            json!({
                "id": webhook_id, "channel": made, "events": ["messages"], "endpoint": HOOK,
                "secret": secret,
            })
        );
        assert!(text(secret).starts_with("whsec_"));

        // Receive incoming messages.
        let words = "Hello! I'd like to check my order status.";
        world
            .customer_writes(&made, CUSTOMER, "wamid.in", words)
            .await;
        world.drain().await;
        let posts = world.posts_to("api.yourserver.com");
        assert_eq!(posts.len(), 1);
        assert_eq!(posts[0].uri().to_string(), HOOK);
        assert!(posts[0].headers().contains_key("x-visito-signature"));
        let told: Value = serde_json::from_slice(posts[0].body()).expect("JSON");
        let conversation = text(&told["conversation"]["id"]);
        let message = text(&told["message"]["id"]);
        assert_eq!(
            told,
            json!({
                "channel": { "id": made, "type": "whatsapp" },
                "conversation": {
                    "id": conversation, "fullName": "Ada", "phone": format!("+{CUSTOMER}"),
                },
                "message": { "id": message, "type": "text", "text": words },
            })
        );

        // Send messages.
        let sent = world
            .post(&format!("{prefix}/messages"), hello(&conversation))
            .await
            .expect(200);
        assert_eq!(
            sent,
            json!({
                "id": sent["id"], "conversation": conversation, "type": "text", "status": "accepted",
            })
        );
        world.drain().await;
        assert_eq!(world.texts_sent(), ["Hi Sofia, how can I help you today?"]);
        assert_eq!(world.status(&sent).await, "sent");
        assert_eq!(
            world.posts_to("api.yourserver.com").len(),
            1,
            "it asked for messages, not for statuses"
        );
    }
}

// Channels

#[tokio::test]
async fn channels_are_listed_whole_or_of_one_type() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    world.advance(1);
    let bot = world.telegram().await;
    let shop = json!({ "id": shop, "name": "Shop", "type": "whatsapp" });
    let bot = json!({ "id": bot, "name": "Bot", "type": "telegram" });
    for (query, found) in [
        ("", json!([shop, bot])),
        ("?type=telegram", json!([bot])),
        ("?type=sms", json!([])),
        ("?limit=1", json!([shop, bot])),
    ] {
        let listed = world.get(&format!("/channels{query}")).await;
        assert_eq!(listed, json!({ "data": found }), "{query}");
    }
    let refused = world
        .call(Method::GET, "/channels?type=fax", Value::Null)
        .await;
    is_told(&refused, 422, "invalid_request");
    assert_eq!(pointer(&refused.body), "/type");
}

#[tokio::test]
async fn a_list_of_channels_goes_beyond_a_page_of_the_native_one_and_ends_at_a_thousand() {
    let world = World::new().await;
    world.telegram().await;
    world.database().query(
        "INSERT INTO channel (id, workspace_id, type, name, identifier, match_key, status, settings, version, created_at)
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)
         SELECT printf('0297a000-0000-7000-8000-%012d', i), h.workspace_id, h.type, h.name, h.identifier || i,
           h.match_key || i, h.status, h.settings, 1, 1 FROM n, channel h",
    );
    let listed = world.get("/channels").await;
    assert_eq!(listed["data"].as_array().expect("a list").len(), 1_000);
}

// Webhooks

#[tokio::test]
async fn webhooks_are_listed_without_their_secret_and_deleted() {
    let (world, channel, _) = open().await;
    let body = json!({
        "channel": channel, "endpoint": HOOK,
        "events": ["message.delivered", "messages", "message.received", "conversation.*"],
    });
    let mut made = world.post("/webhooks", body).await.expect(201);
    assert_eq!(
        made["events"],
        json!(["message.delivered", "messages", "conversation.*"])
    );
    made.as_object_mut().expect("a webhook").remove("secret");
    // Endpoints of other styles are not this surface's.
    let native = world.subscribe(HOOK, &["*"]).await;
    for prefix in PREFIXES {
        let listed = world.get(&format!("{prefix}/webhooks")).await;
        assert_eq!(listed, json!({ "data": [made] }));
        let path = format!("{prefix}/webhooks/{}", id(&native));
        let refused = world.call(Method::DELETE, &path, Value::Null).await;
        is_told(&refused, 404, "not_found");
    }
    let shown = world.get(&format!("/v1/webhooks/{}", id(&made))).await;
    assert_eq!(shown["style"], "visito");
    assert_eq!(shown["channelId"], channel.as_str());
    assert_eq!(
        shown["events"],
        json!(["message.delivered", "message.received", "conversation.*"])
    );

    let path = format!("/m2m/v1/webhooks/{}", id(&made));
    let deleted = world.call(Method::DELETE, &path, Value::Null).await;
    assert_eq!((deleted.status, &deleted.body), (204, &json!("")));
    world.advance(1);
    let again = world.call(Method::DELETE, &path, Value::Null).await;
    is_told(&again, 404, "not_found");
    assert_eq!(world.get("/webhooks").await, json!({ "data": [] }));
    let still = format!("/v1/webhooks/{}", id(&native));
    world.get(&still).await;
}

#[tokio::test]
async fn a_webhook_hears_only_of_its_channel() {
    let (world, _, _) = open().await;
    let bot = world.telegram().await;
    let body = json!({ "channel": bot, "events": ["messages"], "endpoint": HOOK });
    world.post("/webhooks", body).await.expect(201);
    world.say(CUSTOMER, "Hello").await;
    world.drain().await;
    assert_eq!(world.posts_to("api.yourserver.com").len(), 0);
}

#[tokio::test]
async fn a_webhook_that_cannot_be_made_points_at_the_field() {
    let (world, channel, _) = open().await;
    let right = json!({ "channel": channel, "events": ["messages"], "endpoint": HOOK });
    let before = world.database().dump();
    for (field, value, status, told) in [
        ("channel", Value::Null, 422, "/channel"),
        ("channel", json!(7), 422, "/channel"),
        (
            "channel",
            json!("68505cb92a11ea971d9df8bf"),
            404,
            "/channel",
        ),
        ("channel", json!(NOBODY), 404, "/channel"),
        ("events", Value::Null, 422, "/events"),
        ("events", json!("messages"), 422, "/events"),
        ("events", json!([]), 422, "/events"),
        (
            "events",
            json!(["messages", "message.created"]),
            422,
            "/events/1",
        ),
        ("events", json!(["message"]), 422, "/events/0"),
        ("events", json!(["webhook.disabled"]), 422, "/events/0"),
        ("events", json!([1]), 422, "/events/0"),
        ("endpoint", Value::Null, 422, "/endpoint"),
        ("endpoint", json!("nowhere"), 422, "/endpoint"),
        (
            "endpoint",
            json!("http://api.yourserver.com/"),
            422,
            "/endpoint",
        ),
        ("endpoint", json!("https://127.0.0.1/"), 422, "/endpoint"),
    ] {
        let mut body = right.clone();
        body[field] = value;
        let refused = world.post("/webhooks", body.clone()).await;
        let code = if status == 404 {
            "not_found"
        } else {
            "invalid_request"
        };
        is_told(&refused, status, code);
        assert_eq!(pointer(&refused.body), told, "{body}");
    }
    for field in ["channel", "events", "endpoint"] {
        let mut body = right.clone();
        body.as_object_mut().expect("an object").remove(field);
        let refused = world.post("/webhooks", body).await;
        is_told(&refused, 422, "invalid_request");
        assert_eq!(pointer(&refused.body), format!("/{field}"));
    }
    for body in ["[]", "7", "null"] {
        let refused = world.with_body(Method::POST, "/webhooks", body).await;
        is_told(&refused, 422, "invalid_request");
    }
    assert_eq!(world.database().dump(), before);
}

// Messages

#[tokio::test]
async fn a_template_is_sent_into_a_conversation_by_name_or_by_key_though_the_window_is_closed() {
    let (world, channel, conversation) = open().await;
    fill_templates(&world, &channel);
    world.advance(25 * 3_600_000);
    let refused = world.post("/messages", hello(&conversation)).await;
    is_told(&refused, 422, "window_closed");
    let by_name = shipped("")["template"].clone();
    let mut plain = by_name.clone();
    plain["language"] = json!("pt_BR");
    let by_key = json!({
        "key": "order_shipped", "language": { "code": "en_US" }, "variables": { "1": "1234" },
    });
    for (template, language) in [(by_name, "en_US"), (plain, "pt_BR"), (by_key, "en_US")] {
        let body = json!({ "type": "template", "to": conversation, "template": template });
        let sent = world.post("/messages", body).await.expect(200);
        assert_eq!(
            sent,
            json!({
                "id": sent["id"], "conversation": conversation, "type": "template",
                "status": "accepted",
            })
        );
        world.drain().await;
        let asked = world.requests_to("graph.test");
        let asked = &asked.last().expect("a request")["template"];
        assert_eq!(
            asked,
            &json!({
                "name": "order_shipped", "language": { "code": language },
                "components": [{ "type": "body", "parameters": [{ "type": "text", "text": "1234" }] }],
            })
        );
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_sent_points_at_the_field_as_this_surface_names_it() {
    let (world, channel, conversation) = open().await;
    fill_templates(&world, &channel);
    let text_of = |value: Value| json!({ "type": "text", "to": conversation, "text": value });
    let template_of =
        |value: Value| json!({ "type": "template", "to": conversation, "template": value });
    let parameters = |count: usize| {
        let parameters = vec![json!({ "type": "text", "text": "x" }); count];
        json!([{ "type": "body", "parameters": parameters }])
    };
    let before = world.database().dump();
    for (body, status, code, told) in [
        (json!([]), 422, "invalid_request", ""),
        (json!({}), 422, "invalid_request", "/type"),
        (json!({ "type": "text" }), 422, "invalid_request", "/to"),
        (
            json!({ "type": "text", "to": 5 }),
            422,
            "invalid_request",
            "/to",
        ),
        (
            json!({ "type": "text", "to": conversation }),
            422,
            "invalid_request",
            "/text",
        ),
        (text_of(json!("Hi")), 422, "invalid_request", "/text"),
        (text_of(Value::Null), 422, "invalid_request", "/text"),
        (text_of(json!({})), 422, "invalid_request", "/text/text"),
        (
            text_of(json!({ "text": 7 })),
            422,
            "invalid_request",
            "/text/text",
        ),
        (
            text_of(json!({ "text": "" })),
            422,
            "invalid_request",
            "/text/text",
        ),
        (
            text_of(json!({ "text": "x".repeat(4_097) })),
            422,
            "invalid_request",
            "/text/text",
        ),
        (
            json!({ "type": "poem", "to": conversation }),
            422,
            "invalid_request",
            "/type",
        ),
        (
            json!({ "type": "template", "to": conversation }),
            422,
            "invalid_request",
            "/template",
        ),
        (
            template_of(json!({})),
            422,
            "invalid_request",
            "/template/name",
        ),
        (
            template_of(json!({ "name": 1 })),
            422,
            "invalid_request",
            "/template/name",
        ),
        (
            template_of(json!({ "name": "a", "key": "b" })),
            422,
            "invalid_request",
            "/template/key",
        ),
        (
            template_of(json!({ "name": "a", "language": 1 })),
            422,
            "invalid_request",
            "/template/language",
        ),
        (
            template_of(json!({ "name": "a", "language": {} })),
            422,
            "invalid_request",
            "/template/language",
        ),
        (
            template_of(json!({ "name": "a", "components": {} })),
            422,
            "invalid_request",
            "/template/components",
        ),
        (
            template_of(json!({ "name": "a", "components": [1] })),
            422,
            "invalid_request",
            "/template/components/0",
        ),
        (
            template_of(json!({ "name": "a", "components": [], "variables": {} })),
            422,
            "invalid_request",
            "/template/variables",
        ),
        (
            template_of(json!({ "name": "nope" })),
            422,
            "template_not_approved",
            "/template/name",
        ),
        (
            template_of(json!({ "key": "nope" })),
            422,
            "template_not_approved",
            "/template/key",
        ),
        (
            template_of(json!({ "name": "gone" })),
            422,
            "template_not_approved",
            "/template/name",
        ),
        (
            template_of(json!({ "name": "sale" })),
            422,
            "template_not_approved",
            "/template/name",
        ),
        (
            template_of(
                json!({ "name": "order_shipped", "language": { "code": "en_US" }, "components": parameters(2) }),
            ),
            422,
            "template_parameter_mismatch",
            "/template/components/0/parameters",
        ),
        (
            template_of(
                json!({ "key": "order_shipped", "language": { "code": "en_US" }, "variables": { "color": "red", "1": "x" } }),
            ),
            422,
            "template_parameter_mismatch",
            "/template/variables/color",
        ),
        (hello("5511999999999"), 404, "not_found", "/to"),
        (hello("69238d37f3821dae1626709e"), 404, "not_found", "/to"),
        (hello(NOBODY), 404, "not_found", "/to"),
        (hello(""), 404, "not_found", "/to"),
    ] {
        for prefix in PREFIXES {
            let refused = world
                .post(&format!("{prefix}/messages"), body.clone())
                .await;
            is_told(&refused, status, code);
            assert_eq!(pointer(&refused.body), told, "{body} {}", refused.body);
        }
    }
    assert_eq!(world.database().dump(), before, "nothing is written");
}

#[tokio::test]
async fn only_a_conversation_is_written_to_not_a_contact_or_an_address() {
    let (world, _, conversation) = open().await;
    let shown = world
        .get(&format!("/v1/conversations/{conversation}"))
        .await;
    let contact = id(&shown["contact"]);
    for is_warm in [false, true] {
        if is_warm {
            let sent = world.post("/messages", hello(&conversation)).await;
            sent.expect(200);
        }
        let refused = world.post("/messages", hello(&contact)).await;
        is_told(&refused, 404, "not_found");
        assert_eq!(pointer(&refused.body), "/to");
    }
}

#[tokio::test]
async fn other_channels_take_texts_and_refuse_templates() {
    let world = World::new().await;
    let bot = world.telegram().await;
    let body = json!({ "from": bot, "to": "5550001", "content": { "type": "text", "text": "Hi" } });
    let said = world.post("/v1/messages", body).await.expect(202);
    let conversation = text(&said["conversationId"]);
    let sent = world
        .post("/messages", hello(&conversation))
        .await
        .expect(200);
    assert_eq!(sent["conversation"], conversation.as_str());
    let body = json!({ "type": "template", "to": conversation, "template": { "name": "a" } });
    let refused = world.post("/messages", body).await;
    is_told(&refused, 422, "unsupported_content");
    assert_eq!(pointer(&refused.body), "/type");
}

// Templates

#[tokio::test]
async fn the_templates_of_a_channel_are_listed() {
    let (world, channel, _) = open().await;
    fill_templates(&world, &channel);
    let template = |id: &str, name: &str, language: &str, status: &str, text: &str| {
        json!({
            "id": format!("0197a000-0000-7000-8000-00000000000{id}"), "name": name,
            "language": language, "category": "UTILITY", "status": status,
            "components": [{ "type": "BODY", "text": text }],
        })
    };
    for prefix in PREFIXES {
        let path = format!("{prefix}/whatsapp-templates/{channel}");
        assert_eq!(
            world.get(&path).await,
            json!({ "data": [
                template("1", "order_shipped", "en_US", "APPROVED", "Order {{1}} shipped"),
                template("2", "order_shipped", "pt_BR", "APPROVED", "Pedido {{1}} enviado"),
                template("3", "sale", "en_US", "PENDING", "Sale!"),
            ] })
        );
    }
    let bot = world.telegram().await;
    for other in [bot.as_str(), NOBODY, "15550100001"] {
        let path = format!("/whatsapp-templates/{other}");
        let refused = world.call(Method::GET, &path, Value::Null).await;
        is_told(&refused, 404, "not_found");
    }
}

#[tokio::test]
async fn a_template_starts_a_conversation_with_somebody_new() {
    let (world, channel, _) = open().await;
    fill_templates(&world, &channel);
    for (prefix, to) in PREFIXES.iter().zip(["+5511777777777", "5511666666666"]) {
        let path = format!("{prefix}/whatsapp-templates/{channel}/send");
        let sent = world.post(&path, shipped(to)).await.expect(200);
        assert_eq!(sent, json!({ "accepted": true, "id": sent["id"] }));
        world.drain().await;
        let asked = world.requests_to("graph.test");
        let asked = asked.last().expect("a request");
        assert_eq!(asked["to"], to.trim_start_matches('+'));
        assert_eq!(asked["template"], shipped(to)["template"]);
        let message = world.now(&sent).await;
        assert_eq!(message["status"], "sent");
        assert_eq!(message["content"]["text"], "Order 1234 shipped");
    }
}

#[tokio::test]
async fn a_template_that_cannot_be_sent_is_an_error_and_never_a_200_with_accepted_false() {
    let (world, channel, _) = open().await;
    fill_templates(&world, &channel);
    let bot = world.telegram().await;
    let before = world.database().dump();
    let with = |field: &str, value: Value| {
        let mut body = shipped(STRANGER);
        body[field] = value;
        body
    };
    let template = |field: &str, value: Value| {
        let mut body = shipped(STRANGER);
        body["template"][field] = value;
        body
    };
    for (to, body, status, code, told) in [
        (channel.as_str(), json!({}), 422, "invalid_request", "/to"),
        (
            &channel,
            with("to", json!(7)),
            422,
            "invalid_request",
            "/to",
        ),
        (
            &channel,
            with("to", json!("Ada")),
            422,
            "invalid_request",
            "/to",
        ),
        (
            &channel,
            json!({ "to": STRANGER }),
            422,
            "invalid_request",
            "/template",
        ),
        (
            &channel,
            with("template", json!("order_shipped")),
            422,
            "invalid_request",
            "/template",
        ),
        (
            &channel,
            template("name", Value::Null),
            422,
            "invalid_request",
            "/template/name",
        ),
        (
            &channel,
            template("name", json!("nope")),
            422,
            "template_not_approved",
            "/template/name",
        ),
        (
            &channel,
            template("name", json!("sale")),
            422,
            "template_not_approved",
            "/template/name",
        ),
        (
            &channel,
            template("components", json!([])),
            422,
            "template_parameter_mismatch",
            "/template/components",
        ),
        (&bot, shipped(STRANGER), 404, "not_found", ""),
        (NOBODY, shipped(STRANGER), 404, "not_found", ""),
        ("15550100001", shipped(STRANGER), 404, "not_found", ""),
    ] {
        let path = format!("/whatsapp-templates/{to}/send");
        let refused = world.post(&path, body.clone()).await;
        is_told(&refused, status, code);
        assert_eq!(pointer(&refused.body), told, "{body} {}", refused.body);
        assert_eq!(refused.body.get("accepted"), None);
    }
    assert_eq!(world.database().dump(), before, "nothing is written");
}

// Idempotency

#[tokio::test]
async fn a_repeated_send_is_answered_again_by_either_path() {
    let (world, channel, conversation) = open().await;
    fill_templates(&world, &channel);
    let send = "/messages".to_owned();
    let template = format!("/whatsapp-templates/{channel}/send");
    let mut other_template = shipped(STRANGER);
    other_template["to"] = json!("5511666666666");
    let mut other_text = hello(&conversation);
    other_text["text"]["text"] = json!("Something else");
    for (path, body, other) in [
        (send, hello(&conversation), other_text),
        (template, shipped(STRANGER), other_template),
    ] {
        let alias = format!("/m2m/v1{path}");
        let messages = || world.database().count("SELECT COUNT(*) FROM message");
        let before = messages();
        let first = under(&world, "order-1", &path, body.clone()).await;
        assert_eq!(first.header("idempotency-replayed"), None);
        let first = first.expect(200);
        world.drain().await;
        for again in [&path, &alias] {
            let replay = under(&world, "\"order-1\"", again, body.clone()).await;
            assert_eq!(replay.header("idempotency-replayed"), Some("true"));
            assert_eq!(replay.expect(200), first, "as it was first accepted");
            let reused = under(&world, "order-1", again, other.clone()).await;
            is_told(&reused, 409, "idempotency_key_reused");
        }
        assert_eq!(messages(), before + 1);
        let next = under(&world, "order-2", &alias, body).await.expect(200);
        assert_ne!(next["id"], first["id"]);
        assert_eq!(messages(), before + 2);
        // The native path is another.
        let body = crate::support::outgoing::text(CUSTOMER, &path);
        let native = under(&world, "order-2", "/v1/messages", body.clone()).await;
        assert_eq!(native.header("idempotency-replayed"), None);
        native.expect(202);
        let free = under(&world, "order-2", "/v1/messages", body).await;
        assert_eq!(free.header("idempotency-replayed"), Some("true"));
        world.database().query("DELETE FROM idempotency");
    }
}

#[tokio::test]
async fn a_key_is_held_to_one_channel_and_a_refusal_leaves_it_free() {
    let (world, channel, _) = open().await;
    let path = format!("/whatsapp-templates/{channel}/send");
    let refused = under(&world, "order-1", &path, shipped(STRANGER)).await;
    is_told(&refused, 422, "template_not_approved");
    fill_templates(&world, &channel);
    let sent = under(&world, "order-1", &path, shipped(STRANGER))
        .await
        .expect(200);
    // A replay comes before every check: the template may be gone by now.
    world
        .database()
        .query("UPDATE template SET status = 'REJECTED', version = version + 1");
    // An id is the same however it is spelled.
    for path in [
        path.clone(),
        path.replace(&channel, &channel.to_uppercase()),
    ] {
        let replay = under(&world, "order-1", &path, shipped(STRANGER)).await;
        assert_eq!(replay.header("idempotency-replayed"), Some("true"));
        assert_eq!(replay.expect(200), sent);
    }
    let bot = world.telegram().await;
    let other = format!("/whatsapp-templates/{bot}/send");
    let refused = under(&world, "order-1", &other, shipped(STRANGER)).await;
    is_told(&refused, 404, "not_found");
}

#[tokio::test]
async fn a_key_that_is_none_is_refused() {
    let (world, channel, conversation) = open().await;
    fill_templates(&world, &channel);
    for (path, body) in [
        ("/messages".to_owned(), hello(&conversation)),
        (
            format!("/whatsapp-templates/{channel}/send"),
            shipped(STRANGER),
        ),
    ] {
        let refused = under(&world, &"k".repeat(256), &path, body).await;
        is_told(&refused, 422, "invalid_request");
        assert_eq!(pointer(&refused.body), "/headers/idempotency-key");
    }
}

// Every route

struct Known {
    method: Method,
    path: String,
    scope: &'static str,
    /// What else the path answers.
    allow: &'static str,
}

fn routes(channel: &str, webhook: &str) -> Vec<Known> {
    let known = |method: Method, path: &str, scope: &'static str, allow: &'static str| {
        PREFIXES.map(|prefix| Known {
            method: method.clone(),
            path: format!("{prefix}{path}"),
            scope,
            allow,
        })
    };
    let templates = format!("/whatsapp-templates/{channel}");
    [
        known(
            Method::GET,
            "/channels",
            "messaging:channels:read",
            "GET, HEAD",
        ),
        known(
            Method::GET,
            "/webhooks",
            "messaging:webhooks:read",
            "POST, GET, HEAD",
        ),
        known(
            Method::POST,
            "/webhooks",
            "messaging:webhooks:write",
            "POST, GET, HEAD",
        ),
        known(
            Method::DELETE,
            &format!("/webhooks/{webhook}"),
            "messaging:webhooks:write",
            "DELETE",
        ),
        known(Method::POST, "/messages", "messaging:messages:send", "POST"),
        known(
            Method::GET,
            &templates,
            "messaging:templates:read",
            "GET, POST, HEAD",
        ),
        known(
            Method::POST,
            &templates,
            "messaging:templates:write",
            "GET, POST, HEAD",
        ),
        known(
            Method::POST,
            &format!("{templates}/send"),
            "messaging:messages:send",
            "POST",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A body that would be right where one is wanted.
fn right_body(known: &Known, channel: &str, conversation: &str) -> Value {
    match (
        known.method.as_str(),
        known.path.trim_start_matches("/m2m/v1"),
    ) {
        ("POST", "/webhooks") => {
            json!({ "channel": channel, "events": ["messages"], "endpoint": HOOK })
        }
        ("POST", "/messages") => hello(conversation),
        ("POST", path) if !path.ends_with("/send") => json!({ "template": {
            "name": "feedback", "language": "en_US", "category": "MARKETING",
            "components": [{ "type": "BODY", "text": "How was it?" }],
        } }),
        ("POST", _) => shipped(STRANGER),
        _ => Value::Null,
    }
}

#[tokio::test]
async fn every_route_refuses_in_this_surfaces_shape() {
    let (world, channel, conversation) = open().await;
    fill_templates(&world, &channel);
    let body = json!({ "channel": channel, "events": ["messages"], "endpoint": HOOK });
    let webhook = id(&world.post("/webhooks", body).await.expect(201));
    let all: Vec<&str> = [
        "messaging:channels:read",
        "messaging:webhooks:read",
        "messaging:webhooks:write",
        "messaging:messages:send",
        "messaging:templates:read",
        "messaging:templates:write",
    ]
    .into();
    let routes = routes(&channel, &webhook);
    for known in &routes {
        let body = right_body(known, &channel, &conversation);
        let (method, path) = (known.method.clone(), known.path.as_str());

        let refused = world.bare(method.clone(), path, &[], "").await;
        is_told(&refused, 401, "invalid_api_key");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
        let refused = as_key(&world, "pb_live_x", method.clone(), path, body.clone()).await;
        is_told(&refused, 401, "invalid_api_key");

        let others: Vec<&&str> = all.iter().filter(|scope| **scope != known.scope).collect();
        let key = json!({ "name": "narrow", "scopes": others });
        let key = text(&world.post("/v1/api-keys", key).await.expect(201)["key"]);
        let refused = as_key(&world, &key, method.clone(), path, body.clone()).await;
        is_told(&refused, 403, "missing_scope");
        assert!(text(&refused.body["message"]).contains(known.scope));

        let refused = world.call(Method::PUT, path, Value::Null).await;
        is_told(&refused, 405, "method_not_allowed");
        assert_eq!(refused.header("allow"), Some(known.allow), "{path}");

        let refused = world
            .with_body(method.clone(), path, vec![b' '; 1024 * 1024 + 1])
            .await;
        is_told(&refused, 413, "too_large");

        world.ports().admits_callers.set(false);
        let refused = world.call(method.clone(), path, body.clone()).await;
        is_told(&refused, 429, "rate_limited");
        assert!(refused.header("retry-after").is_some());
        world.ports().admits_callers.set(true);

        if method == Method::POST {
            for broken in ["{", "", "{\"to\":\u{1}}"] {
                let refused = world.with_body(method.clone(), path, broken).await;
                is_told(&refused, 400, "invalid_request");
            }
        }
    }
    // Each of them does answer.
    for known in routes.iter().filter(|known| known.method != Method::DELETE) {
        let body = right_body(known, &channel, &conversation);
        let reply = world.call(known.method.clone(), &known.path, body).await;
        assert!(reply.status < 300, "{} {}", known.path, reply.body);
    }
    for path in [
        "/channels/x",
        "/messages/x",
        "/webhooks/a/b",
        "/whatsapp-templates",
        "/m2m/v1",
        "/m2m/v1/tools",
    ] {
        let refused = world.call(Method::GET, path, Value::Null).await;
        is_told(&refused, 404, "not_found");
    }
    for path in [
        "/webhooks/nonsense",
        "/m2m/v1/webhooks/0197a000-0000-7000-8000-000000000000",
    ] {
        let refused = world.call(Method::DELETE, path, Value::Null).await;
        is_told(&refused, 404, "not_found");
    }
}

#[tokio::test]
async fn what_is_another_tenants_is_not_there() {
    let (world, channel, conversation) = open().await;
    fill_templates(&world, &channel);
    let body = json!({ "channel": channel, "events": ["messages"], "endpoint": HOOK });
    let webhook = id(&world.post("/webhooks", body).await.expect(201));
    let (_, mallory) = world.new_workspace("Mallory").await;
    for known in routes(&channel, &webhook) {
        let body = right_body(&known, &channel, &conversation);
        let before = world.database().dump();
        let reply = as_key(&world, &mallory, known.method.clone(), &known.path, body).await;
        let is_list = known.path.ends_with("/channels")
            || (known.method == Method::GET && known.path.ends_with("/webhooks"));
        if is_list {
            assert_eq!(reply.expect(200), json!({ "data": [] }));
        } else {
            is_told(&reply, 404, "not_found");
        }
        assert_eq!(world.database().dump(), before, "{}", known.path);
    }
    assert_eq!(
        world.get("/webhooks").await["data"][0]["id"],
        webhook.as_str()
    );
}

#[tokio::test]
async fn a_batch_that_runs_twice_makes_one_webhook_and_one_message() {
    let (world, channel, conversation) = open().await;
    fill_templates(&world, &channel);
    world.database().runs_twice.set(true);
    let body = json!({ "channel": channel, "events": ["messages"], "endpoint": HOOK });
    let made = world.post("/webhooks", body).await.expect(201);
    let path = format!("/whatsapp-templates/{channel}/send");
    world.post(&path, shipped(STRANGER)).await.expect(200);
    world
        .post("/messages", hello(&conversation))
        .await
        .expect(200);
    assert_eq!(world.database().count("SELECT COUNT(*) FROM endpoint"), 1);
    let sent = "SELECT COUNT(*) FROM message WHERE direction = 'outbound'";
    assert_eq!(world.database().count(sent), 2);
    let path = format!("/webhooks/{}", id(&made));
    world
        .call(Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
}

#[tokio::test]
async fn a_list_or_a_warm_send_takes_one_round_trip() {
    let (world, channel, conversation) = open().await;
    fill_templates(&world, &channel);
    let templates = format!("/whatsapp-templates/{channel}");
    let send = format!("{templates}/send");
    for (method, path, body) in [
        (Method::GET, "/channels", Value::Null),
        (Method::GET, "/webhooks", Value::Null),
        (Method::GET, &templates, Value::Null),
        (Method::POST, "/messages", hello(&conversation)),
        (Method::POST, &send, shipped(STRANGER)),
    ] {
        world
            .call(method.clone(), path, body.clone())
            .await
            .expect(200);
        let before = world.database().round_trips.get();
        world.call(method, path, body).await.expect(200);
        assert_eq!(world.database().round_trips.get() - before, 1, "{path}");
    }
}

/// Every place in a JSON value, as a pointer.
fn places(value: &Value, base: &str, found: &mut Vec<String>) {
    found.push(base.to_owned());
    if let Some(fields) = value.as_object() {
        for (name, inside) in fields {
            places(inside, &format!("{base}/{name}"), found);
        }
    }
    if let Some(items) = value.as_array() {
        for (at, inside) in items.iter().enumerate() {
            places(inside, &format!("{base}/{at}"), found);
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inside| {
        prop_oneof![
            prop::collection::vec(inside.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("type|text|code|name|parameters|.{0,4}", inside, 0..4)
                .prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_stands_in_a_body_it_is_answered_and_never_as_a_fault_of_ours(values in prop::collection::vec(any_json(), 3)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let (world, channel, conversation) = open().await;
            fill_templates(&world, &channel);
            let template = shipped("")["template"].clone();
            for (path, body) in [
                ("/messages".to_owned(), hello(&conversation)),
                ("/messages".to_owned(), json!({ "type": "template", "to": conversation, "template": template })),
                (format!("/whatsapp-templates/{channel}/send"), shipped(STRANGER)),
                ("/webhooks".to_owned(), json!({ "channel": channel, "events": ["messages"], "endpoint": HOOK })),
            ] {
                let mut found = Vec::new();
                places(&body, "", &mut found);
                for place in found {
                    for value in &values {
                        let mut body = body.clone();
                        *body.pointer_mut(&place).expect("a place") = value.clone();
                        let reply = world.post(&path, body.clone()).await;
                        assert!(reply.status < 500, "{path} {body}: {}", reply.body);
                        if reply.status >= 400 {
                            let code = text(&reply.body["error"]);
                            is_told(&reply, reply.status, &code);
                        }
                    }
                }
            }
        });
    }
}
