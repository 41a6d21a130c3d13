//! Forms that our pages post, and the redirects that follow them: Chromium applies a page's `form-action` to both.

use std::net::SocketAddr;

use gateway::sandbox::people::Person;
use integration::{Chromium, Idp, RelyingParty, Tenon, UserAgent, text};
use poem::listener::{Acceptor as _, Listener as _, TcpListener};
use poem::{Route, Server, get, handler, http::StatusCode, web::Html, web::Path};
use serde_json::json;

/// The application: `/callback` and `/goodbye/…` of one origin send the browser on to another one's page.
struct Application {
    address: SocketAddr,
}

#[handler]
fn onward(Path(page): Path<String>, request: &poem::Request) -> poem::Response {
    let address = request.local_addr().as_socket_addr().copied();
    let port = address.map(|address| address.port()).unwrap_or_default();
    poem::Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header("location", format!("http://localhost:{port}/page/{page}"))
        .finish()
}

#[handler]
fn shown(Path(page): Path<String>) -> Html<String> {
    Html(format!("<!doctype html><title>App</title><h1>{page}</h1>"))
}

impl Application {
    async fn start() -> Self {
        let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await;
        let acceptor = acceptor.expect("a free port");
        let address = acceptor.local_addr().remove(0);
        let app = Route::new()
            .at("/onward/:page", get(onward).post(onward))
            .at("/page/:page", get(shown));
        tokio::spawn(async move {
            let _ = Server::new_with_acceptor(acceptor).run(app).await;
        });
        Self {
            address: *address.as_socket_addr().expect("a socket address"),
        }
    }

    fn url(&self, page: &str) -> String {
        format!("http://{}/onward/{page}", self.address)
    }
}

async fn assert_no_policy_stood_in_the_way(browser: &mut Chromium) {
    let mut problems = browser.problems().await;
    problems.retain(|problem| problem.contains("Content Security Policy"));
    assert_eq!(problems, Vec::<String>::new());
}

#[tokio::test]
async fn an_answer_by_post_may_be_redirected_by_the_application() {
    let (tenon, mut browser) = tokio::join!(Tenon::start(), Chromium::start());
    let organization = tenon.api().organization("Acme", &["acme.example"]).await;
    let idp = Idp::start(&tenon, &["ada@acme.example"]).await;
    idp.saml_connection(&tenon, &organization, json!({"sso_binding": "post"}))
        .await;
    let application = Application::start().await;
    let callback = application.url("callback");
    let registered = json!({"name": "App", "redirect_uris": [callback]});
    let app = RelyingParty::register_with(&tenon, registered).await;
    let encode =
        |url: &str| -> String { url::form_urlencoded::byte_serialize(url.as_bytes()).collect() };
    let asked = app.authorize_url("login_hint=ada@acme.example&response_mode=form_post");
    let asked = asked.replace(&encode(RelyingParty::REDIRECT_URI), &encode(&callback));
    browser.goto(&asked).await;
    browser.click("button:has-text('ada')").await;
    // The practice IdP of the tests has no scripts.
    browser.click("button:has-text('Continue')").await;
    browser.wait_for("h1:has-text('callback')").await;
    assert_no_policy_stood_in_the_way(&mut browser).await;
    drop(tenon);
}

#[tokio::test]
async fn a_long_request_to_end_the_providers_session_leads_back_to_the_application() {
    let (tenon, mut browser) = tokio::join!(Tenon::start(), Chromium::start());
    let organization = tenon.api().organization("Acme", &["acme.example"]).await;
    let mut ada = Person::with_email("ada@acme.example");
    // Too many for an address: the id token that is the hint goes by a form.
    ada.groups = (0..300).map(|n| format!("Department {n:04}")).collect();
    let idp = Idp::start_with(&tenon, vec![ada]).await;
    let settings = json!({
        "logout_at_idp": true,
        "scopes": ["openid", "email", "profile", "groups"],
    });
    idp.oidc_connection(&tenon, &organization, settings).await;
    let application = Application::start().await;
    let goodbye = application.url("goodbye");
    let registered = json!({
        "name": "App",
        "redirect_uris": [RelyingParty::REDIRECT_URI],
        "post_logout_redirect_uris": [goodbye],
    });
    let app = RelyingParty::register_with(&tenon, registered).await;
    let mut agent = UserAgent::new();
    let page = agent
        .get(&app.authorize_url("login_hint=ada@acme.example"))
        .await;
    let landed = idp
        .sign_in(&mut agent, &page, "ada@acme.example", None)
        .await;
    let tokens = app.redeem(&landed).await.expect(200);
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("id_token_hint", &text(&tokens["id_token"]))
        .append_pair("post_logout_redirect_uri", &goodbye)
        .finish();
    let url = format!("{}/oauth/logout?{query}", tenon.url());
    browser.goto(&url).await;
    browser.wait_for("h1:has-text('goodbye')").await;
    let asked = browser.requests().await;
    let end = format!("{}/end_session", idp.practice().oidc_issuer());
    assert!(asked.contains(&end), "{asked:?}");
    assert_no_policy_stood_in_the_way(&mut browser).await;
    drop(tenon);
}
