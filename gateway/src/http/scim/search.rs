//! Queries over users and groups together (RFC 7644 sections 3.4.2.1 and 3.4.3): users come first.

use scim::{Filter, ListQuery, ListResponse, ResourceType, ScimError, Sort};
use serde_json::{Map, Value};

use super::answer::Answer;
use super::cursor::{self, Cursor, Neighbours};
use super::error::Refusal;
use super::request::Call;
use super::{groups, users};
use crate::store::StoreError;
use crate::store::scim_list::{self, Listing, Start};

/// One list after the other. An attribute that only one of the types has matches none of the other; one
/// that neither has is 400 `invalidFilter`, as anywhere.
pub(super) async fn all(query: ListQuery, call: &Call) -> Result<Answer, Refusal> {
    let readable = |resource_type| match query.filter(resource_type, call.quirks()) {
        Ok(filter) => Ok(Some(filter)),
        Err(ScimError::FilterAttributeUnknown { .. }) => Ok(None),
        Err(error) => Err(error),
    };
    let (of_users, of_groups) = (
        readable(ResourceType::User)?,
        readable(ResourceType::Group)?,
    );
    if of_users.is_none() && of_groups.is_none() {
        query.filter(ResourceType::User, call.quirks())?;
    }
    let (users_by, groups_by) = (
        query.sort(ResourceType::User),
        query.sort(ResourceType::Group),
    );
    // What one type can't be sorted by leaves it as it is; what neither can is no sort key.
    if groups_by.is_err() {
        users_by.clone()?;
    }
    let (db, scope) = (call.push.app.store.read(), &call.push.scope);
    let cursor = cursor::open(call, &query, None).await?;
    let whole = listing(call, &query, None, None, cursor.as_ref());
    let past_users = cursor.as_ref().is_some_and(|cursor| cursor.in_groups);
    let (mut resources, mut total, mut next) = (Vec::new(), 0, None);
    if let Some(filter) = &of_users {
        let sort = users_by.ok().flatten();
        let listing = Listing {
            sort: sort.as_ref(),
            filter: filter.as_ref(),
            limit: if past_users { 0 } else { whole.limit },
            start: if past_users {
                Start::Index(0)
            } else {
                whole.start
            },
            ..whole
        };
        let page = scim_list::users(&db, scope, listing)
            .await
            .map_err(unread)?;
        total += page.total;
        next = page.next.map(|after| (false, Some(after)));
        resources.extend(users::render(call, &query.projection, page.resources).await?);
    }
    if let Some(filter) = &of_groups {
        let sort = groups_by.ok().flatten();
        let shown = u64::try_from(resources.len()).unwrap_or(u64::MAX);
        let listing = Listing {
            sort: sort.as_ref(),
            filter: filter.as_ref(),
            start: match whole.start {
                Start::Index(offset) => Start::Index(offset.saturating_sub(total)),
                Start::Cursor(_) if !past_users => Start::Cursor(None),
                after => after,
            },
            limit: whole.limit.saturating_sub(shown),
            ..whole
        };
        let page = scim_list::groups(&db, scope, listing)
            .await
            .map_err(unread)?;
        total += page.total;
        // Users fill the page to its last place: the groups begin the next one.
        if next.is_none() && cursor.is_some() {
            next = match page.next {
                Some(after) => Some((true, Some(after))),
                None if listing.limit == 0 && page.total > 0 => Some((true, None)),
                None => None,
            };
        }
        resources.extend(groups::render(call, &query.projection, page.resources).await?);
    }
    let next = match next {
        Some((in_groups, after)) => Some(cursor::next(call, &query, None, in_groups, after).await?),
        None => None,
    };
    let filter = query.filter.as_deref();
    call.say_found("users and groups", filter, resources.len(), total);
    // Back from the groups into the users leads no way: RFC 9865 leaves `previousCursor` open.
    let beside = Neighbours {
        next,
        previous: None,
    };
    Ok(page(&query, total, resources, beside))
}

/// A list that the database gave up on (RFC 7644 table 9 has `tooMany` for it).
pub(super) fn unread(error: StoreError) -> Refusal {
    if error.is_too_slow() {
        return ScimError::ListTooSlow.into();
    }
    error.into()
}

/// The part of the resources that the query asks for.
pub(super) fn listing<'a>(
    call: &'a Call,
    query: &ListQuery,
    filter: Option<&'a Filter>,
    sort: Option<&'a Sort>,
    cursor: Option<&'a Cursor>,
) -> Listing<'a> {
    // SQL counts from 0, in 63 bits.
    let offset = query.start_index.saturating_sub(1);
    Listing {
        base_url: &call.base_url,
        filter,
        sort,
        start: match cursor {
            Some(cursor) => match (&cursor.after, cursor.back) {
                (Some(before), true) => Start::Before(before),
                (after, _) => Start::Cursor(after.as_ref()),
            },
            None => Start::Index(u64::try_from(offset).unwrap_or(u64::MAX).min(1 << 62)),
        },
        limit: u64::try_from(query.count).unwrap_or(u64::MAX),
        with_members: query.projection.wants(ResourceType::Group, "members"),
    }
}

/// These resources, of so many.
pub(super) fn page(
    query: &ListQuery,
    total: u64,
    rendered: Vec<Map<String, Value>>,
    beside: Neighbours,
) -> Answer {
    let total = usize::try_from(total).unwrap_or(usize::MAX);
    let resources = rendered.into_iter().map(Value::Object).collect();
    let page = ListResponse::page(total, query.start_index, resources);
    let page = ListResponse {
        start_index: page.start_index.filter(|_| query.cursor.is_none()),
        next_cursor: beside.next,
        previous_cursor: beside.previous,
        ..page
    };
    Answer::ok(page.into_json())
}

/// The only resource of what was rendered.
pub(super) fn one(rendered: Vec<Map<String, Value>>) -> Value {
    let mut resources = rendered.into_iter().map(Value::Object);
    resources.next().unwrap_or_default()
}
