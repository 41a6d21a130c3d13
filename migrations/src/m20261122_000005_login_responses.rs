//! What the identity provider sent for each login, sealed: beside the logins, so that reading those stays cheap.

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
        run(manager, "DROP TABLE login_responses;").await
    }
}

const UP: &str = "
CREATE TABLE login_responses (
    login_id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL,
    sealed TEXT NOT NULL,
    FOREIGN KEY (organization_id, login_id) REFERENCES logins (organization_id, id) ON DELETE CASCADE
);
";
