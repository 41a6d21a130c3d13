//! Walks `fixtures/saml`: each folder is a response, the IdP's metadata, and what must come of it. Adding
//! a folder adds a test.

#![expect(
    clippy::unwrap_used,
    clippy::expect_fun_call,
    reason = "a test may panic"
)]

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use connectors::saml::{IdpMetadata, SamlConnector, parse_idp_metadata};
use connectors::{
    Callback, CheckName, CheckStatus, Completion, Expected, SamlSettings, SpEndpoints, SpKeyPair,
    SpKeys,
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What this shape or flaw is, and where it was seen.
    about: String,
    now: DateTime<Utc>,
    /// ID of the pending request; absent when nothing is pending.
    in_response_to: Option<String>,
    /// The code of a refusal.
    code: Option<String>,
    /// Codes of warnings on a login that works.
    #[serde(default)]
    warnings: Vec<String>,
    identity: Option<toml::Table>,
    /// Replaces settings that the metadata gives or that have a default.
    #[serde(default)]
    settings: toml::Table,
    /// The SAMLResponse field where it is not simply the encoded response.xml.
    field: Option<String>,
}

#[test]
fn every_real_response_is_accepted_and_read_right() {
    let failures: Vec<String> = folders("accept")
        .iter()
        .filter_map(|dir| accept(dir).err())
        .collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn every_hostile_response_is_refused_with_its_code() {
    let failures: Vec<String> = folders("reject")
        .iter()
        .filter_map(|dir| reject(dir).err())
        .collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

fn accept(dir: &Path) -> Result<(), String> {
    let (case, completion) = run(dir);
    let fail = |what: String| Err(format!("{} ({}): {what}", name(dir), case.about));
    let identity = match &completion.outcome {
        Ok(identity) => serde_json::to_value(identity).unwrap(),
        Err(error) => return fail(format!("{}: {error}", error.code())),
    };
    for (field, expected) in case.identity.as_ref().expect("an identity") {
        let expected = serde_json::to_value(expected).unwrap();
        if identity[field] != expected {
            return fail(format!("{field} is {}, not {expected}", identity[field]));
        }
    }
    let warned: Vec<_> = completion
        .trace
        .checks
        .iter()
        .filter(|check| check.status == CheckStatus::Warning)
        .filter_map(|check| check.code.clone())
        .collect();
    if warned != case.warnings {
        return fail(format!("warnings {warned:?}, not {:?}", case.warnings));
    }
    // Browser, email domain and user are the gateway's to check.
    let open = [
        CheckName::Connection,
        CheckName::Email,
        CheckName::Browser,
        CheckName::User,
    ];
    for check in completion
        .trace
        .checks
        .iter()
        .filter(|check| !open.contains(&check.check))
    {
        if !matches!(check.status, CheckStatus::Passed | CheckStatus::Warning) {
            return fail(format!("{:?} is {:?}", check.check, check.status));
        }
    }
    if completion.replay_ids.len() != 2 {
        return fail(format!("replay ids {:?}", completion.replay_ids));
    }
    Ok(())
}

fn reject(dir: &Path) -> Result<(), String> {
    let (case, completion) = run(dir);
    let fail = |what: String| Err(format!("{} ({}): {what}", name(dir), case.about));
    let expected = case.code.as_deref().expect("a code");
    if !name(dir).starts_with(expected) {
        return fail(format!("the folder is not named after {expected}"));
    }
    let error = match &completion.outcome {
        Ok(identity) => return fail(format!("accepted as {}", identity.subject)),
        Err(error) => error,
    };
    if error.code() != expected {
        return fail(format!("{}: {error}", error.code()));
    }
    if !completion.replay_ids.is_empty() {
        return fail("a refused response leaves ids".to_owned());
    }
    let failed: Vec<_> = completion
        .trace
        .checks
        .iter()
        .filter(|check| check.status == CheckStatus::Failed)
        .filter_map(|check| check.code.as_deref())
        .collect();
    if failed == [expected] {
        Ok(())
    } else {
        fail(format!("the trace fails on {failed:?}"))
    }
}

fn run(dir: &Path) -> (Case, Completion) {
    let text = |file: &str| fs::read_to_string(dir.join(file)).expect(&name(dir));
    let case: Case = toml::from_str(&text("case.toml")).expect(&name(dir));
    let idp = parse_idp_metadata(&text("metadata.xml"))
        .expect(&name(dir))
        .remove(0);
    let connector = SamlConnector::open(&settings(&idp, &case.settings), &endpoints(), &keys())
        .map_err(|problems| format!("{}: {problems:?}", name(dir)))
        .unwrap();
    let saml_response = case.field.clone().or_else(|| {
        fs::read(dir.join("response.xml"))
            .ok()
            .map(|xml| STANDARD.encode(xml))
    });
    let expected = case.in_response_to.as_ref().map(|id| Expected {
        request_id: id.clone(),
        state: String::new(),
        nonce: String::new(),
        code_verifier: String::new(),
        max_age: None,
    });
    let completion = connector.complete(
        Callback::SamlPost { saml_response },
        expected.as_ref(),
        case.now,
    );
    (case, completion)
}

fn settings(idp: &IdpMetadata, overrides: &toml::Table) -> SamlSettings {
    let settings = SamlSettings {
        idp_entity_id: idp.entity_id.clone(),
        sso_url: idp.sso_url.clone(),
        sso_binding: idp.sso_binding,
        slo_url: idp.slo_url.clone(),
        certificates: idp.certificates.clone(),
        ..SamlSettings::default()
    };
    let mut value = serde_json::to_value(settings).unwrap();
    for (key, replacement) in overrides {
        assert!(value.get(key).is_some(), "no setting {key}");
        value[key] = serde_json::to_value(replacement).unwrap();
    }
    serde_json::from_value(value).unwrap()
}

fn endpoints() -> SpEndpoints {
    let base = "https://sso.tenon.example/saml/conn_01kayc00000000000000000000";
    SpEndpoints {
        entity_id: format!("{base}/metadata"),
        acs_url: format!("{base}/acs"),
        slo_url: format!("{base}/slo"),
        metadata_url: format!("{base}/metadata"),
        redirect_uri: String::new(),
    }
}

fn keys() -> SpKeys {
    let der = |file: &str| {
        let pem = fs::read_to_string(root().join("keys").join(file)).unwrap();
        let body: String = pem
            .lines()
            .filter(|line| !line.starts_with("-----"))
            .collect();
        STANDARD.decode(body).unwrap()
    };
    let pair = SpKeyPair {
        private_key: der("sp.key.pem"),
        certificate: der("sp.crt.pem"),
    };
    SpKeys { pairs: vec![pair] }
}

fn folders(kind: &str) -> Vec<PathBuf> {
    let mut folders: Vec<_> = fs::read_dir(root().join(kind))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    assert!(!folders.is_empty());
    folders
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/saml")
}

fn name(dir: &Path) -> String {
    dir.file_name().unwrap().to_string_lossy().into_owned()
}
