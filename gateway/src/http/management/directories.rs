//! Directories: one SCIM source of an organization, with its own base URL and bearer tokens.

use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::MaybeUndefined;
use poem_openapi::{Object, OpenApi};

use super::Tag;
use super::answer::{Answer, Created, Deleted};
use super::body::Body;
use super::key::{ApiKey, Write};
use super::once::{Attempt, Once};
use super::page::{Cursor, Limit, Page, window};
use super::problem::Problem;
use crate::app::App;
use crate::error::Error;
use crate::flows::directories as flow;
use crate::ids::{DirectoryId, DirectoryTokenId, OrganizationId};
use crate::model::{Directory, DirectoryToken, Slice};
use crate::store::{OrgScope, Reads, directories};

#[derive(Debug, Object)]
struct NewDirectory {
    #[oai(validator(min_length = 1, max_length = 200))]
    name: String,
    /// `okta`, `entra`, …: what the documentation calls it. How it is spoken to depends on what it sends.
    #[oai(validator(min_length = 1, max_length = 64))]
    provider: Option<String>,
    /// The role that every active user of this directory has.
    default_role: Option<String>,
}

#[derive(Debug, Object)]
struct DirectoryPatch {
    #[oai(validator(min_length = 1, max_length = 200))]
    name: Option<String>,
    #[oai(validator(min_length = 1, max_length = 64))]
    provider: MaybeUndefined<String>,
    default_role: MaybeUndefined<String>,
}

/// What the directory's administrator has to type in.
#[derive(Debug, Object)]
struct ScimEndpoint {
    base_url: String,
    /// Shown once, when the directory is created.
    #[oai(skip_serializing_if_is_none)]
    bearer_token: Option<String>,
}

/// One SCIM source of an organization.
#[derive(Debug, Object)]
#[oai(rename = "DirectoryWithScim")]
struct DirectoryView {
    #[oai(flatten)]
    directory: Directory,
    scim: ScimEndpoint,
    /// Its tokens, oldest first, without their text.
    tokens: Vec<DirectoryToken>,
}

/// A new token.
#[derive(Debug, Object)]
struct CreatedToken {
    #[oai(flatten)]
    token: DirectoryToken,
    /// Shown this once.
    bearer_token: String,
}

pub(super) struct Directories;

#[OpenApi(tag = "Tag::Directories")]
impl Directories {
    /// Create a directory.
    #[oai(
        path = "/organizations/:id/directories",
        method = "post",
        operation_id = "createDirectory"
    )]
    async fn create(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<OrganizationId>,
        #[oai(name = "Idempotency-Key")] once: Once,
        Body(new): Body<NewDirectory>,
    ) -> Result<Created<DirectoryView>, Problem> {
        let (tx, claim) = match once.begin(&app, &key).await? {
            Attempt::First(tx, claim) => (tx, claim),
            Attempt::Again(answer) => return Ok(answer),
        };
        let scope = key.scope_owning(&tx, id.0).await?;
        let new = flow::NewDirectory {
            name: new.name,
            provider: new.provider,
            default_role: new.default_role,
        };
        let (directory, token, bearer_token) =
            flow::create(&app, &tx, &scope, new, &key.cause()).await?;
        let mut view = view(&app, directory, vec![token]);
        view.scim.bearer_token = Some(bearer_token);
        Ok(claim.commit(&app, tx, Answer::new(&view)).await?)
    }

    /// List directories.
    #[oai(
        path = "/organizations/:id/directories",
        method = "get",
        operation_id = "listDirectories"
    )]
    async fn list(
        &self,
        app: Data<&App>,
        key: ApiKey,
        id: Path<OrganizationId>,
        limit: Query<Limit>,
        cursor: Query<Cursor<DirectoryId>>,
    ) -> Result<Json<Page<DirectoryView>>, Problem> {
        let db = app.store.read();
        let scope = key.scope_owning(&db, id.0).await?;
        let slice = directories::list(&db, &scope, window(limit.0, cursor.0)).await?;
        let mut rows = Vec::with_capacity(slice.rows.len());
        for directory in slice.rows {
            let tokens = directories::tokens(&db, &scope, directory.id).await?;
            rows.push(view(&app, directory, tokens));
        }
        Ok(Json(Page::of(Slice {
            rows,
            next: slice.next,
        })))
    }

    /// Find a directory.
    #[oai(
        path = "/directories/:id",
        method = "get",
        operation_id = "findDirectory"
    )]
    async fn find(
        &self,
        app: Data<&App>,
        key: ApiKey,
        id: Path<DirectoryId>,
    ) -> Result<Json<DirectoryView>, Problem> {
        let db = app.store.read();
        let scope = key.scope_owning(&db, id.0).await?;
        let directory = directories::find(&db, &scope, id.0)
            .await?
            .ok_or(Error::NotFound("directory"))?;
        Ok(Json(viewed(&app, &db, &scope, directory).await?))
    }

    /// Change a directory.
    ///
    /// Another default role changes its users' roles at once.
    #[oai(
        path = "/directories/:id",
        method = "patch",
        operation_id = "updateDirectory"
    )]
    async fn update(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<DirectoryId>,
        Body(patch): Body<DirectoryPatch>,
    ) -> Result<Json<DirectoryView>, Problem> {
        let tx = app.store.begin().await?;
        let scope = key.scope_owning(&tx, id.0).await?;
        let before = directories::lock(&tx, &scope, id.0)
            .await?
            .ok_or(Error::NotFound("directory"))?;
        let after = patch.applied_to(before.clone());
        let directory = flow::update(&app, &tx, &scope, &before, after, &key.cause()).await?;
        let view = viewed(&app, &tx, &scope, directory).await?;
        tx.commit().await?;
        Ok(Json(view))
    }

    /// Delete a directory.
    ///
    /// With everything that it pushed, whose events come first. A user who signs in by a connection too
    /// stays, without what this directory said.
    #[oai(
        path = "/directories/:id",
        method = "delete",
        operation_id = "deleteDirectory"
    )]
    async fn remove(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<DirectoryId>,
    ) -> Result<Deleted, Problem> {
        let tx = app.store.begin().await?;
        let scope = key.scope_owning(&tx, id.0).await?;
        flow::remove(&app, &tx, &scope, id.0, &key.cause()).await?;
        tx.commit().await?;
        Ok(Deleted)
    }

    /// Make another token for a directory.
    ///
    /// Two may live side by side, to change over without a gap; 409 `too_many_tokens` beyond.
    #[oai(
        path = "/directories/:id/tokens",
        method = "post",
        operation_id = "createDirectoryToken"
    )]
    async fn create_token(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<DirectoryId>,
        #[oai(name = "Idempotency-Key")] once: Once,
    ) -> Result<Created<CreatedToken>, Problem> {
        let (tx, claim) = match once.begin(&app, &key).await? {
            Attempt::First(tx, claim) => (tx, claim),
            Attempt::Again(answer) => return Ok(answer),
        };
        let scope = key.scope_owning(&tx, id.0).await?;
        let (token, bearer_token) = flow::create_token(&app, &tx, &scope, id.0).await?;
        let act = key.act("directory_token.created", token.id);
        tx.audit(act.inside(scope.organization()).made(&token));
        let answer = Answer::new(&CreatedToken {
            token,
            bearer_token,
        });
        Ok(claim.commit(&app, tx, answer).await?)
    }

    /// Delete a token of a directory.
    #[oai(
        path = "/directories/:id/tokens/:token_id",
        method = "delete",
        operation_id = "deleteDirectoryToken"
    )]
    async fn remove_token(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<DirectoryId>,
        token_id: Path<DirectoryTokenId>,
    ) -> Result<Deleted, Problem> {
        let tx = app.store.begin().await?;
        let scope = key.scope_owning(&tx, id.0).await?;
        flow::remove_token(&tx, &scope, id.0, token_id.0).await?;
        let act = key.act("directory_token.deleted", token_id.0);
        tx.audit(act.inside(scope.organization()));
        tx.commit().await?;
        Ok(Deleted)
    }
}

async fn viewed(
    app: &App,
    db: &impl Reads,
    scope: &OrgScope,
    directory: Directory,
) -> Result<DirectoryView, Error> {
    let tokens = directories::tokens(db, scope, directory.id).await?;
    Ok(view(app, directory, tokens))
}

fn view(app: &App, directory: Directory, tokens: Vec<DirectoryToken>) -> DirectoryView {
    let base_url = app.public_url.join(&format!("/scim/v2/{}", directory.id));
    DirectoryView {
        directory,
        scim: ScimEndpoint {
            base_url,
            bearer_token: None,
        },
        tokens,
    }
}

impl DirectoryPatch {
    fn applied_to(self, mut directory: Directory) -> Directory {
        if let Some(name) = self.name {
            directory.name = name;
        }
        self.provider.update_to(&mut directory.provider);
        self.default_role.update_to(&mut directory.default_role);
        directory
    }
}
