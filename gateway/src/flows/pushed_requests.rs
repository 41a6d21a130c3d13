//! Pushed authorization requests (RFC 9126): the application sends the request itself, authenticated, and the
//! browser carries a handle for it.

use chrono::TimeDelta;
use serde::Serialize;

use super::authorize::{AuthorizeError, Parameters, check, with_hint};
use crate::app::App;
use crate::error::Error;
use crate::ids::ApplicationId;
use crate::model::{Application, Timestamp};
use crate::store::pushed_requests;

/// What every handle begins with (RFC 9126 2.2).
pub const REQUEST_URI: &str = "urn:ietf:params:oauth:request_uri:";

/// The time that a browser may take from the application to here.
const LIFETIME: TimeDelta = TimeDelta::seconds(90);

/// What proves who the client is, and has no place in what is kept.
const CREDENTIALS: [&str; 3] = ["client_secret", "client_assertion", "client_assertion_type"];

/// The answer (RFC 9126 2.2).
#[derive(Serialize)]
pub struct Pushed {
    pub request_uri: String,
    /// Seconds.
    pub expires_in: i64,
}

/// Why a request was not taken, in the words of RFC 6749.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushRefusal {
    pub error: &'static str,
    pub description: String,
}

/// Checks a request as the authorization endpoint would, and keeps it. `client` is authenticated.
///
/// # Errors
/// Ours alone; what is the caller's fault is the inner refusal.
pub async fn push(
    app: &App,
    client: &Application,
    parameters: &Parameters,
) -> Result<Result<Pushed, PushRefusal>, Error> {
    if parameters.get("request_uri").is_some() {
        // RFC 9126 2.1
        return Ok(Err(PushRefusal {
            error: "invalid_request",
            description: "request_uri has no place in a pushed request".to_owned(),
        }));
    }
    let checked = match check(parameters, None, client) {
        Ok(request) => with_hint(app, request, parameters).await?,
        Err(error) => Err(error),
    };
    if let Err(error) = checked {
        return Ok(Err(error.into()));
    }
    let client_id = client.id.to_string();
    let query = parameters.query_without(&CREDENTIALS, &[("client_id", &client_id)]);
    let handle = app.entropy.token();
    let hash = app.vault.hash(&handle);
    let place = ("pushed_requests", "sealed", hash.as_str());
    let sealed = app.vault.seal_global(place, query.as_bytes())?;
    let expires_at = Timestamp(app.clock.now() + LIFETIME);
    let tx = app.store.begin().await?;
    pushed_requests::insert(&tx, client.id, hash, sealed, expires_at).await?;
    tx.commit().await?;
    Ok(Ok(Pushed {
        request_uri: format!("{REQUEST_URI}{handle}"),
        expires_in: LIFETIME.num_seconds(),
    }))
}

/// The query that a handle stands for: once, and for the client that pushed it. What else the browser brought
/// along does not count (RFC 9126 4).
pub async fn take(
    app: &App,
    client: ApplicationId,
    request_uri: &str,
) -> Result<Option<String>, Error> {
    let Some(handle) = request_uri.strip_prefix(REQUEST_URI) else {
        return Ok(None);
    };
    let hash = app.vault.hash(handle);
    let now = Timestamp(app.clock.now());
    // Looked up outside the transaction: whoever guesses handles does not queue for a writer's turn.
    let found = pushed_requests::find(&app.store.read(), client, &hash, now).await?;
    let Some(sealed) = found else {
        return Ok(None);
    };
    let tx = app.store.begin().await?;
    if !pushed_requests::remove(&tx, client, &hash).await? {
        return Ok(None);
    }
    tx.commit().await?;
    let place = ("pushed_requests", "sealed", hash.as_str());
    let query = app.vault.unseal_global(place, &sealed)?;
    Ok(String::from_utf8(query.expose().clone()).ok())
}

impl From<AuthorizeError> for PushRefusal {
    /// RFC 9126 2.3: the codes of RFC 6749, whoever would have been told by the authorization endpoint.
    fn from(error: AuthorizeError) -> Self {
        match error {
            AuthorizeError::Untrusted { message, .. } => Self {
                error: "invalid_request",
                description: message,
            },
            AuthorizeError::Refused {
                error, description, ..
            } => Self { error, description },
        }
    }
}
