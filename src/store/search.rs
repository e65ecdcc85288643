//! The index that nominates contacts for a search: of names and addresses, every three and every
//! five characters, and the first one and two of each word. What is nominated is held against
//! the contact's own row by `Needle::is_found`.

use super::{Statement, values};
use crate::model::id::{ContactId, WorkspaceId};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// Characters of a gram; a shorter search is for the start of a word.
const GRAM: usize = 3;
/// Characters of a long gram, which few have: where many contacts are alike, a search that is as
/// long is for these.
pub(super) const LONG_GRAM: usize = 5;
/// Most grams of a search that are looked up; the rest is left to the condition.
const MOST_TERMS: usize = 24;
/// Letters of a token: 50 bits, five a letter.
const TOKEN_LETTERS: u32 = 10;
/// Bytes of a token and the space after it.
pub(super) const LONGEST_TOKEN: usize = 11;
const BASE32: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

/// A text as it is searched: one case, single spaces. Case goes by the character (up, then
/// down), so that no letter depends on its neighbours, as the Greek sigma does.
#[must_use]
pub fn fold(text: &str) -> String {
    let words: Vec<String> = text
        .split_whitespace()
        .map(|word| {
            let upper = word.chars().flat_map(char::to_uppercase);
            upper.flat_map(char::to_lowercase).collect()
        })
        .collect();
    words.join(" ")
}

/// An address without the sign it may start with: `+5511…`, and Telegram's `-100…`.
fn unsigned(value: &str) -> &str {
    value.trim_start_matches(['+', '-'])
}

/// The token of a gram in a workspace: FNV-1a, mixed. No secret; it keeps the workspaces'
/// rows apart, and a collision costs one nomination in vain.
fn token(workspace: WorkspaceId, gram: &str) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in workspace.to_string().bytes().chain(gram.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^= hash >> 31;
    (0..TOKEN_LETTERS)
        .filter_map(|at| BASE32.get((hash >> (5 * at) & 31) as usize))
        .map(|letter| char::from(*letter))
        .collect()
}

/// Every so many characters of a text.
fn windows(text: &str, gram: usize) -> impl Iterator<Item = String> {
    let characters: Vec<char> = text.chars().collect();
    let count = (characters.len() + 1).saturating_sub(gram);
    (0..count).map(move |at| characters.iter().skip(at).take(gram).collect())
}

/// The first one and two characters of each word, marked as such.
fn starts(text: &str) -> impl Iterator<Item = String> {
    text.split_whitespace().flat_map(|word| {
        (1..GRAM).map(move |length| {
            let start: String = word.chars().take(length).collect();
            format!("^{start}")
        })
    })
}

fn tokens<'a>(workspace: WorkspaceId, texts: impl Iterator<Item = &'a str>) -> String {
    let mut tokens = BTreeSet::new();
    for text in texts {
        tokens.extend(
            windows(text, GRAM)
                .chain(windows(text, LONG_GRAM))
                .chain(starts(text))
                .map(|gram| token(workspace, &gram)),
        );
    }
    tokens.into_iter().collect::<Vec<_>>().join(" ")
}

/// The token that every row of a workspace has.
fn of_workspace(workspace: WorkspaceId) -> String {
    token(workspace, "")
}

/// A row of the index to be: what somebody is called and known as, told together.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// The row's id, from what it says: it is written once. As text, for it has 62 bits.
    pub id: String,
    pub grams: String,
}

impl Line {
    /// The line of a name and identities (`[kind, value]` each), of which there may be
    /// none.
    #[must_use]
    pub fn of<'a>(
        workspace: WorkspaceId,
        name: Option<&str>,
        identities: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        // Its lines are not those of before there were long grams.
        let mut digest = Sha256::new_with_prefix(format!("{workspace}{LONG_GRAM}"));
        let mut known_as = vec![];
        for (kind, value) in identities {
            digest.update(format!("{}:{kind}{}:{value}", kind.len(), value.len()));
            known_as.push(fold(value));
        }
        let name = name.map(fold);
        if let Some(name) = &name {
            digest.update(format!("={name}"));
        }
        let digest = digest.finalize();
        let id = digest
            .iter()
            .take(8)
            .fold(0_u64, |id, byte| (id << 8) | u64::from(*byte));
        let bare = known_as.iter().map(|value| unsigned(value));
        let texts = bare
            .chain(known_as.iter().map(String::as_str))
            .chain(name.as_deref());
        Self {
            id: (id >> 2).to_string(),
            grams: format!("{} {}", of_workspace(workspace), tokens(workspace, texts)),
        }
    }
}

/// `INSERT` of a line bound as `?1` (id) and `?2` (grams) for the contact that `contact`
/// gives in the query `source`; nothing where it is there.
pub(super) fn insert(contact: &str, source: &str) -> String {
    insert_as("?1", "?2", contact, source)
}

/// The same of a line whose id and grams are expressions.
pub(super) fn insert_as(id: &str, grams: &str, contact: &str, source: &str) -> String {
    format!(
        "INSERT INTO contact_search (rowid, grams, contact_id)
         SELECT CAST({id} AS INTEGER), {grams} || ' c' || replace({contact}, '-', ''), {contact} {source}
           AND NOT EXISTS (SELECT 1 FROM contact_search s WHERE s.rowid = CAST({id} AS INTEGER))"
    )
}

/// Makes a contact found by what a line says, if the contact is there. For whoever writes
/// contacts or identities: in the same batch, after them.
pub fn found_by(workspace: WorkspaceId, contact: ContactId, line: &Line) -> Statement {
    Statement::new(
        insert(
            "p.id",
            "FROM contact p WHERE p.workspace_id = +?3 AND p.id = +?4",
        ),
        values![line.id.as_str(), line.grams.as_str(), workspace, contact],
    )
}

/// Takes a contact whose row is gone out of the index: of what it was called, nothing is
/// left.
pub fn forget(workspace: WorkspaceId, contact: ContactId) -> Statement {
    let token = contact.to_string().replace('-', "");
    Statement::new(
        "DELETE FROM contact_search WHERE rowid IN (
           SELECT rowid FROM contact_search WHERE contact_search MATCH ?1)
         AND NOT EXISTS (SELECT 1 FROM contact WHERE workspace_id = +?2 AND id = +?3)",
        values![
            format!("{} AND \"c{token}\"", all(workspace)),
            workspace,
            contact
        ],
    )
}

/// Contacts that are not in the index yet, or not by long grams, as `ContactRecord` with
/// `workspace_id`.
pub fn unindexed(limit: i64) -> Statement {
    Statement::new(
        "SELECT page.workspace_id, r.record FROM (
           SELECT workspace_id, id FROM contact WHERE grams IS NULL LIMIT +?1
         ) page CROSS JOIN contact_record r ON r.workspace_id = page.workspace_id AND r.id = page.id",
        values![limit],
    )
}

/// The same of these contacts of a workspace.
pub fn unindexed_of(workspace: WorkspaceId, contacts: &[ContactId]) -> Statement {
    Statement::new(
        "SELECT p.workspace_id, r.record FROM json_each(?2) n
         CROSS JOIN contact p ON p.workspace_id = +?1 AND p.id = n.value AND p.grams IS NULL
         CROSS JOIN contact_record r ON r.workspace_id = p.workspace_id AND r.id = p.id",
        values![workspace, serde_json::json!(contacts)],
    )
}

/// Notes that a contact is indexed, and its name as it is searched, if that is still the same.
pub fn note_indexed(workspace: WorkspaceId, contact: ContactId, name: Option<&str>) -> Statement {
    Statement::new(
        format!(
            "UPDATE contact SET folded = ?4, grams = {LONG_GRAM}
             WHERE workspace_id = +?1 AND id = +?2 AND grams IS NULL AND name IS +?3"
        ),
        values![workspace, contact, name, fold(name.unwrap_or(""))],
    )
}

/// Some rows of a deleted workspace.
pub fn purge(workspace: WorkspaceId, limit: i64) -> Statement {
    Statement::new(
        "DELETE FROM contact_search WHERE rowid IN (
           SELECT rowid FROM contact_search WHERE contact_search MATCH ?1 LIMIT +?2)",
        values![all(workspace), limit],
    )
}

/// The index's query for every row of a workspace.
pub(super) fn all(workspace: WorkspaceId) -> String {
    format!("\"{}\"", of_workspace(workspace))
}

/// What is searched for, in the forms it is looked up and compared in.
#[derive(Clone, Debug)]
pub struct Needle {
    /// In the index's own language, as JSON: by long grams, and without, which finds also what is
    /// in the index from before there were any.
    terms: String,
    /// As it stands in a name or an address, or at the start of a word: after a space.
    text: String,
    /// The same as digits, where it may be a phone number.
    digits: Option<String>,
}

impl Needle {
    /// Whether the contact `of` is what is searched for, bound from `?7` on.
    pub(super) fn is_found(of: &str) -> String {
        format!(
            "(instr(' ' || COALESCE({of}.folded, lower({of}.name), ''), ?8) > 0
              OR EXISTS (SELECT 1 FROM identity i WHERE i.workspace_id = {of}.workspace_id AND i.contact_id = {of}.id
                AND (instr(' ' || lower(i.value), ?8) > 0 OR instr(' ' || ltrim(i.value, '+-'), ?9) > 0)))"
        )
    }

    /// Reads what a client searches for; `None` where it is blank, which finds all.
    #[must_use]
    pub fn of(workspace: WorkspaceId, search: &str) -> Option<Self> {
        let folded = fold(search);
        if folded.is_empty() {
            return None;
        }
        let is_phone = folded
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b" ()-.+".contains(&byte));
        let digits: String = folded.chars().filter(char::is_ascii_digit).collect();
        let digits = (is_phone && !digits.is_empty()).then_some(digits);
        let also = digits.as_ref().filter(|digits| **digits != folded);
        let terms = [LONG_GRAM, GRAM].map(|longest| {
            let terms = all_grams(workspace, &folded, longest);
            match also {
                Some(digits) => format!("({terms}) OR ({})", all_grams(workspace, digits, longest)),
                None => terms,
            }
        });
        let needle = |text: String| match text.chars().count() {
            length if length < GRAM => format!(" {text}"),
            _ => text,
        };
        Some(Self {
            terms: super::text(&terms),
            text: needle(folded),
            digits: digits.map(needle),
        })
    }

    /// The values of `?7` to `?9`.
    pub(super) fn values(&self) -> Vec<super::Value> {
        values![
            self.terms.as_str(),
            self.text.as_str(),
            self.digits.as_deref().unwrap_or(&self.text),
        ]
    }
}

/// Common tables of a statement: `hits`, the rows that nominate contacts for the terms bound as
/// `?7` in the workspace `?1`, at most `most` and one, and `size`, whether that is a crowd. The
/// index is asked once for all that a statement does with them.
pub(super) fn hits(most: i64) -> String {
    format!(
        "hits AS MATERIALIZED (
           SELECT rowid AS row FROM contact_search WHERE contact_search MATCH (
             ?7 ->> EXISTS (SELECT 1 FROM contact INDEXED BY contact_unindexed
               WHERE workspace_id = +?1 AND id > '' AND grams IS NULL))
           LIMIT {most} + 1),
         size AS MATERIALIZED (SELECT COUNT(*) > {most} AS is_crowd FROM hits)"
    )
}

/// The `LIMIT` of a query that is to be run only where the hits are a crowd; else not a row is
/// read. (A condition would be asked of row after row.)
pub(super) fn if_crowd(limit: &str) -> String {
    format!("LIMIT (SELECT is_crowd FROM size) * {limit}")
}

/// The contacts that hits nominate, each once; none where they are a crowd.
pub(super) const NOMINEES: &str =
    "SELECT DISTINCT s.contact_id FROM (SELECT row FROM hits WHERE NOT (SELECT is_crowd FROM size)) y
     CROSS JOIN contact_search s ON s.rowid = y.row";

/// The index's query for rows that have all grams of a text, the longest of which have so many
/// characters.
fn all_grams(workspace: WorkspaceId, text: &str, longest: usize) -> String {
    let length = text.chars().count();
    // Put in one by one: to collect them would compile a sort.
    let mut grams: BTreeSet<String> = BTreeSet::new();
    if length < GRAM {
        grams.insert(format!("^{text}"));
    } else {
        let gram = if length < longest { GRAM } else { longest };
        grams.extend(windows(text, gram).take(MOST_TERMS));
    }
    let terms: Vec<String> = grams
        .iter()
        .map(|gram| format!("\"{}\"", token(workspace, gram)))
        .collect();
    terms.join(" AND ")
}
