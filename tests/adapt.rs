//! What a content becomes on a channel that does not carry it: golden for every kind on
//! every channel, and what holds of any. `BLESS=1` writes the golden files.

use crate::support::contents::contents;
use patchbay::channel::{ADAPTERS, Adapter, Refused, adapt};
use patchbay::model::content::Content;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::Path;

const TARGET: &str = "0197a000-0000-7000-8000-000000000001";
const PICTURE: &str = "https://shop.example/shirt.jpg";
const PAGE: &str = "https://shop.example/shirts";

fn read(json: Value) -> Content {
    Content::read(json.clone()).unwrap_or_else(|wrong| panic!("{wrong:?} in {json}"))
}

fn buttons(count: usize, more: Value) -> Value {
    let buttons: Vec<Value> = (1..=count)
        .map(|at| json!({ "id": format!("b{at}"), "title": format!("Choice {at}") }))
        .collect();
    let mut content = json!({
        "type": "interactive", "kind": "buttons", "body": "Which one?", "buttons": buttons,
    });
    merge(&mut content, more);
    content
}

fn merge(content: &mut Value, more: Value) {
    let more = more.as_object().expect("fields").clone();
    content.as_object_mut().expect("a content").extend(more);
}

fn list(rows: usize, more: Value) -> Value {
    let row = |at: usize| match at % 2 {
        0 => json!({ "id": format!("r{at}"), "title": format!("Size {at}") }),
        _ => {
            json!({ "id": format!("r{at}"), "title": format!("Size {at}"), "description": "in blue" })
        }
    };
    let (first, second): (Vec<Value>, Vec<Value>) = (
        (1..=rows / 2).map(row).collect(),
        (rows / 2 + 1..=rows).map(row).collect(),
    );
    let mut content = json!({
        "type": "interactive", "kind": "list", "body": "Which size?",
        "list": { "button": "Sizes", "sections": [
            { "title": "Small", "rows": first }, { "title": "Large", "rows": second },
        ] },
    });
    merge(&mut content, more);
    content
}

fn cards(count: usize, more: Value) -> Value {
    let cards: Vec<Value> = (1..=count)
        .map(|at| {
            let mut card = json!({
                "title": format!("Shirt {at}"), "subtitle": "Cotton", "imageUrl": PICTURE,
                "buttons": [
                    { "kind": "reply", "id": format!("buy{at}"), "title": format!("Buy {at}") },
                    { "kind": "url", "title": "See", "url": PAGE },
                ],
            });
            merge(&mut card, more.clone());
            card
        })
        .collect();
    json!({ "type": "cards", "cards": cards })
}

fn pay(method: Value) -> Value {
    let mut content = json!({
        "type": "paymentRequest", "bodyText": "Your order", "referenceId": "order-42",
        "totalAmountCents": 12_345,
        "items": [
            { "retailerId": "s1", "name": "Shirt", "amountCents": 5_000, "quantity": 2 },
            { "retailerId": "s2", "name": "Socks", "amountCents": 2_000, "quantity": 1 },
        ],
        "tax": { "valueCents": 345, "description": "Delivery" },
    });
    merge(&mut content, method);
    content
}

/// Contents by name: of every kind, with all they may have, and with too much of it.
fn samples() -> Vec<(&'static str, Value)> {
    let header = |kind: &str| json!({ "header": { "type": kind, "url": PICTURE } });
    let around = json!({ "header": "Shirts", "footer": "Until Sunday" });
    let long = "Eine Zeile mit Wörtern.\n".repeat(220);
    let pix = json!({
        "code": "00020126BR.GOV.BCB.PIX", "merchantName": "Shop", "key": "12345678900", "keyType": "CPF",
    });
    vec![
        (
            "long text",
            json!({ "type": "text", "text": long, "previewUrl": false }),
        ),
        (
            "image of another type",
            json!({ "type": "image", "url": PICTURE, "caption": "Shirt", "mimeType": "image/tiff" }),
        ),
        (
            "video of another type",
            json!({ "type": "video", "url": "https://shop.example/a.mkv", "mimeType": "text/plain" }),
        ),
        (
            "audio of another type",
            json!({ "type": "audio", "url": "https://shop.example/a.xyz", "mimeType": "text/plain" }),
        ),
        (
            "document of another type",
            json!({ "type": "document", "url": "https://shop.example/a.xyz", "filename": "a.xyz", "mimeType": "application/x-own" }),
        ),
        (
            "long caption",
            json!({ "type": "image", "url": PICTURE, "caption": "Wort ".repeat(900) }),
        ),
        (
            "sticker",
            json!({ "type": "sticker", "url": "https://shop.example/a.webp", "caption": "Hi" }),
        ),
        (
            "sticker of a type",
            json!({ "type": "sticker", "url": "https://shop.example/a.webp", "mimeType": "image/webp" }),
        ),
        ("heart", json!({ "type": "sticker", "url": "like_heart" })),
        (
            "location",
            json!({ "type": "location", "latitude": -23.5505, "longitude": -46.6333, "name": "Shop", "address": "Rua A, 1" }),
        ),
        (
            "contacts",
            json!({ "type": "contacts", "contacts": [
            { "name": { "formattedName": "Ada Lovelace" }, "phones": [{ "phone": "+15550100001", "type": "WORK" }],
              "emails": ["ada@shop.example"], "organization": "Engines" },
            { "name": { "formattedName": "Bob" }, "phones": [{ "phone": "+15550100002" }] },
        ] }),
        ),
        (
            "many contacts",
            json!({ "type": "contacts", "contacts": (0..21).map(|at| json!({
            "name": { "formattedName": format!("Person {at}") }, "phones": [{ "phone": format!("+155501000{at:02}") }],
        })).collect::<Vec<_>>() }),
        ),
        ("buttons", buttons(2, json!({}))),
        ("buttons with lines around", buttons(2, around.clone())),
        ("buttons below a picture", buttons(2, header("image"))),
        ("many buttons", buttons(25, around.clone())),
        (
            "buttons with long titles",
            buttons(
                1,
                json!({ "buttons": [{ "id": "1", "title": "A title ".repeat(12) }] }),
            ),
        ),
        (
            "buttons of one title",
            buttons(
                0,
                json!({ "buttons": [{ "id": "a", "title": "Buy" }, { "id": "b", "title": "Buy" }] }),
            ),
        ),
        (
            "buttons below a long text",
            buttons(2, json!({ "body": "Wort ".repeat(900) })),
        ),
        (
            "buttons and a page",
            buttons(
                0,
                json!({ "buttons": [{ "id": "yes", "title": "Yes" }, { "title": "See", "url": PAGE }] }),
            ),
        ),
        (
            "a page alone",
            buttons(
                0,
                json!({ "footer": "Until Sunday", "buttons": [{ "title": "See", "url": PAGE }] }),
            ),
        ),
        (
            "two pages",
            buttons(
                0,
                json!({ "buttons": [{ "title": "See", "url": PAGE }, { "title": "Map", "url": "https://shop.example/map" }] }),
            ),
        ),
        ("list", list(4, json!({}))),
        ("list with lines around", list(4, around.clone())),
        (
            "list below a document",
            list(
                3,
                json!({ "header": { "type": "document", "url": "https://shop.example/a.pdf", "filename": "Sizes.pdf" } }),
            ),
        ),
        ("long list", list(60, json!({}))),
        (
            "ctaUrl",
            json!({ "type": "interactive", "kind": "ctaUrl", "body": "New shirts", "header": "Shirts", "footer": "Until Sunday", "ctaUrl": { "text": "See", "url": PAGE } }),
        ),
        (
            "ctaUrl with a long title",
            json!({ "type": "interactive", "kind": "ctaUrl", "body": "New shirts", "ctaUrl": { "text": "See them all ".repeat(8), "url": PAGE } }),
        ),
        (
            "locationRequest",
            json!({ "type": "interactive", "kind": "locationRequest", "body": "Where are you?", "footer": "For the courier" }),
        ),
        ("cards", cards(2, json!({}))),
        (
            "cards without pictures",
            cards(2, json!({ "imageUrl": null, "subtitle": null })),
        ),
        ("many cards", cards(12, json!({}))),
        (
            "cards with long titles",
            cards(2, json!({ "title": "A shirt ".repeat(40) })),
        ),
        (
            "reaction",
            json!({ "type": "reaction", "messageId": TARGET, "emoji": "🛒" }),
        ),
        ("markSeen", json!({ "type": "markSeen" })),
        ("typing", json!({ "type": "typing" })),
        ("typing no more", json!({ "type": "typing", "off": true })),
        (
            "payment by pix",
            pay(json!({ "paymentMethod": "pix", "pix": pix })),
        ),
        (
            "payment by boleto",
            pay(
                json!({ "paymentMethod": "boleto", "boleto": { "digitableLine": "23793.38128 60000.000003 00000.000405 1 84340000012345" } }),
            ),
        ),
        (
            "payment by link",
            pay(
                json!({ "paymentMethod": "payment_link", "paymentLink": { "url": "https://pay.example/42" } }),
            ),
        ),
        (
            "orderStatus",
            json!({ "type": "orderStatus", "bodyText": "On its way", "referenceId": "order-42", "status": "partially_shipped", "description": "Two parcels" }),
        ),
    ]
}

/// What becomes of a sample, as the golden files have it; `None` where it fits.
fn outcome(adapter: &dyn Adapter, content: &Content) -> Option<Value> {
    let profile = adapter.profile();
    if profile.check(content).is_ok() {
        let adapted = adapt(profile, content).expect("what fits");
        assert_eq!(adapted.contents, std::slice::from_ref(content));
        assert!(adapted.changes.is_empty() && adapted.choices.is_empty());
        return None;
    }
    Some(match adapt(profile, content) {
        Err(Refused::Unsupported(at)) => {
            json!({ "unsupported": format!("{} {}", at.pointer, at.detail) })
        }
        Err(Refused::Invalid(at)) => {
            json!({ "invalid": format!("{} {}", at.pointer, at.detail) })
        }
        Ok(adapted) => {
            let changes = adapted.changes.iter();
            let changes: Vec<String> = changes
                .map(|change| format!("{} {}", change.pointer, change.detail))
                .collect();
            let choices = adapted.choices.iter();
            let choices: Vec<&str> = choices.map(|choice| choice.id.as_str()).collect();
            json!({
                "changes": changes, "becomes": short(json!(adapted.contents)), "choices": choices.join(" "),
            })
        }
    })
}

/// Long texts by how they start and end.
fn short(json: Value) -> Value {
    match json {
        Value::String(text) if text.chars().count() > 400 => {
            let characters: Vec<char> = text.chars().collect();
            let start: String = characters[..60].iter().collect();
            let end: String = characters[characters.len() - 60..].iter().collect();
            let (count, bytes) = (characters.len(), text.len());
            Value::from(format!(
                "{start} … {end} ({count} characters, {bytes} bytes)"
            ))
        }
        Value::Array(items) => items.into_iter().map(short).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter();
            fields.map(|(name, value)| (name, short(value))).collect()
        }
        other => other,
    }
}

#[test]
fn every_kind_that_a_channel_lacks_becomes_what_the_golden_file_says() {
    for adapter in ADAPTERS {
        let all: serde_json::Map<String, Value> = samples()
            .into_iter()
            .filter_map(|(name, json)| Some((name.to_owned(), outcome(*adapter, &read(json))?)))
            .collect();
        let mut written = serde_json::to_string_pretty(&all).expect("JSON");
        written.push('\n');
        let file = format!("tests/golden/adapt/{}.json", adapter.kind().name());
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
        if std::env::var_os("BLESS").is_some() {
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(&path, &written).expect("a written file");
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            golden == written,
            "{file} is not what comes out; write it with BLESS=1"
        );
    }
}

#[test]
fn what_no_words_can_stand_for_is_refused_where_it_stands() {
    let sms = adapter("sms");
    let mut blank = buttons(2, json!({}));
    blank["buttons"][1]["title"] = json!(" ");
    let mut twice = buttons(2, json!({}));
    twice["buttons"][1]["id"] = json!("b1");
    let mut long = list(2, json!({}));
    long["list"]["sections"][1]["rows"][0]["id"] = json!("x".repeat(1_001));
    for (content, pointer) in [
        (blank, "/buttons/1/title"),
        (twice, "/buttons/1/id"),
        (long, "/list/sections/1/rows/0/id"),
        (json!({ "type": "cards", "cards": [] }), "/cards"),
        (
            json!({ "type": "location", "latitude": 91, "longitude": 0 }),
            "/latitude",
        ),
        (json!({ "type": "text", "text": "" }), "/text"),
        (list(101, json!({})), ""),
    ] {
        match adapt(sms.profile(), &read(content.clone())) {
            Err(Refused::Invalid(wrong)) => assert_eq!(wrong.pointer, pointer, "{content}"),
            other => panic!("{content}: {other:?}"),
        }
    }
    // A channel with buttons has a limit of its own for what they answer with.
    let mut long = buttons(200, json!({}));
    long["buttons"][3]["id"] = json!("x".repeat(65));
    let refused = adapt(adapter("telegram").profile(), &read(long)).expect_err("too long");
    assert!(matches!(refused, Refused::Invalid(at) if at.pointer == "/buttons/3/id"));
}

fn adapter(kind: &str) -> &'static dyn Adapter {
    let mut all = ADAPTERS.iter().copied();
    all.find(|adapter| adapter.kind().name() == kind)
        .expect("a channel")
}

/// What a person reads of a content: everything but words of ours and ids.
fn visible(content: &Content) -> Vec<String> {
    let hidden = [
        "type",
        "kind",
        "id",
        "mimeType",
        "button",
        "firstName",
        "lastName",
        "retailerId",
        "keyType",
        "paymentMethod",
        "key",
        "status",
        "currency",
    ];
    fn collect(json: &Value, hidden: &[&str], into: &mut Vec<String>) {
        match json {
            Value::String(text) => into.push(text.split_whitespace().collect()),
            Value::Array(items) => items.iter().for_each(|item| collect(item, hidden, into)),
            Value::Object(fields) => fields
                .iter()
                .filter(|(name, _)| !hidden.contains(&name.as_str()))
                .for_each(|(_, field)| collect(field, hidden, into)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut json = json!(content);
    // Of a message that asks, only what its kind has.
    if let Content::Interactive(interactive) = content {
        let kind = json!(interactive.kind);
        let fields = json.as_object_mut().expect("an object");
        fields.retain(|name, _| {
            !["buttons", "list", "ctaUrl"].contains(&name.as_str()) || *name == kind
        });
    }
    let mut all = Vec::new();
    collect(&json, &hidden, &mut all);
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_comes_out_is_carried_and_says_all_that_went_in(json in contents()) {
        let Ok(content) = Content::read(json) else { return Ok(()) };
        for adapter in ADAPTERS {
            let profile = adapter.profile();
            let name = adapter.kind().name();
            let adapted = match adapt(profile, &content) {
                Ok(adapted) => adapted,
                Err(refused) => {
                    prop_assert!(profile.check(&content).is_err());
                    let (Refused::Unsupported(at) | Refused::Invalid(at)) = &refused;
                    let is_id = at.pointer.ends_with("/id") || at.pointer == "/referenceId";
                    let is_inbound = matches!(content, Content::Reply(_));
                    prop_assert!(
                        content.check().is_err() || content.is_sign() || is_inbound || is_id,
                        "{} {:?}", name, refused
                    );
                    continue;
                }
            };
            prop_assert!(!adapted.contents.is_empty());
            for part in &adapted.contents {
                prop_assert!(profile.check(part).is_ok(), "{} {:?}", name, part);
            }
            if profile.check(&content).is_ok() {
                prop_assert_eq!(&adapted.contents, std::slice::from_ref(&content));
                prop_assert!(adapted.changes.is_empty());
                continue;
            }
            prop_assert!(!adapted.changes.is_empty());
            let said: String = adapted.contents.iter().flat_map(visible).collect();
            for text in visible(&content).into_iter().filter(|text| text != "like_heart") {
                prop_assert!(said.contains(&text), "{}: {:?} is not in {}", name, text, said);
            }
            for (at, choice) in adapted.choices.iter().enumerate() {
                let line: String = format!("{}. {}", at + 1, choice.title).split_whitespace().collect();
                prop_assert!(said.contains(&line), "{}: {:?} is not in {}", name, line, said);
            }
        }
    }
}
