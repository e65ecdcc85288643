//! Every kind of content on every channel that carries it, from the request to the person's phone.

mod chatt2me;
mod limits;
mod samples;
pub mod stage;
mod surfaces;

use std::sync::Arc;

use patchbay_sandbox::{Call, PhoneMessage};
use serde_json::{Value, json};

use crate::harness::{SOON, WORD, eventually, run};
use samples::Sample;
use stage::{Stage, ids};

/// Everything the channel says it carries is sent, in one conversation, and the person gets it in
/// the order it was sent.
///
/// 1. Every kind that is listed is among what is sent.
/// 2. It is valid, and accepted, as so many messages as validation said.
/// 3. Each is sent, in order.
/// 4. Each became one call that the provider takes, or is what the visitor sees.
async fn carries_all_it_lists(kind: &'static str) {
    let stage = Stage::open(kind).await;
    // 1.
    let carries = stage.carries().await;
    let mut samples = samples::one_of_each(kind, &stage.heard);
    samples.retain(|sample| carries.get(sample.kind).is_some());
    samples.extend(samples::more_of(kind, &stage.heard));
    for listed in carries.as_object().expect("kinds").keys() {
        let is_sent = samples.iter().any(|sample| sample.kind == listed);
        assert!(is_sent, "{kind} lists {listed}, which is not sent here");
    }
    let before = stage.calls().len();
    // 2.
    let mut sent = Vec::new();
    for Sample { content, .. } in &samples {
        let validated = stage.validates(content).await;
        assert_eq!(validated["valid"], true, "{validated} {content}");
        let message = stage.sends(content).await.expect(202);
        let ids = ids(&message);
        let parts = validated["adapted"]["parts"].as_array().map_or(1, Vec::len);
        assert_eq!(ids.len(), parts, "{content} {message}");
        sent.extend(ids);
    }
    // 3.
    let mut arrived = Vec::new();
    for id in &sent {
        arrived.push(stage.arrived(id).await);
    }
    let mut listed = stage.messages().await;
    listed.retain(|message| message["direction"] == "outbound");
    let listed: Vec<&Value> = listed.iter().map(|message| &message["id"]).collect();
    assert_eq!(listed, sent.iter().collect::<Vec<_>>());
    // 4.
    if let Some(visitor) = &stage.visitor {
        let seen = visitor.reads(1, 0).await;
        let seen: Vec<&Value> = seen.iter().map(|seen| &seen["content"]).collect();
        let arrived: Vec<&Value> = arrived.iter().map(|message| &message["content"]).collect();
        assert_eq!(seen, arrived);
        return;
    }
    let calls = stage.calls().split_off(before);
    assert_eq!(calls.len(), arrived.len(), "{calls:#?}");
    for (message, call) in arrived.iter().zip(&calls) {
        is_taken(&stage, message, call);
    }
}

/// A message is what the provider took by a call, and the phone shows all of it.
fn is_taken(stage: &Stage, message: &Value, call: &Arc<Call>) {
    let content = &message["content"];
    if call.outcome == "done" {
        let word = call.kind.as_deref().unwrap_or_default();
        assert!(is_sign(content, word), "{message} {call:#?}");
        return;
    }
    assert_eq!(call.outcome, "accepted", "{call:#?}");
    let id = call.message_id.as_deref().expect("an id");
    let named = message["providerMessageId"].as_str();
    let is_it = named.is_some_and(|named| named.ends_with(id));
    assert!(is_it, "{message} {call:#?}");
    let phone = stage.phone();
    let shown = phone.messages.iter().find(|shown| shown.id == id);
    let shown = words_on(shown.expect("the phone shows it"));
    for words in words_of(content) {
        let words = words.replace("like_heart", "❤️");
        assert!(shown.contains(&words), "{words} is not in {shown}");
    }
}

/// Whether a provider's word for what it did is that of a sign.
fn is_sign(content: &Value, word: &str) -> bool {
    let is_off = content["off"] == true;
    let is_removed = content["emoji"] == "";
    match content["type"].as_str() {
        Some("typing") if is_off => word == "typing_off",
        Some("typing") => ["typing", "typing_on"].contains(&word),
        Some("markSeen") => ["read", "mark_seen"].contains(&word),
        Some("reaction") if is_removed => ["reaction", "unreact"].contains(&word),
        Some("reaction") => ["reaction", "react"].contains(&word),
        _ => false,
    }
}

/// All there is to read and to press on a message on a phone.
fn words_on(shown: &PhoneMessage) -> String {
    let choices = shown.choices.iter().flat_map(|choice| {
        let description = choice.description.clone().unwrap_or_default();
        [choice.title.clone(), choice.value.clone(), description]
    });
    std::iter::once(shown.text.clone())
        .chain(choices)
        .collect::<Vec<_>>()
        .join("\n")
}

/// What a person must find of a content.
fn words_of(content: &Value) -> Vec<String> {
    /// Fields that are read or pressed.
    const READ: [&str; 13] = [
        "text",
        "url",
        "caption",
        "body",
        "footer",
        "title",
        "description",
        "bodyText",
        "referenceId",
        "formattedName",
        "phone",
        "link",
        "emoji",
    ];
    let mut found = Vec::new();
    match content {
        Value::Object(fields) => {
            // A section's title stands in the list that opens, what a tax is for in the bill.
            let is_hidden = ["rows", "valueCents"]
                .iter()
                .any(|name| fields.contains_key(*name));
            for (name, value) in fields {
                match value {
                    Value::String(words) if READ.contains(&name.as_str()) => {
                        found.extend((!is_hidden).then(|| words.clone()));
                    }
                    nested => found.extend(words_of(nested)),
                }
            }
        }
        Value::Array(items) => found.extend(items.iter().flat_map(words_of)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    found
}

#[test]
fn whatsapp_carries_all_it_lists() {
    run(carries_all_it_lists("whatsapp"));
}

#[test]
fn messenger_carries_all_it_lists() {
    run(carries_all_it_lists("messenger"));
}

#[test]
fn instagram_carries_all_it_lists() {
    run(carries_all_it_lists("instagram"));
}

#[test]
fn telegram_carries_all_it_lists() {
    run(carries_all_it_lists("telegram"));
}

#[test]
fn sms_carries_all_it_lists() {
    run(carries_all_it_lists("sms"));
}

#[test]
fn a_web_chat_carries_all_it_lists() {
    run(carries_all_it_lists("webchat"));
}

#[test]
fn a_reaction_stands_on_the_customers_message_until_it_is_taken_back() {
    run(async {
        for kind in ["whatsapp", "messenger", "instagram", "telegram"] {
            let stage = Stage::open(kind).await;
            let reacts = async |emoji: &str| {
                let reaction =
                    json!({"type": "reaction", "messageId": stage.heard, "emoji": emoji});
                let sent = stage.sends(&reaction).await.expect(202);
                stage.arrived(sent["id"].as_str().expect("an id")).await;
                stage.phone().messages[0].reaction.clone()
            };

            let put = reacts("❤️").await;
            let taken_back = reacts("").await;

            assert!(put.is_some(), "{kind}");
            assert_eq!(taken_back, None, "{kind}");
        }
    });
}

#[test]
fn a_mark_makes_the_customers_message_read() {
    run(async {
        for kind in ["whatsapp", "messenger", "instagram"] {
            for names_it in [false, true] {
                let stage = Stage::open(kind).await;
                let mut mark = json!({"type": "markSeen"});
                if names_it {
                    mark["messageId"] = json!(stage.heard);
                }
                let sent = stage.sends(&mark).await.expect(202);
                stage.arrived(sent["id"].as_str().expect("an id")).await;
                assert_eq!(stage.phone().messages[0].status, "read", "{kind}");
            }
        }
    });
}

#[test]
fn a_visitor_answers_by_pressing_what_they_were_shown() {
    run(async {
        let stage = Stage::open("webchat").await;
        let visitor = stage.visitor.as_ref().expect("a visitor");
        let subscriber = stage.tenant.subscriber().await;
        let asked = json!({
            "type": "interactive", "kind": "buttons", "body": format!("Which size? {WORD}"),
            "buttons": [{"id": "s", "title": "Small"}, {"id": "l", "title": "Large"}],
        });
        stage.sends(&asked).await.expect(202);

        let seen = visitor.reads(1, 0).await;
        let button = &seen[0]["content"]["buttons"][1];
        let answer = json!({"type": "reply", "id": button["id"], "title": button["title"]});
        let posted = visitor.posts(&answer).await.expect(201);

        assert_eq!(seen[0]["content"], asked);
        let messages = stage.messages().await;
        let last = messages.last().expect("the answer");
        assert_eq!(last["id"], posted["id"]);
        assert_eq!(last["direction"], "inbound");
        assert_eq!(last["content"], answer);
        let events = subscriber.receives("message.received", 1).await;
        assert_eq!(events[0].data["message"]["content"], answer);
        for wrong in [
            json!({"type": "reply", "id": "", "title": "Large"}),
            json!({"type": "reply", "id": "l"}),
            json!({"type": "image", "url": "https://shop.example/a.png"}),
        ] {
            assert_eq!(visitor.posts(&wrong).await.status, 422, "{wrong}");
        }
        eventually(
            SOON,
            "the workspace has one unread answer more",
            async || {
                let unread = stage.tenant.conversation().await["unreadCount"].clone();
                (unread == 2).then_some(()).ok_or(unread.to_string())
            },
        )
        .await;
    });
}
