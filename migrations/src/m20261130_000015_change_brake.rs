//! The mass-change brake of a directory, and people whom no directory takes away.

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

/// `brake_window` is what the last hour took away, minute by minute. `held` is what a directory was promised for a
/// user, and waits for the release. Both indexes hold all that their counts read; they are partial so that no other
/// query takes them for better than its own.
const UP: &str = "
ALTER TABLE directories ADD COLUMN change_brake TEXT;
ALTER TABLE directories ADD COLUMN protected_user_ids TEXT NOT NULL DEFAULT '[]';
ALTER TABLE directories ADD COLUMN brake_window TEXT NOT NULL DEFAULT '{}';
ALTER TABLE directories ADD COLUMN held_at BIGINT;
ALTER TABLE directory_users ADD COLUMN held TEXT;
CREATE INDEX directory_users_held ON directory_users (directory_id, id, organization_id, held) WHERE held IS NOT NULL;
CREATE INDEX directory_users_active ON directory_users (directory_id, active) WHERE active = TRUE;
";

const DOWN: &str = "
DROP INDEX directory_users_active;
DROP INDEX directory_users_held;
ALTER TABLE directory_users DROP COLUMN held;
ALTER TABLE directories DROP COLUMN held_at;
ALTER TABLE directories DROP COLUMN brake_window;
ALTER TABLE directories DROP COLUMN protected_user_ids;
ALTER TABLE directories DROP COLUMN change_brake;
";
