//! What must hold where it runs: the same values on wasm32 as anywhere.

#![cfg(target_arch = "wasm32")]

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response};
use patchbay::channel::{ADAPTERS, Origins, Outbound, SendError, sign};
use patchbay::gateway::{
    Broken, Config, Gateway, Memory, NoAnswer, NotStored, Opened, Pieces, Ports, Push, Queue,
    QueueError, Vault,
};
use patchbay::model::access::{Environment, KeySecret};
use patchbay::model::channel::{Channel, Credentials, Settings};
use patchbay::model::contact::Address;
use patchbay::model::content::{Content, Text};
use patchbay::model::id::{ChannelId, Fresh, MessageId, WorkspaceId};
use patchbay::model::message::Actor;
use patchbay::model::time::Timestamp;
use patchbay::store::{Database, DatabaseError, Rows, Statement, Value as Bound};
use patchbay::{api, webhook};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::rc::Rc;
use wasm_bindgen_test::wasm_bindgen_test;

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("randomness of the host");
    bytes
}

#[wasm_bindgen_test]
fn the_hosts_randomness_makes_ids_that_differ_and_sort() {
    let start = Timestamp::from_ms(1_795_161_600_000);
    let made: Vec<String> = (0..500)
        .map(|ms| MessageId::fresh(start.plus_ms(ms), random()).to_string())
        .collect();
    let mut sorted = made.clone();
    sorted.sort();
    assert_eq!(made, sorted);
    let same_moment: BTreeSet<String> = (0..500)
        .map(|_| MessageId::fresh(start, random()).to_string())
        .collect();
    assert_eq!(same_moment.len(), 500);
    for id in made {
        assert_eq!(id.len(), 36);
        assert_eq!(&id[14..15], "7", "the version");
        assert_eq!(MessageId::parse(&id).map(|id| id.to_string()), Some(id));
    }
}

#[wasm_bindgen_test]
fn a_keys_secret_parses_and_a_typo_does_not() {
    let secret = KeySecret::fresh(Environment::Live, &random()).expect("a secret");
    let text = secret.reveal();
    assert_eq!(text.len(), "pb_live_".len() + 36);
    assert_eq!(
        KeySecret::parse(text).map(|same| same.hash()),
        Some(secret.hash())
    );
    let mut typo = text.to_owned();
    let last = if typo.pop() == Some('0') { '1' } else { '0' };
    typo.push(last);
    assert!(KeySecret::parse(&typo).is_none());
    let other = KeySecret::fresh(Environment::Live, &random()).expect("a secret");
    assert_ne!(secret.hash(), other.hash());
}

#[wasm_bindgen_test]
fn a_fixed_key_has_the_hash_it_has_anywhere() {
    let secret = KeySecret::fresh(Environment::Test, &[77; 64]).expect("a secret");
    assert_eq!(
        secret.reveal(),
        format!("pb_test_{}{}", "F".repeat(30), &secret.reveal()[38..])
    );
    assert_eq!(secret.hash().len(), 64);
}

#[wasm_bindgen_test]
fn the_vault_opens_what_it_sealed_in_its_own_place_only() {
    let vault = Vault::parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").expect("a key");
    let plain = "{\"accessToken\":\"hush \u{1f600}\"}";
    let sealed = vault.seal(plain, "channel|1", random()).expect("sealed");
    assert!(!sealed.contains("hush"));
    assert_eq!(vault.open(&sealed, "channel|1").as_deref(), Some(plain));
    assert_eq!(vault.open(&sealed, "channel|2"), None);
    let again = vault.seal(plain, "channel|1", random()).expect("sealed");
    assert_ne!(sealed, again, "a nonce of its own");
}

#[wasm_bindgen_test]
fn the_published_hub_signature_verifies() {
    let secret = "It's a Secret to Everybody";
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    assert!(sign::is_hub_signature(secret, b"Hello, World!", signature));
    assert!(!sign::is_hub_signature(secret, b"Hello, World?", signature));
    assert!(!sign::is_hub_signature("", b"Hello, World!", signature));
}

#[wasm_bindgen_test]
fn the_vectors_of_standard_webhooks_are_signed_alike() {
    for (secret, id, at, body, signature) in [
        (
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
        (
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1_649_367_553,
            r#"{"email":"test@example.com","username":"test_user"}"#,
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        ),
    ] {
        let signed =
            webhook::sign(&[secret], id, Timestamp::from_s(at), body.as_bytes()).expect("a secret");
        assert_eq!(signed.signature, signature);
        assert_eq!(signed.timestamp, at.to_string());
    }
}

#[wasm_bindgen_test]
fn moments_are_written_and_read_as_rfc_3339() {
    let at = Timestamp::from_ms(1_795_161_600_007);
    assert_eq!(at.to_rfc3339(), "2026-11-20T08:00:00.007Z");
    assert_eq!(
        Timestamp::parse_rfc3339("2026-11-20T09:00:00.007+01:00"),
        Some(at)
    );
    assert_eq!(
        Timestamp::from_s(i64::MAX).to_rfc3339(),
        "9999-12-31T23:59:59.999Z"
    );
    assert_eq!(
        serde_json::to_value(at).expect("JSON"),
        "2026-11-20T08:00:00.007Z"
    );
}

#[wasm_bindgen_test]
fn content_survives_the_way_to_json_and_back() {
    for content in [
        Content::Text(Text {
            text: "Ol\u{e1} \u{1f469}\u{200d}\u{1f52c} \"\\\n\0".to_owned(),
            preview_url: Some(true),
        }),
        Content::text_of(""),
        Content::unsupported("poll"),
    ] {
        let json = serde_json::to_string(&content).expect("JSON");
        assert_eq!(
            serde_json::from_str::<Content>(&json).expect("a content"),
            content
        );
    }
    let text = Content::text_of("Hi");
    assert_eq!(
        serde_json::to_value(text).expect("JSON"),
        json!({ "type": "text", "text": "Hi" })
    );
}

fn channel(adapter: &dyn patchbay::channel::Adapter) -> Channel {
    let at = Timestamp::from_s(1_795_161_600);
    let value = |name: &str| match name {
        "botToken" => "123456:token",
        "accountSid" => "AC0123456789abcdef0123456789abcdef",
        _ => "106540352242922",
    };
    let names = adapter.credential_names().iter();
    let credentials = names
        .map(|name| ((*name).to_owned(), value(name).to_owned()))
        .collect();
    Channel {
        id: ChannelId::fresh(at, random()),
        workspace_id: WorkspaceId::fresh(at, random()),
        kind: adapter.kind(),
        identifier: "shop".to_owned(),
        settings: Settings::default(),
        credentials: Credentials(credentials),
        version: 1,
    }
}

fn origins() -> Origins {
    Origins {
        graph: "https://graph.test/v23.0".to_owned(),
        instagram: "https://instagram.test/v23.0".to_owned(),
        telegram: "https://telegram.test".to_owned(),
        twilio: "https://twilio.test".to_owned(),
    }
}

#[wasm_bindgen_test]
fn every_adapter_builds_its_request_and_reads_its_answer() {
    for adapter in ADAPTERS
        .iter()
        .filter(|adapter| !adapter.profile().is_local)
    {
        let channel = channel(*adapter);
        let to = Address("4503599627370495".to_owned());
        let content = Content::text_of("Hi");
        let outbound = Outbound {
            message_id: MessageId::fresh(Timestamp::from_s(1), random()),
            channel: &channel,
            to: &to,
            content: &content,
            reply_to: None,
            actor: Actor::Bot,
            uploaded: None,
            inbound_url: "https://patchbay.test/inbound/x",
        };
        let request = adapter.request(&origins(), &outbound).expect("a request");
        assert_eq!(request.method(), Method::POST);
        let body = String::from_utf8(request.body().to_vec()).expect("text");
        assert!(
            body.contains("4503599627370495"),
            "52 bits are kept whole: {body}"
        );
        let answer = Response::builder()
            .status(523)
            .body(Bytes::new())
            .expect("a response");
        assert!(matches!(
            adapter.accepted(&answer),
            Err(SendError::Temporary(_))
        ));
        assert_eq!(
            adapter.recipient(" 5550001 ").is_ok(),
            adapter.recipient("5550001").is_ok()
        );
    }
}

#[wasm_bindgen_test]
fn ids_and_numbers_above_32_bits_are_read_whole() {
    for adapter in ADAPTERS {
        let body = r#"{"update_id":9007199254740991,"message":{"message_id":4503599627370495,"date":1795161600,
            "text":"Hi","chat":{"id":-4503599627370495,"title":"Big"}}}"#;
        let request =
            http::Request::post("https://patchbay.test/inbound/x").body(Bytes::from(body));
        let read = adapter.inbound(&request.expect("a request"));
        let shown = format!("{read:?}");
        if adapter.credential_names().contains(&"botToken") {
            assert!(
                shown.contains("-4503599627370495:4503599627370495"),
                "{shown}"
            );
            assert!(shown.contains("1795161600000"), "{shown}");
        }
        let body = r#"{"entry":[{"id":17841400000000001,"messaging":[{"sender":{"id":9007199254740993},
            "timestamp":1795161600000,"message":{"mid":"m_1","text":"Hi","app_id":184719329217930001}}]}]}"#;
        let request =
            http::Request::post("https://patchbay.test/inbound/x").body(Bytes::from(body));
        let read = adapter.inbound(&request.expect("a request"));
        let shown = format!("{read:?}");
        if matches!(adapter.object(), Some("page" | "instagram")) {
            for whole in ["17841400000000001", "9007199254740993", "1795161600000"] {
                assert!(shown.contains(whole), "{shown}");
            }
        }
    }
}

#[wasm_bindgen_test]
fn the_published_twilio_signature_verifies() {
    let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
    let form = b"CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234\
        &From=%2B14158675309&To=%2B18005551212";
    let signature = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
    assert!(sign::is_twilio_signature("12345", url, form, signature));
    assert!(!sign::is_twilio_signature("12346", url, form, signature));
    assert!(!sign::is_twilio_signature("", url, form, signature));
}

#[wasm_bindgen_test]
fn waits_follow_the_schedule() {
    assert_eq!(webhook::next_wait_ms(1, None, 0), Some(4_000));
    assert_eq!(webhook::next_wait_ms(7, None, 255), Some(43_200_000));
    assert_eq!(webhook::next_wait_ms(8, None, 0), None);
}

/// Ports with a database that knows one key and one message sent before.
struct Host {
    database: Known,
    key: KeySecret,
}

struct Known {
    key_hash: String,
}

const ID: &str = "0197a000-0000-7000-8000-000000000000";

/// The message that the idempotency key made before, from the body `{"a":1}`.
fn sent_before() -> Value {
    let record = json!({
        "id": ID, "conversation_id": ID, "channel_id": ID, "channel_type": "whatsapp", "contact_id": ID,
        "direction": "outbound", "status": "sent", "content": { "type": "text", "text": "Hi" },
        "reply_to": null, "provider_message_id": "wamid.1",
        "error": { "code": null, "message": null, "provider_code": null },
        "metadata": null, "seq": 1,
        "times": {
            "scheduled_at": null, "expires_at": null, "created_at": 1_795_161_600_000_i64, "sending_at": null,
            "unknown_at": null, "sent_at": null, "delivered_at": null, "read_at": null, "failed_at": null,
            "expired_at": null,
        },
    });
    let fingerprint = hex::encode(Sha256::digest(b"o1:s1:a#1;"));
    json!({ "by": "key", "id": ID, "fingerprint": fingerprint, "record": record.to_string() })
}

impl Database for Known {
    async fn batch(&self, statements: &[Statement]) -> Result<Vec<Rows>, DatabaseError> {
        let answer = |statement: &Statement| {
            let sql = &statement.sql;
            if sql.contains("schema_version") {
                Rows(vec![json!({ "version": patchbay::store::SCHEMA_VERSION })])
            } else if statement.values == [Bound::Text(self.key_hash.clone())] {
                let scopes = "[\"messaging:messages:send\"]";
                Rows(vec![json!({
                    "id": ID, "workspace_id": ID, "scopes": scopes, "environment": "live", "expires_at_ms": null,
                })])
            } else if sql.contains("AS live") {
                Rows(vec![json!({ "live": 1 })])
            } else if sql.contains("'key' AS by") {
                let asked = statement
                    .values
                    .contains(&Bound::Text("POST /v1/messages order-1".to_owned()));
                Rows(asked.then(sent_before).into_iter().collect())
            } else {
                Rows::default()
            }
        };
        Ok(statements.iter().map(answer).collect())
    }
}

impl Ports for Host {
    type Database = Known;

    fn database(&self) -> &Known {
        &self.database
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_ms(1_795_161_600_000)
    }

    fn random(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("randomness of the host");
    }

    async fn fetch(&self, _: Request<Bytes>, _: u32) -> Result<Response<Bytes>, NoAnswer> {
        Err(NoAnswer)
    }

    type Stream = futures_util::stream::Empty<Result<Bytes, Broken>>;

    async fn open(&self, _: Request<Bytes>, _: u32) -> Result<Opened<Self::Stream>, NoAnswer> {
        Err(NoAnswer)
    }

    async fn upload(
        &self,
        _: Request<Bytes>,
        _: Pieces,
        _: Option<u64>,
        _: u32,
    ) -> Result<Response<Bytes>, NoAnswer> {
        Err(NoAnswer)
    }

    fn body(&self) -> Option<Self::Stream> {
        None
    }

    fn answer_with(&self, _: Self::Stream) {}

    fn has_bucket(&self) -> bool {
        false
    }

    async fn open_stored(
        &self,
        _: &str,
        _: Option<&HeaderValue>,
    ) -> Result<Option<Opened<Self::Stream>>, NoAnswer> {
        Ok(None)
    }

    async fn store(&self, _: &str, _: &str, _: Pieces, _: u64) -> Result<u64, NotStored> {
        Err(NotStored::Broken)
    }

    async fn discard(&self, _: Vec<String>) -> Result<(), NotStored> {
        Ok(())
    }

    async fn sleep(&self, _: u32) {}

    async fn push(&self, _: Queue, _: Vec<Push>) -> Result<(), QueueError> {
        Ok(())
    }

    async fn cached(&self, _: &str) -> Option<String> {
        None
    }

    async fn cache(&self, _: &str, _: String) {}

    async fn uncache(&self, _: &str) {}

    async fn admits(&self, _: &str) -> bool {
        true
    }

    fn log(&self, _: &str, _: Value) {}
}

fn gateway() -> Gateway<Host> {
    let key = KeySecret::fresh(Environment::Live, &random()).expect("a secret");
    let config = Config {
        public_url: "https://patchbay.test".to_owned(),
        admin_token: "admin".to_owned(),
        vault: Vault::parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").expect("a key"),
        origins: origins(),
        provider_timeout_ms: 1_000,
        retention_days: 30,
        allow_insecure_webhooks: false,
    };
    let database = Known {
        key_hash: key.hash(),
    };
    Gateway::new(
        Host { database, key },
        Rc::new(config),
        Rc::new(Memory::default()),
    )
}

async fn ask(
    gateway: &Gateway<Host>,
    method: Method,
    path: &str,
    key: &str,
    body: &str,
) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri(format!("https://patchbay.test{path}"))
        .header("x-api-key", key);
    answer(gateway, request, body).await
}

async fn answer(
    gateway: &Gateway<Host>,
    request: http::request::Builder,
    body: &str,
) -> (u16, Value) {
    let request = request
        .body(Bytes::from(body.to_owned()))
        .expect("a request");
    let response = api::handle(gateway, request).await;
    let body = serde_json::from_slice(response.body()).expect("JSON");
    (response.status().as_u16(), body)
}

#[wasm_bindgen_test]
async fn requests_are_routed_refused_and_answered() {
    let gateway = gateway();
    let (status, body) = ask(&gateway, Method::GET, "/healthz", "", "").await;
    assert_eq!((status, &body["status"]), (200, &json!("ok")));
    let (status, body) = ask(&gateway, Method::GET, "/v1/nothing", "", "").await;
    assert_eq!((status, &body["code"]), (404, &json!("not_found")));
    let (status, body) = ask(&gateway, Method::GET, "/v1/messages", "pb_live_x", "").await;
    assert_eq!((status, &body["code"]), (401, &json!("invalid_api_key")));
    let (status, _) = ask(
        &gateway,
        Method::POST,
        "/v1/workspaces",
        "admin",
        "{\"name\":\"Acme\"}",
    )
    .await;
    assert_eq!(status, 201);
    let key = gateway.ports.key.reveal();
    let (status, body) = ask(&gateway, Method::POST, "/v1/messages", key, "{\"to\":").await;
    assert_eq!((status, &body["code"]), (400, &json!("invalid_request")));
    let (status, body) = ask(&gateway, Method::POST, "/v1/messages", key, "{}").await;
    assert_eq!(
        (status, &body["errors"][0]["pointer"]),
        (422, &json!("/to"))
    );
}

#[wasm_bindgen_test]
async fn a_body_is_the_same_by_its_values() {
    let gateway = gateway();
    for (body, status) in [
        ("{\"a\":1}", 202),
        ("{ \"\\u0061\" : 1.0e0 }", 202),
        ("{\"a\":2}", 409),
        ("{\"a\":\"1\"}", 409),
        ("{\"a\":1,\"b\":null}", 409),
    ] {
        let request = Request::post("https://patchbay.test/v1/messages")
            .header("x-api-key", gateway.ports.key.reveal())
            .header("idempotency-key", "\"order-1\"");
        let (answered, shown) = answer(&gateway, request, body).await;
        assert_eq!(answered, status, "{body}: {shown}");
        if status == 202 {
            assert_eq!(shown["id"], ID);
            assert_eq!(shown["status"], "accepted");
        }
    }
}
