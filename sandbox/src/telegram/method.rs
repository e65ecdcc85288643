//! The methods the sandbox knows and what each must carry.

use serde_json::{Value, json};

use super::Refusal;
use super::params::Params;
use crate::state::Shared;

pub(super) enum Method {
    GetMe,
    SetWebhook,
    DeleteWebhook,
    GetWebhookInfo,
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
            "sendchataction" => Method::SendChatAction,
            "setmessagereaction" => Method::SetMessageReaction,
            "answercallbackquery" => Method::AnswerCallbackQuery,
            "sendmessage" => Method::Send("text"),
            "sendphoto" => Method::Send("photo"),
            "sendvideo" => Method::Send("video"),
            "sendaudio" => Method::Send("audio"),
            "sendvoice" => Method::Send("voice"),
            "senddocument" => Method::Send("document"),
            "sendsticker" => Method::Send("sticker"),
            "sendlocation" => Method::Send("location"),
            "sendvenue" => Method::Send("venue"),
            "sendcontact" => Method::Send("contact"),
            _ => return None,
        })
    }
}

/// The part of a message that depends on its kind.
pub(super) struct Content {
    /// What the phone shows.
    pub shown: Option<String>,
    /// What the answer's `Message` holds.
    pub fields: Vec<(&'static str, Value)>,
}

pub(super) fn content(
    shared: &Shared,
    kind: &'static str,
    params: &Params,
) -> Result<Content, Refusal> {
    check_formatting(params)?;
    let content = match kind {
        "text" => {
            params.object("link_preview_options")?;
            let text = params.required("text", "message text is empty")?;
            let text = text.trim().to_owned();
            if text.chars().count() > 4096 {
                return Err(Refusal::bad_request("message is too long"));
            }
            Content {
                fields: vec![("text", json!(text))],
                shown: Some(text),
            }
        }
        "location" => Content {
            shown: None,
            fields: vec![("location", location(params)?)],
        },
        "venue" => {
            let location = location(params)?;
            let title = params.text("title", "title")?;
            let address = params.text("address", "address")?;
            let venue = json!({"location": location, "title": title, "address": address});
            Content {
                shown: Some(title),
                fields: vec![("venue", venue), ("location", location)],
            }
        }
        "contact" => {
            let name = params.text("first_name", "first_name")?;
            let mut contact = json!({
                "phone_number": params.text("phone_number", "phone_number")?,
                "first_name": name,
            });
            if let Some(last_name) = params.get("last_name") {
                contact["last_name"] = json!(last_name);
            }
            Content {
                shown: Some(name),
                fields: vec![("contact", contact)],
            }
        }
        media => {
            let why = format!("there is no {media} in the request");
            params.required(media, &why)?;
            let caption = params.get("caption").filter(|caption| !caption.is_empty());
            if caption
                .as_ref()
                .is_some_and(|text| text.chars().count() > 1024)
            {
                return Err(Refusal::bad_request("message caption is too long"));
            }
            let mut fields = vec![(kind, file(shared, media))];
            fields.extend(caption.iter().map(|caption| ("caption", json!(caption))));
            Content {
                shown: caption,
                fields,
            }
        }
    };
    Ok(content)
}

fn check_formatting(params: &Params) -> Result<(), Refusal> {
    params.object("reply_markup")?;
    match params
        .get("parse_mode")
        .map(|mode| mode.to_ascii_lowercase())
    {
        Some(mode) if !["", "html", "markdown", "markdownv2"].contains(&mode.as_str()) => {
            Err(Refusal::bad_request("unsupported parse_mode"))
        }
        Some(_) | None => Ok(()),
    }
}

fn location(params: &Params) -> Result<Value, Refusal> {
    let latitude = params.float("latitude")?;
    let longitude = params.float("longitude")?;
    Ok(json!({"latitude": latitude, "longitude": longitude}))
}

/// A file as Telegram describes one it has stored.
fn file(shared: &Shared, kind: &str) -> Value {
    let id = hex::encode(shared.ids.fresh());
    let mut file = json!({
        "file_id": format!("AgAC{}", &id[..56]),
        "file_unique_id": format!("AQAD{}", &id[..12]),
        "file_size": 19968,
    });
    match kind {
        "photo" => {
            file["width"] = json!(320);
            file["height"] = json!(320);
            json!([file])
        }
        "video" | "sticker" => {
            file["width"] = json!(512);
            file["height"] = json!(512);
            if kind == "video" {
                file["duration"] = json!(10);
            } else {
                file["type"] = json!("regular");
                file["is_animated"] = json!(false);
                file["is_video"] = json!(false);
            }
            file
        }
        "audio" | "voice" => {
            file["duration"] = json!(10);
            file
        }
        _ => file,
    }
}
