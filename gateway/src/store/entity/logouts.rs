use sea_orm::entity::prelude::*;

use crate::ids::{ApplicationId, ConnectionId, OrganizationId};
use crate::model::Timestamp;
use crate::store::scope::OrgOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "logouts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub relay_state_hash: String,
    pub organization_id: OrganizationId,
    pub connection_id: ConnectionId,
    pub request_id: String,
    pub application_id: ApplicationId,
    pub return_to: Option<String>,
    pub expires_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl OrgOwned for Entity {
    const ORGANIZATION: Column = Column::OrganizationId;
}
