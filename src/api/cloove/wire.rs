//! The documented JSON of this surface.

use crate::api::Call;
use crate::api::reading::{Name, number, read};
use crate::channel::Invalid;
use crate::gateway::cloove::{delivery_status, phone};
use crate::gateway::{Accepted, Draft, Error, Recipient, Send, Sender, Word, view};
use crate::model::channel::ChannelKind;
use crate::model::content::Content;
use crate::model::conversation::{ConversationStatus, Mode};
use crate::model::id::{ChannelId, ConversationId, MessageId, WorkspaceId};
use crate::model::message::{Direction, MessageRecord};
use crate::model::template::{TemplateDraft, TemplateRef};
use crate::model::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `page` and `limit`.
pub struct Paging {
    /// From 1.
    pub page: i64,
    pub limit: i64,
}

impl Paging {
    pub fn of(call: &Call<'_>) -> Result<Self, Error> {
        Ok(Self {
            page: number(call, "page", 1, 1..=i64::MAX)?,
            limit: number(call, "limit", 20, 1..=100)?,
        })
    }

    pub fn meta(&self, total: i64) -> Meta {
        let pages = total.saturating_add(self.limit - 1) / self.limit;
        Meta {
            total,
            page: self.page,
            per_page: self.limit,
            total_pages: pages,
            has_more: self.page < pages,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    total: i64,
    page: i64,
    per_page: i64,
    total_pages: i64,
    has_more: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Conversation<'a> {
    id: ConversationId,
    business_id: WorkspaceId,
    customer_phone: Option<String>,
    customer_name: Option<&'a str>,
    status: ConversationStatus,
    mode: Mode,
    unread_count: i64,
    last_inbound_at: Option<Timestamp>,
    last_outbound_at: Option<Timestamp>,
}

impl<'a> Conversation<'a> {
    pub fn of(conversation: &'a view::Conversation, workspace: WorkspaceId) -> Self {
        Self {
            id: conversation.id,
            business_id: workspace,
            customer_phone: phone(conversation.channel_type, &conversation.contact.address),
            customer_name: conversation.contact.name.as_deref(),
            status: conversation.status,
            mode: conversation.mode,
            unread_count: conversation.unread_count,
            last_inbound_at: conversation.last_inbound_at,
            last_outbound_at: conversation.last_outbound_at,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Message<'a> {
    id: MessageId,
    direction: Direction,
    message_type: &'static str,
    text: Option<&'a str>,
    delivery_status: &'static str,
    created_at: Timestamp,
}

impl<'a> Message<'a> {
    pub fn of(message: &'a MessageRecord) -> Self {
        Self {
            id: message.id,
            direction: message.direction,
            message_type: message.content.kind(),
            text: message.content.text(),
            delivery_status: delivery_status(message.status),
            created_at: message.times.created_at,
        }
    }
}

/// A message as the answer to its send.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sent<'a> {
    conversation_id: ConversationId,
    #[serde(flatten)]
    message: Message<'a>,
}

impl<'a> Sent<'a> {
    /// As it was when the provider answered: a replay tells the same.
    pub fn of(accepted: &'a Accepted) -> Self {
        let message = Message::of(&accepted.message);
        Self {
            conversation_id: accepted.message.conversation_id,
            message: Message {
                delivery_status: match &accepted.word {
                    Some(Word::Sent) => "sent",
                    Some(Word::Rejected { .. }) => "failed",
                    Some(Word::Unsettled) | None => "pending",
                },
                ..message
            },
        }
    }
}

/// Most characters of a text, as WhatsApp counts them.
const MOST_TEXT: usize = 4096;

/// Reads a text to a conversation; one without an id is none.
pub fn text(json: Value, conversation: String) -> Result<Send, Error> {
    #[derive(Deserialize)]
    struct Wire {
        text: String,
    }
    let wire: Wire = read(json, "")?;
    if wire.text.trim().is_empty() || wire.text.chars().count() > MOST_TEXT {
        let detail = format!("must be 1 to {MOST_TEXT} characters, not all of them blank");
        return Err(Error::invalid("/text", detail));
    }
    let content = Content::text_of(wire.text);
    let to = Recipient::Conversation(conversation);
    Ok(draft(None, to, content.into(), None))
}

/// Reads a template to a phone number.
pub fn template(json: Value) -> Result<Send, Error> {
    #[derive(Deserialize)]
    struct Wire {
        business_whatsapp_number_id: String,
        phone: String,
        template_key: String,
        customer_name: Option<Name>,
        variables: Option<Map<String, Value>>,
    }
    let wire: Wire = read(json, "")?;
    let mut wrong = vec![];
    if ChannelId::parse(&wire.business_whatsapp_number_id).is_none() {
        wrong.push(Invalid::new(
            "/business_whatsapp_number_id",
            "must be the id of a WhatsApp channel",
        ));
    }
    if !is_e164(&wire.phone) {
        wrong.push(Invalid::new(
            "/phone",
            "must be a phone number in E.164, such as +2348012345678",
        ));
    }
    if wire.template_key.is_empty() {
        wrong.push(Invalid::new("/template_key", "must not be empty"));
    }
    if !wrong.is_empty() {
        return Err(Error::Invalid(wrong));
    }
    let draft_of = TemplateDraft {
        template: TemplateRef::Key {
            key: wire.template_key,
            language: None,
        },
        components: None,
        variables: wire.variables,
    };
    Ok(draft(
        Some(wire.business_whatsapp_number_id),
        Recipient::Address(wire.phone),
        Draft::Template(draft_of),
        wire.customer_name.map(|name| name.0),
    ))
}

/// `+`, then 7 to 15 digits of which the first is none.
fn is_e164(phone: &str) -> bool {
    phone.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0')
    })
}

fn draft(
    from: Option<String>,
    to: Recipient,
    content: Draft,
    contact_name: Option<String>,
) -> Send {
    let from = Sender {
        name: from,
        kind: Some(ChannelKind::Whatsapp),
        or_account: false,
    };
    Send {
        contact_name,
        ..Send::new(from, to, content)
    }
}

/// What a route calls the fields of a send, by their pointers: the longest that begins
/// alike is replaced; to nothing where the body has no such field.
pub type Names = &'static [(&'static str, &'static str)];

/// Of a text to a conversation, which the path names.
pub const TEXT: Names = &[
    ("/content/text", "/text"),
    ("/content", ""),
    ("/from", ""),
    ("/to", ""),
];

/// Of a template to a number.
pub const TEMPLATE: Names = &[
    ("/content/variables", "/variables"),
    ("/content/key", "/template_key"),
    ("/content", "/template_key"),
    ("/from", "/business_whatsapp_number_id"),
    ("/to", "/phone"),
];

/// Points a refusal at the fields that this surface's body has.
pub fn in_own_words(error: Error, names: Names) -> Error {
    let own = |pointer: &str| {
        for (theirs, ours) in names {
            let Some(rest) = pointer.strip_prefix(theirs) else {
                continue;
            };
            if rest.is_empty() || rest.starts_with('/') {
                let keeps_rest = theirs.matches('/').count() > 1 && !ours.is_empty();
                return if keeps_rest {
                    format!("{ours}{rest}")
                } else {
                    (*ours).to_owned()
                };
            }
        }
        pointer.to_owned()
    };
    if let Error::UnknownSender(detail) = error {
        return Error::invalid(own("/from"), detail);
    }
    error.repointed(own)
}
