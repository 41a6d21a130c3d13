//! Queries over users and groups together (RFC 7644 sections 3.4.2.1 and 3.4.3): users come first.

use scim::{Filter, ListQuery, ListResponse, ResourceType, ScimError, Sort};
use serde_json::{Map, Value};

use super::answer::Answer;
use super::error::Refusal;
use super::request::Call;
use super::{groups, users};
use crate::store::scim_list::{self, Listing};

/// One list after the other. An attribute that only one of the types has matches none of the other; one
/// that neither has is 400 `invalidFilter`, as anywhere.
pub(super) async fn all(query: ListQuery, call: &Call) -> Result<Answer, Refusal> {
    let readable = |resource_type| match query.filter(resource_type) {
        Ok(filter) => Ok(Some(filter)),
        Err(ScimError::FilterAttributeUnknown { .. }) => Ok(None),
        Err(error) => Err(error),
    };
    let (of_users, of_groups) = (
        readable(ResourceType::User)?,
        readable(ResourceType::Group)?,
    );
    if of_users.is_none() && of_groups.is_none() {
        query.filter(ResourceType::User)?;
    }
    let (db, scope) = (call.push.app.store.read(), &call.push.scope);
    let whole = listing(call, &query, None, None);
    let (mut resources, mut total) = (Vec::new(), 0);
    if let Some(filter) = &of_users {
        let sort = query.sort(ResourceType::User).ok().flatten();
        let listing = Listing {
            sort: sort.as_ref(),
            filter: filter.as_ref(),
            ..whole
        };
        let page = scim_list::users(&db, scope, listing).await?;
        total += page.total;
        resources.extend(users::render(call, &query.projection, page.resources).await?);
    }
    if let Some(filter) = &of_groups {
        let sort = query.sort(ResourceType::Group).ok().flatten();
        let shown = u64::try_from(resources.len()).unwrap_or(u64::MAX);
        let listing = Listing {
            sort: sort.as_ref(),
            filter: filter.as_ref(),
            offset: whole.offset.saturating_sub(total),
            limit: whole.limit.saturating_sub(shown),
            ..whole
        };
        let page = scim_list::groups(&db, scope, listing).await?;
        total += page.total;
        resources.extend(groups::render(call, &query.projection, page.resources).await?);
    }
    Ok(page(&query, total, resources))
}

/// The part of the resources that the query asks for.
pub(super) fn listing<'a>(
    call: &'a Call,
    query: &ListQuery,
    filter: Option<&'a Filter>,
    sort: Option<&'a Sort>,
) -> Listing<'a> {
    // SQL counts from 0, in 63 bits.
    let offset = query.start_index.saturating_sub(1);
    Listing {
        base_url: &call.base_url,
        filter,
        sort,
        offset: u64::try_from(offset).unwrap_or(u64::MAX).min(1 << 62),
        limit: u64::try_from(query.count).unwrap_or(u64::MAX),
    }
}

/// These resources, of so many.
pub(super) fn page(query: &ListQuery, total: u64, rendered: Vec<Map<String, Value>>) -> Answer {
    let total = usize::try_from(total).unwrap_or(usize::MAX);
    let resources = rendered.into_iter().map(Value::Object).collect();
    Answer::ok(ListResponse::page(total, query.start_index, resources).into_json())
}

/// The only resource of what was rendered.
pub(super) fn one(rendered: Vec<Map<String, Value>>) -> Value {
    let mut resources = rendered.into_iter().map(Value::Object);
    resources.next().unwrap_or_default()
}
