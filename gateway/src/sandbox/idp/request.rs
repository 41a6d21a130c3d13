//! What a service provider sends: AuthnRequests, and its metadata for the encryption key.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use quick_xml::{Reader, events::Event};

use super::IdpError;

/// Largest message read, inflated. Requests have a few hundred bytes.
const MAX_XML: usize = 256 * 1024;

/// The parts of an AuthnRequest that the practice IdP uses (SAML Core 3.4.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuthnRequest {
    pub id: String,
    /// The SP's entity ID.
    pub issuer: String,
    pub acs_url: String,
    pub force_authn: bool,
    pub is_passive: bool,
    /// RequestedAuthnContext (SAML Core 3.3.2.2.1), the preferred class first.
    pub context_classes: Vec<String>,
}

impl AuthnRequest {
    /// From the query of the redirect binding: deflated, then base64 (SAML Bindings 3.4.4.1).
    pub fn from_redirect(parameter: &str) -> Result<Self, IdpError> {
        let deflated = STANDARD
            .decode(parameter.trim())
            .map_err(|_| IdpError::Request("base64"))?;
        let xml = miniz_oxide::inflate::decompress_to_vec_with_limit(&deflated, MAX_XML)
            .map_err(|_| IdpError::Request("DEFLATE"))?;
        Self::parse(&xml)
    }

    /// From the form of the POST binding: base64 (SAML Bindings 3.5.4).
    pub fn from_post(field: &str) -> Result<Self, IdpError> {
        let stripped: String = field.split_ascii_whitespace().collect();
        let xml = STANDARD
            .decode(stripped)
            .map_err(|_| IdpError::Request("base64"))?;
        Self::parse(&xml)
    }

    fn parse(xml: &[u8]) -> Result<Self, IdpError> {
        let text = std::str::from_utf8(xml).map_err(|_| IdpError::Request("UTF-8"))?;
        let mut request = Self::default();
        let mut reader = Reader::from_str(text);
        let (mut depth, mut in_issuer, mut in_class) = (0, false, false);
        loop {
            let event = reader.read_event().map_err(|_| IdpError::Request("XML"))?;
            match &event {
                Event::Start(element) | Event::Empty(element) => {
                    if depth == 0 {
                        if element.local_name().as_ref() != "AuthnRequest" {
                            return Err(IdpError::Request("AuthnRequest"));
                        }
                        request.read_attributes(element)?;
                    }
                    in_issuer = depth == 1 && element.local_name().as_ref() == "Issuer";
                    in_class = element.local_name().as_ref() == "AuthnContextClassRef";
                    depth += i32::from(matches!(event, Event::Start(_)));
                }
                Event::Text(value) if in_issuer => {
                    request.issuer.push_str(value.xml10_content().trim());
                }
                Event::Text(value) if in_class => {
                    let class = value.xml10_content().trim().to_owned();
                    request.context_classes.push(class);
                }
                Event::End(_) => {
                    depth -= 1;
                    (in_issuer, in_class) = (false, false);
                }
                Event::DocType(_) => return Err(IdpError::Request("XML without DOCTYPE")),
                Event::Eof => break,
                _ => {}
            }
        }
        let complete =
            !request.id.is_empty() && !request.issuer.is_empty() && !request.acs_url.is_empty();
        if complete {
            Ok(request)
        } else {
            Err(IdpError::Request("ID, Issuer and ACS URL"))
        }
    }

    fn read_attributes(
        &mut self,
        element: &quick_xml::events::BytesStart<'_>,
    ) -> Result<(), IdpError> {
        for attribute in element.attributes() {
            let attribute = attribute.map_err(|_| IdpError::Request("XML"))?;
            let value = attribute
                .normalized_value(quick_xml::XmlVersion::Implicit1_0)
                .map_err(|_| IdpError::Request("XML"))?;
            match attribute.key.as_ref() {
                "ID" => self.id = value.into_owned(),
                "AssertionConsumerServiceURL" => self.acs_url = value.into_owned(),
                "ForceAuthn" => self.force_authn = matches!(&*value, "true" | "1"),
                "IsPassive" => self.is_passive = matches!(&*value, "true" | "1"),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The certificate (DER) to encrypt for, from SP metadata (SAML Metadata 2.4.1.1): one for `encryption`, or
/// one for any use.
pub fn encryption_certificate(sp_metadata: &str) -> Option<Vec<u8>> {
    let mut reader = Reader::from_str(sp_metadata);
    let (mut wanted, mut in_certificate) = (false, false);
    loop {
        match reader.read_event().ok()? {
            Event::Start(element) => {
                let name = element.local_name();
                if name.as_ref() == "KeyDescriptor" {
                    let usage = element.try_get_attribute("use").ok()?;
                    wanted = usage.is_none_or(|usage| usage.value.as_ref() == "encryption");
                }
                in_certificate = wanted && name.as_ref() == "X509Certificate";
            }
            Event::Text(value) if in_certificate => {
                return STANDARD
                    .decode(
                        value
                            .xml10_content()
                            .split_ascii_whitespace()
                            .collect::<String>(),
                    )
                    .ok();
            }
            Event::Eof => return None,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = r#"<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_1" Version="2.0" AssertionConsumerServiceURL="https://sso.example/acs?a=1&amp;b=2" ForceAuthn="true"><saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"> https://sso.example/metadata </saml:Issuer><samlp:RequestedAuthnContext Comparison="exact"><saml:AuthnContextClassRef xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">urn:a</saml:AuthnContextClassRef></samlp:RequestedAuthnContext></samlp:AuthnRequest>"#;

    #[test]
    fn a_request_reads_the_same_over_both_bindings() {
        let deflated = miniz_oxide::deflate::compress_to_vec(REQUEST.as_bytes(), 6);
        let redirect = AuthnRequest::from_redirect(&STANDARD.encode(deflated)).unwrap();
        let post = AuthnRequest::from_post(&STANDARD.encode(REQUEST)).unwrap();
        assert_eq!(redirect, post);
        assert_eq!(
            post,
            AuthnRequest {
                id: "_1".into(),
                issuer: "https://sso.example/metadata".into(),
                acs_url: "https://sso.example/acs?a=1&b=2".into(),
                force_authn: true,
                is_passive: false,
                context_classes: vec!["urn:a".into()],
            }
        );
    }

    #[test]
    fn anything_else_is_refused() {
        for xml in [
            "",
            "<a/>",
            "<samlp:AuthnRequest ID='_1'/>",
            "<!DOCTYPE a><samlp:AuthnRequest/>",
        ] {
            assert!(
                AuthnRequest::from_post(&STANDARD.encode(xml)).is_err(),
                "{xml}"
            );
        }
    }

    #[test]
    fn the_encryption_certificate_is_found_behind_the_signing_one() {
        let metadata = "<m><KeyDescriptor use=\"signing\"><X509Certificate>AAAA</X509Certificate>\
            </KeyDescriptor><md:KeyDescriptor use=\"encryption\"><ds:X509Certificate>AQ\n ID</ds:X509Certificate>\
            </md:KeyDescriptor></m>";
        assert_eq!(encryption_certificate(metadata), Some(vec![1, 2, 3]));
        assert_eq!(encryption_certificate("<m/>"), None);
    }
}
