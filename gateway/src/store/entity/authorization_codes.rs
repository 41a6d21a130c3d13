use sea_orm::entity::prelude::*;

use crate::ids::{ApplicationId, OrganizationId, SessionId};
use crate::model::Timestamp;
use crate::store::scope::OrgOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "authorization_codes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub code_hash: String,
    pub organization_id: OrganizationId,
    pub session_id: SessionId,
    pub application_id: ApplicationId,
    pub redirect_uri: String,
    pub code_challenge: Option<String>,
    pub nonce: Option<String>,
    pub scope: String,
    pub expires_at: Timestamp,
    pub redeemed_at: Option<Timestamp>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl OrgOwned for Entity {
    const ORGANIZATION: Column = Column::OrganizationId;
}
