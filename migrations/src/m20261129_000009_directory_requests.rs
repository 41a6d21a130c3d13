//! The provisioning log: what directories asked for and what they were told. Request and answer are sealed, in a
//! column that lists don't read.

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
        run(manager, "DROP TABLE directory_requests;").await
    }
}

/// Ids are made in the order of time, so they page the list, bound its times and tell what is past keeping.
const UP: &str = "
CREATE TABLE directory_requests (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL,
    directory_id TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    resource_id TEXT,
    status BIGINT NOT NULL,
    scim_type TEXT,
    summary TEXT NOT NULL,
    provider TEXT NOT NULL,
    quirks TEXT NOT NULL,
    events TEXT NOT NULL,
    event_count BIGINT NOT NULL,
    token_id TEXT NOT NULL,
    user_agent TEXT,
    ip TEXT NOT NULL,
    request_id TEXT NOT NULL,
    sealed TEXT NOT NULL,
    FOREIGN KEY (organization_id, directory_id) REFERENCES directories (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX directory_requests_directory ON directory_requests (organization_id, directory_id, id);
CREATE INDEX directory_requests_resource ON directory_requests (directory_id, resource_id, id)
    WHERE resource_id IS NOT NULL;
";
