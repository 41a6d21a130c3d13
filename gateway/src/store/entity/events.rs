use sea_orm::entity::prelude::*;

use crate::ids::{EventId, OrganizationId};
use crate::model::Timestamp;
use crate::store::scope::OrgOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "events")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: EventId,
    pub organization_id: OrganizationId,
    pub seq: i64,
    pub pos: Option<i64>,
    #[sea_orm(column_name = "type")]
    pub kind: String,
    pub occurred_at: Timestamp,
    pub body: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl OrgOwned for Entity {
    const ORGANIZATION: Column = Column::OrganizationId;
}
