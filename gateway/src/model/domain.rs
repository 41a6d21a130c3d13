//! Email domains of an organization.

use poem_openapi::{Enum, Object};
use sea_orm::{DeriveActiveEnum, EnumIter};
use serde::{Deserialize, Serialize};

use super::Timestamp;
use crate::ids::{ConnectionId, DomainId, OrganizationId};

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

/// What a look for a TXT record found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum DomainCheckResult {
    /// The record, as it should be.
    Found,
    /// Nothing at the record's name.
    NoRecord,
    /// Other values at the record's name.
    OtherValue,
    /// The right value at another name.
    Misplaced,
    /// The domain itself is not in DNS.
    NoSuchDomain,
    /// No name server gave an answer, which says nothing about the record.
    Unavailable,
    /// The record; but another organization has proven the domain, and its record stands.
    Taken,
}

/// One look for the TXT record, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct DomainCheck {
    pub checked_at: Timestamp,
    pub result: DomainCheckResult,
    /// Where `found` stands: the record's name, or for `misplaced` another.
    pub name: String,
    /// The TXT values there, at most ten, each cut at 255 characters.
    pub found: Vec<String>,
    /// For the person who keeps the DNS: what was found, and what to do.
    pub message: String,
    /// Of `unavailable`: since when no look got an answer. After seven days of that the record of a verified domain
    /// counts as missing.
    #[serde(default)]
    pub unanswered_since: Option<Timestamp>,
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
    /// Whether addresses below it belong to it too, where no nearer domain is verified. Else it stands for
    /// itself alone.
    pub include_subdomains: bool,
    /// The one connection that signs this domain in. Null: the organization's only one, or a choice.
    pub connection_id: Option<ConnectionId>,
    pub txt_record: TxtRecord,
    pub verified_at: Option<Timestamp>,
    /// Since when the record of a verified domain is not found any more. After seven days the domain is `failed`
    /// and routes nothing until the record is found again.
    pub missing_since: Option<Timestamp>,
    /// What the last look for the TXT record found.
    pub last_check: Option<DomainCheck>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// IDNA A-label, lower case, no trailing dot (SECURITY-MODEL G3).
pub fn canonical_domain(domain: &str) -> Option<String> {
    let domain = domain.trim().trim_end_matches('.');
    let ascii = idna::domain_to_ascii_strict(domain).ok()?;
    (!ascii.is_empty() && ascii.contains('.') && ascii.len() <= 253).then_some(ascii)
}
