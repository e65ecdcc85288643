//! Files that customers send, handed out by the gateway.

use patchbay_sandbox::{Expiry, InboundMedia, MediaKind};
use reqwest::Method;

use super::egress::nobody_was_told;
use super::file::{self, Read};
use crate::content::stage::Stage;
use crate::harness::{Gateway, Reply, Tenant, run};

const SIZE: u64 = 9_000;

/// A kind of file, with its type, its name if it comes with one, what the message says it is, and how it is shown.
type Case = (
    MediaKind,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

const IMAGE: Case = (MediaKind::Image, "image/jpeg", "", "image", "inline");
const VIDEO: Case = (MediaKind::Video, "video/mp4", "", "video", "inline");
const AUDIO: Case = (MediaKind::Audio, "audio/mpeg", "", "audio", "inline");
const VOICE: Case = (
    MediaKind::Voice,
    "audio/ogg; codecs=opus",
    "",
    "audio",
    "inline",
);
const STICKER: Case = (MediaKind::Sticker, "image/webp", "", "sticker", "inline");
const ANIMATION: Case = (MediaKind::Animation, "video/mp4", "", "video", "inline");
const PDF: Case = (
    MediaKind::Document,
    "application/pdf",
    "Preços \"de\" maio.pdf",
    "document",
    "inline; ",
);
const ZIP: Case = (
    MediaKind::Document,
    "application/zip",
    "all.zip",
    "document",
    "attachment; ",
);
const UNNAMED: Case = (
    MediaKind::Document,
    "application/pdf",
    "",
    "document",
    "inline",
);

/// Every kind of file that customers send on a channel is handed out, in whole and in part, as what it is.
async fn hands_out(kind: &'static str, cases: &[Case]) {
    let stage = Stage::open(kind).await;
    let (tenant, sandbox) = (&stage.tenant, &stage.tenant.sandbox);
    for (media, mime_type, name, is, shown) in cases.iter().copied() {
        let file = file::put(sandbox, mime_type, SIZE, name).await;
        let mut sent = InboundMedia::file(media, &file.id);
        sent.filename = Some(name.to_owned()).filter(|name| !name.is_empty());

        let content = file::hears(&stage, sent).await;

        assert_eq!(content["type"], is, "{content}");
        assert_eq!(content["url"], content["mediaUrl"]);
        if media == MediaKind::Voice && ["whatsapp", "telegram"].contains(&kind) {
            assert_eq!(content["voice"], true, "{content}");
        }
        let url = file::url(&content);
        assert!(url.starts_with(tenant.origin()), "{url}");
        let whole = Read::get(tenant, url).await;
        whole.assert_is(&file);
        assert_eq!(whole.header("content-type"), mime_type, "{kind} {is}");
        assert_eq!(whole.header("content-length"), SIZE.to_string());
        assert_eq!(whole.header("accept-ranges"), "bytes");
        assert_eq!(whole.header("x-content-type-options"), "nosniff");
        let disposition = whole.header("content-disposition");
        if content["filename"].is_string() && !name.is_empty() {
            assert_eq!(content["filename"], name);
            let ending = name.rsplit(' ').next().expect("a word");
            let is_named = disposition.starts_with(shown) && disposition.ends_with(ending);
            assert!(is_named, "{kind} {name}: {disposition}");
        } else {
            let bare = shown.trim_end_matches("; ");
            assert!(
                disposition.starts_with(bare),
                "{kind} {name}: {disposition}"
            );
        }
        for (range, first, end) in [
            ("bytes=100-299", 100, 300),
            ("bytes=8990-", 8_990, 9_000),
            ("bytes=-10", 8_990, 9_000),
            ("bytes=8990-20000", 8_990, 9_000),
        ] {
            let part = Read::part(tenant, url, range).await;
            assert_eq!(part.status, 206, "{kind} {is} {range}");
            assert!(
                part.bytes == whole.bytes[first..end],
                "{kind} {is} {range}: {} bytes",
                part.size
            );
            let told = format!("bytes {first}-{}/{SIZE}", end - 1);
            assert_eq!(part.header("content-range"), told, "{kind} {is} {range}");
        }
        let beyond = Read::part(tenant, url, "bytes=9000-").await;
        assert_eq!(beyond.status, 416, "{kind} {is}");
        assert_eq!(beyond.header("content-range"), format!("bytes */{SIZE}"));
    }
    nobody_was_told(sandbox);
}

#[test]
fn what_customers_send_on_whatsapp_is_handed_out() {
    run(hands_out(
        "whatsapp",
        &[IMAGE, VIDEO, AUDIO, VOICE, STICKER, PDF, ZIP],
    ));
}

#[test]
fn what_customers_send_on_messenger_is_handed_out() {
    run(hands_out(
        "messenger",
        &[IMAGE, VIDEO, AUDIO, VOICE, STICKER, UNNAMED],
    ));
}

#[test]
fn what_customers_send_on_instagram_is_handed_out() {
    run(hands_out("instagram", &[IMAGE, VIDEO, AUDIO, UNNAMED]));
}

#[test]
fn what_customers_send_on_telegram_is_handed_out() {
    run(hands_out(
        "telegram",
        &[IMAGE, VIDEO, AUDIO, VOICE, STICKER, ANIMATION, PDF, ZIP],
    ));
}

#[test]
fn what_customers_send_by_mms_is_handed_out() {
    run(hands_out("sms", &[IMAGE, VIDEO, AUDIO, UNNAMED]));
}

#[test]
fn a_file_outlives_its_address_and_its_provider_is_asked_no_more() {
    run(async {
        for kind in ["whatsapp", "messenger", "instagram", "telegram", "sms"] {
            let stage = Stage::open(kind).await;
            let sandbox = &stage.tenant.sandbox;
            let file = file::put(sandbox, "image/jpeg", SIZE, "").await;
            let sent = InboundMedia::file(MediaKind::Image, &file.id);
            let content = file::hears(&stage, sent).await;
            let url = file::url(&content);
            file::is_copied(&stage, url, &file).await;
            let known = file::known_as(sandbox, &file);
            let asked = file::fetches(sandbox, &file, &known).len();
            assert!(!known.is_empty() && asked > 0, "{kind}");
            for id in &known {
                assert!(sandbox.expire_media(id, Expiry::Media), "{kind}");
            }

            let whole = Read::get(&stage.tenant, url).await;
            let part = Read::part(&stage.tenant, url, "bytes=0-9").await;

            whole.assert_is(&file);
            assert_eq!(whole.header("content-type"), "image/jpeg", "{kind}");
            assert_eq!((part.status, part.size), (206, 10), "{kind}");
            let after = file::fetches(sandbox, &file, &known);
            assert_eq!(after.len(), asked, "{kind}: {after:#?}");
        }
    });
}

#[test]
fn a_customers_file_is_for_its_workspace_only() {
    run(async {
        let stage = Stage::open("whatsapp").await;
        let tenant = &stage.tenant;
        let file = file::put(&tenant.sandbox, "application/pdf", SIZE, "a.pdf").await;
        let sent = InboundMedia::file(MediaKind::Document, &file.id);
        let content = file::hears(&stage, sent).await;
        let url = file::url(&content);
        let other = Tenant::new().await;
        let gateway = Gateway::shared().await;
        let scopes = serde_json::json!({"name": "Sender", "scopes": ["messaging:messages:send"]});
        let sender = tenant.with_key(gateway, &scopes).await;

        let without = tenant.without_token().get(url).await;
        let forged = tenant.with_token("pb_nothing").get(url).await;
        let theirs = other.get(url).await;
        let narrow = sender.get(url).await;
        let in_query = format!("{url}?key={}", tenant.key);
        let in_query = tenant.without_token().get(&in_query).await;
        let removed = Reply::of(tenant.request(Method::DELETE, url)).await;

        assert_eq!((without.status, forged.status), (401, 401));
        theirs.assert_problem(404, "not_found");
        narrow.assert_problem(403, "missing_scope");
        assert_eq!(in_query.status, 401);
        assert!(removed.status == 404 || removed.status == 405);
        for refused in [without, forged, theirs, narrow, in_query] {
            assert!(!refused.text.contains("%PDF"), "{}", refused.text);
        }
        Read::get(tenant, url).await.assert_is(&file);
    });
}
