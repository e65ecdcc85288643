//! What use-case tests stand on: the real SQL on SQLite under D1's limits, a
//! provider that answers by script, a clock that moves when told.

#![expect(
    clippy::enum_variant_names,
    clippy::wrong_self_convention,
    reason = "an answer that never came is no other; `from_meta` says who posts"
)]

pub mod chatt2me;
pub mod contents;
pub mod contract;
pub mod hostile;
pub mod outgoing;
pub mod payloads;
pub mod sqlite;
pub mod templates;
pub mod world;

pub use sqlite::Fault;
pub use world::{Answer, World};
