//! Webhooks as providers might write them too: numbers as text and the reverse, times in
//! other units, further fields, and nothing where something was. What means the same is read
//! the same; what means nothing hides nothing beside it.

use bytes::Bytes;
use http::Request;
use patchbay::channel::{ADAPTERS, Adapter, Changed, Entry, Inbound};
use patchbay::model::channel::ChannelKind;
use patchbay::model::content::Content;
use serde_json::{Value, json};
use std::path::Path;

fn read(adapter: &dyn Adapter, body: &[u8]) -> Vec<Entry> {
    let request = Request::post("https://patchbay.test/inbound/x");
    let request = request.body(Bytes::copy_from_slice(body));
    adapter.inbound(&request.expect("a request"))
}

/// The JSON fixtures of every adapter.
fn fixtures() -> Vec<(&'static dyn Adapter, String, Value)> {
    let mut all = Vec::new();
    for adapter in ADAPTERS.iter().copied() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src/channel")
            .join(adapter.kind().name())
            .join("fixtures/inbound");
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy();
            let body = std::fs::read(&path).expect("a file");
            if let Ok(tree) = serde_json::from_slice(&body)
                && !name.ends_with(".golden.json")
            {
                all.push((adapter, name.into_owned(), tree));
            }
        }
    }
    assert!(all.len() > 100, "{}", all.len());
    all
}

/// The pointers of everything in a tree.
fn pointers(tree: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match tree {
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                pointers(item, &format!("{at}/{place}"), found);
            }
        }
        Value::Object(fields) => {
            for (name, item) in fields {
                pointers(item, &format!("{at}/{name}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Each fixture with each of its values changed, where `change` gives another.
fn each_changed(
    change: impl Fn(&str, &Value) -> Option<Value>,
    mut check: impl FnMut(&dyn Adapter, &str, &Value, &Value),
) -> usize {
    let mut changed = 0;
    for (adapter, name, tree) in fixtures() {
        let mut all = Vec::new();
        pointers(&tree, "", &mut all);
        for at in all {
            let place = tree.pointer(&at).expect("a value");
            if let Some(other) = change(&at, place) {
                let mut tree_changed = tree.clone();
                *tree_changed.pointer_mut(&at).expect("a value") = other;
                check(adapter, &format!("{name}{at}"), &tree, &tree_changed);
                changed += 1;
            }
        }
    }
    changed
}

/// Holds what is read of a changed webhook to what is read of it as it was.
#[track_caller]
fn same(adapter: &dyn Adapter, what: &str, tree: &Value, changed: &Value) {
    let before = understood(adapter, tree);
    let after = understood(adapter, changed);
    assert_eq!(before, after, "{} {what}", adapter.kind().name());
}

/// What is read, without the provider's own words on an account or an advertisement, which are
/// told as they are.
fn understood(adapter: &dyn Adapter, tree: &Value) -> Vec<Entry> {
    let mut entries = read(adapter, tree.to_string().as_bytes());
    for entry in &mut entries {
        match &mut entry.item {
            Inbound::Notice(notice) => notice.value = Value::Null,
            Inbound::Message(message) | Inbound::Echo(message) => message.metadata = None,
            _ => {}
        }
    }
    entries
}

/// The last name of a pointer that is no place in a list.
fn field(at: &str) -> &str {
    let names = at.rsplit('/');
    let mut names = names.filter(|name| name.parse::<usize>().is_err());
    names.next().unwrap_or("")
}

/// Fields that hold an id, a count or a time, whatever they are written as.
const NUMBERS: [&str; 32] = [
    "id",
    "time",
    "timestamp",
    "watermark",
    "date",
    "edit_date",
    "update_id",
    "message_id",
    "message_ids",
    "wa_id",
    "from",
    "mid",
    "user_id",
    "from_user_id",
    "phone_number_id",
    "mids",
    "seq",
    "num_edit",
    "num_edits",
    "latitude",
    "longitude",
    "lat",
    "long",
    "file_size",
    "sticker_id",
    "app_id",
    "code",
    "error_code",
    "file_id",
    "migrate_from_chat_id",
    "phone",
    "phone_number",
];

#[test]
fn a_number_as_text_and_a_text_of_digits_as_a_number_are_read_the_same() {
    let changed = each_changed(
        |at, value| {
            let is_number = NUMBERS.contains(&field(at));
            match value {
                Value::Number(number) if is_number => Some(json!(number.to_string())),
                Value::String(text) if is_number => {
                    let number = text.parse::<i64>().ok()?;
                    (number.to_string() == *text).then(|| json!(number))
                }
                _ => None,
            }
        },
        |adapter, what, tree, changed| same(adapter, what, tree, changed),
    );
    assert!(changed > 500, "{changed}");
}

#[test]
fn a_time_is_the_same_in_seconds_milliseconds_and_as_it_is_written() {
    let times = ["time", "timestamp", "date", "edit_date", "watermark"];
    let seconds = |value: &Value| {
        let number = value.as_i64().or_else(|| value.as_str()?.parse().ok())?;
        (number > 0).then_some(if number < 100_000_000_000 {
            number * 1_000
        } else {
            number
        })
    };
    let iso = |ms: i64| patchbay::model::time::Timestamp::from_ms(ms).to_rfc3339();
    let ways: [&dyn Fn(i64) -> Value; 4] = [
        &|ms| json!(ms),
        &|ms| json!(ms.to_string()),
        &|ms| json!(iso(ms)),
        &|ms| json!(iso(ms).replace('Z', "+0000")),
    ];
    for way in ways {
        let changed = each_changed(
            |at, value| times.contains(&field(at)).then(|| seconds(value))?.map(way),
            |adapter, what, tree, changed| same(adapter, what, tree, changed),
        );
        assert!(changed > 100, "{changed}");
    }
}

const UNKNOWN: &str = "zz_unknown";

/// What is read that somebody is told of, and not for the sake of the unknown field.
fn told(entries: Vec<Entry>) -> Vec<String> {
    let is_unknown = |content: &Content| matches!(content, Content::Unsupported(what) if what.provider_type == UNKNOWN);
    let is_told = |entry: &Entry| match &entry.item {
        Inbound::Ignored(_) => false,
        Inbound::Message(message) | Inbound::Echo(message) => !is_unknown(&message.content),
        Inbound::Change(change) => {
            !matches!(&change.what, Changed::Edited(content) if is_unknown(content))
        }
        _ => true,
    };
    let told = entries.into_iter().filter(is_told);
    // Where a part is kept as it came, the field is kept with it.
    let shown = told.map(|mut entry| {
        if let Inbound::Message(message) | Inbound::Echo(message) = &mut entry.item {
            message.metadata = message.metadata.take().and_then(without_unknown);
        }
        format!("{entry:?}")
            .replace(
                &format!(", \"{UNKNOWN}\": Object {{\"id\": Number(7)}}"),
                "",
            )
            .replace(&format!("\"{UNKNOWN}\": Object {{\"id\": Number(7)}}"), "")
    });
    shown.collect()
}

/// What is left of an object without the unknown field, and without what was there for its sake.
fn without_unknown(value: Value) -> Option<Value> {
    let Value::Object(fields) = value else {
        return Some(value);
    };
    let fields = fields.into_iter().filter(|(name, _)| name != UNKNOWN);
    let fields = fields.filter_map(|(name, field)| Some((name, without_unknown(field)?)));
    let fields: serde_json::Map<String, Value> = fields.collect();
    (!fields.is_empty()).then(|| fields.into())
}

#[test]
fn a_field_that_nobody_knows_changes_nothing() {
    let changed = each_changed(
        |_, value| {
            let mut fields = value.as_object()?.clone();
            fields.insert(UNKNOWN.to_owned(), json!({ "id": 7 }));
            Some(fields.into())
        },
        |adapter, what, tree, changed| {
            let read = |tree: &Value| told(read(adapter, tree.to_string().as_bytes()));
            assert_eq!(
                read(tree),
                read(changed),
                "{} {what}",
                adapter.kind().name()
            );
        },
    );
    assert!(changed > 500, "{changed}");
}

/// A second thing to put beside what is broken, and what it is called.
fn beside(adapter: &dyn Adapter, broken: &Value) -> Option<(Value, &'static str)> {
    let mut both = broken.clone();
    match adapter.kind() {
        ChannelKind::Whatsapp => {
            let value = json!({ "metadata": { "phone_number_id": "106540352242922" },
                "messages": [{ "from": "5511999999999", "id": "whole", "timestamp": "1795161600",
                    "type": "text", "text": { "body": "Hi" } }] });
            let change = json!({ "field": "messages", "value": value });
            let entry = json!({ "id": "102290129340398", "changes": [change] });
            both.get_mut("entry")?.as_array_mut()?.push(entry);
            Some((both, "whole"))
        }
        ChannelKind::Messenger | ChannelKind::Instagram => {
            let event = json!({ "sender": { "id": "6543" }, "recipient": { "id": "1" },
                "timestamp": 1_795_161_600_000_i64, "message": { "mid": "whole", "text": "Hi" } });
            let entry = json!({ "id": "1", "time": 1_795_161_600_000_i64, "messaging": [event] });
            both.get_mut("entry")?.as_array_mut()?.push(entry);
            Some((both, "whole"))
        }
        ChannelKind::Telegram | ChannelKind::Sms | ChannelKind::Webchat => None,
    }
}

#[test]
fn whatever_stands_in_place_of_a_value_hides_nothing_beside_it() {
    let odd = [
        Value::Null,
        json!(""),
        json!([]),
        json!({}),
        json!([null]),
        json!([[], {}, 1]),
        json!(true),
        json!(-1),
        json!(9_007_199_254_740_993_u64),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1e300),
        json!("9007199254740993"),
        json!("\u{0}"),
        json!("\u{1f600}".repeat(50)),
    ];
    let mut held = 0;
    for with in odd {
        each_changed(
            |_, value| (*value != with).then(|| with.clone()),
            |adapter, what, _, changed| {
                let what = format!("{} {what} as {with}", adapter.kind().name());
                let alone = read(adapter, changed.to_string().as_bytes());
                assert!(!alone.is_empty(), "{what}");
                for entry in &alone {
                    if let Inbound::Message(message) | Inbound::Echo(message) = &entry.item {
                        assert!(!message.provider_message_id.is_empty(), "{what}");
                        assert!(!message.from.address.0.is_empty(), "{what}");
                    }
                }
                let Some((both, name)) = beside(adapter, changed) else {
                    return;
                };
                let both = read(adapter, both.to_string().as_bytes());
                let is_whole = |entry: &Entry| matches!(&entry.item, Inbound::Message(message) if message.provider_message_id == name);
                assert!(both.iter().any(is_whole), "{what}");
                held += 1;
            },
        );
    }
    assert!(held > 10_000, "{held}");
}

#[test]
fn what_is_missing_takes_nothing_else_with_it() {
    for (adapter, name, tree) in fixtures() {
        let mut all = Vec::new();
        pointers(&tree, "", &mut all);
        for at in all.iter().filter(|at| !at.is_empty()) {
            let (parent, last) = at.rsplit_once('/').expect("a parent");
            let mut less = tree.clone();
            match less.pointer_mut(parent).expect("a parent") {
                Value::Object(fields) => drop(fields.remove(last)),
                Value::Array(items) => drop(items.remove(last.parse().expect("a place"))),
                _ => continue,
            }
            assert!(
                !read(adapter, less.to_string().as_bytes()).is_empty(),
                "{name}{at}"
            );
            if let Some((both, whole)) = beside(adapter, &less) {
                let both = read(adapter, both.to_string().as_bytes());
                let is_whole = both.iter().any(|entry| {
                    matches!(&entry.item, Inbound::Message(it) if it.provider_message_id == whole)
                });
                assert!(is_whole, "{name}{at}");
            }
        }
    }
}

#[test]
fn an_id_beyond_what_a_double_holds_is_kept_to_the_last_digit() {
    let id = 9_007_199_254_740_993_i64;
    for (adapter, name, tree) in fixtures() {
        if name != "text.json" {
            continue;
        }
        let mut all = Vec::new();
        pointers(&tree, "", &mut all);
        let ids = ["sender", "from", "chat", "wa_id"];
        let mut changed = tree.clone();
        let is_person = |at: &String| {
            let parts: Vec<&str> = at.split('/').collect();
            let named = |name: &&str| parts.contains(name);
            ids.iter().any(named) && matches!(field(at), "id" | "from" | "wa_id")
        };
        for at in all.iter().filter(|at| is_person(at)) {
            if !tree.pointer(at).is_some_and(Value::is_object) {
                *changed.pointer_mut(at).expect("a value") = json!(id);
            }
        }
        let read = read(adapter, changed.to_string().as_bytes());
        let address = read.iter().find_map(|entry| match &entry.item {
            Inbound::Message(message) => Some(message.from.address.0.clone()),
            _ => None,
        });
        assert_eq!(address, Some(id.to_string()), "{}", adapter.kind().name());
    }
}
