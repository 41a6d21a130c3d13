//! Email domains of an organization.

use poem_openapi::{Enum, Object};
use sea_orm::{DeriveActiveEnum, EnumIter};

use super::Timestamp;
use crate::ids::{DomainId, OrganizationId};

/// Only a verified domain routes logins (SECURITY-MODEL G3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, EnumIter, DeriveActiveEnum)]
#[oai(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum DomainState {
    Pending,
    Verified,
    Failed,
}

/// The TXT record that proves a domain.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct TxtRecord {
    /// `_tenon-challenge.` and the domain.
    pub name: String,
    /// `tenon-verification=` and 256 random bits.
    pub value: String,
}

/// An email domain of an organization.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct Domain {
    pub id: DomainId,
    pub organization_id: OrganizationId,
    /// Canonical: IDNA A-label, lower case, no trailing dot.
    pub domain: String,
    pub state: DomainState,
    /// Given by the application, which vouches for it: verified without a DNS proof.
    pub trusted: bool,
    pub txt_record: TxtRecord,
    pub verified_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}
