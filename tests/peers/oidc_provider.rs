//! oidc-provider signs a person in over OpenID Connect.

use gateway::clock::{Clock, SystemClock};
use integration::{RelyingParty, Tenon, UserAgent, claims, peers::OidcProvider, text};
use serde_json::{Value, json};

pub(crate) fn alice() -> Value {
    json!({
        "email": "alice@acme.example",
        "email_verified": true,
        "name": "Alice Berg",
        "given_name": "Alice",
        "family_name": "Berg",
        "groups": ["Engineering"],
    })
}

/// The order of real life: the connection tells its redirect URI, the IdP hands out a client, the connection gets it.
pub(crate) async fn connect(tenon: &Tenon, provider: &OidcProvider, authentication: &str) -> Value {
    let api = tenon.api();
    let organization = api.organization("Acme", &["acme.example"]).await;
    let oidc = json!({
        "issuer": provider.issuer(),
        "client_id": "not yet",
        "token_endpoint_auth_method": authentication,
    });
    let connection = json!({"name": "oidc-provider", "type": "oidc", "oidc": oidc});
    let connection = api.connection(&organization, connection).await;
    let redirect_uri = text(&connection["oidc"]["redirect_uri"]);
    let mut more = json!({
        "backchannel_logout_uri": connection["oidc"]["backchannel_logout_uri"],
        "backchannel_logout_session_required": true,
        "post_logout_redirect_uris": [connection["oidc"]["post_logout_redirect_uri"]],
    });
    if connection["oidc"]["jwks_uri"].is_string() {
        more["jwks_uri"] = connection["oidc"]["jwks_uri"].clone();
    }
    let client = provider
        .register_with(&redirect_uri, authentication, more)
        .await;

    let path = format!("/connections/{}", text(&connection["id"]));
    let oidc = json!({
        "client_id": client["client_id"],
        "client_secret": client["client_secret"],
    });
    api.patch(&path, json!({"oidc": oidc})).await.expect(200);
    api.post(&format!("{path}/activate"), json!({}))
        .await
        .expect(200)
}

async fn sign_in(options: Value, authentication: &str) {
    let (tenon, provider) = tokio::join!(Tenon::start(), OidcProvider::start(options));
    let connection = connect(&tenon, &provider, authentication).await;
    let app = RelyingParty::register(&tenon).await;
    let mut browser = UserAgent::new();
    let page = browser
        .get(&app.authorize_url("login_hint=alice@acme.example"))
        .await;
    assert_eq!(
        page.form().value("login"),
        "alice@acme.example",
        "login_hint was not forwarded"
    );
    let landed = provider.sign_in(&mut browser, &page, "alice").await;

    let tokens = app.redeem(&landed).await.expect(200);
    let claims = claims(&tokens["id_token"]);
    assert_eq!(claims["email"], "alice@acme.example");
    assert_eq!(claims["email_verified"], true);
    assert_eq!(claims["name"], "Alice Berg");
    assert_eq!(claims["groups"], json!(["Engineering"]));
    assert_eq!(claims["idp_subject"], "alice");
    assert_eq!(claims["connection_id"], connection["id"]);
}

#[tokio::test]
async fn oidc_provider_signs_a_person_in() {
    sign_in(json!({"people": {"alice": alice()}}), "client_secret_basic").await;
}

#[tokio::test]
async fn what_a_thin_id_token_leaves_out_is_asked_of_userinfo() {
    sign_in(
        json!({"people": {"alice": alice()}, "thin_tokens": true}),
        "client_secret_post",
    )
    .await;
}

#[tokio::test]
async fn a_key_of_ours_or_pkce_alone_stand_in_for_a_secret() {
    for authentication in ["private_key_jwt", "none"] {
        sign_in(json!({"people": {"alice": alice()}}), authentication).await;
    }
}

#[tokio::test]
async fn other_algorithms_than_rs256_are_fine() {
    for algorithm in ["ES256", "PS256"] {
        sign_in(
            json!({"people": {"alice": alice()}, "algorithm": algorithm}),
            "client_secret_basic",
        )
        .await;
    }
}

/// What the application wishes of the sign-in reaches the provider, and what the provider says of it comes back.
#[tokio::test]
async fn how_and_when_a_person_signed_in_reaches_the_application() {
    let options = json!({"people": {"alice": alice()}, "extra": ["acr", "amr"]});
    let (tenon, provider) = tokio::join!(Tenon::start(), OidcProvider::start(options));
    connect(&tenon, &provider, "client_secret_basic").await;
    let app = RelyingParty::register(&tenon).await;
    let mut browser = UserAgent::new();
    let wish = "login_hint=alice@acme.example&max_age=3600";
    let page = browser.get(&app.authorize_url(wish)).await;
    let landed = provider.sign_in(&mut browser, &page, "alice").await;
    let first = claims(&app.redeem(&landed).await.expect(200)["id_token"]);
    assert_eq!(first["acr"], "urn:example:password");
    assert_eq!(first["amr"], json!(["pwd"]));
    assert!(first["auth_time"].is_i64(), "{first}");

    // The provider still knows the browser, and asks for nothing unless it is told to.
    let known = browser.get(&app.authorize_url(wish)).await;
    let again = claims(&app.redeem(&known).await.expect(200)["id_token"]);
    assert_eq!(again["auth_time"], first["auth_time"]);
    assert_ne!(again["sid"], first["sid"]);
    let anew = app.authorize_url("login_hint=alice@acme.example&prompt=login");
    let page = browser.get(&anew).await;
    let landed = provider.sign_in(&mut browser, &page, "alice").await;
    app.redeem(&landed).await.expect(200);
}

#[tokio::test]
async fn our_session_ends_when_the_providers_does() {
    let soon = SystemClock.now().timestamp() + 3600;
    let mut person = alice();
    person["session_expiry"] = soon.into();
    let options = json!({"people": {"alice": person}, "extra": ["session_expiry"]});
    let (tenon, provider) = tokio::join!(Tenon::start(), OidcProvider::start(options));
    connect(&tenon, &provider, "client_secret_basic").await;
    let app = RelyingParty::register(&tenon).await;
    let mut browser = UserAgent::new();
    let page = browser
        .get(&app.authorize_url("login_hint=alice@acme.example"))
        .await;
    let landed = provider.sign_in(&mut browser, &page, "alice").await;
    app.redeem(&landed).await.expect(200);
    let sessions = tenon.api().get("/sessions").await.expect(200);
    let until = text(&sessions["data"][0]["expires_at"]);
    let until: chrono::DateTime<chrono::Utc> = until.parse().expect("a time");
    assert_eq!(until.timestamp(), soon);
}

#[tokio::test]
async fn a_person_who_says_no_sends_the_providers_error() {
    let options = json!({"people": {"alice": alice()}, "refuse": true});
    let (tenon, provider) = tokio::join!(Tenon::start(), OidcProvider::start(options));
    connect(&tenon, &provider, "client_secret_basic").await;
    let app = RelyingParty::register(&tenon).await;
    let page = UserAgent::new()
        .get(&app.authorize_url("login_hint=alice@acme.example"))
        .await;
    // Either the page, or the application hears it as a person's refusal (CONTRACT section 4).
    if page.url.as_str().starts_with(RelyingParty::REDIRECT_URI) {
        assert_eq!(page.query("error").as_deref(), Some("access_denied"));
        assert!(
            page.query("error_description")
                .is_some_and(|text| text.contains("idp_error"))
        );
    } else {
        assert_eq!(page.tenon_error(), "idp_error");
    }
}
