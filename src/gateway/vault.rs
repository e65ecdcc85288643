//! Secrets at rest: AES-256-GCM, bound to the row and column they are stored in,
//! so that a ciphertext moved elsewhere does not open.

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::fmt;

const NONCE_BYTES: usize = 12;

/// The keys of `ENCRYPTION_KEY`; the first seals, all open.
pub struct Vault(Vec<Key>);

struct Key {
    id: String,
    cipher: Aes256Gcm,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").finish_non_exhaustive()
    }
}

impl Vault {
    /// Reads a comma-separated list of base64 keys of 32 bytes; says what is wrong.
    pub fn parse(keys: &str) -> Result<Self, &'static str> {
        let keys: Vec<Key> = keys
            .split(',')
            .map(|key| {
                let bytes = STANDARD
                    .decode(key.trim())
                    .map_err(|_| "must be base64 of 32 bytes")?;
                let cipher =
                    Aes256Gcm::new_from_slice(&bytes).map_err(|_| "must be base64 of 32 bytes")?;
                let id = hex::encode(Sha256::digest(&bytes))
                    .chars()
                    .take(8)
                    .collect();
                Ok(Key { id, cipher })
            })
            .collect::<Result<_, &'static str>>()?;
        Ok(Self(keys))
    }

    /// Seals `plain` for the place `bound_to`; `nonce` must be random.
    #[must_use]
    pub fn seal(&self, plain: &str, bound_to: &str, nonce: [u8; NONCE_BYTES]) -> Option<String> {
        let key = self.0.first()?;
        let aad = format!("{bound_to}|{}", key.id);
        let payload = Payload {
            msg: plain.as_bytes(),
            aad: aad.as_bytes(),
        };
        let sealed = key.cipher.encrypt(&Nonce::from(nonce), payload).ok()?;
        let bytes = [nonce.as_slice(), &sealed].concat();
        Some(format!("v1.{}.{}", key.id, STANDARD.encode(bytes)))
    }

    /// Opens what was sealed for the same place under a key that is still listed.
    #[must_use]
    pub fn open(&self, sealed: &str, bound_to: &str) -> Option<String> {
        let (id, text) = sealed.strip_prefix("v1.")?.split_once('.')?;
        let key = self.0.iter().find(|key| key.id == id)?;
        let bytes = STANDARD.decode(text).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>()?;
        let aad = format!("{bound_to}|{id}");
        let payload = Payload {
            msg: sealed,
            aad: aad.as_bytes(),
        };
        let plain = key.cipher.decrypt(&Nonce::from(*nonce), payload).ok()?;
        String::from_utf8(plain).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    const NEW: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

    #[test]
    fn what_is_sealed_opens_in_its_own_place_only() {
        let vault = Vault::parse(OLD).expect("a key");
        let sealed = vault.seal("secret", "channel|1", [9; 12]).expect("sealed");
        assert!(!sealed.contains("secret"));
        assert_eq!(vault.open(&sealed, "channel|1").as_deref(), Some("secret"));
        assert_eq!(vault.open(&sealed, "channel|2"), None);
        assert_eq!(vault.open(&sealed.replace("v1.", "v2."), "channel|1"), None);
        assert_eq!(vault.open("", "channel|1"), None);
    }

    #[test]
    fn a_new_key_in_front_still_opens_what_the_old_one_sealed() {
        let old = Vault::parse(OLD).expect("a key");
        let both = Vault::parse(&format!("{NEW}, {OLD}")).expect("two keys");
        let sealed = old.seal("secret", "row", [1; 12]).expect("sealed");
        assert_eq!(both.open(&sealed, "row").as_deref(), Some("secret"));
        let sealed = both.seal("secret", "row", [2; 12]).expect("sealed");
        assert_eq!(old.open(&sealed, "row"), None);
    }

    #[test]
    fn keys_of_the_wrong_form_are_refused() {
        for keys in ["", "short", "AAAA", &format!("{OLD},")] {
            assert!(Vault::parse(keys).is_err(), "{keys}");
        }
    }
}
