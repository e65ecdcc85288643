//! What is to be sent later, is.

use std::time::Duration;

use patchbay::model::time::Timestamp;
use serde_json::{Value, json};

use crate::harness::{Channel, SOON, Tenant, WORD, now_ms, person, run, statuses, text};

/// Longer than what is scheduled waits, and its hint.
const PATIENCE: Duration = Duration::from_secs(20);

/// Schedules a text so many seconds ahead.
async fn schedules(tenant: &Tenant, channel: &Channel, to: &str, seconds: i64) -> Value {
    let mut body = text(channel, to, "Later");
    let at = Timestamp::from_ms(now_ms()).plus_ms(1_000 * seconds);
    body["scheduledAt"] = json!(at.to_rfc3339());
    tenant.post("/v1/messages", &body).await.expect(202)
}

#[test]
fn a_message_for_later_arrives_later() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        let chat = person();
        let said = schedules(&tenant, &channel, &chat, 2).await;
        assert_eq!(said["status"], "scheduled");
        // What is said in the meantime goes first.
        let now = tenant.sends(&channel, &chat, "Now").await;
        tenant.becomes(&now, "sent").await;
        assert_eq!(tenant.accepted(&chat), [format!("Now {WORD}")]);
        let id = said["id"].as_str().expect("an id");
        let sent = tenant.becomes_within(PATIENCE, id, "sent").await;
        assert_eq!(
            statuses(&sent),
            ["scheduled", "accepted", "sending", "sent"]
        );
        let both = ["Now", "Later"].map(|words| format!("{words} {WORD}"));
        assert_eq!(tenant.accepted(&chat), both);
    });
}

#[test]
fn what_is_canceled_never_arrives() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        let chat = person();
        let canceled = schedules(&tenant, &channel, &chat, 2).await;
        let path = format!("/v1/messages/{}", canceled["id"].as_str().expect("an id"));
        let answer = tenant.delete(&path).await.expect(200);
        assert_eq!(answer["status"], "canceled");
        tenant.delete(&path).await.expect(200);
        // One that is due after it is sent, and it is not.
        let later = schedules(&tenant, &channel, &chat, 3).await;
        let id = later["id"].as_str().expect("an id");
        tenant.becomes_within(PATIENCE, id, "sent").await;
        assert_eq!(tenant.accepted(&chat).len(), 1);
    });
}

#[test]
fn what_falls_due_outside_the_window_fails() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.whatsapp().await;
        let subscriber = tenant.subscriber().await;
        let ana = person();
        // Nobody has written yet, but somebody might.
        let said = schedules(&tenant, &channel, &ana, 2).await;
        let id = said["id"].as_str().expect("an id");
        let failed = tenant.becomes_within(PATIENCE, id, "failed").await;
        assert_eq!(failed["error"]["code"], "window_closed");
        assert!(tenant.calls(&ana).is_empty());
        let told = subscriber.receives_within(SOON, "message.failed", 1).await;
        assert_eq!(told[0].data["message"]["id"], id);
    });
}
