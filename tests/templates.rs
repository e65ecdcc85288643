//! WhatsApp templates: taken in from the provider, named by clients, sent only as the
//! provider approved them.

use crate::support::outgoing::{SHOP, id, pointer};
use crate::support::templates::{body, template};
use crate::support::world::CUSTOMER;
use crate::support::{Answer, World};
use http::Method;
use patchbay::channel::{Filled, Invalid, adapter};
use patchbay::model::channel::ChannelKind;
use patchbay::model::id::{ChannelId, TemplateId};
use patchbay::model::template::{TemplateDraft, TemplateRecord, TemplateRef};
use patchbay::model::time::Timestamp;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// "Hi {{1}}, order {{2}} is on its way."
fn shipped(language: &str) -> Value {
    let text = "Hi {{1}}, order {{2}} is on its way.";
    template(
        "order_shipped",
        language,
        "APPROVED",
        json!([{ "type": "BODY", "text": text }]),
    )
}

impl World {
    async fn patch_template(&self, template: &Value, patch: Value) -> crate::support::world::Reply {
        let path = format!("/v1/templates/{}", id(template));
        self.call(Method::PATCH, &path, patch).await
    }

    async fn send_template(&self, content: Value) -> Value {
        self.post("/v1/messages", message(content))
            .await
            .expect(202)
    }

    /// Status, code, pointer and detail of a template that is refused.
    async fn refuses(&self, content: Value) -> (String, String, String) {
        let reply = self.refused(message(content)).await.0;
        assert_eq!(reply.status, 422, "{}", reply.body);
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        (
            text(&reply.body["code"]),
            pointer(&reply.body).to_owned(),
            text(&reply.body["errors"][0]["detail"]),
        )
    }

    /// The templates that Graph was asked to send.
    fn templates_sent(&self) -> Vec<Value> {
        let sent = self.requests_to("graph.test").into_iter();
        sent.map(|body| {
            assert_eq!(body["type"], "template");
            body["template"].clone()
        })
        .collect()
    }
}

fn message(content: Value) -> Value {
    let mut content = content;
    content["type"] = json!("template");
    json!({ "from": SHOP, "to": CUSTOMER, "content": content })
}

fn mismatch(pointer: &str) -> (String, String) {
    (
        "template_parameter_mismatch".to_owned(),
        format!("/content{pointer}"),
    )
}

#[tokio::test]
async fn a_sync_reads_every_page_of_the_account_with_the_token_as_bearer() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    world.ports().questions.borrow_mut().clear();
    let numbered = json!({
        "id": 9_007_199_254_740_993_u64, "name": "zwei", "language": "de", "status": "PENDING",
        "category": "MARKETING", "components": body("Zwei"), "quality_score": { "score": "GREEN" },
    });
    world.provider_lists(&[
        json!({
            "data": [shipped("en_US")],
            "paging": { "cursors": { "before": "a", "after": "b/c=" }, "next": "https://graph.test/elsewhere" },
        }),
        json!({ "data": [numbered], "paging": { "cursors": { "before": "d", "after": "e" } } }),
    ]);
    let synced = world.sync(&shop).await.expect(200);
    assert_eq!(
        synced,
        json!({ "synced": 2, "added": 2, "changed": 0, "removed": 0 })
    );
    let questions = world.ports().questions.take();
    let asked: Vec<String> = questions.iter().map(|it| it.uri().to_string()).collect();
    let list = "https://graph.test/v23.0/102290129340398/message_templates\
                ?fields=id%2Cname%2Clanguage%2Cstatus%2Ccategory%2Ccomponents&limit=100";
    assert_eq!(asked, [list.to_owned(), format!("{list}&after=b%2Fc%3D")]);
    for question in questions.iter() {
        assert_eq!(question.headers()["authorization"], "Bearer graph-token");
    }
    let provider_id = "SELECT provider_id FROM template WHERE name = 'zwei'";
    assert_eq!(
        world.database().query(provider_id)[0]["provider_id"],
        "9007199254740993"
    );
    let zwei = world.template("zwei", "de").await;
    assert_eq!(
        zwei,
        json!({
            "id": zwei["id"], "channelId": shop, "key": "zwei", "name": "zwei", "language": "de",
            "category": "MARKETING", "status": "PENDING", "components": body("Zwei"), "variables": [],
            "createdAt": "2026-11-20T08:00:00.000Z",
        })
    );
    let shipped = world.template("order_shipped", "en_US").await;
    assert_eq!(shipped["variables"], json!(["1", "2"]));
    let path = format!("/v1/templates/{}", id(&shipped));
    assert_eq!(world.get(&path).await, shipped);
}

#[tokio::test]
async fn what_has_no_name_language_or_status_hides_nothing_beside_it() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let broken = [
        json!(null),
        json!(7),
        json!({}),
        json!({ "id": "1", "name": "x", "language": "en" }),
        json!({ "id": "1", "name": "", "language": "en", "status": "APPROVED" }),
        json!({ "id": "1", "name": "x".repeat(513), "language": "en", "status": "APPROVED" }),
        json!({ "id": "1", "name": "a\u{7f}", "language": "en", "status": "APPROVED" }),
        json!({ "id": "1", "name": "big", "language": "en", "status": "APPROVED", "components": [{ "x": "x".repeat(500_000) }] }),
        json!({ "id": "2", "name": "bare", "language": "en", "status": "LIMBO" }),
        json!({ "id": "3", "name": "bare", "language": "en", "status": "APPROVED" }),
        shipped("en_US"),
    ];
    let synced = world.has_templates(&shop, &broken).await;
    assert_eq!(synced["synced"], 2, "{synced}");
    assert_eq!(world.template("bare", "en").await["status"], "LIMBO");
    world.template("order_shipped", "en_US").await;
}

#[tokio::test]
async fn a_sync_that_finds_nothing_new_writes_nothing() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let both = [shipped("en_US"), shipped("pt_BR")];
    world.has_templates(&shop, &both).await;
    let before = world.database().dump();
    world.advance(60_000);
    let again = world.has_templates(&shop, &both).await;
    assert_eq!(
        again,
        json!({ "synced": 2, "added": 0, "changed": 0, "removed": 0 })
    );
    assert_eq!(world.database().dump(), before);
}

#[tokio::test]
async fn a_sync_keeps_ids_and_what_clients_named_and_takes_the_rest_from_the_provider() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let pending = template("hello", "en_US", "PENDING", body("Hello {{1}}"));
    world.has_templates(&shop, &[pending]).await;
    let first = world.template("hello", "en_US").await;
    let patch = json!({ "key": "greeting", "variables": ["customer"] });
    world.patch_template(&first, patch).await.expect(200);
    let approved = [
        template("hello", "en_US", "APPROVED", body("Good day {{1}}")),
        template("hello", "pt_BR", "APPROVED", body("Olá {{1}}")),
    ];
    let synced = world.has_templates(&shop, &approved).await;
    assert_eq!(
        synced,
        json!({ "synced": 2, "added": 1, "changed": 1, "removed": 0 })
    );
    let english = world.template("hello", "en_US").await;
    assert_eq!(english["id"], first["id"]);
    assert_eq!(english["status"], "APPROVED");
    assert_eq!(english["components"], body("Good day {{1}}"));
    assert_eq!(english["key"], "greeting");
    assert_eq!(english["variables"], json!(["customer"]));
    let portuguese = world.template("hello", "pt_BR").await;
    assert_eq!(
        portuguese["key"], "greeting",
        "a language of the same template"
    );
    assert_eq!(portuguese["variables"], json!(["1"]));
    let longer = [
        template("hello", "en_US", "APPROVED", body("Good day {{1}} {{2}}")),
        approved[1].clone(),
    ];
    let synced = world.has_templates(&shop, &longer).await;
    assert_eq!(synced["changed"], 1, "{synced}");
    let english = world.template("hello", "en_US").await;
    assert_eq!(
        english["variables"],
        json!(["1", "2"]),
        "there are more now"
    );
}

#[tokio::test]
async fn names_that_nobody_gave_follow_the_template() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    for text in ["Hi {{first_name}}", "Hi {{last_name}}"] {
        world
            .has_templates(&shop, &[template("hi", "en", "APPROVED", body(text))])
            .await;
        let hi = world.template("hi", "en").await;
        let name = text.trim_matches(|it| "Hi {}".contains(it));
        assert_eq!(hi["variables"], json!([name]));
    }
}

#[tokio::test]
async fn what_the_provider_no_longer_lists_is_gone_and_its_messages_stay() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    world
        .has_templates(&shop, &[shipped("en_US"), shipped("pt_BR")])
        .await;
    let gone = world.template("order_shipped", "en_US").await;
    let content = json!({ "id": id(&gone), "variables": { "1": "Ana", "2": "4711" } });
    let sent = world.send_template(content.clone()).await;
    let synced = world.has_templates(&shop, &[shipped("pt_BR")]).await;
    assert_eq!(
        synced,
        json!({ "synced": 1, "added": 0, "changed": 0, "removed": 1 })
    );
    let path = format!("/v1/templates/{}", id(&gone));
    let reply = world.call(Method::GET, &path, Value::Null).await;
    assert_eq!(reply.expect(404)["code"], "not_found");
    world
        .patch_template(&gone, json!({ "key": "x" }))
        .await
        .expect(404);
    let listed = world.get("/v1/templates").await;
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1));
    let (code, at, _) = world.refuses(content).await;
    assert_eq!(
        (code.as_str(), at.as_str()),
        ("template_not_approved", "/content/id")
    );
    assert_eq!(world.now(&sent).await["content"]["id"], gone["id"]);
    // It comes back as what it was.
    let synced = world
        .has_templates(&shop, &[shipped("en_US"), shipped("pt_BR")])
        .await;
    assert_eq!(
        synced,
        json!({ "synced": 2, "added": 1, "changed": 0, "removed": 0 })
    );
    assert_eq!(world.get(&path).await, gone);
}

#[tokio::test]
async fn a_list_that_never_ends_is_left_off_and_removes_nothing() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    world.has_templates(&shop, &[shipped("en_US")]).await;
    let kept = world.template("order_shipped", "en_US").await;
    let patch = json!({ "key": "t0" });
    world.patch_template(&kept, patch).await.expect(200);
    world.ports().questions.borrow_mut().clear();
    let page = |number: usize| {
        json!({
            "data": [template(&format!("t{number}"), "en", "APPROVED", body("x"))],
            "paging": { "cursors": { "after": "same" }, "next": "https://graph.test/" },
        })
    };
    let pages: Vec<Value> = (0..60).map(page).collect();
    world.provider_lists(&pages);
    let synced = world.sync(&shop).await.expect(200);
    assert_eq!(
        synced,
        json!({ "synced": 50, "added": 50, "changed": 0, "removed": 0 })
    );
    assert_eq!(world.ports().questions.borrow().len(), 50);
    world.ports().to_questions.borrow_mut().clear();
    assert_eq!(world.template("order_shipped", "en_US").await["key"], "t0");
    assert_eq!(world.template("t0", "en").await["key"], "t0_2");
}

#[tokio::test]
async fn a_sync_that_runs_twice_does_what_one_does() {
    let mut left = Vec::new();
    for twice in [false, true] {
        let world = World::new().await;
        let shop = world.whatsapp().await;
        world.has_templates(&shop, &[shipped("en_US")]).await;
        let old = world.template("order_shipped", "en_US").await;
        world
            .patch_template(&old, json!({ "key": "new" }))
            .await
            .expect(200);
        let others = [
            template("new", "en_US", "APPROVED", body("New")),
            template("new", "de", "PENDING", body("Neu")),
        ];
        world.database().runs_twice.set(twice);
        let mut synced = vec![world.has_templates(&shop, &others).await];
        synced.push(
            world
                .has_templates(&shop, &[shipped("en_US"), others[0].clone()])
                .await,
        );
        world.database().runs_twice.set(false);
        let rows = "SELECT name, language, key, status, variables, version FROM template ORDER BY name, language";
        left.push((synced, world.database().query(rows)));
    }
    assert_eq!(left[0], left[1]);
    assert_eq!(left[0].1.len(), 3);
}

#[tokio::test]
async fn a_change_in_the_middle_of_a_sync_is_not_lost_and_a_key_stays_one_templates() {
    let mut outcomes = Vec::new();
    for delay in 0..6 {
        let world = World::new().await;
        let shop = world.whatsapp().await;
        world.has_templates(&shop, &[shipped("en_US")]).await;
        let old = world.template("order_shipped", "en_US").await;
        world.database().yields.set(true);
        let text = "Hello {{1}}, order {{2}} is on its way.";
        let listed = [
            template("order_shipped", "en_US", "APPROVED", body(text)),
            template("welcome", "de", "APPROVED", body("Willkommen")),
        ];
        let patch = async {
            for _ in 0..delay {
                tokio::task::yield_now().await;
            }
            let patch = json!({ "key": "welcome", "variables": ["name", "order"] });
            world.patch_template(&old, patch).await
        };
        let (patched, _) = tokio::join!(biased; patch, world.has_templates(&shop, &listed));
        // What a sync left alone, for it had changed, the next one takes in.
        world.has_templates(&shop, &listed).await;
        let now = world.template("order_shipped", "en_US").await;
        let other = world.template("welcome", "de").await;
        assert_eq!(now["components"], body(text));
        assert_ne!(now["key"], other["key"], "{delay}");
        if patched.status == 200 {
            assert_eq!(now["key"], "welcome", "{delay}");
            assert_eq!(now["variables"], json!(["name", "order"]), "{delay}");
        } else {
            assert_eq!(now["key"], "order_shipped", "{delay}");
            assert_eq!(now["variables"], json!(["1", "2"]), "{delay}");
        }
        outcomes.push(patched.status);
    }
    outcomes.dedup();
    assert_eq!(
        outcomes,
        [200, 409],
        "first the change is sooner, then the sync"
    );
}

#[tokio::test]
async fn a_thousand_long_templates_are_stored_in_parts() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let long = "x".repeat(3_000);
    let page = |number: usize| {
        let data: Vec<Value> = (0..100)
            .map(|it| template(&format!("t{number}_{it}"), "en", "APPROVED", body(&long)))
            .collect();
        let mut page = json!({ "data": data, "paging": { "cursors": { "after": number } } });
        if number < 9 {
            page["paging"]["next"] = json!("https://graph.test/");
        }
        page
    };
    let pages: Vec<Value> = (0..10).map(page).collect();
    world.provider_lists(&pages);
    let trips = world.database().round_trips.get();
    let synced = world.sync(&shop).await.expect(200);
    assert_eq!(synced["added"], 1_000);
    assert_eq!(
        world.database().count("SELECT COUNT(*) FROM template"),
        1_000
    );
    assert!(world.database().longest_parameter.get() < 1_000_000);
    let trips = world.database().round_trips.get() - trips;
    assert!(
        trips <= 4,
        "{trips}: the key, the channel, what is there, what differs"
    );
}

#[tokio::test]
async fn a_provider_that_refuses_or_is_silent_changes_nothing() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    world.has_templates(&shop, &[shipped("en_US")]).await;
    let before = world.database().dump();
    let refused = |code: i64| {
        Answer::Http(
            400,
            json!({ "error": { "message": "No such account", "code": code } }),
        )
    };
    let next = json!({ "data": [], "paging": { "cursors": { "after": "b" }, "next": "https://graph.test/" } });
    for (answers, status, code) in [
        (vec![refused(100)], 502, "provider_rejected"),
        (vec![refused(80_008)], 502, "provider_rejected"),
        (vec![refused(80_007)], 502, "provider_rejected"),
        (vec![refused(2)], 502, "provider_rejected"),
        (vec![Answer::NoAnswer], 503, "unavailable"),
        (vec![Answer::Http(500, json!({}))], 503, "unavailable"),
        (
            vec![Answer::Http(200, json!({ "data": "none" }))],
            503,
            "unavailable",
        ),
        (
            vec![Answer::Http(200, next.clone()), refused(100)],
            502,
            "provider_rejected",
        ),
        (
            vec![Answer::Http(200, next), Answer::NoAnswer],
            503,
            "unavailable",
        ),
    ] {
        *world.ports().to_questions.borrow_mut() = answers.into();
        let told = world.sync(&shop).await.expect(status);
        assert_eq!(told["code"], code);
        assert_eq!(world.database().dump(), before);
    }
    *world.ports().to_questions.borrow_mut() = vec![refused(100)].into();
    let told = world.sync(&shop).await.expect(502);
    assert_eq!(
        told["detail"],
        "The provider refused: No such account (100)"
    );
}

#[tokio::test]
async fn a_token_that_is_refused_at_a_sync_is_the_channels_trouble() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let refused = Answer::Http(
        401,
        json!({ "error": { "message": "Session has expired", "code": 190 } }),
    );
    world.ports().to_questions.borrow_mut().push_back(refused);
    let told = world.sync(&shop).await.expect(502);
    assert_eq!(told["code"], "provider_rejected");
    let channel = world.get(&format!("/v1/channels/{shop}")).await;
    assert_eq!(channel["status"], "needs_reauth");
    assert_eq!(channel["lastError"]["code"], "190");
}

#[tokio::test]
async fn only_a_living_channel_of_ones_own_that_has_templates_is_synced() {
    let mut world = World::new().await;
    let shop = world.whatsapp().await;
    let bot = world.telegram().await;
    let told = world.sync(&bot).await.expect(422);
    assert_eq!(
        (told["code"].as_str(), pointer(&told)),
        (Some("invalid_request"), "/id")
    );
    world.has_templates(&shop, &[shipped("en_US")]).await;
    let template = world.template("order_shipped", "en_US").await;
    let questions = world.ports().questions.borrow().len();

    let (_, foreign) = world.new_workspace("Mallory").await;
    let own = std::mem::replace(&mut world.key, foreign);
    world.sync(&shop).await.expect(404);
    let path = format!("/v1/templates/{}", id(&template));
    world
        .call(Method::GET, &path, Value::Null)
        .await
        .expect(404);
    let patch = json!({ "key": "mine" });
    world.patch_template(&template, patch).await.expect(404);
    let listed = world.get(&format!("/v1/templates?channelId={shop}")).await;
    assert_eq!(listed["data"], json!([]));
    world.key = own;

    let path = format!("/v1/channels/{shop}");
    world
        .call(Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
    world.sync(&shop).await.expect(404);
    assert_eq!(
        world.ports().questions.borrow().len(),
        questions,
        "nobody is asked"
    );
}

#[tokio::test]
async fn templates_are_listed_page_by_page_and_by_channel() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let second = json!({
        "type": "whatsapp", "name": "Second", "identifier": "+15550100002",
        "credentials": {
            "phoneNumberId": "2", "wabaId": "3", "accessToken": "t", "appSecret": "s", "verifyToken": "v",
        },
    });
    let second = id(&world.post("/v1/channels", second).await.expect(201));
    let many: Vec<Value> = (0..5)
        .map(|number| template(&format!("t{number}"), "en", "APPROVED", body("x")))
        .collect();
    world.has_templates(&shop, &many).await;
    world.has_templates(&second, &many[..2]).await;
    world.has_templates(&shop, &many[..4]).await;
    for (filter, count) in [
        (String::new(), 6),
        (format!("&channelId={shop}"), 4),
        (format!("&channelId={second}"), 2),
    ] {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = world
                .get(&format!("/v1/templates?limit=3{filter}{cursor}"))
                .await;
            let data = page["data"].as_array().expect("a list");
            assert!(data.len() <= 3);
            seen.extend(data.iter().map(id));
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let mut distinct = seen.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct, seen, "oldest first, each once");
        assert_eq!(seen.len(), count, "{filter}");
    }
}

#[tokio::test]
async fn a_key_names_one_template_of_a_channel_in_all_its_languages() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let other = template("other", "pt_BR", "APPROVED", body("x {{1}}"));
    world
        .has_templates(&shop, &[shipped("en_US"), shipped("pt_BR"), other])
        .await;
    let english = world.template("order_shipped", "en_US").await;
    world
        .patch_template(&english, json!({ "key": "shipped" }))
        .await
        .expect(200);
    assert_eq!(
        world.template("order_shipped", "pt_BR").await["key"],
        "shipped"
    );
    let other = world.template("other", "pt_BR").await;
    let before = world.database().dump();
    // Taken, though in another language; and then nothing else of the change is done.
    let patch = json!({ "key": "shipped", "variables": ["name"] });
    let told = world.patch_template(&other, patch).await.expect(409);
    assert_eq!(
        (told["code"].as_str(), pointer(&told)),
        (Some("conflict"), "/key")
    );
    assert_eq!(world.database().dump(), before);
    // The name that was given up is free.
    let patch = json!({ "key": "order_shipped", "variables": ["name"] });
    let patched = world.patch_template(&other, patch).await.expect(200);
    assert_eq!(patched["key"], "order_shipped");
    assert_eq!(patched["variables"], json!(["name"]));
    assert_eq!(patched, world.template("other", "pt_BR").await);
    // The same again changes nothing.
    let before = world.database().dump();
    let patch = json!({ "key": "order_shipped", "variables": ["name"] });
    world.patch_template(&other, patch).await.expect(200);
    world.patch_template(&other, json!({})).await.expect(200);
    assert_eq!(world.database().dump(), before);
}

#[tokio::test]
async fn a_new_template_whose_name_is_anothers_key_gets_a_key_of_its_own() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    world.has_templates(&shop, &[shipped("en_US")]).await;
    let old = world.template("order_shipped", "en_US").await;
    world
        .patch_template(&old, json!({ "key": "welcome" }))
        .await
        .expect(200);
    let welcome = template("welcome", "en_US", "APPROVED", body("Welcome"));
    world
        .has_templates(&shop, &[shipped("en_US"), welcome.clone()])
        .await;
    assert_eq!(world.template("welcome", "en_US").await["key"], "welcome_2");
    assert_eq!(
        world.template("order_shipped", "en_US").await["key"],
        "welcome"
    );
    // The key of a template that is gone is free for others; back again, it has its name.
    world
        .has_templates(&shop, std::slice::from_ref(&welcome))
        .await;
    let new = world.template("welcome", "en_US").await;
    let patched = world
        .patch_template(&new, json!({ "key": "welcome" }))
        .await;
    assert_eq!(patched.expect(200)["key"], "welcome");
    world
        .has_templates(&shop, &[shipped("en_US"), welcome])
        .await;
    let back = world.template("order_shipped", "en_US").await;
    assert_eq!(back["id"], old["id"]);
    assert_eq!(back["key"], "order_shipped");
}

#[tokio::test]
async fn a_template_is_sent_by_key_with_variables() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    world.has_templates(&shop, &[shipped("en_US")]).await;
    let template = world.template("order_shipped", "en_US").await;
    let patch = json!({ "key": "shipped", "variables": ["customer", "order"] });
    world.patch_template(&template, patch).await.expect(200);
    // Nobody has written: the window is closed.
    let content =
        json!({ "key": "shipped", "variables": { "order": 4711, "customer": "Ana {{2}}" } });
    let said = world.send_template(content).await;
    let components = json!([{ "type": "body", "parameters": [
        { "type": "text", "text": "Ana {{2}}" }, { "type": "text", "text": "4711" },
    ] }]);
    assert_eq!(
        said["content"],
        json!({
            "type": "template", "id": template["id"], "key": "shipped", "name": "order_shipped",
            "language": "en_US", "components": components,
            "text": "Hi Ana {{2}}, order 4711 is on its way.",
        })
    );
    world.drain().await;
    assert_eq!(world.status(&said).await, "sent");
    let sent = world.requests_to("graph.test");
    assert_eq!(
        sent,
        [json!({
            "messaging_product": "whatsapp", "recipient_type": "individual", "to": CUSTOMER,
            "biz_opaque_callback_data": said["id"], "type": "template",
            "template": {
                "name": "order_shipped", "language": { "code": "en_US" }, "components": components,
            },
        })]
    );
}

#[tokio::test]
async fn a_template_is_sent_by_name_and_language_with_components_as_they_are() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let rich = template(
        "sale",
        "pt_BR",
        "APPROVED",
        json!([
            { "type": "HEADER", "format": "IMAGE" },
            { "type": "BODY", "text": "{{1}}: {{2}} até {{3}}" },
            { "type": "FOOTER", "text": "Acme" },
            { "type": "BUTTONS", "buttons": [
                { "type": "QUICK_REPLY", "text": "Parar" },
                { "type": "URL", "text": "Ver", "url": "https://acme.example/{{1}}" },
                { "type": "PHONE_NUMBER", "text": "Ligar", "phone_number": "+15550100001" },
                { "type": "COPY_CODE", "example": "X" },
            ] },
        ]),
    );
    world.has_templates(&shop, &[rich]).await;
    let components = json!([
        { "type": "header", "parameters": [{ "type": "image", "image": { "link": "http://acme.example/a.jpg" } }] },
        { "type": "BODY", "parameters": [
            { "type": "text", "text": "Ana", "somethingNew": true },
            { "type": "currency", "currency": { "fallback_value": "$100.99", "code": "USD", "amount_1000": 100_990 } },
            { "type": "date_time", "date_time": { "fallback_value": "25/02", "month": 2 } },
        ] },
        { "type": "button", "sub_type": "quick_reply", "index": "0", "parameters": [{ "type": "payload", "payload": "STOP" }] },
        { "type": "button", "sub_type": "url", "index": 1, "parameters": [{ "type": "text", "text": "x" }] },
        { "type": "button", "sub_type": "copy_code", "index": "3", "parameters": [{ "type": "coupon_code", "coupon_code": "10OFF" }] },
    ]);
    let content = json!({ "name": "sale", "language": "pt_BR", "components": components });
    let said = world.send_template(content).await;
    assert_eq!(said["content"]["text"], "Ana: $100.99 até 25/02");
    assert_eq!(said["content"]["components"], components);
    world.drain().await;
    assert_eq!(
        world.templates_sent(),
        [json!({ "name": "sale", "language": { "code": "pt_BR" }, "components": components })]
    );
}

#[tokio::test]
async fn variables_fill_header_body_and_buttons() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let rich = json!([
        { "type": "HEADER", "format": "TEXT", "text": "Order {{1}}" },
        { "type": "BODY", "text": "Hi {{2}}, {{1}} and {{1}}" },
        { "type": "BUTTONS", "buttons": [
            { "type": "URL", "text": "Home", "url": "https://acme.example/" },
            { "type": "URL", "text": "See", "url": "https://acme.example/{{1}}" },
            { "type": "COPY_CODE" },
        ] },
    ]);
    let media =
        json!([{ "type": "HEADER", "format": "DOCUMENT" }, { "type": "BODY", "text": "Here" }]);
    let named = json!([
        { "type": "HEADER", "format": "TEXT", "text": "{{name}}!" },
        { "type": "BODY", "text": "{{day}} is your day, {{name}}" },
    ]);
    let code = json!([
        { "type": "BODY", "text": "*{{1}}* is your code." },
        { "type": "BUTTONS", "buttons": [
            { "type": "URL", "text": "Copy", "url": "https://www.whatsapp.com/otp/code/?otp_type=COPY_CODE&code=otp{{1}}" },
        ] },
    ]);
    let bare_code = json!([
        { "type": "BODY", "add_security_recommendation": true },
        { "type": "BUTTONS", "buttons": [{ "type": "OTP", "otp_type": "ONE_TAP" }] },
    ]);
    let fixed = json!([{ "type": "HEADER", "format": "TEXT", "text": "Hello" }, { "type": "BODY", "text": "World" }]);
    let text = |text: &str| json!({ "type": "text", "text": text });
    let cases = [
        (
            "rich",
            rich,
            json!({ "header.1": "77", "1": "a", "2": "b", "button.1.1": "c", "button.2.code": "D" }),
            json!([
                { "type": "header", "parameters": [text("77")] },
                { "type": "body", "parameters": [text("a"), text("b")] },
                { "type": "button", "sub_type": "url", "index": "1", "parameters": [text("c")] },
                { "type": "button", "sub_type": "copy_code", "index": "2",
                  "parameters": [{ "type": "coupon_code", "coupon_code": "D" }] },
            ]),
            "Hi b, a and a",
        ),
        (
            "media",
            media,
            json!({ "header.document": "https://acme.example/a.pdf" }),
            json!([{ "type": "header", "parameters": [
                { "type": "document", "document": { "link": "https://acme.example/a.pdf" } },
            ] }]),
            "Here",
        ),
        (
            "named",
            named,
            json!({ "name": "Ana", "day": 1.5 }),
            json!([
                { "type": "header", "parameters": [{ "type": "text", "parameter_name": "name", "text": "Ana" }] },
                { "type": "body", "parameters": [
                    { "type": "text", "parameter_name": "day", "text": "1.5" },
                    { "type": "text", "parameter_name": "name", "text": "Ana" },
                ] },
            ]),
            "1.5 is your day, Ana",
        ),
        (
            "code",
            code,
            json!({ "1": 123_456 }),
            json!([
                { "type": "body", "parameters": [text("123456")] },
                { "type": "button", "sub_type": "url", "index": "0", "parameters": [text("123456")] },
            ]),
            "*123456* is your code.",
        ),
        (
            "bare_code",
            bare_code,
            json!({ "1": "9" }),
            json!([
                { "type": "body", "parameters": [text("9")] },
                { "type": "button", "sub_type": "url", "index": "0", "parameters": [text("9")] },
            ]),
            "9",
        ),
        ("fixed", fixed, json!({}), json!([]), "World"),
    ];
    let listed: Vec<Value> = cases
        .iter()
        .map(|(name, components, ..)| template(name, "en", "APPROVED", components.clone()))
        .collect();
    world.has_templates(&shop, &listed).await;
    for (name, _, variables, components, text) in cases {
        let mut wanted: Vec<&String> = variables.as_object().expect("a map").keys().collect();
        let listed = world.template(name, "en").await;
        let mut names: Vec<&str> = listed["variables"]
            .as_array()
            .expect("names")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        names.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(names, wanted, "{name}");
        let said = world
            .send_template(json!({ "key": name, "variables": variables }))
            .await;
        assert_eq!(said["content"]["components"], components, "{name}");
        assert_eq!(said["content"]["text"], text, "{name}");
    }
    // The order of names is the one in which new ones are given.
    let rich = world.template("rich", "en").await;
    assert_eq!(
        rich["variables"],
        json!(["header.1", "1", "2", "button.1.1", "button.2.code"])
    );
    world.drain().await;
    let sent = world.templates_sent();
    assert_eq!(sent.len(), 6);
    assert_eq!(
        sent[5],
        json!({ "name": "fixed", "language": { "code": "en" } }),
        "no components where there is nothing to fill"
    );
}

#[tokio::test]
async fn variables_that_do_not_fill_the_template_are_refused_with_their_pointer() {
    let world = World::new().await;
    let shop = world.open_whatsapp().await;
    let image = json!([{ "type": "HEADER", "format": "IMAGE" }, { "type": "BODY", "text": "Hi" }]);
    let place =
        json!([{ "type": "HEADER", "format": "LOCATION" }, { "type": "BODY", "text": "Hi" }]);
    let cards = json!([{ "type": "BODY", "text": "Hi" }, { "type": "CAROUSEL", "cards": [] }]);
    let basket = json!([
        { "type": "BODY", "text": "Hi" },
        { "type": "BUTTONS", "buttons": [{ "type": "MPM", "text": "See" }] },
    ]);
    world
        .has_templates(
            &shop,
            &[
                shipped("en_US"),
                template("image", "en", "APPROVED", image),
                template("place", "en", "APPROVED", place),
                template("cards", "en", "APPROVED", cards),
                template("basket", "en", "APPROVED", basket),
                template("fixed", "en", "APPROVED", body("Hi")),
            ],
        )
        .await;
    let shipped = |variables: Value| json!({ "key": "order_shipped", "variables": variables });
    for (content, at) in [
        (json!({ "key": "order_shipped" }), "/variables"),
        (shipped(json!({})), "/variables/1"),
        (shipped(json!({ "1": "Ana" })), "/variables/2"),
        (shipped(json!({ "1": null, "2": "x" })), "/variables/1"),
        (
            shipped(json!({ "1": "a", "2": "b", "a/b~": "c" })),
            "/variables/a~1b~0",
        ),
        (shipped(json!({ "1": true, "2": "b" })), "/variables/1"),
        (shipped(json!({ "1": ["a"], "2": "b" })), "/variables/1"),
        (shipped(json!({ "1": "", "2": "b" })), "/variables/1"),
        (shipped(json!({ "1": "a\nb", "2": "b" })), "/variables/1"),
        (shipped(json!({ "1": "a\tb", "2": "b" })), "/variables/1"),
        (shipped(json!({ "1": "a", "2": "a     b" })), "/variables/2"),
        (
            json!({ "key": "fixed", "variables": { "1": "x" } }),
            "/variables/1",
        ),
        (json!({ "key": "image" }), "/variables"),
        (
            json!({ "key": "image", "variables": { "header.image": "http://a.example/b.jpg" } }),
            "/variables/header.image",
        ),
        (
            json!({ "key": "image", "variables": { "header.image": "a.jpg" } }),
            "/variables/header.image",
        ),
        (
            json!({ "key": "place", "variables": { "header.location": "x" } }),
            "/components",
        ),
        (json!({ "key": "cards" }), "/components"),
        (json!({ "key": "basket", "variables": {} }), "/components"),
    ] {
        let (code, pointer, _) = world.refuses(content.clone()).await;
        assert_eq!((code, pointer), mismatch(at), "{content}");
    }
    let (_, _, detail) = world.refuses(json!({ "key": "order_shipped" })).await;
    assert_eq!(detail, "is required: the template has 2 variables: 1, 2");
    // Four spaces are fine.
    world
        .send_template(shipped(json!({ "1": "a", "2": "a    b" })))
        .await;
}

#[tokio::test]
async fn components_that_do_not_fit_the_template_are_refused_with_their_pointer() {
    let world = World::new().await;
    let shop = world.open_whatsapp().await;
    let rich = json!([
        { "type": "HEADER", "format": "IMAGE" },
        { "type": "BODY", "text": "Hi {{1}}" },
        { "type": "BUTTONS", "buttons": [
            { "type": "QUICK_REPLY", "text": "Stop" },
            { "type": "URL", "text": "See", "url": "https://acme.example/{{1}}" },
            { "type": "URL", "text": "Home", "url": "https://acme.example/" },
        ] },
    ]);
    let named = body("{{first_name}} {{last_name}}");
    world
        .has_templates(
            &shop,
            &[
                template("rich", "en", "APPROVED", rich),
                template("named", "en", "APPROVED", named),
                template("fixed", "en", "APPROVED", body("Hi")),
                template("cards", "en", "APPROVED", json!([{ "type": "CAROUSEL" }])),
            ],
        )
        .await;
    let text = |text: &str| json!({ "type": "text", "text": text });
    let header =
        json!({ "type": "header", "parameters": [{ "type": "image", "image": { "id": "1" } }] });
    let filled = json!({ "type": "body", "parameters": [text("Ana")] });
    let see =
        json!({ "type": "button", "sub_type": "url", "index": "1", "parameters": [text("x")] });
    let of_body =
        |parameter: Value| json!([header, { "type": "body", "parameters": [parameter] }, see]);
    let of_button = |button: Value| json!([header, filled, see, button]);
    let see_is = |button: Value| json!([header, filled, button]);
    for (components, at) in [
        (json!([]), "/components"),
        (json!([header, see]), "/components"),
        (json!([filled, see]), "/components"),
        (json!([header, filled]), "/components"),
        (
            json!([header, filled, see, { "type": "footer" }]),
            "/components/3/type",
        ),
        (json!([header, filled, see, {}]), "/components/3/type"),
        (json!([header, filled, see, filled]), "/components/3"),
        (json!([header, filled, see, header]), "/components/3"),
        (json!([header, filled, see, see]), "/components/3"),
        (
            json!([header, { "type": "body" }, see]),
            "/components/1/parameters",
        ),
        (
            json!([header, { "type": "body", "parameters": {} }, see]),
            "/components/1/parameters",
        ),
        (
            json!([header, { "type": "body", "parameters": [text("a"), text("b")] }, see]),
            "/components/1/parameters",
        ),
        (of_body(json!(null)), "/components/1/parameters/0/type"),
        (
            of_body(json!({ "type": "payload", "payload": "x" })),
            "/components/1/parameters/0/type",
        ),
        (
            of_body(json!({ "type": "text" })),
            "/components/1/parameters/0/text",
        ),
        (
            of_body(json!({ "type": "text", "text": 7 })),
            "/components/1/parameters/0/text",
        ),
        (of_body(text("")), "/components/1/parameters/0/text"),
        (of_body(text("a\nb")), "/components/1/parameters/0/text"),
        (of_body(text("a     b")), "/components/1/parameters/0/text"),
        (
            of_body(json!({ "type": "currency", "currency": {} })),
            "/components/1/parameters/0/currency/fallback_value",
        ),
        (
            json!([{ "type": "header" }, filled, see]),
            "/components/0/parameters",
        ),
        (
            json!([{ "type": "header", "parameters": [text("x")] }, filled, see]),
            "/components/0/parameters/0/type",
        ),
        (
            json!([{ "type": "header", "parameters": [{ "type": "image" }] }, filled, see]),
            "/components/0/parameters/0/image",
        ),
        (
            json!([{ "type": "header", "parameters": [{ "type": "image", "image": {} }] }, filled, see]),
            "/components/0/parameters/0/image",
        ),
        (
            of_button(json!({ "type": "button", "sub_type": "url" })),
            "/components/3/index",
        ),
        (
            of_button(json!({ "type": "button", "sub_type": "url", "index": "3" })),
            "/components/3/index",
        ),
        (
            of_button(json!({ "type": "button", "sub_type": "url", "index": -1 })),
            "/components/3/index",
        ),
        (
            of_button(
                json!({ "type": "button", "sub_type": "url", "index": 2, "parameters": [text("x")] }),
            ),
            "/components/3/index",
        ),
        (
            of_button(json!({ "type": "button", "sub_type": "url", "index": 0 })),
            "/components/3/sub_type",
        ),
        (
            see_is(json!({ "type": "button", "sub_type": "url", "index": 1 })),
            "/components/2/parameters",
        ),
        (
            see_is(
                json!({ "type": "button", "sub_type": "url", "index": 1, "parameters": [{ "type": "payload" }] }),
            ),
            "/components/2/parameters/0/type",
        ),
        (
            see_is(
                json!({ "type": "button", "sub_type": "url", "index": 1, "parameters": [text("")] }),
            ),
            "/components/2/parameters/0/text",
        ),
    ] {
        let content = json!({ "key": "rich", "components": components });
        let (code, pointer, _) = world.refuses(content.clone()).await;
        assert_eq!((code, pointer), mismatch(at), "{content}");
    }
    let by_name =
        |name: &str, text: &str| json!({ "type": "text", "parameter_name": name, "text": text });
    for (parameters, at) in [
        (
            json!([text("Ana"), text("Ng")]),
            "/components/0/parameters/0/parameter_name",
        ),
        (
            json!([by_name("first_name", "Ana"), by_name("middle", "x")]),
            "/components/0/parameters/1/parameter_name",
        ),
        (
            json!([by_name("first_name", "Ana"), by_name("first_name", "x")]),
            "/components/0/parameters/1/parameter_name",
        ),
        (
            json!([by_name("first_name", "Ana")]),
            "/components/0/parameters",
        ),
    ] {
        let components = json!([{ "type": "body", "parameters": parameters }]);
        let content = json!({ "key": "named", "components": components });
        let (code, pointer, _) = world.refuses(content.clone()).await;
        assert_eq!((code, pointer), mismatch(at), "{content}");
    }
    for (content, at) in [
        (
            json!({ "key": "fixed", "components": [filled] }),
            "/components/0/parameters",
        ),
        (
            json!({ "key": "fixed", "components": [header] }),
            "/components/0/parameters",
        ),
        (
            json!({ "key": "fixed", "components": [see] }),
            "/components/0/index",
        ),
        (json!({ "key": "cards", "components": [] }), "/components"),
    ] {
        let (code, pointer, _) = world.refuses(content.clone()).await;
        assert_eq!((code, pointer), mismatch(at), "{content}");
    }
    // In any order, by their names; and what only Meta can check goes through.
    let reversed = json!([{ "type": "body", "parameters": [by_name("last_name", "Ng"), by_name("first_name", "Ana")] }]);
    let said = world
        .send_template(json!({ "key": "named", "components": reversed }))
        .await;
    assert_eq!(said["content"]["text"], "Ana Ng");
    let cards = json!([{ "type": "carousel", "cards": [{ "card_index": 0, "components": [] }] }]);
    world
        .send_template(json!({ "key": "cards", "components": cards }))
        .await;
    let nothing = "0197a000-0000-7000-8000-000000000000";
    for (content, at) in [
        (
            json!({ "key": "fixed", "components": [], "variables": {} }),
            "/content/variables",
        ),
        (
            json!({ "key": "fixed", "components": ["body"] }),
            "/content/components/0",
        ),
        (json!({ "key": "fixed", "name": "fixed" }), "/content"),
        (
            json!({ "id": nothing, "language": "en" }),
            "/content/language",
        ),
        (json!({}), "/content"),
    ] {
        let (code, pointer, _) = world.refuses(content).await;
        assert_eq!((code.as_str(), pointer.as_str()), ("invalid_request", at));
    }
}

#[tokio::test]
async fn only_what_is_approved_on_the_channel_is_sent() {
    let world = World::new().await;
    let shop = world.open_whatsapp().await;
    let statuses = ["PENDING", "REJECTED", "PAUSED", "DISABLED", "SOMETHING_NEW"];
    let listed: Vec<Value> = statuses
        .iter()
        .map(|status| template(&status.to_lowercase(), "en", status, body("Hi")))
        .collect();
    world.has_templates(&shop, &listed).await;
    let nothing = "0197a000-0000-7000-8000-000000000000";
    let mut cases = vec![
        (json!({ "key": "nothing" }), "/content/key"),
        (
            json!({ "name": "nothing", "language": "en" }),
            "/content/name",
        ),
        (json!({ "id": nothing }), "/content/id"),
    ];
    for status in statuses {
        let name = status.to_lowercase();
        let id = id(&world.template(&name, "en").await);
        cases.push((json!({ "key": name }), "/content/key"));
        cases.push((json!({ "name": name, "language": "en" }), "/content/name"));
        cases.push((json!({ "id": id }), "/content/id"));
    }
    for (content, at) in cases {
        let (code, pointer, _) = world.refuses(content.clone()).await;
        assert_eq!(
            (code.as_str(), pointer.as_str()),
            ("template_not_approved", at),
            "{content}"
        );
    }
    let bot = world.telegram().await;
    let mut to_bot = message(json!({ "key": "pending" }));
    to_bot["from"] = json!(bot);
    to_bot["to"] = json!("77");
    let refused = world.refused(to_bot).await;
    assert_eq!(
        refused.as_told(),
        (422, "unsupported_content", "/content/type")
    );
}

#[tokio::test]
async fn the_templates_of_a_deleted_channel_go_with_it() {
    let world = World::new().await;
    let shop = world.open_whatsapp().await;
    let second = json!({
        "type": "whatsapp", "name": "Second", "identifier": "+15550100002",
        "credentials": {
            "phoneNumberId": "2", "wabaId": "3", "accessToken": "t", "appSecret": "s", "verifyToken": "v",
        },
    });
    let second = id(&world.post("/v1/channels", second).await.expect(201));
    for channel in [&shop, &second] {
        world
            .has_templates(channel, &[template("hi", "en", "APPROVED", body("Hi"))])
            .await;
    }
    let path = format!("/v1/channels/{second}");
    let (_, other) = world.new_workspace("Other").await;
    let bearer = format!("Bearer {other}");
    world
        .call_with(
            Method::DELETE,
            &path,
            &[("authorization", &bearer)],
            Value::Null,
        )
        .await
        .expect(404);
    let channels = async || {
        let listed = world.get("/v1/templates").await;
        let listed = listed["data"].as_array().expect("a list").iter();
        let mut ids: Vec<String> = listed.map(|it| it["channelId"].to_string()).collect();
        ids.sort();
        ids
    };
    let quoted = |id: &str| format!("\"{id}\"");
    let mut both = [quoted(&shop), quoted(&second)];
    both.sort();
    assert_eq!(channels().await, both);
    let listed = world
        .get(&format!("/v1/templates?channelId={second}"))
        .await;
    let template = format!("/v1/templates/{}", id(&listed["data"][0]));
    world
        .call(Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
    assert_eq!(channels().await, [quoted(&shop)]);
    for (method, body) in [
        (Method::GET, Value::Null),
        (Method::PATCH, json!({ "key": "x" })),
    ] {
        world.call(method, &template, body).await.expect(404);
    }
}

#[tokio::test]
async fn another_channels_template_is_not_this_ones() {
    let world = World::new().await;
    world.open_whatsapp().await;
    let second = json!({
        "type": "whatsapp", "name": "Second", "identifier": "+15550100002",
        "credentials": {
            "phoneNumberId": "2", "wabaId": "3", "accessToken": "t", "appSecret": "s", "verifyToken": "v",
        },
    });
    let second = id(&world.post("/v1/channels", second).await.expect(201));
    world
        .has_templates(&second, &[template("hi", "en", "APPROVED", body("Hi"))])
        .await;
    let hi = id(&world.template("hi", "en").await);
    for content in [
        json!({ "key": "hi" }),
        json!({ "name": "hi" }),
        json!({ "id": hi }),
    ] {
        let (code, _, _) = world.refuses(content).await;
        assert_eq!(code, "template_not_approved");
    }
    let mut from_second = message(json!({ "key": "hi" }));
    from_second["from"] = json!(second);
    world.post("/v1/messages", from_second).await.expect(202);
}

#[tokio::test]
async fn a_language_that_is_asked_for_is_never_replaced_by_another() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let hi = |language: &str, status: &str| template("hi", language, status, body(language));
    world
        .has_templates(
            &shop,
            &[
                hi("de", "PENDING"),
                hi("en_US", "APPROVED"),
                hi("pt_BR", "APPROVED"),
            ],
        )
        .await;
    for by in ["key", "name"] {
        let said = world
            .send_template(json!({ by: "hi", "language": "pt_BR" }))
            .await;
        assert_eq!(said["content"]["language"], "pt_BR");
        let (code, at, detail) = world.refuses(json!({ by: "hi", "language": "fr" })).await;
        assert_eq!(
            (code.as_str(), at.as_str()),
            ("template_not_approved", "/content/language")
        );
        assert!(detail.contains("en_US"), "{detail}");
        let (_, _, detail) = world.refuses(json!({ by: "hi", "language": "de" })).await;
        assert_eq!(detail, "is pending in de and may not be sent");
        let said = world.send_template(json!({ by: "hi" })).await;
        assert_ne!(said["content"]["language"], "de", "one that is approved");
    }
    let patch = |language: &str| json!({ "settings": { "defaultLanguage": language } });
    world.patch_channel(&shop, patch("pt_BR")).await;
    let said = world.send_template(json!({ "key": "hi" })).await;
    assert_eq!(said["content"]["language"], "pt_BR");
    world.patch_channel(&shop, patch("de")).await;
    let (code, _, _) = world.refuses(json!({ "key": "hi" })).await;
    assert_eq!(code, "template_not_approved", "the default is not approved");
    world.patch_channel(&shop, patch("fr")).await;
    let said = world.send_template(json!({ "key": "hi" })).await;
    assert_ne!(
        said["content"]["language"], "de",
        "the default is none of its languages"
    );
}

#[tokio::test]
async fn without_a_language_it_is_the_first_approved_one_and_stays_it() {
    let mut world = World::new().await;
    let shop = world.whatsapp().await;
    let names = ["one", "two", "three", "four"];
    let listed = |languages: &[&str]| {
        let all = names.iter().flat_map(|name| {
            let of_name = languages.iter();
            of_name.map(|language| template(name, language, "APPROVED", body(language)))
        });
        let pending = names.map(|name| template(name, "de", "PENDING", body("de")));
        [pending.to_vec(), all.collect()].concat()
    };
    world
        .has_templates(&shop, &listed(&["sw", "en_US", "pt_BR", "ha"]))
        .await;
    for later in [false, true] {
        if later {
            // Whatever is listed before it from now on.
            world.advance(1_000);
            world
                .has_templates(&shop, &listed(&["ar", "ha", "pt_BR", "en_US", "sw"]))
                .await;
            world.forget();
        }
        for name in names {
            let said = world.send_template(json!({ "key": name })).await;
            assert_eq!(said["content"]["language"], "sw", "{name} {later}");
        }
    }
}

#[tokio::test]
async fn a_template_is_found_however_many_channels_have_one_of_its_name() {
    let mut world = World::new().await;
    world.open_whatsapp().await;
    let mut last = String::new();
    for number in 0..60 {
        let channel = json!({
            "type": "whatsapp", "name": "Branch", "identifier": format!("+1555020{number:04}"),
            "credentials": {
                "phoneNumberId": format!("7{number}"), "wabaId": "3", "accessToken": "t",
                "appSecret": "s", "verifyToken": "v",
            },
        });
        last = id(&world.post("/v1/channels", channel).await.expect(201));
        let languages = ["en", "fr"].map(|it| template("hi", it, "APPROVED", body(it)));
        world.has_templates(&last, &languages).await;
        world.advance(1_000);
    }
    world.forget();
    for by in ["key", "name"] {
        let mut wanted = message(json!({ by: "hi", "language": "fr" }));
        wanted["from"] = json!(last);
        let said = world.post("/v1/messages", wanted).await.expect(202);
        assert_eq!(said["content"]["text"], "fr", "{by}");
    }
}

#[tokio::test]
async fn a_template_that_changed_since_it_was_remembered_is_planned_again() {
    let world = World::new().await;
    let shop = world.open_whatsapp().await;
    let content = json!({ "key": "hi", "variables": { "name": "Ana" } });
    let hi = |status: &str, text: &str| template("hi", "en", status, body(text));
    world
        .has_templates(&shop, &[hi("PENDING", "Hi {{name}}")])
        .await;
    world.refuses(content.clone()).await;
    // Approved meanwhile: what is remembered refuses, what is true does not.
    world
        .has_templates(&shop, &[hi("APPROVED", "Hi {{name}}")])
        .await;
    let said = world.send_template(content.clone()).await;
    assert_eq!(said["content"]["text"], "Hi Ana");
    // Another text.
    world
        .has_templates(&shop, &[hi("APPROVED", "Hello {{name}}")])
        .await;
    let said = world.send_template(content.clone()).await;
    assert_eq!(said["content"]["text"], "Hello Ana");
    // Other placeholders.
    world
        .has_templates(&shop, &[hi("APPROVED", "Hello {{first}}")])
        .await;
    let (code, _, _) = world.refuses(content.clone()).await;
    assert_eq!(code, "template_parameter_mismatch");
    let said = world
        .send_template(json!({ "key": "hi", "variables": { "first": "Ana" } }))
        .await;
    assert_eq!(said["content"]["text"], "Hello Ana");
    // Paused.
    world
        .has_templates(&shop, &[hi("PAUSED", "Hello {{first}}")])
        .await;
    let (code, _, _) = world
        .refuses(json!({ "key": "hi", "variables": { "first": "Ana" } }))
        .await;
    assert_eq!(code, "template_not_approved");
}

#[tokio::test]
async fn a_further_language_counts_at_once() {
    let mut world = World::new().await;
    let shop = world.open_whatsapp().await;
    world
        .patch_channel(&shop, json!({ "settings": { "defaultLanguage": "pt_BR" } }))
        .await;
    let hi = |language: &str| template("hi", language, "APPROVED", body(language));
    world.has_templates(&shop, &[hi("en_US")]).await;
    let said = world.send_template(json!({ "key": "hi" })).await;
    assert_eq!(said["content"]["language"], "en_US");
    // An isolate that remembers only the first language.
    let remembers = world.gateway.memory.clone();
    world.forget();
    world
        .has_templates(&shop, &[hi("en_US"), hi("pt_BR")])
        .await;
    world.gateway.memory = remembers;
    let said = world.send_template(json!({ "key": "hi" })).await;
    assert_eq!(said["content"]["language"], "pt_BR");
}

#[tokio::test]
async fn a_key_that_moved_to_another_template_sends_that_one() {
    let mut world = World::new().await;
    let shop = world.open_whatsapp().await;
    let of = |name: &str| template(name, "en", "APPROVED", body(name));
    world.has_templates(&shop, &[of("old"), of("new")]).await;
    let (old, new) = (
        world.template("old", "en").await,
        world.template("new", "en").await,
    );
    let said = world.send_template(json!({ "key": "old" })).await;
    assert_eq!(said["content"]["name"], "old");
    let remembers = world.gateway.memory.clone();
    world.forget();
    for (template, key) in [(&old, "older"), (&new, "old")] {
        let patch = json!({ "key": key });
        world.patch_template(template, patch).await.expect(200);
    }
    world.gateway.memory = remembers;
    let said = world.send_template(json!({ "key": "old" })).await;
    assert_eq!(said["content"]["name"], "new");
}

#[tokio::test]
async fn a_repeat_is_answered_whatever_became_of_the_template() {
    let world = World::new().await;
    let shop = world.open_whatsapp().await;
    world.has_templates(&shop, &[shipped("en_US")]).await;
    let content = json!({ "key": "order_shipped", "variables": { "1": "a", "2": "b" } });
    let mut body = message(content);
    body["clientMessageId"] = json!("mine-1");
    let first = world.post_under("k", body.clone()).await.expect(202);
    world.has_templates(&shop, &[]).await;
    for _ in 0..2 {
        let reply = world.post_under("k", body.clone()).await;
        assert_eq!(reply.header("idempotency-replayed"), Some("true"));
        assert_eq!(reply.expect(202), first);
    }
    let reply = world.post("/v1/messages", body.clone()).await;
    assert_eq!(reply.header("idempotency-replayed"), Some("true"));
    body["content"]["variables"]["1"] = json!("other");
    let told = world.post_under("k", body).await.expect(409);
    assert_eq!(told["code"], "idempotency_key_reused");
}

#[tokio::test]
async fn subscribers_are_told_the_template_and_its_text() {
    let world = World::new().await;
    let shop = world.open_whatsapp().await;
    world.subscribe_to_all().await;
    world.has_templates(&shop, &[shipped("en_US")]).await;
    let content = json!({ "name": "order_shipped", "variables": { "1": "Ana", "2": "7" } });
    let said = world.send_template(content).await;
    world.drain().await;
    let told = world.requests_to("hooks.example.com");
    let told = told.iter().find(|event| event["type"] == "message.sent");
    let told = &told.expect("an event")["data"]["message"]["content"];
    assert_eq!(*told, said["content"]);
    assert_eq!(told["text"], "Hi Ana, order 7 is on its way.");
}

fn record(components: Vec<Value>, variables: Vec<String>) -> TemplateRecord {
    TemplateRecord {
        id: TemplateId::parse("0197a000-0000-7000-8000-000000000000").expect("an id"),
        channel_id: ChannelId::parse("0197a000-0000-7000-8000-000000000001").expect("an id"),
        key: "k".to_owned(),
        name: "n".to_owned(),
        language: "en".to_owned(),
        category: "UTILITY".to_owned(),
        status: "APPROVED".to_owned(),
        components,
        variables,
        version: 1,
        created_at: Timestamp::from_ms(1),
    }
}

fn fill(
    components: &[Value],
    given: Option<Vec<Value>>,
    variables: Option<Map<String, Value>>,
) -> Result<Filled, Invalid> {
    let adapter = adapter(ChannelKind::Whatsapp).expect("an adapter");
    let templates = adapter.templates().expect("templates");
    let names = templates.variables(components);
    let draft = TemplateDraft {
        template: TemplateRef::Key {
            key: "k".to_owned(),
            language: None,
        },
        components: given,
        variables,
    };
    templates.fill(&record(components.to_vec(), names), &draft)
}

/// JSON that is near to what Meta's is.
fn near() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("{{1}} and {{2}}"),
        Just("{{name}}"),
        Just("{{"),
        Just("{{é}}{{ 1 }}}}"),
        Just("{{99999999999999999999}}"),
        Just("HEADER"),
        Just("body"),
        Just("BUTTONS"),
        Just("button"),
        Just("URL"),
        Just("url"),
        Just("OTP"),
        Just("COPY_CODE"),
        Just("copy_code"),
        Just("text"),
        Just("TEXT"),
        Just("image"),
        Just("IMAGE"),
        Just("location"),
        Just("currency"),
        Just("carousel"),
        Just("1"),
        Just("0"),
        Just(""),
        Just("é\n"),
        Just("https://a.example/{{1}}?otp_type="),
    ];
    let field = prop_oneof![
        Just("type"),
        Just("format"),
        Just("text"),
        Just("url"),
        Just("buttons"),
        Just("parameters"),
        Just("index"),
        Just("sub_type"),
        Just("image"),
        Just("link"),
        Just("currency"),
        Just("fallback_value"),
        Just("parameter_name"),
        Just("coupon_code"),
        Just("cards"),
        Just("location"),
    ];
    let leaf = prop_oneof![
        6 => word.prop_map(|it| json!(it)),
        1 => any::<i64>().prop_map(|it| json!(it)),
        1 => Just(json!(null)),
        1 => any::<bool>().prop_map(|it| json!(it)),
        1 => ".{0,12}".prop_map(|it| json!(it)),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            4 => prop::collection::vec((field.clone(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().map(|(name, it)| (name.to_owned(), it)).collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_template_and_nothing_given_for_it_breaks_the_filling(
        components in prop::collection::vec(near(), 0..4),
        given in prop::collection::vec(near(), 0..4),
        variables in prop::collection::vec((".{0,8}", near()), 0..4),
    ) {
        let _ = fill(&components, None, None);
        let _ = fill(&components, Some(given), None);
        let _ = fill(&components, None, Some(variables.into_iter().collect()));
    }

    /// What variables are compiled to passes the check of components, and reads the same.
    #[test]
    fn what_variables_make_is_what_components_may_be(
        header in "[a-z{}1]{0,12}", body in "([a-z ]{0,6}(\\{\\{[1-4]\\}\\}|\\{\\{[a-c]\\}\\})?){0,5}",
        url in "[a-z{}1]{0,12}", value in "[a-z{} ]{0,6}[a-z]",
    ) {
        let components = vec![
            json!({ "type": "HEADER", "format": "TEXT", "text": header }),
            json!({ "type": "BODY", "text": body }),
            json!({ "type": "BUTTONS", "buttons": [{ "type": "URL", "url": url }, { "type": "COPY_CODE" }] }),
        ];
        let adapter = adapter(ChannelKind::Whatsapp).expect("an adapter");
        let names = adapter.templates().expect("templates").variables(&components);
        let variables = names.iter().map(|name| (name.clone(), json!(value))).collect();
        if value.contains("     ") {
            return Ok(());
        }
        let compiled = fill(&components, None, Some(variables)).expect("every placeholder is filled");
        let checked = fill(&components, Some(compiled.components.clone()), None);
        prop_assert_eq!(checked.expect("it is right"), compiled);
    }
}
