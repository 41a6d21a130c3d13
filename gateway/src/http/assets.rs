//! The style sheet and the script of the hosted pages, compiled into the binary, and the choice of theme.
//!
//! poem's own embedded-file endpoint refuses HEAD and sends no cache headers, hence this small one.

use std::{fmt::Write, sync::LazyLock};

use aws_lc_rs::digest::{SHA256, digest};
use poem::{
    EndpointExt, IntoResponse, Request, Response, Route, get, handler,
    http::{StatusCode, header},
    post,
    web::{Data, Form, Path},
};
use serde::Deserialize;

use super::pages;

/// `GET`/`HEAD /assets/{file}` and the theme switch at `/theme`, on top of `route`. Both the gateway and the
/// sandbox mount it. `https` is how browsers see the server (the public URL, not this connection).
pub fn mount(route: Route, https: bool) -> Route {
    route
        .at("/assets/theme.css", get(theme_css))
        .at("/assets/:file", get(file))
        .at(
            "/theme",
            post(choose_theme).get(theme_chosen).data(Https(https)),
        )
}

#[derive(Clone, Copy)]
struct Https(bool);

/// The style sheet's address; it changes with the content, so that browsers keep it for good.
pub fn css_url() -> &'static str {
    &FILES[0].url
}

/// The script's address, see [`css_url`].
pub fn js_url() -> &'static str {
    &FILES[1].url
}

struct Asset {
    name: &'static str,
    content_type: &'static str,
    content: &'static str,
    etag: String,
    url: String,
}

impl Asset {
    fn new(name: &'static str, content_type: &'static str, content: &'static str) -> Self {
        let version = digest(&SHA256, content.as_bytes()).as_ref()[..8]
            .iter()
            .fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
        Self {
            name,
            content_type,
            content,
            etag: format!("\"{version}\""),
            url: format!("/assets/{name}?v={version}"),
        }
    }
}

static FILES: LazyLock<[Asset; 2]> = LazyLock::new(|| {
    [
        Asset::new(
            "tenon.css",
            "text/css; charset=utf-8",
            include_str!("../../assets/tenon.css"),
        ),
        Asset::new(
            "tenon.js",
            "text/javascript; charset=utf-8",
            include_str!("../../assets/tenon.js"),
        ),
    ]
});

#[handler]
fn file(Path(name): Path<String>, request: &Request) -> Response {
    let Some(asset) = FILES.iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into();
    };
    // The address of another version may show up from an old page: it gets today's file, not kept.
    let current = request
        .uri()
        .path_and_query()
        .is_some_and(|uri| asset.url.ends_with(uri.as_str()));
    let caching = if current {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let response = Response::builder()
        .header(header::CACHE_CONTROL, caching)
        .header(header::ETAG, &asset.etag);
    // RFC 9110 13.1.2: any of the listed tags, or `*`.
    let unchanged = request.header(header::IF_NONE_MATCH).is_some_and(|tags| {
        tags.split(',')
            .map(str::trim)
            .any(|tag| tag == "*" || tag.trim_start_matches("W/") == asset.etag)
    });
    if unchanged {
        return response.status(StatusCode::NOT_MODIFIED).finish();
    }
    response
        .content_type(asset.content_type)
        .body(asset.content)
}

/// A person's choice of colours. It lives in the cookie `theme` (`__Host-theme` over https) and nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Auto,
    Light,
    Dark,
}

impl Theme {
    fn of(request: &Request) -> Self {
        let cookies = request.header(header::COOKIE).unwrap_or_default();
        let chosen = cookies.split(';').map(str::trim).find_map(|cookie| {
            cookie
                .strip_prefix("__Host-")
                .unwrap_or(cookie)
                .strip_prefix("theme=")
        });
        match chosen {
            Some("light") => Self::Light,
            Some("dark") => Self::Dark,
            _ => Self::Auto,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// The one rule that differs between people: pages stay the same for everybody, and since a style sheet
/// is read before the first paint, nothing flashes.
#[handler]
fn theme_css(request: &Request) -> Response {
    let rule = match Theme::of(request) {
        Theme::Auto => "",
        Theme::Light => ":root { color-scheme: light; }\n",
        Theme::Dark => ":root { color-scheme: dark; }\n",
    };
    Response::builder()
        .header(header::CACHE_CONTROL, "private, no-store")
        .header(header::VARY, "Cookie")
        .content_type("text/css; charset=utf-8")
        .body(rule)
}

#[derive(Deserialize)]
struct ChooseTheme {
    theme: Theme,
    #[serde(default)]
    return_to: String,
}

/// Without script the switch is a form. It changes nothing but a colour, so it carries no CSRF token.
#[handler]
fn choose_theme(Form(choice): Form<ChooseTheme>, Data(&Https(https)): Data<&Https>) -> Response {
    let (prefix, secure) = if https {
        ("__Host-", "; Secure")
    } else {
        ("", "")
    };
    let theme = choice.theme.name();
    let to = if is_local_path(&choice.return_to) {
        &choice.return_to
    } else {
        "/theme"
    };
    Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(header::LOCATION, to)
        .header(
            header::SET_COOKIE,
            format!("{prefix}theme={theme}; Path=/; Max-Age=31536000; SameSite=Lax{secure}"),
        )
        .finish()
}

#[handler]
fn theme_chosen() -> impl IntoResponse {
    pages::notice(&pages::NoticePage {
        title: "Theme saved",
        text: "Go back with your browser's Back button to where you were.",
        link: None,
    })
}

/// A path on this server. `//host` and `/\host` leave it, so they do not count (CWE-601).
fn is_local_path(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && path
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

#[cfg(test)]
mod tests {
    use poem::{Endpoint, http::Method};

    use super::*;

    async fn send(
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &'static str,
    ) -> Response {
        let mut request = Request::builder().method(method).uri_str(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        mount(Route::new(), true)
            .get_response(request.body(body))
            .await
    }

    #[tokio::test]
    async fn a_file_is_kept_by_the_browser_until_it_changes() {
        let first = send(Method::GET, css_url(), &[], "").await;
        assert_eq!(first.content_type(), Some("text/css; charset=utf-8"));
        assert_eq!(
            first.header("cache-control"),
            Some("public, max-age=31536000, immutable")
        );
        let etag = first.header("etag").unwrap();
        let tags = format!("\"other\", W/{etag}");
        let again = send(
            Method::GET,
            "/assets/tenon.css",
            &[("if-none-match", &tags)],
            "",
        )
        .await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(again.header("cache-control"), Some("no-cache"));
        let head = send(Method::HEAD, js_url(), &[], "").await;
        assert_eq!(head.status(), StatusCode::OK);
        assert_eq!(head.into_body().into_string().await.unwrap(), "");
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_not_found() {
        let answer = send(Method::GET, "/assets/..%2Ftenon.css", &[], "").await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn the_theme_switch_works_without_script_and_never_leaves_the_server() {
        let form = [("content-type", "application/x-www-form-urlencoded")];
        for (body, location) in [
            (
                "theme=dark&return_to=%2Flogin%3Fflow%3Dabc",
                "/login?flow=abc",
            ),
            ("theme=dark&return_to=%2F%2Fevil.example%2F", "/theme"),
            ("theme=dark&return_to=%2F%5Cevil.example%2F", "/theme"),
            (
                "theme=dark&return_to=https%3A%2F%2Fevil.example%2F",
                "/theme",
            ),
            ("theme=dark", "/theme"),
        ] {
            let answer = send(Method::POST, "/theme", &form, body).await;
            assert_eq!(answer.status(), StatusCode::SEE_OTHER);
            assert_eq!(answer.header("location"), Some(location), "{body}");
            let cookie = "__Host-theme=dark; Path=/; Max-Age=31536000; SameSite=Lax; Secure";
            assert_eq!(answer.header("set-cookie"), Some(cookie));
        }
        let sheet = send(
            Method::GET,
            "/assets/theme.css",
            &[("cookie", "__Host-theme=dark")],
            "",
        )
        .await;
        assert_eq!(
            sheet.into_body().into_string().await.unwrap(),
            ":root { color-scheme: dark; }\n"
        );
    }
}
