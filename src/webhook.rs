//! How events are signed for subscribers, and when a delivery is tried again.
//! Pure: the caller brings the time and the secret.

use crate::channel::sign::hmac_sha256;
use crate::model::time::{HOUR_MS, MINUTE_MS, SECOND_MS, Timestamp};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The three headers of Standard Webhooks 1.0.0.
/// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    pub id: String,
    /// Seconds; of this attempt, not of the event.
    pub timestamp: String,
    pub signature: String,
}

/// Makes a secret of 24 random bytes, spelled `whsec_<base64>`.
#[must_use]
pub fn fresh_secret(random: &[u8; 24]) -> String {
    format!("whsec_{}", STANDARD.encode(random))
}

/// Signs `{id}.{timestamp}.{body}` with the decoded bytes of the secret; `None`
/// when the secret is not one of ours.
#[must_use]
pub fn sign(secret: &str, id: &str, at: Timestamp, body: &[u8]) -> Option<Signed> {
    let key = STANDARD.decode(secret.strip_prefix("whsec_")?).ok()?;
    let timestamp = at.s().to_string();
    let mut content = format!("{id}.{timestamp}.").into_bytes();
    content.extend_from_slice(body);
    let mac = hmac_sha256(&key, &content)?;
    Some(Signed {
        id: id.to_owned(),
        timestamp,
        signature: format!("v1,{}", STANDARD.encode(mac)),
    })
}

/// The wait before each further attempt; the first is made at once.
const WAITS_MS: [i64; 7] = [
    5 * SECOND_MS,
    5 * MINUTE_MS,
    30 * MINUTE_MS,
    2 * HOUR_MS,
    5 * HOUR_MS,
    10 * HOUR_MS,
    10 * HOUR_MS,
];

/// How long to wait after the `attempt`-th failed attempt (from 1), spread by
/// ±20 % so that many failures do not come back as one wave. `None` when the
/// schedule is at its end. A subscriber's `Retry-After` may stretch a wait up to
/// double.
#[must_use]
pub fn next_wait_ms(attempt: i64, retry_after_ms: Option<i64>, jitter: u8) -> Option<i64> {
    let at = usize::try_from(attempt.checked_sub(1)?).ok()?;
    let base = *WAITS_MS.get(at)?;
    let spread = base / 5;
    let jittered = base - spread + spread * 2 * i64::from(jitter) / 255;
    Some(retry_after_ms.map_or(jittered, |asked| asked.clamp(jittered, base * 2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specifications_vectors_are_signed_alike() {
        let signed = sign(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            Timestamp::from_s(1_614_265_330),
            br#"{"test": 2432232314}"#,
        )
        .expect("a secret");
        assert_eq!(
            signed.signature,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        let signed = sign(
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            Timestamp::from_s(1_649_367_553),
            br#"{"email":"test@example.com","username":"test_user"}"#,
        )
        .expect("a secret");
        assert_eq!(
            signed.signature,
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="
        );
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the library verifies against real time"
    )]
    fn the_official_library_verifies_what_we_sign() {
        let secret = fresh_secret(&[42; 24]);
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("after 1970");
        let at = Timestamp::from_ms(i64::try_from(now.as_millis()).expect("a time"));
        let body = r#"{"type":"message.received"}"#.as_bytes();
        let signed = sign(&secret, "0197-event", at, body).expect("a secret");
        let mut headers = http::HeaderMap::new();
        headers.insert("webhook-id", signed.id.parse().expect("a header"));
        headers.insert(
            "webhook-timestamp",
            signed.timestamp.parse().expect("a header"),
        );
        headers.insert(
            "webhook-signature",
            signed.signature.parse().expect("a header"),
        );
        let verifier = standardwebhooks::Webhook::new(&secret).expect("a secret");
        verifier.verify(body, &headers).expect("it verifies");
        assert!(verifier.verify(b"{}", &headers).is_err());
    }

    #[test]
    fn a_secret_that_is_empty_or_foreign_signs_nothing() {
        for secret in [
            "",
            "whsec_",
            "whsec_***",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        ] {
            assert!(
                sign(secret, "id", Timestamp::from_s(1), b"{}").is_none(),
                "{secret}"
            );
        }
    }

    #[test]
    fn waits_follow_the_schedule_within_a_fifth_and_then_end() {
        for (at, base) in WAITS_MS.iter().enumerate() {
            let attempt = i64::try_from(at).expect("small") + 1;
            assert_eq!(next_wait_ms(attempt, None, 0), Some(base * 4 / 5));
            assert_eq!(next_wait_ms(attempt, None, 255), Some(base * 6 / 5));
        }
        assert_eq!(next_wait_ms(8, None, 0), None);
        assert_eq!(next_wait_ms(0, None, 0), None);
    }

    #[test]
    fn a_subscribers_retry_after_stretches_a_wait_at_most_to_double() {
        assert_eq!(next_wait_ms(1, Some(7_000), 0), Some(7_000));
        assert_eq!(next_wait_ms(1, Some(3_600_000), 0), Some(10_000));
        assert_eq!(next_wait_ms(1, Some(0), 0), Some(4_000));
    }
}
