//! Logins: the recorded trace of one sign-in attempt, success or failure.

use poem_openapi::{Enum, Object};
use sea_orm::{DeriveActiveEnum, EnumIter};

use super::Timestamp;
use crate::ids::{ConnectionId, LoginId, OrganizationId, UserId};

/// `Pending`, `Verified` (checked at the ACS, waiting for its browser), then one of the ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum LoginState {
    Pending,
    Verified,
    Succeeded,
    Failed,
    Expired,
}

/// A login's state as seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum LoginOutcome {
    Pending,
    Succeeded,
    Failed,
    Expired,
}

impl From<LoginState> for LoginOutcome {
    fn from(state: LoginState) -> Self {
        match state {
            LoginState::Pending | LoginState::Verified => Self::Pending,
            LoginState::Succeeded => Self::Succeeded,
            LoginState::Failed => Self::Failed,
            LoginState::Expired => Self::Expired,
        }
    }
}

/// One sign-in attempt (CONTRACT section 7). Its checks are added where one login is read.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct Login {
    pub id: LoginId,
    pub organization_id: OrganizationId,
    pub connection_id: ConnectionId,
    pub user_id: Option<UserId>,
    pub email: Option<String>,
    pub outcome: LoginOutcome,
    pub code: Option<String>,
    pub ip: String,
    pub user_agent: String,
    pub created_at: Timestamp,
}
