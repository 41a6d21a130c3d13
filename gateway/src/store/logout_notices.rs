//! Sessions of which an application is still to hear that they have ended (OpenID Connect Back-Channel
//! Logout 1.0). A notice is written with the end of its session, and goes when the application has answered.

use sea_orm::sea_query::{Expr, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, FromQueryResult, QueryFilter, Statement,
    Value,
};

use super::entity::{applications, logout_notices, sessions};
use super::{OrgScope, Reads, Store, StoreError, Tx};
use crate::ids::{ApplicationId, SessionId, UserId};
use crate::model::Timestamp;

/// How long a claimed notice belongs to its worker, in milliseconds: more than one request may take.
const LEASE_MS: i64 = 60_000;

/// One claimed notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromQueryResult)]
pub struct Notice {
    pub session_id: SessionId,
    pub user_id: UserId,
    pub application_id: ApplicationId,
    /// Attempts so far, this one included.
    pub attempts: i64,
}

/// Notes sessions that were just revoked, where their application wants to hear of it. One statement.
pub(super) async fn insert(
    tx: &Tx,
    scope: &OrgScope,
    ended: &[SessionId],
) -> Result<(), StoreError> {
    use logout_notices::{Column, Entity};
    if ended.is_empty() {
        return Ok(());
    }
    let session = |column| Expr::col((sessions::Entity, column));
    let mut due = Query::select();
    due.expr(session(sessions::Column::Id))
        .expr(session(sessions::Column::OrganizationId))
        .expr(session(sessions::Column::UserId))
        .expr(session(sessions::Column::ApplicationId))
        .expr(Expr::value(0_i64))
        .expr(session(sessions::Column::RevokedAt))
        .from(sessions::Entity)
        .inner_join(
            applications::Entity,
            Expr::col((applications::Entity, applications::Column::Id))
                .eq(session(sessions::Column::ApplicationId)),
        )
        .and_where(session(sessions::Column::OrganizationId).eq(scope.organization()))
        .and_where(session(sessions::Column::Id).is_in(ended.iter().copied()))
        .and_where(
            Expr::col((
                applications::Entity,
                applications::Column::BackchannelLogoutUri,
            ))
            .is_not_null(),
        );
    let mut insert = Query::insert();
    insert
        .into_table(Entity)
        .columns([
            Column::SessionId,
            Column::OrganizationId,
            Column::UserId,
            Column::ApplicationId,
            Column::Attempts,
            Column::DueAt,
        ])
        .select_from(due)
        .map_err(|error| StoreError::Database(sea_orm::DbErr::Custom(error.to_string())))?;
    tx.db().execute(&insert).await?;
    Ok(())
}

/// Takes at most `limit` due notices, of one application at most `each`, and none of the applications `left_out`. They
/// come back by themselves when nothing is heard of them for a minute.
#[expect(
    clippy::disallowed_methods,
    reason = "the worker serves every organization; a notice names its own application"
)]
pub async fn claim(
    store: &Store,
    now: Timestamp,
    limit: usize,
    each: usize,
    left_out: &[ApplicationId],
) -> Result<Vec<Notice>, StoreError> {
    let backend = store.read().db().get_database_backend();
    let now = now.0.timestamp_millis();
    let mut values: Vec<Value> = vec![now.into(), (now + LEASE_MS).into()];
    let mut others = String::new();
    for application in left_out {
        values.push((*application).into());
        let separator = if others.is_empty() { "" } else { ", " };
        others.push_str(&format!("{separator}${}", values.len()));
    }
    let others = match left_out {
        [] => String::new(),
        _ => format!("AND application_id NOT IN ({others})"),
    };
    // Nothing to do, most of the time: that costs a read only.
    let look = "SELECT 1 FROM logout_notices WHERE due_at <= $1 LIMIT 1";
    let look = Statement::from_sql_and_values(backend, look, [now.into()]);
    if store.read().db().query_one_raw(look).await?.is_none() {
        return Ok(Vec::new());
    }
    // The longest due of each application, and of those the longest due: a thousand notices of one application must
    // not stand before the first of another.
    let sql = format!(
        "UPDATE logout_notices SET attempts = attempts + 1, due_at = $2 \
         WHERE session_id IN (SELECT session_id FROM logout_notices WHERE due_at <= $1 AND session_id IN \
            (SELECT session_id FROM (SELECT session_id, due_at, \
                ROW_NUMBER() OVER (PARTITION BY application_id ORDER BY due_at, session_id) AS place \
                FROM logout_notices WHERE due_at <= $1 {others}) AS placed \
             WHERE place <= {each} ORDER BY due_at LIMIT {limit}) {skip}) \
         RETURNING session_id, user_id, application_id, attempts",
        skip = store.skip_locked()
    );
    let tx = store.begin().await?;
    let statement = Statement::from_sql_and_values(backend, sql, values);
    let claimed = Notice::find_by_statement(statement).all(tx.db()).await?;
    tx.commit().await?;
    Ok(claimed)
}

/// The application has heard, or never will.
#[expect(clippy::disallowed_methods, reason = "the claim names the notice")]
pub async fn remove(store: &Store, session: SessionId) -> Result<(), StoreError> {
    let tx = store.begin().await?;
    logout_notices::Entity::delete_by_id(session)
        .exec(tx.db())
        .await?;
    tx.commit().await
}

/// To be tried again.
#[expect(clippy::disallowed_methods, reason = "the claim names the notice")]
pub async fn postpone(store: &Store, session: SessionId, to: Timestamp) -> Result<(), StoreError> {
    use logout_notices::{Column, Entity};
    let tx = store.begin().await?;
    Entity::update_many()
        .col_expr(Column::DueAt, Expr::value(to))
        .filter(Column::SessionId.eq(session))
        .exec(tx.db())
        .await?;
    tx.commit().await
}
