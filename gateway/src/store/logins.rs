//! Logins: one row per sign-in attempt, from its begin to its end, with the trace.
//!
//! Each step is one conditional `UPDATE`, and the count of changed rows decides who won: any replica can take
//! any step, and none is taken twice.

use std::collections::HashMap;

use connectors::Trace;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};

use super::columns::JsonText;
use super::entity::logins::{ActiveModel, Column, Entity, Model};
use super::entity::replay_ids;
use super::{OrgScope, Reads, StoreError, Tx};
use crate::flows::authorize::AuthorizeRequest;
use crate::ids::{ApplicationId, ConnectionId, LoginId, UserId};
use crate::model::{Login, LoginOutcome, LoginState, Timestamp};

/// A login with what the gateway needs to go on with it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredLogin {
    pub login: Login,
    pub state: LoginState,
    pub application_id: Option<ApplicationId>,
    /// `ID` of the AuthnRequest.
    pub request_id: Option<String>,
    /// `RelayState` or OIDC `state`.
    pub relay_state: Option<String>,
    /// Keyed hash of the browser's cookie.
    pub browser_hash: Option<String>,
    /// While pending the nonce and PKCE verifier, when verified the identity; sealed
    /// (`logins`, `sealed`, id).
    pub sealed: Option<String>,
    pub request: Option<AuthorizeRequest>,
    pub trace: Option<Trace>,
    /// The SAML response that is being checked; kept beside the row, and never read with it.
    pub response: Option<String>,
    pub expires_at: Timestamp,
}

impl StoredLogin {
    /// Whether the application asked for it; the others begin with a response that nobody asked for.
    pub fn is_solicited(&self) -> bool {
        self.request_id.is_some() || self.relay_state.is_some()
    }
}

/// Inserts a login as it stands.
pub async fn insert(tx: &Tx, scope: &OrgScope, stored: &StoredLogin) -> Result<(), StoreError> {
    let login = &stored.login;
    let row = ActiveModel {
        id: Set(login.id),
        organization_id: Set(scope.organization()),
        connection_id: Set(login.connection_id),
        application_id: Set(stored.application_id),
        state: Set(stored.state),
        request_id: Set(stored.request_id.clone()),
        relay_state: Set(stored.relay_state.clone()),
        handle_hash: Set(None),
        browser_hash: Set(stored.browser_hash.clone()),
        sealed: Set(stored.sealed.clone()),
        request: Set(stored
            .request
            .as_ref()
            .map(serde_json::to_string)
            .transpose()?),
        trace: Set(stored.trace.clone().map(JsonText)),
        code: Set(login.code.clone()),
        email: Set(login.email.clone()),
        user_id: Set(login.user_id),
        ip: Set(login.ip.clone()),
        user_agent: Set(login.user_agent.clone()),
        created_at: Set(login.created_at),
        expires_at: Set(stored.expires_at),
        finished_at: Set((stored.state == LoginState::Failed).then_some(login.created_at)),
    };
    Entity::insert(row).exec_without_returning(tx.db()).await?;
    Ok(())
}

/// How a callback finds its login.
#[derive(Debug, Clone, Copy)]
pub enum CallbackKey<'a> {
    /// SAML `InResponseTo`.
    RequestId(&'a str),
    /// OIDC `state`.
    RelayState(&'a str),
}

/// The login that a callback at this connection answers, in whatever state it is.
pub async fn find_by_callback(
    db: &impl Reads,
    scope: &OrgScope,
    connection: ConnectionId,
    key: CallbackKey<'_>,
) -> Result<Option<StoredLogin>, StoreError> {
    let matches = match key {
        CallbackKey::RequestId(id) => Column::RequestId.eq(id),
        CallbackKey::RelayState(state) => Column::RelayState.eq(state),
    };
    let query = scope
        .select::<Entity>()
        .filter(matches)
        .filter(Column::ConnectionId.eq(connection));
    query
        .one(db.db())
        .await?
        .map(StoredLogin::try_from)
        .transpose()
}

/// The login that waits for its browser under this handle, and the scope that the pending login gives.
#[expect(
    clippy::disallowed_methods,
    reason = "a pending login's one-time handle is the evidence"
)]
pub async fn find_by_handle(
    db: &impl Reads,
    handle_hash: &str,
) -> Result<Option<(OrgScope, StoredLogin)>, StoreError> {
    let row = Entity::find()
        .filter(Column::HandleHash.eq(handle_hash))
        .one(db.db())
        .await?;
    row.map(|row| {
        let scope = OrgScope::from_evidence(row.organization_id);
        Ok((scope, StoredLogin::try_from(row)?))
    })
    .transpose()
}

pub async fn find(
    db: &impl Reads,
    scope: &OrgScope,
    id: LoginId,
) -> Result<Option<StoredLogin>, StoreError> {
    let row = scope
        .select::<Entity>()
        .filter(Column::Id.eq(id))
        .one(db.db())
        .await?;
    row.map(StoredLogin::try_from).transpose()
}

/// Filters of `GET /logins`; all given ones hold.
#[derive(Debug, Clone, Default)]
pub struct LoginFilter {
    pub connection_id: Option<ConnectionId>,
    pub outcome: Option<LoginOutcome>,
    pub code: Option<String>,
    /// Compared without regard to case.
    pub email: Option<String>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// Only rows older than this id.
    pub before: Option<LoginId>,
}

/// The browsers that these logins were bound to, as keyed hashes. One that no browser began is left out.
pub async fn browsers(
    db: &impl Reads,
    scope: &OrgScope,
    ids: &[LoginId],
) -> Result<HashMap<LoginId, String>, StoreError> {
    let rows: Vec<(LoginId, String)> = scope
        .select::<Entity>()
        .select_only()
        .column(Column::Id)
        .column(Column::BrowserHash)
        .filter(Column::Id.is_in(ids.iter().copied()))
        .filter(Column::BrowserHash.is_not_null())
        .into_tuple()
        .all(db.db())
        .await?;
    Ok(rows.into_iter().collect())
}

/// The newest first, of one organization, or of all where the caller stands above organizations.
#[expect(
    clippy::disallowed_methods,
    reason = "an unbound API key reads logins of every organization"
)]
pub async fn list(
    db: &impl Reads,
    scope: Option<&OrgScope>,
    filter: &LoginFilter,
    limit: u64,
) -> Result<Vec<StoredLogin>, StoreError> {
    let mut all = Condition::all()
        .add_option(filter.connection_id.map(|id| Column::ConnectionId.eq(id)))
        .add_option(filter.code.as_ref().map(|code| Column::Code.eq(code)))
        .add_option(
            filter
                .email
                .as_ref()
                .map(|email| Column::Email.eq(email.to_lowercase())),
        )
        .add_option(filter.since.map(|at| Column::CreatedAt.gte(at)))
        .add_option(filter.until.map(|at| Column::CreatedAt.lt(at)))
        .add_option(filter.before.map(|id| Column::Id.lt(id)));
    all = match filter.outcome {
        None => all,
        Some(LoginOutcome::Pending) => {
            all.add(Column::State.is_in([LoginState::Pending, LoginState::Verified]))
        }
        Some(LoginOutcome::Succeeded) => all.add(Column::State.eq(LoginState::Succeeded)),
        Some(LoginOutcome::Failed) => all.add(Column::State.eq(LoginState::Failed)),
        Some(LoginOutcome::Expired) => all.add(Column::State.eq(LoginState::Expired)),
    };
    let query = match scope {
        Some(scope) => scope.select::<Entity>(),
        None => Entity::find(),
    };
    let rows = query
        .filter(all)
        .order_by_desc(Column::Id)
        .limit(limit)
        .all(db.db())
        .await?;
    rows.into_iter().map(StoredLogin::try_from).collect()
}

/// What a step leaves behind.
#[derive(Debug)]
pub struct Progress<'a> {
    pub trace: &'a Trace,
    pub email: Option<&'a str>,
}

/// `Pending` (or `Failed` by an earlier, unacceptable answer to the same request) to `Verified`. False when
/// the login was already used or is too old.
pub async fn verify(
    tx: &Tx,
    scope: &OrgScope,
    id: LoginId,
    handle_hash: &str,
    sealed: &str,
    progress: Progress<'_>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let result = scope
        .update::<Entity>()
        .col_expr(Column::State, Expr::value(LoginState::Verified))
        .col_expr(Column::HandleHash, Expr::value(handle_hash))
        .col_expr(Column::Sealed, Expr::value(sealed))
        .col_expr(Column::Trace, Expr::value(JsonText(progress.trace.clone())))
        .col_expr(
            Column::Email,
            Expr::value(progress.email.map(str::to_lowercase)),
        )
        .col_expr(Column::Code, Expr::value(Option::<String>::None))
        .filter(Column::Id.eq(id))
        .filter(Column::State.is_in([LoginState::Pending, LoginState::Failed]))
        .filter(Column::HandleHash.is_null())
        .filter(Column::ExpiresAt.gt(now))
        .exec(tx.db())
        .await?;
    Ok(result.rows_affected == 1)
}

/// Any state but `Succeeded` to `Failed`. False when the login had succeeded.
pub async fn fail(
    tx: &Tx,
    scope: &OrgScope,
    id: LoginId,
    code: &str,
    progress: Progress<'_>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut update = scope
        .update::<Entity>()
        .col_expr(Column::State, Expr::value(LoginState::Failed))
        .col_expr(Column::Code, Expr::value(code))
        .col_expr(Column::Trace, Expr::value(JsonText(progress.trace.clone())))
        .col_expr(Column::FinishedAt, Expr::value(now));
    if let Some(email) = progress.email {
        update = update.col_expr(Column::Email, Expr::value(email.to_lowercase()));
    }
    let result = update
        .filter(Column::Id.eq(id))
        .filter(Column::State.ne(LoginState::Succeeded))
        .exec(tx.db())
        .await?;
    Ok(result.rows_affected == 1)
}

/// `Verified` to `Succeeded`. False when another request was first.
pub async fn succeed(
    tx: &Tx,
    scope: &OrgScope,
    id: LoginId,
    user: UserId,
    trace: &Trace,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let result = scope
        .update::<Entity>()
        .col_expr(Column::State, Expr::value(LoginState::Succeeded))
        .col_expr(Column::UserId, Expr::value(user))
        .col_expr(Column::Sealed, Expr::value(Option::<String>::None))
        .col_expr(Column::Trace, Expr::value(JsonText(trace.clone())))
        .col_expr(Column::FinishedAt, Expr::value(now))
        .filter(Column::Id.eq(id))
        .filter(Column::State.eq(LoginState::Verified))
        .filter(Column::ExpiresAt.gt(now))
        .exec(tx.db())
        .await?;
    Ok(result.rows_affected == 1)
}

/// Keeps response and assertion ids until they could no longer be accepted anyway. False when one of them
/// was there already: a replay, on whatever replica the first use was (SECURITY-MODEL G7).
pub async fn use_once(
    tx: &Tx,
    scope: &OrgScope,
    connection: ConnectionId,
    ids: &[(String, Timestamp)],
) -> Result<bool, StoreError> {
    if ids.is_empty() {
        return Ok(true);
    }
    let rows = ids.iter().map(|(id, expires_at)| replay_ids::ActiveModel {
        connection_id: Set(connection),
        id: Set(id.clone()),
        organization_id: Set(scope.organization()),
        expires_at: Set(*expires_at),
    });
    let inserted = replay_ids::Entity::insert_many(rows)
        .on_conflict(
            OnConflict::columns([replay_ids::Column::ConnectionId, replay_ids::Column::Id])
                .do_nothing()
                .to_owned(),
        )
        .exec_without_returning(tx.db())
        .await?;
    Ok(inserted == ids.len() as u64)
}

impl TryFrom<Model> for StoredLogin {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        Ok(Self {
            login: Login {
                id: row.id,
                organization_id: row.organization_id,
                connection_id: row.connection_id,
                user_id: row.user_id,
                email: row.email,
                outcome: row.state.into(),
                code: row.code,
                ip: row.ip,
                user_agent: row.user_agent,
                created_at: row.created_at,
            },
            state: row.state,
            application_id: row.application_id,
            request_id: row.request_id,
            relay_state: row.relay_state,
            browser_hash: row.browser_hash,
            sealed: row.sealed,
            request: row
                .request
                .as_deref()
                .map(serde_json::from_str)
                .transpose()?,
            trace: row.trace.map(|trace| trace.0),
            response: None,
            expires_at: row.expires_at,
        })
    }
}
