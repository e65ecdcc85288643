//! The page that shows every phone and lets one answer as the customer.

use std::sync::Arc;

use axum::Router;
use axum::response::Html;
use axum::routing::get;

use crate::state::Shared;

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new().route("/", get(async || Html(include_str!("page.html"))))
}
