//! A second opinion (feature `second-opinion`): samael, with libxml2 and xmlsec1 below it, verifies and
//! reads every response that the profile verifier has accepted, and both must name the same subject.
//!
//! Never the first: what has not passed the strict profile does not get here, for xmlsec1 dereferences
//! before it verifies and libxml2 repairs what is broken. Its `PreDigest` mode gives the very bytes that
//! were digested; the default mode leaks memory. The allow-list of algorithms is ours once more, and the
//! clock stays out of it: protocol checks were made before.
//!
//! samael knows neither AES-256 nor a signature inside an encrypted assertion, so what was encrypted it
//! gets as plaintext, in the response's namespaces, and verifies the signature in there. Two things it can
//! only read and not verify: RSA-PSS, which xmlsec1 1.2 lacks, and an element whose ID is no NCName
//! (JumpCloud's begin with a digit). SignedInfo says both, so nobody but the IdP chooses this way.

use samael::crypto::{
    AllowedSignatureAlgorithm as Allowed, CertificateDer, Crypto, CryptoProvider, ReduceMode,
};
use samael::schema::{Subject, SubjectNameID};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::base64;
use super::response::SAML;
use super::signature::{Trust, Verified};
use super::write::Xml;
use super::xml::{Element, is_ncname, trim};
use crate::{ConnectorError, NameId};

/// What [`super::algorithm`] allows, as far as samael can name it.
const ALLOWED: [Allowed; 5] = [
    Allowed::RsaSha256,
    Allowed::RsaSha384,
    Allowed::RsaSha512,
    Allowed::EcdsaSha256,
    Allowed::EcdsaSha384,
];

/// A response that the profile verifier has accepted.
pub(super) struct Accepted<'a> {
    /// The form field, as it came.
    pub(super) field: &'a str,
    pub(super) response: Element<'a>,
    /// In the response's own document, or in the plaintext's.
    pub(super) assertion: Element<'a>,
    pub(super) of_response: Option<Verified<'a>>,
    pub(super) of_assertion: Option<Verified<'a>>,
    pub(super) trust: &'a Trust,
    /// The plaintext of an EncryptedID.
    pub(super) encrypted_id: Option<&'a str>,
}

/// What samael's types have to read: the rest of an assertion may be of shapes that they do not know.
#[derive(Deserialize)]
struct Response {
    #[serde(rename = "Assertion")]
    assertion: Assertion,
}

#[derive(Deserialize)]
struct Assertion {
    #[serde(rename = "Subject")]
    subject: Subject,
}

impl Accepted<'_> {
    /// Errors: `signature_invalid` when samael does not verify it too, `assertion_ambiguous` when it reads
    /// another subject.
    pub(super) fn names(&self, name_id: Option<&NameId>) -> Result<(), ConnectorError> {
        let second = match (self.read()?.subject.name_id, self.encrypted_id) {
            (None, Some(plaintext)) => Some(parse::<SubjectNameID>(plaintext)?),
            (read, _) => read,
        };
        let first = name_id.map(|id| (id.value.as_str(), id.format.as_deref()));
        let second = second
            .as_ref()
            .map(|id| (trim(&id.value), id.format.as_deref()));
        if first == second {
            Ok(())
        } else {
            Err(ambiguous(
                "the second opinion (samael) reads another subject",
            ))
        }
    }

    /// The assertion as samael sees it, in bytes that it has verified.
    fn read(&self) -> Result<Assertion, ConnectorError> {
        let message = self.message()?;
        let verifies = self.signatures().all(|verified| {
            let id = verified.signed.element().attribute("ID");
            !verified.algorithm.is_pss() && id.is_some_and(is_ncname)
        });
        let response = match self.of_response {
            Some(_) if verifies => self.verified(&message)?,
            _ => message,
        };
        let inside = self.assertion.document();
        if !std::ptr::eq(inside, self.response.document()) {
            match self.of_assertion {
                Some(_) if verifies => parse(&self.verified(&self.in_place(inside.text()))?),
                _ => parse(inside.text()),
            }
        } else if self.of_response.is_none() && verifies {
            parse(&self.verified(&response)?)
        } else {
            parse::<Response>(&response).map(|response| response.assertion)
        }
    }

    /// The message's own octets, not the text that the first reader made of them.
    fn message(&self) -> Result<String, ConnectorError> {
        let octets = base64::decode(self.field).and_then(|bytes| String::from_utf8(bytes).ok());
        let message = octets.ok_or_else(unreadable)?;
        // samael refuses a message with any ID that is no NCName. One that nobody signed may be changed;
        // should this hit anything else, the signature fails.
        let id = self.response.attribute("ID").unwrap_or_default();
        if self.of_response.is_none() && !is_ncname(id) {
            return Ok(message.replacen(id, "_", 1));
        }
        Ok(message)
    }

    /// The bytes that xmlsec1 digested: the response, if it is signed, or else the assertion.
    fn verified(&self, xml: &str) -> Result<String, ConnectorError> {
        // Those that made the signatures, of the connection's: xmlsec1 stumbles over a key of another kind.
        let mut certificates: Vec<CertificateDer> = self
            .signatures()
            .map(|verified| self.trust.certificates[verified.certificate].der())
            .map(|der| CertificateDer::from(der.to_vec()))
            .collect();
        certificates.dedup();
        // SHA-1 is in no list of samael's. Where the connection excepts it, our own list has done its work.
        let sha1 = self.signatures().any(Verified::is_weak);
        let allowed = if sha1 { None } else { Some(&ALLOWED[..]) };
        Crypto::reduce_xml_to_signed_with_allowed_algorithms(
            xml,
            &certificates,
            ReduceMode::PreDigest,
            allowed,
        )
        .map_err(|_| ConnectorError::SignatureInvalid {
            reason: "the second opinion (samael) does not verify it".to_owned(),
        })
    }

    /// The plaintext where its ciphertext stood, as far as namespaces go (XML Encryption 4.3.3).
    fn in_place(&self, plaintext: &str) -> String {
        let wrapper = self.response.only(SAML, "EncryptedAssertion");
        let scope = wrapper.map(Element::namespaces_in_scope);
        let declarations: Vec<(String, &str)> = scope
            .into_iter()
            .flatten()
            .map(|(prefix, namespace)| match prefix {
                "" => ("xmlns".to_owned(), namespace),
                prefix => (format!("xmlns:{prefix}"), namespace),
            })
            .collect();
        let attributes: Vec<(&str, &str)> = declarations
            .iter()
            .map(|(name, namespace)| (name.as_str(), *namespace))
            .collect();
        let mut xml = Xml::new();
        xml.open("Response", &attributes);
        xml.raw(plaintext);
        xml.close("Response");
        xml.finish()
    }

    fn signatures(&self) -> impl Iterator<Item = &Verified<'_>> {
        self.of_response.iter().chain(&self.of_assertion)
    }
}

fn parse<T: DeserializeOwned>(xml: &str) -> Result<T, ConnectorError> {
    quick_xml::de::from_str(xml).map_err(|_| unreadable())
}

fn unreadable() -> ConnectorError {
    ambiguous("the second opinion (samael) cannot read it")
}

fn ambiguous(reason: &str) -> ConnectorError {
    ConnectorError::AssertionAmbiguous {
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests;
