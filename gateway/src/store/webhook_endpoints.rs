//! Webhook endpoints: of the deployment, or bound to one organization.

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, Set, Statement,
    Value,
};

use super::columns::JsonText;
use super::entity::webhook_endpoints::{ActiveModel, Column, Entity, Model};
use super::page::newest_first;
use super::{OrgScope, Reads, StoreError, Tx};
use crate::ids::{OrganizationId, WebhookEndpointId};
use crate::model::{Ordering, Slice, Timestamp, WebhookEndpoint, WebhookEndpointState, Window};

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

/// Those of these endpoints that are there.
#[expect(
    clippy::disallowed_methods,
    reason = "the worker delivers for every organization"
)]
pub async fn load(
    db: &impl Reads,
    ids: &[WebhookEndpointId],
) -> Result<Vec<StoredEndpoint>, StoreError> {
    let rows = Entity::find()
        .filter(Column::Id.is_in(ids.iter().copied()))
        .all(db.db())
        .await?;
    Ok(rows.into_iter().map(StoredEndpoint::from).collect())
}

/// Newest first; with a scope only those bound to that organization.
#[expect(
    clippy::disallowed_methods,
    reason = "an endpoint may stand above organizations"
)]
pub async fn list(
    db: &impl Reads,
    scope: Option<&OrgScope>,
    window: Window<WebhookEndpointId>,
) -> Result<Slice<StoredEndpoint, WebhookEndpointId>, StoreError> {
    let query = Entity::find().filter(bound_to(scope));
    let slice = newest_first(db, query, Column::Id, window, |row| row.id).await?;
    Ok(slice.map(StoredEndpoint::from))
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
    lock_work(tx, Work::Of(id)).await?;
    Ok(Entity::delete_by_id(id).exec(tx.db()).await?.rows_affected == 1)
}

/// Takes an organization's endpoints away, before it goes itself.
#[expect(
    clippy::disallowed_methods,
    reason = "bound to the scope's organization here: an endpoint may stand above organizations"
)]
pub async fn remove_all(tx: &Tx, scope: &OrgScope) -> Result<(), StoreError> {
    lock_work(tx, Work::OfAllOf(scope.organization())).await?;
    Entity::delete_many()
        .filter(bound_to(Some(scope)))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Notes that these endpoints accepted something.
#[expect(
    clippy::disallowed_methods,
    reason = "the worker reports on endpoints it delivers to"
)]
pub async fn note_success(tx: &Tx, ids: &[WebhookEndpointId]) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::FailingSince, Expr::value(Option::<Timestamp>::None))
        .filter(Column::Id.is_in(ids.iter().copied()))
        .filter(Column::FailingSince.is_not_null())
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Notes that these endpoints failed, if they did not fail before.
#[expect(
    clippy::disallowed_methods,
    reason = "the worker reports on endpoints it delivers to"
)]
pub async fn note_failure(
    tx: &Tx,
    ids: &[WebhookEndpointId],
    now: Timestamp,
) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::FailingSince, Expr::value(now))
        .filter(Column::Id.is_in(ids.iter().copied()))
        .filter(Column::FailingSince.is_null())
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
    lock_work(tx, Work::Of(id)).await?;
    let result = Entity::update_many()
        .col_expr(Column::State, Expr::value(WebhookEndpointState::Disabled))
        .col_expr(Column::DisabledReason, Expr::value(reason))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::Id.eq(id))
        .filter(Column::State.eq(WebhookEndpointState::Enabled))
        .exec(tx.db())
        .await?;
    if result.rows_affected == 0 {
        return Ok(false);
    }
    for table in ["delivery_streams", "deliveries"] {
        let sleep = Statement::from_sql_and_values(
            tx.db().get_database_backend(),
            format!(
                "UPDATE {table} SET ready_at = NULL, lease_until = NULL, fence = fence + 1 \
                 WHERE endpoint_id = $1 AND ready_at IS NOT NULL"
            ),
            [id.into()],
        );
        tx.db().execute_raw(sleep).await?;
    }
    Ok(true)
}

/// Turns a disabled endpoint on again: every stream goes on at its cursor, nothing is skipped, and what was
/// to be retried by itself is. False when it was on already.
#[expect(
    clippy::disallowed_methods,
    reason = "an endpoint may stand above organizations"
)]
pub async fn enable(tx: &Tx, id: WebhookEndpointId, now: Timestamp) -> Result<bool, StoreError> {
    lock_work(tx, Work::Of(id)).await?;
    let result = Entity::update_many()
        .col_expr(Column::State, Expr::value(WebhookEndpointState::Enabled))
        .col_expr(Column::DisabledReason, Expr::value(Option::<String>::None))
        .col_expr(Column::FailingSince, Expr::value(Option::<Timestamp>::None))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::Id.eq(id))
        .filter(Column::State.eq(WebhookEndpointState::Disabled))
        .exec(tx.db())
        .await?;
    if result.rows_affected == 0 {
        return Ok(false);
    }
    let backend = tx.db().get_database_backend();
    let wake = Statement::from_sql_and_values(
        backend,
        "UPDATE delivery_streams SET ready_at = $2, attempts = 0, lease_until = NULL, \
           fence = fence + 1 WHERE endpoint_id = $1",
        [id.into(), now.into()],
    );
    tx.db().execute_raw(wake).await?;
    // What an ordered stream stands at comes with the stream.
    let retry = Statement::from_sql_and_values(
        backend,
        "UPDATE deliveries SET ready_at = $2 WHERE endpoint_id = $1 AND status = 'retrying' \
         AND NOT EXISTS (SELECT 1 FROM delivery_streams AS stream \
           JOIN events AS event ON event.organization_id = stream.organization_id \
             AND event.seq = stream.next_seq \
           WHERE stream.endpoint_id = $1 AND event.id = deliveries.event_id)",
        [id.into(), now.into()],
    );
    tx.db().execute_raw(retry).await?;
    Ok(true)
}

/// Whose streams and deliveries to lock.
enum Work {
    Of(WebhookEndpointId),
    OfAllOf(OrganizationId),
}

/// Locks what the sequencer and the worker lock, in their order: streams, then deliveries that are due, and
/// the endpoint's own row after them. Whoever writes that row first waits for the worker in a circle, because
/// a delivery that it records refers to the endpoint. SQLite has one writer at a time, who needs no lock.
#[expect(
    clippy::disallowed_methods,
    reason = "an endpoint may stand above organizations"
)]
async fn lock_work(tx: &Tx, work: Work) -> Result<(), StoreError> {
    let backend = tx.db().get_database_backend();
    if backend != DbBackend::Postgres {
        return Ok(());
    }
    let (whose, value): (_, Value) = match work {
        Work::Of(id) => ("endpoint_id = $1", id.into()),
        Work::OfAllOf(organization) => (
            "endpoint_id IN (SELECT id FROM webhook_endpoints WHERE organization_id = $1)",
            organization.into(),
        ),
    };
    for lock in [
        format!(
            "SELECT 1 FROM delivery_streams WHERE {whose} \
             ORDER BY endpoint_id, organization_id FOR UPDATE"
        ),
        format!(
            "SELECT 1 FROM deliveries WHERE {whose} AND ready_at IS NOT NULL \
             ORDER BY id FOR UPDATE"
        ),
    ] {
        let lock = Statement::from_sql_and_values(backend, lock, [value.clone()]);
        tx.db().execute_raw(lock).await?;
    }
    Ok(())
}

/// Sets the endpoint's cursors so that everything behind this position of the feed is sent again. While the
/// endpoint is off, the streams sleep.
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
    lock_work(tx, Work::Of(endpoint.id)).await?;
    let ready_at = match endpoint.state {
        WebhookEndpointState::Enabled => Some(now),
        WebhookEndpointState::Disabled => None,
    };
    let mut values: Vec<Value> = vec![endpoint.id.into(), ready_at.into(), after_position.into()];
    let only = match endpoint.organization_id {
        Some(organization) => {
            values.push(organization.into());
            " AND organization_id = $4"
        }
        None => "",
    };
    let statement = Statement::from_sql_and_values(
        tx.db().get_database_backend(),
        format!(
            "INSERT INTO delivery_streams \
               (endpoint_id, organization_id, next_seq, ready_at, attempts, fence) \
             SELECT $1, organization_id, MIN(seq), CAST($2 AS BIGINT), 0, 0 FROM events \
             WHERE pos > $3{only} GROUP BY organization_id ORDER BY organization_id \
             ON CONFLICT (endpoint_id, organization_id) DO UPDATE SET \
               next_seq = excluded.next_seq, ready_at = excluded.ready_at, attempts = 0, \
               lease_until = NULL, fence = delivery_streams.fence + 1"
        ),
        values,
    );
    tx.db().execute_raw(statement).await?;
    Ok(())
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
            failing_since: row.failing_since,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// What may be shown.
impl From<StoredEndpoint> for WebhookEndpoint {
    fn from(endpoint: StoredEndpoint) -> Self {
        Self {
            id: endpoint.id,
            organization_id: endpoint.organization_id,
            url: endpoint.url,
            event_types: endpoint.event_types,
            ordering: endpoint.ordering,
            description: endpoint.description,
            state: endpoint.state,
            disabled_reason: endpoint.disabled_reason,
            failing_since: endpoint.failing_since,
            created_at: endpoint.created_at,
            updated_at: endpoint.updated_at,
        }
    }
}
