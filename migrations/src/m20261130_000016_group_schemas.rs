//! What filters and housekeeping look for: the extensions of a group, and tokens of directories that have
//! expired. And rows of role mappings whose group was deleted, which nothing took away so far.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::run;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await?;
        // No text of SQL says this to both.
        let extensions = match manager.get_database_backend() {
            DbBackend::Postgres => "json_object_keys(g.resource::json) AS extension (key)",
            _ => "json_each(g.resource) AS extension",
        };
        let fill = format!(
            "INSERT INTO group_schemas (directory_id, group_id, element, organization_id, urn)
             SELECT g.directory_id, g.id,
                 ROW_NUMBER() OVER (PARTITION BY g.id ORDER BY extension.key) - 1,
                 g.organization_id, extension.key
             FROM groups g, {extensions}
             WHERE replace(extension.key, ':', '') <> extension.key"
        );
        run(manager, &fill).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}

const UP: &str = "
CREATE TABLE group_schemas (
    directory_id TEXT NOT NULL,
    group_id TEXT NOT NULL,
    element BIGINT NOT NULL,
    organization_id TEXT NOT NULL,
    urn TEXT NOT NULL,
    PRIMARY KEY (directory_id, group_id, element),
    FOREIGN KEY (directory_id, group_id) REFERENCES groups (directory_id, id) ON DELETE CASCADE
);
CREATE INDEX directory_tokens_expiry ON directory_tokens (expires_at) WHERE expires_at IS NOT NULL;
DELETE FROM role_mappings WHERE group_id IS NOT NULL AND group_id NOT IN (SELECT id FROM groups);
";

const DOWN: &str = "
DROP INDEX directory_tokens_expiry;
DROP TABLE group_schemas;
";
