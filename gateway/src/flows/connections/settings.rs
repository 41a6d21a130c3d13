//! A change of protocol settings, field by field.

use chrono::{DateTime, Utc};
use connectors::{
    AttributeMapping, IdpInitiated, OidcSettings, SamlSettings, Settings, SsoBinding,
    TokenEndpointAuthMethod,
};

use super::client_secret::SecretChange;
use super::{Change, IdpFields};
use crate::error::FieldProblem;

#[derive(Debug, Default)]
pub struct SettingsChange {
    pub saml: Option<SamlChange>,
    pub oidc: Option<OidcChange>,
    pub attribute_mapping: Change<AttributeMapping>,
}

/// Clearing a field gives it back its default.
#[derive(Debug, Default)]
pub struct SamlChange {
    pub idp_entity_id: Change<String>,
    pub sso_url: Change<String>,
    pub sso_binding: Change<SsoBinding>,
    pub slo_url: Change<String>,
    pub slo_binding: Change<SsoBinding>,
    pub certificates: Change<Vec<String>>,
    pub sign_requests: Change<bool>,
    pub require_signed_response: Change<bool>,
    pub require_signed_assertion: Change<bool>,
    pub want_encrypted_assertions: Change<bool>,
    pub require_valid_certificate: Change<bool>,
    pub allow_sha1: Change<bool>,
    pub idp_initiated: Change<IdpInitiated>,
    pub skew_seconds: Change<u16>,
    pub alternate_sp_entity_id: Change<String>,
    pub name_id_format: Change<String>,
    pub force_authn: Change<bool>,
    pub send_login_hint: Change<bool>,
    pub sign_metadata: Change<bool>,
}

/// Clearing a field gives it back its default.
#[derive(Default)]
pub struct OidcChange {
    pub issuer: Change<String>,
    pub client_id: Change<String>,
    pub client_secret: Change<String>,
    pub previous_client_secret: Change<String>,
    pub client_secret_expires_at: Change<DateTime<Utc>>,
    pub token_endpoint_auth_method: Change<TokenEndpointAuthMethod>,
    pub scopes: Change<Vec<String>>,
    pub logout_at_idp: Change<bool>,
    pub tenant: Change<String>,
}

impl std::fmt::Debug for OidcChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // No secret may get into a log.
        f.debug_struct("OidcChange").finish_non_exhaustive()
    }
}

impl SettingsChange {
    /// Changes the settings, and returns what is to become of the client secrets.
    pub(super) fn apply(
        self,
        settings: &mut Settings,
        metadata: Option<IdpFields>,
        provider: &Option<String>,
    ) -> Result<SecretChange, Vec<FieldProblem>> {
        let foreign = |field: &str, kind: &str| {
            let message = format!("is not for a connection of type {kind}");
            vec![FieldProblem::new(field, message)]
        };
        match settings {
            Settings::Saml(saml) => {
                if self.oidc.is_some() {
                    return Err(foreign("oidc", "saml"));
                }
                if let Some(metadata) = metadata {
                    import(saml, metadata);
                }
                self.saml.unwrap_or_default().apply(saml);
                set(&mut saml.attribute_mapping, self.attribute_mapping);
                saml.provider.clone_from(provider);
                Ok(SecretChange::default())
            }
            Settings::Oidc(oidc) => {
                if self.saml.is_some() {
                    return Err(foreign("saml", "oidc"));
                }
                let secret = self.oidc.unwrap_or_default().apply(oidc);
                set(&mut oidc.attribute_mapping, self.attribute_mapping);
                oidc.provider.clone_from(provider);
                Ok(secret)
            }
        }
    }
}

impl SamlChange {
    fn apply(self, saml: &mut SamlSettings) {
        set(&mut saml.idp_entity_id, self.idp_entity_id);
        set(&mut saml.sso_url, self.sso_url);
        set(&mut saml.sso_binding, self.sso_binding);
        if self.slo_url.is_some() {
            // They belonged to the address that goes.
            saml.slo_response_url = None;
            saml.slo_binding = SsoBinding::default();
        }
        set_optional(&mut saml.slo_url, self.slo_url);
        set(&mut saml.slo_binding, self.slo_binding);
        set(&mut saml.certificates, self.certificates);
        set(&mut saml.sign_requests, self.sign_requests);
        set(
            &mut saml.require_signed_response,
            self.require_signed_response,
        );
        set(
            &mut saml.require_signed_assertion,
            self.require_signed_assertion,
        );
        set(
            &mut saml.want_encrypted_assertions,
            self.want_encrypted_assertions,
        );
        set(
            &mut saml.require_valid_certificate,
            self.require_valid_certificate,
        );
        set(&mut saml.allow_sha1, self.allow_sha1);
        set(&mut saml.idp_initiated, self.idp_initiated);
        set_optional(&mut saml.skew_seconds, self.skew_seconds);
        set_optional(
            &mut saml.alternate_sp_entity_id,
            self.alternate_sp_entity_id,
        );
        set_optional(&mut saml.name_id_format, self.name_id_format);
        set(&mut saml.force_authn, self.force_authn);
        set(&mut saml.send_login_hint, self.send_login_hint);
        set(&mut saml.sign_metadata, self.sign_metadata);
    }
}

impl OidcChange {
    fn apply(self, oidc: &mut OidcSettings) -> SecretChange {
        let client = (oidc.issuer.clone(), oidc.client_id.clone());
        set(&mut oidc.issuer, self.issuer);
        set(&mut oidc.client_id, self.client_id);
        set(
            &mut oidc.token_endpoint_auth_method,
            self.token_endpoint_auth_method,
        );
        set(&mut oidc.scopes, self.scopes);
        set(&mut oidc.logout_at_idp, self.logout_at_idp);
        set_optional(&mut oidc.tenant, self.tenant);
        let dated = self.client_secret_expires_at.is_some();
        set_optional(
            &mut oidc.client_secret_expires_at,
            self.client_secret_expires_at,
        );
        SecretChange {
            current: self.client_secret,
            previous: self.previous_client_secret,
            dated,
            another_client: client != (oidc.issuer.clone(), oidc.client_id.clone()),
        }
    }
}

/// What metadata says replaces what was there; a wish for signed requests only switches them on.
fn import(saml: &mut SamlSettings, metadata: IdpFields) {
    saml.idp_entity_id = metadata.entity_id;
    saml.sso_url = metadata.sso_url;
    saml.sso_binding = metadata.sso_binding;
    saml.slo_url = metadata.slo_url;
    saml.slo_binding = metadata.slo_binding;
    saml.slo_response_url = metadata.slo_response_url;
    saml.certificates = metadata.certificates;
    saml.sign_requests |= metadata.want_authn_requests_signed;
}

fn set<T: Default>(field: &mut T, change: Change<T>) {
    if let Some(value) = change {
        *field = value.unwrap_or_default();
    }
}

fn set_optional<T>(field: &mut Option<T>, change: Change<T>) {
    if let Some(value) = change {
        *field = value;
    }
}

/// Whether a field that a problem names is not filled in yet.
pub(super) fn is_blank(settings: &Settings, field: &str) -> bool {
    match settings {
        Settings::Saml(saml) => match field {
            "saml.idp_entity_id" => saml.idp_entity_id.is_empty(),
            "saml.sso_url" => saml.sso_url.is_empty(),
            "saml.certificates" => saml.certificates.is_empty(),
            _ => false,
        },
        Settings::Oidc(oidc) => match field {
            "oidc.issuer" => oidc.issuer.is_empty(),
            "oidc.client_id" => oidc.client_id.is_empty(),
            "oidc.client_secret" => oidc.client_secret.is_none(),
            "oidc.tenant" => oidc.tenant.as_deref().is_none_or(str::is_empty),
            "oidc.previous_client_secret" => oidc.previous_client_secret.is_none(),
            _ => false,
        },
    }
}
