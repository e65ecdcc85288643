use crate::common::*;
use patchbay_sandbox::{
    Expiry, Fetch, FetchFilter, How, Inbound, InboundMedia, MediaKind, Sandbox,
};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What the webhook told of a file that a person sent.
async fn told(sandbox: &Sandbox, account: &str, from: &str, media: InboundMedia) -> String {
    let played = sandbox.inbound(Inbound::media(account, from, media)).await;
    played.unwrap().body
}

fn via(sandbox: &Sandbox, via: &str) -> Vec<Fetch> {
    sandbox.fetches(&FetchFilter {
        via: Some(via.to_owned()),
        ..FetchFilter::default()
    })
}

fn no_redirects() -> Client {
    Client::builder().redirect(Policy::none()).build().unwrap()
}

/// A number, and the id of an image a person sent to it.
async fn whatsapp(media: InboundMedia) -> (Sandbox, String) {
    let sandbox = sandbox().await;
    sandbox.register_account(number(&sandbox)).unwrap();
    told(&sandbox, NUMBER, PERSON, media).await;
    let id = sandbox.media()[0].id.clone();
    (sandbox, id)
}

fn image() -> InboundMedia {
    InboundMedia::generated(MediaKind::Image, 100_000)
}

async fn with_token(url: &Value, token: &str) -> Response {
    let request = Client::new().get(url.as_str().unwrap()).bearer_auth(token);
    request.send().await.unwrap()
}

#[tokio::test]
async fn whatsapp_media_are_asked_for_by_id_and_read_with_the_same_token() {
    let (sandbox, id) = whatsapp(image()).await;
    let address = format!("{}/{id}?phone_number_id={NUMBER}", sandbox.graph_base());

    let (status, media) = graph_get(&address, TOKEN).await;
    let (_, again) = graph_get(&address, TOKEN).await;

    assert_eq!(status, 200);
    assert_eq!(
        (&media["id"], &media["mime_type"]),
        (&json!(id), &json!("image/jpeg"))
    );
    assert_eq!(media["messaging_product"], "whatsapp");
    // Both are seen in the wild.
    assert_eq!(
        (&media["file_size"], &again["file_size"]),
        (&json!("100000"), &json!(100_000))
    );
    let bytes = with_token(&media["url"], TOKEN).await;
    assert_eq!(bytes.headers()["content-type"], "image/jpeg");
    let bytes = bytes.bytes().await.unwrap();
    assert_eq!(hex::encode(Sha256::digest(&bytes)), media["sha256"]);
    let asked = via(&sandbox, "lookaside");
    assert_eq!(asked[0].headers["authorization"], format!("Bearer {TOKEN}"));
    assert_eq!(
        (asked[0].media.as_ref(), asked[0].bytes),
        (Some(&id), 100_000)
    );
    assert_eq!(via(&sandbox, "graph").len(), 2);
}

#[tokio::test]
async fn whatsapp_media_are_only_for_who_owns_them() {
    let (sandbox, id) = whatsapp(image()).await;
    let address = format!("{}/{id}", sandbox.graph_base());
    let url = graph_get(&address, TOKEN).await.1["url"].clone();

    let (status, refusal) = graph_get(&address, "other").await;
    let foreign = graph_get(&format!("{address}?phone_number_id=1"), TOKEN).await;

    assert_eq!((status, code_of(&refusal)), (401, (190, None)));
    assert_eq!((foreign.0, code_of(&foreign.1)), (400, (100, Some(33))));
    for token in ["other", ""] {
        let page = with_token(&url, token).await;
        assert_eq!(page.status(), 401);
        assert!(page.text().await.unwrap().starts_with("<html>"));
    }
    assert_eq!(sandbox.files()[0].bytes, 0);
}

#[tokio::test]
async fn an_address_that_expired_is_asked_for_anew() {
    let (sandbox, id) = whatsapp(image()).await;
    let address = format!("{}/{id}", sandbox.graph_base());
    let url = graph_get(&address, TOKEN).await.1["url"].clone();

    assert!(sandbox.expire_media(&id, Expiry::Url));

    assert_eq!(with_token(&url, TOKEN).await.status(), 404);
    let url = graph_get(&address, TOKEN).await.1["url"].clone();
    assert_eq!(with_token(&url, TOKEN).await.status(), 200);
}

#[tokio::test]
async fn media_that_expired_or_were_deleted_are_gone() {
    let (sandbox, id) = whatsapp(image()).await;
    told(&sandbox, NUMBER, PERSON, image()).await;
    let other = sandbox.media()[1].id.clone();
    let control = format!("{}/sandbox/media/{id}/expire", sandbox.url());
    let expire = Client::new().post(control).json(&json!({"what": "media"}));
    let address = |id: &str| format!("{}/{id}", sandbox.graph_base());

    let expired = expire.send().await.unwrap();
    let delete = Client::new().delete(address(&other)).bearer_auth(TOKEN);
    let deleted: Value = delete.send().await.unwrap().json().await.unwrap();

    assert_eq!(expired.status(), 204);
    assert_eq!(deleted, json!({"success": true}));
    for id in [id, other] {
        let (status, refusal) = graph_get(&address(&id), TOKEN).await;
        assert_eq!((status, code_of(&refusal)), (400, (100, Some(33))));
    }
    assert!(!sandbox.expire_media("none", Expiry::Media));
}

#[tokio::test]
async fn the_network_of_messenger_needs_no_token_and_takes_no_old_address() {
    let sandbox = sandbox().await;
    sandbox.register_account(page(&sandbox)).unwrap();
    let body = told(&sandbox, PAGE, PSID, image()).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    let message = &body["entry"][0]["messaging"][0]["message"];
    let url = message["attachments"][0]["payload"]["url"]
        .as_str()
        .unwrap();

    let read = reqwest::get(url).await.unwrap();
    sandbox.expire_media(&sandbox.media()[0].id, Expiry::Url);
    let late = reqwest::get(url).await.unwrap();

    assert_eq!(read.headers()["content-type"], "image/jpeg");
    assert_eq!(late.status(), 403);
    assert!(
        !via(&sandbox, "cdn")[0]
            .headers
            .contains_key("authorization")
    );
}

/// A bot, and the id of a file a person sent to it.
async fn telegram(size: u64) -> (Sandbox, Value) {
    let sandbox = started_bot().await;
    let media = InboundMedia::generated(MediaKind::Document, size);
    let update = told(&sandbox, BOT, CHAT, media).await;
    let update: Value = serde_json::from_str(&update).unwrap();
    let id = update["message"]["document"]["file_id"].clone();
    (sandbox, id)
}

#[tokio::test]
async fn a_telegram_file_is_located_and_read_with_the_token_in_its_path() {
    let (sandbox, id) = telegram(1000).await;

    let (status, located) = method(&sandbox, "getFile", &json!({"file_id": id})).await;

    assert_eq!(status, 200, "{located}");
    let file = &located["result"];
    assert_eq!((&file["file_id"], &file["file_size"]), (&id, &json!(1000)));
    let path = file["file_path"].as_str().unwrap();
    assert!(
        path.starts_with("documents/file_") && path.ends_with(".pdf"),
        "{path}"
    );
    let url = |token: &str| format!("{}/file/bot{token}/{path}", sandbox.telegram_base());
    let read = reqwest::get(url(BOT)).await.unwrap();
    assert_eq!(read.headers()["content-type"], "application/octet-stream");
    assert_eq!(read.bytes().await.unwrap().len(), 1000);
    assert_eq!(reqwest::get(url("1:wrong")).await.unwrap().status(), 401);
    let asked = via(&sandbox, "telegramFile");
    assert_eq!(asked[0].path, format!("/telegram/file/bot***/{path}"));
    assert!(!format!("{:?}", sandbox.fetches(&FetchFilter::default())).contains("AAsecret"));
    assert_eq!(via(&sandbox, "telegram")[0].media.as_deref(), id.as_str());
}

#[tokio::test]
async fn a_telegram_path_that_expired_is_asked_for_anew() {
    let (sandbox, id) = telegram(1000).await;
    let locate = async || {
        let (_, located) = method(&sandbox, "getFile", &json!({"file_id": id})).await;
        let path = located["result"]["file_path"].as_str().unwrap().to_owned();
        format!("{}/file/bot{BOT}/{path}", sandbox.telegram_base())
    };
    let url = locate().await;

    sandbox.expire_media(id.as_str().unwrap(), Expiry::Url);

    assert_eq!(reqwest::get(&url).await.unwrap().status(), 404);
    assert_eq!(locate().await, url);
    assert_eq!(reqwest::get(&url).await.unwrap().status(), 200);
}

#[tokio::test]
async fn telegram_does_not_locate_what_is_unknown_or_too_big() {
    let (sandbox, big) = telegram(20 * 1024 * 1024 + 1).await;
    let unknown = json!("BQACAgIAAxkBAAIBQ2JK");

    for (id, why) in [
        (big, "file is too big"),
        (
            unknown,
            "wrong file_id or the file is temporarily unavailable",
        ),
    ] {
        let (status, body) = method(&sandbox, "getFile", &json!({"file_id": id})).await;
        assert_eq!(status, 400);
        assert_eq!(body["description"], format!("Bad Request: {why}"));
    }
}

/// A number, and the address of an image a person sent to it.
async fn twilio(media: InboundMedia) -> (Sandbox, String) {
    let sandbox = sandbox().await;
    sandbox.register_account(sms(&sandbox)).unwrap();
    let body = told(&sandbox, SMS_NUMBER, SMS_PERSON, media).await;
    let mut fields = form_urlencoded::parse(body.as_bytes());
    let url = fields.find(|(name, _)| name == "MediaUrl0");
    (sandbox, url.unwrap().1.into_owned())
}

#[tokio::test]
async fn twilio_sends_who_has_the_token_elsewhere_and_wants_no_token_there() {
    let (sandbox, url) = twilio(image()).await;
    let ask = no_redirects()
        .get(&url)
        .basic_auth(ACCOUNT_SID, Some(AUTH_TOKEN));

    let redirect = ask.send().await.unwrap();

    assert_eq!(redirect.status(), 307);
    let elsewhere = redirect.headers()["location"].to_str().unwrap();
    assert!(elsewhere.contains("/twilio-cdn/"));
    let careless = Client::new()
        .get(elsewhere)
        .basic_auth(ACCOUNT_SID, Some(AUTH_TOKEN));
    assert_eq!(careless.send().await.unwrap().status(), 400);
    let read = reqwest::get(elsewhere).await.unwrap();
    assert_eq!(read.headers()["content-type"], "image/jpeg");
    assert_eq!(read.bytes().await.unwrap().len(), 100_000);
    let asked = via(&sandbox, "twilioCdn");
    let had_token = asked
        .iter()
        .map(|fetch| fetch.headers.contains_key("authorization"));
    assert_eq!(had_token.collect::<Vec<_>>(), [true, false]);
    let media = &sandbox.media()[0].id;
    assert!(
        asked
            .iter()
            .all(|fetch| fetch.media.as_ref() == Some(media))
    );
}

#[tokio::test]
async fn twilio_media_are_only_for_who_has_the_token_and_knows_the_message() {
    let (sandbox, url) = twilio(image()).await;
    let ask = async |url: &str, token| {
        let request = no_redirects().get(url).basic_auth(ACCOUNT_SID, Some(token));
        request.send().await.unwrap().status().as_u16()
    };

    assert_eq!(no_redirects().get(&url).send().await.unwrap().status(), 401);
    assert_eq!(ask(&url, "wrong").await, 401);
    assert_eq!(ask(&url.replace("/MM", "/MMff"), AUTH_TOKEN).await, 404);
    let headers = &via(&sandbox, "twilio")[0].headers;
    assert!(!headers.contains_key("authorization"));
    let stale = format!("{}/twilio-cdn/{ACCOUNT_SID}/ME1?Signature=1", sandbox.url());
    assert_eq!(reqwest::get(stale).await.unwrap().status(), 403);
}

#[tokio::test]
async fn a_providers_own_host_may_misbehave_too() {
    let mut media = image();
    media.hostile = Some(How::HtmlAsImage);
    let (sandbox, id) = whatsapp(media).await;
    let address = format!("{}/{id}", sandbox.graph_base());
    let url = graph_get(&address, TOKEN).await.1["url"].clone();

    let page = with_token(&url, TOKEN).await.text().await.unwrap();

    assert!(page.starts_with("<!doctype html>"));
    assert_eq!(sandbox.hostile()[0].requests, 1);
}
