//! Opening the database: SQLite with one writer and group commit, or PostgreSQL with a pool.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use migrations::Migrator;
use sea_orm::{
    AccessMode, ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr,
    IsolationLevel, RuntimeErr, Statement, TransactionOptions, TransactionTrait,
};
use sea_orm_migration::MigratorTrait;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use tokio::sync::watch;

use super::counters::Counters;
use super::group_commit::GroupCommit;
use super::reading::{ReadFrom, ReadPool};
use super::remembered::Remembered;
use super::routing::{DomainRoute, RoutedConnection, Routing};
use super::tx::{Reader, Snapshot, Tx, Writer};
use super::{OrgScope, StoreError};
use crate::clock::{Clock, Entropy};
use crate::ids::OrganizationId;

/// Readers of SQLite's write-ahead log beside the one writer.
const SQLITE_READERS: u8 = 4;
/// Each kind of PostgreSQL's sessions; they are opened when they are needed.
const POSTGRES_READERS: u8 = 10;
const POSTGRES_WRITERS: u8 = 12;
/// For commits that don't wait for the disk, and so are short.
const POSTGRES_RELAXED_WRITERS: u8 = 6;
/// The advisory lock under which one replica migrates while the others wait.
const MIGRATION_LOCK: i64 = 0x0074_656e_6f6e;

/// The database, cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    readers: ReadPool,
    /// For reads that take a transaction.
    snapshots: DatabaseConnection,
    writers: Writers,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    events_recorded: watch::Sender<u64>,
    routing: Routing,
    remembered: Remembered,
    counters: Counters,
}

enum Writers {
    Sqlite(GroupCommit),
    Postgres {
        durable: DatabaseConnection,
        /// Sessions with `synchronous_commit = off`, so that a transaction need not say so.
        relaxed: DatabaseConnection,
    },
}

/// What a pool's connections are for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Makes the file where there is none.
    SqliteWriter,
    Snapshots,
    Postgres,
    PostgresRelaxed,
}

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the database {url} can't be opened: {source}")]
    Connect { url: String, source: DbErr },
    #[error("the schema can't be brought up to date: {0}")]
    Migrate(DbErr),
    #[error("the database can't be read: {0}")]
    Load(StoreError),
    #[error(
        "the schema is {missing} migrations behind; run `tenon migrate` or set TENON_AUTO_MIGRATE=true"
    )]
    Behind { missing: usize },
}

impl Store {
    /// Opens `sqlite://…` or `postgres://…`, and migrates unless told not to.
    ///
    /// SQLite: write-ahead log, `synchronous=FULL`, foreign keys on, one writer. PostgreSQL: bounded
    /// statement, lock and idle times, so that a lost network peer can't hold a row for long.
    pub async fn open(
        url: &str,
        migrate: bool,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Connect {
            url: without_password(url),
            source,
        };
        let counters = Counters::default();
        let connect = async |which| {
            let pool = connect(url, which, &counters).await;
            pool.map_err(failed)
        };
        let unreadable = |error| failed(DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error))));
        let (writers, snapshots, readers) = if url.starts_with("sqlite:") {
            let writer = connect(Use::SqliteWriter).await?;
            prepare(&writer, migrate).await?;
            let options = SqliteConnectOptions::from_str(url).map_err(unreadable)?;
            let options = sqlite_options(options, SMALL_CACHE).pragma("query_only", "on");
            let readers = ReadPool::new(
                ReadFrom::Sqlite(options),
                SQLITE_READERS.into(),
                counters.clone(),
            );
            let snapshots = connect(Use::Snapshots).await?;
            (
                Writers::Sqlite(GroupCommit::new(writer)),
                snapshots,
                readers,
            )
        } else {
            let durable = connect(Use::Postgres).await?;
            prepare(&durable, migrate).await?;
            let options = PgConnectOptions::from_str(url).map_err(unreadable)?;
            let options =
                postgres_options(options).options([("default_transaction_read_only", "on")]);
            let readers = ReadPool::new(
                ReadFrom::Postgres(options),
                POSTGRES_READERS.into(),
                counters.clone(),
            );
            let relaxed = connect(Use::PostgresRelaxed).await?;
            let snapshots = durable.clone();
            (Writers::Postgres { durable, relaxed }, snapshots, readers)
        };
        let store = Self(Arc::new(Inner {
            readers,
            snapshots,
            writers,
            clock,
            entropy,
            events_recorded: watch::Sender::new(0),
            routing: Routing::default(),
            remembered: Remembered::default(),
            counters,
        }));
        store.refresh_routing().await.map_err(OpenError::Load)?;
        Ok(store)
    }

    /// Begins a transaction that writes. On SQLite this waits for the writer's turn.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        self.begin_with(true).await
    }

    /// As [`Store::begin`], for what may be lost in a power failure without harm, such as a pending login:
    /// PostgreSQL answers before the disk did. Every durable commit after it takes it along.
    pub async fn begin_relaxed(&self) -> Result<Tx, StoreError> {
        self.begin_with(false).await
    }

    async fn begin_with(&self, durable: bool) -> Result<Tx, StoreError> {
        let writer = match &self.0.writers {
            Writers::Sqlite(group) => Writer::Sqlite(group.begin().await?),
            Writers::Postgres { durable: pool, .. } if durable => {
                Writer::Postgres(pool.begin().await?)
            }
            Writers::Postgres { relaxed: pool, .. } => Writer::Postgres(pool.begin().await?),
        };
        Ok(Tx {
            writer,
            durable,
            store: self.clone(),
            events: std::sync::Mutex::default(),
            acts: std::sync::Mutex::default(),
            witness: None,
            step: false,
            config: std::sync::Mutex::default(),
        })
    }

    /// What this replica has asked of its database.
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// Reads outside any transaction.
    pub fn read(&self) -> Reader {
        Reader(self.0.readers.clone())
    }

    /// Reads that all see the same instant. It holds a connection, and on SQLite the log's end: not for long.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let snapshots = &self.0.snapshots;
        let options = match self.0.writers {
            // A transaction sees what was there at its first read.
            Writers::Sqlite(_) => TransactionOptions::default(),
            Writers::Postgres { .. } => TransactionOptions {
                isolation_level: Some(IsolationLevel::RepeatableRead),
                access_mode: Some(AccessMode::ReadOnly),
                ..TransactionOptions::default()
            },
        };
        Ok(Snapshot(snapshots.begin_with_options(options).await?))
    }

    pub fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    pub fn entropy(&self) -> &dyn Entropy {
        &*self.0.entropy
    }

    /// Changes after each commit that recorded events on this replica.
    pub fn events_recorded(&self) -> watch::Receiver<u64> {
        self.0.events_recorded.subscribe()
    }

    pub(super) fn note_events(&self) {
        self.0.events_recorded.send_modify(|commits| *commits += 1);
    }

    /// How far this machine's clock is ahead of the database's; nothing on SQLite, which has the same.
    #[expect(clippy::disallowed_methods, reason = "asks for the time, no table")]
    pub async fn clock_skew(&self) -> Result<chrono::TimeDelta, StoreError> {
        if matches!(self.0.writers, Writers::Sqlite(_)) {
            return Ok(chrono::TimeDelta::zero());
        }
        let sql = format!("SELECT {} AS now", self.lease_clock());
        let statement = Statement::from_string(DbBackend::Postgres, sql);
        let row = self
            .0
            .readers
            .query_one_raw(statement)
            .await?
            .ok_or(StoreError::Stale)?;
        let millis: i64 = row.try_get("", "now")?;
        Ok(chrono::TimeDelta::milliseconds(
            self.clock().now().timestamp_millis() - millis,
        ))
    }

    /// The lease clock as SQL (EVENTS section 3.2): the database's own on PostgreSQL, so that no replica's
    /// clock moves a lease; SQLite has one process, whose clock it is.
    pub(super) fn lease_clock(&self) -> String {
        match &self.0.writers {
            Writers::Sqlite(_) => self.clock().now().timestamp_millis().to_string(),
            Writers::Postgres { .. } => {
                "(EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint".to_owned()
            }
        }
    }

    /// `FOR UPDATE SKIP LOCKED` where several replicas claim; SQLite has one writer.
    pub(super) fn skip_locked(&self) -> &'static str {
        match &self.0.writers {
            Writers::Sqlite(_) => "",
            Writers::Postgres { .. } => "FOR UPDATE SKIP LOCKED",
        }
    }

    /// Where the addresses of `domain` sign in, from memory (discovery never queries).
    pub fn route_of_domain(&self, domain: &str) -> Option<DomainRoute> {
        self.0.routing.route_of(domain)
    }

    /// A scope for the organization that an authorization request names: it shows nothing but active
    /// connections, which the application may name one by one anyway.
    pub fn organization_named(&self, organization: OrganizationId) -> OrgScope {
        OrgScope::from_evidence(organization)
    }

    /// The organization's active connections, oldest first, from memory.
    pub fn active_connections(&self, scope: &OrgScope) -> Vec<RoutedConnection> {
        self.0.routing.connections(scope.organization())
    }

    /// Whether `domain` is a verified domain of the organization, or below one that includes subdomains.
    pub fn owns_domain(&self, scope: &OrgScope, domain: &str) -> bool {
        self.0.routing.owns(scope.organization(), domain)
    }

    /// The organization's verified domains, from memory.
    pub fn verified_domains(&self, scope: &OrgScope) -> Vec<String> {
        self.0.routing.domains(scope.organization())
    }

    /// Changes with every change of the organization's domains and connections: the key of whatever is
    /// kept in memory of them.
    pub fn config_generation(&self, scope: &OrgScope) -> i64 {
        self.0.routing.generation(scope.organization())
    }

    pub(super) fn remembered(&self) -> &Remembered {
        &self.0.remembered
    }

    /// [`Routing::version`].
    pub(crate) fn memory_version(&self) -> i64 {
        self.0.routing.version()
    }

    /// [`Routing::holds`].
    pub(crate) fn memory_holds(&self, version: i64, owner: Option<OrganizationId>) -> bool {
        self.0.routing.holds(version, owner)
    }

    /// Reads what changed since the last call of what is kept in memory. Called after each commit that
    /// touched it, and twice a second for the changes of other replicas.
    pub async fn refresh_routing(&self) -> Result<(), StoreError> {
        self.0.routing.refresh(&self.read()).await
    }

    /// Whether the database answers: a write ping would wait for the disk, a read tells as much.
    pub async fn ping(&self) -> Result<(), StoreError> {
        Ok(self.0.readers.ping().await?)
    }
}

async fn connect(url: &str, which: Use, counters: &Counters) -> Result<DatabaseConnection, DbErr> {
    let relaxed = which == Use::PostgresRelaxed;
    // A start need not wait for what only a later request needs.
    let lazy = relaxed || which == Use::Snapshots;
    let mut options = ConnectOptions::new(url.to_owned());
    options
        .max_connections(u32::from(match which {
            Use::SqliteWriter => 1,
            Use::Snapshots => SQLITE_READERS,
            Use::Postgres => POSTGRES_WRITERS,
            Use::PostgresRelaxed => POSTGRES_RELAXED_WRITERS,
        }))
        .min_connections(u32::from(!lazy))
        .connect_lazy(lazy)
        .acquire_timeout(Duration::from_secs(5))
        .test_before_acquire(false)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |sqlite| match which {
            Use::SqliteWriter => sqlite_options(sqlite, LARGE_CACHE).create_if_missing(true),
            _ => sqlite_options(sqlite, SMALL_CACHE),
        })
        .map_sqlx_postgres_opts(move |postgres| {
            let postgres = postgres_options(postgres);
            if relaxed {
                postgres.options([("synchronous_commit", "off")])
            } else {
                postgres
            }
        });
    let mut pool = Database::connect(options).await?;
    let statements = counters.statements.clone();
    pool.set_metric_callback(move |_| statements.inc());
    Ok(pool)
}

/// KiB of pages, as `cache_size` takes it. A reader forgets its pages with every commit of the writer, so more
/// would only cost memory.
const SMALL_CACHE: &str = "-1000";
const LARGE_CACHE: &str = "-8000";

fn sqlite_options(options: SqliteConnectOptions, cache: &'static str) -> SqliteConnectOptions {
    options
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
        .statement_cache_capacity(256)
        .pragma("cache_size", cache)
        .pragma("temp_store", "memory")
}

fn postgres_options(options: PgConnectOptions) -> PgConnectOptions {
    options
        .application_name("tenon")
        .statement_cache_capacity(256)
        .options([
            ("statement_timeout", "5000"),
            ("lock_timeout", "2000"),
            ("idle_in_transaction_session_timeout", "10000"),
        ])
}

/// Brings the schema up to date, one replica at a time, or says how far it is behind.
#[expect(
    clippy::disallowed_methods,
    reason = "takes an advisory lock, no table"
)]
async fn prepare(connection: &DatabaseConnection, migrate: bool) -> Result<(), OpenError> {
    if !migrate {
        let missing = Migrator::get_pending_migrations(connection)
            .await
            .map_err(OpenError::Migrate)?
            .len();
        return if missing == 0 {
            Ok(())
        } else {
            Err(OpenError::Behind { missing })
        };
    }
    if connection.get_database_backend() == DbBackend::Postgres {
        // Held by this transaction's session until it ends; the migrations run beside it.
        let lock = connection.begin().await.map_err(OpenError::Migrate)?;
        lock.execute_unprepared("SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0")
            .await
            .map_err(OpenError::Migrate)?;
        let statement = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "SELECT pg_advisory_xact_lock($1)",
            [MIGRATION_LOCK.into()],
        );
        lock.execute_raw(statement)
            .await
            .map_err(OpenError::Migrate)?;
        Migrator::up(connection, None)
            .await
            .map_err(OpenError::Migrate)?;
        return lock.commit().await.map_err(OpenError::Migrate);
    }
    Migrator::up(connection, None)
        .await
        .map_err(OpenError::Migrate)
}

/// The URL as it may be shown.
fn without_password(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(mut parsed) if parsed.password().is_some() => {
            let _ = parsed.set_password(Some("…"));
            parsed.to_string()
        }
        _ => url.to_owned(),
    }
}
