//! The bearer tokens of directories, kept as keyed hashes: what a SCIM client comes in with.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, JoinType, QueryFilter, QuerySelect};

use super::entity::directories;
use super::entity::directory_tokens::{Column, Entity};
use super::{DirectoryScope, OrgScope, Reads, Store, StoreError, Tx};
use crate::ids::{DirectoryId, DirectoryTokenId, OrganizationId};
use crate::model::{Directory, DirectoryState, Timestamp};

/// What a token opens, or did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Door {
    pub scope: DirectoryScope,
    pub token: DirectoryTokenId,
    pub last_used_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    pub state: DirectoryState,
    /// Whom the directory's settings name: the id of one of `scim::provider`.
    pub provider: &'static str,
}

impl Door {
    /// Since when the token opens nothing any more.
    pub fn expired_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.expires_at.filter(|end| *end <= now)
    }
}

/// The directory, if the token with this hash is one of its own; ask whether it has expired. From memory: a
/// removal holds at once where it was made, elsewhere within a second.
pub async fn open(
    store: &Store,
    directory: DirectoryId,
    token_hash: &str,
) -> Result<Option<Door>, StoreError> {
    let owner = |door: &Door| Some(door.scope.organization().organization());
    let door = store
        .remembered()
        .doors
        .get_or_read(store, token_hash.into(), owner, async || {
            find(&store.read(), token_hash).await
        })
        .await?;
    Ok(door.filter(|door| door.scope.directory() == directory))
}

/// Whatever the token with this hash opens, expired or not.
async fn find(db: &impl Reads, token_hash: &str) -> Result<Option<Door>, StoreError> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a SCIM client's token is the evidence; the caller compares its directory with the path's"
    )]
    let query = Entity::find();
    let row = query
        .join(JoinType::InnerJoin, directory_of_token())
        .select_only()
        .column(Column::OrganizationId)
        .column(Column::DirectoryId)
        .column(Column::Id)
        .column(Column::LastUsedAt)
        .column(Column::ExpiresAt)
        .column(directories::Column::State)
        .column(directories::Column::Provider)
        .filter(Column::TokenHash.eq(token_hash))
        .into_model::<Row>()
        .one(db.db())
        .await?;
    Ok(row.map(Door::from))
}

#[derive(FromQueryResult)]
struct Row {
    organization_id: OrganizationId,
    directory_id: DirectoryId,
    id: DirectoryTokenId,
    last_used_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    state: DirectoryState,
    provider: Option<String>,
}

impl From<Row> for Door {
    fn from(row: Row) -> Self {
        let organization = OrgScope::from_evidence(row.organization_id);
        let none = scim::Quirks::default();
        let provider = scim::provider::recognise(row.provider.as_deref(), None, &none);
        Self {
            scope: DirectoryScope::from_evidence(organization, row.directory_id),
            token: row.id,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
            state: row.state,
            provider: &provider.id,
        }
    }
}

/// So that this replica knows of a use that it noted.
pub fn remember_use(store: &Store, token_hash: &str, now: Timestamp) {
    store.remembered().doors.amend(token_hash, |door| {
        door.last_used_at = Some(now);
        if door.state == DirectoryState::Waiting {
            door.state = DirectoryState::Syncing;
        }
    });
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
