use crate::common::*;
use patchbay_sandbox::{CallFilter, Inbound, Sandbox};
use serde_json::{Value, json};

/// A sandbox with a Page and an Instagram account, to both of which the person has written.
async fn both() -> Sandbox {
    let sandbox = sandbox().await;
    sandbox.register_account(page(&sandbox)).unwrap();
    sandbox.register_account(professional(&sandbox)).unwrap();
    for account in [PAGE, PROFESSIONAL] {
        let hello = Inbound::new(account, PSID, "Hello");
        sandbox.inbound(hello).await.unwrap();
    }
    sandbox
}

fn attached(kind: &str, payload: Value) -> Value {
    json!({"attachment": {"type": kind, "payload": payload}})
}

fn template(payload: Value) -> Value {
    attached("template", payload)
}

async fn post(sandbox: &Sandbox, account: &str, body: Value) -> (u16, Value) {
    let url = format!("{}/{account}/messages", sandbox.graph_base());
    graph(&url, TOKEN, &body).await
}

async fn send(sandbox: &Sandbox, account: &str, message: &Value) -> (u16, Value) {
    let body = json!({"recipient": {"id": PSID}, "messaging_type": "RESPONSE", "message": message});
    post(sandbox, account, body).await
}

async fn act(sandbox: &Sandbox, account: &str, action: &str, payload: Value) -> (u16, Value) {
    let mut body = json!({"recipient": {"id": PSID}, "sender_action": action});
    if !payload.is_null() {
        body["payload"] = payload;
    }
    post(sandbox, account, body).await
}

#[tokio::test]
async fn every_kind_of_content_is_shown_in_words_with_what_can_be_pressed() {
    let sandbox = both().await;
    let buy = json!({"type": "postback", "title": "Buy", "payload": "B"});
    let open = json!({"type": "web_url", "title": "Open", "url": "https://a.example"});
    let reply = json!({"content_type": "text", "title": "Red", "payload": "R"});
    let card = json!({"title": "Hat", "subtitle": "Brown", "buttons": [buy, open]});
    let cases = [
        (
            attached("image", json!({"url": "https://a.example/b.png"})),
            "image",
            "https://a.example/b.png",
            0,
        ),
        (
            attached("file", json!({"url": "https://a.example/b.pdf"})),
            "file",
            "https://a.example/b.pdf",
            0,
        ),
        (
            json!({"text": "Which?", "quick_replies": [reply]}),
            "text",
            "Which?",
            1,
        ),
        (
            template(json!({"template_type": "button", "text": "Go", "buttons": [buy, open]})),
            "button",
            "Go",
            2,
        ),
        (
            template(json!({"template_type": "generic", "elements": [card, card]})),
            "generic",
            "Hat: Brown\nHat: Brown",
            4,
        ),
    ];

    for account in [PAGE, PROFESSIONAL] {
        for (message, kind, text, choices) in &cases {
            let (status, answered) = send(&sandbox, account, message).await;
            assert_eq!(status, 200, "{message} {answered}");
            let phone = sandbox.phone(account, PSID).unwrap();
            let last = phone.messages.back().unwrap();
            assert_eq!((last.kind.as_str(), last.text.as_str()), (*kind, *text));
            assert_eq!(last.choices.len(), *choices);
        }
    }
    assert_eq!(
        send(
            &sandbox,
            PROFESSIONAL,
            &json!({"attachment": {"type": "like_heart"}})
        )
        .await
        .0,
        200
    );
}

#[tokio::test]
async fn content_that_breaks_the_rules_is_refused_by_both() {
    let sandbox = both().await;
    let url = "https://a.example/b.png";
    let postback = |title: &str, payload: &str| json!({"type": "postback", "title": title, "payload": payload});
    let buttons = |text: &str, buttons: Vec<Value>| {
        template(json!({"template_type": "button", "text": text, "buttons": buttons}))
    };
    let card = |card: Value| template(json!({"template_type": "generic", "elements": [card]}));
    let long = |length: usize| "x".repeat(length);
    let reply = |payload: &str| json!({"text": "?", "quick_replies": [{"content_type": "text", "title": "A", "payload": payload}]});
    let cases = [
        (attached("image", json!({"url": "https://"})), 100),
        (
            attached("image", json!({"url": url, "is_reusable": "yes"})),
            100,
        ),
        (
            attached("image", json!({"url": url, "attachment_id": "1"})),
            100,
        ),
        (
            attached("image", json!({"url": url, "caption": "Hat"})),
            100,
        ),
        (attached("sticker", json!({"url": url})), 100),
        (attached("location", json!({})), 100),
        (reply(&long(1001)), 100),
        (
            json!({"text": "?", "quick_replies": [{"content_type": "text", "title": "A"}]}),
            100,
        ),
        (buttons(&long(641), vec![postback("A", "a")]), 100),
        (buttons("Go", vec![]), 194),
        (buttons("Go", vec![postback("A", "a"); 4]), 105),
        (buttons("Go", vec![postback(&long(21), "a")]), 100),
        (buttons("Go", vec![postback("A", &long(1001))]), 100),
        (
            buttons(
                "Go",
                vec![json!({"type": "web_url", "title": "A", "url": "a.example"})],
            ),
            100,
        ),
        (
            buttons("Go", vec![json!({"type": "hologram", "title": "A"})]),
            100,
        ),
        (card(json!({"title": long(81), "subtitle": "B"})), 100),
        (card(json!({"title": "A", "subtitle": long(81)})), 100),
        (card(json!({"title": "A", "image_url": "b.png"})), 100),
        (card(json!({"title": "A", "text": "B"})), 100),
        (template(json!({"text": "Go", "buttons": []})), 100),
    ];

    for account in [PAGE, PROFESSIONAL] {
        for (message, code) in &cases {
            let (status, answered) = send(&sandbox, account, message).await;
            assert_eq!(
                (status, code_of(&answered).0),
                (400, *code),
                "{message} {answered}"
            );
        }
    }
    assert_eq!(sandbox.accepted_count(), 0);
}

#[tokio::test]
async fn instagram_takes_only_files_it_can_show() {
    let sandbox = both().await;
    let file = |kind: &str, name: &str| {
        attached(kind, json!({"url": format!("https://a.example/{name}")}))
    };
    let bare_replies = json!({
        "attachment": {"type": "image", "payload": {"url": "https://a.example/b.png"}},
        "quick_replies": [{"content_type": "text", "title": "A", "payload": "a"}],
    });
    let cases = [
        (file("file", "b.pdf"), None),
        (file("file", "b"), None),
        (file("file", "b.docx"), Some(2_018_047)),
        (file("image", "b.webp"), Some(2_018_047)),
        (file("audio", "b.ogg"), Some(2_018_047)),
        (file("video", "b.mkv?c=d.mp4"), Some(2_018_047)),
    ];

    for (message, subcode) in cases {
        let (status, answered) = send(&sandbox, PROFESSIONAL, &message).await;
        match subcode {
            None => assert_eq!(status, 200, "{message} {answered}"),
            Some(_) => assert_eq!(code_of(&answered), (100, subcode), "{message}"),
        }
        assert_eq!(send(&sandbox, PAGE, &message).await.0, 200, "{message}");
    }
    assert_eq!(send(&sandbox, PROFESSIONAL, &bare_replies).await.0, 400);
    assert_eq!(send(&sandbox, PAGE, &bare_replies).await.0, 200);
    let uploaded = attached("video", json!({"attachment_id": "1"}));
    assert_eq!(send(&sandbox, PROFESSIONAL, &uploaded).await.0, 400);
}

#[tokio::test]
async fn a_reaction_lies_on_its_message_until_it_is_taken_back() {
    let sandbox = both().await;
    for account in [PAGE, PROFESSIONAL] {
        let reaction = || {
            let phone = sandbox.phone(account, PSID).unwrap();
            phone.messages[0].reaction.clone()
        };
        let id = sandbox.phone(account, PSID).unwrap().messages[0].id.clone();
        let love = json!({"message_id": id, "reaction": "love"});

        assert_eq!(act(&sandbox, account, "react", love).await.0, 200);
        assert_eq!(reaction().as_deref(), Some("love"));
        let odd = json!({"message_id": id, "reaction": "meh"});
        assert_eq!(act(&sandbox, account, "react", odd).await.0, 400);
        assert_eq!(
            act(&sandbox, account, "react", json!({"message_id": id}))
                .await
                .0,
            400
        );
        assert_eq!(act(&sandbox, account, "react", Value::Null).await.0, 400);
        assert_eq!(
            act(&sandbox, account, "unreact", json!({"message_id": id}))
                .await
                .0,
            200
        );
        assert_eq!(reaction(), None);
        let lost = json!({"message_id": "m_none", "reaction": "love"});
        assert_eq!(act(&sandbox, account, "react", lost).await.0, 400);
    }
    let reactions = CallFilter {
        kind: Some("react".to_owned()),
        account: Some(PAGE.to_owned()),
        ..CallFilter::default()
    };
    assert_eq!(
        sandbox
            .calls(&reactions)
            .iter()
            .filter(|call| call.outcome == "done")
            .count(),
        1
    );
}
