//! The way back: callback, token exchange, ID token, person.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::discovery::Discovered;
use super::id_token::{self, Expectations, Tenant};
use super::jws::Jws;
use super::keys::{self, KeySet};
use super::token_exchange::{self, Exchange, Tokens};
use super::{OidcConnector, identity, userinfo};
use crate::trace::{CheckName, Protocol, Trace};
use crate::{
    Callback, Completion, ConnectorError, Expected, HttpClient, NormalizedIdentity, provider,
};

/// Claims that name a tenant, where the provider's file names none.
const TENANT_CLAIMS: &[&str] = &["tid", "hd"];

impl OidcConnector {
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
        // A refusal of this issuer is shown without asking the provider anything.
        let is_ours = iss.as_ref() == Some(&self.settings.issuer);
        if let Some(refusal) = refusal.clone().filter(|_| is_ours) {
            return Err(refusal);
        }
        let discovered = match (self.discover(now, http).await, &refusal) {
            (Ok(discovered), _) => discovered,
            // Nobody can tell whether it should name an issuer.
            (Err(_), Some(refusal)) if iss.is_none() => return Err(refusal.clone()),
            (Err(error), _) => return Err(error),
        };
        // Mix-up: a code from another provider must not be sent to this one, nor its error believed (RFC 9207).
        if iss.is_some() || discovered.response_carries_issuer {
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
        trace.observe(CheckName::Callback, None, Some("a code, with our state"));
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
        let issued = match tokens.access_token {
            Some(_) => "an ID token and an access token",
            None => "an ID token",
        };
        trace.observe(CheckName::TokenExchange, None, Some(issued));
        trace.pass(CheckName::TokenExchange);
        if tokens.by_previous_secret {
            trace.note(
                CheckName::TokenExchange,
                "client_secret_refused",
                "the current client secret is taken",
                "only the previous one is",
                &self.fix("client_secret_refused"),
            );
        }

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
                code: Some(code),
                now,
            },
        )?;
        let meant_for = Some(self.settings.client_id.as_str());
        trace.observe(CheckName::IdToken, meant_for, meant_for);
        self.complete_claims(&mut claims, &tokens, &discovered, http, trace)
            .await?;
        id_token::session_is_open(&claims, now)?;
        trace.pass(CheckName::IdToken);
        if identity::groups_were_truncated(&claims) {
            let fix = self.fix("groups_truncated");
            let received = "a link instead of the groups";
            trace.note(
                CheckName::IdToken,
                "groups_truncated",
                "the groups",
                received,
                &fix,
            );
        }

        let issuer = &discovered.issuer;
        let mut identity = identity::from_claims(&claims, issuer, &self.mapping, self.provider)?;
        if self.settings.logout_at_idp && discovered.end_session_endpoint.is_some() {
            identity.id_token = Some(tokens.id_token.clone());
        }
        trace.observe(CheckName::Subject, None, Some(&identity.subject));
        trace.pass(CheckName::Subject);
        Ok(identity)
    }

    /// A signature that no key in memory made may come from a key that is newer than our copy: then the key
    /// set is read again, within the cache's bound.
    pub(super) async fn verify(
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
        if !identity::is_incomplete(claims, &self.settings, &self.mapping, self.provider) {
            return Ok(());
        }
        match userinfo::fetch(url, access_token, http).await {
            Ok(answer) => userinfo::merge(claims, answer),
            Err(error) => {
                let received = error.received();
                let fix = self.fix(error.code());
                let expected = "the UserInfo endpoint answers";
                trace.note(
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

    /// The saved tenant; without one, the tenant that stands in an issuer of a provider that has one issuer per
    /// tenant, and else none at all, where the provider's file says that one has to be saved.
    fn tenant(&self) -> Option<Tenant<'_>> {
        let notes = &self.issued_by.oidc;
        let own = notes.tenant_claim.as_deref();
        let saved = self.settings.tenant.as_deref();
        if let Some(expected) = saved.filter(|tenant| !tenant.is_empty()) {
            return Some(Tenant {
                claims: own.map_or_else(|| TENANT_CLAIMS.to_vec(), |claim| vec![claim]),
                expected: Some(expected),
                required: true,
            });
        }
        let claims = vec![own?];
        if notes.tenant_required {
            let (expected, required) = (None, true);
            return Some(Tenant {
                claims,
                expected,
                required,
            });
        }
        let expected = notes.issuer_placeholder.as_ref().and_then(|_| {
            let segments = self.settings.issuer.split('/');
            segments.into_iter().find(|segment| is_guid(segment))
        });
        expected.map(|expected| Tenant {
            claims,
            expected: Some(expected),
            required: false,
        })
    }

    fn fix(&self, code: &str) -> String {
        provider::fix(self.settings.provider.as_deref(), Protocol::Oidc, code)
    }
}

fn is_guid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.concat().bytes().all(|byte| byte.is_ascii_hexdigit())
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
