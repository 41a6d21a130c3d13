//! The OpenID provider: pushed requests, clients with keys of their own, tokens that were taken back, and signing
//! keys that rotate.

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
ALTER TABLE applications ADD COLUMN jwks_uri TEXT;
-- Empty: any method that the application has a credential for.
ALTER TABLE applications ADD COLUMN token_endpoint_auth_method TEXT;

-- When the key came into its state; empty: when it was made.
ALTER TABLE signing_keys ADD COLUMN state_since BIGINT;

-- Authorization requests that an application pushed (RFC 9126), each good for one use.
CREATE TABLE pushed_requests (
    request_hash TEXT PRIMARY KEY,
    application_id TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    parameters TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX pushed_requests_expiry ON pushed_requests (expires_at);

-- Keyed hashes of what must not count again until it expires: ids of client assertions, of revoked access tokens.
CREATE TABLE spent_ids (
    id_hash TEXT PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX spent_ids_expiry ON spent_ids (expires_at);
";
