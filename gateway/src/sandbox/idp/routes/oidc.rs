//! The OpenID provider's endpoints.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use poem::{
    IntoResponse, Request, Response, Route, get, handler,
    http::{StatusCode, header},
    post,
    web::{Data, Form, Json, Query},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ONWARD, PickPage, fault_options, ordered, see_other};
use crate::{
    http::pages::Page,
    sandbox::idp::{AuthorizeRequest, Fault, IdpError, PracticeIdp, TokenError, TokenRequest},
};

pub(super) fn routes() -> Route {
    Route::new()
        .at("/.well-known/openid-configuration", get(discovery))
        .at("/jwks", get(jwks))
        .at("/authorize", get(authorize))
        .at("/answer", post(answer))
        .at("/token", post(token))
        .at("/userinfo", get(userinfo).post(userinfo))
        .at("/end_session", get(end_session).post(end_session_by_form))
}

#[handler]
fn discovery(Data(idp): Data<&Arc<PracticeIdp>>) -> Response {
    document(idp, PracticeIdp::oidc_discovery)
}

#[handler]
fn jwks(Data(idp): Data<&Arc<PracticeIdp>>) -> Response {
    document(idp, PracticeIdp::oidc_jwks)
}

fn document(idp: &PracticeIdp, of: fn(&PracticeIdp) -> Value) -> Response {
    if idp.hides_documents() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    Json(of(idp)).into_response()
}

#[derive(Deserialize)]
struct AuthorizeQuery {
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    redirect_uri: String,
    #[serde(default)]
    state: String,
    nonce: Option<String>,
    #[serde(default)]
    scope: String,
    code_challenge: Option<String>,
    #[serde(default)]
    acr_values: String,
    #[serde(default)]
    login_hint: String,
    #[serde(default)]
    prompt: String,
    // The answer's own fields; empty in a request.
    #[serde(default)]
    person: String,
    #[serde(default)]
    fault: String,
}

impl AuthorizeQuery {
    fn request(&self) -> AuthorizeRequest {
        let present = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        AuthorizeRequest {
            client_id: self.client_id.clone(),
            redirect_uri: self.redirect_uri.clone(),
            state: self.state.clone(),
            nonce: present(&self.nonce),
            scope: self.scope.clone(),
            code_challenge: present(&self.code_challenge),
            acr_values: self.acr_values.clone(),
        }
    }
}

#[handler]
fn authorize(Data(idp): Data<&Arc<PracticeIdp>>, Query(query): Query<AuthorizeQuery>) -> Response {
    let request = query.request();
    if let Err(error) = idp.check_authorize(&request) {
        return error.page().into_response();
    }
    if query.prompt.split(' ').any(|prompt| prompt == "none") {
        return see_other(idp.authorize_error(
            &request,
            "login_required",
            "Nobody is signed in here.",
        ));
    }
    let page = PickPage {
        action: "/idp/oidc/answer",
        service: &request.client_id,
        hidden: &[
            ("client_id", &request.client_id),
            ("redirect_uri", &request.redirect_uri),
            ("state", &request.state),
            ("nonce", request.nonce.as_deref().unwrap_or_default()),
            ("scope", &request.scope),
            (
                "code_challenge",
                request.code_challenge.as_deref().unwrap_or_default(),
            ),
            ("acr_values", &request.acr_values),
        ],
        people: ordered(idp.people(), &query.login_hint),
        faults: fault_options(idp.behaviour().fault, Fault::oidc_codes),
    };
    Page::new(&page, StatusCode::OK)
        .form_action(ONWARD)
        .into_response()
}

#[handler]
fn answer(Data(idp): Data<&Arc<PracticeIdp>>, Form(form): Form<AuthorizeQuery>) -> Response {
    let Some(person) = idp.person(&form.person) else {
        return IdpError::Request("person").page().into_response();
    };
    see_other(idp.authorize(&form.request(), person, Fault::parse(&form.fault)))
}

#[derive(Deserialize)]
struct TokenForm {
    #[serde(default)]
    grant_type: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    redirect_uri: String,
    code_verifier: Option<String>,
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    client_secret: String,
}

#[handler]
fn token(
    Data(idp): Data<&Arc<PracticeIdp>>,
    request: &Request,
    Form(form): Form<TokenForm>,
) -> Response {
    let (client_id, client_secret) =
        basic_credentials(request).unwrap_or((form.client_id, form.client_secret));
    let outcome = idp.token(&TokenRequest {
        grant_type: form.grant_type,
        code: form.code,
        redirect_uri: form.redirect_uri,
        code_verifier: form.code_verifier,
        client_id,
        client_secret,
    });
    let (status, body) = match outcome {
        Ok(tokens) => (StatusCode::OK, tokens),
        Err(TokenError(error)) if error == "invalid_client" => {
            (StatusCode::UNAUTHORIZED, json!({"error": error}))
        }
        Err(TokenError(error)) => (StatusCode::BAD_REQUEST, json!({"error": error})),
    };
    let mut response = Json(body)
        .with_header(header::CACHE_CONTROL, "no-store")
        .into_response();
    response.set_status(status);
    response
}

/// `client_secret_basic`: both parts are form-encoded first (RFC 6749 2.3.1).
fn basic_credentials(request: &Request) -> Option<(String, String)> {
    let encoded = request
        .header(header::AUTHORIZATION)?
        .strip_prefix("Basic ")?;
    let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let part = |text: &str| {
        url::form_urlencoded::parse(format!("v={text}").as_bytes())
            .next()
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    };
    Some((part(id), part(secret)))
}

#[handler]
fn userinfo(Data(idp): Data<&Arc<PracticeIdp>>, request: &Request) -> Response {
    let bearer = request
        .header(header::AUTHORIZATION)
        .and_then(|value| value.strip_prefix("Bearer "));
    match bearer.and_then(|bearer| idp.userinfo(bearer)) {
        Some(claims) => Json(claims).into_response(),
        None => Response::builder()
            .status(StatusCode::UNAUTHORIZED)
            .header(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")
            .finish(),
    }
}

#[derive(Deserialize)]
struct Logout {
    #[serde(default)]
    post_logout_redirect_uri: String,
    #[serde(default)]
    state: String,
}

#[handler]
fn end_session(Data(idp): Data<&Arc<PracticeIdp>>, Query(asked): Query<Logout>) -> Response {
    see_other(idp.signed_out(&asked.post_logout_redirect_uri, &asked.state))
}

#[handler]
fn end_session_by_form(Data(idp): Data<&Arc<PracticeIdp>>, Form(asked): Form<Logout>) -> Response {
    see_other(idp.signed_out(&asked.post_logout_redirect_uri, &asked.state))
}
