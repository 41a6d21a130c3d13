use sea_orm::entity::prelude::*;

use crate::ids::DeliveryId;
use crate::model::{DeliveryOutcome, Timestamp};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "delivery_attempts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub delivery_id: DeliveryId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub attempt: i64,
    pub attempted_at: Timestamp,
    pub outcome: DeliveryOutcome,
    pub response_code: Option<i64>,
    pub latency_ms: i64,
    pub body_excerpt: Option<String>,
    pub error: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
