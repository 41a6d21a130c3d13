//! What is due for a connection and when: its metadata read again, its certificates' dates looked at. Beside
//! the connection's own row, because none of it is held in memory.

use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};

use super::columns::JsonText;
use super::entity::certificate_notices as notices;
use super::entity::connection_upkeep::{ActiveModel, Column, Entity, Model};
use super::{OrgScope, Reads, StoreError, Tx};
use crate::ids::{ConnectionId, OrganizationId};
use crate::model::{Timestamp, Upkeep};

/// What a round finds to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    Refresh,
    Notices,
}

impl Due {
    fn column(self) -> Column {
        match self {
            Self::Refresh => Column::RefreshAt,
            Self::Notices => Column::NoticeAt,
        }
    }
}

pub async fn find(
    db: &impl Reads,
    scope: &OrgScope,
    id: ConnectionId,
) -> Result<Upkeep, StoreError> {
    let row = scope
        .find::<Entity>(db, Column::ConnectionId.eq(id))
        .await?;
    Ok(row.map(Upkeep::from).unwrap_or_default())
}

/// Has the connection's certificates looked at in the next round, and its metadata read at `refresh_at`.
/// With `anew`, what is known of the document is forgotten: it was read from elsewhere, or nowhere.
pub async fn schedule(
    tx: &Tx,
    scope: &OrgScope,
    id: ConnectionId,
    refresh_at: Option<Timestamp>,
    anew: bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    let row = ActiveModel {
        connection_id: Set(id),
        organization_id: Set(scope.organization()),
        failures: Set(0),
        refresh_at: Set(refresh_at),
        notice_at: Set(Some(now)),
        refreshed_at: Set(refresh_at.map(|_| now)),
        etag: Set(None),
        last_modified: Set(None),
        failure: Set(None),
        held: Set(None),
        held_at: Set(None),
        unknown_key_at: Set(None),
    };
    let columns: &[Column] = if anew {
        &[
            Column::NoticeAt,
            Column::RefreshAt,
            Column::RefreshedAt,
            Column::Etag,
            Column::LastModified,
            Column::Failures,
            Column::Failure,
            Column::Held,
            Column::HeldAt,
        ]
    } else {
        &[Column::NoticeAt]
    };
    Entity::insert(row)
        .on_conflict(
            OnConflict::column(Column::ConnectionId)
                .update_columns(columns.iter().copied())
                .to_owned(),
        )
        .exec_without_returning(tx.db())
        .await?;
    Ok(())
}

/// Connections of whatever organization for which this is due, the longest first.
#[expect(
    clippy::disallowed_methods,
    reason = "upkeep over all organizations; what it finds becomes a scope each"
)]
pub async fn due(
    db: &impl Reads,
    what: Due,
    now: Timestamp,
    limit: u64,
) -> Result<Vec<(OrgScope, ConnectionId)>, StoreError> {
    let rows: Vec<(OrganizationId, ConnectionId)> = Entity::find()
        .select_only()
        .column(Column::OrganizationId)
        .column(Column::ConnectionId)
        .filter(what.column().lte(now))
        .order_by_asc(what.column())
        .limit(limit)
        .into_tuple()
        .all(db.db())
        .await?;
    Ok(rows
        .into_iter()
        .map(|(organization, id)| (OrgScope::from_evidence(organization), id))
        .collect())
}

/// Takes what is due for this replica, until `until`: another one may take it then. False when another was
/// faster.
pub async fn claim(
    tx: &Tx,
    scope: &OrgScope,
    id: ConnectionId,
    what: Due,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool, StoreError> {
    let claimed = scope
        .update::<Entity>()
        .col_expr(what.column(), Expr::value(until))
        .filter(Column::ConnectionId.eq(id))
        .filter(what.column().lte(now))
        .exec(tx.db())
        .await?;
    Ok(claimed.rows_affected == 1)
}

/// Takes the one reading that an unknown key is worth. False when there was one since `since`, or when there
/// is no URL.
pub async fn claim_for_unknown_key(
    tx: &Tx,
    scope: &OrgScope,
    id: ConnectionId,
    now: Timestamp,
    since: Timestamp,
) -> Result<bool, StoreError> {
    let rested = Condition::any()
        .add(Column::UnknownKeyAt.is_null())
        .add(Column::UnknownKeyAt.lte(since));
    let claimed = scope
        .update::<Entity>()
        .col_expr(Column::UnknownKeyAt, Expr::value(now))
        .filter(Column::ConnectionId.eq(id))
        .filter(Column::RefreshAt.is_not_null())
        .filter(rested)
        .exec(tx.db())
        .await?;
    Ok(claimed.rows_affected == 1)
}

/// Writes how the reading went.
pub async fn update(
    tx: &Tx,
    scope: &OrgScope,
    id: ConnectionId,
    upkeep: Upkeep,
) -> Result<(), StoreError> {
    let (held, held_at) = upkeep.held.unzip();
    let row = ActiveModel {
        refresh_at: Set(upkeep.refresh_at),
        refreshed_at: Set(upkeep.refreshed_at),
        etag: Set(upkeep.etag),
        last_modified: Set(upkeep.last_modified),
        failures: Set(upkeep.failures),
        failure: Set(upkeep.failure),
        held: Set(held.map(JsonText)),
        held_at: Set(held_at),
        ..Default::default()
    };
    scope
        .update::<Entity>()
        .set(row)
        .filter(Column::ConnectionId.eq(id))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// When the certificates are looked at again; never without one.
pub async fn look_again(
    tx: &Tx,
    scope: &OrgScope,
    id: ConnectionId,
    at: Option<Timestamp>,
) -> Result<(), StoreError> {
    scope
        .update::<Entity>()
        .col_expr(Column::NoticeAt, Expr::value(at))
        .filter(Column::ConnectionId.eq(id))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Notes that these notices of one certificate are given, each a number of days. False when all were before.
pub async fn note(
    tx: &Tx,
    scope: &OrgScope,
    id: ConnectionId,
    fingerprint: &str,
    days: &[i64],
    now: Timestamp,
) -> Result<bool, StoreError> {
    if days.is_empty() {
        return Ok(false);
    }
    let rows = days.iter().map(|days| notices::ActiveModel {
        connection_id: Set(id),
        fingerprint: Set(fingerprint.to_owned()),
        days: Set(*days),
        organization_id: Set(scope.organization()),
        sent_at: Set(now),
    });
    let noted = notices::Entity::insert_many(rows)
        .on_conflict(
            OnConflict::columns([
                notices::Column::ConnectionId,
                notices::Column::Fingerprint,
                notices::Column::Days,
            ])
            .do_nothing()
            .to_owned(),
        )
        .exec_without_returning(tx.db())
        .await?;
    Ok(noted > 0)
}

impl From<Model> for Upkeep {
    fn from(row: Model) -> Self {
        Self {
            refresh_at: row.refresh_at,
            refreshed_at: row.refreshed_at,
            etag: row.etag,
            last_modified: row.last_modified,
            failures: row.failures,
            failure: row.failure,
            held: row.held.map(|held| held.0).zip(row.held_at),
        }
    }
}
