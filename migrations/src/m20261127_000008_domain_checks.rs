//! Domains are looked at again by themselves, say what the last look found, and may lead to one connection;
//! applications say what their sign-in page asks for.

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

/// A new look is due at once for what an older version left: it never looked again.
const UP: &str = "
ALTER TABLE domains ADD COLUMN connection_id TEXT;
ALTER TABLE domains ADD COLUMN missing_since BIGINT;
ALTER TABLE domains ADD COLUMN last_check TEXT;
ALTER TABLE domains ADD COLUMN next_check_at BIGINT;
UPDATE domains SET next_check_at = created_at WHERE trusted = FALSE;
CREATE INDEX domains_due ON domains (next_check_at) WHERE next_check_at IS NOT NULL;
ALTER TABLE applications ADD COLUMN discovery TEXT NOT NULL DEFAULT 'email';
";

const DOWN: &str = "
ALTER TABLE applications DROP COLUMN discovery;
DROP INDEX domains_due;
ALTER TABLE domains DROP COLUMN next_check_at;
ALTER TABLE domains DROP COLUMN last_check;
ALTER TABLE domains DROP COLUMN missing_since;
ALTER TABLE domains DROP COLUMN connection_id;
";
