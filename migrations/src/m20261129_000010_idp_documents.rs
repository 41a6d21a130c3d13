//! What each OpenID provider said last: a restart while it is down must not lock everybody out.

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

/// Public documents, as they were read: the metadata, and the key set that it names.
const UP: &str = "
CREATE TABLE idp_documents (
    connection_id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL,
    metadata TEXT NOT NULL,
    keys TEXT NOT NULL,
    fetched_at BIGINT NOT NULL,
    FOREIGN KEY (organization_id, connection_id) REFERENCES connections (organization_id, id) ON DELETE CASCADE
);
";

const DOWN: &str = "
DROP TABLE idp_documents;
";
