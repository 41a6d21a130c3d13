//! Applications: OIDC clients of Tenon.

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

/// How an application proves itself at the token endpoint and its neighbours (OIDC Core 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, EnumIter, DeriveActiveEnum)]
#[oai(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum ClientAuthMethod {
    ClientSecretBasic,
    ClientSecretPost,
    PrivateKeyJwt,
    None,
}

impl ClientAuthMethod {
    pub const ALL: [Self; 4] = [
        Self::ClientSecretBasic,
        Self::ClientSecretPost,
        Self::PrivateKeyJwt,
        Self::None,
    ];

    /// As the standards register it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::None => "none",
        }
    }
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
    pub backchannel_logout_uri: Option<String>,
    pub initiate_login_uri: Option<String>,
    /// Public keys of a `private_key_jwt` client (RFC 7517).
    pub jwks: Option<Value>,
    /// Where the public keys stand instead.
    pub jwks_uri: Option<String>,
    /// The one way in which the application proves itself; null: any for which it has a credential.
    pub token_endpoint_auth_method: Option<ClientAuthMethod>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}
