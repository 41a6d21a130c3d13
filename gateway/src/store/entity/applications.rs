use sea_orm::entity::prelude::*;
use serde_json::Value;

use crate::ids::ApplicationId;
use crate::model::{ApplicationType, ClientAuthMethod, DiscoveryMode, SigningAlgorithm, Timestamp};
use crate::store::columns::JsonText;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "applications")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ApplicationId,
    pub name: String,
    #[sea_orm(column_name = "type")]
    pub kind: ApplicationType,
    pub redirect_uris: JsonText<Vec<String>>,
    pub post_logout_redirect_uris: JsonText<Vec<String>>,
    pub id_token_signing_alg: SigningAlgorithm,
    pub access_token_ttl: i64,
    pub refresh_token_ttl: i64,
    pub session_idle_ttl: Option<i64>,
    pub backchannel_logout_uri: Option<String>,
    pub initiate_login_uri: Option<String>,
    pub discovery: DiscoveryMode,
    pub jwks: Option<JsonText<Value>>,
    pub secret_hash: Option<String>,
    pub previous_secret_hash: Option<String>,
    pub previous_secret_until: Option<Timestamp>,
    pub token_endpoint_auth_method: ClientAuthMethod,
    pub jwks_uri: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
