//! The whole product as its users meet it: the Worker under wrangler, the provider sandbox beside it, HTTP in between.
//!
//! `cargo xtask test --only e2e` builds the Worker and runs these.

mod changes;
mod chaos;
mod content;
mod costs;
mod dead_letters;
mod durability;
mod faults;
mod harness;
mod idempotency;
mod identity;
mod isolation;
mod media;
mod ordering;
mod receiving;
mod refusals;
mod reports;
mod schedules;
mod sending;
mod silence;
mod subscribing;
mod surfaces;
mod verifying;
mod webchat;
