//! What users and groups have in common: their type, the way their attributes are named, and what the
//! server adds to them.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use crate::schema::{Attribute, COMMON, ENTERPRISE_USER, GROUP, Schema, USER};

/// A type of resource that this server has (RFC 7643 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResourceType {
    User,
    Group,
}

impl ResourceType {
    pub const ALL: [Self; 2] = [Self::User, Self::Group];

    /// `User` or `Group`.
    pub fn name(self) -> &'static str {
        self.schema().name
    }

    /// `/Users` or `/Groups`.
    pub fn endpoint(self) -> &'static str {
        match self {
            Self::User => "/Users",
            Self::Group => "/Groups",
        }
    }

    pub fn schema(self) -> &'static Schema {
        match self {
            Self::User => &USER,
            Self::Group => &GROUP,
        }
    }

    /// The extensions with a published schema.
    pub fn extensions(self) -> &'static [&'static Schema] {
        match self {
            Self::User => const { &[&ENTERPRISE_USER] },
            Self::Group => &[],
        }
    }

    /// The URNs of its own schema and of the extensions with a published one.
    pub(crate) fn schemas(self) -> impl Iterator<Item = &'static str> {
        let extensions = self.extensions().iter().map(|extension| extension.urn);
        std::iter::once(self.schema().urn).chain(extensions)
    }

    /// The type of this name, whatever its case.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|t| t.name().eq_ignore_ascii_case(name))
    }

    /// The URL of one resource: its `meta.location` and the answer's `Location`.
    pub fn location(self, base_url: &str, id: &str) -> String {
        format!("{base_url}{}/{id}", self.endpoint())
    }

    /// The attribute that a name stands for: `userName`, `name.familyName`, or either behind the URN of
    /// its schema and a colon (RFC 7644 section 3.10). Case does not matter. None for a stranger.
    pub fn resolve(self, name: &str) -> Option<AttributePath> {
        let (schemas, rest): (&[&'static Schema], &str) = match self
            .extensions()
            .iter()
            .find_map(|e| strip_urn(name, e.urn).map(|r| (e, r)))
        {
            Some((extension, rest)) => (std::slice::from_ref(extension), rest),
            None => match strip_urn(name, self.schema().urn) {
                Some(rest) => (self.core(), rest),
                None => (self.core(), name),
            },
        };
        let (name, sub) = match rest.split_once('.') {
            Some((name, sub)) => (name, Some(sub)),
            None => (rest, None),
        };
        let (schema, attribute) = schemas
            .iter()
            .find_map(|s| s.attribute(name).map(|a| (*s, a)))?;
        let sub = match sub {
            Some(sub) => Some(attribute.sub_attribute(sub)?),
            None => None,
        };
        Some(AttributePath {
            schema,
            attribute,
            sub,
        })
    }

    /// Every attribute of the type's published schemas and the common ones, without sub-attributes.
    pub fn attributes(self) -> impl Iterator<Item = AttributePath> {
        let common = std::iter::once(&COMMON);
        let schemas = common
            .chain([self.schema()])
            .chain(self.extensions().iter().copied());
        schemas.flat_map(|schema| {
            let path = |attribute| AttributePath {
                schema,
                attribute,
                sub: None,
            };
            schema.attributes.iter().map(path)
        })
    }

    /// Where names without a URN are looked up.
    fn core(self) -> &'static [&'static Schema] {
        match self {
            Self::User => const { &[&USER, &COMMON] },
            Self::Group => const { &[&GROUP, &COMMON] },
        }
    }
}

impl fmt::Display for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What stands behind `urn` and a colon, whatever the URN's case.
pub(crate) fn strip_urn<'a>(text: &'a str, urn: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(urn.len())?;
    head.eq_ignore_ascii_case(urn)
        .then(|| tail.strip_prefix(':'))?
}

/// An attribute or sub-attribute of the published schemas, found by [`ResourceType::resolve`].
#[derive(Clone, Copy)]
pub struct AttributePath {
    pub schema: &'static Schema,
    pub attribute: &'static Attribute,
    pub sub: Option<&'static Attribute>,
}

impl AttributePath {
    /// The attribute whose characteristics count: the sub-attribute if there is one.
    pub fn leaf(&self) -> &'static Attribute {
        self.sub.unwrap_or(self.attribute)
    }

    pub(crate) fn with_sub(mut self, sub: Option<&'static Attribute>) -> Self {
        self.sub = sub;
        self
    }

    /// The URN of the extension it belongs to; None for the core schema and the common attributes.
    pub fn extension(&self) -> Option<&'static str> {
        (self.schema.urn == ENTERPRISE_USER.urn).then_some(self.schema.urn)
    }

    /// Extension, attribute and sub-attribute by name, for a `match`:
    /// `(None, "emails", Some("value"))`.
    pub fn names(&self) -> (Option<&'static str>, &'static str, Option<&'static str>) {
        (
            self.extension(),
            self.attribute.name,
            self.sub.map(|s| s.name),
        )
    }

    /// The attribute's values in a rendered resource: the elements of a multi-valued one, the value of
    /// any other, nothing where it is unassigned.
    pub fn values<'a>(&self, resource: &'a Map<String, Value>) -> &'a [Value] {
        let holder = match self.extension() {
            Some(urn) => resource.get(urn).and_then(Value::as_object),
            None => Some(resource),
        };
        match holder.and_then(|h| h.get(self.attribute.name)) {
            None | Some(Value::Null) => &[],
            Some(Value::Array(values)) => values,
            Some(value) => std::slice::from_ref(value),
        }
    }
}

impl fmt::Display for AttributePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(urn) = self.extension() {
            write!(f, "{urn}:")?;
        }
        f.write_str(self.attribute.name)?;
        match self.sub {
            Some(sub) => write!(f, ".{}", sub.name),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for AttributePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl PartialEq for AttributePath {
    fn eq(&self, other: &Self) -> bool {
        self.names() == other.names()
    }
}

impl Eq for AttributePath {}

/// What the server says about a resource (RFC 7643 section 3.1).
#[derive(Debug, Clone)]
pub struct Meta {
    pub id: String,
    pub created: DateTime<Utc>,
    pub last_modified: DateTime<Utc>,
    /// Counts the changes; its ETag is `W/"<version>"`.
    pub version: u64,
}

impl Meta {
    /// The ETag, also `meta.version`.
    pub fn etag(&self) -> String {
        format!("W/\"{}\"", self.version)
    }

    pub(crate) fn to_json(&self, resource_type: ResourceType, base_url: &str) -> Value {
        json!({
            "resourceType": resource_type.name(),
            "created": timestamp(self.created),
            "lastModified": timestamp(self.last_modified),
            "location": resource_type.location(base_url, &self.id),
            "version": self.etag(),
        })
    }
}

/// Milliseconds in UTC, as everywhere in Tenon. A filter that quotes it back matches, so what is stored
/// must have no finer parts.
pub fn timestamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The form in which text is compared where case does not matter (RFC 7643 section 2.2, `caseExact`).
pub fn fold(text: &str) -> String {
    folded(text).collect()
}

/// Whether two texts are the same where case does not matter.
pub(crate) fn same_folded(left: &str, right: &str) -> bool {
    folded(left).eq(folded(right))
}

/// Character by character, so that how a text ends changes nothing before: a Greek capital sigma is the
/// small one inside of a word and another at its end, and all three are one letter.
fn folded(text: &str) -> impl Iterator<Item = char> {
    let sigma = |c| if c == 'ς' { 'σ' } else { c };
    text.chars().flat_map(char::to_lowercase).map(sigma)
}

/// The schemas a resource uses: its own and that of each extension with data.
pub(crate) fn used_schemas(resource_type: ResourceType, attributes: &Map<String, Value>) -> Value {
    let own = Value::from(resource_type.schema().urn);
    let extensions = attributes.keys().filter(|key| key.contains(':'));
    std::iter::once(own)
        .chain(extensions.map(|urn| Value::from(urn.as_str())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_joins_the_cases_of_any_script() {
        for (left, right) in [
            ("Ada@X.example", "ADA@x.EXAMPLE"),
            ("ÅSE", "åse"),
            ("ΝΙΚΟΣ", "νικος"),
        ] {
            assert_eq!(fold(left), fold(right));
            assert!(same_folded(left, right));
        }
        assert!(!same_folded("ada", "ada "));
    }

    #[test]
    fn names_resolve_with_and_without_urn_in_any_case() {
        let user = |name| {
            ResourceType::User
                .resolve(name)
                .map(|path| path.to_string())
        };
        assert_eq!(user("USERNAME").unwrap(), "userName");
        assert_eq!(
            user("urn:ietf:params:scim:schemas:core:2.0:user:Name.familyname").unwrap(),
            "name.familyName"
        );
        assert_eq!(
            user("URN:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.VALUE")
                .unwrap(),
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value"
        );
        assert_eq!(user("meta.lastmodified").unwrap(), "meta.lastModified");
        for stranger in [
            "department",
            "name.salary",
            "members",
            "",
            "userName.",
            "urn:x:userName",
        ] {
            assert_eq!(user(stranger), None, "{stranger}");
        }
    }
}
