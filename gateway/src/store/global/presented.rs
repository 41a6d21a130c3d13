//! What an application presents, and which organization it opens.

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, IdenStatic, Iterable, JoinType,
    QuerySelect, QueryTrait, RelationDef,
};

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

/// A code by its hash, with its session: the application presents nothing else, and 256 random bits are the
/// evidence. What the session is by now only its lock tells; whatever ends it takes the code away.
#[expect(clippy::disallowed_methods, reason = "a code says whose it is")]
pub async fn find_code(
    db: &impl Reads,
    code_hash: &str,
) -> Result<Option<(Tenant, StoredCode, StoredSession)>, StoreError> {
    use authorization_codes::{Column, Entity, Model};
    let session = Entity::belongs_to(sessions::Entity)
        .from((Column::OrganizationId, Column::SessionId))
        .to((sessions::Column::OrganizationId, sessions::Column::Id));
    let mut query = Entity::find_by_id(code_hash)
        .join(
            JoinType::InnerJoin,
            organization_of::<Entity>(Column::OrganizationId),
        )
        .join(JoinType::InnerJoin, session.into())
        .select_also(organizations::Entity);
    for column in sessions::Column::iter() {
        let name = format!("{SESSION}{}", column.as_str());
        QuerySelect::query(&mut query).expr_as(column.into_expr(), name);
    }
    let Some(row) = db.db().query_one(&query.into_query()).await? else {
        return Ok(None);
    };
    Ok(Some((
        Tenant::of(organizations::Model::from_query_result(&row, "B_")?),
        StoredCode::from(Model::from_query_result(&row, "A_")?),
        StoredSession::from(sessions::Model::from_query_result(&row, SESSION)?),
    )))
}

/// Before the columns of the third table; the ORM calls those of the first two `A_…` and `B_…`.
const SESSION: &str = "C_";

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
