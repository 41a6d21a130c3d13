use sea_orm::entity::prelude::*;

use crate::ids::{OrganizationId, WebhookEndpointId};
use crate::model::{Ordering, Timestamp, WebhookEndpointState};
use crate::store::columns::JsonText;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_endpoints")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: WebhookEndpointId,
    pub organization_id: Option<OrganizationId>,
    pub url: String,
    pub event_types: JsonText<Vec<String>>,
    pub ordering: Ordering,
    pub description: Option<String>,
    pub state: WebhookEndpointState,
    pub disabled_reason: Option<String>,
    pub secret_sealed: String,
    pub previous_secret_sealed: Option<String>,
    pub previous_secret_until: Option<Timestamp>,
    pub failing_since: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
