//! Tenant isolation as a matter of types: a query on a tenant's table starts from an [`OrgScope`], and a
//! scope is only made where evidence was checked (SECURITY-MODEL G1).

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, DeleteMany, EntityTrait, QueryFilter, QuerySelect, Select, UpdateMany};

use super::{Reads, StoreError, Tx};
use crate::ids::{DirectoryId, OrganizationId};

/// An entity whose rows belong to one organization.
pub trait OrgOwned: EntityTrait {
    const ORGANIZATION: Self::Column;
}

/// An entity whose rows belong to one directory.
pub trait DirectoryOwned: OrgOwned {
    const DIRECTORY: Self::Column;
}

/// Permission to touch one organization's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OrgScope {
    organization: OrganizationId,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where a tenant query starts"
)]
impl OrgScope {
    /// Only the store's lookups make a scope, from evidence: the owner of an id asked for by an API key, a
    /// SCIM token, a pending login, a token of ours, a verified domain.
    pub(super) fn from_evidence(organization: OrganizationId) -> Self {
        Self { organization }
    }

    pub fn organization(&self) -> OrganizationId {
        self.organization
    }

    pub(super) fn select<E: OrgOwned>(&self) -> Select<E> {
        E::find().filter(E::ORGANIZATION.eq(self.organization))
    }

    /// The one row of the organization that this says, its id as a rule.
    pub(super) async fn find<E: OrgOwned>(
        &self,
        db: &impl Reads,
        which: Expr,
    ) -> Result<Option<E::Model>, StoreError> {
        let row = self.select::<E>().filter(which).one(db.db()).await?;
        Ok(row)
    }

    /// As [`Self::find`], and no other transaction changes the row until this one ends.
    pub(super) async fn lock<E: OrgOwned>(
        &self,
        tx: &Tx,
        which: Expr,
    ) -> Result<Option<E::Model>, StoreError> {
        let query = self.select::<E>().filter(which).lock_exclusive();
        Ok(query.one(tx.db()).await?)
    }

    /// False when the organization has no such row.
    pub(super) async fn remove<E: OrgOwned>(
        &self,
        tx: &Tx,
        which: Expr,
    ) -> Result<bool, StoreError> {
        let delete = self.delete::<E>().filter(which);
        Ok(delete.exec(tx.db()).await?.rows_affected == 1)
    }

    pub(super) fn update<E: OrgOwned>(&self) -> UpdateMany<E> {
        E::update_many().filter(E::ORGANIZATION.eq(self.organization))
    }

    pub(super) fn delete<E: OrgOwned>(&self) -> DeleteMany<E> {
        E::delete_many().filter(E::ORGANIZATION.eq(self.organization))
    }
}

/// Permission to touch one directory's rows: what a SCIM token opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DirectoryScope {
    organization: OrgScope,
    directory: DirectoryId,
}

impl DirectoryScope {
    /// From a SCIM token, or from a directory found inside its organization.
    pub(super) fn from_evidence(organization: OrgScope, directory: DirectoryId) -> Self {
        Self {
            organization,
            directory,
        }
    }

    pub fn organization(&self) -> &OrgScope {
        &self.organization
    }

    pub fn directory(&self) -> DirectoryId {
        self.directory
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where a directory's query starts"
)]
impl DirectoryScope {
    // A directory is its organization's: the schema's foreign keys say so of each row.
    pub(super) fn select<E: DirectoryOwned>(&self) -> Select<E> {
        E::find().filter(E::DIRECTORY.eq(self.directory))
    }

    pub(super) fn update<E: DirectoryOwned>(&self) -> UpdateMany<E> {
        E::update_many().filter(E::DIRECTORY.eq(self.directory))
    }

    pub(super) fn delete<E: DirectoryOwned>(&self) -> DeleteMany<E> {
        E::delete_many().filter(E::DIRECTORY.eq(self.directory))
    }
}
