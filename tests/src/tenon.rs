//! The real binary, as an operator runs it.

use std::{
    fs::File,
    io::{BufRead, BufReader, Lines},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::OnceLock,
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{task::spawn_blocking, time::timeout};

use crate::{Answered, Api, Database, PATIENCE};

/// Accepted by every gateway that the tests start.
pub const API_KEY: &str = "throw-away-bootstrap-key-of-the-tests";
/// 32 bytes, in base64.
pub(crate) const ENCRYPTION_KEYS: &str = "test:dGhyb3ctYXdheSBrZXkgZm9yIHRoZSB0ZXN0IHJ1bnM=";

/// One running gateway. It is killed when dropped; if the test is failing then, its log is printed.
pub struct Tenon {
    arguments: &'static [&'static str],
    process: Option<Child>,
    port: u16,
    settings: Vec<(String, String)>,
    database: Database,
    directory: TempDir,
}

impl Tenon {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With settings beside, or instead of, those of every test.
    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::start_on(Database::fresh().await, settings).await
    }

    pub async fn start_on(database: Database, settings: &[(&str, &str)]) -> Self {
        let mut tenon = Self::new(&["serve"], database, settings);
        tenon.run().await;
        tenon
    }

    /// Another replica of this gateway, as behind one load balancer; `None` on SQLite, which has one process.
    pub async fn replica(&self) -> Option<Self> {
        let database = self.database.shared()?;
        let url = self.url();
        let mut replica = Self::new(self.arguments, database, &[("TENON_PUBLIC_URL", &url)]);
        replica.settings.extend(self.settings.iter().cloned());
        replica.run().await;
        Some(replica)
    }

    /// `tenon dev`, and the URL of its sandbox.
    pub async fn dev() -> (Self, String) {
        let mut tenon = Self::new(
            &["dev", "--sandbox", "127.0.0.1:0"],
            Database::sqlite(),
            &[],
        );
        let mut output = tenon.run().await;
        let url = spawn_blocking(move || {
            output
                .by_ref()
                .map_while(Result::ok)
                .find_map(|line| Some(line.strip_prefix("Sandbox ")?.trim().to_owned()))
        });
        let url = timeout(PATIENCE, url).await.expect("it is set up in time");
        (tenon, url.expect("no panic").expect("it names its sandbox"))
    }

    fn new(
        arguments: &'static [&'static str],
        database: Database,
        settings: &[(&str, &str)],
    ) -> Self {
        Self {
            arguments,
            process: None,
            port: 0,
            settings: settings
                .iter()
                .map(|(key, value)| (String::from(*key), String::from(*value)))
                .collect(),
            database,
            directory: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    /// What browsers, IdPs and directories use, and the issuer of its tokens.
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// The management API, with all rights.
    pub fn api(&self) -> Api {
        Api::new(self.url(), API_KEY)
    }

    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Of its process, while it runs.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("it runs").id()
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// `kill -9`, in the middle of whatever it does.
    pub async fn kill(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.kill().expect("it can be killed");
        spawn_blocking(move || process.wait())
            .await
            .expect("no panic")
            .expect("it ended");
    }

    /// SIGTERM; answers when it has drained.
    pub async fn terminate(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("it runs");
        let pid = process.id().to_string();
        let sent = Command::new("sh")
            .args(["-c", "kill -TERM \"$0\"", &pid])
            .status();
        assert!(sent.expect("sh runs").success());
        timeout(PATIENCE, spawn_blocking(move || process.wait()))
            .await
            .expect("it drains in time")
            .expect("no panic")
            .expect("it ended")
    }

    /// Once more, after [`Tenon::kill`] or [`Tenon::terminate`]: same port, settings and database.
    pub async fn restart(&mut self) {
        assert!(self.process.is_none(), "it still runs");
        self.run().await;
    }

    /// Another command with the settings of this gateway.
    pub fn command(&self, arguments: &[&str], input: &[u8]) -> Answered {
        Answered::to(self.command_line(), arguments, input)
    }

    fn command_line(&self) -> Command {
        let mut command = clean();
        command
            .current_dir(self.directory.path())
            .env("TENON_LISTEN", format!("127.0.0.1:{}", self.port))
            .env("TENON_DATABASE_URL", self.database.url())
            .env("TENON_ENCRYPTION_KEYS", ENCRYPTION_KEYS)
            .env("TENON_BOOTSTRAP_API_KEY", API_KEY)
            .env("TENON_EGRESS_ALLOW", "127.0.0.0/8,::1/128")
            .env("TENON_RATE_LIMITS", "off")
            .env("TENON_LOG_FORMAT", "json")
            .envs(self.settings.iter().map(|(key, value)| (key, value)));
        command
    }

    /// Answers with the output after the ready line.
    async fn run(&mut self) -> Lines<BufReader<ChildStdout>> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.directory.path().join("log"))
            .expect("a log file");
        let mut process = self
            .command_line()
            .args(self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the gateway starts");
        let output = process.stdout.take().expect("its output is piped");
        self.process = Some(process);

        let ready = spawn_blocking(move || {
            let mut lines = BufReader::new(output).lines();
            (lines.next(), lines)
        });
        let (line, lines) = timeout(PATIENCE, ready)
            .await
            .unwrap_or_else(|_| panic!("not ready in {PATIENCE:?}"))
            .expect("no panic");
        let line = line
            .unwrap_or_else(|| panic!("it ended before it was ready"))
            .expect("its output is text");
        self.port = line
            .strip_prefix("tenon ready on http://")
            .and_then(|address| address.rsplit_once(':'))
            .and_then(|(_, port)| port.parse().ok())
            .unwrap_or_else(|| panic!("the ready line is {line:?}"));
        lines
    }
}

impl Drop for Tenon {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- log of the gateway\n{}---", self.log());
        }
    }
}

/// A command without any gateway.
pub fn tenon(arguments: &[&str], input: &[u8]) -> Answered {
    Answered::to(clean(), arguments, input)
}

/// The binary, with nothing of the developer's own environment.
fn clean() -> Command {
    let mut command = Command::new(binary());
    for (key, _) in std::env::vars().filter(|(key, _)| key.starts_with("TENON_")) {
        command.env_remove(key);
    }
    command
}

/// The `tenon` of this workspace, built now if it is not current, with optimization where the harness has it
/// (`cargo bench`); or `TENON_BINARY`.
fn binary() -> &'static str {
    static BINARY: OnceLock<String> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Ok(path) = std::env::var("TENON_BINARY") {
            return path;
        }
        // Where this test itself was built: <target>/debug/deps/<test>.
        let test = std::env::current_exe().expect("this test has a path");
        let target = test.ancestors().nth(3).expect("it lies in a target folder");
        // With this package beside the gateway's, its dependencies have the features that they have here, so
        // that nothing is compiled twice.
        let output = Command::new(env!("CARGO"))
            .args(["build", "--locked", "--bin", "tenon"])
            .args(["--package", "gateway", "--package", "integration"])
            .arg("--target-dir")
            .arg(target)
            .args((!cfg!(debug_assertions)).then_some("--release"))
            .args(["--message-format", "json-render-diagnostics"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "the gateway does not build");
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter_map(|message| message["executable"].as_str().map(str::to_owned))
            .next_back()
            .expect("cargo names the executable")
    })
}
