use sea_orm::entity::prelude::*;

use crate::ids::{ApplicationId, ConnectionId, OrganizationId};
use crate::model::{ConnectionState, ConnectionType, EmailDomainPolicy, Timestamp};
use crate::store::columns::JsonText;
use crate::store::scope::OrgOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "connections")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ConnectionId,
    pub organization_id: OrganizationId,
    pub name: String,
    #[sea_orm(column_name = "type")]
    pub kind: ConnectionType,
    pub provider: Option<String>,
    pub state: ConnectionState,
    pub settings: JsonText<connectors::Settings>,
    pub metadata_url: Option<String>,
    pub client_secret_sealed: Option<String>,
    pub previous_client_secret_sealed: Option<String>,
    pub email_domain_policy: EmailDomainPolicy,
    pub jit_provisioning: bool,
    pub default_application_id: Option<ApplicationId>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl OrgOwned for Entity {
    const ORGANIZATION: Column = Column::OrganizationId;
}
