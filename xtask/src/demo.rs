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
    workspace: String,
    /// A WhatsApp conversation that already has a message, its contact, and its channel.
    conversation: String,
    contact: String,
    whatsapp: String,
    visitor: Visitor,
}

/// Somebody on the demo's web chat, whose channel is found by its public key.
struct Visitor {
    channel: String,
    public_key: String,
    id: String,
    token: String,
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
const CHANNELS: [DemoChannel; 5] = [
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
        kind: "instagram",
        identifier: "patchbay.demo",
        customer: "700000000000001",
        credentials: || {
            json!({
                "accountId": "17840000000000001",
                "accessToken": "demo-instagram-token",
                "appSecret": "demo-app-secret",
                "verifyToken": "demo-verify-token",
            })
        },
        account_extra: || json!({ "username": "patchbay.demo" }),
    },
    DemoChannel {
        kind: "messenger",
        identifier: "300000000000001",
        customer: "800000000000001",
        credentials: || {
            json!({
                "pageId": "300000000000001",
                "accessToken": "demo-messenger-token",
                "appSecret": "demo-app-secret",
                "verifyToken": "demo-verify-token",
            })
        },
        account_extra: || json!({ "name": "Patchbay Demo" }),
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
    DemoChannel {
        kind: "sms",
        identifier: "+15550100002",
        customer: "+15550199002",
        credentials: || {
            json!({
                "provider": "twilio",
                "accountSid": "AC00000000000000000000000000000001",
                "authToken": "demo-twilio-token",
            })
        },
        account_extra: || json!({ "phoneNumber": "+15550100002" }),
    },
];

/// The site whose pages hold the demo's web chat.
const SITE: &str = "https://shop.example";

const CUSTOMER_NAME: &str = "Ada Demo";
const SUBSCRIBER: &str = "/subscriber/demo";

impl Demo {
    /// 1. A workspace with a key. 2. Each channel, on both sides. 3. A subscriber. 4. A first message from a
    ///    customer on each channel, which opens its 24-hour window. 5. The templates of the WhatsApp number.
    pub async fn prepare(paths: &Paths, places: &Places, admin_token: &str) -> Result<Self> {
        // 1.
        let key = workspace_key(paths, places, admin_token).await?;
        let gateway = Client::new(&places.gateway, Some(&key));
        let sandbox = Client::new(&places.sandbox, None);
        let workspace = gateway.get("/v1/workspace").await?;

        // 2. The provider first: it is asked about the credentials when the channel is connected.
        for channel in &CHANNELS {
            register(&sandbox, channel, None).await?;
            let connected = connect(&gateway, channel).await?;
            register(&sandbox, channel, Some(&text(&connected, "inboundUrl")?)).await?;
        }
        let (webchat, public_key) = web_chat(&gateway).await?;

        // 3.
        subscribe(&gateway, &format!("{}{SUBSCRIBER}", places.sandbox)).await?;

        // 4.
        for channel in &CHANNELS {
            write_in(&sandbox, channel).await?;
        }
        let visitor = visit(places, webchat, public_key).await?;
        let conversation = whatsapp_conversation(&gateway).await?;

        // 5.
        let whatsapp = text(&conversation, "channelId")?;
        name_template(&gateway, &whatsapp).await?;
        Ok(Self {
            key,
            workspace: text(&workspace, "id")?,
            conversation: text(&conversation, "id")?,
            contact: text(&conversation["contact"], "id")?,
            whatsapp,
            visitor,
        })
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

/// Connects the channel to the demo workspace unless it is.
async fn connect(gateway: &Client, channel: &DemoChannel) -> Result<Value> {
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
        return Ok(found.clone());
    }
    gateway
        .post(
            "/v1/channels",
            &json!({
                "type": channel.kind,
                "name": format!("Demo {}", channel.kind),
                "identifier": channel.identifier,
                "credentials": (channel.credentials)(),
            }),
        )
        .await
}

/// Connects the web chat unless it is: its channel's id and its public key.
async fn web_chat(gateway: &Client) -> Result<(String, String)> {
    let list = gateway.get("/v1/channels?type=webchat&limit=1").await?;
    let channel = match list["data"].get(0) {
        Some(found) => found.clone(),
        None => {
            gateway
                .post(
                    "/v1/channels",
                    &json!({
                        "type": "webchat",
                        "name": "Demo webchat",
                        "credentials": {},
                        "settings": { "allowedOrigins": [SITE], "displayName": "Patchbay" },
                    }),
                )
                .await?
        }
    };
    Ok((text(&channel, "id")?, text(&channel, "publicKey")?))
}

/// Opens the web chat as a visitor does, and writes.
async fn visit(places: &Places, channel: String, public_key: String) -> Result<Visitor> {
    let page = Client::new(&places.gateway, None).on_site(SITE);
    let session = page
        .post(
            &format!("/webchat/{public_key}/sessions"),
            &json!({ "name": CUSTOMER_NAME }),
        )
        .await?;
    let token = text(&session, "token")?;
    let visitor = Client::new(&places.gateway, Some(&token)).on_site(SITE);
    visitor
        .post(
            &format!("/webchat/{public_key}/messages"),
            &json!({
                "clientMessageId": "first",
                "content": { "type": "text", "text": "Hello from webchat!" },
            }),
        )
        .await?;
    Ok(Visitor {
        channel,
        public_key,
        id: text(&session, "visitorId")?,
        token,
    })
}

const TEMPLATE: &str = "order_shipped";

/// Reads the number's templates and names the placeholders of one.
async fn name_template(gateway: &Client, channel: &str) -> Result<()> {
    gateway
        .post(
            &format!("/v1/channels/{channel}/templates/sync"),
            &json!({}),
        )
        .await?;
    let list = gateway
        .get(&format!("/v1/templates?channelId={channel}&limit=100"))
        .await?;
    let found = list["data"]
        .as_array()
        .and_then(|templates| templates.iter().find(|template| template["key"] == TEMPLATE))
        .ok_or_else(|| {
            Problem::new(format!(
                "The sandbox's template {TEMPLATE} did not arrive: see the end of .dev/wrangler.log."
            ))
        })?;
    let path = format!("/v1/templates/{}", text(found, "id")?);
    let names = json!({ "variables": ["name", "order_id", "eta"] });
    gateway.call(Method::PATCH, &path, Some(&names)).await?;
    Ok(())
}

async fn register(
    sandbox: &Client,
    channel: &DemoChannel,
    inbound_url: Option<&str>,
) -> Result<()> {
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

/// The conversation of the first channel's customer: looks for up to ten seconds.
async fn whatsapp_conversation(gateway: &Client) -> Result<Value> {
    for _ in 0..50 {
        let list = gateway.get("/v1/conversations?limit=100").await?;
        let found = list["data"].as_array().and_then(|conversations| {
            conversations
                .iter()
                .find(|conversation| conversation["channelType"] == "whatsapp")
        });
        if let Some(found) = found {
            return Ok(found.clone());
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
    let Demo {
        key,
        workspace,
        conversation,
        contact,
        whatsapp,
        visitor,
    } = demo;
    println!(
        "
Patchbay runs on this machine; Ctrl-C ends it.

  Gateway      {gateway}   described at /openapi.json
  Sandbox      {sandbox}   what the providers were sent, and the customers' phones
  API key      {key}
  Log          {log}
  Start afresh cargo xtask dev --fresh

Paste any of these:
"
    );
    let auth = format!("-H 'Authorization: Bearer {key}'");
    let send = |what: &str, name: &str, path: &str, body: Value| {
        paste(
            what,
            &format!(
                "curl -s {gateway}{path} {auth} -H \"Idempotency-Key: {name}-$(date +%s)\" {}",
                json_body(&body)
            ),
        );
    };
    let channels = CHANNELS
        .iter()
        .map(|channel| (channel.kind, channel.identifier, channel.customer));
    let web = ("webchat", visitor.channel.as_str(), visitor.id.as_str());
    for (kind, from, to) in channels.chain([web]) {
        send(
            &format!("Send a message on {kind}"),
            kind,
            "/v1/messages",
            json!({
                "from": from,
                "to": to,
                "content": { "type": "text", "text": format!("Hello on {kind}") },
            }),
        );
    }
    let variables = json!({ "name": "Ada", "order_id": "1234", "eta": "Friday" });
    send(
        "Send a template to somebody who never wrote",
        "template",
        "/v1/messages",
        json!({
            "from": CHANNELS[0].identifier,
            "to": "+15550199003",
            "content": { "type": "template", "key": TEMPLATE, "variables": variables },
        }),
    );
    send(
        "The same API as Visito's clients use it",
        "visito",
        "/messages",
        json!({ "type": "text", "to": conversation, "text": { "text": "Hello from a client of Visito" } }),
    );
    send(
        "As Chatt2.me's do",
        "chatt2me",
        "/v1/communication/telegram/message",
        json!({
            "from": "patchbay_demo_bot",
            "to": "500000001",
            "content": { "text": "Hello from a client of Chatt2.me" },
        }),
    );
    send(
        "As WhautoChat's do",
        "whautochat",
        "/v1/messages/whatsapp/sendtext",
        json!({
            "contact": { "id": contact },
            "workspace": { "id": workspace },
            "textMessage": "Hello from a client of WhautoChat",
        }),
    );
    send(
        "As Cloove's do",
        "cloove",
        "/v1/messaging/messages/template",
        json!({
            "business_whatsapp_number_id": whatsapp,
            "phone": "+15550199004",
            "template_key": TEMPLATE,
            "customer_name": "Ada Lovelace",
            "variables": variables,
        }),
    );
    for channel in &CHANNELS {
        paste(
            &format!("A customer replies on {}", channel.kind),
            &format!(
                "curl -s {sandbox}/sandbox/inbound {}",
                json_body(&inbound(channel, "Thank you"))
            ),
        );
    }
    let site = format!(
        "-H 'Origin: {SITE}' -H 'Authorization: Bearer {}'",
        visitor.token
    );
    let chat = format!("{gateway}/webchat/{}/messages", visitor.public_key);
    let words = json!({ "type": "text", "text": "Thank you" });
    paste(
        "A visitor of the web chat writes",
        &format!(
            "curl -s {chat} {site} -H 'Content-Type: application/json' -d \"{{\\\"clientMessageId\\\":\\\"$(date +%s)\\\",\\\"content\\\":{}}}\"",
            words.to_string().replace('"', "\\\"")
        ),
    );
    paste(
        "What the visitor sees; waits for something where there is nothing",
        &format!("curl -s '{chat}?after=0&wait=5' {site}"),
    );
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
    let quoted = body.to_string().replace('\'', r"'\''");
    format!("-H 'Content-Type: application/json' -d '{quoted}'")
}

/// An HTTP client of one of the two servers.
struct Client {
    base: String,
    token: Option<String>,
    /// The site whose page asks.
    origin: Option<&'static str>,
    http: reqwest::Client,
}

impl Client {
    fn new(base: &str, token: Option<&str>) -> Self {
        Self {
            base: base.to_owned(),
            token: token.map(str::to_owned),
            origin: None,
            http: reqwest::Client::new(),
        }
    }

    /// The same from a page of a site.
    fn on_site(self, site: &'static str) -> Self {
        Self {
            origin: Some(site),
            ..self
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
        if let Some(origin) = self.origin {
            request = request.header("origin", origin);
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
