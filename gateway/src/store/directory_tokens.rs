//! The bearer tokens of directories, kept as keyed hashes: what a SCIM client comes in with.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, EntityTrait, JoinType, QueryFilter, QuerySelect};

use super::entity::directories;
use super::entity::directory_tokens::{Column, Entity};
use super::{DirectoryScope, OrgScope, Reads, StoreError, Tx};
use crate::ids::{DirectoryId, DirectoryTokenId, OrganizationId};
use crate::model::{Directory, DirectoryState, Timestamp};

/// What a valid token opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Door {
    pub scope: DirectoryScope,
    pub token: DirectoryTokenId,
    pub last_used_at: Option<Timestamp>,
    pub state: DirectoryState,
}

/// The directory, if the token with this hash is one of its own and has not expired. `None` tells nothing
/// about which of these is wrong.
pub async fn open(
    db: &impl Reads,
    directory: DirectoryId,
    token_hash: &str,
    now: Timestamp,
) -> Result<Option<Door>, StoreError> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a SCIM client names a directory, and its token is the evidence"
    )]
    let query = Entity::find();
    let row: Option<(
        OrganizationId,
        DirectoryTokenId,
        Option<Timestamp>,
        DirectoryState,
    )> = query
        .join(JoinType::InnerJoin, directory_of_token())
        .select_only()
        .column(Column::OrganizationId)
        .column(Column::Id)
        .column(Column::LastUsedAt)
        .column(directories::Column::State)
        .filter(Column::TokenHash.eq(token_hash))
        .filter(Column::DirectoryId.eq(directory))
        .filter(
            Condition::any()
                .add(Column::ExpiresAt.is_null())
                .add(Column::ExpiresAt.gt(now)),
        )
        .into_tuple()
        .one(db.db())
        .await?;
    Ok(row.map(|(organization, token, last_used_at, state)| Door {
        scope: DirectoryScope::from_evidence(OrgScope::from_evidence(organization), directory),
        token,
        last_used_at,
        state,
    }))
}

/// Notes that the token was used. Returns the directory when this was its first request: it is syncing from
/// now on.
pub async fn note_use(
    tx: &Tx,
    door: &Door,
    now: Timestamp,
) -> Result<Option<Directory>, StoreError> {
    door.scope
        .update::<Entity>()
        .col_expr(Column::LastUsedAt, Expr::value(now))
        .filter(Column::Id.eq(door.token))
        .exec(tx.db())
        .await?;
    let organization = door.scope.organization();
    let directory = || {
        organization
            .update::<directories::Entity>()
            .col_expr(directories::Column::LastRequestAt, Expr::value(now))
            .filter(directories::Column::Id.eq(door.scope.directory()))
    };
    if door.state == DirectoryState::Waiting {
        let activated = directory()
            .col_expr(
                directories::Column::State,
                Expr::value(DirectoryState::Syncing),
            )
            .col_expr(directories::Column::UpdatedAt, Expr::value(now))
            .filter(directories::Column::State.eq(DirectoryState::Waiting))
            .exec_with_returning(tx.db())
            .await?;
        return Ok(activated.into_iter().next().map(Directory::from));
    }
    directory().exec(tx.db()).await?;
    Ok(None)
}

fn directory_of_token() -> sea_orm::RelationDef {
    Entity::belongs_to(directories::Entity)
        .from((Column::OrganizationId, Column::DirectoryId))
        .to((directories::Column::OrganizationId, directories::Column::Id))
        .into()
}
