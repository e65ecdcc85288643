//! What holds of any content on any channel: no adapter panics, what its profile lets
//! through becomes a request, and the parts of a split keep their order.

use patchbay::channel::{ADAPTERS, Adapter, Origins, Outbound};
use patchbay::model::channel::{Channel, Credentials, Settings};
use patchbay::model::contact::Address;
use patchbay::model::content::{CardButton, Content};
use patchbay::model::id::{ChannelId, Fresh, MessageId, WorkspaceId};
use patchbay::model::message::Actor;
use patchbay::model::time::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

const TARGET: &str = "0197a000-0000-7000-8000-000000000001";

fn channel(adapter: &dyn Adapter) -> Channel {
    let at = Timestamp::from_s(1_795_161_600);
    let names = adapter.credential_names().iter();
    Channel {
        id: ChannelId::fresh(at, [1; 10]),
        workspace_id: WorkspaceId::fresh(at, [2; 10]),
        kind: adapter.kind(),
        identifier: "+15550100009".to_owned(),
        settings: Settings::default(),
        credentials: Credentials(
            names
                .map(|name| ((*name).to_owned(), "123456:secret".to_owned()))
                .collect(),
        ),
        version: 1,
    }
}

fn origins() -> Origins {
    Origins {
        graph: "https://graph.test".to_owned(),
        instagram: "https://instagram.test".to_owned(),
        telegram: "https://telegram.test".to_owned(),
        twilio: "https://twilio.test".to_owned(),
    }
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-zà-ü €😀]{1,20}",
        1 => any::<String>(),
        1 => "[ab]{60,90}",
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
                    .map(|button| json!({ "kind": "reply", "id": format!("{at}.{button}"), "title": "Buy" }))
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

fn contents() -> impl Strategy<Value = Value> {
    prop_oneof![media(), interactive(), cards(), contacts(), others()]
}

/// What parts say, in order: a split must neither lose nor turn any of it around.
fn said(content: &Content) -> Vec<String> {
    let of_buttons = |buttons: &[CardButton]| {
        let ids = buttons.iter().filter_map(|button| button.id.clone());
        ids.collect::<Vec<_>>()
    };
    match content {
        Content::Interactive(interactive) => {
            let rows = interactive.list.iter().flat_map(|list| list.rows());
            let ids = rows.map(|(_, row)| row.id.clone());
            std::iter::once(interactive.body.clone())
                .chain(ids)
                .collect()
        }
        Content::Cards(cards) => cards
            .cards
            .iter()
            .flat_map(|card| {
                // The cards of a list are named by its rows, which their buttons answer with.
                let mut said = of_buttons(&card.buttons);
                if said.len() != 1 {
                    said.insert(0, card.title.clone());
                }
                said
            })
            .collect(),
        Content::Contacts(cards) => {
            let names = cards.contacts.iter();
            names.map(|card| card.name.formatted_name.clone()).collect()
        }
        other => other
            .media()
            .map(|media| media.url.clone())
            .into_iter()
            .chain(other.text().map(str::to_owned))
            .collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_content_panics_an_adapter_and_what_passes_becomes_a_request(json in contents()) {
        let Ok(content) = Content::read(json) else { return Ok(()) };
        for adapter in ADAPTERS {
            let channel = channel(*adapter);
            let to = Address("5550001".to_owned());
            let passes = adapter.profile().check(&content).is_ok();
            let parts = adapter.split(&content).map(|split| split.parts);
            if let Some(parts) = &parts && passes {
                prop_assert!(parts.len() > 1);
                let of_parts: Vec<String> = parts.iter().flat_map(said).collect();
                prop_assert_eq!(of_parts, said(&content));
            }
            for part in parts.as_deref().unwrap_or(std::slice::from_ref(&content)) {
                for reply_to in [None, Some("5550001:42")] {
                    let outbound = Outbound {
                        message_id: MessageId::fresh(Timestamp::from_s(1), [3; 10]),
                        channel: &channel,
                        to: &to,
                        content: part,
                        reply_to,
                        actor: Actor::Human,
                        uploaded: None,
                        inbound_url: "https://patchbay.test/inbound/x",
                    };
                    let request = adapter.request(&origins(), &outbound);
                    let is_sendable = passes && reply_to.is_some() && !adapter.profile().is_local;
                    if is_sendable {
                        prop_assert!(adapter.profile().check(part).is_ok(), "{:?}", part);
                        prop_assert!(request.is_ok(), "{:?} {:?}", adapter.kind(), part);
                    }
                }
            }
        }
    }

    #[test]
    fn a_content_is_the_same_after_it_was_stored(json in contents()) {
        if let Ok(content) = Content::read(json) {
            let stored = serde_json::to_string(&content).expect("JSON");
            let read: Content = serde_json::from_str(&stored).expect("a content");
            prop_assert_eq!(serde_json::to_string(&read).expect("JSON"), stored);
        }
    }
}
