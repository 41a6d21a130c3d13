//! Two replicas on one database agree on tokens at once (SECURITY-MODEL G18, G22). SQLite has one process, which
//! then gets both requests.

use integration::{RelyingParty, Tenon, text};

use crate::Scene;

/// The same client, at another replica.
fn at(replica: &Tenon, app: &RelyingParty) -> RelyingParty {
    RelyingParty {
        issuer: replica.url(),
        client_id: app.client_id.clone(),
        client_secret: app.client_secret.clone(),
    }
}

#[tokio::test]
async fn a_refresh_sent_to_both_replicas_gives_one_successor() {
    let scene = Scene::start().await;
    let replica = scene.tenon.replica().await;
    let there = at(replica.as_ref().unwrap_or(&scene.tenon), &scene.app);
    let mut tokens = scene.app.redeem(&scene.sign_in().await).await.expect(200);
    for _ in 0..5 {
        let (here, there) = tokio::join!(scene.app.refresh(&tokens), there.refresh(&tokens));
        let (here, there) = (here.expect(200), there.expect(200));
        assert_eq!(here["refresh_token"], there["refresh_token"]);
        assert_ne!(here["refresh_token"], tokens["refresh_token"]);
        tokens = here;
    }
    scene.app.userinfo(&tokens).await.expect(200);
}

#[tokio::test]
async fn what_one_replica_revokes_is_inactive_at_the_other() {
    let scene = Scene::start().await;
    let replica = scene.tenon.replica().await;
    let there = at(replica.as_ref().unwrap_or(&scene.tenon), &scene.app);
    let tokens = scene.app.redeem(&scene.sign_in().await).await.expect(200);
    let (access, refresh) = (
        text(&tokens["access_token"]),
        text(&tokens["refresh_token"]),
    );
    let active = async |token: &str| {
        let answer = there.call("/oauth/introspect", &[("token", token)]).await;
        answer.expect(200)["active"].clone()
    };
    assert_eq!(active(&access).await, true);
    assert_eq!(active(&refresh).await, true);

    let revoked = scene.app.call("/oauth/revoke", &[("token", &access)]).await;
    assert_eq!(revoked.status, 200);
    assert_eq!(active(&access).await, false);
    assert_eq!(there.userinfo(&tokens).await.status, 401);
    assert_eq!(active(&refresh).await, true);

    let revoked = scene
        .app
        .call("/oauth/revoke", &[("token", &refresh)])
        .await;
    assert_eq!(revoked.status, 200);
    assert_eq!(active(&refresh).await, false);
    let again = there.refresh(&tokens).await;
    assert_eq!(again.json["error"], "invalid_grant");
}
