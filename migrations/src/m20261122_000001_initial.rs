//! Everything an organization owns, and the few tables that stand above organizations.
//!
//! Child tables repeat `organization_id` and point to their parent with it, so that even a wrong query
//! can't tie a row of one organization to another's (HOUSE section 4).

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite orders text by its bytes. PostgreSQL does so too when told, and then pages by id, filters by
        // greater and less, and sorting are the same on both, whatever the database's locale.
        let up = match manager.get_database_backend() {
            DbBackend::Postgres => {
                // A change of schema may take longer than a request, whose bounds the pool has set.
                let unbounded = "SET LOCAL statement_timeout = 0;";
                format!("{unbounded}{}", UP.replace(" TEXT", " TEXT COLLATE \"C\""))
            }
            _ => UP.to_owned(),
        };
        manager
            .get_connection()
            .execute_unprepared(&up)
            .await
            .map(drop)
    }

    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Migration(
            "the first schema has no way back".to_owned(),
        ))
    }
}

const UP: &str = "
CREATE TABLE deployment_secrets (
    name TEXT PRIMARY KEY,
    sealed TEXT NOT NULL
);

CREATE TABLE organizations (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    slug TEXT NOT NULL UNIQUE,
    external_id TEXT UNIQUE,
    metadata TEXT NOT NULL,
    role_policy TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE data_keys (
    organization_id TEXT PRIMARY KEY REFERENCES organizations (id) ON DELETE CASCADE,
    wrapped TEXT NOT NULL
);

CREATE TABLE domains (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    domain TEXT NOT NULL,
    state TEXT NOT NULL,
    trusted BOOLEAN NOT NULL,
    include_subdomains BOOLEAN NOT NULL,
    token TEXT NOT NULL,
    verified_at BIGINT,
    checked_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (organization_id, id),
    UNIQUE (organization_id, domain)
);
-- A verified domain belongs to one organization at a time (G3).
CREATE UNIQUE INDEX domains_owner ON domains (domain) WHERE state = 'verified';

CREATE TABLE applications (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    redirect_uris TEXT NOT NULL,
    post_logout_redirect_uris TEXT NOT NULL,
    id_token_signing_alg TEXT NOT NULL,
    access_token_ttl BIGINT NOT NULL,
    refresh_token_ttl BIGINT NOT NULL,
    backchannel_logout_uri TEXT,
    initiate_login_uri TEXT,
    jwks TEXT,
    secret_hash TEXT,
    previous_secret_hash TEXT,
    previous_secret_until BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE connections (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    provider TEXT,
    state TEXT NOT NULL,
    settings TEXT NOT NULL,
    metadata_url TEXT,
    client_secret_sealed TEXT,
    email_domain_policy TEXT NOT NULL,
    jit_provisioning BOOLEAN NOT NULL,
    default_application_id TEXT REFERENCES applications (id) ON DELETE SET NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (organization_id, id)
);

CREATE TABLE connection_keys (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    certificate TEXT NOT NULL,
    private_key_sealed TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    FOREIGN KEY (organization_id, connection_id) REFERENCES connections (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX connection_keys_connection ON connection_keys (organization_id, connection_id);

CREATE TABLE directories (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    provider TEXT,
    default_role TEXT,
    state TEXT NOT NULL,
    last_request_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (organization_id, id)
);

CREATE TABLE directory_tokens (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL,
    directory_id TEXT NOT NULL,
    token_hash TEXT NOT NULL UNIQUE,
    last_four TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    expires_at BIGINT,
    FOREIGN KEY (organization_id, directory_id) REFERENCES directories (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX directory_tokens_directory ON directory_tokens (organization_id, directory_id);

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    external_id TEXT,
    active BOOLEAN NOT NULL,
    user_name TEXT,
    email TEXT,
    email_folded TEXT,
    profile TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (organization_id, id)
);
CREATE INDEX users_email ON users (organization_id, email_folded);
CREATE INDEX users_external_id ON users (organization_id, external_id);

CREATE TABLE identities (
    connection_id TEXT NOT NULL,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    idp_subject TEXT NOT NULL,
    groups TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_login_at BIGINT NOT NULL,
    PRIMARY KEY (connection_id, issuer, subject),
    FOREIGN KEY (organization_id, connection_id) REFERENCES connections (organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX identities_user ON identities (organization_id, user_id);

CREATE TABLE directory_users (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL,
    directory_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    user_name TEXT NOT NULL,
    user_name_folded TEXT NOT NULL,
    external_id TEXT,
    display_name TEXT,
    display_name_folded TEXT,
    active BOOLEAN NOT NULL,
    resource TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (directory_id, user_name_folded),
    UNIQUE (directory_id, id),
    FOREIGN KEY (organization_id, directory_id) REFERENCES directories (organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX directory_users_user ON directory_users (organization_id, user_id);
CREATE INDEX directory_users_external_id ON directory_users (directory_id, external_id);

-- What filters and sorting reach of a directory's user beside the columns above: one row a value, in the
-- form in which it is compared (folded where case does not matter, booleans as words). `path` is the
-- attribute's name from its schema on; the elements of a multi-valued attribute are counted from 0, the
-- primary one first. A complex attribute has a row of its own, with an empty value, for each element.
CREATE TABLE directory_values (
    directory_id TEXT NOT NULL,
    directory_user_id TEXT NOT NULL,
    path TEXT NOT NULL,
    element BIGINT NOT NULL,
    organization_id TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (directory_id, directory_user_id, path, element),
    FOREIGN KEY (directory_id, directory_user_id) REFERENCES directory_users (directory_id, id) ON DELETE CASCADE
);
-- Only what fits an index entry of PostgreSQL: certificates and the like are found the slow way.
CREATE INDEX directory_values_value ON directory_values (directory_id, path, value) WHERE length(value) <= 512;

CREATE TABLE groups (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL,
    directory_id TEXT NOT NULL,
    display_name TEXT NOT NULL,
    display_name_folded TEXT NOT NULL,
    external_id TEXT,
    resource TEXT NOT NULL,
    member_count BIGINT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (directory_id, id),
    UNIQUE (organization_id, id),
    FOREIGN KEY (organization_id, directory_id) REFERENCES directories (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX groups_display_name ON groups (directory_id, display_name_folded);
CREATE INDEX groups_external_id ON groups (directory_id, external_id);

-- One row per member. A member is a user or a nested group of the same directory: the two foreign keys
-- say so, and take the row away with the member, so that a racing add leaves no ghost.
CREATE TABLE memberships (
    group_id TEXT NOT NULL,
    member_id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    directory_id TEXT NOT NULL,
    member_user_id TEXT,
    member_group_id TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (group_id, member_id),
    FOREIGN KEY (directory_id, group_id) REFERENCES groups (directory_id, id) ON DELETE CASCADE,
    FOREIGN KEY (directory_id, member_user_id) REFERENCES directory_users (directory_id, id) ON DELETE CASCADE,
    FOREIGN KEY (directory_id, member_group_id) REFERENCES groups (directory_id, id) ON DELETE CASCADE
);
CREATE INDEX memberships_user ON memberships (directory_id, member_user_id) WHERE member_user_id IS NOT NULL;
CREATE INDEX memberships_nested ON memberships (directory_id, member_group_id) WHERE member_group_id IS NOT NULL;

CREATE TABLE roles (
    slug TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT,
    priority BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- `source_id` is a directory or a connection. A directory maps a group by id or by name, a connection by
-- the claimed value (`group_name`).
CREATE TABLE role_mappings (
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    source_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    group_id TEXT,
    group_name TEXT,
    group_name_folded TEXT,
    role TEXT NOT NULL REFERENCES roles (slug),
    PRIMARY KEY (source_id, position)
);
CREATE INDEX role_mappings_organization ON role_mappings (organization_id, source_id);
CREATE INDEX role_mappings_role ON role_mappings (role);

-- Why a user has a role: `source` is the id of a mapped group, of a directory (its default role) or of a
-- connection (a group claimed at login).
CREATE TABLE user_roles (
    organization_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    role TEXT NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (user_id, role, source),
    FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX user_roles_role ON user_roles (organization_id, role);

CREATE TABLE logins (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    connection_id TEXT NOT NULL,
    application_id TEXT,
    state TEXT NOT NULL,
    request_id TEXT UNIQUE,
    relay_state TEXT UNIQUE,
    handle_hash TEXT UNIQUE,
    browser_hash TEXT,
    sealed TEXT,
    request TEXT,
    trace TEXT,
    code TEXT,
    email TEXT,
    user_id TEXT,
    ip TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    finished_at BIGINT,
    UNIQUE (organization_id, id)
);
CREATE INDEX logins_organization ON logins (organization_id, id);
CREATE INDEX logins_expiry ON logins (state, expires_at);

-- Response and assertion ids that were used, until they could no longer be accepted anyway.
CREATE TABLE replay_ids (
    connection_id TEXT NOT NULL,
    id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (connection_id, id)
);
CREATE INDEX replay_ids_expiry ON replay_ids (expires_at);

CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    login_id TEXT NOT NULL,
    application_id TEXT NOT NULL,
    state TEXT NOT NULL,
    claims TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT,
    UNIQUE (organization_id, id),
    FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX sessions_user ON sessions (organization_id, user_id, state);
CREATE INDEX sessions_expiry ON sessions (state, expires_at);

CREATE TABLE authorization_codes (
    code_hash TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    application_id TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    code_challenge TEXT,
    nonce TEXT,
    scope TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    redeemed_at BIGINT,
    FOREIGN KEY (organization_id, session_id) REFERENCES sessions (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX authorization_codes_session ON authorization_codes (organization_id, session_id);
CREATE INDEX authorization_codes_expiry ON authorization_codes (expires_at);

-- A family of refresh tokens is its session. The successor is derived from the presented token, so a lost
-- reply can be answered again without keeping the successor itself.
CREATE TABLE refresh_tokens (
    token_hash TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    application_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    rotated_at BIGINT,
    FOREIGN KEY (organization_id, session_id) REFERENCES sessions (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX refresh_tokens_session ON refresh_tokens (organization_id, session_id);
CREATE INDEX refresh_tokens_expiry ON refresh_tokens (expires_at);

CREATE TABLE signing_keys (
    kid TEXT PRIMARY KEY,
    alg TEXT NOT NULL,
    state TEXT NOT NULL,
    public_jwk TEXT NOT NULL,
    private_key_sealed TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    organization_id TEXT REFERENCES organizations (id) ON DELETE CASCADE,
    key_hash TEXT NOT NULL UNIQUE,
    last_four TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    expires_at BIGINT
);

CREATE TABLE idempotency_keys (
    api_key_id TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    status BIGINT NOT NULL,
    response_sealed TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (api_key_id, idempotency_key)
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);

-- Bumped in the transaction that changes what discovery and the connection cache hold in memory; replicas
-- poll it. The single row orders the changes, so a reader of `config_changes` misses none.
CREATE TABLE config_version (
    id BIGINT PRIMARY KEY,
    version BIGINT NOT NULL
);
INSERT INTO config_version (id, version) VALUES (1, 0);
CREATE TABLE config_changes (
    version BIGINT PRIMARY KEY,
    organization_id TEXT,
    changed_at BIGINT NOT NULL
);

-- The outbox (EVENTS section 3.1). No foreign key to organizations: the events of a deleted one are still
-- to be delivered.
CREATE TABLE event_streams (
    organization_id TEXT PRIMARY KEY,
    last_seq BIGINT NOT NULL
);

CREATE TABLE events (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL,
    seq BIGINT NOT NULL,
    pos BIGINT UNIQUE,
    type TEXT NOT NULL,
    occurred_at BIGINT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (organization_id, seq)
);
-- What the sequencer has to number: empty most of the time.
CREATE INDEX events_unsequenced ON events (organization_id, seq) WHERE pos IS NULL;

-- The feed's own position and epoch; its row lock makes one replica at a time the sequencer.
CREATE TABLE event_feed (
    id BIGINT PRIMARY KEY,
    epoch TEXT NOT NULL,
    last_pos BIGINT NOT NULL
);

CREATE TABLE webhook_endpoints (
    id TEXT PRIMARY KEY,
    organization_id TEXT REFERENCES organizations (id) ON DELETE CASCADE,
    url TEXT NOT NULL,
    event_types TEXT NOT NULL,
    ordering TEXT NOT NULL,
    description TEXT,
    state TEXT NOT NULL,
    disabled_reason TEXT,
    secret_sealed TEXT NOT NULL,
    previous_secret_sealed TEXT,
    previous_secret_until BIGINT,
    failing_since BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX webhook_endpoints_organization ON webhook_endpoints (organization_id);

CREATE TABLE delivery_streams (
    endpoint_id TEXT NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
    organization_id TEXT NOT NULL,
    next_seq BIGINT NOT NULL,
    ready_at BIGINT,
    attempts BIGINT NOT NULL,
    lease_until BIGINT,
    fence BIGINT NOT NULL,
    PRIMARY KEY (endpoint_id, organization_id)
);
CREATE INDEX delivery_streams_ready ON delivery_streams (ready_at) WHERE ready_at IS NOT NULL;

CREATE TABLE deliveries (
    id TEXT PRIMARY KEY,
    endpoint_id TEXT NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
    organization_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    status TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    ready_at BIGINT,
    lease_until BIGINT,
    fence BIGINT NOT NULL,
    response_code BIGINT,
    latency_ms BIGINT,
    body_excerpt TEXT,
    error TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (endpoint_id, event_id)
);
CREATE INDEX deliveries_ready ON deliveries (ready_at) WHERE ready_at IS NOT NULL;
CREATE INDEX deliveries_endpoint ON deliveries (endpoint_id, id);

CREATE TABLE delivery_attempts (
    delivery_id TEXT NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    attempt BIGINT NOT NULL,
    attempted_at BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    response_code BIGINT,
    latency_ms BIGINT NOT NULL,
    body_excerpt TEXT,
    error TEXT,
    PRIMARY KEY (delivery_id, attempt)
);
CREATE INDEX delivery_attempts_age ON delivery_attempts (attempted_at);
";
