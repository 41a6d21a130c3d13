//! The SAML endpoints: AuthnRequests in by redirect or POST, responses out by POST.

use std::{sync::Arc, time::Duration};

use poem::{
    Response, Route, get, handler,
    http::StatusCode,
    post,
    web::{Data, Form, Query},
};
use serde::Deserialize;

use super::{ONWARD, PickPage, fault_options, ordered};
use crate::{
    http::pages::{self, Page},
    sandbox::idp::{
        AuthnRequest, Fault, IdpError, PracticeIdp, SamlAnswer, encryption_certificate,
    },
};

pub(super) fn routes() -> Route {
    Route::new()
        .at("/metadata", get(metadata))
        .at("/sso", get(sso_redirect).post(sso_post))
        .at("/answer", post(answer))
}

#[handler]
fn metadata(Data(idp): Data<&Arc<PracticeIdp>>) -> Response {
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
fn sso_redirect(
    Data(idp): Data<&Arc<PracticeIdp>>,
    Query(message): Query<SamlRequestMessage>,
) -> Page {
    let request = AuthnRequest::from_redirect(&message.saml_request);
    pick(idp, request, &message).unwrap_or_else(|error| error.page())
}

#[handler]
fn sso_post(Data(idp): Data<&Arc<PracticeIdp>>, Form(message): Form<SamlRequestMessage>) -> Page {
    let request = AuthnRequest::from_post(&message.saml_request);
    pick(idp, request, &message).unwrap_or_else(|error| error.page())
}

fn pick(
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
            (
                "context_class",
                request.context_classes.first().map_or("", |class| class),
            ),
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
    context_class: String,
    #[serde(default)]
    relay_state: String,
    person: String,
    #[serde(default)]
    fault: String,
}

#[handler]
async fn answer(Data(idp): Data<&Arc<PracticeIdp>>, Form(form): Form<SamlAnswerForm>) -> Page {
    respond(idp, &form)
        .await
        .unwrap_or_else(|error| error.page())
}

async fn respond(idp: &PracticeIdp, form: &SamlAnswerForm) -> Result<Page, IdpError> {
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
        context_class: Some(&*form.context_class).filter(|class| !class.is_empty()),
        sign: behaviour.sign,
        encrypt_for: certificate.as_deref(),
        fault: Fault::parse(&form.fault),
    })?;
    Ok(post_to_acs(&form.acs_url, response, &form.relay_state))
}

/// An SP's entity ID is the URL of its metadata here (CONTRACT section 5).
async fn encryption_certificate_at(entity_id: &str) -> Option<Vec<u8>> {
    let http = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(10))
        .build()
        .ok()?;
    let text = http.get(entity_id).send().await.ok()?.text().await.ok()?;
    encryption_certificate(&text)
}

fn post_to_acs(acs_url: &str, response: String, relay_state: &str) -> Page {
    let mut fields = vec![("SAMLResponse".to_owned(), response)];
    if !relay_state.is_empty() {
        fields.push(("RelayState".to_owned(), relay_state.to_owned()));
    }
    pages::post_form(&pages::PostFormPage {
        to_application: false,
        app: "Practice IdP",
        url: acs_url,
        fields: &fields,
        loopback_http: true,
    })
}
