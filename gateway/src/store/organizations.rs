//! Organizations: the roots of everything that a scope reaches.

use std::collections::HashMap;

use sea_orm::sea_query::{Expr, ExprTrait, LikeExpr, Query};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select, Set};

use super::columns::JsonText;
use super::entity::domains;
use super::entity::organizations::{ActiveModel, Column, Entity, Model};
use super::page::newest_first;
use super::{OrgScope, Reads, StoreError, Tx, Vault};
use crate::error::Error;
use crate::ids::{DomainId, OrganizationId};
use crate::model::{DomainState, Organization, OrganizationDomain, Slice, Window};

/// Which organizations a list shows.
#[derive(Debug, Clone, Default)]
pub struct OrganizationFilter {
    /// A key that is bound to one organization sees no other.
    pub only: Option<OrganizationId>,
    pub external_id: Option<String>,
    /// A canonical domain, in whatever state.
    pub domain: Option<String>,
    /// Part of the name or the slug, in any case.
    pub search: Option<String>,
}

/// Inserts a new organization, without domains, and its data key. The insert is what proves the scope.
pub async fn insert(
    tx: &Tx,
    vault: &Vault,
    organization: &Organization,
) -> Result<OrgScope, Error> {
    let row = ActiveModel {
        id: Set(organization.id),
        name: Set(organization.name.clone()),
        name_folded: Set(organization.name.to_lowercase()),
        slug: Set(organization.slug.clone()),
        external_id: Set(organization.external_id.clone()),
        metadata: Set(JsonText(organization.metadata.clone())),
        role_policy: Set(organization.role_policy),
        created_at: Set(organization.created_at),
        updated_at: Set(organization.updated_at),
    };
    Entity::insert(row)
        .exec_without_returning(tx.db())
        .await
        .map_err(StoreError::from)
        .map_err(taken)?;
    let scope = OrgScope::from_evidence(organization.id);
    vault.create_data_key(tx, &scope).await?;
    Ok(scope)
}

pub async fn find(db: &impl Reads, scope: &OrgScope) -> Result<Option<Organization>, StoreError> {
    one(db, own_row(scope)).await
}

/// As [`find`], and no other transaction changes the organization's own row until this one ends.
pub async fn lock(tx: &Tx, scope: &OrgScope) -> Result<Option<Organization>, StoreError> {
    one(tx, own_row(scope).lock_exclusive()).await
}

#[expect(
    clippy::disallowed_methods,
    reason = "the organization's own row, by the scope's id"
)]
fn own_row(scope: &OrgScope) -> Select<Entity> {
    Entity::find_by_id(scope.organization())
}

async fn one(db: &impl Reads, query: Select<Entity>) -> Result<Option<Organization>, StoreError> {
    let Some(row) = query.one(db.db()).await? else {
        return Ok(None);
    };
    let mut domains = domains_of(db, &[row.id]).await?;
    Ok(Some(view(row, &mut domains)))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the list of all organizations; a bound key gets `only`"
)]
pub async fn list(
    db: &impl Reads,
    filter: &OrganizationFilter,
    window: Window<OrganizationId>,
) -> Result<Slice<Organization, OrganizationId>, StoreError> {
    let mut query = Entity::find();
    if let Some(only) = filter.only {
        query = query.filter(Column::Id.eq(only));
    }
    if let Some(external_id) = &filter.external_id {
        query = query.filter(Column::ExternalId.eq(external_id));
    }
    if let Some(domain) = &filter.domain {
        let owners = Query::select()
            .column(domains::Column::OrganizationId)
            .from(domains::Entity)
            .and_where(domains::Column::Domain.eq(domain))
            .to_owned();
        query = query.filter(Column::Id.in_subquery(owners));
    }
    if let Some(search) = &filter.search {
        let search = search.to_lowercase();
        let part = || LikeExpr::new(containing(&search)).escape('\\');
        query = query.filter(
            Expr::col(Column::NameFolded)
                .like(part())
                .or(Expr::col(Column::Slug).like(part())),
        );
    }
    let slice = newest_first(db, query, Column::Id, window, |row| row.id).await?;
    let ids: Vec<OrganizationId> = slice.rows.iter().map(|row| row.id).collect();
    let mut domains = domains_of(db, &ids).await?;
    Ok(slice.map(|row| view(row, &mut domains)))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a slug is unique over all organizations"
)]
pub async fn slug_exists(db: &impl Reads, slug: &str) -> Result<bool, StoreError> {
    let row = Entity::find()
        .filter(Column::Slug.eq(slug))
        .one(db.db())
        .await?;
    Ok(row.is_some())
}

/// Writes name, slug, external id, metadata and role policy.
#[expect(
    clippy::disallowed_methods,
    reason = "the organization's own row, by the scope's id"
)]
pub async fn update(tx: &Tx, scope: &OrgScope, organization: &Organization) -> Result<(), Error> {
    let updated = Entity::update_many()
        .col_expr(Column::Name, Expr::value(&organization.name))
        .col_expr(
            Column::NameFolded,
            Expr::value(organization.name.to_lowercase()),
        )
        .col_expr(Column::Slug, Expr::value(&organization.slug))
        .col_expr(
            Column::ExternalId,
            Expr::value(organization.external_id.clone()),
        )
        .col_expr(
            Column::Metadata,
            Expr::value(JsonText(organization.metadata.clone())),
        )
        .col_expr(Column::RolePolicy, Expr::value(organization.role_policy))
        .col_expr(Column::UpdatedAt, Expr::value(organization.updated_at))
        .filter(Column::Id.eq(scope.organization()))
        .exec(tx.db())
        .await
        .map_err(StoreError::from)
        .map_err(taken)?;
    match updated.rows_affected {
        1 => Ok(()),
        _ => Err(StoreError::Stale.into()),
    }
}

/// Removes the organization and, by the schema's foreign keys, everything in it but its events.
#[expect(
    clippy::disallowed_methods,
    reason = "the organization's own row, by the scope's id"
)]
pub async fn remove(tx: &Tx, scope: &OrgScope) -> Result<(), StoreError> {
    Entity::delete_many()
        .filter(Column::Id.eq(scope.organization()))
        .exec(tx.db())
        .await?;
    Ok(())
}

type DomainsOf = HashMap<OrganizationId, Vec<OrganizationDomain>>;

#[expect(
    clippy::disallowed_methods,
    reason = "the domains of the organizations just listed"
)]
async fn domains_of(db: &impl Reads, ids: &[OrganizationId]) -> Result<DomainsOf, StoreError> {
    let rows: Vec<(OrganizationId, DomainId, String, DomainState)> = domains::Entity::find()
        .select_only()
        .column(domains::Column::OrganizationId)
        .column(domains::Column::Id)
        .column(domains::Column::Domain)
        .column(domains::Column::State)
        .filter(domains::Column::OrganizationId.is_in(ids.iter().copied()))
        .order_by_asc(domains::Column::Domain)
        .into_tuple()
        .all(db.db())
        .await?;
    let mut domains = DomainsOf::new();
    for (organization, id, domain, state) in rows {
        let entry = OrganizationDomain { id, domain, state };
        domains.entry(organization).or_default().push(entry);
    }
    Ok(domains)
}

fn view(row: Model, domains: &mut DomainsOf) -> Organization {
    Organization {
        id: row.id,
        name: row.name,
        slug: row.slug,
        external_id: row.external_id,
        metadata: row.metadata.0,
        role_policy: row.role_policy,
        domains: domains.remove(&row.id).unwrap_or_default(),
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

/// Which unique value another organization has.
fn taken(error: StoreError) -> Error {
    if error.violates_unique("slug") {
        Error::conflict("slug_taken", "another organization has this slug")
    } else if error.violates_unique("external_id") {
        Error::conflict(
            "external_id_taken",
            "another organization has this external id",
        )
    } else {
        error.into()
    }
}

/// A LIKE pattern for texts that contain `part` as it is.
pub(super) fn containing(part: &str) -> String {
    let mut pattern = String::with_capacity(part.len() + 2);
    pattern.push('%');
    for character in part.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}
