//! `scim2-tester` (PyPI).

use serde_json::Value;
use tokio::task::spawn_blocking;

use super::python;
use crate::text;

/// Runs every check against a directory just created. Panics with its output if one fails.
pub async fn scim_tester(directory: &Value) -> String {
    let mut command = python("scim_tester.py");
    command
        .arg(text(&directory["scim"]["base_url"]))
        .arg(text(&directory["scim"]["bearer_token"]));
    let output = spawn_blocking(move || command.output())
        .await
        .expect("no panic");
    let output = output.expect("Python runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "scim2-tester:\n{said}{complained}");
    said
}
