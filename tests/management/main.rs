//! The management API: what every client of it relies on.

mod bad_input;
mod conventions;
