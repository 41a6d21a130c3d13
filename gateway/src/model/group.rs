//! Groups as a directory pushed them.

use poem_openapi::Object;

use super::Timestamp;
use crate::ids::{DirectoryId, GroupId, OrganizationId};

/// A group of one directory (CONTRACT section 7).
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct Group {
    pub id: GroupId,
    pub organization_id: OrganizationId,
    pub directory_id: DirectoryId,
    pub external_id: Option<String>,
    pub display_name: String,
    pub member_count: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}
