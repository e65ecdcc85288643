//! Templates follow their provider by themselves: read at the connect, once a day, and
//! when a webhook tells of them.

use crate::support::outgoing::id;
use crate::support::templates::{body, template};
use crate::support::world::{BOT_SECRET, CUSTOMER, hub_signature};
use crate::support::{Answer, World};
use http::Method;
use serde_json::{Value, json};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
const WABA: &str = "102290129340398";

/// A webhook with one change of a field about templates.
fn change(field: &str, value: Value) -> Value {
    json!({
        "object": "whatsapp_business_account",
        "entry": [{ "id": WABA, "time": 1_751_247_548, "changes": [{ "field": field, "value": value }] }],
    })
}

/// What Meta tells of the template that it lists under this name and language.
fn told(name: &str, language: &str, mut more: Value) -> Value {
    more["message_template_id"] = json!(format!("{name}-{language}"));
    more["message_template_name"] = json!(name);
    more["message_template_language"] = json!(language);
    more
}

fn status(name: &str, language: &str, event: &str) -> Value {
    let more = json!({ "event": event, "reason": null });
    change("message_template_status_update", told(name, language, more))
}

fn hi(status: &str) -> Value {
    template("hi", "en", status, body("Hi"))
}

impl World {
    /// Runs the sweep; gives back which accounts' templates were asked for.
    async fn swept(&self) -> Vec<String> {
        self.ports().questions.borrow_mut().clear();
        self.gateway.sweep().await;
        let questions = self.ports().questions.borrow();
        let paths = questions.iter().map(|it| it.uri().path().to_owned());
        paths
            .filter_map(|path| {
                let account = path.strip_suffix("/message_templates")?;
                Some(account.rsplit('/').next()?.to_owned())
            })
            .collect()
    }

    /// A channel of an account of its own.
    async fn branch(&self, account: &str) -> String {
        let body = json!({
            "type": "whatsapp", "name": "Branch", "identifier": format!("+1555020{account:0>4}"),
            "credentials": {
                "phoneNumberId": format!("7{account}"), "wabaId": account, "accessToken": "t",
                "appSecret": "s", "verifyToken": "v",
            },
        });
        self.connect(body).await
    }

    async fn template_status(&self, name: &str, language: &str) -> String {
        let template = self.template(name, language).await;
        template["status"].as_str().expect("a status").to_owned()
    }

    async fn disconnect(&self, path: &str) {
        self.call(Method::DELETE, path, Value::Null)
            .await
            .expect(204);
    }
}

fn message(channel: &str) -> Value {
    json!({ "from": channel, "to": CUSTOMER, "content": { "type": "template", "key": "hi" } })
}

#[tokio::test]
async fn a_channel_is_read_within_a_minute_of_its_connect_and_then_once_a_day() {
    let world = World::new().await;
    world.whatsapp().await;
    world.telegram().await;
    world.provider_lists(&[json!({ "data": [hi("APPROVED")] })]);
    assert_eq!(world.swept().await, [WABA]);
    assert_eq!(world.template_status("hi", "en").await, "APPROVED");
    for _ in 0..3 {
        world.advance(7 * HOUR_MS);
        assert_eq!(world.swept().await, [""; 0]);
    }
    world.advance(3 * HOUR_MS);
    world.provider_lists(&[json!({ "data": [hi("PAUSED")] })]);
    assert_eq!(world.swept().await, [WABA]);
    assert_eq!(world.template_status("hi", "en").await, "PAUSED");
    world.advance(DAY_MS - 1);
    assert_eq!(world.swept().await, [""; 0]);
    world.advance(1);
    assert_eq!(world.swept().await, [WABA]);
    let left = world.get("/v1/templates").await;
    assert_eq!(left["data"], json!([]), "the provider has none any more");
}

#[tokio::test]
async fn every_page_is_read_by_the_sweep_too() {
    let world = World::new().await;
    world.whatsapp().await;
    world.provider_lists(&[
        json!({ "data": [hi("APPROVED")], "paging": { "cursors": { "after": "x" }, "next": "https://graph.test/" } }),
        json!({ "data": [template("bye", "en", "APPROVED", body("Bye"))] }),
    ]);
    assert_eq!(world.swept().await, [WABA, WABA]);
    world.template("hi", "en").await;
    world.template("bye", "en").await;
}

#[tokio::test]
async fn a_run_reads_a_few_channels_those_that_wait_longest_first() {
    let world = World::new().await;
    for number in 1..=12 {
        world.branch(&number.to_string()).await;
    }
    let mut read = Vec::new();
    for most in [5, 5, 2, 0] {
        let run = world.swept().await;
        assert_eq!(run.len(), most);
        read.extend(run);
        world.advance(MINUTE_MS);
    }
    let mut distinct = read.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 12, "each once: {read:?}");
    // A day later they come in the order in which they were read.
    world.advance(DAY_MS);
    let run = world.swept().await;
    assert!(
        run.iter().all(|it| read[..5].contains(it)),
        "{run:?} {read:?}"
    );
}

#[tokio::test]
async fn a_provider_that_fails_is_asked_again_in_an_hour_and_holds_up_nobody() {
    let refused = json!({ "error": { "message": "No such account", "code": 100 } });
    for failure in [Answer::NoAnswer, Answer::Http(400, refused)] {
        let world = World::new().await;
        world.branch("1").await;
        world.branch("2").await;
        let answers = [
            failure,
            Answer::Http(200, json!({ "data": [hi("APPROVED")] })),
        ];
        *world.ports().to_questions.borrow_mut() = answers.into();
        assert_eq!(world.swept().await.len(), 2);
        assert_eq!(
            world.get("/v1/templates").await["data"]
                .as_array()
                .map(Vec::len),
            Some(1)
        );
        for _ in 0..5 {
            world.advance(10 * MINUTE_MS);
            assert_eq!(world.swept().await, [""; 0]);
        }
        world.advance(10 * MINUTE_MS);
        assert_eq!(world.swept().await.len(), 1, "the one that failed");
        let logs = world.ports().logs.take();
        let failed: Vec<&String> = logs
            .iter()
            .filter(|it| it.starts_with("templates.not_read"))
            .collect();
        assert_eq!(failed.len(), 1, "{failed:?}");
    }
}

#[tokio::test]
async fn a_run_whose_batches_run_twice_does_what_one_does() {
    let world = World::new().await;
    for number in 1..=7 {
        world.branch(&number.to_string()).await;
    }
    world.database().runs_twice.set(true);
    for most in [5, 2, 0] {
        assert_eq!(world.swept().await.len(), most);
        world.advance(MINUTE_MS);
    }
}

#[tokio::test]
async fn only_channels_that_work_are_asked_for_and_new_credentials_are_looked_at_soon() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let disabled = world.branch("1").await;
    let deleted = world.branch("2").await;
    world
        .patch_channel(&disabled, json!({ "status": "disabled" }))
        .await;
    world.disconnect(&format!("/v1/channels/{deleted}")).await;
    let refused = json!({ "error": { "message": "Session has expired", "code": 190 } });
    world
        .ports()
        .to_questions
        .borrow_mut()
        .push_back(Answer::Http(401, refused));
    assert_eq!(world.swept().await, [WABA]);
    let channel = world.get(&format!("/v1/channels/{shop}")).await;
    assert_eq!(channel["status"], "needs_reauth");
    assert_eq!(channel["lastError"]["code"], "190");
    world.advance(2 * DAY_MS);
    assert_eq!(world.swept().await, [""; 0]);
    let credentials = json!({ "credentials": { "accessToken": "new", "wabaId": "55" } });
    world.patch_channel(&shop, credentials).await;
    world.advance(MINUTE_MS);
    assert_eq!(world.swept().await, ["55"]);
    // What has no templates is due at no time.
    let bot = world.telegram().await;
    let token = json!({ "credentials": { "botToken": "123456:new", "secretToken": BOT_SECRET } });
    world.patch_channel(&bot, token).await;
    assert_eq!(world.swept().await, [""; 0]);
}

#[tokio::test]
async fn a_status_that_meta_tells_counts_at_once_and_has_the_rest_read_soon() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let pending = [
        hi("PENDING"),
        template("hi", "pt_BR", "PENDING", body("Oi")),
    ];
    world.provider_lists(&[json!({ "data": pending })]);
    world.swept().await;
    for (event, becomes) in [
        ("APPROVED", "APPROVED"),
        ("FLAGGED", "APPROVED"),
        ("PAUSED", "PAUSED"),
        ("REINSTATED", "APPROVED"),
        ("DISABLED", "DISABLED"),
        ("REJECTED", "REJECTED"),
        ("OF_THE_FUTURE", "OF_THE_FUTURE"),
    ] {
        world.advance(1_000);
        world
            .from_meta(&shop, &status("hi", "en", event))
            .await
            .expect(200);
        assert_eq!(world.template_status("hi", "en").await, becomes);
        assert_eq!(world.template_status("hi", "pt_BR").await, "PENDING");
        let listed = [
            template("hi", "en", becomes, body("Hi")),
            pending[1].clone(),
        ];
        world.provider_lists(&[json!({ "data": listed })]);
        assert_eq!(world.swept().await, [WABA], "{event}");
        assert_eq!(world.swept().await, [""; 0], "{event}");
    }
}

#[tokio::test]
async fn a_report_that_is_repeated_writes_nothing() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    world.provider_lists(&[json!({ "data": [hi("APPROVED")] })]);
    world.swept().await;
    let paused = status("hi", "en", "PAUSED");
    world.from_meta(&shop, &paused).await.expect(200);
    let before = world.database().dump();
    for _ in 0..2 {
        world.from_meta(&shop, &paused).await.expect(200);
        assert_eq!(world.database().dump(), before);
    }
    let versions = world.database().query("SELECT version FROM template");
    assert_eq!(versions, [json!({ "version": 2 })]);
    // Nor does one that runs twice.
    world.database().runs_twice.set(true);
    world
        .from_meta(&shop, &status("hi", "en", "APPROVED"))
        .await
        .expect(200);
    let versions = world.database().query("SELECT version FROM template");
    assert_eq!(versions, [json!({ "version": 3 })]);
}

#[tokio::test]
async fn of_several_reports_in_one_webhook_all_count_the_last_one_last() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    world
        .has_templates(
            &shop,
            &[hi("PENDING"), template("bye", "en", "PENDING", body("Bye"))],
        )
        .await;
    let mut all = status("hi", "en", "REJECTED");
    let category = json!({ "previous_category": "UTILITY", "new_category": "MARKETING" });
    let more = [
        change("template_category_update", told("hi", "en", category)),
        status("bye", "en", "PAUSED"),
        status("hi", "en", "APPROVED"),
        change(
            "message_template_quality_update",
            told("hi", "en", json!({ "new_quality_score": "GREEN" })),
        ),
    ];
    for webhook in more {
        let changes = all["entry"][0]["changes"].as_array_mut().expect("changes");
        changes.push(webhook["entry"][0]["changes"][0].clone());
    }
    world.from_meta(&shop, &all).await.expect(200);
    let hi = world.template("hi", "en").await;
    assert_eq!(
        (&hi["status"], &hi["category"]),
        (&json!("APPROVED"), &json!("MARKETING"))
    );
    assert_eq!(world.template_status("bye", "en").await, "PAUSED");
}

#[tokio::test]
async fn a_change_of_category_quality_or_components_is_taken_in() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    world.provider_lists(&[json!({ "data": [hi("APPROVED")] })]);
    world.swept().await;
    let category = json!({ "previous_category": "UTILITY", "new_category": "MARKETING" });
    let category = change("template_category_update", told("hi", "en", category));
    world.from_meta(&shop, &category).await.expect(200);
    let now = world.template("hi", "en").await;
    assert_eq!(
        (&now["category"], &now["status"]),
        (&json!("MARKETING"), &json!("APPROVED"))
    );
    world.swept().await;
    for field in [
        "message_template_quality_update",
        "message_template_components_update",
    ] {
        world
            .from_meta(&shop, &change(field, told("hi", "en", json!({}))))
            .await
            .expect(200);
        let mut listed = hi("APPROVED");
        listed["components"] = body(field);
        world.provider_lists(&[json!({ "data": [listed] })]);
        assert_eq!(world.swept().await, [WABA]);
        assert_eq!(world.template("hi", "en").await["components"], body(field));
    }
}

#[tokio::test]
async fn a_template_that_meta_deletes_is_gone() {
    for event in ["DELETED", "PENDING_DELETION"] {
        let world = World::new().await;
        let shop = world.open_whatsapp().await;
        world.has_templates(&shop, &[hi("APPROVED")]).await;
        world.post("/v1/messages", message(&shop)).await.expect(202);
        let path = format!("/v1/templates/{}", id(&world.template("hi", "en").await));
        world
            .from_meta(&shop, &status("hi", "en", event))
            .await
            .expect(200);
        world
            .call(Method::GET, &path, Value::Null)
            .await
            .expect(404);
        let told = world.post("/v1/messages", message(&shop)).await.expect(422);
        assert_eq!(told["code"], "template_not_approved");
    }
}

#[tokio::test]
async fn a_template_that_is_paused_is_refused_where_its_approval_is_remembered() {
    for event in ["PAUSED", "REJECTED", "DISABLED"] {
        let mut world = World::new().await;
        let shop = world.open_whatsapp().await;
        world.has_templates(&shop, &[hi("APPROVED")]).await;
        world.post("/v1/messages", message(&shop)).await.expect(202);
        // Another isolate takes the webhook in.
        let remembers = world.gateway.memory.clone();
        world.forget();
        world
            .from_meta(&shop, &status("hi", "en", event))
            .await
            .expect(200);
        world.gateway.memory = remembers.clone();
        let before = world.database().dump();
        let told = world.post("/v1/messages", message(&shop)).await.expect(422);
        assert_eq!(told["code"], "template_not_approved");
        assert_eq!(told["errors"][0]["pointer"], "/content/key");
        assert_eq!(world.database().dump(), before);
        world.forget();
        world
            .from_meta(&shop, &status("hi", "en", "APPROVED"))
            .await
            .expect(200);
        world.gateway.memory = remembers;
        world.post("/v1/messages", message(&shop)).await.expect(202);
    }
}

#[tokio::test]
async fn a_report_reaches_every_number_of_the_workspace_that_has_the_template_and_no_other() {
    let mut world = World::new().await;
    let shop = world.whatsapp().await;
    let second = json!({
        "type": "whatsapp", "name": "Second", "identifier": "+15550100002",
        "credentials": {
            "phoneNumberId": "2", "wabaId": WABA, "accessToken": "t", "appSecret": "other", "verifyToken": "v",
        },
    });
    let second = world.connect(second).await;
    let other = world.branch("9").await;
    let mut of_another_account = hi("APPROVED");
    of_another_account["id"] = json!("another");
    world.has_templates(&shop, &[hi("APPROVED")]).await;
    world.has_templates(&second, &[hi("APPROVED")]).await;
    world.has_templates(&other, &[of_another_account]).await;
    let (_, foreign) = world.new_workspace("Mallory").await;
    let own = std::mem::replace(&mut world.key, foreign);
    let theirs = world.whatsapp().await;
    world.has_templates(&theirs, &[hi("APPROVED")]).await;
    world.key = own;
    while !world.swept().await.is_empty() {
        world.provider_lists(&[]);
    }
    for (channel, listed) in [(&shop, "hi-en"), (&second, "hi-en"), (&other, "another")] {
        let mut listed_now = hi("APPROVED");
        listed_now["id"] = json!(listed);
        world.has_templates(channel, &[listed_now]).await;
    }
    world
        .from_meta(&shop, &status("hi", "en", "PAUSED"))
        .await
        .expect(200);
    let listed = world.get("/v1/templates").await;
    for (channel, becomes) in [(&shop, "PAUSED"), (&second, "PAUSED"), (&other, "APPROVED")] {
        let mut all = listed["data"].as_array().expect("a list").iter();
        let its = all
            .find(|it| it["channelId"] == channel.as_str())
            .expect("a template");
        assert_eq!(its["status"], becomes);
    }
    assert_eq!(
        world.swept().await,
        [WABA, WABA],
        "both numbers of the account"
    );
    let sql = format!(
        "SELECT COUNT(*) FROM template WHERE channel_id = '{theirs}' AND status = 'PAUSED'"
    );
    assert_eq!(world.database().count(&sql), 0);
}

#[tokio::test]
async fn a_template_made_in_metas_console_is_there_soon_after_meta_tells_of_it() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    assert_eq!(world.swept().await, [WABA]);
    world
        .from_meta(&shop, &status("hi", "en", "APPROVED"))
        .await
        .expect(200);
    world.provider_lists(&[json!({ "data": [hi("APPROVED")] })]);
    assert_eq!(world.swept().await, [WABA]);
    world.template("hi", "en").await;
    // Of an account that nobody connected there is nothing to read.
    let mut foreign = status("bye", "en", "APPROVED");
    foreign["entry"][0]["id"] = json!("4711");
    world.from_meta(&shop, &foreign).await.expect(200);
    assert_eq!(world.swept().await, [""; 0]);
}

#[tokio::test]
async fn a_report_comes_by_whatever_url_the_app_posts_to() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let page = world.messenger().await;
    world.has_templates(&shop, &[hi("APPROVED")]).await;
    world
        .from_meta(&page, &status("hi", "en", "PAUSED"))
        .await
        .expect(200);
    assert_eq!(world.template_status("hi", "en").await, "PAUSED");
}

#[tokio::test]
async fn a_report_that_nobody_signed_or_of_a_secret_that_was_replaced_changes_nothing() {
    let mut world = World::new().await;
    let shop = world.open_whatsapp().await;
    world.has_templates(&shop, &[hi("APPROVED")]).await;
    let before = world.database().dump();
    let paused = status("hi", "en", "PAUSED").to_string();
    let signature = hub_signature("guessed", paused.as_bytes());
    let headers = [("x-hub-signature-256", signature.as_str())];
    world
        .inbound(&shop, &headers, paused.clone())
        .await
        .expect(401);
    assert_eq!(world.database().dump(), before);
    let remembers = world.gateway.memory.clone();
    world.forget();
    world
        .patch_channel(&shop, json!({ "credentials": { "appSecret": "new" } }))
        .await;
    world.gateway.memory = remembers;
    let old = status("hi", "en", "PAUSED");
    world.from_meta(&shop, &old).await.expect(401);
    assert_eq!(world.template_status("hi", "en").await, "APPROVED");
}

#[tokio::test]
async fn a_webhook_about_templates_takes_one_round_trip() {
    let world = World::new().await;
    let shop = world.open_whatsapp().await;
    world.has_templates(&shop, &[hi("APPROVED")]).await;
    world
        .customer_writes(&shop, CUSTOMER, "wamid.2", "Hi")
        .await;
    let before = world.database().round_trips.get();
    world
        .from_meta(&shop, &status("hi", "en", "PAUSED"))
        .await
        .expect(200);
    assert_eq!(world.database().round_trips.get() - before, 1);
}

#[tokio::test]
async fn a_report_in_the_middle_of_a_sync_has_the_templates_read_once_more() {
    let mut again = 0;
    for delay in 0..12 {
        let world = World::new().await;
        let shop = world.whatsapp().await;
        world.provider_lists(&[json!({ "data": [hi("APPROVED")] })]);
        world.swept().await;
        world.advance(DAY_MS);
        world.provider_lists(&[json!({ "data": [hi("APPROVED")] })]);
        world.database().yields.set(true);
        let report = async {
            for _ in 0..delay {
                tokio::task::yield_now().await;
            }
            world
                .from_meta(&shop, &status("hi", "en", "PAUSED"))
                .await
                .expect(200);
        };
        let (_, ()) = tokio::join!(biased; world.gateway.sweep(), report);
        world.database().yields.set(false);
        world.ports().to_questions.borrow_mut().clear();
        world.provider_lists(&[json!({ "data": [hi("PAUSED")] })]);
        let read = world.swept().await;
        again += read.len();
        if read.is_empty() {
            world.advance(DAY_MS);
            world.swept().await;
        }
        assert_eq!(world.template_status("hi", "en").await, "PAUSED", "{delay}");
    }
    assert!(again > 0, "some came in the middle");
}
