//! Whatever is wrong with a request, the answer says what, and nothing is done.

use std::collections::BTreeSet;

use patchbay_sandbox::CallFilter;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Channel, Reply, Tenant, WORD, person, run, text};

const NOBODY: &str = "0199a1b2-0000-7000-8000-000000000000";

/// All there is of a tenant, to see that nothing came or went.
async fn everything(tenant: &Tenant) -> Vec<Value> {
    let mut all = Vec::new();
    for list in ["channels", "messages", "conversations", "webhooks"] {
        all.extend(tenant.list(&format!("/v1/{list}?limit=100")).await);
    }
    all
}

/// A request that is refused, with the status, the code and the field at fault.
type Case = (Method, String, Value, u16, &'static str, &'static str);

async fn are_refused(tenant: &Tenant, cases: Vec<Case>) {
    let before = everything(tenant).await;
    for (method, path, body, status, code, pointer) in cases {
        let what = format!("{method} {path} {body}");
        let reply = Reply::of(tenant.request(method, &path).json(&body)).await;
        assert_eq!(
            (reply.status, reply.body["code"].as_str()),
            (status, Some(code)),
            "{what}: {}",
            reply.text
        );
        reply.assert_problem(status, code);
        if !pointer.is_empty() {
            assert!(
                reply.pointers().contains(&pointer),
                "{what}: {}",
                reply.text
            );
        }
    }
    assert_eq!(everything(tenant).await, before);
}

/// A text message with one field changed, or with one more.
fn message(channel: &Channel, pointer: &str, value: Value) -> Value {
    let mut body = text(channel, &person(), "Hello");
    let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
    body.pointer_mut(parent).expect("an object")[field] = value;
    body
}

#[test]
fn wrong_messages_are_refused_and_never_reach_the_provider() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        let with = |pointer, value| message(&channel, pointer, value);
        let without = |field: &str| {
            let mut body = text(&channel, &person(), "Hello");
            body.as_object_mut().expect("an object").remove(field);
            body
        };
        let wrong = [
            (json!([]), ""),
            (json!("text"), ""),
            (json!(null), ""),
            (json!({}), "/to"),
            (without("to"), "/to"),
            (without("from"), "/from"),
            (without("content"), "/content"),
            (with("/to", json!(7)), "/to"),
            (with("/to", json!(null)), "/to"),
            (with("/to", json!("")), "/to"),
            (with("/to", json!("nobody")), "/to"),
            (with("/to", json!("9".repeat(300))), "/to"),
            (with("/from", json!(7)), "/from"),
            (with("/from", json!("")), "/from"),
            (with("/from", json!("nobody")), "/from"),
            (with("/content", json!("text")), "/content"),
            (with("/content", json!([])), "/content"),
            (with("/content", json!({})), "/content/type"),
            (with("/content", json!({"type": 7})), "/content/type"),
            (with("/content", json!({"type": "dance"})), "/content/type"),
            (
                with("/content", json!({"type": "reply", "id": "1"})),
                "/content/type",
            ),
            (with("/content", json!({"type": "text"})), "/content/text"),
            (with("/content/text", json!(7)), "/content/text"),
            (with("/content/text", json!(null)), "/content/text"),
            (with("/content/text", json!("")), "/content/text"),
            (with("/content/text", json!("  \n ")), "/content/text"),
            (
                with("/content/text", json!("x".repeat(4097))),
                "/content/text",
            ),
            (
                with("/content/previewUrl", json!("yes")),
                "/content/previewUrl",
            ),
            (with("/metadata", json!("x")), "/metadata"),
            (
                with("/metadata", json!({"x": "x".repeat(20_000)})),
                "/metadata",
            ),
            (with("/clientMessageId", json!(7)), "/clientMessageId"),
            (with("/clientMessageId", json!("")), "/clientMessageId"),
            (
                with("/clientMessageId", json!("x".repeat(256))),
                "/clientMessageId",
            ),
            (with("/expiresAt", json!("tomorrow")), "/expiresAt"),
            (
                with("/expiresAt", json!("2020-01-01T00:00:00Z")),
                "/expiresAt",
            ),
            (with("/replyTo", json!("x")), "/replyTo"),
            (with("/replyTo", json!(NOBODY)), "/replyTo"),
            (with("/actor", json!("robot")), "/actor"),
            (with("/onUnsupported", json!("explode")), "/onUnsupported"),
        ];
        let mut cases: Vec<Case> = wrong
            .into_iter()
            .map(|(body, pointer)| {
                let path = "/v1/messages".to_owned();
                (Method::POST, path, body, 422, "invalid_request", pointer)
            })
            .collect();
        for (pointer, at) in [("/to", "/to"), ("/from", "/from")] {
            let body = with(pointer, json!(NOBODY));
            cases.push((
                Method::POST,
                "/v1/messages".into(),
                body,
                404,
                "not_found",
                at,
            ));
        }

        are_refused(&tenant, cases).await;

        let calls = tenant.sandbox.calls(&CallFilter::default());
        let own = calls
            .iter()
            .filter(|call| call.account.as_ref() == Some(&channel.account))
            // What is asked and told when it is connected.
            .filter(|call| !call.path.ends_with("/getMe") && !call.path.ends_with("/setWebhook"));
        assert_eq!(own.count(), 0);
    });
}

#[test]
fn wrong_channels_are_refused() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        let right = || {
            json!({
                "type": "telegram", "name": "Bot", "identifier": "another_test_bot",
                "credentials": channel.credentials,
            })
        };
        let with = |pointer: &str, value: Value| {
            let mut body = right();
            let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
            body.pointer_mut(parent).expect("an object")[field] = value;
            body
        };
        let whatsapp = json!({
            "phoneNumberId": "1", "wabaId": "2", "accessToken": "t", "appSecret": "s", "verifyToken": "v",
        });
        let new = |body, pointer| {
            let path = "/v1/channels".to_owned();
            (Method::POST, path, body, 422, "invalid_request", pointer)
        };
        let change = |body, pointer| {
            let path = format!("/v1/channels/{}", channel.id);
            (Method::PATCH, path, body, 422, "invalid_request", pointer)
        };
        let taken = with("/identifier", json!(format!("@{}", channel.identifier)));
        let cases = vec![
            new(json!([]), ""),
            new(json!({}), "/type"),
            new(with("/type", json!("pigeon")), "/type"),
            new(with("/type", json!(7)), "/type"),
            new(with("/name", json!("")), "/name"),
            new(with("/name", json!(null)), "/name"),
            new(with("/name", json!("x".repeat(201))), "/name"),
            new(with("/identifier", json!("not a name!")), "/identifier"),
            new(with("/identifier", json!(7)), "/identifier"),
            new(with("/credentials", json!("token")), "/credentials"),
            new(with("/credentials", json!({})), "/credentials/botToken"),
            new(
                with("/credentials/botToken", json!(7)),
                "/credentials/botToken",
            ),
            new(
                with("/credentials/botToken", json!("nonsense")),
                "/credentials/botToken",
            ),
            new(
                with("/credentials/botToken", json!("1:a/../b")),
                "/credentials/botToken",
            ),
            new(
                with("/credentials/secretToken", json!("a b")),
                "/credentials/secretToken",
            ),
            new(
                with("/settings", json!({"enforceWindow": "yes"})),
                "/settings/enforceWindow",
            ),
            new(
                with("/settings", json!({"onUnknownOutcome": "pray"})),
                "/settings/onUnknownOutcome",
            ),
            new(
                json!({"type": "whatsapp", "name": "x", "identifier": "x", "credentials": whatsapp}),
                "/identifier",
            ),
            new(
                json!({"type": "whatsapp", "name": "x", "credentials": {"phoneNumberId": "1"}}),
                "/credentials/accessToken",
            ),
            (
                Method::POST,
                "/v1/channels".into(),
                taken,
                409,
                "conflict",
                "/identifier",
            ),
            change(json!([]), ""),
            change(json!({"name": 7}), "/name"),
            change(json!({"status": "asleep"}), "/status"),
            change(json!({"status": "needs_reauth"}), "/status"),
            change(json!({"credentials": {}}), "/credentials"),
            change(
                json!({"credentials": {"botToken": ""}}),
                "/credentials/botToken",
            ),
            change(
                json!({"settings": {"enforceWindow": 1}}),
                "/settings/enforceWindow",
            ),
        ];

        are_refused(&tenant, cases).await;
    });
}

#[test]
fn wrong_subscribers_and_changes_of_conversations_are_refused() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        tenant.hears(&channel, &person(), "Hello").await;
        let conversation = tenant.conversation().await["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let with = |field: &str, value: Value| {
            let mut body = json!({"url": "https://example.com/hook", "events": ["*"]});
            body[field] = value;
            body
        };
        let new = |body, pointer| {
            let path = "/v1/webhooks".to_owned();
            (Method::POST, path, body, 422, "invalid_request", pointer)
        };
        let change = |body, pointer| {
            let path = format!("/v1/conversations/{conversation}");
            (Method::PATCH, path, body, 422, "invalid_request", pointer)
        };
        let unknown = with("channelId", json!(NOBODY));
        let cases = vec![
            new(json!([]), ""),
            new(json!({}), "/url"),
            new(with("url", json!(7)), "/url"),
            new(with("url", json!("nonsense")), "/url"),
            new(with("url", json!("ftp://example.com")), "/url"),
            new(with("url", json!("https://user:pass@example.com")), "/url"),
            new(with("events", json!(null)), "/events"),
            new(with("events", json!("*")), "/events"),
            new(with("events", json!([])), "/events"),
            new(with("events", json!([7])), "/events/0"),
            new(
                with("events", json!(["*", "message.exploded"])),
                "/events/1",
            ),
            new(with("channelId", json!("x")), "/channelId"),
            new(with("style", json!("vogue")), "/style"),
            new(with("headers", json!("x")), "/headers"),
            new(
                with("headers", json!({"webhook-id": "x"})),
                "/headers/webhook-id",
            ),
            new(with("headers", json!({"x": "a\nb"})), "/headers/x"),
            (
                Method::POST,
                "/v1/webhooks".into(),
                unknown,
                404,
                "not_found",
                "/channelId",
            ),
            change(json!([]), ""),
            change(json!({"status": "maybe"}), "/status"),
            change(json!({"mode": "android"}), "/mode"),
            change(json!({"assignee": 7}), "/assignee"),
        ];

        are_refused(&tenant, cases).await;
    });
}

#[test]
fn what_is_not_there_is_not_found() {
    run(async {
        let tenant = Tenant::new().await;
        let mut cases: Vec<Case> = Vec::new();
        let long = "x".repeat(500);
        for id in [NOBODY, "x", "0", "%00", "%2e%2e%2f", &long] {
            for (method, path) in [
                (Method::GET, format!("/v1/channels/{id}")),
                (Method::PATCH, format!("/v1/channels/{id}")),
                (Method::DELETE, format!("/v1/channels/{id}")),
                (Method::GET, format!("/v1/messages/{id}")),
                (Method::GET, format!("/v1/conversations/{id}")),
                (Method::PATCH, format!("/v1/conversations/{id}")),
                (Method::GET, format!("/v1/conversations/{id}/messages")),
                (Method::POST, format!("/v1/conversations/{id}/read")),
                (Method::GET, format!("/v1/webhooks/{id}")),
                (Method::DELETE, format!("/v1/webhooks/{id}")),
            ] {
                cases.push((method, path, json!({"name": "x"}), 404, "not_found", ""));
            }
        }
        for path in [
            "/",
            "/v1",
            "/v1/",
            "/v1/nothing",
            "/v1/messages/",
            "/v2/messages",
            "//v1/messages",
        ] {
            cases.push((
                Method::GET,
                path.to_owned(),
                json!({}),
                404,
                "not_found",
                "",
            ));
        }

        are_refused(&tenant, cases).await;
    });
}

#[test]
fn wrong_pages_and_filters_are_refused() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        tenant.hears(&channel, &person(), "Hello").await;
        let conversation = tenant.conversation().await["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let mut cases: Vec<Case> = Vec::new();
        for list in [
            "/v1/channels".to_owned(),
            "/v1/messages".to_owned(),
            "/v1/conversations".to_owned(),
            format!("/v1/conversations/{conversation}/messages"),
            "/v1/webhooks".to_owned(),
        ] {
            for limit in ["0", "101", "-1", "1.5", "many", "", "99999999999999999999"] {
                let path = format!("{list}?limit={limit}");
                cases.push((
                    Method::GET,
                    path,
                    json!({}),
                    422,
                    "invalid_request",
                    "/limit",
                ));
            }
            for cursor in ["x", "%25%25%25", "AAAA", "MTIz", "LTEseA", "J09SIDE9MS0t"] {
                let path = format!("{list}?cursor={cursor}");
                cases.push((
                    Method::GET,
                    path,
                    json!({}),
                    422,
                    "invalid_request",
                    "/cursor",
                ));
            }
        }
        for (path, pointer) in [
            ("/v1/channels?type=pigeon", "/type"),
            ("/v1/messages?status=maybe", "/status"),
            ("/v1/messages?channelId=x", "/channelId"),
            ("/v1/messages?conversationId=x", "/conversationId"),
            ("/v1/messages?since=yesterday", "/since"),
            ("/v1/conversations?status=maybe", "/status"),
            ("/v1/conversations?mode=android", "/mode"),
            ("/v1/conversations?channelId=x", "/channelId"),
        ] {
            cases.push((
                Method::GET,
                path.to_owned(),
                json!({}),
                422,
                "invalid_request",
                pointer,
            ));
        }

        are_refused(&tenant, cases).await;
    });
}

#[test]
fn what_is_not_json_is_refused_everywhere() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        let before = everything(&tenant).await;
        let deep = "[".repeat(20_000);
        for path in ["/v1/messages", "/v1/channels", "/v1/webhooks"] {
            for body in [
                "",
                "{",
                "nonsense",
                "{\"to\":\"\u{0}\"}",
                "{\"a\":\"\\ud800\"}",
                "{}{}",
                &deep,
            ] {
                let request = tenant
                    .request(Method::POST, path)
                    .header("content-type", "application/json")
                    .body(body.to_owned());
                let reply = Reply::of(request).await;
                let start: String = body.chars().take(20).collect();
                assert_eq!(reply.status, 400, "{path} {start}: {}", reply.text);
                reply.assert_problem(400, "invalid_request");
            }
            let request = tenant
                .request(Method::POST, path)
                .body(vec![b'{', 0xff, 0xfe, b'}']);
            Reply::of(request)
                .await
                .assert_problem(400, "invalid_request");
        }
        let path = format!("/v1/channels/{}", channel.id);
        let request = tenant.request(Method::PATCH, &path).body("{");
        Reply::of(request)
            .await
            .assert_problem(400, "invalid_request");
        assert_eq!(everything(&tenant).await, before);
    });
}

#[test]
fn without_a_key_nothing_is_answered_but_who_is_asking() {
    run(async {
        let tenant = Tenant::new().await;
        let anybody = tenant.without_token();
        for (method, path) in [
            (Method::GET, "/v1/workspaces"),
            (Method::POST, "/v1/workspaces"),
            (Method::POST, "/v1/workspaces/x/api-keys"),
            (Method::GET, "/v1/workspace"),
            (Method::GET, "/v1/channels"),
            (Method::POST, "/v1/channels"),
            (Method::GET, "/v1/channels/x"),
            (Method::PATCH, "/v1/channels/x"),
            (Method::DELETE, "/v1/channels/x"),
            (Method::GET, "/v1/messages"),
            (Method::POST, "/v1/messages"),
            (Method::GET, "/v1/messages/x"),
            (Method::GET, "/v1/conversations"),
            (Method::GET, "/v1/conversations/x"),
            (Method::PATCH, "/v1/conversations/x"),
            (Method::GET, "/v1/conversations/x/messages"),
            (Method::POST, "/v1/conversations/x/read"),
            (Method::GET, "/v1/webhooks"),
            (Method::POST, "/v1/webhooks"),
            (Method::GET, "/v1/webhooks/x"),
            (Method::DELETE, "/v1/webhooks/x"),
        ] {
            let reply = Reply::of(anybody.request(method.clone(), path).body("{")).await;
            assert_eq!(reply.status, 401, "{method} {path}: {}", reply.text);
            reply.assert_problem(401, "invalid_api_key");
        }
    });
}

#[test]
fn a_wrong_method_is_told_the_right_ones() {
    run(async {
        let tenant = Tenant::new().await;
        let inbound = format!("/inbound/{NOBODY}");
        for (path, wrong, right) in [
            ("/healthz", Method::POST, "GET"),
            ("/v1/workspaces", Method::PUT, "GET, POST"),
            ("/v1/workspace", Method::DELETE, "GET"),
            ("/v1/channels", Method::DELETE, "GET, POST"),
            ("/v1/channels/x", Method::PUT, "DELETE, GET, PATCH"),
            ("/v1/messages", Method::PATCH, "GET, POST"),
            ("/v1/conversations", Method::POST, "GET"),
            ("/v1/conversations/x/read", Method::GET, "POST"),
            ("/v1/webhooks", Method::PUT, "GET, POST"),
            (&inbound, Method::DELETE, "GET, POST"),
        ] {
            let reply = Reply::of(tenant.request(wrong.clone(), path)).await;
            assert_eq!(reply.status, 405, "{wrong} {path}: {}", reply.text);
            reply.assert_problem(405, "method_not_allowed");
            let allowed = reply.header("allow").expect("Allow");
            let allowed: BTreeSet<&str> = allowed.split(',').map(str::trim).collect();
            for method in right.split(", ") {
                assert!(allowed.contains(method), "{path}: {allowed:?}");
            }
            assert!(!allowed.contains(wrong.as_str()), "{path}: {allowed:?}");
        }
    });
}

#[test]
fn a_body_over_the_limit_is_refused_unread() {
    run(async {
        const MIB: usize = 1024 * 1024;
        let tenant = Tenant::new().await;
        let channel = tenant.whatsapp().await;
        for path in ["/v1/messages", "/v1/channels", "/v1/webhooks"] {
            let body = format!("{{\"x\":\"{}\"}}", "x".repeat(MIB));
            let request = tenant.request(Method::POST, path).body(body);
            Reply::of(request).await.assert_problem(413, "too_large");
        }
        // Under the limit, but no message.
        let body = json!({"x": "x".repeat(MIB - 100)});
        tenant
            .post("/v1/messages", &body)
            .await
            .assert_problem(422, "invalid_request");

        let mut played = tenant.unheard(&channel, &person(), "Hello").await;
        played.body = "x".repeat(4 * MIB + 1);
        tenant
            .post_callback(&played)
            .await
            .assert_problem(413, "too_large");
        played.body.truncate(3 * MIB);
        assert_eq!(tenant.post_callback(&played).await.status, 401);
        assert!(tenant.list("/v1/conversations").await.is_empty());
    });
}

#[test]
fn every_answer_has_a_request_id_of_its_own() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        let played = tenant.unheard(&channel, &person(), "Hello").await;
        let replies = [
            tenant.get("/healthz").await,
            tenant.get("/openapi.json").await,
            tenant.get("/v1/messages").await,
            tenant.get("/nothing").await,
            tenant.without_token().get("/v1/messages").await,
            tenant
                .post("/v1/messages", &text(&channel, &person(), "Hello"))
                .await,
            tenant.post_callback(&played).await,
        ];
        let ids: BTreeSet<_> = replies
            .iter()
            .map(|reply| reply.header("x-request-id"))
            .collect();
        assert!(!ids.contains(&None), "{replies:?}");
        assert_eq!(ids.len(), replies.len());
    });
}

#[test]
fn odd_texts_arrive_as_they_are() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.whatsapp().await;
        let subscriber = tenant.subscriber().await;
        let odd = [
            "'); DROP TABLE message; --",
            "\"quoted\" \\ and \\u0041 {}[]",
            "a\nb\r\n\tc",
            "👨‍👩‍👧‍👦 🇧🇷 e\u{301} \u{202e}rtl\u{202c} \u{feff} \u{2028}",
            "\u{1}\u{7f}\u{85}",
            "NULL",
            "1e999",
        ];
        for words in odd
            .map(str::to_owned)
            .into_iter()
            .chain(["👋".repeat(4096)])
        {
            let ana = person();
            let words = if words.chars().count() < 100 {
                format!("{words} {WORD}")
            } else {
                words
            };
            tenant.hears(&channel, &ana, &words).await;
            let body = json!({
                "from": channel.id, "to": ana,
                "content": {"type": "text", "text": words},
                "metadata": {"words": words.chars().take(99).collect::<String>()},
            });

            let accepted = tenant.post("/v1/messages", &body).await.expect(202);

            assert_eq!(accepted["content"]["text"], words);
            assert_eq!(accepted["metadata"], body["metadata"]);
            tenant
                .becomes(accepted["id"].as_str().unwrap(), "delivered")
                .await;
            assert_eq!(tenant.accepted(&ana), [words.as_str()]);
            let id = accepted["conversationId"].as_str().unwrap();
            for message in tenant
                .list(&format!("/v1/conversations/{id}/messages"))
                .await
            {
                assert_eq!(message["content"]["text"], words);
            }
        }
        let events = subscriber
            .receives("message.delivered", odd.len() + 1)
            .await;
        for event in events {
            assert!(event.data["message"]["content"]["text"].is_string());
        }
    });
}

#[test]
fn a_nul_in_a_text_is_refused_or_kept_but_never_breaks_anything() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.whatsapp().await;
        let ana = person();
        let words = format!("be\u{0}fore {WORD}");
        tenant.hears(&channel, &ana, &words).await;
        tenant.hears(&channel, &ana, "after").await;

        let reply = tenant
            .post(
                "/v1/messages",
                &message(&channel, "/content/text", json!(words)),
            )
            .await;

        assert!(reply.status < 500, "{}", reply.text);
        let conversation = tenant.conversation().await["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let path = format!("/v1/conversations/{conversation}/messages");
        let texts: Vec<Value> = tenant
            .list(&path)
            .await
            .iter()
            .map(|message| message["content"]["text"].clone())
            .collect();
        assert!(texts.contains(&json!("after")), "{texts:?}");
        assert!(texts.contains(&json!(words)), "{texts:?}");
    });
}
