//! Users: people inside one organization as the application sees them.

use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::Tag;
use super::answer::{Answer, Deleted, Done};
use super::key::{ApiKey, Write};
use super::once::{Attempt, Once};
use super::page::{Cursor, Limit, Page, window};
use super::problem::Problem;
use crate::app::App;
use crate::error::Error;
use crate::flows::provisioning;
use crate::ids::{DirectoryId, OrganizationId, UserId};
use crate::model::{Slice, User};
use crate::store::sessions;
use crate::store::users::{self, UserFilter};

/// How many sessions ended.
#[derive(Debug, Object)]
struct RevokedSessions {
    revoked: u64,
}

pub(super) struct Users;

#[OpenApi(tag = "Tag::Users")]
impl Users {
    /// List users.
    #[oai(
        path = "/organizations/:id/users",
        method = "get",
        operation_id = "listUsers"
    )]
    #[expect(clippy::too_many_arguments, reason = "one per query parameter")]
    async fn list(
        &self,
        app: Data<&App>,
        key: ApiKey,
        id: Path<OrganizationId>,
        limit: Query<Limit>,
        cursor: Query<Cursor<UserId>>,
        /// In any case.
        email: Query<Option<String>>,
        external_id: Query<Option<String>>,
        active: Query<Option<bool>>,
        /// Slug of a role that they have.
        role: Query<Option<String>>,
        /// The directory that feeds them.
        directory_id: Query<Option<DirectoryId>>,
    ) -> Result<Json<Page<User>>, Problem> {
        let db = app.store.read();
        let scope = key.scope_owning(&db, id.0).await?;
        let filter = UserFilter {
            email: email.0,
            external_id: external_id.0,
            active: active.0,
            role: role.0,
            directory_id: directory_id.0,
        };
        let window = window(limit.0, cursor.0);
        let rows = users::list(&db, &scope, &filter, window.before, window.limit + 1).await?;
        Ok(Json(Page::of(Slice::cut(rows, window.limit, |user| {
            user.id
        }))))
    }

    /// Find a user.
    #[oai(path = "/users/:id", method = "get", operation_id = "findUser")]
    async fn find(
        &self,
        app: Data<&App>,
        key: ApiKey,
        id: Path<UserId>,
    ) -> Result<Json<User>, Problem> {
        let db = app.store.read();
        let scope = key.scope_owning(&db, id.0).await?;
        let user = users::find(&db, &scope, id.0)
            .await?
            .ok_or(Error::NotFound("user"))?;
        Ok(Json(user))
    }

    /// Delete a user.
    ///
    /// Sessions end and tokens die at once. A directory that pushes the person again, or a sign-in where the
    /// connection allows it, makes a new user.
    #[oai(path = "/users/:id", method = "delete", operation_id = "deleteUser")]
    async fn remove(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<UserId>,
    ) -> Result<Deleted, Problem> {
        let scope = key.scope_owning(&app.store.read(), id.0).await?;
        if !provisioning::remove_user(&app, &scope, id.0, "", &key.cause()).await? {
            return Err(Error::NotFound("user").into());
        }
        Ok(Deleted)
    }

    /// End all sessions of a user.
    ///
    /// Refresh tokens die at once, access tokens with their time, at most 300 s.
    #[oai(
        path = "/users/:id/revoke_sessions",
        method = "post",
        operation_id = "revokeUserSessions"
    )]
    async fn revoke_sessions(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<UserId>,
        #[oai(name = "Idempotency-Key")] once: Once,
    ) -> Result<Done<RevokedSessions>, Problem> {
        let (tx, claim) = match once.begin(&app, &key).await? {
            Attempt::First(tx, claim) => (tx, claim),
            Attempt::Again(answer) => return Ok(answer),
        };
        let scope = key.scope_owning(&tx, id.0).await?;
        // Whoever opens a session holds this lock too.
        if users::lock(&tx, &scope, &[id.0]).await?.is_empty() {
            return Err(Error::NotFound("user").into());
        }
        let now = app.clock.now().into();
        let ended =
            sessions::end_sessions_of_user(&tx, &scope, id.0, "", &key.cause(), now).await?;
        let revoked = ended.len() as u64;
        let answer = Answer::new(&RevokedSessions { revoked });
        Ok(claim.commit(&app, tx, answer).await?)
    }

    /// End all sessions of an organization.
    ///
    /// Refresh tokens die at once, access tokens with their time, at most 300 s.
    #[oai(
        path = "/organizations/:id/revoke_sessions",
        method = "post",
        operation_id = "revokeOrganizationSessions"
    )]
    async fn revoke_sessions_of_organization(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<OrganizationId>,
        #[oai(name = "Idempotency-Key")] once: Once,
    ) -> Result<Done<RevokedSessions>, Problem> {
        let (tx, claim) = match once.begin(&app, &key).await? {
            Attempt::First(tx, claim) => (tx, claim),
            Attempt::Again(answer) => return Ok(answer),
        };
        let scope = key.scope_owning(&tx, id.0).await?;
        let now = app.clock.now().into();
        let revoked =
            sessions::end_sessions_of_organization(&tx, &scope, &key.cause(), now).await?;
        let answer = Answer::new(&RevokedSessions { revoked });
        Ok(claim.commit(&app, tx, answer).await?)
    }
}
