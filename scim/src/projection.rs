//! `attributes` and `excludedAttributes` (RFC 7644 sections 3.4.2.5 and 3.9): which part of a resource is
//! answered.

use serde_json::{Map, Value};

use crate::error::ScimError;
use crate::resource::{ResourceType, strip_urn};

/// The part of a resource that the caller wants. `id` and `schemas` always come; a password never does,
/// as none is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Projection {
    #[default]
    All,
    /// Only these.
    Only(Vec<String>),
    /// All but these.
    Without(Vec<String>),
}

/// Returned whatever is asked for (`returned: always`).
const ALWAYS: [&str; 2] = ["schemas", "id"];

/// How much of an attribute a list of names covers.
enum Coverage {
    None,
    Whole,
    /// Only these sub-attributes, in lower case.
    Parts(Vec<String>),
}

impl Projection {
    /// From lists of names; unknown ones are ignored.
    ///
    /// Errors: `invalidValue` when both lists are given (RFC 7644 section 3.9).
    pub fn new(attributes: Vec<String>, excluded: Vec<String>) -> Result<Self, ScimError> {
        let trimmed = |names: Vec<String>| -> Vec<String> {
            let names = names.iter().map(|name| name.trim().to_owned());
            names.filter(|name| !name.is_empty()).collect()
        };
        match (trimmed(attributes), trimmed(excluded)) {
            (only, without) if only.is_empty() && without.is_empty() => Ok(Self::All),
            (only, without) if without.is_empty() => Ok(Self::Only(only)),
            (only, without) if only.is_empty() => Ok(Self::Without(without)),
            _ => Err(ScimError::value(
                "attributes",
                "attributes and excludedAttributes exclude each other",
            )),
        }
    }

    /// From the two query parameters, whose names are separated by commas.
    pub fn parse(attributes: Option<&str>, excluded: Option<&str>) -> Result<Self, ScimError> {
        let split = |names: Option<&str>| -> Vec<String> {
            names
                .into_iter()
                .flat_map(|n| n.split(','))
                .map(str::to_owned)
                .collect()
        };
        Self::new(split(attributes), split(excluded))
    }

    /// Whether the caller asked for a part: then a PATCH answers with the resource (RFC 7644 section 3.5.2).
    pub fn is_chosen(&self) -> bool {
        *self != Self::All
    }

    /// Whether any of a core attribute is wanted: members that nobody wants need not be loaded.
    pub fn wants(&self, resource_type: ResourceType, attribute: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => !matches!(
                coverage(names, resource_type, None, attribute),
                Coverage::None
            ),
            Self::Without(names) => !matches!(
                coverage(names, resource_type, None, attribute),
                Coverage::Whole
            ),
        }
    }

    /// The wanted part of a rendered resource.
    pub fn apply(
        &self,
        resource_type: ResourceType,
        resource: Map<String, Value>,
    ) -> Map<String, Value> {
        let (names, keeps) = match self {
            Self::All => return resource,
            Self::Only(names) => (names, true),
            Self::Without(names) => (names, false),
        };
        let part = |urn: Option<&str>, name: &str, value: Value| {
            cut(coverage(names, resource_type, urn, name), keeps, value)
        };
        let mut projected = Map::new();
        for (key, value) in resource {
            let value = match value {
                value if ALWAYS.contains(&key.as_str()) => Some(value),
                Value::Object(extension) if key.contains(':') => {
                    let whole = names.iter().any(|name| name.eq_ignore_ascii_case(&key));
                    let kept: Map<String, Value> = match (whole, keeps) {
                        (true, true) => extension,
                        (true, false) => Map::new(),
                        (false, _) => extension
                            .into_iter()
                            .filter_map(|(name, value)| {
                                let value = part(Some(&key), &name, value)?;
                                Some((name, value))
                            })
                            .collect(),
                    };
                    (!kept.is_empty()).then_some(Value::Object(kept))
                }
                value => part(None, &key, value),
            };
            if let Some(value) = value {
                projected.insert(key, value);
            }
        }
        projected
    }
}

/// What the names say about an attribute of the core schema, or of the extension with this URN.
fn coverage(
    names: &[String],
    resource_type: ResourceType,
    urn: Option<&str>,
    attribute: &str,
) -> Coverage {
    let mut parts = Vec::new();
    for name in names {
        let name = match urn {
            Some(urn) => strip_urn(name, urn),
            None => Some(strip_urn(name, resource_type.schema().urn).unwrap_or(name)),
        };
        match name.map(|name| name.split_once('.').unwrap_or((name, ""))) {
            Some((name, "")) if name.eq_ignore_ascii_case(attribute) => return Coverage::Whole,
            Some((name, sub)) if name.eq_ignore_ascii_case(attribute) => {
                parts.push(sub.to_ascii_lowercase());
            }
            _ => {}
        }
    }
    if parts.is_empty() {
        Coverage::None
    } else {
        Coverage::Parts(parts)
    }
}

/// The covered part of a value, or the other part. None when nothing is left.
fn cut(coverage: Coverage, keeps_covered: bool, value: Value) -> Option<Value> {
    let parts = match coverage {
        Coverage::None => return (!keeps_covered).then_some(value),
        Coverage::Whole => return keeps_covered.then_some(value),
        Coverage::Parts(parts) => parts,
    };
    let keep = |name: &str| parts.contains(&name.to_ascii_lowercase()) == keeps_covered;
    match value {
        Value::Object(mut object) => {
            object.retain(|name, _| keep(name));
            (!object.is_empty()).then_some(Value::Object(object))
        }
        Value::Array(mut elements) => {
            for element in elements.iter_mut().filter_map(Value::as_object_mut) {
                element.retain(|name, _| keep(name));
            }
            elements.retain(|element| element.as_object().is_none_or(|e| !e.is_empty()));
            (!elements.is_empty()).then_some(Value::Array(elements))
        }
        plain => (!keeps_covered).then_some(plain),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::ENTERPRISE_USER;

    fn user() -> Map<String, Value> {
        let user = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "id": "1",
            "userName": "ada",
            "name": {"givenName": "Ada", "familyName": "Lovelace"},
            "emails": [{"value": "a@x.example", "type": "work"}, {"value": "b@x.example"}],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":
                {"department": "R&D", "costCenter": "7"},
            "urn:acme:1.0:User": {"Badge": "9"},
            "meta": {"version": "W/\"1\"", "location": "l"}
        });
        user.as_object().unwrap().clone()
    }

    fn only(names: &str) -> Value {
        let projection = Projection::parse(Some(names), None).unwrap();
        let mut projected = projection.apply(ResourceType::User, user());
        for name in ALWAYS {
            assert!(
                projected.shift_remove(name).is_some(),
                "{name} is always returned"
            );
        }
        Value::Object(projected)
    }

    fn without(names: &str) -> Vec<String> {
        let projection = Projection::parse(None, Some(names)).unwrap();
        projection
            .apply(ResourceType::User, user())
            .keys()
            .cloned()
            .collect()
    }

    #[test]
    fn only_what_was_asked_for_and_id_and_schemas_come() {
        assert_eq!(only("USERNAME, unknown"), json!({"userName": "ada"}));
        assert_eq!(
            only("name.GivenName"),
            json!({"name": {"givenName": "Ada"}})
        );
        assert_eq!(only("emails.type"), json!({"emails": [{"type": "work"}]}));
        assert_eq!(
            only("meta.version"),
            json!({"meta": {"version": "W/\"1\""}})
        );
        let core = "urn:ietf:params:scim:schemas:core:2.0:User:userName";
        assert_eq!(only(core), json!({"userName": "ada"}));
        assert_eq!(only("id"), json!({}));
    }

    #[test]
    fn extensions_are_asked_for_whole_or_by_attribute() {
        let urn = ENTERPRISE_USER.urn;
        let department = format!("{urn}:department");
        assert_eq!(only(&department), json!({urn: {"department": "R&D"}}));
        assert_eq!(
            only(urn),
            json!({urn: {"department": "R&D", "costCenter": "7"}})
        );
        let badge = json!({"urn:acme:1.0:User": {"Badge": "9"}});
        assert_eq!(only("urn:acme:1.0:user:badge"), badge);
        assert!(!without("urn:acme:1.0:User").contains(&"urn:acme:1.0:User".to_owned()));
    }

    #[test]
    fn what_is_excluded_is_left_out_but_never_id_and_schemas() {
        let left = without("id,schemas,userName,meta,emails.value,emails.type");
        assert_eq!(
            left,
            [
                "schemas",
                "id",
                "name",
                ENTERPRISE_USER.urn,
                "urn:acme:1.0:User"
            ]
        );
    }

    #[test]
    fn both_lists_at_once_are_refused_and_empty_ones_mean_all() {
        assert!(Projection::parse(Some("userName"), Some("emails")).is_err());
        assert_eq!(
            Projection::parse(Some(" , "), Some("")).unwrap(),
            Projection::All
        );
    }

    #[test]
    fn what_nobody_wants_need_not_be_loaded() {
        let wants = |p: Projection| p.wants(ResourceType::Group, "members");
        assert!(wants(Projection::All));
        assert!(!wants(Projection::parse(None, Some("Members")).unwrap()));
        assert!(wants(
            Projection::parse(None, Some("members.display")).unwrap()
        ));
        assert!(wants(
            Projection::parse(Some("members.value"), None).unwrap()
        ));
        assert!(!wants(Projection::parse(Some("id"), None).unwrap()));
    }
}
