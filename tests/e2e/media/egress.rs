//! Which credentials go where.

use std::collections::BTreeSet;

use patchbay_sandbox::{Fetch, FetchFilter, How, InboundMedia, MediaKind, Sandbox};
use serde_json::json;

use super::file::{self, Read};
use super::outbound::handed_over;
use crate::content::stage::Stage;
use crate::harness::{SECRET, SOON, eventually, run};

/// All that came with a request: its address and its headers.
fn all_of(fetch: &Fetch) -> String {
    let headers = fetch.headers.iter();
    let headers = headers.map(|(name, value)| format!("{name}: {value}"));
    let query = fetch.query.clone().unwrap_or_default();
    std::iter::once(format!("{}?{query}", fetch.path))
        .chain(headers)
        .collect::<Vec<_>>()
        .join("\n")
}

/// The requests for one stage's files, by its channel's media and by `addresses`, and those to hosts that lead
/// elsewhere, whoever asked them.
fn requests(stage: &Stage, addresses: &[&str]) -> Vec<Fetch> {
    let sandbox = &stage.tenant.sandbox;
    let media = sandbox.media().into_iter();
    let own = media.filter(|media| media.account == stage.channel.account);
    let own: Vec<String> = own.map(|media| media.id).collect();
    let mut all = sandbox.fetches(&FetchFilter::default());
    all.retain(|fetch| {
        let is_own = fetch.media.as_ref().is_some_and(|id| own.contains(id));
        let address = format!("{}?{}", fetch.path, fetch.query.as_deref().unwrap_or(""));
        fetch.via == "hostile" || is_own || addresses.iter().any(|part| address.contains(part))
    });
    all
}

/// A channel's files are read, copied and handed over; each host gets what it may, and nothing more.
async fn tells_each_host_what_it_may(kind: &'static str, hosts: &[&str]) {
    let stage = Stage::open(kind).await;
    let sandbox = &stage.tenant.sandbox;
    let token = match kind {
        "telegram" => "botToken",
        "sms" => "authToken",
        _ => "accessToken",
    };
    let token = stage.channel.credentials[token].as_str().expect("a token");
    let file = file::put(sandbox, "image/jpeg", 9_000, "").await;
    // A customer's file, read, and once more when it is the provider's host that leads elsewhere.
    let sent = InboundMedia::file(MediaKind::Image, &file.id);
    let content = file::hears(&stage, sent.clone()).await;
    Read::get(&stage.tenant, file::url(&content)).await;
    file::is_copied(&stage, file::url(&content), &file).await;
    let mut astray = sent;
    astray.hostile = Some(How::Redirect);
    let content = file::hears(&stage, astray).await;
    let led = Read::get(&stage.tenant, file::url(&content)).await;
    assert_eq!(led.status, 200, "{kind}");
    // A file of the business, handed over from where it says, and from where that leads.
    let theirs = file::put(sandbox, "image/jpeg", 9_000, "").await;
    let leads = format!("{}?to={}", sandbox.hostile_url(How::Redirect), theirs.url);
    let direct = file::put(sandbox, "image/jpeg", 9_000, "").await;
    if kind != "sms" {
        for url in [&leads, &direct.url] {
            let body = handed_over(&stage, &json!({"type": "image", "url": url}));
            let sent = stage.tenant.post("/v1/messages", &body).await.expect(202);
            stage.arrived(sent["id"].as_str().expect("an id")).await;
        }
    }
    let addresses = [theirs.id.as_str(), direct.id.as_str()];
    let seen = eventually(SOON, "each host was asked", async || {
        let seen = requests(&stage, &addresses);
        let via: BTreeSet<&str> = seen.iter().map(|fetch| fetch.via).collect();
        let is_all = hosts.iter().all(|host| via.contains(host));
        if is_all {
            return Ok(seen);
        }
        Err(format!("{via:?}"))
    })
    .await;
    for fetch in &seen {
        let all = all_of(fetch);
        let authorization = fetch.headers.get("authorization").map(String::as_str);
        match fetch.via {
            "graph" | "lookaside" => {
                assert_eq!(authorization, Some(format!("Bearer {token}").as_str()));
            }
            "twilio" => assert!(authorization.is_some_and(|it| it.starts_with("Basic "))),
            // Telegram's token is in the path, which the sandbox has checked.
            "telegram" | "telegramFile" => assert_eq!(authorization, None, "{all}"),
            "files" | "hostile" | "cdn" | "twilioCdn" => bears_nothing(fetch),
            other => panic!("{other} is not a host of files: {all}"),
        }
        let without = all.replace(token, "");
        assert!(!without.contains(SECRET), "{kind}: {all}");
        assert!(!without.contains(&stage.tenant.key), "{kind}: {all}");
    }
    nobody_was_told(sandbox);
}

#[track_caller]
fn bears_nothing(fetch: &Fetch) {
    let all = all_of(fetch);
    for name in ["authorization", "cookie", "proxy-authorization"] {
        assert!(!fetch.headers.contains_key(name), "{all}");
    }
    assert!(!all.contains(SECRET), "{all}");
    let query = fetch.query.clone().unwrap_or_default();
    assert!(!query.contains("access_token"), "{all}");
}

#[test]
fn whatsapps_hosts_get_the_token_and_nobody_else_does() {
    run(tells_each_host_what_it_may(
        "whatsapp",
        &["graph", "lookaside", "hostile", "files"],
    ));
}

#[test]
fn the_hosts_of_messengers_files_get_no_token() {
    run(tells_each_host_what_it_may(
        "messenger",
        &["cdn", "hostile", "files"],
    ));
}

#[test]
fn the_hosts_of_instagrams_files_get_no_token() {
    run(tells_each_host_what_it_may(
        "instagram",
        &["cdn", "hostile", "files"],
    ));
}

#[test]
fn telegrams_files_are_asked_for_with_the_bots_token_in_the_path_only() {
    run(tells_each_host_what_it_may(
        "telegram",
        &["telegram", "telegramFile", "hostile", "files"],
    ));
}

#[test]
fn twilio_gets_the_token_and_the_host_it_leads_to_does_not() {
    run(tells_each_host_what_it_may(
        "sms",
        &["twilio", "twilioCdn", "hostile"],
    ));
}

/// Checks that whatever was done so far, by this test or another, no host of files got a secret.
pub fn nobody_was_told(sandbox: &Sandbox) {
    let fetches = sandbox.fetches(&FetchFilter::default());
    let hosts = ["files", "hostile", "cdn", "twilioCdn"];
    for fetch in fetches.iter().filter(|fetch| hosts.contains(&fetch.via)) {
        bears_nothing(fetch);
    }
}
