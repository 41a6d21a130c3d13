//! Logout: whom to tell that a session has ended, and the logouts that wait for an IdP's answer.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, UP).await
    }

    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Migration("the schema has no way back".to_owned()))
    }
}

const UP: &str = "
-- The keyed hash of the subject as the IdP names it in a logout request: the NameID, or the upstream sub.
ALTER TABLE sessions ADD COLUMN idp_subject_hash TEXT;
CREATE INDEX sessions_idp_subject ON sessions (organization_id, connection_id, idp_subject_hash)
    WHERE idp_subject_hash IS NOT NULL;

-- Sessions of which an application is still to hear that they have ended. No foreign key to the session nor
-- to the organization: the application hears of the end of what is gone by then, too.
CREATE TABLE logout_notices (
    session_id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    application_id TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    attempts BIGINT NOT NULL,
    due_at BIGINT NOT NULL
);
CREATE INDEX logout_notices_due ON logout_notices (due_at);

-- A LogoutRequest that an IdP is to answer, and where the browser goes then.
CREATE TABLE logouts (
    relay_state_hash TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    application_id TEXT NOT NULL,
    return_to TEXT,
    expires_at BIGINT NOT NULL,
    FOREIGN KEY (organization_id, connection_id) REFERENCES connections (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX logouts_expiry ON logouts (expires_at);
";
