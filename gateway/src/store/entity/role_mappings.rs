use sea_orm::entity::prelude::*;

use crate::ids::{GroupId, OrganizationId};
use crate::store::scope::OrgOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "role_mappings")]
pub struct Model {
    pub organization_id: OrganizationId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub source_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    pub group_id: Option<GroupId>,
    pub group_name: Option<String>,
    pub group_name_folded: Option<String>,
    pub role: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl OrgOwned for Entity {
    const ORGANIZATION: Column = Column::OrganizationId;
}
