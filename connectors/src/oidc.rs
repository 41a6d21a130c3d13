//! OpenID Connect relying party: authorization code flow with PKCE (OIDC Core 1.0, RFC 7636, RFC 9207).
//!
//! openidconnect reads the metadata and writes the authorization request; keys, token request and claims are
//! ours ([`id_token`] and [`token_exchange`] say why).

mod cache;
mod client_assertion;
mod discovery;
mod fetch;
mod id_token;
mod identity;
mod jws;
mod keys;
mod token_exchange;
mod userinfo;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use openidconnect::core::{CoreAuthPrompt, CoreAuthenticationFlow, CoreClient, CoreJsonWebKeySet};
use openidconnect::{
    AuthUrl, AuthenticationContextClass, ClientId, CsrfToken, IssuerUrl, LoginHint, Nonce,
    RedirectUrl, Scope,
};
use serde_json::{Map, Value};

use crate::NormalizedIdentity;
use crate::provider::{self, Provider};
use crate::settings::{
    OidcSettings, SettingsProblem, SpEndpoints, SpKeys, TokenEndpointAuthMethod,
};
use crate::trace::{CheckName, Protocol, Trace};
use crate::{Begin, BeginLogin, Callback, Completion, ConnectorError, Expected, HttpClient};
use cache::Cached;
use client_assertion::Signer;
use discovery::Discovered;
use id_token::Expectations;
use jws::Jws;
use keys::KeySet;
use token_exchange::{Exchange, Tokens};

/// Claims that name a tenant, where the provider's file names none.
const TENANT_CLAIMS: &[&str] = &["tid", "hd"];

/// One OIDC connection with what it learned of its provider: keep it, so that metadata and keys are read
/// once and not at each login.
pub struct OidcConnector {
    settings: OidcSettings,
    issuer_url: IssuerUrl,
    redirect_uri: RedirectUrl,
    provider: &'static Provider,
    signer: Option<Signer>,
    discovered: Cached<Discovered>,
    keys: Cached<KeySet>,
}

impl OidcConnector {
    /// Reads the settings and reports every problem in them at once. Needs no network.
    pub fn open(
        settings: &OidcSettings,
        sp: &SpEndpoints,
        keys: &SpKeys,
    ) -> Result<Self, Vec<SettingsProblem>> {
        let mut problems = Vec::new();
        let mut problem = |field: &str, message: &str| {
            problems.push(SettingsProblem {
                field: field.to_owned(),
                message: message.to_owned(),
            });
        };
        if settings.client_id.trim().is_empty() {
            problem(
                "oidc.client_id",
                "is missing; copy it from the identity provider's application",
            );
        }
        if let Err(message) = issuer_is_usable(&settings.issuer) {
            problem("oidc.issuer", message);
        }
        if settings.client_secret.as_deref() == Some("") {
            problem(
                "oidc.client_secret",
                "is empty; leave it out for a public client",
            );
        }
        let by_key = settings.token_endpoint_auth_method == TokenEndpointAuthMethod::PrivateKeyJwt;
        let signer = keys.pairs.first().filter(|_| by_key).and_then(Signer::new);
        if by_key && signer.is_none() {
            let message = "private_key_jwt needs an RSA key of this connection, and it has none";
            problem("oidc.token_endpoint_auth_method", message);
        }
        let issuer_url = IssuerUrl::new(settings.issuer.clone());
        let redirect_uri = RedirectUrl::new(sp.redirect_uri.clone());
        if redirect_uri.is_err() {
            problem(
                "oidc.redirect_uri",
                "is not a URL; look at the gateway's public URL",
            );
        }
        match (issuer_url, redirect_uri) {
            (Ok(issuer_url), Ok(redirect_uri)) if problems.is_empty() => Ok(Self {
                settings: settings.clone(),
                issuer_url,
                redirect_uri,
                provider: provider::find(settings.provider.as_deref()),
                signer,
                discovered: Cached::empty(),
                keys: Cached::empty(),
            }),
            _ => Err(problems),
        }
    }

    /// The authorization request (OIDC Core 3.1.2.1), always with `state`, `nonce` and PKCE S256. Errors:
    /// `idp_unreachable`, `discovery_invalid`.
    pub async fn begin(
        &self,
        login: &BeginLogin,
        http: &impl HttpClient,
    ) -> Result<Begin, ConnectorError> {
        let discovered = self.discover(login.now, http).await?;
        let client_id = ClientId::new(self.settings.client_id.clone());
        let endpoint = AuthUrl::from_url(discovered.authorization_endpoint.clone());
        let client = CoreClient::new(
            client_id,
            self.issuer_url.clone(),
            CoreJsonWebKeySet::default(),
        )
        .set_auth_uri(endpoint)
        .set_redirect_uri(self.redirect_uri.clone());
        let (state, nonce) = (login.state.clone(), login.nonce.clone());
        // RFC 7636 section 4.2. openidconnect's own challenge panics on a verifier of another length.
        let challenge = digest(&SHA256, login.code_verifier.as_bytes());
        let mut request = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                move || CsrfToken::new(state),
                move || Nonce::new(nonce),
            )
            .add_extra_param("code_challenge", URL_SAFE_NO_PAD.encode(challenge))
            .add_extra_param("code_challenge_method", "S256")
            .add_scopes(self.scopes());
        if let Some(hint) = &login.login_hint {
            request = request.set_login_hint(LoginHint::new(hint.clone()));
        }
        if let Some((name, domain)) = self.domain_hint(login.login_hint.as_deref()) {
            request = request.add_extra_param(name, domain);
        }
        if login.passive {
            request = request.add_prompt(CoreAuthPrompt::None); // stands alone (3.1.2.1)
        } else if login.force_authn {
            request = request.add_prompt(CoreAuthPrompt::Login);
        }
        if let Some(seconds) = login.max_age {
            request = request.set_max_age(Duration::from_secs(seconds));
        }
        for class in &login.acr_values {
            request =
                request.add_auth_context_value(AuthenticationContextClass::new(class.clone()));
        }
        let (url, _, _) = request.url();
        Ok(Begin::Redirect { url: url.into() })
    }

    /// Checks the callback, exchanges the code, validates the ID token and reads the person. An email that is
    /// missing stays `None` for the gateway, which knows whether it needs one.
    pub async fn complete(
        &self,
        callback: Callback,
        expected: Option<&Expected>,
        now: DateTime<Utc>,
        http: &impl HttpClient,
    ) -> Completion {
        let mut trace = Trace::new(Protocol::Oidc);
        let outcome = self
            .checked(&callback, expected, now, http, &mut trace)
            .await;
        if let Err(error) = &outcome {
            trace.fail(error, self.settings.provider.as_deref());
        }
        Completion {
            trace,
            outcome,
            replay_ids: Vec::new(),
        }
    }

    async fn checked(
        &self,
        callback: &Callback,
        expected: Option<&Expected>,
        now: DateTime<Utc>,
        http: &impl HttpClient,
        trace: &mut Trace,
    ) -> Result<NormalizedIdentity, ConnectorError> {
        let expected = expected.ok_or(ConnectorError::StateMismatch)?;
        let Callback::OidcRedirect {
            code,
            state,
            iss,
            error,
            error_description,
        } = callback
        else {
            return Err(ConnectorError::StateMismatch);
        };
        if state.as_deref() != Some(expected.state.as_str()) {
            return Err(ConnectorError::StateMismatch);
        }
        let refusal = error.as_ref().map(|error| ConnectorError::IdpError {
            error: error.clone(),
            description: error_description.clone().unwrap_or_default(),
        });
        // A refusal is shown without asking the provider anything, unless it names another issuer.
        let is_ours = iss.as_ref().is_none_or(|iss| *iss == self.settings.issuer);
        if let Some(refusal) = refusal.clone().filter(|_| is_ours) {
            return Err(refusal);
        }
        let discovered = self.discover(now, http).await?;
        // Mix-up: a code from another provider must not be sent to this one, nor its error believed (RFC 9207).
        if iss.is_some() || discovered.response_carries_issuer && refusal.is_none() {
            match_response_issuer(iss.as_deref(), &discovered.issuer)?;
        }
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        let code = code.as_deref().filter(|code| !code.is_empty());
        let code = code.ok_or_else(|| ConnectorError::IdpError {
            error: "invalid_response".to_owned(),
            description: "the provider sent neither a code nor an error".to_owned(),
        })?;
        trace.pass(CheckName::Callback);

        // Keys before the code: while they can't be had, the code is not spent.
        let keys = self
            .keys
            .get(now, keys::fetch(&discovered.jwks_uri, http))
            .await?;
        trace.observe(
            CheckName::Discovery,
            Some(&self.settings.issuer),
            Some(&discovered.issuer),
        );
        trace.pass(CheckName::Discovery);

        let exchange = Exchange {
            code,
            code_verifier: &expected.code_verifier,
            redirect_uri: self.redirect_uri.as_str(),
            signer: self.signer.as_ref(),
            now,
        };
        let tokens = token_exchange::exchange(&self.settings, &discovered, &exchange, http).await?;
        trace.pass(CheckName::TokenExchange);

        let jws = Jws::parse(&tokens.id_token)?;
        self.verify(&jws, keys, &discovered, now, http).await?;
        let mut claims = id_token::validate(
            &jws,
            &Expectations {
                issuer: &discovered.issuer,
                client_id: &self.settings.client_id,
                nonce: &expected.nonce,
                max_age: expected.max_age,
                tenant: self.tenant(),
                access_token: tokens.access_token.as_deref(),
                now,
            },
        )?;
        self.complete_claims(&mut claims, &tokens, &discovered, http, trace)
            .await?;
        trace.pass(CheckName::IdToken);
        if identity::groups_were_truncated(&claims) {
            let fix = self.fix("groups_truncated");
            let received = "a link instead of the groups";
            trace.warn(
                CheckName::IdToken,
                "groups_truncated",
                "the groups",
                received,
                &fix,
            );
        }

        let issuer = &discovered.issuer;
        let identity = identity::from_claims(&claims, issuer, &self.settings, self.provider)?;
        trace.observe(CheckName::Subject, None, Some(&identity.subject));
        trace.pass(CheckName::Subject);
        Ok(identity)
    }

    async fn discover(
        &self,
        now: DateTime<Utc>,
        http: &impl HttpClient,
    ) -> Result<Arc<Discovered>, ConnectorError> {
        self.discovered
            .get(now, discovery::fetch(&self.settings, self.provider, http))
            .await
    }

    /// A signature that no key in memory made may come from a key that is newer than our copy: then the key
    /// set is read again, within the cache's bound.
    async fn verify(
        &self,
        jws: &Jws<'_>,
        keys: Arc<KeySet>,
        discovered: &Discovered,
        now: DateTime<Utc>,
        http: &impl HttpClient,
    ) -> Result<(), ConnectorError> {
        let Err(error) = keys.verify(jws) else {
            return Ok(());
        };
        let fetch = keys::fetch(&discovered.jwks_uri, http);
        match self.keys.refetch(now, &keys, fetch).await {
            Some(newer) => newer.verify(jws),
            None => Err(error),
        }
    }

    /// Asks the UserInfo endpoint for what the ID token lacks. When it does not answer, the login goes on with
    /// a warning: what is really needed is checked later.
    async fn complete_claims(
        &self,
        claims: &mut Map<String, Value>,
        tokens: &Tokens,
        discovered: &Discovered,
        http: &impl HttpClient,
        trace: &mut Trace,
    ) -> Result<(), ConnectorError> {
        let (Some(url), Some(access_token)) = (&discovered.userinfo_endpoint, &tokens.access_token)
        else {
            return Ok(());
        };
        if !identity::is_incomplete(claims, &self.settings, self.provider) {
            return Ok(());
        }
        match userinfo::fetch(url, access_token, http).await {
            Ok(answer) => userinfo::merge(claims, answer),
            Err(error) => {
                let received = error.received().unwrap_or_default();
                let fix = self.fix(error.code());
                let expected = "the UserInfo endpoint answers";
                trace.warn(
                    CheckName::TokenExchange,
                    error.code(),
                    expected,
                    &received,
                    &fix,
                );
                Ok(())
            }
        }
    }

    /// `openid` is added by openidconnect.
    fn scopes(&self) -> impl Iterator<Item = Scope> {
        let usual = || vec!["email".to_owned(), "profile".to_owned()];
        let chosen = self.settings.scopes.clone();
        let scopes = if chosen.is_empty() { usual() } else { chosen };
        scopes
            .into_iter()
            .filter(|scope| scope != "openid")
            .map(Scope::new)
    }

    /// The provider's own parameter that skips its account chooser: Google's `hd`, Entra ID's `domain_hint`.
    fn domain_hint(&self, login_hint: Option<&str>) -> Option<(&str, String)> {
        let notes = &self.provider.oidc;
        let name = notes.domain_parameter.as_deref()?;
        let tenant = self
            .settings
            .tenant
            .as_deref()
            .filter(|tenant| !tenant.is_empty());
        let pinned = tenant.filter(|_| notes.tenant_claim.as_deref() == Some(name));
        let domain = || {
            login_hint
                .and_then(|hint| hint.rsplit_once('@'))
                .map(|(_, domain)| domain)
        };
        pinned
            .or_else(domain)
            .map(|domain| (name, domain.to_owned()))
    }

    fn tenant(&self) -> Option<(Vec<&str>, &str)> {
        let tenant = self
            .settings
            .tenant
            .as_deref()
            .filter(|tenant| !tenant.is_empty())?;
        let own = self.provider.oidc.tenant_claim.as_deref();
        Some((
            own.map_or_else(|| TENANT_CLAIMS.to_vec(), |claim| vec![claim]),
            tenant,
        ))
    }

    fn fix(&self, code: &str) -> String {
        provider::fix(self.settings.provider.as_deref(), Protocol::Oidc, code)
    }
}

/// RFC 9207 section 2.4: the simple string comparison.
fn match_response_issuer(found: Option<&str>, expected: &str) -> Result<(), ConnectorError> {
    if found == Some(expected) {
        return Ok(());
    }
    Err(ConnectorError::IssuerMismatch {
        expected: expected.to_owned(),
        found: found.unwrap_or("nothing").to_owned(),
    })
}

/// Discovery 1.0 section 3: an https URL without query and fragment. Plain http passes here, because whether
/// an address may be reached so is the HTTP client's to know.
fn issuer_is_usable(issuer: &str) -> Result<(), &'static str> {
    let url = url::Url::parse(issuer).map_err(|_| "is not a URL; write https://idp.example")?;
    if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
        return Err("must start with https://");
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err("must not carry a query, a fragment or a user name");
    }
    if issuer.contains("/.well-known/") {
        return Err("is the address of the metadata; write the issuer that it names");
    }
    Ok(())
}
