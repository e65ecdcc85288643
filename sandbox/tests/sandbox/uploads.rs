use crate::common::*;
use crate::form::Form;
use patchbay_sandbox::{CallFilter, Expiry, Fault, FaultMode, Inbound, Sandbox};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nthe rest";

fn to_whatsapp(kind: &str, bytes: &[u8]) -> Form {
    let form = Form::new().text("messaging_product", "whatsapp");
    form.text("type", kind).file("file", "a.png", kind, bytes)
}

async fn upload(sandbox: &Sandbox, form: Form) -> (u16, Value) {
    let url = format!("{}/{NUMBER}/media", sandbox.graph_base());
    form.post(&url, Some(TOKEN)).await
}

fn by_id(kind: &str, id: &Value) -> Value {
    json!({"messaging_product": "whatsapp", "to": PERSON, "type": kind, kind: {"id": id}})
}

#[tokio::test]
async fn what_was_uploaded_to_whatsapp_is_sent_by_its_id() {
    let sandbox = open_window().await;

    let (status, uploaded) = upload(&sandbox, to_whatsapp("image/png", PNG)).await;

    assert_eq!(status, 200, "{uploaded}");
    let sent = answer(&sandbox, &by_id("image", &uploaded["id"])).await;
    assert_eq!(sent.0, 200, "{}", sent.1);
    let kept = &sandbox.media()[0];
    assert_eq!(
        (kept.uploaded, kept.mime_type.as_str()),
        (true, "image/png")
    );
    assert_eq!(kept.sha256, Some(hex::encode(Sha256::digest(PNG))));
    let file = sandbox.file(kept.file.as_ref().unwrap()).unwrap();
    assert!(file.uploaded);
    assert_eq!(
        reqwest::get(file.url).await.unwrap().bytes().await.unwrap(),
        PNG
    );
    let calls = sandbox.calls(&CallFilter::default());
    assert_eq!(
        (calls[0].kind.as_deref(), calls[0].outcome),
        (Some("media"), "done")
    );
    assert_eq!(calls[0].request["file"]["size"], 16);
    assert_eq!(sandbox.accepted_count(), 1);
}

#[tokio::test]
async fn whatsapp_sends_by_id_only_what_the_number_uploaded_and_what_is_still_there() {
    let sandbox = open_window().await;
    let (_, uploaded) = upload(&sandbox, to_whatsapp("image/png", PNG)).await;
    let id = &uploaded["id"];
    let header = json!({"type": "image", "image": {"id": "1"}});
    let buttons = json!({"buttons": [{"type": "reply", "reply": {"id": "y", "title": "Yes"}}]});
    let with_header = json!({
        "messaging_product": "whatsapp", "to": PERSON, "type": "interactive",
        "interactive": {"type": "button", "header": header, "body": {"text": "?"}, "action": buttons},
    });

    let unknown = answer(&sandbox, &by_id("image", &json!("1166846181421424"))).await;
    let in_header = answer(&sandbox, &with_header).await;
    sandbox.expire_media(id.as_str().unwrap(), Expiry::Media);
    let expired = answer(&sandbox, &by_id("image", id)).await;

    for (status, refusal) in [unknown, in_header, expired] {
        assert_eq!((status, code_of(&refusal).0), (400, 131_009), "{refusal}");
    }
}

#[tokio::test]
async fn a_file_that_is_not_what_the_message_says_is_reported_as_failed() {
    let sandbox = open_window().await;
    let (_, uploaded) = upload(&sandbox, to_whatsapp("image/png", PNG)).await;

    let (status, _) = answer(&sandbox, &by_id("video", &uploaded["id"])).await;

    assert_eq!(status, 200);
    let report = &hooks(&sandbox, 1).await[0]["entry"][0]["changes"][0]["value"]["statuses"][0];
    assert_eq!(report["status"], "failed");
    assert_eq!(report["errors"][0]["code"], 131_053);
}

#[tokio::test]
async fn whatsapp_refuses_an_upload_that_breaks_its_rules() {
    let sandbox = open_window().await;
    let product = || Form::new().text("messaging_product", "whatsapp");
    let long = vec![0; 5 * 1024 * 1024 + 1];
    let still = vec![0; 100 * 1024 + 1];
    let cases = [
        (
            Form::new()
                .text("type", "image/png")
                .file("file", "a", "image/png", PNG),
            100,
        ),
        (product().file("file", "a", "image/png", PNG), 100),
        (product().text("type", "image/png"), 100),
        (
            product()
                .text("type", "image/png")
                .file("file", "a", "image/jpeg", PNG),
            100,
        ),
        (
            product()
                .text("type", "image/png")
                .file("picture", "a", "image/png", PNG),
            100,
        ),
        (to_whatsapp("image/svg+xml", b"<svg/>"), 100),
        (to_whatsapp("image/gif", b"GIF89a"), 100),
        (to_whatsapp("application/octet-stream", PNG), 100),
        (to_whatsapp("image/png", b""), 131_053),
        (to_whatsapp("image/jpeg", &long), 131_053),
        (to_whatsapp("image/webp", &still), 131_053),
    ];

    for (index, (form, code)) in cases.into_iter().enumerate() {
        let (status, refusal) = upload(&sandbox, form).await;
        assert_eq!(
            (status, code_of(&refusal).0),
            (400, code),
            "{index} {refusal}"
        );
    }
    assert!(sandbox.media().is_empty() && sandbox.files().is_empty());
    let url = format!("{}/{NUMBER}/media", sandbox.graph_base());
    let stranger = to_whatsapp("image/jpeg", &long)
        .post(&url, Some("other"))
        .await;
    assert_eq!((stranger.0, code_of(&stranger.1)), (401, (190, None)));
    let (status, not_a_form) = graph(&url, TOKEN, &json!({"messaging_product": "whatsapp"})).await;
    assert_eq!((status, code_of(&not_a_form).0), (400, 100));
}

#[tokio::test]
async fn a_long_upload_is_kept_whole() {
    let sandbox = open_window().await;
    let bytes: Vec<u8> = (0..15_000_000_u32).map(|n| (n % 253) as u8).collect();

    let (status, _) = upload(&sandbox, to_whatsapp("video/mp4", &bytes)).await;

    assert_eq!(status, 200);
    let file = &sandbox.files()[0];
    assert_eq!(file.size, 15_000_000);
    assert_eq!(file.sha256, hex::encode(Sha256::digest(&bytes)));
}

fn attachment(kind: &str) -> String {
    json!({"attachment": {"type": kind, "payload": {"is_reusable": true}}}).to_string()
}

async fn attach(sandbox: &Sandbox, account: &str, form: Form) -> (u16, Value) {
    let url = format!("{}/{account}/message_attachments", sandbox.graph_base());
    form.post(&url, Some(TOKEN)).await
}

async fn pages() -> Sandbox {
    let sandbox = sandbox().await;
    sandbox.register_account(page(&sandbox)).unwrap();
    sandbox.register_account(professional(&sandbox)).unwrap();
    for account in [PAGE, PROFESSIONAL] {
        sandbox
            .inbound(Inbound::new(account, PSID, "Hi"))
            .await
            .unwrap();
    }
    sandbox
}

#[tokio::test]
async fn an_attachment_is_uploaded_or_linked_and_sent_by_its_id() {
    let sandbox = pages().await;
    let message = |id: &Value| {
        json!({
            "recipient": {"id": PSID}, "messaging_type": "RESPONSE",
            "message": {"attachment": {"type": "image", "payload": {"attachment_id": id}}},
        })
    };
    for account in [PAGE, PROFESSIONAL] {
        let base = format!("{}/{account}", sandbox.graph_base());
        let form = Form::new().text("message", &attachment("image")).file(
            "filedata",
            "a.png",
            "image/png",
            PNG,
        );
        let payload = json!({"url": "https://a.example/b.png", "is_reusable": true});
        let link = json!({"message": {"attachment": {"type": "image", "payload": payload}}});

        let uploaded = attach(&sandbox, account, form).await;
        let linked = graph(&format!("{base}/message_attachments"), TOKEN, &link).await;

        for (status, answered) in [uploaded, linked] {
            assert_eq!(status, 200, "{answered}");
            let message = message(&answered["attachment_id"]);
            let sent = graph(&format!("{base}/messages"), TOKEN, &message).await;
            assert_eq!(sent.0, 200, "{}", sent.1);
        }
        let foreign = graph(&format!("{base}/messages"), TOKEN, &message(&json!("1"))).await;
        assert_eq!((foreign.0, code_of(&foreign.1).0), (400, 100));
    }
    assert_eq!(
        sandbox.media()[0].sha256,
        Some(hex::encode(Sha256::digest(PNG)))
    );
    assert_eq!(sandbox.media()[1].sha256, None);
}

#[tokio::test]
async fn an_attachment_must_be_what_it_says_and_not_too_long() {
    let sandbox = pages().await;
    let form = |kind: &str, own: &str, bytes: &[u8]| {
        let form = Form::new().text("message", &attachment(kind));
        form.file("filedata", "a", own, bytes)
    };
    let long = vec![0; 8 * 1024 * 1024 + 1];
    let cases = [
        (PAGE, form("image", "video/mp4", PNG), 100),
        (PAGE, form("image", "image/png", b""), 100),
        (PAGE, form("image", "image/png", &long), 36_000),
        (PAGE, form("sticker", "image/png", PNG), 100),
        (PAGE, Form::new().text("message", &attachment("image")), 100),
        (
            PAGE,
            Form::new().file("filedata", "a", "image/png", PNG),
            100,
        ),
        (PROFESSIONAL, form("video", "video/mp4", PNG), 100),
        (PROFESSIONAL, form("image", "image/webp", PNG), 100),
    ];

    for (index, (account, form, code)) in cases.into_iter().enumerate() {
        let (status, refusal) = attach(&sandbox, account, form).await;
        assert_eq!(
            (status, code_of(&refusal).0),
            (400, code),
            "{index} {refusal}"
        );
    }
    assert!(sandbox.media().is_empty());
}

async fn to_telegram(sandbox: &Sandbox, name: &str, form: Form) -> (u16, Value) {
    let url = format!("{}/bot{BOT}/{name}", sandbox.telegram_base());
    form.text("chat_id", CHAT).post(&url, None).await
}

#[tokio::test]
async fn a_file_goes_to_telegram_in_the_form_and_again_by_its_id() {
    let sandbox = started_bot().await;
    let cases = [
        ("sendPhoto", "photo", "/photo/0"),
        ("sendDocument", "document", "/document"),
        ("sendVideo", "video", "/video"),
        ("sendAudio", "audio", "/audio"),
        ("sendVoice", "voice", "/voice"),
        ("sendAnimation", "animation", "/animation"),
        ("sendSticker", "sticker", "/sticker"),
    ];

    for (name, kind, place) in cases {
        let form = Form::new().file(kind, "a.png", "image/png", PNG);
        let (status, sent) = to_telegram(&sandbox, name, form).await;
        assert_eq!(status, 200, "{name} {sent}");
        let file = sent["result"].pointer(place).unwrap();
        assert_eq!(file["file_size"], 16);
        let again = json!({"chat_id": CHAT, kind: file["file_id"]});
        let (_, again) = method(&sandbox, name, &again).await;
        assert_eq!(again["result"].pointer(place).unwrap(), file);
        let (_, located) = method(&sandbox, "getFile", &json!({"file_id": file["file_id"]})).await;
        assert_eq!(located["result"]["file_unique_id"], file["file_unique_id"]);
    }
    let calls = sandbox.calls(&CallFilter::default());
    assert_eq!(calls[0].request["photo"]["filename"], "a.png");
    assert_eq!(sandbox.files().len(), 7);
}

#[tokio::test]
async fn a_part_of_the_form_may_be_named_by_a_parameter() {
    let sandbox = started_bot().await;
    let form = |name: &str| {
        let form = Form::new()
            .text("document", "attach://it")
            .text("caption", "Bill");
        form.file(name, "a.pdf", "application/pdf", b"%PDF-1.7")
    };

    let (status, sent) = to_telegram(&sandbox, "sendDocument", form("it")).await;
    let (other, _) = to_telegram(&sandbox, "sendDocument", form("other")).await;

    assert_eq!((status, other), (200, 400));
    let document = &sent["result"]["document"];
    assert_eq!(
        (&document["file_name"], &document["mime_type"]),
        (&json!("a.pdf"), &json!("application/pdf"))
    );
    let phone = sandbox.phone("test_bot", CHAT).unwrap();
    assert_eq!(phone.messages.back().unwrap().text, "a.pdf\nBill");
}

#[tokio::test]
async fn telegram_refuses_a_file_that_breaks_its_rules() {
    let sandbox = started_bot().await;
    let mut long = PNG.to_vec();
    long.resize(10 * 1024 * 1024 + 1, 0);
    let cases = [
        (
            "sendPhoto",
            "photo",
            &b"no image"[..],
            "IMAGE_PROCESS_FAILED",
        ),
        ("sendPhoto", "photo", b"", "file must be non-empty"),
        (
            "sendPhoto",
            "photo",
            &long,
            "file of size 10485761 bytes is too big for a photo; the maximum size is 10485760 bytes",
        ),
        ("sendVideo", "photo", PNG, "unknown parameter \"photo\""),
    ];

    for (name, part, bytes, why) in cases {
        let form = Form::new().file(part, "a.png", "image/png", bytes);
        let (status, refusal) = to_telegram(&sandbox, name, form).await;
        assert_eq!(status, 400, "{why}");
        assert_eq!(refusal["description"], format!("Bad Request: {why}"));
    }
    let form = Form::new().file(
        "video",
        "a.mp4",
        "video/mp4",
        &vec![0; 50 * 1024 * 1024 + 1],
    );
    let (status, refusal) = to_telegram(&sandbox, "sendVideo", form).await;
    assert_eq!(
        (status, &refusal["description"]),
        (413, &json!("Request Entity Too Large"))
    );
    assert!(sandbox.files().is_empty());
}

#[tokio::test]
async fn telegram_sends_by_id_only_what_it_has_of_that_kind() {
    let sandbox = started_bot().await;
    let form = Form::new().file("document", "a.png", "image/png", PNG);
    let (_, sent) = to_telegram(&sandbox, "sendDocument", form).await;
    let id = &sent["result"]["document"]["file_id"];
    let unknown = json!("BQACAgIAAxkBAAIBQ2JK");

    for (id, why) in [
        (id, "type of file mismatch"),
        (&unknown, "wrong file identifier/HTTP URL specified"),
    ] {
        let params = json!({"chat_id": CHAT, "photo": id});
        let (status, refusal) = method(&sandbox, "sendPhoto", &params).await;
        assert_eq!(status, 400);
        assert_eq!(refusal["description"], format!("Bad Request: {why}"));
    }
}

#[tokio::test]
async fn a_file_of_a_message_that_is_refused_is_not_kept() {
    let sandbox = started_bot().await;
    sandbox.fault(Fault::new(CHAT, FaultMode::Throttle).times(1));
    let form = Form::new().file("photo", "a.png", "image/png", PNG);

    let (throttled, _) = to_telegram(&sandbox, "sendPhoto", form.clone()).await;
    let kept = sandbox.files().len();
    let (sent, _) = to_telegram(&sandbox, "sendPhoto", form).await;

    assert_eq!((throttled, kept, sent), (429, 0, 200));
    assert_eq!(sandbox.files().len(), 1);
}
