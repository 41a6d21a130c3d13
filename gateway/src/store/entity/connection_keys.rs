use sea_orm::entity::prelude::*;

use crate::ids::{ConnectionId, OrganizationId};
use crate::model::{ConnectionKeyState, Timestamp};
use crate::store::scope::OrgOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "connection_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub organization_id: OrganizationId,
    pub connection_id: ConnectionId,
    pub certificate: String,
    pub private_key_sealed: String,
    pub state: ConnectionKeyState,
    pub changes_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl OrgOwned for Entity {
    const ORGANIZATION: Column = Column::OrganizationId;
}
