use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use patchbay_sandbox::{Account, Inbound, Instagram, Messenger, Sandbox, Sms, Telegram, WhatsApp};
use serde_json::{Value, json};

pub const NUMBER: &str = "106540352242922";
pub const TOKEN: &str = "EAAtoken";
pub const SECRET: &str = "app-secret";
pub const BOT: &str = "1276618370:AAsecret";
pub const PERSON: &str = "5511999999999";
pub const CHAT: &str = "275808073";

pub async fn sandbox() -> Sandbox {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Sandbox::start(address).await.expect("a free port")
}

/// A number whose webhook is the subscriber `hook`.
pub fn number(sandbox: &Sandbox) -> WhatsApp {
    let mut number = Account::whatsapp(NUMBER, TOKEN, SECRET);
    number.callback_url = Some(sandbox.subscriber_url("hook"));
    number.status_delay_ms = 5;
    number
}

/// A bot whose webhook is the subscriber `hook`.
pub fn bot(sandbox: &Sandbox) -> Telegram {
    let mut bot = Account::telegram(BOT, "test_bot");
    bot.callback_url = Some(sandbox.subscriber_url("hook"));
    bot.secret_token = Some("hook-secret".to_owned());
    bot
}

/// A sandbox with a number to which the person has written.
pub async fn open_window() -> Sandbox {
    let sandbox = sandbox().await;
    sandbox.register_account(number(&sandbox)).unwrap();
    let hello = Inbound::new(NUMBER, PERSON, "Hello");
    sandbox.inbound(hello).await.unwrap();
    sandbox.clear_events("hook");
    sandbox
}

/// A sandbox with a bot that the person has started.
pub async fn started_bot() -> Sandbox {
    let sandbox = sandbox().await;
    sandbox.register_account(bot(&sandbox)).unwrap();
    let start = Inbound::new("test_bot", CHAT, "/start");
    sandbox.inbound(start).await.unwrap();
    sandbox.clear_events("hook");
    sandbox
}

pub fn text(to: &str, body: &str) -> Value {
    json!({
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": to,
        "type": "text",
        "text": {"body": body},
    })
}

pub async fn send(sandbox: &Sandbox, body: &Value) -> reqwest::Result<reqwest::Response> {
    send_as(sandbox, TOKEN, body).await
}

pub async fn send_as(
    sandbox: &Sandbox,
    token: &str,
    body: &Value,
) -> reqwest::Result<reqwest::Response> {
    reqwest::Client::new()
        .post(format!("{}/{NUMBER}/messages", sandbox.graph_base()))
        .bearer_auth(token)
        .timeout(Duration::from_millis(500))
        .json(body)
        .send()
        .await
}

/// The status and the body of an answer to a message.
pub async fn answer(sandbox: &Sandbox, body: &Value) -> (u16, Value) {
    let response = send(sandbox, body).await.expect("an answer");
    (
        response.status().as_u16(),
        response.json().await.expect("JSON"),
    )
}

pub async fn method(sandbox: &Sandbox, name: &str, params: &Value) -> (u16, Value) {
    let url = format!("{}/bot{BOT}/{name}", sandbox.telegram_base());
    let request = reqwest::Client::new().post(url).json(params);
    let response = request.send().await.expect("an answer");
    (
        response.status().as_u16(),
        response.json().await.expect("JSON"),
    )
}

/// The bodies the webhook got, oldest first, once there are so many.
pub async fn hooks(sandbox: &Sandbox, count: usize) -> Vec<Value> {
    for _ in 0..200 {
        let events = sandbox.events("hook", 0);
        if events.len() >= count {
            let oldest_first = events.iter().rev();
            return oldest_first
                .map(|event| serde_json::from_str(&event.body).expect("JSON"))
                .collect();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the webhook did not get {count} callbacks");
}

pub const PAGE: &str = "1895382890692545";
pub const PROFESSIONAL: &str = "17841400008460056";
pub const PSID: &str = "1412611362105802";
pub const ACCOUNT_SID: &str = "AC0123456789abcdef0123456789abcdef";
pub const AUTH_TOKEN: &str = "12345";
pub const SMS_NUMBER: &str = "+14155552345";
pub const SMS_PERSON: &str = "+5511999999999";

/// A Page whose webhook is the subscriber `hook`.
pub fn page(sandbox: &Sandbox) -> Messenger {
    let mut page = Account::messenger(PAGE, TOKEN, SECRET);
    page.callback_url = Some(sandbox.subscriber_url("hook"));
    page.status_delay_ms = 5;
    page
}

/// An Instagram account whose webhook is the subscriber `hook`.
pub fn professional(sandbox: &Sandbox) -> Instagram {
    let mut account = Account::instagram(PROFESSIONAL, TOKEN, SECRET);
    account.callback_url = Some(sandbox.subscriber_url("hook"));
    account.status_delay_ms = 5;
    account
}

/// An SMS number whose webhook is the subscriber `hook`.
pub fn sms(sandbox: &Sandbox) -> Sms {
    let mut number = Account::sms(ACCOUNT_SID, AUTH_TOKEN, SMS_NUMBER);
    number.callback_url = Some(sandbox.subscriber_url("hook"));
    number.status_delay_ms = 5;
    number
}

/// A person's text that came so many hours ago.
pub async fn wrote_hours_ago(sandbox: &Sandbox, account: &str, person: &str, hours: i64) {
    let mut old = Inbound::new(account, person, "Hello");
    old.timestamp = Some(chrono::Utc::now().timestamp() - hours * 60 * 60);
    sandbox.inbound(old).await.unwrap();
}

/// The status and the body of an answer to a POST to one of Meta's addresses.
pub async fn graph(url: &str, token: &str, body: &Value) -> (u16, Value) {
    let request = reqwest::Client::new().post(url).bearer_auth(token);
    let response = request.json(body).send().await.expect("an answer");
    (
        response.status().as_u16(),
        response.json().await.expect("JSON"),
    )
}

pub async fn graph_get(url: &str, token: &str) -> (u16, Value) {
    let request = reqwest::Client::new().get(url).bearer_auth(token);
    let response = request.send().await.expect("an answer");
    (
        response.status().as_u16(),
        response.json().await.expect("JSON"),
    )
}

/// The code and the subcode of a Graph error.
pub fn code_of(body: &Value) -> (i64, Option<i64>) {
    let error = &body["error"];
    (
        error["code"].as_i64().expect("a code"),
        error["error_subcode"].as_i64(),
    )
}
