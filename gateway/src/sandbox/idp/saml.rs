//! The SAML side of the practice IdP: metadata, AuthnRequests in, responses out (SAML Core, Bindings 3.4 and
//! 3.5, Profiles 4.1).

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    digest::{SHA256, digest},
    rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{AuthnRequest, Fault, IdpError, PracticeIdp, SigningKey, xml::Element};
use crate::sandbox::people::Person;

const SAMLP: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
const MD: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
const XENC: &str = "http://www.w3.org/2001/04/xmlenc#";
const EXC_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const EMAIL: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
const PASSWORD: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";
const TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";

/// What the IdP signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    #[default]
    Assertion,
    Response,
    Both,
}

/// One answer to be made.
#[derive(Debug, Clone)]
pub struct SamlAnswer<'a> {
    pub person: &'a Person,
    /// The SP's entity ID.
    pub audience: &'a str,
    pub acs_url: &'a str,
    /// `ID` of the AuthnRequest; `None` makes an unsolicited response.
    pub in_response_to: Option<&'a str>,
    /// How the person signed in; by password over TLS without one.
    pub context_class: Option<&'a str>,
    pub sign: Sign,
    /// The SP's encryption certificate (X.509 DER).
    pub encrypt_for: Option<&'a [u8]>,
    pub fault: Option<Fault>,
}

impl PracticeIdp {
    pub fn entity_id(&self) -> String {
        format!("{}/saml/metadata", self.base_url)
    }

    pub fn saml_sso_url(&self) -> String {
        format!("{}/saml/sso", self.base_url)
    }

    /// IdP metadata (SAML Metadata 2.4.3) as XML text.
    pub fn saml_metadata(&self) -> String {
        let sso = |binding: &str| {
            Element::new("md:SingleSignOnService")
                .attr(
                    "Binding",
                    format!("urn:oasis:names:tc:SAML:2.0:bindings:{binding}"),
                )
                .attr("Location", self.saml_sso_url())
        };
        let idp = Element::new("md:IDPSSODescriptor")
            .attr("WantAuthnRequestsSigned", "false")
            .attr("protocolSupportEnumeration", SAMLP)
            .child(
                Element::new("md:KeyDescriptor")
                    .attr("use", "signing")
                    .child(key_info(&self.keys.signing)),
            )
            .child(Element::new("md:NameIDFormat").text(EMAIL))
            .child(Element::new("md:NameIDFormat").text(PERSISTENT))
            .child(sso("HTTP-Redirect"))
            .child(sso("HTTP-POST"));
        let entity = Element::new("md:EntityDescriptor")
            .xmlns("md", MD)
            .attr("entityID", self.entity_id())
            .child(idp);
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}\n",
            entity.render()
        )
    }

    /// A signed response as the form field `SAMLResponse` carries it (base64).
    pub fn saml_response(&self, answer: &SamlAnswer<'_>) -> Result<String, IdpError> {
        if answer.fault == Some(Fault::Replay)
            && let Some(last) = self.state().last_saml_response.clone()
        {
            return Ok(last);
        }
        let encoded = STANDARD.encode(self.saml_response_xml(answer)?);
        if answer.fault.is_none() {
            self.state().last_saml_response = Some(encoded.clone());
        }
        Ok(encoded)
    }

    /// The XML of [`Self::saml_response`].
    pub fn saml_response_xml(&self, answer: &SamlAnswer<'_>) -> Result<String, IdpError> {
        let fault = answer.fault;
        let now = self.clock.now()
            + match fault {
                Some(Fault::ClockSkew) => TimeDelta::minutes(10),
                _ => TimeDelta::zero(),
            };
        let key = match fault {
            Some(Fault::WrongKey) => self.keys.stranger()?,
            _ => &self.keys.signing,
        };
        let (sign_response, sign_assertion) = match answer.sign {
            _ if fault == Some(Fault::Unsigned) => (false, false),
            Sign::Assertion => (false, true),
            Sign::Response => (true, false),
            Sign::Both => (true, true),
        };

        let response_id = self.saml_id();
        let destination = match fault {
            Some(Fault::WrongDestination) => "https://elsewhere.example/acs",
            _ => answer.acs_url,
        };
        let mut response = Element::new("samlp:Response")
            .xmlns("samlp", SAMLP)
            .attr("ID", &response_id)
            .attr("Version", "2.0")
            .attr("IssueInstant", instant(now))
            .attr("Destination", destination);
        let in_response_to = self.answered_request(answer);
        if let Some(request) = &in_response_to {
            response = response.attr("InResponseTo", request);
        }
        let issuer = self.issuer(fault).xmlns("saml", SAML).render();

        let content = if fault == Some(Fault::Refused) {
            refusal(
                "RequestDenied",
                "The person is not assigned to this application.",
            )
            .render()
        } else {
            let mut assertion =
                self.assertion(answer, in_response_to.as_deref(), now, key, sign_assertion)?;
            if let Some(certificate) = answer.encrypt_for {
                assertion = self.encrypted(&assertion, certificate)?.render();
            }
            success().render() + &assertion
        };
        let mut signature = String::new();
        if sign_response {
            let digested = response.clone().raw(&issuer).raw(&content).render();
            signature = enveloped_signature(key, &response_id, &digested).render();
        }
        let xml = response.raw(&issuer).raw(&signature).raw(&content).render();
        Ok(match fault {
            // A character inside what was signed, and nothing that a parser would mind.
            Some(Fault::Altered) => {
                xml.replacen("<saml:AttributeValue>", "<saml:AttributeValue>x", 1)
            }
            _ => xml,
        })
    }

    /// The answer to a request that forbids a page: nobody is signed in here (SAML Core 3.4.1, `IsPassive`).
    pub fn saml_no_passive(&self, request: &AuthnRequest) -> String {
        let response = Element::new("samlp:Response")
            .xmlns("samlp", SAMLP)
            .attr("ID", self.saml_id())
            .attr("Version", "2.0")
            .attr("IssueInstant", instant(self.clock.now()))
            .attr("Destination", &request.acs_url)
            .attr("InResponseTo", &request.id)
            .child(self.issuer(None).xmlns("saml", SAML))
            .child(refusal("NoPassive", "Nobody is signed in here."));
        STANDARD.encode(response.render())
    }

    fn answered_request(&self, answer: &SamlAnswer<'_>) -> Option<String> {
        match answer.fault {
            Some(Fault::WrongRequest) => Some(self.saml_id()),
            _ => answer.in_response_to.map(str::to_owned),
        }
    }

    fn issuer(&self, fault: Option<Fault>) -> Element {
        Element::new("saml:Issuer").text(&match fault {
            Some(Fault::WrongIssuer) => "https://elsewhere.example/metadata".to_owned(),
            _ => self.entity_id(),
        })
    }

    fn assertion(
        &self,
        answer: &SamlAnswer<'_>,
        in_response_to: Option<&str>,
        now: DateTime<Utc>,
        key: &SigningKey,
        sign: bool,
    ) -> Result<String, IdpError> {
        let (not_before, not_on_or_after) = match answer.fault {
            Some(Fault::Expired) => (now - TimeDelta::minutes(65), now - TimeDelta::minutes(60)),
            Some(Fault::NotYetValid) => {
                (now + TimeDelta::minutes(60), now + TimeDelta::minutes(65))
            }
            _ => (now, now + TimeDelta::minutes(5)),
        };
        let id = self.saml_id();
        let frame = Element::new("saml:Assertion")
            .xmlns("saml", SAML)
            .attr("ID", &id)
            .attr("Version", "2.0")
            .attr("IssueInstant", instant(now));

        let mut confirmation = Element::new("saml:SubjectConfirmationData")
            .attr("NotOnOrAfter", instant(not_on_or_after))
            .attr(
                "Recipient",
                match answer.fault {
                    Some(Fault::WrongRecipient) => "https://elsewhere.example/acs",
                    _ => answer.acs_url,
                },
            );
        if let Some(request) = in_response_to {
            confirmation = confirmation.attr("InResponseTo", request);
        }
        let audience = match answer.fault {
            Some(Fault::WrongAudience) => "https://elsewhere.example/metadata",
            _ => answer.audience,
        };
        let body = [
            Element::new("saml:Subject")
                .child(self.name_id(answer))
                .child(
                    Element::new("saml:SubjectConfirmation")
                        .attr("Method", "urn:oasis:names:tc:SAML:2.0:cm:bearer")
                        .child(confirmation),
                ),
            Element::new("saml:Conditions")
                .attr("NotBefore", instant(not_before))
                .attr("NotOnOrAfter", instant(not_on_or_after))
                .child(
                    Element::new("saml:AudienceRestriction")
                        .child(Element::new("saml:Audience").text(audience)),
                ),
            self.authn_statement(answer, &id, now),
            attributes(answer),
        ];
        let issuer = self.issuer(answer.fault);
        let mut signature = String::new();
        if sign {
            let digested = frame
                .clone()
                .child(issuer.clone())
                .children(body.clone())
                .render();
            signature = enveloped_signature(key, &id, &digested).render();
        }
        Ok(frame.child(issuer).raw(&signature).children(body).render())
    }

    fn authn_statement(&self, answer: &SamlAnswer<'_>, index: &str, now: DateTime<Utc>) -> Element {
        let session = self.state().session;
        let mut statement = Element::new("saml:AuthnStatement")
            .attr("AuthnInstant", instant(now - session.age))
            .attr("SessionIndex", index);
        if let Some(lasts) = session.lasts {
            statement = statement.attr("SessionNotOnOrAfter", instant(now + lasts));
        }
        let class = answer.context_class.unwrap_or(PASSWORD);
        let class = Element::new("saml:AuthnContextClassRef").text(class);
        statement.child(Element::new("saml:AuthnContext").child(class))
    }

    fn name_id(&self, answer: &SamlAnswer<'_>) -> Element {
        let (format, value) = match answer.fault {
            Some(Fault::TransientSubject) => (TRANSIENT, self.saml_id()),
            // With an email here the address would still be known.
            Some(Fault::NoEmail) => (PERSISTENT, answer.person.id.clone()),
            _ => (EMAIL, email(answer)),
        };
        Element::new("saml:NameID")
            .attr("Format", format)
            .text(&value)
    }

    /// XML Encryption 1.1: the element under a fresh AES-256-GCM key (nonce, ciphertext, tag: section 5.2.4),
    /// which RSA-OAEP wraps for the SP (section 5.5.2, SHA-1 and MGF1 with SHA-1 as the URI says).
    fn encrypted(&self, assertion: &str, certificate: &[u8]) -> Result<Element, IdpError> {
        let wrap = oaep_key(certificate).ok_or(IdpError::Certificate)?;
        let mut key = [0; 32];
        let mut nonce = [0; 12];
        self.entropy.fill(&mut key);
        self.entropy.fill(&mut nonce);

        let mut sealed = assertion.as_bytes().to_vec();
        let aes = UnboundKey::new(&AES_256_GCM, &key).map_err(|_| IdpError::Certificate)?;
        LessSafeKey::new(aes)
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::empty(),
                &mut sealed,
            )
            .map_err(|_| IdpError::Certificate)?;
        let mut wrapped = vec![0; wrap.ciphertext_size()];
        let wrapped = wrap
            .encrypt(&OAEP_SHA1_MGF1SHA1, &key, &mut wrapped, None)
            .map_err(|_| IdpError::Certificate)?;

        let method =
            |algorithm: &str| Element::new("xenc:EncryptionMethod").attr("Algorithm", algorithm);
        let cipher = |value: String| {
            Element::new("xenc:CipherData").child(Element::new("xenc:CipherValue").text(&value))
        };
        let encrypted_key = Element::new("xenc:EncryptedKey")
            .child(
                method("http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p").child(
                    Element::new("ds:DigestMethod")
                        .attr("Algorithm", "http://www.w3.org/2000/09/xmldsig#sha1"),
                ),
            )
            .child(cipher(STANDARD.encode(wrapped)));
        let data = Element::new("xenc:EncryptedData")
            .xmlns("xenc", XENC)
            .attr("Type", "http://www.w3.org/2001/04/xmlenc#Element")
            .child(method("http://www.w3.org/2009/xmlenc11#aes256-gcm"))
            .child(
                Element::new("ds:KeyInfo")
                    .xmlns("ds", DS)
                    .child(encrypted_key),
            )
            .child(cipher(STANDARD.encode([&nonce[..], &sealed].concat())));
        Ok(Element::new("saml:EncryptedAssertion")
            .xmlns("saml", SAML)
            .child(data))
    }

    /// An NCName with 128 random bits (SAML Core 1.3.4).
    fn saml_id(&self) -> String {
        format!("_{}", self.random_hex())
    }
}

fn email(answer: &SamlAnswer<'_>) -> String {
    match answer.fault {
        Some(Fault::OutsideDomain) => "somebody@outside.example".to_owned(),
        _ => answer.person.email.clone(),
    }
}

fn attributes(answer: &SamlAnswer<'_>) -> Element {
    let person = answer.person;
    let mut values = vec![
        ("id", vec![person.id.clone()]),
        ("email", vec![email(answer)]),
        ("firstName", vec![person.given_name.clone()]),
        ("lastName", vec![person.family_name.clone()]),
        ("groups", person.groups.clone()),
        ("jobTitle", vec![person.job_title.clone()]),
        ("department", vec![person.department.clone()]),
    ];
    if answer.fault == Some(Fault::NoEmail) {
        values.retain(|(name, _)| *name != "email");
    }
    values.retain(|(_, values)| values.iter().any(|value| !value.is_empty()));
    let attributes = values.into_iter().map(|(name, values)| {
        Element::new("saml:Attribute")
            .attr("Name", name)
            .attr(
                "NameFormat",
                "urn:oasis:names:tc:SAML:2.0:attrname-format:basic",
            )
            .children(
                values
                    .iter()
                    .map(|value| Element::new("saml:AttributeValue").text(value)),
            )
    });
    Element::new("saml:AttributeStatement").children(attributes)
}

fn success() -> Element {
    status_code("Success", None)
}

fn refusal(reason: &str, message: &str) -> Element {
    let inner = Element::new("samlp:StatusCode").attr(
        "Value",
        format!("urn:oasis:names:tc:SAML:2.0:status:{reason}"),
    );
    status_code("Responder", Some(inner)).child(Element::new("samlp:StatusMessage").text(message))
}

fn status_code(code: &str, inner: Option<Element>) -> Element {
    let value = format!("urn:oasis:names:tc:SAML:2.0:status:{code}");
    Element::new("samlp:Status").child(
        Element::new("samlp:StatusCode")
            .attr("Value", value)
            .children(inner),
    )
}

/// XML Signature over the element with this ID: enveloped, exclusive C14N, RSA-SHA256 (SAML Core 5.4).
fn enveloped_signature(key: &SigningKey, id: &str, digested: &str) -> Element {
    let algorithm = |name, uri: &str| Element::new(name).attr("Algorithm", uri);
    let signed_info = Element::new("ds:SignedInfo")
        .child(algorithm("ds:CanonicalizationMethod", EXC_C14N))
        .child(algorithm(
            "ds:SignatureMethod",
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
        ))
        .child(
            Element::new("ds:Reference")
                .attr("URI", format!("#{id}"))
                .child(
                    Element::new("ds:Transforms")
                        .child(algorithm(
                            "ds:Transform",
                            "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
                        ))
                        .child(algorithm("ds:Transform", EXC_C14N)),
                )
                .child(algorithm(
                    "ds:DigestMethod",
                    "http://www.w3.org/2001/04/xmlenc#sha256",
                ))
                .child(
                    Element::new("ds:DigestValue")
                        .text(&STANDARD.encode(digest(&SHA256, digested.as_bytes()))),
                ),
        );
    // Digested alone, SignedInfo carries the declaration that it inherits inside Signature.
    let signed = signed_info.clone().xmlns("ds", DS).render();
    let value = STANDARD.encode(key.sign(signed.as_bytes()));
    Element::new("ds:Signature")
        .xmlns("ds", DS)
        .child(signed_info)
        .child(Element::new("ds:SignatureValue").text(&value))
        .child(x509_key_info(Element::new("ds:KeyInfo"), key))
}

fn key_info(key: &SigningKey) -> Element {
    x509_key_info(Element::new("ds:KeyInfo").xmlns("ds", DS), key)
}

fn x509_key_info(key_info: Element, key: &SigningKey) -> Element {
    key_info.child(
        Element::new("ds:X509Data")
            .child(Element::new("ds:X509Certificate").text(&key.certificate_base64())),
    )
}

fn oaep_key(certificate: &[u8]) -> Option<OaepPublicEncryptingKey> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let key = PublicEncryptingKey::from_der(certificate.public_key().raw).ok()?;
    OaepPublicEncryptingKey::new(key).ok()
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests;
