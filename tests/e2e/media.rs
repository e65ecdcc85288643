//! Files both ways: what customers send is handed out, and what is sent reaches the providers, with nobody getting
//! a credential that is not theirs.

mod egress;
mod file;
mod hostile;
mod inbound;
mod memory;
mod outbound;
