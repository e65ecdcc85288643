//! Conversations, as read and changed by clients.

use super::search::{self, Needle};
use super::{SCAN, Statement, Value, values};
use crate::model::channel::ChannelKind;
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
    let is_wanted = is_wanted("page");
    Statement::new(
        format!(
            "SELECT r.record FROM (
               SELECT workspace_id, id, channel_id, contact_id, status, mode, assignee, last_activity_at
               FROM conversation
               WHERE workspace_id = +?1 AND (last_activity_at, id) < (?2, ?3)
               ORDER BY last_activity_at DESC, id DESC LIMIT {SCAN}
             ) page
             CROSS JOIN conversation_record r ON r.workspace_id = page.workspace_id AND r.id = page.id
             WHERE {is_wanted}
             ORDER BY page.last_activity_at DESC, page.id DESC LIMIT +?12"
        ),
        bound(workspace, after, filter, None, values![limit]),
    )
}

/// The same of contacts that are searched for: of those that up to `SCAN` rows nominate, and,
/// where more do, among the next `SCAN` conversations. Columns `last_activity_at`, `id` and
/// `record`; without a record, and last, the last conversation that was looked at, if there are as
/// many.
pub fn search(
    workspace: WorkspaceId,
    filter: &Filter<'_>,
    needle: &Needle,
    after: &After<'_>,
    limit: i64,
) -> Statement {
    let (hits, nominees) = (search::hits(SCAN), search::NOMINEES);
    let (scan, end) = (search::if_crowd(&SCAN.to_string()), search::if_crowd("1"));
    let is_found = Needle::is_found("p");
    let [is_wanted, is_met] = ["c", "l"].map(is_wanted);
    let next = "workspace_id = +?1 AND (last_activity_at, id) < (?2, ?3) ORDER BY last_activity_at DESC, id DESC";
    Statement::new(
        format!(
            "WITH {hits}
             SELECT page.last_activity_at AS last_activity_at, page.id AS id, r.record AS record, 0 AS is_end FROM (
               SELECT c.workspace_id, c.id AS id, c.last_activity_at AS last_activity_at FROM ({nominees}) n
               CROSS JOIN contact p ON p.workspace_id = +?1 AND p.id = n.contact_id
               CROSS JOIN conversation c INDEXED BY conversation_contact
                 ON c.workspace_id = p.workspace_id AND c.contact_id = p.id
               WHERE (c.last_activity_at, c.id) < (?2, ?3) AND {is_wanted} AND {is_found}
               UNION ALL
               SELECT l.workspace_id, l.id AS id, l.last_activity_at AS last_activity_at FROM (
                 SELECT workspace_id, id, channel_id, contact_id, status, mode, assignee, last_activity_at
                 FROM conversation WHERE {next} {scan}) l
               CROSS JOIN contact p ON p.workspace_id = l.workspace_id AND p.id = l.contact_id
               WHERE {is_met} AND {is_found}
               ORDER BY last_activity_at DESC, id DESC LIMIT +?12
             ) page
             CROSS JOIN conversation_record r ON r.workspace_id = page.workspace_id AND r.id = page.id
             UNION ALL
             SELECT last_activity_at, id, NULL AS record, 1 AS is_end FROM (
               SELECT last_activity_at, id FROM conversation WHERE {next} {end} OFFSET {SCAN} - 1)
             ORDER BY is_end, last_activity_at DESC, id DESC"
        ),
        bound(workspace, after, filter, Some(needle), values![limit]),
    )
}

/// What `Filter` asks of the conversation `of`.
fn is_wanted(of: &str) -> String {
    format!(
        "(?4 IS NULL OR {of}.status = +?4) AND (?5 IS NULL OR {of}.mode = +?5)
         AND (?6 IS NULL OR {of}.channel_id = +?6) AND (?10 = 0 OR {of}.assignee IS +?11)"
    )
}

/// The values of `?1` to `?11`, and those after them.
fn bound(
    workspace: WorkspaceId,
    after: &After<'_>,
    filter: &Filter<'_>,
    needle: Option<&Needle>,
    rest: Vec<Value>,
) -> Vec<Value> {
    let mut values = values![
        workspace,
        after.last_activity_at,
        after.id,
        filter.status.map(ConversationStatus::name),
        filter.mode.map(Mode::name),
        filter.channel_id,
    ];
    values.extend(needle.map_or_else(|| vec![Value::Null; 3], Needle::values));
    values.extend(values![
        filter.assignee.is_some(),
        filter.assignee.flatten()
    ]);
    values.extend(rest);
    values
}

/// The last row that a filtered page looks at, if there are as many.
pub fn scan_end(workspace: WorkspaceId, after: &After<'_>) -> Statement {
    Statement::new(
        format!(
            "SELECT last_activity_at, id FROM conversation
             WHERE workspace_id = +?1 AND (last_activity_at, id) < (?2, ?3)
             ORDER BY last_activity_at DESC, id DESC LIMIT 1 OFFSET {SCAN} - 1"
        ),
        values![workspace, after.last_activity_at, after.id],
    )
}

/// Totals are exact to here, and no page lies beyond.
pub const MOST_COUNTED: i64 = 10_000;
/// The most conversations looked at where so many cannot be gathered.
const MOST_SCANNED: i64 = 50_000;

/// The conversations of the channels of one type, newest activity first, as one row
/// `{total, page}`: the page's records as a JSON array. Exactly one of the statements
/// gives a row.
///
/// - What a search nominates with up to `MOST_COUNTED` rows is gathered.
/// - Without a search, the channels' conversations are gathered if they are as few.
/// - Else the most recent `MOST_SCANNED` of the workspace are looked through, until
///   `MOST_COUNTED` of them are found.
pub fn counted(
    workspace: WorkspaceId,
    kind: ChannelKind,
    filter: &Filter<'_>,
    needle: Option<&Needle>,
    offset: i64,
    limit: i64,
) -> Vec<Statement> {
    let kind = kind.name();
    let is_wanted = is_wanted("l");
    let found = "SELECT l.workspace_id, l.id, l.last_activity_at";
    let of_kind = format!("CROSS JOIN channel h ON h.id = l.channel_id AND h.type = '{kind}'");
    let recent = |limit: &str| {
        format!(
            "(SELECT workspace_id, id, channel_id, contact_id, status, mode, assignee, last_activity_at
              FROM conversation WHERE workspace_id = +?1 AND last_activity_at < ?2
              ORDER BY last_activity_at DESC, id DESC {limit}) l {of_kind}"
        )
    };
    let most = MOST_COUNTED.to_string();
    // Common tables, what is found, and when.
    let ways = match needle {
        None => {
            // `id > ''` is all of them: it is what the index is ordered by.
            let gathered = format!(
                "(SELECT id FROM channel WHERE workspace_id = +?1 AND id > '' AND type = '{kind}' LIMIT 1000) sender
                 CROSS JOIN conversation l ON l.channel_id = sender.id"
            );
            let size = format!(
                "size AS MATERIALIZED (
                   SELECT EXISTS (SELECT 1 FROM {gathered} LIMIT 1 OFFSET {most}) AS is_crowd)"
            );
            let recent = recent(&format!("LIMIT {MOST_SCANNED}"));
            let if_crowd = search::if_crowd(&most);
            vec![
                (
                    size.clone(),
                    format!("{found} FROM {gathered} WHERE {is_wanted} LIMIT {most}"),
                    "NOT is_crowd",
                ),
                (
                    size,
                    format!("{found} FROM {recent} WHERE {is_wanted} {if_crowd}"),
                    "is_crowd",
                ),
            ]
        }
        Some(_) => {
            let nominees = search::NOMINEES;
            let recent = recent(&search::if_crowd(&MOST_SCANNED.to_string()));
            let is_found = Needle::is_found("p");
            let all = format!(
                "{found} FROM ({nominees}) n
                 CROSS JOIN contact p ON p.workspace_id = +?1 AND p.id = n.contact_id
                 CROSS JOIN conversation l INDEXED BY conversation_contact
                   ON l.workspace_id = p.workspace_id AND l.contact_id = p.id
                 {of_kind}
                 WHERE {is_wanted} AND {is_found}
                 UNION ALL
                 {found} FROM {recent}
                 CROSS JOIN contact p ON p.workspace_id = l.workspace_id AND p.id = l.contact_id
                 WHERE {is_wanted} AND {is_found}
                 LIMIT {most}"
            );
            vec![(search::hits(MOST_COUNTED), all, "true")]
        }
    };
    let after = After {
        last_activity_at: i64::from(u32::MAX) * 1_000_000,
        id: "",
    };
    ways.into_iter()
        .map(|(tables, found, guard)| {
            Statement::new(
                format!(
                    "WITH {tables}, found AS MATERIALIZED ({found})
                     SELECT (SELECT COUNT(*) FROM found) AS total, (
                       SELECT json_group_array(json(r.record) ORDER BY page.last_activity_at DESC, page.id DESC) FROM (
                         SELECT workspace_id, id, last_activity_at FROM found
                         ORDER BY last_activity_at DESC, id DESC LIMIT +?12 OFFSET +?13
                       ) page CROSS JOIN conversation_record r ON r.workspace_id = page.workspace_id AND r.id = page.id
                     ) AS page
                     FROM size WHERE {guard}"
                ),
                bound(workspace, &after, filter, needle, values![limit, offset]),
            )
        })
        .collect()
}

pub fn get(workspace: WorkspaceId, id: ConversationId) -> Statement {
    Statement::new(
        "SELECT record FROM conversation_record WHERE workspace_id = +?1 AND id = +?2",
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
         WHERE workspace_id = +?1 AND id = +?2
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
         WHERE workspace_id = +?1 AND id = +?2 AND unread_count <> 0
         RETURNING id",
        values![workspace, id],
    )
}
