//! Keys, algorithms, changed content, policies.

use super::{Attack, cut, edit, signed};
use crate::message::{Encryption, Message, Signing, x509};

pub(super) fn all() -> Vec<Attack> {
    [keys(), algorithms(), changed(), policies()]
        .into_iter()
        .flatten()
        .collect()
}

fn signed_by(signing: Signing) -> String {
    Message {
        sign_assertion: Some(signing),
        ..Message::valid()
    }
    .signed()
}

fn keys() -> Vec<Attack> {
    let key_value = r#"<ds:KeyInfo><ds:KeyValue><ds:RSAKeyValue><ds:Modulus>AQAB</ds:Modulus><ds:Exponent>AQAB</ds:Exponent></ds:RSAKeyValue></ds:KeyValue></ds:KeyInfo>"#;
    vec![
        Attack::new(
            "certificate_unknown",
            "stranger",
            "A key that is not listed, with its certificate",
            signed_by(Signing::by("stranger")),
        ),
        Attack::new(
            "certificate_unknown",
            "rotated",
            "The IdP signs with its next key, which nobody has listed yet",
            signed_by(Signing::by("idp-next")),
        ),
        Attack::new(
            "signature_invalid",
            "stranger-without-key-info",
            "A key that is not listed, without KeyInfo",
            signed_by(Signing {
                key_info: String::new(),
                ..Signing::by("stranger")
            }),
        ),
        Attack::new(
            "signature_invalid",
            "stranger-as-idp",
            "A key that is not listed under the IdP's certificate (CVE-2021-21239)",
            signed_by(Signing {
                key_info: x509("idp"),
                ..Signing::by("stranger")
            }),
        ),
        Attack::new(
            "signature_invalid",
            "stranger-key-value",
            "A key that is not listed, given as KeyValue (CVE-2024-32962)",
            signed_by(Signing {
                key_info: key_value.to_owned(),
                ..Signing::by("stranger")
            }),
        ),
        Attack {
            keys: vec!["idp-expired"],
            ..Attack::new(
                "certificate_expired",
                "required",
                "The listed certificate ended, and dates count here",
                signed_by(Signing {
                    key_info: x509("idp-expired"),
                    ..Signing::by("idp")
                }),
            )
            .with("require_valid_certificate = true")
        },
        Attack {
            keys: vec!["idp-p256"],
            ..Attack::new(
                "signature_invalid",
                "ecdsa-zero",
                "r and s are zero (CVE-2022-21449)",
                zero_ecdsa(),
            )
        },
        Attack {
            keys: vec!["idp-p256"],
            ..Attack::new(
                "signature_invalid",
                "ecdsa-for-rsa",
                "An RSA signature where the listed key is on a curve",
                edit(&signed(), &x509("idp"), ""),
            )
        },
    ]
}

fn zero_ecdsa() -> String {
    let xml = signed_by(Signing {
        signature_method: "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256".to_owned(),
        ..Signing::by("idp-p256")
    });
    let value = cut(&xml, "<ds:SignatureValue>", "</ds:SignatureValue>");
    let zeros = format!(
        "<ds:SignatureValue>{}==</ds:SignatureValue>",
        "A".repeat(86)
    );
    edit(&xml, value, &zeros)
}

fn algorithms() -> Vec<Attack> {
    let valid = signed();
    let method = |flaw, about, uri: &str| {
        let xml = edit(
            &valid,
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
            uri,
        );
        Attack::new("signature_algorithm_forbidden", flaw, about, xml)
    };
    let digest = |flaw, about, uri: &str| {
        let xml = edit(&valid, "http://www.w3.org/2001/04/xmlenc#sha256", uri);
        Attack::new("signature_algorithm_forbidden", flaw, about, xml)
    };
    let second =
        "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/></ds:Transforms>";
    let transform = |flaw, about, with: &str| {
        let xml = edit(
            &valid,
            second,
            &format!("<ds:Transform Algorithm=\"{with}</ds:Transform></ds:Transforms>"),
        );
        Attack::new("signature_algorithm_forbidden", flaw, about, xml)
    };
    let canonicalization = |flaw, about, uri: &str| {
        let xml = edit(
            &valid,
            "<ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>",
            &format!("<ds:CanonicalizationMethod Algorithm=\"{uri}\"/>"),
        );
        Attack::new("signature_algorithm_forbidden", flaw, about, xml)
    };
    let sha1 = Signing {
        signature_method: "http://www.w3.org/2000/09/xmldsig#rsa-sha1".to_owned(),
        digest_method: "http://www.w3.org/2000/09/xmldsig#sha1".to_owned(),
        ..Signing::by("idp")
    };
    let sha1_digest = Signing {
        digest_method: "http://www.w3.org/2000/09/xmldsig#sha1".to_owned(),
        ..Signing::by("idp")
    };
    let xslt = r#"http://www.w3.org/TR/1999/REC-xslt-19991116"><xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform" version="1.0"><xsl:template match="/"><xsl:value-of select="document('http://127.0.0.1:9/trap')"/></xsl:template></xsl:stylesheet>"#;
    vec![
        method(
            "hmac",
            "HMAC with the public key as its secret",
            "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
        ),
        method(
            "hmac-sha256",
            "HMAC-SHA256",
            "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
        ),
        method(
            "rsa-md5",
            "RSA-MD5",
            "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
        ),
        method("dsa", "DSA", "http://www.w3.org/2000/09/xmldsig#dsa-sha1"),
        method(
            "suffix",
            "A URI that only ends like the right one",
            "https://evil.example/2001/04/xmldsig-more#rsa-sha256",
        ),
        method(
            "padded-uri",
            "The right URI with a space behind",
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256 ",
        ),
        method("empty-uri", "An empty URI", ""),
        digest(
            "digest-md5",
            "MD5 as digest",
            "http://www.w3.org/2001/04/xmldsig-more#md5",
        ),
        digest(
            "digest-unknown",
            "A digest that is not on the list",
            "https://evil.example/#sha256",
        ),
        Attack::new(
            "signature_algorithm_forbidden",
            "rsa-sha1",
            "RSA-SHA1 without allow_sha1",
            signed_by(sha1),
        ),
        Attack::new(
            "signature_algorithm_forbidden",
            "digest-sha1",
            "A SHA-1 digest without allow_sha1",
            signed_by(sha1_digest),
        ),
        transform(
            "xslt",
            "XSLT that would open a connection (CVE-2022-47966)",
            xslt,
        ),
        transform(
            "xpath",
            "XPath",
            r#"http://www.w3.org/TR/1999/REC-xpath-19991116"><ds:XPath>not(//saml:NameID)</ds:XPath>"#,
        ),
        transform(
            "xpath-filter",
            "XPath Filter 2",
            r#"http://www.w3.org/2002/06/xmldsig-filter2">"#,
        ),
        transform(
            "base64",
            "Base64",
            r#"http://www.w3.org/2000/09/xmldsig#base64">"#,
        ),
        transform(
            "inclusive-transform",
            "Inclusive C14N as a transform",
            r#"http://www.w3.org/TR/2001/REC-xml-c14n-20010315">"#,
        ),
        transform(
            "comments-transform",
            "Exclusive C14N with comments as a transform",
            r#"http://www.w3.org/2001/10/xml-exc-c14n#WithComments">"#,
        ),
        canonicalization(
            "comments-signed-info",
            "SignedInfo with comments",
            "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
        ),
        canonicalization(
            "c14n11-signed-info",
            "C14N 1.1",
            "http://www.w3.org/2006/12/xml-c14n11",
        ),
        Attack::new(
            "signature_invalid",
            "hmac-output-length",
            "A truncation length inside SignatureMethod (CVE-2009-0217)",
            edit(
                &valid,
                "xmldsig-more#rsa-sha256\"/>",
                "xmldsig-more#rsa-sha256\"><ds:HMACOutputLength>1</ds:HMACOutputLength></ds:SignatureMethod>",
            ),
        ),
    ]
}

fn changed() -> Vec<Attack> {
    let valid = signed();
    let response = Message::valid_response_signed().signed();
    let bad = |flaw, about, xml: String| Attack::new("signature_invalid", flaw, about, xml);
    let info = cut(&valid, "<ds:SignedInfo", "</ds:SignedInfo>");
    vec![
        bad(
            "changed-name",
            "Another NameID",
            edit(&valid, "pat@acme", "eve@acme"),
        ),
        bad(
            "changed-group",
            "Another group",
            edit(&valid, ">Engineering<", ">Administrators<"),
        ),
        bad(
            "changed-space",
            "A space more in the NameID",
            edit(&valid, "pat@acme.example<", "pat@acme.example <"),
        ),
        bad(
            "changed-time",
            "A longer life",
            edit(
                &valid,
                "NotOnOrAfter=\"2026-12-01T09:05:00Z\">",
                "NotOnOrAfter=\"2026-12-01T19:05:00Z\">",
            ),
        ),
        bad(
            "added-attribute",
            "One attribute more",
            edit(
                &valid,
                "</saml:AttributeStatement>",
                "<saml:Attribute Name=\"mail\"><saml:AttributeValue>eve@acme.example</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>",
            ),
        ),
        bad(
            "added-declaration",
            "A declaration that changes what a prefix means",
            edit(
                &valid,
                "<saml:AttributeStatement>",
                "<saml:AttributeStatement xmlns:saml=\"https://evil.example/\">",
            ),
        ),
        bad(
            "changed-response",
            "The signed response's attributes",
            edit(&response, ">Engineering<", ">Administrators<"),
        ),
        bad(
            "split-name",
            "A comment between two names (CVE-2017-11427)",
            edit(
                &valid,
                "pat@acme.example<",
                "pat@acme.example<!---->.evil.example<",
            ),
        ),
        bad(
            "changed-signed-info",
            "SignedInfo with a space more inside a URI",
            edit(
                &valid,
                info,
                &edit(info, "<ds:SignedInfo>", "<ds:SignedInfo> "),
            ),
        ),
        bad(
            "truncated-value",
            "A SignatureValue cut short",
            truncated(&valid),
        ),
        bad(
            "added-child",
            "An element inside the NameID",
            edit(&valid, "pat@acme.example<", "pat@acme.example<a/><"),
        ),
    ]
}

fn truncated(valid: &str) -> String {
    let value = cut(valid, "<ds:SignatureValue>", "</ds:SignatureValue>");
    edit(valid, value, "<ds:SignatureValue>AAAA</ds:SignatureValue>")
}

fn policies() -> Vec<Attack> {
    let unsigned = Message {
        sign_assertion: None,
        ..Message::valid()
    };
    let other_prefix = edit(
        &signed(),
        "http://www.w3.org/2000/09/xmldsig#\"",
        "https://evil.example/xmldsig#\"",
    );
    vec![
        Attack::new(
            "signature_missing",
            "unsigned",
            "Nothing is signed",
            unsigned.signed(),
        ),
        Attack::new(
            "signature_missing",
            "other-namespace",
            "Something called Signature in another namespace",
            other_prefix,
        ),
        Attack::new(
            "signature_missing",
            "response-required",
            "Only the assertion is signed, the response must be",
            signed(),
        )
        .with("require_signed_response = true"),
        Attack::new(
            "signature_missing",
            "response-required-before-decryption",
            "The response must be signed and is not: its broken ciphertext is not even tried",
            Message::valid().around(&Encryption::usual().encrypt("no XML")),
        )
        .with("require_signed_response = true"),
        Attack::new(
            "signature_missing",
            "assertion-required",
            "Only the response is signed, the assertion must be",
            Message::valid_response_signed().signed(),
        )
        .with("require_signed_assertion = true"),
        Attack::new(
            "signature_missing",
            "encrypted",
            "Encrypted, and nothing is signed: our key is public",
            unsigned.around(&Encryption::gcm().encrypt(&unsigned.signed_assertion())),
        ),
        Attack::new(
            "encryption_required",
            "plain",
            "A plain assertion where encryption is required",
            signed(),
        )
        .with("want_encrypted_assertions = true"),
    ]
}
