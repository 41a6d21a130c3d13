//! What this process asks of its database, counted: an operation's cost is mostly that.

use prometheus::{IntCounter, Opts};

/// Cheap to clone; all clones count together.
#[derive(Clone)]
pub struct Counters {
    /// Statements, without the begin and end of transactions.
    pub statements: IntCounter,
    /// Commits that returned when the disk had answered.
    pub durable_commits: IntCounter,
    /// Commits that did not wait for the disk.
    pub relaxed_commits: IntCounter,
}

impl Default for Counters {
    fn default() -> Self {
        let commits = |durable| {
            Opts::new("store_commits_total", "Transactions committed.")
                .const_label("durable", durable)
        };
        Self {
            statements: counter(Opts::new(
                "store_statements_total",
                "Statements that the database was asked.",
            )),
            durable_commits: counter(commits("true")),
            relaxed_commits: counter(commits("false")),
        }
    }
}

impl Counters {
    pub(super) fn committed(&self, durable: bool) {
        if durable {
            self.durable_commits.inc();
        } else {
            self.relaxed_commits.inc();
        }
    }
}

#[expect(
    clippy::expect_used,
    reason = "a counter is refused for its name or labels only, which stand above"
)]
fn counter(options: Opts) -> IntCounter {
    IntCounter::with_opts(options).expect("names and labels are letters and underscores")
}
