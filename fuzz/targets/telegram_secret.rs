//! `X-Telegram-Bot-Api-Secret-Token`: the channel's own secret verifies, and nothing else.

#![no_main]

use libfuzzer_sys::fuzz_target;
use patchbay::model::channel::ChannelKind;
use patchbay_fuzz::{is_verified, parts, turned};

const HEADER: &str = "x-telegram-bot-api-secret-token";

fuzz_target!(|data: &[u8]| {
    let Some((secret, at, given)) = parts(data) else {
        return;
    };
    let verified = |secret: &str, header: &[u8]| {
        is_verified(ChannelKind::Telegram, secret, "", b"{}", (HEADER, header))
    };
    // As Telegram allows them.
    let is_secret = !secret.is_empty()
        && secret
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if is_secret {
        assert!(verified(&secret, secret.as_bytes()));
        let other = turned(secret.as_bytes(), at).expect("a bit");
        assert!(!verified(&secret, &other));
    }
    assert!(!verified("", given));
    assert!(!verified(&secret, given) || given == secret.as_bytes());
});
