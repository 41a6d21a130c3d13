//! A helper process that ends with its standard input.
//!
//! Every script of `tests/peers` says `listening on URL` once it serves, and exits when its standard input is
//! closed. The pipe's other end is ours, so however the test process ends, no helper stays behind.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
};

use serde_json::Value;
use tokio::{sync::mpsc, time::timeout};

use crate::PATIENCE;

pub(crate) struct Guarded {
    // Dropped first: closing it is what ends the process.
    input: ChildStdin,
    lines: mpsc::UnboundedReceiver<String>,
    name: String,
    _child: Child,
}

impl Guarded {
    pub(crate) fn start(command: &mut Command) -> Self {
        let name = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|problem| panic!("{name}: {problem}; tests/peers/install installs it"));
        let input = child.stdin.take().expect("its input is piped");
        let output = child.stdout.take().expect("its output is piped");
        let (sender, lines) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            input,
            lines,
            name,
            _child: child,
        }
    }

    /// The URL it announces.
    pub(crate) async fn listening(&mut self) -> String {
        let line = self.line().await;
        match line.strip_prefix("listening on ") {
            Some(url) => url.to_owned(),
            None => panic!("{} said {line:?} where a URL was expected", self.name),
        }
    }

    /// The next line of its output.
    pub(crate) async fn line(&mut self) -> String {
        match timeout(PATIENCE, self.lines.recv()).await {
            Ok(Some(line)) => line,
            Ok(None) => panic!("{} ended", self.name),
            Err(_) => panic!("{} said nothing for {PATIENCE:?}", self.name),
        }
    }

    /// Sends one line of JSON.
    pub(crate) fn send(&mut self, message: &Value) {
        writeln!(self.input, "{message}")
            .unwrap_or_else(|problem| panic!("{}: {problem}", self.name));
    }
}
