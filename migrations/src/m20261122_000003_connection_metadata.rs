//! What a connection's metadata is refreshed by, which certificates were warned of, and keys that rotate.

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
        run(
            manager,
            "DROP TABLE certificate_notices;
             DROP TABLE connection_upkeep;
             ALTER TABLE connection_keys DROP COLUMN changes_at;
             ALTER TABLE connection_keys DROP COLUMN state;",
        )
        .await
    }
}

// `connection_upkeep` is beside the connection, because it changes daily and nothing in memory depends on it.
// One row per SAML connection: `refresh_at` is when its metadata URL is read again, if it has one, and
// `notice_at` when its certificates are looked at for their dates. The first round sets both right.
const UP: &str = "
CREATE TABLE connection_upkeep (
    connection_id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL,
    refresh_at BIGINT,
    refreshed_at BIGINT,
    etag TEXT,
    last_modified TEXT,
    failures BIGINT NOT NULL,
    failure TEXT,
    held TEXT,
    held_at BIGINT,
    unknown_key_at BIGINT,
    notice_at BIGINT,
    FOREIGN KEY (organization_id, connection_id) REFERENCES connections (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX connection_upkeep_refresh ON connection_upkeep (refresh_at) WHERE refresh_at IS NOT NULL;
CREATE INDEX connection_upkeep_notice ON connection_upkeep (notice_at) WHERE notice_at IS NOT NULL;

INSERT INTO connection_upkeep (connection_id, organization_id, refresh_at, failures, notice_at)
SELECT id, organization_id, CASE WHEN metadata_url IS NULL THEN NULL ELSE 0 END, 0, 0
FROM connections WHERE type = 'saml';

CREATE TABLE certificate_notices (
    connection_id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    days BIGINT NOT NULL,
    sent_at BIGINT NOT NULL,
    PRIMARY KEY (connection_id, fingerprint, days),
    FOREIGN KEY (organization_id, connection_id) REFERENCES connections (organization_id, id) ON DELETE CASCADE
);

ALTER TABLE connection_keys ADD COLUMN state TEXT NOT NULL DEFAULT 'current';
ALTER TABLE connection_keys ADD COLUMN changes_at BIGINT;
CREATE INDEX connection_keys_due ON connection_keys (changes_at) WHERE changes_at IS NOT NULL;
";
