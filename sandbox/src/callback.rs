//! Posting to the gateway's webhooks, signed as each provider signs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::sync::Mutex;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha1::Sha1;
use sha2::Sha256;
use tokio::sync::Semaphore;

use crate::account::Account;
use crate::state::{lock, now};

/// Callbacks in flight at one time, so that a flood of statuses does not drown the gateway.
const CONCURRENCY: usize = 16;
/// Pauses before each new try of a callback that was not answered with a 2xx.
const RETRIES_MS: [u64; 5] = [200, 500, 1_000, 2_000, 4_000];
const TIMEOUT: Duration = Duration::from_secs(20);

/// A webhook call, ready to be sent, and sent again byte for byte.
#[derive(Clone)]
pub(crate) struct Callback {
    /// Whose callback it is.
    pub account: String,
    pub url: Option<String>,
    pub headers: BTreeMap<String, String>,
    pub body: Bytes,
}

impl Callback {
    /// Writes a payload as the account's provider would, for the account's webhook.
    pub(crate) fn new(account: &Account, payload: &Value) -> Self {
        Self::to(account, account.callback_url(), None, payload)
    }

    /// The same, for another address, or signed with another secret than the account's own.
    pub(crate) fn to(
        account: &Account,
        url: Option<&str>,
        secret: Option<&str>,
        payload: &Value,
    ) -> Self {
        // The fragment is for the sender; the receiver never sees it.
        let url = url.map(|url| url.split('#').next().unwrap_or_default());
        let (content_type, body) = match account {
            Account::Sms(_) => (
                "application/x-www-form-urlencoded; charset=UTF-8",
                form(payload),
            ),
            Account::Whatsapp(_)
            | Account::Messenger(_)
            | Account::Instagram(_)
            | Account::Telegram(_) => ("application/json", escaped(payload)),
        };
        let mut headers = BTreeMap::from([("content-type".to_owned(), content_type.to_owned())]);
        match account {
            Account::Whatsapp(_) | Account::Messenger(_) | Account::Instagram(_) => {
                let secret = secret.or(account.app_secret()).unwrap_or_default();
                headers.insert("x-hub-signature-256".to_owned(), sign(secret, &body));
                headers.insert("user-agent".to_owned(), "facebookexternalua".to_owned());
            }
            Account::Telegram(bot) => {
                if let Some(secret) = secret.or(bot.secret_token.as_deref()) {
                    let name = "x-telegram-bot-api-secret-token";
                    headers.insert(name.to_owned(), secret.to_owned());
                }
            }
            Account::Sms(number) => {
                let token = secret.unwrap_or(&number.auth_token);
                let signature = sign_form(token, url.unwrap_or_default(), payload);
                headers.insert("x-twilio-signature".to_owned(), signature);
                headers.insert("user-agent".to_owned(), "TwilioProxy/1.1".to_owned());
            }
        }
        Self {
            account: account.key().to_owned(),
            url: url.map(str::to_owned),
            headers,
            body: Bytes::from(body),
        }
    }
}

/// `X-Twilio-Signature`: base64 of HMAC-SHA1 over the address and every field, sorted by name.
///
/// <https://www.twilio.com/docs/usage/security#validating-requests>
fn sign_form(token: &str, url: &str, fields: &Value) -> String {
    let mut mac =
        Hmac::<Sha1>::new_from_slice(token.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(url.as_bytes());
    // A repeated value counts once, and the order of the form does not count.
    let sorted: BTreeSet<_> = pairs(fields).into_iter().collect();
    for (name, value) in sorted {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The fields of a form, from an object of strings; an array is a field that comes several times.
fn pairs(fields: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let fields = fields.as_object().into_iter().flatten();
    fields
        .flat_map(|(name, value)| match value {
            Value::Array(values) => values
                .iter()
                .map(|value| (name.clone(), text(value)))
                .collect(),
            value => vec![(name.clone(), text(value))],
        })
        .collect()
}

fn form(fields: &Value) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs(fields))
        .finish()
}

/// `sha256=<hex HMAC-SHA256(app secret, raw body)>`, Meta's `X-Hub-Signature-256`.
fn sign(secret: &str, body: &str) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body.as_bytes());
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// JSON with everything outside ASCII as `\uXXXX`, the way Meta and Telegram write it.
fn escaped(payload: &Value) -> String {
    let plain = payload.to_string();
    if plain.is_ascii() {
        return plain;
    }
    let mut escaped = String::with_capacity(plain.len() * 2);
    for character in plain.chars() {
        if character.is_ascii() {
            escaped.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            write!(escaped, "\\u{unit:04x}").expect("writing to a string cannot fail");
        }
    }
    escaped
}

/// Sends callbacks, a few at a time.
pub(crate) struct Poster {
    client: reqwest::Client,
    permits: Semaphore,
    failures: Mutex<HashMap<String, Failure>>,
}

/// Why an account's last callback was not taken.
#[derive(Clone)]
pub(crate) struct Failure {
    /// Unix seconds.
    pub at: i64,
    pub reason: String,
}

impl Poster {
    pub(crate) fn new() -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIMEOUT)
            .build()?;
        Ok(Self {
            client,
            permits: Semaphore::new(CONCURRENCY),
            failures: Mutex::default(),
        })
    }

    /// Posts once. Answers the HTTP status, or why there was none.
    pub(crate) async fn post(&self, callback: &Callback) -> Result<u16, String> {
        let Some(url) = &callback.url else {
            return Err("the account has no callbackUrl".to_owned());
        };
        let _permit = self.permits.acquire().await.map_err(|e| e.to_string())?;
        let mut request = self.client.post(url).body(callback.body.clone());
        for (name, value) in &callback.headers {
            request = request.header(name, value);
        }
        let result = match request.send().await {
            Ok(response) => Ok(response.status().as_u16()),
            Err(error) => Err(error.without_url().to_string()),
        };
        let reason = match &result {
            Ok(status) if is_taken(*status) => None,
            Ok(status) => Some(format!("Wrong response from the webhook: {status}")),
            Err(reason) => Some(reason.clone()),
        };
        if let Some(reason) = reason {
            let at = now().timestamp();
            lock(&self.failures).insert(callback.account.clone(), Failure { at, reason });
        }
        result
    }

    /// Posts until the gateway takes it, a few times at most.
    pub(crate) async fn post_until_taken(&self, callback: &Callback) -> Result<u16, String> {
        let mut result = self.post(callback).await;
        for pause in RETRIES_MS {
            if callback.url.is_none() || matches!(result, Ok(status) if is_taken(status)) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
            result = self.post(callback).await;
        }
        result
    }

    /// Meta's subscription handshake. Answers the status and the body.
    pub(crate) async fn handshake(
        &self,
        url: &str,
        verify_token: &str,
        challenge: &str,
    ) -> Result<(u16, String), String> {
        let request = self.client.get(url).query(&[
            ("hub.mode", "subscribe"),
            ("hub.verify_token", verify_token),
            ("hub.challenge", challenge),
        ]);
        let reason = |error: reqwest::Error| error.without_url().to_string();
        let response = request.send().await.map_err(reason)?;
        let status = response.status().as_u16();
        Ok((status, response.text().await.map_err(reason)?))
    }

    pub(crate) fn last_failure(&self, account: &str) -> Option<Failure> {
        lock(&self.failures).get(account).cloned()
    }
}

fn is_taken(status: u16) -> bool {
    (200..300).contains(&status)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn characters_outside_ascii_are_escaped_as_utf_16() {
        let body = escaped(&json!({"text": "Olá 👋"}));

        assert_eq!(body, r#"{"text":"Ol\u00e1 \ud83d\udc4b"}"#);
    }

    #[test]
    fn a_body_is_signed_like_githubs_published_example() {
        let signature = sign("It's a Secret to Everybody", "Hello, World!");

        assert_eq!(
            signature,
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
    }

    #[test]
    fn a_form_is_signed_like_twilios_published_example() {
        let fields = json!({
            "To": "+18005551212",
            "CallSid": "CA1234567890ABCDE",
            "Digits": "1234",
            "Caller": "+14158675309",
            "From": "+14158675309",
        });

        let signature = |url| sign_form("12345", url, &fields);

        assert_eq!(
            signature("https://mycompany.com/myapp.php?foo=1&bar=2"),
            "RSOYDt4T1cUTdK1PDd93/VVr8B8="
        );
        // The port is part of the address as Twilio knows it.
        assert_eq!(
            signature("http://mycompany.com:1234/myapp.php?foo=1&bar=2"),
            "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="
        );
    }

    #[test]
    fn a_repeated_field_is_signed_sorted_and_once_per_value() {
        let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
        let fields = json!({
            "Sid": "CA123",
            "SidAccount": "AC123",
            "Digits": ["5678", "1234", "1234"],
        });

        assert_eq!(
            sign_form("12345", url, &fields),
            "IK+Dwps556ElfBT0I3Rgjkr1wJU="
        );
        assert_eq!(
            form(&fields),
            "Digits=5678&Digits=1234&Digits=1234&Sid=CA123&SidAccount=AC123"
        );
    }
}
