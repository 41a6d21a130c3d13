//! Every operation, made to answer problems only: whatever an extractor or poem itself raises is put into our
//! words, and a query parameter that the operation does not have is refused rather than ignored, because a
//! mistyped filter would show everything.

use std::collections::HashMap;

use poem::endpoint::{BoxEndpoint, make_sync};
use poem::{Endpoint, EndpointExt, IntoResponse, Request, Response};
use poem_openapi::OpenApi;
use poem_openapi::registry::{MetaApi, MetaParamIn, Registry};

use super::problem::Problem;
use super::request_id;
use crate::error::{Error, FieldProblem};

/// Wraps the operations of an API.
pub(super) struct Strict<A>(pub A);

impl<A: OpenApi> OpenApi for Strict<A> {
    fn meta() -> Vec<MetaApi> {
        A::meta()
    }

    fn register(registry: &mut Registry) {
        A::register(registry);
    }

    fn add_routes(self, table: &mut HashMap<String, HashMap<http::Method, BoxEndpoint<'static>>>) {
        let parameters = query_parameters(A::meta());
        let mut plain = HashMap::new();
        self.0.add_routes(&mut plain);
        for (path, methods) in plain {
            let shape = shape(&path);
            let refused = refused_methods(methods.keys());
            let strict = methods.into_iter().map(|(method, inner)| {
                let known = parameters
                    .get(&(shape.clone(), method.clone()))
                    .cloned()
                    .unwrap_or_default();
                (method, StrictEndpoint { inner, known }.boxed())
            });
            table.entry(path).or_default().extend(strict.chain(refused));
        }
    }
}

/// Endpoints for the usual methods that a path does not take: RFC 9110 15.5.6 wants `Allow` in a 405.
fn refused_methods<'a>(
    taken: impl Iterator<Item = &'a http::Method>,
) -> Vec<(http::Method, BoxEndpoint<'static>)> {
    use http::Method;
    let taken: Vec<&Method> = taken.collect();
    let mut names: Vec<&str> = taken.iter().map(|method| method.as_str()).collect();
    names.sort_unstable();
    let allow = names.join(", ");
    [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ]
    .into_iter()
    .filter(|method| !taken.contains(&method))
    .map(|method| {
        let allow = allow.clone();
        let endpoint = make_sync(move |request| {
            Problem::of_status(http::StatusCode::METHOD_NOT_ALLOWED)
                .render(&request_id(&request))
                .with_header(http::header::ALLOW, allow.clone())
        });
        (method, endpoint.map_to_response().boxed())
    })
    .collect()
}

type Parameters = HashMap<(String, http::Method), Vec<String>>;

fn query_parameters(apis: Vec<MetaApi>) -> Parameters {
    let mut parameters = Parameters::new();
    for path in apis.into_iter().flat_map(|api| api.paths) {
        for operation in path.operations {
            let names = operation
                .params
                .into_iter()
                .filter(|parameter| parameter.in_type == MetaParamIn::Query)
                .map(|parameter| parameter.name)
                .collect();
            parameters.insert((shape(&path.path), operation.method), names);
        }
    }
    parameters
}

/// `/a/{id}` of the document and `/a/:param0` of the router are the same path.
fn shape(path: &str) -> String {
    path.split('/')
        .map(|part| {
            if part.starts_with([':', '{']) {
                "*"
            } else {
                part
            }
        })
        .collect::<Vec<_>>()
        .join("/")
}

struct StrictEndpoint {
    inner: BoxEndpoint<'static>,
    known: Vec<String>,
}

impl StrictEndpoint {
    fn unknown_parameters(&self, request: &Request) -> Vec<FieldProblem> {
        let query = request.uri().query().unwrap_or_default();
        url::form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| !self.known.iter().any(|known| known == name))
            .map(|(name, _)| FieldProblem::new(name, "is not a query parameter of this operation"))
            .collect()
    }
}

impl Endpoint for StrictEndpoint {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let request_id = request_id(&request);
        let unknown = self.unknown_parameters(&request);
        let result = if unknown.is_empty() {
            self.inner.call(request).await
        } else {
            Err(Problem::from(Error::Invalid(unknown)).into())
        };
        Ok(match result {
            Ok(response) => response.into_response(),
            Err(error) => Problem::from_poem(error).render(&request_id),
        })
    }
}

/// For what no operation saw: an unknown path, or a method of another kind.
pub(super) async fn unmatched<E: Endpoint>(
    inner: std::sync::Arc<E>,
    request: Request,
) -> poem::Result<Response> {
    let request_id = request_id(&request);
    let response = match inner.call(request).await {
        Ok(output) => output.into_response(),
        Err(error) => return Ok(Problem::from_poem(error).render(&request_id)),
    };
    let status = response.status();
    let ours = response.headers().contains_key(http::header::CONTENT_TYPE)
        && response
            .content_type()
            .is_some_and(|it| it == "application/problem+json");
    if ours || status.is_success() || status.is_redirection() || status.is_informational() {
        return Ok(response);
    }
    Ok(Problem::of_status(status).render(&request_id))
}
