use crate::common::*;
use patchbay_sandbox::{Error, Inbound, Press, Sandbox};
use serde_json::{Value, json};

async fn pressed(sandbox: &Sandbox, press: Press) -> Value {
    let played = sandbox.press(press).await.unwrap();
    assert_eq!(played.callback_status, Some(200));
    serde_json::from_str(&played.body).unwrap()
}

fn interactive(content: Value) -> Value {
    json!({"messaging_product": "whatsapp", "to": PERSON, "type": "interactive", "interactive": content})
}

fn buttons() -> Value {
    let button =
        |id: &str, title: &str| json!({"type": "reply", "reply": {"id": id, "title": title}});
    let action = json!({"buttons": [button("y", "Yes"), button("n", "No")]});
    interactive(json!({"type": "button", "body": {"text": "Sure?"}, "action": action}))
}

async fn whatsapp(sandbox: &Sandbox, body: &Value, choice: &str) -> (Value, Value) {
    let (_, sent) = answer(sandbox, body).await;
    let hook = pressed(sandbox, Press::new(NUMBER, PERSON, choice)).await;
    let message = hook["entry"][0]["changes"][0]["value"]["messages"][0].clone();
    let context = json!({"from": "15550783881", "id": sent["messages"][0]["id"]});
    assert_eq!(message["context"], context);
    assert!(message["id"].as_str().unwrap().starts_with("wamid."));
    (message["type"].clone(), message)
}

#[tokio::test]
async fn a_whatsapp_button_answers_its_message_with_its_id_and_title() {
    let sandbox = open_window().await;

    let (kind, message) = whatsapp(&sandbox, &buttons(), "No").await;

    assert_eq!(kind, "interactive");
    assert_eq!(
        message["interactive"],
        json!({"type": "button_reply", "button_reply": {"id": "n", "title": "No"}})
    );
    let phone = sandbox.phone(NUMBER, PERSON).unwrap();
    let last = phone.messages.back().unwrap();
    assert_eq!(
        (last.kind.as_str(), last.text.as_str()),
        ("button_reply", "No")
    );
    assert_eq!(
        last.reply_to,
        message["context"]["id"].as_str().map(str::to_owned)
    );
}

#[tokio::test]
async fn a_row_of_a_list_is_chosen_by_title_or_id() {
    let sandbox = open_window().await;
    let rows = json!([{"id": "r1", "title": "One"}, {"id": "r2", "title": "Two", "description": "Second"}]);
    let action = json!({"button": "Choose", "sections": [{"rows": rows}]});
    let list = interactive(json!({"type": "list", "body": {"text": "?"}, "action": action}));

    let (_, one) = whatsapp(&sandbox, &list, "One").await;
    let (_, two) = whatsapp(&sandbox, &list, "r2").await;

    assert_eq!(
        one["interactive"],
        json!({"type": "list_reply", "list_reply": {"id": "r1", "title": "One"}})
    );
    assert_eq!(
        two["interactive"]["list_reply"],
        json!({"id": "r2", "title": "Two", "description": "Second"})
    );
}

#[tokio::test]
async fn the_button_of_a_template_comes_back_with_the_payload_it_was_sent_with() {
    let sandbox = open_window().await;
    let image = json!([{"type": "image", "image": {"link": "https://a.example/b.png"}}]);
    let words = json!([{"type": "text", "text": "Ana"}, {"type": "text", "text": "20%"}]);
    let suffix = json!([{"type": "text", "text": "ana"}]);
    let payload = json!([{"type": "payload", "payload": "STOP_PROMOTIONS"}]);
    let template = |components: Value| {
        let template =
            json!({"name": "summer_sale", "language": {"code": "pt_BR"}, "components": components});
        json!({"messaging_product": "whatsapp", "to": PERSON, "type": "template", "template": template})
    };
    let mut components = vec![
        json!({"type": "header", "parameters": image}),
        json!({"type": "body", "parameters": words}),
        json!({"type": "button", "sub_type": "url", "index": "0", "parameters": suffix}),
    ];
    let plain = template(json!(components));
    components.push(
        json!({"type": "button", "sub_type": "quick_reply", "index": "1", "parameters": payload}),
    );
    let payload = template(json!(components));

    let (kind, without) = whatsapp(&sandbox, &plain, "Parar promoções").await;
    let (_, with) = whatsapp(&sandbox, &payload, "Parar promoções").await;

    assert_eq!(kind, "button");
    assert_eq!(
        without["button"],
        json!({"payload": "Parar promoções", "text": "Parar promoções"})
    );
    assert_eq!(
        with["button"],
        json!({"payload": "STOP_PROMOTIONS", "text": "Parar promoções"})
    );
    let phone = sandbox.phone(NUMBER, PERSON).unwrap();
    let sent = &phone.messages[phone.messages.len() - 2];
    assert_eq!(sent.choices[0].value, "https://example.com/sale/ana");
}

#[tokio::test]
async fn a_person_who_is_asked_sends_where_they_are() {
    let sandbox = open_window().await;
    let ask = interactive(json!({
        "type": "location_request_message",
        "body": {"text": "Where?"},
        "action": {"name": "send_location"},
    }));

    let (kind, message) = whatsapp(&sandbox, &ask, "Send location").await;

    assert_eq!(kind, "location");
    assert!(message["location"]["latitude"].is_f64());
}

#[tokio::test]
async fn only_what_a_message_offers_can_be_pressed() {
    let sandbox = open_window().await;
    let (_, first) = answer(&sandbox, &buttons()).await;
    answer(&sandbox, &text(PERSON, "Hi")).await;
    let link = json!({"name": "cta_url", "parameters": {"display_text": "Open", "url": "https://a.example"}});
    answer(
        &sandbox,
        &interactive(json!({"type": "cta_url", "body": {"text": "?"}, "action": link})),
    )
    .await;
    let press = |choice: &str| sandbox.press(Press::new(NUMBER, PERSON, choice));
    let mut elsewhere = Press::new(NUMBER, PERSON, "Open");
    elsewhere.message_id = first["messages"][0]["id"].as_str().map(str::to_owned);

    assert!(press("Yes").await.is_ok());
    assert_eq!(press("Maybe").await.unwrap_err(), Error::NoSuchChoice);
    assert!(matches!(
        press("Open").await.unwrap_err(),
        Error::Invalid(_)
    ));
    assert_eq!(
        sandbox.press(elsewhere).await.unwrap_err(),
        Error::NoSuchChoice
    );
    sandbox.register_account(sms(&sandbox)).unwrap();
    let by_sms = sandbox
        .press(Press::new(SMS_NUMBER, SMS_PERSON, "Yes"))
        .await;
    assert_eq!(by_sms.unwrap_err(), Error::NotWithThisProvider);
}

#[tokio::test]
async fn quick_replies_and_postbacks_come_back_as_pages_get_them() {
    let sandbox = sandbox().await;
    sandbox.register_account(page(&sandbox)).unwrap();
    sandbox
        .inbound(Inbound::new(PAGE, PSID, "Hello"))
        .await
        .unwrap();
    let send = async |message: Value| {
        let body =
            json!({"recipient": {"id": PSID}, "messaging_type": "RESPONSE", "message": message});
        let url = format!("{}/{PAGE}/messages", sandbox.graph_base());
        assert_eq!(graph(&url, TOKEN, &body).await.0, 200);
    };
    let buy = |payload: &str| json!({"title": "Hat", "buttons": [{"type": "postback", "title": "Buy", "payload": payload}]});
    let cards = json!({"template_type": "generic", "elements": [buy("B1"), buy("B2")]});
    send(json!({"text": "Which?", "quick_replies": [{"content_type": "text", "title": "Red", "payload": "R"}]})).await;
    send(json!({"attachment": {"type": "template", "payload": cards}})).await;

    let quick = pressed(&sandbox, Press::new(PAGE, PSID, "Red")).await;
    let post = pressed(&sandbox, Press::new(PAGE, PSID, "B2")).await;

    let quick = &quick["entry"][0]["messaging"][0]["message"];
    assert_eq!(
        (&quick["text"], &quick["quick_reply"]),
        (&json!("Red"), &json!({"payload": "R"}))
    );
    let post = &post["entry"][0]["messaging"][0]["postback"];
    assert_eq!(
        (&post["title"], &post["payload"]),
        (&json!("Buy"), &json!("B2"))
    );
    let phone = sandbox.phone(PAGE, PSID).unwrap();
    assert_eq!(phone.messages.back().unwrap().kind, "postback");
}

#[tokio::test]
async fn a_button_of_a_bot_calls_back_with_its_data_and_its_message() {
    let sandbox = started_bot().await;
    let keyboard = json!({"inline_keyboard": [[{"text": "Yes", "callback_data": "y"}]]});
    let ask = json!({"chat_id": CHAT, "text": "Sure?", "reply_markup": keyboard});
    let (_, sent) = method(&sandbox, "sendMessage", &ask).await;

    let update = pressed(&sandbox, Press::new("test_bot", CHAT, "Yes")).await;

    let query = &update["callback_query"];
    assert_eq!(
        (&query["data"], &query["message"]),
        (&json!("y"), &sent["result"])
    );
    assert_eq!(query["message"]["reply_markup"], keyboard);
    let answer = json!({"callback_query_id": query["id"], "text": "Thanks"});
    assert_eq!(
        method(&sandbox, "answerCallbackQuery", &answer).await.0,
        200
    );
    let (status, refused) = method(
        &sandbox,
        "answerCallbackQuery",
        &json!({"callback_query_id": "1"}),
    )
    .await;
    assert_eq!(status, 400);
    assert!(
        refused["description"]
            .as_str()
            .unwrap()
            .contains("query is too old")
    );
}

#[tokio::test]
async fn a_key_of_a_bots_keyboard_writes_or_sends_what_it_says() {
    let sandbox = started_bot().await;
    let keys = json!([["Help"], [{"text": "Here", "request_location": true}], [{"text": "Me", "request_contact": true}]]);
    let ask = json!({"chat_id": CHAT, "text": "?", "reply_markup": {"keyboard": keys, "one_time_keyboard": true}});
    let (status, sent) = method(&sandbox, "sendMessage", &ask).await;
    assert_eq!(status, 200, "{sent}");

    let text = pressed(&sandbox, Press::new(BOT, CHAT, "Help")).await;
    let location = pressed(&sandbox, Press::new(BOT, CHAT, "Here")).await;
    let contact = pressed(&sandbox, Press::new(BOT, CHAT, "Me")).await;

    assert_eq!(text["message"]["text"], "Help");
    assert!(location["message"]["location"]["longitude"].is_f64());
    assert_eq!(contact["message"]["contact"]["user_id"].to_string(), CHAT);
    assert!(sent["result"].get("reply_markup").is_none());
}

#[tokio::test]
async fn a_button_can_be_pressed_over_http() {
    let sandbox = open_window().await;
    answer(&sandbox, &buttons()).await;
    let press = async |choice: &str| {
        let body = json!({"account": NUMBER, "from": PERSON, "choice": choice});
        let url = format!("{}/sandbox/press", sandbox.url());
        let response = reqwest::Client::new().post(url).json(&body).send().await;
        response.unwrap().status().as_u16()
    };

    assert_eq!(press("Yes").await, 200);
    assert_eq!(press("Perhaps").await, 404);
}
