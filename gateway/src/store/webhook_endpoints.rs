//! Webhook endpoints: of the deployment, or bound to one organization.

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    Set, Statement,
};

use super::columns::JsonText;
use super::entity::webhook_endpoints::{ActiveModel, Column, Entity, Model};
use super::{OrgScope, Reads, StoreError, Tx};
use crate::ids::{OrganizationId, WebhookEndpointId};
use crate::model::{Ordering, Timestamp, WebhookEndpointState};

/// An endpoint with its sealed secrets (`webhook_endpoints`, `secret_sealed` or `previous_secret_sealed`, id).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEndpoint {
    pub id: WebhookEndpointId,
    /// `None`: receives the events of every organization.
    pub organization_id: Option<OrganizationId>,
    pub url: String,
    /// Exact names or `user.*`; empty means all.
    pub event_types: Vec<String>,
    pub ordering: Ordering,
    pub description: Option<String>,
    pub state: WebhookEndpointState,
    pub disabled_reason: Option<String>,
    pub secret_sealed: String,
    /// Signs beside the secret until then.
    pub previous_secret: Option<(String, Timestamp)>,
    /// The feed's position when the endpoint was made: earlier events are not sent to it by themselves.
    pub start_pos: i64,
    pub failing_since: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

pub async fn insert(tx: &Tx, endpoint: &StoredEndpoint) -> Result<(), StoreError> {
    let row = ActiveModel {
        id: Set(endpoint.id),
        organization_id: Set(endpoint.organization_id),
        url: Set(endpoint.url.clone()),
        event_types: Set(JsonText(endpoint.event_types.clone())),
        ordering: Set(endpoint.ordering),
        description: Set(endpoint.description.clone()),
        state: Set(endpoint.state),
        disabled_reason: Set(endpoint.disabled_reason.clone()),
        secret_sealed: Set(endpoint.secret_sealed.clone()),
        previous_secret_sealed: Set(endpoint.previous_secret.as_ref().map(|it| it.0.clone())),
        previous_secret_until: Set(endpoint.previous_secret.as_ref().map(|it| it.1)),
        start_pos: Set(endpoint.start_pos),
        failing_since: Set(endpoint.failing_since),
        created_at: Set(endpoint.created_at),
        updated_at: Set(endpoint.updated_at),
    };
    Entity::insert(row).exec_without_returning(tx.db()).await?;
    Ok(())
}

/// One endpoint; with a scope only if it is bound to that organization.
#[expect(
    clippy::disallowed_methods,
    reason = "an endpoint may stand above organizations"
)]
pub async fn find(
    db: &impl Reads,
    scope: Option<&OrgScope>,
    id: WebhookEndpointId,
) -> Result<Option<StoredEndpoint>, StoreError> {
    let query = Entity::find()
        .filter(Column::Id.eq(id))
        .filter(bound_to(scope));
    Ok(query.one(db.db()).await?.map(StoredEndpoint::from))
}

/// The newest first.
#[expect(
    clippy::disallowed_methods,
    reason = "an endpoint may stand above organizations"
)]
pub async fn list(
    db: &impl Reads,
    scope: Option<&OrgScope>,
    before: Option<WebhookEndpointId>,
    limit: u64,
) -> Result<Vec<StoredEndpoint>, StoreError> {
    let rows = Entity::find()
        .filter(bound_to(scope))
        .filter(Condition::all().add_option(before.map(|id| Column::Id.lt(id))))
        .order_by_desc(Column::Id)
        .limit(limit)
        .all(db.db())
        .await?;
    Ok(rows.into_iter().map(StoredEndpoint::from).collect())
}

fn bound_to(scope: Option<&OrgScope>) -> Condition {
    Condition::all().add_option(scope.map(|scope| Column::OrganizationId.eq(scope.organization())))
}

/// Overwrites what can change. False when the endpoint is gone.
#[expect(
    clippy::disallowed_methods,
    reason = "an endpoint may stand above organizations"
)]
pub async fn update(tx: &Tx, endpoint: &StoredEndpoint) -> Result<bool, StoreError> {
    let row = ActiveModel {
        url: Set(endpoint.url.clone()),
        event_types: Set(JsonText(endpoint.event_types.clone())),
        ordering: Set(endpoint.ordering),
        description: Set(endpoint.description.clone()),
        state: Set(endpoint.state),
        disabled_reason: Set(endpoint.disabled_reason.clone()),
        secret_sealed: Set(endpoint.secret_sealed.clone()),
        previous_secret_sealed: Set(endpoint.previous_secret.as_ref().map(|it| it.0.clone())),
        previous_secret_until: Set(endpoint.previous_secret.as_ref().map(|it| it.1)),
        failing_since: Set(endpoint.failing_since),
        updated_at: Set(endpoint.updated_at),
        ..Default::default()
    };
    let result = Entity::update_many()
        .set(row)
        .filter(Column::Id.eq(endpoint.id))
        .exec(tx.db())
        .await?;
    Ok(result.rows_affected == 1)
}

/// Takes the endpoint away, with its streams and deliveries.
#[expect(
    clippy::disallowed_methods,
    reason = "an endpoint may stand above organizations"
)]
pub async fn remove(tx: &Tx, id: WebhookEndpointId) -> Result<bool, StoreError> {
    Ok(Entity::delete_by_id(id).exec(tx.db()).await?.rows_affected == 1)
}

/// Since when nothing but failures came; `None` after a success.
#[expect(
    clippy::disallowed_methods,
    reason = "the worker reports on an endpoint it delivers to"
)]
pub async fn note_outcome(
    tx: &Tx,
    id: WebhookEndpointId,
    failing_since: Option<Timestamp>,
) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::FailingSince, Expr::value(failing_since))
        .filter(Column::Id.eq(id))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Turns an enabled endpoint off: its streams keep their cursors and sleep. False when it was off already.
#[expect(
    clippy::disallowed_methods,
    reason = "an endpoint may stand above organizations"
)]
pub async fn disable(
    tx: &Tx,
    id: WebhookEndpointId,
    reason: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let result = Entity::update_many()
        .col_expr(Column::State, Expr::value(WebhookEndpointState::Disabled))
        .col_expr(Column::DisabledReason, Expr::value(reason))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::Id.eq(id))
        .filter(Column::State.eq(WebhookEndpointState::Enabled))
        .exec(tx.db())
        .await?;
    for table in ["delivery_streams", "deliveries"] {
        let sleep = Statement::from_sql_and_values(
            tx.db().get_database_backend(),
            format!(
                "UPDATE {table} SET ready_at = NULL, lease_until = NULL, fence = fence + 1 WHERE endpoint_id = $1"
            ),
            [id.into()],
        );
        tx.db().execute_raw(sleep).await?;
    }
    Ok(result.rows_affected == 1)
}

/// Turns an endpoint on again: every stream goes on at its cursor, nothing is skipped.
#[expect(
    clippy::disallowed_methods,
    reason = "an endpoint may stand above organizations"
)]
pub async fn enable(tx: &Tx, id: WebhookEndpointId, now: Timestamp) -> Result<bool, StoreError> {
    let result = Entity::update_many()
        .col_expr(Column::State, Expr::value(WebhookEndpointState::Enabled))
        .col_expr(Column::DisabledReason, Expr::value(Option::<String>::None))
        .col_expr(Column::FailingSince, Expr::value(Option::<Timestamp>::None))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::Id.eq(id))
        .exec(tx.db())
        .await?;
    let backend = tx.db().get_database_backend();
    let wake = Statement::from_sql_and_values(
        backend,
        "UPDATE delivery_streams SET ready_at = $2, attempts = 0 WHERE endpoint_id = $1",
        [id.into(), now.into()],
    );
    tx.db().execute_raw(wake).await?;
    let retry = Statement::from_sql_and_values(
        backend,
        "UPDATE deliveries SET ready_at = $2 WHERE endpoint_id = $1 AND status = 'retrying' \
         AND EXISTS (SELECT 1 FROM webhook_endpoints WHERE id = $1 AND ordering = 'parallel')",
        [id.into(), now.into()],
    );
    tx.db().execute_raw(retry).await?;
    Ok(result.rows_affected == 1)
}

/// Sets the endpoint's cursors so that everything behind this position of the feed is sent again.
#[expect(
    clippy::disallowed_methods,
    reason = "an endpoint may stand above organizations"
)]
pub async fn replay(
    tx: &Tx,
    endpoint: &StoredEndpoint,
    after_position: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    let statement = Statement::from_sql_and_values(
        tx.db().get_database_backend(),
        "INSERT INTO delivery_streams \
           (endpoint_id, organization_id, next_seq, ready_at, attempts, fence) \
         SELECT $1, organization_id, MIN(seq), CAST($2 AS BIGINT), 0, 0 FROM events \
         WHERE pos > $3 AND ($4 IS NULL OR organization_id = $4) \
         GROUP BY organization_id \
         ON CONFLICT (endpoint_id, organization_id) DO UPDATE SET \
           next_seq = excluded.next_seq, ready_at = excluded.ready_at, attempts = 0, \
           lease_until = NULL, fence = delivery_streams.fence + 1",
        [
            endpoint.id.into(),
            now.into(),
            after_position.into(),
            endpoint.organization_id.map(|id| id.to_string()).into(),
        ],
    );
    tx.db().execute_raw(statement).await?;
    Ok(())
}

/// The feed's last position before this instant.
#[expect(
    clippy::disallowed_methods,
    reason = "asks for a number of the feed, shows nothing"
)]
pub async fn position_at(db: &impl Reads, at: Timestamp) -> Result<i64, StoreError> {
    let statement = Statement::from_sql_and_values(
        db.db().get_database_backend(),
        "SELECT COALESCE(MAX(pos), 0) AS pos FROM events WHERE occurred_at <= $1",
        [at.into()],
    );
    let row = db
        .db()
        .query_one_raw(statement)
        .await?
        .ok_or(StoreError::Stale)?;
    Ok(row.try_get("", "pos")?)
}

impl From<Model> for StoredEndpoint {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            organization_id: row.organization_id,
            url: row.url,
            event_types: row.event_types.0,
            ordering: row.ordering,
            description: row.description,
            state: row.state,
            disabled_reason: row.disabled_reason,
            secret_sealed: row.secret_sealed,
            previous_secret: row.previous_secret_sealed.zip(row.previous_secret_until),
            start_pos: row.start_pos,
            failing_since: row.failing_since,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
