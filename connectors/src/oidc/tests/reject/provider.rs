//! Flaws before a token is seen: the callback, the metadata, the exchange.

use serde_json::json;

use super::Case;
use crate::CheckName;
use crate::oidc::tests::fake_idp::METADATA;

pub(super) const CALLBACK: &[Case] = &[
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
    (
        "an error without the issuer that is promised",
        "issuer_mismatch",
        CheckName::IdToken,
        |l| {
            l.idp.metadata["authorization_response_iss_parameter_supported"] = true.into();
            l.error = Some(("access_denied", ""));
        },
    ),
    (
        "an error with the issuer that is promised",
        "idp_error",
        CheckName::Callback,
        |l| {
            l.idp.metadata["authorization_response_iss_parameter_supported"] = true.into();
            l.iss = Some("https://idp.example".into());
            l.error = Some(("access_denied", ""));
        },
    ),
];

pub(super) const DISCOVERY: &[Case] = &[
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

pub(super) const TOKEN_EXCHANGE: &[Case] = &[
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
