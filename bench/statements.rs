//! Times the statements of Patchbay's most frequent batches one by one, for `cargo xtask bench`:
//! `statements FOLDER COUNT` runs each batch COUNT times on a database in FOLDER, set as D1's is locally, and
//! prints what each statement takes as JSON.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use patchbay::model::access::{Environment, Scope};
use patchbay::model::channel::{ChannelKind, Rate, Settings};
use patchbay::model::contact::{Address, IdentityKind};
use patchbay::model::event::Style;
use patchbay::model::id::{
    ChannelId, ContactId, ConversationId, EventId, Fresh, KeyId, MessageId, WorkspaceId,
};
use patchbay::model::message::Actor;
use patchbay::model::time::{DAY_MS, Timestamp};
use patchbay::store::accept::{self, Accept, FoundBy, RefersTo, Target};
use patchbay::store::channels::{self, NewChannel};
use patchbay::store::claim::OwnClaim;
use patchbay::store::counters::Counts;
use patchbay::store::endpoints::{self, NewEndpoint};
use patchbay::store::inbound::{self, Person, Received, Receiver};
use patchbay::store::keys::{self, NewKey};
use patchbay::store::outbox::{self, Outcome};
use patchbay::store::{Statement, Value, changes};
use rusqlite::{Connection, StatementStatus, params_from_iter};
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const PEOPLE: usize = 128;
/// Messages of a webhook.
const TOGETHER: usize = 10;
const FIRST_MS: i64 = 1_700_000_000_000;
/// Between two batches.
const APART_MS: i64 = 10;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, count] = arguments.as_slice() else {
        return Err("statements FOLDER COUNT".into());
    };
    let (folder, count) = (Path::new(folder), count.parse()?);
    let mut measured = Vec::new();
    for operation in Operation::ALL {
        measured.push(measure(folder, operation, count)?);
    }
    println!("{}", serde_json::to_string_pretty(&measured)?);
    Ok(())
}

/// What a batch does.
#[derive(Clone, Copy)]
enum Operation {
    /// Accepts a message to a conversation that is remembered.
    ToConversation,
    /// Accepts a message to the address of a person who is there and not remembered.
    ToAddress,
    /// Accepts and claims a message that is sent before its answer.
    SendNow,
    /// Records that the provider took it.
    Record,
    /// Takes in a provider's webhook, from people who are remembered.
    Webhook,
}

impl Operation {
    const ALL: [Self; 5] = [
        Self::ToConversation,
        Self::ToAddress,
        Self::SendNow,
        Self::Record,
        Self::Webhook,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::ToConversation => "accepted send to a remembered conversation",
            Self::ToAddress => "accepted send to an address that is not remembered",
            Self::SendNow => "send now to a remembered conversation: what accepts it",
            Self::Record => "send now: what records that it was sent, where nobody is to be told",
            Self::Webhook => "webhook with 10 messages of remembered people",
        }
    }

    /// The statements of the batch, in their order.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::ToConversation => &["message", "conversation", "idempotency key"],
            Self::ToAddress => &[
                "message",
                "new contact",
                "new identity",
                "new conversation",
                "new line of the search index",
                "conversation",
                "idempotency key",
            ],
            Self::SendNow => &[
                "message",
                "conversation and its rate",
                "rate of the channel",
                "idempotency key",
            ],
            Self::Record => &["message", "attempt", "totals"],
            Self::Webhook => &[
                "messages",
                "conversations",
                "events",
                "deliveries",
                "waiting changes",
                "channel is heard",
                "channel is current",
            ],
        }
    }

    /// Messages that the batch stores.
    fn messages(self) -> usize {
        match self {
            Self::ToConversation | Self::ToAddress | Self::SendNow | Self::Record => 1,
            Self::Webhook => TOGETHER,
        }
    }
}

/// What the statements of a batch take.
#[derive(Serialize)]
struct Measured {
    title: &'static str,
    statements: Vec<Mean>,
}

/// The mean of all runs of a statement.
#[derive(Serialize)]
struct Mean {
    statement: &'static str,
    /// To bind its values and run it to its end.
    us: f64,
    /// Steps of SQLite's machine.
    steps: f64,
}

/// All runs of a statement together.
#[derive(Clone, Copy, Default)]
struct Taken {
    time: Duration,
    steps: i64,
}

/// 1. A new database with its people. 2. A tenth of the runs that is not counted, and the runs. 3. The means, if
///    every batch stored what it is to store.
fn measure(folder: &Path, operation: Operation, count: usize) -> Result<Measured> {
    // 1.
    let database = open(folder)?;
    let mut scene = Scene::set(&database)?;
    let before = stored(&database)?;

    // 2.
    let uncounted = count / 10;
    let mut taken = vec![Taken::default(); operation.names().len()];
    let mut commits = Taken::default();
    for run in 0..uncounted + count {
        if run == uncounted {
            taken.fill(Taken::default());
            commits = Taken::default();
        }
        if let Operation::Record = operation {
            run_all(&database, &scene.batch(Operation::SendNow, run)?)?;
        }
        let batch = scene.batch(operation, run)?;
        if batch.len() != taken.len() {
            return Err("a batch has other statements than are named".into());
        }
        database.execute_batch("BEGIN")?;
        for (statement, taken) in batch.iter().zip(&mut taken) {
            time(&database, statement, taken)?;
        }
        time(&database, &Statement::new("COMMIT", vec![]), &mut commits)?;
    }

    // 3.
    if stored(&database)? - before != (uncounted + count) * operation.messages() {
        return Err(format!("not every message was stored: {}", operation.title()).into());
    }
    let names = operation.names().iter().copied().chain(["commit"]);
    let statements = names.zip(taken.into_iter().chain([commits]));
    Ok(Measured {
        title: operation.title(),
        statements: statements
            .map(|(statement, taken)| Mean {
                statement,
                us: taken.time.as_secs_f64() * 1e6 / count as f64,
                steps: taken.steps as f64 / count as f64,
            })
            .collect(),
    })
}

/// A new database with the schema, set as D1's is locally.
fn open(folder: &Path) -> Result<Connection> {
    std::fs::create_dir_all(folder)?;
    for name in [
        "patchbay.sqlite",
        "patchbay.sqlite-wal",
        "patchbay.sqlite-shm",
    ] {
        let file = folder.join(name);
        if file.exists() {
            std::fs::remove_file(file)?;
        }
    }
    let database = Connection::open(folder.join("patchbay.sqlite"))?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "synchronous", "FULL")?;
    let mut migrations = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("schema"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    migrations.sort();
    for migration in migrations {
        database.execute_batch(&std::fs::read_to_string(migration)?)?;
    }
    database.pragma_update(None, "foreign_keys", true)?;
    database.set_prepared_statement_cache_capacity(64);
    Ok(database)
}

/// Runs a batch that is not timed.
fn run_all(database: &Connection, batch: &[Statement]) -> Result<()> {
    database.execute_batch("BEGIN")?;
    for statement in batch {
        time(database, statement, &mut Taken::default())?;
    }
    database.execute_batch("COMMIT")?;
    Ok(())
}

fn stored(database: &Connection) -> Result<usize> {
    let count: i64 = database.query_row("SELECT COUNT(*) FROM message", [], |row| row.get(0))?;
    Ok(usize::try_from(count)?)
}

/// Runs a statement and adds what it takes. Integers are bound as doubles, as D1 binds them. To look the compiled
/// statement up takes no part in it.
fn time(database: &Connection, statement: &Statement, taken: &mut Taken) -> Result<()> {
    let mut prepared = database.prepare_cached(&statement.sql)?;
    let values: Vec<rusqlite::types::Value> = statement
        .values
        .iter()
        .map(|value| match value {
            Value::Null => rusqlite::types::Value::Null,
            Value::Integer(number) => rusqlite::types::Value::Real(*number as f64),
            Value::Text(text) => rusqlite::types::Value::Text(text.clone()),
        })
        .collect();
    prepared.reset_status(StatementStatus::VmStep);
    let started = Instant::now();
    let mut rows = prepared.query(params_from_iter(values))?;
    while rows.next()?.is_some() {}
    drop(rows);
    taken.time += started.elapsed();
    taken.steps += i64::from(prepared.reset_status(StatementStatus::VmStep));
    Ok(())
}

/// A workspace with a key, a channel, a subscriber, and people who wrote.
struct Scene {
    workspace: WorkspaceId,
    key: KeyId,
    channel: ChannelId,
    /// By the number of the person.
    conversations: Vec<ConversationId>,
    /// The last that was accepted.
    message: MessageId,
    now: Timestamp,
    random: Random,
}

impl Scene {
    fn set(database: &Connection) -> Result<Self> {
        let (mut random, now) = (Random(0), Timestamp::from_ms(FIRST_MS));
        let mut scene = Self {
            workspace: random.id(now),
            key: random.id(now),
            channel: random.id(now),
            conversations: (0..PEOPLE).map(|_| random.id(now)).collect(),
            message: random.id(now),
            now,
            random,
        };
        let mut batch = scene.made();
        batch.extend(inbound::people(scene.receiver(), &scene.people(), now));
        // Opens everybody's window.
        let hello: Vec<Received> = (0..PEOPLE)
            .map(|number| scene.received(number, format!("wamid.bench.hello.{number}"), "Hello"))
            .collect();
        batch.extend(inbound::messages(scene.receiver(), &hello, now));
        run_all(database, &batch)?;
        Ok(scene)
    }

    /// What a client made before anybody wrote.
    fn made(&mut self) -> Vec<Statement> {
        let key = NewKey {
            id: self.key,
            workspace_id: self.workspace,
            hash: "5".repeat(64),
            name: "Bench",
            prefix: "pb_live_bench",
            scopes: &[Scope::MessagesSend],
            environment: Environment::Live,
            expires_at: None,
        };
        let channel = NewChannel {
            id: self.channel,
            workspace_id: self.workspace,
            kind: ChannelKind::Whatsapp,
            name: "Bench whatsapp",
            identifier: "+15550100100",
            match_key: "15550100100",
            settings: &Settings::default(),
            credentials: "sealed",
            account: Some("100000000000100"),
            public_key: None,
            templates_account: None,
        };
        let endpoint = NewEndpoint {
            id: self.random.id(self.now),
            workspace_id: self.workspace,
            channel_id: None,
            url: "https://subscriber.example/hook",
            events: &["message.received".to_owned()],
            style: Style::Standard,
            environment: Environment::Live,
            requires_signature: true,
            headers: "{}",
            secret: "sealed",
            label: None,
            scope: None,
            verified_at: None,
        };
        vec![
            keys::create_workspace(self.workspace, "Bench", self.now),
            keys::create_key(&key, self.now),
            channels::create(&channel, self.now),
            endpoints::create(&endpoint, self.now),
        ]
    }

    fn people(&mut self) -> Vec<Person> {
        let conversations = self.conversations.iter().enumerate();
        conversations
            .map(|(number, conversation)| Person {
                address: address(number),
                name: Some(format!("Ada Bench{number}")),
                identities: vec![(IdentityKind::Whatsapp.name(), address(number))],
                contact: self.random.id::<ContactId>(self.now).to_string(),
                conversation: conversation.to_string(),
                event: self.random.id::<EventId>(self.now).to_string(),
            })
            .collect()
    }

    /// The statements of an operation's next batch, as Patchbay makes them.
    fn batch(&mut self, operation: Operation, run: usize) -> Result<Vec<Statement>> {
        self.now = self.now.plus_ms(APART_MS);
        let to = run % PEOPLE;
        match operation {
            Operation::ToConversation | Operation::SendNow => {
                let target = Target::Conversation {
                    id: *self.conversations.get(to).ok_or("nobody has the number")?,
                    found_by: FoundBy::Address(Address(address(to))),
                };
                let claim = matches!(operation, Operation::SendNow).then(|| self.claim());
                Ok(self.accept(run, target, claim.as_ref()))
            }
            Operation::ToAddress => {
                let target = Target::Address {
                    address: Address(address(to)),
                    kind: IdentityKind::Whatsapp,
                    new_conversation: self.random.id(self.now),
                    new_contact: self.random.id(self.now),
                };
                Ok(self.accept(run, target, None))
            }
            Operation::Record => Ok(self.record()),
            Operation::Webhook => Ok(self.webhook(run)),
        }
    }

    /// Rates that every message is within.
    fn claim(&mut self) -> OwnClaim {
        let rate = Rate {
            every_us: 1000,
            slack_us: 0,
        };
        OwnClaim {
            token: self.random.id::<MessageId>(self.now).to_string(),
            lease_ms: 30_000,
            cost_us: 1000,
            rates: Some((rate, rate)),
        }
    }

    /// As `gateway::deliver` records a send whose client waits, where nobody is to be told.
    fn record(&mut self) -> Vec<Statement> {
        let outcome = Outcome {
            workspace: self.workspace,
            message: self.message,
            attempt: 1,
            status: "sent",
            outcome: "sent",
            provider_message_id: Some(format!("wamid.bench.{}", self.message)),
            code: None,
            detail: None,
            provider_code: None,
            started_at: self.now.ms(),
            due_at: None,
            event_type: Some("message.sent"),
            event_id: self.random.id::<EventId>(self.now).to_string(),
        };
        let token: MessageId = self.random.id(self.now);
        let token = token.to_string();
        let counts = Counts::from([(("sends", "first sent sent sent".to_owned()), 1)]);
        outbox::record_untold(&outcome, &counts, &token, self.now).into()
    }

    /// As `gateway::send` accepts a message.
    fn accept(&mut self, run: usize, target: Target, claim: Option<&OwnClaim>) -> Vec<Statement> {
        self.message = self.random.id(self.now);
        let accept = Accept {
            id: self.message,
            workspace_id: self.workspace,
            key_id: self.key,
            channel_id: self.channel,
            channel_version: 1,
            target,
            content: content(&format!("Message number {run}")),
            parts: vec![],
            adapted: None,
            choices: None,
            template: None,
            contact_name: None,
            is_local: false,
            event: self.random.id(self.now),
            actor: Actor::Bot,
            refers_to: RefersTo::Nothing,
            refers_by: "/replyTo",
            metadata: None,
            client_message_id: None,
            fingerprint: format!("{run:064x}"),
            scheduled_at: None,
            expires_at: None,
            window_ms: Some(DAY_MS),
            scope: Some(format!("POST /v1/messages bench-{run}")),
            now: self.now,
        };
        let mut batch = vec![accept::insert(&accept, claim)];
        batch.extend(accept::follow(&accept, claim));
        batch
    }

    /// As `gateway::receive` stores messages of people it remembers.
    fn webhook(&mut self, run: usize) -> Vec<Statement> {
        let received: Vec<Received> = (0..TOGETHER)
            .map(|place| {
                let id = format!("wamid.bench.{run}.{place}");
                let words = format!("Message number {run}.{place}");
                self.received((run * 7 + place) % PEOPLE, id, &words)
            })
            .collect();
        let ids: Vec<&str> = received
            .iter()
            .map(|message| message.provider_message_id.as_str())
            .collect();
        let known: Vec<&str> = received
            .iter()
            .map(|message| message.address.as_str())
            .collect();
        let receiver = self.receiver();
        let mut batch = inbound::messages(receiver, &received, self.now);
        batch.push(changes::waiting(self.channel, &json!(ids)));
        batch.push(channels::heard(self.channel, self.now));
        batch.push(inbound::is_current(receiver, &json!(known)));
        batch
    }

    fn receiver(&self) -> Receiver {
        Receiver {
            workspace_id: self.workspace,
            channel_id: self.channel,
            version: Some(1),
        }
    }

    fn received(&mut self, from: usize, provider_message_id: String, words: &str) -> Received {
        Received {
            id: self.random.id::<MessageId>(self.now).to_string(),
            provider_message_id,
            address: address(from),
            content: content(words),
            said: Some(words.to_lowercase()),
            media: None,
            reply_to: None,
            metadata: None,
            reply_id: None,
            fingerprint: None,
            at: self.now.ms(),
            event: self.random.id::<EventId>(self.now).to_string(),
        }
    }
}

/// The address of a person.
fn address(number: usize) -> String {
    format!("447700{number:06}")
}

fn content(words: &str) -> String {
    json!({ "type": "text", "text": words }).to_string()
}

/// What the ids are made of: the same in every run, and spread as chance would (SplitMix64).
struct Random(u64);

impl Random {
    fn id<T: Fresh>(&mut self, at: Timestamp) -> T {
        let [high, low] = [self.next(), self.next()].map(u64::to_be_bytes);
        let mut bytes = [0; 10];
        for (byte, from) in bytes.iter_mut().zip(high.into_iter().chain(low)) {
            *byte = from;
        }
        T::fresh(at, bytes)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
