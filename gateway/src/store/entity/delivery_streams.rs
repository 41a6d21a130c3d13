use sea_orm::entity::prelude::*;

use crate::ids::{OrganizationId, WebhookEndpointId};
use crate::model::Timestamp;
use crate::store::scope::OrgOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "delivery_streams")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub endpoint_id: WebhookEndpointId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub organization_id: OrganizationId,
    pub next_seq: i64,
    pub ready_at: Option<Timestamp>,
    pub attempts: i64,
    pub lease_until: Option<Timestamp>,
    pub fence: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl OrgOwned for Entity {
    const ORGANIZATION: Column = Column::OrganizationId;
}
