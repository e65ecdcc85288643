//! Patchbay: one HTTP API, one inbox and one webhook format over many messaging
//! channels, on Cloudflare Workers.
//!
//! `model` ← `channel`, `store`, `webhook` ← `gateway` ← `api` ← `platform`. Only
//! `platform` knows the Workers runtime; everything else is plain values and
//! runs, and is tested, anywhere.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::wildcard_enum_match_arm
    )
)]

pub mod api;
pub mod channel;
pub mod gateway;
pub mod model;
#[cfg(all(target_arch = "wasm32", feature = "runtime"))]
mod platform;
pub mod store;
pub mod webhook;
