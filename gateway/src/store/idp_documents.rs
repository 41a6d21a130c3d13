//! What each OpenID provider said last, for a replica that starts while the provider is down.

use connectors::oidc::Documents;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, Set};

use super::entity::idp_documents::{ActiveModel, Column, Entity};
use super::{OrgScope, Reads, StoreError, Tx};
use crate::ids::ConnectionId;
use crate::model::Timestamp;

pub async fn find(
    db: &impl Reads,
    scope: &OrgScope,
    connection: ConnectionId,
) -> Result<Option<Documents>, StoreError> {
    let row = scope
        .find::<Entity>(db, Column::ConnectionId.eq(connection))
        .await?;
    Ok(row.map(|row| Documents {
        metadata: row.metadata.into(),
        keys: row.keys.into(),
        fetched_at: row.fetched_at.0,
    }))
}

/// In the place of what was kept before.
pub async fn keep(
    tx: &Tx,
    scope: &OrgScope,
    connection: ConnectionId,
    documents: &Documents,
) -> Result<(), StoreError> {
    let row = ActiveModel {
        connection_id: Set(connection),
        organization_id: Set(scope.organization()),
        metadata: Set(documents.metadata.as_ref().to_owned()),
        keys: Set(documents.keys.as_ref().to_owned()),
        fetched_at: Set(Timestamp(documents.fetched_at)),
    };
    Entity::insert(row)
        .on_conflict(
            OnConflict::column(Column::ConnectionId)
                .update_columns([Column::Metadata, Column::Keys, Column::FetchedAt])
                .to_owned(),
        )
        .exec_without_returning(tx.db())
        .await?;
    Ok(())
}
