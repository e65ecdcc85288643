//! Files that customers send, handed out with the channel's credentials, which go nowhere
//! else; copied where there is a bucket; and files that clients put here.

use crate::support::outgoing::{id, pointer};
use crate::support::world::{CUSTOMER, PAGE_ID, SMS_NUMBER, messaging_text, whatsapp_value};
use crate::support::{Answer, World};
use bytes::Bytes;
use http::{HeaderMap, Method};
use patchbay::model::time::Timestamp;
use serde_json::{Value, json};

const PERSON: &str = "6543217890123456";

fn opened(world: &World) -> Vec<(String, HeaderMap)> {
    let opened = world.ports().opened.borrow();
    opened
        .iter()
        .map(|request| (request.uri().to_string(), request.headers().clone()))
        .collect()
}

fn to_open(world: &World, status: u16, headers: &[(&'static str, &str)], body: &'static [u8]) {
    let headers = headers
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()));
    let answer = (status, headers.collect(), Bytes::from_static(body), true);
    world.ports().to_open.borrow_mut().push_back(answer);
}

/// The content of the newest message.
async fn newest(world: &World) -> Value {
    let listed = world.get("/v1/messages?limit=1").await;
    listed["data"][0]["content"].clone()
}

/// The path of a content's file.
fn path(content: &Value) -> String {
    let url = content["mediaUrl"].as_str().expect("a media URL");
    url.strip_prefix("https://patchbay.test")
        .expect("ours")
        .to_owned()
}

async fn image_on_whatsapp(world: &World, channel: &str) -> Value {
    let payload = whatsapp_value(json!({
        "contacts": [{ "profile": { "name": "Ada" }, "wa_id": CUSTOMER }],
        "messages": [{
            "from": CUSTOMER, "id": "wamid.image", "timestamp": "1795161600", "type": "image",
            "image": { "id": "4490709327384033", "mime_type": "image/jpeg", "sha256": "abc=", "caption": "Look" },
        }],
    }));
    world.from_meta(channel, &payload).await.expect(200);
    newest(world).await
}

#[tokio::test]
async fn a_file_on_whatsapp_is_asked_for_by_id_and_fetched_with_the_channels_token() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let content = image_on_whatsapp(&world, &channel).await;
    assert_eq!(content["type"], "image");
    assert_eq!(
        (&content["caption"], &content["mimeType"]),
        (&json!("Look"), &json!("image/jpeg"))
    );
    assert_eq!(content["url"], content["mediaUrl"]);
    let located = json!({ "url": "https://lookaside.fbsbx.com/a?b=1", "id": "4490709327384033" });
    let answer = Answer::Http(200, located);
    world.ports().to_questions.borrow_mut().push_back(answer);
    to_open(
        &world,
        200,
        &[("content-type", "image/jpeg"), ("content-length", "9")],
        b"the bytes",
    );
    let reply = world.call(Method::GET, &path(&content), Value::Null).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("image/jpeg"));
    assert_eq!(reply.header("content-disposition"), Some("inline"));
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(reply.body, json!("the bytes"));
    let questions = world.ports().questions.borrow();
    let asked = questions.last().expect("a question").uri().to_string();
    assert!(asked.starts_with("https://graph.test/v23.0/4490709327384033?phone_number_id="));
    let (url, headers) = opened(&world).remove(0);
    assert_eq!(url, "https://lookaside.fbsbx.com/a?b=1");
    assert_eq!(headers["authorization"], "Bearer graph-token");
}

#[tokio::test]
async fn credentials_go_to_no_host_but_the_providers() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let content = image_on_whatsapp(&world, &channel).await;
    for url in [
        "https://evil.example/a",
        "http://lookaside.fbsbx.com/a",
        "https://lookaside.fbsbx.com.evil.example/a",
        "https://evilfbsbx.com/a",
        "https://user:word@lookaside.fbsbx.com/a",
        "https://127.0.0.1/a",
    ] {
        let located = Answer::Http(200, json!({ "url": url }));
        world.ports().to_questions.borrow_mut().push_back(located);
        let reply = world.call(Method::GET, &path(&content), Value::Null).await;
        assert_eq!(reply.expect(404)["code"], "not_found", "{url}");
    }
    assert!(opened(&world).is_empty(), "nobody was called");

    // Twilio leads on to another host, which gets no credentials.
    let channel = world.sms().await;
    let fields = [
        ("MessageSid", "MM1"),
        ("From", "+15550177777"),
        ("To", SMS_NUMBER),
        ("NumMedia", "2"),
        ("MediaUrl0", "https://twilio.test/2010-04-01/m/ME1"),
        ("MediaContentType0", "image/png"),
        ("MediaUrl1", "https://evil.example/ME2"),
        ("MediaContentType1", "image/png"),
        ("Body", "Look"),
    ];
    world.from_twilio(&channel, "", &fields).await.expect(200);
    let listed = world.get("/v1/messages?limit=2").await;
    let contents: Vec<&Value> = listed["data"]
        .as_array()
        .expect("two")
        .iter()
        .map(|it| &it["content"])
        .collect();
    let first = contents
        .iter()
        .find(|it| it["caption"] == "Look")
        .expect("the first");
    let second = contents
        .iter()
        .find(|it| it["caption"].is_null())
        .expect("the second");
    to_open(&world, 307, &[("location", "https://media.example/x")], b"");
    to_open(&world, 200, &[("content-type", "image/png")], b"png");
    let reply = world.call(Method::GET, &path(first), Value::Null).await;
    assert_eq!(reply.body, json!("png"));
    let calls = opened(&world);
    assert!(
        calls[0].1["authorization"]
            .to_str()
            .expect("text")
            .starts_with("Basic ")
    );
    assert_eq!(calls[1].0, "https://media.example/x");
    assert_eq!(calls[1].1.get("authorization"), None);
    let reply = world.call(Method::GET, &path(second), Value::Null).await;
    reply.expect(404);
    assert_eq!(opened(&world).len(), 2, "a forged address is not called");
}

#[tokio::test]
async fn a_redirect_to_where_nobody_may_call_is_not_followed() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let content = image_on_whatsapp(&world, &channel).await;
    for to in [
        "https://127.0.0.1/a",
        "http://shop.example/a",
        "https://169.254.169.254/latest",
        "https://[::1]/",
        "https://localhost/",
        "https://patchbay.test/v1/workspaces",
        "file:///etc/passwd",
        "https://0x7f000001/",
    ] {
        let located = Answer::Http(200, json!({ "url": "https://lookaside.fbsbx.com/a" }));
        world.ports().to_questions.borrow_mut().push_back(located);
        to_open(&world, 302, &[("location", to)], b"");
        let reply = world.call(Method::GET, &path(&content), Value::Null).await;
        assert_eq!(reply.status, 503, "{to}");
    }
    let called = opened(&world);
    assert!(
        called
            .iter()
            .all(|(url, _)| url == "https://lookaside.fbsbx.com/a")
    );
    // Nor round and round.
    let located = Answer::Http(200, json!({ "url": "https://lookaside.fbsbx.com/a" }));
    world.ports().to_questions.borrow_mut().push_back(located);
    for _ in 0..20 {
        to_open(
            &world,
            302,
            &[("location", "https://shop.example/again")],
            b"",
        );
    }
    let before = opened(&world).len();
    world
        .call(Method::GET, &path(&content), Value::Null)
        .await
        .expect(503);
    assert!(opened(&world).len() - before <= 5);
}

#[tokio::test]
async fn a_part_of_a_file_is_passed_on_as_the_provider_gives_it() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let content = image_on_whatsapp(&world, &channel).await;
    let located = Answer::Http(200, json!({ "url": "https://lookaside.fbsbx.com/a" }));
    world.ports().to_questions.borrow_mut().push_back(located);
    to_open(
        &world,
        206,
        &[("content-range", "bytes 4-8/9"), ("content-length", "5")],
        b"bytes",
    );
    let headers = [("range", "bytes=4-")];
    let reply = world
        .call_with(Method::GET, &path(&content), &headers, Value::Null)
        .await;
    assert_eq!(reply.status, 206);
    assert_eq!(reply.header("content-range"), Some("bytes 4-8/9"));
    assert_eq!(reply.body, json!("bytes"));
    assert_eq!(opened(&world)[0].1["range"], "bytes=4-");
}

#[tokio::test]
async fn what_the_provider_does_not_give_is_said_as_it_is() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let content = image_on_whatsapp(&world, &channel).await;
    let ask = async || world.call(Method::GET, &path(&content), Value::Null).await;
    let located = || {
        let located = Answer::Http(200, json!({ "url": "https://lookaside.fbsbx.com/a" }));
        world.ports().to_questions.borrow_mut().push_back(located);
    };
    for (status, kind, expected) in [
        (404, "text/plain", 404),
        (410, "text/plain", 404),
        (401, "text/html", 502),
        (403, "text/html", 502),
        (500, "text/html", 503),
        (204, "text/html", 503),
        (200, "text/html; charset=utf-8", 503),
    ] {
        located();
        to_open(&world, status, &[("content-type", kind)], b"<html>");
        assert_eq!(ask().await.status, expected, "{status} {kind}");
    }
    located();
    assert_eq!(ask().await.expect(503)["code"], "unavailable");
    for (answer, expected) in [
        (
            Answer::Http(
                400,
                json!({ "error": { "code": 100, "error_subcode": 33, "message": "unknown" } }),
            ),
            404,
        ),
        (
            Answer::Http(
                401,
                json!({ "error": { "code": 190, "message": "expired" } }),
            ),
            502,
        ),
        (Answer::Http(500, json!({})), 503),
        (Answer::NoAnswer, 503),
    ] {
        world.ports().to_questions.borrow_mut().push_back(answer);
        assert_eq!(ask().await.status, expected);
    }
}

#[tokio::test]
async fn a_file_is_its_own_workspaces_and_needs_a_key_that_reads_messages() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    let content = image_on_whatsapp(&world, &channel).await;
    let (_, other) = world.new_workspace("Other").await;
    let bearer = format!("Bearer {other}");
    let path = path(&content);
    let reply = world
        .call_with(
            Method::GET,
            &path,
            &[("authorization", &bearer)],
            Value::Null,
        )
        .await;
    assert_eq!(reply.expect(404)["code"], "not_found");
    world.bare(Method::GET, &path, &[], "").await.expect(401);
    let sender = json!({ "name": "s", "scopes": ["messaging:messages:send"] });
    let sender = world.post("/v1/api-keys", sender).await.expect(201);
    let bearer = format!("Bearer {}", sender["key"].as_str().expect("a key"));
    let reply = world
        .call_with(
            Method::GET,
            &path,
            &[("authorization", &bearer)],
            Value::Null,
        )
        .await;
    assert_eq!(reply.expect(403)["code"], "missing_scope");
    for id in ["x", "0197a000-0000-7000-8000-000000000009"] {
        let reply = world
            .call(Method::GET, &format!("/v1/media/{id}"), Value::Null)
            .await;
        reply.expect(404);
    }
    assert!(opened(&world).is_empty());
}

#[tokio::test]
async fn files_on_telegram_and_messenger_are_fetched_as_each_has_it() {
    let world = World::new().await;
    let channel = world.telegram().await;
    let update = json!({ "update_id": 1, "message": {
        "message_id": 7, "date": 1_795_161_600, "chat": { "id": 77, "type": "private", "first_name": "Ada" },
        "photo": [{ "file_id": "small", "file_size": 10 }, { "file_id": "large", "file_size": 100 }],
    } });
    world.from_telegram(&channel, &update).await.expect(200);
    let content = newest(&world).await;
    assert_eq!(content["sizeBytes"], 100);
    let located =
        json!({ "ok": true, "result": { "file_id": "large", "file_path": "photos/file_1.jpg" } });
    world
        .ports()
        .from_provider
        .borrow_mut()
        .push_back(Answer::Http(200, located));
    to_open(
        &world,
        200,
        &[("content-type", "application/octet-stream")],
        b"jpeg",
    );
    let reply = world.call(Method::GET, &path(&content), Value::Null).await;
    assert_eq!(reply.header("content-type"), Some("image/jpeg"));
    assert_eq!(
        opened(&world)[0].0,
        "https://telegram.test/file/bot123456:token/photos/file_1.jpg"
    );
    assert_eq!(
        world.requests_to("telegram.test")[0],
        json!({ "file_id": "large" })
    );
    // A path that would lead elsewhere is none.
    for path_told in ["../../bot1:x/getMe", "//evil.example/x", "a/./b", "a?b", ""] {
        let located = json!({ "ok": true, "result": { "file_path": path_told } });
        world
            .ports()
            .from_provider
            .borrow_mut()
            .push_back(Answer::Http(200, located));
        let reply = world.call(Method::GET, &path(&content), Value::Null).await;
        assert_ne!(reply.status, 200, "{path_told}");
    }
    assert_eq!(opened(&world).len(), 1);

    let channel = world.messenger().await;
    let mut payload = messaging_text("page", PAGE_ID, PERSON, "m_1", "", 1_795_161_600_000);
    payload["entry"][0]["messaging"][0]["message"] = json!({
        "mid": "m_1", "text": "Two files",
        "attachments": [
            { "type": "image", "payload": { "url": "https://scontent.fbcdn.net/1.jpg" } },
            { "type": "file", "payload": { "url": "https://cdn.fbsbx.com/2.pdf" } },
        ],
    });
    for _ in 0..2 {
        world.from_meta(&channel, &payload).await.expect(200);
    }
    let listed = world.get("/v1/messages?limit=10").await;
    let ids: Vec<&str> = listed["data"]
        .as_array()
        .expect("messages")
        .iter()
        .filter_map(|it| it["providerMessageId"].as_str())
        .filter(|id| id.starts_with("m_1"))
        .collect();
    assert_eq!(ids.len(), 3, "a repeat stores nothing: {ids:?}");
    let content = &listed["data"]
        .as_array()
        .expect("messages")
        .iter()
        .find(|it| it["content"]["type"] == "document")
        .expect("the file")["content"];
    to_open(&world, 200, &[("content-type", "application/pdf")], b"%PDF");
    let reply = world.call(Method::GET, &path(content), Value::Null).await;
    assert_eq!(reply.header("content-type"), Some("application/pdf"));
    assert_eq!(
        opened(&world)[1].1.get("authorization"),
        None,
        "Meta's own host asks for none"
    );
}

#[tokio::test]
async fn with_a_bucket_a_file_is_copied_as_it_comes_and_kept_as_long_as_events_are() {
    let world = World::new().await;
    world.ports().has_bucket.set(true);
    let channel = world.whatsapp().await;
    let content = image_on_whatsapp(&world, &channel).await;
    let located = Answer::Http(200, json!({ "url": "https://lookaside.fbsbx.com/a" }));
    world.ports().to_questions.borrow_mut().push_back(located);
    to_open(&world, 200, &[("content-type", "image/jpeg")], b"the bytes");
    world.drain().await;
    assert_eq!(world.ports().bucket.borrow().len(), 1);
    let asked = opened(&world).len();
    for (headers, status, body) in [
        (vec![], 200, "the bytes"),
        (vec![("range", "bytes=4-6")], 206, "byt"),
    ] {
        let reply = world
            .call_with(Method::GET, &path(&content), &headers, Value::Null)
            .await;
        assert_eq!((reply.status, reply.body), (status, json!(body)));
    }
    assert_eq!(opened(&world).len(), asked, "the provider is asked no more");
    world.advance(31 * 24 * 3_600_000);
    world.gateway.sweep().await;
    assert!(world.ports().bucket.borrow().is_empty());
    // From then on it is the provider's again.
    let gone = Answer::Http(
        400,
        json!({ "error": { "code": 100, "error_subcode": 33 } }),
    );
    world.ports().to_questions.borrow_mut().push_back(gone);
    world
        .call(Method::GET, &path(&content), Value::Null)
        .await
        .expect(404);
}

#[tokio::test]
async fn a_copy_that_fails_is_tried_again_and_given_up_in_the_end() {
    let world = World::new().await;
    world.ports().has_bucket.set(true);
    let channel = world.whatsapp().await;
    image_on_whatsapp(&world, &channel).await;
    // The push is lost, and then the bytes break off. (The first run asks for templates too.)
    world.ports().pushed.borrow_mut().clear();
    let none = Answer::Http(200, json!({ "data": [] }));
    world.ports().to_questions.borrow_mut().push_back(none);
    let located = || {
        let located = Answer::Http(200, json!({ "url": "https://lookaside.fbsbx.com/a" }));
        world.ports().to_questions.borrow_mut().push_back(located);
    };
    located();
    let broken = (
        200,
        vec![],
        Bytes::from_static(b"some bytes that do not all arrive"),
        false,
    );
    world.ports().to_open.borrow_mut().push_back(broken);
    world.gateway.sweep().await;
    assert!(world.ports().bucket.borrow().is_empty());
    world.gateway.sweep().await;
    assert_eq!(opened(&world).len(), 1, "not at once");
    world.advance(11 * 60_000);
    located();
    to_open(&world, 200, &[("content-type", "image/jpeg")], b"the bytes");
    world.gateway.sweep().await;
    assert_eq!(world.ports().bucket.borrow().len(), 1);
}

#[tokio::test]
async fn a_file_that_a_client_puts_here_is_handed_out_by_its_link() {
    let world = World::new().await;
    let raw = |path: &str, kind: &str, body: &'static [u8]| {
        let key = format!("Bearer {}", world.key);
        let (path, kind) = (path.to_owned(), kind.to_owned());
        let world = &world;
        async move {
            let headers = [
                ("authorization", key.as_str()),
                ("content-type", kind.as_str()),
            ];
            world.bare(Method::POST, &path, &headers, body).await
        }
    };
    let refused = raw("/v1/media", "image/png", b"png").await;
    assert_eq!(
        refused.expect(503)["code"],
        "unavailable",
        "there is no bucket"
    );
    world.ports().has_bucket.set(true);
    let stored = raw("/v1/media?filename=a%20b.png", "image/png", b"the png")
        .await
        .expect(201);
    assert_eq!(
        (&stored["mimeType"], &stored["sizeBytes"]),
        (&json!("image/png"), &json!(7))
    );
    assert_eq!(stored["filename"], "a b.png");
    let link = stored["url"].as_str().expect("a url");
    let link = link.strip_prefix("https://patchbay.test").expect("ours");
    let reply = world.bare(Method::GET, link, &[], "").await;
    assert_eq!((reply.status, &reply.body), (200, &json!("the png")));
    assert_eq!(reply.header("content-type"), Some("image/png"));
    world
        .bare(Method::GET, "/media/0123456789abcdef", &[], "")
        .await
        .expect(404);
    let own = world
        .call(
            Method::GET,
            &format!("/v1/media/{}", id(&stored)),
            Value::Null,
        )
        .await;
    assert_eq!(own.body, json!("the png"));

    let form = b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"bill.pdf\"\r\nContent-Type: application/pdf\r\n\r\n%PDF\r\n--x--\r\n";
    let stored = raw("/v1/media", "multipart/form-data; boundary=x", form)
        .await
        .expect(201);
    assert_eq!(
        (&stored["mimeType"], &stored["filename"]),
        (&json!("application/pdf"), &json!("bill.pdf"))
    );
    assert_eq!(stored["sizeBytes"], 4);
    let before = world.ports().bucket.borrow().len();
    for (kind, body) in [
        ("multipart/form-data; boundary=y", &form[..]),
        ("multipart/form-data; boundary=x", &form[..form.len() - 12]),
    ] {
        let problem = raw("/v1/media", kind, body).await.expect(422);
        assert_eq!(problem["code"], "invalid_request");
    }
    let problem = raw("/v1/media", "nothing", b"x").await.expect(422);
    assert_eq!(pointer(&problem), "/headers/content-type");
    assert_eq!(world.ports().bucket.borrow().len(), before);
    world
        .bare(
            Method::POST,
            "/v1/media",
            &[("content-type", "image/png")],
            "x",
        )
        .await
        .expect(401);
}

#[tokio::test]
async fn what_could_be_a_page_is_never_shown_as_one() {
    let world = World::new().await;
    world.ports().has_bucket.set(true);
    let key = format!("Bearer {}", world.key);
    for kind in [
        "audio/x,text/html",
        "text/html",
        "image/svg+xml",
        "video/\"x",
    ] {
        let headers = [("authorization", key.as_str()), ("content-type", kind)];
        let stored = world
            .bare(Method::POST, "/v1/media", &headers, "<html>")
            .await
            .expect(201);
        let link = stored["url"].as_str().expect("a url");
        let link = link.strip_prefix("https://patchbay.test").expect("ours");
        let reply = world.bare(Method::GET, link, &[], "").await;
        assert_eq!(
            reply.header("content-disposition"),
            Some("attachment"),
            "{kind}"
        );
        let told = reply.header("content-type").expect("a type");
        assert!(!told.contains(','), "{told}");
    }
}

#[tokio::test]
async fn a_templates_header_takes_a_file_that_was_put_here_by_its_id() {
    let world = World::new().await;
    world.ports().has_bucket.set(true);
    let channel = world.whatsapp().await;
    let header = json!({ "type": "HEADER", "format": "DOCUMENT" });
    let parts = json!([header, { "type": "BODY", "text": "Your bill" }]);
    let bill = crate::support::templates::template("bill", "en", "APPROVED", parts);
    world.has_templates(&channel, &[bill]).await;
    let key = format!("Bearer {}", world.key);
    let headers = [
        ("authorization", key.as_str()),
        ("content-type", "application/pdf"),
    ];
    let stored = world
        .bare(Method::POST, "/v1/media", &headers, "%PDF")
        .await
        .expect(201);
    let send = |link: &Value| {
        json!({ "from": channel, "to": CUSTOMER, "content": {
            "type": "template", "name": "bill", "language": "en", "components": [
                { "type": "header", "parameters": [{ "type": "document", "document": { "link": link } }] },
            ],
        } })
    };
    world
        .post("/v1/messages", send(&stored["id"]))
        .await
        .expect(202);
    world.drain().await;
    let sent = world.requests_to("graph.test");
    let sent = sent.last().expect("a send");
    let parameter = &sent["template"]["components"][0]["parameters"][0];
    assert_eq!(parameter["document"]["link"], stored["url"]);
    let unknown = json!("01a1f7f8-3000-74b5-9a23-2d487530b3ef");
    let problem = world.post("/v1/messages", send(&unknown)).await.expect(404);
    assert_eq!(
        pointer(&problem),
        "/content/components/0/parameters/0/document/link"
    );
}

const DAY_MS: i64 = 24 * 3_600_000;

async fn put_bill(world: &World) -> Value {
    let key = format!("Bearer {}", world.key);
    let headers = [
        ("authorization", key.as_str()),
        ("content-type", "application/pdf"),
    ];
    world
        .bare(Method::POST, "/v1/media", &headers, "%PDF")
        .await
        .expect(201)
}

/// The status with which the file put here is handed out, after some days of the cron.
async fn status_after(world: &World, days: i64, file: &Value) -> u16 {
    for _ in 0..days {
        world.advance(DAY_MS);
        world.gateway.sweep().await;
        world.drain().await;
    }
    let link = file["url"].as_str().expect("a url");
    let link = link.strip_prefix("https://patchbay.test").expect("ours");
    world.bare(Method::GET, link, &[], "").await.status
}

#[tokio::test]
async fn a_file_put_here_is_kept_until_what_is_scheduled_with_it_was_sent_and_no_longer() {
    let world = World::new().await;
    world.ports().has_bucket.set(true);
    let channel = world.unenforced_whatsapp().await;
    let in_days = |days: i64| {
        let at = Timestamp::from_ms(world.ports().now_ms.get() + days * DAY_MS);
        json!(at.to_rfc3339())
    };
    let send = |url: &Value, days: i64| {
        json!({ "from": channel, "to": CUSTOMER, "scheduledAt": in_days(days),
            "content": { "type": "document", "url": url, "filename": "bill.pdf" } })
    };
    let (by_id, by_link, moved, unused) = (
        put_bill(&world).await,
        put_bill(&world).await,
        put_bill(&world).await,
        put_bill(&world).await,
    );
    let say = async |url: &Value, days| {
        let body = send(url, days);
        world.post("/v1/messages", body).await.expect(202)
    };
    say(&by_id["id"], 45).await;
    say(&by_link["url"], 45).await;
    let later = say(&moved["id"], 1).await;
    let path = format!("/v1/messages/{}", id(&later));
    let patch = json!({ "scheduledAt": in_days(45) });
    world.call(Method::PATCH, &path, patch).await.expect(200);
    assert_eq!(status_after(&world, 32, &unused).await, 404);
    for file in [&by_id, &by_link, &moved] {
        assert_eq!(status_after(&world, 0, file).await, 200);
    }
    assert_eq!(status_after(&world, 14, &by_id).await, 200);
    assert_eq!(world.requests_to("graph.test").len(), 3);
    assert_eq!(status_after(&world, 31, &by_id).await, 404);
    for file in [&by_link, &moved] {
        assert_eq!(status_after(&world, 0, file).await, 404);
    }
}

#[tokio::test]
async fn a_file_that_is_sent_again_and_again_is_kept_and_written_once_a_day_at_most() {
    let world = World::new().await;
    world.ports().has_bucket.set(true);
    let channel = world.unenforced_whatsapp().await;
    let (sent, unsent) = (put_bill(&world).await, put_bill(&world).await);
    let kept_at = || {
        let sql = format!("SELECT stored_at FROM media WHERE id = '{}'", id(&sent));
        world.database().count(&sql)
    };
    let send = async || {
        let content = json!({ "type": "document", "url": sent["id"], "filename": "bill.pdf" });
        let body = json!({ "from": channel, "to": CUSTOMER, "content": content });
        world.post("/v1/messages", body).await.expect(202);
        world.drain().await;
    };
    let put_at = kept_at();
    world.advance(3_600_000);
    send().await;
    assert_eq!(kept_at(), put_at);
    assert_eq!(status_after(&world, 20, &sent).await, 200);
    send().await;
    let now = world.ports().now_ms.get();
    assert_eq!(kept_at(), now);
    world.advance(3_600_000);
    send().await;
    assert_eq!(kept_at(), now);
    assert_eq!(status_after(&world, 20, &sent).await, 200);
    assert_eq!(status_after(&world, 0, &unsent).await, 404);
    assert_eq!(status_after(&world, 11, &sent).await, 404);
}

#[tokio::test]
async fn a_link_to_another_workspaces_file_does_not_keep_it() {
    let mut world = World::new().await;
    world.ports().has_bucket.set(true);
    let file = put_bill(&world).await;
    (_, world.key) = world.new_workspace("Other").await;
    let channel = world.unenforced_whatsapp().await;
    let at = Timestamp::from_ms(world.ports().now_ms.get() + 45 * DAY_MS);
    let content = json!({ "type": "document", "url": file["url"], "filename": "bill.pdf" });
    let body = json!({ "from": channel, "to": CUSTOMER, "content": content, "scheduledAt": at.to_rfc3339() });
    world.post("/v1/messages", body).await.expect(202);
    assert_eq!(status_after(&world, 31, &file).await, 404);
}

#[tokio::test]
async fn a_send_that_is_refused_keeps_nothing() {
    let world = World::new().await;
    world.ports().has_bucket.set(true);
    let channel = world.whatsapp().await;
    let file = put_bill(&world).await;
    assert_eq!(status_after(&world, 20, &file).await, 200);
    let content = json!({ "type": "document", "url": file["id"], "filename": "bill.pdf" });
    let body = json!({ "from": channel, "to": CUSTOMER, "content": content });
    let refused = world.post("/v1/messages", body).await.expect(422);
    assert_eq!(refused["code"], "window_closed");
    assert_eq!(status_after(&world, 11, &file).await, 404);
}
