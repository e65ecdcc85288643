//! Visitors of a web chat, and the token each device of theirs shows.

use super::id::{ChannelId, ConversationId, VisitorId};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// What is known of a visitor after their token was checked. Row of `visitor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Visitor {
    pub id: VisitorId,
    pub channel_id: ChannelId,
    pub conversation_id: ConversationId,
}

const PREFIX: &str = "pbv_";

/// The secret text of a visitor: `pbv_` and 256 random bits in hex. Whoever has it
/// reads and writes one conversation, and nothing else.
pub struct VisitorToken(String);

impl VisitorToken {
    #[must_use]
    pub fn fresh(random: &[u8; 32]) -> Self {
        Self(format!("{PREFIX}{}", hex::encode(random)))
    }

    /// Accepts only text of the right form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (digits.len() == 64 && digits.bytes().all(is_hex)).then(|| Self(text.to_owned()))
    }

    /// The text to show once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored: SHA-256 in hex. The token has too much entropy to guess.
    #[must_use]
    pub fn hash(&self) -> String {
        hex::encode(Sha256::digest(self.0.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_token_of_the_right_form_is_looked_up() {
        let token = VisitorToken::fresh(&[171; 32]);
        let text = token.reveal();
        assert_eq!(text.len(), 68);
        assert_eq!(
            VisitorToken::parse(text).map(|token| token.hash()),
            Some(token.hash())
        );
        for wrong in [
            "",
            "pbv_",
            &text.to_uppercase(),
            &text[..67],
            &format!("{text}0"),
            &text.replace("pbv_", "pb__"),
            &format!("pbv_{}", "é".repeat(32)),
        ] {
            assert!(VisitorToken::parse(wrong).is_none(), "{wrong}");
        }
    }
}
