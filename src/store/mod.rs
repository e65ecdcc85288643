//! SQL, and nothing but: one function per effect, each a value that runs on D1 in
//! the worker and on SQLite in tests. Any batch may run twice.

pub mod accept;
pub mod changes;
pub mod channels;
pub mod claim;
pub mod contacts;
pub mod conversations;
pub mod counters;
pub mod deliveries;
pub mod delivery_log;
pub mod echoes;
pub mod endpoints;
pub mod erasure;
pub mod events;
pub mod inbound;
pub mod keys;
pub mod media;
pub mod merges;
pub mod messages;
pub mod notices;
pub mod outbox;
pub mod schedule;
pub mod search;
pub mod sweep;
pub mod templates;
pub mod visitors;

use crate::model::json;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::fmt;

/// The newest migration this code needs.
pub const SCHEMA_VERSION: i64 = 20;

/// The most rows a filtered page looks at.
const SCAN: i64 = 2_000;

/// A bound parameter. Integers must stay within ±2^53: D1 counts in doubles.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    Null,
    Integer(i64),
    Text(String),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Integer(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Integer(i64::from(value))
    }
}

impl From<crate::model::time::Timestamp> for Value {
    fn from(value: crate::model::time::Timestamp) -> Self {
        Value::Integer(value.ms())
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Value::Text(value)
    }
}

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        Value::Text(value.to_string())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

macro_rules! id_values {
    ($($id:ident),+) => {$(
        impl From<crate::model::id::$id> for Value {
            fn from(value: crate::model::id::$id) -> Self {
                Value::Text(value.to_string())
            }
        }
    )+};
}
id_values!(
    WorkspaceId,
    KeyId,
    ChannelId,
    ContactId,
    ConversationId,
    MessageId,
    MediaId,
    EventId,
    EndpointId,
    TemplateId,
    VisitorId
);

/// One SQL statement with its parameters `?1`, `?2`, ….
///
/// A parameter that is compared, or a limit, is written `+?1`. SQLite's planner looks at the value
/// of a bare one, and compiles the statement anew whenever it is bound again.
#[derive(Clone, Debug)]
pub struct Statement {
    pub sql: Cow<'static, str>,
    pub values: Vec<Value>,
}

impl Statement {
    pub fn new(sql: impl Into<Cow<'static, str>>, values: Vec<Value>) -> Self {
        Self {
            sql: sql.into(),
            values,
        }
    }
}

/// The values of a statement, each converted.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::Value::from($value)),*] };
}
pub(crate) use values;

/// What is bound as one JSON text.
pub(crate) fn text(value: &(impl Serialize + ?Sized)) -> String {
    // Strings and numbers can always be written.
    serde_json::to_string(value).unwrap_or_default()
}

/// The rows one statement gave, each a JSON object of its columns.
#[derive(Clone, Debug, Default)]
pub struct Rows(pub Vec<serde_json::Value>);

impl Rows {
    /// Reads every row.
    pub fn read<T: DeserializeOwned>(self) -> Result<Vec<T>, DatabaseError> {
        self.0
            .into_iter()
            .map(|row| json::from_value(row).map_err(|error| DatabaseError::new(&error)))
            .collect()
    }

    /// Reads the first row, if there is one.
    pub fn first<T: DeserializeOwned>(self) -> Result<Option<T>, DatabaseError> {
        let row = self.0.into_iter().next();
        row.map(|row| json::from_value(row).map_err(|error| DatabaseError::new(&error)))
            .transpose()
    }

    /// Reads the column `record`, which holds a row of a view as JSON.
    pub fn records<T: DeserializeOwned>(self) -> Result<Vec<T>, DatabaseError> {
        #[derive(serde::Deserialize)]
        struct Row {
            record: String,
        }
        self.read::<Row>()?
            .iter()
            .map(|row| record(&row.record))
            .collect()
    }
}

/// Reads one record's JSON.
pub fn record<T: DeserializeOwned>(json: &str) -> Result<T, DatabaseError> {
    json::parse(json).map_err(|error| DatabaseError::new(&error))
}

/// The database did not do what was asked, or did not say. Whether a batch was
/// committed is then not known; running it again is safe.
#[derive(Clone, Debug)]
pub struct DatabaseError(pub String);

impl DatabaseError {
    pub fn new(source: &dyn fmt::Display) -> Self {
        Self(source.to_string().lines().next().unwrap_or("").to_owned())
    }

    /// Whether another try is refused as well: the statement is wrong, or the database full. All
    /// else, such as a lost connection, passes.
    /// <https://developers.cloudflare.com/d1/observability/debug-d1/#error-list>
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        let lasting = [
            "SQLITE_CONSTRAINT",
            "SQLITE_ERROR",
            "SQLITE_TOOBIG",
            "SQLITE_FULL",
            "SQLITE_MISMATCH",
            "D1_TYPE_ERROR",
            "maximum DB size",
        ];
        lasting.iter().any(|word| self.0.contains(word))
    }
}

/// Where statements run. A batch is one transaction.
#[expect(
    async_fn_in_trait,
    reason = "the runtime has one thread; futures need not be Send"
)]
pub trait Database {
    /// Runs all statements or none; one `Rows` for each.
    async fn batch(&self, statements: &[Statement]) -> Result<Vec<Rows>, DatabaseError>;

    /// Runs one statement.
    async fn rows(&self, statement: Statement) -> Result<Rows, DatabaseError> {
        let rows = self.batch(&[statement]).await?;
        Ok(rows.into_iter().next().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_tried_again_and_what_is_wrong_is_not() {
        for passes in [
            "D1_ERROR: Network connection lost.",
            "D1_ERROR: D1 DB reset because its code was updated.",
            "D1_ERROR: Internal error in D1 DB storage caused object to be reset.",
            "D1_ERROR: Internal error while starting up D1 DB storage caused object to be reset.",
            "D1_ERROR: NOSENTRY database is locked: SQLITE_BUSY",
        ] {
            assert!(!DatabaseError(passes.to_owned()).is_lasting(), "{passes}");
        }
        for lasts in [
            "D1_ERROR: UNIQUE constraint failed: t.a: SQLITE_CONSTRAINT",
            "D1_ERROR: no such table: t: SQLITE_ERROR",
            "D1_ERROR: string or blob too big: SQLITE_TOOBIG",
        ] {
            assert!(DatabaseError(lasts.to_owned()).is_lasting(), "{lasts}");
        }
    }
}
