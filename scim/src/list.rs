//! Queries and their answers (RFC 7644 sections 3.4.2 and 3.4.3): paging, sorting, projection, as query
//! parameters or as the body of a `.search`.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use crate::error::{ScimError, excerpt};
use crate::filter::{Filter, MAX_SLOW_COMPARISONS};
use crate::patch::field;
use crate::projection::Projection;
use crate::quirk::Quirks;
use crate::resource::{AttributePath, ResourceType, fold};
use crate::schema::{Kind, Returned};

/// Resources on a page when the caller names no `count`.
pub const DEFAULT_PAGE_SIZE: usize = 100;
/// The most resources on a page; a larger `count` is cut down to it, not refused.
pub const MAX_PAGE_SIZE: usize = 1_000;

pub const LIST_RESPONSE_URN: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/// What a caller wants to see of a list of resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// As it was written; [`ListQuery::filter`] reads it for one type of resource.
    pub filter: Option<String>,
    pub sort_by: Option<String>,
    pub sort_order: SortOrder,
    /// Counts from 1.
    pub start_index: usize,
    /// At most [`MAX_PAGE_SIZE`]; 0 asks for the total only.
    pub count: usize,
    /// RFC 9865: empty for the first page.
    pub cursor: Option<String>,
    pub projection: Projection,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SortOrder {
    #[default]
    Ascending,
    Descending,
}

/// A sort key and its direction. Add the id as the last key, so that pages are stable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    pub path: AttributePath,
    pub order: SortOrder,
}

impl Default for ListQuery {
    fn default() -> Self {
        Self {
            filter: None,
            sort_by: None,
            sort_order: SortOrder::Ascending,
            start_index: 1,
            count: DEFAULT_PAGE_SIZE,
            cursor: None,
            projection: Projection::All,
        }
    }
}

impl ListQuery {
    /// From decoded query parameters. Unknown ones are ignored: Entra ID's flag `aadOptscim062020` can
    /// end up here.
    ///
    /// Errors: `invalidValue` for numbers that are none and unknown sort orders.
    pub fn from_parameters<'a>(
        parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, ScimError> {
        let mut query = Self::default();
        let (mut attributes, mut excluded, mut size) = (None, None, None);
        for (name, value) in parameters {
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            let given = (!value.trim().is_empty()).then_some(value);
            if is("filter") {
                query.filter = given.map(str::to_owned);
            } else if is("sortBy") {
                query.sort_by = given.map(str::to_owned);
            } else if is("sortOrder") {
                query.sort_order = given.map_or(Ok(SortOrder::Ascending), sort_order)?;
            } else if is("startIndex") {
                query.start_index = given.map_or(Ok(1), |v| start_index(&v.into()))?;
            } else if is("count") {
                size = given.map(Value::from);
            } else if is("cursor") {
                query.cursor = Some(value.to_owned());
            } else if is("attributes") {
                attributes = Some(value);
            } else if is("excludedAttributes") {
                excluded = Some(value);
            }
        }
        query.count = page_size(size.as_ref(), query.cursor.is_some())?;
        query.projection = Projection::parse(attributes, excluded)?;
        Ok(query)
    }

    /// From the body of a `.search` (RFC 7644 section 3.4.3).
    ///
    /// Errors: `invalidSyntax` for a body that is no object, `invalidValue` as above.
    pub fn from_search_request(body: &Value) -> Result<Self, ScimError> {
        let body = body
            .as_object()
            .ok_or_else(|| ScimError::syntax("the body is a JSON object"))?;
        let given = |name| field(body, name).filter(|value| !value.is_null());
        let text = |name: &'static str| match given(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(ScimError::value(name, "it is text")),
        };
        let filled = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let order = filled(text("sortOrder")?);
        let cursor = text("cursor")?;
        Ok(Self {
            filter: filled(text("filter")?),
            sort_by: filled(text("sortBy")?),
            sort_order: order
                .as_deref()
                .map_or(Ok(SortOrder::Ascending), sort_order)?,
            start_index: given("startIndex").map_or(Ok(1), start_index)?,
            count: page_size(given("count"), cursor.is_some())?,
            cursor,
            projection: Projection::new(
                names(given("attributes"), "attributes")?,
                names(given("excludedAttributes"), "excludedAttributes")?,
            )?,
        })
    }

    /// The filter, read for resources of one type.
    ///
    /// Errors: as [`Filter::parse`]; `tooMany` beyond [`MAX_SLOW_COMPARISONS`].
    pub fn filter(
        &self,
        resource_type: ResourceType,
        quirks: &Quirks,
    ) -> Result<Option<Filter>, ScimError> {
        let Some(text) = self.filter.as_deref() else {
            return Ok(None);
        };
        let filter = Filter::parse(resource_type, text, quirks)?;
        if filter.slow_comparisons() > MAX_SLOW_COMPARISONS {
            return Err(ScimError::FilterTooSlow {
                limit: MAX_SLOW_COMPARISONS,
            });
        }
        Ok(Some(filter))
    }

    /// What to sort resources of one type by. A multi-valued attribute sorts by its primary value, and by
    /// `value` where no other part is named.
    ///
    /// Errors: `invalidPath` for what can't be sorted by.
    pub fn sort(&self, resource_type: ResourceType) -> Result<Option<Sort>, ScimError> {
        let Some(name) = self.sort_by.as_deref() else {
            return Ok(None);
        };
        let unusable = |problem: &str| ScimError::path(name, problem);
        let path = resource_type
            .resolve(name.trim())
            .filter(|path| path.leaf().returned != Returned::Never)
            .ok_or_else(|| unusable("there is no such attribute to sort by"))?;
        if matches!(path.names(), (None, "members" | "groups" | "schemas", _)) {
            return Err(unusable("a resource may have many of these, in no order"));
        }
        let path = match path.leaf().sub_attribute("value") {
            Some(value) => path.with_sub(Some(value)),
            None => path,
        };
        if path.leaf().is_complex() {
            return Err(unusable("name the part to sort by"));
        }
        Ok(Some(Sort {
            path,
            order: self.sort_order,
        }))
    }
}

fn sort_order(text: &str) -> Result<SortOrder, ScimError> {
    match text.trim() {
        t if t.eq_ignore_ascii_case("ascending") => Ok(SortOrder::Ascending),
        t if t.eq_ignore_ascii_case("descending") => Ok(SortOrder::Descending),
        other => {
            let problem = format!("it is ascending or descending, not {:?}", excerpt(other));
            Err(ScimError::value("sortOrder", problem))
        }
    }
}

/// Below 1 means 1 (RFC 7644 section 3.4.2.4).
fn start_index(value: &Value) -> Result<usize, ScimError> {
    let number = whole_number(value).ok_or_else(|| {
        let problem = format!("it is a whole number, not {}", excerpt(&value.to_string()));
        ScimError::value("startIndex", problem)
    })?;
    Ok(usize::try_from(number.max(1)).unwrap_or(usize::MAX))
}

/// With a cursor, what is not from 1 to [`MAX_PAGE_SIZE`] is refused (RFC 9865 section 2.1).
fn page_size(value: Option<&Value>, by_cursor: bool) -> Result<usize, ScimError> {
    let Some(value) = value else {
        return Ok(DEFAULT_PAGE_SIZE);
    };
    if !by_cursor {
        return count(value);
    }
    let number = whole_number(value).and_then(|number| usize::try_from(number).ok());
    number
        .filter(|number| (1..=MAX_PAGE_SIZE).contains(number))
        .ok_or_else(|| ScimError::PageSizeInvalid {
            found: excerpt(
                &value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned),
            ),
            limit: MAX_PAGE_SIZE,
        })
}

/// Below 0 means 0 (RFC 7644 section 3.4.2.4).
fn count(value: &Value) -> Result<usize, ScimError> {
    let number = whole_number(value).ok_or_else(|| {
        let found = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        ScimError::CountInvalid {
            found: excerpt(&found),
        }
    })?;
    Ok(usize::try_from(number.max(0))
        .unwrap_or(usize::MAX)
        .min(MAX_PAGE_SIZE))
}

/// A whole number, as such or as text; one too large to hold counts as the largest.
fn whole_number(value: &Value) -> Option<i64> {
    let text = match value {
        Value::Number(number) => return number.as_i64().or(number.as_u64().map(|_| i64::MAX)),
        Value::String(text) => text.trim(),
        _ => return None,
    };
    let (digits, largest) = match text.strip_prefix('-') {
        Some(digits) => (digits, i64::MIN),
        None => (text.strip_prefix('+').unwrap_or(text), i64::MAX),
    };
    let all_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    all_digits.then(|| text.parse().unwrap_or(largest))
}

/// A list of names: an array, or, as some clients do, one text with commas.
fn names(value: Option<&Value>, parameter: &'static str) -> Result<Vec<String>, ScimError> {
    let wrong = || ScimError::value(parameter, "it is an array of names");
    match value {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(text.split(',').map(str::to_owned).collect()),
        Some(Value::Array(names)) => names
            .iter()
            .map(|n| n.as_str().map(str::to_owned).ok_or_else(wrong))
            .collect(),
        Some(_) => Err(wrong()),
    }
}

impl Sort {
    /// The order of two rendered resources. No value comes last when ascending, first when descending
    /// (RFC 7644 section 3.4.2.3).
    pub fn compare(&self, left: &Map<String, Value>, right: &Map<String, Value>) -> Ordering {
        let ascending = match (self.key(left), self.key(right)) {
            (Some(left), Some(right)) => left.cmp(&right),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        match self.order {
            SortOrder::Ascending => ascending,
            SortOrder::Descending => ascending.reverse(),
        }
    }

    fn key(&self, resource: &Map<String, Value>) -> Option<String> {
        let values = self.path.values(resource);
        let primary = |value: &&Value| value.get("primary") == Some(&Value::Bool(true));
        let value = values.iter().find(primary).or_else(|| values.first())?;
        let value = match self.path.sub {
            Some(sub) => value.get(sub.name)?,
            None => value,
        };
        let leaf = self.path.leaf();
        match value {
            Value::String(text) if leaf.case_exact || leaf.kind == Kind::DateTime => {
                Some(text.clone())
            }
            Value::String(text) => Some(fold(text)),
            Value::Bool(value) => Some(value.to_string()),
            _ => None,
        }
    }
}

/// One page of resources.
#[derive(Debug, Clone, PartialEq)]
pub struct ListResponse {
    /// All that match, on whatever page.
    pub total_results: usize,
    /// None on a page that follows a cursor.
    pub start_index: Option<usize>,
    pub resources: Vec<Value>,
    /// RFC 9865: where the next page starts; None on the last.
    pub next_cursor: Option<String>,
    pub previous_cursor: Option<String>,
}

impl ListResponse {
    /// A page that counts from `start_index`.
    pub fn page(total_results: usize, start_index: usize, resources: Vec<Value>) -> Self {
        Self {
            total_results,
            start_index: Some(start_index),
            resources,
            next_cursor: None,
            previous_cursor: None,
        }
    }

    /// All there is.
    pub fn complete(resources: Vec<Value>) -> Self {
        Self::page(resources.len(), 1, resources)
    }

    /// `{"schemas", "totalResults", "startIndex", "itemsPerPage", "Resources"}`; `itemsPerPage` is the
    /// number really returned.
    pub fn into_json(self) -> Value {
        let mut body = Map::new();
        body.insert("schemas".into(), json!([LIST_RESPONSE_URN]));
        body.insert("totalResults".into(), self.total_results.into());
        if let Some(start_index) = self.start_index {
            body.insert("startIndex".into(), start_index.into());
        }
        body.insert("itemsPerPage".into(), self.resources.len().into());
        for (name, cursor) in [
            ("nextCursor", self.next_cursor),
            ("previousCursor", self.previous_cursor),
        ] {
            if let Some(cursor) = cursor {
                body.insert(name.into(), cursor.into());
            }
        }
        body.insert("Resources".into(), self.resources.into());
        Value::Object(body)
    }
}

#[cfg(test)]
mod tests;
