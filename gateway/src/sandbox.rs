//! The sandbox of `tenon dev`: a practice identity provider, a practice directory and a sample application in
//! a web server of their own. They know the gateway only by its URL and by one API key, as real ones would, so
//! this module is also the example of an integration.

pub mod api;
mod app;
mod directory;
pub mod idp;
pub mod people;
pub mod seed;
pub(crate) mod state;

use std::{
    io,
    net::SocketAddr,
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use askama::Template;
use poem::{
    Endpoint, EndpointExt, IntoResponse, Request, Response, Route, Server, get, handler,
    http::{Method, StatusCode, header},
    listener::{Acceptor as _, Listener as _, TcpListener},
    web::{Data, Redirect},
};
use tokio::{sync::oneshot, task::JoinHandle};
use url::Url;

use crate::{
    clock::{Clock, Entropy, SystemClock, SystemEntropy},
    http::{
        assets,
        pages::{self, Page},
    },
};

use api::{ApiClient, ApiError};
use app::SampleApp;
use directory::PracticeDirectory;
use idp::{IdpError, IdpKeys, PracticeIdp};
use people::ACME_DOMAIN;
use seed::{SeedError, Seeded};

/// How long the gateway may take to answer its first request.
const GATEWAY_PATIENCE: Duration = Duration::from_secs(15);

/// The server of the sandbox, until it is stopped.
pub struct RunningSandbox {
    url: String,
    gateway_url: String,
    stop: oneshot::Sender<()>,
    server: JoinHandle<io::Result<()>>,
}

#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("the sandbox cannot listen on {address}: {source}")]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("{0}")]
    Idp(#[from] IdpError),
    #[error("the sandbox has no HTTP client: {0}")]
    Http(#[from] reqwest::Error),
    #[error("the sandbox could not be set up: {0}")]
    Seed(#[from] SeedError),
}

/// What all pages share.
struct Sandbox {
    /// `http://127.0.0.1:8081`, without a slash at the end.
    url: String,
    gateway_url: String,
    ready: OnceLock<Ready>,
}

/// What exists once the gateway has been set up.
struct Ready {
    seeded: Seeded,
    directory: PracticeDirectory,
    app: SampleApp,
}

impl Sandbox {
    fn ready(&self) -> Option<&Ready> {
        self.ready.get()
    }
}

/// Starts the sandbox beside a gateway that already answers at `gateway_url`, and sets the gateway up through
/// its management API. `listen` may have port 0. Keys and secrets are kept in `state_dir`, so that the next
/// start finds what this one made.
pub async fn start(
    listen: SocketAddr,
    gateway_url: Url,
    api_key: String,
    state_dir: &Path,
) -> Result<RunningSandbox, SandboxError> {
    let cannot_listen = |source| SandboxError::Listen {
        address: listen,
        source,
    };
    let acceptor = TcpListener::bind(listen)
        .into_acceptor()
        .await
        .map_err(cannot_listen)?;
    let port = acceptor
        .local_addr()
        .iter()
        .find_map(|address| address.as_socket_addr().map(SocketAddr::port))
        .unwrap_or(listen.port());
    let url = format!("http://127.0.0.1:{port}");
    let gateway_url = gateway_url.as_str().trim_end_matches('/').to_owned();

    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let idp = Arc::new(PracticeIdp::new(
        &format!("{url}/idp"),
        IdpKeys::load_or_generate(&state_dir.join("sandbox-idp.json"))?,
        people::seeded(),
        Arc::clone(&clock),
        Arc::clone(&entropy),
    ));
    idp.trust(&gateway_url);
    let sandbox = Arc::new(Sandbox {
        url: url.clone(),
        gateway_url: gateway_url.clone(),
        ready: OnceLock::new(),
    });

    // The server comes first: while it is being set up, the gateway reads the practice IdP's documents.
    let (stop, stopped) = oneshot::channel();
    let routes = routes(Arc::clone(&sandbox), Arc::clone(&idp));
    let server = tokio::spawn(
        Server::new_with_acceptor(acceptor).run_with_graceful_shutdown(
            routes,
            async {
                // An error means that the sender is gone, which is as good as a signal.
                let _ = stopped.await;
            },
            Some(Duration::from_secs(2)),
        ),
    );
    let running = RunningSandbox {
        url: url.clone(),
        gateway_url: gateway_url.clone(),
        stop,
        server,
    };

    let http = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(30))
        .build()?;
    let api = ApiClient::new(http.clone(), &gateway_url, api_key);
    wait_for_gateway(&api).await?;
    let file = state_dir.join("sandbox.json");
    let seeded = seed::seed(&api, &idp, &url, &file, entropy.token()).await?;

    let acme = people::seeded()
        .into_iter()
        .filter(|person| person.domain() == ACME_DOMAIN)
        .collect();
    let directory = PracticeDirectory::new(
        http.clone(),
        seeded.scim_base_url.clone(),
        seeded.scim_token.clone(),
        acme,
        Arc::clone(&clock),
    );
    directory.resume().await;
    let app = SampleApp::new(http, &gateway_url, &url, &seeded, clock, entropy);
    let _ = sandbox.ready.set(Ready {
        seeded,
        directory,
        app,
    });
    Ok(running)
}

impl RunningSandbox {
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What `tenon dev` prints. The key is one of this machine's own sandbox.
    pub fn banner(&self, api_key: &str) -> String {
        let Self {
            url, gateway_url, ..
        } = self;
        format!(
            "\n\
             Sandbox             {url}\n\
             Sample app          {url}/app\n\
             Webhooks            {url}/app/webhooks\n\
             Practice directory  {url}/directory\n\
             Practice IdP        {url}/idp\n\
             Gateway             {gateway_url}\n\
             API                 {gateway_url}/api/docs\n\
             API key             {api_key}\n\
             \n\
             1. Open {url}/app and sign in as ada@acme.example: Acme uses SAML.\n\
             2. Sign out, and sign in as gina@globex.example: Globex uses OpenID Connect.\n\
             3. Push Acme's people at {url}/directory, and see the events arrive at {url}/app/webhooks.\n\
             4. Turn Ben off in the directory, and try to sign in as ben@acme.example.\n\
             5. Sign in as ada@acme.example again, let something go wrong, and read what the page says.\n\
             6. Ask the API: curl -H 'Authorization: Bearer {api_key}' '{gateway_url}/api/v1/logins?limit=1'\n"
        )
    }

    /// Ends the server; what is under way has two seconds.
    pub async fn stop(self) -> io::Result<()> {
        let _ = self.stop.send(());
        self.server.await.map_err(io::Error::other)?
    }
}

/// The gateway was told to start, but may not accept connections yet.
async fn wait_for_gateway(api: &ApiClient) -> Result<(), SeedError> {
    let started = tokio::time::Instant::now();
    loop {
        match api.get("/roles").await {
            Ok(_) => return Ok(()),
            Err(error @ ApiError::Unreachable { .. }) => {
                if started.elapsed() > GATEWAY_PATIENCE {
                    return Err(error.into());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn routes(sandbox: Arc<Sandbox>, idp: Arc<PracticeIdp>) -> impl Endpoint<Output = Response> {
    let route = Route::new()
        .at("/", get(home))
        .nest("/app", app::routes())
        .nest("/directory", directory::routes())
        .nest("/idp", idp::routes(idp));
    assets::mount(route, false)
        .catch_error(|_: poem::error::NotFoundError| async {
            pages::error_of_status(StatusCode::NOT_FOUND, None)
        })
        .data(sandbox)
        .around(refuse_other_sites)
        .around(keep_to_one_host)
        .map_to_response()
}

/// The sandbox has one host, `127.0.0.1`, because cookies ignore ports and the gateway has `localhost`: they stay
/// two sites, as they are in life. A page asked for under another name is answered with the way to the right one,
/// or a sign-in would begin with a cookie that its end does not get to see.
async fn keep_to_one_host<E: Endpoint>(next: Arc<E>, request: Request) -> poem::Result<Response> {
    let host = request.header(header::HOST).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if request.method() == Method::GET && name.eq_ignore_ascii_case("localhost") {
        let place = request.uri().path_and_query().map_or("/", |it| it.as_str());
        let port = host.get(name.len()..).unwrap_or_default();
        let to = format!("http://127.0.0.1{port}{place}");
        return Ok(Redirect::temporary(to).into_response());
    }
    Ok(next.call(request).await?.into_response())
}

/// Forms of the sandbox are sent from its own pages. Browsers say where a request comes from (Fetch Metadata);
/// gateways and tests say nothing. The IdP's sign-on address is the exception: it is meant for other sites.
async fn refuse_other_sites<E: Endpoint>(next: Arc<E>, request: Request) -> poem::Result<Response> {
    let foreign = request
        .header("sec-fetch-site")
        .is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let open = request.method() != Method::POST || request.uri().path() == "/idp/saml/sso";
    if foreign && !open {
        return Ok(pages::error_of_status(StatusCode::FORBIDDEN, None).into_response());
    }
    let mut response = next.call(request).await?.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        header::HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        header::HeaderValue::from_static("no-referrer"),
    );
    Ok(response)
}

#[derive(Template)]
#[template(path = "sandbox/home.html")]
struct HomePage<'a> {
    gateway_url: &'a str,
}

#[handler]
fn home(Data(sandbox): Data<&Arc<Sandbox>>) -> Page {
    Page::new(
        &HomePage {
            gateway_url: &sandbox.gateway_url,
        },
        StatusCode::OK,
    )
}

/// Before the gateway is set up, which takes a moment.
fn starting() -> Page {
    let mut page = pages::notice(&pages::NoticePage {
        title: "The sandbox is starting",
        text: "Reload this page in a moment.",
        link: None,
    });
    page.status = StatusCode::SERVICE_UNAVAILABLE;
    page
}
