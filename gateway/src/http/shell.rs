//! What happens to every request, whichever face it is for: an id, the client's address, a log line, a
//! measurement, the security headers, and an answer even when a handler panics.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt;
use ipnet::IpNet;
use poem::{
    Endpoint, IntoResponse, Middleware, PathPattern, Request, Response, Result, http::StatusCode,
};
use tokio::time::Instant;
use tracing::Instrument;

use super::{
    client_ip::{ClientIp, peer_address},
    request_id::{RequestId, X_REQUEST_ID},
    security_headers,
};
use crate::{clock::Entropy, telemetry::Metrics};

/// The label of requests that no route took: their paths are up to strangers.
const UNMATCHED: &str = "unmatched";

/// Goes around all routes.
#[derive(Clone)]
pub struct Shell {
    pub entropy: Arc<dyn Entropy>,
    pub metrics: Metrics,
    /// [`crate::config::Config::trusted_proxies`].
    pub trusted_proxies: Vec<IpNet>,
    /// Whether the public URL is https.
    pub https: bool,
}

impl<E: Endpoint> Middleware<E> for Shell {
    type Output = ShellEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        ShellEndpoint {
            inner,
            shell: self.clone(),
        }
    }
}

pub struct ShellEndpoint<E> {
    inner: E,
    shell: Shell,
}

impl<E: Endpoint> Endpoint for ShellEndpoint<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let started = Instant::now();
        let id = RequestId::of(request.headers(), &*self.shell.entropy);
        let peer = peer_address(&request);
        let client = ClientIp::of(peer, request.headers(), &self.shell.trusted_proxies);
        let method = request.method().clone();
        request.set_data(id.clone());
        request.set_data(client);

        let span = tracing::info_span!("request", request_id = id.as_str());
        let mut response = self.answer(request).instrument(span.clone()).await;

        security_headers::apply(&mut response, self.shell.https);
        if let Some(id) = id.header_value() {
            response.headers_mut().insert(X_REQUEST_ID, id);
        }
        let status = response.status().as_u16();
        let pattern = response
            .data::<PathPattern>()
            .map(|pattern| pattern.0.clone());
        let route = pattern.as_deref().unwrap_or(UNMATCHED);
        let took = started.elapsed();
        self.shell
            .metrics
            .http_request(route, &method, status, took);
        let duration_ms = took.as_micros() as f64 / 1000.0;
        let (method, client_ip) = (method.as_str(), client.0.to_string());
        span.in_scope(|| {
            // Probes come every few seconds and say nothing while all is well.
            if status < 500 && (route.starts_with("/health/") || route == "/metrics") {
                tracing::debug!(method, route, status, duration_ms, client_ip, "answered");
            } else {
                tracing::info!(method, route, status, duration_ms, client_ip, "answered");
            }
        });
        Ok(response)
    }
}

impl<E: Endpoint> ShellEndpoint<E> {
    async fn answer(&self, request: Request) -> Response {
        let result = AssertUnwindSafe(self.inner.call(request))
            .catch_unwind()
            .await;
        match result {
            Ok(Ok(output)) => output.into_response(),
            // An error that no face has put into its own words. Ours are not for strangers' eyes.
            Ok(Err(error)) if error.status().is_server_error() => {
                tracing::error!(%error, "a request failed");
                let mut response = fault();
                // Keeps the route for the log.
                *response.extensions_mut() = error.into_response().extensions().clone();
                response
            }
            Ok(Err(error)) => error.into_response(),
            // The panic hook has logged where; the payload may hold anything.
            Err(_) => {
                tracing::error!("a request panicked");
                fault()
            }
        }
    }
}

fn fault() -> Response {
    Response::builder()
        .status(StatusCode::INTERNAL_SERVER_ERROR)
        .content_type("text/plain; charset=utf-8")
        .body("Internal error. The header X-Request-Id names it.")
}

#[cfg(test)]
mod tests {
    use poem::{EndpointExt, Route, endpoint::make};

    use super::*;

    struct Ones;

    impl Entropy for Ones {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(1);
        }
    }

    fn server() -> (impl Endpoint<Output = Response>, Metrics) {
        let metrics = Metrics::new().unwrap();
        let shell = Shell {
            entropy: Arc::new(Ones),
            metrics: metrics.clone(),
            trusted_proxies: Vec::new(),
            https: false,
        };
        let api = Route::new()
            .at("/things/:id", make(async |_| "thing"))
            .at(
                "/panic",
                make(async |request: Request| -> String { panic!("{}", request.uri()) }),
            )
            .at(
                "/fault",
                make(async |_| {
                    let error = std::io::Error::other("canary: postgres://tenon:hunter2@db");
                    Err::<String, _>(poem::Error::new(error, StatusCode::BAD_GATEWAY))
                }),
            );
        (Route::new().nest("/api", api).with(shell), metrics)
    }

    fn get(path: &str) -> Request {
        Request::builder().uri(path.parse().unwrap()).finish()
    }

    #[tokio::test]
    async fn every_answer_names_its_request() {
        let (server, _) = server();
        let mut given = get("/api/things/1");
        given
            .headers_mut()
            .insert(X_REQUEST_ID, "from-the-proxy".parse().unwrap());
        let answer = server.get_response(given).await;
        assert_eq!(answer.header(X_REQUEST_ID), Some("from-the-proxy"));
        for path in ["/api/things/1", "/nowhere", "/api/panic", "/api/fault"] {
            let answer = server.get_response(get(path)).await;
            assert_eq!(answer.header(X_REQUEST_ID), Some("01".repeat(16).as_str()));
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        }
    }

    #[tokio::test]
    async fn measurements_name_the_route_and_never_the_path() {
        let (server, metrics) = server();
        for path in [
            "/api/things/canary-1",
            "/api/things/canary-2",
            "/canary-3",
            "/api/fault",
        ] {
            server.get_response(get(path)).await;
        }
        let text = metrics.render().unwrap();
        assert!(!text.contains("canary"), "{text}");
        let counts: Vec<&str> = text
            .lines()
            .filter(|line| line.contains("_count{"))
            .collect();
        insta::assert_snapshot!(counts.join("\n"), @r#"
        http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="/api/things/:id"} 2
        http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="404",http_route="unmatched"} 1
        http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="500",http_route="/api/fault"} 1
        "#);
    }

    #[tokio::test]
    async fn a_fault_of_ours_tells_nothing_but_its_id() {
        let (server, _) = server();
        for path in ["/api/panic", "/api/fault"] {
            let answer = server.get_response(get(path)).await;
            assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
            let text = answer.into_body().into_string().await.unwrap();
            assert_eq!(text, "Internal error. The header X-Request-Id names it.");
        }
    }
}
