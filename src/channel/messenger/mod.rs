//! A Facebook Page's Messenger.
//! <https://developers.facebook.com/docs/messenger-platform>

mod profile;

use super::upload::{Upload, UploadFile};
use super::{
    Entry, Invalid, Origins, Outbound, Profile, Reason, SendError, Split, Unverified, attachments,
    join, messaging, meta, post_json, send_api,
};
use crate::model::channel::{Channel, ChannelKind, Credentials};
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
        let account = send.channel.credentials.get("pageId");
        let path = format!("{account}/message_attachments");
        let url = join(&origins.graph, &path);
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
        ChannelKind::Messenger
    }

    fn profile(&self) -> &'static Profile {
        &profile::PROFILE
    }

    fn credential_names(&self) -> &'static [&'static str] {
        &["pageId", "accessToken", "appSecret", "verifyToken"]
    }

    fn check_credentials(&self, credentials: &Credentials) -> Result<(), Invalid> {
        messaging::check_digits("pageId", credentials.get("pageId"))
    }

    /// People have an id of their own with every page.
    fn owner<'a>(&self, credentials: &'a Credentials) -> Option<(&'static str, &'a str)> {
        Some(("pageId", credentials.get("pageId")))
    }

    fn default_identifier(&self, credentials: &Credentials) -> Option<String> {
        Some(credentials.get("pageId").to_owned())
    }

    fn identifier(&self, raw: &str) -> Result<String, Invalid> {
        let page = messaging::scoped_id(raw);
        page.map(|page| page.0)
            .ok_or_else(|| Invalid::new("", "must be the page's id, in digits"))
    }

    /// A page-scoped id.
    fn recipient(&self, raw: &str) -> Result<Address, Invalid> {
        messaging::scoped_id(raw).ok_or_else(|| {
            Invalid::new(
                "",
                "must be a page-scoped id in digits, such as 6543217890123456",
            )
        })
    }

    fn identity_kind(&self) -> IdentityKind {
        IdentityKind::Messenger
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
        let path = format!("{}/messages", credentials.get("pageId"));
        post_json(
            &join(&origins.graph, &path),
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
        Some(channel.credentials.get("pageId").to_owned())
    }

    fn object(&self) -> Option<&'static str> {
        Some("page")
    }

    fn probe(&self, origins: &Origins, channel: &Channel) -> Option<Request<Bytes>> {
        let path = format!("{}?fields=id,name", channel.credentials.get("pageId"));
        meta::get(
            &join(&origins.graph, &path),
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
