//! What an application presents, and which organization it opens.

use sea_orm::{EntityTrait, JoinType, QuerySelect, RelationDef};

use crate::ids::SessionId;
use crate::store::entity::{
    applications, authorization_codes, organizations, refresh_tokens, sessions,
};
use crate::store::sessions::StoredSession;
use crate::store::tokens::{StoredCode, StoredRefreshToken};
use crate::store::{OrgScope, Reads, StoreError};

/// What a presented code, refresh token or session id belongs to: the door to its organization, with the
/// names that tokens carry.
#[derive(Debug, Clone)]
pub struct Tenant {
    pub scope: OrgScope,
    pub name: String,
    pub external_id: Option<String>,
}

impl Tenant {
    fn of(row: organizations::Model) -> Self {
        Self {
            scope: OrgScope::from_evidence(row.id),
            name: row.name,
            external_id: row.external_id,
        }
    }
}

/// A code by its hash: the application presents nothing else, and 256 random bits are the evidence.
#[expect(clippy::disallowed_methods, reason = "a code says whose it is")]
pub async fn find_code(
    db: &impl Reads,
    code_hash: &str,
) -> Result<Option<(Tenant, StoredCode)>, StoreError> {
    use authorization_codes::{Column, Entity};
    let found = Entity::find_by_id(code_hash)
        .join(
            JoinType::InnerJoin,
            organization_of::<Entity>(Column::OrganizationId),
        )
        .select_also(organizations::Entity)
        .one(db.db())
        .await?;
    Ok(with_tenant(found))
}

/// A refresh token by its hash, as [`find_code`].
#[expect(
    clippy::disallowed_methods,
    reason = "a refresh token says whose it is"
)]
pub async fn find_refresh_token(
    db: &impl Reads,
    token_hash: &str,
) -> Result<Option<(Tenant, StoredRefreshToken)>, StoreError> {
    use refresh_tokens::{Column, Entity};
    let found = Entity::find_by_id(token_hash)
        .join(
            JoinType::InnerJoin,
            organization_of::<Entity>(Column::OrganizationId),
        )
        .select_also(organizations::Entity)
        .one(db.db())
        .await?;
    Ok(with_tenant(found))
}

/// The session that one of our access tokens names, while its application exists. The caller has verified
/// the token.
#[expect(
    clippy::disallowed_methods,
    reason = "a verified access token names its session"
)]
pub async fn find_session(
    db: &impl Reads,
    id: SessionId,
) -> Result<Option<(Tenant, StoredSession)>, StoreError> {
    use sessions::{Column, Entity};
    let application = Entity::belongs_to(applications::Entity)
        .from(Column::ApplicationId)
        .to(applications::Column::Id);
    let found = Entity::find_by_id(id)
        .join(
            JoinType::InnerJoin,
            organization_of::<Entity>(Column::OrganizationId),
        )
        .join(JoinType::InnerJoin, application.into())
        .select_also(organizations::Entity)
        .one(db.db())
        .await?;
    Ok(with_tenant(found))
}

fn organization_of<E: EntityTrait>(column: E::Column) -> RelationDef {
    E::belongs_to(organizations::Entity)
        .from(column)
        .to(organizations::Column::Id)
        .into()
}

fn with_tenant<M, T: From<M>>(
    found: Option<(M, Option<organizations::Model>)>,
) -> Option<(Tenant, T)> {
    let (row, organization) = found?;
    Some((Tenant::of(organization?), T::from(row)))
}
