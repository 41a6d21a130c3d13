//! Users: people inside one organization as the application sees them.

use std::collections::BTreeMap;

use poem_openapi::Object;
use poem_openapi::types::ToJSON;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Timestamp, UserRole};
use crate::ids::{GroupId, OrganizationId, UserId};

#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Email {
    pub value: String,
    /// `work`, `home`, `other` or what the directory says.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub primary: bool,
}

/// What a directory or a login says about a person beside the columns that are searched.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    pub emails: Vec<Email>,
    pub name: Option<String>,
    pub given_name: Option<String>,
    pub family_name: Option<String>,
    pub display_name: Option<String>,
    pub job_title: Option<String>,
    pub department: Option<String>,
    pub locale: Option<String>,
    pub timezone: Option<String>,
    /// The manager's id as the directory gives it.
    pub manager: Option<String>,
    /// Custom attributes by the mapping.
    pub attributes: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct GroupRef {
    pub id: GroupId,
    pub display_name: String,
}

/// Where a user is known from: a directory resource or an identity at a connection.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct UserSource {
    /// `directory` or `connection`.
    pub kind: String,
    /// The directory's or the connection's id.
    pub id: String,
    /// The resource's id in the directory (`dusr_…`), or the IdP's subject.
    pub subject: String,
}

/// A person inside one organization (CONTRACT section 7).
#[derive(Debug, Clone, PartialEq, Object)]
pub struct User {
    pub id: UserId,
    pub organization_id: OrganizationId,
    pub external_id: Option<String>,
    pub active: bool,
    pub user_name: Option<String>,
    pub email: Option<String>,
    pub emails: Vec<Email>,
    pub name: Option<String>,
    pub given_name: Option<String>,
    pub family_name: Option<String>,
    pub display_name: Option<String>,
    pub job_title: Option<String>,
    pub department: Option<String>,
    pub locale: Option<String>,
    pub timezone: Option<String>,
    pub manager: Option<String>,
    pub groups: Vec<GroupRef>,
    pub roles: Vec<String>,
    pub role_sources: Vec<UserRole>,
    pub attributes: BTreeMap<String, Value>,
    pub sources: Vec<UserSource>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// The difference of two states of one user: the fields that changed, as they were.
#[derive(Debug, Clone, PartialEq)]
pub struct UserChange {
    pub previous: Map<String, Value>,
}

impl UserChange {
    /// `None` when nothing changed but bookkeeping: no write, no event.
    pub fn between(before: &User, after: &User) -> Option<Self> {
        let (Some(Value::Object(before)), Some(Value::Object(after))) =
            (before.to_json(), after.to_json())
        else {
            return None;
        };
        let previous: Map<String, Value> = before
            .into_iter()
            .filter(|(field, value)| field != "updated_at" && after.get(field) != Some(value))
            .collect();
        (!previous.is_empty()).then_some(Self { previous })
    }
}
