//! `/Users` (RFC 7644 section 3).

use std::collections::HashMap;

use scim::{GroupLink, ListQuery, PatchRequest, Projection, ResourceType, User, UserLinks};
use serde_json::{Map, Value};

use super::answer::Answer;
use super::error::Refusal;
use super::request::Call;
use super::{cursor, search};
use crate::error::Error;
use crate::flows::provisioning::{self, Written};
use crate::ids::DirectoryUserId;
use crate::model::HeldChange;
use crate::store::directory_users::{self, StoredUser};
use crate::store::scim_list;

pub(super) async fn create(call: Call) -> Result<Answer, Refusal> {
    let projection = call.projection()?;
    let user = User::parse(&call.json().await?, call.quirks())?;
    let stored = provisioning::create_user(&call.push, user).await?;
    let name = stored.resource.user_name();
    match stored.held {
        Some(change) => call.say_held(change, name),
        None => call.say_created(ResourceType::User, name, 0),
    }
    let location = ResourceType::User.location(&call.base_url, &stored.meta().id);
    // No group can list it yet.
    Ok(shown_in(&call, &projection, stored, Vec::new())
        .await?
        .created_at(location))
}

pub(super) async fn find(call: Call, id: &str) -> Result<Answer, Refusal> {
    let projection = call.projection()?;
    let db = call.push.app.store.read();
    let (scope, id) = (&call.push.scope, parse(id)?);
    let found = if projection.wants(ResourceType::User, "groups") {
        directory_users::find_with_groups(&db, scope, id).await?
    } else {
        let found = directory_users::find(&db, scope, id).await?;
        found.map(|user| (user, Vec::new()))
    };
    let (stored, groups) = found.ok_or(Error::NotFound("user"))?;
    let meta = stored.meta();
    let known = call.knows(&meta);
    call.say_read(ResourceType::User, stored.resource.user_name(), known);
    if known {
        return Ok(Answer::not_modified().of_version(&meta));
    }
    shown_in(&call, &projection, stored, groups).await
}

pub(super) async fn replace(call: Call, id: &str) -> Result<Answer, Refusal> {
    let projection = call.projection()?;
    let (id, if_match) = (parse(id)?, call.if_match());
    let body = call.json().await?;
    let written = provisioning::replace_user(&call.push, id, if_match.as_ref(), &body).await?;
    say_written(&call, &written);
    shown(&call, &projection, written.resource).await
}

pub(super) async fn patch(call: Call, id: &str) -> Result<Answer, Refusal> {
    let projection = call.projection()?;
    let (id, if_match) = (parse(id)?, call.if_match());
    let request = PatchRequest::parse(ResourceType::User, &call.json().await?, call.quirks())?;
    let written = provisioning::patch_user(&call.push, id, if_match.as_ref(), &request).await?;
    say_written(&call, &written);
    shown(&call, &projection, written.resource).await
}

pub(super) async fn delete(call: Call, id: &str) -> Result<Answer, Refusal> {
    let if_match = call.if_match();
    if provisioning::delete_user(&call.push, parse(id)?, if_match.as_ref()).await? {
        call.say_held(HeldChange::Deletion, id);
    }
    Ok(Answer::no_content())
}

pub(super) async fn list(query: ListQuery, call: &Call) -> Result<Answer, Refusal> {
    let (filter, sort) = (
        query.filter(ResourceType::User, call.quirks())?,
        query.sort(ResourceType::User)?,
    );
    let of = Some(ResourceType::User);
    let cursor = cursor::open(call, &query, of).await?;
    let listing = search::listing(
        call,
        &query,
        filter.as_ref(),
        sort.as_ref(),
        cursor.as_ref(),
    );
    let page = scim_list::users(&call.push.app.store.read(), &call.push.scope, listing)
        .await
        .map_err(search::unread)?;
    let beside = cursor::beside(call, &query, ResourceType::User, &page).await?;
    let shown = page.resources.len();
    call.say_found("users", query.filter.as_deref(), shown, page.total);
    let rendered = render(call, &query.projection, page.resources).await?;
    Ok(search::page(&query, page.total, rendered, beside))
}

fn say_written(call: &Call, written: &Written<StoredUser>) {
    let name = written.resource.resource.user_name();
    match written.resource.held {
        Some(change) => call.say_held(change, name),
        None => call.say_changed(ResourceType::User, name, written.changed),
    }
}

/// What is not an id names nobody.
fn parse(id: &str) -> Result<DirectoryUserId, Refusal> {
    Ok(id.parse().map_err(|_| Error::NotFound("user"))?)
}

async fn shown(call: &Call, projection: &Projection, user: StoredUser) -> Result<Answer, Refusal> {
    let meta = user.meta();
    let rendered = render(call, projection, vec![user]).await?;
    Ok(Answer::ok(search::one(rendered)).of_version(&meta))
}

/// As [`shown`], where the groups that list the user are known.
async fn shown_in(
    call: &Call,
    projection: &Projection,
    user: StoredUser,
    groups: Vec<GroupLink>,
) -> Result<Answer, Refusal> {
    let meta = user.meta();
    let groups = HashMap::from([(user.id, groups)]);
    let rendered = render_all(call, projection, vec![user], groups).await?;
    Ok(Answer::ok(search::one(rendered)).of_version(&meta))
}

/// The wanted part of each user. Groups and managers are read for all of them at once, and only where they
/// are wanted.
pub(super) async fn render(
    call: &Call,
    projection: &Projection,
    users: Vec<StoredUser>,
) -> Result<Vec<Map<String, Value>>, Refusal> {
    let mut groups = HashMap::new();
    if projection.wants(ResourceType::User, "groups") {
        let ids: Vec<DirectoryUserId> = users.iter().map(|user| user.id).collect();
        let db = call.push.app.store.read();
        groups = directory_users::groups_of(&db, &call.push.scope, &ids).await?;
    }
    render_all(call, projection, users, groups).await
}

async fn render_all(
    call: &Call,
    projection: &Projection,
    users: Vec<StoredUser>,
    mut groups: HashMap<DirectoryUserId, Vec<GroupLink>>,
) -> Result<Vec<Map<String, Value>>, Refusal> {
    let (db, scope) = (call.push.app.store.read(), &call.push.scope);
    let managers = users.iter().filter_map(|user| user.resource.manager());
    let managers = directory_users::managers(&db, scope, managers).await?;
    let rendered = users.into_iter().map(|user| {
        let links = UserLinks {
            groups: groups.remove(&user.id).filter(|groups| !groups.is_empty()),
            manager: user
                .resource
                .manager()
                .and_then(|id| managers.get(id).cloned()),
        };
        let resource = user.resource.render(&call.base_url, &user.meta(), &links);
        projection.apply(ResourceType::User, resource)
    });
    Ok(rendered.collect())
}
