//! What providers report of a message: any order, any number of times, one end.

use crate::support::outgoing::{history, id, report, reports};
use crate::support::world::{CUSTOMER, PAGE_ID, START_MS, messenger_text};
use crate::support::{Answer, Fault, World};
use patchbay::gateway::Queue;
use proptest::prelude::*;
use serde_json::{Value, json};

const DAY_MS: i64 = 24 * 3_600_000;
const STATUSES: [&str; 4] = ["sent", "delivered", "read", "failed"];

fn now_s(world: &World) -> i64 {
    world.ports().now_ms.get() / 1_000
}

/// A message that the provider took as `wamid.1`, with a subscriber to everything.
async fn sent(world: &World) -> (String, Value) {
    let shop = world.open_whatsapp().await;
    world.subscribe_to_all().await;
    let said = world.say(CUSTOMER, "Hello").await;
    world.drain().await;
    world.advance(60_000);
    (shop, said)
}

/// The report of a status, whose time is the same whenever it comes.
fn timed(status: &str, start_s: i64) -> Value {
    let rank = STATUSES
        .iter()
        .position(|known| *known == status)
        .expect("a status");
    report(
        "wamid.1",
        status,
        start_s + 10 + i64::try_from(rank).expect("small"),
    )
}

/// What is left of a message when all is told: its status, times and error.
async fn end(world: &World, said: &Value) -> Value {
    let message = world.now(said).await;
    json!({
        "status": message["status"], "history": message["statusHistory"], "error": message["error"],
        "providerMessageId": message["providerMessageId"],
    })
}

fn in_any_order() -> impl Strategy<Value = (Vec<&'static str>, Vec<bool>)> {
    let shuffled = proptest::sample::subsequence(STATUSES.to_vec(), 1..=4).prop_flat_map(|given| {
        let again = proptest::collection::vec(proptest::sample::select(given.clone()), 0..4);
        (Just(given), again)
            .prop_flat_map(|(given, again)| Just([given, again].concat()).prop_shuffle())
    });
    shuffled.prop_flat_map(|order| {
        let cuts = proptest::collection::vec(any::<bool>(), order.len());
        (Just(order), cuts)
    })
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(work)
}

/// Sends the reports, a webhook up to each cut, and gives back the end.
async fn reported(order: &[&str], cuts: &[bool]) -> (Value, Vec<String>) {
    let world = World::new().await;
    let (shop, said) = sent(&world).await;
    let start = now_s(&world) - 60;
    let mut payload = Vec::new();
    for (status, is_cut) in order.iter().zip(cuts) {
        payload.push(timed(status, start));
        if *is_cut {
            world
                .from_meta(&shop, &reports(&std::mem::take(&mut payload)))
                .await
                .expect(200);
        }
    }
    if !payload.is_empty() {
        world.from_meta(&shop, &reports(&payload)).await.expect(200);
    }
    world.drain().await;
    assert_eq!(
        world.database().count("SELECT COUNT(*) FROM parked_report"),
        0
    );
    (end(&world, &said).await, world.told_of(&said))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reports_in_any_order_and_number_come_to_the_same_end((order, cuts) in in_any_order()) {
        let (end, told) = block_on(reported(&order, &cuts));
        let mut ranked: Vec<&str> = STATUSES.into_iter().filter(|status| order.contains(status)).collect();
        let (straight, _) = block_on(reported(&ranked, &vec![true; ranked.len()]));
        prop_assert_eq!(&end, &straight);
        // Proof of arrival outlives a failure.
        if ranked.len() > 1 && ranked.last() == Some(&"failed") && ranked != ["sent", "failed"] {
            ranked.pop();
        }
        prop_assert_eq!(end["status"].as_str(), ranked.last().copied());
        // Once per change, and never a step back.
        let mut once = told.clone();
        once.sort();
        once.dedup();
        prop_assert_eq!(once.len(), told.len(), "{:?}", told);
        let last = format!("message.{}", ranked.last().expect("a status"));
        prop_assert!(told.contains(&last), "{:?}", told);
    }
}

#[tokio::test]
async fn each_change_is_told_once() {
    let world = World::new().await;
    let (shop, said) = sent(&world).await;
    let at = now_s(&world);
    for status in [
        "sent",
        "delivered",
        "delivered",
        "read",
        "delivered",
        "sent",
        "read",
    ] {
        world
            .from_meta(&shop, &reports(&[report("wamid.1", status, at)]))
            .await
            .expect(200);
    }
    world.drain().await;
    assert_eq!(
        world.told_of(&said),
        ["message.sent", "message.delivered", "message.read"]
    );
    assert_eq!(
        history(&world.now(&said).await),
        ["accepted", "sending", "sent", "delivered", "read"]
    );
}

#[tokio::test]
async fn an_event_shows_the_message_as_it_stood() {
    let world = World::new().await;
    let (shop, said) = sent(&world).await;
    let at = now_s(&world);
    let all = reports(&[
        report("wamid.1", "read", at),
        report("wamid.1", "delivered", at),
    ]);
    world.from_meta(&shop, &all).await.expect(200);
    world.drain().await;
    let told = world.requests_to("hooks.example.com");
    let about = told
        .iter()
        .filter(|event| event["data"]["message"]["id"] == said["id"]);
    let mut seen: Vec<(&str, &str)> = about
        .map(|event| {
            let status = event["data"]["message"]["status"]
                .as_str()
                .expect("a status");
            (event["type"].as_str().expect("a type"), status)
        })
        .collect();
    // Events of one payload may come in any order.
    seen.sort_unstable();
    assert_eq!(
        seen,
        [
            ("message.delivered", "delivered"),
            ("message.read", "read"),
            ("message.sent", "sent"),
        ]
    );
}

#[tokio::test]
async fn a_failure_after_arrival_changes_nothing_and_arrival_after_a_failure_does() {
    let world = World::new().await;
    let (shop, said) = sent(&world).await;
    let at = now_s(&world);
    world
        .from_meta(&shop, &reports(&[report("wamid.1", "delivered", at)]))
        .await
        .expect(200);
    world
        .from_meta(&shop, &reports(&[report("wamid.1", "failed", at)]))
        .await
        .expect(200);
    let message = world.now(&said).await;
    assert_eq!(
        (&message["status"], &message["error"]),
        (&json!("delivered"), &Value::Null)
    );

    let said = world.say(CUSTOMER, "two").await;
    let answer = Answer::Http(200, json!({ "messages": [{ "id": "wamid.2" }] }));
    world.ports().from_provider.borrow_mut().push_back(answer);
    world.drain().await;
    world
        .from_meta(&shop, &reports(&[report("wamid.2", "failed", at)]))
        .await
        .expect(200);
    let message = world.now(&said).await;
    assert_eq!(message["status"], "failed");
    assert_eq!(message["error"]["code"], "provider_rejected");
    assert_eq!(message["error"]["providerCode"], "131026");
    world
        .from_meta(&shop, &reports(&[report("wamid.2", "sent", at)]))
        .await
        .expect(200);
    assert_eq!(
        world.status(&said).await,
        "failed",
        "being sent proves no arrival"
    );
    world
        .from_meta(&shop, &reports(&[report("wamid.2", "delivered", at)]))
        .await
        .expect(200);
    let message = world.now(&said).await;
    assert_eq!(
        (&message["status"], &message["error"]),
        (&json!("delivered"), &Value::Null)
    );
    world.drain().await;
    assert_eq!(
        world.told_of(&said),
        ["message.sent", "message.failed", "message.delivered"]
    );
}

#[tokio::test]
async fn a_time_is_the_providers_and_never_later_than_ours() {
    let world = World::new().await;
    let (shop, said) = sent(&world).await;
    let now = now_s(&world);
    let all = reports(&[
        report("wamid.1", "delivered", now - 30),
        report("wamid.1", "read", now + 900),
    ]);
    world.from_meta(&shop, &all).await.expect(200);
    let at = |s: i64| patchbay::model::time::Timestamp::from_s(s).to_rfc3339();
    let message = world.now(&said).await;
    let entries = message["statusHistory"].as_array().expect("a history");
    assert_eq!(
        entries[3],
        json!({ "status": "delivered", "at": at(now - 30) })
    );
    assert_eq!(entries[4], json!({ "status": "read", "at": at(now) }));
}

/// Delivers while the provider's reports overtake its own answer.
async fn overtaken(world: &World, shop: &str, early: &Value) -> bool {
    let hints = world.take_pushes(Queue::Outbound);
    world.ports().stalls.set(true);
    let report = async {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        world.from_meta(shop, early).await.expect(200);
        world.ports().stalls.set(false);
    };
    let (done, ()) = tokio::join!(world.deliver(&hints), report);
    done
}

#[tokio::test]
async fn a_report_that_overtakes_the_answer_is_parked_and_applied_after_it() {
    let world = World::new().await;
    let shop = world.open_whatsapp().await;
    world.subscribe_to_all().await;
    let said = world.say(CUSTOMER, "Hello").await;
    let at = now_s(&world);
    let early = reports(&[
        report("wamid.1", "read", at),
        report("wamid.1", "delivered", at),
    ]);
    assert!(overtaken(&world, &shop, &early).await);
    let message = world.now(&said).await;
    assert_eq!(message["status"], "read");
    assert_eq!(
        history(&message),
        ["accepted", "sending", "sent", "delivered", "read"]
    );
    assert_eq!(
        world.database().count("SELECT COUNT(*) FROM parked_report"),
        0
    );
    world.drain().await;
    let mut told = world.told_of(&said);
    told.sort();
    assert_eq!(told, ["message.delivered", "message.read", "message.sent"]);
}

#[tokio::test]
async fn a_failure_that_overtakes_the_answer_keeps_its_reason() {
    let world = World::new().await;
    let shop = world.open_whatsapp().await;
    let said = world.say(CUSTOMER, "Hello").await;
    let at = now_s(&world);
    assert!(overtaken(&world, &shop, &reports(&[report("wamid.1", "failed", at)])).await);
    let message = world.now(&said).await;
    assert_eq!(message["status"], "failed");
    assert_eq!(message["error"]["providerCode"], "131026");
}

#[tokio::test]
async fn a_report_with_our_id_that_overtakes_the_answer_is_applied_at_once() {
    let world = World::new().await;
    let shop = world.open_whatsapp().await;
    world.subscribe_to_all().await;
    let said = world.say(CUSTOMER, "Hello").await;
    let next = world.say(CUSTOMER, "next").await;
    let mut early = report("wamid.1", "delivered", now_s(&world));
    early["biz_opaque_callback_data"] = said["id"].clone();
    assert!(overtaken(&world, &shop, &reports(&[early])).await);
    world.drain().await;
    let message = world.now(&said).await;
    assert_eq!(message["status"], "delivered");
    assert_eq!(message["providerMessageId"], "wamid.1");
    assert_eq!(
        world.told_of(&said).last().map(String::as_str),
        Some("message.delivered")
    );
    assert_eq!(world.status(&next).await, "sent");
    assert_eq!(world.texts_sent(), ["Hello", "next"]);
    world
        .from_meta(&shop, &reports(&[report("wamid.1", "sent", now_s(&world))]))
        .await
        .expect(200);
    let message = world.now(&said).await;
    assert_eq!(
        history(&message),
        ["accepted", "sending", "sent", "delivered"]
    );
}

#[tokio::test]
async fn the_sweep_applies_what_a_crash_left_parked() {
    for foreign in [0, 150, 1_500] {
        let world = World::new().await;
        let shop = world.open_whatsapp().await;
        world.subscribe_to_all().await;
        let said = world.say(CUSTOMER, "Hello").await;
        world.take_pushes(Queue::Events);
        let hints = world.take_pushes(Queue::Outbound);
        world.ports().stalls.set(true);
        // The reports come first; the record is made, and what follows it is not.
        let crash = async {
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            let early = reports(&[report("wamid.1", "delivered", now_s(&world))]);
            world.from_meta(&shop, &early).await.expect(200);
            *world.database().faults.borrow_mut() = vec![Fault::After, Fault::After];
            world.ports().stalls.set(false);
        };
        let (done, ()) = tokio::join!(world.deliver(&hints), crash);
        assert!(!done);
        assert_eq!(world.status(&said).await, "sent");
        // Reports of messages sent by others, through the same number.
        let others: Vec<Value> = (0..foreign)
            .map(|number| report(&format!("wamid.foreign.{number}"), "sent", now_s(&world)))
            .collect();
        if foreign > 0 {
            world.from_meta(&shop, &reports(&others)).await.expect(200);
        }
        // However many there are: each run looks at some of them.
        for _ in 0..60 {
            world.advance(60_000);
            world.gateway.sweep().await;
            world.drain().await;
        }
        assert_eq!(
            world.status(&said).await,
            "delivered",
            "with {foreign} foreign reports"
        );
        let mut told = world.told_of(&said);
        told.sort();
        assert_eq!(told, ["message.delivered", "message.sent"]);
        let left = world.database().count("SELECT COUNT(*) FROM parked_report");
        assert_eq!(left, foreign);
    }
}

#[tokio::test]
async fn a_report_with_our_id_settles_an_unknown_message() {
    for (status, ends) in [
        ("sent", "sent"),
        ("delivered", "delivered"),
        ("read", "read"),
        ("failed", "failed"),
    ] {
        let world = World::new().await;
        let shop = world.open_whatsapp().await;
        world.subscribe_to_all().await;
        let said = world.say(CUSTOMER, "Hello").await;
        world
            .ports()
            .from_provider
            .borrow_mut()
            .push_back(Answer::NoAnswer);
        world.drain().await;
        assert_eq!(world.status(&said).await, "unknown");
        let mut known = report("wamid.7", status, now_s(&world));
        known["biz_opaque_callback_data"] = said["id"].clone();
        world.from_meta(&shop, &reports(&[known])).await.expect(200);
        let message = world.now(&said).await;
        assert_eq!(message["status"], ends);
        assert_eq!(message["providerMessageId"], "wamid.7");
        // From now on the provider's id is enough.
        world
            .from_meta(&shop, &reports(&[report("wamid.7", "read", now_s(&world))]))
            .await
            .expect(200);
        assert_eq!(world.status(&said).await, "read");
        world.drain().await;
        let told = world.told_of(&said);
        assert_eq!(told.first().map(String::as_str), Some("message.unknown"));
        assert_eq!(told.get(1), Some(&format!("message.{status}")));
    }
}

#[tokio::test]
async fn a_report_with_our_id_settles_a_message_that_waits_to_be_sent_again() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let settings = json!({ "onUnknownOutcome": "resend", "enforceWindow": false });
    world
        .patch_channel(&shop, json!({ "settings": settings }))
        .await;
    let said = world.say(CUSTOMER, "Hello").await;
    let next = world.say(CUSTOMER, "next").await;
    world
        .ports()
        .from_provider
        .borrow_mut()
        .push_back(Answer::NoAnswer);
    world.drain().await;
    assert_eq!(world.status(&said).await, "accepted");
    let mut known = report("wamid.7", "sent", now_s(&world));
    known["biz_opaque_callback_data"] = said["id"].clone();
    world.from_meta(&shop, &reports(&[known])).await.expect(200);
    assert_eq!(world.status(&said).await, "sent");
    world.advance(60_000);
    world.gateway.sweep().await;
    world.drain().await;
    assert_eq!(
        world.texts_sent(),
        ["Hello", "next"],
        "it need not be sent again"
    );
    assert_eq!(world.status(&next).await, "sent");
}

#[tokio::test]
async fn nobody_elses_message_is_touched_by_our_id() {
    let mut world = World::new().await;
    world.open_whatsapp().await;
    let said = world.say(CUSTOMER, "Hello").await;
    world
        .ports()
        .from_provider
        .borrow_mut()
        .push_back(Answer::NoAnswer);
    world.drain().await;
    let (_, key) = world.new_workspace("Other").await;
    let owner = std::mem::replace(&mut world.key, key);
    let other = world.whatsapp().await;
    let mut forged = report("wamid.forged", "read", now_s(&world));
    forged["biz_opaque_callback_data"] = said["id"].clone();
    world
        .from_meta(&other, &reports(&[forged]))
        .await
        .expect(200);
    world.key = owner;
    let message = world.now(&said).await;
    assert_eq!(
        (&message["status"], &message["providerMessageId"]),
        (&json!("unknown"), &Value::Null)
    );
}

#[tokio::test]
async fn a_customers_own_message_has_no_reports() {
    let world = World::new().await;
    let shop = world.open_whatsapp().await;
    let before = world.database().dump();
    let own = reports(&[report("wamid.in", "read", now_s(&world))]);
    world.from_meta(&shop, &own).await.expect(200);
    assert_eq!(world.database().dump(), before);
}

#[tokio::test]
async fn reports_of_messages_nobody_knows_are_kept_for_retention() {
    let world = World::new().await;
    let (shop, said) = sent(&world).await;
    let parked = || world.database().count("SELECT COUNT(*) FROM parked_report");
    let foreign = [
        report("wamid.foreign", "sent", 1),
        report("wamid.foreign", "read", 2),
    ];
    for _ in 0..3 {
        world.from_meta(&shop, &reports(&foreign)).await.expect(200);
    }
    assert_eq!(parked(), 2, "each once");
    let own = reports(&[foreign[0].clone(), report("wamid.1", "read", now_s(&world))]);
    world.from_meta(&shop, &own).await.expect(200);
    assert_eq!(
        world.status(&said).await,
        "read",
        "one that is foreign hides none of ours"
    );
    world.advance(30 * DAY_MS - 1);
    world.gateway.sweep().await;
    assert_eq!(parked(), 2);
    world.advance(1);
    world.gateway.sweep().await;
    assert_eq!(parked(), 0);
    assert_eq!(id(&said).len(), 36);
}

/// Somebody's watermark on Messenger, as of so many milliseconds.
fn watermark(of: &str, person: &str, at_ms: i64) -> Value {
    json!({
        "object": "page",
        "entry": [{ "id": PAGE_ID, "time": at_ms, "messaging": [{
            "sender": { "id": person }, "recipient": { "id": PAGE_ID },
            "timestamp": at_ms, of: { "watermark": at_ms },
        }] }],
    })
}

#[tokio::test]
async fn a_watermark_reaches_what_was_sent_by_then_and_nothing_else() {
    let world = World::new().await;
    let page = world.messenger().await;
    world.subscribe("https://hooks.example.com/x", &["*"]).await;
    let people = ["6543217890123456", "6543217890123457"];
    let mut sent = Vec::new();
    for person in people {
        let text = messenger_text(person, person, "Hi", START_MS);
        world.from_meta(&page, &text).await.expect(200);
    }
    for person in [people[0], people[1], people[0]] {
        world.advance(1_000);
        let body = json!({
            "from": page, "to": person, "content": { "type": "text", "text": "Hello" },
        });
        let message = world.post("/v1/messages", body).await.expect(202);
        sent.push(message["id"].as_str().expect("an id").to_owned());
        world.drain().await;
    }
    world.advance(1_000);
    let statuses = async || {
        let mut statuses = Vec::new();
        for id in &sent {
            let shown = world.get(&format!("/v1/messages/{id}")).await;
            statuses.push(shown["status"].as_str().expect("a status").to_owned());
        }
        statuses
    };
    let marks = async |of: &str, at_ms: i64| {
        let payload = watermark(of, people[0], at_ms);
        world.from_meta(&page, &payload).await.expect(200);
    };
    marks("delivery", START_MS + 500).await;
    assert_eq!(statuses().await, ["sent", "sent", "sent"]);
    marks("read", START_MS + 2_500).await;
    assert_eq!(statuses().await, ["read", "sent", "sent"]);
    // A repeat, and what comes too late, move nothing back and tell nothing anew.
    marks("read", START_MS + 2_500).await;
    marks("delivery", START_MS + 9_000).await;
    assert_eq!(statuses().await, ["read", "sent", "delivered"]);
    world.advance(9_000);
    marks("read", START_MS + 9_000).await;
    assert_eq!(statuses().await, ["read", "sent", "read"]);
    world.drain().await;
    let told = world.database().query(
        "SELECT e.type, COUNT(*) AS count FROM event e JOIN delivery d ON d.event_id = e.id AND d.status = 'delivered'
         WHERE e.type IN ('message.read', 'message.delivered') GROUP BY e.type ORDER BY e.type",
    );
    assert_eq!(
        json!(told),
        json!([
            { "type": "message.delivered", "count": 1 }, { "type": "message.read", "count": 2 },
        ])
    );
}
