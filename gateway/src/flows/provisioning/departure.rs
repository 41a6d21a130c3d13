//! How people leave: one by one, or with their directory.

use super::Attempts;
use crate::app::App;
use crate::error::Error;
use crate::flows::roles;
use crate::ids::{DirectoryId, GroupId, UserId};
use crate::model::{Cause, EventType, IdentityEvent, Member, Timestamp, User, UserChange};
use crate::store::directory_users::{self, StoredUser};
use crate::store::groups::{self, StoredGroup};
use crate::store::{DirectoryScope, OrgScope, Tx, memberships, sessions, users};

/// Deletes a user of the organization with all its sources, for the management API. False when there is no
/// such user. `source` is the events', empty for the organization.
pub async fn remove_user(
    app: &App,
    scope: &OrgScope,
    user: UserId,
    source: &str,
    cause: &Cause,
) -> Result<bool, Error> {
    let mut attempts = Attempts::default();
    loop {
        let result = remove_user_once(app, scope, user, source, cause).await;
        if !attempts.again(&result).await {
            return result;
        }
    }
}

async fn remove_user_once(
    app: &App,
    scope: &OrgScope,
    user: UserId,
    source: &str,
    cause: &Cause,
) -> Result<bool, Error> {
    let now = Timestamp(app.clock.now());
    let tx = app.store.begin().await?;
    if users::find_record(&tx, scope, user).await?.is_none() {
        return Ok(false);
    }
    remove_once(&tx, scope, user, source, cause, now).await?;
    tx.commit().await?;
    Ok(true)
}

/// Takes a user out of its groups, ends its sessions and deletes it, in this order of events. Returns the
/// directory resources that went with it, as they were last.
pub(super) async fn remove_once(
    tx: &Tx,
    scope: &OrgScope,
    user: UserId,
    source: &str,
    cause: &Cause,
    now: Timestamp,
) -> Result<Vec<StoredUser>, Error> {
    let mut removed = Vec::new();
    let mut left = Vec::new();
    for (directory, id) in directory_users::of_user(tx, scope, user).await? {
        // Groups first, as whoever adds a member does; those that it joined meanwhile follow.
        let listed = memberships::groups_with_user(tx, &directory, id).await?;
        let mut groups = groups::lock_all(tx, &directory, &listed).await?;
        let resource = directory_users::lock(tx, &directory, id).await?;
        let listed = memberships::groups_with_user(tx, &directory, id).await?;
        let late: Vec<GroupId> = listed
            .iter()
            .filter(|id| !groups.iter().any(|group| group.id == **id))
            .copied()
            .collect();
        groups.extend(groups::lock_all(tx, &directory, &late).await?);
        groups.retain(|group| listed.contains(&group.id));
        groups::count_departure(tx, &directory, &listed, now).await?;
        left.extend(groups.into_iter().map(|group| without_one(group, now)));
        removed.extend(resource);
    }
    let Some(last) = users::lock(tx, scope, &[user]).await?.pop() else {
        return Ok(Vec::new());
    };
    for group in left {
        let event = IdentityEvent::new(
            EventType::GroupMemberRemoved,
            source,
            group.id,
            &group.to_model(),
        );
        let member = Member {
            kind: "user",
            id: user.to_string(),
        };
        tx.record(scope, event.with_member(member), cause);
    }
    sessions::end_sessions_of_user(tx, scope, user, source, cause, now).await?;
    let event = IdentityEvent::new(EventType::UserDeleted, source, user, &last);
    tx.record(scope, event, cause);
    users::remove(tx, scope, &[user]).await?;
    Ok(removed)
}

fn without_one(group: StoredGroup, now: Timestamp) -> StoredGroup {
    StoredGroup {
        member_count: group.member_count - 1,
        version: group.version + 1,
        updated_at: now,
        ..group
    }
}

/// How many users go in one transaction.
const BATCH: usize = 1_000;

/// Takes all but the last thousand users out of a directory, a thousand a transaction, each whole in itself. Who
/// is interrupted begins again. People before groups: so a role never outlives what gave it.
pub async fn thin_out(
    app: &App,
    scope: &DirectoryScope,
    protected: &[UserId],
    cause: &Cause,
) -> Result<(), Error> {
    let (db, organization) = (app.store.read(), scope.organization());
    let ids = users::of_directory(&db, organization, scope.directory()).await?;
    for batch in ids[..ids.len().saturating_sub(BATCH)].chunks(BATCH) {
        let mut attempts = Attempts::default();
        loop {
            let result = remove_batch(app, scope, batch, protected, cause).await;
            if !attempts.again(&result).await {
                break result?;
            }
        }
    }
    Ok(())
}

async fn remove_batch(
    app: &App,
    scope: &DirectoryScope,
    batch: &[UserId],
    protected: &[UserId],
    cause: &Cause,
) -> Result<(), Error> {
    let tx = app.store.begin().await?.as_step();
    let now = Timestamp(app.clock.now());
    remove_users(&tx, scope, batch, protected, cause, now).await?;
    Ok(tx.commit().await?)
}

/// Deletes everything in a directory with its events, before the directory itself is deleted. A user who
/// signs in by a connection too stays, without this source; so does who is `protected`.
pub async fn remove_directory(
    tx: &Tx,
    scope: &DirectoryScope,
    protected: &[UserId],
    cause: &Cause,
    now: Timestamp,
) -> Result<(), Error> {
    let organization = scope.organization();
    let directory = scope.directory();
    let source = format!("/directories/{directory}");
    for group in groups::lock_whole_directory(tx, scope).await? {
        let event = IdentityEvent::new(
            EventType::GroupDeleted,
            source.as_str(),
            group.id,
            &group.to_model(),
        );
        tx.record(organization, event, cause);
    }
    let ids = users::of_directory(tx, organization, directory).await?;
    for batch in ids.chunks(BATCH) {
        remove_users(tx, scope, batch, protected, cause, now).await?;
    }
    Ok(groups::remove_all(tx, scope).await?)
}

async fn remove_users(
    tx: &Tx,
    scope: &DirectoryScope,
    batch: &[UserId],
    protected: &[UserId],
    cause: &Cause,
    now: Timestamp,
) -> Result<(), Error> {
    let organization = scope.organization();
    let directory = scope.directory();
    let source = format!("/directories/{directory}");
    directory_users::lock_of_users(tx, scope, batch).await?;
    let (stay, leave): (Vec<User>, Vec<User>) = users::lock(tx, organization, batch)
        .await?
        .into_iter()
        .partition(|user| {
            let mut sources = user.sources.iter();
            protected.contains(&user.id) || sources.any(|source| source.kind == "connection")
        });
    let leaving: Vec<UserId> = leave.iter().map(|user| user.id).collect();
    sessions::end_sessions_of_users(tx, organization, &leaving, &source, cause, now).await?;
    for user in leave {
        let event = IdentityEvent::new(EventType::UserDeleted, source.as_str(), user.id, &user);
        tx.record(organization, event, cause);
    }
    users::remove(tx, organization, &leaving).await?;
    let staying: Vec<UserId> = stay.iter().map(|user| user.id).collect();
    directory_users::remove_of_users(tx, scope, &staying).await?;
    for before in stay {
        let after = without_source(before.clone(), directory);
        if let Some(change) = UserChange::between(&before, &after) {
            let event =
                IdentityEvent::new(EventType::UserUpdated, source.as_str(), after.id, &after);
            tx.record(organization, event.with_change(change), cause);
        }
    }
    roles::recompute_users(tx, organization, &staying, &source, cause).await
}

/// A user is in groups of one directory only: the one that feeds it.
fn without_source(user: User, directory: DirectoryId) -> User {
    let directory = directory.to_string();
    let sources = user.sources.into_iter();
    User {
        groups: Vec::new(),
        sources: sources.filter(|source| source.id != directory).collect(),
        ..user
    }
}
