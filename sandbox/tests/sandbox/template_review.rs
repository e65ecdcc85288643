use crate::common::*;
use patchbay_sandbox::{Error, Sandbox, TemplateStatus};
use serde_json::{Value, json};

const WABA: &str = "419561257915477";

async fn with_samples() -> Sandbox {
    let sandbox = sandbox().await;
    sandbox.register_account(number(&sandbox)).unwrap();
    sandbox
}

fn url(sandbox: &Sandbox, query: &str) -> String {
    format!("{}/{WABA}/message_templates{query}", sandbox.graph_base())
}

fn new(components: Value) -> Value {
    json!({"name": "new_one", "language": "pt_BR", "category": "MARKETING", "components": components})
}

fn body() -> Value {
    json!({"type": "body", "text": "Hello there."})
}

#[tokio::test]
async fn a_template_of_every_component_is_submitted() {
    let sandbox = with_samples().await;
    let full = new(json!([
        {"type": "header", "format": "image", "example": {"header_handle": ["4::aW1h"]}},
        body(),
        {"type": "footer", "text": "Bye"},
        {"type": "buttons", "buttons": [
            {"type": "QUICK_REPLY", "text": "Stop"},
            {"type": "URL", "text": "Open", "url": "https://a.example/{{1}}", "example": ["https://a.example/b"]},
            {"type": "PHONE_NUMBER", "text": "Call", "phone_number": "+16467043595"},
            {"type": "COPY_CODE", "example": "250FF"},
        ]},
    ]));

    let (status, made) = graph(&url(&sandbox, ""), TOKEN, &full).await;

    assert_eq!(status, 200, "{made}");
    assert_eq!(
        (&made["status"], &made["category"]),
        (&json!("PENDING"), &json!("MARKETING"))
    );
    let (_, found) = graph_get(
        &url(&sandbox, "?name=new_one&fields=components,rejected_reason"),
        TOKEN,
    )
    .await;
    assert_eq!(found["data"][0]["components"][0]["format"], "IMAGE");
    assert_eq!(found["data"][0]["rejected_reason"], "NONE");
}

#[tokio::test]
async fn components_that_break_the_rules_are_refused() {
    let sandbox = with_samples().await;
    let with = |component: Value| new(json!([body(), component]));
    let header = |header: Value| {
        let mut header = header;
        header["type"] = json!("HEADER");
        with(header)
    };
    let footer = |text: &str| with(json!({"type": "FOOTER", "text": text}));
    let buttons = |buttons: Vec<Value>| with(json!({"type": "BUTTONS", "buttons": buttons}));
    let quick = |text: &str| json!({"type": "QUICK_REPLY", "text": text});
    let link = |url: &str| json!({"type": "URL", "text": "Open", "url": url, "example": ["https://a.example/b"]});
    let call =
        |number: &str| json!({"type": "PHONE_NUMBER", "text": "Call", "phone_number": number});
    let plain = |name: &str, value: Value| {
        let mut plain = new(json!([body()]));
        plain[name] = value;
        plain
    };
    let long = |length: usize| "x".repeat(length);
    let cases = [
        (plain("surprise", json!(1)), None),
        (plain("language", json!("english")), None),
        (plain("parameter_format", json!("ORDERED")), None),
        (plain("name", json!("x".repeat(513))), None),
        (new(json!([body(), body()])), None),
        (with(json!({"type": "FOOTER", "txt": "Bye"})), None),
        (
            new(json!([{"type": "BODY", "text": long(1025)}])),
            Some(2_388_040),
        ),
        (header(json!({"text": "Hi"})), Some(2_388_047)),
        (header(json!({"format": "TEXT"})), Some(2_388_047)),
        (
            header(json!({"format": "TEXT", "text": "{{1}} and {{2}}"})),
            Some(2_388_047),
        ),
        (
            header(json!({"format": "TEXT", "text": "Hi {{1}}"})),
            Some(2_388_043),
        ),
        (
            header(json!({"format": "TEXT", "text": long(61)})),
            Some(2_388_040),
        ),
        (header(json!({"format": "VIDEO"})), Some(2_388_043)),
        (footer(""), Some(2_388_073)),
        (footer("Bye {{1}}"), Some(2_388_073)),
        (footer(&long(61)), Some(2_388_040)),
        (buttons(vec![]), None),
        (buttons(vec![quick("A"); 11]), None),
        (buttons(vec![quick(&long(26))]), Some(2_388_040)),
        (buttons(vec![json!({"type": "SWITCH", "text": "A"})]), None),
        (buttons(vec![link("a.example")]), None),
        (buttons(vec![link("https://{{1}}.example/a")]), None),
        (buttons(vec![link("https://a.example"); 3]), None),
        (buttons(vec![call("call me")]), None),
        (buttons(vec![call("+1"), call("+2")]), None),
        (
            buttons(vec![quick("A"), link("https://a.example"), quick("B")]),
            None,
        ),
    ];

    for (template, subcode) in cases {
        let (status, refused) = graph(&url(&sandbox, ""), TOKEN, &template).await;
        assert_eq!(
            (status, code_of(&refused)),
            (400, (100, subcode)),
            "{template} {refused}"
        );
    }
    assert_eq!(sandbox.templates(WABA).len(), 6);
}

#[tokio::test]
async fn one_language_of_a_template_is_deleted_by_its_id() {
    let sandbox = with_samples().await;
    let english = json!({"name": "hello_world", "language": "en_GB", "category": "UTILITY", "components": [body()]});
    let (_, made) = graph(&url(&sandbox, ""), TOKEN, &english).await;
    let delete = async |id: &str| {
        let url = url(&sandbox, &format!("?name=hello_world&hsm_id={id}"));
        let request = reqwest::Client::new().delete(url).bearer_auth(TOKEN);
        request.send().await.unwrap().json::<Value>().await.unwrap()
    };

    let done = delete(made["id"].as_str().unwrap()).await;

    assert_eq!(done, json!({"success": true}));
    assert_eq!(code_of(&delete("1").await), (100, Some(2_593_002)));
    let left: Vec<_> = sandbox
        .templates(WABA)
        .iter()
        .map(|one| one["language"].clone())
        .collect();
    assert_eq!(
        left.iter().filter(|language| **language == "en_GB").count(),
        0
    );
    assert_eq!(left.len(), 6);
}

#[tokio::test]
async fn a_review_changes_the_template_and_is_told_to_the_webhook() {
    let sandbox = with_samples().await;
    let (_, made) = graph(&url(&sandbox, ""), TOKEN, &new(json!([body()]))).await;

    let played = sandbox
        .template_status(WABA, TemplateStatus::new("new_one", "pt_BR", "APPROVED"))
        .await
        .unwrap();

    assert_eq!(played.callback_status, Some(200));
    let hook: Value = serde_json::from_str(&played.body).unwrap();
    assert_eq!(hook["entry"][0]["id"], WABA);
    let change = &hook["entry"][0]["changes"][0];
    assert_eq!(change["field"], "message_template_status_update");
    let id: u64 = made["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(
        change["value"],
        json!({
            "event": "APPROVED",
            "message_template_id": id,
            "message_template_name": "new_one",
            "message_template_language": "pt_BR",
            "message_template_category": "MARKETING",
            "reason": "NONE",
        })
    );
    let template = json!({"name": "new_one", "language": {"code": "pt_BR"}});
    let send = json!({"messaging_product": "whatsapp", "to": PERSON, "type": "template", "template": template});
    assert_eq!(answer(&sandbox, &send).await.0, 200);
}

#[tokio::test]
async fn a_review_may_be_played_over_http() {
    let sandbox = with_samples().await;
    let review = async |body: Value| {
        let url = format!("{}/sandbox/templates/{WABA}/status", sandbox.url());
        let response = reqwest::Client::new()
            .post(url)
            .json(&body)
            .send()
            .await
            .unwrap();
        response.status().as_u16()
    };
    let of =
        |name: &str, status: &str| json!({"name": name, "language": "en_US", "status": status});

    assert_eq!(review(of("hello_world", "REJECTED")).await, 200);
    assert_eq!(review(of("order_shipped", "DELETED")).await, 200);
    assert_eq!(review(of("nothing", "APPROVED")).await, 404);
    assert_eq!(review(of("hello_world", "LIKED")).await, 400);

    let templates = sandbox.templates(WABA);
    assert_eq!(templates.len(), 5);
    assert_eq!(
        (&templates[0]["status"], &templates[0]["rejected_reason"]),
        (&json!("REJECTED"), &json!("INVALID_FORMAT"))
    );
    let events = sandbox.events("hook", 0);
    assert!(
        events[1].body.contains("\"reason\":\"INVALID_FORMAT\""),
        "{}",
        events[1].body
    );
    let elsewhere = TemplateStatus::new("hello_world", "en_US", "PAUSED");
    let unknown = sandbox.template_status("1", elsewhere).await.unwrap_err();
    assert_eq!(unknown, Error::UnknownAccount("1".to_owned()));
}
