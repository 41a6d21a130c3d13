//! Group members: a plan of what happens to them, which the caller turns into rows. So one member more
//! costs the same in a group of three and in one of ten thousand.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{Operator, field};
use crate::error::{ScimError, excerpt};
use crate::filter::{CompareOperator, Filter, Literal, matches_element};
use crate::normalize;
use crate::quirk::{Quirk, Quirks};
use crate::resource::{AttributePath, ResourceType};

/// The most operations of a request that read all members of a group. A directory sends one.
pub(super) const MAX_WHOLE: usize = 20;

/// A member as a directory names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The `id` of a user or group of the same directory.
    pub value: String,
    /// What the directory says it is. Okta says nothing: the id tells.
    pub resource_type: Option<ResourceType>,
}

/// One step of a membership change. Each list names an id once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberOperation {
    /// Those who are members already stay.
    Add(Vec<Member>),
    /// Those who are no members are passed over: directories retry.
    Remove(Vec<String>),
    RemoveAll,
    /// Afterwards exactly these are members.
    Replace(Vec<Member>),
    /// Removes the members that a filter selects; only for filters that say more than ids.
    RemoveMatching(Filter),
    /// Puts others in the place of the members that a filter selects; [`ScimError::NoTarget`] where it
    /// selects none.
    ReplaceMatching {
        filter: Filter,
        path: String,
        members: Vec<Member>,
    },
}

impl Member {
    /// From `{"value", "$ref"?, "type"?, …}` or a bare id. Entra ID sends `"$ref": null`.
    ///
    /// Errors: `invalidValue` for a member without an id.
    fn read(input: &Value, quirks: &Quirks) -> Result<Option<Self>, ScimError> {
        let missing =
            || ScimError::value("members", "a member needs a value: the id of a resource");
        let parts = match input {
            Value::Null => return Ok(None),
            Value::String(id) => {
                quirks.note(Quirk::BareValue);
                return Self::new(id, None).map(Some);
            }
            Value::Object(parts) => parts,
            _ => return Err(missing()),
        };
        let text = |name| field(parts, name).and_then(Value::as_str);
        let null = field(parts, "$ref").is_some_and(Value::is_null);
        quirks.note_if(null, Quirk::NullReference);
        let reference = text("$ref");
        let id = match field(parts, "value") {
            None | Some(Value::Null) => {
                quirks.note_if(reference.is_some(), Quirk::LinkByReference);
                reference.and_then(normalize::last_segment)
            }
            Some(value) => value.as_str(),
        };
        let by_url = |url: &str| {
            ResourceType::ALL
                .into_iter()
                .find(|t| url.contains(&format!("{}/", t.endpoint())))
        };
        let resource_type = text("type")
            .and_then(ResourceType::named)
            .or_else(|| reference.and_then(by_url));
        Self::new(id.ok_or_else(missing)?, resource_type).map(Some)
    }

    fn new(id: &str, resource_type: Option<ResourceType>) -> Result<Self, ScimError> {
        const LONGEST: usize = 512;
        if id.trim().is_empty() || id.contains('\0') || id.len() > LONGEST {
            let problem = format!("{:?} is not the id of a resource", excerpt(id));
            return Err(ScimError::value("members.value", problem));
        }
        Ok(Self {
            value: id.to_owned(),
            resource_type,
        })
    }

    /// Several members, each once. None where the value is null.
    fn read_all(input: &Value, quirks: &Quirks) -> Result<Option<Vec<Self>>, ScimError> {
        let inputs = match input {
            Value::Null => return Ok(None),
            Value::Array(inputs) => inputs.as_slice(),
            one => {
                quirks.note_if(one.is_object(), Quirk::ObjectForArray);
                std::slice::from_ref(one)
            }
        };
        let mut seen = HashSet::new();
        let mut members = Vec::with_capacity(inputs.len());
        for input in inputs {
            if let Some(member) = Self::read(input, quirks)?
                && seen.insert(member.value.clone())
            {
                members.push(member);
            }
        }
        Ok(Some(members))
    }

    fn element(&self) -> Map<String, Value> {
        let mut element = Map::from_iter([("value".to_owned(), Value::from(self.value.as_str()))]);
        if let Some(resource_type) = self.resource_type {
            element.insert("type".into(), resource_type.name().into());
        }
        element
    }
}

/// The operation on `members`; None where nothing is to be done.
///
/// Errors: `mutability` for a path to a part of a member, which never changes; `noTarget`.
pub(super) fn read(
    operator: Operator,
    path: AttributePath,
    filter: Option<Filter>,
    text: &str,
    value: &Value,
    quirks: &Quirks,
) -> Result<Option<MemberOperation>, ScimError> {
    if let Some(sub) = path.sub {
        return Err(ScimError::ReadOnly {
            attribute: format!("members.{}", sub.name),
        });
    }
    let Some(filter) = filter else {
        return Ok(match (operator, Member::read_all(value, quirks)?) {
            (Operator::Add, members) => members.filter(|m| !m.is_empty()).map(MemberOperation::Add),
            (Operator::Replace, members) => {
                Some(MemberOperation::Replace(members.unwrap_or_default()))
            }
            (Operator::Remove, None) => Some(MemberOperation::RemoveAll),
            // Entra ID lists whom to remove in the value, JumpCloud too: never everybody.
            (Operator::Remove, Some(members)) => {
                quirks.note(Quirk::MembersRemovedByList);
                let ids = members.into_iter().map(|m| m.value).collect();
                Some(MemberOperation::Remove(ids))
            }
        });
    };
    let no_target = || ScimError::NoTarget {
        path: excerpt(text),
    };
    Ok(Some(match operator {
        Operator::Remove => removal(filter),
        Operator::Add => {
            // As with Entra ID's emails[type eq "home"], the member asked for is the one to be made.
            let members = to_create(&filter)?.ok_or_else(no_target)?;
            quirks.note(Quirk::ElementCreated);
            MemberOperation::Add(members)
        }
        Operator::Replace => match Member::read_all(value, quirks)? {
            Some(members) if !members.is_empty() => MemberOperation::ReplaceMatching {
                filter,
                path: excerpt(text),
                members,
            },
            _ => removal(filter),
        },
    }))
}

fn removal(filter: Filter) -> MemberOperation {
    match selected_ids(&filter) {
        Some(ids) => MemberOperation::Remove(ids),
        None => MemberOperation::RemoveMatching(filter),
    }
}

/// The ids of a filter that only says `value eq "a" or value eq "b"`.
fn selected_ids(filter: &Filter) -> Option<Vec<String>> {
    match filter {
        Filter::Compare {
            path,
            operator: CompareOperator::Equal,
            value: Literal::Text(id),
        } if path.leaf().name == "value" => Some(vec![id.clone()]),
        Filter::Or(all) => {
            let ids: Option<Vec<_>> = all.iter().map(selected_ids).collect();
            Some(ids?.into_iter().flatten().collect())
        }
        _ => None,
    }
}

/// The members that an `add` with this filter asks for: `value eq "a" or value eq "b"`, or one by
/// `value eq "a" and type eq "User"`. None where it asks for none.
fn to_create(filter: &Filter) -> Result<Option<Vec<Member>>, ScimError> {
    if let Some(ids) = selected_ids(filter) {
        return ids
            .iter()
            .map(|id| Member::new(id, None))
            .collect::<Result<_, _>>()
            .map(Some);
    }
    let parts = filter.equalities().unwrap_or_default();
    let text = |name: &str| {
        let mut texts = parts.iter().filter_map(|(path, literal)| match literal {
            Literal::Text(text) if path.leaf().name == name => Some(text.as_str()),
            _ => None,
        });
        texts.next().filter(|_| texts.next().is_none())
    };
    let Some(id) = text("value") else {
        return Ok(None);
    };
    let member = Member::new(id, text("type").and_then(ResourceType::named))?;
    Ok(Some(vec![member]))
}

/// The ids of which a member that satisfies the filter has one: with `value eq "a" and type eq "User"` only `a` is
/// to be looked at. None where anybody may satisfy it.
pub fn member_candidates(filter: &Filter) -> Option<Vec<String>> {
    match filter {
        Filter::Compare {
            path,
            operator: CompareOperator::Equal,
            value: Literal::Text(id),
        } if path.leaf().name == "value" => Some(vec![id.clone()]),
        Filter::And(all) => {
            let narrowed = all.iter().filter_map(member_candidates);
            narrowed.min_by_key(Vec::len)
        }
        Filter::Or(all) => {
            let each: Option<Vec<_>> = all.iter().map(member_candidates).collect();
            Some(each?.into_iter().flatten().collect())
        }
        _ => None,
    }
}

impl MemberOperation {
    /// Appends the operation, joined with the last where both add or both remove: Entra ID sends one
    /// operation for each member.
    pub(super) fn join(self, operations: &mut Vec<Self>) {
        match (operations.last_mut(), self) {
            (Some(Self::Add(all)), Self::Add(more)) => all.extend(more),
            (Some(Self::Remove(all)), Self::Remove(more)) => all.extend(more),
            (_, operation) => operations.push(operation),
        }
    }

    /// Whether it can't be done without knowing who is a member: its cost is the group's.
    pub(super) fn reads_everybody(&self) -> bool {
        match self {
            Self::Add(_) | Self::Remove(_) => false,
            Self::RemoveAll | Self::Replace(_) => true,
            Self::RemoveMatching(filter) | Self::ReplaceMatching { filter, .. } => {
                member_candidates(filter).is_none()
            }
        }
    }

    /// Drops what joining has doubled.
    pub(super) fn deduplicate(&mut self) {
        let mut seen = HashSet::new();
        match self {
            Self::Add(members) => members.retain(|m| seen.insert(m.value.clone())),
            Self::Remove(ids) => ids.retain(|id| seen.insert(id.clone())),
            _ => {}
        }
    }

    /// The meaning of the operation, on a list in memory. What the rows do is held against it.
    pub fn apply(&self, members: &mut Vec<Member>) {
        match self {
            Self::Add(new) => {
                let old: HashSet<String> = members.iter().map(|m| m.value.clone()).collect();
                members.extend(new.iter().filter(|m| !old.contains(&m.value)).cloned());
            }
            Self::Remove(ids) => {
                let ids: HashSet<&String> = ids.iter().collect();
                members.retain(|m| !ids.contains(&m.value));
            }
            Self::RemoveAll => members.clear(),
            Self::Replace(new) => *members = new.clone(),
            Self::RemoveMatching(filter) => {
                members.retain(|m| !matches_element(filter, &m.element()));
            }
            Self::ReplaceMatching {
                filter,
                members: new,
                ..
            } => {
                members.retain(|m| !matches_element(filter, &m.element()));
                Self::Add(new.clone()).apply(members);
            }
        }
    }
}
