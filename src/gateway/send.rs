//! Accepting a message: plan on what this isolate remembers, commit on what is
//! true. The accept batch carries every guard; its answer explains a refusal.

use super::deliver::Hint;
use super::keys::Freshness;
use super::recipient::{Recipient, Resolved, Sender, To};
use super::word::{Sent, Word};
use super::{Error, Gateway, Ports, next};
use crate::channel::{Adapter, Invalid, adapter};
use crate::model::access::{Key, KeySecret, Scope};
use crate::model::channel::{Channel, ChannelStatus};
use crate::model::content::{Content, Template};
use crate::model::conversation::ServiceWindow;
use crate::model::id::{ContactId, MessageId, WorkspaceId};
use crate::model::message::{Actor, DeliveryStatus, MessageRecord};
use crate::model::template::{APPROVED, TemplateDraft, TemplateRecord, TemplateRef};
use crate::model::time::{SECOND_MS, Timestamp};
use crate::store::messages::{Accept, Target};
use crate::store::{Rows, messages};
use serde::Deserialize;
use std::rc::Rc;

/// A message as a client asks for it, on whatever surface.
#[derive(Clone, Debug)]
pub struct Send {
    pub from: Sender,
    pub to: Recipient,
    pub content: Draft,
    pub reply_to: Option<MessageId>,
    /// JSON, kept as it was given.
    pub metadata: Option<String>,
    pub expires_at: Option<Timestamp>,
    pub actor: Actor,
    /// The name of a contact that is made for this message.
    pub contact_name: Option<String>,
    /// The workspace that the client means; the key must be of it.
    pub workspace: Option<WorkspaceId>,
}

impl Send {
    /// A message that asks for nothing more.
    #[must_use]
    pub fn new(from: Sender, to: Recipient, content: Draft) -> Self {
        Self {
            from,
            to,
            content,
            reply_to: None,
            metadata: None,
            expires_at: None,
            actor: Actor::Bot,
            contact_name: None,
            workspace: None,
        }
    }
}

/// What a message is to say: a content, or a template that is still to be filled.
#[derive(Clone, Debug)]
pub enum Draft {
    Content(Content),
    Template(TemplateDraft),
    /// A content of the contract that cannot be sent yet, and the field that holds it. It is
    /// refused once everything else about the message is known to be right.
    Unbuilt(Invalid),
}

impl Draft {
    pub(super) fn template(&self) -> Option<&TemplateDraft> {
        match self {
            Draft::Content(_) | Draft::Unbuilt(_) => None,
            Draft::Template(draft) => Some(draft),
        }
    }
}

impl From<Content> for Draft {
    fn from(content: Content) -> Self {
        Draft::Content(content)
    }
}

/// When a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// By the queue's consumer, after the answer.
    Queued,
    /// Before the answer, where nothing stands in its way.
    Now,
}

/// What makes two requests the same request.
#[derive(Clone, Debug)]
pub struct Idempotency {
    /// Method, path and `Idempotency-Key`; none without a key.
    pub scope: Option<String>,
    pub client_message_id: Option<String>,
    /// Of the body, as JSON values.
    pub fingerprint: String,
}

/// A message accepted now, or by the same request before.
#[derive(Debug)]
pub struct Accepted {
    /// As it stands.
    pub message: Box<MessageRecord>,
    /// What the provider said of it before the first answer, in a replay too; `None` where it
    /// was not asked by then, or not in time to be written down.
    pub word: Option<Word>,
    pub is_replay: bool,
}

impl<P: Ports> Gateway<P> {
    /// Accepts a message, or finds that it was accepted before.
    ///
    /// `send` may already be a refusal: a replay is answered before any check, so
    /// a refusal stands only where there is nothing to replay.
    ///
    /// 1. The key: remembered, else read together with the recipient.
    /// 2. The plan: channel, address, content and limits.
    /// 3. The accept batch; once more with fresh knowledge if the channel changed.
    /// 4. A hint to the queue, or the send itself. The row is durable either way.
    pub async fn send(
        &self,
        secret: &KeySecret,
        idempotency: &Idempotency,
        send: Result<Send, Error>,
        pace: Pace,
    ) -> Result<Accepted, Error> {
        match self.plan_and_accept(secret, idempotency, send, pace).await {
            Ok(accepted) => self.unless_running(accepted, pace),
            Err(
                error @ (Error::InvalidKey
                | Error::ExpiredKey
                | Error::MissingScope(_)
                | Error::KeyReused
                | Error::Unavailable),
            ) => Err(error),
            Err(refusal) => match self.earlier(secret, idempotency).await? {
                Some(accepted) => self.unless_running(accepted, pace),
                None => Err(refusal),
            },
        }
    }

    /// A repeat that comes while the first request still waits for the provider is told so.
    fn unless_running(&self, accepted: Accepted, pace: Pace) -> Result<Accepted, Error> {
        let message = &accepted.message;
        let longest = i64::from(self.config.provider_timeout_ms) + 2 * SECOND_MS;
        // What was claimed with its own batch and has no word yet.
        let is_running = pace == Pace::Now
            && accepted.is_replay
            && message.status == DeliveryStatus::Sending
            && message.times.sending_at == Some(message.times.created_at)
            && accepted.word.is_none()
            && self.now().ms() - message.times.created_at.ms() < longest;
        if is_running {
            Err(Error::InProgress)
        } else {
            Ok(accepted)
        }
    }

    async fn plan_and_accept(
        &self,
        secret: &KeySecret,
        idempotency: &Idempotency,
        send: Result<Send, Error>,
        pace: Pace,
    ) -> Result<Accepted, Error> {
        let now = self.now();
        let send = match send {
            Ok(send) => send,
            Err(refusal) => {
                let key = self.authenticate(secret, Freshness::Remembered).await?;
                may_send(&key)?;
                return Err(refusal);
            }
        };
        let mut is_fresh = false;
        loop {
            let (key, resolved) = self.resolve(secret, &send, is_fresh, now).await?;
            may_send_this(&key, &send)?;
            let adapter = adapter_of(&resolved.channel)?;
            let (content, template) = match written(adapter, &resolved, &send.content) {
                // What a template is not may be out of date; what it is, the batch guards.
                Err(Error::TemplateNotApproved(_) | Error::TemplateMismatch(_))
                    if resolved.is_remembered =>
                {
                    is_fresh = true;
                    continue;
                }
                written => written?,
            };
            check(adapter, &content, &send, now)?;
            let mut accept = self.plan(&key, &resolved, adapter, &send, idempotency, now)?;
            accept.content = serde_json::to_string(&content).map_err(|_| Error::Internal)?;
            if let Some(template) = template {
                accept.template = Some((template.id, template.version));
                accept.window_ms = None;
            }
            match self.accept(&accept, pace).await? {
                Decision::Accepted(accepted) => {
                    self.memory.keep_conversation(
                        accept.workspace_id,
                        accepted.message.conversation_id,
                        accept.channel_id,
                        now,
                    );
                    return Ok(accepted);
                }
                Decision::Refused(error) => {
                    if matches!(error, Error::InvalidKey) {
                        self.memory.forget_key(&secret.hash());
                    }
                    return Err(error);
                }
                Decision::PlanChanged if !is_fresh => {
                    self.forget_channel(accept.channel_id).await;
                    if let Some(draft) = send.content.template() {
                        self.memory
                            .forget_templates(accept.channel_id, &draft.template);
                    }
                    is_fresh = true;
                }
                Decision::PlanChanged => return Err(Error::Unavailable),
            }
        }
    }

    fn plan(
        &self,
        key: &Key,
        recipient: &Resolved,
        adapter: &dyn Adapter,
        send: &Send,
        idempotency: &Idempotency,
        now: Timestamp,
    ) -> Result<Accept, Error> {
        let channel = &recipient.channel;
        let window = ServiceWindow::of(channel.kind, channel.settings.enforce_window)
            .for_actor(channel.kind, send.actor);
        Ok(Accept {
            id: self.fresh(now),
            workspace_id: key.workspace_id,
            key_id: key.id,
            channel_id: channel.id,
            channel_version: channel.version,
            target: match &recipient.to {
                To::Conversation(id) => Target::Conversation(*id),
                To::Address(address) => Target::Address {
                    address: address.clone(),
                    kind: adapter.identity_kind(),
                    new_conversation: self.fresh(now),
                    new_contact: self.fresh::<ContactId>(now),
                },
            },
            content: String::new(),
            template: None,
            contact_name: send.contact_name.clone(),
            is_local: adapter.profile().is_local,
            event: self.fresh(now),
            actor: send.actor,
            reply_to: send.reply_to,
            metadata: send.metadata.clone(),
            client_message_id: idempotency.client_message_id.clone(),
            fingerprint: idempotency.fingerprint.clone(),
            expires_at: send.expires_at,
            window_ms: window.length_ms(),
            scope: idempotency.scope.clone(),
            now,
        })
    }

    /// Runs the accept batch and reads its answer.
    async fn accept(&self, accept: &Accept, pace: Pace) -> Result<Decision, Error> {
        let workspace = accept.workspace_id;
        let sends_now = pace == Pace::Now && !accept.is_local;
        let mut batch = vec![messages::insert(accept)];
        batch.extend(messages::follow(accept));
        let told_at = batch.len();
        if accept.is_local {
            batch.extend(messages::tell_sent(accept));
        }
        let claimed_at = batch.len();
        if sends_now {
            batch.extend(self.claim_own(workspace, accept.id, accept.now));
        }
        let written = batch.len();
        batch.push(messages::get(workspace, accept.id));
        batch.push(messages::earlier(
            workspace,
            accept.scope.as_deref(),
            accept.client_message_id.as_deref(),
            accept.now,
        ));
        batch.push(messages::explain(accept));
        let mut rows = self.batch(batch).await?;
        let jobs = if sends_now {
            rows.get(claimed_at + 1).cloned()
        } else {
            None
        };
        let told: Vec<Rows> = rows.drain(told_at..claimed_at).collect();
        let mut rows = rows.into_iter().skip(written - told.len());
        let mine: Vec<MessageRecord> = next(&mut rows).records()?;
        let earlier = next(&mut rows);
        let explained = next(&mut rows);
        if let Some(message) = mine.into_iter().next() {
            let (message, word) = match jobs {
                Some(jobs) => self.deliver_own(jobs, message).await?,
                None => {
                    let word = accept.is_local.then_some(Word::Sent);
                    (message, word)
                }
            };
            let mut deliveries = Vec::new();
            for rows in told {
                deliveries.extend(rows.read()?);
            }
            self.push_deliveries(deliveries).await;
            if !accept.is_local && !sends_now {
                let hint = Hint::Message {
                    workspace,
                    message: accept.id,
                };
                self.push_sends(vec![hint]).await;
            }
            return Ok(Decision::Accepted(Accepted {
                message: Box::new(message),
                word,
                is_replay: false,
            }));
        }
        let state: Explained = explained.first()?.ok_or(Error::Internal)?;
        if state.key_is_live == 0 {
            return Ok(Decision::Refused(Error::InvalidKey));
        }
        if let Some(decision) = replay(earlier, &accept.fingerprint)? {
            return Ok(decision);
        }
        explain(accept, &state)
    }

    /// What a request accepted before made, if this is the same one again. Checks the
    /// key on the way: a refusal tells nothing to one that was revoked.
    async fn earlier(
        &self,
        secret: &KeySecret,
        idempotency: &Idempotency,
    ) -> Result<Option<Accepted>, Error> {
        let key = self.authenticate(secret, Freshness::Remembered).await?;
        let statement = messages::earlier(
            key.workspace_id,
            idempotency.scope.as_deref(),
            idempotency.client_message_id.as_deref(),
            self.now(),
        );
        let mut rows = self.read(&key, vec![statement]).await?;
        match replay(next(&mut rows), &idempotency.fingerprint)? {
            Some(Decision::Accepted(accepted)) => Ok(Some(accepted)),
            Some(Decision::Refused(error)) => Err(error),
            Some(Decision::PlanChanged) | None => Ok(None),
        }
    }
}

pub(super) enum Decision {
    Accepted(Accepted),
    Refused(Error),
    /// The plan was made with an older version of the channel or the template.
    PlanChanged,
}

/// Reads `messages::earlier`: the same body is answered again, another refused.
pub(super) fn replay(rows: Rows, fingerprint: &str) -> Result<Option<Decision>, Error> {
    #[derive(Deserialize)]
    struct Earlier {
        by: String,
        fingerprint: String,
        #[serde(flatten)]
        sent: Sent,
    }
    let mut earlier: Vec<Earlier> = rows.read()?;
    // The key's message comes before the client id's: it is asked first.
    earlier.sort_by_key(|row| row.by != "key");
    let Some(row) = earlier.into_iter().next() else {
        return Ok(None);
    };
    if row.fingerprint != fingerprint {
        let error = if row.by == "key" {
            Error::KeyReused
        } else {
            Error::Conflict {
                detail: "clientMessageId was used for another message",
                pointer: Some("/clientMessageId".to_owned()),
            }
        };
        return Ok(Some(Decision::Refused(error)));
    }
    let (message, word) = row.sent.read()?;
    Ok(Some(Decision::Accepted(Accepted {
        message: Box::new(message),
        word,
        is_replay: true,
    })))
}

/// What the guards looked at.
#[derive(Deserialize)]
struct Explained {
    key_is_live: i64,
    channel_version: Option<i64>,
    channel_status: Option<ChannelStatus>,
    channel_deleted_at: Option<i64>,
    conversation_id: Option<String>,
    last_inbound_at: Option<i64>,
    reply_is_known: i64,
    template_is_current: i64,
}

/// Why the guards refused, in the order a client can act on.
fn explain(accept: &Accept, state: &Explained) -> Result<Decision, Error> {
    let refused = |error| Ok(Decision::Refused(error));
    // A channel that changed is looked up again: its identifier may be another's now.
    if state.channel_version != Some(accept.channel_version) {
        return Ok(Decision::PlanChanged);
    }
    if state.channel_deleted_at.is_some() {
        return refused(Error::ChannelUnavailable {
            why: "it was deleted",
        });
    }
    match state.channel_status {
        Some(ChannelStatus::Disabled) => {
            return refused(Error::ChannelUnavailable {
                why: "it is disabled",
            });
        }
        Some(ChannelStatus::NeedsReauth) => {
            return refused(Error::ChannelUnavailable {
                why: "the provider refuses its token; give it new credentials",
            });
        }
        Some(ChannelStatus::Connected) | None => {}
    }
    if state.template_is_current == 0 {
        return Ok(Decision::PlanChanged);
    }
    if state.conversation_id.is_none() {
        match accept.target {
            Target::Conversation(_) => {
                return refused(not_found("conversation or contact", "/to"));
            }
            // Nobody can be written to on a web chat who never opened it.
            Target::Address { .. } if accept.is_local => {
                return refused(not_found("visitor", "/to"));
            }
            Target::Address { .. } => {}
        }
    }
    if state.reply_is_known == 0 {
        return refused(Error::invalid(
            "/replyTo",
            "is not a message of this conversation",
        ));
    }
    if let Some(window_ms) = accept.window_ms {
        let closed_at = state
            .last_inbound_at
            .map(|at| Timestamp::from_ms(at).plus_ms(window_ms));
        if closed_at.is_none_or(|at| at <= accept.now) {
            return refused(Error::WindowClosed { closed_at });
        }
    }
    Err(Error::Unavailable)
}

/// Whether a key may send, and this message.
pub(super) fn may_send_this(key: &Key, send: &Send) -> Result<(), Error> {
    may_send(key)?;
    match send.workspace {
        Some(workspace) if workspace != key.workspace_id => {
            Err(not_found("workspace", "/workspace/id"))
        }
        Some(_) | None => Ok(()),
    }
}

fn may_send(key: &Key) -> Result<(), Error> {
    if key.may(Scope::MessagesSend) {
        Ok(())
    } else {
        Err(Error::MissingScope(Scope::MessagesSend))
    }
}

pub(super) fn adapter_of(channel: &Channel) -> Result<&'static dyn Adapter, Error> {
    adapter(channel.kind).ok_or(Error::Internal)
}

/// What is stored: the content as given, or the template that was meant, filled.
fn written(
    adapter: &dyn Adapter,
    resolved: &Resolved,
    draft: &Draft,
) -> Result<(Content, Option<Rc<TemplateRecord>>), Error> {
    let draft = match draft {
        Draft::Content(content) => return Ok((content.clone(), None)),
        Draft::Unbuilt(field) => return Err(Error::UnsupportedContent(field.clone())),
        Draft::Template(draft) => draft,
    };
    let Some(templates) = adapter.templates() else {
        return Err(Error::UnsupportedContent(Invalid::new(
            "/content/type",
            "this channel has no templates",
        )));
    };
    let template = meant(resolved, draft)?;
    let filled = templates.fill(&template, draft).map_err(|invalid| {
        Error::TemplateMismatch(Invalid::new(
            format!("/content{}", invalid.pointer),
            invalid.detail,
        ))
    })?;
    let content = Content::Template(Template {
        id: template.id,
        key: template.key.clone(),
        name: template.name.clone(),
        language: template.language.clone(),
        components: filled.components,
        text: filled.text,
    });
    Ok((content, Some(template)))
}

/// The one template that a reference means on the channel, approved.
///
/// A language that is asked for is never replaced by another. Where none is, it is the
/// channel's default, else the first that was listed of those that are approved: a further
/// one does not take its place.
fn meant(resolved: &Resolved, draft: &TemplateDraft) -> Result<Rc<TemplateRecord>, Error> {
    let (pointer, language) = match &draft.template {
        TemplateRef::Id(_) => ("/content/id", None),
        TemplateRef::Key { language, .. } => ("/content/key", language.as_deref()),
        TemplateRef::Name { language, .. } => ("/content/name", language.as_deref()),
    };
    let refused = |pointer: &str, detail: String| {
        Err(Error::TemplateNotApproved(Invalid::new(pointer, detail)))
    };
    let candidates = &resolved.templates;
    let in_language = |language: &str| candidates.iter().find(|it| it.language == language);
    let default = resolved.channel.settings.default_language.as_deref();
    let template = match (language, candidates.as_slice()) {
        (_, []) => {
            let detail = "is no template of this channel; sync its templates if it is new";
            return refused(pointer, detail.to_owned());
        }
        (Some(language), candidates) => {
            let Some(template) = in_language(language) else {
                let there: Vec<&str> = candidates.iter().map(|it| it.language.as_str()).collect();
                let detail = format!("is none of its languages: {}", there.join(", "));
                return refused("/content/language", detail);
            };
            template
        }
        (None, [first, ..]) => default
            .and_then(in_language)
            .or_else(|| candidates.iter().find(|it| it.status == APPROVED))
            .unwrap_or(first),
    };
    if template.status == APPROVED {
        return Ok(Rc::clone(template));
    }
    let status = template.status.to_lowercase();
    refused(
        pointer,
        format!("is {status} in {} and may not be sent", template.language),
    )
}

fn check(
    adapter: &dyn Adapter,
    content: &Content,
    send: &Send,
    now: Timestamp,
) -> Result<(), Error> {
    adapter.profile().check(content).map_err(|invalid| {
        Error::invalid(format!("/content{}", invalid.pointer), invalid.detail)
    })?;
    if send.expires_at.is_some_and(|at| at <= now) {
        return Err(Error::invalid("/expiresAt", "must lie in the future"));
    }
    Ok(())
}

pub(super) fn not_found(what: &'static str, pointer: &str) -> Error {
    Error::NotFound {
        what,
        pointer: Some(pointer.to_owned()),
    }
}
