use sea_orm::entity::prelude::*;

use crate::ids::{DomainId, OrganizationId};
use crate::model::{DomainState, Timestamp};
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
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl OrgOwned for Entity {
    const ORGANIZATION: Column = Column::OrganizationId;
}
