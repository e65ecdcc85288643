//! Telegram through the Bot API. <https://core.telegram.org/bots/api>

mod files;
mod profile;
mod said;
mod send;
mod uploads;
mod vcard;
mod wire;

use super::{
    Entry, Invalid, Origins, Outbound, Profile, Reason, SendError, Split, Unverified, join,
    lenient, post_json, retry_after_ms, sign,
};
use crate::model::channel::{Channel, ChannelKind, Credentials};
use crate::model::contact::{Address, IdentityKind};
use crate::model::content::Content;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use serde_json::{Value, json};

pub struct Adapter;

/// What a bot is to be told of.
const UPDATES: [&str; 11] = [
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "callback_query",
    "message_reaction",
    "my_chat_member",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
    "guest_message",
];

impl super::Adapter for Adapter {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Telegram
    }

    fn profile(&self) -> &'static Profile {
        &profile::PROFILE
    }

    fn credential_names(&self) -> &'static [&'static str] {
        &["botToken", "secretToken"]
    }

    fn check_credentials(&self, credentials: &Credentials) -> Result<(), Invalid> {
        let (id, secret) = credentials
            .get("botToken")
            .split_once(':')
            .unwrap_or(("", ""));
        let is_secret = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
        };
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) || !is_secret(secret) {
            return Err(Invalid::new(
                "/botToken",
                "must be a bot token such as 123456:ABC-def",
            ));
        }
        let token = credentials.get("secretToken");
        if !is_secret(token) || token.len() > 256 {
            return Err(Invalid::new(
                "/secretToken",
                "must be 1 to 256 letters, digits, underscores and hyphens",
            ));
        }
        Ok(())
    }

    /// Chats and messages have numbers of their own with every bot.
    fn owner<'a>(&self, credentials: &'a Credentials) -> Option<(&'static str, &'a str)> {
        let bot = credentials.get("botToken").split(':').next()?;
        Some(("botToken", bot))
    }

    fn default_identifier(&self, credentials: &Credentials) -> Option<String> {
        self.owner(credentials).map(|(_, bot)| bot.to_owned())
    }

    fn identifier(&self, raw: &str) -> Result<String, Invalid> {
        let name = raw.trim().trim_start_matches('@');
        if is_username(name) {
            Ok(name.to_owned())
        } else {
            Err(Invalid::new(
                "",
                "must be the bot's username, such as my_shop_bot",
            ))
        }
    }

    /// A chat id (negative for groups), `@name` of a public channel, a chat of an account that
    /// the bot is connected to: the chat id, `@` and the connection's; or a topic of a channel's
    /// direct messages: the chat id, `#` and the topic's.
    fn recipient(&self, raw: &str) -> Result<Address, Invalid> {
        let raw = raw.trim();
        let wire::Place {
            chat,
            connection,
            topic,
        } = wire::place(raw);
        let digits = chat.strip_prefix('-').unwrap_or(chat);
        let is_chat = !digits.starts_with('0')
            && chat.parse::<i64>().is_ok_and(|id| id != 0)
            && connection.is_none_or(|connection| {
                !connection.is_empty() && connection.bytes().all(|byte| byte.is_ascii_graphic())
            })
            && topic.is_none_or(|topic| {
                let is_number = topic.bytes().all(|byte| byte.is_ascii_digit());
                connection.is_none()
                    && is_number
                    && !topic.starts_with('0')
                    && topic.parse::<i64>().is_ok()
            });
        let is_name = raw.strip_prefix('@').is_some_and(is_username);
        if (is_chat && !raw.starts_with('+')) || is_name {
            Ok(Address(raw.to_owned()))
        } else {
            Err(Invalid::new(
                "",
                "must be a Telegram chat id, such as 5551234567",
            ))
        }
    }

    fn identity_kind(&self) -> IdentityKind {
        IdentityKind::Telegram
    }

    fn split(&self, content: &Content) -> Option<Split> {
        send::split(content)
    }

    fn files(&self) -> Option<&'static dyn super::Files> {
        Some(&files::Files)
    }

    fn uploads(&self) -> Option<&'static dyn super::Uploads> {
        Some(&uploads::Uploads)
    }

    fn request(&self, origins: &Origins, send: &Outbound<'_>) -> Result<Request<Bytes>, SendError> {
        let method = send::method(send)?;
        let token = send.channel.credentials.get("botToken");
        let path = format!("bot{token}/{}", method.name);
        post_json(&join(&origins.telegram, &path), None, &method.parameters)
    }

    fn accepted(&self, response: &Response<Bytes>) -> Result<Option<String>, SendError> {
        let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        match body.get("ok").and_then(Value::as_bool) {
            Some(true) if response.status().is_success() => {
                Ok(body.get("result").and_then(wire::message_id))
            }
            Some(false) => Err(error(response, &body)),
            Some(true) | None => Err(SendError::from_status(
                response.status().as_u16(),
                retry_after_ms(response),
            )),
        }
    }

    /// Telegram does not sign; it repeats the secret given to `setWebhook`.
    fn verify(
        &self,
        channel: &Channel,
        _: &str,
        request: &Request<Bytes>,
    ) -> Result<(), Unverified> {
        let given = request
            .headers()
            .get("x-telegram-bot-api-secret-token")
            .and_then(|value| value.to_str().ok())
            .ok_or(Unverified)?;
        if sign::same_secret(channel.credentials.get("secretToken"), given) {
            Ok(())
        } else {
            Err(Unverified)
        }
    }

    fn inbound(&self, request: &Request<Bytes>) -> Vec<Entry> {
        let read = wire::read(request.body());
        read.into_iter().map(Entry::from).collect()
    }

    /// A pressed button shows that it waits until it is answered: the answer to the webhook
    /// is a call of that method.
    fn acknowledgement(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let Some(id) = wire::pressed(request.body()) else {
            return Response::new(Bytes::new());
        };
        let call = json!({ "method": "answerCallbackQuery", "callback_query_id": id });
        let mut response = Response::new(Bytes::from(call.to_string()));
        let kind = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }

    fn probe(&self, origins: &Origins, channel: &Channel) -> Option<Request<Bytes>> {
        let token = channel.credentials.get("botToken");
        let url = join(&origins.telegram, &format!("bot{token}/getMe"));
        Request::get(url).body(Bytes::new()).ok()
    }

    fn introduced(&self, response: &Response<Bytes>) -> Option<String> {
        let body: Value = serde_json::from_slice(response.body()).ok()?;
        let name = body.pointer("/result/username")?.as_str()?;
        is_username(name).then(|| name.to_owned())
    }

    /// <https://core.telegram.org/bots/api#setwebhook>
    fn announce(&self, origins: &Origins, channel: &Channel, url: &str) -> Option<Request<Bytes>> {
        let token = channel.credentials.get("botToken");
        let webhook = json!({
            "url": url,
            "secret_token": channel.credentials.get("secretToken"),
            "allowed_updates": UPDATES,
        });
        let path = format!("bot{token}/setWebhook");
        post_json(&join(&origins.telegram, &path), None, &webhook).ok()
    }
}

/// Reads `{"ok":false,…}`. The description's text is no contract: the code decides,
/// and the HTTP status where there is none.
fn error(response: &Response<Bytes>, body: &Value) -> SendError {
    let status = response.status().as_u16();
    let given = lenient::integer(body.get("error_code"));
    if given.is_none() && status >= 500 {
        return SendError::from_status(status, retry_after_ms(response));
    }
    let code = given.unwrap_or(i64::from(status));
    let reason = |ours| Reason {
        code: ours,
        provider_code: Some(code.to_string()),
        message: lenient::text(body.get("description"))
            .unwrap_or_else(|| "The provider gave no reason.".to_owned()),
    };
    match code {
        429 => SendError::Throttled {
            retry_after_ms: lenient::integer(body.pointer("/parameters/retry_after"))
                .filter(|seconds| *seconds >= 0)
                .map(|seconds| seconds.saturating_mul(1_000))
                .or_else(|| retry_after_ms(response)),
            reason: reason("rate_limited"),
        },
        401 | 404 => SendError::Unauthorized(reason("provider_unauthorized")),
        409 | 500..=599 => SendError::Temporary(reason("provider_unavailable")),
        _ => SendError::Rejected(reason("provider_rejected")),
    }
}

/// Telegram's public names: 4 to 32 letters, digits and underscores.
fn is_username(name: &str) -> bool {
    (4..=32).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
