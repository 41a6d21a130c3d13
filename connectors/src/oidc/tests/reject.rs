use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::fake_idp::{Login, METADATA, Signer, noon};
use crate::{AttributeMapping, CheckName, CheckStatus};

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

const CALLBACK: &[Case] = &[
    ("no state", "state_mismatch", CheckName::Callback, |l| {
        l.state = None
    }),
    (
        "another state",
        "state_mismatch",
        CheckName::Callback,
        |l| l.state = Some("s-2".into()),
    ),
    (
        "an unsolicited code",
        "state_mismatch",
        CheckName::Callback,
        |l| l.expected = None,
    ),
    ("a refusal", "idp_error", CheckName::Callback, |l| {
        l.error = Some(("access_denied", "AADSTS50105: not assigned"));
    }),
    (
        "a refusal while the provider is down",
        "idp_error",
        CheckName::Callback,
        |l| {
            l.error = Some(("access_denied", ""));
            l.idp.down = vec![METADATA];
        },
    ),
    (
        "neither code nor error",
        "idp_error",
        CheckName::Callback,
        |l| l.code = None,
    ),
    ("an empty code", "idp_error", CheckName::Callback, |l| {
        l.code = Some(String::new())
    }),
    (
        "a code of another provider",
        "issuer_mismatch",
        CheckName::IdToken,
        |l| {
            l.iss = Some("https://evil.example".into());
        },
    ),
    (
        "an issuer with a slash more",
        "issuer_mismatch",
        CheckName::IdToken,
        |l| {
            l.iss = Some("https://idp.example/".into());
        },
    ),
    (
        "an error of another provider",
        "issuer_mismatch",
        CheckName::IdToken,
        |l| {
            l.iss = Some("https://evil.example".into());
            l.error = Some(("access_denied", ""));
        },
    ),
    (
        "no issuer where one is promised",
        "issuer_mismatch",
        CheckName::IdToken,
        |l| {
            l.idp.metadata["authorization_response_iss_parameter_supported"] = true.into();
        },
    ),
];

const DISCOVERY: &[Case] = &[
    (
        "metadata that don't come",
        "idp_unreachable",
        CheckName::Discovery,
        |l| {
            l.idp.down = vec![METADATA];
        },
    ),
    (
        "keys that don't come",
        "idp_unreachable",
        CheckName::Discovery,
        |l| l.idp.down = vec!["/jwks"],
    ),
    (
        "a proxy's 503",
        "idp_unreachable",
        CheckName::Discovery,
        |l| {
            l.idp.answers = vec![(METADATA, 503, String::new())];
        },
    ),
    ("a 404", "discovery_invalid", CheckName::Discovery, |l| {
        l.idp.answers = vec![(METADATA, 404, "no such page".into())];
    }),
    (
        "a redirect",
        "discovery_invalid",
        CheckName::Discovery,
        |l| {
            l.idp.answers = vec![(METADATA, 302, "https://www.idp.example/".into())];
        },
    ),
    (
        "an HTML page",
        "discovery_invalid",
        CheckName::Discovery,
        |l| {
            l.idp.answers = vec![(METADATA, 200, "<html>Sign in</html>".into())];
        },
    ),
    (
        "metadata without end",
        "discovery_invalid",
        CheckName::Discovery,
        |l| {
            l.idp.answers = vec![(METADATA, 200, " ".repeat(256 * 1024 + 1))];
        },
    ),
    (
        "another issuer",
        "discovery_invalid",
        CheckName::Discovery,
        |l| {
            l.idp.metadata["issuer"] = "https://idp.example/".into();
        },
    ),
    (
        "a token endpoint over http",
        "discovery_invalid",
        CheckName::Discovery,
        |l| {
            l.idp.metadata["token_endpoint"] = "http://idp.example/token".into();
        },
    ),
    (
        "keys that are none",
        "discovery_invalid",
        CheckName::Discovery,
        |l| {
            l.idp.answers = vec![("/jwks", 200, "{}".into())];
        },
    ),
];

const TOKEN_EXCHANGE: &[Case] = &[
    (
        "a token endpoint that is down",
        "idp_unreachable",
        CheckName::TokenExchange,
        |l| {
            l.idp.down = vec!["/token"];
        },
    ),
    (
        "a wrong secret",
        "token_exchange_failed",
        CheckName::TokenExchange,
        |l| {
            l.idp.answers = vec![(
                "/token",
                401,
                json!({"error": "invalid_client"}).to_string(),
            )];
        },
    ),
    (
        "an error with status 200",
        "token_exchange_failed",
        CheckName::TokenExchange,
        |l| {
            l.idp.answers = vec![("/token", 200, json!({"error": "invalid_grant"}).to_string())];
        },
    ),
    (
        "a broken token endpoint",
        "token_exchange_failed",
        CheckName::TokenExchange,
        |l| {
            l.idp.answers = vec![("/token", 500, "<html>".into())];
        },
    ),
    (
        "an answer that is no JSON",
        "token_exchange_failed",
        CheckName::TokenExchange,
        |l| {
            l.idp.answers = vec![("/token", 200, "<html>".into())];
        },
    ),
    (
        "an answer without end",
        "token_exchange_failed",
        CheckName::TokenExchange,
        |l| {
            l.idp.answers = vec![("/token", 200, " ".repeat(1024 * 1024 + 1))];
        },
    ),
    (
        "an answer without ID token",
        "token_invalid",
        CheckName::IdToken,
        |l| {
            l.idp.answers = vec![("/token", 200, json!({"access_token": "at-1"}).to_string())];
        },
    ),
    (
        "an encrypted ID token",
        "token_invalid",
        CheckName::IdToken,
        |l| {
            l.idp.answers = vec![("/token", 200, json!({"id_token": "a.b.c.d.e"}).to_string())];
        },
    ),
];

const SIGNATURE: &[Case] = &[
    (
        "alg none",
        "signature_algorithm_forbidden",
        CheckName::IdToken,
        |l| {
            l.idp.header = json!({"alg": "none"});
            l.idp.signer = Signer::Nobody;
        },
    ),
    (
        "the public key as HMAC secret",
        "signature_algorithm_forbidden",
        CheckName::IdToken,
        |l| {
            l.idp.header["alg"] = "HS256".into();
            l.idp.signer = Signer::Hmac(l.idp.keys[0].to_string().into_bytes());
        },
    ),
    (
        "the client secret as HMAC secret",
        "signature_algorithm_forbidden",
        CheckName::IdToken,
        |l| {
            l.idp.header["alg"] = "HS256".into();
            l.idp.signer = Signer::Hmac(b"s:%/".to_vec());
        },
    ),
    (
        "no signature",
        "signature_invalid",
        CheckName::IdToken,
        |l| l.idp.signer = Signer::Nobody,
    ),
    (
        "a stranger's key",
        "signature_invalid",
        CheckName::IdToken,
        |l| {
            l.idp.signer = Signer::p256();
        },
    ),
    (
        "a stranger's key in the header",
        "signature_invalid",
        CheckName::IdToken,
        |l| {
            l.idp.signer = Signer::p256();
            l.idp.header = json!({"alg": "ES256", "jwk": l.idp.signer.jwk("k1")});
        },
    ),
    (
        "another algorithm than the key's",
        "signature_invalid",
        CheckName::IdToken,
        |l| {
            l.idp.header["alg"] = "RS256".into();
        },
    ),
    (
        "an algorithm the key doesn't allow",
        "signature_invalid",
        CheckName::IdToken,
        |l| {
            l.idp.signer = Signer::rsa();
            l.idp.keys = vec![l.idp.signer.jwk("k1")];
            l.idp.keys[0]["alg"] = "RS256".into();
            l.idp.header["alg"] = "PS256".into();
        },
    ),
    (
        "an encryption key",
        "signature_invalid",
        CheckName::IdToken,
        |l| {
            l.idp.keys[0]["use"] = "enc".into();
        },
    ),
    (
        "an access token",
        "token_invalid",
        CheckName::IdToken,
        |l| {
            l.idp.header["typ"] = "at+jwt".into();
        },
    ),
];

const CLAIMS: &[Case] = &[
    (
        "another issuer",
        "issuer_mismatch",
        CheckName::IdToken,
        |l| {
            l.idp.claims["iss"] = "https://evil.example".into();
        },
    ),
    ("no issuer", "issuer_mismatch", CheckName::IdToken, |l| {
        remove(l, "iss")
    }),
    (
        "another client's token",
        "audience_mismatch",
        CheckName::IdToken,
        |l| {
            l.idp.claims["aud"] = json!(["another"]);
        },
    ),
    (
        "another audience without azp",
        "audience_mismatch",
        CheckName::IdToken,
        |l| {
            l.idp.claims["aud"] = json!(["tenon", "another"]);
        },
    ),
    (
        "another party's azp",
        "audience_mismatch",
        CheckName::IdToken,
        |l| {
            l.idp.claims["azp"] = "another".into();
        },
    ),
    ("no audience", "token_invalid", CheckName::IdToken, |l| {
        remove(l, "aud")
    }),
    (
        "an expired token",
        "assertion_expired",
        CheckName::IdToken,
        |l| {
            l.idp.claims["exp"] = (noon().timestamp() - 60).into();
        },
    ),
    ("no exp", "token_invalid", CheckName::IdToken, |l| {
        remove(l, "exp")
    }),
    (
        "an exp that is no time",
        "token_invalid",
        CheckName::IdToken,
        |l| {
            l.idp.claims["exp"] = json!(1e300);
        },
    ),
    (
        "a token from the future",
        "token_invalid",
        CheckName::IdToken,
        |l| {
            l.idp.claims["iat"] = (noon().timestamp() + 61).into();
        },
    ),
    (
        "a token of last week",
        "token_invalid",
        CheckName::IdToken,
        |l| {
            l.idp.claims["iat"] = (noon().timestamp() - 7 * 86_400).into();
        },
    ),
    ("no iat", "token_invalid", CheckName::IdToken, |l| {
        remove(l, "iat")
    }),
    (
        "a token for later",
        "token_invalid",
        CheckName::IdToken,
        |l| {
            l.idp.claims["nbf"] = (noon().timestamp() + 61).into();
        },
    ),
    (
        "another login's nonce",
        "nonce_mismatch",
        CheckName::IdToken,
        |l| {
            l.idp.claims["nonce"] = "n-2".into();
        },
    ),
    ("no nonce", "nonce_mismatch", CheckName::IdToken, |l| {
        remove(l, "nonce")
    }),
    (
        "another access token's hash",
        "token_invalid",
        CheckName::IdToken,
        |l| {
            l.idp.claims["at_hash"] = "AAAAAAAAAAAAAAAAAAAAAA".into();
        },
    ),
    (
        "an old authentication",
        "assertion_expired",
        CheckName::IdToken,
        |l| {
            l.expected.as_mut().unwrap().max_age = Some(60);
            l.idp.claims["auth_time"] = (noon().timestamp() - 120).into();
        },
    ),
    (
        "an authentication of unknown age",
        "token_invalid",
        CheckName::IdToken,
        |l| {
            l.expected.as_mut().unwrap().max_age = Some(60);
        },
    ),
    (
        "another Entra tenant",
        "tenant_mismatch",
        CheckName::IdToken,
        |l| {
            l.settings.provider = Some("entra".into());
            l.settings.tenant = Some("t-1".into());
            l.idp.claims["tid"] = "t-2".into();
        },
    ),
    (
        "a private Google account",
        "tenant_mismatch",
        CheckName::IdToken,
        |l| {
            l.settings.provider = Some("google".into());
            l.settings.tenant = Some("acme.example".into());
            l.idp.claims["tid"] = "acme.example".into();
        },
    ),
    (
        "userinfo of somebody else",
        "token_invalid",
        CheckName::IdToken,
        |l| {
            remove(l, "email");
            l.idp.userinfo = json!({"sub": "u-2", "email": "eve@acme.example"});
        },
    ),
    (
        "userinfo of nobody",
        "token_invalid",
        CheckName::IdToken,
        |l| {
            remove(l, "email");
            l.idp.userinfo = json!({"email": "eve@acme.example"});
        },
    ),
];

const SUBJECT: &[Case] = &[
    ("no sub", "subject_missing", CheckName::Subject, |l| {
        remove(l, "sub")
    }),
    ("an empty sub", "subject_missing", CheckName::Subject, |l| {
        l.idp.claims["sub"] = "".into()
    }),
    (
        "an Entra token without oid",
        "subject_missing",
        CheckName::Subject,
        |l| {
            l.settings.provider = Some("entra".into());
        },
    ),
    (
        "a mapped id that is missing",
        "subject_missing",
        CheckName::Subject,
        |l| {
            let id = vec!["employee".to_owned()];
            l.settings.attribute_mapping = AttributeMapping {
                id,
                ..AttributeMapping::default()
            };
        },
    ),
];

fn remove(login: &mut Login, claim: &str) {
    login.idp.claims.as_object_mut().unwrap().remove(claim);
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
