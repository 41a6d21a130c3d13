use std::fs;
use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use integration::{Answered, Idp, RelyingParty, Tenon, UserAgent, tenon, text};
use serde_json::{Value, json};

/// The addresses that all fixtures are for.
const SP: &str = "https://sso.tenon.example/saml/conn_01kayc00000000000000000000";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/saml")
}

/// Checks a fixture against its metadata alone; `None` where the case needs other settings than the defaults.
fn decode(folder: &Path, more: &[&str]) -> Option<(Answered, toml::Table)> {
    let case = fs::read_to_string(folder.join("case.toml")).expect("a case");
    let case: toml::Table = toml::from_str(&case).expect("TOML");
    let settings = case.get("settings").and_then(toml::Value::as_table);
    let provider = settings.and_then(|settings| settings.get("provider")?.as_str());
    if settings.is_some_and(|settings| settings.keys().any(|key| key != "provider")) {
        return None;
    }
    let string = |key: &str| case.get(key)?.as_str().map(str::to_owned);
    let file = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let mut arguments = vec![
        "saml".to_owned(),
        "decode".to_owned(),
        "--metadata".to_owned(),
        file("metadata.xml"),
        "--key".to_owned(),
        fixtures()
            .join("keys/sp.key.pem")
            .to_string_lossy()
            .into_owned(),
        format!("--entity-id={SP}/metadata"),
        format!("--acs-url={SP}/acs"),
        format!("--at={}", string("now").expect("a moment")),
    ];
    if let Some(id) = string("in_response_to") {
        arguments.push(format!("--in-response-to={id}"));
    }
    arguments.extend(provider.map(|provider| format!("--provider={provider}")));
    if let Some(seconds) = case.get("max_age").and_then(toml::Value::as_integer) {
        arguments.push(format!("--max-age={seconds}"));
    }
    arguments.extend(more.iter().map(|&option| option.to_owned()));
    let field = string("field");
    if field.is_none() && folder.join("response.xml").exists() {
        arguments.push(file("response.xml"));
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let input = field.unwrap_or_default();
    Some((tenon(&arguments, input.as_bytes()), case))
}

fn folders(kind: &str) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = fs::read_dir(fixtures().join(kind))
        .expect("fixtures")
        .map(|folder| folder.expect("a folder").path())
        .collect();
    folders.sort();
    folders
}

#[test]
fn every_fixture_ends_on_the_command_line_as_it_does_in_a_sign_in() {
    let mut checked = 0;
    for folder in folders("accept") {
        let Some((answered, _)) = decode(&folder, &["--json"]) else {
            continue;
        };
        let result: Value = serde_json::from_str(&answered.output).expect(&answered.errors);
        assert_eq!(
            result["outcome"],
            "accepted",
            "{}: {result}",
            folder.display()
        );
        assert_eq!(answered.code, 0, "{}", folder.display());
        checked += 1;
    }
    for folder in folders("reject") {
        // Without a connection nobody says what an unsolicited response does, or that nothing is pending.
        let Some((answered, case)) = decode(&folder, &["--json"]) else {
            continue;
        };
        if !case.contains_key("in_response_to") {
            continue;
        }
        let result: Value = serde_json::from_str(&answered.output).expect(&answered.errors);
        let code = case["code"].as_str();
        assert_eq!(result["code"].as_str(), code, "{}", folder.display());
        assert_eq!(answered.code, 1, "{}", folder.display());
        let failed = result["checks"].as_array().expect("checks").iter();
        let failed: Vec<_> = failed.filter(|check| check["status"] == "failed").collect();
        assert_eq!(failed.len(), 1, "{}: {result}", folder.display());
        checked += 1;
    }
    assert!(checked > 150, "{checked}");
}

#[test]
fn a_person_reads_what_was_expected_what_came_and_what_to_do() {
    let folder = fixtures().join("reject/audience_mismatch-other");
    let (answered, _) = decode(&folder, &["--provider=okta"]).expect("default settings");
    for part in [
        "✓ A well-formed SAML response arrived",
        "✕ The assertion is meant for this service",
        "code      audience_mismatch",
        &format!("expected  {SP}/metadata"),
        "fix       In Okta, ",
        "· The assertion is valid now",
        "refused: audience_mismatch",
        "Okta:\n    NameID format is unspecified",
    ] {
        assert!(
            answered.output.contains(part),
            "no {part} in {}",
            answered.output
        );
    }
    assert_eq!(answered.code, 1);

    let folder = fixtures().join("accept/okta-assertion");
    let (answered, _) = decode(&folder, &[]).expect("default settings");
    assert!(
        answered.output.contains("accepted:\n    subject "),
        "{}",
        answered.output
    );
    assert_eq!(answered.code, 0);
}

/// The response of a real sign-in, checked once more by the connection's own settings and keys.
#[tokio::test]
async fn a_saved_connection_checks_by_its_own_settings() {
    let mut tenon = Tenon::start().await;
    let api = tenon.api();
    let organization = api.organization("Acme", &["acme.example"]).await;
    let idp = Idp::start(&tenon, &["ada@acme.example", "eve@evil.example"]).await;
    let connection = idp.saml_connection(&tenon, &organization, json!({})).await;
    let id = text(&connection["id"]);
    let app = RelyingParty::register(&tenon).await;
    let mut responses = Vec::new();
    for person in ["ada@acme.example", "eve@evil.example"] {
        let mut browser = UserAgent::new();
        let page = browser
            .get(&app.authorize_url("login_hint=ada@acme.example"))
            .await;
        let posting = idp.sign_in(&mut browser, &page, person, None).await;
        responses.push(STANDARD.encode(posting.decoded("SAMLResponse")));
    }
    tenon.terminate().await;
    let decode = |response: &str, more: &[&str]| {
        let mut arguments = vec!["saml", "decode", "--json", "--connection", &id];
        arguments.extend(more);
        tenon.command(&arguments, response.as_bytes())
    };
    let answered = decode(&responses[0], &[]);
    assert_eq!(answered.code, 0, "{} {}", answered.output, answered.errors);
    let result: Value = serde_json::from_str(&answered.output).expect("JSON");
    assert_eq!(result["identity"]["email"], "ada@acme.example");
    let code = |answered: &Answered| {
        let result: Value = serde_json::from_str(&answered.output).expect(&answered.errors);
        text(&result["code"])
    };
    assert_eq!(
        code(&decode(&responses[1], &[])),
        "email_domain_not_allowed"
    );
    let late = ["--at", "2100-01-01T00:00:00Z"];
    assert_eq!(code(&decode(&responses[0], &late)), "assertion_expired");
    let other = ["--in-response-to", "_another"];
    assert_eq!(
        code(&decode(&responses[0], &other)),
        "in_response_to_mismatch"
    );
}

#[test]
fn of_several_identity_providers_in_the_metadata_one_has_to_be_named() {
    let folder = fixtures().join("accept/generic-no-key-info");
    let bare = |folder: &Path| {
        let xml = fs::read_to_string(folder.join("metadata.xml")).expect("metadata");
        xml[xml.find("<md:").expect("an element")..].to_owned()
    };
    let other = bare(&fixtures().join("accept/okta-assertion"));
    let both = format!(
        "<md:EntitiesDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\">{other}{}</md:EntitiesDescriptor>",
        bare(&folder)
    );
    let directory = tempfile::tempdir().expect("a folder");
    let metadata = directory.path().join("metadata.xml");
    fs::write(&metadata, both).expect("it is written");
    let run = |more: &[&str]| {
        let (metadata, response) = (metadata.to_string_lossy(), folder.join("response.xml"));
        let (entity_id, acs_url) = (format!("{SP}/metadata"), format!("{SP}/acs"));
        let mut arguments = vec!["saml", "decode", "--metadata", &metadata];
        arguments.extend(["--entity-id", &entity_id, "--acs-url", &acs_url]);
        arguments.extend(["--at", "2026-12-01T09:00:00Z"]);
        arguments.extend(more);
        let response = response.to_string_lossy();
        arguments.push(&response);
        tenon(&arguments, b"")
    };
    let which = run(&[]);
    assert_eq!(which.code, 1);
    for part in [
        "--idp-entity-id",
        "https://idp.example/metadata",
        "http://www.okta.com/",
    ] {
        assert!(which.errors.contains(part), "{}", which.errors);
    }
    assert_eq!(run(&["--idp-entity-id=https://nobody.example/"]).code, 1);
    let named = run(&["--idp-entity-id=https://idp.example/metadata"]);
    assert_eq!(named.code, 0, "{}{}", named.output, named.errors);
}

#[test]
fn what_is_missing_is_said() {
    let nothing = tenon(&["saml", "decode"], b"");
    assert_eq!(nothing.code, 2);
    assert!(
        nothing.errors.contains("--connection"),
        "{}",
        nothing.errors
    );
    let half = tenon(&["saml", "decode", "--metadata", "x.xml"], b"");
    assert_eq!(half.code, 2);
    assert!(half.errors.contains("--acs-url"), "{}", half.errors);
}
