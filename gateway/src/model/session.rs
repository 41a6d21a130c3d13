//! Sessions: what one successful login opened.

use std::collections::BTreeMap;

use connectors::NameId;
use poem_openapi::{Enum, Object};
use sea_orm::{DeriveActiveEnum, EnumIter};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Timestamp;
use crate::ids::{ConnectionId, LoginId, OrganizationId, SessionId, UserId};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, EnumIter, DeriveActiveEnum)]
#[oai(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum SessionState {
    Active,
    Revoked,
    Expired,
}

/// What one successful login opened: its tokens, until they end.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct Session {
    pub id: SessionId,
    pub organization_id: OrganizationId,
    pub user_id: UserId,
    pub connection_id: ConnectionId,
    pub login_id: LoginId,
    pub state: SessionState,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

impl Session {
    /// As it is seen from outside: one past its time has expired, although no write said so.
    pub fn as_of(self, now: Timestamp) -> Self {
        let state = match self.state {
            SessionState::Active if self.expires_at <= now => SessionState::Expired,
            state => state,
        };
        Self { state, ..self }
    }
}

/// What the login said that the user's record does not keep: it goes into tokens and userinfo.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionClaims {
    pub connection_type: String,
    pub idp_subject: String,
    pub auth_time: i64,
    pub acr: Option<String>,
    pub amr: Vec<String>,
    /// Groups claimed at login, for users without a directory.
    pub groups: Vec<String>,
    pub attributes: BTreeMap<String, Value>,
    pub raw_attributes: BTreeMap<String, Value>,
    /// SAML `SessionIndex` or upstream `sid`.
    pub session_index: Option<String>,
    /// What a SAML LogoutRequest has to name.
    pub name_id: Option<NameId>,
    /// The session's end, however it is used; `expires_at` comes before it where the application has an idle limit.
    /// Sessions from before there was one have none.
    pub ends_at: Option<Timestamp>,
}
