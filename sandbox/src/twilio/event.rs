//! What Twilio posts: forms, here as objects of their fields.
//!
//! <https://www.twilio.com/docs/messaging/guides/webhook-request>
//! <https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks>

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::API_VERSION;
use crate::account::Sms;

/// A person's text.
pub(crate) struct Inbound {
    pub message_sid: String,
    pub from: String,
    pub text: String,
    /// The address and the type of each file.
    pub media: Vec<(String, String)>,
}

/// News of a message the business sent.
pub(crate) struct Status {
    pub message_sid: String,
    pub to: String,
    pub status: String,
    pub error_code: Option<i64>,
    pub at: DateTime<Utc>,
}

pub(crate) fn inbound(number: &Sms, inbound: &Inbound) -> Value {
    let mut fields = json!({
        "MessageSid": inbound.message_sid,
        "SmsSid": inbound.message_sid,
        "SmsMessageSid": inbound.message_sid,
        "AccountSid": number.account_sid,
        "ApiVersion": API_VERSION,
        "From": inbound.from,
        "To": number.phone_number,
        "Body": inbound.text,
        "NumMedia": inbound.media.len().to_string(),
        "NumSegments": segments(&inbound.text).to_string(),
        "SmsStatus": "received",
    });
    for (index, (url, mime_type)) in inbound.media.iter().enumerate() {
        fields[format!("MediaUrl{index}")] = json!(url);
        fields[format!("MediaContentType{index}")] = json!(mime_type);
    }
    // Twilio looks these up; of a number it knows nothing about it sends them empty.
    for side in ["From", "To"] {
        for place in ["City", "State", "Zip", "Country"] {
            fields[format!("{side}{place}")] = json!("");
        }
    }
    if let Some(keyword) = Keyword::of(&inbound.text)
        && number.advanced_opt_out
    {
        fields["OptOutType"] = json!(keyword.name());
    }
    fields
}

pub(crate) fn status(number: &Sms, status: &Status) -> Value {
    let mut fields = json!({
        "MessageSid": status.message_sid,
        "SmsSid": status.message_sid,
        "MessageStatus": status.status,
        "SmsStatus": status.status,
        "AccountSid": number.account_sid,
        "ApiVersion": API_VERSION,
        "From": number.phone_number,
        "To": status.to,
    });
    if let Some(code) = status.error_code {
        fields["ErrorCode"] = json!(code.to_string());
    }
    if matches!(status.status.as_str(), "delivered" | "undelivered") {
        fields["RawDlrDoneDate"] = json!(status.at.format("%y%m%d%H%M").to_string());
    }
    fields
}

/// A word Twilio answers by itself.
///
/// <https://help.twilio.com/articles/223134027>
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Keyword {
    Stop,
    Start,
    Help,
}

impl Keyword {
    /// The keyword a whole text is, however it is written.
    pub(crate) fn of(text: &str) -> Option<Self> {
        match text.trim().to_ascii_uppercase().as_str() {
            "STOP" | "STOPALL" | "UNSUBSCRIBE" | "CANCEL" | "END" | "QUIT" | "OPTOUT"
            | "REVOKE" => Some(Keyword::Stop),
            "START" | "YES" | "UNSTOP" => Some(Keyword::Start),
            "HELP" | "INFO" => Some(Keyword::Help),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Keyword::Stop => "STOP",
            Keyword::Start => "START",
            Keyword::Help => "HELP",
        }
    }
}

/// How many messages a text takes on the air.
///
/// <https://www.twilio.com/docs/glossary/what-is-gsm-7-character-encoding>
pub(super) fn segments(text: &str) -> usize {
    let septets: Option<usize> = text.chars().map(septets).sum();
    let (length, alone, joined) = match septets {
        Some(septets) => (septets, 160, 153),
        None => (text.encode_utf16().count(), 70, 67),
    };
    if length <= alone {
        1
    } else {
        length.div_ceil(joined)
    }
}

/// The room a character takes in GSM-7, if it is there at all.
fn septets(character: char) -> Option<usize> {
    const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
    const EXTENDED: &str = "^{}\\[~]|€\u{c}";
    if BASIC.contains(character) {
        Some(1)
    } else if EXTENDED.contains(character) {
        Some(2)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_counted_in_the_alphabet_it_needs() {
        let cases = [
            ("a".repeat(160), 1),
            ("a".repeat(161), 2),
            ("€".repeat(80), 1),
            ("€".repeat(81), 2),
            ("я".repeat(70), 1),
            ("я".repeat(71), 2),
            ("👍".repeat(36), 2),
        ];

        for (text, count) in cases {
            assert_eq!(segments(&text), count, "{text}");
        }
    }
}
