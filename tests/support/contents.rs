//! Contents of every kind, drawn at random.

use proptest::prelude::*;
use serde_json::{Value, json};

const TARGET: &str = "0197a000-0000-7000-8000-000000000001";

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-zà-ü €😀]{1,20}",
        1 => any::<String>(),
        1 => "[ab]{60,90}",
        1 => (1_usize..300).prop_map(|times| "Viele Wörter, eine\nZeile ".repeat(times)),
        1 => Just(String::new()),
    ]
}

fn urls() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "https://shop\\.example/[a-z]{1,8}",
        1 => texts(),
        1 => Just("like_heart".to_owned()),
        1 => Just("ftp://shop.example/a".to_owned()),
    ]
}

fn optional(strategy: impl Strategy<Value = String>) -> impl Strategy<Value = Value> {
    proptest::option::of(strategy).prop_map(|text| json!(text))
}

fn buttons() -> impl Strategy<Value = Value> {
    let button = (texts(), optional(texts()), optional(urls()));
    proptest::collection::vec(button, 0..15).prop_map(|all| {
        all.into_iter()
            .enumerate()
            .map(|(at, (title, id, url))| {
                let id = id.as_str().map(|id| format!("{at}{id}"));
                let id = id.filter(|_| at % 3 != 0 || url.is_null());
                json!({ "title": title, "id": id, "url": if id.is_some() { Value::Null } else { url } })
            })
            .collect()
    })
}

fn rows() -> impl Strategy<Value = Value> {
    let row = (texts(), optional(texts()));
    let section = (optional(texts()), proptest::collection::vec(row, 0..5));
    proptest::collection::vec(section, 0..4).prop_map(|sections| {
        sections
            .into_iter()
            .enumerate()
            .map(|(section, (title, rows))| {
                let rows: Vec<Value> = rows
                    .into_iter()
                    .enumerate()
                    .map(|(at, (title, description))| {
                        json!({ "id": format!("{section}-{at}"), "title": title, "description": description })
                    })
                    .collect();
                json!({ "title": title, "rows": rows })
            })
            .collect()
    })
}

fn media() -> impl Strategy<Value = Value> {
    let kinds = prop::sample::select(vec!["image", "video", "audio", "document", "sticker"]);
    (kinds, urls(), optional(texts()), any::<bool>()).prop_map(|(kind, url, caption, voice)| {
        json!({ "type": kind, "url": url, "caption": caption, "voice": voice, "filename": caption })
    })
}

fn interactive() -> impl Strategy<Value = Value> {
    let kinds = prop::sample::select(vec!["buttons", "list", "ctaUrl", "locationRequest"]);
    let parts = (optional(texts()), texts(), optional(texts()));
    (kinds, parts, buttons(), rows(), urls(), any::<bool>()).prop_map(
        |(kind, (header, body, footer), buttons, sections, url, quick)| {
            json!({
                "type": "interactive", "kind": kind, "header": header, "body": body, "footer": footer,
                "buttons": buttons, "list": { "button": "Open", "sections": sections },
                "ctaUrl": { "text": "Open", "url": url }, "quickReplies": quick,
            })
        },
    )
}

fn cards() -> impl Strategy<Value = Value> {
    let card = (texts(), optional(texts()), optional(urls()), 0_usize..4);
    proptest::collection::vec(card, 0..12).prop_map(|cards| {
        let cards: Vec<Value> = cards
            .into_iter()
            .enumerate()
            .map(|(at, (title, subtitle, image, count))| {
                let buttons: Vec<Value> = (0..count)
                    .map(|button| match button {
                        2 => json!({ "kind": "url", "title": "More", "url": "https://shop.example/more" }),
                        _ => json!({ "kind": "reply", "id": format!("{at}.{button}"), "title": "Buy" }),
                    })
                    .collect();
                json!({ "title": title, "subtitle": subtitle, "imageUrl": image, "buttons": buttons })
            })
            .collect();
        json!({ "type": "cards", "cards": cards })
    })
}

fn contacts() -> impl Strategy<Value = Value> {
    let card = (texts(), optional(texts()), 0_usize..3, optional(texts()));
    proptest::collection::vec(card, 0..25).prop_map(|cards| {
        let cards: Vec<Value> = cards
            .into_iter()
            .map(|(name, first, phones, company)| {
                let phones: Vec<Value> = (0..phones)
                    .map(|at| json!({ "phone": format!("+1555010000{at}"), "type": company }))
                    .collect();
                json!({
                    "name": { "formattedName": name, "firstName": first }, "phones": phones,
                    "emails": first.as_str().into_iter().collect::<Vec<_>>(), "organization": company,
                })
            })
            .collect();
        json!({ "type": "contacts", "contacts": cards })
    })
}

fn others() -> impl Strategy<Value = Value> {
    prop_oneof![
        texts().prop_map(|text| json!({ "type": "text", "text": text })),
        (any::<i32>(), any::<i32>(), optional(texts()), optional(texts())).prop_map(
            |(latitude, longitude, name, address)| json!({
                "type": "location", "latitude": f64::from(latitude) / 2e7, "longitude": f64::from(longitude) / 1e7,
                "name": name, "address": address,
            })
        ),
        texts().prop_map(|emoji| json!({ "type": "reaction", "messageId": TARGET, "emoji": emoji })),
        Just(json!({ "type": "reaction", "messageId": TARGET, "emoji": "❤️" })),
        Just(json!({ "type": "markSeen" })),
        any::<bool>().prop_map(|off| json!({ "type": "typing", "off": off })),
        (texts(), any::<i64>(), any::<i64>()).prop_map(|(text, total, tax)| json!({
            "type": "paymentRequest", "bodyText": text, "referenceId": "order-1", "paymentMethod": "boleto",
            "boleto": { "digitableLine": text }, "totalAmountCents": total,
            "items": [{ "retailerId": "1", "name": text, "amountCents": total, "quantity": tax }],
            "tax": { "valueCents": tax }, "subtotalCents": tax,
        })),
        texts().prop_map(|text| json!({
            "type": "orderStatus", "bodyText": text, "referenceId": "order-1", "status": "shipped",
            "description": text,
        })),
        texts().prop_map(|text| json!({ "type": "reply", "id": text, "title": text })),
    ]
}

/// Any content, right or wrong, as a client may write it.
pub fn contents() -> impl Strategy<Value = Value> {
    prop_oneof![media(), interactive(), cards(), contacts(), others()]
}
