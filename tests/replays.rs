//! Every payload that providers are known to send, through the whole of receiving: signed and
//! not, whole and broken, once and often, in any order and at the same time.

use crate::support::World;
use crate::support::payloads::{PROVIDERS, Payload, payloads, proof, secret};
use futures_util::future::join_all;
use patchbay::channel::{Entry, Inbound, sign};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

const HOOK: &str = "https://subscriber.example/hook";

/// A world with the provider's channel, and a subscriber to everything.
async fn listening(provider: &str) -> (World, String) {
    let world = World::new().await;
    let channel = world.channel_of(provider).await;
    world.subscribe(HOOK, &["*"]).await;
    (world, channel)
}

#[tokio::test]
async fn what_is_rightly_signed_is_stored_and_three_times_is_once() {
    for provider in PROVIDERS {
        let (world, channel) = listening(provider).await;
        for payload in payloads(provider) {
            let mut stored = None;
            for _ in 0..3 {
                let reply = world.replay_signed(provider, &channel, &payload).await;
                assert_eq!(reply.status, 200, "{provider} {}", payload.name);
                let now = world.database().dump();
                let first = stored.get_or_insert_with(|| now.clone());
                assert_eq!(*first, now, "{provider} {}", payload.name);
            }
        }
        let messages = world.database().count("SELECT COUNT(*) FROM message");
        assert!(messages >= 2, "{provider} {messages}");
        let unread = "SELECT SUM(unread_count) FROM conversation";
        let inbound = "SELECT COUNT(*) FROM message WHERE direction = 'inbound'";
        assert_eq!(
            world.database().count(unread),
            world.database().count(inbound)
        );
        let failed = |line: &String| line.starts_with("database.failed");
        assert!(!world.ports().logs.borrow().iter().any(failed));
    }
}

/// The same bytes with one bit turned, at places all over them.
fn turned(bytes: &[u8]) -> Vec<Vec<u8>> {
    let step = (bytes.len() / 3).max(1);
    let places = (0..bytes.len())
        .step_by(step)
        .chain(bytes.len().checked_sub(1));
    let bits = places.flat_map(|at| (0..8).map(move |bit| (at, bit)));
    bits.map(|(at, bit)| {
        let mut turned = bytes.to_vec();
        turned[at] ^= 1 << bit;
        turned
    })
    .collect()
}

/// Whether two bodies say the same to what signs them: a form may be escaped in other ways.
fn is_same(provider: &str, one: &[u8], other: &[u8]) -> bool {
    let fields = |body| url::form_urlencoded::parse(body).collect::<Vec<_>>();
    provider == "sms" && fields(one) == fields(other)
}

/// The key that signs as no key at all does: hashes pad theirs with zeros.
const NO_SECRET: &str = "\0";

#[tokio::test]
async fn what_is_not_rightly_signed_is_refused_and_leaves_nothing() {
    for provider in PROVIDERS {
        let (world, channel) = listening(provider).await;
        for payload in payloads(provider) {
            let (name, right) = proof(provider, &channel, &payload, secret(provider));
            let mut forged: Vec<(Payload, Option<String>)> = vec![
                (payload.clone(), None),
                (payload.clone(), Some(String::new())),
            ];
            let wrong = if provider == "telegram" {
                vec!["another".to_owned(), secret(provider).to_uppercase()]
            } else {
                let signed = |secret| proof(provider, &channel, &payload, secret).1;
                vec![signed("another"), signed(NO_SECRET), signed(" ")]
            };
            forged.extend(wrong.into_iter().map(|it| (payload.clone(), Some(it))));
            for header in turned(right.as_bytes()) {
                let same = header.eq_ignore_ascii_case(right.as_bytes()) && name.contains("hub");
                if let Some(header) = String::from_utf8(header).ok().filter(|_| !same)
                    && header.bytes().all(|byte| (b' '..127).contains(&byte))
                {
                    forged.push((payload.clone(), Some(header)));
                }
            }
            if provider != "telegram" {
                let mut bodies = turned(&payload.body);
                bodies.push(payload.body[..payload.body.len() / 2].to_vec());
                bodies.push([&payload.body[..], b" "].concat());
                bodies.push(vec![]);
                bodies.retain(|body| !is_same(provider, body, &payload.body));
                let changed = |body| Payload {
                    body,
                    ..payload.clone()
                };
                let changed = bodies.into_iter().map(changed);
                forged.extend(changed.map(|payload| (payload, Some(right.clone()))));
            }
            let before = world.database().dump();
            for (forged, header) in &forged {
                let headers = header.as_deref().map(|header| (name, header));
                let reply = world.replay(&channel, forged, headers.as_slice()).await;
                assert_eq!(reply.status, 401, "{provider} {} {header:?}", payload.name);
            }
            assert_eq!(world.database().dump(), before, "{}", payload.name);
        }
        assert_eq!(
            world.database().count("SELECT COUNT(*) FROM message"),
            0,
            "{provider}"
        );
    }
    let signature = sign::is_hub_signature("", b"", "sha256=");
    assert!(!signature, "no secret is none");
}

#[tokio::test]
async fn what_is_authentic_and_broken_is_acknowledged_and_says_nothing() {
    let garbage: [&[u8]; 12] = [
        b"",
        b" ",
        b"null",
        b"true",
        b"[]",
        b"{}",
        b"\"\"",
        b"17",
        b"{\"entry\":",
        b"{\"entry\":[{\"changes\":[{\"field\":\"messages\",\"value\":[null]}],\"messaging\":[null]}]}",
        b"\xff\xfe\x00\x01",
        b"{\"message\":[[[[[[[[{}]]]]]]]],\"update_id\":1e400}",
    ];
    for provider in PROVIDERS {
        let (world, channel) = listening(provider).await;
        let before = world.essence();
        let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
        let broken = payloads(provider).into_iter().flat_map(|payload| {
            let whole = payload.body.clone();
            let cuts = (1..8).map(move |part| whole[..whole.len() * part / 8].to_vec());
            cuts.map(move |body| Payload {
                body,
                ..payload.clone()
            })
        });
        let other = garbage.iter().map(|body| body.to_vec()).chain([deep]);
        let other = other.map(|body| Payload {
            name: "garbage".to_owned(),
            query: String::new(),
            body,
        });
        // A part of a form is a form.
        let broken = broken.filter(|_| provider != "sms");
        for payload in broken.chain(other) {
            let reply = world.replay_signed(provider, &channel, &payload).await;
            let said = String::from_utf8_lossy(&payload.body).into_owned();
            assert_eq!(reply.status, 200, "{provider} {} {said}", payload.name);
        }
        assert_eq!(world.essence(), before, "{provider}");
    }
}

/// The payloads of which no two bring another message under the same id. (That somebody has
/// another number is told of those only whom the shop knows by then.)
fn compatible(provider: &str) -> Vec<Payload> {
    let adapters = patchbay::channel::ADAPTERS.iter();
    let adapter = adapters
        .copied()
        .find(|adapter| adapter.kind().name() == provider)
        .expect("an adapter");
    let mut known: HashSet<String> = HashSet::new();
    let mut all = payloads(provider);
    all.retain(|payload| {
        let request = http::Request::post("https://patchbay.test/")
            .body(bytes::Bytes::from(payload.body.clone()))
            .expect("a request");
        let read = adapter.inbound(&request);
        let is_number = |entry: &Entry| matches!(entry.item, Inbound::NumberChange(_));
        let is_of_order = read.iter().any(is_number);
        let ids: HashSet<String> = read
            .into_iter()
            .filter_map(|entry| match entry.item {
                Inbound::Message(message) | Inbound::Echo(message) => {
                    Some(message.provider_message_id)
                }
                _ => None,
            })
            .collect();
        let is_new = ids.is_disjoint(&known);
        known.extend(ids);
        is_new && !is_of_order
    });
    all
}

#[tokio::test]
async fn payloads_in_any_order_come_to_the_same_end() {
    for provider in PROVIDERS {
        let payloads = compatible(provider);
        assert!(payloads.len() > 5, "{provider} {}", payloads.len());
        let mut first: Option<Vec<String>> = None;
        for seed in 0..6_usize {
            let (world, channel) = listening(provider).await;
            let mut order: Vec<usize> = (0..payloads.len()).collect();
            order.sort_by_key(|at| {
                let mut hasher = DefaultHasher::new();
                (seed, at).hash(&mut hasher);
                if seed == 0 {
                    *at as u64
                } else {
                    hasher.finish()
                }
            });
            for at in order {
                let payload = &payloads[at];
                let reply = world.replay_signed(provider, &channel, payload).await;
                assert_eq!(reply.status, 200, "{provider} {}", payload.name);
            }
            let essence = world.essence();
            let first = first.get_or_insert_with(|| essence.clone());
            similar(&essence, first, &format!("{provider} {seed}"));
        }
    }
}

/// Holds what is stored to what it should be, and shows where they differ.
#[track_caller]
fn similar(now: &[String], then: &[String], what: &str) {
    let differ = |one: &[String], other: &[String]| -> Vec<String> {
        let mut rest = other.to_vec();
        one.iter()
            .filter(|line| match rest.iter().position(|other| other == *line) {
                Some(at) => {
                    rest.swap_remove(at);
                    false
                }
                None => true,
            })
            .cloned()
            .collect()
    };
    let (more, less) = (differ(now, then), differ(then, now));
    assert!(
        more.is_empty() && less.is_empty(),
        "{what}:\n  now {more:#?}\n  then {less:#?}"
    );
}

#[tokio::test]
async fn a_payload_that_comes_many_times_at_once_is_stored_once() {
    for provider in PROVIDERS {
        let (once, channel_once) = listening(provider).await;
        let (often, channel_often) = listening(provider).await;
        often.database().yields.set(true);
        for payload in payloads(provider) {
            let reply = once.replay_signed(provider, &channel_once, &payload).await;
            assert_eq!(reply.status, 200);
            let many = (0..6).map(|_| often.replay_signed(provider, &channel_often, &payload));
            for reply in join_all(many).await {
                assert_eq!(reply.status, 200, "{provider} {}", payload.name);
            }
        }
        similar(&often.essence(), &once.essence(), provider);
        // Each event went out once.
        for world in [&once, &often] {
            for _ in 0..4 {
                world.drain().await;
                world.advance(10_000);
                world.gateway.sweep().await;
            }
            let posts = world.posts_to("subscriber.example");
            let ids: HashSet<_> = posts
                .iter()
                .map(|it| it.headers()["webhook-id"].clone())
                .collect();
            assert_eq!(ids.len(), posts.len(), "{provider}");
            let events = world.database().count("SELECT COUNT(*) FROM event");
            assert_eq!(i64::try_from(posts.len()), Ok(events), "{provider}");
        }
    }
}
