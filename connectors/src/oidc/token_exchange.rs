//! The code for tokens: the token request (RFC 6749 section 4.1.3, RFC 7636 section 4.5) and client
//! authentication (OIDC Core section 9).
//!
//! The request is written here and not by openidconnect's client, because that one parses the ID token before it
//! can be looked at: an unknown algorithm would be a failed exchange instead of `signature_algorithm_forbidden`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, Method, StatusCode};
use serde::Deserialize;
use url::form_urlencoded;

use super::client_assertion::Signer;
use super::discovery::Discovered;
use super::fetch;
use crate::settings::{OidcSettings, TokenEndpointAuthMethod};
use crate::trace::CheckName;
use crate::{ConnectorError, HttpClient, HttpRequest, HttpResponse};

const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// What came for the code.
pub(super) struct Tokens {
    pub(super) id_token: String,
    pub(super) access_token: Option<String>,
    /// The provider took the previous client secret and not the current one.
    pub(super) by_previous_secret: bool,
}

/// What goes into the request beside the connection's settings.
pub(super) struct Exchange<'a> {
    pub(super) code: &'a str,
    pub(super) code_verifier: &'a str,
    pub(super) redirect_uri: &'a str,
    pub(super) signer: Option<&'a Signer>,
    pub(super) now: DateTime<Utc>,
}

/// Success and error answer in one (RFC 6749 sections 5.1 and 5.2): some providers send errors with 200.
#[derive(Deserialize)]
struct Answer {
    error: Option<String>,
    error_description: Option<String>,
    id_token: Option<String>,
    access_token: Option<String>,
}

/// Asks with the current client secret and, if the provider does not take it, with the previous one: whichever side
/// changes its secret first, nobody is locked out meanwhile. A provider that refuses the client has not looked at the
/// code. Errors: `idp_unreachable`, `token_exchange_failed`; `token_invalid` where no ID token came.
pub(super) async fn exchange(
    settings: &OidcSettings,
    discovered: &Discovered,
    exchange: &Exchange<'_>,
    http: &impl HttpClient,
) -> Result<Tokens, ConnectorError> {
    let secret = settings.client_secret.as_deref();
    let answer = request(settings, discovered, exchange, secret, http).await?;
    use TokenEndpointAuthMethod as Method;
    let method = settings.token_endpoint_auth_method;
    let by_secret = matches!(method, Method::ClientSecretBasic | Method::ClientSecretPost);
    let previous = settings.previous_client_secret.as_deref();
    match previous.filter(|_| by_secret && secret.is_some() && refuses_the_client(&answer)) {
        Some(previous) => {
            let again = request(settings, discovered, exchange, Some(previous), http).await?;
            read(&again, true)
        }
        None => read(&answer, false),
    }
}

/// RFC 6749 section 5.2. Some providers call it otherwise, but none answers 401 for another reason.
fn refuses_the_client(answer: &HttpResponse) -> bool {
    let error = serde_json::from_slice::<Answer>(&answer.body).ok();
    answer.status == StatusCode::UNAUTHORIZED
        || error.and_then(|answer| answer.error).as_deref() == Some("invalid_client")
}

async fn request(
    settings: &OidcSettings,
    discovered: &Discovered,
    exchange: &Exchange<'_>,
    secret: Option<&str>,
    http: &impl HttpClient,
) -> Result<HttpResponse, ConnectorError> {
    let mut form = vec![
        ("grant_type", "authorization_code".to_owned()),
        ("code", exchange.code.to_owned()),
        ("redirect_uri", exchange.redirect_uri.to_owned()),
        ("code_verifier", exchange.code_verifier.to_owned()),
    ];
    let mut headers = vec![
        (ACCEPT, "application/json".to_owned()),
        (CONTENT_TYPE, "application/x-www-form-urlencoded".to_owned()),
    ];
    let (form_of, headers_of) = (&mut form, &mut headers);
    authenticate(settings, discovered, exchange, secret, form_of, headers_of)?;
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish();
    let request = HttpRequest {
        method: Method::POST,
        url: discovered.token_endpoint.clone(),
        headers,
        body: body.into_bytes(),
        max_response_bytes: MAX_ANSWER_BYTES,
    };
    fetch::send(http, request, CheckName::TokenExchange).await
}

fn authenticate(
    settings: &OidcSettings,
    discovered: &Discovered,
    exchange: &Exchange<'_>,
    secret: Option<&str>,
    form: &mut Vec<(&'static str, String)>,
    headers: &mut Vec<(HeaderName, String)>,
) -> Result<(), ConnectorError> {
    use TokenEndpointAuthMethod as Method;
    let method = match settings.token_endpoint_auth_method {
        // Basic is also what a method that nobody chose reads as.
        Method::ClientSecretBasic if discovered.only_secret_post => Method::ClientSecretPost,
        method => method,
    };
    let client_id = settings.client_id.clone();
    match (method, secret) {
        (Method::PrivateKeyJwt, _) => {
            let signer = exchange
                .signer
                .ok_or_else(|| failed("the connection has no key"))?;
            let audience = discovered.token_endpoint.as_str();
            let assertion = signer.assertion(&client_id, audience, exchange.code, exchange.now);
            let assertion = assertion.ok_or_else(|| failed("the connection's key can't sign"))?;
            form.push(("client_id", client_id));
            // RFC 7523 section 2.2.
            let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            form.push(("client_assertion_type", kind.to_owned()));
            form.push(("client_assertion", assertion));
        }
        (Method::ClientSecretBasic, Some(secret)) => {
            // RFC 6749 section 2.3.1 encodes both before Basic does: a secret may hold a colon or a percent.
            let encode = |text: &str| -> String {
                form_urlencoded::byte_serialize(text.as_bytes()).collect()
            };
            let pair = format!("{}:{}", encode(&client_id), encode(secret));
            headers.push((AUTHORIZATION, format!("Basic {}", STANDARD.encode(pair))));
        }
        (Method::ClientSecretPost, Some(secret)) => {
            form.push(("client_id", client_id));
            form.push(("client_secret", secret.to_owned()));
        }
        // A public client: PKCE alone binds the code to us.
        (Method::None, _) | (_, None) => form.push(("client_id", client_id)),
    }
    Ok(())
}

fn read(answer: &HttpResponse, by_previous_secret: bool) -> Result<Tokens, ConnectorError> {
    let parsed = serde_json::from_slice::<Answer>(&answer.body);
    if let Ok(Answer {
        error: Some(error),
        error_description,
        ..
    }) = &parsed
    {
        return Err(failed(&match error_description {
            Some(description) => format!("{error}: {description}"),
            None => error.clone(),
        }));
    }
    if answer.status != StatusCode::OK {
        return Err(failed(&format!("it answered {}", fetch::status(answer))));
    }
    let answer = parsed.map_err(|error| failed(&format!("its answer can't be read: {error}")))?;
    let id_token = answer
        .id_token
        .ok_or_else(|| ConnectorError::TokenInvalid {
            reason: "the token endpoint sent none".to_owned(),
        })?;
    Ok(Tokens {
        id_token,
        access_token: answer.access_token,
        by_previous_secret,
    })
}

fn failed(reason: &str) -> ConnectorError {
    ConnectorError::TokenExchangeFailed {
        reason: reason.to_owned(),
    }
}
