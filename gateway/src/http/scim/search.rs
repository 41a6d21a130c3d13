//! Queries over users and groups together (RFC 7644 sections 3.4.2.1 and 3.4.3): users come first.

use scim::{ListQuery, ListResponse, ResourceType, ScimError};
use serde_json::Value;

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
    let mut listing = Listing {
        base_url: &call.base_url,
        filter: None,
        sort: None,
        offset: offset(&query),
        limit: limit(&query),
    };
    let (mut resources, mut total) = (Vec::new(), 0);
    if let Some(filter) = &of_users {
        let sort = query.sort(ResourceType::User).ok().flatten();
        listing.filter = filter.as_ref();
        let listing = Listing {
            sort: sort.as_ref(),
            ..listing
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
            offset: listing.offset.saturating_sub(total),
            limit: listing.limit.saturating_sub(shown),
            ..listing
        };
        let page = scim_list::groups(&db, scope, listing).await?;
        total += page.total;
        resources.extend(groups::render(call, &query.projection, page.resources).await?);
    }
    let resources = resources.into_iter().map(Value::Object).collect();
    Ok(Answer::ok(
        ListResponse::page(self::total(total), query.start_index, resources).into_json(),
    ))
}

/// SQL counts from 0, in 63 bits.
pub(super) fn offset(query: &ListQuery) -> u64 {
    let offset = query.start_index.saturating_sub(1);
    u64::try_from(offset).unwrap_or(u64::MAX).min(1 << 62)
}

pub(super) fn limit(query: &ListQuery) -> u64 {
    u64::try_from(query.count).unwrap_or(u64::MAX)
}

pub(super) fn total(total: u64) -> usize {
    usize::try_from(total).unwrap_or(usize::MAX)
}
