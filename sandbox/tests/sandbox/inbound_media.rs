use crate::common::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use patchbay_sandbox::{Error, Inbound, InboundMedia, MediaKind, NewFile, Played, Sandbox};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

async fn sandbox_of_all() -> Sandbox {
    let sandbox = sandbox().await;
    sandbox.register_account(number(&sandbox)).unwrap();
    sandbox.register_account(page(&sandbox)).unwrap();
    sandbox.register_account(professional(&sandbox)).unwrap();
    sandbox.register_account(bot(&sandbox)).unwrap();
    sandbox.register_account(sms(&sandbox)).unwrap();
    sandbox
}

async fn send(sandbox: &Sandbox, account: &str, from: &str, media: InboundMedia) -> Played {
    let inbound = Inbound::media(account, from, media);
    let played = sandbox.inbound(inbound).await.unwrap();
    assert_eq!(played.callback_status, Some(200));
    played
}

/// The one message of a WhatsApp webhook.
async fn whatsapp(sandbox: &Sandbox, media: InboundMedia) -> Value {
    let played = send(sandbox, NUMBER, PERSON, media).await;
    let body: Value = serde_json::from_str(&played.body).unwrap();
    body["entry"][0]["changes"][0]["value"]["messages"][0].clone()
}

async fn telegram(sandbox: &Sandbox, media: InboundMedia) -> Value {
    let played = send(sandbox, BOT, CHAT, media).await;
    let body: Value = serde_json::from_str(&played.body).unwrap();
    body["message"].clone()
}

async fn attachments(sandbox: &Sandbox, account: &str, media: InboundMedia) -> Value {
    let played = send(sandbox, account, PSID, media).await;
    let body: Value = serde_json::from_str(&played.body).unwrap();
    body["entry"][0]["messaging"][0]["message"].clone()
}

fn keys(value: &Value) -> Vec<&str> {
    let object = value.as_object().unwrap();
    object.keys().map(String::as_str).collect()
}

#[tokio::test]
async fn whatsapp_tells_of_each_kind_of_file_in_its_own_way() {
    let sandbox = sandbox_of_all().await;
    let cases = [
        (
            MediaKind::Image,
            "image",
            "image/jpeg",
            &["caption", "id", "mime_type", "sha256"][..],
        ),
        (
            MediaKind::Video,
            "video",
            "video/mp4",
            &["caption", "id", "mime_type", "sha256"],
        ),
        (
            MediaKind::Audio,
            "audio",
            "audio/mpeg",
            &["id", "mime_type", "sha256", "voice"],
        ),
        (
            MediaKind::Voice,
            "audio",
            "audio/ogg; codecs=opus",
            &["id", "mime_type", "sha256", "voice"],
        ),
        (
            MediaKind::Document,
            "document",
            "application/pdf",
            &["caption", "filename", "id", "mime_type", "sha256"],
        ),
        (
            MediaKind::Sticker,
            "sticker",
            "image/webp",
            &["animated", "id", "mime_type", "sha256"],
        ),
    ];

    for (kind, word, mime_type, fields) in cases {
        let media = InboundMedia::bytes(kind, "bytes")
            .caption("Look")
            .named("a.pdf");
        let message = whatsapp(&sandbox, media).await;
        assert_eq!(message["type"], word);
        assert_eq!(message[word]["mime_type"], mime_type);
        assert_eq!(
            message[word]["sha256"],
            STANDARD.encode(Sha256::digest("bytes"))
        );
        assert_eq!(keys(&message[word]), fields, "{message}");
        assert_eq!(message["audio"]["voice"] == true, kind == MediaKind::Voice);
    }
}

#[tokio::test]
async fn whatsapp_tells_the_address_and_the_movement_if_it_is_so() {
    let sandbox = sandbox_of_all().await;
    let mut moving = b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\x02".to_vec();
    moving.extend([0; 20]);
    let mut media = InboundMedia::bytes(MediaKind::Sticker, moving);
    media.with_url = true;

    let message = whatsapp(&sandbox, media).await;

    assert_eq!(message["sticker"]["animated"], true);
    let url = message["sticker"]["url"].as_str().unwrap();
    assert!(url.starts_with(&format!("{}/lookaside/", sandbox.url())));
    assert_eq!(reqwest::get(url).await.unwrap().status(), 401);
}

#[tokio::test]
async fn messenger_and_instagram_give_the_address_of_each_file() {
    let sandbox = sandbox_of_all().await;
    let cases = [
        (PAGE, MediaKind::Image, "image", ".jpg?"),
        (PAGE, MediaKind::Document, "file", ".pdf?"),
        (PAGE, MediaKind::Sticker, "sticker", ".webp?"),
        (PROFESSIONAL, MediaKind::Video, "video", ".mp4?"),
        (PROFESSIONAL, MediaKind::Voice, "audio", ".ogg?"),
    ];

    for (account, kind, word, end) in cases {
        let message = attachments(&sandbox, account, InboundMedia::generated(kind, 900)).await;
        let attachment = &message["attachments"][0];
        assert_eq!(attachment["type"], word);
        assert_eq!(
            attachment["payload"]["sticker_id"].is_u64(),
            word == "sticker"
        );
        assert_eq!(message.get("text"), None);
        let url = attachment["payload"]["url"].as_str().unwrap();
        assert!(url.contains("/cdn/") && url.contains(end), "{url}");
        let bytes = reqwest::get(url).await.unwrap().bytes().await.unwrap();
        assert_eq!(bytes.len(), 900);
    }
}

#[tokio::test]
async fn several_files_and_a_text_come_in_one_message_where_that_happens() {
    let sandbox = sandbox_of_all().await;
    let mut inbound = Inbound::new(PAGE, PSID, "Two");
    let image = InboundMedia::generated(MediaKind::Image, 10);
    inbound.media = vec![image.clone(), image.clone()];

    let played = sandbox.inbound(inbound.clone()).await.unwrap();

    let body: Value = serde_json::from_str(&played.body).unwrap();
    let message = &body["entry"][0]["messaging"][0]["message"];
    assert_eq!(message["text"], "Two");
    assert_eq!(message["attachments"].as_array().unwrap().len(), 2);
    inbound.account = NUMBER.to_owned();
    let refused = sandbox.inbound(inbound).await.unwrap_err();
    assert_eq!(refused, Error::NotWithThisProvider);
}

#[tokio::test]
async fn a_photo_at_telegram_comes_in_several_sizes_the_largest_last() {
    let sandbox = sandbox_of_all().await;
    let photo = InboundMedia::generated(MediaKind::Image, 100_000).caption("Look");

    let message = telegram(&sandbox, photo).await;

    assert_eq!(message["caption"], "Look");
    let sizes = message["photo"].as_array().unwrap();
    let figures = sizes
        .iter()
        .map(|size| (&size["width"], &size["file_size"]));
    let figures: Vec<_> = figures
        .map(|(width, size)| (width.as_u64(), size.as_u64()))
        .collect();
    assert_eq!(
        figures,
        [
            (Some(90), Some(4_000)),
            (Some(320), Some(25_000)),
            (Some(1280), Some(100_000))
        ]
    );
    assert_ne!(sizes[0]["file_id"], sizes[2]["file_id"]);
}

#[tokio::test]
async fn telegram_tells_of_each_kind_of_file_in_its_own_way() {
    let sandbox = sandbox_of_all().await;
    let common = ["file_id", "file_size", "file_unique_id"];
    let cases = [
        (
            MediaKind::Video,
            "video",
            &["duration", "file_name", "height", "mime_type", "width"][..],
        ),
        (
            MediaKind::Audio,
            "audio",
            &["duration", "file_name", "mime_type"],
        ),
        (MediaKind::Voice, "voice", &["duration", "mime_type"]),
        (MediaKind::Document, "document", &["file_name", "mime_type"]),
        (
            MediaKind::Animation,
            "animation",
            &["duration", "file_name", "height", "mime_type", "width"],
        ),
        (
            MediaKind::Sticker,
            "sticker",
            &[
                "emoji",
                "height",
                "is_animated",
                "is_video",
                "type",
                "width",
            ],
        ),
    ];

    for (kind, word, fields) in cases {
        let media = InboundMedia::generated(kind, 50).named("a.bin");
        let message = telegram(&sandbox, media).await;
        let mut expected = [&common, fields].concat();
        expected.sort_unstable();
        assert_eq!(keys(&message[word]), expected, "{message}");
        assert_eq!(message[word]["file_size"], 50);
        if kind == MediaKind::Animation {
            assert_eq!(message["document"]["file_id"], message[word]["file_id"]);
        }
    }
}

#[tokio::test]
async fn twilio_counts_the_files_and_gives_the_address_and_type_of_each() {
    let sandbox = sandbox_of_all().await;
    let mut inbound = Inbound::new(SMS_NUMBER, SMS_PERSON, "Two");
    inbound.media = vec![
        InboundMedia::generated(MediaKind::Image, 10).mime_type("image/png"),
        InboundMedia::generated(MediaKind::Image, 20),
    ];

    let played = sandbox.inbound(inbound).await.unwrap();

    let form: std::collections::BTreeMap<_, _> = form_urlencoded::parse(played.body.as_bytes())
        .into_owned()
        .collect();
    assert_eq!(
        (form["NumMedia"].as_str(), form["Body"].as_str()),
        ("2", "Two")
    );
    assert_eq!(form["MediaContentType0"], "image/png");
    assert_eq!(form["MediaContentType1"], "image/jpeg");
    let sid = &form["MessageSid"];
    assert!(sid.starts_with("MM"));
    let prefix = format!(
        "{}/2010-04-01/Accounts/{ACCOUNT_SID}/Messages/{sid}/Media/ME",
        sandbox.twilio_base()
    );
    assert!(form["MediaUrl1"].starts_with(&prefix));
}

#[tokio::test]
async fn a_file_that_was_put_is_sent_by_its_id_over_http_and_shows_on_the_phone() {
    let sandbox = sandbox_of_all().await;
    let file = NewFile::generated("application/pdf", 1234).named("bill.pdf");
    let file = sandbox.put_file(file).await.unwrap();
    let control = format!("{}/sandbox/inbound", sandbox.url());
    let media = json!({"type": "document", "fileId": file.id, "caption": "Bill"});
    let body = json!({"account": NUMBER, "from": PERSON, "media": media});

    let (status, _) = graph(&control, "", &body).await;

    assert_eq!(status, 200);
    let message = &hooks(&sandbox, 1).await[0]["entry"][0]["changes"][0]["value"]["messages"][0];
    assert_eq!(message["document"]["filename"], "bill.pdf");
    let phone = sandbox.phone(NUMBER, PERSON).unwrap();
    let shown = &phone.messages.back().unwrap();
    assert_eq!(shown.text, format!("bill.pdf\n{}\nBill", file.url));
    let kept = &sandbox.media()[0];
    assert_eq!((&kept.sha256, kept.uploaded), (&Some(file.sha256), false));
}

#[tokio::test]
async fn what_a_provider_does_not_have_is_not_played() {
    let sandbox = sandbox_of_all().await;
    let play = async |account: &str, from: &str, media: InboundMedia| {
        sandbox.inbound(Inbound::media(account, from, media)).await
    };
    let animation = || InboundMedia::generated(MediaKind::Animation, 1);
    let sticker = InboundMedia::generated(MediaKind::Sticker, 1);
    let unknown = InboundMedia::file(MediaKind::Image, "none");

    let refused = [
        play(NUMBER, PERSON, animation()).await,
        play(PAGE, PSID, animation()).await,
        play(PROFESSIONAL, PSID, sticker).await,
    ];

    for result in refused {
        assert_eq!(result.unwrap_err(), Error::NotWithThisProvider);
    }
    let unknown = play(NUMBER, PERSON, unknown).await.unwrap_err();
    assert_eq!(unknown, Error::UnknownFile("none".to_owned()));
    let nothing = sandbox.inbound(Inbound::new(NUMBER, PERSON, "")).await;
    assert!(matches!(nothing, Err(Error::Invalid(_))));
}
