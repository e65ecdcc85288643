//! What Meta posts to a WhatsApp webhook.
//!
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/components>

use serde_json::{Value, json};

use crate::account::{WhatsApp, digits};

const WINDOW_S: i64 = 24 * 60 * 60;

/// A person's text.
pub(crate) struct Inbound {
    pub message_id: String,
    pub person: String,
    pub name: String,
    pub text: String,
    /// Unix seconds.
    pub at: i64,
    pub reply_to: Option<String>,
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
    let mut message = json!({
        "from": inbound.person,
        "id": inbound.message_id,
        "timestamp": inbound.at.to_string(),
        "type": "text",
        "text": {"body": inbound.text},
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
