//! Graph API errors.
//!
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes>

use http::StatusCode;
use serde_json::{Value, json};

use crate::faults::{Fault, FaultMode};

const DOCS: &str = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/";

/// Why a call was refused.
#[derive(Debug)]
pub(super) struct Refusal {
    pub status: StatusCode,
    pub code: i64,
    subcode: Option<i64>,
    message: String,
    details: Option<String>,
    /// Seconds.
    pub retry_after: Option<u64>,
}

impl Refusal {
    fn new(status: StatusCode, code: i64, message: &str) -> Self {
        Self {
            status,
            code,
            subcode: None,
            message: format!("(#{code}) {message}"),
            details: None,
            retry_after: None,
        }
    }

    fn with_details(code: i64, details: impl Into<String>) -> Self {
        let mut refusal = Self::new(StatusCode::BAD_REQUEST, code, title(code));
        refusal.details = Some(details.into());
        refusal
    }

    pub(super) fn bad_token() -> Self {
        let mut refusal = Self::new(StatusCode::UNAUTHORIZED, 190, "");
        refusal.message = title(190).to_owned();
        refusal
    }

    pub(super) fn unknown_version() -> Self {
        let mut refusal = Self::new(StatusCode::BAD_REQUEST, 2500, "");
        refusal.message = "Unknown path components".to_owned();
        refusal
    }

    pub(super) fn unknown_object(id: &str) -> Self {
        let mut refusal = Self::new(StatusCode::BAD_REQUEST, 100, "");
        refusal.subcode = Some(33);
        refusal.message = format!(
            "Unsupported post request. Object with ID '{id}' does not exist, cannot be loaded \
             due to missing permissions, or does not support this operation"
        );
        refusal
    }

    /// A parameter every message needs is missing.
    pub(super) fn required(parameter: &str) -> Self {
        let message = format!("The parameter {parameter} is required.");
        Self::new(StatusCode::BAD_REQUEST, 100, &message)
    }

    /// A parameter messages of this type need is missing.
    pub(super) fn missing(parameter: &str) -> Self {
        Self::with_details(131_008, format!("The parameter {parameter} is required."))
    }

    /// A parameter has a value it cannot have.
    pub(super) fn invalid(parameter: &str, why: &str) -> Self {
        Self::with_details(131_009, format!("Param {parameter} {why}"))
    }

    pub(super) fn unsupported_type(kind: &str) -> Self {
        let details = format!("Message type '{kind}' is not supported");
        Self::with_details(131_051, details)
    }

    pub(super) fn window_closed() -> Self {
        Self::with_details(131_047, details(131_047).unwrap_or_default())
    }

    /// The refusal a fault asks for.
    pub(super) fn of(fault: &Fault) -> Self {
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
        let mut refusal = Self::new(fault.http_status(status), code, title(code));
        refusal.details = details(code).map(str::to_owned);
        if fault.mode == FaultMode::Throttle {
            refusal.retry_after = Some(fault.retry_after.unwrap_or(1));
        } else {
            refusal.retry_after = fault.retry_after;
        }
        refusal
    }

    pub(super) fn body(&self, trace_id: &str) -> Value {
        let mut error = json!({
            "message": self.message,
            "type": "OAuthException",
            "code": self.code,
            "fbtrace_id": trace_id,
        });
        if let Some(subcode) = self.subcode {
            error["error_subcode"] = json!(subcode);
        }
        if let Some(details) = &self.details {
            error["error_data"] = json!({"messaging_product": "whatsapp", "details": details});
        }
        json!({"error": error})
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
        132_000 => "Number of parameters does not match the expected number of params",
        132_001 => "Template name does not exist in the translation",
        132_005 => "Translated text too long",
        132_007 => "Template content violates policy",
        132_012 => "Parameter format does not match format in the created template",
        132_015 => "Template is paused",
        132_016 => "Template is disabled",
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
