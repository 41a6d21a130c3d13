//! Organizations: the customers of the application.

use std::collections::BTreeMap;

use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::MaybeUndefined;
use poem_openapi::{Object, OpenApi};
use serde_json::Value;

use super::Tag;
use super::answer::{Answer, Created, Deleted};
use super::body::Body;
use super::key::{ApiKey, Write};
use super::once::{Attempt, Once};
use super::page::{Cursor, Limit, Page, window};
use super::problem::Problem;
use crate::app::App;
use crate::error::{Error, FieldProblem};
use crate::flows::discovery::canonical_domain;
use crate::flows::domains;
use crate::flows::organizations::{self as flow, MAX_SLUG};
use crate::ids::OrganizationId;
use crate::model::{Organization, RolePolicy};
use crate::store::organizations::{self, OrganizationFilter};

/// What a new organization is given.
#[derive(Debug, Object)]
struct NewOrganization {
    #[oai(validator(min_length = 1, max_length = 200))]
    name: String,
    /// Unique; made from the name when absent. Lower-case letters, digits and hyphens.
    slug: Option<String>,
    /// The application's own id of this customer; unique.
    #[oai(validator(min_length = 1, max_length = 200))]
    external_id: Option<String>,
    /// Domains that the application vouches for: verified at once.
    #[oai(validator(max_items = 100))]
    domains: Option<Vec<String>>,
    /// Anything the application wants to keep here, at most 16 KiB of JSON.
    metadata: Option<BTreeMap<String, Value>>,
}

/// What of an organization is to change.
#[derive(Debug, Object)]
struct OrganizationPatch {
    #[oai(validator(min_length = 1, max_length = 200))]
    name: Option<String>,
    slug: Option<String>,
    #[oai(validator(min_length = 1, max_length = 200))]
    external_id: MaybeUndefined<String>,
    /// Replaces all of it.
    metadata: MaybeUndefined<BTreeMap<String, Value>>,
    role_policy: Option<RolePolicy>,
}

pub(super) struct Organizations;

#[OpenApi(tag = "Tag::Organizations")]
impl Organizations {
    /// Create an organization.
    ///
    /// Conflicts: `slug_taken`, `external_id_taken`, and `domain_taken` for a domain that another organization
    /// holds.
    #[oai(
        path = "/organizations",
        method = "post",
        operation_id = "createOrganization"
    )]
    async fn create(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        #[oai(name = "Idempotency-Key")] once: Once,
        Body(body): Body<NewOrganization>,
    ) -> Result<Created<Organization>, Problem> {
        key.of_deployment()?;
        let new = body.checked()?;
        let (tx, claim) = match once.begin(&app, &key).await? {
            Attempt::First(tx, claim) => (tx, claim),
            Attempt::Again(answer) => return Ok(answer),
        };
        let organization = flow::create(&app, &tx, new, &key.cause()).await?;
        let answer = Answer::new(&organization);
        Ok(claim.commit(&app, tx, answer).await?)
    }

    /// List organizations.
    #[oai(
        path = "/organizations",
        method = "get",
        operation_id = "listOrganizations"
    )]
    #[expect(clippy::too_many_arguments, reason = "one per query parameter")]
    async fn list(
        &self,
        app: Data<&App>,
        key: ApiKey,
        limit: Query<Limit>,
        cursor: Query<Cursor<OrganizationId>>,
        /// The one with this external id.
        external_id: Query<Option<String>>,
        /// Those that have this domain, in whatever state.
        domain: Query<Option<String>>,
        /// Those with this text in their name or slug, in any case.
        search: Query<Option<String>>,
    ) -> Result<Json<Page<Organization>>, Problem> {
        let filter = OrganizationFilter {
            only: key.bound_to(),
            external_id: external_id.0,
            // What is no domain name is nobody's.
            domain: domain.0.map(|it| canonical_domain(&it).unwrap_or(it)),
            search: search.0,
        };
        let window = window(limit.0, cursor.0);
        let slice = organizations::list(&app.store.read(), &filter, window).await?;
        Ok(Json(Page::of(slice)))
    }

    /// Find an organization.
    #[oai(
        path = "/organizations/:id",
        method = "get",
        operation_id = "findOrganization"
    )]
    async fn find(
        &self,
        app: Data<&App>,
        key: ApiKey,
        id: Path<OrganizationId>,
    ) -> Result<Json<Organization>, Problem> {
        let db = app.store.read();
        let scope = key.scope_owning(&db, id.0).await?;
        let organization = organizations::find(&db, &scope)
            .await?
            .ok_or(Error::NotFound("organization"))?;
        Ok(Json(organization))
    }

    /// Change an organization.
    ///
    /// Conflicts: `slug_taken`, `external_id_taken`.
    #[oai(
        path = "/organizations/:id",
        method = "patch",
        operation_id = "updateOrganization"
    )]
    async fn update(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<OrganizationId>,
        Body(patch): Body<OrganizationPatch>,
    ) -> Result<Json<Organization>, Problem> {
        let tx = app.store.begin().await?;
        let scope = key.scope_owning(&tx, id.0).await?;
        patch.check()?;
        let before = organizations::lock(&tx, &scope)
            .await?
            .ok_or(Error::NotFound("organization"))?;
        let after = patch.applied_to(before.clone());
        let organization = flow::update(&app, &tx, &scope, &before, after, &key.cause()).await?;
        tx.commit().await?;
        Ok(Json(organization))
    }
    /// Delete an organization.
    ///
    /// With everything in it: domains, connections, directories, users, groups, sessions, its API keys and
    /// webhook endpoints. Their events come first, then `organization.deleted`; events stay readable.
    #[oai(
        path = "/organizations/:id",
        method = "delete",
        operation_id = "deleteOrganization"
    )]
    async fn remove(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<OrganizationId>,
    ) -> Result<Deleted, Problem> {
        let tx = app.store.begin().await?;
        let scope = key.scope_owning(&tx, id.0).await?;
        flow::remove(&app, &tx, &scope, &key.cause()).await?;
        tx.commit().await?;
        Ok(Deleted)
    }
}

impl NewOrganization {
    fn checked(self) -> Result<flow::NewOrganization, Error> {
        let mut problems = Vec::new();
        check_slug(self.slug.as_deref(), &mut problems);
        check_metadata(self.metadata.as_ref(), &mut problems);
        let mut canonical = Vec::new();
        for (at, domain) in self.domains.unwrap_or_default().iter().enumerate() {
            match domains::parse(domain) {
                Ok(domain) if canonical.contains(&domain) => {
                    let message = format!("{domain} stands here twice");
                    problems.push(FieldProblem::new(format!("domains[{at}]"), message));
                }
                Ok(domain) => canonical.push(domain),
                Err(error) => problems.push(FieldProblem::new(
                    format!("domains[{at}]"),
                    error.to_string(),
                )),
            }
        }
        if !problems.is_empty() {
            return Err(Error::Invalid(problems));
        }
        Ok(flow::NewOrganization {
            name: self.name,
            slug: self.slug,
            external_id: self.external_id,
            domains: canonical,
            metadata: self.metadata.unwrap_or_default(),
        })
    }
}

impl OrganizationPatch {
    fn check(&self) -> Result<(), Error> {
        let mut problems = Vec::new();
        check_slug(self.slug.as_deref(), &mut problems);
        check_metadata(self.metadata.value(), &mut problems);
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Error::Invalid(problems))
        }
    }

    fn applied_to(self, mut organization: Organization) -> Organization {
        if let Some(name) = self.name {
            organization.name = name;
        }
        if let Some(slug) = self.slug {
            organization.slug = slug;
        }
        if let Some(role_policy) = self.role_policy {
            organization.role_policy = role_policy;
        }
        self.external_id.update_to(&mut organization.external_id);
        match self.metadata {
            MaybeUndefined::Undefined => {}
            MaybeUndefined::Null => organization.metadata.clear(),
            MaybeUndefined::Value(metadata) => organization.metadata = metadata,
        }
        organization
    }
}

/// A DNS label (RFC 1123 2.1), in lower case.
fn check_slug(slug: Option<&str>, problems: &mut Vec<FieldProblem>) {
    let Some(slug) = slug else { return };
    let label = (1..=MAX_SLUG).contains(&slug.len())
        && !slug.starts_with('-')
        && !slug.ends_with('-')
        && slug
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !label {
        problems.push(FieldProblem::new(
            "slug",
            "1 to 63 lower-case letters, digits and inner hyphens are wanted",
        ));
    }
}

fn check_metadata(metadata: Option<&BTreeMap<String, Value>>, problems: &mut Vec<FieldProblem>) {
    const MAX_METADATA: usize = 16 * 1024;
    let size = metadata.map_or(0, |it| {
        serde_json::to_string(it).map_or(0, |text| text.len())
    });
    if size > MAX_METADATA {
        problems.push(FieldProblem::new(
            "metadata",
            "holds at most 16 KiB of JSON",
        ));
    }
}
