//! `/inbound/{channel}`: where providers post. No key; the adapter verifies.

use super::{Call, Refusal, problem};
use crate::gateway::{Error, Gateway, Ports, Reception};
use crate::model::id::ChannelId;
use bytes::Bytes;
use http::{Response, StatusCode};

pub async fn handle<P: Ports>(gateway: &Gateway<P>, call: &Call<'_>) -> Response<Bytes> {
    let not_found = || {
        let refusal = Refusal::Gateway(Error::not_found("channel"));
        problem::render(&refusal, call.request_id)
    };
    let Some(channel) = ChannelId::parse(call.parameter("channel")) else {
        return not_found();
    };
    match gateway.receive(channel, call.request).await {
        Ok(Reception::Stored(response) | Reception::Challenge(response)) => response,
        Ok(Reception::UnknownChannel) => not_found(),
        Ok(Reception::NoHandshake) => problem::plain(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "This channel's provider has no handshake; it posts.",
            call.request_id,
        ),
        Ok(Reception::Unverified) => problem::plain(
            StatusCode::UNAUTHORIZED,
            "invalid_api_key",
            "The request does not prove to come from the channel's provider.",
            call.request_id,
        ),
        Err(error) => problem::render(&Refusal::Gateway(error), call.request_id),
    }
}
