//! What the authorization server keeps beside codes and refresh tokens: access tokens that were revoked before
//! their time, pushed requests, assertions that clients used, how a client authenticates, and since when a
//! signing key is in its state.

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
CREATE TABLE revoked_access_tokens (
    jti TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    FOREIGN KEY (organization_id, session_id) REFERENCES sessions (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX revoked_access_tokens_session ON revoked_access_tokens (organization_id, session_id);
CREATE INDEX revoked_access_tokens_expiry ON revoked_access_tokens (expires_at);

CREATE TABLE pushed_requests (
    handle_hash TEXT PRIMARY KEY,
    application_id TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    sealed TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX pushed_requests_application ON pushed_requests (application_id);
CREATE INDEX pushed_requests_expiry ON pushed_requests (expires_at);

CREATE TABLE client_assertions (
    application_id TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    jti_hash TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (application_id, jti_hash)
);
CREATE INDEX client_assertions_expiry ON client_assertions (expires_at);

ALTER TABLE applications ADD COLUMN token_endpoint_auth_method TEXT NOT NULL DEFAULT 'client_secret_basic';
ALTER TABLE applications ADD COLUMN jwks_uri TEXT;
UPDATE applications SET token_endpoint_auth_method = 'none' WHERE type = 'public';

ALTER TABLE signing_keys ADD COLUMN state_since BIGINT;
UPDATE signing_keys SET state_since = created_at;
";

const DOWN: &str = "
DROP TABLE revoked_access_tokens;
DROP TABLE pushed_requests;
DROP TABLE client_assertions;
ALTER TABLE applications DROP COLUMN token_endpoint_auth_method;
ALTER TABLE applications DROP COLUMN jwks_uri;
ALTER TABLE signing_keys DROP COLUMN state_since;
";
