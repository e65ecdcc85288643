//! Finding people by part of a name or a number.

use crate::support::World;
use crate::support::world::{START_MS, whatsapp_value};
use http::Method;
use patchbay::model::id::WorkspaceId;
use patchbay::store::search::{Line, fold};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use url::form_urlencoded::byte_serialize;

/// What a list gives for a search: the names in its order, and whether there is more.
async fn found(world: &World, list: &str, search: &str) -> (Vec<String>, bool) {
    let search: String = byte_serialize(search.as_bytes()).collect();
    let page = world
        .get(&format!("/v1/{list}?limit=100&search={search}"))
        .await;
    let data = page["data"].as_array().expect("a page");
    let name = |item: &Value| {
        let of = if list == "contacts" {
            item
        } else {
            &item["contact"]
        };
        let name = of["name"].as_str();
        let address = of["address"].as_str();
        name.or(address).unwrap_or("nobody").to_owned()
    };
    (
        data.iter().map(name).collect(),
        !page["nextCursor"].is_null(),
    )
}

/// A search gives these people, whatever their order, of both lists.
#[track_caller]
fn finds<'a>(
    world: &'a World,
    search: &'a str,
    names: &'a [&'a str],
) -> impl Future<Output = ()> + 'a {
    let caller = std::panic::Location::caller();
    async move {
        let wanted: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
        for list in ["contacts", "conversations"] {
            let (found, has_more) = found(world, list, search).await;
            let count = found.len();
            let found: BTreeSet<String> = found.into_iter().collect();
            assert_eq!(found, wanted, "{caller}: {list} by {search:?}");
            assert_eq!(count, wanted.len(), "{caller}: each once");
            assert!(!has_more, "{caller}: {list} by {search:?}");
        }
    }
}

/// Somebody writes for the first time.
async fn writes(world: &World, channel: &str, from: &str, name: Option<&str>) {
    let mut value = json!({
        "messages": [{
            "from": from, "id": format!("wamid.{from}.{}", world.ports().now_ms.get()),
            "timestamp": (world.ports().now_ms.get() / 1_000).to_string(), "type": "text",
            "text": { "body": "Hi" },
        }],
    });
    if let Some(name) = name {
        value["contacts"] = json!([{ "profile": { "name": name }, "wa_id": from }]);
    }
    world
        .from_meta(channel, &whatsapp_value(value))
        .await
        .expect(200);
    world.advance(1_000);
}

async fn crowd(people: &[(&str, &str)]) -> (World, String) {
    let world = World::new().await;
    let channel = world.unenforced_whatsapp().await;
    for (from, name) in people {
        writes(&world, &channel, from, Some(name)).await;
    }
    (world, channel)
}

#[tokio::test]
async fn three_characters_and_more_are_found_anywhere_in_a_name() {
    let (world, _) = crowd(&[
        ("5511900000001", "Ada Lovelace"),
        ("5511900000002", "Grace Hopper"),
        ("5511900000003", "Adalbert"),
    ])
    .await;
    finds(&world, "ada", &["Ada Lovelace", "Adalbert"]).await;
    finds(&world, "velac", &["Ada Lovelace"]).await;
    finds(&world, "a lov", &["Ada Lovelace"]).await;
    finds(&world, "  Ada   Lovelace ", &["Ada Lovelace"]).await;
    finds(&world, "hopper", &["Grace Hopper"]).await;
    finds(&world, "hoppers", &[]).await;
    finds(&world, "ada hopper", &[]).await;
    // All of its grams are there, and yet not in this order.
    finds(&world, "adalbertadalbert", &[]).await;
}

#[tokio::test]
async fn one_and_two_characters_are_found_where_a_word_begins() {
    let (world, _) = crowd(&[
        ("5511900000001", "Ada Lovelace"),
        ("5511900000002", "Grace Hopper"),
        ("5511900000003", "Q"),
    ])
    .await;
    finds(&world, "a", &["Ada Lovelace"]).await;
    finds(&world, "lo", &["Ada Lovelace"]).await;
    finds(&world, "op", &[]).await;
    finds(&world, "h", &["Grace Hopper"]).await;
    finds(&world, "q", &["Q"]).await;
    finds(&world, "q ", &["Q"]).await;
    finds(&world, "qq", &[]).await;
}

#[tokio::test]
async fn a_number_is_found_by_its_digits_however_they_are_written() {
    let (world, _) = crowd(&[
        ("5511912345678", "Ada"),
        ("2348012345678", "Grace"),
        ("4915112345", "Room 5511"),
    ])
    .await;
    finds(&world, "5511912345678", &["Ada"]).await;
    finds(&world, "+55 11 91234-5678", &["Ada"]).await;
    finds(&world, "12345678", &["Ada", "Grace"]).await;
    finds(&world, "(11) 9", &["Ada"]).await;
    finds(&world, "5511", &["Ada", "Room 5511"]).await;
    finds(&world, "55", &["Ada", "Room 5511"]).await;
    finds(&world, "+2", &["Grace"]).await;
    finds(&world, "78", &[]).await;
    finds(&world, "678", &["Ada", "Grace"]).await;
}

#[tokio::test]
async fn other_addresses_are_found_as_text() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let bot = world.telegram().await;
    writes(&world, &shop, "US.13491208655302741918", None).await;
    let update = json!({
        "update_id": 1,
        "message": {
            "message_id": 5, "date": START_MS / 1_000, "text": "Hi",
            "chat": { "id": -1_001_234_567_i64, "type": "supergroup", "title": "Team" },
            "from": { "id": 77, "is_bot": false, "first_name": "Linus" },
        },
    });
    world.from_telegram(&bot, &update).await.expect(200);
    let both = found(&world, "conversations", "1234567").await.0;
    assert_eq!(both.len(), 1, "{both:?}");
    assert_eq!(found(&world, "conversations", "-1001234567").await.0, both);
    assert_eq!(found(&world, "conversations", "-10").await.0, both);
    assert_eq!(
        found(&world, "conversations", "us.1349").await.0,
        ["US.13491208655302741918"]
    );
    assert_eq!(
        found(&world, "conversations", "us").await.0,
        ["US.13491208655302741918"]
    );
}

#[tokio::test]
async fn case_does_not_count_in_any_script() {
    let (world, _) = crowd(&[
        ("5511900000001", "ÉMILIE Straße"),
        ("5511900000002", "ΟΔΥΣΣΕΥΣ"),
        ("5511900000003", "Ольга Иванова"),
        ("5511900000004", "山田 太郎"),
        ("5511900000005", "Zoë 🌸🌸🌸"),
    ])
    .await;
    finds(&world, "émilie", &["ÉMILIE Straße"]).await;
    finds(&world, "ÉM", &["ÉMILIE Straße"]).await;
    finds(&world, "STRASSE", &["ÉMILIE Straße"]).await;
    finds(&world, "οδυς", &["ΟΔΥΣΣΕΥΣ"]).await;
    finds(&world, "οδυσσευς", &["ΟΔΥΣΣΕΥΣ"]).await;
    finds(&world, "оЛЬ", &["Ольга Иванова"]).await;
    finds(&world, "ив", &["Ольга Иванова"]).await;
    finds(&world, "山", &["山田 太郎"]).await;
    finds(&world, "太郎", &["山田 太郎"]).await;
    finds(&world, "🌸🌸", &["Zoë 🌸🌸🌸"]).await;
    finds(&world, "🌸🌸🌸", &["Zoë 🌸🌸🌸"]).await;
    finds(&world, "zoë", &["Zoë 🌸🌸🌸"]).await;
    assert_eq!(fold("Straße  ΣΑΣ"), fold("STRASSE σας"));
}

#[tokio::test]
async fn what_means_something_to_sql_means_itself() {
    let (world, _) = crowd(&[
        ("5511900000001", "100% Ada"),
        ("5511900000002", "O'Brien \"Bob\" *"),
        ("5511900000003", "AND OR NOT NEAR"),
        ("5511900000004", "a_b"),
    ])
    .await;
    finds(&world, "%", &[]).await;
    finds(&world, "100%", &["100% Ada"]).await;
    finds(&world, "o'b", &["O'Brien \"Bob\" *"]).await;
    finds(&world, "\"", &["O'Brien \"Bob\" *"]).await;
    finds(&world, "*", &["O'Brien \"Bob\" *"]).await;
    finds(&world, "AND OR", &["AND OR NOT NEAR"]).await;
    finds(&world, "a_", &["a_b"]).await;
    for nothing in [
        "___",
        "%%%",
        "ada*",
        "' OR 1=1 --",
        "\"; DROP TABLE contact; --",
        "NEAR(a b)",
        "^a",
        "grams:ada",
        "\0",
        "\u{1}x",
    ] {
        finds(&world, nothing, &[]).await;
    }
}

#[tokio::test]
async fn a_blank_search_finds_all() {
    let (world, _) = crowd(&[("5511900000001", "Ada"), ("5511900000002", "Grace")]).await;
    finds(&world, "", &["Ada", "Grace"]).await;
    finds(&world, " \t ", &["Ada", "Grace"]).await;
}

#[tokio::test]
async fn whoever_is_met_is_found_at_once_on_whatever_way() {
    let world = World::new().await;
    let channel = world.unenforced_whatsapp().await;
    // Written to first: a number, then the name with the answer.
    world.say("5511900000001", "Hello").await;
    let (found_first, _) = found(&world, "conversations", "900000001").await;
    assert_eq!(found_first, ["5511900000001"]);
    writes(&world, &channel, "5511900000001", Some("Ada Lovelace")).await;
    finds(&world, "lovelace", &["Ada Lovelace"]).await;
    finds(&world, "900000001", &["Ada Lovelace"]).await;
    // A profile that changes does not rename a contact, and nothing is lost.
    writes(&world, &channel, "5511900000001", Some("Grace")).await;
    finds(&world, "grace", &[]).await;
    finds(&world, "lovelace", &["Ada Lovelace"]).await;
    // Made by a client, renamed, given another address.
    let body =
        json!({ "name": "Linus", "identities": [{ "kind": "whatsapp", "value": "+4915112345" }] });
    let made = world.post("/v1/contacts", body).await.expect(201);
    let names = |found: (Vec<String>, bool)| found.0;
    assert_eq!(names(found(&world, "contacts", "linus").await), ["Linus"]);
    assert_eq!(
        names(found(&world, "contacts", "15112345").await),
        ["Linus"]
    );
    let path = format!("/v1/contacts/{}", made["id"].as_str().expect("an id"));
    let patch =
        json!({ "name": "Torvalds", "identities": [{ "kind": "telegram", "value": "778899" }] });
    world.call(Method::PATCH, &path, patch).await.expect(200);
    assert!(names(found(&world, "contacts", "linus").await).is_empty());
    for search in ["torvalds", "15112345", "778899"] {
        assert_eq!(names(found(&world, "contacts", search).await), ["Torvalds"]);
    }
    let back = json!({ "name": "Linus" });
    world.call(Method::PATCH, &path, back).await.expect(200);
    assert_eq!(names(found(&world, "contacts", "linus").await), ["Linus"]);
    let nameless = json!({ "name": null });
    world.call(Method::PATCH, &path, nameless).await.expect(200);
    assert!(names(found(&world, "contacts", "linus").await).is_empty());
}

#[tokio::test]
async fn a_message_from_somebody_known_adds_nothing_to_the_index() {
    let (world, channel) = crowd(&[("5511900000001", "Ada")]).await;
    let rows = || {
        world
            .database()
            .count("SELECT COUNT(*) FROM contact_search")
    };
    assert_eq!(rows(), 1);
    writes(&world, &channel, "5511900000001", Some("Ada")).await;
    world.say("5511900000001", "Hello").await;
    assert_eq!(rows(), 1);
    world.say("5511900000002", "Hello").await;
    assert_eq!(rows(), 2);
    world.database().runs_twice.set(true);
    world.say("5511900000003", "Hello").await;
    writes(&world, &channel, "5511900000004", Some("Grace")).await;
    assert_eq!(rows(), 4);
}

#[tokio::test]
async fn contacts_from_before_the_index_are_taken_in_by_the_sweep() {
    let (world, _) = crowd(&[("5511900000001", "Émilie"), ("5511900000002", "Ada")]).await;
    world.database().query("DELETE FROM contact_search");
    world
        .database()
        .query("UPDATE contact SET folded = NULL, grams = NULL");
    finds(&world, "émilie", &[]).await;
    world.gateway.sweep().await;
    finds(&world, "émilie", &["Émilie"]).await;
    finds(&world, "900000002", &["Ada"]).await;
    world.gateway.sweep().await;
    assert_eq!(
        world
            .database()
            .count("SELECT COUNT(*) FROM contact_search"),
        2
    );
}

#[tokio::test]
async fn contacts_that_are_indexed_by_three_characters_alone_are_found_and_indexed_anew() {
    let (world, _) = crowd(&[("5511900000001", "Élodie")]).await;
    let database = world.database();
    let workspace = WorkspaceId::parse(&world.workspace).expect("an id");
    let grams: String = ["Élod", "lodi", "odie", "5511", "5119", "1190"]
        .into_iter()
        .map(|part| Line::of(workspace, Some(part), std::iter::empty()).grams + " ")
        .collect();
    database.query("UPDATE contact SET grams = NULL");
    database.query("DELETE FROM contact_search");
    database.query(&format!(
        "INSERT INTO contact_search (rowid, grams, contact_id)
         SELECT 1, '{grams}' || 'c' || replace(id, '-', ''), id FROM contact"
    ));
    finds(&world, "élodie", &["Élodie"]).await;
    finds(&world, "551190", &["Élodie"]).await;
    // A new name is indexed at once, and what it is known as not yet.
    let id = id_of_only(&world).await;
    let patch = json!({ "name": "Mélodie" });
    let path = format!("/v1/contacts/{id}");
    world.call(Method::PATCH, &path, patch).await.expect(200);
    finds(&world, "mélodie", &["Mélodie"]).await;
    finds(&world, "5511900000001", &[]).await;
    world.gateway.sweep().await;
    finds(&world, "mélodie", &["Mélodie"]).await;
    finds(&world, "5511900000001", &["Mélodie"]).await;
}

async fn id_of_only(world: &World) -> String {
    let listed = world.get("/v1/contacts").await;
    listed["data"][0]["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn another_workspace_neither_sees_nor_is_seen() {
    let (mut world, _) = crowd(&[("5511900000001", "Ada Lovelace")]).await;
    (_, world.key) = world.new_workspace("Other").await;
    finds(&world, "ada", &[]).await;
    finds(&world, "a", &[]).await;
    finds(&world, "5511900000001", &[]).await;
    let channel = world.whatsapp().await;
    writes(&world, &channel, "5511900000001", Some("Ada Byron")).await;
    finds(&world, "ada", &["Ada Byron"]).await;
    finds(&world, "5511900000001", &["Ada Byron"]).await;
}

#[tokio::test]
async fn a_search_and_the_filters_hold_together_and_the_newest_comes_first() {
    let (world, channel) = crowd(&[
        ("5511900000001", "Ada One"),
        ("5511900000002", "Ada Two"),
        ("5511900000003", "Ada Three"),
        ("5511900000004", "Grace"),
    ])
    .await;
    writes(&world, &channel, "5511900000002", Some("Ada Two")).await;
    let (names, _) = found(&world, "conversations", "ada").await;
    assert_eq!(names, ["Ada Two", "Ada Three", "Ada One"]);
    let (names, _) = found(&world, "contacts", "ada").await;
    assert_eq!(names, ["Ada Three", "Ada Two", "Ada One"], "newest contact");
    let page = world.get("/v1/conversations?search=ada&limit=1").await;
    let id = page["data"][0]["id"].as_str().expect("an id");
    let path = format!("/v1/conversations/{id}");
    let patch = json!({ "status": "snoozed", "mode": "human", "assignee": "eve" });
    world.call(Method::PATCH, &path, patch).await.expect(200);
    for (query, count) in [
        ("search=ada&status=snoozed", 1),
        ("search=ada&status=open", 2),
        ("search=ada&mode=human&assigned=eve", 1),
        ("search=ada&assigned=unassigned", 2),
        ("search=grace&status=snoozed", 0),
        (
            "search=ada&channelId=01920000-0000-7000-8000-000000000001",
            0,
        ),
    ] {
        let page = world.get(&format!("/v1/conversations?{query}")).await;
        assert_eq!(
            page["data"].as_array().map(Vec::len),
            Some(count),
            "{query}"
        );
    }
}

/// Many contacts with conversations, all but some of a name.
async fn big(count: i64) -> (World, String) {
    let world = World::new().await;
    let channel = world.whatsapp().await;
    fill(&world, &channel, 1, count).await;
    (world, channel)
}

/// More of them, from a number to another.
async fn fill(world: &World, channel: &str, from: i64, count: i64) {
    let database = world.database();
    let workspace = &world.workspace;
    for (table, columns, values) in [
        (
            "contact",
            "id, name, created_at",
            "printf('01a1f7f8-3000-7000-8000-%012d', value), CASE WHEN value % 10 = 0 THEN 'Grace' ELSE 'Ada' END || ' ' || value, 1",
        ),
        (
            "identity",
            "kind, value, contact_id",
            "'whatsapp', printf('55119%08d', value), printf('01a1f7f8-3000-7000-8000-%012d', value)",
        ),
        (
            "conversation",
            "id, channel_id, contact_id, address, status, mode, unread_count, last_seq, last_activity_at, created_at",
            "printf('01a1f7f8-3000-7000-9000-%012d', value), '{channel}', printf('01a1f7f8-3000-7000-8000-%012d', value), printf('55119%08d', value), 'open', 'ai', 0, 0, value, 1",
        ),
    ] {
        let values = values.replace("{channel}", channel);
        database.query(&format!(
            "INSERT INTO {table} (workspace_id, {columns}) SELECT '{workspace}', {values} FROM generate_series"
        ).replace("generate_series", &format!("(WITH RECURSIVE n(value) AS (SELECT {from} UNION ALL SELECT value + 1 FROM n WHERE value < {count}) SELECT value FROM n)")));
    }
    loop {
        world.gateway.sweep().await;
        if database.count("SELECT COUNT(*) FROM contact WHERE grams IS NULL") == 0 {
            return;
        }
    }
}

/// Follows cursors to the end: all names, and how many pages there were.
async fn all(world: &World, list: &str) -> (Vec<String>, usize) {
    let mut names = vec![];
    let mut next = list.to_owned();
    for pages in 1..100 {
        let page = world.get(&next).await;
        for item in page["data"].as_array().expect("a page") {
            let name = item["name"].as_str().or(item["contact"]["name"].as_str());
            names.push(name.expect("a name").to_owned());
        }
        match page["nextCursor"].as_str() {
            None => return (names, pages),
            Some(cursor) => next = format!("{list}&cursor={cursor}"),
        }
    }
    panic!("the cursors lead in a circle");
}

#[tokio::test]
async fn more_matches_than_are_gathered_are_found_page_by_page_each_once() {
    let (world, _) = big(2_500).await;
    for list in ["contacts", "conversations"] {
        // 250 are gathered; 2,250 are looked for by activity.
        for (name, count) in [
            ("grace", 250),
            ("ada", 2_250),
            ("a", 2_250),
            ("ada 12", 100),
        ] {
            let path = format!("/v1/{list}?limit=100&search={}", name.replace(' ', "%20"));
            let (names, pages) = all(&world, &path).await;
            let once: BTreeSet<&String> = names.iter().collect();
            assert_eq!(once.len(), names.len(), "{list} by {name}: each once");
            let wanted: Vec<String> = (1..=2_500)
                .rev()
                .map(|number| {
                    let name = if number % 10 == 0 { "Grace" } else { "Ada" };
                    format!("{name} {number}")
                })
                .filter(|full| match full.to_lowercase() {
                    full if name.len() < 3 => full.starts_with(name),
                    full => full.contains(name),
                })
                .collect();
            assert_eq!(names, wanted, "{list} by {name}");
            assert!(names.len() >= count - 20 && pages <= names.len() / 100 + 2);
        }
    }
}

/// Steps of the database that a search takes.
async fn steps(world: &World, path: &str) -> i64 {
    let before = world.database().steps.get();
    world.get(path).await;
    world.database().steps.get() - before
}

#[tokio::test]
async fn what_a_search_costs_does_not_grow_with_the_table_nor_with_other_workspaces() {
    let (mut world, channel) = big(300).await;
    writes(&world, &channel, "4915112345", Some("Linus")).await;
    let paths = [
        "/v1/contacts?search=linus",
        "/v1/conversations?search=linus&status=open",
        "/v1/conversations?search=15112345",
        "/v1/conversations?search=nobody",
        "/v1/messaging/conversations?search=linus",
    ];
    let mut before = vec![];
    for path in paths {
        before.push(steps(&world, path).await);
    }
    let (own, key) = (world.workspace.clone(), world.key.clone());
    // Another workspace is full of the same names, which never counts; then this one grows.
    let (other, other_key) = world.new_workspace("Other").await;
    (world.workspace, world.key) = (other, other_key);
    let theirs = world.whatsapp().await;
    fill(&world, &theirs, 1, 3_000).await;
    (world.workspace, world.key) = (own, key);
    for (path, before) in paths.iter().zip(&before) {
        let after = steps(&world, path).await;
        assert!(after <= before + 10, "{path}: {before} then {after}");
    }
    fill(&world, &channel, 1_301, 3_000).await;
    for (path, before) in paths.iter().zip(&before) {
        let after = steps(&world, path).await;
        assert!(
            after <= before + before / 5 + 10,
            "{path}: {before} then {after}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_searched_for_is_answered(search in ".{0,300}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let (world, _) = crowd(&[("5511900000001", "Ada")]).await;
            found(&world, "contacts", &search).await;
            found(&world, "conversations", &search).await;
            let search: String = byte_serialize(search.as_bytes()).collect();
            world.get(&format!("/v1/messaging/conversations?search={search}")).await;
        });
    }

    #[test]
    fn every_part_of_a_name_finds_it(name in "[\\PC&&[^\\s]]{1,12}( [\\PC&&[^\\s]]{1,12}){0,2}", at in 0usize..30, length in 3usize..12) {
        let folded = fold(&name);
        let part: String = folded.chars().skip(at).take(length).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let (world, _) = crowd(&[("5511900000001", &name)]).await;
            let shown = world.get("/v1/contacts").await["data"][0]["name"].clone();
            let shown = shown.as_str().unwrap_or("");
            let wanted = usize::from(fold(shown).contains(&fold(&part)));
            if fold(&part).chars().count() >= 3 {
                assert_eq!(found(&world, "contacts", &part).await.0.len(), wanted, "{part:?} in {shown:?}");
            }
        });
    }
}
