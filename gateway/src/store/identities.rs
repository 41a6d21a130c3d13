//! Identities: how a connection knows a user, by (connection, issuer, subject) (SECURITY-MODEL G2).

use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Set};

use super::columns::JsonText;
use super::entity::identities::{ActiveModel, Column, Entity};
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

/// The user whom this identity is, and the groups claimed at the last login.
pub async fn find(
    db: &impl Reads,
    scope: &OrgScope,
    key: IdentityKey<'_>,
) -> Result<Option<(UserId, Vec<String>)>, StoreError> {
    let row = scope
        .select::<Entity>()
        .filter(Column::ConnectionId.eq(key.connection))
        .filter(Column::Issuer.eq(key.issuer))
        .filter(Column::Subject.eq(key.subject))
        .one(db.db())
        .await?;
    Ok(row.map(|row| (row.user_id, row.groups.0)))
}

/// Ties an identity to a user. False when it is tied already, perhaps by a login at the same moment.
pub async fn insert(
    tx: &Tx,
    scope: &OrgScope,
    key: IdentityKey<'_>,
    user: UserId,
    idp_subject: &str,
    groups: &[String],
    now: Timestamp,
) -> Result<bool, StoreError> {
    let row = ActiveModel {
        connection_id: Set(key.connection),
        issuer: Set(key.issuer.to_owned()),
        subject: Set(key.subject.to_owned()),
        organization_id: Set(scope.organization()),
        user_id: Set(user),
        idp_subject: Set(idp_subject.to_owned()),
        groups: Set(JsonText(groups.to_vec())),
        created_at: Set(now),
        last_login_at: Set(now),
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

/// Notes a login, with the groups it claimed.
pub async fn touch(
    tx: &Tx,
    scope: &OrgScope,
    key: IdentityKey<'_>,
    groups: &[String],
    now: Timestamp,
) -> Result<(), StoreError> {
    scope
        .update::<Entity>()
        .col_expr(Column::Groups, Expr::value(JsonText(groups.to_vec())))
        .col_expr(Column::LastLoginAt, Expr::value(now))
        .filter(Column::ConnectionId.eq(key.connection))
        .filter(Column::Issuer.eq(key.issuer))
        .filter(Column::Subject.eq(key.subject))
        .exec(tx.db())
        .await?;
    Ok(())
}
