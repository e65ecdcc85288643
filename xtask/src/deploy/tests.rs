//! Deployments to an account that is a few lists in memory.

use std::cell::{Cell, RefCell};

use super::manifest::{untouched, without_buckets};
use super::*;

const URL: &str = "https://chat.example.com";
const DATABASE_ID: &str = "d1-of-patchbay";
const NAMESPACE_ID: &str = "kv-of-patchbay-CACHE";

/// An account, a terminal and a folder.
struct World {
    login: &'static str,
    databases: RefCell<Vec<String>>,
    namespaces: RefCell<Vec<String>>,
    queues: RefCell<Vec<String>>,
    /// None where R2 is not enabled.
    buckets: RefCell<Option<Vec<String>>>,
    /// None before the Worker is there.
    secrets: RefCell<Option<Vec<String>>>,
    manifest: RefCell<String>,
    answers: RefCell<Vec<&'static str>>,
    someone_is_there: bool,
    environment: Vec<(&'static str, &'static str)>,
    workers_dev: Option<&'static str>,
    /// What `/healthz` says, one after the other; well when it is empty.
    ailments: RefCell<Vec<&'static str>>,
    builds: bool,
    /// The command that does its work and then fails.
    fails_after: Option<&'static str>,
    /// Everything that changes something, in order.
    changes: RefCell<Vec<String>>,
    inputs: RefCell<Vec<String>>,
    printed: RefCell<String>,
    randoms: Cell<u8>,
}

impl World {
    /// A new account with somebody at the terminal, who has said where the gateway will be.
    fn new() -> Self {
        Self {
            login: r#"{"loggedIn":true,"accounts":[{"id":"acc","name":"Ours"}]}"#,
            databases: RefCell::default(),
            namespaces: RefCell::default(),
            queues: RefCell::default(),
            buckets: RefCell::new(Some(Vec::new())),
            secrets: RefCell::default(),
            manifest: RefCell::new(untouched().text()),
            answers: RefCell::default(),
            someone_is_there: true,
            environment: Vec::new(),
            workers_dev: None,
            ailments: RefCell::default(),
            builds: true,
            fails_after: None,
            changes: RefCell::default(),
            inputs: RefCell::default(),
            printed: RefCell::default(),
            randoms: Cell::default(),
        }
    }

    fn deployed() -> Self {
        let world = Self::new();
        *world.databases.borrow_mut() = vec!["patchbay".to_owned()];
        *world.namespaces.borrow_mut() = vec!["patchbay-CACHE".to_owned()];
        *world.queues.borrow_mut() = world.manifest().expect("TOML").queues();
        *world.buckets.borrow_mut() = Some(world.manifest().expect("TOML").buckets());
        *world.secrets.borrow_mut() =
            Some(vec!["ADMIN_TOKEN".to_owned(), "ENCRYPTION_KEY".to_owned()]);
        let mut manifest = world.manifest().expect("TOML");
        manifest.set_database_id(DATABASE_ID).expect("a table");
        manifest.set_namespace_id(NAMESPACE_ID).expect("a table");
        manifest.set_public_url(URL).expect("a table");
        *world.manifest.borrow_mut() = manifest.text();
        world
    }

    fn changes(&self) -> Vec<String> {
        self.changes.borrow().clone()
    }

    fn printed(&self) -> String {
        self.printed.borrow().clone()
    }
}

fn with_url() -> Options {
    Options::parse(&["--public-url", URL]).expect("options")
}

fn yes(stdout: String) -> Answer {
    Answer {
        ok: true,
        stdout,
        stderr: String::new(),
    }
}

fn no(stderr: String) -> Answer {
    Answer {
        ok: false,
        stdout: String::new(),
        stderr,
    }
}

fn listed(names: &RefCell<Vec<String>>, kind: &str, fields: (&str, &str)) -> Answer {
    let list: Vec<serde_json::Value> = names
        .borrow()
        .iter()
        .map(|name| serde_json::json!({ fields.0: name, fields.1: format!("{kind}-of-{name}") }))
        .collect();
    yes(serde_json::Value::from(list).to_string())
}

impl Ports for World {
    async fn read(&self, arguments: &[&str]) -> Result<Answer> {
        Ok(match arguments {
            ["whoami", "--json"] => yes(self.login.to_owned()),
            ["d1", "list", "--json"] => listed(&self.databases, "d1", ("name", "uuid")),
            ["kv", "namespace", "list"] => listed(&self.namespaces, "kv", ("title", "id")),
            ["queues", "info", queue] => {
                if self.queues.borrow().iter().any(|found| found == queue) {
                    yes(format!("Queue Name: {queue}"))
                } else {
                    no(format!("Queue \"{queue}\" does not exist."))
                }
            }
            ["r2", "bucket", "info", bucket] => match &*self.buckets.borrow() {
                None => no(
                    "Please enable R2 through the Cloudflare Dashboard. [code: 10042]".to_owned(),
                ),
                Some(names) if names.iter().any(|found| found == bucket) => {
                    yes(format!("name: {bucket}"))
                }
                Some(_) => no("The specified bucket does not exist. [code: 10006]".to_owned()),
            },
            ["secret", "list"] => match &*self.secrets.borrow() {
                Some(names) => {
                    let list: Vec<serde_json::Value> = names
                        .iter()
                        .map(|name| serde_json::json!({ "name": name, "type": "secret_text" }))
                        .collect();
                    yes(serde_json::Value::from(list).to_string())
                }
                None => no("Worker \"patchbay\" not found.".to_owned()),
            },
            other => no(format!("`{other:?}` is not for reading")),
        })
    }

    async fn make(&self, arguments: &[&str]) -> Result<()> {
        self.run(arguments, None).await
    }

    async fn run(&self, arguments: &[&str], input: Option<&str>) -> Result<()> {
        let command = arguments.join(" ");
        match arguments {
            ["d1", "create", name] => self.databases.borrow_mut().push((*name).to_owned()),
            ["kv", "namespace", "create", title] => {
                self.namespaces.borrow_mut().push((*title).to_owned());
            }
            ["queues", "create", queue] => self.queues.borrow_mut().push((*queue).to_owned()),
            ["r2", "bucket", "create", bucket] => self
                .buckets
                .borrow_mut()
                .as_mut()
                .expect("an account with R2")
                .push((*bucket).to_owned()),
            ["d1", "migrations", "apply", "patchbay", "--remote"] | ["deploy", "--dry-run"] => {}
            ["deploy"] => {
                self.secrets.borrow_mut().get_or_insert_default();
            }
            ["secret", "bulk"] => {
                let input = input.expect("the secrets");
                let values: serde_json::Map<String, serde_json::Value> =
                    serde_json::from_str(input).expect("JSON");
                self.secrets
                    .borrow_mut()
                    .as_mut()
                    .expect("a Worker to have them")
                    .extend(values.keys().cloned());
                self.inputs.borrow_mut().push(input.to_owned());
            }
            other => return Err(Problem::new(format!("`{other:?}` is not wrangler's"))),
        }
        if !arguments.contains(&"--dry-run") {
            self.changes.borrow_mut().push(command.clone());
        }
        if self.fails_after == Some(command.as_str()) {
            return Err(Problem::new(format!("`{command}` failed")));
        }
        Ok(())
    }

    async fn build(&self) -> Result<()> {
        if self.builds {
            return Ok(());
        }
        Err(Problem::new("worker-build failed"))
    }

    async fn workers_dev(&self, account: &str) -> Option<String> {
        assert_eq!(account, "acc");
        self.workers_dev.map(str::to_owned)
    }

    async fn ailment(&self, _: &str) -> Option<String> {
        let mut ailments = self.ailments.borrow_mut();
        (!ailments.is_empty()).then(|| ailments.remove(0).to_owned())
    }

    async fn pause(&self) {}

    async fn ask(&self, question: &str, offer: Option<&str>) -> Result<Option<String>> {
        self.print(question);
        let mut answers = self.answers.borrow_mut();
        if answers.is_empty() {
            return Ok(None);
        }
        Ok(match (answers.remove(0), offer) {
            ("", Some(offer)) => Some(offer.to_owned()),
            (answer, _) => Some(answer.to_owned()),
        })
    }

    fn someone_is_there(&self) -> bool {
        self.someone_is_there
    }

    fn environment(&self, name: &str) -> Option<String> {
        let found = self.environment.iter().find(|(known, _)| *known == name)?;
        Some(found.1.to_owned())
    }

    fn file(&self, name: &str) -> Result<String> {
        Ok(format!("what {name} holds\n"))
    }

    fn manifest(&self) -> Result<Manifest> {
        Manifest::parse(&self.manifest.borrow())
    }

    fn save(&self, manifest: &Manifest) -> Result<()> {
        self.changes
            .borrow_mut()
            .push("write wrangler.toml".to_owned());
        *self.manifest.borrow_mut() = manifest.text();
        Ok(())
    }

    fn random(&self) -> Result<[u8; 32]> {
        self.randoms.set(self.randoms.get() + 1);
        Ok([self.randoms.get(); 32])
    }

    fn step(&self, what: &str) {
        self.print(what);
    }

    fn print(&self, text: &str) {
        self.printed.borrow_mut().push_str(&format!("{text}\n"));
    }
}

#[tokio::test]
async fn a_new_account_gets_everything_in_an_order_that_is_safe() {
    let world = World::new();
    deploy(&world, &with_url()).await.expect("deployed");

    assert_eq!(
        world.changes(),
        [
            "r2 bucket create patchbay-media",
            "write wrangler.toml",
            "d1 create patchbay",
            "write wrangler.toml",
            "kv namespace create patchbay-CACHE",
            "write wrangler.toml",
            "queues create patchbay-outbound",
            "queues create patchbay-events",
            "queues create patchbay-outbound-dead",
            "queues create patchbay-events-dead",
            "d1 migrations apply patchbay --remote",
            "deploy",
            "secret bulk",
        ]
    );
    let manifest = world.manifest().expect("TOML");
    let id = manifest.database_id().expect("a table");
    assert_eq!(id.as_deref(), Some(DATABASE_ID));
    let id = manifest.namespace_id().expect("a table");
    assert_eq!(id.as_deref(), Some(NAMESPACE_ID));
    assert_eq!(manifest.public_url().as_deref(), Some(URL));
}

#[tokio::test]
async fn a_second_run_changes_no_resource_no_secret_and_no_file() {
    let world = World::deployed();
    deploy(&world, &Options::default()).await.expect("deployed");
    assert_eq!(
        world.changes(),
        ["d1 migrations apply patchbay --remote", "deploy"]
    );
}

#[tokio::test]
async fn what_the_account_has_by_name_is_taken_over_with_its_id() {
    let world = World::deployed();
    *world.manifest.borrow_mut() = untouched().text();
    deploy(&world, &with_url()).await.expect("deployed");
    assert!(
        !world
            .changes()
            .iter()
            .any(|change| change.contains("create"))
    );
    let id = world.manifest().expect("TOML").database_id();
    assert_eq!(id.expect("a table").as_deref(), Some(DATABASE_ID));
}

#[tokio::test]
async fn a_run_that_broke_off_is_taken_up_by_the_next() {
    for command in [
        "r2 bucket create patchbay-media",
        "d1 create patchbay",
        "kv namespace create patchbay-CACHE",
        "queues create patchbay-events",
        "d1 migrations apply patchbay --remote",
        "deploy",
        "secret bulk",
    ] {
        let mut world = World::new();
        world.fails_after = Some(command);
        deploy(&world, &with_url()).await.expect_err("broke off");
        world.fails_after = None;
        deploy(&world, &with_url()).await.expect("deployed");

        assert_eq!(world.databases.borrow().len(), 1, "{command}");
        assert_eq!(world.namespaces.borrow().len(), 1, "{command}");
        assert_eq!(world.queues.borrow().len(), 4, "{command}");
        let buckets = world.buckets.borrow().as_ref().map(Vec::len);
        assert_eq!(buckets, Some(1), "{command}");
        assert_eq!(world.inputs.borrow().len(), 1, "{command}");
    }
}

#[tokio::test]
async fn another_account_never_gets_an_empty_database_in_place_of_the_one_in_use() {
    let world = World::deployed();
    world.databases.borrow_mut().clear();
    let problem = deploy(&world, &Options::default())
        .await
        .expect_err("another account");
    assert!(problem.to_string().contains(DATABASE_ID), "{problem}");
    assert!(world.changes().is_empty());
}

#[tokio::test]
async fn new_secrets_go_through_the_input_and_are_shown_once() {
    let world = World::new();
    deploy(&world, &with_url()).await.expect("deployed");

    let input: serde_json::Value =
        serde_json::from_str(&world.inputs.borrow()[0]).expect("the secrets");
    let admin = input["ADMIN_TOKEN"].as_str().expect("a token");
    let key = input["ENCRYPTION_KEY"].as_str().expect("a key");
    assert_eq!(admin.len(), 64);
    assert!(is_encryption_key(key));
    assert_ne!(admin, hex(&STANDARD.decode(key).expect("base64")));
    for secret in [admin, key] {
        assert_eq!(world.printed().matches(secret).count(), 1);
        assert!(!world.changes().iter().any(|change| change.contains(secret)));
    }
}

#[tokio::test]
async fn a_secret_that_stands_is_not_overwritten() {
    let mut world = World::deployed();
    *world.secrets.borrow_mut() = Some(vec!["ENCRYPTION_KEY".to_owned()]);
    world.environment = vec![
        (
            "ENCRYPTION_KEY",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        ),
        ("ADMIN_TOKEN", "mine"),
    ];
    deploy(&world, &Options::default()).await.expect("deployed");
    assert_eq!(*world.inputs.borrow(), [r#"{"ADMIN_TOKEN":"mine"}"#]);
    let printed = world.printed();
    assert!(
        printed.contains("ENCRYPTION_KEY is set already"),
        "{printed}"
    );
    assert!(!printed.contains("mine"), "{printed}");
}

#[tokio::test]
async fn without_a_person_secrets_must_be_given_before_anything_changes() {
    let mut world = World::new();
    world.someone_is_there = false;
    let problem = deploy(&world, &with_url()).await.expect_err("no token");
    assert!(
        problem.to_string().contains("--admin-token-file"),
        "{problem}"
    );
    assert!(world.changes().is_empty());

    world.environment = vec![(
        "ENCRYPTION_KEY",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    )];
    let mut options = with_url();
    options.admin_token_file = Some("token.txt".to_owned());
    deploy(&world, &options).await.expect("deployed");
    assert!(world.inputs.borrow()[0].contains(r#""ADMIN_TOKEN":"what token.txt holds""#));
    assert!(!world.printed().contains("what token.txt holds"));
}

#[tokio::test]
async fn an_encryption_key_that_the_worker_would_refuse_is_refused_first() {
    let mut world = World::new();
    world.environment = vec![("ENCRYPTION_KEY", "c2hvcnQ=")];
    let problem = deploy(&world, &with_url()).await.expect_err("too short");
    assert!(problem.to_string().contains("32 bytes"), "{problem}");
    assert!(world.changes().is_empty());
}

#[tokio::test]
async fn the_public_url_is_asked_for_until_it_is_one() {
    let world = World::new();
    *world.answers.borrow_mut() = vec!["chat.example.com", "http://chat.example.com", URL];
    deploy(&world, &Options::default()).await.expect("deployed");
    let manifest = world.manifest().expect("TOML");
    assert_eq!(manifest.public_url().as_deref(), Some(URL));
}

#[tokio::test]
async fn the_accounts_own_workers_dev_name_is_offered() {
    let mut world = World::new();
    world.workers_dev = Some("ours");
    *world.answers.borrow_mut() = vec![""];
    deploy(&world, &Options::default()).await.expect("deployed");
    let manifest = world.manifest().expect("TOML");
    assert_eq!(
        manifest.public_url().as_deref(),
        Some("https://patchbay.ours.workers.dev")
    );
    assert!(!world.printed().contains("routes ="));
}

#[tokio::test]
async fn without_a_person_a_missing_public_url_names_its_flag() {
    let mut world = World::new();
    world.someone_is_there = false;
    let problem = deploy(&world, &Options::default())
        .await
        .expect_err("no URL");
    assert!(problem.to_string().contains("--public-url"), "{problem}");
    assert!(world.changes().is_empty());
}

#[tokio::test]
async fn a_domain_of_ones_own_comes_with_the_line_that_attaches_it() {
    let world = World::new();
    deploy(&world, &with_url()).await.expect("deployed");
    let line = r#"routes = [{ pattern = "chat.example.com", custom_domain = true }]"#;
    assert!(world.printed().contains(line));

    // Where the note says to put it, the file takes it.
    let text = untouched()
        .text()
        .replace("[build]", &format!("{line}\n[build]"));
    assert!(Manifest::parse(&text).expect("TOML").has_routes());
}

#[tokio::test]
async fn a_build_that_fails_leaves_the_account_as_it_was() {
    let mut world = World::new();
    world.builds = false;
    deploy(&world, &with_url()).await.expect_err("no Worker");
    assert!(world.changes().is_empty());
}

#[tokio::test]
async fn without_r2_nothing_is_made_and_both_ways_on_are_told() {
    let world = World::new();
    *world.buckets.borrow_mut() = None;
    for problem in [
        deploy(&world, &with_url()).await.expect_err("no R2"),
        rehearse(&world, &with_url()).await.expect_err("no R2"),
    ] {
        let problem = problem.to_string();
        assert!(problem.contains("enable R2 in the dashboard"), "{problem}");
        assert!(problem.contains("`[[r2_buckets]]` lines"), "{problem}");
    }
    assert!(world.changes().is_empty());
    assert_eq!(*world.manifest.borrow(), untouched().text());
}

#[tokio::test]
async fn a_file_without_a_bucket_needs_no_r2() {
    let world = World::new();
    *world.buckets.borrow_mut() = None;
    *world.manifest.borrow_mut() = without_buckets().text();
    rehearse(&world, &with_url()).await.expect("rehearsed");
    deploy(&world, &with_url()).await.expect("deployed");
    assert!(!world.printed().contains("bucket"));
    assert!(
        !world
            .changes()
            .iter()
            .any(|change| change.starts_with("r2"))
    );
    assert_eq!(world.queues.borrow().len(), 4);
}

#[tokio::test]
async fn an_upgrade_makes_the_bucket_that_is_new() {
    let world = World::deployed();
    *world.buckets.borrow_mut() = Some(vec!["another".to_owned()]);
    deploy(&world, &Options::default()).await.expect("deployed");
    assert_eq!(
        world.changes(),
        [
            "r2 bucket create patchbay-media",
            "d1 migrations apply patchbay --remote",
            "deploy"
        ]
    );
}

#[tokio::test]
async fn the_gateway_is_waited_for_and_its_ailment_told() {
    let world = World::deployed();
    *world.ailments.borrow_mut() = vec!["it cannot be reached."; 3];
    deploy(&world, &Options::default()).await.expect("deployed");
    assert_eq!(world.printed().matches("cannot be reached").count(), 1);

    *world.ailments.borrow_mut() = vec!["The binding DB is missing."; HEALTH_TRIES as usize];
    let problem = deploy(&world, &Options::default())
        .await
        .expect_err("never well");
    assert!(
        problem.to_string().contains("The binding DB is missing."),
        "{problem}"
    );
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_names_every_command() {
    let world = World::new();
    rehearse(&world, &with_url()).await.expect("rehearsed");
    assert!(world.changes().is_empty());
    assert_eq!(*world.manifest.borrow(), untouched().text());
    let printed = world.printed();
    for command in [
        "npx wrangler r2 bucket create patchbay-media ",
        "npx wrangler d1 create patchbay ",
        "npx wrangler kv namespace create patchbay-CACHE ",
        "npx wrangler queues create patchbay-events-dead ",
        "npx wrangler d1 migrations apply patchbay --remote ",
        "npx wrangler deploy ",
        "npx wrangler secret bulk ",
        "npx wrangler deploy --dry-run",
    ] {
        assert!(printed.contains(command), "{command}\n{printed}");
    }
}

#[tokio::test]
async fn a_dry_run_needs_nobody_logged_in_and_no_url() {
    let mut world = World::new();
    world.login = r#"{"loggedIn":false}"#;
    world.someone_is_there = false;
    rehearse(&world, &Options::default())
        .await
        .expect("rehearsed");
    let printed = world.printed();
    assert!(printed.contains("npx wrangler login"), "{printed}");
    assert!(printed.contains("--public-url"), "{printed}");
}

#[tokio::test]
async fn a_dry_run_of_what_is_deployed_makes_nothing() {
    let world = World::deployed();
    rehearse(&world, &Options::default())
        .await
        .expect("rehearsed");
    assert!(!world.printed().contains("create"));
    assert!(!world.printed().contains("secret bulk"));
}

#[test]
fn a_public_url_is_an_origin_on_https() {
    for good in ["https://chat.example.com", " https://chat.example.com/ "] {
        assert_eq!(public_url(good).as_deref(), Ok(URL));
    }
    for bad in [
        "",
        "chat.example.com",
        "http://chat.example.com",
        "https://localhost",
        "https://127.0.0.1",
        "https://chat.example.com:8443",
        "https://me@chat.example.com",
        "https://chat.example.com/api",
        "https://chat.example.com?a=b",
        "https://chat.example.com#a",
    ] {
        assert!(public_url(bad).is_err(), "{bad}");
    }
}

#[test]
fn an_option_without_its_value_is_refused() {
    assert!(Options::parse(&["--public-url"]).is_err());
    assert!(Options::parse(&["--public-url", "http://x.example"]).is_err());
    assert!(Options::parse(&["--what"]).is_err());
    assert!(Options::parse(&["--dry-run"]).expect("options").dry_run);
}
