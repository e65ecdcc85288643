//! Demo data: one workspace with a channel of each built kind, connected to the sandbox, and what to paste
//! into a shell to see it work.
//!
//! Everything is looked up before it is made, so that a second start finds what the first one made.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::dev::write_private;
use crate::paths::Paths;
use crate::problem::{Doing, Problem, Result};

/// Where the two servers are, without a trailing slash.
pub struct Places {
    pub gateway: String,
    pub sandbox: String,
}

/// The demo workspace's key, kept in `.dev/demo.json`.
#[derive(Serialize, Deserialize)]
struct Saved {
    key: String,
}

pub struct Demo {
    key: String,
    /// A conversation that already has a message, to read.
    conversation: String,
}

/// A channel of the demo: how to connect it, and a customer who writes on it.
struct DemoChannel {
    kind: &'static str,
    identifier: &'static str,
    /// The customer's address on this channel.
    customer: &'static str,
    /// As in `POST /v1/channels`.
    credentials: fn() -> Value,
    /// What the sandbox's account has beside the credentials.
    account_extra: fn() -> Value,
}

/// One entry a channel: connecting another kind is another entry.
const CHANNELS: [DemoChannel; 2] = [
    DemoChannel {
        kind: "whatsapp",
        identifier: "+15550100001",
        customer: "+15550199001",
        credentials: || {
            json!({
                "phoneNumberId": "100000000000001",
                "wabaId": "200000000000001",
                "accessToken": "demo-whatsapp-token",
                "appSecret": "demo-app-secret",
                "verifyToken": "demo-verify-token",
            })
        },
        account_extra: || json!({ "displayPhoneNumber": "15550100001" }),
    },
    DemoChannel {
        kind: "telegram",
        identifier: "patchbay_demo_bot",
        customer: "500000001",
        credentials: || {
            json!({
                "botToken": "1000001:demo-telegram-token",
                "secretToken": "demo-secret-token",
            })
        },
        account_extra: || json!({ "username": "patchbay_demo_bot" }),
    },
];

const CUSTOMER_NAME: &str = "Ada Demo";
const SUBSCRIBER: &str = "/subscriber/demo";

impl Demo {
    /// 1. A workspace with a key. 2. Each channel, on both sides. 3. A subscriber. 4. A first message from a
    ///    customer on each channel, which opens its 24-hour window.
    pub async fn prepare(paths: &Paths, places: &Places, admin_token: &str) -> Result<Self> {
        // 1.
        let key = workspace_key(paths, places, admin_token).await?;
        let gateway = Client::new(&places.gateway, Some(&key));
        let sandbox = Client::new(&places.sandbox, None);

        // 2.
        for channel in &CHANNELS {
            let inbound_url = connect(&gateway, channel).await?;
            register(&sandbox, channel, &inbound_url).await?;
        }

        // 3.
        subscribe(&gateway, &format!("{}{SUBSCRIBER}", places.sandbox)).await?;

        // 4.
        for channel in &CHANNELS {
            write_in(&sandbox, channel).await?;
        }
        let conversation = first_conversation(&gateway).await?;
        Ok(Self { key, conversation })
    }
}

async fn workspace_key(paths: &Paths, places: &Places, admin_token: &str) -> Result<String> {
    let file = paths.dev.join("demo.json");
    if let Some(Saved { key }) = std::fs::read(&file)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        && Client::new(&places.gateway, Some(&key))
            .accepts("/v1/workspace")
            .await?
    {
        return Ok(key);
    }
    let admin = Client::new(&places.gateway, Some(admin_token));
    let workspace = admin
        .post("/v1/workspaces", &json!({ "name": "Demo" }))
        .await?;
    let id = text(&workspace, "id")?;
    let made = admin
        .post(
            &format!("/v1/workspaces/{id}/api-keys"),
            &json!({ "name": "Demo", "environment": "test" }),
        )
        .await?;
    let saved = Saved {
        key: text(&made, "key")?,
    };
    let content = serde_json::to_string_pretty(&saved).doing("write down the demo key")?;
    write_private(&file, &content)?;
    Ok(saved.key)
}

/// Connects the channel to the demo workspace unless it is; gives where its provider shall post.
async fn connect(gateway: &Client, channel: &DemoChannel) -> Result<String> {
    let same = |found: &&Value| {
        let identifier = found["identifier"].as_str().unwrap_or_default();
        identifier.trim_start_matches(['+', '@']) == channel.identifier.trim_start_matches('+')
    };
    let list = gateway
        .get(&format!("/v1/channels?type={}&limit=100", channel.kind))
        .await?;
    if let Some(found) = list["data"]
        .as_array()
        .and_then(|channels| channels.iter().find(same))
    {
        return text(found, "inboundUrl");
    }
    let made = gateway
        .post(
            "/v1/channels",
            &json!({
                "type": channel.kind,
                "name": format!("Demo {}", channel.kind),
                "identifier": channel.identifier,
                "credentials": (channel.credentials)(),
            }),
        )
        .await?;
    text(&made, "inboundUrl")
}

async fn register(sandbox: &Client, channel: &DemoChannel, inbound_url: &str) -> Result<()> {
    let mut account = json!({ "type": channel.kind, "callbackUrl": inbound_url });
    for fields in [(channel.credentials)(), (channel.account_extra)()] {
        if let (Value::Object(account), Value::Object(fields)) = (&mut account, fields) {
            account.extend(fields);
        }
    }
    sandbox.post("/sandbox/accounts", &account).await?;
    Ok(())
}

fn inbound(channel: &DemoChannel, text: &str) -> Value {
    json!({
        "account": channel.identifier,
        "from": channel.customer.trim_start_matches('+'),
        "name": CUSTOMER_NAME,
        "text": text,
    })
}

/// Makes the sandbox's page the one demo subscriber; that of an earlier start may be on another port.
async fn subscribe(gateway: &Client, url: &str) -> Result<()> {
    let list = gateway.get("/v1/webhooks?limit=100").await?;
    let mut subscribed = false;
    for endpoint in list["data"].as_array().into_iter().flatten() {
        let existing = text(endpoint, "url")?;
        if existing == url {
            subscribed = true;
        } else if existing.ends_with(SUBSCRIBER) {
            let id = text(endpoint, "id")?;
            gateway.delete(&format!("/v1/webhooks/{id}")).await?;
        }
    }
    if !subscribed {
        gateway
            .post("/v1/webhooks", &json!({ "url": url, "events": ["*"] }))
            .await?;
    }
    Ok(())
}

/// Plays the customer's first message; the gateway must take it.
async fn write_in(sandbox: &Client, channel: &DemoChannel) -> Result<()> {
    let text = format!("Hello from {}!", channel.kind);
    let played = sandbox
        .post("/sandbox/inbound", &inbound(channel, &text))
        .await?;
    if played["callbackStatus"] == 200 {
        return Ok(());
    }
    Err(Problem::new(format!(
        "The gateway did not take the {} message that the sandbox posted (status {}, error {}): see the end of .dev/wrangler.log.",
        channel.kind, played["callbackStatus"], played["callbackError"]
    )))
}

/// What was taken may still be on its way through a queue: looks for up to ten seconds.
async fn first_conversation(gateway: &Client) -> Result<String> {
    for _ in 0..50 {
        let list = gateway.get("/v1/conversations?limit=1").await?;
        if let Some(first) = list["data"].get(0) {
            return text(first, "id");
        }
        sleep(Duration::from_millis(200)).await;
    }
    Err(Problem::new(
        "The customers' messages made no conversation within 10 s: see the end of .dev/wrangler.log.",
    ))
}

/// What to paste into a shell; every line stands by itself.
pub fn explain(demo: &Demo, places: &Places, log: &str) {
    let Places { gateway, sandbox } = places;
    let Demo { key, conversation } = demo;
    println!(
        "
Patchbay runs on this machine; Ctrl-C ends it.

  Gateway      {gateway}
  Sandbox      {sandbox}   what the providers were sent, and the customers' phones
  API key      {key}
  Log          {log}
  Start afresh cargo xtask dev --fresh

Paste any of these:
"
    );
    let auth = format!("-H 'Authorization: Bearer {key}'");
    for channel in &CHANNELS {
        let body = json!({
            "from": channel.identifier,
            "to": channel.customer,
            "content": { "type": "text", "text": format!("Hello on {}", channel.kind) },
        });
        paste(
            &format!("Send a message on {}", channel.kind),
            &format!(
                "curl -s {gateway}/v1/messages {auth} -H \"Idempotency-Key: {}-$(date +%s)\" {}",
                channel.kind,
                json_body(&body)
            ),
        );
    }
    for channel in &CHANNELS {
        paste(
            &format!("A customer replies on {}", channel.kind),
            &format!(
                "curl -s {sandbox}/sandbox/inbound {}",
                json_body(&inbound(channel, "Thank you"))
            ),
        );
    }
    paste(
        "The conversations",
        &format!("curl -s {gateway}/v1/conversations {auth}"),
    );
    paste(
        "The messages of one",
        &format!("curl -s {gateway}/v1/conversations/{conversation}/messages {auth}"),
    );
    paste(
        "The events a subscriber received, newest first; waits for one where there is none",
        &format!("curl -s '{sandbox}{SUBSCRIBER}?after=0&wait=5'"),
    );
}

fn paste(what: &str, line: &str) {
    println!("  # {what}\n  {line}\n");
}

fn json_body(body: &Value) -> String {
    format!("-H 'Content-Type: application/json' -d '{body}'")
}

/// An HTTP client of one of the two servers.
struct Client {
    base: String,
    token: Option<String>,
    http: reqwest::Client,
}

impl Client {
    fn new(base: &str, token: Option<&str>) -> Self {
        Self {
            base: base.to_owned(),
            token: token.map(str::to_owned),
            http: reqwest::Client::new(),
        }
    }

    async fn get(&self, path: &str) -> Result<Value> {
        self.call(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.call(Method::POST, path, Some(body)).await
    }

    async fn delete(&self, path: &str) -> Result<Value> {
        self.call(Method::DELETE, path, None).await
    }

    /// Whether the token is good for `path`.
    async fn accepts(&self, path: &str) -> Result<bool> {
        let answer = self.send(Method::GET, path, None).await?;
        Ok(answer.status() == StatusCode::OK)
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let answer = self.send(method.clone(), path, body).await?;
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        if !status.is_success() {
            return Err(Problem::new(format!(
                "The demo data could not be made: {method} {}{path} answered {status} {text}",
                self.base
            )));
        }
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<reqwest::Response> {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.base))
            .timeout(Duration::from_secs(30));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        request
            .send()
            .await
            .doing(format_args!("reach {}{path}", self.base))
    }
}

fn text(value: &Value, field: &str) -> Result<String> {
    value[field].as_str().map(str::to_owned).ok_or_else(|| {
        Problem::new(format!(
            "The demo data could not be made: an answer has no `{field}`, see .dev/wrangler.log."
        ))
    })
}
