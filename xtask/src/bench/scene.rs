//! A workspace with two channels, people who wrote, and a subscriber; and the requests that are measured on it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use patchbay_sandbox::{Account, Played, Raw, Sandbox, StatusUpdate};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use super::load::CLIENTS;
use super::server::{ADMIN_TOKEN, client};
use crate::problem::{Doing, Problem, Result};

/// The WhatsApp numbers: one that everybody writes to, and one for each client, which sends at once: no number is
/// asked for more than its pacing lets through.
const NUMBERS: usize = 1 + CLIENTS;
pub const APP_SECRET: &str = "benchmark-app-secret";
const SMS_NUMBER: &str = "+15550100002";
pub const SMS_ACCOUNT: &str = "AC00000000000000000000000000000009";
pub const SMS_TOKEN: &str = "benchmark-twilio-token";
pub const SUBSCRIBER: &str = "bench";
/// Where Chatt2.me takes an SMS.
const SMS_PATH: &str = "/v1/communication/sms/message";
/// Who write on WhatsApp, and whom SMS reaches: as many for each client, which takes them in turn, so that
/// no client waits behind another in a conversation.
const PEOPLE_PER_CLIENT: usize = 8;
pub const PEOPLE: usize = CLIENTS * PEOPLE_PER_CLIENT;

/// One request of the table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Native,
    Visito,
    Chatt2me,
    Chatt2meInline,
    Whautochat,
    Cloove,
    /// A provider's webhook with so many messages.
    Webhook(usize),
}

impl Operation {
    pub const ALL: [(&'static str, &'static str, Self); 9] = [
        ("native", "accepted send, `POST /v1/messages`", Self::Native),
        (
            "visito",
            "accepted send, Visito `POST /messages`",
            Self::Visito,
        ),
        (
            "chatt2me",
            "accepted send, Chatt2.me WhatsApp",
            Self::Chatt2me,
        ),
        ("inline", "send now, Chatt2.me SMS", Self::Chatt2meInline),
        (
            "whautochat",
            "accepted send, WhautoChat `sendtext`",
            Self::Whautochat,
        ),
        ("cloove", "send now, Cloove", Self::Cloove),
        (
            "webhook-1",
            "WhatsApp webhook with 1 message",
            Self::Webhook(1),
        ),
        (
            "webhook-10",
            "WhatsApp webhook with 10 messages",
            Self::Webhook(10),
        ),
        (
            "webhook-100",
            "WhatsApp webhook with 100 messages",
            Self::Webhook(100),
        ),
    ];
}

pub struct Scene {
    http: Client,
    sandbox: Sandbox,
    origin: String,
    key: String,
    pub workspace: String,
    pub whatsapp: String,
    /// The channel of each WhatsApp number, and where its provider posts.
    numbers: Vec<(String, String)>,
    /// Conversation and contact of each person, by channel and address.
    known: HashMap<(String, String), (String, String)>,
    sms: String,
    next: AtomicUsize,
}

impl Scene {
    /// Sets the scene in a Patchbay that is new. `events` are those its one subscriber is told of.
    pub async fn set(origin: String, sandbox: &Sandbox, events: &[&str]) -> Result<Self> {
        let mut scene = Self {
            http: client()?,
            sandbox: sandbox.clone(),
            origin,
            key: ADMIN_TOKEN.to_owned(),
            workspace: String::new(),
            whatsapp: String::new(),
            numbers: vec![],
            known: HashMap::new(),
            sms: String::new(),
            next: AtomicUsize::new(1),
        };
        let workspace = scene
            .post("/v1/workspaces", json!({ "name": "Bench" }))
            .await?;
        scene.workspace = text(&workspace, "id")?;
        let keys = format!("/v1/workspaces/{}/api-keys", scene.workspace);
        let made = scene.post(&keys, json!({ "name": "Bench" })).await?;
        scene.key = text(&made, "key")?;

        register(sandbox)?;
        for number in 0..NUMBERS {
            let credentials = json!({
                "phoneNumberId": phone_number_id(number), "wabaId": "200000000000001",
                "accessToken": "benchmark-access-token", "appSecret": APP_SECRET, "verifyToken": "benchmark-verify",
            });
            let channel = scene
                .connect("whatsapp", &phone_number(number), credentials)
                .await?;
            scene
                .numbers
                .push((text(&channel, "id")?, text(&channel, "inboundUrl")?));
        }
        scene.whatsapp = scene.numbers[0].0.clone();
        let credentials = json!({ "accountSid": SMS_ACCOUNT, "authToken": SMS_TOKEN });
        let channel = scene.connect("sms", SMS_NUMBER, credentials).await?;
        scene.sms = text(&channel, "id")?;
        let url = sandbox.subscriber_url(SUBSCRIBER);
        scene
            .post("/v1/webhooks", json!({ "url": url, "events": events }))
            .await?;

        // Opens everybody's window.
        let everybody: Vec<(usize, String)> =
            (0..PEOPLE).map(|n| (n, "Hello".to_owned())).collect();
        for some in everybody.chunks(64) {
            super::load::answered(scene.webhook(some).await?).await?;
        }
        for (client, own) in everybody.chunks(PEOPLE_PER_CLIENT).enumerate() {
            super::load::answered(scene.webhook_to(1 + client, own).await?).await?;
        }
        // Everybody has a conversation by SMS too, in which nothing waits.
        for number in 0..PEOPLE {
            let body = scene.by_sms(number, "Hello");
            scene.post(SMS_PATH, body).await?;
        }
        scene.meet().await?;
        Ok(scene)
    }

    async fn connect(&self, kind: &str, identifier: &str, credentials: Value) -> Result<Value> {
        let body = json!({
            "type": kind, "name": format!("Bench {kind}"), "identifier": identifier, "credentials": credentials,
        });
        self.post("/v1/channels", body).await
    }

    /// Notes the conversations and contacts of those who wrote.
    async fn meet(&mut self) -> Result<()> {
        let mut path = "/v1/conversations?limit=100".to_owned();
        loop {
            let page = self.get(&path).await?;
            for conversation in page["data"].as_array().into_iter().flatten() {
                let contact = &conversation["contact"];
                let ids = (text(conversation, "id")?, text(contact, "id")?);
                let by = (text(conversation, "channelId")?, text(contact, "address")?);
                self.known.insert(by, ids);
            }
            let Some(cursor) = page["nextCursor"].as_str() else {
                break;
            };
            path = format!("/v1/conversations?limit=100&cursor={cursor}");
        }
        let (known, met) = (self.known.len(), 3 * PEOPLE);
        if known < met {
            return Err(Problem::new(format!(
                "Of {met} conversations only {known} are there: see the Worker's log."
            )));
        }
        Ok(())
    }

    /// A request of an operation by a client to Patchbay.
    pub async fn request(&self, operation: Operation, client: usize) -> Result<RequestBuilder> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let words = format!("Message number {number}");
        let to = person(person_of(client, number));
        let channel = if operation == Operation::Cloove {
            &self.numbers[1 + client].0
        } else {
            &self.whatsapp
        };
        let (conversation, contact) = self.ids_of(channel, &to)?;
        let (path, body) = match operation {
            Operation::Webhook(count) => return self.webhook(&writers(number, count)).await,
            Operation::Native => return Ok(self.send(&to, &words)),
            Operation::Visito => (
                "/messages".to_owned(),
                json!({ "type": "text", "to": conversation, "text": { "text": words } }),
            ),
            Operation::Chatt2me => (
                "/v1/communication/whatsapp/message".to_owned(),
                json!({ "from": self.whatsapp, "to": to, "content": { "text": words } }),
            ),
            Operation::Chatt2meInline => (
                SMS_PATH.to_owned(),
                self.by_sms(person_of(client, number), &words),
            ),
            Operation::Whautochat => (
                "/v1/messages/whatsapp/sendtext".to_owned(),
                json!({
                    "contact": { "id": contact }, "workspace": { "id": self.workspace }, "textMessage": words,
                }),
            ),
            Operation::Cloove => (
                format!("/v1/messaging/conversations/{conversation}/messages"),
                json!({ "text": words }),
            ),
        };
        let request = self.call(Method::POST, &path).json(&body);
        Ok(request.header("idempotency-key", format!("bench-{number}")))
    }

    fn by_sms(&self, number: usize, words: &str) -> Value {
        json!({ "from": self.sms, "to": format!("+{}", person(number)), "content": { "text": words } })
    }

    /// The same of the floor.
    pub async fn floor_request(
        &self,
        floor: &str,
        operation: Operation,
        client: usize,
    ) -> Result<RequestBuilder> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = match operation {
            Operation::Webhook(count) => {
                let played = self.played(0, &writers(number, count)).await?;
                return Ok(self.replay(&played, &format!("{floor}/webhook")));
            }
            Operation::Chatt2meInline | Operation::Cloove => "inline",
            Operation::Native | Operation::Visito | Operation::Chatt2me | Operation::Whautochat => {
                "send"
            }
        };
        let to = person(person_of(client, number));
        let body = json!({ "to": to, "text": format!("Message number {number}") });
        let request = self.http.post(format!("{floor}/{path}")).json(&body);
        Ok(request.header("idempotency-key", format!("bench-{number}")))
    }

    /// A send by the native surface.
    pub fn send(&self, to: &str, words: &str) -> RequestBuilder {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let body = json!({
            "from": self.whatsapp, "to": to, "content": { "type": "text", "text": words },
        });
        let request = self.call(Method::POST, "/v1/messages").json(&body);
        request.header("idempotency-key", format!("bench-send-{number}"))
    }

    /// A webhook with a text of each of these people.
    pub async fn webhook(&self, texts: &[(usize, String)]) -> Result<RequestBuilder> {
        self.webhook_to(0, texts).await
    }

    async fn webhook_to(&self, number: usize, texts: &[(usize, String)]) -> Result<RequestBuilder> {
        let played = self.played(number, texts).await?;
        Ok(self.replay(&played, &self.numbers[number].1))
    }

    /// The provider's report on a message.
    pub async fn report(&self, provider_message_id: &str, status: &str) -> Result<RequestBuilder> {
        let mut update = StatusUpdate::new(phone_number_id(0), provider_message_id, status);
        update.deliver = false;
        let played = self.sandbox.status(update).await.doing("play a report")?;
        Ok(self.replay(&played, &self.numbers[0].1))
    }

    async fn played(&self, number: usize, texts: &[(usize, String)]) -> Result<Played> {
        let at = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let batch = self.next.fetch_add(1, Ordering::Relaxed);
        let messages: Vec<Value> = texts
            .iter()
            .enumerate()
            .map(|(at_place, (from, words))| {
                json!({
                    "from": person(*from), "id": format!("wamid.bench.{batch}.{at_place}"),
                    "timestamp": at.to_string(), "type": "text", "text": { "body": words },
                })
            })
            .collect();
        let contacts: Vec<Value> = texts
            .iter()
            .map(|(from, _)| {
                json!({ "wa_id": person(*from), "profile": { "name": format!("Ada Bench{from}") } })
            })
            .collect();
        let payload = json!({
            "object": "whatsapp_business_account",
            "entry": [{ "id": "200000000000001", "changes": [{ "field": "messages", "value": {
                "messaging_product": "whatsapp",
                "metadata": {
                    "display_phone_number": phone_number(number).trim_start_matches('+'),
                    "phone_number_id": phone_number_id(number),
                },
                "contacts": contacts,
                "messages": messages,
            } }] }],
        });
        let mut raw = Raw::new(phone_number_id(number), payload);
        raw.deliver = false;
        self.sandbox.post(raw).await.doing("sign a webhook")
    }

    fn replay(&self, played: &Played, url: &str) -> RequestBuilder {
        let headers = played.headers.iter();
        let request = headers.fold(self.http.post(url), |request, (name, value)| {
            request.header(name, value)
        });
        request.body(played.body.clone())
    }

    fn ids_of(&self, channel: &str, address: &str) -> Result<(&str, &str)> {
        let ids = self.known.get(&(channel.to_owned(), address.to_owned()));
        ids.map(|(conversation, contact)| (conversation.as_str(), contact.as_str()))
            .ok_or_else(|| Problem::new("A person of the benchmark is not known."))
    }

    pub fn call(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.origin));
        request.bearer_auth(&self.key)
    }

    pub async fn get(&self, path: &str) -> Result<Value> {
        body_of(self.call(Method::GET, path)).await
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value> {
        body_of(self.call(Method::POST, path).json(&body)).await
    }
}

/// The accounts that the provider knows, which report nothing by themselves.
fn register(sandbox: &Sandbox) -> Result<()> {
    for number in 0..NUMBERS {
        let id = phone_number_id(number);
        let mut whatsapp = Account::whatsapp(id, "benchmark-access-token", APP_SECRET);
        whatsapp.waba_id = "200000000000001".to_owned();
        whatsapp.verify_token = Some("benchmark-verify".to_owned());
        whatsapp.display_phone_number = phone_number(number).trim_start_matches('+').to_owned();
        whatsapp.auto_status = false;
        whatsapp.enforce_window = false;
        sandbox
            .register_account(whatsapp)
            .doing("register a number")?;
    }
    let mut sms = Account::sms(SMS_ACCOUNT, SMS_TOKEN, SMS_NUMBER);
    sms.auto_status = false;
    sandbox
        .register_account(sms)
        .doing("register the SMS number")
}

/// Tells the floor who is written to.
pub async fn introduce(floor: &str) -> Result<()> {
    let everybody: Vec<String> = (0..PEOPLE).map(person).collect();
    let request = client()?.post(format!("{floor}/people")).json(&everybody);
    super::load::answered(request).await.map(|_| ())
}

fn phone_number(number: usize) -> String {
    format!("+155501001{number:02}")
}

fn phone_number_id(number: usize) -> String {
    format!("1000000000001{number:02}")
}

/// The address of a person.
pub fn person(number: usize) -> String {
    format!("447700{number:06}")
}

/// Whom a client writes to.
fn person_of(client: usize, number: usize) -> usize {
    client * PEOPLE_PER_CLIENT + number % PEOPLE_PER_CLIENT
}

fn writers(number: usize, count: usize) -> Vec<(usize, String)> {
    let texts = (0..count).map(|n| format!("Message number {number}.{n}"));
    texts
        .enumerate()
        .map(|(n, words)| ((number * 7 + n) % PEOPLE, words))
        .collect()
}

async fn body_of(request: RequestBuilder) -> Result<Value> {
    let answer = request.send().await.doing("reach the Worker")?;
    let status = answer.status();
    let text = answer.text().await.doing("read an answer")?;
    if status.is_success() {
        return Ok(serde_json::from_str(&text).unwrap_or_default());
    }
    Err(Problem::new(format!(
        "The benchmark's scene could not be set: {status} {text}"
    )))
}

pub fn text(value: &Value, field: &str) -> Result<String> {
    value[field]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| Problem::new(format!("An answer has no `{field}`: {value}")))
}
