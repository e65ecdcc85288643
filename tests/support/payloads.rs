//! The payloads that providers are known to send, posted as they post them, and what a
//! database comes to in whatever order they came.

use super::World;
use super::world::{APP_SECRET, BOT_SECRET, Reply, TWILIO_TOKEN, hub_signature};
use bytes::Bytes;
use http::Method;
use serde_json::Value;

/// The channels that a provider posts to.
pub const PROVIDERS: [&str; 5] = ["whatsapp", "messenger", "instagram", "telegram", "sms"];

/// A webhook as it is kept beside its adapter.
#[derive(Clone, Debug)]
pub struct Payload {
    pub name: String,
    /// Empty, or from its `?` on.
    pub query: String,
    pub body: Vec<u8>,
}

/// The webhook fixtures of an adapter. A first line that starts with `?` is the query.
pub fn payloads(provider: &str) -> Vec<Payload> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/channel")
        .join(provider)
        .join("fixtures/inbound");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("fixtures")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| !path.to_string_lossy().ends_with(".golden.json"))
        .collect();
    paths.sort();
    let read = paths.into_iter().map(|path| {
        let whole = std::fs::read(&path).expect("a file");
        let end = whole.iter().position(|byte| *byte == b'\n');
        let (query, body) = match end {
            Some(end) if whole.starts_with(b"?") => whole.split_at(end + 1),
            _ => (&[][..], &whole[..]),
        };
        Payload {
            name: path.file_name().expect("a name").to_string_lossy().into(),
            query: String::from_utf8_lossy(query).trim().to_owned(),
            body: body.strip_suffix(b"\n").unwrap_or(body).to_vec(),
        }
    });
    read.collect()
}

/// The secret that a provider signs with.
pub fn secret(provider: &str) -> &'static str {
    match provider {
        "telegram" => BOT_SECRET,
        "sms" => TWILIO_TOKEN,
        _ => APP_SECRET,
    }
}

/// The header that proves a payload to be its provider's.
pub fn proof(
    provider: &str,
    channel: &str,
    payload: &Payload,
    secret: &str,
) -> (&'static str, String) {
    match provider {
        "telegram" => ("x-telegram-bot-api-secret-token", secret.to_owned()),
        "sms" => {
            let url = format!("https://patchbay.test/inbound/{channel}{}", payload.query);
            let signature = patchbay::channel::sign::twilio_signature(secret, &url, &payload.body);
            ("x-twilio-signature", signature.expect("a token"))
        }
        _ => ("x-hub-signature-256", hub_signature(secret, &payload.body)),
    }
}

impl World {
    /// Connects a channel of a provider and gives back its id.
    pub async fn channel_of(&self, provider: &str) -> String {
        match provider {
            "whatsapp" => self.whatsapp().await,
            "messenger" => self.messenger().await,
            "instagram" => self.instagram().await,
            "telegram" => self.telegram().await,
            _ => self.sms().await,
        }
    }

    /// Posts a payload with these headers and no others.
    pub async fn replay(
        &self,
        channel: &str,
        payload: &Payload,
        headers: &[(&str, &str)],
    ) -> Reply {
        let path = format!("/inbound/{channel}{}", payload.query);
        let body = Bytes::from(payload.body.clone());
        self.bare(Method::POST, &path, headers, body).await
    }

    /// Posts a payload as its provider does.
    pub async fn replay_signed(&self, provider: &str, channel: &str, payload: &Payload) -> Reply {
        let (name, value) = proof(provider, channel, payload, secret(provider));
        self.replay(channel, payload, &[(name, &value)]).await
    }

    /// What is stored of all that came, in an order of its own: without our ids, without
    /// places in a conversation, and without which answer was known to be one.
    pub fn essence(&self) -> Vec<String> {
        let mut essence: Vec<String> = ESSENCE
            .iter()
            .flat_map(|(what, sql)| {
                let rows = self.database().query(sql).into_iter();
                rows.map(move |mut row| {
                    if let Some(content) = row["content"].as_str() {
                        row["content"] = without_address(content);
                    }
                    format!("{what} {row}")
                })
            })
            .collect();
        essence.sort();
        essence
    }
}

/// A content without the address of its file, which holds an id.
fn without_address(content: &str) -> Value {
    let mut content: Value = serde_json::from_str(content).unwrap_or_else(|_| content.into());
    if let Some(fields) = content.as_object_mut() {
        fields.remove("url");
        fields.remove("mediaUrl");
    }
    content
}

const ESSENCE: [(&str, &str); 7] = [
    (
        "message",
        "SELECT c.address, m.direction, m.provider_message_id, m.status, m.content, m.created_at,
           m.sent_at, m.delivered_at, m.read_at, m.failed_at, m.edited_at, m.deleted_at,
           CASE m.status WHEN 'failed' THEN m.error_code END AS error,
           CASE m.status WHEN 'failed' THEN m.error_provider_code END AS provider_error
         FROM message m JOIN conversation c ON c.id = m.conversation_id",
    ),
    (
        "conversation",
        "SELECT address, status, unread_count, last_inbound_at, last_outbound_at,
           opted_out_at, consent_at FROM conversation",
    ),
    (
        "person",
        "SELECT i.kind, i.value, o.name FROM identity i JOIN contact o ON o.id = i.contact_id",
    ),
    (
        "change",
        "SELECT provider_message_id, key, type, content, at, due_at IS NULL AS is_applied FROM change",
    ),
    // What customers wrote has no reports.
    (
        "parked",
        "SELECT provider_message_id, status, at FROM parked_report r WHERE NOT EXISTS (
           SELECT 1 FROM message m WHERE m.channel_id = r.channel_id
             AND m.provider_message_id = r.provider_message_id AND m.direction = 'inbound')",
    ),
    (
        "file",
        "SELECT reference, mime_type, withdrawn_at IS NOT NULL AS is_withdrawn FROM media",
    ),
    // A deletion ends edits: whether one was told of before it depends on what came first.
    (
        "event",
        "SELECT type, data ->> '$.message.provider_message_id' AS of,
           data ->> '$.conversation.address' AS address, COUNT(*) AS count
         FROM event e
         WHERE type <> 'message.edited' OR NOT EXISTS (
           SELECT 1 FROM message m WHERE m.id = e.data ->> '$.message.id' AND m.deleted_at IS NOT NULL)
         GROUP BY 1, 2, 3",
    ),
];
