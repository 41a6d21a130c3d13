//! Logins: the recorded trace of each sign-in attempt.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connectors::{Check, CheckName, CheckStatus};
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
use crate::flows::login::kept_response;
use crate::ids::{ConnectionId, LoginId, OrganizationId};
use crate::model::{ApiScope, Login, LoginOutcome, Slice, Timestamp};
use crate::store::OrgScope;
use crate::store::logins::{self, LoginFilter};

#[derive(Debug, Enum)]
#[oai(rename_all = "snake_case", rename = "CheckStatus")]
enum StatusView {
    Passed,
    Failed,
    Warning,
    NotReached,
}

/// One check of a login.
#[derive(Debug, Object)]
#[oai(rename = "Check")]
struct CheckView {
    check: String,
    status: StatusView,
    /// Why it failed, or what the warning is about; stable.
    #[oai(skip_serializing_if_is_none)]
    code: Option<String>,
    #[oai(skip_serializing_if_is_none)]
    expected: Option<String>,
    #[oai(skip_serializing_if_is_none)]
    received: Option<String>,
    title: String,
    /// Why the check exists.
    why: String,
    /// What to do about it; empty where there is nothing to do.
    fix: String,
}

/// What a login is asked for beside its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
enum Include {
    /// The SAML response as it came.
    Raw,
}

/// A login with its trace.
#[derive(Debug, Object)]
struct LoginWithChecks {
    #[oai(flatten)]
    login: Login,
    /// Every check, in order.
    checks: Vec<CheckView>,
    /// With `include=raw`: the XML that the identity provider sent, or what it sent in its place. Kept for 7 days.
    #[oai(skip_serializing_if_is_none)]
    raw_response: Option<String>,
}

pub(super) struct Logins;

#[OpenApi(tag = "Tag::Logins")]
impl Logins {
    /// List logins.
    #[oai(path = "/logins", method = "get", operation_id = "listLogins")]
    #[expect(clippy::too_many_arguments, reason = "one per query parameter")]
    async fn list(
        &self,
        app: Data<&App>,
        key: ApiKey,
        limit: Query<Limit>,
        cursor: Query<Cursor<LoginId>>,
        organization_id: Query<Option<OrganizationId>>,
        connection_id: Query<Option<ConnectionId>>,
        outcome: Query<Option<LoginOutcome>>,
        /// Of the check that failed.
        code: Query<Option<String>>,
        /// In any case.
        email: Query<Option<String>>,
        since: Query<Option<Timestamp>>,
        until: Query<Option<Timestamp>>,
    ) -> Result<Json<Page<Login>>, Problem> {
        let db = app.store.read();
        let scope = match organization_id.0.or(key.bound_to()) {
            Some(id) => Some(key.scope_owning(&db, id).await?),
            None => None,
        };
        let window = window(limit.0, cursor.0);
        let filter = LoginFilter {
            connection_id: connection_id.0,
            outcome: outcome.0,
            code: code.0,
            email: email.0,
            since: since.0,
            until: until.0,
            before: window.before,
        };
        let rows = logins::list(&db, scope.as_ref(), &filter, window.limit + 1).await?;
        let slice = Slice::cut(rows, window.limit, |stored| stored.login.id);
        Ok(Json(Page::of(slice.map(|stored| stored.login))))
    }

    /// Find a login, with its trace.
    ///
    /// `include=raw` wants a key with the scope `write`, because a response says more of a person than its trace,
    /// and leaves an entry in the audit log.
    #[oai(path = "/logins/:id", method = "get", operation_id = "findLogin")]
    async fn find(
        &self,
        app: Data<&App>,
        key: ApiKey,
        id: Path<LoginId>,
        include: Query<Option<Include>>,
    ) -> Result<Json<LoginWithChecks>, Problem> {
        let db = app.store.read();
        let scope = key.scope_owning(&db, id.0).await?;
        let stored = logins::find(&db, &scope, id.0)
            .await?
            .ok_or(Error::NotFound("login"))?;
        let raw_response = match include.0 {
            Some(Include::Raw) => raw_response(&app, &key, &scope, id.0).await?,
            None => None,
        };
        let checks = stored.trace.map(|trace| trace.checks).unwrap_or_default();
        Ok(Json(LoginWithChecks {
            login: stored.login,
            checks: checks.into_iter().map(CheckView::from).collect(),
            raw_response,
        }))
    }
}

/// What the identity provider sent, with an entry of who read it.
async fn raw_response(
    app: &App,
    key: &ApiKey,
    scope: &OrgScope,
    id: LoginId,
) -> Result<Option<String>, Error> {
    if !key.has(ApiScope::Write) {
        let missing = "what an identity provider sent is for keys with the scope write";
        return Err(Error::Forbidden(missing));
    }
    let Some(field) = kept_response(app, &app.store.read(), scope, id).await? else {
        return Ok(None);
    };
    let tx = app.store.begin().await?;
    tx.audit(
        key.act("login.response_read", id)
            .inside(scope.organization()),
    );
    tx.commit().await?;
    let compact: String = field.split_ascii_whitespace().collect();
    let xml = STANDARD
        .decode(compact)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    Ok(Some(xml.unwrap_or(field)))
}

impl From<Check> for CheckView {
    fn from(check: Check) -> Self {
        Self {
            check: name_of(check.check),
            status: match check.status {
                CheckStatus::Passed => StatusView::Passed,
                CheckStatus::Failed => StatusView::Failed,
                CheckStatus::Warning => StatusView::Warning,
                CheckStatus::NotReached => StatusView::NotReached,
            },
            code: check.code,
            expected: check.expected,
            received: check.received,
            title: check.title,
            why: check.why,
            fix: check.fix,
        }
    }
}

/// As CONTRACT section 8 writes it, which is how it is stored.
fn name_of(check: CheckName) -> String {
    match serde_json::to_value(check) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}
