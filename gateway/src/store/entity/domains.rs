use sea_orm::entity::prelude::*;

use crate::ids::{ConnectionId, DomainId, OrganizationId};
use crate::model::{DomainCheck, DomainState, Timestamp};
use crate::store::columns::JsonText;
use crate::store::scope::OrgOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "domains")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DomainId,
    pub organization_id: OrganizationId,
    pub domain: String,
    pub state: DomainState,
    pub trusted: bool,
    pub include_subdomains: bool,
    pub token: String,
    pub verified_at: Option<Timestamp>,
    pub checked_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub connection_id: Option<ConnectionId>,
    pub missing_since: Option<Timestamp>,
    pub last_check: Option<JsonText<DomainCheck>>,
    pub next_check_at: Option<Timestamp>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl OrgOwned for Entity {
    const ORGANIZATION: Column = Column::OrganizationId;
}
