//! Email domains of organizations.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};

use super::columns::JsonText;
use super::entity::domains::{ActiveModel, Column, Entity, Model};
use super::page::newest_first;
use super::{OrgScope, Reads, StoreError, Tx};
use crate::error::Error;
use crate::ids::{ConnectionId, DomainId, OrganizationId};
use crate::model::{Domain, DomainState, Slice, Timestamp, TxtRecord, Window};

/// Where the TXT record of a proof stands, in front of the domain.
const CHALLENGE_LABEL: &str = "_tenon-challenge.";
const CHALLENGE_VALUE: &str = "tenon-verification=";

/// Inserts a domain; `token` is the random part of its TXT record, `next_check_at` when it is looked for.
///
/// # Errors
/// `domain_taken` when it is verified and another organization holds it, `domain_exists` when this
/// organization lists it already.
pub async fn insert(
    tx: &Tx,
    scope: &OrgScope,
    domain: &Domain,
    token: &str,
    next_check_at: Option<Timestamp>,
) -> Result<(), Error> {
    let row = ActiveModel {
        id: Set(domain.id),
        organization_id: Set(scope.organization()),
        domain: Set(domain.domain.clone()),
        state: Set(domain.state),
        trusted: Set(domain.trusted),
        include_subdomains: Set(domain.include_subdomains),
        token: Set(token.to_owned()),
        verified_at: Set(domain.verified_at),
        checked_at: Set(None),
        created_at: Set(domain.created_at),
        updated_at: Set(domain.updated_at),
        connection_id: Set(domain.connection_id),
        missing_since: Set(domain.missing_since),
        last_check: Set(domain.last_check.clone().map(JsonText)),
        next_check_at: Set(next_check_at),
    };
    Entity::insert(row)
        .exec_without_returning(tx.db())
        .await
        .map_err(|error| refused(error.into(), &domain.domain))?;
    tx.touch_config(scope);
    Ok(())
}

pub async fn find(
    db: &impl Reads,
    scope: &OrgScope,
    id: DomainId,
) -> Result<Option<Domain>, StoreError> {
    let row = scope.find::<Entity>(db, Column::Id.eq(id)).await?;
    Ok(row.map(Domain::from))
}

pub async fn list(
    db: &impl Reads,
    scope: &OrgScope,
    window: Window<DomainId>,
) -> Result<Slice<Domain, DomainId>, StoreError> {
    let query = scope.select::<Entity>();
    let slice = newest_first(db, query, Column::Id, window, |row| row.id).await?;
    Ok(slice.map(Domain::from))
}

/// All domains of the organization, oldest first.
pub async fn all(db: &impl Reads, scope: &OrgScope) -> Result<Vec<Domain>, StoreError> {
    let rows = scope
        .select::<Entity>()
        .order_by_asc(Column::Id)
        .all(db.db())
        .await?;
    Ok(rows.into_iter().map(Domain::from).collect())
}

/// The organization that holds this domain verified, and its entry.
#[expect(
    clippy::disallowed_methods,
    reason = "a verified domain is unique over all organizations"
)]
pub async fn holder(
    db: &impl Reads,
    domain: &str,
) -> Result<Option<(OrgScope, Domain)>, StoreError> {
    let row = Entity::find()
        .filter(Column::Domain.eq(domain))
        .filter(Column::State.eq(DomainState::Verified))
        .one(db.db())
        .await?;
    Ok(row.map(|row| (OrgScope::from_evidence(row.organization_id), row.into())))
}

/// As [`find`], and no other transaction changes the domain until this one ends.
pub async fn lock(tx: &Tx, scope: &OrgScope, id: DomainId) -> Result<Option<Domain>, StoreError> {
    let row = scope.lock::<Entity>(tx, Column::Id.eq(id)).await?;
    Ok(row.map(Domain::from))
}

/// Writes what a look found.
///
/// # Errors
/// `domain_taken` when another organization proved the domain first, `changed_in_between` when the state is not
/// `before`'s any more.
pub async fn update(
    tx: &Tx,
    scope: &OrgScope,
    before: &Domain,
    after: &Domain,
    next_check_at: Option<Timestamp>,
) -> Result<(), Error> {
    let last_check = after.last_check.clone();
    let checked_at = last_check.as_ref().map(|check| check.checked_at);
    let row = ActiveModel {
        state: Set(after.state),
        verified_at: Set(after.verified_at),
        missing_since: Set(after.missing_since),
        checked_at: Set(checked_at),
        last_check: Set(last_check.map(JsonText)),
        next_check_at: Set(next_check_at),
        updated_at: Set(after.updated_at),
        ..Default::default()
    };
    let updated = scope
        .update::<Entity>()
        .set(row)
        .filter(Column::Id.eq(after.id))
        .filter(Column::State.eq(before.state))
        .exec(tx.db())
        .await
        .map_err(|error| refused(error.into(), &after.domain))?;
    if after.state != before.state {
        tx.touch_config(scope);
    }
    match updated.rows_affected {
        1 => Ok(()),
        _ => Err(StoreError::Stale.into()),
    }
}

/// Writes how a domain routes.
pub async fn update_routing(tx: &Tx, scope: &OrgScope, after: &Domain) -> Result<(), StoreError> {
    let row = ActiveModel {
        include_subdomains: Set(after.include_subdomains),
        connection_id: Set(after.connection_id),
        updated_at: Set(after.updated_at),
        ..Default::default()
    };
    let updated = scope
        .update::<Entity>()
        .set(row)
        .filter(Column::Id.eq(after.id))
        .exec(tx.db())
        .await?;
    tx.touch_config(scope);
    match updated.rows_affected {
        1 => Ok(()),
        _ => Err(StoreError::Stale),
    }
}

/// Of domains that led to a connection which is going away: they lead to the organization's others again.
pub async fn forget_connection(
    tx: &Tx,
    scope: &OrgScope,
    connection: ConnectionId,
) -> Result<(), StoreError> {
    scope
        .update::<Entity>()
        .col_expr(Column::ConnectionId, Expr::value(None::<ConnectionId>))
        .filter(Column::ConnectionId.eq(connection))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Domains of whatever organization that are to be looked at, the longest due first.
#[expect(
    clippy::disallowed_methods,
    reason = "looks over all organizations; what it finds becomes a scope each"
)]
pub async fn due(
    db: &impl Reads,
    now: Timestamp,
    limit: u64,
) -> Result<Vec<(OrgScope, DomainId)>, StoreError> {
    let rows: Vec<(OrganizationId, DomainId)> = Entity::find()
        .select_only()
        .column(Column::OrganizationId)
        .column(Column::Id)
        .filter(Column::NextCheckAt.lte(now))
        .order_by_asc(Column::NextCheckAt)
        .limit(limit)
        .into_tuple()
        .all(db.db())
        .await?;
    Ok(rows
        .into_iter()
        .map(|(organization, id)| (OrgScope::from_evidence(organization), id))
        .collect())
}

/// Takes a look that is due for this replica, until `until`: another one may take it then. False when another
/// was faster.
pub async fn claim(
    tx: &Tx,
    scope: &OrgScope,
    id: DomainId,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool, StoreError> {
    let claimed = scope
        .update::<Entity>()
        .col_expr(Column::NextCheckAt, Expr::value(until))
        .filter(Column::Id.eq(id))
        .filter(Column::NextCheckAt.lte(now))
        .exec(tx.db())
        .await?;
    Ok(claimed.rows_affected == 1)
}

/// False when there is no such domain.
pub async fn remove(tx: &Tx, scope: &OrgScope, id: DomainId) -> Result<bool, StoreError> {
    let removed = scope
        .delete::<Entity>()
        .filter(Column::Id.eq(id))
        .exec(tx.db())
        .await?;
    tx.touch_config(scope);
    Ok(removed.rows_affected == 1)
}

/// The TXT record that proves `domain`.
pub fn txt_record(domain: &str, token: &str) -> TxtRecord {
    TxtRecord {
        name: format!("{CHALLENGE_LABEL}{domain}"),
        value: format!("{CHALLENGE_VALUE}{token}"),
    }
}

/// Another organization holds this domain; it isn't named.
pub fn taken(domain: &str) -> Error {
    Error::conflict(
        "domain_taken",
        format!("another organization holds {domain}"),
    )
}

fn refused(error: StoreError, domain: &str) -> Error {
    if error.violates_unique("organization_id") {
        Error::conflict(
            "domain_exists",
            format!("the organization lists {domain} already"),
        )
    } else if error.is_unique_violation() {
        taken(domain)
    } else {
        error.into()
    }
}

impl From<Model> for Domain {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            organization_id: row.organization_id,
            txt_record: txt_record(&row.domain, &row.token),
            domain: row.domain,
            state: row.state,
            trusted: row.trusted,
            include_subdomains: row.include_subdomains,
            connection_id: row.connection_id,
            verified_at: row.verified_at,
            missing_since: row.missing_since,
            last_check: row.last_check.map(|check| check.0),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
