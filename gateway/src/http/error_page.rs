//! Failures as a person sees them (PORTAL H6): HTML with the stable code, the login id and what to do.

use chrono::{DateTime, Utc};
use connectors::ConnectorError;
use poem::http::{StatusCode, header};
use poem::{IntoResponse, Response};

use super::oauth::authorize::to_application;
use super::pages::{self, SignInErrorPage};
use crate::app::App;
use crate::error::Error;
use crate::flows::login::Refusal;
use crate::model::Application;
use crate::store::applications;

/// A refused login. A person's own refusal at the IdP goes back to the application (CONTRACT section 4);
/// everything else is a page, since the application can't mend it.
pub(super) async fn refusal(
    app: &App,
    refusal: &Refusal,
    application: Option<&Application>,
) -> Result<Response, Error> {
    if let Some(request) = &refusal.request
        && (request.is_passive() || is_for_the_application(&refusal.error))
    {
        let error = standard_code(&refusal.error);
        let description = format!("{} ({})", refusal.error.code(), refusal.login);
        return Ok(to_application(
            app,
            &request.return_to(),
            error,
            &description,
        ));
    }
    let found = match (&refusal.request, application) {
        (_, Some(application)) => Some(application.clone()),
        (Some(request), None) => applications::recall(&app.store, request.client_id)
            .await?
            .map(|stored| stored.application.clone()),
        (None, None) => None,
    };
    Ok(page(refusal, found.as_ref(), app.clock.now()))
}

/// The person said no at the IdP, or is not the one that the application asked for.
fn is_for_the_application(error: &ConnectorError) -> bool {
    match error {
        ConnectorError::IdpError { error, .. } => error == "access_denied",
        ConnectorError::UserMismatch => true,
        _ => false,
    }
}

/// What an application is told in the standard's words (RFC 6749 4.1.2.1, OIDC Core 3.1.2.6): to some of it there is
/// an answer, like a request without `prompt=none` or another one in a while.
pub(super) fn standard_code(error: &ConnectorError) -> &'static str {
    match error {
        ConnectorError::IdpError { error, .. } => match error.as_str() {
            "access_denied" => "access_denied",
            "interaction_required" => "interaction_required",
            "consent_required" => "consent_required",
            "account_selection_required" => "account_selection_required",
            "temporarily_unavailable" => "temporarily_unavailable",
            _ => "login_required",
        },
        ConnectorError::IdpUnreachable { .. } => "temporarily_unavailable",
        ConnectorError::UserDeactivated
        | ConnectorError::UserNotProvisioned
        | ConnectorError::EmailDomainNotAllowed { .. } => "access_denied",
        _ => "login_required",
    }
}

fn page(refusal: &Refusal, application: Option<&Application>, now: DateTime<Utc>) -> Response {
    let said = match &refusal.error {
        ConnectorError::IdpStatus { status, message } => Some(format!("{status} {message}")),
        ConnectorError::IdpError { error, description } => Some(format!("{error} {description}")),
        _ => None,
    };
    let login = refusal.login.to_string();
    let fix = refusal
        .trace
        .failure()
        .map(|check| check.fix.clone())
        .unwrap_or_default();
    let app_url = application.and_then(home_of);
    let start = application.and_then(|application| application.initiate_login_uri.clone());
    pages::sign_in_error(
        &SignInErrorPage {
            code: refusal.error.code(),
            app: application.map(|application| application.name.as_str()),
            org: refusal.organization.as_deref(),
            email: refusal.email.as_deref(),
            login_id: Some(&login),
            fix: &fix,
            idp_said: said.as_deref(),
            try_again_url: start.as_deref(),
            app_url: app_url.as_deref(),
            at: now,
        },
        status(&refusal.error),
    )
    .into_response()
}

/// The application's own front door: the origin of the address that it registered.
fn home_of(application: &Application) -> Option<String> {
    let first = application.redirect_uris.first()?;
    let url = url::Url::parse(first).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.origin().ascii_serialization())
}

/// All are 4xx (CONTRACT section 5): who may not enter gets 403, the rest 400.
fn status(error: &ConnectorError) -> StatusCode {
    match error {
        ConnectorError::UserDeactivated
        | ConnectorError::UserNotProvisioned
        | ConnectorError::UserMismatch
        | ConnectorError::ConnectionInactive
        | ConnectorError::EmailDomainNotAllowed { .. }
        | ConnectorError::BrowserMismatch
        | ConnectorError::IdpInitiatedForbidden => StatusCode::FORBIDDEN,
        ConnectorError::ResponseTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// A sign-in whose record is gone: the handle or request was used, or is too old.
pub(super) fn expired(now: DateTime<Utc>) -> Response {
    let code = ConnectorError::LoginExpired.code();
    let fix = connectors::provider::fix(None, connectors::Protocol::Saml, code);
    let page = SignInErrorPage {
        code,
        fix: &fix,
        at: now,
        ..SignInErrorPage::default()
    };
    pages::sign_in_error(&page, StatusCode::BAD_REQUEST).into_response()
}

/// Ours to mend: the log has the cause, the person a reference. Who asked too often is told when to come back.
pub(super) fn internal(error: &Error, request_id: &str) -> Response {
    if let Error::TooManyRequests { retry_after } = error {
        let page = pages::error_of_status(error.status(), Some(request_id));
        let mut response = page.into_response();
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, (*retry_after).into());
        return response;
    }
    tracing::error!(%error, code = error.code(), request_id, "a request failed");
    pages::error_of_status(error.status(), Some(request_id)).into_response()
}

/// What poem raises by itself on a page's route: no such path, another method, a form that can't be read.
pub(super) async fn unhandled(error: poem::Error) -> Response {
    let status = match super::limits::BodyRefused::in_error(&error) {
        Some(super::limits::BodyRefused::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
        Some(super::limits::BodyRefused::TooSlow) => StatusCode::REQUEST_TIMEOUT,
        None => error.status(),
    };
    let pattern = error.data::<poem::PathPattern>().cloned();
    let mut response = pages::error_of_status(status, None).into_response();
    if let Some(pattern) = pattern {
        response.set_data(pattern);
    }
    response
}

#[cfg(test)]
mod tests {
    use connectors::CheckName;

    use super::*;

    #[test]
    fn a_provider_that_is_down_may_be_back_in_a_while() {
        let down = ConnectorError::IdpUnreachable {
            at: CheckName::Discovery,
            url: String::new(),
            reason: String::new(),
        };
        assert_eq!(standard_code(&down), "temporarily_unavailable");
        let deactivated = standard_code(&ConnectorError::UserDeactivated);
        assert_eq!(deactivated, "access_denied");
        let other = standard_code(&ConnectorError::NonceMismatch);
        assert_eq!(other, "login_required");
    }
}
