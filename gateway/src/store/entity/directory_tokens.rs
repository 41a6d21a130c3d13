use sea_orm::entity::prelude::*;

use crate::ids::{DirectoryId, DirectoryTokenId, OrganizationId};
use crate::model::Timestamp;
use crate::store::scope::{DirectoryOwned, OrgOwned};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "directory_tokens")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DirectoryTokenId,
    pub organization_id: OrganizationId,
    pub directory_id: DirectoryId,
    pub token_hash: String,
    pub last_four: String,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
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
