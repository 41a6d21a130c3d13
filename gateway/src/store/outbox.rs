//! The outbox: events are rows of the transaction that caused them (EVENTS section 3).
//!
//! The organization's counter is bumped by the transaction's last statements, and its row lock makes commit
//! order equal `seq` order: dense, and a rollback leaves no hole. A body is final bytes from here on.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ConnectionTrait, DatabaseTransaction, EntityTrait, Set, Statement};

use super::entity::{config_changes, events};
use super::{Store, StoreError};
use crate::ids::{EventId, OrganizationId};
use crate::model::{Cause, EventType, IdentityEvent, Timestamp};

/// A larger event refuses the write (EVENTS section 3.1), where it can't be cut.
pub const MAX_EVENT_BYTES: usize = 256 * 1024;

/// Returns the id of each event.
pub(super) async fn write(
    db: &DatabaseTransaction,
    store: &Store,
    events: &[(OrganizationId, IdentityEvent, Cause)],
) -> Result<Vec<(EventId, EventType)>, StoreError> {
    let mut written = Vec::with_capacity(events.len());
    // One transaction is one organization's, as a rule; several are locked in the order of their ids.
    let mut by_organization: BTreeMap<OrganizationId, Vec<(&IdentityEvent, &Cause)>> =
        BTreeMap::new();
    for (organization, event, cause) in events {
        by_organization
            .entry(*organization)
            .or_default()
            .push((event, cause));
    }
    for (organization, events) in by_organization {
        let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
        let last = advance(db, organization, count).await?;
        let at = Timestamp::from(store.clock().now());
        let mut rows = Vec::with_capacity(events.len());
        for (sequence, (event, cause)) in (last - count + 1..).zip(events) {
            let id = EventId::generate(store.clock(), store.entropy());
            let mut body = event.render(id, organization, sequence, at, cause)?;
            if body.len() > MAX_EVENT_BYTES {
                let mut shorter = event.clone();
                for cut in event.event_type.cuts() {
                    shorter.cut(*cut);
                    body = shorter.render(id, organization, sequence, at, cause)?;
                    if body.len() <= MAX_EVENT_BYTES {
                        break;
                    }
                }
            }
            if body.len() > MAX_EVENT_BYTES {
                return Err(StoreError::EventTooLarge {
                    bytes: body.len(),
                    limit: MAX_EVENT_BYTES,
                });
            }
            written.push((id, event.event_type));
            rows.push(events::ActiveModel {
                id: Set(id),
                organization_id: Set(organization),
                seq: Set(sequence),
                pos: Set(None),
                kind: Set(event.event_type.as_str().to_owned()),
                occurred_at: Set(at),
                body: Set(body),
            });
        }
        // SQLite takes 32,766 values a statement; a row has seven.
        for chunk in rows.chunks(1000) {
            events::Entity::insert_many(chunk.to_vec())
                .exec_without_returning(db)
                .await?;
        }
    }
    Ok(written)
}

/// Takes `count` numbers of the organization's sequence; returns the last of them. The row stays locked
/// until the transaction ends.
#[expect(
    clippy::disallowed_methods,
    reason = "inserts or bumps the counter of the organization that the scope named"
)]
async fn advance(
    db: &DatabaseTransaction,
    organization: OrganizationId,
    count: i64,
) -> Result<i64, StoreError> {
    let statement = Statement::from_sql_and_values(
        db.get_database_backend(),
        "INSERT INTO event_streams (organization_id, last_seq) VALUES ($1, $2) \
         ON CONFLICT (organization_id) DO UPDATE SET last_seq = event_streams.last_seq + $2 \
         RETURNING last_seq",
        [organization.into(), count.into()],
    );
    let row = db
        .query_one_raw(statement)
        .await?
        .ok_or(StoreError::Stale)?;
    Ok(row.try_get("", "last_seq")?)
}

/// Tells every replica that its memory of these organizations is out of date.
#[expect(
    clippy::disallowed_methods,
    reason = "one row above all organizations, read and bumped at once"
)]
pub(super) async fn note_config_changes(
    db: &DatabaseTransaction,
    organizations: &BTreeSet<Option<OrganizationId>>,
    at: Timestamp,
) -> Result<(), StoreError> {
    for organization in organizations {
        let statement = Statement::from_string(
            db.get_database_backend(),
            "UPDATE config_version SET version = version + 1 WHERE id = 1 RETURNING version",
        );
        let row = db
            .query_one_raw(statement)
            .await?
            .ok_or(StoreError::Stale)?;
        let change = config_changes::ActiveModel {
            version: Set(row.try_get("", "version")?),
            organization_id: Set(*organization),
            changed_at: Set(at),
        };
        config_changes::Entity::insert(change)
            .exec_without_returning(db)
            .await?;
    }
    Ok(())
}
