//! http

pub mod assets;
pub mod client_ip;
pub mod drain;
pub mod health;
pub mod limits;
pub mod metrics;
pub mod pages;
pub mod request_id;
mod security_headers;
pub mod server;
pub mod shell;
