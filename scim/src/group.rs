//! A group as one directory pushed it (RFC 7643 section 4.2).

use serde_json::{Map, Value};

use crate::comparable::{self, ComparableValue};
use crate::error::ScimError;
use crate::patch::{self, Member};
use crate::quirk::Quirks;
use crate::resource::{Meta, ResourceType, used_schemas};

/// A group without its members, which are rows of their own: `{"externalId"?, "displayName", …}`.
#[derive(Debug, Clone, PartialEq)]
pub struct Group(Map<String, Value>);

/// A member as it is rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberLink {
    pub id: String,
    pub resource_type: ResourceType,
    /// The `displayName` of the user or group, where it has one.
    pub display_name: Option<String>,
}

impl Group {
    /// Reads the body of a POST or PUT; who is not among the members is none.
    ///
    /// Errors: `invalidSyntax`, `invalidValue`; a missing `displayName` and a member without `value` are
    /// the latter.
    pub fn parse(body: &Value, quirks: &Quirks) -> Result<(Self, Vec<Member>), ScimError> {
        let (attributes, members) = patch::read_body(ResourceType::Group, body, quirks)?;
        if !attributes.contains_key("displayName") {
            return Err(ScimError::RequiredMissing {
                attribute: "displayName".into(),
            });
        }
        Ok((Self(attributes), members))
    }

    /// From what [`Group::attributes`] gave, read back from storage.
    pub fn from_attributes(attributes: Map<String, Value>) -> Self {
        Self(attributes)
    }

    /// What to store.
    pub fn attributes(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Never empty.
    pub fn display_name(&self) -> &str {
        self.0
            .get("displayName")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub fn external_id(&self) -> Option<&str> {
        self.0.get("externalId").and_then(Value::as_str)
    }

    /// The URNs of the extensions that it has data of.
    pub fn extensions(&self) -> impl Iterator<Item = &str> {
        let names = self.0.keys().map(String::as_str);
        names.filter(|name| name.contains(':'))
    }

    /// Its values as filters and sorting compare them, without what the server computes.
    pub fn comparable_values(&self) -> Vec<ComparableValue> {
        comparable::values(ResourceType::Group, &self.0)
    }

    /// The whole resource, before projection. `base_url` is the directory's, without a slash at the end;
    /// without `members` the attribute is left out.
    pub fn render(
        &self,
        base_url: &str,
        meta: &Meta,
        members: Option<&[MemberLink]>,
    ) -> Map<String, Value> {
        let mut resource = Map::new();
        resource.insert("schemas".into(), used_schemas(ResourceType::Group, &self.0));
        resource.insert("id".into(), meta.id.as_str().into());
        for name in ["externalId", "displayName"] {
            if let Some(value) = self.0.get(name) {
                resource.insert(name.into(), value.clone());
            }
        }
        if let Some(members) = members {
            let rendered = members
                .iter()
                .map(|member| member.render(base_url))
                .collect();
            resource.insert("members".into(), rendered);
        }
        for (urn, extension) in self.0.iter().filter(|(key, _)| key.contains(':')) {
            resource.insert(urn.clone(), extension.clone());
        }
        resource.insert("meta".into(), meta.to_json(ResourceType::Group, base_url));
        resource
    }
}

impl MemberLink {
    /// `{"value", "$ref", "type", "display"?}`: also what a filter on members is evaluated on.
    pub fn render(&self, base_url: &str) -> Value {
        let mut element = Map::new();
        element.insert("value".into(), self.id.as_str().into());
        element.insert(
            "$ref".into(),
            self.resource_type.location(base_url, &self.id).into(),
        );
        element.insert("type".into(), self.resource_type.name().into());
        if let Some(name) = &self.display_name {
            element.insert("display".into(), name.as_str().into());
        }
        Value::Object(element)
    }
}

#[cfg(test)]
mod tests;
