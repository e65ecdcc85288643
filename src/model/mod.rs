//! The vocabulary: plain values every other module speaks in. Nothing here
//! knows a provider, a database or HTTP.

pub mod access;
pub mod channel;
pub mod choice;
pub mod contact;
pub mod content;
pub mod conversation;
pub mod event;
pub mod id;
pub mod json;
pub mod message;
pub mod template;
pub mod time;
pub mod visitor;
