//! What was read of a webhook, turned into the statements that store it.

use super::bounds::{bounded, shown_name};
use super::keys::Freshness;
use super::{Error, Gateway, Ports};
use crate::channel::{
    Change, Changed, FileRef, Inbound, InboundMessage, Reason, Sender, StatusReport,
    TemplateReport, Watermark,
};
use crate::model::choice;
use crate::model::contact::{Identity, IdentityKind};
use crate::model::content::Content;
use crate::model::id::{
    ChannelId, ContactId, ConversationId, EventId, MediaId, MessageId, WorkspaceId,
};
use crate::model::time::Timestamp;
use crate::store::inbound::{
    self, LOOKED_AT, Mark, Person, Received, ReceivedMedia, Receiver, Report,
};
use crate::store::notices::{self, Noticed};
use crate::store::templates::{self, Reported};
use crate::store::{Statement, changes, contacts, echoes, events, media, text};
use serde_json::{Value as Json, json};
use std::collections::HashMap;

/// Most messages or reports in one statement: well under a bound parameter's size.
const CHUNK_ITEMS: usize = 500;
/// Most bytes of messages or people in one statement.
const CHUNK_BYTES: usize = 700_000;
/// Most watermarks in one statement: each brings an event's id for all it may reach.
const CHUNK_MARKS: usize = 100;
/// Most new numbers in one statement: each brings its line of the search index.
const CHUNK_NUMBERS: usize = 100;
/// Names for the owner of a new number after which no more are taken in.
const MOST_KNOWN_AS: usize = 10;
/// Most identities that somebody has in one webhook.
const MOST_IDENTITIES: usize = 10;
/// Most reports on templates in one statement: each may have words of two kilobytes.
const CHUNK_TEMPLATES: usize = 100;

/// What stores the items of one channel.
pub(super) struct Part {
    pub statements: Vec<(Statement, Gives)>,
    pub copies: Vec<(WorkspaceId, MediaId)>,
    /// The addresses of those who are remembered, which the statements take to be there.
    pub known: Json,
    /// Those whom the statements store.
    pub met: Vec<Person>,
}

/// What a statement of a batch gives back.
#[derive(Clone, Copy)]
pub(super) enum Gives {
    Nothing,
    Deliveries,
    /// Messages of the channel that changes wait for.
    Waiting(ChannelId),
    /// Channels whose state a notice moved.
    Noticed,
}

impl<P: Ports> Gateway<P> {
    /// What stores the items of one channel, whose addresses are identities of `kind`.
    pub(super) fn store_part(
        &self,
        receiver: Receiver,
        kind: IdentityKind,
        items: Vec<Inbound>,
        trusted: Freshness,
        now: Timestamp,
    ) -> Result<Part, Error> {
        let mut people: Vec<Person> = Vec::new();
        let mut received: Vec<Received> = Vec::new();
        let mut echoed: Vec<Received> = Vec::new();
        let mut reports: Vec<Report> = Vec::new();
        let mut marks: Vec<Mark> = Vec::new();
        let mut told: Vec<changes::Change> = Vec::new();
        let mut consents: Vec<Json> = Vec::new();
        let mut renumbered: Vec<(String, Vec<String>)> = Vec::new();
        let mut of_templates: Vec<TemplateReport> = Vec::new();
        let mut noticed: Vec<Noticed> = Vec::new();
        let mut handovers: Vec<Json> = Vec::new();
        for item in items {
            match bounded(item) {
                Inbound::Message(message) => {
                    self.meet(&mut people, &message.from, now);
                    received.push(self.received(message, now)?);
                }
                Inbound::Echo(message) => {
                    self.meet(&mut people, &message.from, now);
                    echoed.push(self.received(message, now)?);
                }
                Inbound::Status(report) => reports.push(self.report(report, now)),
                Inbound::Watermark(watermark) => marks.push(self.mark(watermark, now)),
                Inbound::Consent(consent) => {
                    // It may come before anything else of theirs does.
                    let value = consent.address.0.clone();
                    let from = Sender {
                        address: consent.address.clone(),
                        name: None,
                        identities: vec![Identity { kind, value }],
                    };
                    self.meet(&mut people, &from, now);
                    let at = consent.at.map_or(now, |at| at.min(now)).ms();
                    let opted_out_at = (!consent.is_given).then_some(at);
                    consents.push(json!([consent.address.0, opted_out_at, at]));
                }
                Inbound::NumberChange(change) => {
                    let channel = receiver.channel_id;
                    self.ports
                        .log("contact.number_changed", json!({ "channel": channel }));
                    renumbered.push((change.number, change.known_as));
                }
                Inbound::Change(change) => told.push(self.change(change, now)?),
                Inbound::Template(report) => of_templates.push(report),
                Inbound::Notice(notice) => noticed.push(self.notice(receiver, notice, now)),
                Inbound::Handover(handover) => {
                    self.meet(&mut people, &handover.person, now);
                    handovers.push(self.handover(&handover, now));
                }
                Inbound::Ignored(what) => self.ports.log(
                    "inbound.ignored",
                    json!({ "channel": receiver.channel_id, "what": what }),
                ),
            }
        }
        answer_each_other(&mut received);
        // Told twice, or of two that are one person, a number is one line of the search index.
        renumbered.sort_unstable();
        renumbered.dedup_by(|(number, known_as), (kept, all)| {
            let is_same = number == kept;
            if is_same && all.len() < MOST_KNOWN_AS {
                all.append(known_as);
            }
            is_same
        });
        let mut batch = Vec::new();
        let mut copies = Vec::new();
        // Who changes a number is known by another now.
        let may_know = trusted == Freshness::Remembered && renumbered.is_empty();
        let (known, met): (Vec<Person>, Vec<Person>) = people.into_iter().partition(|person| {
            let channel = receiver.channel_id;
            may_know
                && self
                    .memory
                    .knows_person(channel, &person.address, &person.told(), now)
        });
        // Before the people: what comes with it may be from the new number already.
        for changes in renumbered.chunks(CHUNK_NUMBERS) {
            let kind = IdentityKind::Whatsapp.name();
            let statements = contacts::numbers_changed(receiver, kind, changes);
            batch.extend(statements.map(|statement| (statement, Gives::Nothing)));
        }
        for people in chunks(&met, Person::size) {
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
                let statement = media::received(workspace, channel, text(received), due_at, now);
                batch.push((statement, Gives::Nothing));
            }
            let ids = received.iter().map(|message| &message.provider_message_id);
            let ids = json!(ids.collect::<Vec<_>>());
            let waiting = changes::waiting(receiver.channel_id, &ids);
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
            let [told, fanned, stored, due] = self.reported(receiver, reports, now);
            batch.extend(last_tells(vec![told, fanned]));
            batch.extend([stored, due].map(|statement| (statement, Gives::Nothing)));
        }
        for handovers in chunks(&handovers, |told| told.to_string().len()) {
            let statements = events::handovers(receiver, &json!(handovers), now);
            batch.extend(last_tells(statements.into()));
        }
        for noticed in chunks(&noticed, notice_size) {
            let [moved, told, fanned] = notices::notices(receiver, noticed, now);
            batch.push((moved, Gives::Noticed));
            batch.extend(last_tells(vec![told, fanned]));
        }
        let known: Vec<String> = known.into_iter().map(|person| person.address).collect();
        Ok(Part {
            statements: batch,
            copies,
            known: json!(known),
            met,
        })
    }

    /// Takes in reports on templates; of several on one, what is told last.
    fn reported(
        &self,
        receiver: Receiver,
        reports: &[TemplateReport],
        now: Timestamp,
    ) -> [Statement; 4] {
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
                event: self.fresh::<EventId>(now).to_string(),
            });
        }
        templates::reported(receiver, &told, &accounts, now)
    }

    /// Notes who wrote, once per address, with ids in case they are new.
    fn meet(&self, people: &mut Vec<Person>, from: &Sender, now: Timestamp) {
        let known = people
            .iter_mut()
            .find(|person| person.address == from.address.0);
        if let Some(person) = known {
            if person.name.is_none() {
                person.name = from.name.as_deref().map(shown_name);
            }
            for identity in &from.identities {
                let identity = (identity.kind.name(), identity.value.clone());
                let is_new = !person.identities.contains(&identity);
                if is_new && person.identities.len() < MOST_IDENTITIES {
                    person.identities.push(identity);
                }
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
        let mut media = message
            .file
            .take()
            .and_then(|file| self.received_media(&mut message.content, &file, now));
        let beside = media.as_ref().map_or(0, |media| media.reference.len());
        let (content, is_whole) = written(&mut message.content, beside)?;
        media = media.filter(|_| is_whole);
        Ok(Received {
            media,
            id: self.fresh::<MessageId>(now).to_string(),
            provider_message_id: message.provider_message_id,
            address: message.from.address.0,
            content,
            said: choice::said_by(&message.content),
            reply_to: message.reply_to,
            metadata: message.metadata.map(|told| told.to_string()),
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
            Changed::Edited(mut content) => {
                let (content, _) = written(&mut content, 0)?;
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
            pricing: report.pricing.map(|told| told.to_string()),
            event: self.fresh::<EventId>(now).to_string(),
        }
    }
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

/// More than any content that a provider lets a customer write takes; a row has its limits.
const LARGEST_CONTENT: usize = 400_000;

/// A content as it is stored. One that is too large, with what is stored beside it, is told by
/// its kind alone: then it is not whole.
fn written(content: &mut Content, beside: usize) -> Result<(String, bool), Error> {
    let write = |content: &Content| serde_json::to_string(content).map_err(|_| Error::Internal);
    let whole = write(content)?;
    if whole.len() + beside <= LARGEST_CONTENT {
        return Ok((whole, true));
    }
    *content = Content::unsupported(content.kind());
    Ok((write(content)?, false))
}

/// Bytes that a message takes in a statement.
fn size(message: &Received) -> usize {
    serde_json::to_string(message).map_or(CHUNK_BYTES, |json| json.len())
}

fn change_size(change: &changes::Change) -> usize {
    change.content.as_ref().map_or(0, String::len) + 2 * change.key.len() + 200
}

/// Each quote of what is told is escaped once more.
fn notice_size(notice: &Noticed) -> usize {
    let names = [&notice.account, &notice.number].into_iter().flatten();
    2 * notice.told.len() + names.map(|name| 2 * name.len()).sum::<usize>() + 600
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
