//! `X-Hub-Signature-256`: the right one verifies, and no other.

#![no_main]

use libfuzzer_sys::fuzz_target;
use patchbay::channel::sign::hmac_sha256;
use patchbay::model::channel::ChannelKind;
use patchbay_fuzz::{is_verified, parts, turned};

const HEADER: &str = "x-hub-signature-256";

fuzz_target!(|data: &[u8]| {
    let Some((secret, at, body)) = parts(data) else {
        return;
    };
    let verified = |secret: &str, body: &[u8], header: &[u8]| {
        is_verified(ChannelKind::Whatsapp, secret, "", body, (HEADER, header))
    };
    let Some(right) = hmac_sha256(secret.as_bytes(), body) else {
        assert!(secret.is_empty());
        assert!(!verified("", body, body));
        return;
    };
    let right = format!("sha256={}", hex::encode(right));
    assert!(verified(&secret, body, right.as_bytes()));
    assert!(!verified("", body, right.as_bytes()));
    assert!(!verified(&format!("{secret}x"), body, right.as_bytes()));
    if let Some(body) = turned(body, at) {
        assert!(!verified(&secret, &body, right.as_bytes()));
    }
    if let Some(header) = turned(right.as_bytes(), at) {
        // Digits are the same in either case.
        let is_same =
            header.starts_with(b"sha256=") && header.eq_ignore_ascii_case(right.as_bytes());
        assert_eq!(verified(&secret, body, &header), is_same);
    }
    // What is no signature of this body is none.
    assert!(!verified(&secret, b"", body) || body.is_empty());
});
