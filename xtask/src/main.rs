//! The project's only build scripts: `cargo xtask dev`, `test`, `fuzz`, `chaos`, `bench`, `build` and `deploy`.
//!
//! A failure is one sentence that says what to do. What is started here is ended here, with everything it
//! started in turn; nothing else is touched.

#![forbid(unsafe_code)]

mod bench;
mod bundle;
mod demo;
mod deploy;
mod dev;
mod fuzz;
mod names;
mod paths;
mod problem;
mod process;
mod progress;
mod test;
mod tools;
mod wrangler;

use std::process::ExitCode;

use paths::Paths;
use problem::{Problem, Result};
use progress::Progress;

const HELP: &str = "\
The build scripts of Patchbay.

  cargo xtask dev      The gateway, the provider sandbox and demo data on this machine.
      --port N             the gateway's port (8787)
      --sandbox-port N     the sandbox's port (8790)
      --fresh              forget the local database, secrets and demo data first

  cargo xtask test     Everything CI checks, in CI's order.
      --only STEP          that step alone; may be repeated
                           (format, format-fuzz, lint, lint-wasm, native, wasm, build, e2e)

  cargo xtask fuzz     What reads webhooks, signatures and keys, against inputs made up to break it.
      --seconds N          how long each target runs (20)
      --only TARGET        that target alone; may be repeated (whatsapp, messenger, instagram, telegram, sms,
                           hub_signature, telegram_secret, twilio_signature, idempotency_key)

  cargo xtask chaos    Kills the runtime under load: nothing accepted is lost, nothing is sent twice.

  cargo xtask bench    What requests take and cost, beside a Worker that does only what cannot be left out.
      --quick              short rounds, to see that it works; nothing is kept
      --only NAME          that alone, may be repeated; nothing is kept
                           (native, visito, chatt2me, inline, whautochat, cloove, webhook-1, webhook-10,
                           webhook-100, statements, lists, flow, bill, memory, start)

  cargo xtask build    The Worker script in build/, and its size. Does nothing when nothing changed.

  cargo xtask deploy   The Worker, its database, queues and secrets, in your Cloudflare account; again to upgrade.
      --dry-run            say what would be done; needs no account
      --public-url URL     where the gateway is reached, https://…; asked for when it is not known
      --admin-token-file FILE
      --encryption-key-file FILE
                           the secrets, when nobody is at the terminal and the Worker lacks them
                           (or the environment variables ADMIN_TOKEN and ENCRYPTION_KEY)

Missing tools are installed under target/ and node_modules/, never elsewhere.
";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = tokio::select! {
        outcome = run(&arguments) => outcome,
        () = process::interrupted() => Ok(ExitCode::from(130)),
    };
    outcome.unwrap_or_else(|problem| {
        eprintln!("{problem}");
        ExitCode::FAILURE
    })
}

async fn run(arguments: &[&str]) -> Result<ExitCode> {
    let paths = Paths::of_workspace();
    match arguments {
        ["dev", options @ ..] => dev::run(&paths, dev::Options::parse(options)?).await,
        ["test", options @ ..] => test::run(&paths, test::Options::parse(options)?).await,
        ["chaos"] => test::chaos(&paths).await,
        ["bench", options @ ..] => bench::run(&paths, bench::Options::parse(options)?).await,
        ["fuzz", options @ ..] => fuzz::run(&paths, fuzz::Options::parse(options)?).await,
        ["build"] => {
            let progress = Progress::start();
            tools::ensure(&paths, &progress).await?;
            bundle::ensure(&paths, &progress).await?;
            Ok(ExitCode::SUCCESS)
        }
        ["deploy", options @ ..] => deploy::run(&paths, deploy::Options::parse(options)?).await,
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        other => Err(usage(&format!("`{}` is not a command", other.join(" ")))),
    }
}

/// What is wrong with the command line, and the help.
fn usage(what: &str) -> Problem {
    Problem::new(format!("{what}.\n\n{HELP}"))
}
