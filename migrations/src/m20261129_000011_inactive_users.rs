//! Who was deactivated is looked for at each first sign-in, by every address that is known.

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
CREATE INDEX users_inactive ON users (organization_id) WHERE active = FALSE;
";

const DOWN: &str = "
DROP INDEX users_inactive;
";
