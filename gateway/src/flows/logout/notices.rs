//! Tells applications of sessions that have ended: a signed logout token to each `backchannel_logout_uri`
//! (OpenID Connect Back-Channel Logout 1.0). Every replica runs this.

use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use http::{HeaderMap, HeaderValue, header};
use serde::Serialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::egress::EgressRequest;
use crate::error::Error;
use crate::ids::{ApplicationId, SessionId, UserId};
use crate::model::Timestamp;
use crate::store::applications;
use crate::store::logout_notices::{self, Notice};
use crate::webhooks::schedule;

/// How often a replica looks.
const EVERY: Duration = Duration::from_secs(1);
/// Requests in flight at a time.
const AT_ONCE: usize = 32;
/// Back-Channel Logout 1.0, section 2.4: preferably at most two minutes.
const LIFETIME: TimeDelta = TimeDelta::minutes(2);
/// The member of `events` that makes a token a logout token (section 2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// Keeps it from passing for another token (section 2.4, RFC 8725 3.11).
const TYPE: &str = "logout+jwt";

/// Claims of a logout token (section 2.4). A `nonce` must not be there.
#[derive(Serialize)]
struct LogoutClaims {
    iss: String,
    sub: UserId,
    aud: ApplicationId,
    iat: i64,
    exp: i64,
    jti: String,
    sid: SessionId,
    events: Value,
}

/// Tells what is due until the drain begins.
pub async fn run(app: App) {
    loop {
        let told = tell_due(&app).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "logout notices could not be read or written");
            0
        });
        if told == AT_ONCE && !app.drain.has_begun() {
            continue;
        }
        tokio::select! {
            () = app.drain.begun() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// One round; returns how many were due.
pub async fn tell_due(app: &App) -> Result<usize, Error> {
    let now = Timestamp(app.clock.now());
    let claimed = logout_notices::claim(&app.store, now, AT_ONCE).await?;
    let count = claimed.len();
    for result in join_all(claimed.into_iter().map(|notice| tell(app, notice))).await {
        result?;
    }
    Ok(count)
}

async fn tell(app: &App, notice: Notice) -> Result<(), Error> {
    let found = applications::find(&app.store.read(), notice.application_id).await?;
    let application = found.map(|stored| stored.application);
    let to = application.as_ref().and_then(|application| {
        let uri = application.backchannel_logout_uri.as_deref()?;
        Some((application, uri.parse().ok()?))
    });
    // The application, or its wish to hear, may be gone by now.
    let Some((application, url)) = to else {
        return Ok(logout_notices::remove(&app.store, notice.session_id).await?);
    };
    let now = app.clock.now();
    let claims = LogoutClaims {
        iss: app.public_url.as_str().to_owned(),
        sub: notice.user_id,
        aud: application.id,
        iat: now.timestamp(),
        exp: (now + LIFETIME).timestamp(),
        jti: app.entropy.token(),
        sid: notice.session_id,
        events: json!({ EVENT: {} }),
    };
    let keys = app.signing_keys.current().await?;
    let key = keys.active(application.id_token_signing_alg)?;
    let token = key.signing(move |key| key.sign(TYPE, &claims)).await?;
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, form)]);
    // A compact JWS needs no escaping.
    let body = format!("logout_token={token}").into_bytes();
    let answer = app
        .egress
        .send(EgressRequest::webhook(url, headers, body))
        .await;
    let problem = match answer {
        Ok(answer) if answer.status.is_success() => {
            return Ok(logout_notices::remove(&app.store, notice.session_id).await?);
        }
        Ok(answer) => answer.status.to_string(),
        Err(error) => error.to_string(),
    };
    let jitter = f64::from(u32::from_le_bytes(app.entropy.bytes())) / f64::from(u32::MAX);
    let next = schedule::next_attempt(now, notice.attempts, None, jitter);
    tracing::warn!(
        application_id = %application.id,
        session_id = %notice.session_id,
        attempts = notice.attempts,
        problem,
        again_at = next.map(|at| at.to_rfc3339()),
        "an application did not take the news of a session's end"
    );
    match next {
        Some(at) => logout_notices::postpone(&app.store, notice.session_id, Timestamp(at)).await?,
        None => logout_notices::remove(&app.store, notice.session_id).await?,
    }
    Ok(())
}
