//! Contacts that are one person: merged, taken apart again, and found to be alike.

use crate::support::World;
use crate::support::outgoing::{HOOK, id, pointer};
use crate::support::world::{CUSTOMER, Reply, START_MS, whatsapp_text, whatsapp_value};
use http::Method;
use serde_json::{Value, json};

const AT: i64 = START_MS / 1_000;
const CHAT: &str = "778899";

async fn contact(world: &World, name: Value, kind: &str, value: &str) -> String {
    let body = json!({ "name": name, "identities": [{ "kind": kind, "value": value }] });
    id(&world.post("/v1/contacts", body).await.expect(201))
}

async fn merge(world: &World, contact: &str, into: &str) -> Reply {
    let path = format!("/v1/contacts/{contact}/merge");
    world.post(&path, json!({ "into": into })).await
}

async fn unmerge(world: &World, contact: &str) -> Reply {
    let path = format!("/v1/contacts/{contact}/unmerge");
    world.post(&path, Value::Null).await
}

async fn show(world: &World, contact: &str) -> Value {
    world.get(&format!("/v1/contacts/{contact}")).await
}

async fn found(world: &World, search: &str) -> Vec<String> {
    let list = world.get(&format!("/v1/contacts?search={search}")).await;
    let list = list["data"].as_array().expect("a page").iter().map(id);
    list.collect()
}

fn values(contact: &Value) -> Vec<&str> {
    let identities = contact["identities"].as_array().expect("identities");
    let values = identities.iter().map(|known| known["value"].as_str());
    values.flatten().collect()
}

async fn chat_writes(world: &World, channel: &str, number: i64, text: &str) {
    let update = json!({ "message": { "message_id": number, "date": AT, "text": text,
        "chat": { "id": 778_899, "type": "private" }, "from": { "id": 778_899, "first_name": "Lady" } } });
    world.from_telegram(channel, &update).await.expect(200);
}

/// Ada on WhatsApp and Lady on Telegram, who have written: their ids, and the channels'.
async fn two_who_wrote(world: &World) -> (String, String, String, String) {
    let shop = world.unenforced_whatsapp().await;
    let bot = world.telegram().await;
    world
        .customer_writes(&shop, CUSTOMER, "wamid.1", "Hi")
        .await;
    chat_writes(world, &bot, 1, "Hello").await;
    let of = async |search: &str| found(world, search).await.remove(0);
    (of(CUSTOMER).await, of(CHAT).await, shop, bot)
}

#[tokio::test]
async fn what_one_contact_had_is_the_others_after_a_merge() {
    let world = World::new().await;
    let (ada, lady, shop, bot) = two_who_wrote(&world).await;
    let survivor = merge(&world, &lady, &ada).await.expect(200);
    assert_eq!(survivor["id"], ada);
    assert_eq!(values(&survivor), [CHAT, CUSTOMER]);
    assert_ne!(survivor["name"], "Lady");
    // Messages and conversations, also those that were there before.
    for list in ["/v1/conversations", "/v1/messages"] {
        let list = world.get(list).await;
        let list = list["data"].as_array().expect("a page");
        assert_eq!(list.len(), 2);
        for item in list {
            let of = item.get("contactId").unwrap_or(&item["contact"]["id"]);
            assert_eq!(*of, ada, "{item}");
        }
    }
    assert_eq!(found(&world, CHAT).await, [ada.as_str()]);
    assert_eq!(found(&world, CUSTOMER).await, [ada.as_str()]);
    assert_eq!(found(&world, "lady").await, Vec::<String>::new());
    // Who writes from either address is the same person, and nobody else.
    chat_writes(&world, &bot, 2, "Again").await;
    world
        .customer_writes(&shop, CUSTOMER, "wamid.2", "Me too")
        .await;
    assert_eq!(
        world.get("/v1/contacts").await["data"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
}

#[tokio::test]
async fn the_old_id_stands_for_the_contact_that_is_left() {
    let world = World::new().await;
    let (ada, lady, ..) = two_who_wrote(&world).await;
    merge(&world, &ada, &lady).await.expect(200);
    assert_eq!(show(&world, &ada).await["id"], lady);
    let text = |from: Value| json!({ "from": from, "to": ada, "content": { "type": "text", "text": "Hello" } });
    let sent = world
        .post("/v1/messages", text(json!("+15550100001")))
        .await
        .expect(202);
    assert_eq!(
        (&sent["contactId"], &sent["channelType"]),
        (&json!(lady), &json!("whatsapp"))
    );
    let sent = world
        .post("/v1/messages", text(Value::Null))
        .await
        .expect(202);
    assert_eq!(sent["contactId"], lady, "its latest conversation");
    let path = format!("/v1/contacts/{ada}");
    let named = json!({ "name": "Countess" });
    let patched = world.call(Method::PATCH, &path, named).await.expect(200);
    assert_eq!(
        (&patched["id"], &patched["name"]),
        (&json!(lady), &json!("Countess"))
    );
    world
        .call(Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
    for gone in [&ada, &lady] {
        let path = format!("/v1/contacts/{gone}");
        world
            .call(Method::GET, &path, Value::Null)
            .await
            .expect(404);
    }
}

#[tokio::test]
async fn name_and_metadata_are_those_of_the_contact_that_is_left_unless_it_has_none() {
    let world = World::new().await;
    let ada = contact(&world, json!("Ada"), "telegram", "1").await;
    let nobody = contact(&world, Value::Null, "telegram", "2").await;
    let path = format!("/v1/contacts/{ada}");
    let metadata = json!({ "metadata": { "plan": "gold" } });
    world.call(Method::PATCH, &path, metadata).await.expect(200);
    let taken = merge(&world, &ada, &nobody).await.expect(200);
    assert_eq!(
        (&taken["name"], &taken["metadata"]["plan"]),
        (&json!("Ada"), &json!("gold"))
    );
    let eve = contact(&world, json!("Eve"), "telegram", "3").await;
    let kept = merge(&world, &eve, &nobody).await.expect(200);
    assert_eq!(
        (&kept["name"], &kept["metadata"]["plan"]),
        (&json!("Ada"), &json!("gold"))
    );
    // What was taken is given back.
    assert_eq!(unmerge(&world, &ada).await.expect(200)["name"], "Ada");
    let left = show(&world, &nobody).await;
    assert_eq!(
        (&left["name"], &left["metadata"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(values(&left), ["2", "3"]);
}

#[tokio::test]
async fn a_merge_that_cannot_be_is_refused_and_writes_nothing() {
    let mut world = World::new().await;
    let ada = contact(&world, json!("Ada"), "telegram", "1").await;
    let eve = contact(&world, json!("Eve"), "telegram", "2").await;
    let kim = contact(&world, json!("Kim"), "telegram", "3").await;
    let nobody = "01920000-0000-7000-8000-000000000001";
    merge(&world, &ada, &eve).await.expect(200);
    let (_, theirs) = world.new_workspace("Other").await;
    let own = std::mem::replace(&mut world.key, theirs);
    let stranger = contact(&world, json!("Zoe"), "telegram", "1").await;
    world.key = own;
    let before = world.database().dump();
    for (contact, into, told) in [
        (&*kim, &*kim, (422, "invalid_request", "/into")),
        // One is the other already.
        (&eve, &ada, (422, "invalid_request", "/into")),
        (&eve, &eve, (422, "invalid_request", "/into")),
        (&ada, &ada, (422, "invalid_request", "/into")),
        (&ada, &kim, (409, "conflict", "")),
        (&kim, nobody, (404, "not_found", "/into")),
        (&kim, &stranger, (404, "not_found", "/into")),
        (&kim, "x", (404, "not_found", "/into")),
        (&stranger, &kim, (404, "not_found", "")),
        (nobody, &kim, (404, "not_found", "")),
    ] {
        let reply = merge(&world, contact, into).await;
        let code = reply.body["code"].as_str().unwrap_or("");
        assert_eq!(
            (reply.status, code, pointer(&reply.body)),
            told,
            "{}",
            reply.body
        );
    }
    let path = format!("/v1/contacts/{kim}/merge");
    for body in [json!({}), json!({ "into": 5 })] {
        let refused = world.post(&path, body).await.expect(422);
        assert_eq!(pointer(&refused), "/into");
    }
    for (contact, told) in [(&*kim, 409), (&stranger, 404), (nobody, 404)] {
        unmerge(&world, contact).await.expect(told);
    }
    assert_eq!(world.database().dump(), before);
}

#[tokio::test]
async fn a_merge_is_told_once_in_the_styles_that_have_a_form_for_it() {
    let world = World::new().await;
    let (ada, lady, ..) = two_who_wrote(&world).await;
    for style in ["standard", "cloove", "visito", "chatt2me"] {
        let url = format!("{HOOK}/{style}");
        let body = json!({ "url": url, "events": ["*"], "style": style });
        world.post("/v1/webhooks", body).await.expect(201);
        let named = json!({ "url": url, "events": ["contact.merged"], "style": style });
        let known = matches!(style, "standard" | "cloove");
        if !known {
            world.post("/v1/webhooks", named).await.expect(422);
        }
    }
    let first = merge(&world, &lady, &ada).await.expect(200);
    let again = merge(&world, &lady, &ada).await.expect(200);
    assert_eq!(again, first);
    world.drain().await;
    let posts = world.posts_to("hooks.example.com");
    let told = |style: &str| -> Vec<Value> {
        let posts = posts
            .iter()
            .filter(|post| post.uri().path().ends_with(style));
        posts
            .map(|post| serde_json::from_slice(post.body()).expect("JSON"))
            .collect()
    };
    let standard = told("standard");
    assert_eq!(standard.len(), 1);
    assert_eq!(standard[0]["type"], "contact.merged");
    assert_eq!(
        standard[0]["data"],
        json!({
            "workspaceId": world.workspace, "contact": first, "mergedContactId": lady,
        })
    );
    let cloove = told("cloove");
    assert_eq!(cloove.len(), 1);
    assert_eq!(cloove[0]["type"], "contact.merged");
    assert_eq!(
        cloove[0]["data"],
        json!({ "contact": first, "mergedContactId": lady })
    );
    assert_eq!((told("visito"), told("chatt2me")), (vec![], vec![]));
}

#[tokio::test]
async fn a_merge_and_its_end_whose_batches_run_twice_are_made_once() {
    let world = World::new().await;
    let (ada, lady, ..) = two_who_wrote(&world).await;
    world.subscribe_to_all().await;
    world.database().runs_twice.set(true);
    let survivor = merge(&world, &lady, &ada).await.expect(200);
    assert_eq!(values(&survivor), [CHAT, CUSTOMER]);
    assert_eq!(world.database().count("SELECT COUNT(*) FROM event"), 1);
    assert_eq!(values(&unmerge(&world, &lady).await.expect(200)), [CHAT]);
    assert_eq!(values(&show(&world, &ada).await), [CUSTOMER]);
    assert_eq!(values(&unmerge(&world, &lady).await.expect(200)), [CHAT]);
}

#[tokio::test]
async fn of_two_merges_at_once_one_is_made() {
    for again in 0..2 {
        let world = World::new().await;
        let ada = contact(&world, json!("Ada"), "telegram", "1").await;
        let eve = contact(&world, json!("Eve"), "telegram", "2").await;
        let kim = contact(&world, json!("Kim"), "telegram", "3").await;
        world.database().yields.set(true);
        // In a circle, or of one into two.
        let (one, other) = if again == 0 {
            tokio::join!(merge(&world, &ada, &eve), merge(&world, &eve, &ada))
        } else {
            tokio::join!(merge(&world, &ada, &eve), merge(&world, &ada, &kim))
        };
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, [422, 409][again]]);
        let identities = "SELECT COUNT(*) FROM identity i JOIN contact p ON p.id = i.contact_id";
        assert_eq!(world.database().count(identities), 3);
        assert_eq!(world.database().count("SELECT COUNT(*) FROM contact"), 2);
    }
}

#[tokio::test]
async fn a_merge_taken_back_restores_the_contact_with_what_it_brought() {
    let world = World::new().await;
    let (ada, lady, shop, bot) = two_who_wrote(&world).await;
    let before = show(&world, &lady).await;
    merge(&world, &lady, &ada).await.expect(200);
    chat_writes(&world, &bot, 2, "Meanwhile").await;
    let more = json!({ "identities": [{ "kind": "phone", "value": "+15550109999" }] });
    let path = format!("/v1/contacts/{lady}");
    world.call(Method::PATCH, &path, more).await.expect(200);
    let restored = unmerge(&world, &lady).await.expect(200);
    assert_eq!(restored["id"], lady);
    assert_eq!(show(&world, &lady).await, before);
    // What the other has got of its own since, it keeps.
    assert_eq!(
        values(&show(&world, &ada).await),
        ["+15550109999", CUSTOMER]
    );
    for (search, whose) in [
        (CHAT, &lady),
        ("lady", &lady),
        (CUSTOMER, &ada),
        ("555010", &ada),
    ] {
        assert_eq!(found(&world, search).await, [whose.as_str()], "{search}");
    }
    for item in world.get("/v1/messages").await["data"]
        .as_array()
        .expect("a page")
    {
        let whose = if item["channelId"] == shop {
            &ada
        } else {
            &lady
        };
        assert_eq!(item["contactId"], **whose);
    }
    // And once more.
    merge(&world, &lady, &ada).await.expect(200);
    assert_eq!(show(&world, &lady).await["id"], ada);
}

#[tokio::test]
async fn a_conversation_begun_after_a_merge_goes_back_with_its_address() {
    let world = World::new().await;
    let (ada, lady, ..) = two_who_wrote(&world).await;
    merge(&world, &ada, &lady).await.expect(200);
    let second = json!({
        "type": "whatsapp", "name": "Second", "identifier": "+15550100002",
        "credentials": { "phoneNumberId": "2", "wabaId": "3", "accessToken": "t", "appSecret": "s", "verifyToken": "v" },
        "settings": { "enforceWindow": false },
    });
    world.connect(second).await;
    let text = json!({ "from": "+15550100002", "to": CUSTOMER, "content": { "type": "text", "text": "Hi" } });
    let sent = world.post("/v1/messages", text).await.expect(202);
    assert_eq!(sent["contactId"], lady);
    unmerge(&world, &ada).await.expect(200);
    let path = format!("/v1/messages/{}", id(&sent));
    assert_eq!(world.get(&path).await["contactId"], ada);
}

#[tokio::test]
async fn merges_of_merges_are_taken_back_in_any_order() {
    let orders = [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ];
    for order in orders {
        let world = World::new().await;
        let mut people = vec![];
        for number in ["1", "2", "3", "4"] {
            people.push(contact(&world, json!(number), "telegram", number).await);
        }
        for at in 0..3 {
            merge(&world, &people[at], &people[at + 1])
                .await
                .expect(200);
        }
        for person in &people {
            let shown = show(&world, person).await;
            assert_eq!(shown["id"], people[3]);
            assert_eq!(values(&shown), ["1", "2", "3", "4"]);
        }
        for (taken, at) in order.into_iter().enumerate() {
            unmerge(&world, &people[at]).await.expect(200);
            // Who is still merged stands for whoever has their address.
            for (at, person) in people.iter().enumerate() {
                let of = show(&world, person).await;
                let number = (at + 1).to_string();
                assert!(
                    values(&of).contains(&number.as_str()),
                    "{order:?} {taken} {of}"
                );
            }
        }
        for (at, person) in people.iter().enumerate() {
            let shown = show(&world, person).await;
            let number = (at + 1).to_string();
            assert_eq!(
                (id(&shown), values(&shown)),
                (person.clone(), vec![number.as_str()]),
                "{order:?}"
            );
            assert_eq!(found(&world, &number).await, [person.as_str()]);
        }
    }
}

#[tokio::test]
async fn a_contact_of_more_addresses_than_one_may_be_given_is_still_changed() {
    let world = World::new().await;
    let many = |from: i64| -> Vec<Value> {
        (from..from + 15)
            .map(|n| json!({ "kind": "telegram", "value": n.to_string() }))
            .collect()
    };
    let mut ids = vec![];
    for from in [100, 200] {
        let body = json!({ "identities": many(from) });
        ids.push(id(&world.post("/v1/contacts", body).await.expect(201)));
    }
    merge(&world, &ids[0], &ids[1]).await.expect(200);
    let path = format!("/v1/contacts/{}", ids[1]);
    let named = json!({ "name": "Hydra" });
    world.call(Method::PATCH, &path, named).await.expect(200);
}

#[tokio::test]
async fn contacts_whose_numbers_are_alike_are_candidates_and_nothing_more() {
    let world = World::new().await;
    let new = contact(&world, json!("New"), "whatsapp", "5511987654321").await;
    let old = contact(&world, json!("Old"), "whatsapp", "551187654321").await;
    let texts = contact(&world, Value::Null, "phone", "+5511987654321").await;
    contact(&world, json!("Other"), "whatsapp", "5521987654321").await;
    let before = world.database().dump();
    let candidate = |id: &str, name: Value, kind: &str, value: &str| {
        json!({
            "contactId": id, "name": name, "identity": { "kind": kind, "value": value },
        })
    };
    let by_phone = candidate(&texts, Value::Null, "phone", "+5511987654321");
    assert_eq!(
        show(&world, &new).await["matchCandidates"],
        json!([
            by_phone,
            candidate(&old, json!("Old"), "whatsapp", "551187654321")
        ])
    );
    assert_eq!(
        show(&world, &old).await["matchCandidates"],
        json!([
            by_phone,
            candidate(&new, json!("New"), "whatsapp", "5511987654321")
        ])
    );
    assert_eq!(world.database().dump(), before);
    merge(&world, &old, &new).await.expect(200);
    assert_eq!(
        show(&world, &new).await["matchCandidates"],
        json!([by_phone])
    );
}

// What WhatsApp tells of who somebody is.

fn number_changed(kind: &str, from: &str, field: &str, to: &str) -> Value {
    whatsapp_value(json!({ "messages": [{
        "from": from, "id": format!("wamid.{kind}.{to}"), "timestamp": AT.to_string(), "type": "system",
        "system": { "type": kind, field: to, "body": "changed" },
    }] }))
}

#[tokio::test]
async fn a_new_number_is_the_same_contacts_unless_it_is_somebodys() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    world
        .customer_writes(&shop, CUSTOMER, "wamid.1", "Hi")
        .await;
    world
        .customer_writes(&shop, "5511222222222", "wamid.2", "Hi")
        .await;
    let before = world.get("/v1/messages").await;
    for (kind, field, to) in [
        ("user_changed_number", "wa_id", "5511333333333"),
        ("customer_changed_number", "new_wa_id", "5511444444444"),
        ("user_changed_number", "wa_id", "5511222222222"),
        ("user_identity_changed", "wa_id", "5511555555555"),
        ("customer_identity_changed", "wa_id", "5511666666666"),
    ] {
        let payload = number_changed(kind, CUSTOMER, field, to);
        world.from_meta(&shop, &payload).await.expect(200);
        world.from_meta(&shop, &payload).await.expect(200);
    }
    let payload = number_changed(
        "user_changed_number",
        "5511000000000",
        "wa_id",
        "5511777777777",
    );
    world.from_meta(&shop, &payload).await.expect(200);
    assert_eq!(world.get("/v1/messages").await, before, "it is no message");
    let ada = found(&world, "5511333333333").await.remove(0);
    assert_eq!(
        values(&show(&world, &ada).await),
        ["5511333333333", "5511444444444", CUSTOMER]
    );
    assert_eq!(
        world.get("/v1/contacts").await["data"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    world.advance(1_000);
    world
        .customer_writes(&shop, "5511333333333", "wamid.3", "It is me")
        .await;
    let latest = &world.get("/v1/conversations").await["data"][0];
    assert_eq!(
        (&latest["contact"]["id"], &latest["contact"]["address"]),
        (&json!(ada), &json!("5511333333333"))
    );
}

/// A text by somebody whom WhatsApp names by a number, by an id of its own, or by both.
fn text_by(number: Option<&str>, user_id: Option<&str>, id: &str) -> Value {
    let mut payload = whatsapp_text(number.unwrap_or(""), id, "Hi", AT);
    let value = &mut payload["entry"][0]["changes"][0]["value"];
    value["messages"][0]["from_user_id"] = json!(user_id);
    value["contacts"] =
        json!([{ "wa_id": number, "user_id": user_id, "profile": { "name": "Ada" } }]);
    payload
}

#[tokio::test]
async fn who_hid_the_number_and_shows_it_later_is_the_same_contact() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let user = "BR.13491208655302741918";
    for (number, user_id, id) in [
        (None, Some(user), "wamid.1"),
        (Some(CUSTOMER), Some(user), "wamid.2"),
        (Some(CUSTOMER), None, "wamid.3"),
        (None, Some(user), "wamid.4"),
    ] {
        let payload = text_by(number, user_id, id);
        world.from_meta(&shop, &payload).await.expect(200);
    }
    let contacts = world.get("/v1/contacts").await;
    assert_eq!(contacts["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(values(&contacts["data"][0]), [CUSTOMER, user]);
}

#[tokio::test]
async fn two_contacts_that_turn_out_to_be_one_stay_two_until_they_are_merged() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let user = "BR.13491208655302741918";
    for (number, user_id, id) in [
        (None, Some(user), "wamid.1"),
        (Some(CUSTOMER), None, "wamid.2"),
        (Some(CUSTOMER), Some(user), "wamid.3"),
    ] {
        let payload = text_by(number, user_id, id);
        world.from_meta(&shop, &payload).await.expect(200);
    }
    let (hidden, shown) = (found(&world, user).await, found(&world, CUSTOMER).await);
    assert_ne!(hidden, shown);
    let of = world.get("/v1/messages").await;
    let third = of["data"].as_array().expect("a page").iter();
    let third = third
        .filter(|message| message["providerMessageId"] == "wamid.3")
        .collect::<Vec<_>>();
    assert_eq!(third[0]["contactId"], shown[0]);
    merge(&world, &hidden[0], &shown[0]).await.expect(200);
    world
        .from_meta(&shop, &text_by(Some(CUSTOMER), Some(user), "wamid.4"))
        .await
        .expect(200);
    assert_eq!(
        world.get("/v1/contacts").await["data"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
}

#[tokio::test]
async fn who_has_another_id_or_shows_the_number_is_the_same_contact() {
    let world = World::new().await;
    let shop = world.whatsapp().await;
    let (old, new) = ("BR.13491208655302741918", "BR.24810000000000000001");
    let by_old = text_by(None, Some(old), "wamid.1");
    world.from_meta(&shop, &by_old).await.expect(200);
    let mut renamed = whatsapp_value(json!({ "user_id_update": [
        { "user_id": { "previous": old, "current": new }, "timestamp": AT.to_string() },
        // Once more, and also by a number that nobody has.
        { "wa_id": "5511888880000", "user_id": { "previous": old, "current": new } },
    ] }));
    renamed["entry"][0]["changes"][0]["field"] = json!("user_id_update");
    for _ in 0..2 {
        world.from_meta(&shop, &renamed).await.expect(200);
    }
    let mut shown = text_by(None, Some(new), "wamid.2");
    // Behind another message of the same webhook.
    let messages = &mut shown["entry"][0]["changes"][0]["value"]["messages"];
    let mut card = messages[0].clone();
    card["id"] = json!("wamid.2b");
    card["type"] = json!("contacts");
    card["contacts"] = json!([{ "origin": "contact_request", "name": { "formatted_name": "Ada" },
        "phones": [{ "phone": "+55 11 99999-0000", "wa_id": CUSTOMER }] }]);
    messages.as_array_mut().expect("messages").push(card);
    world.from_meta(&shop, &shown).await.expect(200);
    world
        .customer_writes(&shop, CUSTOMER, "wamid.3", "It is me")
        .await;
    let contacts = world.get("/v1/contacts").await;
    let contacts = contacts["data"].as_array().expect("a list");
    assert_eq!(contacts.len(), 1, "{contacts:?}");
    assert_eq!(values(&contacts[0]), [CUSTOMER, old, new]);
}
