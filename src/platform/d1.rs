//! Statements on D1: a batch is one round trip and one transaction.

use super::cost::Cost;
use super::log::reason;
use crate::model::json;
use crate::store::{Database, DatabaseError, Rows, Statement, Value};
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

    /// What one statement gave.
    /// <https://developers.cloudflare.com/d1/worker-api/return-object/#d1result>
    type Outcome;

    #[wasm_bindgen(method, catch, getter)]
    fn results(this: &Outcome) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch, getter)]
    fn meta(this: &Outcome) -> Result<Meta, JsValue>;

    type Meta;

    #[wasm_bindgen(method, catch, getter)]
    fn rows_read(this: &Meta) -> Result<Option<f64>, JsValue>;

    #[wasm_bindgen(method, catch, getter)]
    fn rows_written(this: &Meta) -> Result<Option<f64>, JsValue>;
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

    async fn run(&self, statements: &[Statement]) -> Result<Array, JsValue> {
        let bound = Array::new();
        for (statement, values) in statements.iter().zip(to_js(statements)?.iter()) {
            let mut prepared = self.binding.prepare(&statement.sql)?;
            if !statement.values.is_empty() {
                prepared = prepared.bind(values.unchecked_ref())?;
            }
            bound.push(&prepared.into());
        }
        self.cost.d1_round_trip();
        let outcomes = JsFuture::from(self.binding.batch(&bound)?).await?;
        outcomes.dyn_into()
    }

    fn count(&self, outcome: &Outcome) {
        let Ok(meta) = outcome.meta() else {
            return;
        };
        let rows = |count: Result<Option<f64>, JsValue>| count.ok().flatten().unwrap_or(0.0) as u64;
        self.cost
            .rows(rows(meta.rows_read()), rows(meta.rows_written()));
    }
}

impl Database for D1 {
    async fn batch(&self, statements: &[Statement]) -> Result<Vec<Rows>, DatabaseError> {
        if statements.is_empty() {
            return Ok(vec![]);
        }
        let outcomes = self.run(statements).await;
        outcomes
            .map_err(|thrown| DatabaseError(reason(thrown)))?
            .iter()
            .map(|outcome| {
                let outcome: Outcome = outcome.unchecked_into();
                self.count(&outcome);
                rows(&outcome)
            })
            .collect()
    }
}

/// The rows cross from JavaScript as one text, in which integers stay exact. Most statements
/// give none.
fn rows(outcome: &Outcome) -> Result<Rows, DatabaseError> {
    let thrown = |thrown| DatabaseError(reason(thrown));
    // Null or none at all where a statement has no rows to give.
    let Ok(results) = outcome.results().map_err(thrown)?.dyn_into::<Array>() else {
        return Ok(Rows::default());
    };
    if results.length() == 0 {
        return Ok(Rows::default());
    }
    let text = JSON::stringify(&results).map_err(thrown)?;
    let rows = json::parse(&String::from(text)).map_err(|error| DatabaseError::new(&error))?;
    Ok(Rows(rows))
}

/// Texts of more bytes cross by themselves.
const SHORT: usize = 1024;

/// The values of each statement. They cross as one text, which is much faster than one by one.
/// D1 takes neither `undefined` nor `BigInt`; every integer stays within ±2^53.
fn to_js(statements: &[Statement]) -> Result<Array, JsValue> {
    let short = statements.iter().map(|statement| {
        let values = statement.values.iter();
        let short = values.map(|value| (!is_long(value)).then_some(value));
        short.collect::<Vec<_>>()
    });
    let text = crate::store::text(&short.collect::<Vec<_>>());
    let all: Array = JSON::parse(&text)?.unchecked_into();
    for (statement, bound) in statements.iter().zip(all.iter()) {
        let bound: &Array = bound.unchecked_ref();
        for (at, value) in (0_u32..).zip(&statement.values) {
            if let Value::Text(text) = value
                && is_long(value)
            {
                bound.set(at, JsValue::from_str(text));
            }
        }
    }
    Ok(all)
}

fn is_long(value: &Value) -> bool {
    matches!(value, Value::Text(text) if text.len() > SHORT)
}
