//! A connection as the API answers it and events carry it.

use std::collections::BTreeMap;

use connectors::{Settings, SpEndpoints};
use poem_openapi::{Enum, Object};

use super::{
    Connection, ConnectionKeyState, ConnectionState, ConnectionType, EmailDomainPolicy, Timestamp,
    Upkeep,
};
use crate::ids::{ApplicationId, ConnectionId, OrganizationId};

/// SAML Bindings 3.4 and 3.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case", remote = "connectors::SsoBinding")]
pub enum SsoBinding {
    Redirect,
    Post,
}

/// What an unsolicited response does: `restart` sends the browser to the application for a fresh request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case", remote = "connectors::IdpInitiated")]
pub enum IdpInitiated {
    Reject,
    Restart,
    AllowUnsolicited,
}

/// How Tenon authenticates at the provider's token endpoint (OIDC Core 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(
    rename_all = "snake_case",
    remote = "connectors::TokenEndpointAuthMethod"
)]
pub enum TokenEndpointAuthMethod {
    ClientSecretBasic,
    ClientSecretPost,
    PrivateKeyJwt,
    None,
}

/// Where each field comes from: names of attributes or claims, the first that is present wins. An empty list
/// means the usual names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object)]
pub struct AttributeMapping {
    /// The stable identifier; empty means NameID or `sub`.
    pub id: Vec<String>,
    pub email: Vec<String>,
    pub given_name: Vec<String>,
    pub family_name: Vec<String>,
    pub display_name: Vec<String>,
    pub groups: Vec<String>,
    pub external_id: Vec<String>,
    /// Custom attributes of the application: its name, and the provider's names for it.
    pub custom: BTreeMap<String, Vec<String>>,
    /// What becomes of the values of a field or a custom attribute, in order.
    pub transforms: BTreeMap<String, Vec<Transform>>,
    /// Fields or custom attributes without which nobody signs in: `attribute_missing`.
    pub required: Vec<String>,
}

/// One step. It has the option that its kind needs, and no other.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Transform {
    pub kind: TransformKind,
    /// Of `split` and `join`.
    pub separator: Option<String>,
    /// Of `regex`: exactly one capture group, which is kept; what does not match is left out.
    pub pattern: Option<String>,
    /// Of `fixed`.
    pub value: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum TransformKind {
    LowerCase,
    First,
    Join,
    Split,
    Regex,
    Fixed,
}

/// What the identity provider has to know of this connection.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct SpView {
    pub entity_id: String,
    pub acs_url: String,
    pub metadata_url: String,
    pub slo_url: String,
    /// PEM: the first is the current one, which signs; all decrypt. `keys` says more.
    pub certificates: Vec<String>,
}

/// A key pair of ours, which signs requests and decrypts assertions, or signs `private_key_jwt` assertions.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct ConnectionKey {
    pub state: ConnectionKeyState,
    /// PEM.
    pub certificate: String,
    /// When the next key becomes the current one, or a previous one goes.
    pub changes_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

/// What the metadata says now, as long as nobody confirmed it: another identity provider, or another place
/// to sign in at.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct HeldMetadata {
    pub idp_entity_id: String,
    pub sso_url: String,
    pub sso_binding: SsoBinding,
    pub slo_url: Option<String>,
    /// PEM.
    pub certificates: Vec<String>,
    /// Since when it says so.
    pub held_at: Timestamp,
}

/// The SAML side of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct SamlView {
    pub sp: SpView,
    /// Read daily, and by `refresh_metadata`.
    pub metadata_url: Option<String>,
    /// When it was read last.
    pub metadata_refreshed_at: Option<Timestamp>,
    /// Why it could not be read or used since then. What was read before goes on.
    pub metadata_failure: Option<String>,
    /// A change that waits for `refresh_metadata` with `accept_held`.
    pub metadata_held: Option<HeldMetadata>,
    pub idp_entity_id: Option<String>,
    pub sso_url: Option<String>,
    pub sso_binding: SsoBinding,
    pub slo_url: Option<String>,
    pub slo_binding: SsoBinding,
    /// PEM, the identity provider's.
    pub certificates: Vec<String>,
    pub sign_requests: bool,
    pub require_signed_response: bool,
    pub require_signed_assertion: bool,
    pub want_encrypted_assertions: bool,
    pub require_valid_certificate: bool,
    pub allow_sha1: bool,
    pub idp_initiated: IdpInitiated,
    /// Null: 60.
    pub skew_seconds: Option<u16>,
    pub alternate_sp_entity_id: Option<String>,
    pub name_id_format: Option<String>,
    pub force_authn: bool,
    pub send_login_hint: bool,
    pub sign_metadata: bool,
}

/// This connection's addresses that an OIDC provider may be told beside the redirect URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcEndpoints {
    pub jwks_uri: String,
    pub backchannel_logout_uri: String,
    pub post_logout_redirect_uri: String,
}

/// The OIDC side of a connection. The client secret is never shown.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct OidcView {
    pub redirect_uri: String,
    /// Where the provider tells that its session has ended (Back-Channel Logout 1.0).
    pub backchannel_logout_uri: String,
    /// Where the provider sends the browser after a logout of ours; it has to know it for `logout_at_idp`.
    pub post_logout_redirect_uri: String,
    pub issuer: Option<String>,
    pub client_id: Option<String>,
    /// Whether a client secret is stored.
    pub has_client_secret: bool,
    /// Whether there is another one, which is tried where the provider does not take that one.
    pub has_previous_client_secret: bool,
    /// When the provider stops taking the client secret.
    pub client_secret_expires_at: Option<Timestamp>,
    pub token_endpoint_auth_method: TokenEndpointAuthMethod,
    pub scopes: Vec<String>,
    /// Whether `/oauth/logout` ends the provider's session too.
    pub logout_at_idp: bool,
    /// Entra `tid`, Google `hd`.
    pub tenant: Option<String>,
    /// Where the provider reads the public keys of `private_key_jwt`; null for the other methods.
    pub jwks_uri: Option<String>,
    /// PEM of the keys that sign `private_key_jwt` assertions, the current one first; empty for the other
    /// methods.
    pub certificates: Vec<String>,
}

/// One SAML or OIDC identity provider of an organization.
#[derive(Debug, Clone, PartialEq, Object)]
#[oai(rename = "Connection")]
pub struct ConnectionView {
    pub id: ConnectionId,
    pub organization_id: OrganizationId,
    pub name: String,
    #[oai(rename = "type")]
    pub kind: ConnectionType,
    pub provider: Option<String>,
    pub state: ConnectionState,
    pub email_domain_policy: EmailDomainPolicy,
    pub jit_provisioning: bool,
    pub default_application_id: Option<ApplicationId>,
    pub attribute_mapping: AttributeMapping,
    #[oai(skip_serializing_if_is_none)]
    pub saml: Option<SamlView>,
    #[oai(skip_serializing_if_is_none)]
    pub oidc: Option<OidcView>,
    /// Our own, the current one first.
    pub keys: Vec<ConnectionKey>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl ConnectionView {
    /// `keys` are the connection's own, the current one first.
    pub fn new(
        connection: &Connection,
        sp: SpEndpoints,
        own: OidcEndpoints,
        keys: Vec<ConnectionKey>,
        upkeep: Upkeep,
    ) -> Self {
        let certificates = keys.iter().map(|key| key.certificate.clone()).collect();
        let (mapping, saml, oidc) = match &connection.settings {
            Settings::Saml(saml) => (
                &saml.attribute_mapping,
                Some(SamlView {
                    sp: SpView {
                        entity_id: sp.entity_id,
                        acs_url: sp.acs_url,
                        metadata_url: sp.metadata_url,
                        slo_url: sp.slo_url,
                        certificates,
                    },
                    metadata_url: connection.metadata_url.clone(),
                    metadata_refreshed_at: upkeep.refreshed_at,
                    metadata_failure: upkeep.failure,
                    metadata_held: upkeep.held.map(|(held, held_at)| HeldMetadata {
                        idp_entity_id: held.entity_id,
                        sso_url: held.sso_url,
                        sso_binding: held.sso_binding.into(),
                        slo_url: held.slo_url,
                        certificates: held.certificates,
                        held_at,
                    }),
                    idp_entity_id: unless_empty(&saml.idp_entity_id),
                    sso_url: unless_empty(&saml.sso_url),
                    sso_binding: saml.sso_binding.into(),
                    slo_url: saml.slo_url.clone(),
                    slo_binding: saml.slo_binding.into(),
                    certificates: saml.certificates.clone(),
                    sign_requests: saml.sign_requests,
                    require_signed_response: saml.require_signed_response,
                    require_signed_assertion: saml.require_signed_assertion,
                    want_encrypted_assertions: saml.want_encrypted_assertions,
                    require_valid_certificate: saml.require_valid_certificate,
                    allow_sha1: saml.allow_sha1,
                    idp_initiated: saml.idp_initiated.into(),
                    skew_seconds: saml.skew_seconds,
                    alternate_sp_entity_id: saml.alternate_sp_entity_id.clone(),
                    name_id_format: saml.name_id_format.clone(),
                    force_authn: saml.force_authn,
                    send_login_hint: saml.send_login_hint,
                    sign_metadata: saml.sign_metadata,
                }),
                None,
            ),
            Settings::Oidc(oidc) => (
                &oidc.attribute_mapping,
                None,
                Some(OidcView {
                    redirect_uri: sp.redirect_uri,
                    backchannel_logout_uri: own.backchannel_logout_uri,
                    post_logout_redirect_uri: own.post_logout_redirect_uri,
                    issuer: unless_empty(&oidc.issuer),
                    client_id: unless_empty(&oidc.client_id),
                    has_client_secret: connection.client_secret_sealed.is_some(),
                    has_previous_client_secret: connection.previous_client_secret_sealed.is_some(),
                    client_secret_expires_at: oidc.client_secret_expires_at.map(Timestamp),
                    token_endpoint_auth_method: oidc.token_endpoint_auth_method.into(),
                    scopes: oidc.scopes.clone(),
                    logout_at_idp: oidc.logout_at_idp,
                    tenant: oidc.tenant.clone(),
                    jwks_uri: (oidc.token_endpoint_auth_method
                        == connectors::TokenEndpointAuthMethod::PrivateKeyJwt)
                        .then_some(own.jwks_uri),
                    certificates,
                }),
            ),
        };
        Self {
            id: connection.id,
            organization_id: connection.organization_id,
            name: connection.name.clone(),
            kind: connection.kind,
            provider: connection.provider.clone(),
            state: connection.state,
            email_domain_policy: connection.email_domain_policy,
            jit_provisioning: connection.jit_provisioning,
            default_application_id: connection.default_application_id,
            attribute_mapping: mapping.clone().into(),
            saml,
            oidc,
            keys,
            created_at: connection.created_at,
            updated_at: connection.updated_at,
        }
    }
}

fn unless_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

impl From<connectors::AttributeMapping> for AttributeMapping {
    fn from(mapping: connectors::AttributeMapping) -> Self {
        Self {
            id: mapping.id,
            email: mapping.email,
            given_name: mapping.first_name,
            family_name: mapping.last_name,
            display_name: mapping.display_name,
            groups: mapping.groups,
            external_id: mapping.external_id,
            custom: mapping.custom,
            transforms: mapping
                .transforms
                .into_iter()
                .map(|(field, steps)| (field, steps.into_iter().map(Transform::from).collect()))
                .collect(),
            required: mapping.required,
        }
    }
}

impl From<connectors::Transform> for Transform {
    fn from(transform: connectors::Transform) -> Self {
        use connectors::TransformKind as Kind;
        Self {
            kind: match transform.kind {
                Kind::LowerCase => TransformKind::LowerCase,
                Kind::First => TransformKind::First,
                Kind::Join => TransformKind::Join,
                Kind::Split => TransformKind::Split,
                Kind::Regex => TransformKind::Regex,
                Kind::Fixed => TransformKind::Fixed,
            },
            separator: transform.separator,
            pattern: transform.pattern,
            value: transform.value,
        }
    }
}

impl From<Transform> for connectors::Transform {
    fn from(transform: Transform) -> Self {
        Self {
            kind: match transform.kind {
                TransformKind::LowerCase => connectors::TransformKind::LowerCase,
                TransformKind::First => connectors::TransformKind::First,
                TransformKind::Join => connectors::TransformKind::Join,
                TransformKind::Split => connectors::TransformKind::Split,
                TransformKind::Regex => connectors::TransformKind::Regex,
                TransformKind::Fixed => connectors::TransformKind::Fixed,
            },
            separator: transform.separator,
            pattern: transform.pattern,
            value: transform.value,
        }
    }
}
