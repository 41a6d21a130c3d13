//! One folder of `fixtures/saml`, opened: for the tests and the benchmark.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use connectors::saml::{IdpMetadata, SamlConnector, parse_idp_metadata};
use connectors::{Callback, Completion, Expected, SamlSettings, SpEndpoints, SpKeyPair, SpKeys};
use serde::Deserialize;

/// case.toml
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// What this shape or flaw is, and where it was seen.
    pub(crate) about: String,
    pub(crate) now: DateTime<Utc>,
    /// ID of the pending request; absent when nothing is pending.
    pub(crate) in_response_to: Option<String>,
    /// Seconds, where the application asked how old the sign-in may be.
    pub(crate) max_age: Option<u64>,
    /// The code of a refusal.
    pub(crate) code: Option<String>,
    /// Codes of warnings on a login that works.
    #[serde(default)]
    pub(crate) warnings: Vec<String>,
    pub(crate) identity: Option<toml::Table>,
    /// Replaces settings that the metadata gives or that have a default.
    #[serde(default)]
    pub(crate) settings: toml::Table,
    /// The SAMLResponse field where it is not simply the encoded response.xml.
    pub(crate) field: Option<String>,
}

pub(crate) struct Fixture {
    pub(crate) name: String,
    pub(crate) case: Case,
    /// response.xml; `None` where there is none.
    pub(crate) xml: Option<Vec<u8>>,
    pub(crate) connector: SamlConnector,
}

impl Fixture {
    /// `kind` is `accept` or `reject`.
    pub(crate) fn open(kind: &str, name: &str) -> Self {
        let folder = root().join(kind).join(name);
        let text = |file: &str| match fs::read_to_string(folder.join(file)) {
            Ok(text) => text,
            Err(error) => panic!("{name}/{file}: {error}"),
        };
        let case: Case =
            toml::from_str(&text("case.toml")).unwrap_or_else(|error| panic!("{name}: {error}"));
        let idp = parse_idp_metadata(&text("metadata.xml"))
            .unwrap_or_else(|problem| panic!("{name}: {problem:?}"))
            .remove(0);
        let connector = SamlConnector::open(&settings(idp, &case.settings), &endpoints(), &keys())
            .unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
        let xml = fs::read(folder.join("response.xml")).ok();
        Self {
            name: name.to_owned(),
            case,
            xml,
            connector,
        }
    }

    /// All of one kind, by name.
    pub(crate) fn all(kind: &str) -> Vec<Self> {
        let folders = fs::read_dir(root().join(kind)).expect("fixtures");
        let mut names: Vec<String> = folders
            .map(|folder| {
                folder
                    .expect("a folder")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        assert!(!names.is_empty());
        names.iter().map(|name| Self::open(kind, name)).collect()
    }

    /// The form field as the browser posts it.
    pub(crate) fn field(&self) -> Option<String> {
        self.case
            .field
            .clone()
            .or_else(|| self.xml.as_ref().map(|xml| STANDARD.encode(xml)))
    }

    pub(crate) fn complete(&self, saml_response: Option<String>) -> Completion {
        self.complete_at(saml_response, self.case.now)
    }

    pub(crate) fn complete_at(
        &self,
        saml_response: Option<String>,
        now: DateTime<Utc>,
    ) -> Completion {
        let expected = self.case.in_response_to.as_ref().map(|id| Expected {
            request_id: id.clone(),
            state: String::new(),
            nonce: String::new(),
            code_verifier: String::new(),
            max_age: self.case.max_age,
        });
        self.connector
            .complete(Callback::SamlPost { saml_response }, expected.as_ref(), now)
    }
}

fn settings(idp: IdpMetadata, overrides: &toml::Table) -> SamlSettings {
    let settings = SamlSettings {
        idp_entity_id: idp.entity_id,
        sso_url: idp.sso_url,
        sso_binding: idp.sso_binding,
        slo_url: idp.slo_url,
        certificates: idp.certificates,
        ..SamlSettings::default()
    };
    let mut value = serde_json::to_value(settings).expect("settings");
    for (key, replacement) in overrides {
        assert!(value.get(key).is_some(), "no setting {key}");
        value[key] = serde_json::to_value(replacement).expect("a setting");
    }
    serde_json::from_value(value).expect("settings")
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
        let pem = fs::read_to_string(root().join("keys").join(file)).expect("a key");
        let body: String = pem
            .lines()
            .filter(|line| !line.starts_with("-----"))
            .collect();
        STANDARD.decode(body).expect("base64")
    };
    let pair = SpKeyPair {
        private_key: der("sp.key.pem"),
        certificate: der("sp.crt.pem"),
    };
    SpKeys { pairs: vec![pair] }
}

/// `fixtures/saml`, from the crate or from its fuzz targets.
fn root() -> PathBuf {
    let mut parents = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let found = parents.find_map(|parent| {
        let fixtures = parent.join("fixtures/saml");
        fixtures.is_dir().then_some(fixtures)
    });
    found.expect("the fixtures")
}
