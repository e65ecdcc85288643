//! What the runtime takes beside time: memory under load, and its starts.

use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::flow::Flow;
use super::load::{self, CLIENTS, median};
use super::scene::{self, Operation, PEOPLE, person};
use super::server::Server;
use crate::paths::Paths;
use crate::problem::Result;

#[derive(Debug, Serialize)]
pub struct Memory {
    pub seconds: f64,
    pub requests_per_second: f64,
    pub before_bytes: u64,
    pub peak_bytes: u64,
    pub after_bytes: u64,
}

/// Medians, in milliseconds.
#[derive(Debug, Serialize)]
pub struct Starts {
    pub patchbay: Start,
    pub floor: Start,
}

#[derive(Debug, Serialize)]
pub struct Start {
    /// From the start of wrangler to the first 200 of `/healthz`.
    pub ready_ms: f64,
    pub first_send_ms: f64,
    pub second_send_ms: f64,
}

impl Flow<'_> {
    /// The runtime's memory while clients send and providers post for a while.
    pub async fn memory(&mut self) -> Result<Memory> {
        self.progress.step("Watching the memory under load…");
        let before_bytes = self.server.resident_bytes();
        let time = self.extent.load;
        let started = Instant::now();
        let mut peak_bytes = before_bytes;
        let clients = (0..CLIENTS).map(async |client| {
            let mut requests = 0;
            while started.elapsed() < time {
                let to = (client + requests * CLIENTS) % PEOPLE;
                let request = if client % 2 == 0 {
                    self.scene.send(&person(to), "Loaded")
                } else {
                    self.scene.webhook(&[(to, "Loaded".to_owned())]).await?
                };
                load::answered(request).await?;
                requests += 1;
            }
            Ok(requests)
        });
        let watch = async {
            loop {
                peak_bytes = peak_bytes.max(self.server.resident_bytes());
                sleep(Duration::from_millis(250)).await;
            }
        };
        let requests: Vec<usize> = tokio::select! {
            requests = load::all(clients) => requests?,
            () = watch => vec![],
        };
        let requests: usize = requests.iter().sum();
        let seconds = started.elapsed().as_secs_f64();
        self.is_quiet().await?;
        let after_bytes = self.server.resident_bytes();
        Ok(Memory {
            seconds,
            requests_per_second: requests as f64 / seconds,
            before_bytes,
            peak_bytes: peak_bytes.max(after_bytes),
            after_bytes,
        })
    }

    /// Starts Patchbay and the floor anew, and has each send twice.
    pub async fn starts(&mut self, paths: &Paths) -> Result<Starts> {
        self.progress.step("Measuring starts…");
        let vars = self.sandbox.variables().to_vec();
        let mut floor = Server::floor(paths, vars).await?;
        floor.start(paths).await?;
        let url = floor.url();
        scene::introduce(&url).await?;
        let (mut of_patchbay, mut of_floor) = (vec![], vec![]);
        for _ in 0..self.extent.starts {
            self.server.stop();
            let ready = self.server.start(paths).await?;
            let send = async || Ok(self.scene.send(&person(1), "Started"));
            of_patchbay.push(start(ready, send).await?);
            floor.stop();
            let ready = floor.start(paths).await?;
            let send = async || self.scene.floor_request(&url, Operation::Native, 0).await;
            of_floor.push(start(ready, send).await?);
        }
        Ok(Starts {
            patchbay: Start::of(&of_patchbay),
            floor: Start::of(&of_floor),
        })
    }
}

impl Start {
    fn of(starts: &[[f64; 3]]) -> Self {
        let middle = |at: usize| median(starts.iter().map(|start| start[at]));
        Self {
            ready_ms: middle(0),
            first_send_ms: middle(1),
            second_send_ms: middle(2),
        }
    }
}

/// The time to be ready, of the first send and of the second.
async fn start(
    ready: Duration,
    send: impl AsyncFn() -> Result<reqwest::RequestBuilder>,
) -> Result<[f64; 3]> {
    let (first, _) = load::answered(send().await?).await?;
    // The first is delivered meanwhile, and does not hold up the second.
    sleep(Duration::from_secs(1)).await;
    let (second, _) = load::answered(send().await?).await?;
    Ok([ready.as_secs_f64() * 1_000.0, first, second])
}
