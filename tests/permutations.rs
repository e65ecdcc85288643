//! What providers tell of one conversation comes to the same end in whatever order it comes,
//! however often, and however it is spread over requests.

use crate::support::outgoing::id;
use crate::support::world::{CUSTOMER, PAGE_ID, PHONE_NUMBER_ID, START_MS};
use crate::support::{Answer, World};
use patchbay::gateway::Queue;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Somebody on Messenger, and on Telegram.
const PERSON: &str = "6543217890123456";
const CONNECTION: &str = "bC-1";
const OWNER: i64 = 6_660_001;

/// Something that a provider tells. Messages are the customer's, the first three, or the
/// business's: two sends of ours, of which the second's answer was lost, and one written
/// elsewhere.
#[derive(Clone, Debug)]
enum Told {
    Said(usize),
    Echo,
    Edit(usize),
    Deletion(usize),
    Reaction { of: usize, emoji: &'static str },
    Status { of: usize, status: &'static str },
    Watermark(&'static str),
    Consent(bool),
}

const OURS: [usize; 2] = [3, 4];
const ELSEWHERE: usize = 5;

fn told() -> impl Strategy<Value = Told> {
    let emoji = proptest::sample::select(vec!["\u{1f44d}", "\u{2764}", ""]);
    let status = proptest::sample::select(vec!["sent", "delivered", "read", "failed"]);
    let mark = proptest::sample::select(vec!["delivery", "read"]);
    prop_oneof![
        4 => (0..3_usize).prop_map(Told::Said),
        1 => Just(Told::Echo),
        3 => (0..6_usize).prop_map(Told::Edit),
        1 => (0..6_usize).prop_map(Told::Deletion),
        2 => (0..6_usize, emoji).prop_map(|(of, emoji)| Told::Reaction { of, emoji }),
        4 => (3..6_usize, status).prop_map(|(of, status)| Told::Status { of, status }),
        1 => mark.prop_map(Told::Watermark),
        2 => any::<bool>().prop_map(Told::Consent),
    ]
}

/// What is told, in its order; and its places in another, some of them again, each with
/// whether a request ends there.
fn story() -> impl Strategy<Value = (Vec<Told>, Vec<(usize, bool)>)> {
    proptest::collection::vec(told(), 1..14).prop_flat_map(|told| {
        let again = proptest::collection::vec(0..told.len(), 0..6);
        let places = again.prop_flat_map({
            let count = told.len();
            move |again| Just([(0..count).collect(), again].concat()).prop_shuffle()
        });
        let cut = places.prop_flat_map(|places| {
            let count = places.len();
            (
                Just(places),
                proptest::collection::vec(any::<bool>(), count),
            )
        });
        (
            Just(told),
            cut.prop_map(|(places, cuts)| places.into_iter().zip(cuts).collect()),
        )
    })
}

/// When the `place`-th thing was told; each at a second of its own, before now.
fn at_s(place: usize) -> i64 {
    START_MS / 1_000 - 500 + i64::try_from(place).expect("small")
}

/// When a customer's message was written, before anything is told of it.
fn said_s(number: usize) -> i64 {
    at_s(number) - 100
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Provider {
    Whatsapp,
    Messenger,
    Telegram,
}

struct Stage {
    world: World,
    provider: Provider,
    channel: String,
    /// Our ids of the sends.
    sent: Vec<String>,
}

impl Stage {
    async fn set(provider: Provider) -> Self {
        let world = World::new().await;
        let channel = match provider {
            Provider::Whatsapp => world.whatsapp().await,
            Provider::Messenger => world.messenger().await,
            Provider::Telegram => world.telegram().await,
        };
        let patch = json!({ "settings": { "enforceWindow": false } });
        world.patch_channel(&channel, patch).await;
        world.subscribe_to_all().await;
        let mut stage = Self {
            world,
            provider,
            channel,
            sent: vec![],
        };
        for (number, is_answered) in OURS.into_iter().zip([true, false]) {
            let is_unclear = !is_answered && provider == Provider::Whatsapp;
            let answer = if is_unclear {
                Answer::NoAnswer
            } else {
                Answer::Http(200, stage.answer(number))
            };
            let ports = stage.world.ports();
            ports.from_provider.borrow_mut().push_back(answer);
            let body = json!({ "from": stage.channel, "to": stage.address(),
                "content": { "type": "text", "text": format!("Ours {number}") } });
            let message = stage.world.post("/v1/messages", body).await.expect(202);
            stage.world.drain().await;
            let status = stage.world.status(&message).await;
            assert_eq!(status, if is_unclear { "unknown" } else { "sent" });
            stage.sent.push(id(&message));
        }
        stage
    }

    fn address(&self) -> String {
        match self.provider {
            Provider::Whatsapp => CUSTOMER.to_owned(),
            Provider::Messenger => PERSON.to_owned(),
            Provider::Telegram => format!("{PERSON}@{CONNECTION}"),
        }
    }

    /// How the provider says that it took a send.
    fn answer(&self, number: usize) -> Value {
        match self.provider {
            Provider::Whatsapp => json!({ "messages": [{ "id": self.name(number) }] }),
            Provider::Messenger => {
                json!({ "recipient_id": PERSON, "message_id": self.name(number) })
            }
            Provider::Telegram => json!({ "ok": true, "result": {
                "message_id": number, "business_connection_id": CONNECTION,
                "chat": { "id": PERSON.parse::<i64>().expect("digits"), "type": "private" } } }),
        }
    }

    /// What the provider calls a message.
    fn name(&self, number: usize) -> String {
        match self.provider {
            Provider::Whatsapp => format!("wamid.{number}"),
            Provider::Messenger | Provider::Telegram => format!("m_{number}"),
        }
    }

    /// What stands in a webhook for the `place`-th thing told; `None` where this provider
    /// tells no such thing.
    fn item(&self, place: usize, told: &Told) -> Option<Value> {
        // A message is deleted once.
        let place = match told {
            Told::Deletion(of) => 150 + of,
            _ => place,
        };
        match self.provider {
            Provider::Whatsapp => self.of_whatsapp(place, told),
            Provider::Messenger => self.of_messenger(place, told),
            Provider::Telegram => of_telegram(place, told),
        }
    }

    /// A change of WhatsApp's.
    fn of_whatsapp(&self, place: usize, told: &Told) -> Option<Value> {
        let message = |id: String, at: i64, more: Value| {
            let mut item = json!({ "from": CUSTOMER, "id": id, "timestamp": at.to_string() });
            item.as_object_mut()?.extend(more.as_object()?.clone());
            Some(
                json!({ "contacts": [{ "profile": { "name": "Ada" }, "wa_id": CUSTOMER }],
                "messages": [item] }),
            )
        };
        let at = at_s(place);
        let own = format!("wamid.change.{place}");
        let text = |text: String| json!({ "type": "text", "text": { "body": text } });
        let mut field = "messages";
        let mut value = match told {
            Told::Said(number) => message(
                self.name(*number),
                said_s(*number),
                text(format!("Said {number}")),
            ),
            Told::Echo => {
                field = "smb_message_echoes";
                let mut echo = text("Elsewhere".to_owned());
                echo["to"] = json!(CUSTOMER);
                echo["id"] = json!(self.name(ELSEWHERE));
                echo["timestamp"] = json!(said_s(ELSEWHERE).to_string());
                Some(json!({ "message_echoes": [echo] }))
            }
            Told::Edit(of) => {
                let edit = json!({ "original_message_id": self.name(*of),
                    "message": text(format!("Edited {place}")) });
                message(own, at, json!({ "type": "edit", "edit": edit }))
            }
            Told::Deletion(of) => {
                let of = json!({ "original_message_id": self.name(*of) });
                message(own, at, json!({ "type": "revoke", "revoke": of }))
            }
            Told::Reaction { of, emoji } => {
                let reaction = json!({ "message_id": self.name(*of), "emoji": emoji });
                message(own, at, json!({ "type": "reaction", "reaction": reaction }))
            }
            Told::Status { of, status } => {
                let mut report =
                    crate::support::outgoing::report(&self.name(*of), status, at_of(status));
                if let Some(ours) = of.checked_sub(OURS[0]).and_then(|at| self.sent.get(at)) {
                    report["biz_opaque_callback_data"] = json!(ours);
                }
                Some(json!({ "statuses": [report] }))
            }
            Told::Watermark(_) | Told::Consent(_) => None,
        }?;
        value["messaging_product"] = json!("whatsapp");
        value["metadata"] = json!({ "phone_number_id": PHONE_NUMBER_ID });
        Some(json!({ "field": field, "value": value }))
    }

    /// An event of Messenger's.
    fn of_messenger(&self, place: usize, told: &Told) -> Option<Value> {
        let at = at_s(place) * 1_000;
        let mut event = json!({ "sender": { "id": PERSON }, "recipient": { "id": PAGE_ID } });
        event["timestamp"] = json!(at);
        match told {
            Told::Said(number) => {
                event["timestamp"] = json!(said_s(*number) * 1_000);
                let text = format!("Said {number}");
                event["message"] = json!({ "mid": self.name(*number), "text": text });
            }
            Told::Echo => {
                event = json!({ "sender": { "id": PAGE_ID }, "recipient": { "id": PERSON } });
                event["timestamp"] = json!(said_s(ELSEWHERE) * 1_000);
                let mid = self.name(ELSEWHERE);
                event["message"] = json!({ "mid": mid, "is_echo": true, "text": "Elsewhere" });
            }
            Told::Edit(of) => {
                let text = format!("Edited {place}");
                event["message_edit"] =
                    json!({ "mid": self.name(*of), "text": text, "num_edit": place + 1 });
            }
            Told::Deletion(of) => {
                event["message"] = json!({ "mid": self.name(*of), "is_deleted": true });
            }
            Told::Reaction { of, emoji } => {
                let action = if emoji.is_empty() { "unreact" } else { "react" };
                event["reaction"] =
                    json!({ "mid": self.name(*of), "emoji": emoji, "action": action });
            }
            // A page is told of no failures, and of what it wrote elsewhere too.
            Told::Status { of, status } if *status == "delivered" => {
                event["timestamp"] = json!(at_of(status) * 1_000);
                event["delivery"] = json!({ "mids": [self.name(*of)] });
            }
            Told::Status { of, status } if *status == "read" => {
                event["timestamp"] = json!(at_of(status) * 1_000);
                event["read"] = json!({ "mid": self.name(*of) });
            }
            Told::Watermark(what) => {
                event["timestamp"] = json!(START_MS);
                event[what] = json!({ "watermark": START_MS });
            }
            Told::Status { .. } | Told::Consent(_) => return None,
        }
        Some(event)
    }

    /// Posts some of what is told, as one request where the provider puts several into one.
    async fn tell(&self, items: Vec<Value>) {
        if items.is_empty() {
            return;
        }
        let payload = match self.provider {
            Provider::Whatsapp => json!({ "object": "whatsapp_business_account",
                "entry": [{ "id": "102290129340398", "changes": items }] }),
            Provider::Messenger => json!({ "object": "page",
                "entry": [{ "id": PAGE_ID, "time": START_MS, "messaging": items }] }),
            Provider::Telegram => {
                for update in items {
                    self.world
                        .from_telegram(&self.channel, &update)
                        .await
                        .expect(200);
                }
                return;
            }
        };
        self.world
            .from_meta(&self.channel, &payload)
            .await
            .expect(200);
    }

    /// What is stored at the end, and what subscribers were told.
    async fn end(self) -> (Vec<String>, Vec<String>) {
        // What waited for another thing is looked at again.
        for _ in 0..3 {
            self.world.advance(120_000);
            self.world.gateway.sweep().await;
        }
        self.world.take_pushes(Queue::Events);
        let mut history = Vec::new();
        for message in &self.sent {
            let message = self.world.now(&json!({ "id": message })).await;
            history.push(format!("history {}", message["statusHistory"]));
        }
        let essence = self.world.essence().into_iter();
        let (events, stored): (Vec<_>, Vec<_>) =
            essence.partition(|line| line.starts_with("event"));
        // A status that was overtaken is told of no more: the last one always is.
        let told = events
            .into_iter()
            .filter(|line| {
                let is_of_status = ["sent", "delivered", "read", "failed"]
                    .iter()
                    .any(|status| line.contains(&format!("message.{status}\"")));
                assert!(!is_of_status || line.contains("\"count\":1,"), "{line}");
                !is_of_status
            })
            .collect();
        let untold = self.world.database().query(
            "SELECT m.id, m.status FROM message m WHERE m.direction = 'outbound' AND NOT EXISTS (
               SELECT 1 FROM event e WHERE e.type = 'message.' || m.status AND e.subject = m.id)",
        );
        assert!(untold.is_empty(), "{untold:?}");
        let newest = self.world.database().query(
            "SELECT m.content FROM message m
             JOIN event e ON e.type = 'message.edited' AND e.data ->> '$.message.id' = m.id
             WHERE m.deleted_at IS NULL
             GROUP BY m.id HAVING SUM(e.data ->> '$.message.content.text' = m.content ->> '$.text') = 0",
        );
        assert!(newest.is_empty(), "the newest edit was told: {newest:?}");
        ([stored, history].concat(), told)
    }
}

/// When a status was reached: the same however often it is told.
fn at_of(status: &str) -> i64 {
    let place = ["sent", "delivered", "read", "failed"]
        .iter()
        .position(|it| *it == status);
    at_s(200 + place.expect("a status"))
}

/// An update of Telegram's: in a chat that the bot is let into; where it is about the bot, in
/// somebody's own chat with it.
fn of_telegram(place: usize, told: &Told) -> Option<Value> {
    let person: i64 = PERSON.parse().ok()?;
    let chat = json!({ "id": person, "type": "private", "first_name": "Ada" });
    let message = |number: usize, from: i64, at: i64, text: String| {
        json!({ "business_connection_id": CONNECTION, "message_id": number,
            "from": { "id": from, "first_name": "Ada" }, "chat": chat, "date": at, "text": text })
    };
    let (kind, what) = match told {
        Told::Said(number) => {
            let text = format!("Said {number}");
            let said = message(*number, person, said_s(*number), text);
            ("business_message", said)
        }
        Told::Echo => {
            let at = said_s(ELSEWHERE);
            let echo = message(ELSEWHERE, OWNER, at, "Elsewhere".to_owned());
            ("business_message", echo)
        }
        Told::Edit(of) => {
            let from = if *of < OURS[0] { person } else { OWNER };
            let mut edit = message(*of, from, said_s(*of), format!("Edited {place}"));
            edit["edit_date"] = json!(at_s(place));
            ("edited_business_message", edit)
        }
        Told::Deletion(of) => {
            let deleted = json!({ "business_connection_id": CONNECTION, "chat": chat,
                "message_ids": [of] });
            ("deleted_business_messages", deleted)
        }
        Told::Reaction { of, emoji } => {
            let reactions: Vec<Value> = [*emoji]
                .into_iter()
                .filter(|emoji| !emoji.is_empty())
                .map(|emoji| json!({ "type": "emoji", "emoji": emoji }))
                .collect();
            let reaction = json!({ "business_connection_id": CONNECTION, "chat": chat,
                "message_id": of, "date": at_s(place), "old_reaction": [],
                "new_reaction": reactions });
            ("message_reaction", reaction)
        }
        Told::Consent(is_given) => {
            let status = if *is_given { "member" } else { "kicked" };
            let chat = json!({ "id": person + 1, "type": "private", "first_name": "Grace" });
            let member = json!({ "chat": chat, "from": { "id": person + 1 }, "date": at_s(place),
                "new_chat_member": { "status": status } });
            ("my_chat_member", member)
        }
        Told::Status { .. } | Told::Watermark(_) => return None,
    };
    let mut update = json!({ "update_id": 700_000 + place });
    update[kind] = what;
    Some(update)
}

/// Tells a story twice, as it went and in another order, and gives back both ends.
async fn both(
    provider: Provider,
    told: &[Told],
    places: &[(usize, bool)],
) -> [(Vec<String>, Vec<String>); 2] {
    let straight = Stage::set(provider).await;
    for (place, told) in told.iter().enumerate() {
        straight
            .tell(straight.item(place, told).into_iter().collect())
            .await;
    }
    let shuffled = Stage::set(provider).await;
    let mut items = Vec::new();
    for (place, is_cut) in places {
        items.extend(shuffled.item(*place, &told[*place]));
        if *is_cut {
            shuffled.tell(std::mem::take(&mut items)).await;
        }
    }
    shuffled.tell(items).await;
    [straight.end().await, shuffled.end().await]
}

/// Holds two ends to each other, and shows where they differ.
fn similar(ends: [(Vec<String>, Vec<String>); 2]) -> Result<(), TestCaseError> {
    let [(stored, told), (otherwise, told_otherwise)] = ends;
    for (one, other) in [(stored, otherwise), (told, told_otherwise)] {
        let (one, other): (BTreeSet<_>, BTreeSet<_>) =
            (one.into_iter().collect(), other.into_iter().collect());
        let straight: Vec<_> = one.difference(&other).collect();
        let shuffled: Vec<_> = other.difference(&one).collect();
        prop_assert!(
            straight.is_empty() && shuffled.is_empty(),
            "straight {straight:#?}\nshuffled {shuffled:#?}"
        );
    }
    Ok(())
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatsapp_in_any_order_comes_to_the_same_end((told, places) in story()) {
        similar(block_on(both(Provider::Whatsapp, &told, &places)))?;
    }

    #[test]
    fn messenger_in_any_order_comes_to_the_same_end((told, places) in story()) {
        similar(block_on(both(Provider::Messenger, &told, &places)))?;
    }

    #[test]
    fn telegram_in_any_order_comes_to_the_same_end((told, places) in story()) {
        similar(block_on(both(Provider::Telegram, &told, &places)))?;
    }
}
