//! Tells applications of sessions that have ended: a signed logout token to each `backchannel_logout_uri`
//! (OpenID Connect Back-Channel Logout 1.0). Every replica runs this.

use std::collections::HashMap;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
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
const AT_ONCE: usize = 64;
/// Of those, to one application: one that is slow must not hold up what the others are to hear.
const EACH: usize = 8;
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

/// Tells what is due until the drain begins; then what is under way ends.
pub async fn run(app: App) {
    let mut under_way = FuturesUnordered::new();
    // Requests in flight by application. Nothing more of it is claimed before they have ended.
    let mut busy: HashMap<ApplicationId, usize> = HashMap::new();
    let mut look = true;
    let mut next_look = tokio::time::interval(EVERY);
    next_look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !app.drain.has_begun() {
        if look {
            let claimed = claim(&app, AT_ONCE - under_way.len(), &busy).await;
            let claimed = claimed.unwrap_or_else(|error| {
                tracing::warn!(%error, "logout notices could not be read");
                Vec::new()
            });
            for notice in claimed {
                *busy.entry(notice.application_id).or_default() += 1;
                under_way.push(tell_one(&app, notice));
            }
        }
        look = tokio::select! {
            () = app.drain.begun() => break,
            Some(told) = under_way.next(), if !under_way.is_empty() => end(&mut busy, told),
            _ = next_look.tick() => true,
        };
    }
    while under_way.next().await.is_some() {}
}

async fn claim(
    app: &App,
    free: usize,
    busy: &HashMap<ApplicationId, usize>,
) -> Result<Vec<Notice>, Error> {
    if free == 0 {
        return Ok(Vec::new());
    }
    let now = Timestamp(app.clock.now());
    let busy: Vec<ApplicationId> = busy.keys().copied().collect();
    Ok(logout_notices::claim(&app.store, now, free, EACH, &busy).await?)
}

/// Whether that was the last one of its application, which may have more to hear.
fn end(busy: &mut HashMap<ApplicationId, usize>, told: ApplicationId) -> bool {
    let left = busy.get_mut(&told).map_or(0, |count| {
        *count -= 1;
        *count
    });
    if left == 0 {
        busy.remove(&told);
    }
    left == 0
}

/// Whom it told, or tried to.
async fn tell_one(app: &App, notice: Notice) -> ApplicationId {
    if let Err(error) = tell(app, notice).await {
        tracing::warn!(%error, session_id = %notice.session_id, "a logout notice could not be sent");
    }
    notice.application_id
}

/// One round, to its end.
#[cfg(test)]
pub(crate) async fn tell_due(app: &App) -> Result<usize, Error> {
    let claimed = claim(app, AT_ONCE, &HashMap::new()).await?;
    let count = claimed.len();
    for notice in claimed {
        tell(app, notice).await?;
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
        None => {
            app.metrics.logout_notice_abandoned();
            logout_notices::remove(&app.store, notice.session_id).await?;
        }
    }
    Ok(())
}
