//! Signing what a grant gives: the access token (RFC 9068) and the id token (OIDC Core 2).

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::access::{ACCESS_TOKEN_TYPE, AccessClaims};
use super::claims::IdentityClaims;
use crate::app::App;
use crate::error::Error;
use crate::ids::ApplicationId;
use crate::model::{Application, SigningAlgorithm, User};
use crate::store::global::Tenant;
use crate::store::sessions::StoredSession;

/// Longest life of an access token (SECURITY-MODEL G12), whatever an application's row says. The id token,
/// which is read when it arrives, lives as long.
const MAX_LIFETIME: TimeDelta = TimeDelta::seconds(300);

/// The answer of the token endpoint (RFC 6749 5.1). It has no `Debug`: it must not reach a log.
#[derive(Clone, Serialize)]
pub struct TokenResponse {
    pub access_token: String,
    pub token_type: &'static str,
    /// Seconds.
    pub expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// Space-separated.
    pub scope: String,
}

#[derive(Serialize)]
struct IdTokenClaims {
    iss: String,
    aud: ApplicationId,
    exp: i64,
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<String>,
    at_hash: String,
    #[serde(flatten)]
    identity: IdentityClaims,
}

/// What a grant came to, read in its transaction; signed after the commit, so that nobody waits for RSA
/// with a row locked.
pub(super) struct Issue {
    pub(super) tenant: Tenant,
    pub(super) session: StoredSession,
    pub(super) user: User,
    pub(super) scope: Vec<String>,
    pub(super) nonce: Option<String>,
    pub(super) refresh_token: Option<String>,
}

impl Issue {
    pub(super) async fn sign(
        self,
        app: &App,
        client: &Application,
        now: DateTime<Utc>,
    ) -> Result<TokenResponse, Error> {
        let key = app
            .signing_keys
            .current()
            .await?
            .active(client.id_token_signing_alg)?;
        // No token outlives its session (SECURITY-MODEL G10).
        let lifetime = TimeDelta::seconds(client.access_token_ttl).min(MAX_LIFETIME);
        let expires_at = (now + lifetime).min(self.session.session.expires_at.0);
        let (iat, exp) = (now.timestamp(), expires_at.timestamp());
        let scope = self.scope.join(" ");
        let access = AccessClaims {
            iss: app.public_url.as_str().to_owned(),
            sub: self.user.id,
            aud: client.id,
            client_id: client.id,
            exp,
            iat,
            jti: app.entropy.token(),
            scope: scope.clone(),
            org_id: self.tenant.scope.organization(),
            roles: self.user.roles.clone(),
            sid: self.session.session.id,
            auth_time: self.session.claims.auth_time,
            acr: self.session.claims.acr.clone(),
            amr: self.session.claims.amr.clone(),
        };
        let id = self
            .scope
            .iter()
            .any(|scope| scope == "openid")
            .then(|| IdTokenClaims {
                iss: access.iss.clone(),
                aud: client.id,
                exp,
                iat,
                nonce: self.nonce,
                at_hash: String::new(),
                identity: IdentityClaims::of(
                    app,
                    &self.tenant,
                    &self.session,
                    &self.user,
                    &self.scope,
                ),
            });
        let signed = key.signing(move |key| {
            let access_token = key.sign(ACCESS_TOKEN_TYPE, &access)?;
            let id_token = id.map(|mut id| {
                id.at_hash = at_hash(key.alg, &access_token);
                key.sign("JWT", &id)
            });
            Ok((access_token, id_token.transpose()?))
        });
        let (access_token, id_token) = signed.await?;
        Ok(TokenResponse {
            access_token,
            token_type: "Bearer",
            expires_in: exp - iat,
            id_token,
            refresh_token: self.refresh_token,
            scope,
        })
    }
}

/// The left half of the hash that belongs to the signature's algorithm (OIDC Core 3.1.3.6); for Ed25519 that is
/// the one inside it, SHA-512.
fn at_hash(alg: SigningAlgorithm, access_token: &str) -> String {
    let algorithm = match alg {
        SigningAlgorithm::Rs256 | SigningAlgorithm::Es256 => &SHA256,
        SigningAlgorithm::EdDsa => &SHA512,
    };
    let hash = digest(algorithm, access_token.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..hash.as_ref().len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_hash_is_the_left_half_of_the_algorithms_hash() {
        // OIDC Core appendix A.3
        let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(
            at_hash(SigningAlgorithm::Rs256, token),
            "77QmUPtjPfzWtF2AnpK9RQ"
        );
        assert_eq!(at_hash(SigningAlgorithm::EdDsa, token).len(), 43);
    }
}
