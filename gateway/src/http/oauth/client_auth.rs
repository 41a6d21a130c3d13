//! Which application calls the token endpoint (RFC 6749 2.3, OIDC Core 9).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use poem::Request;
use poem::http::header;
use subtle::ConstantTimeEq as _;

use super::error::OauthError;
use super::metadata::TOKEN;
use crate::app::App;
use crate::error::Error;
use crate::flows::authorize::Parameters;
use crate::flows::client_assertion;
use crate::model::{ApplicationType, ClientAuthMethod};
use crate::store::applications::{self, StoredApplication};

/// RFC 7523 2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What the client presents.
struct Credentials {
    client_id: String,
    proof: Proof,
}

/// One method a request (RFC 6749 2.3).
enum Proof {
    Basic(String),
    Post(String),
    Assertion(String),
    /// A public client.
    Nothing,
}

impl Proof {
    fn method(&self) -> ClientAuthMethod {
        match self {
            Self::Basic(_) => ClientAuthMethod::ClientSecretBasic,
            Self::Post(_) => ClientAuthMethod::ClientSecretPost,
            Self::Assertion(_) => ClientAuthMethod::PrivateKeyJwt,
            Self::Nothing => ClientAuthMethod::None,
        }
    }
}

/// The application, authenticated: a confidential one by its secret or its key, a public one by name alone (its
/// proof is PKCE).
pub(super) async fn authenticate(
    app: &App,
    request: &Request,
    parameters: &Parameters,
) -> Result<Arc<StoredApplication>, OauthError> {
    let presented = credentials(request, parameters)?;
    let method = presented.proof.method();
    let refused = || {
        let by_basic = method == ClientAuthMethod::ClientSecretBasic;
        OauthError::invalid_client("the client is unknown or its credential is wrong", by_basic)
    };
    let id = presented.client_id.parse().map_err(|_| refused())?;
    let found = applications::recall(&app.store, id)
        .await
        .map_err(Error::from)?;
    let client = found.ok_or_else(refused)?;
    let registered = client.application.token_endpoint_auth_method;
    if registered.is_some_and(|registered| registered != method) {
        return Err(refused());
    }
    let public = client.application.kind == ApplicationType::Public;
    let holds = match &presented.proof {
        Proof::Nothing => public,
        Proof::Basic(secret) | Proof::Post(secret) => {
            !public && knows_secret(&client, &app.vault.hash(secret), app.clock.now())
        }
        Proof::Assertion(_) if public => false,
        Proof::Assertion(assertion) => {
            let path = request.original_uri().path();
            let audiences = [
                app.public_url.as_str().to_owned(),
                app.public_url.join(TOKEN),
                // RFC 9126 2: the endpoint that is called will do, too.
                app.public_url.join(path),
            ];
            client_assertion::verify(app, &client.application, assertion, &audiences)
                .await?
                .map_err(|refusal| OauthError::invalid_client(&refusal.to_string(), false))?;
            true
        }
    };
    if holds { Ok(client) } else { Err(refused()) }
}

fn credentials(request: &Request, parameters: &Parameters) -> Result<Credentials, OauthError> {
    let client_id = parameters.get("client_id");
    let secret = parameters.get("client_secret");
    let assertion = parameters.get("client_assertion");
    let header = request.headers().get(header::AUTHORIZATION);
    if [header.is_some(), secret.is_some(), assertion.is_some()]
        .iter()
        .filter(|given| **given)
        .count()
        > 1
    {
        return Err(OauthError::invalid_request(
            "the client authenticates in two ways",
        ));
    }
    if let Some(header) = header {
        let (by_header, secret) = header.to_str().ok().and_then(basic).ok_or_else(|| {
            OauthError::invalid_client("the Authorization header is not readable as Basic", true)
        })?;
        if client_id.is_some_and(|id| id != by_header) {
            return Err(OauthError::invalid_request(
                "client_id is not the one in the Authorization header",
            ));
        }
        return Ok(Credentials {
            client_id: by_header,
            proof: Proof::Basic(secret),
        });
    }
    let proof = match (secret, assertion) {
        (Some(secret), _) => Proof::Post(secret.to_owned()),
        (None, Some(assertion)) => {
            if parameters.get("client_assertion_type") != Some(JWT_BEARER) {
                return Err(OauthError::invalid_request(format!(
                    "client_assertion_type must be {JWT_BEARER}"
                )));
            }
            Proof::Assertion(assertion.to_owned())
        }
        (None, None) => Proof::Nothing,
    };
    // RFC 7521 4.2: the assertion names the client where the request does not.
    let client_id = match (client_id, &proof) {
        (Some(id), _) => Some(id.to_owned()),
        (None, Proof::Assertion(assertion)) => client_assertion::claimed_client(assertion),
        (None, _) => None,
    };
    let client_id = client_id
        .ok_or_else(|| OauthError::invalid_client("the client does not say who it is", false))?;
    Ok(Credentials { client_id, proof })
}

/// RFC 7617, with id and secret form-encoded first (RFC 6749 2.3.1).
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((form_decoded(id)?, form_decoded(secret)?))
}

fn form_decoded(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    percent_encoding::percent_decode_str(&text)
        .decode_utf8()
        .ok()
        .map(|text| text.into_owned())
}

/// The present secret, or the one before while the rotation lasts. Keyed hashes are compared, in constant time
/// (SECURITY-MODEL G28).
fn knows_secret(client: &StoredApplication, offered: &str, now: DateTime<Utc>) -> bool {
    let previous = client
        .previous_secret
        .as_ref()
        .filter(|(_, until)| until.0 > now)
        .map(|(hash, _)| hash);
    [client.secret_hash.as_ref(), previous]
        .into_iter()
        .flatten()
        .any(|hash| hash.as_bytes().ct_eq(offered.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_form_encoded_inside() {
        let encode = |text: &str| format!("Basic {}", STANDARD.encode(text));
        let pair = |id: &str, secret: &str| Some((id.to_owned(), secret.to_owned()));
        assert_eq!(basic(&encode("app_1:s3cret-_")), pair("app_1", "s3cret-_"));
        assert_eq!(basic(&encode("app_1:a%3Ab+c%2B")), pair("app_1", "a:b c+"));
        assert_eq!(
            basic(&encode("app_1:").to_lowercase().replace("basic", "bAsic")),
            None
        );
        assert_eq!(basic(&encode("app_1:")), pair("app_1", ""));
        for wrong in ["", "Basic", "Basic !", "Bearer YTpi", &encode("no-colon")] {
            assert_eq!(basic(wrong), None, "{wrong}");
        }
    }
}
