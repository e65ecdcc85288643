//! What Meta tells of templates in webhooks, each in a field of its own.
//! <https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/message_template_status_update>

use super::super::{Inbound, TemplateReport};
use super::template::word_of;
use crate::model::template::{APPROVED, DELETED};
use serde_json::Value;

/// Reads a change of a field that is about templates; `None` where it is about something
/// else.
pub fn read(account: Option<&Value>, field: &str, value: &Value) -> Option<Inbound> {
    let (mut status, mut category) = (None, None);
    match field {
        "message_template_status_update" => {
            status = word_of(value.get("event")).and_then(status_after);
            category = word_of(value.get("message_template_category"));
        }
        // Of a change to come, the new category is the one that still holds.
        "template_category_update" => category = word_of(value.get("new_category")),
        // What the sync that follows reads.
        "message_template_quality_update" | "message_template_components_update" => {}
        _ => return None,
    }
    let given = |name: &str| word_of(value.get(name));
    let id = given("message_template_id");
    let (Some(provider_id), Some(name)) = (id, given("message_template_name")) else {
        return Some(Inbound::Ignored(format!(
            "field {field} without a template"
        )));
    };
    Some(Inbound::Template(TemplateReport {
        account: word_of(account),
        provider_id,
        name,
        status,
        category,
        reason: given("reason").filter(|reason| reason != "NONE"),
    }))
}

/// The status that an event leaves behind. A template that is flagged may still be sent; one
/// that comes back from the archive is what it was before.
fn status_after(event: String) -> Option<String> {
    match event.as_str() {
        "FLAGGED" | "UNARCHIVED" => None,
        "REINSTATED" => Some(APPROVED.to_owned()),
        "PENDING_DELETION" => Some(DELETED.to_owned()),
        _ => Some(event),
    }
}
