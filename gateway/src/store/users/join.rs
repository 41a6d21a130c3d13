//! Which user a new source belongs to (CONTRACT section 5; SECURITY-MODEL G2).

use sea_orm::sea_query::{Expr, ExprTrait, Func, LikeExpr, SelectStatement, UnionType};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, Order, QueryFilter, QuerySelect, QueryTrait, Statement,
};

use super::fold;
use crate::ids::UserId;
use crate::store::entity::users::{Column, Entity, Model};
use crate::store::entity::{directory_users, identities};
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
        key.external_id.map(|id| format!("join external_id {id}")),
        email.as_ref().map(|email| format!("join email {email}")),
    ];
    take_turn(tx, scope, keys.into_iter().flatten()).await?;
    // One branch for each, not one `OR`: SQLite would read the whole organization for that. An external id goes
    // before an address.
    let by_external_id = key.external_id.map(|id| (0, Column::ExternalId.eq(id)));
    // An address that its user's provider does not vouch for is not known to be that person's.
    let doubted = || {
        let identities = scope
            .select::<identities::Entity>()
            .select_only()
            .column(identities::Column::UserId)
            .filter(identities::Column::EmailDoubted.eq(true))
            .filter(
                Expr::col((identities::Entity, identities::Column::UserId))
                    .equals((Entity, Column::Id)),
            );
        Expr::exists(identities.into_query())
    };
    let by_email = email.map(|email| (1, Column::EmailFolded.eq(email).and(doubted().not())));
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

/// Whether the organization has deactivated a user who is known by this address: as the primary or another email,
/// or as the user name. An unproven address joins nobody, but whom the organization has shut out must not come back
/// by it, or by an alias, as somebody new.
pub async fn is_shut_out(tx: &Tx, scope: &OrgScope, email: &str) -> Result<bool, StoreError> {
    let wanted = fold(email);
    let (local, _) = wanted.rsplit_once('@').unwrap_or((&wanted, ""));
    // As it stands in the profile's JSON.
    let quoted = serde_json::to_string(local)?;
    let quoted = quoted.trim_end_matches('"');
    // Both databases fold ASCII here, whatever their locale. The databases find who may be meant, by the part that
    // domains written in several ways have in common; the comparison itself is below.
    let like = |column: Column, pattern: String| {
        Func::lower(Expr::col(column)).like(LikeExpr::new(pattern).escape('!'))
    };
    let known_as = Column::EmailFolded
        .eq(wanted.as_str())
        .or(like(Column::UserName, format!("{}@%", literal(local))))
        .or(like(Column::Profile, format!("%{}@%", literal(quoted))));
    let candidates = scope
        .select::<Entity>()
        // Word for word as the index over the inactive has it: SQLite takes it for no parameter.
        .filter(Expr::cust("active = FALSE"))
        .filter(known_as)
        .all(tx.db())
        .await?;
    let is_meant = |user: &Model| {
        let others = user.profile.0.emails.iter().map(|email| &email.value);
        let known_as = user.email.iter().chain(&user.user_name).chain(others);
        known_as.into_iter().any(|address| fold(address) == wanted)
    };
    Ok(candidates.iter().any(is_meant))
}

/// A text in a `LIKE` pattern.
fn literal(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '%' | '_' | '!') {
            escaped.push('!');
        }
        escaped.push(character);
    }
    escaped
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

/// Waits until no other transaction of the organization that named one of these keys is open. SQLite's writers take
/// turns anyway.
pub(in crate::store) async fn take_turn(
    tx: &Tx,
    scope: &OrgScope,
    keys: impl Iterator<Item = String>,
) -> Result<(), StoreError> {
    if tx.db().get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    // In one order for everybody, or two transactions could wait for each other.
    let mut names: Vec<String> = keys
        .map(|key| format!("{} {key}", scope.organization()))
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
