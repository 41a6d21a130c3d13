//! OpenID providers upstream: a client secret that changes over, and sessions that the provider can end.

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
-- Tried where the provider does not take the one in client_secret_sealed.
ALTER TABLE connections ADD COLUMN previous_client_secret_sealed TEXT;

-- The keyed hash of the provider's own session id, by which its logout may name a session without its person.
ALTER TABLE sessions ADD COLUMN idp_session_hash TEXT;
CREATE INDEX sessions_idp_session ON sessions (organization_id, connection_id, idp_session_hash)
    WHERE idp_session_hash IS NOT NULL;

-- The provider's ID token, which comes back to it as a hint of whom to sign out. Only of connections that do so.
ALTER TABLE sessions ADD COLUMN idp_id_token_sealed TEXT;
";
