//! What a subscriber may ask for: events by name, headers of its own.

use super::Error;
use crate::channel::Invalid;
use crate::model::event::{EventType, Style};
use crate::model::json;
use std::collections::BTreeMap;

/// Checks that there are events of these names, which the style has a form for.
pub fn check_events(style: Style, events: &[String]) -> Result<(), Error> {
    if events.is_empty() || events.len() > 50 {
        return Err(Error::invalid("/events", "must name 1 to 50 events"));
    }
    let is_told = |filter: &str| {
        let mut all = EventType::ALL.into_iter();
        all.any(|event| event.is_meant_by(filter) && style.tells(event))
    };
    let named = events.iter().enumerate();
    let wrong: Vec<Invalid> = named
        .filter_map(|(at, event)| {
            let detail = if !EventType::is_filter(event) {
                "is not an event; * and families such as message.* are".to_owned()
            } else if !is_told(event) {
                format!("has no form in the style {}", style.name())
            } else {
                return None;
            };
            Some(Invalid::new(format!("/events/{at}"), detail))
        })
        .collect();
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(wrong))
    }
}

/// Headers that belong to the request itself or to its signature.
const OWN_HEADERS: [&str; 22] = [
    "host",
    "content-type",
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "x-visito-signature",
    "x-hub-signature",
    "cloove-signature",
    "cloove-webhook-id",
    "cloove-webhook-event",
    "x-validation-token",
    "keep-alive",
    "proxy-connection",
    "expect",
    "date",
];

pub(super) fn check_headers(headers: &BTreeMap<String, String>) -> Result<(), Error> {
    if headers.len() > 20 {
        return Err(Error::invalid("/headers", "must be at most 20"));
    }
    for (name, value) in headers {
        let pointer = format!("/headers{}", json::step(name));
        if http::HeaderName::from_bytes(name.as_bytes()).is_err()
            || OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str())
        {
            return Err(Error::invalid(pointer, "is not a header that can be set"));
        }
        if http::HeaderValue::from_str(value).is_err() || value.len() > 1_024 {
            return Err(Error::invalid(
                pointer,
                "must be at most 1024 printable characters",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_would_break_the_request_are_refused() {
        let one = |name: &str, value: &str| {
            check_headers(&BTreeMap::from([(name.to_owned(), value.to_owned())]))
        };
        assert!(one("x-shop", "42").is_ok());
        assert!(one("Host", "evil.example").is_err());
        assert!(one("webhook-signature", "v1,x").is_err());
        assert!(one("bad name", "x").is_err());
        assert!(one("x-shop", "a\r\nb: c").is_err());
    }
}
