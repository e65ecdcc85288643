//! What becomes of messages after they were sent, and who asks for no more of them.

use patchbay_sandbox::Played;
use serde_json::{Value, json};

use crate::harness::{SECRET, SOON, Tenant, WORD, eventually, person, run, text, unique};

/// A callback with another body, signed as Meta does.
fn signed(played: &Played, secret: &str, body: &Value) -> Played {
    let body = body.to_string();
    let mac = patchbay::channel::sign::hmac_sha256(secret.as_bytes(), body.as_bytes());
    let mut played = played.clone();
    let signature = format!("sha256={}", hex::encode(mac.expect("a secret")));
    played
        .headers
        .insert("x-hub-signature-256".to_owned(), signature);
    played.body = body;
    played
}

#[test]
fn a_whatsapp_message_is_edited_reacted_to_and_taken_back() {
    run(async {
        let tenant = Tenant::new().await;
        let secret = format!("{SECRET}-changes-{}", unique());
        let channel = tenant
            .whatsapp_with(|number| number.app_secret.clone_from(&secret))
            .await;
        let subscriber = tenant.subscriber().await;
        let ana = person();
        let first = tenant.hears(&channel, &ana, "Helo").await;
        let of = first.provider_message_id.clone().expect("an id");
        let envelope: Value = serde_json::from_str(&first.body).expect("JSON");
        let change = |id: &str, kind: &str, fields: Value| {
            let mut body = envelope.clone();
            body["entry"][0]["changes"][0]["value"]["messages"][0] = json!({
                "from": ana, "id": id, "timestamp": "1795161600", "type": kind, kind: fields,
            });
            signed(&first, &secret, &body)
        };
        let edit = change(
            "wamid.edit",
            "edit",
            json!({ "original_message_id": of,
                "message": { "type": "text", "text": { "body": WORD } } }),
        );
        let reaction = change(
            "wamid.reaction",
            "reaction",
            json!({ "message_id": of, "emoji": "👍" }),
        );
        // Forged, it changes nothing.
        let mut forged = edit.clone();
        forged.body = forged.body.replace(WORD, "forged");
        assert_eq!(tenant.post_callback(&forged).await.status, 401);
        for callback in [&edit, &reaction, &edit, &reaction] {
            tenant.post_callback(callback).await.expect(200);
        }
        let message = tenant.list("/v1/messages").await.remove(0);
        assert_eq!(message["content"]["text"], WORD);
        assert!(message["editedAt"].is_string());
        let events = subscriber.receives("message.edited", 1).await;
        assert_eq!(events[0].data["message"]["content"]["text"], WORD);
        let events = subscriber.receives("message.reaction", 1).await;
        assert_eq!(events[0].data["reaction"]["emoji"], "👍");

        let revoke = change(
            "wamid.revoke",
            "revoke",
            json!({ "original_message_id": of }),
        );
        tenant.post_callback(&revoke).await.expect(200);
        let message = tenant.list("/v1/messages").await.remove(0);
        assert_eq!(message["content"]["providerType"], "deleted");
        assert!(!message.to_string().contains(WORD));
        subscriber.receives("message.deleted", 1).await;
    });
}

#[test]
fn an_edit_that_comes_before_its_telegram_message_waits_for_it() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        let chat = person();
        let unheard = tenant.unheard(&channel, &chat, "Helo").await;
        let mut update: Value = serde_json::from_str(&unheard.body).expect("JSON");
        let mut message = update["message"].clone();
        message["edit_date"] = message["date"].clone();
        message["text"] = json!(WORD);
        let fields = update.as_object_mut().expect("an update");
        fields.remove("message");
        fields.insert("edited_message".to_owned(), message);
        fields.insert("update_id".to_owned(), json!(990_000_001));
        let mut edit = unheard.clone();
        edit.body = update.to_string();
        tenant.post_callback(&edit).await.expect(200);
        assert!(tenant.list("/v1/messages").await.is_empty());
        tenant.post_callback(&unheard).await.expect(200);
        eventually(SOON, "the message reads as it was edited", async || {
            let message = tenant.list("/v1/messages").await.remove(0);
            if message["content"]["text"] == WORD {
                Ok(())
            } else {
                Err(message.to_string())
            }
        })
        .await;
    });
}

#[test]
fn whoever_texts_stop_is_sent_nothing_until_they_text_start() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.sms().await;
        let ana = format!("+{}", person());
        tenant.hears(&channel, &ana, "Hello").await;
        tenant.sends(&channel, &ana, "Hi").await;
        tenant.hears(&channel, &ana, "Stop").await;
        let refused = tenant
            .post("/v1/messages", &text(&channel, &ana, "Hi"))
            .await;
        refused.assert_problem(422, "opted_out");
        tenant.hears(&channel, &ana, "START").await;
        let id = tenant.sends(&channel, &ana, "Hi again").await;
        tenant.becomes(&id, "delivered").await;
    });
}
