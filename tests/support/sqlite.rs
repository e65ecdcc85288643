//! The database port on SQLite, with the real migrations and D1's limits.

use patchbay::store::{Database, DatabaseError, Rows, Statement, Value};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, StatementStatus, params_from_iter};
use serde_json::{Map, Value as Json};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What goes wrong with the next batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is done.
    Before,
    /// All is committed, and the answer is lost.
    After,
}

pub struct Sqlite {
    connection: RefCell<Connection>,
    pub round_trips: Cell<u32>,
    pub faults: RefCell<Vec<Fault>>,
    /// Runs every batch twice, as a retry after a lost answer would.
    pub runs_twice: Cell<bool>,
    /// Lets others run before every batch, as a database over the network does.
    pub yields: Cell<bool>,
    /// Bytes of the longest text bound so far.
    pub longest_parameter: Cell<usize>,
    /// Steps of SQLite's machine so far: what statements have read and written, and more.
    pub steps: Cell<i64>,
    /// How SQLite means to run each statement it was given, by its SQL.
    pub plans: RefCell<BTreeMap<String, Vec<String>>>,
    /// The SQL of those that SQLite compiles anew each time they are run.
    pub recompiled: RefCell<BTreeSet<String>>,
}

/// The migrations, in their order.
fn migrations() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    let read = files.iter().map(std::fs::read_to_string);
    read.map(|text| text.expect("a migration")).collect()
}

impl Sqlite {
    pub fn new() -> Self {
        let connection = Connection::open_in_memory().expect("a database");
        for migration in migrations() {
            connection.execute_batch(&migration).expect("a migration");
        }
        connection
            .pragma_update(None, "foreign_keys", true)
            .expect("foreign keys");
        for (limit, most) in [
            (Limit::SQLITE_LIMIT_FUNCTION_ARG, 32),
            (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 100),
            (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 5),
            (Limit::SQLITE_LIMIT_LENGTH, 2_000_000),
            (Limit::SQLITE_LIMIT_SQL_LENGTH, 100_000),
            (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
            (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50),
        ] {
            connection.set_limit(limit, most).expect("a limit");
        }
        Self {
            connection: RefCell::new(connection),
            round_trips: Cell::new(0),
            faults: RefCell::default(),
            runs_twice: Cell::new(false),
            steps: Cell::new(0),
            plans: RefCell::default(),
            recompiled: RefCell::default(),
            yields: Cell::new(false),
            longest_parameter: Cell::new(0),
        }
    }

    /// Runs SQL of a test's own and gives back its rows.
    pub fn query(&self, sql: &str) -> Vec<Json> {
        run(
            &self.connection.borrow(),
            &Statement::new(sql.to_owned(), vec![]),
            &self.steps,
        )
        .expect("a query")
        .0
    }

    /// The single number that a query gives.
    pub fn count(&self, sql: &str) -> i64 {
        let rows = self.query(sql);
        let row = rows.first().and_then(Json::as_object).expect("a row");
        row.values()
            .next()
            .and_then(Json::as_i64)
            .expect("a number")
    }

    /// The tables, by name, without those that an index of words keeps for itself.
    pub fn tables(&self) -> Vec<String> {
        self.query("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'contact_search!_%' ESCAPE '!' ORDER BY name")
            .iter()
            .filter_map(|row| Some(row["name"].as_str()?.to_owned()))
            .collect()
    }

    /// Every row of every table, as text.
    pub fn dump(&self) -> String {
        let mut dump = String::new();
        for table in self.tables() {
            for row in self.query(&format!("SELECT * FROM {table}")) {
                dump.push_str(&format!("{table} {row}\n"));
            }
        }
        dump
    }

    fn keep_plan(&self, connection: &Connection, sql: &str) {
        let mut plans = self.plans.borrow_mut();
        if plans.contains_key(sql) {
            return;
        }
        let mut explain = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .expect("a statement");
        // As a runtime does that keeps a statement for the next time.
        explain.clear_bindings();
        let steps = explain
            .raw_query()
            .mapped(|row| row.get::<_, String>("detail"))
            .collect::<Result<_, _>>()
            .expect("a plan");
        if explain.get_status(StatementStatus::RePrepare) > 0 {
            self.recompiled.borrow_mut().insert(sql.to_owned());
        }
        plans.insert(sql.to_owned(), steps);
    }

    fn transact(&self, statements: &[Statement]) -> Result<Vec<Rows>, DatabaseError> {
        let mut connection = self.connection.borrow_mut();
        for statement in statements {
            self.keep_plan(&connection, &statement.sql);
        }
        let transaction = connection
            .transaction()
            .map_err(|e| DatabaseError::new(&e))?;
        let rows = statements
            .iter()
            .map(|statement| run(&transaction, statement, &self.steps))
            .collect::<Result<Vec<_>, _>>()?;
        transaction.commit().map_err(|e| DatabaseError::new(&e))?;
        Ok(rows)
    }
}

impl Database for Sqlite {
    async fn batch(&self, statements: &[Statement]) -> Result<Vec<Rows>, DatabaseError> {
        self.round_trips.set(self.round_trips.get() + 1);
        if self.yields.get() {
            tokio::task::yield_now().await;
        }
        for value in statements.iter().flat_map(|statement| &statement.values) {
            if let Value::Text(text) = value {
                self.longest_parameter
                    .set(self.longest_parameter.get().max(text.len()));
            }
        }
        let fault = self.faults.borrow_mut().pop();
        if fault == Some(Fault::Before) {
            return Err(DatabaseError(
                "D1_ERROR: Network connection lost.".to_owned(),
            ));
        }
        if self.runs_twice.get() {
            self.transact(statements)?;
        }
        let rows = self.transact(statements)?;
        if fault == Some(Fault::After) {
            return Err(DatabaseError(
                "D1_ERROR: Network connection lost.".to_owned(),
            ));
        }
        Ok(rows)
    }
}

/// Runs one statement. Integers are bound as doubles, as D1 binds them.
fn run(
    connection: &Connection,
    statement: &Statement,
    steps: &Cell<i64>,
) -> Result<Rows, DatabaseError> {
    let describe = |error: rusqlite::Error| DatabaseError(format!("{error}: {}", statement.sql));
    let mut prepared = connection
        .prepare_cached(&statement.sql)
        .map_err(describe)?;
    let values = statement.values.iter().map(|value| match value {
        Value::Null => rusqlite::types::Value::Null,
        Value::Integer(number) => rusqlite::types::Value::Real(*number as f64),
        Value::Text(text) => rusqlite::types::Value::Text(text.clone()),
    });
    let names: Vec<String> = prepared.column_names().map(str::to_owned).collect();
    let mut rows = prepared.query(params_from_iter(values)).map_err(describe)?;
    let mut read = Vec::new();
    while let Some(row) = rows.next().map_err(describe)? {
        let mut object = Map::new();
        for (at, name) in names.iter().enumerate() {
            let value = match row.get_ref(at).map_err(describe)? {
                ValueRef::Null => Json::Null,
                ValueRef::Integer(number) => Json::from(number),
                ValueRef::Real(number) if number.fract() == 0.0 => Json::from(number as i64),
                ValueRef::Real(number) => Json::from(number),
                ValueRef::Text(text) => Json::from(String::from_utf8_lossy(text).into_owned()),
                ValueRef::Blob(_) => Json::Null,
            };
            object.insert(name.clone(), value);
        }
        read.push(Json::Object(object));
    }
    drop(rows);
    let taken = prepared.reset_status(StatementStatus::VmStep);
    steps.set(steps.get() + i64::from(taken));
    Ok(Rows(read))
}
