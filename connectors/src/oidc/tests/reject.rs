mod provider;
mod token;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::fake_idp::Login;
use crate::{CheckName, CheckStatus};
use provider::{CALLBACK, DISCOVERY, TOKEN_EXCHANGE};
use token::{CLAIMS, SIGNATURE, SUBJECT};

/// What is wrong, the code, the check that fails, and how it is made wrong.
type Case = (&'static str, &'static str, CheckName, fn(&mut Login));

async fn refused(cases: &[Case]) {
    for (what, code, check, change) in cases {
        let mut login = Login::new();
        change(&mut login);
        let done = login.run().await;
        let error = done.outcome.expect_err(what);
        assert_eq!(error.code(), *code, "{what}: {error}");
        let failed = done.trace.failure().expect(what);
        assert_eq!(
            (failed.check, failed.code.as_deref()),
            (*check, Some(*code)),
            "{what}"
        );
        assert!(!failed.fix.is_empty(), "{what}");
    }
}

#[tokio::test]
async fn a_callback_that_answers_no_request_of_ours_is_refused() {
    refused(CALLBACK).await;
}

#[tokio::test]
async fn a_provider_that_is_not_what_was_saved_is_refused() {
    refused(DISCOVERY).await;
}

#[tokio::test]
async fn a_code_without_tokens_signs_nobody_in() {
    refused(TOKEN_EXCHANGE).await;
}

#[tokio::test]
async fn a_token_that_no_published_key_signed_is_refused() {
    refused(SIGNATURE).await;
}

#[tokio::test]
async fn a_token_that_is_not_for_this_login_is_refused() {
    refused(CLAIMS).await;
}

#[tokio::test]
async fn a_token_without_the_person_is_refused() {
    refused(SUBJECT).await;
}

#[test]
fn every_oidc_code_of_the_contract_has_a_case() {
    let all = [
        CALLBACK,
        DISCOVERY,
        TOKEN_EXCHANGE,
        SIGNATURE,
        CLAIMS,
        SUBJECT,
    ]
    .concat();
    let tried: BTreeSet<&str> = all.iter().map(|(_, code, ..)| *code).collect();
    // `login_expired` is the gateway's: it alone knows how old a pending login is.
    let contract = "state_mismatch idp_error idp_unreachable token_exchange_failed token_invalid \
        signature_invalid signature_algorithm_forbidden issuer_mismatch audience_mismatch \
        nonce_mismatch assertion_expired tenant_mismatch discovery_invalid subject_missing";
    assert_eq!(tried, contract.split_whitespace().collect());
}

#[tokio::test]
async fn the_code_is_not_spent_while_something_before_it_is_wrong() {
    for (what, _, _, change) in [CALLBACK, DISCOVERY].concat() {
        let mut login = Login::new();
        change(&mut login);
        login.run().await.outcome.unwrap_err();
        assert_eq!(login.idp.asked("/token"), 0, "{what}");
    }
}

#[tokio::test]
async fn the_trace_says_what_was_expected_and_what_the_provider_said() {
    let mut login = Login::new();
    login.idp.claims["aud"] = json!(["another"]);
    let done = login.run().await;
    let failed = done.trace.failure().unwrap();
    assert_eq!(failed.expected.as_deref(), Some("tenon"));
    assert_eq!(failed.received.as_deref(), Some("another"));
    let before = done
        .trace
        .checks
        .iter()
        .take_while(|c| c.check != CheckName::IdToken)
        .skip(1);
    assert!(
        before
            .into_iter()
            .all(|check| check.status == CheckStatus::Passed)
    );

    let mut login = Login::new();
    login.error = Some(("access_denied", "The user is not assigned"));
    let done = login.run().await;
    let received = done.trace.failure().unwrap().received.clone();
    assert_eq!(
        received.as_deref(),
        Some("access_denied: The user is not assigned")
    );
}

#[tokio::test]
async fn no_secret_reaches_the_trace() {
    let mut login = Login::new();
    let echo = json!({"error": "invalid_client", "error_description": "unknown"});
    login.idp.answers = vec![("/token", 401, echo.to_string())];
    let trace = serde_json::to_value(login.run().await.trace).unwrap();
    let text = Value::to_string(&trace);
    for secret in ["s:%/ä", "c-1", "v-1", "n-1"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}
