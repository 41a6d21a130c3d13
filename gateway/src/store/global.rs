//! The few queries that start without a tenant, each with its reason. What they find becomes a scope.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use super::entity::connections;
use super::{OrgScope, Reads, StoreError};
use crate::ids::{ConnectionId, OrganizationId};

/// The organization that owns a connection: an IdP's callback names the connection in its path, and an
/// authorization request may name it as a routing hint. The scope shows nothing but that connection's own
/// organization.
#[expect(
    clippy::disallowed_methods,
    reason = "the path names a connection, not an organization"
)]
pub async fn owner_of_connection(
    db: &impl Reads,
    id: ConnectionId,
) -> Result<Option<OrgScope>, StoreError> {
    let owner: Option<OrganizationId> = connections::Entity::find()
        .select_only()
        .column(connections::Column::OrganizationId)
        .filter(connections::Column::Id.eq(id))
        .into_tuple()
        .one(db.db())
        .await?;
    Ok(owner.map(OrgScope::from_evidence))
}
