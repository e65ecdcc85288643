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
    // Put in one by one: to collect them would compile a sort.
    let mut fields = BTreeSet::new();
    fields.extend(url::form_urlencoded::parse(form));
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

    const CALL: &str = "CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234\
        &From=%2B14158675309&To=%2B18005551212";
    const JSON: &str = r#"{"property": "value", "boolean": true}"#;
    const TWILIO: &str = "12345";
    /// Of an emulator independent of Twilio's own libraries.
    const EMULATED: &str = "twilio_test_auth_token";

    /// Token, URL, body and signature, as Twilio's documents and libraries give them.
    const SIGNED: [(&str, &str, &str, &str); 15] = [
        (
            TWILIO,
            "https://mycompany.com/myapp.php?foo=1&bar=2",
            CALL,
            "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
        ),
        // Signed without the port.
        (
            TWILIO,
            "https://mycompany.com:1234/myapp.php?foo=1&bar=2",
            CALL,
            "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
        ),
        // Signed with the standard port.
        (
            TWILIO,
            "https://mycompany.com/myapp.php?foo=1&bar=2",
            CALL,
            "kvajT1Ptam85bY51eRf/AJRuM3w=",
        ),
        (
            TWILIO,
            "http://mycompany.com/myapp.php?foo=1&bar=2",
            CALL,
            "0ZXoZLH/DfblKGATFgpif+LLRf4=",
        ),
        (
            TWILIO,
            "http://mycompany.com:1234/myapp.php?foo=1&bar=2",
            CALL,
            "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=",
        ),
        (
            TWILIO,
            "https://user:pass@mycompany.com/myapp.php?foo=1&bar=2",
            CALL,
            "CukzLTc1tT5dXEDIHm/tKBanW10=",
        ),
        (
            TWILIO,
            "https://user@mycompany.com/myapp.php?foo=1&bar=2",
            CALL,
            "2YRLlVAflCqxaNicjMpJcSTgzSs=",
        ),
        // Signed with the apostrophe escaped.
        (
            TWILIO,
            "https://mycompany.com/myapp.php?foo=1&bar=2&Body=It's+amazing",
            CALL,
            "TfZzewPq8wqrGlMfyAud8+/IvJ0=",
        ),
        (
            TWILIO,
            "https://mycompany.com/myapp.php?foo=1&bar=2",
            "MessagingBinding.Address=%2B1415xxxxxxx&MessagingBinding.Address=%2B1325xxxxxxx",
            "83O6e2vORAoJHUNzJjDWN1jz+BA=",
        ),
        (
            TWILIO,
            "https://mycompany.com/myapp.php?foo=1&bar=2",
            "Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234",
            "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
        ),
        (
            TWILIO,
            "https://mycompany.com/myapp.php?foo=1&bar=2\
            &bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
            JSON,
            "a9nBmqA0ju/hNViExpshrM61xv4=",
        ),
        (
            TWILIO,
            "https://mycompany.com/myapp.php?foo=1&bar=2\
            &bodySHA256=44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            "{}",
            "Ldidvp12m26NI7eqEvxnEpkd9Hc=",
        ),
        (
            TWILIO,
            "https://mycompany.com/myapp.php\
            ?bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
            JSON,
            "y77kIzt2vzLz71DgmJGsen2scGs=",
        ),
        (
            EMULATED,
            "http://127.0.0.1:4998/twilio/status?id=1",
            "AccountSid=AC00000000000000000000000000000000\
            &MessageSid=SM6714941ae28e2a5c22972e216958a20a\
            &SmsSid=SM6714941ae28e2a5c22972e216958a20a&SmsStatus=queued&MessageStatus=queued\
            &To=%2B15005550006&From=%2B15551234567&Body=Ol%C3%A1+%F0%9F%91%8B&NumMedia=0\
            &NumSegments=1&ApiVersion=2010-04-01",
            "7/Npu1fHRSxag9/XyWEOg89IEDc=",
        ),
        (
            EMULATED,
            "http://127.0.0.1:4998/twilio/inbound?ch=1&x=a%20b",
            "AccountSid=AC00000000000000000000000000000000\
            &MessageSid=SM511804373ed2ae410c6f4a1b4ea02942&SmsStatus=received\
            &SmsSid=SM511804373ed2ae410c6f4a1b4ea02942\
            &MessagingServiceSid=MG00000000000000000000000000000000&To=%2B15551234567\
            &From=%2B15005550009&Body=oi+%26+tchau+%F0%9F%87%A7%F0%9F%87%B7&NumMedia=0\
            &NumSegments=1&ApiVersion=2010-04-01",
            "LNikEfhDqGnrh0ndQ9oBNwskSdQ=",
        ),
    ];

    #[test]
    fn what_twilio_signed_verifies() {
        for (token, url, body, signature) in SIGNED {
            assert!(
                is_twilio_signature(token, url, body.as_bytes(), signature),
                "{url} {signature}"
            );
        }
    }

    #[test]
    fn what_twilio_signed_is_refused_with_anything_about_it_changed() {
        for (token, url, body, signature) in SIGNED {
            let is_right = |token: &str, url: &str, body: &str, signature: &str| {
                is_twilio_signature(token, url, body.as_bytes(), signature)
            };
            let more = format!("{body}&Body=more");
            let elsewhere = url.replace(".com", ".org").replace("127.0", "127.1");
            assert!(!is_right("", url, body, signature));
            assert!(!is_right("another", url, body, signature));
            assert!(!is_right(token, &elsewhere, body, signature));
            assert!(!is_right(
                token,
                &url.replacen('?', "/?", 1),
                body,
                signature
            ));
            assert!(!is_right(token, &format!("{url}&a=1"), body, signature));
            assert!(!is_right(token, url, &more, signature));
            assert!(!is_right(token, url, "", signature));
            assert!(!is_right(token, url, body, ""));
            assert!(!is_right(token, url, body, &signature.to_lowercase()));
            assert!(!is_right(token, url, body, &signature[1..]));
        }
        assert!(twilio_signature("", "https://patchbay.test", b"").is_none());
    }

    #[test]
    fn the_order_of_a_forms_fields_is_nothing_to_twilio() {
        let (token, url, body, signature) = SIGNED[0];
        let turned: Vec<&str> = body.rsplit('&').collect();
        let turned = turned.join("&");
        assert_ne!(turned, body);
        assert!(is_twilio_signature(
            token,
            url,
            turned.as_bytes(),
            signature
        ));
    }

    #[test]
    fn a_url_is_tried_with_its_port_and_without() {
        for (url, other) in [
            ("https://a.test/x", "https://a.test:443/x"),
            ("http://a.test", "http://a.test:80"),
            ("https://a.test:8443?q=1", "https://a.test?q=1"),
            ("https://u:1@a.test/", "https://u:1@a.test:443/"),
            ("https://u:1@a.test:8443/", "https://u:1@a.test/"),
            ("https://[::1]/x", "https://[::1]:443/x"),
            ("https://[::1]:8443/x", "https://[::1]/x"),
        ] {
            assert_eq!(with_other_port(url).as_deref(), Some(other));
        }
        for odd in ["", "a.test", "://", "https://", "https://:"] {
            // Nothing to sign, and nothing to trip over.
            assert!(!is_twilio_signature("token", odd, b"", "AAAA"));
        }
    }

    #[test]
    fn an_empty_secret_equals_nothing() {
        assert!(same_secret("token", "token"));
        assert!(!same_secret("token", "Token"));
        assert!(!same_secret("", ""));
        assert!(hmac_sha256(b"", b"body").is_none());
    }
}
