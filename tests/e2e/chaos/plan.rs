//! How hard a storm is.

use std::fmt;
use std::time::Duration;

pub struct Plan {
    pub name: &'static str,
    pub sends: usize,
    /// Of all six channels.
    pub conversations: usize,
    pub clients: usize,
    /// Of the whole runtime, with SIGKILL.
    pub kills: usize,
    /// On how many of a thousand calls a provider fails.
    pub faults_per_mille: u32,
    /// Whether cron fires.
    pub sweeps: bool,
    /// `onUnknownOutcome` of every channel.
    pub on_unknown: &'static str,
    /// How long the rest may take once all is accepted.
    pub drains_within: Duration,
}

impl Plan {
    pub fn short(name: &'static str) -> Self {
        Self {
            name,
            sends: 2_000,
            conversations: 200,
            clients: 16,
            kills: 3,
            faults_per_mille: 50,
            sweeps: true,
            on_unknown: "hold",
            drains_within: Duration::from_secs(10 * 60),
        }
    }

    pub fn whole() -> Self {
        Self {
            sends: 20_000,
            kills: 10,
            drains_within: Duration::from_secs(60 * 60),
            ..Self::short("whole")
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "storm `{}`: {} sends by {} clients in {} conversations, {} kills, {} % faults, {}, sweep {}",
            self.name,
            self.sends,
            self.clients,
            self.conversations,
            self.kills,
            f64::from(self.faults_per_mille) / 10.0,
            self.on_unknown,
            if self.sweeps { "on" } else { "off" },
        )
    }
}
