//! From claims to a [`NormalizedIdentity`].

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::id_token;
use crate::mapping::{Mapped, Mapping};
use crate::provider::Provider;
use crate::settings::OidcSettings;
use crate::{ConnectorError, NormalizedIdentity};

/// How deep nested claims are read (`realm_access.roles`).
const MAX_DEPTH: usize = 4;

/// The person in these claims. Errors: `subject_missing`, `attribute_missing`.
pub(super) fn from_claims(
    claims: &Map<String, Value>,
    issuer: &str,
    mapping: &Mapping,
    provider: &Provider,
) -> Result<NormalizedIdentity, ConnectorError> {
    let mapped = mapped(claims, mapping, provider);
    if let Some(attribute) = mapping.missing(&mapped) {
        let attribute = attribute.to_owned();
        return Err(ConnectorError::AttributeMissing { attribute });
    }
    let text = |name: &str| {
        claims
            .get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    let idp_subject = text("sub").ok_or(ConnectorError::SubjectMissing)?;
    // A chosen claim that is missing must not fall back to `sub`: the person would become somebody new.
    let chosen = mapping.chooses_id() || !provider.claims.id.is_empty();
    let subject = match (&provider.oidc.subject_claim, chosen) {
        (_, true) => mapped.id.clone(),
        (Some(claim), false) => text(claim),
        (None, false) => Some(idp_subject.clone()),
    };
    let time = |name| id_token::time(claims, name).ok().flatten();
    Ok(NormalizedIdentity {
        issuer: issuer.to_owned(),
        subject: subject.ok_or(ConnectorError::SubjectMissing)?,
        idp_subject,
        idp_email_verified: claims.get("email_verified").and_then(boolean),
        name: mapped.name(),
        email: mapped.email,
        given_name: mapped.first_name,
        family_name: mapped.last_name,
        external_id: mapped.external_id,
        groups: mapped.groups,
        attributes: mapped.custom,
        raw_attributes: claims
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        acr: text("acr"),
        amr: strings(claims.get("amr")),
        auth_time: time("auth_time"),
        session_expires_at: time("session_expiry"),
        session_index: text("sid"),
        id_token: None,
        name_id: None,
    })
}

/// Whether the UserInfo endpoint might know what the claims lack.
pub(super) fn is_incomplete(
    claims: &Map<String, Value>,
    settings: &OidcSettings,
    mapping: &Mapping,
    provider: &Provider,
) -> bool {
    let mapped = mapped(claims, mapping, provider);
    let wants_groups = !settings.attribute_mapping.groups.is_empty()
        || settings.scopes.iter().any(|scope| scope == "groups");
    let custom = settings.attribute_mapping.custom.keys();
    mapped.email.is_none()
        || mapped.name().is_none()
        || mapping.missing(&mapped).is_some()
        || wants_groups && mapped.groups.is_empty()
        || custom
            .into_iter()
            .any(|name| !mapped.custom.contains_key(name))
}

/// Entra ID leaves out the groups of a person who has too many and names a place to ask instead
/// (`_claim_names`, OIDC Core section 5.6.2).
pub(super) fn groups_were_truncated(claims: &Map<String, Value>) -> bool {
    claims
        .get("_claim_names")
        .and_then(|names| names.get("groups"))
        .is_some()
        || claims.get("hasgroups").and_then(boolean) == Some(true)
}

fn mapped(claims: &Map<String, Value>, mapping: &Mapping, provider: &Provider) -> Mapped {
    let mut attributes = BTreeMap::new();
    for (name, value) in claims {
        collect(name, value, 0, &mut attributes);
    }
    mapping.apply(provider, &attributes)
}

/// Claims as named lists of text, like SAML attributes: arrays are several values, members of an object are
/// `object.member`.
fn collect(name: &str, value: &Value, depth: usize, into: &mut BTreeMap<String, Vec<String>>) {
    match value {
        Value::Null => {}
        Value::Object(_) | Value::Array(_) if depth == MAX_DEPTH => {}
        Value::Object(members) => {
            for (member, value) in members {
                collect(&format!("{name}.{member}"), value, depth + 1, into);
            }
        }
        Value::Array(values) => {
            for value in values {
                collect(name, value, depth + 1, into);
            }
        }
        Value::String(text) => into.entry(name.to_owned()).or_default().push(text.clone()),
        Value::Bool(_) | Value::Number(_) => {
            into.entry(name.to_owned())
                .or_default()
                .push(value.to_string());
        }
    }
}

fn strings(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => many
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    }
}

/// Some providers send `"true"` as text.
fn boolean(value: &Value) -> Option<bool> {
    value.as_bool().or_else(|| value.as_str()?.parse().ok())
}
