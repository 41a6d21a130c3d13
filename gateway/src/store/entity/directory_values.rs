use sea_orm::entity::prelude::*;

use crate::ids::{DirectoryId, DirectoryUserId, OrganizationId};
use crate::store::scope::{DirectoryOwned, OrgOwned};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "directory_values")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub directory_id: DirectoryId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub directory_user_id: DirectoryUserId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub path: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub element: i64,
    pub organization_id: OrganizationId,
    pub value: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl OrgOwned for Entity {
    const ORGANIZATION: Column = Column::OrganizationId;
}

impl DirectoryOwned for Entity {
    const DIRECTORY: Column = Column::DirectoryId;
}
