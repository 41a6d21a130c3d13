//! The harness of the integration tests.
//!
//! A test starts the real `tenon` binary on a free loopback port ([`Tenon`]), on SQLite or, with
//! `TEST_DATABASE=postgres`, on PostgreSQL, and meets it from outside only: as the management API's client
//! ([`Api`]), as a person's browser ([`UserAgent`], or [`Chromium`] where scripts and pixels matter), as a
//! receiver of webhooks ([`Sink`]), and through the software that customers and applications really run
//! ([`peers`]). `tests/peers/install` puts that software on the machine; `make test` calls it.

mod api;
mod chromium;
mod client_key;
mod command;
mod database;
mod dice;
mod guarded;
mod in_process;
mod metadata_host;
mod name_server;
mod page;
pub mod peers;
mod practice_idp;
mod relying_party;
mod replay;
mod served;
mod sink;
mod tenon;
mod trap;
mod user_agent;

pub use api::{Answer, Api, text};
pub use chromium::Chromium;
pub use client_key::ClientKey;
pub use command::Answered;
pub use database::{Database, DatabaseKind};
pub use dice::Dice;
pub use in_process::{InProcess, MovedClock};
pub use metadata_host::MetadataHost;
pub use name_server::NameServer;
pub use page::{Form, Page};
pub use practice_idp::Idp;
pub use relying_party::{RelyingParty, claims};
pub use replay::events_tell_the_state;
pub use served::{Gateway, Served};
pub use sink::{Delivery, Sink};
pub use tenon::{API_KEY, Tenon, tenon};
pub use trap::Trap;
pub use user_agent::UserAgent;

/// Longer than anything takes on a busy machine, the first retry of a delivery included: what a test waits this
/// long for is not coming.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(90);
