//! The mass-change brake: a directory that takes too many people away within an hour is held, for it is rarely
//! meant so. Also the people whom no directory takes away.
//!
//! A removal costs one read of the directory's row where neither is set. With a brake, removals of one directory
//! take turns by that row's lock, and the hour's counts are in it. How many are active is counted over the
//! directory's users, but only for the first removal of an hour and before it is held.

use super::Push;
use crate::error::Error;
use crate::ids::UserId;
use crate::model::{
    Act, BrakeAnswer, BrakeWindow, ChangeBrake, Directory, EventType, IdentityEvent,
};
use crate::store::{StoreError, Tx, directories, directory_users};

/// What becomes of a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Apply,
    /// Promised, and done at the release.
    Wait,
    /// Not done. The transaction is committed nevertheless: it may be the one that holds the directory.
    Refuse,
}

/// The directory's settings, not locked.
///
/// Errors: [`Error::UserProtected`].
pub(super) async fn look(push: &Push, tx: &Tx, user: UserId) -> Result<Directory, Error> {
    let directory = directories::find(tx, push.organization(), push.scope.directory())
        .await?
        .ok_or(StoreError::Stale)?;
    if directory.protected_user_ids.contains(&user) {
        return Err(Error::UserProtected);
    }
    Ok(directory)
}

/// Asks for a removal, and counts it. The resource is locked by the caller.
///
/// Errors: as [`look`].
pub(super) async fn ask(
    push: &Push,
    tx: &Tx,
    user: UserId,
    active: bool,
) -> Result<Verdict, Error> {
    let directory = look(push, tx, user).await?;
    if directory.change_brake.is_none() {
        return Ok(Verdict::Apply);
    }
    let verdict = |brake: &ChangeBrake| match brake.answer {
        BrakeAnswer::Refuse => Verdict::Refuse,
        BrakeAnswer::Accept => Verdict::Wait,
    };
    match admit(push, tx, active, false).await? {
        Admission::Free => Ok(Verdict::Apply),
        Admission::Held(brake) => Ok(verdict(&brake)),
        Admission::Full(brake, directory, window) => {
            hold(push, tx, directory, &window).await?;
            Ok(verdict(&brake))
        }
    }
}

/// Whether a deletion may stay that this transaction has done already. It is counted then, and nothing else is
/// written.
pub(super) async fn is_admitted(push: &Push, tx: &Tx, active: bool) -> Result<bool, Error> {
    let admission = admit(push, tx, active, true).await?;
    Ok(matches!(admission, Admission::Free))
}

enum Admission {
    Free,
    Held(ChangeBrake),
    Full(ChangeBrake, Box<Directory>, BrakeWindow),
}

/// `gone` when the user's row is deleted already.
async fn admit(push: &Push, tx: &Tx, active: bool, gone: bool) -> Result<Admission, Error> {
    let now = push.now();
    let (directory, mut window) = directories::lock_brake(tx, &push.scope)
        .await?
        .ok_or(StoreError::Stale)?;
    let Some(brake) = directory.change_brake.clone() else {
        return Ok(Admission::Free);
    };
    if directory.held_at.is_some() {
        return Ok(Admission::Held(brake));
    }
    if !active {
        return Ok(Admission::Free);
    }
    window.slide_to(now);
    // Whoever came since the last count counts too, before a directory is held.
    if !window.is_counted() || window.is_full(&brake) {
        let left = directory_users::count_active(tx, &push.scope).await?;
        window.count(left + i64::from(gone), now);
    }
    if window.is_full(&brake) {
        return Ok(Admission::Full(brake, Box::new(directory), window));
    }
    window.add(now);
    directories::update_brake(tx, &push.scope, &window, None).await?;
    Ok(Admission::Free)
}

async fn hold(
    push: &Push,
    tx: &Tx,
    before: Box<Directory>,
    window: &BrakeWindow,
) -> Result<(), Error> {
    let held_at = Some(push.now());
    directories::update_brake(tx, &push.scope, window, held_at).await?;
    let after = Directory {
        held_at,
        ..(*before).clone()
    };
    let (id, kind) = (after.id, EventType::DirectoryChangeHeld);
    let counts = [("removed", window.removed()), ("active", window.active())];
    let change = IdentityEvent::change(kind, push.source(), id, &*before, &after);
    if let Some(event) = change {
        tx.record(push.organization(), event.with_counts(counts), &push.cause);
    }
    let act = Act::new(kind.as_str(), id, &push.cause).changed(&*before, &after);
    tx.audit(act.inside(after.organization_id));
    let [(_, removed), (_, active)] = counts;
    tracing::warn!(directory = %id, removed, active, "a directory takes too many people away and is held");
    Ok(())
}
