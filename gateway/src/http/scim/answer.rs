//! Answers: `application/scim+json`, with the headers of RFC 7644 section 3.

use poem::Response;
use poem::http::{StatusCode, header};
use scim::Meta;
use serde_json::Value;

pub(super) const CONTENT_TYPE: &str = "application/scim+json";

/// What a request gets that is served.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    etag: Option<String>,
    location: Option<String>,
    body: Option<Value>,
}

impl Answer {
    pub(super) fn ok(body: Value) -> Self {
        Self {
            status: StatusCode::OK,
            etag: None,
            location: None,
            body: Some(body),
        }
    }

    /// The same, as the answer to a creation.
    pub(super) fn created_at(mut self, location: String) -> Self {
        self.status = StatusCode::CREATED;
        self.location = Some(location);
        self
    }

    pub(super) fn no_content() -> Self {
        Self::empty(StatusCode::NO_CONTENT)
    }

    pub(super) fn not_modified() -> Self {
        Self::empty(StatusCode::NOT_MODIFIED)
    }

    /// At this URL, of which the caller knows: told in a bulk answer only.
    pub(super) fn at(mut self, location: String) -> Self {
        self.location = Some(location);
        self
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn body(&self) -> Option<&Value> {
        self.body.as_ref()
    }

    pub(super) fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    pub(super) fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }

    fn empty(status: StatusCode) -> Self {
        Self {
            status,
            etag: None,
            location: None,
            body: None,
        }
    }

    /// The version of the resource that is answered, or was.
    pub(super) fn of_version(mut self, meta: &Meta) -> Self {
        self.etag = Some(meta.etag());
        self
    }

    pub(super) fn into_response(self) -> Response {
        let mut response = Response::builder().status(self.status);
        if let Some(etag) = self.etag {
            response = response.header(header::ETAG, etag);
        }
        if let Some(location) = self.location {
            response = response.header(header::LOCATION, location);
        }
        match self.body {
            Some(body) => response.content_type(CONTENT_TYPE).body(body.to_string()),
            None => response.finish(),
        }
    }
}
