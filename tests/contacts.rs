//! People as clients know them: made, read, changed.

use crate::support::World;
use crate::support::outgoing::{id, pointer};
use crate::support::world::{CUSTOMER, Reply};
use http::Method;
use serde_json::{Value, json};

const NUMBER: &str = "+2348012345678";

fn ada() -> Value {
    json!({
        "name": "Ada Lovelace",
        "identities": [
            { "kind": "whatsapp", "value": NUMBER },
            { "kind": "telegram", "value": "778899" },
        ],
        "metadata": { "plan": "gold", "n": 1.5 },
    })
}

async fn make(world: &World, body: Value) -> Value {
    world.post("/v1/contacts", body).await.expect(201)
}

async fn make_under(world: &World, key: &str, body: Value) -> Reply {
    let headers = [("idempotency-key", key)];
    world
        .call_with(Method::POST, "/v1/contacts", &headers, body)
        .await
}

/// The contact, which nobody is like.
async fn shown(world: &World, contact: &str) -> Value {
    let mut shown = world.get(&format!("/v1/contacts/{contact}")).await;
    let candidates = shown
        .as_object_mut()
        .expect("a contact")
        .remove("matchCandidates");
    assert_eq!(candidates, Some(json!([])));
    shown
}

async fn patch(world: &World, contact: &str, body: Value) -> Reply {
    let path = format!("/v1/contacts/{contact}");
    world.call(Method::PATCH, &path, body).await
}

/// Refused with this status, code and pointer, and nothing is written.
#[track_caller]
fn refused<'a>(
    world: &'a World,
    method: Method,
    path: &'a str,
    body: Value,
    wanted: (u16, &'a str, &'a str),
) -> impl Future<Output = ()> + 'a {
    let caller = std::panic::Location::caller();
    async move {
        let before = world.database().dump();
        let reply = world.call(method, path, body.clone()).await;
        let code = reply.body["code"].as_str().unwrap_or("");
        assert_eq!(
            (reply.status, code, pointer(&reply.body)),
            wanted,
            "{caller}: {body} {}",
            reply.body
        );
        assert_eq!(world.database().dump(), before, "{caller}: {body}");
    }
}

#[tokio::test]
async fn a_contact_is_made_shown_and_listed() {
    let world = World::new().await;
    let made = make(&world, ada()).await;
    assert_eq!(
        made,
        json!({
            "id": made["id"], "name": "Ada Lovelace",
            "identities": [
                { "kind": "telegram", "value": "778899" },
                { "kind": "whatsapp", "value": "2348012345678" },
            ],
            "metadata": { "n": 1.5, "plan": "gold" }, "createdAt": "2026-11-20T08:00:00.000Z",
        })
    );
    assert_eq!(shown(&world, &id(&made)).await, made);
    world.advance(1_000);
    let bare = json!({ "identities": [{ "kind": "whatsapp", "value": "15550100009" }] });
    let second = make(&world, bare).await;
    assert_eq!(
        (&second["name"], &second["metadata"]),
        (&Value::Null, &Value::Null)
    );
    let list = world.get("/v1/contacts").await;
    assert_eq!(list, json!({ "data": [second, made], "nextCursor": null }));
    let first = world.get("/v1/contacts?limit=1").await;
    assert_eq!(first["data"], json!([second]));
    let cursor = first["nextCursor"].as_str().expect("a cursor");
    let rest = world
        .get(&format!("/v1/contacts?limit=1&cursor={cursor}"))
        .await;
    assert_eq!(rest, json!({ "data": [made], "nextCursor": null }));
}

#[tokio::test]
async fn a_contact_that_was_made_is_the_one_that_writes_and_is_written_to() {
    let world = World::new().await;
    let channel = world.unenforced_whatsapp().await;
    let made = make(&world, ada()).await;
    let digits = NUMBER.trim_start_matches('+');
    world
        .customer_writes(&channel, digits, "wamid.1", "Hi")
        .await;
    let conversation = &world.get("/v1/conversations").await["data"][0];
    assert_eq!(conversation["contact"]["id"], made["id"]);
    assert_eq!(
        conversation["contact"]["name"], "Ada Lovelace",
        "ours, not the profile's"
    );
    let text = json!({ "to": made["id"], "content": { "type": "text", "text": "Hello" } });
    let sent = world.post("/v1/messages", text).await.expect(202);
    assert_eq!(sent["contactId"], made["id"]);
    assert_eq!(
        world.get("/v1/contacts").await["data"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
}

#[tokio::test]
async fn every_kind_of_address_is_kept_as_its_provider_spells_it() {
    let world = World::new().await;
    for (kind, given, kept) in [
        ("phone", "+1 (555) 010-0009", "+15550100009"),
        ("whatsapp", "+1 (555) 010-0009", "15550100009"),
        (
            "whatsapp",
            "US.13491208655302741918",
            "US.13491208655302741918",
        ),
        ("telegram", "-1001234567", "-1001234567"),
        ("messenger", "7712345678901234", "7712345678901234"),
        ("instagram", "17841400000000000", "17841400000000000"),
        (
            "visitor",
            "01920000-0000-7000-8000-000000000001",
            "01920000-0000-7000-8000-000000000001",
        ),
    ] {
        let made = make(
            &world,
            json!({ "identities": [{ "kind": kind, "value": given }] }),
        )
        .await;
        assert_eq!(made["identities"], json!([{ "kind": kind, "value": kept }]));
        let list = world
            .get(&format!("/v1/contacts?search={}", &kept[kept.len() - 6..]))
            .await;
        let ids: Vec<String> = list["data"]
            .as_array()
            .expect("a page")
            .iter()
            .map(id)
            .collect();
        assert!(ids.contains(&id(&made)), "{kind} {kept}");
    }
}

#[tokio::test]
async fn a_name_metadata_and_identities_are_changed_each_by_itself() {
    let world = World::new().await;
    let made = id(&make(&world, ada()).await);
    let changed = patch(&world, &made, json!({ "name": "Ada Byron" }))
        .await
        .expect(200);
    assert_eq!(changed["name"], "Ada Byron");
    assert_eq!(changed["metadata"], json!({ "n": 1.5, "plan": "gold" }));
    let changed = patch(&world, &made, json!({ "metadata": { "a": [] } }))
        .await
        .expect(200);
    assert_eq!(
        (&changed["name"], &changed["metadata"]),
        (&json!("Ada Byron"), &json!({ "a": [] }))
    );
    let more = json!({ "identities": [
        { "kind": "whatsapp", "value": "+1 555 010 0009" }, { "kind": "whatsapp", "value": NUMBER },
    ] });
    let changed = patch(&world, &made, more).await.expect(200);
    assert_eq!(changed["identities"].as_array().map(Vec::len), Some(3));
    let none = json!({ "name": null, "metadata": null });
    let changed = patch(&world, &made, none).await.expect(200);
    assert_eq!(
        (&changed["name"], &changed["metadata"]),
        (&Value::Null, &Value::Null)
    );
    let same = patch(&world, &made, json!({})).await.expect(200);
    assert_eq!(same, changed);
    assert_eq!(shown(&world, &made).await, changed);
}

#[tokio::test]
async fn an_address_is_one_contacts_alone() {
    let world = World::new().await;
    let first = make(&world, ada()).await;
    let second = json!({ "identities": [{ "kind": "telegram", "value": "1" }] });
    let second = id(&make(&world, second).await);
    let taken = json!({ "identities": [
        { "kind": "telegram", "value": "2" }, { "kind": "telegram", "value": "2" },
        { "kind": "whatsapp", "value": "2348012345678" },
    ], "name": "Thief" });
    let conflict = (409, "conflict", "/identities/2");
    refused(
        &world,
        Method::POST,
        "/v1/contacts",
        taken.clone(),
        conflict,
    )
    .await;
    let path = format!("/v1/contacts/{second}");
    refused(&world, Method::PATCH, &path, taken, conflict).await;
    assert_eq!(shown(&world, &id(&first)).await, first);
    // Twice the same in one request is once.
    let twice = json!({ "identities": [
        { "kind": "telegram", "value": "3" }, { "kind": "telegram", "value": " 3" },
    ] });
    let made = make(&world, twice).await;
    assert_eq!(
        made["identities"],
        json!([{ "kind": "telegram", "value": "3" }])
    );
}

#[tokio::test]
async fn a_repeat_under_one_key_is_the_same_contact_as_first_made() {
    let world = World::new().await;
    let first = make_under(&world, "\"new-1\"", ada()).await;
    assert_eq!(first.header("idempotency-replayed"), None);
    let first = first.expect(201);
    patch(&world, &id(&first), json!({ "name": "Renamed" }))
        .await
        .expect(200);
    let again = make_under(&world, "new-1", ada()).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.expect(201), first);
    let other = make_under(
        &world,
        "new-1",
        json!({ "identities": [{ "kind": "telegram", "value": "5" }] }),
    )
    .await;
    assert_eq!(other.expect(409)["code"], "idempotency_key_reused");
    let wrong = make_under(&world, "new-1", json!({ "identities": [] })).await;
    assert_eq!(wrong.expect(409)["code"], "idempotency_key_reused");
    // Without the key, and under another, it is somebody's already.
    assert_eq!(
        world.post("/v1/contacts", ada()).await.expect(409)["code"],
        "conflict"
    );
    assert_eq!(
        make_under(&world, "new-2", ada()).await.expect(409)["code"],
        "conflict"
    );
    // A refused request leaves its key free.
    let free = json!({ "identities": [{ "kind": "telegram", "value": "5" }] });
    make_under(&world, "new-2", free).await.expect(201);
    // A day later it means nothing any more.
    world.advance(24 * 3_600_000);
    let late = json!({ "identities": [{ "kind": "telegram", "value": "6" }] });
    make_under(&world, "new-1", late).await.expect(201);
}

#[tokio::test]
async fn a_key_of_a_contact_and_of_a_message_do_not_meet() {
    let world = World::new().await;
    world.open_whatsapp().await;
    make_under(&world, "same", ada()).await.expect(201);
    let text = crate::support::outgoing::text(CUSTOMER, "Hello");
    world.post_under("same", text).await.expect(202);
}

#[tokio::test]
async fn a_contact_whose_batch_runs_twice_is_made_once() {
    let world = World::new().await;
    world.database().runs_twice.set(true);
    let made = make_under(&world, "new-1", ada()).await.expect(201);
    let again = make_under(&world, "new-1", ada()).await.expect(201);
    assert_eq!(again, made);
    assert_eq!(world.database().count("SELECT COUNT(*) FROM contact"), 1);
    let more = json!({ "name": "A", "identities": [{ "kind": "telegram", "value": "9" }] });
    let changed = patch(&world, &id(&made), more).await.expect(200);
    assert_eq!(changed["identities"].as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn a_body_that_cannot_be_is_refused_by_field() {
    let world = World::new().await;
    let made = id(&make(&world, ada()).await);
    let one = json!([{ "kind": "telegram", "value": "1" }]);
    let many: Vec<Value> = (1..22)
        .map(|n| json!({ "kind": "telegram", "value": n.to_string() }))
        .collect();
    let long = "x".repeat(16 * 1024);
    let path = format!("/v1/contacts/{made}");
    for (body, pointer) in [
        (json!({ "identities": one, "name": "" }), "/name"),
        (json!({ "identities": one, "name": "a\u{7}" }), "/name"),
        (json!({ "identities": one, "name": 5 }), "/name"),
        (json!({ "identities": [] }), "/identities"),
        (json!({ "identities": many }), "/identities"),
        (json!({ "identities": {} }), "/identities"),
        (
            json!({ "identities": [{ "kind": "fax", "value": "1" }] }),
            "/identities/0/kind",
        ),
        (
            json!({ "identities": [{ "kind": "telegram" }] }),
            "/identities/0/value",
        ),
        (
            json!({ "identities": [{ "kind": "telegram", "value": "1" }, { "kind": "whatsapp", "value": "Ada" }] }),
            "/identities/1/value",
        ),
        (
            json!({ "identities": [{ "kind": "whatsapp", "value": 5 }] }),
            "/identities/0/value",
        ),
        (json!({ "identities": one, "metadata": [] }), "/metadata"),
        (json!({ "identities": one, "metadata": "x" }), "/metadata"),
        (
            json!({ "identities": one, "metadata": { "x": long } }),
            "/metadata",
        ),
    ] {
        let told = (422, "invalid_request", pointer);
        refused(&world, Method::POST, "/v1/contacts", body.clone(), told).await;
        refused(&world, Method::PATCH, &path, body, told).await;
    }
    let nobody = json!({ "name": "Nobody" });
    let told = (422, "invalid_request", "/identities");
    refused(&world, Method::POST, "/v1/contacts", nobody, told).await;
    // Not more than twenty in all.
    let full: Vec<Value> = many.iter().take(18).cloned().collect();
    patch(&world, &made, json!({ "identities": full }))
        .await
        .expect(200);
    patch(&world, &made, json!({ "identities": full }))
        .await
        .expect(200);
    refused(
        &world,
        Method::PATCH,
        &path,
        json!({ "identities": [many[20]], "name": "X" }),
        told,
    )
    .await;
}

#[tokio::test]
async fn a_contact_of_another_workspace_is_not_there() {
    let mut world = World::new().await;
    let theirs = id(&make_under(&world, "new-1", ada()).await.expect(201));
    (_, world.key) = world.new_workspace("Other").await;
    let path = format!("/v1/contacts/{theirs}");
    let not_found = (404, "not_found", "");
    refused(&world, Method::GET, &path, Value::Null, not_found).await;
    refused(
        &world,
        Method::PATCH,
        &path,
        json!({ "name": "Mine" }),
        not_found,
    )
    .await;
    assert_eq!(world.get("/v1/contacts").await["data"], json!([]));
    // The same address and the same key are this one's own.
    let mine = make_under(&world, "new-1", ada()).await;
    assert_eq!(mine.header("idempotency-replayed"), None);
    assert_ne!(id(&mine.expect(201)), theirs);
}

#[tokio::test]
async fn reading_and_writing_contacts_take_their_scopes() {
    let world = World::new().await;
    let made = id(&make(&world, ada()).await);
    for (scope, reads, writes) in [
        ("messaging:contacts:read", 200, 403),
        ("messaging:contacts:write", 403, 200),
        ("messaging:conversations:read", 403, 403),
    ] {
        let body = json!({ "name": "k", "scopes": [scope] });
        let key = world.post("/v1/api-keys", body).await.expect(201);
        let key = format!("Bearer {}", key["key"].as_str().expect("a key"));
        let headers = [("authorization", key.as_str())];
        let path = format!("/v1/contacts/{made}");
        for (method, path, wanted) in [
            (Method::GET, path.as_str(), reads),
            (Method::GET, "/v1/contacts", reads),
            (Method::PATCH, &path, writes),
        ] {
            let reply = world.call_with(method, path, &headers, json!({})).await;
            assert_eq!(reply.status, wanted, "{scope} {path}");
        }
        let body = json!({ "identities": [{ "kind": "telegram", "value": "4" }] });
        let reply = world
            .call_with(Method::POST, "/v1/contacts", &headers, body)
            .await;
        assert_eq!(
            reply.status,
            if writes == 200 { 201 } else { 403 },
            "{scope}"
        );
    }
}
