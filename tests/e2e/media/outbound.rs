//! Files handed over to the providers, and files that clients put here first.

use patchbay_sandbox::{FetchFilter, ProviderMedia, StoredFile};
use reqwest::Method;
use serde_json::{Value, json};

use super::egress::nobody_was_told;
use super::file::{self, Read};
use crate::content::stage::Stage;
use crate::harness::{Api, Reply, Tenant, run, unique};

const SIZE: u64 = 9_000;

/// The body that hands over a file.
pub fn handed_over(stage: &Stage, content: &Value) -> Value {
    let mut body = stage.body(content);
    body["media"] = json!("upload");
    body
}

/// Sends a message and waits until the provider has it.
pub async fn arrives(stage: &Stage, body: &Value) -> Value {
    let sent = stage.tenant.post("/v1/messages", body).await.expect(202);
    stage.arrived(sent["id"].as_str().expect("an id")).await
}

/// What the provider was handed over of a file by a stage's channel.
pub fn held(stage: &Stage, sha256: &str) -> Vec<ProviderMedia> {
    let mut media = stage.tenant.sandbox.media();
    media.retain(|media| {
        media.uploaded
            && media.account == stage.channel.account
            && media.sha256.as_deref() == Some(sha256)
    });
    media
}

fn reads(stage: &Stage, file: &StoredFile) -> usize {
    let filter = FetchFilter {
        via: Some("files".to_owned()),
        file: Some(file.id.clone()),
        ..FetchFilter::default()
    };
    stage.tenant.sandbox.fetches(&filter).len()
}

/// Every kind that is handed over on a channel reaches the provider whole, once, however often it is sent.
async fn hands_over(kind: &'static str, cases: &[(&str, &str)]) {
    let stage = Stage::open(kind).await;
    for (is, mime_type) in cases.iter().copied() {
        let file = file::put(&stage.tenant.sandbox, mime_type, SIZE, "").await;
        let content = json!({"type": is, "url": file.url});
        let body = handed_over(&stage, &content);

        let first = arrives(&stage, &body).await;
        let once = held(&stage, &file.sha256);
        let second = arrives(&stage, &body).await;
        let twice = held(&stage, &file.sha256);

        assert_ne!(first["id"], second["id"]);
        assert_ne!(first["providerMessageId"], second["providerMessageId"]);
        assert_eq!((once.len(), twice.len()), (1, 1), "{kind} {is}: {twice:#?}");
        assert_eq!(once[0].size, Some(SIZE), "{kind} {is}");
        assert_eq!(once[0].mime_type, mime_type, "{kind} {is}");
        assert_eq!(reads(&stage, &file), 1, "{kind} {is}");
        // The messages name it by what the provider called it, and not by its address.
        let calls = stage.calls();
        let last = calls.last().expect("a call");
        let last = last.request.to_string();
        assert!(!last.contains(&file.url), "{kind} {is}: {last}");
        assert!(last.contains(&once[0].id), "{kind} {is}: {last}");
    }
    let outbound = stage.phone().messages;
    let shown = outbound.iter().filter(|shown| shown.kind != "text").count();
    assert_eq!(shown, 2 * cases.len(), "{outbound:#?}");
    nobody_was_told(&stage.tenant.sandbox);
}

#[test]
fn files_are_handed_over_to_whatsapp_once() {
    run(hands_over(
        "whatsapp",
        &[
            ("image", "image/png"),
            ("video", "video/mp4"),
            ("audio", "audio/mpeg"),
            ("document", "application/pdf"),
            ("sticker", "image/webp"),
        ],
    ));
}

#[test]
fn files_are_handed_over_to_messenger_once() {
    run(hands_over(
        "messenger",
        &[
            ("image", "image/jpeg"),
            ("video", "video/mp4"),
            ("audio", "audio/mpeg"),
            ("document", "application/pdf"),
        ],
    ));
}

#[test]
fn files_are_handed_over_to_instagram_once() {
    run(hands_over("instagram", &[("image", "image/jpeg")]));
}

#[test]
fn files_are_handed_over_to_telegram_once() {
    run(hands_over(
        "telegram",
        &[
            ("image", "image/jpeg"),
            ("video", "video/mp4"),
            ("audio", "audio/mpeg"),
            ("document", "application/pdf"),
            ("sticker", "image/webp"),
        ],
    ));
}

/// The bytes of a picture that no other test has.
fn picture() -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    bytes.extend(unique().to_be_bytes().repeat(500));
    bytes
}

/// Puts a file here, as it is or in a form.
async fn puts(api: &Api, bytes: &[u8], in_a_form: bool) -> Reply {
    let request = if in_a_form {
        let mut form = b"--edge\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nMine\r\n\
            --edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\
            Content-Type: image/png\r\n\r\n"
            .to_vec();
        form.extend(bytes);
        form.extend(b"\r\n--edge--\r\n");
        let request = api.request(Method::POST, "/v1/media");
        let request = request.header("content-type", "multipart/form-data; boundary=edge");
        request.body(form)
    } else {
        let request = api.request(Method::POST, "/v1/media?filename=a.png");
        request
            .header("content-type", "image/png")
            .body(bytes.to_vec())
    };
    Reply::of(request).await
}

#[test]
fn a_file_that_is_put_here_is_handed_over_or_linked_by_its_id() {
    run(async {
        for kind in ["whatsapp", "messenger", "instagram", "telegram"] {
            for in_a_form in [false, true] {
                let stage = Stage::open(kind).await;
                let bytes = picture();
                let stored = puts(&stage.tenant, &bytes, in_a_form).await.expect(201);
                assert_eq!(stored["mimeType"], "image/png");
                assert_eq!(stored["filename"], "a.png");
                assert_eq!(stored["sizeBytes"], bytes.len());
                let link = stored["url"].as_str().expect("a link");
                let linked = Read::get(&stage.tenant.without_token(), link).await;
                assert_eq!(linked.status, 200);
                assert!(linked.bytes == bytes, "{kind}: {} bytes", linked.size);
                assert_eq!(linked.header("content-type"), "image/png");

                let content = json!({"type": "image", "url": stored["id"]});
                let mut body = handed_over(&stage, &content);
                arrives(&stage, &body).await;
                let held = held(&stage, &linked.sha256);
                body["media"] = json!("link");
                arrives(&stage, &body).await;

                assert_eq!(held.len(), 1, "{kind}");
                assert_eq!(held[0].mime_type, "image/png", "{kind}");
                let calls = stage.calls();
                let last = calls.last().expect("a call").request.to_string();
                assert!(last.contains(link), "{kind}: {last}");
            }
        }
    });
}

#[test]
fn a_file_that_is_put_here_is_for_its_workspace_until_it_is_linked() {
    run(async {
        let tenant = Tenant::new().await;
        let bytes = picture();
        let stored = puts(&tenant, &bytes, false).await.expect(201);
        let path = format!("/v1/media/{}", stored["id"].as_str().expect("an id"));
        let other = Stage::open("telegram").await;

        let own = Read::get(&tenant, &path).await;
        let theirs = other.tenant.get(&path).await;
        let without = puts(&tenant.without_token(), &bytes, false).await;
        let content = json!({"type": "image", "url": stored["id"]});
        let body = handed_over(&other, &content);
        let sent = other.tenant.post("/v1/messages", &body).await;

        assert!(own.status == 200 && own.bytes == bytes);
        theirs.assert_problem(404, "not_found");
        assert_eq!(without.status, 401);
        sent.assert_problem(404, "not_found");
        assert_eq!(sent.pointers(), ["/content/url"]);
        assert_eq!(tenant.without_token().get("/media/guess").await.status, 404);
    });
}
