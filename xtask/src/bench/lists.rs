//! Lists and searches of more and more rows, which are put straight into the database while the Worker is down.

use patchbay_sandbox::Sandbox;
use reqwest::Method;
use serde::Serialize;
use tokio::process::Command;

use super::load::{self, cost_of, percentile};
use super::scene::Scene;
use super::server::{Consumers, Server};
use super::{Extent, program};
use crate::paths::Paths;
use crate::problem::{Problem, Result};
use crate::process;
use crate::progress::Progress;

/// The seeded person whose conversation has all seeded messages.
const CONVERSATION: &str = "01800000-0000-7000-8002-000000000000";

/// One list at one size.
#[derive(Debug, Serialize)]
pub struct List {
    pub title: &'static str,
    pub rows: u64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub rows_read: f64,
    pub round_trips: f64,
}

fn lists() -> [(&'static str, String); 6] {
    [
        ("conversations", "/v1/conversations?limit=50".to_owned()),
        (
            "messages of a conversation",
            format!("/v1/conversations/{CONVERSATION}/messages?limit=50"),
        ),
        (
            "contacts, search that finds one",
            "/v1/contacts?limit=50&search=Seed0000500".to_owned(),
        ),
        (
            "contacts, search that finds a twentieth",
            "/v1/contacts?limit=50&search=teresa".to_owned(),
        ),
        (
            "conversations, search that finds one",
            "/v1/conversations?limit=50&search=Seed0000500".to_owned(),
        ),
        (
            "conversations, search that finds a twentieth",
            "/v1/conversations?limit=50&search=teresa".to_owned(),
        ),
    ]
}

pub async fn measure(
    paths: &Paths,
    progress: &Progress,
    sandbox: &Sandbox,
    extent: &Extent,
) -> Result<Vec<List>> {
    progress.step("Building what fills databases…");
    program::build(paths, "seed", &[]).await?;
    let mut server = Server::patchbay(
        paths,
        "lists",
        Consumers::Absent,
        sandbox.variables().to_vec(),
    )
    .await?;
    server.start(paths).await?;
    let scene = Scene::set(server.url(), sandbox, &["message.received"]).await?;

    let mut measured = Vec::new();
    let mut from = 0;
    for to in extent.sizes {
        progress.step(format_args!("Filling the lists up to {to} rows…"));
        server.stop();
        seed(paths, &server, &scene, from..*to).await?;
        from = *to;
        server.start(paths).await?;
        for (title, path) in lists() {
            let list = one(&scene, extent, title, &path, *to).await?;
            progress.step(format_args!(
                "  {title}: {:.1} ms, {} rows read",
                list.p50_ms, list.rows_read
            ));
            measured.push(list);
        }
    }
    Ok(measured)
}

async fn one(
    scene: &Scene,
    extent: &Extent,
    title: &'static str,
    path: &str,
    rows: u64,
) -> Result<List> {
    let page = scene.get(path).await?;
    if page["data"].as_array().is_none_or(Vec::is_empty) {
        return Err(Problem::new(format!(
            "{path} gives nothing of what was put into the database: see bench/seed.rs."
        )));
    }
    let mut latencies = Vec::new();
    let mut cost = String::new();
    for _ in 0..extent.pages {
        let (latency, told) = load::answered(scene.call(Method::GET, path)).await?;
        latencies.push(latency);
        cost = told;
    }
    Ok(List {
        title,
        rows,
        p50_ms: percentile(&latencies, 50.0),
        p99_ms: percentile(&latencies, 99.0),
        rows_read: cost_of(&cost, "read"),
        round_trips: cost_of(&cost, "d1"),
    })
}

/// Puts the rows of so many people and messages into the database of a server that is down.
pub async fn seed(
    paths: &Paths,
    server: &Server,
    scene: &Scene,
    numbers: std::ops::Range<u64>,
) -> Result<()> {
    let mut command = Command::new(paths.cargo_target().join("debug/examples/seed"));
    command
        .arg(server.database()?)
        .args([&scene.workspace, &scene.whatsapp])
        .args([numbers.start.to_string(), numbers.end.to_string()]);
    if process::run(command).await?.success() {
        return Ok(());
    }
    Err(Problem::new(
        "The database could not be filled: see what bench/seed.rs says above.",
    ))
}
