//! How long a session of an application may lie idle; without it, until its end.

use sea_orm_migration::prelude::*;

use crate::run;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}

const UP: &str = "
ALTER TABLE applications ADD COLUMN session_idle_ttl BIGINT;
";

const DOWN: &str = "
ALTER TABLE applications DROP COLUMN session_idle_ttl;
";
