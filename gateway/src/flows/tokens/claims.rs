//! What tokens and userinfo say about a person (CONTRACT section 4). Scopes gate personal claims; where the
//! person belongs and signed in always comes. A claim without a value is left out (OIDC Core 5.3.2).

use serde::Serialize;
use serde_json::Value;

use crate::app::App;
use crate::flows::discovery::domain_of_email;
use crate::ids::{ConnectionId, OrganizationId, SessionId, UserId};
use crate::model::User;
use crate::store::global::Tenant;
use crate::store::sessions::StoredSession;

/// The claims that an id token or userinfo may carry, for the discovery document.
pub const CLAIMS: [&str; 26] = [
    "iss",
    "aud",
    "exp",
    "iat",
    "nonce",
    "at_hash",
    "sub",
    "email",
    "email_verified",
    "name",
    "given_name",
    "family_name",
    "org_id",
    "org_name",
    "org_external_id",
    "connection_id",
    "connection_type",
    "idp_subject",
    "roles",
    "groups",
    "sid",
    "auth_time",
    "amr",
    "acr",
    "attributes",
    "raw_attributes",
];

/// Common to id token and userinfo.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct IdentityClaims {
    sub: UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    given_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    family_name: Option<String>,
    org_id: OrganizationId,
    org_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    org_external_id: Option<String>,
    connection_id: ConnectionId,
    connection_type: String,
    idp_subject: String,
    /// Slugs.
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<Vec<String>>,
    /// Display names.
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Vec<String>>,
    sid: SessionId,
    auth_time: i64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    amr: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<String>,
}

impl IdentityClaims {
    pub(super) fn of(
        app: &App,
        tenant: &Tenant,
        stored: &StoredSession,
        user: &User,
        scope: &[String],
    ) -> Self {
        let asked = |name: &str| scope.iter().any(|scope| scope == name);
        let email = user.email.clone().filter(|_| asked("email"));
        let said = &stored.claims;
        let doubted = said
            .raw_attributes
            .get("email_verified")
            .is_some_and(denied);
        let email_verified = email.as_deref().map(|email| {
            !doubted
                && domain_of_email(email)
                    .is_some_and(|domain| app.store.owns_domain(&tenant.scope, &domain))
        });
        let profile = asked("profile");
        let name = user.name.clone().or_else(|| user.display_name.clone());
        Self {
            sub: user.id,
            email,
            email_verified,
            name: name.filter(|_| profile),
            given_name: user.given_name.clone().filter(|_| profile),
            family_name: user.family_name.clone().filter(|_| profile),
            org_id: tenant.scope.organization(),
            org_name: tenant.name.clone(),
            org_external_id: tenant.external_id.clone(),
            connection_id: stored.session.connection_id,
            connection_type: said.connection_type.clone(),
            idp_subject: said.idp_subject.clone(),
            roles: asked("roles").then(|| user.roles.clone()),
            groups: asked("groups").then(|| groups(user, stored)),
            sid: stored.session.id,
            auth_time: said.auth_time,
            amr: said.amr.clone(),
            acr: said.acr.clone(),
        }
    }
}

/// Whether an IdP's `email_verified` says no. Some send it as text, SAML in a list.
fn denied(email_verified: &Value) -> bool {
    match email_verified {
        Value::Bool(verified) => !verified,
        Value::String(text) => text.eq_ignore_ascii_case("false"),
        Value::Array(values) => values.iter().any(denied),
        _ => false,
    }
}

/// A directory knows its groups better than a login that may be days old: what the login claimed counts for
/// people whom no directory feeds.
fn groups(user: &User, stored: &StoredSession) -> Vec<String> {
    if user.sources.iter().any(|source| source.kind == "directory") {
        user.groups
            .iter()
            .map(|group| group.display_name.clone())
            .collect()
    } else {
        stored.claims.groups.clone()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::denied;

    #[test]
    fn an_idp_says_no_in_several_ways() {
        for no in [
            json!(false),
            json!("false"),
            json!("False"),
            json!(["false"]),
        ] {
            assert!(denied(&no), "{no}");
        }
        for no_no in [json!(true), json!("true"), json!(null), json!([]), json!(0)] {
            assert!(!denied(&no_no), "{no_no}");
        }
    }
}
