//! Webhooks: from a committed event to a signed delivery (EVENTS.md).

pub mod schedule;
pub mod sign;
pub mod worker;
