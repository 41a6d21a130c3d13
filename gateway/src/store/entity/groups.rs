use sea_orm::entity::prelude::*;
use serde_json::{Map, Value};

use crate::ids::{DirectoryId, GroupId, OrganizationId};
use crate::model::Timestamp;
use crate::store::columns::JsonText;
use crate::store::scope::{DirectoryOwned, OrgOwned};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "groups")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: GroupId,
    pub organization_id: OrganizationId,
    pub directory_id: DirectoryId,
    pub display_name: String,
    pub display_name_folded: String,
    pub external_id: Option<String>,
    pub resource: JsonText<Map<String, Value>>,
    pub member_count: i64,
    pub version: i64,
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
