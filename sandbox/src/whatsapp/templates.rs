//! The message templates of the business accounts: listing, making and deleting them.
//!
//! <https://developers.facebook.com/docs/graph-api/reference/whats-app-business-account/message_templates/>

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::draft::{checked, wrong};
use super::samples;
use crate::faults::Ending;
use crate::graph::{Refusal, bearer, check_version, end, is_json, ok, pick, refuse};
use crate::state::{Call, Shared, lock};

const PAGE: usize = 25;
const LARGEST_PAGE: usize = 1000;
const DEFAULT_FIELDS: &str = "name,parameter_format,components,language,status,category";

/// The templates of each business account, in the order they were made.
#[derive(Default)]
pub(crate) struct Templates(Mutex<BTreeMap<String, Arc<Vec<Value>>>>);

impl Templates {
    pub(crate) fn of(&self, waba_id: &str) -> Arc<Vec<Value>> {
        lock(&self.0).get(waba_id).cloned().unwrap_or_default()
    }

    /// Gives an account the samples, unless it has or had templates.
    pub(crate) fn begin(&self, waba_id: &str) {
        lock(&self.0).entry(waba_id.to_owned()).or_insert_with(|| {
            let mut templates = samples::templates();
            for template in &mut templates {
                template["id"] = json!(id_of(waba_id, template));
                if template.get("rejected_reason").is_none() {
                    template["rejected_reason"] = json!("NONE");
                }
            }
            Arc::new(templates)
        });
    }

    /// Replaces an account's templates. What is left out of one is filled in: an approved utility.
    pub(crate) fn set(&self, waba_id: &str, mut templates: Vec<Value>) -> Result<(), &'static str> {
        let mut seen = BTreeSet::new();
        for template in &mut templates {
            let text = |name: &str| template[name].as_str().map(str::to_owned);
            let (Some(name), Some(language)) = (text("name"), text("language")) else {
                return Err("each template needs a name and a language");
            };
            if !template["components"].is_array() {
                return Err("each template needs components");
            }
            if !seen.insert((name, language)) {
                return Err("a name is there twice in one language");
            }
            let format = if is_named(template) {
                "NAMED"
            } else {
                "POSITIONAL"
            };
            let otherwise = [
                ("id", id_of(waba_id, template)),
                ("status", "APPROVED".to_owned()),
                ("category", "UTILITY".to_owned()),
                ("parameter_format", format.to_owned()),
                ("rejected_reason", "NONE".to_owned()),
            ];
            for (field, value) in otherwise {
                if template.get(field).is_none() {
                    template[field] = json!(value);
                }
            }
        }
        lock(&self.0).insert(waba_id.to_owned(), Arc::new(templates));
        Ok(())
    }

    /// Gives a template another status. Answers the template as it is then, or was if it is deleted.
    pub(crate) fn review(
        &self,
        waba_id: &str,
        name: &str,
        language: &str,
        status: &str,
        reason: &str,
    ) -> Option<Value> {
        let is_meant =
            |template: &Value| template["name"] == name && template["language"] == language;
        let mut found = None;
        self.change(waba_id, |all| {
            if let Some(template) = all.iter_mut().find(|template| is_meant(template)) {
                template["status"] = json!(status);
                template["rejected_reason"] = json!(reason);
                found = Some(template.clone());
            }
            if status == "DELETED" {
                all.retain(|template| !is_meant(template));
            }
        });
        found
    }

    fn change(&self, waba_id: &str, change: impl FnOnce(&mut Vec<Value>)) {
        let mut accounts = lock(&self.0);
        let templates = accounts.entry(waba_id.to_owned()).or_default();
        change(Arc::make_mut(templates));
    }
}

/// An id of sixteen digits that stays the same from one life of the sandbox to the next.
fn id_of(waba_id: &str, template: &Value) -> String {
    let named = format!("{waba_id} {} {}", template["name"], template["language"]);
    let hash = Sha256::digest(named);
    let bytes = std::array::from_fn(|index| hash[index]);
    let number = 1_000_000_000_000_000 + u64::from_be_bytes(bytes) % 9_000_000_000_000_000;
    number.to_string()
}

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new().route(
        "/graph/{version}/{waba}/message_templates",
        get(list).post(create).delete(delete),
    )
}

type Edge = Path<(String, String)>;

#[derive(Default, Deserialize)]
struct Wanted {
    fields: Option<String>,
    limit: Option<String>,
    after: Option<String>,
    name: Option<String>,
    hsm_id: Option<String>,
    status: Option<String>,
}

async fn list(
    State(shared): State<Arc<Shared>>,
    edge: Edge,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Response {
    answer(&shared, "GET", &edge, &headers, Value::Null, |_| {
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        let Path((version, waba_id)) = &edge;
        let next = format!(
            "http://{}/graph/{version}/{waba_id}/message_templates",
            host.unwrap_or_default()
        );
        page(&shared.templates.of(waba_id), &wanted, &next)
    })
    .await
}

/// A page of the list, with the cursors of its ends and the address of the next page, if there is one.
fn page(templates: &[Value], wanted: &Wanted, address: &str) -> Result<Value, Refusal> {
    let limit = match &wanted.limit {
        None => PAGE,
        Some(limit) => limit
            .parse()
            .ok()
            .filter(|limit| (1..=LARGEST_PAGE).contains(limit))
            .ok_or_else(|| Refusal::new(100, "Param limit must be between 1 and 1000"))?,
    };
    let first = match wanted.after.as_deref().filter(|after| !after.is_empty()) {
        None => 0,
        Some(after) => 1 + position(after)?,
    };
    let fields = wanted.fields.as_deref().unwrap_or(DEFAULT_FIELDS);
    let found: Vec<_> = templates
        .iter()
        .filter(|template| {
            let is = |field: &str, wanted: &Option<String>| {
                wanted
                    .as_ref()
                    .is_none_or(|wanted| template[field] == **wanted)
            };
            is("name", &wanted.name) && is("status", &wanted.status)
        })
        .collect();
    let data = found
        .iter()
        .skip(first)
        .take(limit)
        .map(|template| pick(template, fields));
    let data = data.collect::<Result<Vec<_>, _>>()?;
    if data.is_empty() {
        return Ok(json!({"data": []}));
    }
    let last = first + data.len() - 1;
    let mut paging = json!({"cursors": {"before": cursor(first), "after": cursor(last)}});
    if last + 1 < found.len() {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("fields", fields);
        query.append_pair("limit", &limit.to_string());
        query.append_pair("after", &cursor(last));
        paging["next"] = json!(format!("{address}?{}", query.finish()));
    }
    Ok(json!({"data": data, "paging": paging}))
}

fn cursor(position: usize) -> String {
    format!("{}ZD", STANDARD_NO_PAD.encode(position.to_string()))
}

fn position(cursor: &str) -> Result<usize, Refusal> {
    let read = || {
        let bytes = STANDARD_NO_PAD.decode(cursor.strip_suffix("ZD")?).ok()?;
        String::from_utf8(bytes).ok()?.parse().ok()
    };
    read().ok_or_else(|| Refusal::new(100, "Invalid parameter: after is not a cursor"))
}

async fn create(
    State(shared): State<Arc<Shared>>,
    edge: Edge,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    answer(&shared, "POST", &edge, &headers, body, |body| {
        if !is_json(&headers) {
            return Err(Refusal::required("name"));
        }
        let Path((_, waba_id)) = &edge;
        let templates = shared.templates.of(waba_id);
        let mut template = checked(body, &templates)?;
        let id = shared.ids.number();
        let answer = json!({"id": id, "status": "PENDING", "category": template["category"]});
        template["id"] = json!(id);
        template["status"] = json!("PENDING");
        template["rejected_reason"] = json!("NONE");
        shared.templates.change(waba_id, |all| all.push(template));
        Ok(answer)
    })
    .await
}

pub(super) fn is_named(template: &Value) -> bool {
    let format = template["parameter_format"].as_str().unwrap_or_default();
    format.eq_ignore_ascii_case("NAMED")
}

async fn delete(
    State(shared): State<Arc<Shared>>,
    edge: Edge,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Response {
    answer(&shared, "DELETE", &edge, &headers, Value::Null, |_| {
        let name = wanted
            .name
            .as_deref()
            .ok_or_else(|| Refusal::required("name"))?;
        let Path((_, waba_id)) = &edge;
        let is_meant = |template: &Value| {
            template["name"] == name
                && wanted
                    .hsm_id
                    .as_ref()
                    .is_none_or(|id| template["id"] == **id)
        };
        if !shared.templates.of(waba_id).iter().any(is_meant) {
            return Err(wrong(
                "Message Template Not Found",
                "There is no template of this name to delete.",
            )
            .with_subcode(2_593_002));
        }
        shared
            .templates
            .change(waba_id, |all| all.retain(|template| !is_meant(template)));
        Ok(json!({"success": true}))
    })
    .await
}

/// Answers a call about a business account, if the caller has the token of one of its numbers.
async fn answer(
    shared: &Arc<Shared>,
    method: &str,
    Path((version, waba_id)): &Edge,
    headers: &HeaderMap,
    body: Value,
    work: impl FnOnce(&Value) -> Result<Value, Refusal>,
) -> Response {
    let path = format!("/graph/{version}/{waba_id}/message_templates");
    let mut call = Call::new(super::PROVIDER, method, path, headers);
    call.request = body;
    let result = check_version(version)
        .and_then(|()| authorise(shared, method, waba_id, headers))
        .and_then(|()| {
            call.account = Some(waba_id.clone());
            work(&call.request)
        });
    let answer = match result {
        Ok(body) => {
            call.outcome = "done";
            ok(shared, &body)
        }
        Err(refusal) => refuse(shared, &mut call, &refusal),
    };
    end(shared, call, Ending::Answer(answer)).await
}

fn authorise(
    shared: &Shared,
    method: &str,
    waba_id: &str,
    headers: &HeaderMap,
) -> Result<(), Refusal> {
    let tokens = shared.accounts.tokens(waba_id);
    if tokens.is_empty() {
        return Err(Refusal::unknown_object(
            &method.to_ascii_lowercase(),
            waba_id,
        ));
    }
    if !tokens.iter().any(|token| bearer(headers) == Some(token)) {
        return Err(Refusal::bad_token().with_status(StatusCode::UNAUTHORIZED));
    }
    Ok(())
}
