//! What Meta posts to a WhatsApp webhook.
//!
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/components>

use serde_json::{Value, json};

use crate::account::{WhatsApp, digits};
use crate::shown::{Choice, ChoiceSort, HOME};
use crate::state::now;

const WINDOW_S: i64 = 24 * 60 * 60;

/// What a person wrote or pressed.
pub(crate) struct Inbound {
    pub message_id: String,
    pub person: String,
    pub name: String,
    pub said: Said,
    /// Unix seconds.
    pub at: i64,
    pub reply_to: Option<String>,
}

pub(crate) enum Said {
    Text(String),
    /// The type of the message, and what it holds under it.
    Media(&'static str, Value),
    Button(Choice),
    Row(Choice),
    TemplateButton(Choice),
    /// Where the person is.
    Location,
}

impl Said {
    /// What comes of pressing a choice, if WhatsApp has such.
    pub(crate) fn pressed(choice: &Choice) -> Option<Self> {
        match choice.sort {
            ChoiceSort::Reply => Some(Said::Button(choice.clone())),
            ChoiceSort::Row => Some(Said::Row(choice.clone())),
            ChoiceSort::TemplateReply => Some(Said::TemplateButton(choice.clone())),
            ChoiceSort::Location => Some(Said::Location),
            ChoiceSort::QuickReply
            | ChoiceSort::Postback
            | ChoiceSort::Callback
            | ChoiceSort::Key
            | ChoiceSort::Contact
            | ChoiceSort::Link => None,
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Said::Text(_) => "text",
            Said::Media(kind, _) => kind,
            Said::Button(_) => "button_reply",
            Said::Row(_) => "list_reply",
            Said::TemplateButton(_) => "button",
            Said::Location => "location",
        }
    }

    /// The `type` of the message and what it holds under that name.
    fn content(&self) -> (&'static str, Value) {
        let reply = |name: &str, reply: Value| ("interactive", json!({"type": name, name: reply}));
        match self {
            Said::Text(text) => ("text", json!({"body": text})),
            Said::Media(kind, content) => (kind, content.clone()),
            Said::Button(button) => reply(
                "button_reply",
                json!({"id": button.value, "title": button.title}),
            ),
            Said::Row(row) => {
                let mut chosen = json!({"id": row.value, "title": row.title});
                if let Some(description) = &row.description {
                    chosen["description"] = json!(description);
                }
                reply("list_reply", chosen)
            }
            Said::TemplateButton(button) => (
                "button",
                json!({"payload": button.value, "text": button.title}),
            ),
            Said::Location => {
                let (latitude, longitude) = HOME;
                (
                    "location",
                    json!({"latitude": latitude, "longitude": longitude}),
                )
            }
        }
    }
}

/// News of a message the business sent.
pub(crate) struct Status {
    pub message_id: String,
    pub person: String,
    /// The person is known by a business-scoped user id, not by a number.
    pub is_user_id: bool,
    pub status: String,
    /// Unix seconds.
    pub at: i64,
    pub opaque: Option<String>,
    pub is_template: bool,
    pub errors: Option<Value>,
}

pub(crate) fn inbound(number: &WhatsApp, inbound: &Inbound) -> Value {
    let (kind, content) = inbound.said.content();
    let mut message = json!({
        "from": inbound.person,
        "id": inbound.message_id,
        "timestamp": inbound.at.to_string(),
        "type": kind,
        kind: content,
    });
    if let Some(id) = &inbound.reply_to {
        message["context"] = json!({"from": digits(&number.display_phone_number), "id": id});
    }
    envelope(
        number,
        "messages",
        json!([message]),
        Some(json!([{"profile": {"name": inbound.name}, "wa_id": inbound.person}])),
    )
}

pub(crate) fn status(number: &WhatsApp, status: &Status) -> Value {
    let person = if status.is_user_id {
        "recipient_user_id"
    } else {
        "recipient_id"
    };
    let mut report = json!({
        "id": status.message_id,
        "status": status.status,
        "timestamp": status.at.to_string(),
        person: status.person,
    });
    if let Some(opaque) = &status.opaque {
        report["biz_opaque_callback_data"] = json!(opaque);
    }
    if let Some(errors) = &status.errors {
        report["errors"] = errors.clone();
    }
    let category = if status.is_template {
        "utility"
    } else {
        "service"
    };
    if matches!(status.status.as_str(), "sent" | "delivered") {
        let kind = if status.is_template {
            "regular"
        } else {
            "free_customer_service"
        };
        report["pricing"] = json!({
            "billable": status.is_template,
            "pricing_model": "PMP",
            "type": kind,
            "category": category,
        });
    }
    if status.status == "sent" {
        report["conversation"] = json!({
            "id": format!("{}:{}", number.phone_number_id, status.person),
            "expiration_timestamp": (status.at + WINDOW_S).to_string(),
            "origin": {"type": category},
        });
    }
    envelope(number, "statuses", json!([report]), None)
}

/// What became of a template, if its id is a number, as Meta's are.
pub(crate) fn template_status(
    number: &WhatsApp,
    template: &Value,
    event: &str,
    reason: &str,
) -> Option<Value> {
    let id: u64 = template["id"].as_str()?.parse().ok()?;
    let value = json!({
        "event": event,
        "message_template_id": id,
        "message_template_name": template["name"],
        "message_template_language": template["language"],
        "message_template_category": template["category"],
        "reason": reason,
    });
    let change = json!({"field": "message_template_status_update", "value": value});
    Some(json!({
        "object": "whatsapp_business_account",
        "entry": [{"id": number.waba_id, "time": now().timestamp(), "changes": [change]}],
    }))
}

fn envelope(number: &WhatsApp, part: &str, items: Value, contacts: Option<Value>) -> Value {
    let mut value = json!({
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": digits(&number.display_phone_number),
            "phone_number_id": number.phone_number_id,
        },
        part: items,
    });
    if let Some(contacts) = contacts {
        value["contacts"] = contacts;
    }
    json!({
        "object": "whatsapp_business_account",
        "entry": [{
            "id": number.waba_id,
            "changes": [{"field": "messages", "value": value}],
        }],
    })
}
