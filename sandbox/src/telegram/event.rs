//! What Telegram posts to a bot's webhook.
//!
//! <https://core.telegram.org/bots/api#update>

use serde_json::{Value, json};

use super::Fields;
use crate::shown::{Choice, ChoiceSort, HOME};

/// What a person did in their chat with the bot.
pub(crate) struct Inbound {
    pub update_id: i64,
    pub message_id: i64,
    pub chat: i64,
    pub name: String,
    pub said: Said,
    /// Unix seconds.
    pub at: i64,
    pub reply_to: Option<i64>,
}

pub(crate) enum Said {
    Text(String),
    /// A file of a kind, how the message tells of it, and its caption.
    Media(&'static str, Fields, Option<String>),
    /// Where the person is.
    Location,
    /// The person's own number.
    Contact(String),
    /// A button under the bot's message was pressed, which is not a message.
    Pressed {
        query: String,
        data: String,
        /// The bot's message.
        on: Value,
    },
}

impl Said {
    /// What comes of pressing a choice on a message, if Telegram has such.
    pub(crate) fn pressed(
        choice: &Choice,
        on: Option<&Value>,
        query: &str,
        chat: i64,
    ) -> Option<Self> {
        match choice.sort {
            ChoiceSort::Key => Some(Said::Text(choice.title.clone())),
            ChoiceSort::Location => Some(Said::Location),
            ChoiceSort::Contact => Some(Said::Contact(format!("+{chat}"))),
            ChoiceSort::Callback => Some(Said::Pressed {
                query: query.to_owned(),
                data: choice.value.clone(),
                on: on?.clone(),
            }),
            ChoiceSort::Reply
            | ChoiceSort::Row
            | ChoiceSort::TemplateReply
            | ChoiceSort::QuickReply
            | ChoiceSort::Postback
            | ChoiceSort::Link => None,
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Said::Text(_) => "text",
            Said::Media(kind, ..) => kind,
            Said::Location => "location",
            Said::Contact(_) => "contact",
            Said::Pressed { .. } => "callback_query",
        }
    }

    pub(crate) fn query(&self) -> Option<&str> {
        match self {
            Said::Pressed { query, .. } => Some(query),
            Said::Text(_) | Said::Media(..) | Said::Location | Said::Contact(_) => None,
        }
    }
}

pub(crate) fn inbound(inbound: &Inbound) -> Value {
    let from = json!({"id": inbound.chat, "is_bot": false, "first_name": inbound.name});
    let chat = json!({"id": inbound.chat, "type": "private", "first_name": inbound.name});
    let mut message = json!({
        "message_id": inbound.message_id,
        "from": from,
        "chat": chat,
        "date": inbound.at,
    });
    match &inbound.said {
        Said::Text(text) => message["text"] = json!(text),
        Said::Media(_, fields, caption) => {
            for (name, value) in fields {
                message[*name] = value.clone();
            }
            if let Some(caption) = caption {
                message["caption"] = json!(caption);
            }
        }
        Said::Location => {
            let (latitude, longitude) = HOME;
            message["location"] = json!({"latitude": latitude, "longitude": longitude});
        }
        Said::Contact(number) => {
            message["contact"] = json!({
                "phone_number": number,
                "first_name": inbound.name,
                "user_id": inbound.chat,
            });
        }
        Said::Pressed { query, data, on } => {
            let query = json!({
                "id": query,
                "from": from,
                "message": on,
                "chat_instance": format!("{}", inbound.chat.wrapping_mul(4_294_967_311)),
                "data": data,
            });
            return json!({"update_id": inbound.update_id, "callback_query": query});
        }
    }
    if let Some(id) = inbound.reply_to {
        message["reply_to_message"] = json!({"message_id": id, "chat": chat, "date": inbound.at});
    }
    json!({"update_id": inbound.update_id, "message": message})
}
