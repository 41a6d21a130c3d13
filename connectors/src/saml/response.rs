//! The response as it came: what may be read before anything is verified, and only to refuse early.

use super::base64;
use super::signature::DS;
use super::xml::{Document, Element, Sought, Source, XmlError, trim};
use crate::ConnectorError;

pub(super) const SAMLP: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
pub(super) const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
pub(super) const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";

/// The SAMLResponse field, and what it decodes to (SAML.md section 4).
pub(super) const MAX_FIELD: usize = 1024 * 1024;

/// A response's bytes: decoded, bounded, UTF-8.
pub(super) struct RawResponse {
    source: Source,
}

impl RawResponse {
    /// Decodes the form field of the POST binding (SAML Bindings 3.5.4).
    ///
    /// Errors: `response_missing`, `response_too_large`, `response_malformed`.
    pub(super) fn decode(field: Option<&str>) -> Result<Self, ConnectorError> {
        let missing = |reason: &str| ConnectorError::ResponseMissing {
            reason: reason.to_owned(),
        };
        let field = field.ok_or_else(|| missing("the form has no field SAMLResponse"))?;
        if field.len() > MAX_FIELD {
            return Err(ConnectorError::ResponseTooLarge {
                limit: "1 MiB".to_owned(),
            });
        }
        if trim(field).is_empty() {
            return Err(missing("the field SAMLResponse is empty"));
        }
        let bytes = base64::decode(field)
            .ok_or_else(|| malformed("it is not base64, or not one field SAMLResponse"))?;
        Ok(Self {
            source: Source::new(bytes)?,
        })
    }

    /// Errors: `response_malformed`, `response_too_large`, `dtd_forbidden`.
    pub(super) fn parse(&self) -> Result<Document<'_>, XmlError> {
        Document::parse(&self.source)
    }
}

/// The message around the assertion (SAML Core 3.3.3). Nothing in here is verified.
pub(super) struct Response<'d> {
    pub(super) element: Element<'d>,
    pub(super) id: &'d str,
    pub(super) issue_instant: &'d str,
    pub(super) in_response_to: Option<&'d str>,
    pub(super) destination: Option<&'d str>,
    pub(super) issuer: Option<Element<'d>>,
    status: Element<'d>,
}

impl<'d> Response<'d> {
    /// Errors: `response_malformed` when the root is no samlp:Response of version 2.0.
    pub(super) fn read(document: &'d Document<'d>) -> Result<Self, ConnectorError> {
        let element = document.root();
        if !element.is(SAMLP, "Response") {
            return Err(malformed(format!(
                "the root element is {} in {:?}, not a samlp:Response",
                element.local_name(),
                element.namespace()
            )));
        }
        let attribute = |name: &str| {
            element
                .attribute(name)
                .ok_or_else(|| malformed(format!("no {name}")))
        };
        let version = attribute("Version")?;
        if version != "2.0" {
            return Err(malformed(format!("SAML version {version}, not 2.0")));
        }
        let id = attribute("ID")?;
        if id.is_empty() {
            return Err(malformed("an empty ID"));
        }
        let issuer = element.only(SAML, "Issuer");
        if issuer.is_none() && element.children().any(|child| child.is(SAML, "Issuer")) {
            return Err(malformed("more than one Issuer"));
        }
        Ok(Self {
            element,
            id,
            issue_instant: attribute("IssueInstant")?,
            in_response_to: element.attribute("InResponseTo"),
            destination: element.attribute("Destination"),
            issuer,
            status: element
                .only(SAMLP, "Status")
                .ok_or_else(|| malformed("not one Status"))?,
        })
    }

    /// Errors: `idp_status` unless it reports success.
    pub(super) fn check_status(&self) -> Result<(), ConnectorError> {
        check_status(self.status)
    }

    /// The one assertion of the response, still encrypted or not.
    ///
    /// Counted over the whole document, so that one that hides in Extensions, in a Signature's Object or
    /// inside another is not overlooked: two readers would pick different ones (signature wrapping).
    ///
    /// Errors: `assertion_missing`, `assertion_ambiguous`.
    pub(super) fn assertion(&self) -> Result<Carried<'d>, ConnectorError> {
        let mut found = self
            .element
            .descendants(SAML, &[Sought::Assertion, Sought::EncryptedAssertion]);
        let Some(assertion) = found.next() else {
            return Err(ConnectorError::AssertionMissing {
                reason: "there is none".to_owned(),
            });
        };
        if found.next().is_some() {
            return Err(ambiguous("more than one assertion"));
        }
        if assertion.parent() != Some(self.element) {
            return Err(ambiguous("the assertion is not where the response has it"));
        }
        if assertion.local_name() == "Assertion" {
            Ok(Carried::Plain(assertion))
        } else {
            Ok(Carried::Encrypted(assertion))
        }
    }
}

/// `idp_status` with the IdP's most precise code and its message, unless a samlp:Status reports success (SAML
/// Core 3.2.2).
pub(super) fn check_status(status_element: Element<'_>) -> Result<(), ConnectorError> {
    let code = status_element.only(SAMLP, "StatusCode");
    let top = code
        .and_then(|code| code.attribute("Value"))
        .unwrap_or_default();
    if top == SUCCESS {
        return Ok(());
    }
    let second = code
        .and_then(|code| code.only(SAMLP, "StatusCode"))
        .and_then(|code| code.attribute("Value"));
    let short = |status: &str| status.rsplit(':').next().unwrap_or_default().to_owned();
    let status = match second {
        Some(second) => format!("{} / {}", short(top), short(second)),
        None if top.is_empty() => "no status".to_owned(),
        None => short(top),
    };
    let message = status_element
        .only(SAMLP, "StatusMessage")
        .map(Element::deep_text);
    let message = trim(message.as_deref().unwrap_or_default()).to_owned();
    Err(ConnectorError::IdpStatus { status, message })
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Carried<'d> {
    Plain(Element<'d>),
    Encrypted(Element<'d>),
}

/// A decrypted assertion holds no other, as one in plain text does not.
///
/// Errors: `assertion_ambiguous`.
pub(super) fn refuse_nested(assertion: Element<'_>) -> Result<(), ConnectorError> {
    let kinds = [Sought::Assertion, Sought::EncryptedAssertion];
    match assertion.descendants(SAML, &kinds).next() {
        Some(_) => Err(ambiguous("an assertion inside the assertion")),
        None => Ok(()),
    }
}

/// The Signature that is a direct child of `element`, if any.
///
/// Errors: `signature_invalid` when there are two, or when one stands anywhere else below, except in
/// `elsewhere`, the assertion that has its own.
pub(super) fn signature_of<'d>(
    element: Element<'d>,
    elsewhere: Option<Element<'d>>,
) -> Result<Option<Element<'d>>, ConnectorError> {
    let mut own = None;
    for signature in element.descendants(DS, &[Sought::Signature]) {
        let parent = signature.parent();
        if parent == Some(element) && own.is_none() {
            own = Some(signature);
        } else if parent == Some(element) {
            return Err(misplaced("two signatures on one element"));
        } else if elsewhere.is_none() || parent != elsewhere {
            return Err(misplaced("a signature in a place where none belongs"));
        }
    }
    Ok(own)
}

fn misplaced(reason: &str) -> ConnectorError {
    ConnectorError::SignatureInvalid {
        reason: reason.to_owned(),
    }
}

pub(super) fn malformed(reason: impl Into<String>) -> ConnectorError {
    ConnectorError::ResponseMalformed {
        reason: reason.into(),
    }
}

fn ambiguous(reason: &str) -> ConnectorError {
    ConnectorError::AssertionAmbiguous {
        reason: reason.to_owned(),
    }
}
