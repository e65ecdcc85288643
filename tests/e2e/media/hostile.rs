//! Hosts of files that mean harm: nothing of theirs is sent on, and nobody else waits for them.

use patchbay_sandbox::{FetchFilter, How, InboundMedia, MediaKind};
use reqwest::Method;
use serde_json::json;

use super::egress::nobody_was_told;
use super::file::{self, Read};
use super::outbound::handed_over;
use crate::content::stage::Stage;
use crate::harness::{SOON, eventually, run, unique};

/// An address of a hostile host, which no other test asks for.
fn address(stage: &Stage, how: How) -> (String, String) {
    let mark = format!("mark={}", unique());
    let url = format!("{}?{mark}", stage.tenant.sandbox.hostile_url(how));
    (url, mark)
}

async fn sends(stage: &Stage, url: &str) -> String {
    let content = json!({"type": "image", "url": url});
    let body = handed_over(stage, &content);
    let sent = stage.tenant.post("/v1/messages", &body).await.expect(202);
    sent["id"].as_str().expect("an id").to_owned()
}

/// Checks that the provider was given nothing, and the person no message.
#[track_caller]
fn nothing_was_sent(stage: &Stage, what: &str) {
    let media = stage.tenant.sandbox.media().into_iter();
    let media: Vec<_> = media
        .filter(|media| media.uploaded && media.account == stage.channel.account)
        .collect();
    assert!(media.is_empty(), "{what}: {media:#?}");
    let phone = stage.phone();
    assert_eq!(phone.messages.len(), 1, "{what}: {phone:#?}");
    assert!(stage.calls().iter().all(|call| !call.accepted), "{what}");
}

/// The channel works: what is fine is sent.
async fn is_alive(stage: &Stage) {
    let file = file::put(&stage.tenant.sandbox, "image/png", 9_000, "").await;
    let id = sends(stage, &file.url).await;
    stage.arrived(&id).await;
}

/// Files that never are what is wanted, with a word of what the message then says.
const NEVER: [(How, &str); 9] = [
    (How::NotFound, "HTTP 404"),
    (How::Html, "text/html"),
    (How::HtmlAsImage, "a page"),
    (How::Svg, "image/svg+xml"),
    (How::Endless, "larger"),
    (How::GzipBomb, "larger"),
    (How::RedirectChain, "leads to none"),
    (How::RedirectLoop, "leads to none"),
    (How::Redirect, "leads to none"),
];

async fn fails_on_what_never_is_a_file(kind: &'static str) {
    let stage = Stage::open(kind).await;
    for (how, said) in NEVER {
        let (mut url, _) = address(&stage, how);
        if how == How::Redirect {
            url.push_str("&to=file:///etc/passwd");
        }
        let id = sends(&stage, &url).await;

        let message = stage.tenant.becomes(&id, "failed").await;

        assert_eq!(message["error"]["code"], "invalid_request", "{message}");
        let told = message["error"]["message"].as_str().expect("a reason");
        assert!(told.contains(said), "{kind} {how:?}: {told}");
        nothing_was_sent(&stage, &format!("{kind} {how:?}"));
    }
    is_alive(&stage).await;
    nobody_was_told(&stage.tenant.sandbox);
}

#[test]
fn what_never_is_a_file_fails_on_whatsapp_and_nothing_is_sent() {
    run(fails_on_what_never_is_a_file("whatsapp"));
}

#[test]
fn what_never_is_a_file_fails_on_messenger_and_nothing_is_sent() {
    run(fails_on_what_never_is_a_file("messenger"));
}

#[test]
fn what_never_is_a_file_fails_on_instagram_and_nothing_is_sent() {
    run(fails_on_what_never_is_a_file("instagram"));
}

#[test]
fn what_never_is_a_file_fails_on_telegram_and_nothing_is_sent() {
    run(fails_on_what_never_is_a_file("telegram"));
}

/// Checks that a message is neither sent nor given up.
async fn is_waiting(stage: &Stage, id: &str) {
    let message = stage.tenant.message(id).await;
    let status = message["status"].as_str().expect("a status");
    assert!(["accepted", "sending"].contains(&status), "{message}");
}

#[test]
fn a_host_that_fails_for_now_is_asked_again_and_nothing_is_sent_before() {
    run(async {
        for kind in ["whatsapp", "messenger", "instagram", "telegram"] {
            for how in [How::Error, How::LengthTooLong] {
                let stage = Stage::open(kind).await;
                let (url, mark) = address(&stage, how);
                let id = sends(&stage, &url).await;

                eventually(SOON, "the host is asked again", async || {
                    let mut asked = stage.tenant.sandbox.fetches(&FetchFilter::default());
                    asked.retain(|fetch| fetch.query.as_deref() == Some(&mark));
                    if asked.len() >= 2 {
                        return Ok(());
                    }
                    Err(format!("{asked:#?} {}", stage.tenant.message(&id).await))
                })
                .await;

                is_waiting(&stage, &id).await;
                nothing_was_sent(&stage, &format!("{kind} {how:?}"));
            }
        }
    });
}

#[test]
fn a_host_that_gives_a_byte_a_second_holds_nobody_else_up() {
    run(async {
        let mut slow = Vec::new();
        for kind in ["whatsapp", "messenger", "instagram", "telegram"] {
            let stage = Stage::open(kind).await;
            let (url, _) = address(&stage, How::Slow);
            let id = sends(&stage, &url).await;
            slow.push((stage, id));
        }
        let other = Stage::open("telegram").await;

        is_alive(&other).await;

        for (stage, id) in &slow {
            is_waiting(stage, id).await;
            nothing_was_sent(stage, stage.kind);
        }
    });
}

/// A customer's file whose host is hostile is no page of ours, whatever it is said to be.
#[test]
fn a_customers_file_never_becomes_a_page_of_ours() {
    run(async {
        for kind in ["whatsapp", "messenger", "instagram", "telegram", "sms"] {
            let stage = Stage::open(kind).await;
            for (how, statuses) in [
                (How::Html, &[200, 503][..]),
                (How::HtmlAsImage, &[200]),
                (How::Svg, &[200]),
                (How::NotFound, &[404]),
                (How::Error, &[503]),
                (How::RedirectLoop, &[503]),
                (How::RedirectChain, &[503]),
            ] {
                let mut sent = InboundMedia::generated(MediaKind::Image, 900);
                sent.hostile = Some(how);
                let content = file::hears(&stage, sent).await;
                let url = file::url(&content);
                for range in [None, Some("bytes=0-30")] {
                    let mut request = stage.tenant.request(Method::GET, url);
                    if let Some(range) = range {
                        request = request.header("range", range);
                    }
                    let read = Read::of(request).await;

                    let what = format!("{kind} {how:?} {range:?}: {:?}", read.headers);
                    let status = if read.status == 206 { 200 } else { read.status };
                    assert!(statuses.contains(&status), "{} {what}", read.status);
                    let is = read.header("content-type");
                    if status != 200 {
                        assert!(is.starts_with("application/problem+json"), "{what}");
                        continue;
                    }
                    let is_image = ["image/jpeg", "image/png"].contains(&is);
                    let is_saved = read.header("content-disposition").starts_with("attachment");
                    assert!(is_image || is_saved, "{what}");
                    assert_eq!(read.header("x-content-type-options"), "nosniff", "{what}");
                    let policy = read.header("content-security-policy");
                    assert!(policy.contains("default-src 'none'"), "{what}");
                    assert!(policy.contains("sandbox"), "{what}");
                }
            }
            nobody_was_told(&stage.tenant.sandbox);
        }
    });
}
