//! No sender is faster than its provider takes it, and nothing fails for being fast.

use crate::support::outgoing::{id, text};
use crate::support::{Answer, World};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;

/// Runs consumers and lets time go by for so long.
async fn live(world: &World, ms: i64) {
    let end = world.ports().now_ms.get() + ms;
    loop {
        world.drain().await;
        let now = world.ports().now_ms.get();
        if now >= end {
            return;
        }
        let pushed = world.ports().pushed.borrow();
        let next = pushed.iter().map(|(_, _, due)| *due).min();
        let next = next.unwrap_or(end).clamp(now + 1, end);
        drop(pushed);
        world.advance(next - now);
    }
}

/// When messages were first handed to the provider, oldest first.
fn sent_at(world: &World) -> Vec<i64> {
    let rows = world
        .database()
        .query("SELECT started_at FROM attempt ORDER BY started_at");
    let times = rows.iter().map(|row| row["started_at"].as_i64());
    times.map(|at| at.expect("a time")).collect()
}

/// The most within any such time.
fn most_within(times: &[i64], ms: i64) -> usize {
    let from = |first: i64| {
        let within = times.iter().filter(|at| (0..ms).contains(&(**at - first)));
        within.count()
    };
    times.iter().map(|first| from(*first)).max().unwrap_or(0)
}

fn sent(world: &World) -> i64 {
    world
        .database()
        .count("SELECT COUNT(*) FROM message WHERE direction = 'outbound' AND status = 'sent'")
}

fn from_bot(to: &str, words: &str) -> Value {
    let mut body = text(to, words);
    body["from"] = json!("patchbay_bot");
    body
}

#[tokio::test]
async fn a_number_sends_eighty_messages_a_second_and_no_more() {
    let world = World::new().await;
    world.unenforced_whatsapp().await;
    for person in 0..500 {
        world.say(&format!("55119{person:08}"), "Hello").await;
    }
    let start = world.ports().now_ms.get();
    live(&world, 8 * SECOND_MS).await;
    assert_eq!(sent(&world), 500, "none failed");
    let times = sent_at(&world);
    let most = most_within(&times, SECOND_MS);
    assert!((80..=97).contains(&most), "{most} within a second");
    let last = times[times.len() - 1] - start;
    assert!(last <= 7 * SECOND_MS, "{last} ms for 500 messages");
}

#[tokio::test]
async fn a_receiver_gets_a_burst_of_45_and_then_one_in_six_seconds_in_order() {
    let world = World::new().await;
    world.unenforced_whatsapp().await;
    for number in 0..60 {
        world.say("5511900000001", &number.to_string()).await;
    }
    let other = world.say("5511900000002", "other").await;
    let start = world.ports().now_ms.get();
    live(&world, 5 * SECOND_MS).await;
    assert_eq!(sent(&world), 46, "and one to somebody else");
    assert_eq!(world.status(&other).await, "sent");
    live(&world, 2 * MINUTE_MS).await;
    let mut texts = world.texts_sent();
    texts.retain(|text| text != "other");
    let expected: Vec<String> = (0..60).map(|number: i32| number.to_string()).collect();
    assert_eq!(texts, expected, "none is refused, none overtakes");
    let last = sent_at(&world).pop().expect("a time") - start;
    assert!(
        (15 * 6 * SECOND_MS..16 * 6 * SECOND_MS).contains(&last),
        "{last}"
    );
}

#[tokio::test]
async fn telegram_takes_a_message_a_second_in_a_chat_and_twenty_a_minute_in_a_group() {
    let world = World::new().await;
    world.telegram().await;
    for (chat, within, most) in [("77", 10 * SECOND_MS, 12), ("-1001", MINUTE_MS, 20)] {
        world.database().query("DELETE FROM attempt");
        for number in 0..40 {
            let body = from_bot(chat, &number.to_string());
            world.post("/v1/messages", body).await.expect(202);
        }
        live(&world, 3 * MINUTE_MS).await;
        let times = sent_at(&world);
        assert_eq!(times.len(), 40, "{chat}");
        assert_eq!(most_within(&times, within), most, "{chat}");
        let of_chat = world.requests_to("telegram.test");
        let texts = of_chat
            .iter()
            .filter(|it| it["chat_id"].to_string().contains(chat));
        let texts: Vec<&str> = texts
            .map(|it| it["text"].as_str().expect("a text"))
            .collect();
        let expected: Vec<String> = (0..40).map(|number| number.to_string()).collect();
        assert_eq!(texts, expected, "{chat}");
    }
}

#[tokio::test]
async fn a_bot_sends_thirty_messages_a_second() {
    let world = World::new().await;
    world.telegram().await;
    for person in 0..150 {
        let body = from_bot(&format!("5550{person:04}"), "Hello");
        world.post("/v1/messages", body).await.expect(202);
    }
    live(&world, 8 * SECOND_MS).await;
    assert_eq!(sent(&world), 150);
    let times = sent_at(&world);
    let most = most_within(&times, SECOND_MS);
    assert!((30..=37).contains(&most), "{most}");
    assert!(times[149] - times[0] <= 6 * SECOND_MS);
}

#[tokio::test]
async fn a_channel_may_say_how_fast_it_sends() {
    let world = World::new().await;
    let number = world.sms().await;
    let patch = json!({ "settings": { "messagesPerSecond": 2 } });
    let channel = world.patch_channel(&number, patch).await;
    assert_eq!(channel["settings"]["messagesPerSecond"], 2);
    for person in 0..20 {
        let mut body = text(&format!("+155501990{person:02}"), "Hello");
        body["from"] = json!(number);
        world.post("/v1/messages", body).await.expect(202);
    }
    live(&world, 12 * SECOND_MS).await;
    let times = sent_at(&world);
    assert_eq!(times.len(), 20);
    assert_eq!(most_within(&times, SECOND_MS), 2);
    let nothing = json!({ "settings": { "messagesPerSecond": null } });
    let channel = world.patch_channel(&number, nothing).await;
    assert_eq!(channel["settings"].get("messagesPerSecond"), None);
}

#[tokio::test]
async fn a_page_sends_ten_videos_a_second() {
    let world = World::new().await;
    let page = world.messenger().await;
    let patch = json!({ "settings": { "enforceWindow": false } });
    world.patch_channel(&page, patch).await;
    for person in 0..40 {
        let content = json!({ "type": "video", "url": "https://files.example/a.mp4" });
        let body = json!({ "from": page, "to": format!("77{person:08}"), "content": content });
        world.post("/v1/messages", body).await.expect(202);
    }
    live(&world, 6 * SECOND_MS).await;
    let times = sent_at(&world);
    assert_eq!(times.len(), 40);
    assert!((10..=12).contains(&most_within(&times, SECOND_MS)));
}

#[tokio::test]
async fn a_throttle_of_the_sender_holds_up_its_other_messages_and_no_other_sender() {
    let world = World::new().await;
    world.unenforced_whatsapp().await;
    world.telegram().await;
    let throttled = world.say("5511900000001", "first").await;
    let slow = json!({ "error": { "code": 130_429, "message": "slow down" } });
    let slow = Answer::Headed(429, vec![("retry-after", "30".to_owned())], slow);
    world.ports().from_provider.borrow_mut().push_back(slow);
    world.drain().await;
    let mut behind = Vec::new();
    for person in 0..20 {
        behind.push(world.say(&format!("55118{person:08}"), "Hello").await);
    }
    let elsewhere = world.post("/v1/messages", from_bot("77", "Hello")).await;
    let elsewhere = elsewhere.expect(202);
    let start = world.ports().now_ms.get();
    live(&world, 29 * SECOND_MS).await;
    assert_eq!(
        world.requests_to("graph.test").len(),
        1,
        "only the first was tried"
    );
    assert_eq!(world.status(&elsewhere).await, "sent");
    assert_eq!(world.status(&throttled).await, "accepted");
    world.gateway.sweep().await;
    live(&world, 4 * SECOND_MS).await;
    for message in behind.iter().chain([&throttled]) {
        let message = world.now(message).await;
        assert_eq!(message["status"], "sent");
    }
    let times = sent_at(&world);
    assert!(
        times
            .iter()
            .all(|at| *at <= start || *at >= start + 30 * SECOND_MS)
    );
}

#[tokio::test]
async fn a_send_before_the_answer_that_is_too_fast_is_enqueued_and_goes_on() {
    let world = World::new().await;
    world.telegram().await;
    let mut statuses = Vec::new();
    for number in 0..5 {
        let body = json!({ "from": "@patchbay_bot", "to": "77", "content": { "text": number.to_string() } });
        let path = "/v1/communication/telegram/message";
        let answer = world.post(path, body).await.expect(200);
        statuses.push(answer["status"].as_str().expect("a status").to_owned());
    }
    assert_eq!(statuses, ["sent", "sent", "sent", "enqueued", "enqueued"]);
    live(&world, 4 * SECOND_MS).await;
    assert_eq!(sent(&world), 5);
    let times = sent_at(&world);
    assert_eq!(times[4] - times[0], 2 * SECOND_MS);
}

#[tokio::test]
async fn one_that_hangs_holds_up_nobody_else() {
    let world = World::new().await;
    world.unenforced_whatsapp().await;
    let mut said = Vec::new();
    for person in 0..51 {
        said.push(world.say(&format!("55117{person:08}"), "Hello").await);
    }
    let hints = world.take_pushes(patchbay::gateway::Queue::Outbound);
    world.ports().hangs_on.set(Some("5511700000002"));
    let watch = async {
        for _ in 0..3_000 {
            tokio::task::yield_now().await;
        }
        let before = sent(&world);
        world.ports().hangs_on.set(None);
        before
    };
    let (done, before) = tokio::join!(world.deliver(&hints), watch);
    assert!(done);
    assert_eq!(before, 50, "all others, while one hangs");
    assert!(world.ports().most_in_flight.get() <= 6);
    for message in &said {
        assert_eq!(world.status(message).await, "sent");
    }
}

#[tokio::test]
async fn a_message_too_late_or_on_a_dead_channel_does_not_wait_to_be_told_so() {
    let world = World::new().await;
    let shop = world.unenforced_whatsapp().await;
    for number in 0..46 {
        world.say("5511900000001", &number.to_string()).await;
    }
    let mut body = text("5511900000001", "short");
    body["expiresAt"] = json!("2026-11-20T08:00:02.000Z");
    live(&world, SECOND_MS / 2).await;
    let last = world.post("/v1/messages", body).await.expect(202);
    let disabled = json!({ "status": "disabled" });
    world.patch_channel(&shop, disabled).await;
    live(&world, 7 * SECOND_MS).await;
    let state = world.status(&last).await;
    assert!(["failed", "expired"].contains(&state.as_str()), "{state}");
}

#[tokio::test]
async fn a_channel_with_a_great_many_due_messages_does_not_starve_another() {
    let world = World::new().await;
    world.unenforced_whatsapp().await;
    world.telegram().await;
    let model = world.say("5511900000001", "model").await;
    let few = world
        .post("/v1/messages", from_bot("77", "few"))
        .await
        .expect(202);
    world.ports().pushed.borrow_mut().clear();
    let (model, few_id) = (id(&model), id(&few));
    world.database().query(&format!(
        "INSERT INTO message (workspace_id, id, conversation_id, channel_id, contact_id, direction, status, content,
           seq, turn, due_at, pushed_at, created_at)
         SELECT workspace_id, printf('00000000-0000-7000-8000-%012d', n), printf('00000000-0000-7000-9000-%012d', n),
           channel_id, contact_id, direction, status, content, 1, 1, due_at - 1, pushed_at, created_at
         FROM message CROSS JOIN (WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 10000)
           SELECT n FROM n) WHERE id = '{model}'"
    ));
    world.advance(10 * SECOND_MS);
    world.gateway.sweep().await;
    let pushed = world.take_pushes(patchbay::gateway::Queue::Outbound);
    assert!(pushed.iter().any(|push| push.body.contains(&few_id)));
    assert!(pushed.len() <= 500);
}

#[tokio::test]
async fn pacing_writes_a_row_for_a_claim_and_one_for_a_message() {
    let world = World::new().await;
    world.unenforced_whatsapp().await;
    let number = world.sms().await;
    let written = async |body: &dyn Fn(usize) -> Value| {
        for person in 0..6 {
            world.post("/v1/messages", body(person)).await.expect(202);
        }
        let hints = world.take_pushes(patchbay::gateway::Queue::Outbound);
        let before = world.database().count("SELECT total_changes()");
        assert!(world.deliver(&hints).await);
        world.database().count("SELECT total_changes()") - before
    };
    let paced = written(&|person| text(&format!("55119{person:08}"), "Hello")).await;
    let free = written(&|person| {
        let mut body = text(&format!("+155501990{person:02}"), "Hello");
        body["from"] = json!(number);
        body
    })
    .await;
    assert_eq!(paced, free + 1 + 6);
}

#[tokio::test]
async fn claims_that_run_twice_pace_once() {
    let times = async |runs_twice: bool| {
        let world = World::new().await;
        world.telegram().await;
        world.database().runs_twice.set(runs_twice);
        for number in 0..8 {
            let body = from_bot("77", &number.to_string());
            world.post("/v1/messages", body).await.expect(202);
        }
        live(&world, 20 * SECOND_MS).await;
        let rows = world
            .database()
            .query("SELECT id, paced_until FROM channel");
        (sent_at(&world), rows[0]["paced_until"].clone())
    };
    assert_eq!(times(true).await, times(false).await);
}

/// What the rule says, written down as plainly as can be: a message goes when its turn has
/// come and its recipient has room for it.
fn naive(arrivals: &[(u8, i64)], every_ms: i64, burst: i64) -> Vec<i64> {
    let mut level: BTreeMap<u8, (i64, i64)> = BTreeMap::new();
    let mut times = Vec::new();
    for (chat, at) in arrivals {
        // How much of the bucket is used, in milliseconds, at which moment.
        let (used, since) = level.get(chat).copied().unwrap_or((0, *at));
        let at = (*at).max(since);
        let used = (used - (at - since)).max(0);
        let wait = (used - (burst - 1) * every_ms).max(0);
        let goes = at + wait;
        level.insert(*chat, (used - wait + every_ms, goes));
        times.push(goes);
    }
    times.sort_unstable();
    times
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_arrivals_are_paced_as_the_rule_says(
        gaps in prop::collection::vec((0_u8..3, 0_i64..1_500), 1..25),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let (expected, is) = runtime.block_on(async {
            let world = World::new().await;
            world.telegram().await;
            let mut arrivals = Vec::new();
            for (chat, gap) in &gaps {
                live(&world, *gap).await;
                arrivals.push((*chat, world.ports().now_ms.get()));
                let body = from_bot(&format!("555000{chat}"), "Hello");
                world.post("/v1/messages", body).await.expect(202);
            }
            live(&world, MINUTE_MS).await;
            assert_eq!(sent(&world), gaps.len() as i64);
            (naive(&arrivals, 1_000, 3), sent_at(&world))
        });
        // A consumer looks again after what it waits for, not at the very moment.
        for (expected, is) in expected.iter().zip(&is) {
            prop_assert!(is >= expected && is - expected <= 60, "{expected} {is}");
        }
        prop_assert_eq!(expected.len(), is.len());
    }
}
