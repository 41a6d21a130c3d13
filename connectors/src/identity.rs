//! What one finished login says about a person, in one shape for every protocol and IdP.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The person, after mapping. Kept (sealed) between the ACS and the continue step, hence serde.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NormalizedIdentity {
    /// IdP entity ID (SAML `Issuer`) or OIDC `iss`.
    pub issuer: String,
    /// The stable identifier inside (connection, issuer): SAML NameID with format and qualifiers where
    /// they are not the default, or the mapped attribute; OIDC `sub` (Entra: `oid`).
    pub subject: String,
    /// The subject as the IdP shows it, for `idp_subject`: the bare NameID or `sub`.
    pub idp_subject: String,
    pub email: Option<String>,
    /// OIDC `email_verified` where given. The gateway decides on its own verified domains.
    pub idp_email_verified: Option<bool>,
    pub name: Option<String>,
    pub given_name: Option<String>,
    pub family_name: Option<String>,
    /// The customer's own id of the person, where mapped: joins a directory's `externalId`.
    pub external_id: Option<String>,
    pub groups: Vec<String>,
    /// Custom attributes by the connection's mapping.
    pub attributes: BTreeMap<String, serde_json::Value>,
    /// Everything the IdP sent, by its own names.
    pub raw_attributes: BTreeMap<String, serde_json::Value>,
    pub acr: Option<String>,
    pub amr: Vec<String>,
    pub auth_time: Option<DateTime<Utc>>,
    /// The IdP's own bound on our session: `SessionNotOnOrAfter` or `session_expiry`.
    pub session_expires_at: Option<DateTime<Utc>>,
    /// SAML `SessionIndex` or OIDC `sid`, for single logout.
    pub session_index: Option<String>,
    /// The ID token as it came, where the connection ends the provider's session: a hint of whom to sign out.
    pub id_token: Option<String>,
    /// What a SAML LogoutRequest has to name.
    pub name_id: Option<NameId>,
}

/// A SAML NameID (SAML Core 2.2.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameId {
    pub value: String,
    pub format: Option<String>,
    pub name_qualifier: Option<String>,
    pub sp_name_qualifier: Option<String>,
}

impl NameId {
    /// Whether both name one person at one IdP. What only one of them says is taken as said by both: a logout leaves
    /// out what is the default.
    pub fn names_same(&self, other: &Self) -> bool {
        let fits = |one: &Option<String>, other: &Option<String>| {
            one.is_none() || other.is_none() || one == other
        };
        self.value == other.value
            && fits(&self.format, &other.format)
            && fits(&self.name_qualifier, &other.name_qualifier)
            && fits(&self.sp_name_qualifier, &other.sp_name_qualifier)
    }
}
