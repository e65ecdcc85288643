//! Telegram's Bot API.
//!
//! <https://core.telegram.org/bots/api>

mod event;
mod facts;
mod file;
mod keyboard;
mod method;
mod params;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::any;
use http::StatusCode;
use serde_json::{Value, json};

use crate::account::Telegram;
use crate::faults::{Answer, Ending, Fault, FaultMode};
use crate::fetches::Asked;
use crate::phones::{Phone, PhoneMessage, Side};
use crate::state::{Call, Shared, lock, now};
pub(crate) use event::{Inbound, Said, inbound};
pub(crate) use file::{Fields, received};
use method::Method;
use params::Params;

pub(crate) const PROVIDER: &str = "telegram";

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/telegram/{bot}/{method}", any(call))
        .merge(file::router())
}

/// Why a method was refused.
#[derive(Debug)]
struct Refusal {
    code: i64,
    description: String,
    /// Seconds.
    retry_after: Option<u64>,
}

impl Refusal {
    fn new(code: i64, description: impl Into<String>) -> Self {
        Self {
            code,
            description: description.into(),
            retry_after: None,
        }
    }

    fn bad_request(description: &str) -> Self {
        Self::new(400, format!("Bad Request: {description}"))
    }

    fn of(fault: &Fault) -> Self {
        let otherwise = match fault.mode {
            FaultMode::Throttle => 429,
            FaultMode::Unauthorized => 401,
            FaultMode::CodedServerError => 500,
            FaultMode::Fail
            | FaultMode::ServerError
            | FaultMode::Hang
            | FaultMode::Reset
            | FaultMode::HangAccepted
            | FaultMode::AcceptReset
            | FaultMode::Truncate
            | FaultMode::Slow
            | FaultMode::FailLater => 403,
        };
        let status = fault.status.map(i64::from);
        let code = fault.code.or(status).unwrap_or(otherwise);
        let wait = fault.retry_after.unwrap_or(1);
        let description = match code {
            400 => "Bad Request: chat not found".to_owned(),
            401 => "Unauthorized".to_owned(),
            403 => "Forbidden: bot was blocked by the user".to_owned(),
            404 => "Not Found".to_owned(),
            429 => format!("Too Many Requests: retry after {wait}"),
            500.. => "Internal Server Error".to_owned(),
            _ => "Bad Request".to_owned(),
        };
        let mut refusal = Self::new(code, description);
        refusal.retry_after = (code == 429).then_some(wait);
        refusal
    }

    fn answer(&self) -> Answer {
        let status = u16::try_from(self.code).ok();
        let status = status.and_then(|status| StatusCode::from_u16(status).ok());
        let mut body = json!({
            "ok": false,
            "error_code": self.code,
            "description": self.description,
        });
        if let Some(seconds) = self.retry_after {
            body["parameters"] = json!({"retry_after": seconds});
        }
        let answer = Answer::json(status.unwrap_or(StatusCode::BAD_REQUEST), &body);
        match self.retry_after {
            Some(seconds) => answer.with("retry-after", seconds.to_string()),
            None => answer,
        }
    }
}

async fn call(
    State(shared): State<Arc<Shared>>,
    Path((bot, method)): Path<(String, String)>,
    request: Request,
) -> Response {
    let path = format!("/telegram/bot***/{method}");
    let verb = request.method().as_str().to_owned();
    let asked = Asked::new("telegram", &request).at(path.clone());
    let mut call = Call::new(PROVIDER, &verb, path, request.headers());
    let ending = async {
        let bot = authorise(&shared, &bot);
        let params = Params::read(&shared, request).await?;
        call.request = params.as_value();
        run(&shared, &bot?, &method, &params, &mut call)
    };
    let ending = ending.await;
    let ending = ending.unwrap_or_else(|refusal| {
        call.code = Some(refusal.code);
        Ending::Answer(refusal.answer())
    });
    call.response_status = ending.status();
    if let (Some(Method::GetFile), Some(status)) = (Method::named(&method), ending.status()) {
        let id = call.request["file_id"].as_str().unwrap_or_default();
        let status = StatusCode::from_u16(status).unwrap_or_default();
        shared.fetches.record(&asked.for_media(id), None, status);
    }
    lock(&shared.journal).record(call);
    ending.respond().await
}

fn authorise(shared: &Shared, bot: &str) -> Result<Telegram, Refusal> {
    let token = bot
        .strip_prefix("bot")
        .ok_or_else(|| Refusal::new(404, "Not Found"))?;
    let bot = shared.accounts.bot(token);
    bot.ok_or_else(|| Refusal::new(401, "Unauthorized"))
}

fn run(
    shared: &Shared,
    bot: &Telegram,
    method: &str,
    params: &Params,
    call: &mut Call,
) -> Result<Ending, Refusal> {
    call.account = Some(bot.username.clone());
    let method = Method::named(method).ok_or_else(|| Refusal::new(404, "Not Found"))?;
    method.check(params)?;
    let result = match method {
        Method::Send(kind) => return send(shared, bot, kind, params, call),
        Method::GetMe => json!({
            "id": bot.id(),
            "is_bot": true,
            "first_name": bot.username,
            "username": bot.username,
            "can_join_groups": true,
            "can_read_all_group_messages": false,
            "supports_inline_queries": false,
        }),
        Method::SetWebhook => {
            let (url, secret) = params.webhook()?;
            move_webhook(shared, bot, url, secret);
            call.outcome = "done";
            return Ok(ok_with(json!(true), "Webhook was set"));
        }
        Method::DeleteWebhook => {
            move_webhook(shared, bot, None, None);
            call.outcome = "done";
            return Ok(ok_with(json!(true), "Webhook was deleted"));
        }
        Method::GetWebhookInfo => webhook_info(shared, bot),
        Method::GetFile => {
            let id = params.text("file_id", "file_id")?;
            call.kind = Some("media".to_owned());
            file::locate(shared, bot, &id)?
        }
        Method::SendChatAction => {
            let chat = chat_id(shared, bot, params)?;
            call.recipient = Some(chat.to_string());
            let action = params.get("action").unwrap_or_default();
            if !facts::ACTIONS.contains(&action.as_str()) {
                return Err(Refusal::bad_request("wrong parameter action in request"));
            }
            call.kind = Some(action);
            json!(true)
        }
        Method::SetMessageReaction => {
            let chat = chat_id(shared, bot, params)?;
            call.recipient = Some(chat.to_string());
            call.kind = Some("reaction".to_owned());
            let message = params.int("message_id").unwrap_or_default();
            if !has_message(shared, bot, chat, message) {
                return Err(Refusal::bad_request("message to react not found"));
            }
            let reaction = method::reaction(params)?;
            let (chat, message) = (chat.to_string(), message.to_string());
            lock(&shared.phones).react(&bot.username, &chat, &message, reaction.as_deref());
            call.text = reaction;
            call.message_id = Some(message);
            json!(true)
        }
        Method::AnswerCallbackQuery => {
            let query = params.text("callback_query_id", "callback_query_id")?;
            if !lock(&shared.received).knows(&bot.username, &query) {
                return Err(Refusal::bad_request(
                    "query is too old and response timeout expired or query ID is invalid",
                ));
            }
            let text = params.get("text").unwrap_or_default();
            if text.chars().count() > 200 {
                return Err(Refusal::bad_request("MESSAGE_TOO_LONG"));
            }
            call.kind = Some("answer".to_owned());
            call.text = Some(text).filter(|text| !text.is_empty());
            json!(true)
        }
    };
    call.outcome = "done";
    Ok(ok(result))
}

/// Sends a message.
///
/// 1. The parameters must be sound.
/// 2. A fault set for the chat may refuse it.
/// 3. The person must have written to the bot before.
/// 4. The message is accepted and shows on the phone.
/// 5. The fault, if any, may still spoil the answer.
fn send(
    shared: &Shared,
    bot: &Telegram,
    kind: &'static str,
    params: &Params,
    call: &mut Call,
) -> Result<Ending, Refusal> {
    // 1.
    let wanted = params.required("chat_id", "chat_id is empty")?;
    call.recipient = Some(wanted.clone());
    let content = method::content(shared, bot, kind, params)?;
    call.kind = Some(kind.to_owned());
    call.text = Some(content.shown.text.clone());
    let reply_to = params.reply_to()?;

    // 2.
    let fault = shared.faults.take(&wanted);
    call.outcome = fault.as_ref().map_or("accepted", |fault| fault.mode.name());
    if let Some(fault) = &fault {
        let refusal = fault.refuses(|fault| {
            let refusal = Refusal::of(fault);
            call.code = Some(refusal.code);
            refusal.answer()
        });
        if let Some(ending) = refusal {
            return Ok(ending);
        }
    }

    // 3.
    let known = chat_id(shared, bot, params).and_then(|chat| match &reply_to {
        Some(reply) if reply.must_exist && !has_message(shared, bot, chat, reply.message_id) => {
            Err(Refusal::bad_request("message to be replied not found"))
        }
        Some(_) | None => Ok(chat),
    });
    let chat = known.inspect_err(|_| call.outcome = "refused")?;

    // 4.
    let file = content.file.map(|file| file.keep(shared, bot, kind));
    let person = chat.to_string();
    let mut phones = lock(&shared.phones);
    let phone = phones.open(PROVIDER, &bot.username, &person);
    let message_id = phone.next_message_id();
    let mut message = json!({
        "message_id": message_id,
        "from": {
            "id": bot.id(),
            "is_bot": true,
            "first_name": bot.username,
            "username": bot.username,
        },
        "chat": chat_of(chat, phone),
        "date": now().timestamp(),
    });
    for (name, value) in content.fields.into_iter().chain(file.unwrap_or_default()) {
        message[name] = value;
    }
    if let Some(reply) = &reply_to {
        message["reply_to_message"] = json!({
            "message_id": reply.message_id,
            "chat": chat_of(chat, phone),
            "date": now().timestamp(),
        });
    }
    let mut bubble = PhoneMessage::new(message_id.to_string(), Side::Business, content.shown)
        .replying_to(reply_to.map(|reply| reply.message_id.to_string()));
    // Telegram reports no more than this.
    "sent".clone_into(&mut bubble.status);
    bubble.object = message.clone();
    phones.push(&bot.username, &person, bubble);
    drop(phones);
    call.accepted = true;
    call.message_id = Some(message_id.to_string());

    // 5.
    let answer = Answer::json(StatusCode::OK, &json!({"ok": true, "result": message}));
    Ok(match fault {
        Some(fault) => fault.ends(answer),
        None => Ending::Answer(answer),
    })
}

/// The chat of a call, which must be one the bot may write to.
fn chat_id(shared: &Shared, bot: &Telegram, params: &Params) -> Result<i64, Refusal> {
    let wanted = params.required("chat_id", "chat_id is empty")?;
    let chat = wanted
        .parse::<i64>()
        .map_err(|_| Refusal::bad_request("chat not found"))?;
    let phones = lock(&shared.phones);
    let started = phones
        .get(&bot.username, &chat.to_string())
        .is_some_and(|phone| phone.last_inbound.is_some());
    if bot.require_start && !started {
        return Err(Refusal::bad_request("chat not found"));
    }
    Ok(chat)
}

fn has_message(shared: &Shared, bot: &Telegram, chat: i64, id: i64) -> bool {
    lock(&shared.phones)
        .get(&bot.username, &chat.to_string())
        .is_some_and(|phone| phone.has_message(id))
}

fn chat_of(id: i64, phone: &Phone) -> Value {
    json!({"id": id, "type": "private", "first_name": phone.name})
}

fn move_webhook(shared: &Shared, bot: &Telegram, url: Option<String>, secret: Option<String>) {
    let mut bot = bot.clone();
    bot.callback_url = url;
    bot.secret_token = secret;
    shared.accounts.replace(bot.into());
}

fn webhook_info(shared: &Shared, bot: &Telegram) -> Value {
    let mut info = json!({
        "url": bot.callback_url.as_deref().unwrap_or_default(),
        "has_custom_certificate": false,
        "pending_update_count": 0,
        "max_connections": 40,
    });
    if let Some(failure) = shared.poster.last_failure(&bot.username) {
        info["last_error_date"] = json!(failure.at);
        info["last_error_message"] = json!(failure.reason);
    }
    info
}

fn ok(result: Value) -> Ending {
    Ending::Answer(Answer::json(
        StatusCode::OK,
        &json!({"ok": true, "result": result}),
    ))
}

fn ok_with(result: Value, description: &str) -> Ending {
    let body = json!({"ok": true, "result": result, "description": description});
    Ending::Answer(Answer::json(StatusCode::OK, &body))
}
