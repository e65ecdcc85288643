//! SMS through Twilio. <https://www.twilio.com/docs/messaging/api>

mod files;
mod profile;
mod segments;
mod wire;

use super::{
    Entry, Invalid, Origins, Outbound, Profile, Reason, Segments, SendError, Unverified, join,
    lenient, post_form, retry_after_ms, sign,
};
use crate::model::channel::{Channel, ChannelKind, Credentials};
use crate::model::contact::{Address, IdentityKind};
use crate::model::content::Content;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use serde_json::Value;

pub struct Adapter;

impl super::Adapter for Adapter {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Sms
    }

    fn profile(&self) -> &'static Profile {
        &profile::PROFILE
    }

    fn credential_names(&self) -> &'static [&'static str] {
        &["accountSid", "authToken"]
    }

    fn optional_credential_names(&self) -> &'static [&'static str] {
        &["provider"]
    }

    fn check_credentials(&self, credentials: &Credentials) -> Result<(), Invalid> {
        if !matches!(credentials.get("provider"), "" | "twilio") {
            return Err(Invalid::new("/provider", "must be twilio"));
        }
        let sid = credentials.get("accountSid");
        let is_sid = sid.strip_prefix("AC").is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
        if is_sid {
            Ok(())
        } else {
            Err(Invalid::new(
                "/accountSid",
                "must be the SID of the account, AC and letters and digits",
            ))
        }
    }

    /// An account has many numbers.
    fn default_identifier(&self, _: &Credentials) -> Option<String> {
        None
    }

    /// A phone number, or a short code of 3 to 8 digits without `+`.
    fn identifier(&self, raw: &str) -> Result<String, Invalid> {
        number(raw, 8).ok_or_else(|| {
            Invalid::new(
                "",
                "must be the sending phone number, such as +15550100001, or a short code",
            )
        })
    }

    /// A phone number; also the short code of someone who wrote from one.
    fn recipient(&self, raw: &str) -> Result<Address, Invalid> {
        number(raw, 6).map(Address).ok_or_else(|| {
            Invalid::new(
                "",
                "must be a phone number with country code, 7 to 15 digits",
            )
        })
    }

    fn identity_kind(&self) -> IdentityKind {
        IdentityKind::Phone
    }

    /// A file goes as one MMS, whatever its caption.
    fn segments(&self, content: &Content) -> Option<Segments> {
        let Content::Text(text) = content else {
            return None;
        };
        Some(segments::of(&text.text))
    }

    fn files(&self) -> Option<&'static dyn super::Files> {
        Some(&files::Files)
    }

    fn request(&self, origins: &Origins, send: &Outbound<'_>) -> Result<Request<Bytes>, SendError> {
        let account = send.channel.credentials.get("accountSid");
        let path = format!("2010-04-01/Accounts/{account}/Messages.json");
        post_form(
            &join(&origins.twilio, &path),
            &basic(&send.channel.credentials),
            wire::body(send)?,
        )
    }

    fn accepted(&self, response: &Response<Bytes>) -> Result<Option<String>, SendError> {
        let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        match lenient::text(body.get("sid")) {
            Some(sid) if response.status().is_success() => Ok(Some(sid)),
            Some(_) | None => Err(error(response, &body)),
        }
    }

    fn verify(
        &self,
        channel: &Channel,
        url: &str,
        request: &Request<Bytes>,
    ) -> Result<(), Unverified> {
        let given = request
            .headers()
            .get("x-twilio-signature")
            .and_then(|value| value.to_str().ok())
            .ok_or(Unverified)?;
        let token = channel.credentials.get("authToken");
        if sign::is_twilio_signature(token, url, request.body(), given) {
            Ok(())
        } else {
            Err(Unverified)
        }
    }

    fn inbound(&self, request: &Request<Bytes>) -> Vec<Entry> {
        let query = request.uri().query().unwrap_or("");
        let read = wire::read(query, request.body());
        read.into_iter().map(Entry::from).collect()
    }

    /// Twilio reads the answer to an inbound message as instructions: none.
    fn acknowledgement(&self, _: &Request<Bytes>) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from_static(b"<Response/>"));
        let xml = HeaderValue::from_static("text/xml; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, xml);
        response
    }

    fn probe(&self, origins: &Origins, channel: &Channel) -> Option<Request<Bytes>> {
        let account = channel.credentials.get("accountSid");
        let path = format!("2010-04-01/Accounts/{account}.json");
        Request::get(join(&origins.twilio, &path))
            .header(header::AUTHORIZATION, basic(&channel.credentials))
            .body(Bytes::new())
            .ok()
    }

    fn probed(&self, response: &Response<Bytes>) -> Result<(), SendError> {
        if response.status().is_success() {
            return Ok(());
        }
        let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        Err(error(response, &body))
    }
}

fn basic(credentials: &Credentials) -> String {
    let pair = format!(
        "{}:{}",
        credentials.get("accountSid"),
        credentials.get("authToken")
    );
    format!("Basic {}", STANDARD.encode(pair))
}

/// Codes of too much at a time: of requests, of the sender's queue, of the carrier's
/// rate, of the carrier's day.
const THROTTLES: [i64; 5] = [20429, 21611, 30001, 30022, 30023];

/// Reads an answer that is not a success. Twilio's code decides, but for its server
/// errors: those leave open whether the message was made.
/// <https://www.twilio.com/docs/api/errors>
fn error(response: &Response<Bytes>, body: &Value) -> SendError {
    let status = response.status().as_u16();
    let wait = retry_after_ms(response);
    let Some(code) = lenient::integer(body.get("code")) else {
        return SendError::from_status(status, wait);
    };
    let reason = wire::reason(Some(code), lenient::text(body.get("message")));
    let told = |ours| Reason {
        code: ours,
        ..reason.clone()
    };
    match code {
        _ if !(400..500).contains(&status) => SendError::Unclear(told("outcome_unknown")),
        20003 => SendError::Unauthorized(told("provider_unauthorized")),
        code if THROTTLES.contains(&code) || status == 429 => SendError::Throttled {
            retry_after_ms: wait,
            reason: told("rate_limited"),
        },
        _ => SendError::Rejected(reason),
    }
}

/// An E.164 number with its `+`, whatever separators it is written with; or a short code
/// of 3 digits up to so many, which has no `+`.
fn number(raw: &str, longest_code: usize) -> Option<String> {
    let raw = raw.trim();
    let bare = raw.strip_prefix('+');
    let is_code = |raw: &str| {
        (3..=longest_code).contains(&raw.len()) && raw.bytes().all(|byte| byte.is_ascii_digit())
    };
    if is_code(raw) {
        return Some(raw.to_owned());
    }
    let bare = bare.unwrap_or(raw);
    let is_phone = bare
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b" ()-.".contains(&byte));
    let digits = lenient::digits(bare);
    // No country code begins with 0: such a number is one as it is dialled at home.
    let is_whole = (7..=15).contains(&digits.len()) && !digits.starts_with('0');
    (is_phone && is_whole).then(|| format!("+{digits}"))
}
