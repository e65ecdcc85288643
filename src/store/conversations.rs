//! Conversations, as read and changed by clients.

use super::{SCAN, Statement, values};
use crate::model::conversation::{ConversationStatus, Mode};
use crate::model::id::{ChannelId, ConversationId, WorkspaceId};

pub struct Filter<'a> {
    pub status: Option<ConversationStatus>,
    pub mode: Option<Mode>,
    pub channel_id: Option<ChannelId>,
    /// `Some(None)`: nobody's.
    pub assignee: Option<Option<&'a str>>,
}

impl Filter<'_> {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.status.is_none()
            && self.mode.is_none()
            && self.channel_id.is_none()
            && self.assignee.is_none()
    }
}

/// Where a page starts: after the row with this activity and id.
pub struct After<'a> {
    pub last_activity_at: i64,
    pub id: &'a str,
}

/// A page of conversations, newest activity first, among the next `SCAN` rows.
pub fn list(
    workspace: WorkspaceId,
    filter: &Filter<'_>,
    after: &After<'_>,
    limit: i64,
) -> Statement {
    Statement::new(
        "SELECT r.record FROM (
           SELECT workspace_id, id, channel_id, status, mode, assignee, last_activity_at FROM conversation
           WHERE workspace_id = ?1 AND (last_activity_at, id) < (?2, ?3)
           ORDER BY last_activity_at DESC, id DESC LIMIT ?4
         ) page CROSS JOIN conversation_record r ON r.workspace_id = page.workspace_id AND r.id = page.id
         WHERE (?5 IS NULL OR page.status = ?5) AND (?6 IS NULL OR page.mode = ?6)
           AND (?7 IS NULL OR page.channel_id = ?7)
           AND (?8 = 0 OR page.assignee IS ?9)
         ORDER BY page.last_activity_at DESC, page.id DESC LIMIT ?10",
        values![
            workspace,
            after.last_activity_at,
            after.id,
            SCAN,
            filter.status.map(ConversationStatus::name),
            filter.mode.map(Mode::name),
            filter.channel_id,
            filter.assignee.is_some(),
            filter.assignee.flatten(),
            limit,
        ],
    )
}

/// The last row that a filtered page looks at, if there are as many.
pub fn scan_end(workspace: WorkspaceId, after: &After<'_>) -> Statement {
    Statement::new(
        "SELECT last_activity_at, id FROM conversation
         WHERE workspace_id = ?1 AND (last_activity_at, id) < (?2, ?3)
         ORDER BY last_activity_at DESC, id DESC LIMIT 1 OFFSET ?4",
        values![workspace, after.last_activity_at, after.id, SCAN - 1],
    )
}

pub fn get(workspace: WorkspaceId, id: ConversationId) -> Statement {
    Statement::new(
        "SELECT record FROM conversation_record WHERE workspace_id = ?1 AND id = ?2",
        values![workspace, id],
    )
}

/// What a change may set; `None` leaves it as it is.
pub struct Change<'a> {
    pub status: Option<ConversationStatus>,
    pub mode: Option<Mode>,
    /// `Some(None)` unassigns.
    pub assignee: Option<Option<&'a str>>,
}

/// Changes a conversation, writing only where something differs.
pub fn update(workspace: WorkspaceId, id: ConversationId, change: &Change<'_>) -> Statement {
    Statement::new(
        "UPDATE conversation SET
           status = COALESCE(?3, status), mode = COALESCE(?4, mode),
           assignee = CASE WHEN ?5 THEN ?6 ELSE assignee END
         WHERE workspace_id = ?1 AND id = ?2
           AND ((?3 IS NOT NULL AND status <> ?3) OR (?4 IS NOT NULL AND mode <> ?4)
             OR (?5 AND assignee IS NOT ?6))
         RETURNING id",
        values![
            workspace,
            id,
            change.status.map(ConversationStatus::name),
            change.mode.map(Mode::name),
            change.assignee.is_some(),
            change.assignee.flatten(),
        ],
    )
}

pub fn mark_read(workspace: WorkspaceId, id: ConversationId) -> Statement {
    Statement::new(
        "UPDATE conversation SET unread_count = 0
         WHERE workspace_id = ?1 AND id = ?2 AND unread_count <> 0
         RETURNING id",
        values![workspace, id],
    )
}
