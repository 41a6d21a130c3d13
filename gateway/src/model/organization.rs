//! Organizations: the customers of the application, the root boundary.

use std::collections::BTreeMap;

use poem_openapi::{Enum, Object};
use sea_orm::{DeriveActiveEnum, EnumIter};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{DomainState, Timestamp};
use crate::ids::{DomainId, OrganizationId};

/// How the roles of one user combine.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    Enum,
    EnumIter,
    DeriveActiveEnum,
    Serialize,
    Deserialize,
)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum RolePolicy {
    /// All mapped roles.
    #[default]
    Union,
    /// Only the role with the highest `priority`.
    HighestPriority,
}

/// A domain as an organization lists it.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct OrganizationDomain {
    pub id: DomainId,
    pub domain: String,
    pub state: DomainState,
}

/// A customer of the application.
#[derive(Debug, Clone, PartialEq, Object)]
pub struct Organization {
    pub id: OrganizationId,
    pub name: String,
    pub slug: String,
    pub external_id: Option<String>,
    pub metadata: BTreeMap<String, Value>,
    pub role_policy: RolePolicy,
    pub domains: Vec<OrganizationDomain>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}
