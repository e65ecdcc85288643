use crate::common::*;
use patchbay_sandbox::{CallFilter, Fault, FaultMode, Inbound, Raw, Sandbox, StatusUpdate};
use serde_json::{Value, json};

/// A sandbox with a Page to which the person has written.
async fn open_window() -> Sandbox {
    let sandbox = sandbox().await;
    sandbox.register_account(page(&sandbox)).unwrap();
    let hello = Inbound::new(PAGE, PSID, "Hello");
    sandbox.inbound(hello).await.unwrap();
    sandbox.clear_events("hook");
    sandbox
}

fn message(message: Value) -> Value {
    json!({"recipient": {"id": PSID}, "messaging_type": "RESPONSE", "message": message})
}

fn with(name: &str, value: Value) -> Value {
    let mut body = message(json!({"text": "Hi"}));
    body[name] = value;
    body
}

async fn post(sandbox: &Sandbox, body: &Value) -> (u16, Value) {
    let url = format!("{}/{PAGE}/messages", sandbox.graph_base());
    graph(&url, TOKEN, body).await
}

fn event_of(hook: &Value) -> &Value {
    assert_eq!(hook["object"], "page");
    assert_eq!(hook["entry"][0]["id"], PAGE);
    &hook["entry"][0]["messaging"][0]
}

#[tokio::test]
async fn an_accepted_text_shows_on_the_phone_and_in_the_journal() {
    let sandbox = open_window().await;

    let (status, body) = post(&sandbox, &message(json!({"text": "Olá"}))).await;

    assert_eq!((status, &body["recipient_id"]), (200, &json!(PSID)));
    let id = body["message_id"].as_str().unwrap();
    assert!(id.starts_with("m_"), "{id}");
    let phone = sandbox.phone(PAGE, PSID).unwrap();
    assert_eq!(phone.provider, "messenger");
    assert_eq!(phone.messages.back().unwrap().text, "Olá");
    let calls = sandbox.calls(&CallFilter::default());
    assert_eq!(calls[0].provider, "messenger");
    assert_eq!(calls[0].account.as_deref(), Some(PAGE));
    assert_eq!(calls[0].message_id.as_deref(), Some(id));
}

#[tokio::test]
async fn a_page_that_is_asked_who_it_is_says_its_name() {
    let sandbox = open_window().await;
    let url = |fields: &str| format!("{}/{PAGE}?fields={fields}", sandbox.graph_base());

    let (status, body) = graph_get(&url("id,name"), TOKEN).await;
    assert_eq!(
        (status, body),
        (200, json!({"id": PAGE, "name": "Patchbay Sandbox"}))
    );

    let (status, body) = graph_get(&url("id,name"), "wrong").await;
    assert_eq!((status, code_of(&body)), (400, (190, None)));
    let (status, body) = graph_get(&url("username"), TOKEN).await;
    assert_eq!((status, code_of(&body)), (400, (100, None)));
}

#[tokio::test]
async fn only_a_bearer_token_counts() {
    let sandbox = open_window().await;
    let body = message(json!({"text": "Hi"}));
    let url = format!(
        "{}/{PAGE}/messages?access_token={TOKEN}",
        sandbox.graph_base()
    );
    let mut with_token = body.clone();
    with_token["access_token"] = json!(TOKEN);

    let response = reqwest::Client::new().post(url).json(&with_token).send();
    let response = response.await.unwrap();

    assert_eq!(response.status(), 400);
    let answered = response.json().await.unwrap();
    assert_eq!(code_of(&answered), (190, None));
    assert_eq!(sandbox.accepted_count(), 0);
}

#[tokio::test]
async fn a_page_is_not_found_under_instagrams_address() {
    let sandbox = open_window().await;
    let url = format!("{}/{PAGE}/messages", sandbox.instagram_base());

    let (status, body) = graph(&url, TOKEN, &message(json!({"text": "Hi"}))).await;

    assert_eq!((status, code_of(&body)), (400, (100, Some(33))));
}

#[tokio::test]
async fn a_body_that_breaks_the_rules_is_refused() {
    let sandbox = open_window().await;
    let replies = |count: usize| {
        let reply = json!({"content_type": "text", "title": "Red", "payload": "R"});
        message(json!({"text": "Which?", "quick_replies": vec![reply; count]}))
    };
    let attached = |attachment: Value| message(json!({ "attachment": attachment }));
    let template = |payload: Value| attached(json!({"type": "template", "payload": payload}));
    let button = |button: Value| {
        template(json!({"template_type": "button", "text": "Go", "buttons": [button]}))
    };
    let cards = |element: Value, count: usize| {
        template(json!({"template_type": "generic", "elements": vec![element; count]}))
    };
    let card = json!({"title": "Hat", "subtitle": "Brown"});
    let mut without_type = message(json!({"text": "Hi"}));
    without_type
        .as_object_mut()
        .unwrap()
        .remove("messaging_type");
    let action = |body: Value| {
        let mut action = body;
        action["recipient"] = json!({"id": PSID});
        action
    };
    let cases = [
        (json!({"message": {"text": "Hi"}}), 100, None),
        (with("recipient", json!({"id": "ana"})), 100, None),
        (with("recipient", json!({"id": PSID, "x": 1})), 100, None),
        (
            with("recipient", json!({"id": "404"})),
            100,
            Some(2_018_001),
        ),
        (without_type, 100, None),
        (with("messaging_type", json!("REPLY")), 100, None),
        (with("messaging_type", json!("MESSAGE_TAG")), 100, None),
        (with("tag", json!("HUMAN_AGENT")), 100, None),
        (with("notification_type", json!("LOUD")), 100, None),
        (with("reply_to", json!({"mid": "m_none"})), 100, None),
        (with("reply_to", json!("m_none")), 100, None),
        (with("surprise", json!(1)), 100, None),
        (with("message", json!({})), 100, Some(2_018_034)),
        (with("message", json!({"text": " "})), 100, Some(2_018_034)),
        (with("message", json!({"text": 7})), 100, None),
        (message(json!({"text": "é".repeat(2001)})), 100, None),
        (message(json!({"text": "Hi", "preview": true})), 100, None),
        (replies(0), 194, None),
        (replies(14), 105, None),
        (
            message(
                json!({"text": "?", "quick_replies": [{"content_type": "text", "title": "x".repeat(21), "payload": "p"}]}),
            ),
            100,
            None,
        ),
        (
            message(json!({"text": "?", "quick_replies": [{"content_type": "poll"}]})),
            100,
            None,
        ),
        (
            message(
                json!({"text": "Hi", "attachment": {"type": "image", "payload": {"url": "https://a.example/b"}}}),
            ),
            100,
            Some(2_018_032),
        ),
        (attached(json!({"type": "like_heart"})), 100, None),
        (attached(json!({"type": "image"})), 100, None),
        (attached(json!({"type": "image", "payload": {}})), 100, None),
        (
            attached(json!({"type": "image", "payload": {"url": "ftp://a"}})),
            100,
            None,
        ),
        (template(json!({"template_type": "hologram"})), 100, None),
        (cards(json!({"title": "Hat"}), 1), 100, Some(2_018_048)),
        (cards(card.clone(), 11), 105, None),
        (cards(card, 0), 194, None),
        (button(json!({"type": "web_url", "title": "Go"})), 100, None),
        (
            button(json!({"type": "postback", "title": "x".repeat(21), "payload": "p"})),
            100,
            None,
        ),
        (
            button(json!({"type": "phone_number", "title": "Call", "payload": "0800"})),
            100,
            None,
        ),
        (
            with("sender_action", json!("typing_on")),
            100,
            Some(2_018_006),
        ),
        (action(json!({"sender_action": "wave"})), 100, None),
        (
            action(json!({"sender_action": "typing_on", "messaging_type": "RESPONSE"})),
            100,
            None,
        ),
        (
            action(
                json!({"sender_action": "react", "payload": {"message_id": "m_none", "reaction": "love"}}),
            ),
            100,
            None,
        ),
    ];

    for (body, code, subcode) in cases {
        let (status, answered) = post(&sandbox, &body).await;
        assert_eq!(status, 400, "{body}");
        assert_eq!(code_of(&answered), (code, subcode), "{body} {answered}");
    }
    assert_eq!(sandbox.accepted_count(), 0);
}

#[tokio::test]
async fn every_kind_of_message_is_accepted() {
    let sandbox = open_window().await;
    let hello = Inbound::new(PAGE, PSID, "Hello again");
    let theirs = sandbox.inbound(hello).await.unwrap().provider_message_id;
    let button = json!({"type": "web_url", "title": "Open", "url": "https://a.example"});
    let image = json!({"type": "image", "payload": {"url": "https://a.example/b"}});
    let url = format!("{}/{PAGE}/message_attachments", sandbox.graph_base());
    let (_, kept) = graph(&url, TOKEN, &json!({"message": {"attachment": image}})).await;
    let kept = &kept["attachment_id"];
    let template =
        |payload: Value| message(json!({"attachment": {"type": "template", "payload": payload}}));
    let media = |kind: &str| {
        let payload = json!({"url": "https://a.example/b", "is_reusable": true});
        message(json!({"attachment": {"type": kind, "payload": payload}}))
    };
    let cases = [
        message(json!({"text": "é".repeat(2000), "metadata": "m"})),
        message(json!({"text": "?", "quick_replies": [
            {"content_type": "text", "title": "Red", "payload": "R", "image_url": "https://a.example/r.png"},
            {"content_type": "user_phone_number"},
        ]})),
        media("image"),
        media("video"),
        media("audio"),
        media("file"),
        message(json!({"attachment": {"type": "image", "payload": {"attachment_id": kept}}})),
        message(json!({"sticker_id": "369239263222822"})),
        template(json!({"template_type": "generic", "elements": [{
            "title": "Hat",
            "default_action": {"type": "web_url", "url": "https://a.example", "webview_height_ratio": "tall"},
            "buttons": [button, {"type": "postback", "title": "Buy", "payload": "B"}],
        }]})),
        template(json!({"template_type": "button", "text": "Go", "buttons": [button]})),
        template(json!({"template_type": "media", "elements": [
            {"media_type": "image", "attachment_id": kept, "buttons": [button]},
        ]})),
        with("reply_to", json!({"mid": theirs})),
        with("messaging_type", json!("UPDATE")),
    ];

    let count = cases.len() as u64;
    for body in cases {
        let (status, answered) = post(&sandbox, &body).await;
        assert_eq!(status, 200, "{body} {answered}");
    }
    assert_eq!(sandbox.accepted_count(), count);
}

#[tokio::test]
async fn after_a_day_only_a_human_may_answer_and_after_a_week_nobody() {
    let sandbox = sandbox().await;
    sandbox.register_account(page(&sandbox)).unwrap();
    let mut tagged = with("messaging_type", json!("MESSAGE_TAG"));
    tagged["tag"] = json!("HUMAN_AGENT");
    let plain = message(json!({"text": "Hi"}));

    for (hours, tag, accepted) in [
        (169, &tagged, false),
        (167, &tagged, true),
        (25, &plain, false),
        (23, &plain, true),
    ] {
        wrote_hours_ago(&sandbox, PAGE, PSID, hours).await;
        let (status, body) = post(&sandbox, tag).await;
        assert_eq!(status == 200, accepted, "{hours} {body}");
        if !accepted {
            assert_eq!((status, code_of(&body)), (400, (10, Some(2_018_278))));
        }
    }

    let mut other_tag = tagged;
    other_tag["tag"] = json!("ACCOUNT_UPDATE");
    assert_eq!(code_of(&post(&sandbox, &other_tag).await.1), (100, None));
}

#[tokio::test]
async fn an_account_may_leave_the_window_open() {
    let sandbox = sandbox().await;
    let mut open = page(&sandbox);
    open.enforce_window = false;
    sandbox.register_account(open).unwrap();

    let (status, _) = post(&sandbox, &message(json!({"text": "Hi"}))).await;

    assert_eq!(status, 200);
}

#[tokio::test]
async fn signs_of_life_are_answered_without_a_message() {
    let sandbox = open_window().await;
    let hello = Inbound::new(PAGE, PSID, "Hello");
    let theirs = sandbox.inbound(hello).await.unwrap().provider_message_id;
    let cases = [
        json!({"sender_action": "typing_on"}),
        json!({"sender_action": "mark_seen"}),
        json!({"sender_action": "react", "payload": {"message_id": theirs, "reaction": "love"}}),
        json!({"sender_action": "unreact", "payload": {"message_id": theirs}}),
    ];

    for mut body in cases {
        body["recipient"] = json!({"id": PSID});
        let answered = post(&sandbox, &body).await;
        assert_eq!(answered, (200, json!({"recipient_id": PSID})), "{body}");
    }

    assert_eq!(sandbox.accepted_count(), 0);
    let phone = sandbox.phone(PAGE, PSID).unwrap();
    assert!(
        phone
            .messages
            .iter()
            .all(|message| message.status == "read")
    );
    let stranger = json!({"recipient": {"id": "404"}, "sender_action": "typing_on"});
    let (_, refused) = post(&sandbox, &stranger).await;
    assert_eq!(code_of(&refused), (100, Some(2_018_001)));
}

#[tokio::test]
async fn a_message_is_reported_as_delivered_and_read() {
    let sandbox = open_window().await;
    let mut chatty = page(&sandbox);
    chatty.auto_read = true;
    chatty.echo = true;
    sandbox.register_account(chatty).unwrap();

    let (_, sent) = post(&sandbox, &message(json!({"text": "Hi", "metadata": "m-1"}))).await;

    let hooks = hooks(&sandbox, 3).await;
    let echo = &event_of(&hooks[0])["message"];
    assert_eq!(event_of(&hooks[0])["sender"]["id"], PAGE);
    assert_eq!(echo["mid"], sent["message_id"]);
    assert_eq!(
        (&echo["is_echo"], &echo["metadata"]),
        (&json!(true), &json!("m-1"))
    );
    let delivery = event_of(&hooks[1]);
    assert_eq!(delivery["sender"]["id"], PSID);
    assert_eq!(delivery["delivery"]["mids"], json!([sent["message_id"]]));
    let watermark = delivery["delivery"]["watermark"].as_i64().unwrap();
    assert!(watermark > 1_700_000_000_000, "{watermark}");
    let read = event_of(&hooks[2])["read"]["watermark"].as_i64().unwrap();
    assert!(read >= watermark);
    let phone = sandbox.phone(PAGE, PSID).unwrap();
    assert_eq!(phone.messages.back().unwrap().status, "read");
}

#[tokio::test]
async fn a_person_writes_and_presses_buttons() {
    let sandbox = open_window().await;
    let hello = Inbound::new(PAGE, PSID, "Olá");
    let played = sandbox.inbound(hello).await.unwrap();
    let mut quick = Inbound::new(PAGE, PSID, "Red");
    quick.quick_reply = Some("R".to_owned());
    quick.reply_to = played.provider_message_id.clone();
    sandbox.inbound(quick).await.unwrap();
    let mut pressed = Inbound::new(PAGE, PSID, "Buy");
    pressed.postback = Some("B".to_owned());
    sandbox.inbound(pressed).await.unwrap();

    assert!(played.body.is_ascii());
    let hooks = hooks(&sandbox, 3).await;
    let (text, quick) = (event_of(&hooks[0]), event_of(&hooks[1]));
    assert_eq!(text["recipient"]["id"], PAGE);
    assert_eq!(text["message"]["text"], "Olá");
    assert_eq!(quick["message"]["quick_reply"]["payload"], "R");
    assert_eq!(quick["message"]["reply_to"]["mid"], text["message"]["mid"]);
    let postback = &event_of(&hooks[2])["postback"];
    assert_eq!(
        (&postback["title"], &postback["payload"]),
        (&json!("Buy"), &json!("B"))
    );
}

#[tokio::test]
async fn a_report_by_hand_is_one_messenger_has() {
    let sandbox = open_window().await;
    let mut silent = page(&sandbox);
    silent.auto_status = false;
    sandbox.register_account(silent).unwrap();
    let (_, sent) = post(&sandbox, &message(json!({"text": "Hi"}))).await;
    let id = sent["message_id"].as_str().unwrap();

    for status in ["delivered", "read"] {
        let update = StatusUpdate::new(PAGE, id, status);
        sandbox.status(update).await.unwrap();
    }

    let hooks = hooks(&sandbox, 2).await;
    assert_eq!(event_of(&hooks[0])["delivery"]["mids"], json!([id]));
    assert!(event_of(&hooks[1])["read"].get("mid").is_none());
    let failed = StatusUpdate::new(PAGE, id, "failed");
    assert!(sandbox.status(failed).await.is_err());
}

#[tokio::test]
async fn faults_speak_messengers_language() {
    let sandbox = open_window().await;
    let cases = [
        (FaultMode::Fail, 400, (551, Some(1_545_041))),
        (FaultMode::Throttle, 400, (613, None)),
        (FaultMode::Unauthorized, 400, (190, None)),
        (FaultMode::CodedServerError, 500, (1200, None)),
    ];

    for (mode, status, code) in cases {
        sandbox.fault(Fault::new(PSID, mode).times(1));
        let (answered, body) = post(&sandbox, &message(json!({"text": "Hi"}))).await;
        assert_eq!((answered, code_of(&body)), (status, code));
    }
    assert_eq!(sandbox.accepted_count(), 0);
}

#[tokio::test]
async fn one_body_may_carry_entries_of_several_accounts() {
    let sandbox = open_window().await;
    let mut second = page(&sandbox);
    second.page_id = "200".to_owned();
    sandbox.register_account(second).unwrap();
    let mut first = Inbound::new(PAGE, PSID, "One");
    first.also = vec![Inbound::new("200", PSID, "Two")];

    let played = sandbox.inbound(first).await.unwrap();

    let body: Value = serde_json::from_str(&played.body).unwrap();
    assert_eq!(body["entry"][0]["id"], PAGE);
    assert_eq!(body["entry"][1]["id"], "200");
    assert_eq!(body["entry"][1]["messaging"][0]["message"]["text"], "Two");
    assert_eq!(sandbox.events("hook", 0).len(), 1);
    assert!(sandbox.phone("200", PSID).is_some());
    sandbox.register_account(sms(&sandbox)).unwrap();
    let mut mixed = Inbound::new(PAGE, PSID, "One");
    mixed.also = vec![Inbound::new(SMS_NUMBER, SMS_PERSON, "Two")];
    assert!(sandbox.inbound(mixed).await.is_err());
}

#[tokio::test]
async fn a_raw_payload_may_go_elsewhere_under_another_secret() {
    let sandbox = open_window().await;
    let mut raw = Raw::new(PAGE, json!({"object": "page", "entry": []}));
    raw.url = Some(sandbox.subscriber_url("other"));
    raw.secret = Some("It's a Secret to Everybody".to_owned());

    let played = sandbox.post(raw).await.unwrap();
    let own = sandbox
        .raw(PAGE, json!({"object": "page", "entry": []}))
        .await;

    let other = sandbox.events("other", 0)[0].clone();
    let name = "x-hub-signature-256";
    assert_eq!(other.headers[name], played.headers[name]);
    assert_ne!(other.headers[name], own.unwrap().headers[name]);
}
