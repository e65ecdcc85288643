use std::net::SocketAddr;
use std::time::Duration;

use crate::common::*;
use patchbay_sandbox::{Behaviour, Sandbox};
use serde_json::{Value, json};

async fn control(sandbox: &Sandbox, path: &str, body: &Value) -> (u16, Value) {
    let url = format!("{}{path}", sandbox.url());
    let response = reqwest::Client::new().post(url).json(body).send();
    let response = response.await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}

async fn look(sandbox: &Sandbox, path: &str) -> Value {
    let response = reqwest::get(format!("{}{path}", sandbox.url())).await;
    response.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn a_whole_conversation_can_be_played_over_http() {
    let sandbox = sandbox().await;
    let account = json!({
        "type": "whatsapp",
        "phoneNumberId": NUMBER,
        "accessToken": TOKEN,
        "appSecret": SECRET,
        "callbackUrl": sandbox.subscriber_url("hook"),
        "statusDelayMs": 5,
    });
    assert_eq!(
        control(&sandbox, "/sandbox/accounts", &account).await.0,
        204
    );
    let hello = json!({"account": NUMBER, "from": PERSON, "name": "Ana", "text": "Hello"});
    let (status, played) = control(&sandbox, "/sandbox/inbound", &hello).await;
    assert_eq!((status, &played["callbackStatus"]), (200, &json!(200)));
    let fault = json!({"recipient": PERSON, "mode": "throttle", "times": 1, "retryAfter": 3});
    assert_eq!(control(&sandbox, "/sandbox/faults", &fault).await.0, 204);

    let throttled = send(&sandbox, &text(PERSON, "Hi")).await.unwrap();
    assert_eq!(throttled.headers()["retry-after"], "3");
    assert_eq!(answer(&sandbox, &text(PERSON, "Hi")).await.0, 200);

    hooks(&sandbox, 3).await;
    let phones = look(&sandbox, "/sandbox/phones").await;
    assert_eq!(phones["data"][0]["name"], "Ana");
    assert_eq!(phones["data"][0]["messages"][1]["from"], "business");
    assert_eq!(look(&sandbox, "/sandbox/accepted/count").await["count"], 1);
    let refused = look(&sandbox, "/sandbox/calls?accepted=false").await;
    assert_eq!(refused["data"][0]["outcome"], "throttle");
}

#[tokio::test]
async fn accounts_are_listed_without_their_secrets() {
    let sandbox = open_window().await;

    let accounts = look(&sandbox, "/sandbox/accounts").await;

    assert_eq!(accounts["data"][0]["account"], NUMBER);
    let text = accounts.to_string();
    assert!(!text.contains(TOKEN) && !text.contains(SECRET));
}

#[tokio::test]
async fn an_unknown_account_is_named_in_the_error() {
    let sandbox = sandbox().await;

    let raw = json!({"account": "nobody", "payload": {}});
    let (status, body) = control(&sandbox, "/sandbox/raw", &raw).await;

    assert_eq!(status, 404);
    assert_eq!(body["error"], "no account is registered as nobody");
}

#[tokio::test]
async fn a_subscriber_keeps_what_it_gets_and_answers_as_it_is_told() {
    let sandbox = sandbox().await;
    sandbox.subscriber("shop", Behaviour::status(503).times(1));
    let client = reqwest::Client::new();
    let post = || {
        client
            .post(sandbox.subscriber_url("shop"))
            .header("webhook-id", "evt_1")
            .body(r#"{"type":"message.received"}"#)
            .send()
    };

    let first = post().await.unwrap().status();
    let second = post().await.unwrap().status();

    assert_eq!((first.as_u16(), second.as_u16()), (503, 200));
    let events = look(&sandbox, "/subscriber/shop").await;
    assert_eq!(events["data"][0]["n"], 2);
    assert_eq!(events["data"][0]["id"], "evt_1");
    assert_eq!(events["data"][0]["type"], "message.received");
    assert_eq!(events["data"][1]["answered"], 503);
}

#[tokio::test]
async fn one_may_wait_for_an_event_to_arrive() {
    let sandbox = sandbox().await;
    let url = sandbox.subscriber_url("shop");
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        reqwest::Client::new().post(url).body("{}").send().await
    });

    let events = look(&sandbox, "/subscriber/shop?after=0&wait=5").await;

    assert_eq!(events["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn waiting_without_a_number_shows_only_what_comes_next() {
    let sandbox = sandbox().await;
    let url = sandbox.subscriber_url("shop");
    let post = |body: &'static str| reqwest::Client::new().post(&url).body(body).send();
    post(r#"{"type":"old"}"#).await.unwrap();

    let news = async {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            post(r#"{"type":"new"}"#).await.unwrap();
        }
    };
    let events = tokio::select! {
        events = look(&sandbox, "/subscriber/shop?wait=5") => events,
        never = news => never,
    };

    assert_eq!(events["data"].as_array().unwrap().len(), 1);
    assert_eq!(events["data"][0]["type"], "new");
}

#[tokio::test]
async fn only_loopback_addresses_are_served() {
    let everywhere: SocketAddr = "0.0.0.0:0".parse().unwrap();

    assert!(Sandbox::start(everywhere).await.is_err());
}

#[tokio::test]
async fn a_dropped_sandbox_stops_answering() {
    let sandbox = sandbox().await;
    let url = sandbox.url();
    drop(sandbox);
    tokio::time::sleep(Duration::from_millis(50)).await;

    assert!(reqwest::get(url).await.is_err());
}

#[tokio::test]
async fn accounts_of_every_provider_are_registered_by_the_names_of_their_credentials() {
    let sandbox = sandbox().await;
    let accounts = [
        json!({"type": "messenger", "pageId": PAGE, "accessToken": TOKEN, "appSecret": SECRET, "verifyToken": "v", "autoRead": true, "echo": true}),
        json!({"type": "instagram", "accountId": PROFESSIONAL, "accessToken": TOKEN, "appSecret": SECRET, "verifyToken": "v", "username": "shop", "enforceWindow": false}),
        json!({"type": "sms", "provider": "twilio", "accountSid": ACCOUNT_SID, "authToken": AUTH_TOKEN, "phoneNumber": SMS_NUMBER, "autoStatus": false, "statusDelayMs": 1}),
    ];

    for account in &accounts {
        let (status, _) = control(&sandbox, "/sandbox/accounts", account).await;
        assert_eq!(status, 204, "{account}");
    }

    let listed = look(&sandbox, "/sandbox/accounts").await;
    let listed: Vec<_> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|account| (account["type"].clone(), account["label"].clone()))
        .collect();
    for (provider, label) in [
        ("messenger", "Patchbay Sandbox"),
        ("instagram", "@shop"),
        ("sms", SMS_NUMBER),
    ] {
        assert!(
            listed.contains(&(json!(provider), json!(label))),
            "{listed:?}"
        );
    }
    let odd = json!({"type": "sms", "accountSid": "AC1", "authToken": "t"});
    assert_eq!(control(&sandbox, "/sandbox/accounts", &odd).await.0, 400);
}

#[tokio::test]
async fn every_account_of_meta_and_no_other_shakes_hands() {
    let sandbox = sandbox().await;
    let mut page = page(&sandbox);
    page.verify_token = Some("verify".to_owned());
    sandbox.register_account(page).unwrap();
    sandbox.register_account(sms(&sandbox)).unwrap();

    let shaken = sandbox.handshake(PAGE, None).await.unwrap();

    assert_eq!(shaken.status, 200);
    assert!(sandbox.handshake(SMS_NUMBER, None).await.is_err());
}
