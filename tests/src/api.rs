//! The management API's client.

use reqwest::{Client, Method, StatusCode, header::HeaderMap};
use serde_json::{Value, json};

use crate::PATIENCE;

/// One base URL and one bearer token: the management API of a gateway, or a directory's SCIM endpoint.
#[derive(Clone)]
pub struct Api {
    base: String,
    token: Option<String>,
    http: Client,
}

/// What came back. `json` is null where the body is none.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub json: Value,
    pub body: String,
}

impl Api {
    /// `/api/v1` of the gateway at `url`.
    pub fn new(url: String, key: &str) -> Self {
        Self::at(format!("{url}/api/v1"), Some(key))
    }

    /// Any base URL; without a token, nobody's.
    pub fn at(base: String, token: Option<&str>) -> Self {
        let http = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(PATIENCE)
            .build()
            .expect("an HTTP client");
        Self {
            base,
            token: token.map(str::to_owned),
            http,
        }
    }

    /// The SCIM endpoint of a directory just created.
    pub fn scim(directory: &Value) -> Self {
        Self::at(
            text(&directory["scim"]["base_url"]),
            directory["scim"]["bearer_token"].as_str(),
        )
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    /// The same place with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    /// The same place as nobody.
    pub fn without_token(&self) -> Self {
        Self {
            token: None,
            ..self.clone()
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    pub async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        Self::answer(request).await
    }

    /// For headers and bodies that the other methods don't make.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn answer(request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.expect("the gateway answers");
        let status = response.status();
        let headers = response.headers().clone();
        let body = response.text().await.expect("the body is text");
        Answer {
            status,
            headers,
            json: serde_json::from_str(&body).unwrap_or_default(),
            body,
        }
    }

    // What most tests need first.

    /// An organization whose domains are trusted.
    pub async fn organization(&self, name: &str, domains: &[&str]) -> Value {
        let body = json!({"name": name, "domains": domains});
        self.post("/organizations", body).await.expect(201)
    }

    /// An application with its `client_id` and `client_secret`.
    pub async fn application(&self, body: Value) -> Value {
        self.post("/applications", body).await.expect(201)
    }

    pub async fn connection(&self, organization: &Value, body: Value) -> Value {
        let path = format!("/organizations/{}/connections", text(&organization["id"]));
        self.post(&path, body).await.expect(201)
    }

    /// A directory with its `scim.base_url` and `scim.bearer_token`.
    pub async fn directory(&self, organization: &Value, name: &str) -> Value {
        let path = format!("/organizations/{}/directories", text(&organization["id"]));
        self.post(&path, json!({"name": name})).await.expect(201)
    }

    /// A webhook endpoint with its `secret`.
    pub async fn webhook_endpoint(&self, body: Value) -> Value {
        self.post("/webhook_endpoints", body).await.expect(201)
    }
}

impl Answer {
    /// The JSON of an answer that has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self.json
    }

    /// The `code` of a problem document that has this status.
    #[track_caller]
    pub fn problem(self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        for field in ["type", "title", "detail", "request_id"] {
            assert!(self.json[field].is_string(), "no {field} in {}", self.body);
        }
        assert_eq!(self.json["status"], status);
        text(&self.json["code"])
    }

    /// A header's value, empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).map(|value| value.to_str());
        value.and_then(Result::ok).unwrap_or_default()
    }
}

/// The text of a JSON string.
#[track_caller]
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => panic!("{other} is not a string"),
    }
}
