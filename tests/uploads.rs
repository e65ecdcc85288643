//! Files that are handed over to the provider, where a message or its channel says so.

use crate::support::outgoing::{SHOP, pointer};
use crate::support::world::{CUSTOMER, PAGE_ID, messaging_text};
use crate::support::{Answer, World};
use bytes::Bytes;
use http::Request;
use patchbay::gateway::Queue;
use serde_json::{Value, json};

const PERSON: &str = "6543217890123456";
const PNG: &[u8] = b"\x89PNG\r\n\x1A\n and what makes up a picture";

fn the_host_gives(world: &World, status: u16, headers: &[(&'static str, &str)], body: &[u8]) {
    let headers = headers
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()));
    let answer = (
        status,
        headers.collect(),
        Bytes::copy_from_slice(body),
        true,
    );
    world.ports().to_open.borrow_mut().push_back(answer);
}

fn the_provider_answers(world: &World, status: u16, body: Value) {
    let answer = Answer::Http(status, body);
    world.ports().from_provider.borrow_mut().push_back(answer);
}

fn image(from: &str, to: &str) -> Value {
    json!({
        "from": from, "to": to, "media": "upload",
        "content": { "type": "image", "url": "https://files.example.com/a", "caption": "Look" },
    })
}

/// A bot that the person in chat 5 has just written to.
async fn open_telegram(world: &World) -> String {
    let channel = world.telegram().await;
    let update = json!({ "message": {
        "message_id": 1, "date": crate::support::world::START_MS / 1_000, "text": "Hi",
        "chat": { "id": 5, "type": "private" },
    } });
    world.from_telegram(&channel, &update).await.expect(200);
    channel
}

/// The requests that the providers got, oldest first.
fn asked(world: &World) -> Vec<Request<Bytes>> {
    let requests = world.ports().requests.borrow();
    requests.iter().cloned().collect()
}

fn text(request: &Request<Bytes>) -> String {
    String::from_utf8_lossy(request.body()).into_owned()
}

fn body(request: &Request<Bytes>) -> Value {
    serde_json::from_slice(request.body()).expect("JSON")
}

async fn sent(world: &World, message: Value) -> Value {
    let message = world.post("/v1/messages", message).await.expect(202);
    world.drain().await;
    world.now(&message).await
}

#[tokio::test]
async fn whatsapp_gets_the_file_first_and_its_id_again_until_it_forgets_it() {
    let world = World::new().await;
    world.open_whatsapp().await;
    the_host_gives(&world, 200, &[("content-type", "text/plain")], PNG);
    the_provider_answers(&world, 200, json!({ "id": "1013859600285441" }));
    let message = sent(&world, image(SHOP, CUSTOMER)).await;
    assert_eq!(message["status"], "sent");
    let requests = asked(&world);
    assert_eq!(requests.len(), 2);
    let upload = &requests[0];
    assert!(upload.uri().path().ends_with("/media"), "{}", upload.uri());
    let bearer = upload.headers().get("authorization").expect("a token");
    assert!(bearer.to_str().expect("text").starts_with("Bearer "));
    let form = text(upload);
    for part in [
        "name=\"messaging_product\"\r\n\r\nwhatsapp\r\n",
        "name=\"type\"\r\n\r\nimage/png\r\n",
        "name=\"file\"; filename=\"image.png\"\r\nContent-Type: image/png\r\n\r\n",
        " and what makes up a picture\r\n--",
    ] {
        assert!(form.contains(part), "{part}: {form}");
    }
    let expected = json!({ "id": "1013859600285441", "caption": "Look" });
    assert_eq!(body(&requests[1])["image"], expected);

    sent(&world, image(SHOP, CUSTOMER)).await;
    let requests = asked(&world);
    assert_eq!(requests.len(), 3, "nothing is handed over twice");
    assert_eq!(body(&requests[2])["image"], expected);
    assert_eq!(world.ports().opened.borrow().len(), 1);

    world.advance(30 * 24 * 3_600_000);
    world.gateway.sweep().await;
    assert_eq!(world.database().count("SELECT COUNT(*) FROM upload"), 0);
}

#[tokio::test]
async fn messenger_and_instagram_get_the_file_as_an_attachment() {
    let world = World::new().await;
    let messenger = world.messenger().await;
    let payload = messaging_text(
        "page",
        PAGE_ID,
        PERSON,
        "m_in",
        "Hi",
        crate::support::world::START_MS,
    );
    world.from_meta(&messenger, &payload).await.expect(200);
    let page = world.get(&format!("/v1/channels/{messenger}")).await;
    let from = page["identifier"].as_str().expect("an identifier");
    the_host_gives(&world, 200, &[("content-type", "image/png")], PNG);
    the_provider_answers(&world, 200, json!({ "attachment_id": "1857777774821032" }));
    let message = sent(&world, image(from, PERSON)).await;
    assert_eq!(message["status"], "sent");
    let requests = asked(&world);
    assert!(
        requests[0]
            .uri()
            .path()
            .ends_with(&format!("{PAGE_ID}/message_attachments"))
    );
    let form = text(&requests[0]);
    assert!(form.contains("\"is_reusable\":true"), "{form}");
    assert!(form.contains("name=\"filedata\""), "{form}");
    assert_eq!(
        body(&requests[1])["message"]["attachment"],
        json!({ "type": "image", "payload": { "attachment_id": "1857777774821032" } })
    );
}

#[tokio::test]
async fn telegram_gets_the_file_with_the_message_and_then_by_its_id() {
    let world = World::new().await;
    let channel = open_telegram(&world).await;
    the_host_gives(&world, 200, &[("content-type", "image/png")], PNG);
    let photo = json!([{ "file_id": "small" }, { "file_id": "large" }]);
    the_provider_answers(
        &world,
        200,
        json!({ "ok": true, "result": { "message_id": 77, "photo": photo } }),
    );
    let message = sent(&world, image(&channel, "5")).await;
    assert_eq!(message["status"], "sent");
    let requests = asked(&world);
    assert_eq!(requests.len(), 1);
    assert!(requests[0].uri().path().ends_with("/sendPhoto"));
    let form = text(&requests[0]);
    for part in [
        "name=\"chat_id\"\r\n\r\n5\r\n",
        "name=\"caption\"\r\n\r\nLook\r\n",
        "name=\"photo\"; filename=\"image.png\"",
    ] {
        assert!(form.contains(part), "{part}: {form}");
    }
    sent(&world, image(&channel, "5")).await;
    let again = asked(&world);
    assert_eq!(again.len(), 2);
    assert_eq!(body(&again[1])["photo"], "large");
}

#[tokio::test]
async fn a_channel_may_say_that_its_files_are_handed_over_and_a_message_that_its_is_not() {
    let world = World::new().await;
    let channel = world.open_whatsapp().await;
    world
        .patch_channel(&channel, json!({ "settings": { "media": "upload" } }))
        .await;
    the_host_gives(&world, 200, &[("content-type", "image/png")], PNG);
    the_provider_answers(&world, 200, json!({ "id": "1" }));
    let mut message = image(SHOP, CUSTOMER);
    message.as_object_mut().expect("an object").remove("media");
    sent(&world, message.clone()).await;
    assert_eq!(asked(&world).len(), 2);
    message["media"] = json!("link");
    message["content"]["url"] = json!("https://files.example.com/b");
    sent(&world, message.clone()).await;
    let requests = asked(&world);
    assert_eq!(requests.len(), 3);
    assert_eq!(
        body(&requests[2])["image"]["link"],
        "https://files.example.com/b"
    );
    message["media"] = json!("carrier pigeon");
    let problem = world.post("/v1/messages", message).await.expect(422);
    assert_eq!(pointer(&problem), "/media");
    let words = json!({
        "from": SHOP, "to": CUSTOMER, "media": "upload", "content": { "type": "text", "text": "Hi" },
    });
    let problem = world.post("/v1/messages", words).await.expect(422);
    assert_eq!(pointer(&problem), "/media");
}

#[tokio::test]
async fn what_cannot_be_handed_over_fails_and_says_why() {
    let most = (5 * 1024 * 1024 + 1).to_string();
    let html = b"<!doctype html><title>Sign in</title>".as_slice();
    let pdf = b"%PDF-1.7".as_slice();
    for (status, headers, bytes, said) in [
        (200, vec![("content-length", most.as_str())], PNG, "larger"),
        (200, vec![("content-type", "image/png")], html, "a page"),
        (
            200,
            vec![("content-type", "image/png")],
            pdf,
            "application/pdf",
        ),
        (404, vec![], b"".as_slice(), "HTTP 404"),
        (
            301,
            vec![("location", "https://127.0.0.1/a")],
            b"",
            "leads to none",
        ),
    ] {
        let world = World::new().await;
        world.open_whatsapp().await;
        the_host_gives(&world, status, &headers, bytes);
        let message = sent(&world, image(SHOP, CUSTOMER)).await;
        assert_eq!(message["status"], "failed", "{said}");
        assert_eq!(message["error"]["code"], "invalid_request");
        let told = message["error"]["message"].as_str().expect("a message");
        assert!(told.contains(said), "{said}: {told}");
        assert_eq!(asked(&world).len(), 0, "{said}");
    }
}

#[tokio::test]
async fn a_file_whose_length_is_not_told_is_still_not_too_large() {
    let world = World::new().await;
    world.open_whatsapp().await;
    let mut large = PNG.to_vec();
    large.resize(5 * 1024 * 1024 + 1, 0);
    the_host_gives(&world, 200, &[("content-type", "image/png")], &large);
    let message = sent(&world, image(SHOP, CUSTOMER)).await;
    assert_eq!(message["status"], "failed");
    let told = message["error"]["message"].as_str().expect("a message");
    assert!(told.contains("larger"), "{told}");
    assert_eq!(asked(&world).len(), 0);
}

#[tokio::test]
async fn addresses_inside_are_not_fetched() {
    let world = World::new().await;
    world.open_whatsapp().await;
    for url in [
        "https://127.0.0.1/a",
        "https://[::1]/a",
        "https://2130706433/a",
        "https://169.254.169.254/latest/meta-data",
        "https://metadata.google.internal/a",
        "http://files.example.com/a",
        "https://files.example.com:22/a",
    ] {
        let mut message = image(SHOP, CUSTOMER);
        message["content"]["url"] = json!(url);
        let reply = world.post("/v1/messages", message).await;
        if reply.status == 202 {
            world.drain().await;
            let now = world.now(&reply.body).await;
            assert_eq!(now["status"], "failed", "{url}");
        } else {
            assert_eq!(pointer(&reply.expect(422)), "/content/url", "{url}");
        }
    }
    assert_eq!(world.ports().opened.borrow().len(), 0);
    assert_eq!(asked(&world).len(), 0);
}

#[tokio::test]
async fn a_hand_over_that_does_not_succeed_is_tried_again_and_sent_once() {
    let world = World::new().await;
    world.open_whatsapp().await;
    // The file breaks off; then its host fails; then the provider does; then all is well.
    let broken = (
        200,
        vec![("content-type", "image/png".to_owned())],
        vec![7; 4_000],
    );
    let broken = (broken.0, broken.1, Bytes::from(broken.2), false);
    world.ports().to_open.borrow_mut().push_back(broken);
    the_host_gives(&world, 503, &[], b"");
    the_host_gives(&world, 200, &[("content-type", "image/png")], PNG);
    the_provider_answers(&world, 500, json!({ "error": { "code": 2 } }));
    the_host_gives(&world, 200, &[("content-type", "image/png")], PNG);
    the_provider_answers(&world, 200, json!({ "id": "2" }));
    let message = world
        .post("/v1/messages", image(SHOP, CUSTOMER))
        .await
        .expect(202);
    for _ in 0..6 {
        world.drain().await;
        world.advance(10 * 60_000);
        world.gateway.sweep().await;
    }
    assert_eq!(world.status(&message).await, "sent");
    let sends = asked(&world)
        .iter()
        .filter(|request| request.uri().path().ends_with("/messages"))
        .count();
    assert_eq!(sends, 1);
    assert_eq!(world.ports().opened.borrow().len(), 4);
}

#[tokio::test]
async fn telegram_is_not_asked_twice_where_its_answer_was_lost() {
    let world = World::new().await;
    let channel = open_telegram(&world).await;
    // A form that broke off on the way was no message; one whose answer is lost may be one.
    let broken = vec![7; 4_000];
    let broken = (
        200,
        vec![("content-type", "image/png".to_owned())],
        Bytes::from(broken),
        false,
    );
    world.ports().to_open.borrow_mut().push_back(broken);
    the_host_gives(&world, 200, &[("content-type", "image/png")], PNG);
    world
        .ports()
        .from_provider
        .borrow_mut()
        .push_back(Answer::NoAnswer);
    let message = world
        .post("/v1/messages", image(&channel, "5"))
        .await
        .expect(202);
    for _ in 0..6 {
        world.drain().await;
        world.advance(10 * 60_000);
        world.gateway.sweep().await;
    }
    assert_eq!(asked(&world).len(), 1);
    let now = world.now(&message).await;
    assert_eq!(now["status"], "unknown");
}

#[tokio::test]
async fn a_file_that_was_put_here_is_handed_over_from_the_bucket_or_linked() {
    let world = World::new().await;
    world.ports().has_bucket.set(true);
    world.open_whatsapp().await;
    let key = format!("Bearer {}", world.key);
    let headers = [
        ("authorization", key.as_str()),
        ("content-type", "image/png"),
    ];
    let stored = world
        .bare(http::Method::POST, "/v1/media", &headers, PNG)
        .await
        .expect(201);
    the_provider_answers(&world, 200, json!({ "id": "3" }));
    let mut message = image(SHOP, CUSTOMER);
    message["content"]["url"] = stored["id"].clone();
    sent(&world, message.clone()).await;
    message["media"] = json!("link");
    sent(&world, message.clone()).await;
    let requests = asked(&world);
    assert_eq!(body(&requests[1])["image"]["id"], "3");
    assert_eq!(body(&requests[2])["image"]["link"], stored["url"]);
    assert_eq!(world.ports().opened.borrow().len(), 0);
    // Another workspace's file is none.
    let (_, other) = world.new_workspace("Other").await;
    let bearer = format!("Bearer {other}");
    let connect = json!({
        "type": "telegram", "name": "Bot", "identifier": "other_bot",
        "credentials": { "botToken": "9:token", "secretToken": "theirs" },
    });
    let theirs = [("authorization", bearer.as_str())];
    let channel = world
        .call_with(http::Method::POST, "/v1/channels", &theirs, connect)
        .await
        .expect(201);
    message["from"] = channel["id"].clone();
    message["to"] = json!("5");
    let problem = world
        .call_with(http::Method::POST, "/v1/messages", &theirs, message)
        .await
        .expect(404);
    assert_eq!(pointer(&problem), "/content/url");
}

#[tokio::test]
async fn what_has_no_file_is_recorded_before_files_are_handed_over() {
    let world = World::new().await;
    let channel = world.open_whatsapp().await;
    let other = "5511888880000";
    world
        .customer_writes(&channel, other, "wamid.other", "Hi")
        .await;
    let with_file = world
        .post("/v1/messages", image(SHOP, CUSTOMER))
        .await
        .expect(202);
    let words = world
        .post(
            "/v1/messages",
            crate::support::outgoing::text(other, "Words"),
        )
        .await
        .expect(202);
    the_host_gives(&world, 200, &[("content-type", "image/png")], PNG);
    // The words go out; the upload has no answer yet.
    world.ports().hangs_on.set(Some("image/png"));
    let looked_at = async {
        while asked(&world).len() < 2 {
            tokio::task::yield_now().await;
        }
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        let status = world.status(&words).await;
        world.ports().hangs_on.set(None);
        status
    };
    let pushes = world.take_pushes(Queue::Outbound);
    assert_eq!(pushes.len(), 2);
    let (_, status) = futures_util::future::join(world.deliver(&pushes), looked_at).await;
    assert_eq!(status, "sent");
    assert_eq!(world.status(&with_file).await, "sent");
}

#[tokio::test]
async fn a_file_that_the_provider_dropped_is_handed_over_once_more() {
    let world = World::new().await;
    world.open_whatsapp().await;
    the_host_gives(&world, 200, &[("content-type", "image/png")], PNG);
    the_provider_answers(&world, 200, json!({ "id": "old" }));
    sent(&world, image(SHOP, CUSTOMER)).await;
    let gone = json!({ "error": { "code": 100, "message": "Invalid parameter" } });
    the_provider_answers(&world, 400, gone.clone());
    the_host_gives(&world, 200, &[("content-type", "image/png")], PNG);
    the_provider_answers(&world, 200, json!({ "id": "new" }));
    let message = world
        .post("/v1/messages", image(SHOP, CUSTOMER))
        .await
        .expect(202);
    for _ in 0..3 {
        world.drain().await;
        world.advance(10 * 60_000);
        world.gateway.sweep().await;
    }
    assert_eq!(world.status(&message).await, "sent");
    let requests = asked(&world);
    let last = requests.last().expect("a send");
    assert_eq!(body(last)["image"]["id"], "new");
    // What is refused though it is new stays refused.
    let mut other = image(SHOP, CUSTOMER);
    other["content"]["url"] = json!("https://files.example.com/c");
    the_host_gives(&world, 200, &[("content-type", "image/png")], PNG);
    the_provider_answers(&world, 200, json!({ "id": "third" }));
    the_provider_answers(&world, 400, gone);
    assert_eq!(sent(&world, other).await["status"], "failed");
}

#[tokio::test]
async fn a_bot_that_was_exchanged_for_another_knows_no_files_of_the_one_before() {
    let world = World::new().await;
    let channel = world.open_whatsapp().await;
    for (id, number) in [("first", "106540352242922"), ("second", "106540352242923")] {
        let credentials = json!({ "credentials": { "phoneNumberId": number } });
        world.patch_channel(&channel, credentials).await;
        the_host_gives(&world, 200, &[("content-type", "image/png")], PNG);
        the_provider_answers(&world, 200, json!({ "id": id }));
        assert_eq!(sent(&world, image(SHOP, CUSTOMER)).await["status"], "sent");
        let requests = asked(&world);
        assert_eq!(body(requests.last().expect("a send"))["image"]["id"], id);
    }
}

#[tokio::test]
async fn a_sender_that_is_one_no_longer_sends_nothing() {
    let world = World::new().await;
    world.open_whatsapp().await;
    the_host_gives(&world, 200, &[("content-type", "image/png")], PNG);
    the_provider_answers(&world, 200, json!({ "id": "1" }));
    let message = world
        .post("/v1/messages", image(SHOP, CUSTOMER))
        .await
        .expect(202);
    world.ports().stalls.set(true);
    let taken_over = async {
        while asked(&world).is_empty() {
            tokio::task::yield_now().await;
        }
        // While the file is on its way the lease runs out, and the message is settled.
        world.advance(9 * 60_000);
        world.gateway.sweep().await;
        world.ports().stalls.set(false);
    };
    let pushes = world.take_pushes(Queue::Outbound);
    futures_util::future::join(world.deliver(&pushes), taken_over).await;
    let sends = |world: &World| {
        let requests = asked(world);
        let sends = requests
            .iter()
            .filter(|request| request.uri().path().ends_with("/messages"));
        sends.count()
    };
    assert_eq!(sends(&world), 0);
    let _ = message;
}

#[tokio::test]
async fn telegram_takes_more_by_upload_than_it_fetches() {
    let world = World::new().await;
    let channel = open_telegram(&world).await;
    the_host_gives(&world, 200, &[("content-type", "text/csv")], b"a,b");
    let mut message = image(&channel, "5");
    message["content"] = json!({ "type": "document", "url": "https://files.example.com/a.csv" });
    assert_eq!(sent(&world, message).await["status"], "sent");
    assert!(text(&asked(&world)[0]).contains("Content-Type: text/csv"));
}

#[tokio::test]
async fn what_the_provider_cannot_fetch_is_handed_over_instead() {
    for words in [
        "Bad Request: wrong type of the web page content",
        "Bad Request: failed to get HTTP URL content",
        "Bad Request: wrong file identifier/HTTP URL specified",
    ] {
        let world = World::new().await;
        let channel = open_telegram(&world).await;
        let refusal = json!({ "ok": false, "error_code": 400, "description": words });
        the_provider_answers(&world, 400, refusal);
        the_host_gives(&world, 200, &[("content-type", "image/png")], PNG);
        let mut message = image(&channel, "5");
        message.as_object_mut().expect("an object").remove("media");
        let message = world.post("/v1/messages", message).await.expect(202);
        for _ in 0..3 {
            world.drain().await;
            world.advance(10 * 60_000);
            world.gateway.sweep().await;
        }
        assert_eq!(world.status(&message).await, "sent", "{words}");
        let requests = asked(&world);
        assert_eq!(requests.len(), 2, "{words}");
        assert_eq!(body(&requests[0])["photo"], "https://files.example.com/a");
        assert!(text(&requests[1]).contains("name=\"photo\"; filename="));
    }
}

#[tokio::test]
async fn a_refusal_that_is_not_about_the_link_is_one() {
    let world = World::new().await;
    let channel = open_telegram(&world).await;
    let refusal =
        json!({ "ok": false, "error_code": 400, "description": "Bad Request: chat not found" });
    the_provider_answers(&world, 400, refusal);
    let mut message = image(&channel, "5");
    message["media"] = json!("link");
    assert_eq!(sent(&world, message).await["status"], "failed");
    assert_eq!(asked(&world).len(), 1);
}
