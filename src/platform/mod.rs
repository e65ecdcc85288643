//! The Workers runtime: what it hands over becomes plain values, and the gateway
//! does the rest. No handler may panic: that fails the requests running beside it.

mod bucket;
mod config;
mod cost;
mod d1;
mod fetch;
mod log;
mod ports;
mod queue;
mod stream;
mod timer;
mod wire;

use crate::api;
use crate::gateway::Gateway;
use bytes::Bytes;
use config::Isolate;
use http::{HeaderValue, Method, Request, Response};
use ports::Runtime;
use serde_json::json;
use std::rc::Rc;
use worker::web_sys::ReadableStream;
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
    let Some(read) = wire::request(&request).await else {
        return Ok(wire::response(&wire::bad_request(), None)?);
    };
    let is_unread = api::is_streamed(read.method(), read.uri().path());
    let body = request.body().filter(|_| is_unread);
    let (response, stream) = answer(read, body, env).await;
    Ok(wire::response(&response, stream)?)
}

/// The answer, and its body where that is still on its way.
async fn answer(
    request: Request<Bytes>,
    body: Option<ReadableStream>,
    env: Env,
) -> (Response<Bytes>, Option<ReadableStream>) {
    let isolate = match Isolate::get(&env) {
        Ok(isolate) => isolate,
        Err(problems) => {
            let (now, random) = ports::now_and_random();
            let response = api::misconfigured(&problems, &request, now, random);
            return (response, None);
        }
    };
    let gateway = gateway(env, &isolate);
    gateway.ports.hold(body);
    let is_head = request.method() == Method::HEAD;
    let mut response = api::handle(&gateway, request).await;
    if isolate.shows_cost
        && let Ok(cost) = HeaderValue::try_from(gateway.ports.cost().to_string())
    {
        response.headers_mut().insert("x-cost", cost);
    }
    let stream = gateway.ports.answered().filter(|_| !is_head);
    (response, stream)
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
