//! Software that customers run themselves, one function per product.

use super::super::{Shape, Style};
use crate::message::{Encryption, REQUEST, SP};

pub(super) fn all() -> Vec<Shape> {
    [adfs(), keycloak(), shibboleth(), simplesamlphp(), pysaml2()]
        .into_iter()
        .flatten()
        .collect()
}

fn adfs() -> Vec<Shape> {
    const ISSUER: &str = "http://adfs.acme.example/adfs/services/trust";
    let xml = format!(
        r#"<samlp:Response ID="_7d0c2f55-aaaa-4bbb-8ccc-010203040506" Version="2.0" IssueInstant="2026-12-01T08:59:59.915Z" Destination="{SP}/acs" Consent="urn:oasis:names:tc:SAML:2.0:consent:unspecified" InResponseTo="{REQUEST}" xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"><Issuer xmlns="urn:oasis:names:tc:SAML:2.0:assertion">{ISSUER}</Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success" /></samlp:Status><Assertion ID="_b1f9e2d3-aaaa-4bbb-8ccc-060504030201" IssueInstant="2026-12-01T08:59:59.915Z" Version="2.0" xmlns="urn:oasis:names:tc:SAML:2.0:assertion"><Issuer>{ISSUER}</Issuer>@assertion@<Subject><SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><SubjectConfirmationData InResponseTo="{REQUEST}" NotOnOrAfter="2026-12-01T09:04:59.915Z" Recipient="{SP}/acs" /></SubjectConfirmation></Subject><Conditions NotBefore="2026-12-01T08:59:59.899Z" NotOnOrAfter="2026-12-01T09:59:59.899Z"><AudienceRestriction><Audience>{SP}/metadata</Audience></AudienceRestriction></Conditions><AttributeStatement><Attribute Name="http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"><AttributeValue>pat@corp.acme.example</AttributeValue></Attribute><Attribute Name="http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"><AttributeValue>pat@acme.example</AttributeValue></Attribute><Attribute Name="http://schemas.xmlsoap.org/claims/Group"><AttributeValue>Domain Users</AttributeValue><AttributeValue>Engineering</AttributeValue></Attribute></AttributeStatement><AuthnStatement AuthnInstant="2026-12-01T08:59:59.665Z" SessionIndex="_b1f9e2d3-aaaa-4bbb-8ccc-060504030201"><AuthnContext><AuthnContextClassRef>urn:federation:authentication:windows</AuthnContextClassRef></AuthnContext></AuthnStatement></Assertion></samlp:Response>"#
    );
    let xml = Style::ds().sign(
        &xml,
        "@assertion@",
        "Assertion",
        "_b1f9e2d3-aaaa-4bbb-8ccc-060504030201",
    );
    vec![Shape {
        idp: ISSUER,
        keys: vec!["idp-next", "idp"],
        settings: r#"attribute_mapping = { id = ["http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"] }"#,
        ..Shape::new(
            "adfs-no-name-id",
            "No NameID: the id is a mapped claim; metadata lists the next certificate too",
            xml,
            r#"
subject = "pat@corp.acme.example"
idp_subject = "pat@corp.acme.example"
email = "pat@acme.example"
groups = ["Domain Users", "Engineering"]"#,
        )
    }]
}

fn keycloak() -> Vec<Shape> {
    const ISSUER: &str = "https://keycloak.acme.example/realms/acme";
    let key_info = format!(
        "<dsig:KeyName>5uX3rJ0gq0</dsig:KeyName><dsig:X509Data><dsig:X509Certificate>{}</dsig:X509Certificate></dsig:X509Data><dsig:KeyValue><dsig:RSAKeyValue><dsig:Modulus>AQAB</dsig:Modulus><dsig:Exponent>AQAB</dsig:Exponent></dsig:RSAKeyValue></dsig:KeyValue>",
        crate::tools::certificate("idp")
    );
    let style = Style {
        prefix: "dsig:",
        key_info,
        ..Style::ds()
    };
    let xml = format!(
        r#"<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" Destination="{SP}/acs" ID="ID_6ed0a3b2-0001" InResponseTo="{REQUEST}" IssueInstant="2026-12-01T09:00:00.120Z" Version="2.0"><saml:Issuer>{ISSUER}</saml:Issuer>@response@<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status><saml:Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion" ID="ID_0c5c3f9a-0002" IssueInstant="2026-12-01T09:00:00.119Z" Version="2.0"><saml:Issuer>{ISSUER}</saml:Issuer>@assertion@<saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">G-7c9f0b5e-f00d</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData InResponseTo="{REQUEST}" NotOnOrAfter="2026-12-01T09:00:58.119Z" Recipient="{SP}/acs"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="2026-12-01T08:59:58.119Z" NotOnOrAfter="2026-12-01T09:00:58.119Z"><saml:AudienceRestriction><saml:Audience>{SP}/metadata</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="2026-12-01T09:00:00.120Z" SessionIndex="c1a0f7d4::9d8e" SessionNotOnOrAfter="2026-12-01T19:00:00.120Z"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement><saml:Attribute FriendlyName="email" Name="urn:oid:1.2.840.113549.1.9.1" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:uri"><saml:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">pat@acme.example</saml:AttributeValue></saml:Attribute><saml:Attribute Name="Role" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:basic"><saml:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">manage-account</saml:AttributeValue></saml:Attribute><saml:Attribute Name="Role" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:basic"><saml:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">engineer</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion></samlp:Response>"#
    );
    let xml = style.sign(&xml, "@assertion@", "Assertion", "ID_0c5c3f9a-0002");
    let xml = style.sign(&xml, "@response@", "Response", "ID_6ed0a3b2-0001");
    vec![Shape {
        idp: ISSUER,
        ..Shape::new(
            "keycloak-document-and-assertion",
            "dsig prefix, KeyName and KeyValue, one Attribute element per role, a minute to live",
            xml,
            r#"
subject = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent|||G-7c9f0b5e-f00d"
email = "pat@acme.example"
groups = ["manage-account", "engineer"]"#,
        )
    }]
}

fn shibboleth() -> Vec<Shape> {
    const ISSUER: &str = "https://idp.university.example/idp/shibboleth";
    let assertion = format!(
        r#"<saml2:Assertion xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion" ID="_e2b8a4d1f0c3" IssueInstant="2026-12-01T08:59:59.882Z" Version="2.0"><saml2:Issuer>{ISSUER}</saml2:Issuer><saml2:Subject><saml2:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:transient" NameQualifier="{ISSUER}" SPNameQualifier="{SP}/metadata">AAdzZWNyZXQx</saml2:NameID><saml2:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml2:SubjectConfirmationData Address="192.0.2.7" InResponseTo="{REQUEST}" NotOnOrAfter="2026-12-01T09:04:59.911Z" Recipient="{SP}/acs"/></saml2:SubjectConfirmation></saml2:Subject><saml2:Conditions NotBefore="2026-12-01T08:59:59.882Z" NotOnOrAfter="2026-12-01T09:04:59.882Z"><saml2:AudienceRestriction><saml2:Audience>{SP}/metadata</saml2:Audience></saml2:AudienceRestriction></saml2:Conditions><saml2:AuthnStatement AuthnInstant="2026-12-01T08:59:59.250Z" SessionIndex="_f7d12c"><saml2:SubjectLocality Address="192.0.2.7"/><saml2:AuthnContext><saml2:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml2:AuthnContextClassRef></saml2:AuthnContext></saml2:AuthnStatement><saml2:AttributeStatement><saml2:Attribute FriendlyName="mail" Name="urn:oid:0.9.2342.19200300.100.1.3" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:uri"><saml2:AttributeValue>pat@university.example</saml2:AttributeValue></saml2:Attribute><saml2:Attribute FriendlyName="eduPersonTargetedID" Name="urn:oid:1.3.6.1.4.1.5923.1.1.1.10" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:uri"><saml2:AttributeValue><saml2:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent" NameQualifier="{ISSUER}" SPNameQualifier="{SP}/metadata">kZ9x8Yw7</saml2:NameID></saml2:AttributeValue></saml2:Attribute><saml2:Attribute FriendlyName="eduPersonScopedAffiliation" Name="urn:oid:1.3.6.1.4.1.5923.1.1.1.9" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:uri"><saml2:AttributeValue>member@university.example</saml2:AttributeValue><saml2:AttributeValue>staff@university.example</saml2:AttributeValue></saml2:Attribute></saml2:AttributeStatement></saml2:Assertion>"#
    );
    let response = |inside: String| {
        let inside = inside
            .replace("saml:EncryptedAssertion", "saml2:EncryptedAssertion")
            .replace(
                "<saml2:EncryptedAssertion>",
                r#"<saml2:EncryptedAssertion xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion">"#,
            );
        let xml = format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<saml2p:Response Destination="{SP}/acs" ID="_4f0a6d2c8e" InResponseTo="{REQUEST}" IssueInstant="2026-12-01T08:59:59.882Z" Version="2.0" xmlns:saml2p="urn:oasis:names:tc:SAML:2.0:protocol"><saml2:Issuer xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion">{ISSUER}</saml2:Issuer>@response@<saml2p:Status><saml2p:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></saml2p:Status>{inside}</saml2p:Response>"#
        );
        Style::ds().sign(&xml, "@response@", "Response", "_4f0a6d2c8e")
    };
    let sha256 = r#"<ds:DigestMethod xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Algorithm="http://www.w3.org/2000/09/xmldsig#sha1"/>"#;
    let gcm = Encryption {
        content: "http://www.w3.org/2009/xmlenc11#aes128-gcm",
        key_len: 16,
        parameters: sha256,
        ..Encryption::usual()
    };
    let cbc = Encryption {
        content: "http://www.w3.org/2001/04/xmlenc#aes128-cbc",
        key_len: 16,
        beside: true,
        ..Encryption::usual()
    };
    let identity = r#"
subject = "kZ9x8Yw7"
idp_subject = "AAdzZWNyZXQx"
email = "pat@university.example"
raw_attributes = { "urn:oid:0.9.2342.19200300.100.1.3" = "pat@university.example", "urn:oid:1.3.6.1.4.1.5923.1.1.1.10" = "kZ9x8Yw7", "urn:oid:1.3.6.1.4.1.5923.1.1.1.9" = ["member@university.example", "staff@university.example"] }"#;
    let settings = r#"attribute_mapping = { id = ["urn:oid:1.3.6.1.4.1.5923.1.1.1.10"] }"#;
    vec![
        Shape {
            idp: ISSUER,
            settings,
            ..Shape::new(
                "shibboleth-encrypted-gcm",
                "Response signed, assertion encrypted with AES-128-GCM, transient NameID with a mapped id",
                response(gcm.encrypt(&assertion)),
                identity,
            )
        },
        Shape {
            idp: ISSUER,
            settings,
            ..Shape::new(
                "shibboleth-key-beside",
                "AES-128-CBC, the EncryptedKey beside the EncryptedData and a RetrievalMethod to it",
                response(cbc.encrypt(&assertion)),
                identity,
            )
        },
    ]
}

fn simplesamlphp() -> Vec<Shape> {
    const ISSUER: &str = "https://ssp.acme.example/saml2/idp/metadata.php";
    let style = Style {
        space: "\n  ",
        ..Style::ds()
    };
    let assertion = format!(
        r#"<saml:Assertion xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xs="http://www.w3.org/2001/XMLSchema" ID="_0a1b2c3d4e" Version="2.0" IssueInstant="2026-12-01T09:00:00Z"><saml:Issuer>{ISSUER}</saml:Issuer>@assertion@<saml:Subject><saml:NameID SPNameQualifier="{SP}/metadata" Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">_b8f3e0a1</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="2026-12-01T09:05:00Z" Recipient="{SP}/acs" InResponseTo="{REQUEST}"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="2026-12-01T08:59:30Z" NotOnOrAfter="2026-12-01T09:05:00Z"><saml:AudienceRestriction><saml:Audience>{SP}/metadata</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="2026-12-01T08:59:10Z" SessionNotOnOrAfter="2026-12-01T17:00:00Z" SessionIndex="_5f6e7d8c"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement><saml:Attribute Name="uid" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:basic"><saml:AttributeValue xsi:type="xs:string">plee</saml:AttributeValue></saml:Attribute><saml:Attribute Name="email" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:basic"><saml:AttributeValue xsi:type="xs:string">pat@acme.example</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion>"#
    );
    let response = |inside: &str| {
        format!(
            r#"<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_9e8d7c6b5a" Version="2.0" IssueInstant="2026-12-01T09:00:00Z" Destination="{SP}/acs" InResponseTo="{REQUEST}"><saml:Issuer>{ISSUER}</saml:Issuer>@response@<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>{inside}</samlp:Response>"#
        )
    };
    let plain = style.sign(
        &response(&assertion),
        "@assertion@",
        "Assertion",
        "_0a1b2c3d4e",
    );
    let plain = style.sign(&plain, "@response@", "Response", "_9e8d7c6b5a");
    // Signed inside its document, then cut out: the plaintext leans on the root's declarations.
    let inner = plain[plain.find("<saml:Assertion").expect("its start")
        ..plain.find("</samlp:Response>").expect("its end")]
        .to_owned();
    let cbc = Encryption {
        content: "http://www.w3.org/2001/04/xmlenc#aes128-cbc",
        key_len: 16,
        ..Encryption::usual()
    };
    let encrypted = style.sign(
        &response(&cbc.encrypt(&inner)),
        "@response@",
        "Response",
        "_9e8d7c6b5a",
    );
    let identity = r#"
subject = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent|||_b8f3e0a1"
email = "pat@acme.example"
session_expires_at = "2026-12-01T17:00:00Z""#;
    vec![
        Shape {
            idp: ISSUER,
            ..Shape::new(
                "simplesamlphp-response-and-assertion",
                "All namespaces on the root, line breaks in Signature, SPNameQualifier",
                plain,
                identity,
            )
        },
        Shape {
            idp: ISSUER,
            ..Shape::new(
                "simplesamlphp-encrypted",
                "AES-128-CBC; the plaintext uses prefixes that only the response declares",
                encrypted,
                identity,
            )
        },
    ]
}

fn pysaml2() -> Vec<Shape> {
    const ISSUER: &str = "https://pysaml2.acme.example/idp.xml";
    let style = Style {
        prefix: "ns2:",
        id: r#" Id="Signature2""#,
        ..Style::ds()
    };
    let xml = format!(
        r#"<?xml version='1.0' encoding='UTF-8'?>
<ns0:Response xmlns:ns0="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:ns1="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xs="http://www.w3.org/2001/XMLSchema" Destination="{SP}/acs" ID="id-0aZ9" InResponseTo="{REQUEST}" IssueInstant="2026-12-01T09:00:00Z" Version="2.0"><ns1:Issuer Format="urn:oasis:names:tc:SAML:2.0:nameid-format:entity">{ISSUER}</ns1:Issuer><ns0:Status><ns0:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success" /></ns0:Status><ns1:Assertion ID="id-1bY8" IssueInstant="2026-12-01T09:00:00Z" Version="2.0"><ns1:Issuer Format="urn:oasis:names:tc:SAML:2.0:nameid-format:entity">{ISSUER}</ns1:Issuer>@assertion@<ns1:Subject><ns1:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent" NameQualifier="{ISSUER}" SPNameQualifier="{SP}/metadata">f00d</ns1:NameID><ns1:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><ns1:SubjectConfirmationData InResponseTo="{REQUEST}" NotOnOrAfter="2026-12-01T09:15:00Z" Recipient="{SP}/acs" /></ns1:SubjectConfirmation></ns1:Subject><ns1:Conditions NotBefore="2026-12-01T09:00:00Z" NotOnOrAfter="2026-12-01T09:15:00Z"><ns1:AudienceRestriction><ns1:Audience>{SP}/metadata</ns1:Audience></ns1:AudienceRestriction></ns1:Conditions><ns1:AuthnStatement AuthnInstant="2026-12-01T09:00:00Z" SessionIndex="id-2cX7"><ns1:AuthnContext><ns1:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</ns1:AuthnContextClassRef><ns1:AuthenticatingAuthority>http://www.example.com/login</ns1:AuthenticatingAuthority></ns1:AuthnContext></ns1:AuthnStatement><ns1:AttributeStatement><ns1:Attribute FriendlyName="mail" Name="urn:oid:0.9.2342.19200300.100.1.3" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:uri"><ns1:AttributeValue xsi:type="xs:string">pat@acme.example</ns1:AttributeValue></ns1:Attribute></ns1:AttributeStatement></ns1:Assertion></ns0:Response>"#
    );
    vec![Shape {
        idp: ISSUER,
        ..Shape::new(
            "pysaml2-assertion",
            "Generated prefixes on the root, a Signature with an Id of its own",
            style.sign(&xml, "@assertion@", "Assertion", "id-1bY8"),
            r#"
subject = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent|||f00d"
email = "pat@acme.example""#,
        )
    }]
}
