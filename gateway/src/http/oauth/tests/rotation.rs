//! Signing keys rotate under the feet of those who use them (SECURITY-MODEL G26).

use chrono::TimeDelta;
use serde_json::Value;

use super::desk::Desk;
use crate::model::{Act, Cause};

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

#[tokio::test]
async fn rotate_under_load() {
    let desk = Desk::open().await;
    let act = || {
        Act::new(
            "signing_keys.announced",
            "signing_keys",
            &Cause::system("test"),
        )
    };
    for _ in 0..3 {
        let rotation = async {
            desk.app.signing_keys.announce(act()).await.unwrap();
            desk.advance(TimeDelta::hours(24));
            desk.minute().await;
        };
        let load = futures_util::future::join_all((0..12).map(|_| async {
            let (code, _) = desk
                .code_with(|code, _| code.expires_at.0 += TimeDelta::days(2))
                .await;
            let tokens = desk.redeem(&code).await.ok();
            desk.refresh(&tokens["refresh_token"]).await.ok()
        }));
        let (load, ()) = futures_util::future::join(load, rotation).await;
        let fresh = desk.tokens().await;
        assert!(desk.is_in(&fresh).await);
        let published = desk.published().await;
        for tokens in load {
            assert!(published.contains(&kid(&tokens["id_token"])));
        }
    }
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
