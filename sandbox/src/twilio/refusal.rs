//! Twilio's errors.
//!
//! <https://www.twilio.com/docs/api/errors>

use http::StatusCode;
use serde_json::json;

use crate::faults::{Answer, Fault, FaultMode};

/// Why a call was refused.
#[derive(Debug)]
pub(super) struct Refusal {
    pub code: i64,
    status: StatusCode,
    message: String,
    /// Seconds.
    retry_after: Option<u64>,
}

impl Refusal {
    /// Refused with status 400.
    pub(super) fn new(code: i64, message: impl Into<String>) -> Self {
        Self {
            code,
            status: StatusCode::BAD_REQUEST,
            message: message.into(),
            retry_after: None,
        }
    }

    pub(super) fn answer(&self) -> Answer {
        let body = json!({
            "code": self.code,
            "message": self.message,
            "more_info": format!("https://www.twilio.com/docs/errors/{}", self.code),
            "status": self.status.as_u16(),
        });
        let answer = Answer::json(self.status, &body);
        match self.retry_after {
            Some(seconds) => answer.with("retry-after", seconds.to_string()),
            None => answer,
        }
    }
}

pub(super) fn unauthorized() -> Refusal {
    let mut refusal = Refusal::new(20_003, title(20_003));
    refusal.status = StatusCode::UNAUTHORIZED;
    refusal
}

pub(super) fn not_found(resource: &str) -> Refusal {
    let mut refusal = Refusal::new(
        20_404,
        format!("The requested resource {resource} was not found"),
    );
    refusal.status = StatusCode::NOT_FOUND;
    refusal
}

pub(super) fn opted_out() -> Refusal {
    Refusal::new(21_610, title(21_610))
}

/// The refusal a fault asks for.
pub(super) fn of(fault: &Fault) -> Refusal {
    let (code, status) = match fault.mode {
        FaultMode::Throttle => (20_429, 429),
        FaultMode::Unauthorized => (20_003, 401),
        FaultMode::CodedServerError => (20_500, 500),
        FaultMode::Fail
        | FaultMode::ServerError
        | FaultMode::Hang
        | FaultMode::Reset
        | FaultMode::HangAccepted
        | FaultMode::AcceptReset
        | FaultMode::Truncate
        | FaultMode::Slow
        | FaultMode::FailLater => (21_614, 400),
    };
    let code = fault.code.unwrap_or(code);
    let mut refusal = Refusal::new(code, title(code));
    refusal.status = fault.http_status(status);
    refusal.retry_after = match fault.mode {
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
    refusal
}

fn title(code: i64) -> &'static str {
    match code {
        20_003 => "Authenticate",
        20_429 => "Too Many Requests",
        20_500 => "An internal server error has occurred",
        21_211 => "Invalid 'To' Phone Number",
        21_408 => {
            "Permission to send an SMS has not been enabled for the region indicated by the 'To' number"
        }
        21_606 => {
            "The 'From' phone number provided is not a valid message-capable Twilio phone number"
        }
        21_608 => {
            "The number is unverified. Trial accounts cannot send messages to unverified numbers"
        }
        21_610 => "Attempt to send to unsubscribed recipient",
        21_611 => "This 'From' number has exceeded the maximum number of queued messages",
        21_612 => "The 'To' phone number is not currently reachable via SMS",
        21_614 => "'To' number is not a valid mobile number",
        30_001 => "Queue overflow",
        30_002 => "Account suspended",
        _ => "Bad request",
    }
}
