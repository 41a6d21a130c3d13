//! The management API as an integration uses it: bearer key, JSON, problem details.

use reqwest::Method;
use serde_json::{Value, json};

/// A client of `{gateway}/api/v1`.
#[derive(Clone)]
pub struct ApiClient {
    http: reqwest::Client,
    base: String,
    key: String,
}

/// Why a call has no answer to use.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error("{method} {path}: {source}")]
    Unreachable {
        method: Method,
        path: String,
        source: reqwest::Error,
    },
    #[error("{method} {path} answered {status} {code}: {detail}")]
    Refused {
        method: Method,
        path: String,
        status: u16,
        code: String,
        detail: String,
    },
    #[error("{path} answered without `{field}`")]
    Incomplete { path: String, field: &'static str },
}

impl ApiError {
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}

impl ApiClient {
    /// `gateway_url` is the public URL, without a slash at the end.
    pub fn new(http: reqwest::Client, gateway_url: &str, key: String) -> Self {
        Self {
            http,
            base: format!("{gateway_url}/api/v1"),
            key,
        }
    }

    pub async fn get(&self, path: &str) -> Result<Value, ApiError> {
        self.send(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, ApiError> {
        self.send(Method::POST, path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Result<Value, ApiError> {
        self.send(Method::PUT, path, Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Result<Value, ApiError> {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Result<Value, ApiError> {
        self.send(Method::DELETE, path, None).await
    }

    /// The first entry of a list that fits. One page of 100 is enough here.
    pub async fn first(
        &self,
        path: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<Option<Value>, ApiError> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let page = self.get(&format!("{path}{separator}limit=100")).await?;
        Ok(page["data"]
            .as_array()
            .and_then(|data| data.iter().find(|entry| fits(entry)).cloned()))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, ApiError> {
        let unreachable = |source| ApiError::Unreachable {
            method: method.clone(),
            path: path.to_owned(),
            source,
        };
        let mut request = self
            .http
            .request(method.clone(), format!("{}{path}", self.base))
            .bearer_auth(&self.key);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let text = response.text().await.map_err(unreachable)?;
        // 204 has no body.
        let answer: Value = serde_json::from_str(&text).unwrap_or_else(|_| json!({}));
        if status.is_success() {
            return Ok(answer);
        }
        Err(ApiError::Refused {
            method,
            path: path.to_owned(),
            status: status.as_u16(),
            code: answer["code"].as_str().unwrap_or_default().to_owned(),
            detail: match &answer["errors"] {
                Value::Array(errors) if !errors.is_empty() => {
                    format!(
                        "{} {}",
                        answer["detail"].as_str().unwrap_or_default(),
                        answer["errors"]
                    )
                }
                _ => answer["detail"].as_str().unwrap_or_default().to_owned(),
            },
        })
    }
}

/// A string member of an answer that has to be there.
pub fn text(answer: &Value, path: &str, field: &'static str) -> Result<String, ApiError> {
    let pointer = format!("/{}", field.replace('.', "/"));
    match answer.pointer(&pointer).and_then(Value::as_str) {
        Some(text) => Ok(text.to_owned()),
        None => Err(ApiError::Incomplete {
            path: path.to_owned(),
            field,
        }),
    }
}
