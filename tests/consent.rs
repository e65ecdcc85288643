//! People who ask for no more messages, and who change their minds.

use crate::support::World;
use crate::support::outgoing::id;
use crate::support::world::{SMS_NUMBER, START_MS};
use serde_json::{Value, json};

const MOBILE: &str = "+15550199001";

async fn texts(world: &World, channel: &str, sid: &str, fields: &[(&str, &str)]) {
    let mut all = vec![("MessageSid", sid), ("From", MOBILE), ("To", SMS_NUMBER)];
    all.extend_from_slice(fields);
    world.from_twilio(channel, "", &all).await.expect(200);
}

async fn answer(world: &World, channel: &str) -> (u16, Value) {
    let body =
        json!({ "from": channel, "to": MOBILE, "content": { "type": "text", "text": "Hi" } });
    let reply = world.post("/v1/messages", body).await;
    (reply.status, reply.body)
}

#[tokio::test]
async fn nothing_is_sent_to_who_said_stop_until_they_say_start() {
    for (stop, start) in [
        (vec![("Body", "STOP")], vec![("Body", "start")]),
        (vec![("Body", " Unsubscribe ")], vec![("Body", "UNSTOP")]),
        (
            vec![("Body", "no more"), ("OptOutType", "STOP")],
            vec![("Body", "again"), ("OptOutType", "START")],
        ),
    ] {
        let world = World::new().await;
        let channel = world.sms().await;
        texts(&world, &channel, "SM1", &[("Body", "Hello")]).await;
        assert_eq!(answer(&world, &channel).await.0, 202);
        texts(&world, &channel, "SM2", &stop).await;
        let (status, problem) = answer(&world, &channel).await;
        assert_eq!((status, &problem["code"]), (422, &json!("opted_out")));
        let conversation = world.get("/v1/conversations").await["data"][0].clone();
        assert!(conversation["optedOutAt"].is_string());
        assert_eq!(conversation["canSendFreeForm"], false);
        // It is a message as well, which is read like any other.
        assert_eq!(conversation["unreadCount"], 2);
        let validated =
            json!({ "from": channel, "to": MOBILE, "content": { "type": "text", "text": "Hi" } });
        let validated = world
            .post("/v1/messages/validate", validated)
            .await
            .expect(200);
        assert_eq!(validated["valid"], false, "{validated}");
        texts(&world, &channel, "SM3", &start).await;
        assert_eq!(answer(&world, &channel).await.0, 202);
    }
}

#[tokio::test]
async fn a_word_that_only_contains_another_is_no_wish() {
    let world = World::new().await;
    let channel = world.sms().await;
    for (sid, fields) in [
        ("SM1", vec![("Body", "Don't stop")]),
        ("SM2", vec![("Body", "HELP")]),
        ("SM3", vec![("Body", "STOP"), ("OptOutType", "HELP")]),
        ("SM4", vec![]),
    ] {
        texts(&world, &channel, sid, &fields).await;
        assert_eq!(answer(&world, &channel).await.0, 202, "{sid}");
    }
}

#[tokio::test]
async fn whoever_stops_a_bot_is_written_to_no_more_whatever_the_order_it_is_told_in() {
    let world = World::new().await;
    let channel = world.telegram().await;
    let chat = json!({ "id": 5, "type": "private", "first_name": "Ada" });
    let second = START_MS / 1_000;
    let member = |update: i64, status: &str, at: i64| {
        json!({ "update_id": update, "my_chat_member": {
            "chat": chat, "from": { "id": 5 }, "date": at,
            "old_chat_member": { "status": "member" }, "new_chat_member": { "status": status },
        } })
    };
    let hello = json!({ "update_id": 1, "message": { "message_id": 1, "date": second - 60, "text": "Hi", "chat": chat } });
    world.from_telegram(&channel, &hello).await.expect(200);
    let send =
        || json!({ "from": channel, "to": "5", "content": { "type": "text", "text": "Hi" } });
    let first = world.post("/v1/messages", send()).await.expect(202);
    world.drain().await;
    assert_eq!(world.status(&first).await, "sent");
    let _ = id(&first);
    for (update, refused) in [
        (member(3, "kicked", second - 20), true),
        // Told late: it was said before.
        (member(2, "member", second - 30), true),
        (member(4, "member", second - 10), false),
        (member(3, "kicked", second - 20), false),
    ] {
        world.from_telegram(&channel, &update).await.expect(200);
        let reply = world.post("/v1/messages", send()).await;
        if refused {
            assert_eq!(reply.expect(422)["code"], "opted_out");
        } else {
            reply.expect(202);
        }
    }
}

#[tokio::test]
async fn a_wish_on_one_channel_is_none_on_another() {
    let world = World::new().await;
    let sms = world.sms().await;
    let whatsapp = world.open_whatsapp().await;
    texts(&world, &sms, "SM1", &[("Body", "STOP")]).await;
    let body = json!({ "from": whatsapp, "to": crate::support::world::CUSTOMER, "content": { "type": "text", "text": "Hi" } });
    world.post("/v1/messages", body).await.expect(202);
}
