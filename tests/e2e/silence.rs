//! The log tells ids, codes and counts: never what people wrote, who they are, or what opens anything.

use patchbay_sandbox::{Fault, FaultMode};
use reqwest::Method;
use serde_json::json;

use crate::harness::{Gateway, PERSON_PREFIX, Reply, SECRET, Tenant, WORD, person, run, text};

#[test]
fn the_log_holds_no_secret_no_address_and_no_words() {
    run(async {
        let gateway = Gateway::shared().await;
        let tenant = Tenant::new().await;
        let (number, bot) = (tenant.whatsapp().await, tenant.telegram().await);
        let subscriber = tenant.subscriber().await;
        let (ana, chat) = (person(), person());
        // One of everything that is worth a line.
        tenant.hears(&number, &ana, WORD).await;
        for mode in [
            FaultMode::Fail,
            FaultMode::Throttle,
            FaultMode::Reset,
            FaultMode::Unauthorized,
        ] {
            tenant.sandbox.fault(Fault::new(&chat, mode).times(1));
        }
        for _ in 0..4 {
            tenant.sends(&bot, &chat, "Hello").await;
        }
        let id = tenant.sends(&number, &ana, "Hello").await;
        tenant.becomes(&id, "delivered").await;
        subscriber.receives("message.delivered", 1).await;
        let wrong = Reply::of(
            tenant
                .request(Method::POST, "/v1/messages")
                .header("x-api-key", SECRET)
                .body(format!("{{\"to\": {ana:?}, {WORD}")),
        );
        assert_eq!(wrong.await.status, 400);
        let unknown = json!({"to": ana, "content": {"type": WORD, "text": WORD}});
        assert_eq!(tenant.post("/v1/messages", &unknown).await.status, 422);
        let mut forged = tenant.unheard(&number, &ana, WORD).await;
        forged
            .headers
            .insert("x-hub-signature-256".into(), format!("sha256={SECRET}"));
        assert_eq!(tenant.post_callback(&forged).await.status, 401);
        let stranger = text(&number, &person(), "Hello");
        assert_eq!(tenant.post("/v1/messages", &stranger).await.status, 422);
        gateway.tick().await;

        let log = gateway.log();

        assert!(
            log.contains("\"event\":\"request\""),
            "the log is where it is looked for"
        );
        for private in [WORD, PERSON_PREFIX, SECRET, tenant.key.as_str(), "whsec_"] {
            let line = log.lines().find(|line| line.contains(private));
            assert!(line.is_none(), "{private}: {line:?}");
        }
        for prefix in ["pb_live_", "pb_test_"] {
            assert!(!log.contains(prefix), "{prefix}");
        }
    });
}
