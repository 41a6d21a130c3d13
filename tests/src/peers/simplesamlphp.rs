//! SimpleSAMLphp (Debian's package): a SAML identity provider.

use std::{path::Path, process::Command};

use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{SCRIPTS, home};
use crate::{Page, UserAgent, guarded::Guarded};

/// One identity provider with one person in it: `alice`, whose password is `secret`.
pub struct SimpleSamlPhp {
    url: String,
    state: TempDir,
    _process: Guarded,
}

impl SimpleSamlPhp {
    /// `attributes`: what the provider knows of alice, `{"email": ["alice@acme.example"], …}`. `uid` becomes her
    /// NameID.
    pub async fn start(attributes: Value) -> Self {
        let state = tempfile::tempdir().expect("a temporary directory");
        for name in ["idp", "next"] {
            let key =
                KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
            let certificate = CertificateParams::new(Vec::new())
                .and_then(|params| params.self_signed(&key))
                .expect("a certificate");
            write(state.path(), &format!("{name}.key"), &key.serialize_pem());
            write(state.path(), &format!("{name}.crt"), &certificate.pem());
        }
        write(
            state.path(),
            "people.json",
            &json!({"alice:secret": attributes}).to_string(),
        );
        write(state.path(), "options.json", "{}");

        let mut command = Command::new(Path::new(SCRIPTS).join("simplesamlphp/serve"));
        let mut process = Guarded::start(command.arg(state.path()).env("TENON_PEERS", home()));
        Self {
            url: process.listening().await,
            state,
            _process: process,
        }
    }

    pub fn metadata_url(&self) -> String {
        format!("{}/saml2/idp/metadata.php", self.url)
    }

    /// The provider's own metadata document.
    pub async fn metadata(&self) -> String {
        UserAgent::new().get(&self.metadata_url()).await.body
    }

    /// Imports a service provider's metadata, as its administrator would.
    pub fn trust(&self, sp_metadata: &str) {
        write(self.state.path(), "sp.xml", sp_metadata);
    }

    /// Switches, from the next request on: see `simplesamlphp/config/metadata/saml20-idp-hosted.php`.
    pub fn configure(&self, options: Value) {
        write(self.state.path(), "options.json", &options.to_string());
    }

    /// Where alice, who is signed in, signs out at the provider: of all services, and then to its own metadata.
    pub fn logout_url(&self) -> String {
        let back = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("RelayState", &self.metadata_url())
            .finish();
        format!("{}/saml2/idp/initSLO.php?{back}", self.url)
    }

    /// Alice types her password on the page that the browser was sent to. What comes back is the page that posts
    /// the response to the service provider.
    pub async fn sign_in(&self, browser: &mut UserAgent, page: &Page) -> Page {
        assert!(
            page.url.as_str().starts_with(&self.url),
            "{} {}",
            page.url,
            page.body
        );
        let form = page
            .form()
            .fill("username", "alice")
            .fill("password", "secret");
        let posting = browser.submit(page, form).await;
        assert!(posting.body.contains("SAMLResponse"), "{}", posting.body);
        posting
    }
}

fn write(directory: &Path, name: &str, text: &str) {
    std::fs::write(directory.join(name), text).expect("the file is written");
}
