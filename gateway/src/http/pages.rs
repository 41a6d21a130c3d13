//! The hosted pages: one struct and one function per page (PORTAL.md sections 2 and 8).
//!
//! Each function renders a template of `templates/`, which escapes everything, and gives a [`Page`]. No page
//! has inline styles or scripts, loads anything from elsewhere, or needs script to work.

mod sentences;

use askama::Template;
use chrono::{DateTime, SecondsFormat, Utc};
use poem::{
    IntoResponse, Response,
    http::{HeaderValue, StatusCode, header},
};

use crate::model::DiscoveryMode;

pub use sentences::{Mender, Situation, sentence};

/// A rendered page with what belongs to it: status, where its forms may lead, and CONTRACT section 5's
/// `Tenon-Error`.
#[derive(Debug)]
pub struct Page {
    pub status: StatusCode,
    pub body: String,
    pub form_action: FormAction,
    pub error_code: Option<String>,
}

/// The `form-action` of a page's content policy. Chromium applies it to the redirect that follows a POST
/// too, so a form that ends at an identity provider or an application must say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormAction {
    Own,
    /// Any identity provider. With `loopback_http` also those of a developer's own machine.
    AnyIdp {
        loopback_http: bool,
    },
    /// Ours, and the origin of this URL.
    OwnAnd(String),
    /// The origin of this URL, and wherever it redirects to: only it knows.
    Onward {
        url: String,
        loopback_http: bool,
    },
}

impl FormAction {
    fn sources(&self) -> String {
        match self {
            Self::Own => "'self'".into(),
            Self::AnyIdp {
                loopback_http: false,
            } => "'self' https:".into(),
            Self::AnyIdp {
                loopback_http: true,
            } => "'self' https: http://localhost:* http://127.0.0.1:*".into(),
            Self::OwnAnd(url) => format!("'self' {}", origin(url)),
            Self::Onward { url, loopback_http } => match origin(url) {
                none if none == NOWHERE => none,
                first => {
                    let loopback_http = *loopback_http;
                    format!("{first} {}", Self::AnyIdp { loopback_http }.sources())
                }
            },
        }
    }

    /// The whole `Content-Security-Policy` of a page (PORTAL.md section 8).
    pub fn content_security_policy(&self) -> String {
        format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
             connect-src 'self'; form-action {}; base-uri 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'",
            self.sources()
        )
    }
}

/// `https://host:port` of an http(s) URL. Anything else, or an address that a policy cannot name, allows nothing.
fn origin(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => url.origin().ascii_serialization(),
        _ => NOWHERE.into(),
    }
}

const NOWHERE: &str = "'none'";

impl Page {
    pub(crate) fn new(template: &impl Template, status: StatusCode) -> Self {
        let body = template.render().unwrap_or_else(|error| {
            // Only a template that calls something fallible can fail, and none of ours does.
            tracing::error!(%error, "a page could not be rendered");
            String::new()
        });
        Self {
            status,
            body,
            form_action: FormAction::Own,
            error_code: None,
        }
    }

    pub(crate) fn form_action(mut self, form_action: FormAction) -> Self {
        self.form_action = form_action;
        self
    }

    fn error_code(mut self, code: &str) -> Self {
        self.error_code = Some(code.to_owned());
        self
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut response = Response::builder()
            .status(self.status)
            .content_type("text/html; charset=utf-8")
            .header(header::CACHE_CONTROL, "no-store")
            .header(
                header::CONTENT_SECURITY_POLICY,
                self.form_action.content_security_policy(),
            )
            .body(self.body);
        if let Some(code) = self
            .error_code
            .as_deref()
            .and_then(|code| HeaderValue::from_str(code).ok())
        {
            response.headers_mut().insert("tenon-error", code);
        }
        response
    }
}

/// H1: asks for the work email, or for the organization's code. Posts `flow`, `csrf` and `email` (with `remember`)
/// or `code` to `/login`; reachable at `/login?flow={flow}&form=1`.
#[derive(Debug, Template)]
#[template(path = "sign_in.html")]
pub struct SignInPage<'a> {
    pub app: &'a str,
    /// Handle of the pending authorization request.
    pub flow: &'a str,
    pub csrf: &'a str,
    /// What was typed before, or the `login_hint`.
    pub email: &'a str,
    pub asks: DiscoveryMode,
    pub message: SignInMessage,
    /// The application's own login page.
    pub app_url: Option<&'a str>,
    /// The gateway runs on plain http for a developer, so identity providers may too.
    pub loopback_http: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignInMessage {
    Ask,
    /// H4: no organization signs in this domain. Same status, headers and layout as H1.
    NoMatch,
    NotAnAddress,
}

impl SignInPage<'_> {
    fn has_problem(&self) -> bool {
        self.message != SignInMessage::Ask
    }

    fn has_field(&self) -> bool {
        self.asks != DiscoveryMode::HintOnly
    }

    fn by_email(&self) -> bool {
        self.asks == DiscoveryMode::Email
    }

    fn by_code(&self) -> bool {
        self.asks == DiscoveryMode::Slug
    }
}

pub fn sign_in(page: &SignInPage<'_>) -> Page {
    Page::new(page, StatusCode::OK).form_action(FormAction::AnyIdp {
        loopback_http: page.loopback_http,
    })
}

/// H3: an organization's connections to choose from. Posts `flow`, `csrf` and `connection_id` to
/// `/login/choose`.
#[derive(Debug, Template)]
#[template(path = "choose.html")]
pub struct ChoosePage<'a> {
    pub app: &'a str,
    pub org: &'a str,
    pub flow: &'a str,
    pub csrf: &'a str,
    pub choices: &'a [Choice],
    /// Whether the person asked to keep the email that led here.
    pub remember: bool,
    /// What the link to the sign-in page says.
    pub other: &'a str,
    pub loopback_http: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub connection_id: String,
    /// The label the operator chose ("Acme contractors").
    pub name: String,
    pub used_before: bool,
}

pub fn choose(page: &ChoosePage<'_>) -> Page {
    Page::new(page, StatusCode::OK).form_action(FormAction::AnyIdp {
        loopback_http: page.loopback_http,
    })
}

/// H2: where this browser signed in before. Posts `flow`, `csrf` and `connection_id` to `/login/choose`, or the
/// first two to `/login/forget`.
#[derive(Debug, Template)]
#[template(path = "remembered.html")]
pub struct RememberedPage<'a> {
    pub app: &'a str,
    pub flow: &'a str,
    pub csrf: &'a str,
    pub choices: &'a [RememberedChoice],
    /// What the link to the sign-in page says.
    pub other: &'a str,
    pub loopback_http: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RememberedChoice {
    pub connection_id: String,
    pub org: String,
    pub connection: String,
    /// Empty unless the person had it kept.
    pub email: String,
}

pub fn remembered(page: &RememberedPage<'_>) -> Page {
    Page::new(page, StatusCode::OK).form_action(FormAction::AnyIdp {
        loopback_http: page.loopback_http,
    })
}

/// H5: names the account before an unsolicited login ends. Posts `csrf` and `decision` (`continue` or
/// `deny`) to `action`.
#[derive(Debug, Template)]
#[template(path = "continue_as.html")]
pub struct ContinueAsPage<'a> {
    pub app: &'a str,
    /// Email, or the subject where there is none.
    pub account: &'a str,
    pub idp_host: &'a str,
    pub action: &'a str,
    pub csrf: &'a str,
    /// Where the answer redirects to.
    pub redirect_uri: &'a str,
}

pub fn continue_as(page: &ContinueAsPage<'_>) -> Page {
    Page::new(page, StatusCode::OK).form_action(FormAction::OwnAnd(page.redirect_uri.to_owned()))
}

/// H6: why a sign-in failed, for the person (a sentence) and for their IT team (code, reference, fix).
#[derive(Debug, Clone, Default)]
pub struct SignInErrorPage<'a> {
    /// CONTRACT section 8, or a 5xx code of ours.
    pub code: &'a str,
    /// `None` where the request was lost and with it which application it came from.
    pub app: Option<&'a str>,
    pub org: Option<&'a str>,
    pub email: Option<&'a str>,
    pub login_id: Option<&'a str>,
    /// What the admin can do, by provider (the trace's `fix`).
    pub fix: &'a str,
    /// The identity provider's own message, or its HTTP status: theirs, so it is cut and labelled.
    pub idp_said: Option<&'a str>,
    pub try_again_url: Option<&'a str>,
    pub app_url: Option<&'a str>,
    pub at: DateTime<Utc>,
}

#[derive(Template)]
#[template(path = "sign_in_error.html")]
struct SignInErrorTemplate<'a> {
    app: &'a str,
    sentence: String,
    code: &'a str,
    login_id: Option<&'a str>,
    fix: &'a str,
    idp_said: Option<String>,
    details: String,
    try_again_url: Option<&'a str>,
    app_url: Option<&'a str>,
}

/// Longest text of an identity provider that a page repeats, in characters.
const MAX_SAID_CHARS: usize = 300;

pub fn sign_in_error(page: &SignInErrorPage<'_>, status: StatusCode) -> Page {
    let app = page.app.unwrap_or("the application");
    let situation = Situation {
        app,
        org: page.org.unwrap_or("your organization"),
        email: page.email,
    };
    let template = SignInErrorTemplate {
        app,
        sentence: sentence(page.code, &situation).0,
        code: page.code,
        login_id: page.login_id,
        fix: page.fix,
        idp_said: page.idp_said.map(cut).filter(|said| !said.is_empty()),
        details: details(page, app),
        try_again_url: page.try_again_url,
        app_url: page.app_url,
    };
    Page::new(&template, status).error_code(page.code)
}

/// What a person pastes into a ticket: no values of the trace, which IT reads by the reference.
fn details(page: &SignInErrorPage<'_>, app: &str) -> String {
    let lines = [
        ("Sign-in to", Some(app)),
        ("Organization", page.org),
        ("Account", page.email),
        ("Code", Some(page.code)),
        ("Reference", page.login_id),
        (
            "Time",
            Some(&*page.at.to_rfc3339_opts(SecondsFormat::Secs, true)),
        ),
        ("What to do", Some(page.fix).filter(|fix| !fix.is_empty())),
    ];
    let lines = lines
        .iter()
        .filter_map(|(name, value)| value.map(|value| format!("{name}: {value}")));
    lines.collect::<Vec<_>>().join("\n")
}

fn cut(said: &str) -> String {
    let said = said.trim();
    let mut kept: String = said
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_SAID_CHARS)
        .collect();
    if said.chars().count() > MAX_SAID_CHARS {
        kept.push('…');
    }
    kept
}

/// Any other failure that a browser sees: 404, 410, 429, a wrong authorization request, 5xx.
#[derive(Debug, Template)]
#[template(path = "error.html")]
pub struct ErrorPage<'a> {
    pub title: &'a str,
    pub text: &'a str,
    pub code: &'a str,
    pub request_id: Option<&'a str>,
    pub link: Option<Link<'a>>,
}

#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    pub url: &'a str,
    pub label: &'a str,
}

pub fn error(page: &ErrorPage<'_>, status: StatusCode) -> Page {
    Page::new(page, status).error_code(page.code)
}

/// The page of a bare status, for failures that no handler described.
pub fn error_of_status(status: StatusCode, request_id: Option<&str>) -> Page {
    let (code, title, text) = match status.as_u16() {
        404 => (
            "not_found",
            "There is no such page",
            "Check the address, or go back to where you came from.",
        ),
        405 => (
            "method_not_allowed",
            "That doesn't work here",
            "Go back and try again from the page before.",
        ),
        410 => (
            "gone",
            "This link doesn't work anymore",
            "Ask whoever sent it to you for a new one.",
        ),
        413 => ("too_large", "That was too large", "Send less at once."),
        429 => (
            "rate_limited",
            "Too many tries",
            "Wait a minute, then try again.",
        ),
        400..500 => (
            "bad_request",
            "That request can't be read",
            "Go back to the application and start again.",
        ),
        _ => (
            "internal_error",
            "Something broke on our side",
            "Nothing is wrong with your account. Try again in a minute.",
        ),
    };
    error(
        &ErrorPage {
            title,
            text,
            code,
            request_id,
            link: None,
        },
        status,
    )
}

/// A plain message, for example after signing out.
#[derive(Debug, Template)]
#[template(path = "notice.html")]
pub struct NoticePage<'a> {
    pub title: &'a str,
    pub text: &'a str,
    pub link: Option<Link<'a>>,
}

pub fn notice(page: &NoticePage<'_>) -> Page {
    Page::new(page, StatusCode::OK)
}

/// A logout message of the identity provider's that was refused, with its code.
pub fn sign_out_error(code: &str, fix: &str) -> Page {
    let text = format!("The identity provider's message was refused ({code}). {fix}");
    let page = NoticePage {
        title: "Could not sign you out",
        text: &text,
        link: None,
    };
    Page::new(&page, StatusCode::BAD_REQUEST).error_code(code)
}

/// Sends the fields to the identity provider by POST (SAML Bindings 3.5.4): at once with script, by a
/// button without.
#[derive(Debug, Template)]
#[template(path = "post_form.html")]
pub struct PostFormPage<'a> {
    /// Whether this is the answer to an application (`response_mode=form_post`), and not a request to the IdP.
    pub to_application: bool,
    /// Whose name the page shows.
    pub app: &'a str,
    pub url: &'a str,
    pub fields: &'a [(String, String)],
    pub loopback_http: bool,
}

pub fn post_form(page: &PostFormPage<'_>) -> Page {
    Page::new(page, StatusCode::OK).form_action(FormAction::Onward {
        url: page.url.to_owned(),
        loopback_http: page.loopback_http,
    })
}

/// One letter stands for the application's logo.
pub(crate) fn monogram(app: &str) -> String {
    app.trim()
        .chars()
        .next()
        .map_or_else(|| "·".to_owned(), String::from)
}

#[cfg(test)]
mod tests;
