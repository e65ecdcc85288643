//! What may stand for a template's placeholders, and how long what comes of it may be.
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/guides/send-message-templates>

use super::super::Invalid;
use super::template::{Button, Form, cut};

/// Characters of a header, filled.
pub const LONGEST_HEADER: usize = 60;
/// Characters of a body, filled: beside other parts, and alone.
const LONGEST_BODY: (usize, usize) = (1_024, 32_768);
/// Characters of an address, filled.
const LONGEST_URL: usize = 2_000;
/// Characters of a coupon's code, and of a one-time password.
const LONGEST_COUPON: usize = 20;
const LONGEST_CODE: usize = 15;

pub fn longest_body(form: &Form<'_>) -> usize {
    let (beside, alone) = LONGEST_BODY;
    if form.has_more { beside } else { alone }
}

/// Checks the length of a part, filled.
pub fn check_length(
    filled: &str,
    most: usize,
    part: &str,
    pointer: impl FnOnce() -> String,
) -> Result<(), Invalid> {
    let length = filled.chars().count();
    if length <= most {
        return Ok(());
    }
    Err(Invalid::new(
        pointer(),
        format!("must leave the {part} at most {most} characters; filled, it has {length}"),
    ))
}

/// Checks the length of what a button is given.
pub fn check_button_text(button: &Button<'_>, text: &str, pointer: &str) -> Result<(), Invalid> {
    let at = || pointer.to_owned();
    match button {
        Button::Url(url) => check_length(&rendered(url, |_| text), LONGEST_URL, "address", at),
        Button::Code => check_length(text, LONGEST_CODE, "code", at),
        Button::Coupon => check_length(text, LONGEST_COUPON, "code", at),
        Button::QuickReply | Button::Other(_) => Ok(()),
    }
}

/// A text with what stands for each placeholder.
pub fn rendered<'a>(body: &'a str, text_of: impl Fn(&str) -> &'a str) -> String {
    let (parts, rest) = cut(body);
    let mut text = String::with_capacity(body.len());
    for (before, token) in parts {
        text.push_str(before);
        text.push_str(text_of(token));
    }
    text.push_str(rest);
    text
}

/// Meta takes no line breaks, tabs or runs of spaces inside a parameter, and none that
/// is empty.
pub fn check_text(text: &str, pointer: &str) -> Result<(), Invalid> {
    let wrong = if text.trim().is_empty() {
        "must not be empty"
    } else if text.contains(['\n', '\r', '\t']) {
        "must have no line breaks and no tabs"
    } else if text.contains("     ") {
        "must have at most 4 spaces in a row"
    } else {
        return Ok(());
    };
    Err(Invalid::new(pointer, wrong))
}
