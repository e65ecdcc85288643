//! One suite for every adapter there is: what holds of all, and what each makes of
//! its fixtures in `src/channel/<name>/fixtures`. `BLESS=1` writes the golden files.

use base64::Engine;
use bytes::Bytes;
use http::{Method, Request, Response};
use patchbay::channel::{
    ADAPTERS, Adapter, Changed, Entry, Inbound, InboundMessage, Limit, Origins, Outbound, Refused,
    SendError,
};
use patchbay::model::channel::{Channel, ChannelKind, Credentials, Settings};
use patchbay::model::contact::Address;
use patchbay::model::content::{Content, Text};
use patchbay::model::id::{ChannelId, Fresh, MessageId, WorkspaceId};
use patchbay::model::message::Actor;
use patchbay::model::time::Timestamp;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// The number that the WhatsApp fixtures are for.
const PHONE_NUMBER_ID: &str = "106540352242922";

/// What Twilio would sign a POST of nothing to this URL with under an empty token.
const UNDER_NO_TOKEN: &str = "zSPHq542SBNNS75oK0fW/798tU0=";

/// More digits than any id has.
const LONG: &str = "123456789012345678901234567890123";

/// Where the provider of these channels posts.
const URL: &str = "https://patchbay.test/inbound/x";

fn origins() -> Origins {
    Origins {
        graph: "https://graph.test/v23.0".to_owned(),
        instagram: "https://instagram.test/v23.0".to_owned(),
        telegram: "https://telegram.test".to_owned(),
        twilio: "https://twilio.test".to_owned(),
    }
}

/// The adapters that somebody is behind.
fn with_provider() -> impl Iterator<Item = &'static dyn Adapter> {
    let all = ADAPTERS.iter().copied();
    all.filter(|adapter| !adapter.profile().is_local)
}

/// A channel of a type with credentials that pass its own checks.
fn channel(adapter: &dyn Adapter) -> Channel {
    let credential = |name: &str| match name {
        "phoneNumberId" => PHONE_NUMBER_ID.to_owned(),
        "wabaId" => "102290129340398".to_owned(),
        "botToken" => "123456:AAF-secret_bot".to_owned(),
        "pageId" => "104200000000001".to_owned(),
        "accountId" => "17841400000000001".to_owned(),
        "accountSid" => "AC0123456789abcdef0123456789abcdef".to_owned(),
        _ => format!("secret-{name}"),
    };
    let credentials = adapter
        .credential_names()
        .iter()
        .map(|name| ((*name).to_owned(), credential(name)))
        .collect();
    let at = Timestamp::from_s(1_795_161_600);
    Channel {
        id: ChannelId::fresh(at, [1; 10]),
        workspace_id: WorkspaceId::fresh(at, [2; 10]),
        kind: adapter.kind(),
        identifier: match adapter.kind() {
            ChannelKind::Sms => "+15550100009".to_owned(),
            _ => "the-shop".to_owned(),
        },
        settings: Settings::default(),
        credentials: Credentials(credentials),
        version: 1,
    }
}

fn message_id() -> MessageId {
    MessageId::parse("0197a000-0000-7000-8000-000000000001").expect("an id")
}

fn text(text: &str) -> Content {
    Content::text_of(text)
}

/// Where a refused content is wrong.
fn pointer(refused: &Refused) -> &str {
    match refused {
        Refused::Unsupported(field) | Refused::Invalid(field) => &field.pointer,
    }
}

/// An address that each adapter takes.
fn recipient(adapter: &dyn Adapter) -> Address {
    let raw = match adapter.kind() {
        ChannelKind::Telegram => "5550001",
        ChannelKind::Webchat => "0197a000-0000-7000-8000-00000000000a",
        _ => "5511999990000",
    };
    adapter.recipient(raw).expect("an address")
}

fn request(adapter: &dyn Adapter, channel: &Channel, content: &Content) -> Request<Bytes> {
    let to = recipient(adapter);
    let outbound = Outbound {
        message_id: message_id(),
        channel,
        to: &to,
        content,
        reply_to: None,
        actor: Actor::Bot,
        uploaded: None,
        inbound_url: URL,
    };
    adapter.request(&origins(), &outbound).expect("a request")
}

/// The fields of a request's body, whatever it is written in.
fn fields(request: &Request<Bytes>) -> Value {
    let kind = request.headers().get("content-type");
    match kind.and_then(|kind| kind.to_str().ok()) {
        Some("application/json") => serde_json::from_slice(request.body()).expect("JSON"),
        Some("application/x-www-form-urlencoded") => {
            let pairs = url::form_urlencoded::parse(request.body());
            pairs
                .map(|(name, value)| (name.into_owned(), json!(value)))
                .collect::<Map<_, _>>()
                .into()
        }
        other => panic!("a body of {other:?}"),
    }
}

fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body.into()).expect("a response")
}

// What holds of every adapter

#[test]
fn every_adapter_is_registered_once_and_found_by_its_kind() {
    for adapter in ADAPTERS {
        let same = ADAPTERS
            .iter()
            .filter(|other| other.kind() == adapter.kind());
        assert_eq!(same.count(), 1);
        let found = patchbay::channel::adapter(adapter.kind()).expect("an adapter");
        assert_eq!(found.kind(), adapter.kind());
    }
}

#[test]
fn every_adapter_takes_its_own_right_credentials_and_names_itself_by_them() {
    for adapter in ADAPTERS {
        let channel = channel(*adapter);
        assert_eq!(adapter.check_credentials(&channel.credentials), Ok(()));
        let is_local = adapter.profile().is_local;
        assert_eq!(adapter.credential_names().is_empty(), is_local);
        let Some(name) = adapter.default_identifier(&channel.credentials) else {
            continue;
        };
        assert!(!name.is_empty());
        let secrets = ["secret", "AAF"];
        assert!(
            !secrets.iter().any(|secret| name.contains(secret)),
            "{name}"
        );
    }
}

#[test]
fn a_request_is_a_post_to_the_configured_origin_and_its_body_holds_no_secret() {
    for adapter in with_provider() {
        let channel = channel(adapter);
        let request = request(adapter, &channel, &text("Hi \u{1f600} \"quoted\" \\ \n"));
        assert_eq!(request.method(), Method::POST);
        let url = request.uri().to_string();
        let origins = origins();
        let own = match adapter.kind() {
            ChannelKind::Whatsapp | ChannelKind::Messenger => origins.graph,
            ChannelKind::Instagram => origins.instagram,
            ChannelKind::Telegram => origins.telegram,
            ChannelKind::Sms => origins.twilio,
            ChannelKind::Webchat => panic!("a web chat calls nobody"),
        };
        assert!(url.starts_with(own.as_str()), "{url}");
        assert!(fields(&request).is_object());
        let body = std::str::from_utf8(request.body()).expect("text");
        for (name, secret) in &channel.credentials.0 {
            let is_account = [
                "phoneNumberId",
                "wabaId",
                "pageId",
                "accountId",
                "accountSid",
            ]
            .contains(&name.as_str());
            assert!(is_account || !body.contains(secret.as_str()), "{name}");
        }
        // The token goes as the provider wants it: as bearer, as password, or in the path.
        let given = request
            .headers()
            .get("authorization")
            .and_then(|value| value.to_str().ok());
        let secret = |name| channel.credentials.get(name);
        match adapter.kind() {
            ChannelKind::Telegram => {
                assert_eq!(given, None);
                assert!(url.contains(secret("botToken")));
            }
            ChannelKind::Sms => {
                let pair = format!("{}:{}", secret("accountSid"), secret("authToken"));
                let pair = base64::engine::general_purpose::STANDARD.encode(pair);
                assert_eq!(given, Some(format!("Basic {pair}").as_str()));
                assert!(!url.contains(secret("authToken")));
            }
            _ => {
                let bearer = format!("Bearer {}", secret("accessToken"));
                assert_eq!(given, Some(bearer.as_str()));
                assert!(!url.contains(secret("accessToken")));
            }
        }
        assert_eq!(request.uri().query(), None);
    }
}

#[test]
fn whom_there_is_to_ask_is_asked_with_the_token_and_where_it_is_sent_from() {
    for adapter in with_provider() {
        let channel = channel(adapter);
        let send = request(adapter, &channel, &text("Hi"));
        let probe = adapter.probe(&origins(), &channel).expect("a question");
        assert_eq!(probe.method(), Method::GET);
        assert_eq!(probe.uri().authority(), send.uri().authority());
        assert_eq!(
            probe.headers().get("authorization"),
            send.headers().get("authorization")
        );
        assert!(probe.body().is_empty());
        assert_eq!(adapter.probed(&answer(200, &[], "{\"ok\":true}")), Ok(()));
        let refused = adapter.probed(&answer(401, &[], ""));
        assert!(matches!(refused, Err(SendError::Unauthorized(_))));
        let down = adapter.probed(&answer(503, &[], "<html>"));
        assert!(matches!(down, Err(SendError::Unclear(_))));
    }
}

#[test]
fn a_channel_with_nobody_behind_it_calls_nobody_and_believes_nobody() {
    let local = ADAPTERS.iter().filter(|adapter| adapter.profile().is_local);
    for adapter in local.copied() {
        let channel = channel(adapter);
        assert!(adapter.probe(&origins(), &channel).is_none());
        let to = recipient(adapter);
        let outbound = Outbound {
            message_id: message_id(),
            channel: &channel,
            to: &to,
            content: &text("Hi"),
            reply_to: None,
            actor: Actor::Bot,
            uploaded: None,
            inbound_url: URL,
        };
        let refused = adapter.request(&origins(), &outbound);
        assert!(matches!(refused, Err(SendError::Rejected(_))));
        let accepted = adapter.accepted(&answer(200, &[], "{}"));
        assert!(matches!(accepted, Err(SendError::Rejected(_))));
        assert!(
            read(adapter, b"{}")
                .iter()
                .all(|entry| matches!(entry.item, Inbound::Ignored(_)))
        );
        assert!(adapter.object().is_none() && adapter.account(&channel).is_none());
    }
}

#[test]
fn what_is_stored_is_acknowledged_as_the_provider_reads_it() {
    for adapter in ADAPTERS {
        let request = Request::post(URL)
            .body(Bytes::from_static(b"{}"))
            .expect("a request");
        let response = adapter.acknowledgement(&request);
        assert_eq!(response.status(), 200);
        let kind = response.headers().get("content-type");
        let told = (
            kind.and_then(|kind| kind.to_str().ok()),
            response.body().as_ref(),
        );
        let expected: (Option<&str>, &[u8]) = match adapter.kind() {
            ChannelKind::Sms => (Some("text/xml; charset=utf-8"), b"<Response/>"),
            _ => (None, b""),
        };
        assert_eq!(told, expected, "{:?}", adapter.kind());
    }
}

#[test]
fn an_origin_with_or_without_a_slash_is_the_same_origin() {
    for adapter in with_provider() {
        let channel = channel(adapter);
        let to = recipient(adapter);
        let content = text("Hi");
        let outbound = Outbound {
            message_id: message_id(),
            channel: &channel,
            to: &to,
            content: &content,
            reply_to: None,
            actor: Actor::Bot,
            uploaded: None,
            inbound_url: URL,
        };
        let slashed = Origins {
            graph: format!("{}/", origins().graph),
            instagram: format!("{}/", origins().instagram),
            telegram: format!("{}/", origins().telegram),
            twilio: format!("{}/", origins().twilio),
        };
        let one = adapter.request(&origins(), &outbound).expect("a request");
        let two = adapter.request(&slashed, &outbound).expect("a request");
        assert_eq!(one.uri(), two.uri());
    }
}

#[test]
fn an_origin_or_a_token_that_cannot_be_is_a_refusal_and_no_panic() {
    for adapter in with_provider() {
        let channel = channel(adapter);
        let to = recipient(adapter);
        let content = text("Hi");
        let nowhere = Origins {
            graph: "not a url".to_owned(),
            instagram: "not a url".to_owned(),
            telegram: "not a url".to_owned(),
            twilio: "not a url".to_owned(),
        };
        let outbound = Outbound {
            message_id: message_id(),
            channel: &channel,
            to: &to,
            content: &content,
            reply_to: None,
            actor: Actor::Bot,
            uploaded: None,
            inbound_url: URL,
        };
        assert!(matches!(
            adapter.request(&nowhere, &outbound),
            Err(SendError::Rejected(_))
        ));
        let mut broken = channel.clone();
        for value in broken.credentials.0.values_mut() {
            "line\nbreak\u{0}".clone_into(value);
        }
        let outbound = Outbound {
            channel: &broken,
            ..outbound
        };
        assert!(matches!(
            adapter.request(&origins(), &outbound),
            Err(SendError::Rejected(_))
        ));
    }
}

#[test]
fn a_text_of_the_longest_length_is_taken_and_one_longer_is_not() {
    for adapter in ADAPTERS {
        let profile = adapter.profile();
        let most = match (
            adapter.kind(),
            profile.limit("text", "text").expect("a limit"),
        ) {
            (ChannelKind::Instagram, Limit::Bytes(most @ 1_000))
            | (ChannelKind::Messenger, Limit::Characters(most @ 2_000))
            | (ChannelKind::Sms, Limit::Characters(most @ 1_600))
            | (
                ChannelKind::Whatsapp | ChannelKind::Telegram | ChannelKind::Webchat,
                Limit::Characters(most @ 4_096),
            ) => most,
            other => panic!("{other:?} is not what the provider takes"),
        };
        for character in ["x", "é", "\u{1f600}"] {
            let fits = match adapter.kind() {
                ChannelKind::Instagram => most / character.len(),
                _ => most,
            };
            assert_eq!(profile.check(&text(&character.repeat(fits))), Ok(()));
            let refused = profile
                .check(&text(&character.repeat(fits + 1)))
                .expect_err("too long");
            assert_eq!(pointer(&refused), "/text");
        }
        for blank in ["", " ", "\n\t"] {
            assert_eq!(
                pointer(&profile.check(&text(blank)).expect_err("blank")),
                "/text"
            );
        }
        let inbound_only = Content::unsupported("poll");
        assert_eq!(
            pointer(&profile.check(&inbound_only).expect_err("inbound")),
            "/type"
        );
    }
}

#[test]
fn a_recipient_is_read_as_people_write_it_and_what_is_none_is_refused() {
    for adapter in ADAPTERS {
        let (right, wrong): (Vec<(&str, &str)>, Vec<&str>) = match adapter.kind() {
            ChannelKind::Telegram => (
                vec![
                    ("5550001", "5550001"),
                    (" 5550001 ", "5550001"),
                    ("-1001234567890", "-1001234567890"),
                    ("4503599627370495", "4503599627370495"),
                    ("@my_channel", "@my_channel"),
                ],
                vec![
                    "",
                    "0",
                    "-0",
                    "007",
                    "+5550001",
                    "55 50",
                    "@",
                    "@a",
                    "@with space",
                    "99999999999999999999",
                    "1e5",
                    "0x1f",
                ],
            ),
            ChannelKind::Messenger | ChannelKind::Instagram => (
                vec![("6543217890123456", "6543217890123456"), (" 17 ", "17")],
                vec![
                    "",
                    "-1",
                    "+1",
                    "1 2",
                    "1.5",
                    "the.shop",
                    "@the.shop",
                    "１２",
                    LONG,
                ],
            ),
            ChannelKind::Sms => (
                vec![
                    ("5511999990000", "+5511999990000"),
                    ("+55 (11) 99999-0000", "+5511999990000"),
                    (" +1.555.010.0001 ", "+15550100001"),
                    ("5550100", "+5550100"),
                    ("72645", "72645"),
                    ("311", "311"),
                ],
                vec![
                    "",
                    "+",
                    "12",
                    "+123456",
                    "08012345678",
                    "12 34",
                    "1234567890123456",
                    "+55 11 CALL ME",
                    "++15550100001",
                    "SHOP",
                    "５５１１９９９９９００００",
                ],
            ),
            ChannelKind::Webchat => (
                vec![
                    (
                        "0197a000-0000-7000-8000-00000000000a",
                        "0197a000-0000-7000-8000-00000000000a",
                    ),
                    (
                        " 0197A000-0000-7000-8000-00000000000A ",
                        "0197a000-0000-7000-8000-00000000000a",
                    ),
                ],
                vec![
                    "",
                    "visitor",
                    "0197a000000070008000000000000000",
                    "{0197a000-0000-7000-8000-00000000000a}",
                    "0197a000-0000-7000-8000-00000000000",
                    "0197a000-0000-7000-8000-00000000000g",
                ],
            ),
            ChannelKind::Whatsapp => (
                vec![
                    ("5511999990000", "5511999990000"),
                    ("+55 (11) 99999-0000", "5511999990000"),
                    ("+1.555.010.0001", "15550100001"),
                    ("BR.13491208655302741918", "BR.13491208655302741918"),
                    ("US.ENT.abc123", "US.ENT.abc123"),
                ],
                vec![
                    "",
                    "+",
                    "123456",
                    "08012345678",
                    "1234567890123456",
                    "+55 11 CALL ME",
                    "br.134",
                    "BRA.134",
                    "BR.",
                    "BR.a b",
                    "BR.ENT.",
                    "５５１１９９９９９００００",
                    "55119999900‎00",
                ],
            ),
        };
        for (raw, address) in right {
            assert_eq!(
                adapter.recipient(raw),
                Ok(Address(address.to_owned())),
                "{raw}"
            );
            // An address is a recipient as it stands.
            assert_eq!(adapter.recipient(address), Ok(Address(address.to_owned())));
        }
        for raw in wrong {
            assert!(
                adapter.recipient(raw).is_err(),
                "{:?} {raw}",
                adapter.kind()
            );
        }
    }
}

#[test]
fn nothing_verifies_without_a_secret_or_without_credentials() {
    for adapter in ADAPTERS {
        let mut empty = channel(*adapter);
        empty.credentials = Credentials::default();
        let mut blank = channel(*adapter);
        blank.credentials.0.values_mut().for_each(String::clear);
        let signature = "sha256=b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad";
        for channel in [&empty, &blank, &channel(*adapter)] {
            for headers in [
                vec![],
                vec![("x-hub-signature-256", signature)],
                vec![("x-telegram-bot-api-secret-token", "")],
                vec![("x-twilio-signature", "")],
                vec![("x-twilio-signature", UNDER_NO_TOKEN)],
                vec![("x-hub-signature-256", "sha256=")],
            ] {
                let mut request = Request::post("https://patchbay.test/inbound/x");
                for (name, value) in headers {
                    request = request.header(name, value);
                }
                let request = request.body(Bytes::new()).expect("a request");
                assert!(adapter.verify(channel, URL, &request).is_err());
            }
            let handshake = Request::get(
                "https://patchbay.test/inbound/x?hub.mode=subscribe&hub.verify_token=&hub.challenge=1",
            );
            let handshake = handshake.body(Bytes::new()).expect("a request");
            if let Some(response) = adapter.challenge(channel, &handshake) {
                assert_eq!(response.status(), 403);
            }
        }
    }
}

// What an answer means

/// The kind of an outcome, by its name.
fn outcome(result: &Result<Option<String>, SendError>) -> Value {
    let reason = |name: &str, reason: &patchbay::channel::Reason| {
        json!({
            "outcome": name, "code": reason.code, "providerCode": reason.provider_code,
            "message": reason.message,
        })
    };
    match result {
        Ok(id) => json!({ "outcome": "accepted", "providerMessageId": id }),
        Err(SendError::Throttled {
            retry_after_ms,
            reason: why,
        }) => {
            let mut told = reason("throttled", why);
            told["retryAfterMs"] = json!(retry_after_ms);
            told
        }
        Err(SendError::Temporary(why)) => reason("temporary", why),
        Err(SendError::Unauthorized(why)) => reason("unauthorized", why),
        Err(SendError::Rejected(why)) => reason("rejected", why),
        Err(SendError::Unclear(why)) => reason("unclear", why),
    }
}

#[test]
fn an_answer_without_the_providers_own_code_is_read_by_its_status() {
    for adapter in with_provider() {
        for body in [
            "",
            "<html>oops</html>",
            "{\"mess",
            "null",
            "[]",
            "{}",
            "\"text\"",
            "7",
        ] {
            for (status, expected) in [
                (200, "unclear"),
                (201, "unclear"),
                (204, "unclear"),
                (302, "unclear"),
                (400, "rejected"),
                (401, "unauthorized"),
                (408, "unclear"),
                (413, "rejected"),
                (429, "throttled"),
                (500, "unclear"),
                (502, "unclear"),
                (503, "unclear"),
                (504, "unclear"),
                (520, "unclear"),
                (521, "temporary"),
                (522, "unclear"),
                (523, "temporary"),
                (524, "unclear"),
                (525, "temporary"),
                (526, "temporary"),
                (530, "temporary"),
            ] {
                let result = adapter.accepted(&answer(status, &[], body));
                assert_eq!(
                    outcome(&result)["outcome"],
                    expected,
                    "{:?} {status} {body}",
                    adapter.kind()
                );
            }
        }
    }
}

#[test]
fn a_success_that_is_cut_off_anywhere_is_unclear() {
    for adapter in with_provider() {
        let whole = match adapter.kind() {
            ChannelKind::Telegram => r#"{"ok":true,"result":{"message_id":42,"chat":{"id":5}}}"#,
            ChannelKind::Messenger | ChannelKind::Instagram => {
                r#"{"recipient_id":"17","message_id":"m_1"}"#
            }
            ChannelKind::Sms => r#"{"body":"Hi","sid":"SM1","status":"queued"}"#,
            ChannelKind::Whatsapp | ChannelKind::Webchat => r#"{"messages":[{"id":"wamid.1"}]}"#,
        };
        assert!(matches!(
            adapter.accepted(&answer(200, &[], whole)),
            Ok(Some(_))
        ));
        for end in 0..whole.len() {
            let cut = adapter.accepted(&answer(200, &[], whole[..end].to_owned()));
            assert!(
                matches!(cut, Err(SendError::Unclear(_))),
                "{}",
                &whole[..end]
            );
        }
    }
}

#[test]
fn a_throttle_waits_as_long_as_the_provider_asks() {
    for adapter in with_provider() {
        for (value, wait) in [
            ("7", json!(7_000)),
            (" 7 ", json!(7_000)),
            ("0", json!(0)),
            ("-1", Value::Null),
            ("Wed, 21 Oct 2026 07:28:00 GMT", Value::Null),
            ("99999999999999999999", Value::Null),
        ] {
            let result = adapter.accepted(&answer(429, &[("retry-after", value)], ""));
            assert_eq!(outcome(&result)["retryAfterMs"], wait, "{value}");
        }
    }
}

#[test]
fn telegram_reacts_in_the_bots_own_chats_alone() {
    let adapter = patchbay::channel::adapter(ChannelKind::Telegram).expect("an adapter");
    let content: Content = serde_json::from_value(json!({
        "type": "reaction", "emoji": "\u{1f44d}", "messageId": "0197a000-0000-7000-8000-000000000002",
    }))
    .expect("a reaction");
    let channel = channel(adapter);
    for (to, is_possible) in [("5550001", true), ("5550001@bC-1", false)] {
        let to = adapter.recipient(to).expect("an address");
        let outbound = Outbound {
            message_id: message_id(),
            channel: &channel,
            to: &to,
            content: &content,
            reply_to: Some("5550001:7"),
            actor: Actor::Bot,
            uploaded: None,
            inbound_url: URL,
        };
        let request = adapter.request(&origins(), &outbound);
        assert_eq!(request.is_ok(), is_possible, "{request:?}");
    }
    for wrong in ["@bC-1", "5550001@", "0@bC-1", "5550001@b C", "x@bC-1"] {
        assert!(adapter.recipient(wrong).is_err(), "{wrong}");
    }
}

// Fixtures

fn folders() -> Vec<(&'static dyn Adapter, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/channel");
    with_provider()
        .map(|adapter| (adapter, root.join(adapter.kind().name()).join("fixtures")))
        .collect()
}

/// The fixtures of a folder, by name; there must be some.
fn fixtures(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|_| panic!("no fixtures in {}", folder.display()));
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            let name = path.to_string_lossy();
            name.ends_with(".form") || (name.ends_with(".json") && !name.ends_with(".golden.json"))
        })
        .collect();
    found.sort();
    assert!(!found.is_empty(), "no fixtures in {}", folder.display());
    found
        .into_iter()
        .map(|path| (path.clone(), fs::read(&path).expect("a file")))
        .collect()
}

/// Holds a value to its golden file, or writes it.
fn hold(fixture: &Path, value: &Value, wrong: &mut Vec<String>) {
    let path = fixture.with_extension("golden.json");
    if std::env::var_os("BLESS").is_some() {
        let text = serde_json::to_string_pretty(value).expect("JSON");
        fs::write(&path, format!("{text}\n")).expect("a written file");
        return;
    }
    let golden = fs::read(&path)
        .ok()
        .and_then(|text| serde_json::from_slice::<Value>(&text).ok());
    if golden.as_ref() != Some(value) {
        wrong.push(format!(
            "{}:\n  golden {golden:?}\n  now    {value}",
            path.display()
        ));
    }
}

/// Reads a webhook. A first line that starts with `?` is the query it is posted with.
fn read(adapter: &dyn Adapter, body: &[u8]) -> Vec<Entry> {
    let (query, body) = match body.iter().position(|byte| *byte == b'\n') {
        Some(end) if body.starts_with(b"?") => body.split_at(end + 1),
        _ => (&[][..], body),
    };
    let query = String::from_utf8_lossy(query);
    let uri: http::Uri = format!("{URL}{}", query.trim())
        .parse()
        .unwrap_or_else(|_| URL.parse().expect("a URL"));
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    let request = Request::post(uri).body(Bytes::copy_from_slice(body));
    adapter.inbound(&request.expect("a request"))
}

/// What was read of a webhook, in one form for all.
fn normal(inbound: &Inbound) -> Value {
    let at = |at: Option<Timestamp>| at.map(Timestamp::to_rfc3339);
    let message = |message: &InboundMessage| {
        let mut normal = json!({
            "providerMessageId": message.provider_message_id,
            "address": message.from.address.0,
            "name": message.from.name,
            "identities": message.from.identities.iter()
                .map(|identity| json!([identity.kind, identity.value]))
                .collect::<Vec<_>>(),
            "sentAt": at(message.sent_at),
            "content": message.content,
            "file": message.file,
            "replyTo": message.reply_to,
        });
        if let Some(metadata) = &message.metadata {
            normal["metadata"] = metadata.clone();
        }
        normal
    };
    match inbound {
        Inbound::Message(it) => json!({ "message": message(it) }),
        Inbound::Echo(it) => json!({ "echo": message(it) }),
        Inbound::Consent(consent) => json!({ "consent": {
            "address": consent.address.0,
            "isGiven": consent.is_given,
            "at": at(consent.at),
        } }),
        Inbound::NumberChange(change) => json!({ "numberChange": {
            "knownAs": change.known_as,
            "number": change.number,
        } }),
        Inbound::Change(change) => {
            let what = match &change.what {
                Changed::Edited(content) => json!({ "edited": content }),
                Changed::Deleted => json!("deleted"),
                Changed::Reaction(emoji) => json!({ "reaction": emoji }),
            };
            json!({ "change": {
                "providerMessageId": change.provider_message_id,
                "key": change.key,
                "at": at(change.at),
                "what": what,
            } })
        }
        Inbound::Status(report) => {
            let mut normal = json!({ "status": {
                "providerMessageId": report.provider_message_id,
                "messageId": report.message_id,
                "status": report.status,
                "at": at(report.at),
                "error": report.error.as_ref().map(|reason| {
                    json!({ "code": reason.code, "providerCode": reason.provider_code, "message": reason.message })
                }),
            } });
            if let Some(pricing) = &report.pricing {
                normal["status"]["pricing"] = pricing.clone();
            }
            normal
        }
        Inbound::Watermark(watermark) => json!({ "watermark": {
            "address": watermark.address.0,
            "status": watermark.status,
            "upTo": watermark.up_to.to_rfc3339(),
        } }),
        Inbound::Template(report) => json!({ "template": {
            "account": report.account,
            "providerId": report.provider_id,
            "name": report.name,
            "status": report.status,
            "category": report.category,
            "reason": report.reason,
        } }),
        Inbound::Notice(notice) => json!({ "notice": {
            "account": notice.account,
            "number": notice.number,
            "name": notice.name,
            "effect": notice.effect.name(),
            "code": notice.code,
            "value": notice.value,
            "at": at(notice.at),
        } }),
        Inbound::Handover(handover) => json!({ "handover": {
            "address": handover.person.address.0,
            "kind": handover.kind,
            "fromApp": handover.from_app,
            "toApp": handover.to_app,
            "metadata": handover.metadata,
            "at": at(handover.at),
        } }),
        Inbound::Ignored(what) => json!({ "ignored": what }),
    }
}

#[test]
fn every_webhook_fixture_is_read_as_its_golden_file_says() {
    let mut wrong = Vec::new();
    for (adapter, folder) in folders() {
        for (path, body) in fixtures(&folder.join("inbound")) {
            let own = adapter.account(&channel(adapter));
            let read: Vec<Value> = read(adapter, &body)
                .iter()
                .map(|entry| {
                    let mut normal = normal(&entry.item);
                    if entry.account != own && entry.account.is_some() {
                        normal["account"] = json!(entry.account);
                    }
                    normal
                })
                .collect();
            assert!(!read.is_empty(), "{} came to nothing", path.display());
            hold(&path, &json!(read), &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn whoever_wrote_in_a_fixture_can_be_answered() {
    let mut answered = 0;
    for (adapter, folder) in folders() {
        for (path, body) in fixtures(&folder.join("inbound")) {
            for entry in read(adapter, &body) {
                let Inbound::Message(message) = entry.item else {
                    continue;
                };
                let from = &message.from;
                assert_eq!(
                    adapter.recipient(&from.address.0),
                    Ok(from.address.clone()),
                    "{}",
                    path.display()
                );
                let first = from.identities.first().expect("an identity");
                assert_eq!(first.value, from.address.0, "{}", path.display());
                for identity in &from.identities {
                    assert_eq!(identity.kind, adapter.identity_kind());
                    assert_eq!(
                        adapter.recipient(&identity.value),
                        Ok(Address(identity.value.clone()))
                    );
                }
                answered += 1;
            }
        }
    }
    assert!(answered > 20);
}

/// A request as golden files hold it.
fn written(request: &Request<Bytes>) -> Value {
    let headers: Map<String, Value> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), json!(value.to_str().expect("text"))))
        .collect();
    json!({
        "method": request.method().as_str(), "url": request.uri().to_string(),
        "headers": headers, "body": fields(request),
    })
}

#[test]
fn every_send_fixture_becomes_the_request_its_golden_file_says() {
    let mut wrong = Vec::new();
    let mut kinds = Vec::new();
    for (adapter, folder) in folders() {
        for (path, body) in fixtures(&folder.join("outbound")) {
            let given: Value = serde_json::from_slice(&body).expect("JSON");
            let mut channel = channel(adapter);
            channel.settings.login =
                serde_json::from_value(given["login"].clone()).expect("a login");
            let to = adapter
                .recipient(given["to"].as_str().expect("to"))
                .expect("an address");
            let content: Content =
                serde_json::from_value(given["content"].clone()).expect("a content");
            assert_eq!(adapter.profile().check(&content), Ok(()));
            kinds.push((adapter.kind(), content.capability()));
            let parts = adapter.split(&content).map(|split| split.parts);
            let requests: Vec<Value> = parts
                .as_deref()
                .unwrap_or(std::slice::from_ref(&content))
                .iter()
                .enumerate()
                .map(|(at, content)| {
                    assert_eq!(adapter.profile().check(content), Ok(()));
                    assert_eq!(adapter.split(content), None, "a part is whole");
                    let outbound = Outbound {
                        message_id: message_id(),
                        channel: &channel,
                        to: &to,
                        content,
                        reply_to: given["replyTo"].as_str().filter(|_| at == 0),
                        actor: match given["actor"].as_str() {
                            Some("human") => Actor::Human,
                            _ => Actor::Bot,
                        },
                        uploaded: None,
                        inbound_url: URL,
                    };
                    written(&adapter.request(&origins(), &outbound).expect("a request"))
                })
                .collect();
            let value = match requests.as_slice() {
                [only] => only.clone(),
                several => json!(several),
            };
            hold(&path, &value, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for adapter in with_provider() {
        for capability in adapter.profile().capabilities {
            let kind = (adapter.kind(), capability.kind);
            assert!(kinds.contains(&kind), "no fixture of {kind:?}");
        }
    }
}

#[test]
fn every_answer_fixture_means_what_its_golden_file_says() {
    let mut wrong = Vec::new();
    let mut kinds = Vec::new();
    for (adapter, folder) in folders() {
        for (path, body) in fixtures(&folder.join("answers")) {
            let given: Value = serde_json::from_slice(&body).expect("JSON");
            let headers: Vec<(&str, &str)> = given["headers"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, value)| (name.as_str(), value.as_str().expect("text")))
                .collect();
            let status = given["status"]
                .as_u64()
                .and_then(|status| u16::try_from(status).ok());
            let response = answer(
                status.expect("a status"),
                &headers,
                given["body"].to_string(),
            );
            let result = adapter.accepted(&response);
            let value = outcome(&result);
            // The provider's own code is kept for the client.
            if let Some(code) = given
                .pointer("/body/error/code")
                .or(given.pointer("/body/error_code"))
                .or(given.pointer("/body/code"))
                .filter(|code| !code.is_null())
            {
                let code = code
                    .as_str()
                    .map_or_else(|| code.to_string(), str::to_owned);
                assert_eq!(value["providerCode"], code, "{}", path.display());
            }
            kinds.push((
                adapter.kind(),
                value["outcome"].as_str().unwrap_or("").to_owned(),
            ));
            hold(&path, &value, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for adapter in with_provider() {
        for kind in [
            "accepted",
            "throttled",
            "temporary",
            "unauthorized",
            "rejected",
            "unclear",
        ] {
            let has = kinds
                .iter()
                .any(|(of, is)| *of == adapter.kind() && is == kind);
            assert!(has, "no answer of {:?} is {kind}", adapter.kind());
        }
    }
}

// Garbage

fn any_json() -> impl Strategy<Value = Value> {
    let names = prop_oneof![
        6 => prop::sample::select(vec![
            "entry", "changes", "field", "value", "messages", "statuses", "contacts", "errors", "error",
            "id", "from", "type", "text", "body", "timestamp", "profile", "name", "wa_id", "user_id",
            "status", "code", "message", "metadata", "phone_number_id", "context", "unsupported",
            "update_id", "channel_post", "chat", "message_id", "date", "title", "first_name", "ok",
            "result", "error_code", "parameters", "retry_after", "description", "reply_to_message",
            "messaging", "sender", "recipient", "mid", "mids", "is_echo", "attachments", "payload", "delivery",
            "read", "watermark", "standby", "reply_to", "time", "object", "sid", "recipient_id", "error_subcode",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    let leaves = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!("messages")),
        Just(json!("text")),
        Just(json!(PHONE_NUMBER_ID)),
    ];
    leaves.prop_recursive(7, 80, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// A fixture with some of its values replaced.
fn mutated() -> impl Strategy<Value = (usize, Vec<(usize, Value)>)> {
    (
        any::<usize>(),
        prop::collection::vec((any::<usize>(), any_json()), 1..4),
    )
}

/// Replaces the `at`-th value, counted through the whole tree.
fn replace(tree: &mut Value, at: &mut usize, with: &Value) -> bool {
    if *at == 0 {
        *tree = with.clone();
        return true;
    }
    *at -= 1;
    match tree {
        Value::Array(items) => items.iter_mut().any(|item| replace(item, at, with)),
        Value::Object(fields) => fields.values_mut().any(|item| replace(item, at, with)),
        _ => false,
    }
}

fn size(tree: &Value) -> usize {
    match tree {
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(fields) => 1 + fields.values().map(size).sum::<usize>(),
        _ => 1,
    }
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn garbage_is_read_as_something_and_never_a_panic(bytes in any::<Vec<u8>>(), json in any_json(), raw in any::<String>(), status in 100..600_u16) {
        for adapter in ADAPTERS {
            for body in [bytes.clone(), json.to_string().into_bytes()] {
                prop_assert!(!read(*adapter, &body).is_empty());
                let _ = adapter.accepted(&answer(status, &[], body));
            }
            let _ = adapter.identifier(&raw);
            if let Ok(address) = adapter.recipient(&raw) {
                prop_assert_eq!(adapter.recipient(&address.0), Ok(address.clone()), "an address is stable");
            }
        }
    }

    #[test]
    fn a_fixture_with_anything_in_it_replaced_is_still_read((which, changes) in mutated()) {
        for (adapter, folder) in folders() {
            let all = fixtures(&folder.join("inbound"));
            let (_, body) = &all[which % all.len()];
            let tree = serde_json::from_slice::<Value>(body);
            let is_form = tree.is_err();
            let mut tree = tree.unwrap_or_else(|_| {
                let pairs = url::form_urlencoded::parse(body);
                pairs.map(|(name, value)| json!([name, value])).collect()
            });
            for (at, with) in &changes {
                let mut at = at % size(&tree);
                replace(&mut tree, &mut at, with);
            }
            let changed = if is_form {
                let word = |value: Option<&Value>| {
                    let value = value.unwrap_or(&Value::Null);
                    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
                };
                let pairs = tree.as_array().into_iter().flatten();
                url::form_urlencoded::Serializer::new(String::new())
                    .extend_pairs(pairs.map(|pair| (word(pair.get(0)), word(pair.get(1)))))
                    .finish()
            } else {
                tree.to_string()
            };
            let read = read(adapter, changed.as_bytes());
            prop_assert!(!read.is_empty());
            for entry in read {
                if let Inbound::Message(message) = entry.item {
                    prop_assert!(!message.provider_message_id.is_empty());
                    prop_assert!(!message.from.address.0.is_empty());
                    prop_assert!(!message.from.identities.is_empty());
                }
            }
        }
    }

    #[test]
    fn no_random_signature_verifies(header in any::<Vec<u8>>(), body in any::<Vec<u8>>(), query in "[!-~]{0,40}") {
        let Ok(value) = http::HeaderValue::from_bytes(&header) else {
            return Ok(());
        };
        for adapter in ADAPTERS {
            let channel = channel(*adapter);
            for name in ["x-hub-signature-256", "x-telegram-bot-api-secret-token", "x-twilio-signature"] {
                let request = Request::post("https://patchbay.test/inbound/x")
                    .header(name, value.clone())
                    .body(Bytes::from(body.clone()))
                    .expect("a request");
                prop_assert!(adapter.verify(&channel, URL, &request).is_err());
            }
            let url = format!("https://patchbay.test/inbound/x?{query}");
            if let Ok(request) = Request::get(url).body(Bytes::new())
                && let Some(response) = adapter.challenge(&channel, &request) {
                    prop_assert_eq!(response.status().as_u16(), 403);
            }
        }
    }

    #[test]
    fn any_text_becomes_a_body_that_says_just_that(said in any::<String>(), preview in any::<Option<bool>>()) {
        for adapter in with_provider() {
            let channel = channel(adapter);
            let content = Content::Text(Text { text: said.clone(), preview_url: preview });
            let request = request(adapter, &channel, &content);
            let body = fields(&request);
            let written = ["/text/body", "/text", "/message/text", "/Body"]
                .iter()
                .find_map(|at| body.pointer(at)?.as_str());
            prop_assert_eq!(written, Some(said.as_str()));
        }
    }
}
