//! Signatures and secrets, compared in constant time.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// HMAC-SHA256 of `message`; `None` under an empty key, which must never verify.
#[must_use]
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> Option<[u8; 32]> {
    if key.is_empty() {
        return None;
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(message);
    Some(mac.finalize().into_bytes().into())
}

/// Whether two secrets are the same, in time that tells nothing of where they
/// differ. An empty secret equals nothing, not even an empty one.
#[must_use]
pub fn same_secret(expected: &str, given: &str) -> bool {
    !expected.is_empty() && expected.as_bytes().ct_eq(given.as_bytes()).into()
}

/// Checks `sha256=<hex>` over the raw body, as Meta signs its webhooks.
/// <https://developers.facebook.com/docs/graph-api/webhooks/getting-started>
#[must_use]
pub fn is_hub_signature(secret: &str, body: &[u8], header: &str) -> bool {
    let Some(given) = header.trim().strip_prefix("sha256=") else {
        return false;
    };
    let Ok(given) = hex::decode(given) else {
        return false;
    };
    let Some(expected) = hmac_sha256(secret.as_bytes(), body) else {
        return false;
    };
    expected.as_slice().ct_eq(&given).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GitHub's published example of the same scheme:
    /// <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>
    const SECRET: &str = "It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    const SIGNATURE: &str =
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    #[test]
    fn the_published_vector_verifies() {
        assert!(is_hub_signature(SECRET, BODY, SIGNATURE));
    }

    #[test]
    fn every_way_of_being_wrong_is_refused() {
        assert!(!is_hub_signature("", BODY, SIGNATURE));
        assert!(!is_hub_signature("another secret", BODY, SIGNATURE));
        assert!(!is_hub_signature(SECRET, b"Hello, World?", SIGNATURE));
        assert!(!is_hub_signature(
            SECRET,
            BODY,
            &SIGNATURE[..SIGNATURE.len() - 2]
        ));
        assert!(!is_hub_signature(SECRET, BODY, "sha256="));
        assert!(!is_hub_signature(SECRET, BODY, ""));
        assert!(!is_hub_signature(
            SECRET,
            BODY,
            &SIGNATURE.replace("sha256=", "sha1=")
        ));
        assert!(!is_hub_signature(SECRET, BODY, "sha256=zz"));
    }

    #[test]
    fn an_empty_secret_equals_nothing() {
        assert!(same_secret("token", "token"));
        assert!(!same_secret("token", "Token"));
        assert!(!same_secret("", ""));
        assert!(hmac_sha256(b"", b"body").is_none());
    }
}
