//! Email domains of an organization.

use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::MaybeUndefined;
use poem_openapi::{Object, OpenApi};

use super::Tag;
use super::answer::{Answer, Created, Deleted, Done};
use super::body::Body;
use super::key::{ApiKey, Write};
use super::once::{Attempt, Once};
use super::page::{Cursor, Limit, Page, window};
use super::problem::Problem;
use crate::app::App;
use crate::egress::DnsError;
use crate::error::Error;
use crate::flows::domains::{self as flow, DomainChange, Occasion};
use crate::ids::{ConnectionId, DomainId, OrganizationId};
use crate::model::Domain;
use crate::store::domains;

#[derive(Debug, Object)]
struct NewDomain {
    /// As in `acme.example`. Public suffixes and hosts of public mailboxes are refused.
    domain: String,
    /// The application vouches for it: verified at once, without a DNS proof.
    trusted: Option<bool>,
    /// Addresses below it belong to it too, where no nearer domain is verified. Default false.
    include_subdomains: Option<bool>,
    /// The one connection of the organization that signs this domain in.
    connection_id: Option<ConnectionId>,
}

#[derive(Debug, Object)]
struct DomainPatch {
    include_subdomains: Option<bool>,
    /// Null: the organization's only connection, or a choice.
    connection_id: MaybeUndefined<ConnectionId>,
}

/// A null says that there is none; an absent field nothing.
fn change<T>(field: MaybeUndefined<T>) -> Option<Option<T>> {
    match field {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(value) => Some(Some(value)),
    }
}

pub(super) struct Domains;

#[OpenApi(tag = "Tag::Domains")]
impl Domains {
    /// Add a domain.
    ///
    /// A pending one routes nothing until its TXT record is found. Conflicts: `domain_taken` when another
    /// organization holds it, `domain_exists` when this one lists it already.
    #[oai(
        path = "/organizations/:id/domains",
        method = "post",
        operation_id = "createDomain"
    )]
    async fn create(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<OrganizationId>,
        #[oai(name = "Idempotency-Key")] once: Once,
        Body(new): Body<NewDomain>,
    ) -> Result<Created<Domain>, Problem> {
        let (tx, claim) = match once.begin(&app, &key).await? {
            Attempt::First(tx, claim) => (tx, claim),
            Attempt::Again(answer) => return Ok(answer),
        };
        let scope = key.scope_owning(&tx, id.0).await?;
        let domain = flow::parse(&new.domain)
            .map_err(|refused| Error::invalid("domain", refused.to_string()))?;
        let new = flow::NewDomain {
            domain,
            trusted: new.trusted.unwrap_or(false),
            include_subdomains: new.include_subdomains.unwrap_or(false),
            connection_id: new.connection_id,
        };
        let domain = flow::add(&app, &tx, &scope, new, &key.cause()).await?;
        Ok(claim.commit(&app, tx, Answer::new(&domain)).await?)
    }

    /// List domains.
    #[oai(
        path = "/organizations/:id/domains",
        method = "get",
        operation_id = "listDomains"
    )]
    async fn list(
        &self,
        app: Data<&App>,
        key: ApiKey,
        id: Path<OrganizationId>,
        limit: Query<Limit>,
        cursor: Query<Cursor<DomainId>>,
    ) -> Result<Json<Page<Domain>>, Problem> {
        let db = app.store.read();
        let scope = key.scope_owning(&db, id.0).await?;
        let slice = domains::list(&db, &scope, window(limit.0, cursor.0)).await?;
        Ok(Json(Page::of(slice)))
    }

    /// Find a domain.
    #[oai(
        path = "/organizations/:id/domains/:domain_id",
        method = "get",
        operation_id = "findDomain"
    )]
    async fn find(
        &self,
        app: Data<&App>,
        key: ApiKey,
        id: Path<OrganizationId>,
        domain_id: Path<DomainId>,
    ) -> Result<Json<Domain>, Problem> {
        let db = app.store.read();
        let scope = key.scope_owning(&db, id.0).await?;
        let domain = domains::find(&db, &scope, domain_id.0).await?;
        Ok(Json(domain.ok_or(Error::NotFound("domain"))?))
    }

    /// Change how a domain routes.
    ///
    /// To one connection or to all of the organization's, and whether it speaks for its subdomains.
    #[oai(
        path = "/organizations/:id/domains/:domain_id",
        method = "patch",
        operation_id = "updateDomain"
    )]
    async fn update(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<OrganizationId>,
        domain_id: Path<DomainId>,
        Body(patch): Body<DomainPatch>,
    ) -> Result<Json<Domain>, Problem> {
        let tx = app.store.begin().await?;
        let scope = key.scope_owning(&tx, id.0).await?;
        let change = DomainChange {
            include_subdomains: patch.include_subdomains,
            connection_id: change(patch.connection_id),
        };
        let domain = flow::change(&app, &tx, &scope, domain_id.0, change, &key.cause()).await?;
        tx.commit().await?;
        Ok(Json(domain))
    }

    /// Look for the TXT record now.
    ///
    /// The domain is `verified` when the record is there, else `failed`; one that was verified before has seven
    /// days. `last_check` says what was found instead, and what to do. It is looked for again without asking:
    /// hourly for two weeks, and daily once it was verified. Errors: 409 `domain_taken` when another organization
    /// proved it first and its record is still there, 502 `dns_unavailable` when no name server answers, which
    /// says nothing about the record.
    #[oai(
        path = "/organizations/:id/domains/:domain_id/verify",
        method = "post",
        operation_id = "verifyDomain"
    )]
    async fn verify(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<OrganizationId>,
        domain_id: Path<DomainId>,
        #[oai(name = "Idempotency-Key")] once: Once,
    ) -> Result<Done<Domain>, Problem> {
        let db = app.store.read();
        let scope = key.scope_owning(&db, id.0).await?;
        if let Some(answer) = once.answered(&app, &key).await? {
            return Ok(answer);
        }
        let domain = domains::find(&db, &scope, domain_id.0)
            .await?
            .ok_or(Error::NotFound("domain"))?;
        let look = match domain.trusted {
            true => None,
            false => Some(flow::look(&app, &domain).await.map_err(unavailable)?),
        };
        let (tx, claim) = match once.begin(&app, &key).await? {
            Attempt::First(tx, claim) => (tx, claim),
            Attempt::Again(answer) => return Ok(answer),
        };
        let cause = key.cause();
        let domain = match look {
            None => domain,
            Some(look) => {
                let asked = Occasion::Asked;
                flow::conclude(&app, &tx, &scope, domain.id, &Ok(look), asked, &cause).await?
            }
        };
        Ok(claim.commit(&app, tx, Answer::new(&domain)).await?)
    }

    /// Remove a domain.
    ///
    /// It routes no sign-in from now on.
    #[oai(
        path = "/organizations/:id/domains/:domain_id",
        method = "delete",
        operation_id = "deleteDomain"
    )]
    async fn remove(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<OrganizationId>,
        domain_id: Path<DomainId>,
    ) -> Result<Deleted, Problem> {
        let tx = app.store.begin().await?;
        let scope = key.scope_owning(&tx, id.0).await?;
        let domain = domains::find(&tx, &scope, domain_id.0)
            .await?
            .ok_or(Error::NotFound("domain"))?;
        flow::remove(&tx, &scope, &domain, &key.cause()).await?;
        tx.commit().await?;
        Ok(Deleted)
    }
}

fn unavailable(error: DnsError) -> Problem {
    Problem::http(
        http::StatusCode::BAD_GATEWAY,
        "dns_unavailable",
        error.to_string(),
    )
}
