//! `Idempotency-Key`: a key is printable and not too long, and the same bare and quoted.

#![no_main]

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use patchbay::api::idempotency_key;

fn key(value: &[u8]) -> Option<Option<String>> {
    let mut headers = HeaderMap::new();
    headers.insert("idempotency-key", HeaderValue::from_bytes(value).ok()?);
    idempotency_key(&headers).ok()
}

fuzz_target!(|value: &[u8]| {
    let read = key(value);
    assert_eq!(read, key(value), "the same key again");
    let Some(read) = read else {
        return;
    };
    let read = read.expect("a header is a key or wrong");
    assert!((1..=255).contains(&read.len()));
    assert!(read.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
    let escaped = read.replace('\\', "\\\\").replace('"', "\\\"");
    let quoted = format!("\"{escaped}\"");
    assert_eq!(key(quoted.as_bytes()), Some(Some(read.clone())));
    if read.trim() == read && !read.starts_with('"') {
        assert_eq!(key(read.as_bytes()), Some(Some(read)));
    }
});
