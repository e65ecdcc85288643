use crate::common::*;
use patchbay_sandbox::Sandbox;
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

fn template(name: &str, language: &str, components: Value) -> Value {
    json!({
        "messaging_product": "whatsapp",
        "to": PERSON,
        "type": "template",
        "template": {
            "name": name,
            "language": {"code": language},
            "components": components,
        },
    })
}

fn body(values: &[&str]) -> Value {
    let text = |value: &&str| json!({"type": "text", "text": value});
    let parameters: Vec<_> = values.iter().map(text).collect();
    json!({"type": "body", "parameters": parameters})
}

fn named(values: &[(&str, &str)]) -> Value {
    let text = |(name, value): &(&str, &str)| json!({"type": "text", "parameter_name": name, "text": value});
    let parameters: Vec<_> = values.iter().map(text).collect();
    json!({"type": "body", "parameters": parameters})
}

fn image() -> Value {
    let image = json!({"type": "image", "image": {"link": "https://a.example/b.png"}});
    json!({"type": "header", "parameters": [image]})
}

fn link(index: Value, suffix: &str) -> Value {
    let parameters = json!([{"type": "text", "text": suffix}]);
    json!({"type": "button", "sub_type": "url", "index": index, "parameters": parameters})
}

#[tokio::test]
async fn a_list_comes_in_pages_with_cursors() {
    let sandbox = with_samples().await;
    let mut names = Vec::new();
    let mut next = url(&sandbox, "?fields=name,status&limit=4");

    for count in [4, 2] {
        let (status, page) = graph_get(&next, TOKEN).await;
        let data = page["data"].as_array().unwrap();
        assert_eq!((status, data.len()), (200, count));
        assert!(
            data.iter()
                .all(|one| one["id"].is_string() && one.get("components").is_none())
        );
        names.extend(
            data.iter()
                .map(|one| one["name"].as_str().unwrap().to_owned()),
        );
        let after = page["paging"]["cursors"]["after"].as_str().unwrap();
        assert_eq!(page["paging"]["next"].is_string(), count == 4);
        if let Some(url) = page["paging"]["next"].as_str() {
            assert!(url.contains(&format!("after={after}")), "{url}");
            next = url.to_owned();
        }
    }

    assert_eq!(
        names,
        [
            "order_shipped",
            "hello_world",
            "summer_sale",
            "order_update_named",
            "refused_offer",
            "login_code",
        ]
    );
    let (_, whole) = graph_get(&url(&sandbox, ""), TOKEN).await;
    assert_eq!(whole["data"].as_array().unwrap().len(), 6);
    assert!(whole["data"][0]["components"].is_array());
    assert!(whole["paging"].get("next").is_none());
    assert_eq!(whole["data"][3]["parameter_format"], "NAMED");
}

#[tokio::test]
async fn a_list_needs_a_token_of_the_account_and_sound_parameters() {
    let sandbox = with_samples().await;

    let (status, refused) = graph_get(&url(&sandbox, ""), "wrong").await;
    assert_eq!((status, code_of(&refused)), (401, (190, None)));
    let elsewhere = format!("{}/1/message_templates", sandbox.graph_base());
    let (_, refused) = graph_get(&elsewhere, TOKEN).await;
    assert_eq!(code_of(&refused), (100, Some(33)));
    for query in ["?limit=0", "?limit=many", "?after=x", "?fields=name,colour"] {
        let (status, refused) = graph_get(&url(&sandbox, query), TOKEN).await;
        assert_eq!((status, code_of(&refused)), (400, (100, None)), "{query}");
    }
}

#[tokio::test]
async fn the_list_may_be_replaced() {
    let sandbox = with_samples().await;
    let only = json!([{
        "name": "hi",
        "language": "en",
        "status": "PAUSED",
        "components": [{"type": "BODY", "text": "Hi"}],
    }]);
    let put = |body: Value| {
        let url = format!("{}/sandbox/templates/{WABA}", sandbox.url());
        reqwest::Client::new().put(url).json(&body).send()
    };

    assert_eq!(put(only).await.unwrap().status(), 204);

    let (_, list) = graph_get(&url(&sandbox, ""), TOKEN).await;
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    assert_eq!(list["data"][0]["category"], "UTILITY");
    assert!(list["data"][0]["id"].is_string());
    let (_, refused) = answer(&sandbox, &template("hi", "en", json!([]))).await;
    assert_eq!(code_of(&refused).0, 132_015);
    // Registering the number again does not bring the samples back.
    sandbox.register_account(number(&sandbox)).unwrap();
    assert_eq!(sandbox.templates(WABA).len(), 1);
    assert_eq!(put(json!([{"name": "hi"}])).await.unwrap().status(), 400);
    sandbox.set_templates(WABA, Vec::new()).unwrap();
    let (_, list) = graph_get(&url(&sandbox, ""), TOKEN).await;
    assert_eq!(list, json!({"data": []}));
}

#[tokio::test]
async fn a_new_template_waits_for_review() {
    let sandbox = with_samples().await;
    let new = json!({
        "name": "delivery_note",
        "language": "en_US",
        "category": "UTILITY",
        "components": [{
            "type": "BODY",
            "text": "Dear {{1}}, it is there.",
            "example": {"body_text": [["Ana"]]},
        }],
    });

    let (status, made) = graph(&url(&sandbox, ""), TOKEN, &new).await;

    assert_eq!((status, &made["status"]), (200, &json!("PENDING")));
    assert_eq!(made["category"], "UTILITY");
    let (_, found) = graph_get(&url(&sandbox, "?name=delivery_note"), TOKEN).await;
    assert_eq!(found["data"][0]["id"], made["id"]);
    let send = template("delivery_note", "en_US", json!([body(&["Ana"])]));
    assert_eq!(code_of(&answer(&sandbox, &send).await.1).0, 132_001);
    let (_, again) = graph(&url(&sandbox, ""), TOKEN, &new).await;
    assert_eq!(code_of(&again), (100, Some(2_388_024)));
}

#[tokio::test]
async fn a_template_that_breaks_the_rules_is_not_made() {
    let sandbox = with_samples().await;
    let with = |name: &str, value: Value| {
        let mut new = json!({
            "name": "new_one",
            "language": "en_US",
            "category": "UTILITY",
            "components": [{"type": "BODY", "text": "Hi"}],
        });
        new[name] = value;
        new
    };
    let text = |text: &str| with("components", json!([{"type": "BODY", "text": text}]));
    let mut nameless = with("name", json!(""));
    nameless.as_object_mut().unwrap().remove("name");
    let cases = [
        (nameless, None),
        (with("name", json!("New One")), None),
        (with("category", json!("FUN")), None),
        (with("components", json!([])), None),
        (with("components", json!([{"type": "SIDEBAR"}])), None),
        (text(""), Some(2_388_072)),
        (text("Hi {{2}}."), Some(2_388_072)),
        (text("Hi {{name}}."), Some(2_388_072)),
        (text("Hi {{1}}"), Some(2_388_299)),
        (text("Hi {{1}}."), Some(2_388_043)),
    ];

    for (new, subcode) in cases {
        let (status, refused) = graph(&url(&sandbox, ""), TOKEN, &new).await;
        assert_eq!((status, code_of(&refused)), (400, (100, subcode)), "{new}");
    }
    assert_eq!(sandbox.templates(WABA).len(), 6);
}

#[tokio::test]
async fn a_template_is_deleted_by_name() {
    let sandbox = with_samples().await;
    let delete = || {
        let url = url(&sandbox, "?name=hello_world");
        reqwest::Client::new().delete(url).bearer_auth(TOKEN).send()
    };

    let done: Value = delete().await.unwrap().json().await.unwrap();
    let again: Value = delete().await.unwrap().json().await.unwrap();

    assert_eq!(done, json!({"success": true}));
    assert_eq!(code_of(&again), (100, Some(2_593_002)));
    assert_eq!(sandbox.templates(WABA).len(), 5);
}

#[tokio::test]
async fn a_template_with_all_its_parameters_is_accepted_and_shown_filled_in() {
    let sandbox = with_samples().await;
    let payload = json!([{"type": "payload", "payload": "STOP_PROMOTIONS"}]);
    let quick =
        json!({"type": "button", "sub_type": "quick_reply", "index": "1", "parameters": payload});
    let cases = [
        (
            template(
                "order_shipped",
                "en_US",
                json!([body(&["Ana", "4711", "today"])]),
            ),
            "Hi Ana, order 4711 arrives today.",
        ),
        (
            template(
                "summer_sale",
                "pt_BR",
                json!([image(), body(&["Ana", "20%"]), link(json!(0), "ana"), quick]),
            ),
            "https://a.example/b.png\nOlá Ana, hoje tudo está com 20% de desconto. Aproveite!",
        ),
        (
            template(
                "order_update_named",
                "en_US",
                json!([named(&[("eta", "today"), ("order_id", "4711")])]),
            ),
            "Your order 4711 is on its way and arrives today.",
        ),
        (
            template(
                "login_code",
                "en_US",
                json!([body(&["123456"]), link(json!("0"), "123456")]),
            ),
            "*123456* is your verification code.",
        ),
    ];

    for (message, shown) in cases {
        let (status, answered) = answer(&sandbox, &message).await;
        assert_eq!(status, 200, "{answered}");
        assert_eq!(answered["messages"][0]["message_status"], "accepted");
        let phone = sandbox.phone(NUMBER, PERSON).unwrap();
        assert_eq!(phone.messages.back().unwrap().text, shown);
    }
}

#[tokio::test]
async fn a_template_that_is_sent_wrongly_is_refused_with_the_rules_code() {
    let sandbox = with_samples().await;
    let shipped = |components: Value| template("order_shipped", "en_US", components);
    let sale = |components: Value| template("summer_sale", "pt_BR", components);
    let update = |component: Value| template("order_update_named", "en_US", json!([component]));
    let full = body(&["Ana", "20%"]);
    let mut without_language = shipped(json!([body(&["a", "b", "c"])]));
    without_language["template"]["language"] = json!({});
    let mut odd_language = without_language.clone();
    odd_language["template"]["language"] = json!({"code": 7});
    let mut to_user_id = template(
        "login_code",
        "en_US",
        json!([body(&["1"]), link(json!(0), "1")]),
    );
    to_user_id["recipient"] = json!("US.13491208655302741918");
    to_user_id.as_object_mut().unwrap().remove("to");
    let video = json!({"type": "header", "parameters": [{"type": "video", "video": {"id": "1"}}]});
    let long = "x".repeat(1100);
    let cases = [
        (without_language, 400, 131_008),
        (odd_language, 400, 131_009),
        (template("nothing", "en_US", json!([])), 404, 132_001),
        (template("order_shipped", "pt_BR", json!([])), 404, 132_001),
        (template("refused_offer", "en_US", json!([])), 404, 132_001),
        (shipped(json!([body(&["Ana", "4711"])])), 400, 132_000),
        (shipped(json!([])), 400, 132_000),
        (shipped(json!([body(&["a", "b", "c", "d"])])), 400, 132_000),
        (
            shipped(json!([body(&["a", "b", "c"]), image()])),
            400,
            132_000,
        ),
        (shipped(json!([body(&["a", "b", ""])])), 400, 131_008),
        (shipped(json!([body(&["a", "b", "c\nd"])])), 400, 132_018),
        (shipped(json!([body(&["a", "b", "c\td"])])), 400, 132_018),
        (shipped(json!([body(&["a", "b", "c     d"])])), 400, 132_018),
        (shipped(json!([body(&["a", "b", &long])])), 400, 132_005),
        (shipped(json!([{"type": "sidebar"}])), 400, 131_009),
        (
            shipped(json!([body(&["a", "b", "c"]), link(json!(0), "x")])),
            400,
            131_009,
        ),
        (sale(json!([full, link(json!(0), "a")])), 400, 132_012),
        (
            sale(json!([video, full, link(json!(0), "a")])),
            400,
            132_012,
        ),
        (sale(json!([image(), full])), 400, 131_008),
        (
            sale(json!([image(), full, link(json!(1), "a")])),
            400,
            131_008,
        ),
        (update(body(&["4711", "today"])), 400, 100),
        (update(named(&[("order_id", "4711")])), 400, 132_000),
        (
            update(named(&[("order_id", "4711"), ("when", "today")])),
            400,
            100,
        ),
        (to_user_id, 400, 131_062),
    ];

    for (message, status, code) in cases {
        let (answered, refused) = answer(&sandbox, &message).await;
        assert_eq!(
            (answered, code_of(&refused).0),
            (status, code),
            "{message} {refused}"
        );
    }
    assert_eq!(sandbox.accepted_count(), 0);
    let (_, nameless) = answer(&sandbox, &update(body(&["4711", "today"]))).await;
    assert_eq!(
        nameless["error"]["error_data"]["details"],
        "Parameter name is missing or empty"
    );
}
