//! The Workers runtime: what it hands over becomes plain values, and the gateway
//! does the rest. No handler may panic: that fails the requests running beside it.

mod config;
mod cost;
mod d1;
mod fetch;
mod log;
mod ports;
mod queue;
mod timer;
mod wire;

use crate::api;
use crate::gateway::Gateway;
use bytes::Bytes;
use config::Isolate;
use http::{HeaderValue, Request, Response};
use ports::Runtime;
use serde_json::json;
use std::rc::Rc;
use worker::{Context, Env, MessageBatch, ScheduleContext, ScheduledEvent, event, web_sys};

/// Makes a panic readable in the logs, should there be one.
#[event(start)]
fn start() {
    console_error_panic_hook::set_once();
}

#[event(fetch)]
async fn fetch(
    request: web_sys::Request,
    env: Env,
    _context: Context,
) -> worker::Result<web_sys::Response> {
    let response = match wire::request(&request).await {
        Some(request) => answer(request, env).await,
        None => wire::bad_request(),
    };
    Ok(wire::response(&response)?)
}

async fn answer(request: Request<Bytes>, env: Env) -> Response<Bytes> {
    let isolate = match Isolate::get(&env) {
        Ok(isolate) => isolate,
        Err(problems) => {
            let (now, random) = ports::now_and_random();
            return api::misconfigured(&problems, &request, now, random);
        }
    };
    let gateway = gateway(env, &isolate);
    let mut response = api::handle(&gateway, request).await;
    if isolate.shows_cost
        && let Ok(cost) = HeaderValue::try_from(gateway.ports.cost().to_string())
    {
        response.headers_mut().insert("x-cost", cost);
    }
    response
}

/// Returns `Ok` whatever happens: an error would end the instance.
#[event(queue)]
async fn queue(batch: MessageBatch<String>, env: Env, _context: Context) -> worker::Result<()> {
    match Isolate::get(&env) {
        Ok(isolate) => queue::consume(&batch, &gateway(env, &isolate)).await,
        Err(problems) => {
            log::line("misconfigured", &json!({ "problems": problems }));
            queue::retry_all(&batch);
        }
    }
    Ok(())
}

/// Awaited, so that the runtime keeps the instance until it is done.
#[event(scheduled)]
async fn scheduled(_event: ScheduledEvent, env: Env, _context: ScheduleContext) {
    match Isolate::get(&env) {
        Ok(isolate) => gateway(env, &isolate).sweep().await,
        Err(problems) => log::line("misconfigured", &json!({ "problems": problems })),
    }
}

/// The gateway of one invocation. Its ports end with it: the runtime cancels what
/// another invocation began.
fn gateway(env: Env, isolate: &Isolate) -> Gateway<Runtime> {
    Gateway::new(
        Runtime::new(env, isolate.rate_limit_per_minute),
        Rc::clone(&isolate.config),
        Rc::clone(&isolate.memory),
    )
}
