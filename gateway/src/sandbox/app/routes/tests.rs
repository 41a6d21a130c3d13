//! The sample application against an OpenID provider: the practice IdP's own.

use std::{collections::HashMap, sync::OnceLock};

use poem::{
    Endpoint, EndpointExt, Server,
    http::Method,
    listener::{Acceptor as _, Listener as _, TcpListener},
};

use super::*;
use crate::{
    clock::{SystemClock, SystemEntropy},
    sandbox::{
        Ready,
        directory::PracticeDirectory,
        idp::{self, AuthorizeRequest, Fault, IdpKeys, OidcClient, PracticeIdp},
        people,
        seed::Seeded,
    },
};

struct World {
    idp: Arc<PracticeIdp>,
    sandbox: Arc<Sandbox>,
}

impl World {
    async fn start() -> Self {
        let acceptor = TcpListener::bind("127.0.0.1:0")
            .into_acceptor()
            .await
            .unwrap();
        let address = acceptor.local_addr()[0].as_socket_addr().copied().unwrap();
        let idp = Arc::new(PracticeIdp::new(
            &format!("http://{address}/idp"),
            IdpKeys::generate().unwrap(),
            people::seeded(),
            Arc::new(SystemClock),
            Arc::new(SystemEntropy),
        ));
        let routes = Route::new().nest("/idp", idp::routes(Arc::clone(&idp)));
        tokio::spawn(Server::new_with_acceptor(acceptor).run(routes));
        idp.trust("http://app.example");
        idp.register_client(OidcClient {
            client_id: "app".into(),
            client_secret: "s".into(),
        });

        let seeded = Seeded {
            acme_id: "org_1".into(),
            globex_id: "org_2".into(),
            scim_base_url: "http://app.example/scim".into(),
            scim_token: "t".into(),
            client_id: "app".into(),
            client_secret: "s".into(),
            webhook_secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into(),
        };
        let http = reqwest::Client::new();
        let url = "http://app.example".to_owned();
        let issuer = idp.oidc_issuer();
        let clock: Arc<dyn crate::clock::Clock> = Arc::new(SystemClock);
        let app = SampleApp::new(
            http.clone(),
            &issuer,
            &url,
            &seeded,
            Arc::clone(&clock),
            Arc::new(SystemEntropy),
        );
        let directory =
            PracticeDirectory::new(http, String::new(), String::new(), Vec::new(), clock);
        let ready = OnceLock::new();
        let _ = ready.set(Ready {
            seeded,
            directory,
            app,
        });
        Self {
            idp,
            sandbox: Arc::new(Sandbox {
                url,
                gateway_url: issuer,
                ready,
            }),
        }
    }

    async fn send(&self, method: Method, path: &str, cookie: &str) -> Response {
        let request = Request::builder()
            .method(method)
            .uri_str(path)
            .header("cookie", cookie)
            .finish();
        routes()
            .data(Arc::clone(&self.sandbox))
            .get_response(request)
            .await
    }

    /// To the provider and back: the callback's path, and the cookie of the browser that started.
    async fn until_callback(&self, fault: Option<Fault>) -> (String, String) {
        let started = self
            .send(Method::GET, "/login?login_hint=gina%40globex.example", "")
            .await;
        let sent = query(started.header("location").unwrap());
        assert_eq!(sent["login_hint"], "gina@globex.example");
        let request = AuthorizeRequest {
            client_id: sent["client_id"].clone(),
            redirect_uri: sent["redirect_uri"].clone(),
            state: sent["state"].clone(),
            nonce: sent.get("nonce").cloned(),
            scope: sent["scope"].clone(),
            code_challenge: sent.get("code_challenge").cloned(),
            acr_values: String::new(),
        };
        let back = self
            .idp
            .authorize(&request, &self.idp.people()[4], fault)
            .unwrap();
        (
            back.replace("http://app.example/app", ""),
            cookie_of(&started),
        )
    }
}

fn query(url: &str) -> HashMap<String, String> {
    url::Url::parse(url)
        .unwrap()
        .query_pairs()
        .into_owned()
        .collect()
}

fn cookie_of(response: &Response) -> String {
    response
        .header("set-cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned()
}

async fn text(response: Response) -> String {
    response.into_body().into_string().await.unwrap()
}

#[tokio::test]
async fn a_person_signs_in_and_out() {
    let world = World::start().await;
    let (back, browser) = world.until_callback(None).await;
    let answer = world.send(Method::GET, &back, &browser).await;
    assert_eq!(answer.header("location"), Some("/app"));
    let session = cookie_of(&answer);

    let page = text(world.send(Method::GET, "/", &session).await).await;
    assert!(
        page.contains("Hello, Gina Holt") && page.contains("gina@globex.example"),
        "{page}"
    );

    world.send(Method::POST, "/sign-out", &session).await;
    let page = text(world.send(Method::GET, "/", &session).await).await;
    assert!(page.contains("Sign in with SSO"));
}

#[tokio::test]
async fn another_browser_or_a_second_time_signs_nobody_in() {
    let world = World::start().await;
    let (back, browser) = world.until_callback(None).await;
    let (_, another) = world.until_callback(None).await;
    for (browser, status) in [
        ("", StatusCode::BAD_REQUEST),
        (&*another, StatusCode::BAD_REQUEST),
        (&*browser, StatusCode::SEE_OTHER),
        (&*browser, StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(
            world.send(Method::GET, &back, browser).await.status(),
            status
        );
    }
}

#[tokio::test]
async fn an_id_token_with_a_flaw_signs_nobody_in() {
    let world = World::start().await;
    for (fault, said) in [
        (Fault::WrongNonce, "nonce"),
        (Fault::WrongAudience, "InvalidAudience"),
        (Fault::WrongIssuer, "InvalidIssuer"),
        (Fault::WrongKey, "InvalidSignature"),
        (Fault::Expired, "ExpiredSignature"),
        (Fault::Refused, "access_denied"),
        (Fault::BadSecret, "invalid_client"),
    ] {
        let (back, browser) = world.until_callback(Some(fault)).await;
        let answer = world.send(Method::GET, &back, &browser).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        let page = text(answer).await;
        assert!(page.contains(said), "{fault:?}: {page}");
    }
}
