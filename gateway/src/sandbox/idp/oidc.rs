//! The OIDC side of the practice IdP: an OpenID provider with code flow and PKCE, RS256 (OIDC Core,
//! Discovery, RFC 7636, RFC 9207).

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::{Fault, IdpError, IdpSession, PracticeIdp};
use crate::sandbox::people::Person;

const CODE_LIFETIME: TimeDelta = TimeDelta::minutes(1);
const TOKEN_LIFETIME: TimeDelta = TimeDelta::minutes(5);

/// A relying party: the gateway's connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcClient {
    pub client_id: String,
    pub client_secret: String,
}

/// What one authorization is about, from the authorize request to the tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuthorizeRequest {
    pub client_id: String,
    pub redirect_uri: String,
    pub state: String,
    pub nonce: Option<String>,
    pub scope: String,
    /// PKCE S256; plain is not offered.
    pub code_challenge: Option<String>,
    /// Space-separated, the preferred class first (OIDC Core 3.1.2.1). The answer's `acr` is that one.
    pub acr_values: String,
}

/// A person's decision, kept until the code is redeemed or the token expires.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    request: AuthorizeRequest,
    person: Person,
    fault: Option<Fault>,
    expires_at: DateTime<Utc>,
}

/// The form of the token endpoint, with the client's credentials wherever they stood.
#[derive(Debug, Clone, Default)]
pub struct TokenRequest {
    pub grant_type: String,
    pub code: String,
    pub redirect_uri: String,
    pub code_verifier: Option<String>,
    pub client_id: String,
    pub client_secret: String,
}

/// RFC 6749 5.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenError(pub &'static str);

impl PracticeIdp {
    pub fn oidc_issuer(&self) -> String {
        format!("{}/oidc", self.base_url)
    }

    /// The document at `/.well-known/openid-configuration` (OIDC Discovery 3).
    pub fn oidc_discovery(&self) -> Value {
        let issuer = self.oidc_issuer();
        json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "userinfo_endpoint": format!("{issuer}/userinfo"),
            "jwks_uri": format!("{issuer}/jwks"),
            "end_session_endpoint": format!("{issuer}/end_session"),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": ["openid", "email", "profile", "groups"],
            "claims_supported": ["sub", "email", "email_verified", "name", "given_name", "family_name", "groups"],
            "authorization_response_iss_parameter_supported": true,
        })
    }

    /// JWK Set with the signing key (RFC 7517 5).
    pub fn oidc_jwks(&self) -> Value {
        let (n, e) = self.keys.signing.public_numbers();
        json!({"keys": [{
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid(),
            "n": URL_SAFE_NO_PAD.encode(n), "e": URL_SAFE_NO_PAD.encode(e),
        }]})
    }

    pub fn register_client(&self, client: OidcClient) {
        let mut state = self.state();
        state
            .clients
            .retain(|known| known.client_id != client.client_id);
        state.clients.push(client);
    }

    /// Whether the browser may be sent back at all (RFC 6749 4.1.2.1). A real provider compares redirect URIs
    /// exactly; this one takes any of a trusted service, so that a new connection works at once.
    pub fn check_authorize(&self, request: &AuthorizeRequest) -> Result<(), IdpError> {
        self.check_service(&request.redirect_uri)?;
        let known = self
            .state()
            .clients
            .iter()
            .any(|client| client.client_id == request.client_id);
        if known {
            Ok(())
        } else {
            Err(IdpError::Request("client_id"))
        }
    }

    /// Where the browser goes after the person chose: the redirect URI with a code, or with an error.
    pub fn authorize(
        &self,
        request: &AuthorizeRequest,
        person: &Person,
        fault: Option<Fault>,
    ) -> Result<String, IdpError> {
        if fault == Some(Fault::Refused) {
            let description = "The person is not assigned to this application.";
            return self.authorize_error(request, "access_denied", description);
        }
        self.check_authorize(request)?;
        let used = match fault {
            Some(Fault::Replay) => self.state().last_code.clone(),
            _ => None,
        };
        let code = used.unwrap_or_else(|| self.grant(request, person, fault));
        self.back_to_client(request, &[("code", &code)])
    }

    /// The redirect URI with an error (RFC 6749 4.1.2.1).
    pub fn authorize_error(
        &self,
        request: &AuthorizeRequest,
        error: &str,
        description: &str,
    ) -> Result<String, IdpError> {
        self.check_authorize(request)?;
        self.back_to_client(
            request,
            &[("error", error), ("error_description", description)],
        )
    }

    fn back_to_client(
        &self,
        request: &AuthorizeRequest,
        answer: &[(&str, &str)],
    ) -> Result<String, IdpError> {
        let mut to = url::Url::parse(&request.redirect_uri)
            .map_err(|_| IdpError::Request("redirect_uri"))?;
        to.query_pairs_mut()
            .extend_pairs(answer)
            .append_pair("state", &request.state)
            .append_pair("iss", &self.oidc_issuer());
        Ok(to.into())
    }

    /// Where the browser goes after a logout (RP-Initiated Logout 1.0, section 3). Nobody is signed in here for
    /// longer than one answer, so there is no session to end.
    pub fn signed_out(&self, redirect_uri: &str, state: &str) -> Result<String, IdpError> {
        self.check_service(redirect_uri)?;
        let mut to = url::Url::parse(redirect_uri)
            .map_err(|_| IdpError::Request("post_logout_redirect_uri"))?;
        to.query_pairs_mut().append_pair("state", state);
        Ok(to.into())
    }

    fn grant(&self, request: &AuthorizeRequest, person: &Person, fault: Option<Fault>) -> String {
        let now = self.clock.now();
        let code = self.random_hex();
        let grant = Grant {
            request: request.clone(),
            person: person.clone(),
            fault,
            expires_at: now + CODE_LIFETIME,
        };
        let mut state = self.state();
        state.codes.retain(|_, grant| grant.expires_at > now);
        state.codes.insert(code.clone(), grant);
        if fault.is_none() {
            state.last_code = Some(code.clone());
        }
        code
    }

    /// The token endpoint (OIDC Core 3.1.3). A code works once.
    pub fn token(&self, request: &TokenRequest) -> Result<Value, TokenError> {
        if request.grant_type != "authorization_code" {
            return Err(TokenError("unsupported_grant_type"));
        }
        let now = self.clock.now();
        let mut state = self.state();
        let known = state.clients.iter().any(|client| {
            client.client_id == request.client_id && client.client_secret == request.client_secret
        });
        if !known {
            return Err(TokenError("invalid_client"));
        }
        let grant = state
            .codes
            .remove(&request.code)
            .filter(|grant| grant.expires_at > now);
        let mut grant = grant.ok_or(TokenError("invalid_grant"))?;
        if grant.fault == Some(Fault::BadSecret) {
            return Err(TokenError("invalid_client"));
        }
        let verified = match (&grant.request.code_challenge, &request.code_verifier) {
            (Some(challenge), Some(verifier)) => {
                *challenge == URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
            }
            (None, None) => true,
            _ => false,
        };
        let same = grant.request.client_id == request.client_id
            && grant.request.redirect_uri == request.redirect_uri;
        if !verified || !same {
            return Err(TokenError("invalid_grant"));
        }
        grant.expires_at = now + TOKEN_LIFETIME;
        let id_token = self
            .id_token(&grant, now, state.session)
            .map_err(|_| TokenError("server_error"))?;
        let access_token = self.random_hex();
        state.tokens.retain(|_, grant| grant.expires_at > now);
        state.tokens.insert(access_token.clone(), grant);
        Ok(json!({
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": TOKEN_LIFETIME.num_seconds(),
            "id_token": id_token,
        }))
    }

    /// UserInfo (OIDC Core 5.3). `None` for a token that is not ours or no longer valid.
    pub fn userinfo(&self, access_token: &str) -> Option<Value> {
        let state = self.state();
        let grant = state.tokens.get(access_token)?;
        (grant.expires_at > self.clock.now()).then(|| Value::Object(claims_of(grant)))
    }

    fn id_token(
        &self,
        grant: &Grant,
        now: DateTime<Utc>,
        session: IdpSession,
    ) -> Result<String, IdpError> {
        let fault = grant.fault;
        let now = match fault {
            Some(Fault::ClockSkew) => now + TimeDelta::minutes(10),
            Some(Fault::Expired) => now - TimeDelta::hours(1),
            _ => now,
        };
        let mut claims = claims_of(grant);
        claims.insert(
            "iss".into(),
            match fault {
                Some(Fault::WrongIssuer) => "https://elsewhere.example".into(),
                _ => self.oidc_issuer().into(),
            },
        );
        claims.insert(
            "aud".into(),
            match fault {
                Some(Fault::WrongAudience) => "another-client".into(),
                _ => grant.request.client_id.clone().into(),
            },
        );
        claims.insert("iat".into(), now.timestamp().into());
        claims.insert("auth_time".into(), (now - session.age).timestamp().into());
        if let Some(lasts) = session.lasts {
            claims.insert("session_expiry".into(), (now + lasts).timestamp().into());
        }
        if let Some(class) = grant.request.acr_values.split_whitespace().next() {
            claims.insert("acr".into(), class.into());
        }
        claims.insert("exp".into(), (now + TOKEN_LIFETIME).timestamp().into());
        claims.insert("amr".into(), json!(["pwd"]));
        let nonce = match fault {
            Some(Fault::WrongNonce) => Some(self.random_hex()),
            _ => grant.request.nonce.clone(),
        };
        if let Some(nonce) = nonce {
            claims.insert("nonce".into(), nonce.into());
        }
        self.sign_jwt(&claims, fault)
    }

    /// A compact JWS (RFC 7515 7.1).
    fn sign_jwt(
        &self,
        claims: &Map<String, Value>,
        fault: Option<Fault>,
    ) -> Result<String, IdpError> {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let claims = Value::Object(claims.clone());
        if fault == Some(Fault::Unsigned) {
            return Ok(format!(
                "{}.{}.",
                encode(&json!({"alg": "none", "typ": "JWT"})),
                encode(&claims)
            ));
        }
        let key = match fault {
            Some(Fault::WrongKey) => self.keys.stranger()?,
            _ => &self.keys.signing,
        };
        let header = encode(&json!({"alg": "RS256", "typ": "JWT", "kid": self.kid()}));
        let payload = encode(&claims);
        let signature = URL_SAFE_NO_PAD.encode(key.sign(format!("{header}.{payload}").as_bytes()));
        let payload = match fault {
            Some(Fault::Altered) => {
                let mut altered = claims;
                altered["name"] = "Somebody Else".into();
                encode(&altered)
            }
            _ => payload,
        };
        Ok(format!("{header}.{payload}.{signature}"))
    }

    /// Changes with the key, so that a cached JWK Set is read again.
    fn kid(&self) -> String {
        URL_SAFE_NO_PAD.encode(&digest(&SHA256, &self.keys.signing.certificate).as_ref()[..9])
    }
}

/// The claims about the person that the scopes ask for (OIDC Core 5.4).
fn claims_of(grant: &Grant) -> Map<String, Value> {
    let Grant {
        person,
        request,
        fault,
        ..
    } = grant;
    let has = |scope: &str| request.scope.split(' ').any(|asked| asked == scope);
    let mut claims = Map::new();
    claims.insert("sub".into(), person.id.clone().into());
    if has("email") && *fault != Some(Fault::NoEmail) {
        let email = match fault {
            Some(Fault::OutsideDomain) => "somebody@outside.example",
            _ => &person.email,
        };
        claims.insert("email".into(), email.into());
        claims.insert("email_verified".into(), person.email_verified.into());
    }
    if has("profile") {
        claims.insert("name".into(), person.display_name().into());
        claims.insert("given_name".into(), person.given_name.clone().into());
        claims.insert("family_name".into(), person.family_name.clone().into());
        claims.insert("preferred_username".into(), person.email.clone().into());
    }
    if has("groups") && *fault == Some(Fault::TooManyGroups) {
        // As Entra ID does it (OIDC Core 5.6.2).
        claims.insert("_claim_names".into(), json!({"groups": "src1"}));
    } else if has("groups") {
        claims.insert("groups".into(), person.groups.clone().into());
    }
    claims
}

#[cfg(test)]
mod tests;
