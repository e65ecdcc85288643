//! `cargo xtask bench`: what Patchbay takes for its work, beside the least that the work can take.
//!
//! The floor (`bench/floor`) is a Worker that writes the same rows and sends the same to a queue, and does nothing
//! else. Both run on this machine, one after the other in every round, under the same clients.

mod flow;
mod lists;
mod load;
mod prices;
mod program;
mod report;
mod runtime;
mod scene;
mod server;
mod statements;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use patchbay_sandbox::Sandbox;

use self::load::Round;
use self::report::{Compared, Report};
use self::scene::{Operation, Scene};
use self::server::{Consumers, Server};
use crate::bundle;
use crate::paths::Paths;
use crate::problem::{Doing, Result};
use crate::progress::Progress;
use crate::tools;
use crate::usage;

/// What can be asked for alone, beside the operations.
const PARTS: [&str; 6] = ["statements", "lists", "flow", "bill", "memory", "start"];
/// Those that are measured with messages from end to end.
const FLOWING: &[&str] = &["flow", "bill", "memory", "start"];

pub struct Options {
    quick: bool,
    only: Vec<String>,
}

impl Options {
    pub fn parse(arguments: &[&str]) -> Result<Self> {
        let mut options = Self {
            quick: false,
            only: vec![],
        };
        let mut rest = arguments;
        loop {
            rest = match rest {
                [] => return Ok(options),
                ["--quick", more @ ..] => {
                    options.quick = true;
                    more
                }
                ["--only", name, more @ ..] if is_known(name) => {
                    options.only.push((*name).to_owned());
                    more
                }
                [other, ..] => {
                    return Err(usage(&format!(
                        "`{other}` is not an option of bench, or lacks its value"
                    )));
                }
            };
        }
    }

    fn includes(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }

    /// Only a whole run is worth keeping.
    fn is_whole(&self) -> bool {
        !self.quick && self.only.is_empty()
    }
}

fn is_known(name: &str) -> bool {
    PARTS.contains(&name) || Operation::ALL.iter().any(|(its, ..)| *its == name)
}

/// How long and how much; less of everything for a first look.
struct Extent {
    rounds: usize,
    round: Duration,
    /// Rows of the lists.
    sizes: &'static [u64],
    /// Requests for each list.
    pages: usize,
    /// Messages one by one, and at once.
    paced: usize,
    burst: usize,
    /// Messages whose cost is counted.
    billed: usize,
    load: Duration,
    starts: usize,
    /// Runs of each batch that is timed statement by statement.
    batches: usize,
}

const WHOLE: Extent = Extent {
    rounds: 8,
    round: Duration::from_secs(3),
    sizes: &[1_000, 100_000, 1_000_000],
    pages: 100,
    paced: 500,
    burst: 3_000,
    billed: 200,
    load: Duration::from_secs(60),
    starts: 5,
    batches: 2_000,
};

const QUICK: Extent = Extent {
    rounds: 2,
    round: Duration::from_millis(800),
    sizes: &[1_000, 10_000],
    pages: 10,
    paced: 60,
    burst: 300,
    billed: 10,
    load: Duration::from_secs(8),
    starts: 1,
    batches: 100,
};

/// 1. The Worker. 2. Each operation beside the floor, and the statements of its batch. 3. Lists of more and more rows.
///    4. Messages from end to end, what they cost, memory and starts. 5. The report.
pub async fn run(paths: &Paths, options: Options) -> Result<ExitCode> {
    let progress = Progress::start();
    let extent = if options.quick { QUICK } else { WHOLE };

    // 1.
    tools::ensure(paths, &progress).await?;
    bundle::ensure(paths, &progress).await?;
    let mut report = Report::of(paths, options.quick).await?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let sandbox = Sandbox::start(address).await.doing("start the sandbox")?;

    // 2.
    let operations: Vec<_> = Operation::ALL
        .into_iter()
        .filter(|(name, ..)| options.includes(name))
        .collect();
    if !operations.is_empty() {
        report.operations = compare(paths, &progress, &sandbox, &extent, &operations).await?;
    }
    if options.includes("statements") {
        report.batches = statements::measure(paths, &progress, &extent).await?;
    }

    // 3.
    if options.includes("lists") {
        report.lists = lists::measure(paths, &progress, &sandbox, &extent).await?;
    }

    // 4.
    if FLOWING.iter().any(|part| options.includes(part)) {
        let mut flow = flow::Flow::begin(paths, &progress, &sandbox, &extent).await?;
        if options.includes("flow") {
            report.flows = flow.measure().await?;
        }
        if options.includes("bill") {
            report.bill = Some(flow.bill(paths).await?);
        }
        // Last, for it may leave more behind than the local queue holds.
        if options.includes("memory") {
            report.memory = Some(flow.memory(paths).await?);
        }
        if options.includes("start") {
            report.starts = Some(flow.starts(paths).await?);
        }
    }

    // 5.
    println!("\n{}", report.tables());
    if options.is_whole() {
        report.keep(paths)?;
        progress.step("Kept in bench/results/latest.json and docs/performance.md.");
    }
    Ok(ExitCode::SUCCESS)
}

/// Each operation in rounds, the floor's and Patchbay's by turns.
async fn compare(
    paths: &Paths,
    progress: &Progress,
    sandbox: &Sandbox,
    extent: &Extent,
    operations: &[(&'static str, &'static str, Operation)],
) -> Result<Vec<Compared>> {
    progress.step("Starting Patchbay and the floor, without consumers…");
    let mut vars = sandbox.variables().to_vec();
    vars.push(("APP_SECRET", scene::APP_SECRET.to_owned()));
    vars.push(("SMS_ACCOUNT", scene::SMS_ACCOUNT.to_owned()));
    vars.push(("SMS_TOKEN", scene::SMS_TOKEN.to_owned()));
    let mut floor = Server::floor(paths, vars).await?;
    let vars = sandbox.variables().to_vec();
    let mut patchbay = Server::patchbay(paths, "requests", Consumers::Absent, vars).await?;
    floor.start(paths).await?;
    patchbay.start(paths).await?;
    let scene = Scene::set(patchbay.url(), sandbox, &["message.received"]).await?;
    let floor_url = floor.url();
    scene::introduce(&floor_url).await?;

    let mut compared = Vec::new();
    for (name, title, operation) in operations {
        progress.step(format_args!("Measuring {name}…"));
        let of_floor = async |client| scene.floor_request(&floor_url, *operation, client).await;
        let of_patchbay = async |client| scene.request(*operation, client).await;
        // Not counted: by its end channels are remembered, people known, and what is hot is compiled for good.
        load::round(&floor, extent.round, &of_floor).await?;
        load::round(&patchbay, extent.round, &of_patchbay).await?;
        let (mut at_floor, mut at_patchbay): (Vec<Round>, Vec<Round>) = (vec![], vec![]);
        for _ in 0..extent.rounds {
            at_floor.push(load::round(&floor, extent.round, &of_floor).await?);
            at_patchbay.push(load::round(&patchbay, extent.round, &of_patchbay).await?);
        }
        let one = Compared {
            name,
            title,
            floor: at_floor,
            patchbay: at_patchbay,
        };
        progress.step(format_args!("  {}", one.line()));
        compared.push(one);
    }
    Ok(compared)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_there_is_can_be_asked_for() {
        let quick = Options::parse(&["--quick", "--only", "native"]).expect("options");
        assert!(quick.includes("native") && !quick.includes("lists") && !quick.is_whole());
        assert!(Options::parse(&[]).expect("options").is_whole());
        assert!(Options::parse(&["--only", "nothing"]).is_err());
        assert!(Options::parse(&["--only"]).is_err());
    }
}
