//! Connections: one SAML or OIDC identity provider of an organization.

use connectors::Settings;
use connectors::saml::IdpMetadata;
use poem_openapi::Enum;
use sea_orm::{DeriveActiveEnum, EnumIter};

use super::Timestamp;
use crate::ids::{ApplicationId, ConnectionId, OrganizationId};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, EnumIter, DeriveActiveEnum)]
#[oai(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum ConnectionState {
    Draft,
    Active,
    Inactive,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum, EnumIter, DeriveActiveEnum)]
#[oai(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum ConnectionType {
    Saml,
    Oidc,
}

impl ConnectionType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Saml => "saml",
            Self::Oidc => "oidc",
        }
    }
}

/// What a connection's own key pair is for at the moment; the first in this order is the first to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Enum, EnumIter, DeriveActiveEnum)]
#[oai(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum ConnectionKeyState {
    /// Signs, and is what the identity provider should encrypt for.
    Current,
    /// Published before it is used.
    Next,
    /// Still decrypts.
    Previous,
}

/// Which asserted emails may sign in (SECURITY-MODEL G4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum, EnumIter, DeriveActiveEnum)]
#[oai(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum EmailDomainPolicy {
    /// Only addresses in the organization's verified domains.
    #[default]
    VerifiedOnly,
    /// Others too, with `email_verified: false`.
    Any,
}

/// One identity provider of an organization. Its view (`saml.sp`, `oidc.redirect_uri`) is rendered by
/// `http/management/connections.rs`, which knows the public URL.
#[derive(Debug, Clone, PartialEq)]
pub struct Connection {
    pub id: ConnectionId,
    pub organization_id: OrganizationId,
    pub name: String,
    pub kind: ConnectionType,
    pub provider: Option<String>,
    pub state: ConnectionState,
    pub settings: Settings,
    pub metadata_url: Option<String>,
    /// Sealed; opened only to talk to the IdP.
    pub client_secret_sealed: Option<String>,
    /// Likewise: tried where the IdP does not take that one.
    pub previous_client_secret_sealed: Option<String>,
    pub email_domain_policy: EmailDomainPolicy,
    pub jit_provisioning: bool,
    pub default_application_id: Option<ApplicationId>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// How the reading of a connection's metadata URL goes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Upkeep {
    /// When the URL is read again; `None` without one.
    pub refresh_at: Option<Timestamp>,
    /// When it was read last, changed or not.
    pub refreshed_at: Option<Timestamp>,
    /// Of the document that was read last (RFC 9110 section 13.1).
    pub etag: Option<String>,
    pub last_modified: Option<String>,
    /// Readings that failed since then.
    pub failures: i64,
    /// Why the last one did.
    pub failure: Option<String>,
    /// What the document says now, as long as nobody confirmed it.
    pub held: Option<(IdpMetadata, Timestamp)>,
}
