//! From `POST /v1/messages` to the person's phone, and back to the subscriber.

use serde_json::json;

use crate::harness::{SOON, Tenant, WORD, eventually, person, run, statuses, text};

#[test]
fn a_whatsapp_text_is_sent_and_its_statuses_come_back() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.whatsapp().await;
        let subscriber = tenant.subscriber().await;
        let ana = person();
        tenant.hears(&channel, &ana, "Hello").await;

        let body = text(&channel, &ana, "Olá, Ana! 👋");
        let accepted = tenant.post("/v1/messages", &body).await.expect(202);

        let id = accepted["id"].as_str().expect("an id");
        assert_eq!(accepted["status"], "accepted");
        assert_eq!(accepted["direction"], "outbound");
        assert_eq!(accepted["channelId"], channel.id);
        assert_eq!(accepted["channelType"], "whatsapp");
        assert_eq!(accepted["content"], body["content"]);
        let message = tenant.becomes(id, "delivered").await;
        assert_eq!(
            statuses(&message),
            ["accepted", "sending", "sent", "delivered"]
        );
        assert!(message["error"].is_null(), "{message}");

        // The sandbox accepts with the right bearer token only, and as strictly as Meta.
        let calls = tenant.calls(&ana);
        assert_eq!(calls.len(), 1);
        assert_eq!(calls[0].outcome, "accepted");
        assert_eq!(calls[0].account.as_deref(), Some(channel.account.as_str()));
        assert_eq!(
            message["providerMessageId"].as_str(),
            calls[0].message_id.as_deref()
        );
        let request = &calls[0].request;
        assert_eq!(request["to"], ana);
        assert_eq!(request["text"]["body"], format!("Olá, Ana! 👋 {WORD}"));
        assert_eq!(request["biz_opaque_callback_data"], id);

        for (kind, status) in [("message.sent", "sent"), ("message.delivered", "delivered")] {
            let events = subscriber.receives(kind, 1).await;
            assert_eq!(events.len(), 1);
            let data = &events[0].data;
            assert_eq!(data["workspaceId"], tenant.id);
            assert_eq!(data["channel"]["id"], channel.id);
            assert_eq!(data["contact"]["address"], ana);
            assert_eq!(data["conversation"]["id"], message["conversationId"]);
            assert_eq!(data["message"]["id"], id);
            assert_eq!(data["message"]["status"], status);
        }
    });
}

#[test]
fn a_telegram_text_is_sent() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        let subscriber = tenant.subscriber().await;
        let chat = person();

        let id = tenant.sends(&channel, &chat, "Hello").await;

        let message = tenant.becomes(&id, "sent").await;
        assert_eq!(statuses(&message), ["accepted", "sending", "sent"]);
        let calls = tenant.calls(&chat);
        assert_eq!(calls.len(), 1);
        assert_eq!(calls[0].path, "/telegram/bot***/sendMessage");
        assert_eq!(calls[0].account.as_deref(), Some(channel.account.as_str()));
        assert_eq!(calls[0].request["text"], format!("Hello {WORD}"));
        let events = subscriber.receives("message.sent", 1).await;
        assert_eq!(events[0].data["message"]["id"], id);
    });
}

#[test]
fn a_sender_is_named_by_its_id_or_its_identifier_however_it_is_written() {
    run(async {
        let tenant = Tenant::new().await;
        let bot = tenant.telegram().await;
        let number = tenant.whatsapp().await;
        let (chat, ana) = (person(), person());
        tenant.hears(&number, &ana, "Hello").await;
        let digits = number.identifier.trim_start_matches('+');

        for (from, to, channel) in [
            (bot.id.clone(), &chat, &bot),
            (bot.identifier.clone(), &chat, &bot),
            (format!("@{}", bot.identifier), &chat, &bot),
            (number.identifier.clone(), &ana, &number),
            (digits.to_owned(), &ana, &number),
        ] {
            let mut body = text(channel, to, "Hello");
            body["from"] = json!(from);
            let message = tenant.post("/v1/messages", &body).await.expect(202);
            assert_eq!(message["channelId"], channel.id, "{from}");
        }
    });
}

#[test]
fn an_answer_goes_to_a_conversation_or_to_a_contact() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.whatsapp().await;
        let ana = person();
        tenant.hears(&channel, &ana, "Hello").await;
        let conversation = tenant.conversation().await;

        for (to, words) in [
            (&conversation["id"], "to the conversation"),
            (&conversation["contact"]["id"], "to the contact"),
        ] {
            let content = json!({"type": "text", "text": words});
            let body = json!({"to": to, "from": channel.id, "content": content});
            let message = tenant.post("/v1/messages", &body).await.expect(202);
            assert_eq!(message["conversationId"], conversation["id"]);
        }

        let body = json!({"to": conversation["id"], "content": {"type": "text", "text": "third"}});
        tenant.post("/v1/messages", &body).await.expect(202);
        eventually(SOON, "all three arrive in order", async || {
            let accepted = tenant.accepted(&ana);
            let all = ["to the conversation", "to the contact", "third"];
            (accepted == all).then_some(()).ok_or(accepted.join(", "))
        })
        .await;
    });
}

#[test]
fn a_message_with_metadata_gives_it_back_as_it_was() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        let mut body = text(&channel, &person(), "Hello");
        body["metadata"] = json!({"order": 42, "tags": ["a", "b"], "nested": {"x": null}});

        let accepted = tenant.post("/v1/messages", &body).await.expect(202);

        assert_eq!(accepted["metadata"], body["metadata"]);
        let id = accepted["id"].as_str().expect("an id");
        assert_eq!(tenant.message(id).await["metadata"], body["metadata"]);
    });
}

#[test]
fn messages_are_listed_page_by_page_newest_first() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        let chat = person();
        let mut sent = Vec::new();
        for n in 0..5 {
            sent.push(tenant.sends(&channel, &chat, &format!("number {n}")).await);
        }
        sent.reverse();

        let mut listed = Vec::new();
        let mut path = "/v1/messages?limit=2".to_owned();
        for _ in 0..10 {
            let page = tenant.get(&path).await.expect(200);
            let items = page["data"].as_array().expect("a list");
            assert!(items.len() <= 2);
            listed.extend(
                items
                    .iter()
                    .map(|item| item["id"].as_str().unwrap().to_owned()),
            );
            match page["nextCursor"].as_str() {
                Some(cursor) => path = format!("/v1/messages?limit=2&cursor={cursor}"),
                None => break,
            }
        }

        assert_eq!(listed, sent);
    });
}
