//! From an IdP's attributes or claims to the fields of a person.
//!
//! Each field reads the names the customer chose, else the provider file's and then the usual ones. The
//! first name that is present with a value wins; an empty value counts as absent, because IdPs send
//! `<AttributeValue/>` for whatever their directory lacks.

use std::collections::BTreeMap;

use serde_json::Value;

mod transform;

use transform::Step;

use crate::provider::Provider;
use crate::settings::{AttributeMapping, SettingsProblem};

/// What the mapping found. Values are trimmed of XML white space and never empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapped {
    /// Only where the customer or the provider file names an attribute for it: NameID and `sub` are
    /// the connectors' own business.
    pub id: Option<String>,
    pub email: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub display_name: Option<String>,
    /// In the IdP's order, each once.
    pub groups: Vec<String>,
    pub external_id: Option<String>,
    /// One value is a string, several are an array of strings.
    pub custom: BTreeMap<String, Value>,
}

impl Mapped {
    /// The display name, or else first and last name together.
    pub fn name(&self) -> Option<String> {
        self.display_name.clone().or_else(|| {
            let parts = [self.first_name.as_deref(), self.last_name.as_deref()];
            let joined = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
            (!joined.is_empty()).then_some(joined)
        })
    }
}

/// The fields by the names that the API has for them.
const FIELDS: [&str; 7] = [
    "id",
    "email",
    "given_name",
    "family_name",
    "display_name",
    "groups",
    "external_id",
];

/// A connection's mapping, checked and ready.
#[derive(Debug)]
pub(crate) struct Mapping {
    names: AttributeMapping,
    steps: BTreeMap<String, Vec<Step>>,
}

impl Mapping {
    /// Reports every problem, under `attribute_mapping.…`.
    pub(crate) fn open(names: &AttributeMapping) -> Result<Self, Vec<SettingsProblem>> {
        let mut problems = Vec::new();
        let mut problem = |field: String, message: String| {
            problems.push(SettingsProblem { field, message });
        };
        let known = |field: &str| FIELDS.contains(&field) || names.custom.contains_key(field);
        let mut steps = BTreeMap::new();
        for (field, transforms) in &names.transforms {
            let place = format!("attribute_mapping.transforms.{field}");
            if !known(field) {
                problem(place.clone(), UNKNOWN_FIELD.to_owned());
            }
            let mut ready = Vec::with_capacity(transforms.len());
            for (at, transform) in transforms.iter().enumerate() {
                match Step::open(transform) {
                    Ok(step) => ready.push(step),
                    Err(message) => problem(format!("{place}[{at}]"), message),
                }
            }
            steps.insert(field.clone(), ready);
        }
        for (at, field) in names.required.iter().enumerate() {
            if !known(field) {
                let place = format!("attribute_mapping.required[{at}]");
                problem(place, UNKNOWN_FIELD.to_owned());
            }
        }
        match problems.is_empty() {
            true => Ok(Self {
                names: names.clone(),
                steps,
            }),
            false => Err(problems),
        }
    }

    /// Whether the customer chose where the person's id comes from: nothing else may stand in for it then, or the
    /// person would become somebody new when it is missing.
    pub(crate) fn chooses_id(&self) -> bool {
        !self.names.id.is_empty()
    }

    /// Reads the fields out of `attributes`: the IdP's name → its values, those of several elements of one name
    /// together and in order. Names match exactly, or else ignoring ASCII case: consoles let people type
    /// `FirstName`, and LDAP names know no case.
    pub(crate) fn apply(
        &self,
        provider: &Provider,
        attributes: &BTreeMap<String, Vec<String>>,
    ) -> Mapped {
        let (names, claims) = (&self.names, &provider.claims);
        let values = |field: &str, chosen: &[String], theirs: &[String], usual: &[&str]| {
            let found = if chosen.is_empty() {
                let theirs = theirs.iter().map(String::as_str);
                first_present(theirs.chain(usual.iter().copied()), attributes)
            } else {
                first_present(chosen.iter().map(String::as_str), attributes)
            };
            let steps = self.steps.get(field).map(Vec::as_slice).unwrap_or_default();
            let done = steps.iter().fold(found, |values, step| step.apply(values));
            if steps.is_empty() {
                done
            } else {
                present(&done)
            }
        };
        let one = |field: &str, chosen: &[String], theirs: &[String], usual: &[&str]| {
            values(field, chosen, theirs, usual).into_iter().next()
        };
        Mapped {
            id: one("id", &names.id, &claims.id, &[]),
            email: one("email", &names.email, &claims.email, EMAIL),
            first_name: one(
                "given_name",
                &names.first_name,
                &claims.first_name,
                FIRST_NAME,
            ),
            last_name: one(
                "family_name",
                &names.last_name,
                &claims.last_name,
                LAST_NAME,
            ),
            display_name: one(
                "display_name",
                &names.display_name,
                &claims.display_name,
                DISPLAY_NAME,
            ),
            groups: groups(
                values("groups", &names.groups, &claims.groups, GROUPS),
                provider.groups_separator.as_deref(),
            ),
            external_id: one(
                "external_id",
                &names.external_id,
                &claims.external_id,
                // No usual names: it joins this person to a user that is there. Whoever fills in a field of that name
                // must not choose whom.
                &[],
            ),
            custom: names
                .custom
                .iter()
                .filter_map(|(name, theirs)| {
                    Some((name.clone(), custom(values(name, theirs, &[], &[]))?))
                })
                .collect(),
        }
    }

    /// The first required field that was not found, as the API names it.
    pub(crate) fn missing(&self, mapped: &Mapped) -> Option<&str> {
        let absent = |field: &str| match field {
            "id" => mapped.id.is_none(),
            "email" => mapped.email.is_none(),
            "given_name" => mapped.first_name.is_none(),
            "family_name" => mapped.last_name.is_none(),
            "display_name" => mapped.display_name.is_none(),
            "groups" => mapped.groups.is_empty(),
            "external_id" => mapped.external_id.is_none(),
            custom => !mapped.custom.contains_key(custom),
        };
        self.names
            .required
            .iter()
            .map(String::as_str)
            .find(|field| absent(field))
    }
}

const UNKNOWN_FIELD: &str = "is neither a field of a person nor one of the custom attributes";

/// The values of the first name that has any. All names are tried exactly before any is tried
/// ignoring case, so that a stray `EMAIL` never wins over the `email` that was meant.
fn first_present<'n>(
    names: impl Iterator<Item = &'n str> + Clone,
    attributes: &BTreeMap<String, Vec<String>>,
) -> Vec<String> {
    let exact = names.clone().filter_map(|name| attributes.get(name));
    let folded = names.flat_map(|name| {
        attributes
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, v)| v)
    });
    exact
        .chain(folded)
        .map(|values| present(values))
        .find(|v| !v.is_empty())
        .unwrap_or_default()
}

/// Trims white space as XML defines it, and nothing else: a no-break space inside an address must stay
/// visible to the checks that follow (SAML.md section 1, Unicode and odd addresses).
fn present(values: &[String]) -> Vec<String> {
    values
        .iter()
        .map(|value| value.trim_matches([' ', '\t', '\r', '\n']))
        .filter(|value| !value.is_empty())
        .map(str::to_owned)
        .collect()
}

fn groups(values: Vec<String>, separator: Option<&str>) -> Vec<String> {
    let split = match separator {
        Some(separator) => values
            .iter()
            .flat_map(|value| value.split(separator))
            .map(str::to_owned)
            .collect::<Vec<_>>(),
        None => values,
    };
    let mut seen = std::collections::HashSet::new();
    present(&split)
        .into_iter()
        .filter(|group| seen.insert(group.clone()))
        .collect()
}

fn custom(mut values: Vec<String>) -> Option<Value> {
    match values.len() {
        0 => None,
        1 => values.pop().map(Value::String),
        _ => Some(values.into()),
    }
}

// OIDC Core 5.1, then what consoles suggest, LDAP names, Microsoft's claim URIs, OIDs (X.520, RFC 4524,
// eduPerson) and Shibboleth 1 names. A user principal name is no email address and stays out.
const EMAIL: &[&str] = &[
    "email",
    "mail",
    "emailAddress",
    "email_address",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
    "http://schemas.xmlsoap.org/claims/EmailAddress",
    "urn:oid:0.9.2342.19200300.100.1.3",
    "urn:oid:1.2.840.113549.1.9.1",
    "urn:mace:dir:attribute-def:mail",
    "User.email",
    "E-Mail Address",
    "e-mail",
    "user_email",
];
const FIRST_NAME: &[&str] = &[
    "given_name",
    "givenName",
    "firstName",
    "first_name",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname",
    "urn:oid:2.5.4.42",
    "urn:mace:dir:attribute-def:givenName",
    "User.FirstName",
    "First Name",
    "Given Name",
];
const LAST_NAME: &[&str] = &[
    "family_name",
    "familyName",
    "lastName",
    "last_name",
    "sn",
    "surname",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname",
    "urn:oid:2.5.4.4",
    "urn:mace:dir:attribute-def:sn",
    "User.LastName",
    "Last Name",
];
// `…/identity/claims/name` is missing on purpose: Entra ID sends the user principal name there.
const DISPLAY_NAME: &[&str] = &[
    "name",
    "displayName",
    "display_name",
    "fullName",
    "full_name",
    "http://schemas.microsoft.com/identity/claims/displayname",
    "urn:oid:2.16.840.1.113730.3.1.241",
    "urn:mace:dir:attribute-def:displayName",
    "cn",
    "urn:oid:2.5.4.3",
    "urn:mace:dir:attribute-def:cn",
    "Display Name",
    "Full Name",
];
const GROUPS: &[&str] = &[
    "groups",
    "group",
    "memberOf",
    "member_of",
    "isMemberOf",
    "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups",
    "http://schemas.xmlsoap.org/claims/Group",
    "urn:oid:1.3.6.1.4.1.5923.1.5.1.1",
    "urn:oid:1.2.840.113556.1.2.102",
    "urn:mace:dir:attribute-def:isMemberOf",
];

#[cfg(test)]
mod tests;
