//! What a message says.

mod check;
mod interactive;
mod order;
mod read;

pub use check::{Measure, Size};
pub use interactive::{
    Button, Card, CardButton, CardButtonKind, Cards, CtaUrl, Header, HeaderKind, Interactive,
    InteractiveKind, List, Row, Section,
};
pub use order::{
    Boleto, Order, OrderItem, OrderState, OrderStatus, OrderedItem, PaymentLink, PaymentMethod,
    PaymentRequest, Pix, PixKeyKind, Tax,
};
pub use read::Unreadable;

use super::id::{MessageId, TemplateId};
use serde::{Deserialize, Serialize};

/// The content of a message, tagged by `type` on the wire and in the database. Read with
/// `Content::read`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Content {
    Text(Text),
    Image(Media),
    Video(Media),
    Audio(Media),
    Document(Media),
    Sticker(Media),
    Location(Location),
    Contacts(Contacts),
    Interactive(Box<Interactive>),
    Cards(Cards),
    /// An approved template, filled. What was asked for is a `TemplateDraft`.
    Template(Template),
    Reaction(Reaction),
    MarkSeen(MarkSeen),
    Typing(Typing),
    PaymentRequest(Box<PaymentRequest>),
    OrderStatus(OrderStatus),
    /// Inbound only: a button that was pressed or a row that was chosen.
    Reply(Reply),
    /// Inbound only: what a customer wants of a catalog.
    Order(Order),
    /// Inbound only: something that arrived whose kind has no form of its own here.
    Unsupported(Unsupported),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Text {
    pub text: String,
    /// Whether the provider may unfold a link; `None` leaves it to the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview_url: Option<bool>,
}

/// The sticker that Instagram has without a file.
pub const LIKE_HEART: &str = "like_heart";

/// A file that the provider fetches.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Media {
    /// Where it is, by http or https.
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// Documents only: what it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
    /// Such as `image/jpeg`, where the client says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// Audio only: whether it is a voice note.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub voice: bool,
    /// How the provider gets it; `None` leaves it to the channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<MediaMode>,
    /// Inbound only: where we hand it out, with an API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_url: Option<String>,
    /// Inbound only: of its bytes, as the provider writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<i64>,
}

/// How a provider gets a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaMode {
    /// It fetches it itself.
    #[default]
    Link,
    /// We fetch it, look at it, and hand it over.
    Upload,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Location {
    /// Degrees, north positive.
    pub latitude: f64,
    /// Degrees, east positive.
    pub longitude: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contacts {
    pub contacts: Vec<ContactCard>,
}

/// Somebody's card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContactCard {
    pub name: ContactName,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phones: Vec<ContactPhone>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub emails: Vec<ContactEmail>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContactName {
    pub formatted_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContactPhone {
    pub phone: String,
    /// Such as `WORK`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// An address, as an object or as the plain text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "read::Email")]
pub struct ContactEmail {
    pub email: String,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// A template as it is sent and shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Template {
    pub id: TemplateId,
    pub key: String,
    pub name: String,
    pub language: String,
    /// In the provider's own shape.
    pub components: Vec<serde_json::Value>,
    /// The rendered body.
    pub text: String,
}

/// A sign put to a message of the conversation; the empty emoji takes it back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reaction {
    pub message_id: MessageId,
    pub emoji: String,
}

/// Shows the customer that their message was seen; without an id, their last one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MarkSeen {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
}

/// Shows that an answer is being written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Typing {
    /// Takes the sign back, where a provider has that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub off: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    pub id: String,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unsupported {
    pub provider_type: String,
}

impl Content {
    /// A text that says nothing of previews.
    #[must_use]
    pub fn text_of(text: impl Into<String>) -> Self {
        Content::Text(Text {
            text: text.into(),
            preview_url: None,
        })
    }

    /// Something that arrived, by the provider's name of its kind.
    #[must_use]
    pub fn unsupported(provider_type: impl Into<String>) -> Self {
        Content::Unsupported(Unsupported {
            provider_type: provider_type.into(),
        })
    }

    /// The name of its kind on the wire.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Content::Text(_) => "text",
            Content::Image(_) => "image",
            Content::Video(_) => "video",
            Content::Audio(_) => "audio",
            Content::Document(_) => "document",
            Content::Sticker(_) => "sticker",
            Content::Location(_) => "location",
            Content::Contacts(_) => "contacts",
            Content::Interactive(_) => "interactive",
            Content::Cards(_) => "cards",
            Content::Template(_) => "template",
            Content::Reaction(_) => "reaction",
            Content::MarkSeen(_) => "markSeen",
            Content::Typing(_) => "typing",
            Content::PaymentRequest(_) => "paymentRequest",
            Content::OrderStatus(_) => "orderStatus",
            Content::Reply(_) => "reply",
            Content::Order(_) => "order",
            Content::Unsupported(_) => "unsupported",
        }
    }

    /// The name under which a channel says whether it carries it: interactive messages by
    /// what they ask for.
    #[must_use]
    pub fn capability(&self) -> &'static str {
        if let Content::Interactive(interactive) = self {
            interactive.capability()
        } else {
            self.kind()
        }
    }

    /// What it says, as text a person can read; `None` where it has none.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Content::Text(text) => Some(&text.text),
            Content::Image(media)
            | Content::Video(media)
            | Content::Audio(media)
            | Content::Document(media)
            | Content::Sticker(media) => media.caption.as_deref(),
            Content::Location(location) => location.name.as_deref().or(location.address.as_deref()),
            Content::Contacts(cards) => {
                let first = cards.contacts.first();
                first.map(|card| card.name.formatted_name.as_str())
            }
            Content::Interactive(interactive) => Some(&interactive.body),
            Content::Cards(cards) => cards.cards.first().map(|card| card.title.as_str()),
            Content::Template(template) => Some(&template.text),
            Content::Reaction(reaction) => Some(&reaction.emoji),
            Content::PaymentRequest(request) => Some(&request.body_text),
            Content::OrderStatus(status) => Some(&status.body_text),
            Content::Reply(reply) => Some(&reply.title),
            Content::Order(order) => order.text.as_deref(),
            Content::MarkSeen(_) | Content::Typing(_) | Content::Unsupported(_) => None,
        }
    }

    /// The file it brings, if it is one.
    #[must_use]
    pub fn media(&self) -> Option<&Media> {
        match self {
            Content::Image(media)
            | Content::Video(media)
            | Content::Audio(media)
            | Content::Document(media)
            | Content::Sticker(media) => Some(media),
            Content::Text(_)
            | Content::Location(_)
            | Content::Contacts(_)
            | Content::Interactive(_)
            | Content::Cards(_)
            | Content::Template(_)
            | Content::Reaction(_)
            | Content::MarkSeen(_)
            | Content::Typing(_)
            | Content::PaymentRequest(_)
            | Content::OrderStatus(_)
            | Content::Reply(_)
            | Content::Order(_)
            | Content::Unsupported(_) => None,
        }
    }

    /// The file it brings, to be changed.
    pub fn media_mut(&mut self) -> Option<&mut Media> {
        if let Content::Image(media)
        | Content::Video(media)
        | Content::Audio(media)
        | Content::Document(media)
        | Content::Sticker(media) = self
        {
            Some(media)
        } else {
            None
        }
    }

    /// Every address of a file in it, with where it stands.
    pub fn files_mut(&mut self) -> Vec<(String, &mut String)> {
        match self {
            Content::Image(media)
            | Content::Video(media)
            | Content::Audio(media)
            | Content::Document(media)
            | Content::Sticker(media) => vec![("/url".to_owned(), &mut media.url)],
            Content::Interactive(interactive) => {
                let header = interactive.header.as_mut();
                let url = header.and_then(|header| header.url.as_mut());
                url.map(|url| ("/header/url".to_owned(), url))
                    .into_iter()
                    .collect()
            }
            Content::Cards(cards) => {
                let cards = cards.cards.iter_mut().enumerate();
                let images = cards.filter_map(|(at, card)| {
                    let url = card.image_url.as_mut()?;
                    Some((format!("/cards/{at}/imageUrl"), url))
                });
                images.collect()
            }
            Content::Text(_)
            | Content::Location(_)
            | Content::Contacts(_)
            | Content::Template(_)
            | Content::Reaction(_)
            | Content::MarkSeen(_)
            | Content::Typing(_)
            | Content::PaymentRequest(_)
            | Content::OrderStatus(_)
            | Content::Reply(_)
            | Content::Order(_)
            | Content::Unsupported(_) => vec![],
        }
    }

    /// The same file without its caption, and the caption.
    #[must_use]
    pub fn without_caption(&self) -> Option<(Content, String)> {
        let mut bare = self.clone();
        let caption = bare.media_mut()?.caption.take()?;
        Some((bare, caption))
    }

    /// Whether it does something to another message rather than say anything.
    #[must_use]
    pub fn is_sign(&self) -> bool {
        matches!(
            self,
            Content::Reaction(_) | Content::MarkSeen(_) | Content::Typing(_)
        )
    }

    /// The message that a sign names.
    #[must_use]
    pub fn marks(&self) -> Option<MessageId> {
        if let Content::Reaction(reaction) = self {
            Some(reaction.message_id)
        } else if let Content::MarkSeen(mark) = self {
            mark.message_id
        } else {
            None
        }
    }

    /// Whether it may be sent at any time: a template was approved for that, and a mark
    /// says nothing.
    #[must_use]
    pub fn is_always_allowed(&self) -> bool {
        matches!(self, Content::Template(_) | Content::MarkSeen(_))
    }
}
