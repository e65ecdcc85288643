//! Web chat as visitors use it: a session from a page of an allowed site, messages there
//! and back. A visitor is a provider of one: what they write is received, what they fetch
//! is delivered, what they read is reported, all by the same statements.

use super::compose::refused_content;
use super::decision::{Decision, replay};
use super::keys::Freshness;
use super::send::adapter_of;
use super::{DeliveryHint, Error, Gateway, Idempotency, Ports, next};
use crate::channel::sign::{hmac_sha256, same_secret};
use crate::model::channel::{Channel, ChannelStatus};
use crate::model::choice;
use crate::model::contact::IdentityKind;
use crate::model::content::Content;
use crate::model::id::{ContactId, ConversationId, EventId, MessageId, VisitorId};
use crate::model::message::{DeliveryStatus, Direction, MessageRecord};
use crate::model::time::Timestamp;
use crate::model::visitor::{Visitor, VisitorToken};
use crate::store::inbound::{self, Person, Received, Receiver, Report};
use crate::store::visitors::{self, Said};
use crate::store::{Rows, Statement, channels};
use serde::{Deserialize, Serialize};
use std::rc::Rc;

/// Most messages a visitor gets at once.
const PAGE: i64 = 100;
/// How long a waiting visitor's next look is off.
const LOOK_EVERY_MS: u32 = 1_000;
/// How many messages are marked as read at once, and how often in one request.
const READ_AT_ONCE: i64 = 500;
const READ_ROUNDS: usize = 4;

/// A page that asks: on which web chat, and of which site the browser says it is.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    pub public_key: &'a str,
    /// The header `Origin`, as it came.
    pub origin: Option<&'a str>,
}

/// A web chat as remembered: whether it is disabled goes with its version.
pub(super) struct WebChat {
    channel: Rc<Channel>,
    status: ChannelStatus,
}

impl WebChat {
    /// Whether pages of an origin may use it: one of its list, to the letter.
    fn allows(&self, origin: Option<&str>) -> bool {
        let allowed = &self.channel.settings.allowed_origins;
        origin.is_some_and(|origin| allowed.iter().any(|allowed| allowed == origin))
    }

    fn refuses(&self) -> Option<Error> {
        let why = match self.status {
            ChannelStatus::Connected => return None,
            ChannelStatus::Disabled => "it is disabled",
            ChannelStatus::NeedsReauth => "it needs new credentials",
        };
        Some(Error::ChannelUnavailable { why })
    }

    fn receiver(&self) -> Receiver {
        Receiver {
            workspace_id: self.channel.workspace_id,
            channel_id: self.channel.id,
            version: Some(self.channel.version),
        }
    }

    /// Who the site proves the visitor to be. Without a secret nobody is anybody.
    fn proven<'a>(&self, new: &'a NewSession) -> Result<Option<&'a str>, Error> {
        let unproven = |detail, pointer: &str| Error::Unproven {
            detail,
            pointer: Some(pointer.to_owned()),
        };
        let Some(user_id) = new.user_id.as_deref() else {
            if self.channel.settings.require_identity {
                let detail =
                    "This web chat is for people its site knows: userId and userHash are required.";
                return Err(unproven(detail, "/userId"));
            }
            return Ok(None);
        };
        let secret = self.channel.credentials.get("identitySecret");
        let expected = hmac_sha256(secret.as_bytes(), user_id.as_bytes()).map(hex::encode);
        let given = new.user_hash.as_deref().unwrap_or("").to_ascii_lowercase();
        if same_secret(&expected.unwrap_or_default(), &given) {
            return Ok(Some(user_id));
        }
        let detail = "The userHash is not that of this userId under the channel's identity secret.";
        Err(unproven(detail, "/userHash"))
    }
}

/// What someone says of themselves as they open the chat.
pub struct NewSession {
    pub name: Option<String>,
    pub email: Option<String>,
    pub user_id: Option<String>,
    pub user_hash: Option<String>,
}

/// A session just opened: the one time its token is shown.
pub struct Session {
    pub visitor_id: VisitorId,
    pub token: VisitorToken,
    pub conversation_id: ConversationId,
}

/// A request of a visitor whose token and page are right.
pub struct Visit<'a> {
    site: Site<'a>,
    hash: String,
    chat: Rc<WebChat>,
    visitor: Visitor,
}

impl Visit<'_> {
    /// Under which the visitor's own id of a message is unique on the channel.
    fn provider_message_id(&self, client_message_id: &str) -> String {
        format!("{}:{client_message_id}", self.visitor.id)
    }
}

/// A message that a visitor writes.
pub struct Post {
    pub content: Content,
    pub client_message_id: String,
}

/// A message as its visitor sees it, and nothing of what the workspace does with it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Posted {
    pub seq: i64,
    pub id: MessageId,
    pub direction: Direction,
    pub content: Content,
    /// Of what the visitor wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<String>,
    pub created_at: Timestamp,
}

impl Posted {
    fn of(record: MessageRecord) -> Self {
        let own = record
            .provider_message_id
            .filter(|_| record.direction == Direction::Inbound);
        let own = own.as_deref().and_then(|id| id.split_once(':'));
        Self {
            seq: record.seq,
            id: record.id,
            direction: record.direction,
            content: record.content,
            client_message_id: own.map(|(_, id)| id.to_owned()),
            created_at: record.times.accepted_at.unwrap_or(record.times.created_at),
        }
    }
}

impl<P: Ports> Gateway<P> {
    /// Whether pages of a site may read the answers they get.
    pub async fn allows_site(&self, site: Site<'_>) -> bool {
        match self.memory.web_chat(site.public_key, self.now()) {
            Some(chat) => chat.allows(site.origin),
            None => self.check_site(site).await.is_ok(),
        }
    }

    /// Refuses a page that may not use a web chat.
    pub async fn check_site(&self, site: Site<'_>) -> Result<(), Error> {
        self.enter(site, None, Freshness::Remembered).await?;
        Ok(())
    }

    /// The visitor of a token, on a page that may use their web chat.
    pub async fn visit<'a>(
        &self,
        site: Site<'a>,
        token: &VisitorToken,
    ) -> Result<Visit<'a>, Error> {
        self.visit_by(site, token.hash(), Freshness::Remembered)
            .await
    }

    async fn visit_by<'a>(
        &self,
        site: Site<'a>,
        hash: String,
        freshness: Freshness,
    ) -> Result<Visit<'a>, Error> {
        let (chat, visitor) = self.enter(site, Some(&hash), freshness).await?;
        let visitor = visitor.ok_or_else(Error::unknown_visitor)?;
        Ok(Visit {
            site,
            hash,
            chat,
            visitor,
        })
    }

    /// The web chat of a page, and the visitor of a token (by its hash) on it. Read anew,
    /// in one round trip, before a refusal.
    async fn enter(
        &self,
        site: Site<'_>,
        hash: Option<&str>,
        freshness: Freshness,
    ) -> Result<(Rc<WebChat>, Option<Visitor>), Error> {
        let now = self.now();
        let key = site.public_key;
        if freshness == Freshness::Remembered
            && let Some(chat) = self.memory.web_chat(key, now)
            && chat.allows(site.origin)
        {
            let visitor = hash.and_then(|hash| self.memory.visitor(hash, now));
            let visitor = visitor.filter(|visitor| visitor.channel_id == chat.channel.id);
            if hash.is_none() || visitor.is_some() {
                return Ok((chat, visitor));
            }
        }
        let mut batch = vec![channels::sealed_by_public_key(key)];
        batch.extend(hash.map(visitors::by_token));
        let mut rows = self.batch(batch).await?.into_iter();
        let Some(sealed) = self.read_sealed(next(&mut rows))?.into_iter().next() else {
            self.memory.forget_web_chat(key);
            return Err(Error::not_found("web chat"));
        };
        let status = sealed.status;
        let channel = self.open_channel(sealed);
        let chat = Rc::new(WebChat { channel, status });
        self.memory.keep_web_chat(key, Rc::clone(&chat), now);
        if !chat.allows(site.origin) {
            return Err(Error::OriginNotAllowed);
        }
        let visitor: Option<Visitor> = next(&mut rows).first()?;
        let visitor = visitor.filter(|visitor| visitor.channel_id == chat.channel.id);
        if let Some(hash) = hash {
            match visitor {
                Some(visitor) => self.memory.keep_visitor(hash, visitor, now),
                None => self.memory.forget_visitor(hash),
            }
        }
        Ok((chat, visitor))
    }

    /// Opens a session: somebody new, or the visitor that the site proves they are.
    ///
    /// One batch makes identity, contact, conversation, visitor and token, if the web chat
    /// is still the one that was asked; a repeat makes another token, and where nobody is
    /// proved, another visitor.
    pub async fn open_session(&self, site: Site<'_>, new: &NewSession) -> Result<Session, Error> {
        let (chat, _) = self.enter(site, None, Freshness::Remembered).await?;
        let opened = match self.try_open(&chat, new).await {
            // What is remembered may be older than a secret, or the end of a pause.
            Err(Error::Unproven { .. } | Error::ChannelUnavailable { .. }) => None,
            opened => opened?,
        };
        if let Some(session) = opened {
            return Ok(session);
        }
        let (chat, _) = self.enter(site, None, Freshness::Now).await?;
        let opened = self.try_open(&chat, new).await?;
        opened.ok_or(Error::Unavailable)
    }

    /// `None` where the web chat is no longer the one that was asked.
    async fn try_open(&self, chat: &WebChat, new: &NewSession) -> Result<Option<Session>, Error> {
        if let Some(refusal) = chat.refuses() {
            return Err(refusal);
        }
        let now = self.now();
        let user_id = chat.proven(new)?;
        let visitor = match user_id {
            Some(user_id) => VisitorId::of_user(chat.channel.id, user_id),
            None => self.fresh(now),
        };
        let token = VisitorToken::fresh(&self.random());
        let hash = token.hash();
        let person = Person {
            address: visitor.to_string(),
            name: new.name.clone(),
            identities: vec![(IdentityKind::Visitor.name(), visitor.to_string())],
            contact: self.fresh::<ContactId>(now).to_string(),
            conversation: self.fresh::<ConversationId>(now).to_string(),
            event: self.fresh::<EventId>(now).to_string(),
        };
        let said = Said {
            email: new.email.as_deref(),
            user_id,
        };
        let receiver = chat.receiver();
        let mut batch = inbound::people(receiver, &[person], now);
        let told_at = batch.len() - 1;
        batch.extend(visitors::admit(receiver, visitor, &said, &hash, now));
        batch.push(visitors::by_token(&hash));
        let mut rows = self.batch(batch).await?;
        let Some(visitor) = rows.pop().unwrap_or_default().first::<Visitor>()? else {
            return Ok(None);
        };
        self.memory.keep_visitor(&hash, visitor, now);
        self.tell(rows.into_iter().nth(told_at)).await?;
        Ok(Some(Session {
            visitor_id: visitor.id,
            token,
            conversation_id: visitor.conversation_id,
        }))
    }

    /// Takes what a visitor writes; says also whether it was taken before.
    ///
    /// The visitor's own id makes the provider's id, whose index decides which of two
    /// requests made the message. A repeat is answered before anything is refused.
    pub async fn take_post(
        &self,
        visit: Visit<'_>,
        idempotency: &Idempotency,
        wanted: Result<Post, Error>,
    ) -> Result<(Posted, bool), Error> {
        let own_id = idempotency
            .client_message_id
            .as_ref()
            .map(|id| visit.provider_message_id(id));
        let posting = Posting {
            id: self.fresh(self.now()),
            event: self.fresh(self.now()),
            scope: idempotency
                .scope
                .as_ref()
                .map(|key| format!("webchat {} {key}", visit.visitor.id)),
            own_id,
            fingerprint: &idempotency.fingerprint,
            now: self.now(),
        };
        let mut visit = visit;
        let mut is_fresh = false;
        loop {
            let content = match &wanted {
                Ok(post) => check(&visit.chat, &post.content),
                Err(refusal) => Err(refusal.clone()),
            };
            let (batch, told_at) = posting.batch(&visit, content.as_ref().ok());
            let mut rows = self.batch(batch).await?;
            if rows.first().is_none_or(|rows| rows.0.is_empty()) {
                if is_fresh {
                    return Err(Error::Unavailable);
                }
                visit = self.visit_anew(visit).await?;
                is_fresh = true;
                continue;
            }
            let found = rows.pop().unwrap_or_default();
            return match replay(found, posting.fingerprint)? {
                Some(Decision::Accepted(accepted)) => {
                    let is_mine = accepted.message.id == posting.id;
                    if is_mine {
                        self.tell(rows.into_iter().nth(told_at)).await?;
                    }
                    Ok((Posted::of(*accepted.message), !is_mine))
                }
                Some(Decision::Refused(error)) => Err(error),
                Some(Decision::PlanChanged) | None => {
                    content?;
                    Err(Error::Unavailable)
                }
            };
        }
    }

    /// The messages after a seq. If there are none yet, looks again each second for so
    /// many seconds. What the visitor gets is delivered, unless they only `peek`.
    ///
    /// A report that cannot be stored fails the answer: the visitor asks again, and gets
    /// the same.
    pub async fn poll(
        &self,
        visit: Visit<'_>,
        after: i64,
        wait_s: u32,
        peeks: bool,
    ) -> Result<Vec<Posted>, Error> {
        let look = |visit: &Visit<'_>| {
            let workspace = visit.chat.channel.workspace_id;
            let conversation = visit.visitor.conversation_id;
            visitors::messages_after(workspace, conversation, after, PAGE)
        };
        let (visit, mut rows) = self.read_as(visit, look).await?;
        let mut found: Vec<MessageRecord> = next(&mut rows).records()?;
        for _ in 0..wait_s {
            if !found.is_empty() {
                break;
            }
            self.ports.sleep(LOOK_EVERY_MS).await;
            let rows = self.batch(vec![look(&visit)]).await?;
            found = next(&mut rows.into_iter()).records()?;
        }
        let fetched = found
            .iter()
            .filter(|record| record.status == DeliveryStatus::Sent)
            .map(|record| record.id);
        let reports = self.reports(fetched, DeliveryStatus::Delivered);
        if !reports.is_empty() && !peeks {
            let batch = self.reporting(&visit, &reports);
            let rows = self.batch(batch).await?;
            self.tell(rows.into_iter().next_back()).await?;
        }
        Ok(found.into_iter().map(Posted::of).collect())
    }

    /// Marks what the workspace wrote, up to a seq, as read: some hundreds at a time. What
    /// is beyond the rounds of one request is the next one's.
    pub async fn mark_read(&self, visit: Visit<'_>, seq: i64) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Row {
            id: MessageId,
            seq: i64,
            status: DeliveryStatus,
        }
        let look = |visit: &Visit<'_>| visitors::unread(&visit.visitor, seq, READ_AT_ONCE);
        let (visit, mut rows) = self.read_as(visit, look).await?;
        let mut page: Vec<Row> = next(&mut rows).read()?;
        for _ in 0..READ_ROUNDS {
            let Some(last) = page.last().map(|row| row.seq) else {
                break;
            };
            let is_unread =
                |row: &&Row| matches!(row.status, DeliveryStatus::Sent | DeliveryStatus::Delivered);
            let ids = page.iter().filter(is_unread).map(|row| row.id);
            let reports = self.reports(ids, DeliveryStatus::Read);
            let is_full = i64::try_from(page.len()).is_ok_and(|count| count == READ_AT_ONCE);
            if reports.is_empty() && !is_full {
                break;
            }
            let mut batch = vec![visitors::read_up_to(&visit.visitor, last), look(&visit)];
            if !reports.is_empty() {
                batch.extend(self.reporting(&visit, &reports));
            }
            let mut rows = self.batch(batch).await?.into_iter();
            page = rows.nth(1).unwrap_or_default().read()?;
            self.tell(rows.next_back()).await?;
        }
        Ok(())
    }

    /// Reports of a visitor on messages of the workspace.
    fn reports(
        &self,
        messages: impl Iterator<Item = MessageId>,
        status: DeliveryStatus,
    ) -> Vec<Report> {
        let now = self.now();
        messages
            .map(|id| Report {
                // There is no provider to name it: its own id serves.
                provider_message_id: id.to_string(),
                message: Some(id.to_string()),
                status,
                at: now.ms(),
                code: None,
                detail: None,
                provider_code: None,
                pricing: None,
                event: self.fresh::<EventId>(now).to_string(),
            })
            .collect()
    }

    /// What stores reports; the last statement gives back deliveries. The visit was checked:
    /// what changed while it waited does not undo that it got the messages.
    fn reporting(&self, visit: &Visit<'_>, reports: &[Report]) -> Vec<Statement> {
        let receiver = Receiver {
            version: None,
            ..visit.chat.receiver()
        };
        inbound::reports(receiver, reports, &self.token(), self.now())
    }

    /// Runs a visitor's query, if their token and web chat are still what is remembered;
    /// else once more with what they are now.
    async fn read_as<'a>(
        &self,
        visit: Visit<'a>,
        query: impl Fn(&Visit<'_>) -> Statement,
    ) -> Result<(Visit<'a>, std::vec::IntoIter<Rows>), Error> {
        let mut visit = visit;
        for _ in 0..2 {
            let version = visit.chat.channel.version;
            let batch = vec![visitors::is_current(&visit.hash, version), query(&visit)];
            let mut rows = self.batch(batch).await?.into_iter();
            if !next(&mut rows).0.is_empty() {
                return Ok((visit, rows));
            }
            visit = self.visit_anew(visit).await?;
        }
        Err(Error::Unavailable)
    }

    async fn visit_anew<'a>(&self, visit: Visit<'a>) -> Result<Visit<'a>, Error> {
        self.visit_by(visit.site, visit.hash, Freshness::Now).await
    }

    /// Hints at the deliveries that a statement gave back.
    async fn tell(&self, rows: Option<Rows>) -> Result<(), Error> {
        let deliveries: Vec<DeliveryHint> = rows.unwrap_or_default().read()?;
        self.push_deliveries(deliveries).await;
        Ok(())
    }
}

/// One visitor's message on its way in.
struct Posting<'a> {
    id: MessageId,
    event: EventId,
    scope: Option<String>,
    own_id: Option<String>,
    fingerprint: &'a str,
    now: Timestamp,
}

impl Posting<'_> {
    /// The batch of a visit: first whether it is current, in the end the message made now
    /// or before. Between them what stores a content, if there is one to store, and where
    /// in the batch it gives back deliveries.
    fn batch(&self, visit: &Visit<'_>, content: Option<&Written>) -> (Vec<Statement>, usize) {
        let channel = &visit.chat.channel;
        let (scope, own_id) = (self.scope.as_deref(), self.own_id.as_deref());
        let mut batch = vec![visitors::is_current(&visit.hash, channel.version)];
        let mut told_at = 0;
        if let (Some(content), Some(own_id)) = (content, own_id) {
            let received = Received {
                id: self.id.to_string(),
                provider_message_id: own_id.to_owned(),
                address: visit.visitor.id.to_string(),
                content: content.json.clone(),
                said: content.said.clone(),
                media: None,
                metadata: None,
                reply_to: None,
                reply_id: None,
                fingerprint: Some(self.fingerprint.to_owned()),
                at: self.now.ms(),
                event: self.event.to_string(),
            };
            let condition = visitors::may_post(&visit.hash, scope, self.now);
            let receiver = visit.chat.receiver();
            batch.extend(inbound::messages_if(
                receiver,
                &[received],
                condition,
                self.now,
            ));
            told_at = batch.len() - 1;
            if let Some(scope) = scope {
                let made = (channel.id, own_id);
                batch.push(visitors::keep_scope(
                    channel.workspace_id,
                    scope,
                    made,
                    self.fingerprint,
                    self.now,
                ));
            }
            batch.push(channels::heard(channel.id, self.now));
        }
        let asked = (channel.id, own_id);
        batch.push(visitors::earlier(
            channel.workspace_id,
            scope,
            asked,
            self.now,
        ));
        (batch, told_at)
    }
}

/// What a visitor writes, as it is stored.
struct Written {
    json: String,
    /// As `choice::said_by`.
    said: Option<String>,
}

/// The content as it is stored, if the web chat takes it.
fn check(chat: &WebChat, content: &Content) -> Result<Written, Error> {
    if let Some(refusal) = chat.refuses() {
        return Err(refusal);
    }
    let profile = adapter_of(&chat.channel)?.profile();
    // What a visitor presses is an answer, which nobody else sends.
    if let Content::Reply(_) = content {
        content
            .check()
            .map_err(|wrong| Error::invalid(format!("/content{}", wrong.pointer), wrong.detail))?;
    } else {
        profile.check(content).map_err(refused_content)?;
    }
    Ok(Written {
        json: serde_json::to_string(content).map_err(|_| Error::Internal)?,
        said: choice::said_by(content),
    })
}
