//! What the Messenger Platform says when it refuses.
//!
//! <https://developers.facebook.com/docs/messenger-platform/error-codes>

use super::Platform;
use crate::faults::{Fault, FaultMode};
use crate::graph::Refusal;

pub(super) fn window_closed(platform: Platform) -> Refusal {
    let subcode = match platform {
        Platform::Messenger => 2_018_278,
        Platform::Instagram => 2_534_022,
    };
    let message = "This message is sent outside of allowed window.";
    Refusal::new(10, message).with_subcode(subcode)
}

pub(super) fn unknown_person() -> Refusal {
    Refusal::new(100, "No matching user found").with_subcode(2_018_001)
}

pub(super) fn unknown_message(parameter: &str) -> Refusal {
    Refusal::new(
        100,
        format!("Param {parameter} is not a message of this conversation"),
    )
}

pub(super) fn empty_message() -> Refusal {
    let message = "Message cannot be empty, must provide valid attachment or text";
    Refusal::new(100, message).with_subcode(2_018_034)
}

pub(super) fn upload_failed() -> Refusal {
    Refusal::new(100, "Upload attachment failure.").with_subcode(2_018_047)
}

pub(super) fn invalid(parameter: &str, why: &str) -> Refusal {
    Refusal::new(100, format!("Param {parameter} {why}"))
}

pub(super) fn unknown_keys(parameter: &str, keys: &[&str]) -> Refusal {
    let keys = keys.join("\", \"");
    let message = format!("Invalid keys \"{keys}\" were found in param \"{parameter}\".");
    Refusal::new(100, message)
}

pub(super) fn too_many(parameter: &str) -> Refusal {
    Refusal::new(105, format!("param {parameter} has too many elements."))
}

pub(super) fn too_few(parameter: &str) -> Refusal {
    Refusal::new(194, format!("param {parameter} has too few elements."))
}

/// The refusal a fault asks for.
pub(super) fn of(fault: &Fault) -> Refusal {
    let (code, status) = match fault.mode {
        FaultMode::Throttle => (613, 400),
        FaultMode::Unauthorized => (190, 400),
        FaultMode::CodedServerError => (1200, 500),
        FaultMode::Fail
        | FaultMode::ServerError
        | FaultMode::Hang
        | FaultMode::Reset
        | FaultMode::HangAccepted
        | FaultMode::AcceptReset
        | FaultMode::Truncate
        | FaultMode::Slow
        | FaultMode::FailLater => (551, 400),
    };
    let code = fault.code.unwrap_or(code);
    let refusal = match code {
        190 => Refusal::bad_token(),
        551 => Refusal::new(551, title(551)).with_subcode(1_545_041),
        code => Refusal::new(code, title(code)),
    };
    refusal.of_fault(fault, status)
}

fn title(code: i64) -> &'static str {
    match code {
        1 => "An unknown error occurred",
        2 => "Service temporarily unavailable",
        4 => "Application request limit reached",
        10 => "This message is sent outside of allowed window.",
        100 => "Invalid parameter",
        200 => "Permissions error",
        230 => "Requires pages_messaging permission to manage the object",
        368 => "The action attempted has been deemed abusive or is otherwise disallowed",
        551 => "This person isn't available right now.",
        613 => "Calls to this api have exceeded the rate limit.",
        1200 => "Temporary send message failure. Please try again later.",
        80_004 => "There have been too many calls to this account.",
        _ => "An unknown error has occurred",
    }
}
