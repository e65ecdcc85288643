//! What the runtime takes beside time: memory under load, and its starts.

use std::time::Duration;

use reqwest::RequestBuilder;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::flow::Flow;
use super::load::{self, CLIENTS, median};
use super::scene::{self, Operation, PEOPLE, person};
use super::server::Server;
use crate::paths::Paths;
use crate::problem::Result;

#[derive(Debug, Serialize)]
pub struct Memories {
    pub patchbay: Memory,
    pub floor: Memory,
}

#[derive(Debug, Serialize)]
pub struct Memory {
    pub seconds: f64,
    pub requests: usize,
    pub before_bytes: u64,
    pub peak_bytes: u64,
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
    /// Memory of the runtime while clients send and providers post for a while: with Patchbay in it, then with the
    /// floor.
    pub async fn memory(&mut self, paths: &Paths) -> Result<Memories> {
        self.progress.step("Watching the memory under load…");
        let time = self.extent.load;
        let patchbay = under_load(&self.server, time, async |client, to| {
            if client % 2 == 0 {
                return Ok(self.scene.send(&person(to), "Loaded"));
            }
            self.scene.webhook(&[(to, "Loaded".to_owned())]).await
        });
        let patchbay = patchbay.await?;
        self.is_quiet().await?;

        let mut vars = self.sandbox.variables().to_vec();
        vars.push(("APP_SECRET", scene::APP_SECRET.to_owned()));
        let mut floor = Server::floor(paths, vars).await?;
        floor.start(paths).await?;
        let url = floor.url();
        scene::introduce(&url).await?;
        let of_floor = under_load(&floor, time, async |client, _| {
            let operation = if client % 2 == 0 {
                Operation::Native
            } else {
                Operation::Webhook(1)
            };
            self.scene.floor_request(&url, operation, client).await
        });
        Ok(Memories {
            patchbay,
            floor: of_floor.await?,
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

/// Has every client ask for so long, each time about another person, and watches the memory.
async fn under_load(
    server: &Server,
    time: Duration,
    request: impl AsyncFn(usize, usize) -> Result<RequestBuilder>,
) -> Result<Memory> {
    let before_bytes = server.resident_bytes();
    let started = Instant::now();
    let mut peak_bytes = before_bytes;
    let clients = (0..CLIENTS).map(|client| {
        let request = &request;
        async move {
            let mut requests = 0;
            while started.elapsed() < time {
                let to = (client + requests * CLIENTS) % PEOPLE;
                load::answered(request(client, to).await?).await?;
                requests += 1;
            }
            Ok(requests)
        }
    });
    let watch = async {
        loop {
            peak_bytes = peak_bytes.max(server.resident_bytes());
            sleep(Duration::from_millis(250)).await;
        }
    };
    let requests: Vec<usize> = tokio::select! {
        requests = load::all(clients) => requests?,
        () = watch => vec![],
    };
    let requests: usize = requests.iter().sum();
    let seconds = started.elapsed().as_secs_f64();
    Ok(Memory {
        seconds,
        requests,
        before_bytes,
        peak_bytes: peak_bytes.max(server.resident_bytes()),
    })
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
    send: impl AsyncFn() -> Result<RequestBuilder>,
) -> Result<[f64; 3]> {
    let (first, _) = load::answered(send().await?).await?;
    // The first is delivered meanwhile, and does not hold up the second.
    sleep(Duration::from_secs(1)).await;
    let (second, _) = load::answered(send().await?).await?;
    Ok([ready.as_secs_f64() * 1_000.0, first, second])
}
