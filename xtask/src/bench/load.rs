//! Clients that ask again as soon as they are answered, and what became of it.

use std::time::Duration;

use reqwest::RequestBuilder;
use serde::Serialize;
use tokio::time::Instant;

use super::server::Server;
use crate::problem::{Doing, Problem, Result};

/// How many ask at one time.
pub const CLIENTS: usize = 16;

/// One round of requests.
#[derive(Clone, Debug, Serialize)]
pub struct Round {
    pub requests: usize,
    pub per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// Of the runtime, for each request.
    pub cpu_ms: f64,
    /// `x-cost` of the last answer.
    pub cost: String,
}

/// Has every client ask until the time is over. `request` makes the request number N of a client.
pub async fn round(
    server: &Server,
    time: Duration,
    request: impl AsyncFn(usize) -> Result<RequestBuilder>,
) -> Result<Round> {
    let cpu_before = server.cpu_ms();
    let started = Instant::now();
    let clients = (0..CLIENTS).map(|client| {
        let request = &request;
        async move {
            let mut latencies = Vec::new();
            let mut cost = String::new();
            while started.elapsed() < time {
                let (latency, told) = answered(request(client).await?).await?;
                latencies.push(latency);
                cost = told;
            }
            Ok((latencies, cost))
        }
    });
    let ended = all(clients).await?;
    let elapsed_s = started.elapsed().as_secs_f64();
    let cpu_used = server.cpu_ms() - cpu_before;
    let cost = ended.iter().map(|(_, cost)| cost.clone()).next();
    let latencies: Vec<f64> = ended.into_iter().flat_map(|(all, _)| all).collect();
    let requests = latencies.len();
    Ok(Round {
        requests,
        per_second: requests as f64 / elapsed_s,
        p50_ms: percentile(&latencies, 50.0),
        p99_ms: percentile(&latencies, 99.0),
        cpu_ms: cpu_used / requests.max(1) as f64,
        cost: cost.unwrap_or_default(),
    })
}

/// Sends a request; gives the milliseconds until its answer was read, and its `x-cost`. Only a success is one.
pub async fn answered(request: RequestBuilder) -> Result<(f64, String)> {
    let started = Instant::now();
    let answer = request.send().await.doing("reach the Worker")?;
    let status = answer.status();
    let cost = answer.headers().get("x-cost").cloned();
    let body = answer.text().await.doing("read an answer")?;
    let latency_ms = started.elapsed().as_secs_f64() * 1_000.0;
    if !status.is_success() {
        return Err(Problem::new(format!(
            "A request was answered with {status}: {body}"
        )));
    }
    let cost = cost.and_then(|cost| cost.to_str().map(str::to_owned).ok());
    Ok((latency_ms, cost.unwrap_or_default()))
}

/// Runs them side by side, on this task; the first that fails ends all.
pub async fn all<T>(work: impl Iterator<Item = impl Future<Output = Result<T>>>) -> Result<Vec<T>> {
    let mut pending: Vec<_> = work.map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|context| {
        let mut is_over = true;
        for (one, ended) in &mut pending {
            if ended.is_some() {
                continue;
            }
            match one.as_mut().poll(context) {
                std::task::Poll::Ready(Ok(value)) => *ended = Some(value),
                std::task::Poll::Ready(Err(problem)) => {
                    return std::task::Poll::Ready(Err(problem));
                }
                std::task::Poll::Pending => is_over = false,
            }
        }
        if is_over {
            return std::task::Poll::Ready(Ok(()));
        }
        std::task::Poll::Pending
    })
    .await?;
    Ok(pending.into_iter().filter_map(|(_, ended)| ended).collect())
}

/// A number of `x-cost`; 0 where it is not told.
pub fn cost_of(cost: &str, name: &str) -> f64 {
    cost.split(';')
        .filter_map(|part| part.split_once('='))
        .find(|(its, _)| its.trim() == name)
        .and_then(|(_, number)| number.trim().parse().ok())
        .unwrap_or(0.0)
}

/// The value that so many percent do not exceed; 0 of none.
pub fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    let at = rank.saturating_sub(1);
    sorted.get(at).copied().unwrap_or(0.0)
}

pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    percentile(&values.collect::<Vec<_>>(), 50.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(percentile(&values, 50.0), 100.0);
        assert_eq!(percentile(&values, 99.0), 198.0);
        assert_eq!(percentile(&[], 99.0), 0.0);
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
    }

    #[test]
    fn costs_are_read_by_name() {
        let cost = "d1=1;read=40;written=7;queue=1;kv=0";
        assert_eq!(cost_of(cost, "written"), 7.0);
        assert_eq!(cost_of(cost, "r2"), 0.0);
    }
}
