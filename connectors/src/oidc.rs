//! OpenID Connect relying party: authorization code flow with PKCE (OIDC Core 1.0, RFC 7636, RFC 9207).
//!
//! openidconnect reads the metadata and writes the authorization request; keys, token request and claims are
//! ours (`id_token.rs` and `token_exchange.rs` say why).

mod begin;
mod cache;
mod client_assertion;
mod client_keys;
mod complete;
mod discovery;
mod documents;
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

pub use client_assertion::public_keys;
pub use documents::Documents;
pub use id_token::LogoutToken;
pub use logout::EndSession;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use openidconnect::{IssuerUrl, RedirectUrl};

use crate::mapping::Mapping;
use crate::provider::{self, Provider};
use crate::settings::{
    OidcSettings, SettingsProblem, SpEndpoints, SpKeys, TokenEndpointAuthMethod,
};
use crate::{ConnectorError, HttpClient};
use cache::Cached;
pub use client_keys::{ASSERTION_ALGORITHMS, ClientKeys, PublishedKeys, claimed_subject};

use client_assertion::Signer;
use discovery::Discovered;
use documents::HandedOut;
use keys::KeySet;

/// One OIDC connection with what it learned of its provider: keep it, so that metadata and keys are read
/// once and not at each login.
pub struct OidcConnector {
    settings: OidcSettings,
    mapping: Mapping,
    issuer_url: IssuerUrl,
    redirect_uri: RedirectUrl,
    provider: &'static Provider,
    /// Whose rules about tenants hold: the issuer's own provider's, whatever name was given.
    issued_by: &'static Provider,
    signer: Option<Signer>,
    discovered: Arc<Cached<Discovered>>,
    keys: Arc<Cached<KeySet>>,
    handed_out: Arc<HandedOut>,
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
        for (field, secret) in [
            ("oidc.client_secret", &settings.client_secret),
            (
                "oidc.previous_client_secret",
                &settings.previous_client_secret,
            ),
        ] {
            if secret.as_deref() == Some("") {
                problem(field, "is empty; leave it out for a public client");
            }
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
        let mapping = Mapping::open(&settings.attribute_mapping);
        let mapping = mapping.map_err(|more| problems.extend(more));
        match (issuer_url, redirect_uri, mapping) {
            (Ok(issuer_url), Ok(redirect_uri), Ok(mapping)) if problems.is_empty() => Ok(Self {
                settings: settings.clone(),
                mapping,
                issuer_url,
                redirect_uri,
                provider: provider::find(settings.provider.as_deref()),
                issued_by: issued_by(settings),
                signer,
                discovered: Arc::new(Cached::empty()),
                keys: Arc::new(Cached::empty()),
                handed_out: Arc::default(),
            }),
            _ => Err(problems),
        }
    }

    /// Takes over what an earlier connector of this connection has learned of the same provider: a change of
    /// settings must not forget keys that nobody can fetch while the provider is down.
    #[must_use]
    pub fn remembering(mut self, before: &Self) -> Self {
        let of = |settings: &OidcSettings| {
            let OidcSettings {
                provider,
                issuer,
                tenant,
                ..
            } = settings.clone();
            (provider, issuer, tenant)
        };
        if of(&self.settings) == of(&before.settings) {
            self.discovered = Arc::clone(&before.discovered);
            self.keys = Arc::clone(&before.keys);
            self.handed_out = Arc::clone(&before.handed_out);
        }
        self
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

fn issued_by(settings: &OidcSettings) -> &'static Provider {
    provider::of_issuer(&settings.issuer)
        .unwrap_or_else(|| provider::find(settings.provider.as_deref()))
}

/// What keeps a connection from being switched on although it opens: at an issuer that signs for everybody nobody
/// signs in before it is saved whose people are meant.
pub fn missing_tenant(settings: &OidcSettings) -> Option<SettingsProblem> {
    let provider = issued_by(settings);
    let saved = settings.tenant.as_deref().unwrap_or_default();
    (provider.oidc.tenant_required && saved.is_empty()).then(|| SettingsProblem {
        field: "oidc.tenant".to_owned(),
        message: format!(
            "is missing; {} signs for every company, so write whose people may enter ({})",
            provider.name,
            provider.oidc.tenant_claim.as_deref().unwrap_or("tenant"),
        ),
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
    if issuer.contains(|c: char| c.is_ascii_whitespace() || c.is_ascii_control()) {
        // A URL parser drops them silently, the byte-for-byte match does not.
        return Err("must not contain white space");
    }
    if issuer.contains("/.well-known/") {
        return Err("is the address of the metadata; write the issuer that it names");
    }
    Ok(())
}
