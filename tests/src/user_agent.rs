//! A person's browser without its window: cookies, redirects, forms.

use reqwest::{Client, Method, Response, header};
use url::Url;

use crate::{Form, PATIENCE, Page};

/// Longer than any honest chain of redirects.
const MOST_REDIRECTS: usize = 20;

/// Keeps cookies as browsers do, as far as a sign-in notices: by host whatever the port, by path, and with
/// `SameSite`, so that a form which an IdP's page posts to us carries no Lax cookie.
pub struct UserAgent {
    http: Client,
    cookies: Vec<Cookie>,
    name: String,
}

#[derive(Debug, Clone)]
struct Cookie {
    host: String,
    path: String,
    name: String,
    value: String,
    /// `SameSite=None`; everything else counts as Lax.
    cross_site: bool,
}

impl Default for UserAgent {
    fn default() -> Self {
        Self::new()
    }
}

impl UserAgent {
    pub fn new() -> Self {
        let http = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(PATIENCE)
            .build()
            .expect("an HTTP client");
        Self {
            http,
            cookies: Vec::new(),
            name: "integration tests".to_owned(),
        }
    }

    /// Opens a page and follows redirects, as long as they lead to this machine: a redirect to anywhere else is
    /// the page that comes back, with where it leads as its URL.
    pub async fn get(&mut self, url: &str) -> Page {
        let url = Url::parse(url).expect("a URL");
        self.navigate(Method::GET, url, None, false).await
    }

    /// Sends a form that stands on `page`.
    pub async fn submit(&mut self, page: &Page, form: Form) -> Page {
        let cross_site = page.url.host_str() != form.action.host_str();
        if form.post {
            let body = encode(&form.fields);
            self.navigate(Method::POST, form.action, Some(body), cross_site)
                .await
        } else {
            let mut url = form.action;
            url.set_query(Some(&encode(&form.fields)));
            self.navigate(Method::GET, url, None, false).await
        }
    }

    /// Sends a form that stands on no page: what another site, or somebody with a terminal, posts.
    pub async fn post(&mut self, url: &str, fields: Vec<(String, String)>) -> Page {
        let url = Url::parse(url).expect("a URL");
        let body = encode(&fields);
        self.navigate(Method::POST, url, Some(body), true).await
    }

    /// Forgets everything, as another browser would never have known it.
    pub fn clear_cookies(&mut self) {
        self.cookies.clear();
    }

    async fn navigate(
        &mut self,
        method: Method,
        url: Url,
        body: Option<String>,
        cross_site: bool,
    ) -> Page {
        let (mut method, mut url, mut body) = (method, url, body);
        // Only a top-level GET carries Lax cookies across sites.
        let mut cross_site_post = cross_site;
        for _ in 0..MOST_REDIRECTS {
            let mut request = self
                .http
                .request(method.clone(), url.clone())
                .header(header::USER_AGENT, &self.name)
                .header(header::ACCEPT, "text/html,*/*;q=0.8");
            let cookies = self.cookies_for(&url, cross_site_post);
            if !cookies.is_empty() {
                request = request.header(header::COOKIE, cookies);
            }
            if let Some(body) = &body {
                request = request
                    .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(body.clone());
            }
            let response = request
                .send()
                .await
                .unwrap_or_else(|problem| panic!("{method} {url}: {problem}"));
            self.store(&url, &response);
            let status = response.status();
            let location = response.headers().get(header::LOCATION);
            let next = location
                .filter(|_| status.is_redirection())
                .map(|location| {
                    url.join(location.to_str().expect("a header"))
                        .expect("a URL")
                });
            let Some(next) = next else {
                return page(url, response).await;
            };
            if !matches!(next.host_str(), Some("localhost" | "127.0.0.1")) {
                return page(next, response).await;
            }
            // 307 and 308 keep the method; no step of a sign-in relies on the others keeping it.
            if !matches!(status.as_u16(), 307 | 308) {
                (method, body, cross_site_post) = (Method::GET, None, false);
            }
            url = next;
        }
        panic!("more than {MOST_REDIRECTS} redirects, the last to {url}");
    }

    fn cookies_for(&self, url: &Url, cross_site_post: bool) -> String {
        let sent = self.cookies.iter().filter(|cookie| {
            Some(cookie.host.as_str()) == url.host_str()
                && url.path().starts_with(&cookie.path)
                && (cookie.cross_site || !cross_site_post)
        });
        let pairs: Vec<String> = sent
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        pairs.join("; ")
    }

    fn store(&mut self, url: &Url, response: &Response) {
        for line in response.headers().get_all(header::SET_COOKIE) {
            let line = line.to_str().expect("a cookie is ASCII");
            let mut parts = line.split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
                continue;
            };
            let mut cookie = Cookie {
                host: url.host_str().unwrap_or_default().to_owned(),
                path: "/".to_owned(),
                name: name.to_owned(),
                value: value.to_owned(),
                cross_site: false,
            };
            let mut gone = false;
            for part in parts {
                let (key, value) = part.split_once('=').unwrap_or((part, ""));
                match key.to_ascii_lowercase().as_str() {
                    "path" => cookie.path = value.to_owned(),
                    "samesite" => cookie.cross_site = value.eq_ignore_ascii_case("none"),
                    "max-age" => gone |= value.starts_with('-') || value == "0",
                    "expires" => gone |= value.contains(" 1970 ") || value.contains("-1970 "),
                    _ => {}
                }
            }
            self.cookies.retain(|known| {
                (&known.host, &known.path, &known.name)
                    != (&cookie.host, &cookie.path, &cookie.name)
            });
            if !gone {
                self.cookies.push(cookie);
            }
        }
    }
}

async fn page(url: Url, response: Response) -> Page {
    let status = response.status().as_u16();
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| {
            (
                name.to_string(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect();
    let body = response.bytes().await.expect("the body arrives");
    Page {
        url,
        status,
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}

fn encode(fields: &[(String, String)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}
