//! A provider whose metadata and keys are not to be had.

use integration::{Idp, RelyingParty, UserAgent};
use serde_json::json;

use crate::acme;

async fn sign_in(idp: &Idp, app: &RelyingParty) {
    let mut browser = UserAgent::new();
    let page = browser
        .get(&app.authorize_url("login_hint=ada@acme.example"))
        .await;
    let landed = idp
        .sign_in(&mut browser, &page, "ada@acme.example", None)
        .await;
    app.redeem(&landed).await.expect(200);
}

#[tokio::test]
async fn a_restart_during_an_outage_of_the_provider_locks_nobody_out() {
    let (mut tenon, organization, idp) = acme().await;
    idp.oidc_connection(&tenon, &organization, json!({})).await;
    let app = RelyingParty::register(&tenon).await;
    // What the first one learned is written down while the second one goes on.
    sign_in(&idp, &app).await;
    sign_in(&idp, &app).await;
    idp.practice().hide_documents(true);
    tenon.terminate().await;
    tenon.restart().await;
    sign_in(&idp, &app).await;
    assert!(tenon.log().contains("the provider's last documents serve"));

    // A replica that never knew the provider, too.
    if let Some(replica) = tenon.replica().await {
        let elsewhere = RelyingParty {
            issuer: replica.url(),
            client_id: app.client_id.clone(),
            client_secret: app.client_secret.clone(),
        };
        let url = elsewhere.authorize_url("login_hint=ada@acme.example");
        let page = UserAgent::new().get(&url).await;
        assert_eq!(page.status, 200, "{}", page.body);
        assert!(page.url.as_str().starts_with(&idp.practice().oidc_issuer()));
    }
    idp.practice().hide_documents(false);
    sign_in(&idp, &app).await;
}

#[tokio::test]
async fn a_provider_that_was_never_reached_signs_nobody_in() {
    let (tenon, organization, idp) = acme().await;
    idp.practice().hide_documents(true);
    idp.oidc_connection(&tenon, &organization, json!({})).await;
    let app = RelyingParty::register(&tenon).await;
    let url = app.authorize_url("login_hint=ada@acme.example");
    let page = UserAgent::new().get(&url).await;
    assert_eq!(page.tenon_error(), "idp_unreachable");
    let page = UserAgent::new().get(&format!("{url}&prompt=none")).await;
    let error = page.query("error");
    assert_eq!(error.as_deref(), Some("temporarily_unavailable"));
}
