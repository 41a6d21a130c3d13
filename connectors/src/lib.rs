//! SAML 2.0 service provider and OpenID Connect relying party: begin a login, finish a login, read metadata.
//!
//! This crate knows neither a tenant nor a table, and asks nobody for the time or a random number:
//! a response recorded years ago replays with its own `now`. The gateway brings ids, nonces, keys and
//! an outgoing HTTP client, and gets back a [`Completion`]: the [`Trace`] of every check, and either a
//! [`NormalizedIdentity`] or a [`ConnectorError`] with a stable code.

mod error;
mod http;
mod identity;
pub mod mapping;
pub mod oidc;
pub mod provider;
pub mod saml;
mod settings;
mod trace;

use chrono::{DateTime, Utc};

pub use error::ConnectorError;
pub use http::{HttpClient, HttpFailure, HttpRequest, HttpResponse};
pub use identity::{NameId, NormalizedIdentity};
pub use settings::{
    AttributeMapping, EmailDomainPolicy, IdpInitiated, OidcSettings, SamlSettings, Settings,
    SettingsProblem, SpEndpoints, SpKeyPair, SpKeys, SsoBinding, TokenEndpointAuthMethod,
    Transform, TransformKind,
};
pub use trace::{Check, CheckName, CheckStatus, Protocol, Trace};

use oidc::OidcConnector;
use saml::SamlConnector;

/// One connection's protocol engine, opened once and kept in memory: certificates and keys are parsed here,
/// not per login.
pub enum Connector {
    Saml(SamlConnector),
    Oidc(OidcConnector),
}

/// What the gateway brings to start one login. All random values are its own, at least 128 bits each.
#[derive(Debug, Clone)]
pub struct BeginLogin {
    /// SAML `ID` of the AuthnRequest (an NCName, so it starts with `_`); OIDC does not use it.
    pub request_id: String,
    /// SAML `RelayState` and OIDC `state`: an opaque key, at most 80 bytes (SAML Bindings 3.4.3).
    pub state: String,
    /// OIDC `nonce`.
    pub nonce: String,
    /// PKCE `code_verifier` (RFC 7636 4.1): 43 to 128 unreserved characters.
    pub code_verifier: String,
    /// The person's email, forwarded as `login_hint` (OIDC) or, by opt-in, as `Subject` (SAML).
    pub login_hint: Option<String>,
    /// The email domain that the application named instead of a person: a provider that takes one skips its
    /// account chooser.
    pub domain_hint: Option<String>,
    /// `prompt=login` or an expired `max_age`: the IdP must authenticate again.
    pub force_authn: bool,
    /// `prompt=none`: the IdP must not show a page.
    pub passive: bool,
    /// `prompt=consent` (OIDC Core 3.1.2.1). SAML has no word for it.
    pub consent: bool,
    /// `prompt=select_account`. SAML has no word for it.
    pub select_account: bool,
    /// OIDC `max_age` in seconds.
    pub max_age: Option<u64>,
    /// Requested authentication context classes.
    pub acr_values: Vec<String>,
    pub now: DateTime<Utc>,
}

/// How the browser gets to the IdP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begin {
    /// 302/303 to this URL.
    Redirect { url: String },
    /// A page that submits these fields by POST to this URL (SAML Bindings 3.5).
    PostForm {
        url: String,
        fields: Vec<(String, String)>,
    },
}

/// What the IdP sent back through the browser. Untrusted.
#[derive(Debug, Clone)]
pub enum Callback {
    /// The ACS form: `SAMLResponse` as it came (base64). `None` when the field was absent.
    SamlPost { saml_response: Option<String> },
    /// The query of the redirect URI (RFC 6749 4.1.2, RFC 9207 `iss`).
    OidcRedirect {
        code: Option<String>,
        state: Option<String>,
        iss: Option<String>,
        error: Option<String>,
        error_description: Option<String>,
    },
}

/// What the pending login remembers of [`BeginLogin`].
#[derive(Debug, Clone)]
pub struct Expected {
    pub request_id: String,
    pub state: String,
    pub nonce: String,
    pub code_verifier: String,
    /// The authentication must be at most this many seconds old, when the application asked so.
    pub max_age: Option<u64>,
}

/// The end of one login as far as the protocol can tell. The gateway adds its own checks
/// (replay, email domain, browser, user) to the same trace.
#[derive(Debug)]
pub struct Completion {
    pub trace: Trace,
    pub outcome: Result<NormalizedIdentity, ConnectorError>,
    /// Ids that must be new for this connection: (id, keep until). Response and assertion id for SAML,
    /// empty for OIDC, whose code is single-use at the IdP.
    pub replay_ids: Vec<(String, DateTime<Utc>)>,
}

impl Connector {
    /// Reads the connection's settings, and reports every problem in them at once.
    pub fn open(
        settings: &Settings,
        sp: &SpEndpoints,
        keys: &SpKeys,
    ) -> Result<Self, Vec<SettingsProblem>> {
        match settings {
            Settings::Saml(saml) => Ok(Self::Saml(SamlConnector::open(saml, sp, keys)?)),
            Settings::Oidc(oidc) => Ok(Self::Oidc(OidcConnector::open(oidc, sp, keys)?)),
        }
    }

    /// Keeps what an earlier connector of the same connection has learned of the same provider.
    #[must_use]
    pub fn remembering(self, before: &Self) -> Self {
        match (self, before) {
            (Self::Oidc(oidc), Self::Oidc(before)) => Self::Oidc(oidc.remembering(before)),
            (connector, _) => connector,
        }
    }

    /// Where to send the browser. Only OIDC may need the network (discovery, cached).
    pub async fn begin(
        &self,
        login: BeginLogin,
        http: &impl HttpClient,
    ) -> Result<Begin, ConnectorError> {
        match self {
            Self::Saml(saml) => saml.begin(&login),
            Self::Oidc(oidc) => oidc.begin(&login, http).await,
        }
    }

    /// Checks what came back. `expected` is `None` for a response that answers no request of ours: it
    /// is read for the trace, and accepted only where the connection says `allow_unsolicited`.
    pub async fn complete(
        &self,
        callback: Callback,
        expected: Option<&Expected>,
        now: DateTime<Utc>,
        http: &impl HttpClient,
    ) -> Completion {
        match self {
            Self::Saml(saml) => saml.complete(callback, expected, now),
            Self::Oidc(oidc) => oidc.complete(callback, expected, now, http).await,
        }
    }
}
