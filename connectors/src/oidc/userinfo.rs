//! Claims from the UserInfo endpoint (OIDC Core section 5.3): several providers put the email only there.

use http::header::{ACCEPT, AUTHORIZATION};
use http::{Method, StatusCode};
use serde_json::{Map, Value};
use url::Url;

use super::fetch;
use crate::trace::CheckName;
use crate::{ConnectorError, HttpClient, HttpRequest};

const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// The claims about this access token's person. Errors: `idp_unreachable`, and `token_exchange_failed` for an
/// answer that is no JSON object, a signed one (5.3.2) included; neither needs to end the login.
pub(super) async fn fetch(
    url: &Url,
    access_token: &str,
    http: &impl HttpClient,
) -> Result<Map<String, Value>, ConnectorError> {
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
    // A JSON Web Token begins with the base64 of `{"`; JSON never does.
    if answer.body.starts_with(b"ey") {
        let hint = "a signed answer (application/jwt): register this client there for plain JSON";
        return Err(failed(format!("{url} sent {hint}")));
    }
    serde_json::from_slice(&answer.body)
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
