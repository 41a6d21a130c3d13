//! A connection's settings as they are stored: plain data, problems reported all at once.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The protocol's own settings. Secrets are not in here: they come as [`SpKeys`] and
/// [`OidcSettings::client_secret`], which the gateway keeps sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Settings {
    Saml(SamlSettings),
    Oidc(OidcSettings),
}

/// CONTRACT section 5: what an unsolicited response does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdpInitiated {
    Reject,
    #[default]
    Restart,
    AllowUnsolicited,
}

/// CONTRACT section 5: which asserted emails may sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmailDomainPolicy {
    #[default]
    VerifiedOnly,
    Any,
}

/// SAML Bindings 3.4 and 3.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SsoBinding {
    #[default]
    Redirect,
    Post,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SamlSettings {
    /// `okta`, `entra`, …: a file of `providers/`. Chooses names and fix texts, never relaxes a check.
    pub provider: Option<String>,
    pub idp_entity_id: String,
    pub sso_url: String,
    pub sso_binding: SsoBinding,
    pub slo_url: Option<String>,
    pub slo_binding: SsoBinding,
    /// Where answers to the IdP's logout requests go, if not to `slo_url`.
    pub slo_response_url: Option<String>,
    /// PEM certificates of the IdP, each able to sign.
    pub certificates: Vec<String>,
    pub sign_requests: bool,
    pub require_signed_response: bool,
    pub require_signed_assertion: bool,
    pub want_encrypted_assertions: bool,
    pub require_valid_certificate: bool,
    pub allow_sha1: bool,
    pub idp_initiated: IdpInitiated,
    /// By how much the two clocks may differ: 60 seconds by default, at most 300.
    pub skew_seconds: Option<u16>,
    /// The SP entity ID that the IdP knew before this service: as an audience it is as good as ours during a migration.
    pub alternate_sp_entity_id: Option<String>,
    /// A NameID format URI to ask for; none by default.
    pub name_id_format: Option<String>,
    pub force_authn: bool,
    /// Sends the login hint as `Subject`. Off by default: some IdPs refuse a request that names one.
    pub send_login_hint: bool,
    /// Signs our own metadata.
    pub sign_metadata: bool,
    pub attribute_mapping: AttributeMapping,
}

/// RFC 6749 2.3, OIDC Core 9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenEndpointAuthMethod {
    #[default]
    ClientSecretBasic,
    ClientSecretPost,
    PrivateKeyJwt,
    None,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OidcSettings {
    pub provider: Option<String>,
    pub issuer: String,
    pub client_id: String,
    /// Never stored with the settings: the gateway fills it from its sealed column.
    #[serde(skip)]
    pub client_secret: Option<String>,
    /// The one before it, tried where the provider does not know that one (yet, or any more). Kept like it.
    #[serde(skip)]
    pub previous_client_secret: Option<String>,
    /// When the provider stops taking `client_secret`, as the provider shows it. Ends nothing here.
    pub client_secret_expires_at: Option<DateTime<Utc>>,
    pub token_endpoint_auth_method: TokenEndpointAuthMethod,
    /// Defaults to `openid email profile`.
    pub scopes: Vec<String>,
    /// Ends the provider's session too when an application ends ours. The provider has to know our
    /// `post_logout_redirect_uri` then, or the person ends at an error page of its.
    pub logout_at_idp: bool,
    /// Entra `tid`, Google `hd`: refused when the token says otherwise.
    pub tenant: Option<String>,
    pub attribute_mapping: AttributeMapping,
}

/// Where each field comes from: names of attributes or claims, the first that is present wins. An empty
/// list means the usual names (CONTRACT section 5).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AttributeMapping {
    /// The stable identifier; empty means NameID or `sub`.
    pub id: Vec<String>,
    pub email: Vec<String>,
    pub first_name: Vec<String>,
    pub last_name: Vec<String>,
    pub display_name: Vec<String>,
    pub groups: Vec<String>,
    pub external_id: Vec<String>,
    /// Custom attributes of the application: its name → the IdP's names.
    pub custom: BTreeMap<String, Vec<String>>,
    /// What becomes of a field's values, in order; the key is the field as the API names it, or the name of a
    /// custom attribute.
    pub transforms: BTreeMap<String, Vec<Transform>>,
    /// Fields, as the API names them, or custom attributes without which nobody signs in.
    pub required: Vec<String>,
}

/// One step of a field's values, as somebody typed it. A step needs the option that its kind has, and no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transform {
    pub kind: TransformKind,
    /// Of `split` and `join`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,
    /// Of `regex`: one capture group, in the syntax of the `regex` crate, whose time is linear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Of `fixed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransformKind {
    LowerCase,
    /// The first value alone.
    First,
    /// All values as one, with `separator` between them.
    Join,
    /// Each value in parts, at each `separator`.
    Split,
    /// What the capture group of `pattern` matched; a value that does not match is left out.
    Regex,
    /// `value`, whatever came.
    Fixed,
}

/// One fault in the settings, for the person who typed them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsProblem {
    /// `saml.certificates[0]`, `oidc.issuer`, …
    pub field: String,
    pub message: String,
}

/// This connection's own addresses (CONTRACT section 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpEndpoints {
    /// The SP entity ID: the metadata URL.
    pub entity_id: String,
    pub acs_url: String,
    pub slo_url: String,
    pub metadata_url: String,
    /// OIDC redirect URI.
    pub redirect_uri: String,
}

/// One RSA key of ours with its self-signed certificate.
#[derive(Clone)]
pub struct SpKeyPair {
    /// PKCS#8 DER.
    pub private_key: Vec<u8>,
    /// X.509 DER.
    pub certificate: Vec<u8>,
}

/// The connection's keys: the first signs requests, all decrypt.
#[derive(Clone, Default)]
pub struct SpKeys {
    pub pairs: Vec<SpKeyPair>,
}
