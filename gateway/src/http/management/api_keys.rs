//! API keys: credentials of this API.

use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::Tag;
use super::answer::{Answer, Created, Deleted};
use super::body::Body;
use super::key::{ApiKey, Write};
use super::once::{Attempt, Once};
use super::page::{Cursor, Limit, Page, window};
use super::problem::Problem;
use crate::app::App;
use crate::error::Error;
use crate::flows::api_keys as flow;
use crate::ids::{ApiKeyId, OrganizationId};
use crate::model::{self, ApiScope, Timestamp};
use crate::store::api_keys;

#[derive(Debug, Object)]
struct NewApiKey {
    #[oai(validator(min_length = 1, max_length = 200))]
    name: String,
    /// Both by default.
    #[oai(validator(min_items = 1, max_items = 2))]
    scopes: Option<Vec<ApiScope>>,
    /// Binds the key to one organization: it reaches nothing else.
    organization_id: Option<OrganizationId>,
    /// Never by default.
    expires_at: Option<Timestamp>,
}

/// A new key, with its text.
#[derive(Debug, Object)]
struct CreatedApiKey {
    #[oai(flatten)]
    api_key: model::ApiKey,
    /// Shown this once.
    key: String,
}

pub(super) struct ApiKeys;

#[OpenApi(tag = "Tag::ApiKeys")]
impl ApiKeys {
    /// Create an API key.
    ///
    /// A key gives no more than it has: neither another scope nor another organization.
    #[oai(path = "/api_keys", method = "post", operation_id = "createApiKey")]
    async fn create(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        #[oai(name = "Idempotency-Key")] once: Once,
        Body(body): Body<NewApiKey>,
    ) -> Result<Created<CreatedApiKey>, Problem> {
        let mut scopes = body
            .scopes
            .unwrap_or_else(|| vec![ApiScope::Read, ApiScope::Write]);
        scopes.dedup();
        if !scopes.iter().all(|scope| key.has(*scope)) {
            return Err(Error::Forbidden("it lacks a scope that it would give away").into());
        }
        let (tx, claim) = match once.begin(&app, &key).await? {
            Attempt::First(tx, claim) => (tx, claim),
            Attempt::Again(answer) => return Ok(answer),
        };
        match body.organization_id {
            Some(id) => {
                key.scope_owning(&tx, id).await?;
            }
            None => key.of_deployment()?,
        }
        let expired = |at: Timestamp| at.0 <= app.clock.now();
        if body.expires_at.is_some_and(expired) {
            return Err(Error::invalid("expires_at", "has to be in the future").into());
        }
        let new = flow::NewApiKey {
            name: body.name,
            scopes,
            organization_id: body.organization_id,
            expires_at: body.expires_at,
        };
        let (api_key, text) = flow::create(&app, &tx, new).await?;
        let act = key.act("api_key.created", api_key.id);
        tx.audit(act.inside(api_key.organization_id).made(&api_key));
        let answer = Answer::new(&CreatedApiKey { api_key, key: text });
        Ok(claim.commit(&app, tx, answer).await?)
    }

    /// List API keys.
    #[oai(path = "/api_keys", method = "get", operation_id = "listApiKeys")]
    async fn list(
        &self,
        app: Data<&App>,
        key: ApiKey,
        limit: Query<Limit>,
        cursor: Query<Cursor<ApiKeyId>>,
    ) -> Result<Json<Page<model::ApiKey>>, Problem> {
        let window = window(limit.0, cursor.0);
        let slice = api_keys::list(&app.store.read(), key.bound_to(), window).await?;
        Ok(Json(Page::of(slice)))
    }

    /// Delete an API key.
    ///
    /// It is refused from the next request on. The key of the configuration comes back at the next start.
    #[oai(
        path = "/api_keys/:id",
        method = "delete",
        operation_id = "deleteApiKey"
    )]
    async fn remove(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<ApiKeyId>,
    ) -> Result<Deleted, Problem> {
        let tx = app.store.begin().await?;
        let missing = || Error::NotFound("API key");
        let found = api_keys::find(&tx, key.bound_to(), id.0).await?;
        let found = found.ok_or_else(missing)?;
        if !api_keys::remove(&tx, key.bound_to(), id.0).await? {
            return Err(missing().into());
        }
        let act = key.act("api_key.deleted", id.0);
        tx.audit(act.inside(found.organization_id).removed(&found));
        tx.commit().await?;
        Ok(Deleted)
    }
}
