//! `X-Twilio-Signature`: that of this URL and these fields verifies, and no other.

#![no_main]

use libfuzzer_sys::fuzz_target;
use patchbay::channel::sign::twilio_signature;
use patchbay::model::channel::ChannelKind;
use patchbay_fuzz::{is_verified, parts, turned};
use std::collections::BTreeSet;

const HEADER: &str = "x-twilio-signature";
const URL: &str = "https://patchbay.test/inbound/0197a000-0000-7000-8000-000000000001";

/// What Twilio signs of a form: two that are alike in this are alike.
fn signed(form: &[u8]) -> String {
    let fields: BTreeSet<_> = url::form_urlencoded::parse(form).collect();
    let fields = fields.iter();
    fields
        .map(|(name, value)| format!("{name}{value}"))
        .collect()
}

fuzz_target!(|data: &[u8]| {
    let Some((token, at, form)) = parts(data) else {
        return;
    };
    let verified = |token: &str, url: &str, form: &[u8], header: &[u8]| {
        is_verified(ChannelKind::Sms, token, url, form, (HEADER, header))
    };
    let Some(right) = twilio_signature(&token, URL, form) else {
        assert!(token.is_empty());
        assert!(!verified("", URL, form, form));
        return;
    };
    let right = right.as_bytes();
    assert!(verified(&token, URL, form, right));
    assert!(!verified("", URL, form, right));
    assert!(!verified(&format!("{token}x"), URL, form, right));
    if let Some(other) = turned(form, at) {
        let is_same = signed(&other) == signed(form);
        assert_eq!(verified(&token, URL, &other, right), is_same);
    }
    let other = turned(right, at).expect("a bit");
    assert!(!verified(&token, URL, form, &other));
    let elsewhere = turned(URL.as_bytes(), at).and_then(|url| String::from_utf8(url).ok());
    if let Some(elsewhere) = elsewhere {
        assert!(!verified(&token, &elsewhere, form, right));
    }
    assert!(!verified(&token, URL, b"", form));
});
