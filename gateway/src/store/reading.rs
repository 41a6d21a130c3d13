//! Connections that only read, one statement at a time, outside any transaction.
//!
//! sqlx's pool asks the database for a sign of life whenever a connection comes back: a second round trip, which
//! for a read of one statement is half of its cost. Here a connection comes back only behind an answer that was
//! read to its end, which is that sign; whatever else happens to it, it is closed.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::error::ConnAcquireErr;
use sea_orm::prelude::async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement, Values,
};
use sea_query_sqlx::SqlxValues;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::Counters;

/// How long a read waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// A session of PostgreSQL grows with what it has seen.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// Cheap to clone.
#[derive(Clone)]
pub struct ReadPool(Arc<Inner>);

struct Inner {
    database: ReadFrom,
    /// The last used on top: its caches are warm.
    idle: std::sync::Mutex<Vec<Line>>,
    places: Semaphore,
    counters: Counters,
}

/// How to open a connection.
pub(super) enum ReadFrom {
    Sqlite(SqliteConnectOptions),
    Postgres(PgConnectOptions),
}

struct Line {
    connection: Opened,
    since: Instant,
}

enum Opened {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl ReadPool {
    pub(super) fn new(database: ReadFrom, connections: usize, counters: Counters) -> Self {
        Self(Arc::new(Inner {
            database,
            idle: std::sync::Mutex::default(),
            places: Semaphore::new(connections),
            counters,
        }))
    }

    /// Whether the database answers.
    pub(super) async fn ping(&self) -> Result<(), DbErr> {
        let _place = self.place().await?;
        let mut line = match self.idle() {
            Some(line) => line,
            None => self.open().await?,
        };
        line.ping().await.map_err(failed)?;
        self.put_back(line);
        Ok(())
    }

    async fn read(&self, statement: &Statement) -> Result<Vec<QueryResult>, DbErr> {
        let _place = self.place().await?;
        self.0.counters.statements.inc();
        // One that lay idle may have been cut meanwhile; a read can be asked again without harm.
        if let Some(mut line) = self.idle() {
            match line.rows(statement).await {
                Err(error) if is_cut(&error) => {}
                Err(error) => {
                    // Refused, as PostgreSQL said at the answer's end.
                    self.put_back(line);
                    return Err(failed(error));
                }
                Ok(rows) => {
                    self.put_back(line);
                    return Ok(rows);
                }
            }
        }
        let mut line = self.open().await?;
        let rows = line.rows(statement).await.map_err(failed)?;
        self.put_back(line);
        Ok(rows)
    }

    async fn place(&self) -> Result<SemaphorePermit<'_>, DbErr> {
        let unavailable = |why| DbErr::ConnectionAcquire(why);
        timeout(PATIENCE, self.0.places.acquire())
            .await
            .map_err(|_| unavailable(ConnAcquireErr::Timeout))?
            .map_err(|_| unavailable(ConnAcquireErr::ConnectionClosed))
    }

    fn idle(&self) -> Option<Line> {
        let mut idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.pop()
    }

    fn put_back(&self, line: Line) {
        if line.since.elapsed() < LIFETIME {
            let mut idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.push(line);
        }
    }

    async fn open(&self) -> Result<Line, DbErr> {
        let opening = async {
            Ok(match &self.0.database {
                ReadFrom::Sqlite(options) => {
                    Opened::Sqlite(SqliteConnection::connect_with(options).await?)
                }
                ReadFrom::Postgres(options) => {
                    Opened::Postgres(PgConnection::connect_with(options).await?)
                }
            })
        };
        let opened = timeout(PATIENCE, opening)
            .await
            .map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?;
        let connection = opened
            .map_err(|error: sqlx::Error| DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error))))?;
        Ok(Line {
            connection,
            since: Instant::now(),
        })
    }
}

impl Line {
    /// All rows: the answer is read to its end, whatever the caller wants of it.
    async fn rows(&mut self, statement: &Statement) -> Result<Vec<QueryResult>, sqlx::Error> {
        let values = statement.values.clone().unwrap_or(Values(Vec::new()));
        let sql = AssertSqlSafe(statement.sql.as_str());
        Ok(match &mut self.connection {
            Opened::Sqlite(connection) => {
                let rows = sqlx::query_with(sql, SqlxValues(values)).fetch_all(connection);
                rows.await?.into_iter().map(QueryResult::from).collect()
            }
            Opened::Postgres(connection) => {
                let rows = sqlx::query_with(sql, SqlxValues(values)).fetch_all(connection);
                rows.await?.into_iter().map(QueryResult::from).collect()
            }
        })
    }

    async fn ping(&mut self) -> Result<(), sqlx::Error> {
        match &mut self.connection {
            Opened::Sqlite(connection) => connection.ping().await,
            Opened::Postgres(connection) => connection.ping().await,
        }
    }
}

/// Our own statements only: a write takes a transaction.
#[async_trait]
impl ConnectionTrait for ReadPool {
    fn get_database_backend(&self) -> DbBackend {
        match self.0.database {
            ReadFrom::Sqlite(_) => DbBackend::Sqlite,
            ReadFrom::Postgres(_) => DbBackend::Postgres,
        }
    }

    async fn execute_raw(&self, _: Statement) -> Result<ExecResult, DbErr> {
        Err(only_reads())
    }

    async fn execute_unprepared(&self, _: &str) -> Result<ExecResult, DbErr> {
        Err(only_reads())
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.read(&statement).await?.into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.read(&statement).await
    }
}

impl std::fmt::Debug for ReadPool {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ReadPool")
    }
}

fn only_reads() -> DbErr {
    DbErr::Custom("a write outside a transaction".to_owned())
}

fn failed(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)))
}

/// Whether the connection is gone, and not only the statement refused.
fn is_cut(error: &sqlx::Error) -> bool {
    match error.as_database_error() {
        // PostgreSQL: class 08, connection exceptions, and 57P01 to 57P05, the server ends the session.
        Some(refused) => refused
            .code()
            .is_some_and(|code| code.starts_with("08") || code.starts_with("57P")),
        None => true,
    }
}
