//! Shapes that no single vendor owns: algorithms, encodings, oddities of XML that keep a signature valid.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Shape;
use crate::message::{ASSERTION, Encryption, Message, OAEP_11, Signing, bearer, sign_at};
use crate::message::{REQUEST, SP, x509};
use crate::tools;

const IDENTITY: &str = r#"
subject = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress|||pat@acme.example"
email = "pat@acme.example"
given_name = "Pat"
family_name = "Lee"
groups = ["Engineering", "All & sundry"]"#;

pub(super) fn all() -> Vec<Shape> {
    [signatures(), encryptions(), texts(), contents()]
        .into_iter()
        .flatten()
        .collect()
}

fn plain(folder: &'static str, about: &'static str, xml: String) -> Shape {
    Shape::new(folder, about, xml, IDENTITY)
}

fn signed_by(signing: Signing) -> String {
    Message {
        sign_assertion: Some(signing),
        ..Message::valid()
    }
    .signed()
}

fn signatures() -> Vec<Shape> {
    let method = |key: &str, method: &str, digest: &str| {
        signed_by(Signing {
            signature_method: method.to_owned(),
            digest_method: digest.to_owned(),
            ..Signing::by(key)
        })
    };
    const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
    const SHA384: &str = "http://www.w3.org/2001/04/xmldsig-more#sha384";
    let pss = |method: &str, digest: &str| {
        pss_signed(
            &format!("http://www.w3.org/2007/05/xmldsig-more#{method}"),
            digest,
        )
    };
    vec![
        Shape {
            keys: vec!["idp-p256"],
            ..plain(
                "generic-ecdsa-p256",
                "ECDSA on P-256, r and s side by side",
                method("idp-p256", "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256", SHA256),
            )
        },
        Shape {
            keys: vec!["idp-p384"],
            ..plain(
                "generic-ecdsa-p384",
                "ECDSA on P-384",
                method("idp-p384", "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384", SHA384),
            )
        },
        plain("generic-rsa-pss-sha256", "RSA-PSS, signed by openssl", pss("sha256-rsa-MGF1", "sha256")),
        plain("generic-rsa-pss-sha384", "RSA-PSS, signed by openssl", pss("sha384-rsa-MGF1", "sha384")),
        plain("generic-rsa-pss-sha512", "RSA-PSS, signed by openssl", pss("sha512-rsa-MGF1", "sha512")),
        Shape {
            keys: vec!["idp", "idp-next"],
            ..plain(
                "generic-rotated-certificate",
                "Two certificates are listed, the second one signs",
                signed_by(Signing::by("idp-next")),
            )
        },
        Shape {
            keys: vec!["idp-expired"],
            extra: "warnings = [\"certificate_expired\"]\n",
            ..plain(
                "generic-expired-certificate",
                "The listed certificate ended years ago and still signs: a warning",
                signed_by(Signing { key_info: x509("idp-expired"), ..Signing::by("idp") }),
            )
        },
        Shape {
            keys: vec!["idp-expired", "idp"],
            settings: "require_valid_certificate = true",
            ..plain(
                "generic-renewed-certificate",
                "The expired certificate is listed before the renewed one, which has the same key",
                signed_by(Signing::by("idp")),
            )
        },
        plain(
            "generic-no-key-info",
            "A signature without KeyInfo",
            signed_by(Signing { key_info: String::new(), ..Signing::by("idp") }),
        ),
        plain(
            "generic-inclusive-signed-info",
            "SignedInfo in inclusive canonical form: it takes over the response's namespaces",
            signed_by(Signing {
                canonicalization: r#"<ds:CanonicalizationMethod Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"/>"#.to_owned(),
                ..Signing::by("idp")
            })
            ,
        ),
        plain("generic-response-signed", "Only the response is signed", Message::valid_response_signed().signed()),
        plain(
            "generic-prefix-list",
            "PrefixLists on SignedInfo and on the assertion, with #default and a prefix that is not there",
            prefix_list(),
        ),
        plain(
            "generic-signature-last",
            "The Signature is the last child of the assertion",
            signature_last(),
        ),
    ]
}

/// The digest comes from xmlsec1, the signature from openssl over a SignedInfo written in canonical form.
fn pss_signed(method: &str, hash: &str) -> String {
    let xml = signed_by(Signing::by("idp"));
    let digest = tools::digest_of(&xml, ASSERTION);
    let canonical = format!(
        r##"<ds:SignedInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"></ds:CanonicalizationMethod><ds:SignatureMethod Algorithm="{method}"></ds:SignatureMethod><ds:Reference URI="#{ASSERTION}"><ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"></ds:Transform><ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"></ds:Transform></ds:Transforms><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></ds:DigestMethod><ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>"##
    );
    let value = tools::openssl_sign(
        &canonical,
        "idp",
        &[
            &format!("-{hash}"),
            "-sigopt",
            "rsa_padding_mode:pss",
            "-sigopt",
            "rsa_pss_saltlen:digest",
        ],
    );
    let start = xml.find("<ds:SignedInfo>").expect("SignedInfo");
    let end = xml.find("<ds:KeyInfo>").expect("KeyInfo");
    let info = canonical.replace(r#" xmlns:ds="http://www.w3.org/2000/09/xmldsig#""#, "");
    format!(
        "{}{info}<ds:SignatureValue>{value}</ds:SignatureValue>{}",
        &xml[..start],
        &xml[end..]
    )
}

fn prefix_list() -> String {
    let list = r##"<ec:InclusiveNamespaces xmlns:ec="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="#default xs samlp nowhere"/>"##;
    let signing = Signing {
        canonicalization: format!(
            r#"<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">{list}</ds:CanonicalizationMethod>"#
        ),
        transforms: format!(
            r#"<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">{list}</ds:Transform>"#
        ),
        ..Signing::by("idp")
    };
    let mut message = Message {
        sign_assertion: None,
        ..Message::valid()
    };
    message.assertion.issuer = format!("{}@signature@", message.assertion.issuer);
    let xml = message.signed().replace(
        "<samlp:Response ",
        r#"<samlp:Response xmlns="https://default.example/" xmlns:xs="http://www.w3.org/2001/XMLSchema" "#,
    );
    sign_at(&xml, "@signature@", "Assertion", ASSERTION, &signing)
}

fn signature_last() -> String {
    let mut message = Message {
        sign_assertion: None,
        ..Message::valid()
    };
    message.assertion.attributes.push_str("@signature@");
    sign_at(
        &message.signed(),
        "@signature@",
        "Assertion",
        ASSERTION,
        &Signing::by("idp"),
    )
}

fn encryptions() -> Vec<Shape> {
    let message = Message::valid();
    let sha256 = r#"<ds:DigestMethod xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>"#;
    let mgf = r#"<ds:DigestMethod xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><xenc11:MGF xmlns:xenc11="http://www.w3.org/2009/xmlenc11#" Algorithm="http://www.w3.org/2009/xmlenc11#mgf1sha256"/>"#;
    let mgf_only = r#"<xenc11:MGF xmlns:xenc11="http://www.w3.org/2009/xmlenc11#" Algorithm="http://www.w3.org/2009/xmlenc11#mgf1sha256"/>"#;
    let inside =
        |encryption: Encryption| message.around(&encryption.encrypt(&message.signed_assertion()));
    vec![
        plain(
            "generic-oaep-sha256-mgf1-sha256",
            "OAEP of XML Encryption 1.1 with SHA-256 throughout",
            inside(Encryption {
                transport: OAEP_11,
                parameters: mgf,
                digest: "sha256",
                mgf1: "sha256",
                ..Encryption::gcm()
            }),
        ),
        plain(
            "generic-oaep-sha256-mgf1-sha1",
            "rsa-oaep-mgf1p with a SHA-256 digest: MGF1 stays SHA-1",
            inside(Encryption {
                parameters: sha256,
                digest: "sha256",
                ..Encryption::gcm()
            }),
        ),
        plain(
            "generic-oaep-sha1-mgf1-sha256",
            "The other mixture",
            inside(Encryption {
                transport: OAEP_11,
                parameters: mgf_only,
                mgf1: "sha256",
                ..Encryption::gcm()
            }),
        ),
        plain(
            "generic-aes-192",
            "AES-192-GCM",
            inside(Encryption {
                content: "http://www.w3.org/2009/xmlenc11#aes192-gcm",
                key_len: 24,
                ..Encryption::usual()
            }),
        ),
        plain(
            "generic-encrypted-name-id",
            "The NameID is encrypted for itself",
            encrypted_name_id(),
        ),
        plain(
            "generic-encrypted-attribute",
            "One attribute is encrypted for itself, the others are not",
            encrypted_attribute(),
        ),
    ]
}

fn encrypted_name_id() -> String {
    let mut message = Message::valid();
    message.assertion.name_id = Encryption::gcm()
        .encrypt(&message.assertion.name_id)
        .replace("EncryptedAssertion", "EncryptedID");
    message.signed()
}

fn encrypted_attribute() -> String {
    let mut message = Message::valid();
    let attributes = &mut message.assertion.attributes;
    let start = attributes.find("<saml:Attribute ").expect("an attribute");
    let end = attributes.find("</saml:Attribute>").expect("its end") + "</saml:Attribute>".len();
    let encrypted = Encryption::usual()
        .encrypt(&attributes[start..end])
        .replace("EncryptedAssertion", "EncryptedAttribute");
    attributes.replace_range(start..end, &encrypted);
    message.signed()
}

fn texts() -> Vec<Shape> {
    let signed = Message::valid().signed();
    let crlf = format!(
        "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<!-- by a proxy -->\r\n{signed}\r\n"
    );
    let respelled = {
        let mut message = Message::valid();
        message.assertion.name_id = message
            .assertion
            .name_id
            .replace("pat@acme.example", "\n      pat@acme.example\n    ");
        message
            .signed()
            .replace(
                "pat@acme.example",
                "<![CDATA[pat@]]>acme&#46;ex<!-- -->ample",
            )
            .replace(
                "Version=\"2.0\" IssueInstant",
                "Version = '2.0'\n\t IssueInstant",
            )
            .replace("</saml:Subject>", "</saml:Subject\n>")
    };
    let wrapped = STANDARD
        .encode(&signed)
        .as_bytes()
        .chunks(76)
        .map(|line| std::str::from_utf8(line).expect("ASCII"))
        .collect::<Vec<_>>()
        .join("\\r\\n");
    let field: &'static str = Box::leak(format!("field = \"{wrapped}\"\n").into_boxed_str());
    vec![
        plain(
            "generic-bom-and-crlf",
            "Byte order mark, XML declaration, comment, CRLF around the root",
            crlf,
        ),
        plain(
            "generic-respelled",
            "CDATA, character reference and comment in the NameID after signing: the canonical form is the same",
            respelled,
        ),
        Shape {
            extra: field,
            ..plain(
                "generic-wrapped-base64",
                "76 columns with CRLF",
                signed.clone(),
            )
        },
        plain(
            "generic-carriage-returns-in-base64",
            "Signature and certificate wrapped at 64 columns with &#13;, as Java on Windows writes them",
            carriage_returns(),
        ),
        plain(
            "generic-unicode",
            "Names beyond ASCII, a character reference beyond the first plane",
            unicode(),
        )
        .identity(
            r#"
email = "pat@acme.example"
given_name = "Zoë 🜁"
family_name = "Łęcki"
groups = ["Engineering", "All & sundry"]"#,
        ),
    ]
}

/// SignatureValue is wrapped after signing, since it is outside of what is signed; KeyInfo too.
fn carriage_returns() -> String {
    let mut xml = Message::valid().signed();
    for name in ["SignatureValue", "X509Certificate"] {
        let value = tools::between(&xml, name);
        let wrapped: Vec<&str> = value
            .as_bytes()
            .chunks(64)
            .map(|line| std::str::from_utf8(line).expect("ASCII").trim())
            .collect();
        xml = xml.replace(&value, &wrapped.join("&#13;\n"));
    }
    xml
}

fn unicode() -> String {
    let mut message = Message::valid();
    message.assertion.attributes = message
        .assertion
        .attributes
        .replace(">Pat<", ">Zo&#xeb; &#x1F701;<")
        .replace(">Lee<", ">Łęcki<");
    message.signed()
}

fn contents() -> Vec<Shape> {
    let mut no_destination = Message::valid();
    no_destination.destination = None;
    let mut unbound = Message::valid_response_signed();
    unbound.assertion.confirmation = unbound
        .assertion
        .confirmation
        .replace(&format!(r#" InResponseTo="{REQUEST}""#), "");
    let mut confirmations = Message::valid();
    confirmations.assertion.confirmation = format!(
        r#"<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:sender-vouches"/>{}{}"#,
        bearer(r#"NotOnOrAfter="2026-12-01T09:05:00Z" Recipient="https://other.example/acs""#),
        confirmations.assertion.confirmation
    );
    let mut skewed = Message::valid();
    skewed.issue_instant = "2026-12-01T09:00:55Z".to_owned();
    skewed.assertion.issue_instant = "2026-12-01T09:00:55Z".to_owned();
    skewed.assertion.conditions = skewed
        .assertion
        .conditions
        .replace("08:55:00Z", "09:00:55Z");
    let mut far_ahead = Message::valid();
    far_ahead.issue_instant = "2026-12-01T09:04:30Z".to_owned();
    far_ahead.assertion.issue_instant = "2026-12-01T09:04:30Z".to_owned();
    far_ahead.assertion.conditions = far_ahead
        .assertion
        .conditions
        .replace("08:55:00Z", "09:04:30Z")
        .replace("09:05:00Z", "09:09:30Z");
    let mut moved = Message::valid();
    moved.assertion.conditions = moved
        .assertion
        .conditions
        .replace(&format!("{SP}/metadata"), "https://old.example/saml");
    let mut confirmed_twice = Message::valid();
    confirmed_twice.assertion.conditions = confirmed_twice
        .assertion
        .conditions
        .replace("09:05:00Z", "09:30:00Z");
    confirmed_twice.assertion.confirmation = format!(
        "{}{}",
        confirmed_twice.assertion.confirmation,
        confirmed_twice
            .assertion
            .confirmation
            .replace("09:05:00Z", "09:10:00Z")
    );
    let mut transformed = Message::valid();
    transformed.assertion.attributes = concat!(
        "<saml:AttributeStatement>",
        r#"<saml:Attribute Name="employee"><saml:AttributeValue>E-0042</saml:AttributeValue></saml:Attribute>"#,
        r#"<saml:Attribute Name="department"><saml:AttributeValue>4711 Engines</saml:AttributeValue></saml:Attribute>"#,
        r#"<saml:Attribute Name="memberOf"><saml:AttributeValue>CN=Engineering,DC=acme;CN=All,DC=acme;no name</saml:AttributeValue></saml:Attribute>"#,
        "</saml:AttributeStatement>"
    )
    .to_owned();
    let mut groups = Message::valid();
    let values: String = (0..1000)
        .map(|n| {
            format!("<saml:AttributeValue>CN=Group {n:04},OU=Departments and Teams,OU=Groups,OU=Acme Corporation,DC=corp,DC=acme,DC=example</saml:AttributeValue>")
        })
        .collect();
    groups.assertion.attributes = format!(
        r#"<saml:AttributeStatement><saml:Attribute Name="memberOf">{values}</saml:Attribute></saml:AttributeStatement>"#
    );
    let mut qualified = Message::valid();
    qualified.assertion.name_id = r#"<saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent" NameQualifier="https://hub.example/?a|b">f00d</saml:NameID>"#.to_owned();
    qualified.assertion.attributes = qualified
        .assertion
        .attributes
        .replace("firstName", "mail")
        .replace(">Pat<", ">pat@acme.example<");
    let mut two_restrictions = Message::valid();
    two_restrictions.assertion.conditions = two_restrictions.assertion.conditions.replace(
        "</saml:Conditions>",
        &format!("<saml:AudienceRestriction><saml:Audience>https://federation.example/</saml:Audience><saml:Audience>{SP}/metadata</saml:Audience></saml:AudienceRestriction><saml:OneTimeUse/></saml:Conditions>"),
    );
    let mut statements = Message::valid();
    statements.assertion.attributes = statements
        .assertion
        .attributes
        .replace(
            "</saml:Attribute><saml:Attribute ",
            "</saml:Attribute></saml:AttributeStatement><saml:AttributeStatement><saml:Attribute ",
        )
        .replace(
            "</saml:AttributeValue><saml:AttributeValue>",
            "</saml:AttributeValue></saml:Attribute></saml:AttributeStatement><saml:AttributeStatement><saml:Attribute Name=\"groups\"><saml:AttributeValue>",
        );
    let mut empty_values = Message::valid();
    empty_values.assertion.attributes = empty_values
        .assertion
        .attributes
        .replace(
            "<saml:AttributeValue>All",
            "<saml:AttributeValue/><saml:AttributeValue>All",
        )
        .replace(
            "</saml:AttributeStatement>",
            concat!(
                r#"<saml:Attribute Name="mail"><saml:AttributeValue></saml:AttributeValue></saml:Attribute>"#,
                r#"<saml:Attribute Name="title"><saml:AttributeValue xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/></saml:Attribute>"#,
                r#"<saml:Attribute Name="department"/>"#,
                "</saml:AttributeStatement>"
            ),
        );
    vec![
        plain(
            "generic-no-destination",
            "No Destination where only the assertion is signed",
            no_destination.signed(),
        ),
        plain(
            "generic-bound-by-response",
            "InResponseTo only on the response, which is signed",
            unbound.signed(),
        ),
        plain(
            "generic-several-confirmations",
            "The second bearer confirmation is ours",
            confirmations.signed(),
        ),
        plain(
            "generic-clock-ahead",
            "The IdP's clock is 55 seconds ahead",
            skewed.signed(),
        ),
        Shape {
            settings: "skew_seconds = 300",
            ..plain(
                "generic-skew-of-five-minutes",
                "The IdP's clock is four and a half minutes ahead, and the connection allows it",
                far_ahead.signed(),
            )
        },
        Shape {
            settings: "alternate_sp_entity_id = \"https://old.example/saml\"",
            ..plain(
                "generic-alternate-audience",
                "Made for the entity ID that the service had before it moved here",
                moved.signed(),
            )
        },
        plain(
            "generic-confirmed-twice",
            "A second confirmation is good for five minutes longer than the first",
            confirmed_twice.signed(),
        ),
        Shape {
            settings: r#"
[settings.attribute_mapping]
id = ["employee"]
groups = ["memberOf"]
required = ["id", "email", "groups", "cost_center"]
custom = { cost_center = ["department"], team = ["memberOf"], plan = ["nothing"] }
transforms.id = [{ kind = "lower_case" }]
transforms.groups = [{ kind = "split", separator = ";" }, { kind = "regex", pattern = "^CN=([^,]+)," }]
transforms.cost_center = [{ kind = "regex", pattern = "^(\\d+) " }]
transforms.team = [{ kind = "split", separator = ";" }, { kind = "first" }, { kind = "join", separator = " " }]
transforms.plan = [{ kind = "fixed", value = "gold" }]"#,
            ..plain(
                "generic-transforms",
                "Every transform of the mapping, required fields, and an email that comes as the NameID",
                transformed.signed(),
            )
            .identity(
                r#"
subject = "e-0042"
idp_subject = "pat@acme.example"
email = "pat@acme.example"
groups = ["Engineering", "All"]
attributes = { cost_center = "4711", plan = "gold", team = "CN=Engineering,DC=acme" }"#,
            )
        },
        plain(
            "generic-several-statements",
            "An AttributeStatement for each attribute, one of them twice",
            statements.signed(),
        ),
        plain(
            "generic-empty-values",
            "Values that are empty, nil, or not there beside those that are",
            empty_values.signed(),
        )
        .identity(
            r#"
email = "pat@acme.example"
given_name = "Pat"
family_name = "Lee"
groups = ["Engineering", "All & sundry"]"#,
        ),
        plain(
            "generic-two-restrictions",
            "Two AudienceRestrictions that both name us",
            two_restrictions.signed(),
        ),
        Shape {
            ..plain(
                "generic-thousand-groups",
                "A thousand groups with distinguished names",
                groups.signed(),
            )
            .identity("email = \"pat@acme.example\"")
        },
        plain(
            "generic-qualified-name-id",
            "A NameQualifier of someone else's",
            qualified.signed(),
        )
        .identity(
            r#"
subject = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent|https://hub.example/?a%7Cb||f00d"
idp_subject = "f00d"
email = "pat@acme.example""#,
        ),
    ]
}

impl Shape {
    fn identity(self, identity: &'static str) -> Self {
        Self { identity, ..self }
    }
}
