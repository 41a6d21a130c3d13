//! Directories and their bearer tokens.

use std::collections::HashMap;

use sea_orm::sea_query::{Expr, LockType};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};

use super::columns::JsonText;
use super::entity::directories::{ActiveModel, Column, Entity, Model};
use super::entity::directory_tokens;
use super::page::newest_first;
use super::{DirectoryScope, OrgScope, Reads, StoreError, Tx};
use crate::ids::{DirectoryId, DirectoryTokenId};
use crate::model::{BrakeWindow, Directory, DirectoryToken, Slice, Timestamp, Window};

pub async fn insert(tx: &Tx, scope: &OrgScope, directory: &Directory) -> Result<(), StoreError> {
    let row = ActiveModel {
        id: Set(directory.id),
        organization_id: Set(scope.organization()),
        name: Set(directory.name.clone()),
        provider: Set(directory.provider.clone()),
        default_role: Set(directory.default_role.clone()),
        state: Set(directory.state),
        last_request_at: Set(None),
        change_brake: Set(directory.change_brake.clone().map(JsonText)),
        protected_user_ids: Set(JsonText(directory.protected_user_ids.clone())),
        brake_window: Set(JsonText::default()),
        held_at: Set(directory.held_at),
        created_at: Set(directory.created_at),
        updated_at: Set(directory.updated_at),
    };
    Entity::insert(row).exec_without_returning(tx.db()).await?;
    Ok(())
}

pub async fn find(
    db: &impl Reads,
    scope: &OrgScope,
    id: DirectoryId,
) -> Result<Option<Directory>, StoreError> {
    let row = scope.find::<Entity>(db, Column::Id.eq(id)).await?;
    Ok(row.map(Directory::from))
}

/// As [`find`], and no other transaction changes the directory or its tokens until this one ends.
pub async fn lock(
    tx: &Tx,
    scope: &OrgScope,
    id: DirectoryId,
) -> Result<Option<Directory>, StoreError> {
    let row = scope.lock::<Entity>(tx, Column::Id.eq(id)).await?;
    Ok(row.map(Directory::from))
}

pub async fn list(
    db: &impl Reads,
    scope: &OrgScope,
    window: Window<DirectoryId>,
) -> Result<Slice<Directory, DirectoryId>, StoreError> {
    let query = scope.select::<Entity>();
    let slice = newest_first(db, query, Column::Id, window, |row| row.id).await?;
    Ok(slice.map(Directory::from))
}

/// When the last request of each of these directories came, to the minute.
pub async fn last_requests(
    db: &impl Reads,
    scope: &OrgScope,
    ids: &[DirectoryId],
) -> Result<HashMap<DirectoryId, Timestamp>, StoreError> {
    let rows: Vec<(DirectoryId, Timestamp)> = scope
        .select::<Entity>()
        .select_only()
        .columns([Column::Id, Column::LastRequestAt])
        .filter(Column::Id.is_in(ids.iter().copied()))
        .filter(Column::LastRequestAt.is_not_null())
        .into_tuple()
        .all(db.db())
        .await?;
    Ok(rows.into_iter().collect())
}

/// All directories of the organization, oldest first.
pub async fn all(db: &impl Reads, scope: &OrgScope) -> Result<Vec<Directory>, StoreError> {
    let rows = scope
        .select::<Entity>()
        .order_by_asc(Column::Id)
        .all(db.db())
        .await?;
    Ok(rows.into_iter().map(Directory::from).collect())
}

/// The door to the rows of one directory, for who has its organization's already. `None` when there is no
/// such directory in it.
pub async fn scope_of(
    db: &impl Reads,
    scope: &OrgScope,
    id: DirectoryId,
) -> Result<Option<DirectoryScope>, StoreError> {
    let found = find(db, scope, id).await?;
    Ok(found.map(|directory| DirectoryScope::from_evidence(*scope, directory.id)))
}

/// Writes name, provider, default role, brake and protected users. What is remembered of its tokens knows the provider.
pub async fn update(tx: &Tx, scope: &OrgScope, directory: &Directory) -> Result<(), StoreError> {
    let updated = scope
        .update::<Entity>()
        .col_expr(Column::Name, Expr::value(&directory.name))
        .col_expr(Column::Provider, Expr::value(directory.provider.clone()))
        .col_expr(
            Column::DefaultRole,
            Expr::value(directory.default_role.clone()),
        )
        .col_expr(
            Column::ChangeBrake,
            Expr::value(directory.change_brake.clone().map(JsonText)),
        )
        .col_expr(
            Column::ProtectedUserIds,
            Expr::value(JsonText(directory.protected_user_ids.clone())),
        )
        .col_expr(Column::UpdatedAt, Expr::value(directory.updated_at))
        .filter(Column::Id.eq(directory.id))
        .exec(tx.db())
        .await?;
    tx.touch_config(scope);
    match updated.rows_affected {
        1 => Ok(()),
        _ => Err(StoreError::Stale),
    }
}

/// As [`find`], with what the brake has counted, while the directory's next removal waits for this one. Weaker than
/// [`lock`]: whoever makes users refers to the directory, and need not wait.
pub async fn lock_brake(
    tx: &Tx,
    scope: &DirectoryScope,
) -> Result<Option<(Directory, BrakeWindow)>, StoreError> {
    let row = scope
        .organization()
        .select::<Entity>()
        .filter(Column::Id.eq(scope.directory()))
        .lock(LockType::NoKeyUpdate)
        .one(tx.db())
        .await?;
    Ok(row.map(|row| {
        let window = row.brake_window.0.clone();
        (Directory::from(row), window)
    }))
}

/// Writes what the brake has counted, and whether it holds. The directory is locked.
pub async fn update_brake(
    tx: &Tx,
    scope: &DirectoryScope,
    window: &BrakeWindow,
    held_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    scope
        .organization()
        .update::<Entity>()
        .col_expr(Column::BrakeWindow, Expr::value(JsonText(window.clone())))
        .col_expr(Column::HeldAt, Expr::value(held_at))
        .filter(Column::Id.eq(scope.directory()))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Removes the directory with its tokens. What it pushed has to be gone before: that has events of its own.
pub async fn remove(tx: &Tx, scope: &OrgScope, id: DirectoryId) -> Result<bool, StoreError> {
    tx.touch_config(scope);
    scope.remove::<Entity>(tx, Column::Id.eq(id)).await
}

pub async fn insert_token(
    tx: &Tx,
    scope: &OrgScope,
    directory: DirectoryId,
    token: &DirectoryToken,
    token_hash: &str,
) -> Result<(), StoreError> {
    let row = directory_tokens::ActiveModel {
        id: Set(token.id),
        organization_id: Set(scope.organization()),
        directory_id: Set(directory),
        token_hash: Set(token_hash.to_owned()),
        last_four: Set(token.last_four.clone()),
        created_at: Set(token.created_at),
        last_used_at: Set(token.last_used_at),
        expires_at: Set(token.expires_at),
    };
    directory_tokens::Entity::insert(row)
        .exec_without_returning(tx.db())
        .await?;
    Ok(())
}

/// The directory's tokens, oldest first.
pub async fn tokens(
    db: &impl Reads,
    scope: &OrgScope,
    directory: DirectoryId,
) -> Result<Vec<DirectoryToken>, StoreError> {
    let mut found = tokens_of(db, scope, &[directory]).await?;
    Ok(found.remove(&directory).unwrap_or_default())
}

/// As [`tokens`], for several directories.
pub async fn tokens_of(
    db: &impl Reads,
    scope: &OrgScope,
    directories: &[DirectoryId],
) -> Result<HashMap<DirectoryId, Vec<DirectoryToken>>, StoreError> {
    let rows = scope
        .select::<directory_tokens::Entity>()
        .filter(directory_tokens::Column::DirectoryId.is_in(directories.iter().copied()))
        .order_by_asc(directory_tokens::Column::Id)
        .all(db.db())
        .await?;
    let mut found: HashMap<_, Vec<_>> = HashMap::new();
    for row in rows {
        found.entry(row.directory_id).or_default().push(row.into());
    }
    Ok(found)
}

/// All tokens of the directory.
pub async fn remove_tokens(
    tx: &Tx,
    scope: &OrgScope,
    directory: DirectoryId,
) -> Result<(), StoreError> {
    scope
        .delete::<directory_tokens::Entity>()
        .filter(directory_tokens::Column::DirectoryId.eq(directory))
        .exec(tx.db())
        .await?;
    tx.touch_config(scope);
    Ok(())
}

/// False when the directory has no such token.
pub async fn remove_token(
    tx: &Tx,
    scope: &OrgScope,
    directory: DirectoryId,
    token: DirectoryTokenId,
) -> Result<bool, StoreError> {
    let removed = scope
        .delete::<directory_tokens::Entity>()
        .filter(directory_tokens::Column::DirectoryId.eq(directory))
        .filter(directory_tokens::Column::Id.eq(token))
        .exec(tx.db())
        .await?;
    tx.touch_config(scope);
    Ok(removed.rows_affected == 1)
}

impl From<Model> for Directory {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            organization_id: row.organization_id,
            name: row.name,
            provider: row.provider,
            default_role: row.default_role,
            state: row.state,
            change_brake: row.change_brake.map(|brake| brake.0),
            protected_user_ids: row.protected_user_ids.0,
            held_at: row.held_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl From<directory_tokens::Model> for DirectoryToken {
    fn from(row: directory_tokens::Model) -> Self {
        Self {
            id: row.id,
            last_four: row.last_four,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
        }
    }
}
