//! Sending every kind of content: what is asked of the provider, what is refused and where,
//! what becomes several messages, and what `validate` says beforehand.

use crate::support::outgoing::{id, pointer};
use crate::support::world::{CUSTOMER, instagram_text, messenger_text};
use crate::support::{Answer, World};
use http::Method;
use serde_json::{Value, json};

const PERSON: &str = "6543217890123456";

/// A world in which somebody has just written on the channel; its id, and who wrote.
async fn open(kind: &str) -> (World, String, &'static str) {
    let world = World::new().await;
    let at = world.ports().now_ms.get();
    let (channel, who) = match kind {
        "whatsapp" => (world.open_whatsapp().await, CUSTOMER),
        "messenger" => {
            let channel = world.messenger().await;
            let hello = messenger_text(PERSON, "m_in", "Hi", at);
            world.from_meta(&channel, &hello).await.expect(200);
            (channel, PERSON)
        }
        "instagram" => {
            let channel = world.instagram().await;
            let hello = instagram_text(PERSON, "m_in", "Hi", at);
            world.from_meta(&channel, &hello).await.expect(200);
            (channel, PERSON)
        }
        "telegram" => {
            let channel = world.telegram().await;
            let hello = json!({ "update_id": 1, "message": {
                "message_id": 42, "date": at / 1_000, "chat": { "id": 77, "type": "private" },
                "from": { "id": 77, "is_bot": false, "first_name": "Ada" }, "text": "Hi",
            } });
            world.from_telegram(&channel, &hello).await.expect(200);
            (channel, "77")
        }
        _ => (world.sms().await, "+15550177777"),
    };
    world.drain().await;
    (world, channel, who)
}

fn body(channel: &str, who: &str, content: Value) -> Value {
    json!({ "from": channel, "to": who, "content": content })
}

/// The path's last part and the body of every request to a provider, oldest first.
fn sent(world: &World, host: &str) -> Vec<(String, Value)> {
    world
        .posts_to(host)
        .iter()
        .map(|request| {
            let path = request.uri().path();
            let last = path.rsplit('/').next().unwrap_or("").to_owned();
            (last, serde_json::from_slice(request.body()).expect("JSON"))
        })
        .collect()
}

/// The customer's own message.
async fn first_inbound(world: &World) -> String {
    let messages = world.get("/v1/messages").await;
    let all = messages["data"].as_array().expect("messages").clone();
    let inbound = all.iter().find(|it| it["direction"] == "inbound");
    id(inbound.expect("an inbound message"))
}

#[tokio::test]
async fn a_content_goes_out_as_its_provider_has_it_and_is_shown_as_it_was_given() {
    let (world, channel, who) = open("whatsapp").await;
    let content = json!({
        "type": "interactive", "kind": "buttons", "header": { "type": "text", "text": "Order 42" },
        "body": "Is it right?", "buttons": [{ "id": "yes", "title": "Yes" }],
    });
    let accepted = world
        .post("/v1/messages", body(&channel, who, content.clone()))
        .await
        .expect(202);
    assert_eq!(accepted["content"], content);
    assert_eq!(accepted["adapted"], Value::Null);
    world.drain().await;
    let requests = sent(&world, "graph.test");
    let [(path, request)] = requests.as_slice() else {
        panic!("one request: {requests:?}")
    };
    assert_eq!(path, "messages");
    assert_eq!(
        request["interactive"]["action"]["buttons"][0]["reply"]["id"],
        "yes"
    );
    let shown = world.get(&format!("/v1/messages/{}", id(&accepted))).await;
    assert_eq!(
        (&shown["status"], &shown["content"]),
        (&json!("sent"), &content)
    );
}

#[tokio::test]
async fn fields_that_a_content_does_not_have_are_left_out() {
    let (world, channel, who) = open("whatsapp").await;
    world.sends_unknown_fields.set(true);
    let content = json!({
        "type": "location", "latitude": 1, "longitude": 2.5, "altitude": 7, "name": null,
    });
    let accepted = world
        .post("/v1/messages", body(&channel, who, content))
        .await
        .expect(202);
    let expected = json!({ "type": "location", "latitude": 1.0, "longitude": 2.5 });
    assert_eq!(accepted["content"], expected);
}

#[tokio::test]
async fn a_caption_that_the_file_cannot_carry_follows_it_in_order() {
    let (world, channel, who) = open("messenger").await;
    let content =
        json!({ "type": "image", "url": "https://shop.example/a.png", "caption": "Your shirt" });
    let request = json!({
        "from": channel, "to": who, "content": content, "metadata": { "order": 42 },
        "clientMessageId": "own-1",
    });
    let accepted = world
        .post("/v1/messages", request.clone())
        .await
        .expect(202);
    let parts = accepted["adapted"]["parts"]
        .as_array()
        .expect("parts")
        .clone();
    assert_eq!(parts.len(), 2);
    assert_eq!(parts[0], accepted["id"]);
    let changes = &accepted["adapted"]["changes"];
    assert_eq!(changes[0]["pointer"], "/content/caption");
    assert_eq!(
        accepted["content"],
        json!({ "type": "image", "url": "https://shop.example/a.png" })
    );
    world.drain().await;
    let requests = sent(&world, "graph.test");
    let said: Vec<&Value> = requests.iter().map(|(_, body)| &body["message"]).collect();
    assert_eq!(
        said,
        [
            &json!({ "attachment": { "type": "image", "payload": { "url": "https://shop.example/a.png" } } }),
            &json!({ "text": "Your shirt" }),
        ]
    );
    for part in &parts {
        let shown = world
            .get(&format!("/v1/messages/{}", part.as_str().expect("an id")))
            .await;
        assert_eq!(shown["status"], "sent");
        assert_eq!(shown["adapted"], accepted["adapted"]);
        assert_eq!(shown["metadata"], json!({ "order": 42 }));
    }
    // Lists have them in the order in which they were sent.
    let path = format!(
        "/v1/conversations/{}/messages?limit=2",
        accepted["conversationId"].as_str().expect("an id")
    );
    let newest = world.get(&path).await;
    assert_eq!(newest["data"][0]["id"], parts[1]);
    assert_eq!(newest["data"][1]["id"], parts[0]);
    // The same request again makes nothing and answers the same.
    let again = world.post("/v1/messages", request).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.body["adapted"], accepted["adapted"]);
    world.drain().await;
    assert_eq!(sent(&world, "graph.test").len(), 2);
    // What comes next comes behind both.
    let next = body(
        &channel,
        who,
        json!({ "type": "text", "text": "Anything else?" }),
    );
    world.post("/v1/messages", next).await.expect(202);
    world.drain().await;
    let requests = sent(&world, "graph.test");
    assert_eq!(requests[2].1["message"]["text"], "Anything else?");
}

#[tokio::test]
async fn parts_to_somebody_new_make_one_conversation_and_survive_a_batch_that_runs_twice() {
    let world = World::new().await;
    let channel = world.telegram().await;
    world
        .database()
        .faults
        .borrow_mut()
        .push(crate::support::Fault::After);
    let contacts = json!({ "type": "contacts", "contacts": [
        { "name": { "formattedName": "Ada" }, "phones": [{ "phone": "+15550100001" }] },
        { "name": { "formattedName": "Bob" }, "phones": [{ "phone": "+15550100002" }] },
        { "name": { "formattedName": "Cy" }, "phones": [{ "phone": "+15550100003" }] },
    ] });
    let accepted = world
        .post("/v1/messages", body(&channel, "5551", contacts))
        .await
        .expect(202);
    world.drain().await;
    let names: Vec<Value> = sent(&world, "telegram.test")
        .into_iter()
        .map(|(method, body)| {
            assert_eq!(method, "sendContact");
            body["first_name"].clone()
        })
        .collect();
    assert_eq!(names, ["Ada", "Bob", "Cy"]);
    let conversations = world.get("/v1/conversations").await;
    assert_eq!(conversations["data"].as_array().map(Vec::len), Some(1));
    let messages = world.get("/v1/messages").await;
    assert_eq!(messages["data"].as_array().map(Vec::len), Some(3));
    assert_eq!(
        accepted["adapted"]["parts"].as_array().map(Vec::len),
        Some(3)
    );
}

#[tokio::test]
async fn what_is_behind_a_part_that_failed_fails_with_it_and_holds_up_nothing() {
    let (world, channel, who) = open("messenger").await;
    world
        .subscribe("https://hooks.example.com/patchbay", &["message.failed"])
        .await;
    let refusal = json!({ "error": { "code": 100, "message": "no such picture" } });
    world
        .ports()
        .from_provider
        .borrow_mut()
        .push_back(Answer::Http(400, refusal));
    let content = json!({ "type": "image", "url": "https://shop.example/a.png", "caption": "Hi" });
    let accepted = world
        .post("/v1/messages", body(&channel, who, content))
        .await
        .expect(202);
    let next = body(&channel, who, json!({ "type": "text", "text": "Next" }));
    let next = world.post("/v1/messages", next).await.expect(202);
    world.drain().await;
    for part in accepted["adapted"]["parts"].as_array().expect("parts") {
        let path = format!("/v1/messages/{}", part.as_str().expect("an id"));
        let shown = world.get(&path).await;
        assert_eq!(shown["status"], "failed", "{shown}");
        assert_eq!(shown["error"]["code"], "provider_rejected");
    }
    let shown = world.get(&format!("/v1/messages/{}", id(&next))).await;
    assert_eq!(shown["status"], "sent");
    let said: Vec<Value> = sent(&world, "graph.test")
        .into_iter()
        .map(|(_, body)| body["message"]["text"].clone())
        .collect();
    assert_eq!(
        said,
        [Value::Null, json!("Next")],
        "no caption without its picture"
    );
    assert_eq!(
        world.posts_to("hooks.example.com").len(),
        2,
        "both are told of"
    );
}

#[tokio::test]
async fn a_reaction_is_put_to_the_message_it_names_and_taken_back() {
    for (kind, host, react, unreact) in [
        (
            "whatsapp",
            "graph.test",
            json!({ "message_id": "wamid.in", "emoji": "👍" }),
            json!({ "message_id": "wamid.in", "emoji": "" }),
        ),
        (
            "messenger",
            "graph.test",
            json!({ "message_id": "m_in", "reaction": "like" }),
            json!({ "message_id": "m_in" }),
        ),
        (
            "telegram",
            "telegram.test",
            json!([{ "type": "emoji", "emoji": "👍" }]),
            json!([]),
        ),
    ] {
        let (world, channel, who) = open(kind).await;
        let target = first_inbound(&world).await;
        for emoji in ["👍", ""] {
            let content = json!({ "type": "reaction", "messageId": target, "emoji": emoji });
            let accepted = world
                .post("/v1/messages", body(&channel, who, content))
                .await
                .expect(202);
            assert_eq!(accepted["replyTo"], Value::Null, "it answers nothing");
        }
        world.drain().await;
        let given: Vec<Value> = sent(&world, host)
            .into_iter()
            .map(|(_, body)| {
                let at = ["reaction", "payload"];
                at.iter()
                    .find_map(|name| body.get(*name).cloned())
                    .expect("a reaction")
            })
            .collect();
        assert_eq!(given, [react, unreact], "{kind}");
    }
}

#[tokio::test]
async fn a_mark_and_a_sign_of_typing_name_the_customers_last_message_where_they_must() {
    let (world, channel, who) = open("whatsapp").await;
    world.say(who, "An answer that is not theirs").await;
    for content in [json!({ "type": "markSeen" }), json!({ "type": "typing" })] {
        world.advance(1);
        world
            .post("/v1/messages", body(&channel, who, content))
            .await
            .expect(202);
    }
    let done = json!({ "success": true });
    let accepted = json!({ "messages": [{ "id": "wamid.text" }] });
    world.ports().answers.borrow_mut().extend([
        Answer::Http(200, accepted),
        Answer::Http(200, done.clone()),
        Answer::Http(200, done),
    ]);
    world.drain().await;
    let requests = sent(&world, "graph.test");
    assert_eq!(
        requests[1].1,
        json!({ "messaging_product": "whatsapp", "status": "read", "message_id": "wamid.in" })
    );
    assert_eq!(requests[2].1["typing_indicator"], json!({ "type": "text" }));
    let newest = world.get("/v1/messages?limit=2").await;
    for message in newest["data"].as_array().expect("messages") {
        assert_eq!(message["status"], "sent", "{message}");
        assert_eq!(message["providerMessageId"], Value::Null);
    }
}

#[tokio::test]
async fn a_mark_without_a_message_to_mark_is_refused() {
    let world = World::new().await;
    let channel = world.unenforced_whatsapp().await;
    world.say(CUSTOMER, "Hello").await;
    let before = world.database().dump();
    for kind in ["markSeen", "typing"] {
        for who in [CUSTOMER, "5511900000000"] {
            let content = body(&channel, who, json!({ "type": kind }));
            let reply = world.post("/v1/messages", content).await;
            let problem = reply.expect(422);
            assert_eq!(problem["code"], "invalid_request");
            assert_eq!(pointer(&problem), "/content/messageId");
        }
    }
    assert_eq!(world.database().dump(), before);
}

#[tokio::test]
async fn a_message_of_another_conversation_cannot_be_marked() {
    let (world, channel, who) = open("whatsapp").await;
    world
        .customer_writes(&channel, "5511911111111", "wamid.other", "Hello")
        .await;
    let other = first_inbound(&world).await;
    for content in [
        json!({ "type": "reaction", "messageId": other, "emoji": "👍" }),
        json!({ "type": "markSeen", "messageId": other }),
    ] {
        let reply = world
            .post("/v1/messages", body(&channel, who, content))
            .await;
        let problem = reply.expect(422);
        assert_eq!(pointer(&problem), "/content/messageId");
    }
}

#[tokio::test]
async fn a_mark_may_be_made_after_the_window_and_a_reaction_may_not() {
    let (world, channel, who) = open("whatsapp").await;
    let target = first_inbound(&world).await;
    world.advance(25 * 3_600_000);
    let mark = json!({ "type": "markSeen", "messageId": target });
    world
        .post("/v1/messages", body(&channel, who, mark))
        .await
        .expect(202);
    let reaction = json!({ "type": "reaction", "messageId": target, "emoji": "👍" });
    let reply = world
        .post("/v1/messages", body(&channel, who, reaction))
        .await;
    assert_eq!(reply.expect(422)["code"], "window_closed");
}

#[tokio::test]
async fn a_sign_answers_nothing_and_sms_names_no_other_message() {
    let (world, channel, who) = open("whatsapp").await;
    let target = first_inbound(&world).await;
    let mut request = body(&channel, who, json!({ "type": "typing" }));
    request["replyTo"] = json!(target);
    let problem = world.post("/v1/messages", request).await.expect(422);
    assert_eq!(
        (pointer(&problem), &problem["code"]),
        ("/replyTo", &json!("invalid_request"))
    );

    let (world, channel, who) = open("sms").await;
    let first = body(&channel, who, json!({ "type": "text", "text": "Hi" }));
    let first = world.post("/v1/messages", first).await.expect(202);
    let mut request = body(&channel, who, json!({ "type": "text", "text": "And" }));
    request["replyTo"] = first["id"].clone();
    let problem = world.post("/v1/messages", request).await.expect(422);
    assert_eq!(
        (pointer(&problem), &problem["code"]),
        ("/replyTo", &json!("unsupported_content"))
    );
}

#[tokio::test]
async fn what_a_channel_does_not_carry_is_refused_by_name_before_anything_is_stored() {
    for (kind, content, at) in [
        (
            "sms",
            json!({ "type": "location", "latitude": 1, "longitude": 2 }),
            "/content/type",
        ),
        ("sms", json!({ "type": "typing" }), "/content/type"),
        (
            "telegram",
            json!({ "type": "paymentRequest", "bodyText": "Pay", "referenceId": "1", "paymentMethod": "boleto",
              "boleto": { "digitableLine": "1" }, "totalAmountCents": 1 }),
            "/content/type",
        ),
        (
            "messenger",
            json!({ "type": "sticker", "url": "https://shop.example/a.webp" }),
            "/content/type",
        ),
        (
            "messenger",
            json!({ "type": "interactive", "kind": "locationRequest", "body": "Where?" }),
            "/content/kind",
        ),
        (
            "messenger",
            json!({ "type": "interactive", "kind": "buttons", "header": "Hi", "body": "?",
              "buttons": [{ "id": "a", "title": "A" }] }),
            "/content/header",
        ),
        (
            "whatsapp",
            json!({ "type": "interactive", "kind": "buttons", "body": "?",
              "buttons": [{ "title": "A", "url": "https://shop.example" }] }),
            "/content/buttons",
        ),
        (
            "whatsapp",
            json!({ "type": "cards", "cards": [{ "title": "A" }] }),
            "/content/type",
        ),
        (
            "whatsapp",
            json!({ "type": "typing", "off": true }),
            "/content/off",
        ),
        (
            "whatsapp",
            json!({ "type": "sticker", "url": "like_heart" }),
            "/content/url",
        ),
    ] {
        let (world, channel, who) = open(kind).await;
        let before = world.database().dump();
        let reply = world
            .post("/v1/messages", body(&channel, who, content.clone()))
            .await;
        let problem = reply.expect(422);
        assert_eq!(
            (problem["code"].as_str(), pointer(&problem)),
            (Some("unsupported_content"), at),
            "{kind} {content}"
        );
        assert_eq!(world.database().dump(), before);
        let check = world
            .post("/v1/messages/validate", body(&channel, who, content))
            .await
            .expect(200);
        assert_eq!(check["valid"], false);
        assert_eq!(check["problems"][0]["code"], "unsupported_content");
        assert_eq!(check["problems"][0]["pointer"], at);
        assert!(world.requests_to("graph.test").is_empty());
    }
}

/// A content with one field replaced, or removed.
fn with(content: &Value, at: &str, value: Option<Value>) -> Value {
    let mut content = content.clone();
    let (parent, field) = at.rsplit_once('/').expect("a pointer");
    let parent = content.pointer_mut(parent).expect("a parent");
    match (parent, value) {
        (Value::Array(items), Some(value)) => {
            items[field.parse::<usize>().expect("an index")] = value;
        }
        (parent, Some(value)) => parent[field] = value,
        (parent, None) => {
            parent.as_object_mut().expect("an object").remove(field);
        }
    }
    content
}

#[tokio::test]
async fn whatever_is_wrong_with_a_content_is_pointed_at() {
    let (world, channel, who) = open("whatsapp").await;
    let before = world.database().dump();
    let image = json!({ "type": "image", "url": "https://shop.example/a.png", "caption": "Hi" });
    let place = json!({ "type": "location", "latitude": 1.5, "longitude": 2.5 });
    let cards = json!({ "type": "contacts", "contacts": [
        { "name": { "formattedName": "Ada" }, "phones": [{ "phone": "+15550100001" }], "emails": ["a@b.example"] },
    ] });
    let buttons = json!({ "type": "interactive", "kind": "buttons", "header": "Top", "body": "?", "footer": "End",
        "buttons": [{ "id": "a", "title": "A" }, { "id": "b", "title": "B" }] });
    let list = json!({ "type": "interactive", "kind": "list", "body": "?", "list": { "button": "Open", "sections": [
        { "title": "One", "rows": [{ "id": "a", "title": "A", "description": "d" }] },
        { "title": "Two", "rows": [{ "id": "b", "title": "B" }] },
    ] } });
    let page = json!({ "type": "interactive", "kind": "ctaUrl", "body": "?",
        "ctaUrl": { "text": "Open", "url": "https://shop.example" } });
    let pay = json!({ "type": "paymentRequest", "bodyText": "Pay", "referenceId": "o-1", "paymentMethod": "pix",
        "pix": { "code": "000201", "merchantName": "Shop", "key": "1", "keyType": "CPF" },
        "currency": "BRL", "totalAmountCents": 300, "offset": 100,
        "items": [{ "retailerId": "1", "name": "Sock", "amountCents": 100, "quantity": 2 }],
        "tax": { "valueCents": 100 }, "subtotalCents": 200 });
    let order = json!({ "type": "orderStatus", "bodyText": "Sent", "referenceId": "o-1", "status": "shipped" });
    let many = |count: usize| -> Value {
        (0..count)
            .map(|at| json!({ "id": at.to_string(), "title": "A" }))
            .collect()
    };
    let x = |count: usize| Some(json!("x".repeat(count)));
    let cases: Vec<(&Value, &str, Option<Value>, &str)> = vec![
        (&image, "/url", None, "/url"),
        (&image, "/url", Some(json!(7)), "/url"),
        (&image, "/url", Some(json!("")), "/url"),
        (&image, "/url", Some(json!("a.png")), "/url"),
        (
            &image,
            "/url",
            Some(json!("ftp://shop.example/a.png")),
            "/url",
        ),
        (
            &image,
            "/url",
            Some(json!("https://user:word@shop.example/a.png")),
            "/url",
        ),
        (
            &image,
            "/url",
            Some(json!("https://shop.example/a b.png")),
            "/url",
        ),
        (
            &image,
            "/url",
            Some(json!(format!("https://shop.example/{}", "a".repeat(2_048)))),
            "/url",
        ),
        (&image, "/caption", Some(json!(" ")), "/caption"),
        (&image, "/caption", x(1_025), "/caption"),
        (&image, "/mimeType", Some(json!("image/gif")), "/mimeType"),
        (&image, "/mimeType", Some(json!("video/mp4")), "/mimeType"),
        (&place, "/latitude", None, "/latitude"),
        (&place, "/latitude", Some(json!("1.5")), "/latitude"),
        (&place, "/latitude", Some(json!(90.1)), "/latitude"),
        (&place, "/longitude", Some(json!(-180.1)), "/longitude"),
        (&place, "/name", Some(json!("")), "/name"),
        (&cards, "/contacts", None, "/contacts"),
        (&cards, "/contacts", Some(json!([])), "/contacts"),
        (&cards, "/contacts/0/name", None, "/contacts/0/name"),
        (
            &cards,
            "/contacts/0/name/formattedName",
            Some(json!("")),
            "/contacts/0/name/formattedName",
        ),
        (
            &cards,
            "/contacts/0/phones",
            Some(json!([])),
            "/contacts/0/phones",
        ),
        (
            &cards,
            "/contacts/0/phones/0/phone",
            Some(json!(5)),
            "/contacts/0/phones/0/phone",
        ),
        (
            &cards,
            "/contacts/0/emails/0",
            Some(json!(5)),
            "/contacts/0/emails/0",
        ),
        (&buttons, "/kind", None, "/kind"),
        (&buttons, "/kind", Some(json!("poll")), "/kind"),
        (&buttons, "/header", x(61), "/header"),
        (
            &buttons,
            "/header",
            Some(json!({ "type": "image" })),
            "/header/url",
        ),
        (
            &buttons,
            "/header",
            Some(json!({ "type": "image", "url": "x" })),
            "/header/url",
        ),
        (
            &buttons,
            "/header",
            Some(json!({ "type": "audio", "url": "https://a.example" })),
            "/header",
        ),
        (&buttons, "/body", None, "/body"),
        (&buttons, "/body", Some(json!("")), "/body"),
        (&buttons, "/body", x(1_025), "/body"),
        (&buttons, "/footer", x(61), "/footer"),
        (&buttons, "/buttons", None, "/buttons"),
        (&buttons, "/buttons", Some(json!([])), "/buttons"),
        (&buttons, "/buttons", Some(many(4)), "/buttons"),
        (&buttons, "/buttons/0/id", None, "/buttons/0/id"),
        (&buttons, "/buttons/0/id", x(257), "/buttons/0/id"),
        (&buttons, "/buttons/1/id", Some(json!("a")), "/buttons/1/id"),
        (&buttons, "/buttons/0/title", x(21), "/buttons/0/title"),
        (
            &buttons,
            "/buttons/0/title",
            Some(json!(" ")),
            "/buttons/0/title",
        ),
        (&list, "/list", None, "/list"),
        (&list, "/list/button", x(21), "/list/button"),
        (&list, "/list/sections", Some(json!([])), "/list/sections"),
        (
            &list,
            "/list/sections/0/rows",
            Some(json!([])),
            "/list/sections/0/rows",
        ),
        (
            &list,
            "/list/sections/0/rows",
            Some(many(10)),
            "/list/sections",
        ),
        (
            &list,
            "/list/sections/1/title",
            None,
            "/list/sections/1/title",
        ),
        (
            &list,
            "/list/sections/0/title",
            x(25),
            "/list/sections/0/title",
        ),
        (
            &list,
            "/list/sections/0/rows/0/title",
            x(25),
            "/list/sections/0/rows/0/title",
        ),
        (
            &list,
            "/list/sections/0/rows/0/description",
            x(73),
            "/list/sections/0/rows/0/description",
        ),
        (
            &list,
            "/list/sections/0/rows/0/id",
            x(201),
            "/list/sections/0/rows/0/id",
        ),
        (
            &list,
            "/list/sections/1/rows/0/id",
            Some(json!("a")),
            "/list/sections/1/rows/0/id",
        ),
        (&page, "/ctaUrl", None, "/ctaUrl"),
        (&page, "/ctaUrl/text", x(21), "/ctaUrl/text"),
        (&page, "/ctaUrl/url", Some(json!("shop")), "/ctaUrl/url"),
        (
            &pay,
            "/paymentMethod",
            Some(json!("cash")),
            "/paymentMethod",
        ),
        (&pay, "/paymentMethod", Some(json!("boleto")), "/boleto"),
        (&pay, "/pix", None, "/pix"),
        (&pay, "/pix/keyType", Some(json!("IBAN")), "/pix/keyType"),
        (&pay, "/pix/code", Some(json!("")), "/pix/code"),
        (&pay, "/currency", Some(json!("EUR")), "/currency"),
        (&pay, "/offset", Some(json!(1)), "/offset"),
        (
            &pay,
            "/totalAmountCents",
            Some(json!(301)),
            "/totalAmountCents",
        ),
        (
            &pay,
            "/totalAmountCents",
            Some(json!(0)),
            "/totalAmountCents",
        ),
        (
            &pay,
            "/totalAmountCents",
            Some(json!(3.5)),
            "/totalAmountCents",
        ),
        (
            &pay,
            "/totalAmountCents",
            Some(json!(i64::MAX)),
            "/totalAmountCents",
        ),
        (
            &pay,
            "/items/0/quantity",
            Some(json!(0)),
            "/items/0/quantity",
        ),
        (
            &pay,
            "/items/0/amountCents",
            Some(json!(i64::MAX)),
            "/items/0/amountCents",
        ),
        (&pay, "/subtotalCents", Some(json!(199)), "/subtotalCents"),
        (&pay, "/referenceId", x(36), "/referenceId"),
        (&pay, "/referenceId", Some(json!("order 1")), "/referenceId"),
        (&order, "/status", Some(json!("lost")), "/status"),
        (&order, "/bodyText", None, "/bodyText"),
    ];
    for (content, at, value, expected) in cases {
        let content = with(content, at, value);
        let reply = world
            .post("/v1/messages", body(&channel, who, content.clone()))
            .await;
        let told = (reply.status, pointer(&reply.body).to_owned());
        assert_eq!(told, (422, format!("/content{expected}")), "{content}");
        assert_eq!(reply.body["code"], "invalid_request", "{content}");
    }
    for content in [&image, &place, &cards, &buttons, &list, &page, &pay, &order] {
        let check = world
            .post(
                "/v1/messages/validate",
                body(&channel, who, content.clone()),
            )
            .await
            .expect(200);
        assert_eq!(check, json!({ "valid": true, "problems": [] }), "{content}");
    }
    assert_eq!(world.database().dump(), before, "nothing is written");
}

#[tokio::test]
async fn a_message_sent_before_the_answer_tells_of_its_first_part_and_the_rest_follows() {
    let (world, _, who) = open("instagram").await;
    let content = json!({ "imageUrl": "https://shop.example/a.png", "text": "Your shirt" });
    let request = json!({ "from": "the.shop", "to": who, "content": content });
    let answer = world
        .post("/v1/communication/instagram/message", request)
        .await
        .expect(200);
    assert_eq!(answer["status"], "sent");
    assert_eq!(sent(&world, "instagram.test").len(), 1);
    world.drain().await;
    let requests = sent(&world, "instagram.test");
    assert_eq!(requests[1].1["message"]["text"], "Your shirt");
}

#[tokio::test]
async fn validate_tells_what_a_send_would_and_does_none_of_it() {
    let (world, channel, who) = open("messenger").await;
    let before = world.database().dump();
    let content =
        json!({ "type": "video", "url": "https://shop.example/a.mp4", "caption": "Look" });
    let check = world
        .post("/v1/messages/validate", body(&channel, who, content))
        .await
        .expect(200);
    assert_eq!(check["valid"], true);
    assert_eq!(
        check["adapted"]["parts"],
        json!([
            { "type": "video", "url": "https://shop.example/a.mp4" }, { "type": "text", "text": "Look" },
        ])
    );
    let problems = async |request: Value| {
        let check = world
            .post("/v1/messages/validate", request)
            .await
            .expect(200);
        assert_eq!(check["valid"], false);
        let all = check["problems"].as_array().expect("problems").clone();
        all.iter()
            .map(|it| {
                let word = |name: &str| it[name].as_str().unwrap_or("").to_owned();
                (word("code"), word("pointer"))
            })
            .collect::<Vec<_>>()
    };
    let told = |all: &[(&str, &str)]| -> Vec<(String, String)> {
        all.iter()
            .map(|(code, at)| ((*code).to_owned(), (*at).to_owned()))
            .collect()
    };
    let text = json!({ "type": "text", "text": "Hi" });
    assert_eq!(
        problems(json!({ "to": who })).await,
        told(&[("invalid_request", "/content")])
    );
    assert_eq!(
        problems(body("+1", who, text.clone())).await,
        told(&[("invalid_request", "/from")])
    );
    assert_eq!(
        problems(body(&channel, "nobody", text.clone())).await,
        told(&[("invalid_request", "/to")])
    );
    // Somebody who never wrote, and a text that is too long: both are told.
    let long = json!({ "type": "text", "text": "x".repeat(2_001) });
    assert_eq!(
        problems(body(&channel, "77", long)).await,
        told(&[("invalid_request", "/content/text"), ("window_closed", "")])
    );
    world.advance(25 * 3_600_000);
    assert_eq!(
        problems(body(&channel, who, text.clone())).await,
        told(&[("window_closed", "")])
    );
    assert_eq!(world.database().dump(), before);
    assert!(world.ports().requests.borrow().is_empty());
    world
        .patch_channel(&channel, json!({ "status": "disabled" }))
        .await;
    assert_eq!(
        problems(body(&channel, who, text)).await,
        told(&[("channel_unavailable", "")])
    );
}

#[tokio::test]
async fn the_segments_of_an_sms_are_counted_before_and_after() {
    let (world, channel, who) = open("sms").await;
    for (text, encoding, count) in [
        ("Hello".to_owned(), "GSM-7", 1),
        ("x".repeat(161), "GSM-7", 2),
        ("ção ".repeat(20), "UCS-2", 2),
    ] {
        let content = json!({ "type": "text", "text": text });
        let check = world
            .post("/v1/messages/validate", body(&channel, who, content))
            .await
            .expect(200);
        let counted = json!({ "encoding": encoding, "count": count });
        assert_eq!(check["segments"], counted);
        let content = json!({ "type": "text", "text": text });
        let sent = world
            .post("/v1/messages", body(&channel, who, content))
            .await
            .expect(202);
        assert_eq!(sent["segments"], counted);
    }
}

#[tokio::test]
async fn validate_needs_a_key_that_may_send() {
    let (world, channel, who) = open("sms").await;
    let request = body(&channel, who, json!({ "type": "text", "text": "Hi" }));
    let path = "/v1/messages/validate";
    let headers = [("authorization", "Bearer pb_live_nothing")];
    let reply = world
        .call_with(Method::POST, path, &headers, request.clone())
        .await;
    assert_eq!(reply.expect(401)["code"], "invalid_api_key");
    let reader = json!({ "name": "reader", "scopes": ["messaging:messages:read"] });
    let reader = world.post("/v1/api-keys", reader).await.expect(201);
    let bearer = format!("Bearer {}", reader["key"].as_str().expect("a key"));
    let headers = [("authorization", bearer.as_str())];
    let reply = world.call_with(Method::POST, path, &headers, request).await;
    assert_eq!(reply.expect(403)["code"], "missing_scope");
}

#[tokio::test]
async fn capabilities_are_published_to_anybody_by_the_table_that_refuses() {
    let world = World::new().await;
    let reply = world.bare(Method::GET, "/v1/capabilities", &[], "").await;
    let listed = reply.expect(200);
    assert_eq!(listed["nextCursor"], Value::Null);
    let of = |kind: &str| {
        let all = listed["data"].as_array().expect("a list");
        all.iter()
            .find(|it| it["type"] == kind)
            .expect("a channel")
            .clone()
    };
    let whatsapp = of("whatsapp");
    assert_eq!(
        whatsapp["window"],
        json!({ "hours": 24, "humanHours": 24, "always": ["template", "markSeen"] })
    );
    assert_eq!(
        whatsapp["content"]["interactive.buttons"]["buttons"],
        json!({ "max": 3, "unit": "items" })
    );
    let instagram = of("instagram");
    assert_eq!(
        instagram["content"]["text"]["text"],
        json!({ "max": 1000, "unit": "bytes" })
    );
    assert_eq!(instagram["window"]["humanHours"], 168);
    assert_eq!(
        instagram["content"]["image"]["caption"],
        json!({ "carried": "asOwnMessage" })
    );
    assert_eq!(of("sms")["window"]["hours"], Value::Null);
    assert_eq!(of("sms")["content"]["location"], Value::Null);
    assert_eq!(
        of("telegram")["content"]["interactive.buttons"]["header"],
        json!({ "carried": "no" })
    );
}
