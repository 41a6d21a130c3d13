//! Services that customers rent, one function per vendor.

use super::super::{Shape, Style};
use crate::message::{Encryption, Message, REQUEST, SP};

pub(super) fn all() -> Vec<Shape> {
    [
        okta(),
        entra(),
        google(),
        onelogin(),
        ping(),
        jumpcloud(),
        auth0(),
        cyberark(),
        duo(),
        rippling(),
        lastpass(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn okta() -> Vec<Shape> {
    const ISSUER: &str = "http://www.okta.com/exk1abcdEFGH2ijkl5d7";
    let style = || Style {
        prefix_list: Some("xs"),
        ..Style::ds()
    };
    let unsigned = format!(
        r#"<saml2:Assertion xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:xs="http://www.w3.org/2001/XMLSchema" ID="id2089172345678901234567890" IssueInstant="2026-12-01T08:59:59.512Z" Version="2.0"><saml2:Issuer Format="urn:oasis:names:tc:SAML:2.0:nameid-format:entity">{ISSUER}</saml2:Issuer>@assertion@<saml2:Subject><saml2:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified">pat@acme.example</saml2:NameID><saml2:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml2:SubjectConfirmationData InResponseTo="{REQUEST}" NotOnOrAfter="2026-12-01T09:04:59.512Z" Recipient="{SP}/acs"/></saml2:SubjectConfirmation></saml2:Subject><saml2:Conditions NotBefore="2026-12-01T08:54:59.512Z" NotOnOrAfter="2026-12-01T09:04:59.512Z"><saml2:AudienceRestriction><saml2:Audience>{SP}/metadata</saml2:Audience></saml2:AudienceRestriction></saml2:Conditions><saml2:AuthnStatement AuthnInstant="2026-12-01T08:30:12.100Z" SessionIndex="{REQUEST}"><saml2:AuthnContext><saml2:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml2:AuthnContextClassRef></saml2:AuthnContext></saml2:AuthnStatement><saml2:AttributeStatement><saml2:Attribute Name="firstName" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified"><saml2:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">Pat</saml2:AttributeValue></saml2:Attribute><saml2:Attribute Name="lastName" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified"><saml2:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">Lee</saml2:AttributeValue></saml2:Attribute><saml2:Attribute Name="groups" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified"><saml2:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">Everyone</saml2:AttributeValue><saml2:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">Engineering</saml2:AttributeValue></saml2:Attribute></saml2:AttributeStatement></saml2:Assertion>"#
    );
    let sign = |xml: &str| {
        style().sign(
            xml,
            "@assertion@",
            "Assertion",
            "id2089172345678901234567890",
        )
    };
    let assertion = sign(&unsigned);
    let around = |inside: &str| {
        format!(
            r#"<?xml version="1.0" encoding="UTF-8"?><saml2p:Response xmlns:saml2p="urn:oasis:names:tc:SAML:2.0:protocol" Destination="{SP}/acs" ID="id2089172345112233445566778" InResponseTo="{REQUEST}" IssueInstant="2026-12-01T08:59:59.512Z" Version="2.0" xmlns:xs="http://www.w3.org/2001/XMLSchema"><saml2:Issuer Format="urn:oasis:names:tc:SAML:2.0:nameid-format:entity" xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion">{ISSUER}</saml2:Issuer>@response@<saml2p:Status xmlns:saml2p="urn:oasis:names:tc:SAML:2.0:protocol"><saml2p:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></saml2p:Status>{inside}</saml2p:Response>"#
        )
    };
    let response = |inside: &str| {
        style().sign(
            &around(inside),
            "@response@",
            "Response",
            "id2089172345112233445566778",
        )
    };
    // As large as a real one: seven kilobytes.
    let group = r#"<saml2:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">Engineering</saml2:AttributeValue>"#;
    let groups: String = (1..=11)
        .map(|n| group.replace("Engineering", &format!("Group {n}")))
        .collect();
    let busy = sign(&around(&unsigned.replace(group, &groups))).replace("@response@", "");
    let identity = r#"
subject = "pat@acme.example"
email = "pat@acme.example"
given_name = "Pat"
family_name = "Lee"
name = "Pat Lee"
groups = ["Everyone", "Engineering"]"#;
    let encrypted = Encryption::usual().encrypt(&assertion).replace(
        "<saml:EncryptedAssertion>",
        r#"<saml:EncryptedAssertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">"#,
    );
    vec![
        Shape {
            idp: ISSUER,
            ..Shape::new(
                "okta-assertion",
                "Only the assertion signed, a dozen groups, seven kilobytes: the benchmark's response",
                busy,
                r#"
subject = "pat@acme.example"
groups = ["Everyone", "Group 1", "Group 2", "Group 3", "Group 4", "Group 5", "Group 6", "Group 7", "Group 8", "Group 9", "Group 10", "Group 11"]"#,
            )
        },
        Shape {
            idp: ISSUER,
            settings: "require_signed_response = true\nrequire_signed_assertion = true",
            ..Shape::new(
                "okta-response-and-assertion",
                "Both signed, PrefixList xs, an unspecified NameID that is the email",
                response(&assertion),
                identity,
            )
        },
        Shape {
            idp: ISSUER,
            settings: "want_encrypted_assertions = true",
            ..Shape::new(
                "okta-encrypted",
                "Signed, encrypted with AES-256-CBC, and signed again",
                response(&encrypted),
                identity,
            )
        },
    ]
}

fn entra_assertion() -> String {
    format!(
        r#"<Assertion ID="_4f6a1c0e-1111-4222-8333-abcdefabcdef" IssueInstant="2026-12-01T08:59:59.401Z" Version="2.0" xmlns="urn:oasis:names:tc:SAML:2.0:assertion"><Issuer>https://sts.windows.net/6babcaad-604b-40ac-a9d7-9fd97c0b779f/</Issuer>@assertion@<Subject><NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">uK5Zr8x0mQw2</NameID><SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><SubjectConfirmationData InResponseTo="{REQUEST}" NotOnOrAfter="2026-12-01T09:59:59.337Z" Recipient="{SP}/acs"/></SubjectConfirmation></Subject><Conditions NotBefore="2026-12-01T08:54:59.337Z" NotOnOrAfter="2026-12-01T09:59:59.337Z"><AudienceRestriction><Audience>{SP}/metadata</Audience></AudienceRestriction></Conditions><AttributeStatement><Attribute Name="http://schemas.microsoft.com/identity/claims/tenantid"><AttributeValue>6babcaad-604b-40ac-a9d7-9fd97c0b779f</AttributeValue></Attribute><Attribute Name="http://schemas.microsoft.com/identity/claims/objectidentifier"><AttributeValue>a1b2c3d4-0000-4000-8000-123456789abc</AttributeValue></Attribute><Attribute Name="http://schemas.microsoft.com/identity/claims/displayname"><AttributeValue>Pat Lee</AttributeValue></Attribute><Attribute Name="http://schemas.microsoft.com/ws/2008/06/identity/claims/groups"><AttributeValue>0a6c2c9e-5f7c-4d6e-9b44-000000000001</AttributeValue><AttributeValue>0a6c2c9e-5f7c-4d6e-9b44-000000000002</AttributeValue></Attribute><Attribute Name="http://schemas.microsoft.com/claims/authnmethodsreferences"><AttributeValue>http://schemas.microsoft.com/ws/2008/06/identity/authenticationmethod/password</AttributeValue></Attribute><Attribute Name="http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname"><AttributeValue>Pat</AttributeValue></Attribute><Attribute Name="http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname"><AttributeValue>Lee</AttributeValue></Attribute><Attribute Name="http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"><AttributeValue>pat@acme.example</AttributeValue></Attribute></AttributeStatement><AuthnStatement AuthnInstant="2026-12-01T08:58:01.000Z" SessionIndex="_4f6a1c0e-1111-4222-8333-abcdefabcdef"><AuthnContext><AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</AuthnContextClassRef></AuthnContext></AuthnStatement></Assertion>"#
    )
}

fn entra() -> Vec<Shape> {
    const ISSUER: &str = "https://sts.windows.net/6babcaad-604b-40ac-a9d7-9fd97c0b779f/";
    let style = Style::default_namespace();
    let response = |inside: &str| {
        format!(
            r#"<samlp:Response ID="_0f2e6b1a-9999-4888-8777-fedcbafedcba" Version="2.0" IssueInstant="2026-12-01T08:59:59.448Z" Destination="{SP}/acs" InResponseTo="{REQUEST}" xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"><Issuer xmlns="urn:oasis:names:tc:SAML:2.0:assertion">{ISSUER}</Issuer>@response@<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>{inside}</samlp:Response>"#
        )
    };
    let id = "_4f6a1c0e-1111-4222-8333-abcdefabcdef";
    let signed = style.sign(
        &response(&entra_assertion()).replace("@response@", ""),
        "@assertion@",
        "Assertion",
        id,
    );
    let listed = entra_assertion();
    let from = listed
        .find(
            r#"<Attribute Name="http://schemas.microsoft.com/ws/2008/06/identity/claims/groups">"#,
        )
        .expect("the groups");
    let to = from + listed[from..].find("</Attribute>").expect("their end");
    let overage = format!(
        r#"{}<Attribute Name="http://schemas.microsoft.com/claims/groups.link"><AttributeValue>https://graph.windows.net/6babcaad-604b-40ac-a9d7-9fd97c0b779f/users/a1b2c3d4-0000-4000-8000-123456789abc/getMemberObjects</AttributeValue>{}"#,
        &listed[..from],
        &listed[to..]
    );
    let inner = style.sign(&entra_assertion(), "@assertion@", "Assertion", id);
    let both = style.sign(
        &response(&inner),
        "@response@",
        "Response",
        "_0f2e6b1a-9999-4888-8777-fedcbafedcba",
    );
    let encrypted = Encryption {
        parameters: r#"<ds:DigestMethod xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Algorithm="http://www.w3.org/2000/09/xmldsig#sha1"/>"#,
        ..Encryption::usual()
    }
    .encrypt(&inner)
    .replace("<saml:", r#"<"#)
    .replace("</saml:", "</")
    .replace(
        "<EncryptedAssertion>",
        r#"<EncryptedAssertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion">"#,
    );
    let identity = r#"
subject = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent|||uK5Zr8x0mQw2"
idp_subject = "uK5Zr8x0mQw2"
email = "pat@acme.example"
given_name = "Pat"
family_name = "Lee"
name = "Pat Lee"
groups = ["0a6c2c9e-5f7c-4d6e-9b44-000000000001", "0a6c2c9e-5f7c-4d6e-9b44-000000000002"]
acr = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password""#;
    vec![
        Shape {
            idp: ISSUER,
            ..Shape::new(
                "entra-assertion",
                "Assertion and Signature in default namespaces, attributes before AuthnStatement, an hour ahead",
                signed,
                identity,
            )
        },
        Shape {
            idp: ISSUER,
            extra: "warnings = [\"groups_truncated\"]\n",
            ..Shape::new(
                "entra-too-many-groups",
                "A person with over 150 groups: a link in their place",
                style.sign(
                    &response(&overage).replace("@response@", ""),
                    "@assertion@",
                    "Assertion",
                    id,
                ),
                "idp_subject = \"uK5Zr8x0mQw2\"\nemail = \"pat@acme.example\"\ngroups = []",
            )
        },
        Shape {
            idp: ISSUER,
            ..Shape::new(
                "entra-response-and-assertion",
                "Both signed",
                both,
                identity,
            )
        },
        Shape {
            idp: ISSUER,
            ..Shape::new(
                "entra-encrypted",
                "The signature is inside the encrypted assertion, the response is unsigned",
                response(&encrypted).replace("@response@", ""),
                identity,
            )
        },
    ]
}

fn google() -> Vec<Shape> {
    const ISSUER: &str = "https://accounts.google.com/o/saml2?idpid=C01abcd2e";
    let text = || {
        format!(
            r#"<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<saml2p:Response xmlns:saml2p="urn:oasis:names:tc:SAML:2.0:protocol" Destination="{SP}/acs" ID="_9c1d2e3f4a5b" InResponseTo="{REQUEST}" IssueInstant="2026-12-01T09:00:00.000Z" Version="2.0"><saml2:Issuer xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion">{ISSUER}</saml2:Issuer>@response@<saml2p:Status><saml2p:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></saml2p:Status><saml2:Assertion xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion" ID="_1a2b3c4d5e6f" IssueInstant="2026-12-01T09:00:00.000Z" Version="2.0"><saml2:Issuer>{ISSUER}</saml2:Issuer>@assertion@<saml2:Subject><saml2:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">pat@acme.example</saml2:NameID><saml2:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml2:SubjectConfirmationData InResponseTo="{REQUEST}" NotOnOrAfter="2026-12-01T09:05:00.000Z" Recipient="{SP}/acs"/></saml2:SubjectConfirmation></saml2:Subject><saml2:Conditions NotBefore="2026-12-01T08:55:00.000Z" NotOnOrAfter="2026-12-01T09:05:00.000Z"><saml2:AudienceRestriction><saml2:Audience>{SP}/metadata</saml2:Audience></saml2:AudienceRestriction></saml2:Conditions><saml2:AttributeStatement><saml2:Attribute Name="first_name"><saml2:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:anyType">Pat</saml2:AttributeValue></saml2:Attribute><saml2:Attribute Name="last_name"><saml2:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:anyType">Lee</saml2:AttributeValue></saml2:Attribute></saml2:AttributeStatement><saml2:AuthnStatement AuthnInstant="2026-12-01T08:20:00.000Z" SessionIndex="_1a2b3c4d5e6f"><saml2:AuthnContext><saml2:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified</saml2:AuthnContextClassRef></saml2:AuthnContext></saml2:AuthnStatement></saml2:Assertion></saml2p:Response>"#
        )
    };
    let style = || Style {
        key_info: format!(
            "<ds:X509Data><ds:X509SubjectName>ST=California,C=US,OU=Google For Work,CN=Google,L=Mountain View,O=Google Inc.</ds:X509SubjectName><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data>",
            crate::tools::certificate("idp")
        ),
        space: "\n",
        ..Style::ds()
    };
    let identity = r#"
subject = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress|||pat@acme.example"
idp_subject = "pat@acme.example"
email = "pat@acme.example"
given_name = "Pat"
family_name = "Lee""#;
    let assertion = style().sign(
        &text().replace("@response@", ""),
        "@assertion@",
        "Assertion",
        "_1a2b3c4d5e6f",
    );
    let response = style().sign(
        &text().replace("@assertion@", ""),
        "@response@",
        "Response",
        "_9c1d2e3f4a5b",
    );
    vec![
        Shape {
            idp: ISSUER,
            ..Shape::new(
                "google-assertion",
                "xs:anyType values, X509SubjectName in KeyInfo",
                assertion,
                identity,
            )
        },
        Shape {
            idp: ISSUER,
            settings: "require_signed_response = true",
            ..Shape::new(
                "google-signed-response",
                "\"Signed response\" signs the response only",
                response,
                identity,
            )
        },
    ]
}

fn onelogin() -> Vec<Shape> {
    const ISSUER: &str =
        "https://app.onelogin.com/saml/metadata/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
    let xml = format!(
        r#"<samlp:Response xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="R0123456789abcdef0123456789abcdef01234567" Version="2.0" IssueInstant="2026-12-01T09:00:00Z" Destination="{SP}/acs" InResponseTo="{REQUEST}"><saml:Issuer>{ISSUER}</saml:Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status><saml:Assertion xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" Version="2.0" ID="pfx87654321-1234-5678-9abc-def012345678" IssueInstant="2026-12-01T09:00:00Z"><saml:Issuer>{ISSUER}</saml:Issuer>@assertion@<saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">pat@acme.example</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="2026-12-01T09:03:00Z" Recipient="{SP}/acs" InResponseTo="{REQUEST}"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="2026-12-01T08:57:00Z" NotOnOrAfter="2026-12-01T09:03:00Z"><saml:AudienceRestriction><saml:Audience>{SP}/metadata</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="2026-12-01T08:59:59Z" SessionNotOnOrAfter="2026-12-02T09:00:00Z" SessionIndex="_5e3bb1d0-0001"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement><saml:Attribute NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:basic" Name="User.email"><saml:AttributeValue xsi:type="xs:string">pat@acme.example</saml:AttributeValue></saml:Attribute><saml:Attribute NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:basic" Name="memberOf"><saml:AttributeValue xsi:type="xs:string">Engineering;Everyone</saml:AttributeValue></saml:Attribute><saml:Attribute NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:basic" Name="User.LastName"><saml:AttributeValue xsi:type="xs:string">Lee</saml:AttributeValue></saml:Attribute><saml:Attribute NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:basic" Name="PersonImmutableID"><saml:AttributeValue xsi:type="xs:string"/></saml:Attribute><saml:Attribute NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:basic" Name="User.FirstName"><saml:AttributeValue xsi:type="xs:string">Pat</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion></samlp:Response>"#
    );
    let xml = Style::ds().sign(
        &xml,
        "@assertion@",
        "Assertion",
        "pfx87654321-1234-5678-9abc-def012345678",
    );
    vec![Shape {
        idp: ISSUER,
        ..Shape::new(
            "onelogin-assertion",
            "memberOf joined by semicolons, an empty attribute, a session of a day",
            xml,
            r#"
email = "pat@acme.example"
given_name = "Pat"
family_name = "Lee"
groups = ["Engineering", "Everyone"]
session_expires_at = "2026-12-02T09:00:00Z""#,
        )
    }]
}

fn ping() -> Vec<Shape> {
    const ISSUER: &str = "pingfederate.acme.example:default:entityId";
    let text = |method: &'static str, digest: &'static str| {
        let xml = format!(
            r#"<samlp:Response Version="2.0" ID="Fy2kJ3x.Response-1" IssueInstant="2026-12-01T08:59:59.714Z" InResponseTo="{REQUEST}" Destination="{SP}/acs" xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"><saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">{ISSUER}</saml:Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status><saml:Assertion ID="Qm9ZtV.Assertion-1" IssueInstant="2026-12-01T08:59:59.730Z" Version="2.0" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"><saml:Issuer>{ISSUER}</saml:Issuer>@assertion@<saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified">plee</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData Recipient="{SP}/acs" NotOnOrAfter="2026-12-01T09:04:59.730Z" InResponseTo="{REQUEST}"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="2026-12-01T08:54:59.730Z" NotOnOrAfter="2026-12-01T09:04:59.730Z"><saml:AudienceRestriction><saml:Audience>{SP}/metadata</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement SessionIndex="Qm9ZtV.Assertion-1" AuthnInstant="2026-12-01T08:59:59.730Z"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement xmlns:xs="http://www.w3.org/2001/XMLSchema"><saml:Attribute Name="mail" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:basic"><saml:AttributeValue xsi:type="xs:string" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">pat@acme.example</saml:AttributeValue></saml:Attribute><saml:Attribute Name="memberOf" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:basic"><saml:AttributeValue xsi:type="xs:string" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">CN=Engineering,OU=Groups,DC=acme,DC=example</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion></samlp:Response>"#
        );
        let style = Style {
            method,
            digest,
            space: "\n",
            ..Style::ds()
        };
        style.sign(&xml, "@assertion@", "Assertion", "Qm9ZtV.Assertion-1")
    };
    let identity = r#"
subject = "plee"
email = "pat@acme.example"
groups = ["CN=Engineering,OU=Groups,DC=acme,DC=example"]"#;
    vec![
        Shape {
            idp: ISSUER,
            ..Shape::new(
                "pingfederate-rsa-sha512",
                "Line breaks inside SignedInfo, RSA-SHA512, an entity ID that is no URL",
                text(
                    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
                    "http://www.w3.org/2001/04/xmlenc#sha512",
                ),
                identity,
            )
        },
        Shape {
            idp: ISSUER,
            ..Shape::new(
                "pingone-rsa-sha384",
                "RSA-SHA384 with a SHA-384 digest",
                text(
                    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
                    "http://www.w3.org/2001/04/xmldsig-more#sha384",
                ),
                identity,
            )
        },
    ]
}

fn jumpcloud() -> Vec<Shape> {
    const ISSUER: &str = "acme-jumpcloud";
    let xml = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><saml2p:Response xmlns:saml2p="urn:oasis:names:tc:SAML:2.0:protocol" Destination="{SP}/acs" ID="SP2HQ8YQTLLXK2CMFAH7" IssueInstant="2026-12-01T09:00:00.000Z" Version="2.0"><saml2:Issuer xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion" Format="urn:oasis:names:tc:SAML:2.0:nameid-format:entity">{ISSUER}</saml2:Issuer><saml2p:Status><saml2p:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></saml2p:Status><saml2:Assertion xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:xs="http://www.w3.org/2001/XMLSchema" ID="7RYE25LAR2T4ZMAVUOPB" IssueInstant="2026-12-01T09:00:00.000Z" Version="2.0"><saml2:Issuer Format="urn:oasis:names:tc:SAML:2.0:nameid-format:entity">{ISSUER}</saml2:Issuer>@assertion@<saml2:Subject><saml2:NameID Format="urn:oasis:names:tc:SAML:1.0:nameid-format:unspecified">pat@acme.example</saml2:NameID><saml2:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml2:SubjectConfirmationData NotOnOrAfter="2026-12-01T09:10:00.000Z" Recipient="{SP}/acs"/></saml2:SubjectConfirmation></saml2:Subject><saml2:Conditions NotBefore="2026-12-01T08:55:00.000Z" NotOnOrAfter="2026-12-01T09:10:00.000Z"><saml2:AudienceRestriction><saml2:Audience>{SP}/metadata</saml2:Audience></saml2:AudienceRestriction></saml2:Conditions><saml2:AuthnStatement AuthnInstant="2026-12-01T09:00:00.000Z" SessionIndex="d6c1f3a2-0000"><saml2:AuthnContext><saml2:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml2:AuthnContextClassRef></saml2:AuthnContext></saml2:AuthnStatement><saml2:AttributeStatement><saml2:Attribute Name="email" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified"><saml2:AttributeValue xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">pat@acme.example</saml2:AttributeValue></saml2:Attribute><saml2:Attribute Name="plan" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified"><saml2:AttributeValue xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">gold</saml2:AttributeValue></saml2:Attribute></saml2:AttributeStatement></saml2:Assertion></saml2p:Response>"#
    );
    let style = Style {
        prefix_list: Some("xs"),
        ..Style::ds()
    };
    vec![Shape {
        idp: ISSUER,
        pending: false,
        settings: r#"idp_initiated = "allow_unsolicited"
attribute_mapping = { custom = { plan = ["plan"] } }"#,
        ..Shape::new(
            "jumpcloud-idp-initiated",
            "Unsolicited, on a connection that allows it; a constant attribute",
            style.sign(&xml, "@assertion@", "Assertion", "7RYE25LAR2T4ZMAVUOPB"),
            r#"
email = "pat@acme.example"
attributes = { plan = "gold" }"#,
        )
    }]
}

fn auth0() -> Vec<Shape> {
    const ISSUER: &str = "urn:acme.eu.auth0.example";
    let text = format!(
        r#"<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_3d8ab01a9bfc0f1e2d3c"  InResponseTo="{REQUEST}"  Version="2.0" IssueInstant="2026-12-01T09:00:00Z"  Destination="{SP}/acs"><saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">{ISSUER}</saml:Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status><saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" Version="2.0" ID="_BzYb0aQ9fCkTgC3y" IssueInstant="2026-12-01T09:00:00.318Z"><saml:Issuer>{ISSUER}</saml:Issuer>@assertion@<saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified">auth0|65f0c0ffee0123456789abcd</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="2026-12-01T10:00:00.318Z" Recipient="{SP}/acs" InResponseTo="{REQUEST}"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="2026-12-01T09:00:00.318Z" NotOnOrAfter="2026-12-01T10:00:00.318Z"><saml:AudienceRestriction><saml:Audience>{SP}/metadata</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="2026-12-01T09:00:00.318Z" SessionIndex="_4v1kTgSa"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><saml:Attribute Name="http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:uri"><saml:AttributeValue xsi:type="xs:string">pat@acme.example</saml:AttributeValue></saml:Attribute><saml:Attribute Name="http://schemas.auth0.com/email_verified" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:uri"><saml:AttributeValue xsi:type="xs:boolean">true</saml:AttributeValue></saml:Attribute><saml:Attribute Name="http://schemas.auth0.com/logins_count" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:uri"><saml:AttributeValue xsi:type="xs:double">7</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion></samlp:Response>"#
    );
    let identity = r#"
subject = "|||auth0|65f0c0ffee0123456789abcd"
idp_subject = "auth0|65f0c0ffee0123456789abcd"
email = "pat@acme.example""#;
    let id = "_BzYb0aQ9fCkTgC3y";
    let style = Style::default_namespace();
    let sha1 = Style {
        method: "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
        digest: "http://www.w3.org/2000/09/xmldsig#sha1",
        ..Style::default_namespace()
    };
    vec![
        Shape {
            idp: ISSUER,
            ..Shape::new(
                "auth0-assertion",
                "Double spaces in tags, typed values, a NameID with a bar in it",
                style.sign(&text, "@assertion@", "Assertion", id),
                identity,
            )
        },
        Shape {
            idp: ISSUER,
            settings: "allow_sha1 = true",
            extra: "warnings = [\"signature_algorithm_forbidden\"]\n",
            ..Shape::new(
                "auth0-rsa-sha1",
                "An old tenant that still signs with RSA-SHA1, on a connection that allows it",
                sha1.sign(&text, "@assertion@", "Assertion", id),
                identity,
            )
        },
    ]
}

fn cyberark() -> Vec<Shape> {
    const ISSUER: &str = "https://acme.my.idaptive.example/0b1c2d3e";
    let xml = format!(
        r#"<Response xmlns="urn:oasis:names:tc:SAML:2.0:protocol" Destination="{SP}/acs" ID="_b6a1f0e2" InResponseTo="{REQUEST}" IssueInstant="2026-12-01T08:59:59.9134567Z" Version="2.0"><Issuer xmlns="urn:oasis:names:tc:SAML:2.0:assertion">{ISSUER}</Issuer>@response@<Status><StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></Status><Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion" ID="_c7d8e9f0" IssueInstant="2026-12-01T08:59:59.9134567Z" Version="2.0"><Issuer>{ISSUER}</Issuer><Subject><NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified">pat@acme.example</NameID><SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><SubjectConfirmationData InResponseTo="{REQUEST}" NotOnOrAfter="2026-12-01T09:59:59.9134567Z" Recipient="{SP}/acs"/></SubjectConfirmation></Subject><Conditions NotBefore="2026-12-01T08:56:59.9134567Z" NotOnOrAfter="2026-12-01T09:59:59.9134567Z"><AudienceRestriction><Audience>{SP}/metadata</Audience></AudienceRestriction></Conditions><AuthnStatement AuthnInstant="2026-12-01T08:59:59.9134567Z" SessionIndex="_c7d8e9f0"><AuthnContext><AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified</AuthnContextClassRef></AuthnContext></AuthnStatement><AttributeStatement><Attribute Name="LoginName" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:basic"><AttributeValue>pat</AttributeValue></Attribute></AttributeStatement></Assertion></Response>"#
    );
    vec![Shape {
        idp: ISSUER,
        ..Shape::new(
            "cyberark-response",
            "Default namespaces throughout, seven fractional digits, response signed",
            Style::default_namespace().sign(&xml, "@response@", "Response", "_b6a1f0e2"),
            "subject = \"pat@acme.example\"\nemail = \"pat@acme.example\"",
        )
    }]
}

fn duo() -> Vec<Shape> {
    const ISSUER: &str = "https://sso-0a1b2c3d.sso.duosecurity.example/saml2/sp/DI0123/metadata";
    let style = Style {
        prefix_list: Some("xs"),
        ..Style::ds()
    };
    let xml = format!(
        r#"<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:xs="http://www.w3.org/2001/XMLSchema" ID="DUO_a0b1c2d3" Version="2.0" IssueInstant="2026-12-01T09:00:00Z" Destination="{SP}/acs" InResponseTo="{REQUEST}"><saml:Issuer>{ISSUER}</saml:Issuer>@response@<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status><saml:Assertion xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" Version="2.0" ID="DUO_e4f5a6b7" IssueInstant="2026-12-01T09:00:00Z"><saml:Issuer>{ISSUER}</saml:Issuer>@assertion@<saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">pat@acme.example</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="2026-12-01T09:05:00Z" Recipient="{SP}/acs" InResponseTo="{REQUEST}"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="2026-12-01T08:59:30Z" NotOnOrAfter="2026-12-01T09:05:00Z"><saml:AudienceRestriction><saml:Audience>{SP}/metadata</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="2026-12-01T09:00:00Z" SessionIndex="DUO_c8d9"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement><saml:Attribute Name="Email" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:basic"><saml:AttributeValue xsi:type="xs:string">pat@acme.example</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion></samlp:Response>"#
    );
    let xml = style.sign(&xml, "@assertion@", "Assertion", "DUO_e4f5a6b7");
    vec![Shape {
        idp: ISSUER,
        ..Shape::new(
            "duo-response-and-assertion",
            "Both signed, xs declared above the assertion and named in the PrefixList",
            style.sign(&xml, "@response@", "Response", "DUO_a0b1c2d3"),
            "email = \"pat@acme.example\"",
        )
    }]
}

/// Little is published of what these two send: the usual shape, with the attribute names of their consoles.
fn of_console(folder: &'static str, about: &'static str, names: [&str; 2]) -> Vec<Shape> {
    let mut message = Message::valid();
    message.assertion.attributes = message
        .assertion
        .attributes
        .replace("firstName", names[0])
        .replace("lastName", names[1]);
    let identity = r#"
email = "pat@acme.example"
given_name = "Pat"
family_name = "Lee"
groups = ["Engineering", "All & sundry"]"#;
    vec![Shape::new(folder, about, message.signed(), identity)]
}

fn rippling() -> Vec<Shape> {
    let about = "Assertion signed, the names of Rippling's fields as attributes";
    of_console(
        "rippling-assertion",
        about,
        ["Legal first name", "Legal last name"],
    )
}

fn lastpass() -> Vec<Shape> {
    let about = "Assertion signed, the names of LastPass's fields as attributes";
    of_console("lastpass-assertion", about, ["First Name", "Last Name"])
}
