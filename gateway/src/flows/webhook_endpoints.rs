//! Webhook endpoints: made, changed, given a new secret, tried out, turned on again, sent back in time.

use chrono::TimeDelta;
use url::Url;

use crate::app::App;
use crate::error::{Error, FieldProblem};
use crate::ids::{EventId, OrganizationId, WebhookEndpointId};
use crate::model::{
    Cause, EventType, Ordering, Timestamp, WebhookEndpoint, WebhookEndpointState, sample_event,
};
use crate::secrets::Secret;
use crate::store::webhook_endpoints::{self, StoredEndpoint};
use crate::store::{Reads, Tx, feed};
use crate::webhooks::attempt::{self, Sent};
use crate::webhooks::target::{self, Target};

/// How long the previous secret signs beside a new one (CONTRACT section 7).
const OVERLAP: TimeDelta = TimeDelta::hours(24);
const MAX_URL: usize = 2_048;

/// What the caller decides of a new endpoint. The organization is one that the caller reaches.
#[derive(Debug, Clone)]
pub struct NewEndpoint {
    pub organization_id: Option<OrganizationId>,
    pub url: String,
    pub event_types: Vec<String>,
    pub ordering: Ordering,
    pub description: Option<String>,
}

/// The endpoint and its secret, which nobody can read again. It gets the events that are recorded from now on.
///
/// # Errors
/// `invalid_request` for a URL that is never reached, or a type that does not exist.
pub async fn create(
    app: &App,
    tx: &Tx,
    new: NewEndpoint,
) -> Result<(WebhookEndpoint, Secret<String>), Error> {
    let now = Timestamp::from(app.clock.now());
    let mut endpoint = StoredEndpoint {
        id: WebhookEndpointId::generate(&*app.clock, &*app.entropy),
        organization_id: new.organization_id,
        url: new.url,
        event_types: new.event_types,
        ordering: new.ordering,
        description: new.description,
        state: WebhookEndpointState::Enabled,
        disabled_reason: None,
        secret_sealed: String::new(),
        previous_secret: None,
        failing_since: None,
        created_at: now,
        updated_at: now,
    };
    check(app, &mut endpoint)?;
    let secret = target::give_secret(app, tx, &mut endpoint, None).await?;
    webhook_endpoints::insert(tx, &endpoint).await?;
    Ok((endpoint.into(), secret))
}

/// Writes URL, types, ordering and description.
///
/// # Errors
/// As [`create`]; `not_found` when the endpoint is gone.
pub async fn update(
    app: &App,
    tx: &Tx,
    mut endpoint: StoredEndpoint,
) -> Result<WebhookEndpoint, Error> {
    check(app, &mut endpoint)?;
    endpoint.updated_at = app.clock.now().into();
    write(tx, &endpoint).await?;
    Ok(endpoint.into())
}

/// A new secret; the present one signs beside it for a day.
pub async fn rotate_secret(
    app: &App,
    tx: &Tx,
    mut endpoint: StoredEndpoint,
) -> Result<(WebhookEndpoint, Secret<String>), Error> {
    let now = app.clock.now();
    let secret = target::give_secret(app, tx, &mut endpoint, Some((now + OVERLAP).into())).await?;
    endpoint.updated_at = now.into();
    write(tx, &endpoint).await?;
    Ok((endpoint.into(), secret))
}

async fn write(tx: &Tx, endpoint: &StoredEndpoint) -> Result<(), Error> {
    match webhook_endpoints::update(tx, endpoint).await? {
        true => Ok(()),
        false => Err(Error::NotFound("webhook endpoint")),
    }
}

/// Turns the endpoint on: every stream goes on where it stood.
pub async fn enable(app: &App, tx: &Tx, id: WebhookEndpointId) -> Result<WebhookEndpoint, Error> {
    webhook_endpoints::enable(tx, id, app.clock.now().into()).await?;
    let endpoint = webhook_endpoints::find(tx, None, id).await?;
    Ok(endpoint.ok_or(Error::NotFound("webhook endpoint"))?.into())
}

/// Where a replay starts: behind an event, or at a time.
///
/// # Errors
/// `invalid_request` when `after` is neither, or an event that the endpoint never sees.
pub async fn replay_start(app: &App, endpoint: &StoredEndpoint, after: &str) -> Result<i64, Error> {
    // What is committed by now is to be found.
    feed::sequence(&app.store).await?;
    let db = app.store.read();
    if let Ok(id) = after.parse::<EventId>() {
        let scope = endpoint
            .organization_id
            .map(|organization| app.store.organization_named(organization));
        let event = feed::find(&db, scope.as_ref(), id).await?;
        return event.map(|event| event.position).ok_or_else(|| {
            Error::invalid(
                "after",
                "there is no such event, or it is past its retention",
            )
        });
    }
    let Ok(at) = chrono::DateTime::parse_from_rfc3339(after) else {
        let wanted = "an event id or an RFC 3339 time such as 2026-11-22T09:30:00.123Z is wanted";
        return Err(Error::invalid("after", wanted));
    };
    Ok(feed::position_before(&db, at.to_utc()).await?)
}

/// Sends the endpoint a sample now, whatever its state. Nothing is recorded, and nothing retried.
pub async fn test(app: &App, endpoint: StoredEndpoint, cause: &Cause) -> Result<Sent, Error> {
    let target = Target::open(app, &endpoint).await?;
    let id = EventId::generate(&*app.clock, &*app.entropy);
    let view = WebhookEndpoint::from(endpoint);
    let body = sample_event(id, &view, app.clock.now().into(), cause)
        .map_err(|error| Error::Internal(format!("the sample can't be written: {error}")))?;
    Ok(attempt::send(app, &target, &id.to_string(), body).await)
}

/// All problems at once. Types are brought into order, so that equal sets are equal.
fn check(app: &App, endpoint: &mut StoredEndpoint) -> Result<(), Error> {
    let mut problems = Vec::new();
    if let Err(message) = check_url(app, &endpoint.url) {
        problems.push(FieldProblem::new("url", message));
    }
    problems.extend(check_types(&endpoint.event_types, "event_types"));
    endpoint.event_types.sort_unstable();
    endpoint.event_types.dedup();
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Error::Invalid(problems)),
    }
}

/// What can be told without asking DNS; the addresses are checked at each delivery.
fn check_url(app: &App, url: &str) -> Result<(), String> {
    if url.len() > MAX_URL {
        return Err(format!("is longer than {MAX_URL} characters"));
    }
    let parsed = Url::parse(url).map_err(|error| format!("is no URL: {error}"))?;
    if parsed.fragment().is_some() {
        return Err("a fragment is never sent".to_owned());
    }
    app.egress.check(&parsed).map_err(|it| it.to_string())
}

/// Patterns that match nothing are mistakes: each has to be a type, a kind with `.*`, or `*`.
pub fn check_types(patterns: &[String], field: &str) -> Vec<FieldProblem> {
    let wrong = |pattern: &&String| {
        !EventType::ALL
            .iter()
            .any(|it| feed::matches(&[(*pattern).clone()], it.as_str()))
    };
    patterns
        .iter()
        .filter(wrong)
        .map(|pattern| {
            let message = format!(
                "{pattern:?} is no event type; user.created is one, user.* stands for all of a kind"
            );
            FieldProblem::new(field, message)
        })
        .collect()
}

/// The endpoint, if it is the organization's or, for a caller who reaches all, anybody's.
pub async fn find(
    app: &App,
    db: &impl Reads,
    only: Option<OrganizationId>,
    id: WebhookEndpointId,
) -> Result<StoredEndpoint, Error> {
    let scope = only.map(|organization| app.store.organization_named(organization));
    let endpoint = webhook_endpoints::find(db, scope.as_ref(), id).await?;
    endpoint.ok_or(Error::NotFound("webhook endpoint"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_matches_nothing_is_a_mistake() {
        for (pattern, right) in [
            ("user.created", true),
            ("user.*", true),
            ("*", true),
            ("user", false),
            ("user*", false),
            ("users.*", false),
            ("user.create", false),
            ("", false),
            ("*.created", false),
        ] {
            let problems = check_types(&[pattern.to_owned()], "event_types");
            assert_eq!(problems.is_empty(), right, "{pattern}");
        }
    }
}
