//! The audit log: who did what, in which organization.

mod export;

use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;

use super::Tag;
use super::key::ApiKey;
use super::page::{Cursor, Limit, Page, window};
use super::problem::Problem;
use crate::app::App;
use crate::error::Error;
use crate::ids::{AuditEntryId, OrganizationId};
use crate::model::{AuditEntry, Timestamp, Window};
use crate::store::OrgScope;
use crate::store::audit::{self, AuditFilter};
use export::AuditExport;

pub(super) struct AuditLog;

#[OpenApi(tag = "Tag::AuditLog")]
impl AuditLog {
    /// List the entries of the audit log.
    ///
    /// A key that is bound to an organization sees that organization's.
    #[oai(path = "/audit_log", method = "get", operation_id = "listAuditLog")]
    #[expect(clippy::too_many_arguments, reason = "one per query parameter")]
    async fn list(
        &self,
        app: Data<&App>,
        key: ApiKey,
        limit: Query<Limit>,
        cursor: Query<Cursor<AuditEntryId>>,
        organization_id: Query<Option<OrganizationId>>,
        /// The id of who acted, as in `key_…`.
        actor: Query<Option<String>>,
        /// As in `connection.updated`, or all of a kind as in `connection.*`.
        action: Query<Option<String>>,
        since: Query<Option<Timestamp>>,
        until: Query<Option<Timestamp>>,
    ) -> Result<Json<Page<AuditEntry>>, Problem> {
        let scope = scope(&app, &key, organization_id.0).await?;
        let filter = filter(actor.0, action.0, since.0, until.0)?;
        let window = window(limit.0, cursor.0);
        let slice = audit::list(&app.store.read(), scope.as_ref(), &filter, window).await?;
        Ok(Json(Page::of(slice)))
    }

    /// Export the audit log.
    ///
    /// NDJSON, one entry a line, oldest first: everything that the filters let through. An answer that is cut
    /// off in the middle was broken off.
    #[oai(
        path = "/audit_log/export",
        method = "get",
        operation_id = "exportAuditLog"
    )]
    #[expect(clippy::too_many_arguments, reason = "one per query parameter")]
    async fn export(
        &self,
        app: Data<&App>,
        key: ApiKey,
        organization_id: Query<Option<OrganizationId>>,
        /// The id of who acted, as in `key_…`.
        actor: Query<Option<String>>,
        /// As in `connection.updated`, or all of a kind as in `connection.*`.
        action: Query<Option<String>>,
        since: Query<Option<Timestamp>>,
        until: Query<Option<Timestamp>>,
    ) -> Result<AuditExport, Problem> {
        let scope = scope(&app, &key, organization_id.0).await?;
        let filter = filter(actor.0, action.0, since.0, until.0)?;
        Ok(AuditExport::new(app.store.clone(), scope, filter))
    }
}

/// The organization's scope; `None` for all and what stands above them. What was done to a deleted one is still
/// there for who reads all organizations.
async fn scope(
    app: &App,
    key: &ApiKey,
    organization: Option<OrganizationId>,
) -> Result<Option<OrgScope>, Error> {
    let Some(id) = organization.or(key.bound_to()) else {
        return Ok(None);
    };
    let db = app.store.read();
    match key.scope_owning(&db, id).await {
        Err(Error::NotFound(name)) if key.bound_to().is_none() => {
            let deleted = app.store.organization_named(id);
            let one = Window {
                limit: 1,
                before: None,
            };
            let known = audit::list(&db, Some(&deleted), &AuditFilter::default(), one).await?;
            match known.rows.is_empty() {
                true => Err(Error::NotFound(name)),
                false => Ok(Some(deleted)),
            }
        }
        result => result.map(Some),
    }
}

fn filter(
    actor: Option<String>,
    action: Option<String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
) -> Result<AuditFilter, Error> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'.');
    let readable = |action: &str| {
        let action = action.strip_suffix(".*").unwrap_or(action);
        !action.is_empty() && action.bytes().all(plain)
    };
    if action.as_deref().is_some_and(|action| !readable(action)) {
        let wanted = "an action such as connection.updated, or connection.* is wanted";
        return Err(Error::invalid("action", wanted));
    }
    Ok(AuditFilter {
        actor,
        action,
        since,
        until,
    })
}
