use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The three headers, the body as it came, and the time in Unix seconds.
pub fn verify(secret: &str, headers: [&str; 3], body: &[u8], now: i64) -> bool {
    let [id, timestamp, given] = headers;
    let is_fresh = timestamp
        .parse::<i64>()
        .is_ok_and(|at| now.abs_diff(at) <= 300);
    let key = STANDARD
        .decode(secret.trim_start_matches("whsec_"))
        .unwrap_or_default();
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(&key) else {
        return false;
    };
    let mac = mac
        .chain_update(format!("{id}.{timestamp}."))
        .chain_update(body);
    let mut given = given.split(' ').filter_map(|one| one.strip_prefix("v1,"));
    is_fresh
        && !key.is_empty()
        && given.any(|one| {
            let one = STANDARD.decode(one).unwrap_or_default();
            mac.clone().verify_slice(&one).is_ok()
        })
}
