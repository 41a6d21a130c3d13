//! Certified client libraries act as the application, unmodified.

use integration::{
    Idp, Tenon, UserAgent, claims,
    peers::{Application, Library},
    text,
};
use serde_json::{Value, json};

struct Case {
    library: Library,
    algorithm: &'static str,
    authentication: &'static str,
}

/// One sign-in with everything an application does: code, PKCE, id token checked against the JWKS, userinfo,
/// refresh.
async fn sign_in(case: &Case) {
    let (tenon, mut application) = tokio::join!(Tenon::start(), Application::start(case.library));
    let organization = tenon.api().organization("Acme", &["acme.example"]).await;
    let idp = Idp::start(&tenon, &["ada@acme.example"]).await;
    idp.saml_connection(&tenon, &organization, json!({})).await;
    let public = case.authentication == "none";
    let client = tenon
        .api()
        .application(json!({
            "name": "App",
            "redirect_uris": [application.redirect_uri()],
            "type": if public { "public" } else { "confidential" },
            "id_token_signing_alg": case.algorithm,
        }))
        .await;
    application.configure(&json!({
        "issuer": tenon.url(),
        "client_id": client["client_id"],
        "client_secret": client["client_secret"],
        "algorithm": case.algorithm,
        "authentication": case.authentication,
    }));

    let mut browser = UserAgent::new();
    let hint = format!(
        "organization_id={}&login_hint=ada@acme.example",
        text(&organization["id"])
    );
    let page = browser.get(&application.login_url(&hint)).await;
    let posting = idp
        .sign_in(&mut browser, &page, "ada@acme.example", None)
        .await;
    let page = browser.submit(&posting, posting.form()).await;

    assert_eq!(page.status, 200, "{}", page.body);
    let result: Value = serde_json::from_str(&page.body).expect("JSON");
    for claims in ["claims", "userinfo", "refreshed"] {
        assert_eq!(
            result[claims]["sub"], result["claims"]["sub"],
            "{claims} in {result}"
        );
        assert_eq!(
            result[claims]["email"], "ada@acme.example",
            "{claims} in {result}"
        );
        assert_eq!(
            result[claims]["org_id"], organization["id"],
            "{claims} in {result}"
        );
    }
    let token = text(&result["tokens"]["access_token"]);
    assert_eq!(claims(&json!(token))["aud"], client["client_id"]);
}

#[tokio::test]
async fn openid_client_signs_people_in() {
    for (algorithm, authentication) in [
        ("RS256", "client_secret_basic"),
        ("ES256", "client_secret_post"),
        ("RS256", "none"),
    ] {
        sign_in(&Case {
            library: Library::OpenidClient,
            algorithm,
            authentication,
        })
        .await;
    }
}

#[tokio::test]
async fn authlib_signs_people_in() {
    for (algorithm, authentication) in [
        ("RS256", "client_secret_basic"),
        ("ES256", "client_secret_post"),
        ("RS256", "none"),
    ] {
        sign_in(&Case {
            library: Library::Authlib,
            algorithm,
            authentication,
        })
        .await;
    }
}
