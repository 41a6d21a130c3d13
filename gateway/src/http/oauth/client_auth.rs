//! Which application calls (RFC 6749 2.3, RFC 7523, OIDC Core 9).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use connectors::oidc::claimed_subject;
use poem::Request;
use poem::http::header;
use subtle::ConstantTimeEq as _;

use super::error::OauthError;
use crate::app::App;
use crate::error::Error;
use crate::flows::authorize::Parameters;
use crate::flows::client_assertion::{self, ASSERTION_TYPE};
use crate::model::ClientAuthMethod;
use crate::store::applications::{self, StoredApplication};

/// For the discovery document.
pub(super) const METHODS: [&str; 4] = [
    "client_secret_basic",
    "client_secret_post",
    "private_key_jwt",
    "none",
];

/// What the client presents.
struct Credentials {
    client_id: String,
    proof: Proof,
}

enum Proof {
    /// A public client's: its name alone.
    Nothing,
    Secret {
        secret: String,
        by_basic: bool,
    },
    Assertion(String),
}

impl Proof {
    fn by_basic(&self) -> bool {
        matches!(self, Self::Secret { by_basic: true, .. })
    }
}

/// The application, authenticated in the way it is registered for: by its secret, by its signature, or, a
/// public one, by name alone (its proof is PKCE).
pub(super) async fn authenticate(
    app: &App,
    request: &Request,
    parameters: &Parameters,
) -> Result<Arc<StoredApplication>, OauthError> {
    let Credentials { client_id, proof } = credentials(request, parameters)?;
    let refused = || {
        OauthError::invalid_client(
            "the client is unknown or its credential is wrong",
            proof.by_basic(),
        )
    };
    let id = client_id.parse().map_err(|_| refused())?;
    let found = applications::recall(&app.store, id)
        .await
        .map_err(Error::from)?;
    let client = found.ok_or_else(refused)?;
    let method = client.application.token_endpoint_auth_method;
    let holds = match (method, &proof) {
        (ClientAuthMethod::None, Proof::Nothing) => true,
        (
            ClientAuthMethod::ClientSecretBasic | ClientAuthMethod::ClientSecretPost,
            Proof::Secret { secret, .. },
        ) => knows_secret(&client, &app.vault.hash(secret), app.clock.now()),
        (ClientAuthMethod::PrivateKeyJwt, Proof::Assertion(assertion)) => {
            let endpoint = app.public_url.join(request.uri().path());
            client_assertion::verify(app, &client.application, assertion, &endpoint)
                .await?
                .map_err(|refusal| OauthError::invalid_client(&refusal.to_string(), false))?;
            true
        }
        _ => false,
    };
    if holds { Ok(client) } else { Err(refused()) }
}

fn credentials(request: &Request, parameters: &Parameters) -> Result<Credentials, OauthError> {
    let secret = parameters.get("client_secret");
    let client_id = parameters.get("client_id");
    let assertion = assertion(parameters)?;
    let header = request.headers().get(header::AUTHORIZATION);
    // RFC 6749 2.3: one method a request.
    let ways = [secret.is_some(), assertion.is_some(), header.is_some()];
    if ways.into_iter().filter(|used| *used).count() > 1 {
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
            proof: Proof::Secret {
                secret,
                by_basic: true,
            },
        });
    }
    // RFC 7521 4.2: with an assertion, client_id may be left out.
    let named = client_id
        .map(str::to_owned)
        .or_else(|| claimed_subject(assertion?));
    let client_id = named
        .ok_or_else(|| OauthError::invalid_client("the client does not say who it is", false))?;
    let proof = match (assertion, secret) {
        (Some(assertion), _) => Proof::Assertion(assertion.to_owned()),
        (None, Some(secret)) => Proof::Secret {
            secret: secret.to_owned(),
            by_basic: false,
        },
        (None, None) => Proof::Nothing,
    };
    Ok(Credentials { client_id, proof })
}

/// RFC 7521 4.2: both parameters, or neither.
fn assertion(parameters: &Parameters) -> Result<Option<&str>, OauthError> {
    let assertion = parameters.get("client_assertion");
    match (assertion, parameters.get("client_assertion_type")) {
        (Some(assertion), Some(ASSERTION_TYPE)) => Ok(Some(assertion)),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(OauthError::missing("client_assertion")),
        (Some(_), None) => Err(OauthError::missing("client_assertion_type")),
        // RFC 6749 5.2 calls an unsupported way to authenticate so.
        (Some(_), Some(_)) => Err(OauthError::invalid_client(
            &format!("client_assertion_type has to be {ASSERTION_TYPE}"),
            false,
        )),
    }
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
