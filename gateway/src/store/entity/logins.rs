use sea_orm::entity::prelude::*;

use crate::ids::{ApplicationId, ConnectionId, LoginId, OrganizationId, UserId};
use crate::model::{LoginState, Timestamp};
use crate::store::columns::JsonText;
use crate::store::scope::OrgOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "logins")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: LoginId,
    pub organization_id: OrganizationId,
    pub connection_id: ConnectionId,
    pub application_id: Option<ApplicationId>,
    pub state: LoginState,
    pub request_id: Option<String>,
    pub relay_state: Option<String>,
    pub handle_hash: Option<String>,
    pub browser_hash: Option<String>,
    pub sealed: Option<String>,
    pub request: Option<String>,
    pub trace: Option<JsonText<connectors::Trace>>,
    pub code: Option<String>,
    pub email: Option<String>,
    pub user_id: Option<UserId>,
    pub ip: String,
    pub user_agent: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl OrgOwned for Entity {
    const ORGANIZATION: Column = Column::OrganizationId;
}
