//! The methods the sandbox knows and what each must carry.

use serde_json::{Value, json};

use super::file::{Fields, Source};
use super::params::Params;
use super::{Refusal, facts, keyboard};
use crate::account::Telegram;
use crate::shown::{Shown, place};
use crate::state::Shared;

#[derive(Clone, Copy)]
pub(super) enum Method {
    GetMe,
    SetWebhook,
    DeleteWebhook,
    GetWebhookInfo,
    GetFile,
    SendChatAction,
    SetMessageReaction,
    AnswerCallbackQuery,
    /// Sends a message of a kind.
    Send(&'static str),
}

impl Method {
    /// Names are matched without regard to case, as Telegram does.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "getme" => Method::GetMe,
            "setwebhook" => Method::SetWebhook,
            "deletewebhook" => Method::DeleteWebhook,
            "getwebhookinfo" => Method::GetWebhookInfo,
            "getfile" => Method::GetFile,
            "sendchataction" => Method::SendChatAction,
            "setmessagereaction" => Method::SetMessageReaction,
            "answercallbackquery" => Method::AnswerCallbackQuery,
            "sendmessage" => Method::Send("text"),
            "sendphoto" => Method::Send("photo"),
            "sendvideo" => Method::Send("video"),
            "sendaudio" => Method::Send("audio"),
            "sendvoice" => Method::Send("voice"),
            "senddocument" => Method::Send("document"),
            "sendanimation" => Method::Send("animation"),
            "sendsticker" => Method::Send("sticker"),
            "sendlocation" => Method::Send("location"),
            "sendvenue" => Method::Send("venue"),
            "sendcontact" => Method::Send("contact"),
            _ => return None,
        })
    }

    /// Refuses parameters the method does not have.
    pub(super) fn check(self, params: &Params) -> Result<(), Refusal> {
        match self {
            Method::GetMe | Method::GetWebhookInfo => params.check(&[]),
            Method::SetWebhook => params.check(&[facts::SET_WEBHOOK]),
            Method::DeleteWebhook => params.check(&[facts::DELETE_WEBHOOK]),
            Method::GetFile => params.check(&[facts::GET_FILE]),
            Method::SendChatAction => params.check(&[facts::SEND_CHAT_ACTION]),
            Method::SetMessageReaction => params.check(&[facts::SET_MESSAGE_REACTION]),
            Method::AnswerCallbackQuery => params.check(&[facts::ANSWER_CALLBACK_QUERY]),
            Method::Send(kind) => params.check(&facts::of_send(kind)),
        }
    }
}

/// The part of a message that depends on its kind.
pub(super) struct Content {
    pub shown: Shown,
    /// What the answer's `Message` holds.
    pub fields: Fields,
    /// What is to be kept once the message is accepted.
    pub file: Option<Source>,
}

pub(super) fn content(
    shared: &Shared,
    bot: &Telegram,
    kind: &'static str,
    params: &Params,
) -> Result<Content, Refusal> {
    let mut file = None;
    let (text, mut fields) = match kind {
        "text" => text(params)?,
        "location" => {
            let (latitude, longitude) = coordinates(params)?;
            let location = json!({"latitude": latitude, "longitude": longitude});
            let shown = place(None, None, latitude, longitude);
            (shown, vec![("location", location)])
        }
        "venue" => {
            let (latitude, longitude) = coordinates(params)?;
            let location = json!({"latitude": latitude, "longitude": longitude});
            let title = params.text("title", "title")?;
            let address = params.text("address", "address")?;
            let venue = json!({"location": location, "title": title, "address": address});
            let shown = place(Some(&title), Some(&address), latitude, longitude);
            (shown, vec![("venue", venue), ("location", location)])
        }
        "contact" => contact(params)?,
        media => {
            let source = Source::of(shared, bot, media, params)?;
            let captioned = captioned(source.shown(), params)?;
            file = Some(source);
            captioned
        }
    };
    let choices = match params.object("reply_markup")? {
        None => Vec::new(),
        Some(markup) => {
            let choices = keyboard::choices(&markup)?;
            // Only what stays under the message comes back with it.
            if markup.get("inline_keyboard").is_some() {
                fields.push(("reply_markup", markup));
            }
            choices
        }
    };
    Ok(Content {
        shown: Shown::new(kind, text).with(choices),
        fields,
        file,
    })
}

type Parts = (String, Fields);

fn text(params: &Params) -> Result<Parts, Refusal> {
    check_parse_mode(params)?;
    if let Some(preview) = params.object("link_preview_options")? {
        let fields = preview.as_object().into_iter().flatten();
        let is_known = |(name, value): (&String, &Value)| match name.as_str() {
            "url" => value.is_string(),
            "is_disabled" | "prefer_small_media" | "prefer_large_media" | "show_above_text" => {
                value.is_boolean()
            }
            _ => false,
        };
        if !fields.into_iter().all(is_known) {
            return Err(Refusal::bad_request("can't parse link preview options"));
        }
    }
    let text = params.required("text", "message text is empty")?;
    let text = text.trim().to_owned();
    if text.chars().count() > 4096 {
        return Err(Refusal::bad_request("message is too long"));
    }
    Ok((text.clone(), vec![("text", json!(text))]))
}

fn contact(params: &Params) -> Result<Parts, Refusal> {
    let number = params.text("phone_number", "phone_number")?;
    let first_name = params.text("first_name", "first_name")?;
    let mut contact = json!({"phone_number": number, "first_name": first_name});
    let mut name = first_name;
    if let Some(last_name) = params.get("last_name") {
        name = format!("{name} {last_name}");
        contact["last_name"] = json!(last_name);
    }
    if let Some(vcard) = params.get("vcard") {
        if vcard.len() > 2048 {
            return Err(Refusal::bad_request("contact vCard is too long"));
        }
        contact["vcard"] = json!(vcard);
    }
    Ok((format!("{name}, {number}"), vec![("contact", contact)]))
}

/// A file as the phone shows it, with its caption.
fn captioned(mut shown: String, params: &Params) -> Result<Parts, Refusal> {
    check_parse_mode(params)?;
    let caption = params.get("caption").filter(|caption| !caption.is_empty());
    let Some(caption) = caption else {
        return Ok((shown, Vec::new()));
    };
    if caption.chars().count() > 1024 {
        return Err(Refusal::bad_request("message caption is too long"));
    }
    shown = format!("{shown}\n{caption}");
    Ok((shown, vec![("caption", json!(caption))]))
}

fn check_parse_mode(params: &Params) -> Result<(), Refusal> {
    let mode = params.get("parse_mode").unwrap_or_default();
    let known = ["", "html", "markdown", "markdownv2"];
    if known.contains(&mode.to_ascii_lowercase().as_str()) {
        Ok(())
    } else {
        Err(Refusal::bad_request("unsupported parse_mode"))
    }
}

fn coordinates(params: &Params) -> Result<(f64, f64), Refusal> {
    let (latitude, longitude) = (params.float("latitude")?, params.float("longitude")?);
    if latitude.abs() > 90.0 || longitude.abs() > 180.0 {
        return Err(Refusal::bad_request("invalid location specified"));
    }
    Ok((latitude, longitude))
}

/// The one emoji a bot may put on a message, or none.
pub(super) fn reaction(params: &Params) -> Result<Option<String>, Refusal> {
    let reactions = params.array("reaction");
    let Some(reaction) = reactions.first() else {
        return Ok(None);
    };
    let emoji = reaction["emoji"].as_str().unwrap_or_default();
    let is_plain = reaction["type"] == "emoji"
        && reaction.as_object().is_some_and(|fields| fields.len() == 2)
        && facts::REACTIONS
            .split_whitespace()
            .any(|known| known == emoji);
    if !is_plain {
        return Err(Refusal::bad_request("REACTION_INVALID"));
    }
    if reactions.len() > 1 {
        return Err(Refusal::bad_request("REACTIONS_TOO_MANY"));
    }
    Ok(Some(emoji.to_owned()))
}
