//! Who takes part: a gateway of its own, six channels, people on each, and a subscriber.

use serde_json::json;

use super::plan::Plan;
use crate::harness::{Channel, Gateway, Subscriber, Tenant, Visitor, person};

pub struct Stage {
    pub gateway: Gateway,
    pub tenant: Tenant,
    pub conversations: Vec<Conversation>,
    pub subscriber: Subscriber,
}

pub struct Conversation {
    /// The channel's id.
    pub from: String,
    pub to: String,
    /// Who reads it, on a web chat.
    pub visitor: Option<Visitor>,
}

impl Conversation {
    /// Its `number`-th text, which no other has.
    pub fn text(&self, number: usize) -> String {
        format!("{number} for {}", self.to)
    }
}

impl Stage {
    pub async fn set(plan: &Plan) -> Self {
        let gateway = Gateway::start().await;
        let tenant = Tenant::of(&gateway).await;
        // WhatsApp settles by its reports what was unclear; the others report nothing here.
        let channels = [
            tenant.whatsapp().await,
            tenant.instagram_with(|it| it.auto_status = false).await,
            tenant.messenger_with(|it| it.auto_status = false).await,
            tenant.telegram().await,
            tenant.sms_with(|it| it.auto_status = false).await,
        ];
        let (webchat, public_key) = tenant.webchat().await;
        for channel in channels.iter().chain([&webchat]) {
            let path = format!("/v1/channels/{}", channel.id);
            let settings = json!({ "settings": { "onUnknownOutcome": plan.on_unknown } });
            tenant.patch(&path, &settings).await.expect(200);
        }
        let mut conversations = Vec::new();
        for number in 0..plan.conversations {
            conversations.push(match channels.get(number % 6) {
                Some(channel) => opened(&tenant, channel, number % 6).await,
                None => visited(&tenant, &webchat, &public_key).await,
            });
        }
        let events = json!(["message.sent", "message.failed", "message.unknown"]);
        let subscriber = tenant.subscriber_to(&json!({ "events": events })).await;
        Self {
            gateway,
            tenant,
            conversations,
            subscriber,
        }
    }
}

async fn opened(tenant: &Tenant, channel: &Channel, kind: usize) -> Conversation {
    let to = person();
    // WhatsApp, Instagram and Messenger want to be written to first.
    if kind < 3 {
        tenant.hears(channel, &to, "Hello").await;
    }
    Conversation {
        from: channel.id.clone(),
        to,
        visitor: None,
    }
}

async fn visited(tenant: &Tenant, channel: &Channel, public_key: &str) -> Conversation {
    let visitor = tenant.visitor(public_key).await;
    Conversation {
        from: channel.id.clone(),
        to: visitor.id.clone(),
        visitor: Some(visitor),
    }
}
