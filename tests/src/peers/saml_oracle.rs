//! python3-saml (PyPI), node-saml (npm) and bergshamra (by its wheel on PyPI): other readers of the responses that we accept.

use std::{
    collections::BTreeMap,
    io::Write,
    process::{Command, Stdio},
};

use serde_json::Value;
use tokio::task::spawn_blocking;

use super::{node, python};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SamlOracle {
    Bergshamra,
    NodeSaml,
    Python3Saml,
}

impl SamlOracle {
    /// What it says of each response: `subject`, or the `error` for which it can't read it. The cases are as the
    /// scripts want them.
    pub async fn read(self, cases: &Value) -> BTreeMap<String, Value> {
        let command = match self {
            Self::Bergshamra => python("bergshamra_oracle.py"),
            Self::NodeSaml => node("saml_oracle.cjs"),
            Self::Python3Saml => python("saml_oracle.py"),
        };
        let input = cases.to_string();
        spawn_blocking(move || run(command, &input))
            .await
            .expect("no panic")
    }
}

fn run(mut command: Command, input: &str) -> BTreeMap<String, Value> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = command.stderr(Stdio::piped()).spawn().expect("a process");
    let mut stdin = process.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let output = process.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}
