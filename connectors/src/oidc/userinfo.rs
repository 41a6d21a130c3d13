//! Claims from the UserInfo endpoint (OIDC Core section 5.3): several providers put the email only there.

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{Method, StatusCode};
use serde_json::{Map, Value};
use url::Url;

use super::fetch;
use crate::trace::CheckName;
use crate::{ConnectorError, HttpClient, HttpRequest};

const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// What the endpoint says, believed or to be verified.
pub(super) enum Answer {
    Plain(Map<String, Value>),
    /// A JWS in compact form.
    Signed(String),
}

/// The claims about this access token's person. Errors: `idp_unreachable`, and `token_exchange_failed` for an
/// answer that is no JSON object; neither needs to end the login.
pub(super) async fn fetch(
    url: &Url,
    access_token: &str,
    http: &impl HttpClient,
) -> Result<Answer, ConnectorError> {
    let request = HttpRequest {
        method: Method::GET,
        url: url.clone(),
        headers: vec![
            (ACCEPT, "application/json".to_owned()),
            (AUTHORIZATION, format!("Bearer {access_token}")),
        ],
        body: Vec::new(),
        max_response_bytes: MAX_ANSWER_BYTES,
    };
    let answer = fetch::send(http, request, CheckName::TokenExchange).await?;
    let failed = |reason| ConnectorError::TokenExchangeFailed { reason };
    if answer.status != StatusCode::OK {
        return Err(failed(format!("{url} answered {}", fetch::status(&answer))));
    }
    let content_type = answer.headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes());
    if content_type.is_some_and(|kind| kind.starts_with(b"application/jwt")) {
        let token = String::from_utf8_lossy(&answer.body);
        return Ok(Answer::Signed(token.trim().to_owned()));
    }
    serde_json::from_slice(&answer.body)
        .map(Answer::Plain)
        .map_err(|error| failed(format!("the answer of {url} can't be read: {error}")))
}

/// Adds what the ID token lacks. The signed token wins, and an answer about somebody else (another `sub`,
/// 5.3.2) is `token_invalid`: it would put two people together.
pub(super) fn merge(
    claims: &mut Map<String, Value>,
    answer: Map<String, Value>,
) -> Result<(), ConnectorError> {
    if claims.get("sub").and_then(Value::as_str) != answer.get("sub").and_then(Value::as_str) {
        let reason = "the UserInfo endpoint speaks of another sub".to_owned();
        return Err(ConnectorError::TokenInvalid { reason });
    }
    for (name, value) in answer {
        let known = claims.entry(name).or_insert(Value::Null);
        if known.is_null() || known.as_str() == Some("") {
            *known = value;
        }
    }
    Ok(())
}
