//! WhatsApp through Meta's Cloud API.
//! <https://developers.facebook.com/docs/whatsapp/cloud-api>

mod body;
mod components;
mod files;
mod fill;
mod filled;
mod notice;
mod plain;
mod profile;
mod report;
mod said;
mod submit;
mod template;
mod uploads;
mod wire;

use super::{
    Entry, Invalid, Origins, Outbound, Profile, SendError, Split, Unverified, join, lenient, meta,
    post_json,
};
use crate::model::channel::{Channel, ChannelKind, Credentials};
use crate::model::contact::{Address, IdentityKind};
use crate::model::content::Content;
use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;

pub struct Adapter;

impl super::Adapter for Adapter {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Whatsapp
    }

    fn profile(&self) -> &'static Profile {
        &profile::PROFILE
    }

    fn credential_names(&self) -> &'static [&'static str] {
        &[
            "phoneNumberId",
            "wabaId",
            "accessToken",
            "appSecret",
            "verifyToken",
        ]
    }

    fn check_credentials(&self, credentials: &Credentials) -> Result<(), Invalid> {
        let is_id = |name: &str| {
            credentials
                .get(name)
                .bytes()
                .all(|byte| byte.is_ascii_digit())
        };
        for name in ["phoneNumberId", "wabaId"] {
            if !is_id(name) {
                return Err(Invalid::new(
                    format!("/{name}"),
                    "must be the digits Meta shows",
                ));
            }
        }
        Ok(())
    }

    fn default_identifier(&self, credentials: &Credentials) -> Option<String> {
        Some(credentials.get("phoneNumberId").to_owned())
    }

    fn identifier(&self, raw: &str) -> Result<String, Invalid> {
        let digits = phone_digits(raw).ok_or_else(|| {
            Invalid::new(
                "",
                "must be the business phone number, such as +15550100001",
            )
        })?;
        Ok(format!("+{digits}"))
    }

    /// A phone number in digits, or a business-scoped user id such as
    /// `US.13491208655302741918`.
    fn recipient(&self, raw: &str) -> Result<Address, Invalid> {
        let raw = raw.trim();
        if is_user_id(raw) || is_group(raw) {
            return Ok(Address(raw.to_owned()));
        }
        phone_digits(raw).map(Address).ok_or_else(|| {
            Invalid::new(
                "",
                "must be a phone number with country code, 7 to 15 digits",
            )
        })
    }

    fn identity_kind(&self) -> IdentityKind {
        IdentityKind::Whatsapp
    }

    fn split(&self, content: &Content) -> Option<Split> {
        if matches!(content, Content::Audio(_)) {
            Split::caption(content)
        } else {
            None
        }
    }

    fn files(&self) -> Option<&'static dyn super::Files> {
        Some(&files::Files)
    }

    fn uploads(&self) -> Option<&'static dyn super::Uploads> {
        Some(&uploads::Uploads)
    }

    fn request(&self, origins: &Origins, send: &Outbound<'_>) -> Result<Request<Bytes>, SendError> {
        let credentials = &send.channel.credentials;
        let path = format!("{}/messages", credentials.get("phoneNumberId"));
        let body = body::of(send)?;
        post_json(
            &join(&origins.graph, &path),
            Some(credentials.get("accessToken")),
            &body,
        )
    }

    fn accepted(&self, response: &Response<Bytes>) -> Result<Option<String>, SendError> {
        if !response.status().is_success() {
            return Err(meta::error(response));
        }
        let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        match lenient::text(body.pointer("/messages/0/id")) {
            Some(id) => Ok(Some(id)),
            None => Err(meta::error(response)),
        }
    }

    fn noted(&self, response: &Response<Bytes>) -> Result<Option<String>, SendError> {
        let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        let is_done = body.get("success") == Some(&Value::Bool(true));
        if response.status().is_success() && is_done {
            Ok(None)
        } else {
            self.accepted(response)
        }
    }

    fn verify(
        &self,
        channel: &Channel,
        _: &str,
        request: &Request<Bytes>,
    ) -> Result<(), Unverified> {
        meta::verify(channel, request)
    }

    fn inbound(&self, request: &Request<Bytes>) -> Vec<Entry> {
        wire::read(request.body())
    }

    fn account(&self, channel: &Channel) -> Option<String> {
        Some(channel.credentials.get("phoneNumberId").to_owned())
    }

    fn object(&self) -> Option<&'static str> {
        Some("whatsapp_business_account")
    }

    fn probe(&self, origins: &Origins, channel: &Channel) -> Option<Request<Bytes>> {
        let number = channel.credentials.get("phoneNumberId");
        let path = format!("{number}?fields=id,display_phone_number,verified_name");
        meta::get(
            &join(&origins.graph, &path),
            channel.credentials.get("accessToken"),
        )
    }

    fn probed(&self, response: &Response<Bytes>) -> Result<(), SendError> {
        meta::probed(response)
    }

    fn templates(&self) -> Option<&'static dyn super::Templates> {
        Some(&template::Templates)
    }

    fn challenge(&self, channel: &Channel, request: &Request<Bytes>) -> Option<Response<Bytes>> {
        Some(meta::challenge(channel, request))
    }
}

/// The digits of an E.164 number, with or without `+` and the usual separators.
fn phone_digits(raw: &str) -> Option<String> {
    let bare = raw.trim();
    let bare = bare.strip_prefix('+').unwrap_or(bare);
    let is_phone = bare
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b" ()-.".contains(&byte));
    let digits = lenient::digits(bare);
    // No country code begins with 0: such a number is one as it is dialled at home.
    let is_whole = (7..=15).contains(&digits.len()) && !digits.starts_with('0');
    (is_phone && is_whole).then_some(digits)
}

/// Meta's id of a group, in base64: it names what it is.
fn is_group(raw: &str) -> bool {
    const CAPI_GROUP: &str = "Y2FwaV9ncm91cDo";
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte);
    raw.starts_with(CAPI_GROUP) && raw.len() <= 256 && raw.bytes().all(is_base64)
}

/// Two capital letters, a dot, optionally `ENT.`, then letters and digits.
fn is_user_id(raw: &str) -> bool {
    let Some((country, rest)) = raw.split_once('.') else {
        return false;
    };
    let rest = rest.strip_prefix("ENT.").unwrap_or(rest);
    country.len() == 2
        && country.bytes().all(|byte| byte.is_ascii_uppercase())
        && (1..=128).contains(&rest.len())
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
