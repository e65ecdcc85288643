//! Status reports: late, repeated, out of order, or before their message is known.

use std::time::Duration;

use patchbay_sandbox::{Fault, FaultMode, StatusUpdate};

use crate::harness::{Channel, SOON, Tenant, eventually, person, run, statuses};

async fn report(tenant: &Tenant, channel: &Channel, message_id: &str, status: &str) {
    let update = StatusUpdate::new(&channel.account, message_id, status);
    let played = tenant.sandbox.status(update).await.expect("an account");
    assert_eq!(played.callback_status, Some(200), "{played:?}");
}

#[test]
fn a_status_never_moves_back() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant
            .whatsapp_with(|number| number.auto_status = false)
            .await;
        let subscriber = tenant.subscriber().await;
        let ana = person();
        tenant.hears(&channel, &ana, "Hello").await;
        let id = tenant.sends(&channel, &ana, "Hello").await;
        let sent = tenant.becomes(&id, "sent").await;
        let provider_id = sent["providerMessageId"].as_str().unwrap();

        report(&tenant, &channel, provider_id, "read").await;
        let read = tenant.becomes(&id, "read").await;
        for late in ["delivered", "sent", "failed", "read", "delivered"] {
            report(&tenant, &channel, provider_id, late).await;
        }

        let message = tenant.message(&id).await;
        assert_eq!(message["status"], "read");
        assert!(message["error"].is_null(), "{message}");
        // A late report may fill in when it happened, and changes nothing else.
        assert_eq!(
            statuses(&message),
            ["accepted", "sending", "sent", "delivered", "read"]
        );
        assert_eq!(message["readAt"], read["readAt"]);
        subscriber.receives("message.read", 1).await;
        let next = tenant.sends(&channel, &ana, "Next").await;
        tenant.becomes(&next, "sent").await;
        subscriber.receives("message.sent", 2).await;
        assert_eq!(subscriber.of("message.read").len(), 1);
        assert!(subscriber.of("message.failed").is_empty());
    });
}

#[test]
fn a_report_that_comes_before_its_message_is_known_is_kept_for_it() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant
            .whatsapp_with(|number| number.auto_status = false)
            .await;
        let subscriber = tenant.subscriber().await;
        let ana = person();
        tenant.hears(&channel, &ana, "Hello").await;
        // The provider takes the message on and says so only later.
        tenant
            .sandbox
            .fault(Fault::new(&ana, FaultMode::Slow).delay_ms(1_200).times(1));
        let id = tenant.sends(&channel, &ana, "Hello").await;
        let provider_id = eventually(SOON, "the provider took it on", async || {
            let calls = tenant.calls(&ana);
            calls
                .first()
                .and_then(|call| call.message_id.clone())
                .ok_or(String::new())
        })
        .await;

        report(&tenant, &channel, &provider_id, "delivered").await;
        assert_eq!(tenant.message(&id).await["status"], "sending");

        let message = tenant.becomes(&id, "delivered").await;
        assert_eq!(
            statuses(&message),
            ["accepted", "sending", "sent", "delivered"]
        );
        assert_eq!(subscriber.receives("message.delivered", 1).await.len(), 1);
    });
}

#[test]
fn a_report_of_a_message_nobody_sent_is_taken_and_changes_nothing() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.whatsapp().await;
        let mut update = StatusUpdate::new(&channel.account, "wamid.unheard-of", "delivered");
        update.recipient = Some(person());

        let played = tenant.sandbox.status(update).await.unwrap();

        assert_eq!(played.callback_status, Some(200));
        assert!(tenant.list("/v1/messages").await.is_empty());
        tokio::time::timeout(Duration::from_secs(10), tenant.get("/healthz"))
            .await
            .expect("an answer")
            .expect(200);
    });
}
