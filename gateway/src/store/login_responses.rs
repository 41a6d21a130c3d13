//! SAML responses as they came, sealed, for a few days: what support looks at when the trace is not enough.

use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Set};

use super::entity::login_responses::{ActiveModel, Column, Entity};
use super::{OrgScope, Reads, StoreError, Tx};
use crate::ids::LoginId;

/// Keeps a login's response, sealed (`login_responses`, `sealed`, id). Another answer to the same request, after
/// one that was not acceptable, takes its place.
pub async fn keep(
    tx: &Tx,
    scope: &OrgScope,
    login: LoginId,
    sealed: String,
) -> Result<(), StoreError> {
    let row = ActiveModel {
        login_id: Set(login),
        organization_id: Set(scope.organization()),
        sealed: Set(sealed),
    };
    Entity::insert(row)
        .on_conflict(
            OnConflict::column(Column::LoginId)
                .update_column(Column::Sealed)
                .to_owned(),
        )
        .exec_without_returning(tx.db())
        .await?;
    Ok(())
}

/// As it was sealed; `None` when there was none, or it is past its time.
pub async fn find(
    db: &impl Reads,
    scope: &OrgScope,
    login: LoginId,
) -> Result<Option<String>, StoreError> {
    let row = scope
        .select::<Entity>()
        .filter(Column::LoginId.eq(login))
        .one(db.db())
        .await?;
    Ok(row.map(|row| row.sealed))
}
