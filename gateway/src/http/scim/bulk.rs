//! `/Bulk` (RFC 7644 section 3.7): each operation is what the request of its own would be, in a transaction
//! of its own, on the resources of the directory that the request's token is for.

use std::collections::{BTreeSet, HashMap};

use poem::http::{Method, StatusCode};
use scim::discovery::BulkLimits;
use scim::{BulkOperation, BulkRequest, BulkResult, ErrorResponse, Resolved, Step, bulk_response};
use serde_json::Value;

use super::answer::Answer;
use super::error::Refusal;
use super::record::{self, Record};
use super::request::Call;
use super::target::Target;
use super::{MAX_BODY, serve_one};
use crate::error::Error;
use crate::http::limits::Limit;

pub(super) const LIMITS: BulkLimits = BulkLimits {
    max_operations: 1_000,
    max_payload_size: MAX_BODY,
};

pub(super) async fn run(call: Call) -> Result<Answer, Refusal> {
    let request = BulkRequest::parse(&call.json().await?, LIMITS.max_operations)?;
    let mut job = Job {
        call: &call,
        operations: &request.operations,
        results: request.operations.iter().map(|_| None).collect(),
        resolved: Resolved::default(),
        incomplete: HashMap::new(),
    };
    for step in request.plan() {
        match step {
            Step::Do { operation, without } => job.begin(operation, &without).await,
            Step::Complete { operation } => job.complete(operation).await,
        }
        if request
            .fail_on_errors
            .is_some_and(|most| job.errors() >= most)
        {
            break;
        }
    }
    job.give_up_incomplete();
    let (all, errors) = (job.operations.len(), job.errors());
    let done = job.results.iter().flatten().count() - errors;
    call.notes.say(format!(
        "Bulk of {all} operations: {done} done, {errors} refused, {} not reached",
        all - done - errors
    ));
    Ok(Answer::ok(bulk_response(job.results.into_iter().flatten())))
}

struct Job<'a> {
    call: &'a Call,
    operations: &'a [BulkOperation],
    /// None for what is not done, or not yet.
    results: Vec<Option<BulkResult>>,
    resolved: Resolved,
    /// The PATCH that adds what a creation was done without.
    incomplete: HashMap<usize, Value>,
}

impl Job<'_> {
    async fn begin(&mut self, index: usize, without: &BTreeSet<String>) {
        let operation = &self.operations[index];
        let mut result = BulkResult {
            method: operation.method.clone(),
            bulk_id: operation.bulk_id.clone(),
            location: self
                .location(&operation.path)
                .filter(|_| operation.method != "POST"),
            version: None,
            status: 0,
            error: None,
        };
        match self.first_part(index, without).await {
            Ok(done) => note(&mut result, &done),
            Err(error) => fail(&mut result, error),
        }
        if let (None, Some(bulk_id), Some(location)) =
            (&result.error, &operation.bulk_id, &result.location)
            && operation.method == "POST"
        {
            let id = location.rsplit('/').next().unwrap_or_default();
            self.resolved.insert(bulk_id, id);
        }
        if result.error.is_some() {
            self.incomplete.remove(&index);
        }
        self.results[index] = Some(result);
    }

    async fn first_part(
        &mut self,
        index: usize,
        without: &BTreeSet<String>,
    ) -> Result<Answer, ErrorResponse> {
        let operation = &self.operations[index];
        operation
            .check()
            .map_err(|error| ErrorResponse::from(&error))?;
        if without.is_empty() {
            return self.send(operation).await;
        }
        let unresolved = || unresolved(without.iter().next().map_or("", String::as_str));
        let (first, later) = operation.without(without).ok_or_else(unresolved)?;
        self.incomplete.insert(index, later);
        self.send(&first).await
    }

    async fn complete(&mut self, index: usize) {
        let created = self.results[index]
            .as_ref()
            .and_then(|r| r.location.clone());
        let (Some(later), Some(location)) = (self.incomplete.remove(&index), created) else {
            return;
        };
        let path = location
            .strip_prefix(&self.call.base_url)
            .unwrap_or(&location);
        let patch = BulkOperation {
            method: "PATCH".to_owned(),
            bulk_id: None,
            path: path.to_owned(),
            version: None,
            data: Some(later),
        };
        let done = self.send(&patch).await;
        if let Some(result) = &mut self.results[index] {
            match done {
                Ok(answer) => result.version = answer.etag().map(str::to_owned),
                Err(error) => fail(result, error),
            }
        }
    }

    async fn send(&self, operation: &BulkOperation) -> Result<Answer, ErrorResponse> {
        let (path, data) = self
            .resolved
            .resolve(&operation.path, operation.data.as_ref())
            .map_err(|bulk_id| unresolved(&bulk_id))?;
        let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
        let target = Target::of(&segments);
        if !matches!(target, Target::All(_) | Target::One(..)) {
            let status = StatusCode::NOT_FOUND.as_u16();
            let detail = "an operation's path is /Users, /Groups or one resource below them";
            return Err(ErrorResponse::new(status, None, detail));
        }
        let method = Method::from_bytes(operation.method.as_bytes()).unwrap_or_default();
        // Each counts as the request that it stands for.
        let (app, directory) = (&self.call.push.app, self.call.push.scope.directory());
        let within = app.rate_limits.check(Limit::Directory, directory);
        let version = operation.version.as_deref();
        let call = || self.call.operation(method, version, &data);
        if let Err(limited) = within {
            let refusal = Refusal::from(Error::from(limited));
            record::one_of_many(&self.call.push, call, target, &path, &refusal);
            return Err(refusal.into_error_response());
        }
        let call = call();
        // Boxed, as it is large and may well be the thousandth.
        let record = Record::begin(&call, target, &path);
        let answer = Box::pin(serve_one(call, target)).await;
        record.end(&answer);
        let answer = answer.map_err(|refusal| refusal.into_error_response())?;
        let location = self
            .location(&path)
            .filter(|_| !matches!(target, Target::All(_)));
        Ok(match location {
            Some(location) => answer.at(location),
            None => answer,
        })
    }

    /// The URL of what a path names, if it names something that exists or may.
    fn location(&self, path: &str) -> Option<String> {
        let known = path.starts_with('/') && !path.contains("bulkId:");
        known.then(|| format!("{}{}", self.call.base_url, path.trim_end_matches('/')))
    }

    fn errors(&self) -> usize {
        let results = self.results.iter().flatten();
        results.filter(|result| result.error.is_some()).count()
    }

    /// Whoever was created and waits in vain for what is missing: the caller is not told that all is well.
    fn give_up_incomplete(&mut self) {
        for index in std::mem::take(&mut self.incomplete).into_keys() {
            if let Some(result) = &mut self.results[index] {
                let detail = "created, but without what it refers to, as the job ended before";
                let status = StatusCode::CONFLICT.as_u16();
                fail(result, ErrorResponse::new(status, None, detail));
            }
        }
    }
}

fn note(result: &mut BulkResult, answer: &Answer) {
    result.status = answer.status().as_u16();
    result.version = answer.etag().map(str::to_owned);
    if let Some(location) = answer.location() {
        result.location = Some(location.to_owned());
    }
}

fn fail(result: &mut BulkResult, error: ErrorResponse) {
    result.status = error.status;
    result.error = Some(error);
}

/// RFC 7644 section 3.7.1 has 409 for what can't be resolved.
fn unresolved(bulk_id: &str) -> ErrorResponse {
    let detail = format!("\"bulkId:{bulk_id}\" names nothing that this request created");
    ErrorResponse::new(StatusCode::CONFLICT.as_u16(), None, detail)
}
