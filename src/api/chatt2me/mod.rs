//! Chatt2.me's API: `/v1/communication/…` and `/v1/organization/…`.

use super::Call;
use super::problem::Told;
use crate::gateway::{Gateway, Ports};
use bytes::Bytes;
use http::{Method, Response};
use serde_json::json;

/// What a route does.
#[derive(Clone, Copy, Debug)]
pub enum Action {}

pub static ROUTES: &[(Method, &str, Action)] = &[];

pub async fn handle<P: Ports>(_: &Gateway<P>, action: Action, _: &Call<'_>) -> Response<Bytes> {
    match action {}
}

/// A refusal in this surface's own shape.
pub fn problem(told: &Told, request_id: &str) -> Response<Bytes> {
    told.response(&json!({
        "error": told.code, "message": told.detail, "errors": told.errors(), "requestId": request_id,
    }))
}
