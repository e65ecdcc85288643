//! What was accepted survives `kill -9` at any moment, and ends by itself.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use patchbay_sandbox::{Fault, FaultMode};

use reqwest::Method;
use serde_json::json;

use crate::harness::{
    Gateway, Reply, SOON, Tenant, WORD, eventually, eventually_swept, person, run, statuses,
};

/// Longer than a lease, and some sweeps.
const PATIENCE: Duration = Duration::from_secs(70);
const PEOPLE: usize = 15;

#[test]
fn messages_accepted_before_a_kill_are_sent_exactly_once_after_it() {
    run(async {
        let gateway = Gateway::start().await;
        let tenant = Tenant::of(&gateway).await;
        let channel = tenant.telegram().await;
        let subscriber = tenant.subscriber().await;
        // Slow enough that the kill comes before most are sent.
        let slow = Fault::new("*", FaultMode::Slow).delay_ms(700);
        gateway.sandbox.fault(slow);
        let people: Vec<String> = (0..PEOPLE).map(|_| person()).collect();
        let writer = person();

        let first = join_all(people.iter().map(|to| tenant.sends(&channel, to, "first"))).await;
        let second = join_all(people.iter().map(|to| tenant.sends(&channel, to, "second"))).await;
        tenant.hears(&channel, &writer, "Can you hear me?").await;
        gateway.kill_9();
        gateway.sandbox.clear_faults();
        let unsent = people
            .iter()
            .filter(|to| tenant.calls(to).is_empty())
            .count();
        gateway.restart().await;

        let what = "all have ended";
        let messages = eventually_swept(&gateway, PATIENCE, what, async || {
            let list = tenant.list("/v1/messages?limit=100").await;
            let outbound = list
                .iter()
                .filter(|message| message["direction"] == "outbound");
            let by_id: BTreeMap<String, String> = outbound
                .map(|message| {
                    let text = |field: &str| message[field].as_str().unwrap().to_owned();
                    (text("id"), text("status"))
                })
                .collect();
            let has_ended = |status: &String| status == "sent" || status == "unknown";
            if by_id.values().all(has_ended) {
                Ok(by_id)
            } else {
                Err(format!("{by_id:?}"))
            }
        })
        .await;

        println!("{unsent} of {PEOPLE} conversations had not begun at the kill");
        assert_eq!(messages.len(), 2 * PEOPLE);
        for (to, (first, second)) in people.iter().zip(first.iter().zip(&second)) {
            let accepted = tenant.accepted(to);
            for (id, words) in [(first, "first"), (second, "second")] {
                let sent = format!("{words} {WORD}");
                let times = accepted.iter().filter(|text| **text == sent).count();
                match messages[id].as_str() {
                    "sent" => assert_eq!(times, 1, "{words} to {to}: {accepted:?}"),
                    _ => assert!(times <= 1, "{words} to {to}: {accepted:?}"),
                }
            }
            assert!(accepted.is_sorted(), "{accepted:?}");
        }
        // Only what was with the provider at the kill may be unknown.
        let unknown = messages
            .values()
            .filter(|status| *status == "unknown")
            .count();
        assert!(
            unknown <= PEOPLE - unsent,
            "{unknown} unknown, {unsent} conversations unsent"
        );
        let what = "the subscriber hears of the customer";
        let events = eventually_swept(&gateway, PATIENCE, what, async || {
            let events = subscriber.of("message.received");
            if events.is_empty() {
                Err(String::new())
            } else {
                Ok(events)
            }
        })
        .await;
        assert!(events.iter().all(|event| event.id == events[0].id));
        let list = tenant.list("/v1/messages?limit=100").await;
        let inbound = list
            .iter()
            .filter(|message| message["direction"] == "inbound");
        assert_eq!(inbound.count(), 1);
    });
}

#[test]
fn a_send_cut_off_by_a_kill_becomes_unknown_and_lets_the_next_one_go() {
    run(async {
        let gateway = Gateway::start().await;
        let tenant = Tenant::of(&gateway).await;
        let channel = tenant.whatsapp().await;
        let subscriber = tenant.subscriber().await;
        let ana = person();
        tenant.hears(&channel, &ana, "Hello").await;
        gateway.sandbox.fault(Fault::new(&ana, FaultMode::Hang));
        let cut_off = tenant.sends(&channel, &ana, "first").await;
        eventually(SOON, "the provider is called", async || {
            (!tenant.calls(&ana).is_empty())
                .then_some(())
                .ok_or(String::new())
        })
        .await;
        let next = tenant.sends(&channel, &ana, "second").await;
        gateway.kill_9();
        gateway.sandbox.clear_faults();
        gateway.restart().await;

        eventually_swept(
            &gateway,
            PATIENCE,
            "the next one is delivered",
            async || {
                let message = tenant.message(&next).await;
                (message["status"] == "delivered")
                    .then_some(())
                    .ok_or(message.to_string())
            },
        )
        .await;

        let message = tenant.message(&cut_off).await;
        assert_eq!(statuses(&message), ["accepted", "sending", "unknown"]);
        assert_eq!(tenant.accepted(&ana), [format!("second {WORD}")]);
        assert_eq!(tenant.calls(&ana).len(), 2);
        let events = subscriber.receives("message.unknown", 1).await;
        assert_eq!(events[0].data["message"]["id"], cut_off);
    });
}

#[test]
fn a_send_killed_while_its_answer_waits_for_the_provider_is_never_sent_twice() {
    run(async {
        let gateway = Gateway::start().await;
        let tenant = Tenant::of(&gateway).await;
        let channel = tenant.telegram().await;
        let chat = person();
        gateway
            .sandbox
            .fault(Fault::new(&chat, FaultMode::HangAccepted).times(1));
        let path = "/v1/communication/telegram/message";
        let body = json!({
            "from": channel.identifier, "to": chat, "content": {"text": format!("first {WORD}")},
        });
        let send = || {
            let request = tenant.request(Method::POST, path).json(&body);
            Reply::try_of(request.header("idempotency-key", "once"))
        };

        let first = tokio::spawn(send());
        eventually(SOON, "the provider is called", async || {
            (!tenant.calls(&chat).is_empty())
                .then_some(())
                .ok_or(String::new())
        })
        .await;
        let meanwhile = send().await.expect("an answer");
        assert_eq!(meanwhile.status, 409, "{}", meanwhile.text);
        assert_eq!(meanwhile.body["errorCode"], "request_in_progress");
        assert!(meanwhile.header("retry-after").is_some());
        let next = tenant.sends(&channel, &chat, "second").await;
        gateway.kill_9();
        gateway.sandbox.clear_faults();
        let cut_off = first.await.expect("no panic");
        assert!(cut_off.is_err(), "{cut_off:?}");
        gateway.restart().await;

        let what = "the next one is sent";
        eventually_swept(&gateway, PATIENCE, what, async || {
            let message = tenant.message(&next).await;
            (message["status"] == "sent")
                .then_some(())
                .ok_or(message.to_string())
        })
        .await;
        let again = send().await.expect("an answer");
        assert!(again.is_replay(), "{}", again.text);
        let again = again.expect(200);
        assert_eq!(again["status"], "enqueued");
        let id = again["messageId"].as_str().expect("an id");
        let message = tenant.message(id).await;
        assert_eq!(statuses(&message), ["accepted", "sending", "unknown"]);
        let sent = [format!("first {WORD}"), format!("second {WORD}")];
        assert_eq!(tenant.accepted(&chat), sent);
    });
}
