use sea_orm::entity::prelude::*;

use crate::ids::{DirectoryId, DirectoryRequestId, DirectoryTokenId, OrganizationId};
use crate::model::RequestEvent;
use crate::store::columns::JsonText;
use crate::store::scope::{DirectoryOwned, OrgOwned};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "directory_requests")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DirectoryRequestId,
    pub organization_id: OrganizationId,
    pub directory_id: DirectoryId,
    pub method: String,
    pub path: String,
    pub resource_id: Option<String>,
    pub status: i64,
    pub scim_type: Option<String>,
    pub summary: String,
    pub provider: String,
    pub quirks: JsonText<Vec<String>>,
    pub events: JsonText<Vec<RequestEvent>>,
    pub event_count: i64,
    pub token_id: DirectoryTokenId,
    pub user_agent: Option<String>,
    pub ip: String,
    pub request_id: String,
    pub sealed: String,
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
