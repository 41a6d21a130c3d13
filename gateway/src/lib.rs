//! Tenon: an enterprise SSO and SCIM connector gateway. This library is the whole service; the `tenon`
//! binary only parses its command line.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod egress;
pub mod error;
pub mod flows;
pub mod http;
pub mod ids;
pub mod model;
pub mod sandbox;
pub mod secrets;
pub mod store;
pub mod telemetry;
pub mod webhooks;

#[cfg(test)]
mod test_database;
