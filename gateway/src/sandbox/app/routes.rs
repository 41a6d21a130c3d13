//! The sample application's pages.

use std::sync::Arc;

use askama::Template;
use poem::{
    Body, IntoResponse, Request, Response, Route, get, handler,
    http::{StatusCode, header},
    post,
    web::{Data, Query},
};
use serde::Deserialize;
use serde_json::Value;

use super::{
    SampleApp,
    client::{Pending, RoutingHint, SignInError, SignedIn},
    webhooks::Received,
};
use crate::{
    http::pages::{FormAction, Page},
    sandbox::{Sandbox, starting},
};

/// Everything below `/app`.
pub(in crate::sandbox) fn routes() -> Route {
    Route::new()
        .at("/", get(home))
        .at("/login", get(login))
        .at("/callback", get(callback))
        .at("/sign-out", post(sign_out))
        .at("/sign-out-everywhere", post(sign_out_everywhere))
        .at("/webhooks", get(show_webhooks).post(receive_webhook))
        .at("/webhooks/count", get(count_webhooks))
}

/// Largest webhook body read.
const MAX_WEBHOOK: usize = 1024 * 1024;

#[derive(Template)]
#[template(path = "sandbox/app.html")]
struct AppPage {
    signed_in: Option<Shown>,
}

/// A signed-in person as the page shows them.
struct Shown {
    name: String,
    email: String,
    organization: String,
    roles: Vec<String>,
    groups: Vec<String>,
    claims: String,
    userinfo: String,
}

impl From<SignedIn> for Shown {
    fn from(signed_in: SignedIn) -> Self {
        let text = |name: &str| {
            signed_in.claims[name]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let list = |name: &str| match &signed_in.claims[name] {
            Value::Array(values) => values
                .iter()
                .filter_map(|value| value.as_str().map(str::to_owned))
                .collect(),
            _ => Vec::new(),
        };
        let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default();
        Self {
            name: text("name"),
            email: text("email"),
            organization: text("org_name"),
            roles: list("roles"),
            groups: list("groups"),
            claims: pretty(&signed_in.claims),
            userinfo: pretty(&signed_in.userinfo),
        }
    }
}

#[handler]
fn home(Data(sandbox): Data<&Arc<Sandbox>>, request: &Request) -> Page {
    let Some(ready) = sandbox.ready() else {
        return starting();
    };
    let signed_in = cookie(request, "sandbox_app")
        .and_then(|id| ready.app.browsers().signed_in.get(id).cloned())
        .map(Shown::from);
    // Signing out everywhere ends at the gateway, which sends the browser back.
    Page::new(&AppPage { signed_in }, StatusCode::OK)
        .form_action(FormAction::OwnAnd(sandbox.gateway_url.clone()))
}

/// `GET /app/login`: the sign-in button, and the `initiate_login_uri` that Tenon sends a browser to when
/// somebody started at their IdP (CONTRACT section 5). Either way a fresh request begins here.
#[handler]
async fn login(Data(sandbox): Data<&Arc<Sandbox>>, Query(hint): Query<RoutingHint>) -> Response {
    let Some(ready) = sandbox.ready() else {
        return starting().into_response();
    };
    let app = &ready.app;
    let provider = match app.oidc.discover().await {
        Ok(provider) => provider,
        Err(error) => return failed(&error.to_string()).into_response(),
    };
    let pending = Pending {
        state: app.entropy.token(),
        nonce: app.entropy.token(),
        code_verifier: app.entropy.token(),
    };
    let browser = app.entropy.token();
    let url = app.oidc.authorization_url(&provider, &pending, &hint);
    app.browsers().pending.insert(browser.clone(), pending);
    Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(header::LOCATION, url)
        .header(header::SET_COOKIE, set_cookie("sandbox_login", &browser))
        .finish()
}

/// RFC 6749 4.1.2 and RFC 9207.
#[derive(Default, Deserialize)]
#[serde(default)]
struct CallbackQuery {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

#[handler]
async fn callback(
    Data(sandbox): Data<&Arc<Sandbox>>,
    Query(query): Query<CallbackQuery>,
    request: &Request,
) -> Response {
    let Some(ready) = sandbox.ready() else {
        return starting().into_response();
    };
    let app = &ready.app;
    // The browser that started is the one that ends: otherwise a link could sign a victim in as the attacker.
    let pending = cookie(request, "sandbox_login")
        .and_then(|browser| app.browsers().pending.remove(browser))
        .filter(|pending| query.state.as_deref() == Some(&pending.state));
    let Some(pending) = pending else {
        return failed("This browser has no sign-in under way that this answer belongs to.")
            .into_response();
    };
    if query
        .iss
        .as_deref()
        .is_some_and(|iss| iss != app.oidc.issuer)
    {
        return failed("The answer comes from another issuer.").into_response();
    }
    if let Some(error) = &query.error {
        let description = query
            .error_description
            .as_deref()
            .unwrap_or("no description");
        return failed(&format!("{error}: {description}")).into_response();
    }
    match redeem(app, query.code.as_deref().unwrap_or_default(), &pending).await {
        Ok(signed_in) => {
            let id = app.entropy.token();
            app.browsers().signed_in.insert(id.clone(), signed_in);
            Response::builder()
                .status(StatusCode::SEE_OTHER)
                .header(header::LOCATION, "/app")
                .header(header::SET_COOKIE, set_cookie("sandbox_app", &id))
                .finish()
        }
        Err(error) => failed(&error.to_string()).into_response(),
    }
}

async fn redeem(app: &SampleApp, code: &str, pending: &Pending) -> Result<SignedIn, SignInError> {
    let provider = app.oidc.discover().await?;
    app.oidc.redeem(&provider, code, pending).await
}

#[derive(Template)]
#[template(path = "sandbox/app_failed.html")]
struct FailedPage<'a> {
    what: &'a str,
}

fn failed(what: &str) -> Page {
    Page::new(&FailedPage { what }, StatusCode::BAD_REQUEST)
}

/// Ends the application's own session only.
#[handler]
fn sign_out(Data(sandbox): Data<&Arc<Sandbox>>, request: &Request) -> Response {
    forget(sandbox, request);
    see_other("/app")
}

/// RP-initiated logout: ends the session at Tenon too (OpenID Connect RP-Initiated Logout 1.0).
#[handler]
async fn sign_out_everywhere(Data(sandbox): Data<&Arc<Sandbox>>, request: &Request) -> Response {
    let signed_in = forget(sandbox, request);
    let (Some(ready), Some(signed_in)) = (sandbox.ready(), signed_in) else {
        return see_other("/app");
    };
    let Ok(provider) = ready.app.oidc.discover().await else {
        return see_other("/app");
    };
    let Some(end_session) = provider.end_session_endpoint else {
        return see_other("/app");
    };
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("id_token_hint", &signed_in.id_token)
        .append_pair("post_logout_redirect_uri", &format!("{}/app", sandbox.url))
        .finish();
    see_other(&format!("{end_session}?{query}"))
}

fn forget(sandbox: &Sandbox, request: &Request) -> Option<SignedIn> {
    let id = cookie(request, "sandbox_app")?;
    sandbox.ready()?.app.browsers().signed_in.remove(id)
}

#[derive(Template)]
#[template(path = "sandbox/webhooks.html")]
struct WebhooksPage {
    received: Vec<Received>,
    count: u64,
    /// Whether the page follows what arrives.
    live: bool,
    acme_id: String,
    globex_id: String,
}

impl WebhooksPage {
    fn organization<'a>(&'a self, id: &'a str) -> &'a str {
        match id {
            id if id == self.acme_id => "Acme",
            id if id == self.globex_id => "Globex",
            id => id,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WebhooksQuery {
    live: Option<String>,
}

#[handler]
fn show_webhooks(Data(sandbox): Data<&Arc<Sandbox>>, Query(query): Query<WebhooksQuery>) -> Page {
    let Some(ready) = sandbox.ready() else {
        return starting();
    };
    let page = WebhooksPage {
        count: ready.app.receiver.count(),
        received: ready.app.receiver.received(),
        live: query.live.as_deref() != Some("off"),
        acme_id: ready.seeded.acme_id.clone(),
        globex_id: ready.seeded.globex_id.clone(),
    };
    Page::new(&page, StatusCode::OK)
}

/// What the page's script asks now and then, to reload when something new is there.
#[handler]
fn count_webhooks(Data(sandbox): Data<&Arc<Sandbox>>) -> Response {
    let count = sandbox
        .ready()
        .map_or(0, |ready| ready.app.receiver.count());
    Response::builder()
        .header(header::CACHE_CONTROL, "no-store")
        .content_type("text/plain; charset=utf-8")
        .body(count.to_string())
}

/// The receiver. The signature covers the body's bytes, so it is checked before anything is parsed.
#[handler]
async fn receive_webhook(
    Data(sandbox): Data<&Arc<Sandbox>>,
    request: &Request,
    body: Body,
) -> StatusCode {
    let Some(ready) = sandbox.ready() else {
        return StatusCode::SERVICE_UNAVAILABLE;
    };
    match body.into_bytes_limit(MAX_WEBHOOK).await {
        Ok(body) => ready
            .app
            .receiver
            .receive(request.headers(), &body, ready.app.clock.now()),
        Err(_) => StatusCode::PAYLOAD_TOO_LARGE,
    }
}

fn see_other(location: &str) -> Response {
    Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(header::LOCATION, location)
        .finish()
}

fn cookie<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let cookies = request.header(header::COOKIE)?;
    cookies
        .split(';')
        .find_map(|cookie| cookie.trim().strip_prefix(name)?.strip_prefix('='))
}

fn set_cookie(name: &str, value: &str) -> String {
    format!("{name}={value}; Path=/app; HttpOnly; SameSite=Lax")
}

#[cfg(test)]
mod tests;
