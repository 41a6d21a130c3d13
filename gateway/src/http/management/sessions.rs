//! Sessions: what one successful login opened.

use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;

use super::Tag;
use super::answer::Deleted;
use super::key::{ApiKey, Write};
use super::page::{Cursor, Limit, Page, window};
use super::problem::Problem;
use crate::app::App;
use crate::ids::{OrganizationId, SessionId, UserId};
use crate::model::Session;
use crate::store::sessions::{self, SessionFilter};

pub(super) struct Sessions;

#[OpenApi(tag = "Tag::Sessions")]
impl Sessions {
    /// List sessions.
    #[oai(path = "/sessions", method = "get", operation_id = "listSessions")]
    async fn list(
        &self,
        app: Data<&App>,
        key: ApiKey,
        limit: Query<Limit>,
        cursor: Query<Cursor<SessionId>>,
        organization_id: Query<Option<OrganizationId>>,
        user_id: Query<Option<UserId>>,
    ) -> Result<Json<Page<Session>>, Problem> {
        let db = app.store.read();
        if let Some(id) = organization_id.0 {
            key.scope_owning(&db, id).await?;
        }
        let filter = SessionFilter {
            organization_id: organization_id.0.or(key.bound_to()),
            user_id: user_id.0,
        };
        let window = window(limit.0, cursor.0);
        let slice = sessions::list(&db, filter, window, app.clock.now().into()).await?;
        Ok(Json(Page::of(slice)))
    }

    /// End a session.
    ///
    /// Its refresh tokens die at once, its access tokens with their time, at most 300 s.
    #[oai(
        path = "/sessions/:id",
        method = "delete",
        operation_id = "revokeSession"
    )]
    async fn revoke(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<SessionId>,
    ) -> Result<Deleted, Problem> {
        let tx = app.store.begin().await?;
        let scope = key.scope_owning(&tx, id.0).await?;
        let now = app.clock.now().into();
        // One that has ended before is as gone as the caller wants it.
        sessions::end(&tx, &scope, id.0, "", &key.cause(), now).await?;
        tx.commit().await?;
        Ok(Deleted)
    }
}
