use sea_orm::entity::prelude::*;

use crate::ids::{ApiKeyId, OrganizationId};
use crate::model::{ApiScope, Timestamp};
use crate::store::columns::JsonText;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "api_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ApiKeyId,
    pub name: String,
    pub scopes: JsonText<Vec<ApiScope>>,
    pub organization_id: Option<OrganizationId>,
    pub key_hash: String,
    pub last_four: String,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
