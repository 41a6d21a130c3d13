//! The few queries that start without a tenant, each with its reason. What they find becomes a scope.

mod presented;

use sea_orm::{ColumnTrait, EntityTrait, PrimaryKeyTrait, QueryFilter, QuerySelect};

use super::entity::{connections, directories, groups, logins, organizations, sessions, users};
use super::scope::OrgOwned;
use super::{OrgScope, Reads, StoreError};
use crate::ids::{ConnectionId, DirectoryId, GroupId, LoginId, OrganizationId, SessionId, UserId};

pub use presented::{Tenant, find_code, find_refresh_token, find_session};

/// The organization that owns a connection: an IdP's callback names the connection in its path, and an
/// authorization request may name it as a routing hint. The scope shows nothing but that connection's own
/// organization.
#[expect(
    clippy::disallowed_methods,
    reason = "the path names a connection, not an organization"
)]
pub async fn owner_of_connection(
    db: &impl Reads,
    id: ConnectionId,
) -> Result<Option<OrgScope>, StoreError> {
    let owner: Option<OrganizationId> = connections::Entity::find()
        .select_only()
        .column(connections::Column::OrganizationId)
        .filter(connections::Column::Id.eq(id))
        .into_tuple()
        .one(db.db())
        .await?;
    Ok(owner.map(OrgScope::from_evidence))
}

/// The organization whose slug a person typed as its sign-in code. As with a domain, the scope shows nothing but
/// where that organization signs in.
#[expect(
    clippy::disallowed_methods,
    reason = "a slug is unique over all organizations"
)]
pub async fn organization_of_slug(
    db: &impl Reads,
    slug: &str,
) -> Result<Option<OrgScope>, StoreError> {
    let found: Option<OrganizationId> = organizations::Entity::find()
        .select_only()
        .column(organizations::Column::Id)
        .filter(organizations::Column::Slug.eq(slug))
        .into_tuple()
        .one(db.db())
        .await?;
    Ok(found.map(OrgScope::from_evidence))
}

/// An id of which an API key may ask; its owner is an organization.
pub trait Owned: Copy + Send + Sync {
    /// What a 404 calls it.
    const NAME: &'static str;

    /// The organization that owns it; `None` when there is no such thing.
    fn owner(
        self,
        db: &impl Reads,
    ) -> impl Future<Output = Result<Option<OrgScope>, StoreError>> + Send;
}

#[expect(
    clippy::disallowed_methods,
    reason = "an API key asks for an id, and this says whose it is; the key is compared with it at once"
)]
async fn owner_of<E, Id>(db: &impl Reads, id: Id) -> Result<Option<OrgScope>, StoreError>
where
    E: OrgOwned,
    Id: Into<<E::PrimaryKey as PrimaryKeyTrait>::ValueType>,
{
    let owner: Option<OrganizationId> = E::find_by_id(id)
        .select_only()
        .column(E::ORGANIZATION)
        .into_tuple()
        .one(db.db())
        .await?;
    Ok(owner.map(OrgScope::from_evidence))
}

impl Owned for OrganizationId {
    const NAME: &'static str = "organization";

    #[expect(
        clippy::disallowed_methods,
        reason = "an API key asks for an organization; the key is compared with it at once"
    )]
    async fn owner(self, db: &impl Reads) -> Result<Option<OrgScope>, StoreError> {
        let found: Option<Self> = organizations::Entity::find_by_id(self)
            .select_only()
            .column(organizations::Column::Id)
            .into_tuple()
            .one(db.db())
            .await?;
        Ok(found.map(OrgScope::from_evidence))
    }
}

impl Owned for ConnectionId {
    const NAME: &'static str = "connection";

    async fn owner(self, db: &impl Reads) -> Result<Option<OrgScope>, StoreError> {
        owner_of::<connections::Entity, _>(db, self).await
    }
}

impl Owned for DirectoryId {
    const NAME: &'static str = "directory";

    async fn owner(self, db: &impl Reads) -> Result<Option<OrgScope>, StoreError> {
        owner_of::<directories::Entity, _>(db, self).await
    }
}

impl Owned for UserId {
    const NAME: &'static str = "user";

    async fn owner(self, db: &impl Reads) -> Result<Option<OrgScope>, StoreError> {
        owner_of::<users::Entity, _>(db, self).await
    }
}

impl Owned for GroupId {
    const NAME: &'static str = "group";

    async fn owner(self, db: &impl Reads) -> Result<Option<OrgScope>, StoreError> {
        owner_of::<groups::Entity, _>(db, self).await
    }
}

impl Owned for SessionId {
    const NAME: &'static str = "session";

    async fn owner(self, db: &impl Reads) -> Result<Option<OrgScope>, StoreError> {
        owner_of::<sessions::Entity, _>(db, self).await
    }
}

impl Owned for LoginId {
    const NAME: &'static str = "login";

    async fn owner(self, db: &impl Reads) -> Result<Option<OrgScope>, StoreError> {
        owner_of::<logins::Entity, _>(db, self).await
    }
}
