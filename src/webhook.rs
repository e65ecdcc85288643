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

/// Signs `{id}.{timestamp}.{body}` with the decoded bytes of each living secret, the
/// newest first; `None` when there is none, or one is not ours.
#[must_use]
pub fn sign(secrets: &[&str], id: &str, at: Timestamp, body: &[u8]) -> Option<Signed> {
    let timestamp = at.s().to_string();
    let content = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
    let signatures: Vec<String> = secrets
        .iter()
        .map(|secret| {
            let key = STANDARD.decode(secret.strip_prefix("whsec_")?).ok()?;
            let mac = hmac_sha256(&key, &content)?;
            Some(format!("v1,{}", STANDARD.encode(mac)))
        })
        .collect::<Option<_>>()?;
    (!signatures.is_empty()).then(|| Signed {
        id: id.to_owned(),
        timestamp,
        signature: signatures.join(" "),
    })
}

/// The form `t=<unix>,v1=<hex>` that the compatible products share: HMAC-SHA256 of
/// `{t}.{body}` under the UTF-8 bytes of the secret as it is shown, `whsec_` included. One
/// `v1` for each living secret, the newest first; `None` when there is none, or one is
/// empty.
#[must_use]
pub fn stamp(secrets: &[&str], at: Timestamp, body: &[u8]) -> Option<String> {
    let timestamp = at.s();
    let content = [format!("{timestamp}.").as_bytes(), body].concat();
    let mut stamp = format!("t={timestamp}");
    for secret in secrets {
        let mac = hmac_sha256(secret.as_bytes(), &content)?;
        stamp.push_str(&format!(",v1={}", hex::encode(mac)));
    }
    (!secrets.is_empty()).then_some(stamp)
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
            &["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
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
            &["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"],
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
        let signed = sign(&[&secret], "0197-event", at, body).expect("a secret");
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
                sign(&[secret], "id", Timestamp::from_s(1), b"{}").is_none(),
                "{secret}"
            );
        }
    }

    #[test]
    fn while_two_secrets_live_both_sign_the_new_one_first() {
        let [old, new] = [[1; 24], [2; 24]].map(|random| fresh_secret(&random));
        let at = Timestamp::from_s(1_614_265_330);
        let signature = |secrets: &[&str]| sign(secrets, "id", at, b"{}").map(|it| it.signature);
        let alone = |secret: &String| signature(&[secret]).expect("a signature");
        let both = format!("{} {}", alone(&new), alone(&old));
        assert_eq!(signature(&[&new, &old]), Some(both));
        let alone = |secret: &String| stamp(&[secret], at, b"{}").expect("a stamp");
        let of_old = alone(&old).replace("t=1614265330,", "");
        assert_eq!(
            stamp(&[&new, &old], at, b"{}"),
            Some(format!("{},{of_old}", alone(&new)))
        );
        assert_eq!(signature(&[]), None);
        assert_eq!(stamp(&[], at, b"{}"), None);
        assert_eq!(stamp(&[""], at, b"{}"), None);
    }

    #[test]
    fn a_stamp_is_keyed_with_the_secret_as_it_is_shown() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let at = Timestamp::from_s(1_700_000_000);
        assert_eq!(
            stamp(&[secret], at, br#"{"a":1}"#).as_deref(),
            Some(
                "t=1700000000,v1=b6974ac6d7fd2ac6e37c3cea117ba7ee3cfde56b98ea4e8b5fb26b9fee534ba7"
            )
        );
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
