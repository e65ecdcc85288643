//! What a phone shows of a message, and what its owner can press on it.

use serde::Serialize;

/// Something to press on a message.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Choice {
    pub sort: ChoiceSort,
    pub title: String,
    /// What the business gets back, an id or a payload; of a link its address.
    pub value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ChoiceSort {
    /// WhatsApp's reply button.
    Reply,
    /// A row of a WhatsApp list.
    Row,
    /// The quick reply button of a WhatsApp template.
    TemplateReply,
    /// A quick reply of Messenger or Instagram.
    QuickReply,
    /// A postback button of Messenger or Instagram.
    Postback,
    /// A button of a Telegram inline keyboard that calls back.
    Callback,
    /// A key of a Telegram keyboard, which writes its own text.
    Key,
    /// Sends where the person is.
    Location,
    /// Sends the person's own contact.
    Contact,
    /// Opens something outside the chat; the business never hears of it.
    Link,
}

impl Choice {
    pub(crate) fn new(
        sort: ChoiceSort,
        title: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        Self {
            sort,
            title: title.into(),
            value: value.into(),
            description: None,
        }
    }
}

/// A message as a phone shows it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    /// The provider's own word for it.
    pub kind: String,
    pub text: String,
    pub choices: Vec<Choice>,
}

impl Shown {
    pub(crate) fn new(kind: &str, text: impl Into<String>) -> Self {
        Self {
            kind: kind.to_owned(),
            text: text.into(),
            choices: Vec::new(),
        }
    }

    /// One line for each part that is there.
    pub(crate) fn lines<'a>(kind: &str, parts: impl IntoIterator<Item = Option<&'a str>>) -> Self {
        let parts = parts.into_iter().flatten();
        let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
        Self::new(kind, parts.join("\n"))
    }

    pub(crate) fn with(mut self, choices: Vec<Choice>) -> Self {
        self.choices = choices;
        self
    }
}

/// Where the people on the phones are, when they are asked: latitude and longitude.
pub(crate) const HOME: (f64, f64) = (-23.561_684, -46.655_981);

/// A place as people read it.
pub(crate) fn place(
    name: Option<&str>,
    address: Option<&str>,
    latitude: f64,
    longitude: f64,
) -> String {
    let named: Vec<_> = [name, address].into_iter().flatten().collect();
    if named.is_empty() {
        format!("{latitude}, {longitude}")
    } else {
        format!("{} ({latitude}, {longitude})", named.join(", "))
    }
}
