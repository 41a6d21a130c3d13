use sea_orm::entity::prelude::*;

use crate::ids::{AuditEntryId, OrganizationId};
use crate::model::Timestamp;
use crate::store::columns::JsonText;
use crate::store::scope::OrgOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_log")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AuditEntryId,
    pub organization_id: Option<OrganizationId>,
    pub actor_kind: String,
    pub actor_id: String,
    pub action: String,
    pub target: String,
    pub before: Option<JsonText<serde_json::Value>>,
    pub after: Option<JsonText<serde_json::Value>>,
    pub request_id: String,
    pub ip: Option<String>,
    pub created_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl OrgOwned for Entity {
    const ORGANIZATION: Column = Column::OrganizationId;
}
