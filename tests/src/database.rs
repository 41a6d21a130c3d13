//! A database of its own for every test.

use std::{
    path::Path,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use sqlx::{Connection, Executor, PgConnection};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::{guarded::Guarded, peers};

/// What Tenon runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseKind {
    Sqlite,
    Postgres,
}

/// SQLite in a fresh file or, with `TEST_DATABASE=postgres`, a fresh database of a PostgreSQL server that this
/// test process started for itself.
pub struct Database {
    url: String,
    _directory: Option<TempDir>,
}

struct Postgres {
    url: String,
    _server: Guarded,
}

/// Shared by the tests of one process; a static is never dropped, but its standard input closes all the same.
static POSTGRES: OnceCell<Postgres> = OnceCell::const_new();
static COUNT: AtomicUsize = AtomicUsize::new(0);

impl DatabaseKind {
    /// What `TEST_DATABASE` says.
    pub fn of_this_run() -> Self {
        match std::env::var("TEST_DATABASE").as_deref() {
            Ok("postgres") => Self::Postgres,
            Ok("sqlite") | Err(_) => Self::Sqlite,
            Ok(other) => panic!("TEST_DATABASE is {other:?}; it can be sqlite or postgres"),
        }
    }
}

impl Database {
    pub async fn fresh() -> Self {
        match DatabaseKind::of_this_run() {
            DatabaseKind::Sqlite => Self::sqlite(),
            DatabaseKind::Postgres => Self::postgres(&[]).await,
        }
    }

    /// For measurements: on PostgreSQL the server counts its statements.
    pub async fn counted(kind: DatabaseKind) -> Self {
        match kind {
            DatabaseKind::Sqlite => Self::sqlite(),
            DatabaseKind::Postgres => {
                Self::postgres(&["-c", "shared_preload_libraries=pg_stat_statements"]).await
            }
        }
    }

    /// For `TENON_DATABASE_URL`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// For another process on the same data; `None` on SQLite, which has one.
    pub(crate) fn shared(&self) -> Option<Self> {
        self._directory.is_none().then(|| Self {
            url: self.url.clone(),
            _directory: None,
        })
    }

    pub(crate) fn sqlite() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self {
            url: format!("sqlite://{}", directory.path().join("tenon.db").display()),
            _directory: Some(directory),
        }
    }

    /// A database and not only a schema: advisory locks and notifications reach as far as the database.
    /// The first call of a process starts the server, with these options.
    async fn postgres(options: &[&str]) -> Self {
        let server = POSTGRES.get_or_init(|| Postgres::start(options)).await;
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut admin = PgConnection::connect(&server.url)
            .await
            .expect("PostgreSQL accepts connections");
        admin
            .execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .await
            .expect("a database is created");
        let (base, _) = server
            .url
            .rsplit_once('/')
            .expect("the URL names a database");
        Self {
            url: format!("{base}/{name}"),
            _directory: None,
        }
    }
}

impl Postgres {
    async fn start(options: &[&str]) -> Self {
        let script = Path::new(peers::SCRIPTS).join("postgres");
        let mut server = Guarded::start(Command::new(script).args(options));
        Self {
            url: server.listening().await,
            _server: server,
        }
    }
}
