//! Graph API errors, the same for every product behind it.
//!
//! <https://developers.facebook.com/docs/graph-api/guides/error-handling>

use http::StatusCode;
use serde_json::{Value, json};

use crate::faults::{Fault, FaultMode};

/// Why a call was refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub status: StatusCode,
    pub code: i64,
    subcode: Option<i64>,
    message: String,
    /// What WhatsApp adds.
    details: Option<String>,
    to_user: Option<Box<Words>>,
    /// Seconds.
    pub retry_after: Option<u64>,
}

/// For the person at the screen.
#[derive(Debug)]
struct Words {
    title: String,
    text: String,
}

impl Refusal {
    /// Refused with status 400 and `(#code) message`.
    pub(crate) fn new(code: i64, message: impl AsRef<str>) -> Self {
        Self::bare(code, format!("(#{code}) {}", message.as_ref()))
    }

    /// The same, without the code in the message.
    fn bare(code: i64, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code,
            subcode: None,
            message: message.into(),
            details: None,
            to_user: None,
            retry_after: None,
        }
    }

    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn with_subcode(mut self, subcode: i64) -> Self {
        self.subcode = Some(subcode);
        self
    }

    pub(crate) fn with_details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(details.into());
        self
    }

    pub(crate) fn with_words_to_the_user(
        mut self,
        title: impl Into<String>,
        text: impl Into<String>,
    ) -> Self {
        let (title, text) = (title.into(), text.into());
        self.to_user = Some(Box::new(Words { title, text }));
        self
    }

    /// With the status and the pause a fault asks for.
    pub(crate) fn of_fault(mut self, fault: &Fault, status: u16) -> Self {
        self.status = fault.http_status(status);
        self.retry_after = match fault.mode {
            FaultMode::Throttle => Some(fault.retry_after.unwrap_or(1)),
            FaultMode::Fail
            | FaultMode::Unauthorized
            | FaultMode::CodedServerError
            | FaultMode::ServerError
            | FaultMode::Hang
            | FaultMode::Reset
            | FaultMode::HangAccepted
            | FaultMode::AcceptReset
            | FaultMode::Truncate
            | FaultMode::Slow
            | FaultMode::FailLater => fault.retry_after,
        };
        self
    }

    pub(crate) fn bad_token() -> Self {
        Self::bare(
            190,
            "Error validating access token: The session has been invalidated",
        )
    }

    pub(crate) fn unknown_version() -> Self {
        Self::bare(2500, "Unknown path components")
    }

    pub(crate) fn unknown_object(method: &str, id: &str) -> Self {
        let message = format!(
            "Unsupported {method} request. Object with ID '{id}' does not exist, cannot be loaded \
             due to missing permissions, or does not support this operation"
        );
        Self::bare(100, message).with_subcode(33)
    }

    /// A parameter every call needs is missing.
    pub(crate) fn required(parameter: &str) -> Self {
        Self::new(100, format!("The parameter {parameter} is required."))
    }

    pub(crate) fn unknown_field(field: &str) -> Self {
        let message = format!("Tried accessing nonexisting field ({field})");
        Self::new(100, message)
    }

    pub(crate) fn body(&self, trace_id: &str) -> Value {
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
        if let Some(words) = &self.to_user {
            error["error_user_title"] = json!(words.title);
            error["error_user_msg"] = json!(words.text);
            error["is_transient"] = json!(false);
        }
        json!({"error": error})
    }
}
