use sea_orm::entity::prelude::*;

use crate::ids::{DirectoryId, OrganizationId, UserId};
use crate::model::{BrakeWindow, ChangeBrake, DirectoryState, Timestamp};
use crate::store::columns::JsonText;
use crate::store::scope::OrgOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "directories")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DirectoryId,
    pub organization_id: OrganizationId,
    pub name: String,
    pub provider: Option<String>,
    pub default_role: Option<String>,
    pub state: DirectoryState,
    pub last_request_at: Option<Timestamp>,
    pub change_brake: Option<JsonText<ChangeBrake>>,
    pub protected_user_ids: JsonText<Vec<UserId>>,
    pub brake_window: JsonText<BrakeWindow>,
    pub held_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl OrgOwned for Entity {
    const ORGANIZATION: Column = Column::OrganizationId;
}
