//! Nothing accepted is lost, nothing is sent twice: sends of many clients while the providers fail by chance
//! and the whole runtime is killed again and again. What was accepted is then held against what the providers
//! took on.
//!
//! `cargo xtask chaos` runs the storms that are ignored here, and prints what they came to.

mod plan;
mod stage;
mod storm;
mod verdict;

use plan::Plan;
use verdict::Verdict;

use crate::harness::run;

/// A storm from its first send to its verdict.
async fn weathered(plan: Plan) -> Verdict {
    println!("{plan}");
    let stage = stage::Stage::set(&plan).await;
    let log = storm::rage(&stage, &plan).await;
    let verdict = Verdict::of(&stage, &plan, &log).await;
    println!("{verdict}");
    verdict
}

#[test]
fn a_short_storm_loses_nothing_and_sends_nothing_twice() {
    run(async {
        let verdict = weathered(Plan::short("short")).await;
        verdict.assert_kept();
    });
}

#[test]
#[ignore = "takes long; cargo xtask chaos runs it"]
fn the_whole_storm_loses_nothing_and_sends_nothing_twice() {
    run(async {
        let verdict = weathered(Plan::whole()).await;
        verdict.assert_kept();
    });
}

/// The same storm shows a loss where there is one.
#[test]
#[ignore = "takes long; cargo xtask chaos runs it"]
fn without_the_sweep_messages_are_lost() {
    run(async {
        let plan = Plan {
            sweeps: false,
            ..Plan::short("no sweep")
        };
        let verdict = weathered(plan).await;
        assert!(
            verdict.lost > 0,
            "a storm that shows no loss proves nothing"
        );
        assert_eq!(verdict.twice, 0);
    });
}

/// The same storm shows a double where there is one.
#[test]
#[ignore = "takes long; cargo xtask chaos runs it"]
fn where_unclear_sends_are_repeated_messages_are_sent_twice() {
    run(async {
        let plan = Plan {
            on_unknown: "resend",
            ..Plan::short("resend")
        };
        let verdict = weathered(plan).await;
        assert!(
            verdict.twice > 0,
            "a storm that shows no double proves nothing"
        );
        assert_eq!(verdict.lost, 0);
    });
}
