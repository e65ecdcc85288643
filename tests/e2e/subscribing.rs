//! Subscribers: who is told what, and how often.

use patchbay_sandbox::Behaviour;
use serde_json::json;

use crate::harness::{Tenant, person, run};

#[test]
fn a_delivery_that_failed_is_repeated_with_the_same_id_and_the_same_bytes() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.whatsapp().await;
        let subscriber = tenant
            .subscriber_to(&json!({"events": ["message.received"]}))
            .await;
        tenant
            .sandbox
            .subscriber(&subscriber.name, Behaviour::status(503).times(1));

        tenant.hears(&channel, &person(), "Hello").await;

        let attempts = subscriber.receives("message.received", 2).await;
        assert_eq!(attempts[0].raw.answered, Some(503));
        assert_eq!(attempts[1].raw.answered, Some(200));
        assert_eq!(attempts[0].id, attempts[1].id);
        assert_eq!(attempts[0].raw.body, attempts[1].raw.body);
    });
}

#[test]
fn a_subscriber_is_told_only_what_it_asked_for() {
    run(async {
        let tenant = Tenant::new().await;
        let (number, bot) = (tenant.whatsapp().await, tenant.telegram().await);
        let all = tenant.subscriber().await;
        let sent = tenant
            .subscriber_to(&json!({"events": ["message.sent"]}))
            .await;
        let of_bot = json!({"events": ["message.*"], "channelId": bot.id});
        let of_bot = tenant.subscriber_to(&of_bot).await;
        let ana = person();
        for channel in [&number, &bot] {
            tenant.hears(channel, &ana, "Hello").await;
            tenant.sends(channel, &ana, "Hello").await;
        }

        all.receives("message.delivered", 1).await;
        all.receives("message.sent", 2).await;
        sent.receives("message.sent", 2).await;
        of_bot.receives("message.sent", 1).await;
        of_bot.receives("message.received", 1).await;

        assert!(
            sent.received()
                .iter()
                .all(|event| event.kind == "message.sent")
        );
        for event in of_bot.received() {
            assert_eq!(event.data["channel"]["id"], bot.id);
            assert!(event.kind.starts_with("message."), "{}", event.kind);
        }
    });
}

#[test]
fn a_deleted_subscriber_is_told_nothing_more() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.whatsapp().await;
        let (stays, goes) = (tenant.subscriber().await, tenant.subscriber().await);
        let ana = person();
        tenant.hears(&channel, &ana, "one").await;
        stays.receives("message.received", 1).await;
        goes.receives("message.received", 1).await;
        let endpoints = tenant.list("/v1/webhooks").await;
        let url = tenant.sandbox.subscriber_url(&goes.name);
        let endpoint = endpoints
            .iter()
            .find(|endpoint| endpoint["url"] == url.as_str());
        let id = endpoint
            .and_then(|endpoint| endpoint["id"].as_str())
            .expect("listed");

        tenant
            .delete(&format!("/v1/webhooks/{id}"))
            .await
            .expect(204);

        tenant.hears(&channel, &ana, "two").await;
        stays.receives("message.received", 2).await;
        assert_eq!(goes.of("message.received").len(), 1);
    });
}

#[test]
fn a_secret_is_shown_once() {
    run(async {
        let tenant = Tenant::new().await;
        let body = json!({"url": tenant.sandbox.subscriber_url("unused"), "events": ["*"]});

        let made = tenant.post("/v1/webhooks", &body).await.expect(201);

        let secret = made["secret"].as_str().expect("a secret");
        assert!(secret.starts_with("whsec_"));
        let id = made["id"].as_str().expect("an id");
        for path in ["/v1/webhooks".to_owned(), format!("/v1/webhooks/{id}")] {
            let reply = tenant.get(&path).await;
            assert!(!reply.text.contains(secret), "{}", reply.text);
            reply.expect(200);
        }
    });
}
