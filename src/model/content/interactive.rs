//! Messages that ask for an answer by a tap.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Interactive {
    pub kind: InteractiveKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<Header>,
    pub body: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footer: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<Button>,
    /// Messenger and Instagram: buttons that go once one is tapped, however few they are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub quick_replies: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<List>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cta_url: Option<CtaUrl>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum InteractiveKind {
    Buttons,
    List,
    CtaUrl,
    LocationRequest,
}

impl Interactive {
    /// As `Content::capability` says; buttons that open a page are a case of their own.
    #[must_use]
    pub fn capability(&self) -> &'static str {
        match self.kind {
            InteractiveKind::Buttons if self.buttons.iter().any(|it| it.url.is_some()) => {
                "interactive.urlButtons"
            }
            InteractiveKind::Buttons => "interactive.buttons",
            InteractiveKind::List => "interactive.list",
            InteractiveKind::CtaUrl => "interactive.ctaUrl",
            InteractiveKind::LocationRequest => "interactive.locationRequest",
        }
    }
}

/// What stands above the body. On the wire a text may also be written as the plain string.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "super::read::HeaderForm")]
pub struct Header {
    #[serde(rename = "type")]
    pub kind: HeaderKind,
    /// Of a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Of a document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HeaderKind {
    Text,
    Image,
    Video,
    Document,
}

impl HeaderKind {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            HeaderKind::Text => "text",
            HeaderKind::Image => "image",
            HeaderKind::Video => "video",
            HeaderKind::Document => "document",
        }
    }
}

/// A button that answers with its id, or one that opens a page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Button {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct List {
    /// What opens it.
    pub button: String,
    pub sections: Vec<Section>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Section {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    pub rows: Vec<Row>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub id: String,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl List {
    /// Its rows, each with the title of its section.
    pub fn rows(&self) -> impl Iterator<Item = (Option<&str>, &Row)> {
        self.sections.iter().flat_map(|section| {
            let title = section.title.as_deref();
            section.rows.iter().map(move |row| (title, row))
        })
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CtaUrl {
    pub text: String,
    pub url: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cards {
    pub cards: Vec<Card>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Card {
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtitle: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
    #[serde(default)]
    pub buttons: Vec<CardButton>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CardButton {
    pub kind: CardButtonKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CardButtonKind {
    Reply,
    Url,
}
