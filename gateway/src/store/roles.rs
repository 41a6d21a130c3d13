//! Roles of the application. They stand above organizations; who has them is an organization's business.

use std::str::FromStr;

use sea_orm::sea_query::{OnConflict, Query};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};

use super::entity::roles::{ActiveModel, Column, Entity, Model};
use super::entity::{directories, organizations, role_mappings};
use super::{OrgScope, Reads, StoreError, Tx};
use crate::ids::OrganizationId;
use crate::model::{Role, RolePolicy, Slice, Window};

/// Where a role stands in the list of roles: slugs say nothing about age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolePosition {
    created_at_millis: i64,
    slug: String,
}

impl std::fmt::Display for RolePosition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.created_at_millis, self.slug)
    }
}

impl FromStr for RolePosition {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (millis, slug) = text.split_once(' ').ok_or(())?;
        Ok(Self {
            created_at_millis: millis.parse().map_err(|_| ())?,
            slug: slug.to_owned(),
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "roles belong to the deployment")]
pub async fn list(
    db: &impl Reads,
    window: Window<RolePosition>,
) -> Result<Slice<Role, RolePosition>, StoreError> {
    let mut query = Entity::find();
    if let Some(before) = window.before {
        query = query.filter(
            Condition::any()
                .add(Column::CreatedAt.lt(before.created_at_millis))
                .add(
                    Condition::all()
                        .add(Column::CreatedAt.eq(before.created_at_millis))
                        .add(Column::Slug.lt(before.slug)),
                ),
        );
    }
    let rows = query
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Slug)
        .limit(window.limit + 1)
        .all(db.db())
        .await?;
    let slice = Slice::cut(rows, window.limit, |row| RolePosition {
        created_at_millis: row.created_at.0.timestamp_millis(),
        slug: row.slug.clone(),
    });
    Ok(slice.map(Role::from))
}

#[expect(clippy::disallowed_methods, reason = "roles belong to the deployment")]
pub async fn find(db: &impl Reads, slug: &str) -> Result<Option<Role>, StoreError> {
    let row = Entity::find_by_id(slug.to_owned()).one(db.db()).await?;
    Ok(row.map(Role::from))
}

/// Those of these slugs that are roles.
#[expect(clippy::disallowed_methods, reason = "roles belong to the deployment")]
pub async fn existing(db: &impl Reads, slugs: &[&str]) -> Result<Vec<String>, StoreError> {
    let rows = Entity::find()
        .filter(Column::Slug.is_in(slugs.iter().copied()))
        .all(db.db())
        .await?;
    Ok(rows.into_iter().map(|row| row.slug).collect())
}

/// Creates the role, or replaces what it says.
pub async fn upsert(tx: &Tx, role: &Role) -> Result<(), StoreError> {
    let row = ActiveModel {
        slug: Set(role.slug.clone()),
        name: Set(role.name.clone()),
        description: Set(role.description.clone()),
        priority: Set(role.priority),
        created_at: Set(role.created_at),
        updated_at: Set(role.updated_at),
    };
    Entity::insert(row)
        .on_conflict(
            OnConflict::column(Column::Slug)
                .update_columns([
                    Column::Name,
                    Column::Description,
                    Column::Priority,
                    Column::UpdatedAt,
                ])
                .to_owned(),
        )
        .exec_without_returning(tx.db())
        .await?;
    Ok(())
}

/// Whether a mapping or a directory's default gives this role.
#[expect(
    clippy::disallowed_methods,
    reason = "a role is in use whoever uses it; only that much is told"
)]
pub async fn is_given(db: &impl Reads, slug: &str) -> Result<bool, StoreError> {
    let mapped: Option<i64> = role_mappings::Entity::find()
        .select_only()
        .column(role_mappings::Column::Position)
        .filter(role_mappings::Column::Role.eq(slug))
        .limit(1)
        .into_tuple()
        .one(db.db())
        .await?;
    if mapped.is_some() {
        return Ok(true);
    }
    let default = directories::Entity::find()
        .filter(directories::Column::DefaultRole.eq(slug))
        .limit(1)
        .one(db.db())
        .await?;
    Ok(default.is_some())
}

/// The organizations in which the priority of this role decides something, in the order of their ids.
#[expect(
    clippy::disallowed_methods,
    reason = "a role's priority counts in every organization that uses it"
)]
pub async fn ranked_in(db: &impl Reads, slug: &str) -> Result<Vec<OrgScope>, StoreError> {
    let mapping = Query::select()
        .column(role_mappings::Column::OrganizationId)
        .from(role_mappings::Entity)
        .and_where(role_mappings::Column::Role.eq(slug))
        .to_owned();
    let giving = Query::select()
        .column(directories::Column::OrganizationId)
        .from(directories::Entity)
        .and_where(directories::Column::DefaultRole.eq(slug))
        .to_owned();
    let ids: Vec<OrganizationId> = organizations::Entity::find()
        .select_only()
        .column(organizations::Column::Id)
        .filter(organizations::Column::RolePolicy.eq(RolePolicy::HighestPriority))
        .filter(
            Condition::any()
                .add(organizations::Column::Id.in_subquery(mapping))
                .add(organizations::Column::Id.in_subquery(giving)),
        )
        .order_by_asc(organizations::Column::Id)
        .into_tuple()
        .all(db.db())
        .await?;
    Ok(ids.into_iter().map(OrgScope::from_evidence).collect())
}

/// False when there is no such role.
#[expect(clippy::disallowed_methods, reason = "roles belong to the deployment")]
pub async fn remove(tx: &Tx, slug: &str) -> Result<bool, StoreError> {
    let removed = Entity::delete_many()
        .filter(Column::Slug.eq(slug))
        .exec(tx.db())
        .await?;
    Ok(removed.rows_affected == 1)
}

impl From<Model> for Role {
    fn from(row: Model) -> Self {
        Self {
            slug: row.slug,
            name: row.name,
            description: row.description,
            priority: row.priority,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
