use std::collections::BTreeMap;

use sea_orm::entity::prelude::*;
use serde_json::Value;

use crate::ids::OrganizationId;
use crate::model::{RolePolicy, Timestamp};
use crate::store::columns::JsonText;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "organizations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OrganizationId,
    pub name: String,
    pub name_folded: String,
    pub slug: String,
    pub external_id: Option<String>,
    pub metadata: JsonText<BTreeMap<String, Value>>,
    pub role_policy: RolePolicy,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
