//! Instagram's direct messages, by either of Meta's two logins.
//! <https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login/messaging-api>

mod profile;

use super::upload::{Upload, UploadFile};
use super::{
    Entry, Invalid, Origins, Outbound, Profile, Reason, SendError, Split, Unverified, attachments,
    join, messaging, meta, post_json, send_api,
};
use crate::model::channel::{Channel, ChannelKind, Credentials, InstagramLogin};
use crate::model::contact::{Address, IdentityKind};
use crate::model::content::Content;
use bytes::Bytes;
use http::{Request, Response};

pub struct Adapter;

struct Uploads;

impl super::Uploads for Uploads {
    fn upload(
        &self,
        origins: &Origins,
        send: &Outbound<'_>,
        file: &UploadFile<'_>,
        boundary: &str,
    ) -> Result<Upload, SendError> {
        let account = send.channel.credentials.get("accountId");
        let path = format!("{account}/message_attachments");
        let url = join(origin(origins, send.channel), &path);
        send_api::upload(&url, send, file, boundary)
    }

    fn uploaded(&self, response: &Response<Bytes>) -> Result<String, SendError> {
        send_api::uploaded(response)
    }

    fn is_about_link(&self, reason: &Reason) -> bool {
        send_api::is_about_link(reason)
    }

    fn kept_ms(&self) -> i64 {
        send_api::KEPT_MS
    }
}

impl super::Adapter for Adapter {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Instagram
    }

    fn profile(&self) -> &'static Profile {
        &profile::PROFILE
    }

    fn credential_names(&self) -> &'static [&'static str] {
        &["accountId", "accessToken", "appSecret", "verifyToken"]
    }

    fn check_credentials(&self, credentials: &Credentials) -> Result<(), Invalid> {
        messaging::check_digits("accountId", credentials.get("accountId"))
    }

    fn default_identifier(&self, credentials: &Credentials) -> Option<String> {
        Some(credentials.get("accountId").to_owned())
    }

    fn identifier(&self, raw: &str) -> Result<String, Invalid> {
        let name = raw.trim().trim_start_matches('@');
        if is_username(name) {
            Ok(name.to_owned())
        } else {
            Err(Invalid::new(
                "",
                "must be the account's username, such as my.shop",
            ))
        }
    }

    /// An Instagram-scoped id.
    fn recipient(&self, raw: &str) -> Result<Address, Invalid> {
        messaging::scoped_id(raw).ok_or_else(|| {
            Invalid::new(
                "",
                "must be an Instagram-scoped id in digits, such as 1234567890123456",
            )
        })
    }

    fn identity_kind(&self) -> IdentityKind {
        IdentityKind::Instagram
    }

    fn split(&self, content: &Content) -> Option<Split> {
        send_api::split(content)
    }

    fn files(&self) -> Option<&'static dyn super::Files> {
        Some(&attachments::Files)
    }

    fn uploads(&self) -> Option<&'static dyn super::Uploads> {
        Some(&Uploads)
    }

    fn request(&self, origins: &Origins, send: &Outbound<'_>) -> Result<Request<Bytes>, SendError> {
        let credentials = &send.channel.credentials;
        let path = format!("{}/messages", credentials.get("accountId"));
        post_json(
            &join(origin(origins, send.channel), &path),
            Some(credentials.get("accessToken")),
            &send_api::body(send)?,
        )
    }

    fn accepted(&self, response: &Response<Bytes>) -> Result<Option<String>, SendError> {
        messaging::accepted(response)
    }

    fn noted(&self, response: &Response<Bytes>) -> Result<Option<String>, SendError> {
        messaging::noted(response)
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
        messaging::read(request.body(), self.identity_kind())
    }

    fn account(&self, channel: &Channel) -> Option<String> {
        Some(channel.credentials.get("accountId").to_owned())
    }

    fn object(&self) -> Option<&'static str> {
        Some("instagram")
    }

    fn probe(&self, origins: &Origins, channel: &Channel) -> Option<Request<Bytes>> {
        let account = channel.credentials.get("accountId");
        meta::get(
            &join(
                origin(origins, channel),
                &format!("{account}?fields=id,username"),
            ),
            channel.credentials.get("accessToken"),
        )
    }

    fn probed(&self, response: &Response<Bytes>) -> Result<(), SendError> {
        meta::probed(response)
    }

    fn challenge(&self, channel: &Channel, request: &Request<Bytes>) -> Option<Response<Bytes>> {
        Some(meta::challenge(channel, request))
    }
}

/// Where the login's API answers.
fn origin<'a>(origins: &'a Origins, channel: &Channel) -> &'a str {
    match channel.settings.login.unwrap_or_default() {
        InstagramLogin::Instagram => &origins.instagram,
        InstagramLogin::Facebook => &origins.graph,
    }
}

/// Instagram's public names: up to 30 letters, digits, dots and underscores.
fn is_username(name: &str) -> bool {
    (1..=30).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte))
}
