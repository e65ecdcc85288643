//! Putting files and reading them.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Json, Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode, header};
use http_body::Body as _;
use serde::Deserialize;
use serde_json::json;

use super::{File, Intake, NewFile, StoredFile, serve, view};
use crate::control::Error;
use crate::fetches::Asked;
use crate::graph::is_json;
use crate::header_value::parameter;
use crate::state::Shared;

/// The longest file: as long as any provider takes, and then some.
const LONGEST: u64 = 2 << 30;
/// The longest description of a file.
const DESCRIPTION: usize = 64 * 1024;

pub(crate) fn router() -> Router<Arc<Shared>> {
    type S = State<Arc<Shared>>;
    let read = get(
        async |State(shared): S, Path(path): Path<Vec<(String, String)>>, request: Request| {
            let id = path.into_iter().next().map(|(_, id)| id);
            read(&shared, &id.unwrap_or_default(), &request)
        },
    );
    Router::new()
        .route(
            "/sandbox/files",
            post(put)
                .get(async |State(shared): S| Json(json!({"data": list(&shared)})))
                .delete(async |State(shared): S| {
                    shared.files.clear();
                    StatusCode::NO_CONTENT
                }),
        )
        .route(
            "/sandbox/files/{id}",
            get(async |State(shared): S, Path(id): Path<String>| {
                let file = shared.files.get(&id).ok_or(Error::UnknownFile(id))?;
                Ok::<_, Error>(Json(view(&shared.base_url, &file)))
            }),
        )
        .route("/files/{id}", read.clone())
        // For those who look at what an address ends with.
        .route("/files/{id}/{name}", read)
}

pub(crate) fn list(shared: &Shared) -> Vec<StoredFile> {
    let files = shared.files.list();
    files
        .iter()
        .map(|file| view(&shared.base_url, file))
        .collect()
}

fn read(shared: &Shared, id: &str, request: &Request) -> Response {
    let asked = Asked::new("files", request);
    match shared.files.get(id) {
        Some(file) => serve(shared, &asked, &file, &file.content_type),
        None => {
            shared.fetches.record(&asked, None, StatusCode::NOT_FOUND);
            Error::UnknownFile(id.to_owned()).into_response()
        }
    }
}

/// What a file is called and what it is, beside the headers that say so.
#[derive(Deserialize)]
struct Named {
    #[serde(rename = "type")]
    content_type: Option<String>,
    filename: Option<String>,
}

/// A file that is made up.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    size: u64,
    #[serde(rename = "type", default = "octets")]
    content_type: String,
    filename: Option<String>,
    #[serde(default)]
    seed: u64,
}

fn octets() -> String {
    "application/octet-stream".to_owned()
}

/// Takes a file as it is, or in JSON the description of one to make up.
async fn put(
    State(shared): State<Arc<Shared>>,
    Query(named): Query<Named>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<StoredFile>), Error> {
    let file = if is_json(&headers) {
        let body = to_bytes(body, DESCRIPTION).await;
        let body = body.map_err(|error| Error::Invalid(error.to_string()))?;
        let description: Description =
            serde_json::from_slice(&body).map_err(|error| Error::Invalid(error.to_string()))?;
        if description.size > LONGEST {
            return Err(too_long());
        }
        let mut new = NewFile::generated(description.content_type, description.size);
        new = new.seed(description.seed);
        new.filename = description.filename;
        File::make(&shared.ids, new).await.map_err(failed)?
    } else {
        let header = |name| headers.get(name)?.to_str().ok().map(str::to_owned);
        let content_type = named.content_type.or_else(|| header(header::CONTENT_TYPE));
        let filename = named.filename.or_else(|| {
            let disposition = header(header::CONTENT_DISPOSITION)?;
            parameter(&disposition, "filename")
        });
        let intake = take_in(body).await?;
        let content_type = content_type.unwrap_or_else(octets);
        let taken = File::taken(&shared.ids, intake, content_type, filename, false);
        let (_, file) = taken.await.map_err(failed)?;
        file.ok_or_else(too_long)?
    };
    let view = view(&shared.base_url, &file);
    shared.files.add(file);
    Ok((StatusCode::CREATED, Json(view)))
}

async fn take_in(mut body: Body) -> Result<Intake, Error> {
    let mut intake = Intake::new(LONGEST);
    let mut next = async || {
        let frame = std::future::poll_fn(|cx| std::pin::Pin::new(&mut body).poll_frame(cx));
        frame.await
    };
    while let Some(frame) = next().await {
        let frame = frame.map_err(|error| Error::Invalid(error.to_string()))?;
        if let Ok(bytes) = frame.into_data() {
            intake.write(&bytes).await.map_err(failed)?;
        }
    }
    Ok(intake)
}

fn too_long() -> Error {
    Error::Invalid(format!("a file has at most {LONGEST} bytes"))
}

fn failed(error: io::Error) -> Error {
    Error::Invalid(format!("the file cannot be kept: {error}"))
}
