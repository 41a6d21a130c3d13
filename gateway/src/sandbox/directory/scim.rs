//! A SCIM client that keeps what it said and what it was told.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use reqwest::{Method, header};
use serde_json::Value;

use crate::clock::Clock;

/// Exchanges kept for the page.
const KEPT: usize = 60;

pub(super) struct ScimClient {
    http: reqwest::Client,
    base_url: String,
    token: String,
    clock: Arc<dyn Clock>,
    log: Mutex<VecDeque<Exchange>>,
}

/// One request and its answer; bodies are pretty-printed.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    pub(super) at: DateTime<Utc>,
    pub(super) method: Method,
    /// Decoded, to be read by people.
    pub(super) path: String,
    pub(super) request: String,
    /// `None` when nothing answered; `answer` says why.
    pub(super) status: Option<u16>,
    pub(super) answer: String,
}

impl Exchange {
    pub(super) fn is_success(&self) -> bool {
        self.status
            .is_some_and(|status| (200..300).contains(&status))
    }
}

impl ScimClient {
    pub(super) fn new(
        http: reqwest::Client,
        base_url: String,
        token: String,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            http,
            base_url,
            token,
            clock,
            log: Mutex::default(),
        }
    }

    /// The latest first.
    pub(super) fn log(&self) -> Vec<Exchange> {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }

    /// All resources of an endpoint, without a line in the log. Empty when there is no answer.
    pub(super) async fn list(&self, path: &str) -> Vec<Value> {
        let (_, answer) = self
            .exchange(Method::GET, &format!("{path}?count=100"), None)
            .await;
        resources(answer)
    }

    /// The id of the resource whose unique `attribute` is `value` (RFC 7644 3.4.2.2).
    pub(super) async fn find(&self, path: &str, attribute: &str, value: &str) -> Option<String> {
        let filter = format!("{attribute} eq \"{value}\"");
        let filter =
            percent_encoding::utf8_percent_encode(&filter, percent_encoding::NON_ALPHANUMERIC);
        let answer = self
            .send(Method::GET, &format!("{path}?filter={filter}"), None)
            .await?;
        resources(answer).first().and_then(id)
    }

    /// The new resource's id.
    pub(super) async fn create(&self, path: &str, resource: &Value) -> Option<String> {
        id(&self.send(Method::POST, path, Some(resource)).await?)
    }

    /// Whether it was accepted, as with [`Self::patch`] and [`Self::delete`].
    pub(super) async fn put(&self, path: &str, resource: &Value) -> bool {
        self.send(Method::PUT, path, Some(resource)).await.is_some()
    }

    pub(super) async fn patch(&self, path: &str, operations: &Value) -> bool {
        self.send(Method::PATCH, path, Some(operations))
            .await
            .is_some()
    }

    pub(super) async fn delete(&self, path: &str) -> bool {
        self.send(Method::DELETE, path, None).await.is_some()
    }

    /// The answer's body (null for 204); `None` unless the status is 2xx.
    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Option<Value> {
        let at = self.clock.now();
        let (status, answer) = self.exchange(method.clone(), path, body).await;
        let exchange = Exchange {
            at,
            method,
            path: percent_encoding::percent_decode_str(path)
                .decode_utf8_lossy()
                .into_owned(),
            request: body.map(pretty).unwrap_or_default(),
            status,
            answer: match &answer {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                answer => pretty(answer),
            },
        };
        let accepted = exchange.is_success();
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push_front(exchange);
        log.truncate(KEPT);
        accepted.then_some(answer)
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> (Option<u16>, Value) {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.base_url))
            .bearer_auth(&self.token)
            .header(header::ACCEPT, "application/scim+json");
        if let Some(body) = body {
            request = request
                .header(header::CONTENT_TYPE, "application/scim+json")
                .body(body.to_string());
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return (None, Value::String(error.to_string())),
        };
        let status = response.status().as_u16();
        let text = response.text().await.unwrap_or_default();
        let answer = match &*text {
            "" => Value::Null,
            text => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
        };
        (Some(status), answer)
    }
}

fn resources(answer: Value) -> Vec<Value> {
    match answer {
        Value::Object(mut list) => match list.remove("Resources") {
            Some(Value::Array(resources)) => resources,
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn id(resource: &Value) -> Option<String> {
    resource["id"].as_str().map(str::to_owned)
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
