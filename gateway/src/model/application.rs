//! Applications: OIDC clients of Tenon.

use chrono::TimeDelta;
use poem_openapi::{Enum, Object};
use sea_orm::{DeriveActiveEnum, EnumIter};
use serde_json::Value;

use super::{SigningAlgorithm, Timestamp};
use crate::ids::ApplicationId;

/// RFC 6749 2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum, EnumIter, DeriveActiveEnum)]
#[oai(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum ApplicationType {
    #[default]
    Confidential,
    Public,
}

/// How a client proves itself where it calls us (OIDC Core 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum, EnumIter, DeriveActiveEnum)]
#[oai(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum ClientAuthMethod {
    #[default]
    ClientSecretBasic,
    ClientSecretPost,
    PrivateKeyJwt,
    /// A public client: its proof is PKCE.
    None,
}

impl ClientAuthMethod {
    pub fn uses_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }
}

/// What the hosted sign-in page asks for when a request names no organization. That a domain signs in here shows
/// by nature where an email is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum, EnumIter, DeriveActiveEnum)]
#[oai(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum DiscoveryMode {
    /// The work email, whose domain decides.
    #[default]
    Email,
    /// The organization's slug, called its sign-in code.
    Slug,
    /// Nothing: the request itself has to name where it goes.
    HintOnly,
}

/// An OIDC client: the B2B application. Its id is its `client_id`.
#[derive(Debug, Clone, PartialEq, Object)]
pub struct Application {
    pub id: ApplicationId,
    pub client_id: ApplicationId,
    pub name: String,
    #[oai(rename = "type")]
    pub kind: ApplicationType,
    pub redirect_uris: Vec<String>,
    pub post_logout_redirect_uris: Vec<String>,
    pub id_token_signing_alg: SigningAlgorithm,
    /// Seconds, at most 300.
    pub access_token_ttl: i64,
    /// Seconds; also a session's longest life.
    pub refresh_token_ttl: i64,
    /// Seconds without a refresh after which a session has expired; null: it lives to its end.
    pub session_idle_ttl: Option<i64>,
    pub backchannel_logout_uri: Option<String>,
    pub initiate_login_uri: Option<String>,
    /// With a secret, the header and the form are both taken.
    pub token_endpoint_auth_method: ClientAuthMethod,
    pub discovery: DiscoveryMode,
    /// Public keys of a `private_key_jwt` client (RFC 7517).
    pub jwks: Option<Value>,
    /// Where such a client publishes them instead.
    pub jwks_uri: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Application {
    /// When a session that is used now expires, of which no use moves the end.
    pub fn session_expires_at(&self, now: Timestamp, ends_at: Timestamp) -> Timestamp {
        self.session_idle_ttl.map_or(ends_at, |idle| {
            Timestamp(now.0 + TimeDelta::seconds(idle)).min(ends_at)
        })
    }
}
