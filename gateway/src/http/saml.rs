//! What a customer's SAML IdP speaks to (CONTRACT section 5): metadata, the assertion consumer service and
//! single logout.

use std::net::IpAddr;

use connectors::saml::LogoutCallback;
use connectors::{Callback, Connector, ConnectorError, Protocol};
use poem::http::{StatusCode, header};
use poem::web::{Data, Path};
use poem::{Body, IntoResponse, Request, Response, handler};

use super::client_ip::ClientIp;
use super::oauth::authorize::{see_other, to_idp};
use super::oauth::logout::signed_out;
use super::{browser, error_page, pages};
use crate::app::App;
use crate::error::Error;
use crate::flows::login::{self, Answer, Browser, OpenConnection};
use crate::flows::logout::slo;
use crate::ids::ConnectionId;

/// Longest form at the ACS: 1 MiB of XML in base64, percent-encoded, and room for the other fields. What is
/// longer gets `response_too_large` with its trace, up to here, and 413 beyond.
pub(super) const MAX_ACS_FORM: usize = 12 * 1024 * 1024;

/// This connection's SP metadata; its URL is the SP entity ID.
#[handler]
pub(crate) async fn metadata(
    app: Data<&App>,
    request: &Request,
    Path(id): Path<String>,
) -> Response {
    let found = match id.parse::<ConnectionId>() {
        Ok(id) => login::sp_metadata(&app, id).await,
        Err(_) => Ok(None),
    };
    match found {
        Ok(Some(metadata)) => Response::builder()
            .header(header::CONTENT_TYPE, "application/samlmetadata+xml")
            .header(header::CACHE_CONTROL, "public, max-age=300")
            .body(metadata),
        Ok(None) => pages::error_of_status(StatusCode::NOT_FOUND, None).into_response(),
        Err(error) => error_page::internal(&error, &browser::request_id(request)),
    }
}

/// The assertion consumer service, HTTP-POST binding (SAML Bindings 3.5). No cookie is expected: the POST
/// is cross-site.
#[handler]
pub(crate) async fn acs(
    app: Data<&App>,
    request: &Request,
    Path(id): Path<String>,
    body: Body,
) -> Response {
    let browser = browser::of(&app, request);
    match consume(&app, &id, body, &browser, ClientIp::network_of(request)).await {
        Ok(response) => response,
        Err(error) => error_page::internal(&error, &browser.request_id),
    }
}

async fn consume(
    app: &App,
    id: &str,
    body: Body,
    browser: &Browser,
    network: IpAddr,
) -> Result<Response, Error> {
    let Some(open) = find(app, id).await? else {
        return Ok(pages::error_of_status(StatusCode::NOT_FOUND, None).into_response());
    };
    if !matches!(&*open.connector, Connector::Saml(_)) {
        return Ok(pages::error_of_status(StatusCode::NOT_FOUND, None).into_response());
    }
    let Ok(form) = body.into_bytes().await else {
        return Ok(pages::error_of_status(StatusCode::PAYLOAD_TOO_LARGE, None).into_response());
    };
    let saml_response = saml_response(&form);
    if let Some(url) = login::restart(app, &open, saml_response.as_deref()).await? {
        return Ok(see_other(&url));
    }
    let sender = (open.connection.id, network);
    app.failed_decryptions.check(&sender, app.clock.now())?;
    match login::complete(app, &open, Callback::SamlPost { saml_response }, browser).await? {
        Answer::Continue { handle } => Ok(see_other(&format!("/login/continue/{handle}"))),
        Answer::Refused(refusal) => {
            note_failed_decryption(app, sender, &refusal.error);
            error_page::refusal(app, &refusal, None).await
        }
    }
}

/// The field `SAMLResponse`. Of several, readers could each believe another one: with a comma between them they
/// are no base64, hence `response_malformed`.
fn saml_response(form: &[u8]) -> Option<String> {
    url::form_urlencoded::parse(form)
        .filter(|(name, _)| name == "SAMLResponse")
        .map(|(_, value)| value.into_owned())
        .reduce(|one, other| format!("{one},{other}"))
}

fn note_failed_decryption(app: &App, sender: (ConnectionId, IpAddr), error: &ConnectorError) {
    if matches!(error, ConnectorError::DecryptionFailed) {
        app.failed_decryptions.note(sender, app.clock.now());
    }
}

/// Single logout, HTTP-Redirect binding (SAML Bindings 3.4).
#[handler]
pub(crate) async fn slo_redirect(
    app: Data<&App>,
    request: &Request,
    Path(id): Path<String>,
) -> Response {
    let query = request.uri().query().unwrap_or_default();
    slo(&app, request, &id, LogoutCallback::Redirect { query }).await
}

/// Single logout, HTTP-POST binding (SAML Bindings 3.5).
#[handler]
pub(crate) async fn slo_post(
    app: Data<&App>,
    request: &Request,
    Path(id): Path<String>,
    body: Body,
) -> Response {
    match body.into_string().await {
        Ok(form) => slo(&app, request, &id, LogoutCallback::Post { form: &form }).await,
        Err(_) => pages::error_of_status(StatusCode::BAD_REQUEST, None).into_response(),
    }
}

async fn slo(app: &App, request: &Request, id: &str, callback: LogoutCallback<'_>) -> Response {
    let browser = browser::of(app, request);
    let open = match find(app, id).await {
        Ok(open) => open,
        Err(error) => return error_page::internal(&error, &browser.request_id),
    };
    let missing = || pages::error_of_status(StatusCode::NOT_FOUND, None).into_response();
    let Some(open) = open else {
        return missing();
    };
    let sender = (open.connection.id, ClientIp::network_of(request));
    if let Err(error) = app.failed_decryptions.check(&sender, app.clock.now()) {
        return error_page::internal(&error, &browser.request_id);
    }
    match slo::consume(app, &open, callback, &browser.request_id).await {
        Ok(None) => missing(),
        Ok(Some(slo::Answer::ToIdp(begin))) => to_idp(app, &begin, &open.connection.name),
        Ok(Some(slo::Answer::Return { url })) => see_other(&url),
        Ok(Some(slo::Answer::Here { application })) => signed_out(application.as_deref()),
        Ok(Some(slo::Answer::Refused(error))) => {
            note_failed_decryption(app, sender, &error);
            let provider = open.connection.provider.as_deref();
            let fix = connectors::provider::fix(provider, Protocol::Saml, error.code());
            pages::sign_out_error(error.code(), &fix).into_response()
        }
        Err(error) => error_page::internal(&error, &browser.request_id),
    }
}

async fn find(app: &App, id: &str) -> Result<Option<std::sync::Arc<OpenConnection>>, Error> {
    match id.parse::<ConnectionId>() {
        Ok(id) => login::open(app, id).await,
        Err(_) => Ok(None),
    }
}
