//! A connection's own key pair: it signs AuthnRequests and opens encrypted assertions, or signs
//! `private_key_jwt` assertions.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Datelike, TimeDelta, Utc};
use connectors::{SpKeyPair, SpKeys};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256, RsaKeySize};

use crate::app::App;
use crate::error::Error;
use crate::ids::ConnectionId;
use crate::model::ConnectionKeyState;
use crate::secrets::Secret;
use crate::store::connection_keys::{self, StoredKey};
use crate::store::{OrgScope, Reads};

/// IdPs pin the key; a date that comes soon would only break sign-ins.
const VALID_FOR_YEARS: i32 = 10;

/// A key pair that is stored nowhere yet.
pub struct FreshKey {
    id: String,
    certificate: Vec<u8>,
    private_key: Secret<Vec<u8>>,
}

impl std::fmt::Debug for FreshKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("FreshKey").field(&self.id).finish()
    }
}

/// RSA-2048 with a self-signed certificate. It takes a moment of CPU, so it is made on a blocking thread and
/// before a transaction opens.
pub async fn make_key(app: &App) -> Result<FreshKey, Error> {
    let id = app.entropy.token();
    let now = app.clock.now();
    let name = app.public_url.to_string();
    tokio::task::spawn_blocking(move || generate(id, now, &name))
        .await
        .map_err(|error| Error::Internal(error.to_string()))?
        .map_err(|error| Error::Internal(format!("no key pair could be made: {error}")))
}

fn generate(id: String, now: DateTime<Utc>, name: &str) -> Result<FreshKey, rcgen::Error> {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
    let day = |date: DateTime<Utc>, years: i32| {
        let (month, day) = (date.month() as u8, date.day().min(28) as u8);
        rcgen::date_time_ymd(date.year() + years, month, day)
    };
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, format!("Tenon at {name}"));
    // Clocks differ.
    params.not_before = day(now - TimeDelta::days(1), 0);
    params.not_after = day(now, VALID_FOR_YEARS);
    let certificate = params.self_signed(&key)?;
    Ok(FreshKey {
        id,
        certificate: certificate.der().to_vec(),
        private_key: key.serialize_der().into(),
    })
}

impl FreshKey {
    /// As the current key, which the first one is.
    pub(super) async fn sealed(
        &self,
        app: &App,
        db: &impl Reads,
        scope: &OrgScope,
    ) -> Result<StoredKey, Error> {
        let place = ("connection_keys", "private_key_sealed", self.id.as_str());
        let private_key = self.private_key.expose();
        Ok(StoredKey {
            id: self.id.clone(),
            certificate: STANDARD.encode(&self.certificate),
            private_key_sealed: app.vault.seal(db, scope, place, private_key).await?,
            state: ConnectionKeyState::Current,
            changes_at: None,
            created_at: app.clock.now().into(),
        })
    }
}

/// The connection's key pairs, opened.
pub(crate) async fn open(
    app: &App,
    db: &impl Reads,
    scope: &OrgScope,
    id: ConnectionId,
) -> Result<SpKeys, Error> {
    let mut pairs = Vec::new();
    for key in connection_keys::list(db, scope, id).await? {
        let place = ("connection_keys", "private_key_sealed", key.id.as_str());
        let private_key = app
            .vault
            .unseal(db, scope, place, &key.private_key_sealed)
            .await?;
        let certificate = STANDARD
            .decode(&key.certificate)
            .map_err(|error| Error::Internal(format!("a stored certificate: {error}")))?;
        pairs.push(SpKeyPair {
            private_key: private_key.expose().clone(),
            certificate,
        });
    }
    Ok(SpKeys { pairs })
}

/// Base64 of a certificate as PEM (RFC 7468).
pub(super) fn pem(base64: &str) -> String {
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in base64.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}
