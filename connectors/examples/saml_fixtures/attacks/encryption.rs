//! Key transport, content encryption, and what stands in the plaintext.

use super::{Attack, cut, edit};
use crate::message::{Encryption, Message};
use crate::tools;

pub(super) fn all() -> Vec<Attack> {
    let message = Message::valid();
    let assertion = message.signed_assertion();
    let around =
        |encryption: &Encryption, plaintext: &str| message.around(&encryption.encrypt(plaintext));
    let forbidden =
        |flaw, about, xml| Attack::new("encryption_algorithm_forbidden", flaw, about, xml);
    let failed = |flaw, about, xml| Attack::new("decryption_failed", flaw, about, xml);
    let valid = around(&Encryption::gcm(), &assertion);
    let content_value = |value: &str| {
        let key = tools::random(32);
        message.around(&Encryption::gcm().wrap(&tools::wrap_key(&key, "sha1", "sha1"), value))
    };
    let key_element = cut(&valid, "<xenc:EncryptedKey", "</xenc:EncryptedKey>");
    let last = valid.rfind("</xenc:CipherValue>").expect("the ciphertext");
    let mut flipped = valid.clone();
    let at = last - 40;
    let other = if &valid[at..=at] == "A" { "B" } else { "A" };
    flipped.replace_range(at..=at, other);
    let forged = edit(&assertion, "pat@acme", "eve@acme");
    let another = edit(&forged, "_assertion1", "_assertion2");
    vec![
        forbidden(
            "rsa-1-5",
            "PKCS#1 1.5 key transport (Bleichenbacher 1998)",
            around(
                &Encryption {
                    transport: "http://www.w3.org/2001/04/xmlenc#rsa-1_5",
                    ..Encryption::gcm()
                },
                &assertion,
            ),
        ),
        forbidden(
            "triple-des",
            "Triple-DES",
            edit(
                &around(&Encryption::usual(), &assertion),
                "xmlenc#aes256-cbc",
                "xmlenc#tripledes-cbc",
            ),
        ),
        forbidden(
            "unknown",
            "A content algorithm that is not on the list",
            edit(
                &valid,
                "http://www.w3.org/2009/xmlenc11#aes256-gcm",
                "https://evil.example/#aes256-gcm",
            ),
        ),
        forbidden(
            "no-method",
            "No EncryptionMethod",
            edit(
                &valid,
                "<xenc:EncryptionMethod Algorithm=\"http://www.w3.org/2009/xmlenc11#aes256-gcm\"/>",
                "",
            ),
        ),
        forbidden(
            "oaep-sha512",
            "OAEP with a hash that is not on the list",
            edit(
                &valid,
                "rsa-oaep-mgf1p\"></xenc:EncryptionMethod>",
                "rsa-oaep-mgf1p\"><ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha512\"/></xenc:EncryptionMethod>",
            ),
        ),
        failed(
            "other-key",
            "A content key that is not ours to open",
            edit(
                &valid,
                key_element,
                &edit(
                    key_element,
                    cut(key_element, "<xenc:CipherValue>", "</xenc:CipherValue>"),
                    &format!(
                        "<xenc:CipherValue>{}</xenc:CipherValue>",
                        "AAAA".repeat(85) + "AA=="
                    ),
                ),
            ),
        ),
        failed(
            "short-key",
            "A wrapped key of three bytes",
            edit(
                &valid,
                key_element,
                &edit(
                    key_element,
                    cut(key_element, "<xenc:CipherValue>", "</xenc:CipherValue>"),
                    "<xenc:CipherValue>AAAA</xenc:CipherValue>",
                ),
            ),
        ),
        failed("no-key", "No EncryptedKey", edit(&valid, key_element, "")),
        failed(
            "no-data",
            "An EncryptedAssertion with nothing in it",
            message.around("<saml:EncryptedAssertion/>"),
        ),
        failed(
            "short-ciphertext",
            "A ciphertext of three bytes",
            content_value("AAAA"),
        ),
        failed("no-ciphertext", "An empty ciphertext", content_value("")),
        failed(
            "flipped",
            "One character of the ciphertext changed",
            flipped,
        ),
        failed(
            "wrong-length-key",
            "A content key of another length",
            message.around(
                &Encryption {
                    key_len: 16,
                    ..Encryption::gcm()
                }
                .encrypt(&assertion),
            ),
        ),
        failed(
            "not-xml",
            "A plaintext that is no XML",
            around(&Encryption::gcm(), "pat@acme.example"),
        ),
        failed(
            "two-elements",
            "Two assertions in the plaintext",
            around(&Encryption::gcm(), &format!("{assertion}{forged}")),
        ),
        Attack::new(
            "assertion_ambiguous",
            "nested-in-decrypted",
            "An assertion in the Advice of a decrypted one",
            around(
                &Encryption::gcm(),
                &edit(
                    &assertion,
                    "<saml:AuthnStatement",
                    &format!("<saml:Advice>{another}</saml:Advice><saml:AuthnStatement"),
                ),
            ),
        ),
        failed(
            "other-element",
            "A plaintext that is no assertion",
            around(&Encryption::gcm(), "<a/>"),
        ),
        failed(
            "cbc-padding",
            "A CBC plaintext whose last byte counts too far",
            message.around(&bad_padding()),
        ),
        failed(
            "cipher-reference",
            "A CipherReference to an address",
            cipher_reference(&valid),
        ),
        Attack::new(
            "signature_invalid",
            "inside-encrypted",
            "The assertion was changed before it was encrypted",
            around(&Encryption::gcm(), &forged),
        ),
        Attack::new(
            "signature_invalid",
            "inside-encrypted-cbc",
            "The same with CBC",
            around(&Encryption::usual(), &forged),
        ),
        Attack::new(
            "assertion_ambiguous",
            "encrypted-and-plain",
            "An encrypted assertion and an evil plain one",
            edit(
                &valid,
                "</samlp:Response>",
                "<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"/></samlp:Response>",
            ),
        ),
    ]
}

/// Two blocks of AES-CBC, the padding cut off: the last byte is a letter.
fn bad_padding() -> String {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let key = tools::random(32);
    let mut content = STANDARD
        .decode(tools::aes_cbc(&key, b"<a>sixteen bytes"))
        .expect("base64");
    content.truncate(32);
    Encryption::usual().wrap(
        &tools::wrap_key(&key, "sha1", "sha1"),
        &STANDARD.encode(content),
    )
}

fn cipher_reference(valid: &str) -> String {
    let at = valid.rfind("<xenc:CipherValue>").expect("the ciphertext");
    let end =
        valid.rfind("</xenc:CipherValue>").expect("the ciphertext") + "</xenc:CipherValue>".len();
    format!(
        "{}<xenc:CipherReference URI=\"http://127.0.0.1:9/trap\"/>{}",
        &valid[..at],
        &valid[end..]
    )
}
