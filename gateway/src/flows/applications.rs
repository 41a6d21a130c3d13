//! Applications: the OIDC clients. They stand above organizations, so no organization's events tell of them.

use chrono::TimeDelta;
use serde_json::Value;
use url::{Host, Url};

use crate::app::App;
use crate::error::{Error, FieldProblem};
use crate::ids::ApplicationId;
use crate::model::{Application, ApplicationType, Cause, ClientAuthMethod, Timestamp};
use crate::store::applications::{self, StoredApplication};
use crate::store::{Tx, sessions};

const SECRET_PREFIX: &str = "tenon_secret_";
/// How long the secret before the last rotation still works.
const SECRET_OVERLAP: TimeDelta = TimeDelta::hours(24);

/// An access token can't be taken back, so it lives at most this long (SECURITY-MODEL G12).
pub const MAX_ACCESS_TOKEN_TTL: i64 = 300;
/// Longest `jwks`, in bytes.
const MAX_JWKS: usize = 64 * 1024;
/// 30 days.
pub const DEFAULT_REFRESH_TOKEN_TTL: i64 = 30 * 24 * 60 * 60;

/// Creates an application that is checked; `client_id` is its id. A confidential one gets a secret, which is
/// returned this once.
pub async fn create(
    app: &App,
    tx: &Tx,
    application: Application,
) -> Result<(Application, Option<String>), Error> {
    let method = application.token_endpoint_auth_method;
    let secret = method.uses_secret().then(|| new_secret(app));
    let stored = StoredApplication {
        secret_hash: secret.as_deref().map(|secret| app.vault.hash(secret)),
        previous_secret: None,
        application,
    };
    applications::insert(tx, &stored).await?;
    Ok((stored.application, secret))
}

/// Gives a confidential application another secret; the one before works for a day more, or with `leaked` no longer.
///
/// # Errors
/// `public_client` when the application has none.
pub async fn rotate_secret(
    app: &App,
    tx: &Tx,
    id: ApplicationId,
    leaked: bool,
) -> Result<(Application, String), Error> {
    let mut stored = applications::lock(tx, id)
        .await?
        .ok_or(Error::NotFound("application"))?;
    if stored.application.kind == ApplicationType::Public {
        return Err(Error::conflict(
            "public_client",
            "a public application has no secret",
        ));
    }
    if !stored.application.token_endpoint_auth_method.uses_secret() {
        return Err(Error::conflict(
            "no_client_secret",
            "the application authenticates with its own keys (private_key_jwt)",
        ));
    }
    let now = app.clock.now();
    let secret = new_secret(app);
    let until = (now + SECRET_OVERLAP).into();
    let previous = stored.secret_hash.replace(app.vault.hash(&secret));
    stored.previous_secret = previous.filter(|_| !leaked).map(|hash| (hash, until));
    stored.application.updated_at = now.into();
    applications::update(tx, &stored).await?;
    Ok((stored.application, secret))
}

/// A secret that no longer opens anything goes: a client has one way to prove itself, and whoever finds the
/// secret later has nothing.
pub fn drop_unused_secrets(stored: &mut StoredApplication) {
    if !stored.application.token_endpoint_auth_method.uses_secret() {
        stored.secret_hash = None;
        stored.previous_secret = None;
    }
}

/// Removes an application: the sessions that it was signed in to end, and with them their tokens
/// (SECURITY-MODEL G22). Returns it as it was last.
pub async fn remove(
    app: &App,
    tx: &Tx,
    id: ApplicationId,
    cause: &Cause,
) -> Result<Application, Error> {
    let stored = applications::lock(tx, id)
        .await?
        .ok_or(Error::NotFound("application"))?;
    let now = Timestamp::from(app.clock.now());
    for scope in sessions::organizations_of_application(tx, id).await? {
        sessions::end_sessions_of_application(tx, &scope, id, cause, now).await?;
    }
    applications::remove(tx, id).await?;
    Ok(stored.application)
}

fn new_secret(app: &App) -> String {
    format!("{SECRET_PREFIX}{}", app.entropy.token())
}

/// Every problem of an application's own fields.
pub fn check(application: &Application) -> Vec<FieldProblem> {
    let mut problems = Vec::new();
    let lists = [
        ("redirect_uris", &application.redirect_uris),
        (
            "post_logout_redirect_uris",
            &application.post_logout_redirect_uris,
        ),
    ];
    for (field, uris) in lists {
        for (at, uri) in uris.iter().enumerate() {
            if let Err(message) = check_uri(uri) {
                problems.push(FieldProblem::new(format!("{field}[{at}]"), message));
            }
        }
    }
    if application.redirect_uris.is_empty() {
        problems.push(FieldProblem::new("redirect_uris", "has at least 1 entries"));
    }
    let optional = [
        (
            "backchannel_logout_uri",
            &application.backchannel_logout_uri,
        ),
        ("initiate_login_uri", &application.initiate_login_uri),
        ("jwks_uri", &application.jwks_uri),
    ];
    for (field, uri) in optional {
        if let Some(Err(message)) = uri.as_deref().map(check_uri) {
            problems.push(FieldProblem::new(field, message));
        }
    }
    if let Some(Err(message)) = application.jwks.as_ref().map(check_jwks) {
        problems.push(FieldProblem::new("jwks", message));
    }
    if let Err((field, message)) = check_method(application) {
        problems.push(FieldProblem::new(field, message));
    }
    problems
}

/// How an application authenticates fits what it is and has.
fn check_method(application: &Application) -> Result<(), (&'static str, &'static str)> {
    const METHOD: &str = "token_endpoint_auth_method";
    let method = application.token_endpoint_auth_method;
    match (application.kind, method == ClientAuthMethod::None) {
        (ApplicationType::Public, false) => {
            return Err((METHOD, "has to be none for a public application"));
        }
        (ApplicationType::Confidential, true) => {
            return Err((METHOD, "can be none for a public application only"));
        }
        _ => {}
    }
    match (&application.jwks, &application.jwks_uri) {
        // RFC 7591 2
        (Some(_), Some(_)) => Err(("jwks_uri", "can't be given beside jwks")),
        (None, None) if method == ClientAuthMethod::PrivateKeyJwt => {
            Err(("jwks", "or jwks_uri is needed for private_key_jwt"))
        }
        _ => Ok(()),
    }
}

/// RFC 6749 3.1.2 and RFC 9700 2.1: absolute, without a fragment, matched byte for byte later; https, or http
/// to this machine while developing.
fn check_uri(uri: &str) -> Result<(), &'static str> {
    if !uri.bytes().all(|byte| byte.is_ascii_graphic()) || uri.contains(['\\', '*']) {
        return Err("has to be an absolute URL of visible ASCII characters, without wildcards");
    }
    let parsed = Url::parse(uri).map_err(|_| "has to be an absolute URL")?;
    let loopback = match parsed.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err("has to be an absolute URL with a host"),
    };
    match parsed.scheme() {
        "https" => {}
        "http" if loopback => {}
        _ => return Err("has to be https; http is for loopback hosts only"),
    }
    if parsed.fragment().is_some() {
        return Err("can't have a fragment");
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err("can't have a user name");
    }
    Ok(())
}

/// RFC 7517 5: public keys only, since whoever reads our database must not be able to act as the application.
fn check_jwks(jwks: &Value) -> Result<(), &'static str> {
    const PRIVATE: [&str; 2] = ["d", "k"];
    let keys = jwks["keys"]
        .as_array()
        .ok_or("has to be a JWK set: an object with the array keys")?;
    if keys.is_empty() || keys.iter().any(|key| key["kty"].as_str().is_none()) {
        return Err("has to hold at least one JWK");
    }
    if keys
        .iter()
        .any(|key| PRIVATE.iter().any(|part| key.get(part).is_some()))
    {
        return Err("holds a private or symmetric key: give public keys only");
    }
    if jwks.to_string().len() > MAX_JWKS {
        return Err("is longer than 64 KiB");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_uri_is_https_or_goes_to_this_machine() {
        for uri in [
            "https://app.example/callback",
            "https://app.example:8443/a?b=c",
            "http://localhost:3000/cb",
            "http://127.0.0.1/cb",
            "http://[::1]:9/cb",
        ] {
            assert_eq!(check_uri(uri), Ok(()), "{uri}");
        }
        for uri in [
            "",
            "/callback",
            "app.example/callback",
            "http://app.example/callback",
            "http://localhost.evil.example/",
            "https://app.example/#x",
            "https://app.example/#",
            "https://user@app.example/",
            "https://*.app.example/",
            "https:\\\\app.example",
            "https://app.example/ a",
            "javascript:alert(1)",
            "https://",
        ] {
            assert!(check_uri(uri).is_err(), "{uri}");
        }
    }

    #[test]
    fn a_jwks_holds_public_keys_only() {
        let public = serde_json::json!({"keys": [{"kty": "RSA", "n": "x", "e": "AQAB"}]});
        assert_eq!(check_jwks(&public), Ok(()));
        let private =
            serde_json::json!({"keys": [{"kty": "RSA", "n": "x", "e": "AQAB", "d": "x"}]});
        assert!(check_jwks(&private).is_err());
        assert!(check_jwks(&serde_json::json!({"keys": []})).is_err());
        assert!(check_jwks(&serde_json::json!([])).is_err());
    }
}
