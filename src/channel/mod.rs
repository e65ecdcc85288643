//! One adapter per provider, each a pure translation: a message becomes an HTTP
//! request, a response or a webhook becomes values. No clients, no clock.
//!
//! A further channel is one folder, one `ChannelKind` and one line in `ADAPTERS`.

mod adapt;
mod attachments;
pub mod file;
mod inbound;
mod instagram;
mod lenient;
mod messaging;
mod messenger;
mod meta;
mod profile;
mod send_api;
pub mod sign;
mod sms;
mod telegram;
pub mod upload;
mod webchat;
mod whatsapp;

use crate::model::channel::{Channel, ChannelKind, Credentials};
use crate::model::contact::{Address, IdentityKind};
use crate::model::content::Content;
use crate::model::id::MessageId;
use crate::model::message::Actor;
use crate::model::template::{ProviderTemplate, TemplateDraft, TemplateRecord};
pub use adapt::{Adaptation, adapt};
use bytes::Bytes;
pub use file::{FileRef, Files};
use http::{Request, Response};
pub use inbound::{
    Change, Changed, Consent, Effect, Handover, Inbound, InboundMessage, Notice, NumberChange,
    Sender, StatusReport, TemplateReport, Watermark,
};
pub use profile::{Capability, Limit, Pacing, Profile, Refused};
use serde::Serialize;
use serde_json::{Map, Value};
pub use upload::{UploadFile, Uploads};

/// Every adapter there is.
pub static ADAPTERS: &[&dyn Adapter] = &[
    &whatsapp::Adapter,
    &instagram::Adapter,
    &messenger::Adapter,
    &telegram::Adapter,
    &sms::Adapter,
    &webchat::Adapter,
];

/// The adapter of a channel type; `None` while the type is not built.
#[must_use]
pub fn adapter(kind: ChannelKind) -> Option<&'static dyn Adapter> {
    ADAPTERS
        .iter()
        .copied()
        .find(|adapter| adapter.kind() == kind)
}

/// What knows of templates, for channels that have none: one type of channel has them.
#[must_use]
pub fn templates() -> Option<&'static dyn Templates> {
    ADAPTERS.iter().find_map(|adapter| adapter.templates())
}

/// What a channel must know of its provider. Stateless.
pub trait Adapter: Sync {
    fn kind(&self) -> ChannelKind;

    fn profile(&self) -> &'static Profile;

    /// The credentials a channel of this type needs, by wire name.
    fn credential_names(&self) -> &'static [&'static str];

    /// Credentials that it may have beside them.
    fn optional_credential_names(&self) -> &'static [&'static str] {
        &[]
    }

    /// Checks the form of the credentials beyond being there; nothing is asked
    /// of the provider.
    fn check_credentials(&self, _: &Credentials) -> Result<(), Invalid> {
        Ok(())
    }

    /// Whose the credentials are, by the one that says so, where ids mean something to that
    /// account alone: people and messages of another's would be taken for this one's.
    fn owner<'a>(&self, _: &'a Credentials) -> Option<(&'static str, &'a str)> {
        None
    }

    /// The identifier of a channel connected without one; `None` where the credentials
    /// do not say it.
    fn default_identifier(&self, credentials: &Credentials) -> Option<String>;

    /// The identifier as it is shown, such as `+15550100001`.
    fn identifier(&self, raw: &str) -> Result<String, Invalid>;

    /// Reads a recipient as a client writes it.
    fn recipient(&self, raw: &str) -> Result<Address, Invalid>;

    /// The kind of identity that its addresses are.
    fn identity_kind(&self) -> IdentityKind;

    /// Asks the provider whether the channel's credentials are good; `None` where there
    /// is nobody to ask. Read with `probed`.
    fn probe(&self, origins: &Origins, channel: &Channel) -> Option<Request<Bytes>>;

    /// Reads the provider's complete answer to `probe`.
    fn probed(&self, response: &Response<Bytes>) -> Result<(), SendError> {
        self.accepted(response).map(|_| ())
    }

    /// What the provider calls the channel, from its answer to `probe`, where it says.
    fn introduced(&self, _: &Response<Bytes>) -> Option<String> {
        None
    }

    /// Tells the provider to post to `url`; `None` where that is set by hand. Read with `probed`.
    fn announce(&self, _: &Origins, _: &Channel, _url: &str) -> Option<Request<Bytes>> {
        None
    }

    /// What the provider knows of fetching files that customers send.
    fn files(&self) -> Option<&'static dyn Files> {
        None
    }

    /// What the provider knows of taking files over, where it does.
    fn uploads(&self) -> Option<&'static dyn Uploads> {
        None
    }

    /// What the provider knows of message templates, where it has them.
    fn templates(&self) -> Option<&'static dyn Templates> {
        None
    }

    /// The messages that a content becomes where the provider cannot carry it in one, in
    /// their order; `None` where it can. What the profile allows and nothing else.
    fn split(&self, _: &Content) -> Option<Split> {
        None
    }

    /// How many segments a content is billed as, where the provider counts so.
    fn segments(&self, _: &Content) -> Option<Segments> {
        None
    }

    /// The one HTTP request that sends a message. Never called where `Profile::is_local`.
    fn request(&self, origins: &Origins, send: &Outbound<'_>) -> Result<Request<Bytes>, SendError>;

    /// Reads the provider's complete answer to `request`: the provider's id of
    /// the message, or what went wrong.
    fn accepted(&self, response: &Response<Bytes>) -> Result<Option<String>, SendError>;

    /// Reads the provider's complete answer to a reaction, a mark or a sign of typing, which
    /// may give no id.
    fn noted(&self, response: &Response<Bytes>) -> Result<Option<String>, SendError> {
        self.accepted(response)
    }

    /// Checks that a webhook comes from the provider, on its raw bytes; `url` is the
    /// one the provider was given. Fails closed where the channel's secret is empty.
    fn verify(
        &self,
        channel: &Channel,
        url: &str,
        request: &Request<Bytes>,
    ) -> Result<(), Unverified>;

    /// Reads a verified webhook. What is not understood is `Ignored` by name or an
    /// `unsupported` message, never an error.
    fn inbound(&self, request: &Request<Bytes>) -> Vec<Entry>;

    /// What a provider whose webhook is stored is answered.
    fn acknowledgement(&self, _: &Request<Bytes>) -> Response<Bytes> {
        Response::new(Bytes::new())
    }

    /// What the provider calls the account of a channel in its webhooks; `None` where a
    /// webhook is for one account only.
    fn account(&self, _: &Channel) -> Option<String> {
        None
    }

    /// The name of a Meta app's product in its webhooks, such as `page`.
    fn object(&self) -> Option<&'static str> {
        None
    }

    /// Answers a subscription handshake; `None` where the provider has none.
    fn challenge(&self, _: &Channel, _: &Request<Bytes>) -> Option<Response<Bytes>> {
        None
    }
}

/// What a provider with message templates knows of them. Stateless.
pub trait Templates: Sync {
    /// Asks for a page of the channel's templates, from the cursor on that the page
    /// before gave.
    fn list(
        &self,
        origins: &Origins,
        channel: &Channel,
        after: Option<&str>,
    ) -> Result<Request<Bytes>, SendError>;

    /// Reads the provider's complete answer to `list`, and the cursor of the next page.
    fn listed(
        &self,
        response: &Response<Bytes>,
    ) -> Result<(Vec<ProviderTemplate>, Option<String>), SendError>;

    /// Fills a template's placeholders: what is sent, and the text a reader sees. Pointers
    /// are relative to the content.
    fn fill(&self, template: &TemplateRecord, draft: &TemplateDraft) -> Result<Filled, Invalid>;

    /// A filled template as a content that does not need the provider.
    fn plain(&self, template: &TemplateRecord, filled: &Filled) -> Content;

    /// The names of the placeholders of its components, in order.
    fn variables(&self, components: &[serde_json::Value]) -> Vec<String>;

    /// What the provider calls the account whose templates a channel has.
    fn account<'a>(&self, channel: &'a Channel) -> &'a str;

    /// Checks a template as a client describes it, in the provider's own shape, and reads
    /// it as one that has no id yet. Pointers are relative to the description.
    fn describe(
        &self,
        description: &Map<String, serde_json::Value>,
    ) -> Result<ProviderTemplate, Vec<Invalid>>;

    /// Asks the provider to take in a new template.
    fn create(
        &self,
        origins: &Origins,
        channel: &Channel,
        description: &Map<String, serde_json::Value>,
    ) -> Result<Request<Bytes>, SendError>;

    /// Reads the provider's complete answer to `create`: what is described, with the
    /// provider's id, status and category.
    fn created(
        &self,
        response: &Response<Bytes>,
        described: ProviderTemplate,
    ) -> Result<ProviderTemplate, SendError>;

    /// Asks the provider to delete a template in one language.
    fn delete(
        &self,
        origins: &Origins,
        channel: &Channel,
        name: &str,
        provider_id: &str,
    ) -> Result<Request<Bytes>, SendError>;

    /// Reads the provider's complete answer to `delete`.
    fn deleted(&self, response: &Response<Bytes>) -> Result<(), SendError>;
}

/// A template with its placeholders filled.
#[derive(Clone, Debug, PartialEq)]
pub struct Filled {
    /// In the provider's own shape.
    pub components: Vec<serde_json::Value>,
    /// The rendered body.
    pub text: String,
}

/// Where each provider answers. Overridable, so that an emulator can stand in.
#[derive(Clone, Debug)]
pub struct Origins {
    /// With the version, such as `https://graph.facebook.com/v23.0`.
    pub graph: String,
    /// With the version, such as `https://graph.instagram.com/v23.0`.
    pub instagram: String,
    pub telegram: String,
    pub twilio: String,
}

/// What a text is sent and billed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Segments {
    /// `GSM-7` or `UCS-2`.
    pub encoding: &'static str,
    pub count: usize,
}

/// A content as several.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// Two or more.
    pub parts: Vec<Content>,
    /// Where the content had what it could not hold, and what became of it.
    pub change: Invalid,
}

impl Split {
    fn new(parts: Vec<Content>, pointer: &str, detail: &str) -> Self {
        Self {
            parts,
            change: Invalid::new(pointer, detail),
        }
    }

    /// A file, and its caption behind it.
    fn caption(content: &Content) -> Option<Self> {
        let (bare, caption) = content.without_caption()?;
        Some(Self::new(
            vec![bare, Content::text_of(caption)],
            "/caption",
            "follows as a message of its own",
        ))
    }
}

/// A message on its way out, with what its request needs.
#[derive(Debug)]
pub struct Outbound<'a> {
    pub message_id: MessageId,
    pub channel: &'a Channel,
    pub to: &'a Address,
    pub content: &'a Content,
    /// The provider's id of the message this one answers, or does something to.
    pub reply_to: Option<&'a str>,
    pub actor: Actor,
    /// What the provider calls the content's file, where it was handed over before.
    pub uploaded: Option<&'a str>,
    /// Where the provider posts to this channel.
    pub inbound_url: &'a str,
}

/// A value that cannot be: where it stands and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// JSON pointer, relative to what was checked.
    pub pointer: String,
    pub detail: String,
}

impl Invalid {
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            detail: detail.into(),
        }
    }
}

/// A webhook that does not prove to be from the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unverified;

/// What the provider's own code says, kept for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Ours, such as `provider_rejected`.
    pub code: &'static str,
    /// The provider's, as text.
    pub provider_code: Option<String>,
    pub message: String,
}

/// Why a send did not succeed, by what may be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    /// Too fast: wait, then send. Never a failure.
    Throttled {
        retry_after_ms: Option<i64>,
        reason: Reason,
    },
    /// Certainly not sent, and worth another try.
    Temporary(Reason),
    /// The channel's token is refused.
    Unauthorized(Reason),
    /// Certainly not sent, and never will be.
    Rejected(Reason),
    /// May or may not have been sent.
    Unclear(Reason),
}

/// Statuses with which Cloudflare says that the origin was never reached.
const NEVER_REACHED: [u16; 5] = [521, 523, 525, 526, 530];

impl SendError {
    /// What an answer without the provider's own error code means.
    #[must_use]
    pub fn from_status(status: u16, retry_after_ms: Option<i64>) -> Self {
        let reason = |code| Reason {
            code,
            provider_code: None,
            message: format!("The provider answered HTTP {status} without an error code."),
        };
        match status {
            429 => SendError::Throttled {
                retry_after_ms,
                reason: reason("rate_limited"),
            },
            401 => SendError::Unauthorized(reason("provider_unauthorized")),
            status if NEVER_REACHED.contains(&status) => {
                SendError::Temporary(reason("provider_unavailable"))
            }
            400 | 402..=407 | 409..=428 | 430..=499 => {
                SendError::Rejected(reason("provider_rejected"))
            }
            _ => SendError::Unclear(reason("outcome_unknown")),
        }
    }
}

/// The wait of a `Retry-After` header in seconds.
#[must_use]
pub fn retry_after_ms<T>(response: &Response<T>) -> Option<i64> {
    let seconds: i64 = response
        .headers()
        .get(http::header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    (seconds >= 0).then(|| seconds.saturating_mul(1_000))
}

/// One thing in a webhook, and the account it is for.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// As `Adapter::account` names it; `None` is the channel that was posted to.
    pub account: Option<String>,
    pub item: Inbound,
}

impl From<Inbound> for Entry {
    fn from(item: Inbound) -> Self {
        Self {
            account: None,
            item,
        }
    }
}

/// Reads a verified webhook by what it says it is: one Meta app may post for all its
/// products to one URL.
#[must_use]
pub fn read(adapter: &dyn Adapter, request: &Request<Bytes>) -> (ChannelKind, Vec<Entry>) {
    let named = adapter.object().and_then(|own| {
        let object = meta::object(request.body())?;
        let named = ADAPTERS
            .iter()
            .copied()
            .find(|other| other.object() == Some(object.as_str()));
        named.filter(|_| object != own)
    });
    let reader = named.unwrap_or(adapter);
    (reader.kind(), reader.inbound(request))
}

/// Joins an origin and a path, whatever slashes either carries.
fn join(origin: &str, path: &str) -> String {
    format!(
        "{}/{}",
        origin.trim_end_matches('/'),
        path.trim_start_matches('/')
    )
}

/// A POST of JSON; fails only where the origin or a header is not one.
fn post_json(
    url: &str,
    bearer: Option<&str>,
    body: &impl serde::Serialize,
) -> Result<Request<Bytes>, SendError> {
    let body = serde_json::to_vec(body)
        .map_err(|_| misconfigured("The message cannot be written as JSON."))?;
    let authorization = bearer.map(|token| format!("Bearer {token}"));
    post(url, "application/json", authorization.as_deref(), body)
}

/// A POST of a form; fails as `post_json` does.
fn post_form(url: &str, authorization: &str, body: String) -> Result<Request<Bytes>, SendError> {
    let kind = "application/x-www-form-urlencoded";
    post(url, kind, Some(authorization), body)
}

fn post(
    url: &str,
    content_type: &str,
    authorization: Option<&str>,
    body: impl Into<Bytes>,
) -> Result<Request<Bytes>, SendError> {
    let mut request = Request::post(url).header(http::header::CONTENT_TYPE, content_type);
    if let Some(authorization) = authorization {
        request = request.header(http::header::AUTHORIZATION, authorization);
    }
    request.body(body.into()).map_err(|_| {
        misconfigured("The channel's credentials or the provider's origin cannot form a request.")
    })
}

/// A message that does something to another which the provider does not know.
fn nothing_to_mark() -> SendError {
    SendError::Rejected(Reason {
        code: "provider_rejected",
        provider_code: None,
        message: "The provider has no message that this one could refer to.".to_owned(),
    })
}

/// A content that the channel's profile refuses: it was stored when that was another.
fn not_carried(content: &Content) -> SendError {
    SendError::Rejected(Reason {
        code: "unsupported_content",
        provider_code: None,
        message: format!("The channel does not carry {}.", content.kind()),
    })
}

/// Leaves out the fields of an object that have no value, and of the objects in it.
fn lean(json: Value) -> Value {
    match json {
        Value::Object(mut fields) => {
            fields.retain(|_, value| !value.is_null());
            fields
                .values_mut()
                .for_each(|value| *value = lean(value.take()));
            Value::Object(fields)
        }
        Value::Array(items) => items.into_iter().map(lean).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => json,
    }
}

fn misconfigured(message: &str) -> SendError {
    SendError::Rejected(Reason {
        code: "channel_unavailable",
        provider_code: None,
        message: message.to_owned(),
    })
}
