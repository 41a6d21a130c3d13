use sea_orm::entity::prelude::*;

use crate::ids::{LoginId, OrganizationId};
use crate::store::scope::OrgOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "login_responses")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub login_id: LoginId,
    pub organization_id: OrganizationId,
    pub sealed: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl OrgOwned for Entity {
    const ORGANIZATION: Column = Column::OrganizationId;
}
