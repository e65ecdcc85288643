//! Who asks: `Authorization: Bearer KEY` or `x-api-key: KEY`, and the key under
//! which a request is the same request.

use super::Call;
use crate::channel::Invalid;
use crate::gateway::{Error, Freshness, Gateway, Ports};
use crate::model::access::{Key, KeySecret, Scope};
use http::{HeaderMap, Method, header};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The token of a request, whatever it is.
pub fn token(headers: &HeaderMap) -> Option<&str> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| token.trim());
    }
    headers.get("x-api-key")?.to_str().ok().map(str::trim)
}

/// The API key of a request: its form and checksum are right, and it is not used
/// too often.
pub async fn secret<P: Ports>(
    gateway: &Gateway<P>,
    headers: &HeaderMap,
) -> Result<KeySecret, Error> {
    let secret = token(headers)
        .and_then(KeySecret::parse)
        .ok_or(Error::InvalidKey)?;
    if gateway.ports.admits(&secret.hash()).await {
        Ok(secret)
    } else {
        Err(Error::RateLimited)
    }
}

/// The key of a request, which must have a scope. Reads check the key again in their own
/// batch; changes must know it now.
pub async fn key<P: Ports>(
    gateway: &Gateway<P>,
    call: &Call<'_>,
    scope: Option<Scope>,
) -> Result<Key, Error> {
    let secret = secret(gateway, call.request.headers()).await?;
    let is_read = matches!(*call.request.method(), Method::GET | Method::HEAD);
    let freshness = if is_read {
        Freshness::Remembered
    } else {
        Freshness::Now
    };
    let key = gateway.authenticate(&secret, freshness).await?;
    match scope.filter(|scope| !key.may(*scope)) {
        Some(scope) => Err(Error::MissingScope(scope)),
        None => Ok(key),
    }
}

/// The `Idempotency-Key`, bare or as a quoted string of RFC 8941: the same key.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let wrong = || {
        Error::Invalid(vec![Invalid::new(
            "/headers/idempotency-key",
            "must be one key of 1 to 255 printable ASCII characters, bare or quoted",
        )])
    };
    let mut given = headers.get_all("idempotency-key").iter();
    let Some(value) = given.next() else {
        return Ok(None);
    };
    if given.next().is_some() {
        return Err(wrong());
    }
    let text = value.to_str().map_err(|_| wrong())?.trim();
    let key = match text.strip_prefix('"') {
        Some(quoted) => unquote(quoted).ok_or_else(wrong)?,
        None => text.to_owned(),
    };
    let is_printable = key.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if is_printable && (1..=255).contains(&key.len()) {
        Ok(Some(key))
    } else {
        Err(wrong())
    }
}

/// The rest of a quoted string after its first quote.
fn unquote(quoted: &str) -> Option<String> {
    let mut key = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => break,
            '\\' => match characters.next()? {
                escaped @ ('"' | '\\') => key.push(escaped),
                _ => return None,
            },
            character => key.push(character),
        }
    }
    // Parameters may follow; they mean nothing here.
    let rest = characters.as_str().trim_start();
    (rest.is_empty() || rest.starts_with(';')).then_some(key)
}

/// What makes two bodies the same: their JSON values, whatever the order of keys,
/// the spacing, or the spelling of a number.
#[must_use]
pub fn fingerprint(body: &Value) -> String {
    let mut hasher = Sha256::new();
    digest(body, &mut hasher);
    hex::encode(hasher.finalize())
}

fn digest(value: &Value, hasher: &mut Sha256) {
    match value {
        Value::Null => hasher.update(b"n"),
        Value::Bool(value) => hasher.update(if *value { b"t" } else { b"f" }),
        Value::Number(number) => {
            hasher.update(b"#");
            let whole = number
                .as_i64()
                .map(|whole| whole.to_string())
                .or_else(|| number.as_u64().map(|whole| whole.to_string()));
            let spelled = whole.unwrap_or_else(|| {
                number
                    .as_f64()
                    .map_or_else(|| number.to_string(), |number| number.to_string())
            });
            hasher.update(spelled.as_bytes());
            hasher.update(b";");
        }
        Value::String(text) => {
            hasher.update(format!("s{}:", text.len()).as_bytes());
            hasher.update(text.as_bytes());
        }
        Value::Array(items) => {
            hasher.update(format!("a{}:", items.len()).as_bytes());
            items.iter().for_each(|item| digest(item, hasher));
        }
        Value::Object(fields) => {
            hasher.update(format!("o{}:", fields.len()).as_bytes());
            // Sorted here: another crate may make the map keep its order.
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            for (name, value) in fields {
                hasher.update(format!("s{}:", name.len()).as_bytes());
                hasher.update(name.as_bytes());
                digest(value, hasher);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key(value: &str) -> Option<Option<String>> {
        let mut headers = HeaderMap::new();
        headers.insert("idempotency-key", value.parse().expect("a header"));
        idempotency_key(&headers).ok()
    }

    #[test]
    fn a_quoted_key_is_the_same_key_as_a_bare_one() {
        assert_eq!(key("order-1"), Some(Some("order-1".to_owned())));
        assert_eq!(key("\"order-1\""), key("order-1"));
        assert_eq!(key("\"or\\\"der\""), Some(Some("or\"der".to_owned())));
        assert_eq!(key("\"order-1\"; v=2"), key("order-1"));
        assert_eq!(idempotency_key(&HeaderMap::new()).ok(), Some(None));
    }

    #[test]
    fn keys_that_are_empty_too_long_or_unfinished_are_refused() {
        for wrong in ["", "\"\"", "\"open", "\"a\"b", "\"a\\n\"", &"k".repeat(256)] {
            assert_eq!(key(wrong), None, "{wrong}");
        }
        assert!(key(&"k".repeat(255)).is_some());
        let mut two = HeaderMap::new();
        two.append("idempotency-key", "a".parse().expect("a header"));
        two.append("idempotency-key", "b".parse().expect("a header"));
        assert!(idempotency_key(&two).is_err());
    }

    #[test]
    fn bodies_are_the_same_by_value_not_by_spelling() {
        let one: Value = serde_json::from_str(r#"{"a":1,"b":{"c":[1.0,"x"]}}"#).expect("JSON");
        let two: Value =
            serde_json::from_str(r#"{ "b":{"c":[1e0,"\u0078"]}, "a":1 }"#).expect("JSON");
        assert_eq!(fingerprint(&one), fingerprint(&two));
        for other in [
            json!({"a": 1}),
            json!({"a": "1", "b": {"c": [1.0, "x"]}}),
            json!({"a": 1, "b": {"c": ["x", 1.0]}}),
            json!({"a": 1, "b": {"c": [1.0, "x", null]}}),
        ] {
            assert_ne!(fingerprint(&one), fingerprint(&other));
        }
    }

    #[test]
    fn the_token_is_read_from_either_header() {
        let mut headers = HeaderMap::new();
        headers.insert("x-api-key", "one".parse().expect("a header"));
        assert_eq!(token(&headers), Some("one"));
        headers.insert("authorization", "bearer two".parse().expect("a header"));
        assert_eq!(token(&headers), Some("two"));
        headers.insert("authorization", "Basic dHdv".parse().expect("a header"));
        assert_eq!(token(&headers), None);
    }
}
