//! What we accept, other libraries read as the same person, or can't read (SAML.md; STACK.md, section 1).

use std::{collections::BTreeMap, fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use integration::peers::SamlOracle;
use serde_json::{Value, json};

/// What node-saml can't read, and why not.
const NODE_SAML: &[(&str, &str)] = &[
    (
        "adfs-no-name-id",
        "has no NameID; the mapping names the subject",
    ),
    ("generic-aes-192", "knows no AES-192"),
    ("generic-alternate-audience", "is told our entity ID alone"),
    ("generic-ecdsa-p256", "knows no ECDSA"),
    ("generic-ecdsa-p384", "knows no ECDSA"),
    ("generic-encrypted-name-id", "decrypts no EncryptedID here"),
    ("generic-oaep-sha1-mgf1-sha256", "knows no MGF of its own"),
    ("generic-oaep-sha256-mgf1-sha1", "takes the digest's MGF"),
    ("generic-oaep-sha256-mgf1-sha256", "knows no MGF of its own"),
    (
        "generic-prefix-list",
        "canonicalises the PrefixList differently",
    ),
    ("generic-rsa-pss-sha384", "knows no RSA-PSS"),
    ("generic-rsa-pss-sha512", "knows no RSA-PSS"),
    ("generic-skew-of-five-minutes", "is told a minute of skew"),
    ("pingone-rsa-sha384", "knows no RSA-SHA384"),
];

/// What bergshamra can't read, and why not.
const BERGSHAMRA: &[(&str, &str)] = &[(
    "adfs-no-name-id",
    "has no NameID; the mapping names the subject",
)];

/// What python3-saml can't read, and why not.
const PYTHON3_SAML: &[(&str, &str)] = &[
    ("generic-alternate-audience", "is told our entity ID alone"),
    (
        "adfs-no-name-id",
        "wants a NameID; the mapping names the subject",
    ),
    (
        "generic-encrypted-attribute",
        "supports no EncryptedAttribute",
    ),
    ("generic-oaep-sha1-mgf1-sha256", "its schema knows no MGF"),
    ("generic-oaep-sha256-mgf1-sha256", "its schema knows no MGF"),
    (
        "generic-prefix-list",
        "its schema knows no InclusiveNamespaces there",
    ),
    (
        "generic-signature-last",
        "its schema wants the signature second",
    ),
    ("jumpcloud-idp-initiated", "its schema refuses the response"),
];

/// One folder as the scripts want it, and the NameID that we read.
fn case(folder: &Path, key: &str, certificate: &str) -> (Value, String) {
    let read = |file: &str| fs::read_to_string(folder.join(file)).expect("a file");
    let case: toml::Table = read("case.toml").parse().expect("TOML");
    let text = |table: &toml::Table, field: &str| Some(table.get(field)?.as_str()?.to_owned());
    let field = text(&case, "field")
        .unwrap_or_else(|| STANDARD.encode(fs::read(folder.join("response.xml")).expect("a file")));
    let settings = case.get("settings").and_then(toml::Value::as_table);
    let input = json!({
        "field": field,
        "at": text(&case, "now"),
        "metadata": read("metadata.xml"),
        "request_id": text(&case, "in_response_to"),
        "entity_id": settings.and_then(|settings| text(settings, "idp_entity_id")),
        "key": key,
        "certificate": certificate,
    });
    let identity = case["identity"].as_table().expect("an identity");
    // format|qualifier|qualifier|value, or the value alone where it says of itself what it is.
    let subject = text(identity, "subject");
    let subject = subject.and_then(|subject| Some(subject.rsplit('|').next()?.to_owned()));
    let name_id = text(identity, "idp_subject").or(subject);
    // Whom every fixture signs in that is about something else.
    (
        input,
        name_id.unwrap_or_else(|| "pat@acme.example".to_owned()),
    )
}

#[tokio::test]
async fn other_readers_of_what_we_accept_read_the_same_subject() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/saml");
    let pem = |file: &str| fs::read_to_string(fixtures.join("keys").join(file)).expect("a key");
    let (key, certificate) = (pem("sp.key.pem"), pem("sp.crt.pem"));
    let mut inputs = serde_json::Map::new();
    let mut subjects = BTreeMap::new();
    for folder in fs::read_dir(fixtures.join("accept")).expect("fixtures") {
        let folder = folder.expect("a folder").path();
        let name = folder
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let (input, subject) = case(&folder, &key, &certificate);
        inputs.insert(name.clone(), input);
        subjects.insert(name, subject);
    }
    let inputs = Value::Object(inputs);
    let mut problems = Vec::new();
    for (oracle, unreadable) in [
        (SamlOracle::Bergshamra, BERGSHAMRA),
        (SamlOracle::NodeSaml, NODE_SAML),
        (SamlOracle::Python3Saml, PYTHON3_SAML),
    ] {
        let answers = oracle.read(&inputs).await;
        assert_eq!(answers.len(), subjects.len(), "{oracle:?}");
        for (name, answer) in &answers {
            let known = unreadable.iter().find(|(unreadable, _)| unreadable == name);
            match (answer["subject"].as_str(), known) {
                // None of them takes the white space away that XML puts around a value.
                (Some(subject), None) if subject.trim_ascii() == subjects[name] => {}
                (None, Some(_)) => {}
                (Some(subject), None) => {
                    let ours = &subjects[name];
                    problems.push(format!("{oracle:?} {name}: {subject}, not {ours}"));
                }
                (Some(_), Some((_, reason))) => {
                    problems.push(format!("{oracle:?} {name}: {reason:?} is no longer true"));
                }
                (None, None) => problems.push(format!("{oracle:?} can't read {name}: {answer}")),
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
