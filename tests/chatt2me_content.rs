//! Chatt2.me's contents: what each of the documented fields becomes on each channel, and
//! where it is refused.

use crate::support::chatt2me::{
    CHANNELS, all, body, components, is_problem, path, person, post, refusal, template,
};
use crate::support::hostile::{any_json, config, run};
use crate::support::world::{INSTAGRAM_ID, PAGE_ID, PHONE_NUMBER_ID, SMS_NUMBER, World};
use http::Method;
use proptest::prelude::*;
use serde_json::{Value, json};

const WHATSAPP: &str = "whatsapp";
const INSTAGRAM: &str = "instagram";
const MESSENGER: &str = "messenger";
const TELEGRAM: &str = "telegram";
const SMS: &str = "sms";
const WEB: &str = "web-chatt2me";
const NOBODY: &str = "01934c5e-8f00-7abc-8def-0123456789ff";

/// A world in which every channel may write to its person, and has written once.
struct Stage {
    world: World,
    channels: Vec<(&'static str, String)>,
    /// The ids of what was written first, by channel, here and with the provider.
    hello: Vec<(String, String)>,
}

impl Stage {
    async fn new() -> Self {
        let world = World::new().await;
        let channels = all(&world).await;
        let mut hello = Vec::new();
        for (channel, from) in &channels {
            let content = json!({ "text": "Hello" });
            let answer = post(&world, channel, body(from, person(channel), content)).await;
            let id = text(&answer.expect(200)["messageId"]);
            world.drain().await;
            let shown = world.get(&format!("/v1/messages/{id}")).await;
            let theirs = shown["providerMessageId"].as_str().unwrap_or("");
            hello.push((id, theirs.to_owned()));
        }
        world.ports().requests.borrow_mut().clear();
        Self {
            world,
            channels,
            hello,
        }
    }

    fn at(&self, channel: &str) -> usize {
        CHANNELS.iter().position(|it| *it == channel).expect("one")
    }

    fn from(&self, channel: &str) -> &str {
        &self.channels[self.at(channel)].1
    }

    /// What was written first on a channel, by our id.
    fn hello(&self, channel: &str) -> &str {
        &self.hello[self.at(channel)].0
    }

    /// The same by the provider's.
    fn theirs(&self, channel: &str) -> &str {
        &self.hello[self.at(channel)].1
    }

    fn body(&self, channel: &str, content: Value) -> Value {
        body(self.from(channel), person(channel), content)
    }

    /// Sends what must be taken, to the end; the message as it is shown then.
    async fn send(&self, channel: &str, content: Value) -> Value {
        // Not so fast that they are paced.
        self.world.advance(1_500);
        let answer = post(&self.world, channel, self.body(channel, content.clone())).await;
        assert_eq!(answer.status, 200, "{channel} {content}: {}", answer.body);
        let word = match channel {
            WHATSAPP | MESSENGER => "enqueued",
            _ => "sent",
        };
        assert_eq!(answer.body["status"], word, "{channel} {content}");
        self.world.drain().await;
        let id = text(&answer.body["messageId"]);
        let shown = self.world.get(&format!("/v1/messages/{id}")).await;
        assert_eq!(shown["status"], "sent", "{channel} {content}");
        shown
    }

    /// Holds what a content becomes: the provider's requests, each by what is its own; of a
    /// web chat, the stored content.
    async fn becomes(&self, channel: &str, content: Value, own: Value) {
        self.world.ports().requests.borrow_mut().clear();
        let shown = self.send(channel, content.clone()).await;
        let asked = self.world.provider_requests();
        if channel == WEB {
            assert_eq!(shown["content"], own, "{content}");
            assert!(asked.is_empty());
            return;
        }
        let own = match own {
            Value::Array(several) => several,
            one => vec![one],
        };
        let ids = match shown["adapted"]["parts"].as_array() {
            Some(parts) => parts.iter().map(text).collect(),
            None => vec![text(&shown["id"])],
        };
        assert_eq!(ids.len(), own.len(), "{channel} {content}: {shown}");
        let whole = own.into_iter().zip(&ids);
        let whole: Vec<_> = whole
            .map(|(own, id)| self.request(channel, own, id))
            .collect();
        assert_eq!(asked, whole, "{channel} {content}");
    }

    /// A whole request: what is the content's own, and what is around it on each channel.
    fn request(&self, channel: &str, own: Value, id: &str) -> (String, Value) {
        let to = person(channel);
        let (path, around) = match channel {
            WHATSAPP if own["status"] == "read" => {
                let around = json!({ "messaging_product": "whatsapp" });
                (format!("/v23.0/{PHONE_NUMBER_ID}/messages"), around)
            }
            WHATSAPP => {
                let around = json!({
                    "messaging_product": "whatsapp", "recipient_type": "individual", "to": to,
                    "biz_opaque_callback_data": id,
                });
                (format!("/v23.0/{PHONE_NUMBER_ID}/messages"), around)
            }
            INSTAGRAM | MESSENGER => {
                let account = if channel == INSTAGRAM {
                    INSTAGRAM_ID
                } else {
                    PAGE_ID
                };
                let mut around = json!({ "recipient": { "id": to } });
                if own.get("message").is_some() {
                    around["messaging_type"] = json!("RESPONSE");
                }
                (format!("/v23.0/{account}/messages"), around)
            }
            TELEGRAM => {
                let (method, own) = own
                    .as_object()
                    .and_then(|it| it.iter().next())
                    .expect("one");
                let chat: i64 = to.parse().expect("a number");
                let whole = merged(json!({ "chat_id": chat }), own.clone());
                return (format!("/bot123456:token/{method}"), whole);
            }
            _ => {
                let callback = format!(
                    "https://patchbay.test/inbound/{}?message={id}",
                    self.from(SMS)
                );
                let around = json!({ "From": SMS_NUMBER, "To": to, "StatusCallback": callback });
                let path = "/2010-04-01/Accounts/AC0123456789abcdef0123456789abcdef/Messages.json";
                (path.to_owned(), around)
            }
        };
        (path, merged(around, own))
    }

    /// Holds what a content becomes where it is documented, and that it is refused elsewhere.
    async fn carried_by(&self, content: Value, at: &str, own: &[(&str, Value)]) {
        for channel in CHANNELS {
            match own.iter().find(|(carries, _)| *carries == channel) {
                Some((_, own)) => self.becomes(channel, content.clone(), own.clone()).await,
                None => {
                    // By SMS no kind of a field goes, where the others refuse one kind.
                    let at = if channel == SMS {
                        at.trim_end_matches("/type")
                    } else {
                        at
                    };
                    self.refuses(channel, content.clone(), 400, "unsupported_content", at)
                        .await;
                }
            }
        }
    }

    /// Holds where a content is refused; nothing is written and nobody is called.
    async fn refuses(&self, channel: &str, content: Value, status: u16, code: &str, at: &str) {
        let told = refusal(&self.world, channel, self.body(channel, content.clone())).await;
        let expected = (status, code.to_owned(), at.to_owned());
        assert_eq!(told, expected, "{channel} {content}");
    }

    /// What is wrong about a content.
    async fn wrong(&self, channel: &str, content: Value, at: &str) {
        self.refuses(channel, content, 400, "invalid_request", at)
            .await;
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn merged(mut around: Value, own: Value) -> Value {
    for (name, value) in own.as_object().expect("an object") {
        around[name] = value.clone();
    }
    around
}

/// An attachment of Meta's.
fn attached(kind: &str, payload: Value) -> Value {
    json!({ "message": { "attachment": { "type": kind, "payload": payload } } })
}

fn said(text: &str) -> Value {
    json!({ "message": { "text": text } })
}

// Files

#[tokio::test]
async fn a_file_goes_by_its_address_with_its_caption_in_it_or_behind_it() {
    let stage = Stage::new().await;
    let url = "https://shop.example/a.png";
    let file = attached("image", json!({ "url": url }));
    stage
        .carried_by(
            json!({ "imageUrl": url }),
            "/content/imageUrl",
            &[
                (
                    WHATSAPP,
                    json!({ "type": "image", "image": { "link": url } }),
                ),
                (INSTAGRAM, file.clone()),
                (MESSENGER, file.clone()),
                (TELEGRAM, json!({ "sendPhoto": { "photo": url } })),
                (SMS, json!({ "MediaUrl": url })),
                (WEB, json!({ "type": "image", "url": url })),
            ],
        )
        .await;
    stage
        .carried_by(
            json!({ "imageUrl": url, "text": "Look" }),
            "/content/imageUrl",
            &[
                (
                    WHATSAPP,
                    json!({ "type": "image", "image": { "link": url, "caption": "Look" } }),
                ),
                (INSTAGRAM, json!([file, said("Look")])),
                (MESSENGER, json!([file, said("Look")])),
                (
                    TELEGRAM,
                    json!({ "sendPhoto": { "photo": url, "caption": "Look" } }),
                ),
                (SMS, json!({ "MediaUrl": url, "Body": "Look" })),
                (
                    WEB,
                    json!({ "type": "image", "url": url, "caption": "Look" }),
                ),
            ],
        )
        .await;
    let url = "https://shop.example/a.mp4";
    let file = attached("video", json!({ "url": url }));
    stage
        .carried_by(
            json!({ "videoUrl": url, "text": "Look" }),
            "/content/videoUrl",
            &[
                (
                    WHATSAPP,
                    json!({ "type": "video", "video": { "link": url, "caption": "Look" } }),
                ),
                (INSTAGRAM, json!([file, said("Look")])),
                (MESSENGER, json!([file, said("Look")])),
                (
                    TELEGRAM,
                    json!({ "sendVideo": { "video": url, "caption": "Look" } }),
                ),
                (
                    WEB,
                    json!({ "type": "video", "url": url, "caption": "Look" }),
                ),
            ],
        )
        .await;
}

#[tokio::test]
async fn an_audio_may_be_a_voice_note() {
    let stage = Stage::new().await;
    let url = "https://shop.example/a.ogg";
    let file = attached("audio", json!({ "url": url }));
    stage
        .carried_by(
            json!({ "audioUrl": url, "voice": true }),
            "/content/audioUrl",
            &[
                (
                    WHATSAPP,
                    json!({ "type": "audio", "audio": { "link": url, "voice": true } }),
                ),
                (INSTAGRAM, file.clone()),
                (MESSENGER, file.clone()),
                (TELEGRAM, json!({ "sendVoice": { "voice": url } })),
                (WEB, json!({ "type": "audio", "url": url, "voice": true })),
            ],
        )
        .await;
    stage
        .carried_by(
            json!({ "audioUrl": url, "text": "Listen" }),
            "/content/audioUrl",
            &[
                (
                    WHATSAPP,
                    json!([
                        { "type": "audio", "audio": { "link": url } },
                        { "type": "text", "text": { "body": "Listen", "preview_url": false } },
                    ]),
                ),
                (INSTAGRAM, json!([file, said("Listen")])),
                (MESSENGER, json!([file, said("Listen")])),
                (
                    TELEGRAM,
                    json!({ "sendAudio": { "audio": url, "caption": "Listen" } }),
                ),
                (
                    WEB,
                    json!({ "type": "audio", "url": url, "caption": "Listen" }),
                ),
            ],
        )
        .await;
}

#[tokio::test]
async fn documents_and_stickers_go_where_they_are_documented() {
    let stage = Stage::new().await;
    let url = "https://shop.example/a.pdf";
    stage
        .carried_by(
            json!({ "documentUrl": url, "filename": "Bill.pdf", "text": "Your bill" }),
            "/content/documentUrl",
            &[
                (
                    WHATSAPP,
                    json!({ "type": "document", "document": {
                        "link": url, "filename": "Bill.pdf", "caption": "Your bill",
                    } }),
                ),
                (
                    TELEGRAM,
                    json!({ "sendDocument": { "document": url, "caption": "Your bill" } }),
                ),
                (
                    WEB,
                    json!({
                        "type": "document", "url": url, "filename": "Bill.pdf",
                        "caption": "Your bill",
                    }),
                ),
            ],
        )
        .await;
    let url = "https://shop.example/a.webp";
    stage
        .carried_by(
            json!({ "stickerUrl": url }),
            "/content/stickerUrl",
            &[
                (
                    WHATSAPP,
                    json!({ "type": "sticker", "sticker": { "link": url } }),
                ),
                (INSTAGRAM, attached("image", json!({ "url": url }))),
                (TELEGRAM, json!({ "sendSticker": { "sticker": url } })),
                (WEB, json!({ "type": "sticker", "url": url })),
            ],
        )
        .await;
}

// Places and people

#[tokio::test]
async fn a_location_is_a_point_or_a_place_with_a_name() {
    let stage = Stage::new().await;
    stage
        .carried_by(
            json!({ "location": { "latitude": -23.5, "longitude": -46.25 } }),
            "/content/location",
            &[
                (
                    WHATSAPP,
                    json!({ "type": "location", "location": { "latitude": -23.5, "longitude": -46.25 } }),
                ),
                (TELEGRAM, json!({ "sendLocation": { "latitude": -23.5, "longitude": -46.25 } })),
                (WEB, json!({ "type": "location", "latitude": -23.5, "longitude": -46.25 })),
            ],
        )
        .await;
    let place = json!({
        "latitude": -23.5, "longitude": -46.25, "name": "Shop", "address": "Rua A, 1",
    });
    stage
        .carried_by(
            json!({ "location": place }),
            "/content/location",
            &[
                (WHATSAPP, json!({ "type": "location", "location": place })),
                (
                    TELEGRAM,
                    json!({ "sendVenue": {
                        "latitude": -23.5, "longitude": -46.25, "title": "Shop",
                        "address": "Rua A, 1",
                    } }),
                ),
                (WEB, merged(json!({ "type": "location" }), place.clone())),
            ],
        )
        .await;
}

#[tokio::test]
async fn a_contact_is_the_same_in_metas_spelling_in_ours_and_alone_or_in_a_list() {
    let stage = Stage::new().await;
    let vcard = "BEGIN:VCARD\r\nVERSION:3.0\r\nN:Lovelace;Ada;;;\r\nFN:Ada Lovelace\r\nORG:Shop\r\n\
                 TEL;TYPE=WORK:+15550100001\r\nEMAIL:ada@shop.example\r\nEND:VCARD\r\n";
    let ours = json!({
        "name": { "formattedName": "Ada Lovelace", "firstName": "Ada", "lastName": "Lovelace" },
        "phones": [{ "phone": "+15550100001", "type": "WORK" }],
        "emails": ["ada@shop.example"], "organization": "Shop",
    });
    let metas = json!({
        "name": { "formatted_name": "Ada Lovelace", "first_name": "Ada", "last_name": "Lovelace" },
        "phones": [{ "phone": "+15550100001", "type": "WORK", "wa_id": "15550100001" }],
        "emails": [{ "email": "ada@shop.example" }], "org": { "company": "Shop", "title": "CEO" },
        "birthday": "1815-12-10",
    });
    for content in [
        json!({ "contact": ours }),
        json!({ "contacts": [ours] }),
        json!({ "contact": metas }),
        json!({ "contacts": [metas] }),
    ] {
        let field = if content.get("contact").is_some() {
            "contact"
        } else {
            "contacts"
        };
        stage
            .carried_by(
                content,
                &format!("/content/{field}"),
                &[
                    (
                        WHATSAPP,
                        json!({ "type": "contacts", "contacts": [{
                            "name": {
                                "formatted_name": "Ada Lovelace", "first_name": "Ada",
                                "last_name": "Lovelace",
                            },
                            "phones": [{ "phone": "+15550100001", "type": "WORK" }],
                            "emails": [{ "email": "ada@shop.example" }],
                            "org": { "company": "Shop" },
                        }] }),
                    ),
                    (
                        TELEGRAM,
                        json!({ "sendContact": {
                            "phone_number": "+15550100001", "first_name": "Ada",
                            "last_name": "Lovelace", "vcard": vcard,
                        } }),
                    ),
                    (
                        WEB,
                        json!({ "type": "contacts", "contacts": [{
                            "name": {
                                "formattedName": "Ada Lovelace", "firstName": "Ada",
                                "lastName": "Lovelace",
                            },
                            "phones": [{ "phone": "+15550100001", "type": "WORK" }],
                            "emails": [{ "email": "ada@shop.example" }], "organization": "Shop",
                        }] }),
                    ),
                ],
            )
            .await;
    }
}

#[tokio::test]
async fn a_contact_may_be_as_short_as_a_name_and_a_number() {
    let stage = Stage::new().await;
    let short = json!({ "name": "Ada", "phones": ["+15550100001"], "org": { "title": "CEO" } });
    let stored = json!({ "type": "contacts", "contacts": [
        { "name": { "formattedName": "Ada" }, "phones": [{ "phone": "+15550100001" }] },
    ] });
    stage
        .becomes(WEB, json!({ "contact": short }), stored)
        .await;
    // Several are a message each where the provider has one at a time.
    let other = json!({ "name": "Bob", "phones": ["+15550100002"] });
    let content = json!({ "contacts": [short, other] });
    let one = |name: &str, phone: &str| json!({ "sendContact": { "phone_number": phone, "first_name": name } });
    let both = json!([one("Ada", "+15550100001"), one("Bob", "+15550100002")]);
    stage.becomes(TELEGRAM, content, both).await;
}

// What is pressed

fn button(id: &str, title: &str) -> Value {
    json!({ "type": "reply", "reply": { "id": id, "title": title } })
}

#[tokio::test]
async fn buttons_are_a_template_on_metas_channels_and_nothing_on_telegram() {
    let stage = Stage::new().await;
    let interactive = json!({
        "type": "button", "header": null, "body": { "text": "Is it right?" },
        "action": { "buttons": [button("yes", "Yes"), button("no", "No")] },
    });
    let postback =
        |id: &str, title: &str| json!({ "type": "postback", "title": title, "payload": id });
    let mut cloud = interactive.clone();
    cloud.as_object_mut().expect("an object").remove("header");
    let sent = attached(
        "template",
        json!({
            "template_type": "button", "text": "Is it right?",
            "buttons": [postback("yes", "Yes"), postback("no", "No")],
        }),
    );
    stage
        .carried_by(
            json!({ "interactive": interactive }),
            "/content/interactive/type",
            &[
                (
                    WHATSAPP,
                    json!({ "type": "interactive", "interactive": cloud }),
                ),
                (INSTAGRAM, sent.clone()),
                (MESSENGER, sent),
                (
                    WEB,
                    json!({
                        "type": "interactive", "kind": "buttons", "body": "Is it right?",
                        "buttons": [{ "id": "yes", "title": "Yes" }, { "id": "no", "title": "No" }],
                    }),
                ),
            ],
        )
        .await;
}

#[tokio::test]
async fn a_list_is_cards_behind_a_text_on_metas_channels_and_keys_on_telegram() {
    let stage = Stage::new().await;
    let interactive = json!({
        "type": "list", "body": { "text": "Which size?" },
        "action": { "button": "Choose", "sections": [{ "title": "Shirts", "rows": [
            { "id": "s", "title": "Small", "description": "44 to 46" }, { "id": "l", "title": "Large" },
        ] }] },
    });
    let card = |id: &str, title: &str, subtitle: &str| {
        json!({
            "title": title, "subtitle": subtitle,
            "buttons": [{ "type": "postback", "title": "Choose", "payload": id }],
        })
    };
    let elements = [
        card("s", "Small", "Shirts · 44 to 46"),
        card("l", "Large", "Shirts"),
    ];
    let cards = attached(
        "template",
        json!({ "template_type": "generic", "elements": elements }),
    );
    let key = |id: &str, title: &str| json!([{ "text": title, "callback_data": id }]);
    stage
        .carried_by(
            json!({ "interactive": interactive }),
            "/content/interactive/type",
            &[
                (WHATSAPP, json!({ "type": "interactive", "interactive": interactive })),
                (INSTAGRAM, json!([said("Which size?"), cards])),
                (MESSENGER, json!([said("Which size?"), cards])),
                (
                    TELEGRAM,
                    json!({ "sendMessage": {
                        "text": "Which size?\n\nShirts\n• Small – 44 to 46\n• Large",
                        "reply_markup": { "inline_keyboard": [key("s", "Small"), key("l", "Large")] },
                    } }),
                ),
                (
                    WEB,
                    json!({
                        "type": "interactive", "kind": "list", "body": "Which size?",
                        "list": { "button": "Choose", "sections": interactive["action"]["sections"] },
                    }),
                ),
            ],
        )
        .await;
}

#[tokio::test]
async fn a_page_to_open_and_a_request_for_a_location_go_where_they_are_documented() {
    let stage = Stage::new().await;
    let page = json!({ "display_text": "Pay", "url": "https://shop.example/pay" });
    let interactive = json!({
        "type": "cta_url", "body": { "text": "Your cart" },
        "action": { "name": "cta_url", "parameters": page },
    });
    let sent = attached(
        "template",
        json!({
            "template_type": "button", "text": "Your cart",
            "buttons": [{ "type": "web_url", "title": "Pay", "url": "https://shop.example/pay" }],
        }),
    );
    stage
        .carried_by(
            json!({ "interactive": interactive }),
            "/content/interactive/type",
            &[
                (
                    WHATSAPP,
                    json!({ "type": "interactive", "interactive": interactive }),
                ),
                (INSTAGRAM, sent.clone()),
                (MESSENGER, sent),
                (
                    WEB,
                    json!({
                        "type": "interactive", "kind": "ctaUrl", "body": "Your cart",
                        "ctaUrl": { "text": "Pay", "url": "https://shop.example/pay" },
                    }),
                ),
            ],
        )
        .await;
    let interactive = json!({
        "type": "location_request_message", "body": { "text": "Where are you?" },
        "action": { "name": "send_location" },
    });
    stage
        .carried_by(
            json!({ "interactive": interactive }),
            "/content/interactive/type",
            &[(
                WHATSAPP,
                json!({ "type": "interactive", "interactive": interactive }),
            )],
        )
        .await;
}

#[tokio::test]
async fn headers_and_footers_are_whatsapps() {
    let stage = Stage::new().await;
    let page = "https://shop.example/a";
    let plain = json!({
        "type": "list", "body": { "text": "Which?" }, "action": {
            "button": "Choose", "sections": [{ "rows": [{ "id": "s", "title": "Small" }] }],
        },
    });
    let buttons = json!({
        "type": "button", "body": { "text": "Which?" },
        "action": { "buttons": [button("s", "Small")] },
    });
    for (interactive, part, value) in [
        (&plain, "header", json!({ "type": "text", "text": "Sizes" })),
        (&plain, "footer", json!({ "text": "Sizes" })),
        (
            &buttons,
            "header",
            json!({ "type": "image", "image": { "link": page } }),
        ),
        (
            &buttons,
            "header",
            json!({ "type": "video", "video": { "link": page } }),
        ),
        (
            &buttons,
            "header",
            json!({ "type": "document", "document": { "link": page, "filename": "a.pdf" } }),
        ),
    ] {
        let mut whole = interactive.clone();
        whole[part] = value;
        let content = json!({ "interactive": whole });
        let at = format!("/content/interactive/{part}");
        for channel in [INSTAGRAM, MESSENGER, TELEGRAM, WEB] {
            if channel == TELEGRAM && interactive == &buttons {
                continue;
            }
            stage
                .refuses(channel, content.clone(), 400, "unsupported_content", &at)
                .await;
        }
        let own = json!({ "type": "interactive", "interactive": whole });
        stage.becomes(WHATSAPP, content, own).await;
    }
    // A list's header is a text.
    let mut whole = plain.clone();
    whole["header"] = json!({ "type": "image", "image": { "link": page } });
    let at = "/content/interactive/header/image/link";
    let content = json!({ "interactive": whole });
    stage
        .refuses(WHATSAPP, content, 400, "unsupported_content", at)
        .await;
}

#[tokio::test]
async fn a_template_is_whatsapps() {
    let stage = Stage::new().await;
    let id = template(&stage.world, stage.from(WHATSAPP), "APPROVED");
    let sent = json!({
        "name": "order_approved", "language": { "code": "en_US" }, "components": components(),
    });
    stage
        .carried_by(
            json!({ "template": { "id": id, "components": components() } }),
            "/content/template",
            &[(WHATSAPP, json!({ "type": "template", "template": sent }))],
        )
        .await;
}

// Signs

#[tokio::test]
async fn a_reaction_is_put_to_a_message_and_taken_back() {
    let stage = Stage::new().await;
    for channel in CHANNELS {
        for emoji in ["❤️", ""] {
            let reaction = json!({ "messageId": stage.hello(channel), "emoji": emoji });
            let content = json!({ "reaction": reaction });
            let theirs = stage.theirs(channel);
            let own = match (channel, emoji) {
                (WHATSAPP, _) => {
                    json!({ "type": "reaction", "reaction": { "message_id": theirs, "emoji": emoji } })
                }
                (INSTAGRAM | MESSENGER, "") => {
                    json!({ "sender_action": "unreact", "payload": { "message_id": theirs } })
                }
                (INSTAGRAM | MESSENGER, _) => json!({
                    "sender_action": "react", "payload": { "message_id": theirs, "reaction": "love" },
                }),
                (TELEGRAM, _) => {
                    let number: i64 = theirs
                        .rsplit(':')
                        .next()
                        .and_then(|it| it.parse().ok())
                        .expect("one");
                    let signs = match emoji {
                        "" => json!([]),
                        _ => json!([{ "type": "emoji", "emoji": "❤" }]),
                    };
                    json!({ "setMessageReaction": { "message_id": number, "reaction": signs } })
                }
                (WEB, _) => merged(json!({ "type": "reaction" }), reaction),
                _ => {
                    let at = "/content/reaction";
                    stage
                        .refuses(channel, content, 400, "unsupported_content", at)
                        .await;
                    continue;
                }
            };
            stage.becomes(channel, content, own).await;
        }
    }
}

#[tokio::test]
async fn only_metas_two_channels_mark_as_seen() {
    let stage = Stage::new().await;
    for mark in [json!(true), json!({})] {
        let seen = json!({ "sender_action": "mark_seen" });
        stage
            .carried_by(
                json!({ "markSeen": mark }),
                "/content/markSeen",
                &[(INSTAGRAM, seen.clone()), (MESSENGER, seen)],
            )
            .await;
    }
    for channel in [INSTAGRAM, MESSENGER] {
        let content = json!({ "markSeen": { "messageId": stage.hello(channel) } });
        let seen = json!({ "sender_action": "mark_seen" });
        stage.becomes(channel, content, seen).await;
        // It is said at any time.
        stage.world.advance(25 * 3_600_000);
        let seen = json!({ "sender_action": "mark_seen" });
        stage
            .becomes(channel, json!({ "markSeen": true }), seen)
            .await;
        let told = json!({ "text": "Hello" });
        stage.refuses(channel, told, 422, "window_closed", "").await;
        stage.world.advance(-25 * 3_600_000);
    }
}

#[tokio::test]
async fn an_answer_names_the_message_it_answers_where_that_is_documented() {
    let stage = Stage::new().await;
    let url = "https://shop.example/a.png";
    for channel in CHANNELS {
        let id = stage.hello(channel);
        let theirs = stage.theirs(channel);
        let content = json!({ "imageUrl": url, "replyTo": id });
        let own = match channel {
            WHATSAPP => json!({
                "type": "image", "image": { "link": url }, "context": { "message_id": theirs },
            }),
            TELEGRAM => {
                let number: i64 = theirs
                    .rsplit(':')
                    .next()
                    .and_then(|it| it.parse().ok())
                    .expect("one");
                let reply = json!({ "message_id": number, "allow_sending_without_reply": true });
                json!({ "sendPhoto": { "photo": url, "reply_parameters": reply } })
            }
            WEB => json!({ "type": "image", "url": url }),
            _ => {
                let at = "/content/replyTo";
                stage
                    .refuses(channel, content, 400, "unsupported_content", at)
                    .await;
                let mut beside = stage.body(channel, json!({ "imageUrl": url }));
                beside["replyTo"] = json!(id);
                let told = refusal(&stage.world, channel, beside).await;
                let expected = (400, "unsupported_content".to_owned(), "/replyTo".to_owned());
                assert_eq!(told, expected, "{channel}");
                continue;
            }
        };
        stage.becomes(channel, content, own).await;
        let sign = json!({ "reaction": { "messageId": id, "emoji": "👍" }, "replyTo": id });
        stage.wrong(channel, sign, "/content/replyTo").await;
    }
}

// Payments

fn payment(method: &str, settings: Value) -> Value {
    merged(
        json!({
            "bodyText": "Your order", "referenceId": "order-42", "paymentMethod": method,
            "currency": "BRL", "totalAmountCents": 5_500, "offset": 100,
            "items": [{ "retailerId": "shirt", "name": "Shirt", "amountCents": 2_500, "quantity": 2 }],
            "tax": { "valueCents": 500, "offset": 100, "description": "VAT" }, "subtotalCents": 5_000,
        }),
        settings,
    )
}

#[tokio::test]
async fn a_payment_is_asked_for_by_whatsapp_in_three_ways() {
    let stage = Stage::new().await;
    let pix = json!({
        "code": "00020101", "merchantName": "Shop", "key": "39580525000189", "keyType": "CNPJ",
    });
    let amount = |cents: i64| json!({ "value": cents, "offset": 100 });
    for (method, given, setting) in [
        (
            "pix",
            json!({ "pix": pix }),
            json!({ "type": "pix_dynamic_code", "pix_dynamic_code": {
                "code": "00020101", "merchant_name": "Shop", "key": "39580525000189",
                "key_type": "CNPJ",
            } }),
        ),
        (
            "boleto",
            json!({ "boleto": { "digitableLine": "03399026944140000002628346101018898510000008848" } }),
            json!({ "type": "boleto", "boleto": {
                "digitable_line": "03399026944140000002628346101018898510000008848",
            } }),
        ),
        (
            "payment_link",
            json!({ "paymentLink": { "url": "https://shop.example/pay" } }),
            json!({ "type": "payment_link", "payment_link": { "uri": "https://shop.example/pay" } }),
        ),
    ] {
        let parameters = json!({
            "reference_id": "order-42", "type": "digital-goods", "payment_type": "br",
            "currency": "BRL", "payment_settings": [setting], "total_amount": amount(5_500),
            "order": {
                "status": "pending",
                "items": [{
                    "retailer_id": "shirt", "name": "Shirt", "amount": amount(2_500), "quantity": 2,
                }],
                "subtotal": amount(5_000),
                "tax": { "value": 500, "offset": 100, "description": "VAT" },
            },
        });
        let interactive = json!({
            "type": "order_details", "body": { "text": "Your order" },
            "action": { "name": "review_and_pay", "parameters": parameters },
        });
        stage
            .carried_by(
                json!({ "paymentRequest": payment(method, given) }),
                "/content/paymentRequest",
                &[(
                    WHATSAPP,
                    json!({ "type": "interactive", "interactive": interactive }),
                )],
            )
            .await;
    }
}

#[tokio::test]
async fn how_an_order_stands_is_told_by_whatsapp() {
    let stage = Stage::new().await;
    for status in [
        "pending",
        "processing",
        "partially_shipped",
        "shipped",
        "completed",
        "canceled",
    ] {
        let given = json!({
            "bodyText": "Your order", "referenceId": "order-42", "status": status,
            "description": "By post",
        });
        let interactive = json!({
            "type": "order_status", "body": { "text": "Your order" },
            "action": { "name": "review_order", "parameters": {
                "reference_id": "order-42", "order": { "status": status, "description": "By post" },
            } },
        });
        stage
            .carried_by(
                json!({ "orderStatus": given }),
                "/content/orderStatus",
                &[(
                    WHATSAPP,
                    json!({ "type": "interactive", "interactive": interactive }),
                )],
            )
            .await;
    }
}

// The older fields of Messenger and Instagram

#[tokio::test]
async fn metas_own_fields_go_as_they_are() {
    let stage = Stage::new().await;
    let url = "https://shop.example/a.pdf";
    let file = |kind: &str| json!({ "type": kind, "payload": { "url": url } });
    let web_url = json!({ "type": "web_url", "title": "Look", "url": "https://shop.example/1" });
    let postback = json!({ "type": "postback", "title": "Buy", "payload": "buy:1" });
    let generic = json!({ "template_type": "generic", "elements": [{
        "title": "Shirt", "subtitle": "Linen", "image_url": "https://shop.example/1.png",
        "buttons": [web_url, postback],
    }] });
    let buttons = json!({
        "template_type": "button", "text": "What now?", "buttons": [postback, web_url],
    });
    let replies = json!([{ "content_type": "text", "title": "Yes", "payload": "yes" }]);
    for channel in [INSTAGRAM, MESSENGER] {
        let theirs = stage.theirs(channel);
        for (content, kind, own) in [
            (
                json!({ "attachment": file("image") }),
                "Image",
                attached("image", json!({ "url": url })),
            ),
            (
                json!({ "attachment": file("video") }),
                "Video",
                attached("video", json!({ "url": url })),
            ),
            (
                json!({ "attachments": [file("audio")] }),
                "Audio",
                attached("audio", json!({ "url": url })),
            ),
            (
                json!({ "attachment": file("file") }),
                "File",
                attached("file", json!({ "url": url })),
            ),
            (
                json!({ "attachment": { "type": "template", "payload": generic } }),
                "Card",
                attached("template", generic.clone()),
            ),
            (
                json!({ "attachment": { "type": "template", "payload": buttons } }),
                "Button",
                attached("template", buttons.clone()),
            ),
            (
                json!({ "attachment": file("image"), "text": "Look" }),
                "Image",
                json!([attached("image", json!({ "url": url })), said("Look")]),
            ),
            (
                json!({ "attachments": [file("image"), file("file")], "text": "Look" }),
                "Image",
                json!([
                    attached("image", json!({ "url": url })),
                    attached("file", json!({ "url": url })),
                    said("Look"),
                ]),
            ),
            (
                json!({ "text": "Sure?", "quick_replies": replies }),
                "QuickReply",
                json!({ "message": { "text": "Sure?", "quick_replies": replies } }),
            ),
            (
                json!({ "sender_action": "mark_seen" }),
                "Read",
                json!({ "sender_action": "mark_seen" }),
            ),
            (
                json!({ "sender_action": "typing_on" }),
                "",
                json!({ "sender_action": "typing_on" }),
            ),
            (
                json!({ "sender_action": "typing_off" }),
                "",
                json!({ "sender_action": "typing_off" }),
            ),
            (
                json!({ "sender_action": "react", "payload": {
                    "message_id": stage.hello(channel), "reaction": "love",
                } }),
                "Reaction",
                json!({ "sender_action": "react", "payload": { "message_id": theirs, "reaction": "love" } }),
            ),
            (
                json!({ "sender_action": "unreact", "payload": { "message_id": stage.hello(channel) } }),
                "Reaction",
                json!({ "sender_action": "unreact", "payload": { "message_id": theirs } }),
            ),
        ] {
            stage.becomes(channel, content.clone(), own).await;
            let answer = post(&stage.world, channel, stage.body(channel, content.clone())).await;
            let answer = answer.expect(200);
            assert_eq!(answer["recipientId"], person(channel));
            let expected = (!kind.is_empty()).then_some(kind);
            assert_eq!(
                answer.get("type").and_then(Value::as_str),
                expected,
                "{content}"
            );
            stage.world.drain().await;
        }
    }
    // The heart is Instagram's.
    let heart = json!({ "attachment": { "type": "like_heart" } });
    let own = json!({ "message": { "attachment": { "type": "like_heart" } } });
    stage.becomes(INSTAGRAM, heart.clone(), own).await;
    let at = "/content/attachment/type";
    stage
        .refuses(MESSENGER, heart, 400, "unsupported_content", at)
        .await;
    // On the others these are no fields at all.
    for channel in [WHATSAPP, TELEGRAM, SMS, WEB] {
        stage
            .wrong(channel, json!({ "attachment": file("image") }), "/content")
            .await;
    }
}

#[tokio::test]
async fn what_is_wrong_in_metas_own_fields_is_pointed_at() {
    let stage = Stage::new().await;
    let url = "https://shop.example/a.png";
    let image = json!({ "type": "image", "payload": { "url": url } });
    let reply = |title: &str, payload: &str| json!({ "content_type": "text", "title": title, "payload": payload });
    let replies = |replies: Value| json!({ "text": "Sure?", "quick_replies": replies });
    let template =
        |payload: Value| json!({ "attachment": { "type": "template", "payload": payload } });
    let generic =
        |element: Value| template(json!({ "template_type": "generic", "elements": [element] }));
    let buttons = |buttons: Value| {
        template(json!({ "template_type": "button", "text": "What now?", "buttons": buttons }))
    };
    let long = "a".repeat(21);
    for (content, at) in [
        // One content.
        (
            json!({ "attachment": image, "attachments": [image] }),
            "/content/attachments",
        ),
        (
            json!({ "attachment": image, "quick_replies": [] }),
            "/content/quick_replies",
        ),
        (
            json!({ "attachments": [image], "quick_replies": [] }),
            "/content/quick_replies",
        ),
        (
            json!({ "attachment": image, "imageUrl": url }),
            "/content/imageUrl",
        ),
        (
            json!({ "sender_action": "typing_on", "text": "Hi" }),
            "/content/text",
        ),
        (
            json!({ "sender_action": "typing_on", "attachment": image }),
            "/content/attachment",
        ),
        (
            json!({ "sender_action": "typing_on", "markSeen": true }),
            "/content/markSeen",
        ),
        (
            json!({ "quick_replies": [reply("Yes", "y")], "text": "?", "location": {} }),
            "/content/location",
        ),
        // Attachments.
        (json!({ "attachment": "image" }), "/content/attachment"),
        (json!({ "attachment": {} }), "/content/attachment/type"),
        (
            json!({ "attachment": { "type": "sticker" } }),
            "/content/attachment/type",
        ),
        (
            json!({ "attachment": { "type": "image" } }),
            "/content/attachment/payload/url",
        ),
        (
            json!({ "attachment": { "type": "image", "payload": { "url": 5 } } }),
            "/content/attachment/payload/url",
        ),
        (
            json!({ "attachment": { "type": "image", "payload": { "url": "a.png" } } }),
            "/content/attachment/payload/url",
        ),
        (json!({ "attachments": {} }), "/content/attachments"),
        (json!({ "attachments": [] }), "/content/attachments"),
        (
            json!({ "attachments": vec![image.clone(); 11] }),
            "/content/attachments",
        ),
        (
            json!({ "attachments": [image, { "type": "image" }] }),
            "/content/attachments/1/payload/url",
        ),
        (
            json!({ "attachments": [image, { "type": "image", "payload": { "url": "" } }] }),
            "/content/attachments/1/payload/url",
        ),
        (
            json!({ "attachment": { "type": "image", "payload": { "url": "" } }, "text": "Hi" }),
            "/content/attachment/payload/url",
        ),
        (json!({ "attachment": image, "text": "" }), "/content/text"),
        (
            json!({ "attachments": [image, image], "text": "a".repeat(2_001) }),
            "/content/text",
        ),
        // Templates.
        (
            template(json!({})),
            "/content/attachment/payload/template_type",
        ),
        (
            template(json!({ "template_type": "receipt" })),
            "/content/attachment/payload/template_type",
        ),
        (
            template(json!({ "template_type": "generic" })),
            "/content/attachment/payload/elements",
        ),
        (
            template(json!({ "template_type": "generic", "elements": 5 })),
            "/content/attachment/payload/elements",
        ),
        (
            template(json!({ "template_type": "generic", "elements": [] })),
            "/content/attachment/payload/elements",
        ),
        (
            generic(json!("Shirt")),
            "/content/attachment/payload/elements/0",
        ),
        (
            generic(json!({})),
            "/content/attachment/payload/elements/0/title",
        ),
        (
            generic(json!({ "title": "" })),
            "/content/attachment/payload/elements/0/title",
        ),
        (
            generic(json!({ "title": "a", "image_url": "b" })),
            "/content/attachment/payload/elements/0/image_url",
        ),
        (
            generic(json!({ "title": "a", "buttons": 5 })),
            "/content/attachment/payload/elements/0/buttons",
        ),
        (
            generic(json!({ "title": "a", "buttons": [{ "title": "b" }] })),
            "/content/attachment/payload/elements/0/buttons/0/type",
        ),
        (
            generic(json!({ "title": "a", "buttons": [{ "type": "web_url", "title": "b" }] })),
            "/content/attachment/payload/elements/0/buttons/0/url",
        ),
        (buttons(json!([])), "/content/attachment/payload/buttons"),
        (buttons(json!("no")), "/content/attachment/payload/buttons"),
        (
            buttons(json!([{ "type": "phone_number", "title": "Call", "payload": "+1555" }])),
            "/content/attachment/payload/buttons/0/type",
        ),
        (
            buttons(json!([{ "type": "postback", "title": "a" }])),
            "/content/attachment/payload/buttons/0/payload",
        ),
        (
            buttons(json!([{ "type": "postback", "payload": "a" }])),
            "/content/attachment/payload/buttons/0/title",
        ),
        (
            buttons(json!([{ "type": "postback", "title": long, "payload": "a" }])),
            "/content/attachment/payload/buttons/0/title",
        ),
        (
            buttons(json!([
                { "type": "postback", "title": "a", "payload": "x" },
                { "type": "postback", "title": "b", "payload": "x" },
            ])),
            "/content/attachment/payload/buttons/1/payload",
        ),
        (
            template(json!({ "template_type": "button", "text": "", "buttons": [] })),
            "/content/attachment/payload/text",
        ),
        // Quick replies.
        (
            json!({ "quick_replies": [reply("Yes", "y")] }),
            "/content/text",
        ),
        (replies(json!([])), "/content/quick_replies"),
        (replies(json!({})), "/content/quick_replies"),
        (
            replies(json!([{}])),
            "/content/quick_replies/0/content_type",
        ),
        (
            replies(json!([{ "content_type": "location" }])),
            "/content/quick_replies/0/content_type",
        ),
        (
            replies(json!([{ "content_type": "text", "payload": "y" }])),
            "/content/quick_replies/0/title",
        ),
        (
            replies(json!([{ "content_type": "text", "title": "Yes" }])),
            "/content/quick_replies/0/payload",
        ),
        (
            replies(json!([reply(&long, "y")])),
            "/content/quick_replies/0/title",
        ),
        (
            replies(json!([reply("Yes", "y"), reply("Yes!", "y")])),
            "/content/quick_replies/1/payload",
        ),
        (
            replies(json!(vec![reply("Yes", "y"); 14])),
            "/content/quick_replies/1/payload",
        ),
        (
            json!({ "text": "", "quick_replies": [reply("Yes", "y")] }),
            "/content/text",
        ),
        // Signs.
        (json!({ "sender_action": "wave" }), "/content/sender_action"),
        (json!({ "sender_action": 5 }), "/content/sender_action"),
        (
            json!({ "sender_action": "react" }),
            "/content/payload/reaction",
        ),
        (
            json!({ "sender_action": "react", "payload": { "reaction": "love" } }),
            "/content/payload/message_id",
        ),
        (
            json!({ "sender_action": "react", "payload": { "reaction": "love", "message_id": "m_1" } }),
            "/content/payload/message_id",
        ),
        (
            json!({ "sender_action": "react", "payload": { "reaction": "love", "message_id": NOBODY } }),
            "/content/payload/message_id",
        ),
        (
            json!({ "sender_action": "react", "payload": { "reaction": "joy", "message_id": NOBODY } }),
            "/content/payload/reaction",
        ),
        (
            json!({ "payload": { "message_id": NOBODY } }),
            "/content/payload",
        ),
        (
            json!({ "attachment": image, "payload": {} }),
            "/content/payload",
        ),
        (json!({ "text": "Hi", "payload": {} }), "/content/payload"),
    ] {
        stage.wrong(MESSENGER, content, at).await;
    }
    // Instagram has the heart alone, and nothing that was uploaded before is known.
    let at = "/content/payload/reaction";
    let like = json!({ "message_id": stage.hello(INSTAGRAM), "reaction": "like" });
    stage
        .wrong(
            INSTAGRAM,
            json!({ "sender_action": "react", "payload": like }),
            at,
        )
        .await;
    let uploaded =
        json!({ "attachment": { "type": "image", "payload": { "attachment_id": "77" } } });
    let at = "/content/attachment/payload/attachment_id";
    stage
        .refuses(INSTAGRAM, uploaded, 400, "unsupported_content", at)
        .await;
    let alone = generic(json!({ "title": "Shirt", "buttons": [] }));
    let at = "/content/attachment/payload/elements/0";
    stage
        .refuses(INSTAGRAM, alone, 400, "unsupported_content", at)
        .await;
}

#[tokio::test]
async fn an_answer_says_what_went_by_that_products_names() {
    let stage = Stage::new().await;
    let url = "https://shop.example/a.png";
    let page = json!({ "display_text": "Pay", "url": url });
    let rows = json!([{ "rows": [{ "id": "s", "title": "Small" }] }]);
    for (content, kind) in [
        (json!({ "text": "Hello" }), "Text"),
        (json!({ "imageUrl": url, "text": "Look" }), "Image"),
        (json!({ "videoUrl": url }), "Video"),
        (json!({ "audioUrl": url }), "Audio"),
        (
            json!({ "interactive": {
                "type": "button", "body": { "text": "?" }, "action": { "buttons": [button("y", "Yes")] },
            } }),
            "Button",
        ),
        (
            json!({ "interactive": {
                "type": "list", "body": { "text": "?" }, "action": { "button": "Choose", "sections": rows },
            } }),
            "List",
        ),
        (
            json!({ "interactive": {
                "type": "cta_url", "body": { "text": "?" }, "action": { "parameters": page },
            } }),
            "Button",
        ),
        (json!({ "markSeen": true }), "Read"),
        (
            json!({ "attachment": { "type": "template", "payload": { "template_type": "generic", "elements": [
                { "title": "a", "subtitle": "b" }, { "title": "c", "subtitle": "d" },
            ] } } }),
            "Carousel",
        ),
    ] {
        for channel in [INSTAGRAM, MESSENGER] {
            let answer = post(&stage.world, channel, stage.body(channel, content.clone())).await;
            let answer = answer.expect(200);
            assert_eq!(answer["type"], kind, "{channel} {content}");
            assert_eq!(answer["recipientId"], person(channel));
            stage.world.drain().await;
        }
    }
}

// Several messages

#[tokio::test]
async fn a_caption_apart_is_two_sends_in_order_and_a_replay_sends_nothing_more() {
    let url = "https://shop.example/a.png";
    let file = attached("image", json!({ "url": url }));
    for channel in [MESSENGER, INSTAGRAM] {
        let mut stage = Stage::new().await;
        let headers = [("idempotency-key", "order-1")];
        let body = stage.body(channel, json!({ "imageUrl": url, "text": "Look" }));
        let path = path(channel);
        let first = stage
            .world
            .call_with(Method::POST, &path, &headers, body.clone())
            .await;
        let first = first.expect(200);
        stage.world.drain().await;
        let shown = stage.world.now(&json!({ "id": first["messageId"] })).await;
        let parts = shown["adapted"]["parts"].as_array().expect("parts").clone();
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0], first["messageId"], "the first is answered");
        assert_eq!(
            shown["adapted"]["changes"][0]["pointer"],
            "/content/caption"
        );
        let whole = [
            stage.request(channel, file.clone(), &text(&parts[0])),
            stage.request(channel, said("Look"), &text(&parts[1])),
        ];
        assert_eq!(stage.world.provider_requests(), whole);
        let second = stage.world.now(&json!({ "id": parts[1] })).await;
        assert_eq!(second["content"], json!({ "type": "text", "text": "Look" }));
        assert_eq!(second["status"], "sent");
        assert_eq!(second["adapted"], shown["adapted"]);
        let rows = stage.world.database().count("SELECT COUNT(*) FROM message");
        for is_cold in [false, true] {
            if is_cold {
                stage.world.forget();
            }
            let again = stage
                .world
                .call_with(Method::POST, &path, &headers, body.clone())
                .await;
            assert_eq!(again.header("idempotency-replayed"), Some("true"));
            assert_eq!(again.expect(200), first, "{channel}");
            stage.world.drain().await;
        }
        assert_eq!(stage.world.provider_requests(), whole, "{channel}");
        assert_eq!(
            stage.world.database().count("SELECT COUNT(*) FROM message"),
            rows
        );
    }
}

// What is wrong

#[tokio::test]
async fn what_is_wrong_about_a_file_or_a_place_is_pointed_at() {
    let stage = Stage::new().await;
    let url = "https://shop.example/a";
    let long = format!("{url}/{}", "a".repeat(2_048));
    for field in [
        "imageUrl",
        "videoUrl",
        "audioUrl",
        "documentUrl",
        "stickerUrl",
    ] {
        let at = format!("/content/{field}");
        for value in [
            json!(5),
            json!({ "url": url }),
            json!([]),
            json!(true),
            json!(""),
            json!("a.png"),
            json!("ftp://shop.example/a"),
            json!("https://user:secret@shop.example/a"),
            json!("https://shop.example/a b"),
            json!(long),
        ] {
            stage.wrong(WHATSAPP, json!({ field: value }), &at).await;
        }
        let heart = json!({ field: "like_heart" });
        match field {
            "stickerUrl" => {
                stage
                    .refuses(WHATSAPP, heart, 400, "unsupported_content", &at)
                    .await
            }
            _ => stage.wrong(WHATSAPP, heart, &at).await,
        }
    }
    for (channel, content, at) in [
        (
            WHATSAPP,
            json!({ "imageUrl": url, "text": "" }),
            "/content/text",
        ),
        (
            WHATSAPP,
            json!({ "imageUrl": url, "text": "a".repeat(1_025) }),
            "/content/text",
        ),
        (
            MESSENGER,
            json!({ "imageUrl": url, "text": "a".repeat(2_001) }),
            "/content/text",
        ),
        (
            INSTAGRAM,
            json!({ "imageUrl": url, "text": "é".repeat(501) }),
            "/content/text",
        ),
        (
            TELEGRAM,
            json!({ "videoUrl": url, "text": "a".repeat(1_025) }),
            "/content/text",
        ),
        (
            SMS,
            json!({ "imageUrl": url, "text": "a".repeat(1_601) }),
            "/content/text",
        ),
        (
            WHATSAPP,
            json!({ "stickerUrl": url, "text": "Hi" }),
            "/content/text",
        ),
        (
            WHATSAPP,
            json!({ "documentUrl": url, "filename": 5 }),
            "/content/filename",
        ),
        (
            WHATSAPP,
            json!({ "documentUrl": url, "filename": " " }),
            "/content/filename",
        ),
        (
            WHATSAPP,
            json!({ "audioUrl": url, "voice": "yes" }),
            "/content/voice",
        ),
        (WHATSAPP, json!({ "location": 5 }), "/content/location"),
        (WHATSAPP, json!({ "location": [1, 2] }), "/content/location"),
        (
            WHATSAPP,
            json!({ "location": {} }),
            "/content/location/latitude",
        ),
        (
            WHATSAPP,
            json!({ "location": { "latitude": 1 } }),
            "/content/location/longitude",
        ),
        (
            WHATSAPP,
            json!({ "location": { "latitude": "1", "longitude": 1 } }),
            "/content/location/latitude",
        ),
        (
            WHATSAPP,
            json!({ "location": { "latitude": 91, "longitude": 1 } }),
            "/content/location/latitude",
        ),
        (
            WHATSAPP,
            json!({ "location": { "latitude": 1, "longitude": -181 } }),
            "/content/location/longitude",
        ),
        (
            WHATSAPP,
            json!({ "location": { "latitude": 1, "longitude": 1, "name": "" } }),
            "/content/location/name",
        ),
        (
            WHATSAPP,
            json!({ "location": { "latitude": 1, "longitude": 1, "address": 5 } }),
            "/content/location/address",
        ),
    ] {
        stage.wrong(channel, content, at).await;
    }
}

#[tokio::test]
async fn what_is_wrong_about_a_contact_is_pointed_at_as_it_is_spelled() {
    let stage = Stage::new().await;
    let phones = json!([{ "phone": "+15550100001" }]);
    for (card, at) in [
        (json!("Ada"), ""),
        (json!([]), ""),
        (json!({}), "/name"),
        (json!({ "name": 5, "phones": phones }), "/name"),
        (json!({ "name": "", "phones": phones }), "/name"),
        (
            json!({ "name": {}, "phones": phones }),
            "/name/formattedName",
        ),
        (
            json!({ "name": { "formattedName": 5 }, "phones": phones }),
            "/name/formattedName",
        ),
        (
            json!({ "name": { "formatted_name": 5 }, "phones": phones }),
            "/name/formatted_name",
        ),
        (
            json!({ "name": { "formatted_name": " " }, "phones": phones }),
            "/name/formatted_name",
        ),
        (
            json!({ "name": { "formatted_name": "Ada", "first_name": 5 }, "phones": phones }),
            "/name/first_name",
        ),
        (
            json!({ "name": { "formattedName": "Ada", "lastName": [] }, "phones": phones }),
            "/name/lastName",
        ),
        (json!({ "name": "Ada" }), "/phones"),
        (json!({ "name": "Ada", "phones": [] }), "/phones"),
        (
            json!({ "name": "Ada", "phones": "+15550100001" }),
            "/phones",
        ),
        (json!({ "name": "Ada", "phones": [""] }), "/phones/0"),
        (json!({ "name": "Ada", "phones": [{}] }), "/phones/0/phone"),
        (
            json!({ "name": "Ada", "phones": [{ "phone": 5 }] }),
            "/phones/0/phone",
        ),
        (
            json!({ "name": "Ada", "phones": [{ "phone": "+1", "type": 5 }] }),
            "/phones/0/type",
        ),
        (
            json!({ "name": "Ada", "phones": phones, "emails": {} }),
            "/emails",
        ),
        (
            json!({ "name": "Ada", "phones": phones, "emails": [5] }),
            "/emails/0",
        ),
        (
            json!({ "name": "Ada", "phones": phones, "emails": [""] }),
            "/emails/0",
        ),
        (
            json!({ "name": "Ada", "phones": phones, "organization": {} }),
            "/organization",
        ),
        (
            json!({ "name": "Ada", "phones": phones, "org": { "company": 5 } }),
            "/org/company",
        ),
        (json!({ "name": "Ada", "phones": phones, "org": 5 }), "/org"),
    ] {
        let right = json!({ "name": "Ada", "phones": phones });
        stage
            .wrong(
                WHATSAPP,
                json!({ "contact": card }),
                &format!("/content/contact{at}"),
            )
            .await;
        let several = json!({ "contacts": [right, card] });
        stage
            .wrong(WHATSAPP, several, &format!("/content/contacts/1{at}"))
            .await;
    }
    let right = json!({ "name": "Ada", "phones": phones });
    for (content, at) in [
        (json!({ "contacts": [] }), "/content/contacts"),
        (json!({ "contacts": right }), "/content/contacts"),
        (json!({ "contacts": "Ada" }), "/content/contacts"),
        (
            json!({ "contacts": vec![right.clone(); 21] }),
            "/content/contacts",
        ),
        (
            json!({ "contacts": [right], "contact": right }),
            "/content/contacts",
        ),
    ] {
        stage.wrong(TELEGRAM, content, at).await;
    }
}

#[tokio::test]
async fn what_is_wrong_about_an_interactive_message_is_pointed_at_in_its_own_form() {
    let stage = Stage::new().await;
    let buttons = |buttons: Value| json!({ "type": "button", "body": { "text": "?" }, "action": { "buttons": buttons } });
    let list = |sections: Value| {
        json!({
            "type": "list", "body": { "text": "?" },
            "action": { "button": "Choose", "sections": sections },
        })
    };
    let page = |parameters: Value| json!({ "type": "cta_url", "body": { "text": "?" }, "action": { "parameters": parameters } });
    let with = |part: &str, value: Value| {
        let mut whole = buttons(json!([button("y", "Yes")]));
        whole[part] = value;
        whole
    };
    let row = |id: &str| json!({ "id": id, "title": "Small" });
    let url = "https://shop.example/a";
    for (interactive, at) in [
        (json!("button"), ""),
        (json!([]), ""),
        (json!({}), "/type"),
        (json!({ "type": 5 }), "/type"),
        (json!({ "type": "flow" }), "/type"),
        (json!({ "type": "order_details" }), "/type"),
        (json!({ "kind": "buttons", "body": "?" }), "/type"),
        (json!({ "type": "button" }), "/body/text"),
        (with("body", json!("?")), "/body/text"),
        (with("body", json!({ "text": 5 })), "/body/text"),
        (with("body", json!({ "text": "" })), "/body/text"),
        (
            with("body", json!({ "text": "a".repeat(1_025) })),
            "/body/text",
        ),
        (with("footer", json!("bye")), "/footer/text"),
        (with("footer", json!({})), "/footer/text"),
        (with("footer", json!({ "text": 5 })), "/footer/text"),
        (
            with("footer", json!({ "text": "a".repeat(61) })),
            "/footer/text",
        ),
        (with("header", json!("Hi")), "/header/type"),
        (with("header", json!({ "type": "audio" })), "/header/type"),
        (with("header", json!({ "type": "text" })), "/header/text"),
        (
            with("header", json!({ "type": "text", "text": 5 })),
            "/header/text",
        ),
        (
            with("header", json!({ "type": "text", "text": "" })),
            "/header/text",
        ),
        (
            with("header", json!({ "type": "text", "text": "a".repeat(61) })),
            "/header/text",
        ),
        (
            with("header", json!({ "type": "image", "text": "Hi" })),
            "/header/image/link",
        ),
        (
            with("header", json!({ "type": "image", "image": url })),
            "/header/image/link",
        ),
        (
            with("header", json!({ "type": "image", "image": { "link": 5 } })),
            "/header/image/link",
        ),
        (
            with(
                "header",
                json!({ "type": "video", "video": { "link": "a" } }),
            ),
            "/header/video/link",
        ),
        (
            with(
                "header",
                json!({ "type": "document", "document": { "link": url, "filename": 5 } }),
            ),
            "/header/document/filename",
        ),
        (with("action", json!("none")), "/action/buttons"),
        (with("action", json!({})), "/action/buttons"),
        (buttons(json!([])), "/action/buttons"),
        (buttons(json!("Yes")), "/action/buttons"),
        (buttons(json!([{}])), "/action/buttons/0/reply/title"),
        (buttons(json!(["Yes"])), "/action/buttons/0/reply/title"),
        (
            buttons(json!([{ "reply": "Yes" }])),
            "/action/buttons/0/reply",
        ),
        (
            buttons(json!([{ "reply": { "title": "Yes" } }])),
            "/action/buttons/0/reply/id",
        ),
        // A button here opens no page.
        (
            buttons(json!([{ "reply": { "title": "Yes", "url": url } }])),
            "/action/buttons/0/reply/id",
        ),
        (
            buttons(json!([{ "reply": { "id": "y" } }])),
            "/action/buttons/0/reply/title",
        ),
        (
            buttons(json!([{ "reply": { "id": 5, "title": "Yes" } }])),
            "/action/buttons/0/reply/id",
        ),
        (
            buttons(json!([button("y", "")])),
            "/action/buttons/0/reply/title",
        ),
        (
            buttons(json!([button("y", &"a".repeat(21))])),
            "/action/buttons/0/reply/title",
        ),
        (
            buttons(json!([button(&"a".repeat(257), "Yes")])),
            "/action/buttons/0/reply/id",
        ),
        (
            buttons(json!([button("y", "Yes"), button("y", "No")])),
            "/action/buttons/1/reply/id",
        ),
        (
            buttons(json!([
                button("a", "A"),
                button("b", "B"),
                button("c", "C"),
                button("d", "D")
            ])),
            "/action/buttons",
        ),
        (
            json!({ "type": "list", "body": { "text": "?" } }),
            "/action/sections",
        ),
        (list(Value::Null), "/action/sections"),
        (list(json!([])), "/action/sections"),
        (list(json!({})), "/action/sections"),
        (list(json!([{}])), "/action/sections/0/rows"),
        (list(json!([{ "rows": [] }])), "/action/sections/0/rows"),
        (
            list(json!([{ "rows": [{ "title": "Small" }] }])),
            "/action/sections/0/rows/0/id",
        ),
        (
            list(json!([{ "rows": [{ "id": "s" }] }])),
            "/action/sections/0/rows/0/title",
        ),
        (
            list(json!([{ "rows": [{ "id": "s", "title": "a".repeat(25) }] }])),
            "/action/sections/0/rows/0/title",
        ),
        (
            list(json!([{ "rows": [{ "id": "s", "title": "S", "description": "a".repeat(73) }] }])),
            "/action/sections/0/rows/0/description",
        ),
        (
            list(json!([{ "title": "a".repeat(25), "rows": [row("s")] }])),
            "/action/sections/0/title",
        ),
        (
            list(json!([{ "rows": [row("s"), row("s")] }])),
            "/action/sections/0/rows/1/id",
        ),
        (
            list(json!([{ "title": "A", "rows": [row("s")] }, { "rows": [row("l")] }])),
            "/action/sections/1/title",
        ),
        (
            list(json!([{ "rows": (0..11).map(|at| row(&at.to_string())).collect::<Vec<_>>() }])),
            "/action/sections",
        ),
        (
            json!({ "type": "list", "body": { "text": "?" }, "action": { "sections": [{ "rows": [row("s")] }] } }),
            "/action/button",
        ),
        (page(Value::Null), "/action/parameters"),
        (page(json!("Pay")), "/action/parameters/display_text"),
        (
            page(json!({ "url": url })),
            "/action/parameters/display_text",
        ),
        (
            page(json!({ "display_text": "Pay" })),
            "/action/parameters/url",
        ),
        (
            page(json!({ "display_text": "Pay", "url": "pay" })),
            "/action/parameters/url",
        ),
        (
            page(json!({ "display_text": "a".repeat(21), "url": url })),
            "/action/parameters/display_text",
        ),
        (
            json!({ "type": "location_request_message", "body": {} }),
            "/body/text",
        ),
    ] {
        let at = format!("/content/interactive{at}");
        stage
            .wrong(WHATSAPP, json!({ "interactive": interactive }), &at)
            .await;
    }
}

#[tokio::test]
async fn what_is_wrong_about_a_sign_a_payment_or_an_order_is_pointed_at() {
    let stage = Stage::new().await;
    let hello = stage.hello(WHATSAPP);
    let elsewhere = stage.hello(TELEGRAM);
    for (reaction, at) in [
        (json!("👍"), ""),
        (json!({}), "/messageId"),
        (json!({ "messageId": hello }), "/emoji"),
        (json!({ "messageId": hello, "emoji": 5 }), "/emoji"),
        (json!({ "messageId": hello, "emoji": " " }), "/emoji"),
        (
            json!({ "messageId": hello, "emoji": "👍".repeat(17) }),
            "/emoji",
        ),
        (json!({ "messageId": 5, "emoji": "👍" }), "/messageId"),
        (
            json!({ "messageId": "wamid.1", "emoji": "👍" }),
            "/messageId",
        ),
        (json!({ "messageId": NOBODY, "emoji": "👍" }), "/messageId"),
        (
            json!({ "messageId": elsewhere, "emoji": "👍" }),
            "/messageId",
        ),
    ] {
        let at = format!("/content/reaction{at}");
        stage
            .wrong(WHATSAPP, json!({ "reaction": reaction }), &at)
            .await;
    }
    for (channel, emoji) in [(MESSENGER, "🎉"), (INSTAGRAM, "👍"), (TELEGRAM, "🧀")] {
        let reaction = json!({ "messageId": stage.hello(channel), "emoji": emoji });
        stage
            .wrong(
                channel,
                json!({ "reaction": reaction }),
                "/content/reaction/emoji",
            )
            .await;
    }
    for (mark, at) in [
        (json!(false), ""),
        (json!("m_1"), ""),
        (json!([]), ""),
        (json!({ "messageId": 5 }), "/messageId"),
        (json!({ "messageId": NOBODY }), "/messageId"),
        (json!({ "messageId": hello }), "/messageId"),
    ] {
        let at = format!("/content/markSeen{at}");
        stage
            .wrong(MESSENGER, json!({ "markSeen": mark }), &at)
            .await;
    }
    let pix = json!({ "code": "0002", "merchantName": "Shop", "key": "k", "keyType": "EVP" });
    let right = payment("pix", json!({ "pix": pix }));
    for (field, value, at) in [
        ("bodyText", json!(null), "/bodyText"),
        ("bodyText", json!(""), "/bodyText"),
        ("bodyText", json!("a".repeat(1_025)), "/bodyText"),
        ("referenceId", json!(42), "/referenceId"),
        ("referenceId", json!("order 42"), "/referenceId"),
        ("referenceId", json!("a".repeat(36)), "/referenceId"),
        ("paymentMethod", json!("card"), "/paymentMethod"),
        ("paymentMethod", json!("boleto"), "/boleto"),
        ("paymentMethod", json!("payment_link"), "/paymentLink"),
        ("pix", json!(null), "/pix"),
        ("pix", json!("0002"), "/pix"),
        (
            "pix",
            json!({ "code": "0002", "merchantName": "Shop", "key": "k" }),
            "/pix/keyType",
        ),
        (
            "pix",
            json!({ "code": "", "merchantName": "Shop", "key": "k", "keyType": "EVP" }),
            "/pix/code",
        ),
        (
            "pix",
            json!({ "code": "0", "merchantName": "Shop", "key": "k", "keyType": "IBAN" }),
            "/pix/keyType",
        ),
        ("currency", json!("USD"), "/currency"),
        ("totalAmountCents", json!(null), "/totalAmountCents"),
        ("totalAmountCents", json!(55.5), "/totalAmountCents"),
        ("totalAmountCents", json!("5500"), "/totalAmountCents"),
        ("totalAmountCents", json!(0), "/totalAmountCents"),
        ("totalAmountCents", json!(5_501), "/totalAmountCents"),
        ("totalAmountCents", json!(i64::MAX), "/totalAmountCents"),
        ("offset", json!(1), "/offset"),
        ("items", json!({}), "/items"),
        ("items", json!([{}]), "/items/0/retailerId"),
        (
            "items",
            json!([{ "retailerId": "a", "name": "", "amountCents": 1, "quantity": 1 }]),
            "/items/0/name",
        ),
        (
            "items",
            json!([{ "retailerId": "a", "name": "A", "amountCents": -1, "quantity": 1 }]),
            "/items/0/amountCents",
        ),
        (
            "items",
            json!([{ "retailerId": "a", "name": "A", "amountCents": 1, "quantity": 0 }]),
            "/items/0/quantity",
        ),
        (
            "items",
            json!([{ "retailerId": "a", "name": "A", "amountCents": 1, "quantity": 1.5 }]),
            "/items/0/quantity",
        ),
        ("tax", json!({}), "/tax/valueCents"),
        ("tax", json!({ "valueCents": -1 }), "/tax/valueCents"),
        (
            "tax",
            json!({ "valueCents": 500, "offset": 10 }),
            "/tax/offset",
        ),
        ("subtotalCents", json!(1), "/subtotalCents"),
    ] {
        let mut request = right.clone();
        request[field] = value;
        let at = format!("/content/paymentRequest{at}");
        stage
            .wrong(WHATSAPP, json!({ "paymentRequest": request }), &at)
            .await;
    }
    stage
        .wrong(
            WHATSAPP,
            json!({ "paymentRequest": true }),
            "/content/paymentRequest",
        )
        .await;
    for (order, at) in [
        (json!("shipped"), ""),
        (json!({}), "/bodyText"),
        (json!({ "bodyText": "Sent" }), "/referenceId"),
        (
            json!({ "bodyText": "Sent", "referenceId": "42" }),
            "/status",
        ),
        (
            json!({ "bodyText": "Sent", "referenceId": "42", "status": "lost" }),
            "/status",
        ),
        (
            json!({ "bodyText": "Sent", "referenceId": "4 2", "status": "shipped" }),
            "/referenceId",
        ),
        (
            json!({ "bodyText": "", "referenceId": "42", "status": "shipped" }),
            "/bodyText",
        ),
        (
            json!({ "bodyText": "Sent", "referenceId": "42", "status": "shipped", "description": 5 }),
            "/description",
        ),
    ] {
        let at = format!("/content/orderStatus{at}");
        stage
            .wrong(WHATSAPP, json!({ "orderStatus": order }), &at)
            .await;
    }
}

// Whatever is posted

const NAMES: [&str; 44] = [
    "text",
    "imageUrl",
    "audioUrl",
    "documentUrl",
    "stickerUrl",
    "filename",
    "voice",
    "location",
    "latitude",
    "longitude",
    "contact",
    "contacts",
    "name",
    "formattedName",
    "formatted_name",
    "phones",
    "phone",
    "emails",
    "org",
    "company",
    "interactive",
    "type",
    "button",
    "list",
    "header",
    "body",
    "action",
    "buttons",
    "reply",
    "title",
    "id",
    "sections",
    "rows",
    "parameters",
    "reaction",
    "emoji",
    "messageId",
    "markSeen",
    "paymentRequest",
    "attachments",
    "quick_replies",
    "payload",
    "template",
    "https://shop.example/a.png",
];
const FIELDS: [&str; 12] = [
    "imageUrl",
    "location",
    "contact",
    "contacts",
    "interactive",
    "reaction",
    "markSeen",
    "paymentRequest",
    "orderStatus",
    "attachment",
    "attachments",
    "quick_replies",
];

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_stands_in_a_field_is_answered_in_this_surfaces_shape(
        values in prop::collection::vec((prop::sample::select(FIELDS.as_slice()), any_json(&NAMES)), 8),
        whole in any_json(&NAMES),
    ) {
        run(async {
            let world = World::new().await;
            world.sends_unknown_fields.set(true);
            let channels = all(&world).await;
            let fields = values.into_iter().map(|(field, value)| json!({ field: value }));
            for content in fields.chain([whole]) {
                for (channel, from) in &channels {
                    let body = body(from, person(channel), content.clone());
                    let reply = post(&world, channel, body).await;
                    assert!(reply.status < 500, "{channel} {content}: {}", reply.body);
                    if reply.status != 200 {
                        is_problem(&reply);
                        assert_eq!(reply.body["messageId"], Value::Null);
                    }
                }
            }
        });
    }
}
