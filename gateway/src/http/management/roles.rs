//! Roles of the application.

use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::Tag;
use super::answer::Deleted;
use super::body::Body;
use super::key::{ApiKey, Write};
use super::page::{Cursor, Limit, Page, window};
use super::problem::Problem;
use crate::app::App;
use crate::error::Error;
use crate::flows::roles as flow;
use crate::model::Role;
use crate::store::roles::{self, RolePosition};

#[derive(Debug, Object)]
struct RoleInput {
    #[oai(validator(min_length = 1, max_length = 200))]
    name: String,
    #[oai(validator(max_length = 1000))]
    description: Option<String>,
    /// The highest number wins where an organization's policy is `highest_priority`.
    #[oai(validator(minimum(value = "-1000000"), maximum(value = "1000000")))]
    priority: i64,
}

pub(super) struct Roles;

#[OpenApi(tag = "Tag::Roles")]
impl Roles {
    /// List roles.
    #[oai(path = "/roles", method = "get", operation_id = "listRoles")]
    async fn list(
        &self,
        app: Data<&App>,
        // A key that is bound to an organization may see which roles it can map.
        _key: ApiKey,
        limit: Query<Limit>,
        cursor: Query<Cursor<RolePosition>>,
    ) -> Result<Json<Page<Role>>, Problem> {
        let window = window(limit.0, cursor.0);
        let slice = roles::list(&app.store.read(), window).await?;
        Ok(Json(Page::of(slice)))
    }

    /// Create or replace a role.
    ///
    /// Another priority changes at once what users have whose organization's policy is `highest_priority`.
    #[oai(path = "/roles/:slug", method = "put", operation_id = "putRole")]
    async fn put(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        slug: Path<String>,
        Body(role): Body<RoleInput>,
    ) -> Result<Json<Role>, Problem> {
        key.of_deployment()?;
        check_slug(&slug)?;
        let now = app.clock.now().into();
        let tx = app.store.begin().await?;
        let before = roles::find(&tx, &slug).await?;
        let mut after = Role {
            slug: slug.0,
            name: role.name,
            description: role.description,
            priority: role.priority,
            created_at: before.as_ref().map_or(now, |before| before.created_at),
            updated_at: before.as_ref().map_or(now, |before| before.updated_at),
        };
        if before.as_ref() == Some(&after) {
            return Ok(Json(after));
        }
        after.updated_at = now;
        roles::upsert(&tx, &after).await?;
        let act = key.act(
            match before {
                Some(_) => "role.updated",
                None => "role.created",
            },
            &after.slug,
        );
        tx.audit(match &before {
            Some(before) => act.changed(before, &after),
            None => act.made(&after),
        });
        if before.is_some_and(|before| before.priority != after.priority) {
            for scope in roles::ranked_in(&tx, &after.slug).await? {
                flow::recompute_organization(&tx, &scope, &key.cause()).await?;
            }
        }
        tx.commit().await?;
        Ok(Json(after))
    }

    /// Delete a role.
    ///
    /// 409 `role_in_use` while a mapping or a directory's default gives it: nobody loses a role by surprise.
    #[oai(path = "/roles/:slug", method = "delete", operation_id = "deleteRole")]
    async fn remove(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        slug: Path<String>,
    ) -> Result<Deleted, Problem> {
        key.of_deployment()?;
        let in_use = || {
            let detail = "a mapping or a directory's default role gives this role";
            Error::conflict("role_in_use", detail)
        };
        let tx = app.store.begin().await?;
        if roles::is_given(&tx, &slug).await? {
            return Err(in_use().into());
        }
        let role = roles::find(&tx, &slug)
            .await?
            .ok_or(Error::NotFound("role"))?;
        match roles::remove(&tx, &slug).await {
            Ok(true) => {}
            Ok(false) => return Err(Error::NotFound("role").into()),
            // A mapping came in between.
            Err(error) if error.is_foreign_key_violation() => return Err(in_use().into()),
            Err(error) => return Err(error.into()),
        }
        tx.audit(key.act("role.deleted", &role.slug).removed(&role));
        tx.commit().await?;
        Ok(Deleted)
    }
}

fn check_slug(slug: &str) -> Result<(), Error> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let right = slug.len() <= 63
        && slug.bytes().next().is_some_and(plain)
        && slug
            .bytes()
            .all(|byte| plain(byte) || matches!(byte, b'_' | b'-'));
    if right {
        Ok(())
    } else {
        Err(Error::invalid(
            "slug",
            "1 to 63 lower-case letters, digits, hyphens and underscores are wanted, a letter or digit first",
        ))
    }
}
