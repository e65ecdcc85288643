use crate::common::*;
use serde_json::{Value, json};

fn amount(value: i64) -> Value {
    json!({"value": value, "offset": 100})
}

fn pix() -> Value {
    let pix = json!({"code": "00020101021226", "merchant_name": "Shop", "key": "39580525000189", "key_type": "CNPJ"});
    json!({"type": "pix_dynamic_code", "pix_dynamic_code": pix})
}

fn order() -> Value {
    json!({
        "status": "pending",
        "items": [
            {"retailer_id": "1", "name": "Cake", "amount": amount(2500), "quantity": 2},
            {"name": "Candle", "amount": amount(200), "sale_amount": amount(100), "quantity": 10},
        ],
        "subtotal": amount(6000),
        "tax": {"value": 500, "offset": 100, "description": "ISS"},
        "shipping": amount(1000),
        "discount": amount(250),
    })
}

fn message(kind: &str, action: Value) -> Value {
    let content = json!({"type": kind, "body": {"text": "Your order"}, "action": action});
    json!({"messaging_product": "whatsapp", "to": PERSON, "type": "interactive", "interactive": content})
}

fn details() -> Value {
    message(
        "order_details",
        json!({"name": "review_and_pay", "parameters": {
            "reference_id": "order-1",
            "type": "physical-goods",
            "payment_type": "br",
            "currency": "BRL",
            "payment_settings": [
                pix(),
                {"type": "boleto", "boleto": {"digitable_line": "03399026944140000002628346101018898510000008848"}},
                {"type": "payment_link", "payment_link": {"uri": "https://a.example/pay"}},
            ],
            "total_amount": amount(7250),
            "order": order(),
        }}),
    )
}

const PARAMETERS: &str = "/interactive/action/parameters";

fn with(pointer: &str, name: &str, value: Value) -> Value {
    let mut body = details();
    body.pointer_mut(&format!("{PARAMETERS}{pointer}"))
        .expect(pointer)[name] = value;
    body
}

fn without(pointer: &str, name: &str) -> Value {
    let mut body = details();
    let part = body.pointer_mut(&format!("{PARAMETERS}{pointer}"));
    part.and_then(Value::as_object_mut).unwrap().remove(name);
    body
}

fn status(order: Value) -> Value {
    let parameters = json!({"reference_id": "order-1", "order": order});
    message(
        "order_status",
        json!({"name": "review_order", "parameters": parameters}),
    )
}

#[tokio::test]
async fn an_order_is_shown_with_its_items_its_total_and_the_ways_to_pay() {
    let sandbox = open_window().await;

    let (code, answered) = answer(&sandbox, &details()).await;

    assert_eq!(code, 200, "{answered}");
    let phone = sandbox.phone(NUMBER, PERSON).unwrap();
    let last = phone.messages.back().unwrap();
    assert_eq!(last.kind, "order_details");
    assert_eq!(
        last.text,
        "Your order\n2 × Cake, BRL 25.00\n10 × Candle, BRL 1.00\nOrder order-1, total BRL 72.50\n\
         Pix 00020101021226\nBoleto 03399026944140000002628346101018898510000008848"
    );
    assert_eq!(last.choices[0].value, "https://a.example/pay");
}

#[tokio::test]
async fn an_order_may_leave_out_its_items() {
    let sandbox = open_window().await;

    let (code, answered) = answer(&sandbox, &without("", "order")).await;

    assert_eq!(code, 200, "{answered}");
}

#[tokio::test]
async fn an_order_that_does_not_add_up_or_break_the_rules_is_refused() {
    let sandbox = open_window().await;
    let settings = |settings: Value| with("", "payment_settings", settings);
    let setting = |kind: &str, content: Value| settings(json!([{"type": kind, kind: content}]));
    let cases = [
        (with("", "total_amount", amount(7251)), 131_009),
        (
            with("", "total_amount", json!({"value": 7250, "offset": 1000})),
            131_009,
        ),
        (
            with("", "total_amount", json!({"value": "7250", "offset": 100})),
            131_009,
        ),
        (with("/order", "subtotal", amount(6100)), 131_009),
        (with("/order", "discount", amount(0)), 131_009),
        (with("/order", "status", json!("processing")), 131_009),
        (with("/order", "items", json!([])), 131_009),
        (with("/order/items/0", "quantity", json!(0)), 131_009),
        (with("/order/items/0", "price", json!(1)), 100),
        (without("/order", "tax"), 131_008),
        (without("", "total_amount"), 131_008),
        (without("", "reference_id"), 131_008),
        (with("", "reference_id", json!("x".repeat(36))), 131_009),
        (with("", "reference_id", json!("order 1")), 131_009),
        (with("", "type", json!("goods")), 131_009),
        (with("", "payment_type", json!("upi")), 131_009),
        (with("", "currency", json!("USD")), 131_009),
        (with("", "surprise", json!(1)), 100),
        (settings(json!([])), 131_009),
        (settings(json!([pix(), pix()])), 131_009),
        (
            settings(json!([{"type": "boleto", "pix_dynamic_code": {}}])),
            131_009,
        ),
        (setting("cash", json!({})), 100),
        (
            setting(
                "pix_dynamic_code",
                json!({"code": "1", "merchant_name": "S", "key": "1"}),
            ),
            131_008,
        ),
        (
            setting(
                "pix_dynamic_code",
                json!({"code": "1", "merchant_name": "S", "key": "1", "key_type": "RANDOM"}),
            ),
            131_009,
        ),
        (
            setting("boleto", json!({"digitable_line": "0339902694"})),
            131_009,
        ),
        (
            setting("payment_link", json!({"uri": "a.example"})),
            131_009,
        ),
        (
            setting("payment_link", json!({"url": "https://a.example"})),
            100,
        ),
        (status(json!({"status": "paid"})), 131_009),
        (status(json!({})), 131_008),
        (status(json!({"status": "shipped", "note": "x"})), 100),
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
async fn the_news_of_an_order_is_shown() {
    let sandbox = open_window().await;
    let news = status(json!({"status": "partially_shipped", "description": "Half of it"}));

    let (code, answered) = answer(&sandbox, &news).await;

    assert_eq!(code, 200, "{answered}");
    let phone = sandbox.phone(NUMBER, PERSON).unwrap();
    let last = phone.messages.back().unwrap();
    assert_eq!(
        last.text,
        "Your order\nOrder order-1: partially_shipped, Half of it"
    );
}
