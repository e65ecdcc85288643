//! What providers tell us: verified on the raw bytes, read, and durable before
//! the answer.

use super::late::Late;
use super::{Error, Gateway, Ports};
use crate::channel::{
    self, Adapter, Change, Changed, Entry, FileRef, Inbound, InboundMessage, Reason, StatusReport,
    TemplateReport, Unverified, Watermark, adapter,
};
use crate::model::channel::{Channel, ChannelKind};
use crate::model::choice;
use crate::model::content::Content;
use crate::model::id::{
    ChannelId, ContactId, ConversationId, EventId, MediaId, MessageId, WorkspaceId,
};
use crate::model::time::Timestamp;
use crate::store::inbound::{
    self, LOOKED_AT, Mark, Person, Received, ReceivedMedia, Receiver, Report,
};
use crate::store::templates::{self, Reported};
use crate::store::{Statement, changes, channels, echoes, media};
use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use std::rc::Rc;

/// What became of a provider's request.
#[derive(Debug)]
pub enum Reception {
    UnknownChannel,
    /// The handshake's answer.
    Challenge(Response<Bytes>),
    /// The channel's provider has no handshake.
    NoHandshake,
    Unverified,
    /// Durable: the provider need not repeat it. With what it is answered.
    Stored(Response<Bytes>),
}

/// Most messages or reports in one statement: well under a bound parameter's size.
const CHUNK_ITEMS: usize = 500;
/// Most bytes of messages or people in one statement.
const CHUNK_BYTES: usize = 700_000;
/// Most watermarks in one statement: each brings an event's id for all it may reach.
const CHUNK_MARKS: usize = 100;
/// Most reports on templates in one statement: each may have words of two kilobytes.
const CHUNK_TEMPLATES: usize = 100;

impl<P: Ports> Gateway<P> {
    /// Takes a provider's request to `/inbound/{channel}`.
    ///
    /// 1. The channel, remembered; read anew before a refusal, or where it changed.
    /// 2. The check, on the bytes as they came.
    /// 3. What is for other accounts of the same app goes to their channels.
    /// 4. One batch stores whatever is in it, if the channels are still those it was
    ///    checked with; a repeat stores nothing.
    /// 5. Subscribers' deliveries are hinted at. The rows are durable already.
    pub async fn receive(
        &self,
        id: ChannelId,
        request: &Request<Bytes>,
    ) -> Result<Reception, Error> {
        let now = self.now();
        let Some((channel, is_fresh)) = self.find_channel(id, now).await? else {
            return Ok(Reception::UnknownChannel);
        };
        let Some((channel, adapter)) = with_adapter(Some(channel)) else {
            return Ok(Reception::UnknownChannel);
        };
        if request.method() == Method::GET {
            return self.challenge(channel, adapter, request, now).await;
        }
        if let Ok(sorted) = self.sort(&channel, adapter, request, now)
            && (is_fresh || sorted.strangers.is_empty())
        {
            let sorted = self.sort_again(sorted, &channel, adapter, request).await?;
            self.log_strangers(id, &sorted);
            if self.store_inbound(sorted.parts, now).await? {
                return Ok(Reception::Stored(adapter.acknowledgement(request)));
            }
        }
        self.receive_anew(id, request, now).await
    }

    /// The same with the channels as the database has them: what is remembered may be
    /// older than a secret, a number, or the end of one.
    async fn receive_anew(
        &self,
        id: ChannelId,
        request: &Request<Bytes>,
        now: Timestamp,
    ) -> Result<Reception, Error> {
        let Some((channel, adapter)) = with_adapter(self.find_channel_now(id, now).await?) else {
            return Ok(Reception::UnknownChannel);
        };
        let Ok(sorted) = self.sort(&channel, adapter, request, now) else {
            self.ports
                .log("inbound.unverified", json!({ "channel": id }));
            return Ok(Reception::Unverified);
        };
        let sorted = self.sort_again(sorted, &channel, adapter, request).await?;
        self.log_strangers(id, &sorted);
        if self.store_inbound(sorted.parts, now).await? {
            Ok(Reception::Stored(adapter.acknowledgement(request)))
        } else {
            Err(Error::Unavailable)
        }
    }

    /// Counts what is for accounts that nobody connected here.
    fn log_strangers(&self, id: ChannelId, sorted: &Sorted) {
        if !sorted.strangers.is_empty() {
            let entries: usize = sorted.strangers.values().sum();
            self.ports.log(
                "inbound.other_account",
                json!({ "channel": id, "accounts": sorted.strangers.len(), "entries": entries }),
            );
        }
    }

    /// Verifies a webhook and hands its entries to the channels they are for: the one
    /// that was posted to, or another of its workspace whose secret verifies it as well.
    fn sort(
        &self,
        channel: &Rc<Channel>,
        adapter: &dyn Adapter,
        request: &Request<Bytes>,
        now: Timestamp,
    ) -> Result<Sorted, Unverified> {
        let path = request.uri().path_and_query();
        let path = path.map_or("", |path| path.as_str());
        let url = format!("{}{path}", self.config.public_url);
        adapter.verify(channel, &url, request)?;
        let (kind, entries) = channel::read(adapter, request);
        let own = adapter.account(channel);
        let mut sorted = Sorted {
            parts: vec![(Rc::clone(channel), vec![])],
            strangers: HashMap::new(),
        };
        for Entry { account, item } in entries {
            let is_own = match &account {
                Some(account) => kind == channel.kind && Some(account) == own.as_ref(),
                // A template is its account's, whichever channel is told of it.
                None => {
                    kind == channel.kind
                        || matches!(item, Inbound::Ignored(_) | Inbound::Template(_))
                }
            };
            if is_own {
                sorted.give(channel, item);
                continue;
            }
            let account = account.unwrap_or_default();
            let sibling = self.sibling(channel, kind, &account, now, |sibling| {
                adapter.verify(sibling, &url, request).is_ok()
            });
            match sibling {
                Some(sibling) => sorted.give(&sibling, item),
                None => *sorted.strangers.entry(account).or_default() += 1,
            }
        }
        Ok(sorted)
    }

    /// The same once more, if some of the strangers turn out to be connected.
    async fn sort_again(
        &self,
        sorted: Sorted,
        channel: &Rc<Channel>,
        adapter: &dyn Adapter,
        request: &Request<Bytes>,
    ) -> Result<Sorted, Error> {
        let accounts: Vec<&str> = sorted.strangers.keys().map(String::as_str).collect();
        if accounts.is_empty() || !self.find_siblings(channel, &accounts).await? {
            return Ok(sorted);
        }
        let again = self.sort(channel, adapter, request, self.now());
        Ok(again.unwrap_or(sorted))
    }

    /// Another channel of the workspace whose account it is, as far as is remembered, and
    /// whose secret verifies the request as well. (A channel may have changed its account
    /// since that was remembered.)
    fn sibling(
        &self,
        channel: &Channel,
        kind: ChannelKind,
        account: &str,
        now: Timestamp,
        is_verified: impl Fn(&Channel) -> bool,
    ) -> Option<Rc<Channel>> {
        let workspace = channel.workspace_id;
        let reader = adapter(kind)?;
        let ids = self.memory.account(workspace, kind, account, now)?;
        let known = ids.iter().filter_map(|id| self.memory.channel(*id, now));
        known
            .filter(|sibling| sibling.kind == kind && sibling.workspace_id == workspace)
            .filter(|sibling| reader.account(sibling).as_deref() == Some(account))
            .find(|sibling| is_verified(sibling))
    }

    async fn challenge(
        &self,
        channel: Rc<Channel>,
        adapter: &dyn Adapter,
        request: &Request<Bytes>,
        now: Timestamp,
    ) -> Result<Reception, Error> {
        let Some(response) = adapter.challenge(&channel, request) else {
            return Ok(Reception::NoHandshake);
        };
        if response.status().is_success() {
            return Ok(Reception::Challenge(response));
        }
        let fresh = self.find_channel_now(channel.id, now).await?;
        let fresh = fresh.and_then(|channel| adapter.challenge(&channel, request));
        Ok(fresh.map_or(Reception::UnknownChannel, Reception::Challenge))
    }

    /// Stores what was read; says whether every channel was still the one it was read
    /// with, for otherwise nothing of that channel is stored.
    async fn store_inbound(
        &self,
        parts: Vec<(Rc<Channel>, Vec<Inbound>)>,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let mut batch: Vec<(Statement, Gives)> = Vec::new();
        let mut receivers = Vec::new();
        let mut copies = Vec::new();
        for (channel, items) in parts {
            let receiver = Receiver {
                workspace_id: channel.workspace_id,
                channel_id: channel.id,
                version: Some(channel.version),
            };
            let statements = self.store_part(receiver, items, &mut copies, now)?;
            if !statements.is_empty() {
                batch.extend(statements);
                batch.push((channels::heard(channel.id, now), Gives::Nothing));
                receivers.push(receiver);
            }
        }
        if batch.is_empty() {
            return Ok(true);
        }
        let checks = receivers.len();
        batch.extend(
            receivers
                .into_iter()
                .map(|receiver| (inbound::is_current(receiver), Gives::Nothing)),
        );
        let (statements, gives): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let rows = self.batch(statements).await?;
        let is_current = rows
            .iter()
            .rev()
            .take(checks)
            .all(|rows| !rows.0.is_empty());
        let mut deliveries = Vec::new();
        let mut late = Vec::new();
        for (rows, gives) in rows.into_iter().zip(gives) {
            match gives {
                Gives::Nothing => {}
                Gives::Deliveries => deliveries.extend(rows.read()?),
                Gives::Waiting(channel) => late.extend(Late::of(channel, rows)?),
            }
        }
        deliveries.extend(self.apply_changes(&late, now).await?);
        // One batch of hints; what is beyond it is the sweep's.
        deliveries.truncate(100);
        self.push_deliveries(deliveries).await;
        if is_current && self.ports.has_bucket() {
            copies.truncate(100);
            self.push_copies(copies).await;
        }
        Ok(is_current)
    }

    /// What stores the items of one channel.
    fn store_part(
        &self,
        receiver: Receiver,
        items: Vec<Inbound>,
        copies: &mut Vec<(WorkspaceId, MediaId)>,
        now: Timestamp,
    ) -> Result<Vec<(Statement, Gives)>, Error> {
        let mut people: Vec<Person> = Vec::new();
        let mut received: Vec<Received> = Vec::new();
        let mut echoed: Vec<Received> = Vec::new();
        let mut reports: Vec<Report> = Vec::new();
        let mut marks: Vec<Mark> = Vec::new();
        let mut told: Vec<changes::Change> = Vec::new();
        let mut consents: Vec<Json> = Vec::new();
        let mut of_templates: Vec<TemplateReport> = Vec::new();
        for item in items {
            match bounded(item) {
                Inbound::Message(message) => {
                    self.meet(&mut people, &message, now);
                    received.push(self.received(message, now)?);
                }
                Inbound::Echo(message) => {
                    self.meet(&mut people, &message, now);
                    echoed.push(self.received(message, now)?);
                }
                Inbound::Status(report) => reports.push(self.report(report, now)),
                Inbound::Watermark(watermark) => marks.push(self.mark(watermark, now)),
                Inbound::Consent(consent) => {
                    let at = consent.at.map_or(now, |at| at.min(now)).ms();
                    let opted_out_at = (!consent.is_given).then_some(at);
                    consents.push(json!([consent.address.0, opted_out_at, at]));
                }
                Inbound::Change(change) => told.push(self.change(change, now)?),
                Inbound::Template(report) => of_templates.push(report),
                Inbound::Ignored(what) => self.ports.log(
                    "inbound.ignored",
                    json!({ "channel": receiver.channel_id, "what": what }),
                ),
            }
        }
        answer_each_other(&mut received);
        let mut batch = Vec::new();
        for people in chunks(&people, Person::size) {
            batch.extend(last_tells(inbound::people(receiver, people, now)));
        }
        let stored = chunks(&received, size)
            .into_iter()
            .map(|received| (received, inbound::messages(receiver, received, now)));
        let stored: Vec<_> = stored
            .chain(
                chunks(&echoed, size)
                    .into_iter()
                    .map(|echoed| (echoed, echoes::echoes(receiver, echoed, now))),
            )
            .collect();
        for (received, statements) in stored {
            batch.extend(last_tells(statements));
            if received.iter().any(|message| message.media.is_some()) {
                let (workspace, channel) = (receiver.workspace_id, receiver.channel_id);
                let due_at = self.copy_due_at(now);
                let ids = received.iter().filter_map(|message| message.media.as_ref());
                let ids = ids.filter_map(|media| MediaId::parse(&media.id));
                copies.extend(ids.map(|id| (workspace, id)));
                let statement = media::received(workspace, channel, json!(received), due_at, now);
                batch.push((statement, Gives::Nothing));
            }
            let waiting = changes::waiting(receiver.channel_id, &json!(received));
            batch.push((waiting, Gives::Waiting(receiver.channel_id)));
        }
        for consents in consents.chunks(CHUNK_ITEMS) {
            let statement = changes::consents(receiver, &json!(consents));
            batch.push((statement, Gives::Nothing));
        }
        for told in chunks(&told, change_size) {
            batch.push((changes::keep(receiver, told, now), Gives::Nothing));
            let ids: Vec<String> = told
                .iter()
                .map(|change| change.provider_message_id.clone())
                .collect();
            let applied = changes::apply(receiver.channel_id, &ids, now).into_iter();
            batch.extend(applied.enumerate().map(|(at, statement)| {
                let tells = at == changes::TOLD;
                let gives = if tells {
                    Gives::Deliveries
                } else {
                    Gives::Nothing
                };
                (statement, gives)
            }));
        }
        for reports in reports.chunks(CHUNK_ITEMS) {
            let token = self.token();
            let statements = inbound::reports(receiver, reports, &token, now);
            batch.extend(last_tells(statements));
        }
        for marks in marks.chunks(CHUNK_MARKS) {
            let statements = inbound::watermarks(receiver, marks, &self.token(), now);
            batch.extend(last_tells(statements));
        }
        for reports in of_templates.chunks(CHUNK_TEMPLATES) {
            let statements = self.reported(receiver, reports);
            batch.extend(statements.map(|statement| (statement, Gives::Nothing)));
        }
        Ok(batch)
    }

    /// Takes in reports on templates; of several on one, what is told last.
    fn reported(&self, receiver: Receiver, reports: &[TemplateReport]) -> [Statement; 2] {
        let mut told: Vec<Reported> = Vec::new();
        let mut accounts: Vec<String> = Vec::new();
        for report in reports {
            self.ports.log(
                "template.reported",
                json!({
                    "channel": receiver.channel_id, "template": report.provider_id,
                    "status": report.status, "reason": report.reason,
                }),
            );
            accounts.extend(report.account.clone());
            let (status, category) = (report.status.clone(), report.category.clone());
            let earlier = told.iter_mut().find(|earlier| {
                earlier.provider_id == report.provider_id && earlier.name == report.name
            });
            if let Some(earlier) = earlier {
                earlier.status = status.or(earlier.status.take());
                earlier.category = category.or(earlier.category.take());
                continue;
            }
            told.push(Reported {
                provider_id: report.provider_id.clone(),
                name: report.name.clone(),
                status,
                category,
            });
        }
        templates::reported(receiver, &told, &accounts)
    }

    /// Notes who wrote, once per address, with ids in case they are new.
    fn meet(&self, people: &mut Vec<Person>, message: &InboundMessage, now: Timestamp) {
        let from = &message.from;
        let known = people
            .iter_mut()
            .find(|person| person.address == from.address.0);
        if let Some(person) = known {
            if person.name.is_none() {
                person.name = from.name.as_deref().map(shown_name);
            }
            return;
        }
        people.push(Person {
            address: from.address.0.clone(),
            name: from.name.as_deref().map(shown_name),
            identities: from
                .identities
                .iter()
                .map(|identity| (identity.kind.name(), identity.value.clone()))
                .collect(),
            contact: self.fresh::<ContactId>(now).to_string(),
            conversation: self.fresh::<ConversationId>(now).to_string(),
            event: self.fresh::<EventId>(now).to_string(),
        });
    }

    fn received(&self, message: InboundMessage, now: Timestamp) -> Result<Received, Error> {
        let mut message = message;
        let media = message
            .file
            .take()
            .and_then(|file| self.received_media(&mut message.content, &file, now));
        Ok(Received {
            media,
            id: self.fresh::<MessageId>(now).to_string(),
            provider_message_id: message.provider_message_id,
            address: message.from.address.0,
            content: serde_json::to_string(&message.content).map_err(|_| Error::Internal)?,
            said: choice::said_by(&message.content),
            reply_to: message.reply_to,
            reply_id: None,
            fingerprint: None,
            at: message.sent_at.map_or(now, |at| at.min(now)).ms(),
            event: self.fresh::<EventId>(now).to_string(),
        })
    }

    /// Gives a file its id, and its content the address under which it is handed out.
    fn received_media(
        &self,
        content: &mut Content,
        file: &FileRef,
        now: Timestamp,
    ) -> Option<ReceivedMedia> {
        let media = content.media_mut()?;
        let id: MediaId = self.fresh(now);
        let url = self.media_url(id);
        media.media_url = Some(url.clone());
        media.url = url;
        Some(ReceivedMedia {
            id: id.to_string(),
            reference: serde_json::to_string(file).ok()?,
            mime_type: media.mime_type.clone(),
            filename: media.filename.clone(),
            size_bytes: media.size_bytes,
        })
    }

    fn change(&self, change: Change, now: Timestamp) -> Result<changes::Change, Error> {
        let (kind, content) = match change.what {
            Changed::Edited(content) => {
                let content = serde_json::to_string(&content).map_err(|_| Error::Internal)?;
                ("edited", Some(content))
            }
            Changed::Deleted => ("deleted", None),
            Changed::Reaction(emoji) => ("reaction", Some(emoji)),
        };
        Ok(changes::Change {
            provider_message_id: change.provider_message_id,
            key: change.key,
            kind,
            content,
            at: change.at.map_or(now, |at| at.min(now)).ms(),
            event: self.fresh::<EventId>(now).to_string(),
        })
    }

    fn mark(&self, watermark: Watermark, now: Timestamp) -> Mark {
        let events = (0..LOOKED_AT).map(|_| self.fresh::<EventId>(now).to_string());
        Mark {
            address: watermark.address.0,
            status: watermark.status,
            at: watermark.up_to.min(now).ms(),
            events: events.collect(),
        }
    }

    fn report(&self, report: StatusReport, now: Timestamp) -> Report {
        let error = report.error;
        let field = |of: fn(&Reason) -> Option<String>| error.as_ref().and_then(of);
        Report {
            provider_message_id: report.provider_message_id,
            message: report.message_id.map(|id| id.to_string()),
            status: report.status,
            at: report.at.map_or(now, |at| at.min(now)).ms(),
            code: field(|reason| Some(reason.code.to_owned())),
            detail: field(|reason| Some(reason.message.chars().take(500).collect())),
            provider_code: field(|reason| {
                let code = reason.provider_code.as_ref()?;
                Some(code.chars().take(100).collect())
            }),
            event: self.fresh::<EventId>(now).to_string(),
        }
    }
}

/// What a statement of a batch gives back.
#[derive(Clone, Copy)]
enum Gives {
    Nothing,
    Deliveries,
    /// Messages of the channel that changes wait for.
    Waiting(ChannelId),
}

/// The entries of a webhook by the channel they are for.
struct Sorted {
    parts: Vec<(Rc<Channel>, Vec<Inbound>)>,
    /// Accounts that no channel is known for, with how often they come.
    strangers: HashMap<String, usize>,
}

impl Sorted {
    fn give(&mut self, channel: &Rc<Channel>, item: Inbound) {
        match self
            .parts
            .iter_mut()
            .find(|(known, _)| known.id == channel.id)
        {
            Some((_, items)) => items.push(item),
            None => self.parts.push((Rc::clone(channel), vec![item])),
        }
    }
}

fn with_adapter(channel: Option<Rc<Channel>>) -> Option<(Rc<Channel>, &'static dyn Adapter)> {
    let channel = channel?;
    let adapter = adapter(channel.kind)?;
    Some((channel, adapter))
}

/// Marks the last statement, which fans events out.
fn last_tells(statements: Vec<Statement>) -> impl Iterator<Item = (Statement, Gives)> {
    let last = statements.len().saturating_sub(1);
    statements
        .into_iter()
        .enumerate()
        .map(move |(at, statement)| {
            let gives = if at == last {
                Gives::Deliveries
            } else {
                Gives::Nothing
            };
            (statement, gives)
        })
}

/// Finds answers to messages of the same payload: no query can see those yet.
fn answer_each_other(received: &mut [Received]) {
    let ids: HashMap<String, String> = received
        .iter()
        .map(|message| (message.provider_message_id.clone(), message.id.clone()))
        .collect();
    for message in received {
        let answered = message.reply_to.as_ref().and_then(|id| ids.get(id));
        message.reply_id = answered.cloned();
    }
}

/// Bytes that a message takes in a statement.
fn size(message: &Received) -> usize {
    serde_json::to_string(message).map_or(CHUNK_BYTES, |json| json.len())
}

fn change_size(change: &changes::Change) -> usize {
    change.content.as_ref().map_or(0, String::len) + 2 * change.key.len() + 200
}

/// Splits items so that each part binds as one parameter.
fn chunks<T>(items: &[T], size: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let mut parts = Vec::new();
    let mut rest = items;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = rest
            .iter()
            .take(CHUNK_ITEMS)
            .take_while(|item| {
                bytes += size(item);
                bytes <= CHUNK_BYTES
            })
            .count()
            .max(1);
        let (part, after) = rest.split_at(fits);
        parts.push(part);
        rest = after;
    }
    parts
}

/// Longer than any id a provider gives.
pub(super) const LONGEST_ID: usize = 512;
/// Longer than any text a provider lets a customer write.
const LONGEST_TEXT: usize = 65_536;

/// Cuts what a row could not hold, so that one absurd value cannot make the whole
/// webhook fail for ever.
fn bounded(item: Inbound) -> Inbound {
    let is_long = |id: &String| id.len() > LONGEST_ID;
    match item {
        Inbound::Message(message) => match bounded_message(message) {
            Some(message) => Inbound::Message(message),
            None => Inbound::Ignored("message with an id too long to be one".to_owned()),
        },
        Inbound::Echo(message) => match bounded_message(message) {
            Some(message) => Inbound::Echo(message),
            None => Inbound::Ignored("echo with an id too long to be one".to_owned()),
        },
        Inbound::Status(report) if is_long(&report.provider_message_id) => {
            Inbound::Ignored("status with an id too long to be one".to_owned())
        }
        Inbound::Status(report) => Inbound::Status(report),
        Inbound::Watermark(watermark) if is_long(&watermark.address.0) => {
            Inbound::Ignored("watermark of an id too long to be one".to_owned())
        }
        Inbound::Watermark(watermark) => Inbound::Watermark(watermark),
        Inbound::Consent(consent) if is_long(&consent.address.0) => {
            Inbound::Ignored("consent of an id too long to be one".to_owned())
        }
        Inbound::Consent(consent) => Inbound::Consent(consent),
        Inbound::Change(mut change) => {
            if is_long(&change.provider_message_id) || is_long(&change.key) {
                return Inbound::Ignored("change of an id too long to be one".to_owned());
            }
            match &mut change.what {
                Changed::Edited(content) => bound(content),
                Changed::Reaction(emoji) => cut(emoji, 100),
                Changed::Deleted => {}
            }
            Inbound::Change(change)
        }
        // No word of it is longer than a row holds.
        Inbound::Template(report) => Inbound::Template(report),
        Inbound::Ignored(what) => Inbound::Ignored(what),
    }
}

fn bounded_message(mut message: InboundMessage) -> Option<InboundMessage> {
    let is_long = |id: &String| id.len() > LONGEST_ID;
    let from = &mut message.from;
    from.identities.retain(|identity| !is_long(&identity.value));
    if is_long(&message.provider_message_id) || is_long(&from.address.0) {
        return None;
    }
    message.reply_to = message.reply_to.filter(|id| !is_long(id));
    bound(&mut message.content);
    Some(message)
}

/// Cuts the words of a content to what a row holds.
fn bound(content: &mut Content) {
    if let Content::Text(text) = content {
        cut(&mut text.text, LONGEST_TEXT);
    } else if let Content::Unsupported(what) = content {
        cut(&mut what.provider_type, 100);
    } else if let Some(media) = content.media_mut() {
        for text in [
            &mut media.caption,
            &mut media.filename,
            &mut media.mime_type,
            &mut media.sha256,
        ]
        .into_iter()
        .flatten()
        {
            cut(text, LONGEST_TEXT);
        }
    }
}

/// Shortens a text to a number of characters.
fn cut(text: &mut String, most: usize) {
    if let Some((at, _)) = text.char_indices().nth(most) {
        text.truncate(at);
    }
}

/// A profile name, cut to what a list can show.
fn shown_name(name: &str) -> String {
    name.chars().take(200).collect()
}
