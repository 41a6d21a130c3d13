use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::fake_idp::{ISSUER, Login, METADATA, Signer, noon};
use crate::{
    AttributeMapping, CheckName, CheckStatus, NormalizedIdentity, SpKeyPair, SpKeys,
    TokenEndpointAuthMethod,
};

async fn identity(login: &Login) -> NormalizedIdentity {
    let done = login.run().await;
    done.outcome
        .unwrap_or_else(|error| panic!("{}: {error}", error.code()))
}

#[tokio::test]
async fn a_person_signs_in() {
    let mut login = Login::new();
    for (name, value) in [
        ("email_verified", json!(true)),
        ("groups", json!(["Staff", "Board"])),
        ("acr", json!("phr")),
        ("amr", json!(["pwd", "otp"])),
        ("auth_time", json!(noon().timestamp() - 30)),
        ("sid", json!("session-1")),
    ] {
        login.idp.claims[name] = value;
    }
    let done = login.run().await;
    let reached = |check| {
        done.trace
            .checks
            .iter()
            .find(|c| c.check == check)
            .unwrap()
            .status
    };
    for check in [
        CheckName::Callback,
        CheckName::Discovery,
        CheckName::TokenExchange,
        CheckName::IdToken,
        CheckName::Subject,
    ] {
        assert_eq!(reached(check), CheckStatus::Passed, "{check:?}");
    }
    for gateways in [
        CheckName::Connection,
        CheckName::Email,
        CheckName::Browser,
        CheckName::User,
    ] {
        assert_eq!(reached(gateways), CheckStatus::NotReached, "{gateways:?}");
    }
    let person = done.outcome.unwrap();
    assert_eq!(
        (person.issuer.as_str(), person.subject.as_str()),
        (ISSUER, "u-1")
    );
    assert_eq!(person.email.as_deref(), Some("ada@acme.example"));
    assert_eq!(person.idp_email_verified, Some(true));
    assert_eq!(person.groups, ["Staff", "Board"]);
    assert_eq!((person.acr.as_deref(), person.amr.len()), (Some("phr"), 2));
    assert_eq!(person.session_index.as_deref(), Some("session-1"));
    assert_eq!(
        person.auth_time.unwrap().timestamp(),
        noon().timestamp() - 30
    );
    assert_eq!(person.raw_attributes["groups"], json!(["Staff", "Board"]));
    assert!(done.replay_ids.is_empty());
}

#[tokio::test]
async fn the_code_goes_out_once_with_its_verifier_and_the_client_s_secret() {
    let login = Login::new();
    identity(&login).await;
    let form = login.idp.token_form();
    let expected = [
        ("grant_type", "authorization_code"),
        ("code", "c-1"),
        ("redirect_uri", "https://tenon.example/oidc/conn_1/callback"),
        ("code_verifier", "v-1"),
    ];
    assert_eq!(
        form,
        expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    let requests = login.idp.requests.lock().unwrap();
    let request = requests.iter().find(|r| r.url.path() == "/token").unwrap();
    let (_, basic) = request
        .headers
        .iter()
        .find(|(name, _)| name == "authorization")
        .unwrap();
    let expected = format!("Basic {}", STANDARD.encode("tenon:s%3A%25%2F%C3%A4"));
    assert_eq!(*basic, expected);
    assert!(requests.iter().all(|r| r.max_response_bytes <= 1024 * 1024));
}

#[tokio::test]
async fn each_way_of_client_authentication_is_spoken() {
    let mut login = Login::new();
    let field = |login: &Login, name: &str| {
        login
            .idp
            .token_form()
            .into_iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value)
    };
    login.settings.token_endpoint_auth_method = TokenEndpointAuthMethod::ClientSecretPost;
    identity(&login).await;
    assert_eq!(field(&login, "client_secret").as_deref(), Some("s:%/ä"));

    login.settings.token_endpoint_auth_method = TokenEndpointAuthMethod::None;
    identity(&login).await;
    assert_eq!(field(&login, "client_id").as_deref(), Some("tenon"));
    assert_eq!(field(&login, "client_secret"), None);

    login.settings.token_endpoint_auth_method = TokenEndpointAuthMethod::ClientSecretBasic;
    login.idp.metadata["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]);
    identity(&login).await;
    assert!(
        field(&login, "client_secret").is_some(),
        "the provider takes only post"
    );
}

#[tokio::test]
async fn the_previous_secret_is_tried_where_the_current_one_is_refused() {
    for (status, error) in [(401, "unauthorized_client"), (400, "invalid_client")] {
        let mut login = Login::new();
        login.settings.token_endpoint_auth_method = TokenEndpointAuthMethod::ClientSecretPost;
        login.settings.previous_client_secret = Some("before".into());
        login.idp.takes_secret = Some(("before", status, error));
        let done = login.run().await;
        done.outcome.unwrap();
        assert_eq!(login.idp.asked("/token"), 2);
        let warned = done
            .trace
            .checks
            .iter()
            .find_map(|check| check.code.clone());
        assert_eq!(warned.as_deref(), Some("client_secret_refused"));

        login.idp.takes_secret = Some(("s:%/ä", status, error));
        login.run().await.outcome.unwrap();
        assert_eq!(login.idp.asked("/token"), 3);
        login.idp.takes_secret = Some(("neither", status, error));
        let refused = login.run().await.outcome.unwrap_err();
        assert_eq!(refused.code(), "token_exchange_failed");
    }
}

#[tokio::test]
async fn no_other_refusal_spends_the_code_twice() {
    let mut login = Login::new();
    login.settings.previous_client_secret = Some("before".into());
    let refusal = json!({"error": "invalid_grant"}).to_string();
    login.idp.answers = vec![("/token", 400, refusal)];
    login.run().await.outcome.unwrap_err();
    assert_eq!(login.idp.asked("/token"), 1);
}

#[tokio::test]
async fn private_key_jwt_is_signed_by_the_connection_s_key() {
    let key = Signer::rsa();
    let mut login = Login::new();
    login.settings.token_endpoint_auth_method = TokenEndpointAuthMethod::PrivateKeyJwt;
    let pair = SpKeyPair {
        private_key: key.pkcs8(),
        certificate: b"certificate".to_vec(),
    };
    login.sp_keys = SpKeys { pairs: vec![pair] };
    identity(&login).await;

    let form = login.idp.token_form();
    let (_, assertion) = form
        .iter()
        .find(|(name, _)| name == "client_assertion")
        .unwrap();
    assert!(!form.iter().any(|(name, _)| name == "client_secret"));
    let jwk = serde_json::from_value(key.jwk("client")).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    validation.set_audience(&["https://idp.example/token"]);
    validation.validate_exp = false;
    let key = jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap();
    let claims = jsonwebtoken::decode::<Value>(assertion, &key, &validation)
        .unwrap()
        .claims;
    assert_eq!(
        (claims["iss"].as_str(), claims["sub"].as_str()),
        (Some("tenon"), Some("tenon"))
    );
    assert_eq!(claims["exp"].as_i64(), Some(noon().timestamp() + 60));
}

#[tokio::test]
async fn the_published_key_is_the_one_that_signs() {
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048);
    let key = key.unwrap();
    let certificate = rcgen::CertificateParams::default()
        .self_signed(&key)
        .unwrap();
    let keys = SpKeys {
        pairs: vec![SpKeyPair {
            private_key: key.serialize_der(),
            certificate: certificate.der().to_vec(),
        }],
    };
    let mut login = Login::new();
    login.settings.token_endpoint_auth_method = TokenEndpointAuthMethod::PrivateKeyJwt;
    login.sp_keys = keys.clone();
    identity(&login).await;

    let published: Value = serde_json::from_str(&crate::oidc::public_keys(&keys)).unwrap();
    let jwk = &published["keys"][0];
    assert!(jwk.get("d").is_none() && jwk["use"] == "sig", "{published}");
    let form = login.idp.token_form();
    let assertion = form.iter().find(|(name, _)| name == "client_assertion");
    let assertion = &assertion.unwrap().1;
    let header = jsonwebtoken::decode_header(assertion).unwrap();
    assert_eq!(header.kid.as_deref(), jwk["kid"].as_str());
    let jwk = serde_json::from_value(jwk.clone()).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    validation.set_audience(&["https://idp.example/token"]);
    validation.validate_exp = false;
    let key = jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap();
    jsonwebtoken::decode::<Value>(assertion, &key, &validation).unwrap();
}

#[tokio::test]
async fn every_allowed_algorithm_verifies() {
    let rsa = || ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"].to_vec();
    let signers = [
        (Signer::p256(), vec!["ES256"]),
        (Signer::p384(), vec!["ES384"]),
        (Signer::ed25519(), vec!["EdDSA"]),
        (Signer::rsa(), rsa()),
    ];
    for (signer, algorithms) in signers {
        let mut login = Login::new();
        login.idp.keys = vec![signer.jwk("k1")];
        login.idp.signer = signer;
        for algorithm in algorithms {
            login.idp.header["alg"] = algorithm.into();
            identity(&login).await;
        }
    }
}

#[tokio::test]
async fn a_token_without_kid_is_tried_with_each_key_that_fits() {
    let mut login = Login::new();
    login.idp.header = json!({"alg": "ES256"});
    login.idp.keys.insert(0, Signer::p256().jwk("old"));
    login.idp.keys.insert(0, Signer::ed25519().jwk("other"));
    login.idp.keys.insert(0, json!({"kty": "EC", "use": "enc"}));
    identity(&login).await;
}

#[tokio::test]
async fn other_audiences_are_fine_when_azp_names_us() {
    let mut login = Login::new();
    login.idp.claims["aud"] = json!(["someone", "tenon"]);
    login.idp.claims["azp"] = "tenon".into();
    identity(&login).await;
    login.idp.claims["aud"] = json!(["tenon"]);
    identity(&login).await;
}

#[tokio::test]
async fn a_minute_between_the_clocks_is_bridged() {
    let mut login = Login::new();
    login.idp.claims["exp"] = (noon().timestamp() - 59).into();
    identity(&login).await;
    login.idp.claims["exp"] = (noon().timestamp() as f64 + 300.5).into();
    login.idp.claims["iat"] = (noon().timestamp() + 60).into();
    login.idp.claims["nbf"] = (noon().timestamp() + 60).into();
    identity(&login).await;
}

#[tokio::test]
async fn a_true_at_hash_and_a_young_authentication_pass() {
    let mut login = Login::new();
    let hash = digest::digest(&digest::SHA256, b"at-1");
    login.idp.claims["at_hash"] = URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]).into();
    let hash = digest::digest(&digest::SHA256, b"c-1");
    login.idp.claims["c_hash"] = URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]).into();
    login.idp.claims["auth_time"] = (noon().timestamp() - 300).into();
    login.expected.as_mut().unwrap().max_age = Some(300);
    identity(&login).await;
}

#[tokio::test]
async fn userinfo_fills_the_gaps_and_the_signed_token_wins() {
    let mut login = Login::new();
    login.idp.claims.as_object_mut().unwrap().remove("email");
    login.idp.userinfo = json!({
        "sub": "u-1", "email": "ada@acme.example", "email_verified": "true", "name": "Someone Else",
    });
    let person = identity(&login).await;
    assert_eq!(person.email.as_deref(), Some("ada@acme.example"));
    assert_eq!(person.idp_email_verified, Some(true));
    assert_eq!(person.name.as_deref(), Some("Ada Byron"));
    let requests = login.idp.requests.lock().unwrap();
    let bearer = (http::header::AUTHORIZATION, "Bearer at-1".to_owned());
    assert!(requests.last().unwrap().headers.contains(&bearer));
}

#[tokio::test]
async fn userinfo_is_asked_only_for_what_is_missing() {
    let mut login = Login::new();
    identity(&login).await;
    assert_eq!(login.idp.asked("/userinfo"), 0);
    login.settings.scopes = vec!["openid".into(), "groups".into()];
    login.idp.userinfo = json!({"sub": "u-1", "groups": "Staff"});
    assert_eq!(identity(&login).await.groups, ["Staff"]);
}

#[tokio::test]
async fn a_silent_userinfo_endpoint_is_a_warning() {
    let mut login = Login::new();
    login.idp.claims.as_object_mut().unwrap().remove("email");
    login.idp.down = vec!["/userinfo"];
    let done = login.run().await;
    assert_eq!(
        done.outcome.unwrap().email,
        None,
        "whether that is enough, the gateway decides"
    );
    let warned = &done.trace.checks[3];
    assert_eq!(
        (warned.check, warned.status),
        (CheckName::TokenExchange, CheckStatus::Warning)
    );
    assert_eq!(warned.code.as_deref(), Some("idp_unreachable"));
}

#[tokio::test]
async fn the_mapping_reads_nested_and_typed_claims() {
    let mut login = Login::new();
    login.settings.attribute_mapping = AttributeMapping {
        id: vec!["employee".into()],
        groups: vec!["realm_access.roles".into()],
        custom: [("contractor".to_owned(), vec!["contractor".to_owned()])].into(),
        ..AttributeMapping::default()
    };
    login.idp.claims["employee"] = 42.into();
    login.idp.claims["realm_access"] = json!({"roles": ["a", "b"]});
    login.idp.claims["contractor"] = false.into();
    let person = identity(&login).await;
    assert_eq!(
        (person.subject.as_str(), person.idp_subject.as_str()),
        ("42", "u-1")
    );
    assert_eq!(person.groups, ["a", "b"]);
    assert_eq!(person.attributes["contractor"], json!("false"));
}

#[tokio::test]
async fn an_authorization_response_with_the_right_issuer_passes() {
    let mut login = Login::new();
    login.iss = Some(ISSUER.into());
    login.idp.metadata["authorization_response_iss_parameter_supported"] = true.into();
    identity(&login).await;
}

#[tokio::test]
async fn the_second_login_asks_only_for_tokens() {
    let login = Login::new();
    let connector = login.connector();
    for _ in 0..3 {
        assert_eq!(login.code_with(&connector).await, "ok");
    }
    let asked = [METADATA, "/jwks", "/token"].map(|path| login.idp.asked(path));
    assert_eq!(asked, [1, 1, 3]);
}

#[tokio::test]
async fn logins_may_run_on_any_thread() {
    fn sendable<T: Send>(future: T) -> T {
        future
    }
    let login = Login::new();
    sendable(login.run()).await.outcome.unwrap();
}

/// A login at a provider whose issuer has a path of its own: everything of the fake one's, under another name.
fn at(saved: &str, published: &str, metadata_at: &'static str) -> Login {
    let mut login = Login::new();
    login.settings.issuer = saved.to_owned();
    login.idp.metadata["issuer"] = published.into();
    login.idp.claims["iss"] = published.into();
    let metadata = login.idp.metadata.to_string();
    login.idp.answers.push((metadata_at, 200, metadata));
    login
}

/// Metadata without `/v2.0` are those of v1, whose tokens the token service signs under a name of its own.
#[tokio::test]
async fn entra_signs_in_by_v1_and_v2_in_each_cloud() {
    const V1: &str = "/8a1f3f7c-0000-4000-8000-00000000000a/.well-known/openid-configuration";
    const V2: &str = "/8a1f3f7c-0000-4000-8000-00000000000a/v2.0/.well-known/openid-configuration";
    let clouds = [
        (
            "login.microsoftonline.com",
            "https://sts.windows.net/8a1f3f7c-0000-4000-8000-00000000000a/",
        ),
        (
            "login.microsoftonline.us",
            "https://sts.windows.net/8a1f3f7c-0000-4000-8000-00000000000a/",
        ),
        (
            "login.partner.microsoftonline.cn",
            "https://sts.chinacloudapi.cn/8a1f3f7c-0000-4000-8000-00000000000a/",
        ),
    ];
    for (host, token_service) in clouds {
        let own = format!("https://{host}/8a1f3f7c-0000-4000-8000-00000000000a/v2.0");
        let v1 = format!("https://{host}/8a1f3f7c-0000-4000-8000-00000000000a");
        for (saved, published, metadata_at) in [
            (own.as_str(), own.as_str(), V2),
            (&v1, token_service, V1),
            (token_service, token_service, V1),
        ] {
            let mut login = at(saved, published, metadata_at);
            login.settings.provider = Some("entra".to_owned());
            login.idp.claims["ver"] = if metadata_at == V1 { "1.0" } else { "2.0" }.into();
            login.idp.claims["tid"] = "8a1f3f7c-0000-4000-8000-00000000000a".into();
            login.idp.claims["oid"] = "o-1".into();
            let person = identity(&login).await;
            let named = (person.issuer.as_str(), person.subject.as_str());
            assert_eq!(named, (published, "o-1"), "{saved}");

            for (claim, value, code) in [
                ("tid", json!("t-2"), "tenant_mismatch"),
                (
                    "iss",
                    json!("https://sts.windows.net/t-2/"),
                    "issuer_mismatch",
                ),
                ("aud", json!("another"), "audience_mismatch"),
            ] {
                let before = login.idp.claims[claim].take();
                login.idp.claims[claim] = value;
                let refused = login.run().await.outcome.unwrap_err();
                assert_eq!(refused.code(), code, "{saved}: {claim}");
                login.idp.claims[claim] = before;
            }
        }
    }
}

#[tokio::test]
async fn okta_signs_in_by_its_org_server_and_by_a_custom_one() {
    const ORG: &str = "https://acme.okta.example";
    const CUSTOM: &str = "https://acme.okta.example/oauth2/aus1a2b3";
    for (issuer, metadata_at) in [
        (ORG, METADATA),
        (CUSTOM, "/oauth2/aus1a2b3/.well-known/openid-configuration"),
    ] {
        let mut login = at(issuer, issuer, metadata_at);
        login.settings.provider = Some("okta".to_owned());
        assert_eq!(identity(&login).await.issuer, issuer);
        // The two sign for each other's names in no token.
        let other = if issuer == ORG { CUSTOM } else { ORG };
        login.idp.claims["iss"] = other.into();
        let refused = login.run().await.outcome.unwrap_err();
        assert_eq!(refused.code(), "issuer_mismatch");
    }
}

/// OIDC Core 5.3.2: what a client registers for. Nobody asks for it here, and what comes unasked is not believed.
#[tokio::test]
async fn a_signed_userinfo_answer_is_left_alone_with_a_word_about_it() {
    let mut login = Login::new();
    login.idp.claims.as_object_mut().unwrap().remove("email");
    let signed = Login::new().idp.id_token();
    login.idp.answers = vec![("/userinfo", 200, signed)];
    let done = login.run().await;
    assert_eq!(done.outcome.unwrap().email, None);
    let warned = &done.trace.checks[3];
    assert_eq!(warned.status, CheckStatus::Warning);
    assert_eq!(warned.code.as_deref(), Some("token_exchange_failed"));
    let received = warned.received.as_deref().unwrap_or_default();
    assert!(received.contains("application/jwt"), "{received}");
}
