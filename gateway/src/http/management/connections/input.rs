//! What a caller says about a connection.

use std::borrow::Cow;
use std::collections::BTreeMap;

use poem_openapi::Object;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{MaybeUndefined, ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use serde_json::Value;

use crate::app::App;
use crate::error::{Error, FieldProblem};
use crate::flows::connections::{
    self as flow, Change, ConnectionChange, IdpFields, OidcChange, SamlChange, SettingsChange,
};
use crate::ids::ApplicationId;
use crate::model::{
    ConnectionType, EmailDomainPolicy, IdpInitiated, SsoBinding, Timestamp,
    TokenEndpointAuthMethod, Transform,
};

/// A new connection.
#[derive(Object)]
pub(super) struct NewConnection {
    #[oai(validator(min_length = 1, max_length = 200))]
    name: String,
    /// `okta`, `entra`, …: it chooses names and help texts, and relaxes no check. Without it, that of the OIDC
    /// issuer's host, where one is known.
    #[oai(validator(min_length = 1, max_length = 64))]
    provider: Option<String>,
    #[oai(rename = "type")]
    pub(super) kind: ConnectionType,
    saml: Option<SamlInput>,
    oidc: Option<OidcInput>,
    email_domain_policy: Option<EmailDomainPolicy>,
    /// Whether a first sign-in makes a user; true by default.
    jit_provisioning: Option<bool>,
    /// Where sign-ins that the identity provider starts lead to; the only application by default.
    default_application_id: Option<ApplicationId>,
    attribute_mapping: Option<AttributeMappingInput>,
    /// Activate it at once, which needs complete settings.
    pub(super) activate: Option<bool>,
}

/// What of a connection is to change. Null gives a setting back its default.
#[derive(Object)]
pub(super) struct ConnectionPatch {
    #[oai(validator(min_length = 1, max_length = 200))]
    name: Option<String>,
    #[oai(validator(min_length = 1, max_length = 64))]
    provider: MaybeUndefined<String>,
    saml: Option<SamlInput>,
    oidc: Option<OidcInput>,
    email_domain_policy: Option<EmailDomainPolicy>,
    jit_provisioning: Option<bool>,
    default_application_id: MaybeUndefined<ApplicationId>,
    /// Replaces all of it.
    attribute_mapping: MaybeUndefined<AttributeMappingInput>,
}

/// How metadata is read again.
#[derive(Default, Object)]
pub(super) struct MetadataRefresh {
    /// Apply what `metadata_held` shows, and read nothing.
    pub(super) accept_held: Option<bool>,
}

/// How a key changes over.
#[derive(Default, Object)]
pub(super) struct KeyRotation {
    /// Use the next key at once.
    pub(super) activate_now: Option<bool>,
}

/// SAML settings. `metadata_xml` or `metadata_url` fill in what the identity provider's metadata says; a
/// field beside them wins.
#[derive(Object)]
struct SamlInput {
    metadata_xml: Option<String>,
    /// Fetched now, then daily and by `refresh_metadata`.
    #[oai(validator(max_length = 2000))]
    metadata_url: MaybeUndefined<String>,
    /// Of a document with several identity providers, the one to take.
    #[oai(validator(max_length = 1024))]
    idp_entity_id: MaybeUndefined<String>,
    #[oai(validator(max_length = 2000))]
    sso_url: MaybeUndefined<String>,
    sso_binding: MaybeUndefined<SsoBinding>,
    #[oai(validator(max_length = 2000))]
    slo_url: MaybeUndefined<String>,
    /// How logout messages go to `slo_url`; by redirect where a new address comes without it.
    slo_binding: MaybeUndefined<SsoBinding>,
    /// PEM, each able to sign.
    #[oai(validator(max_items = 16))]
    certificates: MaybeUndefined<Vec<String>>,
    sign_requests: MaybeUndefined<bool>,
    require_signed_response: MaybeUndefined<bool>,
    require_signed_assertion: MaybeUndefined<bool>,
    want_encrypted_assertions: MaybeUndefined<bool>,
    /// Refuse certificates past their date; by default that is a warning, since providers pin keys.
    require_valid_certificate: MaybeUndefined<bool>,
    allow_sha1: MaybeUndefined<bool>,
    idp_initiated: MaybeUndefined<IdpInitiated>,
    /// By how much the provider's clock may differ from ours; 60 by default.
    #[oai(validator(minimum(value = "0"), maximum(value = "300")))]
    skew_seconds: MaybeUndefined<i64>,
    /// The entity ID under which the provider knew the service before: an audience as good as ours, for as long as a
    /// migration takes.
    #[oai(validator(min_length = 1, max_length = 1024))]
    alternate_sp_entity_id: MaybeUndefined<String>,
    /// A NameID format URI to ask for.
    #[oai(validator(max_length = 200))]
    name_id_format: MaybeUndefined<String>,
    force_authn: MaybeUndefined<bool>,
    /// Send the login hint as the request's `Subject`; some providers refuse a request that names one.
    send_login_hint: MaybeUndefined<bool>,
    /// Sign our metadata with the current key.
    sign_metadata: MaybeUndefined<bool>,
}

/// OIDC settings. A new connection that has any needs `issuer` and `client_id`.
#[derive(Object)]
struct OidcInput {
    #[oai(validator(max_length = 2000))]
    issuer: MaybeUndefined<String>,
    #[oai(validator(max_length = 1024))]
    client_id: MaybeUndefined<String>,
    /// Kept encrypted, never shown. A new one leaves the one before it as `previous_client_secret`.
    #[oai(validator(max_length = 4096))]
    client_secret: MaybeUndefined<String>,
    /// Tried where the provider does not take `client_secret`; null takes it away.
    #[oai(validator(max_length = 4096))]
    previous_client_secret: MaybeUndefined<String>,
    /// When the provider stops taking `client_secret`: events tell before. A new secret without it has none.
    client_secret_expires_at: MaybeUndefined<Timestamp>,
    token_endpoint_auth_method: MaybeUndefined<TokenEndpointAuthMethod>,
    /// `openid email profile` by default.
    #[oai(validator(max_items = 50))]
    scopes: MaybeUndefined<Vec<String>>,
    /// Whether `/oauth/logout` ends the provider's session too; false by default. The provider has to know this
    /// connection's `post_logout_redirect_uri` then.
    logout_at_idp: MaybeUndefined<bool>,
    /// Entra `tid`, Google `hd`: a token of another tenant is refused.
    #[oai(validator(max_length = 200))]
    tenant: MaybeUndefined<String>,
}

/// Where each field comes from: names of attributes or claims, the first that is present wins. Absent means
/// the usual names.
#[derive(Object)]
struct AttributeMappingInput {
    /// The stable identifier; NameID or `sub` by default.
    id: Option<Names>,
    email: Option<Names>,
    given_name: Option<Names>,
    family_name: Option<Names>,
    display_name: Option<Names>,
    groups: Option<Names>,
    external_id: Option<Names>,
    /// Custom attributes of the application: its name, and the provider's names for it.
    custom: Option<BTreeMap<String, Names>>,
    /// What becomes of the values of a field or a custom attribute, in order: all lower-case, the first alone,
    /// joined, split, the one capture of a regular expression, or a fixed value.
    transforms: Option<BTreeMap<String, Vec<Transform>>>,
    /// Fields or custom attributes without which nobody signs in.
    required: Option<Vec<String>>,
}

/// One name, or several of which the first that is present wins.
struct Names(Vec<String>);

impl Type for Names {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "names".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            any_of: vec![Vec::<String>::schema_ref(), String::schema_ref()],
            ..MetaSchema::ANY
        }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(self.as_raw_value().into_iter())
    }
}

impl ParseFromJSON for Names {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        match value {
            Some(Value::String(name)) => Ok(Self(vec![name])),
            value => Vec::parse_from_json(value)
                .map(Self)
                .map_err(ParseError::propagate),
        }
    }
}

impl ToJSON for Names {
    fn to_json(&self) -> Option<Value> {
        self.0.to_json()
    }
}

impl NewConnection {
    /// What the new connection is given; fetches its metadata.
    pub(super) async fn checked(self, app: &App) -> Result<ConnectionChange, Error> {
        if let Some(oidc) = &self.oidc {
            oidc.check_complete()?;
        }
        let patch = ConnectionPatch {
            name: Some(self.name),
            provider: MaybeUndefined::from_opt_undefined(self.provider),
            saml: self.saml,
            oidc: self.oidc,
            email_domain_policy: self.email_domain_policy,
            jit_provisioning: self.jit_provisioning,
            default_application_id: MaybeUndefined::from_opt_undefined(self.default_application_id),
            attribute_mapping: MaybeUndefined::from_opt_undefined(self.attribute_mapping),
        };
        patch.checked(app).await
    }
}

impl ConnectionPatch {
    /// The change; fetches the metadata that it names.
    pub(super) async fn checked(self, app: &App) -> Result<ConnectionChange, Error> {
        let mut change = ConnectionChange {
            name: self.name,
            provider: self.provider.into(),
            email_domain_policy: self.email_domain_policy,
            jit_provisioning: self.jit_provisioning,
            default_application_id: self.default_application_id.into(),
            ..Default::default()
        };
        if let Some(saml) = &self.saml {
            change.metadata = saml.metadata(app).await?;
            change.metadata_url = saml.metadata_url.clone().into();
        }
        if let Some(issuer) = self.oidc.as_ref().and_then(|oidc| oidc.issuer.value()) {
            flow::check_issuer(app, issuer).await?;
        }
        change.settings = SettingsChange {
            saml: self.saml.map(SamlInput::into_change),
            oidc: self.oidc.map(OidcInput::into_change),
            attribute_mapping: Change::from(self.attribute_mapping)
                .map(|mapping| mapping.map(AttributeMappingInput::into_mapping)),
        };
        Ok(change)
    }
}

impl SamlInput {
    async fn metadata(&self, app: &App) -> Result<Option<IdpFields>, Error> {
        let entity_id = self.idp_entity_id.value().map(String::as_str);
        match (&self.metadata_xml, self.metadata_url.value()) {
            (Some(xml), _) => flow::read(xml, entity_id).map(Some),
            (None, Some(url)) => flow::fetch(app, url, entity_id).await.map(Some),
            (None, None) => Ok(None),
        }
    }

    fn into_change(self) -> SamlChange {
        SamlChange {
            idp_entity_id: self.idp_entity_id.into(),
            sso_url: self.sso_url.into(),
            sso_binding: self.sso_binding.map_value(Into::into).into(),
            slo_url: self.slo_url.into(),
            slo_binding: self.slo_binding.map_value(Into::into).into(),
            certificates: self.certificates.into(),
            sign_requests: self.sign_requests.into(),
            require_signed_response: self.require_signed_response.into(),
            require_signed_assertion: self.require_signed_assertion.into(),
            want_encrypted_assertions: self.want_encrypted_assertions.into(),
            require_valid_certificate: self.require_valid_certificate.into(),
            allow_sha1: self.allow_sha1.into(),
            idp_initiated: self.idp_initiated.map_value(Into::into).into(),
            // The validator keeps it in range.
            skew_seconds: self
                .skew_seconds
                .map_value(|skew| u16::try_from(skew).unwrap_or_default())
                .into(),
            alternate_sp_entity_id: self.alternate_sp_entity_id.into(),
            name_id_format: self.name_id_format.into(),
            force_authn: self.force_authn.into(),
            send_login_hint: self.send_login_hint.into(),
            sign_metadata: self.sign_metadata.into(),
        }
    }
}

impl OidcInput {
    fn check_complete(&self) -> Result<(), Error> {
        let missing = |field: &MaybeUndefined<String>, name: &str| {
            field
                .value()
                .is_none()
                .then(|| FieldProblem::new(name, "is required"))
        };
        let problems: Vec<FieldProblem> = [
            missing(&self.issuer, "oidc.issuer"),
            missing(&self.client_id, "oidc.client_id"),
        ]
        .into_iter()
        .flatten()
        .collect();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Error::Invalid(problems))
        }
    }

    fn into_change(self) -> OidcChange {
        OidcChange {
            issuer: self.issuer.into(),
            client_id: self.client_id.into(),
            client_secret: self.client_secret.into(),
            previous_client_secret: self.previous_client_secret.into(),
            client_secret_expires_at: self
                .client_secret_expires_at
                .map_value(|Timestamp(at)| at)
                .into(),
            token_endpoint_auth_method: self
                .token_endpoint_auth_method
                .map_value(Into::into)
                .into(),
            scopes: self.scopes.into(),
            logout_at_idp: self.logout_at_idp.into(),
            tenant: self.tenant.into(),
        }
    }
}

impl AttributeMappingInput {
    fn into_mapping(self) -> connectors::AttributeMapping {
        let names = |names: Option<Names>| names.map(|names| names.0).unwrap_or_default();
        connectors::AttributeMapping {
            id: names(self.id),
            email: names(self.email),
            first_name: names(self.given_name),
            last_name: names(self.family_name),
            display_name: names(self.display_name),
            groups: names(self.groups),
            external_id: names(self.external_id),
            custom: self
                .custom
                .unwrap_or_default()
                .into_iter()
                .map(|(attribute, names)| (attribute, names.0))
                .collect(),
            transforms: self
                .transforms
                .unwrap_or_default()
                .into_iter()
                .map(|(field, steps)| (field, steps.into_iter().map(Into::into).collect()))
                .collect(),
            required: self.required.unwrap_or_default(),
        }
    }
}
