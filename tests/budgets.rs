//! What a webhook may cost, however much is in it: round trips, pushes, the size of what is
//! bound, and rows looked at by what came, not by what is there.

use crate::support::World;
use crate::support::world::{CUSTOMER, PAGE_ID, PHONE_NUMBER_ID, START_MS};
use serde_json::{Value, json};

const HOOK: &str = "https://subscriber.example/hook";

/// A payload of WhatsApp with an entry for each value.
fn whatsapp(values: impl Iterator<Item = Value>) -> Value {
    let entries = values.map(|mut value| {
        value["metadata"] = json!({ "phone_number_id": PHONE_NUMBER_ID });
        json!({ "id": "102290129340398", "changes": [{ "field": "messages", "value": value }] })
    });
    json!({ "object": "whatsapp_business_account", "entry": entries.collect::<Vec<_>>() })
}

/// A payload of Messenger with an entry for each event.
fn messenger(events: impl Iterator<Item = Value>) -> Value {
    let entries =
        events.map(|event| json!({ "id": PAGE_ID, "time": START_MS, "messaging": [event] }));
    json!({ "object": "page", "entry": entries.collect::<Vec<_>>() })
}

fn whatsapp_text(number: usize, name: &str, text: &str) -> Value {
    let from = format!("55119{:08}", number % 300);
    json!({ "contacts": [{ "profile": { "name": "Ada" }, "wa_id": from }], "messages": [{
        "from": from, "id": format!("wamid.{name}.{number}"), "timestamp": "1795161000",
        "type": "text", "text": { "body": text } }] })
}

fn whatsapp_status(number: usize, name: &str) -> Value {
    let status = ["sent", "delivered", "read", "failed"][number % 4];
    json!({ "statuses": [{ "id": format!("wamid.out.{name}.{number}"), "status": status,
        "timestamp": "1795161000", "recipient_id": CUSTOMER,
        "errors": [{ "code": 131_026, "title": "Message undeliverable" }] }] })
}

fn messenger_event(number: usize, what: &str, value: Value) -> Value {
    json!({ "sender": { "id": format!("6543{:08}", number % 300) }, "recipient": { "id": PAGE_ID },
        "timestamp": START_MS - 1_000, what: value })
}

fn messenger_text(number: usize, name: &str, text: &str) -> Value {
    let mid = format!("m_{name}.{number}");
    messenger_event(number, "message", json!({ "mid": mid, "text": text }))
}

/// Posts a payload and holds it to the budgets of a webhook.
async fn hold(world: &World, channel: &str, payload: &Value, most_trips: u32) {
    let (database, ports) = (world.database(), world.ports());
    let (trips, pushes) = (database.round_trips.get(), ports.pushes.get());
    ports.pushed.borrow_mut().clear();
    database.longest_parameter.set(0);
    world.from_meta(channel, payload).await.expect(200);
    let trips = database.round_trips.get() - trips;
    assert!(trips <= most_trips, "{trips} round trips");
    assert!(ports.pushes.get() - pushes <= 1, "one batch of hints");
    assert!(ports.pushed.borrow().len() <= 100);
    let longest = database.longest_parameter.get();
    assert!(longest < 1_000_000, "{longest} bytes bound at once");
}

/// Which of `thousands` are about whatever was sent before.
const WATERMARKS: usize = 4;

/// A thousand entries of each kind, under a name of their own.
fn thousands(name: &str) -> [(&'static str, Value); 7] {
    let each = || 0..1_000_usize;
    let text = "Is it open today?";
    [
        (
            "whatsapp",
            whatsapp(each().map(|at| whatsapp_text(at, name, text))),
        ),
        (
            "whatsapp",
            whatsapp(each().map(|at| whatsapp_status(at, name))),
        ),
        (
            "messenger",
            messenger(each().map(|at| messenger_text(at, name, text))),
        ),
        (
            "messenger",
            messenger(each().map(|at| {
                let mids = json!({ "mids": [format!("m_out.{name}.{at}")] });
                messenger_event(at, "delivery", mids)
            })),
        ),
        (
            "messenger",
            messenger(
                each().map(|at| messenger_event(at, "read", json!({ "watermark": START_MS }))),
            ),
        ),
        (
            "messenger",
            messenger(each().map(|at| {
                let mid = format!("m_{name}.{at}");
                messenger_event(
                    at,
                    "reaction",
                    json!({ "mid": mid, "emoji": "\u{1f44d}", "action": "react" }),
                )
            })),
        ),
        (
            "messenger",
            messenger(each().map(|at| {
                let mid = format!("m_{name}.{at}");
                messenger_event(
                    at,
                    "message_edit",
                    json!({ "mid": mid, "text": "Or tomorrow?", "num_edit": 1 }),
                )
            })),
        ),
    ]
}

#[tokio::test]
async fn a_thousand_entries_cost_what_one_does() {
    let mut world = World::new().await;
    let channels = [world.whatsapp().await, world.messenger().await];
    world.subscribe(HOOK, &["*"]).await;
    let channel_of = |provider: &str| &channels[usize::from(provider == "messenger")];
    for (name, most_trips) in [("cold", 2), ("warm", 1)] {
        for (provider, payload) in thousands(name) {
            if name == "cold" {
                world.forget();
            }
            hold(&world, channel_of(provider), &payload, most_trips).await;
        }
    }
    let count = |what: &str| {
        world
            .database()
            .count(&format!("SELECT COUNT(*) FROM {what}"))
    };
    assert_eq!(count("message"), 4_000);
    assert_eq!(count("conversation"), 600);
    assert_eq!(count("message WHERE edited_at IS NOT NULL"), 2_000);
    assert_eq!(count("parked_report"), 4_000);
    assert_eq!(count("event WHERE type = 'message.received'"), 4_000);
    assert_eq!(count("event WHERE type = 'message.reaction'"), 2_000);
}

#[tokio::test]
async fn three_megabytes_of_many_small_things_are_stored_whole() {
    const SIZE: std::ops::Range<usize> = 2_800_000..4_194_304;
    let mut world = World::new().await;
    let whatsapp_channel = world.whatsapp().await;
    let messenger_channel = world.messenger().await;
    world.subscribe(HOOK, &["message.received"]).await;
    let text = "é".repeat(500);
    let payloads = [
        (
            &whatsapp_channel,
            whatsapp((0..2_250).map(|at| whatsapp_text(at, "many", &text))),
        ),
        (
            &whatsapp_channel,
            whatsapp((0..10_500).map(|at| whatsapp_status(at, "many"))),
        ),
        (
            &messenger_channel,
            messenger((0..2_450).map(|at| messenger_text(at, "many", &text))),
        ),
    ];
    for (channel, payload) in payloads {
        let size = payload.to_string().len();
        assert!(SIZE.contains(&size), "{size}");
        world.forget();
        hold(&world, channel, &payload, 2).await;
    }
    let count = |what: &str| {
        world
            .database()
            .count(&format!("SELECT COUNT(*) FROM {what}"))
    };
    assert_eq!(count("message"), 4_700);
    assert_eq!(count("parked_report"), 10_500);
    assert_eq!(count("event"), 4_700);
}

#[tokio::test]
async fn what_is_looked_at_follows_the_payload_and_not_what_is_there() {
    let world = World::new().await;
    let channels = [world.whatsapp().await, world.messenger().await];
    world.subscribe(HOOK, &["*"]).await;
    let channel_of = |provider: &str| &channels[usize::from(provider == "messenger")];
    let small = |name: &str| {
        thousands(name).map(|(provider, mut payload)| {
            let entries = payload["entry"].as_array_mut().expect("entries");
            entries.truncate(20);
            (provider, payload)
        })
    };
    let mut costs = Vec::new();
    for name in ["first", "second", "third"] {
        let mut cost = Vec::new();
        for (provider, payload) in small(name) {
            let before = world.database().steps.get();
            hold(&world, channel_of(provider), &payload, 2).await;
            cost.push(world.database().steps.get() - before);
        }
        costs.push(cost);
        // Between the second and the third a table grows fiftyfold.
        if name == "second" {
            for (provider, payload) in thousands("bulk") {
                world
                    .from_meta(channel_of(provider), &payload)
                    .await
                    .expect(200);
            }
        }
    }
    // Of the first, people and conversations were new.
    for (kind, (before, after)) in costs[1].iter().zip(&costs[2]).enumerate() {
        if kind == WATERMARKS {
            // Each looks at so many of the newest messages at most.
            assert!(*after < 20 * 50 * 20, "{after}");
            continue;
        }
        assert!(
            *after <= before * 5 / 4 + 200,
            "kind {kind}: {before} then {after}"
        );
    }
}
