//! From a provider's webhook to the inbox and the subscriber.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use patchbay_sandbox::{CallFilter, Inbound};

use crate::harness::{Received, Reply, SECRET, Tenant, WORD, person, run, unique};

#[test]
fn a_customers_first_message_makes_a_contact_a_conversation_and_an_event() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.whatsapp().await;
        let subscriber = tenant.subscriber().await;
        let ana = person();
        let words = format!("Olá! 👋 {WORD}");

        let played = tenant.hears(&channel, &ana, &words).await;

        let conversation = tenant.conversation().await;
        assert_eq!(conversation["channelId"], channel.id);
        assert_eq!(conversation["channelType"], "whatsapp");
        assert_eq!(conversation["contact"]["address"], ana);
        assert_eq!(conversation["status"], "open");
        assert_eq!(conversation["unreadCount"], 1);
        assert_eq!(conversation["canSendFreeForm"], true);
        assert!(
            conversation["windowExpiresAt"].is_string(),
            "{conversation}"
        );

        let id = conversation["id"].as_str().unwrap();
        let messages = tenant
            .list(&format!("/v1/conversations/{id}/messages"))
            .await;
        assert_eq!(messages.len(), 1);
        let message = &messages[0];
        assert_eq!(message["direction"], "inbound");
        assert_eq!(message["status"], "received");
        assert_eq!(message["content"], json!({"type": "text", "text": words}));
        assert_eq!(
            message["providerMessageId"].as_str(),
            played.provider_message_id.as_deref()
        );

        let events = subscriber.receives("message.received", 1).await;
        assert_eq!(events[0].data["message"]["id"], message["id"]);
        assert_eq!(events[0].data["message"]["content"]["text"], words);
        assert_eq!(events[0].data["conversation"]["id"], conversation["id"]);
        assert_eq!(
            events[0].data["contact"]["id"],
            conversation["contact"]["id"]
        );
        assert_eq!(
            subscriber.receives("conversation.created", 1).await.len(),
            1
        );
    });
}

#[test]
fn a_telegram_message_makes_a_conversation_without_a_window() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        let chat = person();

        tenant.hears(&channel, &chat, "Hello").await;

        let conversation = tenant.conversation().await;
        assert_eq!(conversation["contact"]["address"], chat);
        assert_eq!(conversation["channelType"], "telegram");
        assert_eq!(conversation["unreadCount"], 1);
        assert_eq!(conversation["canSendFreeForm"], true);
        assert_eq!(conversation["windowExpiresAt"], Value::Null);
    });
}

#[test]
fn a_bot_that_is_connected_is_told_where_its_updates_go() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        let calls = tenant.sandbox.calls(&CallFilter {
            account: Some(channel.account.clone()),
            ..CallFilter::default()
        });
        let told = calls
            .iter()
            .find(|call| call.path.ends_with("/setWebhook"))
            .expect("the webhook is set");
        assert_eq!(told.response_status, Some(200));
        let shown = tenant.get(&format!("/v1/channels/{}", channel.id)).await;
        let shown = shown.expect(200);
        assert_eq!(told.request["url"], shown["inboundUrl"]);
        assert_eq!(shown["lastError"], Value::Null);
    });
}

#[test]
fn reading_a_conversation_sets_its_unread_count_to_zero() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.whatsapp().await;
        let ana = person();
        for words in ["one", "two", "three"] {
            tenant.hears(&channel, &ana, words).await;
        }
        let conversation = tenant.conversation().await;
        assert_eq!(conversation["unreadCount"], 3);
        let path = format!("/v1/conversations/{}", conversation["id"].as_str().unwrap());

        let read = tenant.post(&format!("{path}/read"), &json!({})).await;

        assert!((200..300).contains(&read.status), "{read:?}");
        assert_eq!(tenant.get(&path).await.expect(200)["unreadCount"], 0);
    });
}

#[test]
fn a_webhook_repeated_or_sent_many_times_at_once_is_recorded_once() {
    run(async {
        let tenant = Tenant::new().await;
        let (number, bot) = (tenant.whatsapp().await, tenant.telegram().await);
        let subscriber = tenant.subscriber().await;
        let mut expected = 0;
        for channel in [&number, &bot] {
            let sender = person();
            let played = tenant.unheard(channel, &sender, "again and again").await;
            for _ in 0..5 {
                tenant.post_callback(&played).await.expect(200);
            }
            let at_once = tenant.unheard(channel, &sender, "all at once").await;
            let posts = (0..10).map(|_| tenant.post_callback(&at_once));
            for reply in join_all(posts).await {
                reply.expect(200);
            }
            expected += 2;
        }

        // What comes after them shows that nothing more of them is on its way.
        tenant.hears(&number, &person(), "afterwards").await;
        let last = |events: &[Received]| {
            events
                .iter()
                .any(|event| event.data["message"]["content"]["text"] == "afterwards")
        };
        let events = subscriber.receives("message.received", expected + 1).await;
        assert!(last(&events));
        assert_eq!(events.len(), expected + 1);
        assert_eq!(subscriber.of("conversation.created").len(), 3);
        for conversation in tenant.list("/v1/conversations").await {
            let id = conversation["id"].as_str().unwrap();
            let messages = tenant
                .list(&format!("/v1/conversations/{id}/messages"))
                .await;
            assert_eq!(conversation["unreadCount"], messages.len());
            assert!(messages.len() <= 2, "{messages:?}");
        }
    });
}

#[test]
fn what_does_not_prove_to_be_from_the_provider_is_refused_and_not_stored() {
    run(async {
        let tenant = Tenant::new().await;
        let (number, bot) = (tenant.whatsapp().await, tenant.telegram().await);
        let anybody = tenant.without_token();
        for (channel, header) in [
            (&number, "x-hub-signature-256"),
            (&bot, "x-telegram-bot-api-secret-token"),
        ] {
            let genuine = tenant.unheard(channel, &person(), "Hello").await;
            let right = genuine.headers[header].clone();
            let flipped = right.replace(['0', '1', '2', 'a', 'w'], "3");
            for wrong in [
                None,
                Some(""),
                Some("sha256="),
                Some("sha256=zz"),
                Some(&flipped),
            ] {
                let mut request = anybody
                    .request(Method::POST, &channel.inbound_url)
                    .header("content-type", "application/json")
                    .body(genuine.body.clone());
                if let Some(wrong) = wrong {
                    request = request.header(header, wrong);
                }
                let reply = Reply::of(request).await;
                assert_eq!(reply.status, 401, "{header}: {wrong:?}: {reply:?}");
            }
        }
        let signed = tenant.unheard(&number, &person(), "Hello").await;
        let mut altered = signed.clone();
        altered.body = altered.body.replace("Hello", "Hullo");
        assert_eq!(tenant.post_callback(&altered).await.status, 401);

        assert!(tenant.list("/v1/conversations").await.is_empty());
        tenant.post_callback(&signed).await.expect(200);
        assert_eq!(tenant.list("/v1/conversations").await.len(), 1);
    });
}

#[test]
fn metas_handshake_is_answered_only_with_the_right_verify_token() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.whatsapp().await;

        let right = tenant
            .sandbox
            .handshake(&channel.account, None)
            .await
            .unwrap();
        assert!(right.verified, "{right:?}");
        for token in ["wrong", ""] {
            let wrong = tenant
                .sandbox
                .handshake(&channel.account, Some(token))
                .await
                .unwrap();
            assert_eq!(wrong.status, 403, "{wrong:?}");
            assert!(!wrong.body.contains(&wrong.challenge));
        }
        let bare = tenant.without_token().get(&channel.inbound_url).await;
        assert_eq!(bare.status, 403, "{bare:?}");
    });
}

#[test]
fn an_unknown_inbound_channel_is_not_found() {
    run(async {
        let tenant = Tenant::new().await;
        let deleted = tenant.telegram().await;
        let late = tenant.unheard(&deleted, &person(), "Hello").await;
        let path = format!("/v1/channels/{}", deleted.id);
        assert_eq!(tenant.delete(&path).await.status, 204);
        assert_eq!(tenant.post_callback(&late).await.status, 404);

        let anybody = tenant.without_token();
        for path in [
            "/inbound/nobody".to_owned(),
            "/inbound/0199a1b2-0000-7000-8000-000000000000".to_owned(),
            format!("/inbound/{}", tenant.id),
        ] {
            anybody.get(&path).await.assert_problem(404, "not_found");
            anybody
                .post(&path, &json!({}))
                .await
                .assert_problem(404, "not_found");
        }
    });
}

#[test]
fn nothing_authentic_fails_the_webhook() {
    run(async {
        let tenant = Tenant::new().await;
        let (number, bot) = (tenant.whatsapp().await, tenant.telegram().await);
        let change = |value: Value| {
            json!({
                "object": "whatsapp_business_account",
                "entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}],
            })
        };
        let payloads = [
            json!({}),
            json!([]),
            json!("text"),
            json!({"entry": "none"}),
            json!({"entry": [null, 1, {"changes": [{"field": "account_update"}]}]}),
            change(json!({"messages": [{"type": "text"}, {"id": 7, "from": 8, "type": "poll"}]})),
            change(
                json!({"statuses": [{"status": "sent"}, {"id": "wamid.x", "status": "warped"}]}),
            ),
            json!({"update_id": 1}),
            json!({"update_id": 2, "poll": {"id": "x"}}),
            json!({"update_id": 3, "message": {"message_id": "x", "chat": []}}),
        ];
        for payload in payloads {
            for channel in [&number, &bot] {
                let played = tenant
                    .sandbox
                    .raw(&channel.account, payload.clone())
                    .await
                    .unwrap();
                assert_eq!(played.callback_status, Some(200), "{payload}");
            }
        }

        let words = "after all that";
        tenant.hears(&number, &person(), words).await;
        let texts: Vec<Value> = tenant
            .list("/v1/messages")
            .await
            .iter()
            .filter(|message| message["content"]["type"] == "text")
            .map(|message| message["content"]["text"].clone())
            .collect();
        assert_eq!(texts, [words]);
    });
}

#[test]
fn one_webhook_may_bring_many_messages_and_statuses() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant
            .whatsapp_with(|number| number.auto_status = false)
            .await;
        let subscriber = tenant.subscriber().await;
        let (ana, bia) = (person(), person());
        tenant.hears(&channel, &ana, "first").await;
        let id = tenant.sends(&channel, &ana, "answer").await;
        let sent = tenant.becomes(&id, "sent").await;
        let now = std::time::UNIX_EPOCH
            .elapsed()
            .unwrap()
            .as_secs()
            .to_string();
        let message = |from: &str, n: u32| {
            json!({
                "from": from, "id": format!("wamid.{from}-{n}"), "timestamp": now,
                "type": "text", "text": {"body": format!("number {n}")},
            })
        };
        let status = |status: &str| {
            json!({
                "id": sent["providerMessageId"], "status": status, "timestamp": now,
                "recipient_id": ana,
            })
        };
        let messages: Vec<Value> = (1..=20)
            .flat_map(|n| [message(&ana, n), message(&bia, n), message(&ana, n)])
            .collect();
        let payload = json!({
            "object": "whatsapp_business_account",
            "entry": [
                {"id": "1", "changes": [{"field": "messages", "value": {"messages": messages}}]},
                {"id": "1", "changes": [{"field": "messages", "value": {
                    "statuses": [status("read"), status("delivered"), status("read")],
                }}]},
            ],
        });

        for _ in 0..2 {
            let played = tenant
                .sandbox
                .raw(&channel.account, payload.clone())
                .await
                .unwrap();
            assert_eq!(played.callback_status, Some(200));
        }

        let expected: Vec<String> = (1..=20).rev().map(|n| format!("number {n}")).collect();
        for conversation in tenant.list("/v1/conversations").await {
            let id = conversation["id"].as_str().unwrap();
            let list = tenant
                .list(&format!("/v1/conversations/{id}/messages?limit=20"))
                .await;
            let texts: Vec<&str> = list
                .iter()
                .filter_map(|message| message["content"]["text"].as_str())
                .collect();
            assert_eq!(texts, expected);
        }
        assert_eq!(tenant.message(&id).await["status"], "read");
        subscriber.receives("message.received", 41).await;
        for (kind, count) in [
            ("message.read", 1),
            ("message.delivered", 1),
            ("message.received", 41),
        ] {
            assert_eq!(
                subscriber.receives(kind, count).await.len(),
                count,
                "{kind}"
            );
        }
    });
}

#[test]
fn one_callback_of_a_meta_app_serves_all_its_numbers_and_pages() {
    run(async {
        let tenant = Tenant::new().await;
        let secret = format!("{SECRET}-shared-{}", unique());
        let first = tenant
            .whatsapp_with(|number| number.app_secret.clone_from(&secret))
            .await;
        let second = tenant
            .whatsapp_with(|number| number.app_secret.clone_from(&secret))
            .await;
        let page = tenant
            .messenger_with(|page| page.app_secret.clone_from(&secret))
            .await;
        let stranger = Tenant::new().await;
        let theirs = stranger
            .whatsapp_with(|number| number.app_secret.clone_from(&secret))
            .await;
        let [ana, bia, caio, davi] = [person(), person(), person(), person()];

        // One body for three numbers, one of which is another workspace's, posted to the first.
        let mut inbound = Inbound::new(&first.account, &ana, format!("To the first {WORD}"));
        inbound.also = vec![
            Inbound::new(&second.account, &bia, format!("To the second {WORD}")),
            Inbound::new(&theirs.account, &davi, format!("To a stranger {WORD}")),
        ];
        let played = tenant.sandbox.inbound(inbound).await.expect("accounts");
        assert_eq!(played.callback_status, Some(200), "{played:?}");
        // A Page's event, posted to the number's URL.
        let mut event = Inbound::new(&page.account, &caio, format!("To the page {WORD}"));
        event.deliver = false;
        let mut event = tenant.sandbox.inbound(event).await.expect("an account");
        event.url = Some(first.inbound_url.clone());
        tenant.post_callback(&event).await.expect(200);

        let conversations = tenant.list("/v1/conversations").await;
        let mut heard: Vec<(&str, &str)> = conversations
            .iter()
            .map(|conversation| {
                let channel = conversation["channelId"].as_str().expect("an id");
                let address = conversation["contact"]["address"].as_str().expect("text");
                (channel, address)
            })
            .collect();
        heard.sort_unstable();
        let mut expected = vec![
            (first.id.as_str(), ana.as_str()),
            (second.id.as_str(), bia.as_str()),
            (page.id.as_str(), caio.as_str()),
        ];
        expected.sort_unstable();
        assert_eq!(heard, expected);
        assert!(stranger.list("/v1/conversations").await.is_empty());
    });
}
