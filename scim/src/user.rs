//! A user as one directory pushed it (RFC 7643 section 4.1).

use serde_json::{Map, Value, json};

use crate::comparable::{self, ComparableValue};
use crate::error::ScimError;
use crate::patch;
use crate::quirk::Quirks;
use crate::resource::{Meta, ResourceType, used_schemas};
use crate::schema::{COMMON, ENTERPRISE_USER, USER};

/// A user: what its directory may set, under the standard's own names. `id`, `meta` and `groups` come
/// from the server when it is rendered; a password is never kept.
///
/// `{"externalId": "…", "userName": "…", "name": {…}, "emails": [{…}], "active": true,
/// "urn:…:enterprise:2.0:User": {…}, "urn:of:somebody:else": {…}}`
#[derive(Debug, Clone, PartialEq)]
pub struct User(Map<String, Value>);

/// One of the user's email addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Email<'a> {
    pub value: &'a str,
    pub kind: Option<&'a str>,
    pub primary: bool,
}

/// A group that lists the user: one element of `groups`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupLink {
    pub id: String,
    pub display_name: String,
}

/// What the directory knows about the user's manager.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ManagerLink {
    pub display_name: Option<String>,
}

/// What the server computes for a user when it renders one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserLinks {
    /// The groups that list the user; None leaves the attribute out.
    pub groups: Option<Vec<GroupLink>>,
    /// Set where the manager's id is a user of this directory: gives `$ref` and `displayName`.
    pub manager: Option<ManagerLink>,
}

impl User {
    /// Reads the body of a POST. A user who is not said to be inactive is active.
    ///
    /// Errors: `invalidSyntax`, `invalidValue`; a missing or empty `userName` is the latter.
    pub fn parse(body: &Value, quirks: &Quirks) -> Result<Self, ScimError> {
        let mut user = Self::read(body, quirks)?;
        user.0.entry("active").or_insert(Value::Bool(true));
        Ok(user)
    }

    /// Reads the body of a PUT on this user. What it does not mention is unassigned, but for `active`:
    /// leaving that out deactivates and reactivates nobody.
    pub fn parse_replacement(&self, body: &Value, quirks: &Quirks) -> Result<Self, ScimError> {
        let mut user = Self::read(body, quirks)?;
        if let (None, Some(active)) = (user.0.get("active"), self.0.get("active")) {
            user.0.insert("active".into(), active.clone());
        }
        Ok(user)
    }

    fn read(body: &Value, quirks: &Quirks) -> Result<Self, ScimError> {
        let (attributes, _) = patch::read_body(ResourceType::User, body, quirks)?;
        if !attributes.contains_key("userName") {
            return Err(ScimError::RequiredMissing {
                attribute: "userName".into(),
            });
        }
        Ok(Self(attributes))
    }

    /// From what [`User::attributes`] gave, read back from storage.
    pub fn from_attributes(attributes: Map<String, Value>) -> Self {
        Self(attributes)
    }

    /// What to store.
    pub fn attributes(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Never empty.
    pub fn user_name(&self) -> &str {
        self.text("userName").unwrap_or_default()
    }

    pub fn external_id(&self) -> Option<&str> {
        self.text("externalId")
    }

    /// A user without a value is active.
    pub fn active(&self) -> bool {
        self.0.get("active") != Some(&Value::Bool(false))
    }

    pub fn display_name(&self) -> Option<&str> {
        self.text("displayName")
    }

    pub fn title(&self) -> Option<&str> {
        self.text("title")
    }

    pub fn locale(&self) -> Option<&str> {
        self.text("locale")
    }

    pub fn timezone(&self) -> Option<&str> {
        self.text("timezone")
    }

    pub fn given_name(&self) -> Option<&str> {
        self.name("givenName")
    }

    pub fn family_name(&self) -> Option<&str> {
        self.name("familyName")
    }

    /// The name to show: `displayName`, else `name.formatted`, else given and family name.
    pub fn full_name(&self) -> Option<String> {
        let shown = self.display_name().or_else(|| self.name("formatted"));
        if let Some(name) = shown {
            return Some(name.to_owned());
        }
        let parts: Vec<&str> = [self.given_name(), self.family_name()]
            .into_iter()
            .flatten()
            .collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    }

    pub fn emails(&self) -> impl Iterator<Item = Email<'_>> {
        let values = self.0.get("emails").and_then(Value::as_array);
        values.into_iter().flatten().filter_map(|email| {
            Some(Email {
                value: email.get("value")?.as_str()?,
                kind: email.get("type").and_then(Value::as_str),
                primary: email.get("primary") == Some(&Value::Bool(true)),
            })
        })
    }

    /// The primary email, else the one for work, else the first.
    pub fn email(&self) -> Option<&str> {
        let is_work =
            |email: &Email<'_>| email.kind.is_some_and(|k| k.eq_ignore_ascii_case("work"));
        self.emails()
            .find(|email| email.primary)
            .or_else(|| self.emails().find(is_work))
            .or_else(|| self.emails().next())
            .map(|email| email.value)
    }

    pub fn department(&self) -> Option<&str> {
        self.enterprise("department").and_then(Value::as_str)
    }

    /// The manager's id, as the directory wrote it.
    pub fn manager(&self) -> Option<&str> {
        self.enterprise("manager")?.get("value")?.as_str()
    }

    /// Extensions under somebody else's URN.
    pub fn custom_extensions(&self) -> impl Iterator<Item = (&str, &Value)> {
        let is_custom = |urn: &str| urn.contains(':') && urn != ENTERPRISE_USER.urn;
        self.0
            .iter()
            .map(|(urn, v)| (urn.as_str(), v))
            .filter(move |(urn, _)| is_custom(urn))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    fn name(&self, part: &str) -> Option<&str> {
        self.0.get("name")?.get(part)?.as_str()
    }

    fn enterprise(&self, name: &str) -> Option<&Value> {
        self.0.get(ENTERPRISE_USER.urn)?.get(name)
    }

    /// Its values as filters and sorting compare them, without what the server computes.
    pub fn comparable_values(&self) -> Vec<ComparableValue> {
        comparable::values(ResourceType::User, &self.0)
    }

    /// The whole resource, before projection. `base_url` is the directory's, without a slash at the end.
    pub fn render(&self, base_url: &str, meta: &Meta, links: &UserLinks) -> Map<String, Value> {
        let mut resource = Map::new();
        resource.insert("schemas".into(), used_schemas(ResourceType::User, &self.0));
        resource.insert("id".into(), meta.id.as_str().into());
        let core = COMMON.attributes.iter().chain(USER.attributes);
        for attribute in core {
            if let Some(value) = self.0.get(attribute.name) {
                resource.insert(attribute.name.into(), value.clone());
            } else if let ("groups", Some(groups)) = (attribute.name, &links.groups) {
                let group = |group: &GroupLink| {
                    json!({
                        "value": group.id,
                        "$ref": ResourceType::Group.location(base_url, &group.id),
                        "display": group.display_name,
                        "type": "direct",
                    })
                };
                resource.insert("groups".into(), groups.iter().map(group).collect());
            }
        }
        for (urn, extension) in self.0.iter().filter(|(key, _)| key.contains(':')) {
            resource.insert(urn.clone(), extension.clone());
        }
        if let (Some(id), Some(link)) = (self.manager(), &links.manager)
            && let Some(manager) = resource
                .get_mut(ENTERPRISE_USER.urn)
                .and_then(|e| e.get_mut("manager"))
                .and_then(Value::as_object_mut)
        {
            manager.insert(
                "$ref".into(),
                ResourceType::User.location(base_url, id).into(),
            );
            if let Some(name) = &link.display_name {
                manager.insert("displayName".into(), name.as_str().into());
            }
        }
        resource.insert("meta".into(), meta.to_json(ResourceType::User, base_url));
        resource
    }
}

#[cfg(test)]
mod tests;
