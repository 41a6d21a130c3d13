//! Webhooks: from a committed event to a signed delivery (EVENTS.md).

pub mod attempt;
mod disable;
mod gate;
mod recorder;
mod retry;
pub mod schedule;
pub mod sign;
pub mod target;
mod turn;
mod worker;

pub use worker::{Worker, deliver_due, run};
