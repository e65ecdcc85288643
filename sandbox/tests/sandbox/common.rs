use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use patchbay_sandbox::{Account, Inbound, Sandbox, Telegram, WhatsApp};
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
