//! What the consumers cannot do, because the database refuses, comes to the dead-letter queues, and is done once by the
//! cron as soon as the database takes it again.

use std::time::Duration;

use rusqlite::Connection;

use crate::harness::{Gateway, Tenant, WORD, eventually, eventually_swept, person, run};

/// Four tries, five seconds between, and what the queues wait before they hand it over.
const PATIENCE: Duration = Duration::from_secs(60);

/// Has the database refuse what consumers begin with, until it is dropped.
struct Refusal(Connection);

impl Refusal {
    fn of(gateway: &Gateway) -> Self {
        let database = Connection::open(gateway.database()).expect("the database");
        database
            .busy_timeout(Duration::from_secs(10))
            .expect("a time");
        database
            .execute_batch(
                "CREATE TRIGGER no_sends BEFORE UPDATE OF status ON message WHEN NEW.status = 'sending'
                 BEGIN SELECT RAISE(ABORT, 'refused'); END;
                 CREATE TRIGGER no_deliveries BEFORE UPDATE OF claim ON delivery WHEN NEW.claim IS NOT NULL
                 BEGIN SELECT RAISE(ABORT, 'refused'); END;",
            )
            .expect("the triggers");
        Self(database)
    }
}

impl Drop for Refusal {
    fn drop(&mut self) {
        let dropped = "DROP TRIGGER no_sends; DROP TRIGGER no_deliveries;";
        self.0.execute_batch(dropped).expect("the triggers");
    }
}

#[test]
fn what_the_database_refuses_is_in_the_dead_letters_and_done_once_when_it_takes_it_again() {
    run(async {
        let gateway = Gateway::start().await;
        let tenant = Tenant::of(&gateway).await;
        let channel = tenant.telegram().await;
        let subscriber = tenant.subscriber().await;
        let (chat, writer) = (person(), person());
        let refusal = Refusal::of(&gateway);
        let first = tenant.sends(&channel, &chat, "first").await;
        let second = tenant.sends(&channel, &chat, "second").await;
        tenant.hears(&channel, &writer, "Can you hear me?").await;

        for queue in ["patchbay-outbound-dead", "patchbay-events-dead"] {
            eventually(PATIENCE, queue, async || {
                let log = gateway.log();
                let is_told = log
                    .lines()
                    .any(|line| line.contains("\"queue.dead\"") && line.contains(queue));
                is_told.then_some(()).ok_or(String::new())
            })
            .await;
        }
        for id in [&first, &second] {
            assert_eq!(tenant.message(id).await["status"], "accepted");
        }
        assert!(tenant.calls(&chat).is_empty());
        assert!(subscriber.received().is_empty());
        drop(refusal);

        eventually_swept(&gateway, PATIENCE, "both are sent", async || {
            let message = tenant.message(&second).await;
            (message["status"] == "sent")
                .then_some(())
                .ok_or(message.to_string())
        })
        .await;
        eventually_swept(&gateway, PATIENCE, "all is told", async || {
            let (heard, sent) = (
                subscriber.of("message.received").len(),
                subscriber.of("message.sent").len(),
            );
            (heard == 1 && sent == 2)
                .then_some(())
                .ok_or(format!("{heard} heard, {sent} sent"))
        })
        .await;
        assert_eq!(tenant.message(&first).await["status"], "sent");
        let sent = [format!("first {WORD}"), format!("second {WORD}")];
        assert_eq!(tenant.accepted(&chat), sent);
        let metrics = gateway.admin.get("/metrics").await.text;
        for what in ["dead_sends", "dead_deliveries"] {
            let line = metrics.lines().find(|line| line.contains(what));
            let count = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
            assert!(count.is_some_and(|count: f64| count > 0.0), "{metrics}");
        }
    });
}
