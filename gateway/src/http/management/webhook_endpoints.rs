//! Webhook endpoints: where events are delivered.

use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::MaybeUndefined;
use poem_openapi::{Enum, Object, OpenApi};

use super::Tag;
use super::answer::{Answer, Created, Deleted, Done};
use super::body::Body;
use super::key::{ApiKey, Write};
use super::once::{Attempt, Once};
use super::page::{Cursor, Limit, Page, window};
use super::problem::Problem;
use crate::app::App;
use crate::flows::webhook_endpoints::{self as flow, NewEndpoint};
use crate::ids::{OrganizationId, WebhookEndpointId};
use crate::model::{Ordering, WebhookEndpoint};
use crate::store::{feed, webhook_endpoints};
use crate::webhooks::attempt::{Sent, Verdict};

#[derive(Debug, Object)]
struct NewWebhookEndpoint {
    /// https; plain http only into the networks of `TENON_EGRESS_ALLOW`.
    url: String,
    /// Types as in `user.created`, or all of a kind as in `user.*`; all when absent or empty.
    #[oai(validator(max_items = 100))]
    event_types: Option<Vec<String>>,
    /// Only this organization's events. A key that is bound to an organization has to name it.
    organization_id: Option<OrganizationId>,
    /// `ordered` by default: an organization's event waits for the one before it.
    ordering: Option<Ordering>,
    #[oai(validator(max_length = 500))]
    description: Option<String>,
}

#[derive(Debug, Object)]
struct WebhookEndpointPatch {
    url: Option<String>,
    #[oai(validator(max_items = 100))]
    event_types: MaybeUndefined<Vec<String>>,
    ordering: Option<Ordering>,
    #[oai(validator(max_length = 500))]
    description: MaybeUndefined<String>,
}

/// An endpoint with its secret.
#[derive(Debug, Object)]
struct WebhookEndpointWithSecret {
    #[oai(flatten)]
    endpoint: WebhookEndpoint,
    /// `whsec_` and base64, as Standard Webhooks wants it. Shown this once.
    secret: String,
}

#[derive(Debug, Object)]
struct Replay {
    /// The id of the last event not to be sent again, or an RFC 3339 time.
    after: String,
}

#[derive(Debug, Enum)]
#[oai(rename_all = "snake_case")]
enum TestStatus {
    /// Answered with 2xx.
    Delivered,
    Failed,
}

/// What became of a sample.
#[derive(Debug, Object)]
struct TestResult {
    status: TestStatus,
    /// Null when no complete answer came.
    response_code: Option<i64>,
    latency_ms: i64,
    /// The first KiB of the answer, as text that may hold anything.
    body_excerpt: Option<String>,
    /// Why there was no answer, or none that counts.
    error: Option<String>,
}

pub(super) struct WebhookEndpoints;

#[OpenApi(tag = "Tag::Webhooks")]
impl WebhookEndpoints {
    /// Create a webhook endpoint.
    ///
    /// It gets the events that happen from now on; a replay brings earlier ones.
    #[oai(
        path = "/webhook_endpoints",
        method = "post",
        operation_id = "createWebhookEndpoint"
    )]
    async fn create(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        #[oai(name = "Idempotency-Key")] once: Once,
        Body(new): Body<NewWebhookEndpoint>,
    ) -> Result<Created<WebhookEndpointWithSecret>, Problem> {
        // What was committed so far is the past.
        feed::sequence(&app.store).await?;
        let (tx, claim) = match once.begin(&app, &key).await? {
            Attempt::First(tx, claim) => (tx, claim),
            Attempt::Again(answer) => return Ok(answer),
        };
        match new.organization_id {
            Some(organization) => key.scope_owning(&tx, organization).await.map(drop)?,
            None => key.of_deployment()?,
        }
        let (endpoint, secret) = flow::create(&app, &tx, new.into_endpoint()).await?;
        let act = key.act("webhook_endpoint.created", endpoint.id);
        tx.audit(act.inside(endpoint.organization_id).made(&endpoint));
        let answer = Answer::new(&WebhookEndpointWithSecret {
            endpoint,
            secret: secret.expose().clone(),
        });
        Ok(claim.commit(&app, tx, answer).await?)
    }

    /// List webhook endpoints.
    #[oai(
        path = "/webhook_endpoints",
        method = "get",
        operation_id = "listWebhookEndpoints"
    )]
    async fn list(
        &self,
        app: Data<&App>,
        key: ApiKey,
        limit: Query<Limit>,
        cursor: Query<Cursor<WebhookEndpointId>>,
        /// Only those bound to this organization.
        organization_id: Query<Option<OrganizationId>>,
    ) -> Result<Json<Page<WebhookEndpoint>>, Problem> {
        let db = app.store.read();
        let scope = match organization_id.0.or(key.bound_to()) {
            Some(organization) => Some(key.scope_owning(&db, organization).await?),
            None => None,
        };
        let window = window(limit.0, cursor.0);
        let slice = webhook_endpoints::list(&db, scope.as_ref(), window).await?;
        Ok(Json(Page::of(slice.map(WebhookEndpoint::from))))
    }

    /// Find a webhook endpoint.
    #[oai(
        path = "/webhook_endpoints/:id",
        method = "get",
        operation_id = "findWebhookEndpoint"
    )]
    async fn find(
        &self,
        app: Data<&App>,
        key: ApiKey,
        id: Path<WebhookEndpointId>,
    ) -> Result<Json<WebhookEndpoint>, Problem> {
        let endpoint = flow::find(&app, &app.store.read(), key.bound_to(), id.0).await?;
        Ok(Json(endpoint.into()))
    }

    /// Change a webhook endpoint.
    #[oai(
        path = "/webhook_endpoints/:id",
        method = "patch",
        operation_id = "updateWebhookEndpoint"
    )]
    async fn update(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<WebhookEndpointId>,
        Body(patch): Body<WebhookEndpointPatch>,
    ) -> Result<Json<WebhookEndpoint>, Problem> {
        let tx = app.store.begin().await?;
        let mut endpoint = flow::find(&app, &tx, key.bound_to(), id.0).await?;
        let before = WebhookEndpoint::from(endpoint.clone());
        if let Some(url) = patch.url {
            endpoint.url = url;
        }
        if let Some(ordering) = patch.ordering {
            endpoint.ordering = ordering;
        }
        match patch.event_types {
            MaybeUndefined::Undefined => {}
            MaybeUndefined::Null => endpoint.event_types.clear(),
            MaybeUndefined::Value(types) => endpoint.event_types = types,
        }
        patch.description.update_to(&mut endpoint.description);
        let endpoint = flow::update(&app, &tx, endpoint).await?;
        let act = key.act("webhook_endpoint.updated", endpoint.id);
        tx.audit(
            act.inside(endpoint.organization_id)
                .changed(&before, &endpoint),
        );
        tx.commit().await?;
        Ok(Json(endpoint))
    }

    /// Delete a webhook endpoint.
    ///
    /// What it has not got yet is not delivered any more; its deliveries go with it.
    #[oai(
        path = "/webhook_endpoints/:id",
        method = "delete",
        operation_id = "deleteWebhookEndpoint"
    )]
    async fn remove(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<WebhookEndpointId>,
    ) -> Result<Deleted, Problem> {
        let tx = app.store.begin().await?;
        let endpoint = flow::find(&app, &tx, key.bound_to(), id.0).await?;
        webhook_endpoints::remove(&tx, endpoint.id).await?;
        let act = key.act("webhook_endpoint.deleted", endpoint.id);
        let act = act.inside(endpoint.organization_id);
        tx.audit(act.removed(&WebhookEndpoint::from(endpoint)));
        tx.commit().await?;
        Ok(Deleted)
    }

    /// Give a webhook endpoint a new secret.
    ///
    /// For 24 hours deliveries carry a signature of each of the two; then only of the new one.
    #[oai(
        path = "/webhook_endpoints/:id/rotate_secret",
        method = "post",
        operation_id = "rotateWebhookSecret"
    )]
    async fn rotate_secret(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<WebhookEndpointId>,
        #[oai(name = "Idempotency-Key")] once: Once,
    ) -> Result<Done<WebhookEndpointWithSecret>, Problem> {
        let (tx, claim) = match once.begin(&app, &key).await? {
            Attempt::First(tx, claim) => (tx, claim),
            Attempt::Again(answer) => return Ok(answer),
        };
        let endpoint = flow::find(&app, &tx, key.bound_to(), id.0).await?;
        let (endpoint, secret) = flow::rotate_secret(&app, &tx, endpoint).await?;
        let act = key.act("webhook_endpoint.secret_rotated", endpoint.id);
        tx.audit(act.inside(endpoint.organization_id));
        let answer = Answer::new(&WebhookEndpointWithSecret {
            endpoint,
            secret: secret.expose().clone(),
        });
        Ok(claim.commit(&app, tx, answer).await?)
    }

    /// Send a webhook endpoint a signed sample, now.
    ///
    /// Its type is `webhook_endpoint.test` and its sequence 0. It is in no feed, and not retried.
    #[oai(
        path = "/webhook_endpoints/:id/test",
        method = "post",
        operation_id = "testWebhookEndpoint"
    )]
    async fn test(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<WebhookEndpointId>,
        #[oai(name = "Idempotency-Key")] once: Once,
    ) -> Result<Done<TestResult>, Problem> {
        let endpoint = flow::find(&app, &app.store.read(), key.bound_to(), id.0).await?;
        if let Some(answer) = once.answered(&app, &key).await? {
            return Ok(answer);
        }
        let act = key
            .act("webhook_endpoint.tested", endpoint.id)
            .inside(endpoint.organization_id);
        let sent = flow::test(&app, endpoint, &key.cause()).await?;
        let (tx, claim) = match once.begin(&app, &key).await? {
            Attempt::First(tx, claim) => (tx, claim),
            Attempt::Again(answer) => return Ok(answer),
        };
        tx.audit(act);
        let answer = Answer::new(&TestResult::from(sent));
        Ok(claim.commit(&app, tx, answer).await?)
    }

    /// Turn a disabled webhook endpoint on again.
    ///
    /// It goes on where it stood; nothing is skipped.
    #[oai(
        path = "/webhook_endpoints/:id/enable",
        method = "post",
        operation_id = "enableWebhookEndpoint"
    )]
    async fn enable(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<WebhookEndpointId>,
        #[oai(name = "Idempotency-Key")] once: Once,
    ) -> Result<Done<WebhookEndpoint>, Problem> {
        let (tx, claim) = match once.begin(&app, &key).await? {
            Attempt::First(tx, claim) => (tx, claim),
            Attempt::Again(answer) => return Ok(answer),
        };
        let endpoint = flow::find(&app, &tx, key.bound_to(), id.0).await?;
        let before = WebhookEndpoint::from(endpoint);
        let endpoint = flow::enable(&app, &tx, before.id).await?;
        let act = key.act("webhook_endpoint.enabled", endpoint.id);
        tx.audit(
            act.inside(endpoint.organization_id)
                .changed(&before, &endpoint),
        );
        Ok(claim.commit(&app, tx, Answer::new(&endpoint)).await?)
    }

    /// Send everything again that happened since.
    ///
    /// Each organization's events come once more in their order, with the same ids and bytes.
    #[oai(
        path = "/webhook_endpoints/:id/replay",
        method = "post",
        operation_id = "replayWebhookEndpoint"
    )]
    async fn replay(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<WebhookEndpointId>,
        #[oai(name = "Idempotency-Key")] once: Once,
        Body(replay): Body<Replay>,
    ) -> Result<Done<WebhookEndpoint>, Problem> {
        let endpoint = flow::find(&app, &app.store.read(), key.bound_to(), id.0).await?;
        let start = flow::replay_start(&app, &endpoint, &replay.after).await?;
        let (tx, claim) = match once.begin(&app, &key).await? {
            Attempt::First(tx, claim) => (tx, claim),
            Attempt::Again(answer) => return Ok(answer),
        };
        let endpoint = flow::find(&app, &tx, key.bound_to(), id.0).await?;
        webhook_endpoints::replay(&tx, &endpoint, start, app.clock.now().into()).await?;
        let act = key.act("webhook_endpoint.replayed", endpoint.id);
        tx.audit(act.inside(endpoint.organization_id));
        let answer = Answer::new(&WebhookEndpoint::from(endpoint));
        Ok(claim.commit(&app, tx, answer).await?)
    }
}

impl NewWebhookEndpoint {
    fn into_endpoint(self) -> NewEndpoint {
        NewEndpoint {
            organization_id: self.organization_id,
            url: self.url,
            event_types: self.event_types.unwrap_or_default(),
            ordering: self.ordering.unwrap_or_default(),
            description: self.description,
        }
    }
}

impl From<Sent> for TestResult {
    fn from(sent: Sent) -> Self {
        Self {
            status: match sent.verdict {
                Verdict::Accepted => TestStatus::Delivered,
                Verdict::Failed | Verdict::Gone | Verdict::NotSent => TestStatus::Failed,
            },
            response_code: sent.attempt.response_code,
            latency_ms: sent.attempt.latency_ms,
            body_excerpt: sent.attempt.body_excerpt,
            error: sent.attempt.error,
        }
    }
}
