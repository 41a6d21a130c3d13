use sea_orm::entity::prelude::*;

use crate::ids::{ApplicationId, OrganizationId, SessionId, UserId};
use crate::model::Timestamp;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "logout_notices")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub session_id: SessionId,
    pub organization_id: OrganizationId,
    pub user_id: UserId,
    pub application_id: ApplicationId,
    pub attempts: i64,
    pub due_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
