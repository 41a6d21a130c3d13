//! Single logout (SAML Core 3.7, SAML Profiles 4.4): reading what the IdP says about the end of a session, and
//! saying it.
//!
//! Every message must be signed: whoever could end sessions without a signature would end anybody's. By
//! POST the signature is in the message, by redirect it is over the query that carried it (SAML Bindings
//! 3.4.4.1), and never in both places.

use chrono::{DateTime, SecondsFormat, Utc};
use percent_encoding::percent_decode_str;

use super::SamlConnector;
use super::assertion::{check_issued, check_issuer, check_not_on_or_after};
use super::base64;
use super::request::{self, Outgoing};
use super::response::{MAX_FIELD, RawResponse, SAML, SAMLP, check_status, malformed, signature_of};
use super::signature::{self, QuerySignature, SignedXml};
use super::subject::read_name_id;
use super::write::Xml;
use super::xml::{Document, Element, Source, trim};
use crate::{Begin, ConnectorError, NameId, SsoBinding};

/// What a redirect may inflate to (SAML.md section 4).
const MAX_INFLATED: usize = 256 * 1024;
/// RelayState as it comes in; a party of the protocol sends at most 80 bytes (SAML Bindings 3.4.3).
const MAX_RELAY_STATE: usize = 1024;
const DEFLATE: &str = "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE";
const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";

/// A message at the single logout service, as it came. Untrusted.
#[derive(Debug, Clone, Copy)]
pub enum LogoutCallback<'m> {
    /// The query, without the question mark, in the octets that the browser sent.
    Redirect { query: &'m str },
    /// The form's body.
    Post { form: &'m str },
}

/// What the IdP said. Verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogoutMessage {
    Request(LogoutRequest),
    Response(LogoutResponse),
}

/// The IdP ends sessions of a person (SAML Core 3.7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutRequest {
    pub id: String,
    pub name_id: NameId,
    /// Empty: all sessions of the person.
    pub session_indexes: Vec<String>,
    /// To be sent back as it came.
    pub relay_state: Option<String>,
}

/// The IdP's answer to a request of ours (SAML Core 3.7.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutResponse {
    pub in_response_to: String,
    /// What went wrong there, in the IdP's words; `None` when it reports success.
    pub problem: Option<String>,
    pub relay_state: Option<String>,
}

/// What the gateway brings to end a session at the IdP.
#[derive(Debug, Clone, Copy)]
pub struct BeginLogout<'l> {
    /// `ID` of the request: an NCName of at least 128 random bits.
    pub request_id: &'l str,
    /// An opaque key, at most 80 bytes.
    pub relay_state: &'l str,
    /// As the assertion named the person.
    pub name_id: &'l NameId,
    pub session_index: Option<&'l str>,
    pub now: DateTime<Utc>,
}

impl SamlConnector {
    /// Reads and checks a message. Reading it twice does no harm: what it ends has ended then.
    ///
    /// Errors: `response_missing`, `response_malformed`, `response_too_large`, `dtd_forbidden`,
    /// `signature_missing`, `signature_invalid`, `signature_algorithm_forbidden`, `certificate_unknown`,
    /// `certificate_expired`, `issuer_mismatch`, `destination_mismatch`, `assertion_not_yet_valid`, `assertion_expired`,
    /// `subject_missing`, and those of decryption.
    pub fn read_logout(
        &self,
        callback: LogoutCallback<'_>,
        now: DateTime<Utc>,
    ) -> Result<LogoutMessage, ConnectorError> {
        match callback {
            LogoutCallback::Redirect { query } => {
                let fields = Fields::of_query(query)?;
                let source = inflate(&fields.message)?;
                let document = Document::parse(&source)?;
                let (octets, algorithm, value) = fields.signed_octets()?;
                let signature = QuerySignature {
                    octets: octets.as_bytes(),
                    algorithm: &algorithm,
                    value: &value,
                };
                let (signed, certificate) =
                    signature::verify_query(document.root(), &signature, &self.trust)?;
                self.check_dates(certificate, now)?;
                self.read_signed(signed, fields.relay_state, now)
            }
            LogoutCallback::Post { form } => {
                let fields = Fields::of_form(form)?;
                let raw = RawResponse::decode(Some(&fields.message))?;
                let document = raw.parse()?;
                let root = document.root();
                let signature =
                    signature_of(root, None)?.ok_or_else(|| ConnectorError::SignatureMissing {
                        reason: "the logout message is not signed".to_owned(),
                    })?;
                let verified = signature::verify(root, signature, &self.trust)?;
                self.check_dates(verified.certificate, now)?;
                self.read_signed(verified.signed, fields.relay_state, now)
            }
        }
    }

    /// As at sign-in: dates count only where the connection says so. `certificate` is an index into
    /// [`signature::Trust::certificates`].
    fn check_dates(&self, certificate: usize, now: DateTime<Utc>) -> Result<(), ConnectorError> {
        match self.trust.outside_validity(certificate, now) {
            Some(until) if self.settings.require_valid_certificate => {
                Err(ConnectorError::CertificateExpired { until })
            }
            _ => Ok(()),
        }
    }

    fn read_signed(
        &self,
        signed: SignedXml<'_>,
        relay_state: Option<String>,
        now: DateTime<Utc>,
    ) -> Result<LogoutMessage, ConnectorError> {
        let message = signed.element();
        let is_request = message.is(SAMLP, "LogoutRequest");
        if !is_request && !message.is(SAMLP, "LogoutResponse") {
            return Err(malformed(format!(
                "the root element is {} in {:?}, not a samlp:LogoutRequest or samlp:LogoutResponse",
                message.local_name(),
                message.namespace()
            )));
        }
        let attribute = |name: &str| {
            let value = message.attribute(name).filter(|value| !value.is_empty());
            value.ok_or_else(|| malformed(format!("no {name}")))
        };
        if attribute("Version")? != "2.0" {
            return Err(malformed("SAML version is not 2.0"));
        }
        let id = attribute("ID")?;
        check_issuer(message.only(SAML, "Issuer"), &self.settings.idp_entity_id)?;
        // A signed message names its destination (SAML Bindings 3.4.5.2, 3.5.5.2): one that was meant for
        // another service provider ends nothing here.
        let destination = message.attribute("Destination");
        if destination != Some(self.sp.slo_url.as_str()) {
            return Err(ConnectorError::DestinationMismatch {
                expected: self.sp.slo_url.clone(),
                found: destination.unwrap_or("no Destination").to_owned(),
            });
        }
        check_issued(attribute("IssueInstant")?, self.clock(now))?;
        if !is_request {
            let status = message
                .only(SAMLP, "Status")
                .ok_or_else(|| malformed("not one Status"))?;
            return Ok(LogoutMessage::Response(LogoutResponse {
                in_response_to: attribute("InResponseTo")?.to_owned(),
                problem: check_status(status).err().map(|error| error.to_string()),
                relay_state,
            }));
        }
        if let Some(until) = message.attribute("NotOnOrAfter") {
            check_not_on_or_after(until, self.clock(now))?;
        }
        let name_id =
            read_name_id(message, &self.decryptor)?.ok_or(ConnectorError::SubjectMissing)?;
        Ok(LogoutMessage::Request(LogoutRequest {
            id: id.to_owned(),
            name_id,
            session_indexes: message
                .children()
                .filter(|child| child.is(SAMLP, "SessionIndex"))
                .filter_map(Element::text)
                .map(|index| trim(index).to_owned())
                .collect(),
            relay_state,
        }))
    }

    /// Asks the IdP to end the person's session there and at its other services. `None` when the connection
    /// has no single logout: no address of the IdP's, or no key of ours.
    pub fn begin_logout(&self, logout: &BeginLogout<'_>) -> Option<Begin> {
        let render = |url: &str, signature: Option<&str>| {
            let mut xml = Xml::new();
            self.open_message(
                "samlp:LogoutRequest",
                logout.request_id,
                url,
                None,
                logout.now,
                &mut xml,
            );
            xml.raw(signature.unwrap_or_default());
            write_name_id(logout.name_id, &mut xml);
            if let Some(index) = logout.session_index {
                xml.element("samlp:SessionIndex", &[], index);
            }
            xml.close("samlp:LogoutRequest");
            xml.finish()
        };
        let relay_state = Some(logout.relay_state);
        let url = self.settings.slo_url.as_deref()?;
        self.send("SAMLRequest", url, logout.request_id, relay_state, render)
    }

    /// Answers a request with success: nothing of what it names is left here. `id` is the answer's own.
    /// `None` as for [`Self::begin_logout`].
    pub fn answer_logout(
        &self,
        request: &LogoutRequest,
        id: &str,
        now: DateTime<Utc>,
    ) -> Option<Begin> {
        let render = |url: &str, signature: Option<&str>| {
            let mut xml = Xml::new();
            let answered = Some(request.id.as_str());
            self.open_message("samlp:LogoutResponse", id, url, answered, now, &mut xml);
            xml.raw(signature.unwrap_or_default());
            xml.open("samlp:Status", &[]);
            xml.empty("samlp:StatusCode", &[("Value", SUCCESS)]);
            xml.close("samlp:Status");
            xml.close("samlp:LogoutResponse");
            xml.finish()
        };
        let relay_state = request.relay_state.as_deref();
        let settings = &self.settings;
        let url = settings
            .slo_response_url
            .as_deref()
            .or(settings.slo_url.as_deref())?;
        self.send("SAMLResponse", url, id, relay_state, render)
    }

    /// The root element and its Issuer.
    fn open_message(
        &self,
        name: &str,
        id: &str,
        destination: &str,
        in_response_to: Option<&str>,
        now: DateTime<Utc>,
        xml: &mut Xml,
    ) {
        let issue_instant = now.to_rfc3339_opts(SecondsFormat::Millis, true);
        let mut attributes = vec![
            ("xmlns:samlp", SAMLP),
            ("xmlns:saml", SAML),
            ("ID", id),
            ("Version", "2.0"),
            ("IssueInstant", &*issue_instant),
            ("Destination", destination),
        ];
        attributes.extend(in_response_to.map(|id| ("InResponseTo", id)));
        xml.open(name, &attributes);
        xml.element("saml:Issuer", &[], &self.sp.entity_id);
    }

    fn send(
        &self,
        field: &'static str,
        url: &str,
        id: &str,
        relay_state: Option<&str>,
        render: impl Fn(&str, Option<&str>) -> String,
    ) -> Option<Begin> {
        let signer = self.signer.as_ref()?;
        let outgoing = Outgoing {
            field,
            url,
            id,
            relay_state,
        };
        let render = |signature: Option<&str>| render(url, signature);
        Some(match self.settings.slo_binding {
            SsoBinding::Redirect => request::redirect(&outgoing, render, Some(signer)),
            SsoBinding::Post => request::post(&outgoing, render, Some(signer)),
        })
    }
}

fn write_name_id(name_id: &NameId, xml: &mut Xml) {
    let mut attributes = Vec::new();
    let optional = [
        ("Format", &name_id.format),
        ("NameQualifier", &name_id.name_qualifier),
        ("SPNameQualifier", &name_id.sp_name_qualifier),
    ];
    for (name, value) in optional {
        attributes.extend(value.as_deref().map(|value| (name, value)));
    }
    xml.element("saml:NameID", &attributes, &name_id.value);
}

/// The fields of either binding. `name` is SAMLRequest or SAMLResponse.
struct Fields<'q> {
    message: String,
    relay_state: Option<String>,
    /// Of a redirect: the parameters as they were sent, in the order in which they are signed.
    raw: Vec<(&'static str, &'q str)>,
    signature: Option<&'q str>,
}

impl<'q> Fields<'q> {
    fn of_query(query: &'q str) -> Result<Self, ConnectorError> {
        const SIGNED: [&str; 4] = ["SAMLRequest", "SAMLResponse", "RelayState", "SigAlg"];
        if query.len() > MAX_FIELD {
            return Err(too_large("1 MiB"));
        }
        let mut found: [Option<&'q str>; 4] = [None; 4];
        let (mut signature, mut encoding) = (None, None);
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let place = match SIGNED.iter().position(|signed| *signed == name) {
                Some(at) => &mut found[at],
                None if name == "Signature" => &mut signature,
                None if name == "SAMLEncoding" => &mut encoding,
                None => continue,
            };
            if place.replace(value).is_some() {
                return Err(malformed(format!("{name} stands twice in the query")));
            }
        }
        if encoding.is_some_and(|value| decoded(value).as_deref() != Some(DEFLATE)) {
            return Err(malformed("SAMLEncoding is not DEFLATE"));
        }
        let message = match (found[0], found[1]) {
            (Some(message), None) | (None, Some(message)) => decoded(message),
            (None, None) => return Err(missing()),
            (Some(_), Some(_)) => return Err(both()),
        };
        let relay_state = found[2].map(|value| value.replace('+', " "));
        let relay_state = relay_state.map(|value| decoded(&value).ok_or(not_utf8()));
        Ok(Self {
            message: message.ok_or(not_utf8())?,
            relay_state: bounded(relay_state.transpose()?)?,
            raw: SIGNED
                .into_iter()
                .zip(found)
                .filter_map(|(name, value)| Some((name, value?)))
                .collect(),
            signature,
        })
    }

    fn of_form(form: &str) -> Result<Self, ConnectorError> {
        let (mut message, mut relay_state) = (None, None);
        for (name, value) in url::form_urlencoded::parse(form.as_bytes()) {
            match &*name {
                "SAMLRequest" | "SAMLResponse" if message.is_some() => return Err(both()),
                "SAMLRequest" | "SAMLResponse" => message = Some(value.into_owned()),
                "RelayState" => relay_state = Some(value.into_owned()),
                _ => {}
            }
        }
        Ok(Self {
            message: message.ok_or_else(missing)?,
            relay_state: bounded(relay_state)?,
            raw: Vec::new(),
            signature: None,
        })
    }

    /// What the signature of a redirect is over, its algorithm, and its value: the parameters as they were
    /// sent, in the standard's order, whatever the order in the query (SAML Bindings 3.4.4.1).
    fn signed_octets(&self) -> Result<(String, String, Vec<u8>), ConnectorError> {
        let raw_algorithm = self.raw.iter().find(|(name, _)| *name == "SigAlg");
        let (Some((_, algorithm)), Some(signature)) = (raw_algorithm, self.signature) else {
            return Err(ConnectorError::SignatureMissing {
                reason: "the query of the logout message is not signed".to_owned(),
            });
        };
        let octets: Vec<String> = self
            .raw
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let value = decoded(signature).and_then(|value| base64::decode(&value));
        let value = value.ok_or_else(|| ConnectorError::SignatureInvalid {
            reason: "Signature is not base64".to_owned(),
        })?;
        let algorithm = decoded(algorithm).ok_or(not_utf8())?;
        Ok((octets.join("&"), algorithm, value))
    }
}

/// Percent-decoding alone: base64 has a plus sign of its own, which some IdPs leave as it is.
fn decoded(value: &str) -> Option<String> {
    percent_decode_str(value)
        .decode_utf8()
        .ok()
        .map(std::borrow::Cow::into_owned)
}

/// DEFLATE without a header (SAML Bindings 3.4.4.1), never to more than [`MAX_INFLATED`].
fn inflate(field: &str) -> Result<Source, ConnectorError> {
    let bytes = base64::decode(field).ok_or_else(|| malformed("it is not base64"))?;
    let inflated = miniz_oxide::inflate::decompress_to_vec_with_limit(&bytes, MAX_INFLATED);
    let inflated = inflated.map_err(|error| match error.status {
        miniz_oxide::inflate::TINFLStatus::HasMoreOutput => too_large("256 kB"),
        _ => malformed("it is not DEFLATE"),
    })?;
    Ok(Source::new(inflated)?)
}

fn bounded(relay_state: Option<String>) -> Result<Option<String>, ConnectorError> {
    match relay_state {
        Some(text) if text.len() > MAX_RELAY_STATE => Err(too_large("1 KiB of RelayState")),
        other => Ok(other),
    }
}

fn missing() -> ConnectorError {
    ConnectorError::ResponseMissing {
        reason: "there is neither SAMLRequest nor SAMLResponse".to_owned(),
    }
}

fn both() -> ConnectorError {
    malformed("there is more than one message")
}

fn not_utf8() -> ConnectorError {
    malformed("a parameter is not UTF-8")
}

fn too_large(limit: &str) -> ConnectorError {
    ConnectorError::ResponseTooLarge {
        limit: limit.to_owned(),
    }
}

#[cfg(test)]
mod tests;
