//! A plain response in small parts, so that a shape or an attack changes one of them.

use crate::tools::{self, certificate};

pub(crate) const NOW: &str = "2026-12-01T09:00:00Z";
pub(crate) const IDP: &str = "https://idp.example/metadata";
pub(crate) const SP: &str = "https://sso.tenon.example/saml/conn_01kayc00000000000000000000";
pub(crate) const REQUEST: &str = "_request4711";
pub(crate) const RESPONSE: &str = "_response1";
pub(crate) const ASSERTION: &str = "_assertion1";

/// The usual generic response: `samlp`/`saml` prefixes, all declared on the root.
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) version: String,
    pub(crate) issue_instant: String,
    pub(crate) destination: Option<String>,
    pub(crate) in_response_to: Option<String>,
    pub(crate) issuer: String,
    pub(crate) status: String,
    pub(crate) extensions: String,
    pub(crate) assertion: Body,
    pub(crate) sign_assertion: Option<Signing>,
    pub(crate) sign_response: Option<Signing>,
}

#[derive(Clone)]
pub(crate) struct Body {
    pub(crate) issue_instant: String,
    pub(crate) issuer: String,
    pub(crate) name_id: String,
    pub(crate) confirmation: String,
    pub(crate) conditions: String,
    pub(crate) authn: String,
    pub(crate) attributes: String,
}

/// How one element is signed.
#[derive(Clone)]
pub(crate) struct Signing {
    pub(crate) key: String,
    pub(crate) key_info: String,
    pub(crate) signature_method: String,
    pub(crate) digest_method: String,
    pub(crate) canonicalization: String,
    pub(crate) transforms: String,
}

impl Signing {
    pub(crate) fn by(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            key_info: x509(key),
            signature_method: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256".to_owned(),
            digest_method: "http://www.w3.org/2001/04/xmlenc#sha256".to_owned(),
            canonicalization:
                r#"<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>"#
                    .to_owned(),
            transforms: concat!(
                r#"<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>"#,
                r#"<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>"#
            )
            .to_owned(),
        }
    }

    /// The template that xmlsec1 fills.
    pub(crate) fn template(&self, id: &str) -> String {
        format!(
            r##"<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo>{}<ds:SignatureMethod Algorithm="{}"/><ds:Reference URI="#{id}"><ds:Transforms>{}</ds:Transforms><ds:DigestMethod Algorithm="{}"/><ds:DigestValue></ds:DigestValue></ds:Reference></ds:SignedInfo><ds:SignatureValue></ds:SignatureValue>{}</ds:Signature>"##,
            self.canonicalization,
            self.signature_method,
            self.transforms,
            self.digest_method,
            self.key_info
        )
    }
}

pub(crate) fn x509(key: &str) -> String {
    format!(
        "<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>",
        certificate(key)
    )
}

impl Message {
    /// Assertion signed, everything right.
    pub(crate) fn valid() -> Self {
        Self {
            version: "2.0".to_owned(),
            issue_instant: NOW.to_owned(),
            destination: Some(format!("{SP}/acs")),
            in_response_to: Some(REQUEST.to_owned()),
            issuer: issuer(IDP),
            status: status("urn:oasis:names:tc:SAML:2.0:status:Success"),
            extensions: String::new(),
            assertion: Body {
                issue_instant: NOW.to_owned(),
                issuer: issuer(IDP),
                name_id: r#"<saml:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">pat@acme.example</saml:NameID>"#.to_owned(),
                confirmation: bearer(&format!(
                    r#"NotOnOrAfter="2026-12-01T09:05:00Z" Recipient="{SP}/acs" InResponseTo="{REQUEST}""#
                )),
                conditions: conditions(
                    r#" NotBefore="2026-12-01T08:55:00Z" NotOnOrAfter="2026-12-01T09:05:00Z""#,
                    &audience(&format!("{SP}/metadata")),
                ),
                authn: r#"<saml:AuthnStatement AuthnInstant="2026-12-01T08:59:58Z" SessionIndex="_session1"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>"#.to_owned(),
                attributes: concat!(
                    "<saml:AttributeStatement>",
                    r#"<saml:Attribute Name="firstName"><saml:AttributeValue>Pat</saml:AttributeValue></saml:Attribute>"#,
                    r#"<saml:Attribute Name="lastName"><saml:AttributeValue>Lee</saml:AttributeValue></saml:Attribute>"#,
                    r#"<saml:Attribute Name="groups"><saml:AttributeValue>Engineering</saml:AttributeValue><saml:AttributeValue>All &amp; sundry</saml:AttributeValue></saml:Attribute>"#,
                    "</saml:AttributeStatement>"
                )
                .to_owned(),
            },
            sign_assertion: Some(Signing::by("idp")),
            sign_response: None,
        }
    }

    /// Response signed instead.
    pub(crate) fn valid_response_signed() -> Self {
        Self {
            sign_assertion: None,
            sign_response: Some(Signing::by("idp")),
            ..Self::valid()
        }
    }

    /// The text, signed by xmlsec1.
    pub(crate) fn signed(&self) -> String {
        let mut xml = self.render(&self.assertion_xml());
        if let Some(signing) = &self.sign_assertion {
            xml = sign_at(&xml, "@assertion@", "Assertion", ASSERTION, signing);
        }
        xml = xml.replace("@assertion@", "");
        self.sign_outside(xml)
    }

    /// The response around another assertion text, the outer signature made last.
    pub(crate) fn around(&self, assertion: &str) -> String {
        self.sign_outside(self.render(assertion))
    }

    fn sign_outside(&self, mut xml: String) -> String {
        if let Some(signing) = &self.sign_response {
            xml = sign_at(&xml, "@response@", "Response", RESPONSE, signing);
        }
        xml.replace("@response@", "")
    }

    fn render(&self, assertion: &str) -> String {
        let attribute = |name: &str, value: &Option<String>| {
            value
                .as_ref()
                .map(|value| format!(r#" {name}="{value}""#))
                .unwrap_or_default()
        };
        format!(
            r#"<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="{RESPONSE}" Version="{}" IssueInstant="{}"{}{}>{}@response@{}{}{assertion}</samlp:Response>"#,
            self.version,
            self.issue_instant,
            attribute("Destination", &self.destination),
            attribute("InResponseTo", &self.in_response_to),
            self.issuer,
            self.extensions,
            self.status,
        )
    }

    /// The assertion with a mark where its signature goes.
    pub(crate) fn assertion_xml(&self) -> String {
        let body = &self.assertion;
        format!(
            r#"<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="{ASSERTION}" Version="2.0" IssueInstant="{}">{}@assertion@<saml:Subject>{}{}</saml:Subject>{}{}{}</saml:Assertion>"#,
            body.issue_instant,
            body.issuer,
            body.name_id,
            body.confirmation,
            body.conditions,
            body.authn,
            body.attributes
        )
    }

    /// The assertion alone, signed in its own document.
    pub(crate) fn signed_assertion(&self) -> String {
        let xml = self.assertion_xml();
        match &self.sign_assertion {
            Some(signing) => sign_at(&xml, "@assertion@", "Assertion", ASSERTION, signing),
            None => xml.replace("@assertion@", ""),
        }
    }
}

/// Puts a signature in the place of `mark`.
pub(crate) fn sign_at(xml: &str, mark: &str, element: &str, id: &str, signing: &Signing) -> String {
    let xml = xml.replace(mark, &signing.template(id));
    tools::sign(&xml, element, id, &signing.key)
}

pub(crate) fn issuer(entity_id: &str) -> String {
    format!("<saml:Issuer>{entity_id}</saml:Issuer>")
}

pub(crate) fn status(code: &str) -> String {
    format!(r#"<samlp:Status><samlp:StatusCode Value="{code}"/></samlp:Status>"#)
}

pub(crate) fn bearer(data: &str) -> String {
    format!(
        r#"<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData {data}/></saml:SubjectConfirmation>"#
    )
}

pub(crate) fn conditions(times: &str, inside: &str) -> String {
    format!("<saml:Conditions{times}>{inside}</saml:Conditions>")
}

pub(crate) fn audience(entity_id: &str) -> String {
    format!(
        "<saml:AudienceRestriction><saml:Audience>{entity_id}</saml:Audience></saml:AudienceRestriction>"
    )
}

/// How an assertion is encrypted.
pub(crate) struct Encryption {
    pub(crate) content: &'static str,
    pub(crate) key_len: usize,
    pub(crate) transport: &'static str,
    /// Inside EncryptionMethod of the key: DigestMethod, MGF.
    pub(crate) parameters: &'static str,
    pub(crate) digest: &'static str,
    pub(crate) mgf1: &'static str,
    /// The EncryptedKey beside the EncryptedData instead of in its KeyInfo.
    pub(crate) beside: bool,
}

pub(crate) const OAEP_MGF1P: &str = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p";
pub(crate) const OAEP_11: &str = "http://www.w3.org/2009/xmlenc11#rsa-oaep";

impl Encryption {
    /// As most IdPs do it: AES-256-CBC, OAEP with SHA-1.
    pub(crate) fn usual() -> Self {
        Self {
            content: "http://www.w3.org/2001/04/xmlenc#aes256-cbc",
            key_len: 32,
            transport: OAEP_MGF1P,
            parameters: "",
            digest: "sha1",
            mgf1: "sha1",
            beside: false,
        }
    }

    pub(crate) fn gcm() -> Self {
        Self {
            content: "http://www.w3.org/2009/xmlenc11#aes256-gcm",
            ..Self::usual()
        }
    }

    pub(crate) fn encrypt(&self, plaintext: &str) -> String {
        let key = tools::random(self.key_len);
        let wrapped = if self.transport.ends_with("rsa-1_5") {
            tools::wrap_key_pkcs1(&key)
        } else {
            tools::wrap_key(&key, self.digest, self.mgf1)
        };
        let content = if self.content.ends_with("gcm") {
            tools::aes_gcm(&key, plaintext.as_bytes())
        } else {
            tools::aes_cbc(&key, plaintext.as_bytes())
        };
        self.wrap(&wrapped, &content)
    }

    /// The EncryptedAssertion around given values.
    pub(crate) fn wrap(&self, wrapped: &str, content: &str) -> String {
        let encrypted_key = format!(
            r#"<xenc:EncryptedKey xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" Id="_key1" Recipient="{SP}/metadata"><xenc:EncryptionMethod Algorithm="{}">{}</xenc:EncryptionMethod><xenc:CipherData><xenc:CipherValue>{wrapped}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey>"#,
            self.transport, self.parameters
        );
        let (inside, beside) = if self.beside {
            (r##"<ds:RetrievalMethod Type="http://www.w3.org/2001/04/xmlenc#EncryptedKey" URI="#_key1"/>"##.to_owned(), encrypted_key)
        } else {
            (encrypted_key, String::new())
        };
        format!(
            r#"<saml:EncryptedAssertion><xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" Type="http://www.w3.org/2001/04/xmlenc#Element"><xenc:EncryptionMethod Algorithm="{}"/><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#">{inside}</ds:KeyInfo><xenc:CipherData><xenc:CipherValue>{content}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>{beside}</saml:EncryptedAssertion>"#,
            self.content
        )
    }
}

/// The metadata of an IdP with these signing certificates.
pub(crate) fn metadata(entity_id: &str, keys: &[&str]) -> String {
    let descriptors: String = keys
        .iter()
        .map(|key| {
            format!(
                "\n    <md:KeyDescriptor use=\"signing\">{}</md:KeyDescriptor>",
                x509(key).replace(
                    "<ds:KeyInfo>",
                    r#"<ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#">"#
                )
            )
        })
        .collect();
    format!(
        r#"<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{entity_id}">
  <md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">{descriptors}
    <md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://idp.example/sso"/>
  </md:IDPSSODescriptor>
</md:EntityDescriptor>
"#
    )
}
