//! The software that customers, applications and their developers really run.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

mod application;
mod oidc_provider;
mod saml_oracle;
mod scim_tester;
mod simplesamlphp;
mod webhooks;

pub use application::{Application, Library};
pub use oidc_provider::OidcProvider;
pub use saml_oracle::SamlOracle;
pub use scim_tester::{scim_sanity, scim_tester};
pub use simplesamlphp::SimpleSamlPhp;
pub use webhooks::{Language, verify_webhooks};

/// The folder of the peers' scripts.
pub(crate) const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

/// A script for Node.js.
pub(crate) fn node(script: &str) -> Command {
    let home = home();
    let mut command = Command::new(home.join("python/bin/node"));
    command
        .arg(Path::new(SCRIPTS).join(script))
        .env("NODE_PATH", home.join("node/node_modules"));
    command
}

/// A script for Python.
pub(crate) fn python(script: &str) -> Command {
    let mut command = Command::new(home().join("python/bin/python"));
    command.arg(Path::new(SCRIPTS).join(script));
    command
}

/// The folder that `tests/peers/install` filled.
pub(crate) fn home() -> PathBuf {
    if let Some(home) = std::env::var_os("TENON_PEERS") {
        return home.into();
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let peers = cache.or(home).expect("HOME is set").join("tenon/peers");
    assert!(
        peers.is_dir(),
        "{} is missing: run tests/peers/install",
        peers.display()
    );
    peers
}
