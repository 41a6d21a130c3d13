//! A fresh database for each test: SQLite, or with `TEST_DATABASE=postgres` PostgreSQL.

use std::io::{BufRead, BufReader};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::{Connection, Executor, PgConnection};
use tokio::sync::OnceCell;

use crate::clock::{SystemClock, SystemEntropy};
use crate::store::Store;

/// Gone when it is dropped.
pub(crate) struct Database {
    pub(crate) url: String,
    _files: Option<tempfile::TempDir>,
}

/// The server of this test process ends with its standard input.
struct Postgres {
    url: String,
    _input: ChildStdin,
}

static POSTGRES: OnceCell<Postgres> = OnceCell::const_new();
static COUNT: AtomicUsize = AtomicUsize::new(0);

impl Database {
    /// Opened, and its schema made.
    pub(crate) async fn store(&self) -> Store {
        let entropy = Arc::new(SystemEntropy);
        Store::open(&self.url, true, Arc::new(SystemClock), entropy)
            .await
            .unwrap()
    }

    pub(crate) async fn fresh() -> Self {
        if std::env::var("TEST_DATABASE").as_deref() == Ok("postgres") {
            return Self::postgres().await;
        }
        let files = tempfile::tempdir().unwrap();
        Self {
            url: format!("sqlite://{}", files.path().join("tenon.db").display()),
            _files: Some(files),
        }
    }

    async fn postgres() -> Self {
        let server = POSTGRES.get_or_init(async || Postgres::start()).await;
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut admin = PgConnection::connect(&server.url).await.unwrap();
        let create = format!("CREATE DATABASE {name}");
        admin.execute(sqlx::AssertSqlSafe(create)).await.unwrap();
        let (base, _) = server.url.rsplit_once('/').unwrap();
        Self {
            url: format!("{base}/{name}"),
            _files: None,
        }
    }
}

impl Postgres {
    #[expect(
        clippy::zombie_processes,
        reason = "it ends when this process and its pipe do"
    )]
    fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/peers/postgres");
        let mut child = Command::new(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Self {
            url: line
                .trim()
                .strip_prefix("listening on ")
                .unwrap()
                .to_owned(),
            _input: child.stdin.take().unwrap(),
        }
    }
}
