//! Reading a content from JSON: a client's or our own.

use super::{ContactEmail, Content, Header, HeaderKind};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Why some JSON is no content, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// JSON pointer, relative to what was read.
    pub pointer: String,
    pub detail: String,
}

impl Content {
    /// Reads a content by its `type`, so that errors point into it. Fields that it does not
    /// have are left out.
    pub fn read(json: Value) -> Result<Self, Unreadable> {
        let wrong = |detail: &str| Unreadable {
            pointer: "/type".to_owned(),
            detail: detail.to_owned(),
        };
        let kind = json.get("type").ok_or_else(|| wrong("is required"))?;
        let kind = kind.as_str().unwrap_or("").to_owned();
        Ok(match kind.as_str() {
            "text" => Content::Text(read(json)?),
            "image" => Content::Image(read(json)?),
            "video" => Content::Video(read(json)?),
            "audio" => Content::Audio(read(json)?),
            "document" => Content::Document(read(json)?),
            "sticker" => Content::Sticker(read(json)?),
            "location" => Content::Location(read(json)?),
            "contacts" => Content::Contacts(read(json)?),
            "interactive" => Content::Interactive(Box::new(read(json)?)),
            "cards" => Content::Cards(read(json)?),
            "template" => Content::Template(read(json)?),
            "reaction" => Content::Reaction(read(json)?),
            "markSeen" => Content::MarkSeen(read(json)?),
            "typing" => Content::Typing(read(json)?),
            "paymentRequest" => Content::PaymentRequest(Box::new(read(json)?)),
            "orderStatus" => Content::OrderStatus(read(json)?),
            "reply" => Content::Reply(read(json)?),
            "order" => Content::Order(read(json)?),
            "unsupported" => Content::Unsupported(read(json)?),
            _ => return Err(wrong("is not a content there is")),
        })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Value::deserialize(deserializer)?;
        Content::read(json).map_err(|unreadable| {
            let Unreadable { pointer, detail } = unreadable;
            serde::de::Error::custom(format!("{pointer} {detail}"))
        })
    }
}

fn read<T: DeserializeOwned>(json: Value) -> Result<T, Unreadable> {
    crate::model::json::read(json, "").map_err(|(pointer, detail)| Unreadable { pointer, detail })
}

/// How an e-mail address is written.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "must be an e-mail address or an object with one"
)]
pub enum Email {
    Plain(String),
    Object {
        email: String,
        #[serde(rename = "type")]
        kind: Option<String>,
    },
}

impl From<Email> for ContactEmail {
    fn from(form: Email) -> Self {
        match form {
            Email::Plain(email) => Self { email, kind: None },
            Email::Object { email, kind } => Self { email, kind },
        }
    }
}

/// How a header is written.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "must be a text, or such as {\"type\":\"image\",\"url\":\"https://…\"}"
)]
pub enum HeaderForm {
    Plain(String),
    Object {
        #[serde(rename = "type")]
        kind: HeaderKind,
        text: Option<String>,
        url: Option<String>,
        filename: Option<String>,
    },
}

impl From<HeaderForm> for Header {
    fn from(form: HeaderForm) -> Self {
        match form {
            HeaderForm::Plain(text) => Self {
                kind: HeaderKind::Text,
                text: Some(text),
                url: None,
                filename: None,
            },
            HeaderForm::Object {
                kind,
                text,
                url,
                filename,
            } => Self {
                kind,
                text,
                url,
                filename,
            },
        }
    }
}
