//! The face that directories see: SCIM 2.0 below `/scim/v2/{dir}` (RFC 7644, CONTRACT section 6).
//!
//! Who calls is decided first, before the path behind the directory's id and before the body: without a
//! token that fits, everything is 401 (SECURITY-MODEL G13).

mod answer;
mod discovery;
mod error;
mod groups;
mod request;
mod search;
mod users;

use poem::http::Method;
use poem::{Endpoint, EndpointExt, Request, Response};

use self::answer::Answer;
use self::error::Refusal;
use self::request::Call;
use crate::app::App;
use crate::error::Error;
use crate::flows::provisioning::Push;
use crate::http::limits::{BodyLimit, Limit};
use crate::http::request_id::RequestId;

/// Room for a group of some 20,000 members, or for 5,000 operations.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// Everything below `/scim/v2`.
pub(crate) fn routes(app: &App) -> impl Endpoint + 'static {
    Scim { app: app.clone() }.with(BodyLimit(MAX_BODY))
}

struct Scim {
    app: App,
}

impl Endpoint for Scim {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        Ok(match self.answer(request).await {
            Ok(answer) => answer.into_response(),
            Err(refusal) => refusal.into_response(),
        })
    }
}

impl Scim {
    async fn answer(&self, request: Request) -> Result<Answer, Refusal> {
        let path = request.uri().path().trim_matches('/').to_owned();
        let (directory, rest) = path.split_once('/').unwrap_or((&path, ""));
        let push = self.authenticate(&request, directory).await?;
        self.app
            .rate_limits
            .check(Limit::Directory, push.scope.directory())
            .map_err(Error::from)?;
        let call = Call::new(push, request);
        let segments: Vec<&str> = rest
            .split('/')
            .filter(|segment| !segment.is_empty())
            .collect();
        route(call, &segments).await
    }

    async fn authenticate(&self, request: &Request, directory: &str) -> Result<Push, Refusal> {
        let request_id = request.data().map(RequestId::to_string).unwrap_or_default();
        let Some(token) = request::bearer_token(request.headers()) else {
            return Err(Refusal::Unauthorized { token_given: false });
        };
        match Push::authenticate(&self.app, directory, token, &request_id).await {
            Err(Error::Unauthorized) => Err(Refusal::Unauthorized { token_given: true }),
            other => Ok(other?),
        }
    }
}

/// RFC 7644 section 3.2. HEAD is a GET whose body the server drops.
async fn route(call: Call, path: &[&str]) -> Result<Answer, Refusal> {
    let method = call.method();
    match path {
        [] | [".search"] => match (method, path) {
            (Method::GET | Method::HEAD, []) => search::all(call.query()?, &call).await,
            (Method::POST, [".search"]) => search::all(call.search().await?, &call).await,
            _ => Err(Refusal::MethodNotAllowed),
        },
        ["Users"] => match method {
            Method::GET | Method::HEAD => users::list(call.query()?, &call).await,
            Method::POST => users::create(call).await,
            _ => Err(Refusal::MethodNotAllowed),
        },
        ["Users", ".search"] => match method {
            Method::POST => users::list(call.search().await?, &call).await,
            _ => Err(Refusal::MethodNotAllowed),
        },
        ["Users", id] => match method {
            Method::GET | Method::HEAD => users::find(call, id).await,
            Method::PUT => users::replace(call, id).await,
            Method::PATCH => users::patch(call, id).await,
            Method::DELETE => users::delete(call, id).await,
            _ => Err(Refusal::MethodNotAllowed),
        },
        ["Groups"] => match method {
            Method::GET | Method::HEAD => groups::list(call.query()?, &call).await,
            Method::POST => groups::create(call).await,
            _ => Err(Refusal::MethodNotAllowed),
        },
        ["Groups", ".search"] => match method {
            Method::POST => groups::list(call.search().await?, &call).await,
            _ => Err(Refusal::MethodNotAllowed),
        },
        ["Groups", id] => match method {
            Method::GET | Method::HEAD => groups::find(call, id).await,
            Method::PUT => groups::replace(call, id).await,
            Method::PATCH => groups::patch(call, id).await,
            Method::DELETE => groups::delete(call, id).await,
            _ => Err(Refusal::MethodNotAllowed),
        },
        [
            document @ ("ServiceProviderConfig" | "ResourceTypes" | "Schemas"),
            rest @ ..,
        ] => {
            if !matches!(method, Method::GET | Method::HEAD) {
                return Err(Refusal::MethodNotAllowed);
            }
            discovery::find(&call, document, rest)
        }
        _ => Err(Error::NotFound("endpoint").into()),
    }
}

#[cfg(test)]
mod tests;
