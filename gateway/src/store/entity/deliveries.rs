use sea_orm::entity::prelude::*;

use crate::ids::{DeliveryId, EventId, OrganizationId, WebhookEndpointId};
use crate::model::{DeliveryStatus, Timestamp};
use crate::store::scope::OrgOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "deliveries")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DeliveryId,
    pub endpoint_id: WebhookEndpointId,
    pub organization_id: OrganizationId,
    pub event_id: EventId,
    pub status: DeliveryStatus,
    pub attempts: i64,
    pub ready_at: Option<Timestamp>,
    pub lease_until: Option<Timestamp>,
    pub fence: i64,
    pub response_code: Option<i64>,
    pub latency_ms: Option<i64>,
    pub body_excerpt: Option<String>,
    pub error: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl OrgOwned for Entity {
    const ORGANIZATION: Column = Column::OrganizationId;
}
