//! Flaws of the ID token and of the person in it.

use serde_json::json;

use super::Case;
use crate::oidc::tests::fake_idp::{Login, METADATA, Signer, noon};
use crate::{AttributeMapping, CheckName};

pub(super) const SIGNATURE: &[Case] = &[
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
        "a stranger's key at an address in the header",
        "signature_invalid",
        CheckName::IdToken,
        |l| {
            l.idp.signer = Signer::p256();
            l.idp.header = json!({
                "alg": "ES256", "kid": "k1",
                "jku": "https://evil.example/jwks", "x5u": "https://evil.example/pem",
            });
        },
    ),
    (
        "an algorithm that nobody here speaks",
        "signature_algorithm_forbidden",
        CheckName::IdToken,
        |l| {
            l.idp.header["alg"] = "ES512".into();
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

pub(super) const CLAIMS: &[Case] = &[
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
    (
        "a logout token without type",
        "token_invalid",
        CheckName::IdToken,
        |l| {
            let event = "http://schemas.openid.net/event/backchannel-logout";
            l.idp.claims["events"] = json!({ event: {} });
        },
    ),
    (
        "an access token without type",
        "audience_mismatch",
        CheckName::IdToken,
        |l| {
            l.idp.claims["aud"] = "https://api.idp.example".into();
            remove(l, "nonce");
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
        "another code's hash",
        "token_invalid",
        CheckName::IdToken,
        |l| {
            l.idp.claims["c_hash"] = "AAAAAAAAAAAAAAAAAAAAAA".into();
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
        "an authentication to come",
        "token_invalid",
        CheckName::IdToken,
        |l| {
            l.expected.as_mut().unwrap().max_age = Some(60);
            l.idp.claims["auth_time"] = (noon().timestamp() + 120).into();
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
        "a session that has ended",
        "assertion_expired",
        CheckName::IdToken,
        |l| l.idp.claims["session_expiry"] = noon().timestamp().into(),
    ),
    (
        "a session that ends at no time",
        "token_invalid",
        CheckName::IdToken,
        |l| l.idp.claims["session_expiry"] = "tomorrow".into(),
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
        "a private Google account where no domain is saved",
        "tenant_mismatch",
        CheckName::IdToken,
        |l| {
            l.settings.provider = Some("google".into());
        },
    ),
    (
        "a company's Google account where no domain is saved",
        "tenant_mismatch",
        CheckName::IdToken,
        |l| {
            l.settings.provider = Some("google".into());
            l.idp.claims["hd"] = "acme.example".into();
        },
    ),
    (
        "a private account at Google's issuer, under no provider's name",
        "tenant_mismatch",
        CheckName::IdToken,
        |l| issued_by(l, "https://accounts.google.com", METADATA),
    ),
    (
        "a company's account at Google's issuer, under another name",
        "tenant_mismatch",
        CheckName::IdToken,
        |l| {
            issued_by(l, "https://accounts.google.com", METADATA);
            l.settings.provider = Some("Our own".into());
            l.idp.claims["hd"] = "globex.example".into();
        },
    ),
    (
        "another tenant than the one in Entra's issuer, under no provider's name",
        "tenant_mismatch",
        CheckName::IdToken,
        |l| {
            let issuer =
                "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0";
            let path =
                "/11111111-2222-3333-4444-555555555555/v2.0/.well-known/openid-configuration";
            issued_by(l, issuer, path);
            l.idp.claims["tid"] = "99999999-2222-3333-4444-555555555555".into();
        },
    ),
    (
        "another tenant than the one in the Entra issuer",
        "tenant_mismatch",
        CheckName::IdToken,
        |l| {
            let issuer = "https://idp.example/11111111-2222-3333-4444-555555555555/v2.0";
            l.settings.provider = Some("entra".into());
            l.settings.issuer = issuer.into();
            l.idp.metadata["issuer"] = issuer.into();
            l.idp.claims["iss"] = issuer.into();
            l.idp.claims["oid"] = "o-1".into();
            l.idp.claims["tid"] = "99999999-2222-3333-4444-555555555555".into();
            let path =
                "/11111111-2222-3333-4444-555555555555/v2.0/.well-known/openid-configuration";
            l.idp.answers = vec![(path, 200, l.idp.metadata.to_string())];
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

pub(super) const SUBJECT: &[Case] = &[
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

/// The provider is this issuer, whose metadata stand at `path`.
fn issued_by(login: &mut Login, issuer: &str, path: &'static str) {
    login.settings.issuer = issuer.into();
    login.idp.metadata["issuer"] = issuer.into();
    login.idp.claims["iss"] = issuer.into();
    login.idp.answers = vec![(path, 200, login.idp.metadata.to_string())];
}
