//! The foreign tools: `xmlsec1` signs and encrypts, `openssl` signs and wraps what xmlsec1 cannot.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::{aead, cipher, iv, rand};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub(crate) fn key_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../fixtures/saml/keys")
        .join(name)
}

/// The base64 body of a certificate.
pub(crate) fn certificate(name: &str) -> String {
    let pem = fs::read_to_string(key_file(&format!("{name}.crt.pem"))).expect("a certificate");
    pem.lines()
        .filter(|line| !line.starts_with("-----"))
        .collect()
}

fn temporary() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let unique = COUNT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("saml-fixture-{}-{unique}", std::process::id()))
}

fn run(program: &str, arguments: &[String]) -> Vec<u8> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    output.stdout
}

/// Lets xmlsec1 fill the empty DigestValue and SignatureValue of the Signature whose Reference names `id`,
/// and takes over nothing but these two values: the text stays as written.
pub(crate) fn sign(xml: &str, element: &str, id: &str, key: &str) -> String {
    let input = temporary();
    fs::write(&input, without_key_info(xml, id)).expect("a temporary file");
    let assertion = "urn:oasis:names:tc:SAML:2.0:assertion:Assertion";
    let response = "urn:oasis:names:tc:SAML:2.0:protocol:Response";
    let signature =
        format!("//*[local-name()='{element}'][@ID='{id}']/*[local-name()='Signature']");
    let out = run(
        "xmlsec1",
        &[
            "--sign".to_owned(),
            "--privkey-pem".to_owned(),
            key_file(&format!("{key}.key.pem")).display().to_string(),
            "--id-attr:ID".to_owned(),
            assertion.to_owned(),
            "--id-attr:ID".to_owned(),
            response.to_owned(),
            "--node-xpath".to_owned(),
            signature,
            input.display().to_string(),
        ],
    );
    let signed = String::from_utf8(out).expect("UTF-8");
    let after = |name: &str| {
        let reference = signed
            .find(&format!("URI=\"#{id}\""))
            .expect("the reference");
        between(&signed[reference..], name)
    };
    let place = xml.find(&format!("URI=\"#{id}\"")).expect("the reference");
    let (head, tail) = xml.split_at(place);
    let tail = fill(tail, "DigestValue", &after("DigestValue"));
    let tail = fill(&tail, "SignatureValue", &after("SignatureValue"));
    fs::remove_file(input).expect("to remove a temporary file");
    format!("{head}{tail}")
}

/// xmlsec1 would take its key from KeyInfo; the enveloped transform leaves it out of the digest anyway.
fn without_key_info(xml: &str, id: &str) -> String {
    let place = xml.find(&format!("URI=\"#{id}\"")).expect("the reference");
    let end = xml[place..]
        .find("Signature>")
        .map_or(xml.len(), |at| place + at);
    let Some(start) = xml[place..end]
        .find("KeyInfo>")
        .map(|at| place + at + "KeyInfo>".len())
    else {
        return xml.to_owned();
    };
    let stop = xml[start..].find("KeyInfo>").expect("its end") + start;
    let stop = xml[..stop].rfind("</").expect("its end");
    format!("{}{}", &xml[..start], &xml[stop..])
}

/// The text of the first element of this local name.
pub(crate) fn between(xml: &str, name: &str) -> String {
    let start = xml.find(&format!("{name}>")).expect(name) + name.len() + 1;
    let end = xml[start..].find("</").expect(name) + start;
    xml[start..end].to_owned()
}

/// Puts `value` into the first empty element of this local name.
fn fill(xml: &str, name: &str, value: &str) -> String {
    let start = xml.find(&format!("{name}></")).expect(name) + name.len() + 1;
    format!("{}{value}{}", &xml[..start], &xml[start..])
}

/// `openssl dgst` over a text, for the algorithms that xmlsec1 does not know.
pub(crate) fn openssl_sign(text: &str, key: &str, options: &[&str]) -> String {
    let input = temporary();
    fs::write(&input, text).expect("a temporary file");
    let mut arguments = vec![
        "dgst".to_owned(),
        "-sign".to_owned(),
        key_file(&format!("{key}.key.pem")).display().to_string(),
    ];
    arguments.extend(options.iter().map(|&option| option.to_owned()));
    arguments.push(input.display().to_string());
    let signature = run("openssl", &arguments);
    fs::remove_file(input).expect("to remove a temporary file");
    STANDARD.encode(signature)
}

/// The SHA-256 digest that xmlsec1 computes for the element, by signing it with a throw-away template.
pub(crate) fn digest_of(signed: &str, id: &str) -> String {
    let reference = signed
        .find(&format!("URI=\"#{id}\""))
        .expect("the reference");
    between(&signed[reference..], "DigestValue")
}

/// RSA-OAEP by openssl, any combination of hashes.
pub(crate) fn wrap_key(content_key: &[u8], digest: &str, mgf1: &str) -> String {
    wrap(
        content_key,
        &[
            "rsa_padding_mode:oaep",
            &format!("rsa_oaep_md:{digest}"),
            &format!("rsa_mgf1_md:{mgf1}"),
        ],
    )
}

/// The padding that may no longer be used.
pub(crate) fn wrap_key_pkcs1(content_key: &[u8]) -> String {
    wrap(content_key, &["rsa_padding_mode:pkcs1"])
}

fn wrap(content_key: &[u8], options: &[&str]) -> String {
    let input = temporary();
    fs::write(&input, content_key).expect("a temporary file");
    let mut arguments: Vec<String> = ["pkeyutl", "-encrypt", "-certin", "-inkey"]
        .iter()
        .map(|&argument| argument.to_owned())
        .collect();
    arguments.push(key_file("sp.crt.pem").display().to_string());
    for option in options {
        arguments.extend(["-pkeyopt".to_owned(), (*option).to_owned()]);
    }
    arguments.extend(["-in".to_owned(), input.display().to_string()]);
    let wrapped = run("openssl", &arguments);
    fs::remove_file(input).expect("to remove a temporary file");
    STANDARD.encode(wrapped)
}

pub(crate) fn random(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    rand::fill(&mut bytes).expect("randomness");
    bytes
}

/// AES-CBC with ISO 10126 padding, the vector in front.
pub(crate) fn aes_cbc(key: &[u8], plaintext: &[u8]) -> String {
    let algorithm = match key.len() {
        16 => &cipher::AES_128,
        24 => &cipher::AES_192,
        _ => &cipher::AES_256,
    };
    let mut content = plaintext.to_vec();
    let padding = 16 - content.len() % 16;
    content.extend(random(padding - 1));
    content.push(padding as u8);
    let vector: [u8; 16] = random(16).try_into().expect("16 bytes");
    let key = cipher::UnboundCipherKey::new(algorithm, key).expect("a key");
    let key = cipher::EncryptingKey::cbc(key).expect("a key");
    let context = cipher::EncryptionContext::Iv128(iv::FixedLength::from(vector));
    key.less_safe_encrypt(&mut content, context)
        .expect("encryption");
    STANDARD.encode([vector.as_slice(), &content].concat())
}

/// AES-GCM, the nonce in front and the tag behind.
pub(crate) fn aes_gcm(key: &[u8], plaintext: &[u8]) -> String {
    let algorithm = match key.len() {
        16 => &aead::AES_128_GCM,
        24 => &aead::AES_192_GCM,
        _ => &aead::AES_256_GCM,
    };
    let nonce: [u8; 12] = random(12).try_into().expect("12 bytes");
    let mut content = plaintext.to_vec();
    aead::LessSafeKey::new(aead::UnboundKey::new(algorithm, key).expect("a key"))
        .seal_in_place_append_tag(
            aead::Nonce::assume_unique_for_key(nonce),
            aead::Aad::empty(),
            &mut content,
        )
        .expect("encryption");
    STANDARD.encode([nonce.as_slice(), &content].concat())
}
