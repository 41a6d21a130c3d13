//! `/Groups` (RFC 7644 section 3).

use scim::{Group, ListQuery, MemberLink, PatchRequest, Projection, ResourceType};
use serde_json::{Map, Value};

use super::answer::Answer;
use super::error::Refusal;
use super::request::Call;
use super::{cursor, search};
use crate::error::Error;
use crate::flows::provisioning::{self, Written};
use crate::ids::GroupId;
use crate::model::EventType;
use crate::store::groups::{self, StoredGroup};
use crate::store::memberships;
use crate::store::scim_list;

/// A larger group is not read again to answer a PATCH: 204 is right too (RFC 7644 section 3.5.2), Entra ID
/// prefers it, and the cost of adding one member must not grow with the others.
const MEMBERS_IN_ANSWER: i64 = 1_000;

pub(super) async fn create(call: Call) -> Result<Answer, Refusal> {
    let projection = call.projection()?;
    let (group, members) = Group::parse(&call.json().await?, call.quirks())?;
    let stored = provisioning::create_group(&call.push, group, members).await?;
    let (name, members) = (stored.resource.display_name(), stored.member_count);
    call.say_created(ResourceType::Group, name, members);
    note_shared_name(&call, &stored).await?;
    let location = ResourceType::Group.location(&call.base_url, &stored.meta().id);
    Ok(shown(&call, &projection, stored)
        .await?
        .created_at(location))
}

pub(super) async fn find(call: Call, id: &str) -> Result<Answer, Refusal> {
    let projection = call.projection()?;
    let db = call.push.app.store.read();
    let found = groups::find(&db, &call.push.scope, parse(id)?).await?;
    let stored = found.ok_or(Error::NotFound("group"))?;
    let meta = stored.meta();
    let known = call.knows(&meta);
    call.say_read(ResourceType::Group, stored.resource.display_name(), known);
    if known {
        return Ok(Answer::not_modified().of_version(&meta));
    }
    shown(&call, &projection, stored).await
}

pub(super) async fn replace(call: Call, id: &str) -> Result<Answer, Refusal> {
    let projection = call.projection()?;
    let (id, if_match) = (parse(id)?, call.if_match());
    let (group, members) = Group::parse(&call.json().await?, call.quirks())?;
    let if_match = if_match.as_ref();
    let Written { resource, changed } =
        provisioning::replace_group(&call.push, id, if_match, group, members).await?;
    call.say_changed(
        ResourceType::Group,
        resource.resource.display_name(),
        changed,
    );
    note_new_name(&call, &resource).await?;
    shown(&call, &projection, resource).await
}

pub(super) async fn patch(call: Call, id: &str) -> Result<Answer, Refusal> {
    let projection = call.projection()?;
    let (id, if_match) = (parse(id)?, call.if_match());
    let request = PatchRequest::parse(ResourceType::Group, &call.json().await?, call.quirks())?;
    let if_match = if_match.as_ref();
    let Written { resource, changed } =
        provisioning::patch_group(&call.push, id, if_match, &request).await?;
    call.say_changed(
        ResourceType::Group,
        resource.resource.display_name(),
        changed,
    );
    note_new_name(&call, &resource).await?;
    if resource.member_count > MEMBERS_IN_ANSWER && !projection.is_chosen() {
        return Ok(Answer::no_content().of_version(&resource.meta()));
    }
    shown(&call, &projection, resource).await
}

pub(super) async fn delete(call: Call, id: &str) -> Result<Answer, Refusal> {
    let if_match = call.if_match();
    provisioning::delete_group(&call.push, parse(id)?, if_match.as_ref()).await?;
    Ok(Answer::no_content())
}

pub(super) async fn list(query: ListQuery, call: &Call) -> Result<Answer, Refusal> {
    let (filter, sort) = (
        query.filter(ResourceType::Group, call.quirks())?,
        query.sort(ResourceType::Group)?,
    );
    let of = Some(ResourceType::Group);
    let cursor = cursor::open(call, &query, of).await?;
    let listing = search::listing(
        call,
        &query,
        filter.as_ref(),
        sort.as_ref(),
        cursor.as_ref(),
    );
    let page = scim_list::groups(&call.push.app.store.read(), &call.push.scope, listing)
        .await
        .map_err(search::unread)?;
    let beside = cursor::beside(call, &query, ResourceType::Group, &page).await?;
    let shown = page.resources.len();
    call.say_found("groups", query.filter.as_deref(), shown, page.total);
    let rendered = render(call, &query.projection, page.resources).await?;
    Ok(search::page(&query, page.total, rendered, beside))
}

/// What is not an id names no group.
fn parse(id: &str) -> Result<GroupId, Refusal> {
    Ok(id.parse().map_err(|_| Error::NotFound("group"))?)
}

async fn shown(
    call: &Call,
    projection: &Projection,
    group: StoredGroup,
) -> Result<Answer, Refusal> {
    let meta = group.meta();
    let rendered = render(call, projection, vec![group]).await?;
    Ok(Answer::ok(search::one(rendered)).of_version(&meta))
}

/// As [`note_shared_name`], if this request renamed the group.
async fn note_new_name(call: &Call, group: &StoredGroup) -> Result<(), Refusal> {
    if call.push.events.count(EventType::GroupUpdated) > 0 {
        note_shared_name(call, group).await?;
    }
    Ok(())
}

/// Two groups of one name are allowed (SCIM.md section 4), but a mapping by name means both.
async fn note_shared_name(call: &Call, group: &StoredGroup) -> Result<(), Refusal> {
    let (db, scope) = (call.push.app.store.read(), &call.push.scope);
    if groups::shares_name(&db, scope, group).await? {
        let directory = scope.directory();
        tracing::warn!(%directory, group = %group.id, "another group has the same displayName");
        call.notes.warn("another group has the same displayName");
    }
    Ok(())
}

/// The wanted part of each group. Members are read for all of them at once, and only where they are wanted.
pub(super) async fn render(
    call: &Call,
    projection: &Projection,
    groups: Vec<StoredGroup>,
) -> Result<Vec<Map<String, Value>>, Refusal> {
    let wants_members = projection.wants(ResourceType::Group, "members");
    let mut members = std::collections::HashMap::new();
    if wants_members {
        let filled = groups.iter().filter(|group| group.member_count > 0);
        let filled: Vec<GroupId> = filled.map(|group| group.id).collect();
        let db = call.push.app.store.read();
        members = memberships::links(&db, &call.push.scope, &filled).await?;
    }
    let rendered = groups.into_iter().map(|group| {
        let members: Option<Vec<MemberLink>> = members.remove(&group.id);
        let resource = group
            .resource
            .render(&call.base_url, &group.meta(), members.as_deref());
        projection.apply(ResourceType::Group, resource)
    });
    Ok(rendered.collect())
}
