//! A conversation is heard in the order it was spoken.

use std::time::Duration;

use futures_util::future::join_all;
use patchbay_sandbox::{Fault, FaultMode};

use crate::harness::{Tenant, WORD, eventually, person, run};

const MESSAGES: usize = 50;
const PATIENCE: Duration = Duration::from_secs(40);
/// Fifty messages to one chat, one a second.
const PACED: Duration = Duration::from_secs(100);

async fn fifty_arrive_in_order(faults: &[Fault]) {
    let tenant = Tenant::new().await;
    let channel = tenant.telegram().await;
    let chat = person();
    for fault in faults {
        let mut fault = fault.clone();
        fault.recipient.clone_from(&chat);
        tenant.sandbox.fault(fault);
    }
    let words = |n: usize| format!("number {n:02}");
    let mut last = String::new();
    for n in 0..MESSAGES {
        last = tenant.sends(&channel, &chat, &words(n)).await;
    }

    tenant.becomes_within(PACED, &last, "sent").await;

    let expected: Vec<_> = (0..MESSAGES)
        .map(|n| format!("{} {WORD}", words(n)))
        .collect();
    assert_eq!(tenant.accepted(&chat), expected);
    eventually(PATIENCE, "all are sent", async || {
        let sent = tenant
            .list("/v1/messages?status=sent&limit=100")
            .await
            .len();
        (sent == MESSAGES).then_some(()).ok_or(sent.to_string())
    })
    .await;
}

#[test]
fn fifty_messages_to_one_person_arrive_in_the_order_they_were_accepted() {
    run(fifty_arrive_in_order(&[]));
}

#[test]
fn a_throttle_in_the_middle_does_not_change_the_order() {
    // A fault that only delays by nothing counts the messages before the next throttle.
    let pass = |times| Fault::new("", FaultMode::Slow).delay_ms(0).times(times);
    let throttle = || Fault::new("", FaultMode::Throttle).retry_after(1).times(1);
    run(fifty_arrive_in_order(&[
        pass(15),
        throttle(),
        pass(20),
        throttle(),
        throttle(),
    ]));
}

#[test]
fn many_conversations_at_once_each_keep_their_order() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        let people: Vec<String> = (0..30).map(|_| person()).collect();
        let rounds = ["1 first", "2 second", "3 third", "4 fourth"];
        for words in rounds {
            join_all(people.iter().map(|to| tenant.sends(&channel, to, words))).await;
        }

        let all = people.len() * rounds.len();
        let what = format!("all {all} are sent");
        let sent = || {
            people
                .iter()
                .map(|to| tenant.accepted(to).len())
                .sum::<usize>()
        };
        eventually(PATIENCE, &what, async || {
            (sent() >= all).then_some(()).ok_or(sent().to_string())
        })
        .await;

        let expected = rounds.map(|words| format!("{words} {WORD}"));
        for to in &people {
            assert_eq!(tenant.accepted(to), expected);
        }
    });
}

#[test]
fn a_conversation_that_waits_holds_up_no_other() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        let (slow, quick) = (person(), person());
        let wait = Fault::new(&slow, FaultMode::Throttle)
            .retry_after(3)
            .times(1);
        tenant.sandbox.fault(wait);
        let waiting = tenant.sends(&channel, &slow, "first").await;
        let other = tenant.sends(&channel, &quick, "second").await;

        tenant.becomes(&other, "sent").await;
        assert_eq!(tenant.accepted(&slow).len(), 0);
        tenant.becomes(&waiting, "sent").await;
    });
}
