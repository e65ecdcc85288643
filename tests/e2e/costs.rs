//! What a request costs on Cloudflare: round trips to D1, rows written, sends to queues.

use std::collections::BTreeMap;

use patchbay_sandbox::StatusUpdate;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Api, Gateway, Reply, Tenant, person, run, text, unique};

type Cost = BTreeMap<String, u32>;

async fn send(api: &Api, key: Option<&str>, body: &Value) -> Cost {
    let mut request = api.request(Method::POST, "/v1/messages").json(body);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let reply = Reply::of(request).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    reply.cost()
}

fn show(what: &str, cost: &Cost) {
    println!("cost of {what}: {cost:?}");
}

#[test]
fn an_accepted_message_costs_one_round_trip_and_one_queue_send() {
    run(async {
        let gateway = Gateway::shared().await;
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        let chat = person();
        let body = text(&channel, &chat, "Hello");
        let fresh = tenant.with_key(gateway, &json!({"name": "Fresh"})).await;
        let key = || format!("cost-{}", unique());

        let cold = send(&fresh, Some(&key()), &body).await;
        show("a cold send to a new address, with a key", &cold);
        let known = send(&fresh, Some(&key()), &body).await;
        show("a send to a known address, with a key", &known);
        let mut named = body.clone();
        named["clientMessageId"] = json!(key());
        let named = send(&fresh, Some(&key()), &named).await;
        show(
            "a send to a known address, with a key and a clientMessageId",
            &named,
        );
        let bare = send(&fresh, None, &body).await;
        show("a send to a known address, without a key", &bare);
        let new = text(&channel, &person(), "Hello");
        let new = send(&fresh, Some(&key()), &new).await;
        show("a send to a new address, with a key", &new);
        let conversation = tenant
            .list("/v1/conversations")
            .await
            .iter()
            .find(|conversation| conversation["contact"]["address"] == chat.as_str())
            .map(|conversation| conversation["id"].clone())
            .expect("a conversation");
        let mut answer = body.clone();
        answer["to"] = conversation;
        let answer = send(&fresh, Some(&key()), &answer).await;
        show("a send to a conversation, with a key", &answer);

        assert!(cold["d1"] <= 2, "{cold:?}");
        for warm in [&known, &named, &bare, &new, &answer] {
            assert_eq!((warm["d1"], warm["queue"]), (1, 1), "{warm:?}");
        }
        assert!(known["written"] <= 7, "{known:?}");
        assert!(answer["written"] <= 7, "{answer:?}");
        assert!(named["written"] <= 8, "{named:?}");
        assert!(new["written"] <= 13, "{new:?}");
    });
}

#[test]
fn a_content_that_becomes_several_messages_still_costs_one_round_trip_and_one_queue_send() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.messenger().await;
        let ana = person();
        tenant.hears(&channel, &ana, "Hello").await;
        let key = || format!("cost-{}", unique());
        let whole = text(&channel, &ana, "Hello");
        send(&tenant, Some(&key()), &whole).await;
        let mut split = whole.clone();
        split["content"] = json!({
            "type": "image", "url": "https://shop.example/shirt.png", "caption": "A shirt",
        });

        let whole = send(&tenant, Some(&key()), &whole).await;
        show("a send to a known address, with a key", &whole);
        let split = send(&tenant, Some(&key()), &split).await;
        show("the same of a picture and its caption apart", &split);

        for cost in [&whole, &split] {
            assert_eq!((cost["d1"], cost["queue"]), (1, 1), "{cost:?}");
        }
        assert!(whole["written"] <= 7, "{whole:?}");
        // One message row more, with what it is found by.
        assert!(split["written"] <= whole["written"] + 5, "{split:?}");
    });
}

#[test]
fn a_replay_writes_nothing_and_queues_nothing() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        let body = text(&channel, &person(), "Hello");
        let key = format!("cost-{}", unique());
        send(&tenant, Some(&key), &body).await;

        let replay = send(&tenant, Some(&key), &body).await;

        show("a replay", &replay);
        assert!(replay["d1"] <= 2, "{replay:?}");
        assert_eq!((replay["written"], replay["queue"]), (0, 0), "{replay:?}");
    });
}

#[test]
fn a_providers_webhook_costs_one_round_trip() {
    run(async {
        for has_subscriber in [false, true] {
            let tenant = Tenant::new().await;
            let channel = tenant.whatsapp().await;
            if has_subscriber {
                tenant.subscriber().await;
            }
            let ana = person();
            let with = if has_subscriber { "with" } else { "without" };
            let mut costs = Vec::new();
            for words in ["first", "second", "third"] {
                let played = tenant.unheard(&channel, &ana, words).await;
                let reply = tenant.post_callback(&played).await;
                assert_eq!(reply.status, 200);
                show(
                    &format!("the {words} inbound message, {with} an endpoint"),
                    &reply.cost(),
                );
                costs.push(reply.cost());
                if words == "third" {
                    let again = tenant.post_callback(&played).await.cost();
                    show(&format!("its repetition, {with} an endpoint"), &again);
                    // The channel's own last activity may be noted.
                    assert!(again["d1"] == 1 && again["written"] <= 1, "{again:?}");
                    assert_eq!(again["queue"], 0, "{again:?}");
                }
            }
            assert!(costs[0]["d1"] <= 2, "{costs:?}");
            for warm in &costs[1..] {
                assert_eq!(warm["d1"], 1, "{warm:?}");
                assert_eq!(warm["queue"], u32::from(has_subscriber), "{warm:?}");
                assert!(warm["written"] <= 9, "{warm:?}");
            }
        }
    });
}

#[test]
fn what_is_read_does_not_grow_with_what_is_stored() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant
            .whatsapp_with(|number| number.auto_status = false)
            .await;
        tenant.subscriber().await;
        let ana = person();
        let mut read: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        let mut note = |what, reply: &Reply| {
            read.entry(what).or_default().push(reply.cost()["read"]);
        };
        for n in 0..30 {
            let known = tenant.unheard(&channel, &ana, "Hello").await;
            note(
                "inbound from a known person",
                &tenant.post_callback(&known).await,
            );
            let somebody = person();
            let new = tenant.unheard(&channel, &somebody, "Hello").await;
            note(
                "inbound from a new person",
                &tenant.post_callback(&new).await,
            );
            let body = text(&channel, &ana, &format!("number {n}"));
            let sent = tenant.post("/v1/messages", &body).await;
            note("send to a known person", &sent);
            let message = tenant
                .becomes(sent.body["id"].as_str().unwrap(), "sent")
                .await;
            let id = message["providerMessageId"].as_str().unwrap();
            let mut delivered = StatusUpdate::new(&channel.account, id, "delivered");
            delivered.deliver = false;
            let delivered = tenant.sandbox.status(delivered).await.unwrap();
            note("status report", &tenant.post_callback(&delivered).await);
        }
        let bot = tenant.telegram().await;
        for _ in 0..30 {
            let body = text(&bot, &person(), "Hello");
            note(
                "send to a new person",
                &tenant.post("/v1/messages", &body).await,
            );
        }
        for (what, read) in &read {
            println!("rows read by {what}, one after the other: {read:?}");
        }
        for (what, read) in read {
            assert!(read[29] <= read[4] + 5, "{what}: {read:?}");
        }
    });
}

#[test]
fn a_page_costs_at_most_two_round_trips_and_does_not_grow_with_the_table() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        tenant.subscriber().await;
        let chat = person();
        tenant.hears(&channel, &chat, "Hello").await;
        let conversation = tenant.conversation().await["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let lists = [
            "/v1/channels?limit=2".to_owned(),
            "/v1/messages?limit=2".to_owned(),
            "/v1/messages?limit=2&status=sent".to_owned(),
            "/v1/conversations?limit=2".to_owned(),
            format!("/v1/conversations/{conversation}/messages?limit=2"),
            "/v1/webhooks?limit=2".to_owned(),
        ];
        let mut read = Vec::new();
        for messages in [5, 30] {
            for n in 0..messages {
                tenant.sends(&channel, &chat, &format!("number {n}")).await;
            }
            let mut rows = Vec::new();
            for path in &lists {
                let reply = tenant.get(path).await;
                assert_eq!(reply.status, 200, "{}", reply.text);
                let cost = reply.cost();
                let path = path.replace(&conversation, "{id}");
                show(&format!("GET {path} after {messages} more messages"), &cost);
                assert!(cost["d1"] <= 2, "{path}: {cost:?}");
                assert_eq!((cost["written"], cost["queue"]), (0, 0), "{path}: {cost:?}");
                rows.push(cost["read"]);
            }
            read.push(rows);
        }
        // Not the filtered one, which looks at what it passes over.
        for (at, path) in lists
            .iter()
            .enumerate()
            .filter(|(_, path)| !path.contains("status="))
        {
            assert!(read[1][at] <= read[0][at] + 5, "{path}: {read:?}");
        }
    });
}
