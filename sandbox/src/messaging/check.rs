//! The rules a message of a Page or an Instagram account must keep, checked as strictly as Meta checks them.
//!
//! <https://developers.facebook.com/docs/messenger-platform/reference/send-api>
//! <https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login/messaging-api>

use http::HeaderMap;
use serde_json::Value;

use super::Platform;
use super::field::{known_keys, one_of, text};
use super::message::message;
use super::refusal::{invalid, unknown_keys};
use crate::graph::{Refusal, is_json};
use crate::shown::Shown;

pub(super) enum Request {
    Send(Outbound),
    Act { person: String, action: Action },
}

pub(super) struct Outbound {
    pub person: String,
    pub shown: Shown,
    pub reply_to: Option<String>,
    /// Tagged so that it may come up to seven days late.
    pub by_human_agent: bool,
    /// The message as it came.
    pub message: Value,
}

pub(super) enum Action {
    Typing,
    MarkSeen,
    /// Puts a reaction on a message; none takes it back.
    React {
        message_id: String,
        reaction: Option<String>,
    },
}

/// The reactions Messenger has names for. It also takes an emoji.
const REACTIONS: [&str; 7] = ["smile", "angry", "sad", "wow", "love", "like", "dislike"];

/// Reads a body of `POST /{id}/messages`.
pub(super) fn request(
    platform: Platform,
    headers: &HeaderMap,
    body: &Value,
) -> Result<Request, Refusal> {
    let Some(recipient) = body.get("recipient").filter(|_| is_json(headers)) else {
        return Err(Refusal::required("recipient"));
    };
    known_keys(recipient, "recipient", &["id"])?;
    let person = recipient["id"].as_str().filter(|id| is_id(id));
    let person = person
        .ok_or_else(|| invalid("recipient[id]", "must be a valid ID string (e.g., \"123\")"))?
        .to_owned();
    if let Some(action) = body.get("sender_action") {
        if body.get("message").is_some() {
            let message = "Cannot send both message and state at the same time.";
            return Err(Refusal::new(100, message).with_subcode(2_018_006));
        }
        known_keys(body, "body", &["recipient", "sender_action", "payload"])?;
        let action = self::action(platform, action, body.get("payload"))?;
        return Ok(Request::Act { person, action });
    }
    known_keys(
        body,
        "body",
        &[
            "recipient",
            "messaging_type",
            "message",
            "notification_type",
            "tag",
            "reply_to",
        ],
    )?;
    let by_human_agent = by_human_agent(platform, body)?;
    one_of(
        body,
        "notification_type",
        &["REGULAR", "SILENT_PUSH", "NO_PUSH"],
    )?;
    let reply_to = match body.get("reply_to") {
        None => None,
        Some(reply) => {
            known_keys(reply, "reply_to", &["mid"])?;
            Some(text(reply, "mid", "reply_to[mid]", 1000)?.to_owned())
        }
    };
    let content = body
        .get("message")
        .ok_or_else(|| Refusal::new(100, "Must send either message or state"))?;
    Ok(Request::Send(Outbound {
        person,
        shown: message(platform, content)?,
        reply_to,
        by_human_agent,
        message: content.clone(),
    }))
}

pub(super) fn is_id(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())
}

fn action(platform: Platform, action: &Value, payload: Option<&Value>) -> Result<Action, Refusal> {
    let name = action.as_str().unwrap_or_default();
    match (name, payload) {
        ("typing_on" | "typing_off", None) => Ok(Action::Typing),
        ("mark_seen", None) => Ok(Action::MarkSeen),
        ("react" | "unreact", Some(payload)) => {
            known_keys(payload, "payload", &["message_id", "reaction"])?;
            let message_id = text(payload, "message_id", "payload[message_id]", 1000)?;
            let message_id = message_id.to_owned();
            if name == "unreact" {
                return Ok(Action::React {
                    message_id,
                    reaction: None,
                });
            }
            let reaction = text(payload, "reaction", "payload[reaction]", 64)?;
            let is_known = match platform {
                Platform::Messenger => REACTIONS.contains(&reaction) || !reaction.is_ascii(),
                Platform::Instagram => reaction == "love",
            };
            if !is_known {
                return Err(invalid("payload[reaction]", "is not a known reaction"));
            }
            Ok(Action::React {
                message_id,
                reaction: Some(reaction.to_owned()),
            })
        }
        ("typing_on" | "typing_off" | "mark_seen", Some(_)) => {
            Err(unknown_keys("body", &["payload"]))
        }
        ("react" | "unreact", None) => Err(Refusal::required("payload")),
        _ => Err(invalid(
            "sender_action",
            "must be one of {MARK_SEEN, TYPING_ON, TYPING_OFF, REACT, UNREACT}",
        )),
    }
}

/// Messenger wants to know what sort of message it is; Instagram only whether it is tagged.
fn by_human_agent(platform: Platform, body: &Value) -> Result<bool, Refusal> {
    one_of(
        body,
        "messaging_type",
        &["RESPONSE", "UPDATE", "MESSAGE_TAG"],
    )?;
    let kind = body["messaging_type"].as_str();
    if kind.is_none() && platform == Platform::Messenger {
        return Err(Refusal::required("messaging_type"));
    }
    match (kind, body.get("tag")) {
        (Some("RESPONSE" | "UPDATE"), Some(_)) => {
            Err(invalid("tag", "needs the messaging_type MESSAGE_TAG"))
        }
        (Some("MESSAGE_TAG"), None) => Err(Refusal::required("tag")),
        (_, Some(tag)) if tag != "HUMAN_AGENT" => Err(Refusal::new(100, "Invalid tag.")),
        (_, tag) => Ok(tag.is_some()),
    }
}
