//! What a channel does not carry, and how much it carries of the rest: refused before any provider is called.

use serde_json::{Value, json};

use super::samples::{self, Sample};
use super::stage::{Stage, ids};
use crate::harness::run;

/// A content refused by its code at its field, by a send and by validation alike; nothing comes of it.
async fn refused(stage: &Stage, content: &Value, code: &str, pointer: &str) {
    let what = format!("{} {content}", stage.kind);
    let problem = stage.sends(content).await.expect(422);
    assert_eq!(problem["code"], code, "{what} {problem}");
    assert_eq!(problem["errors"][0]["pointer"], pointer, "{what} {problem}");
    let validated = stage.validates(content).await;
    assert_eq!(validated["valid"], false, "{what}");
    let told = &validated["problems"][0];
    assert_eq!(told["code"], code, "{what} {told}");
    assert_eq!(told["pointer"], pointer, "{what} {told}");
    assert_eq!(told["detail"], problem["errors"][0]["detail"], "{what}");
}

/// Nothing was sent and nothing is stored but the customer's message.
async fn nothing_came_of_it(stage: &Stage, calls: usize) {
    assert_eq!(stage.messages().await.len(), 1, "{}", stage.kind);
    assert_eq!(stage.calls().len(), calls, "{}", stage.kind);
}

const CHANNELS: [&str; 6] = [
    "whatsapp",
    "messenger",
    "instagram",
    "telegram",
    "sms",
    "webchat",
];

#[test]
fn what_a_channel_does_not_carry_is_refused_and_nobody_is_called() {
    run(async {
        for kind in CHANNELS {
            let stage = Stage::open(kind).await;
            let calls = stage.calls().len();
            let carries = stage.carries().await;
            let mut refusals = 0;
            for sample in samples::one_of_each(kind, &stage.heard) {
                if carries.get(sample.kind).is_some() {
                    continue;
                }
                let (of, how) = sample.kind.split_once('.').unwrap_or((sample.kind, ""));
                let can_ask = carries.get("interactive.buttons").is_some();
                let pointer = match how {
                    "urlButtons" if can_ask => "/content/buttons",
                    _ if of == "interactive" => "/content/kind",
                    _ => "/content/type",
                };
                refused(&stage, &sample.content, "unsupported_content", pointer).await;
                refusals += 1;
            }
            assert!(refusals > 0, "{kind} carries everything");
            for inbound in [
                json!({"type": "reply", "id": "1", "title": "One"}),
                json!({"type": "unsupported", "providerType": "poll"}),
            ] {
                refused(&stage, &inbound, "invalid_request", "/content/type").await;
            }
            nothing_came_of_it(&stage, calls).await;
        }
    });
}

/// What is published of a field of a kind.
struct Rule<'a> {
    field: &'a str,
    limit: &'a Value,
}

impl Rule<'_> {
    /// The most there may be of it: a text of so many characters or bytes, a list of so many items.
    fn most(&self) -> Option<(usize, &str)> {
        let most = usize::try_from(self.limit["max"].as_u64()?).ok()?;
        Some((most, self.limit["unit"].as_str()?))
    }
}

/// Where a field stands in a content of these samples.
fn pointer_of(field: &str) -> String {
    match field {
        "header.text" | "header" => return "/header".to_owned(),
        "header.image" | "header.video" | "header.document" => return "/header/url".to_owned(),
        "list.rows" => return "/list/sections/0/rows".to_owned(),
        "likeHeart" => return "/url".to_owned(),
        _ => {}
    }
    let field = field.replace("list.rows", "list.sections.rows");
    let mut pointer = String::new();
    let mut parts = field.split('.').peekable();
    while let Some(part) = parts.next() {
        pointer.push('/');
        pointer.push_str(part);
        let is_list = ["buttons", "sections", "rows", "cards", "contacts", "items"].contains(&part);
        if is_list && parts.peek().is_some() {
            pointer.push_str("/0");
        }
    }
    pointer
}

/// Where a refusal of a field points.
fn blamed(field: &str) -> String {
    match field {
        "list.rows" => "/content/list/sections".to_owned(),
        "buttons.sameTitle" => "/content/buttons/1/title".to_owned(),
        "cards.titleAlone" => "/content/cards/1".to_owned(),
        _ => format!("/content{}", pointer_of(field)),
    }
}

fn put(content: &mut Value, pointer: &str, value: Value) {
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    let parent = content.pointer_mut(parent).expect("what it stands in");
    parent[name] = value;
}

/// A text that counts as so much. What is not read by people is of plain letters.
fn text_of(field: &str, count: usize, unit: &str) -> String {
    let is_read = unit == "characters" && field != "referenceId" && !field.ends_with("id");
    let letter = if is_read { "ã" } else { "x" };
    let text = letter.repeat(count);
    match field {
        "emoji" => "👍".repeat(count),
        _ => text,
    }
}

/// A content with so much of a field.
fn sized(content: &Value, field: &str, count: usize, unit: &str) -> Value {
    let mut content = content.clone();
    let pointer = pointer_of(field);
    if unit != "items" {
        put(&mut content, &pointer, json!(text_of(field, count, unit)));
        return content;
    }
    // Rows count in all sections together.
    if field == "list.rows"
        && let Some(Value::Array(sections)) = content.pointer_mut("/list/sections")
    {
        sections.truncate(1);
    }
    let Some(Value::Array(items)) = content.pointer_mut(&pointer) else {
        panic!("no list at {pointer}");
    };
    for item in &mut *items {
        if let Some(Value::Array(rows)) = item.get_mut("rows") {
            rows.truncate(1);
        }
    }
    // The last may be what makes it of its kind, such as a button that opens a page.
    let last = items.pop().expect("an item");
    let first = items.first().unwrap_or(&last).clone();
    *items = vec![first; count - 1];
    items.push(last);
    items.iter_mut().fold(0, |next, item| number(item, next));
    content
}

/// Gives it ids and titles that no other has, as long as they were; answers the next number.
fn number(item: &mut Value, next: usize) -> usize {
    match item {
        Value::Object(fields) => fields.iter_mut().fold(next, |next, (name, value)| {
            let Value::String(text) = value else {
                return number(value, next);
            };
            if name != "id" && name != "title" {
                return next;
            }
            let tail = format!("{next:03}");
            let kept = text.chars().count().saturating_sub(tail.len());
            *text = text.chars().take(kept).collect::<String>() + &tail;
            next + 1
        }),
        Value::Array(items) => items.iter_mut().fold(next, |next, item| number(item, next)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => next,
    }
}

/// A content with a field that its channel does not carry.
fn with_stranger(content: &Value, field: &str) -> Value {
    let mut content = content.clone();
    let file = |kind: &str| json!({"type": kind, "url": "https://shop.example/a"});
    let title = content["buttons"][0]["title"].clone();
    let cards = json!([content["cards"][0], {"title": "Hat"}]);
    let (pointer, value) = match field {
        "likeHeart" => ("/url", json!("like_heart")),
        "off" => ("/off", json!(true)),
        "header.image" => ("/header", file("image")),
        "header.video" => ("/header", file("video")),
        "header.document" => ("/header", file("document")),
        "header" => ("/header", json!("Title")),
        "footer" => ("/footer", json!("Footer")),
        "caption" => ("/caption", json!("Caption")),
        "buttons.sameTitle" => ("/buttons/1/title", title),
        "cards.titleAlone" => ("/cards", cards),
        other => panic!("no content with {other}"),
    };
    put(&mut content, pointer, value);
    content
}

#[test]
fn what_can_be_on_no_channel_is_refused_at_its_field() {
    run(async {
        let stage = Stage::open("whatsapp").await;
        let calls = stage.calls().len();
        let mut samples = samples::one_of_each("whatsapp", &stage.heard);
        samples.extend(samples::more_of("whatsapp", &stage.heard));
        let wrong = [
            ("text", "/text", json!(" ")),
            ("image", "/url", json!("shop.example/a.png")),
            ("image", "/url", json!("ftp://shop.example/a.png")),
            ("location", "/latitude", json!(90.5)),
            ("location", "/longitude", json!(-180.5)),
            ("contacts", "/contacts/0/phones", json!([])),
            ("interactive.buttons", "/buttons/1/id", json!("size-1")),
            (
                "interactive.list",
                "/list/sections/1/rows/0/id",
                json!("today-10"),
            ),
            ("interactive.list", "/list/sections/0/rows", json!([])),
            (
                "interactive.ctaUrl",
                "/ctaUrl/url",
                json!("javascript:alert(1)"),
            ),
            ("reaction", "/emoji", json!("yes")),
            ("reaction", "/messageId", json!(stage.conversation)),
            ("markSeen", "/messageId", json!(stage.conversation)),
            ("paymentRequest", "/totalAmountCents", json!(5_501)),
            ("paymentRequest", "/items/1/quantity", json!(0)),
            ("paymentRequest", "/referenceId", json!("order 1")),
            ("paymentRequest", "/currency", json!("EUR")),
            ("orderStatus", "/status", json!("lost")),
        ];
        for (kind, field, value) in wrong {
            let sample = samples.iter().find(|sample| sample.kind == kind);
            let mut content = sample.expect("a sample").content.clone();
            put(&mut content, field, value);
            refused(
                &stage,
                &content,
                "invalid_request",
                &format!("/content{field}"),
            )
            .await;
        }
        let boleto = samples.iter().find(|it| it.content.get("boleto").is_some());
        let mut boleto = boleto.expect("a sample").content.clone();
        put(&mut boleto, "/boleto/digitableLine", json!("0339902694"));
        refused(
            &stage,
            &boleto,
            "invalid_request",
            "/content/boleto/digitableLine",
        )
        .await;
        nothing_came_of_it(&stage, calls).await;
    });
}

/// Each limit that is published: one more is refused at its field, and the most is taken, by the provider
/// too.
///
/// 1. What is beyond a limit is refused.
/// 2. What is just within it is sent, each limit by itself.
/// 3. And what is just within all of its limits at once.
/// 4. The provider takes all of that, and gets nothing else.
async fn holds_its_limits(kind: &'static str) {
    let stage = Stage::open(kind).await;
    let carries = stage.carries().await;
    let calls = stage.calls().len();
    let mut within = Vec::new();
    // 1.
    for Sample {
        kind: name,
        content,
    } in samples::one_of_each(kind, &stage.heard)
    {
        let Some(rules) = carries[name].as_object() else {
            continue;
        };
        let mut fullest = content.clone();
        let rules = rules.iter().map(|(field, limit)| Rule { field, limit });
        let (mut lists, texts): (Vec<_>, Vec<_>) =
            rules.partition(|rule| rule.limit["unit"] == "items");
        // What stands within another list comes before it is repeated with that.
        lists.sort_by_key(|rule| std::cmp::Reverse(pointer_of(rule.field).len()));
        for rule in texts.iter().chain(&lists) {
            let Rule { field, limit } = rule;
            let text = &carries["text"]["text"];
            let apart = Rule { field, limit: text };
            let most = match limit["carried"].as_str() {
                Some("asOwnMessage") => apart.most(),
                Some(_) => {
                    let strange = with_stranger(&content, field);
                    refused(&stage, &strange, "unsupported_content", &blamed(field)).await;
                    continue;
                }
                None => rule.most(),
            };
            if let Some((most, unit)) = most {
                let beyond = sized(&content, field, most + 1, unit);
                refused(&stage, &beyond, "invalid_request", &blamed(field)).await;
                within.push(sized(&content, field, most, unit));
                fullest = sized(&fullest, field, most, unit);
            } else if limit["oneOf"].is_array() {
                let mut strange = content.clone();
                put(&mut strange, &pointer_of(field), json!("🦖"));
                refused(&stage, &strange, "invalid_request", &blamed(field)).await;
            } else if let Some(types) = limit["mimeTypes"].as_array()
                && *field == "url"
                && !types.contains(&json!("*/*"))
            {
                let mut strange = content.clone();
                put(&mut strange, "/mimeType", json!("font/ttf"));
                refused(&stage, &strange, "invalid_request", "/content/mimeType").await;
            }
        }
        within.push(fullest);
    }
    nothing_came_of_it(&stage, calls).await;
    // 2. and 3.
    let mut sent = Vec::new();
    for content in &within {
        let validated = stage.validates(content).await;
        assert_eq!(validated["valid"], true, "{validated} {content}");
        sent.extend(ids(&stage.sends(content).await.expect(202)));
    }
    // 4.
    for id in &sent {
        stage.arrived(id).await;
    }
    let expected = if stage.visitor.is_some() {
        0
    } else {
        sent.len()
    };
    assert_eq!(stage.calls().len() - calls, expected);
}

#[test]
fn whatsapp_holds_its_limits() {
    run(holds_its_limits("whatsapp"));
}

#[test]
fn messenger_holds_its_limits() {
    run(holds_its_limits("messenger"));
}

#[test]
fn instagram_holds_its_limits() {
    run(holds_its_limits("instagram"));
}

#[test]
fn telegram_holds_its_limits() {
    run(holds_its_limits("telegram"));
}

#[test]
fn sms_holds_its_limits() {
    run(holds_its_limits("sms"));
}

#[test]
fn a_web_chat_holds_its_limits() {
    run(holds_its_limits("webchat"));
}

#[test]
fn a_reply_is_refused_where_messages_name_no_other() {
    run(async {
        let stage = Stage::open("sms").await;
        let mut body = stage.body(&json!({"type": "text", "text": "Hello"}));
        body["replyTo"] = json!(stage.heard);
        let problem = stage.tenant.post("/v1/messages", &body).await.expect(422);
        assert_eq!(problem["code"], "unsupported_content");
        assert_eq!(problem["errors"][0]["pointer"], "/replyTo");
        nothing_came_of_it(&stage, 0).await;
    });
}
