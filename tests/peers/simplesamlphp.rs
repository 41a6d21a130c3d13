//! SimpleSAMLphp signs a person in over SAML: as it comes out of the box, and as careful administrators set it.

use integration::{Page, RelyingParty, Sink, Tenon, UserAgent, claims, peers::SimpleSamlPhp, text};
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
    let more = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha";
    for options in [
        json!({}),
        json!({"sign_response": true, "sign_assertion": false}),
        json!({"sign_response": false, "sign_assertion": true}),
        json!({"encrypt": true}),
        json!({"encrypt": true, "sign_response": true, "sign_assertion": false}),
        json!({"encrypt": true, "sign_response": false, "sign_assertion": true}),
        json!({"signature_algorithm": format!("{more}384")}),
        json!({"signature_algorithm": format!("{more}512"), "encrypt": true}),
        json!({"encrypt_name_id": true}),
        json!({"encrypt_name_id": true, "encrypt": true, "sign_response": false}),
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
async fn simplesamlphp_takes_a_posted_request_with_its_signature_inside() {
    let (tenon, idp) = start().await;
    let settings = json!({"sso_binding": "post", "sign_requests": true});
    connect(&tenon, &idp, settings).await;
    idp.configure(json!({"require_signed": true}));
    let app = RelyingParty::register(&tenon).await;
    let mut browser = UserAgent::new();
    for more in ["", "&prompt=login", "&max_age=60"] {
        let url = app.authorize_url(&format!("login_hint=alice@acme.example{more}"));
        let page = browser.get(&url).await;
        assert!(page.decoded("SAMLRequest").contains("<ds:Signature "));
        let page = browser.submit(&page, page.form()).await;
        let posting = idp.sign_in(&mut browser, &page).await;
        let landed = browser.submit(&posting, posting.form()).await;
        app.redeem(&landed).await.expect(200);
    }
    // It shows no page to a browser that nobody is signed in with, and says so.
    let url = app.authorize_url("login_hint=alice@acme.example&prompt=none");
    let mut browser = UserAgent::new();
    let page = browser.get(&url).await;
    let posting = browser.submit(&page, page.form()).await;
    let landed = browser.submit(&posting, posting.form()).await;
    assert_eq!(landed.query("error").as_deref(), Some("login_required"));
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

#[tokio::test]
async fn simplesamlphp_rolls_its_key_over_and_no_login_fails() {
    let (tenon, idp) = start().await;
    let settings = json!({"metadata_url": idp.metadata_url()});
    let connection = connect(&tenon, &idp, settings).await;
    let app = RelyingParty::register(&tenon).await;
    let refresh = format!("/connections/{}/refresh_metadata", text(&connection["id"]));
    for rollover in ["", "announced", "done"] {
        idp.configure(json!({"rollover": rollover}));
        let (_, landed) = sign_in(&app, &idp).await;
        app.redeem(&landed).await.expect(200);
        tenon.api().post(&refresh, json!({})).await.expect(200);
        let (_, landed) = sign_in(&app, &idp).await;
        app.redeem(&landed).await.expect(200);
    }
}

#[tokio::test]
async fn simplesamlphp_may_sign_with_sha1_where_the_connection_says_so() {
    let (tenon, idp) = start().await;
    let connection = connect(&tenon, &idp, json!({})).await;
    let sha1 = "http://www.w3.org/2000/09/xmldsig#rsa-sha1";
    idp.configure(json!({"signature_algorithm": sha1}));
    let app = RelyingParty::register(&tenon).await;
    let (_, refused) = sign_in(&app, &idp).await;
    assert_eq!(refused.tenon_error(), "signature_algorithm_forbidden");
    let path = format!("/connections/{}", text(&connection["id"]));
    let api = tenon.api();
    api.patch(&path, json!({"saml": {"allow_sha1": true}}))
        .await
        .expect(200);
    let (_, landed) = sign_in(&app, &idp).await;
    app.redeem(&landed).await.expect(200);
    let logins = api.get("/logins?outcome=succeeded").await.expect(200);
    let login = format!("/logins/{}", text(&logins["data"][0]["id"]));
    let checks = api.get(&login).await.expect(200)["checks"].clone();
    let signature = checks.as_array().expect("checks");
    let signature = signature.iter().find(|check| check["check"] == "signature");
    assert_eq!(
        signature.expect("the check")["status"],
        "warning",
        "{checks}"
    );
}

#[tokio::test]
async fn a_logout_that_a_new_key_signed_is_believed_once_the_metadata_says_so() {
    let (tenon, idp) = start().await;
    let settings = json!({"metadata_url": idp.metadata_url()});
    connect(&tenon, &idp, settings).await;
    let app = RelyingParty::register(&tenon).await;
    let (mut browser, tokens) = signed_in(&app, &idp).await;
    idp.configure(json!({"rollover": "done"}));
    let page = browser.get(&idp.logout_url()).await;
    assert_eq!(page.url.as_str(), idp.metadata_url(), "{}", page.body);
    assert_eq!(app.userinfo(&tokens).await.status, 401);
}

/// Our metadata without the single logout by redirect.
fn by_post_alone(metadata: &str) -> String {
    const REDIRECT: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";
    let (start, rest) = metadata.split_once("<md:SingleLogoutService").expect("one");
    let (first, rest) = rest.split_once("/>").expect("its end");
    let (between, second) = rest.split_once("<md:SingleLogoutService").expect("two");
    let (second, end) = second.split_once("/>").expect("its end");
    let post = if first.contains(REDIRECT) {
        second
    } else {
        first
    };
    assert!(!post.contains(REDIRECT), "{metadata}");
    format!("{start}{between}<md:SingleLogoutService{post}/>{end}")
}

#[tokio::test]
async fn single_logout_goes_by_post_both_ways() {
    const GOODBYE: &str = "https://app.example/goodbye";
    let (tenon, idp) = start().await;
    let connection = connect(&tenon, &idp, json!({})).await;
    let sp = &connection["saml"]["sp"];
    let ours = UserAgent::new().get(&text(&sp["metadata_url"])).await;
    idp.trust(&by_post_alone(&ours.body));
    let path = format!("/connections/{}", text(&connection["id"]));
    let changed = json!({"saml": {"slo_binding": "post"}});
    tenon.api().patch(&path, changed).await.expect(200);
    let application = json!({
        "name": "App",
        "redirect_uris": [RelyingParty::REDIRECT_URI],
        "post_logout_redirect_uris": [GOODBYE],
    });
    let app = RelyingParty::register_with(&tenon, application).await;

    let (mut browser, tokens) = signed_in(&app, &idp).await;
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("id_token_hint", &text(&tokens["id_token"]))
        .append_pair("post_logout_redirect_uri", GOODBYE)
        .finish();
    let asking = browser
        .get(&format!("{}/oauth/logout?{query}", tenon.url()))
        .await;
    assert!(asking.decoded("SAMLRequest").contains("LogoutRequest"));
    let answering = browser.submit(&asking, asking.form()).await;
    assert!(answering.decoded("SAMLResponse").contains("LogoutResponse"));
    let page = browser.submit(&answering, answering.form()).await;
    assert_eq!(page.url.as_str(), GOODBYE);
    assert_eq!(app.userinfo(&tokens).await.status, 401);

    let (mut browser, tokens) = signed_in(&app, &idp).await;
    let asking = browser.get(&idp.logout_url()).await;
    assert!(asking.decoded("SAMLRequest").contains("LogoutRequest"));
    let answering = browser.submit(&asking, asking.form()).await;
    assert!(answering.decoded("SAMLResponse").contains("LogoutResponse"));
    assert_eq!(app.userinfo(&tokens).await.status, 401);
    let page = browser.submit(&answering, answering.form()).await;
    assert_eq!(page.url.as_str(), idp.metadata_url(), "{}", page.body);
}

/// A browser that is signed in, and the tokens of the application.
async fn signed_in(app: &RelyingParty, idp: &SimpleSamlPhp) -> (UserAgent, Value) {
    let mut browser = UserAgent::new();
    let page = browser
        .get(&app.authorize_url("login_hint=alice@acme.example"))
        .await;
    let posting = idp.sign_in(&mut browser, &page).await;
    let landed = browser.submit(&posting, posting.form()).await;
    let tokens = app.redeem(&landed).await.expect(200);
    (browser, tokens)
}

#[tokio::test]
async fn who_signs_out_of_the_application_is_signed_out_of_simplesamlphp() {
    const GOODBYE: &str = "https://app.example/goodbye";
    let (tenon, idp) = start().await;
    connect(&tenon, &idp, json!({})).await;
    let application = json!({
        "name": "App",
        "redirect_uris": [RelyingParty::REDIRECT_URI],
        "post_logout_redirect_uris": [GOODBYE],
    });
    let app = RelyingParty::register_with(&tenon, application).await;
    let (mut browser, tokens) = signed_in(&app, &idp).await;
    // Another sign-in is silent while the IdP remembers her.
    let again = browser
        .get(&app.authorize_url("login_hint=alice@acme.example"))
        .await;
    assert!(again.body.contains("SAMLResponse"), "{}", again.body);
    let landed = browser.submit(&again, again.form()).await;
    let sibling = app.redeem(&landed).await.expect(200);

    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("id_token_hint", &text(&tokens["id_token"]))
        .append_pair("post_logout_redirect_uri", GOODBYE)
        .append_pair("state", "bye")
        .finish();
    let page = browser
        .get(&format!("{}/oauth/logout?{query}", tenon.url()))
        .await;
    assert_eq!(page.url.as_str(), format!("{GOODBYE}?state=bye"));
    assert_eq!(app.userinfo(&tokens).await.status, 401);
    assert_eq!(app.userinfo(&sibling).await.status, 401);
    let page = browser
        .get(&app.authorize_url("login_hint=alice@acme.example"))
        .await;
    assert!(page.body.contains("name=\"username\""), "{}", page.body);
}

#[tokio::test]
async fn who_signs_out_of_simplesamlphp_is_signed_out_of_the_application() {
    let (tenon, idp) = start().await;
    connect(&tenon, &idp, json!({})).await;
    let mut sink = Sink::start().await;
    let application = json!({
        "name": "App",
        "redirect_uris": [RelyingParty::REDIRECT_URI],
        "backchannel_logout_uri": sink.url(),
    });
    let app = RelyingParty::register_with(&tenon, application).await;
    let (mut browser, tokens) = signed_in(&app, &idp).await;
    let (_, of_another_browser) = signed_in(&app, &idp).await;

    let page = browser.get(&idp.logout_url()).await;
    assert_eq!(page.url.as_str(), idp.metadata_url(), "{}", page.body);
    assert_eq!(app.userinfo(&tokens).await.status, 401);
    app.userinfo(&of_another_browser).await.expect(200);
    let told = sink.next().await;
    assert!(told.body.starts_with(b"logout_token="), "{:?}", told.body);
}
