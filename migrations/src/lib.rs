//! The schema, one file per change, for SQLite and PostgreSQL alike.
//!
//! Both databases get the same SQL text: ids and documents are `TEXT`, instants are `BIGINT` milliseconds
//! since 1970, and where the two differ a computed value is stored instead. A file is never edited once
//! merged; schema changes expand first and contract later.

use sea_orm_migration::prelude::*;

mod m20261122_000001_initial;

pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m20261122_000001_initial::Migration)]
    }
}
