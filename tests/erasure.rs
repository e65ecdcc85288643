//! People who are to be forgotten: nothing of them is left, and what was written stays
//! counted.

use crate::support::outgoing::{HOOK, id};
use crate::support::world::{CUSTOMER, START_MS, whatsapp_status, whatsapp_text, whatsapp_value};
use crate::support::{Answer, World};
use http::Method;
use serde_json::{Value, json};

const AT: i64 = START_MS / 1_000;
const SITE: &str = "https://shop.example";

/// What is told of the person, none of which may be found afterwards.
const SECRETS: [&str; 11] = [
    "adelheid",
    CUSTOMER,
    "778899",
    "seedword",
    "gold-plan",
    "wamid.",
    "a.example",
    "crypt-proof",
    "holiday.pdf",
    "4490709327384033",
    "proven-user",
];

async fn erase(world: &World, contact: &str) -> u16 {
    let path = format!("/v1/contacts/{contact}");
    world.call(Method::DELETE, &path, Value::Null).await.status
}

async fn sweeps(world: &World, runs: usize) {
    for _ in 0..runs {
        world.advance(60_000);
        world.gateway.sweep().await;
        world.drain().await;
    }
}

/// Where a secret stands in the database, by table and column; the tables of an index of
/// words as well.
fn traces(world: &World) -> Vec<String> {
    let database = world.database();
    let tables = database.query("SELECT name FROM sqlite_schema WHERE type = 'table'");
    let mut traces = vec![];
    for table in tables.iter().filter_map(|row| row["name"].as_str()) {
        for row in database.query(&format!("SELECT * FROM {table}")) {
            for (column, value) in row.as_object().expect("a row") {
                let text = value.to_string().to_lowercase();
                let found = SECRETS.iter().filter(|secret| text.contains(**secret));
                traces.extend(found.map(|secret| format!("{table}.{column}: {secret}")));
            }
        }
    }
    traces.sort();
    traces.dedup();
    traces
}

/// Somebody who uses all there is: two contacts, to be merged, on three channels.
async fn lived(world: &World) -> (String, String, String) {
    let shop = world.unenforced_whatsapp().await;
    let bot = world.telegram().await;
    world.ports().has_bucket.set(true);
    let hook = json!({ "url": HOOK, "events": ["*"] });
    world.post("/v1/webhooks", hook).await.expect(201);
    let named = |payload: &mut Value, name: &str| {
        let value = &mut payload["entry"][0]["changes"][0]["value"];
        value["contacts"] = json!([{ "wa_id": CUSTOMER, "profile": { "name": name } }]);
    };
    let mut first = whatsapp_text(CUSTOMER, "wamid.in1", "the seedword", AT);
    named(&mut first, "Adelheid Tester");
    world.from_meta(&shop, &first).await.expect(200);
    let file = whatsapp_value(json!({ "messages": [{
        "from": CUSTOMER, "id": "wamid.in2", "timestamp": AT.to_string(), "type": "document",
        "document": { "id": "4490709327384033", "mime_type": "application/pdf", "filename": "holiday.pdf",
            "caption": "seedword" },
    }] }));
    world.from_meta(&shop, &file).await.expect(200);
    let contact = id(&world.get("/v1/contacts").await["data"][0]);
    let path = format!("/v1/contacts/{contact}");
    let metadata = json!({ "metadata": { "plan": "gold-plan" } });
    world.call(Method::PATCH, &path, metadata).await.expect(200);

    // Answered, reacted to, edited and reported on; one refused, with the provider's words.
    for (number, answer) in [
        (
            1,
            Answer::Http(200, json!({ "messages": [{ "id": "wamid.out1" }] })),
        ),
        (
            2,
            Answer::Http(
                400,
                json!({ "error": { "code": 131026, "message": format!("no such person {CUSTOMER}") } }),
            ),
        ),
    ] {
        world.ports().from_provider.borrow_mut().push_back(answer);
        let body = json!({
            "from": "+15550100001", "to": CUSTOMER, "metadata": { "note": "seedword" },
            "content": { "type": "text", "text": "Dear seedword" },
        });
        world
            .post_under(&format!("key-{number}"), body)
            .await
            .expect(202);
        world.drain().await;
    }
    let cards = json!({ "type": "cards", "cards": [
        { "title": "seedword one", "buttons": [{ "kind": "reply", "id": "a", "title": "Buy" }] },
        { "title": "seedword two", "buttons": [{ "kind": "reply", "id": "b", "title": "No" }] },
    ] });
    let adapted = json!({ "from": "+15550100001", "to": CUSTOMER, "content": cards, "onUnsupported": "adapt" });
    world.post("/v1/messages", adapted).await.expect(202);
    world.drain().await;
    for kind in ["edit", "reaction"] {
        let payload = whatsapp_value(json!({ "messages": [{
            "from": CUSTOMER, "id": format!("wamid.{kind}"), "timestamp": AT.to_string(), "type": kind,
            kind: { "message_id": "wamid.in1", "original_message_id": "wamid.in1", "emoji": "seedword",
                "message": { "type": "text", "text": { "body": "seedword again" } } },
        }] }));
        world.from_meta(&shop, &payload).await.expect(200);
    }
    let report = whatsapp_status("wamid.out1", "delivered", AT);
    world.from_meta(&shop, &report).await.expect(200);

    // The same person on Telegram and in a web chat, merged.
    let update = json!({ "message": { "message_id": 1, "date": AT, "text": "seedword",
        "chat": { "id": 778_899, "type": "private" }, "from": { "id": 778_899, "first_name": "Adelheid" } } });
    world.from_telegram(&bot, &update).await.expect(200);
    let chat = json!({
        "type": "webchat", "name": "Website", "credentials": { "identitySecret": "s" },
        "settings": { "allowedOrigins": [SITE] },
    });
    let chat = world.post("/v1/channels", chat).await.expect(201);
    let base = format!("/webchat/{}", chat["publicKey"].as_str().expect("a key"));
    let mac = patchbay::channel::sign::hmac_sha256(b"s", b"proven-user").expect("a secret");
    let body = json!({
        "name": "Adelheid", "email": "adelheid@a.example", "userId": "proven-user", "userHash": hex::encode(mac),
    });
    let headers = [("origin", SITE)];
    let path = format!("{base}/sessions");
    let session = world
        .bare(Method::POST, &path, &headers, body.to_string())
        .await
        .expect(201);
    let bearer = format!("Bearer {}", session["token"].as_str().expect("a token"));
    let headers = [
        ("origin", SITE),
        ("authorization", &*bearer),
        ("idempotency-key", "k"),
    ];
    let text = json!({ "content": { "type": "text", "text": "seedword" }, "clientMessageId": "crypt-proof" });
    let path = format!("{base}/messages");
    world
        .bare(Method::POST, &path, &headers, text.to_string())
        .await
        .expect(201);
    let others = world.get("/v1/contacts").await;
    let others = others["data"].as_array().expect("a page").iter().map(id);
    for other in others.filter(|other| *other != contact).collect::<Vec<_>>() {
        let path = format!("/v1/contacts/{other}/merge");
        world
            .post(&path, json!({ "into": contact }))
            .await
            .expect(200);
    }
    let conversation = world.get("/v1/conversations").await;
    let path = format!("/v1/conversations/{}", id(&conversation["data"][0]));
    let mode = json!({ "mode": "human" });
    world.call(Method::PATCH, &path, mode).await.expect(200);
    // One that is still to be sent, and events that are still to be told.
    let later = json!({ "from": "+15550100001", "to": CUSTOMER, "content": { "type": "text", "text": "seedword" } });
    world.post("/v1/messages", later).await.expect(202);
    (contact, bearer, base)
}

#[tokio::test]
async fn nothing_of_a_person_is_left_and_what_was_written_stays_counted() {
    let world = World::new().await;
    let (contact, bearer, base) = lived(&world).await;
    world.gateway.sweep().await;
    let bucket = || world.ports().bucket.borrow().len();
    let place = format!("{}/file", world.workspace);
    world
        .ports()
        .bucket
        .borrow_mut()
        .insert(place, Default::default());
    world
        .database()
        .query("UPDATE media SET stored_at = 1795161600000");
    let seen = traces(&world);
    for table in [
        "attempt",
        "change",
        "contact",
        "contact_merge",
        "conversation",
        "event",
        "identity",
        "media",
        "message",
    ] {
        assert!(
            seen.iter()
                .any(|trace| trace.starts_with(&format!("{table}."))),
            "{table}: {seen:#?}"
        );
    }
    let counters = "SELECT direction, created_at, sent_at, delivered_at, failed_at, error_code, seq FROM message
        ORDER BY conversation_id, seq";
    let before = world.database().query(counters);

    assert_eq!(erase(&world, &contact).await, 204);
    assert_eq!(traces(&world), Vec::<String>::new());
    assert_eq!(world.database().query(counters), before);
    for message in world.get("/v1/messages").await["data"]
        .as_array()
        .expect("a page")
    {
        assert_eq!(
            message["content"],
            json!({ "type": "unsupported", "providerType": "erased" })
        );
        let unsent = ["accepted", "sending", "scheduled"];
        assert!(
            !unsent.contains(&message["status"].as_str().expect("a status")),
            "{message}"
        );
    }
    assert_eq!(
        world
            .database()
            .count("SELECT COUNT(*) FROM message WHERE status = 'canceled'"),
        1
    );
    for conversation in world.get("/v1/conversations").await["data"]
        .as_array()
        .expect("a page")
    {
        assert_eq!(
            (&conversation["status"], &conversation["contact"]["name"]),
            (&json!("closed"), &Value::Null)
        );
        let text =
            json!({ "to": conversation["id"], "content": { "type": "text", "text": "Hello" } });
        let refused = world.post("/v1/messages", text).await.expect(422);
        assert_eq!(refused["code"], "opted_out");
    }
    assert_eq!(world.get("/v1/contacts").await["data"], json!([]));
    assert_eq!(
        world.get("/v1/contacts?search=adelheid").await["data"],
        json!([])
    );
    assert_eq!(erase(&world, &contact).await, 404);

    // Nobody sends, tells or reads anything of them any more.
    let told = world.posts_to("hooks.example.com").len();
    let sent = world.texts_sent().len();
    sweeps(&world, 3).await;
    assert_eq!(world.posts_to("hooks.example.com").len(), told);
    assert_eq!(world.texts_sent().len(), sent);
    let headers = [("origin", SITE), ("authorization", &*bearer)];
    let path = format!("{base}/messages?after=0");
    world
        .bare(Method::GET, &path, &headers, "")
        .await
        .expect(401);
    assert_eq!(traces(&world), Vec::<String>::new());
    assert_eq!(world.database().count("SELECT COUNT(*) FROM erasure"), 0);
    assert_eq!(
        world
            .database()
            .count("SELECT COUNT(*) FROM media WHERE stored_at IS NOT NULL"),
        0
    );
    assert_eq!(bucket(), 1, "only what is nobody's");
}

#[tokio::test]
async fn who_writes_again_after_that_is_somebody_new() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    world
        .customer_writes(&shop, CUSTOMER, "wamid.1", "Hi")
        .await;
    let first = world.get("/v1/conversations").await["data"][0].clone();
    assert_eq!(
        erase(&world, first["contact"]["id"].as_str().expect("an id")).await,
        204
    );
    world.advance(1_000);
    world
        .customer_writes(&shop, CUSTOMER, "wamid.2", "Hi again")
        .await;
    let again = world.get("/v1/conversations").await["data"][0].clone();
    assert_ne!(again["id"], first["id"]);
    assert_ne!(again["contact"]["id"], first["contact"]["id"]);
    assert_eq!(again["contact"]["address"], CUSTOMER);
    let path = format!("/v1/conversations/{}/messages", id(&again));
    assert_eq!(
        world.get(&path).await["data"].as_array().map(Vec::len),
        Some(1)
    );
}

#[tokio::test]
async fn others_keep_all_they_have() {
    let mut world = World::new().await;
    let shop = world.whatsapp().await;
    world
        .customer_writes(&shop, CUSTOMER, "wamid.1", "Hi")
        .await;
    world
        .customer_writes(&shop, "5511888888888", "wamid.2", "Hi")
        .await;
    let found = world.get(&format!("/v1/contacts?search={CUSTOMER}")).await;
    let contact = id(&found["data"][0]);
    let own = world.key.clone();
    (_, world.key) = world.new_workspace("Other").await;
    let before = world.database().dump();
    assert_eq!(erase(&world, &contact).await, 404);
    assert_eq!(world.database().dump(), before);
    world.key = own;
    assert_eq!(erase(&world, &contact).await, 204);
    sweeps(&world, 2).await;
    let left = world.get("/v1/messages").await;
    let texts = left["data"]
        .as_array()
        .expect("a page")
        .iter()
        .map(|message| &message["content"]["text"]);
    assert_eq!(texts.filter(|text| **text == "Hi").count(), 1);
    let left = world.get("/v1/contacts?search=5511888").await;
    assert_eq!(left["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn an_erasure_whose_answer_was_lost_is_answered_as_done() {
    let world = World::new().await;
    let (contact, ..) = lived(&world).await;
    world.database().runs_twice.set(true);
    assert_eq!(erase(&world, &contact).await, 204);
    assert_eq!(traces(&world), Vec::<String>::new());
}

#[tokio::test]
async fn many_messages_are_erased_over_several_sweeps_each_of_a_portion() {
    let world = World::new().await;
    let (contact, ..) = lived(&world).await;
    world.database().query(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
         INSERT INTO message (workspace_id, id, conversation_id, channel_id, contact_id, direction, status, content, seq, created_at)
         SELECT c.workspace_id, printf('01920000-0000-7000-8000-%012d', i), c.id, c.channel_id, c.contact_id, 'inbound',
           'received', json_object('type', 'text', 'text', 'seedword'), 100 + i, {START_MS}
         FROM n, (SELECT * FROM conversation WHERE address = '{CUSTOMER}') c"
    ));
    world.database().query(&format!(
        "UPDATE conversation SET last_seq = 1100 WHERE address = '{CUSTOMER}'"
    ));
    assert_eq!(erase(&world, &contact).await, 204);
    let left = "SELECT COUNT(*) FROM message WHERE content LIKE '%seedword%'";
    assert!(world.database().count(left) > 600, "a portion at once");
    sweeps(&world, 1).await;
    assert!(world.database().count(left) > 300, "and one in each run");
    sweeps(&world, 3).await;
    assert_eq!(traces(&world), Vec::<String>::new());
    assert_eq!(world.database().count("SELECT COUNT(*) FROM erasure"), 0);
}

#[tokio::test]
async fn what_is_being_sent_meanwhile_leaves_no_trace_either() {
    let world = World::new().await;
    let shop = world.unenforced_whatsapp().await;
    world.subscribe(HOOK, &["*"]).await;
    world
        .customer_writes(&shop, CUSTOMER, "wamid.1", "seedword")
        .await;
    let sent = world.say(CUSTOMER, "Dear seedword").await;
    // Claimed, and its provider takes its time.
    world.database().query("UPDATE message SET status = 'sending', attempt = 1, claim = 't', lease_until = 1795161630000
        WHERE direction = 'outbound'");
    let contact = sent["contactId"].as_str().expect("an id");
    assert_eq!(erase(&world, contact).await, 204);
    assert_eq!(world.now(&sent).await["status"], "sending");
    world.database().query(&format!("UPDATE message SET status = 'sent', turn = NULL, due_at = NULL, lease_until = NULL,
        provider_message_id = 'wamid.late', error_message = 'for {CUSTOMER}' WHERE direction = 'outbound'"));
    assert!(!traces(&world).is_empty());
    sweeps(&world, 2).await;
    assert_eq!(traces(&world), Vec::<String>::new());
    assert_eq!(world.database().count("SELECT COUNT(*) FROM erasure"), 0);
    // A report that names our own id does not bring the provider's back.
    let mut report = whatsapp_status("wamid.late", "read", AT);
    report["entry"][0]["changes"][0]["value"]["statuses"][0]["biz_opaque_callback_data"] =
        sent["id"].clone();
    world.from_meta(&shop, &report).await.expect(200);
    assert_eq!(world.now(&sent).await["providerMessageId"], Value::Null);
}
