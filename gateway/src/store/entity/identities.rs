use sea_orm::entity::prelude::*;

use crate::ids::{ConnectionId, OrganizationId, UserId};
use crate::model::Timestamp;
use crate::store::columns::JsonText;
use crate::store::scope::OrgOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "identities")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub connection_id: ConnectionId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub issuer: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject: String,
    pub organization_id: OrganizationId,
    pub user_id: UserId,
    pub idp_subject: String,
    pub groups: JsonText<Vec<String>>,
    pub created_at: Timestamp,
    pub last_login_at: Timestamp,
    pub email_doubted: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl OrgOwned for Entity {
    const ORGANIZATION: Column = Column::OrganizationId;
}
