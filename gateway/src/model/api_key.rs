//! API keys: credentials of the management API.

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

use super::Timestamp;
use crate::ids::{ApiKeyId, OrganizationId};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum ApiScope {
    Read,
    Write,
}

/// A credential of the management API; the key itself is kept as a hash.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct ApiKey {
    pub id: ApiKeyId,
    pub name: String,
    pub scopes: Vec<ApiScope>,
    /// A key bound to one organization reaches nothing else.
    pub organization_id: Option<OrganizationId>,
    pub last_four: String,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
}
