use sea_orm::entity::prelude::*;

use crate::ids::{ApplicationId, ConnectionId, LoginId, OrganizationId, SessionId, UserId};
use crate::model::{SessionClaims, SessionState, Timestamp};
use crate::store::columns::JsonText;
use crate::store::scope::OrgOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SessionId,
    pub organization_id: OrganizationId,
    pub user_id: UserId,
    pub connection_id: ConnectionId,
    pub login_id: LoginId,
    pub application_id: ApplicationId,
    pub state: SessionState,
    pub claims: JsonText<SessionClaims>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
    pub idp_subject_hash: Option<String>,
    pub idp_session_hash: Option<String>,
    pub idp_id_token_sealed: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl OrgOwned for Entity {
    const ORGANIZATION: Column = Column::OrganizationId;
}
