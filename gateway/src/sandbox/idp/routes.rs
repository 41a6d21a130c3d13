//! The practice IdP as its visitors see it: protocol endpoints, the page where a person is picked, and the
//! page with the switches.

mod oidc;
mod saml;

use std::sync::Arc;

use askama::Template;
use poem::{
    EndpointExt, IntoResponse, Response, Route, get, handler,
    http::{StatusCode, header},
    post,
    web::{Data, Form},
};
use serde::Deserialize;

use super::{Behaviour, Fault, IdpError, OidcClient, PracticeIdp, Sign, Tile};
use crate::{
    http::pages::{self, FormAction, Page},
    sandbox::people::Person,
};

/// Everything below `/idp`.
pub fn routes(idp: Arc<PracticeIdp>) -> impl poem::Endpoint<Output = Response> {
    Route::new()
        .at("/", get(switches))
        .at("/switches", post(set_switches))
        .nest("/saml", saml::routes())
        .nest("/oidc", oidc::routes())
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

#[handler]
fn switches(Data(idp): Data<&Arc<PracticeIdp>>) -> Page {
    let behaviour = idp.behaviour();
    let (clients, tile) = {
        let state = idp.state();
        (state.clients.clone(), state.tile.clone())
    };
    let page = SwitchesPage {
        idp,
        behaviour,
        faults: fault_options(behaviour.fault, |fault| match fault.saml_codes() {
            [] => fault.oidc_codes(),
            codes => codes,
        }),
        clients,
        tile,
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

#[cfg(test)]
mod tests;
