//! Files at the Graph API: uploading them, asking where they are, deleting them.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use http::HeaderMap;
use serde_json::json;

use super::{
    Host, PROVIDER, Refusal, Wanted, account, bad_token, bearer, check_version, end, ok, refuse,
};
use crate::account::Account;
use crate::faults::Ending;
use crate::fetches::Asked;
use crate::media::{Expiry, Medium};
use crate::messaging::{self, Inbox};
use crate::multipart::{Form, is_multipart};
use crate::state::{Call, Shared};
use crate::whatsapp;

/// The longest body that is not a form.
const BODY: usize = 1024 * 1024;

/// A file that goes by an id of Meta's, if it is one that may be asked for.
pub(super) fn find(shared: &Shared, host: Host, node: &str) -> Option<Arc<Medium>> {
    let medium = shared.media.get(node)?;
    (host == Host::Facebook && medium.provider == whatsapp::PROVIDER).then_some(medium)
}

/// Tells where a file is.
pub(super) async fn read(
    shared: &Arc<Shared>,
    (version, node): (String, String),
    medium: &Arc<Medium>,
    wanted: &Wanted,
    request: Request,
) -> Response {
    let path = format!("{}/{version}/{node}", Host::Facebook.prefix());
    let asked = Asked::new("graph", &request).for_media(&node);
    let mut call = Call::new(PROVIDER, "GET", path, request.headers());
    call.kind = Some("media".to_owned());
    let allowed = authorise(shared, &version, medium, wanted, &mut call, &request);
    let answer = match allowed {
        Ok(()) => {
            call.outcome = "done";
            ok(shared, &whatsapp::media(shared, medium))
        }
        Err(refusal) => refuse(shared, &mut call, &refusal),
    };
    let file = medium.file.as_ref().map(|file| file.id.as_str());
    shared.fetches.record(&asked, file, answer.status);
    end(shared, call, Ending::Answer(answer)).await
}

/// Deletes a file.
pub(super) async fn delete(
    shared: &Arc<Shared>,
    host: Host,
    (version, node): (String, String),
    wanted: &Wanted,
    request: Request,
) -> Response {
    let path = format!("{}/{version}/{node}", host.prefix());
    let mut call = Call::new(PROVIDER, "DELETE", path, request.headers());
    let medium = find(shared, host, &node);
    let medium = medium.ok_or_else(|| Refusal::unknown_object("delete", &node));
    let allowed =
        medium.and_then(|medium| authorise(shared, &version, &medium, wanted, &mut call, &request));
    let answer = match allowed {
        Ok(()) => {
            call.outcome = "done";
            shared.media.expire(&node, Expiry::Media);
            ok(shared, &json!({"success": true}))
        }
        Err(refusal) => refuse(shared, &mut call, &refusal),
    };
    end(shared, call, Ending::Answer(answer)).await
}

/// Only who owns a file may ask for it; who names the number must name the right one.
fn authorise(
    shared: &Shared,
    version: &str,
    medium: &Medium,
    wanted: &Wanted,
    call: &mut Call,
    request: &Request,
) -> Result<(), Refusal> {
    check_version(version)?;
    call.provider = medium.provider;
    let owner = shared.accounts.get(&medium.account);
    let number = wanted.phone_number_id.as_ref();
    let owner = owner.filter(|_| number.is_none_or(|number| *number == medium.account));
    let owner = owner.ok_or_else(|| {
        let method = request.method().as_str().to_ascii_lowercase();
        Refusal::unknown_object(&method, &medium.id)
    })?;
    if owner.access_token() != bearer(request.headers()) {
        return Err(bad_token(&owner));
    }
    call.account = Some(medium.account.clone());
    Ok(())
}

/// `POST /{phone number id}/media`
pub(super) async fn upload(
    shared: &Arc<Shared>,
    host: Host,
    (version, node): (String, String),
    request: Request,
) -> Response {
    let path = format!("{}/{version}/{node}/media", host.prefix());
    let mut call = Call::new(PROVIDER, "POST", path, request.headers());
    call.kind = Some("media".to_owned());
    let (parts, body) = request.into_parts();
    let uploaded = async {
        let account = account(shared, host, &version, &node, &mut call, &parts.headers);
        let most = account.as_ref().map_or(0, |_| whatsapp::LONGEST_FILE);
        // Read even if it is refused: who is still writing would not see the answer.
        let form = form(shared, &parts.headers, body, most, &mut call).await;
        let account = account?;
        let Account::Whatsapp(number) = &*account else {
            return Err(Refusal::unknown_object("post", &node));
        };
        whatsapp::upload(shared, number, &form?)
    };
    let uploaded = uploaded.await;
    answer(shared, call, uploaded, "id").await
}

/// `POST /{page or account id}/message_attachments`
pub(super) async fn attach(
    shared: &Arc<Shared>,
    host: Host,
    (version, node): (String, String),
    request: Request,
) -> Response {
    let path = format!("{}/{version}/{node}/message_attachments", host.prefix());
    let mut call = Call::new(PROVIDER, "POST", path, request.headers());
    call.kind = Some("attachment".to_owned());
    let (parts, body) = request.into_parts();
    let attached = async {
        let account = account(shared, host, &version, &node, &mut call, &parts.headers);
        let unknown = || Refusal::unknown_object("post", &node);
        if is_multipart(&parts.headers) {
            let most = account.as_ref().map_or(0, |_| messaging::LONGEST_FILE);
            let form = form(shared, &parts.headers, body, most, &mut call).await;
            let account = account?;
            let inbox = Inbox::of(&account).ok_or_else(unknown)?;
            return messaging::attach_file(shared, &inbox, &form?);
        }
        let account = account?;
        let inbox = Inbox::of(&account).ok_or_else(unknown)?;
        let body = to_bytes(body, BODY).await.unwrap_or_default();
        call.request = serde_json::from_slice(&body).unwrap_or_default();
        messaging::attach_link(shared, &inbox, &parts.headers, &call.request)
    };
    let attached = attached.await;
    answer(shared, call, attached, "attachment_id").await
}

async fn form(
    shared: &Shared,
    headers: &HeaderMap,
    body: Body,
    most: u64,
    call: &mut Call,
) -> Result<Form, Refusal> {
    let form = Form::read(shared, headers, body, most).await;
    let form = form.map_err(|why| Refusal::new(100, format!("Invalid form: {}", why.0)))?;
    call.request = form.as_value();
    Ok(form)
}

async fn answer(
    shared: &Shared,
    mut call: Call,
    uploaded: Result<Arc<Medium>, Refusal>,
    name: &str,
) -> Response {
    let answer = match uploaded {
        Ok(medium) => {
            call.outcome = "done";
            call.text = medium.filename.clone();
            if let Some(file) = &medium.file {
                shared.files.add(Arc::clone(file));
            }
            ok(shared, &json!({name: medium.id}))
        }
        Err(refusal) => refuse(shared, &mut call, &refusal),
    };
    end(shared, call, Ending::Answer(answer)).await
}
