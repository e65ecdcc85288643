//! WhatsApp's error codes.
//!
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes>

use http::StatusCode;
use serde_json::{Value, json};

use crate::faults::{Fault, FaultMode};
use crate::graph::Refusal;

const DOCS: &str = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/";

/// The refusal of a code, with what WhatsApp says about it.
pub(super) fn of_code(code: i64, details: impl Into<String>) -> Refusal {
    // The one code for which Meta documents another status.
    let status = if code == 132_001 {
        StatusCode::NOT_FOUND
    } else {
        StatusCode::BAD_REQUEST
    };
    Refusal::new(code, title(code))
        .with_status(status)
        .with_details(details)
}

/// A parameter messages of this type need is missing.
pub(super) fn missing(parameter: &str) -> Refusal {
    of_code(131_008, format!("The parameter {parameter} is required."))
}

/// A parameter has a value it cannot have.
pub(super) fn invalid(parameter: &str, why: &str) -> Refusal {
    of_code(131_009, format!("Param {parameter} {why}"))
}

/// A field that is not part of the API.
pub(super) fn unexpected(key: &str, at: &str) -> Refusal {
    let on = if at.is_empty() { "body" } else { at };
    Refusal::new(100, "Invalid parameter")
        .with_details(format!("Unexpected key \"{key}\" on param \"{on}\"."))
}

pub(super) fn not_received() -> Refusal {
    let details = "The message_id is not that of a message this phone number received.";
    Refusal::new(100, "Invalid parameter").with_details(details)
}

pub(super) fn unsupported_type(kind: &str) -> Refusal {
    of_code(131_051, format!("Message type '{kind}' is not supported"))
}

pub(super) fn window_closed() -> Refusal {
    of_code(131_047, details(131_047).unwrap_or_default())
}

/// The refusal a fault asks for.
pub(super) fn of(fault: &Fault) -> Refusal {
    let (code, status) = match fault.mode {
        FaultMode::Throttle => (130_429, 400),
        FaultMode::Unauthorized => (190, 401),
        FaultMode::CodedServerError => (131_000, 500),
        FaultMode::Fail
        | FaultMode::ServerError
        | FaultMode::Hang
        | FaultMode::Reset
        | FaultMode::HangAccepted
        | FaultMode::AcceptReset
        | FaultMode::Truncate
        | FaultMode::Slow
        | FaultMode::FailLater => (131_026, 400),
    };
    let code = fault.code.unwrap_or(code);
    let status = if matches!(code, 0 | 190) { 401 } else { status };
    let refusal = Refusal::new(code, title(code)).of_fault(fault, status);
    match details(code) {
        Some(details) => refusal.with_details(details),
        None => refusal,
    }
}

/// An entry of `errors` in a status that says `failed`.
pub(super) fn report(code: i64) -> Value {
    let mut error = json!({
        "code": code,
        "title": title(code),
        "message": title(code),
        "href": DOCS,
    });
    if let Some(details) = details(code) {
        error["error_data"] = json!({"details": details});
    }
    json!([error])
}

fn title(code: i64) -> &'static str {
    match code {
        0 => "We were unable to authenticate the app user",
        4 => "Application request limit reached",
        10 => "Permission denied",
        33 => "Parameter value is not valid",
        100 => "Invalid parameter",
        190 => "Error validating access token: The session has been invalidated",
        368 => "Temporarily blocked for policies violations",
        80_007 => "Rate limit issues",
        130_429 => "Rate limit hit",
        130_472 => "User's number is part of an experiment",
        131_000 => "Something went wrong",
        131_005 => "Access denied",
        131_008 => "Required parameter is missing",
        131_009 => "Parameter value is not valid",
        131_016 => "Service unavailable",
        131_021 => "Recipient cannot be sender",
        131_026 => "Message undeliverable",
        131_030 => "Recipient phone number not in allowed list",
        131_031 => "Account has been locked",
        131_042 => "Business eligibility payment issue",
        131_047 => "Re-engagement message",
        131_048 => "Spam rate limit hit",
        131_049 => "This message was not delivered to maintain healthy ecosystem engagement.",
        131_050 => {
            "Unable to deliver the message. This recipient has chosen to stop receiving marketing messages on WhatsApp from your business"
        }
        131_051 => "Unsupported message type",
        131_052 => "Media download error",
        131_053 => "Media upload error",
        131_056 => "(Business Account, Consumer Account) pair rate limit hit",
        131_057 => "Account in maintenance mode",
        131_062 => "Business-scoped User ID (BSUID) recipients are not supported for this message",
        132_000 => "Number of parameters does not match the expected number of params",
        132_001 => "Template name does not exist in the translation",
        132_005 => "Translated text too long",
        132_007 => "Template content violates policy",
        132_012 => "Parameter format does not match format in the created template",
        132_015 => "Template is paused",
        132_016 => "Template is disabled",
        132_018 => "There's an issue with the parameters in your template",
        133_010 => "Phone number not registered",
        _ => "An unknown error has occurred",
    }
}

fn details(code: i64) -> Option<&'static str> {
    match code {
        130_429 => Some(
            "Message failed to send because there were too many messages sent from this phone number in a short period of time",
        ),
        131_000 => Some("Message failed to send due to an unknown error."),
        131_026 => Some("Message Undeliverable."),
        131_047 => Some(
            "Message failed to send because more than 24 hours have passed since the customer last replied to this number.",
        ),
        131_056 => Some(
            "Message failed to send because there were too many messages sent from this phone number to the same phone number in a short period of time.",
        ),
        _ => None,
    }
}
