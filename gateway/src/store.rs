//! Storage: the only place that runs a query.
//!
//! A tenant's rows are reached through an [`OrgScope`] alone; `global.rs` holds the few queries that start
//! without one, each with its reason. State and its events commit together: [`Tx::record`] keeps an event
//! until [`Tx::commit`], which writes the outbox as the last statements of the transaction.

pub mod api_keys;
pub mod applications;
pub mod audit;
pub mod client_assertions;
pub mod columns;
pub mod connection_keys;
pub mod connection_upkeep;
pub mod connections;
mod counters;
pub mod deliveries;
pub mod delivery_streams;
pub mod directories;
pub mod directory_requests;
pub mod directory_tokens;
pub mod directory_users;
pub mod domains;
mod entity;
pub mod feed;
pub mod global;
mod group_commit;
pub mod groups;
pub mod housekeeping;
pub mod idempotency;
pub mod identities;
pub mod idp_documents;
pub mod login_responses;
pub mod logins;
pub mod logout_notices;
pub mod logouts;
pub mod memberships;
mod open;
pub mod organizations;
pub mod outbox;
mod page;
pub mod pushed_requests;
mod reading;
mod remembered;
pub mod role_mappings;
pub mod roles;
mod routing;
mod scim_filter;
pub mod scim_list;
pub mod scope;
pub mod sessions;
pub mod signing_keys;
pub mod tokens;
mod tx;
pub mod user_roles;
pub mod users;
pub mod vault;
pub mod webhook_endpoints;

#[cfg(test)]
pub(crate) mod tests;

pub use counters::Counters;
pub use open::{OpenError, Store};
pub use reading::ReadPool;
pub use routing::{DomainRoute, RoutedConnection};
pub use scope::{DirectoryScope, OrgScope};
pub use tx::{Reader, Reads, Snapshot, Tx};
pub use vault::Vault;

/// Why a query or a commit failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database refused or did not answer: {0}")]
    Database(#[from] sea_orm::DbErr),
    /// Another writer changed the row first.
    #[error("the row changed in between")]
    Stale,
    #[error("the shared commit failed: {0}")]
    Commit(String),
    #[error("an event of {bytes} bytes is larger than {limit}")]
    EventTooLarge { bytes: usize, limit: usize },
    #[error("a stored document cannot be read: {0}")]
    Document(#[from] serde_json::Error),
}

impl StoreError {
    /// Whether a unique constraint refused the write.
    pub fn is_unique_violation(&self) -> bool {
        matches!(
            self,
            Self::Database(error)
                if matches!(error.sql_err(), Some(sea_orm::SqlErr::UniqueConstraintViolation(_)))
        )
    }

    /// Whether the unique constraint over `column` refused the write. SQLite names the columns, PostgreSQL the
    /// constraint, which is named after them.
    pub fn violates_unique(&self, column: &str) -> bool {
        matches!(
            self,
            Self::Database(error)
                if matches!(error.sql_err(), Some(sea_orm::SqlErr::UniqueConstraintViolation(text)) if text.contains(column))
        )
    }

    /// Whether another transaction was in the way, so that the same work may succeed when it is done again
    /// from its start: a deadlock, a serialization failure, a row that changed in between.
    /// So is a lock that was not had within `lock_timeout`.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Stale)
            || self
                .database_code()
                .is_some_and(|code| matches!(&*code, "40001" | "40P01" | "55P03"))
    }

    /// Whether PostgreSQL gave the statement up as it took longer than `statement_timeout`.
    pub fn is_too_slow(&self) -> bool {
        self.database_code().is_some_and(|code| code == "57014")
    }

    fn database_code(&self) -> Option<std::borrow::Cow<'_, str>> {
        use sea_orm::{DbErr, RuntimeErr};
        match self {
            Self::Database(
                DbErr::Exec(RuntimeErr::SqlxError(error))
                | DbErr::Query(RuntimeErr::SqlxError(error)),
            ) => error.as_database_error()?.code(),
            _ => None,
        }
    }

    /// Whether a foreign key refused the write: the row pointed to is gone.
    pub fn is_foreign_key_violation(&self) -> bool {
        matches!(
            self,
            Self::Database(error)
                if matches!(error.sql_err(), Some(sea_orm::SqlErr::ForeignKeyConstraintViolation(_)))
        )
    }
}
