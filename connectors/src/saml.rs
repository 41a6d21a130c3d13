//! SAML 2.0 service provider for the web browser SSO profile (SAML Profiles 4.1).
//!
//! A response moves through types with one way in each: `RawResponse` (bounded, UTF-8, no DTD) to
//! `SignedXml` (made only by the profile verifier) to `Assertion` to [`NormalizedIdentity`]. After the
//! second step nothing decides on unsigned text.
//!
//! [`NormalizedIdentity`]: crate::NormalizedIdentity

mod algorithm;
mod assertion;
mod base64;
mod certificate;
mod complete;
mod decrypt;
mod logout;
mod metadata;
mod oaep;
mod request;
mod response;
#[cfg(feature = "second-opinion")]
mod second_opinion;
mod signature;
mod subject;
mod write;
mod xml;

use chrono::{DateTime, TimeDelta, Utc};

pub use certificate::{CertificateInfo, parse_certificate};
pub use logout::{BeginLogout, LogoutCallback, LogoutMessage, LogoutRequest, LogoutResponse};
pub use metadata::{IdpMetadata, parse_idp_metadata};

use certificate::Certificate;
use decrypt::Decryptor;
use request::{Signer, Template};
use signature::Trust;

use crate::mapping::Mapping;
use crate::provider::{self, Provider};
use crate::{
    Begin, BeginLogin, Callback, Completion, ConnectorError, Expected, SamlSettings,
    SettingsProblem, SpEndpoints, SpKeys,
};

/// Certificates of one connection, all tried: the current one, the next, and a few from hand-made
/// rotations.
const MAX_CERTIFICATES: usize = 16;

/// How far the clocks of an IdP and of this machine may be apart, where the connection says nothing (SAML.md section 3).
pub const SKEW_SECONDS: u16 = 60;
const MAX_SKEW_SECONDS: u16 = 300;

/// One SAML connection: its settings checked, its certificates and keys parsed.
pub struct SamlConnector {
    settings: SamlSettings,
    mapping: Mapping,
    sp: SpEndpoints,
    provider: &'static Provider,
    trust: Trust,
    decryptor: Decryptor,
    signer: Option<Signer>,
    template: Template,
}

impl SamlConnector {
    /// Checks the settings and parses all keys. Reports every problem at once, each under the name of its
    /// setting.
    pub fn open(
        settings: &SamlSettings,
        sp: &SpEndpoints,
        keys: &SpKeys,
    ) -> Result<Self, Vec<SettingsProblem>> {
        let mut problems = Problems(Vec::new());
        let entity_id = settings.idp_entity_id.as_str();
        if entity_id.is_empty() {
            problems.add(
                "idp_entity_id",
                "the identity provider's entity ID (issuer) is missing",
            );
        } else if entity_id == sp.entity_id {
            problems.add(
                "idp_entity_id",
                "this is our own entity ID; the identity provider's is needed",
            );
        } else if entity_id.trim() != entity_id {
            problems.add("idp_entity_id", "white space around the entity ID");
        }
        if let Err(reason) = check_url(&settings.sso_url) {
            problems.add("sso_url", format!("the sign-in address {reason}"));
        }
        if let Some(Err(reason)) = settings.slo_url.as_deref().map(check_url) {
            problems.add("slo_url", format!("the sign-out address {reason}"));
        }
        if let Some(Err(reason)) = settings.slo_response_url.as_deref().map(check_url) {
            problems.add(
                "slo_response_url",
                format!("the address for answers to sign-outs {reason}"),
            );
        }
        if settings
            .name_id_format
            .as_deref()
            .is_some_and(|format| !format.contains(':'))
        {
            problems.add(
                "name_id_format",
                "not a NameID format URI (urn:oasis:names:tc:SAML:…)",
            );
        }
        if settings
            .skew_seconds
            .is_some_and(|skew| skew > MAX_SKEW_SECONDS)
        {
            let message = format!("clocks may differ by at most {MAX_SKEW_SECONDS} seconds");
            problems.add("skew_seconds", message);
        }
        if settings.alternate_sp_entity_id.as_deref() == Some("") {
            problems.add("alternate_sp_entity_id", "is empty");
        }
        let certificates = problems.certificates(&settings.certificates);

        let decryptor = Decryptor::new(keys, &sp.entity_id);
        let signer = keys.pairs.first().and_then(Signer::new);
        if decryptor.is_none() || (signer.is_none() && !keys.pairs.is_empty()) {
            problems.add(
                "sp",
                "our own key cannot be read: it must be RSA in PKCS#8 form",
            );
        }
        for (wanted, field) in [
            (settings.sign_requests, "sign_requests"),
            (settings.sign_metadata, "sign_metadata"),
            (
                settings.want_encrypted_assertions,
                "want_encrypted_assertions",
            ),
        ] {
            if wanted && keys.pairs.is_empty() {
                problems.add(
                    field,
                    "this needs a key of ours, and the connection has none",
                );
            }
        }
        let mapping = match Mapping::open(&settings.attribute_mapping) {
            Ok(mapping) => Some(mapping),
            Err(more) => {
                problems.0.extend(more);
                None
            }
        };
        let (decryptor, mapping) = match (decryptor, mapping) {
            (Some(decryptor), Some(mapping)) if problems.0.is_empty() => (decryptor, mapping),
            _ => return Err(problems.0),
        };
        Ok(Self {
            provider: provider::find(settings.provider.as_deref()),
            trust: Trust {
                certificates,
                allow_sha1: settings.allow_sha1,
            },
            decryptor,
            template: Template {
                sp_entity_id: sp.entity_id.clone(),
                acs_url: sp.acs_url.clone(),
                sso_url: settings.sso_url.clone(),
                sso_binding: settings.sso_binding,
                name_id_format: settings.name_id_format.clone(),
                force_authn: settings.force_authn,
                send_subject: settings.send_login_hint,
            },
            signer,
            settings: settings.clone(),
            mapping,
            sp: sp.clone(),
        })
    }

    /// The AuthnRequest for one login, in the connection's binding.
    pub fn begin(&self, login: &BeginLogin) -> Result<Begin, ConnectorError> {
        let signer = self.signer.as_ref();
        let signer = signer.filter(|_| self.settings.sign_requests);
        Ok(self.template.begin(login, signer))
    }

    /// Checks a response. `expected` is the pending request that the gateway found by RelayState or
    /// [`peek_in_response_to`]; without one the response is unsolicited, and a response that names a
    /// request all the same is `in_response_to_mismatch`.
    pub fn complete(
        &self,
        callback: Callback,
        expected: Option<&Expected>,
        now: DateTime<Utc>,
    ) -> Completion {
        let field = match &callback {
            Callback::SamlPost { saml_response } => saml_response.as_deref(),
            Callback::OidcRedirect { .. } => None,
        };
        self.complete_post(field, expected, now)
    }

    /// The moment, and how far another clock may be from it.
    fn clock(&self, now: DateTime<Utc>) -> assertion::Clock {
        let skew = self.settings.skew_seconds.unwrap_or(SKEW_SECONDS);
        assertion::Clock {
            now,
            skew: TimeDelta::seconds(i64::from(skew)),
        }
    }

    /// The IdP's certificates, for expiry warnings and the portal.
    pub fn certificates(&self) -> impl Iterator<Item = &CertificateInfo> {
        self.trust.certificates.iter().map(Certificate::info)
    }
}

/// SP metadata of a connection (SAML Metadata 2.4.4) as XML text: the IdP may need it before anything of the IdP is
/// known here.
pub fn sp_metadata(settings: &SamlSettings, sp: &SpEndpoints, keys: &SpKeys) -> String {
    let signer = keys.pairs.first().and_then(Signer::new);
    let signer = signer.filter(|_| settings.sign_metadata);
    metadata::render(sp, keys, settings.sign_requests, signer.as_ref())
}

/// `InResponseTo` of a response, read without trust, only to find the pending login it may answer.
/// `None` when it is absent or when the message cannot be read; [`SamlConnector::complete`] then says why.
pub fn peek_in_response_to(saml_response: &str) -> Option<String> {
    if saml_response.len() > response::MAX_FIELD {
        return None;
    }
    let text = String::from_utf8(base64::decode(saml_response)?).ok()?;
    xml::peek_root_attribute(&text, "InResponseTo")
}

/// Whether a message looks like a response that answers no request: its root has an `ID` and no
/// `InResponseTo`. Read without trust, only to let the application start a request of its own.
pub fn is_unsolicited(saml_response: &str) -> bool {
    if saml_response.len() > response::MAX_FIELD {
        return false;
    }
    let text = base64::decode(saml_response).and_then(|bytes| String::from_utf8(bytes).ok());
    text.is_some_and(|text| {
        xml::peek_root_attribute(&text, "ID").is_some()
            && xml::peek_root_attribute(&text, "InResponseTo").is_none()
    })
}

struct Problems(Vec<SettingsProblem>);

impl Problems {
    fn add(&mut self, field: &str, message: impl Into<String>) {
        self.0.push(SettingsProblem {
            field: format!("saml.{field}"),
            message: message.into(),
        });
    }

    fn certificates(&mut self, texts: &[String]) -> Vec<Certificate> {
        if texts.is_empty() {
            self.add("certificates", "at least one signing certificate is needed");
        }
        if texts.len() > MAX_CERTIFICATES {
            self.add(
                "certificates",
                format!("at most {MAX_CERTIFICATES} certificates"),
            );
        }
        let mut certificates = Vec::new();
        for (at, text) in texts.iter().enumerate().take(MAX_CERTIFICATES) {
            match Certificate::parse(text.as_bytes()) {
                Ok(certificate) => certificates.push(certificate),
                Err(reason) => self.add(&format!("certificates[{at}]"), reason),
            }
        }
        certificates
    }
}

/// https anywhere, http only on this machine. The error completes "the address …".
fn check_url(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("is missing".to_owned());
    }
    let url = url::Url::parse(text).map_err(|_| "is not a URL".to_owned())?;
    let loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        "http" => return Err("must begin with https://".to_owned()),
        _ => return Err("is not a web address".to_owned()),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not carry a user name or password".to_owned());
    }
    if url.fragment().is_some() {
        return Err("must not have a part after #".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
