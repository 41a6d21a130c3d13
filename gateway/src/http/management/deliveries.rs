//! Deliveries: one event for one webhook endpoint each.

use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;

use super::Tag;
use super::answer::{Answer, Done};
use super::key::{ApiKey, Write};
use super::once::{Attempt, Once};
use super::page::{Cursor, Limit, Page, window};
use super::problem::Problem;
use crate::app::App;
use crate::error::Error;
use crate::flows::webhook_endpoints as flow;
use crate::ids::{DeliveryId, WebhookEndpointId};
use crate::model::{Delivery, DeliveryStatus, WebhookEndpointState};
use crate::store::deliveries;

pub(super) struct Deliveries;

#[OpenApi(tag = "Tag::Webhooks")]
impl Deliveries {
    /// List an endpoint's deliveries.
    ///
    /// One that was not tried yet is not here.
    #[oai(
        path = "/webhook_endpoints/:id/deliveries",
        method = "get",
        operation_id = "listDeliveries"
    )]
    async fn list(
        &self,
        app: Data<&App>,
        key: ApiKey,
        id: Path<WebhookEndpointId>,
        limit: Query<Limit>,
        cursor: Query<Cursor<DeliveryId>>,
        /// Only those that stand there.
        status: Query<Option<DeliveryStatus>>,
    ) -> Result<Json<Page<Delivery>>, Problem> {
        let db = app.store.read();
        let endpoint = flow::find(&app, &db, key.bound_to(), id.0).await?;
        let window = window(limit.0, cursor.0);
        let slice = deliveries::list(&db, endpoint.id, status.0, window).await?;
        Ok(Json(Page::of(slice.map(Delivery::from))))
    }

    /// Try a delivery again, now.
    ///
    /// One that was delivered is sent once more. Conflict: `webhook_endpoint_disabled`.
    #[oai(
        path = "/deliveries/:id/retry",
        method = "post",
        operation_id = "retryDelivery"
    )]
    async fn retry(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<DeliveryId>,
        #[oai(name = "Idempotency-Key")] once: Once,
    ) -> Result<Done<Delivery>, Problem> {
        let missing = || Error::NotFound("delivery");
        let (tx, claim) = match once.begin(&app, &key).await? {
            Attempt::First(tx, claim) => (tx, claim),
            Attempt::Again(answer) => return Ok(answer),
        };
        let delivery = deliveries::find(&tx, id.0).await?.ok_or_else(missing)?;
        let endpoint = flow::find(&app, &tx, key.bound_to(), delivery.endpoint_id)
            .await
            .map_err(|error| match error {
                Error::NotFound(_) => missing(),
                other => other,
            })?;
        if endpoint.state == WebhookEndpointState::Disabled {
            let detail = "the webhook endpoint is disabled; enable it first";
            return Err(Error::conflict("webhook_endpoint_disabled", detail).into());
        }
        let act = key.act("delivery.retried", id.0);
        tx.audit(act.inside(delivery.organization_id));
        deliveries::retry(&tx, &delivery, app.clock.now().into()).await?;
        let delivery = deliveries::find(&tx, id.0).await?.ok_or_else(missing)?;
        let answer = Answer::new(&Delivery::from(delivery));
        Ok(claim.commit(&app, tx, answer).await?)
    }
}
