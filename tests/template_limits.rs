//! What WhatsApp takes in a filled template, by Meta's rules: checked before a message is
//! accepted.

use crate::support::World;
use crate::support::outgoing::pointer;
use crate::support::templates::template;
use crate::support::world::CUSTOMER;
use patchbay::channel::{Filled, Invalid, adapter};
use patchbay::model::channel::ChannelKind;
use patchbay::model::id::{ChannelId, TemplateId};
use patchbay::model::template::{TemplateDraft, TemplateRecord, TemplateRef};
use patchbay::model::time::Timestamp;
use serde_json::{Map, Value, json};

fn items(value: &Value) -> Vec<Value> {
    value.as_array().expect("an array").clone()
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().expect("an object").clone()
}

fn fill(
    parts: &Value,
    given: Option<Vec<Value>>,
    variables: Option<Map<String, Value>>,
) -> Result<Filled, Invalid> {
    let adapter = adapter(ChannelKind::Whatsapp).expect("an adapter");
    let templates = adapter.templates().expect("templates");
    let components = items(parts);
    let variable_names = templates.variables(&components);
    let record = TemplateRecord {
        id: TemplateId::parse("0197a000-0000-7000-8000-000000000000").expect("an id"),
        channel_id: ChannelId::parse("0197a000-0000-7000-8000-000000000001").expect("an id"),
        key: "k".to_owned(),
        name: "n".to_owned(),
        language: "en".to_owned(),
        category: "UTILITY".to_owned(),
        status: "APPROVED".to_owned(),
        components,
        variables: variable_names,
        version: 1,
        created_at: Timestamp::from_ms(1),
    };
    let draft = TemplateDraft {
        template: TemplateRef::Id(record.id),
        components: given,
        variables,
    };
    templates.fill(&record, &draft)
}

fn by_variables(parts: &Value, variables: Value) -> Result<Filled, Invalid> {
    fill(parts, None, Some(object(variables)))
}

fn by_components(parts: &Value, given: Value) -> Result<Filled, Invalid> {
    fill(parts, Some(items(&given)), None)
}

#[track_caller]
fn refused(filled: Result<Filled, Invalid>, pointer: &str, detail: &str) {
    let invalid = filled.expect_err("a refusal");
    assert_eq!(invalid.pointer, pointer);
    assert!(invalid.detail.contains(detail), "{}", invalid.detail);
}

fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

fn component(kind: &str, parameters: Value) -> Value {
    json!({ "type": kind, "parameters": parameters })
}

fn button(sub_type: &str, parameters: Value) -> Value {
    json!({ "type": "button", "sub_type": sub_type, "index": "0", "parameters": parameters })
}

fn with_button(button: Value) -> Value {
    json!([{ "type": "BODY", "text": "Hi" }, { "type": "BUTTONS", "buttons": [button] }])
}

#[test]
fn a_header_has_at_most_60_characters_once_it_is_filled() {
    let parts = json!([
        { "type": "HEADER", "format": "TEXT", "text": "Order {{1}}!" },
        { "type": "BODY", "text": "Hi" },
    ]);
    // Characters, whatever their bytes; seven of them are the template's own.
    let most = "é".repeat(53);
    let more = "é".repeat(54);
    by_variables(&parts, json!({ "header.1": most })).expect("as long as may be");
    let filled = by_variables(&parts, json!({ "header.1": more }));
    refused(
        filled,
        "/variables/header.1",
        "at most 60 characters; filled, it has 61",
    );
    let given = |value: &str| json!([component("header", json!([text(value)]))]);
    by_components(&parts, given(&most)).expect("as long as may be");
    let filled = by_components(&parts, given(&more));
    refused(filled, "/components/0/parameters", "the header at most 60");
}

#[test]
fn a_body_beside_other_parts_has_at_most_1024_characters_once_it_is_filled() {
    let parts = json!([
        { "type": "BODY", "text": "Hi {{1}}, {{2}}" },
        { "type": "FOOTER", "text": "Bye" },
    ]);
    let most = "x".repeat(1_024 - "Hi a, ".len());
    let more = format!("{most}x");
    by_variables(&parts, json!({ "1": "a", "2": most })).expect("as long as may be");
    let filled = by_variables(&parts, json!({ "1": "a", "2": more }));
    refused(
        filled,
        "/variables",
        "the body at most 1024 characters; filled, it has 1025",
    );
    let given = |value: &str| json!([component("body", json!([text("a"), text(value)]))]);
    by_components(&parts, given(&most)).expect("as long as may be");
    let filled = by_components(&parts, given(&more));
    refused(filled, "/components/0/parameters", "1025");
    // With one variable it is known which is to blame.
    let one = json!([{ "type": "BODY", "text": "{{name}}" }, { "type": "FOOTER", "text": "Bye" }]);
    let filled = by_variables(&one, json!({ "name": "x".repeat(1_025) }));
    refused(filled, "/variables/name", "1024");
    // One placeholder twice counts twice.
    let twice =
        json!([{ "type": "BODY", "text": "{{1}}{{1}}" }, { "type": "FOOTER", "text": "Bye" }]);
    by_variables(&twice, json!({ "1": "x".repeat(512) })).expect("as long as may be");
    refused(
        by_variables(&twice, json!({ "1": "x".repeat(513) })),
        "/variables/1",
        "1026",
    );
}

#[test]
fn a_body_that_is_all_there_is_may_be_longer() {
    let parts = json!([{ "type": "BODY", "text": "{{1}}" }]);
    by_variables(&parts, json!({ "1": "x".repeat(32_768) })).expect("as long as may be");
    let filled = by_variables(&parts, json!({ "1": "x".repeat(32_769) }));
    refused(filled, "/variables/1", "32768");
}

#[test]
fn what_meta_approved_as_it_is_is_not_measured() {
    let long = "x".repeat(2_000);
    let parts = json!([
        { "type": "HEADER", "format": "TEXT", "text": long }, { "type": "BODY", "text": long },
    ]);
    fill(&parts, None, None).expect("nothing to fill");
    by_components(&parts, json!([])).expect("nothing to fill");
}

#[test]
fn an_address_a_coupon_and_a_code_have_their_limits() {
    let url = with_button(json!({ "type": "URL", "url": "https://a.example/{{1}}" }));
    let coupon = with_button(json!({ "type": "COPY_CODE" }));
    let code = json!([
        { "type": "BODY", "text": "*{{1}}* is your code." },
        { "type": "BUTTONS", "buttons": [{ "type": "OTP", "otp_type": "COPY_CODE" }] },
    ]);
    let body = |value: &str| component("body", json!([text(value)]));
    let cases = [
        (
            &url,
            "button.0.1",
            2_000 - "https://a.example/".len(),
            "url",
            "text",
        ),
        (&coupon, "button.0.code", 20, "copy_code", "coupon_code"),
        (&code, "1", 15, "url", "text"),
    ];
    for (parts, name, most, sub_type, field) in cases {
        for (length, fits) in [(most, true), (most + 1, false)] {
            let value = "7".repeat(length);
            let compiled = by_variables(parts, json!({ name: value }));
            let mut given = vec![button(sub_type, json!([{ "type": field, field: value }]))];
            if name == "1" {
                given.push(body(&value));
            }
            let checked = by_components(parts, json!(given));
            if fits {
                let compiled = compiled.expect("as long as may be");
                assert_eq!(checked.expect("as long as may be").text, compiled.text);
            } else {
                refused(
                    compiled,
                    &format!("/variables/{name}"),
                    "characters; filled",
                );
                let at = format!("/components/0/parameters/0/{field}");
                refused(checked, &at, "characters; filled");
            }
        }
    }
}

#[test]
fn a_quick_reply_is_given_a_payload_or_left_out() {
    let parts = with_button(json!({ "type": "QUICK_REPLY", "text": "Stop" }));
    let reply = |parameters: Value| json!([button("quick_reply", parameters)]);
    fill(&parts, None, None).expect("nothing to fill");
    by_components(&parts, json!([])).expect("left out");
    let payload = json!([{ "type": "payload", "payload": "{\n\t\"stop\":     1}" }]);
    by_components(&parts, reply(payload)).expect("nobody reads it");
    let at = "/components/0/parameters";
    for (parameters, pointer) in [
        (json!([]), at.to_owned()),
        (
            json!([{ "type": "payload", "payload": "a" }, { "type": "payload", "payload": "b" }]),
            at.to_owned(),
        ),
        (json!([text("Stop")]), format!("{at}/0/type")),
        (json!([{ "type": "payload" }]), format!("{at}/0/payload")),
        (
            json!([{ "type": "payload", "payload": "" }]),
            format!("{at}/0/payload"),
        ),
        (
            json!([{ "type": "payload", "payload": 7 }]),
            format!("{at}/0/payload"),
        ),
        (json!("STOP"), at.to_owned()),
    ] {
        refused(by_components(&parts, reply(parameters)), &pointer, "");
    }
}

#[test]
fn buttons_with_an_action_are_given_one() {
    let action = |action: Value| json!([{ "type": "action", "action": action }]);
    let order = json!({ "order_details": { "reference_id": "1" } });
    let cases = [
        ("FLOW", "flow", json!({ "flow_token": "t" }), false),
        (
            "CATALOG",
            "CATALOG",
            json!({ "thumbnail_product_retailer_id": "1" }),
            false,
        ),
        ("MPM", "mpm", json!({ "sections": [{}] }), true),
        ("ORDER_DETAILS", "order_details", order, true),
    ];
    for (kind, sub_type, right, is_needed) in cases {
        let parts = with_button(json!({ "type": kind, "text": "Go" }));
        let given = |parameters: Value| json!([button(sub_type, parameters)]);
        by_components(&parts, given(action(right))).expect("as Meta has it");
        let at = "/components/0/parameters";
        refused(
            by_components(&parts, given(json!([text("x")]))),
            &format!("{at}/0/type"),
            "action",
        );
        let no_action = given(json!([{ "type": "action" }]));
        refused(
            by_components(&parts, no_action),
            &format!("{at}/0/action"),
            "object",
        );
        for none in [json!([]), given(json!([]))] {
            let filled = by_components(&parts, none);
            assert_eq!(filled.is_err(), is_needed, "{kind}");
        }
        assert_eq!(fill(&parts, None, None).is_err(), is_needed, "{kind}");
    }
    let parts = with_button(json!({ "type": "ORDER_DETAILS" }));
    let empty = json!([button("order_details", action(json!({})))]);
    let at = "/components/0/parameters/0/action/order_details";
    refused(by_components(&parts, empty), at, "object");
    refused(
        by_components(&parts, json!([])),
        "/components",
        "lacks button 0",
    );
    // Of a button that is new to us nothing is known.
    let parts = with_button(json!({ "type": "OF_THE_FUTURE" }));
    by_components(&parts, json!([button("of_the_future", json!([7]))])).expect("Meta's to check");
}

#[test]
fn a_header_is_given_what_it_shows() {
    let header = |format: &str| json!([{ "type": "HEADER", "format": format }, { "type": "BODY", "text": "Hi" }]);
    let at = "/components/0/parameters/0";
    for (format, kind, right, wrong) in [
        (
            "IMAGE",
            "image",
            json!({ "link": "https://a.example/b.jpg" }),
            json!({ "caption": "x" }),
        ),
        (
            "VIDEO",
            "video",
            json!({ "id": "17" }),
            json!({ "link": "" }),
        ),
        (
            "DOCUMENT",
            "document",
            json!({ "id": 17, "filename": "a.pdf" }),
            json!({ "filename": "a.pdf" }),
        ),
        (
            "LOCATION",
            "location",
            json!({ "latitude": "37.48", "longitude": -122.14, "name": "Acme", "address": "1 Way" }),
            json!({ "latitude": 37.48, "name": "Acme" }),
        ),
        (
            "PRODUCT",
            "product",
            json!({ "product_retailer_id": "1", "catalog_id": "2" }),
            json!({ "catalog_id": "2" }),
        ),
    ] {
        let parts = header(format);
        let given =
            |value: Value| json!([component("header", json!([{ "type": kind, kind: value }]))]);
        by_components(&parts, given(right)).expect("as Meta has it");
        refused(
            by_components(&parts, given(wrong)),
            &format!("{at}/{kind}"),
            "must have",
        );
        refused(
            by_components(&parts, given(json!("x"))),
            &format!("{at}/{kind}"),
            "required",
        );
        refused(
            by_components(&parts, json!([])),
            "/components",
            "lacks the header",
        );
    }
    refused(
        fill(&header("PRODUCT"), None, None),
        "/components",
        "product",
    );
}

#[tokio::test]
async fn a_message_that_would_be_too_long_is_refused_and_points_at_the_field() {
    let world = World::new().await;
    let shop = world.open_whatsapp().await;
    let parts = json!([
        { "type": "HEADER", "format": "TEXT", "text": "{{1}}" },
        { "type": "BODY", "text": "Hi {{1}}" },
    ]);
    let listed = template("hi", "en", "APPROVED", parts);
    world.has_templates(&shop, &[listed]).await;
    for (header, body, at) in [
        ("x".repeat(61), "Ana".to_owned(), "header.1"),
        ("x".repeat(60), "x".repeat(1_022), "1"),
    ] {
        let content = json!({
            "type": "template", "key": "hi", "variables": { "header.1": header, "1": body },
        });
        let message = json!({ "from": shop, "to": CUSTOMER, "content": content });
        let reply = world.refused(message).await.0;
        let told = reply.expect(422);
        assert_eq!(told["code"], "template_parameter_mismatch");
        assert_eq!(pointer(&told), format!("/content/variables/{at}"));
    }
}
