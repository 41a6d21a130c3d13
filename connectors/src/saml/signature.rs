//! The profile verifier: exactly the signatures that the SAML profile allows (SAML Core 5.4, W3C
//! xmldsig-core), and nothing else parses.
//!
//! One Signature in its parent, one SignedInfo, one Reference that names the parent's own ID, two
//! transforms, algorithms from a list, keys of the connection. Children are taken by position in that
//! fixed shape and never searched for. No URI is ever followed, no transform is ever executed but the two,
//! and KeyInfo is read only to explain a failure.

use std::iter::Peekable;

use aws_lc_rs::constant_time;
use chrono::{DateTime, Utc};

use super::algorithm::{Hash, SignatureAlgorithm};
use super::base64;
use super::certificate::{self, Certificate};
use super::xml::c14n::{self, Method};
use super::xml::{Children, Element, Sought, trim};
use crate::ConnectorError;

pub(super) const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
const EXCLUSIVE_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const INCLUSIVE_C14N: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";

/// SignedInfo is a dozen short elements; its PrefixLists and inherited namespaces are the sender's choice.
const MAX_SIGNED_INFO: usize = 64 * 1024;

/// The keys and rules of one connection.
pub(super) struct Trust {
    pub(super) certificates: Vec<Certificate>,
    pub(super) allow_sha1: bool,
}

impl Trust {
    /// When the certificate of this index was or will be valid, if not now. A renewed one beside it, which has the
    /// same key, will do as well.
    pub(super) fn outside_validity(
        &self,
        certificate: usize,
        now: DateTime<Utc>,
    ) -> Option<String> {
        let signer = &self.certificates[certificate];
        let renewed =
            |other: &Certificate| other.has_key_of(signer) && other.outside_validity(now).is_none();
        match self.certificates.iter().any(renewed) {
            true => None,
            false => signer.outside_validity(now),
        }
    }
}

/// An element whose canonical bytes a certificate of the connection has signed. Only [`verify`] and
/// [`verify_query`] make one, so whoever holds it reads nothing that was not digested: the tree under it is the very tree
/// that was canonicalised.
#[derive(Debug, Clone, Copy)]
pub(super) struct SignedXml<'d> {
    element: Element<'d>,
}

impl<'d> SignedXml<'d> {
    /// The signed element. Its own Signature child is the one part that was not digested; no reader
    /// looks into it, because readers take children by their SAML names.
    pub(super) fn element(self) -> Element<'d> {
        self.element
    }

    /// A direct child, which was digested with its parent.
    pub(super) fn child(self, namespace: &str, local: &str) -> Option<Self> {
        self.element
            .only(namespace, local)
            .map(|element| Self { element })
    }

    /// The plaintext of an element inside this one: its ciphertext was digested, and so vouched for.
    pub(super) fn decrypted<'p>(self, plaintext: Element<'p>) -> SignedXml<'p> {
        SignedXml { element: plaintext }
    }
}

/// What a verified signature leaves to know beside the element.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verified<'d> {
    pub(super) signed: SignedXml<'d>,
    /// Index into [`Trust::certificates`].
    pub(super) certificate: usize,
    pub(super) algorithm: SignatureAlgorithm,
    digest: Hash,
}

impl Verified<'_> {
    /// SHA-1 took part.
    pub(super) fn is_weak(&self) -> bool {
        self.algorithm.hash() == Hash::Sha1 || self.digest == Hash::Sha1
    }
}

/// Verifies that a certificate of the connection signed `element` by the Signature that is its child.
///
/// Cheap structure first, then the public-key operation over SignedInfo, and only then the digest of the
/// element: nobody without a key makes us hash what they sent.
///
/// Errors: `signature_invalid`, `signature_algorithm_forbidden`, `certificate_unknown`.
pub(super) fn verify<'d>(
    element: Element<'d>,
    signature: Element<'d>,
    trust: &Trust,
) -> Result<Verified<'d>, ConnectorError> {
    let shape = Shape::read(element, signature)?;
    let weak = shape.algorithm.hash() == Hash::Sha1 || shape.digest_hash == Hash::Sha1;
    if weak && !trust.allow_sha1 {
        let algorithm = if shape.algorithm.hash() == Hash::Sha1 {
            "RSA-SHA1"
        } else {
            "SHA-1"
        };
        return Err(forbidden(algorithm));
    }

    let mut canonical = Vec::with_capacity(4096);
    c14n::canonicalize(shape.signed_info, None, &shape.method, &mut canonical)
        .map_err(|_| invalid("SignedInfo has no canonical form"))?;
    if canonical.len() > MAX_SIGNED_INFO {
        return Err(invalid("SignedInfo is too long"));
    }
    let digest = shape.algorithm.hash().digest(&canonical);
    let certificate = trust
        .certificates
        .iter()
        .position(|c| c.verifies(shape.algorithm, &digest, &shape.value))
        .ok_or_else(|| stranger(signature, trust))?;

    canonical.clear();
    let method = Method::Exclusive {
        prefix_list: shape.prefix_list,
    };
    c14n::canonicalize(element, Some(signature), &method, &mut canonical)
        .map_err(|_| invalid("the signed element has no canonical form"))?;
    let digest = shape.digest_hash.digest(&canonical);
    if constant_time::verify_slices_are_equal(digest.as_ref(), &shape.digest).is_err() {
        return Err(invalid("the content was changed after it was signed"));
    }
    Ok(Verified {
        signed: SignedXml { element },
        certificate,
        algorithm: shape.algorithm,
        digest: shape.digest_hash,
    })
}

/// The signature of a message that came by redirect (SAML Bindings 3.4.4.1).
pub(super) struct QuerySignature<'q> {
    /// What was signed: the parameters as they were sent.
    pub(super) octets: &'q [u8],
    /// `SigAlg`.
    pub(super) algorithm: &'q str,
    pub(super) value: &'q [u8],
}

/// Verifies that a certificate of the connection signed the query that carried `message`, a document's root.
/// A second signature inside the message has no place there: nobody would look at it.
///
/// Returns the index of that certificate in [`Trust::certificates`] beside the message.
///
/// Errors: `signature_invalid`, `signature_algorithm_forbidden`.
pub(super) fn verify_query<'d>(
    message: Element<'d>,
    signature: &QuerySignature<'_>,
    trust: &Trust,
) -> Result<(SignedXml<'d>, usize), ConnectorError> {
    if message
        .descendants(DS, &[Sought::Signature])
        .next()
        .is_some()
    {
        return Err(invalid(
            "a message by redirect is signed by its query alone",
        ));
    }
    let algorithm = SignatureAlgorithm::from_uri(signature.algorithm)
        .ok_or_else(|| forbidden(signature.algorithm))?;
    if algorithm.hash() == Hash::Sha1 && !trust.allow_sha1 {
        return Err(forbidden("RSA-SHA1"));
    }
    let digest = algorithm.hash().digest(signature.octets);
    let known = |c: &Certificate| c.verifies(algorithm, &digest, signature.value);
    let certificate = trust.certificates.iter().position(known).ok_or_else(|| {
        invalid("it was not made by a saved certificate, or the query was changed")
    })?;
    Ok((SignedXml { element: message }, certificate))
}

/// The one shape that a signature may have.
struct Shape<'d> {
    signed_info: Element<'d>,
    method: Method<'d>,
    algorithm: SignatureAlgorithm,
    /// Of the Reference's exclusive C14N transform.
    prefix_list: &'d str,
    digest_hash: Hash,
    digest: Vec<u8>,
    value: Vec<u8>,
}

impl<'d> Shape<'d> {
    fn read(element: Element<'d>, signature: Element<'d>) -> Result<Self, ConnectorError> {
        let mut parts = Parts::of(signature)?;
        let signed_info = parts.take("SignedInfo")?;
        let value = base64_text(parts.take("SignatureValue")?)?;
        parts.take_if("KeyInfo");
        parts.end()?;

        let mut parts = Parts::of(signed_info)?;
        let method = parts.take("CanonicalizationMethod")?;
        let signature_method = parts.take("SignatureMethod")?;
        let reference = parts.take("Reference")?;
        parts.end()?;

        let method = match algorithm_uri(method)? {
            EXCLUSIVE_C14N => Method::Exclusive {
                prefix_list: prefix_list(method)?,
            },
            INCLUSIVE_C14N if method.children().next().is_none() => Method::Inclusive,
            other => return Err(forbidden(other)),
        };
        let uri = algorithm_uri(signature_method)?;
        let algorithm = SignatureAlgorithm::from_uri(uri).ok_or_else(|| forbidden(uri))?;
        if signature_method.children().next().is_some() {
            return Err(invalid("SignatureMethod has parameters"));
        }

        // Byte for byte: no `Id` or `xml:id`, no percent-decoding, no XPointer, no outside address.
        let id = element.attribute("ID").filter(|id| !id.is_empty());
        let names = |uri: &str| {
            uri.strip_prefix('#')
                .is_some_and(|target| Some(target) == id)
        };
        if !reference.attribute("URI").is_some_and(names) {
            return Err(invalid(
                "the Reference does not name the element that holds the signature",
            ));
        }
        let mut parts = Parts::of(reference)?;
        let transforms = parts.take("Transforms")?;
        let digest_method = parts.take("DigestMethod")?;
        let digest = base64_text(parts.take("DigestValue")?)?;
        parts.end()?;
        let uri = algorithm_uri(digest_method)?;
        let digest_hash = Hash::from_uri(uri).ok_or_else(|| forbidden(uri))?;

        let mut parts = Parts::of(transforms)?;
        let enveloped = parts.take("Transform")?;
        let exclusive = parts.take("Transform")?;
        parts.end()?;
        for (transform, expected) in [(enveloped, ENVELOPED), (exclusive, EXCLUSIVE_C14N)] {
            match algorithm_uri(transform)? {
                uri if uri == expected => {}
                ENVELOPED | EXCLUSIVE_C14N => {
                    return Err(invalid("the transforms are out of order"));
                }
                other => return Err(forbidden(other)),
            }
        }
        if enveloped.children().next().is_some() {
            return Err(invalid("the enveloped-signature transform has parameters"));
        }
        let prefix_list = prefix_list(exclusive)?;
        Ok(Self {
            signed_info,
            method,
            algorithm,
            prefix_list,
            digest_hash,
            digest,
            value,
        })
    }
}

/// The children of an element, taken in order.
struct Parts<'d> {
    children: Peekable<Children<'d>>,
    parent: Element<'d>,
}

impl<'d> Parts<'d> {
    fn of(parent: Element<'d>) -> Result<Self, ConnectorError> {
        if parent.has_stray_text() {
            return Err(invalid(format!("text inside {}", parent.local_name())));
        }
        Ok(Self {
            children: parent.children().peekable(),
            parent,
        })
    }

    fn take(&mut self, local: &str) -> Result<Element<'d>, ConnectorError> {
        self.take_if(local).ok_or_else(|| {
            invalid(format!(
                "{} has no {local} in its place",
                self.parent.local_name()
            ))
        })
    }

    fn take_if(&mut self, local: &str) -> Option<Element<'d>> {
        self.children.next_if(|child| child.is(DS, local))
    }

    fn end(mut self) -> Result<(), ConnectorError> {
        match self.children.next() {
            None => Ok(()),
            Some(more) => Err(invalid(format!(
                "{} holds another {}",
                self.parent.local_name(),
                more.local_name()
            ))),
        }
    }
}

fn algorithm_uri<'d>(element: Element<'d>) -> Result<&'d str, ConnectorError> {
    element
        .attribute("Algorithm")
        .ok_or_else(|| invalid(format!("{} names no algorithm", element.local_name())))
}

/// The PrefixList of an exclusive C14N method or transform; empty when there is none.
fn prefix_list<'d>(method: Element<'d>) -> Result<&'d str, ConnectorError> {
    let mut children = method.children();
    match (children.next(), children.next()) {
        (None, _) => Ok(""),
        (Some(list), None) if list.is(EXCLUSIVE_C14N, "InclusiveNamespaces") => {
            Ok(list.attribute("PrefixList").unwrap_or_default())
        }
        _ => Err(invalid(
            "a canonicalization method has parameters that are not its own",
        )),
    }
}

fn base64_text(element: Element<'_>) -> Result<Vec<u8>, ConnectorError> {
    element
        .text()
        .and_then(base64::decode)
        .filter(|bytes| !bytes.is_empty())
        .ok_or_else(|| invalid(format!("{} is not base64", element.local_name())))
}

/// No listed key made the signature. When KeyInfo shows a certificate that is not listed, the IdP most
/// likely changed its key, and the admin must hear that instead of "invalid". The certificate in the
/// message is compared as bytes and never used.
fn stranger(signature: Element<'_>, trust: &Trust) -> ConnectorError {
    let shown: Vec<Vec<u8>> = signature
        .only(DS, "KeyInfo")
        .into_iter()
        .flat_map(|key_info| key_info.children())
        .filter(|child| child.is(DS, "X509Data"))
        .flat_map(|data| data.children())
        .filter(|child| child.is(DS, "X509Certificate"))
        .filter_map(|certificate| base64::decode(certificate.text()?))
        .take(4)
        .collect();
    let known = |der: &Vec<u8>| trust.certificates.iter().any(|c| c.der() == der);
    if shown.is_empty() || shown.iter().any(known) {
        return invalid("it was not made by a saved certificate, or SignedInfo was changed");
    }
    let prints = |list: Vec<String>| format!("SHA-256 {}", list.join(", "));
    ConnectorError::CertificateUnknown {
        expected: prints(
            trust
                .certificates
                .iter()
                .map(|c| c.info().fingerprint.clone())
                .collect(),
        ),
        found: prints(
            shown
                .iter()
                .map(|der| certificate::fingerprint(der))
                .collect(),
        ),
    }
}

fn invalid(reason: impl Into<String>) -> ConnectorError {
    ConnectorError::SignatureInvalid {
        reason: reason.into(),
    }
}

fn forbidden(algorithm: &str) -> ConnectorError {
    let algorithm = trim(algorithm).to_owned();
    ConnectorError::SignatureAlgorithmForbidden { algorithm }
}
