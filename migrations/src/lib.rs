//! The schema, one file per change, for SQLite and PostgreSQL alike.
//!
//! Both databases get the same SQL text: ids and documents are `TEXT`, instants are `BIGINT` milliseconds
//! since 1970, and where the two differ a computed value is stored instead. A file is never edited once
//! merged; schema changes expand first and contract later.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

mod m20261122_000001_initial;
mod m20261122_000002_audit_log;
mod m20261122_000003_connection_metadata;
mod m20261122_000004_logout;
mod m20261122_000005_login_responses;
mod m20261127_000006_authorization_server;
mod m20261127_000007_oidc_upstream;
mod m20261127_000008_domain_checks;
mod m20261129_000009_directory_requests;
mod m20261129_000010_idp_documents;
mod m20261129_000011_inactive_users;
mod m20261129_000012_doubted_emails;
mod m20261130_000014_session_idle_ttl;
mod m20261130_000015_change_brake;
mod m20261130_000016_group_schemas;

pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_initial::Migration),
            Box::new(m20261122_000002_audit_log::Migration),
            Box::new(m20261122_000003_connection_metadata::Migration),
            Box::new(m20261122_000004_logout::Migration),
            Box::new(m20261122_000005_login_responses::Migration),
            Box::new(m20261127_000006_authorization_server::Migration),
            Box::new(m20261127_000007_oidc_upstream::Migration),
            Box::new(m20261127_000008_domain_checks::Migration),
            Box::new(m20261129_000009_directory_requests::Migration),
            Box::new(m20261129_000010_idp_documents::Migration),
            Box::new(m20261129_000011_inactive_users::Migration),
            Box::new(m20261129_000012_doubted_emails::Migration),
            Box::new(m20261130_000014_session_idle_ttl::Migration),
            Box::new(m20261130_000015_change_brake::Migration),
            Box::new(m20261130_000016_group_schemas::Migration),
        ]
    }
}

/// Runs a file's statements. SQLite orders text by its bytes; PostgreSQL does so too when told, and then pages by
/// id, filters by greater and less, and sorting are the same on both, whatever the database's locale.
async fn run(manager: &SchemaManager<'_>, statements: &str) -> Result<(), DbErr> {
    let statements = match manager.get_database_backend() {
        DbBackend::Postgres => {
            // A change of schema may take longer than a request, whose bounds the pool has set.
            let unbounded = "SET LOCAL statement_timeout = 0;";
            format!(
                "{unbounded}{}",
                statements.replace(" TEXT", " TEXT COLLATE \"C\"")
            )
        }
        _ => statements.to_owned(),
    };
    let connection = manager.get_connection();
    connection.execute_unprepared(&statements).await.map(drop)
}
