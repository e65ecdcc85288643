//! What is going on, with the seconds since the start.

use tokio::time::Instant;

pub struct Progress {
    started: Instant,
}

impl Progress {
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }

    pub fn step(&self, what: impl std::fmt::Display) {
        let elapsed_s = self.started.elapsed().as_secs_f32();
        println!("→ {elapsed_s:>5.1} s  {what}");
    }
}
