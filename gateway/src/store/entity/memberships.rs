use sea_orm::entity::prelude::*;

use crate::ids::{DirectoryId, DirectoryUserId, GroupId, OrganizationId};
use crate::model::Timestamp;
use crate::store::scope::{DirectoryOwned, OrgOwned};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "memberships")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub group_id: GroupId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub member_id: String,
    pub organization_id: OrganizationId,
    pub directory_id: DirectoryId,
    pub member_user_id: Option<DirectoryUserId>,
    pub member_group_id: Option<GroupId>,
    pub created_at: Timestamp,
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
