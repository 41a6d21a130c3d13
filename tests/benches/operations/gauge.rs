//! What the server process and its database have used so far: CPU and memory from `/proc` (proc(5)), statements
//! and commits as the server counts them, and their texts from `pg_stat_statements`.

use std::{fs, ops::Sub, time::Duration};

use integration::{Api, Database, DatabaseKind, Tenon};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

/// `USER_HZ`: the unit of times in `/proc`, on every Linux whose binaries run elsewhere too.
const TICKS_PER_SECOND: u64 = 100;

pub(crate) struct Gauge {
    postgres: Option<Postgres>,
}

struct Postgres {
    /// To the database `postgres`, so that looking is not counted.
    admin: PgConnection,
    postmaster: u32,
    database: String,
}

/// CPU since the start of the processes, user and system together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cpu {
    pub(crate) server: Duration,
    /// Of all processes of PostgreSQL. SQLite has none.
    pub(crate) database: Option<Duration>,
}

/// What the database was asked, by requests and by what runs beside them, as `/metrics` tells it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    /// Without the begin and end of transactions.
    pub(crate) statements: f64,
    /// Commits that wait for the disk.
    pub(crate) durable_commits: f64,
    pub(crate) relaxed_commits: f64,
}

/// One statement, as often as it was executed.
pub(crate) struct Statement {
    pub(crate) text: String,
    pub(crate) calls: i64,
    pub(crate) milliseconds: f64,
}

impl Gauge {
    pub(crate) async fn of(kind: DatabaseKind, database: &Database) -> Self {
        let postgres = match kind {
            DatabaseKind::Sqlite => None,
            DatabaseKind::Postgres => Some(Postgres::of(database.url()).await),
        };
        Self { postgres }
    }

    pub(crate) fn cpu(&self, tenon: &Tenon) -> Cpu {
        Cpu {
            server: cpu(tenon.pid()),
            database: self
                .postgres
                .as_ref()
                .map(|postgres| cpu_of_tree(postgres.postmaster)),
        }
    }

    /// Counts from zero again.
    pub(crate) async fn forget_statements(&mut self) {
        if let Some(postgres) = &mut self.postgres {
            let reset = "SELECT pg_stat_statements_reset()";
            postgres.admin.execute(reset).await.expect("a reset");
        }
    }

    /// The most expensive first; none on SQLite, which keeps no account.
    pub(crate) async fn statements(&mut self) -> Vec<Statement> {
        let Some(postgres) = &mut self.postgres else {
            return Vec::new();
        };
        let query = "SELECT query, calls, total_exec_time FROM pg_stat_statements AS s \
                     JOIN pg_database AS d ON d.oid = s.dbid WHERE d.datname = $1 ORDER BY 3 DESC";
        let rows = sqlx::query(query)
            .bind(&postgres.database)
            .fetch_all(&mut postgres.admin)
            .await
            .expect("pg_stat_statements answers");
        let statement = |row: sqlx::postgres::PgRow| Statement {
            text: row.get(0),
            calls: row.get(1),
            milliseconds: row.get(2),
        };
        rows.into_iter().map(statement).collect()
    }
}

impl Postgres {
    async fn of(url: &str) -> Self {
        let (server, database) = url.rsplit_once('/').expect("the URL names a database");
        let mut admin = PgConnection::connect(&format!("{server}/postgres"))
            .await
            .expect("PostgreSQL accepts connections");
        let extension = "CREATE EXTENSION IF NOT EXISTS pg_stat_statements";
        admin
            .execute(AssertSqlSafe(extension))
            .await
            .expect("pg_stat_statements comes with PostgreSQL");
        let row = admin.fetch_one("SELECT pg_backend_pid()").await;
        let backend: i32 = row.expect("a backend").get(0);
        let backend = u32::try_from(backend).expect("a pid");
        Self {
            admin,
            postmaster: Stat::of(backend).expect("it runs").parent,
            database: database.to_owned(),
        }
    }
}

impl Asked {
    pub(crate) async fn by(tenon: &Tenon) -> Self {
        let metrics = Api::at(tenon.url(), None).get("/metrics").await;
        let value = |name: &str| {
            let line = metrics
                .body
                .lines()
                .find_map(|line| line.strip_prefix(name));
            line.and_then(|value| value.trim().parse().ok())
                .unwrap_or_else(|| panic!("no {name} in {}", metrics.body))
        };
        Self {
            statements: value("store_statements_total"),
            durable_commits: value("store_commits_total{durable=\"true\"}"),
            relaxed_commits: value("store_commits_total{durable=\"false\"}"),
        }
    }
}

impl Sub for Asked {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            statements: self.statements - before.statements,
            durable_commits: self.durable_commits - before.durable_commits,
            relaxed_commits: self.relaxed_commits - before.relaxed_commits,
        }
    }
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        let database = self.database.zip(before.database);
        Self {
            server: self.server.saturating_sub(before.server),
            database: database.map(|(after, before)| after.saturating_sub(before)),
        }
    }
}

/// `VmRSS` or `VmHWM`, its highest so far, in MiB.
pub(crate) fn memory(pid: u32, field: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let kilobytes: f64 = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
        .and_then(|value| value.trim().strip_suffix(" kB")?.parse().ok())
        .unwrap_or_else(|| panic!("no {field} in {status}"));
    kilobytes / 1024.0
}

pub(crate) fn cpu(pid: u32) -> Duration {
    Stat::of(pid).expect("it runs").own
}

/// Of a process, its children, and those of them that ended.
fn cpu_of_tree(root: u32) -> Duration {
    let processes = fs::read_dir("/proc").expect("Linux");
    let children: Duration = processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(Stat::of)
        .filter(|stat| stat.parent == root)
        .map(|stat| stat.own)
        .sum();
    let root = Stat::of(root).expect("it runs");
    root.own + root.ended_children + children
}

/// A line of `/proc/<pid>/stat`.
struct Stat {
    parent: u32,
    own: Duration,
    ended_children: Duration,
}

impl Stat {
    /// `None` when it has ended.
    fn of(pid: u32) -> Option<Self> {
        let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the name in parentheses, and may hold anything; the third is what comes first here.
        let (_, rest) = line.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        let ticks = |field: usize| fields.get(field)?.parse::<u64>().ok();
        let time = |user: usize, system: usize| {
            let ticks = ticks(user)? + ticks(system)?;
            Some(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
        };
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own: time(11, 12)?,
            ended_children: time(13, 14)?,
        })
    }
}
