//! SAML 2.0 service provider.
use crate::{
    Begin, BeginLogin, Callback, Completion, ConnectorError, Expected, SamlSettings,
    SettingsProblem, SpEndpoints, SpKeys,
};
use chrono::{DateTime, Utc};

pub struct SamlConnector {}

impl SamlConnector {
    pub fn open(
        _settings: &SamlSettings,
        _sp: &SpEndpoints,
        _keys: &SpKeys,
    ) -> Result<Self, Vec<SettingsProblem>> {
        unimplemented!()
    }
    pub fn begin(&self, _login: &BeginLogin) -> Result<Begin, ConnectorError> {
        unimplemented!()
    }
    pub fn complete(
        &self,
        _callback: Callback,
        _expected: Option<&Expected>,
        _now: DateTime<Utc>,
    ) -> Completion {
        unimplemented!()
    }
    /// SP metadata (SAML Metadata 2.4.4) as XML text.
    pub fn sp_metadata(&self) -> String {
        unimplemented!()
    }
}

/// `InResponseTo` of a response, read without trust, only to find the pending login it may answer.
/// `None` when absent or when the message cannot be read (complete() then says why).
pub fn peek_in_response_to(_saml_response: &str) -> Option<String> {
    unimplemented!()
}

/// What an IdP's metadata says about one IdP (SAML Metadata 2.4.3).
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct IdpMetadata {
    pub entity_id: String,
    pub sso_url: String,
    pub sso_binding: crate::SsoBinding,
    pub slo_url: Option<String>,
    /// PEM.
    pub certificates: Vec<String>,
    pub want_authn_requests_signed: bool,
    pub name_id_formats: Vec<String>,
}

/// All IdPs of a metadata document (one for `EntityDescriptor`, several for `EntitiesDescriptor`).
/// Errors say in plain words what was pasted instead.
pub fn parse_idp_metadata(_xml: &str) -> Result<Vec<IdpMetadata>, SettingsProblem> {
    unimplemented!()
}
