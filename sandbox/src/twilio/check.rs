//! The rules the parameters of a message must keep, checked as strictly as Twilio checks them.
//!
//! Twilio passes over a parameter it does not know; here it is refused, since it is somebody's mistake.
//!
//! <https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource>

use std::collections::BTreeMap;

use http::{HeaderMap, header};
use serde_json::{Value, json};

use super::refusal::Refusal;
use crate::account::{Sms, is_e164};
use crate::link::is_link;
use crate::shown::Shown;

const BODY_CHARACTERS: usize = 1600;
const MEDIA: usize = 10;
/// Those that may come several times.
const REPEATED: [&str; 2] = ["MediaUrl", "PersistentAction"];
const SINGLE: [&str; 23] = [
    "AddressRetention",
    "ApplicationSid",
    "Attempt",
    "Body",
    "ContentRetention",
    "ContentSid",
    "ContentVariables",
    "FallbackFrom",
    "ForceDelivery",
    "From",
    "MaxPrice",
    "MessagingServiceSid",
    "ProvideFeedback",
    "RiskCheck",
    "ScheduleType",
    "SendAsMms",
    "SendAt",
    "ShortenUrls",
    "SmartEncoded",
    "StatusCallback",
    "To",
    "TrafficType",
    "ValidityPeriod",
];

/// The fields of a call, each with its values.
pub(super) struct Form(BTreeMap<String, Vec<String>>);

impl Form {
    /// What came as a form. Of any other body Twilio sees nothing.
    pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Self {
        let content_type = headers.get(header::CONTENT_TYPE);
        let is_form = content_type
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
        let mut fields = BTreeMap::<_, Vec<_>>::new();
        if is_form {
            for (name, value) in form_urlencoded::parse(body) {
                let values = fields.entry(name.into_owned()).or_default();
                values.push(value.into_owned());
            }
        }
        Self(fields)
    }

    /// The fields as the journal keeps them. Those that may repeat are arrays.
    pub(super) fn as_value(&self) -> Value {
        let fields = self.0.iter().map(|(name, values)| {
            let value = match values.as_slice() {
                [value] if !REPEATED.contains(&name.as_str()) => json!(value),
                values => json!(values),
            };
            (name.clone(), value)
        });
        Value::Object(fields.collect())
    }

    /// An empty field counts as none.
    fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name)?.first()?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    fn all(&self, name: &str) -> Vec<String> {
        self.0.get(name).cloned().unwrap_or_default()
    }
}

pub(super) struct Outbound {
    pub to: String,
    pub body: Option<String>,
    pub media: Vec<String>,
    pub status_callback: Option<String>,
}

impl Outbound {
    pub(super) fn shown(&self) -> Shown {
        let kind = if self.media.is_empty() {
            "text"
        } else {
            "media"
        };
        let media = self.media.iter().map(|url| Some(url.as_str()));
        Shown::lines(kind, media.chain([self.body.as_deref()]))
    }
}

/// Reads the parameters of a message. Answers which of the numbers sends it.
pub(super) fn message(numbers: &[Sms], form: &Form) -> Result<(Sms, Outbound), Refusal> {
    for (name, values) in &form.0 {
        let is_single = SINGLE.contains(&name.as_str());
        if !is_single && !REPEATED.contains(&name.as_str()) {
            return Err(Refusal::new(20_001, format!("Unknown parameter {name}")));
        }
        if is_single && values.len() > 1 {
            let message = format!("Parameter {name} is there more than once");
            return Err(Refusal::new(20_001, message));
        }
    }
    let to = form
        .get("To")
        .ok_or_else(|| Refusal::new(21_604, "A 'To' phone number is required."))?;
    if !is_e164(to) {
        return Err(Refusal::new(
            21_211,
            format!("Invalid 'To' Phone Number: {to}"),
        ));
    }
    let number = sender(numbers, form)?;
    if number.phone_number == to {
        let message = "'To' and 'From' number cannot be the same";
        return Err(Refusal::new(21_266, message));
    }
    if let Some(sid) = form.get("ContentSid") {
        let message = format!("The ContentSid {sid} is invalid");
        return Err(Refusal::new(21_655, message));
    }
    let body = form.get("Body").map(str::to_owned);
    let media = form.all("MediaUrl");
    if body.is_none() && media.is_empty() {
        return Err(Refusal::new(21_602, "Message body is required."));
    }
    if body
        .as_ref()
        .is_some_and(|body| body.chars().count() > BODY_CHARACTERS)
    {
        let message = "The concatenated message body exceeds the 1600 character limit";
        return Err(Refusal::new(21_617, message));
    }
    if media.len() > MEDIA {
        return Err(Refusal::new(
            21_623,
            "Number of media files exceeds allowed limit",
        ));
    }
    if let Some(url) = media.iter().find(|url| !is_link(url)) {
        return Err(Refusal::new(21_620, format!("Invalid media URL(s): {url}")));
    }
    let status_callback = form.get("StatusCallback").map(str::to_owned);
    if let Some(url) = status_callback.as_ref().filter(|url| !is_link(url)) {
        let message = format!("The StatusCallback URL {url} is not a valid URL.");
        return Err(Refusal::new(21_609, message));
    }
    let validity = form.get("ValidityPeriod").map(str::parse::<u32>);
    if validity.is_some_and(|seconds| !matches!(seconds, Ok(1..=36_000))) {
        let message = "Parameter ValidityPeriod must be between 1 and 36000";
        return Err(Refusal::new(20_001, message));
    }
    Ok((
        number,
        Outbound {
            to: to.to_owned(),
            body,
            media,
            status_callback,
        },
    ))
}

fn sender(numbers: &[Sms], form: &Form) -> Result<Sms, Refusal> {
    let Some(from) = form.get("From") else {
        return Err(match form.get("MessagingServiceSid") {
            None => Refusal::new(21_603, "A 'From' phone number is required."),
            Some(sid) => {
                let message = format!("The Messaging Service {sid} does not exist");
                Refusal::new(21_701, message)
            }
        });
    };
    if !is_e164(from) {
        let message = format!("Invalid From Number (caller ID): {from}");
        return Err(Refusal::new(21_212, message));
    }
    let mut mine = numbers.iter().filter(|number| number.phone_number == from);
    mine.next().cloned().ok_or_else(|| {
        let message = format!(
            "The 'From' phone number {from} is not a valid, message-capable Twilio phone number \
             of your account"
        );
        Refusal::new(21_606, message)
    })
}
