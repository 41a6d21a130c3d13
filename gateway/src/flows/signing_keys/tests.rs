//! Keys of the three algorithms: made once, published, verified by a stranger's library.

use std::str::FromStr as _;
use std::sync::Arc;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use super::*;
use crate::clock::SystemEntropy;
use crate::secrets::{EncryptionKey, KeyRing, Secret};
use crate::test_database::Database;

async fn open(database: &Database) -> SigningKeys {
    let store = database.store().await;
    let key = EncryptionKey {
        id: "k".to_owned(),
        key: Secret::new([7; 32]),
    };
    let vault = Vault::open(
        &store,
        KeyRing::new(&[key]).unwrap(),
        Arc::new(SystemEntropy),
    )
    .await
    .unwrap();
    SigningKeys::new(store, vault)
}

fn kids(keys: &KeySet) -> Vec<String> {
    keys.keys.iter().map(|key| key.kid.clone()).collect()
}

#[tokio::test]
async fn tokens_of_every_algorithm_verify_against_the_published_keys() {
    let database = Database::fresh().await;
    let keys = open(&database).await.current().await.unwrap();
    let published: JwkSet = serde_json::from_str(keys.jwks()).unwrap();
    assert_eq!(published.keys.len(), 3);
    for alg in SigningAlgorithm::ALL {
        let key = keys.active(alg).unwrap();
        let token = key
            .signing(|key| key.sign("JWT", &json!({ "sub": "somebody" })))
            .await
            .unwrap();
        let header = jsonwebtoken::decode_header(&token).unwrap();
        assert_eq!(header.typ.as_deref(), Some("JWT"));
        let jwk = published.find(header.kid.as_deref().unwrap()).unwrap();
        let algorithm = Algorithm::from_str(alg.as_str()).unwrap();
        let mut validation = Validation::new(algorithm);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        let key = DecodingKey::from_jwk(jwk).unwrap();
        let claims = jsonwebtoken::decode::<Value>(&token, &key, &validation)
            .unwrap()
            .claims;
        assert_eq!(claims["sub"], "somebody");
        let altered = token.replacen(".ey", ".eY", 1);
        assert!(jsonwebtoken::decode::<Value>(&altered, &key, &validation).is_err());
    }
}

#[tokio::test]
async fn the_key_id_is_the_thumbprint_and_nothing_private_is_published() {
    let database = Database::fresh().await;
    let keys = open(&database).await.current().await.unwrap();
    let published: Value = serde_json::from_str(keys.jwks()).unwrap();
    for jwk in published["keys"].as_array().unwrap() {
        let parsed: jsonwebtoken::jwk::Jwk = serde_json::from_value(jwk.clone()).unwrap();
        // The library has none for Ed25519: see the standard's example below.
        if let Ok(thumbprint) = parsed.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256) {
            assert_eq!(jwk["kid"], thumbprint);
        }
        assert_eq!(jwk["use"], "sig");
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert_eq!(jwk[private], Value::Null);
        }
    }
}

#[tokio::test]
async fn keys_are_made_once_whoever_starts_first() {
    let database = Database::fresh().await;
    let first = open(&database).await;
    let (one, other) = tokio::join!(first.current(), first.current());
    let one = one.unwrap();
    assert_eq!(kids(&one), kids(&other.unwrap()));
    // Another replica that made keys at the same moment finds these in their place.
    let second = open(&database).await;
    second
        .generate(SigningAlgorithm::ALL.to_vec())
        .await
        .unwrap();
    assert_eq!(kids(&second.current().await.unwrap()), kids(&one));
}

#[tokio::test]
async fn a_row_that_was_moved_or_altered_does_not_open() {
    let database = Database::fresh().await;
    let keys = open(&database).await;
    keys.current().await.unwrap();
    let stored = signing_keys::all(&keys.0.store.read()).await.unwrap();
    let moved = StoredSigningKey {
        private_key_sealed: stored[1].private_key_sealed.clone(),
        ..stored[0].clone()
    };
    assert!(matches!(keys.open(moved), Err(Error::Secret(_))));
}

#[test]
fn a_thumbprint_is_that_of_the_standard() {
    // RFC 8037 appendix A.3
    let material = KeyMaterial {
        alg: SigningAlgorithm::EdDsa,
        pkcs8: Vec::new().into(),
        public: json!({
            "crv": "Ed25519", "kty": "OKP", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        }),
    };
    assert_eq!(
        material.kid(),
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    );
}
