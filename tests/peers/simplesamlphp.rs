//! SimpleSAMLphp signs a person in over SAML: as it comes out of the box, and as careful administrators set it.

use integration::{Page, RelyingParty, Tenon, UserAgent, claims, peers::SimpleSamlPhp, text};
use serde_json::{Value, json};

async fn start() -> (Tenon, SimpleSamlPhp) {
    let attributes = json!({
        "uid": ["alice-1"],
        "email": ["alice@acme.example"],
        "givenName": ["Alice"],
        "sn": ["Berg & Söhne <AB>"],
        "groups": ["Engineering", "Support"],
    });
    tokio::join!(Tenon::start(), SimpleSamlPhp::start(attributes))
}

/// A connection that knows the IdP's metadata, and an IdP that knows the connection's.
async fn connect(tenon: &Tenon, idp: &SimpleSamlPhp, settings: Value) -> Value {
    let api = tenon.api();
    let organization = api.organization("Acme", &["acme.example"]).await;
    let mut saml = json!({"metadata_xml": idp.metadata().await});
    for (key, value) in settings.as_object().expect("an object") {
        saml[key] = value.clone();
    }
    let connection =
        json!({"name": "SimpleSAMLphp", "type": "saml", "saml": saml, "activate": true});
    let connection = api.connection(&organization, connection).await;
    let metadata = UserAgent::new()
        .get(&text(&connection["saml"]["sp"]["metadata_url"]))
        .await;
    assert_eq!(metadata.status, 200);
    idp.trust(&metadata.body);
    connection
}

async fn sign_in(app: &RelyingParty, idp: &SimpleSamlPhp) -> (Page, Page) {
    let mut browser = UserAgent::new();
    let page = browser
        .get(&app.authorize_url("login_hint=alice@acme.example"))
        .await;
    let posting = idp.sign_in(&mut browser, &page).await;
    let landed = browser.submit(&posting, posting.form()).await;
    (posting, landed)
}

#[tokio::test]
async fn simplesamlphp_signs_a_person_in() {
    let (tenon, idp) = start().await;
    let connection = connect(&tenon, &idp, json!({})).await;
    let app = RelyingParty::register(&tenon).await;
    for options in [
        json!({}),
        json!({"sign_response": true, "sign_assertion": false}),
        json!({"sign_response": false, "sign_assertion": true}),
    ] {
        idp.configure(options);
        let (_, landed) = sign_in(&app, &idp).await;
        let tokens = app.redeem(&landed).await.expect(200);
        let claims = claims(&tokens["id_token"]);
        assert_eq!(claims["email"], "alice@acme.example");
        assert_eq!(claims["given_name"], "Alice");
        assert_eq!(claims["family_name"], "Berg & Söhne <AB>");
        assert_eq!(claims["groups"], json!(["Engineering", "Support"]));
        assert_eq!(claims["idp_subject"], "alice-1");
        assert_eq!(claims["connection_id"], connection["id"]);
    }
}

#[tokio::test]
async fn simplesamlphp_accepts_our_signature_and_misses_it_where_it_asks_for_one() {
    let (tenon, idp) = start().await;
    let connection = connect(&tenon, &idp, json!({"sign_requests": true})).await;
    idp.configure(json!({"require_signed": true}));
    let app = RelyingParty::register(&tenon).await;
    let (_, landed) = sign_in(&app, &idp).await;
    app.redeem(&landed).await.expect(200);

    // That the IdP really looks: without the signature it shows an error page and no form.
    let path = format!("/connections/{}", text(&connection["id"]));
    tenon
        .api()
        .patch(&path, json!({"saml": {"sign_requests": false}}))
        .await
        .expect(200);
    let mut browser = UserAgent::new();
    let page = browser
        .get(&app.authorize_url("login_hint=alice@acme.example"))
        .await;
    assert!(!page.body.contains("name=\"username\""), "{}", page.body);
}

#[tokio::test]
async fn simplesamlphp_encrypts_for_us() {
    let (tenon, idp) = start().await;
    connect(&tenon, &idp, json!({"want_encrypted_assertions": true})).await;
    let app = RelyingParty::register(&tenon).await;
    idp.configure(json!({"encrypt": true}));
    let (posting, landed) = sign_in(&app, &idp).await;
    let response = posting.decoded("SAMLResponse");
    assert!(response.contains("<saml:EncryptedAssertion"), "{response}");
    assert!(!response.contains("alice@acme.example"), "{response}");
    let tokens = app.redeem(&landed).await.expect(200);
    assert_eq!(claims(&tokens["id_token"])["email"], "alice@acme.example");
}

#[tokio::test]
async fn metadata_by_url_serves_as_well() {
    let (tenon, idp) = start().await;
    let api = tenon.api();
    let organization = api.organization("Acme", &["acme.example"]).await;
    let saml = json!({"metadata_url": idp.metadata_url()});
    let connection =
        json!({"name": "SimpleSAMLphp", "type": "saml", "saml": saml, "activate": true});
    let connection = api.connection(&organization, connection).await;
    let metadata = UserAgent::new()
        .get(&text(&connection["saml"]["sp"]["metadata_url"]))
        .await;
    idp.trust(&metadata.body);
    let app = RelyingParty::register(&tenon).await;
    let (_, landed) = sign_in(&app, &idp).await;
    app.redeem(&landed).await.expect(200);
}
