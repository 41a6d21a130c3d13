//! Responses that answer no request of ours (CONTRACT section 5): refused, answered by a fresh request, or,
//! where a connection says so, accepted once after a page that names the account (SECURITY-MODEL G8).

use std::sync::Arc;

use chrono::TimeDelta;
use connectors::{Callback, CheckName, ConnectorError, IdpInitiated, Settings};

use super::complete::{
    Answer, Kept, check_email, check_refreshed, keep, record_failure, sent, unrequested,
};
use super::{Browser, OpenConnection};
use crate::app::App;
use crate::error::Error;
use crate::flows::authorize::{AuthorizeRequest, ResponseMode, redirect_with};
use crate::model::{Application, ApplicationType, ConnectionState, Timestamp};
use crate::store::applications;

/// How long the page that names the account may wait.
const CONFIRMATION_LIFETIME: TimeDelta = TimeDelta::minutes(2);

/// The application that a connection's unsolicited responses are for: its `default_application_id`, or the
/// only one there is.
async fn application(app: &App, open: &OpenConnection) -> Result<Option<Application>, Error> {
    let all = applications::all(&app.store.read()).await?;
    let mut all = all.into_iter().map(|stored| stored.application);
    Ok(match open.connection.default_application_id {
        Some(id) => all.find(|application| application.id == id),
        None => all.next().filter(|_| all.next().is_none()),
    })
}

/// Where the browser goes when the connection says `restart`: to the application's `initiate_login_uri`, so
/// that a fresh request answers the response, of which nothing is used. `None` when it is to be checked, and
/// refused with its trace.
pub async fn restart(
    app: &App,
    open: &OpenConnection,
    saml_response: Option<&str>,
) -> Result<Option<String>, Error> {
    let Settings::Saml(settings) = &open.connection.settings else {
        return Ok(None);
    };
    // An unreadable message is refused with its code, not taken for a wish to sign in.
    let unsolicited = saml_response.is_some_and(connectors::saml::is_unsolicited);
    if settings.idp_initiated != IdpInitiated::Restart
        || !unsolicited
        || open.connection.state != ConnectionState::Active
    {
        return Ok(None);
    }
    let start = application(app, open)
        .await?
        .and_then(|found| found.initiate_login_uri);
    Ok(start.map(|url| {
        redirect_with(
            &url,
            &[
                ("iss", app.public_url.as_str()),
                ("organization_id", &open.scope.organization().to_string()),
                ("connection_id", &open.connection.id.to_string()),
            ],
        )
    }))
}

/// Checks a response that answers no pending login. The connector accepts it only under
/// `allow_unsolicited`; then it waits for the person's word.
pub(super) async fn complete(
    app: &App,
    open: &Arc<OpenConnection>,
    callback: Callback,
    browser: &Browser,
) -> Result<Answer, Error> {
    let mut attempt = unrequested(app, open, browser);
    attempt.response = sent(&callback);
    let (completion, open) = check_refreshed(app, open, callback, None, app.clock.now()).await?;
    let open = &open;
    let mut trace = completion.trace;
    let accepted = match completion.outcome {
        _ if open.connection.state != ConnectionState::Active => {
            Err(ConnectorError::ConnectionInactive)
        }
        Err(error) => Err(error),
        Ok(identity) => check_email(app, open, &identity, &mut trace).map(|()| identity),
    };
    let client = application(app, open).await?.filter(|client| {
        client.kind == ApplicationType::Confidential && !client.redirect_uris.is_empty()
    });
    let (identity, client) = match (accepted, client) {
        (Ok(identity), Some(client)) => (identity, client),
        (accepted, _) => {
            let error = accepted
                .err()
                .unwrap_or(ConnectorError::IdpInitiatedForbidden);
            let refusal = record_failure(app, open, attempt, trace, error, browser).await?;
            return Ok(Answer::Refused(Box::new(refusal)));
        }
    };
    trace.pass_with(CheckName::Connection, &open.connection.name);
    attempt.application_id = Some(client.id);
    attempt.request = Some(request_of_nobody(&client));
    attempt.expires_at = Timestamp(app.clock.now() + CONFIRMATION_LIFETIME);
    let kept = Kept {
        login: attempt,
        fresh: true,
        identity,
        trace,
    };
    keep(app, open, kept, &completion.replay_ids, browser).await
}

/// What the application would have asked for: the code goes, without `state`, to its first redirect URI.
fn request_of_nobody(client: &Application) -> AuthorizeRequest {
    let scope = ["openid", "profile", "email", "groups", "roles"];
    AuthorizeRequest {
        client_id: client.id,
        redirect_uri: client.redirect_uris.first().cloned().unwrap_or_default(),
        response_mode: ResponseMode::Query,
        state: None,
        nonce: None,
        scope: scope.map(str::to_owned).to_vec(),
        code_challenge: None,
        prompt: Vec::new(),
        max_age: None,
        acr_values: Vec::new(),
        login_hint: None,
        domain_hint: None,
        organization_id: None,
        connection_id: None,
        hinted_user: None,
    }
}
