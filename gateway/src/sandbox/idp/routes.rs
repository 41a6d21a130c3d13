//! The practice IdP as its visitors see it: protocol endpoints, the page where a person is picked, and the
//! page with the switches.

use std::sync::Arc;

use askama::Template;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use poem::{
    EndpointExt, IntoResponse, Request, Response, Route, get, handler,
    http::{StatusCode, header},
    post,
    web::{Data, Form, Json, Query},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    AuthnRequest, AuthorizeRequest, Behaviour, Fault, IdpError, OidcClient, PracticeIdp,
    SamlAnswer, Sign, Tile, TokenError, TokenRequest, encryption_certificate,
};
use crate::{
    http::pages::{self, FormAction, Page},
    sandbox::people::Person,
};

/// Everything below `/idp`.
pub fn routes(idp: Arc<PracticeIdp>) -> impl poem::Endpoint<Output = Response> {
    Route::new()
        .at("/", get(switches))
        .at("/switches", post(set_switches))
        .at("/saml/metadata", get(saml_metadata))
        .at("/saml/sso", get(saml_sso_redirect).post(saml_sso_post))
        .at("/saml/answer", post(saml_answer))
        .at(
            "/oidc/.well-known/openid-configuration",
            get(oidc_discovery),
        )
        .at("/oidc/jwks", get(oidc_jwks))
        .at("/oidc/authorize", get(oidc_authorize))
        .at("/oidc/answer", post(oidc_answer))
        .at("/oidc/token", post(oidc_token))
        .at("/oidc/userinfo", get(oidc_userinfo).post(oidc_userinfo))
        .data(idp)
        .map_to_response()
}

impl IdpError {
    fn page(&self) -> Page {
        pages::error(
            &pages::ErrorPage {
                title: "The practice identity provider can't answer",
                text: &format!("{self}."),
                code: "practice_idp",
                request_id: None,
                link: Some(pages::Link {
                    url: "/idp",
                    label: "Practice identity provider",
                }),
            },
            StatusCode::BAD_REQUEST,
        )
    }
}

/// Answers end at the gateway, which redirects to the application: all on a developer's own machine.
const ONWARD: FormAction = FormAction::AnyIdp {
    loopback_http: true,
};

#[derive(Template)]
#[template(path = "sandbox/idp_pick.html")]
struct PickPage<'a> {
    /// Where the form goes.
    action: &'static str,
    service: &'a str,
    hidden: &'a [(&'static str, &'a str)],
    people: Vec<&'a Person>,
    faults: Vec<FaultOption>,
}

#[derive(Template)]
#[template(path = "sandbox/idp.html")]
struct SwitchesPage<'a> {
    idp: &'a PracticeIdp,
    behaviour: Behaviour,
    faults: Vec<FaultOption>,
    clients: Vec<OidcClient>,
    tile: Option<Tile>,
}

struct FaultOption {
    name: &'static str,
    label: &'static str,
    codes: String,
    chosen: bool,
}

/// The faults of one protocol or of both, with the code that each ends in.
fn fault_options(
    chosen: Option<Fault>,
    codes: impl Fn(Fault) -> &'static [&'static str],
) -> Vec<FaultOption> {
    let options = Fault::ALL.into_iter().map(|fault| FaultOption {
        name: fault.name(),
        label: fault.label(),
        codes: codes(fault).join(" or "),
        chosen: chosen == Some(fault),
    });
    options.filter(|option| !option.codes.is_empty()).collect()
}

/// The hinted person first.
fn ordered<'a>(people: &'a [Person], hint: &str) -> Vec<&'a Person> {
    let mut ordered: Vec<_> = people.iter().collect();
    ordered.sort_by_key(|person| !person.email.eq_ignore_ascii_case(hint));
    ordered
}

// SAML

#[handler]
fn saml_metadata(Data(idp): Data<&Arc<PracticeIdp>>) -> Response {
    Response::builder()
        .content_type("application/samlmetadata+xml")
        .body(idp.saml_metadata())
}

#[derive(Deserialize)]
struct SamlRequestMessage {
    #[serde(rename = "SAMLRequest")]
    saml_request: String,
    #[serde(rename = "RelayState", default)]
    relay_state: String,
    #[serde(default)]
    login_hint: String,
}

#[handler]
fn saml_sso_redirect(
    Data(idp): Data<&Arc<PracticeIdp>>,
    Query(message): Query<SamlRequestMessage>,
) -> Page {
    let request = AuthnRequest::from_redirect(&message.saml_request);
    saml_pick(idp, request, &message).unwrap_or_else(|error| error.page())
}

#[handler]
fn saml_sso_post(
    Data(idp): Data<&Arc<PracticeIdp>>,
    Form(message): Form<SamlRequestMessage>,
) -> Page {
    let request = AuthnRequest::from_post(&message.saml_request);
    saml_pick(idp, request, &message).unwrap_or_else(|error| error.page())
}

fn saml_pick(
    idp: &PracticeIdp,
    request: Result<AuthnRequest, IdpError>,
    message: &SamlRequestMessage,
) -> Result<Page, IdpError> {
    let request = request?;
    idp.check_service(&request.acs_url)?;
    if request.is_passive {
        // Nobody is ever signed in here, so a request that forbids a page is refused (SAML Core 3.4.1).
        let response = idp.saml_no_passive(&request);
        return Ok(post_to_acs(
            &request.acs_url,
            response,
            &message.relay_state,
        ));
    }
    let page = PickPage {
        action: "/idp/saml/answer",
        service: &request.issuer,
        hidden: &[
            ("audience", &request.issuer),
            ("acs_url", &request.acs_url),
            ("in_response_to", &request.id),
            ("relay_state", &message.relay_state),
        ],
        people: ordered(idp.people(), &message.login_hint),
        faults: fault_options(idp.behaviour().fault, Fault::saml_codes),
    };
    Ok(Page::new(&page, StatusCode::OK).form_action(ONWARD))
}

#[derive(Deserialize)]
struct SamlAnswerForm {
    audience: String,
    acs_url: String,
    /// Empty for an unsolicited response.
    #[serde(default)]
    in_response_to: String,
    #[serde(default)]
    relay_state: String,
    person: String,
    #[serde(default)]
    fault: String,
}

#[handler]
async fn saml_answer(Data(idp): Data<&Arc<PracticeIdp>>, Form(form): Form<SamlAnswerForm>) -> Page {
    answer_saml(idp, &form)
        .await
        .unwrap_or_else(|error| error.page())
}

async fn answer_saml(idp: &PracticeIdp, form: &SamlAnswerForm) -> Result<Page, IdpError> {
    idp.check_service(&form.acs_url)?;
    let behaviour = idp.behaviour();
    let certificate = if behaviour.encrypt {
        idp.check_service(&form.audience)?;
        Some(
            encryption_certificate_at(&form.audience)
                .await
                .ok_or(IdpError::Certificate)?,
        )
    } else {
        None
    };
    let response = idp.saml_response(&SamlAnswer {
        person: idp
            .person(&form.person)
            .ok_or(IdpError::Request("person"))?,
        audience: &form.audience,
        acs_url: &form.acs_url,
        in_response_to: Some(&*form.in_response_to).filter(|id| !id.is_empty()),
        sign: behaviour.sign,
        encrypt_for: certificate.as_deref(),
        fault: Fault::parse(&form.fault),
    })?;
    Ok(post_to_acs(&form.acs_url, response, &form.relay_state))
}

/// An SP's entity ID is the URL of its metadata here (CONTRACT section 5).
async fn encryption_certificate_at(entity_id: &str) -> Option<Vec<u8>> {
    let metadata = reqwest::get(entity_id).await.ok()?.text().await.ok()?;
    encryption_certificate(&metadata)
}

fn post_to_acs(acs_url: &str, response: String, relay_state: &str) -> Page {
    let mut fields = vec![("SAMLResponse".to_owned(), response)];
    if !relay_state.is_empty() {
        fields.push(("RelayState".to_owned(), relay_state.to_owned()));
    }
    pages::post_form(&pages::PostFormPage {
        app: "Practice IdP",
        url: acs_url,
        fields: &fields,
    })
    .form_action(ONWARD)
}

// OIDC

#[handler]
fn oidc_discovery(Data(idp): Data<&Arc<PracticeIdp>>) -> Json<Value> {
    Json(idp.oidc_discovery())
}

#[handler]
fn oidc_jwks(Data(idp): Data<&Arc<PracticeIdp>>) -> Json<Value> {
    Json(idp.oidc_jwks())
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
        }
    }
}

#[handler]
fn oidc_authorize(
    Data(idp): Data<&Arc<PracticeIdp>>,
    Query(query): Query<AuthorizeQuery>,
) -> Response {
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
        ],
        people: ordered(idp.people(), &query.login_hint),
        faults: fault_options(idp.behaviour().fault, Fault::oidc_codes),
    };
    Page::new(&page, StatusCode::OK)
        .form_action(ONWARD)
        .into_response()
}

#[handler]
fn oidc_answer(Data(idp): Data<&Arc<PracticeIdp>>, Form(form): Form<AuthorizeQuery>) -> Response {
    let Some(person) = idp.person(&form.person) else {
        return IdpError::Request("person").page().into_response();
    };
    see_other(idp.authorize(&form.request(), person, Fault::parse(&form.fault)))
}

fn see_other(url: Result<String, IdpError>) -> Response {
    match url {
        Ok(url) => Response::builder()
            .status(StatusCode::SEE_OTHER)
            .header(header::LOCATION, url)
            .header(header::CACHE_CONTROL, "no-store")
            .finish(),
        Err(error) => error.page().into_response(),
    }
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
fn oidc_token(
    Data(idp): Data<&Arc<PracticeIdp>>,
    request: &Request,
    Form(form): Form<TokenForm>,
) -> Response {
    let (client_id, client_secret) =
        basic_credentials(request).unwrap_or((form.client_id, form.client_secret));
    let answer = idp.token(&TokenRequest {
        grant_type: form.grant_type,
        code: form.code,
        redirect_uri: form.redirect_uri,
        code_verifier: form.code_verifier,
        client_id,
        client_secret,
    });
    let (status, body) = match answer {
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
fn oidc_userinfo(Data(idp): Data<&Arc<PracticeIdp>>, request: &Request) -> Response {
    let token = request
        .header(header::AUTHORIZATION)
        .and_then(|value| value.strip_prefix("Bearer "));
    match token.and_then(|token| idp.userinfo(token)) {
        Some(claims) => Json(claims).into_response(),
        None => Response::builder()
            .status(StatusCode::UNAUTHORIZED)
            .header(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")
            .finish(),
    }
}

// The page with the switches

#[handler]
fn switches(Data(idp): Data<&Arc<PracticeIdp>>) -> Page {
    let behaviour = idp.behaviour();
    let page = SwitchesPage {
        idp,
        behaviour,
        faults: fault_options(behaviour.fault, |fault| match fault.saml_codes() {
            [] => fault.oidc_codes(),
            codes => codes,
        }),
        clients: idp.state().clients.clone(),
        tile: idp.state().tile.clone(),
    };
    Page::new(&page, StatusCode::OK).form_action(ONWARD)
}

#[derive(Deserialize)]
struct SwitchesForm {
    #[serde(default)]
    fault: String,
    #[serde(default)]
    sign: Sign,
    #[serde(default)]
    encrypt: Option<String>,
}

#[handler]
fn set_switches(Data(idp): Data<&Arc<PracticeIdp>>, Form(form): Form<SwitchesForm>) -> Response {
    idp.set_behaviour(Behaviour {
        fault: Fault::parse(&form.fault),
        sign: form.sign,
        encrypt: form.encrypt.is_some(),
    });
    see_other(Ok("/idp".to_owned()))
}
