//! What a SCIM request brings.

use std::sync::Arc;

use poem::http::{HeaderMap, Method, header};
use poem::{Body, Request};
use scim::{EntityTags, ListQuery, Meta, Projection, Quirks, ScimError};
use serde_json::Value;

use super::error::Refusal;
use super::excerpt;
use super::record::{Caller, Notes};
use crate::error::Error;
use crate::flows::provisioning::Push;
use crate::http::limits::BodyRefused;

/// A request whose caller is known.
pub(super) struct Call {
    pub(super) push: Push,
    pub(super) base_url: String,
    pub(super) caller: Arc<Caller>,
    /// For the provisioning log.
    pub(super) notes: Arc<Notes>,
    method: Method,
    parameters: Vec<(String, String)>,
    headers: HeaderMap,
    body: tokio::sync::Mutex<Body>,
}

impl Call {
    pub(super) fn new(push: Push, caller: Caller, mut request: Request) -> Self {
        let query = request.uri().query().unwrap_or_default();
        let parameters = url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        Self {
            base_url: push.base_url(),
            push,
            caller: Arc::new(caller),
            notes: Arc::default(),
            method: request.method().clone(),
            parameters,
            headers: request.headers().clone(),
            body: request.take_body().into(),
        }
    }

    /// The request that an operation of a bulk request stands for. It asks for no more than the id to be
    /// shown: the bulk answer has no resources.
    pub(super) fn operation(&self, method: Method, version: Option<&str>, data: &Value) -> Self {
        let mut headers = HeaderMap::new();
        if let Some(version) = version.and_then(|version| version.parse().ok()) {
            headers.insert(header::IF_MATCH, version);
        }
        Self {
            push: self.push.afresh(),
            base_url: self.base_url.clone(),
            caller: Arc::clone(&self.caller),
            notes: Arc::default(),
            method,
            parameters: vec![("attributes".to_owned(), "id".to_owned())],
            headers,
            body: Body::from(data.to_string()).into(),
        }
    }

    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    /// What is noted while this request is read.
    pub(super) fn quirks(&self) -> &Quirks {
        &self.push.quirks
    }

    pub(super) fn parameters(&self) -> &[(String, String)] {
        &self.parameters
    }

    pub(super) fn has_filter(&self) -> bool {
        let mut names = self.parameters.iter().map(|(name, _)| name);
        names.any(|name| name.eq_ignore_ascii_case("filter"))
    }

    /// The query parameters of a list.
    pub(super) fn query(&self) -> Result<ListQuery, Refusal> {
        let parameters = self.parameters.iter();
        let parameters = parameters.map(|(name, value)| (name.as_str(), value.as_str()));
        Ok(ListQuery::from_parameters(parameters)?)
    }

    /// `attributes` and `excludedAttributes`, which every answer with a resource heeds.
    pub(super) fn projection(&self) -> Result<Projection, Refusal> {
        let value = |wanted: &str| {
            let mut parameters = self.parameters.iter();
            let found = parameters.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value.as_str())
        };
        Ok(Projection::parse(
            value("attributes"),
            value("excludedAttributes"),
        )?)
    }

    /// The body of a `.search`.
    pub(super) async fn search(&self) -> Result<ListQuery, Refusal> {
        Ok(ListQuery::from_search_request(&self.json().await?)?)
    }

    /// The body. Directories send `application/scim+json`, `application/json`, and sometimes nothing at all
    /// as its type: what counts is that it is JSON.
    ///
    /// Errors: 415 where the type says that it is something else.
    pub(super) async fn json(&self) -> Result<Value, Refusal> {
        if let Some(found) = self.strange_media_type() {
            return Err(Refusal::MediaType { found });
        }
        let body = std::mem::take(&mut *self.body.lock().await);
        let bytes =
            body.into_bytes()
                .await
                .map_err(|error| match BodyRefused::in_read_error(&error) {
                    Some(refused) => Refusal::Body(refused),
                    None => Error::Malformed("the body did not arrive".to_owned()).into(),
                })?;
        let read = serde_json::from_slice(&bytes);
        match &read {
            Ok(value) => self.notes.body(value),
            Err(_) => self.notes.unreadable(bytes.len()),
        }
        read.map_err(|error| {
            let problem = format!("the body is not JSON: {error}");
            ScimError::SyntaxInvalid { problem }.into()
        })
    }

    /// The media type of the body, if it is none of JSON. Parameters such as a charset don't matter: JSON is UTF-8.
    fn strange_media_type(&self) -> Option<String> {
        let value = self.headers.get(header::CONTENT_TYPE)?.as_bytes();
        let value = String::from_utf8_lossy(value);
        let media_type = value.split(';').next().unwrap_or_default().trim();
        let lower = media_type.to_ascii_lowercase();
        let json = matches!(lower.as_str(), "" | "application/json" | "text/json")
            || lower.ends_with("+json");
        (!json).then(|| excerpt::words(media_type))
    }

    pub(super) fn if_match(&self) -> Option<EntityTags> {
        self.tags(header::IF_MATCH)
    }

    /// Whether the caller has this version already: `If-None-Match` names it.
    pub(super) fn knows(&self, meta: &Meta) -> bool {
        self.tags(header::IF_NONE_MATCH)
            .is_some_and(|tags| tags.contain(meta.version))
    }

    /// Several headers of one name are one list (RFC 9110 section 5.3).
    fn tags(&self, name: header::HeaderName) -> Option<EntityTags> {
        let values = self.headers.get_all(name).iter();
        let values: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
        (!values.is_empty()).then(|| EntityTags::parse(&values.join(",")))
    }
}

/// The token of `Authorization: Bearer …`; the word's case does not matter (RFC 9110 section 11.1).
pub(super) fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
