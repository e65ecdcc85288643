//! A channel with a customer on it, what is sent to them, and what their provider gets.

use std::sync::Arc;
use std::time::Duration;

use patchbay_sandbox::{Call, CallFilter, Phone};
use serde_json::{Value, json};

use super::samples;
use crate::harness::{Channel, Reply, Tenant, Visitor, eventually, person, unique};

/// How long one conversation may take to get through everything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A channel, and a customer who has written on it.
pub struct Stage {
    pub tenant: Tenant,
    pub channel: Channel,
    pub kind: &'static str,
    /// The customer's address.
    pub person: String,
    pub visitor: Option<Visitor>,
    pub conversation: String,
    pub contact: String,
    /// The customer's message.
    pub heard: String,
}

impl Stage {
    pub async fn open(kind: &'static str) -> Self {
        Self::of(Tenant::new().await, kind).await
    }

    pub async fn of(tenant: Tenant, kind: &'static str) -> Self {
        let mut visitor = None;
        let channel = match kind {
            "whatsapp" => whatsapp(&tenant).await,
            "messenger" => tenant.messenger().await,
            "instagram" => tenant.instagram().await,
            "telegram" => tenant.telegram().await,
            "sms" => tenant.sms().await,
            _ => {
                let (channel, public_key) = tenant.webchat().await;
                visitor = Some(tenant.visitor(&public_key).await);
                channel
            }
        };
        let person = match (&visitor, kind) {
            (Some(visitor), _) => visitor.id.clone(),
            (None, "sms") => format!("+{}", person()),
            (None, _) => person(),
        };
        match &visitor {
            Some(visitor) => {
                visitor.writes("Hello").await;
            }
            None => {
                tenant.hears(&channel, &person, "Hello").await;
            }
        }
        let conversation = tenant.conversation().await;
        let text = |value: &Value| value.as_str().expect("an id").to_owned();
        let path = format!("/v1/conversations/{}/messages", text(&conversation["id"]));
        let heard = tenant.list(&path).await;
        Self {
            conversation: text(&conversation["id"]),
            contact: text(&conversation["contact"]["id"]),
            heard: text(&heard[0]["id"]),
            tenant,
            channel,
            kind,
            person,
            visitor,
        }
    }

    /// What the channel carries, by kind, as it is published.
    pub async fn carries(&self) -> Value {
        let page = self.tenant.get("/v1/capabilities").await.expect(200);
        let channels = page["data"].as_array().expect("a list");
        let mine = channels.iter().find(|channel| channel["type"] == self.kind);
        mine.expect("its type is listed")["content"].clone()
    }

    pub fn body(&self, content: &Value) -> Value {
        json!({"from": self.channel.id, "to": self.person, "content": content})
    }

    pub async fn sends(&self, content: &Value) -> Reply {
        self.tenant.post("/v1/messages", &self.body(content)).await
    }

    pub async fn validates(&self, content: &Value) -> Value {
        let reply = self
            .tenant
            .post("/v1/messages/validate", &self.body(content))
            .await;
        let cost = reply.cost();
        assert_eq!((cost["written"], cost["queue"]), (0, 0), "{content}");
        reply.expect(200)
    }

    /// The message once the provider has it.
    pub async fn arrived(&self, id: &str) -> Value {
        eventually(PATIENCE, "the message is sent", async || {
            let message = self.tenant.message(id).await;
            match message["status"].as_str() {
                Some("sent" | "delivered" | "read") => Ok(message),
                Some("failed" | "expired" | "unknown") => panic!("{message:#}"),
                _ => Err(message.to_string()),
            }
        })
        .await
    }

    /// The provider's word for what it got, once it has the message: the last of this channel's calls.
    pub async fn reaches(&self, id: &Value) -> String {
        self.arrived(id.as_str().expect("an id")).await;
        let calls = self.calls();
        let call = calls.last().expect("a call");
        assert!(["accepted", "done"].contains(&call.outcome), "{call:#?}");
        call.kind.clone().expect("it understood it")
    }

    /// The calls to the provider for this channel, oldest first, but for those about templates.
    pub fn calls(&self) -> Vec<Arc<Call>> {
        let filter = CallFilter {
            account: Some(self.channel.account.clone()),
            ..CallFilter::default()
        };
        let mut calls = self.tenant.sandbox.calls(&filter);
        calls.retain(|call| call.method == "POST" && !call.path.ends_with("/message_templates"));
        calls
    }

    pub fn phone(&self) -> Phone {
        let phone = self
            .tenant
            .sandbox
            .phone(&self.channel.account, &self.person);
        phone.expect("the person's phone")
    }

    /// All messages of the conversation, oldest first.
    pub async fn messages(&self) -> Vec<Value> {
        let path = format!("/v1/conversations/{}/messages?limit=100", self.conversation);
        let mut messages = self.tenant.list(&path).await;
        messages.sort_by_key(|message| message["id"].as_str().map(str::to_owned));
        messages
    }
}

/// A number whose business account has templates of its own.
async fn whatsapp(tenant: &Tenant) -> Channel {
    let waba = format!("20000000000{}", unique());
    let channel = tenant
        .whatsapp_with(|number| number.waba_id.clone_from(&waba))
        .await;
    let mut templates = tenant.sandbox.templates(&waba).to_vec();
    templates.extend(samples::own_templates());
    let set = tenant.sandbox.set_templates(&waba, templates);
    set.expect("the account's templates");
    let sync = format!("/v1/channels/{}/templates/sync", channel.id);
    tenant.post(&sync, &json!({})).await.expect(200);
    channel
}

/// The ids of the messages that a content became.
pub fn ids(message: &Value) -> Vec<String> {
    let parts = message["adapted"]["parts"].as_array();
    let only = std::slice::from_ref(&message["id"]);
    let ids = parts.map_or(only, Vec::as_slice).iter();
    ids.map(|id| id.as_str().expect("an id").to_owned())
        .collect()
}
