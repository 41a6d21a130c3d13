//! What one operation costs: CPU of the server process and of its database, statements, commits and memory,
//! beside the goals of docs/performance.md. `make bench` runs it.
//!
//! ```text
//! cargo bench --package integration --bench operations -- [--quick] [--sqlite | --postgres] [--statements] [PART]...
//! ```
//! The real binary is started with optimization (or is `TENON_BINARY`), and met from outside; every answer is
//! checked. Wall-clock rates on a busy machine mislead, so what is compared is CPU. `--quick` takes less than
//! a minute. `--statements` shows what PostgreSQL was asked. The parts are `start`, `discovery`, `login`, `webhooks`
//! and `scim`; without one, all. Run by `cargo test`, it does everything a few times on the database of
//! `TEST_DATABASE`, and judges nothing.

mod discovery;
mod gauge;
mod load;
mod login;
mod process;
mod report;
mod scale;
mod scim;
mod seed;
mod webhooks;

use integration::DatabaseKind;

use load::Bench;
use report::Report;
use scale::Scale;

#[derive(Debug, Clone)]
pub(crate) struct Options {
    scale: Scale,
    statements: bool,
    databases: Vec<DatabaseKind>,
    /// All where there is none.
    parts: Vec<String>,
}

#[tokio::main]
async fn main() {
    let Some(options) = Options::of(std::env::args().skip(1)) else {
        return;
    };
    let mut reports = Vec::new();
    for kind in options.databases.clone() {
        eprintln!("--- {kind:?}");
        reports.push(report_on(kind, options.clone()).await);
    }
    for report in reports {
        println!("{report}");
    }
}

async fn report_on(kind: DatabaseKind, options: Options) -> Report {
    let part = |name: &str| options.part(name);
    let mut bench = Bench::start(kind, options.clone()).await;
    if part("start") {
        process::start(&mut bench).await;
    }
    let mut routing = None;
    if part("discovery") {
        routing = Some(discovery::with_few(&mut bench).await);
    }
    let mut logins = None;
    if part("login") {
        logins = Some(login::measure(&mut bench).await);
    }
    if part("webhooks") {
        webhooks::measure(&mut bench).await;
    }
    if part("scim") {
        let directory = scim::measure(&mut bench).await;
        for step in 1..options.scale.users.len() {
            scim::grow(&mut bench, &directory, step).await;
        }
        scim::members(&mut bench).await;
    }
    for step in 1..options.scale.organizations.len() {
        if let Some(few) = &routing {
            discovery::grow(&mut bench, few, step).await;
        }
        if let Some(logins) = &logins {
            let count = routing.as_ref().map(|_| options.scale.organizations[step]);
            login::again(&mut bench, logins, count).await;
        }
    }
    process::memory_at_the_end(&mut bench).await;
    bench.report
}

impl Options {
    /// `None` when the arguments of `cargo test` name something else.
    fn of(arguments: impl Iterator<Item = String>) -> Option<Self> {
        let all: Vec<String> = arguments.collect();
        let given = |name: &str| all.iter().any(|argument| argument == name);
        // Only `cargo bench` says so.
        let bench = given("--bench");
        let mut parts: Vec<String> = all.clone();
        parts.retain(|argument| !argument.starts_with('-'));
        if !bench {
            let named = parts
                .iter()
                .any(|name| !"operations".contains(name.as_str()));
            if given("--list") || named {
                return None;
            }
            parts.clear();
        }
        let databases = match (given("--sqlite"), given("--postgres")) {
            (true, false) => vec![DatabaseKind::Sqlite],
            (false, true) => vec![DatabaseKind::Postgres],
            _ if bench => vec![DatabaseKind::Sqlite, DatabaseKind::Postgres],
            _ => vec![DatabaseKind::of_this_run()],
        };
        Some(Self {
            scale: match (bench, given("--quick")) {
                (false, _) => Scale::SMOKE,
                (true, true) => Scale::QUICK,
                (true, false) => Scale::FULL,
            },
            statements: given("--statements"),
            databases,
            parts,
        })
    }

    fn part(&self, name: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|part| part == name)
    }
}
