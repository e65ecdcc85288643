//! What providers tell of accounts, templates and threads moves their states, and is told
//! once.

use crate::support::outgoing::{id, text};
use crate::support::templates::{body, template};
use crate::support::world::{
    APP_SECRET, CUSTOMER, INSTAGRAM_ID, PAGE_ID, PHONE_NUMBER_ID, START_MS, whatsapp_status,
    whatsapp_value,
};
use crate::support::{Answer, World};
use http::Method;
use serde_json::{Value, json};

const WABA: &str = "102290129340398";
const PERSON: &str = "6543217890123456";
const START_S: i64 = START_MS / 1_000;

/// A notice of WhatsApp's, given some seconds after the start.
fn notice(field: &str, value: Value, seconds: i64) -> Value {
    json!({
        "object": "whatsapp_business_account",
        "entry": [{ "id": WABA, "time": START_S + seconds, "changes": [{ "field": field, "value": value }] }],
    })
}

fn ban(state: &str, seconds: i64) -> Value {
    let value = json!({ "event": "DISABLED_UPDATE", "ban_info": { "waba_ban_state": state } });
    notice("account_update", value, seconds)
}

/// What comes to the page, given some seconds after the start.
fn of_page(list: &str, mut event: Value, seconds: i64) -> Value {
    event["recipient"] = json!({ "id": PAGE_ID });
    event["timestamp"] = json!(START_MS + seconds * 1_000);
    json!({ "object": "page", "entry": [{ "id": PAGE_ID, "time": START_MS, list: [event] }] })
}

fn policy(action: &str, seconds: i64) -> Value {
    let event = json!({ "policy_enforcement": { "action": action, "reason": "Spam" } });
    of_page("messaging", event, seconds)
}

fn handover(name: &str, value: Value, seconds: i64) -> Value {
    of_page(
        "messaging",
        json!({ "sender": { "id": PERSON }, name: value }),
        seconds,
    )
}

async fn listening() -> World {
    let world = World::new().await;
    world
        .subscribe("https://subscriber.example/hook", &["*"])
        .await;
    world
}

/// The data of every event of a type that the subscriber was told of.
async fn told(world: &World, kind: &str) -> Vec<Value> {
    world.drain().await;
    let posts = world.posts_to("subscriber.example");
    let bodies = posts
        .iter()
        .map(|post| serde_json::from_slice::<Value>(post.body()).expect("JSON"));
    let of_kind = bodies.filter(|body| body["type"] == kind);
    of_kind.map(|body| body["data"].clone()).collect()
}

async fn channel(world: &World, id: &str) -> Value {
    world.get(&format!("/v1/channels/{id}")).await
}

async fn status(world: &World, id: &str) -> String {
    let channel = channel(world, id).await;
    channel["status"].as_str().expect("a status").to_owned()
}

/// The same again and again; the clock moves on in between.
async fn repeated(world: &World, channel: &str, payload: &Value) {
    for _ in 0..3 {
        world.from_meta(channel, payload).await.expect(200);
        world.advance(1_000);
    }
}

#[tokio::test]
async fn a_banned_account_keeps_messages_waiting_until_it_is_reinstated() {
    let world = listening().await;
    let shop = world.whatsapp().await;
    world
        .customer_writes(&shop, CUSTOMER, "wamid.in", "Hi")
        .await;
    let sent = world
        .post("/v1/messages", text(CUSTOMER, "Hello"))
        .await
        .expect(202);
    world.advance(10_000);
    repeated(&world, &shop, &ban("DISABLE", 1)).await;
    let blocked = channel(&world, &shop).await;
    assert_eq!(blocked["status"], "needs_reauth");
    assert_eq!(
        blocked["lastError"],
        json!({ "code": "DISABLED", "at": "2026-11-20T08:00:01.000Z" })
    );
    world.drain().await;
    assert!(world.posts_to("graph.test").is_empty());
    let path = format!("/v1/messages/{}", id(&sent));
    assert_eq!(world.get(&path).await["status"], "accepted");

    world.advance(10_000);
    repeated(&world, &shop, &ban("REINSTATE", 12)).await;
    let restored = channel(&world, &shop).await;
    assert_eq!(restored["status"], "connected");
    assert_eq!(restored["lastError"], Value::Null);
    world.drain().await;
    assert_eq!(world.get(&path).await["status"], "sent");

    let told = told(&world, "channel.updated").await;
    let states: Vec<&Value> = told.iter().map(|data| &data["channel"]["status"]).collect();
    assert_eq!(states, ["needs_reauth", "connected"]);
    assert_eq!(
        told[0],
        json!({
            "workspaceId": world.workspace,
            "channel": {
                "id": shop, "type": "whatsapp", "name": "Shop", "identifier": "+15550100001",
                "status": "needs_reauth",
                "lastError": { "code": "DISABLED", "at": "2026-11-20T08:00:01.000Z" },
            },
            "notice": { "name": "account_update", "value": {
                "event": "DISABLED_UPDATE", "ban_info": { "waba_ban_state": "DISABLE" },
            } },
        })
    );
    assert_eq!(told[1]["channel"]["lastError"], Value::Null);
}

#[tokio::test]
async fn of_notices_the_newest_stands_whatever_the_order() {
    let world = listening().await;
    let shop = world.whatsapp().await;
    world.advance(60_000);
    for payload in [
        ban("DISABLE", 1),
        ban("REINSTATE", 20),
        ban("DISABLE", 1),
        ban("DISABLE", 10),
    ] {
        world.from_meta(&shop, &payload).await.expect(200);
    }
    assert_eq!(status(&world, &shop).await, "connected");
    // Of those in one payload, which have one time, the last.
    let of = |state: &str| {
        json!({ "field": "account_update", "value":
        { "event": "DISABLED_UPDATE", "ban_info": { "waba_ban_state": state } } })
    };
    let violation = json!({ "field": "account_update", "value": { "event": "ACCOUNT_VIOLATION" } });
    let both = json!({
        "object": "whatsapp_business_account",
        "entry": [{ "id": WABA, "time": START_S + 30, "changes": [of("REINSTATE"), of("DISABLE"), violation] }],
    });
    world.from_meta(&shop, &both).await.expect(200);
    let blocked = channel(&world, &shop).await;
    assert_eq!(blocked["status"], "needs_reauth");
    assert_eq!(blocked["lastError"]["code"], "DISABLED");
}

#[tokio::test]
async fn a_notice_concerns_every_channel_of_its_account_and_no_other() {
    let world = listening().await;
    let shop = world.whatsapp().await;
    let number = |number: &str, identifier: &str, account: &str| {
        json!({
            "type": "whatsapp", "name": "Branch", "identifier": identifier,
            "credentials": {
                "phoneNumberId": number, "wabaId": account, "accessToken": "t", "appSecret": APP_SECRET,
                "verifyToken": "v",
            },
        })
    };
    let branch = world
        .connect(number("200000000000002", "+15550100002", WABA))
        .await;
    let other = world
        .connect(number("200000000000003", "+15550100003", "3"))
        .await;
    let mut theirs = World::new().await;
    (theirs.workspace, theirs.key) = world.new_workspace("Another").await;
    let key = format!("Bearer {}", theirs.key);
    let stranger = world
        .call_with(
            Method::POST,
            "/v1/channels",
            &[("authorization", &key)],
            number(PHONE_NUMBER_ID, "+15550100001", WABA),
        )
        .await
        .expect(201);
    world.advance(10_000);
    // Whichever channel is told of it.
    world
        .from_meta(&other, &ban("DISABLE", 1))
        .await
        .expect(200);
    for (id, expected) in [
        (&shop, "needs_reauth"),
        (&branch, "needs_reauth"),
        (&other, "connected"),
    ] {
        assert_eq!(status(&world, id).await, expected);
    }
    let path = format!("/v1/channels/{}", id(&stranger));
    let headers = [("authorization", key.as_str())];
    let theirs = world
        .call_with(Method::GET, &path, &headers, Value::Null)
        .await
        .expect(200);
    assert_eq!(theirs["status"], "connected");
    assert_eq!(told(&world, "channel.updated").await.len(), 2);

    // What names a number is told of that one alone.
    let value = json!({ "display_phone_number": "1 555-010-0002", "event": "DOWNGRADE", "current_limit": "TIER_1K" });
    repeated(
        &world,
        &shop,
        &notice("phone_number_quality_update", value.clone(), 5),
    )
    .await;
    let told = told(&world, "channel.updated").await;
    assert_eq!(told.len(), 3);
    assert_eq!(told[2]["channel"]["id"], branch.as_str());
    assert_eq!(
        told[2]["notice"],
        json!({ "name": "phone_number_quality_update", "value": value })
    );
}

#[tokio::test]
async fn an_endpoint_of_another_channel_or_of_other_events_is_told_nothing() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let page = world.messenger().await;
    for (host, events, channel) in [
        ("own.example", json!(["channel.updated"]), &shop),
        ("other.example", json!(["*"]), &page),
        ("words.example", json!(["message.*", "template.*"]), &shop),
    ] {
        let body =
            json!({ "url": format!("https://{host}/"), "events": events, "channelId": channel });
        world.post("/v1/webhooks", body).await.expect(201);
    }
    for style in ["visito", "chatt2me"] {
        let body =
            json!({ "url": format!("https://{style}.example/"), "events": ["*"], "style": style });
        world.post("/v1/webhooks", body).await.expect(201);
    }
    world.advance(10_000);
    world.from_meta(&shop, &ban("DISABLE", 1)).await.expect(200);
    world.drain().await;
    for (host, expected) in [
        ("own.example", 1),
        ("other.example", 0),
        ("words.example", 0),
        ("visito.example", 0),
        ("chatt2me.example", 0),
    ] {
        assert_eq!(world.posts_to(host).len(), expected, "{host}");
    }
}

#[tokio::test]
async fn what_only_warns_is_the_last_error_of_a_channel_that_works() {
    let world = listening().await;
    let shop = world.whatsapp().await;
    world.advance(100_000);
    let violation =
        json!({ "event": "ACCOUNT_VIOLATION", "violation_info": { "violation_type": "SPAM" } });
    repeated(&world, &shop, &notice("account_update", violation, 1)).await;
    let warned = channel(&world, &shop).await;
    assert_eq!(warned["status"], "connected");
    assert_eq!(
        warned["lastError"],
        json!({ "code": "ACCOUNT_VIOLATION", "at": "2026-11-20T08:00:01.000Z" })
    );
    let errors = whatsapp_value(
        json!({ "errors": [{ "code": 131_031, "title": "Account has been locked" }] }),
    );
    repeated(&world, &shop, &errors).await;
    let warned = channel(&world, &shop).await;
    assert_eq!(
        warned["lastError"],
        json!({ "code": "131031", "at": "2026-11-20T08:01:43.000Z" })
    );
    // Nothing is wrong: it is told, and that is all.
    let decision = json!({ "display_phone_number": "15550100001", "decision": "APPROVED" });
    repeated(
        &world,
        &shop,
        &notice("phone_number_name_update", decision, 4),
    )
    .await;
    assert_eq!(
        channel(&world, &shop).await["lastError"],
        warned["lastError"]
    );
    let told = told(&world, "channel.updated").await;
    let names: Vec<&Value> = told.iter().map(|data| &data["notice"]["name"]).collect();
    assert_eq!(
        names,
        ["account_update", "errors", "phone_number_name_update"]
    );
}

#[tokio::test]
async fn a_page_that_is_blocked_waits_until_it_is_unblocked() {
    let world = listening().await;
    let page = world.messenger().await;
    world.advance(10_000);
    repeated(&world, &page, &policy("warning", 1)).await;
    assert_eq!(
        channel(&world, &page).await["lastError"]["code"],
        "policy_warning"
    );
    repeated(&world, &page, &policy("block", 2)).await;
    assert_eq!(status(&world, &page).await, "needs_reauth");
    repeated(&world, &page, &policy("unblock", 3)).await;
    assert_eq!(status(&world, &page).await, "connected");
    let told = told(&world, "channel.updated").await;
    let states: Vec<&Value> = told.iter().map(|data| &data["channel"]["status"]).collect();
    assert_eq!(states, ["connected", "needs_reauth", "connected"]);
}

#[tokio::test]
async fn only_what_a_notice_took_does_a_notice_give_back() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    world
        .customer_writes(&shop, CUSTOMER, "wamid.in", "Hi")
        .await;
    world
        .post("/v1/messages", text(CUSTOMER, "Hello"))
        .await
        .expect(202);
    let refused = json!({ "error": { "code": 190, "message": "expired" } });
    world
        .ports()
        .answers
        .borrow_mut()
        .push_back(Answer::Http(401, refused));
    world.drain().await;
    world.advance(60_000);
    for payload in [ban("DISABLE", 10), ban("REINSTATE", 20)] {
        world.from_meta(&shop, &payload).await.expect(200);
        let waits = channel(&world, &shop).await;
        assert_eq!(waits["status"], "needs_reauth");
        assert_eq!(waits["lastError"]["code"], "190");
    }
    // What its owner disabled stays so.
    let path = format!("/v1/channels/{shop}");
    world
        .call(Method::PATCH, &path, json!({ "status": "disabled" }))
        .await
        .expect(200);
    for payload in [ban("DISABLE", 30), ban("REINSTATE", 40)] {
        world.from_meta(&shop, &payload).await.expect(200);
        assert_eq!(status(&world, &shop).await, "disabled");
    }
}

#[tokio::test]
async fn a_batch_that_runs_twice_tells_once_all_the_same() {
    let world = listening().await;
    let shop = world.whatsapp().await;
    let page = world.messenger().await;
    let hi = |status: &str| template("hi", "en", status, body("Hi"));
    world.has_templates(&shop, &[hi("PENDING")]).await;
    world.advance(60_000);
    world.database().runs_twice.set(true);
    world.from_meta(&shop, &ban("DISABLE", 1)).await.expect(200);
    world
        .from_meta(&shop, &ban("REINSTATE", 2))
        .await
        .expect(200);
    let path = format!("/v1/channels/{shop}");
    world
        .call(Method::PATCH, &path, json!({ "name": "Store" }))
        .await
        .expect(200);
    world.has_templates(&shop, &[hi("APPROVED")]).await;
    world.has_templates(&shop, &[]).await;
    let given = handover("pass_thread_control", json!({ "new_owner_app_id": "2" }), 3);
    world.from_meta(&page, &given).await.expect(200);
    world.database().runs_twice.set(false);
    // Whoever asked twice pushed nothing: the sweep does.
    world.advance(120_000);
    world.gateway.sweep().await;
    for (kind, expected) in [
        ("channel.updated", 3),
        ("template.updated", 2),
        ("conversation.handover", 1),
    ] {
        assert_eq!(told(&world, kind).await.len(), expected, "{kind}");
    }
}

#[tokio::test]
async fn every_change_of_a_channel_is_told_once() {
    let world = listening().await;
    let shop = world.whatsapp().await;
    let path = format!("/v1/channels/{shop}");
    world
        .customer_writes(&shop, CUSTOMER, "wamid.in", "Hi")
        .await;
    world
        .post("/v1/messages", text(CUSTOMER, "Hello"))
        .await
        .expect(202);
    let refused = json!({ "error": { "code": 190, "message": "expired" } });
    let refused = Answer::Http(401, refused);
    world
        .ports()
        .from_provider
        .borrow_mut()
        .push_back(refused.clone());
    world.drain().await;
    let test = format!("{path}/test");
    // Refused again, which is nothing new; then taken; then refused.
    for answer in [
        refused.clone(),
        Answer::Http(200, json!({ "id": "1" })),
        refused,
    ] {
        world.ports().to_questions.borrow_mut().push_back(answer);
        world.post(&test, Value::Null).await.expect(200);
    }
    let token = json!({ "credentials": { "accessToken": "new" } });
    for change in [
        token,
        json!({ "name": "Store" }),
        json!({ "status": "disabled" }),
    ] {
        world.call(Method::PATCH, &path, change).await.expect(200);
    }
    // What is so already has not changed.
    let same =
        json!({ "name": "Store", "status": "disabled", "settings": { "enforceWindow": true } });
    for change in [same, json!({})] {
        world.call(Method::PATCH, &path, change).await.expect(200);
    }
    world
        .call(Method::PATCH, &path, json!({ "name": "" }))
        .await
        .expect(422);
    world
        .call(Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
    let told = told(&world, "channel.updated").await;
    let seen = told.iter().map(|data| {
        let channel = &data["channel"];
        (
            channel["status"].as_str().expect("a status"),
            channel["lastError"]["code"].as_str(),
            channel["name"].as_str().expect("a name"),
        )
    });
    let seen: Vec<_> = seen.collect();
    assert_eq!(
        seen,
        [
            ("needs_reauth", Some("190"), "Shop"),
            ("connected", None, "Shop"),
            ("needs_reauth", Some("190"), "Shop"),
            ("connected", None, "Shop"),
            ("connected", None, "Store"),
            ("disabled", None, "Store"),
        ]
    );
    assert!(
        told.iter()
            .all(|data| data.get("conversation").is_none() && data.get("notice").is_none())
    );
}

#[tokio::test]
async fn cloove_is_told_of_the_channel_in_its_own_envelope() {
    let world = World::new().await;
    let page = world.messenger().await;
    let body = json!({ "url": "https://cloove.example/", "events": ["*"], "style": "cloove" });
    world.post("/v1/webhooks", body).await.expect(201);
    world.advance(10_000);
    world
        .from_meta(&page, &policy("block", 1))
        .await
        .expect(200);
    world
        .from_meta(
            &page,
            &handover("pass_thread_control", json!({ "new_owner_app_id": "2" }), 1),
        )
        .await
        .expect(200);
    world.drain().await;
    let posts = world.posts_to("cloove.example");
    let bodies: Vec<Value> = posts
        .iter()
        .map(|post| serde_json::from_slice(post.body()).expect("JSON"))
        .collect();
    let of = |kind: &str| {
        bodies
            .iter()
            .find(|body| body["type"] == kind)
            .expect("told")["data"]
            .clone()
    };
    assert_eq!(of("channel.updated")["channel"]["status"], "needs_reauth");
    assert!(of("channel.updated").get("conversation").is_none());
    assert_eq!(
        of("conversation.handover")["handover"],
        json!({ "kind": "passed", "toApp": "2" })
    );
    assert!(of("conversation.handover").get("channel").is_none());
}

#[tokio::test]
async fn a_template_that_changes_is_told_once_on_each_channel_that_has_it() {
    let world = listening().await;
    let shop = world.whatsapp().await;
    let hi = |status: &str| template("hi", "en", status, body("Hi"));
    world
        .has_templates(
            &shop,
            &[
                hi("PENDING"),
                template("bye", "en", "APPROVED", body("Bye")),
            ],
        )
        .await;
    assert!(
        told(&world, "template.updated").await.is_empty(),
        "what is new has not changed"
    );
    let report = |event: &str| {
        notice(
            "message_template_status_update",
            json!({
                "event": event, "message_template_id": "hi-en", "message_template_name": "hi",
                "message_template_language": "en", "reason": null,
            }),
            1,
        )
    };
    repeated(&world, &shop, &report("APPROVED")).await;
    repeated(&world, &shop, &report("PAUSED")).await;
    // The sync that follows finds nothing new; the next ones do.
    let bye = template("bye", "en", "APPROVED", body("Bye"));
    world
        .has_templates(&shop, &[hi("PAUSED"), bye.clone()])
        .await;
    world
        .has_templates(
            &shop,
            &[template("hi", "en", "PAUSED", body("Hi there")), bye],
        )
        .await;
    world
        .has_templates(&shop, &[template("hi", "en", "PAUSED", body("Hi there"))])
        .await;
    let told = told(&world, "template.updated").await;
    let seen = told.iter().map(|data| {
        let template = &data["template"];
        (
            template["name"].as_str().expect("a name"),
            template["status"].as_str().expect("a status"),
        )
    });
    let seen: Vec<_> = seen.collect();
    assert_eq!(
        seen,
        [
            ("hi", "APPROVED"),
            ("hi", "PAUSED"),
            ("hi", "PAUSED"),
            ("bye", "DELETED")
        ]
    );
    let listed = world.get("/v1/templates").await;
    assert_eq!(
        told[0],
        json!({
            "workspaceId": world.workspace,
            "channel": { "id": shop, "type": "whatsapp", "name": "Shop", "identifier": "+15550100001" },
            "template": {
                "id": listed["data"][0]["id"], "name": "hi", "language": "en", "status": "APPROVED",
                "category": listed["data"][0]["category"], "key": "hi",
            },
        })
    );
    // Another key is the client's own doing.
    let path = format!("/v1/templates/{}", id(&listed["data"][0]));
    world
        .call(Method::PATCH, &path, json!({ "key": "hello" }))
        .await
        .expect(200);
    repeated(&world, &shop, &report("PAUSED")).await;
    assert_eq!(self::told(&world, "template.updated").await.len(), 4);
}

#[tokio::test]
async fn a_thread_that_goes_to_another_app_is_told_once() {
    let world = listening().await;
    let page = world.messenger().await;
    world.advance(10_000);
    let said = of_page(
        "messaging",
        json!({ "sender": { "id": PERSON }, "message": { "mid": "m_1", "text": "Hi" } }),
        1,
    );
    world.from_meta(&page, &said).await.expect(200);
    let given =
        json!({ "previous_owner_app_id": "1", "new_owner_app_id": 2, "metadata": "to a person" });
    repeated(&world, &page, &handover("pass_thread_control", given, 2)).await;
    let taken = json!({ "previous_owner_app_id": "2", "new_owner_app_id": "1" });
    repeated(
        &world,
        &page,
        &handover("take_thread_control", taken.clone(), 3),
    )
    .await;
    repeated(&world, &page, &handover("take_thread_control", taken, 5)).await;
    let wanted = json!({ "requested_owner_app_id": 263_902_037_430_900_i64 });
    repeated(
        &world,
        &page,
        &handover("request_thread_control", wanted, 6),
    )
    .await;
    let told = told(&world, "conversation.handover").await;
    let handovers: Vec<&Value> = told.iter().map(|data| &data["handover"]).collect();
    assert_eq!(
        handovers,
        [
            &json!({ "kind": "passed", "fromApp": "1", "toApp": "2", "metadata": "to a person" }),
            &json!({ "kind": "taken", "fromApp": "2", "toApp": "1" }),
            &json!({ "kind": "taken", "fromApp": "2", "toApp": "1" }),
            &json!({ "kind": "requested", "toApp": "263902037430900" }),
        ]
    );
    let conversations = world.get("/v1/conversations").await;
    assert_eq!(
        told[0]["conversation"]["id"],
        conversations["data"][0]["id"]
    );
    assert_eq!(told[0]["contact"]["address"], PERSON);
    assert_eq!(told[0]["message"], Value::Null);
}

#[tokio::test]
async fn somebody_handed_over_before_they_wrote_has_a_conversation() {
    let world = listening().await;
    let account = world.instagram().await;
    let payload = json!({ "object": "instagram", "entry": [{ "id": INSTAGRAM_ID, "time": START_MS, "messaging": [{
        "sender": { "id": PERSON }, "recipient": { "id": INSTAGRAM_ID }, "timestamp": START_MS,
        "pass_thread_control": { "new_owner_app_id": "2" },
    }] }] });
    repeated(&world, &account, &payload).await;
    assert_eq!(told(&world, "conversation.created").await.len(), 1);
    assert_eq!(told(&world, "conversation.handover").await.len(), 1);
}

#[tokio::test]
async fn what_stands_by_is_received_once_whichever_list_it_comes_in() {
    let world = listening().await;
    let page = world.messenger().await;
    let event = json!({ "sender": { "id": PERSON }, "message": { "mid": "m_1", "text": "Hi" } });
    for list in ["standby", "messaging", "standby"] {
        world
            .from_meta(&page, &of_page(list, event.clone(), 0))
            .await
            .expect(200);
    }
    let received = told(&world, "message.received").await;
    assert_eq!(received.len(), 1);
    assert_eq!(received[0]["message"]["content"]["text"], "Hi");
    assert_eq!(received[0]["conversation"]["unreadCount"], 1);
}

#[tokio::test]
async fn where_somebody_came_from_is_kept_with_what_they_wrote() {
    let world = listening().await;
    let shop = world.whatsapp().await;
    let page = world.messenger().await;
    let referral = json!({ "source_type": "ad", "source_id": "120", "headline": "Cakes", "body": "x".repeat(2_000) });
    let ad = whatsapp_value(json!({ "messages": [{
        "from": CUSTOMER, "id": "wamid.ad", "timestamp": START_S.to_string(), "type": "text",
        "text": { "body": "I saw your ad" }, "referral": referral,
    }] }));
    repeated(&world, &shop, &ad).await;
    let link = json!({ "sender": { "id": PERSON }, "referral": { "ref": "flyer", "source": "SHORTLINK" } });
    repeated(&world, &page, &of_page("messaging", link, 0)).await;
    let received = told(&world, "message.received").await;
    assert_eq!(received.len(), 2);
    assert_eq!(
        received[0]["message"]["metadata"],
        json!({ "referral": {
        "source_type": "ad", "source_id": "120", "headline": "Cakes",
    } })
    );
    assert_eq!(
        received[1]["message"]["content"],
        json!({ "type": "unsupported", "providerType": "referral" })
    );
    assert_eq!(
        received[1]["message"]["metadata"],
        json!({ "referral": { "ref": "flyer", "source": "SHORTLINK" } })
    );
}

#[tokio::test]
async fn what_a_message_costs_is_shown_with_it_even_if_it_was_told_too_early() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    world
        .customer_writes(&shop, CUSTOMER, "wamid.in", "Hi")
        .await;
    let sent = world
        .post("/v1/messages", text(CUSTOMER, "Hello"))
        .await
        .expect(202);
    let path = format!("/v1/messages/{}", id(&sent));
    let mut report = whatsapp_status("wamid.1", "delivered", START_S + 1);
    let pricing = json!({ "billable": true, "pricing_model": "PMP", "type": "regular", "category": "service" });
    report["entry"][0]["changes"][0]["value"]["statuses"][0]["pricing"] = pricing;
    world.from_meta(&shop, &report).await.expect(200);
    assert!(world.get(&path).await.get("pricing").is_none());
    world.drain().await;
    let message = world.get(&path).await;
    assert_eq!(message["status"], "delivered");
    assert_eq!(
        message["pricing"],
        json!({ "billable": true, "model": "PMP", "type": "regular", "category": "service" })
    );
    world
        .from_meta(&shop, &whatsapp_status("wamid.1", "read", START_S + 2))
        .await
        .expect(200);
    assert_eq!(
        world.get(&path).await["pricing"]["category"],
        "service",
        "what is not told again stays"
    );
}

#[tokio::test]
async fn hostile_notices_are_answered_200_and_store_no_more_than_a_row_holds() {
    let world = listening().await;
    let shop = world.whatsapp().await;
    let page = world.messenger().await;
    let long = "x".repeat(100_000);
    let wide: serde_json::Map<String, Value> = (0..500)
        .map(|at| (format!("field{at}"), json!("y".repeat(900))))
        .collect();
    let mut ban = ban(&long, 1);
    world.from_meta(&shop, &ban).await.expect(200);
    ban["entry"][0]["id"] = json!(long);
    world.from_meta(&shop, &ban).await.expect(200);
    let many: Vec<Value> = (0..200)
        .map(|at| json!({ "field": "account_alerts", "value": { "at": at, "wide": "z".repeat(900) } }))
        .collect();
    world.from_meta(&shop, &json!({ "object": "whatsapp_business_account", "entry": [{ "id": WABA, "changes": many }] })).await.expect(200);
    world
        .from_meta(&shop, &notice("account_alerts", Value::Object(wide), 1))
        .await
        .expect(200);
    for value in [
        json!({}),
        json!([]),
        json!("x"),
        json!({ "new_owner_app_id": long, "metadata": long }),
    ] {
        world
            .from_meta(&page, &handover("pass_thread_control", value.clone(), 1))
            .await
            .expect(200);
        world
            .from_meta(
                &page,
                &of_page("messaging", json!({ "policy_enforcement": value }), 1),
            )
            .await
            .expect(200);
    }
    let largest = world
        .database()
        .count("SELECT MAX(length(data)) FROM event");
    assert!(largest < 40_000, "{largest}");
    let error = channel(&world, &shop).await["lastError"]["code"]
        .as_str()
        .map(str::len);
    assert_eq!(error, Some(100));
}
