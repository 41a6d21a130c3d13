//! `bulkId:…`: references to what a bulk request is about to create (RFC 7644 section 3.7.2).

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value, json};

use super::BulkOperation;
use crate::schema::ENTERPRISE_USER;

const PREFIX: &str = "bulkId:";

/// The ids of what was created so far, by `bulkId`.
#[derive(Debug, Default)]
pub struct Resolved(HashMap<String, String>);

impl Resolved {
    pub fn insert(&mut self, bulk_id: &str, id: &str) {
        self.0.insert(bulk_id.to_owned(), id.to_owned());
    }

    /// The path and data with ids in place of references.
    ///
    /// Errors: the first reference that names nothing that was created.
    pub fn resolve(&self, path: &str, data: Option<&Value>) -> Result<(String, Value), String> {
        let mut missing = None;
        let mut put = |bulk_id: &str| match self.0.get(bulk_id) {
            Some(id) => Some(id.clone()),
            None => {
                missing.get_or_insert_with(|| bulk_id.to_owned());
                None
            }
        };
        let path = in_path(path, &mut put);
        let mut data = data.cloned().unwrap_or_default();
        visit(&mut data, "", &mut put);
        match missing {
            None => Ok((path, data)),
            Some(bulk_id) => Err(bulk_id),
        }
    }
}

/// All that an operation refers to.
pub(super) fn of(operation: &BulkOperation) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut note = |bulk_id: &str| {
        found.insert(bulk_id.to_owned());
        None
    };
    in_path(&operation.path, &mut note);
    let mut data = operation.data.clone().unwrap_or_default();
    visit(&mut data, "", &mut note);
    found
}

/// `/Groups/bulkId:team`
fn in_path(path: &str, put: &mut impl FnMut(&str) -> Option<String>) -> String {
    let segments = path.split('/').map(|segment| {
        let id = segment.strip_prefix(PREFIX).and_then(&mut *put);
        id.unwrap_or_else(|| segment.to_owned())
    });
    segments.collect::<Vec<_>>().join("/")
}

/// References stand where ids do: in `value`, in `manager` and `members` written short, in a `$ref`, and in
/// the filter of a PATCH operation's `path`. Anywhere else the same letters are text: a name may begin so.
fn visit(data: &mut Value, key: &str, put: &mut impl FnMut(&str) -> Option<String>) {
    match data {
        Value::Object(parts) => parts
            .iter_mut()
            .for_each(|(name, part)| visit(part, name, put)),
        Value::Array(elements) => elements.iter_mut().for_each(|e| visit(e, key, put)),
        Value::String(text) => {
            let name = key.rsplit([':', '.']).next().unwrap_or(key);
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            if is("path") {
                *text = in_filter(text, put);
            } else if is("$ref") {
                *text = in_path(text, put);
            } else if (is("value") || is("manager") || is("members"))
                && let Some(id) = text.strip_prefix(PREFIX).and_then(&mut *put)
            {
                *text = id;
            }
        }
        _ => {}
    }
}

/// `members[value eq "bulkId:ada"]`
fn in_filter(text: &str, put: &mut impl FnMut(&str) -> Option<String>) -> String {
    let parts = text.split('"').map(|part| {
        let id = part.strip_prefix(PREFIX).and_then(&mut *put);
        id.unwrap_or_else(|| part.to_owned())
    });
    parts.collect::<Vec<_>>().join("\"")
}

impl BulkOperation {
    /// A creation without the members or the manager that refer to these, and the PATCH that adds them.
    /// None where a reference stands elsewhere.
    pub fn without(&self, left_out: &BTreeSet<String>) -> Option<(Self, Value)> {
        let mut first = self.clone();
        let data = first.data.as_mut()?.as_object_mut()?;
        let mut later = Vec::new();
        let members = key(data, "members");
        if let Some(Value::Array(members)) = members.and_then(|name| data.get_mut(&name)) {
            let (out, rest) = std::mem::take(members)
                .into_iter()
                .partition::<Vec<_>, _>(|member| refers(member, "members", left_out));
            *members = rest;
            if !out.is_empty() {
                later.push(json!({"op": "add", "path": "members", "value": out}));
            }
        }
        let extension = key(data, ENTERPRISE_USER.urn);
        if let Some(Value::Object(parts)) = extension.and_then(|name| data.get_mut(&name))
            && let Some(name) = key(parts, "manager")
            && parts
                .get(&name)
                .is_some_and(|m| refers(m, "manager", left_out))
        {
            let manager = parts.remove(&name);
            let path = format!("{}:manager", ENTERPRISE_USER.urn);
            later.push(json!({"op": "add", "path": path, "value": manager}));
        }
        let complete = of(&first).is_disjoint(left_out);
        complete.then(|| (first, json!({"Operations": later})))
    }
}

fn refers(value: &Value, name: &str, left_out: &BTreeSet<String>) -> bool {
    let mut found = false;
    let mut note = |bulk_id: &str| {
        found |= left_out.contains(bulk_id);
        None
    };
    visit(&mut value.clone(), name, &mut note);
    found
}

fn key(object: &Map<String, Value>, name: &str) -> Option<String> {
    object
        .keys()
        .find(|k| k.eq_ignore_ascii_case(name))
        .cloned()
}
