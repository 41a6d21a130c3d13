//! Email domains of organizations.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, Set};

use super::entity::domains::{ActiveModel, Column, Entity, Model};
use super::page::newest_first;
use super::{OrgScope, Reads, StoreError, Tx};
use crate::error::Error;
use crate::ids::{DomainId, OrganizationId};
use crate::model::{Domain, DomainState, Slice, Timestamp, TxtRecord, Window};

/// Where the TXT record of a proof stands, in front of the domain.
const CHALLENGE_LABEL: &str = "_tenon-challenge.";
const CHALLENGE_VALUE: &str = "tenon-verification=";

/// Inserts a domain; `token` is the random part of its TXT record.
///
/// # Errors
/// `domain_taken` when it is verified and another organization holds it, `domain_exists` when this
/// organization lists it already.
pub async fn insert(tx: &Tx, scope: &OrgScope, domain: &Domain, token: &str) -> Result<(), Error> {
    let row = ActiveModel {
        id: Set(domain.id),
        organization_id: Set(scope.organization()),
        domain: Set(domain.domain.clone()),
        state: Set(domain.state),
        trusted: Set(domain.trusted),
        include_subdomains: Set(false),
        token: Set(token.to_owned()),
        verified_at: Set(domain.verified_at),
        checked_at: Set(None),
        created_at: Set(domain.created_at),
        updated_at: Set(domain.updated_at),
    };
    Entity::insert(row)
        .exec_without_returning(tx.db())
        .await
        .map_err(|error| taken(error.into(), &domain.domain))?;
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

/// Whether an organization holds this domain verified.
#[expect(
    clippy::disallowed_methods,
    reason = "a verified domain is unique over all organizations"
)]
pub async fn holder(db: &impl Reads, domain: &str) -> Result<Option<OrganizationId>, StoreError> {
    let row = Entity::find()
        .filter(Column::Domain.eq(domain))
        .filter(Column::State.eq(DomainState::Verified))
        .one(db.db())
        .await?;
    Ok(row.map(|row| row.organization_id))
}

/// Writes what a check found: state, `trusted` and the times.
///
/// # Errors
/// `domain_taken` when another organization proved the domain first.
pub async fn update(
    tx: &Tx,
    scope: &OrgScope,
    domain: &Domain,
    checked_at: Timestamp,
) -> Result<(), Error> {
    let updated = scope
        .update::<Entity>()
        .col_expr(Column::State, Expr::value(domain.state))
        .col_expr(Column::Trusted, Expr::value(domain.trusted))
        .col_expr(Column::VerifiedAt, Expr::value(domain.verified_at))
        .col_expr(Column::CheckedAt, Expr::value(checked_at))
        .col_expr(Column::UpdatedAt, Expr::value(domain.updated_at))
        .filter(Column::Id.eq(domain.id))
        .exec(tx.db())
        .await
        .map_err(|error| taken(error.into(), &domain.domain))?;
    tx.touch_config(scope);
    match updated.rows_affected {
        1 => Ok(()),
        _ => Err(StoreError::Stale.into()),
    }
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

fn taken(error: StoreError, domain: &str) -> Error {
    if error.violates_unique("organization_id") {
        Error::conflict(
            "domain_exists",
            format!("the organization lists {domain} already"),
        )
    } else if error.is_unique_violation() {
        Error::conflict(
            "domain_taken",
            format!("another organization holds {domain}"),
        )
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
            verified_at: row.verified_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
