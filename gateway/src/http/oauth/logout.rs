//! `/oauth/logout` (OpenID Connect RP-Initiated Logout 1.0), by GET and by POST.

use poem::http::StatusCode;
use poem::web::Data;
use poem::{Body, IntoResponse, Request, Response, handler};

use super::authorize::{see_other, to_idp};
use crate::app::App;
use crate::error::Error;
use crate::flows::authorize::Parameters;
use crate::flows::logout::{self, EndSessionRequest, Ended};
use crate::http::{browser, error_page, pages};

pub(in crate::http) const PATH: &str = "/oauth/logout";

#[handler]
pub(crate) async fn get(app: Data<&App>, request: &Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    answer(&app, request, query).await
}

#[handler]
pub(crate) async fn post(app: Data<&App>, request: &Request, body: Body) -> Response {
    match body.into_string().await {
        Ok(form) => answer(&app, request, &form).await,
        Err(_) => pages::error_of_status(StatusCode::BAD_REQUEST, None).into_response(),
    }
}

async fn answer(app: &App, request: &Request, form: &str) -> Response {
    let request_id = browser::request_id(request);
    match end(app, form, &request_id).await {
        Ok(response) => response,
        Err(error) => error_page::internal(&error, &request_id),
    }
}

async fn end(app: &App, form: &str, request_id: &str) -> Result<Response, Error> {
    let (parameters, twice) = Parameters::parse(form);
    if let Some(twice) = twice {
        return Ok(refused(&format!("the parameter {twice} stands twice")));
    }
    let asked = EndSessionRequest {
        id_token_hint: parameters.get("id_token_hint"),
        client_id: parameters.get("client_id"),
        post_logout_redirect_uri: parameters.get("post_logout_redirect_uri"),
        state: parameters.get("state"),
        request_id,
    };
    Ok(match logout::end_session(app, asked).await? {
        Ok(Ended::AtIdp(application, begin)) => to_idp(app, &begin, &application.name),
        Ok(Ended::Return { url }) => see_other(&url),
        Ok(Ended::Here { application }) => signed_out(application.as_deref()),
        Ok(Ended::Nothing { application }) => not_signed_out(application.as_deref()),
        Err(refusal) => refused(&refusal.to_string()),
    })
}

/// What a person sees whom no application takes back.
pub(in crate::http) fn signed_out(application: Option<&str>) -> Response {
    let text = match application {
        Some(application) => {
            format!("You are signed out of {application}. You can close this page.")
        }
        None => "You are signed out. You can close this page.".to_owned(),
    };
    pages::notice(&pages::NoticePage {
        title: "Signed out",
        text: &text,
        link: None,
    })
    .into_response()
}

/// Nobody said which session.
fn not_signed_out(application: Option<&str>) -> Response {
    let application = application.unwrap_or("The application");
    let text = format!(
        "{application} sent you here without saying which sign-in to end, so none was ended. If it still \
         knows you, sign out there, or close the browser."
    );
    pages::notice(&pages::NoticePage {
        title: "Nothing was signed out here",
        text: &text,
        link: None,
    })
    .into_response()
}

/// The application's mistake: the person can't mend it, and is told so.
fn refused(problem: &str) -> Response {
    let text = format!("The application asked for this in a way that is not allowed: {problem}.");
    let mut page = pages::notice(&pages::NoticePage {
        title: "Could not sign you out",
        text: &text,
        link: None,
    });
    page.status = StatusCode::BAD_REQUEST;
    page.into_response()
}
