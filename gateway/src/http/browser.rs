//! The browser at the other end: its binding cookie, address and user agent, and the anti-forgery token.

use poem::http::header;
use poem::web::cookie::Cookie;
use poem::{Request, Response};
use subtle::ConstantTimeEq as _;

use super::client_ip::ClientIp;
use super::request_id::RequestId;
use crate::app::App;
use crate::flows::login::Browser;

/// The cookie that binds a login to its browser. `__Host-` over https (CONTRACT section 2).
fn cookie_name(app: &App) -> &'static str {
    if app.public_url.is_secure() {
        "__Host-tenon-browser"
    } else {
        "tenon-browser"
    }
}

/// The browser of this request. `cookie` is `None` where it has none yet.
pub(super) fn of(app: &App, request: &Request) -> Browser {
    let user_agent = request
        .header(header::USER_AGENT)
        .unwrap_or_default()
        .to_owned();
    Browser {
        cookie: cookie(app, request),
        ip: request
            .data::<ClientIp>()
            .map(|client| client.0.to_string())
            .unwrap_or_default(),
        user_agent,
        request_id: request_id(request),
    }
}

/// The id that the shell gave this request.
pub(super) fn request_id(request: &Request) -> String {
    request
        .data::<RequestId>()
        .map(|id| id.as_str().to_owned())
        .unwrap_or_default()
}

fn cookie(app: &App, request: &Request) -> Option<String> {
    cookie_values(request, cookie_name(app))
        .find(|value| is_token(value))
        .map(ToOwned::to_owned)
}

/// The values of all cookies of this name: a neighbour on a parent domain may have set one too.
pub(super) fn cookie_values<'a>(
    request: &'a Request,
    name: &'a str,
) -> impl Iterator<Item = &'a str> {
    let headers = request.headers().get_all(header::COOKIE);
    headers
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(move |(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// Only what we could have made: 256 bits as base64url.
fn is_token(value: &str) -> bool {
    value.len() == 43
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

/// Gives the browser its cookie if it has none, to be set on the answer.
pub(super) fn bind(app: &App, browser: &mut Browser) {
    if browser.cookie.is_none() {
        browser.cookie = Some(app.entropy.token());
    }
}

/// Sets the browser's cookie on an answer: HttpOnly, SameSite=Lax, for this browser session.
pub(super) fn set_cookie(app: &App, browser: &Browser, response: &mut Response) {
    let Some(value) = &browser.cookie else { return };
    let mut cookie = Cookie::new_with_str(cookie_name(app), value);
    cookie.set_path("/");
    cookie.set_http_only(true);
    cookie.set_same_site(poem::web::cookie::SameSite::Lax);
    cookie.set_secure(app.public_url.is_secure());
    if let Ok(value) = cookie.to_string().parse() {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// The anti-forgery token of this browser's forms: derived from its cookie, so nothing is stored.
pub(super) fn csrf(app: &App, browser: &Browser) -> String {
    app.vault.hash(&format!(
        "csrf:{}",
        browser.cookie.as_deref().unwrap_or_default()
    ))
}

/// Whether a form came from a page that we gave this browser.
pub(super) fn csrf_holds(app: &App, browser: &Browser, token: &str) -> bool {
    browser.cookie.is_some() && bool::from(csrf(app, browser).as_bytes().ct_eq(token.as_bytes()))
}
