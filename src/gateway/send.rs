//! Accepting a message: plan on what this isolate remembers, commit on what is
//! true. The accept batch carries every guard; its answer explains a refusal.

use super::compose::{Composed, compose};
use super::decision::{Decision, Explained, not_found, refusal, replay};
use super::deliver::{Hint, Job, Made, read_own};
use super::keys::Freshness;
use super::recipient::{Found, Recipient, Resolved, Sender, To};
use super::upload::says_upload;
use super::word::Word;
use super::{Error, Gateway, Ports, next};
use crate::channel::{Adapter, adapter};
use crate::model::access::{Key, KeySecret, Scope};
use crate::model::channel::Channel;
use crate::model::content::Content;
use crate::model::conversation::ServiceWindow;
use crate::model::id::{ContactId, MessageId, WorkspaceId};
use crate::model::message::{Actor, DeliveryStatus, MessageRecord};
use crate::model::template::TemplateDraft;
use crate::model::time::{SECOND_MS, Timestamp};
use crate::store::accept::{self, Accept, Target};
use crate::store::claim::OwnClaim;
use crate::store::messages::Whose;
use crate::store::{self, Statement, messages, outbox};
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
    /// When it is to be sent, if not now.
    pub scheduled_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    pub actor: Actor,
    /// The name of a contact that is made for this message.
    pub contact_name: Option<String>,
    /// The workspace that the client means; the key must be of it.
    pub workspace: Option<WorkspaceId>,
    /// Whether what the channel does not carry becomes what it does, or is refused.
    pub adapts: bool,
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
            scheduled_at: None,
            expires_at: None,
            actor: Actor::Bot,
            contact_name: None,
            workspace: None,
            adapts: false,
        }
    }
}

/// What a message is to say: a content, or a template that is still to be filled.
#[derive(Clone, Debug)]
pub enum Draft {
    Content(Content),
    /// Several that follow each other: a client's own way to ask for what is a message each.
    Several(Vec<Content>),
    Template(TemplateDraft),
}

impl Draft {
    pub(super) fn template(&self) -> Option<&TemplateDraft> {
        match self {
            Draft::Content(_) | Draft::Several(_) => None,
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

impl Pace {
    fn unless(self, takes_long: bool) -> Self {
        if takes_long { Pace::Queued } else { self }
    }
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

impl Idempotency {
    /// Looks for the message that the same request made before.
    pub(super) fn earlier(&self, whose: &Whose<'_>, now: Timestamp) -> Statement {
        let (scope, id) = (self.scope.as_deref(), self.client_message_id.as_deref());
        messages::earlier(whose, scope, id, now)
    }

    /// The same by the one that is asked first. (A key that comes with the client's id of an
    /// earlier message is that one's from then on: that is the accept batch's to write down.)
    pub(super) fn earlier_by_first(&self, whose: &Whose<'_>, now: Timestamp) -> Option<Statement> {
        let scope = self.scope.as_deref();
        let id = self.client_message_id.as_deref();
        let id = id.filter(|_| scope.is_none());
        (scope.is_some() || id.is_some()).then(|| messages::earlier(whose, scope, id, now))
    }

    /// Of what is not to be done.
    pub(super) fn none() -> Self {
        Self {
            scope: None,
            client_message_id: None,
            fingerprint: String::new(),
        }
    }
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
        let refused = match self.plan_and_accept(secret, idempotency, send, pace).await {
            Ok(accepted) => return self.unless_running(accepted, pace),
            Err(refused) => refused,
        };
        let is_final = refused.has_looked_back
            || matches!(
                refused.error,
                Error::InvalidKey
                    | Error::ExpiredKey
                    | Error::MissingScope(_)
                    | Error::KeyReused
                    | Error::Unavailable
            );
        if is_final {
            return Err(refused.error);
        }
        match self.earlier(secret, idempotency).await? {
            Some(accepted) => self.unless_running(accepted, pace),
            None => Err(refused.error),
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
    ) -> Result<Accepted, NotAccepted> {
        let now = self.now();
        let mut send = match send {
            Ok(send) => send,
            Err(refusal) => {
                let key = self.authenticate(secret, Freshness::Remembered).await?;
                may_send(&key)?;
                return Err(refusal.into());
            }
        };
        let mut is_fresh = false;
        loop {
            let (key, resolved) = match self
                .resolve(secret, &send, idempotency, is_fresh, now)
                .await?
            {
                Found::Recipient(key, resolved) => (key, resolved),
                Found::Earlier(accepted) => return Ok(accepted),
            };
            may_send_this(&key, &send)?;
            self.link_drafted(key.workspace_id, &mut send.content)
                .await?;
            let adapter = adapter_of(&resolved.channel)?;
            let composed = match compose(adapter, &resolved, &send, now) {
                // What a template is not may be out of date; what it is, the batch guards.
                Err(Error::TemplateNotApproved(_) | Error::TemplateMismatch(_))
                    if resolved.is_remembered =>
                {
                    is_fresh = true;
                    continue;
                }
                composed => composed?,
            };
            // What takes long is not waited for.
            let mode = resolved.channel.settings.media;
            let is_uploaded = composed.contents.iter().any(|it| says_upload(it, mode));
            let settings = &resolved.channel.settings;
            let pace = pace.unless(is_uploaded);
            let first = composed.contents.first().filter(|_| pace == Pace::Now);
            let claim = first.map(|content| self.own_claim(adapter, settings, content));
            let accept = self.plan(&key, &resolved, adapter, &send, composed, idempotency, now)?;
            match self.accept(&accept, &resolved.channel, claim).await? {
                Decision::Accepted(accepted) => {
                    self.remember_conversation(&accept, &accepted.message);
                    return Ok(accepted);
                }
                Decision::Refused(error) => {
                    if matches!(error, Error::InvalidKey) {
                        self.memory.forget_key(&secret.hash());
                    }
                    return Err(NotAccepted {
                        error,
                        has_looked_back: true,
                    });
                }
                Decision::PlanChanged if !is_fresh => {
                    self.forget_channel(accept.channel_id).await;
                    if let Some(draft) = send.content.template() {
                        self.memory
                            .forget_templates(accept.channel_id, &draft.template);
                    }
                    is_fresh = true;
                }
                Decision::PlanChanged => return Err(Error::Unavailable.into()),
            }
        }
    }

    pub(super) async fn link_drafted(
        &self,
        workspace: WorkspaceId,
        draft: &mut Draft,
    ) -> Result<(), Error> {
        match draft {
            Draft::Content(content) => self.link_files(workspace, content).await,
            Draft::Several(contents) => {
                for content in contents {
                    self.link_files(workspace, content).await?;
                }
                Ok(())
            }
            Draft::Template(draft) => self.link_template(workspace, draft).await,
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what a plan is made of")]
    pub(super) fn plan(
        &self,
        key: &Key,
        recipient: &Resolved,
        adapter: &dyn Adapter,
        send: &Send,
        composed: Composed,
        idempotency: &Idempotency,
        now: Timestamp,
    ) -> Result<Accept, Error> {
        let channel = &recipient.channel;
        let window = ServiceWindow::of(channel.kind, channel.settings.enforce_window)
            .for_actor(channel.kind, send.actor);
        // What is scheduled is held against the window when it falls due.
        let needs_window = !composed.is_always_allowed && send.scheduled_at.is_none();
        let window_ms = window.length_ms().filter(|_| needs_window);
        let written = composed.written(|| self.fresh(now), || self.fresh(now))?;
        Ok(Accept {
            id: written.id,
            workspace_id: key.workspace_id,
            key_id: key.id,
            channel_id: channel.id,
            channel_version: channel.version,
            target: match &recipient.to {
                To::Conversation(id, found_by) => Target::Conversation {
                    id: *id,
                    found_by: found_by.clone(),
                },
                To::Address(address) => Target::Address {
                    address: address.clone(),
                    kind: adapter.identity_kind(),
                    new_conversation: self.fresh(now),
                    new_contact: self.fresh::<ContactId>(now),
                },
            },
            content: written.content,
            parts: written.parts,
            adapted: written.adapted,
            choices: written.choices,
            template: written.template,
            contact_name: send.contact_name.clone(),
            is_local: adapter.profile().is_local,
            event: written.event,
            actor: send.actor,
            refers_to: written.refers_to,
            refers_by: written.refers_by,
            metadata: send.metadata.clone(),
            client_message_id: idempotency.client_message_id.clone(),
            fingerprint: idempotency.fingerprint.clone(),
            scheduled_at: send.scheduled_at,
            expires_at: send.expires_at,
            window_ms,
            scope: idempotency.scope.clone(),
            now,
        })
    }

    fn remember_conversation(&self, accept: &Accept, message: &MessageRecord) {
        let (channel, conversation) = (accept.channel_id, message.conversation_id);
        let now = accept.now;
        self.memory
            .keep_conversation(accept.workspace_id, conversation, channel, now);
        if let Target::Address { address, .. } = &accept.target {
            self.memory
                .keep_address(channel, address.clone(), conversation, now);
        }
    }

    /// Runs the accept batch and reads its answer; one more of reads tells why it did nothing.
    async fn accept(
        &self,
        accept: &Accept,
        channel: &Rc<Channel>,
        claim: Option<OwnClaim>,
    ) -> Result<Decision, Error> {
        let workspace = accept.workspace_id;
        let is_queued = !accept.is_local && accept.scheduled_at.is_none();
        let claim = claim.as_ref().filter(|_| is_queued);
        let mut batch = vec![accept::insert(accept, claim)];
        batch.extend(accept::follow(accept, claim));
        let contents = accept.parts.iter().map(|part| part.content.as_str());
        let contents = contents.chain([accept.content.as_str()]);
        let sent_at = accept.scheduled_at.unwrap_or(accept.now);
        batch.extend(self.keep_files(workspace, accept.id, contents, sent_at));
        let told_at = batch.len();
        if accept.is_sent_at_once() {
            batch.extend(accept::tell_sent(accept));
        } else if accept.scheduled_at.is_some() {
            batch.extend(accept::tell_created(accept));
        }
        let mut rows = self.batch(batch).await?;
        let told = rows.split_off(told_at.min(rows.len()));
        let (message, taken) = match next(&mut rows.into_iter()).first::<Made>()? {
            Some(made) => {
                let message: MessageRecord = store::record(&made.record)?;
                let is_taken = message.status == DeliveryStatus::Sending;
                let job = is_taken.then(|| Job::own(accept, channel, &message, made));
                (message, job.flatten())
            }
            None => match self.unaccepted(accept, claim).await? {
                Ok(mine) => mine,
                Err(decision) => return Ok(decision),
            },
        };
        let (message, word) = if claim.is_some() {
            self.deliver_own(taken, message).await?
        } else {
            let word = accept.is_sent_at_once().then_some(Word::Sent);
            (message, word)
        };
        let mut deliveries = Vec::new();
        for rows in told {
            deliveries.extend(rows.read()?);
        }
        self.push_deliveries(deliveries).await;
        if let Some(at) = accept.scheduled_at {
            let of = (workspace, message.conversation_id);
            self.push_schedule(of, at).await;
        } else if is_queued && claim.is_none() {
            let hint = Hint::Message {
                workspace,
                message: accept.id,
            };
            self.push_sends(vec![hint]).await;
        }
        Ok(Decision::Accepted(Accepted {
            message: Box::new(message),
            word,
            is_replay: false,
        }))
    }

    /// What became of an accept batch that gave no message: it made one all the same, where
    /// it was run twice for a lost answer; or what stood in its way.
    async fn unaccepted(
        &self,
        accept: &Accept,
        claim: Option<&OwnClaim>,
    ) -> Result<Result<(MessageRecord, Option<Job>), Decision>, Error> {
        let token = claim.map_or("", |own| own.token.as_str());
        let batch = vec![
            outbox::own(accept.workspace_id, accept.id, token),
            messages::earlier(
                &Whose::Workspace(accept.workspace_id),
                accept.scope.as_deref(),
                accept.client_message_id.as_deref(),
                accept.now,
            ),
            accept::explain(accept),
        ];
        let mut rows = self.batch(batch).await?.into_iter();
        if let Some(mine) = read_own(next(&mut rows))? {
            return Ok(Ok(mine));
        }
        let earlier = next(&mut rows);
        let state: Explained = next(&mut rows).first()?.ok_or(Error::Internal)?;
        if state.key_is_live == 0 {
            return Ok(Err(Decision::Refused(Error::InvalidKey)));
        }
        if let Some(decision) = replay(earlier, &accept.fingerprint)? {
            return Ok(Err(decision));
        }
        let decision = refusal(accept, &state).ok_or(Error::Unavailable)?;
        Ok(Err(decision))
    }

    /// What a request accepted before made, if this is the same one again. Checks the
    /// key on the way: a refusal tells nothing to one that was revoked.
    async fn earlier(
        &self,
        secret: &KeySecret,
        idempotency: &Idempotency,
    ) -> Result<Option<Accepted>, Error> {
        let key = self.authenticate(secret, Freshness::Remembered).await?;
        let whose = Whose::Workspace(key.workspace_id);
        let statement = idempotency.earlier(&whose, self.now());
        let mut rows = self.read(&key, vec![statement]).await?;
        match replay(next(&mut rows), &idempotency.fingerprint)? {
            Some(Decision::Accepted(accepted)) => Ok(Some(accepted)),
            Some(Decision::Refused(error)) => Err(error),
            Some(Decision::PlanChanged) | None => Ok(None),
        }
    }
}

/// Why a message was not accepted.
struct NotAccepted {
    error: Error,
    /// The same request did not make one before: that was looked for.
    has_looked_back: bool,
}

impl From<Error> for NotAccepted {
    fn from(error: Error) -> Self {
        Self {
            error,
            has_looked_back: false,
        }
    }
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
