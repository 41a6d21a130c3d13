//! OpenID Connect relying party.
use crate::{
    Begin, BeginLogin, Callback, Completion, ConnectorError, Expected, HttpClient, OidcSettings,
    SettingsProblem, SpEndpoints,
};
use chrono::{DateTime, Utc};

pub struct OidcConnector {}

impl OidcConnector {
    pub fn open(_settings: &OidcSettings, _sp: &SpEndpoints) -> Result<Self, Vec<SettingsProblem>> {
        unimplemented!()
    }
    pub async fn begin(
        &self,
        _login: &BeginLogin,
        _http: &impl HttpClient,
    ) -> Result<Begin, ConnectorError> {
        unimplemented!()
    }
    pub async fn complete(
        &self,
        _callback: Callback,
        _expected: Option<&Expected>,
        _now: DateTime<Utc>,
        _http: &impl HttpClient,
    ) -> Completion {
        unimplemented!()
    }
}
