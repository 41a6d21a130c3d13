//! Documents that two parsers could read in two ways, or that cost too much.

use super::{Attack, edit, signed};
use crate::message::{Encryption, Message};

pub(super) fn all() -> Vec<Attack> {
    [
        malformed(),
        parsed_but_wrong(),
        doctypes(),
        limits(),
        fields(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn malformed() -> Vec<Attack> {
    let valid = signed();
    let bad = |flaw, about, xml: String| Attack::new("response_malformed", flaw, about, xml);
    let inside = |text: &str| edit(&valid, "<samlp:Status>", &format!("{text}<samlp:Status>"));
    let mut utf16 = vec![0xff, 0xfe];
    utf16.extend(valid.encode_utf16().flat_map(u16::to_le_bytes));
    let mut broken_utf8 = valid.clone().into_bytes();
    let at = valid.find("pat@").expect("the name");
    broken_utf8[at] = 0xff;
    vec![
        bad("trailing-text", "Text after the root", format!("{valid}x")),
        bad(
            "trailing-element",
            "A second root (CVE-2022-39299)",
            format!("{valid}<a/>"),
        ),
        bad(
            "two-responses",
            "Two responses one after another",
            format!("{valid}{valid}"),
        ),
        bad("leading-text", "Text before the root", format!("x{valid}")),
        bad(
            "missing-end-tag",
            "An element that is not closed",
            edit(&valid, "</samlp:Status>", ""),
        ),
        bad(
            "crossed-tags",
            "End tags in the wrong order",
            edit(
                &valid,
                "</saml:AuthnContextClassRef></saml:AuthnContext>",
                "</saml:AuthnContext></saml:AuthnContextClassRef>",
            ),
        ),
        bad(
            "stray-end-tag",
            "An end tag too many",
            format!("{valid}</a>"),
        ),
        bad(
            "end-tag-with-attribute",
            "An attribute in an end tag",
            edit(&valid, "</samlp:Status>", "</samlp:Status a=\"b\">"),
        ),
        bad(
            "duplicate-id",
            "Two elements with one ID",
            inside(
                "<samlp:Extensions><a xmlns=\"https://a.example/\" ID=\"_assertion1\"/></samlp:Extensions>",
            ),
        ),
        bad(
            "duplicate-id-other-name",
            "The ID again as Id",
            inside(
                "<samlp:Extensions><a xmlns=\"https://a.example/\" Id=\"_assertion1\"/></samlp:Extensions>",
            ),
        ),
        bad(
            "duplicate-attribute",
            "An attribute twice",
            edit(
                &valid,
                "Version=\"2.0\" IssueInstant",
                "Version=\"2.0\" Version=\"2.0\" IssueInstant",
            ),
        ),
        bad(
            "duplicate-expanded-attribute",
            "An attribute twice under two prefixes of one namespace",
            inside(
                "<samlp:Extensions><a xmlns:p=\"https://a.example/\" xmlns:q=\"https://a.example/\" p:x=\"1\" q:x=\"2\"/></samlp:Extensions>",
            ),
        ),
        bad(
            "duplicate-declaration",
            "A prefix declared twice in one tag",
            inside(
                "<samlp:Extensions><a xmlns:p=\"https://a.example/\" xmlns:p=\"https://b.example/\"/></samlp:Extensions>",
            ),
        ),
        bad(
            "undeclared-prefix",
            "A prefix that nothing declares",
            inside("<samlp:Extensions><nobody:a/></samlp:Extensions>"),
        ),
        bad(
            "undeclared-attribute-prefix",
            "An attribute's prefix that nothing declares",
            inside("<samlp:Extensions><a nobody:b=\"c\"/></samlp:Extensions>"),
        ),
        bad(
            "prefix-undeclared-again",
            "xmlns:p=\"\" takes a prefix away, which XML 1.0 does not know",
            inside("<samlp:Extensions><a xmlns:saml=\"\"/></samlp:Extensions>"),
        ),
        bad(
            "relative-namespace",
            "A relative namespace name: canonical form is void in some engines (CVE-2025-66568)",
            edit(
                &valid,
                "<samlp:Response ",
                "<samlp:Response xmlns:void=\"1\" ",
            ),
        ),
        bad(
            "xml-prefix-rebound",
            "The prefix xml bound to something else",
            inside("<samlp:Extensions xmlns:xml=\"https://a.example/\"/>"),
        ),
        bad(
            "colon-in-name",
            "A name with two colons",
            inside("<samlp:Extensions><samlp:a:b/></samlp:Extensions>"),
        ),
        bad(
            "processing-instruction",
            "A processing instruction",
            inside("<?php evil?>"),
        ),
        bad(
            "late-declaration",
            "An XML declaration inside",
            inside("<?xml version=\"1.0\"?>"),
        ),
        bad(
            "xml-1-1",
            "XML 1.1",
            format!("<?xml version=\"1.1\"?>{valid}"),
        ),
        bad(
            "declared-latin-1",
            "An encoding other than UTF-8",
            format!("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>{valid}"),
        ),
        bad(
            "unknown-entity",
            "An entity that nothing declares",
            edit(&valid, "pat@acme", "pat&evil;@acme"),
        ),
        bad(
            "html-entity",
            "An entity that only HTML knows",
            edit(&valid, "pat@acme", "pat&nbsp;@acme"),
        ),
        bad(
            "bare-ampersand",
            "An ampersand that begins no reference",
            edit(&valid, "pat@acme", "pat & @acme"),
        ),
        bad(
            "null-reference",
            "&#0;",
            edit(
                &valid,
                "pat@acme.example<",
                "pat@acme.example&#0;.evil.example<",
            ),
        ),
        bad(
            "control-character",
            "A control character as it is",
            edit(&valid, "pat@acme", "pat\u{1}@acme"),
        ),
        bad(
            "signed-reference",
            "A character reference with a sign",
            edit(&valid, "pat@acme", "pat&#+65;@acme"),
        ),
        bad(
            "non-character",
            "U+FFFF",
            edit(&valid, "pat@acme", "pat\u{ffff}@acme"),
        ),
        bad(
            "less-than-in-attribute",
            "'<' in an attribute's value",
            edit(
                &valid,
                "SessionIndex=\"_session1\"",
                "SessionIndex=\"<_session1\"",
            ),
        ),
        bad(
            "unquoted-attribute",
            "An attribute without quotes",
            edit(
                &valid,
                "SessionIndex=\"_session1\"",
                "SessionIndex=_session1",
            ),
        ),
        bad(
            "attributes-without-space",
            "Attributes that nothing separates",
            edit(
                &valid,
                "Version=\"2.0\" IssueInstant",
                "Version=\"2.0\"IssueInstant",
            ),
        ),
        bad(
            "cdata-end-in-text",
            "']]>' in text",
            edit(&valid, ">Lee<", ">Lee]]><"),
        ),
        bad(
            "hyphens-in-comment",
            "'--' inside a comment",
            inside("<!-- a -- b -->"),
        ),
        bad(
            "comment-with-three-hyphens",
            "A comment that ends in '--->'",
            inside("<!-- a --->"),
        ),
        bad(
            "double-byte-order-mark",
            "Two byte order marks",
            format!("\u{feff}\u{feff}{valid}"),
        ),
        Attack::new(
            "response_malformed",
            "utf-16",
            "UTF-16 with its mark",
            utf16,
        ),
        Attack::new(
            "response_malformed",
            "broken-utf-8",
            "Bytes that are no UTF-8",
            broken_utf8,
        ),
    ]
}

/// XML that is fine, and no response.
fn parsed_but_wrong() -> Vec<Attack> {
    let valid = signed();
    let bad = |flaw, about, xml: String| Attack::new("response_malformed", flaw, about, xml);
    vec![
        bad(
            "logout-response",
            "Another message of the protocol (CVE-2025-27773)",
            edit(
                &edit(&valid, "<samlp:Response", "<samlp:LogoutResponse"),
                "</samlp:Response",
                "</samlp:LogoutResponse",
            ),
        ),
        bad(
            "bare-assertion",
            "An assertion without a response around it",
            Message::valid().signed_assertion(),
        ),
        bad(
            "other-namespace",
            "Response in SAML 1.1's namespace",
            edit(
                &valid,
                "urn:oasis:names:tc:SAML:2.0:protocol",
                "urn:oasis:names:tc:SAML:1.0:protocol",
            ),
        ),
        bad(
            "version-1-1",
            "Version 1.1 on the response",
            Message {
                version: "1.1".to_owned(),
                ..Message::valid()
            }
            .signed(),
        ),
        bad(
            "no-status",
            "No Status",
            Message {
                status: String::new(),
                ..Message::valid()
            }
            .signed(),
        ),
        bad(
            "no-id",
            "No ID on the response",
            edit(&valid, " ID=\"_response1\"", ""),
        ),
        bad(
            "two-issuers",
            "Two Issuer elements, ours first",
            edit(
                &valid,
                "<samlp:Status>",
                "<saml:Issuer>https://evil.example/</saml:Issuer><samlp:Status>",
            ),
        ),
    ]
}

fn doctypes() -> Vec<Attack> {
    let valid = signed();
    let bad = |flaw, about, xml: String| Attack::new("dtd_forbidden", flaw, about, xml);
    let laughs = concat!(
        "<!DOCTYPE a [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">",
        "<!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\"><!ENTITY d \"&c;&c;&c;&c;&c;&c;&c;&c;\">]>"
    );
    let plaintext = format!("<!DOCTYPE a>{}", Message::valid().signed_assertion());
    vec![
        bad(
            "doctype",
            "An empty DOCTYPE",
            format!("<!DOCTYPE samlp:Response>{valid}"),
        ),
        bad(
            "lower-case",
            "doctype in lower case, which some parsers take",
            format!("<!doctype a>{valid}"),
        ),
        bad(
            "entity-expansion",
            "Entities that grow",
            format!("{laughs}{}", edit(&valid, "pat@acme", "&d;@acme")),
        ),
        bad(
            "external-entity",
            "An entity from a file",
            format!(
                "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>{}",
                edit(&valid, "pat@acme", "&x;@acme")
            ),
        ),
        bad(
            "external-subset",
            "A DTD from the network",
            format!("<!DOCTYPE a SYSTEM \"http://127.0.0.1:9/evil.dtd\">{valid}"),
        ),
        bad(
            "unfinished",
            "A DOCTYPE that does not end",
            "<!DOCTYPE a [<!ENTITY a \"x\"".to_owned(),
        ),
        bad(
            "inside-root",
            "A DOCTYPE inside the root",
            edit(&valid, "<samlp:Status>", "<!DOCTYPE a><samlp:Status>"),
        ),
        bad(
            "in-plaintext",
            "A DOCTYPE in the decrypted assertion",
            Message::valid().around(&Encryption::gcm().encrypt(&plaintext)),
        ),
    ]
}

fn limits() -> Vec<Attack> {
    let valid = signed();
    let bad = |flaw, about, inside: String| {
        let xml = edit(
            &valid,
            "<samlp:Status>",
            &format!("<samlp:Extensions>{inside}</samlp:Extensions><samlp:Status>"),
        );
        Attack::new("response_too_large", flaw, about, xml)
    };
    let many =
        |count: usize, one: &dyn Fn(usize) -> String| (0..count).map(one).collect::<String>();
    vec![
        bad(
            "depth",
            "65 levels",
            format!("{}{}", "<a>".repeat(63), "</a>".repeat(63)),
        ),
        bad(
            "attributes",
            "257 attributes",
            format!("<a{}/>", many(257, &|n| format!(" a{n}=\"\""))),
        ),
        bad(
            "declarations",
            "65 namespace declarations",
            format!(
                "<a{}/>",
                many(65, &|n| format!(" xmlns:n{n}=\"https://{n}.example/\""))
            ),
        ),
    ]
}

fn fields() -> Vec<Attack> {
    let field = |code, flaw, about, extra: &str| Attack {
        response: None,
        extra: extra.to_owned(),
        ..Attack::new(code, flaw, about, "")
    };
    vec![
        field(
            "response_missing",
            "no-field",
            "No SAMLResponse in the form",
            "",
        ),
        field(
            "response_missing",
            "empty-field",
            "An empty SAMLResponse",
            "field = \" \"\n",
        ),
        field(
            "response_malformed",
            "not-base64",
            "XML that was not encoded",
            "field = \"<samlp:Response/>\"\n",
        ),
        field(
            "response_malformed",
            "base64-of-nothing",
            "Bytes, but no XML",
            "field = \"AAAA\"\n",
        ),
    ]
}
