//! The discovery documents (OpenID Connect Discovery 1.0, RFC 8414): only what exists.

use poem::http::header;
use poem::web::Data;
use poem::{Response, handler};
use serde_json::json;

use crate::app::App;
use crate::flows::authorize::{RESPONSE_MODES, SCOPES};
use crate::flows::client_assertion::ALGORITHMS;
use crate::flows::tokens::CLAIMS;
use crate::model::{ClientAuthMethod, SigningAlgorithm};

pub(super) const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";
pub(super) const OAUTH_AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
pub(super) const JWKS: &str = "/oauth/jwks";
pub(super) const TOKEN: &str = "/oauth/token";
pub(super) const PAR: &str = "/oauth/par";
pub(super) const REVOKE: &str = "/oauth/revoke";
pub(super) const INTROSPECT: &str = "/oauth/introspect";
pub(super) const USERINFO: &str = "/oauth/userinfo";

/// How long an application may keep the document and the keys.
pub(super) const CACHED: &str = "public, max-age=300";

/// One document for both: RFC 8414 ignores what only OpenID Connect knows.
#[handler]
pub(super) fn document(app: Data<&App>) -> Response {
    let at = |path: &str| app.public_url.join(path);
    let methods = ClientAuthMethod::ALL.map(ClientAuthMethod::as_str);
    let document = json!({
        "issuer": app.public_url.as_str(),
        "authorization_endpoint": at("/oauth/authorize"),
        "token_endpoint": at(TOKEN),
        "userinfo_endpoint": at(USERINFO),
        "jwks_uri": at(JWKS),
        "revocation_endpoint": at(REVOKE),
        "introspection_endpoint": at(INTROSPECT),
        "pushed_authorization_request_endpoint": at(PAR),
        "require_pushed_authorization_requests": false,
        "end_session_endpoint": at(super::logout::PATH),
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "scopes_supported": SCOPES,
        "response_types_supported": ["code"],
        "response_modes_supported": RESPONSE_MODES,
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": SigningAlgorithm::ALL.map(SigningAlgorithm::as_str),
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        // A public client can't prove that it is the one that it names.
        "introspection_endpoint_auth_methods_supported": &methods[..3],
        "introspection_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "claim_types_supported": ["normal"],
        "claims_supported": CLAIMS,
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        // Left out, it would mean true.
        "request_uri_parameter_supported": false,
    });
    json_document(document.to_string())
}

/// A public document that changes seldom.
pub(super) fn json_document(text: String) -> Response {
    Response::builder()
        .content_type("application/json")
        .header(header::CACHE_CONTROL, CACHED)
        .body(text)
}
