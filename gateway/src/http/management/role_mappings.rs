//! Which groups give which roles: of a directory's groups, and of groups claimed at a connection's logins.

use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::Tag;
use super::body::Body;
use super::key::{ApiKey, Write};
use super::problem::Problem;
use crate::app::App;
use crate::error::{Error, FieldProblem};
use crate::flows::{role_mappings as flow, roles};
use crate::ids::{ConnectionId, DirectoryId, GroupId, UserId};
use crate::model::{RoleMapping, RoleSource};
use crate::store::role_mappings;

/// A group of the directory gives a role. Name the group by its id or by its display name, which also holds
/// for a group that comes later.
#[derive(Debug, Object)]
struct DirectoryRoleMapping {
    group_id: Option<GroupId>,
    #[oai(validator(min_length = 1, max_length = 1024))]
    group_display_name: Option<String>,
    /// The slug of a role.
    role: String,
}

#[derive(Debug, Object)]
struct DirectoryRoleMappings {
    #[oai(validator(max_items = 1000))]
    mappings: Vec<DirectoryRoleMapping>,
}

/// A group that the identity provider claims at login gives a role.
#[derive(Debug, Object)]
struct ConnectionRoleMapping {
    /// The claimed value.
    #[oai(validator(min_length = 1, max_length = 1024))]
    group: String,
    /// The slug of a role.
    role: String,
}

#[derive(Debug, Object)]
struct ConnectionRoleMappings {
    #[oai(validator(max_items = 1000))]
    mappings: Vec<ConnectionRoleMapping>,
}

/// A user whose roles a mapping would change.
#[derive(Debug, Object)]
struct RoleChange {
    user_id: UserId,
    role: String,
}

/// What a mapping would change: the first thousand of each, the oldest user first, and how many there are.
#[derive(Debug, Object)]
struct RoleMappingsPreview {
    gains: Vec<RoleChange>,
    /// All gains, listed or not.
    gain_count: u64,
    losses: Vec<RoleChange>,
    /// All losses, listed or not.
    loss_count: u64,
}

pub(super) struct RoleMappings;

#[OpenApi(tag = "Tag::Roles")]
impl RoleMappings {
    /// The role mappings of a directory.
    #[oai(
        path = "/directories/:id/role_mappings",
        method = "get",
        operation_id = "listDirectoryRoleMappings"
    )]
    async fn of_directory(
        &self,
        app: Data<&App>,
        key: ApiKey,
        id: Path<DirectoryId>,
    ) -> Result<Json<DirectoryRoleMappings>, Problem> {
        let db = app.store.read();
        let scope = key.scope_owning(&db, id.0).await?;
        let source = RoleSource::Directory(id.0);
        let rows = role_mappings::of_source(&db, &scope, source).await?;
        Ok(Json(rows.into()))
    }

    /// Replace the role mappings of a directory.
    ///
    /// Its users' roles follow at once.
    #[oai(
        path = "/directories/:id/role_mappings",
        method = "put",
        operation_id = "putDirectoryRoleMappings"
    )]
    async fn put_of_directory(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<DirectoryId>,
        Body(body): Body<DirectoryRoleMappings>,
    ) -> Result<Json<DirectoryRoleMappings>, Problem> {
        let tx = app.store.begin().await?;
        let scope = key.scope_owning(&tx, id.0).await?;
        let rows = body.into_rows()?;
        let source = RoleSource::Directory(id.0);
        let show = DirectoryRoleMappings::from;
        let after = flow::replace(&tx, &scope, source, rows, show, &key.cause()).await?;
        tx.commit().await?;
        Ok(Json(after))
    }

    /// Try role mappings of a directory.
    ///
    /// Tells who would gain and who would lose which role, and changes nothing. All of it is of one moment: what
    /// is pushed meanwhile is not in it.
    #[oai(
        path = "/directories/:id/role_mappings/preview",
        method = "post",
        operation_id = "previewDirectoryRoleMappings"
    )]
    async fn preview(
        &self,
        app: Data<&App>,
        key: ApiKey,
        id: Path<DirectoryId>,
        Body(body): Body<DirectoryRoleMappings>,
    ) -> Result<Json<RoleMappingsPreview>, Problem> {
        let db = app.store.snapshot().await?;
        let scope = key.scope_owning(&db, id.0).await?;
        let rows = body.into_rows()?;
        let source = RoleSource::Directory(id.0);
        flow::check(&db, &scope, source, &rows).await?;
        let preview = roles::preview(&db, &scope, id.0, &rows).await?;
        let view = |named: Vec<(UserId, String)>| {
            let view = |(user_id, role)| RoleChange { user_id, role };
            named.into_iter().map(view).collect()
        };
        Ok(Json(RoleMappingsPreview {
            gains: view(preview.gains.named),
            gain_count: preview.gains.count,
            losses: view(preview.losses.named),
            loss_count: preview.losses.count,
        }))
    }

    /// The role mappings of a connection.
    #[oai(
        path = "/connections/:id/role_mappings",
        method = "get",
        operation_id = "listConnectionRoleMappings"
    )]
    async fn of_connection(
        &self,
        app: Data<&App>,
        key: ApiKey,
        id: Path<ConnectionId>,
    ) -> Result<Json<ConnectionRoleMappings>, Problem> {
        let db = app.store.read();
        let scope = key.scope_owning(&db, id.0).await?;
        let source = RoleSource::Connection(id.0);
        let rows = role_mappings::of_source(&db, &scope, source).await?;
        Ok(Json(rows.into()))
    }

    /// Replace the role mappings of a connection.
    ///
    /// The roles of everybody who has signed in with it follow at once, by the groups of their last login.
    #[oai(
        path = "/connections/:id/role_mappings",
        method = "put",
        operation_id = "putConnectionRoleMappings"
    )]
    async fn put_of_connection(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<ConnectionId>,
        Body(body): Body<ConnectionRoleMappings>,
    ) -> Result<Json<ConnectionRoleMappings>, Problem> {
        let tx = app.store.begin().await?;
        let scope = key.scope_owning(&tx, id.0).await?;
        let source = RoleSource::Connection(id.0);
        let show = ConnectionRoleMappings::from;
        let rows = body.into_rows();
        let after = flow::replace(&tx, &scope, source, rows, show, &key.cause()).await?;
        tx.commit().await?;
        Ok(Json(after))
    }
}

impl DirectoryRoleMappings {
    fn into_rows(self) -> Result<Vec<RoleMapping>, Error> {
        let mut problems = Vec::new();
        let rows = (0..)
            .zip(self.mappings)
            .map(|(at, mapping): (usize, _)| {
                if mapping.group_id.is_some() == mapping.group_display_name.is_some() {
                    problems.push(FieldProblem::new(
                        format!("mappings[{at}]"),
                        "needs either group_id or group_display_name",
                    ));
                }
                RoleMapping {
                    group_id: mapping.group_id,
                    group_name: mapping.group_display_name,
                    role: mapping.role,
                }
            })
            .collect();
        if problems.is_empty() {
            Ok(rows)
        } else {
            Err(Error::Invalid(problems))
        }
    }
}

impl From<Vec<RoleMapping>> for DirectoryRoleMappings {
    fn from(rows: Vec<RoleMapping>) -> Self {
        let mappings = rows.into_iter().map(|row| DirectoryRoleMapping {
            group_id: row.group_id,
            group_display_name: row.group_name,
            role: row.role,
        });
        Self {
            mappings: mappings.collect(),
        }
    }
}

impl ConnectionRoleMappings {
    fn into_rows(self) -> Vec<RoleMapping> {
        let rows = self.mappings.into_iter().map(|mapping| RoleMapping {
            group_id: None,
            group_name: Some(mapping.group),
            role: mapping.role,
        });
        rows.collect()
    }
}

impl From<Vec<RoleMapping>> for ConnectionRoleMappings {
    fn from(rows: Vec<RoleMapping>) -> Self {
        let mappings = rows.into_iter().map(|row| ConnectionRoleMapping {
            group: row.group_name.unwrap_or_default(),
            role: row.role,
        });
        Self {
            mappings: mappings.collect(),
        }
    }
}
