//! WhautoChat's files, cards and buttons: what each becomes, and where it is refused.

use crate::support::World;
use crate::support::hostile::{any_json, config, run};
use crate::support::outgoing::pointer;
use crate::support::world::{
    CUSTOMER, INSTAGRAM_ID, PAGE_ID, PHONE_NUMBER_ID, instagram_text, messenger_text,
};
use http::Method;
use proptest::prelude::*;
use serde_json::{Value, json};

const PSID: &str = "24501234567890";
const IGSID: &str = "17841400001234";
const URL: &str = "https://shop.example/a";
const WHATSAPP: &str = "whatsapp/sendmedia";
const PAGE: &str = "messenger/sendmedia";
const CARDS: [&str; 2] = ["messenger/sendtemplate", "instagram/sendtemplate"];
const BOT: &str = "telegram/sendtemplate";

/// A world in which somebody wrote on each of the four channels, and who, by channel.
struct Stage {
    world: World,
    contacts: Vec<(String, String)>,
}

impl Stage {
    async fn new() -> Self {
        let world = World::new().await;
        let at = world.ports().now_ms.get();
        world.open_whatsapp().await;
        let page = world.messenger().await;
        let hello = messenger_text(PSID, "m_page", "Hi", at);
        world.from_meta(&page, &hello).await.expect(200);
        let account = world.instagram().await;
        let hello = instagram_text(IGSID, "m_account", "Hi", at);
        world.from_meta(&account, &hello).await.expect(200);
        let bot = world.telegram().await;
        let hello = json!({ "update_id": 1, "message": {
            "message_id": 42, "date": at / 1_000, "chat": { "id": 77, "type": "private" },
            "from": { "id": 77, "is_bot": false, "first_name": "Ada" }, "text": "Hi",
        } });
        world.from_telegram(&bot, &hello).await.expect(200);
        let listed = world.get("/v1/conversations").await;
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let listed = listed["data"].as_array().expect("a list").iter();
        let contacts = listed.map(|it| (text(&it["channelType"]), text(&it["contact"]["id"])));
        Self {
            contacts: contacts.collect(),
            world,
        }
    }

    /// A body to who wrote on a route's channel.
    fn to_contact(&self, route: &str, said: Value) -> Value {
        let kind = route.split('/').next().expect("a channel");
        let (_, contact) = self.contacts.iter().find(|it| it.0 == kind).expect("one");
        let mut body = said;
        body["contact"] = json!({ "id": contact });
        body["workspace"] = json!({ "id": self.world.workspace });
        body
    }

    async fn post(&self, route: &str, body: Value) -> crate::support::world::Reply {
        self.world
            .post(&format!("/v1/messages/{route}"), body)
            .await
    }

    /// Holds what is said to one request, whose path and own part are given.
    async fn becomes(&self, route: &str, said: Value, path: &str, own: Value) -> Value {
        self.world.ports().requests.borrow_mut().clear();
        let body = self.to_contact(route, said);
        let answer = self.post(route, body.clone()).await.expect(200);
        let shape = json!({ "id": answer["id"], "status": "accepted", "error": null });
        assert_eq!(answer, shape, "{body}");
        self.world.drain().await;
        let asked = self.world.provider_requests();
        let [(asked_path, asked)] = asked.as_slice() else {
            panic!("one request: {asked:?}")
        };
        let mut whole = match route.split('/').next() {
            Some("whatsapp") => json!({
                "messaging_product": "whatsapp", "recipient_type": "individual", "to": CUSTOMER,
                "biz_opaque_callback_data": answer["id"],
            }),
            Some("messenger") => {
                json!({ "recipient": { "id": PSID }, "messaging_type": "RESPONSE" })
            }
            Some("instagram") => {
                json!({ "recipient": { "id": IGSID }, "messaging_type": "RESPONSE" })
            }
            _ => json!({ "chat_id": 77 }),
        };
        for (name, value) in own.as_object().expect("an object") {
            whole[name] = value.clone();
        }
        assert_eq!((asked_path.as_str(), asked), (path, &whole), "{body}");
        let message = self.world.now(&answer).await;
        assert_eq!(message["status"], "sent");
        message
    }

    /// Holds where something is refused: nothing is written and nobody is called.
    async fn refuses(&self, route: &str, said: Value, code: &str, at: &str) {
        let before = self.world.database().dump();
        let calls = self.world.ports().requests.borrow().len();
        let body = self.to_contact(route, said);
        let reply = self.post(route, body.clone()).await;
        assert_eq!(self.world.database().dump(), before, "{route} {body}");
        assert_eq!(self.world.ports().requests.borrow().len(), calls);
        let told = &reply.body;
        let expected = json!({
            "id": null, "status": "error", "error": told["error"], "code": code,
            "errors": [{ "pointer": at, "detail": told["errors"][0]["detail"] }],
            "requestId": reply.header("x-request-id"),
        });
        assert_eq!(told, &expected, "{route} {body}");
        let sentence = told["error"].as_str().expect("a sentence");
        assert!(sentence.starts_with(at), "{sentence}");
        assert_eq!(reply.status, 400, "{route} {body}");
    }

    async fn wrong(&self, route: &str, said: Value, at: &str) {
        self.refuses(route, said, "invalid_request", at).await;
    }
}

fn media(mime_type: &str) -> Value {
    json!({ "mediaUrl": URL, "mimeType": mime_type })
}

fn attached(kind: &str, payload: Value) -> Value {
    json!({ "message": { "attachment": { "type": kind, "payload": payload } } })
}

#[tokio::test]
async fn a_file_goes_as_what_its_type_says_it_is() {
    let stage = Stage::new().await;
    let path = format!("/v23.0/{PHONE_NUMBER_ID}/messages");
    for (mime_type, kind, ours) in [
        ("image/jpeg", "image", "image"),
        ("IMAGE/PNG", "image", "image"),
        ("image/webp", "sticker", "sticker"),
        ("Image/WebP; q=1", "sticker", "sticker"),
        ("video/mp4", "video", "video"),
        ("audio/ogg; codecs=opus", "audio", "audio"),
        ("application/pdf", "document", "document"),
        ("text/plain", "document", "document"),
    ] {
        let own = json!({ "type": kind, kind: { "link": URL } });
        let message = stage.becomes(WHATSAPP, media(mime_type), &path, own).await;
        let stored = json!({ "type": ours, "url": URL, "mimeType": mime_type });
        assert_eq!(message["content"], stored);
    }
    let path = format!("/v23.0/{PAGE_ID}/messages");
    for (mime_type, kind) in [
        ("image/gif", "image"),
        ("video/quicktime", "video"),
        ("audio/mpeg", "audio"),
        ("application/zip", "file"),
    ] {
        let own = attached(kind, json!({ "url": URL }));
        stage.becomes(PAGE, media(mime_type), &path, own).await;
    }
    // To a number as to a contact.
    let mut body = media("image/png");
    body["workspace"] = json!({ "id": stage.world.workspace });
    body["recepient"] = json!({ "phoneNumber": format!("+{CUSTOMER}") });
    stage.post(WHATSAPP, body.clone()).await.expect(200);
    assert_eq!(
        pointer(&stage.post(PAGE, body).await.expect(400)),
        "/recepient"
    );
}

#[tokio::test]
async fn a_type_that_the_channel_does_not_show_is_refused() {
    let stage = Stage::new().await;
    for (route, mime_types) in [
        (
            WHATSAPP,
            [
                "image/gif",
                "image/svg+xml",
                "video/webm",
                "audio/wav",
                "audio/x-ms-wma",
            ]
            .as_slice(),
        ),
        (PAGE, ["image/webp", "image/tiff", "IMAGE/BMP"].as_slice()),
    ] {
        for mime_type in mime_types {
            stage.wrong(route, media(mime_type), "/mimeType").await;
        }
    }
    for route in [WHATSAPP, PAGE] {
        for mime_type in [
            Value::Null,
            json!(5),
            json!({}),
            json!(""),
            json!("image"),
            json!("/"),
            json!("/png"),
            json!("image/"),
            json!("; image/png"),
        ] {
            let said = json!({ "mediaUrl": URL, "mimeType": mime_type });
            stage.wrong(route, said, "/mimeType").await;
        }
        for url in [
            Value::Null,
            json!(5),
            json!([]),
            json!(""),
            json!("a.png"),
            json!("ftp://a.example/b"),
            json!("https://user@shop.example/a"),
            json!(format!("{URL}/{}", "a".repeat(2_048))),
            json!("like_heart"),
        ] {
            let said = json!({ "mediaUrl": url, "mimeType": "image/png" });
            stage.wrong(route, said, "/mediaUrl").await;
        }
        stage
            .wrong(route, json!({ "mimeType": "image/png" }), "/mediaUrl")
            .await;
        stage
            .wrong(route, json!({ "mediaUrl": URL }), "/mimeType")
            .await;
    }
}

#[tokio::test]
async fn elements_are_cards_with_buttons_that_answer_or_open_a_page() {
    let stage = Stage::new().await;
    let elements = json!([
        { "title": "Shirt", "buttons": [
            { "title": "Buy", "payload": "buy:1" }, { "title": "Look", "url": "https://shop.example/1" },
            { "title": "Later", "payload": null, "url": null },
        ] },
        { "title": "Socks", "subtitle": "Cotton", "imageUrl": "https://shop.example/2.png", "buttons": [] },
        { "title": "Hat", "image_url": "https://shop.example/3.png" },
    ]);
    let sent = attached(
        "template",
        json!({ "template_type": "generic", "elements": [
            { "title": "Shirt", "buttons": [
                { "type": "postback", "title": "Buy", "payload": "buy:1" },
                { "type": "web_url", "title": "Look", "url": "https://shop.example/1" },
                { "type": "postback", "title": "Later", "payload": "Later" },
            ] },
            { "title": "Socks", "subtitle": "Cotton", "image_url": "https://shop.example/2.png" },
            { "title": "Hat", "image_url": "https://shop.example/3.png" },
        ] }),
    );
    for (route, account) in CARDS.into_iter().zip([PAGE_ID, INSTAGRAM_ID]) {
        let path = format!("/v23.0/{account}/messages");
        let said = json!({ "elements": elements });
        let message = stage.becomes(route, said, &path, sent.clone()).await;
        assert_eq!(message["content"]["type"], "cards");
    }
}

#[tokio::test]
async fn what_is_wrong_about_an_element_is_pointed_at() {
    let stage = Stage::new().await;
    let button = |button: Value| json!([{ "title": "Shirt", "buttons": [button] }]);
    let long = "a".repeat(81);
    for route in CARDS {
        for (elements, at) in [
            (Value::Null, ""),
            (json!({}), ""),
            (json!("Shirt"), ""),
            (json!([]), ""),
            (
                json!(vec![json!({ "title": "a", "subtitle": "b" }); 11]),
                "",
            ),
            (json!([{}]), "/0/title"),
            (json!(["Shirt"]), "/0"),
            (json!([{ "title": 5 }]), "/0/title"),
            (json!([{ "title": "", "subtitle": "b" }]), "/0/title"),
            (json!([{ "title": long, "subtitle": "b" }]), "/0/title"),
            (json!([{ "title": "a", "subtitle": long }]), "/0/subtitle"),
            (json!([{ "title": "a", "imageUrl": "b" }]), "/0/imageUrl"),
            (json!([{ "title": "a", "image_url": "b" }]), "/0/image_url"),
            (json!([{ "title": "a", "buttons": "b" }]), "/0/buttons"),
            (json!([{ "title": "a", "buttons": {} }]), "/0/buttons"),
            (
                json!([{ "title": "a", "buttons": [
                    { "title": "1" }, { "title": "2" }, { "title": "3" }, { "title": "4" },
                ] }]),
                "/0/buttons",
            ),
            (button(json!({})), "/0/buttons/0/title"),
            (button(json!("Buy")), "/0/buttons/0"),
            (button(json!({ "title": 5 })), "/0/buttons/0/title"),
            (button(json!({ "payload": "b" })), "/0/buttons/0/title"),
            (
                button(json!({ "title": "a".repeat(21) })),
                "/0/buttons/0/title",
            ),
            (
                button(json!({ "title": "Buy", "payload": 5 })),
                "/0/buttons/0/payload",
            ),
            (
                button(json!({ "title": "Buy", "payload": "" })),
                "/0/buttons/0/payload",
            ),
            (
                button(json!({ "title": "Buy", "url": 5 })),
                "/0/buttons/0/url",
            ),
            (
                button(json!({ "title": "Buy", "url": "buy" })),
                "/0/buttons/0/url",
            ),
            (
                button(json!({ "title": "Buy", "url": URL, "payload": "b" })),
                "/0/buttons/0/payload",
            ),
            (
                json!([
                    { "title": "a", "buttons": [{ "title": "Buy" }] },
                    { "title": "b", "buttons": [{ "title": "Buy", "payload": "b" }, { "title": "Buy" }] },
                ]),
                "/1/buttons/1/title",
            ),
            (
                json!([{ "title": "a", "buttons": [
                    { "title": "Buy", "payload": "1" }, { "title": "Sell", "payload": "1" },
                ] }]),
                "/0/buttons/1/payload",
            ),
        ] {
            let said = json!({ "elements": elements });
            stage.wrong(route, said, &format!("/elements{at}")).await;
        }
        stage
            .wrong(route, json!({ "textMessage": "Hi" }), "/elements")
            .await;
        // The documented example without its buttons, of which Meta shows nothing.
        let alone = json!({ "elements": [{ "title": "Shirt", "buttons": [] }] });
        stage
            .refuses(route, alone, "unsupported_content", "/elements/0")
            .await;
    }
}

#[tokio::test]
async fn buttons_on_telegram_are_keys_below_a_text() {
    let stage = Stage::new().await;
    let buttons = json!([
        { "title": "Yes", "payload": "answer:yes" }, { "title": "No" },
        { "title": "Terms", "url": "https://shop.example/terms" },
    ]);
    let keyboard = json!([
        [{ "text": "Yes", "callback_data": "answer:yes" }],
        [{ "text": "No", "callback_data": "No" }],
        [{ "text": "Terms", "url": "https://shop.example/terms" }],
    ]);
    let said = json!({ "textMessage": "Sure?", "buttons": buttons });
    let own = json!({ "text": "Sure?", "reply_markup": { "inline_keyboard": keyboard } });
    let message = stage
        .becomes(BOT, said, "/bot123456:token/sendMessage", own)
        .await;
    assert_eq!(message["content"]["kind"], "buttons");
}

#[tokio::test]
async fn what_is_wrong_about_a_button_on_telegram_is_pointed_at() {
    let stage = Stage::new().await;
    for (buttons, at) in [
        (Value::Null, ""),
        (json!({}), ""),
        (json!([]), ""),
        (json!(vec![json!({ "title": "a", "url": URL }); 101]), ""),
        (json!([{}]), "/0/title"),
        (json!([5]), "/0"),
        (json!([{ "title": [] }]), "/0/title"),
        (json!([{ "title": "" }]), "/0/title"),
        (json!([{ "title": "é".repeat(33) }]), "/0/title"),
        (
            json!([{ "title": "a", "payload": "é".repeat(33) }]),
            "/0/payload",
        ),
        (json!([{ "title": "a", "payload": {} }]), "/0/payload"),
        (
            json!([{ "title": "a", "payload": "b", "url": URL }]),
            "/0/payload",
        ),
        (json!([{ "title": "a", "url": "b" }]), "/0/url"),
        (json!([{ "title": "a" }, { "title": "a" }]), "/1/title"),
        (
            json!([{ "title": "a" }, { "title": "b", "payload": "a" }]),
            "/1/payload",
        ),
    ] {
        let said = json!({ "textMessage": "Sure?", "buttons": buttons });
        stage.wrong(BOT, said, &format!("/buttons{at}")).await;
    }
    for text in [Value::Null, json!(5), json!(" "), json!("a".repeat(4_097))] {
        let said = json!({ "textMessage": text, "buttons": [{ "title": "Yes" }] });
        stage.wrong(BOT, said, "/textMessage").await;
    }
}

#[tokio::test]
async fn a_repeat_under_the_same_key_sends_nothing_more() {
    let mut stage = Stage::new().await;
    let elements = json!([{ "title": "Shirt", "buttons": [{ "title": "Buy" }] }]);
    for (route, said) in [
        (WHATSAPP, media("image/png")),
        (PAGE, media("application/pdf")),
        (CARDS[0], json!({ "elements": elements })),
        (CARDS[1], json!({ "elements": elements })),
        (
            BOT,
            json!({ "textMessage": "Sure?", "buttons": [{ "title": "Yes" }] }),
        ),
    ] {
        let path = format!("/v1/messages/{route}");
        let headers = [("idempotency-key", "order-1")];
        let body = stage.to_contact(route, said);
        let first = stage
            .world
            .call_with(Method::POST, &path, &headers, body.clone())
            .await;
        let first = first.expect(200);
        stage.world.drain().await;
        let calls = stage.world.provider_requests().len();
        stage.world.forget();
        let again = stage
            .world
            .call_with(Method::POST, &path, &headers, body)
            .await;
        assert_eq!(
            again.header("idempotency-replayed"),
            Some("true"),
            "{route}"
        );
        assert_eq!(again.expect(200), first);
        stage.world.drain().await;
        assert_eq!(stage.world.provider_requests().len(), calls, "{route}");
    }
}

// Whatever is posted

const NAMES: [&str; 13] = [
    "title",
    "subtitle",
    "imageUrl",
    "image_url",
    "buttons",
    "payload",
    "url",
    "mediaUrl",
    "mimeType",
    "image/png",
    "textMessage",
    URL,
    "elements",
];

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_stands_in_a_field_is_answered(values in prop::collection::vec(any_json(&NAMES), 2)) {
        run(async {
            let stage = Stage::new().await;
            stage.world.sends_unknown_fields.set(true);
            for value in values {
                for route in [WHATSAPP, PAGE, CARDS[0], CARDS[1], BOT] {
                    for field in ["mediaUrl", "mimeType", "elements", "buttons", "textMessage"] {
                        let mut said = media("image/png");
                        said["textMessage"] = json!("Sure?");
                        said["elements"] = json!([{ "title": "a", "subtitle": "b" }]);
                        said["buttons"] = json!([{ "title": "a" }]);
                        said[field] = value.clone();
                        let reply = stage.post(route, stage.to_contact(route, said.clone())).await;
                        assert!(reply.status < 500, "{route} {said}: {}", reply.body);
                        assert_eq!(reply.body["id"].is_null(), reply.status != 200);
                        assert_eq!(reply.body["error"].is_null(), reply.status == 200);
                    }
                }
            }
        });
    }
}
