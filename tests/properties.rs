//! Whatever happens in whatever order: nothing accepted is lost, nothing is sent
//! twice, nothing overtakes, nothing moves back.

use crate::support::outgoing::{id, report, reports, text};
use crate::support::world::{CUSTOMER, whatsapp_text};
use crate::support::{Answer, Fault, World};
use patchbay::gateway::{Push, Queue};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What a provider does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Provider {
    Accepts,
    Throttles,
    Fails,
    Rejects,
    /// Takes it, and the answer is lost.
    TakesSilently,
    /// Does not get it.
    NeverHears,
}

#[derive(Clone, Debug)]
enum Step {
    Accept {
        to: usize,
        faults: Vec<Fault>,
    },
    /// The consumer gets the hints that are due, or one of them.
    Deliver {
        all: bool,
        provider: Vec<Provider>,
        faults: Vec<Fault>,
    },
    Publish,
    /// The queue delivers a hint twice, or never.
    Duplicate(usize),
    Lose(usize),
    RefusePushes(bool),
    Report {
        which: usize,
        status: &'static str,
        knows_our_id: bool,
    },
    Sweep {
        faults: Vec<Fault>,
    },
    Advance(i64),
}

fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let fault = prop_oneof![Just(Fault::Before), Just(Fault::After)];
    prop_oneof![3 => Just(vec![]), 2 => proptest::collection::vec(fault, 1..5)]
}

fn provider() -> impl Strategy<Value = Vec<Provider>> {
    let answer = prop_oneof![
        4 => Just(Provider::Accepts),
        1 => Just(Provider::Throttles),
        1 => Just(Provider::Fails),
        1 => Just(Provider::Rejects),
        2 => Just(Provider::TakesSilently),
        1 => Just(Provider::NeverHears),
    ];
    proptest::collection::vec(answer, 0..6)
}

fn step() -> impl Strategy<Value = Step> {
    let status = proptest::sample::select(vec!["sent", "delivered", "read", "failed"]);
    prop_oneof![
        5 => (0..3_usize, faults()).prop_map(|(to, faults)| Step::Accept { to, faults }),
        5 => (any::<bool>(), provider(), faults())
            .prop_map(|(all, provider, faults)| Step::Deliver { all, provider, faults }),
        1 => Just(Step::Publish),
        1 => (0..20_usize).prop_map(Step::Duplicate),
        1 => (0..20_usize).prop_map(Step::Lose),
        1 => any::<bool>().prop_map(Step::RefusePushes),
        3 => (0..20_usize, status, any::<bool>())
            .prop_map(|(which, status, knows_our_id)| Step::Report { which, status, knows_our_id }),
        2 => faults().prop_map(|faults| Step::Sweep { faults }),
        2 => prop_oneof![Just(500), Just(5_000), Just(31_000), Just(3_600_000)].prop_map(Step::Advance),
    ]
}

/// A world, and what the provider and the client know of it.
struct Story {
    world: World,
    shop: String,
    sends_again: bool,
    /// Messages as accepted, by their ids, with the address.
    accepted: BTreeMap<String, usize>,
    asked: usize,
    /// What the provider took: our id and its own.
    taken: Vec<(String, String)>,
    /// The requests' message ids, in order.
    requested: Vec<String>,
    statuses: BTreeMap<String, String>,
}

fn may_follow(before: &str, after: &str) -> bool {
    before == after
        || match before {
            "accepted" | "sending" => true,
            "unknown" => ["sent", "delivered", "read", "failed"].contains(&after),
            "sent" => ["delivered", "read", "failed"].contains(&after),
            "delivered" => after == "read",
            "failed" => ["delivered", "read"].contains(&after),
            _ => false,
        }
}

impl Story {
    async fn begin(sends_again: bool) -> Self {
        let world = World::new().await;
        let shop = world.whatsapp().await;
        let outcome = if sends_again { "resend" } else { "hold" };
        let settings = json!({ "enforceWindow": false, "onUnknownOutcome": outcome });
        world
            .patch_channel(&shop, json!({ "settings": settings }))
            .await;
        world.subscribe_to_all().await;
        Self {
            world,
            shop,
            sends_again,
            accepted: BTreeMap::new(),
            asked: 0,
            taken: Vec::new(),
            requested: Vec::new(),
            statuses: BTreeMap::new(),
        }
    }

    fn set_faults(&self, faults: &[Fault]) {
        *self.world.database().faults.borrow_mut() = faults.to_vec();
    }

    /// Takes the due hints, or the first of them, out of the outbound queue.
    fn take_due(&self, all: bool) -> Vec<Push> {
        let now = self.world.ports().now_ms.get();
        let mut pushed = self.world.ports().pushed.borrow_mut();
        let mut taken = Vec::new();
        pushed.retain(|(queue, push, due)| {
            let is_wanted = *queue == Queue::Outbound && *due <= now && (all || taken.is_empty());
            if is_wanted {
                taken.push(push.clone());
            }
            !is_wanted
        });
        taken
    }

    async fn take(&mut self, step: &Step) {
        match step {
            Step::Accept { to, faults } => {
                self.asked += 1;
                let key = format!("key-{}", self.asked);
                let body = text(&format!("551190000000{to}"), &key);
                self.set_faults(faults);
                let mut reply = self.world.post_under(&key, body.clone()).await;
                self.set_faults(&[]);
                if reply.status == 503 {
                    // The client tries again, as it was told.
                    reply = self.world.post_under(&key, body).await;
                }
                self.accepted.insert(id(&reply.expect(202)), *to);
            }
            Step::Deliver {
                all,
                provider,
                faults,
            } => {
                let hints = self.take_due(*all);
                self.provide(provider);
                self.set_faults(faults);
                let is_done = self.world.deliver(&hints).await;
                self.set_faults(&[]);
                self.hear(provider);
                if !is_done {
                    // The queue gives the hints out again.
                    let now = self.world.ports().now_ms.get();
                    let mut pushed = self.world.ports().pushed.borrow_mut();
                    pushed.extend(hints.into_iter().map(|hint| (Queue::Outbound, hint, now)));
                }
            }
            Step::Publish => {
                let hints = self.world.take_pushes(Queue::Events);
                self.world.publish(&hints).await;
            }
            Step::Duplicate(which) => {
                let mut pushed = self.world.ports().pushed.borrow_mut();
                if !pushed.is_empty() {
                    let again = pushed[which % pushed.len()].clone();
                    pushed.push_back(again);
                }
            }
            Step::Lose(which) => {
                let mut pushed = self.world.ports().pushed.borrow_mut();
                if !pushed.is_empty() {
                    let lost = which % pushed.len();
                    pushed.remove(lost);
                }
            }
            Step::RefusePushes(refuses) => self.world.ports().refuses_pushes.set(*refuses),
            Step::Report {
                which,
                status,
                knows_our_id,
            } => {
                if !self.taken.is_empty() {
                    let (message, wamid) = &self.taken[which % self.taken.len()];
                    let mut told = report(wamid, status, self.world.ports().now_ms.get() / 1_000);
                    if *knows_our_id {
                        told["biz_opaque_callback_data"] = json!(message);
                    }
                    self.world
                        .from_meta(&self.shop, &reports(&[told]))
                        .await
                        .expect(200);
                }
            }
            Step::Sweep { faults } => {
                self.set_faults(faults);
                self.world.gateway.sweep().await;
                self.set_faults(&[]);
            }
            Step::Advance(ms) => self.world.advance(*ms),
        }
    }

    /// Lays out what the provider will answer to the next requests.
    fn provide(&self, provider: &[Provider]) {
        let error = |code: i64| json!({ "error": { "code": code, "message": "no" } });
        let answers = (0..200).map(|at| match behaviour(provider, at) {
            Provider::Accepts => {
                let wamid = self.wamid(self.requested.len() + at);
                Answer::Http(200, json!({ "messages": [{ "id": wamid }] }))
            }
            Provider::Throttles => Answer::Http(429, error(130_429)),
            Provider::Fails => Answer::Http(500, error(131_000)),
            Provider::Rejects => Answer::Http(400, error(131_026)),
            Provider::TakesSilently | Provider::NeverHears => Answer::NoAnswer,
        });
        *self.world.ports().from_provider.borrow_mut() = answers.collect();
    }

    fn wamid(&self, number: usize) -> String {
        format!("wamid.p{number}")
    }

    /// Notes what the provider was asked since, and what it took.
    fn hear(&mut self, provider: &[Provider]) {
        self.world.ports().from_provider.borrow_mut().clear();
        let requests = self.world.requests_to("graph.test");
        let first = self.requested.len();
        for (at, request) in requests.iter().skip(first).enumerate() {
            let message = request["biz_opaque_callback_data"]
                .as_str()
                .expect("our id")
                .to_owned();
            if matches!(
                behaviour(provider, at),
                Provider::Accepts | Provider::TakesSilently
            ) {
                self.taken.push((message.clone(), self.wamid(first + at)));
            }
            self.requested.push(message);
        }
    }

    /// What must hold after every step.
    fn check(&mut self) -> Result<(), TestCaseError> {
        let rows = self.world.database().query(
            "SELECT id, status, turn IS NOT NULL AS has_turn, due_at IS NOT NULL AS is_due
             FROM message WHERE direction = 'outbound'",
        );
        for row in rows {
            let message = id(&row);
            let status = row["status"].as_str().unwrap_or("").to_owned();
            let is_unsent = ["accepted", "sending"].contains(&status.as_str());
            prop_assert_eq!(row["has_turn"] == 1, is_unsent, "{}", &row);
            prop_assert_eq!(row["is_due"] == 1, is_unsent, "{}", &row);
            let before = self.statuses.insert(message.clone(), status.clone());
            let before = before.unwrap_or_else(|| "accepted".to_owned());
            prop_assert!(may_follow(&before, &status), "{before} became {status}");
        }
        Ok(())
    }

    /// Everything works again; time passes.
    async fn come_to_rest(&mut self) -> Result<(), TestCaseError> {
        self.world.ports().refuses_pushes.set(false);
        for _ in 0..12 {
            self.world.advance(3_600_000);
            self.world.gateway.sweep().await;
            for _ in 0..100 {
                let hints = self.take_due(true);
                if hints.is_empty() {
                    break;
                }
                self.provide(&[]);
                prop_assert!(self.world.deliver(&hints).await);
                self.hear(&[]);
                self.check()?;
            }
            let events = self.world.take_pushes(Queue::Events);
            prop_assert!(self.world.publish(&events).await);
        }
        Ok(())
    }

    /// What must hold when all is at rest.
    fn check_the_end(&self) -> Result<(), TestCaseError> {
        let ends = ["sent", "delivered", "read", "failed", "unknown", "expired"];
        for message in self.accepted.keys() {
            let status = self.statuses.get(message).map_or("lost", String::as_str);
            prop_assert!(ends.contains(&status), "{message} is {status}");
        }
        prop_assert_eq!(
            self.statuses.len(),
            self.accepted.len(),
            "none but what was accepted"
        );
        let mut taken: Vec<&String> = self.taken.iter().map(|(message, _)| message).collect();
        let all = taken.len();
        taken.sort();
        taken.dedup();
        if !self.sends_again {
            prop_assert_eq!(taken.len(), all, "the provider took each message once");
        }
        // Each conversation's requests, repeats aside, in the order of its messages.
        let rows = self
            .world
            .database()
            .query("SELECT id, conversation_id, seq FROM message");
        let places: BTreeMap<String, (String, i64)> = rows
            .iter()
            .map(|row| {
                let conversation = row["conversation_id"].as_str().expect("an id").to_owned();
                (id(row), (conversation, row["seq"].as_i64().expect("a seq")))
            })
            .collect();
        let mut last: BTreeMap<&String, i64> = BTreeMap::new();
        for message in &self.requested {
            let (conversation, seq) = &places[message];
            let last = last.entry(conversation).or_insert(0);
            prop_assert!(*last <= *seq, "{seq} was sent after {last}");
            *last = *seq;
        }
        self.check_events()
    }

    fn check_events(&self) -> Result<(), TestCaseError> {
        let told: BTreeSet<(String, String, String)> = self.world.told().into_iter().collect();
        let kinds: BTreeSet<(&String, &String)> = told
            .iter()
            .map(|(message, kind, _)| (message, kind))
            .collect();
        prop_assert_eq!(kinds.len(), told.len(), "one event per message and type");
        for (message, status) in &self.statuses {
            let status = if status == "expired" {
                "failed"
            } else {
                status
            };
            let kind = format!("message.{status}");
            prop_assert!(kinds.contains(&(message, &kind)), "nobody heard of {kind}");
        }
        if self.sends_again {
            prop_assert!(!kinds.iter().any(|(_, kind)| *kind == "message.unknown"));
        }
        Ok(())
    }
}

fn behaviour(provider: &[Provider], at: usize) -> Provider {
    provider.get(at).copied().unwrap_or(Provider::Accepts)
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(work)
}

async fn tell(sends_again: bool, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut story = Story::begin(sends_again).await;
    for step in steps {
        story.take(step).await;
        story.check()?;
    }
    story.come_to_rest().await?;
    story.check_the_end()
}

fn few(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(few(80))]

    #[test]
    fn messages_held_when_unclear_reach_the_provider_once_and_in_order(
        steps in proptest::collection::vec(step(), 1..40)
    ) {
        block_on(tell(false, &steps))?;
    }

    #[test]
    fn messages_sent_again_when_unclear_keep_their_order_and_arrive(
        steps in proptest::collection::vec(step(), 1..40)
    ) {
        block_on(tell(true, &steps))?;
    }
}

/// What clients and providers do, for a database that runs every batch twice.
#[derive(Clone, Debug)]
enum Doing {
    Send { to: usize, key: usize, what: usize },
    Receive { from: usize, number: usize },
    Deliver(Provider),
    Report { wamid: usize, status: &'static str },
    Read(usize),
    Advance(i64),
}

fn doing() -> impl Strategy<Value = Doing> {
    let status = proptest::sample::select(vec!["sent", "delivered", "read", "failed"]);
    let answer = proptest::sample::select(vec![
        Provider::Accepts,
        Provider::Throttles,
        Provider::Rejects,
        Provider::NeverHears,
    ]);
    prop_oneof![
        5 => (0..3_usize, 0..6_usize, 0..2_usize)
            .prop_map(|(to, key, what)| Doing::Send { to, key, what }),
        4 => (0..3_usize, 0..8_usize).prop_map(|(from, number)| Doing::Receive { from, number }),
        3 => answer.prop_map(Doing::Deliver),
        3 => (0..12_usize, status).prop_map(|(wamid, status)| Doing::Report { wamid, status }),
        1 => (0..3_usize).prop_map(Doing::Read),
        1 => prop_oneof![Just(1_000), Just(60_000), Just(86_400_000)].prop_map(Doing::Advance),
    ]
}

async fn do_all(doings: &[Doing], runs_twice: bool) -> (String, Vec<String>) {
    let world = World::new().await;
    let shop = world.unenforced_whatsapp().await;
    world.subscribe_to_all().await;
    world.database().runs_twice.set(runs_twice);
    let mut answers = Vec::new();
    let mut sent = 0;
    for doing in doings {
        match doing {
            Doing::Send { to, key, what } => {
                let mut body = text(&format!("551190000000{to}"), &format!("say {what}"));
                body["clientMessageId"] = json!(format!("client-{}", key / 2));
                let reply = world.post_under(&format!("key-{key}"), body).await;
                answers.push(format!("{} {}", reply.status, reply.body["id"]));
            }
            Doing::Receive { from, number } => {
                let at = world.ports().now_ms.get() / 1_000;
                let sender = format!("551190000000{from}");
                let wrote = whatsapp_text(&sender, &format!("wamid.in.{from}.{number}"), "Hi", at);
                world.from_meta(&shop, &wrote).await.expect(200);
            }
            Doing::Deliver(answer) => {
                let error = |code: i64| json!({ "error": { "code": code, "message": "no" } });
                for hint in world.take_pushes(Queue::Outbound) {
                    let answers = (0..40).map(|_| match answer {
                        Provider::Throttles => Answer::Http(429, error(130_429)),
                        Provider::Rejects => Answer::Http(400, error(131_026)),
                        Provider::NeverHears => Answer::NoAnswer,
                        _ => {
                            sent += 1;
                            Answer::Http(
                                200,
                                json!({ "messages": [{ "id": format!("wamid.out.{sent}") }] }),
                            )
                        }
                    });
                    *world.ports().from_provider.borrow_mut() = answers.collect();
                    assert!(world.deliver(&[hint]).await);
                    let left = world.ports().from_provider.take().len();
                    if matches!(answer, Provider::Accepts) {
                        sent -= left;
                    }
                }
            }
            Doing::Report { wamid, status } => {
                let at = world.ports().now_ms.get() / 1_000;
                let told = report(&format!("wamid.out.{wamid}"), status, at);
                world.from_meta(&shop, &reports(&[told])).await.expect(200);
            }
            Doing::Read(to) => {
                let sql = format!("SELECT id FROM conversation WHERE address = '551190000000{to}'");
                if let Some(row) = world.database().query(&sql).first() {
                    let path = format!("/v1/conversations/{}/read", id(row));
                    world.post(&path, Value::Null).await.expect(200);
                }
            }
            Doing::Advance(ms) => world.advance(*ms),
        }
    }
    (world.database().dump(), answers)
}

proptest! {
    #![proptest_config(few(40))]

    #[test]
    fn a_batch_that_runs_twice_leaves_what_it_leaves_once(
        doings in proptest::collection::vec(doing(), 1..30)
    ) {
        let once = block_on(do_all(&doings, false));
        let twice = block_on(do_all(&doings, true));
        prop_assert_eq!(once.1, twice.1, "the same answers");
        for (once, twice) in once.0.lines().zip(twice.0.lines()) {
            prop_assert_eq!(once, twice);
        }
        prop_assert_eq!(once.0.lines().count(), twice.0.lines().count());
    }
}

proptest! {
    #![proptest_config(few(40))]

    /// Customers' messages in chunks, repeated and reordered, among sends.
    #[test]
    fn unread_counts_and_seqs_follow_from_what_was_really_stored(
        numbers in proptest::collection::vec(0..12_usize, 1..40),
        runs_twice: bool,
    ) {
        block_on(async {
            let world = World::new().await;
            let shop = world.whatsapp().await;
            world.database().runs_twice.set(runs_twice);
            let mut seen = BTreeSet::new();
            let mut said = 0;
            for number in &numbers {
                let at = world.ports().now_ms.get() / 1_000;
                let wrote = whatsapp_text(CUSTOMER, &format!("wamid.{number}"), "Hi", at);
                world.from_meta(&shop, &wrote).await.expect(200);
                seen.insert(*number);
                if number % 3 == 0 {
                    world.say(CUSTOMER, "Hello").await;
                    said += 1;
                }
            }
            let rows = world.database().query(
                "SELECT unread_count, last_seq,
                   (SELECT MAX(seq) FROM message) AS most, (SELECT COUNT(*) FROM message) AS count
                 FROM conversation",
            );
            prop_assert_eq!(rows.len(), 1);
            prop_assert_eq!(&rows[0]["unread_count"], &json!(seen.len()));
            prop_assert_eq!(&rows[0]["last_seq"], &rows[0]["most"]);
            prop_assert_eq!(&rows[0]["count"], &json!(seen.len() + said));
            Ok(())
        })?;
    }
}
