//! The way to the provider: the authorization request.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{CoreAuthPrompt, CoreAuthenticationFlow, CoreClient, CoreJsonWebKeySet};
use openidconnect::{
    AuthUrl, AuthenticationContextClass, ClientId, CsrfToken, LoginHint, Nonce, Scope,
};

use super::OidcConnector;
use crate::{Begin, BeginLogin, ConnectorError, HttpClient};

impl OidcConnector {
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
        if let Some((name, domain)) = self.domain_hint(login) {
            request = request.add_extra_param(name, domain);
        }
        if login.passive {
            request = request.add_prompt(CoreAuthPrompt::None); // stands alone (3.1.2.1)
        } else {
            for (wanted, prompt) in [
                (login.force_authn, CoreAuthPrompt::Login),
                (login.consent, CoreAuthPrompt::Consent),
                (login.select_account, CoreAuthPrompt::SelectAccount),
            ] {
                if wanted {
                    request = request.add_prompt(prompt);
                }
            }
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
    fn domain_hint(&self, login: &BeginLogin) -> Option<(&str, String)> {
        let notes = &self.provider.oidc;
        let name = notes.domain_parameter.as_deref()?;
        let tenant = self
            .settings
            .tenant
            .as_deref()
            .filter(|tenant| !tenant.is_empty());
        let pinned = tenant.filter(|_| notes.tenant_claim.as_deref() == Some(name));
        let domain = || {
            let of_person = login.login_hint.as_deref();
            let of_person = of_person.and_then(|hint| hint.rsplit_once('@'));
            of_person
                .map(|(_, domain)| domain)
                .or(login.domain_hint.as_deref())
        };
        pinned
            .or_else(domain)
            .map(|domain| (name, domain.to_owned()))
    }
}
