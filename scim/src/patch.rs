//! PATCH (RFC 7644 section 3.5.2), as directories send it: `Add` in capitals, booleans as text, objects
//! whose keys are paths. A request is read once, against the schemas, and then applied to a resource as
//! a whole or not at all. POST and PUT bodies go the same way: they add to an empty resource.

mod apply;
mod custom;
mod elements;
mod members;
mod read;

use serde_json::{Map, Value};

use crate::error::ScimError;
use crate::filter::Filter;
use crate::group::Group;
use crate::quirk::{Quirk, Quirks};
use crate::resource::{AttributePath, ResourceType};
use crate::user::User;

use read::Reader;

pub use members::{Member, MemberOperation, member_candidates};

/// The most operations in one request: Entra ID sends one for each member of a group, but no directory has
/// so much to say about a user, whose operations are each applied to all of a user's values.
pub fn max_operations(resource_type: ResourceType) -> usize {
    match resource_type {
        ResourceType::User => 500,
        ResourceType::Group => 5_000,
    }
}

/// A PATCH request, understood: every name resolved, every value of its attribute's type.
#[derive(Debug, Clone)]
pub struct PatchRequest {
    changes: Vec<NumberedChange>,
}

/// What a PATCH does to a group. Members are apart, so that nobody has to load them all.
#[derive(Debug, Clone)]
pub struct GroupPatch {
    /// The group with its new attributes.
    pub group: Group,
    /// What happens to its members, in this order.
    pub members: Vec<MemberOperation>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Replace,
    Remove,
}

#[derive(Debug, Clone)]
struct NumberedChange {
    /// The operation it comes from, counted from 1.
    number: usize,
    change: Change,
}

#[derive(Debug, Clone)]
enum Change {
    Attribute(AttributeChange),
    Members(MemberOperation),
    RemoveExtension(&'static str),
    /// A path below the URN of an unknown schema.
    Custom {
        path: String,
        operator: Operator,
        value: Option<Value>,
    },
    /// Okta repeats the resource's `id` in the value: right as long as it is the same.
    ClaimId(String),
}

#[derive(Debug, Clone)]
struct AttributeChange {
    path: AttributePath,
    filter: Option<Filter>,
    effect: Effect,
    /// The path as it was written, for errors.
    text: String,
}

#[derive(Debug, Clone)]
enum Effect {
    Add(Value),
    Replace(Value),
    Remove,
    /// `replace` by nothing: like remove, but that a filter need not be satisfied by anything.
    Unassign,
    /// `remove` of the elements that its `value` lists.
    RemoveListed(Vec<Value>),
}

impl PatchRequest {
    /// Reads `{"schemas": […], "Operations": [{"op", "path"?, "value"?}]}`.
    ///
    /// Errors: `invalidSyntax` for another shape, `invalidPath`, `invalidValue`, `mutability` for a
    /// read-only path, `noTarget` for a remove without path; each names its operation.
    pub fn parse(
        resource_type: ResourceType,
        body: &Value,
        quirks: &Quirks,
    ) -> Result<Self, ScimError> {
        let body = body
            .as_object()
            .ok_or_else(|| ScimError::syntax("the body is a JSON object"))?;
        quirks.note_if(field(body, "schemas").is_none(), Quirk::SchemasMissing);
        let operations = field(body, "Operations").and_then(Value::as_array);
        let operations =
            operations.ok_or_else(|| ScimError::syntax("Operations is an array of operations"))?;
        if operations.is_empty() {
            return Err(ScimError::syntax("Operations is empty"));
        }
        let limit = max_operations(resource_type);
        if operations.len() > limit {
            return Err(ScimError::LimitExceeded {
                what: "Operations",
                found: operations.len(),
                limit,
            });
        }
        let mut changes = Vec::new();
        for (index, operation) in operations.iter().enumerate() {
            let number = index + 1;
            let mut reader = Reader::new(resource_type, quirks);
            reader
                .operation(operation)
                .map_err(|error| error.in_operation(number))?;
            let numbered = |change| NumberedChange { number, change };
            changes.extend(reader.changes.into_iter().map(numbered));
        }
        Ok(Self { changes })
    }

    /// The user after all operations. Equal to the user before when nothing changes.
    ///
    /// Errors: `noTarget`, `mutability`, `invalidValue`; then nothing of the request holds.
    pub fn apply_to_user(&self, id: &str, user: &User, quirks: &Quirks) -> Result<User, ScimError> {
        let before = user.attributes().clone();
        let (attributes, _) = self.apply(id, ResourceType::User, before, quirks)?;
        Ok(User::from_attributes(attributes))
    }

    /// The group's attributes after all operations, and what to do with its members.
    pub fn apply_to_group(
        &self,
        id: &str,
        group: &Group,
        quirks: &Quirks,
    ) -> Result<GroupPatch, ScimError> {
        let before = group.attributes().clone();
        let (attributes, members) = self.apply(id, ResourceType::Group, before, quirks)?;
        Ok(GroupPatch {
            group: Group::from_attributes(attributes),
            members,
        })
    }

    fn apply(
        &self,
        id: &str,
        resource_type: ResourceType,
        mut attributes: Map<String, Value>,
        quirks: &Quirks,
    ) -> Result<(Map<String, Value>, Vec<MemberOperation>), ScimError> {
        let mut plan: Vec<MemberOperation> = Vec::new();
        for NumberedChange { number, change } in &self.changes {
            apply_one(change, Some(id), &mut attributes, &mut plan, quirks)
                .map_err(|error| error.in_operation(*number))?;
        }
        apply::tidy(resource_type, &mut attributes);
        plan.iter_mut().for_each(MemberOperation::deduplicate);
        let whole = plan.iter().filter(|o| o.reads_everybody()).count();
        if whole > members::MAX_WHOLE {
            return Err(ScimError::LimitExceeded {
                what: "operations on all members",
                found: whole,
                limit: members::MAX_WHOLE,
            });
        }
        Ok((attributes, plan))
    }
}

/// A POST or PUT body as attributes and, for a group, members.
///
/// Errors: `invalidSyntax` for what is no object or belongs to another schema, `invalidValue`.
pub(crate) fn read_body(
    resource_type: ResourceType,
    body: &Value,
    quirks: &Quirks,
) -> Result<(Map<String, Value>, Vec<Member>), ScimError> {
    let body = body
        .as_object()
        .ok_or_else(|| ScimError::syntax("the body is a JSON object"))?;
    check_schemas(resource_type, body, quirks)?;
    let mut reader = Reader::new(resource_type, quirks);
    reader.object(Operator::Add, "", body)?;
    let (mut attributes, mut operations) = (Map::new(), Vec::new());
    for change in &reader.changes {
        apply_one(change, None, &mut attributes, &mut operations, quirks)?;
    }
    apply::tidy(resource_type, &mut attributes);
    operations.iter_mut().for_each(MemberOperation::deduplicate);
    let mut members = Vec::new();
    operations
        .iter()
        .for_each(|operation| operation.apply(&mut members));
    Ok((attributes, members))
}

/// A body that says it is something else is refused; one that does not say what it is, is welcome.
fn check_schemas(
    resource_type: ResourceType,
    body: &Map<String, Value>,
    quirks: &Quirks,
) -> Result<(), ScimError> {
    let Some(schemas) = field(body, "schemas").and_then(Value::as_array) else {
        quirks.note(Quirk::SchemasMissing);
        return Ok(());
    };
    let mut texts = schemas.iter().filter_map(Value::as_str);
    quirks.note_if(texts.any(is_microsofts), Quirk::MicrosoftSchema);
    let lists = |urn: &str| {
        schemas
            .iter()
            .filter_map(Value::as_str)
            .any(|s| s.eq_ignore_ascii_case(urn))
    };
    let other = ResourceType::ALL
        .into_iter()
        .find(|t| *t != resource_type && lists(t.schema().urn));
    match other {
        Some(other) if !lists(resource_type.schema().urn) => Err(ScimError::syntax(format!(
            "schemas says {other}, this is {resource_type}"
        ))),
        _ => Ok(()),
    }
}

/// Entra ID gives its groups this schema, and the schema no attributes.
fn is_microsofts(urn: &str) -> bool {
    const ADSCIM: &str = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/";
    urn.get(..ADSCIM.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(ADSCIM))
}

fn apply_one(
    change: &Change,
    id: Option<&str>,
    attributes: &mut Map<String, Value>,
    members: &mut Vec<MemberOperation>,
    quirks: &Quirks,
) -> Result<(), ScimError> {
    match change {
        Change::Attribute(change) => apply::attribute(attributes, change, quirks)?,
        Change::Members(operation) => operation.clone().join(members),
        Change::RemoveExtension(urn) => {
            attributes.remove(*urn);
        }
        Change::Custom {
            path,
            operator,
            value,
        } => {
            custom::apply(attributes, path, *operator, value.as_ref())?;
        }
        Change::ClaimId(claimed) => {
            quirks.note_if(id.is_some(), Quirk::IdInValue);
            if id.is_some_and(|id| id != claimed) {
                return Err(ScimError::ReadOnly {
                    attribute: "id".into(),
                });
            }
        }
    }
    Ok(())
}

/// The value of a key, whatever its case.
pub(crate) fn field<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).or_else(|| {
        object
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, v)| v)
    })
}

#[cfg(test)]
mod tests;
