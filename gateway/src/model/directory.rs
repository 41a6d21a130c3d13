//! Directories: one SCIM source of an organization.

use poem_openapi::{Enum, Object};
use sea_orm::{DeriveActiveEnum, EnumIter};

use super::Timestamp;
use crate::ids::{DirectoryId, DirectoryTokenId, OrganizationId};

/// Where a directory stands (PORTAL section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, EnumIter, DeriveActiveEnum)]
#[oai(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum DirectoryState {
    /// No request has come yet.
    Waiting,
    Syncing,
    /// Nothing came for longer than this product's usual pause, or a week where it sends changes only. What is
    /// stored stays `syncing`: this is told when somebody looks.
    Silent,
}

/// One SCIM source of an organization.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct Directory {
    pub id: DirectoryId,
    pub organization_id: OrganizationId,
    pub name: String,
    pub provider: Option<String>,
    /// The role that every active user of this directory has.
    pub default_role: Option<String>,
    pub state: DirectoryState,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// One bearer token of a directory; the token itself is kept as a hash.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct DirectoryToken {
    pub id: DirectoryTokenId,
    pub last_four: String,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
}
