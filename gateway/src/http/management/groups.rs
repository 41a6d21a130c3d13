//! Groups as directories pushed them.

use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Enum, Object, OpenApi};

use super::Tag;
use super::key::ApiKey;
use super::page::{Cursor, Limit, Page, window};
use super::problem::Problem;
use crate::app::App;
use crate::error::Error;
use crate::ids::{GroupId, OrganizationId};
use crate::model::{Group, Slice};
use crate::store::{groups, memberships};

#[derive(Debug, Enum)]
#[oai(rename_all = "snake_case")]
enum MemberKind {
    User,
    Group,
}

/// A member of a group.
#[derive(Debug, Object)]
struct GroupMember {
    kind: MemberKind,
    /// The user's or the nested group's.
    id: String,
}

pub(super) struct Groups;

#[OpenApi(tag = "Tag::Groups")]
impl Groups {
    /// List groups.
    #[oai(
        path = "/organizations/:id/groups",
        method = "get",
        operation_id = "listGroups"
    )]
    async fn list(
        &self,
        app: Data<&App>,
        key: ApiKey,
        id: Path<OrganizationId>,
        limit: Query<Limit>,
        cursor: Query<Cursor<GroupId>>,
    ) -> Result<Json<Page<Group>>, Problem> {
        let db = app.store.read();
        let scope = key.scope_owning(&db, id.0).await?;
        let window = window(limit.0, cursor.0);
        let rows = groups::list(&db, &scope, window.before, window.limit + 1).await?;
        Ok(Json(Page::of(Slice::cut(rows, window.limit, |group| {
            group.id
        }))))
    }

    /// Find a group.
    #[oai(path = "/groups/:id", method = "get", operation_id = "findGroup")]
    async fn find(
        &self,
        app: Data<&App>,
        key: ApiKey,
        id: Path<GroupId>,
    ) -> Result<Json<Group>, Problem> {
        let db = app.store.read();
        let scope = key.scope_owning(&db, id.0).await?;
        let group = groups::find_in_organization(&db, &scope, id.0)
            .await?
            .ok_or(Error::NotFound("group"))?;
        Ok(Json(group))
    }

    /// List the members of a group.
    ///
    /// Users and nested groups that the group itself lists, not those of its nested groups.
    #[oai(
        path = "/groups/:id/members",
        method = "get",
        operation_id = "listGroupMembers"
    )]
    async fn members(
        &self,
        app: Data<&App>,
        key: ApiKey,
        id: Path<GroupId>,
        limit: Query<Limit>,
        cursor: Query<Cursor<String>>,
    ) -> Result<Json<Page<GroupMember>>, Problem> {
        let db = app.store.read();
        let scope = key.scope_owning(&db, id.0).await?;
        let window = window(limit.0, cursor.0);
        let before = window.before.as_deref();
        let rows = memberships::page(&db, &scope, id.0, before, window.limit + 1).await?;
        let slice = Slice::cut(rows, window.limit, |(position, _)| position.clone());
        Ok(Json(Page::of(slice.map(|(_, member)| GroupMember {
            kind: match member.kind {
                "user" => MemberKind::User,
                _ => MemberKind::Group,
            },
            id: member.id,
        }))))
    }
}
