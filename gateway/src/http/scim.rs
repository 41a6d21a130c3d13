//! The face that directories see: SCIM 2.0 below `/scim/v2/{dir}` (RFC 7644, CONTRACT section 6).
//!
//! Who calls is decided first, before the path behind the directory's id and before the body: without a
//! token that fits, everything is 401 (SECURITY-MODEL G13).

mod answer;
mod bulk;
mod cursor;
mod discovery;
mod error;
mod excerpt;
mod groups;
mod record;
mod request;
mod search;
mod target;
mod users;

use poem::http::Method;
use poem::{Endpoint, EndpointExt, PathPattern, Request, Response};
use scim::ResourceType;

use self::answer::Answer;
use self::error::Refusal;
use self::record::{Caller, Record};
use self::request::Call;
use self::target::Target;
use crate::app::App;
use crate::error::Error;
use crate::flows::provisioning::{NotAdmitted, Push};
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
        let path = request.uri().path().trim_matches('/').to_owned();
        let mut segments = path.split('/').filter(|segment| !segment.is_empty());
        let directory = segments.next().unwrap_or_default();
        let below = path.strip_prefix(directory).unwrap_or_default();
        let target = Target::of(&segments.collect::<Vec<_>>());
        let operation = target.operation(request.method());
        let mut response = match self.answer(request, directory, below, target).await {
            Ok(answer) => answer.into_response(),
            Err(refusal) => refusal.into_response(),
        };
        let outcome = match response.status() {
            status if status.is_server_error() => "failed",
            status if status.is_client_error() => "refused",
            _ => "succeeded",
        };
        let resource = target.resource();
        self.app
            .metrics
            .scim_operation(resource, operation, outcome);
        response.set_data(PathPattern(target.pattern().into()));
        Ok(response)
    }
}

impl Scim {
    async fn answer(
        &self,
        request: Request,
        directory: &str,
        below: &str,
        target: Target<'_>,
    ) -> Result<Answer, Refusal> {
        let (push, turned_away) = self.authenticate(&request, directory).await?;
        let call = |push| {
            let caller = Caller::of(&request);
            Call::new(push, caller, request)
        };
        if let Some(refusal) = turned_away {
            record::one_of_many(&push.clone(), || call(push), target, below, &refusal);
            return Err(refusal);
        }
        let call = call(push);
        let record = Record::begin(&call, target, below);
        let result = serve(call, target).await;
        record.end(&result);
        result
    }

    /// Who calls, and why nothing is done for them all the same.
    async fn authenticate(
        &self,
        request: &Request,
        directory: &str,
    ) -> Result<(Push, Option<Refusal>), Refusal> {
        let request_id = request.data().map(RequestId::to_string).unwrap_or_default();
        let Some(token) = request::bearer_token(request.headers()) else {
            return Err(Refusal::Unauthorized { token_given: false });
        };
        let push = match Push::authenticate(&self.app, directory, token, &request_id).await {
            Ok(push) => push,
            Err(NotAdmitted::Expired { push, at }) => {
                return Ok((*push, Some(Refusal::TokenExpired { at })));
            }
            Err(NotAdmitted::Error(Error::Unauthorized)) => {
                return Err(Refusal::Unauthorized { token_given: true });
            }
            Err(NotAdmitted::Error(error)) => return Err(error.into()),
        };
        let within = self
            .app
            .rate_limits
            .check(Limit::Directory, push.scope.directory());
        Ok((
            push,
            within.err().map(|limited| Error::from(limited).into()),
        ))
    }
}

/// One request, or a bulk of them.
async fn serve(call: Call, target: Target<'_>) -> Result<Answer, Refusal> {
    match (target, call.method()) {
        (Target::Bulk, &Method::POST) => bulk::run(call).await,
        _ => serve_one(call, target).await,
    }
}

/// RFC 7644 section 3.2. HEAD is a GET whose body the server drops.
async fn serve_one(call: Call, target: Target<'_>) -> Result<Answer, Refusal> {
    use ResourceType::{Group, User};
    let read = matches!(call.method(), &Method::GET | &Method::HEAD);
    match (target, call.method().clone()) {
        (Target::Root, _) if read => search::all(call.query()?, &call).await,
        (Target::Search(None), Method::POST) => search::all(call.search().await?, &call).await,
        (Target::Search(Some(User)), Method::POST) => {
            users::list(call.search().await?, &call).await
        }
        (Target::Search(Some(Group)), Method::POST) => {
            groups::list(call.search().await?, &call).await
        }
        (Target::All(User), _) if read => users::list(call.query()?, &call).await,
        (Target::All(User), Method::POST) => users::create(call).await,
        (Target::One(User, id), _) if read => users::find(call, id).await,
        (Target::One(User, id), Method::PUT) => users::replace(call, id).await,
        (Target::One(User, id), Method::PATCH) => users::patch(call, id).await,
        (Target::One(User, id), Method::DELETE) => users::delete(call, id).await,
        (Target::All(Group), _) if read => groups::list(call.query()?, &call).await,
        (Target::All(Group), Method::POST) => groups::create(call).await,
        (Target::One(Group, id), _) if read => groups::find(call, id).await,
        (Target::One(Group, id), Method::PUT) => groups::replace(call, id).await,
        (Target::One(Group, id), Method::PATCH) => groups::patch(call, id).await,
        (Target::One(Group, id), Method::DELETE) => groups::delete(call, id).await,
        (Target::Document(document, name), _) if read => discovery::find(&call, document, name),
        (Target::Me, _) => Err(Refusal::NoAlias),
        (Target::Unknown, _) => Err(Error::NotFound("endpoint").into()),
        _ => Err(Refusal::MethodNotAllowed {
            allow: target.allow(),
        }),
    }
}

#[cfg(test)]
mod tests;
