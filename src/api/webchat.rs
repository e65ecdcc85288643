//! The visitor's side of web chat: `/webchat/{publicKey}/…`.

use super::Call;
use crate::gateway::{Gateway, Ports};
use bytes::Bytes;
use http::{Method, Response};

/// What a route does.
#[derive(Clone, Copy, Debug)]
pub enum Action {}

pub static ROUTES: &[(Method, &str, Action)] = &[];

pub async fn handle<P: Ports>(_: &Gateway<P>, action: Action, _: &Call<'_>) -> Response<Bytes> {
    match action {}
}
