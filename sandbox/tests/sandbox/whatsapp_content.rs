use crate::common::*;
use patchbay_sandbox::{CallFilter, Inbound, Sandbox};
use serde_json::{Value, json};

fn message(kind: &str, content: Value) -> Value {
    json!({"messaging_product": "whatsapp", "to": PERSON, "type": kind, kind: content})
}

fn interactive(kind: &str, action: Value) -> Value {
    let content = json!({"type": kind, "body": {"text": "Which?"}, "action": action});
    message("interactive", content)
}

fn buttons(buttons: &[(&str, &str)]) -> Value {
    let button =
        |(id, title): &(&str, &str)| json!({"type": "reply", "reply": {"id": id, "title": title}});
    let buttons: Vec<_> = buttons.iter().map(button).collect();
    interactive("button", json!({ "buttons": buttons }))
}

fn row(id: &str, title: &str) -> Value {
    json!({"id": id, "title": title})
}

fn list(sections: Value) -> Value {
    interactive("list", json!({"button": "Choose", "sections": sections}))
}

fn link(parameters: Value) -> Value {
    interactive(
        "cta_url",
        json!({"name": "cta_url", "parameters": parameters}),
    )
}

fn contact(name: Value) -> Value {
    message(
        "contacts",
        json!([{"name": name, "phones": [{"phone": "+1 650", "type": "WORK", "wa_id": "1650"}]}]),
    )
}

fn with(mut body: Value, pointer: &str, name: &str, value: Value) -> Value {
    body.pointer_mut(pointer).expect(pointer)[name] = value;
    body
}

async fn shown(sandbox: &Sandbox, body: &Value) -> (String, String) {
    let (status, answered) = answer(sandbox, body).await;
    assert_eq!(status, 200, "{body} {answered}");
    let phone = sandbox.phone(NUMBER, PERSON).unwrap();
    let last = phone.messages.back().unwrap();
    (last.kind.clone(), last.text.clone())
}

#[tokio::test]
async fn every_kind_of_content_is_accepted_and_shown_in_words() {
    let sandbox = open_window().await;
    let place =
        json!({"latitude": -23.5, "longitude": -46.6, "name": "Shop", "address": "Rua A, 1"});
    let header = json!({"type": "document", "document": {"link": "https://a.example/b.pdf", "filename": "b.pdf"}});
    let long_list = list(json!([
        {"title": "A", "rows": [row("1", "One")]},
        {"title": "B", "rows": [{"id": "2", "title": "Two", "description": "The second"}]},
    ]));
    let cases = [
        (
            message(
                "image",
                json!({"link": "https://a.example/b.png", "caption": "Hat"}),
            ),
            ("image", "https://a.example/b.png\nHat"),
        ),
        (
            message("video", json!({"link": "https://a.example/b.mp4"})),
            ("video", "https://a.example/b.mp4"),
        ),
        (
            message(
                "audio",
                json!({"link": "https://a.example/b.ogg", "voice": true}),
            ),
            ("audio", "https://a.example/b.ogg"),
        ),
        (
            message(
                "document",
                json!({"link": "https://a.example/b", "filename": "a.pdf", "caption": "Bill"}),
            ),
            ("document", "a.pdf\nhttps://a.example/b\nBill"),
        ),
        (
            message("sticker", json!({"link": "https://a.example/b.webp"})),
            ("sticker", "https://a.example/b.webp"),
        ),
        (
            message("location", place),
            ("location", "Shop, Rua A, 1 (-23.5, -46.6)"),
        ),
        (
            message("location", json!({"latitude": "1", "longitude": "2"})),
            ("location", "1, 2"),
        ),
        (
            contact(json!({"formatted_name": "Ana Lima", "first_name": "Ana"})),
            ("contacts", "Ana Lima, +1 650"),
        ),
        (buttons(&[("y", "Yes"), ("n", "No")]), ("button", "Which?")),
        (
            with(buttons(&[("y", "Yes")]), "/interactive", "header", header),
            ("button", "https://a.example/b.pdf\nWhich?"),
        ),
        (
            with(
                long_list,
                "/interactive",
                "footer",
                json!({"text": "Thanks"}),
            ),
            ("list", "Which?\nThanks"),
        ),
        (
            link(json!({"display_text": "Open", "url": "https://a.example"})),
            ("cta_url", "Which?"),
        ),
        (
            interactive("location_request_message", json!({"name": "send_location"})),
            ("location_request_message", "Which?"),
        ),
    ];

    for (body, (kind, text)) in cases {
        assert_eq!(
            shown(&sandbox, &body).await,
            (kind.to_owned(), text.to_owned())
        );
    }
}

#[tokio::test]
async fn what_can_be_pressed_is_listed_with_its_message() {
    let sandbox = open_window().await;

    answer(&sandbox, &buttons(&[("y", "Yes"), ("n", "No")])).await;

    let phone = sandbox.phone(NUMBER, PERSON).unwrap();
    let choices = serde_json::to_value(&phone.messages.back().unwrap().choices).unwrap();
    assert_eq!(
        choices,
        json!([
            {"sort": "reply", "title": "Yes", "value": "y"},
            {"sort": "reply", "title": "No", "value": "n"},
        ])
    );
}

#[tokio::test]
async fn content_that_breaks_the_rules_is_refused_with_the_rules_code() {
    let sandbox = open_window().await;
    let image = |image: Value| message("image", image);
    let rows =
        |count: usize| -> Vec<_> { (0..count).map(|n| row(&n.to_string(), "Row")).collect() };
    let footer = |length: usize| json!({"text": "x".repeat(length)});
    let yes = || buttons(&[("y", "Yes")]);
    let headed = |header: Value| with(yes(), "/interactive", "header", header);
    let ask = || interactive("location_request_message", json!({"name": "send_location"}));
    let open = |url: &str| link(json!({"display_text": "Open", "url": url}));
    let name = json!({"formatted_name": "Ana", "first_name": "Ana"});
    let cases = [
        (
            with(text(PERSON, "Hi"), "/text", "preview", json!(true)),
            100,
        ),
        (
            with(text(PERSON, "Hi"), "/text", "preview_url", json!("yes")),
            131_009,
        ),
        (with(text(PERSON, "Hi"), "", "surprise", json!(1)), 100),
        (
            with(text(PERSON, "Hi"), "", "context", json!({"id": "wamid.x"})),
            100,
        ),
        (image(json!({})), 131_008),
        (image(json!({"id": "a b"})), 131_009),
        (image(json!({"link": "a.png"})), 131_009),
        (image(json!({"link": "https:///a.png"})), 131_009),
        (
            image(json!({"id": "1", "link": "https://a.example/b.png"})),
            131_009,
        ),
        (
            image(json!({"id": "1", "caption": "x".repeat(1025)})),
            131_009,
        ),
        (image(json!({"id": "1", "filename": "a.png"})), 100),
        (message("audio", json!({"id": "1", "caption": "Hi"})), 100),
        (
            message("audio", json!({"id": "1", "voice": "yes"})),
            131_009,
        ),
        (message("sticker", json!({"id": "1", "caption": "Hi"})), 100),
        (
            message("document", json!({"id": "1", "filename": ""})),
            131_009,
        ),
        (message("location", json!({"latitude": 1})), 131_008),
        (
            message("location", json!({"latitude": 91, "longitude": 1})),
            131_009,
        ),
        (
            message(
                "location",
                json!({"latitude": 1, "longitude": 1, "url": "https://a.example"}),
            ),
            100,
        ),
        (message("contacts", json!([])), 131_009),
        (contact(json!({"first_name": "Ana"})), 131_008),
        (contact(json!({"formatted_name": "Ana"})), 131_008),
        (
            with(
                contact(name.clone()),
                "/contacts/0",
                "birthday",
                json!("18/08/2012"),
            ),
            131_009,
        ),
        (
            with(contact(name), "/contacts/0/phones/0", "number", json!("1")),
            100,
        ),
        (message("reaction", json!({"emoji": "👍"})), 131_008),
        (
            message("reaction", json!({"message_id": "wamid.x"})),
            131_008,
        ),
        (
            message("reaction", json!({"message_id": "x", "emoji": "👍"})),
            131_009,
        ),
        (
            message("reaction", json!({"message_id": "wamid.x", "emoji": "ok"})),
            131_009,
        ),
        (interactive("hologram", json!({})), 131_009),
        (
            message(
                "interactive",
                json!({"type": "button", "body": {"text": "?"}}),
            ),
            131_008,
        ),
        (
            message(
                "interactive",
                json!({"type": "button", "action": {"buttons": []}}),
            ),
            131_008,
        ),
        (buttons(&[]), 131_009),
        (
            buttons(&[("a", "A"), ("b", "B"), ("c", "C"), ("d", "D")]),
            131_009,
        ),
        (buttons(&[("a", "A"), ("a", "B")]), 131_009),
        (buttons(&[("a", "A"), ("b", "A")]), 131_009),
        (buttons(&[("a", &"x".repeat(21))]), 131_009),
        (buttons(&[(&"x".repeat(257), "A")]), 131_009),
        (buttons(&[("a", "")]), 131_009),
        (
            with(yes(), "/interactive/action/buttons/0", "type", json!("url")),
            131_009,
        ),
        (
            with(
                yes(),
                "/interactive/action/buttons/0/reply",
                "payload",
                json!("p"),
            ),
            100,
        ),
        (
            with(yes(), "/interactive/body", "text", json!("x".repeat(1025))),
            131_009,
        ),
        (with(yes(), "/interactive", "footer", footer(61)), 131_009),
        (
            headed(json!({"type": "text", "text": "x".repeat(61)})),
            131_009,
        ),
        (headed(json!({"type": "audio", "audio": {"id": "1"}})), 100),
        (headed(json!({"type": "image", "text": "Hi"})), 131_009),
        (
            headed(json!({"type": "image", "image": {"link": "b.png"}})),
            131_009,
        ),
        (list(json!([{"rows": []}])), 131_009),
        (list(json!([{"rows": rows(11)}])), 131_009),
        (
            list(json!([{"title": "A", "rows": rows(6)}, {"title": "B", "rows": rows(6)}])),
            131_009,
        ),
        (
            list(json!([{"rows": [row("1", "A")]}, {"rows": [row("2", "B")]}])),
            131_008,
        ),
        (
            list(json!([{"title": "x".repeat(25), "rows": rows(1)}])),
            131_009,
        ),
        (
            list(json!([{"rows": [row("1", "A"), row("1", "B")]}])),
            131_009,
        ),
        (
            list(json!([{"rows": [row("1", &"x".repeat(25))]}])),
            131_009,
        ),
        (
            list(json!([{"rows": [row(&"x".repeat(201), "A")]}])),
            131_009,
        ),
        (
            list(json!([{"rows": [{"id": "1", "title": "A", "description": "x".repeat(73)}]}])),
            131_009,
        ),
        (
            interactive("list", json!({"sections": [{"rows": rows(1)}]})),
            131_008,
        ),
        (
            with(
                list(json!([{"rows": rows(1)}])),
                "/interactive",
                "header",
                json!({"type": "image", "image": {"id": "1"}}),
            ),
            131_009,
        ),
        (open("a.example"), 131_009),
        (
            link(json!({"display_text": "x".repeat(21), "url": "https://a.example"})),
            131_009,
        ),
        (link(json!({"url": "https://a.example"})), 131_008),
        (
            with(
                open("https://a.example"),
                "/interactive/action",
                "name",
                json!("url"),
            ),
            131_009,
        ),
        (
            with(ask(), "/interactive/action", "name", json!("location")),
            131_009,
        ),
        (with(ask(), "/interactive", "footer", footer(1)), 131_009),
    ];

    for (body, code) in cases {
        let (status, answered) = answer(&sandbox, &body).await;
        assert_eq!(
            (status, code_of(&answered).0),
            (400, code),
            "{body} {answered}"
        );
    }
    assert_eq!(sandbox.accepted_count(), 0);
}

#[tokio::test]
async fn a_refusal_names_the_field_that_is_wrong() {
    let sandbox = open_window().await;

    let (_, missing) = answer(&sandbox, &buttons(&[("a", "A"), ("b", "")])).await;
    let (_, odd) = answer(&sandbox, &message("image", json!({"id": "1", "url": "x"}))).await;

    assert_eq!(
        missing["error"]["error_data"]["details"],
        "Param interactive['action']['buttons'][1]['reply']['title'] must be a string of 1 to 20 characters."
    );
    assert_eq!(
        odd["error"]["error_data"]["details"],
        "Unexpected key \"url\" on param \"image\"."
    );
}

#[tokio::test]
async fn a_reaction_lies_on_its_message_until_it_is_taken_back() {
    let sandbox = open_window().await;
    let hello = Inbound::new(NUMBER, PERSON, "Hello");
    let theirs = sandbox.inbound(hello).await.unwrap();
    let id = theirs.provider_message_id.unwrap();
    let on_theirs = || {
        let phone = sandbox.phone(NUMBER, PERSON).unwrap();
        let message = phone.messages.iter().find(|message| message.id == id);
        message.unwrap().reaction.clone()
    };
    let react = |emoji: &str| message("reaction", json!({"message_id": id, "emoji": emoji}));

    assert_eq!(shown(&sandbox, &react("👍🏽")).await.0, "reaction");
    assert_eq!(on_theirs().as_deref(), Some("👍🏽"));
    answer(&sandbox, &react("")).await;
    assert_eq!(on_theirs(), None);
}

#[tokio::test]
async fn a_reaction_to_nothing_is_accepted_and_reported_as_failed() {
    let sandbox = open_window().await;
    let lost = json!({"message_id": "wamid.none", "emoji": "👍"});

    let (status, _) = answer(&sandbox, &message("reaction", lost)).await;

    assert_eq!(status, 200);
    let hook = &hooks(&sandbox, 1).await[0];
    let report = &hook["entry"][0]["changes"][0]["value"]["statuses"][0];
    assert_eq!(report["status"], "failed");
    assert_eq!(report["errors"][0]["code"], 131_009);
}

#[tokio::test]
async fn only_a_message_that_was_received_is_marked_as_read_or_typed_under() {
    let sandbox = open_window().await;
    let mark = |id: &str, typing: Value| json!({"messaging_product": "whatsapp", "status": "read", "message_id": id, "typing_indicator": typing});
    let typing = json!({"type": "text"});
    let hello = Inbound::new(NUMBER, PERSON, "Hello");
    let theirs = sandbox.inbound(hello).await.unwrap();
    let theirs = theirs.provider_message_id.unwrap();
    let (_, sent) = answer(&sandbox, &text(PERSON, "Hi")).await;
    let ours = sent["messages"][0]["id"].as_str().unwrap();
    let raw = json!({"entry": [{"changes": [{"value": {"messages": [{"id": "wamid.raw"}]}}]}]});
    sandbox.raw(NUMBER, raw).await.unwrap();

    for id in [theirs.as_str(), "wamid.raw"] {
        let answered = answer(&sandbox, &mark(id, typing.clone())).await;
        assert_eq!(answered, (200, json!({"success": true})));
    }
    for (body, code) in [
        (mark(ours, typing.clone()), 100),
        (mark("wamid.none", typing), 100),
        (mark("none", json!({"type": "text"})), 131_009),
        (mark(&theirs, json!({"type": "audio"})), 131_009),
        (mark(&theirs, json!({})), 131_008),
    ] {
        let (status, refused) = answer(&sandbox, &body).await;
        assert_eq!((status, code_of(&refused).0), (400, code), "{body}");
    }
    let typing = CallFilter {
        kind: Some("typing".to_owned()),
        account: Some(NUMBER.to_owned()),
        ..CallFilter::default()
    };
    let calls = sandbox.calls(&typing);
    let outcomes: Vec<_> = calls.iter().map(|call| call.outcome).collect();
    assert_eq!(outcomes, ["done", "done", "refused", "refused"]);
    assert_eq!(calls[0].recipient.as_deref(), Some(PERSON));
}
