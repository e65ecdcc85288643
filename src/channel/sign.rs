//! Signatures and secrets, compared in constant time.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
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

/// Checks `X-Twilio-Signature` of a POST to `url`: that of its form's fields, or, where
/// the query carries `bodySHA256`, that of the URL, with the body under the hash in it.
/// <https://www.twilio.com/docs/usage/webhooks/webhooks-security>
#[must_use]
pub fn is_twilio_signature(token: &str, url: &str, body: &[u8], header: &str) -> bool {
    let form = match body_hash(url) {
        Some(hash) if same_secret(&hex::encode(Sha256::digest(body)), &hash) => &[],
        Some(_) => return false,
        None => body,
    };
    as_twilio_writes(url).iter().any(|url| {
        twilio_signature(token, url, form)
            .is_some_and(|expected| same_secret(&expected, header.trim()))
    })
}

/// The signature of a form posted to a URL, as Twilio makes it; `None` under an empty
/// token, which must never verify.
#[must_use]
pub fn twilio_signature(token: &str, url: &str, form: &[u8]) -> Option<String> {
    if token.is_empty() {
        return None;
    }
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).ok()?;
    mac.update(url.as_bytes());
    mac.update(twilio_fields(form).as_bytes());
    Some(STANDARD.encode(mac.finalize().into_bytes()))
}

/// The fields of a form by name and then value, each pair once, nothing between them.
fn twilio_fields(form: &[u8]) -> String {
    let fields: BTreeSet<_> = url::form_urlencoded::parse(form).collect();
    fields
        .iter()
        .flat_map(|(name, value)| [name.as_ref(), value.as_ref()])
        .collect()
}

/// The hash that a URL names of a body that is no form.
fn body_hash(url: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "bodySHA256")
        .map(|(_, hash)| hash.into_owned())
}

/// The spellings of a URL that Twilio may have signed: with the port or without, and with
/// an apostrophe of the query escaped or not.
fn as_twilio_writes(url: &str) -> Vec<String> {
    let mut written = vec![url.to_owned()];
    written.extend(with_other_port(url));
    if let Some((_, query)) = url.split_once('?') {
        let other = if query.contains('\'') {
            query.replace('\'', "%27")
        } else {
            query.replace("%27", "'")
        };
        let escaped: Vec<String> = written
            .iter()
            .filter_map(|url| Some(format!("{}?{other}", url.split_once('?')?.0)))
            .collect();
        written.extend(escaped);
    }
    written
}

/// A URL without the port it has, or with the standard one that it leaves out.
fn with_other_port(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let port = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    if let Some((_, port)) = port {
        let bare = authority.strip_suffix(port)?.strip_suffix(':')?;
        return Some(format!("{scheme}://{bare}{path}"));
    }
    let port = if scheme == "https" { 443 } else { 80 };
    Some(format!("{scheme}://{authority}:{port}{path}"))
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
