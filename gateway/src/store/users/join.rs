//! Which user a new source belongs to (CONTRACT section 5; SECURITY-MODEL G2).

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Statement,
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
    let by_external_id = key
        .external_id
        .map(|id| (Column::ExternalId.eq(id), format!("external_id {id}")));
    let by_email = key.verified_email.map(|email| {
        let email = fold(email);
        let lock = format!("email {email}");
        (Column::EmailFolded.eq(email), lock)
    });
    take_turn(
        tx,
        scope,
        by_external_id.iter().chain(&by_email).map(|(_, lock)| lock),
    )
    .await?;
    for condition in [by_external_id, by_email].into_iter().flatten() {
        let mut query = scope.select::<Entity>().filter(condition.0);
        if key.without_directory {
            let fed = scope
                .select::<directory_users::Entity>()
                .select_only()
                .column(directory_users::Column::UserId)
                .into_query();
            query = query.filter(Condition::all().not().add(Column::Id.in_subquery(fed)));
        }
        let found = query
            .select_only()
            .column(Column::Id)
            .order_by_desc(Column::Active)
            .order_by_asc(Column::Id)
            .into_tuple()
            .one(tx.db())
            .await?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// SQLite's writers take turns anyway.
async fn take_turn(
    tx: &Tx,
    scope: &OrgScope,
    keys: impl Iterator<Item = &String>,
) -> Result<(), StoreError> {
    if tx.db().get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    // In one order for everybody, or two transactions could wait for each other.
    let mut names: Vec<String> = keys
        .map(|key| format!("join {} {key}", scope.organization()))
        .collect();
    names.sort_unstable();
    for name in names {
        #[expect(
            clippy::disallowed_methods,
            reason = "an advisory lock of this organization, touching no row"
        )]
        let statement = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))",
            [name.into()],
        );
        tx.db().execute_raw(statement).await?;
    }
    Ok(())
}
