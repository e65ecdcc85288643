//! Tenants and their keys: who makes them, what they may do, and how they end.

use crate::support::world::{ADMIN_TOKEN, CUSTOMER, START_MS, whatsapp_status, whatsapp_text};
use crate::support::{Answer, World};
use http::Method;
use patchbay::model::access::{KeySecret, Scope};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const NOBODY: &str = "0197a000-0000-7000-8000-000000000000";

fn id(value: &Value) -> String {
    value["id"].as_str().expect("an id").to_owned()
}

async fn keys(world: &World, body: Value) -> crate::support::world::Reply {
    let path = format!("/v1/workspaces/{}/api-keys", world.workspace);
    world.admin(Method::POST, &path, body).await
}

async fn with_key(
    world: &World,
    key: &str,
    method: Method,
    path: &str,
    body: Value,
) -> crate::support::world::Reply {
    let bearer = format!("Bearer {key}");
    world
        .call_with(method, path, &[("authorization", &bearer)], body)
        .await
}

#[tokio::test]
async fn workspaces_are_the_administrators_alone() {
    let world = World::new().await;
    let before = world.database().dump();
    let right = format!("Bearer {ADMIN_TOKEN}");
    let cut = format!("Bearer {}", &ADMIN_TOKEN[..ADMIN_TOKEN.len() - 1]);
    let longer = format!("Bearer {ADMIN_TOKEN}x");
    let own = format!("Bearer {}", world.key);
    let body = json!({ "name": "New" }).to_string();
    for headers in [
        vec![],
        vec![("authorization", cut.as_str())],
        vec![("authorization", longer.as_str())],
        vec![("authorization", own.as_str())],
        vec![("authorization", "Bearer ")],
        vec![("x-api-key", "wrong")],
        vec![("x-admin-token", ADMIN_TOKEN)],
    ] {
        for (method, path) in [
            (Method::POST, "/v1/workspaces".to_owned()),
            (Method::GET, "/v1/workspaces".to_owned()),
            (
                Method::DELETE,
                format!("/v1/workspaces/{}", world.workspace),
            ),
            (
                Method::POST,
                format!("/v1/workspaces/{}/api-keys", world.workspace),
            ),
        ] {
            let refused = world.bare(method, &path, &headers, body.clone()).await;
            assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
            assert_eq!(refused.expect(401)["code"], "invalid_api_key");
        }
    }
    assert_eq!(world.database().dump(), before);
    for headers in [
        vec![("authorization", right.as_str())],
        vec![("x-api-key", ADMIN_TOKEN)],
    ] {
        world
            .bare(Method::POST, "/v1/workspaces", &headers, body.clone())
            .await
            .expect(201);
    }
}

#[tokio::test]
async fn an_administrators_token_that_is_empty_opens_nothing() {
    let mut world = World::new().await;
    let config = std::rc::Rc::get_mut(&mut world.gateway.config).expect("nobody else has it");
    config.admin_token = String::new();
    for headers in [
        vec![],
        vec![("authorization", "Bearer ")],
        vec![("authorization", "Bearer")],
        vec![("x-api-key", "")],
    ] {
        world
            .bare(Method::GET, "/v1/workspaces", &headers, "")
            .await
            .expect(401);
    }
}

#[tokio::test]
async fn a_workspace_is_made_and_listed_and_its_key_shows_it() {
    let world = World::new().await;
    let made = world
        .admin(
            Method::POST,
            "/v1/workspaces",
            json!({ "name": " Ação & Co. " }),
        )
        .await
        .expect(201);
    assert_eq!(made["name"], "Ação & Co.");
    assert_eq!(made["createdAt"], "2026-11-20T08:00:00.000Z");
    let listed = world
        .admin(Method::GET, "/v1/workspaces", Value::Null)
        .await
        .expect(200);
    assert!(listed["data"].as_array().expect("a list").contains(&made));
    let own = world.get("/v1/workspace").await;
    assert_eq!(
        own,
        json!({ "id": world.workspace, "name": "Acme", "createdAt": "2026-11-20T08:00:00.000Z" })
    );
}

#[tokio::test]
async fn workspaces_are_listed_in_pages_without_gaps_or_repeats() {
    let world = World::new().await;
    let mut made = vec![world.workspace.clone()];
    for number in 0..9 {
        world.advance(1);
        made.push(world.new_workspace(&format!("W{number}")).await.0);
    }
    for limit in [1, 3, 5, 10, 100] {
        let mut seen: Vec<String> = Vec::new();
        let mut path = format!("/v1/workspaces?limit={limit}");
        loop {
            let page = world
                .admin(Method::GET, &path, Value::Null)
                .await
                .expect(200);
            seen.extend(page["data"].as_array().expect("a page").iter().map(id));
            let Some(cursor) = page["nextCursor"].as_str() else {
                break;
            };
            path = format!("/v1/workspaces?limit={limit}&cursor={cursor}");
        }
        assert_eq!(seen, made, "{limit}");
    }
}

#[tokio::test]
async fn a_key_is_made_with_what_was_asked_and_shown_once() {
    let world = World::new().await;
    let body = json!({
        "name": "reporting", "scopes": ["messaging:messages:read", "messaging:audit:read"],
        "environment": "test", "expiresAt": "2027-01-01T00:00:00Z",
    });
    let key = keys(&world, body).await.expect(201);
    assert_eq!(key["name"], "reporting");
    assert_eq!(
        key["scopes"],
        json!(["messaging:messages:read", "messaging:audit:read"])
    );
    assert_eq!(key["environment"], "test");
    assert_eq!(key["expiresAt"], "2027-01-01T00:00:00.000Z");
    assert_eq!(key["createdAt"], "2026-11-20T08:00:00.000Z");
    let secret = key["key"].as_str().expect("a key");
    assert!(secret.starts_with("pb_test_"));
    assert!(secret.starts_with(key["prefix"].as_str().expect("a prefix")));
    assert!(
        key["prefix"]
            .as_str()
            .is_some_and(|prefix| prefix.len() < secret.len() / 2)
    );
    assert!(KeySecret::parse(secret).is_some(), "its checksum is right");

    let plain = keys(&world, json!({ "name": "all" })).await.expect(201);
    assert!(
        plain["key"]
            .as_str()
            .is_some_and(|key| key.starts_with("pb_live_"))
    );
    assert_eq!(plain["environment"], "live");
    assert_eq!(plain["expiresAt"], Value::Null);
    let all: Vec<&str> = Scope::ALL.iter().map(|scope| scope.name()).collect();
    assert_eq!(plain["scopes"], json!(all));
    assert_ne!(plain["key"], key["key"]);
}

#[tokio::test]
async fn a_keys_secret_is_stored_nowhere_its_hash_is() {
    let mut world = World::new().await;
    let key = keys(&world, json!({ "name": "k" })).await.expect(201);
    let secret = key["key"].as_str().expect("a key").to_owned();
    with_key(&world, &secret, Method::GET, "/v1/workspace", Value::Null)
        .await
        .expect(200);
    world.forget();
    with_key(&world, &secret, Method::GET, "/v1/channels", Value::Null)
        .await
        .expect(200);
    let dump = world.database().dump();
    let cache = format!("{:?}", world.ports().cache.borrow());
    let logs = world.ports().logs.borrow().join("\n");
    let random = &secret["pb_live_".len() + 6..];
    for seen in [&dump, &cache, &logs] {
        assert!(!seen.contains(&secret));
        assert!(
            !seen.contains(random),
            "nor the part that is not its prefix"
        );
    }
    assert!(dump.contains(&KeySecret::parse(&secret).expect("a key").hash()));
}

#[tokio::test]
async fn a_key_that_cannot_be_is_refused_by_field() {
    let world = World::new().await;
    let before = world.database().dump();
    for (body, pointer) in [
        (json!({}), "/name"),
        (json!({ "name": "" }), "/name"),
        (
            json!({ "name": "k", "scopes": ["messaging:everything"] }),
            "/scopes/0",
        ),
        (
            json!({ "name": "k", "scopes": ["messaging:audit:read", "x"] }),
            "/scopes/1",
        ),
        (
            json!({ "name": "k", "environment": "prod" }),
            "/environment",
        ),
        (
            json!({ "name": "k", "expiresAt": "2026-11-20T07:00:00Z" }),
            "/expiresAt",
        ),
        (
            json!({ "name": "k", "expiresAt": "2026-11-20T08:00:00.000Z" }),
            "/expiresAt",
        ),
        (json!({ "name": "k", "expiresAt": 5 }), "/expiresAt"),
    ] {
        let refused = keys(&world, body.clone()).await.expect(422);
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{body}");
    }
    for workspace in [NOBODY, "nonsense"] {
        let path = format!("/v1/workspaces/{workspace}/api-keys");
        world
            .admin(Method::POST, &path, json!({ "name": "k" }))
            .await
            .expect(404);
        let path = format!("/v1/workspaces/{workspace}");
        world
            .admin(Method::DELETE, &path, Value::Null)
            .await
            .expect(404);
    }
    assert_eq!(world.database().dump(), before);
}

#[tokio::test]
async fn a_key_without_scopes_may_nothing_but_know_its_workspace() {
    let world = World::new().await;
    let key = keys(&world, json!({ "name": "k", "scopes": [] }))
        .await
        .expect(201);
    let secret = key["key"].as_str().expect("a key");
    with_key(&world, secret, Method::GET, "/v1/workspace", Value::Null)
        .await
        .expect(200);
    for path in [
        "/v1/channels",
        "/v1/messages",
        "/v1/conversations",
        "/v1/webhooks",
    ] {
        let refused = with_key(&world, secret, Method::GET, path, Value::Null)
            .await
            .expect(403);
        assert_eq!(refused["code"], "missing_scope");
    }
}

#[tokio::test]
async fn each_scope_opens_its_own_routes_and_no_other() {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world
        .customer_writes(&channel, CUSTOMER, "wamid.1", "Hi")
        .await;
    let conversation = id(&world.get("/v1/conversations").await["data"][0]);
    let message = id(&world.get("/v1/messages").await["data"][0]);
    let webhook = id(&world.subscribe("https://subscriber.example/", &["*"]).await);
    let text =
        json!({ "from": channel, "to": CUSTOMER, "content": { "type": "text", "text": "Hi" } });
    let calls = [
        (
            "messaging:channels:read",
            Method::GET,
            "/v1/channels".to_owned(),
            Value::Null,
        ),
        (
            "messaging:channels:read",
            Method::GET,
            format!("/v1/channels/{channel}"),
            Value::Null,
        ),
        (
            "messaging:channels:write",
            Method::PATCH,
            format!("/v1/channels/{channel}"),
            json!({}),
        ),
        (
            "messaging:messages:read",
            Method::GET,
            "/v1/messages".to_owned(),
            Value::Null,
        ),
        (
            "messaging:messages:read",
            Method::GET,
            format!("/v1/messages/{message}"),
            Value::Null,
        ),
        (
            "messaging:messages:read",
            Method::GET,
            format!("/v1/conversations/{conversation}/messages"),
            Value::Null,
        ),
        (
            "messaging:messages:send",
            Method::POST,
            "/v1/messages".to_owned(),
            text,
        ),
        (
            "messaging:conversations:read",
            Method::GET,
            "/v1/conversations".to_owned(),
            Value::Null,
        ),
        (
            "messaging:conversations:read",
            Method::GET,
            format!("/v1/conversations/{conversation}"),
            Value::Null,
        ),
        (
            "messaging:conversations:write",
            Method::PATCH,
            format!("/v1/conversations/{conversation}"),
            json!({}),
        ),
        (
            "messaging:conversations:write",
            Method::POST,
            format!("/v1/conversations/{conversation}/read"),
            Value::Null,
        ),
        (
            "messaging:webhooks:read",
            Method::GET,
            "/v1/webhooks".to_owned(),
            Value::Null,
        ),
        (
            "messaging:webhooks:read",
            Method::GET,
            format!("/v1/webhooks/{webhook}"),
            Value::Null,
        ),
        (
            "messaging:webhooks:write",
            Method::POST,
            "/v1/webhooks".to_owned(),
            json!({ "url": "https://subscriber.example/", "events": ["*"] }),
        ),
    ];
    for scope in Scope::ALL {
        let key = keys(&world, json!({ "name": "k", "scopes": [scope.name()] }))
            .await
            .expect(201);
        let secret = key["key"].as_str().expect("a key");
        for (needed, method, path, body) in &calls {
            let reply = with_key(&world, secret, method.clone(), path, body.clone()).await;
            if *needed == scope.name() {
                assert!(
                    (200..300).contains(&reply.status),
                    "{scope:?} {method} {path}: {}",
                    reply.body
                );
            } else {
                assert_eq!(reply.status, 403, "{scope:?} {method} {path}");
                assert_eq!(reply.body["code"], "missing_scope");
                assert!(
                    reply.body["detail"]
                        .as_str()
                        .is_some_and(|detail| detail.contains(needed))
                );
            }
        }
    }
}

#[tokio::test]
async fn a_key_made_with_a_scope_twice_has_it_once() {
    let world = World::new().await;
    let scopes = [
        "messaging:audit:read",
        "messaging:messages:read",
        "messaging:audit:read",
    ];
    let key = keys(&world, json!({ "name": "k", "scopes": scopes }))
        .await
        .expect(201);
    assert_eq!(
        key["scopes"],
        json!(["messaging:audit:read", "messaging:messages:read"])
    );
}

// The end of a workspace

/// A workspace with rows in every table, some of them still to be worked on.
async fn lived_in() -> (World, String) {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    world.telegram().await;
    world
        .subscribe("https://subscriber.example/hook", &["*"])
        .await;
    for number in 0..5 {
        let from = format!("551198888{number:04}");
        world
            .customer_writes(&channel, &from, &format!("wamid.in.{number}"), "Hi")
            .await;
    }
    world
        .ports()
        .answers
        .borrow_mut()
        .push_back(Answer::Http(500, json!({})));
    for number in 0..5 {
        let to = format!("551198888{number:04}");
        let body =
            json!({ "from": channel, "to": to, "content": { "type": "text", "text": "Hi" } });
        let key = format!("key-{number}");
        let headers = [("idempotency-key", key.as_str())];
        world
            .call_with(Method::POST, "/v1/messages", &headers, body)
            .await
            .expect(202);
        if number == 2 {
            world.drain().await;
        }
    }
    let at = START_MS / 1_000;
    world
        .from_meta(&channel, &whatsapp_status("wamid.never", "read", at))
        .await
        .expect(200);
    (world, channel)
}

fn rows(world: &World) -> BTreeMap<String, i64> {
    let database = world.database();
    let count = |table: &str| database.count(&format!("SELECT COUNT(*) FROM {table}"));
    database
        .tables()
        .into_iter()
        .map(|table| (table.clone(), count(&table)))
        .collect()
}

#[tokio::test]
async fn a_deleted_workspaces_keys_are_dead_at_once_also_where_they_are_remembered() {
    let (world, channel) = lived_in().await;
    let text = json!({ "from": channel, "to": "5511988880000", "content": { "type": "text", "text": "Hi" } });
    let path = format!("/v1/workspaces/{}", world.workspace);
    world.get("/v1/conversations").await;
    world
        .admin(Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
    let before = world.database().dump();
    for (method, path, body) in [
        (Method::GET, "/v1/conversations", Value::Null),
        (Method::GET, "/v1/messages", Value::Null),
        (Method::GET, "/v1/workspace", Value::Null),
        (Method::GET, "/v1/channels", Value::Null),
        (Method::POST, "/v1/messages", text.clone()),
        (Method::POST, "/v1/messages", text),
        (
            Method::POST,
            "/v1/webhooks",
            json!({ "url": "https://subscriber.example/", "events": ["*"] }),
        ),
    ] {
        let refused = world.call(method.clone(), path, body).await.expect(401);
        assert_eq!(refused["code"], "invalid_api_key", "{method} {path}");
    }
    assert_eq!(world.database().dump(), before);
    // It is not there any more for the administrator either.
    world.advance(1);
    world
        .admin(Method::DELETE, &path, Value::Null)
        .await
        .expect(404);
    world
        .admin(
            Method::POST,
            &format!("{path}/api-keys"),
            json!({ "name": "k" }),
        )
        .await
        .expect(404);
    let listed = world
        .admin(Method::GET, "/v1/workspaces", Value::Null)
        .await
        .expect(200);
    assert_eq!(listed["data"], json!([]));
}

#[tokio::test]
async fn a_deleted_workspaces_key_is_dead_in_another_isolate_that_is_warm() {
    let (mut world, channel) = lived_in().await;
    let text = json!({ "from": channel, "to": "5511988880000", "content": { "type": "text", "text": "Hi" } });
    world.get("/v1/conversations").await;
    let warm = std::mem::take(&mut world.gateway.memory);
    let path = format!("/v1/workspaces/{}", world.workspace);
    world
        .admin(Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
    world.gateway.memory = warm;
    world
        .call(Method::GET, "/v1/conversations", Value::Null)
        .await
        .expect(401);
    world.post("/v1/messages", text.clone()).await.expect(401);
    // And in one that only has the cache.
    world.forget();
    world
        .call(Method::GET, "/v1/conversations", Value::Null)
        .await
        .expect(401);
    world.post("/v1/messages", text).await.expect(401);
}

#[tokio::test]
async fn a_deleted_workspaces_inbound_urls_are_gone() {
    let (mut world, channel) = lived_in().await;
    let path = format!("/v1/workspaces/{}", world.workspace);
    world
        .admin(Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
    world.forget();
    let payload = whatsapp_text(CUSTOMER, "wamid.after", "Hi", START_MS / 1_000);
    world.from_meta(&channel, &payload).await.expect(404);
    let path =
        format!("/inbound/{channel}?hub.mode=subscribe&hub.verify_token=verify-me&hub.challenge=1");
    world.bare(Method::GET, &path, &[], "").await.expect(404);
}

#[tokio::test]
async fn a_deleted_workspace_neither_sends_nor_tells_any_more() {
    let (world, _) = lived_in().await;
    let graph = world.posts_to("graph.test").len();
    let told = world.posts_to("subscriber.example").len();
    let path = format!("/v1/workspaces/{}", world.workspace);
    world
        .admin(Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
    for _ in 0..3 {
        world.drain().await;
        world.advance(60_000);
        world.gateway.sweep().await;
    }
    assert_eq!(world.posts_to("graph.test").len(), graph);
    assert_eq!(world.posts_to("subscriber.example").len(), told);
}

/// A template and a visitor of the first channel, which nothing else here makes.
fn fill_quiet_tables(world: &World) {
    let of_channel = format!(
        "FROM channel WHERE workspace_id = '{}' LIMIT 1",
        world.workspace
    );
    for insert in [
        "INSERT INTO template (workspace_id, id, channel_id, provider_id, key, name, language, category,
           status, components, variables, version, created_at)
         SELECT workspace_id, 't', id, '1', 'k', 'n', 'en', 'UTILITY', 'APPROVED', '[]', '[]', 1, 1",
        "INSERT INTO visitor (workspace_id, channel_id, id, conversation_id, read_seq, created_at)
         SELECT workspace_id, id, 'v', 'c', 0, 1",
        "INSERT INTO visitor_token (hash, workspace_id, channel_id, visitor_id, created_at)
         SELECT 'hash', workspace_id, id, 'v', 1",
        "INSERT INTO media (workspace_id, id, channel_id, reference, created_at)
         SELECT workspace_id, 'f', id, '{}', 1",
        "INSERT INTO change (workspace_id, channel_id, provider_message_id, key, type, at, event_id, due_at, created_at)
         SELECT workspace_id, id, 'p', 'k', 'deleted', 1, 'e', 9000000000000, 9000000000000",
        "INSERT INTO contact_merge (workspace_id, contact_id, into_id, id, created_at, moved, merged_at)
         SELECT workspace_id, 'a', 'b', 'e', 1, '{}', 1",
        // Its message is never over: what is to be erased of it waits for ever.
        "INSERT INTO erasure (workspace_id, contact_id, subject, seq, looked_at)
         SELECT workspace_id, '01920000-0000-7000-8000-00000000000a', 'c', 1, 1",
        "INSERT INTO upload (workspace_id, channel_id, source, provider_id, expires_at)
         SELECT workspace_id, id, 'hash', 'f', 9000000000000",
    ] {
        world.database().query(&format!("{insert} {of_channel}"));
    }
}

#[tokio::test]
async fn sweeps_clear_all_that_a_deleted_workspace_had_and_nothing_of_another() {
    let (world, _) = lived_in().await;
    let (other, other_key) = world.new_workspace("Other").await;
    let bearer = format!("Bearer {other_key}");
    let headers = [("authorization", bearer.as_str())];
    let body = json!({
        "type": "telegram", "name": "Bot", "identifier": "other_bot",
        "credentials": { "botToken": "9:token", "secretToken": "theirs" },
    });
    let channel = id(&world
        .call_with(Method::POST, "/v1/channels", &headers, body)
        .await
        .expect(201));
    let update = json!({ "message": { "message_id": 1, "date": START_MS / 1_000, "text": "Hi", "chat": { "id": 5, "type": "private" } } });
    let secret = [("x-telegram-bot-api-secret-token", "theirs")];
    world
        .inbound(&channel, &secret, update.to_string())
        .await
        .expect(200);
    fill_quiet_tables(&world);
    let before = rows(&world);
    let empty: Vec<&String> = before
        .iter()
        .filter(|(_, count)| **count == 0)
        .map(|(table, _)| table)
        .collect();
    assert_eq!(
        empty,
        Vec::<&String>::new(),
        "every table has rows to clear"
    );
    let theirs = |world: &World| -> Vec<Value> {
        [
            "api_key",
            "channel",
            "contact",
            "identity",
            "conversation",
            "message",
        ]
        .iter()
        .flat_map(|table| {
            world.database().query(&format!(
                "SELECT * FROM {table} WHERE workspace_id = '{other}'"
            ))
        })
        .collect()
    };
    let untouched = theirs(&world);

    let path = format!("/v1/workspaces/{}", world.workspace);
    world
        .admin(Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
    // Parked reports belong to a channel and are cleared when they are a week old.
    world.advance(8 * 24 * 3_600_000);
    for _ in 0..10 {
        world.gateway.sweep().await;
        world.drain().await;
    }
    let left = rows(&world);
    for (table, count) in &left {
        let expected = match table.as_str() {
            "schema_version" => before["schema_version"],
            "workspace" | "api_key" | "channel" | "contact" | "contact_search" | "identity"
            | "conversation" | "message" => 1,
            // The whole deployment's.
            "counter" => *count,
            _ => 0,
        };
        assert_eq!(*count, expected, "{table}");
    }
    assert_eq!(theirs(&world), untouched);
    let failed: Vec<String> = world
        .ports()
        .logs
        .borrow()
        .iter()
        .filter(|line| line.contains("database.failed"))
        .cloned()
        .collect();
    assert_eq!(failed, Vec::<String>::new());
    world
        .call_with(Method::GET, "/v1/workspace", &headers, Value::Null)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_deleted_workspace_of_many_rows_is_cleared_over_several_sweeps() {
    let (world, channel) = lived_in().await;
    let workspace = &world.workspace;
    world.database().query(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1300)
         INSERT INTO message (workspace_id, id, conversation_id, channel_id, contact_id, direction, status, content, seq, created_at)
         SELECT '{workspace}', printf('01920000-0000-7000-8000-%012d', i), c.id, '{channel}', c.contact_id, 'inbound',
           'received', '{{}}', 100 + i, {START_MS} FROM n, (SELECT * FROM conversation LIMIT 1) c"
    ));
    // One message that was throttled for days.
    world.database().query(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2600)
         INSERT INTO attempt (workspace_id, message_id, number, outcome, started_at, ended_at)
         SELECT '{workspace}', '01920000-0000-7000-8000-000000000001', i, 'throttled', {START_MS}, {START_MS} FROM n"
    ));
    let path = format!("/v1/workspaces/{workspace}");
    world
        .admin(Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
    world.advance(8 * 24 * 3_600_000);
    for _ in 0..20 {
        world.gateway.sweep().await;
        world.drain().await;
    }
    let left: BTreeMap<String, i64> = rows(&world)
        .into_iter()
        .filter(|(table, count)| table != "schema_version" && table != "counter" && *count > 0)
        .collect();
    assert_eq!(left, BTreeMap::new());
}

#[tokio::test]
async fn a_deletion_whose_answer_was_lost_is_answered_as_done() {
    let (world, _) = lived_in().await;
    let path = format!("/v1/workspaces/{}", world.workspace);
    world.database().runs_twice.set(true);
    world
        .admin(Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
}
