//! Connections: one SAML or OIDC identity provider of an organization.

mod input;

use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;

use super::Tag;
use super::answer::{Answer, Created, Deleted, Done};
use super::body::{Body, OptionalBody};
use super::key::{ApiKey, Write};
use super::once::{Attempt, Once};
use super::page::{Cursor, Limit, Page, window};
use super::problem::Problem;
use crate::app::App;
use crate::error::Error;
use crate::flows::connections as flow;
use crate::ids::{ConnectionId, OrganizationId};
use crate::model::{Connection, ConnectionState, ConnectionType, ConnectionView, Slice};
use crate::store::{OrgScope, Reads, connection_keys, connections};
use input::{ConnectionPatch, KeyRotation, MetadataRefresh, NewConnection};

pub(super) struct Connections;

#[OpenApi(tag = "Tag::Connections")]
impl Connections {
    /// Create a connection.
    ///
    /// Without `activate` it is a draft, which may still lack what only the identity provider's side can tell;
    /// what is given has to be right. Every problem of the settings is named in `errors`.
    #[oai(
        path = "/organizations/:id/connections",
        method = "post",
        operation_id = "createConnection"
    )]
    async fn create(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<OrganizationId>,
        #[oai(name = "Idempotency-Key")] once: Once,
        Body(new): Body<NewConnection>,
    ) -> Result<Created<ConnectionView>, Problem> {
        let scope = key.scope_owning(&app.store.read(), id.0).await?;
        if let Some(answer) = once.answered(&app, &key).await? {
            return Ok(answer);
        }
        let (kind, activate) = (new.kind, new.activate.unwrap_or(false));
        let mut change = new.checked(&app).await?;
        if kind == ConnectionType::Saml || change.wants_key() {
            change.key = Some(flow::make_key(&app).await?);
        }
        let (tx, claim) = match once.begin(&app, &key).await? {
            Attempt::First(tx, claim) => (tx, claim),
            Attempt::Again(answer) => return Ok(answer),
        };
        let cause = key.cause();
        let connection = flow::create(&app, &tx, &scope, kind, change, activate, &cause).await?;
        Ok(claim.commit(&app, tx, Answer::new(&connection)).await?)
    }

    /// List connections.
    #[oai(
        path = "/organizations/:id/connections",
        method = "get",
        operation_id = "listConnections"
    )]
    async fn list(
        &self,
        app: Data<&App>,
        key: ApiKey,
        id: Path<OrganizationId>,
        limit: Query<Limit>,
        cursor: Query<Cursor<ConnectionId>>,
    ) -> Result<Json<Page<ConnectionView>>, Problem> {
        let db = app.store.read();
        let scope = key.scope_owning(&db, id.0).await?;
        let slice = connections::list(&db, &scope, window(limit.0, cursor.0)).await?;
        let rows = flow::views(&app, &db, &scope, &slice.rows).await?;
        Ok(Json(Page::of(Slice {
            rows,
            next: slice.next,
        })))
    }

    /// Find a connection.
    #[oai(
        path = "/connections/:id",
        method = "get",
        operation_id = "findConnection"
    )]
    async fn find(
        &self,
        app: Data<&App>,
        key: ApiKey,
        id: Path<ConnectionId>,
    ) -> Result<Json<ConnectionView>, Problem> {
        let db = app.store.read();
        let scope = key.scope_owning(&db, id.0).await?;
        let connection = found(&db, &scope, id.0).await?;
        Ok(Json(flow::view(&app, &db, &scope, &connection).await?))
    }

    /// Change a connection.
    ///
    /// An active one changes at once, and has to stay whole.
    #[oai(
        path = "/connections/:id",
        method = "patch",
        operation_id = "updateConnection"
    )]
    async fn update(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<ConnectionId>,
        Body(patch): Body<ConnectionPatch>,
    ) -> Result<Json<ConnectionView>, Problem> {
        let db = app.store.read();
        let scope = key.scope_owning(&db, id.0).await?;
        let mut change = patch.checked(&app).await?;
        if change.wants_key() && connection_keys::list(&db, &scope, id.0).await?.is_empty() {
            change.key = Some(flow::make_key(&app).await?);
        }
        let tx = app.store.begin().await?;
        let connection = flow::update(&app, &tx, &scope, id.0, change, &key.cause()).await?;
        tx.commit().await?;
        Ok(Json(connection))
    }

    /// Delete a connection.
    ///
    /// The sessions that it opened end. The users stay.
    #[oai(
        path = "/connections/:id",
        method = "delete",
        operation_id = "deleteConnection"
    )]
    async fn remove(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<ConnectionId>,
    ) -> Result<Deleted, Problem> {
        let tx = app.store.begin().await?;
        let scope = key.scope_owning(&tx, id.0).await?;
        flow::remove(&app, &tx, &scope, id.0, &key.cause()).await?;
        tx.commit().await?;
        Ok(Deleted)
    }

    /// Activate a connection.
    ///
    /// It has to be whole; `errors` names what is missing or wrong.
    #[oai(
        path = "/connections/:id/activate",
        method = "post",
        operation_id = "activateConnection"
    )]
    async fn activate(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<ConnectionId>,
        #[oai(name = "Idempotency-Key")] once: Once,
    ) -> Result<Done<ConnectionView>, Problem> {
        let state = ConnectionState::Active;
        switch(&app, &key, id.0, &once, state).await
    }

    /// Deactivate a connection.
    ///
    /// Nobody signs in with it from now on; sessions that it opened go on.
    #[oai(
        path = "/connections/:id/deactivate",
        method = "post",
        operation_id = "deactivateConnection"
    )]
    async fn deactivate(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<ConnectionId>,
        #[oai(name = "Idempotency-Key")] once: Once,
    ) -> Result<Done<ConnectionView>, Problem> {
        let state = ConnectionState::Inactive;
        switch(&app, &key, id.0, &once, state).await
    }

    /// Read a SAML connection's metadata again.
    ///
    /// From its `metadata_url`; without one, 409 `no_metadata_url`. If it names another identity provider now,
    /// or leads to another host, the change is shown as `metadata_held` and nothing is applied. With
    /// `accept_held` that change is applied as it is shown, without reading again; 409 `nothing_held` if there
    /// is none.
    #[oai(
        path = "/connections/:id/refresh_metadata",
        method = "post",
        operation_id = "refreshConnectionMetadata"
    )]
    async fn refresh_metadata(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<ConnectionId>,
        #[oai(name = "Idempotency-Key")] once: Once,
        OptionalBody(wish): OptionalBody<MetadataRefresh>,
    ) -> Result<Done<ConnectionView>, Problem> {
        let db = app.store.read();
        let scope = key.scope_owning(&db, id.0).await?;
        if let Some(answer) = once.answered(&app, &key).await? {
            return Ok(answer);
        }
        let connection = found(&db, &scope, id.0).await?;
        let accept = wish.accept_held.unwrap_or(false);
        let read = match accept {
            true => None,
            false => Some(flow::reread(&app, &connection).await?),
        };
        let (tx, claim) = match once.begin(&app, &key).await? {
            Attempt::First(tx, claim) => (tx, claim),
            Attempt::Again(answer) => return Ok(answer),
        };
        let cause = key.cause();
        let view = match read {
            Some(read) => flow::take(&app, &tx, &scope, id.0, read, &cause).await?,
            None => flow::accept(&app, &tx, &scope, id.0, &cause).await?,
        };
        Ok(claim.commit(&app, tx, Answer::new(&view)).await?)
    }

    /// Rotate a connection's own key.
    ///
    /// The next key is published at once and used after 14 days, when everybody has had the time to read it;
    /// the one before it decrypts for 14 days more. `activate_now` uses it, or the one that is announced
    /// already, at once. 409 `no_key` where the connection uses none, `rotation_under_way` while a next one is
    /// announced, `too_many_keys` while too many previous ones still decrypt.
    #[oai(
        path = "/connections/:id/rotate_keys",
        method = "post",
        operation_id = "rotateConnectionKeys"
    )]
    async fn rotate_keys(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<ConnectionId>,
        #[oai(name = "Idempotency-Key")] once: Once,
        OptionalBody(wish): OptionalBody<KeyRotation>,
    ) -> Result<Done<ConnectionView>, Problem> {
        let db = app.store.read();
        let scope = key.scope_owning(&db, id.0).await?;
        if let Some(answer) = once.answered(&app, &key).await? {
            return Ok(answer);
        }
        let keys = connection_keys::list(&db, &scope, id.0).await?;
        let fresh = match flow::announced(&keys) {
            Some(_) => None,
            None => Some(flow::make_key(&app).await?),
        };
        let (tx, claim) = match once.begin(&app, &key).await? {
            Attempt::First(tx, claim) => (tx, claim),
            Attempt::Again(answer) => return Ok(answer),
        };
        let (now, cause) = (wish.activate_now.unwrap_or(false), key.cause());
        let view = flow::rotate(&app, &tx, &scope, id.0, fresh, now, &cause).await?;
        Ok(claim.commit(&app, tx, Answer::new(&view)).await?)
    }
}

async fn switch(
    app: &App,
    key: &ApiKey<Write>,
    id: ConnectionId,
    once: &Once,
    state: ConnectionState,
) -> Result<Done<ConnectionView>, Problem> {
    let (tx, claim) = match once.begin(app, key).await? {
        Attempt::First(tx, claim) => (tx, claim),
        Attempt::Again(answer) => return Ok(answer),
    };
    let scope = key.scope_owning(&tx, id).await?;
    let connection = flow::switch(app, &tx, &scope, id, state, &key.cause()).await?;
    Ok(claim.commit(app, tx, Answer::new(&connection)).await?)
}

async fn found(db: &impl Reads, scope: &OrgScope, id: ConnectionId) -> Result<Connection, Error> {
    connections::find(db, scope, id)
        .await?
        .ok_or(Error::NotFound("connection"))
}
