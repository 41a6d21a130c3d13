use sea_orm::entity::prelude::*;

use crate::ids::{ApplicationId, OrganizationId, SessionId};
use crate::model::Timestamp;
use crate::store::scope::OrgOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "refresh_tokens")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub token_hash: String,
    pub organization_id: OrganizationId,
    pub session_id: SessionId,
    pub application_id: ApplicationId,
    pub scope: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub rotated_at: Option<Timestamp>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl OrgOwned for Entity {
    const ORGANIZATION: Column = Column::OrganizationId;
}
