//! What a statement reads follows what it is asked for, never the size of a table; and none is
//! compiled anew each time it is run.

use crate::support::World;
use crate::support::world::{CUSTOMER, PAGE_ID, START_MS, whatsapp_status};
use http::Method;
use serde_json::{Value, json};

/// Tables that grow with use.
const GROWING: [&str; 19] = [
    "message",
    "conversation",
    "contact",
    "identity",
    "event",
    "delivery",
    "idempotency",
    "attempt",
    "api_key",
    "channel",
    "template",
    "visitor",
    "visitor_token",
    "media",
    "upload",
    "change",
    "contact_merge",
    "erasure",
    "endpoint",
];

/// Plans are told by alias; these are the ones our statements give those tables.
const ALIASES: [&str; 14] = [
    "m", "c", "p", "i", "e", "d", "k", "h", "x", "r", "t", "v", "w", "g",
];

#[tokio::test]
async fn no_statement_of_a_request_or_a_consumer_walks_a_table() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let hook = json!({ "url": "https://subscriber.example/hook", "events": ["*"] });
    world.post("/v1/webhooks", hook).await.expect(201);
    world
        .customer_writes(&channel, CUSTOMER, "wamid.in", "Hi")
        .await;
    let conversations = world.get("/v1/conversations?status=open&mode=ai").await;
    let conversation = conversations["data"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let contact = conversations["data"][0]["contact"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    for to in [CUSTOMER, &conversation, &contact] {
        let body = json!({
            "from": "+15550100001", "to": to, "clientMessageId": format!("to {to}"),
            "content": { "type": "text", "text": "Hello" },
        });
        let headers = [("idempotency-key", to)];
        world
            .call_with(Method::POST, "/v1/messages", &headers, body)
            .await
            .expect(202);
    }
    let listed = |status: &str| {
        let template = |name: &str, language: &str| {
            json!({
                "id": "1", "name": name, "language": language, "status": status, "category": "UTILITY",
                "components": [{ "type": "BODY", "text": "Hello {{1}}" }],
            })
        };
        json!({ "data": [template("hello", "en"), template("hello", "de"), template("bye", "en")] })
    };
    let sync = format!("/v1/channels/{channel}/templates/sync");
    for answer in [listed("PENDING"), json!({ "data": [] }), listed("APPROVED")] {
        let answer = crate::support::Answer::Http(200, answer);
        world.ports().to_questions.borrow_mut().push_back(answer);
        world.post(&sync, Value::Null).await.expect(200);
    }
    let templates = world.get("/v1/templates").await;
    let template = templates["data"][0]["id"].as_str().expect("an id");
    let patch = json!({ "key": "greeting", "variables": ["name"] });
    let path = format!("/v1/templates/{template}");
    world.call(Method::PATCH, &path, patch).await.expect(200);
    world
        .get(&format!("/v1/templates?channelId={channel}"))
        .await;
    world.get(&path).await;
    for named in [
        json!({ "type": "template", "key": "greeting", "variables": { "name": "Ana" } }),
        json!({ "type": "template", "id": template, "variables": { "name": "Ana" } }),
        json!({ "type": "template", "name": "hello", "language": "de", "components":
            [{ "type": "body", "parameters": [{ "type": "text", "text": "Ana" }] }] }),
    ] {
        let body = json!({ "from": "+15550100001", "to": CUSTOMER, "content": named });
        world.post("/v1/messages", body).await.expect(202);
    }
    let cards = json!({ "type": "cards", "cards": [
        { "title": "Shirt", "buttons": [{ "kind": "reply", "id": "buy", "title": "Buy" }] },
        { "title": "Socks", "buttons": [{ "kind": "reply", "id": "socks", "title": "Socks" }] },
    ] });
    let adapted = json!({ "from": "+15550100001", "to": CUSTOMER, "content": cards, "onUnsupported": "adapt" });
    world.post("/v1/messages", adapted).await.expect(202);
    world.drain().await;
    world
        .customer_writes(&channel, CUSTOMER, "wamid.answer", "2")
        .await;
    let at = world.ports().now_ms.get() / 1_000;
    for status in ["sent", "delivered", "read", "failed"] {
        let report = whatsapp_status("wamid.1", status, at);
        world.from_meta(&channel, &report).await.expect(200);
    }
    for of in ["wamid.in", "wamid.nobodys"] {
        for kind in ["edit", "revoke", "reaction"] {
            let payload = crate::support::world::whatsapp_value(json!({ "messages": [{
                "from": CUSTOMER, "id": format!("{kind} of {of}"), "timestamp": "1795161600", "type": kind,
                kind: { "message_id": of, "original_message_id": of, "emoji": "!",
                    "message": { "type": "text", "text": { "body": "Hi" } } },
            }] }));
            world.from_meta(&channel, &payload).await.expect(200);
        }
    }
    world.advance(61_000);
    world.drain().await;
    for path in [
        "/v1/messages?status=sent",
        "/v1/conversations?search=ada&status=open",
        "/v1/contacts",
        "/v1/contacts?search=5511",
        &format!("/v1/contacts/{contact}"),
        "/v1/messaging/conversations?status=open",
        "/v1/messaging/conversations?search=ada&page=2",
        &format!("/v1/messaging/conversations/{conversation}"),
        "/v1/channels",
        "/v1/webhooks",
        "/channels?type=whatsapp",
        "/webhooks",
        &format!("/whatsapp-templates/{channel}"),
        &format!("/v1/conversations/{conversation}"),
        &format!("/v1/conversations/{conversation}/messages?status=sent"),
    ] {
        world.get(path).await;
    }
    let new =
        json!({ "name": "Grace", "identities": [{ "kind": "whatsapp", "value": "4915112345" }] });
    let headers = [("idempotency-key", "new")];
    world
        .call_with(Method::POST, "/v1/contacts", &headers, new)
        .await
        .expect(201);
    let more =
        json!({ "name": "Ada", "identities": [{ "kind": "whatsapp", "value": "4915112346" }] });
    world
        .call(Method::PATCH, &format!("/v1/contacts/{contact}"), more)
        .await
        .expect(200);
    let path = format!("/v1/conversations/{conversation}");
    world
        .call(Method::PATCH, &path, json!({ "status": "closed" }))
        .await
        .expect(200);
    world
        .call(Method::POST, &format!("{path}/read"), Value::Null)
        .await
        .expect(200);

    // Reports that name no message.
    let page = world.messenger().await;
    for of in ["delivery", "read"] {
        let payload = json!({
            "object": "page",
            "entry": [{ "id": PAGE_ID, "messaging": [{
                "sender": { "id": "6543217890123456" }, of: { "watermark": START_MS },
            }] }],
        });
        world.from_meta(&page, &payload).await.expect(200);
    }

    // By the other surfaces: sent before the answer, sent again, and to a contact.
    world.telegram().await;
    for _ in 0..2 {
        let body =
            json!({ "from": "@patchbay_bot", "to": "5551234567", "content": { "text": "Hello" } });
        let headers = [("idempotency-key", "once")];
        let path = "/v1/communication/telegram/message";
        world
            .call_with(Method::POST, path, &headers, body)
            .await
            .expect(200);
    }
    for to in [
        json!({ "contact": { "id": contact } }),
        json!({ "recepient": { "phoneNumber": CUSTOMER } }),
    ] {
        let mut body = to;
        body["workspace"] = json!({ "id": world.workspace });
        body["textMessage"] = json!("Hello");
        let path = "/v1/messages/whatsapp/sendtext";
        world.post(path, body).await.expect(200);
    }

    expect_sound_plans(&world);
}

#[tokio::test]
async fn no_statement_about_what_is_scheduled_walks_a_table() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let hook = json!({ "url": "https://subscriber.example/hook", "events": ["*"] });
    world.post("/v1/webhooks", hook).await.expect(201);
    world
        .customer_writes(&channel, CUSTOMER, "wamid.in", "Hi")
        .await;
    world.ports().has_bucket.set(true);
    let key = format!("Bearer {}", world.key);
    let headers = [
        ("authorization", key.as_str()),
        ("content-type", "image/png"),
    ];
    let file = world.bare(Method::POST, "/v1/media", &headers, "the png");
    let file = file.await.expect(201);
    let mut said = Vec::new();
    for to in [CUSTOMER, CUSTOMER, "5511888888888"] {
        let body = json!({
            "from": "+15550100001", "to": to, "content": { "type": "image", "url": file["id"] },
            "scheduledAt": "2026-11-20T09:00:00Z",
        });
        let made = world.post("/v1/messages", body).await.expect(202);
        said.push(made["id"].as_str().expect("an id").to_owned());
    }
    world.get("/v1/messages?status=scheduled").await;
    let path = format!("/v1/messages/{}", said[0]);
    let moved = json!({ "scheduledAt": "2026-11-20T09:30:00Z" });
    world.call(Method::PATCH, &path, moved).await.expect(200);
    world
        .call(Method::DELETE, &path, Value::Null)
        .await
        .expect(200);
    let answers = &world.ports().from_provider;
    answers
        .borrow_mut()
        .push_back(crate::support::Answer::NoAnswer);
    world.advance(3_600_000);
    world.drain().await;
    for (outcome, status) in [("resend", 200), ("sent", 409), ("failed", 409)] {
        let path = format!("/v1/messages/{}/resolve", said[1]);
        let body = json!({ "outcome": outcome });
        world.post(&path, body).await.expect(status);
    }
    expect_sound_plans(&world);
    world.database().plans.borrow_mut().clear();
    world.gateway.sweep().await;
    let mut plans = world.database().plans.borrow_mut();
    plans.retain(|sql, _| sql.contains("'scheduled'") && !sql.contains("erasure"));
    // What is due is looked for across workspaces, in the order of its time.
    let [(_, steps)] = plans.iter().collect::<Vec<_>>()[..] else {
        panic!("{plans:#?}");
    };
    let by_time = "SEARCH message USING INDEX message_scheduled_at (scheduled_at<?)";
    assert!(steps.iter().any(|step| step == by_time), "{steps:#?}");
}

#[tokio::test]
async fn no_statement_about_templates_walks_a_table() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let described = json!({
        "channelId": channel, "name": "hello", "language": "en", "category": "UTILITY",
        "components": [{ "type": "BODY", "text": "Hello {{1}}" }], "key": "greeting",
    });
    let made = world
        .post("/v1/templates", described.clone())
        .await
        .expect(201);
    let visito = json!({ "template": {
        "name": "bye", "language": "en", "category": "UTILITY",
        "components": [{ "type": "BODY", "text": "Bye" }],
    } });
    world
        .post(&format!("/whatsapp-templates/{channel}"), visito)
        .await
        .expect(201);
    world.database().plans.borrow_mut().clear();
    world.gateway.sweep().await;
    // What the sweep does for others has its own order.
    let about_templates = |sql: &String| sql.contains("template");
    world
        .database()
        .plans
        .borrow_mut()
        .retain(|sql, _| about_templates(sql) && !sql.starts_with("DELETE"));
    assert!(!world.database().plans.borrow().is_empty());
    for (field, event) in [
        ("message_template_status_update", "PAUSED"),
        ("template_category_update", ""),
    ] {
        let report = json!({
            "object": "whatsapp_business_account",
            "entry": [{ "id": "102290129340398", "changes": [{ "field": field, "value": {
                "event": event, "message_template_id": 900_001, "message_template_name": "hello",
                "message_template_language": "en", "new_category": "MARKETING",
            } }] }],
        });
        world.from_meta(&channel, &report).await.expect(200);
    }
    let path = format!("/v1/templates/{}", made["id"].as_str().expect("an id"));
    world
        .call(Method::DELETE, &path, Value::Null)
        .await
        .expect(404);
    world.post("/v1/templates", described).await.expect(201);
    let templates = world.get("/v1/templates").await;
    let template = templates["data"][0]["id"].as_str().expect("an id");
    let path = format!("/v1/templates/{template}");
    world
        .call(Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
    let token = json!({ "credentials": { "accessToken": "new" } });
    world
        .call(Method::PATCH, &format!("/v1/channels/{channel}"), token)
        .await
        .expect(200);
    expect_sound_plans(&world);
}

#[tokio::test]
async fn no_statement_about_accounts_and_threads_walks_a_table() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let page = world.messenger().await;
    for state in ["DISABLE", "REINSTATE"] {
        let value = json!({
            "event": "DISABLED_UPDATE", "ban_info": { "waba_ban_state": state },
            "display_phone_number": "15550100001",
        });
        let notice = json!({
            "object": "whatsapp_business_account",
            "entry": [{ "id": "102290129340398", "changes": [{ "field": "account_update", "value": value }] }],
        });
        world.from_meta(&channel, &notice).await.expect(200);
    }
    let handover = json!({
        "object": "page",
        "entry": [{ "id": PAGE_ID, "messaging": [{
            "sender": { "id": "6543217890123456" }, "take_thread_control": { "previous_owner_app_id": "1" },
        }] }],
    });
    world.from_meta(&page, &handover).await.expect(200);
    let test = format!("/v1/channels/{channel}/test");
    let refused = json!({ "error": { "code": 190, "message": "expired" } });
    let refused = crate::support::Answer::Http(401, refused);
    world.ports().to_questions.borrow_mut().push_back(refused);
    for _ in 0..2 {
        world.post(&test, Value::Null).await.expect(200);
    }
    expect_sound_plans(&world);
}

#[tokio::test]
async fn no_statement_about_who_somebody_is_walks_a_table() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let hook = json!({ "url": "https://subscriber.example/hook", "events": ["*"] });
    world.post("/v1/webhooks", hook).await.expect(201);
    let other = "5511888888888";
    for from in [CUSTOMER, other] {
        let id = format!("wamid.{from}");
        world.customer_writes(&shop, from, &id, "Hi").await;
    }
    let change = crate::support::world::whatsapp_value(json!({ "messages": [{
        "from": CUSTOMER, "id": "wamid.system", "timestamp": "1795161600", "type": "system",
        "system": { "type": "user_changed_number", "wa_id": "5511777777777", "body": "changed" },
    }] }));
    world.from_meta(&shop, &change).await.expect(200);
    let of = async |search: &str| {
        let found = world.get(&format!("/v1/contacts?search={search}")).await;
        found["data"][0]["id"].as_str().expect("an id").to_owned()
    };
    let (one, into) = (of(CUSTOMER).await, of(other).await);
    let path = format!("/v1/contacts/{one}");
    let merge = json!({ "into": into });
    world
        .post(&format!("{path}/merge"), merge.clone())
        .await
        .expect(200);
    world.get(&path).await;
    world
        .post(&format!("{path}/unmerge"), Value::Null)
        .await
        .expect(200);
    world
        .post(&format!("{path}/merge"), merge)
        .await
        .expect(200);
    world
        .call(Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
    expect_sound_plans(&world);
    world.database().plans.borrow_mut().clear();
    world.gateway.sweep().await;
    let mut plans = world.database().plans.borrow_mut();
    plans.retain(|sql, _| sql.contains("erasure") && !sql.contains("DELETE FROM workspace"));
    // What is unfinished is looked for across workspaces, oldest first.
    plans.retain(|sql, _| !sql.starts_with("SELECT DISTINCT workspace_id, contact_id"));
    assert!(!plans.is_empty());
    drop(plans);
    expect_sound_plans(&world);
}

#[tokio::test]
async fn no_statement_about_deliveries_walks_a_table() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let hook = json!({ "url": "https://subscriber.example/hook", "events": ["*"] });
    let made = world.post("/v1/webhooks", hook.clone()).await.expect(201);
    for _ in 0..21 {
        world.post("/v1/webhooks", hook.clone()).await.expect(201);
    }
    let gone = crate::support::Answer::Http(410, Value::Null);
    world.ports().answers.borrow_mut().push_back(gone);
    world
        .customer_writes(&shop, CUSTOMER, "wamid.1", "Hi")
        .await;
    world.drain().await;
    let path = format!("/v1/webhooks/{}", made["id"].as_str().expect("an id"));
    let listed = world
        .get(&format!("{path}/deliveries?status=delivered"))
        .await;
    let delivery = &listed["data"][0]["id"];
    let resend = format!(
        "{path}/deliveries/{}/resend",
        delivery.as_str().unwrap_or_default()
    );
    for (method, path, body) in [
        (Method::PATCH, path.clone(), json!({ "status": "paused" })),
        (Method::PATCH, path.clone(), json!({ "status": "enabled" })),
        (Method::POST, format!("{path}/rotate-secret"), Value::Null),
        (Method::POST, format!("{path}/test"), Value::Null),
        (Method::POST, resend, Value::Null),
        (
            Method::POST,
            format!("{path}/recover"),
            json!({ "since": "2026-01-01T00:00:00Z" }),
        ),
    ] {
        let reply = world.call(method, &path, body).await;
        assert!(matches!(reply.status, 200 | 404), "{}", reply.body);
    }
    let base = "/v1/organization/webhook";
    let wanted = json!({ "endpoint": "https://subscriber.example/", "eventType": "Message",
        "authenticationProtocol": "NoAuthentication" });
    let made = world.post(base, wanted).await.expect(201);
    world.get(base).await;
    let logs = format!(
        "{base}/{}/webhook-log?status=Error",
        made["id"].as_str().expect("an id")
    );
    world.get(&logs).await;
    world.drain().await;
    expect_sound_plans(&world);
}

#[tokio::test]
async fn no_statement_of_a_visitor_walks_a_table() {
    let mut world = World::new().await;
    let site = "https://shop.example";
    let secret = "identity-secret";
    let body = json!({
        "type": "webchat", "name": "Website", "credentials": { "identitySecret": secret },
        "settings": { "allowedOrigins": [site] },
    });
    let channel = world.post("/v1/channels", body).await.expect(201);
    let base = format!("/webchat/{}", channel["publicKey"].as_str().expect("a key"));
    let hook = json!({ "url": "https://subscriber.example/hook", "events": ["*"] });
    world.post("/v1/webhooks", hook).await.expect(201);
    let mac = patchbay::channel::sign::hmac_sha256(secret.as_bytes(), b"user-1");
    let body = json!({
        "name": "Ada", "email": "ada@example.org", "userId": "user-1",
        "userHash": hex::encode(mac.expect("a secret")),
    });
    let origin = ("origin", site);
    let opened = world
        .bare(
            Method::POST,
            &format!("{base}/sessions"),
            &[origin],
            body.to_string(),
        )
        .await
        .expect(201);
    world.forget();
    let bearer = format!("Bearer {}", opened["token"].as_str().expect("a token"));
    let headers = [
        origin,
        ("authorization", bearer.as_str()),
        ("idempotency-key", "k"),
    ];
    let text = json!({ "type": "text", "text": "Hi" });
    let posted = json!({ "content": text, "clientMessageId": "1" });
    let answer = json!({ "to": opened["conversationId"], "content": text });
    world
        .bare(
            Method::POST,
            &format!("{base}/messages"),
            &headers,
            posted.to_string(),
        )
        .await
        .expect(201);
    world.post("/v1/messages", answer).await.expect(202);
    world
        .bare(
            Method::GET,
            &format!("{base}/messages?after=0"),
            &headers,
            "",
        )
        .await
        .expect(200);
    world
        .bare(
            Method::POST,
            &format!("{base}/read"),
            &headers,
            r#"{"seq":2}"#,
        )
        .await
        .expect(204);
    expect_sound_plans(&world);
}

#[track_caller]
fn expect_sound_plans(world: &World) {
    let plans = world.database().plans.borrow();
    let walks: Vec<(&String, &String)> = plans
        .iter()
        // Parents: their children are looked for only where one came first, which is never.
        .filter(|(sql, _)| {
            !sql.starts_with("INSERT INTO workspace") && !sql.starts_with("INSERT INTO channel")
        })
        // What a sync compares with the provider's list: all of a channel's templates.
        .filter(|(sql, _)| !sql.starts_with("SELECT t.provider_id"))
        .flat_map(|(sql, steps)| steps.iter().map(move |step| (sql, step)))
        .filter(|(_, step)| {
            // All of a workspace or a channel is a walk too, but for its endpoints, and for
            // what a numbered list counts, which has an end.
            let is_wide = step.ends_with("(workspace_id=?)") || step.ends_with("(channel_id=?)");
            if is_wide && !step.starts_with("SEARCH w ") && !step.starts_with("SEARCH l ") {
                return true;
            }
            // The index of words is asked for a row or for words.
            let is_of_words = step.starts_with("SCAN contact_search ");
            if is_of_words && !step.ends_with(":=") && !step.contains(":M") {
                return true;
            }
            let Some(walked) = step.strip_prefix("SCAN ") else {
                return false;
            };
            let is_json = step.contains("VIRTUAL TABLE");
            let name = walked.split(' ').next().unwrap_or("");
            !is_json && (GROWING.contains(&name) || ALIASES.contains(&name))
        })
        .collect();
    assert!(walks.is_empty(), "{walks:#?}");
    let recompiled = world.database().recompiled.borrow();
    assert!(
        recompiled.is_empty(),
        "a parameter that these compare is not written `+?`: {recompiled:#?}"
    );
}
