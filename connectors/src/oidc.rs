//! OpenID Connect relying party: authorization code flow with PKCE (OIDC Core 1.0, RFC 7636, RFC 9207).
//!
//! openidconnect reads the metadata and writes the authorization request; keys, token request and claims are
//! ours (`id_token.rs` and `token_exchange.rs` say why).

mod begin;
mod cache;
mod client_assertion;
mod complete;
mod discovery;
mod fetch;
mod id_token;
mod identity;
mod jws;
mod keys;
mod logout;
mod token_exchange;
mod userinfo;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use chrono::{DateTime, Utc};
use openidconnect::{IssuerUrl, RedirectUrl};

use crate::mapping::Mapping;
use crate::provider::{self, Provider};
use crate::settings::{
    OidcSettings, SettingsProblem, SpEndpoints, SpKeys, TokenEndpointAuthMethod,
};
use crate::{ConnectorError, HttpClient};
use cache::Cached;
use client_assertion::Signer;
use discovery::Discovered;
use keys::KeySet;
use token_exchange::Credential;

pub use client_assertion::jwks;
pub use logout::LogoutToken;

/// One OIDC connection with what it learned of its provider: keep it, so that metadata and keys are read
/// once and not at each login.
pub struct OidcConnector {
    settings: OidcSettings,
    mapping: Mapping,
    issuer_url: IssuerUrl,
    redirect_uri: RedirectUrl,
    post_logout_redirect_uri: String,
    provider: &'static Provider,
    /// Never empty.
    credentials: Vec<Credential>,
    /// The one of them that worked last.
    credential: AtomicUsize,
    discovered: Arc<Cached<Discovered>>,
    keys: Arc<Cached<KeySet>>,
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
        let shared = provider::of_shared_issuer(&settings.issuer);
        if let Some(provider) =
            shared.filter(|_| settings.tenant.as_deref().is_none_or(str::is_empty))
        {
            let message = format!(
                "is missing: {} signs in everybody by this issuer; write your organization's {}",
                provider.name,
                provider.oidc.tenant_claim.as_deref().unwrap_or("tenant"),
            );
            problem("oidc.tenant", &message);
        }
        let credentials = credentials(settings, keys);
        if credentials.is_empty() {
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
        let mapping = Mapping::open(&settings.attribute_mapping);
        let mapping = mapping.map_err(|more| problems.extend(more));
        match (issuer_url, redirect_uri, mapping) {
            (Ok(issuer_url), Ok(redirect_uri), Ok(mapping)) if problems.is_empty() => Ok(Self {
                settings: settings.clone(),
                mapping,
                issuer_url,
                redirect_uri,
                post_logout_redirect_uri: sp.post_logout_redirect_uri.clone(),
                // Whoever the file is chosen for, an issuer for everybody needs the notes on its tenants.
                provider: shared.unwrap_or_else(|| provider::find(settings.provider.as_deref())),
                credentials,
                credential: AtomicUsize::new(0),
                discovered: Arc::new(Cached::empty()),
                keys: Arc::new(Cached::empty()),
            }),
            _ => Err(problems),
        }
    }

    /// What was learned of the provider stays, unless it is another one.
    pub(super) fn inherit(&mut self, before: &Self) {
        let (now, then) = (&self.settings, &before.settings);
        let same = now.issuer == then.issuer && now.tenant == then.tenant;
        if same && std::ptr::eq(self.provider, before.provider) {
            self.discovered = Arc::clone(&before.discovered);
            self.keys = Arc::clone(&before.keys);
        }
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
}

/// By what the token endpoint may know us, in the order in which it is tried.
fn credentials(settings: &OidcSettings, keys: &SpKeys) -> Vec<Credential> {
    let key = |signer| Credential::Key(Box::new(signer));
    match settings.token_endpoint_auth_method {
        TokenEndpointAuthMethod::PrivateKeyJwt => {
            keys.pairs.iter().filter_map(Signer::new).map(key).collect()
        }
        TokenEndpointAuthMethod::None => vec![Credential::Nothing],
        TokenEndpointAuthMethod::ClientSecretBasic | TokenEndpointAuthMethod::ClientSecretPost => {
            let secrets = [&settings.client_secret, &settings.other_client_secret];
            let secrets = secrets.into_iter().flatten().cloned();
            let mut secrets: Vec<_> = secrets.map(Credential::Secret).collect();
            if secrets.is_empty() {
                secrets.push(Credential::Nothing);
            }
            secrets
        }
    }
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
    if issuer.contains(|c: char| c.is_ascii_whitespace() || c.is_ascii_control()) {
        // A URL parser drops them silently, the byte-for-byte match does not.
        return Err("must not contain white space");
    }
    if issuer.contains("/.well-known/") {
        return Err("is the address of the metadata; write the issuer that it names");
    }
    Ok(())
}
