//! Reading conversations and messages, and changing conversations.

use super::view::{self, Attempt};
use super::{Error, Gateway, Ports, next};
use crate::model::access::Key;
use crate::model::channel::ChannelKind;
use crate::model::conversation::{ConversationRecord, ConversationStatus, Mode};
use crate::model::id::{ChannelId, ConversationId, EventId, MessageId};
use crate::model::message::{AttemptRecord, DeliveryStatus, MessageRecord};
use crate::model::time::Timestamp;
use crate::store::conversations::{self, After, Change, Filter, MOST_COUNTED};
use crate::store::search::Needle;
use crate::store::{self, DatabaseError, Rows, Statement, events, messages};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// One page, and where the next begins.
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Makes a page of up to `limit + 1` rows: the one too many says that there
    /// is more.
    pub(super) fn of(mut items: Vec<T>, limit: i64, cursor: impl Fn(&T) -> String) -> Self {
        let limit = usize::try_from(limit).unwrap_or(0);
        let has_more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| has_more).map(cursor);
        Self { items, next }
    }

    pub(super) fn map<U>(self, map: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(map).collect(),
            next: self.next,
        }
    }

    /// A filtered page that found less than it may looks on from where it stopped.
    pub(super) fn or_scan_end(mut self, end: Option<String>) -> Self {
        self.next = self.next.or(end);
        self
    }
}

/// Reads a page that was searched for: its records, and the last row that was looked at, which
/// stands without one.
pub(super) fn searched_page<T: DeserializeOwned, End: DeserializeOwned>(
    rows: Rows,
) -> Result<(Vec<T>, Option<End>), DatabaseError> {
    let (found, ends) = rows
        .0
        .into_iter()
        .partition(|row| row.get("record").is_some_and(|record| !record.is_null()));
    Ok((Rows(found).records()?, Rows(ends).first()?))
}

#[derive(Default)]
pub struct ConversationFilter {
    pub status: Option<ConversationStatus>,
    pub mode: Option<Mode>,
    pub channel_id: Option<ChannelId>,
    /// `me`, `unassigned`, or somebody.
    pub assigned: Option<String>,
    /// Part of a name or an address; blank finds all.
    pub search: Option<String>,
}

impl ConversationFilter {
    /// The filter as it is held against rows, `me` being the key `own`.
    fn of_rows<'a>(&'a self, own: &'a str) -> Filter<'a> {
        Filter {
            status: self.status,
            mode: self.mode,
            channel_id: self.channel_id,
            assignee: self.assigned.as_deref().map(|assigned| match assigned {
                "me" => Some(own),
                "unassigned" => None,
                someone => Some(someone),
            }),
        }
    }

    fn needle(&self, key: &Key) -> Option<Needle> {
        Needle::of(key.workspace_id, self.search.as_deref()?)
    }
}

/// One numbered page, and how many there are in all: exact to `MOST_COUNTED`.
pub struct Counted<T> {
    pub items: Vec<T>,
    pub total: i64,
}

impl<T: DeserializeOwned> Counted<T> {
    /// Reads the row of `total`, and `page` as JSON.
    pub(super) fn read(rows: Rows) -> Result<Self, DatabaseError> {
        #[derive(Deserialize)]
        struct Row {
            total: i64,
            page: String,
        }
        let row: Option<Row> = rows.first()?;
        Ok(match row {
            Some(row) => Self {
                items: store::record(&row.page)?,
                total: row.total,
            },
            None => Self {
                items: vec![],
                total: 0,
            },
        })
    }
}

pub struct ConversationPatch {
    pub status: Option<ConversationStatus>,
    pub mode: Option<Mode>,
    /// `Some(None)` unassigns.
    pub assignee: Option<Option<String>>,
}

#[derive(Default)]
pub struct MessageFilter {
    pub status: Option<DeliveryStatus>,
    pub channel_id: Option<ChannelId>,
    pub conversation_id: Option<ConversationId>,
    pub since: Option<Timestamp>,
}

#[derive(Deserialize)]
struct ActivityRow {
    last_activity_at: i64,
    id: String,
}

#[derive(Deserialize)]
struct IdRow {
    id: String,
}

#[derive(Deserialize)]
struct SeqRow {
    seq: i64,
}

impl<P: Ports> Gateway<P> {
    /// A page of conversations, newest activity first. Cursors read
    /// `<milliseconds>,<id>`.
    pub async fn list_conversations(
        &self,
        key: &Key,
        filter: &ConversationFilter,
        cursor: Option<&str>,
        limit: i64,
    ) -> Result<Page<view::Conversation>, Error> {
        let own = key.id.to_string();
        let needle = filter.needle(key);
        let filter = filter.of_rows(&own);
        let after = match cursor {
            None => After {
                last_activity_at: i64::from(u32::MAX) * 1_000_000,
                id: "",
            },
            Some(cursor) => cursor
                .split_once(',')
                .and_then(|(at, id)| {
                    ConversationId::parse(id)?;
                    let last_activity_at = at.parse().ok().filter(|at| *at >= 0)?;
                    Some(After {
                        last_activity_at,
                        id,
                    })
                })
                .ok_or_else(bad_cursor)?,
        };
        let workspace = key.workspace_id;
        let (found, end): (Vec<ConversationRecord>, Option<ActivityRow>) = match &needle {
            None => {
                let mut batch = vec![conversations::list(workspace, &filter, &after, limit + 1)];
                if !filter.is_empty() {
                    batch.push(conversations::scan_end(workspace, &after));
                }
                let mut rows = self.read(key, batch).await?;
                (next(&mut rows).records()?, next(&mut rows).first()?)
            }
            Some(needle) => {
                let searched = conversations::search(workspace, &filter, needle, &after, limit + 1);
                searched_page(next(&mut self.read(key, vec![searched]).await?))?
            }
        };
        let now = self.now();
        Ok(Page::of(found, limit, |record| {
            format!("{},{}", record.last_activity_at.ms(), record.id)
        })
        .or_scan_end(end.map(|row| format!("{},{}", row.last_activity_at, row.id)))
        .map(|record| view::Conversation::of(record, now)))
    }

    /// A numbered page of the conversations on channels of one type, newest activity first.
    /// Pages start at 1.
    pub async fn count_conversations(
        &self,
        key: &Key,
        kind: ChannelKind,
        filter: &ConversationFilter,
        page: i64,
        limit: i64,
    ) -> Result<Counted<view::Conversation>, Error> {
        let own = key.id.to_string();
        let needle = filter.needle(key);
        let statements = conversations::counted(
            key.workspace_id,
            kind,
            &filter.of_rows(&own),
            needle.as_ref(),
            (page - 1).saturating_mul(limit).min(MOST_COUNTED),
            limit,
        );
        let now = self.now();
        for rows in self.read(key, statements).await? {
            if !rows.0.is_empty() {
                let counted: Counted<ConversationRecord> = Counted::read(rows)?;
                let shown = counted.items.into_iter();
                return Ok(Counted {
                    items: shown
                        .map(|record| view::Conversation::of(record, now))
                        .collect(),
                    total: counted.total,
                });
            }
        }
        Err(Error::Internal)
    }

    /// A conversation on a channel of one type, with its newest messages.
    pub async fn conversation_of_kind(
        &self,
        key: &Key,
        kind: ChannelKind,
        id: ConversationId,
        most: i64,
    ) -> Result<(view::Conversation, Vec<MessageRecord>), Error> {
        let workspace = key.workspace_id;
        let batch = vec![
            conversations::get(workspace, id),
            messages::list_conversation(
                workspace,
                id,
                &messages::Filter::default(),
                i64::from(u32::MAX) * 1_000_000,
                most,
            ),
        ];
        let mut rows = self.read(key, batch).await?;
        let conversation = self.show_conversation(next(&mut rows))?;
        if conversation.channel_type != kind {
            return Err(Error::not_found("conversation"));
        }
        Ok((conversation, next(&mut rows).records()?))
    }

    pub async fn conversation(
        &self,
        key: &Key,
        id: ConversationId,
    ) -> Result<view::Conversation, Error> {
        let statement = conversations::get(key.workspace_id, id);
        let mut rows = self.read(key, vec![statement]).await?;
        self.show_conversation(next(&mut rows))
    }

    pub async fn patch_conversation(
        &self,
        key: &Key,
        id: ConversationId,
        patch: &ConversationPatch,
    ) -> Result<view::Conversation, Error> {
        let change = Change {
            status: patch.status,
            mode: patch.mode,
            assignee: patch.assignee.as_ref().map(Option::as_deref),
        };
        let statement = conversations::update(key.workspace_id, id, &change);
        self.change_conversation(key, id, statement).await
    }

    pub async fn mark_conversation_read(
        &self,
        key: &Key,
        id: ConversationId,
    ) -> Result<view::Conversation, Error> {
        let statement = conversations::mark_read(key.workspace_id, id);
        self.change_conversation(key, id, statement).await
    }

    /// Changes a conversation and, where it really changed, tells subscribers.
    async fn change_conversation(
        &self,
        key: &Key,
        id: ConversationId,
        change: Statement,
    ) -> Result<view::Conversation, Error> {
        let now = self.now();
        let event: EventId = self.fresh(now);
        let workspace = key.workspace_id;
        let [told, fan_out] = events::conversation_updated(workspace, id, event, now);
        let batch = vec![change, told, fan_out, conversations::get(workspace, id)];
        let rows = self.batch(batch).await?;
        let mut rows = rows.into_iter().skip(2);
        let told = rows.next().unwrap_or_default().read()?;
        let conversation = self.show_conversation(rows.next().unwrap_or_default())?;
        self.push_deliveries(told).await;
        Ok(conversation)
    }

    fn show_conversation(&self, rows: Rows) -> Result<view::Conversation, Error> {
        let record = rows
            .records::<ConversationRecord>()?
            .into_iter()
            .next()
            .ok_or(Error::not_found("conversation"))?;
        Ok(view::Conversation::of(record, self.now()))
    }

    /// A page of messages, newest first. Cursors read `seq,<number>` of one
    /// conversation, else they are a message's id.
    pub async fn list_messages(
        &self,
        key: &Key,
        filter: &MessageFilter,
        cursor: Option<&str>,
        limit: i64,
    ) -> Result<Page<view::Message>, Error> {
        if let Some(conversation) = filter.conversation_id {
            return self
                .list_conversation_messages(key, conversation, filter, cursor, limit)
                .await;
        }
        let before = cursor.unwrap_or("g");
        if cursor.is_some_and(|cursor| MessageId::parse(cursor).is_none()) {
            return Err(bad_cursor());
        }
        let workspace = key.workspace_id;
        let filter = messages_filter(filter);
        let mut batch = vec![messages::list(workspace, &filter, before, limit + 1)];
        if !filter.is_empty() {
            batch.push(messages::scan_end(workspace, &filter, before));
        }
        let mut rows = self.read(key, batch).await?;
        let found: Vec<MessageRecord> = next(&mut rows).records()?;
        let end: Option<IdRow> = next(&mut rows).first()?;
        Ok(Page::of(found, limit, |record| record.id.to_string())
            .or_scan_end(end.map(|row| row.id))
            .map(view::Message::from))
    }

    /// The same of one conversation, which must be the workspace's own.
    async fn list_conversation_messages(
        &self,
        key: &Key,
        id: ConversationId,
        filter: &MessageFilter,
        cursor: Option<&str>,
        limit: i64,
    ) -> Result<Page<view::Message>, Error> {
        let before: i64 = match cursor {
            None => i64::from(u32::MAX) * 1_000_000,
            Some(cursor) => cursor
                .strip_prefix("seq,")
                .and_then(|seq| seq.parse().ok())
                .filter(|seq| *seq > 0)
                .ok_or_else(bad_cursor)?,
        };
        let workspace = key.workspace_id;
        let filter = messages_filter(filter);
        let mut batch = vec![
            conversations::get(workspace, id),
            messages::list_conversation(workspace, id, &filter, before, limit + 1),
        ];
        if !filter.is_empty() {
            batch.push(messages::conversation_scan_end(workspace, id, before));
        }
        let mut rows = self.read(key, batch).await?;
        if next(&mut rows).0.is_empty() {
            return Err(Error::not_found("conversation"));
        }
        let found: Vec<MessageRecord> = next(&mut rows).records()?;
        let end: Option<SeqRow> = next(&mut rows).first()?;
        Ok(
            Page::of(found, limit, |record| format!("seq,{}", record.seq))
                .or_scan_end(end.map(|row| format!("seq,{}", row.seq)))
                .map(view::Message::from),
        )
    }

    /// One message with the calls made to send it.
    pub async fn message(&self, key: &Key, id: MessageId) -> Result<view::Message, Error> {
        let workspace = key.workspace_id;
        let batch = vec![
            messages::get(workspace, id),
            messages::attempts(workspace, id),
        ];
        let mut rows = self.read(key, batch).await?;
        let record = next(&mut rows)
            .records::<MessageRecord>()?
            .into_iter()
            .next()
            .ok_or(Error::not_found("message"))?;
        let attempts: Vec<AttemptRecord> = next(&mut rows).read()?;
        let next_attempt_at = record.next_attempt_at();
        let mut message = view::Message::from(record);
        message.next_attempt_at = next_attempt_at;
        message.attempts = Some(attempts.into_iter().map(Attempt::from).collect());
        Ok(message)
    }
}

fn messages_filter(filter: &MessageFilter) -> messages::Filter {
    messages::Filter {
        status: filter.status,
        channel_id: filter.channel_id,
        since: filter.since,
    }
}

pub(super) fn bad_cursor() -> Error {
    Error::invalid("/cursor", "is not a cursor of this list")
}
