//! The testers of SCIM servers: `scim2-tester` and `scim-sanity` (PyPI).

use serde_json::Value;
use tokio::task::spawn_blocking;

use super::python;
use crate::text;

/// Runs every check of `scim2-tester` against a directory just created. Panics with its output if one fails.
pub async fn scim_tester(directory: &Value) -> String {
    check("scim_tester.py", directory).await
}

/// The same by `scim-sanity`.
pub async fn scim_sanity(directory: &Value) -> String {
    check("scim_sanity_probe.py", directory).await
}

async fn check(script: &'static str, directory: &Value) -> String {
    let mut command = python(script);
    command
        .arg(text(&directory["scim"]["base_url"]))
        .arg(text(&directory["scim"]["bearer_token"]));
    let output = spawn_blocking(move || command.output())
        .await
        .expect("no panic");
    let output = output.expect("Python runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}:\n{said}{complained}");
    said
}
