//! Accepting a message and sending it.

use crate::support::outgoing::{SHOP, history, id, text};
use crate::support::world::{CUSTOMER, whatsapp_status, whatsapp_text, whatsapp_value};
use crate::support::{Answer, World};
use http::Method;
use serde_json::{Value, json};
use std::rc::Rc;

const NOBODY: &str = "01890000-0000-7000-8000-000000000000";

#[tokio::test]
async fn a_text_is_accepted_sent_once_and_tracked_to_delivery() {
    let world = World::new().await;
    let channel = world.open_whatsapp().await;

    let accepted = world.say(CUSTOMER, "Hello").await;
    assert_eq!(accepted["status"], "accepted");
    world.drain().await;

    let sent = world.requests_to("graph.test");
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0]["to"], CUSTOMER);
    assert_eq!(sent[0]["text"]["body"], "Hello");
    assert_eq!(sent[0]["biz_opaque_callback_data"], accepted["id"]);

    let at = world.ports().now_ms.get() / 1_000;
    world
        .from_meta(&channel, &whatsapp_status("wamid.1", "delivered", at))
        .await
        .expect(200);
    let message = world.now(&accepted).await;
    assert_eq!(message["status"], "delivered");
    assert_eq!(message["providerMessageId"], "wamid.1");
    assert_eq!(
        history(&message),
        ["accepted", "sending", "sent", "delivered"]
    );
    assert_eq!(message["attempts"][0]["outcome"], "sent");
}

#[tokio::test]
async fn free_text_outside_the_window_is_refused_before_the_provider_is_called() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let refused = world.refused(text(CUSTOMER, "Hello")).await;
    assert_eq!(refused.as_told(), (422, "window_closed", ""));
    world
        .customer_writes(&channel, CUSTOMER, "wamid.in", "Hi")
        .await;
    world.advance(24 * 3_600_000);
    let refused = world.refused(text(CUSTOMER, "Hello")).await;
    assert_eq!(refused.as_told(), (422, "window_closed", ""));
    world.drain().await;
    assert!(world.requests_to("graph.test").is_empty());
    let stored = world
        .call(Method::GET, "/v1/messages", Value::Null)
        .await
        .expect(200);
    assert_eq!(stored["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn an_answer_that_never_came_leaves_the_message_unknown_and_the_next_one_goes() {
    let world = World::new().await;
    world.open_whatsapp().await;
    world
        .ports()
        .answers
        .borrow_mut()
        .push_back(Answer::NoAnswer);
    let first = world.say(CUSTOMER, "one").await;
    let second = world.say(CUSTOMER, "two").await;
    world.drain().await;
    assert_eq!(world.status(&first).await, "unknown");
    assert_eq!(world.status(&second).await, "sent");
}

// To whom, and from where.

#[tokio::test]
async fn a_recipient_is_a_conversation_a_contact_or_an_address_however_it_is_spelled() {
    let mut world = World::new().await;
    let channel = world.open_whatsapp().await;
    let first = world.say(CUSTOMER, "first").await;
    let conversation = first["conversationId"].as_str().expect("an id").to_owned();
    let contact = first["contactId"].as_str().expect("an id").to_owned();
    let tos = [
        &*conversation,
        &*contact,
        CUSTOMER,
        "+5511999999999",
        "+55 (11) 99999-9999",
    ];
    let froms = [
        &*channel,
        SHOP,
        "15550100001",
        "+1 (555) 010-0001",
        "@15550100001",
    ];
    for is_cold in [true, false] {
        for to in tos {
            for from in froms {
                if is_cold {
                    world.forget();
                }
                let mut body = text(to, "again");
                body["from"] = json!(from);
                let accepted = world.post("/v1/messages", body).await.expect(202);
                assert_eq!(
                    accepted["conversationId"], first["conversationId"],
                    "{to} {from}"
                );
                assert_eq!(accepted["contactId"], first["contactId"], "{to} {from}");
                assert_eq!(accepted["channelId"], channel.as_str(), "{to} {from}");
            }
        }
        for to in [&conversation, &contact] {
            if is_cold {
                world.forget();
            }
            let mut body = text(to, "again");
            body.as_object_mut().expect("an object").remove("from");
            let accepted = world.post("/v1/messages", body).await.expect(202);
            assert_eq!(accepted["conversationId"], first["conversationId"], "{to}");
        }
    }
    assert_eq!(
        world.database().count("SELECT COUNT(*) FROM conversation"),
        1
    );
    assert_eq!(world.database().count("SELECT COUNT(*) FROM contact"), 1);
    assert_eq!(
        world
            .database()
            .count("SELECT COUNT(DISTINCT seq) = MAX(seq) FROM message"),
        1
    );
}

#[tokio::test]
async fn a_telegram_bot_is_named_with_or_without_its_at_sign() {
    let mut world = World::new().await;
    let channel = world.telegram().await;
    for is_cold in [true, false] {
        for from in ["@patchbay_bot", "patchbay_bot", "Patchbay_Bot", &channel] {
            if is_cold {
                world.forget();
            }
            let mut body = text("77", "Hello");
            body["from"] = json!(from);
            let accepted = world.post("/v1/messages", body).await.expect(202);
            assert_eq!(accepted["channelId"], channel.as_str());
        }
    }
    // One a second to a chat.
    for _ in 0..8 {
        world.drain().await;
        world.advance(1_000);
    }
    let sent = world.requests_to("telegram.test");
    assert_eq!(sent.len(), 8);
    assert!(sent.iter().all(|body| body["chat_id"] == 77));
}

/// Connects a further WhatsApp number that may write to anybody.
async fn second_whatsapp(world: &World) -> String {
    let body = json!({
        "type": "whatsapp", "name": "Second", "identifier": "+15550100002",
        "settings": { "enforceWindow": false },
        "credentials": {
            "phoneNumberId": "206540352242922", "wabaId": "102290129340398", "accessToken": "t",
            "appSecret": crate::support::world::APP_SECRET, "verifyToken": "v",
        },
    });
    id(&world.post("/v1/channels", body).await.expect(201))
}

#[tokio::test]
async fn a_contact_is_written_to_where_it_was_last_active_or_on_the_channel_named() {
    let mut world = World::new().await;
    let shop = world.open_whatsapp().await;
    let second = second_whatsapp(&world).await;
    let contact = world.say(CUSTOMER, "Hello").await["contactId"].clone();
    let to_contact = |from: Option<&str>| {
        let mut body = json!({ "to": contact, "content": { "type": "text", "text": "Hi" } });
        if let Some(from) = from {
            body["from"] = json!(from);
        }
        body
    };

    // No conversation on the second channel yet, but an identity of its kind.
    world.advance(1_000);
    let body = to_contact(Some("+15550100002"));
    let there = world.post("/v1/messages", body).await.expect(202);
    assert_eq!(there["channelId"], second.as_str());
    assert_eq!(there["contactId"], contact, "it is the same person");

    for is_cold in [true, false] {
        if is_cold {
            world.forget();
        }
        let latest = world
            .post("/v1/messages", to_contact(None))
            .await
            .expect(202);
        assert_eq!(
            latest["channelId"],
            second.as_str(),
            "the latest conversation"
        );
        let named = world
            .post("/v1/messages", to_contact(Some(&shop)))
            .await
            .expect(202);
        assert_eq!(
            named["channelId"],
            shop.as_str(),
            "the conversation on the channel named"
        );
        world.advance(1_000);
        world
            .post("/v1/messages", to_contact(Some(&second)))
            .await
            .expect(202);
        world.advance(1_000);
    }
    world
        .customer_writes(&shop, CUSTOMER, "wamid.again", "Hi again")
        .await;
    let latest = world
        .post("/v1/messages", to_contact(None))
        .await
        .expect(202);
    assert_eq!(
        latest["channelId"],
        shop.as_str(),
        "the customer wrote there last"
    );
    assert_eq!(world.database().count("SELECT COUNT(*) FROM contact"), 1);
    assert_eq!(
        world.database().count("SELECT COUNT(*) FROM conversation"),
        2
    );
    world.drain().await;
    assert!(
        world
            .requests_to("graph.test")
            .iter()
            .all(|sent| sent["to"] == CUSTOMER)
    );
}

/// What this isolate remembers of a conversation may be gone since.
#[tokio::test]
async fn an_address_whose_remembered_conversation_is_gone_gets_another() {
    let world = World::new().await;
    let shop = second_whatsapp(&world).await;
    let body = json!({ "from": shop, "to": CUSTOMER, "content": { "type": "text", "text": "Hi" } });
    let send = || world.post("/v1/messages", body.clone());
    let first = send().await.expect(202);
    assert_eq!(
        send().await.expect(202)["conversationId"],
        first["conversationId"]
    );
    world
        .database()
        .query("UPDATE conversation SET address = '5511900000000'");
    let anew = send().await.expect(202);
    assert_ne!(anew["conversationId"], first["conversationId"]);
    assert_eq!(
        send().await.expect(202)["conversationId"],
        anew["conversationId"]
    );
}

#[tokio::test]
async fn a_contact_without_an_address_of_the_channels_kind_cannot_be_written_to() {
    let world = World::new().await;
    world.open_whatsapp().await;
    world.telegram().await;
    let contact = world.say(CUSTOMER, "Hello").await["contactId"].clone();
    let contact = contact.as_str().expect("an id");
    let mut by_telegram = text(contact, "Hello");
    by_telegram["from"] = json!("patchbay_bot");
    assert_eq!(
        world.refused(by_telegram).await.as_told(),
        (422, "invalid_request", "/to")
    );

    world.database().query(&format!(
        "INSERT INTO contact (workspace_id, id, created_at) VALUES ('{}', '{NOBODY}', 1)",
        world.workspace,
    ));
    let known_by_nothing = world.refused(text(NOBODY, "Hello")).await;
    assert_eq!(known_by_nothing.as_told(), (422, "invalid_request", "/to"));
    let mut without_from = text(NOBODY, "Hello");
    without_from
        .as_object_mut()
        .expect("an object")
        .remove("from");
    assert_eq!(
        world.refused(without_from).await.as_told(),
        (422, "invalid_request", "/from")
    );
}

#[tokio::test]
async fn a_recipient_that_cannot_be_is_refused_by_name() {
    let mut world = World::new().await;
    world.open_whatsapp().await;
    for is_cold in [true, false] {
        for to in [
            "12",
            "not a number",
            "@name",
            "55119999999991234567",
            "",
            "   ",
        ] {
            if is_cold {
                world.forget();
            }
            let refused = world.refused(text(to, "Hello")).await;
            assert_eq!(refused.as_told(), (422, "invalid_request", "/to"), "{to}");
        }
        let mut without_from = text(CUSTOMER, "Hello");
        without_from
            .as_object_mut()
            .expect("an object")
            .remove("from");
        let refused = world.refused(without_from).await;
        assert_eq!(refused.as_told(), (422, "invalid_request", "/from"));
        assert_eq!(
            world.refused(text(NOBODY, "Hello")).await.as_told(),
            (404, "not_found", "/to")
        );
        world.say(CUSTOMER, "warms up").await;
    }
}

#[tokio::test]
async fn an_identifier_of_two_channels_names_neither() {
    let mut world = World::new().await;
    let shop = world.open_whatsapp().await;
    let conversation = world.say(CUSTOMER, "warms up").await["conversationId"].clone();
    let bot = json!({
        "type": "telegram", "name": "Digits", "identifier": "15550100001",
        "credentials": { "botToken": "123456:token", "secretToken": "secret" },
    });
    world.post("/v1/channels", bot).await.expect(201);
    for is_cold in [false, true] {
        if is_cold {
            world.forget();
        }
        for from in [SHOP, "15550100001", "@15550100001"] {
            let mut body = text(CUSTOMER, "Hello");
            body["from"] = json!(from);
            let refused = world.refused(body).await;
            assert_eq!(
                refused.as_told(),
                (422, "invalid_request", "/from"),
                "{from}"
            );
        }
    }
    // Neither a channel's id nor a conversation needs the identifier.
    let mut by_id = text(CUSTOMER, "Hello");
    by_id["from"] = json!(shop);
    world.post("/v1/messages", by_id).await.expect(202);
    let in_conversation =
        json!({ "to": conversation, "content": { "type": "text", "text": "Hi" } });
    world
        .post("/v1/messages", in_conversation)
        .await
        .expect(202);
}

#[tokio::test]
async fn a_channel_that_is_not_there_is_refused_by_name() {
    let mut world = World::new().await;
    world.open_whatsapp().await;
    for is_cold in [true, false] {
        if is_cold {
            world.forget();
        }
        let mut body = text(CUSTOMER, "Hello");
        body["from"] = json!("+15550109999");
        assert_eq!(
            world.refused(body.clone()).await.as_told(),
            (422, "invalid_request", "/from")
        );
        body["from"] = json!(NOBODY);
        assert_eq!(
            world.refused(body).await.as_told(),
            (404, "not_found", "/from")
        );
        world.say(CUSTOMER, "warms up").await;
    }
}

#[tokio::test]
async fn what_belongs_to_another_workspace_is_as_if_it_were_not_there() {
    let mut world = World::new().await;
    let foreign_channel = world.open_whatsapp().await;
    let theirs = world.say(CUSTOMER, "theirs").await;
    let foreign = |name: &str| theirs[name].as_str().expect("an id").to_owned();
    let (_, key) = world.new_workspace("Mine").await;
    let their_key = std::mem::replace(&mut world.key, key);
    let bot = json!({
        "type": "telegram", "name": "Bot", "identifier": "my_shop_bot",
        "credentials": { "botToken": "123456:token", "secretToken": "secret" },
    });
    let mine = id(&world.post("/v1/channels", bot).await.expect(201));
    let without_id = |mut body: Value| {
        body.as_object_mut().expect("an object").remove("requestId");
        body
    };
    let send = |from: Option<&str>, to: &str, reply: Option<&str>| json!({ "from": from, "to": to, "replyTo": reply, "content": { "type": "text", "text": "Hi" } });
    let pairs = [
        (
            send(None, &foreign("conversationId"), None),
            send(None, NOBODY, None),
        ),
        (
            send(None, &foreign("contactId"), None),
            send(None, NOBODY, None),
        ),
        (
            send(Some(&mine), &foreign("conversationId"), None),
            send(Some(&mine), NOBODY, None),
        ),
        (
            send(Some(&mine), &foreign("contactId"), None),
            send(Some(&mine), NOBODY, None),
        ),
        (
            send(Some(&foreign_channel), CUSTOMER, None),
            send(Some(NOBODY), CUSTOMER, None),
        ),
        (
            send(Some(SHOP), CUSTOMER, None),
            send(Some("+15550107777"), CUSTOMER, None),
        ),
        (
            send(Some(&mine), "77", Some(&foreign("id"))),
            send(Some(&mine), "77", Some(NOBODY)),
        ),
    ];
    for is_cold in [true, false] {
        for (foreign, absent) in &pairs {
            if is_cold {
                world.forget();
            }
            let of_theirs = world.refused(foreign.clone()).await.0;
            if is_cold {
                world.forget();
            }
            let of_nobody = world.refused(absent.clone()).await.0;
            assert!([404, 422].contains(&of_theirs.status), "{}", of_theirs.body);
            assert!(
                of_theirs.body["errors"][0]["pointer"].is_string(),
                "{}",
                of_theirs.body
            );
            assert_eq!(of_theirs.status, of_nobody.status, "{foreign}");
            assert_eq!(
                without_id(of_theirs.body),
                without_id(of_nobody.body),
                "{foreign}"
            );
        }
        // The same isolate serves its owner, and so remembers all of it.
        let my_key = std::mem::replace(&mut world.key, their_key.clone());
        world.say(&foreign("conversationId"), "warms up").await;
        world.say(CUSTOMER, "warms up").await;
        world.key = my_key;
        world
            .post("/v1/messages", send(Some(&mine), "77", None))
            .await
            .expect(202);
    }
}

#[tokio::test]
async fn a_sender_that_is_not_the_conversations_channel_is_refused() {
    let mut world = World::new().await;
    world.open_whatsapp().await;
    let second = second_whatsapp(&world).await;
    let said = world.say(CUSTOMER, "Hello").await;
    let conversation = said["conversationId"].as_str().expect("an id");
    let mut elsewhere = text(CUSTOMER, "elsewhere");
    elsewhere["from"] = json!(second);
    for is_cold in [true, false] {
        for from in [second.as_str(), "+15550100002"] {
            if is_cold {
                world.forget();
            }
            let mut body = text(conversation, "Hello");
            body["from"] = json!(from);
            let refused = world.refused(body).await;
            assert_eq!(
                refused.as_told(),
                (422, "invalid_request", "/from"),
                "{from}"
            );
        }
        world
            .post("/v1/messages", elsewhere.clone())
            .await
            .expect(202);
        world.say(conversation, "warms up").await;
    }
}

// What is checked, whatever an isolate remembers.

#[tokio::test]
async fn a_revoked_key_is_refused_at_once_though_it_is_remembered() {
    let mut world = World::new().await;
    world.open_whatsapp().await;
    let conversation = world.say(CUSTOMER, "warms up").await["conversationId"].clone();
    world.database().query("UPDATE api_key SET revoked_at = 1");
    let by_conversation = text(conversation.as_str().expect("an id"), "Hello");
    for body in [text(CUSTOMER, "Hello"), by_conversation] {
        for is_cold in [false, true] {
            if is_cold {
                world.forget();
            }
            let refused = world.refused(body.clone()).await;
            assert_eq!(refused.as_told(), (401, "invalid_api_key", ""));
            assert_eq!(refused.0.header("www-authenticate"), Some("Bearer"));
        }
    }
}

#[tokio::test]
async fn a_revoked_key_learns_nothing_from_a_message_that_cannot_be() {
    let world = World::new().await;
    world.open_whatsapp().await;
    world.say(CUSTOMER, "warms up").await;
    world.database().query("UPDATE api_key SET revoked_at = 1");
    let refused = world.refused(text(CUSTOMER, "")).await;
    assert_eq!(refused.as_told(), (401, "invalid_api_key", ""));
}

#[tokio::test]
async fn a_key_stops_when_it_expires() {
    let mut world = World::new().await;
    world.open_whatsapp().await;
    let path = format!("/v1/workspaces/{}/api-keys", world.workspace);
    let expires = patchbay::model::time::Timestamp::from_ms(world.ports().now_ms.get() + 60_000);
    let new = json!({ "name": "short", "expiresAt": expires.to_rfc3339() });
    let key = world.admin(Method::POST, &path, new).await.expect(201);
    world.key = key["key"].as_str().expect("a key").to_owned();
    world.say(CUSTOMER, "in time").await;
    world.advance(59_999);
    world.say(CUSTOMER, "just in time").await;
    world.advance(1);
    for is_cold in [false, true] {
        if is_cold {
            world.forget();
        }
        let refused = world.refused(text(CUSTOMER, "late")).await;
        assert_eq!(refused.as_told(), (401, "expired_api_key", ""));
    }
}

#[tokio::test]
async fn a_key_without_the_scope_may_not_send_whatever_it_says() {
    let mut world = World::new().await;
    world.open_whatsapp().await;
    let path = format!("/v1/workspaces/{}/api-keys", world.workspace);
    let new = json!({ "name": "reader", "scopes": ["messaging:messages:read"] });
    let key = world.admin(Method::POST, &path, new).await.expect(201);
    world.key = key["key"].as_str().expect("a key").to_owned();
    for body in [
        text(CUSTOMER, "Hello"),
        text(CUSTOMER, ""),
        text(NOBODY, "Hello"),
        json!({}),
    ] {
        for is_cold in [false, true] {
            if is_cold {
                world.forget();
            }
            let refused = world.refused(body.clone()).await;
            assert_eq!(refused.as_told(), (403, "missing_scope", ""), "{body}");
        }
    }
}

#[tokio::test]
async fn a_channel_that_cannot_send_refuses_at_once_though_it_is_remembered() {
    let states = [
        "status = 'disabled', version = version + 1",
        "status = 'needs_reauth', version = version + 1",
    ];
    for state in states {
        let mut world = World::new().await;
        let shop = world.open_whatsapp().await;
        let said = world.say(CUSTOMER, "warms up").await;
        let conversation = said["conversationId"].as_str().expect("an id");
        world
            .database()
            .query(&format!("UPDATE channel SET {state}"));
        for is_cold in [false, true] {
            for to in [conversation, CUSTOMER] {
                for from in [&*shop, SHOP] {
                    if is_cold {
                        world.forget();
                    }
                    let mut body = text(to, "Hello");
                    body["from"] = json!(from);
                    let refused = world.refused(body).await;
                    assert_eq!(refused.as_told().0, 409, "{state} {to} {from} {is_cold}");
                    assert_eq!(
                        refused.as_told().1,
                        "channel_unavailable",
                        "{state} {to} {from}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn nothing_is_accepted_on_a_deleted_channel() {
    let mut world = World::new().await;
    let shop = world.open_whatsapp().await;
    let said = world.say(CUSTOMER, "warms up").await;
    let conversation = said["conversationId"].as_str().expect("an id");
    // Deleted through another isolate: this one still remembers it.
    let remembers = Rc::clone(&world.gateway.memory);
    world.forget();
    let path = format!("/v1/channels/{shop}");
    world
        .call(Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
    for is_cold in [false, true] {
        let in_conversation =
            json!({ "to": conversation, "content": { "type": "text", "text": "Hi" } });
        if is_cold {
            world.forget();
        } else {
            world.gateway.memory = Rc::clone(&remembers);
        }
        let refused = world.refused(in_conversation).await;
        assert_eq!(
            refused.as_told(),
            (409, "channel_unavailable", ""),
            "{is_cold}"
        );
        for from in [&*shop, SHOP] {
            if is_cold {
                world.forget();
            }
            let mut body = text(CUSTOMER, "Hello");
            body["from"] = json!(from);
            let refused = world.refused(body).await;
            assert!(
                [404, 409, 422].contains(&refused.0.status),
                "{}",
                refused.0.body
            );
        }
    }
}

#[tokio::test]
async fn an_identifier_connected_anew_is_found_by_an_isolate_that_remembers_the_deleted_one() {
    let mut world = World::new().await;
    let old = world.unenforced_whatsapp().await;
    world.say(CUSTOMER, "warms up").await;
    let remembers = Rc::clone(&world.gateway.memory);
    world.forget();
    let path = format!("/v1/channels/{old}");
    world
        .call(Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
    let new = world.unenforced_whatsapp().await;
    world.gateway.memory = remembers;
    let accepted = world.say(CUSTOMER, "Hello").await;
    assert_eq!(accepted["channelId"], new.as_str());
}

#[tokio::test]
async fn a_channel_that_another_isolate_changed_is_planned_again() {
    let mut world = World::new().await;
    let shop = world.whatsapp().await;
    assert_eq!(
        world.refused(text(CUSTOMER, "Hello")).await.as_told().1,
        "window_closed"
    );
    for is_enforced in [false, true] {
        let remembers = Rc::clone(&world.gateway.memory);
        world.forget();
        let patch = json!({ "settings": { "enforceWindow": is_enforced } });
        world.patch_channel(&shop, patch).await;
        world.gateway.memory = remembers;
        if is_enforced {
            let refused = world.refused(text("5511777777777", "Hello")).await;
            assert_eq!(refused.as_told(), (422, "window_closed", ""));
        } else {
            world.say(CUSTOMER, "Hello").await;
        }
    }
}

#[tokio::test]
async fn the_window_is_open_for_exactly_a_day_after_the_customers_last_message() {
    let world = World::new().await;
    let shop = world.open_whatsapp().await;
    world.advance(24 * 3_600_000 - 1);
    world.say(CUSTOMER, "in the last millisecond").await;
    world.advance(1);
    let refused = world.refused(text(CUSTOMER, "too late")).await;
    assert_eq!(refused.as_told(), (422, "window_closed", ""));
    // It counts from the provider's time, and not from when we heard of it.
    let now_s = world.ports().now_ms.get() / 1_000;
    let late = whatsapp_text(CUSTOMER, "wamid.late", "wrote long ago", now_s - 24 * 3_600);
    world.from_meta(&shop, &late).await.expect(200);
    assert_eq!(
        world.refused(text(CUSTOMER, "still")).await.as_told().1,
        "window_closed"
    );
    let ahead = whatsapp_text(
        CUSTOMER,
        "wamid.ahead",
        "a clock that is ahead",
        now_s + 7_200,
    );
    world.from_meta(&shop, &ahead).await.expect(200);
    world.say(CUSTOMER, "open again").await;
    world.advance(24 * 3_600_000);
    assert_eq!(
        world.refused(text(CUSTOMER, "over")).await.as_told().1,
        "window_closed"
    );
}

#[tokio::test]
async fn a_channel_that_enforces_no_window_writes_to_anybody() {
    let world = World::new().await;
    world.unenforced_whatsapp().await;
    let accepted = world.say("5511777777777", "Hello").await;
    world.drain().await;
    assert_eq!(world.status(&accepted).await, "sent");
    assert_eq!(world.requests_to("graph.test")[0]["to"], "5511777777777");
}

#[tokio::test]
async fn an_answer_to_a_message_quotes_it_and_one_to_any_other_is_refused() {
    let world = World::new().await;
    let shop = world.open_whatsapp().await;
    world
        .customer_writes(&shop, "5511888888888", "wamid.other", "Hi")
        .await;
    let found = |from: &str| {
        let rows = world.database().query(&format!(
            "SELECT m.id FROM message m JOIN conversation c ON c.id = m.conversation_id
             WHERE c.address = '{from}' AND m.direction = 'inbound'"
        ));
        id(&rows[0])
    };
    let mut body = text(CUSTOMER, "Hello");
    body["replyTo"] = json!(found(CUSTOMER));
    let accepted = world.post("/v1/messages", body.clone()).await.expect(202);
    assert_eq!(accepted["replyTo"], body["replyTo"]);
    world.drain().await;
    assert_eq!(
        world.requests_to("graph.test")[0]["context"]["message_id"],
        "wamid.in"
    );
    for other in [found("5511888888888").as_str(), NOBODY, "not an id"] {
        body["replyTo"] = json!(other);
        let refused = world.refused(body.clone()).await;
        assert_eq!(
            refused.as_told(),
            (422, "invalid_request", "/replyTo"),
            "{other}"
        );
    }
}

// What is said.

#[tokio::test]
async fn a_text_is_neither_empty_nor_longer_than_the_provider_takes() {
    let world = World::new().await;
    world.open_whatsapp().await;
    for wrong in ["", " ", "\n\t ", "\u{3000}"] {
        let refused = world.refused(text(CUSTOMER, wrong)).await;
        assert_eq!(refused.as_told(), (422, "invalid_request", "/content/text"));
    }
    let long = "a".repeat(4_097);
    let refused = world.refused(text(CUSTOMER, &long)).await;
    assert_eq!(refused.as_told(), (422, "invalid_request", "/content/text"));
    for longest in ["a".repeat(4_096), "é".repeat(4_096), "😀".repeat(4_096)] {
        let accepted = world.say(CUSTOMER, &longest).await;
        assert_eq!(accepted["content"]["text"], longest);
    }
}

#[tokio::test]
async fn contents_that_only_customers_send_are_refused_by_name() {
    let world = World::new().await;
    world.open_whatsapp().await;
    for kind in ["reply", "order", "unsupported", "nonsense", ""] {
        let body = json!({ "from": SHOP, "to": CUSTOMER, "content": { "type": kind } });
        let refused = world.refused(body).await;
        assert_eq!(
            refused.as_told(),
            (422, "invalid_request", "/content/type"),
            "{kind}"
        );
    }
}

#[tokio::test]
async fn fields_of_the_wrong_form_are_pointed_at() {
    let world = World::new().await;
    world.open_whatsapp().await;
    let with = |field: &str, value: Value| {
        let mut body = text(CUSTOMER, "Hello");
        body[field] = value;
        body
    };
    let wrong = [
        (
            with("scheduledAt", json!("2026-11-20T07:59:59Z")),
            "/scheduledAt",
        ),
        (with("onUnsupported", json!("perhaps")), "/onUnsupported"),
        (with("to", json!(7)), "/to"),
        (with("to", Value::Null), "/to"),
        (with("from", json!("")), "/from"),
        (with("content", json!("Hello")), "/content"),
        (with("content", json!({ "text": "Hello" })), "/content/type"),
        (with("content", json!({ "type": "text" })), "/content/text"),
        (
            with("content", json!({ "type": "text", "text": 5 })),
            "/content/text",
        ),
        (with("expiresAt", json!("tomorrow")), "/expiresAt"),
        (
            with("expiresAt", json!("2020-01-01T00:00:00Z")),
            "/expiresAt",
        ),
        (with("metadata", json!("x")), "/metadata"),
        (
            with("metadata", json!({ "x": "y".repeat(17_000) })),
            "/metadata",
        ),
        (with("actor", json!("robot")), "/actor"),
        (with("clientMessageId", json!("")), "/clientMessageId"),
    ];
    for (body, pointer) in wrong {
        let refused = world.refused(body.clone()).await;
        assert_eq!(
            refused.as_told(),
            (422, "invalid_request", pointer),
            "{body}"
        );
    }
    for body in [json!([]), json!("text"), json!(7)] {
        assert_eq!(world.refused(body).await.as_told().0, 422);
    }
}

#[tokio::test]
async fn fields_nobody_knows_are_ignored() {
    let world = World::new().await;
    world.sends_unknown_fields.set(true);
    world.open_whatsapp().await;
    let body = json!({
        "from": SHOP, "to": CUSTOMER, "mood": "good", "onUnsupported": "reject", "scheduledAt": null,
        "content": { "type": "text", "text": "Hello", "font": "large", "previewUrl": true },
        "metadata": { "order": 7 }, "actor": "human",
    });
    let accepted = world.post("/v1/messages", body).await.expect(202);
    assert_eq!(accepted["metadata"], json!({ "order": 7 }));
    world.drain().await;
    let sent = world.requests_to("graph.test");
    assert_eq!(
        sent[0]["text"],
        json!({ "body": "Hello", "preview_url": true })
    );
}

#[tokio::test]
async fn what_is_not_json_is_refused_before_anything_else() {
    let world = World::new().await;
    world.open_whatsapp().await;
    let before = world.database().dump();
    for body in ["", "{", "{\"to\":}"] {
        let request = http::Request::post("https://patchbay.test/v1/messages")
            .header("x-api-key", &world.key)
            .body(body.to_owned().into())
            .expect("a request");
        let refused = world.send_raw(request).await.expect(400);
        assert_eq!(refused["code"], "invalid_request");
    }
    assert_eq!(world.database().dump(), before);
}

#[tokio::test]
async fn a_new_address_gets_a_contact_and_a_conversation_that_its_answer_finds() {
    let world = World::new().await;
    let shop = world.unenforced_whatsapp().await;
    world.subscribe_to_all().await;
    let accepted = world.say("+55 11 7777-7777", "Hello").await;
    world.drain().await;
    let told = world.requests_to("hooks.example.com");
    let created = told
        .iter()
        .filter(|event| event["type"] == "conversation.created");
    assert_eq!(
        created.count(),
        1,
        "subscribers hear of the conversation once"
    );
    let value = whatsapp_value(json!({
        "contacts": [{ "profile": { "name": "Grace" }, "wa_id": "551177777777" }],
        "messages": [{
            "from": "551177777777", "id": "wamid.answer", "type": "text", "text": { "body": "Hi" },
            "timestamp": (world.ports().now_ms.get() / 1_000).to_string(),
        }],
    }));
    world.from_meta(&shop, &value).await.expect(200);
    let path = format!(
        "/v1/conversations/{}",
        accepted["conversationId"].as_str().expect("an id")
    );
    let conversation = world.get(&path).await;
    assert_eq!(conversation["contact"]["name"], "Grace");
    assert_eq!(conversation["contact"]["id"], accepted["contactId"]);
    assert_eq!(conversation["unreadCount"], 1);
    assert_eq!(world.database().count("SELECT COUNT(*) FROM contact"), 1);
    assert_eq!(
        world.database().count("SELECT COUNT(*) FROM conversation"),
        1
    );
}
