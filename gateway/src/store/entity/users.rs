use sea_orm::entity::prelude::*;

use crate::ids::{OrganizationId, UserId};
use crate::model::{Profile, Timestamp};
use crate::store::columns::JsonText;
use crate::store::scope::OrgOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UserId,
    pub organization_id: OrganizationId,
    pub external_id: Option<String>,
    pub active: bool,
    pub user_name: Option<String>,
    pub email: Option<String>,
    pub email_folded: Option<String>,
    pub profile: JsonText<Profile>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl OrgOwned for Entity {
    const ORGANIZATION: Column = Column::OrganizationId;
}
