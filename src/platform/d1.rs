//! Statements on D1: a batch is one round trip and one transaction.

use super::cost::Cost;
use super::log::reason;
use crate::model::json;
use crate::store::{Database, DatabaseError, Rows, Statement, Value};
use serde::Deserialize;
use std::rc::Rc;
use worker::Env;
use worker::js_sys::{Array, JSON, Promise, Reflect};
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::wasm_bindgen_futures::JsFuture;

// Declared here because `worker`'s own wrapper panics where D1 throws.
#[wasm_bindgen]
extern "C" {
    type Binding;
    type Prepared;

    #[wasm_bindgen(method, catch)]
    fn prepare(this: &Binding, sql: &str) -> Result<Prepared, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn batch(this: &Binding, statements: &Array) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, variadic)]
    fn bind(this: &Prepared, values: &Array) -> Result<Prepared, JsValue>;
}

/// The binding `DB` in one invocation.
pub struct D1 {
    binding: Binding,
    cost: Rc<Cost>,
}

impl D1 {
    /// Where the binding is missing, every batch fails.
    pub fn new(env: &Env, cost: Rc<Cost>) -> Self {
        let binding = Reflect::get(env, &"DB".into()).unwrap_or(JsValue::UNDEFINED);
        Self {
            binding: binding.unchecked_into(),
            cost,
        }
    }

    fn bound(&self, statement: &Statement) -> Result<Prepared, JsValue> {
        let prepared = self.binding.prepare(&statement.sql)?;
        if statement.values.is_empty() {
            return Ok(prepared);
        }
        prepared.bind(&statement.values.iter().map(to_js).collect())
    }

    /// Runs the statements and gives the results as JSON text.
    async fn run(&self, statements: &[Statement]) -> Result<String, JsValue> {
        let bound = Array::new();
        for statement in statements {
            bound.push(&self.bound(statement)?.into());
        }
        self.cost.d1_round_trip();
        let results = JsFuture::from(self.binding.batch(&bound)?).await?;
        JSON::stringify(&results).map(String::from)
    }
}

/// One statement's result. Text crosses from JavaScript once, and integers in it
/// stay exact.
/// <https://developers.cloudflare.com/d1/worker-api/return-object/#d1result>
#[derive(Deserialize)]
struct Outcome {
    #[serde(default)]
    results: Vec<serde_json::Value>,
    #[serde(default)]
    meta: Meta,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Meta {
    rows_read: u64,
    rows_written: u64,
}

impl Database for D1 {
    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DatabaseError> {
        if statements.is_empty() {
            return Ok(vec![]);
        }
        let json = self
            .run(&statements)
            .await
            .map_err(|thrown| DatabaseError(reason(thrown)))?;
        let outcomes: Vec<Outcome> =
            json::parse(&json).map_err(|error| DatabaseError::new(&error))?;
        for Outcome { meta, .. } in &outcomes {
            self.cost.rows(meta.rows_read, meta.rows_written);
        }
        Ok(outcomes
            .into_iter()
            .map(|outcome| Rows(outcome.results))
            .collect())
    }
}

/// D1 takes neither `undefined` nor `BigInt`; every integer stays within ±2^53.
fn to_js(value: &Value) -> JsValue {
    match value {
        Value::Null => JsValue::NULL,
        Value::Integer(integer) => JsValue::from_f64(*integer as f64),
        Value::Text(text) => JsValue::from_str(text),
    }
}
