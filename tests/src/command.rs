//! Commands of the real binary that answer and end.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// What a command said, and how it ended.
#[derive(Debug)]
pub struct Answered {
    pub code: i32,
    pub output: String,
    pub errors: String,
}

impl Answered {
    /// Runs it with `input` on its standard input.
    pub(crate) fn to(mut command: Command, arguments: &[&str], input: &[u8]) -> Self {
        let mut process = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let mut stdin = process.stdin.take().expect("its input is piped");
        // It may end without reading all of it.
        let _ = stdin.write_all(input);
        drop(stdin);
        let output = process.wait_with_output().expect("it ends");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self {
            code: output.status.code().expect("no signal"),
            output: text(output.stdout),
            errors: text(output.stderr),
        }
    }
}
