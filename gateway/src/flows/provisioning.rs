//! What directories push: users and groups, exactly as they say it, and the application's users and roles
//! that follow, in one transaction with their events.
//!
//! A write locks the rows that it is about, always in the same order: groups by id, directory users, users.
//! So a PATCH without `If-Match` never fails because of another writer; it waits, or is done again.

mod brake;
mod departure;
mod groups;
mod person;
mod release;
mod users;

pub use departure::{remove_directory, remove_user, thin_out};
pub use groups::{create_group, delete_group, patch_group, replace_group};
pub use release::{Released, end_hold, settle_held};
pub use users::{create_user, delete_user, patch_user, replace_user};

use std::sync::Arc;
use std::time::Duration;

use scim::{EntityTags, Quirks};

use crate::app::App;
use crate::error::Error;
use crate::ids::{DirectoryId, DirectoryTokenId};
use crate::model::{
    ActorKind, Cause, DirectoryState, EventType, IdentityEvent, RecordedEvents, Timestamp,
};
use crate::store::directory_tokens::{self, Door};
use crate::store::{DirectoryScope, OrgScope, StoreError, Tx};

/// How often a transaction is done again that another one was in the way of.
const ATTEMPTS: u8 = 5;
/// Doubled with each attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// A token's `last_used_at` is at most so much behind.
const NOTED_EVERY: chrono::TimeDelta = chrono::TimeDelta::minutes(1);

/// Whose request is served: a directory that showed one of its tokens.
#[derive(Clone)]
pub struct Push {
    pub app: App,
    pub scope: DirectoryScope,
    pub cause: Cause,
    /// Of this request, noted while it is read.
    pub quirks: Arc<Quirks>,
    /// Of this request, once they are committed.
    pub events: Arc<RecordedEvents>,
    pub token: DirectoryTokenId,
    /// Whom the directory's settings name: the id of one of `scim::provider`.
    pub provider: &'static str,
}

/// Why a request is not let in.
pub enum NotAdmitted {
    /// The token is the directory's own and has ended. `push` says whose it was, for the log.
    Expired {
        push: Box<Push>,
        at: Timestamp,
    },
    Error(Error),
}

impl From<Error> for NotAdmitted {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// What a write left behind.
#[derive(Debug, Clone, PartialEq)]
pub struct Written<T> {
    pub resource: T,
    /// False when everything was already as it was asked to be: no write, no event.
    pub changed: bool,
}

impl Push {
    /// The door of a directory. `directory` is the id of the request's path, as it was written.
    ///
    /// Errors: [`Error::Unauthorized`], whatever it is that does not fit (SECURITY-MODEL G13). Only who has
    /// a token of this directory is told that it has expired.
    pub async fn authenticate(
        app: &App,
        directory: &str,
        token: &str,
        request_id: &str,
    ) -> Result<Self, NotAdmitted> {
        let directory: DirectoryId = directory.parse().map_err(|_| Error::Unauthorized)?;
        let now = Timestamp(app.clock.now());
        let hash = app.vault.hash(token);
        let door = directory_tokens::open(&app.store, directory, &hash)
            .await
            .map_err(Error::from)?
            .ok_or(Error::Unauthorized)?;
        let push = Self {
            app: app.clone(),
            scope: door.scope,
            cause: Cause::new(ActorKind::Directory, directory, request_id),
            quirks: Arc::default(),
            events: Arc::default(),
            token: door.token,
            provider: door.provider,
        };
        if let Some(at) = door.expired_at(now) {
            let push = Box::new(push);
            return Err(NotAdmitted::Expired { push, at });
        }
        push.note_use(&door, &hash, now).await?;
        Ok(push)
    }

    /// At most once a minute, but for the first request: that one says that the directory is syncing now.
    async fn note_use(&self, door: &Door, hash: &str, now: Timestamp) -> Result<(), Error> {
        let noted = door
            .last_used_at
            .is_some_and(|at| now.0 - at.0 < NOTED_EVERY);
        if noted && door.state != DirectoryState::Waiting {
            return Ok(());
        }
        let tx = self.app.store.begin_relaxed().await?;
        let tx = tx.witnessed_by(&self.events);
        if let Some(directory) = directory_tokens::note_use(&tx, door, now).await? {
            let event = IdentityEvent::new(
                EventType::DirectoryActivated,
                self.source(),
                directory.id,
                &directory,
            );
            tx.record(self.organization(), event, &self.cause);
        }
        tx.commit().await?;
        directory_tokens::remember_use(&self.app.store, hash, now);
        Ok(())
    }

    /// The same caller's next request: one operation of a bulk request.
    pub fn afresh(&self) -> Self {
        Self {
            quirks: Arc::default(),
            events: Arc::default(),
            ..self.clone()
        }
    }

    async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(self.app.store.begin().await?.witnessed_by(&self.events))
    }

    pub fn organization(&self) -> &OrgScope {
        self.scope.organization()
    }

    /// The directory's SCIM base URL, without a slash at the end.
    pub fn base_url(&self) -> String {
        self.app
            .public_url
            .join(&format!("/scim/v2/{}", self.scope.directory()))
    }

    /// Of the events.
    fn source(&self) -> String {
        source(&self.scope)
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.app.clock.now())
    }
}

/// Of the events of a directory.
fn source(scope: &DirectoryScope) -> String {
    format!("/directories/{}", scope.directory())
}

/// Errors: [`Error::PreconditionFailed`] when `If-Match` names other versions only.
fn check(if_match: Option<&EntityTags>, version: i64) -> Result<(), Error> {
    match if_match {
        Some(tags) if !tags.contain(version.unsigned_abs()) => Err(Error::PreconditionFailed),
        _ => Ok(()),
    }
}

/// Counts the attempts at one transaction.
#[derive(Default)]
pub(super) struct Attempts(u8);

impl Attempts {
    /// Whether to begin again, after a pause that grows: who was in the way may need it.
    pub(super) async fn again<T>(&mut self, result: &Result<T, Error>) -> bool {
        self.0 += 1;
        let in_the_way = matches!(result, Err(Error::Store(error)) if error.is_transient());
        let again = in_the_way && self.0 < ATTEMPTS;
        if again {
            tokio::time::sleep(FIRST_PAUSE * (1 << self.0)).await;
        }
        again
    }
}
