//! The end of the provider's session: it tells us (Back-Channel Logout 1.0), or we send the browser to end it
//! (RP-Initiated Logout 1.0).

use chrono::{DateTime, Utc};
use url::Url;

use super::id_token::{self, LogoutToken};
use super::jws::Jws;
use super::{OidcConnector, keys};
use crate::{Begin, ConnectorError, HttpClient};

/// Longest address that goes into a redirect. An ID token with many groups is sent by a form instead, which a
/// provider has to take too (RP-Initiated Logout 1.0, section 2).
const LONGEST_URL: usize = 4096;

/// What goes to the provider's `end_session_endpoint`.
#[derive(Debug, Clone, Copy)]
pub struct EndSession<'a> {
    pub id_token: Option<&'a str>,
    pub post_logout_redirect_uri: &'a str,
    pub state: &'a str,
    pub now: DateTime<Utc>,
}

impl OidcConnector {
    /// Checks a logout token fully but for the one thing that needs a memory, whether it came before (section 2.6).
    /// Errors: those of an ID token, `discovery_invalid` and `idp_unreachable`.
    pub async fn read_logout_token(
        &self,
        token: &str,
        now: DateTime<Utc>,
        http: &impl HttpClient,
    ) -> Result<LogoutToken, ConnectorError> {
        // What is no such token by its looks asks nobody for keys.
        let jws = Jws::parse_logout(token)?;
        let discovered = self.discover(now, http).await?;
        let keys = self.keys.get(now, keys::fetch(&discovered.jwks_uri, http));
        let keys = keys.await?;
        self.verify(&jws, keys, &discovered, now, http).await?;
        id_token::logout(&jws, &discovered.issuer, &self.settings.client_id, now)
    }

    /// The way to the end of the provider's session. `None` where the provider has no such endpoint, or the
    /// connection does not want it. Errors: `idp_unreachable`, `discovery_invalid`.
    pub async fn end_session(
        &self,
        ending: &EndSession<'_>,
        http: &impl HttpClient,
    ) -> Result<Option<Begin>, ConnectorError> {
        if !self.settings.logout_at_idp {
            return Ok(None);
        }
        let discovered = self.discover(ending.now, http).await?;
        let Some(endpoint) = &discovered.end_session_endpoint else {
            return Ok(None);
        };
        let mut fields = vec![
            ("client_id", self.settings.client_id.as_str()),
            ("post_logout_redirect_uri", ending.post_logout_redirect_uri),
            ("state", ending.state),
        ];
        fields.extend(ending.id_token.map(|token| ("id_token_hint", token)));
        let mut url: Url = endpoint.clone();
        url.query_pairs_mut().extend_pairs(&fields);
        Ok(Some(if url.as_str().len() <= LONGEST_URL {
            Begin::Redirect { url: url.into() }
        } else {
            let fields = fields.into_iter();
            Begin::PostForm {
                url: endpoint.to_string(),
                fields: fields
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
            }
        }))
    }
}
