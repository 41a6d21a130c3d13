//! Identities: how a connection knows a user, by (connection, issuer, subject) (SECURITY-MODEL G2).

use sea_orm::sea_query::{Expr, LockType, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, JoinType, QueryFilter, QuerySelect, Set};

use super::columns::JsonText;
use super::entity::identities::{ActiveModel, Column, Entity};
use super::entity::users as users_table;
use super::users::{self, LockedUser};
use super::{OrgScope, Reads, StoreError, Tx};
use crate::ids::{ConnectionId, UserId};
use crate::model::Timestamp;

/// The key of one identity.
#[derive(Debug, Clone, Copy)]
pub struct IdentityKey<'a> {
    pub connection: ConnectionId,
    pub issuer: &'a str,
    pub subject: &'a str,
}

/// What a login says of an identity.
#[derive(Debug, Clone, Copy)]
pub struct Claimed<'a> {
    pub idp_subject: &'a str,
    pub groups: &'a [String],
    /// The provider says that the email is not verified: nobody joins the user by it.
    pub email_doubted: bool,
}

/// What is known of an identity since it signed in before.
#[derive(Debug, Clone, PartialEq)]
pub struct LastLogin {
    /// The groups that it claimed.
    pub groups: Vec<String>,
    /// Somewhat behind (see [`touch`]).
    pub at: Timestamp,
}

/// The user whom this identity is, whole, and held as by [`super::users::lock`].
pub async fn lock_user(
    tx: &Tx,
    scope: &OrgScope,
    key: IdentityKey<'_>,
) -> Result<Option<(LockedUser, LastLogin)>, StoreError> {
    let user = Entity::belongs_to(users_table::Entity)
        .from((Column::OrganizationId, Column::UserId))
        .to((users_table::Column::OrganizationId, users_table::Column::Id));
    let mut query = scope
        .select::<Entity>()
        .join(JoinType::InnerJoin, user.into())
        .filter(Column::ConnectionId.eq(key.connection))
        .filter(Column::Issuer.eq(key.issuer))
        .filter(Column::Subject.eq(key.subject))
        .select_also(users_table::Entity);
    QuerySelect::query(&mut query).lock_with_tables(LockType::NoKeyUpdate, [users_table::Entity]);
    let Some((identity, Some(row))) = query.one(tx.db()).await? else {
        return Ok(None);
    };
    let last = LastLogin {
        groups: identity.groups.0,
        at: identity.last_login_at,
    };
    let user = LockedUser::of(tx, scope, row).await?;
    Ok(user.map(|user| (user, last)))
}

/// Of several first logins of one identity at the same time, one goes on; the others wait for the end of its
/// transaction, and then find what it has tied.
pub async fn take_turn(tx: &Tx, scope: &OrgScope, key: IdentityKey<'_>) -> Result<(), StoreError> {
    let IdentityKey {
        connection,
        issuer,
        subject,
    } = key;
    let name = format!("identity {connection} {issuer} {subject}");
    users::take_turn(tx, scope, std::iter::once(name)).await
}

/// Ties an identity to a user. False when it is tied already, perhaps by a login at the same moment.
pub async fn insert(
    tx: &Tx,
    scope: &OrgScope,
    key: IdentityKey<'_>,
    user: UserId,
    claimed: Claimed<'_>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let row = ActiveModel {
        connection_id: Set(key.connection),
        issuer: Set(key.issuer.to_owned()),
        subject: Set(key.subject.to_owned()),
        organization_id: Set(scope.organization()),
        user_id: Set(user),
        idp_subject: Set(claimed.idp_subject.to_owned()),
        groups: Set(JsonText(claimed.groups.to_vec())),
        created_at: Set(now),
        last_login_at: Set(now),
        email_doubted: Set(claimed.email_doubted),
    };
    let inserted = Entity::insert(row)
        .on_conflict(
            OnConflict::columns([Column::ConnectionId, Column::Issuer, Column::Subject])
                .do_nothing()
                .to_owned(),
        )
        .exec_without_returning(tx.db())
        .await?;
    Ok(inserted == 1)
}

/// Notes a login, with what it claimed.
pub async fn touch(
    tx: &Tx,
    scope: &OrgScope,
    key: IdentityKey<'_>,
    claimed: Claimed<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let groups = JsonText(claimed.groups.to_vec());
    scope
        .update::<Entity>()
        .col_expr(Column::Groups, Expr::value(groups))
        .col_expr(Column::EmailDoubted, Expr::value(claimed.email_doubted))
        .col_expr(Column::LastLoginAt, Expr::value(now))
        .filter(Column::ConnectionId.eq(key.connection))
        .filter(Column::Issuer.eq(key.issuer))
        .filter(Column::Subject.eq(key.subject))
        .exec(tx.db())
        .await?;
    Ok(())
}
