//! What was measured: as JSON in `bench/results/latest.json`, and as tables in `docs/performance.md`.

use std::fmt::Write;

use chrono::Utc;
use serde::Serialize;
use tokio::process::Command;

use super::flow::{Bill, Way};
use super::lists::List;
use super::load::{CLIENTS, Round, cost_of, median};
use super::prices::{Month, Units, month};
use super::runtime::{Memories, Memory, Starts};
use super::statements::{Batch, Timed};
use crate::bundle;
use crate::paths::Paths;
use crate::problem::{Doing, Problem, Result};
use crate::process;

const RESULTS: &str = "bench/results/latest.json";
const PAGE: &str = "docs/performance.md";
/// Between these lines the page is written by the command.
const BEGIN: &str = "<!-- measured: begin -->";
const END: &str = "<!-- measured: end -->";
/// Messages a month that a bill is made for, in millions.
const MILLIONS: [f64; 3] = [1.0, 10.0, 100.0];

#[derive(Debug, Serialize)]
pub struct Report {
    pub date: String,
    pub quick: bool,
    pub machine: Machine,
    pub script_gzipped_bytes: u64,
    pub clients: usize,
    pub operations: Vec<Compared>,
    pub batches: Vec<Batch>,
    pub lists: Vec<List>,
    pub flows: Vec<Way>,
    pub bill: Option<Bill>,
    pub memory: Option<Memories>,
    pub starts: Option<Starts>,
}

#[derive(Debug, Serialize)]
pub struct Machine {
    processor: String,
    cores: usize,
    memory_bytes: u64,
    kernel: String,
    wrangler: String,
    workerd: String,
}

/// An operation beside the floor, in rounds.
#[derive(Debug, Serialize)]
pub struct Compared {
    pub name: &'static str,
    pub title: &'static str,
    pub floor: Vec<Round>,
    pub patchbay: Vec<Round>,
}

impl Compared {
    fn medians(&self, of: impl Fn(&Round) -> f64) -> (f64, f64) {
        let middle = |rounds: &[Round]| median(rounds.iter().map(&of));
        (middle(&self.floor), middle(&self.patchbay))
    }

    /// A number of the last answers' `x-cost`: the floor's and Patchbay's.
    fn costs(&self, name: &str) -> String {
        let last = |rounds: &[Round]| {
            rounds
                .last()
                .map_or(0.0, |round| cost_of(&round.cost, name))
        };
        format!("{:.0}, {:.0}", last(&self.floor), last(&self.patchbay))
    }

    /// For the terminal.
    pub fn line(&self) -> String {
        let (floor, patchbay) = self.medians(|round| round.per_second);
        format!(
            "{patchbay:.0}/s of {floor:.0}/s: {:.2}",
            ratio(patchbay, floor)
        )
    }
}

impl Report {
    /// A report of this machine, still empty.
    pub async fn of(paths: &Paths, quick: bool) -> Result<Self> {
        Ok(Self {
            date: Utc::now().format("%Y-%m-%d").to_string(),
            quick,
            machine: Machine::this(paths).await?,
            script_gzipped_bytes: bundle::compressed_bytes(paths)?,
            clients: CLIENTS,
            operations: vec![],
            batches: vec![],
            lists: vec![],
            flows: vec![],
            bill: None,
            memory: None,
            starts: None,
        })
    }

    pub fn keep(&self, paths: &Paths) -> Result<()> {
        let json = serde_json::to_string_pretty(self).doing("write down the results")?;
        let file = paths.root.join(RESULTS);
        let folder = paths.root.join("bench/results");
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&file, json + "\n"))
            .doing(format_args!("write {RESULTS}"))?;
        let page = paths.root.join(PAGE);
        let text = std::fs::read_to_string(&page).doing(format_args!("read {PAGE}"))?;
        let written = between_markers(&text, &self.tables())?;
        std::fs::write(&page, written).doing(format_args!("write {PAGE}"))
    }

    /// Markdown of all that was measured.
    pub fn tables(&self) -> String {
        let mut parts = vec![self.machine_line()];
        if !self.operations.is_empty() {
            parts.push(self.operations_table());
        }
        if !self.batches.is_empty() {
            parts.push("### Where a batch's time goes".to_owned());
            parts.extend(self.batches.iter().map(batch_table));
        }
        if !self.lists.is_empty() {
            parts.push(self.lists_table());
        }
        if !self.flows.is_empty() {
            parts.push(self.flows_table());
        }
        if let Some(starts) = &self.starts {
            parts.push(starts_table(starts));
        }
        parts.extend(self.memory.as_ref().map(memory_table));
        if let Some(bill) = &self.bill {
            parts.push(units_table(bill));
            parts.push(months_table(bill));
        }
        parts.join("\n\n")
    }

    fn machine_line(&self) -> String {
        let Machine {
            processor,
            cores,
            memory_bytes,
            kernel,
            wrangler,
            workerd,
        } = &self.machine;
        format!(
            "{}. {cores} cores of {processor}, {:.0} GB of memory, Linux {kernel}; wrangler {wrangler}, workerd {workerd}. \
             The script weighs {} KiB gzipped, of {} KiB that it may.",
            self.date,
            *memory_bytes as f64 / 1e9,
            self.script_gzipped_bytes.div_ceil(1024),
            bundle::BUDGET_BYTES / 1024,
        )
    }

    fn operations_table(&self) -> String {
        let head = [
            "operation",
            "floor /s",
            "Patchbay /s",
            "ratio",
            "floor p50, p99 ms",
            "Patchbay p50, p99 ms",
            "p99 ratio",
            "CPU ms, floor",
            "CPU ms, Patchbay",
            "rows read, both",
            "rows written, both",
        ];
        let rows = self.operations.iter().map(|one| {
            let speed = one.medians(|round| round.per_second);
            let p50 = one.medians(|round| round.p50_ms);
            let p99 = one.medians(|round| round.p99_ms);
            let cpu = one.medians(|round| round.cpu_ms);
            vec![
                one.title.to_owned(),
                format!("{:.0}", speed.0),
                format!("{:.0}", speed.1),
                format!("{:.2}", ratio(speed.1, speed.0)),
                format!("{:.1}, {:.1}", p50.0, p99.0),
                format!("{:.1}, {:.1}", p50.1, p99.1),
                format!("{:.2}", ratio(p99.1, p99.0)),
                format!("{:.2}", cpu.0),
                format!("{:.2}", cpu.1),
                one.costs("read"),
                one.costs("written"),
            ]
        });
        format!("### Beside the floor\n\n{}", table(&head, rows))
    }

    fn lists_table(&self) -> String {
        let head = [
            "list",
            "rows",
            "p50 ms",
            "p99 ms",
            "rows read",
            "round trips",
        ];
        let rows = self.lists.iter().map(|list| {
            vec![
                list.title.to_owned(),
                grouped(list.rows),
                format!("{:.1}", list.p50_ms),
                format!("{:.1}", list.p99_ms),
                format!("{:.0}", list.rows_read),
                format!("{:.0}", list.round_trips),
            ]
        });
        format!("### Lists and searches\n\n{}", table(&head, rows))
    }

    fn flows_table(&self) -> String {
        let head = ["", "p50 ms", "p95 ms", "p99 ms", "drained /s"];
        let rows = self.flows.iter().map(|way| {
            vec![
                way.title.to_owned(),
                format!("{:.0}", way.p50_ms),
                format!("{:.0}", way.p95_ms),
                format!("{:.0}", way.p99_ms),
                format!("{:.0}", way.drained_per_second),
            ]
        });
        format!("### From end to end\n\n{}", table(&head, rows))
    }
}

/// One batch, statement by statement, and all of it.
fn batch_table(batch: &Batch) -> String {
    let head = ["statement", "µs", "share", "VM steps"];
    let sum = |of: fn(&Timed) -> f64| batch.statements.iter().map(of).sum::<f64>();
    let (us, steps) = (sum(|timed| timed.us), sum(|timed| timed.steps));
    let line = |name: &str, its_us: f64, its_steps: f64| {
        vec![
            name.to_owned(),
            format!("{its_us:.1}"),
            format!("{:.0} %", 100.0 * ratio(its_us, us)),
            format!("{its_steps:.0}"),
        ]
    };
    let statements = batch.statements.iter();
    let rows = statements
        .map(|timed| line(&timed.statement, timed.us, timed.steps))
        .chain([line("in all", us, steps)]);
    format!("{}:\n\n{}", capitalized(&batch.title), table(&head, rows))
}

fn starts_table(starts: &Starts) -> String {
    let head = ["", "ready ms", "first send ms", "second send ms"];
    let rows = [("floor", &starts.floor), ("Patchbay", &starts.patchbay)].map(|(name, start)| {
        vec![
            name.to_owned(),
            format!("{:.0}", start.ready_ms),
            format!("{:.1}", start.first_send_ms),
            format!("{:.1}", start.second_send_ms),
        ]
    });
    format!("### Starts\n\n{}", table(&head, rows.into_iter()))
}

fn memory_table(memories: &Memories) -> String {
    let mib = |bytes: u64| bytes / 1024 / 1024;
    let row = |name: &str, memory: &Memory| {
        let grown = memory.peak_bytes.saturating_sub(memory.before_bytes);
        format!(
            "| {name} | {:.0} | {} | {} | {} | {:.0} |",
            memory.seconds,
            memory.requests,
            mib(memory.before_bytes),
            mib(memory.peak_bytes),
            grown as f64 / 1024.0 / memory.requests.max(1) as f64,
        )
    };
    format!(
        "### Memory\n\n| workerd with | seconds of load | requests | MiB before | MiB at the most | KiB a request |\n\
         |---|---:|---:|---:|---:|---:|\n{}\n{}",
        row("floor", &memories.floor),
        row("Patchbay", &memories.patchbay),
    )
}

fn units_table(bill: &Bill) -> String {
    let head = [
        "a message",
        "requests",
        "consumer runs",
        "rows read",
        "rows written",
        "queue operations",
        "KV operations",
        "CPU ms",
    ];
    let line = |name: &str, units: &Units| {
        vec![
            name.to_owned(),
            format!("{:.1}", units.requests),
            format!("{:.1}", units.invocations),
            format!("{:.1}", units.rows_read),
            format!("{:.1}", units.rows_written),
            format!("{:.1}", units.queue_operations()),
            format!("{:.1}", units.kv_operations),
            format!("{:.1}", units.cpu_ms),
        ]
    };
    let rows = [line("out", &bill.outbound), line("in", &bill.inbound)];
    format!(
        "### What a message costs\n\n{}\n\nA message of either kind, with its events and their deliveries, takes {:.0} bytes of the database.",
        table(&head, rows.into_iter()),
        bill.stored_bytes
    )
}

fn months_table(bill: &Bill) -> String {
    let head = [
        "messages a month",
        "requests",
        "CPU",
        "rows read",
        "rows written",
        "queues",
        "storage",
        "in all",
    ];
    let line = |name: String, month: Month| {
        let dollars = |amount: f64| format!("${amount:.2}");
        vec![
            name,
            dollars(month.requests),
            dollars(month.cpu),
            dollars(month.rows_read),
            dollars(month.rows_written),
            dollars(month.queues),
            dollars(month.storage),
            dollars(month.total),
        ]
    };
    let both = bill.outbound.and(bill.inbound);
    let rows = MILLIONS.into_iter().flat_map(|millions| {
        let times = millions * 1e6;
        let stored = times * bill.stored_bytes;
        [
            line(
                format!("{millions} million out"),
                month(&bill.outbound, times, stored),
            ),
            line(
                format!("{millions} million out, {millions} million in"),
                month(&both, times, 2.0 * stored),
            ),
        ]
    });
    format!("### What a month costs\n\n{}", table(&head, rows))
}

fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = format!("| {} |\n|", head.join(" | "));
    for at in 0..head.len() {
        text.push_str(if at == 0 { "---|" } else { "---:|" });
    }
    for row in rows {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n| {} |", row.join(" | "));
    }
    text
}

/// With a capital at its beginning.
fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn ratio(one: f64, other: f64) -> f64 {
    if other == 0.0 { 0.0 } else { one / other }
}

/// 1000000 as `1,000,000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The page with what stands between its markers replaced.
fn between_markers(page: &str, content: &str) -> Result<String> {
    let parts = page.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    });
    let (before, after) = parts.ok_or_else(|| {
        Problem::new(format!(
            "{PAGE} lacks the lines {BEGIN} and {END}: restore it from git."
        ))
    })?;
    Ok(format!("{before}{BEGIN}\n\n{content}\n\n{END}{after}"))
}

impl Machine {
    async fn this(paths: &Paths) -> Result<Self> {
        let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let value = line.map(|rest| rest.trim_start_matches([' ', '\t', ':']).trim());
            value.unwrap_or("unknown").to_owned()
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let kib: u64 = memory
            .split_whitespace()
            .next()
            .and_then(|kib| kib.parse().ok())
            .unwrap_or(0);
        let mut workerd = Command::new(paths.npm_bin("workerd"));
        workerd.arg("--version").env("PATH", paths.search_path()?);
        let mut wrangler = crate::wrangler::command(paths);
        wrangler.arg("--version");
        Ok(Self {
            processor: field(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_bytes: kib * 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            wrangler: process::output(wrangler).await?.trim().to_owned(),
            workerd: process::output(workerd)
                .await?
                .trim()
                .trim_start_matches("workerd ")
                .to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_keeps_what_stands_around_the_tables() {
        let page = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let once = between_markers(&page, "new").expect("markers");
        assert!(once.starts_with("before\n") && once.ends_with("\nafter\n"));
        assert!(once.contains("new") && !once.contains("old"));
        assert_eq!(between_markers(&once, "new").expect("markers"), once);
        assert!(between_markers("nothing", "new").is_err());
    }

    #[test]
    fn a_table_is_markdown() {
        let rows = [vec!["a".to_owned(), grouped(1_000_000)]];
        let text = table(&["list", "rows"], rows.into_iter());
        assert_eq!(text, "| list | rows |\n|---|---:|\n| a | 1,000,000 |");
    }

    #[test]
    fn a_batch_is_shown_with_the_shares_of_its_statements() {
        let batch = Batch {
            title: "accepted send".to_owned(),
            statements: [("message", 30.04, 210.0), ("commit", 10.0, 3.0)]
                .map(|(statement, us, steps)| Timed {
                    statement: statement.to_owned(),
                    us,
                    steps,
                })
                .into(),
        };
        assert_eq!(
            batch_table(&batch),
            "Accepted send:\n\n\
             | statement | µs | share | VM steps |\n|---|---:|---:|---:|\n\
             | message | 30.0 | 75 % | 210 |\n\
             | commit | 10.0 | 25 % | 3 |\n\
             | in all | 40.0 | 100 % | 213 |"
        );
    }
}
