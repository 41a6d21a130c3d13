//! Signature wrapping: what is verified and what is read are two things (Somorovsky et al. 2012, and the
//! CVEs of SAML.md section 1).

use super::{Attack, cut, edit, signed};
use crate::message::{Message, Signing};

pub(super) fn all() -> Vec<Attack> {
    [classic(), references(), decoys()]
        .into_iter()
        .flatten()
        .collect()
}

/// Someone else under an ID of its own, without a signature.
fn evil(assertion: &str) -> String {
    let signature = cut(assertion, "<ds:Signature", "</ds:Signature>");
    edit(
        &edit(&edit(assertion, signature, ""), "_assertion1", "_evil"),
        "pat@acme",
        "eve@acme",
    )
}

/// XSW1 to XSW8 of Somorovsky et al.
fn classic() -> Vec<Attack> {
    let valid = signed();
    let assertion = cut(&valid, "<saml:Assertion", "</saml:Assertion>");
    let signature = cut(&valid, "<ds:Signature", "</ds:Signature>");
    let evil_assertion = evil(assertion);
    let evil_with = |inside: &str| {
        edit(
            &evil_assertion,
            "<saml:Subject>",
            &format!("{inside}<saml:Subject>"),
        )
    };
    let bare = edit(assertion, signature, "");

    let response = Message::valid_response_signed().signed();
    let response_signature = cut(&response, "<ds:Signature", "</ds:Signature>");
    let evil_response = edit(
        &edit(
            &edit(
                &edit(&response, response_signature, ""),
                "_response1",
                "_evil1",
            ),
            "_assertion1",
            "_evil2",
        ),
        "pat@acme",
        "eve@acme",
    );
    let bare_response = edit(&response, response_signature, "");
    let into_evil = |inside: &str| {
        edit(
            &evil_response,
            "<samlp:Status>",
            &format!("{inside}<samlp:Status>"),
        )
    };

    let ambiguous = |flaw, about, xml| Attack::new("assertion_ambiguous", flaw, about, xml);
    vec![
        ambiguous(
            "xsw1",
            "The signed response inside the Signature of an evil one",
            into_evil(&edit(
                response_signature,
                "</ds:Signature>",
                &format!("{bare_response}</ds:Signature>"),
            )),
        ),
        ambiguous(
            "xsw2",
            "The signed response beside its detached Signature",
            into_evil(&format!("{bare_response}{response_signature}")),
        ),
        ambiguous(
            "xsw3",
            "An evil assertion before the signed one",
            edit(&valid, assertion, &format!("{evil_assertion}{assertion}")),
        ),
        ambiguous(
            "xsw3-after",
            "An evil assertion after the signed one",
            edit(&valid, assertion, &format!("{assertion}{evil_assertion}")),
        ),
        ambiguous(
            "xsw4",
            "The signed assertion inside an evil one",
            edit(&valid, assertion, &evil_with(assertion)),
        ),
        ambiguous(
            "xsw5",
            "The Signature moved into the evil assertion, the signed one at the end",
            edit(
                &valid,
                assertion,
                &format!("{}{bare}", evil_with(signature)),
            ),
        ),
        ambiguous(
            "xsw6",
            "The signed assertion inside the Signature of the evil one",
            edit(
                &valid,
                assertion,
                &evil_with(&edit(
                    signature,
                    "</ds:Signature>",
                    &format!("{bare}</ds:Signature>"),
                )),
            ),
        ),
        ambiguous(
            "xsw7",
            "An evil assertion in Extensions",
            edit(
                &valid,
                "<samlp:Status>",
                &format!("<samlp:Extensions>{evil_assertion}</samlp:Extensions><samlp:Status>"),
            ),
        ),
        ambiguous(
            "xsw8",
            "The signed assertion in an Object of the evil one's Signature",
            edit(
                &valid,
                assertion,
                &evil_with(&edit(
                    signature,
                    "</ds:Signature>",
                    &format!("<ds:Object>{bare}</ds:Object></ds:Signature>"),
                )),
            ),
        ),
        ambiguous(
            "in-advice",
            "A second assertion inside Advice of a signed one",
            in_advice(&evil_assertion),
        ),
        ambiguous(
            "plain-and-encrypted",
            "A plain and an encrypted assertion",
            edit(
                &valid,
                "</samlp:Response>",
                "<saml:EncryptedAssertion/></samlp:Response>",
            ),
        ),
        ambiguous(
            "moved",
            "The one assertion is not a child of the response",
            moved(&valid, assertion),
        ),
        Attack::new(
            "signature_invalid",
            "swapped-assertion",
            "The signature of one assertion on another of the same ID",
            edit(
                &valid,
                assertion,
                &edit(&evil_with(signature), "_evil", "_assertion1"),
            ),
        ),
    ]
}

fn in_advice(evil: &str) -> String {
    let mut message = Message::valid();
    message
        .assertion
        .conditions
        .push_str(&format!("<saml:Advice>{evil}</saml:Advice>"));
    message.signed()
}

fn moved(valid: &str, assertion: &str) -> String {
    edit(
        valid,
        assertion,
        &format!("<samlp:Extensions>{assertion}</samlp:Extensions>"),
    )
}

/// The Reference must name the ID of the Signature's parent, byte for byte.
fn references() -> Vec<Attack> {
    let valid = signed();
    let bad = |flaw, about, uri: &str| {
        let xml = edit(&valid, "URI=\"#_assertion1\"", uri);
        Attack::new("signature_invalid", flaw, about, xml)
    };
    vec![
        bad("reference-empty", "The whole document", "URI=\"\""),
        bad("reference-none", "No URI", ""),
        bad("reference-bare-hash", "A fragment of nothing", "URI=\"#\""),
        bad(
            "reference-response",
            "The ID of another element (CVE-2024-8698)",
            "URI=\"#_response1\"",
        ),
        bad(
            "reference-http",
            "An address that a trap listens on (CVE-2023-36661)",
            "URI=\"http://127.0.0.1:9/trap\"",
        ),
        bad(
            "reference-file",
            "A local file",
            "URI=\"file:///etc/passwd\"",
        ),
        bad(
            "reference-xpointer",
            "An XPointer",
            "URI=\"#xpointer(id('_assertion1'))\"",
        ),
        bad(
            "reference-percent",
            "A percent-encoded ID",
            "URI=\"#%5Fassertion1\"",
        ),
        bad(
            "reference-space",
            "White space before the ID",
            "URI=\"# _assertion1\"",
        ),
        Attack::new(
            "signature_invalid",
            "reference-by-other-attribute",
            "The Reference names an Id where the ID is another",
            edit(
                &valid,
                "ID=\"_assertion1\"",
                "ID=\"_evil\" Id=\"_assertion1\"",
            ),
        ),
        Attack::new(
            "signature_invalid",
            "reference-by-lower-case",
            "The Reference names an id where the ID is another",
            edit(
                &valid,
                "ID=\"_assertion1\"",
                "ID=\"_evil\" id=\"_assertion1\"",
            ),
        ),
        Attack::new(
            "signature_invalid",
            "reference-by-namespaced-id",
            "The Reference names a prefixed ID where the ID is another",
            edit(
                &valid,
                "ID=\"_assertion1\"",
                "ID=\"_evil\" xmlns:e=\"https://evil.example/\" e:ID=\"_assertion1\"",
            ),
        ),
    ]
}

/// More of something than the one that counts.
fn decoys() -> Vec<Attack> {
    let valid = signed();
    let signature = cut(&valid, "<ds:Signature", "</ds:Signature>");
    let info = cut(&valid, "<ds:SignedInfo", "</ds:SignedInfo>");
    let reference = cut(&valid, "<ds:Reference", "</ds:Reference>");
    let digest = cut(&valid, "<ds:DigestValue", "</ds:DigestValue>");
    let digest_text = digest
        .trim_start_matches("<ds:DigestValue>")
        .trim_end_matches("</ds:DigestValue>");
    let value = cut(&valid, "<ds:SignatureValue", "</ds:SignatureValue>");
    let transforms = cut(&valid, "<ds:Transforms", "</ds:Transforms>");
    let forged = edit(&valid, "pat@acme", "eve@acme");
    let other = "<ds:DigestValue>47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=</ds:DigestValue>";

    let both = Message {
        sign_response: Some(Signing::by("idp")),
        ..Message::valid()
    }
    .signed();
    let outer = cut(&both, "<ds:Signature", "</ds:Signature>");
    let broken_outer = edit(
        &both,
        outer,
        &edit(
            outer,
            digest_of(outer),
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        ),
    );

    let bad = |flaw, about, xml| Attack::new("signature_invalid", flaw, about, xml);
    vec![
        bad(
            "two-signatures",
            "The same Signature twice",
            edit(&valid, signature, &format!("{signature}{signature}")),
        ),
        bad(
            "empty-signature-beside",
            "An empty Signature beside the right one",
            edit(
                &valid,
                signature,
                &format!(
                    "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"/>{signature}"
                ),
            ),
        ),
        bad(
            "empty-signature",
            "A Signature without anything in it",
            edit(
                &valid,
                signature,
                "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"/>",
            ),
        ),
        bad(
            "two-signed-infos",
            "A second SignedInfo with another digest (CVE-2025-29774)",
            edit(
                &forged,
                info,
                &format!("{}{info}", edit(info, digest, other)),
            ),
        ),
        bad(
            "two-references",
            "A second Reference",
            edit(&valid, reference, &format!("{reference}{reference}")),
        ),
        bad(
            "no-reference",
            "SignedInfo without a Reference",
            edit(&valid, reference, ""),
        ),
        bad(
            "two-digests",
            "A second DigestValue",
            edit(&valid, digest, &format!("{other}{digest}")),
        ),
        bad(
            "comment-in-digest",
            "A comment inside DigestValue (CVE-2025-29775)",
            edit(
                &forged,
                digest,
                &format!(
                    "<ds:DigestValue><!--{digest_text}-->47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=</ds:DigestValue>"
                ),
            ),
        ),
        bad(
            "element-in-digest",
            "An element inside DigestValue",
            edit(
                &valid,
                digest,
                &edit(digest, "<ds:DigestValue>", "<ds:DigestValue><a/>"),
            ),
        ),
        bad(
            "empty-digest",
            "An empty DigestValue",
            edit(&valid, digest, "<ds:DigestValue/>"),
        ),
        bad(
            "empty-value",
            "An empty SignatureValue",
            edit(&valid, value, "<ds:SignatureValue/>"),
        ),
        bad(
            "digest-after-object",
            "An Object in the Signature",
            edit(
                &valid,
                "</ds:Signature>",
                "<ds:Object><a/></ds:Object></ds:Signature>",
            ),
        ),
        bad(
            "manifest",
            "A Manifest in an Object",
            edit(
                &valid,
                "</ds:Signature>",
                "<ds:Object><ds:Manifest/></ds:Object></ds:Signature>",
            ),
        ),
        bad(
            "text-in-signed-info",
            "Text between the parts of SignedInfo",
            edit(&valid, "<ds:SignedInfo>", "<ds:SignedInfo>x"),
        ),
        bad(
            "no-transforms",
            "A Reference without Transforms",
            edit(&valid, transforms, ""),
        ),
        bad(
            "only-enveloped",
            "Canonical form left to a default",
            edit(
                &valid,
                "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/></ds:Transforms>",
                "</ds:Transforms>",
            ),
        ),
        bad(
            "transforms-in-other-order",
            "Exclusive C14N before enveloped",
            edit(
                &valid,
                transforms,
                "<ds:Transforms><ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/><ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/></ds:Transforms>",
            ),
        ),
        bad(
            "many-transforms",
            "A thousand transforms",
            edit(
                &valid,
                "</ds:Transforms>",
                &format!(
                    "{}</ds:Transforms>",
                    "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>"
                        .repeat(1000)
                ),
            ),
        ),
        bad(
            "signature-in-extensions",
            "A Signature where none belongs",
            edit(
                &valid,
                "<samlp:Status>",
                &format!("<samlp:Extensions>{signature}</samlp:Extensions><samlp:Status>"),
            ),
        ),
        bad(
            "broken-response-signature",
            "The response's signature is broken, the assertion's is right",
            broken_outer,
        ),
        bad(
            "broken-assertion-signature",
            "The assertion's signature is broken, the response's is right",
            broken_inner(),
        ),
    ]
}

fn digest_of(signature: &str) -> &str {
    cut(signature, "<ds:DigestValue>", "</ds:DigestValue>")
        .trim_start_matches("<ds:DigestValue>")
        .trim_end_matches("</ds:DigestValue>")
}

fn broken_inner() -> String {
    let message = Message {
        sign_response: Some(Signing::by("idp")),
        ..Message::valid()
    };
    let assertion = edit(&message.signed_assertion(), "pat@acme", "eve@acme");
    message.around(&assertion)
}
