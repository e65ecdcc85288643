//! Live deliveries, verified by the official libraries and by the code that docs/webhooks.md tells people to use.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use patchbay_sandbox::Event;
use serde_json::{Value, json};

use crate::harness::{Tenant, now_ms, person, run};

#[path = "verifying/snippet.rs"]
mod snippet;

const DOC: &str = include_str!("../../docs/webhooks.md");
const NPM: &str = "standardwebhooks@1.1.1";
const PYPI: &str = "standardwebhooks==1.1.0";

/// What a verifier is given: the secret, a webhook, and whether it is one.
struct Case {
    secret: String,
    headers: BTreeMap<String, String>,
    body: String,
    is_right: bool,
}

/// Real deliveries, and the same with one thing changed.
async fn cases() -> Vec<Case> {
    let tenant = Tenant::new().await;
    let channel = tenant.whatsapp().await;
    let url = tenant.sandbox.subscriber_url("verifying");
    let hook = json!({ "url": url, "events": ["*"] });
    let endpoint = tenant.post("/v1/webhooks", &hook).await.expect(201);
    let secret = endpoint["secret"].as_str().expect("a secret").to_owned();
    let ana = person();
    tenant
        .hears(&channel, &ana, "Olá! 👋 \"quoted\" \\ and </script>")
        .await;
    let sent = tenant.sends(&channel, &ana, "Good morning").await;
    tenant.becomes(&sent, "delivered").await;
    let patience = std::time::Duration::from_secs(10);
    let mut events = Vec::new();
    while events.len() < 4 {
        events = tenant
            .sandbox
            .wait_for_events("verifying", 0, patience)
            .await;
    }
    let mut cases = Vec::new();
    for event in events {
        let right = of(&secret, &event);
        cases.extend(broken(&right));
        cases.push(right);
    }
    cases
}

fn of(secret: &str, event: &Event) -> Case {
    Case {
        secret: secret.to_owned(),
        headers: event.headers.clone(),
        body: event.body.clone(),
        is_right: true,
    }
}

/// A webhook with one thing changed, in each way.
fn broken(right: &Case) -> Vec<Case> {
    let with = |change: &dyn Fn(&mut Case)| {
        let mut case = Case {
            secret: right.secret.clone(),
            headers: right.headers.clone(),
            body: right.body.clone(),
            is_right: false,
        };
        change(&mut case);
        case
    };
    let header = |name: &str, value: &str| {
        let (name, value) = (name.to_owned(), value.to_owned());
        with(&move |case| {
            case.headers.insert(name.clone(), value.clone());
        })
    };
    let at: i64 = right.headers["webhook-timestamp"].parse().expect("seconds");
    let mut cases = vec![
        with(&|case| case.body.push(' ')),
        with(&|case| case.body = case.body.replace("workspaceId", "workspaceid")),
        with(&|case| case.secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()),
        header("webhook-id", "another"),
        header("webhook-timestamp", &(at + 1).to_string()),
        header("webhook-timestamp", &(at - 3_600).to_string()),
        header("webhook-signature", "v1,"),
        header("webhook-signature", "v1,bm8="),
        header("webhook-signature", ""),
    ];
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        cases.push(with(&|case| {
            case.headers.remove(name);
        }));
    }
    cases
}

/// The code of a language in the page.
fn code(language: &str) -> &'static str {
    let (_, rest) = DOC
        .split_once(&format!("```{language}\n"))
        .expect("a block of code");
    rest.split_once("```").expect("its end").0
}

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("verifying");
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// Runs a verifier, which reads cases from its input and writes an array of verdicts.
fn verdicts(mut verifier: Command, cases: &[Case]) -> Vec<bool> {
    let cases: Value = cases
        .iter()
        .map(|case| json!({ "secret": case.secret, "headers": case.headers, "body": case.body }))
        .collect();
    let mut child = verifier
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the verifier starts");
    let mut input = child.stdin.take().expect("an input");
    std::io::Write::write_all(&mut input, cases.to_string().as_bytes()).expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{verifier:?}");
    serde_json::from_slice(&output.stdout).expect("verdicts")
}

#[track_caller]
fn agree(who: &str, verdicts: &[bool], cases: &[Case]) {
    assert_eq!(verdicts.len(), cases.len());
    for (verdict, case) in verdicts.iter().zip(cases) {
        let Case {
            headers,
            body,
            is_right,
            ..
        } = case;
        assert_eq!(verdict, is_right, "{who}: {headers:?} {body}");
    }
}

fn node(script: &Path) -> Command {
    let node = std::env::var_os("PATCHBAY_NODE").map_or_else(|| "node".into(), PathBuf::from);
    let mut command = Command::new(node);
    command.arg(script);
    command
}

/// Python is on most machines; where it is not, its part is left out, and that is said.
fn python() -> Option<Command> {
    let is_there = Command::new("python3").arg("--version").output().is_ok();
    if !is_there {
        println!("python3 is not here: what it would verify is left out");
    }
    is_there.then(|| Command::new("python3"))
}

#[test]
fn the_official_libraries_and_the_documented_code_verify_live_deliveries() {
    run(async {
        let cases = cases().await;
        let folder = folder();
        let write = |name: &str, text: &str| {
            let file = folder.join(name);
            std::fs::write(&file, text).expect("a file");
            file
        };

        // JavaScript: the page's code, and npm's library.
        let script = format!(
            "{}\nconst cases = JSON.parse(await new Response(process.stdin).text());\n\
             console.log(JSON.stringify(cases.map((it) => verify(it.secret, it.headers, it.body))));\n",
            code("js")
        );
        let documented = write("documented.mjs", &script);
        agree(
            "the page's JavaScript",
            &verdicts(node(&documented), &cases),
            &cases,
        );
        if !folder.join("node_modules/standardwebhooks").exists() {
            let mut npm = Command::new("npm");
            npm.args([
                "install",
                "--no-audit",
                "--no-fund",
                "--loglevel=error",
                NPM,
            ]);
            let installed = npm
                .current_dir(&folder)
                .arg("--prefix")
                .arg(&folder)
                .status();
            assert!(
                installed.expect("npm").success(),
                "npm install {NPM} failed"
            );
        }
        let official = write(
            "official.cjs",
            "const { Webhook } = require('standardwebhooks');\n\
             const holds = (it) => { try { new Webhook(it.secret).verify(it.body, it.headers); return true; } catch { return false; } };\n\
             let text = ''; process.stdin.on('data', (part) => text += part);\n\
             process.stdin.on('end', () => console.log(JSON.stringify(JSON.parse(text).map(holds))));\n",
        );
        agree("npm's library", &verdicts(node(&official), &cases), &cases);

        // Python: the same two.
        if let Some(mut python) = python() {
            let script = format!(
                "import json, sys\n{}\nprint(json.dumps([verify(it['secret'], it['headers'], it['body'].encode()) \
                 for it in json.load(sys.stdin)]))\n",
                code("python")
            );
            python.arg(write("documented.py", &script));
            agree("the page's Python", &verdicts(python, &cases), &cases);
            let packages = folder.join("python");
            if !packages.join("standardwebhooks").exists() {
                let mut pip = Command::new("python3");
                pip.args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                ]);
                pip.args(["--root-user-action=ignore", "--target"]);
                let installed = pip.arg(&packages).arg(PYPI).status();
                assert!(
                    installed.expect("pip").success(),
                    "pip install {PYPI} failed"
                );
            }
            let official = write(
                "official.py",
                "import json, sys\nfrom standardwebhooks import Webhook\n\
                 def holds(it):\n    try:\n        Webhook(it['secret']).verify(it['body'], it['headers'])\n        return True\n\
                 \x20   except Exception:\n        return False\n\
                 print(json.dumps([holds(it) for it in json.load(sys.stdin)]))\n",
            );
            let mut python = Command::new("python3");
            python.env("PYTHONPATH", &packages).arg(official);
            agree("PyPI's library", &verdicts(python, &cases), &cases);
        }

        // Rust: the page's code is that of the module here. (Every subscriber of these tests
        // verifies with the crate.)
        assert_eq!(code("rust"), include_str!("verifying/snippet.rs"));
        let rust: Vec<bool> = cases.iter().map(by_snippet).collect();
        agree("the page's Rust", &rust, &cases);
    });
}

fn by_snippet(case: &Case) -> bool {
    let header = |name: &str| case.headers.get(name).map_or("", String::as_str);
    let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let now = now_ms() / 1_000;
    snippet::verify(&case.secret, names.map(header), case.body.as_bytes(), now)
}
