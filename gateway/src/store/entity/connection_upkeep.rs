use sea_orm::entity::prelude::*;

use crate::ids::{ConnectionId, OrganizationId};
use crate::model::Timestamp;
use crate::store::columns::JsonText;
use crate::store::scope::OrgOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "connection_upkeep")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub connection_id: ConnectionId,
    pub organization_id: OrganizationId,
    pub refresh_at: Option<Timestamp>,
    pub refreshed_at: Option<Timestamp>,
    pub etag: Option<String>,
    pub last_modified: Option<String>,
    pub failures: i64,
    pub failure: Option<String>,
    pub held: Option<JsonText<connectors::saml::IdpMetadata>>,
    pub held_at: Option<Timestamp>,
    pub unknown_key_at: Option<Timestamp>,
    pub notice_at: Option<Timestamp>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl OrgOwned for Entity {
    const ORGANIZATION: Column = Column::OrganizationId;
}
