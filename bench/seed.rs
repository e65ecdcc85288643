//! Fills a database with rows for `cargo xtask bench`, straight in its file while the Worker is down:
//! `seed FILE WORKSPACE CHANNEL FROM TO` makes the people number FROM to TO, each with a contact, an identity, a
//! line of the search index and a conversation, and as many messages in the conversation of the first.

use std::error::Error;

use patchbay::model::id::WorkspaceId;
use patchbay::store::search::{Line, fold};
use rusqlite::{Connection, Transaction, params};

/// Of these names everybody has one, so that a name is shared by a twentieth.
const NAMES: [&str; 20] = [
    "Ana", "Bruno", "Carla", "Diego", "Elena", "Fatima", "Gustavo", "Helena", "Igor", "Julia",
    "Karim", "Laura", "Miguel", "Nadia", "Omar", "Paula", "Quentin", "Rosa", "Samir", "Teresa",
];
/// Half a minute between two people.
const APART_MS: i64 = 30_000;
const FIRST_MS: i64 = 1_700_000_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, workspace, channel, from, to] = arguments.as_slice() else {
        return Err("seed FILE WORKSPACE CHANNEL FROM TO".into());
    };
    let mut database = Connection::open(file)?;
    // A database that is lost with the power is made again.
    database.pragma_update(None, "synchronous", "OFF")?;
    database.pragma_update(None, "cache_size", -200_000)?;
    let (from, to): (i64, i64) = (from.parse()?, to.parse()?);
    let mut start = from;
    while start < to {
        let end = to.min(start + 50_000);
        let transaction = database.transaction()?;
        for number in start..end {
            person(&transaction, workspace, channel, number)?;
        }
        messages(&transaction, workspace, channel, start, end)?;
        transaction.commit()?;
        start = end;
    }
    database.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(())
}

fn id(kind: u8, number: i64) -> String {
    format!("01800000-0000-7000-800{kind}-{number:012x}")
}

fn person(
    database: &Transaction<'_>,
    workspace: &str,
    channel: &str,
    number: i64,
) -> Result<(), Box<dyn Error>> {
    let owner: WorkspaceId = WorkspaceId::parse(workspace).ok_or("not a workspace's id")?;
    let index = usize::try_from(number)? % NAMES.len();
    let given = NAMES.get(index).unwrap_or(&"Ana");
    // Everybody's second name is their own.
    let name = format!("{given} Seed{number:07}");
    let address = format!("4488{number:08}");
    let line = Line::of(
        owner,
        Some(&name),
        [("whatsapp", address.as_str())].into_iter(),
    );
    let (contact, conversation) = (id(1, number), id(2, number));
    let at = FIRST_MS + number * APART_MS;
    database
        .prepare_cached(
            "INSERT INTO contact (workspace_id, id, name, folded, grams, created_at) VALUES (?1, ?2, ?3, ?4, 5, ?5)",
        )?
        .execute(params![workspace, contact, name, fold(&name), at])?;
    database
        .prepare_cached(
            "INSERT INTO identity (workspace_id, kind, value, contact_id) VALUES (?1, 'whatsapp', ?2, ?3)",
        )?
        .execute(params![workspace, address, contact])?;
    database
        .prepare_cached(
            "INSERT INTO contact_search (rowid, grams, contact_id)
             VALUES (CAST(?1 AS INTEGER), ?2 || ' c' || replace(?3, '-', ''), ?3)",
        )?
        .execute(params![line.id, line.grams, contact])?;
    database
        .prepare_cached(
            "INSERT INTO conversation (workspace_id, id, channel_id, contact_id, address, status, mode, unread_count,
               last_seq, last_activity_at, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, 'open', 'ai', 0, 0, ?6, ?6)",
        )?
        .execute(params![workspace, conversation, channel, contact, address, at])?;
    Ok(())
}

/// Received ones, all in the first person's conversation.
fn messages(
    database: &Transaction<'_>,
    workspace: &str,
    channel: &str,
    start: i64,
    end: i64,
) -> Result<(), Box<dyn Error>> {
    let conversation = id(2, 0);
    let mut insert = database.prepare_cached(
        "INSERT INTO message (workspace_id, id, conversation_id, channel_id, contact_id, direction, status, content,
           provider_message_id, seq, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, 'inbound', 'received', ?6, ?7, ?8, ?9)",
    )?;
    for number in start..end {
        let content = format!(r#"{{"type":"text","text":"Message number {number}"}}"#);
        insert.execute(params![
            workspace,
            id(3, number),
            conversation,
            channel,
            id(1, 0),
            content,
            format!("wamid.seed.{number}"),
            number + 1,
            FIRST_MS + number * APART_MS
        ])?;
    }
    database.execute(
        "UPDATE conversation SET last_seq = ?3, unread_count = ?3 WHERE workspace_id = ?1 AND id = ?2",
        params![workspace, conversation, end],
    )?;
    Ok(())
}
