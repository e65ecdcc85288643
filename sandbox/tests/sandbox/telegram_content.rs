use crate::common::*;
use patchbay_sandbox::{CallFilter, Inbound};
use serde_json::{Value, json};

const FILE: &str = "https://a.example/b";

fn to_chat(mut params: Value) -> Value {
    params["chat_id"] = json!(CHAT);
    params
}

fn marked(markup: Value) -> Value {
    to_chat(json!({"text": "Hi", "reply_markup": markup}))
}

fn inline(button: Value) -> Value {
    marked(json!({"inline_keyboard": [[button]]}))
}

#[tokio::test]
async fn every_kind_of_content_is_sent_and_shown_in_words() {
    let sandbox = started_bot().await;
    let place = json!({"latitude": -23.5, "longitude": -46.6});
    let venue =
        json!({"latitude": -23.5, "longitude": -46.6, "title": "Shop", "address": "Rua A, 1"});
    let card = json!({"phone_number": "+5511", "first_name": "Ana", "last_name": "Lima", "vcard": "BEGIN:VCARD"});
    let cases = [
        (
            "sendPhoto",
            json!({"photo": FILE, "caption": "Hat"}),
            "photo",
            "https://a.example/b\nHat",
        ),
        (
            "sendVideo",
            json!({"video": FILE, "supports_streaming": true}),
            "video",
            FILE,
        ),
        (
            "sendAudio",
            json!({"audio": FILE, "title": "Song", "duration": 3}),
            "audio",
            FILE,
        ),
        ("sendVoice", json!({"voice": FILE}), "voice", FILE),
        (
            "sendDocument",
            json!({"document": FILE, "caption": "Bill"}),
            "document",
            "https://a.example/b\nBill",
        ),
        ("sendSticker", json!({"sticker": FILE}), "sticker", FILE),
        (
            "sendAnimation",
            json!({"animation": FILE}),
            "animation",
            FILE,
        ),
        ("sendLocation", place, "location", "-23.5, -46.6"),
        ("sendVenue", venue, "venue", "Shop, Rua A, 1 (-23.5, -46.6)"),
        ("sendContact", card, "contact", "Ana Lima, +5511"),
    ];

    for (name, params, kind, text) in cases {
        let (status, body) = method(&sandbox, name, &to_chat(params)).await;
        assert_eq!(status, 200, "{name} {body}");
        assert!(body["result"].get(kind).is_some(), "{body}");
        let phone = sandbox.phone("test_bot", CHAT).unwrap();
        let last = phone.messages.back().unwrap();
        assert_eq!((last.kind.as_str(), last.text.as_str()), (kind, text));
        let calls = sandbox.calls(&CallFilter::default());
        assert_eq!(calls.last().unwrap().kind.as_deref(), Some(kind));
    }
}

#[tokio::test]
async fn buttons_of_every_sort_are_taken() {
    let sandbox = started_bot().await;
    let cases = [
        inline(json!({"text": "A", "callback_data": "é".repeat(32)})),
        inline(json!({"text": "A", "url": "https://a.example"})),
        inline(json!({"text": "A", "copy_text": {"text": "4711"}, "style": "primary"})),
        marked(
            json!({"keyboard": [["A"], [{"text": "B", "request_location": true}]], "resize_keyboard": true}),
        ),
        marked(json!({"remove_keyboard": true})),
        marked(json!({"force_reply": true, "input_field_placeholder": "Name"})),
    ];

    for params in cases {
        let (status, body) = method(&sandbox, "sendMessage", &params).await;
        assert_eq!(status, 200, "{params} {body}");
    }
}

#[tokio::test]
async fn what_breaks_the_rules_is_a_bad_request() {
    let sandbox = started_bot().await;
    let data = |data: &str| inline(json!({"text": "A", "callback_data": data}));
    let two = json!({"text": "A", "callback_data": "a", "url": "https://a.example"});
    let many: Vec<_> = (0..101)
        .map(|_| json!({"text": "A", "callback_data": "a"}))
        .collect();
    let both = json!({"keyboard": [["A"]], "inline_keyboard": []});
    let wrong_key = json!({"keyboard": [[{"text": "A", "request_location": "yes"}]]});
    let two_asks =
        json!({"keyboard": [[{"text": "A", "request_location": true, "request_contact": true}]]});
    let long_vcard = json!({"phone_number": "1", "first_name": "A", "vcard": "x".repeat(2049)});
    let cases = [
        (
            "sendMessage",
            json!({"text": "Hi", "txt": "Hi"}),
            "unknown parameter \"txt\"",
        ),
        (
            "sendMessage",
            json!({"text": 7}),
            "parameter \"text\" must be of type Text",
        ),
        (
            "sendMessage",
            json!({"text": "Hi", "protect_content": "yes"}),
            "parameter \"protect_content\" must be of type Flag",
        ),
        (
            "sendMessage",
            json!({"text": "Hi", "reply_to_message_id": 1}),
            "unknown parameter",
        ),
        (
            "sendMessage",
            json!({"text": "Hi", "reply_parameters": {"message": 1}}),
            "unknown field",
        ),
        (
            "sendMessage",
            json!({"text": "Hi", "link_preview_options": {"disabled": true}}),
            "can't parse link preview options",
        ),
        (
            "sendMessage",
            json!({"text": "Hi", "parse_mode": "BBCode"}),
            "unsupported parse_mode",
        ),
        (
            "sendPhoto",
            json!({"photo": FILE, "caption": "x".repeat(1025)}),
            "message caption is too long",
        ),
        (
            "sendPhoto",
            json!({"photo": "b.png"}),
            "wrong file identifier/HTTP URL specified",
        ),
        ("sendPhoto", json!({"document": FILE}), "unknown parameter"),
        (
            "sendSticker",
            json!({"sticker": FILE, "caption": "Hi"}),
            "unknown parameter",
        ),
        (
            "sendLocation",
            json!({"latitude": 1.0}),
            "parameter \"longitude\" is required",
        ),
        (
            "sendLocation",
            json!({"latitude": 91, "longitude": 1}),
            "invalid location",
        ),
        (
            "sendVenue",
            json!({"latitude": 1, "longitude": 1, "title": "A"}),
            "parameter \"address\" is required",
        ),
        (
            "sendContact",
            json!({"first_name": "A"}),
            "parameter \"phone_number\" is required",
        ),
        ("sendContact", long_vcard, "contact vCard is too long"),
        ("sendMessage", data(""), "BUTTON_DATA_INVALID"),
        ("sendMessage", data(&"é".repeat(33)), "BUTTON_DATA_INVALID"),
        (
            "sendMessage",
            inline(json!({"text": "A", "url": "a.example"})),
            "BUTTON_URL_INVALID",
        ),
        (
            "sendMessage",
            inline(json!({"text": "A"})),
            "Text buttons are unallowed",
        ),
        (
            "sendMessage",
            inline(json!({"callback_data": "a"})),
            "Can't find field \"text\"",
        ),
        (
            "sendMessage",
            inline(json!({"text": "", "callback_data": "a"})),
            "Field \"text\" must be",
        ),
        ("sendMessage", inline(two), "exactly one action"),
        (
            "sendMessage",
            inline(json!({"text": "A", "payload": "a"})),
            "unknown field \"payload\"",
        ),
        (
            "sendMessage",
            marked(json!({"inline_keyboard": [many]})),
            "reply markup is too long",
        ),
        (
            "sendMessage",
            marked(json!({"inline_keyboard": [{"text": "A"}]})),
            "Array of Arrays",
        ),
        ("sendMessage", marked(both), "exactly one kind"),
        (
            "sendMessage",
            marked(json!({"buttons": []})),
            "exactly one kind",
        ),
        (
            "sendMessage",
            marked(json!({"keyboard": [["A"]], "selective": 1})),
            "Field \"selective\"",
        ),
        (
            "sendMessage",
            marked(wrong_key),
            "Field \"request_location\"",
        ),
        ("sendMessage", marked(two_asks), "at most one action"),
        (
            "sendChatAction",
            json!({"action": "dancing"}),
            "wrong parameter action in request",
        ),
        (
            "sendChatAction",
            json!({}),
            "wrong parameter action in request",
        ),
        (
            "answerCallbackQuery",
            json!({}),
            "unknown parameter \"chat_id\"",
        ),
    ];

    for (name, params, why) in cases {
        let (status, body) = method(&sandbox, name, &to_chat(params.clone())).await;
        let said = body["description"].as_str().unwrap();
        assert_eq!(status, 400, "{params}");
        assert!(
            said.starts_with("Bad Request: ") && said.contains(why),
            "{said} {params}"
        );
    }
    assert_eq!(sandbox.accepted_count(), 0);
}

#[tokio::test]
async fn a_reaction_is_one_of_telegrams_emoji_on_a_message_of_the_chat() {
    let sandbox = started_bot().await;
    let hello = Inbound::new("test_bot", CHAT, "Hello");
    let id = sandbox.inbound(hello).await.unwrap().provider_message_id;
    let id: i64 = id.unwrap().parse().unwrap();
    let react = async |id: i64, reaction: Value| {
        let params = to_chat(json!({"message_id": id, "reaction": reaction}));
        method(&sandbox, "setMessageReaction", &params).await
    };
    let on_theirs = || {
        let phone = sandbox.phone("test_bot", CHAT).unwrap();
        phone.messages.back().unwrap().reaction.clone()
    };
    let emoji = |emoji: &str| json!({"type": "emoji", "emoji": emoji});

    assert_eq!(react(id, json!([emoji("👍")])).await.0, 200);
    assert_eq!(on_theirs().as_deref(), Some("👍"));
    for (id, reaction, why) in [
        (id, json!([emoji("🫠")]), "REACTION_INVALID"),
        (id, json!([{"type": "paid"}]), "REACTION_INVALID"),
        (id, json!([emoji("👍"), emoji("❤")]), "REACTIONS_TOO_MANY"),
        (id + 1, json!([emoji("👍")]), "message to react not found"),
    ] {
        let (status, body) = react(id, reaction).await;
        assert_eq!(
            (status, &body["description"]),
            (400, &json!(format!("Bad Request: {why}")))
        );
    }
    assert_eq!(react(id, json!([])).await.0, 200);
    assert_eq!(on_theirs(), None);
}

#[tokio::test]
async fn typing_is_shown_without_a_message() {
    let sandbox = started_bot().await;

    let (status, _) = method(
        &sandbox,
        "sendChatAction",
        &to_chat(json!({"action": "typing"})),
    )
    .await;

    assert_eq!(status, 200);
    let calls = sandbox.calls(&CallFilter {
        kind: Some("typing".to_owned()),
        ..CallFilter::default()
    });
    assert_eq!((calls.len(), calls[0].accepted), (1, false));
}
