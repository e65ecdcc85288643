//! What must hold of whatever comes in: a target turns bytes into a request, and these say
//! what is wrong with how it is read or verified.

use bytes::Bytes;
use http::{HeaderValue, Request};
use patchbay::channel::{Adapter, Entry, Inbound, adapter};
use patchbay::model::channel::{Channel, ChannelKind, Credentials, Settings};
use patchbay::model::content::Content;
use patchbay::model::id::{ChannelId, Fresh, WorkspaceId};
use patchbay::model::time::Timestamp;
use serde_json::{Value, json};

const URL: &str = "https://patchbay.test/inbound/x";

fn adapter_of(kind: ChannelKind) -> &'static dyn Adapter {
    adapter(kind).expect("an adapter")
}

fn read(kind: ChannelKind, query: &str, body: &[u8]) -> Vec<Entry> {
    let url = format!("{URL}{query}");
    let request = Request::post(url)
        .body(Bytes::copy_from_slice(body))
        .or_else(|_| Request::post(URL).body(Bytes::copy_from_slice(body)));
    adapter_of(kind).inbound(&request.expect("a request"))
}

/// A webhook comes to something, to the same however often it is read, to messages that can
/// be stored, and to the same beside fields that nobody knows yet.
pub fn check_reading(kind: ChannelKind, body: &[u8]) {
    let (query, body) = match body.iter().position(|byte| *byte == b'\n') {
        Some(end) if body.starts_with(b"?") => body.split_at(end + 1),
        _ => (&[][..], body),
    };
    let query = String::from_utf8_lossy(query);
    let entries = read(kind, query.trim(), body);
    assert!(!entries.is_empty(), "a webhook comes to something");
    assert_eq!(
        entries,
        read(kind, query.trim(), body),
        "and to the same again"
    );
    for entry in &entries {
        if let Inbound::Message(message) | Inbound::Echo(message) = &entry.item {
            assert!(!message.provider_message_id.is_empty());
            assert!(!message.from.address.0.is_empty());
            let first = message.from.identities.first().map(|first| &first.value);
            assert_eq!(first, Some(&message.from.address.0));
        }
    }
    let more = if kind == ChannelKind::Sms {
        [body, format!("&{UNKNOWN}=0").as_bytes()].concat()
    } else {
        let Ok(mut tree) = serde_json::from_slice::<Value>(body) else {
            return;
        };
        // Read as text is first, so that two numbers written alike are alike.
        let plain = read(kind, query.trim(), tree.to_string().as_bytes());
        extend(&mut tree);
        let more = tree.to_string();
        assert_eq!(
            told(&plain),
            told(&read(kind, query.trim(), more.as_bytes()))
        );
        return;
    };
    assert_eq!(told(&entries), told(&read(kind, query.trim(), &more)));
}

/// A field that nobody knows, behind all that anybody does.
const UNKNOWN: &str = "zz_unknown";

fn extend(tree: &mut Value) {
    match tree {
        Value::Array(items) => items.iter_mut().for_each(extend),
        Value::Object(fields) => {
            fields.values_mut().for_each(extend);
            fields.insert(UNKNOWN.to_owned(), json!(0));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What is told, whatever is kept of it as it came: without what is left alone, without what is
/// told beside a message, and without what is nothing but the unknown field.
fn told(entries: &[Entry]) -> Vec<String> {
    let is_unknown = |content: &Content| matches!(content, Content::Unsupported(it) if it.provider_type == UNKNOWN);
    let is_told = |entry: &&Entry| match &entry.item {
        // The provider's own words on an account are told as they are.
        Inbound::Ignored(_) | Inbound::Notice(_) => false,
        Inbound::Message(message) | Inbound::Echo(message) => !is_unknown(&message.content),
        Inbound::Change(change) => {
            !matches!(&change.what, patchbay::channel::Changed::Edited(content) if is_unknown(content))
        }
        _ => true,
    };
    let shown = entries.iter().filter(is_told).map(|entry| {
        let mut entry = entry.clone();
        if let Inbound::Message(message) | Inbound::Echo(message) = &mut entry.item {
            message.metadata = None;
        }
        format!("{entry:?}")
            .replace(&format!(", \"{UNKNOWN}\": Number(0)"), "")
            .replace(&format!("\"{UNKNOWN}\": Number(0)"), "")
    });
    shown.collect()
}

/// A channel whose every credential is this secret.
fn channel(kind: ChannelKind, secret: &str) -> Channel {
    let at = Timestamp::from_s(1_795_161_600);
    let names = adapter_of(kind).credential_names().iter();
    Channel {
        id: ChannelId::fresh(at, [1; 10]),
        workspace_id: WorkspaceId::fresh(at, [2; 10]),
        kind,
        identifier: "the-shop".to_owned(),
        settings: Settings::default(),
        credentials: Credentials(
            names
                .map(|name| ((*name).to_owned(), secret.to_owned()))
                .collect(),
        ),
        version: 1,
    }
}

/// Whether a channel with this secret takes the request for its provider's.
pub fn is_verified(
    kind: ChannelKind,
    secret: &str,
    url: &str,
    body: &[u8],
    header: (&'static str, &[u8]),
) -> bool {
    let (name, value) = header;
    let Ok(value) = HeaderValue::from_bytes(value) else {
        return false;
    };
    let request = Request::post(URL)
        .header(name, value)
        .body(Bytes::copy_from_slice(body))
        .expect("a request");
    adapter_of(kind)
        .verify(&channel(kind, secret), url, &request)
        .is_ok()
}

/// The bytes with one bit turned.
pub fn turned(bytes: &[u8], at: u16) -> Option<Vec<u8>> {
    let place = usize::from(at) / 8 % bytes.len().max(1);
    let mut turned = bytes.to_vec();
    *turned.get_mut(place)? ^= 1 << (at % 8);
    Some(turned)
}

/// Takes a secret, a number and a body out of a target's bytes.
pub fn parts(data: &[u8]) -> Option<(String, u16, &[u8])> {
    let (&length, rest) = data.split_first()?;
    let (secret, rest) = rest.split_at_checked(usize::from(length % 40))?;
    let (at, body) = rest.split_at_checked(2)?;
    let secret = String::from_utf8_lossy(secret).into_owned();
    Some((secret, u16::from_le_bytes([at[0], at[1]]), body))
}
