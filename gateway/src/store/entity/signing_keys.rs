use sea_orm::entity::prelude::*;
use serde_json::Value;

use crate::model::{SigningAlgorithm, SigningKeyState, Timestamp};
use crate::store::columns::JsonText;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "signing_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub kid: String,
    pub alg: SigningAlgorithm,
    pub state: SigningKeyState,
    pub public_jwk: JsonText<Value>,
    pub private_key_sealed: String,
    pub created_at: Timestamp,
    pub state_since: Option<Timestamp>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
