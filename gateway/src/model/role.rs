//! Roles of the application, and how groups become roles.

use poem_openapi::Object;

use super::Timestamp;
use crate::ids::{ConnectionId, DirectoryId, GroupId};

/// A role of the application.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct Role {
    pub slug: String,
    pub name: String,
    pub description: Option<String>,
    /// The highest number wins where an organization's policy is `highest_priority`.
    pub priority: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Whose groups a mapping reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RoleSource {
    Directory(DirectoryId),
    Connection(ConnectionId),
}

impl std::fmt::Display for RoleSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Directory(id) => id.fmt(f),
            Self::Connection(id) => id.fmt(f),
        }
    }
}

/// One row of a mapping: a group, by id or by name, gives a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleMapping {
    pub group_id: Option<GroupId>,
    /// A directory group's display name, or the value claimed at login.
    pub group_name: Option<String>,
    pub role: String,
}

/// A role that a user has, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Object)]
pub struct UserRole {
    pub role: String,
    /// `grp_…` for a mapped directory group, `dir_…` for a directory's default role, `conn_…` for groups
    /// claimed at login.
    pub source: String,
}
