use sea_orm::entity::prelude::*;
use serde_json::{Map, Value};

use crate::ids::{DirectoryId, DirectoryUserId, OrganizationId, UserId};
use crate::model::{HeldChange, Timestamp};
use crate::store::columns::JsonText;
use crate::store::scope::{DirectoryOwned, OrgOwned};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "directory_users")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DirectoryUserId,
    pub organization_id: OrganizationId,
    pub directory_id: DirectoryId,
    pub user_id: UserId,
    pub user_name: String,
    pub user_name_folded: String,
    pub external_id: Option<String>,
    pub display_name: Option<String>,
    pub display_name_folded: Option<String>,
    pub active: bool,
    pub resource: JsonText<Map<String, Value>>,
    pub version: i64,
    pub held: Option<HeldChange>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
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
