//! Signing keys rotate under the feet of those who use them (SECURITY-MODEL G26).

use std::sync::Arc;

use chrono::TimeDelta;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation};
use serde_json::Value;

use super::desk::{Desk, ISSUER, REDIRECT_URI, SECRET, VERIFIER, basic, payload};
use crate::ids::ApplicationId;
use crate::model::{Act, Cause, SigningAlgorithm};

fn kid(token: &Value) -> String {
    let header = jsonwebtoken::decode_header(token.as_str().unwrap()).unwrap();
    header.kid.unwrap()
}

impl Desk {
    /// What any replica's next look finds.
    async fn minute(&self) {
        self.app.signing_keys.tend().await.unwrap();
        self.app.store.refresh_routing().await.unwrap();
    }

    async fn published(&self) -> Vec<String> {
        let keys = self.get("/oauth/jwks").await.ok();
        let keys = keys["keys"].as_array().unwrap().iter();
        keys.map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect()
    }

    async fn tokens(&self) -> Value {
        self.redeem(&self.code().await).await.ok()
    }

    async fn is_in(&self, tokens: &Value) -> bool {
        let access = tokens["access_token"].as_str().unwrap();
        self.userinfo(access).await.status == 200
    }
}

#[tokio::test]
async fn a_key_is_published_a_day_before_it_signs_and_a_day_after() {
    let desk = Desk::open().await;
    let old = kid(&desk.tokens().await["id_token"]);
    desk.advance(TimeDelta::days(89) - TimeDelta::minutes(1));
    desk.minute().await;
    assert_eq!(desk.published().await.len(), 3);
    desk.advance(TimeDelta::minutes(1));
    desk.minute().await;
    desk.minute().await;
    assert_eq!(desk.published().await.len(), 6);
    assert_eq!(kid(&desk.tokens().await["id_token"]), old);
    desk.advance(TimeDelta::hours(24));
    let before = desk.tokens().await;
    let published = desk.published().await;
    desk.minute().await;
    let after = desk.tokens().await;
    assert_ne!(kid(&after["id_token"]), old);
    assert!(
        published.contains(&kid(&after["access_token"])),
        "announced"
    );
    assert!(desk.published().await.contains(&old));
    assert!(desk.is_in(&before).await && desk.is_in(&after).await);
    desk.advance(TimeDelta::hours(24));
    desk.minute().await;
    // A deployment's change makes every replica read again, as each does every minute anyway.
    let act = Act::new(
        "signing_keys.announced",
        "signing_keys",
        &Cause::system("test"),
    );
    desk.app.signing_keys.announce(act).await.unwrap();
    let published = desk.published().await;
    assert!(!published.contains(&old), "{published:?}");
    // A sign-out long after may still bring the id token as its hint.
    let hint = before["id_token"].as_str().unwrap();
    let out = desk
        .get(&format!("/oauth/logout?id_token_hint={hint}"))
        .await;
    assert_eq!(out.status, 200, "{}", out.text);
}

/// As an application's library checks it, with what `/oauth/jwks` has; only time is not looked at.
fn verify(token: &Value, keys: &JwkSet, client: ApplicationId) {
    let text = token.as_str().unwrap();
    let header = jsonwebtoken::decode_header(text).unwrap();
    let key = keys.find(header.kid.as_deref().unwrap());
    let key = DecodingKey::from_jwk(key.expect("its key is published")).unwrap();
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&[client]);
    validation.set_issuer(&[ISSUER]);
    validation.validate_exp = false;
    let claims = jsonwebtoken::decode::<Value>(text, &key, &validation).unwrap();
    assert_eq!(claims.claims, payload(token));
}

/// An application, and what its tokens are signed with.
async fn application(desk: &Desk, alg: SigningAlgorithm) -> ApplicationId {
    desk.application(|stored| stored.application.id_token_signing_alg = alg)
        .await
}

/// A sign-in with two refreshes of one application; what each answered.
async fn use_tokens(desk: Arc<Desk>, client: ApplicationId) -> Vec<Value> {
    let proof = basic(&client.to_string(), SECRET);
    let (code, _) = desk
        .code_with(|code, _| {
            code.application_id = client;
            code.expires_at.0 += TimeDelta::days(2);
        })
        .await;
    let redemption = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
    ];
    let mut answers = vec![desk.token_as(Some(&proof), &redemption).await.ok()];
    for turn in 0..2 {
        let token = answers[turn]["refresh_token"].as_str().unwrap();
        let grant = [("grant_type", "refresh_token"), ("refresh_token", token)];
        answers.push(desk.token_as(Some(&proof), &grant).await.ok());
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rotate_under_load() {
    let desk = Arc::new(Desk::open().await);
    let mut clients = Vec::new();
    for alg in SigningAlgorithm::ALL {
        clients.push(application(&desk, alg).await);
    }
    let act = || {
        Act::new(
            "signing_keys.announced",
            "signing_keys",
            &Cause::system("test"),
        )
    };
    let mut signed_by = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let load: Vec<_> = (0..36)
            .map(|number| {
                let client = clients[number % clients.len()];
                let work = use_tokens(Arc::clone(&desk), client);
                (client, tokio::spawn(work))
            })
            .collect();
        desk.app.signing_keys.announce(act()).await.unwrap();
        desk.advance(TimeDelta::hours(24));
        desk.minute().await;
        let mut answers = Vec::new();
        for (client, work) in load {
            answers.extend(
                work.await
                    .unwrap()
                    .into_iter()
                    .map(|answer| (client, answer)),
            );
        }
        let fresh = desk.tokens().await;
        assert!(desk.is_in(&fresh).await);
        let keys: JwkSet = serde_json::from_value(desk.get("/oauth/jwks").await.ok()).unwrap();
        for (client, answer) in &answers {
            for token in ["access_token", "id_token"] {
                verify(&answer[token], &keys, *client);
                signed_by.insert(kid(&answer[token]));
            }
        }
    }
    // Of each algorithm more than one key has signed meanwhile.
    let enough = 2 * SigningAlgorithm::ALL.len();
    assert!(signed_by.len() >= enough, "{signed_by:?}");
}

#[tokio::test]
async fn a_leaked_key_is_dead_at_once() {
    let desk = Desk::open().await;
    let before = desk.tokens().await;
    let act = Act::new(
        "signing_keys.revoked",
        "signing_keys",
        &Cause::system("test"),
    );
    desk.app.signing_keys.replace(act).await.unwrap();
    assert!(!desk.is_in(&before).await);
    assert!(!desk.published().await.contains(&kid(&before["id_token"])));
    // The session goes on: its refresh token is signed by no key.
    let after = desk.refresh(&before["refresh_token"]).await.ok();
    assert!(desk.is_in(&after).await);
}
