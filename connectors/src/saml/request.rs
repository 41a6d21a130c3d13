//! The AuthnRequest, and the two bindings that carry it to the IdP (SAML Core 3.4.1, SAML Bindings 3.4
//! and 3.5).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use chrono::SecondsFormat;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::algorithm::Hash;
use super::base64;
use super::response::{SAML, SAMLP};
use super::signature::DS;
use super::write::Xml;
use super::xml::c14n::{self, Method};
use super::xml::{Document, Source};
use crate::{Begin, BeginLogin, SpKeyPair, SsoBinding};

const POST_BINDING: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";
const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
const EXCLUSIVE_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";

/// What is percent-encoded in a query: all but RFC 3986's unreserved characters.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Signs requests with our key.
pub(super) struct Signer {
    key: KeyPair,
    certificate: Vec<u8>,
}

impl Signer {
    /// `None` when the private key is no RSA key in PKCS#8 form.
    pub(super) fn new(pair: &SpKeyPair) -> Option<Self> {
        let key = KeyPair::from_pkcs8(&pair.private_key).ok()?;
        Some(Self {
            key,
            certificate: pair.certificate.clone(),
        })
    }

    fn sign(&self, message: &[u8]) -> String {
        let mut signature = vec![0; self.key.public_modulus_len()];
        // A key that was accepted signs; if ever not, the IdP refuses the zeros.
        let _ = self.key.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            message,
            &mut signature,
        );
        base64::encode(&signature)
    }
}

/// The parts of an AuthnRequest that the connection decides.
pub(super) struct Template {
    pub(super) sp_entity_id: String,
    pub(super) acs_url: String,
    pub(super) sso_url: String,
    pub(super) sso_binding: SsoBinding,
    pub(super) name_id_format: Option<String>,
    pub(super) force_authn: bool,
    pub(super) send_subject: bool,
}

impl Template {
    /// The request in the connection's binding.
    pub(super) fn begin(&self, login: &BeginLogin, signer: Option<&Signer>) -> Begin {
        let outgoing = Outgoing {
            field: "SAMLRequest",
            url: &self.sso_url,
            id: &login.request_id,
            relay_state: Some(&login.state),
        };
        let render = |signature: Option<&str>| self.render(login, signature);
        match self.sso_binding {
            SsoBinding::Redirect => redirect(&outgoing, render, signer),
            SsoBinding::Post => post(&outgoing, render, signer),
        }
    }

    fn render(&self, login: &BeginLogin, signature: Option<&str>) -> String {
        let issue_instant = login.now.to_rfc3339_opts(SecondsFormat::Millis, true);
        let mut request = vec![
            ("xmlns:samlp", SAMLP),
            ("xmlns:saml", SAML),
            ("ID", login.request_id.as_str()),
            ("Version", "2.0"),
            ("IssueInstant", issue_instant.as_str()),
            ("Destination", self.sso_url.as_str()),
            ("AssertionConsumerServiceURL", self.acs_url.as_str()),
            ("ProtocolBinding", POST_BINDING),
        ];
        // SAML knows no age: the IdP can't be told which of its sessions are young enough.
        if self.force_authn || login.force_authn || login.max_age.is_some() {
            request.push(("ForceAuthn", "true"));
        }
        if login.passive {
            request.push(("IsPassive", "true"));
        }
        let mut xml = Xml::new();
        xml.open("samlp:AuthnRequest", &request);
        xml.element("saml:Issuer", &[], &self.sp_entity_id);
        if let Some(signature) = signature {
            xml.raw(signature);
        }
        if let Some(hint) = login.login_hint.as_deref().filter(|_| self.send_subject) {
            xml.open("saml:Subject", &[]);
            xml.element("saml:NameID", &[("Format", EMAIL_FORMAT)], hint);
            xml.close("saml:Subject");
        }
        // Without a wish no policy at all: some IdPs answer InvalidNameIDPolicy to any.
        if let Some(format) = &self.name_id_format {
            let policy = [("Format", format.as_str()), ("AllowCreate", "true")];
            xml.empty("samlp:NameIDPolicy", &policy);
        }
        if !login.acr_values.is_empty() {
            xml.open("samlp:RequestedAuthnContext", &[("Comparison", "exact")]);
            for class in &login.acr_values {
                xml.element("saml:AuthnContextClassRef", &[], class);
            }
            xml.close("samlp:RequestedAuthnContext");
        }
        xml.close("samlp:AuthnRequest");
        xml.finish()
    }
}

const EMAIL_FORMAT: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
const DEFLATE_LEVEL: u8 = 6;

/// A message of ours on its way to the IdP.
pub(super) struct Outgoing<'m> {
    /// SAMLRequest or SAMLResponse.
    pub(super) field: &'static str,
    pub(super) url: &'m str,
    /// The message's own `ID`.
    pub(super) id: &'m str,
    pub(super) relay_state: Option<&'m str>,
}

/// DEFLATE, base64, query. The signature is over the query's own octets (SAML Bindings 3.4.4.1).
pub(super) fn redirect(
    message: &Outgoing<'_>,
    render: impl Fn(Option<&str>) -> String,
    signer: Option<&Signer>,
) -> Begin {
    let deflated = miniz_oxide::deflate::compress_to_vec(render(None).as_bytes(), DEFLATE_LEVEL);
    let encode = |value: &str| utf8_percent_encode(value, QUERY).to_string();
    let mut query = format!("{}={}", message.field, encode(&base64::encode(&deflated)));
    if let Some(relay_state) = message.relay_state {
        query.push_str("&RelayState=");
        query.push_str(&encode(relay_state));
    }
    if let Some(signer) = signer {
        query.push_str("&SigAlg=");
        query.push_str(&encode(RSA_SHA256));
        let signature = signer.sign(query.as_bytes());
        query.push_str("&Signature=");
        query.push_str(&encode(&signature));
    }
    let joint = if message.url.contains('?') { '&' } else { '?' };
    Begin::Redirect {
        url: format!("{}{joint}{query}", message.url),
    }
}

/// Base64 in a form, with an enveloped signature (SAML Bindings 3.5.4). `render` puts the signature where the
/// schema wants it.
pub(super) fn post(
    message: &Outgoing<'_>,
    render: impl Fn(Option<&str>) -> String,
    signer: Option<&Signer>,
) -> Begin {
    let mut xml = render(None);
    if let Some(signer) = signer {
        let signature = sign_enveloped(&xml, message.id, signer);
        xml = render(Some(&signature));
    }
    let mut fields = vec![(message.field.to_owned(), base64::encode(xml.as_bytes()))];
    if let Some(relay_state) = message.relay_state {
        fields.push(("RelayState".to_owned(), relay_state.to_owned()));
    }
    Begin::PostForm {
        url: message.url.to_owned(),
        fields,
    }
}

/// A Signature element over the document, whose root has this ID (W3C xmldsig-core).
pub(super) fn sign_enveloped(xml: &str, id: &str, signer: &Signer) -> String {
    let digest = Hash::Sha256.digest(&canonical(xml));
    let mut info = Xml::new();
    info.open("ds:SignedInfo", &[("xmlns:ds", DS)]);
    info.empty(
        "ds:CanonicalizationMethod",
        &[("Algorithm", EXCLUSIVE_C14N)],
    );
    info.empty("ds:SignatureMethod", &[("Algorithm", RSA_SHA256)]);
    info.open("ds:Reference", &[("URI", &format!("#{id}"))]);
    info.open("ds:Transforms", &[]);
    info.empty("ds:Transform", &[("Algorithm", ENVELOPED)]);
    info.empty("ds:Transform", &[("Algorithm", EXCLUSIVE_C14N)]);
    info.close("ds:Transforms");
    info.empty("ds:DigestMethod", &[("Algorithm", SHA256)]);
    info.element("ds:DigestValue", &[], &base64::encode(digest.as_ref()));
    info.close("ds:Reference");
    info.close("ds:SignedInfo");
    let info = info.finish();
    let value = signer.sign(&canonical(&info));

    let mut signature = Xml::new();
    signature.open("ds:Signature", &[("xmlns:ds", DS)]);
    signature.raw(&info);
    signature.element("ds:SignatureValue", &[], &value);
    signature.open("ds:KeyInfo", &[]);
    signature.open("ds:X509Data", &[]);
    signature.element(
        "ds:X509Certificate",
        &[],
        &base64::encode(&signer.certificate),
    );
    signature.close("ds:X509Data");
    signature.close("ds:KeyInfo");
    signature.close("ds:Signature");
    signature.finish()
}

/// The exclusive canonical form of a document of ours. Empty if it should not parse, which no IdP takes
/// for a signed request.
fn canonical(xml: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(xml.len());
    if let Ok(source) = Source::new(xml.as_bytes().to_vec())
        && let Ok(document) = Document::parse(&source)
    {
        let method = Method::Exclusive { prefix_list: "" };
        let _ = c14n::canonicalize(document.root(), None, &method, &mut out);
    }
    out
}

#[cfg(test)]
mod tests;
