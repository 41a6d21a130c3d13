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

impl Database {
    pub async fn fresh() -> Self {
        match std::env::var("TEST_DATABASE").as_deref() {
            Ok("postgres") => Self::postgres().await,
            Ok("sqlite") | Err(_) => Self::sqlite(),
            Ok(other) => panic!("TEST_DATABASE is {other:?}; it can be sqlite or postgres"),
        }
    }

    /// For `TENON_DATABASE_URL`.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn sqlite() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self {
            url: format!("sqlite://{}", directory.path().join("tenon.db").display()),
            _directory: Some(directory),
        }
    }

    /// A database and not only a schema: advisory locks and notifications reach as far as the database.
    async fn postgres() -> Self {
        let server = POSTGRES.get_or_init(Postgres::start).await;
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
    async fn start() -> Self {
        let mut server = Guarded::start(&mut Command::new(
            Path::new(peers::SCRIPTS).join("postgres"),
        ));
        Self {
            url: server.listening().await,
            _server: server,
        }
    }
}
