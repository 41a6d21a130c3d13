//! The audit log. Rows are only ever added, by the transaction of the act they tell of.

use sea_orm::{
    ColumnTrait, Condition, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    Select, Set,
};

use super::columns::JsonText;
use super::entity::audit_log::{ActiveModel, Column, Entity, Model};
use super::{OrgScope, Reads, Store, StoreError, page};
use crate::ids::AuditEntryId;
use crate::model::{Act, AuditActor, AuditEntry, Slice, Timestamp, Window};

/// SQLite takes 32,766 values a statement; a row has eleven.
const CHUNK: usize = 1_000;

pub(super) async fn write(
    db: &DatabaseTransaction,
    store: &Store,
    acts: Vec<Act>,
) -> Result<(), StoreError> {
    let now = Timestamp::from(store.clock().now());
    let rows: Vec<ActiveModel> = acts
        .into_iter()
        .map(|act| ActiveModel {
            id: Set(AuditEntryId::generate(store.clock(), store.entropy())),
            organization_id: Set(act.organization_id),
            actor_kind: Set(act.cause.actor.kind.as_str().to_owned()),
            actor_id: Set(act.cause.actor.id),
            action: Set(act.action.to_owned()),
            target: Set(act.target),
            before: Set(act.before.map(JsonText)),
            after: Set(act.after.map(JsonText)),
            request_id: Set(act.cause.request_id),
            ip: Set(act.cause.ip.map(|ip| ip.to_string())),
            created_at: Set(now),
        })
        .collect();
    for chunk in rows.chunks(CHUNK) {
        Entity::insert_many(chunk.to_vec())
            .exec_without_returning(db)
            .await?;
    }
    Ok(())
}

/// Filters of `GET /audit_log`; all given ones hold.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// The actor's id.
    pub actor: Option<String>,
    /// An action, or all of a kind as in `connection.*`.
    pub action: Option<String>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

/// The newest first, of one organization, or of all and of what stands above them.
pub async fn list(
    db: &impl Reads,
    scope: Option<&OrgScope>,
    filter: &AuditFilter,
    window: Window<AuditEntryId>,
) -> Result<Slice<AuditEntry, AuditEntryId>, StoreError> {
    let query = matching(scope, filter);
    let slice = page::newest_first(db, query, Column::Id, window, |row| row.id).await?;
    Ok(slice.map(AuditEntry::from))
}

/// The oldest first, from behind `after` on.
pub async fn after(
    db: &impl Reads,
    scope: Option<&OrgScope>,
    filter: &AuditFilter,
    after: Option<AuditEntryId>,
    limit: u64,
) -> Result<Vec<AuditEntry>, StoreError> {
    let rows = matching(scope, filter)
        .filter(Condition::all().add_option(after.map(|id| Column::Id.gt(id))))
        .order_by_asc(Column::Id)
        .limit(limit)
        .all(db.db())
        .await?;
    Ok(rows.into_iter().map(AuditEntry::from).collect())
}

#[expect(
    clippy::disallowed_methods,
    reason = "an unbound API key reads what was done in every organization and above them"
)]
fn matching(scope: Option<&OrgScope>, filter: &AuditFilter) -> Select<Entity> {
    let query = match scope {
        Some(scope) => scope.select::<Entity>(),
        None => Entity::find(),
    };
    let action = filter
        .action
        .as_deref()
        .map(|action| match action.strip_suffix('*') {
            // A range of text: LIKE would read `_` as any character.
            Some(kind) => Condition::all()
                .add(Column::Action.gte(kind))
                .add(Column::Action.lt(format!("{kind}\u{7f}"))),
            None => Condition::all().add(Column::Action.eq(action)),
        });
    query.filter(
        Condition::all()
            .add_option(filter.actor.as_ref().map(|id| Column::ActorId.eq(id)))
            .add_option(action)
            .add_option(filter.since.map(|at| Column::CreatedAt.gte(at)))
            .add_option(filter.until.map(|at| Column::CreatedAt.lt(at))),
    )
}

impl From<Model> for AuditEntry {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            organization_id: row.organization_id,
            actor: AuditActor {
                kind: row.actor_kind,
                id: row.actor_id,
            },
            action: row.action,
            target: row.target,
            before: row.before.map(|document| document.0),
            after: row.after.map(|document| document.0),
            request_id: row.request_id,
            ip: row.ip,
            created_at: row.created_at,
        }
    }
}
