//! What the Meta channels share: the webhook handshake and signature, and the
//! Graph API's errors.

use super::{Reason, SendError, Unverified, lenient, retry_after_ms, sign};
use crate::model::channel::Channel;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::Value;

/// The product that a webhook is about, such as `page`.
pub fn object(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Envelope {
        object: Option<String>,
    }
    serde_json::from_slice::<Envelope>(body).ok()?.object
}

/// A GET with the token as bearer; `None` where origin or token cannot form one.
pub fn get(url: &str, token: &str) -> Option<Request<Bytes>> {
    Request::get(url)
        .header(http::header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Bytes::new())
        .ok()
}

/// Reads the answer to a question about an account.
pub fn probed(response: &Response<Bytes>) -> Result<(), SendError> {
    if response.status().is_success() {
        Ok(())
    } else {
        Err(error(response))
    }
}

/// Checks `X-Hub-Signature-256` against the app secret.
pub fn verify(channel: &Channel, request: &Request<Bytes>) -> Result<(), Unverified> {
    let header = request
        .headers()
        .get("x-hub-signature-256")
        .and_then(|value| value.to_str().ok())
        .ok_or(Unverified)?;
    let secret = channel.credentials.get("appSecret");
    if sign::is_hub_signature(secret, request.body(), header) {
        Ok(())
    } else {
        Err(Unverified)
    }
}

/// Answers `hub.challenge`, for the right `hub.verify_token` only.
pub fn challenge(channel: &Channel, request: &Request<Bytes>) -> Response<Bytes> {
    let query = request.uri().query().unwrap_or("");
    let field = |name: &str| {
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    };
    let is_right = field("hub.mode") == "subscribe"
        && sign::same_secret(
            channel.credentials.get("verifyToken"),
            &field("hub.verify_token"),
        );
    let (status, body) = if is_right {
        (StatusCode::OK, Bytes::from(field("hub.challenge")))
    } else {
        (StatusCode::FORBIDDEN, Bytes::new())
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

/// Reads a Graph answer that is not a success.
///
/// The code decides, not the HTTP status, which differs between sources.
/// <https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes>
pub fn error(response: &Response<Bytes>) -> SendError {
    let status = response.status().as_u16();
    let wait = retry_after_ms(response).or_else(|| usage_wait_ms(response));
    let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    let Some(error) = body.get("error") else {
        return SendError::from_status(status, wait);
    };
    let Some(code) = lenient::integer(error.get("code")) else {
        return SendError::from_status(status, wait);
    };
    let is_transient = error.get("is_transient").and_then(Value::as_bool) == Some(true);
    let reason = reason(error);
    match code {
        0 | 190 => SendError::Unauthorized(Reason {
            code: "provider_unauthorized",
            ..reason
        }),
        4 | 613 | 80001 | 80002 | 80004 | 80006 | 80007 | 80008 | 130_429 | 131_048 | 131_056
        | 131_064 | 133_016 => SendError::Throttled {
            retry_after_ms: wait,
            reason,
        },
        1 | 2 | 1200 | 131_000 | 131_016 | 131_057 | 133_004 => SendError::Temporary(reason),
        _ if is_transient => SendError::Temporary(reason),
        _ if status == 429 => SendError::Throttled {
            retry_after_ms: wait,
            reason,
        },
        _ => SendError::Rejected(reason),
    }
}

/// The meaning of a Graph error object, wherever it stands: an answer, a
/// status, or a message.
pub fn reason(error: &Value) -> Reason {
    let code = lenient::integer(error.get("code"));
    let subcode = lenient::integer(error.get("error_subcode"));
    let details = error.pointer("/error_data/details");
    let message = lenient::text(details)
        .or_else(|| lenient::text(error.get("message")))
        .or_else(|| lenient::text(error.get("title")))
        .unwrap_or_else(|| "The provider gave no reason.".to_owned());
    Reason {
        code: match code {
            Some(131_047) => "window_closed",
            // Messenger's and Instagram's word for the same.
            Some(10) if matches!(subcode, Some(2_018_278 | 2_534_022)) => "window_closed",
            Some(131_050) => "opted_out",
            Some(132_001 | 132_015 | 132_016) => "template_not_approved",
            Some(132_000 | 132_008 | 132_012 | 132_018) => "template_parameter_mismatch",
            Some(_) | None => "provider_rejected",
        },
        provider_code: lenient::text(error.get("code")),
        message,
    }
}

/// The longest wait that `X-Business-Use-Case-Usage` names, given in minutes.
fn usage_wait_ms(response: &Response<Bytes>) -> Option<i64> {
    let header = response.headers().get("x-business-use-case-usage")?;
    let usage: Value = serde_json::from_slice(header.as_bytes()).ok()?;
    let minutes = usage
        .as_object()?
        .values()
        .flat_map(|entries| lenient::items(Some(entries)))
        .filter_map(|entry| lenient::integer(entry.get("estimated_time_to_regain_access")))
        .max()?;
    (minutes > 0).then(|| minutes.saturating_mul(60_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from(body.to_owned()));
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        response
    }

    #[test]
    fn the_code_decides_whatever_the_http_status() {
        for status in [400, 429, 500] {
            let body = r#"{"error":{"code":130429,"message":"slow down"}}"#;
            assert!(matches!(
                error(&answer(status, body)),
                SendError::Throttled { .. }
            ));
        }
        for status in [400, 404, 500] {
            let body = r#"{"error":{"code":"131026","message":"undeliverable"}}"#;
            let SendError::Rejected(reason) = error(&answer(status, body)) else {
                panic!("131026 is final")
            };
            assert_eq!(reason.provider_code.as_deref(), Some("131026"));
        }
    }

    #[test]
    fn a_server_error_without_a_code_leaves_the_outcome_open() {
        assert!(matches!(
            error(&answer(500, "<html>")),
            SendError::Unclear(_)
        ));
        assert!(matches!(
            error(&answer(200, "{\"mess")),
            SendError::Unclear(_)
        ));
        assert!(matches!(error(&answer(523, "")), SendError::Temporary(_)));
        assert!(matches!(
            error(&answer(429, "")),
            SendError::Throttled { .. }
        ));
    }

    #[test]
    fn waits_are_read_from_both_headers() {
        let mut response = answer(400, r#"{"error":{"code":80007}}"#);
        response.headers_mut().insert(
            "x-business-use-case-usage",
            http::HeaderValue::from_static(
                r#"{"102290129340398":[{"type":"messaging","call_count":100,"estimated_time_to_regain_access":3}]}"#,
            ),
        );
        let SendError::Throttled { retry_after_ms, .. } = error(&response) else {
            panic!("80007 is a throttle")
        };
        assert_eq!(retry_after_ms, Some(180_000));
        response
            .headers_mut()
            .insert("retry-after", http::HeaderValue::from_static("7"));
        let SendError::Throttled { retry_after_ms, .. } = error(&response) else {
            panic!("80007 is a throttle")
        };
        assert_eq!(retry_after_ms, Some(7_000));
    }
}
