//! Media of messages: asked for with the account's token, and served elsewhere without it.
//!
//! <https://www.twilio.com/docs/messaging/api/media-resource>

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};

use super::{API_VERSION, PROVIDER, authorise, end, refusal, refuse};
use crate::account::Sms;
use crate::faults::{Answer, Ending};
use crate::fetches::Asked;
use crate::media::{Given, Medium, download};
use crate::state::{Call, Shared, now};

/// How long the address is good that a call is redirected to.
const URL_S: i64 = 4 * 60 * 60;

pub(super) fn router() -> Router<Arc<Shared>> {
    type S = State<Arc<Shared>>;
    Router::new()
        .route(
            "/twilio/2010-04-01/Accounts/{account}/Messages/{message}/Media/{media}",
            get(
                async |State(shared): S,
                       Path(path): Path<(String, String, String)>,
                       request: Request| {
                    read(&shared, path, Asked::new("twilio", &request)).await
                },
            ),
        )
        .route(
            "/twilio-cdn/{account}/{media}",
            get(async |State(shared): S, request: Request| {
                cdn(&shared, Asked::new("twilioCdn", &request))
            }),
        )
}

/// Sends who has the token on to the bytes.
async fn read(
    shared: &Arc<Shared>,
    (account, message, media): (String, String, String),
    asked: Asked,
) -> Response {
    let asked = asked.for_media(&media);
    let mut call = Call::new(PROVIDER, "GET", asked.path.clone(), &asked.headers);
    call.kind = Some("media".to_owned());
    let found = authorise(shared, &account, &asked.headers).and_then(|numbers| {
        let medium = shared.media.get(&media).filter(|medium| {
            medium.message.as_ref() == Some(&message)
                && numbers
                    .iter()
                    .any(|number| number.phone_number == medium.account)
        });
        medium.ok_or_else(|| refusal::not_found(&call.path))
    });
    let answer = match &found {
        Ok(medium) => {
            call.outcome = "done";
            call.account = Some(medium.account.clone());
            let signature = hex::encode(&shared.ids.fresh()[..16]);
            shared.media.link(&signature, medium, URL_S);
            let until = now().timestamp() + URL_S;
            let url = format!(
                "{}/twilio-cdn/{account}/{media}?Expires={until}&Signature={signature}",
                shared.base_url
            );
            Answer::empty(StatusCode::TEMPORARY_REDIRECT).with("location", url)
        }
        Err(refusal) => refuse(&mut call, refusal),
    };
    shared.fetches.record(&asked, None, answer.status);
    end(shared, call, Ending::Answer(answer)).await
}

/// The bytes, for who has the address and nothing else: the store behind it takes one way to authenticate only.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
fn cdn(shared: &Arc<Shared>, asked: Asked) -> Response {
    let refuse = |asked: &Asked, status, code: &str| {
        shared.fetches.record(asked, None, status);
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code></Error>"
        );
        (status, [(header::CONTENT_TYPE, "application/xml")], body).into_response()
    };
    let token = asked.parameter("Signature").unwrap_or_default();
    let medium = shared.media.follow(&token);
    let asked = match &medium {
        Some(medium) => asked.for_media(&medium.id),
        None => asked,
    };
    if asked.headers.contains_key(header::AUTHORIZATION) {
        return refuse(&asked, StatusCode::BAD_REQUEST, "InvalidArgument");
    }
    let served = medium.and_then(|medium| download(shared, &asked, &medium, &medium.mime_type));
    served.unwrap_or_else(|| refuse(&asked, StatusCode::FORBIDDEN, "AccessDenied"))
}

/// What a webhook tells of a file that a person sent: its address and its type.
pub(crate) fn received(
    shared: &Shared,
    number: &Sms,
    message_sid: &str,
    given: &Given,
) -> (String, String) {
    let mut medium = Medium::sent(PROVIDER, &number.phone_number, "media", given);
    medium.message = Some(message_sid.to_owned());
    let sid = format!("ME{}", hex::encode(&shared.ids.fresh()[..16]));
    let medium = shared.media.add(sid, medium);
    let (base, account) = (&shared.base_url, &number.account_sid);
    let url = format!(
        "{base}/twilio/{API_VERSION}/Accounts/{account}/Messages/{message_sid}/Media/{}",
        medium.id
    );
    (url, medium.mime_type.clone())
}
