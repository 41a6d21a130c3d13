//! Pushed authorization requests (RFC 9126): the application leaves its request here, and sends the browser with
//! a reference that works once.

use chrono::TimeDelta;

use crate::app::App;
use crate::error::Error;
use crate::flows::authorize::{AuthorizeError, Parameters, check};
use crate::ids::ApplicationId;
use crate::model::{Application, Timestamp};
use crate::store::pushed_requests;

/// The URN of RFC 9126 2.2; behind it stand 256 random bits.
pub const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// From the push to the browser's arrival.
const LIFETIME: TimeDelta = TimeDelta::seconds(60);

/// The client's credentials are no part of the request.
const CREDENTIALS: [&str; 3] = ["client_secret", "client_assertion", "client_assertion_type"];

/// What the application gets for its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    pub request_uri: String,
    /// Seconds.
    pub expires_in: i64,
}

/// Checks a request as the authorization endpoint does, and keeps it. `client` is authenticated.
///
/// # Errors
/// Ours alone; what is the caller's fault is the inner refusal.
pub async fn push(
    app: &App,
    client: &Application,
    parameters: &Parameters,
) -> Result<Result<Pushed, AuthorizeError>, Error> {
    if let Err(refusal) = check(parameters, None, client) {
        return Ok(Err(refusal));
    }
    let kept = parameters
        .iter()
        .filter(|(name, _)| !CREDENTIALS.contains(name) && *name != "client_id");
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", &client.id.to_string())
        .extend_pairs(kept)
        .finish();
    let reference = app.entropy.token();
    let expires_at = Timestamp(app.clock.now() + LIFETIME);
    let hash = app.vault.hash(&reference);
    let tx = app.store.begin().await?;
    pushed_requests::insert(&tx, hash, client.id, query, expires_at).await?;
    tx.commit().await?;
    Ok(Ok(Pushed {
        request_uri: format!("{PREFIX}{reference}"),
        expires_in: LIFETIME.num_seconds(),
    }))
}

/// The query that was pushed under this `request_uri`, once, for the client that pushed it. `None`: there is no
/// such request, or none any more.
pub async fn take(
    app: &App,
    client: ApplicationId,
    request_uri: &str,
) -> Result<Option<String>, Error> {
    let Some(reference) = request_uri.strip_prefix(PREFIX) else {
        return Ok(None);
    };
    let now = Timestamp(app.clock.now());
    let tx = app.store.begin().await?;
    let query = pushed_requests::take(&tx, &app.vault.hash(reference), client, now).await?;
    tx.commit().await?;
    Ok(query)
}
