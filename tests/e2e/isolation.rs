//! No tenant sees or touches what is another's.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Gateway, Reply, SECRET, Tenant, eventually, person, run, text};

#[test]
fn anothers_ids_are_not_found() {
    run(async {
        let (owner, other) = (Tenant::new().await, Tenant::new().await);
        let (channel, own_channel) = (owner.telegram().await, other.telegram().await);
        let subscriber = owner.subscriber().await;
        let chat = person();
        owner.hears(&channel, &chat, "Hello").await;
        let message = owner.sends(&channel, &chat, "Hello").await;
        owner.becomes(&message, "sent").await;
        let conversation = owner.conversation().await;
        let endpoint = owner.list("/v1/webhooks").await[0]["id"].clone();
        let id = |value: &Value| value.as_str().expect("an id").to_owned();
        let (conversation, contact, endpoint) = (
            id(&conversation["id"]),
            id(&conversation["contact"]["id"]),
            id(&endpoint),
        );
        let content = json!({"type": "text", "text": "Hello"});
        let cases = [
            (
                Method::GET,
                format!("/v1/channels/{}", channel.id),
                json!({}),
            ),
            (
                Method::PATCH,
                format!("/v1/channels/{}", channel.id),
                json!({"status": "disabled"}),
            ),
            (
                Method::DELETE,
                format!("/v1/channels/{}", channel.id),
                json!({}),
            ),
            (Method::GET, format!("/v1/messages/{message}"), json!({})),
            (
                Method::GET,
                format!("/v1/conversations/{conversation}"),
                json!({}),
            ),
            (
                Method::GET,
                format!("/v1/conversations/{conversation}/messages"),
                json!({}),
            ),
            (
                Method::POST,
                format!("/v1/conversations/{conversation}/read"),
                json!({}),
            ),
            (
                Method::PATCH,
                format!("/v1/conversations/{conversation}"),
                json!({"status": "closed"}),
            ),
            (Method::GET, format!("/v1/webhooks/{endpoint}"), json!({})),
            (
                Method::DELETE,
                format!("/v1/webhooks/{endpoint}"),
                json!({}),
            ),
            (
                Method::POST,
                "/v1/messages".into(),
                json!({"to": conversation, "content": content}),
            ),
            (
                Method::POST,
                "/v1/messages".into(),
                json!({"to": contact, "from": own_channel.id, "content": content}),
            ),
            (
                Method::POST,
                "/v1/messages".into(),
                text(&channel, &chat, "Hello"),
            ),
            (
                Method::POST,
                "/v1/webhooks".into(),
                json!({"url": "http://127.0.0.1:9/", "events": ["*"], "channelId": channel.id}),
            ),
        ];

        for (method, path, body) in cases {
            let reply = Reply::of(other.request(method.clone(), &path).json(&body)).await;
            assert_eq!(reply.status, 404, "{method} {path} {body}: {}", reply.text);
            reply.assert_problem(404, "not_found");
        }

        for filter in ["channelId", "conversationId"] {
            let wanted = if filter == "channelId" {
                &channel.id
            } else {
                &conversation
            };
            let reply = other.get(&format!("/v1/messages?{filter}={wanted}")).await;
            let is_empty = reply.status == 200 && reply.body["data"] == json!([]);
            assert!(is_empty || reply.status == 404, "{filter}: {}", reply.text);
        }
        for list in ["messages", "conversations", "webhooks"] {
            assert!(
                other.list(&format!("/v1/{list}")).await.is_empty(),
                "{list}"
            );
        }
        assert_eq!(other.list("/v1/channels").await.len(), 1);
        // The owner's things are as they were.
        let status = &owner
            .get(&format!("/v1/channels/{}", channel.id))
            .await
            .expect(200)["status"];
        assert_eq!(status, "connected");
        let unchanged = owner.conversation().await;
        assert_eq!(
            (&unchanged["status"], &unchanged["unreadCount"]),
            (&json!("open"), &json!(1))
        );
        assert_eq!(owner.accepted(&chat).len(), 1);
        subscriber.receives("message.sent", 1).await;
    });
}

#[test]
fn two_workspaces_may_connect_the_same_sender_and_keep_their_own_inbox() {
    run(async {
        let (one, two) = (Tenant::new().await, Tenant::new().await);
        let channel = one.telegram().await;
        let body = json!({
            "type": "telegram", "name": "The same bot",
            "identifier": channel.identifier, "credentials": channel.credentials,
        });
        one.post("/v1/channels", &body)
            .await
            .assert_problem(409, "conflict");
        two.post("/v1/channels", &body).await.expect(201);

        // A bot has one webhook: that of who connected it last.
        one.hears(&channel, &person(), "Hello").await;

        two.conversation().await;
        assert!(one.list("/v1/conversations").await.is_empty());
    });
}

#[test]
fn keys_and_the_administrators_token_open_only_what_is_theirs() {
    run(async {
        let tenant = Tenant::new().await;
        let garbled = {
            let mut key = tenant.key.clone();
            let last = key.pop();
            key.push(if last == Some('0') { '1' } else { '0' });
            key
        };
        let admin = format!("{SECRET}-admin");
        let own = tenant.get("/v1/workspace").await.expect(200);
        assert_eq!(own["id"], tenant.id);
        let by_header = tenant
            .without_token()
            .request(Method::GET, "/v1/workspace")
            .header("x-api-key", &tenant.key);
        assert_eq!(Reply::of(by_header).await.expect(200)["id"], tenant.id);

        for wrong in ["", "x", "pb_live_", &garbled, "pb_live_0000000000", &admin] {
            let api = tenant.with_token(wrong);
            api.get("/v1/workspace")
                .await
                .assert_problem(401, "invalid_api_key");
            api.get("/v1/messages")
                .await
                .assert_problem(401, "invalid_api_key");
        }
        for wrong in ["", "x", &tenant.key] {
            let api = tenant.with_token(wrong);
            api.get("/v1/workspaces")
                .await
                .assert_problem(401, "invalid_api_key");
            let name = json!({"name": "Mine"});
            api.post("/v1/workspaces", &name)
                .await
                .assert_problem(401, "invalid_api_key");
            let keys = format!("/v1/workspaces/{}/api-keys", tenant.id);
            api.post(&keys, &name)
                .await
                .assert_problem(401, "invalid_api_key");
        }
    });
}

#[test]
fn the_keys_of_a_deleted_workspace_open_nothing_at_once() {
    run(async {
        let gateway = Gateway::shared().await;
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        let chat = person();
        let id = tenant.sends(&channel, &chat, "Hello").await;
        tenant.becomes(&id, "sent").await;

        let deleted = gateway
            .admin
            .delete(&format!("/v1/workspaces/{}", tenant.id))
            .await;

        assert_eq!(deleted.status, 204, "{deleted:?}");
        let body = text(&channel, &chat, "Hello again");
        tenant
            .post("/v1/messages", &body)
            .await
            .assert_problem(401, "invalid_api_key");
        tenant
            .get("/v1/messages")
            .await
            .assert_problem(401, "invalid_api_key");
        assert_eq!(tenant.accepted(&chat).len(), 1);
    });
}

#[test]
fn a_key_opens_only_what_its_scopes_name() {
    run(async {
        let gateway = Gateway::shared().await;
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        let chat = person();
        tenant.hears(&channel, &chat, "Hello").await;
        let conversation = tenant.conversation().await["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let message = text(&channel, &chat, "Hello");
        let cases = [
            (
                Method::GET,
                "/v1/channels".to_owned(),
                "messaging:channels:read",
            ),
            (
                Method::GET,
                format!("/v1/channels/{}", channel.id),
                "messaging:channels:read",
            ),
            (
                Method::POST,
                "/v1/channels".into(),
                "messaging:channels:write",
            ),
            (
                Method::PATCH,
                format!("/v1/channels/{}", channel.id),
                "messaging:channels:write",
            ),
            (
                Method::DELETE,
                "/v1/channels/0".into(),
                "messaging:channels:write",
            ),
            (
                Method::POST,
                "/v1/messages".into(),
                "messaging:messages:send",
            ),
            (
                Method::GET,
                "/v1/messages".into(),
                "messaging:messages:read",
            ),
            (
                Method::GET,
                "/v1/messages/0".into(),
                "messaging:messages:read",
            ),
            (
                Method::GET,
                format!("/v1/conversations/{conversation}/messages"),
                "messaging:messages:read",
            ),
            (
                Method::GET,
                "/v1/conversations".into(),
                "messaging:conversations:read",
            ),
            (
                Method::POST,
                format!("/v1/conversations/{conversation}/read"),
                "messaging:conversations:write",
            ),
            (
                Method::PATCH,
                format!("/v1/conversations/{conversation}"),
                "messaging:conversations:write",
            ),
            (
                Method::GET,
                "/v1/webhooks".into(),
                "messaging:webhooks:read",
            ),
            (
                Method::POST,
                "/v1/webhooks".into(),
                "messaging:webhooks:write",
            ),
            (
                Method::DELETE,
                "/v1/webhooks/0".into(),
                "messaging:webhooks:write",
            ),
        ];
        let audit = json!({"name": "Audit", "scopes": ["messaging:audit:read"]});
        let audit = tenant.with_key(gateway, &audit).await;

        for (method, path, scope) in cases {
            let refused = Reply::of(audit.request(method.clone(), &path).json(&message)).await;
            assert_eq!(refused.status, 403, "{method} {path}: {}", refused.text);
            refused.assert_problem(403, "missing_scope");
            let only = json!({"name": "Only", "scopes": [scope]});
            let only = tenant.with_key(gateway, &only).await;
            let allowed = Reply::of(only.request(method.clone(), &path).json(&message)).await;
            assert!(
                !matches!(allowed.status, 401 | 403 | 500..),
                "{method} {path} with {scope}: {}",
                allowed.text
            );
        }
        assert_eq!(tenant.list("/v1/channels").await.len(), 1);
    });
}

#[test]
fn an_expired_key_says_so() {
    run(async {
        let gateway = Gateway::shared().await;
        let tenant = Tenant::new().await;
        let soon = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() + 2;
        let body = json!({"name": "Short", "expiresAt": rfc3339(soon)});
        let short = tenant.with_key(gateway, &body).await;
        short.get("/v1/workspace").await.expect(200);

        let patience = std::time::Duration::from_secs(10);
        eventually(patience, "the key expires", async || {
            let reply = short.get("/v1/workspace").await;
            (reply.status == 401).then_some(()).ok_or(reply.text)
        })
        .await;

        short
            .get("/v1/workspace")
            .await
            .assert_problem(401, "expired_api_key");
        let body = json!({"to": "1", "content": {"type": "text", "text": "late"}});
        short
            .post("/v1/messages", &body)
            .await
            .assert_problem(401, "expired_api_key");
    });
}

/// A Unix time as the API writes it.
fn rfc3339(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).expect("a time");
    patchbay::model::time::Timestamp::from_s(seconds).to_rfc3339()
}
