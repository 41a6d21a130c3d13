//! The `standardwebhooks` libraries (npm, PyPI): how an application verifies a delivery.

use std::{
    collections::BTreeMap,
    io::Write,
    process::{Output, Stdio},
};

use serde_json::json;
use tokio::task::spawn_blocking;

use super::{node, python};
use crate::Delivery;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    JavaScript,
    Python,
}

/// Whether the library accepts all of these deliveries; what it said if not.
pub async fn verify_webhooks(
    language: Language,
    secret: &str,
    deliveries: &[Delivery],
) -> Result<(), String> {
    let recorded: Vec<_> = deliveries
        .iter()
        .map(|delivery| {
            let headers: BTreeMap<_, _> = delivery.headers.iter().cloned().collect();
            json!({"headers": headers, "body": String::from_utf8_lossy(&delivery.body)})
        })
        .collect();
    let input = json!({"secret": secret, "deliveries": recorded}).to_string();
    let mut command = match language {
        Language::JavaScript => node("verify_webhooks.cjs"),
        Language::Python => python("verify_webhooks.py"),
    };
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let run = move || -> std::io::Result<Output> {
        let mut process = command.spawn()?;
        let mut stdin = process.stdin.take().expect("its input is piped");
        stdin.write_all(input.as_bytes())?;
        drop(stdin);
        process.wait_with_output()
    };
    let output = spawn_blocking(run)
        .await
        .expect("no panic")
        .expect("the library runs");
    if output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(said.trim(), format!("{} verified", deliveries.len()));
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}
