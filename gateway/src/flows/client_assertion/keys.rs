//! The public keys of applications: given with the application, or read from its `jwks_uri`.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use connectors::{HttpClient, HttpRequest};
use jsonwebtoken::{Algorithm, DecodingKey};
use moka::sync::Cache;
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use super::Read;
use crate::app::App;
use crate::model::Application;

/// How long a document that was read is believed.
const FRESH: TimeDelta = TimeDelta::minutes(5);
/// How long it helps out while it can't be read again.
const STALE: TimeDelta = TimeDelta::hours(24);
/// How often it is asked for at most, whoever presents keys that nobody knows.
const BETWEEN: TimeDelta = TimeDelta::minutes(1);
const MAX_DOCUMENT: usize = 64 * 1024;
const MAX_KEYS: usize = 32;
const CAPACITY: u64 = 1000;

/// The documents that this replica has read, by address.
#[derive(Clone)]
pub struct ClientKeys(Cache<String, Arc<Mutex<Document>>>);

#[derive(Default)]
struct Document {
    keys: Option<(Arc<Value>, DateTime<Utc>)>,
    tried_at: Option<DateTime<Utc>>,
}

impl Default for ClientKeys {
    fn default() -> Self {
        Self(Cache::new(CAPACITY))
    }
}

impl ClientKeys {
    /// Whether a key of the application made the signature.
    pub(super) async fn made(&self, app: &App, client: &Application, read: &Read<'_>) -> bool {
        if let Some(keys) = &client.jwks {
            return any_made(keys, read);
        }
        let Some(uri) = &client.jwks_uri else {
            return false;
        };
        let document = self.0.get_with(uri.clone(), Arc::default);
        // The lock makes one fetch of many: it lasts no longer than egress lets an answer take.
        let mut document = document.lock().await;
        let now = app.clock.now();
        let known = |document: &Document, age: TimeDelta| {
            let keys = document.keys.as_ref();
            keys.filter(|(_, at)| now - *at < age)
                .map(|(keys, _)| Arc::clone(keys))
        };
        if let Some(keys) = known(&document, FRESH)
            && any_made(&keys, read)
        {
            return true;
        }
        if document.tried_at.is_none_or(|at| now - at >= BETWEEN) {
            document.tried_at = Some(now);
            match fetch(app, uri).await {
                Ok(keys) => document.keys = Some((Arc::new(keys), now)),
                Err(reason) => {
                    tracing::warn!(client_id = %client.id, reason, "jwks_uri could not be read");
                }
            }
        }
        known(&document, STALE).is_some_and(|keys| any_made(&keys, read))
    }
}

async fn fetch(app: &App, uri: &str) -> Result<Value, String> {
    let request = HttpRequest {
        method: http::Method::GET,
        url: Url::parse(uri).map_err(|error| error.to_string())?,
        headers: vec![(http::header::ACCEPT, "application/json".to_owned())],
        body: Vec::new(),
        max_response_bytes: MAX_DOCUMENT,
    };
    let answer = HttpClient::send(&app.egress, request)
        .await
        .map_err(|failure| failure.to_string())?;
    if answer.status != http::StatusCode::OK {
        return Err(format!("it answers {}", answer.status));
    }
    serde_json::from_slice(&answer.body).map_err(|error| error.to_string())
}

/// Tries the keys that fit the assertion's algorithm and `kid`.
fn any_made(jwks: &Value, read: &Read<'_>) -> bool {
    let keys = jwks["keys"].as_array().map(Vec::as_slice);
    keys.unwrap_or_default()
        .iter()
        .take(MAX_KEYS)
        .filter(|key| match (&read.kid, key["kid"].as_str()) {
            (Some(named), Some(kid)) => named == kid,
            _ => true,
        })
        .filter_map(|key| fitting(key, read.algorithm))
        .any(|key| {
            let signed = read.signed.as_bytes();
            jsonwebtoken::crypto::verify(read.signature, signed, &key, read.algorithm)
                .unwrap_or(false)
        })
}

/// The key, if it is made for this algorithm: its own kind decides, not what the assertion says of itself.
fn fitting(key: &Value, algorithm: Algorithm) -> Option<DecodingKey> {
    let member = |name: &str| key[name].as_str();
    let bound = member("alg").is_none_or(|alg| super::algorithm(alg) == Some(algorithm));
    if !bound || member("use").is_some_and(|usage| usage != "sig") {
        return None;
    }
    let parsed = match (algorithm, member("kty")?, member("crv")) {
        (Algorithm::RS256 | Algorithm::PS256, "RSA", _) => {
            DecodingKey::from_rsa_components(member("n")?, member("e")?)
        }
        (Algorithm::ES256, "EC", Some("P-256")) => {
            DecodingKey::from_ec_components(member("x")?, member("y")?)
        }
        (Algorithm::EdDSA, "OKP", Some("Ed25519")) => DecodingKey::from_ed_components(member("x")?),
        _ => return None,
    };
    parsed.ok()
}
