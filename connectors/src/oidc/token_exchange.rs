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
}

/// What goes into the request beside the connection's settings.
pub(super) struct Exchange<'a> {
    pub(super) code: &'a str,
    pub(super) code_verifier: &'a str,
    pub(super) redirect_uri: &'a str,
    pub(super) now: DateTime<Utc>,
}

/// By what the client proves who it is.
pub(super) enum Credential {
    Secret(String),
    Key(Box<Signer>),
    /// A public client: PKCE alone binds the code to us.
    Nothing,
}

pub(super) enum Failed {
    /// The provider does not know us by this credential.
    InvalidClient(ConnectorError),
    Otherwise(ConnectorError),
}

/// Success and error answer in one (RFC 6749 sections 5.1 and 5.2): some providers send errors with 200.
#[derive(Deserialize)]
struct Answer {
    error: Option<String>,
    error_description: Option<String>,
    id_token: Option<String>,
    access_token: Option<String>,
}

/// Errors: `idp_unreachable`, `token_exchange_failed`; `token_invalid` where no ID token came.
pub(super) async fn exchange(
    (settings, credential): (&OidcSettings, &Credential),
    discovered: &Discovered,
    exchange: &Exchange<'_>,
    http: &impl HttpClient,
) -> Result<Tokens, Failed> {
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
    let client = (settings, credential);
    authenticate(client, discovered, exchange, &mut form, &mut headers)
        .map_err(Failed::Otherwise)?;
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
    let answer = fetch::send(http, request, CheckName::TokenExchange).await;
    read(&answer.map_err(Failed::Otherwise)?)
}

fn authenticate(
    (settings, credential): (&OidcSettings, &Credential),
    discovered: &Discovered,
    exchange: &Exchange<'_>,
    form: &mut Vec<(&'static str, String)>,
    headers: &mut Vec<(HeaderName, String)>,
) -> Result<(), ConnectorError> {
    use TokenEndpointAuthMethod as Method;
    // Basic is also what a method that nobody chose reads as.
    let by_post = settings.token_endpoint_auth_method == Method::ClientSecretPost
        || discovered.only_secret_post;
    let client_id = settings.client_id.clone();
    match credential {
        Credential::Key(signer) => {
            let audience = discovered.token_endpoint.as_str();
            let assertion = signer.assertion(&client_id, audience, exchange.code, exchange.now);
            let assertion = assertion.ok_or_else(|| failed("the connection's key can't sign"))?;
            form.push(("client_id", client_id));
            // RFC 7523 section 2.2.
            let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            form.push(("client_assertion_type", kind.to_owned()));
            form.push(("client_assertion", assertion));
        }
        Credential::Secret(secret) if !by_post => {
            // RFC 6749 section 2.3.1 encodes both before Basic does: a secret may hold a colon or a percent.
            let encode = |text: &str| -> String {
                form_urlencoded::byte_serialize(text.as_bytes()).collect()
            };
            let pair = format!("{}:{}", encode(&client_id), encode(secret));
            headers.push((AUTHORIZATION, format!("Basic {}", STANDARD.encode(pair))));
        }
        Credential::Secret(secret) => {
            form.push(("client_id", client_id));
            form.push(("client_secret", secret.clone()));
        }
        Credential::Nothing => form.push(("client_id", client_id)),
    }
    Ok(())
}

fn read(answer: &HttpResponse) -> Result<Tokens, Failed> {
    let parsed = serde_json::from_slice::<Answer>(&answer.body);
    if let Ok(Answer {
        error: Some(error),
        error_description,
        ..
    }) = &parsed
    {
        let reason = failed(&match error_description {
            Some(description) => format!("{error}: {description}"),
            None => error.clone(),
        });
        return Err(match error.as_str() {
            "invalid_client" => Failed::InvalidClient(reason),
            _ => Failed::Otherwise(reason),
        });
    }
    if answer.status != StatusCode::OK {
        let reason = failed(&format!("it answered {}", fetch::status(answer)));
        return Err(match answer.status {
            StatusCode::UNAUTHORIZED => Failed::InvalidClient(reason),
            _ => Failed::Otherwise(reason),
        });
    }
    let unreadable = |error| failed(&format!("its answer can't be read: {error}"));
    let answer = parsed.map_err(|error| Failed::Otherwise(unreadable(error)))?;
    let id_token = answer.id_token.ok_or_else(|| {
        Failed::Otherwise(ConnectorError::TokenInvalid {
            reason: "the token endpoint sent none".to_owned(),
        })
    })?;
    Ok(Tokens {
        id_token,
        access_token: answer.access_token,
    })
}

fn failed(reason: &str) -> ConnectorError {
    ConnectorError::TokenExchangeFailed {
        reason: reason.to_owned(),
    }
}
