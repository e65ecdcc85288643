//! What becomes of a message when its provider misbehaves.

use std::time::Duration;

use patchbay_sandbox::{Fault, FaultMode, WhatsApp};
use serde_json::{Value, json};

use crate::harness::{
    Channel, Gateway, SECRET, Subscriber, Tenant, eventually, eventually_swept, person, run,
    statuses, text, unique,
};

/// A tenant with a WhatsApp number, a subscriber, and a customer who has just written.
struct Scene {
    tenant: Tenant,
    channel: Channel,
    subscriber: Subscriber,
    ana: String,
}

impl Scene {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut WhatsApp)) -> Self {
        let tenant = Tenant::new().await;
        let channel = tenant.whatsapp_with(change).await;
        let subscriber = tenant.subscriber().await;
        let ana = person();
        tenant.hears(&channel, &ana, "Hello").await;
        Self {
            tenant,
            channel,
            subscriber,
            ana,
        }
    }

    fn fault(&self, fault: Fault) {
        let mut fault = fault;
        fault.recipient.clone_from(&self.ana);
        self.tenant.sandbox.fault(fault);
    }

    async fn sends(&self, words: &str) -> String {
        self.tenant.sends(&self.channel, &self.ana, words).await
    }
}

fn once(mode: FaultMode) -> Fault {
    Fault::new("", mode).times(1)
}

fn outcomes(message: &Value) -> Vec<&str> {
    let attempts = message["attempts"].as_array().expect("attempts");
    attempts
        .iter()
        .filter_map(|attempt| attempt["outcome"].as_str())
        .collect()
}

#[test]
fn a_rejection_fails_the_message_and_keeps_the_providers_code() {
    run(async {
        let scene = Scene::new().await;
        scene.fault(once(FaultMode::Fail).code(131_026));

        let id = scene.sends("Hello").await;

        let message = scene.tenant.becomes(&id, "failed").await;
        assert_eq!(message["error"]["code"], "provider_rejected");
        assert_eq!(message["error"]["providerCode"], "131026");
        assert!(message["error"]["message"].is_string());
        let events = scene.subscriber.receives("message.failed", 1).await;
        assert_eq!(events[0].data["message"]["id"], id);
        assert_eq!(events[0].data["message"]["error"]["providerCode"], "131026");
        let next = scene.sends("Hello again").await;
        scene.tenant.becomes(&next, "delivered").await;
        assert_eq!(scene.tenant.accepted(&scene.ana).len(), 1);
    });
}

#[test]
fn a_failure_reported_later_fails_the_message_too() {
    run(async {
        let scene = Scene::new().await;
        scene.fault(once(FaultMode::FailLater).code(131_026));

        let id = scene.sends("Hello").await;

        let message = scene.tenant.becomes(&id, "failed").await;
        assert_eq!(message["error"]["providerCode"], "131026");
        let events = scene.subscriber.receives("message.failed", 1).await;
        assert_eq!(events[0].data["message"]["id"], id);
    });
}

#[test]
fn a_throttle_delays_a_message_and_never_fails_it() {
    run(async {
        for code in [130_429, 131_056, 80_007] {
            let scene = Scene::new().await;
            scene.fault(once(FaultMode::Throttle).code(code).retry_after(1));

            let id = scene.sends("Hello").await;

            let message = scene.tenant.becomes(&id, "delivered").await;
            assert_eq!(
                statuses(&message),
                ["accepted", "sending", "sent", "delivered"]
            );
            assert_eq!(outcomes(&message), ["throttled", "sent"]);
            assert_eq!(scene.tenant.accepted(&scene.ana).len(), 1);
            assert!(scene.subscriber.of("message.failed").is_empty());
        }
    });
}

#[test]
fn an_answer_without_the_providers_own_code_leaves_the_outcome_unknown() {
    run(async {
        for mode in [FaultMode::ServerError, FaultMode::Reset, FaultMode::Hang] {
            let scene = Scene::new().await;
            scene.fault(once(mode));

            let id = scene.sends("Hello").await;

            let message = scene.tenant.becomes(&id, "unknown").await;
            assert_eq!(
                statuses(&message),
                ["accepted", "sending", "unknown"],
                "{mode:?}"
            );
            let events = scene.subscriber.receives("message.unknown", 1).await;
            assert_eq!(events[0].data["message"]["id"], id);
            // It ended, so the next one goes; it is not sent again by itself.
            let next = scene.sends("Hello again").await;
            scene.tenant.becomes(&next, "delivered").await;
            assert_eq!(scene.tenant.accepted(&scene.ana).len(), 1, "{mode:?}");
            assert_eq!(scene.tenant.message(&id).await["status"], "unknown");
        }
    });
}

#[test]
fn an_unknown_message_settles_itself_by_the_status_that_names_it() {
    run(async {
        for mode in [FaultMode::AcceptReset, FaultMode::Truncate] {
            // Late enough that the outcome is unknown for a while.
            let scene = Scene::with(|number| number.status_delay_ms = 1_500).await;
            scene.fault(once(mode));

            let id = scene.sends("Hello").await;

            scene.tenant.becomes(&id, "unknown").await;
            let message = scene.tenant.becomes(&id, "delivered").await;
            assert_eq!(
                statuses(&message),
                ["accepted", "sending", "unknown", "sent", "delivered"]
            );
            assert!(message["error"].is_null(), "{message}");
            let calls = scene.tenant.calls(&scene.ana);
            assert_eq!(calls.len(), 1);
            assert_eq!(
                message["providerMessageId"].as_str(),
                calls[0].message_id.as_deref()
            );
            for kind in ["message.unknown", "message.sent", "message.delivered"] {
                assert_eq!(scene.subscriber.receives(kind, 1).await.len(), 1, "{kind}");
            }
        }
    });
}

#[test]
fn a_channel_set_to_resend_sends_an_unclear_message_again() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        let settings = json!({"settings": {"onUnknownOutcome": "resend"}});
        tenant
            .patch(&format!("/v1/channels/{}", channel.id), &settings)
            .await
            .expect(200);
        let chat = person();
        tenant
            .sandbox
            .fault(Fault::new(&chat, FaultMode::Reset).times(1));

        let id = tenant.sends(&channel, &chat, "Hello").await;

        let message = tenant.becomes(&id, "sent").await;
        assert_eq!(statuses(&message), ["accepted", "sending", "sent"]);
        assert_eq!(tenant.calls(&chat).len(), 2);
    });
}

#[test]
fn a_closed_window_is_refused_before_the_provider_is_called() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.whatsapp().await;
        let (stranger, old) = (person(), person());
        let day_old = {
            let mut inbound = patchbay_sandbox::Inbound::new(&channel.account, &old, "Hello");
            let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
            inbound.timestamp = Some(i64::try_from(now).unwrap() - 25 * 60 * 60);
            inbound
        };
        tenant.sandbox.inbound(day_old).await.unwrap();
        assert_eq!(tenant.conversation().await["canSendFreeForm"], false);

        for to in [&stranger, &old] {
            let refused = tenant
                .post("/v1/messages", &text(&channel, to, "Hello"))
                .await;
            refused.assert_problem(422, "window_closed");
            assert!(tenant.calls(to).is_empty());
        }

        tenant.hears(&channel, &old, "I am back").await;
        let id = tenant.sends(&channel, &old, "Hello").await;
        tenant.becomes(&id, "delivered").await;
    });
}

#[test]
fn a_disabled_channel_is_unavailable() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        let path = format!("/v1/channels/{}", channel.id);
        let chat = person();
        tenant
            .patch(&path, &json!({"status": "disabled"}))
            .await
            .expect(200);

        let refused = tenant
            .post("/v1/messages", &text(&channel, &chat, "Hello"))
            .await;
        refused.assert_problem(409, "channel_unavailable");

        tenant
            .patch(&path, &json!({"status": "connected"}))
            .await
            .expect(200);
        let id = tenant.sends(&channel, &chat, "Hello").await;
        tenant.becomes(&id, "sent").await;
    });
}

#[test]
fn messages_wait_for_new_credentials_and_then_go_out() {
    run(async {
        let gateway = Gateway::shared().await;
        let mut account: Option<WhatsApp> = None;
        let scene = Scene::with(|number| account = Some(number.clone())).await;
        let tenant = &scene.tenant;
        let account = account.expect("an account");
        let mut renewed = account.clone();
        renewed.access_token = format!("EAA{SECRET}-renewed-{}", unique());
        tenant.sandbox.register_account(renewed).unwrap();
        let path = format!("/v1/channels/{}", scene.channel.id);

        let id = scene.sends("Hello").await;

        eventually(
            Duration::from_secs(15),
            "the channel needs new credentials",
            async || {
                let channel = tenant.get(&path).await.expect(200);
                let noticed =
                    channel["status"] == "needs_reauth" && channel["lastError"]["code"] == "190";
                noticed.then_some(()).ok_or(channel.to_string())
            },
        )
        .await;
        assert_eq!(tenant.message(&id).await["status"], "accepted");

        // The provider takes the old token again; the client says so.
        tenant.sandbox.register_account(account).unwrap();
        let credentials = json!({"credentials": scene.channel.credentials});
        let channel = tenant.patch(&path, &credentials).await.expect(200);
        assert_eq!(channel["status"], "connected");
        let patience = Duration::from_secs(90);
        let message = eventually_swept(gateway, patience, "the message goes out", async || {
            let message = tenant.message(&id).await;
            match message["status"].as_str() {
                Some("delivered") => Ok(message),
                _ => Err(message.to_string()),
            }
        })
        .await;
        assert_eq!(
            statuses(&message),
            ["accepted", "sending", "sent", "delivered"]
        );
        assert_eq!(tenant.accepted(&scene.ana).len(), 1);
    });
}
