//! Which user a new source belongs to (CONTRACT section 5; SECURITY-MODEL G2).

use sea_orm::sea_query::{Expr, ExprTrait, SelectStatement, UnionType};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, Order, QueryFilter, QuerySelect, QueryTrait, Statement,
};

use super::fold;
use crate::ids::UserId;
use crate::store::entity::directory_users;
use crate::store::entity::users::{Column, Entity};
use crate::store::{OrgScope, Reads, StoreError, Tx};

/// What a new source and an existing user may have in common.
#[derive(Debug, Clone, Copy, Default)]
pub struct JoinKey<'a> {
    pub external_id: Option<&'a str>,
    /// Only an address whose domain the organization verified ([`crate::store::Store::owns_domain`]): an
    /// equal address alone never joins two identities.
    pub verified_email: Option<&'a str>,
    /// Leave out users that a directory feeds already: a second directory must not take them over.
    pub without_directory: bool,
}

/// The organization's user with the same external id, or else with the same email. Of several, an active
/// one goes before others, then the oldest.
///
/// Two sources that bring the same new person at the same time take turns here until their transactions
/// end, so that the second finds the user of the first.
pub async fn find_to_join(
    tx: &Tx,
    scope: &OrgScope,
    key: JoinKey<'_>,
) -> Result<Option<UserId>, StoreError> {
    let email = key.verified_email.map(fold);
    let keys = [
        key.external_id.map(|id| format!("external_id {id}")),
        email.as_ref().map(|email| format!("email {email}")),
    ];
    take_turn(tx, scope, keys.into_iter().flatten()).await?;
    // One branch for each, not one `OR`: SQLite would read the whole organization for that. An external id goes
    // before an address.
    let by_external_id = key.external_id.map(|id| (0, Column::ExternalId.eq(id)));
    let by_email = email.map(|email| (1, Column::EmailFolded.eq(email)));
    let branches = [by_external_id, by_email].into_iter().flatten();
    let mut branches =
        branches.map(|(rank, same)| candidates(scope, rank, same, key.without_directory));
    let Some(mut query) = branches.next() else {
        return Ok(None);
    };
    for branch in branches {
        query.union(UnionType::All, branch);
    }
    query
        .order_by_expr(Expr::col("rank"), Order::Asc)
        .order_by_expr(Expr::col("active"), Order::Desc)
        .order_by_expr(Expr::col("id"), Order::Asc)
        .limit(1);
    let found = tx.db().query_one(&query).await?;
    Ok(found.map(|row| row.try_get("", "id")).transpose()?)
}

/// Whether the organization has deactivated a user with this address. An unproven address joins nobody, but whom
/// the organization has shut out must not come back by it as somebody new.
pub async fn is_shut_out(tx: &Tx, scope: &OrgScope, email: &str) -> Result<bool, StoreError> {
    let same = Column::EmailFolded
        .eq(fold(email))
        .and(Column::Active.eq(false));
    Ok(scope.find::<Entity>(tx, same).await?.is_some())
}

fn candidates(scope: &OrgScope, rank: i32, same: Expr, without_directory: bool) -> SelectStatement {
    let mut query = scope
        .select::<Entity>()
        .select_only()
        .column_as(Column::Id, "id")
        .column_as(Column::Active, "active")
        .expr_as(Expr::val(rank), "rank")
        .filter(same);
    if without_directory {
        let feeds = scope
            .select::<directory_users::Entity>()
            .select_only()
            .column(directory_users::Column::Id)
            .filter(
                Expr::col((directory_users::Entity, directory_users::Column::UserId))
                    .equals((Entity, Column::Id)),
            )
            .into_query();
        query = query.filter(Expr::exists(feeds).not());
    }
    query.into_query()
}

/// SQLite's writers take turns anyway.
async fn take_turn(
    tx: &Tx,
    scope: &OrgScope,
    keys: impl Iterator<Item = String>,
) -> Result<(), StoreError> {
    if tx.db().get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    // In one order for everybody, or two transactions could wait for each other.
    let mut names: Vec<String> = keys
        .map(|key| format!("join {} {key}", scope.organization()))
        .collect();
    names.sort_unstable();
    let locks = (1..=names.len())
        .map(|number| format!("pg_advisory_xact_lock(hashtextextended(${number}, 0))"));
    let locks = locks.collect::<Vec<_>>().join(", ");
    if locks.is_empty() {
        return Ok(());
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "advisory locks of this organization, touching no row"
    )]
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        format!("SELECT {locks}"),
        names.into_iter().map(Into::into),
    );
    tx.db().execute_raw(statement).await?;
    Ok(())
}
