//! What is particular to a channel's type, from its connection to the last report.

use crate::support::outgoing::{id, pointer};
use crate::support::world::{
    APP_SECRET, INSTAGRAM_ID, PAGE_ID, SMS_NUMBER, START_MS, TWILIO_TOKEN, form, instagram_text,
    messenger_text,
};
use crate::support::{Answer, World};
use http::Method;
use serde_json::{Value, json};

const PERSON: &str = "6543217890123456";
const CUSTOMER: &str = "+15550177777";
const VISITOR: &str = "0197a000-0000-7000-8000-00000000000a";
const HOUR_MS: i64 = 3_600_000;

fn text(from: &str, to: &str, text: &str) -> Value {
    json!({ "from": from, "to": to, "content": { "type": "text", "text": text } })
}

fn inbound_sms(sid: &str, body: &str) -> Vec<(&'static str, String)> {
    [
        ("MessageSid", sid),
        ("SmsStatus", "received"),
        ("From", CUSTOMER),
        ("To", SMS_NUMBER),
        ("Body", body),
        ("NumMedia", "0"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}

async fn from_twilio(world: &World, channel: &str, query: &str, fields: &[(&str, String)]) {
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let reply = world.from_twilio(channel, query, &fields).await;
    assert_eq!(
        reply.header("content-type"),
        Some("text/xml; charset=utf-8")
    );
    assert_eq!(reply.expect(200), "<Response/>");
}

/// The fields of the forms posted to Twilio, oldest first.
fn forms(world: &World) -> Vec<Vec<(String, String)>> {
    let posts = world.posts_to("twilio.test");
    posts
        .iter()
        .map(|post| {
            url::form_urlencoded::parse(post.body())
                .into_owned()
                .collect()
        })
        .collect()
}

async fn status(world: &World, message: &Value) -> Value {
    world.get(&format!("/v1/messages/{}", id(message))).await["status"].clone()
}

// SMS

#[tokio::test]
async fn an_sms_goes_out_with_where_its_reports_come_back_to() {
    let world = World::new().await;
    let channel = world.sms().await;
    let body = text(SMS_NUMBER, "+1 (555) 017-7777", "On its way & more");
    let sent = world.post("/v1/messages", body).await.expect(202);
    world.drain().await;
    let callback = format!(
        "https://patchbay.test/inbound/{channel}?message={}",
        id(&sent)
    );
    let expected = [
        ("To", CUSTOMER),
        ("From", SMS_NUMBER),
        ("Body", "On its way & more"),
        ("StatusCallback", callback.as_str()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(forms(&world), [expected.to_vec()]);
    assert_eq!(status(&world, &sent).await, "sent");
}

#[tokio::test]
async fn a_report_of_an_unclear_sms_settles_it_by_the_url_it_comes_to() {
    let world = World::new().await;
    let channel = world.sms().await;
    world
        .ports()
        .from_provider
        .borrow_mut()
        .push_back(Answer::Http(
            500,
            json!({ "code": 20500, "message": "Oops" }),
        ));
    let sent = world
        .post("/v1/messages", text(SMS_NUMBER, CUSTOMER, "Hi"))
        .await
        .expect(202);
    world.drain().await;
    assert_eq!(status(&world, &sent).await, "unknown");
    let query = format!("?message={}", id(&sent));
    let report = |status: &str| {
        [("MessageSid", "SM7"), ("MessageStatus", status)]
            .map(|(name, value)| (name, value.to_owned()))
    };
    from_twilio(&world, &channel, &query, &report("queued")).await;
    assert_eq!(status(&world, &sent).await, "unknown");
    from_twilio(&world, &channel, &query, &report("delivered")).await;
    assert_eq!(status(&world, &sent).await, "delivered");
    // Late and out of order.
    from_twilio(&world, &channel, &query, &report("sent")).await;
    assert_eq!(status(&world, &sent).await, "delivered");
}

#[tokio::test]
async fn an_undelivered_sms_says_why() {
    let world = World::new().await;
    let channel = world.sms().await;
    let sent = world
        .post("/v1/messages", text(SMS_NUMBER, CUSTOMER, "Hi"))
        .await
        .expect(202);
    world.drain().await;
    let path = format!("/v1/messages/{}", id(&sent));
    let sid = world.get(&path).await["providerMessageId"].clone();
    let report = [
        ("MessageSid", sid.as_str().expect("a sid").to_owned()),
        ("MessageStatus", "undelivered".to_owned()),
        ("ErrorCode", "30003".to_owned()),
    ];
    // No query: found by its sid.
    from_twilio(&world, &channel, "", &report).await;
    let failed = world.get(&path).await;
    assert_eq!(failed["status"], "failed");
    assert_eq!(failed["error"]["providerCode"], "30003");
}

#[tokio::test]
async fn an_sms_that_comes_in_is_stored_once_and_answered_from_its_number() {
    let world = World::new().await;
    let channel = world.sms().await;
    for _ in 0..2 {
        from_twilio(&world, &channel, "", &inbound_sms("SM1", "Où est-il ? 📦")).await;
    }
    let page = world.get("/v1/conversations").await;
    let conversation = &page["data"][0];
    assert_eq!(page["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(conversation["contact"]["address"], CUSTOMER);
    assert_eq!(conversation["canSendFreeForm"], true);
    assert_eq!(conversation["windowExpiresAt"], Value::Null);
    let messages = world.get("/v1/messages").await;
    assert_eq!(messages["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(messages["data"][0]["content"]["text"], "Où est-il ? 📦");
    let answer = json!({ "to": conversation["id"], "content": { "type": "text", "text": "Ici" } });
    world.post("/v1/messages", answer).await.expect(202);
    world.drain().await;
    assert!(forms(&world)[0].contains(&("To".to_owned(), CUSTOMER.to_owned())));
}

#[tokio::test]
async fn an_sms_webhook_with_anything_changed_is_refused() {
    let world = World::new().await;
    let channel = world.sms().await;
    let path = format!("/inbound/{channel}");
    let body = form(&[("MessageSid", "SM1"), ("From", CUSTOMER), ("Body", "Hi")]);
    let sign = |token: &str, url: &str| {
        let url = format!("https://patchbay.test{url}");
        patchbay::channel::sign::twilio_signature(token, &url, body.as_bytes()).expect("a token")
    };
    let right = sign(TWILIO_TOKEN, &path);
    let foreign = sign("another-token", &path);
    let before = world.database().dump();
    for (path, headers, body) in [
        (path.clone(), vec![], body.clone()),
        (path.clone(), vec![("x-twilio-signature", "")], body.clone()),
        (
            path.clone(),
            vec![("x-twilio-signature", right.as_str())],
            format!("{body}!"),
        ),
        (
            format!("{path}?message={VISITOR}"),
            vec![("x-twilio-signature", right.as_str())],
            body.clone(),
        ),
        (
            path.clone(),
            vec![("x-twilio-signature", foreign.as_str())],
            body.clone(),
        ),
    ] {
        let reply = world.bare(Method::POST, &path, &headers, body).await;
        assert_eq!(reply.status, 401, "{headers:?}");
    }
    assert_eq!(world.database().dump(), before);
    let headers = [("x-twilio-signature", right.as_str())];
    let reply = world.bare(Method::POST, &path, &headers, body).await;
    assert_eq!(reply.status, 200);
    let handshake = world.bare(Method::GET, &path, &[], "").await;
    assert_eq!(handshake.status, 405);
}

#[tokio::test]
async fn an_sms_channel_needs_its_number_and_its_provider_is_twilio() {
    let world = World::new().await;
    let body = |pointer: &str, value: Value| {
        let mut body = json!({
            "type": "sms", "name": "Number", "identifier": SMS_NUMBER,
            "credentials": {
                "provider": "twilio", "accountSid": "AC0123456789abcdef0123456789abcdef",
                "authToken": TWILIO_TOKEN,
            },
        });
        *body.pointer_mut(pointer).expect("a field") = value;
        body
    };
    for (at, value) in [
        ("/identifier", Value::Null),
        ("/identifier", json!("my shop")),
        ("/identifier", json!("12")),
        ("/credentials/provider", json!("vonage")),
        (
            "/credentials/accountSid",
            json!("SK0123456789abcdef0123456789abcdef"),
        ),
        ("/credentials/accountSid", json!("AC/../Messages")),
        ("/credentials/accountSid", json!("")),
        ("/credentials/authToken", json!("")),
    ] {
        let refused = world
            .post("/v1/channels", body(at, value))
            .await
            .expect(422);
        assert_eq!(pointer(&refused), at, "{refused}");
    }
    assert_eq!(world.database().count("SELECT COUNT(*) FROM channel"), 0);
    for (given, shown) in [
        ("(555) 010-0009 1", "+55501000091"),
        ("72645", "72645"),
        ("12345678", "12345678"),
    ] {
        let channel = world
            .post("/v1/channels", body("/identifier", json!(given)))
            .await
            .expect(201);
        assert_eq!(channel["identifier"], shown);
    }
    // `provider` may be left out.
    let mut bare = body("/identifier", json!(SMS_NUMBER));
    bare["credentials"]
        .as_object_mut()
        .expect("an object")
        .remove("provider");
    world.post("/v1/channels", bare).await.expect(201);
}

#[tokio::test]
async fn a_token_that_twilio_refuses_connects_nothing() {
    let world = World::new().await;
    world
        .ports()
        .to_questions
        .borrow_mut()
        .push_back(Answer::Http(
            401,
            json!({ "code": 20003, "message": "Authenticate" }),
        ));
    let refused = world
        .post(
            "/v1/channels",
            json!({
                "type": "sms", "name": "Number", "identifier": SMS_NUMBER,
                "credentials": { "accountSid": "AC0123456789abcdef0123456789abcdef", "authToken": "stale" },
            }),
        )
        .await
        .expect(422);
    assert_eq!(pointer(&refused), "/credentials");
    let asked = world.ports().questions.borrow();
    let path = asked[0].uri().path();
    assert_eq!(
        path,
        "/2010-04-01/Accounts/AC0123456789abcdef0123456789abcdef.json"
    );
}

// Messenger and Instagram

#[tokio::test]
async fn a_page_answers_who_wrote_within_a_day_and_a_person_within_seven() {
    for is_page in [true, false] {
        let world = World::new().await;
        let (channel, host) = if is_page {
            (world.messenger().await, "graph.test")
        } else {
            (world.instagram().await, "instagram.test")
        };
        let refused = world
            .post("/v1/messages", text(&channel, PERSON, "Unasked"))
            .await
            .expect(422);
        assert_eq!(refused["code"], "window_closed");
        let webhook = if is_page {
            messenger_text(PERSON, "m_in", "Hi", START_MS)
        } else {
            instagram_text(PERSON, "m_in", "Hi", START_MS)
        };
        world.from_meta(&channel, &webhook).await.expect(200);
        let bot = text(&channel, PERSON, "Hello");
        let mut human = bot.clone();
        human["actor"] = json!("human");
        world.advance(24 * HOUR_MS - 1_000);
        world.post("/v1/messages", bot.clone()).await.expect(202);
        world.drain().await;
        world.advance(2_000);
        let refused = world.post("/v1/messages", bot).await.expect(422);
        assert_eq!(refused["code"], "window_closed");
        world.post("/v1/messages", human.clone()).await.expect(202);
        world.drain().await;
        world.advance(6 * 24 * HOUR_MS);
        let refused = world.post("/v1/messages", human).await.expect(422);
        assert_eq!(refused["code"], "window_closed");
        let sent = world.requests_to(host);
        let marks: Vec<(&Value, &Value)> = sent
            .iter()
            .map(|body| (&body["messaging_type"], &body["tag"]))
            .collect();
        let expected = [
            (&json!("RESPONSE"), &Value::Null),
            (&json!("MESSAGE_TAG"), &json!("HUMAN_AGENT")),
        ];
        assert_eq!(marks, expected);
        assert!(sent.iter().all(|body| body["recipient"]["id"] == PERSON));
    }
}

#[tokio::test]
async fn an_instagram_message_is_read_by_its_id() {
    let world = World::new().await;
    let channel = world.instagram().await;
    world
        .from_meta(&channel, &instagram_text(PERSON, "aWd_in", "Oi", START_MS))
        .await
        .expect(200);
    // By its username, however it is written.
    let body = text("@The.Shop", PERSON, "Olá");
    let sent = world.post("/v1/messages", body).await.expect(202);
    world.drain().await;
    let path = format!("/v1/messages/{}", id(&sent));
    let mid = world.get(&path).await["providerMessageId"].clone();
    let seen = json!({ "object": "instagram", "entry": [{ "id": INSTAGRAM_ID, "time": START_MS, "messaging": [{
        "sender": { "id": PERSON }, "recipient": { "id": INSTAGRAM_ID }, "timestamp": START_MS,
        "read": { "mid": mid },
    }] }] });
    world.from_meta(&channel, &seen).await.expect(200);
    assert_eq!(world.get(&path).await["status"], "read");
}

#[tokio::test]
async fn an_answer_names_the_message_it_answers() {
    let world = World::new().await;
    let channel = world.messenger().await;
    world
        .from_meta(&channel, &messenger_text(PERSON, "m_in", "Hi", START_MS))
        .await
        .expect(200);
    let page = world.get("/v1/messages").await;
    let mut body = text(&channel, PERSON, "This one?");
    body["replyTo"] = page["data"][0]["id"].clone();
    world.post("/v1/messages", body).await.expect(202);
    world.drain().await;
    assert_eq!(
        world.requests_to("graph.test")[0]["reply_to"]["mid"],
        "m_in"
    );
}

#[tokio::test]
async fn a_window_that_meta_sees_closed_fails_the_message_as_that() {
    let world = World::new().await;
    let channel = world.messenger().await;
    world
        .from_meta(&channel, &messenger_text(PERSON, "m_in", "Hi", START_MS))
        .await
        .expect(200);
    world.ports().from_provider.borrow_mut().push_back(Answer::Http(
        400,
        json!({ "error": { "code": 10, "error_subcode": 2_018_278, "message": "outside of allowed window" } }),
    ));
    let sent = world
        .post("/v1/messages", text(&channel, PERSON, "Hello"))
        .await
        .expect(202);
    world.drain().await;
    let failed = world.get(&format!("/v1/messages/{}", id(&sent))).await;
    assert_eq!(failed["status"], "failed");
    assert_eq!(failed["error"]["code"], "window_closed");
    assert_eq!(failed["error"]["providerCode"], "10");
}

#[tokio::test]
async fn an_account_that_is_a_name_or_a_page_that_is_none_is_refused() {
    let world = World::new().await;
    let credentials = |name: &str, account: &str| json!({ name: account, "accessToken": "t", "appSecret": APP_SECRET, "verifyToken": "v" });
    for (body, at) in [
        (
            json!({ "type": "messenger", "name": "P", "credentials": credentials("pageId", "my-page") }),
            "/credentials/pageId",
        ),
        (
            json!({ "type": "messenger", "name": "P", "identifier": "my-page", "credentials": credentials("pageId", PAGE_ID) }),
            "/identifier",
        ),
        (
            json!({ "type": "instagram", "name": "I", "identifier": "shop", "credentials": credentials("accountId", "../me") }),
            "/credentials/accountId",
        ),
        (
            json!({ "type": "instagram", "name": "I", "identifier": "the shop", "credentials": credentials("accountId", INSTAGRAM_ID) }),
            "/identifier",
        ),
        (
            json!({ "type": "messenger", "name": "P", "credentials": credentials("pageId", PAGE_ID), "settings": { "login": "facebook" } }),
            "/settings/login",
        ),
    ] {
        let refused = world.post("/v1/channels", body).await.expect(422);
        assert_eq!(pointer(&refused), at);
    }
    // Without an identifier the account names itself.
    let body = json!({ "type": "instagram", "name": "I", "credentials": credentials("accountId", INSTAGRAM_ID) });
    let channel = world.post("/v1/channels", body).await.expect(201);
    assert_eq!(channel["identifier"], INSTAGRAM_ID);
    let channel = world.messenger().await;
    let shown = world.get(&format!("/v1/channels/{channel}")).await;
    assert_eq!(shown["identifier"], PAGE_ID);
}

#[tokio::test]
async fn an_account_behind_a_page_is_asked_and_sent_to_where_pages_are() {
    let world = World::new().await;
    let channel = world
        .connect(json!({
            "type": "instagram", "name": "I", "identifier": "shop", "settings": { "login": "facebook" },
            "credentials": {
                "accountId": INSTAGRAM_ID, "accessToken": "t", "appSecret": APP_SECRET, "verifyToken": "v",
            },
        }))
        .await;
    world
        .from_meta(&channel, &instagram_text(PERSON, "aWd_in", "Oi", START_MS))
        .await
        .expect(200);
    world
        .post("/v1/messages", text(&channel, PERSON, "Olá"))
        .await
        .expect(202);
    world.drain().await;
    let asked = world.ports().questions.borrow();
    assert!(
        asked
            .iter()
            .all(|asked| asked.uri().host() == Some("graph.test"))
    );
    let path = format!("/v23.0/{INSTAGRAM_ID}/messages");
    assert_eq!(world.posts_to("graph.test")[0].uri().path(), path);
}

#[tokio::test]
async fn metas_handshake_is_answered_for_the_right_token_on_every_one_of_its_channels() {
    let world = World::new().await;
    for channel in [
        world.whatsapp().await,
        world.messenger().await,
        world.instagram().await,
    ] {
        for (token, status, body) in [("verify-me", 200, "17"), ("other", 403, ""), ("", 403, "")] {
            let path = format!(
                "/inbound/{channel}?hub.mode=subscribe&hub.verify_token={token}&hub.challenge=17"
            );
            let reply = world.bare(Method::GET, &path, &[], "").await;
            assert_eq!(
                (reply.status, reply.body.to_string().trim_matches('"')),
                (status, body)
            );
        }
    }
}

// Web chat

#[tokio::test]
async fn a_web_chat_is_named_by_its_public_key_unless_by_a_name() {
    let world = World::new().await;
    let first = world.webchat().await;
    let second = world.webchat().await;
    let mut identifiers = Vec::new();
    for channel in [&first, &second] {
        let shown = world.get(&format!("/v1/channels/{channel}")).await;
        assert_eq!(shown["identifier"], shown["publicKey"]);
        identifiers.push(shown["identifier"].clone());
    }
    assert_ne!(identifiers[0], identifiers[1]);
    let named =
        json!({ "type": "webchat", "name": "Site", "identifier": "Main site", "credentials": {} });
    let channel = world.post("/v1/channels", named.clone()).await.expect(201);
    assert_eq!(channel["identifier"], "Main site");
    let taken = world.post("/v1/channels", named).await.expect(409);
    assert_eq!(pointer(&taken), "/identifier");
    let blank = json!({ "type": "webchat", "name": "Site", "identifier": "@", "credentials": {} });
    let refused = world.post("/v1/channels", blank).await.expect(422);
    assert_eq!(pointer(&refused), "/identifier");
}

/// A web chat with a visitor: somebody's conversation elsewhere, moved to it.
async fn visited(world: &World) -> String {
    let channel = world.webchat().await;
    let bot = world.telegram().await;
    let update = json!({ "update_id": 1, "message": {
        "message_id": 1, "date": START_MS / 1_000, "chat": { "id": 77 }, "text": "Hi",
    } });
    world.from_telegram(&bot, &update).await.expect(200);
    world.database().query(&format!(
        "UPDATE conversation SET channel_id = '{channel}', address = '{VISITOR}'"
    ));
    channel
}

#[tokio::test]
async fn a_web_chat_message_is_sent_as_soon_as_it_is_accepted() {
    let world = World::new().await;
    let channel = visited(&world).await;
    world.ports().questions.borrow_mut().clear();
    let sent = world
        .post("/v1/messages", text(&channel, VISITOR, "Hello"))
        .await
        .expect(202);
    world.drain().await;
    assert_eq!(status(&world, &sent).await, "sent");
    assert!(
        world.ports().requests.borrow().is_empty(),
        "nobody is called"
    );
    assert!(
        world.ports().questions.borrow().is_empty(),
        "nobody is asked"
    );
    let refused = world
        .post("/v1/messages", text(&channel, "somebody", "Hello"))
        .await
        .expect(422);
    assert_eq!(pointer(&refused), "/to");
    // Nobody may post for it either.
    let path = format!("/inbound/{channel}");
    let reply = world.bare(Method::POST, &path, &[], "{}").await;
    assert_eq!(reply.status, 401);
    let reply = world.bare(Method::GET, &path, &[], "").await;
    assert_eq!(reply.status, 405);
}

#[tokio::test]
async fn the_longest_text_is_each_providers_own() {
    let world = World::new().await;
    for (channel, to, fits) in [
        (world.sms().await, CUSTOMER, "é".repeat(1_600)),
        (visited(&world).await, VISITOR, "é".repeat(4_096)),
    ] {
        world
            .post("/v1/messages", text(&channel, to, &fits))
            .await
            .expect(202);
        let refused = world
            .post("/v1/messages", text(&channel, to, &format!("{fits}x")))
            .await
            .expect(422);
        assert_eq!(pointer(&refused), "/content/text");
    }
    let channel = world.instagram().await;
    world
        .from_meta(&channel, &instagram_text(PERSON, "aWd_in", "Oi", START_MS))
        .await
        .expect(200);
    // Bytes, not characters.
    let fits = "é".repeat(500);
    let send = |what: String| world.post("/v1/messages", text(&channel, PERSON, &what));
    send(fits.clone()).await.expect(202);
    let refused = send(format!("{fits}x")).await.expect(422);
    assert_eq!(pointer(&refused), "/content/text");
}
