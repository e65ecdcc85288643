//! One key, one message, one send.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Reply, Tenant, person, run, text, unique};

/// Sends a message under a key.
async fn send(tenant: &Tenant, key: &str, body: &Value) -> Reply {
    let request = tenant.request(Method::POST, "/v1/messages");
    Reply::of(request.header("idempotency-key", key).json(body)).await
}

#[test]
fn a_retry_under_the_same_key_is_answered_with_the_first_message() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        let chat = person();
        let body = text(&channel, &chat, "once");
        let bare = format!("order-{}", unique());
        let quoted = format!("\"{bare}\"");

        let first = send(&tenant, &bare, &body).await;
        assert!(!first.is_replay());
        let id = first.expect(202)["id"].clone();
        tenant.becomes(id.as_str().unwrap(), "sent").await;

        for key in [&bare, &quoted, &bare] {
            let again = send(&tenant, key, &body).await;
            assert!(again.is_replay(), "{key}");
            let message = again.expect(202);
            assert_eq!(message["id"], id);
            assert_eq!(message["status"], "accepted");
        }
        // The same JSON, written otherwise.
        let spaced = serde_json::to_string_pretty(&body).unwrap();
        let request = tenant
            .request(Method::POST, "/v1/messages")
            .header("idempotency-key", &bare)
            .header("content-type", "application/json");
        let again = Reply::of(request.body(spaced)).await;
        assert!(again.is_replay());
        assert_eq!(again.expect(202)["id"], id);

        assert_eq!(tenant.calls(&chat).len(), 1);
        assert_eq!(tenant.list("/v1/messages").await.len(), 1);
    });
}

#[test]
fn a_key_used_for_another_body_is_refused() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        let chat = person();
        let key = format!("order-{}", unique());
        send(&tenant, &key, &text(&channel, &chat, "first"))
            .await
            .expect(202);

        let other = send(&tenant, &key, &text(&channel, &chat, "second")).await;

        other.assert_problem(409, "idempotency_key_reused");
        assert_eq!(tenant.list("/v1/messages").await.len(), 1);
    });
}

#[test]
fn a_client_message_id_names_one_message_for_ever() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        let chat = person();
        let mut body = text(&channel, &chat, "once");
        body["clientMessageId"] = json!(format!("client-{}", unique()));
        let id = tenant.post("/v1/messages", &body).await.expect(202)["id"].clone();

        let again = tenant.post("/v1/messages", &body).await;
        assert!(again.is_replay());
        assert_eq!(again.expect(202)["id"], id);
        let keyed = send(&tenant, "another key", &body).await;
        assert!(keyed.is_replay());
        assert_eq!(keyed.expect(202)["id"], id);
        body["content"]["text"] = json!("another text");
        let other = tenant.post("/v1/messages", &body).await;
        other.assert_problem(409, "conflict");

        tenant.becomes(id.as_str().unwrap(), "sent").await;
        assert_eq!(tenant.calls(&chat).len(), 1);
    });
}

#[test]
fn a_key_belongs_to_one_workspace() {
    run(async {
        let (one, other) = (Tenant::new().await, Tenant::new().await);
        let key = format!("order-{}", unique());
        let client_message_id = json!(format!("client-{}", unique()));
        let mut ids = Vec::new();
        for tenant in [&one, &other] {
            let channel = tenant.telegram().await;
            let mut body = text(&channel, &person(), "hello");
            body["clientMessageId"] = client_message_id.clone();
            let reply = send(tenant, &key, &body).await;
            assert!(!reply.is_replay());
            ids.push(reply.expect(202)["id"].clone());
        }
        assert_ne!(ids[0], ids[1]);
    });
}

#[test]
fn a_replay_is_answered_before_anything_else_is_checked() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        let chat = person();
        let body = text(&channel, &chat, "once");
        let key = format!("order-{}", unique());
        let id = send(&tenant, &key, &body).await.expect(202)["id"].clone();
        tenant.becomes(id.as_str().unwrap(), "sent").await;
        tenant
            .delete(&format!("/v1/channels/{}", channel.id))
            .await
            .expect(204);

        let again = send(&tenant, &key, &body).await;

        assert!(again.is_replay(), "{again:?}");
        assert_eq!(again.expect(202)["id"], id);
    });
}

#[test]
fn a_refused_request_may_be_corrected_under_its_key() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        let chat = person();
        let key = format!("order-{}", unique());
        let mut body = text(&channel, &chat, "hello");
        let right = body["content"].take();
        send(&tenant, &key, &body)
            .await
            .assert_problem(422, "invalid_request");

        body["content"] = right;
        let corrected = send(&tenant, &key, &body).await;

        assert!(!corrected.is_replay());
        corrected.expect(202);
    });
}

#[test]
fn two_hundred_requests_at_once_under_one_key_make_one_message_and_one_send() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        let chat = person();
        let mut body = text(&channel, &chat, "storm");
        body["clientMessageId"] = json!(format!("client-{}", unique()));
        let key = format!("storm-{}", unique());

        let replies = join_all((0..200).map(|_| send(&tenant, &key, &body))).await;

        let replays = replies.iter().filter(|reply| reply.is_replay()).count();
        assert_eq!(replays, 199);
        let mut ids: Vec<Value> = replies
            .into_iter()
            .map(|reply| reply.expect(202)["id"].clone())
            .collect();
        ids.dedup();
        assert_eq!(ids.len(), 1);
        tenant.becomes(ids[0].as_str().unwrap(), "sent").await;
        assert_eq!(tenant.calls(&chat).len(), 1);
        assert_eq!(tenant.list("/v1/messages").await.len(), 1);
    });
}

#[test]
fn a_key_that_is_not_one_is_refused() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        let body = text(&channel, &person(), "hello");
        let long = "x".repeat(256);
        for key in ["", "\"\"", &long] {
            send(&tenant, key, &body)
                .await
                .assert_problem(422, "invalid_request");
        }
        assert!(tenant.list("/v1/messages").await.is_empty());
    });
}
