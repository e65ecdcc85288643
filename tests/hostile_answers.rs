//! Providers that answer anything at all: what is not a complete answer that is understood
//! leaves open whether the message was sent, and nothing panics.

use bytes::Bytes;
use http::Response;
use patchbay::channel::{ADAPTERS, Adapter, SendError};
use patchbay::model::channel::ChannelKind;
use proptest::prelude::*;
use serde_json::{Value, json};

fn with_provider() -> impl Iterator<Item = &'static dyn Adapter> {
    let all = ADAPTERS.iter().copied();
    all.filter(|adapter| !adapter.profile().is_local)
}

fn answer(status: u16, body: impl Into<Bytes>) -> Response<Bytes> {
    let response = Response::builder().status(status);
    response.body(body.into()).expect("a response")
}

/// A success of a provider's, with this for the message's id.
fn success(kind: ChannelKind, id: &Value) -> Value {
    match kind {
        ChannelKind::Telegram => {
            json!({ "ok": true, "result": { "message_id": id, "chat": { "id": 5 } } })
        }
        ChannelKind::Messenger | ChannelKind::Instagram => {
            json!({ "recipient_id": "17", "message_id": id })
        }
        ChannelKind::Sms => json!({ "sid": id, "status": "queued" }),
        ChannelKind::Whatsapp | ChannelKind::Webchat => json!({ "messages": [{ "id": id }] }),
    }
}

/// A refusal of a provider's, with this for its code.
fn refusal(kind: ChannelKind, code: &Value) -> Value {
    match kind {
        ChannelKind::Telegram => json!({ "ok": false, "error_code": code, "description": code }),
        ChannelKind::Sms => json!({ "code": code, "message": code }),
        ChannelKind::Messenger
        | ChannelKind::Instagram
        | ChannelKind::Whatsapp
        | ChannelKind::Webchat => {
            json!({ "error": { "code": code, "message": code, "error_data": code } })
        }
    }
}

/// What is no id and no code.
fn wrong_types() -> [Value; 8] {
    [
        Value::Null,
        json!(true),
        json!([]),
        json!(["wamid.1"]),
        json!({}),
        json!({ "id": "wamid.1" }),
        json!(""),
        json!([[[[[[]]]]]]),
    ]
}

fn is_unclear(answered: &Result<Option<String>, SendError>) -> bool {
    matches!(answered, Err(SendError::Unclear(_)))
}

#[test]
fn a_success_that_names_the_message_by_no_id_is_unclear_unless_it_says_that_it_is_one() {
    for adapter in with_provider() {
        for id in wrong_types() {
            let body = success(adapter.kind(), &id).to_string();
            let answered = adapter.accepted(&answer(200, body));
            // Telegram says `ok`, and that is its word.
            let is_right = if adapter.kind() == ChannelKind::Telegram {
                answered == Ok(None)
            } else {
                is_unclear(&answered)
            };
            assert!(is_right, "{:?} {id} {answered:?}", adapter.kind());
        }
    }
}

#[test]
fn an_id_of_the_other_type_is_an_id() {
    for adapter in with_provider() {
        let named = |id: Value| {
            let body = success(adapter.kind(), &id).to_string();
            adapter.accepted(&answer(200, body))
        };
        let named = (named(json!(42)), named(json!("42")));
        assert_eq!(named.0, named.1, "{:?}", adapter.kind());
        assert!(matches!(named.0, Ok(Some(_))), "{:?}", adapter.kind());
    }
}

#[test]
fn a_success_around_the_wrong_shape_is_unclear() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_object = format!("{}1{}", r#"{"messages":"#.repeat(5_000), "}".repeat(5_000));
    let long = format!("\"{}\"", "x".repeat(1024 * 1024));
    let bodies: Vec<Bytes> = vec![
        Bytes::new(),
        Bytes::from_static(b" \r\n "),
        Bytes::from_static(b"<!DOCTYPE html><html><body>Welcome</body></html>"),
        Bytes::from_static(b"<?xml version=\"1.0\"?><Response/>"),
        Bytes::from_static(b"\xff\xfe\x00\x01"),
        Bytes::from_static(b"{\"messages\":[{\"id\":\"\xff\xfe\"}],\"sid\":\"\xff\"}"),
        Bytes::from_static(b"{\"messages\":[{\"id\":\"\\ud800\"}],\"message_id\":\"\\ud800\"}"),
        Bytes::from_static(b"{\"messages\":\"wamid.1\",\"result\":7,\"message_id\":[],\"sid\":{}}"),
        Bytes::from_static(b"{\"messages\":{\"0\":1},\"result\":[],\"ok\":\"true\"}"),
        Bytes::from_static(b"[{\"messages\":[{\"id\":\"wamid.1\"}],\"sid\":\"SM1\"}]"),
        Bytes::from_static(b"NaN"),
        Bytes::from_static(b"1e999"),
        Bytes::from_static(b"data: {\"messages\":[{\"id\":\"wamid.1\"}]}"),
        Bytes::from(deep),
        Bytes::from(deep_object),
        Bytes::from(long),
    ];
    for adapter in with_provider() {
        for body in &bodies {
            for status in [200, 201, 204, 206, 302, 500, 503] {
                let answered = adapter.accepted(&answer(status, body.clone()));
                let start = &body[..body.len().min(40)];
                assert!(
                    is_unclear(&answered),
                    "{:?} {status} {start:?}",
                    adapter.kind()
                );
                let noted = adapter.noted(&answer(status, body.clone()));
                assert!(
                    is_unclear(&noted),
                    "{:?} {status} {start:?}",
                    adapter.kind()
                );
            }
        }
    }
}

#[test]
fn a_redirect_is_unclear_whatever_its_body_says() {
    for adapter in with_provider() {
        for status in [301, 302, 303, 307, 308] {
            let body = success(adapter.kind(), &json!("1")).to_string();
            let answered = adapter.accepted(&answer(status, body));
            assert!(is_unclear(&answered), "{:?} {status}", adapter.kind());
        }
    }
}

#[test]
fn a_refusal_whose_code_is_none_is_read_by_its_status() {
    for adapter in with_provider() {
        for code in wrong_types() {
            let body = refusal(adapter.kind(), &code).to_string();
            let says = |status| adapter.accepted(&answer(status, body.clone()));
            let kind = adapter.kind();
            assert!(
                matches!(says(400), Err(SendError::Rejected(_))),
                "{kind:?} {code}"
            );
            assert!(
                matches!(says(429), Err(SendError::Throttled { .. })),
                "{kind:?} {code}"
            );
            assert!(is_unclear(&says(500)), "{kind:?} {code}");
        }
    }
}

proptest! {
    #[test]
    fn no_answer_makes_an_adapter_panic(
        status in 100_u16..600,
        body in prop::collection::vec(any::<u8>(), 0..200),
        is_json in any::<bool>(),
        number in any::<f64>(),
    ) {
        for adapter in with_provider() {
            let body = if is_json {
                refusal(adapter.kind(), &json!(number)).to_string().into_bytes()
            } else {
                body.clone()
            };
            let answer = answer(status, body);
            let _ = adapter.accepted(&answer);
            let _ = adapter.noted(&answer);
            let _ = adapter.probed(&answer);
            let _ = adapter.introduced(&answer);
            if let Some(uploads) = adapter.uploads() {
                let _ = uploads.uploaded(&answer);
            }
            if let Some(templates) = adapter.templates() {
                let _ = templates.listed(&answer);
                let _ = templates.deleted(&answer);
            }
        }
    }
}
