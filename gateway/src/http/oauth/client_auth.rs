//! Which application calls the token endpoint (RFC 6749 2.3, OIDC Core 9).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use poem::Request;
use poem::http::header;
use subtle::ConstantTimeEq as _;

use super::error::OauthError;
use crate::app::App;
use crate::error::Error;
use crate::flows::authorize::Parameters;
use crate::model::ApplicationType;
use crate::store::applications::{self, StoredApplication};

/// For the discovery document.
pub(super) const METHODS: [&str; 3] = ["client_secret_basic", "client_secret_post", "none"];

/// What the client presents.
struct Credentials {
    client_id: String,
    /// `None`: a public client.
    secret: Option<String>,
    by_basic: bool,
}

/// The application, authenticated: a confidential one by its secret, a public one by name alone (its proof is
/// PKCE).
pub(super) async fn authenticate(
    app: &App,
    request: &Request,
    parameters: &Parameters,
) -> Result<Arc<StoredApplication>, OauthError> {
    let presented = credentials(request, parameters)?;
    let refused = || {
        OauthError::invalid_client(
            "the client is unknown or its credential is wrong",
            presented.by_basic,
        )
    };
    let id = presented.client_id.parse().map_err(|_| refused())?;
    let found = applications::recall(&app.store, id)
        .await
        .map_err(Error::from)?;
    let client = found.ok_or_else(refused)?;
    let holds = match (client.application.kind, &presented.secret) {
        (ApplicationType::Public, None) => true,
        (ApplicationType::Confidential, Some(secret)) => {
            knows_secret(&client, &app.vault.hash(secret), app.clock.now())
        }
        (ApplicationType::Public, Some(_)) | (ApplicationType::Confidential, None) => false,
    };
    if holds { Ok(client) } else { Err(refused()) }
}

fn credentials(request: &Request, parameters: &Parameters) -> Result<Credentials, OauthError> {
    let by_body = parameters.get("client_secret");
    let client_id = parameters.get("client_id");
    let Some(header) = request.headers().get(header::AUTHORIZATION) else {
        let client_id = client_id.ok_or_else(|| {
            OauthError::invalid_client("the client does not say who it is", false)
        })?;
        return Ok(Credentials {
            client_id: client_id.to_owned(),
            secret: by_body.map(str::to_owned),
            by_basic: false,
        });
    };
    let (by_header, secret) = header.to_str().ok().and_then(basic).ok_or_else(|| {
        OauthError::invalid_client("the Authorization header is not readable as Basic", true)
    })?;
    // RFC 6749 2.3: one method a request.
    if by_body.is_some() {
        return Err(OauthError::invalid_request(
            "the client authenticates in two ways",
        ));
    }
    if client_id.is_some_and(|id| id != by_header) {
        return Err(OauthError::invalid_request(
            "client_id is not the one in the Authorization header",
        ));
    }
    Ok(Credentials {
        client_id: by_header,
        secret: Some(secret),
        by_basic: true,
    })
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
