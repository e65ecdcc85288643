//! What Meta tells of an account and its numbers, each in a field of its own.
//! <https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/account_update>

use super::super::{Effect, Inbound, Notice, lenient};
use serde_json::Value;

/// The fields that are about an account or one of its numbers.
const FIELDS: [&str; 9] = [
    "account_update",
    "account_alerts",
    "account_review_update",
    "account_settings_update",
    "business_capability_update",
    "business_status_update",
    "phone_number_name_update",
    "phone_number_quality_update",
    "security",
];

/// Reads a change of such a field; `None` where it is about something else.
pub fn read(entry: &Value, field: &str, value: &Value) -> Option<Inbound> {
    if field == "user_preferences" {
        return Some(preference(value));
    }
    if !FIELDS.contains(&field) {
        return None;
    }
    let (effect, code) = match field {
        "account_update" => of_account(value),
        "account_review_update" => {
            let decision = lenient::text(value.get("decision")).unwrap_or_default();
            let is_refused = decision == "REJECTED";
            let effect = if is_refused {
                Effect::Warns
            } else {
                Effect::Tells
            };
            (effect, format!("REVIEW_{decision}"))
        }
        _ => (Effect::Tells, String::new()),
    };
    // What is about a partner is told by the partner's own id, and names the account beside it.
    let account = lenient::text(value.pointer("/waba_info/waba_id"));
    let account = account.or_else(|| lenient::text(entry.get("id")));
    let Some(account) = account else {
        return Some(Inbound::Ignored(format!("field {field} of no account")));
    };
    Some(Inbound::Notice(Notice {
        account: Some(account),
        number: ["display_phone_number", "phone_number"]
            .iter()
            .find_map(|field| lenient::text(value.get(*field))),
        name: field.to_owned(),
        effect,
        code,
        value: lenient::kept(Some(value)).unwrap_or_default(),
        at: lenient::moment(entry.get("time")),
    }))
}

/// What an event of an account means. One that is restricted for a while may still answer,
/// and nothing is told when that ends.
fn of_account(value: &Value) -> (Effect, String) {
    let event = lenient::text(value.get("event")).unwrap_or_default();
    let ban = value.pointer("/ban_info/waba_ban_state");
    // A list of one, or the word alone.
    let ban = lenient::text(ban.and_then(|ban| ban.get(0)).or(ban));
    match (event.as_str(), ban.as_deref()) {
        ("DISABLED_UPDATE", Some("DISABLE")) => (Effect::Blocks, "DISABLED".to_owned()),
        (_, Some("REINSTATE")) => (Effect::Restores, String::new()),
        (_, Some(state)) => (Effect::Warns, state.to_owned()),
        // What is offboarded comes back by itself, within minutes as a rule.
        (
            "ACCOUNT_DELETED"
            | "ACCOUNT_OFFBOARDED"
            | "PARTNER_REMOVED"
            | "PARTNER_APP_UNINSTALLED",
            None,
        ) => (Effect::Blocks, event),
        ("ACCOUNT_RECONNECTED" | "PARTNER_ADDED" | "PARTNER_APP_INSTALLED", None) => {
            (Effect::Restores, String::new())
        }
        ("DISABLED_UPDATE" | "ACCOUNT_VIOLATION" | "ACCOUNT_RESTRICTION", None) => {
            (Effect::Warns, event)
        }
        (_, None) => (Effect::Tells, String::new()),
    }
}

/// Whether somebody wants marketing. Meta itself refuses it then; all else may be sent.
fn preference(value: &Value) -> Inbound {
    let said = lenient::text(value.pointer("/user_preferences/0/value"));
    let said: String = said.unwrap_or_default().chars().take(20).collect();
    Inbound::Ignored(format!("user_preferences {said}"))
}

/// What is wrong with a number, told beside its messages.
pub fn of_error(error: &Value) -> Inbound {
    Inbound::Notice(Notice {
        account: None,
        number: None,
        name: "errors".to_owned(),
        effect: Effect::Warns,
        code: lenient::text(error.get("code")).unwrap_or_else(|| "errors".to_owned()),
        value: lenient::kept(Some(error)).unwrap_or_default(),
        at: None,
    })
}
