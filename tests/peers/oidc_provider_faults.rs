//! oidc-provider, or somebody between, gets it wrong: each mistake has its code, on the page and in the trace.

use integration::{Page, RelyingParty, Tenon, UserAgent, peers::OidcProvider, text};
use serde_json::json;

use crate::oidc_provider::{alice, connect};

async fn sign_in(fault: &str, algorithm: &str) -> (Tenon, RelyingParty, Page) {
    let options = json!({"people": {"alice": alice()}, "fault": fault, "algorithm": algorithm});
    let (tenon, provider) = tokio::join!(Tenon::start(), OidcProvider::start(options));
    connect(&tenon, &provider, "client_secret_basic").await;
    let app = RelyingParty::register(&tenon).await;
    let mut browser = UserAgent::new();
    let mut page = browser
        .get(&app.authorize_url("login_hint=alice@acme.example"))
        .await;
    if page.url.as_str().starts_with(provider.issuer()) {
        page = provider.sign_in(&mut browser, &page, "alice").await;
    }
    (tenon, app, page)
}

async fn refused(fault: &str, check: &str, code: &str) {
    for algorithm in ["RS256", "ES256"] {
        let (tenon, _, page) = sign_in(fault, algorithm).await;
        assert_eq!(page.tenon_error(), code, "{fault}");
        let api = tenon.api();
        let logins = api.get("/logins?outcome=failed").await.expect(200);
        let login = &logins["data"][0];
        assert_eq!(login["code"], code, "{fault}");
        let path = format!("/logins/{}", text(&login["id"]));
        let trace = api.get(&path).await.expect(200)["checks"].clone();
        let failed = trace.as_array().expect("a trace").iter();
        let failed: Vec<_> = failed.filter(|check| check["status"] == "failed").collect();
        assert_eq!(failed.len(), 1, "{fault}: {trace}");
        assert_eq!(
            (&failed[0]["check"], &failed[0]["code"]),
            (&json!(check), &json!(code)),
            "{fault}"
        );
        assert!(!text(&failed[0]["fix"]).is_empty(), "{fault}");
        let sessions = api.get("/sessions").await.expect(200);
        assert_eq!(sessions["data"], json!([]), "{fault} opened a session");
    }
}

#[tokio::test]
async fn a_token_of_another_login_provider_client_or_day_is_refused() {
    refused("wrong_nonce", "id_token", "nonce_mismatch").await;
    refused("wrong_issuer", "id_token", "issuer_mismatch").await;
    refused("wrong_audience", "id_token", "audience_mismatch").await;
    refused("expired", "id_token", "assertion_expired").await;
}

#[tokio::test]
async fn a_token_that_the_provider_did_not_sign_is_refused() {
    let forbidden = "signature_algorithm_forbidden";
    refused("algorithm_swap", "id_token", forbidden).await;
    refused("unsigned", "id_token", forbidden).await;
    refused("unpublished_key", "id_token", "signature_invalid").await;
}

#[tokio::test]
async fn an_answer_of_another_provider_is_refused() {
    refused("mixed_up", "id_token", "issuer_mismatch").await;
    refused("metadata_of_another", "discovery", "discovery_invalid").await;
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_named() {
    refused("metadata_down", "discovery", "idp_unreachable").await;
    refused("token_endpoint_down", "token_exchange", "idp_unreachable").await;
}

#[tokio::test]
async fn a_provider_that_is_slow_keeps_nobody_waiting() {
    refused("slow", "token_exchange", "idp_unreachable").await;
}

#[tokio::test]
async fn a_key_that_is_newer_than_our_copy_is_fetched_in_the_same_sign_in() {
    for algorithm in ["RS256", "ES256"] {
        let (_tenon, app, page) = sign_in("rotated_keys", algorithm).await;
        app.redeem(&page).await.expect(200);
    }
}
