//! Walks `fixtures/oidc`: a folder is one conversation, as its provider has it, with throw-away keys.
//! `accept/<idp>-<case>` names the identity expected, `reject/<code>-<flaw>` the code.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::Value;

use super::fake_idp::sp;
use crate::oidc::OidcConnector;
use crate::{
    Callback, CheckStatus, Completion, Expected, HttpClient, HttpFailure, HttpRequest,
    HttpResponse, NormalizedIdentity, OidcSettings, SpKeys,
};

/// `case.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// The vendor's page that shows this shape.
    source: Option<String>,
    /// What of it is the vendor's own way.
    #[serde(rename = "about")]
    _about: Option<String>,
    now: DateTime<Utc>,
    settings: OidcSettings,
    expected: Pending,
    callback: Query,
    /// Fields of the identity that must be so, in an accepted case.
    identity: Option<BTreeMap<String, Value>>,
    /// Codes of warnings in the trace.
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pending {
    state: String,
    nonce: String,
    max_age: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// Answers with the folder's files at the addresses that its metadata names.
struct Recorded {
    folder: PathBuf,
    files: BTreeMap<String, &'static str>,
}

impl Recorded {
    fn new(folder: &Path, issuer: &str) -> Self {
        let metadata = std::fs::read(folder.join("metadata.json")).unwrap();
        let metadata: Value = serde_json::from_slice(&metadata).unwrap();
        let at = |name: &str| metadata[name].as_str().unwrap_or_default().to_owned();
        let document = format!(
            "{}/.well-known/openid-configuration",
            issuer.trim_end_matches('/')
        );
        let files = [
            (document, "metadata.json"),
            (at("jwks_uri"), "jwks.json"),
            (at("token_endpoint"), "token.json"),
            (at("userinfo_endpoint"), "userinfo.json"),
        ];
        Self {
            folder: folder.to_owned(),
            files: files.into(),
        }
    }
}

impl HttpClient for Recorded {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpFailure> {
        let unknown = || HttpFailure::Unreachable("not recorded".to_owned());
        let file = self.files.get(request.url.as_str()).ok_or_else(unknown)?;
        let body = std::fs::read(self.folder.join(file)).map_err(|_| unknown())?;
        Ok(HttpResponse {
            status: http::StatusCode::OK,
            headers: HeaderMap::new(),
            body,
        })
    }
}

async fn replay(folder: &Path) -> (Case, Completion) {
    let text = std::fs::read_to_string(folder.join("case.toml")).unwrap();
    let case: Case = toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let connector = OidcConnector::open(&case.settings, &sp(), &SpKeys::default())
        .unwrap_or_else(|problems| panic!("{}: {problems:?}", folder.display()));
    let callback = Callback::OidcRedirect {
        code: case.callback.code.clone(),
        state: case.callback.state.clone(),
        iss: case.callback.iss.clone(),
        error: case.callback.error.clone(),
        error_description: case.callback.error_description.clone(),
    };
    let expected = Expected {
        request_id: String::new(),
        state: case.expected.state.clone(),
        nonce: case.expected.nonce.clone(),
        code_verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned(),
        max_age: case.expected.max_age,
    };
    let http = Recorded::new(folder, &case.settings.issuer);
    let done = connector
        .complete(callback, Some(&expected), case.now, &http)
        .await;
    (case, done)
}

fn folders(kind: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fixtures/oidc")
        .join(kind);
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    assert!(!folders.is_empty());
    folders
}

#[tokio::test]
async fn what_real_providers_send_is_accepted() {
    for folder in folders("accept") {
        let (case, done) = replay(&folder).await;
        let name = folder.display();
        let generic = folder
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("generic-");
        let source = case.source.as_deref().unwrap_or_default();
        assert!(
            generic || source.starts_with("https://"),
            "{name}: whose shape is it?"
        );
        let person: NormalizedIdentity = done
            .outcome
            .unwrap_or_else(|error| panic!("{name}: {}: {error}", error.code()));
        let person = serde_json::to_value(person).unwrap();
        for (field, expected) in case.identity.unwrap() {
            assert_eq!(person[&field], expected, "{name}: {field}");
        }
        let warned = done
            .trace
            .checks
            .iter()
            .filter(|c| c.status == CheckStatus::Warning);
        let warned: Vec<String> = warned.filter_map(|check| check.code.clone()).collect();
        assert_eq!(warned, case.warnings, "{name}");
    }
}

#[tokio::test]
async fn what_must_not_pass_gets_its_code() {
    for folder in folders("reject") {
        let (_, done) = replay(&folder).await;
        let error = done.outcome.expect_err(&folder.display().to_string());
        let name = folder.file_name().unwrap().to_str().unwrap();
        assert_eq!(
            Some(error.code()),
            name.split('-').next(),
            "{name}: {error}"
        );
    }
}
