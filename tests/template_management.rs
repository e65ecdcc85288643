//! Templates made and deleted at the provider, natively and on Visito's surface.

use crate::support::outgoing::{id, pointer};
use crate::support::templates::{body, template};
use crate::support::world::{CUSTOMER, Reply};
use crate::support::{Answer, World};
use http::Method;
use serde_json::{Value, json};

const GRAPH: &str = "graph.test";

/// A template as a client describes it to Meta.
fn described(name: &str, text: &str) -> Value {
    json!({
        "name": name, "language": "en_US", "category": "UTILITY",
        "components": [{ "type": "BODY", "text": text }],
    })
}

impl World {
    fn provider_answers(&self, status: u16, answer: Value) {
        let answer = Answer::Http(status, answer);
        self.ports().from_provider.borrow_mut().push_back(answer);
    }

    async fn create(&self, channel: &str, described: Value) -> Reply {
        let mut body = described;
        body["channelId"] = json!(channel);
        self.post("/v1/templates", body).await
    }

    async fn delete_template(&self, template: &Value) -> Reply {
        let path = format!("/v1/templates/{}", id(template));
        self.call(Method::DELETE, &path, Value::Null).await
    }

    fn is_due(&self, channel: &str) -> bool {
        let sql = format!("SELECT templates_due_at = 0 FROM channel WHERE id = '{channel}'");
        self.database().count(&sql) == 1
    }

    /// A further number of the shop's account.
    async fn second_number(&self) -> String {
        let body = json!({
            "type": "whatsapp", "name": "Second", "identifier": "+15550100002",
            "credentials": {
                "phoneNumberId": "2", "wabaId": "102290129340398", "accessToken": "t",
                "appSecret": "s", "verifyToken": "v",
            },
        });
        self.connect(body).await
    }

    fn asked(&self) -> usize {
        self.posts_to(GRAPH).len()
    }
}

fn refused(code: i64, message: &str) -> Value {
    json!({ "error": {
        "message": message, "type": "OAuthException", "code": code, "fbtrace_id": "A",
    } })
}

#[tokio::test]
async fn a_template_is_made_at_meta_and_stored_as_meta_answers() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let description = json!({
        "name": "order_shipped", "language": "en_US", "category": "utility",
        "allow_category_change": true, "parameter_format": "positional",
        "message_send_ttl_seconds": 60, "of_the_future": { "deep": [null] },
        "components": [
            { "type": "header", "format": "TEXT", "text": "Order {{1}}", "example": { "header_text": ["7"] } },
            { "type": "body", "text": "Hi {{1}}", "example": { "body_text": [["Ana"]] }, "new": 1 },
            { "type": "buttons", "buttons": [{ "type": "QUICK_REPLY", "text": "Stop" }] },
        ],
    });
    let mut body = description.clone();
    body["channelId"] = json!(shop);
    body["key"] = json!("shipped");
    body["variables"] = json!(["order", "customer"]);
    let answer =
        json!({ "id": 9_007_199_254_740_993_u64, "status": "PENDING", "category": "MARKETING" });
    world.provider_answers(200, answer);
    let made = world.post("/v1/templates", body).await.expect(201);
    assert_eq!(
        made,
        json!({
            "id": made["id"], "channelId": shop, "key": "shipped", "name": "order_shipped",
            "language": "en_US", "category": "MARKETING", "status": "PENDING",
            "components": description["components"], "variables": ["order", "customer"],
            "createdAt": "2026-11-20T08:00:00.000Z",
        })
    );
    assert_eq!(
        world.get(&format!("/v1/templates/{}", id(&made))).await,
        made
    );
    let posts = world.posts_to(GRAPH);
    let [post] = posts.as_slice() else {
        panic!("one request")
    };
    assert_eq!(post.method(), Method::POST);
    assert_eq!(
        post.uri().to_string(),
        "https://graph.test/v23.0/102290129340398/message_templates"
    );
    assert_eq!(post.headers()["authorization"], "Bearer graph-token");
    assert_eq!(post.headers()["content-type"], "application/json");
    assert_eq!(
        world.requests_to(GRAPH),
        [description],
        "none of our fields"
    );
    let rows = world.database().query("SELECT provider_id FROM template");
    assert_eq!(rows, [json!({ "provider_id": "9007199254740993" })]);
    // Meta writes components in its own way: they are read from there.
    assert!(world.is_due(&shop));
}

#[tokio::test]
async fn what_a_template_leaves_open_is_as_after_a_sync() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let made = world.create(&shop, described("hi", "Hi {{1}} {{2}}")).await;
    let made = made.expect(201);
    assert_eq!(made["key"], "hi");
    assert_eq!(made["variables"], json!(["1", "2"]));
    assert_eq!(made["status"], "PENDING");
    assert_eq!(made["category"], "UTILITY");
    // The sync that follows keeps the row, and the names that were given.
    let patch = json!({ "variables": ["name", "order"] });
    let path = format!("/v1/templates/{}", id(&made));
    world.call(Method::PATCH, &path, patch).await.expect(200);
    let mut listed = template("hi", "en_US", "APPROVED", body("Hi {{1}} {{2}}"));
    listed["id"] = json!("900001");
    let synced = world.has_templates(&shop, &[listed]).await;
    assert_eq!(
        (&synced["added"], &synced["changed"]),
        (&json!(0), &json!(1))
    );
    let now = world.get(&path).await;
    assert_eq!(now["status"], "APPROVED");
    assert_eq!(now["variables"], json!(["name", "order"]));
}

#[tokio::test]
async fn forms_that_are_valid_for_meta_are_valid_here() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let code = json!({
        "name": "code", "language": "fil", "category": "AUTHENTICATION",
        "components": [
            { "type": "BODY", "add_security_recommendation": true },
            { "type": "FOOTER", "code_expiration_minutes": 10 },
            { "type": "BUTTONS", "buttons": [{ "type": "OTP", "otp_type": "COPY_CODE" }] },
        ],
        "variables": ["code"],
    });
    let bare_code = json!({
        "name": "bare_code", "language": "en", "category": "authentication",
        "components": [{ "type": "BUTTONS", "buttons": [{ "type": "OTP", "otp_type": "ONE_TAP" }] }],
    });
    let of_the_library = json!({
        "name": "reminder", "language": "zh_CN", "category": "UTILITY",
        "library_template_name": "appointment_reminder_1",
    });
    for description in [code, bare_code, of_the_library] {
        let name = description["name"].clone();
        let made = world.create(&shop, description.clone()).await.expect(201);
        assert_eq!(made["name"], name);
        if let Some(names) = description.get("variables") {
            assert_eq!(made["variables"], *names);
        }
    }
}

#[tokio::test]
async fn what_is_wrong_is_told_before_meta_is_asked() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let bot = world.telegram().await;
    let hello = template("hello", "en_US", "APPROVED", body("Hello"));
    world.has_templates(&shop, &[hello]).await;
    let before = world.database().dump();
    let with = |field: &str, value: Value| {
        let mut body = described("new", "Hi {{1}}");
        body[field] = value;
        body
    };
    let large = json!([{ "type": "BODY", "text": "x".repeat(500_000) }]);
    for (channel, body, status, code, at) in [
        (
            &shop,
            with("name", json!("New")),
            422,
            "invalid_request",
            "/name",
        ),
        (
            &shop,
            with("components", json!([])),
            422,
            "invalid_request",
            "/components",
        ),
        (
            &shop,
            with("components", large),
            422,
            "invalid_request",
            "/components",
        ),
        (
            &shop,
            with("variables", json!([])),
            422,
            "invalid_request",
            "/variables",
        ),
        (&shop, with("key", json!("hello")), 409, "conflict", "/key"),
        (
            &bot,
            described("new", "Hi"),
            422,
            "invalid_request",
            "/channelId",
        ),
        (
            &world.workspace,
            described("new", "Hi"),
            404,
            "not_found",
            "/channelId",
        ),
    ] {
        let told = world.create(channel, body.clone()).await.expect(status);
        assert_eq!(
            (told["code"].as_str(), pointer(&told)),
            (Some(code), at),
            "{body}"
        );
    }
    assert_eq!(world.asked(), 0);
    assert_eq!(world.database().dump(), before);
}

#[tokio::test]
async fn metas_refusal_is_forwarded_and_nothing_is_stored() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let mut exists = refused(100, "Invalid parameter");
    exists["error"]["error_subcode"] = json!(2_388_024);
    exists["error"]["error_user_title"] = json!("Content in This Language Already Exists");
    exists["error"]["error_user_msg"] = json!("There is already English (US) content.");
    for (status, answer, detail) in [
        (
            400,
            exists,
            "The provider refused: Invalid parameter: There is already English (US) content. (100)",
        ),
        (
            400,
            refused(80_008, "There have been too many calls"),
            "The provider refused: There have been too many calls (80008)",
        ),
        (
            403,
            refused(200, "Permissions error"),
            "The provider refused: Permissions error (200)",
        ),
    ] {
        world.provider_answers(status, answer);
        let told = world.create(&shop, described("hi", "Hi")).await.expect(502);
        assert_eq!(told["code"], "provider_rejected");
        assert_eq!(told["detail"], detail);
    }
    let templates = world.database().count("SELECT COUNT(*) FROM template");
    assert_eq!(templates, 0);
    let channel = world.get(&format!("/v1/channels/{shop}")).await;
    assert_eq!(channel["status"], "connected");
}

#[tokio::test]
async fn a_token_that_is_refused_is_the_channels_trouble() {
    for deletes in [false, true] {
        let world = World::new().await;
        let shop = world.whatsapp().await;
        world
            .has_templates(&shop, &[template("hi", "en", "APPROVED", body("Hi"))])
            .await;
        let hi = world.template("hi", "en").await;
        world.provider_answers(401, refused(190, "Session has expired"));
        let reply = if deletes {
            world.delete_template(&hi).await
        } else {
            world.create(&shop, described("new", "Hi")).await
        };
        assert_eq!(reply.expect(502)["code"], "provider_rejected");
        let channel = world.get(&format!("/v1/channels/{shop}")).await;
        assert_eq!(channel["status"], "needs_reauth");
        assert_eq!(channel["lastError"]["code"], "190");
    }
}

#[tokio::test]
async fn where_meta_does_not_say_what_it_did_the_next_sweep_finds_out() {
    let answers = [
        Answer::NoAnswer,
        Answer::Http(500, json!({})),
        Answer::Http(200, json!({ "status": "PENDING" })),
    ];
    for answer in answers {
        let world = World::new().await;
        let shop = world.whatsapp().await;
        world.gateway.sweep().await;
        assert!(!world.is_due(&shop));
        world.ports().from_provider.borrow_mut().push_back(answer);
        let told = world.create(&shop, described("hi", "Hi")).await.expect(503);
        assert_eq!(told["code"], "unavailable");
        assert_eq!(world.database().count("SELECT COUNT(*) FROM template"), 0);
        // It had done it.
        world
            .provider_lists(&[json!({ "data": [template("hi", "en_US", "PENDING", body("Hi"))] })]);
        world.gateway.sweep().await;
        assert_eq!(world.template("hi", "en_US").await["status"], "PENDING");
    }
}

#[tokio::test]
async fn a_further_language_shares_the_key_and_a_key_that_is_given_is_that_of_all() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let mut english = described("hi", "Hi");
    english["key"] = json!("greeting");
    world.create(&shop, english).await.expect(201);
    let mut german = described("hi", "Hallo");
    german["language"] = json!("de");
    let made = world.create(&shop, german).await.expect(201);
    assert_eq!(made["key"], "greeting");
    let mut french = described("hi", "Salut");
    french["language"] = json!("fr");
    french["key"] = json!("hello");
    let made = world.create(&shop, french).await.expect(201);
    assert_eq!(made["key"], "hello");
    for language in ["en_US", "de", "fr"] {
        assert_eq!(world.template("hi", language).await["key"], "hello");
    }
    // The key of a template that is gone is free.
    world.has_templates(&shop, &[]).await;
    let mut new = described("welcome", "Welcome");
    new["key"] = json!("hello");
    let made = world.create(&shop, new).await.expect(201);
    assert_eq!(made["key"], "hello");
}

#[tokio::test]
async fn what_is_made_may_be_sent_once_it_is_approved() {
    let world = World::new().await;
    let shop = world.open_whatsapp().await;
    let made = world
        .create(&shop, described("hi", "Hi {{1}}"))
        .await
        .expect(201);
    let message = json!({ "from": shop, "to": CUSTOMER, "content": {
        "type": "template", "id": made["id"], "variables": { "1": "Ana" },
    } });
    let told = world
        .post("/v1/messages", message.clone())
        .await
        .expect(422);
    assert_eq!(told["code"], "template_not_approved");
    assert_eq!(
        told["errors"][0]["detail"],
        "is pending in en_US and may not be sent"
    );
    let mut listed = template("hi", "en_US", "APPROVED", body("Hi {{1}}"));
    listed["id"] = json!("900001");
    world.has_templates(&shop, &[listed]).await;
    let said = world.post("/v1/messages", message).await.expect(202);
    assert_eq!(said["content"]["text"], "Hi Ana");
}

#[tokio::test]
async fn a_template_is_deleted_at_meta_and_then_here() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let both = ["en_US", "pt_BR"].map(|it| template("hi", it, "APPROVED", body("Hi")));
    world.has_templates(&shop, &both).await;
    let english = world.template("hi", "en_US").await;
    let message = json!({ "from": shop, "to": CUSTOMER, "content": { "type": "template", "id": english["id"] } });
    let said = world
        .post("/v1/messages", message.clone())
        .await
        .expect(202);
    let reply = world.delete_template(&english).await;
    assert_eq!(reply.expect(204), "");
    let posts = world.posts_to(GRAPH);
    let [request] = posts.as_slice() else {
        panic!("one request")
    };
    assert_eq!(request.method(), Method::DELETE);
    assert_eq!(
        request.uri().to_string(),
        "https://graph.test/v23.0/102290129340398/message_templates?name=hi&hsm_id=hi-en_US"
    );
    assert_eq!(request.headers()["authorization"], "Bearer graph-token");
    assert!(request.body().is_empty());
    let path = format!("/v1/templates/{}", id(&english));
    world
        .call(Method::GET, &path, Value::Null)
        .await
        .expect(404);
    world.template("hi", "pt_BR").await;
    let told = world.post("/v1/messages", message).await.expect(422);
    assert_eq!(told["code"], "template_not_approved");
    assert_eq!(world.now(&said).await["content"]["id"], english["id"]);
    world.delete_template(&english).await.expect(404);
    assert_eq!(world.asked(), 1);
    // Meta lists it for a while yet.
    let mut leaving = both[0].clone();
    leaving["status"] = json!("PENDING_DELETION");
    let synced = world
        .has_templates(&shop, &[leaving, both[1].clone()])
        .await;
    assert_eq!(
        synced,
        json!({ "synced": 1, "added": 0, "changed": 0, "removed": 0 })
    );
    world
        .call(Method::GET, &path, Value::Null)
        .await
        .expect(404);
}

#[tokio::test]
async fn a_template_stays_where_meta_does_not_delete_it() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let hi = template("hi", "en", "APPROVED", body("Hi"));
    let mut nameless = template("old", "en", "APPROVED", body("Old"));
    nameless["id"] = Value::Null;
    world.has_templates(&shop, &[hi, nameless]).await;
    let hi = world.template("hi", "en").await;
    for (answer, status, code) in [
        (
            Answer::Http(400, refused(100, "Invalid parameter")),
            502,
            "provider_rejected",
        ),
        (
            Answer::Http(200, json!({ "success": false })),
            503,
            "unavailable",
        ),
        (Answer::Http(200, json!({})), 503, "unavailable"),
        (Answer::NoAnswer, 503, "unavailable"),
    ] {
        world.ports().from_provider.borrow_mut().push_back(answer);
        let told = world.delete_template(&hi).await.expect(status);
        assert_eq!(told["code"], code);
        assert_eq!(world.template("hi", "en").await, hi);
    }
    // By the name alone Meta would delete every language.
    let asked = world.asked();
    let old = world.template("old", "en").await;
    assert_eq!(
        world.delete_template(&old).await.expect(409)["code"],
        "conflict"
    );
    assert_eq!(world.asked(), asked);
}

#[tokio::test]
async fn numbers_of_one_account_have_its_templates_in_common() {
    let mut world = World::new().await;
    let shop = world.whatsapp().await;
    let second = world.second_number().await;
    let (_, foreign) = world.new_workspace("Mallory").await;
    let own = std::mem::replace(&mut world.key, foreign);
    let theirs = world.whatsapp().await;
    let hi = json!({ "data": [template("hi", "en", "APPROVED", body("Hi"))] });
    world.provider_lists(&[hi.clone(), hi.clone(), hi]);
    world.gateway.sweep().await;
    let their_own = world.template("hi", "en").await;
    world.key = own;
    let ours = world.template("hi", "en").await;
    for channel in [&shop, &second, &theirs] {
        assert!(!world.is_due(channel));
    }
    world
        .create(&shop, described("new", "New"))
        .await
        .expect(201);
    assert!(
        world.is_due(&shop) && world.is_due(&second),
        "to find it there too"
    );
    assert!(!world.is_due(&theirs));
    world.delete_template(&ours).await.expect(204);
    let left = world.get("/v1/templates").await;
    let left: Vec<&Value> = left["data"].as_array().expect("a list").iter().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0]["name"], "new");
    let rows = "SELECT id FROM template WHERE name = 'hi' AND status = 'APPROVED'";
    assert_eq!(
        world.database().query(rows),
        [json!({ "id": their_own["id"] })]
    );
}

#[tokio::test]
async fn what_is_another_tenants_is_neither_made_nor_deleted() {
    let mut world = World::new().await;
    let shop = world.whatsapp().await;
    world
        .has_templates(&shop, &[template("hi", "en", "APPROVED", body("Hi"))])
        .await;
    let hi = world.template("hi", "en").await;
    let (_, foreign) = world.new_workspace("Mallory").await;
    world.key = foreign;
    let before = world.database().dump();
    world.delete_template(&hi).await.expect(404);
    let told = world
        .create(&shop, described("new", "Hi"))
        .await
        .expect(404);
    assert_eq!(pointer(&told), "/channelId");
    let path = format!("/whatsapp-templates/{shop}");
    let body = json!({ "template": described("new", "Hi") });
    world.post(&path, body).await.expect(404);
    assert_eq!(world.asked(), 0);
    assert_eq!(world.database().dump(), before);
}

#[tokio::test]
async fn a_batch_that_runs_twice_makes_one_template_and_deletes_it_once() {
    let mut left = Vec::new();
    for twice in [false, true] {
        let world = World::new().await;
        let shop = world.whatsapp().await;
        world.database().runs_twice.set(twice);
        let mut new = described("hi", "Hi {{1}}");
        new["key"] = json!("greeting");
        new["variables"] = json!(["name"]);
        let made = world.create(&shop, new).await.expect(201);
        let rows = "SELECT name, key, variables, status, version FROM template";
        let first = world.database().query(rows);
        world.delete_template(&made).await.expect(204);
        left.push((first, world.database().query(rows)));
        assert_eq!(world.asked(), 2, "the provider is asked once for each");
    }
    assert_eq!(left[0], left[1]);
}

// Visito

fn sale() -> Value {
    json!({ "template": {
        "name": "sale", "language": "en_US", "category": "MARKETING",
        "components": [{ "type": "BODY", "text": "Sale!" }], "allow_category_change": true,
    } })
}

#[tokio::test]
async fn visito_makes_a_template_and_answers_it_as_its_lists_show_it() {
    for prefix in ["", "/m2m/v1"] {
        let world = World::new().await;
        let shop = world.whatsapp().await;
        let path = format!("{prefix}/whatsapp-templates/{shop}");
        let answer = json!({ "id": "17", "status": "APPROVED", "category": "MARKETING" });
        world.provider_answers(200, answer);
        let made = world.post(&path, sale()).await.expect(201);
        assert_eq!(
            made,
            json!({
                "id": made["id"], "name": "sale", "language": "en_US", "category": "MARKETING",
                "status": "APPROVED", "components": [{ "type": "BODY", "text": "Sale!" }],
            })
        );
        assert_eq!(world.get(&path).await, json!({ "data": [made] }));
        assert_eq!(world.requests_to(GRAPH), [sale()["template"].clone()]);
        let send = json!({ "to": CUSTOMER, "template": { "name": "sale", "language": { "code": "en_US" } } });
        let sent = world.post(&format!("{path}/send"), send).await.expect(200);
        assert_eq!(sent["accepted"], true);
    }
}

#[tokio::test]
async fn visito_tells_what_is_wrong_in_its_own_shape() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let bot = world.telegram().await;
    let before = world.database().dump();
    let with = |field: &str, value: Value| {
        let mut body = sale();
        body["template"][field] = value;
        body
    };
    for (channel, body, status, code, at) in [
        (
            shop.as_str(),
            json!({}),
            422,
            "invalid_request",
            "/template",
        ),
        (
            &shop,
            json!({ "template": "sale" }),
            422,
            "invalid_request",
            "/template",
        ),
        (
            &shop,
            json!({ "template": {} }),
            422,
            "invalid_request",
            "/template/name",
        ),
        (
            &shop,
            with("name", json!("Sale")),
            422,
            "invalid_request",
            "/template/name",
        ),
        (
            &shop,
            with("language", json!({ "code": "en" })),
            422,
            "invalid_request",
            "/template/language",
        ),
        (
            &shop,
            with("category", json!("SALE")),
            422,
            "invalid_request",
            "/template/category",
        ),
        (
            &shop,
            with("components", json!([7])),
            422,
            "invalid_request",
            "/template/components/0",
        ),
        (&bot, sale(), 404, "not_found", ""),
        (&bot, json!({}), 404, "not_found", ""),
        (
            "0197a000-0000-7000-8000-000000000000",
            sale(),
            404,
            "not_found",
            "",
        ),
        ("15550100001", sale(), 404, "not_found", ""),
    ] {
        let path = format!("/whatsapp-templates/{channel}");
        let told = world.post(&path, body.clone()).await.expect(status);
        assert_eq!(
            (told["error"].as_str(), pointer(&told)),
            (Some(code), at),
            "{body}"
        );
        assert!(told["message"].is_string() && told["requestId"].is_string());
    }
    assert_eq!(world.database().dump(), before);
    assert_eq!(world.asked(), 0);
    world.provider_answers(400, refused(100, "Invalid parameter"));
    let path = format!("/m2m/v1/whatsapp-templates/{shop}");
    let told = world.post(&path, sale()).await.expect(502);
    assert_eq!(told["error"], "provider_rejected");
    assert_eq!(
        told["message"],
        "The provider refused: Invalid parameter (100)"
    );
}
