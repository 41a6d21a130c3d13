//! Directories: one SCIM source of an organization, with its own base URL and bearer tokens.

use chrono::{DateTime, TimeDelta, Utc};
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::MaybeUndefined;
use poem_openapi::{Object, OpenApi};

use super::Tag;
use super::answer::{Answer, Created, Deleted, Done};
use super::body::{Body, OptionalBody};
use super::key::{ApiKey, Write};
use super::once::{Attempt, Once};
use super::page::{Cursor, Limit, Page, window};
use super::problem::Problem;
use crate::app::App;
use crate::error::Error;
use crate::flows::directories as flow;
use crate::flows::provisioning::{self, Released};
use crate::ids::{DirectoryId, DirectoryTokenId, DirectoryUserId, OrganizationId, UserId};
use crate::model::{
    ChangeBrake, Directory, DirectoryState, DirectoryToken, Timestamp, WaitingChange,
};
use crate::store::{OrgScope, Reads, StoreError, directories, directory_users};

/// How often a release goes through what waits, while a directory goes on asking for more.
const RELEASE_PASSES: u8 = 5;

#[derive(Debug, Object)]
struct NewDirectory {
    #[oai(validator(min_length = 1, max_length = 200))]
    name: String,
    /// `okta`, `entra`, …: what the documentation calls it. How it is spoken to depends on what it sends.
    #[oai(validator(min_length = 1, max_length = 64))]
    provider: Option<String>,
    /// The role that every active user of this directory has.
    default_role: Option<String>,
    /// Holds the directory when it takes too many people away within an hour. Off when left out.
    change_brake: Option<ChangeBrake>,
    /// Whom this directory neither deactivates nor deletes.
    #[oai(validator(max_items = 100))]
    protected_user_ids: Option<Vec<UserId>>,
}

#[derive(Debug, Object)]
struct DirectoryPatch {
    #[oai(validator(min_length = 1, max_length = 200))]
    name: Option<String>,
    #[oai(validator(min_length = 1, max_length = 64))]
    provider: MaybeUndefined<String>,
    default_role: MaybeUndefined<String>,
    /// 409 `directory_held` when it is to be switched off while it holds.
    change_brake: MaybeUndefined<ChangeBrake>,
    #[oai(validator(max_items = 100))]
    protected_user_ids: MaybeUndefined<Vec<UserId>>,
}

/// What the directory's administrator has to type in.
#[derive(Debug, Object)]
struct ScimEndpoint {
    base_url: String,
    /// Shown once, when the directory is created.
    #[oai(skip_serializing_if_is_none)]
    bearer_token: Option<String>,
}

/// What a new token is given.
#[derive(Debug, Default, Object)]
struct NewToken {
    /// When it stops working; it does not end by itself without this.
    expires_at: Option<Timestamp>,
}

/// One SCIM source of an organization.
#[derive(Debug, Object)]
#[oai(rename = "DirectoryWithScim")]
struct DirectoryView {
    #[oai(flatten)]
    directory: Directory,
    scim: ScimEndpoint,
    /// When it last asked for something, to the minute.
    last_request_at: Option<Timestamp>,
    /// For how many people something waits for the release.
    waiting_changes: i64,
    /// Its tokens, oldest first, without their text.
    tokens: Vec<DirectoryToken>,
}

/// What becomes of the changes that wait.
#[derive(Debug, Object)]
struct Release {
    /// True does them, false forgets them.
    apply: bool,
}

/// What came of the changes that waited.
#[derive(Debug, Object)]
#[oai(rename = "ReleasedDirectory")]
struct ReleasedView {
    applied: i64,
    /// Forgotten, or about somebody who is protected by now.
    dropped: i64,
}

/// A new token.
#[derive(Debug, Object)]
struct CreatedToken {
    #[oai(flatten)]
    token: DirectoryToken,
    /// Shown this once.
    bearer_token: String,
}

pub(super) struct Directories;

#[OpenApi(tag = "Tag::Directories")]
impl Directories {
    /// Create a directory.
    #[oai(
        path = "/organizations/:id/directories",
        method = "post",
        operation_id = "createDirectory"
    )]
    async fn create(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<OrganizationId>,
        #[oai(name = "Idempotency-Key")] once: Once,
        Body(new): Body<NewDirectory>,
    ) -> Result<Created<DirectoryView>, Problem> {
        let (tx, claim) = match once.begin(&app, &key).await? {
            Attempt::First(tx, claim) => (tx, claim),
            Attempt::Again(answer) => return Ok(answer),
        };
        let scope = key.scope_owning(&tx, id.0).await?;
        let new = flow::NewDirectory {
            name: new.name,
            provider: new.provider,
            default_role: new.default_role,
            change_brake: new.change_brake,
            protected_user_ids: new.protected_user_ids.unwrap_or_default(),
        };
        let (directory, token, bearer_token) =
            flow::create(&app, &tx, &scope, new, &key.cause()).await?;
        let mut view = view(&app, directory, vec![token], None, 0);
        view.scim.bearer_token = Some(bearer_token);
        Ok(claim.commit(&app, tx, Answer::new(&view)).await?)
    }

    /// List directories.
    #[oai(
        path = "/organizations/:id/directories",
        method = "get",
        operation_id = "listDirectories"
    )]
    async fn list(
        &self,
        app: Data<&App>,
        key: ApiKey,
        id: Path<OrganizationId>,
        limit: Query<Limit>,
        cursor: Query<Cursor<DirectoryId>>,
    ) -> Result<Json<Page<DirectoryView>>, Problem> {
        let db = app.store.read();
        let scope = key.scope_owning(&db, id.0).await?;
        let slice = directories::list(&db, &scope, window(limit.0, cursor.0)).await?;
        let ids: Vec<_> = slice.rows.iter().map(|directory| directory.id).collect();
        let mut tokens = directories::tokens_of(&db, &scope, &ids).await?;
        let seen = directories::last_requests(&db, &scope, &ids).await?;
        let waiting = directory_users::count_held(&db, &scope, &ids).await?;
        let slice = slice.map(|directory| {
            let tokens = tokens.remove(&directory.id).unwrap_or_default();
            let last = seen.get(&directory.id).copied();
            let waiting = waiting.get(&directory.id).copied().unwrap_or_default();
            view(&app, directory, tokens, last, waiting)
        });
        Ok(Json(Page::of(slice)))
    }

    /// Find a directory.
    #[oai(
        path = "/directories/:id",
        method = "get",
        operation_id = "findDirectory"
    )]
    async fn find(
        &self,
        app: Data<&App>,
        key: ApiKey,
        id: Path<DirectoryId>,
    ) -> Result<Json<DirectoryView>, Problem> {
        let db = app.store.read();
        let scope = key.scope_owning(&db, id.0).await?;
        let directory = directories::find(&db, &scope, id.0)
            .await?
            .ok_or(Error::NotFound("directory"))?;
        Ok(Json(viewed(&app, &db, &scope, directory).await?))
    }

    /// Change a directory.
    ///
    /// Another default role changes its users' roles at once.
    #[oai(
        path = "/directories/:id",
        method = "patch",
        operation_id = "updateDirectory"
    )]
    async fn update(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<DirectoryId>,
        Body(patch): Body<DirectoryPatch>,
    ) -> Result<Json<DirectoryView>, Problem> {
        let tx = app.store.begin().await?;
        let scope = key.scope_owning(&tx, id.0).await?;
        let before = directories::lock(&tx, &scope, id.0)
            .await?
            .ok_or(Error::NotFound("directory"))?;
        let after = patch.applied_to(before.clone());
        let directory = flow::update(&app, &tx, &scope, &before, after, &key.cause()).await?;
        let view = viewed(&app, &tx, &scope, directory).await?;
        tx.commit().await?;
        Ok(Json(view))
    }

    /// Delete a directory.
    ///
    /// With everything that it pushed, whose events come first. A user who signs in by a connection too
    /// stays, without what this directory said, and so does who is protected.
    #[oai(
        path = "/directories/:id",
        method = "delete",
        operation_id = "deleteDirectory"
    )]
    async fn remove(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<DirectoryId>,
    ) -> Result<Deleted, Problem> {
        let scope = key.scope_owning(&app.store.read(), id.0).await?;
        flow::remove_in_steps(&app, &scope, id.0, &key.cause()).await?;
        Ok(Deleted)
    }

    /// Release a directory that its brake holds.
    ///
    /// Does or forgets what waits, then ends the hold; the hour begins anew. Whoever is protected by now stays. What was
    /// done stays done if this is cut off: call it again. Nothing happens to a directory that is not held.
    #[oai(
        path = "/directories/:id/release",
        method = "post",
        operation_id = "releaseDirectory"
    )]
    async fn release(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<DirectoryId>,
        #[oai(name = "Idempotency-Key")] once: Once,
        Body(release): Body<Release>,
    ) -> Result<Done<ReleasedView>, Problem> {
        if let Some(answer) = once.answered(&app, &key).await? {
            return Ok(answer);
        }
        let db = app.store.read();
        let scope = key.scope_owning(&db, id.0).await?;
        let scope = directories::scope_of(&db, &scope, id.0)
            .await?
            .ok_or(Error::NotFound("directory"))?;
        let (cause, mut done, mut pass) = (key.cause(), Released::default(), 0);
        loop {
            // Each change is a transaction of its own: thousands in one would keep everybody else waiting.
            done += provisioning::settle_held(&app, &scope, release.apply, &cause).await?;
            let (tx, claim) = match once.begin(&app, &key).await? {
                Attempt::First(tx, claim) => (tx, claim),
                Attempt::Again(answer) => return Ok(answer),
            };
            pass += 1;
            match provisioning::end_hold(&tx, &scope, done, &cause).await {
                // The directory asked for more meanwhile.
                Err(Error::Store(StoreError::Stale)) if pass < RELEASE_PASSES => continue,
                result => result?,
            }
            let answer = Answer::new(&ReleasedView {
                applied: done.applied,
                dropped: done.dropped,
            });
            return Ok(claim.commit(&app, tx, answer).await?);
        }
    }

    /// List what waits for the release of a directory.
    ///
    /// Deactivations and deletions that it was promised while its brake held it. Whoever is taken back by the
    /// directory is not there any more.
    #[oai(
        path = "/directories/:id/waiting_changes",
        method = "get",
        operation_id = "listWaitingChanges"
    )]
    async fn waiting_changes(
        &self,
        app: Data<&App>,
        key: ApiKey,
        id: Path<DirectoryId>,
        limit: Query<Limit>,
        cursor: Query<Cursor<DirectoryUserId>>,
    ) -> Result<Json<Page<WaitingChange>>, Problem> {
        let db = app.store.read();
        let scope = key.scope_owning(&db, id.0).await?;
        let scope = directories::scope_of(&db, &scope, id.0)
            .await?
            .ok_or(Error::NotFound("directory"))?;
        let window = window(limit.0, cursor.0);
        let slice = directory_users::list_held(&db, &scope, window).await?;
        Ok(Json(Page::of(slice)))
    }

    /// Make another token for a directory.
    ///
    /// Two may live side by side, to change over without a gap; 409 `too_many_tokens` beyond. One that has expired
    /// does not count.
    #[oai(
        path = "/directories/:id/tokens",
        method = "post",
        operation_id = "createDirectoryToken"
    )]
    async fn create_token(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<DirectoryId>,
        #[oai(name = "Idempotency-Key")] once: Once,
        OptionalBody(new): OptionalBody<NewToken>,
    ) -> Result<Created<CreatedToken>, Problem> {
        let (tx, claim) = match once.begin(&app, &key).await? {
            Attempt::First(tx, claim) => (tx, claim),
            Attempt::Again(answer) => return Ok(answer),
        };
        let scope = key.scope_owning(&tx, id.0).await?;
        let (token, bearer_token) =
            flow::create_token(&app, &tx, &scope, id.0, new.expires_at).await?;
        let act = key.act("directory_token.created", token.id);
        tx.audit(act.inside(scope.organization()).made(&token));
        let answer = Answer::new(&CreatedToken {
            token,
            bearer_token,
        });
        Ok(claim.commit(&app, tx, answer).await?)
    }

    /// Delete a token of a directory.
    #[oai(
        path = "/directories/:id/tokens/:token_id",
        method = "delete",
        operation_id = "deleteDirectoryToken"
    )]
    async fn remove_token(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<DirectoryId>,
        token_id: Path<DirectoryTokenId>,
    ) -> Result<Deleted, Problem> {
        let tx = app.store.begin().await?;
        let scope = key.scope_owning(&tx, id.0).await?;
        flow::remove_token(&tx, &scope, id.0, token_id.0).await?;
        let act = key.act("directory_token.deleted", token_id.0);
        tx.audit(act.inside(scope.organization()));
        tx.commit().await?;
        Ok(Deleted)
    }
}

async fn viewed(
    app: &App,
    db: &impl Reads,
    scope: &OrgScope,
    directory: Directory,
) -> Result<DirectoryView, Error> {
    let tokens = directories::tokens(db, scope, directory.id).await?;
    let seen = directories::last_requests(db, scope, &[directory.id]).await?;
    let last = seen.get(&directory.id).copied();
    let waiting = directory_users::count_held(db, scope, &[directory.id]).await?;
    let waiting = waiting.get(&directory.id).copied().unwrap_or_default();
    Ok(view(app, directory, tokens, last, waiting))
}

fn view(
    app: &App,
    mut directory: Directory,
    tokens: Vec<DirectoryToken>,
    last_request_at: Option<Timestamp>,
    waiting_changes: i64,
) -> DirectoryView {
    directory.state = state(&directory, last_request_at, app.clock.now());
    let base_url = app.public_url.join(&format!("/scim/v2/{}", directory.id));
    DirectoryView {
        directory,
        scim: ScimEndpoint {
            base_url,
            bearer_token: None,
        },
        last_request_at,
        waiting_changes,
        tokens,
    }
}

impl DirectoryPatch {
    fn applied_to(self, mut directory: Directory) -> Directory {
        if let Some(name) = self.name {
            directory.name = name;
        }
        self.provider.update_to(&mut directory.provider);
        self.default_role.update_to(&mut directory.default_role);
        self.change_brake.update_to(&mut directory.change_brake);
        let mut protected = Some(std::mem::take(&mut directory.protected_user_ids));
        self.protected_user_ids.update_to(&mut protected);
        directory.protected_user_ids = protected.unwrap_or_default();
        directory
    }
}

/// A directory that only sends changes is silent after this.
const QUIET: TimeDelta = TimeDelta::days(7);

/// The stored state, or that nothing has come for too long.
fn state(directory: &Directory, last: Option<Timestamp>, now: DateTime<Utc>) -> DirectoryState {
    let provider = scim::provider::recognise(
        directory.provider.as_deref(),
        None,
        &scim::Quirks::default(),
    );
    let hours = provider.silent_after_hours;
    let pause = hours.map_or(QUIET, |hours| TimeDelta::hours(hours.into()));
    if last.is_some_and(|last| now - last.0 > pause) {
        DirectoryState::Silent
    } else {
        directory.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_silent_after_its_products_usual_pause() {
        let now: DateTime<Utc> = "2026-12-01T09:00:00Z".parse().unwrap();
        let mut directory = Directory {
            id: "dir_01h455vb4pex5vsknk084sn02q".parse().unwrap(),
            organization_id: "org_01h455vb4pex5vsknk084sn02q".parse().unwrap(),
            name: "Directory".to_owned(),
            provider: None,
            default_role: None,
            state: DirectoryState::Waiting,
            change_brake: None,
            protected_user_ids: Vec::new(),
            held_at: None,
            created_at: now.into(),
            updated_at: now.into(),
        };
        let before = |hours| Some((now - TimeDelta::hours(hours)).into());
        assert_eq!(state(&directory, None, now), DirectoryState::Waiting);
        directory.state = DirectoryState::Syncing;
        for (provider, hours, shown) in [
            (Some("entra"), 4, DirectoryState::Syncing),
            (Some("Azure AD"), 5, DirectoryState::Silent),
            (Some("okta"), 7 * 24, DirectoryState::Syncing),
            (Some("okta"), 7 * 24 + 1, DirectoryState::Silent),
            (None, 8 * 24, DirectoryState::Silent),
        ] {
            directory.provider = provider.map(str::to_owned);
            assert_eq!(state(&directory, before(hours), now), shown, "{provider:?}");
        }
    }
}
