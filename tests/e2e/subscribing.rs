//! Subscribers: who is told what, and how often.

use patchbay_sandbox::Behaviour;
use serde_json::{Value, json};

use crate::harness::{Gateway, SOON, Subscriber, Tenant, eventually, person, run};

/// A subscriber to what is received, and its webhook's path.
async fn hearing(tenant: &Tenant) -> (Subscriber, String) {
    let subscriber = tenant
        .subscriber_to(&json!({"events": ["message.received"]}))
        .await;
    let url = tenant.sandbox.subscriber_url(&subscriber.name);
    let endpoints = tenant.list("/v1/webhooks").await;
    let endpoint = endpoints
        .iter()
        .find(|endpoint| endpoint["url"] == url.as_str());
    let id = endpoint
        .and_then(|endpoint| endpoint["id"].as_str())
        .expect("listed");
    (subscriber, format!("/v1/webhooks/{id}"))
}

/// The only delivery of a webhook, once it is as it should be.
async fn delivery(tenant: &Tenant, path: &str, is_right: impl Fn(&Value) -> bool) -> Value {
    eventually(SOON, "a delivery", async || {
        let listed = tenant.list(&format!("{path}/deliveries")).await;
        let found = listed.first().filter(|delivery| is_right(delivery));
        found.cloned().ok_or_else(|| format!("{listed:?}"))
    })
    .await
}

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

#[test]
fn what_a_subscriber_answers_is_kept_and_anything_but_a_2xx_is_tried_again() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.whatsapp().await;
        let redirect = Behaviour {
            headers: [(
                "location".to_owned(),
                tenant.sandbox.subscriber_url("elsewhere"),
            )]
            .into(),
            ..Behaviour::status(302)
        };
        let throttle = Behaviour {
            headers: [("retry-after".to_owned(), "8".to_owned())].into(),
            ..Behaviour::status(429)
        };
        for (behaviour, status) in [
            (Behaviour::status(200), 200),
            (Behaviour::status(500), 500),
            (throttle, 429),
            (redirect, 302),
        ] {
            let (subscriber, path) = hearing(&tenant).await;
            tenant
                .sandbox
                .subscriber(&subscriber.name, behaviour.times(1));
            tenant.hears(&channel, &person(), "Hello").await;
            let tried = delivery(&tenant, &path, |it| it["responseStatus"] == status).await;
            assert_eq!(tried["status"] == "delivered", status == 200);
            let ended = delivery(&tenant, &path, |it| it["status"] == "delivered").await;
            assert_eq!(ended["attempts"], if status == 200 { 1 } else { 2 });
            tenant.delete(&path).await.expect(204);
        }
        assert!(
            tenant.sandbox.events("elsewhere", 0).is_empty(),
            "nothing is followed"
        );
    });
}

#[test]
fn a_subscriber_that_is_gone_is_left_alone_until_it_is_enabled_again() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.whatsapp().await;
        let watcher = tenant
            .subscriber_to(&json!({"events": ["webhook.disabled"]}))
            .await;
        let (subscriber, path) = hearing(&tenant).await;
        tenant
            .sandbox
            .subscriber(&subscriber.name, Behaviour::status(410));

        tenant.hears(&channel, &person(), "Hello").await;

        let told = &watcher.receives("webhook.disabled", 1).await[0];
        assert_eq!(told.data["webhook"]["reason"], "gone");
        tenant.hears(&channel, &person(), "Hello").await;
        assert_eq!(tenant.get(&path).await.expect(200)["status"], "disabled");
        assert_eq!(subscriber.received().len(), 1);
        tenant
            .sandbox
            .subscriber(&subscriber.name, Behaviour::default());
        let enable = json!({"status": "enabled"});
        tenant.patch(&path, &enable).await.expect(200);
        subscriber.receives("message.received", 3).await;
    });
}

#[test]
fn a_subscriber_that_hangs_holds_up_no_other() {
    run(async {
        // One of its own: a local queue hands over its next batch when the last one is done.
        let gateway = Gateway::start().await;
        let tenant = Tenant::of(&gateway).await;
        let channel = tenant.whatsapp().await;
        let (slow, path) = hearing(&tenant).await;
        let (quick, _) = hearing(&tenant).await;
        let hangs = Behaviour {
            hang: true,
            ..Behaviour::default()
        };
        tenant.sandbox.subscriber(&slow.name, hangs);
        for _ in 0..4 {
            tenant.hears(&channel, &person(), "Hello").await;
        }
        quick.receives_within(4 * SOON, "message.received", 4).await;
        tenant.delete(&path).await.expect(204);
    });
}

#[test]
fn a_rotated_secret_signs_beside_the_old_one_and_an_old_delivery_is_sent_again() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.whatsapp().await;
        let (subscriber, path) = hearing(&tenant).await;
        tenant.hears(&channel, &person(), "Hello").await;
        let first = subscriber.receives("message.received", 1).await;
        let rotate = format!("{path}/rotate-secret");
        let rotated = tenant.post(&rotate, &Value::Null).await.expect(200);
        let resend = format!("{path}/deliveries/{}/resend", first[0].id);
        tenant.post(&resend, &Value::Null).await.expect(200);

        // Verified under the old secret; the new one stands before it.
        let both = subscriber.receives("message.received", 2).await;
        assert_eq!(both[0].id, both[1].id);
        assert_eq!(both[0].raw.body, both[1].raw.body);
        let renewed = Subscriber::new(
            tenant.sandbox.clone(),
            "renewed".to_owned(),
            rotated["secret"].as_str().expect("a secret"),
        );
        let url = json!({"url": tenant.sandbox.subscriber_url("renewed")});
        tenant.patch(&path, &url).await.expect(200);
        tenant.post(&resend, &Value::Null).await.expect(200);
        renewed.receives("message.received", 1).await;
    });
}
