//! What is secret or personal stays out of the logs, whatever happens.

use crate::support::world::{ADMIN_TOKEN, whatsapp_status, whatsapp_value};
use crate::support::{Answer, Fault, World};
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

const PHONE: &str = "5521987650001";
const STRANGER: &str = "5521987650002";
const GROUP: &str = "-4987650003";
const NAME: &str = "Zoraide Quintanilha";
const TEXT: &str = "the code of the vault is 7319";
const REPLY: &str = "thank you, we have noted 7319";
const TOKEN: &str = "graph-token-Kx81hfQ0";
const APP_SECRET: &str = "app-secret-Pz52mmL7";
const VERIFY: &str = "verify-token-Wq90aaB3";
const BOT_TOKEN: &str = "987654:bot-token-Rt33ccD8";
const BOT_SECRET: &str = "bot-secret-Yu66eeF1";
const HEADER: &str = "header-secret-Nb28ggH4";
const METADATA: &str = "metadata-Jk15kkM9";
const CLIENT_ID: &str = "client-id-Vd47nnP2";
const IDEMPOTENCY: &str = "idempotency-Ss74qqR6";
const ANSWER: &str = "the provider repeats 5521987650001 and 7319";

/// Everything that may go wrong around a secret, once each.
#[tokio::test]
async fn no_log_line_holds_a_secret_an_address_or_a_word_that_was_said() {
    let mut world = World::new().await;
    let mut secrets: Vec<String> = [
        PHONE,
        STRANGER,
        GROUP,
        NAME,
        TEXT,
        REPLY,
        TOKEN,
        APP_SECRET,
        VERIFY,
        BOT_TOKEN,
        BOT_SECRET,
        HEADER,
        METADATA,
        CLIENT_ID,
        IDEMPOTENCY,
        ANSWER,
        ADMIN_TOKEN,
        "7319",
        "987654",
    ]
    .map(str::to_owned)
    .into();
    secrets.push(world.key.clone());

    // Connecting, rightly and wrongly.
    let whatsapp = json!({
        "type": "whatsapp", "name": NAME, "identifier": "+15550100001",
        "credentials": {
            "phoneNumberId": crate::support::world::PHONE_NUMBER_ID, "wabaId": "1", "accessToken": TOKEN,
            "appSecret": APP_SECRET, "verifyToken": VERIFY,
        },
    });
    let channel = world
        .post("/v1/channels", whatsapp.clone())
        .await
        .expect(201);
    let channel = channel["id"].as_str().expect("an id").to_owned();
    world.post("/v1/channels", whatsapp).await.expect(409);
    let telegram = json!({
        "type": "telegram", "name": "Bot", "identifier": "the_bot",
        "credentials": { "botToken": BOT_TOKEN, "secretToken": BOT_SECRET },
    });
    let bot = world.post("/v1/channels", telegram).await.expect(201);
    let bot = bot["id"].as_str().expect("an id").to_owned();
    let wrong = json!({ "type": "telegram", "name": "x", "credentials": { "botToken": format!("{BOT_TOKEN} "), "secretToken": BOT_SECRET } });
    world.post("/v1/channels", wrong).await.expect(422);

    // Subscribing, with headers of the subscriber's.
    let endpoint = world
        .post(
            "/v1/webhooks",
            json!({ "url": format!("https://subscriber.example/{HEADER}"), "events": ["*"], "headers": { "x-auth": HEADER } }),
        )
        .await
        .expect(201);
    secrets.push(endpoint["secret"].as_str().expect("a secret").to_owned());

    // Handshakes and forgeries.
    for token in [VERIFY, "wrong"] {
        let path = format!(
            "/inbound/{channel}?hub.mode=subscribe&hub.verify_token={token}&hub.challenge={IDEMPOTENCY}"
        );
        world.bare(Method::GET, &path, &[], "").await;
    }
    world
        .bare(
            Method::POST,
            &format!("/inbound/{channel}"),
            &[("x-hub-signature-256", APP_SECRET)],
            TEXT,
        )
        .await
        .expect(401);
    world
        .bare(
            Method::POST,
            &format!("/inbound/{bot}"),
            &[("x-telegram-bot-api-secret-token", BOT_TOKEN)],
            TEXT,
        )
        .await
        .expect(401);

    // Messages, of kinds known and unknown, and things that are none.
    let at = world.ports().now_ms.get() / 1_000;
    let items: Vec<Value> = ["text", "image", "reaction", "system", "hologram"]
        .iter()
        .enumerate()
        .map(|(number, kind)| {
            json!({
                "from": PHONE, "id": format!("wamid.{number}"), "timestamp": at.to_string(), "type": kind,
                "text": { "body": TEXT }, "reaction": { "emoji": TEXT }, "system": { "body": TEXT },
            })
        })
        .collect();
    let payload = whatsapp_value(json!({
        "contacts": [{ "profile": { "name": NAME }, "wa_id": PHONE }], "messages": items,
        "errors": [{ "message": TEXT }],
    }));
    for body in [payload.to_string(), format!("{TEXT} is not JSON")] {
        world
            .from_meta_raw(&channel, APP_SECRET, body.as_bytes())
            .await
            .expect(200);
    }
    let odd = json!({ "entry": [{ "changes": [{ "field": "account_update", "value": { "phone": PHONE } }] }] });
    world
        .from_meta_raw(&channel, APP_SECRET, odd.to_string().as_bytes())
        .await
        .expect(200);
    let update = json!({ "update_id": 1, "message": { "message_id": 1, "date": at, "text": TEXT, "chat": { "id": GROUP.parse::<i64>().expect("an id"), "title": NAME } } });
    let headers = [("x-telegram-bot-api-secret-token", BOT_SECRET)];
    world
        .inbound(&bot, &headers, update.to_string())
        .await
        .expect(200);
    let edited = json!({ "update_id": 2, "edited_message": { "message_id": 1, "text": TEXT, "chat": { "id": 1 } } });
    world
        .inbound(&bot, &headers, edited.to_string())
        .await
        .expect(200);

    // Sending: all that a provider may answer, which it may fill with what we said.
    let said = |to: &str| {
        json!({
            "from": "+15550100001", "to": to, "content": { "type": "text", "text": REPLY },
            "metadata": { "note": METADATA },
        })
    };
    let error = |code: u32| json!({ "error": { "code": code, "message": ANSWER, "error_data": { "details": ANSWER } } });
    world.ports().answers.borrow_mut().extend([
        Answer::Http(400, error(131_026)),
        Answer::Http(500, json!(ANSWER)),
        Answer::NoAnswer,
        Answer::Headed(429, vec![("retry-after", "1".to_owned())], error(130_429)),
        Answer::Http(503, error(131_016)),
        Answer::Http(200, json!({ "messages": [{ "id": "wamid.sent" }] })),
    ]);
    for number in 0..6 {
        let mut body = said(PHONE);
        body["clientMessageId"] = json!(format!("{CLIENT_ID}-{number}"));
        let key = format!("{IDEMPOTENCY}-{number}");
        let headers = [("idempotency-key", key.as_str())];
        world
            .call_with(Method::POST, "/v1/messages", &headers, body)
            .await
            .expect(202);
        world.drain().await;
        world.advance(5_000);
    }
    world.post("/v1/messages", said(STRANGER)).await.expect(422);
    world.post("/v1/messages", json!({ "from": channel, "to": format!("{STRANGER}{NAME}"), "content": { "type": "text", "text": TEXT } })).await.expect(422);
    let mut failed = whatsapp_status("wamid.sent", "failed", at);
    failed["entry"][0]["changes"][0]["value"]["statuses"][0]["errors"] =
        json!([{ "code": 131_047, "title": ANSWER }]);
    world
        .from_meta_raw(&channel, APP_SECRET, failed.to_string().as_bytes())
        .await
        .expect(200);
    let expired = json!({ "ok": false, "error_code": 401, "description": ANSWER });
    world
        .ports()
        .answers
        .borrow_mut()
        .push_back(Answer::Http(401, expired));
    let body = json!({ "from": bot, "to": GROUP, "content": { "type": "text", "text": REPLY } });
    world.post("/v1/messages", body).await.expect(202);
    world.drain().await;

    // Requests that are refused.
    for path in [
        format!("/v1/{TOKEN}"),
        format!("/v1/messages/{PHONE}"),
        format!("/v1/messages?cursor={PHONE}"),
        format!("/v1/conversations?assigned={PHONE}"),
    ] {
        world.call(Method::GET, &path, Value::Null).await;
    }
    world
        .with_body(Method::POST, "/v1/messages", format!("{{\"to\": {TEXT}"))
        .await
        .expect(400);
    world
        .bare(
            Method::GET,
            "/v1/messages",
            &[("authorization", TOKEN), ("x-api-key", BOT_TOKEN)],
            Bytes::new(),
        )
        .await
        .expect(401);

    // A database that fails, a cold isolate, credentials that do not open, sweeps.
    world
        .database()
        .faults
        .borrow_mut()
        .extend([Fault::Before, Fault::Before]);
    world.post("/v1/messages", said(PHONE)).await.expect(503);
    world
        .database()
        .query("UPDATE channel SET credentials = 'v1.nonsense'");
    world.forget();
    world.ports().cache.borrow_mut().clear();
    world
        .from_meta_raw(&channel, APP_SECRET, payload.to_string().as_bytes())
        .await
        .expect(401);
    for _ in 0..3 {
        world.advance(60_000);
        world.gateway.sweep().await;
        world.drain().await;
    }

    let logs = world.ports().logs.borrow();
    for event in [
        "request",
        "inbound.unverified",
        "inbound.ignored",
        "message.attempted",
        "delivery.attempted",
        "database.failed",
        "channel.sealed",
        "sweep.done",
    ] {
        assert!(
            logs.iter().any(|line| line.starts_with(event)),
            "nothing was logged of {event}"
        );
    }
    for secret in &secrets {
        for line in logs.iter() {
            assert!(!line.contains(secret.as_str()), "{secret} in {line}");
        }
    }
}

/// What the provider names in its own words is cut and named, but may be anything.
#[tokio::test]
async fn a_providers_word_that_holds_a_number_does_not_reach_the_log_whole() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let long = format!("{}{PHONE}", "x".repeat(60));
    let payload = json!({ "entry": [{ "changes": [
        { "field": long, "value": {} },
        { "field": "messages", "value": { "statuses": [{ "id": "1", "status": long }] } },
    ] }] });
    world.from_meta(&channel, &payload).await.expect(200);
    let bot = world.telegram().await;
    let mut update = json!({ "update_id": 1 });
    update[&long] = json!({});
    world.from_telegram(&bot, &update).await.expect(200);
    for line in world.ports().logs.borrow().iter() {
        assert!(!line.contains(PHONE), "{line}");
    }
}

#[test]
fn what_holds_a_secret_does_not_show_it_when_it_is_debugged() {
    let secret = patchbay::model::channel::Credentials(
        [("accessToken".to_owned(), TOKEN.to_owned())].into(),
    );
    let vault = patchbay::gateway::Vault::parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
        .expect("a key");
    let config = patchbay::gateway::Config {
        public_url: "https://patchbay.test".to_owned(),
        admin_token: ADMIN_TOKEN.to_owned(),
        vault,
        origins: patchbay::channel::Origins {
            graph: String::new(),
            instagram: String::new(),
            telegram: String::new(),
            twilio: String::new(),
        },
        provider_timeout_ms: 1,
        retention_days: 1,
        allow_insecure_webhooks: false,
    };
    let shown = format!("{secret:?} {config:?}");
    for secret in [TOKEN, ADMIN_TOKEN, "AAAAAAAA"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
